//! Text telephones: bits of 20 or 22 ms, 1,400 Hz for one and 1,800 Hz for zero.
//!
//! A character is a zero, five bits and one and a half ones, and after the last one the tone of a one goes on for a while.
//! So zeros last 20 to 132 ms, and nothing else is in the sound.

use super::pure_tone::{BANDS, FREQUENCIES};
use crate::bank::{Complex, Window};

/// Listens for bits.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Text {
    bit: Option<Bit>,
    /// Looks that showed the bit, and looks since that showed none.
    shown: u32,
    missed: u32,
    /// The sample at which bits began after the last break.
    began: u64,
    /// Stretches of zeros and of ones since then.
    zeros: u32,
    ones: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Bit {
    One,
    Zero,
}

impl Text {
    /// Takes in a look of 10 ms, of which the middle is sample `middle`. Each time it is sure of a text telephone: the
    /// sample at which the bits began.
    pub(super) fn look(&mut self, window: &Window, middle: u64) -> Option<u64> {
        let bit = bit(window);
        if bit.is_some() && bit == self.bit {
            self.shown += 1 + self.missed;
            self.missed = 0;
            return None;
        }
        if bit.is_none() {
            self.missed += 1;
            if self.missed > BREAK {
                *self = Self::default();
            }
            return None;
        }
        // The bit before is over.
        let right = match self.bit {
            Some(Bit::Zero) => (SHORTEST..=LONGEST_ZERO).contains(&self.shown),
            Some(Bit::One) => self.shown >= SHORTEST,
            None => true,
        };
        if right {
            self.zeros += u32::from(self.bit == Some(Bit::Zero));
            self.ones += u32::from(self.bit == Some(Bit::One));
        } else {
            (self.zeros, self.ones) = (0, 0);
        }
        if self.bit.is_none() || !right {
            self.began = middle;
        }
        (self.bit, self.shown, self.missed) = (bit, 1, 0);
        (self.zeros >= ENOUGH && self.ones >= ENOUGH).then_some(self.began)
    }

    /// There may be bits.
    pub(super) fn begun(&self) -> bool {
        self.zeros > 0 || self.bit == Some(Bit::Zero)
    }
}

/// The bit that is all of the sound.
fn bit(window: &Window) -> Option<Bit> {
    let power = window.power();
    if power < FLOOR {
        return None;
    }
    let mut sums = [Complex::default(); BANDS];
    window.sums(&mut sums);
    let all = |band: usize| sums[band].square() / 2.0 >= SHARE * power;
    if all(ONE) {
        Some(Bit::One)
    } else if all(ZERO) {
        Some(Bit::Zero)
    } else {
        None
    }
}

/// The bands of the bits.
const ONE: usize = 10;
const ZERO: usize = 14;
const _: () = assert!(FREQUENCIES[ONE] == 1400.0 && FREQUENCIES[ZERO] == 1800.0);
/// How much of the sound a bit is at least, which leaves room for noise and for 40 Hz off.
const SHARE: f32 = 0.7;
/// The least mean square: that of a sine of -45 dBm0.
const FLOOR: f32 = 7.7e-6;
/// Looks of 5 ms: the shortest stretch of bits, the longest of zeros, and the longest between two bits.
const SHORTEST: u32 = 2;
const LONGEST_ZERO: u32 = 30;
const BREAK: u32 = 4;
/// Stretches of zeros, and of ones, that make sure.
const ENOUGH: u32 = 3;
