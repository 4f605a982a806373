//! Following packets: what was due, what came, and with which jitter.

use std::collections::HashMap;
use std::time::Duration;

use msp_core::id::SequenceNumber;
use msp_core::stats::DropReason;
use msp_core::time::Instant;

use super::{Flow, median};
use crate::due::{self, Due, belongs};
use crate::media::{Key, Packet};

/// A phone that hung up looked into its sockets this long before for the last time: once a frame, or once in two.
const LAST_LOOK: Duration = Duration::from_millis(20);

impl Flow<'_, '_> {
    pub(super) fn follow_packets(&mut self, hung_up: Option<Instant>) {
        let Some(receiver) = self.receiver else {
            return;
        };
        let received = &receiver.media.received;
        let mut arrivals: HashMap<_, &Packet<'_>> = HashMap::new();
        for packet in received.iter().filter(|p| belongs(p)) {
            if arrivals.insert(packet.key(), packet).is_some() {
                self.duplicates += 1;
            }
        }
        self.follow_jitter(received);
        match self.sender {
            Some(sender) => self.pair(&sender.media.sent, &arrivals, hung_up),
            None => {
                self.due = due::by_number(received);
                self.relative_transits(received);
            }
        }
    }

    fn pair(
        &mut self,
        sent: &[Packet<'_>],
        arrivals: &HashMap<Key, &Packet<'_>>,
        hung_up: Option<Instant>,
    ) {
        let sent = || sent.iter().filter(|p| p.dropped.is_none());
        let transit = |packet: &Packet<'_>| {
            let arrival = arrivals.get(&packet.key())?;
            Some(arrival.at.as_nanos() as i64 - packet.at.as_nanos() as i64)
        };
        let mut transits: Vec<i64> = sent().filter_map(transit).collect();
        let duration = |nanos| Duration::from_nanos(u64::try_from(nanos).unwrap_or(0));
        let usual = duration(median(&mut transits).unwrap_or(0));
        let slowest = duration(transits.last().copied().unwrap_or(0));
        for packet in sent() {
            let arrival = arrivals.get(&packet.key());
            // What did not come should have come as fast as the others.
            let at = arrival.map_or(packet.at + usual, |a| a.at);
            let latest = packet.at + slowest + LAST_LOOK;
            if arrival.is_none() && hung_up.is_some_and(|end| latest > end) {
                self.under_way += 1;
                continue;
            }
            if arrival.is_none() {
                self.lost.insert(packet.key());
            }
            self.due.push(Due {
                at,
                came: arrival.is_some(),
                late: arrival.is_some_and(|a| a.dropped == Some(DropReason::Late)),
                transit: transit(packet),
            });
        }
    }

    /// Without the sender's clock, how much longer each packet took than the quickest.
    fn relative_transits(&mut self, received: &[Packet<'_>]) {
        let mut first: Option<(u32, u32, Instant)> = None;
        let mut by_time: HashMap<Instant, i64> = HashMap::new();
        for packet in received.iter().filter(|p| belongs(p)) {
            let (ssrc, timestamp) = (packet.rtp.ssrc().0, packet.rtp.timestamp());
            let (_, base, began) = match first {
                Some(first) if first.0 == ssrc => first,
                _ => *first.insert((ssrc, timestamp, packet.at)),
            };
            let media = i64::from(timestamp.wrapping_sub(base) as i32) * 1_000_000_000
                / i64::from(self.clock.hz());
            let real = packet.at.as_nanos() as i64 - began.as_nanos() as i64;
            by_time.insert(packet.at, real - media);
        }
        let quickest = by_time.values().copied().min().unwrap_or(0);
        for due in self.due.iter_mut().filter(|d| d.came) {
            due.transit = by_time.get(&due.at).map(|t| t - quickest);
        }
    }

    /// RFC 3550 appendix A.8, and how many packets came after a later one.
    fn follow_jitter(&mut self, received: &[Packet<'_>]) {
        let mut last: Option<(u32, u32, Instant, SequenceNumber)> = None;
        let mut jitter = 0.0;
        for packet in received.iter().filter(|p| belongs(p)) {
            let rtp = &packet.rtp;
            if let Some((ssrc, timestamp, at, highest)) = last {
                if ssrc == rtp.ssrc().0 {
                    let real = packet.at.as_nanos() as f64 - at.as_nanos() as f64;
                    let media = f64::from(rtp.timestamp().wrapping_sub(timestamp) as i32) * 1e9
                        / f64::from(self.clock.hz());
                    jitter += ((real - media).abs() / 1e6 - jitter) / 16.0;
                    let ahead = rtp.sequence().distance_from(highest);
                    self.reordered += u64::from(ahead < 0);
                    let highest = if ahead > 0 { rtp.sequence() } else { highest };
                    last = Some((ssrc, rtp.timestamp(), packet.at, highest));
                    self.jitter.push((packet.at, jitter));
                    continue;
                }
                jitter = 0.0;
            }
            last = Some((rtp.ssrc().0, rtp.timestamp(), packet.at, rtp.sequence()));
        }
    }
}
