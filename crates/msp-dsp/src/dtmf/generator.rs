//! Digits made as pairs of tones.

use std::time::Duration;

use msp_core::link::Digit;
use msp_core::time::ClockRate;

use super::pair;
use crate::ramp::Ramp;
use crate::{DspError, FULL_SCALE_DBM0, Partial, ToneGenerator};

/// How digits sound.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct DtmfShape {
    /// How long each digit sounds. Receivers must hear 40 ms (ITU-T Q.24); not all of them do.
    pub tone: Duration,
    /// The silence after each digit, also after the last. Receivers must tell digits that are 40 ms apart.
    pub gap: Duration,
    /// Level of the low frequency in dBm0.
    pub low_dbm0: f32,
    /// Level of the high frequency in dBm0; a little above the low one, as a line takes more from it.
    pub high_dbm0: f32,
}

impl Default for DtmfShape {
    /// 100 ms and 60 ms, at -8 and -6 dBm0.
    fn default() -> Self {
        Self {
            tone: Duration::from_millis(100),
            gap: Duration::from_millis(60),
            low_dbm0: -8.0,
            high_dbm0: -6.0,
        }
    }
}

/// Makes digits as sound, one after the other, each with a ramp of 2 ms at both ends and a gap after it.
#[derive(Clone, Debug)]
pub struct DtmfGenerator {
    rate: ClockRate,
    shape: DtmfShape,
    digits: Box<[Digit]>,
    /// The digit that sounds, and how many samples of it and its gap were made.
    current: usize,
    made: u64,
    tone: ToneGenerator,
}

impl DtmfGenerator {
    /// The sound of `digits` at `rate`.
    ///
    /// # Errors
    /// [`Frequency`](crate::DspErrorKind::Frequency) at a rate too low for a tone of 1,633 Hz,
    /// [`Level`](crate::DspErrorKind::Level) for a level above full scale, which is 3.14 dBm0.
    pub fn new(rate: ClockRate, digits: &[Digit], shape: DtmfShape) -> Result<Self, DspError> {
        for key in ['1', 'D'] {
            if let Some(digit) = Digit::from_char(key) {
                tone(rate, digit, &shape)?;
            }
        }
        Ok(Self {
            rate,
            shape,
            digits: digits.into(),
            current: 0,
            made: 0,
            tone: first(rate, digits, &shape)?,
        })
    }

    /// Fills `out` with what comes next, and with silence after the end. How many samples of it belong to the digits and
    /// their gaps: fewer than there are once all is done.
    pub fn fill(&mut self, out: &mut [i16]) -> usize {
        let tone_len = self.rate.ticks(self.shape.tone);
        let len = tone_len + self.rate.ticks(self.shape.gap);
        let ramp = Ramp::new(self.rate, tone_len);
        let mut filled = 0;
        while filled < out.len() && self.current < self.digits.len() {
            let part = if self.made < tone_len { tone_len } else { len };
            let rest = usize::try_from(part - self.made).unwrap_or(usize::MAX);
            let now = rest.min(out.len() - filled);
            let piece = &mut out[filled..filled + now];
            if self.made < tone_len {
                self.tone.fill(piece);
                ramp.apply(self.made, piece);
            } else {
                piece.fill(0);
            }
            filled += now;
            self.made += now as u64;
            if self.made == len {
                self.next();
            }
        }
        out[filled..].fill(0);
        filled
    }

    /// How many digits were made to their end, with the gap that follows.
    pub fn done(&self) -> usize {
        self.current
    }

    fn next(&mut self) {
        self.current += 1;
        self.made = 0;
        // Every digit was found possible when the first was made.
        if let Some(digit) = self.digits.get(self.current)
            && let Ok(tone) = tone(self.rate, *digit, &self.shape)
        {
            self.tone = tone;
        }
    }
}

fn first(rate: ClockRate, digits: &[Digit], shape: &DtmfShape) -> Result<ToneGenerator, DspError> {
    match digits.first() {
        Some(digit) => tone(rate, *digit, shape),
        None => ToneGenerator::new(rate, &[]),
    }
}

fn tone(rate: ClockRate, digit: Digit, shape: &DtmfShape) -> Result<ToneGenerator, DspError> {
    let (low, high) = pair(digit);
    let partial = |hz, dbm0: f32| Partial {
        hz,
        dbfs: dbm0 - FULL_SCALE_DBM0,
    };
    ToneGenerator::new(
        rate,
        &[partial(low, shape.low_dbm0), partial(high, shape.high_dbm0)],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;

    fn digits(keys: &str) -> Vec<Digit> {
        keys.chars().filter_map(Digit::from_char).collect()
    }

    // Shows: in-band digits are made with the duration, the gap and the levels that were asked for | ITU-T Q.23, Q.24
    #[test]
    fn c25_digits_have_the_length_the_gap_and_the_level_that_were_asked_for() {
        for hz in [8_000, 16_000, 44_100, 48_000] {
            let rate = ClockRate::new(hz).unwrap();
            let shape = DtmfShape {
                tone: Duration::from_millis(80),
                gap: Duration::from_millis(50),
                low_dbm0: -10.0,
                high_dbm0: -10.0,
            };
            let mut generator = DtmfGenerator::new(rate, &digits("5#"), shape).unwrap();
            let mut pcm = vec![1; hz as usize];
            let mut made = 0;
            for piece in pcm.chunks_mut(147) {
                made += generator.fill(piece);
            }
            let ms = |ms: usize| hz as usize * ms / 1000;
            assert_eq!(made, ms(260), "{hz}");
            assert_eq!(generator.done(), 2);
            for start in [0, ms(130)] {
                let steady = Level::of(&pcm[start + ms(5)..start + ms(75)]);
                // Two tones of -13.14 dBFS.
                assert!((steady.rms_dbfs() + 10.13).abs() < 0.3, "{steady:?}");
                assert!(Level::of(&pcm[start + ms(1)..start + ms(79)]).rms > 0.9 * steady.rms);
                let edge = ms(1) / 10;
                assert!(
                    Level::of(&pcm[start..start + edge]).peak < 0.02,
                    "a soft start"
                );
                assert!(Level::of(&pcm[start + ms(80) - edge..start + ms(80)]).peak < 0.02);
                assert_eq!(Level::of(&pcm[start + ms(80)..start + ms(130)]).peak, 0.0);
            }
            assert!(pcm[made..].iter().all(|s| *s == 0));
        }
    }

    #[test]
    fn no_digits_are_silence_and_what_cannot_be_made_is_refused() {
        let mut none = DtmfGenerator::new(ClockRate::HZ_8000, &[], DtmfShape::default()).unwrap();
        let mut pcm = [1; 9];
        assert_eq!((none.fill(&mut pcm), pcm), (0, [0; 9]));
        let shape = DtmfShape {
            high_dbm0: 3.2,
            ..DtmfShape::default()
        };
        assert!(DtmfGenerator::new(ClockRate::HZ_8000, &digits("1"), shape).is_err());
        let slow = ClockRate::new(3_000).unwrap();
        assert!(DtmfGenerator::new(slow, &digits("1"), DtmfShape::default()).is_err());
    }

    #[test]
    fn a_tone_or_a_gap_of_no_length_is_passed_over() {
        let shape = DtmfShape {
            tone: Duration::ZERO,
            gap: Duration::ZERO,
            ..DtmfShape::default()
        };
        let mut generator = DtmfGenerator::new(ClockRate::HZ_8000, &digits("123"), shape).unwrap();
        assert_eq!(generator.fill(&mut [0; 80]), 0);
        assert_eq!(generator.done(), 3);
    }
}
