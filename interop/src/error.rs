//! Why a case did not hold.

use std::fmt;
use std::io;

/// A case's failure: what was expected and what was there instead.
#[derive(Debug)]
pub(crate) struct Error(String);

impl Error {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// An operation on a file or process that the system refused.
    pub(crate) fn io(what: impl fmt::Display, error: &io::Error) -> Self {
        Self(format!("{what}: {error}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

/// Fails with `text` unless `holds`.
pub(crate) fn ensure(holds: bool, text: impl FnOnce() -> String) -> Result<(), Error> {
    if holds { Ok(()) } else { Err(Error(text())) }
}
