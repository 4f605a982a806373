//! Provisional responses that are acknowledged, and early media by them (RFC 3262).

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use msp_core::id::{CallKey, LegId};
use msp_core::time::Instant;
use tsp_sdp::State;

use super::UserAgent;
use super::content::description;
use super::interface::EndCause;
use super::media::agreed;
use super::policy::Reliable;
use super::services::{Inside, Services, Within, describe, is_of_sips};
use super::state::{Applying, Leg, ServingStep};
use super::timer;
use crate::account::AccountId;
use crate::dialog::{copy_record_route, tagged_response};
use crate::transaction::ServerId;
use crate::transport::Flow;
use crate::wire::{
    CSeq, HeaderName, Headers, Method, OptionTags, RAck, Request, Response, StatusCode, Text,
};

/// Reliable responses that wait for the PRACK of the one before, at most.
const MAX_QUEUE: usize = 4;

/// The extension's name.
pub(super) const TAG: &str = "100rel";

/// Our provisional responses of a leg that are acknowledged.
#[derive(Debug, Default)]
pub(super) struct Provisional {
    /// The number of the last one.
    number: Option<u32>,
    pending: Option<Pending>,
    queue: VecDeque<(StatusCode, Option<String>)>,
}

/// A response whose PRACK has not come.
#[derive(Debug)]
struct Pending {
    number: u32,
    invite: u32,
    /// It has an offer or an answer.
    described: bool,
    flow: Flow,
    bytes: Bytes,
    interval: Duration,
    repeat: Instant,
    give_up: Instant,
}

impl Provisional {
    pub(super) const fn new() -> Self {
        Self {
            number: None,
            pending: None,
            queue: VecDeque::new(),
        }
    }

    /// A 2xx has to wait: what was described is not acknowledged (RFC 3262 section 3).
    pub(super) fn holds_answer(&self) -> bool {
        let queued = self.queue.iter().any(|(_, text)| text.is_some());
        queued || self.pending.as_ref().is_some_and(|p| p.described)
    }

    /// When something is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.pending.as_ref().map(|p| p.repeat.min(p.give_up))
    }
}

/// When a provisional response of ours is reliable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum When {
    Never,
    /// Where it has a description.
    Described,
    Always,
}

impl When {
    /// What our policy and the peer's INVITE come to.
    pub(super) fn of(policy: Reliable, headers: &Headers) -> Self {
        let has = |name| headers.list_has(name, TAG);
        match policy {
            Reliable::Off => Self::Never,
            _ if has(&HeaderName::Require) => Self::Always,
            _ if !has(&HeaderName::Supported) => Self::Never,
            Reliable::Supported => Self::Described,
            Reliable::Required => Self::Always,
        }
    }
}

impl UserAgent {
    /// The application wants the caller to hear something before the call is answered.
    pub(super) fn progress_call(&mut self, now: Instant, key: CallKey) {
        let Some(serving) = self.alerting(key).and_then(|l| l.serving.as_mut()) else {
            return;
        };
        serving.early = true;
        self.prepare(now, key, LegId::FIRST);
        self.proceed(now, key, LegId::FIRST);
    }

    /// The media half applied what our early answer says: it goes out.
    pub(super) fn shown(&mut self, now: Instant, key: CallKey, leg_id: LegId) {
        let serving = self
            .calls
            .get_mut(&key)
            .and_then(|c| c.leg(leg_id)?.serving.as_mut());
        let Some(serving) = serving else { return };
        let ServingStep::Showing(text) = &mut serving.step else {
            return;
        };
        let text = std::mem::take(text);
        serving.step = ServingStep::Shown(text.clone());
        self.send_provisional(now, key, leg_id, StatusCode::SESSION_PROGRESS, Some(text));
        self.proceed(now, key, leg_id);
    }

    /// Says that the call goes on, with a description or without one.
    pub(super) fn send_provisional(
        &mut self,
        now: Instant,
        key: CallKey,
        leg_id: LegId,
        status: StatusCode,
        text: Option<String>,
    ) {
        let Some(leg) = self.calls.get_mut(&key).and_then(|c| c.leg(leg_id)) else {
            return;
        };
        let Some(serving) = leg.serving.as_ref() else {
            return;
        };
        let reliable = match serving.reliable {
            When::Never => false,
            When::Described => text.is_some(),
            When::Always => true,
        };
        if reliable && leg.provisional.pending.is_some() {
            // One after the other (RFC 3262 section 3).
            if leg.provisional.queue.len() < MAX_QUEUE {
                leg.provisional.queue.push_back((status, text));
            }
            return;
        }
        let tag = leg.dialog.id().local_tag.clone();
        let mut response = tagged_response(&serving.request, status, &tag);
        copy_record_route(&serving.request, &mut response);
        let headers = &mut response.headers;
        headers.put(
            HeaderName::Contact,
            self.services
                .contact_in(key, leg.flow, is_of_sips(&serving.request)),
        );
        headers.put(HeaderName::Allow, self.services.allow());
        let described = text.is_some();
        if let Some(text) = text {
            describe(headers, &mut response.body, text);
        }
        if !reliable {
            self.services.respond(now, serving.server, &response);
            return;
        }
        // The first number is anything up to 2^31 - 1.
        let first = 1 + self.services.random_below((1 << 31) - 1) as u32;
        let number = leg
            .provisional
            .number
            .map_or(first, |n| n.wrapping_add(1).max(1));
        response.headers.put(HeaderName::Require, TAG);
        response.headers.put(HeaderName::Rseq, number.to_string());
        let invite = serving.request.headers.cseq().map(|c| c.number);
        let timers = self.services.config.timers;
        let Some((flow, bytes)) = self.services.respond(now, serving.server, &response) else {
            return;
        };
        leg.provisional.number = Some(number);
        leg.provisional.pending = Some(Pending {
            number,
            invite: invite.unwrap_or_default(),
            described,
            flow,
            bytes,
            interval: timers.t1,
            repeat: now + timers.t1,
            give_up: now + timers.transaction(),
        });
        self.arm(key);
    }

    /// The peer's PRACK.
    pub(super) fn pracked(
        &mut self,
        now: Instant,
        id: ServerId,
        request: &Request,
        key: CallKey,
        leg_id: LegId,
    ) {
        let call = self.calls.get_mut(&key).filter(|c| !c.is_over());
        let leg = call.and_then(|c| c.leg(leg_id));
        let rack = request.headers.rack().ok().flatten();
        let is_it = |p: &mut Pending| {
            rack.as_ref().is_some_and(|r| {
                r.response == p.number
                    && r.cseq.number == p.invite
                    && r.cseq.method == Method::Invite
            })
        };
        let found = leg.and_then(|l| l.provisional.pending.take_if(is_it).map(|p| (l, p)));
        let Some((leg, pending)) = found else {
            self.services
                .refuse(now, id, request, StatusCode::CALL_DOES_NOT_EXIST);
            return;
        };
        let body = description(&request.headers, &request.body);
        let offered = matches!(
            leg.serving.as_ref().map(|s| &s.step),
            Some(ServingStep::Offered)
        );
        leg.settled |= pending.described && !offered;
        match body {
            Some(body) if !offered && leg.media.state() == State::Stable && leg.asked.is_none() => {
                self.serve_offer(now, id, request, &body, key, leg_id);
            }
            body => {
                let response = request.response(StatusCode::OK);
                self.services.respond(now, id, &response);
                if offered && pending.described {
                    self.take_early_answer(now, key, leg_id, body.as_ref());
                }
            }
        }
        let next = self
            .calls
            .get_mut(&key)
            .and_then(|c| c.leg(leg_id)?.provisional.queue.pop_front());
        if let Some((status, text)) = next {
            self.send_provisional(now, key, leg_id, status, text);
        }
        self.proceed(now, key, leg_id);
        self.arm(key);
    }

    /// The answer to the offer that our reliable response made.
    fn take_early_answer(
        &mut self,
        now: Instant,
        key: CallKey,
        leg_id: LegId,
        body: Option<&Bytes>,
    ) {
        let Some(leg) = self.calls.get_mut(&key).and_then(|c| c.leg(leg_id)) else {
            return;
        };
        match agreed(&mut leg.media, body) {
            Ok(agreement) => {
                leg.settled = true;
                if let Some(serving) = leg.serving.as_mut() {
                    serving.step = ServingStep::Shown(String::new());
                }
                self.apply(now, key, leg_id, Applying::Early, agreement);
            }
            Err(why) => {
                self.cannot_serve(now, key, leg_id, StatusCode::NOT_ACCEPTABLE_HERE, &why);
            }
        }
    }

    /// Repeats reliable responses whose PRACK does not come, or gives the call up (RFC 3262 section 3).
    pub(super) fn repeat_provisionals(&mut self, now: Instant, key: CallKey) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let mut lost = None;
        for leg in &mut call.legs {
            // After the final response nothing is repeated, though its PRACK may come.
            let answered = leg.serving.is_none();
            let Some(pending) = leg.provisional.pending.as_mut() else {
                continue;
            };
            if pending.give_up <= now {
                leg.provisional.pending = None;
                lost = Some(leg.id).filter(|_| !answered);
            } else if pending.repeat <= now {
                pending.interval *= 2;
                pending.repeat = now + pending.interval;
                if !answered {
                    let (flow, bytes) = (pending.flow, pending.bytes.clone());
                    self.services.transmit(flow, bytes);
                }
            }
        }
        if let Some(leg) = lost {
            let status = StatusCode::SERVER_INTERNAL_ERROR;
            self.refuse_serving(now, key, leg, status);
            self.fail(
                now,
                key,
                EndCause::Unreachable,
                Some(status),
                "no PRACK came",
            );
        }
    }

    /// Acknowledges a reliable response to our INVITE (RFC 3262 section 4).
    pub(super) fn acknowledge_provisional(
        &mut self,
        now: Instant,
        key: CallKey,
        leg_id: LegId,
        response: &Response,
    ) {
        let leg = self.calls.get_mut(&key).and_then(|c| c.leg(leg_id));
        if let Some(prack) = leg.and_then(|l| l.prack(response)) {
            self.send_within(now, key, leg_id, prack, Within::Ask(Inside::Prack));
        }
    }
}

/// The number of a provisional response that wants a PRACK.
pub(super) fn reliable_number(response: &Response) -> Option<u32> {
    let headers = &response.headers;
    let wanted = headers.list_has(&HeaderName::Require, TAG);
    headers.rseq().ok().flatten().filter(|_| wanted)
}

impl Services {
    /// Says in an INVITE what we can do and insist on.
    pub(super) fn put_options(&self, headers: &mut Headers, account: Option<AccountId>) {
        if self.policy(account).reliable == Reliable::Required {
            headers.put(HeaderName::Require, TAG);
        }
        self.put_supported(headers, account);
    }

    /// Says what we can do.
    pub(super) fn put_supported(&self, headers: &mut Headers, account: Option<AccountId>) {
        let supported = self.supported(account);
        headers.put(HeaderName::Supported, supported.to_value());
    }

    /// What we can do if asked.
    pub(super) fn supported(&self, account: Option<AccountId>) -> OptionTags {
        let policy = self.policy(account);
        let reliable = (policy.reliable != Reliable::Off).then_some(TAG);
        let timers = policy.timers.is_some().then_some(timer::TAG);
        let history = policy.identity.diverted.has_history();
        let history = history.then_some(OptionTags::HISTINFO);
        let tags = reliable.into_iter().chain(timers).chain(history);
        let tags = tags.chain(self.transfer_tags()).map(Text::from_static);
        // They are tokens, and few.
        OptionTags::new(tags).unwrap_or_default()
    }
}

impl Leg {
    /// A reliable response came before, or out of turn: it is passed over, for it comes again (RFC 3262 section 4).
    pub(super) fn has_heard(&self, response: &Response) -> bool {
        let number = reliable_number(response);
        number.is_some_and(|n| self.heard.is_some_and(|h| n != h.wrapping_add(1)))
    }

    /// The PRACK of a reliable response, which is noted as heard.
    pub(super) fn prack(&mut self, response: &Response) -> Option<Request> {
        let number = reliable_number(response)?;
        let cseq = response.headers.cseq().ok()?;
        self.heard = Some(number);
        let mut prack = self.dialog.request(Method::Prack);
        let rack = RAck {
            response: number,
            cseq: CSeq {
                number: cseq.number,
                method: Method::Invite,
            },
        };
        prack.headers.put(HeaderName::Rack, rack.to_value());
        Some(prack)
    }
}
