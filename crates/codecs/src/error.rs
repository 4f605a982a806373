//! What can go wrong with a codec, and whose fault it is.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

/// Why a codec, or the registry of codecs, refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum CodecErrorKind {
    /// The caller's buffer is too short for the result; nothing useful was written.
    OutputTooSmall {
        /// Bytes or samples that the result takes.
        needed: usize,
        /// Bytes or samples that the buffer has.
        available: usize,
    },
    /// The peer's payload is not a whole number of this codec's units.
    PayloadLength {
        /// Bytes in the payload.
        len: usize,
    },
    /// The payload is of the right length but its content makes no sense to the codec.
    PayloadContent,
    /// The encoder was handed a number of samples that it cannot make one payload of.
    FrameLength {
        /// Samples, of all channels together.
        samples: usize,
    },
    /// A codec of this name, clock and channel count is registered already.
    AlreadyRegistered,
    /// No codec of this name, clock and channel count is registered.
    Unknown,
}

/// An error of a codec: its kind, and the codec it is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CodecError {
    kind: CodecErrorKind,
    codec: Cow<'static, str>,
}

impl CodecError {
    /// An error about `codec`. A `&'static str` costs no allocation.
    pub fn new(kind: CodecErrorKind, codec: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind,
            codec: codec.into(),
        }
    }

    /// What went wrong.
    pub fn kind(&self) -> CodecErrorKind {
        self.kind
    }

    /// The codec that it is about, as it was asked for.
    pub fn codec(&self) -> &str {
        &self.codec
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let codec = &self.codec;
        match self.kind {
            CodecErrorKind::OutputTooSmall { needed, available } => {
                write!(
                    f,
                    "{codec}: the result takes {needed}, the buffer has {available}"
                )
            }
            CodecErrorKind::PayloadLength { len } => {
                write!(
                    f,
                    "{codec}: a payload of {len} bytes is not a whole number of units"
                )
            }
            CodecErrorKind::PayloadContent => write!(f, "{codec}: the payload makes no sense"),
            CodecErrorKind::FrameLength { samples } => {
                write!(f, "{codec}: {samples} samples do not make one payload")
            }
            CodecErrorKind::AlreadyRegistered => write!(f, "codec {codec} is registered already"),
            CodecErrorKind::Unknown => write!(f, "unknown codec {codec}"),
        }
    }
}

impl Error for CodecError {}
