//! One sine that is nearly all of the sound, and how long it stands.

use crate::bank::{Complex, Window};

/// The middles of the bands in Hz.
pub(super) const FREQUENCIES: [f32; BANDS] = [
    400.0, 500.0, 600.0, 700.0, 800.0, 900.0, 1000.0, 1100.0, 1200.0, 1300.0, 1400.0, 1500.0,
    1600.0, 1700.0, 1800.0, 1900.0, 2000.0, 2100.0,
];
pub(super) const BANDS: usize = 18;

/// A tone that stands still, or stood.
#[derive(Clone, Copy, Debug)]
pub(super) struct Track {
    hz: f32,
    /// The samples at which it began and, so far as is known, ended.
    pub(super) began: u64,
    pub(super) last: u64,
}

impl Track {
    /// Whether its frequency lies within `width` of `hz`.
    pub(super) fn near(&self, hz: f32, width: f32) -> bool {
        (self.hz - hz).abs() <= width
    }
}

/// Follows the tone that sounds.
#[derive(Clone, Debug)]
pub(super) struct PureTones {
    look_seconds: f32,
    /// The last look.
    before: [Complex; BANDS],
    middle: u64,
    /// Samples from one look to the next.
    hop: u64,
    track: Option<Track>,
}

impl PureTones {
    pub(super) fn new(look_seconds: f32) -> Self {
        Self {
            look_seconds,
            before: [Complex::default(); BANDS],
            middle: 0,
            hop: 0,
            track: None,
        }
    }

    /// Takes in a look of which the middle is sample `middle`. A tone that is found to be over.
    pub(super) fn look(
        &mut self,
        window: &Window,
        sums: &[Complex; BANDS],
        power: f32,
        middle: u64,
    ) -> Option<Track> {
        let hz = self.frequency(window, sums, power);
        let hop = middle - self.middle;
        self.before = *sums;
        (self.middle, self.hop) = (middle, hop);
        // Half a hop, and what it takes to fill enough of the bell.
        let edge = hop + hop / 4;
        match (&mut self.track, hz) {
            (Some(track), Some(hz)) if track.near(hz, STEADY_HZ) => {
                track.hz += (hz - track.hz) * SLOW;
                track.last = middle + edge;
                None
            }
            // Where the phase turns over nothing is a tone for a while, or another.
            (Some(track), _) if middle.saturating_sub(track.last) <= hop * GAP => None,
            (_, hz) => {
                let began = middle.saturating_sub(edge);
                let last = middle + edge;
                let next = hz.map(|hz| Track { hz, began, last });
                std::mem::replace(&mut self.track, next)
            }
        }
    }

    /// The tone that stands, once it has for six looks.
    pub(super) fn standing(&self) -> Option<Track> {
        self.track
            .filter(|track| track.last.saturating_sub(track.began) >= self.hop * 6)
    }

    /// The frequency of the sine that is nearly all of the sound.
    fn frequency(&self, window: &Window, sums: &[Complex; BANDS], power: f32) -> Option<f32> {
        if power < FLOOR {
            return None;
        }
        let band = (0..BANDS).max_by(|a, b| sums[*a].square().total_cmp(&sums[*b].square()))?;
        let turns = (sums[band] * self.before[band].conjugate()).turns();
        let beside = turns / self.look_seconds;
        let blocks = super::HOP as f32;
        let sine = window.beside(band, turns / blocks).square() / 2.0;
        let pure = beside.abs() <= BESIDE_HZ && sine >= SHARE * power;
        pure.then_some(FREQUENCIES[band] + beside)
    }
}

/// How far from the middle of its band a tone may be: a little more than to the edge.
const BESIDE_HZ: f32 = 60.0;
/// How much of the sound it is at least.
const SHARE: f32 = 0.85;
/// The least mean square: that of a sine of -45 dBm0.
const FLOOR: f32 = 7.7e-6;
/// How far its frequency may wander from one look to the next, and how fast the mean follows.
const STEADY_HZ: f32 = 12.0;
const SLOW: f32 = 0.2;
/// Looks without it before it is over.
const GAP: u64 = 8;
