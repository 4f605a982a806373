//! Tones of given frequencies, heard in a sound.
//!
//! Every 10 ms the last 80 ms are looked at: two sines 25 Hz apart, as in Australia's dial tone, look like one in less. A
//! look shows a tone if sines at its frequencies (by how far their phases turn in 10 ms) are nearly all of the sound and
//! none of them is missing.

use std::time::Duration;

use msp_core::time::ClockRate;

use crate::bank::{Bank, Complex, Window, check_rate};
use crate::{DspError, DspErrorKind};

mod fit;

use fit::{SINES, fit, power};

/// A tone to listen for.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ToneSpec {
    /// What the caller calls it.
    pub tag: u32,
    /// The frequencies that sound together, in Hz; 0 is none. All zero is silence.
    pub frequencies: [f32; SINES],
    /// How long it must be heard before it is told: one 20 ms shorter may or may not be told, and what is shorter than
    /// 80 ms may not be heard at all.
    pub min_duration: Duration,
}

/// What a [`ToneDetector`] heard. Samples are counted from the first that it was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ToneEvent {
    /// A tone has been heard for its time: told once each time it sounds, within 40 ms of
    /// that time.
    Heard {
        /// What the caller calls it.
        tag: u32,
        /// The sample at which it began, to 10 ms.
        at: u64,
    },
    /// A tone that was heard is over: told 120 ms after its end.
    Ended {
        /// What the caller calls it.
        tag: u32,
        /// The sample at which it ended, to 10 ms.
        at: u64,
        /// How many samples it lasted.
        length: u64,
    },
}

/// Listens for up to 16 tones at once.
///
/// A frequency is heard within 0.8 % and 3 Hz and not beyond 1.2 % and 8 Hz, a sine from -40 dBm0 on, and a tone if all its
/// sines are there, none more than 10 dB under another, and they are four fifths of the sound at least: noise may be 10 dB
/// under them, and a tone is not heard as another that has one sine more or fewer, if none is more than 5 dB under the
/// others. An interruption of up to 30 ms does not end a tone. Silence is what lies below -50 dBm0. Nothing is allocated
/// after it is made.
#[derive(Clone, Debug)]
pub struct ToneDetector {
    rate: ClockRate,
    bank: Bank,
    window: Window,
    /// Samples in a block, and blocks that have come.
    block: u64,
    blocks: u64,
    /// The middle of each band in Hz.
    bands: Box<[f32]>,
    sums: Box<[Complex]>,
    tones: Box<[Tone]>,
}

/// A tone and what was heard of it.
#[derive(Clone, Copy, Debug)]
struct Tone {
    tag: u32,
    /// The bands of its frequencies: none for silence.
    bands: [usize; SINES],
    sines: usize,
    min_samples: u64,
    /// The sines in the last look.
    before: [Complex; SINES],
    heard: Option<Heard>,
}

/// A tone that is heard.
#[derive(Clone, Copy, Debug)]
struct Heard {
    began: u64,
    /// The middle of the last look that showed it.
    last: u64,
    told: bool,
}

impl ToneDetector {
    /// A detector of `tones` in sound at `rate`.
    ///
    /// # Errors
    /// [`UnsupportedRate`](DspErrorKind::UnsupportedRate) outside 8,000 to 192,000 Hz,
    /// [`TooManyTones`](DspErrorKind::TooManyTones) for more than 16, [`Frequency`](DspErrorKind::Frequency) for one that
    /// is negative, no number or not below half the rate.
    pub fn new(rate: ClockRate, tones: &[ToneSpec]) -> Result<Self, DspError> {
        check_rate(rate, PART)?;
        if tones.len() > MAX_TONES {
            let kind = DspErrorKind::TooManyTones {
                given: tones.len(),
                max: MAX_TONES,
            };
            return Err(DspError::new(kind, PART));
        }
        let mut bands: Vec<f32> = Vec::new();
        let mut listen = |spec: &ToneSpec| {
            let mut tone = Tone {
                tag: spec.tag,
                bands: [0; SINES],
                sines: 0,
                min_samples: rate.ticks(spec.min_duration),
                before: [Complex::default(); SINES],
                heard: None,
            };
            for hz in spec.frequencies.into_iter().filter(|hz| *hz != 0.0) {
                if !(hz > 0.0 && hz < rate.hz() as f32 / 2.0) {
                    return Err(DspError::new(DspErrorKind::Frequency { hz }, PART));
                }
                let band = bands.iter().position(|band| *band == hz);
                let band = band.unwrap_or_else(|| {
                    bands.push(hz);
                    bands.len() - 1
                });
                // The same frequency twice is once.
                if !tone.bands[..tone.sines].contains(&band) {
                    tone.bands[tone.sines] = band;
                    tone.sines += 1;
                }
            }
            Ok(tone)
        };
        let tones = tones.iter().map(&mut listen).collect::<Result<_, _>>()?;
        let block = rate.hz() / BLOCKS_A_SECOND;
        Ok(Self {
            rate,
            bank: Bank::new(rate, &bands, block as usize),
            window: Window::new(WINDOW, bands.len()),
            block: u64::from(block),
            blocks: 0,
            sums: vec![Complex::default(); bands.len()].into(),
            bands: bands.into(),
            tones,
        })
    }

    /// Listens to what comes next, in pieces of any length, and tells each event as it is noticed.
    pub fn process(&mut self, pcm: &[i16], mut tell: impl FnMut(ToneEvent)) {
        let mut pcm = pcm;
        while self.bank.feed(&mut pcm) {
            self.window.push(&self.bank);
            self.blocks += 1;
            // What was before the sound is taken for silence.
            if self.blocks.is_multiple_of(HOP) && self.blocks >= WINDOW as u64 / 2 {
                self.look(&mut tell);
            }
        }
    }

    /// Tells the ends of tones that still sound: the sound is over.
    pub fn finish(&mut self, mut tell: impl FnMut(ToneEvent)) {
        let end = self.blocks * self.block;
        for tone in &mut self.tones {
            if let Some(heard) = tone.heard.take().filter(|heard| heard.told) {
                let lasted = heard.last + self.block * (WINDOW as u64 / 2 + HOP) >= end;
                let at = if lasted { end } else { heard.last };
                tell(heard.ended(tone.tag, at));
            }
        }
    }

    fn look(&mut self, tell: &mut impl FnMut(ToneEvent)) {
        self.window.sums(&mut self.sums);
        let power = self.window.power();
        let middle = (self.blocks - WINDOW as u64 / 2) * self.block;
        for n in 0..self.tones.len() {
            let mut tone = self.tones[n];
            let shown = if tone.sines == 0 {
                power < SILENCE
            } else {
                self.shows(&mut tone, power)
            };
            // A tone is shown while it fills four fifths of the bell, silence once all sound has left it.
            let (edge, gap) = if tone.sines == 0 {
                (self.block * WINDOW as u64 / 2, 0)
            } else {
                (self.block * EDGE, self.block * GAP)
            };
            if shown {
                let began = middle.saturating_sub(edge);
                let heard = tone.heard.get_or_insert(Heard {
                    began,
                    last: middle,
                    told: false,
                });
                heard.last = middle;
                // What is long enough is told, though its ends are known to half a hop only.
                let length = middle + edge + self.block * HOP - heard.began;
                if !heard.told && length >= tone.min_samples {
                    heard.told = true;
                    let (tag, at) = (tone.tag, heard.began);
                    tell(ToneEvent::Heard { tag, at });
                }
            } else if let Some(heard) = tone.heard
                && middle - heard.last > gap
            {
                if heard.told {
                    tell(heard.ended(tone.tag, heard.last + edge));
                }
                tone.heard = None;
            }
            self.tones[n] = tone;
        }
    }

    /// Whether the newest look shows `tone`; keeps its sines for the next.
    fn shows(&self, tone: &mut Tone, power_of_all: f32) -> bool {
        let bands = &tone.bands[..tone.sines];
        let bell = (WINDOW as u64 * self.block) as f32 / self.rate.hz() as f32;
        let mut turns = [0.0; SINES];
        let mut heard = [Complex::default(); SINES];
        for ((turns, heard), band) in turns.iter_mut().zip(&mut heard).zip(bands) {
            *turns = self.bands[*band] * bell;
            *heard = self.sums[*band] * self.phase(*band);
        }
        let sines = tone.sines;
        let Some(found) = fit(&turns[..sines], &heard[..sines]) else {
            return false;
        };
        let before = std::mem::replace(&mut tone.before, found);
        if power_of_all < FLOOR {
            return false;
        }
        // How far each lies beside its frequency.
        let hop = (HOP * self.block) as f32 / self.rate.hz() as f32;
        for n in 0..sines {
            let hz = self.bands[bands[n]];
            let still = Complex::turned(-f64::from(hz) * f64::from(hop));
            let beside = (found[n] * before[n].conjugate() * still).turns() / hop;
            if beside.abs() > hz * WIDTH + WIDTH_HZ {
                return false;
            }
            turns[n] += beside * bell;
            let a_block = beside * self.block as f32 / self.rate.hz() as f32;
            heard[n] = self.window.beside(bands[n], a_block) * self.phase(bands[n]);
        }
        let Some(found) = fit(&turns[..sines], &heard[..sines]) else {
            return false;
        };
        let squares = found[..sines].iter().map(|sine| sine.square());
        let (softest, loudest) = squares.fold((f32::MAX, 0.0f32), |(low, high), square| {
            (low.min(square), high.max(square))
        });
        softest >= loudest * SOFTEST
            && softest / 2.0 >= FLOOR
            && power(&heard[..sines], &found[..sines]) >= SHARE * power_of_all
    }

    /// Turns what was heard in `band` to the phase that it has in the middle of the window.
    fn phase(&self, band: usize) -> Complex {
        // A bank counts from the last sample of the first block.
        let blocks = self.blocks as f64 - (WINDOW as f64 + 1.0) / 2.0;
        let samples = blocks * self.block as f64 - (self.block as f64 - 1.0) / 2.0;
        Complex::turned(f64::from(self.bands[band]) * samples / f64::from(self.rate.hz()))
    }
}

impl Heard {
    fn ended(&self, tag: u32, at: u64) -> ToneEvent {
        ToneEvent::Ended {
            tag,
            at,
            length: at.saturating_sub(self.began),
        }
    }
}

const PART: &str = "tone detector";

/// Tones that one detector listens for.
const MAX_TONES: usize = 16;
/// Blocks of 2 ms, or a little less where that is no whole number of samples.
const BLOCKS_A_SECOND: u32 = 500;
/// Blocks from one look to the next.
const HOP: u64 = 5;
/// Blocks in a look.
const WINDOW: usize = 40;
/// The middle of the first look that shows a tone lies so many blocks behind its beginning: 13 ms to fill four fifths of
/// the bell, and half a hop on average.
const EDGE: u64 = 9;
/// Blocks in which no look shows a tone before it is over.
const GAP: u64 = 35;
/// How far a frequency may be off, as a share and in Hz.
const WIDTH: f32 = 0.01;
const WIDTH_HZ: f32 = 5.0;
/// How much of the sound the tone is at least.
const SHARE: f32 = 0.8;
/// The softest sine beside the loudest, as a ratio of power: -10 dB.
const SOFTEST: f32 = 0.1;
/// The least mean square of a sine: -43 dBm0. A sine at full scale has one half.
const FLOOR: f32 = 1.2e-5;
/// The mean square below which there is silence: that of a sine of -50 dBm0.
const SILENCE: f32 = 2.4e-6;
