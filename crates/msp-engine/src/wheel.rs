//! The media clock of a shard: slices of 5 ms on absolute deadlines.
//!
//! A stream has work every second slice, 10 ms apart; its phase says in which of four slices of 20 ms it began, so
//! that the packets of many streams spread over time.

use std::time::Duration;

use msp_core::time::Instant;

/// The length of a slice.
pub(crate) const SLICE: Duration = Duration::from_millis(5);

const SLICE_NANOS: u64 = SLICE.as_nanos() as u64;

/// How many slices that were missed are made up for; more are skipped (they would only make the next ones late).
const MADE_UP: u64 = 2;

/// Slices that can be due at one time.
pub(crate) const AT_ONCE: u64 = MADE_UP + 1;

/// Phases that streams are spread over.
pub(crate) const PHASES: usize = 4;

/// One of the [`PHASES`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Phase(u8);

impl Phase {
    /// What a stream has before it joins a wheel.
    pub(crate) const FIRST: Self = Self(0);

    /// Its number, below [`PHASES`].
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One slice that is to be worked off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Slice {
    /// Its number since the clock's epoch.
    pub(crate) index: u64,
    /// When it was due.
    pub(crate) at: Instant,
}

/// The slices of a shard, and what is known about keeping up with them.
#[derive(Debug, Default)]
pub(crate) struct Wheel {
    next: Option<u64>,
    load: [u32; PHASES],
    late: u64,
    skipped: u64,
}

impl Wheel {
    /// A stream is born at `now`: it gets the phase with the least load, and the wheel turns if it stood still.
    pub(crate) fn join(&mut self, now: Instant) -> Phase {
        let phase = (0..PHASES).min_by_key(|p| self.load[*p]).unwrap_or(0);
        self.load[phase] += 1;
        if self.next.is_none() {
            self.next = Some(now.as_nanos() / SLICE_NANOS + 1);
        }
        Phase(phase as u8)
    }

    /// A stream of `phase` ended; with the last one the wheel stands still.
    pub(crate) fn leave(&mut self, phase: Phase) {
        if let Some(load) = self.load.get_mut(phase.index()) {
            *load = load.saturating_sub(1);
        }
        if self.load == [0; PHASES] {
            self.next = None;
        }
    }

    /// When the next slice is due; `None` while the wheel stands still.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.next.map(start_of)
    }

    /// The slice that is to be worked off now, if one is due. Ask again after it.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Slice> {
        let next = self.next?;
        let current = now.as_nanos() / SLICE_NANOS;
        if next > current {
            return None;
        }
        let first = next.max(current.saturating_sub(MADE_UP));
        self.skipped += first - next;
        self.late += u64::from(first < current);
        self.next = Some(first + 1);
        Some(Slice {
            index: first,
            at: start_of(first),
        })
    }

    /// Slices that were worked off after the next one was due.
    pub(crate) fn late(&self) -> u64 {
        self.late
    }

    /// Slices that were not worked off at all.
    pub(crate) fn skipped(&self) -> u64 {
        self.skipped
    }
}

fn start_of(slice: u64) -> Instant {
    Instant::from_nanos(slice.saturating_mul(SLICE_NANOS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(wheel: &mut Wheel, now: u64) -> Vec<u64> {
        let now = Instant::from_millis(now);
        std::iter::from_fn(|| wheel.due(now))
            .map(|s| s.index)
            .collect()
    }

    #[test]
    fn with_no_stream_alive_the_wheel_stands_still() {
        let mut wheel = Wheel::default();
        assert_eq!(wheel.deadline(), None);
        let a = wheel.join(Instant::from_millis(1001));
        let b = wheel.join(Instant::from_millis(1001));
        assert_eq!(wheel.deadline(), Some(Instant::from_millis(1005)));
        wheel.leave(a);
        assert!(wheel.deadline().is_some());
        wheel.leave(b);
        assert_eq!(wheel.deadline(), None);
        assert_eq!(run(&mut wheel, 5000), []);
        wheel.join(Instant::from_millis(9000));
        assert_eq!(wheel.deadline(), Some(Instant::from_millis(9005)));
    }

    #[test]
    fn deadlines_are_absolute_however_late_the_caller_is() {
        let mut wheel = Wheel::default();
        wheel.join(Instant::ZERO);
        assert_eq!(run(&mut wheel, 6), [1]);
        assert_eq!(wheel.deadline(), Some(Instant::from_millis(10)));
        assert_eq!(run(&mut wheel, 14), [2]);
        assert_eq!(wheel.deadline(), Some(Instant::from_millis(15)));
        assert_eq!((wheel.late(), wheel.skipped()), (0, 0));
    }

    #[test]
    fn two_missed_slices_are_made_up_and_more_are_skipped_and_counted() {
        let mut wheel = Wheel::default();
        wheel.join(Instant::ZERO);
        assert_eq!(run(&mut wheel, 15), [1, 2, 3]);
        assert_eq!((wheel.late(), wheel.skipped()), (2, 0));
        assert_eq!(run(&mut wheel, 51), [8, 9, 10]);
        assert_eq!((wheel.late(), wheel.skipped()), (4, 4));
        assert_eq!(wheel.deadline(), Some(Instant::from_millis(55)));
    }

    #[test]
    fn streams_spread_over_the_phases() {
        let mut wheel = Wheel::default();
        let phases: Vec<_> = (0..8).map(|_| wheel.join(Instant::ZERO)).collect();
        for p in 0..PHASES {
            assert_eq!(phases.iter().filter(|x| x.index() == p).count(), 2);
        }
        wheel.leave(phases[2]);
        assert_eq!(wheel.join(Instant::ZERO), phases[2]);
    }
}
