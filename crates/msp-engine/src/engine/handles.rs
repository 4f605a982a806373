//! What an application holds of addresses, calls and streams. Each handle locks a call for a moment, on the
//! caller's thread, and then wakes the control thread.

use std::sync::Arc;

use msp_core::event::{EventBus, EventFilter, EventReceiver};
use msp_core::flow::{Desired, FlowState};
use msp_core::gather::GatherSpec;
use msp_core::id::{AddressId, CallKey, StreamId, TerminalId};
use msp_core::link::Digit;
use msp_core::media::{Direction, MediaKind, MediaKinds};
use msp_core::params::CodecSpec;
use msp_core::provider::{Address, Call, MediaCallState, Stream, SubStream};
use msp_core::registry::{TerminalClassInfo, TerminalSpec};
use msp_core::stats::StreamStats;
use msp_core::terminal::{AudioFormat, StreamPort, Terminal, TerminalClass, TerminalEvents};
use msp_core::{Error, ErrorKind, Result};

use super::Shared;
use crate::control::{CallCore, CallEntry, Context, ControlCore, ControlInput, Line};
use crate::shard::Edge;

pub(super) struct AddressHandle {
    shared: Arc<Shared>,
    line: Arc<Line>,
}

impl AddressHandle {
    pub(super) fn new(shared: Arc<Shared>, line: Arc<Line>) -> Self {
        Self { shared, line }
    }
}

impl Address for AddressHandle {
    fn id(&self) -> AddressId {
        self.line.id
    }

    fn name(&self) -> &str {
        &self.line.name
    }

    fn kinds(&self) -> MediaKinds {
        MediaKinds::AUDIO
    }

    fn static_terminals(&self) -> Vec<Arc<dyn Terminal>> {
        self.shared.core.config().terminals.statics().list()
    }

    fn default_terminal(&self, kind: MediaKind, direction: Direction) -> Option<Arc<dyn Terminal>> {
        let statics = self.shared.core.config().terminals.statics();
        statics.default_for(kind, direction)
    }

    fn terminal_classes(&self) -> Vec<TerminalClassInfo> {
        self.shared
            .core
            .config()
            .terminals
            .classes(MediaKinds::NONE)
    }

    fn create_terminal(
        &self,
        class: &TerminalClass,
        spec: &TerminalSpec,
    ) -> Result<Arc<dyn Terminal>> {
        self.shared.core.config().terminals.create(class, spec)
    }

    fn create_call(&self, key: CallKey, kinds: MediaKinds) -> Result<Arc<dyn Call>> {
        let now = self.shared.clock.now();
        let entry = self
            .shared
            .core
            .create_call(now, self.line.id, key, kinds)?;
        let streams = ControlCore::look(&entry, |call| {
            let streams = call.model.streams().iter();
            streams
                .map(|s| (s.id(), s.kind(), s.direction()))
                .collect::<Vec<_>>()
        });
        let streams = streams
            .into_iter()
            .map(|(id, kind, direction)| {
                let handle = StreamHandle {
                    shared: Arc::clone(&self.shared),
                    call: Arc::clone(&entry),
                    id,
                    kind,
                    direction,
                };
                Arc::new(handle) as Arc<dyn Stream>
            })
            .collect();
        self.shared.wake_for_outputs();
        Ok(Arc::new(CallHandle {
            shared: Arc::clone(&self.shared),
            entry,
            streams,
        }))
    }

    fn subscribe(&self, filter: EventFilter) -> EventReceiver {
        self.line.bus.subscribe(filter, EventBus::CAPACITY)
    }

    fn close(&self) {
        self.shared.close_line(&self.line);
    }
}

struct CallHandle {
    shared: Arc<Shared>,
    entry: Arc<CallEntry>,
    streams: Vec<Arc<dyn Stream>>,
}

impl Call for CallHandle {
    fn key(&self) -> CallKey {
        self.entry.key
    }

    fn state(&self) -> MediaCallState {
        ControlCore::look(&self.entry, |call| call.model.state())
    }

    fn streams(&self) -> Vec<Arc<dyn Stream>> {
        self.streams.clone()
    }

    fn gather(&self, spec: GatherSpec) -> Result<()> {
        let now = self.shared.clock.now();
        let gathers = self
            .shared
            .core
            .with(now, &self.entry, |call, cx| call.gather(cx, spec));
        // The control thread has a new deadline.
        self.shared.wake();
        gathers
    }

    fn cancel_gathering(&self) {
        let now = self.shared.clock.now();
        let core = &self.shared.core;
        core.with(now, &self.entry, |call, cx| call.cancel_gathering(cx));
        self.shared.wake_for_outputs();
    }

    fn close(&self) {
        let now = self.shared.clock.now();
        self.shared.core.close_call(now, &self.entry);
        self.shared.wake_for_outputs();
    }
}

struct StreamHandle {
    shared: Arc<Shared>,
    call: Arc<CallEntry>,
    id: StreamId,
    kind: MediaKind,
    direction: Direction,
}

impl StreamHandle {
    fn with<T>(&self, f: impl FnOnce(&mut CallCore, &mut Context<'_>) -> T) -> T {
        let now = self.shared.clock.now();
        let result = self.shared.core.with(now, &self.call, f);
        self.shared.wake_for_outputs();
        result
    }

    fn look<T>(&self, f: impl FnOnce(&CallCore) -> T) -> T {
        ControlCore::look(&self.call, f)
    }

    fn desire(&self, desired: Desired) -> Result<()> {
        self.with(|call, cx| call.desire(cx, self.id, desired))
    }

    fn events_of(&self, terminal: TerminalId) -> TerminalEvents {
        let (shared, call, stream) = (Arc::downgrade(&self.shared), self.call.key, self.id);
        TerminalEvents::new(move |kind, cause, error| {
            if let Some(shared) = shared.upgrade() {
                shared.post(ControlInput::Terminal {
                    call,
                    stream,
                    terminal,
                    kind,
                    cause,
                    error,
                });
            }
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
        let rate = self.look(|call| call.check_select(self.id, &*terminal))?;
        let id = terminal.id();
        let connection = terminal.connect(StreamPort {
            call: self.call.key,
            stream: self.id,
            direction: self.direction,
            format: AudioFormat::mono(rate),
            events: self.events_of(id),
        })?;
        let edge = Box::new(Edge::new(
            id,
            Arc::clone(terminal.controls()),
            self.direction,
            rate,
            connection,
        ));
        // An edge that found no place is dropped here, outside of the locks.
        self.with(|call, cx| call.select(cx, self.id, terminal, edge))
            .map_err(|(error, _edge)| error)
    }

    fn unselect(&self, terminal: TerminalId) -> Result<()> {
        self.with(|call, cx| call.unselect(cx, self.id, terminal))
            .map(drop)
    }

    fn terminals(&self) -> Vec<Arc<dyn Terminal>> {
        self.look(|call| {
            let stream = call.model.stream(self.id);
            let terminals = stream.map(|s| s.terminals().to_vec());
            terminals.unwrap_or_default()
        })
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
        self.look(|call| call.model.stream(self.id).map(|s| s.flow()))
            .unwrap_or_default()
    }

    fn codec(&self) -> Option<CodecSpec> {
        let codecs = &self.shared.core.config().codecs;
        self.look(|call| call.codec(codecs, self.id))
    }

    fn stats(&self) -> StreamStats {
        self.look(|call| call.published(self.id))
            .map(|s| s.stats)
            .unwrap_or_default()
    }

    fn substreams(&self) -> Vec<SubStream> {
        let source = self.look(|call| call.source(self.id));
        source.into_iter().collect()
    }

    fn send_digits(&self, digits: &[Digit]) -> Result<()> {
        if self.direction != Direction::Capture {
            return Err(Error::new(
                ErrorKind::InvalidDirection,
                format!("stream {}", self.id),
            ));
        }
        self.with(|call, cx| call.send_digits(cx, self.id, digits))
    }
}
