//! Which UDP port the next transport gets: even ones for RTP (RFC 3550 section 11), rested before they are used again.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::Duration;

use msp_core::time::Instant;

/// The ports of an engine. Each stands for itself and the odd one above it.
///
/// A port that was used rests for a while: late packets of its last call must not reach the next one.
#[derive(Debug)]
pub(crate) struct PortPool {
    rest: Duration,
    free: VecDeque<u16>,
    resting: VecDeque<(Instant, u16)>,
}

impl PortPool {
    /// The even ports in `range` whose odd neighbour lies in it too. `random` says where in the range it begins, so
    /// that a process that was started anew does not take over the ports of the one before.
    pub(crate) fn new(range: RangeInclusive<u16>, rest: Duration, random: u32) -> Self {
        let (first, last) = (u32::from(*range.start()), u32::from(*range.end()));
        let free: VecDeque<u16> = (first.next_multiple_of(2)..last)
            .step_by(2)
            .filter_map(|p| u16::try_from(p).ok())
            .collect();
        let mut pool = Self {
            rest,
            free,
            resting: VecDeque::new(),
        };
        pool.leap(random);
        pool
    }

    /// How many transports the range has room for.
    pub(crate) fn capacity(range: &RangeInclusive<u16>) -> usize {
        let (first, last) = (u32::from(*range.start()), u32::from(*range.end()));
        (last + 1).saturating_sub(first.next_multiple_of(2)) as usize / 2
    }

    /// A port that nobody of ours uses and that has rested, if there is one.
    pub(crate) fn take(&mut self, now: Instant) -> Option<u16> {
        while let Some((until, port)) = self.resting.front().copied() {
            if until > now {
                break;
            }
            self.resting.pop_front();
            self.free.push_back(port);
        }
        self.free.pop_front()
    }

    /// Goes on elsewhere in the range: who holds one port, another process with many calls, holds its neighbours too.
    pub(crate) fn leap(&mut self, random: u32) {
        if !self.free.is_empty() {
            let by = random as usize % self.free.len();
            self.free.rotate_left(by);
        }
    }

    /// `port` is not used any more, or could not be opened because somebody else has it.
    pub(crate) fn give_back(&mut self, now: Instant, port: u16) {
        self.resting.push_back((now + self.rest, port));
    }

    /// Ports that are free or resting.
    pub(crate) fn unused(&self) -> usize {
        self.free.len() + self.resting.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: Duration = Duration::from_secs(5);

    fn all(pool: &mut PortPool, now: u64) -> Vec<u16> {
        let now = Instant::from_millis(now);
        std::iter::from_fn(|| pool.take(now)).collect()
    }

    #[test]
    fn ports_are_even_and_have_their_odd_neighbour_in_the_range() {
        let cases: [(RangeInclusive<u16>, &[u16]); 5] = [
            (4000..=4005, &[4000, 4002, 4004]),
            (4001..=4006, &[4002, 4004]),
            (65_532..=65_535, &[65_532, 65_534]),
            (4000..=4000, &[]),
            (4001..=4002, &[]),
        ];
        for (range, expected) in cases {
            assert_eq!(PortPool::capacity(&range), expected.len(), "{range:?}");
            let mut pool = PortPool::new(range, REST, 0);
            assert_eq!(all(&mut pool, 0), expected);
        }
    }

    #[test]
    fn a_leap_leaves_the_neighbours_for_later() {
        let mut pool = PortPool::new(4000..=4009, REST, 0);
        assert_eq!(pool.take(Instant::ZERO), Some(4000));
        pool.leap(2);
        assert_eq!(all(&mut pool, 0), [4006, 4008, 4002, 4004]);
        pool.leap(7);
        assert_eq!(all(&mut pool, 0), []);
    }

    #[test]
    fn a_port_rests_before_it_is_used_again() {
        let mut pool = PortPool::new(4000..=4005, REST, 1);
        assert_eq!(all(&mut pool, 0), [4002, 4004, 4000]);
        pool.give_back(Instant::from_millis(1000), 4004);
        assert_eq!(pool.unused(), 1);
        assert_eq!(all(&mut pool, 5999), []);
        assert_eq!(all(&mut pool, 6000), [4004]);
    }
}
