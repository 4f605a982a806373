//! Calls that come in (RFC 3261 sections 9.2 and 13.3).

use std::time::Duration;

use msp_core::event::Cause;
use msp_core::id::{CallKey, LegId};
use msp_core::time::Instant;

use super::UserAgent;
use super::caller::Caller;
use super::causes;
use super::content::description;
use super::hold::holds;
use super::interface::{CallEventKind, EndCause, Ended};
use super::policy::{AutoAnswer, Reliable};
use super::reliable::{self, When};
use super::services::Services;
use super::state::{Call, Leg, Phase, Serving, ServingStep};
use crate::account::AccountId;
use crate::dialog::{Dialog, tagged_response};
use crate::transaction::{Cancelled, ServerId};
use crate::transport::Flow;
use crate::wire::{Alert, HeaderName, Request, StatusCode, TelNumber};

/// How often a caller is told that we still ring, so that no proxy takes the call for dead
/// (RFC 3261 section 13.3.1.1).
const REMINDER: Duration = Duration::from_secs(60);

/// How long a call waits for the application to take it.
const PATIENCE: Duration = Duration::from_secs(180);

/// A call that is to be taken later than this, in seconds, is taken then.
const MAX_ANSWER_AFTER: u16 = 60;

impl UserAgent {
    /// An INVITE outside of a dialog.
    pub(super) fn called(&mut self, now: Instant, id: ServerId, flow: Flow, request: &Request) {
        let no_calls = self.closing || self.refuses_calls;
        if no_calls
            || self.alive >= self.services.config.max_calls
            || self.crowds_others_out(now, flow)
        {
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
        let replaced = match self.to_replace(&request.headers) {
            Ok(replaced) => replaced,
            Err(status) => {
                self.services.refuse(now, id, request, status);
                return;
            }
        };
        let account = self.services.accounts.called(request);
        let policy = self.services.policy(account).reliable;
        let reliable = When::of(policy, &request.headers);
        if policy == Reliable::Required && reliable == When::Never {
            let mut response = self
                .services
                .refusal(&request.headers, StatusCode::EXTENSION_REQUIRED);
            response.headers.put(HeaderName::Require, reliable::TAG);
            self.services.stats.refused += 1;
            self.services.respond(now, id, &response);
            return;
        }
        if self.services.refuse_too_short(now, id, request, account) {
            return;
        }
        // A server sends calls on, and none that has come far enough.
        let hops = request.headers.max_forwards().ok().flatten().unwrap_or(70);
        if self.served.is_some() && hops == 0 {
            self.services
                .refuse(now, id, request, StatusCode::TOO_MANY_HOPS);
            return;
        }
        let hops = hops.saturating_sub(1);
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
            description(&request.headers, &request.body).map(|body| media.receive_offer(&body));
        let (slots, toward) = match &offer {
            Some(Ok(offer)) if !offer.slots.is_empty() => (offer.slots.clone(), offer.toward),
            None => {
                let security = self.services.policy(account).security;
                (security.slots(flow), Some(flow.remote.ip()))
            }
            Some(_) => {
                self.services
                    .refuse(now, id, request, StatusCode::NOT_ACCEPTABLE_HERE);
                return;
            }
        };
        let holds = offer.is_some() && holds(&slots);
        let key = self.services.incoming_key();
        let mut leg = Leg::new(LegId::FIRST, dialog, flow, media);
        leg.peer.learn(&request.headers);
        leg.serving = Some(Serving {
            server: id,
            request: Box::new(without_body(request)),
            offered: offer.is_some(),
            slots,
            toward,
            holds,
            before,
            again: false,
            wanted: false,
            early: false,
            reliable,
            step: ServingStep::Waiting,
        });
        self.services.invites.insert(id, (key, leg.id));
        self.services
            .dialogs
            .insert(leg.dialog.id().clone(), (key, leg.id));
        let call_id = call_id.detached();
        self.services.accounts.claim(key, account);
        self.services
            .call_ids
            .entry(call_id.as_str().into())
            .or_insert(key);
        let trust = &self.services.policy(account).identity.trusted;
        let trusted = self.services.is_trusted(trust, account, flow, None);
        let caller = Caller::of(&request.headers, leg.dialog.remote(), trusted);
        let asserted = caller.asserted.then(|| caller.address.clone().into());
        let kind = CallEventKind::Incoming {
            caller: caller.into(),
            from: leg.dialog.remote().without_params().to_string().into(),
            to: leg.dialog.local().uri().to_string().into(),
            account,
            hops,
        };
        let phase = Phase::Alerting {
            patience: Some(now + PATIENCE),
        };
        let mut call = Call::new(call_id, tag.into(), phase);
        call.answer_at = self.services.answers_itself(now, account, request);
        call.identified = asserted;
        call.legs.push(leg);
        self.calls.insert(key, call);
        self.alive += 1;
        self.arm(key);
        self.services.tell(key, kind);
        if let Some(old) = replaced {
            self.offer_replacement(key, old);
        }
    }

    pub(super) fn ring(&mut self, now: Instant, key: CallKey) {
        if self.alerting(key).is_none() {
            return;
        }
        self.send_provisional(now, key, LegId::FIRST, StatusCode::RINGING, None);
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
        // 603 would end it at every other phone too: only who asks for it gets it.
        let status = if refusal {
            status
        } else {
            StatusCode::BUSY_HERE
        };
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
    pub(super) fn alerting(&mut self, key: CallKey) -> Option<&mut Leg> {
        let call = self.calls.get_mut(&key)?;
        if matches!(call.phase, Phase::Alerting { .. }) {
            call.legs.first_mut()
        } else {
            None
        }
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
        {
            // The same tag as in the response to the INVITE (RFC 3261 section 9.2).
            response = tagged_response(cancel, StatusCode::OK, &leg.dialog.id().local_tag);
        }
        self.services.respond(now, id, &response);
        let Some((key, leg)) = serving else { return };
        let again = self.refuse_serving(now, key, leg, StatusCode::REQUEST_TERMINATED);
        if !again {
            let status = Some(StatusCode::REQUEST_TERMINATED);
            let elsewhere = causes::elsewhere(&cancel.headers);
            let why = Ended {
                cause: match elsewhere {
                    true => EndCause::CompletedElsewhere,
                    false => EndCause::Cancelled,
                },
                status,
                reason: reason_of(cancel),
            };
            self.end(now, key, why, Cause::RemoteRequest);
        }
    }
}

impl Services {
    /// When we take a call that asks to be taken without the application, if its caller may ask for it.
    fn answers_itself(
        &self,
        now: Instant,
        account: Option<AccountId>,
        request: &Request,
    ) -> Option<Instant> {
        let who = &self.policy(account).auto_answer;
        if *who == AutoAnswer::Nobody {
            return None;
        }
        let from = request.headers.from().ok()?;
        let (user, host) = (from.uri().user(), from.uri().host());
        let host = host.map(|h| h.to_string());
        let name = host.as_ref().and_then(|h| Some(format!("{}@{h}", user?)));
        let number = TelNumber::from_uri(from.uri()).ok().map(|n| n.to_string());
        let names = [host, name, number];
        let is = |who: &str| {
            let mut names = names.iter().flatten();
            names.any(|n| who.eq_ignore_ascii_case(n))
        };
        let may = match who {
            AutoAnswer::Nobody => false,
            AutoAnswer::Anybody => true,
            AutoAnswer::Callers(known) => known.iter().any(|k| is(k)),
        };
        let headers = &request.headers;
        let mode = headers.answer_mode().ok().flatten();
        let asked = mode.is_some_and(|m| m.is_auto());
        let info = headers.list(&HeaderName::CallInfo);
        let info = info.filter_map(|v| Alert::parse(&v).ok());
        let alert = headers.alerts().chain(info).find(Alert::asks_auto_answer);
        if !may || !asked && alert.is_none() {
            return None;
        }
        let seconds = alert.and_then(|a| a.answer_after()).unwrap_or_default();
        Some(now + Duration::from_secs(u64::from(seconds.min(MAX_ANSWER_AFTER))))
    }
}

/// The words of a Reason, if there are any.
pub(super) fn reason_of(request: &Request) -> Box<str> {
    request
        .headers
        .reasons()
        .find_map(|r| Some(r.text?.as_str().into()))
        .unwrap_or_default()
}

pub(super) fn without_body(request: &Request) -> Request {
    Request {
        body: bytes::Bytes::new(),
        ..request.clone()
    }
}
