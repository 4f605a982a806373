//! The sums of a mixer, one for each 10 ms of the engine's clock. Media threads add to them and read them at the same time;
//! nobody waits for anybody.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Ticks that are kept: far more than the slowest reader is behind.
const KEPT: u64 = 16;
/// In a tick's number: somebody makes it ready.
const BUSY: u64 = u64::MAX;
/// Looks at a tick that is made ready, before what was to be added is given up.
const PATIENCE: u32 = 1_000;

/// Sums of the last ticks.
pub(super) struct Ticks {
    ticks: [Tick; KEPT as usize],
    /// The latest that was read, and one.
    read: AtomicU64,
}

/// What became of sound that was added.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Added {
    /// It is in its tick.
    InTime,
    /// It is in its tick, which somebody has read already.
    Late,
    /// Its tick is gone.
    Lost,
}

struct Tick {
    /// The number of the tick and one; 0 before there was any.
    number: AtomicU64,
    /// Two samples in each, as [`pair`] has them.
    sum: Box<[AtomicI64]>,
}

/// Two samples as one number. The sum of such numbers is the pair of the sums, for 65,536 members at full scale.
const fn pair(first: i16, second: i16) -> i64 {
    ((second as i64) << 32) + first as i64
}

/// The two sums of a sum of [`pair`]s.
const fn sums(pair: i64) -> (i32, i32) {
    let first = pair as i32;
    (first, ((pair - first as i64) >> 32) as i32)
}

impl Ticks {
    /// Sums of frames of so many samples.
    pub(super) fn new(frame: usize) -> Self {
        let sum = || (0..frame.div_ceil(2)).map(|_| AtomicI64::new(0)).collect();
        Self {
            ticks: std::array::from_fn(|_| Tick {
                number: AtomicU64::new(0),
                sum: sum(),
            }),
            read: AtomicU64::new(0),
        }
    }

    fn of(&self, number: u64) -> &Tick {
        &self.ticks[(number % KEPT) as usize]
    }

    /// Adds `sound` to the tick `number`.
    pub(super) fn add(&self, number: u64, sound: &[i16]) -> Added {
        let tick = self.of(number);
        if !tick.open(number + 1) {
            return Added::Lost;
        }
        for (sum, two) in tick.sum.iter().zip(sound.chunks(2)) {
            let second = two.get(1).copied().unwrap_or(0);
            sum.fetch_add(pair(two[0], second), Ordering::Relaxed);
        }
        match self.read.load(Ordering::Relaxed) > number {
            true => Added::Late,
            false => Added::InTime,
        }
    }

    /// Adds the tick `number` to `mix`. Whether anybody gave sound in it.
    pub(super) fn read(&self, number: u64, mix: &mut [i32]) -> bool {
        self.read.fetch_max(number + 1, Ordering::Relaxed);
        let tick = self.of(number);
        if tick.number.load(Ordering::Acquire) != number + 1 {
            return false;
        }
        for (two, sum) in mix.chunks_mut(2).zip(&tick.sum) {
            let (first, second) = sums(sum.load(Ordering::Relaxed));
            two[0] += first;
            if let Some(last) = two.get_mut(1) {
                *last += second;
            }
        }
        true
    }
}

impl Tick {
    /// Makes it the tick of `wanted`, with nothing in it, unless it is that already. Whether it is now.
    fn open(&self, wanted: u64) -> bool {
        for _ in 0..PATIENCE {
            let found = self.number.load(Ordering::Acquire);
            if found == wanted {
                return true;
            }
            if found == BUSY {
                std::hint::spin_loop();
                continue;
            }
            if found > wanted {
                return false;
            }
            let claim =
                self.number
                    .compare_exchange(found, BUSY, Ordering::Acquire, Ordering::Relaxed);
            if claim.is_ok() {
                for sum in &self.sum {
                    sum.store(0, Ordering::Relaxed);
                }
                self.number.store(wanted, Ordering::Release);
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(ticks: &Ticks, number: u64) -> Vec<i32> {
        let mut mix = vec![0; 2];
        ticks.read(number, &mut mix);
        mix
    }

    #[test]
    fn a_tick_has_what_was_given_in_it_and_nothing_of_the_one_before() {
        let ticks = Ticks::new(2);
        for first in [1, 10] {
            assert_eq!(ticks.add(3, &[first, i16::MIN]), Added::InTime);
        }
        assert_eq!(read(&ticks, 3), [11, 2 * i32::from(i16::MIN)]);
        assert_eq!(ticks.add(3, &[0, 0]), Added::Late, "it was read");
        assert_eq!(read(&ticks, 4), [0, 0], "nobody spoke");
        assert_eq!(ticks.add(3 + KEPT, &[5, 5]), Added::InTime);
        assert_eq!(read(&ticks, 3 + KEPT), [5, 5]);
        assert_eq!(read(&ticks, 3), [0, 0], "its place was taken");
        assert_eq!(ticks.add(3, &[1, 1]), Added::Lost);
        assert_eq!(read(&ticks, 3 + KEPT), [5, 5]);
    }

    #[test]
    fn threads_that_add_at_the_same_time_lose_nothing() {
        let ticks = Ticks::new(2);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    (0..KEPT).all(|n| (0..500).all(|_| ticks.add(n, &[1, -2]) == Added::InTime))
                });
            }
        });
        for n in 0..KEPT {
            assert_eq!(read(&ticks, n), [2_000, -4_000], "tick {n}");
        }
    }
}
