//! What became of the packets of one direction.

use std::ops::AddAssign;
use std::time::Duration;

/// What became of the packets of one direction. At all times [`accounted`](Self::accounted) equals `sent` and
/// `duplicated` together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PathStats {
    /// Packets handed to the network.
    pub sent: u64,
    /// Copies that the network made besides.
    pub duplicated: u64,
    /// Packets and copies that arrived.
    pub delivered: u64,
    /// Packets lost by chance, at random or in bursts.
    pub lost: u64,
    /// Runs of one or more packets in a row that were lost by chance.
    pub loss_bursts: u64,
    /// Packets that found the queue before a narrow link full.
    pub overflowed: u64,
    /// Packets and copies that a NAT did not let in.
    pub filtered: u64,
    /// Packets to where no way leads: a private address from outside, or a proxy's target that is not known yet.
    pub unroutable: u64,
    /// Packets and copies that the system refused to send on; a proxy's only.
    pub refused: u64,
    /// Packets and copies still under way.
    pub in_flight: u64,
    /// Packets and copies that arrived after one that was sent later.
    pub reordered: u64,
    /// Packets and copies that arrived later than the least delay of the path.
    pub delayed: u64,
    /// Bytes handed to the network.
    pub bytes_sent: u64,
    /// Bytes that arrived.
    pub bytes_delivered: u64,
    /// Sum of the delays of all that arrived.
    pub total_delay: Duration,
    /// The longest delay of any that arrived.
    pub max_delay: Duration,
}

impl PathStats {
    /// Packets and copies whose fate is known, and those still under way.
    pub fn accounted(&self) -> u64 {
        self.delivered
            + self.lost
            + self.overflowed
            + self.filtered
            + self.unroutable
            + self.refused
            + self.in_flight
    }

    /// The share of the packets sent that did not arrive and never will. A copy of a packet that arrived is none.
    pub fn loss(&self) -> f64 {
        let gone = self.lost + self.overflowed + self.unroutable;
        if self.sent == 0 {
            0.0
        } else {
            gone as f64 / self.sent as f64
        }
    }

    /// Mean length of the runs that were lost by chance, in packets; `None` if none was lost.
    pub fn mean_burst(&self) -> Option<f64> {
        (self.loss_bursts > 0).then(|| self.lost as f64 / self.loss_bursts as f64)
    }

    /// Mean delay of what arrived; `None` if nothing did.
    pub fn mean_delay(&self) -> Option<Duration> {
        let nanos = self
            .total_delay
            .as_nanos()
            .checked_div(u128::from(self.delivered))?;
        Some(Duration::from_nanos(
            u64::try_from(nanos).unwrap_or(u64::MAX),
        ))
    }

    /// Counts a packet or a copy that arrives after `delay`; `late` if that is more than the least of its path.
    pub(crate) fn arrived(&mut self, delay: Duration, late: bool, bytes: usize) {
        self.delivered += 1;
        self.bytes_delivered += bytes as u64;
        self.delayed += u64::from(late);
        self.total_delay += delay;
        self.max_delay = self.max_delay.max(delay);
    }
}

impl AddAssign for PathStats {
    fn add_assign(&mut self, other: Self) {
        self.sent += other.sent;
        self.duplicated += other.duplicated;
        self.delivered += other.delivered;
        self.lost += other.lost;
        self.loss_bursts += other.loss_bursts;
        self.overflowed += other.overflowed;
        self.filtered += other.filtered;
        self.unroutable += other.unroutable;
        self.refused += other.refused;
        self.in_flight += other.in_flight;
        self.reordered += other.reordered;
        self.delayed += other.delayed;
        self.bytes_sent += other.bytes_sent;
        self.bytes_delivered += other.bytes_delivered;
        self.total_delay += other.total_delay;
        self.max_delay = self.max_delay.max(other.max_delay);
    }
}
