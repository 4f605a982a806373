//! Volume in decibels.

use crate::to_sample;

/// The factor that `db` decibels of amplitude are; minus infinity is zero.
pub fn db_to_ratio(db: f32) -> f32 {
    10f32.powf(db / 20.0)
}

/// The decibels that a factor of amplitude is; minus infinity for zero.
pub fn ratio_to_db(ratio: f32) -> f32 {
    20.0 * ratio.log10()
}

/// A volume that changes without a click: a new one is reached over the first half of the frame that follows, 5 ms of one
/// of 10.
#[derive(Clone, Copy, Debug)]
pub struct Gain {
    now: f32,
    wanted: f32,
}

impl Gain {
    /// A gain of `db` decibels from the first sample on; minus infinity mutes.
    pub fn from_db(db: f32) -> Self {
        let ratio = db_to_ratio(db);
        Self {
            now: ratio,
            wanted: ratio,
        }
    }

    /// Asks for `db` decibels: the second half of the next frame has it.
    pub fn set_db(&mut self, db: f32) {
        self.wanted = db_to_ratio(db);
    }

    /// Asks for a factor, as [`set_db`](Self::set_db) does for its decibels.
    pub const fn set_ratio(&mut self, ratio: f32) {
        self.wanted = ratio;
    }

    /// From silence to what is asked for, over the next frame.
    pub const fn fade_in(&mut self) {
        self.now = 0.0;
    }

    /// Whether the next frame stays as it is.
    pub fn is_unity(&self) -> bool {
        self.now == 1.0 && self.wanted == 1.0
    }

    /// The gain that is asked for, in decibels.
    pub fn db(&self) -> f32 {
        ratio_to_db(self.wanted)
    }

    /// Applies the gain to a frame. What becomes too loud is clipped; at 0 dB not a sample changes.
    pub fn apply(&mut self, frame: &mut [i16]) {
        let mut rest = frame;
        if self.now != self.wanted {
            let (first, second) = rest.split_at_mut(rest.len().div_ceil(2));
            let step = (self.wanted - self.now) / first.len() as f32;
            for (i, sample) in first.iter_mut().enumerate() {
                *sample = to_sample(f32::from(*sample) * (self.now + step * (i + 1) as f32));
            }
            if !first.is_empty() {
                self.now = self.wanted;
            }
            rest = second;
        }
        if self.now != 1.0 {
            for sample in rest {
                *sample = to_sample(f32::from(*sample) * self.now);
            }
        }
    }
}

impl Default for Gain {
    fn default() -> Self {
        Self {
            now: 1.0,
            wanted: 1.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unity_changes_nothing_and_twenty_decibels_are_ten_times() {
        let mut frame = [i16::MIN, -1, 0, 1, 77, i16::MAX];
        Gain::default().apply(&mut frame);
        assert_eq!(frame, [i16::MIN, -1, 0, 1, 77, i16::MAX]);
        Gain::from_db(20.0).apply(&mut frame);
        assert_eq!(frame, [i16::MIN, -10, 0, 10, 770, i16::MAX]);
        Gain::from_db(-20.0).apply(&mut frame);
        assert_eq!(frame, [-3277, -1, 0, 1, 77, 3277]);
        Gain::from_db(f32::NEG_INFINITY).apply(&mut frame);
        assert_eq!(frame, [0; 6]);
    }

    #[test]
    fn a_change_is_a_ramp_over_half_a_frame() {
        let mut gain = Gain::default();
        gain.set_db(f32::NEG_INFINITY);
        assert_eq!(gain.db(), f32::NEG_INFINITY);
        gain.apply(&mut []);
        let mut frame = [1000; 8];
        gain.apply(&mut frame);
        assert_eq!(frame, [750, 500, 250, 0, 0, 0, 0, 0]);
        let mut frame = [1000; 4];
        gain.apply(&mut frame);
        assert_eq!(frame, [0; 4]);
        let mut gain = Gain::default();
        gain.fade_in();
        assert!(!gain.is_unity());
        let mut frame = [1000; 4];
        gain.apply(&mut frame);
        assert_eq!(frame, [500, 1000, 1000, 1000]);
        assert!(gain.is_unity());
    }
}
