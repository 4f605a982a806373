//! Event packages: the table of those that are known.

use std::fmt;
use std::time::Duration;

use super::{DialogInfo, MessageSummary, Presence};

/// An event package (RFC 6665 section 7).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Package {
    /// Messages that wait (RFC 3842).
    MessageSummary,
    /// The dialogs of a user: the busy lamp (RFC 4235).
    Dialog,
    /// Whether a user can be reached (RFC 3856).
    Presence,
    /// What became of a REFER (RFC 3515).
    Refer,
}

impl Package {
    /// Those that can be asked for with SUBSCRIBE; a subscription to `refer` is made by REFER alone.
    pub const ALL: [Self; 3] = [Self::MessageSummary, Self::Dialog, Self::Presence];

    /// The package as Event names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MessageSummary => "message-summary",
            Self::Dialog => "dialog",
            Self::Presence => "presence",
            Self::Refer => "refer",
        }
    }

    /// The package that Event names.
    pub fn of_name(name: &str) -> Option<Self> {
        let all = [
            Self::MessageSummary,
            Self::Dialog,
            Self::Presence,
            Self::Refer,
        ];
        all.into_iter()
            .find(|p| p.name().eq_ignore_ascii_case(name))
    }

    /// The type of its documents.
    pub const fn body_type(self) -> &'static str {
        match self {
            Self::MessageSummary => MessageSummary::TYPE,
            Self::Dialog => DialogInfo::TYPE,
            Self::Presence => Presence::TYPE,
            Self::Refer => "message/sipfrag",
        }
    }

    /// How long a subscription lasts if nobody says how long (RFC 3842 section 3.4, RFC 4235 section 3.4, RFC 3856
    /// section 6.4).
    pub const fn default_expires(self) -> Duration {
        match self {
            Self::MessageSummary | Self::Dialog | Self::Presence => Duration::from_secs(3600),
            Self::Refer => Duration::from_secs(180),
        }
    }

    /// Whether a SUBSCRIBE that forks leads to a subscription at each branch (RFC 4235 section 3.9); otherwise the first
    /// one is it (RFC 3842 section 3.9, RFC 3856 section 6.9).
    pub const fn forks(self) -> bool {
        matches!(self, Self::Dialog)
    }
}

impl fmt::Display for Package {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
