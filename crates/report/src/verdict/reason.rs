//! Why a verdict does not hold.

use std::fmt;

use serde::Serialize;

/// Why a call is not what it should have been.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(tag = "code", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// The call was not answered.
    NotConnected,
    /// What is needed to judge is missing.
    Incomplete {
        /// What.
        what: &'static str,
    },
    /// No sound came through, and none the other way either.
    NothingHeard,
    /// No sound came through, while it did the other way.
    OneWaySilent {
        /// Packets that came nevertheless.
        packets: u64,
    },
    /// Another sound was heard than the one that was sent.
    WrongSound {
        /// Whether it is the sound that went the other way.
        swapped: bool,
        /// How alike the sounds are, at the best delay: 1 for the same, 0 for strangers.
        similarity: f32,
    },
    /// The sound was coded by one law of G.711 and decoded by the other.
    WrongLaw {
        /// The law by which it was decoded.
        read_as: &'static str,
    },
    /// The sound lies elsewhere than playout says.
    Shifted {
        /// Milliseconds by which it came later; negative if earlier.
        ms: f64,
    },
    /// Sound took longer than allowed from the network's edge to the ear.
    TooLate {
        /// Milliseconds that it took.
        ms: f64,
        /// Milliseconds that it may take.
        limit_ms: f64,
    },
    /// The sound is softer than it was.
    TooSoft {
        /// By how many decibels.
        db: f32,
    },
    /// The sound is louder than it was.
    TooLoud {
        /// By how many decibels.
        db: f32,
    },
    /// Samples are neither what the codec makes of the sound nor named in playout's log.
    UnexplainedSamples {
        /// The position of the first, as playout counts.
        first: u64,
        /// The same in milliseconds.
        first_ms: f64,
        /// How many differ, are missing, or are too many.
        count: u64,
    },
    /// Less was heard than the network let through.
    TooLittleHeard {
        /// Milliseconds of sound that were heard.
        heard_ms: f64,
        /// Milliseconds of sound that were due.
        due_ms: f64,
    },
}

impl Reason {
    /// A stable name, the same that is written as `code` in JSON.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotConnected => "not_connected",
            Self::Incomplete { .. } => "incomplete",
            Self::NothingHeard => "nothing_heard",
            Self::OneWaySilent { .. } => "one_way_silent",
            Self::WrongSound { .. } => "wrong_sound",
            Self::WrongLaw { .. } => "wrong_law",
            Self::Shifted { .. } => "shifted",
            Self::TooLate { .. } => "too_late",
            Self::TooSoft { .. } => "too_soft",
            Self::TooLoud { .. } => "too_loud",
            Self::UnexplainedSamples { .. } => "unexplained_samples",
            Self::TooLittleHeard { .. } => "too_little_heard",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConnected => f.write_str("the call was not answered"),
            Self::Incomplete { what } => write!(f, "cannot be judged: {what}"),
            Self::NothingHeard => f.write_str("nothing was heard"),
            Self::OneWaySilent { packets: 0 } => {
                f.write_str("one way is silent: no packet came through")
            }
            Self::OneWaySilent { packets } => {
                write!(f, "one way is silent, in all of {packets} packets")
            }
            Self::WrongSound { swapped: true, .. } => {
                f.write_str("the wrong sound: it is the one that went the other way")
            }
            Self::WrongSound { similarity, .. } => {
                write!(f, "the wrong sound: alike by {similarity:.2} of 1 at best")
            }
            Self::WrongLaw { read_as } => {
                write!(
                    f,
                    "the wrong law: {} was decoded as {read_as}",
                    other_law(read_as)
                )
            }
            Self::Shifted { ms } if *ms < 0.0 => {
                write!(f, "heard {:.1} ms earlier than playout says", -ms)
            }
            Self::Shifted { ms } => write!(f, "heard {ms:.1} ms later than playout says"),
            Self::TooLate { ms, limit_ms } => {
                write!(f, "{ms:.1} ms late, of at most {limit_ms:.1} ms")
            }
            Self::TooSoft { db } => write!(f, "{db:.1} dB too soft"),
            Self::TooLoud { db } => write!(f, "{db:.1} dB too loud"),
            Self::UnexplainedSamples {
                first_ms, count, ..
            } => {
                let noun = if *count == 1 {
                    "sample is"
                } else {
                    "samples are"
                };
                write!(
                    f,
                    "{count} {noun} not explained, from {:.3} s of playing on",
                    first_ms / 1000.0
                )
            }
            Self::TooLittleHeard { heard_ms, due_ms } => write!(
                f,
                "too little was heard: {:.2} s, where the network let {:.2} s through",
                heard_ms / 1000.0,
                due_ms / 1000.0
            ),
        }
    }
}

fn other_law(law: &str) -> &'static str {
    if law == "PCMU" { "PCMA" } else { "PCMU" }
}
