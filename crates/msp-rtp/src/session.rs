//! One stream pair on one transport: everything from a datagram to a frame of sound and back.

use std::collections::VecDeque;
use std::mem::offset_of;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::time::Duration;

use msp_core::id::{PayloadType, SequenceNumber, Ssrc};
use msp_core::link::Digit;
use msp_core::media::MediaDirection;
use msp_core::stats::{DropCounts, DropReason, Level, StreamStats};
use msp_core::terminal::FRAME;
use msp_core::time::{ClockRate, Instant};
use msp_dsp::LevelMeter;

use crate::digits::{DigitPress, DigitReceiver, DigitReceiverState, DigitSender, DigitTiming};
use crate::latch::{Latch, LatchPolicy, LatchState};
use crate::packet::DatagramClass;
use crate::playout::{Playout, SegmentLog};
use crate::protect::{Component, Protect};
use crate::random::Random;
use crate::reach::{Reach, Tell};
use crate::receiver::{Receiver, ReceiverState};
use crate::rtcp::{Reporter, ReporterState, WallClock};
use crate::sender::{Sender, SenderState};

mod hold;
mod params;
mod receive;
mod send;

use hold::Hold;
pub use params::{EventType, MAX_EVENT_TYPES, PlayoutDelay, SessionParams};

/// How a session begins. All numbers marked random must come from the system's secure source, except in simulation.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// Our source: random.
    pub ssrc: Ssrc,
    /// Our first sequence number: random.
    pub sequence: SequenceNumber,
    /// Our first timestamp: random.
    pub timestamp: u32,
    /// Spreads reports, and makes another source after a collision: random.
    pub seed: u64,
    /// Our name in reports: random, never a host or a user (RFC 7022).
    pub cname: String,
    /// The wall clock of sender reports.
    pub wall_clock: WallClock,
    /// How the peer's address is learned.
    pub latch: LatchPolicy,
    /// How digits are pressed.
    pub digits: DigitTiming,
    /// When nothing was sent for as long, a packet without sound keeps the path open (RFC 6263 section 6 has 15 s).
    pub keep_alive: Duration,
    /// Octets of packets that are held until it is known whether they may be heard.
    pub hold_octets: usize,
}

impl SessionConfig {
    /// The usual settings, and numbers that all follow from `seed`. Who sees some of them can tell the others: where that
    /// matters, as outside of simulation, at least [`cname`](Self::cname) must come from elsewhere.
    pub fn new(seed: u64, wall_clock: WallClock) -> Self {
        let mut random = Random::new(seed);
        Self {
            ssrc: Ssrc(random.next() as u32),
            sequence: SequenceNumber(random.next() as u16),
            timestamp: random.next() as u32,
            cname: format!("{:016x}", random.next()),
            seed: random.next(),
            wall_clock,
            latch: LatchPolicy::default(),
            digits: DigitTiming::default(),
            keep_alive: Duration::from_secs(15),
            hold_octets: 4096,
        }
    }
}

/// A datagram that came.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// When, as exactly as the driver knows: the kernel's receive time. Not after the tick that follows.
    pub at: Instant,
    /// From where.
    pub from: SocketAddr,
    /// Whether it came to the port of reports, where that is another one.
    pub component: Component,
}

/// What became of a datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Received {
    /// Sound, taken for playout.
    Sound,
    /// A telephone event.
    Event,
    /// It waits until it is known whether it may be heard.
    Held,
    /// Reports.
    Report,
    /// Neither RTP nor RTCP: for whoever speaks that on this transport. Counted as not ours.
    Other(DatagramClass),
    /// It went no further; counted.
    Dropped(DropReason),
}

/// A packet that is to be sent. It lies in the buffer that was handed in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outgoing {
    /// Where in the buffer.
    pub range: Range<usize>,
    /// To where.
    pub to: SocketAddr,
    /// From which of our ports, where there are two: [`Component::Report`] only if reports do not share the media's.
    pub port: Component,
    /// What it is.
    pub kind: Component,
}

/// Something that happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SessionEvent {
    /// The address that media come from is known and held.
    SourceLocked(SocketAddr),
    /// The peer pressed a key, or let it go. Of each press there is one of either.
    Digit(DigitPress),
    /// A source is heard from now on, or no longer.
    Participant {
        /// The source.
        ssrc: Ssrc,
        /// Whether it is heard.
        present: bool,
    },
    /// The peer named its source; see [`Session::remote_name`].
    Named(Ssrc),
    /// The peer says that it leaves (RFC 3550 section 6.6). Only signalling ends a call.
    Goodbye(Ssrc),
    /// Our source collided with another and has a new number (RFC 3550 section 8.2).
    Collision {
        /// The old number.
        old: Ssrc,
        /// The new one.
        new: Ssrc,
    },
}

/// Everything that another machine needs to go on with a session. Plain data.
#[derive(Clone, PartialEq, Debug)]
pub struct SessionState {
    /// What we send.
    pub sender: SenderState,
    /// The sources that we hear.
    pub receiver: ReceiverState,
    /// From where.
    pub latch: LatchState,
    /// The peer's digits.
    pub digits: DigitReceiverState,
    /// Reports.
    pub reporter: ReporterState,
}

/// Events that wait at most; then the oldest goes, a collision last.
const MAX_EVENTS: usize = 16;
/// Hosts with our source that are remembered at once.
const MAX_COLLIDED: usize = 4;
/// Frames over which a level is measured.
const LEVEL_FRAMES: u32 = 10;

/// One stream pair.
///
/// See the [crate's page](crate) for the order of calls.
// What is used together lies together, so that a frame touches few lines of memory: first what sending looks at, then from
// the sender's state to the middle of the latch what each packet and frame looks at, then the rest.
#[repr(C)]
pub struct Session {
    sent_level: Meter,
    remote: Option<SocketAddr>,
    send_events: Option<EventType>,
    keep_alive: Duration,
    idle_since: Option<Instant>,
    /// A source of ours that has to say goodbye.
    leaving: Option<Ssrc>,
    digits_out: DigitSender,
    reporter: Reporter,
    sender: Sender,

    applied: bool,
    stopped: bool,
    locked: bool,
    mux: bool,
    direction: MediaDirection,
    /// A digit of the peer is down, or was not told yet.
    hears_digit: bool,
    /// The last frame was sent.
    sends_sound: bool,
    playout: Option<Box<Playout>>,
    protect: Option<Box<dyn Protect>>,
    receive_events: Vec<EventType>,
    events: VecDeque<SessionEvent>,
    receiver: Receiver,
    played_level: Meter,
    latch: Latch,

    /// What secured packets before they became plain.
    unprotected: Option<Box<dyn Protect>>,
    report_remote: Option<SocketAddr>,
    /// Where the peer's reports come from.
    report_source: Option<SocketAddr>,
    digits_in: DigitReceiver,
    hold: Hold,
    random: Random,
    /// Hosts that sent under our source, and when they last did.
    collided: [Option<(IpAddr, Instant)>; MAX_COLLIDED],
    name: String,
    events_lost: u64,
    drops: DropCounts,
    keep_alives: u64,
}

impl Session {
    /// A session of which nothing is agreed yet: it holds what comes, within bounds.
    pub fn new(config: &SessionConfig) -> Self {
        Self {
            sender: Sender::new(config.ssrc, config.sequence, config.timestamp),
            reporter: Reporter::new(&config.cname, config.wall_clock, config.seed),
            latch: Latch::new(config.latch),
            receiver: Receiver::default(),
            digits_out: DigitSender::new(config.digits),
            digits_in: DigitReceiver::default(),
            playout: None,
            protect: None,
            unprotected: None,
            hold: Hold::new(config.hold_octets),
            random: Random::new(config.seed ^ 0x5353_5243),
            applied: false,
            direction: MediaDirection::Inactive,
            remote: None,
            report_remote: None,
            report_source: None,
            mux: false,
            send_events: None,
            receive_events: Vec::new(),
            keep_alive: config.keep_alive,
            idle_since: None,
            collided: [None; MAX_COLLIDED],
            leaving: None,
            stopped: false,
            locked: false,
            name: String::with_capacity(MAX_NAME),
            events: VecDeque::with_capacity(MAX_EVENTS),
            events_lost: 0,
            drops: DropCounts::default(),
            keep_alives: 0,
            sent_level: Meter::default(),
            played_level: Meter::default(),
            hears_digit: false,
            sends_sound: false,
        }
    }

    /// Runs on `params` from now on, and returns what is no longer needed, to be dropped where memory may be freed. What
    /// goes on unchanged is kept as it runs: playout when the payload map is the same, the encoder likewise. What was
    /// held is heard now, if it is allowed to.
    pub fn apply(&mut self, now: Instant, params: SessionParams) -> SessionParams {
        let mut params = params;
        self.swap_playout(&mut params);
        let same = match (self.sender.codec(), &params.send) {
            (Some(old), Some(new)) => old.same_as(new),
            _ => false,
        };
        if !same {
            params.send = self.sender.set_codec(params.send.take());
        }
        if let Some(codec) = self.sender.codec() {
            let clock = params
                .send_events
                .map_or_else(|| codec.info().clock, |e| e.clock);
            self.digits_out.set_format(clock, codec.ptime());
            let octets = codec.info().max_payload_bytes(codec.ptime()) + PACKET_OVERHEAD;
            self.reporter
                .set_bandwidth(octets as f64 / codec.ptime().as_secs_f64());
        }
        let reports_move = self.report_remote != params.report_remote
            || self.mux != params.mux
            || (params.mux && self.remote != params.remote);
        if reports_move {
            self.report_source = None;
        }
        self.direction = params.direction;
        self.remote = params.remote;
        self.report_remote = params.report_remote;
        self.mux = params.mux;
        self.send_events = params.send_events;
        std::mem::swap(&mut self.receive_events, &mut params.receive_events);
        self.applied = true;
        self.stopped = false;
        if let Some(remote) = self.remote {
            self.latch.signal(remote);
            self.reporter.start(now);
        }
        self.replay_unjudged(now);
        params
    }

    /// Secures packets with `protect` from now on, and returns what is no longer needed. It goes on where the last one
    /// was, even if packets were plain in between: roll-overs, what came already and what was sent are not forgotten.
    pub fn set_protect(
        &mut self,
        mut protect: Option<Box<dyn Protect>>,
    ) -> Option<Box<dyn Protect>> {
        let before = self.protect.as_ref().or(self.unprotected.as_ref());
        if let (Some(next), Some(state)) = (&mut protect, before.and_then(|p| p.state())) {
            next.resume(state);
        }
        let plain = protect.is_none();
        let before = std::mem::replace(&mut self.protect, protect);
        if plain && before.is_some() {
            std::mem::replace(&mut self.unprotected, before)
        } else {
            before
        }
    }

    /// What may flow from now on, without a new agreement.
    pub const fn set_direction(&mut self, direction: MediaDirection) {
        self.direction = direction;
    }

    /// Presses `digits` one after another, each for `duration` or the usual time; either all or none of them.
    ///
    /// # Errors
    /// [`msp_core::ErrorKind::Unsupported`] when the peer takes no events, [`msp_core::ErrorKind::Busy`] when too many
    /// wait.
    pub fn send_digits(
        &mut self,
        digits: &[Digit],
        duration: Option<Duration>,
    ) -> msp_core::Result<()> {
        if self.applied && self.send_events.is_none() {
            return Err(msp_core::ErrorKind::Unsupported.into());
        }
        if self.digits_out.room() < digits.len() {
            return Err(msp_core::ErrorKind::Busy.into());
        }
        for digit in digits {
            // There is room: it was counted.
            let _ = self.digits_out.press(*digit, duration);
        }
        Ok(())
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<SessionEvent> {
        self.events.pop_front()
    }

    /// When [`transmit`](Self::transmit) has something to send though nothing else happens.
    pub fn deadline(&self) -> Option<Instant> {
        if !self.may_send() {
            return None;
        }
        let idle = self.keep_alive_due();
        let report = self.reporter.deadline();
        match (idle, report) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// Until when [`capture`](Self::capture) without sound and [`transmit`](Self::transmit) would do nothing, so that
    /// they need not be called; `None` while something is under way. Timestamps follow time all the same. Another
    /// agreement, digits, and a [`SessionEvent::Collision`] end it.
    pub fn quiet_until(&self) -> Option<Instant> {
        let busy = self.sender.has_begun() || self.leaving.is_some() || !self.digits_out.is_idle();
        (!busy).then(|| self.deadline().unwrap_or(Instant::FAR))
    }

    /// Nothing is sent any more but a goodbye, which [`transmit`](Self::transmit) gives once.
    pub fn stop(&mut self) {
        if self.stopped {
            return;
        }
        self.stopped = true;
        if self.sender.state().packets > 0 || self.reporter.state().sent > 0 {
            self.leaving = Some(self.sender.state().ssrc);
        }
        self.reporter.stop();
        self.digits_out.clear();
    }

    /// Our source.
    pub const fn ssrc(&self) -> Ssrc {
        self.sender.state().ssrc
    }

    /// The source that is heard.
    pub fn remote_ssrc(&self) -> Option<Ssrc> {
        self.receiver.active().map(|s| s.ssrc)
    }

    /// The name that the peer gives itself (RFC 3550 section 6.5.1).
    pub fn remote_name(&self) -> Option<&str> {
        (!self.name.is_empty()).then_some(self.name.as_str())
    }

    /// Where media are sent.
    pub fn target(&self) -> Option<SocketAddr> {
        self.remote?;
        self.latch.target()
    }

    /// The latch, to see from where media are heard.
    pub const fn latch(&self) -> &Latch {
        &self.latch
    }

    /// Samples a second of the frames that [`capture`](Self::capture) takes; `None` if nothing can be sent.
    pub fn capture_rate(&self) -> Option<ClockRate> {
        self.sender.codec().map(|c| c.info().sample_rate)
    }

    /// Samples a second of the frames that [`render`](Self::render) gives; `None` if nothing can be received.
    pub fn render_rate(&self) -> Option<ClockRate> {
        self.playout.as_ref().map(|p| p.rate())
    }

    /// Whether payload type `payload_type` was agreed for what we receive.
    pub fn knows(&self, payload_type: PayloadType) -> bool {
        self.event_type(payload_type).is_some()
            || self
                .playout
                .as_ref()
                .is_some_and(|p| p.clock(payload_type).is_some())
    }

    /// Freezes the delay of playout where it is, or lets it go; see [`Playout::hold_still`]. Nothing happens while nothing
    /// can be received.
    pub fn hold_playout_still(&mut self, still: bool) {
        if let Some(playout) = &mut self.playout {
            playout.hold_still(still);
        }
    }

    /// What was played, stretch by stretch.
    pub fn playout_log(&mut self) -> Option<&mut SegmentLog> {
        self.playout.as_mut().map(|p| p.log())
    }

    /// Packets that are held.
    pub fn held(&self) -> usize {
        self.hold.len()
    }

    /// Events that nobody fetched in time.
    pub const fn events_lost(&self) -> u64 {
        self.events_lost
    }

    /// All numbers.
    pub fn stats(&self) -> StreamStats {
        let mut stats = StreamStats {
            drops: self.drops,
            sent_level: self.sent_level.level,
            played_level: self.played_level.level,
            ..StreamStats::default()
        };
        let clock = self
            .sender
            .codec()
            .map_or(ClockRate::HZ_8000, |c| c.info().clock);
        stats.sent.packets = self.sender.state().packets;
        stats.sent.octets = self.sender.state().octets;
        stats.sent.keep_alives = self.keep_alives;
        self.reporter.stats(clock, &mut stats.sent);
        self.receiver.stats(&mut stats.received);
        stats.received.reports = self.reporter.state().received;
        stats.received.digits = self.digits_in.state().digits;
        if let Some(playout) = &self.playout {
            stats.playout = *playout.stats();
            stats.drops.merge(playout.drops());
        }
        stats
    }

    pub(crate) fn touches(&self, reach: Reach, tell: &mut Tell<impl FnMut(*const u8, usize)>) {
        match reach {
            Reach::Legs => {}
            Reach::Session => {
                let from = offset_of!(Self, sender) + Sender::STATE;
                tell.part(self, from..offset_of!(Self, latch) + Latch::IN_USE);
            }
            Reach::Parts => {
                if self.sends_sound {
                    tell.part(self, 0..offset_of!(Self, sender) + Sender::STATE);
                }
                tell.value(&*self.receive_events);
                if let Some(source) = self.receiver.first() {
                    tell.value(source);
                }
                if let Some(playout) = &self.playout {
                    playout.touches(reach, tell);
                }
            }
            Reach::Buffers | Reach::Payload => {
                if let Some(codec) = self.sender.codec().filter(|_| self.sends_sound) {
                    codec.touches(tell);
                }
                if let Some(playout) = &self.playout {
                    playout.touches(reach, tell);
                }
            }
        }
    }

    /// The state as plain data.
    pub fn state(&self) -> SessionState {
        SessionState {
            sender: *self.sender.state(),
            receiver: self.receiver.state(),
            latch: *self.latch.state(),
            digits: *self.digits_in.state(),
            reporter: *self.reporter.state(),
        }
    }

    /// Goes on from `state`; what was agreed must be [applied](Self::apply) too.
    pub fn restore(&mut self, state: &SessionState) {
        self.sender.restore(&state.sender);
        self.receiver.restore(&state.receiver);
        self.latch.restore(&state.latch);
        self.digits_in.restore(&state.digits);
        self.hears_digit = self.digits_in.is_down();
        self.reporter.restore(&state.reporter);
        self.locked = self.latch.locked().is_some();
    }

    fn swap_playout(&mut self, params: &mut SessionParams) {
        let same = match (&self.playout, &params.playout) {
            (Some(old), Some(new)) => old.same_as(new),
            _ => false,
        };
        if same {
            return;
        }
        std::mem::swap(&mut self.playout, &mut params.playout);
        if let (Some(new), Some(old)) = (&mut self.playout, &mut params.playout) {
            new.follow(old);
        }
    }

    fn event_type(&self, payload_type: PayloadType) -> Option<EventType> {
        let mut types = self.receive_events.iter().copied();
        types.find(|e| e.payload_type == payload_type)
    }

    fn emit(&mut self, event: SessionEvent) {
        if self.events.len() >= MAX_EVENTS {
            // A collision goes last: it ends what `quiet_until` promised.
            let mut waiting = self.events.iter();
            let other = waiting.position(|e| !matches!(e, SessionEvent::Collision { .. }));
            self.events.remove(other.unwrap_or(0));
            self.events_lost += 1;
        }
        self.events.push_back(event);
    }

    fn dropped(&mut self, reason: DropReason) -> Received {
        self.drops.count(reason);
        Received::Dropped(reason)
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("ssrc", &self.ssrc())
            .field("direction", &self.direction)
            .field("latch", self.latch.state())
            .finish_non_exhaustive()
    }
}

/// A level that is measured anew each 100 ms.
#[derive(Clone, Copy, Debug, Default)]
struct Meter {
    meter: LevelMeter,
    frames: u32,
    level: Level,
}

impl Meter {
    fn add(&mut self, frame: &[i16]) {
        self.meter.add(frame);
        self.frames += 1;
        if self.frames >= LEVEL_FRAMES {
            self.frames = 0;
            let tenths = -self.meter.take().rms_dbfs() * 10.0;
            self.level = Level(tenths.clamp(0.0, f32::from(Level::SILENCE.0)).round() as u16);
        }
    }
}

/// IP, UDP and RTP headers.
const PACKET_OVERHEAD: usize = 40;
/// The longest name in a report (RFC 3550 section 6.5).
const MAX_NAME: usize = 255;

#[cfg(test)]
mod tests;
