//! A telephony service provider (TSP) for SIP: it signals calls and drives any media service provider
//! over the control link of `msp-core`.
//!
//! Layers, each using only what stands above it in this list:
//! - [`wire`]: messages as bytes and as values: reader, writer, URIs, typed header fields.
//! - [`transport`]: where messages come from and go to; no sockets.
//! - [`transaction`]: a request, its retransmissions and its responses.
//! - [`dialog`]: two user agents that know each other.
//! - [`digest`]: proving a password without saying it.
//! - [`account`]: who we are to a provider, and the way that leads to it.
//! - [`registration`]: telling a registrar where we are reached.
//! - [`subscription`]: events that others are told of.
//! - [`call`]: the user agent: calls, and the media half that it drives.
//! - [`net`]: the driver on tokio, the one place with sockets and a runtime.
//!
//! Features: `rsip` (on by default) converts from and to the types of the rsip crate.
#![forbid(unsafe_code)]
#![warn(clippy::indexing_slicing, clippy::expect_used, clippy::panic)]

pub mod account;
pub mod call;
mod counters;
pub mod dialog;
pub mod digest;
mod error;
mod memory;
pub mod net;
pub mod registrar;
pub mod registration;
#[cfg(feature = "rsip")]
mod rsip_compat;
pub mod subscription;
mod tables;
pub mod transaction;
pub mod transport;
pub mod wire;

pub use error::{Error, ErrorKind, Fault, Limit, Result};
