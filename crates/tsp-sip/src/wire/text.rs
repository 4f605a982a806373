//! Text that shares the buffer of the message it came in.

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;

use crate::{Error, ErrorKind, Result};

/// A piece of a message that is known to be UTF-8; cloning it copies no byte.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text(Bytes);

impl Text {
    /// Text that lives as long as the program.
    pub const fn from_static(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }

    /// The bytes as text.
    ///
    /// # Errors
    /// [`ErrorKind::NotUtf8`] if they are not UTF-8.
    pub fn new(bytes: Bytes) -> Result<Self> {
        match std::str::from_utf8(&bytes) {
            Ok(_) => Ok(Self(bytes)),
            Err(_) => Err(Error::new(ErrorKind::NotUtf8, "")),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // Checked when it was made, so the default is never taken.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The length in bytes.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no text.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, to share parts of them.
    pub(super) const fn shared(&self) -> &Bytes {
        &self.0
    }

    /// The bytes, without a copy.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    /// The text `part`, borrowed from `whole`.
    pub(super) fn part_of(whole: &Bytes, part: &str) -> Self {
        Self(whole.slice_ref(part.as_bytes()))
    }

    /// As [`Text::part_of`]; what is one of `known` needs no share of the buffer.
    pub(super) fn known_part_of(whole: &Bytes, part: &str, known: &[&'static str]) -> Self {
        match known.iter().find(|k| **k == part) {
            Some(known) => Self::from_static(known),
            None => Self::part_of(whole, part),
        }
    }

    /// The part of this text that `part`, borrowed from it, covers.
    pub(super) fn share(&self, part: &str) -> Self {
        Self(self.0.slice_ref(part.as_bytes()))
    }

    /// A copy that does not keep the buffer of the message alive.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self(Bytes::copy_from_slice(&self.0))
    }
}

impl Deref for Text {
    type Target = str;
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
