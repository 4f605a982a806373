//! One stream pair on a shard: its ports, its legs, and the terminals of its two streams.

use std::mem::offset_of;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use msp_core::id::{CallKey, LegId, PayloadType, StreamId, TerminalId};
use msp_core::media::{Direction, MediaDirection};
use msp_core::params::LocalAddress;
use msp_core::stats::{DropCounts, DropReason, StreamStats};
use msp_core::terminal::FRAME;
use msp_core::time::Instant;
use msp_core::trace::{PacketKind, TraceBody, Way};
use msp_dsp::{Gain, Resampler};
use msp_rtp::Session;
use msp_rtp::packet::{DatagramClass, SEND_BUFFER};
use msp_rtp::protect::Component;
use msp_rtp::reach::Reach;
use msp_rtp::session::{Arrival, Outgoing, Received, SessionEvent};
use msp_rtp::transport::{MAX_LEGS, Path, Transport as Legs};

use super::leg::LegChange;
use super::terminals::Terminals;
use super::{
    Edge, Flow, Garbage, Keys, MediaReport, Name, Outbox, Packet, Published, Report, Snapshot,
    TransportId,
};
use crate::driver::Datagram;
use crate::sys::prefetch_bytes;
use crate::wheel::{PHASES, Phase};

/// See the module. What a frame brings is in [`frame`](super::frame).
// In the order of use, so that a frame touches few lines of memory: what each packet and frame looks at, then the rest.
#[repr(C)]
pub(crate) struct Transport {
    pub(super) legs: Legs,
    pub(super) terminals: Terminals,
    pub(super) pace: Pace,
    /// When media were last heard, and since when they are waited for: nothing but them is a sign of life as of then.
    pub(super) heard: Instant,
    pub(super) awaited: Instant,
    /// They did not come in time.
    pub(super) gone: bool,
    /// That was told, and not yet that they came again.
    pub(super) told_gone: bool,
    /// Streams whose own code panicked move nothing any more.
    pub(super) send_failed: bool,
    pub(super) receive_failed: bool,
    /// Nor is anything told of a pair whose telling panicked.
    pub(super) shows_failed: bool,
    /// We answered an offer.
    pub(super) answers: bool,
    pub(super) flow: Flow,
    received: Option<PayloadType>,
    /// Its place on the shard.
    pub(super) id: TransportId,
    pub(super) phase: Phase,

    pub(super) call: CallKey,
    /// The received stream, under whose name the pair is traced.
    pub(super) stream: StreamId,
    rtp: SocketAddr,
    rtcp: Option<SocketAddr>,
    /// The leg that was prepared, until something is agreed on: what comes early is held there.
    holder: Option<LegId>,
    /// How many frames a packet of each leg holds.
    packet_frames: Vec<(LegId, u64)>,
    pub(super) soften: Gain,
    drops: DropCounts,
    /// Datagrams that the system dropped at either port, as it counts them.
    overflow: [u32; 2],
    published: Arc<Published>,
}

/// Where a pair is in time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    /// The slice with its first frame.
    pub(super) born: Option<u64>,
    /// When sound was last rendered.
    pub(super) rendered_at: Instant,
    /// Frames since then, the next one not included.
    pub(super) frames: u64,
    /// With so many of them the numbers are published again.
    pub(super) publish_at: u64,
    /// Frames that a packet holds.
    pub(super) packet_frames: u64,
    /// Each frame is worked off when it is due, not together with another of its packet.
    pub(super) low_delay: bool,
    /// The last frame was sent.
    pub(super) sending: bool,
    /// While nothing is given to be sent, nothing is due before.
    pub(super) quiet_until: Instant,
    /// Datagrams since the last frame.
    pub(super) came: u32,
    /// The socket may rest for a frame.
    pub(super) rests: bool,
}

impl Pace {
    /// Frames that are worked off together: two where packets hold an even number. What the first of them gives is
    /// heard 10 ms later than it could be; in return everything of the pair is fetched half as often.
    pub(super) const fn at_once(&self) -> u64 {
        if self.low_delay || !self.packet_frames.is_multiple_of(2) {
            1
        } else {
            2
        }
    }

    /// Whether a packet may begin with frame `number`: so that it is full in the slice of the phase, where all its
    /// frames are worked off.
    pub(super) fn may_begin(&self, number: u64, phase: Phase) -> bool {
        let slice = self.born.unwrap_or(0) + 2 * number;
        let first = phase.index() as u64 + 2 * (self.at_once() - 1);
        !self.packet_frames.is_multiple_of(2) || slice % PHASES as u64 == first % PHASES as u64
    }
}

/// What a pair begins with.
pub(crate) struct Birth {
    pub(crate) call: CallKey,
    /// The received stream.
    pub(crate) stream: StreamId,
    pub(crate) rtp: LocalAddress,
    pub(crate) rtcp: Option<LocalAddress>,
    /// We answer an offer.
    pub(crate) answers: bool,
    /// The leg that was prepared, and its session.
    pub(crate) leg: LegId,
    pub(crate) session: Box<Session>,
    pub(crate) published: Arc<Published>,
    /// The terminals that wait.
    #[expect(clippy::vec_box, reason = "a shard takes edges as boxes")]
    pub(crate) edges: Vec<Box<Edge>>,
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Transport({}, {})", self.call, self.rtp)
    }
}

impl Transport {
    pub(crate) fn new(birth: Birth) -> Box<Self> {
        let mut legs = Legs::new(Path {
            local: birth.rtp,
            remote: None,
        });
        // There is room for the first.
        let _first = legs.add_leg(birth.leg, birth.session);
        Box::new(Self {
            call: birth.call,
            stream: birth.stream,
            id: TransportId(0),
            phase: Phase::FIRST,
            rtp: birth.rtp.bound,
            rtcp: birth.rtcp.map(|r| r.bound),
            answers: birth.answers,
            legs,
            holder: Some(birth.leg),
            packet_frames: Vec::with_capacity(MAX_LEGS),
            terminals: Terminals::new(birth.edges),
            flow: Flow::default(),
            pace: Pace {
                packet_frames: 1,
                ..Pace::default()
            },
            heard: Instant::ZERO,
            awaited: Instant::ZERO,
            gone: false,
            told_gone: false,
            send_failed: false,
            receive_failed: false,
            shows_failed: false,
            soften: Gain::from_db(-20.0),
            drops: DropCounts::default(),
            overflow: [0; 2],
            received: None,
            published: birth.published,
        })
    }

    /// A pair of call `n` with nothing agreed on and no terminal.
    #[cfg(test)]
    pub(crate) fn bare(
        config: &crate::config::EngineConfig,
        n: u32,
        published: Arc<Published>,
    ) -> Box<Self> {
        let bound = SocketAddr::from(([192, 0, 2, 1], 4000 + 2 * n as u16));
        let mut random = crate::random::SeededRandom::new(1);
        Self::new(Birth {
            call: CallKey(n.into()),
            stream: StreamId(1),
            rtp: LocalAddress {
                bound,
                advertised: bound,
            },
            rtcp: None,
            answers: false,
            leg: LegId::FIRST,
            session: super::session(config, msp_rtp::rtcp::WallClock::default(), &mut random),
            published,
            edges: Vec::new(),
        })
    }

    /// It lives on a shard from now on.
    pub(super) fn begin(&mut self, id: TransportId, phase: Phase, now: Instant, low_delay: bool) {
        self.id = id;
        self.phase = phase;
        self.heard = now;
        self.pace.low_delay = low_delay;
    }

    /// Whether its socket is to be drained for the next frame. Packets come every second frame in most calls: after
    /// one has come the next is not due yet, and to ask for it costs as much as half a packet.
    pub(super) const fn wants_drain(&self) -> bool {
        !self.pace.rests
    }

    /// Asks for the memory of its own that each frame needs.
    pub(super) fn warm_own(&self) {
        prefetch_bytes(std::ptr::from_ref(self).cast(), offset_of!(Self, call));
    }

    /// Asks for the memory at `reach` of the leg that is heard, and for that of the terminals on the way.
    pub(super) fn warm(&self, reach: Reach) {
        self.legs.touches(reach, prefetch_bytes);
        match reach {
            Reach::Legs => self.terminals.warm(),
            Reach::Session => self.terminals.warm_edges(),
            Reach::Parts => self.terminals.warm_own(),
            Reach::Buffers | Reach::Payload => {}
        }
    }

    pub(super) fn count(&mut self, reason: DropReason, n: u64) {
        self.drops.add(reason, n);
    }

    // What the control side says.

    /// Runs a leg on what was agreed on.
    pub(super) fn set_leg(&mut self, now: Instant, mut change: Box<LegChange>, out: &mut Outbox) {
        let leg = change.leg;
        if self.legs.session(leg).is_none() {
            // What came early is for the first that answers: its latch will tell its own from others'.
            let holder = self.holder.and_then(|h| self.legs.remove_leg(h));
            if let Some(session) = holder.or_else(|| change.fresh.take()) {
                // Legs are counted on the control side, so that there is room.
                let _added = self.legs.add_leg(leg, session);
            }
        }
        self.holder = None;
        self.packet_frames.retain(|(l, _)| *l != leg);
        if self.packet_frames.len() < self.packet_frames.capacity() {
            self.packet_frames.push((leg, change.packet_frames));
        }
        self.set_pace();
        if let (Some(session), Some(params)) = (self.legs.session_mut(leg), change.params.take()) {
            // First, so that what was held is opened with these keys.
            change.protect = session.set_protect(change.protect.take());
            change.params = Some(session.apply(now, params));
        }
        out.drop(Garbage::of(change));
        self.tell_events(now, out);
    }

    pub(super) fn drop_leg(&mut self, leg: LegId, out: &mut Outbox) {
        if let Some(session) = self.legs.remove_leg(leg) {
            self.drops.merge(&session.stats().drops);
            out.drop(Garbage::of(session));
        }
        self.packet_frames.retain(|(l, _)| *l != leg);
        self.set_pace();
    }

    pub(super) fn select_leg(&mut self, leg: LegId) {
        // A leg that is not there any more cannot be heard; the control side will learn of it too.
        let _still_there = self.legs.hear(leg);
        self.set_pace();
    }

    fn set_pace(&mut self) {
        let heard = self.legs.heard();
        let of_heard = self.packet_frames.iter().find(|(l, _)| heard == Some(*l));
        if let Some((_, frames)) = of_heard {
            self.pace.packet_frames = *frames;
        }
    }

    pub(super) fn direct(&mut self, leg: LegId, direction: MediaDirection) {
        if let Some(session) = self.legs.session_mut(leg) {
            session.set_direction(direction);
        }
    }

    pub(super) fn connect(&mut self, mut edge: Box<Edge>, out: &mut Outbox) {
        if self.flows(edge.direction) {
            edge.fade_in();
        }
        if let Some(gone) = self.terminals.add(edge) {
            out.drop(Garbage::of(gone));
        }
    }

    /// Freezes the delay of playout where it is, or lets it go.
    pub(super) fn hold_still(&mut self, still: bool) {
        for (_, session) in self.legs.legs_mut() {
            session.hold_playout_still(still);
        }
    }

    const fn flows(&self, direction: Direction) -> bool {
        match direction {
            Direction::Capture => self.flow.send,
            Direction::Render | Direction::Bidirectional => self.flow.receive,
        }
    }

    pub(super) fn convert(
        &mut self,
        direction: Direction,
        terminal: TerminalId,
        convert: Option<Box<Resampler>>,
        out: &mut Outbox,
    ) {
        let unused = match self.terminals.find(direction, terminal) {
            Some(edge) => edge.set_converter(convert),
            None => convert,
        };
        if let Some(unused) = unused {
            out.drop(Garbage::of(unused));
        }
    }

    pub(super) fn disconnect(
        &mut self,
        direction: Direction,
        terminal: TerminalId,
        out: &mut Outbox,
    ) {
        if self.flows(direction) {
            // The next frame takes its sound away.
            self.terminals.leave(direction, terminal);
        } else if let Some(edge) = self.terminals.remove(direction, terminal) {
            out.drop(Garbage::of(edge));
        }
    }

    pub(super) fn set_flow(&mut self, now: Instant, flow: Flow, out: &mut Outbox) {
        for (direction, flows) in [
            (Direction::Capture, flow.send),
            (Direction::Render, flow.receive),
        ] {
            if !flows {
                // There is no next frame.
                let left = &mut |edge| out.drop(Garbage::of(edge));
                self.terminals.drop_leaving(direction, left);
            }
        }
        if flow.expect && !self.flow.expect {
            // Whoever may send only from now on gets the whole time for it. That alone is no recovery.
            self.awaited = now;
            self.gone = false;
        }
        self.flow = flow;
    }

    pub(super) fn send_digits(&mut self, digits: Box<Keys>, out: &mut Outbox) {
        let taken = match self.legs.heard_mut() {
            Some(session) => session.send_digits(&digits.0, None).is_ok(),
            None => false,
        };
        if taken {
            out.drop(Garbage::of(digits));
        } else {
            self.tell(MediaReport::Unsent(digits), out);
        }
    }

    /// Says goodbye to the peers, and shows the last numbers.
    pub(super) fn say_goodbye(&mut self, now: Instant, out: &mut Outbox) {
        let mut room = [0; SEND_BUFFER];
        for (_, session) in self.legs.legs_mut() {
            session.stop();
        }
        self.transmit(now, &mut room, out);
        self.trace_playout(now, true, out);
        self.publish(now, out);
    }

    // What comes in.

    /// Takes a datagram of the socket for media, or of the one for reports.
    pub(super) fn receive(&mut self, reports: bool, datagram: Datagram<'_>, out: &Outbox) {
        let Datagram {
            from,
            arrival,
            overflow,
            cut,
            bytes,
        } = datagram;
        self.pace.came += u32::from(!reports);
        if let (Some(now), Some(known)) = (overflow, self.overflow.get_mut(usize::from(reports))) {
            let more = now.wrapping_sub(*known);
            *known = now;
            self.drops.add(DropReason::SystemOverflow, more.into());
        }
        // Packets are changed in place: whoever wants to know how they came gets a copy.
        let traced = out.settings.trace.is_on().then(|| bytes.to_vec());
        let dropped = if cut {
            self.drops.count(DropReason::TooBig);
            Some(DropReason::TooBig)
        } else {
            self.take(arrival, from, reports, bytes)
        };
        if let Some(bytes) = traced {
            let packet = Packet {
                at: arrival,
                call: self.call,
                kind: kind_of(&bytes),
                socket: self.id.rtp(),
                local: self.local(reports),
                to: from,
                bytes: &bytes,
            };
            out.trace_packet(Way::In, &packet, dropped);
        }
    }

    /// Gives a datagram to its leg. Says why it went no further, if so.
    fn take(
        &mut self,
        arrival: Instant,
        from: SocketAddr,
        reports: bool,
        bytes: &mut [u8],
    ) -> Option<DropReason> {
        if self.receive_failed {
            self.drops.count(DropReason::NotPermitted);
            return Some(DropReason::NotPermitted);
        }
        let arrival = Arrival {
            at: arrival,
            from,
            component: if reports {
                Component::Report
            } else {
                Component::Media
            },
        };
        let payload_type = bytes.get(1).map(|b| PayloadType(b & 0x7f));
        let Some((leg, received)) = self.legs.receive(&arrival, bytes) else {
            self.drops.count(DropReason::NotPermitted);
            return Some(DropReason::NotPermitted);
        };
        let is_heard = self.legs.heard() == Some(leg);
        match received {
            Received::Sound | Received::Event if is_heard => {
                self.heard = self.heard.max(arrival.at);
                if received == Received::Sound {
                    self.received = payload_type;
                }
                None
            }
            Received::Sound | Received::Event | Received::Held | Received::Report => None,
            Received::Other(_) => Some(DropReason::NotMedia),
            Received::Dropped(reason) => {
                // Whoever sends what we cannot play is no less there.
                let odd = is_heard && reason == DropReason::UnknownPayloadType;
                let peer = self.legs.heard_mut().and_then(|session| session.target());
                if odd && peer.is_some_and(|peer| peer.ip() == from.ip()) {
                    self.awaited = self.awaited.max(arrival.at);
                }
                Some(reason)
            }
        }
    }

    /// Tells what happened in the leg that is heard; of the others nobody wants to know.
    pub(super) fn tell_events(&mut self, now: Instant, out: &mut Outbox) {
        let (id, call, heard) = (self.id, self.call, self.legs.heard());
        for (leg, session) in self.legs.legs_mut() {
            while let Some(event) = session.poll_event() {
                if matches!(event, SessionEvent::Collision { .. }) {
                    // The source that leaves has to say so.
                    self.pace.quiet_until = Instant::ZERO;
                }
                if heard != Some(leg) {
                    continue;
                }
                match event {
                    SessionEvent::SourceLocked(address) => {
                        out.report(Report::Media(id, MediaReport::Locked(address)));
                    }
                    SessionEvent::Digit(press) if !press.ended => {
                        out.report(Report::Media(id, MediaReport::Digit(press.digit)));
                    }
                    SessionEvent::Digit(_) => {}
                    SessionEvent::Participant { ssrc, present } => {
                        let report = MediaReport::Participant {
                            ssrc,
                            name: None,
                            present,
                        };
                        out.report(Report::Media(id, report));
                    }
                    SessionEvent::Named(ssrc) => {
                        let report = MediaReport::Participant {
                            ssrc,
                            name: session.remote_name().map(Name::new),
                            present: true,
                        };
                        out.report(Report::Media(id, report));
                    }
                    SessionEvent::Goodbye(_) | SessionEvent::Collision { .. } => {
                        out.settings.trace.record(now, Some(call), || {
                            TraceBody::Note(format!("leg {leg}: {event:?}").into())
                        });
                    }
                }
            }
        }
        if self.told_gone && !silent_too_long(self.heard, now, out) {
            (self.gone, self.told_gone) = (false, false);
            self.tell(MediaReport::Arrives(true), out);
        }
    }

    /// Tells that media are missed, once for each time that they are waited for.
    pub(super) fn miss(&mut self, now: Instant, out: &mut Outbox) {
        let since = self.heard.max(self.awaited);
        if self.flow.expect && !self.gone && silent_too_long(since, now, out) {
            (self.gone, self.told_gone) = (true, true);
            self.tell(MediaReport::Arrives(false), out);
        }
    }

    /// Something of its own code panicked while it took a packet or played a frame.
    pub(super) fn receive_panicked(&mut self, out: &mut Outbox) {
        self.receive_failed = true;
        self.tell(MediaReport::StreamPanicked(Direction::Render), out);
    }

    /// Something of its own code panicked while it gave a frame.
    pub(super) fn send_panicked(&mut self, out: &mut Outbox) {
        self.send_failed = true;
        self.tell(MediaReport::StreamPanicked(Direction::Capture), out);
    }

    /// Something panicked that belongs to both streams.
    pub(super) fn panicked(&mut self, out: &mut Outbox) {
        self.shows_failed = true;
        if !self.receive_failed {
            self.receive_panicked(out);
        }
        if !self.send_failed {
            self.send_panicked(out);
        }
    }

    pub(super) fn tell(&self, report: MediaReport, out: &mut Outbox) {
        out.report(Report::Media(self.id, report));
    }

    const fn local(&self, reports: bool) -> SocketAddr {
        match self.rtcp {
            Some(rtcp) if reports => rtcp,
            _ => self.rtp,
        }
    }

    // What goes out.

    /// Has everything sent that the legs have made.
    pub(super) fn transmit(&mut self, at: Instant, buffer: &mut [u8], out: &mut Outbox) {
        let (id, call, locals) = (self.id, self.call, [self.local(false), self.local(true)]);
        let [rtp, rtcp] = locals;
        let apart = self.rtcp.is_some();
        let drops = &mut self.drops;
        for (_, session) in self.legs.legs_mut() {
            while let Some(made) = session.transmit(at, buffer) {
                let Outgoing {
                    range,
                    to,
                    port,
                    kind,
                } = made;
                let report_port = apart && port == Component::Report;
                let packet = Packet {
                    at,
                    call,
                    kind: match kind {
                        Component::Media => PacketKind::Rtp,
                        Component::Report => PacketKind::Rtcp,
                    },
                    socket: if report_port { id.rtcp() } else { id.rtp() },
                    local: if report_port { rtcp } else { rtp },
                    to,
                    bytes: buffer.get(range).unwrap_or_default(),
                };
                if !out.send(&packet) {
                    drops.count(DropReason::SendFailed);
                }
            }
        }
    }

    // What is shown.

    /// Records what playout did; with `all` also what it is about to join to what comes.
    pub(super) fn trace_playout(&mut self, at: Instant, all: bool, out: &Outbox) {
        let (call, stream) = (self.call, self.stream);
        let trace = &out.settings.trace;
        if !trace.is_on() {
            return;
        }
        let end = self.pace.rendered_at + FRAME;
        let Some(session) = self.legs.heard_mut() else {
            return;
        };
        let rate = session.render_rate();
        let Some(log) = session.playout_log() else {
            return;
        };
        if all {
            log.flush();
        }
        while let Some(segment) = log.poll() {
            // A stretch is known when it is over, but it happened when it began.
            let since = log.position().saturating_sub(segment.position);
            let at = rate.map_or(at, |r| end - r.duration(since));
            trace.record(at, Some(call), || TraceBody::Playout { stream, segment });
        }
    }

    /// Shows the present numbers to whoever looks.
    pub(super) fn publish(&mut self, at: Instant, out: &Outbox) {
        let shown = self.numbers();
        let stats = shown.stats;
        self.published.update(|snapshot| *snapshot = shown);
        let (call, stream) = (self.call, self.stream);
        out.settings
            .trace
            .record(at, Some(call), || TraceBody::Stats {
                stream,
                stats: Box::new(stats),
            });
    }

    /// Shows the last numbers of a pair that is off its shard, where whoever looks may be waited for.
    pub(crate) fn publish_last(&mut self) {
        // A pair that panics even now has shown what it could.
        if let Ok(shown) = guard(|| self.numbers()) {
            self.published.set(shown);
        }
    }

    fn numbers(&mut self) -> Snapshot {
        let heard = self.legs.heard();
        let mut stats = StreamStats::default();
        let mut others = self.drops;
        for (leg, session) in self.legs.legs_mut() {
            if heard == Some(leg) {
                stats = session.stats();
            } else {
                others.merge(&session.stats().drops);
            }
        }
        stats.drops.merge(&others);
        Snapshot {
            stats,
            received: self.received,
        }
    }
}

/// Whether media are missed that came last at `since`.
fn silent_too_long(since: Instant, now: Instant, out: &Outbox) -> bool {
    let silent = now.saturating_since(since);
    out.settings.media_timeout.is_some_and(|t| silent >= t)
}

fn kind_of(datagram: &[u8]) -> PacketKind {
    match DatagramClass::of(datagram) {
        DatagramClass::Rtp => PacketKind::Rtp,
        DatagramClass::Rtcp => PacketKind::Rtcp,
        _ => PacketKind::Other,
    }
}

/// Runs `f`, which may be somebody else's code. Whether it panicked.
pub(super) fn guard<T>(f: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|_| Panicked)
}

/// Code panicked; what it said went to the panic hook.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Panicked;
