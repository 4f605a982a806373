//! The bookkeeping of a call's streams that every provider shares: which there are, which terminals are on
//! them, whether they flow, and the events that follow. It moves no media and holds no device.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::event::{Cause, EventKind, MspEvent, Scope};
use crate::flow::{Desired, FlowChange, FlowInput, FlowState, TransportState};
use crate::gather::{GatherSpec, Gathered, Gathering};
use crate::id::{AddressId, CallKey, StreamId, TerminalId};
use crate::link::{Digit, PrepareSlot};
use crate::media::{Direction, MediaDirection, MediaKind, MediaKinds};
use crate::params::{MediaParams, MediaSlot};
use crate::provider::MediaCallState;
use crate::terminal::Terminal;
use crate::time::Instant;

/// One stream of a call.
pub struct StreamModel {
    id: StreamId,
    slot: MediaSlot,
    kind: MediaKind,
    direction: Direction,
    flow: FlowState,
    terminals: Vec<Arc<dyn Terminal>>,
}

impl StreamModel {
    /// Its name in the call.
    pub const fn id(&self) -> StreamId {
        self.id
    }

    /// The place of its pair in the call's list.
    pub const fn slot(&self) -> MediaSlot {
        self.slot
    }

    /// What it carries.
    pub const fn kind(&self) -> MediaKind {
        self.kind
    }

    /// Which way.
    pub const fn direction(&self) -> Direction {
        self.direction
    }

    /// Everything that decides whether it flows.
    pub const fn flow(&self) -> FlowState {
        self.flow
    }

    /// The terminals on it, in the order in which they were selected.
    pub fn terminals(&self) -> &[Arc<dyn Terminal>] {
        &self.terminals
    }

    fn has(&self, terminal: TerminalId) -> bool {
        self.terminals.iter().any(|t| t.id() == terminal)
    }
}

impl fmt::Debug for StreamModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamModel")
            .field("id", &self.id)
            .field("direction", &self.direction)
            .field("flow", &self.flow)
            .finish_non_exhaustive()
    }
}

/// How it is told that a key was pressed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DigitWay {
    /// As an event among the media (RFC 4733).
    Event,
    /// As a tone in the sound.
    Tone,
    /// By signalling.
    Signalling,
}

/// Who tells of a press in two ways does so within this time.
const ONE_PRESS: Duration = Duration::from_secs(1);

/// More presses than that in this time are nobody's fingers.
const MAX_PRESSES: usize = 32;

/// A key that was pressed a moment ago.
#[derive(Debug)]
struct Press {
    at: Instant,
    way: DigitWay,
    digit: Digit,
    /// A second way told of it.
    told_twice: bool,
}

/// The streams of one call.
///
/// Each change may leave events, in order: take them with [`drain_events`](Self::drain_events) after it.
#[derive(Debug)]
pub struct CallModel {
    scope: Scope,
    key: CallKey,
    state: MediaCallState,
    max_terminals: usize,
    streams: Vec<StreamModel>,
    gathering: Option<Gathering>,
    /// Of the last second.
    presses: Vec<Press>,
    events: Vec<MspEvent>,
}

impl CallModel {
    /// A call with its default streams, one for each kind and direction (C03). `offered` is what the provider
    /// carries; a stream takes up to `max_terminals`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidMediaType`] when `kinds` is empty or not all offered (C02).
    pub fn new(
        address: AddressId,
        key: CallKey,
        kinds: MediaKinds,
        offered: MediaKinds,
        max_terminals: usize,
    ) -> Result<Self> {
        if kinds.is_empty() || !kinds.is_subset(offered) {
            return Err(Error::new(
                ErrorKind::InvalidMediaType,
                format!("{kinds:?}"),
            ));
        }
        let mut streams = Vec::new();
        for (slot, kind) in kinds.iter().enumerate() {
            for direction in [Direction::Capture, Direction::Render] {
                streams.push(StreamModel {
                    id: StreamId(streams.len() as u32),
                    slot: MediaSlot(slot as u16),
                    kind,
                    direction,
                    flow: FlowState::default(),
                    terminals: Vec::new(),
                });
            }
        }
        Ok(Self {
            scope: Scope::call(address, key),
            key,
            state: MediaCallState::Idle,
            max_terminals,
            streams,
            gathering: None,
            presses: Vec::new(),
            events: Vec::new(),
        })
    }

    /// Takes the events that changes left.
    pub fn drain_events(&mut self) -> impl Iterator<Item = MspEvent> + '_ {
        self.events.drain(..)
    }

    /// Checks whether `terminal` may be selected: kind, direction, not there already, room on the stream.
    /// Connect it after that and then say [`selected`](Self::selected).
    ///
    /// # Errors
    /// [`ErrorKind::Closed`], [`ErrorKind::InvalidStream`], [`ErrorKind::InvalidMediaType`], [`ErrorKind::InvalidDirection`],
    /// [`ErrorKind::InvalidTerminal`], [`ErrorKind::MaxTerminals`].
    pub fn check_select(&self, stream: StreamId, terminal: &dyn Terminal) -> Result<()> {
        let model = self.open_stream(stream)?;
        let refuse = |kind| Err(Error::new(kind, format!("terminal '{}'", terminal.name())));
        if terminal.kind() != model.kind {
            return refuse(ErrorKind::InvalidMediaType);
        }
        if !terminal.direction().serves(model.direction) {
            return refuse(ErrorKind::InvalidDirection);
        }
        if model.has(terminal.id()) {
            return refuse(ErrorKind::InvalidTerminal);
        }
        if model.terminals.len() >= self.max_terminals {
            return refuse(ErrorKind::MaxTerminals);
        }
        Ok(())
    }

    /// `terminal` was connected to `stream`. Checks again, for somebody may have been quicker.
    ///
    /// # Errors
    /// Those of [`check_select`](Self::check_select).
    pub fn selected(
        &mut self,
        now: Instant,
        stream: StreamId,
        terminal: Arc<dyn Terminal>,
    ) -> Result<()> {
        self.check_select(stream, &*terminal)?;
        self.stream_mut(stream)?.terminals.push(terminal);
        self.input(now, stream, FlowInput::TerminalSelected, None);
        Ok(())
    }

    /// Takes `terminal` off `stream`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidStream`], [`ErrorKind::InvalidTerminal`] if it is not on it.
    pub fn unselect(&mut self, now: Instant, stream: StreamId, terminal: TerminalId) -> Result<()> {
        self.take_off(stream, terminal)?;
        self.input(now, stream, FlowInput::TerminalUnselected, None);
        Ok(())
    }

    /// `terminal` broke: it is off the stream, which fails too if it was the only one (C14).
    pub fn terminal_failed(
        &mut self,
        now: Instant,
        stream: StreamId,
        terminal: TerminalId,
        error: Error,
    ) {
        if self.take_off(stream, terminal).is_err() {
            return;
        }
        let scope = self.scope.stream(stream).terminal(terminal);
        let cause = Cause::BadDevice;
        self.emit(
            now,
            scope,
            EventKind::TerminalFail,
            cause,
            Some(error.clone()),
        );
        if self.stream(stream).is_some_and(|s| s.terminals.is_empty()) {
            self.emit(
                now,
                self.scope.stream(stream),
                EventKind::StreamFail,
                cause,
                Some(error),
            );
        }
        self.input(now, stream, FlowInput::TerminalFailed, None);
    }

    /// The application wants `stream` to run, to pause or to stop.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`], [`ErrorKind::InvalidStream`].
    pub fn desire(&mut self, now: Instant, stream: StreamId, desired: Desired) -> Result<()> {
        self.open_stream(stream)?;
        self.input(now, stream, FlowInput::Desire(desired), None);
        Ok(())
    }

    /// Signalling prepares `slots`: until ports are open, each stream pair takes the place of the first of its kind that `can`
    /// be carried and no other took. Without one it stays where it was.
    pub fn place(&mut self, slots: &[PrepareSlot], can: impl Fn(&PrepareSlot) -> bool) {
        if self.state != MediaCallState::Idle {
            return;
        }
        let mut left: Vec<_> = slots.iter().filter(|s| can(s)).collect();
        for pair in self.streams.chunk_by_mut(|a, b| a.slot == b.slot) {
            let Some(kind) = pair.first().map(|s| s.kind) else {
                continue;
            };
            let Some(found) = left.iter().position(|s| s.kind == kind) else {
                continue;
            };
            let slot = left.remove(found).slot;
            for stream in pair {
                stream.slot = slot;
            }
        }
    }

    /// Ports are open.
    pub fn prepared(&mut self, now: Instant) {
        if self.state != MediaCallState::Idle {
            return;
        }
        self.state = MediaCallState::Prepared;
        for stream in self.ids() {
            let input = FlowInput::Transport(TransportState::Configured, Cause::LocalRequest);
            self.input(now, stream, input, None);
        }
    }

    /// A leg was agreed on, for the first time or anew.
    pub fn agreed(&mut self, now: Instant, cause: Cause, params: &[MediaParams]) {
        if self.state == MediaCallState::Disconnected {
            return;
        }
        self.state = MediaCallState::Connected;
        for agreed in params {
            for (stream, direction) in self.pair(agreed.slot) {
                if agreed.refused {
                    let input = FlowInput::Transport(TransportState::Configured, cause);
                    self.input(now, stream, input, None);
                    self.emit(
                        now,
                        self.scope.stream(stream),
                        EventKind::StreamNotUsed,
                        cause,
                        None,
                    );
                } else {
                    let permitted = agreed.direction.permits(direction);
                    self.input(now, stream, FlowInput::Permit(permitted, cause), None);
                    self.input(
                        now,
                        stream,
                        FlowInput::Transport(TransportState::Ready, cause),
                        None,
                    );
                }
            }
        }
    }

    /// What may flow on a pair changed without a new agreement.
    pub fn direct(
        &mut self,
        now: Instant,
        slot: MediaSlot,
        direction: MediaDirection,
        cause: Cause,
    ) {
        for (stream, way) in self.pair(slot) {
            self.input(
                now,
                stream,
                FlowInput::Permit(direction.permits(way), cause),
                None,
            );
        }
    }

    /// No media came on `stream` for too long, or they came again (C15).
    pub fn media(&mut self, now: Instant, stream: StreamId, arrives: bool) {
        let input = if arrives {
            FlowInput::MediaRecovered
        } else {
            FlowInput::MediaTimeout
        };
        self.input(now, stream, input, None);
    }

    /// `stream` went wrong and flows no more; the others go on.
    pub fn stream_failed(&mut self, now: Instant, stream: StreamId, error: &Error) {
        if self.stream(stream).is_none() {
            return;
        }
        let cause = Cause::ConnectFail;
        self.emit(
            now,
            self.scope.stream(stream),
            EventKind::StreamFail,
            cause,
            Some(error.clone()),
        );
        let input = FlowInput::Transport(TransportState::Closed, cause);
        self.input(now, stream, input, Some(error));
    }

    /// The call is over; it stays to be asked (C06). Its terminals are given back to be disconnected.
    pub fn disconnect(&mut self, now: Instant, cause: Cause) -> Vec<(StreamId, Arc<dyn Terminal>)> {
        self.state = MediaCallState::Disconnected;
        self.cancel_gathering(now);
        let mut freed = Vec::new();
        for stream in self.ids() {
            self.input(
                now,
                stream,
                FlowInput::Transport(TransportState::Closed, cause),
                None,
            );
            if let Ok(model) = self.stream_mut(stream) {
                freed.extend(model.terminals.drain(..).map(|t| (stream, t)));
                model.flow.terminals = 0;
            }
        }
        freed
    }

    /// The peer pressed a key, as `way` told, for ways of the media with the stream that it was heard on. What a second way
    /// tells of a key soon after the first is the same press.
    pub fn digit(&mut self, now: Instant, way: DigitWay, stream: Option<StreamId>, digit: Digit) {
        self.presses
            .retain(|p| now.saturating_since(p.at) < ONE_PRESS);
        let same = |p: &&mut Press| p.digit == digit && p.way != way && !p.told_twice;
        if let Some(press) = self.presses.iter_mut().find(same) {
            press.told_twice = true;
            return;
        }
        if self.presses.len() < MAX_PRESSES {
            self.presses.push(Press {
                at: now,
                way,
                digit,
                told_twice: false,
            });
        }
        let scope = stream.map_or(self.scope, |s| self.scope.stream(s));
        let kind = EventKind::Digit(digit);
        self.emit(now, scope, kind, Cause::RemoteRequest, None);
        let ended = self.gathering.as_mut().and_then(|g| g.digit(now, digit));
        self.gathered(now, ended, Cause::RemoteRequest);
    }

    /// Gathers digits from now on, instead of an earlier gathering, which is cancelled with what it has.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`], those of [`Gathering::new`].
    pub fn gather(&mut self, now: Instant, spec: GatherSpec) -> Result<()> {
        if self.state == MediaCallState::Disconnected {
            return Err(Error::new(ErrorKind::Closed, format!("call {}", self.key)));
        }
        let next = Gathering::new(now, spec)?;
        self.cancel_gathering(now);
        self.gathering = Some(next);
        Ok(())
    }

    /// Gives up the gathering, if there is one.
    pub fn cancel_gathering(&mut self, now: Instant) {
        let cancelled = self.gathering.take().map(Gathering::cancel);
        self.gathered(now, cancelled, Cause::LocalRequest);
    }

    /// When [`timeout`](Self::timeout) is wanted.
    pub fn deadline(&self) -> Option<Instant> {
        self.gathering.as_ref()?.deadline()
    }

    /// It is `now`.
    pub fn timeout(&mut self, now: Instant) {
        let ended = self.gathering.as_mut().and_then(|g| g.timeout(now));
        self.gathered(now, ended, Cause::Unknown);
    }

    fn gathered(&mut self, now: Instant, ended: Option<Gathered>, cause: Cause) {
        if let Some(gathered) = ended {
            self.gathering = None;
            let kind = EventKind::Gathered(gathered);
            self.emit(now, self.scope, kind, cause, None);
        }
    }

    /// Tells something about `stream` that changes nothing in the model: a participant, an address.
    pub fn tell(&mut self, now: Instant, stream: StreamId, kind: EventKind, cause: Cause) {
        self.emit(now, self.scope.stream(stream), kind, cause, None);
    }

    /// The key of the call.
    pub const fn key(&self) -> CallKey {
        self.key
    }

    /// How far the call is.
    pub const fn state(&self) -> MediaCallState {
        self.state
    }

    /// What events about the whole call carry.
    pub const fn scope(&self) -> Scope {
        self.scope
    }

    /// All streams.
    pub fn streams(&self) -> &[StreamModel] {
        &self.streams
    }

    /// One stream.
    pub fn stream(&self, id: StreamId) -> Option<&StreamModel> {
        self.streams.iter().find(|s| s.id == id)
    }

    /// The streams of a pair with their directions.
    pub fn pair(&self, slot: MediaSlot) -> Vec<(StreamId, Direction)> {
        self.streams
            .iter()
            .filter(|s| s.slot == slot)
            .map(|s| (s.id, s.direction))
            .collect()
    }

    /// The streams that `terminal` is on.
    pub fn streams_with(&self, terminal: TerminalId) -> Vec<StreamId> {
        let with = self.streams.iter().filter(|s| s.has(terminal));
        with.map(|s| s.id).collect()
    }

    /// Whether `stream` flows.
    pub fn flows(&self, stream: StreamId) -> bool {
        self.stream(stream).is_some_and(|s| s.flow.flows())
    }

    fn ids(&self) -> Vec<StreamId> {
        self.streams.iter().map(|s| s.id).collect()
    }

    fn unknown(&self, stream: StreamId) -> Error {
        Error::new(
            ErrorKind::InvalidStream,
            format!("call {}, stream {stream}", self.key),
        )
    }

    fn open_stream(&self, stream: StreamId) -> Result<&StreamModel> {
        if self.state == MediaCallState::Disconnected {
            return Err(Error::new(ErrorKind::Closed, format!("call {}", self.key)));
        }
        self.stream(stream).ok_or_else(|| self.unknown(stream))
    }

    fn stream_mut(&mut self, stream: StreamId) -> Result<&mut StreamModel> {
        let unknown = self.unknown(stream);
        self.streams
            .iter_mut()
            .find(|s| s.id == stream)
            .ok_or(unknown)
    }

    fn take_off(&mut self, stream: StreamId, terminal: TerminalId) -> Result<()> {
        let model = self.stream_mut(stream)?;
        if !model.has(terminal) {
            return Err(Error::new(
                ErrorKind::InvalidTerminal,
                format!("terminal {terminal}"),
            ));
        }
        model.terminals.retain(|t| t.id() != terminal);
        Ok(())
    }

    fn input(&mut self, now: Instant, stream: StreamId, input: FlowInput, error: Option<&Error>) {
        let Ok(model) = self.stream_mut(stream) else {
            return;
        };
        let (next, change) = model.flow.after(input);
        model.flow = next;
        let (kind, cause) = match change {
            Some(FlowChange::Active(cause)) => (EventKind::StreamActive, cause),
            Some(FlowChange::Inactive(cause)) => (EventKind::StreamInactive, cause),
            None => return,
        };
        self.emit(now, self.scope.stream(stream), kind, cause, error.cloned());
    }

    fn emit(
        &mut self,
        at: Instant,
        scope: Scope,
        kind: EventKind,
        cause: Cause,
        error: Option<Error>,
    ) {
        self.events.push(MspEvent {
            at,
            scope,
            kind,
            cause,
            error,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c25_keys_that_are_told_in_two_ways_are_told_once_however_they_interleave() {
        let audio = MediaKinds::AUDIO;
        let mut call = CallModel::new(AddressId(1), CallKey(1), audio, audio, 1).unwrap();
        let digit = |c| Digit::from_char(c).unwrap();
        let (event, tone) = (DigitWay::Event, DigitWay::Tone);
        for (ms, way, key) in [
            (0, event, '1'),
            (150, event, '2'),
            (245, tone, '1'),
            (395, tone, '2'),
            (600, event, '2'),
            (845, tone, '2'),
            (2_000, tone, '1'),
        ] {
            call.digit(Instant::from_millis(ms), way, None, digit(key));
        }
        let told: Vec<_> = call.drain_events().map(|e| e.kind).collect();
        assert_eq!(
            told,
            ['1', '2', '2', '1'].map(|c| EventKind::Digit(digit(c)))
        );
    }
}
