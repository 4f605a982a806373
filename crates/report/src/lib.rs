//! Evidence of a call from its trace: a verdict, a report as JSON and HTML, a capture, a JUnit file.
//!
//! Everything here is a reader of [`msp_core::trace`]. Nothing opens a file, reads a clock or touches the network:
//! writers are handed in, and so is the time of day ([`WallClock`]).
//!
//! - A [`Phone`] is one end of a call: its trace, what it recorded, what it was to send.
//! - [`Verdict::judge`] compares what two phones heard with what they were to send. Each way to fail has its own
//!   [`Reason`].
//! - [`ReportBuilder`] makes a [`Report`] of one phone or of both, which writes itself as HTML and JSON.
//! - [`Pcap`] writes what went over the network for Wireshark, and [`KeyLog`] the keys of what is encrypted in it.
//! - [`write_junit`] writes results for continuous integration.
//!
//! ```
//! use tipring_report::{Phone, ReportBuilder, WallClock};
//!
//! # let entries = Vec::new();
//! let report = ReportBuilder::new("my program 1.0")
//!     .clock(WallClock::from_unix_nanos(1_785_000_000_000_000_000))
//!     .phone(Phone::new("alice", entries))
//!     .build();
//! let mut page = Vec::new();
//! report.write_html(&mut page)?;
//! assert!(page.starts_with(b"<!doctype html>"));
//! # Ok::<(), tipring_report::Error>(())
//! ```
//!
//! Not in here: quality by listening (PESQ, ViSQOL), which needs the sound of the reference and more time; the E-model
//! ([`model::Quality`]) needs packets alone. Keys and digests are masked wherever signalling is written; only a [`KeyLog`] has them.
#![forbid(unsafe_code)]

mod builder;
mod clock;
mod due;
mod error;
mod html;
mod junit;
mod keylog;
mod mask;
mod media;
pub mod model;
mod opened;
mod pcap;
mod phone;
mod quality;
mod sent;
mod sip;
mod verdict;

pub use builder::ReportBuilder;
pub use clock::WallClock;
pub use error::{Error, ErrorKind};
pub use junit::{Case, CaseOutcome, write_junit};
pub use keylog::KeyLog;
pub use mask::masked;
pub use model::Report;
pub use pcap::{Counts, Pcap};
pub use phone::{Phone, Recording, Sound};
pub use verdict::{DirectionVerdict, Limits, Network, Reason, Verdict};
