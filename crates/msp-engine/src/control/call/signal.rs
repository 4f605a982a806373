//! What the signalling half asks of a call: ports, agreements, legs, the end.

use std::net::IpAddr;
use std::sync::Arc;

use msp_core::event::{Cause, EventKind};
use msp_core::id::{Generation, LegId};
use msp_core::link::{Envelope, Finality, OfferRole, PrepareSlot, ToMsp, ToTsp};
use msp_core::media::{MediaDirection, MediaKind};
use msp_core::model::DigitWay;
use msp_core::params::{LocalAddress, MediaParams, MediaSlot, Profile, SecurityPolicy};
use msp_core::provider::MediaCallState;
use msp_core::trace::TraceBody;
use msp_core::{Error, ErrorKind, Result};

use super::{CallCore, Context, Waiting};
use crate::control::legs::{Agreement, Legs};
use crate::control::offer::{self, Ports};
use crate::control::pair::{Pair, Place};
use crate::control::resources::{ControlOutput, Opening, RequestId};
use crate::control::security;
use crate::shard::{self, Birth, Garbage, LegChange, ShardCommand, Transport};

impl CallCore {
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
            ToMsp::Digit { digit, .. } => {
                self.model.digit(cx.now, DigitWay::Signalling, None, digit);
                Ok(())
            }
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
        self.legs.prepare(leg, generation)?;
        if self.pairs.iter().all(|p| p.place == Place::None) {
            self.model
                .place(&slots, |slot| can_be_carried(slot, policy));
            for pair in &mut self.pairs {
                if let Some(stream) = self.model.stream(pair.render) {
                    pair.slot = stream.slot();
                }
            }
        }
        let shard = match self.shard {
            Some(shard) => shard,
            None => cx.resources.choose_shard()?,
        };
        self.shard = Some(shard);
        for pair in &mut self.pairs {
            if !slots.iter().any(|s| carried(s, pair, policy)) {
                continue;
            }
            match pair.place {
                Place::None => {
                    let request = cx
                        .resources
                        .open(cx.now, cx.config, self.key, pair.slot, toward)?;
                    pair.place = Place::Opening(request);
                }
                Place::Open { ports, .. } => {
                    let bound = ports.rtp.bound.ip();
                    if toward.is_some_and(|t| t.is_ipv4() != bound.is_ipv4()) {
                        let what = format!("media from {bound} cannot move to another family");
                        return Err(Error::new(ErrorKind::Unsupported, what));
                    }
                    pair.locating = cx
                        .resources
                        .locate(cx.config, self.key, pair.slot, ports, toward);
                }
                Place::Opening(_) | Place::Closed => {}
            }
        }
        self.waiting.push(Waiting {
            leg,
            generation,
            slots,
            policy,
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
        if opening.located {
            self.located(cx, id, result);
            return;
        }
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

    /// A driver says where ports of a pair are reached now, or does not know: then it is where it was.
    fn located(
        &mut self,
        cx: &mut Context<'_>,
        id: RequestId,
        result: Result<(LocalAddress, Option<LocalAddress>)>,
    ) {
        let mut pairs = self.pairs.iter_mut();
        let Some(pair) = pairs.find(|p| p.locating == Some(id)) else {
            return;
        };
        pair.locating = None;
        if let (Place::Open { ports, .. }, Ok((rtp, rtcp))) = (&mut pair.place, result) {
            *ports = Ports { rtp, rtcp };
        }
        self.answer_waiting(cx);
    }

    fn refuse_waiting(&mut self, cx: &mut Context<'_>, error: &Error) {
        for waiting in std::mem::take(&mut self.waiting) {
            let body = ToTsp::Refused(error.clone());
            self.reply(cx, waiting.leg, waiting.generation, body);
        }
    }

    fn answer_waiting(&mut self, cx: &mut Context<'_>) {
        let opening = |p: &Pair| matches!(p.place, Place::Opening(_)) || p.locating.is_some();
        if self.pairs.iter().any(opening) {
            return;
        }
        for waiting in std::mem::take(&mut self.waiting) {
            let policy = waiting.policy;
            let mut local = Vec::with_capacity(waiting.slots.len());
            for slot in &waiting.slots {
                let pair = self.pairs.iter_mut().find(|p| carried(slot, p, policy));
                local.push(match pair {
                    Some(pair) if let Place::Open { ports, .. } = pair.place => {
                        let keys = pair.keys(policy, &mut *cx.resources.random);
                        offer::local(cx.config, slot, ports, policy, keys)
                    }
                    _ => offer::refused(slot),
                });
            }
            let body = ToTsp::Local(local);
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
            offer::check(&cx.config.codecs, agreed)?;
            let fresh = is_new.then(|| {
                let random = &mut *cx.resources.random;
                shard::session(cx.config, cx.wall, random)
            });
            changes.push(LegChange::new(leg, cx.config, agreed, fresh)?);
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
        let generation = agreement.generation;
        self.tell_all(cx, |t| ShardCommand::SelectLeg(t, leg));
        self.tell_security(cx, leg, generation, &params);
        self.model.agreed(cx.now, Cause::RemoteRequest, &params);
        Ok(())
    }

    /// Tells both sides whether media are encrypted, where that is news.
    fn tell_security(
        &mut self,
        cx: &mut Context<'_>,
        leg: LegId,
        generation: Generation,
        params: &[MediaParams],
    ) {
        for agreed in params.iter().filter(|p| !p.refused) {
            let secured = security::is_secured(agreed);
            let slot = agreed.slot;
            let Some(pair) = self.pairs.iter_mut().find(|p| p.slot == slot) else {
                continue;
            };
            if !pair.note_secured(secured, agreed.policy) {
                continue;
            }
            let stream = pair.render;
            let kind = EventKind::Secured(secured);
            self.model.tell(cx.now, stream, kind, Cause::RemoteRequest);
            self.reply(cx, leg, generation, ToTsp::Security { slot, secured });
        }
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
}

fn carried(slot: &PrepareSlot, pair: &Pair, policy: SecurityPolicy) -> bool {
    slot.slot == pair.slot && can_be_carried(slot, policy)
}

/// Whether a stream pair can be carried: sound, by a profile whose keys we can have.
const fn can_be_carried(slot: &PrepareSlot, policy: SecurityPolicy) -> bool {
    let profile = match slot.profile {
        Profile::UdpTlsSavp | Profile::UdpTlsSavpf => false,
        Profile::Savp | Profile::Savpf => !matches!(policy, SecurityPolicy::Off),
        _ => true,
    };
    matches!(slot.kind, MediaKind::Audio) && profile
}
