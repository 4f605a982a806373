//! The sources of one received stream: which of them is heard, and what is counted about them.

use std::time::Duration;

use msp_core::id::{SequenceNumber, Ssrc};
use msp_core::stats::{DropReason, ReceiveStats};
use msp_core::time::{ClockRate, Instant};

use crate::source::{Sequence, Source};

/// Sources that are followed at once.
pub const MAX_SOURCES: usize = 16;

/// Another source takes over only when the present one was silent for as long.
const HANDOVER_SILENCE: Duration = Duration::from_millis(30);
/// Packets in a row of another source, without one of the present source between, after which it may take over.
const HANDOVER_PACKETS: u32 = 2;
/// For as long the packets of a source that may take over are worth keeping.
const HANDOVER_PATIENCE: Duration = Duration::from_millis(100);

/// A packet as far as sequence and jitter look at it.
#[derive(Clone, Copy, Debug)]
pub struct Heard {
    /// When it arrived, as exactly as is known.
    pub at: Instant,
    /// Its source.
    pub ssrc: Ssrc,
    /// Its number.
    pub sequence: SequenceNumber,
    /// Its timestamp.
    pub timestamp: u32,
    /// The clock of its payload type.
    pub clock: ClockRate,
    /// Octets of payload.
    pub octets: usize,
    /// Whether it counts for jitter; telephone events, whose timestamps stand still, do not.
    pub timed: bool,
    /// Somebody vouches for the source: no probation.
    pub proven: bool,
    /// The address that media come from is another now, so this source takes over at once.
    pub moved: bool,
}

/// A packet that is to be played.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Accepted {
    /// Its place in the order of its source.
    pub place: i64,
    /// This source is the one heard from now on: everything of the one before is over, packets of it that were held
    /// come first.
    pub changed: bool,
}

/// A packet that is not played now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// Keep it: its source may prove itself, and then it is [`Receiver::place`]d.
    Hold,
    /// It goes no further.
    Drop(DropReason),
}

/// State of a [`Receiver`] as plain data.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct ReceiverState {
    /// The sources that are followed.
    pub sources: Vec<Source>,
    /// The one that is heard.
    pub active: Option<Ssrc>,
    /// What was counted over all sources.
    pub totals: Totals,
}

/// Counts over all sources.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    /// Packets that were taken.
    pub packets: u64,
    /// Octets of their payloads.
    pub octets: u64,
    /// Packets that came after a later one.
    pub reordered: u64,
    /// Sources that were heard one after another.
    pub sources: u64,
}

#[derive(Clone, Copy, Debug)]
struct Rival {
    ssrc: Ssrc,
    since: Instant,
    packets: u32,
}

/// Follows the sources of one stream by the rules of RFC 3550 section 6.2.1 and appendix A.1.
///
/// One source is heard at a time. Another takes over when it is valid, sent two packets while the present one sent
/// none, and that one has been silent for 30 ms: a transfer or a restart, not two who talk at once. When the peer's address
/// is another, it does so at once.
#[derive(Clone, Debug)]
pub struct Receiver {
    sources: Vec<Source>,
    active: Option<Ssrc>,
    rival: Option<Rival>,
    totals: Totals,
}

impl Default for Receiver {
    fn default() -> Self {
        Self {
            sources: Vec::with_capacity(MAX_SOURCES),
            active: None,
            rival: None,
            totals: Totals::default(),
        }
    }
}

impl Receiver {
    /// Takes a packet.
    ///
    /// # Errors
    /// [`Refused`] for one that is not played now.
    pub fn take(&mut self, packet: &Heard) -> Result<Accepted, Refused> {
        let active = self.active;
        let source = self.source(packet)?;
        source.heard_at = packet.at;
        let reordered_before = source.reordered;
        let sequence = source.sequence(packet.sequence, packet.proven);
        if packet.timed && !matches!(sequence, Sequence::Duplicate | Sequence::Jump) {
            source.arrival(packet.at, packet.timestamp, packet.clock);
        }
        let reordered = source.reordered - reordered_before;
        let place = match sequence {
            Sequence::Taken { place } | Sequence::Validated { place } => place,
            Sequence::Probation => {
                if active != Some(packet.ssrc) {
                    self.rival_heard(packet);
                }
                return Err(Refused::Hold);
            }
            Sequence::Duplicate => return Err(Refused::Drop(DropReason::Duplicate)),
            Sequence::Jump => return Err(Refused::Drop(DropReason::SequenceJump)),
        };
        let changed = if active == Some(packet.ssrc) {
            self.rival = None;
            false
        } else {
            self.hand_over(packet)?;
            true
        };
        self.totals.packets += 1;
        self.totals.octets += packet.octets as u64;
        self.totals.reordered += reordered;
        Ok(Accepted { place, changed })
    }

    /// The place of a packet that was held, once its source is heard; it counts as taken.
    pub fn place(&mut self, ssrc: Ssrc, sequence: SequenceNumber, octets: usize) -> Option<i64> {
        if self.active != Some(ssrc) {
            return None;
        }
        let place = self.active()?.place(sequence);
        self.totals.packets += 1;
        self.totals.octets += octets as u64;
        Some(place)
    }

    /// The source that is heard.
    pub fn active(&self) -> Option<&Source> {
        let ssrc = self.active?;
        self.sources.iter().find(|s| s.ssrc == ssrc)
    }

    /// The source that is heard, to report about it.
    pub fn active_mut(&mut self) -> Option<&mut Source> {
        let ssrc = self.active?;
        self.sources.iter_mut().find(|s| s.ssrc == ssrc)
    }

    /// The source that has been followed for longest.
    pub(crate) fn first(&self) -> Option<&Source> {
        self.sources.first()
    }

    /// How many sources are followed.
    pub fn followed(&self) -> usize {
        self.sources.len()
    }

    /// Writes the counts into `stats`.
    pub fn stats(&self, stats: &mut ReceiveStats) {
        stats.packets = self.totals.packets;
        stats.octets = self.totals.octets;
        stats.reordered = self.totals.reordered;
        stats.sources = self.totals.sources;
        if let Some(source) = self.active() {
            stats.expected = source.expected();
            stats.lost = source.lost();
            stats.jitter = source.jitter_duration();
            stats.jitter_max = source.jitter_max_duration();
        }
    }

    /// The state as plain data.
    pub fn state(&self) -> ReceiverState {
        ReceiverState {
            sources: self.sources.clone(),
            active: self.active,
            totals: self.totals,
        }
    }

    /// Goes on from `state`; sources beyond [`MAX_SOURCES`] are forgotten.
    pub fn restore(&mut self, state: &ReceiverState) {
        self.sources.clear();
        self.sources
            .extend(state.sources.iter().take(MAX_SOURCES).copied());
        self.active = state.active;
        self.totals = state.totals;
        self.rival = None;
    }

    fn source(&mut self, packet: &Heard) -> Result<&mut Source, Refused> {
        let known = self.sources.iter().position(|s| s.ssrc == packet.ssrc);
        let index = match known {
            Some(index) => index,
            None => {
                if self.sources.len() >= MAX_SOURCES {
                    self.evict();
                }
                let new = Source::new(packet.ssrc, packet.sequence, packet.clock, packet.at);
                self.sources.push(new);
                self.sources.len() - 1
            }
        };
        self.sources
            .get_mut(index)
            .ok_or(Refused::Drop(DropReason::OverLimit))
    }

    /// Forgets the source that was silent longest, one on probation first, never the one that is heard.
    fn evict(&mut self) {
        let active = self.active;
        let worst = self
            .sources
            .iter()
            .enumerate()
            .filter(|(_, s)| Some(s.ssrc) != active)
            .min_by_key(|(_, s)| (s.is_valid(), s.heard_at))
            .map(|(n, _)| n);
        if let Some(worst) = worst {
            self.sources.swap_remove(worst);
        }
    }

    fn rival_heard(&mut self, packet: &Heard) -> Rival {
        let rival = match self.rival {
            Some(rival) if rival.ssrc == packet.ssrc => Rival {
                packets: rival.packets.saturating_add(1),
                ..rival
            },
            _ => Rival {
                ssrc: packet.ssrc,
                since: packet.at,
                packets: 1,
            },
        };
        self.rival = Some(rival);
        rival
    }

    fn hand_over(&mut self, packet: &Heard) -> Result<(), Refused> {
        if let Some(active) = self.active() {
            let silence = packet.at.saturating_since(active.heard_at);
            let rival = self.rival_heard(packet);
            if !packet.moved && (rival.packets < HANDOVER_PACKETS || silence < HANDOVER_SILENCE) {
                let waited = packet.at.saturating_since(rival.since);
                return Err(if waited < HANDOVER_PATIENCE {
                    Refused::Hold
                } else {
                    Refused::Drop(DropReason::OverLimit)
                });
            }
        }
        self.active = Some(packet.ssrc);
        self.rival = None;
        self.totals.sources += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(ms: u64, ssrc: u32, seq: u16) -> Heard {
        Heard {
            at: Instant::from_millis(ms),
            ssrc: Ssrc(ssrc),
            sequence: SequenceNumber(seq),
            timestamp: u32::from(seq) * 160,
            clock: ClockRate::HZ_8000,
            octets: 160,
            timed: true,
            proven: false,
            moved: false,
        }
    }

    #[test]
    fn the_first_valid_source_is_heard_and_what_it_sent_before_counts() {
        let mut r = Receiver::default();
        assert_eq!(r.take(&heard(0, 1, 5)), Err(Refused::Hold));
        assert_eq!(
            r.take(&heard(20, 1, 6)),
            Ok(Accepted {
                place: 6,
                changed: true
            })
        );
        assert_eq!(r.place(Ssrc(1), SequenceNumber(5), 160), Some(5));
        let mut stats = ReceiveStats::default();
        r.stats(&mut stats);
        assert_eq!((stats.packets, stats.expected, stats.lost), (2, 2, 0));
    }

    #[test]
    fn another_source_takes_over_after_two_packets_of_silence_of_the_first() {
        let mut r = Receiver::default();
        for n in 0..10 {
            let _ = r.take(&heard(n * 20, 1, n as u16));
        }
        assert_eq!(r.take(&heard(200, 2, 700)), Err(Refused::Hold));
        let got = r.take(&heard(220, 2, 701));
        assert_eq!(
            got,
            Ok(Accepted {
                place: 701,
                changed: true
            })
        );
        assert_eq!(r.active().map(|s| s.ssrc), Some(Ssrc(2)));
    }

    #[test]
    fn who_talks_at_the_same_time_is_not_heard() {
        let mut r = Receiver::default();
        let mut refused = 0;
        for n in 0..100 {
            let first = r.take(&heard(n * 20, 1, n as u16));
            assert_eq!(first.is_ok(), n > 0);
            for m in 0..if n > 1 { 2 } else { 0 } {
                refused += u64::from(r.take(&heard(n * 20 + 5, 2, (n * 2 + m) as u16)).is_err());
            }
        }
        assert_eq!(refused, 196);
        assert_eq!(r.active().map(|s| s.ssrc), Some(Ssrc(1)));
    }

    #[test]
    fn proof_spares_probation_but_only_another_address_takes_over_at_once() {
        let mut r = Receiver::default();
        let mut changes = 0;
        for n in 0..100 {
            for ssrc in [1, 2] {
                let packet = Heard {
                    proven: true,
                    ..heard(n * 20 + u64::from(ssrc), ssrc, n as u16)
                };
                changes += u64::from(r.take(&packet).is_ok_and(|a| a.changed));
            }
        }
        assert_eq!(changes, 1);
        let packet = Heard {
            proven: true,
            moved: true,
            ..heard(1983, 3, 7)
        };
        assert!(r.take(&packet).is_ok_and(|a| a.changed));
    }

    #[test]
    fn a_flood_of_sources_leaves_the_one_that_is_heard() {
        let mut r = Receiver::default();
        let mut heard_packets = 0;
        for n in 0..500u64 {
            heard_packets += u64::from(r.take(&heard(n * 20, 1, n as u16)).is_ok());
            for stranger in 0..if n > 1 { 20 } else { 0 } {
                let ssrc = 1000 + (n * 20 + stranger) as u32;
                assert!(r.take(&heard(n * 20 + 1, ssrc, 9)).is_err());
            }
            assert!(r.followed() <= MAX_SOURCES);
        }
        assert_eq!(heard_packets, 499, "all but the first, which is held");
    }

    #[test]
    fn state_is_kept_and_restored() {
        let mut r = Receiver::default();
        for n in 0..10 {
            let _ = r.take(&heard(n * 20, 1, n as u16));
        }
        let mut other = Receiver::default();
        other.restore(&r.state());
        assert_eq!(r.take(&heard(200, 1, 10)), other.take(&heard(200, 1, 10)));
        assert_eq!(r.state(), other.state());
    }
}
