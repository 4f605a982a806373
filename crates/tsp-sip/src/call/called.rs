//! Calls that come in (RFC 3261 sections 9.2 and 13.3).

use std::time::Duration;

use msp_core::event::Cause;
use msp_core::id::{CallKey, LegId};
use msp_core::link::{OfferRole, ToMsp};
use msp_core::params::MediaParams;
use msp_core::time::Instant;

use super::UserAgent;
use super::interface::{CallEventKind, EndCause, Ended};
use super::media::{SLOTS, agreed};
use super::refusal::description;
use super::services::{ALLOW, describe};
use super::state::{Applying, Call, Leg, Phase, Serving, ServingStep, Unacknowledged};
use crate::dialog::{Dialog, DialogId, copy_record_route, tagged_response};
use crate::transaction::{Cancelled, ServerId};
use crate::transport::Flow;
use crate::wire::{HeaderName, Request, Response, StatusCode};

/// How often a caller is told that we still ring, so that no proxy takes the call for dead
/// (RFC 3261 section 13.3.1.1).
const REMINDER: Duration = Duration::from_secs(60);

/// How long a call waits for the application to take it.
const PATIENCE: Duration = Duration::from_secs(180);

impl UserAgent {
    /// An INVITE outside of a dialog.
    pub(super) fn called(&mut self, now: Instant, id: ServerId, flow: Flow, request: &Request) {
        if self.closing || self.alive >= self.services.config.max_calls {
            self.services.stats.turned_away += 1;
            let mut response = self
                .services
                .refusal(&request.headers, StatusCode::SERVICE_UNAVAILABLE);
            let seconds = 5 + self.services.random_below(10);
            response
                .headers
                .put(HeaderName::RetryAfter, seconds.to_string());
            self.services.respond(now, id, &response);
            return;
        }
        let tag = self.services.token();
        let (Ok(dialog), Ok(call_id)) = (Dialog::called(request, &tag), request.headers.call_id())
        else {
            self.services
                .refuse(now, id, request, StatusCode::BAD_REQUEST);
            return;
        };
        let mut media = self.services.session(flow);
        let before = media.clone();
        let offer =
            description(&request.headers, &request.body).map(|body| media.receive_offer(body));
        let (slots, toward) = match &offer {
            Some(Ok(offer)) if !offer.slots.is_empty() => (offer.slots.clone(), offer.toward),
            None => (SLOTS.to_vec(), Some(flow.remote.ip())),
            Some(_) => {
                self.services
                    .refuse(now, id, request, StatusCode::NOT_ACCEPTABLE_HERE);
                return;
            }
        };
        let key = self.services.incoming_key();
        let mut leg = Leg::new(LegId::FIRST, dialog, flow, media);
        leg.serving = Some(Serving {
            server: id,
            request: Box::new(without_body(request)),
            offered: offer.is_some(),
            slots,
            toward,
            before,
            again: false,
            wanted: false,
            step: ServingStep::Waiting,
        });
        self.services.invites.insert(id, (key, leg.id));
        self.services
            .dialogs
            .insert(leg.dialog.id().clone(), (key, leg.id));
        let call_id = call_id.detached();
        self.services
            .call_ids
            .entry(call_id.as_str().into())
            .or_insert(key);
        let kind = CallEventKind::Incoming {
            from: leg.dialog.remote().without_params().to_string().into(),
            to: leg.dialog.local().uri().to_string().into(),
        };
        let phase = Phase::Alerting {
            patience: Some(now + PATIENCE),
        };
        let mut call = Call::new(call_id, tag.into(), phase);
        call.legs.push(leg);
        self.calls.insert(key, call);
        self.alive += 1;
        self.arm(key);
        self.services.tell(key, kind);
    }

    pub(super) fn ring(&mut self, now: Instant, key: CallKey) {
        let Some(leg) = self.alerting(key) else {
            return;
        };
        let Some(serving) = leg.serving.as_ref() else {
            return;
        };
        let (server, flow) = (serving.server, leg.flow);
        let tag = leg.dialog.id().local_tag.clone();
        if let Ok(mut response) = tagged_response(&serving.request, StatusCode::RINGING, &tag) {
            copy_record_route(&serving.request, &mut response);
            response
                .headers
                .put(HeaderName::Contact, self.services.contact(flow));
            response.headers.put(HeaderName::Allow, ALLOW);
            self.services.respond(now, server, &response);
        }
        if let Some(call) = self.calls.get_mut(&key) {
            call.remind = Some(now + REMINDER);
        }
        self.arm(key);
        self.prepare(now, key, LegId::FIRST);
    }

    pub(super) fn answer(&mut self, now: Instant, key: CallKey) {
        let Some(serving) = self.alerting(key).and_then(|l| l.serving.as_mut()) else {
            return;
        };
        serving.wanted = true;
        if let Some(call) = self.calls.get_mut(&key) {
            call.phase = Phase::Alerting { patience: None };
        }
        self.prepare(now, key, LegId::FIRST);
        self.proceed(now, key, LegId::FIRST);
    }

    pub(super) fn reject(&mut self, now: Instant, key: CallKey, status: StatusCode) {
        if self.alerting(key).is_none() {
            return;
        }
        let refusal = status.is_final() && !status.is_success();
        let status = if refusal { status } else { StatusCode::DECLINE };
        self.refuse_serving(now, key, LegId::FIRST, status);
        let why = Ended {
            cause: EndCause::Rejected,
            status: Some(status),
            reason: status.phrase().into(),
        };
        self.end(now, key, why, Cause::LocalRequest);
    }

    /// The application does not say what becomes of a call that came in.
    pub(super) fn leave_unanswered(&mut self, now: Instant, key: CallKey) {
        let status = StatusCode::TEMPORARILY_UNAVAILABLE;
        self.refuse_serving(now, key, LegId::FIRST, status);
        let why = Ended {
            cause: EndCause::NoAnswer,
            status: Some(status),
            reason: "nobody answered".into(),
        };
        self.end(now, key, why, Cause::LocalRequest);
    }

    /// The leg of a call that comes in and is not answered.
    fn alerting(&mut self, key: CallKey) -> Option<&mut Leg> {
        let call = self.calls.get_mut(&key)?;
        if matches!(call.phase, Phase::Alerting { .. }) {
            call.legs.first_mut()
        } else {
            None
        }
    }

    /// Asks the media half to get ready, unless it was asked.
    pub(super) fn prepare(&mut self, now: Instant, key: CallKey, leg: LegId) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        call.prepared = true;
        let Some(leg) = call.leg(leg) else { return };
        let (id, generation) = (leg.id, leg.generation);
        let Some(serving) = leg.serving.as_mut() else {
            return;
        };
        if !matches!(serving.step, ServingStep::Waiting) {
            return;
        }
        serving.step = ServingStep::Preparing;
        let role = if serving.offered {
            OfferRole::Answerer
        } else {
            OfferRole::Offerer
        };
        let body = ToMsp::Prepare {
            role,
            slots: serving.slots.clone(),
            policy: Default::default(),
            toward: serving.toward,
        };
        leg.wait_for_media(now);
        self.services.msp(key, id, generation, body);
        self.arm(key);
    }

    /// The media half is ready to answer the peer's INVITE.
    pub(super) fn prepared(
        &mut self,
        now: Instant,
        key: CallKey,
        leg: LegId,
        local: Vec<MediaParams>,
    ) -> bool {
        let serving = self
            .calls
            .get_mut(&key)
            .and_then(|c| c.leg(leg))
            .and_then(|l| l.serving.as_mut());
        match serving {
            Some(serving) if matches!(serving.step, ServingStep::Preparing) => {
                serving.step = ServingStep::Prepared(local);
                self.proceed(now, key, leg);
                true
            }
            _ => false,
        }
    }

    /// Goes on with the answer, if the media half is ready and the application agrees.
    fn proceed(&mut self, now: Instant, key: CallKey, leg_id: LegId) {
        let Some(leg) = self.calls.get_mut(&key).and_then(|c| c.leg(leg_id)) else {
            return;
        };
        let Some(serving) = leg.serving.as_mut().filter(|s| s.wanted) else {
            return;
        };
        let ServingStep::Prepared(local) = &mut serving.step else {
            return;
        };
        let local = std::mem::take(local);
        if serving.offered {
            match leg.media.create_answer(local) {
                Ok(answer) => {
                    serving.step = ServingStep::Applying(answer.description.to_string());
                    self.apply(now, key, leg_id, Applying::Served, answer.agreement);
                }
                Err(error) => self.cannot_serve(
                    now,
                    key,
                    leg_id,
                    StatusCode::NOT_ACCEPTABLE_HERE,
                    &error.to_string(),
                ),
            }
        } else {
            match leg.media.create_offer(local) {
                Ok(offer) => self.succeed(now, key, leg_id, offer.to_string()),
                Err(error) => self.cannot_serve(
                    now,
                    key,
                    leg_id,
                    StatusCode::NOT_ACCEPTABLE_HERE,
                    &error.to_string(),
                ),
            }
        }
    }

    /// The media half applied what our answer says: the 200 goes out.
    pub(super) fn applied(&mut self, now: Instant, key: CallKey, leg_id: LegId) {
        let Some(leg) = self.calls.get_mut(&key).and_then(|c| c.leg(leg_id)) else {
            return;
        };
        let Some(serving) = leg.serving.as_mut() else {
            return;
        };
        let ServingStep::Applying(text) = &mut serving.step else {
            return;
        };
        let (text, again, generation) = (std::mem::take(text), serving.again, leg.generation);
        if again {
            self.services.msp(key, leg_id, generation, ToMsp::Commit);
        }
        self.succeed(now, key, leg_id, text);
    }

    /// Answers the peer's INVITE with 200 and `text`, again and again until the ACK comes.
    pub(super) fn succeed(&mut self, now: Instant, key: CallKey, leg_id: LegId, text: String) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let Some(leg) = call.leg(leg_id) else { return };
        let Some(serving) = leg.serving.take() else {
            return;
        };
        let tag = leg.dialog.id().local_tag.clone();
        let Ok(mut response) = tagged_response(&serving.request, StatusCode::OK, &tag) else {
            return;
        };
        copy_record_route(&serving.request, &mut response);
        let flow = leg.flow;
        response
            .headers
            .put(HeaderName::Contact, self.services.contact(flow));
        response.headers.put(HeaderName::Allow, ALLOW);
        response.headers.put(HeaderName::Supported, "");
        describe(&mut response.headers, &mut response.body, text);
        let timers = self.services.config.timers;
        let Some((back, bytes)) = self.services.respond(now, serving.server, &response) else {
            if !serving.again {
                self.fail(now, key, EndCause::Unreachable, None, "too late");
            }
            return;
        };
        leg.dialog.confirm();
        leg.unacknowledged = Some(Unacknowledged {
            flow: back,
            bytes,
            number: serving
                .request
                .headers
                .cseq()
                .map(|c| c.number)
                .unwrap_or_default(),
            wants_answer: !serving.offered,
            again: serving.again,
            interval: timers.t1,
            repeat: now + timers.t1,
            give_up: now + timers.transaction(),
        });
        if !serving.again {
            call.phase = Phase::Up;
            call.chosen = Some(leg_id);
        }
        self.arm(key);
    }

    /// The peer's INVITE cannot be answered with success: what was agreed before goes on.
    pub(super) fn cannot_serve(
        &mut self,
        now: Instant,
        key: CallKey,
        leg: LegId,
        status: StatusCode,
        why: &str,
    ) {
        let again = self.refuse_serving(now, key, leg, status);
        if !again {
            self.fail(now, key, EndCause::Media, Some(status), why);
        }
    }

    /// Answers the peer's INVITE with a refusal and takes back what was prepared for it. Whether it was to change a
    /// call that is up.
    pub(super) fn refuse_serving(
        &mut self,
        now: Instant,
        key: CallKey,
        leg_id: LegId,
        status: StatusCode,
    ) -> bool {
        let Some(leg) = self.calls.get_mut(&key).and_then(|c| c.leg(leg_id)) else {
            return false;
        };
        let Some(serving) = leg.serving.take() else {
            return false;
        };
        leg.media = serving.before;
        if serving.again && !matches!(serving.step, ServingStep::Waiting) {
            self.services
                .msp(key, leg_id, leg.generation, ToMsp::Rollback);
        }
        if let Ok(response) = tagged_response(&serving.request, status, &leg.dialog.id().local_tag)
        {
            self.services.respond(now, serving.server, &response);
        }
        serving.again
    }

    /// A CANCEL came.
    pub(super) fn cancelled(&mut self, now: Instant, id: ServerId, cancel: &Request) {
        let Some(cancelled) = self.services.transactions.cancelled(cancel) else {
            self.services
                .refuse(now, id, cancel, StatusCode::CALL_DOES_NOT_EXIST);
            return;
        };
        let serving = match cancelled {
            Cancelled::Invite(invite) => self.services.invites.get(&invite).copied(),
            Cancelled::Accepted => None,
        };
        let mut response = self.services.refusal(&cancel.headers, StatusCode::OK);
        if let Some((key, leg)) = serving
            && let Some(leg) = self.calls.get_mut(&key).and_then(|c| c.leg(leg))
            && let Ok(tagged) = tagged_response(cancel, StatusCode::OK, &leg.dialog.id().local_tag)
        {
            // The same tag as in the response to the INVITE (RFC 3261 section 9.2).
            response = tagged;
        }
        self.services.respond(now, id, &response);
        let Some((key, leg)) = serving else { return };
        let again = self.refuse_serving(now, key, leg, StatusCode::REQUEST_TERMINATED);
        if !again {
            let status = Some(StatusCode::REQUEST_TERMINATED);
            let why = Ended {
                cause: EndCause::Cancelled,
                status,
                reason: reason_of(cancel),
            };
            self.end(now, key, why, Cause::RemoteRequest);
        }
    }

    /// An ACK that is no transaction's: one for our 2xx.
    pub(super) fn acknowledged(&mut self, now: Instant, flow: Flow, ack: &Request) {
        let found = DialogId::of_request(&ack.headers)
            .ok()
            .and_then(|id| self.services.dialogs.get(&id).copied());
        let number = ack.headers.cseq().map(|c| c.number).unwrap_or_default();
        let leg = found.and_then(|(key, leg)| self.calls.get_mut(&key)?.leg(leg).map(|l| (key, l)));
        let Some((key, leg)) = leg else {
            self.services.stats.stray_acks += 1;
            return;
        };
        let Some(waiting) = leg.unacknowledged.take_if(|u| u.number == number) else {
            // A copy of one that came before.
            self.services.stats.repeated_acks += 1;
            return;
        };
        leg.flow = flow;
        let leg_id = leg.id;
        // What is due next was hidden by the next copy of the 2xx.
        self.arm(key);
        if self.calls.get(&key).is_some_and(Call::is_over) {
            // We hung up before the ACK came, and had to wait for it (RFC 3261 section 15).
            self.say_goodbye(now, key, leg_id);
            self.tidy(now, key);
        } else if waiting.wants_answer {
            self.take_late_answer(now, key, leg_id, ack);
        } else if !waiting.again {
            self.connected(key);
        }
    }

    /// The answer to the offer that our 2xx made.
    fn take_late_answer(&mut self, now: Instant, key: CallKey, leg_id: LegId, ack: &Request) {
        let Some(leg) = self.calls.get_mut(&key).and_then(|c| c.leg(leg_id)) else {
            return;
        };
        match agreed(&mut leg.media, description(&ack.headers, &ack.body)) {
            Ok(agreement) => self.apply(now, key, leg_id, Applying::Final, agreement),
            Err(why) => {
                self.say_goodbye(now, key, leg_id);
                self.fail(now, key, EndCause::Media, None, &why);
            }
        }
    }

    /// Both ends agreed.
    pub(super) fn connected(&mut self, key: CallKey) {
        if let Some(call) = self.calls.get_mut(&key)
            && !call.connected
        {
            call.connected = true;
            self.services.tell(key, CallEventKind::Connected);
        }
    }

    /// Repeats 2xx that no ACK came for, or gives up (RFC 3261 section 13.3.1.4).
    pub(super) fn repeat_successes(&mut self, now: Instant, key: CallKey) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let t2 = self.services.config.timers.t2;
        let mut lost = Vec::new();
        for leg in &mut call.legs {
            let Some(waiting) = leg.unacknowledged.as_mut() else {
                continue;
            };
            if waiting.give_up <= now {
                lost.push(leg.id);
                leg.unacknowledged = None;
            } else if waiting.repeat <= now {
                waiting.interval = (waiting.interval * 2).min(t2);
                waiting.repeat = now + waiting.interval;
                let (flow, bytes) = (waiting.flow, waiting.bytes.clone());
                self.services.transmit(flow, bytes);
            }
        }
        for leg in lost {
            self.say_goodbye(now, key, leg);
            self.fail(now, key, EndCause::Unreachable, None, "no ACK came");
            self.tidy(now, key);
        }
    }
}

/// The words of a Reason, if there are any.
pub(super) fn reason_of(request: &Request) -> Box<str> {
    request
        .headers
        .reasons()
        .find_map(|r| r.text)
        .unwrap_or_default()
        .into()
}

pub(super) fn without_body(request: &Request) -> Request {
    Request {
        body: bytes::Bytes::new(),
        ..request.clone()
    }
}

/// A response that asks to come again after 0 to 10 seconds (RFC 3261 section 14.2).
pub(super) fn later(mut response: Response, seconds: u64) -> Response {
    response
        .headers
        .put(HeaderName::RetryAfter, seconds.to_string());
    response
}
