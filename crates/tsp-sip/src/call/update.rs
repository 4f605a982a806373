//! UPDATE: a change of a dialog, early or confirmed, outside of any INVITE (RFC 3311).

use msp_core::id::{CallKey, LegId};
use msp_core::time::Instant;
use tsp_sdp::State;

use super::UserAgent;
use super::called::without_body;
use super::content::description;
use super::interface::EndCause;
use super::media::agreed;
use super::reliable::When;
use super::services::is_of_sips;
use super::state::{Applying, Phase, Serving, ServingStep};
use crate::transaction::ServerId;
use crate::transport::Flow;
use crate::wire::{HeaderName, Request, Response, StatusCode};

impl UserAgent {
    /// The peer's UPDATE (RFC 3311 section 5.2). Where the peer is was learnt from it already.
    pub(super) fn updated(
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
        let call = self.calls.get_mut(&key).filter(|c| !c.is_over());
        let Some(leg) = call.and_then(|c| c.leg(leg_id)) else {
            self.services
                .refuse(now, id, request, StatusCode::CALL_DOES_NOT_EXIST);
            return;
        };
        // Another UPDATE is not answered yet, whatever this one is for.
        if leg.asked.is_some() {
            self.ask_later(now, id, request);
            return;
        }
        let Some(body) = description(&request.headers, &request.body) else {
            let mut response = request.response(StatusCode::OK);
            let contact = self.services.contact_in(key, flow, is_of_sips(request));
            response.headers.put(HeaderName::Contact, contact);
            response
                .headers
                .put(HeaderName::Allow, self.services.allow());
            self.services.put_supported(&mut response.headers, account);
            self.services.answer_session_timer(
                now,
                account,
                leg,
                &request.headers,
                &mut response.headers,
            );
            self.services.respond(now, id, &response);
            self.arm(key);
            return;
        };
        // The offer of the peer's INVITE is not answered yet.
        if leg.media.state() == State::RemoteOffer || leg.serving.as_ref().is_some_and(|s| s.again)
        {
            self.ask_later(now, id, request);
            return;
        }
        // Our own offer is open or about to be, or what was answered does not hold yet.
        let open = leg.media.state() == State::LocalOffer || leg.media.negotiated().is_none();
        if open || looking_up || leg.change.is_some() || !leg.applying.is_empty() {
            self.services
                .refuse(now, id, request, StatusCode::REQUEST_PENDING);
            return;
        }
        self.serve_offer(now, id, request, &body, key, leg_id);
    }

    /// Serves the offer in an UPDATE or a PRACK of the peer's.
    pub(super) fn serve_offer(
        &mut self,
        now: Instant,
        id: ServerId,
        request: &Request,
        body: &bytes::Bytes,
        key: CallKey,
        leg_id: LegId,
    ) {
        let Some(leg) = self.calls.get_mut(&key).and_then(|c| c.leg(leg_id)) else {
            return;
        };
        let before = leg.media.clone();
        let Ok(offer) = leg.media.receive_offer(body) else {
            leg.media = before;
            self.services
                .refuse(now, id, request, StatusCode::NOT_ACCEPTABLE_HERE);
            return;
        };
        // Offer and answer of the INVITE are done with: it need not say more.
        leg.settled = true;
        let holds = leg.hold.theirs_by(&offer, before.negotiated());
        let mut slots = offer.slots;
        let form = self.services.policy_of(key).hold;
        leg.hold.narrow(form, true, &mut slots);
        leg.asked = Some(Serving {
            server: id,
            request: Box::new(without_body(request)),
            offered: true,
            slots,
            toward: offer.toward,
            holds,
            before,
            again: true,
            wanted: true,
            early: false,
            reliable: When::Never,
            step: ServingStep::Waiting,
        });
        if offer.unchanged
            && let Ok(answer) = leg.media.repeat_answer()
        {
            // The media go on as they are, and are not even asked.
            if let Some(asked) = leg.asked.as_mut() {
                asked.step = ServingStep::Applying(answer.description.to_string());
            }
            self.succeed(now, key, leg_id);
            return;
        }
        leg.generation = leg.generation.next();
        self.prepare(now, key, leg_id);
    }

    /// The peer answered our UPDATE, which made an offer, with anything but 481 and 408.
    pub(super) fn update_answered(
        &mut self,
        now: Instant,
        key: CallKey,
        leg_id: LegId,
        response: &Response,
    ) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let up = matches!(call.phase, Phase::Up);
        let Some(leg) = call.leg(leg_id) else { return };
        if !response.status.is_success() {
            self.change_refused(now, key, leg_id, response);
            return;
        }
        leg.change = None;
        // A Contact that cannot be read leaves the peer where it was.
        let _unread = leg.dialog.refreshed(response);
        self.services.learn_session_timer(now, key, leg, response);
        let answer = description(&response.headers, &response.body);
        match answer.map(|a| agreed(&mut leg.media, Some(&a))) {
            Some(Ok(agreement)) => {
                leg.settled = true;
                self.apply(now, key, leg_id, Applying::Changed, agreement);
            }
            // Nothing was agreed, so what was agreed before goes on.
            _ if !up => self.take_change_back(key, leg_id),
            _ => {
                self.say_goodbye(now, key, leg_id);
                let why = "the answer to an UPDATE cannot be used";
                self.fail(now, key, EndCause::Media, Some(response.status), why);
            }
        }
    }
}
