//! What can be wrong with a description or with its use.

use std::fmt;

use msp_core::params::MediaSlot;

/// What went wrong.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The text has more than [`Limits::BYTES`](crate::Limits::BYTES) bytes.
    TooLong,
    /// The text has more than [`Limits::LINES`](crate::Limits::LINES) lines.
    TooManyLines,
    /// There are more than [`Limits::MEDIA`](crate::Limits::MEDIA) m= lines.
    TooManyMedia,
    /// An m= line has more than [`Limits::FORMATS`](crate::Limits::FORMATS) formats.
    TooManyFormats,
    /// A section has more than [`Limits::ATTRIBUTES`](crate::Limits::ATTRIBUTES) a= lines.
    TooManyAttributes,
    /// The line is not UTF-8 (RFC 8866 section 5).
    NotText,
    /// The text does not begin with `v=0` (RFC 8866 section 5.1).
    BadVersion,
    /// An o= line lacks a field (RFC 8866 section 5.2).
    BadOrigin,
    /// A c= line is of another network, or its address is none (RFC 8866 section 5.7).
    BadConnection,
    /// An m= line lacks a field or its port is none (RFC 8866 section 5.14).
    BadMedia,
    /// A medium that is on has no c= line, neither its own nor the session's (RFC 8866 section 5.7).
    NoConnection,
    /// Nothing that was offered can be accepted: no codec, profile or security in common.
    NoCommonCodec,
    /// The present round of offer and answer does not allow it (RFC 3264 section 4).
    WrongState,
    /// What the media half can do is not complete: no address, no encoding, a missing slot.
    BadLocal,
}

impl ErrorKind {
    const fn text(self) -> &'static str {
        match self {
            Self::TooLong => "the description is too long",
            Self::TooManyLines => "the description has too many lines",
            Self::TooManyMedia => "too many media",
            Self::TooManyFormats => "too many formats in a medium",
            Self::TooManyAttributes => "too many attributes in a section",
            Self::NotText => "not UTF-8",
            Self::BadVersion => "the description does not begin with v=0",
            Self::BadOrigin => "unreadable o= line",
            Self::BadConnection => "unreadable c= line",
            Self::BadMedia => "unreadable m= line",
            Self::NoConnection => "no c= line for a medium that is on",
            Self::NoCommonCodec => "nothing offered can be accepted",
            Self::WrongState => "not allowed in this state of offer and answer",
            Self::BadLocal => "incomplete local media parameters",
        }
    }
}

/// What went wrong, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Error {
    kind: ErrorKind,
    line: Option<usize>,
    slot: Option<MediaSlot>,
}

/// The result of reading, writing or negotiating.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) const fn at_line(kind: ErrorKind, line: usize) -> Self {
        Self {
            kind,
            line: Some(line),
            slot: None,
        }
    }

    pub(crate) const fn at_slot(kind: ErrorKind, slot: MediaSlot) -> Self {
        Self {
            kind,
            line: None,
            slot: Some(slot),
        }
    }

    /// What went wrong.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The line of the text, counted from 1, when one is to blame.
    pub const fn line(&self) -> Option<usize> {
        self.line
    }

    /// The medium, when one is to blame.
    pub const fn slot(&self) -> Option<MediaSlot> {
        self.slot
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self {
            kind,
            line: None,
            slot: None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.text())?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        if let Some(slot) = self.slot {
            write!(f, ", medium {slot}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
