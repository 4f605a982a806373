//! A phone: the SIP provider paired with the media engine and its terminals.
//!
//! ```no_run
//! # async fn example() -> tipring::Result<()> {
//! let phone = tipring::Phone::start().await?;
//! let call = phone.dial("sip:echo@192.0.2.7").await?;
//! call.connected().await?;
//! call.play("greeting.wav").await?;
//! call.hang_up().await?;
//! # Ok(())
//! # }
//! ```
//!
//! A [`Phone`] is one line. Its [`Call`]s join what TAPI joined: the signalling half, which `tsp-sip` drives, and the
//! media half, whose streams and terminals are those of [`msp_core`]. [`Events`] tell what happens to both, as an async
//! stream or by blocking.
#![forbid(unsafe_code)]

mod account;
mod call;
mod control;
mod error;
mod event;
#[cfg(doctest)]
mod guide;
mod hub;
mod identity;
mod inherit;
mod line;
mod no_media;
mod phone;
mod profile;
mod server;
mod stats;
mod subscription;
mod target;
mod transfer;

pub use account::{Registration, RegistrationState};
pub use call::{Call, CallState};
pub use error::{Error, ErrorKind, Result};
pub use event::{Event, EventKind, Events};
pub use hub::CallHub;
pub use msp_core;
pub use msp_core::link::Digit;
pub use msp_core::params::SecurityPolicy;
pub use msp_engine;
pub use msp_terminals as terminals;
pub use no_media::NoMedia;
pub use phone::{PeerCapabilities, Phone, PhoneBuilder};
pub use profile::{Profile, Switch};
pub use server::Server;
pub use stats::PhoneStats;
pub use subscription::Subscription;
pub use target::target_uri;
pub use tsp_sip::account::Account;
pub use tsp_sip::call::{
    AgentStats, CallPolicy, Caller, DiversionField, Domain, EndCause, Ended, IdentityField,
    IdentityPolicy, NumberForm, OptionalForm, Redirect, RequestPolicy, Side, Trust, Watchers,
};
pub use tsp_sip::digest::{Credential, Key};
pub use tsp_sip::net::{SignallingStats, SocketStats, TlsIdentity, TlsSettings};
pub use tsp_sip::registrar::RegistrarLimits;
pub use tsp_sip::registration::Registering;
pub use tsp_sip::subscription::{
    DialogEntry, DialogInfo, DialogState, MessageCount, MessageSummary, Notice, Package,
    Participant, Presence, PresenceTuple, SubscriptionKind,
};
pub use tsp_sip::transaction::{Timers, TransactionStats};
pub use tsp_sip::transport::{DatagramLimits, FlowPolicy, ReachedBy, UdpKeepAlive};
pub use tsp_sip::wire::auth::Algorithm;
pub use tsp_sip::wire::{Diversion, HistoryEntry, Host, NameAddr, TelNumber, Uri};
