//! One direction of a network: decides what becomes of each packet.

use std::time::Duration;

use msp_core::time::Instant;

use crate::{Impairment, JitterShape, Random};

/// One direction under an impairment.
///
/// Each kind of chance draws from a stream of its own, so that a change of one setting leaves the others' luck as it was.
#[derive(Clone, Debug)]
pub struct Path {
    impairment: Impairment,
    loss: Random,
    jitter: Random,
    duplicate: Random,
    reorder: Random,
    /// Gilbert's bad state.
    bad: bool,
    /// When the narrow link has sent what waits for it.
    idle_at: Instant,
    /// When the last packet arrives that may not be overtaken.
    last_arrival: Instant,
}

/// What becomes of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It never arrives.
    Lost(LossReason),
    /// It arrives.
    Arrives {
        /// When.
        at: Instant,
        /// When a copy of it arrives, if the network makes one.
        copy_at: Option<Instant>,
    },
}

/// Why a packet does not arrive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LossReason {
    /// By chance.
    Chance,
    /// The queue before the narrow link was full.
    Overflow,
}

impl Path {
    /// A path whose luck `seed` decides.
    pub fn new(impairment: Impairment, seed: u64) -> Self {
        let root = Random::new(seed);
        Self {
            impairment,
            loss: root.fork(1),
            jitter: root.fork(2),
            duplicate: root.fork(3),
            reorder: root.fork(4),
            bad: false,
            idle_at: Instant::ZERO,
            last_arrival: Instant::ZERO,
        }
    }

    /// Decides what becomes of a packet of `len` bytes that is sent at `now`.
    pub fn send(&mut self, now: Instant, len: usize) -> Fate {
        let Some(departure) = self.queue(now, len) else {
            return Fate::Lost(LossReason::Overflow);
        };
        if self.loses() {
            return Fate::Lost(LossReason::Chance);
        }
        let held = self.reorder.chance(self.impairment.reorder.get());
        let at = self.arrival(departure, held);
        let copied = self.duplicate.chance(self.impairment.duplicate.get());
        let copy_at = copied.then(|| self.arrival(departure, held));
        Fate::Arrives { at, copy_at }
    }

    /// The impairment.
    pub fn impairment(&self) -> &Impairment {
        &self.impairment
    }

    /// Another impairment from the next packet on. What is under way is not touched.
    pub fn set_impairment(&mut self, impairment: Impairment) {
        self.impairment = impairment;
    }

    /// When a packet leaves the narrow link; `None` if the queue before it is full.
    fn queue(&mut self, now: Instant, len: usize) -> Option<Instant> {
        let Some(rate) = self.impairment.rate else {
            return Some(now);
        };
        let start = self.idle_at.max(now);
        let waiting = start.saturating_since(now).as_nanos() * u128::from(rate) / 8_000_000_000;
        if waiting + len as u128 > self.impairment.queue as u128 {
            return None;
        }
        let nanos = (len as u128 * 8_000_000_000).div_ceil(u128::from(rate));
        self.idle_at = start + Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        Some(self.idle_at)
    }

    fn loses(&mut self) -> bool {
        let loss = self.impairment.loss.get();
        let Some(burst) = self.impairment.burst else {
            return self.loss.chance(loss);
        };
        if loss >= 1.0 {
            return true;
        }
        // From good to bad with p, back with 1 / burst: bad is the share p / (p + 1 / burst) of the packets.
        let odds = loss / (1.0 - loss);
        let burst = burst.max(odds);
        let turns = if self.bad { 1.0 / burst } else { odds / burst };
        self.bad ^= self.loss.chance(turns);
        self.bad
    }

    fn arrival(&mut self, departure: Instant, held: bool) -> Instant {
        let share = match self.impairment.shape {
            JitterShape::Uniform => self.jitter.unit(),
            JitterShape::Bell => (0..4).map(|_| self.jitter.unit()).sum::<f64>() / 4.0,
        };
        let mut at = departure + self.impairment.delay + self.impairment.jitter.mul_f64(share);
        if held {
            at += self.impairment.hold;
        } else if !self.impairment.overtake {
            at = at.max(self.last_arrival);
            self.last_arrival = at;
        }
        at
    }
}

#[cfg(test)]
mod tests;
