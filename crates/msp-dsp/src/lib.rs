//! Pure sound: resampler, levels, gain, concealment, time-scaling, digits and tones made and heard, and alignment of what was
//! heard with what was said.
//!
//! Sound is one channel of `i16` at the edges and `f32` inside. What works on the frames of a stream allocates only when
//! it is made, never per frame; [`align`] works on whole recordings and may.
#![forbid(unsafe_code)]

pub mod align;
mod bank;
mod cadence;
mod concealment;
mod dtmf;
mod error;
mod gain;
mod level;
mod media_class;
mod ramp;
mod resampler;
mod time_scale;
mod tone;
mod tone_detector;

pub use cadence::{Burst, Cadence, CadenceGenerator, Country, ProgressTone};
pub use concealment::Concealer;
pub use dtmf::{DtmfDetector, DtmfEvent, DtmfGenerator, DtmfShape};
pub use error::{DspError, DspErrorKind};
pub use gain::{Gain, db_to_ratio, ratio_to_db};
pub use level::{FULL_SCALE_DBM0, Level, LevelMeter, SILENCE_DB};
pub use media_class::{AnswerTone, MediaChange, MediaClass, MediaClassDetector};
pub use resampler::{Progress, Resampler};
pub use time_scale::{MAX_TIME_SCALE_REACH, ScaleWish, TimeScale};
pub use tone::{Partial, ToneGenerator};
pub use tone_detector::{ToneDetector, ToneEvent, ToneSpec};

/// The nearest sample, at the ends of the range if it lies outside.
pub(crate) fn to_sample(value: f32) -> i16 {
    // A cast of a float saturates, and makes zero of NaN.
    value.round() as i16
}

/// The sum of products over the shorter, in lanes that the compiler vectorises.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let len = a.len().min(b.len());
    let ((a, a_rest), (b, b_rest)) = (a[..len].as_chunks::<8>(), b[..len].as_chunks::<8>());
    let mut lanes = [0.0f32; 8];
    for (a, b) in a.iter().zip(b) {
        for ((lane, a), b) in lanes.iter_mut().zip(a).zip(b) {
            *lane += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f32>() + rest
}

/// A sound that others are compared with, no matter how loud they are.
#[derive(Clone, Copy)]
pub(crate) struct Shape<'a> {
    sound: &'a [f32],
    energy: f32,
}

impl<'a> Shape<'a> {
    pub(crate) fn of(sound: &'a [f32]) -> Self {
        Self {
            sound,
            energy: dot(sound, sound),
        }
    }

    /// The normalised correlation with `other`: 1 for the same, -1 for its opposite, 0 for a silence.
    pub(crate) fn likeness(&self, other: &[f32]) -> f32 {
        let energy = (self.energy * dot(other, other)).sqrt();
        if energy > 0.0 {
            dot(self.sound, other) / energy
        } else {
            0.0
        }
    }
}
