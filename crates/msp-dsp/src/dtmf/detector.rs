//! Digits heard in a sound.
//!
//! Every 2 ms the last 24 ms are looked at. A look shows a digit if a low and a high tone stand near their frequencies
//! (by how far their phases turn in 4 ms), neither is much louder than the other, and the two are nearly all of the sound:
//! speech and music have more in them, and their harmonics glide. A digit is accepted once looks have shown it without a
//! break while it was louder than half for 32 ms, and is over once it was softer for 25 ms. The bell of a look falls to
//! one half just when its middle leaves the tone: so beginnings and ends are known to a millisecond.

use msp_core::link::Digit;
use msp_core::time::ClockRate;

use super::{FREQUENCIES, ROWS, digit};
use crate::bank::{Bank, Complex, Window, check_rate};
use crate::{DspError, FULL_SCALE_DBM0, db_to_ratio};

const BANDS: usize = FREQUENCIES.len();

/// What a [`DtmfDetector`] heard. Samples are counted from the first that it was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DtmfEvent {
    /// A key is pressed. Told 45 ms after the tone began.
    Began {
        /// The key.
        digit: Digit,
        /// The sample at which its tone began.
        at: u64,
    },
    /// The key was released, or another pressed. Told 40 ms after the tone ended.
    Ended {
        /// The key.
        digit: Digit,
        /// The sample at which its tone ended.
        at: u64,
        /// How many samples it was heard for.
        length: u64,
    },
}

/// Hears digits that are sent as sound, within the limits of ITU-T Q.24.
///
/// | | heard | not heard |
/// |---|---|---|
/// | frequencies, each | within 1.5 % and 2 Hz | beyond 3.5 % |
/// | level of each tone | -3 to -36 dBm0 | below -42 dBm0 |
/// | high tone over low | -8 to 4 dB | below -11 dB, above 7 dB |
/// | tone | 40 ms and longer | 23 ms and shorter |
/// | pause between digits | 40 ms and longer | 10 ms and shorter is an interruption of one digit |
/// | noise | 15 dB below the digit | |
///
/// What lies between may go either way. Nothing is allocated after it is made.
#[derive(Clone, Debug)]
pub struct DtmfDetector {
    bank: Bank,
    window: Window,
    limits: Limits,
    /// Blocks that have come.
    blocks: u64,
    /// What the newest looks saw, the newest last.
    looks: [[Complex; BANDS]; LOOKS],
    candidate: Option<Candidate>,
    pressed: Option<Pressed>,
}

/// Limits in the units of the detector.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// Samples in a block.
    block: u64,
    /// How far each frequency may lie beside its middle, in turns a block.
    turns: [f32; BANDS],
    /// The least square of an amplitude.
    floor: f32,
}

/// The two bands of a digit, low and high.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Pair {
    low: usize,
    high: usize,
}

/// What a look shows.
#[derive(Clone, Copy, Debug)]
struct Shown {
    pair: Pair,
    /// Hardly anything else is in the sound.
    clear: bool,
}

/// A digit that may be one.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    pair: Pair,
    /// How loud its two tones are at their loudest, as squares.
    loudest: [f32; 2],
    /// Looks that showed it, those of them that were clear, and those since that did not.
    shown: u32,
    clear: u32,
    missed: u32,
}

/// A digit that was told of.
#[derive(Clone, Copy, Debug)]
struct Pressed {
    pair: Pair,
    digit: Digit,
    began: u64,
    /// How loud its two tones are, as squares.
    loud: [f32; 2],
    /// The sample at which it was last louder than half, and at which a look last showed it.
    heard: u64,
    shown: u64,
}

impl DtmfDetector {
    /// A detector for sound at `rate`.
    ///
    /// # Errors
    /// [`UnsupportedRate`](crate::DspErrorKind::UnsupportedRate) outside 8,000 to 192,000 Hz.
    pub fn new(rate: ClockRate) -> Result<Self, DspError> {
        check_rate(rate, "digit detector")?;
        let block = rate.hz() / BLOCKS_A_SECOND;
        let block_seconds = block as f32 / rate.hz() as f32;
        Ok(Self {
            bank: Bank::new(rate, &FREQUENCIES, block as usize),
            window: Window::new(WINDOW, BANDS),
            limits: Limits {
                block: u64::from(block),
                turns: FREQUENCIES.map(|hz| (hz * WIDTH + WIDTH_HZ) * block_seconds),
                floor: db_to_ratio(FLOOR_DBM0 - FULL_SCALE_DBM0).powi(2),
            },
            blocks: 0,
            looks: [[Complex::default(); BANDS]; LOOKS],
            candidate: None,
            pressed: None,
        })
    }

    /// Listens to what comes next, in pieces of any length, and tells each event as it is noticed.
    pub fn process(&mut self, pcm: &[i16], mut tell: impl FnMut(DtmfEvent)) {
        let mut pcm = pcm;
        while self.bank.feed(&mut pcm) {
            self.window.push(&self.bank);
            self.blocks += 1;
            if self.blocks.is_multiple_of(HOP) {
                self.look(&mut tell);
            }
        }
    }

    /// Tells the end of a digit that still sounds: the sound is over.
    pub fn finish(&mut self, mut tell: impl FnMut(DtmfEvent)) {
        let end = self.blocks * self.limits.block;
        if let Some(pressed) = self.pressed.take() {
            // What lasted to the end filled the half of the bell that came last.
            let lasted = pressed.heard + self.limits.block * HOP >= self.middle();
            tell(pressed.ended(if lasted { end } else { pressed.heard }));
        }
        self.candidate = None;
    }

    /// The sample in the middle of the newest look.
    fn middle(&self) -> u64 {
        self.blocks.saturating_sub(WINDOW as u64 / 2) * self.limits.block
    }

    fn look(&mut self, tell: &mut impl FnMut(DtmfEvent)) {
        self.looks.rotate_left(1);
        let mut sums = [Complex::default(); BANDS];
        self.window.sums(&mut sums);
        self.looks[LOOKS - 1] = sums;
        let shown = self.shown(&sums);
        let pair = shown.map(|shown| shown.pair);
        let middle = self.middle();
        if let Some(mut pressed) = self.pressed.take() {
            self.follow(&mut pressed, pair, middle);
            let silent = middle.saturating_sub(pressed.heard) > self.limits.block * PAUSE;
            let other = middle.saturating_sub(pressed.shown) > self.limits.block * UNSEEN;
            if silent || other {
                // If something else goes on as loud, the last look that showed it tells where it ended.
                let edge = pressed.shown + self.limits.block * EDGE;
                let end = if silent {
                    pressed.heard
                } else {
                    pressed.heard.min(edge)
                };
                tell(pressed.ended(end));
            } else {
                self.pressed = Some(pressed);
            }
        }
        self.weigh(shown, middle, tell);
    }

    /// The digit that the newest look shows.
    fn shown(&self, sums: &[Complex; BANDS]) -> Option<Shown> {
        let loudest = |from: usize, to: usize| {
            (from..to).max_by(|a, b| sums[*a].square().total_cmp(&sums[*b].square()))
        };
        let pair = Pair {
            low: loudest(0, ROWS)?,
            high: loudest(ROWS, BANDS)?,
        };
        let (low, high) = (sums[pair.low].square(), sums[pair.high].square());
        // A tone at the edge of its band is softer by up to 6 dB, which is mended below.
        if low.max(high) < self.limits.floor / 4.0 {
            return None;
        }
        let [low, high] = [pair.low, pair.high].map(|band| {
            let before = self.looks[LOOKS - 1 - LAG][band];
            let turns = (sums[band] * before.conjugate()).turns() / (LAG as f32 * HOP as f32);
            (turns.abs() <= self.limits.turns[band])
                .then(|| self.window.beside(band, turns).square())
        });
        let (low, high) = (low?, high?);
        let loud = low.min(high) >= self.limits.floor;
        let twist = high <= low * MOST_HIGH && low <= high * MOST_LOW;
        let (tones, all) = ((low + high) / 2.0, self.window.power());
        (loud && twist && tones >= SHARE * all).then_some(Shown {
            pair,
            clear: tones >= CLEAR_SHARE * all,
        })
    }

    /// Keeps up with a digit that is pressed.
    fn follow(&self, pressed: &mut Pressed, shown: Option<Pair>, middle: u64) {
        let now = pressed.pair.of(&self.looks[LOOKS - 1]);
        if shown == Some(pressed.pair) {
            pressed.shown = middle;
            // Slower down than up: the edge of a tone is soft.
            for (loud, now) in pressed.loud.iter_mut().zip(now) {
                *loud = now.max(*loud * SOFTER);
            }
        }
        let half = softness(now, pressed.loud);
        if half >= QUARTER {
            pressed.heard = middle;
        } else if pressed.heard + HOP * self.limits.block == middle {
            let before = softness(pressed.pair.of(&self.looks[LOOKS - 2]), pressed.loud);
            pressed.heard = middle - self.after_soft(before, half);
        }
    }

    /// Decides whether the candidate is a digit.
    fn weigh(&mut self, shown: Option<Shown>, middle: u64, tell: &mut impl FnMut(DtmfEvent)) {
        let known = self.pressed.map(|pressed| pressed.pair);
        let mut candidate = match (self.candidate, shown) {
            (_, Some(Shown { pair, .. })) if Some(pair) == known => {
                self.candidate = None;
                return;
            }
            (candidate, Some(Shown { pair, clear })) => {
                let mut candidate = candidate
                    .filter(|candidate| candidate.pair == pair)
                    .unwrap_or(Candidate {
                        pair,
                        loudest: [0.0; 2],
                        shown: 0,
                        clear: 0,
                        missed: 0,
                    });
                candidate.shown += 1;
                candidate.clear += u32::from(clear);
                candidate.missed = 0;
                candidate
            }
            (Some(candidate), None) if candidate.missed < MISSES => Candidate {
                missed: candidate.missed + 1,
                ..candidate
            },
            (_, None) => {
                self.candidate = None;
                return;
            }
        };
        let now = candidate.pair.of(&self.looks[LOOKS - 1]);
        for (loudest, now) in candidate.loudest.iter_mut().zip(now) {
            *loudest = loudest.max(now);
        }
        self.candidate = Some(candidate);
        let enough = candidate.shown >= SHOWN && candidate.clear >= CLEAR;
        if !enough || softness(now, candidate.loudest) < QUARTER {
            return;
        }
        let began = self.began(&candidate, middle);
        if middle - began < self.limits.block * SHORTEST {
            return;
        }
        self.candidate = None;
        let Some(digit) = digit(candidate.pair.low, candidate.pair.high - ROWS) else {
            return;
        };
        if let Some(pressed) = self.pressed.take() {
            tell(pressed.ended(pressed.heard.min(began).max(pressed.began)));
        }
        tell(DtmfEvent::Began { digit, at: began });
        self.pressed = Some(Pressed {
            pair: candidate.pair,
            digit,
            began,
            loud: candidate.loudest,
            heard: middle,
            shown: middle,
        });
    }

    /// The sample at which the candidate came to half its loudness.
    fn began(&self, candidate: &Candidate, middle: u64) -> u64 {
        let mut after = QUARTER;
        for (n, look) in (0..).zip(self.looks.iter().rev()) {
            let share = softness(candidate.pair.of(look), candidate.loudest);
            if share < QUARTER {
                let back = n * HOP * self.limits.block;
                return (middle + self.after_soft(after, share)).saturating_sub(back);
            }
            after = share;
        }
        middle.saturating_sub((LOOKS as u64 - 1) * HOP * self.limits.block)
    }

    /// How many samples from the softer of two looks in a row the loudness was one half, given the squares of its share in
    /// both.
    fn after_soft(&self, loud: f32, soft: f32) -> u64 {
        let (loud, soft) = (loud.sqrt(), soft.sqrt());
        let share = ((0.5 - soft) / (loud - soft).max(f32::EPSILON)).clamp(0.0, 1.0);
        (share * (HOP * self.limits.block) as f32) as u64
    }
}

impl Pair {
    /// The squares of the amplitudes of its two tones.
    fn of(self, look: &[Complex; BANDS]) -> [f32; 2] {
        [look[self.low].square(), look[self.high].square()]
    }
}

impl Pressed {
    fn ended(&self, at: u64) -> DtmfEvent {
        DtmfEvent::Ended {
            digit: self.digit,
            at,
            length: at.saturating_sub(self.began),
        }
    }
}

/// The share of its loudness that the softer of two tones has, as a square.
fn softness(now: [f32; 2], loud: [f32; 2]) -> f32 {
    let share = |n: usize| now[n] / loud[n].max(f32::MIN_POSITIVE);
    share(0).min(share(1))
}

/// Blocks of a millisecond, or a little less where that is no whole number of samples.
const BLOCKS_A_SECOND: u32 = 1_000;
/// Blocks from one look to the next.
const HOP: u64 = 2;
/// Blocks in a look.
const WINDOW: usize = 24;
/// Looks between the two of which phases are compared: a frequency more than 125 Hz off would seem another, and is no more
/// in the band.
const LAG: usize = 2;
/// Looks that are kept, to find where a digit began.
const LOOKS: usize = 32;

/// Half the width of a band, as a share of its frequency and in Hz: in the middle between what Q.24 wants heard and what it
/// wants not heard.
const WIDTH: f32 = 0.025;
const WIDTH_HZ: f32 = 1.0;
/// The softest tone.
const FLOOR_DBM0: f32 = -39.0;
/// How much louder the high tone, and the low tone, may be: 5.5 dB and 9.5 dB as ratios of power.
const MOST_HIGH: f32 = 3.55;
const MOST_LOW: f32 = 8.91;
/// How much of the sound the two tones are at least, and in a clear look. Noise 15 dB lower leaves 97 %, less where the
/// tone does not fill the look; what is most like a digit in speech seldom comes to 93 %.
const SHARE: f32 = 0.85;
const CLEAR_SHARE: f32 = 0.94;
/// One half as a square.
const QUARTER: f32 = 0.25;
/// How much softer a digit may become from one look to the next.
const SOFTER: f32 = 0.98;

/// Looks that must show a digit, of 14 that look at a tone of 40 ms and 6 at one of 23 ms.
const SHOWN: u32 = 9;
/// How many of them must be clear.
const CLEAR: u32 = 5;
/// Looks in a row that may not show it.
const MISSES: u32 = 3;
/// Blocks for which a digit must be louder than half.
const SHORTEST: u64 = 32;
/// Blocks of silence that end a digit.
const PAUSE: u64 = 25;
/// Blocks in which no look shows it that end a digit: an interruption of 10 ms is in the way of 28 ms of looks.
const UNSEEN: u64 = 40;
/// A look shows a tone up to so many blocks before its end.
const EDGE: u64 = 6;
