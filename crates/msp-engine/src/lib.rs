//! The media service provider over RTP: control core, shards, ports, drivers.
//!
//! [`Engine`] is the [`Provider`](msp_core::provider::Provider): it carries the sound of calls over UDP sockets, on one thread for each
//! shard. What it is to do comes over the control link of each address; it knows no signalling protocol.
//!
//! ```no_run
//! use msp_core::provider::Provider;
//! use msp_engine::{Engine, EngineConfig};
//!
//! let engine = Engine::start(EngineConfig::default().ports(20_000..=20_999))?;
//! let line = engine.open("alice")?;
//! // `line.address` makes calls for the application, `line.link` is for the signalling half.
//! engine.close();
//! # Ok::<(), msp_core::Error>(())
//! ```
//!
//! The cores ([`control`](self), shard) do no I/O and read no clock; [`sim`] runs them in virtual time.

mod clock;
mod config;
mod control;
mod driver;
mod engine;
pub mod farm;
mod ports;
mod random;
mod shard;
pub mod sim;
mod sys;
#[cfg(target_os = "linux")]
pub mod udp;
mod wheel;

pub use clock::{Clock, SystemClock};
pub use config::EngineConfig;
pub use engine::Engine;
pub use msp_rtp::playout::PlayoutMode;
pub use shard::Load;
#[cfg(target_os = "linux")]
pub use sys::{Preference, media_preference, process_cpu_time, thread_cpu_time};
