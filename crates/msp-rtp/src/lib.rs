//! One RTP session without sockets: from a datagram to a frame of sound, and back.
//!
//! Nothing in here does I/O, reads a clock or draws a random number, and after a session has been set up nothing
//! takes memory per packet or frame. The caller hands in time, datagrams and frames:
//!
//! - [`SessionConfig::new`] and [`Session::new`] when ports are opened: what comes is held, within bounds.
//! - [`SessionParams::new`] makes decoders, encoder and playout from what was agreed, on a thread that may take memory;
//!   [`Session::apply`] swaps them in on the media thread and gives back the old ones to be dropped elsewhere.
//! - for each datagram [`Session::receive`];
//! - in each tick of 10 ms, after the datagrams: [`Session::render`] and [`Session::capture`], then
//!   [`Session::transmit`] until it gives nothing more, then [`Session::poll_event`] and, if anybody wants to know,
//!   [`playout_log`](Session::playout_log);
//! - when no ticks run, [`Session::transmit`] at [`Session::deadline`];
//! - [`Session::stop`] and a last [`Session::transmit`] for the goodbye.
//!
//! Ticks are named by the time at which they were due, not by that at which they ran. A [`transport::Transport`] has
//! several sessions where a call forks: one for each leg.
//!
//! ```
//! use msp_codecs::CodecRegistry;
//! use msp_core::id::PayloadType;
//! use msp_core::media::MediaKind;
//! use msp_core::params::{CodecSpec, MediaParams, MediaSlot, PayloadMapping};
//! use msp_core::time::{ClockRate, Instant};
//! use msp_rtp::packet::SEND_BUFFER;
//! use msp_rtp::rtcp::WallClock;
//! use msp_rtp::{Session, SessionConfig, SessionParams, session::PlayoutDelay};
//!
//! let pcmu = PayloadMapping {
//!     payload_type: PayloadType(0),
//!     codec: CodecSpec::mono("PCMU", ClockRate::HZ_8000),
//!     parameters: None,
//! };
//! let mut agreed = MediaParams::new(MediaSlot(0), MediaKind::Audio);
//! agreed.send = vec![pcmu.clone()];
//! agreed.receive = vec![pcmu];
//! agreed.remote = Some("192.0.2.1:4000".parse()?);
//!
//! let now = Instant::from_millis(0);
//! let mut session = Session::new(&SessionConfig::new(1, WallClock::default()));
//! let params = SessionParams::new(&agreed, &CodecRegistry::builtin(), PlayoutDelay::default())?;
//! session.apply(now, params);
//!
//! let (mut buffer, mut sent) = ([0; SEND_BUFFER], 0);
//! for tick in 0..10 {
//!     let now = Instant::from_millis(tick * 10);
//!     session.capture(now, Some(&[1000; 80]));
//!     while let Some(packet) = session.transmit(now, &mut buffer) {
//!         assert_eq!(buffer[packet.range].len(), 172);
//!         sent += 1;
//!     }
//! }
//! assert_eq!(sent, 5);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

pub mod digits;
mod error;
pub mod header;
pub mod latch;
pub mod packet;
pub mod playout;
pub mod protect;
mod random;
pub mod reach;
pub mod receiver;
pub mod rtcp;
#[cfg(feature = "rtp")]
mod rtp_crate;
pub mod sender;
pub mod session;
pub mod source;
pub mod srtp;
pub mod transport;
pub mod view;

pub use error::{Error, ErrorKind};
pub use session::{Session, SessionConfig, SessionParams};
