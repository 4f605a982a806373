//! Conversion between sample rates: a polyphase windowed sinc.

use std::f64::consts::PI;
use std::sync::Arc;
use std::time::Duration;

use msp_core::time::ClockRate;

use crate::{DspError, DspErrorKind, dot, to_sample};

const MIN_HZ: u32 = 4_000;
const MAX_HZ: u32 = 192_000;

/// Half the length of the filter, in samples of the lower of the two rates. With [`KAISER_BETA`] the fall from
/// pass-band to stop-band takes 0.063 of that rate: at 8 kHz, from 3,500 Hz to 4,000 Hz.
const HALF_LENGTH: usize = 40;

/// The share of the lower rate at which the filter has lost 6 dB: the middle of its fall, which ends at one half.
const CUTOFF: f64 = 0.468_6;

/// Kaiser's window for a stop-band 80 dB down.
const KAISER_BETA: f64 = 7.857;

/// With more phases than this the table would be large: then neighbours in a coarser table are interpolated.
const MAX_EXACT_PHASES: u32 = 640;

/// Phases of a coarser table for each sample of the lower rate. The error of linear interpolation is 1 / (8 (n / pi)^2)
/// at half the rate: 106 dB down.
const COARSE_PHASES: u32 = 512;

/// Filters are a whole number of these long, so that their dot product has no rest.
const LANES: usize = 8;

/// Converts one channel from a sample rate to another, in pieces of any length.
///
/// The pass-band is flat within 0.01 dB up to 0.43 of the lower rate, and what lies beyond half of it is at least 75 dB
/// down. Over time exactly `to / from` samples come out for each that goes in. Nothing is allocated after it is made. A
/// clone starts where the original stands, and shares its coefficients.
#[derive(Clone, Debug)]
pub struct Resampler {
    coefficients: Arc<Coefficients>,
    /// The newest `taps` samples, each twice, so that a window of them always lies in one piece.
    history: Box<[f32]>,
    /// Where the oldest sample of the history lies, which is where the next one goes.
    oldest: usize,
    /// Samples to take in before another can come out.
    wanted: u32,
    /// Where between two input samples the next output lies, in units of 1 / `up`.
    phase: u32,
}

/// What [`Resampler::process`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Samples taken from the input.
    pub consumed: usize,
    /// Samples written to the output.
    pub produced: usize,
}

impl Resampler {
    /// A converter from a sample rate to another. Between equal rates it copies.
    ///
    /// # Errors
    /// [`UnsupportedRate`](DspErrorKind::UnsupportedRate) outside 4,000 to 192,000 Hz.
    pub fn new(from: ClockRate, to: ClockRate) -> Result<Self, DspError> {
        for hz in [from.hz(), to.hz()] {
            if !(MIN_HZ..=MAX_HZ).contains(&hz) {
                let kind = DspErrorKind::UnsupportedRate {
                    hz,
                    min: MIN_HZ,
                    max: MAX_HZ,
                };
                return Err(DspError::new(kind, "resampler"));
            }
        }
        let coefficients = Coefficients::new(from.hz(), to.hz());
        let history = vec![0.0; 2 * coefficients.taps].into();
        Ok(Self {
            coefficients: Arc::new(coefficients),
            history,
            oldest: 0,
            wanted: 1,
            phase: 0,
        })
    }

    /// Takes from `input` and writes to `output` until the one is empty or the other full.
    ///
    /// Sound that was taken in and has not come out is kept for the next call.
    pub fn process(&mut self, input: &[i16], output: &mut [i16]) -> Progress {
        let Coefficients { up, down, .. } = *self.coefficients;
        if up == down {
            let n = input.len().min(output.len());
            output[..n].copy_from_slice(&input[..n]);
            return Progress {
                consumed: n,
                produced: n,
            };
        }
        let mut progress = Progress {
            consumed: 0,
            produced: 0,
        };
        loop {
            while self.wanted > 0 {
                let Some(sample) = input.get(progress.consumed) else {
                    return progress;
                };
                self.push(f32::from(*sample));
                progress.consumed += 1;
                self.wanted -= 1;
            }
            let Some(out) = output.get_mut(progress.produced) else {
                return progress;
            };
            let window = &self.history[self.oldest..self.oldest + self.coefficients.taps];
            *out = to_sample(self.coefficients.apply(self.phase, window));
            progress.produced += 1;
            let next = self.phase + down;
            self.wanted = next / up;
            self.phase = next % up;
        }
    }

    /// How many samples can come out once `len` more have gone in.
    pub fn output_len(&self, len: usize) -> usize {
        let Coefficients { up, down, .. } = *self.coefficients;
        if up == down {
            return len;
        }
        // The next output lies at `wanted` and `phase`; those that follow lie `down` apart.
        let reach = len as u64 * u64::from(up) + u64::from(up);
        let first = u64::from(self.wanted) * u64::from(up) + u64::from(self.phase);
        usize::try_from(reach.saturating_sub(first).div_ceil(u64::from(down))).unwrap_or(usize::MAX)
    }

    /// How far the sound that comes out lags behind, in samples of the input: exactly this many.
    pub fn delay(&self) -> usize {
        self.coefficients.taps / 2
    }

    /// The same as a time, rounded down to a nanosecond.
    pub fn delay_time(&self) -> Duration {
        self.coefficients.from.duration(self.delay() as u64)
    }

    /// Forgets the sound so far.
    pub fn reset(&mut self) {
        self.history.fill(0.0);
        self.oldest = 0;
        self.wanted = 1;
        self.phase = 0;
    }

    fn push(&mut self, sample: f32) {
        let taps = self.coefficients.taps;
        self.history[self.oldest] = sample;
        self.history[self.oldest + taps] = sample;
        self.oldest = if self.oldest + 1 == taps {
            0
        } else {
            self.oldest + 1
        };
    }
}

/// The filter, cut into one short filter for each position of an output between two inputs.
#[derive(Debug)]
struct Coefficients {
    from: ClockRate,
    /// The ratio of the rates in lowest terms: `up` outputs for `down` inputs.
    up: u32,
    down: u32,
    /// Length of each short filter; none at equal rates.
    taps: usize,
    /// The short filters one behind the other, each for the oldest sample first.
    table: Box<[f32]>,
    /// Positions that the table has between two inputs: `up`, or fewer, which are interpolated.
    phases: u32,
}

impl Coefficients {
    fn new(from: u32, to: u32) -> Self {
        let divisor = gcd(from, to);
        let (up, down) = (to / divisor, from / divisor);
        let from_rate = ClockRate::new(from).unwrap_or(ClockRate::HZ_8000);
        if up == down {
            return Self {
                from: from_rate,
                up,
                down,
                taps: 0,
                table: Box::default(),
                phases: 0,
            };
        }
        // The filter stands still relative to the lower rate.
        let stretch = f64::from(from.max(to)) / f64::from(to);
        let half = ((HALF_LENGTH as f64 * stretch) as usize).next_multiple_of(LANES / 2);
        let taps = 2 * half;
        let (phases, exact) = if up <= MAX_EXACT_PHASES {
            (up, true)
        } else {
            ((f64::from(COARSE_PHASES) / stretch).ceil() as u32, false)
        };
        // Interpolation needs a neighbour above the last phase.
        let rows = if exact { phases } else { phases + 1 };
        let mut table = Vec::with_capacity(rows as usize * taps);
        for row in 0..rows {
            let offset = f64::from(row) / f64::from(phases);
            let kernel = (0..taps)
                .rev()
                .map(|k| sinc(k as f64 + offset - half as f64, half as f64, stretch));
            let kernel: Vec<f64> = kernel.collect();
            // Each phase passes a constant unchanged, else a constant would come out with a whistle on it.
            let sum: f64 = kernel.iter().sum();
            table.extend(kernel.iter().map(|c| (c / sum) as f32));
        }
        Self {
            from: from_rate,
            up,
            down,
            taps,
            table: table.into(),
            phases,
        }
    }

    fn apply(&self, phase: u32, window: &[f32]) -> f32 {
        if self.phases == self.up {
            return dot(self.row(phase), window);
        }
        let position = f64::from(phase) * f64::from(self.phases) / f64::from(self.up);
        let (low, share) = (position as u32, position.fract() as f32);
        let (a, b) = (dot(self.row(low), window), dot(self.row(low + 1), window));
        a + (b - a) * share
    }

    fn row(&self, phase: u32) -> &[f32] {
        let start = phase as usize * self.taps;
        &self.table[start..start + self.taps]
    }
}

/// The ideal low-pass at `CUTOFF` of the lower rate, windowed, `t` input samples from its middle.
fn sinc(t: f64, half: f64, stretch: f64) -> f64 {
    let x = 2.0 * CUTOFF * t / stretch;
    let ideal = if x == 0.0 {
        1.0
    } else {
        (PI * x).sin() / (PI * x)
    };
    // The window ends at zero so that both ends are alike though only one of them is in the table.
    if t.abs() >= half {
        0.0
    } else {
        ideal * bessel_i0(KAISER_BETA * (1.0 - (t / half).powi(2)).sqrt())
    }
}

/// The modified Bessel function of the first kind and order zero, by its series.
fn bessel_i0(x: f64) -> f64 {
    let (mut sum, mut term, mut k) = (1.0, 1.0, 1.0);
    while term > sum * 1e-12 {
        term *= (x / (2.0 * k)).powi(2);
        sum += term;
        k += 1.0;
    }
    sum
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests;
