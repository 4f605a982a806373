//! When a sample was played.

use msp_core::time::{ClockRate, Instant};
use msp_core::trace::PlayoutSegment;

use crate::media::{Media, position};

/// From the position of a sample to the time at which it was played.
///
/// Each stretch of playout's log is a point at which position and time are known. Between two of them playout may have
/// stood still, but never run ahead.
#[derive(Debug, Default)]
pub(crate) struct PlayClock {
    /// Position and nanoseconds of the first sample of each stretch.
    points: Vec<(i64, i64)>,
    rate: Option<ClockRate>,
}

/// Two estimates that are at most this far apart, in nanoseconds, differ because frames are played late or early, not
/// because playout stood still.
const LOOSE: i64 = 20_000_000;

impl PlayClock {
    pub(crate) fn of(media: &Media<'_>, rate: ClockRate) -> Self {
        let point = |(at, s): &(Instant, PlayoutSegment)| (position(s), at.as_nanos() as i64);
        let mut points: Vec<_> = media.playout.iter().map(point).collect();
        // A stream that began anew counts from zero again: its first round is the one that is judged.
        let mut highest = None;
        points.retain(|(position, _)| {
            let grows = highest.is_none_or(|h| *position > h);
            if grows {
                highest = Some(*position);
            }
            grows
        });
        Self {
            points,
            rate: Some(rate),
        }
    }

    /// When the sample at `position` was played, in nanoseconds.
    pub(crate) fn time(&self, position: i64) -> Option<i64> {
        let next = self.points.partition_point(|(p, _)| *p <= position);
        let from = |point: Option<&(i64, i64)>| Some(point?.1 + self.span(point?.0, position)?);
        let before = from(next.checked_sub(1).and_then(|n| self.points.get(n)));
        let after = from(self.points.get(next));
        match (before, after) {
            (Some(before), Some(after)) if after - before > LOOSE => Some(after),
            (before, after) => before.or(after),
        }
    }

    /// The same as an instant.
    pub(crate) fn instant(&self, position: i64) -> Option<Instant> {
        let nanos = u64::try_from(self.time(position)?).ok()?;
        Some(Instant::from_nanos(nanos))
    }

    /// Nanoseconds from one position to another.
    fn span(&self, from: i64, to: i64) -> Option<i64> {
        let samples = i128::from(to) - i128::from(from);
        i64::try_from(samples * 1_000_000_000 / i128::from(self.rate?.hz())).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(points: &[(i64, i64)]) -> PlayClock {
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
