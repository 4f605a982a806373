//! Offers that the peer makes because our INVITE makes none: in its 2xx, which our ACK answers, or in a reliable
//! provisional response, which our PRACK answers (RFC 3261 section 13.2.1, RFC 3262 section 5).
//!
//! The acknowledgement waits until the media half applied what it says.

use bytes::Bytes;
use msp_core::id::{CallKey, LegId};
use msp_core::link::{OfferRole, ToMsp};
use msp_core::params::MediaParams;
use msp_core::time::Instant;
use tsp_sdp::{RemoteOffer, State};

use super::UserAgent;
use super::interface::EndCause;
use super::services::{Within, describe};
use super::state::{Applying, Leg};
use crate::wire::Request;

/// An acknowledgement of ours that has to answer an offer.
#[derive(Debug)]
pub(super) struct Owed {
    request: Box<Request>,
    what: Within,
    /// The answer, once it is made.
    answer: Option<String>,
}

impl Owed {
    /// The media half has not said what it can do.
    pub(super) const fn prepares(&self) -> bool {
        self.answer.is_none()
    }

    /// What the media half is told to apply.
    pub(super) const fn applying(&self) -> Applying {
        match self.what {
            Within::Ack(_) => Applying::Final,
            _ => Applying::Early,
        }
    }
}

impl Leg {
    /// The media half gets ready to answer the peer's offer.
    pub(super) fn prepares_answer(&self) -> bool {
        self.owed.as_ref().is_some_and(Owed::prepares)
    }

    /// Takes the offer of a response that `request` acknowledges, which waits from now on.
    pub(super) fn owe(
        &mut self,
        request: Request,
        what: Within,
        offer: Option<&Bytes>,
    ) -> Option<RemoteOffer> {
        self.owed = Some(Owed {
            request: Box::new(request),
            what,
            answer: None,
        });
        let offer = self.media.receive_offer(offer?).ok()?;
        Some(offer).filter(|o| !o.slots.is_empty())
    }
}

impl UserAgent {
    /// Asks the media half to get ready for the peer's offer, if there is one that we can read.
    pub(super) fn prepare_owed(
        &mut self,
        now: Instant,
        key: CallKey,
        leg_id: LegId,
        offer: Option<RemoteOffer>,
    ) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let Some(offer) = offer else {
            self.cannot_answer(now, key, leg_id, "no offer came that can be answered");
            return;
        };
        call.prepared = true;
        let Some(leg) = call.leg(leg_id) else { return };
        let generation = leg.generation;
        leg.wait_for_media(now);
        let body = ToMsp::Prepare {
            role: OfferRole::Answerer,
            slots: offer.slots,
            policy: self.services.policy_of(key).security.policy,
            toward: offer.toward,
        };
        self.services.msp(key, leg_id, generation, body);
        self.arm(key);
    }

    /// The media half is ready: our answer is made, and applied before it is said.
    pub(super) fn answer_owed(
        &mut self,
        now: Instant,
        key: CallKey,
        leg_id: LegId,
        local: Vec<MediaParams>,
    ) {
        let Some(leg) = self.calls.get_mut(&key).and_then(|c| c.leg(leg_id)) else {
            return;
        };
        let Some(owed) = leg.owed.as_mut() else {
            return;
        };
        let security = self.services.policy_of(key).security;
        let local = security.guard(leg.flow, local).map_err(str::to_owned);
        let answer = local.and_then(|l| leg.media.create_answer(l).map_err(|e| e.to_string()));
        match answer {
            Ok(answer) => {
                owed.answer = Some(answer.description.to_string());
                let what = owed.applying();
                self.apply(now, key, leg_id, what, answer.agreement);
            }
            Err(why) => self.cannot_answer(now, key, leg_id, &why),
        }
    }

    /// Sends the acknowledgement that waits, with the answer that was made, or with one that takes nothing: also an offer
    /// that cannot be accepted is answered (RFC 3261 section 13.2.2.4).
    pub(super) fn say_owed(&mut self, now: Instant, key: CallKey, leg_id: LegId) {
        let Some(leg) = self.calls.get_mut(&key).and_then(|c| c.leg(leg_id)) else {
            return;
        };
        let Some(owed) = leg.owed.take() else { return };
        let refusal = || leg.media.refuse_offer().ok().map(|d| d.to_string());
        let answer = owed.answer.or_else(refusal);
        leg.settled |= leg.media.state() == State::Stable && leg.media.negotiated().is_some();
        let mut request = *owed.request;
        if let Some(answer) = answer {
            describe(&mut request.headers, &mut request.body, answer);
        }
        self.send_within(now, key, leg_id, request, owed.what);
    }

    /// The peer's offer cannot be answered with anything that it wants: the call is over.
    pub(super) fn cannot_answer(&mut self, now: Instant, key: CallKey, leg_id: LegId, why: &str) {
        let leg = self.calls.get_mut(&key).and_then(|c| c.leg(leg_id));
        let Some(owed) = leg.and_then(|l| l.owed.as_ref()) else {
            return;
        };
        match owed.applying() {
            Applying::Early => {
                self.say_owed(now, key, leg_id);
                self.take_back(now, key);
            }
            _ => self.say_goodbye(now, key, leg_id),
        }
        self.fail(now, key, EndCause::Media, None, why);
    }
}
