//! Evidence of a call from its trace: a verdict, a report as JSON and HTML, a capture, a JUnit file.
//!
//! Everything here is a reader of [`msp_core::trace`]. Nothing opens a file, reads a clock or touches the network:
//! writers are handed in, and so is the time of day ([`WallClock`]).
#![forbid(unsafe_code)]

mod builder;
mod clock;
mod error;
mod html;
mod junit;
mod mask;
mod media;
pub mod model;
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
pub use mask::masked;
pub use model::Report;
pub use pcap::{Counts, Pcap};
pub use phone::{Phone, Recording, Sound};
pub use verdict::{DirectionVerdict, Limits, Network, Reason, Verdict};
