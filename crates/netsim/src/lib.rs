//! A network that can be made as bad as one likes: simulated in virtual time, or as a UDP proxy over real sockets.
//!
//! An [`Impairment`] says how bad: delay, jitter, loss at random or in bursts, duplicates, reordering, a narrow link. A
//! [`Path`] is one direction under such an impairment: it decides what becomes of each packet. [`Network`] moves
//! datagrams between simulated hosts over paths, through NATs if there are any, and neither sleeps nor reads a clock: the
//! same seed and the same traffic give the same network. [`proxy::UdpProxy`] does the same to the packets of two real
//! endpoints.
//!
//! No packet vanishes without being counted: see [`PathStats`].
//!
//! ```
//! use msp_core::time::Instant;
//! use netsim::{Impairment, Network};
//!
//! let (phone, server) = ("192.0.2.1:4000".parse().unwrap(), "192.0.2.2:5060".parse().unwrap());
//! let mut network = Network::new(7);
//! network.link(phone, server, "delay=30ms,jitter=40ms,loss=5%".parse().unwrap());
//!
//! for n in 0..1000 {
//!     network.send(Instant::from_millis(20 * n), phone, server, vec![0; 172]);
//! }
//! while let Some(at) = network.deadline() {
//!     if let Some(delivery) = network.poll(at) {
//!         assert_eq!((delivery.from, delivery.to), (phone, server));
//!     }
//! }
//! let stats = network.stats(phone, server);
//! assert_eq!(stats.sent, stats.delivered + stats.lost);
//! assert!((20..80).contains(&stats.lost));
//! ```
#![forbid(unsafe_code)]

mod error;
mod impairment;
mod nat;
mod network;
mod path;
pub mod proxy;
mod random;
mod stats;
mod units;

pub use error::{NetsimError, NetsimErrorKind};
pub use impairment::{Impairment, JitterShape};
pub use nat::{NatBehaviour, NatConfig};
pub use network::{Delivery, Endpoint, Network};
pub use path::{Fate, LossReason, Path};
pub use random::Random;
pub use stats::PathStats;
pub use units::{Ratio, format_duration, parse_duration};
