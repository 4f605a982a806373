//! Tones of up to four sines.

use std::f64::consts::TAU;

use msp_core::time::ClockRate;

use crate::{DspError, DspErrorKind, db_to_ratio, to_sample};

const MAX_PARTIALS: usize = 4;

/// One sine of a tone.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Partial {
    /// Frequency in Hz.
    pub hz: f32,
    /// Level in dBFS: 0 is a sine at full scale, which is -3.01 dBov.
    pub dbfs: f32,
}

/// Makes a tone that goes on without a seam from one frame to the next.
#[derive(Clone, Debug)]
pub struct ToneGenerator {
    sines: [Sine; MAX_PARTIALS],
}

/// The phase counts turns in 64 bits of fraction, so no rounding adds up however long the tone lasts.
#[derive(Clone, Copy, Debug, Default)]
struct Sine {
    phase: u64,
    step: u64,
    amplitude: f64,
}

impl ToneGenerator {
    /// A tone of `partials` at `rate`; none of them is silence. All start at phase zero.
    ///
    /// # Errors
    /// [`TooManyPartials`](DspErrorKind::TooManyPartials) for more than four, [`Frequency`](DspErrorKind::Frequency) for
    /// one that is not below half the rate, [`Level`](DspErrorKind::Level) for one above full scale.
    pub fn new(rate: ClockRate, partials: &[Partial]) -> Result<Self, DspError> {
        let refuse = |kind| Err(DspError::new(kind, "tone"));
        if partials.len() > MAX_PARTIALS {
            return refuse(DspErrorKind::TooManyPartials {
                given: partials.len(),
                max: MAX_PARTIALS,
            });
        }
        let mut sines = [Sine::default(); MAX_PARTIALS];
        for (sine, Partial { hz, dbfs }) in sines.iter_mut().zip(partials) {
            let turns = f64::from(*hz) / f64::from(rate.hz());
            if !(turns > 0.0 && turns < 0.5) {
                return refuse(DspErrorKind::Frequency { hz: *hz });
            }
            if dbfs.is_nan() || *dbfs > 0.0 {
                return refuse(DspErrorKind::Level { dbfs: *dbfs });
            }
            *sine = Sine {
                phase: 0,
                step: (turns * TURN).round() as u64,
                amplitude: f64::from(db_to_ratio(*dbfs)) * f64::from(i16::MAX),
            };
        }
        Ok(Self { sines })
    }

    /// The next samples. Where the sum is too loud it is clipped.
    pub fn fill(&mut self, out: &mut [i16]) {
        for sample in out {
            let mut sum = 0.0;
            for sine in &mut self.sines {
                if sine.step != 0 {
                    sum += sine.amplitude * (sine.phase as f64 / TURN * TAU).sin();
                    sine.phase = sine.phase.wrapping_add(sine.step);
                }
            }
            *sample = to_sample(sum as f32);
        }
    }
}

/// One turn of a phase: 2^64.
const TURN: f64 = 18_446_744_073_709_551_616.0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;

    fn sine(hz: f32, dbfs: f32) -> Partial {
        Partial { hz, dbfs }
    }

    #[test]
    fn a_tone_has_the_level_and_the_frequency_that_were_asked_for() {
        let mut tone = ToneGenerator::new(ClockRate::HZ_8000, &[sine(1000.0, -10.0)]).unwrap();
        let mut pcm = [0; 8000];
        tone.fill(&mut pcm);
        assert!((Level::of(&pcm).rms_dbfs() + 10.0).abs() < 0.01);
        assert_eq!(pcm[..8], pcm[800..808], "eight samples a turn");
        assert_eq!((pcm[0], pcm[2]), (0, 10_362));
    }

    #[test]
    fn frames_join_without_a_seam() {
        let partials = [sine(697.0, -9.0), sine(1209.0, -7.0)];
        let mut whole = [0; 480];
        ToneGenerator::new(ClockRate::HZ_8000, &partials)
            .unwrap()
            .fill(&mut whole);
        let mut tone = ToneGenerator::new(ClockRate::HZ_8000, &partials).unwrap();
        for frame in whole.chunks(70) {
            let mut out = vec![0; frame.len()];
            tone.fill(&mut out);
            assert_eq!(out, frame);
        }
    }

    #[test]
    fn two_partials_add_their_power() {
        let mut tone = ToneGenerator::new(
            ClockRate::HZ_8000,
            &[sine(350.0, -20.0), sine(440.0, -20.0)],
        )
        .unwrap();
        let mut pcm = [0; 8000];
        tone.fill(&mut pcm);
        assert!((Level::of(&pcm).rms_dbfs() + 16.99).abs() < 0.02);
    }

    #[test]
    fn what_cannot_be_heard_is_refused() {
        let rate = ClockRate::HZ_8000;
        for hz in [0.0, -5.0, 4000.0, f32::NAN, f32::INFINITY] {
            assert!(ToneGenerator::new(rate, &[sine(hz, 0.0)]).is_err(), "{hz}");
        }
        for dbfs in [0.1, f32::NAN] {
            assert!(ToneGenerator::new(rate, &[sine(1000.0, dbfs)]).is_err());
        }
        let error = ToneGenerator::new(rate, &[sine(1000.0, -20.0); 5]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "tone: 5 frequencies at once are more than 4"
        );
        let mut silent = ToneGenerator::new(rate, &[]).unwrap();
        let mut pcm = [1; 10];
        silent.fill(&mut pcm);
        assert_eq!(pcm, [0; 10]);
    }
}
