//! A provider without any network: what is captured on a call is rendered on the same call. It proves the
//! nouns, and stands in for the real provider where only its interface matters.
//!
//! It has no thread: [`Loopback::run_until`] answers the signalling half and moves the frames that are due.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use crate::controls::{AudioControls, AudioLevels};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Cause, EventBus, EventFilter, EventReceiver, MspEvent, Scope};
use crate::flow::{Desired, FlowState, TransportState};
use crate::gather::GatherSpec;
use crate::id::{AddressId, CallKey, PayloadType, StreamId, TerminalId};
use crate::link::{ControlLink, Digit, Envelope, MspEnd, ToMsp, ToTsp};
use crate::media::{Direction, MediaKind, MediaKinds};
use crate::model::{CallModel, DigitWay};
use crate::params::{CodecSpec, MediaParams, PayloadMapping};
use crate::provider::{
    Address, Call, Capabilities, MediaCallState, OpenAddress, Provider, Stream, SubStream,
};
use crate::registry::{TerminalClassInfo, TerminalRegistry, TerminalSpec};
use crate::statics::{StaticChange, StaticWatch};
use crate::stats::StreamStats;
use crate::terminal::{
    AudioFormat, Connection, FRAME, FrameSink, FrameSource, FrameTime, StreamPort, Terminal,
    TerminalClass, TerminalEvents,
};
use crate::time::{ClockRate, Instant};

const FORMAT: AudioFormat = AudioFormat::mono(ClockRate::HZ_8000);
const FRAME_SAMPLES: usize = 80;
const MAX_TERMINALS: usize = 16;

/// The provider.
#[derive(Clone, Default)]
pub struct Loopback {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    registry: TerminalRegistry,
    now: Mutex<Instant>,
    lines: Mutex<Vec<Weak<Line>>>,
}

impl Loopback {
    /// A provider whose addresses make terminals of the classes in `registry`.
    pub fn new(registry: TerminalRegistry) -> Self {
        Self {
            shared: Arc::new(Shared {
                registry,
                ..Shared::default()
            }),
        }
    }

    /// Lets time pass until `now`, in whole frames: link messages are answered and frames moved.
    pub fn run_until(&self, now: Instant) {
        loop {
            let frame = *lock(&self.shared.now) + FRAME;
            for line in self.lines() {
                line.answer();
            }
            if frame > now {
                return;
            }
            *lock(&self.shared.now) = frame;
            for line in self.lines() {
                line.move_frames(frame);
            }
        }
    }

    /// Lets `d` pass.
    pub fn run_for(&self, d: Duration) {
        let now = *lock(&self.shared.now);
        self.run_until(now + d);
    }

    fn lines(&self) -> Vec<Arc<Line>> {
        lock(&self.shared.lines)
            .iter()
            .filter_map(Weak::upgrade)
            .collect()
    }
}

impl fmt::Debug for Loopback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Loopback")
    }
}

impl Provider for Loopback {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            name: "loopback",
            kinds: MediaKinds::AUDIO,
            max_terminals: MAX_TERMINALS,
            max_streams: 2,
        }
    }

    fn open(&self, name: &str) -> Result<OpenAddress> {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let (tsp, msp) = ControlLink::pair(ControlLink::CAPACITY);
        let line = Arc::new(Line {
            id: AddressId(NEXT.fetch_add(1, Ordering::Relaxed)),
            name: name.to_owned(),
            shared: self.shared.clone(),
            bus: EventBus::default(),
            state: Mutex::new(LineState {
                link: Some(msp),
                calls: BTreeMap::new(),
                watch: None,
            }),
        });
        let watched = Arc::downgrade(&line);
        let watch = self.shared.registry.statics().watch(move |change| {
            if let Some(line) = watched.upgrade() {
                line.static_changed(change);
            }
        });
        lock(&line.state).watch = Some(watch);
        let mut lines = lock(&self.shared.lines);
        lines.retain(|l| l.strong_count() > 0);
        lines.push(Arc::downgrade(&line));
        Ok(OpenAddress {
            address: Arc::new(LineHandle(line)),
            link: tsp,
        })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Line {
    id: AddressId,
    name: String,
    shared: Arc<Shared>,
    bus: EventBus,
    state: Mutex<LineState>,
}

struct LineState {
    /// Gone once the address is closed.
    link: Option<MspEnd>,
    calls: BTreeMap<CallKey, LoopCall>,
    watch: Option<StaticWatch>,
}

struct LoopCall {
    model: CallModel,
    position: u64,
    sources: Vec<Connected<Box<dyn FrameSource>>>,
    sinks: Vec<Connected<Box<dyn FrameSink>>>,
    stats: StreamStats,
}

/// The media side of a terminal, and where it is.
struct Connected<T> {
    stream: StreamId,
    terminal: TerminalId,
    controls: Arc<AudioControls>,
    side: T,
}

impl<T> Connected<T> {
    /// Makes `frame` as loud as the terminal's knobs say.
    fn set_level(&self, frame: &mut [i16]) {
        let levels = self.controls.levels();
        if levels != AudioLevels::UNCHANGED {
            let ratio = 10f32.powf(levels.db() / 20.0);
            for sample in frame {
                *sample = (f32::from(*sample) * ratio).round() as i16;
            }
        }
    }
}

impl Line {
    fn now(&self) -> Instant {
        *lock(&self.shared.now)
    }

    fn answer(&self) {
        let mut state = lock(&self.state);
        let Some(link) = state.link.take() else {
            return;
        };
        while let Ok(Some(message)) = link.receiver.try_recv() {
            let Envelope {
                call,
                leg,
                generation,
                ..
            } = message;
            let body = match state.calls.get_mut(&call) {
                Some(known) => self.obey(known, message.body),
                None => Some(ToTsp::Refused(Error::new(
                    ErrorKind::InvalidCall,
                    format!("call {call}"),
                ))),
            };
            if let Some(body) = body {
                // A half that is gone or does not read is its own loss; the calls go on.
                let _unheard = link.sender.send(Envelope {
                    call,
                    leg,
                    generation,
                    body,
                });
            }
        }
        state.link = Some(link);
    }

    fn obey(&self, call: &mut LoopCall, message: ToMsp) -> Option<ToTsp> {
        let now = self.now();
        let reply = match message {
            ToMsp::Prepare { slots, .. } => {
                call.model.place(&slots, |_| true);
                call.model.prepared(now);
                let local = slots.iter().map(|s| MediaParams {
                    direction: s.direction,
                    receive: vec![l16()],
                    ..MediaParams::new(s.slot, s.kind)
                });
                Some(ToTsp::Local(local.collect()))
            }
            ToMsp::Apply { params, .. } => {
                call.model.agreed(now, Cause::RemoteRequest, &params);
                Some(ToTsp::Applied)
            }
            ToMsp::Direction {
                slot,
                direction,
                cause,
            } => {
                call.model.direct(now, slot, direction, cause);
                None
            }
            ToMsp::Digit { digit, .. } => {
                call.model.digit(now, DigitWay::Signalling, None, digit);
                None
            }
            ToMsp::Disconnected { cause } => {
                call.disconnect(now, cause);
                None
            }
            // There is one leg and nothing is prepared beside it.
            ToMsp::Commit | ToMsp::Rollback | ToMsp::DropLeg => None,
        };
        self.publish(call);
        reply
    }

    fn static_changed(&self, change: StaticChange) {
        let now = self.now();
        let event = MspEvent::of_static(now, self.id, change);
        self.bus.emit(&event);
        let StaticChange::Unavailable(terminal) = change else {
            return;
        };
        for call in lock(&self.state).calls.values_mut() {
            for stream in call.model.streams_with(terminal) {
                call.disconnect_terminal(stream, terminal);
                let error = Error::new(ErrorKind::Device, format!("terminal {terminal} is gone"));
                call.model.terminal_failed(now, stream, terminal, error);
            }
            self.publish(call);
        }
    }

    fn move_frames(&self, now: Instant) {
        for call in lock(&self.state).calls.values_mut() {
            call.move_frame(now);
            if call.model.deadline().is_some_and(|at| at <= now) {
                call.model.timeout(now);
                self.publish(call);
            }
        }
    }

    fn publish(&self, call: &mut LoopCall) {
        for event in call.model.drain_events() {
            self.bus.emit(&event);
        }
    }

    fn with_call<T>(&self, key: CallKey, f: impl FnOnce(&mut LoopCall) -> Result<T>) -> Result<T> {
        let mut state = lock(&self.state);
        let call = state
            .calls
            .get_mut(&key)
            .ok_or_else(|| Error::new(ErrorKind::Closed, format!("call {key}")))?;
        let result = f(call);
        self.publish(call);
        result
    }
}

fn l16() -> PayloadMapping {
    PayloadMapping {
        payload_type: PayloadType(96),
        codec: CodecSpec::mono("L16", FORMAT.rate),
        parameters: None,
    }
}

impl LoopCall {
    fn stream_of(&self, direction: Direction) -> Option<StreamId> {
        self.model
            .streams()
            .iter()
            .find(|s| s.direction() == direction)
            .map(|s| s.id())
    }

    fn move_frame(&mut self, at: Instant) {
        let time = FrameTime {
            at,
            position: self.position,
        };
        self.position += FRAME_SAMPLES as u64;
        let flows = |d| self.stream_of(d).filter(|s| self.model.flows(*s));
        let (capture, render) = (flows(Direction::Capture), flows(Direction::Render));

        let mut sound = [0i16; FRAME_SAMPLES];
        if capture.is_some() {
            let mut mix = [0i32; FRAME_SAMPLES];
            for source in &mut self.sources {
                source.side.pull(time, &mut sound);
                source.set_level(&mut sound);
                mix.iter_mut()
                    .zip(&sound)
                    .for_each(|(m, s)| *m += i32::from(*s));
            }
            for (sample, mixed) in sound.iter_mut().zip(mix) {
                *sample = mixed.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16;
            }
            self.stats.sent.packets += 1;
        }
        if render.is_some() && capture.is_some() {
            self.stats.received.packets += 1;
            self.stats.playout.normal += FRAME_SAMPLES as u64;
        }
        for sink in &mut self.sinks {
            if Some(sink.stream) == capture || Some(sink.stream) == render {
                let mut own = sound;
                sink.set_level(&mut own);
                sink.side.push(time, &own);
            }
        }
    }

    fn connect(&mut self, stream: StreamId, terminal: &dyn Terminal, connection: Connection) {
        fn at<T>(stream: StreamId, terminal: &dyn Terminal, side: T) -> Connected<T> {
            Connected {
                stream,
                terminal: terminal.id(),
                controls: Arc::clone(terminal.controls()),
                side,
            }
        }
        match connection {
            Connection::Source(source) => self.sources.push(at(stream, terminal, source)),
            Connection::Sink(sink) => self.sinks.push(at(stream, terminal, sink)),
        }
    }

    fn disconnect_terminal(&mut self, stream: StreamId, terminal: TerminalId) {
        self.sinks
            .retain(|s| (s.stream, s.terminal) != (stream, terminal));
        self.sources
            .retain(|s| (s.stream, s.terminal) != (stream, terminal));
    }

    fn disconnect(&mut self, now: Instant, cause: Cause) {
        self.model.disconnect(now, cause);
        self.sources.clear();
        self.sinks.clear();
    }
}

struct LineHandle(Arc<Line>);

impl Address for LineHandle {
    fn id(&self) -> AddressId {
        self.0.id
    }

    fn name(&self) -> &str {
        &self.0.name
    }

    fn kinds(&self) -> MediaKinds {
        MediaKinds::AUDIO
    }

    fn static_terminals(&self) -> Vec<Arc<dyn Terminal>> {
        self.0.shared.registry.statics().list()
    }

    fn default_terminal(&self, kind: MediaKind, direction: Direction) -> Option<Arc<dyn Terminal>> {
        self.0
            .shared
            .registry
            .statics()
            .default_for(kind, direction)
    }

    fn terminal_classes(&self) -> Vec<TerminalClassInfo> {
        self.0.shared.registry.classes(MediaKinds::NONE)
    }

    fn create_terminal(
        &self,
        class: &TerminalClass,
        spec: &TerminalSpec,
    ) -> Result<Arc<dyn Terminal>> {
        self.0.shared.registry.create(class, spec)
    }

    fn create_call(&self, key: CallKey, kinds: MediaKinds) -> Result<Arc<dyn Call>> {
        let model = CallModel::new(self.0.id, key, kinds, self.kinds(), MAX_TERMINALS)?;
        let streams = model
            .streams()
            .iter()
            .map(|s| (s.id(), s.kind(), s.direction()))
            .collect();
        let mut state = lock(&self.0.state);
        if state.link.is_none() {
            return Err(Error::new(ErrorKind::Closed, self.0.name.as_str()));
        }
        if state.calls.contains_key(&key) {
            return Err(Error::new(ErrorKind::CallExists, format!("call {key}")));
        }
        let call = LoopCall {
            model,
            position: 0,
            sources: Vec::new(),
            sinks: Vec::new(),
            stats: StreamStats::default(),
        };
        state.calls.insert(key, call);
        Ok(Arc::new(CallHandle {
            line: self.0.clone(),
            key,
            streams,
        }))
    }

    fn subscribe(&self, filter: EventFilter) -> EventReceiver {
        self.0.bus.subscribe(filter, EventBus::CAPACITY)
    }

    fn close(&self) {
        let now = self.0.now();
        let mut state = lock(&self.0.state);
        state.link = None;
        state.watch = None;
        for call in state.calls.values_mut() {
            call.disconnect(now, Cause::LocalRequest);
            self.0.publish(call);
        }
        state.calls.clear();
        self.0.bus.close();
    }
}

struct CallHandle {
    line: Arc<Line>,
    key: CallKey,
    streams: Vec<(StreamId, MediaKind, Direction)>,
}

impl Call for CallHandle {
    fn key(&self) -> CallKey {
        self.key
    }

    fn state(&self) -> MediaCallState {
        self.line
            .with_call(self.key, |c| Ok(c.model.state()))
            .unwrap_or(MediaCallState::Disconnected)
    }

    fn streams(&self) -> Vec<Arc<dyn Stream>> {
        let handle = |(id, kind, direction): &(StreamId, MediaKind, Direction)| {
            let (line, call) = (self.line.clone(), self.key);
            let stream = StreamHandle {
                line,
                call,
                id: *id,
                kind: *kind,
                direction: *direction,
            };
            Arc::new(stream) as Arc<dyn Stream>
        };
        self.streams.iter().map(handle).collect()
    }

    fn gather(&self, spec: GatherSpec) -> Result<()> {
        let now = self.line.now();
        self.line.with_call(self.key, |c| c.model.gather(now, spec))
    }

    fn cancel_gathering(&self) {
        let now = self.line.now();
        // A call that is over gathers nothing.
        let _over = self.line.with_call(self.key, |c| {
            c.model.cancel_gathering(now);
            Ok(())
        });
    }

    fn close(&self) {
        let now = self.line.now();
        let closed = lock(&self.line.state).calls.remove(&self.key);
        if let Some(mut call) = closed {
            call.disconnect(now, Cause::LocalRequest);
            self.line.publish(&mut call);
        }
    }
}

struct StreamHandle {
    line: Arc<Line>,
    call: CallKey,
    id: StreamId,
    kind: MediaKind,
    direction: Direction,
}

impl StreamHandle {
    fn desire(&self, desired: Desired) -> Result<()> {
        let now = self.line.now();
        self.line
            .with_call(self.call, |c| c.model.desire(now, self.id, desired))
    }

    fn events_of(&self, terminal: TerminalId) -> TerminalEvents {
        let (line, call, stream) = (Arc::downgrade(&self.line), self.call, self.id);
        TerminalEvents::new(move |kind, cause, error| {
            let Some(line) = line.upgrade() else { return };
            let scope = Scope::call(line.id, call).stream(stream).terminal(terminal);
            let at = line.now();
            line.bus.emit(&MspEvent {
                at,
                scope,
                kind,
                cause,
                error,
            });
        })
    }
}

impl Stream for StreamHandle {
    fn id(&self) -> StreamId {
        self.id
    }

    fn kind(&self) -> MediaKind {
        self.kind
    }

    fn direction(&self) -> Direction {
        self.direction
    }

    fn select(&self, terminal: Arc<dyn Terminal>) -> Result<()> {
        self.line
            .with_call(self.call, |c| c.model.check_select(self.id, &*terminal))?;
        let port = StreamPort {
            call: self.call,
            stream: self.id,
            direction: self.direction,
            format: FORMAT,
            events: self.events_of(terminal.id()),
        };
        let connection = terminal.connect(port)?;
        let now = self.line.now();
        self.line.with_call(self.call, |call| {
            call.model.selected(now, self.id, terminal.clone())?;
            call.connect(self.id, &*terminal, connection);
            Ok(())
        })
    }

    fn unselect(&self, terminal: TerminalId) -> Result<()> {
        let now = self.line.now();
        self.line.with_call(self.call, |call| {
            call.model.unselect(now, self.id, terminal)?;
            call.disconnect_terminal(self.id, terminal);
            Ok(())
        })
    }

    fn terminals(&self) -> Vec<Arc<dyn Terminal>> {
        self.line
            .with_call(self.call, |c| {
                let stream = c.model.stream(self.id);
                Ok(stream.map_or_else(Vec::new, |s| s.terminals().to_vec()))
            })
            .unwrap_or_default()
    }

    fn start(&self) -> Result<()> {
        self.desire(Desired::Run)
    }

    fn pause(&self) -> Result<()> {
        self.desire(Desired::Pause)
    }

    fn stop(&self) -> Result<()> {
        self.desire(Desired::Stop)
    }

    fn flow(&self) -> FlowState {
        self.line
            .with_call(self.call, |c| Ok(c.model.stream(self.id).map(|s| s.flow())))
            .ok()
            .flatten()
            .unwrap_or_default()
    }

    fn codec(&self) -> Option<CodecSpec> {
        (self.flow().transport == TransportState::Ready).then(|| l16().codec)
    }

    fn stats(&self) -> StreamStats {
        self.line
            .with_call(self.call, |c| Ok(c.stats))
            .unwrap_or_default()
    }

    fn substreams(&self) -> Vec<SubStream> {
        Vec::new()
    }

    fn send_digits(&self, digits: &[Digit]) -> Result<()> {
        if self.direction != Direction::Capture {
            return Err(Error::new(
                ErrorKind::InvalidDirection,
                format!("stream {}", self.id),
            ));
        }
        let now = self.line.now();
        self.line.with_call(self.call, |call| {
            let render = call.stream_of(Direction::Render);
            for digit in digits {
                if let Some(stream) = render {
                    call.model.digit(now, DigitWay::Event, Some(stream), *digit);
                }
            }
            Ok(())
        })
    }
}
