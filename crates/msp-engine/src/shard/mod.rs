//! One media thread without the thread: the stream pairs that live on it, its wheel, and what it is told.
//!
//! It does no I/O and reads no clock. Nothing is allocated, opened or dropped here for a frame: boxes come ready-made
//! with commands and go back with reports.

mod command;
mod edge;
mod frame;
mod leg;
mod sends;
mod terminals;
mod transport;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use msp_core::fault::{self, Fault};
use msp_core::id::CallKey;
use msp_core::stats::DropReason;
use msp_core::time::Instant;
use msp_core::trace::{PacketKind, Trace, TraceBody, Way};
use msp_rtp::playout::PlayoutMode;
use msp_rtp::reach::Reach;

use crate::config::EngineConfig;
use crate::driver::{Datagram, SocketId};
use crate::wheel::{PHASES, Slice, Wheel};

pub use command::Load;
pub(crate) use command::{
    Flow, Garbage, Keys, MediaReport, Name, Published, Report, ShardCommand, Snapshot, TransportId,
};
pub(crate) use edge::Edge;
use frame::Scratch;
pub(crate) use leg::{LegChange, session};
pub(crate) use sends::Sends;
use transport::guard;
pub(crate) use transport::{Birth, Transport};

/// Stream pairs that a shard has room for before its tables grow.
const PAIRS: usize = 2048;

/// Reports that it has room for before the table grows.
const REPORTS: usize = 1024;

/// With this target or a longer one that does not follow the network, packets need not be taken in each frame.
const UNHURRIED: Duration = Duration::from_millis(40);

/// What a shard needs to know of an engine's settings.
#[derive(Clone, Debug)]
pub(crate) struct ShardSettings {
    pub(crate) media_timeout: Option<Duration>,
    /// Playout waits so long that a packet may be taken a frame later.
    pub(crate) unhurried: bool,
    /// Frames are worked off one by one.
    pub(crate) low_delay: bool,
    /// Frames that were skipped and are rendered to nobody at most.
    pub(crate) stale_frames: u64,
    pub(crate) trace: Trace,
}

impl ShardSettings {
    pub(crate) fn of(config: &EngineConfig) -> Self {
        Self {
            media_timeout: config.media_timeout,
            unhurried: config.playout != PlayoutMode::Adaptive
                && config.playout_delay().target >= UNHURRIED,
            low_delay: config.low_delay,
            stale_frames: leg::stale_frames(config),
            trace: config.trace.clone(),
        }
    }
}

/// What is handed to a shard.
#[derive(Debug)]
pub(crate) enum ShardInput<'a> {
    /// The control side says something.
    Command(ShardCommand),
    /// Something came in at a socket.
    Datagram(SocketId, Datagram<'a>),
    /// The `n`-th pair that has a frame in the slice that is due is to be worked off: its socket was drained.
    Frame(Slice, usize),
    /// Everything is to be given back.
    Stop,
}

impl TransportId {
    /// The socket for media of the transport in this place.
    pub(crate) const fn rtp(self) -> SocketId {
        SocketId(self.0 * 2)
    }

    /// The socket for its reports, if they have one of their own.
    pub(crate) const fn rtcp(self) -> SocketId {
        SocketId(self.0 * 2 + 1)
    }

    /// The transport that a socket belongs to, and whether it is the one for reports.
    const fn of(socket: SocketId) -> (Self, bool) {
        (Self(socket.0 / 2), socket.0 % 2 == 1)
    }
}

/// Where the pieces of a shard put what they make.
pub(crate) struct Outbox {
    pub(crate) settings: ShardSettings,
    sends: Sends,
    reports: VecDeque<Report>,
}

impl Outbox {
    pub(crate) fn report(&mut self, report: Report) {
        self.reports.push_back(report);
    }

    pub(crate) fn drop(&mut self, garbage: Garbage) {
        self.report(Report::Drop(garbage));
    }

    /// Has a packet sent. Whether there was room.
    pub(crate) fn send(&mut self, packet: &Packet<'_>) -> bool {
        if packet.kind == PacketKind::Rtp && fault::is_on(Fault::LoseEveryPacket) {
            return true;
        }
        let sent = self.sends.push(packet.socket, packet.to, packet.bytes);
        let dropped = if sent {
            None
        } else {
            Some(DropReason::SendFailed)
        };
        self.trace_packet(Way::Out, packet, dropped);
        sent
    }

    /// Records a packet, if anybody wants to know.
    pub(crate) fn trace_packet(&self, way: Way, packet: &Packet<'_>, dropped: Option<DropReason>) {
        self.settings
            .trace
            .record(packet.at, Some(packet.call), || TraceBody::Media {
                way,
                kind: packet.kind,
                local: packet.local,
                remote: packet.to,
                bytes: packet.bytes.into(),
                dropped,
            });
    }
}

/// A packet on its way, and where.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet<'a> {
    pub(crate) at: Instant,
    pub(crate) call: CallKey,
    pub(crate) kind: PacketKind,
    pub(crate) socket: SocketId,
    pub(crate) local: SocketAddr,
    /// The other end.
    pub(crate) to: SocketAddr,
    pub(crate) bytes: &'a [u8],
}

/// The pairs of one phase.
#[derive(Debug)]
struct Members {
    /// Have work each 10 ms.
    by_frame: Vec<TransportId>,
    /// Have work each 20 ms.
    by_packet: Vec<TransportId>,
}

impl Members {
    fn add(&mut self, id: TransportId, frames_at_once: u64) {
        if frames_at_once == 1 {
            self.by_frame.push(id);
        } else {
            self.by_packet.push(id);
        }
    }

    fn remove(&mut self, id: TransportId) {
        self.by_frame.retain(|t| *t != id);
        self.by_packet.retain(|t| *t != id);
    }
}

/// See the module.
pub(crate) struct Shard {
    wheel: Wheel,
    transports: Vec<Option<Box<Transport>>>,
    /// Who is worked off in the slices of a phase.
    phases: [Members; PHASES],
    /// The pairs of the slice that is worked off, in their order.
    due: Vec<TransportId>,
    streams: usize,
    scratch: Box<Scratch>,
    out: Outbox,
}

impl Shard {
    pub(crate) fn new(settings: ShardSettings) -> Self {
        let mut sends = Sends::default();
        sends.reserve(0);
        Self {
            wheel: Wheel::default(),
            transports: Vec::with_capacity(PAIRS),
            phases: std::array::from_fn(|_| Members {
                by_frame: Vec::with_capacity(PAIRS / PHASES),
                by_packet: Vec::with_capacity(PAIRS / PHASES),
            }),
            due: Vec::with_capacity(PAIRS),
            streams: 0,
            scratch: Scratch::new(),
            out: Outbox {
                settings,
                sends,
                reports: VecDeque::with_capacity(REPORTS),
            },
        }
    }

    /// Takes `input`. Afterwards [`take_sends`](Self::take_sends) and [`poll`](Self::poll) say what came of it.
    pub(crate) fn handle(&mut self, now: Instant, input: ShardInput<'_>) {
        match input {
            ShardInput::Command(command) => self.command(now, command),
            ShardInput::Datagram(socket, datagram) => self.datagram(socket, datagram),
            ShardInput::Frame(slice, n) => self.frame(slice, n),
            ShardInput::Stop => {
                for id in 0..self.transports.len() as u32 {
                    self.remove(now, TransportId(id));
                }
            }
        }
    }

    /// The slice that is due at `now`, if there is one: work off its pairs one after another, as
    /// [`pair_of`](Self::pair_of) gives them.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Slice> {
        let slice = self.wheel.due(now)?;
        let phase = (slice.index % PHASES as u64) as usize;
        let (own, other) = (&self.phases[phase], &self.phases[(phase + 2) % PHASES]);
        self.due.clear();
        for list in [&own.by_packet, &own.by_frame, &other.by_frame] {
            self.due.extend_from_slice(list);
        }
        Some(slice)
    }

    /// The `n`-th pair that has a frame in the slice that is [`due`](Self::due): drain its socket if one is told, then hand
    /// the frame in.
    pub(crate) fn pair_of(&self, n: usize) -> Option<Option<SocketId>> {
        let id = self.due.get(n)?;
        let pair = self.transports.get(id.0 as usize)?.as_ref();
        Some(pair.is_some_and(|p| p.wants_drain()).then_some(id.rtp()))
    }

    /// The next thing that it tells.
    pub(crate) fn poll(&mut self) -> Option<Report> {
        self.out.reports.pop_front()
    }

    /// Whether it has something to tell.
    pub(crate) fn has_report(&self) -> bool {
        !self.out.reports.is_empty()
    }

    /// When the next slice is due; `None` while no stream lives here.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.wheel.deadline()
    }

    /// The packets that are to be sent. Bring the room back with [`give_back`](Self::give_back).
    pub(crate) fn take_sends(&mut self) -> Sends {
        std::mem::take(&mut self.out.sends)
    }

    /// Takes back the room for packets.
    pub(crate) fn give_back(&mut self, mut sends: Sends) {
        sends.clear();
        self.out.sends = sends;
    }

    /// Counts something that the driver lost at a socket.
    pub(crate) fn count(&mut self, socket: SocketId, reason: DropReason) {
        let (id, _) = TransportId::of(socket);
        if let Some(transport) = self.transport(id) {
            transport.count(reason, 1);
        }
    }

    /// Stream pairs that live here.
    pub(crate) const fn streams(&self) -> usize {
        self.streams
    }

    /// Slices that were late, and slices that were skipped.
    pub(crate) fn missed(&self) -> (u64, u64) {
        (self.wheel.late(), self.wheel.skipped())
    }

    fn transport(&mut self, id: TransportId) -> Option<&mut Transport> {
        self.transports
            .get_mut(id.0 as usize)
            .and_then(Option::as_deref_mut)
    }

    fn command(&mut self, now: Instant, command: ShardCommand) {
        let (id, command) = match command {
            ShardCommand::Add(id, transport) => return self.add(now, id, transport),
            ShardCommand::Remove(id) => return self.remove(now, id),
            ShardCommand::SetLeg(id, _)
            | ShardCommand::DropLeg(id, _)
            | ShardCommand::Direct(id, ..)
            | ShardCommand::SelectLeg(id, _)
            | ShardCommand::Connect(id, _)
            | ShardCommand::Convert(id, ..)
            | ShardCommand::Disconnect(id, ..)
            | ShardCommand::Flow(id, _)
            | ShardCommand::HoldStill(id, _)
            | ShardCommand::Digits(id, _) => (id, command),
        };
        let index = id.0 as usize;
        let Some(Some(transport)) = self.transports.get_mut(index) else {
            // It was removed: what the command brought goes back unused.
            self.refuse(command);
            return;
        };
        transport.pace.quiet_until = Instant::ZERO;
        let before = transport.pace.at_once();
        let out = &mut self.out;
        let held = guard(|| match command {
            ShardCommand::SetLeg(_, leg) => transport.set_leg(now, leg, out),
            ShardCommand::Direct(_, leg, direction) => transport.direct(leg, direction),
            ShardCommand::DropLeg(_, leg) => transport.drop_leg(leg, out),
            ShardCommand::SelectLeg(_, leg) => transport.select_leg(leg),
            ShardCommand::Connect(_, edge) => transport.connect(edge, out),
            ShardCommand::HoldStill(_, still) => transport.hold_still(still),
            ShardCommand::Convert(_, direction, terminal, convert) => {
                transport.convert(direction, terminal, convert, out);
            }
            ShardCommand::Disconnect(_, direction, terminal) => {
                transport.disconnect(direction, terminal, out);
            }
            ShardCommand::Flow(_, flow) => transport.set_flow(now, flow, out),
            ShardCommand::Digits(_, digits) => transport.send_digits(digits, out),
            ShardCommand::Add(..) | ShardCommand::Remove(_) => {}
        });
        if held.is_err() {
            transport.panicked(&mut self.out);
        }
        let at_once = transport.pace.at_once();
        if at_once != before {
            let members = &mut self.phases[transport.phase.index()];
            members.remove(id);
            members.add(id, at_once);
        }
    }

    fn refuse(&mut self, command: ShardCommand) {
        match command {
            ShardCommand::SetLeg(_, leg) => self.out.drop(Garbage::of(leg)),
            ShardCommand::Connect(_, edge) => self.out.drop(Garbage::of(edge)),
            ShardCommand::Convert(.., Some(convert)) => {
                self.out.drop(Garbage::of(convert));
            }
            ShardCommand::Digits(_, digits) => self.out.drop(Garbage::of(digits)),
            _ => {}
        }
    }

    fn add(&mut self, now: Instant, id: TransportId, mut transport: Box<Transport>) {
        let index = id.0 as usize;
        if self.transports.len() <= index {
            self.transports.resize_with(index + 1, || None);
        }
        let phase = self.wheel.join(now);
        transport.begin(id, phase, now, self.out.settings.low_delay);
        self.phases[phase.index()].add(id, transport.pace.at_once());
        self.streams += 1;
        self.out.sends.reserve(self.streams);
        if self.due.capacity() < self.streams {
            self.due.reserve(2 * self.streams);
        }
        if let Some(place) = self.transports.get_mut(index) {
            *place = Some(transport);
        }
    }

    fn remove(&mut self, now: Instant, id: TransportId) {
        let place = self.transports.get_mut(id.0 as usize);
        let Some(mut transport) = place.and_then(Option::take) else {
            return;
        };
        let phase = transport.phase;
        self.phases[phase.index()].remove(id);
        self.wheel.leave(phase);
        self.streams -= 1;
        // Whatever happens to its goodbye, it goes back.
        if guard(|| transport.say_goodbye(now, &mut self.out)).is_err() {
            transport.panicked(&mut self.out);
        }
        self.out.report(Report::Removed(id, transport));
    }

    fn datagram(&mut self, socket: SocketId, datagram: Datagram<'_>) {
        let (id, reports) = TransportId::of(socket);
        let place = self.transports.get_mut(id.0 as usize);
        let Some(Some(transport)) = place else { return };
        let out = &mut self.out;
        if guard(|| transport.receive(reports, datagram, out)).is_err() {
            transport.receive_panicked(out);
        }
    }

    /// Asks for the memory of the pairs that come next: with thousands of them each is cold when its turn comes.
    fn warm(&self, n: usize) {
        let pair = |ahead: usize| {
            let id = self.due.get(n + ahead)?;
            self.transports.get(id.0 as usize)?.as_deref()
        };
        if let Some(pair) = pair(12) {
            pair.warm_own();
        }
        let stages = [
            (10, Reach::Legs),
            (8, Reach::Session),
            (6, Reach::Parts),
            (4, Reach::Buffers),
            (2, Reach::Payload),
        ];
        for (ahead, reach) in stages {
            if let Some(pair) = pair(ahead) {
                pair.warm(reach);
            }
        }
    }

    fn frame(&mut self, slice: Slice, n: usize) {
        self.warm(n);
        let Some(id) = self.due.get(n) else {
            return;
        };
        if let Some(Some(transport)) = self.transports.get_mut(id.0 as usize) {
            transport.frames(slice, &mut self.scratch, &mut self.out);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use msp_core::trace::{TraceEntry, TraceSink};
    use msp_rtp::rtcp::WallClock;

    use super::*;
    use crate::control::{ControlCore, ControlInput};
    use crate::random::SeededRandom;

    /// Panics when it is shown the numbers of a call, from when it is told to.
    #[derive(Default)]
    struct Fragile(AtomicBool);

    impl TraceSink for Fragile {
        fn record(&self, entry: TraceEntry) {
            let fails = self.0.load(Ordering::Relaxed) && entry.call == Some(CallKey(0));
            assert!(!fails, "told to explode");
        }
    }

    fn run(shard: &mut Shard, until: Instant) -> Vec<Report> {
        while let Some(at) = shard.deadline().filter(|at| *at <= until) {
            while let Some(slice) = shard.due(at) {
                let mut n = 0;
                while shard.pair_of(n).is_some() {
                    shard.handle(at, ShardInput::Frame(slice, n));
                    n += 1;
                }
            }
        }
        std::iter::from_fn(|| shard.poll()).collect()
    }

    #[test]
    fn a_pair_whose_telling_panics_fails_alone_and_can_be_taken_off() {
        let fragile = Arc::new(Fragile::default());
        let config = EngineConfig::default().trace(Trace::to(fragile.clone()));
        let mut shard = Shard::new(ShardSettings::of(&config));
        for n in 0..2 {
            let pair = Transport::bare(&config, n, Arc::default());
            let add = ShardCommand::Add(TransportId(n), pair);
            shard.handle(Instant::ZERO, ShardInput::Command(add));
        }
        fragile.0.store(true, Ordering::Relaxed);
        let told = run(&mut shard, Instant::from_millis(2000));
        let failed = |report: &Report, direction| matches!(report, Report::Media(TransportId(0), MediaReport::StreamPanicked(d)) if *d == direction);
        assert!(failed(&told[0], msp_core::media::Direction::Render));
        assert!(failed(&told[1], msp_core::media::Direction::Capture));
        assert_eq!(told.len(), 2, "it is told once");
        for n in 0..2 {
            let remove = ShardCommand::Remove(TransportId(n));
            shard.handle(Instant::from_millis(2000), ShardInput::Command(remove));
        }
        let told: Vec<_> = std::iter::from_fn(|| shard.poll()).collect();
        assert!(matches!(
            &told[..],
            [
                Report::Removed(TransportId(0), _),
                Report::Removed(TransportId(1), _)
            ]
        ));
    }

    #[test]
    fn the_last_numbers_are_seen_although_somebody_was_reading() {
        let config = EngineConfig::default();
        let mut shard = Shard::new(ShardSettings::of(&config));
        let published: Arc<Published> = Arc::default();
        let pair = Transport::bare(&config, 0, Arc::clone(&published));
        let id = TransportId(0);
        let add = ShardCommand::Add(id, pair);
        shard.handle(Instant::ZERO, ShardInput::Command(add));
        shard.count(id.rtp(), DropReason::TooBig);
        let report = published.while_read(|| {
            let remove = ShardCommand::Remove(id);
            shard.handle(Instant::ZERO, ShardInput::Command(remove));
            shard.poll()
        });
        assert_eq!(published.get().stats.drops.total(), 0);
        let random = Box::new(SeededRandom::new(1));
        let control = ControlCore::new(config, WallClock::default(), random, Vec::new());
        let Some(report) = report else {
            panic!("it was not given back")
        };
        control.handle(Instant::ZERO, ControlInput::Report(0, report));
        assert_eq!(published.get().stats.drops.total(), 1);
    }
}
