//! A simulated network in virtual time, and the same model as a UDP proxy
