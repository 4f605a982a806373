//! What can go wrong while evidence is written.

use std::fmt;
use std::io;

/// What went wrong.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The writer that was handed in failed: a full disk, a closed pipe.
    Write(io::ErrorKind),
    /// An interface of a capture that was not made by it.
    UnknownInterface,
}

/// Why evidence could not be written.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    source: Option<io::Error>,
}

impl Error {
    pub(crate) const fn new(kind: ErrorKind) -> Self {
        Self { kind, source: None }
    }

    /// What went wrong.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self {
            kind: ErrorKind::Write(error.kind()),
            source: Some(error),
        }
    }
}

impl From<serde_json::Error> for Error {
    // Our models have no map keys that JSON refuses, so what remains is the writer.
    fn from(error: serde_json::Error) -> Self {
        io::Error::from(error).into()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind, &self.source) {
            (ErrorKind::Write(_), Some(error)) => write!(f, "cannot write: {error}"),
            (ErrorKind::Write(kind), None) => write!(f, "cannot write: {kind}"),
            (ErrorKind::UnknownInterface, _) => f.write_str("the capture has no such interface"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|e| e as _)
    }
}
