//! Text that shares the buffer of the message it came in.

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;
use bytestring::ByteString;

use crate::{Error, ErrorKind, Result};

/// A piece of a message that is known to be UTF-8; cloning it copies no byte.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text(ByteString);

impl Text {
    /// Text that lives as long as the program.
    pub const fn from_static(text: &'static str) -> Self {
        Self(ByteString::from_static(text))
    }

    /// The bytes as text.
    ///
    /// # Errors
    /// [`ErrorKind::NotUtf8`] if they are not UTF-8.
    pub fn new(bytes: Bytes) -> Result<Self> {
        match ByteString::try_from(bytes) {
            Ok(text) => Ok(Self(text)),
            Err(_) => Err(Error::new(ErrorKind::NotUtf8, "")),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The length in bytes.
    pub fn len(&self) -> usize {
        self.0.as_bytes().len()
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.0.as_bytes().is_empty()
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The bytes, to share parts of them.
    pub(super) fn shared(&self) -> &Bytes {
        self.0.as_bytes()
    }

    /// The bytes, without a copy.
    pub fn into_bytes(self) -> Bytes {
        self.0.into_bytes()
    }

    /// The text `part`, borrowed from `whole`.
    pub(super) fn part_of(whole: &Bytes, part: &str) -> Self {
        // It is text, so nothing is lost.
        Self::new(whole.slice_ref(part.as_bytes())).unwrap_or_default()
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
        Self(self.0.slice_ref(part))
    }

    /// A copy that does not keep the buffer of the message alive.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self::from(self.as_str())
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
        Self(text.into())
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
