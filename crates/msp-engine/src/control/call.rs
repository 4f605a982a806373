//! The media half of one call, as the control side knows it: its streams, its legs, what was agreed.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use msp_codecs::CodecRegistry;
use msp_core::event::{Cause, EventKind, MspEvent};
use msp_core::flow::Desired;
use msp_core::id::{AddressId, CallKey, Generation, LegId, Ssrc, StreamId, TerminalId};
use msp_core::link::{Digit, Envelope, Finality, OfferRole, PrepareSlot, ToMsp, ToTsp};
use msp_core::media::{Direction, MediaDirection, MediaKind, MediaKinds};
use msp_core::model::CallModel;
use msp_core::params::{
    CodecSpec, LocalAddress, MediaParams, MediaSlot, PayloadMapping, SecurityPolicy,
};
use msp_core::provider::{MediaCallState, SubStream};
use msp_core::terminal::Terminal;
use msp_core::time::{ClockRate, Instant};
use msp_core::trace::TraceBody;
use msp_core::{Error, ErrorKind, Result};
use msp_rtp::rtcp::WallClock;

use super::legs::{Agreement, Legs};
use super::offer::{self, Ports};
use super::pair::{Pair, Place};
use super::resources::{ControlOutput, Opening, Resources};
use crate::config::EngineConfig;
use crate::shard::{
    self, Birth, Edge, Flow, Garbage, Keys, LegChange, MediaReport, ShardCommand, Transport,
};

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
        })
    }

    /// Takes a message of the signalling half.
    pub(crate) fn message(&mut self, cx: &mut Context<'_>, message: Envelope<ToMsp>) {
        let Envelope {
            leg,
            generation,
            body,
            ..
        } = message;
        let over = self.model.state() == MediaCallState::Disconnected;
        let result = match body {
            ToMsp::Disconnected { cause } => {
                self.disconnect(cx, cause);
                Ok(())
            }
            _ if over => Err(Error::new(ErrorKind::Closed, format!("call {}", self.key))),
            ToMsp::Prepare {
                role,
                slots,
                policy,
                toward,
            } => {
                if self.model.state() == MediaCallState::Idle {
                    self.answers = role == OfferRole::Answerer;
                }
                self.prepare(cx, leg, generation, slots, policy, toward)
            }
            ToMsp::Apply { finality, params } => self
                .apply(cx, leg, generation, finality, params)
                .map(|()| self.reply(cx, leg, generation, ToTsp::Applied)),
            ToMsp::Commit => self.legs.commit(leg, generation),
            ToMsp::Rollback => self.roll_back(cx, leg, generation),
            ToMsp::DropLeg => {
                self.drop_leg(cx, leg);
                Ok(())
            }
            ToMsp::Direction {
                slot,
                direction,
                cause,
            } => self.direct(cx, leg, slot, direction, cause),
            _ => Err(Error::new(ErrorKind::Unsupported, "message")),
        };
        if let Err(error) = result {
            self.reply(cx, leg, generation, ToTsp::Refused(error));
        }
        self.publish(cx);
    }

    fn prepare(
        &mut self,
        cx: &mut Context<'_>,
        leg: LegId,
        generation: Generation,
        slots: Vec<PrepareSlot>,
        policy: SecurityPolicy,
        toward: Option<IpAddr>,
    ) -> Result<()> {
        if policy == SecurityPolicy::Required {
            let what = "media cannot be encrypted";
            return Err(Error::new(ErrorKind::Unsupported, what));
        }
        self.legs.prepare(leg, generation)?;
        let shard = match self.shard {
            Some(shard) => shard,
            None => cx.resources.choose_shard()?,
        };
        self.shard = Some(shard);
        let mut opening = Vec::new();
        for pair in &mut self.pairs {
            if !slots.iter().any(|s| carried(s, pair)) {
                continue;
            }
            match pair.place {
                Place::None => {
                    let request = cx
                        .resources
                        .open(cx.now, cx.config, self.key, pair.slot, toward)?;
                    opening.push((pair.slot, request));
                    pair.place = Place::Opening(request);
                }
                Place::Open { ports, .. } => {
                    let bound = ports.rtp.bound.ip();
                    if toward.is_some_and(|t| t.is_ipv4() != bound.is_ipv4()) {
                        let what = format!("media from {bound} cannot move to another family");
                        return Err(Error::new(ErrorKind::Unsupported, what));
                    }
                }
                Place::Opening(_) | Place::Closed => {}
            }
        }
        self.waiting.push(Waiting {
            leg,
            generation,
            slots,
        });
        self.answer_waiting(cx);
        Ok(())
    }

    /// A driver opened ports for a pair, or could not.
    pub(crate) fn opened(
        &mut self,
        cx: &mut Context<'_>,
        opening: &Opening,
        result: Result<(LocalAddress, Option<LocalAddress>)>,
    ) {
        let id = opening.request.id;
        let key = self.key;
        let pair = self
            .pairs
            .iter_mut()
            .find(|p| p.slot == opening.slot && p.place == Place::Opening(id));
        let (Some(pair), Some(shard)) = (pair, self.shard) else {
            // The call ended meanwhile.
            if result.is_ok() {
                cx.output(ControlOutput::Discard(id));
            }
            cx.resources.give_back(cx.now, opening.request.port);
            return;
        };
        let (rtp, rtcp) = match result {
            Ok(ports) => ports,
            Err(error) => {
                pair.place = Place::None;
                cx.resources.give_back(cx.now, opening.request.port);
                self.refuse_waiting(cx, &error);
                return;
            }
        };
        let port = opening.request.port;
        let Some(transport) = cx.resources.place(shard, key, pair.slot, port) else {
            return;
        };
        pair.place = Place::Open {
            shard,
            transport,
            ports: Ports { rtp, rtcp },
        };
        let leg = self.waiting.first().map_or(LegId::FIRST, |w| w.leg);
        let boxed = Transport::new(Birth {
            call: key,
            stream: pair.render,
            rtp,
            rtcp,
            answers: self.answers,
            leg,
            session: shard::session(cx.config, cx.wall, &mut *cx.resources.random),
            published: Arc::clone(&pair.published),
            edges: pair.take_parked(),
        });
        cx.output(ControlOutput::Attach {
            request: id,
            shard,
            id: transport,
            transport: boxed,
        });
        self.model.prepared(cx.now);
        self.answer_waiting(cx);
        self.publish(cx);
    }

    fn refuse_waiting(&mut self, cx: &mut Context<'_>, error: &Error) {
        for waiting in std::mem::take(&mut self.waiting) {
            let body = ToTsp::Refused(error.clone());
            self.reply(cx, waiting.leg, waiting.generation, body);
        }
    }

    fn answer_waiting(&mut self, cx: &mut Context<'_>) {
        let opening = |p: &Pair| matches!(p.place, Place::Opening(_));
        if self.pairs.iter().any(opening) {
            return;
        }
        for waiting in std::mem::take(&mut self.waiting) {
            let local = waiting.slots.iter().map(|slot| {
                let pair = self.pairs.iter().find(|p| carried(slot, p));
                match pair.map(|p| p.place) {
                    Some(Place::Open { ports, .. }) => offer::local(cx.config, slot, ports),
                    _ => offer::refused(slot),
                }
            });
            let body = ToTsp::Local(local.collect());
            self.reply(cx, waiting.leg, waiting.generation, body);
        }
    }

    fn apply(
        &mut self,
        cx: &mut Context<'_>,
        leg: LegId,
        generation: Generation,
        finality: Finality,
        params: Vec<MediaParams>,
    ) -> Result<()> {
        self.legs.check_apply(leg, generation)?;
        // The first that is agreed on takes the session that was there from the preparation on.
        let is_new = self.agreed_once && self.legs.running(leg).is_none();
        let mut changes = Vec::new();
        for agreed in params.iter().filter(|p| !p.refused) {
            let pair = self.pair(agreed.slot)?;
            if !matches!(pair.place, Place::Open { .. }) {
                let what = format!("slot {} has no ports", agreed.slot);
                return Err(Error::new(ErrorKind::WrongState, what));
            }
            let info = offer::check(&cx.config.codecs, agreed)?;
            let fresh = is_new.then(|| {
                let random = &mut *cx.resources.random;
                shard::session(cx.config, cx.wall, random)
            });
            changes.push(LegChange::new(leg, cx.config, agreed, info, fresh)?);
        }
        self.agreed_once = true;
        let rates: Vec<_> = changes.iter().map(|c| c.rates()).collect();
        for (agreed, change) in params.iter().filter(|p| !p.refused).zip(changes) {
            let pair = self.pair(agreed.slot)?;
            pair.tell(cx.resources, |t| ShardCommand::SetLeg(t, change));
        }
        cx.config
            .trace
            .record(cx.now, Some(self.key), || TraceBody::Agreed {
                leg,
                generation,
                params: params.clone(),
            });
        let agreement = Agreement {
            generation,
            params,
            rates,
        };
        let dropped = self.legs.agree(leg, agreement, finality);
        for other in dropped {
            self.tell_all(cx, |t| ShardCommand::DropLeg(t, other));
        }
        if self.legs.selected() == Some(leg) {
            self.select_leg(cx, leg)?;
        }
        Ok(())
    }

    /// The media of `leg` reach the terminals from now on, and what it agreed on holds.
    fn select_leg(&mut self, cx: &mut Context<'_>, leg: LegId) -> Result<()> {
        let Some(agreement) = self.legs.running(leg) else {
            return Ok(());
        };
        let carried = agreement.params.iter().filter(|p| !p.refused);
        for (agreed, rates) in carried.zip(&agreement.rates) {
            if let Some(pair) = self.pairs.iter_mut().find(|p| p.slot == agreed.slot) {
                pair.set_rates(cx.resources, *rates)?;
            }
        }
        let params = agreement.params.clone();
        self.tell_all(cx, |t| ShardCommand::SelectLeg(t, leg));
        self.model.agreed(cx.now, Cause::RemoteRequest, &params);
        Ok(())
    }

    fn roll_back(
        &mut self,
        cx: &mut Context<'_>,
        leg: LegId,
        generation: Generation,
    ) -> Result<()> {
        let Some(before) = self.legs.roll_back(leg, generation)? else {
            return Ok(());
        };
        let Some(agreement) = before else {
            // Nothing was agreed before: the leg is as it was after its first preparation.
            self.tell_all(cx, |t| ShardCommand::DropLeg(t, leg));
            self.quiet(cx, Cause::RemoteRequest);
            return Ok(());
        };
        let Agreement {
            generation, params, ..
        } = agreement;
        self.apply(cx, leg, generation, Finality::Provisional, params)
    }

    fn drop_leg(&mut self, cx: &mut Context<'_>, leg: LegId) {
        let was_selected = self.legs.selected() == Some(leg);
        self.legs.remove(leg);
        self.tell_all(cx, |t| ShardCommand::DropLeg(t, leg));
        if !was_selected {
            return;
        }
        match self.legs.select_newest() {
            // It was agreed on before, so it can be selected.
            Some(next) if self.select_leg(cx, next).is_ok() => {}
            _ => self.quiet(cx, Cause::RemoteRequest),
        }
    }

    /// No leg is there to carry media.
    fn quiet(&mut self, cx: &Context<'_>, cause: Cause) {
        for pair in &self.pairs {
            self.model
                .direct(cx.now, pair.slot, MediaDirection::Inactive, cause);
        }
    }

    fn direct(
        &mut self,
        cx: &mut Context<'_>,
        leg: LegId,
        slot: MediaSlot,
        direction: MediaDirection,
        cause: Cause,
    ) -> Result<()> {
        self.pair(slot)?;
        self.legs.direct(leg, slot, direction)?;
        self.pair(slot)?
            .tell(cx.resources, |t| ShardCommand::Direct(t, leg, direction));
        if self.legs.selected() == Some(leg) {
            self.model.direct(cx.now, slot, direction, cause);
        }
        Ok(())
    }

    /// The call is over. It can be asked, but holds nothing any more (C06).
    pub(crate) fn disconnect(&mut self, cx: &mut Context<'_>, cause: Cause) {
        if self.model.state() == MediaCallState::Disconnected {
            return;
        }
        let error = Error::new(ErrorKind::Closed, format!("call {}", self.key));
        self.refuse_waiting(cx, &error);
        for freed in self.model.disconnect(cx.now, cause) {
            cx.output(ControlOutput::Drop(Garbage::of(Box::new(freed))));
        }
        for pair in &mut self.pairs {
            pair.close(cx.resources);
        }
        if let Some(shard) = self.shard.take() {
            cx.resources.leave_shard(shard);
        }
        self.legs = Legs::default();
        self.publish(cx);
    }

    /// A shard tells something about a pair.
    pub(crate) fn media(&mut self, cx: &mut Context<'_>, slot: MediaSlot, report: MediaReport) {
        let now = cx.now;
        let Ok(pair) = self.pair(slot) else { return };
        let render = pair.render;
        match report {
            MediaReport::Digit(digit) => {
                let kind = EventKind::Digit(digit);
                self.model.tell(now, render, kind, Cause::RemoteRequest);
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

    fn terminal_failed(
        &mut self,
        cx: &mut Context<'_>,
        stream: StreamId,
        terminal: TerminalId,
        error: Error,
    ) {
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

    pub(crate) fn unselect(
        &mut self,
        cx: &mut Context<'_>,
        stream: StreamId,
        terminal: TerminalId,
    ) -> Result<()> {
        self.model.unselect(cx.now, stream, terminal)?;
        // First the flow: what the last terminal gave must not be waited for.
        self.publish(cx);
        if let Some((pair, direction)) = pair_of(&mut self.pairs, stream) {
            pair.disconnect(cx.resources, direction, terminal);
        }
        Ok(())
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

    /// Tells what changed: events to the application, flow and digits to the shard.
    fn publish(&mut self, cx: &mut Context<'_>) {
        for event in self.model.drain_events() {
            cx.resources.outputs.push_back(ControlOutput::Event(event));
        }
        let selected = self.legs.selected().and_then(|l| self.legs.running(l));
        for pair in &mut self.pairs {
            let agreed = selected.and_then(|a| a.params.iter().find(|p| p.slot == pair.slot));
            let receive = self.model.flows(pair.render);
            let flow = Flow {
                send: self.model.flows(pair.capture),
                receive,
                expect: agreed.is_some_and(|p| !p.refused && p.direction.receives()),
            };
            pair.set_flow(cx.resources, flow);
            if flow.send && !pair.digits.is_empty() {
                let digits = Box::new(Keys(pair.digits.drain(..).collect()));
                if agreed.is_some_and(takes_digits) {
                    pair.tell(cx.resources, |t| ShardCommand::Digits(t, digits));
                }
            }
        }
    }
}

fn takes_digits(params: &MediaParams) -> bool {
    params.send.iter().any(|m| m.codec.is_telephone_event())
}

fn carried(slot: &PrepareSlot, pair: &Pair) -> bool {
    slot.slot == pair.slot && slot.kind == MediaKind::Audio
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
