//! Messages as bytes and as values (RFC 3261 sections 7, 19, 20 and 25).
//!
//! A [`Message`] shares the buffer that it was read from: header values are slices of it, and what a field
//! means is read when it is asked for ([`Headers::via`], [`Headers::from`] and so on). Fields with unknown names
//! are kept byte for byte. Nothing in here panics, whatever the bytes.
//!
//! ```
//! use tsp_sip::wire::{Message, Method};
//!
//! let datagram = bytes::Bytes::from_static(
//!     b"OPTIONS sip:bob@biloxi.example SIP/2.0\r\nv: SIP/2.0/UDP pc33;branch=z9hG4bK1\r\n\
//!       f: Alice <sip:alice@atlanta.example>;tag=88sja8x\r\nt: <sip:bob@biloxi.example>\r\n\
//!       i: 843817637684230\r\nCSeq: 1 OPTIONS\r\nl: 0\r\n\r\n",
//! );
//! let Message::Request(request) = Message::parse(&datagram)? else { unreachable!() };
//! assert_eq!(request.method, Method::Options);
//! assert_eq!(request.headers.from()?.display(), "Alice");
//! assert_eq!(request.headers.via()?.branch(), Some("z9hG4bK1"));
//! # Ok::<(), tsp_sip::Error>(())
//! ```

mod answering;
mod contact;
mod dialog_id;
mod event;
mod fields;
mod headers;
mod history;
mod host;
mod identity;
mod intervals;
mod limits;
mod message;
mod method;
mod name;
mod name_addr;
mod options;
mod params;
mod read;
mod reason;
mod referral;
mod reliable;
mod scan;
mod sipfrag;
mod status;
mod stream;
mod tel;
mod text;
mod uri;
mod via;

pub mod auth;
pub mod check;
pub mod multipart;

pub use answering::{Alert, AnswerMode};
pub use contact::{Preference, join};
pub use dialog_id::{Replaces, TargetDialog};
pub use event::{Event, SubState, SubscriptionState};
pub use fields::{CSeq, MediaType};
pub use headers::{Header, Headers};
pub(crate) use history::change_of;
pub use history::{Diversion, HistoryEntry, TargetChange};
pub use host::{Host, HostPort};
pub use identity::{Party, Privacy, RemoteParty};
pub use intervals::{Refresher, RetryAfter, SessionExpires};
pub use limits::Limits;
pub use message::{Message, Request, Response};
pub use method::Method;
pub use name::HeaderName;
pub use name_addr::NameAddr;
pub use options::OptionTags;
pub use params::Params;
pub use read::{Refused, is_keep_alive};
pub use reason::Reason;
pub use reliable::RAck;
pub use sipfrag::{Fragment, FragmentStart};
pub use status::StatusCode;
pub use stream::{Frame, Framer};
pub use tel::TelNumber;
pub use text::Text;
pub use uri::{Scheme, Uri};
pub use via::Via;
