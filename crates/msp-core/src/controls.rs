//! Volume, gain and mute of a terminal (C24), shared by its application and the media thread.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, ErrorKind, Result};

/// How loud a terminal is, at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct AudioLevels {
    /// On TAPI's scale: 0xFFFF passes sound unchanged, 0 is silence, and in between each step is the same part of
    /// [`AudioControls::VOLUME_RANGE_DB`].
    pub volume: u16,
    /// Added to the volume, in hundredths of a decibel.
    pub gain: i16,
    /// Nothing is heard, whatever the volume.
    pub muted: bool,
}

impl AudioLevels {
    /// Sound passes unchanged.
    pub const UNCHANGED: Self = Self {
        volume: u16::MAX,
        gain: 0,
        muted: false,
    };

    /// What the volume, the gain and the mute come to, in decibels; minus infinity is silence.
    pub fn db(self) -> f32 {
        if self.muted || self.volume == 0 {
            return f32::NEG_INFINITY;
        }
        let below = 1.0 - f32::from(self.volume) / f32::from(u16::MAX);
        f32::from(self.gain) / 100.0 - below * AudioControls::VOLUME_RANGE_DB
    }

    const fn pack(self) -> u64 {
        self.volume as u64 | (self.gain as u16 as u64) << 16 | (self.muted as u64) << 32
    }

    const fn unpack(bits: u64) -> Self {
        Self {
            volume: bits as u16,
            gain: (bits >> 16) as u16 as i16,
            muted: bits >> 32 != 0,
        }
    }
}

/// The knobs of a terminal. They may be turned before it is selected and while it runs: the provider brings each change
/// within a frame, without a click. At first sound passes unchanged.
#[derive(Debug)]
pub struct AudioControls {
    levels: AtomicU64,
}

impl AudioControls {
    /// From the faintest volume that is not silence to the loudest, in decibels.
    pub const VOLUME_RANGE_DB: f32 = 64.0;
    /// The furthest that the balance goes to either side.
    pub const FULL_BALANCE: i16 = 10_000;
    /// The most that [`set_gain_db`](Self::set_gain_db) adds or takes.
    pub const MAX_GAIN_DB: f32 = 24.0;

    /// Knobs that stand where sound passes unchanged.
    pub const fn new() -> Self {
        Self {
            levels: AtomicU64::new(AudioLevels::UNCHANGED.pack()),
        }
    }

    /// How they stand.
    pub fn levels(&self) -> AudioLevels {
        AudioLevels::unpack(self.levels.load(Ordering::Relaxed))
    }

    /// Sets the volume, as [`AudioLevels::volume`] has it.
    pub fn set_volume(&self, volume: u16) {
        self.turn(|levels| levels.volume = volume);
    }

    /// Adds `db` decibels to the volume, to a hundredth.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] beyond [`MAX_GAIN_DB`](Self::MAX_GAIN_DB) either way.
    pub fn set_gain_db(&self, db: f32) -> Result<()> {
        if !(-Self::MAX_GAIN_DB..=Self::MAX_GAIN_DB).contains(&db) {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                format!("a gain of {db} dB"),
            ));
        }
        self.turn(|levels| levels.gain = (db * 100.0).round() as i16);
        Ok(())
    }

    /// Sets the balance: from -[`FULL_BALANCE`](Self::FULL_BALANCE), only the left channel, over 0 to the right.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] beyond the range, [`ErrorKind::Unsupported`] for anything but 0: streams have one
    /// channel.
    pub fn set_balance(&self, balance: i16) -> Result<()> {
        let refuse = |kind| Err(Error::new(kind, format!("a balance of {balance}")));
        match balance {
            0 => Ok(()),
            b if b.unsigned_abs() > Self::FULL_BALANCE.unsigned_abs() => {
                refuse(ErrorKind::InvalidArgument)
            }
            _ => refuse(ErrorKind::Unsupported),
        }
    }

    /// Mutes, or lets sound pass again.
    pub fn set_muted(&self, muted: bool) {
        self.turn(|levels| levels.muted = muted);
    }

    fn turn(&self, knob: impl Fn(&mut AudioLevels)) {
        // One knob leaves the others as somebody else turns them at the same time.
        let turned = |bits| {
            let mut levels = AudioLevels::unpack(bits);
            knob(&mut levels);
            Some(levels.pack())
        };
        let turned = self
            .levels
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, turned);
        debug_assert!(turned.is_ok(), "every turn gives a position");
    }
}

impl Default for AudioControls {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c24_the_volume_is_logarithmic_and_its_ends_are_silence_and_no_change() {
        let controls = AudioControls::default();
        let db = |volume| {
            controls.set_volume(volume);
            controls.levels().db()
        };
        assert_eq!(db(0), f32::NEG_INFINITY);
        assert_eq!(db(u16::MAX), 0.0);
        let (quarter, half) = (db(0x4000), db(0x8000));
        assert!((quarter + 48.0).abs() < 0.01 && (half + 32.0).abs() < 0.01);
        controls.set_gain_db(12.5).unwrap();
        assert!((controls.levels().db() + 19.5).abs() < 0.01);
        controls.set_muted(true);
        assert_eq!(controls.levels().db(), f32::NEG_INFINITY);
        controls.set_muted(false);
        assert_eq!(controls.levels().volume, 0x8000, "mute keeps the volume");
    }

    #[test]
    fn c24_what_is_out_of_range_or_has_no_effect_is_refused_and_changes_nothing() {
        let controls = AudioControls::new();
        let kind = |result: Result<()>| result.map_err(|e| e.kind());
        assert_eq!(kind(controls.set_balance(1)), Err(ErrorKind::Unsupported));
        assert_eq!(kind(controls.set_balance(0)), Ok(()));
        for balance in [-10_001, 10_001] {
            let refused = kind(controls.set_balance(balance));
            assert_eq!(refused, Err(ErrorKind::InvalidArgument));
        }
        for db in [-24.01, 24.01, f32::NAN] {
            let refused = kind(controls.set_gain_db(db));
            assert_eq!(refused, Err(ErrorKind::InvalidArgument));
        }
        assert_eq!(controls.levels(), AudioLevels::UNCHANGED);
    }
}
