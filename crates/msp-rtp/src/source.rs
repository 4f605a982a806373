//! One source that we hear: its sequence numbers, its losses, its jitter (RFC 3550 appendix A).

use std::time::Duration;

use msp_core::id::{SequenceNumber, Ssrc};
use msp_core::time::{ClockRate, Instant};

/// Packets in sequence that make a source valid (RFC 3550 appendix A.1).
pub const MIN_SEQUENTIAL: u32 = 2;
/// A number this far ahead, or further, is a jump and not a gap (RFC 3550 appendix A.1).
pub const MAX_DROPOUT: u16 = 3000;
/// A number this far behind at most is a late packet and not a jump (RFC 3550 appendix A.1).
pub const MAX_MISORDER: u16 = 100;

/// A packet that leaps further than this against the clock starts jitter anew: its sender did, too.
const MAX_LEAP_SECONDS: f64 = 2.0;

/// What a sequence number means for its source.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sequence {
    /// In its place: ahead of all others, or late but not there before.
    Taken {
        /// The number, extended so that it only grows with the stream, whatever the source does.
        place: i64,
    },
    /// The second packet in a row of a new source: it and those before it in the row are taken.
    Validated {
        /// As in [`Sequence::Taken`].
        place: i64,
    },
    /// The source is not valid yet.
    Probation,
    /// There before.
    Duplicate,
    /// Too far from the others. If its successor follows, the source began anew.
    Jump,
}

/// What is known of one source. Plain data: it can be kept and restored.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Source {
    /// The source.
    pub ssrc: Ssrc,
    /// The highest number in sequence.
    pub max_seq: u16,
    /// 65,536 for each time that the numbers wrapped.
    pub cycles: u32,
    /// The first number.
    pub base_seq: u32,
    /// The number that would prove a restart, 65,537 if none would.
    pub bad_seq: u32,
    /// The number that would go on with a row of packets that all lie behind, and how many there are.
    pub behind: (u16, u32),
    /// Packets in sequence that are still missing until the source is valid.
    pub probation: u32,
    /// Packets taken, duplicates included as appendix A.3 has it.
    pub received: u64,
    /// `expected` at the last report.
    pub expected_prior: u64,
    /// `received` at the last report.
    pub received_prior: u64,
    /// Packets that came after a later one.
    pub reordered: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Added to the extended number so that places grow over a restart.
    pub place_offset: i64,
    /// Which of the last 128 numbers were there; bit 0 is the highest.
    pub seen: u128,
    /// Arrival and timestamp of the last packet that counts for jitter.
    pub last: Option<(Instant, u32)>,
    /// Jitter in ticks.
    pub jitter: f64,
    /// The biggest jitter so far, in ticks.
    pub jitter_max: f64,
    /// The clock that timestamps count.
    pub clock: ClockRate,
    /// When it was last heard.
    pub heard_at: Instant,
}

impl Source {
    /// A source whose first packet has number `seq`; nothing is counted yet.
    pub fn new(ssrc: Ssrc, seq: SequenceNumber, clock: ClockRate, now: Instant) -> Self {
        let mut source = Self {
            ssrc,
            max_seq: seq.0.wrapping_sub(1),
            cycles: 0,
            base_seq: 0,
            bad_seq: NO_BAD_SEQ,
            behind: (0, 0),
            probation: MIN_SEQUENTIAL,
            received: 0,
            expected_prior: 0,
            received_prior: 0,
            reordered: 0,
            duplicates: 0,
            place_offset: 0,
            seen: 0,
            last: None,
            jitter: 0.0,
            jitter_max: 0.0,
            clock,
            heard_at: now,
        };
        source.base_seq = u32::from(seq.0);
        source
    }

    /// Whether the source has proved itself.
    pub const fn is_valid(&self) -> bool {
        self.probation == 0
    }

    /// Takes a sequence number (RFC 3550 appendix A.1). `proven`: somebody else vouches for the source.
    ///
    /// Unlike the appendix, the packets of the probation count as received: they are kept and played.
    pub fn sequence(&mut self, seq: SequenceNumber, proven: bool) -> Sequence {
        let seq = seq.0;
        if !self.is_valid() {
            return self.probe(seq, proven);
        }
        let ahead = seq.wrapping_sub(self.max_seq);
        if ahead == 0 {
            self.received += 1;
            self.duplicates += 1;
            return Sequence::Duplicate;
        }
        if ahead < MAX_DROPOUT {
            if seq < self.max_seq {
                self.cycles = self.cycles.wrapping_add(SEQ_MOD);
            }
            self.max_seq = seq;
            self.behind = (0, 0);
            self.seen = self.seen.checked_shl(ahead.into()).unwrap_or(0) | 1;
        } else if u32::from(ahead) <= SEQ_MOD - u32::from(MAX_MISORDER) {
            if u32::from(seq) != self.bad_seq {
                self.bad_seq = u32::from(seq.wrapping_add(1));
                return Sequence::Jump;
            }
            // Two packets in a row: the other end began anew without telling.
            self.restart(seq);
        } else if self.goes_on_behind(seq) {
            // So long a row, and nothing else between, is no reordering: the other end began anew a little behind, where
            // the RFC's rule would not hear it for up to MAX_MISORDER packets.
            self.restart(seq);
        } else {
            let bit = 1u128 << (u32::from(seq.wrapping_neg().wrapping_add(self.max_seq)) & 127);
            self.received += 1;
            if self.seen & bit != 0 {
                self.duplicates += 1;
                return Sequence::Duplicate;
            }
            self.seen |= bit;
            self.reordered += 1;
            return Sequence::Taken {
                place: self.place(SequenceNumber(seq)),
            };
        }
        self.received += 1;
        Sequence::Taken {
            place: self.highest_place(),
        }
    }

    fn probe(&mut self, seq: u16, proven: bool) -> Sequence {
        if seq == self.max_seq.wrapping_add(1) {
            self.probation -= 1;
        } else {
            self.probation = MIN_SEQUENTIAL - 1;
            self.base_seq = u32::from(seq);
            self.last = None;
        }
        self.max_seq = seq;
        if proven {
            self.probation = 0;
            self.base_seq = u32::from(seq);
        }
        if self.probation > 0 {
            return Sequence::Probation;
        }
        let first = self.base_seq as u16;
        let run = u32::from(seq.wrapping_sub(first)) + 1;
        self.begin(first);
        self.max_seq = seq;
        self.cycles = if seq < first { SEQ_MOD } else { 0 };
        self.received = u64::from(run);
        self.seen = 1u128.checked_shl(run).unwrap_or(0).wrapping_sub(1);
        Sequence::Validated {
            place: self.highest_place(),
        }
    }

    fn goes_on_behind(&mut self, seq: u16) -> bool {
        let (next, run) = self.behind;
        let run = if next == seq { run + 1 } else { 1 };
        self.behind = (seq.wrapping_add(1), run);
        run >= MAX_ROW_BEHIND
    }

    fn restart(&mut self, seq: u16) {
        let next = self.highest_place() + 1;
        self.begin(seq);
        self.place_offset = next - i64::from(seq);
    }

    fn begin(&mut self, seq: u16) {
        self.base_seq = u32::from(seq);
        self.max_seq = seq;
        self.bad_seq = NO_BAD_SEQ;
        self.behind = (0, 0);
        self.cycles = 0;
        self.received = 0;
        self.received_prior = 0;
        self.expected_prior = 0;
        self.seen = 1;
        self.last = None;
    }

    /// The place of a number that is at most 32,767 away from the highest.
    pub fn place(&self, seq: SequenceNumber) -> i64 {
        let distance = seq.distance_from(SequenceNumber(self.max_seq));
        self.highest_place() + i64::from(distance)
    }

    fn highest_place(&self) -> i64 {
        self.place_offset + i64::from(self.extended_highest())
    }

    /// Counts the arrival of a packet into the jitter (RFC 3550 appendix A.8).
    pub fn arrival(&mut self, at: Instant, timestamp: u32, clock: ClockRate) {
        if clock != self.clock {
            self.clock = clock;
            self.last = None;
        }
        let Some((last_at, last_timestamp)) = self.last.replace((at, timestamp)) else {
            return;
        };
        // Whole ticks of arrival, as the RFC has it and others count.
        let elapsed =
            clock.ticks(at.since_epoch()) as i64 - clock.ticks(last_at.since_epoch()) as i64;
        let sent = i64::from(timestamp.wrapping_sub(last_timestamp) as i32);
        let difference = (elapsed - sent).abs() as f64;
        if difference > MAX_LEAP_SECONDS * f64::from(clock.hz()) {
            return;
        }
        self.jitter += (difference - self.jitter) / 16.0;
        self.jitter_max = self.jitter_max.max(self.jitter);
    }

    /// The highest number, extended by the wraps (RFC 3550 section 6.4.1).
    pub const fn extended_highest(&self) -> u32 {
        self.cycles.wrapping_add(self.max_seq as u32)
    }

    /// Packets expected (RFC 3550 appendix A.3).
    pub fn expected(&self) -> u64 {
        if self.is_valid() {
            u64::from(self.extended_highest().wrapping_sub(self.base_seq)) + 1
        } else {
            0
        }
    }

    /// Expected minus received (RFC 3550 appendix A.3).
    pub fn lost(&self) -> i64 {
        if self.is_valid() {
            self.expected() as i64 - self.received as i64
        } else {
            0
        }
    }

    /// The share lost since the last call in 256ths, and the loss in all clamped to 24 bits, as reports have them
    /// (RFC 3550 appendix A.3).
    pub fn report_loss(&mut self) -> (u8, i32) {
        let expected = self.expected() as i64 - self.expected_prior as i64;
        let received = self.received as i64 - self.received_prior as i64;
        self.expected_prior = self.expected();
        self.received_prior = self.received;
        let lost = expected - received;
        let fraction = if expected <= 0 || lost <= 0 {
            0
        } else {
            u8::try_from((lost << 8) / expected).unwrap_or(u8::MAX)
        };
        let total = self.lost().clamp(-0x80_0000, 0x7f_ffff);
        (fraction, total as i32)
    }

    /// Jitter as a duration.
    pub fn jitter_duration(&self) -> Duration {
        ticks_duration(self.jitter, self.clock)
    }

    /// The biggest jitter as a duration.
    pub fn jitter_max_duration(&self) -> Duration {
        ticks_duration(self.jitter_max, self.clock)
    }
}

fn ticks_duration(ticks: f64, clock: ClockRate) -> Duration {
    Duration::from_nanos((ticks * 1e9 / f64::from(clock.hz())) as u64)
}

/// A row of as many packets that lie behind is a restart.
const MAX_ROW_BEHIND: u32 = 5;
const SEQ_MOD: u32 = 1 << 16;
/// No number has this value.
const NO_BAD_SEQ: u32 = SEQ_MOD + 1;

#[cfg(test)]
mod tests;
