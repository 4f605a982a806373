//! Soft ends of a tone, so that it does not click.

use std::f32::consts::PI;
use std::time::Duration;

use msp_core::time::ClockRate;

/// How long a tone takes to come and to go: too long for a click, and so short that a digit of 40 ms stays one.
const RAMP: Duration = Duration::from_millis(2);

/// The loudness of a tone of some length as it comes and goes: half a turn of a cosine at both ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ramp {
    ramp: u64,
    /// Length of the tone in samples; it has no end if there is none.
    len: u64,
}

impl Ramp {
    /// For a tone of `len` samples. A short one has shorter ramps, which meet in its middle.
    pub(crate) fn new(rate: ClockRate, len: u64) -> Self {
        Self {
            ramp: rate.ticks(RAMP).min(len / 2),
            len,
        }
    }

    /// Softens `pcm`, which begins at sample `at` of the tone.
    pub(crate) fn apply(&self, at: u64, pcm: &mut [i16]) {
        for (n, sample) in (at..).zip(pcm) {
            let edge = n.min(self.len.saturating_sub(1).saturating_sub(n));
            if edge < self.ramp {
                let share = (edge as f32 + 0.5) / self.ramp as f32;
                let gain = 0.5 - 0.5 * (PI * share).cos();
                *sample = crate::to_sample(f32::from(*sample) * gain);
            }
        }
    }
}
