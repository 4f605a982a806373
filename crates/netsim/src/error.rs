//! What this crate refuses.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::io;

/// Why something was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NetsimErrorKind {
    /// No share of a whole: wanted are `5%` or `0.05`, from 0 to 1.
    Ratio,
    /// No duration: wanted are `40ms`, `1.5s` or `250us`.
    Duration,
    /// No number that makes sense at this place.
    Number,
    /// No word that an impairment knows.
    UnknownKey,
    /// A word of an impairment without a value, or with one it does not take.
    Value,
    /// A target of another address family than the socket it is to be reached from.
    AddressFamily,
    /// The system refused a socket or a thread.
    Io(io::ErrorKind),
}

/// An error of this crate: its kind, and the text or the address that it is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NetsimError {
    kind: NetsimErrorKind,
    context: Cow<'static, str>,
}

impl NetsimError {
    pub(crate) fn new(kind: NetsimErrorKind, context: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            context: context.into(),
        }
    }

    pub(crate) fn io(error: &io::Error, context: impl Into<Cow<'static, str>>) -> Self {
        Self::new(NetsimErrorKind::Io(error.kind()), context)
    }

    /// What went wrong.
    pub fn kind(&self) -> NetsimErrorKind {
        self.kind
    }

    /// The text or the address that it is about.
    pub fn context(&self) -> &str {
        &self.context
    }
}

impl fmt::Display for NetsimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let context = &self.context;
        match self.kind {
            NetsimErrorKind::Ratio => write!(f, "`{context}` is no share such as 5% or 0.05"),
            NetsimErrorKind::Duration => {
                write!(f, "`{context}` is no duration such as 40ms or 1.5s")
            }
            NetsimErrorKind::Number => write!(f, "`{context}` is no number that makes sense here"),
            NetsimErrorKind::UnknownKey => write!(
                f,
                "`{context}` is unknown; known are delay, jitter, shape, overtake, loss, burst, duplicate, reorder, \
                 hold, rate, queue"
            ),
            NetsimErrorKind::Value => {
                write!(f, "`{context}` has no value, or one that it does not take")
            }
            NetsimErrorKind::AddressFamily => {
                write!(
                    f,
                    "{context}: the target is not of the address family of the socket"
                )
            }
            NetsimErrorKind::Io(kind) => write!(f, "{context}: {kind}"),
        }
    }
}

impl Error for NetsimError {}
