//! Where a packet goes: from timestamps to positions.

use std::time::Duration;

use msp_core::fault::{self, Fault};
use msp_core::stats::DropReason;
use msp_core::terminal::FRAME;
use msp_core::time::{ClockRate, Instant};

use super::{Entry, Lead, Playout, PlayoutMode, PlayoutPacket};

impl Playout {
    /// The position that `packet` gets.
    pub(super) fn locate(
        &mut self,
        packet: &PlayoutPacket<'_>,
        len: i64,
        clock: ClockRate,
    ) -> Result<i64, DropReason> {
        let Some(newest) = self.newest else {
            // What the source before left waiting comes first.
            let waiting = self.entries.last().map_or(i64::MIN, Entry::end);
            if self.pulled_at.is_none() {
                self.unplaced.get_or_insert(packet.at);
                return Ok(self.head.max(waiting));
            }
            return Ok(self.anchor(packet.at).max(waiting));
        };
        if fault::is_on(Fault::IgnoreOrder) {
            return Ok(newest.end.max(self.head));
        }
        let in_order = packet.place > newest.place;
        let max = self.span(self.config.max);
        let distance = self.samples(packet.timestamp.wrapping_sub(newest.timestamp), clock);
        let start = newest.start + distance;
        let smooth =
            clock == newest.clock && (start - newest.end).abs() <= i64::from(self.config.rate.hz());
        if self.unplaced.is_some() {
            return match start.checked_sub(self.head) {
                Some(ahead) if smooth && ahead < max => {
                    // Reordered before the first pull: the stream begins earlier than thought.
                    Ok(start)
                }
                _ if in_order => Ok(newest.end),
                _ => Err(DropReason::Late),
            };
        }
        // A sender that stood still goes on where it was, and not where time is.
        let stood_still = self.head - newest.end > self.span(STANDSTILL);
        let anew = in_order && (packet.marker || stood_still) && start + len <= self.head;
        let helps = start + len > self.head || !anew && self.can_go_back_to(start);
        if helps && start <= self.head + max && clock == newest.clock {
            self.adapting.went_ahead(false);
            self.note_lateness(packet.at, start < self.head);
            return match self.late_run {
                Some(_) if self.gave_up(packet.at) => Ok(self.move_on(packet.at)),
                _ => Ok(start),
            };
        }
        if !in_order {
            if smooth {
                self.measure(packet.at, start, len);
            }
            return Err(DropReason::Late);
        }
        if !smooth {
            // The sender's clock jumped: go on right behind what is there, or anew if nothing is.
            self.adapting.delay.begin_anew();
            return Ok(newest.end.max(self.anchor(packet.at)));
        }
        if start > self.head {
            return self.follow_ahead(packet.at, start);
        }
        // Time to be played is over. A sender that stood still meanwhile begins anew; others get a few chances.
        self.note_lateness(packet.at, true);
        if packet.marker || stood_still || self.gave_up(packet.at) {
            return Ok(self.move_on(packet.at));
        }
        self.measure(packet.at, start, len);
        Err(DropReason::Late)
    }

    pub(super) fn note_lateness(&mut self, at: Instant, late: bool) {
        self.late_run = match self.late_run {
            _ if !late => None,
            None => Some((at, 1)),
            Some((since, n)) => Some((since, n + 1)),
        };
    }

    /// Whether so many packets in a row were late that the delay is too short now.
    pub(super) fn gave_up(&self, at: Instant) -> bool {
        self.late_run
            .is_some_and(|(since, n)| n >= LATE_PACKETS && at.saturating_since(since) >= LATE_TIME)
    }

    pub(super) fn move_on(&mut self, at: Instant) -> i64 {
        self.late_run = None;
        self.lead = Lead::new(self.config.target);
        self.adapting.delay.begin_anew();
        let behind = self.newest.map_or(self.head, |n| n.end);
        self.anchor(at).max(behind)
    }

    /// How long a packet waits of whose own delay nothing is known.
    fn wait(&self) -> Duration {
        if self.config.mode != PlayoutMode::Adaptive {
            return self.config.target;
        }
        let pulls = u32::try_from(self.adapting.delay.first_wait()).unwrap_or(0);
        self.config.target.max(FRAME * pulls)
    }

    /// Whether a late packet at `start` may still be played from its start.
    fn can_go_back_to(&self, start: i64) -> bool {
        self.may_adapt() && start < self.head && self.head - start <= self.adapting.hollow()
    }

    /// The position of a packet in order at `start`, too far ahead to wait, once there were enough of that kind.
    fn follow_ahead(&mut self, at: Instant, start: i64) -> Result<i64, DropReason> {
        let mode = self.config.mode;
        if mode == PlayoutMode::Fixed || !self.adapting.went_ahead(true) {
            return Err(DropReason::BufferFull);
        }
        self.adapting.went_ahead(false);
        if mode == PlayoutMode::Adaptive {
            self.skip_to(start - self.span(self.wait()));
            return Ok(start);
        }
        // What waits is played first.
        let behind = self.newest.map_or(self.head, |n| n.end);
        Ok(behind.max(self.anchor(at)))
    }

    /// The position of a packet that came at `at` and waits as others do: at the start of a pull.
    pub(super) fn anchor(&self, at: Instant) -> i64 {
        let next_pull = self.pulled_at.map_or(at, |t| t + FRAME);
        let wait = (at + self.wait()).saturating_since(next_pull);
        let frames = wait.as_nanos().div_ceil(FRAME.as_nanos()) as i64;
        self.head + frames * self.frame() as i64
    }

    /// When the pull is due that reaches `position`.
    pub(super) fn due(&self, position: i64) -> Instant {
        let next_pull = self.pulled_at.map_or(Instant::ZERO, |t| t + FRAME);
        let ahead = u64::try_from(position - self.head).unwrap_or(0);
        next_pull + self.config.rate.duration(ahead)
    }

    /// The first pull decides where the head stands before the packets that came earlier.
    pub(super) fn place_first(&mut self, now: Instant, arrived: Instant) {
        let first = self.entries.first().map_or(self.head, |e| e.start);
        let wait = (arrived + self.wait()).saturating_since(now);
        let frames = wait.as_nanos().div_ceil(FRAME.as_nanos()) as i64;
        let shift = self.head + frames * self.frame() as i64 - first;
        for entry in &mut self.entries {
            entry.start += shift;
        }
        if let Some(newest) = &mut self.newest {
            newest.start += shift;
            newest.end += shift;
        }
    }
}

/// So many packets in a row come too late before the delay grows,
const LATE_PACKETS: u32 = 3;
/// if they are spread over at least this time.
const LATE_TIME: Duration = Duration::from_millis(40);
/// A sender of which nothing came for as long goes on where it likes.
const STANDSTILL: Duration = Duration::from_millis(300);
