//! Sending digits.

use std::collections::VecDeque;
use std::time::Duration;

use msp_core::link::Digit;
use msp_core::terminal::FRAME;
use msp_core::time::ClockRate;

use super::EventPayload;

/// Digits that wait at most.
pub const MAX_WAITING: usize = 64;

/// The final packet of an event goes out so often (RFC 4733 section 2.5.1.4).
const FINAL_COPIES: u8 = 3;

/// How digits are pressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DigitTiming {
    /// How long a key is down, unless asked otherwise.
    pub duration: Duration,
    /// How long no key is down between two.
    pub gap: Duration,
    /// Power in dB below 1 mW, 0 to 63.
    pub volume: u8,
}

impl Default for DigitTiming {
    /// 100 ms, 60 ms apart, at -10 dBm0.
    fn default() -> Self {
        Self {
            duration: Duration::from_millis(100),
            gap: Duration::from_millis(60),
            volume: 10,
        }
    }
}

/// An event packet that is to be sent now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventPacket {
    /// The marker: the first packet of an event.
    pub marker: bool,
    /// The timestamp of the event, the same in all its packets.
    pub timestamp: u32,
    /// The payload.
    pub payload: [u8; 4],
}

#[derive(Clone, Copy, Debug)]
struct Pressed {
    digit: Digit,
    /// Of the segment, ticks of the RTP clock.
    timestamp: u32,
    /// Ticks since the segment began.
    elapsed: u32,
    /// Ticks of the whole that are still to come when the segment began.
    total: u32,
    since_update: Duration,
    started: bool,
}

/// The final packet of an event or a segment, and how often it still goes out.
#[derive(Clone, Copy, Debug)]
struct Final {
    packet: EventPacket,
    copies: u8,
    /// Until the next copy.
    wait: Duration,
}

/// Presses digits one after another.
///
/// Each 10 ms it hears that time passes, then gives the packets that are due: one each packet time while a key is down,
/// the final one three times. A key longer than 65,535 ticks goes in segments (RFC 4733 section 2.5.1.3).
#[derive(Clone, Debug)]
pub struct DigitSender {
    timing: DigitTiming,
    clock: ClockRate,
    interval: Duration,
    /// Digits and milliseconds.
    waiting: VecDeque<(Digit, u16)>,
    pressed: Option<Pressed>,
    update: Option<EventPacket>,
    last: Option<Final>,
    gap: Duration,
}

impl DigitSender {
    /// A sender with nothing to send.
    pub fn new(timing: DigitTiming) -> Self {
        Self {
            timing,
            clock: ClockRate::HZ_8000,
            interval: Duration::from_millis(20),
            waiting: VecDeque::with_capacity(MAX_WAITING),
            pressed: None,
            update: None,
            last: None,
            gap: Duration::ZERO,
        }
    }

    /// Durations count `clock` and updates go out each `interval`, which is the packet time of the sound.
    pub const fn set_format(&mut self, clock: ClockRate, interval: Duration) {
        self.clock = clock;
        self.interval = interval;
    }

    /// Adds a digit behind those that wait, down for `duration` or the usual time, a minute at most. `false` if too many wait.
    #[must_use]
    pub fn press(&mut self, digit: Digit, duration: Option<Duration>) -> bool {
        if self.waiting.len() >= MAX_WAITING {
            return false;
        }
        let duration = duration.unwrap_or(self.timing.duration).max(FRAME);
        let ms = u16::try_from(duration.as_millis()).unwrap_or(u16::MAX);
        self.waiting.push_back((digit, ms));
        true
    }

    /// Digits that may still be added.
    pub fn room(&self) -> usize {
        MAX_WAITING - self.waiting.len()
    }

    /// Forgets the digits that wait; the one that is down is finished at once.
    pub fn clear(&mut self) {
        self.waiting.clear();
        if let Some(pressed) = &mut self.pressed {
            pressed.total = pressed.total.min(pressed.elapsed);
        }
    }

    /// Whether a key is down: sound is not sent meanwhile.
    pub const fn is_down(&self) -> bool {
        self.pressed.is_some()
    }

    /// Whether nothing is down, waits, or is still to be repeated, and the pause after the last digit is over.
    pub fn is_idle(&self) -> bool {
        self.pressed.is_none()
            && self.waiting.is_empty()
            && self.update.is_none()
            && self.last.is_none()
            && self.gap.is_zero()
    }

    /// 10 ms pass; `timestamp` is that of the sound at their beginning. Returns whether a key is down in them. Without
    /// `may_begin` no new key goes down, so that a packet of sound can become full first.
    pub fn tick(&mut self, timestamp: u32, may_begin: bool) -> bool {
        if let Some(last) = &mut self.last {
            last.wait = last.wait.saturating_sub(FRAME);
        }
        if self.pressed.is_none() {
            self.gap = self.gap.saturating_sub(FRAME);
            // The copies of one event all leave before the next begins, so that no receiver mixes them up.
            if may_begin
                && self.gap.is_zero()
                && self.last.is_none()
                && let Some((digit, ms)) = self.waiting.pop_front()
            {
                self.pressed = Some(Pressed {
                    digit,
                    timestamp,
                    elapsed: 0,
                    total: u32::try_from(self.clock.ticks(Duration::from_millis(ms.into())))
                        .unwrap_or(u32::MAX),
                    since_update: Duration::ZERO,
                    started: false,
                });
            }
        }
        let Some(mut pressed) = self.pressed else {
            return false;
        };
        pressed.elapsed += self.clock.ticks(FRAME) as u32;
        pressed.since_update += FRAME;
        if pressed.elapsed >= pressed.total {
            self.finish(pressed);
        } else if pressed.elapsed > SEGMENT {
            self.split(pressed);
        } else {
            if pressed.since_update >= self.interval {
                pressed.since_update = Duration::ZERO;
                self.update = Some(self.packet(&pressed, pressed.elapsed, false));
                pressed.started = true;
            }
            self.pressed = Some(pressed);
        }
        true
    }

    /// The next packet that is due.
    pub fn poll(&mut self) -> Option<EventPacket> {
        if let Some(update) = self.update.take() {
            return Some(update);
        }
        let last = self.last.as_mut()?;
        if !last.wait.is_zero() {
            return None;
        }
        let packet = last.packet;
        last.copies -= 1;
        // A segment's copies go out together: the next segment's packets follow at once. Copies are no first packets.
        last.wait = if last.packet.payload[1] & 0x80 != 0 {
            self.interval
        } else {
            Duration::ZERO
        };
        last.packet.marker = false;
        if last.copies == 0 {
            self.last = None;
        }
        Some(packet)
    }

    fn finish(&mut self, pressed: Pressed) {
        // Cut to the segment: the end may lie a few ticks behind it.
        let duration = pressed.elapsed.min(SEGMENT);
        self.last = Some(Final {
            packet: self.packet(&pressed, duration, true),
            copies: FINAL_COPIES,
            wait: Duration::ZERO,
        });
        self.pressed = None;
        self.gap = self.timing.gap;
    }

    fn split(&mut self, mut pressed: Pressed) {
        self.last = Some(Final {
            packet: self.packet(&pressed, SEGMENT, false),
            copies: FINAL_COPIES,
            wait: Duration::ZERO,
        });
        pressed.timestamp = pressed.timestamp.wrapping_add(SEGMENT);
        pressed.elapsed -= SEGMENT;
        pressed.total -= SEGMENT;
        pressed.started = true;
        self.pressed = Some(pressed);
    }

    fn packet(&self, pressed: &Pressed, duration: u32, end: bool) -> EventPacket {
        let payload = EventPayload {
            event: pressed.digit.event(),
            end,
            volume: self.timing.volume,
            duration: duration.min(SEGMENT) as u16,
        };
        EventPacket {
            marker: !pressed.started,
            timestamp: pressed.timestamp,
            payload: payload.bytes(),
        }
    }
}

/// The longest duration that a packet can tell.
const SEGMENT: u32 = 0xffff;
