//! Requests within a call: BYE, changes by a further INVITE, OPTIONS (RFC 3261 sections 12.2, 14 and 15).

use msp_core::event::Cause;
use msp_core::id::{CallKey, LegId};
use msp_core::time::Instant;

use super::UserAgent;
use super::called::{reason_of, without_body};
use super::causes;
use super::content::description;
use super::errand::Errand;
use super::interface::{EndCause, Ended};
use super::reliable::When;
use super::services::{Inside, Purpose, Within, target_of};
use super::state::{Phase, Serving, ServingStep};
use crate::transaction::ServerId;
use crate::transport::Flow;
use crate::wire::{HeaderName, Method, Request, Response, StatusCode};

impl UserAgent {
    pub(super) fn request_within(
        &mut self,
        now: Instant,
        id: ServerId,
        flow: Flow,
        request: &Request,
        key: CallKey,
        leg_id: LegId,
    ) {
        let Some(leg) = self.calls.get_mut(&key).and_then(|c| c.leg(leg_id)) else {
            self.services
                .refuse(now, id, request, StatusCode::CALL_DOES_NOT_EXIST);
            return;
        };
        if leg.dialog.take(request).is_err() {
            self.services
                .refuse(now, id, request, StatusCode::SERVER_INTERNAL_ERROR);
            return;
        }
        leg.flow = flow;
        leg.peer.learn(&request.headers);
        if matches!(request.method, Method::Invite | Method::Update)
            && let Ok(from) = request.headers.from()
        {
            self.identified(key, leg_id, flow, &request.headers, &from);
        }
        match request.method {
            Method::Bye => self.hung_up(now, id, request, key, leg_id),
            Method::Invite => self.changed(now, id, flow, request, key, leg_id),
            Method::Prack => self.pracked(now, id, request, key, leg_id),
            Method::Update => self.updated(now, id, flow, request, key, leg_id),
            Method::Notify => self.notified_within(now, id, request, key, leg_id),
            Method::Refer => self.referred(now, id, flow, request, key, leg_id),
            Method::Info => self.informed(now, id, request, key, leg_id),
            Method::Message => self.messaged(now, id, request, Some(key)),
            // A subscription has a dialog of its own (RFC 6665 section 4.5.2).
            Method::Subscribe => self.services.bad_event(now, id, request),
            _ => self.describe_ourselves(now, id, flow, request),
        }
    }

    /// The peer hung up.
    fn hung_up(
        &mut self,
        now: Instant,
        id: ServerId,
        request: &Request,
        key: CallKey,
        leg_id: LegId,
    ) {
        let response = request.response(StatusCode::OK);
        self.services.respond(now, id, &response);
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let over = call.is_over();
        let is_call = matches!(call.phase, Phase::Alerting { .. })
            || call.confirmed().is_some_and(|l| l.id == leg_id);
        if let Some(leg) = call.leg(leg_id) {
            leg.unacknowledged = None;
        }
        // An INVITE that is still open dies with the dialog (RFC 3261 section 15.1.2).
        self.refuse_serving(now, key, leg_id, StatusCode::REQUEST_TERMINATED);
        if over {
            self.tidy(now, key);
        } else if is_call {
            let elsewhere = causes::elsewhere(&request.headers);
            let why = Ended {
                cause: match elsewhere {
                    true => EndCause::CompletedElsewhere,
                    false => EndCause::RemoteHangUp,
                },
                status: None,
                reason: reason_of(request),
            };
            self.end(now, key, why, Cause::RemoteRequest);
        }
    }

    /// The peer wants to change a call (RFC 3261 section 14.2).
    pub(super) fn changed(
        &mut self,
        now: Instant,
        id: ServerId,
        flow: Flow,
        request: &Request,
        key: CallKey,
        leg_id: LegId,
    ) {
        let account = self.services.accounts.of_call(key);
        if self.services.refuse_too_short(now, id, request, account) {
            return;
        }
        let looking_up = self.services.looks_up(key, leg_id);
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let (over, up) = (call.is_over(), matches!(call.phase, Phase::Up));
        let Some(leg) = call.leg(leg_id) else { return };
        if over {
            self.services
                .refuse(now, id, request, StatusCode::CALL_DOES_NOT_EXIST);
            return;
        }
        if leg.serving.is_some() || leg.asked.is_some() || leg.postponed.is_some() {
            self.ask_later(now, id, request);
            return;
        }
        // Our own offer is open or about to be: in our INVITE, in a 2xx whose ACK has not come, or with an answer that names a host.
        let open = leg.media.state() != tsp_sdp::State::Stable;
        if !up || open || looking_up || leg.change.is_some() {
            self.services
                .refuse(now, id, request, StatusCode::REQUEST_PENDING);
            return;
        }
        if !leg.applying.is_empty() {
            self.postpone(id, flow, request, key, leg_id);
            return;
        }
        // The peer that goes on from our 2xx has it, though its ACK is lost or late (RFC 5407 section 3.1.4).
        if leg.unacknowledged.take().is_some_and(|u| !u.again) {
            self.connected(key);
        }
        let Some(leg) = self.calls.get_mut(&key).and_then(|c| c.leg(leg_id)) else {
            return;
        };
        let before = leg.media.clone();
        let offer =
            description(&request.headers, &request.body).map(|body| leg.media.receive_offer(&body));
        let mut serving = Serving {
            server: id,
            request: Box::new(without_body(request)),
            offered: offer.is_some(),
            slots: leg.media.slots(),
            toward: Some(flow.remote.ip()),
            // What is held stays held until an offer says otherwise.
            holds: leg.hold.theirs(),
            before,
            again: true,
            wanted: true,
            early: false,
            reliable: When::Never,
            step: ServingStep::Waiting,
        };
        let unchanged = match offer {
            None => false,
            Some(Ok(offer)) => {
                serving.holds = leg.hold.theirs_by(&offer, serving.before.negotiated());
                serving.slots = offer.slots;
                serving.toward = offer.toward;
                offer.unchanged
            }
            Some(Err(_)) => {
                leg.media = serving.before;
                self.services
                    .refuse(now, id, request, StatusCode::NOT_ACCEPTABLE_HERE);
                return;
            }
        };
        // A refresh: the media go on as they are, and are not even asked.
        let repeated = if unchanged {
            leg.media.repeat_answer().ok()
        } else {
            None
        };
        let form = self.services.policy_of(key).hold;
        leg.hold.narrow(form, serving.offered, &mut serving.slots);
        leg.serving = Some(serving);
        self.services.invites.insert(id, (key, leg_id));
        if let Some(answer) = repeated {
            if let Some(serving) = self
                .calls
                .get_mut(&key)
                .and_then(|c| c.leg(leg_id)?.serving.as_mut())
            {
                serving.step = ServingStep::Applying(answer.description.to_string());
            }
            self.succeed(now, key, leg_id);
            return;
        }
        leg.generation = leg.generation.next();
        self.prepare(now, key, leg_id);
    }

    /// Refuses a request for now: another of the peer's is not answered yet (RFC 3261 section 14.2, RFC 3311 section
    /// 5.2).
    pub(super) fn ask_later(&mut self, now: Instant, id: ServerId, request: &Request) {
        let seconds = self.services.random_below(11);
        let mut response = self
            .services
            .refusal(&request.headers, StatusCode::SERVER_INTERNAL_ERROR);
        response
            .headers
            .put(HeaderName::RetryAfter, seconds.to_string());
        self.services.stats.refused += 1;
        self.services.respond(now, id, &response);
    }

    /// The application ends a call.
    pub(super) fn hang_up(&mut self, now: Instant, key: CallKey) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let cancelled = Ended {
            cause: EndCause::Cancelled,
            status: None,
            reason: "".into(),
        };
        match &call.phase {
            Phase::Dialing(_) => self.end(now, key, cancelled, Cause::LocalRequest),
            Phase::Inviting(_) => {
                self.take_back(now, key);
                self.end(now, key, cancelled, Cause::LocalRequest);
            }
            Phase::Alerting { .. } => self.reject(now, key, StatusCode::BUSY_HERE),
            Phase::Up => {
                let leg = call.confirmed().map(|l| (l.id, l.unacknowledged.is_some()));
                if let Some((leg, waits)) = leg {
                    self.refuse_serving(now, key, leg, StatusCode::REQUEST_TERMINATED);
                    // The called end may not say BYE before the ACK came (RFC 3261 section 15).
                    if !waits {
                        self.say_goodbye(now, key, leg);
                    }
                }
                let why = Ended {
                    cause: EndCause::LocalHangUp,
                    status: None,
                    reason: "".into(),
                };
                self.end(now, key, why, Cause::LocalRequest);
            }
            Phase::Over { .. } => {}
        }
    }

    /// What the peer said to a request of ours within a dialog that is no INVITE, finally; nothing if it was silent for
    /// too long.
    pub(super) fn answered_within(
        &mut self,
        now: Instant,
        key: CallKey,
        leg_id: LegId,
        what: Inside,
        flow: Flow,
        response: Option<&Response>,
    ) {
        let status = response.map(|r| r.status);
        let known = self.calls.get_mut(&key).filter(|c| !c.is_over());
        let Some(leg) = known.and_then(|c| c.leg(leg_id)) else {
            return;
        };
        if let Some(response) = response {
            leg.flow = flow;
            leg.peer.learn(&response.headers);
        }
        // The peer knows nothing of the dialog, or is gone: so is the dialog (RFC 3261 section 12.2.1.2).
        let gone = matches!(
            status,
            None | Some(StatusCode::CALL_DOES_NOT_EXIST | StatusCode::REQUEST_TIMEOUT)
        );
        match (what, response) {
            // Where PRACK fails the INVITE goes on: there are servers that know nothing of it and say that they do.
            (Inside::Bye | Inside::Prack, _) => {}
            (Inside::Refresh, Some(response)) if !gone && response.status.is_success() => {
                self.refreshed(now, key, leg_id, response);
            }
            (Inside::Refresh, Some(response)) if !gone => {
                self.refresh_refused(now, key, leg_id, response);
            }
            (Inside::Update, Some(response)) if !gone => {
                self.update_answered(now, key, leg_id, response);
            }
            (Inside::Update | Inside::Refresh, _) => {
                self.change_unanswered(now, key, leg_id, status);
            }
        }
    }

    /// Sends a BYE on a leg, after the ACK that waits.
    pub(super) fn say_goodbye(&mut self, now: Instant, key: CallKey, leg: LegId) {
        self.say_owed(now, key, leg);
        let Some(leg) = self.calls.get_mut(&key).and_then(|c| c.leg(leg)) else {
            return;
        };
        let (id, bye) = (leg.id, leg.dialog.request(Method::Bye));
        self.send_within(now, key, id, bye, Within::Ask(Inside::Bye));
    }

    /// Sends a request on a leg, once the way is known. Via and the name of the program are put in.
    pub(super) fn send_within(
        &mut self,
        now: Instant,
        key: CallKey,
        leg_id: LegId,
        request: Request,
        what: Within,
    ) {
        let Some(leg) = self.calls.get_mut(&key).and_then(|c| c.leg(leg_id)) else {
            return;
        };
        let fallback = leg.flow;
        let hop = leg.dialog.next_hop();
        let way = match target_of(hop) {
            // A way that we do not have, or a URI without one: where the peer's messages come from is the best guess.
            None => Some(fallback),
            Some(_) => self.services.known_way(hop, fallback),
        };
        let Some(target) = target_of(hop).filter(|_| way.is_none()) else {
            self.send_within_by(now, key, leg_id, request, what, way.unwrap_or(fallback));
            return;
        };
        let errand = Errand::Within {
            call: key,
            leg: leg_id,
            what,
            request: Box::new(request.clone()),
            fallback,
        };
        if self.services.look_up(target, errand).is_err() {
            self.send_within_by(now, key, leg_id, request, what, fallback);
        }
    }

    /// Sends a request on a leg by `flow`. The call may be forgotten meanwhile.
    pub(super) fn send_within_by(
        &mut self,
        now: Instant,
        key: CallKey,
        leg: LegId,
        request: Request,
        what: Within,
        flow: Flow,
    ) {
        let sent = match what {
            Within::Ack(invite) => self.services.send_ack(flow, request, invite),
            // One that finds no room is lost like a datagram: the peer's own timers end the call.
            Within::Ask(what) => {
                let purpose = Purpose::Within(key, leg, what);
                let sent = self.services.send(now, flow, request, purpose);
                if sent.is_err() && what != Inside::Bye {
                    self.answered_within(now, key, leg, what, flow, None);
                }
                sent.map(|_| ())
            }
            Within::Aside(whose, aside) => {
                let sent = self
                    .services
                    .send(now, flow, request, Purpose::Aside(whose, aside));
                if let Err(error) = sent {
                    self.unsent(now, whose, aside, &error);
                }
                return;
            }
            Within::Change => {
                self.send_change(now, key, leg, request, flow);
                return;
            }
        };
        if sent.is_err() {
            self.services.stats.unsent += 1;
        }
    }
}
