//! Playing sound a little faster or slower at its own pitch: one period of the voice is taken out or said twice.
//!
//! The idea is that of WSOLA (Verhelst and Roelands, 1993): two places of the sound that are alike are faded into each
//! other, so that what lies between them is gone, or is heard again. How alike they are is their normalised
//! correlation. Where no two places are, as in a consonant, nothing is done: the caller waits for a better place.

use std::ops::RangeInclusive;

use msp_core::time::ClockRate;

use crate::{DspError, DspErrorKind, Shape, to_sample};

const MIN_HZ: u32 = 8_000;
const MAX_HZ: u32 = 48_000;

/// Shortest and longest lag that is tried, in tenths of a millisecond: voices from 67 to 400 Hz.
const MIN_LAG: usize = 25;
const MAX_LAG: usize = 150;
/// How much sound is compared, and then faded, in tenths of a millisecond.
const OVERLAP: usize = 75;

/// Averages that the first search looks at, at most; 4,000 a second.
const COARSE: usize = 96;
/// Samples that the second search looks at, at most: what is compared, and a step to both sides.
const FINE: usize = (OVERLAP + 5) * MAX_HZ as usize / 10_000;

/// As soft as this there is nothing to hear that could jump: the root of the power of -50 dB.
const QUIET: f32 = 104.0;

/// Samples that [`TimeScale`] looks at or writes at most, at any sample rate.
pub const MAX_TIME_SCALE_REACH: usize = (MAX_LAG + OVERLAP) * MAX_HZ as usize / 10_000;

/// How much is to be taken out or put in, and how good the place for it has to be.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ScaleWish {
    /// Samples. Where it is quiet exactly as many are chosen, as far as the longest lag allows.
    pub samples: usize,
    /// In a voice as many at most, for a period of it cannot be chosen.
    pub most: usize,
    /// How alike the two places must be: 1 is the same, 0.9 is not heard, and -1 allows any.
    pub likeness: f32,
}

/// Takes single periods out of a sound or puts them in. It remembers nothing, and takes no memory.
#[derive(Clone, Copy, Debug)]
pub struct TimeScale {
    min_lag: usize,
    max_lag: usize,
    overlap: usize,
    /// Samples of an average of the first search.
    step: usize,
}

impl TimeScale {
    /// For sound at `rate`.
    ///
    /// # Errors
    /// [`UnsupportedRate`](DspErrorKind::UnsupportedRate) outside 8,000 to 48,000 Hz.
    pub fn new(rate: ClockRate) -> Result<Self, DspError> {
        let hz = rate.hz();
        if !(MIN_HZ..=MAX_HZ).contains(&hz) {
            let kind = DspErrorKind::UnsupportedRate {
                hz,
                min: MIN_HZ,
                max: MAX_HZ,
            };
            return Err(DspError::new(kind, "time-scaling"));
        }
        let samples = |tenths: usize| hz as usize * tenths / 10_000;
        Ok(Self {
            min_lag: samples(MIN_LAG),
            max_lag: samples(MAX_LAG),
            overlap: samples(OVERLAP),
            step: hz as usize / 4000,
        })
    }

    /// The longest lag in samples: what [`stretch`](Self::stretch) needs of the past.
    pub const fn max_lag(&self) -> usize {
        self.max_lag
    }

    /// Samples that are faded, which is what [`stretch`](Self::stretch) needs of the future.
    pub const fn overlap(&self) -> usize {
        self.overlap
    }

    /// Samples from which [`compress`](Self::compress) can choose any lag; with fewer it tries the shorter ones.
    pub const fn reach(&self) -> usize {
        self.max_lag + self.overlap
    }

    /// Shortens `sound` by the lag that is returned: play it from there. The first [`overlap`](Self::overlap) samples from
    /// there on were changed. `None`, and nothing is changed, if no place is good enough.
    pub fn compress(&self, sound: &mut [i16], wish: &ScaleWish) -> Option<usize> {
        let max = sound.len().checked_sub(self.overlap)?.min(self.max_lag);
        let lag = self.choose(sound, 0, max, wish, Towards::Future)?;
        let len = self.overlap;
        // From the end: what is written lies behind all that is still to be read.
        for n in (0..len).rev() {
            let (old, new) = (f32::from(sound[n]), f32::from(sound[lag + n]));
            sound[lag + n] = to_sample(old + (new - old) * share(n, len));
        }
        Some(lag)
    }

    /// Lengthens `sound`, of which the samples before `now` have been played, by the lag that is returned: play it again
    /// from that long before `now`. From there the longer of lag and [`overlap`](Self::overlap) is not as it was sent.
    /// `None`, and nothing is changed, if no place is good enough.
    pub fn stretch(&self, sound: &mut [i16], now: usize, wish: &ScaleWish) -> Option<usize> {
        let max = now.min(self.max_lag);
        let lag = self.choose(sound, now, max, wish, Towards::Past)?;
        let len = self.overlap;
        // From the start: what is written lies before all that is still to be read.
        for n in 0..len {
            let (old, new) = (f32::from(sound[now + n]), f32::from(sound[now - lag + n]));
            sound[now - lag + n] = to_sample(old + (new - old) * share(n, len));
        }
        Some(lag)
    }

    /// Samples from the place where a lag of [`stretch`](Self::stretch) begins that are not as they were sent.
    pub fn stretched(&self, lag: usize) -> usize {
        lag.max(self.overlap)
    }

    /// A lag up to `max` at which the sound is like that at `from`.
    fn choose(
        &self,
        sound: &[i16],
        from: usize,
        max: usize,
        wish: &ScaleWish,
        towards: Towards,
    ) -> Option<usize> {
        let exact = wish.samples.min(max);
        if exact == 0 {
            return None;
        }
        let there = towards.place(from, exact);
        let between = sound.get(there.min(from)..there.max(from) + self.overlap)?;
        if power(between) <= QUIET * QUIET {
            return Some(exact);
        }
        let max = max.min(wish.most);
        if max < self.min_lag {
            return None;
        }
        let (nearest, farthest) = (towards.place(from, self.min_lag), towards.place(from, max));
        let places = nearest.min(farthest)..=nearest.max(farthest);
        let (place, likeness) = self.most_alike(sound, from, places);
        (likeness >= wish.likeness).then_some(place.abs_diff(from))
    }

    /// The one of `places` where the sound is most like that at `from`, and how alike it is.
    fn most_alike(
        &self,
        sound: &[i16],
        from: usize,
        places: RangeInclusive<usize>,
    ) -> (usize, f32) {
        let (first, last) = (*places.start(), *places.end());
        let (step, window) = (self.step, self.overlap / self.step);
        let len = ((last - first) / step + window).min(COARSE);
        let (mut around, mut here) = ([0.0; COARSE], [0.0; COARSE]);
        for (out, at) in [(&mut around[..len], first), (&mut here[..window], from)] {
            let samples = sound.get(at..).unwrap_or_default();
            for (out, samples) in out.iter_mut().zip(samples.chunks_exact(step)) {
                *out = samples.iter().map(|s| f32::from(*s)).sum();
            }
        }
        let (rough, _) = best(around[..len].windows(window).enumerate(), &here[..window]);
        let rough = first + rough * step;
        let near = rough.saturating_sub(step).max(first)..=(rough + step).min(last);
        let (mut around, mut here) = ([0.0; FINE], [0.0; FINE]);
        let len = near.end() - near.start() + self.overlap;
        for (out, at) in [
            (&mut around[..len], *near.start()),
            (&mut here[..self.overlap], from),
        ] {
            for (out, sample) in out.iter_mut().zip(sound.get(at..).unwrap_or_default()) {
                *out = f32::from(*sample);
            }
        }
        let windows = around[..len].windows(self.overlap);
        best(near.zip(windows), &here[..self.overlap])
    }
}

/// Where the other of two places lies.
#[derive(Clone, Copy, Debug)]
enum Towards {
    Past,
    Future,
}

impl Towards {
    const fn place(self, from: usize, lag: usize) -> usize {
        match self {
            Self::Past => from - lag,
            Self::Future => from + lag,
        }
    }
}

/// Which of `places` has the sound most like `here`, and how alike they are.
fn best<'a>(places: impl Iterator<Item = (usize, &'a [f32])>, here: &[f32]) -> (usize, f32) {
    let here = Shape::of(here);
    let mut best = (0, f32::NEG_INFINITY);
    for (place, there) in places {
        let likeness = here.likeness(there);
        if likeness > best.1 {
            best = (place, likeness);
        }
    }
    best
}

/// How far a fade over `len` has come at its sample `n`.
fn share(n: usize, len: usize) -> f32 {
    (n + 1) as f32 / (len + 1) as f32
}

fn power(sound: &[i16]) -> f32 {
    let sum: f32 = sound.iter().map(|s| f32::from(*s) * f32::from(*s)).sum();
    sum / sound.len() as f32
}

#[cfg(test)]
mod tests;
