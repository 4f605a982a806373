//! What this crate refuses of its caller, and of what was agreed.

use std::borrow::Cow;
use std::fmt;

/// What went wrong.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No codec is known for what was agreed.
    UnknownCodec,
    /// A sample rate that cannot be played.
    UnsupportedRate,
    /// More channels than one.
    UnsupportedChannels,
    /// A number lies outside its range.
    OutOfRange,
    /// There is no such leg, or too many.
    Leg,
    /// A key that cannot be used.
    Key,
}

/// An error: what went wrong, and with what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Error {
    kind: ErrorKind,
    context: Cow<'static, str>,
}

impl Error {
    /// An error of `kind` about `context`.
    pub fn new(kind: ErrorKind, context: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            context: context.into(),
        }
    }

    /// What went wrong.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What it was about.
    pub fn context(&self) -> &str {
        &self.context
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.kind {
            ErrorKind::UnknownCodec => "no such codec",
            ErrorKind::UnsupportedRate => "sample rate not supported",
            ErrorKind::UnsupportedChannels => "number of channels not supported",
            ErrorKind::OutOfRange => "out of range",
            ErrorKind::Leg => "no such leg",
            ErrorKind::Key => "key cannot be used",
        };
        write!(f, "{}: {text}", self.context)
    }
}

impl std::error::Error for Error {}

impl From<Error> for msp_core::Error {
    fn from(error: Error) -> Self {
        use msp_core::ErrorKind as K;
        let kind = match error.kind {
            ErrorKind::OutOfRange => K::InvalidArgument,
            ErrorKind::Leg => K::InvalidCall,
            ErrorKind::Key => K::PeerIncompatible,
            _ => K::NoFormat,
        };
        Self::new(kind, error.context.into_owned())
    }
}
