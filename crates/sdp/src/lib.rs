//! Session descriptions and offer/answer: text to media parameters and back.
//!
//! - [`SessionDescription`] reads a description (RFC 8866) line by line and keeps every one as it came.
//! - [`RemoteSession`] is what a peer's description says, as [`MediaParams`](msp_core::params::MediaParams)
//!   seen from here.
//! - [`OfferAnswer`] is the state machine of RFC 3264 for one leg of a call: it writes our offers and
//!   answers from what the media half can do, and says what was agreed.
//!
//! Nothing in here does I/O: no clock, no random numbers, no DNS. A host name where an address should be is
//! handed out as [`Unresolved`].
//!
//! Sound alone is negotiated. Video, fax and messages are refused in their place. Bundled transports
//! (RFC 8843) and capability negotiation (RFC 5939) are not offered and not accepted.
#![forbid(unsafe_code)]

mod agreement;
mod attribute;
mod description;
mod error;
mod ice;
mod keys;
mod limits;
mod line;
mod local;
mod negotiate;
mod offer_answer;
mod payload;
mod place;
mod policy;
mod remote;

pub use agreement::{Agreement, Answer, Refusal, RemoteOffer};
pub use attribute::Attribute;
pub use description::{MediaSection, Section, SessionDescription};
pub use error::{Error, ErrorKind, Result};
pub use keys::crypto_line;
pub use limits::Limits;
pub use line::{Bandwidth, Connection, Host, Line, Media, Origin, Value};
pub use local::{Identity, LocalDescription};
pub use negotiate::RefusalReason;
pub use offer_answer::{OfferAnswer, State};
pub use policy::{CodecOrder, LaterAnswers, Policy};
pub use remote::{IgnoreReason, Ignored, RemoteMedia, RemoteSession, Unresolved};
