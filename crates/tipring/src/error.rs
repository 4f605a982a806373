//! What can go wrong for an application, and whose fault it is.

use std::fmt;

/// What went wrong.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The text is no SIP URI that can be called.
    InvalidUri,
    /// The host of the URI has no address.
    Unresolvable,
    /// The address or port cannot be bound.
    PortInUse,
    /// A setting is out of its range, or names something unknown.
    InvalidSetting,
    /// The peer, or a server on the way, said no; the status tells how.
    Refused,
    /// Nobody answered in time.
    NoAnswer,
    /// The peer cannot be reached, or went away.
    Unreachable,
    /// The call is over.
    Ended,
    /// The call is in no state for this.
    WrongState,
    /// Sound could not be opened, sent or received.
    Media,
    /// The phone was closed.
    Closed,
}

/// An error: its kind, what it was about, and what lies behind it.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    context: Box<str>,
    status: Option<u16>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The result of an operation of a phone.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn new(kind: ErrorKind, context: impl Into<Box<str>>) -> Self {
        Self {
            kind,
            context: context.into(),
            status: None,
            source: None,
        }
    }

    pub(crate) fn with_status(mut self, status: Option<u16>) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn caused_by(
        mut self,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// What went wrong.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The SIP status behind it, if there is one.
    pub const fn status(&self) -> Option<u16> {
        self.status
    }

    /// Whether the same may work later.
    pub const fn is_retryable(&self) -> bool {
        match self.kind {
            ErrorKind::NoAnswer | ErrorKind::Unreachable | ErrorKind::PortInUse => true,
            // Busy, temporarily unavailable, overloaded.
            ErrorKind::Refused => matches!(self.status, Some(480 | 486 | 503 | 600)),
            _ => false,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            ErrorKind::InvalidUri => "not a URI that can be called",
            ErrorKind::Unresolvable => "host not found",
            ErrorKind::PortInUse => "cannot be bound",
            ErrorKind::InvalidSetting => "invalid setting",
            ErrorKind::Refused => "refused",
            ErrorKind::NoAnswer => "no answer",
            ErrorKind::Unreachable => "unreachable",
            ErrorKind::Ended => "the call is over",
            ErrorKind::WrongState => "not possible in this state",
            ErrorKind::Media => "no sound",
            ErrorKind::Closed => "closed",
        };
        if !self.context.is_empty() {
            write!(f, "{}: ", self.context)?;
        }
        f.write_str(what)?;
        if let Some(status) = self.status {
            write!(f, " ({status})")?;
        }
        if let Some(source) = &self.source {
            write!(f, ": {source}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|e| e as _)
    }
}

impl From<msp_core::Error> for Error {
    fn from(e: msp_core::Error) -> Self {
        let kind = match e.kind() {
            msp_core::ErrorKind::Closed => ErrorKind::Ended,
            msp_core::ErrorKind::WrongState => ErrorKind::WrongState,
            _ => ErrorKind::Media,
        };
        Self::new(kind, "").caused_by(e)
    }
}
