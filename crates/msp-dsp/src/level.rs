//! How loud a sound is.
//!
//! Two scales are in use and 3 dB apart. On **dBov** a square wave at full scale is 0 and a sine at full scale is -3.01
//! (ITU-T G.100.1, RFC 6464 section 3); on **dBFS** a sine at full scale is 0 (AES17). The peak is the same on both.
//!
//! The telephone network counts in **dBm0**, for which the codec says how loud full scale is: [`FULL_SCALE_DBM0`].

/// What digital silence is called on either scale: RFC 6464 section 3 knows nothing softer.
pub const SILENCE_DB: f32 = -127.0;

/// What a sine at full scale is in dBm0: 3.14 in A-law (ITU-T G.711 section 4; in mu-law 3.17), so that dBm0 are dBFS and
/// 3.14.
#[expect(clippy::approx_constant, reason = "decibels, and nothing round")]
pub const FULL_SCALE_DBM0: f32 = 3.14;

/// A sine lies this far under a square wave of the same peak.
const SINE_DB: f32 = 3.0103;

/// Loudness over some stretch of sound, as a share of full scale.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Level {
    /// Root of the mean square, 0 to 1.
    pub rms: f32,
    /// Magnitude of the largest sample, 0 to 1.
    pub peak: f32,
}

impl Level {
    /// The level of `pcm`; nothing at all is silent.
    pub fn of(pcm: &[i16]) -> Self {
        let mut meter = LevelMeter::default();
        meter.add(pcm);
        meter.level()
    }

    /// Mean power in dBov, from [`SILENCE_DB`] to 0.
    pub fn rms_dbov(&self) -> f32 {
        decibels(self.rms)
    }

    /// Mean power in dBFS, from [`SILENCE_DB`] to 3.01, which is a square wave at full scale.
    pub fn rms_dbfs(&self) -> f32 {
        if self.rms > 0.0 {
            (decibels(self.rms) + SINE_DB).max(SILENCE_DB)
        } else {
            SILENCE_DB
        }
    }

    /// Peak in dBFS, from [`SILENCE_DB`] to 0.
    pub fn peak_dbfs(&self) -> f32 {
        decibels(self.peak)
    }
}

/// Gathers the level of a sound that comes in pieces.
#[derive(Clone, Copy, Debug, Default)]
pub struct LevelMeter {
    squares: f64,
    samples: u64,
    peak: u16,
}

impl LevelMeter {
    /// Counts `pcm` in.
    pub fn add(&mut self, pcm: &[i16]) {
        // One thing at a time and in narrow types, so that the compiler makes vectors of it.
        let lowest = pcm.iter().fold(0, |low: i16, s| low.min(*s));
        let highest = pcm.iter().fold(0, |high: i16, s| high.max(*s));
        let peak = lowest.unsigned_abs().max(highest.unsigned_abs());
        self.peak = self.peak.max(peak);
        self.squares += pcm.chunks(BLOCK).map(squares).map(f64::from).sum::<f64>();
        self.samples += pcm.len() as u64;
    }

    /// The level of all that was counted since the start or the last [`take`](Self::take).
    pub fn level(&self) -> Level {
        if self.samples == 0 {
            return Level::default();
        }
        let mean = self.squares / self.samples as f64;
        Level {
            rms: (mean.sqrt() / FULL_SCALE) as f32,
            peak: (f64::from(self.peak) / FULL_SCALE) as f32,
        }
    }

    /// The level so far, and starts anew.
    pub fn take(&mut self) -> Level {
        let level = self.level();
        *self = Self::default();
        level
    }
}

/// The sum of the squares of a block of samples.
fn squares(block: &[i16]) -> f32 {
    let mut lanes = [0f32; LANES];
    let (whole, rest) = block.as_chunks::<LANES>();
    for eight in whole {
        for (sum, sample) in lanes.iter_mut().zip(eight) {
            *sum += f32::from(*sample) * f32::from(*sample);
        }
    }
    let rest = rest.iter().map(|s| f32::from(*s) * f32::from(*s));
    lanes.iter().sum::<f32>() + rest.sum::<f32>()
}

fn decibels(share: f32) -> f32 {
    if share > 0.0 {
        (20.0 * share.log10()).clamp(SILENCE_DB, 0.0)
    } else {
        SILENCE_DB
    }
}

/// Sums are carried over from so many samples, before a small one would be lost beside a large one.
const BLOCK: usize = 80;
const LANES: usize = 8;
const FULL_SCALE: f64 = 32_768.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_square_wave_is_0_dbov_and_silence_the_bottom() {
        let square = Level::of(&[i16::MIN; 160]);
        assert_eq!((square.rms_dbov(), square.peak_dbfs()), (0.0, 0.0));
        assert!((square.rms_dbfs() - 3.01).abs() < 0.01);
        for silence in [Level::of(&[0; 160]), Level::of(&[])] {
            assert_eq!(silence.rms_dbov(), SILENCE_DB);
            assert_eq!(silence.rms_dbfs(), SILENCE_DB);
            assert_eq!(silence.peak_dbfs(), SILENCE_DB);
        }
    }

    #[test]
    fn a_sine_is_three_decibels_lower() {
        let sine: Vec<i16> = (0..800)
            .map(|n| (32_767.0 * (f64::from(n) * std::f64::consts::TAU / 8.0).sin()).round() as i16)
            .collect();
        let level = Level::of(&sine);
        assert!((level.rms_dbov() + 3.01).abs() < 0.01, "{level:?}");
        assert!(level.rms_dbfs().abs() < 0.01);
    }

    #[test]
    fn a_long_sound_is_measured_as_exactly_as_a_short_one() {
        let mut meter = LevelMeter::default();
        let second: Vec<i16> = (0..48_001).map(|n| (n % 2001 - 1000) as i16).collect();
        let exact: f64 = second.iter().map(|s| f64::from(*s).powi(2)).sum();
        let exact = (exact / 48_001.0).sqrt() / FULL_SCALE;
        for _ in 0..100 {
            meter.add(&second);
        }
        let level = meter.level();
        assert!(
            (f64::from(level.rms) / exact - 1.0).abs() < 1e-6,
            "{level:?}"
        );
        assert_eq!(level.peak, 1000.0 / FULL_SCALE as f32);
    }

    #[test]
    fn pieces_are_counted_together() {
        let mut meter = LevelMeter::default();
        meter.add(&[3000, -3000]);
        meter.add(&[0, -16_384]);
        assert_eq!(meter.take(), Level::of(&[3000, -3000, 0, -16_384]));
        assert_eq!(meter.take(), Level::default());
    }
}
