//! Events that others are told of (RFC 6665): packages, what their documents say, and when a subscription is asked for,
//! asked for again and over.
//!
//! Messages and dialogs are the [user agent's](crate::call); what stands here sends nothing.

mod dialog_info;
mod event;
mod message_summary;
mod package;
mod presence;
pub(crate) mod usage;
mod xml;

pub(crate) use dialog_info::Update;
pub use dialog_info::{DialogEntry, DialogInfo, DialogState, Participant};
pub use event::{Notice, PublicationKind, SubscriptionEvent, SubscriptionId, SubscriptionKind};
pub use message_summary::{MessageCount, MessageSummary};
pub use package::Package;
pub use presence::{Presence, PresenceTuple};
