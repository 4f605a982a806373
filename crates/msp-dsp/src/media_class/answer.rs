//! What an answer of 2,100 Hz says besides: reversals of its phase, and a swing of its loudness.

use super::AnswerTone;
use crate::bank::Complex;

/// Looks that lie between two of which the phases are compared: longer than the bell, which sees both sides of a reversal
/// at once.
const APART: usize = 6;

/// Listens to the band of 2,100 Hz while a tone stands in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answer {
    look_seconds: f32,
    /// The newest looks, the newest last.
    sums: [Complex; APART + 1],
    looks: u32,
    /// Turns from one look to the next: how far its frequency lies beside the middle.
    turns: f32,
    /// The mean amplitude.
    loud: f32,
    /// Looks since the last reversal.
    reversal: Option<u32>,
    /// Sums that fade: the swing, and what it is a share of.
    swing: Complex,
    whole: f32,
    tone: AnswerTone,
}

impl Answer {
    pub(super) fn new(look_seconds: f32) -> Self {
        Self {
            look_seconds,
            sums: [Complex::default(); APART + 1],
            looks: 0,
            turns: 0.0,
            loud: 0.0,
            reversal: None,
            swing: Complex::default(),
            whole: 0.0,
            tone: AnswerTone::default(),
        }
    }

    /// The tone is over.
    pub(super) fn reset(&mut self) {
        if self.looks > 0 {
            *self = Self::new(self.look_seconds);
        }
    }

    /// Takes in a look at the band. What is known by now.
    pub(super) fn look(&mut self, sum: Complex) -> AnswerTone {
        self.sums.rotate_left(1);
        self.sums[APART] = sum;
        self.looks += 1;
        let amplitude = sum.square().sqrt();
        if self.looks <= SETTLE {
            self.loud = amplitude;
            self.turns = (sum * self.sums[APART - 1].conjugate()).turns();
            return self.tone;
        }
        if amplitude >= self.loud * STEADY {
            self.loud += (amplitude - self.loud) * SLOW;
            let turns = (sum * self.sums[APART - 1].conjugate()).turns();
            if (turns - self.turns).abs() < MOST_TURNS {
                self.turns += (turns - self.turns) * SLOW;
            }
        }
        self.listen_for_reversals(amplitude);
        self.listen_for_swing(amplitude);
        self.tone
    }

    fn listen_for_reversals(&mut self, amplitude: f32) {
        let since = self.reversal.map(|since| since + 1);
        self.reversal = since;
        let old = self.sums[0];
        let steady = amplitude.min(old.square().sqrt()) >= self.loud * STEADY;
        let between = APART as f32 * self.turns;
        let turned = ((self.sums[APART] * old.conjugate()).turns() - between).rem_euclid(1.0);
        // Half a turn, and not the same reversal again.
        let again = since.is_some_and(|since| since <= APART as u32 * 2);
        if steady && (turned - 0.5).abs() < 0.15 && !again {
            let seconds = since.map(|since| since as f32 * self.look_seconds);
            // Every 450 ms, give or take 25.
            self.tone.reversals |= seconds.is_some_and(|s| (0.4..0.5).contains(&s));
            self.reversal = Some(0);
        }
    }

    fn listen_for_swing(&mut self, amplitude: f32) {
        let fade = 1.0 - self.look_seconds / FADE_SECONDS;
        // A reversal is a notch, which is no swing.
        let swing = (amplitude / self.loud.max(f32::MIN_POSITIVE) - 1.0).clamp(-0.25, 0.25);
        let at = f64::from(self.looks) * f64::from(self.look_seconds * SWING_HZ);
        let turned = Complex::turned(-at);
        self.swing.re = self.swing.re * fade + swing * turned.re;
        self.swing.im = self.swing.im * fade + swing * turned.im;
        self.whole = self.whole * fade + 1.0;
        let depth = 2.0 * self.swing.square().sqrt() / self.whole;
        if self.looks as f32 * self.look_seconds >= SWING_SECONDS {
            self.tone.modulated |= depth >= LEAST_DEPTH;
        }
    }
}

/// Looks until the tone fills the bell.
const SETTLE: u32 = 8;
/// The share of its mean that the amplitude has except in a reversal.
const STEADY: f32 = 0.7;
/// How fast the means follow, and what is no step of the frequency.
const SLOW: f32 = 0.05;
const MOST_TURNS: f32 = 0.05;
/// The swing of ANSam: 15 Hz and a fifth; half of that is enough, over two thirds of a second.
const SWING_HZ: f32 = 15.0;
const LEAST_DEPTH: f32 = 0.11;
const FADE_SECONDS: f32 = 0.3;
const SWING_SECONDS: f32 = 0.6;
