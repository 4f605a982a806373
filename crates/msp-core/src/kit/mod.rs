//! What proves a provider or a terminal: the rules of this crate as tests that run against any of them.
//!
//! [`provider`] has a test of a provider for each capability; [`check_terminal`] is for whoever makes a class of terminals.
//! Feature `kit`.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test stops where something is not as it should be"
)]

mod probe;
pub mod provider;
mod terminal;

pub use probe::{MultiProbe, Probe, ProbeFactory};
pub use terminal::check_terminal;
