//! The media half of one call, as the control side knows it: its streams, its terminals, its digits.

mod signal;

use std::collections::BTreeMap;
use std::sync::Arc;

use msp_codecs::CodecRegistry;
use msp_core::event::{Cause, EventKind, MspEvent};
use msp_core::flow::Desired;
use msp_core::gather::GatherSpec;
use msp_core::id::{AddressId, CallKey, Generation, LegId, Ssrc, StreamId, TerminalId};
use msp_core::link::{Digit, Envelope, PrepareSlot, ToTsp};
use msp_core::media::{Direction, MediaKinds};
use msp_core::model::{CallModel, DigitWay};
use msp_core::params::{CodecSpec, MediaParams, MediaSlot, PayloadMapping, SecurityPolicy};
use msp_core::provider::{MediaCallState, SubStream};
use msp_core::terminal::Terminal;
use msp_core::time::{ClockRate, Instant};
use msp_core::{Error, ErrorKind, Result};
use msp_rtp::rtcp::WallClock;

use super::legs::Legs;
use super::offer;
use super::pair::Pair;
use super::resources::{ControlOutput, Resources};
use crate::config::EngineConfig;
use crate::shard::{self, Edge, Flow, Garbage, Keys, MediaReport, ShardCommand};

/// Terminals that a stream takes at most.
pub(crate) const MAX_TERMINALS: usize = 16;

/// Digits that wait to be sent at most.
const MAX_DIGITS: usize = 64;

/// What a call needs of the engine while something is done to it.
pub(crate) struct Context<'a> {
    pub(crate) now: Instant,
    pub(crate) config: &'a EngineConfig,
    pub(crate) wall: WallClock,
    pub(crate) resources: &'a mut Resources,
}

impl Context<'_> {
    fn output(&mut self, output: ControlOutput) {
        self.resources.outputs.push_back(output);
    }
}

/// A question of the signalling half that waits for ports.
#[derive(Clone, Debug)]
struct Waiting {
    leg: LegId,
    generation: Generation,
    slots: Vec<PrepareSlot>,
    policy: SecurityPolicy,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct CallCore {
    address: AddressId,
    key: CallKey,
    pub(crate) model: CallModel,
    pairs: Vec<Pair>,
    legs: Legs,
    /// The shard that all pairs live on.
    shard: Option<usize>,
    waiting: Vec<Waiting>,
    /// We answer an offer.
    answers: bool,
    /// Something was agreed on before.
    agreed_once: bool,
    /// When it is asked again, as it stands in the resources.
    deadline: Option<Instant>,
}

impl CallCore {
    pub(crate) fn new(
        config: &EngineConfig,
        address: AddressId,
        key: CallKey,
        kinds: MediaKinds,
    ) -> Result<Self> {
        let model = CallModel::new(address, key, kinds, MediaKinds::AUDIO, MAX_TERMINALS)?;
        let preferred = config.codecs.iter().find(|c| c.info().channels == 1);
        let rate = preferred.map_or(ClockRate::HZ_8000, |c| c.info().sample_rate);
        let mut streams: BTreeMap<MediaSlot, [Option<StreamId>; 2]> = BTreeMap::new();
        for stream in model.streams() {
            let way = usize::from(stream.direction() == Direction::Render);
            streams.entry(stream.slot()).or_default()[way] = Some(stream.id());
        }
        let pairs = streams
            .into_iter()
            .filter_map(|(slot, [capture, render])| Some(Pair::new(slot, capture?, render?, rate)))
            .collect();
        Ok(Self {
            address,
            key,
            model,
            pairs,
            legs: Legs::default(),
            shard: None,
            waiting: Vec::new(),
            answers: false,
            agreed_once: false,
            deadline: None,
        })
    }

    /// A shard tells something about a pair.
    pub(crate) fn media(&mut self, cx: &mut Context<'_>, slot: MediaSlot, report: MediaReport) {
        let now = cx.now;
        let Ok(pair) = self.pair(slot) else { return };
        let render = pair.render;
        match report {
            MediaReport::Digit(digit) => {
                self.model.digit(now, DigitWay::Event, Some(render), digit);
            }
            MediaReport::Locked(address) => {
                let kind = EventKind::SourceLocked(address);
                self.model.tell(now, render, kind, Cause::RemoteRequest);
            }
            MediaReport::Participant {
                ssrc,
                name,
                present,
            } => {
                let name = name.as_ref().map(|n| Arc::from(n.as_str()));
                self.note_source(slot, ssrc, name.clone(), present);
                let kind = EventKind::Participant {
                    ssrc,
                    name,
                    present,
                };
                self.model.tell(now, render, kind, Cause::RemoteRequest);
            }
            MediaReport::Arrives(arrives) => {
                self.model.media(now, render, arrives);
                if let (false, Some(leg)) = (arrives, self.legs.selected()) {
                    let generation = self.legs.generation(leg);
                    self.reply(cx, leg, generation, ToTsp::MediaLost { slot });
                }
            }
            MediaReport::Unsent(digits) => {
                for digit in &digits.0 {
                    self.tell_unsent(cx, *digit);
                }
            }
            MediaReport::StreamPanicked(direction) => {
                let stream = pair.stream(direction);
                let error = Error::new(ErrorKind::Panicked, format!("stream {stream}"));
                self.model.stream_failed(now, stream, &error);
            }
            MediaReport::TerminalPanicked(direction, terminal) => {
                let stream = pair.stream(direction);
                let error = Error::new(ErrorKind::Panicked, format!("terminal {terminal}"));
                self.terminal_failed(cx, stream, terminal, error);
            }
        }
        self.publish(cx);
    }

    fn note_source(&mut self, slot: MediaSlot, ssrc: Ssrc, name: Option<Arc<str>>, present: bool) {
        if let Some(pair) = self.pairs.iter_mut().find(|p| p.slot == slot) {
            pair.source = present.then_some(SubStream { ssrc, name });
        }
    }

    /// A terminal tells something about itself.
    pub(crate) fn terminal_event(
        &mut self,
        cx: &mut Context<'_>,
        stream: StreamId,
        terminal: TerminalId,
        kind: EventKind,
        cause: Cause,
        error: Option<Error>,
    ) {
        if kind == EventKind::TerminalFail {
            let error = error
                .unwrap_or_else(|| Error::new(ErrorKind::Device, format!("terminal {terminal}")));
            self.terminal_failed(cx, stream, terminal, error);
            self.publish(cx);
            return;
        }
        if let (EventKind::MediaClass(class), Some((pair, _))) =
            (&kind, pair_of(&mut self.pairs, stream))
        {
            // Fax, modems and text telephones bear no stretching.
            let still = class.is_data();
            pair.tell(cx.resources, |t| ShardCommand::HoldStill(t, still));
        }
        if let EventKind::Digit(digit) = kind {
            // A terminal hears keys in the sound.
            self.model
                .digit(cx.now, DigitWay::Tone, Some(stream), digit);
            self.publish(cx);
            return;
        }
        self.publish(cx);
        let scope = self.model.scope().stream(stream).terminal(terminal);
        let event = MspEvent {
            at: cx.now,
            scope,
            kind,
            cause,
            error,
        };
        cx.output(ControlOutput::Event(event));
    }

    /// A static terminal is gone: it is off the streams that it was on.
    pub(crate) fn unplugged(&mut self, cx: &mut Context<'_>, terminal: TerminalId) {
        for stream in self.model.streams_with(terminal) {
            let error = Error::new(ErrorKind::Device, format!("terminal {terminal} is gone"));
            self.terminal_failed(cx, stream, terminal, error);
        }
        self.publish(cx);
    }

    fn terminal_failed(
        &mut self,
        cx: &mut Context<'_>,
        stream: StreamId,
        terminal: TerminalId,
        error: Error,
    ) {
        if let Some(taken) = self.terminal(stream, terminal) {
            // Whoever holds it last may close a file with it: not under the locks.
            cx.output(ControlOutput::Drop(Garbage::of(Box::new(taken))));
        }
        self.model.terminal_failed(cx.now, stream, terminal, error);
        if let Some((pair, direction)) = pair_of(&mut self.pairs, stream) {
            pair.disconnect(cx.resources, direction, terminal);
        }
    }

    /// The rate at which a terminal is to be connected to `stream`.
    pub(crate) fn check_select(
        &self,
        stream: StreamId,
        terminal: &dyn Terminal,
    ) -> Result<ClockRate> {
        self.model.check_select(stream, terminal)?;
        let rate = |p: &Pair| Some(p.rate(p.direction_of(stream)?));
        let rate = self.pairs.iter().find_map(rate);
        rate.ok_or_else(|| no_stream(stream))
    }

    /// `terminal` was connected to `stream`.
    ///
    /// # Errors
    /// Those of [`check_select`](Self::check_select), with the edge that found no place.
    pub(crate) fn select(
        &mut self,
        cx: &mut Context<'_>,
        stream: StreamId,
        terminal: Arc<dyn Terminal>,
        edge: Box<Edge>,
    ) -> Result<(), (Error, Option<Box<Edge>>)> {
        if let Err(e) = self.model.check_select(stream, &*terminal) {
            return Err((e, Some(edge)));
        }
        let Some((pair, _)) = pair_of(&mut self.pairs, stream) else {
            return Err((no_stream(stream), Some(edge)));
        };
        pair.connect(cx.resources, edge).map_err(|e| (e, None))?;
        self.model
            .selected(cx.now, stream, terminal)
            .map_err(|e| (e, None))?;
        self.publish(cx);
        Ok(())
    }

    /// Takes a terminal off a stream. It is given back to be dropped outside of the locks.
    pub(crate) fn unselect(
        &mut self,
        cx: &mut Context<'_>,
        stream: StreamId,
        terminal: TerminalId,
    ) -> Result<Option<Arc<dyn Terminal>>> {
        let taken = self.terminal(stream, terminal);
        self.model.unselect(cx.now, stream, terminal)?;
        // First the flow: what the last terminal gave must not be waited for.
        self.publish(cx);
        if let Some((pair, direction)) = pair_of(&mut self.pairs, stream) {
            pair.disconnect(cx.resources, direction, terminal);
        }
        Ok(taken)
    }

    fn terminal(&self, stream: StreamId, id: TerminalId) -> Option<Arc<dyn Terminal>> {
        let terminals = self.model.stream(stream)?.terminals();
        terminals.iter().find(|t| t.id() == id).cloned()
    }

    pub(crate) fn desire(
        &mut self,
        cx: &mut Context<'_>,
        stream: StreamId,
        desired: Desired,
    ) -> Result<()> {
        self.model.desire(cx.now, stream, desired)?;
        self.publish(cx);
        Ok(())
    }

    pub(crate) fn send_digits(
        &mut self,
        cx: &mut Context<'_>,
        stream: StreamId,
        digits: &[Digit],
    ) -> Result<()> {
        if self.model.state() == MediaCallState::Disconnected {
            return Err(Error::new(ErrorKind::Closed, format!("call {}", self.key)));
        }
        let pair = self
            .pairs
            .iter()
            .position(|p| p.direction_of(stream).is_some());
        let pair = pair.ok_or_else(|| no_stream(stream))?;
        let Some(pair) = self.pairs.get_mut(pair) else {
            return Err(no_stream(stream));
        };
        if pair.direction_of(stream) != Some(Direction::Capture) {
            return Err(Error::new(
                ErrorKind::InvalidDirection,
                format!("stream {stream}"),
            ));
        }
        let agreed = self.legs.selected().and_then(|l| self.legs.running(l));
        let agreed = agreed.and_then(|a| a.params.iter().find(|p| p.slot == pair.slot));
        if agreed.is_some_and(|p| !takes_digits(p)) {
            return Err(Error::new(
                ErrorKind::Unsupported,
                "the peer takes no digits in its media",
            ));
        }
        if pair.digits.len() + digits.len() > MAX_DIGITS {
            return Err(Error::new(ErrorKind::Busy, "digits"));
        }
        pair.digits.extend(digits);
        self.publish(cx);
        Ok(())
    }

    pub(crate) fn gather(&mut self, cx: &mut Context<'_>, spec: GatherSpec) -> Result<()> {
        self.model.gather(cx.now, spec)?;
        self.publish(cx);
        Ok(())
    }

    pub(crate) fn cancel_gathering(&mut self, cx: &mut Context<'_>) {
        self.model.cancel_gathering(cx.now);
        self.publish(cx);
    }

    /// A deadline of the call has passed, perhaps one that holds no more.
    pub(crate) fn timeout(&mut self, cx: &mut Context<'_>) {
        self.deadline = None;
        self.model.timeout(cx.now);
        self.publish(cx);
    }

    /// Has the call asked again when its digits take too long.
    fn note_deadline(&mut self, cx: &mut Context<'_>) {
        let wanted = self.model.deadline();
        if wanted == self.deadline {
            return;
        }
        let deadlines = &mut cx.resources.deadlines;
        if let Some(old) = self.deadline {
            deadlines.remove(&(old, self.key));
        }
        if let Some(at) = wanted {
            deadlines.insert((at, self.key));
        }
        self.deadline = wanted;
    }

    /// The source that is heard on `stream`.
    pub(crate) fn source(&self, stream: StreamId) -> Option<SubStream> {
        let pair = self.pairs.iter().find(|p| p.render == stream)?;
        pair.source.clone()
    }

    /// What a shard lets see of the pair of `stream`.
    pub(crate) fn published(&self, stream: StreamId) -> Option<shard::Snapshot> {
        let pair = self
            .pairs
            .iter()
            .find(|p| p.direction_of(stream).is_some())?;
        Some(pair.published.get())
    }

    /// The encoding that a capture stream is sent with, or that was last received on a render stream.
    pub(crate) fn codec(&self, codecs: &CodecRegistry, stream: StreamId) -> Option<CodecSpec> {
        let pair = self
            .pairs
            .iter()
            .find(|p| p.direction_of(stream).is_some())?;
        let agreed = self.legs.running(self.legs.selected()?)?;
        let params = agreed.params.iter().find(|p| p.slot == pair.slot)?;
        let codec = if pair.direction_of(stream) == Some(Direction::Capture) {
            offer::chosen(codecs, params).map(|(m, _)| m)
        } else {
            let received = pair.published.get().received;
            let of_type = |m: &&PayloadMapping| Some(m.payload_type) == received;
            params.receive.iter().find(of_type).or_else(|| {
                let sound = |m: &&PayloadMapping| !m.codec.is_telephone_event();
                params.receive.iter().find(sound)
            })
        };
        codec.map(|m| m.codec.clone())
    }

    fn pair(&self, slot: MediaSlot) -> Result<&Pair> {
        self.pairs.iter().find(|p| p.slot == slot).ok_or_else(|| {
            Error::new(
                ErrorKind::InvalidStream,
                format!("call {}, slot {slot}", self.key),
            )
        })
    }

    fn tell_all(&self, cx: &mut Context<'_>, command: impl Fn(shard::TransportId) -> ShardCommand) {
        for pair in &self.pairs {
            pair.tell(cx.resources, &command);
        }
    }

    fn reply(&self, cx: &mut Context<'_>, leg: LegId, generation: Generation, body: ToTsp) {
        cx.output(ControlOutput::Reply(
            self.address,
            Envelope {
                call: self.key,
                leg,
                generation,
                body,
            },
        ));
    }

    /// Hands a digit that media do not carry to the signalling half, which has other ways or tells the application.
    fn tell_unsent(&self, cx: &mut Context<'_>, digit: Digit) {
        let leg = self.legs.selected().unwrap_or(LegId::FIRST);
        let duration = cx.config.digit_length;
        let body = ToTsp::Digit { digit, duration };
        self.reply(cx, leg, self.legs.generation(leg), body);
    }

    /// Tells what changed: events to the application, flow and digits to the shard, and when the call is to be asked again.
    fn publish(&mut self, cx: &mut Context<'_>) {
        self.note_deadline(cx);
        for event in self.model.drain_events() {
            cx.resources.outputs.push_back(ControlOutput::Event(event));
        }
        let selected = self.legs.selected().and_then(|l| self.legs.running(l));
        let mut unsent = Vec::new();
        // While it rings a peer need not be heard.
        let confirmed = self.legs.is_confirmed();
        for pair in &mut self.pairs {
            let agreed = selected.and_then(|a| a.params.iter().find(|p| p.slot == pair.slot));
            let receive = self.model.flows(pair.render);
            let flow = Flow {
                send: self.model.flows(pair.capture),
                receive,
                expect: confirmed && agreed.is_some_and(|p| !p.refused && p.direction.receives()),
            };
            pair.set_flow(cx.resources, flow);
            if flow.send && !pair.digits.is_empty() {
                if agreed.is_some_and(takes_digits) {
                    let digits = Box::new(Keys(pair.digits.drain(..).collect()));
                    pair.tell(cx.resources, |t| ShardCommand::Digits(t, digits));
                } else {
                    unsent.extend(pair.digits.drain(..));
                }
            }
        }
        for digit in unsent {
            self.tell_unsent(cx, digit);
        }
    }
}

fn takes_digits(params: &MediaParams) -> bool {
    params.send.iter().any(|m| m.codec.is_telephone_event())
}

fn pair_of(pairs: &mut [Pair], stream: StreamId) -> Option<(&mut Pair, Direction)> {
    pairs.iter_mut().find_map(|p| {
        let direction = p.direction_of(stream)?;
        Some((p, direction))
    })
}

fn no_stream(stream: StreamId) -> Error {
    Error::new(ErrorKind::InvalidStream, format!("stream {stream}"))
}
