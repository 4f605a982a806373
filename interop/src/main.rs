//! Calls with programs that others wrote.
#![forbid(unsafe_code)]

fn main() {}
