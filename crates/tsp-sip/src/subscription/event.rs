//! What the application is told of subscriptions.

use std::time::Duration;

use super::{DialogInfo, MessageSummary, Package, Presence};
use crate::Result;
use crate::account::AccountId;
use crate::wire::StatusCode;

/// Names a subscription of a user agent; the application chooses it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SubscriptionId(pub u64);

/// A state that we were told.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Notice {
    /// Messages that wait.
    Messages(MessageSummary),
    /// The dialogs of a user: all that are known, whether or not the notifier said them all again.
    Dialogs(DialogInfo),
    /// Whether a user can be reached.
    Presence(Presence),
}

impl Notice {
    /// Reads the body of a NOTIFY of `package`; none for a package that has no body of its own.
    ///
    /// # Errors
    /// Those of the reader of the package.
    pub(crate) fn parse(package: Package, body: &[u8]) -> Result<Option<Self>> {
        Ok(match package {
            Package::MessageSummary => Some(Self::Messages(MessageSummary::parse(body)?)),
            Package::Dialog => Some(Self::Dialogs(DialogInfo::parse(body)?)),
            Package::Presence => Some(Self::Presence(Presence::parse(body)?)),
            Package::Refer => None,
        })
    }
}

/// Something that happened to a subscription.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SubscriptionEvent {
    /// To one that the application asked for.
    Subscription {
        /// Which.
        id: SubscriptionId,
        /// What happened.
        kind: SubscriptionKind,
    },
    /// A peer told us of messages that wait, without having been asked (RFC 3842 section 3.4 does not know this; many
    /// exchanges do it).
    Unsolicited {
        /// The account that it is for, if it is for one.
        account: Option<AccountId>,
        /// What it told.
        notice: Notice,
    },
    /// To the presence that the application publishes.
    Publication {
        /// Of which account.
        account: AccountId,
        /// What happened.
        kind: PublicationKind,
    },
}

/// What happened to a publication (RFC 3903).
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum PublicationKind {
    /// The server has it; said again after each refresh.
    Published {
        /// For how long; it is refreshed before.
        expires: Duration,
    },
    /// The server does not have it.
    Refused {
        /// The status of the refusal, if it was one.
        status: Option<StatusCode>,
        /// The phrase or the error behind it.
        reason: Box<str>,
        /// When it is tried again by itself, if it is.
        again: Option<Duration>,
    },
    /// Nothing is published any more.
    Removed,
}

/// What happened to a subscription.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum SubscriptionKind {
    /// The notifier waits for somebody's consent.
    Pending,
    /// It holds; it is refreshed by itself.
    Active,
    /// The state that it is of.
    Notified {
        /// Who tells: the URI of From.
        from: Box<str>,
        /// What it told.
        notice: Notice,
    },
    /// It was lost, and is asked for again by itself.
    Interrupted {
        /// The status of the refusal, if it was one.
        status: Option<StatusCode>,
        /// The reason that the notifier gave, or ours.
        reason: Box<str>,
        /// When it is asked for again.
        after: Duration,
    },
    /// It is over.
    Ended {
        /// The status of the refusal, if it was one.
        status: Option<StatusCode>,
        /// The reason that the notifier gave, or ours.
        reason: Box<str>,
    },
}
