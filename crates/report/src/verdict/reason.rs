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
    /// No sound came through, while it did the other way or nobody knows of that.
    OneWaySilent {
        /// Packets that came nevertheless.
        packets: u64,
    },
    /// What was to be sent is in none of the packets that left.
    NotSent {
        /// Packets that left nevertheless.
        packets: u64,
    },
    /// More packets were lost than allowed.
    TooMuchLost {
        /// Packets that were not there in time.
        lost: u64,
        /// Packets that should have been.
        due: u64,
        /// The share that may be lost, 0 to 1.
        limit: f64,
    },
    /// Packets came, and then for so long none that the phone gave the sound up.
    Ceased {
        /// Milliseconds from the answer until it did.
        after_ms: f64,
    },
    /// It took longer than allowed from the answer to the first sound.
    SlowStart {
        /// Milliseconds that it took.
        ms: f64,
        /// Milliseconds that it may take.
        limit_ms: f64,
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
        first: i64,
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
            Self::NotSent { .. } => "not_sent",
            Self::TooMuchLost { .. } => "too_much_lost",
            Self::Ceased { .. } => "ceased",
            Self::SlowStart { .. } => "slow_start",
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
            Self::NotSent { packets: 0 } => f.write_str("nothing was sent: no packet left"),
            Self::NotSent { packets } => {
                write!(f, "silence was sent, in all of {packets} packets")
            }
            Self::TooMuchLost { lost, due, limit } => {
                let percent = *lost as f64 * 100.0 / (*due).max(1) as f64;
                write!(
                    f,
                    "{percent:.1} % of the packets were not there in time ({lost} of {due}), at most {:.1} % may be",
                    limit * 100.0
                )
            }
            Self::Ceased { after_ms } => write!(
                f,
                "no packet came any more: given up {:.1} s after the answer",
                after_ms / 1000.0
            ),
            Self::SlowStart { ms, limit_ms } => {
                write!(
                    f,
                    "first sound {ms:.0} ms after the answer, of at most {limit_ms:.0} ms"
                )
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
