//! When a sample was played.

use msp_core::stats::PlayoutStats;
use msp_core::terminal::FRAME;
use msp_core::time::{ClockRate, Instant};

use crate::media::Media;

/// From the position of a sample to the time at which it was played.
///
/// Playout's log says when a stretch was written down, which is when it had ended or later. But numbers are written down
/// right after a frame was pulled, and they count every sample: so each is a point at which position and time are
/// known. Between two of them playout may have stood still, but never run ahead.
#[derive(Debug, Default)]
pub(crate) struct PlayClock {
    /// Position and nanoseconds of the sample that comes next.
    points: Vec<(u64, i64)>,
    rate: Option<ClockRate>,
}

/// Two estimates that are at most this far apart, in nanoseconds, differ because the last numbers of a call are written
/// down between two frames, not because playout stood still.
const LOOSE: i64 = 20_000_000;

impl PlayClock {
    pub(crate) fn of(media: &Media<'_>, rate: ClockRate) -> Self {
        let counted = media.stats.iter().map(|(at, stats)| {
            let next = *at + FRAME;
            (total(&stats.playout), next.as_nanos() as i64)
        });
        let mut points: Vec<(u64, i64)> = Vec::new();
        for point in counted.filter(|(position, _)| *position > 0) {
            // Nothing was pulled since the last one, or the stream began anew: that says nothing.
            if points
                .last()
                .is_none_or(|(position, _)| *position < point.0)
            {
                points.push(point);
            }
        }
        if points.is_empty() {
            // Without numbers the log is better than nothing.
            points = media
                .playout
                .iter()
                .map(|(at, s)| {
                    (
                        s.position.saturating_add(u64::from(s.samples)),
                        at.as_nanos() as i64,
                    )
                })
                .collect();
        }
        Self {
            points,
            rate: Some(rate),
        }
    }

    /// When the sample at `position` was played, in nanoseconds.
    pub(crate) fn time(&self, position: u64) -> Option<i64> {
        let next = self.points.partition_point(|(p, _)| *p <= position);
        let from = |point: Option<&(u64, i64)>| Some(point?.1 + self.span(point?.0, position)?);
        let before = from(next.checked_sub(1).and_then(|n| self.points.get(n)));
        let after = from(self.points.get(next));
        match (before, after) {
            (Some(before), Some(after)) if after - before > LOOSE => Some(after),
            (before, after) => before.or(after),
        }
    }

    /// The same as an instant.
    pub(crate) fn instant(&self, position: u64) -> Option<Instant> {
        let nanos = u64::try_from(self.time(position)?).ok()?;
        Some(Instant::from_nanos(nanos))
    }

    /// Nanoseconds from one position to another.
    fn span(&self, from: u64, to: u64) -> Option<i64> {
        let samples = i128::from(to) - i128::from(from);
        i64::try_from(samples * 1_000_000_000 / i128::from(self.rate?.hz())).ok()
    }
}

/// Samples that were pulled in all.
const fn total(playout: &PlayoutStats) -> u64 {
    playout
        .normal
        .saturating_add(playout.concealed)
        .saturating_add(playout.warped)
        .saturating_add(playout.comfort)
        .saturating_add(playout.silence)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(points: &[(u64, i64)]) -> PlayClock {
        PlayClock {
            points: points.to_vec(),
            rate: Some(ClockRate::HZ_8000),
        }
    }

    const MS: i64 = 1_000_000;

    #[test]
    fn positions_are_timed_from_the_points_around_them() {
        // The last point was written down 4 ms late.
        let clock = clock(&[(1600, 1000 * MS), (3200, 1200 * MS), (3680, 1264 * MS)]);
        assert_eq!(clock.time(0), Some(800 * MS));
        assert_eq!(clock.time(1600), Some(1000 * MS));
        assert_eq!(clock.time(2400), Some(1100 * MS));
        assert_eq!(clock.time(3600), Some(1250 * MS));
        assert_eq!(clock.time(4000), Some(1304 * MS));
        assert_eq!(PlayClock::default().time(5), None);
    }

    #[test]
    fn a_pause_is_not_smeared_over_what_follows() {
        let clock = clock(&[(1600, 1000 * MS), (3200, 1500 * MS)]);
        assert_eq!(clock.time(3199), Some(1500 * MS - 125_000));
        assert_eq!(clock.time(1599), Some(1000 * MS - 125_000));
    }
}
