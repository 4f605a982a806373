//! What this crate refuses: all of it is the caller's to mend.

use std::error::Error;
use std::fmt;

/// Why something could not be made.
#[derive(Clone, Copy, PartialEq, Debug)]
#[non_exhaustive]
pub enum DspErrorKind {
    /// A sample rate that this part does not work at.
    UnsupportedRate {
        /// The rate that was asked for, in Hz.
        hz: u32,
        /// The lowest that works, in Hz.
        min: u32,
        /// The highest that works, in Hz.
        max: u32,
    },
    /// A frequency that is no number, not above zero, or not below half the sample rate.
    Frequency {
        /// The frequency that was asked for, in Hz.
        hz: f32,
    },
    /// A level that is no number, or above full scale.
    Level {
        /// The level that was asked for, in dBFS.
        dbfs: f32,
    },
    /// More frequencies at once than a tone can have.
    TooManyPartials {
        /// How many were asked for.
        given: usize,
        /// How many there may be.
        max: usize,
    },
    /// More tones to listen for than one detector can.
    TooManyTones {
        /// How many were asked for.
        given: usize,
        /// How many there may be.
        max: usize,
    },
}

/// An error of this crate: its kind, and the part that refused.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct DspError {
    kind: DspErrorKind,
    part: &'static str,
}

impl DspError {
    pub(crate) const fn new(kind: DspErrorKind, part: &'static str) -> Self {
        Self { kind, part }
    }

    /// What was refused.
    pub const fn kind(&self) -> DspErrorKind {
        self.kind
    }

    /// The part that refused it, as a user would call it.
    pub const fn part(&self) -> &'static str {
        self.part
    }
}

impl fmt::Display for DspError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.part)?;
        match self.kind {
            DspErrorKind::UnsupportedRate { hz, min, max } => {
                write!(f, "a sample rate of {hz} Hz lies outside {min} to {max} Hz")
            }
            DspErrorKind::Frequency { hz } => {
                write!(
                    f,
                    "a frequency of {hz} Hz does not lie between zero and half the sample rate"
                )
            }
            DspErrorKind::Level { dbfs } => {
                write!(f, "a level of {dbfs} dBFS is above full scale or no number")
            }
            DspErrorKind::TooManyPartials { given, max } => {
                write!(f, "{given} frequencies at once are more than {max}")
            }
            DspErrorKind::TooManyTones { given, max } => {
                write!(f, "{given} tones to listen for are more than {max}")
            }
        }
    }
}

impl Error for DspError {}
