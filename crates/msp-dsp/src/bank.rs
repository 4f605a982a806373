//! Narrow bands of a sound: what every detector of tones looks at.
//!
//! A [`Bank`] shifts each band down to zero, so that a tone in its middle stands still and one beside it turns, and gives
//! one number for each block of a millisecond or so. A [`Window`] sums the blocks under a bell, which decides how narrow
//! the bands are: in a bell of `T` seconds a tone `1 / T` Hz away is 6 dB down, and one `2 / T` Hz away is gone.

use std::f64::consts::{PI, TAU};
use std::ops::Mul;

use msp_core::time::ClockRate;

use crate::{DspError, DspErrorKind, dot};

/// The sample rates that detectors work at, in Hz.
pub(crate) const MIN_HZ: u32 = 8_000;
pub(crate) const MAX_HZ: u32 = 192_000;

/// Bands are computed so many at once, so that the compiler makes vectors of them.
const LANES: usize = 8;

/// Amplitude and phase of one band.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) struct Complex {
    pub(crate) re: f32,
    pub(crate) im: f32,
}

impl Complex {
    /// A pointer of length one that has made so many turns.
    pub(crate) fn turned(turns: f64) -> Self {
        let angle = turns.fract() * TAU;
        Self {
            re: angle.cos() as f32,
            im: angle.sin() as f32,
        }
    }

    pub(crate) fn square(self) -> f32 {
        self.re * self.re + self.im * self.im
    }

    pub(crate) fn conjugate(self) -> Self {
        Self {
            re: self.re,
            im: -self.im,
        }
    }

    /// The angle in turns, -0.5 to 0.5.
    pub(crate) fn turns(self) -> f32 {
        self.im.atan2(self.re) / (TAU as f32)
    }
}

/// How loud a tone is in a bell whose length it passes in `turns` turns more than the middle of the band does, where one in
/// the middle is 1.
pub(crate) fn bell_response(turns: f32) -> f32 {
    let turns = turns.abs();
    if turns < 1e-3 {
        1.0
    } else if (turns - 1.0).abs() < 1e-3 {
        0.5
    } else {
        let angle = turns * PI as f32;
        angle.sin() / (angle * (1.0 - turns * turns))
    }
}

impl Mul for Complex {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        Self {
            re: self.re * other.re - self.im * other.im,
            im: self.re * other.im + self.im * other.re,
        }
    }
}

/// Refuses a sample rate that no detector works at.
pub(crate) fn check_rate(rate: ClockRate, part: &'static str) -> Result<(), DspError> {
    if (MIN_HZ..=MAX_HZ).contains(&rate.hz()) {
        return Ok(());
    }
    let kind = DspErrorKind::UnsupportedRate {
        hz: rate.hz(),
        min: MIN_HZ,
        max: MAX_HZ,
    };
    Err(DspError::new(kind, part))
}

/// Splits a sound into bands around given frequencies, block by block.
#[derive(Clone, Debug)]
pub(crate) struct Bank {
    groups: Box<[Group]>,
    bands: Box<[Complex]>,
    /// Samples in a block, and how many of the running one have come.
    block: usize,
    filled: usize,
    running: Moments,
    done: Moments,
}

/// Sums over the samples of a block.
#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    sum: f32,
    squares: f32,
}

/// Goertzel's recursion for eight frequencies.
#[derive(Clone, Copy, Debug)]
struct Group {
    coefficient: [f32; LANES],
    last: [f32; LANES],
    before: [f32; LANES],
    /// A turn back by one sample, by one block, and by all blocks so far.
    sample_turn: [Complex; LANES],
    block_turn: [Complex; LANES],
    turned: [Complex; LANES],
}

impl Bank {
    /// Bands around each of `hz`, all below half the rate, in blocks of `block` samples.
    pub(crate) fn new(rate: ClockRate, hz: &[f32], block: usize) -> Self {
        let groups = hz.chunks(LANES).map(|hz| {
            let turns = |lane: usize| {
                let hz = hz.get(lane).copied().unwrap_or_default();
                f64::from(hz) / f64::from(rate.hz())
            };
            let lanes: [usize; LANES] = std::array::from_fn(|lane| lane);
            Group {
                coefficient: lanes.map(|lane| (2.0 * (turns(lane) * TAU).cos()) as f32),
                last: [0.0; LANES],
                before: [0.0; LANES],
                sample_turn: lanes.map(|lane| Complex::turned(-turns(lane))),
                block_turn: lanes.map(|lane| Complex::turned(-turns(lane) * block as f64)),
                turned: [Complex { re: 1.0, im: 0.0 }; LANES],
            }
        });
        Self {
            groups: groups.collect(),
            bands: vec![Complex::default(); hz.len()].into(),
            block,
            filled: 0,
            running: Moments::default(),
            done: Moments::default(),
        }
    }

    /// Takes from `pcm` up to the end of the block; true if it is complete, and there may be more.
    pub(crate) fn feed(&mut self, pcm: &mut &[i16]) -> bool {
        let (now, rest) = pcm.split_at(pcm.len().min(self.block - self.filled));
        *pcm = rest;
        for sample in now {
            let sample = f32::from(*sample) * SCALE;
            self.running.sum += sample;
            self.running.squares += sample * sample;
        }
        for group in &mut self.groups {
            group.feed(now);
        }
        self.filled += now.len();
        if self.filled < self.block {
            return false;
        }
        let scale = 1.0 / self.block as f32;
        self.done = Moments {
            sum: self.running.sum * scale,
            squares: self.running.squares * scale,
        };
        for (bands, group) in self.bands.chunks_mut(LANES).zip(&mut self.groups) {
            group.finish(bands, 2.0 * scale);
        }
        self.running = Moments::default();
        self.filled = 0;
        true
    }

    /// Amplitude (1 is a sine at full scale) and phase of each band in the block that was completed last.
    pub(crate) fn bands(&self) -> &[Complex] {
        &self.bands
    }
}

impl Group {
    fn feed(&mut self, pcm: &[i16]) {
        let (mut last, mut before) = (self.last, self.before);
        for sample in pcm {
            let sample = f32::from(*sample) * SCALE;
            let mut next = [0.0; LANES];
            for lane in 0..LANES {
                next[lane] = sample + self.coefficient[lane] * last[lane] - before[lane];
            }
            (before, last) = (last, next);
        }
        (self.last, self.before) = (last, before);
    }

    fn finish(&mut self, bands: &mut [Complex], scale: f32) {
        for (lane, band) in bands.iter_mut().enumerate() {
            let (last, before) = (self.last[lane], self.before[lane]);
            let turn = self.sample_turn[lane];
            let sum = Complex {
                re: scale * (last - before * turn.re),
                im: scale * -before * turn.im,
            };
            *band = sum * self.turned[lane];
            let turned = self.turned[lane] * self.block_turn[lane];
            // Keeps the length at one, however long the sound lasts.
            let length = 1.5 - 0.5 * turned.square();
            self.turned[lane] = Complex {
                re: turned.re * length,
                im: turned.im * length,
            };
        }
        (self.last, self.before) = ([0.0; LANES], [0.0; LANES]);
    }
}

/// The newest blocks of a [`Bank`], and their sums under a bell (von Hann's).
#[derive(Clone, Debug)]
pub(crate) struct Window {
    weights: Box<[f32]>,
    /// The weights of a whole bell twice, so that those of the ring as it lies are one piece of them.
    rings: Box<[f32]>,
    bands: usize,
    rows: Box<[Complex]>,
    means: Box<[f32]>,
    powers: Box<[f32]>,
    /// Where the oldest block lies, which is where the next goes.
    oldest: usize,
}

impl Window {
    /// A bell over `blocks` blocks of `bands` bands.
    pub(crate) fn new(blocks: usize, bands: usize) -> Self {
        let bell = |n: usize| (PI * (n as f64 + 0.5) / blocks as f64).sin().powi(2);
        let sum: f64 = (0..blocks).map(bell).sum();
        let weights: Box<[f32]> = (0..blocks).map(|n| (bell(n) / sum) as f32).collect();
        Self {
            rings: weights.iter().chain(&weights).copied().collect(),
            weights,
            bands,
            rows: vec![Complex::default(); blocks * bands].into(),
            means: vec![0.0; blocks].into(),
            powers: vec![0.0; blocks].into(),
            oldest: 0,
        }
    }

    /// Takes in the block that `bank` has completed, in place of the oldest.
    pub(crate) fn push(&mut self, bank: &Bank) {
        let row = self.oldest * self.bands;
        self.rows[row..row + self.bands].copy_from_slice(bank.bands());
        self.means[self.oldest] = bank.done.sum;
        self.powers[self.oldest] = bank.done.squares;
        self.oldest += 1;
        if self.oldest == self.weights.len() {
            self.oldest = 0;
        }
    }

    /// The mean power under the bell, without a constant that lies under the sound.
    pub(crate) fn power(&self) -> f32 {
        let weights = self.ring();
        (dot(weights, &self.powers) - dot(weights, &self.means).powi(2)).max(0.0)
    }

    /// Amplitude and phase of each band, for a tone in its very middle.
    pub(crate) fn sums(&self, sums: &mut [Complex]) {
        sums.fill(Complex::default());
        for (row, weight) in self.rows.chunks_exact(self.bands.max(1)).zip(self.ring()) {
            for (sum, band) in sums.iter_mut().zip(row) {
                sum.re += weight * band.re;
                sum.im += weight * band.im;
            }
        }
    }

    /// Amplitude and phase of a tone in `band` that makes `turns` a block more than the middle of the band, with the phase
    /// that it has in the middle of the window.
    pub(crate) fn beside(&self, band: usize, turns: f32) -> Complex {
        let step = Complex::turned(-f64::from(turns));
        let half = (self.weights.len() - 1) as f64 / 2.0;
        let mut turned = Complex::turned(f64::from(turns) * half);
        let mut sum = Complex::default();
        for (n, weight) in self.weights.iter().enumerate() {
            let at = (self.oldest + n) % self.weights.len();
            let band = self.rows[at * self.bands + band] * turned;
            sum.re += weight * band.re;
            sum.im += weight * band.im;
            turned = turned * step;
        }
        sum
    }

    /// The weights in the order in which the blocks lie.
    fn ring(&self) -> &[f32] {
        let blocks = self.weights.len();
        &self.rings[blocks - self.oldest..2 * blocks - self.oldest]
    }
}

/// Full scale is one.
const SCALE: f32 = 1.0 / 32_768.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Partial, ToneGenerator};

    fn look(hz: f32, rate: u32, millis: usize, bands: &[f32]) -> (Window, Vec<Complex>) {
        let rate = ClockRate::new(rate).unwrap();
        let mut pcm = vec![0; rate.hz() as usize * millis / 1000];
        let partial = Partial { hz, dbfs: -6.0206 };
        ToneGenerator::new(rate, &[partial]).unwrap().fill(&mut pcm);
        let mut bank = Bank::new(rate, bands, rate.hz() as usize / 1000);
        let mut window = Window::new(24, bands.len());
        // Pieces that do not end where blocks do.
        for mut piece in pcm.chunks(37) {
            while bank.feed(&mut piece) {
                window.push(&bank);
            }
        }
        let mut sums = vec![Complex::default(); bands.len()];
        window.sums(&mut sums);
        (window, sums)
    }

    #[test]
    fn a_tone_is_as_loud_as_it_is_in_its_band_and_gone_from_the_others() {
        let bands = [
            697.0, 770.0, 852.0, 941.0, 1209.0, 1336.0, 1477.0, 1633.0, 440.0,
        ];
        for rate in [8_000, 11_025, 48_000] {
            for (n, hz) in bands.into_iter().enumerate() {
                let (window, sums) = look(hz, rate, 200, &bands);
                assert!((window.power() - 0.125).abs() < 0.002, "{hz}: {window:?}");
                for (m, sum) in sums.iter().enumerate() {
                    let amplitude = sum.square().sqrt();
                    if n == m {
                        assert!(
                            (amplitude - 0.5).abs() < 0.005,
                            "{hz} at {rate}: {amplitude}"
                        );
                    } else {
                        assert!(amplitude < 0.06, "{hz} in {}: {amplitude}", bands[m]);
                    }
                }
            }
        }
    }

    #[test]
    fn a_tone_beside_the_middle_turns_and_is_found_there() {
        let (at, now) = look(1020.0, 8_000, 100, &[1000.0]);
        let (_, before) = look(1020.0, 8_000, 96, &[1000.0]);
        let turns = (now[0] * before[0].conjugate()).turns() / 4.0;
        assert!((turns - 0.020).abs() < 0.0002, "{turns}");
        assert!(now[0].square().sqrt() < 0.45);
        assert!((at.beside(0, turns).square().sqrt() - 0.5).abs() < 0.003);
    }

    #[test]
    fn the_phase_stays_true_over_hours() {
        let rate = ClockRate::HZ_8000;
        let mut bank = Bank::new(rate, &[1209.0], 8);
        let partial = Partial {
            hz: 1209.0,
            dbfs: -6.0,
        };
        let mut tone = [0; 8];
        ToneGenerator::new(rate, &[partial])
            .unwrap()
            .fill(&mut tone);
        assert!(bank.feed(&mut tone.as_slice()));
        let first = bank.bands()[0];
        // A whole number of turns later, after 16 minutes and two hours.
        for blocks in [999_999, 6_999_998] {
            for _ in 0..blocks {
                bank.feed(&mut [0; 8].as_slice());
            }
            bank.feed(&mut tone.as_slice());
            let turns = (bank.bands()[0] * first.conjugate()).turns();
            let longer = bank.bands()[0].square() / first.square();
            assert!(
                turns.abs() < 0.01 && (longer - 1.0).abs() < 1e-4,
                "{turns} {longer}"
            );
            bank.feed(&mut [0; 8].as_slice());
        }
    }

    #[test]
    fn a_constant_is_no_power() {
        let mut bank = Bank::new(ClockRate::HZ_8000, &[1000.0], 8);
        let mut window = Window::new(24, 1);
        let pcm = [8000; 8000];
        let mut rest = &pcm[..];
        while bank.feed(&mut rest) {
            window.push(&bank);
        }
        assert!(window.power() < 1e-6 && window.powers[0] > 0.05);
    }
}
