//! Nouns, states, events and traits of a media service provider, free of any protocol.
//!
//! A telephony service provider (TSP) signals; a media service provider (MSP) carries the sound. The two
//! meet in this crate alone: they share a call's key and exchange plain messages over a
//! [`link::ControlLink`]. Nothing in here does I/O, reads a clock, needs a runtime or knows a codec or a
//! signalling protocol.
#![forbid(unsafe_code)]

pub mod bus;
pub mod controls;
pub mod error;
pub mod event;
pub mod fault;
pub mod flow;
pub mod gather;
pub mod id;
#[cfg(feature = "kit")]
pub mod kit;
pub mod link;
pub mod loopback;
pub mod media;
pub mod model;
pub mod params;
pub mod provider;
pub mod registry;
pub mod secret;
pub mod selection;
pub mod statics;
pub mod stats;
pub mod terminal;
pub mod time;
pub mod trace;

pub use error::{Error, ErrorKind, Result};
