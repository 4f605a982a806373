//! How the program ends: a code for scripts, a line for people.

use std::fmt;
use std::process::ExitCode;

use tipring::{EndCause, Ended, Error, ErrorKind};

/// What went wrong, as far as a script cares.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Failure {
    /// The call was not what it should have been.
    Assertion = 1,
    /// The user asked for something impossible.
    Usage = 2,
    /// The call could not be set up.
    Sip = 3,
    /// Sound could not be read, sent, received or kept.
    Media = 4,
    /// Nobody answered in time.
    Timeout = 5,
}

/// Why the program fails.
#[derive(Debug)]
pub(crate) struct Fail {
    pub(crate) failure: Failure,
    pub(crate) message: String,
}

impl Fail {
    pub(crate) fn new(failure: Failure, message: impl Into<String>) -> Self {
        Self {
            failure,
            message: message.into(),
        }
    }

    /// The same, said of `whom`, if that is not named yet.
    pub(crate) fn about(mut self, whom: &str) -> Self {
        if !self.message.contains(whom) {
            self.message = format!("{whom}: {}", self.message);
        }
        self
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.failure as u8)
    }

    /// The end of a call that was not meant to end like this, or nothing if it was.
    pub(crate) fn of_end(ended: &Ended, was_connected: bool) -> Option<Self> {
        let failure = match ended.cause {
            EndCause::LocalHangUp | EndCause::RemoteHangUp if was_connected => return None,
            // Who says so in so many words has answered.
            EndCause::NoAnswer if ended.status.is_none_or(|s| s.code() == 408) => Failure::Timeout,
            EndCause::Media => Failure::Media,
            _ => Failure::Sip,
        };
        let what = match ended.cause {
            EndCause::LocalHangUp | EndCause::RemoteHangUp => "ended before it was answered",
            EndCause::Cancelled => "cancelled",
            EndCause::Refused => "refused",
            EndCause::Busy => "busy",
            EndCause::Declined => "declined",
            EndCause::BadAddress => "nobody of that name",
            EndCause::Congestion => "no room on the way",
            EndCause::CompletedElsewhere => "taken elsewhere",
            EndCause::Forwarded => "sent on to somebody else",
            EndCause::Incompatible => "nothing in common",
            EndCause::Blocked => "blocked",
            EndCause::Rejected => "rejected",
            EndCause::NoAnswer => "no answer",
            EndCause::Unresolvable => "host not found",
            EndCause::Unreachable => "unreachable",
            EndCause::Media if was_connected => "the sound was lost",
            EndCause::Media => "no common media",
            _ => "ended",
        };
        let status = ended.status.map(|s| format!(" {s}")).unwrap_or_default();
        let reason = if ended.reason.is_empty() {
            String::new()
        } else {
            format!(" ({})", ended.reason)
        };
        Some(Self::new(failure, format!("{what}{status}{reason}")))
    }
}

impl fmt::Display for Fail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<Error> for Fail {
    fn from(e: Error) -> Self {
        let failure = match e.kind() {
            ErrorKind::InvalidUri | ErrorKind::InvalidSetting => Failure::Usage,
            ErrorKind::Media => Failure::Media,
            ErrorKind::NoAnswer => Failure::Timeout,
            _ => Failure::Sip,
        };
        Self::new(failure, e.to_string())
    }
}

impl From<msp_core::Error> for Fail {
    fn from(e: msp_core::Error) -> Self {
        // A device is what the media half calls a file too: the context names it and says more.
        let text = match e.kind() {
            msp_core::ErrorKind::Device if !e.context().is_empty() => e.context().to_owned(),
            _ => e.to_string(),
        };
        Self::new(Failure::Media, text)
    }
}
