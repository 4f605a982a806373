//! Offers of the peer's that we answer, and INVITEs of the peer's that we make an offer for: the media half gets ready,
//! applies what we say, and only then it is said (RFC 3264 section 6, RFC 3261 section 13.3.1).
//!
//! The offer of an UPDATE or a PRACK may come while the INVITE of the dialog still rings: it is served first.

use msp_core::id::{CallKey, LegId};
use msp_core::link::{OfferRole, ToMsp};
use msp_core::params::MediaParams;
use msp_core::time::Instant;

use super::UserAgent;
use super::interface::EndCause;
use super::media::agreed;
use super::reliable::When;
use super::services::{describe, is_of_sips};
use super::state::{Applying, Phase, Serving, ServingStep, Unacknowledged};
use crate::dialog::{copy_record_route, tagged_response};
use crate::wire::{HeaderName, Method, StatusCode};

impl UserAgent {
    /// Asks the media half to get ready, unless it was asked.
    pub(super) fn prepare(&mut self, now: Instant, key: CallKey, leg: LegId) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        call.prepared = true;
        let Some(leg) = call.leg(leg) else { return };
        let (id, generation) = (leg.id, leg.generation);
        let Some(serving) = leg.negotiating() else {
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
            policy: self.services.policy_of(key).security.policy,
            toward: serving.toward,
        };
        leg.wait_for_media(now);
        self.services.msp(key, id, generation, body);
        self.arm(key);
    }

    /// The media half is ready to answer the peer.
    pub(super) fn prepared(
        &mut self,
        now: Instant,
        key: CallKey,
        leg: LegId,
        local: Vec<MediaParams>,
    ) -> bool {
        let security = self.services.policy_of(key).security;
        let Some(asked) = self.calls.get_mut(&key).and_then(|c| c.leg(leg)) else {
            return false;
        };
        let local = security.guard(asked.flow, local);
        match asked.negotiating() {
            Some(serving) if matches!(serving.step, ServingStep::Preparing) => {
                match local {
                    Ok(local) => {
                        serving.step = ServingStep::Prepared(local);
                        self.proceed(now, key, leg);
                    }
                    Err(why) => {
                        let status = StatusCode::NOT_ACCEPTABLE_HERE;
                        self.cannot_serve(now, key, leg, status, why);
                    }
                }
                true
            }
            _ => false,
        }
    }

    /// Goes on with the answer, if the media half is ready and the application agrees.
    pub(super) fn proceed(&mut self, now: Instant, key: CallKey, leg_id: LegId) {
        let Some(leg) = self.calls.get_mut(&key).and_then(|c| c.leg(leg_id)) else {
            return;
        };
        let (serving, media) = match (&mut leg.asked, &mut leg.serving) {
            (Some(asked), _) => (asked, &mut leg.media),
            (None, Some(serving)) => (serving, &mut leg.media),
            (None, None) => return,
        };
        let (wanted, early) = (serving.wanted, serving.early);
        let local = match &mut serving.step {
            ServingStep::Prepared(local) if wanted || early => std::mem::take(local),
            ServingStep::Shown(text) if wanted && !leg.provisional.holds_answer() => {
                // It was said already; where nobody acknowledged it, it is said again (RFC 3261 section 13.2.1).
                let text = std::mem::take(text);
                serving.step =
                    ServingStep::Applying(if leg.settled { String::new() } else { text });
                match agreed(media, None) {
                    Ok(agreement) => self.apply(now, key, leg_id, Applying::Served, agreement),
                    Err(why) => {
                        let status = StatusCode::SERVER_INTERNAL_ERROR;
                        self.cannot_serve(now, key, leg_id, status, &why);
                    }
                }
                return;
            }
            _ => return,
        };
        if !wanted {
            self.show(now, key, leg_id, local);
            return;
        }
        let said = if serving.offered {
            media.create_answer(local).map(|answer| {
                serving.step = ServingStep::Applying(answer.description.to_string());
                Some(answer.agreement)
            })
        } else {
            media.create_offer(local).map(|offer| {
                serving.step = ServingStep::Applying(offer.to_string());
                None
            })
        };
        match said {
            Ok(Some(agreement)) => self.apply(now, key, leg_id, Applying::Served, agreement),
            Ok(None) => self.succeed(now, key, leg_id),
            Err(error) => self.cannot_serve(
                now,
                key,
                leg_id,
                StatusCode::NOT_ACCEPTABLE_HERE,
                &error.to_string(),
            ),
        }
    }

    /// Goes on with an answer, or an offer, that the caller gets before the application takes the call.
    fn show(&mut self, now: Instant, key: CallKey, leg_id: LegId, local: Vec<MediaParams>) {
        let Some(leg) = self.calls.get_mut(&key).and_then(|c| c.leg(leg_id)) else {
            return;
        };
        let Some(serving) = leg.serving.as_mut() else {
            return;
        };
        let said = if serving.offered {
            leg.media.create_answer(local).map(|answer| {
                serving.step = ServingStep::Showing(answer.description.to_string());
                Ok(answer.agreement)
            })
        } else if serving.reliable == When::Never {
            // Nobody would answer an offer now: it has to wait for the 2xx.
            serving.step = ServingStep::Prepared(local);
            serving.early = false;
            return;
        } else {
            leg.media.create_offer(local).map(|offer| {
                serving.step = ServingStep::Offered;
                Err(offer.to_string())
            })
        };
        match said {
            Ok(Ok(agreement)) => self.apply(now, key, leg_id, Applying::Shown, agreement),
            Ok(Err(offer)) => {
                let status = StatusCode::SESSION_PROGRESS;
                self.send_provisional(now, key, leg_id, status, Some(offer));
            }
            Err(error) => {
                let status = StatusCode::NOT_ACCEPTABLE_HERE;
                self.cannot_serve(now, key, leg_id, status, &error.to_string());
            }
        }
    }

    /// The media half applied what our answer says: the 200 goes out.
    pub(super) fn applied(&mut self, now: Instant, key: CallKey, leg_id: LegId) {
        let Some(leg) = self.calls.get_mut(&key).and_then(|c| c.leg(leg_id)) else {
            return;
        };
        let generation = leg.generation;
        let Some(serving) = leg.negotiating() else {
            return;
        };
        if !matches!(serving.step, ServingStep::Applying(_)) {
            return;
        }
        if serving.again {
            self.services.msp(key, leg_id, generation, ToMsp::Commit);
        }
        self.succeed(now, key, leg_id);
    }

    /// Answers what is served with 200 and what its step says; one to an INVITE again and again until the ACK comes.
    pub(super) fn succeed(&mut self, now: Instant, key: CallKey, leg_id: LegId) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let Some(leg) = call.leg(leg_id) else { return };
        let Some(serving) = leg.asked.take().or_else(|| leg.serving.take()) else {
            return;
        };
        let tag = leg.dialog.id().local_tag.clone();
        let mut response = tagged_response(&serving.request, StatusCode::OK, &tag);
        let flow = leg.flow;
        let account = self.services.accounts.of_call(key);
        let contact = self
            .services
            .contact_in(key, flow, is_of_sips(&serving.request));
        response.headers.put(HeaderName::Contact, contact);
        response
            .headers
            .put(HeaderName::Allow, self.services.allow());
        self.services.put_supported(&mut response.headers, account);
        let is_invite = serving.request.method == Method::Invite;
        if serving.offered {
            leg.hold.served(serving.holds);
        }
        if is_invite {
            copy_record_route(&serving.request, &mut response);
        }
        let asked = &serving.request.headers;
        if serving.request.method != Method::Prack {
            self.services
                .answer_session_timer(now, account, leg, asked, &mut response.headers);
        }
        if let ServingStep::Applying(text) = serving.step
            && !text.is_empty()
        {
            describe(&mut response.headers, &mut response.body, text);
        }
        let timers = self.services.config.timers;
        let sent = self.services.respond(now, serving.server, &response);
        if !is_invite {
            self.tell_hold(key, leg_id);
            // The INVITE may have waited for this.
            self.proceed(now, key, leg_id);
            return;
        }
        let Some((back, bytes)) = sent else {
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
            wants_answer: !serving.offered && (serving.again || !leg.settled),
            again: serving.again,
            interval: timers.t1,
            repeat: now + timers.t1,
            give_up: now + timers.transaction(),
        });
        if !serving.again {
            call.phase = Phase::Up;
            call.chosen = Some(leg_id);
        }
        self.tell_hold(key, leg_id);
        self.arm(key);
    }

    /// What is served cannot be answered with success: what was agreed before goes on.
    pub(super) fn cannot_serve(
        &mut self,
        now: Instant,
        key: CallKey,
        leg: LegId,
        status: StatusCode,
        why: &str,
    ) {
        if self.refuse_asked(now, key, leg, status) {
            self.proceed(now, key, leg);
            return;
        }
        let again = self.refuse_serving(now, key, leg, status);
        if !again {
            self.fail(now, key, EndCause::Media, Some(status), why);
        }
    }

    /// Answers the peer's INVITE, and what it asked meanwhile, with a refusal and takes back what was prepared for it.
    /// Whether it was to change a call that is up.
    pub(super) fn refuse_serving(
        &mut self,
        now: Instant,
        key: CallKey,
        leg_id: LegId,
        status: StatusCode,
    ) -> bool {
        self.refuse_asked(now, key, leg_id, status);
        if self.refuse_postponed(now, key, leg_id, status) {
            return true;
        }
        let Some(leg) = self.calls.get_mut(&key).and_then(|c| c.leg(leg_id)) else {
            return false;
        };
        match leg.serving.take() {
            Some(serving) => self.refuse_served(now, key, leg_id, serving, status),
            None => false,
        }
    }

    /// Refuses the offer of the peer's UPDATE or PRACK, if there is one.
    fn refuse_asked(
        &mut self,
        now: Instant,
        key: CallKey,
        leg_id: LegId,
        status: StatusCode,
    ) -> bool {
        let leg = self.calls.get_mut(&key).and_then(|c| c.leg(leg_id));
        match leg.and_then(|l| l.asked.take()) {
            Some(asked) => self.refuse_served(now, key, leg_id, asked, status),
            None => false,
        }
    }

    fn refuse_served(
        &mut self,
        now: Instant,
        key: CallKey,
        leg_id: LegId,
        serving: Serving,
        status: StatusCode,
    ) -> bool {
        let Some(leg) = self.calls.get_mut(&key).and_then(|c| c.leg(leg_id)) else {
            return false;
        };
        leg.media = serving.before;
        if serving.again && !matches!(serving.step, ServingStep::Waiting) {
            self.services
                .msp(key, leg_id, leg.generation, ToMsp::Rollback);
        }
        let tag = &leg.dialog.id().local_tag;
        let response = tagged_response(&serving.request, status, tag);
        self.services.respond(now, serving.server, &response);
        serving.again
    }
}
