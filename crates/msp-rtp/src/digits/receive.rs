//! Hearing digits.

use std::time::Duration;

use msp_core::link::Digit;
use msp_core::stats::DropReason;
use msp_core::time::{ClockRate, Instant};

use super::EventPayload;

/// Events that end without telling are over after as long.
const SILENT_END: Duration = Duration::from_millis(200);
/// Digits that a peer may press in a second; more are an attack or a defect.
const MAX_A_SECOND: u32 = 20;
/// Events whose late copies are still known.
const REMEMBERED: usize = 8;

/// An event packet that came.
#[derive(Clone, Copy, Debug)]
pub struct EventHeard<'a> {
    /// When.
    pub at: Instant,
    /// Its RTP timestamp, which names the event.
    pub timestamp: u32,
    /// Its payload.
    pub payload: &'a [u8],
    /// The clock of its payload type.
    pub clock: ClockRate,
}

/// A digit that the peer pressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DigitPress {
    /// When it was first heard of.
    pub at: Instant,
    /// The key.
    pub digit: Digit,
    /// How long it was down, in ticks of the clock over all segments: as far as is known.
    pub ticks: u32,
    /// The same as time.
    pub duration: Duration,
    /// Power in dB below 1 mW.
    pub volume: u8,
    /// `false`: it is down now. `true`: it was let go.
    pub ended: bool,
}

/// State of a [`DigitReceiver`] as plain data.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DigitReceiverState {
    /// The event that goes on.
    pub current: Option<HeldDigit>,
    /// Timestamps of events that are over.
    pub over: [Option<u32>; REMEMBERED],
    /// Where the next goes.
    pub next_over: usize,
    /// Begin of the present second, and digits in it.
    pub second: (Instant, u32),
    /// Digits that ended.
    pub digits: u64,
}

/// An event that goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeldDigit {
    /// The timestamp of its present segment.
    pub timestamp: u32,
    /// What is known of it.
    pub press: DigitPress,
    /// Ticks of the present segment.
    pub segment: u16,
    /// When a packet of it was last heard.
    pub heard_at: Instant,
}

/// Makes one press and one release of each event, whatever was lost or came twice.
///
/// Tolerant of what peers do: the marker is not looked at, the start may be missing, the end may come alone, late or
/// never. An event is known by its timestamp; a segment that begins where the last ended goes on with it.
#[derive(Clone, Copy, Debug, Default)]
pub struct DigitReceiver {
    state: DigitReceiverState,
    ready: [Option<DigitPress>; 3],
}

impl DigitReceiver {
    /// Takes an event packet; then [`poll`](Self::poll).
    ///
    /// # Errors
    /// [`DropReason::BadEvent`] for a payload that is none and for events that are no digit,
    /// [`DropReason::OverLimit`] for more than 20 digits a second.
    pub fn take(&mut self, packet: &EventHeard<'_>) -> Result<(), DropReason> {
        let payload = EventPayload::read(packet.payload).ok_or(DropReason::BadEvent)?;
        let digit = Digit::from_event(payload.event).ok_or(DropReason::BadEvent)?;
        if self.state.over.contains(&Some(packet.timestamp)) {
            return Ok(());
        }
        if !self.goes_on(packet, digit, payload.duration) {
            self.end();
            self.begin(packet, digit, payload.volume)?;
        }
        let Some(current) = &mut self.state.current else {
            return Ok(());
        };
        current.heard_at = packet.at;
        // Reordered updates tell less than is known.
        let more = payload.duration.saturating_sub(current.segment);
        current.segment += more;
        current.press.ticks = current.press.ticks.saturating_add(more.into());
        current.press.duration = packet.clock.duration(current.press.ticks.into());
        if payload.end {
            self.end();
        }
        Ok(())
    }

    /// Ends an event of which nothing was heard for long.
    pub fn tick(&mut self, now: Instant) {
        if let Some(current) = &self.state.current
            && now.saturating_since(current.heard_at) >= SILENT_END
        {
            self.end();
        }
    }

    /// The next press or release.
    pub fn poll(&mut self) -> Option<DigitPress> {
        let first = self.ready[0].take()?;
        self.ready.rotate_left(1);
        Some(first)
    }

    /// Whether a key is down.
    pub const fn is_down(&self) -> bool {
        self.state.current.is_some()
    }

    /// The state as plain data.
    pub const fn state(&self) -> &DigitReceiverState {
        &self.state
    }

    /// Goes on from `state`.
    pub const fn restore(&mut self, state: &DigitReceiverState) {
        self.state = *state;
    }

    fn goes_on(&mut self, packet: &EventHeard<'_>, digit: Digit, duration: u16) -> bool {
        let Some(current) = &mut self.state.current else {
            return false;
        };
        if packet.timestamp == current.timestamp {
            // A peer that changes the key without a new timestamp is past help: the first counts.
            return true;
        }
        if digit != current.press.digit {
            return false;
        }
        let ahead = packet.timestamp.wrapping_sub(current.timestamp);
        // The next segment begins where the last ended (RFC 4733 section 2.5.1.3), some of whose packets may be lost.
        if ahead == 0xffff {
            let missed = u32::from(u16::MAX - current.segment);
            current.press.ticks = current.press.ticks.saturating_add(missed);
            current.segment = 0;
            self.rename(packet.timestamp);
            return true;
        }
        // Some peers move the timestamp with each update: then the duration grows by no less than the time.
        let grown = u32::from(duration).checked_sub(current.segment.into());
        if grown.is_some_and(|g| g > 0 && ahead <= g.saturating_mul(2)) {
            self.rename(packet.timestamp);
            return true;
        }
        false
    }

    /// The event goes on under another timestamp; late packets of the old one are known.
    fn rename(&mut self, timestamp: u32) {
        self.remember_current();
        if let Some(current) = &mut self.state.current {
            current.timestamp = timestamp;
        }
    }

    fn begin(
        &mut self,
        packet: &EventHeard<'_>,
        digit: Digit,
        volume: u8,
    ) -> Result<(), DropReason> {
        let (since, count) = &mut self.state.second;
        if packet.at.saturating_since(*since) >= Duration::from_secs(1) {
            (*since, *count) = (packet.at, 0);
        }
        if *count >= MAX_A_SECOND {
            return Err(DropReason::OverLimit);
        }
        *count += 1;
        let press = DigitPress {
            at: packet.at,
            digit,
            ticks: 0,
            duration: Duration::ZERO,
            volume,
            ended: false,
        };
        self.state.current = Some(HeldDigit {
            timestamp: packet.timestamp,
            press,
            segment: 0,
            heard_at: packet.at,
        });
        self.report(press);
        Ok(())
    }

    fn end(&mut self) {
        self.remember_current();
        if let Some(mut current) = self.state.current.take() {
            current.press.ended = true;
            self.state.digits += 1;
            self.report(current.press);
        }
    }

    fn remember_current(&mut self) {
        let Some(current) = &self.state.current else {
            return;
        };
        if let Some(slot) = self.state.over.get_mut(self.state.next_over % REMEMBERED) {
            *slot = Some(current.timestamp);
        }
        self.state.next_over = (self.state.next_over + 1) % REMEMBERED;
    }

    /// One packet reports three things at most: the end of one event, begin and end of another.
    fn report(&mut self, press: DigitPress) {
        if let Some(slot) = self.ready.iter_mut().find(|s| s.is_none()) {
            *slot = Some(press);
        }
    }
}
