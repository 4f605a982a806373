//! Changes of a call that the media half wants: a further INVITE of ours (RFC 3261 section 14.1), or an UPDATE.
//!
//! The media half gets ready beside what runs, our offer goes out, and what the peer answers is applied and committed.
//! If the peer does not agree, what was agreed before goes on.

use std::time::Duration;

use msp_core::event::Cause;
use msp_core::id::{CallKey, LegId};
use msp_core::link::{OfferRole, ToMsp};
use msp_core::params::{MediaParams, PayloadMapping};
use msp_core::time::Instant;
use tsp_sdp::State;

use super::UserAgent;
use super::content::{ACCEPT, description};
use super::hold::write_nowhere;
use super::interface::{EndCause, Ended};
use super::media::agreed;
use super::policy::{ChangeBy, HoldForm};
use super::services::{Inside, Purpose, Within, describe, goes_to_sips};
use super::state::{Applying, Change, Leg, Phase};
use crate::transaction::ClientId;
use crate::transport::Flow;
use crate::wire::{HeaderName, Method, Request, Response, StatusCode};

/// How long the peer may think about a change: as long as about a call (RFC 3261 section 16.6, timer C).
const PATIENCE: Duration = Duration::from_secs(181);

impl UserAgent {
    /// The media half wants another round of offer and answer. `false` if there is no call to change.
    pub(super) fn change_wanted(&mut self, now: Instant, key: CallKey, leg_id: LegId) -> bool {
        let Some(call) = self.calls.get_mut(&key) else {
            return false;
        };
        let rings = matches!(call.phase, Phase::Inviting(_) | Phase::Alerting { .. });
        let is_call = matches!(call.phase, Phase::Up) && call.chosen == Some(leg_id);
        // While it rings only an UPDATE can change it, and only once offer and answer of the INVITE are over.
        let can = |l: &&mut Leg| is_call || rings && l.settled && l.peer.update;
        let Some(leg) = call.leg(leg_id).filter(can) else {
            return false;
        };
        leg.change_at = Some(now);
        self.begin_changes(now, key);
        true
    }

    /// Begins the change that is due, or puts it off if something else is under way.
    pub(super) fn begin_changes(&mut self, now: Instant, key: CallKey) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let connected = call.connected && matches!(call.phase, Phase::Up);
        let early = matches!(call.phase, Phase::Inviting(_) | Phase::Alerting { .. });
        let chosen = call.chosen;
        let is_it = |l: &&mut Leg| l.change_is_due(now) && chosen.is_none_or(|c| c == l.id);
        let Some(leg) = call.legs.iter_mut().find(is_it) else {
            return;
        };
        if !(connected || early) || !leg.is_quiet(early) || self.services.looks_up(key, leg.id) {
            leg.change_at = Some(now + self.services.config.timers.t1);
            self.arm(key);
            return;
        }
        leg.change_at = None;
        leg.change = Some(Change::Preparing);
        leg.generation = leg.generation.next();
        leg.wait_for_media(now);
        let mut slots = leg.media.slots();
        let form = self.services.policy_of(key).hold;
        leg.hold.narrow(form, false, &mut slots);
        leg.hold.offer();
        let body = ToMsp::Prepare {
            role: OfferRole::Offerer,
            slots,
            policy: self.services.policy_of(key).security.policy,
            toward: Some(leg.flow.remote.ip()),
        };
        self.services.msp(key, leg.id, leg.generation, body);
        self.arm(key);
    }

    /// The media half is ready: our offer goes out.
    pub(super) fn offer_change(
        &mut self,
        now: Instant,
        key: CallKey,
        leg_id: LegId,
        mut local: Vec<MediaParams>,
    ) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let up = matches!(call.phase, Phase::Up);
        let Some(leg) = call.leg(leg_id) else { return };
        if leg.locked {
            leg.keep_codec(&mut local);
        }
        let policy = self.services.policy_of(key);
        if leg.hold.wanted && policy.hold == HoldForm::ZeroAddress {
            write_nowhere(&mut local);
        }
        let security = self.services.policy_of(key).security;
        let local = security.guard(leg.flow, local);
        let Some(offer) = local.ok().and_then(|l| leg.media.create_offer(l).ok()) else {
            self.give_change_up(key, leg_id, None);
            return;
        };
        leg.changed_by = None;
        let wanted = policy.change == ChangeBy::Update;
        let update = !up || wanted && leg.peer.update;
        let (method, what) = if update {
            leg.change = Some(Change::Updating);
            (Method::Update, Within::Ask(Inside::Update))
        } else {
            leg.change = Some(Change::Inviting {
                patience: Some(now + PATIENCE),
                refresh: false,
            });
            (Method::Invite, Within::Change)
        };
        let mut request = leg.dialog.request(method);
        let contact = self
            .services
            .contact_in(key, leg.flow, goes_to_sips(&request));
        request.headers.put(HeaderName::Contact, contact);
        request
            .headers
            .put(HeaderName::Allow, self.services.allow());
        request.headers.put(HeaderName::Accept, ACCEPT);
        describe(&mut request.headers, &mut request.body, offer.to_string());
        self.send_within(now, key, leg_id, request, what);
        self.arm(key);
    }

    /// Sends our INVITE by `flow`, unless the call is over meanwhile.
    pub(super) fn send_change(
        &mut self,
        now: Instant,
        key: CallKey,
        leg_id: LegId,
        request: Request,
        flow: Flow,
    ) {
        let call = self.calls.get_mut(&key).filter(|c| !c.is_over());
        let Some(leg) = call.and_then(|c| c.leg(leg_id)) else {
            return;
        };
        let purpose = Purpose::Change(key, leg_id);
        match self.services.send(now, flow, request, purpose) {
            Ok(id) => leg.changed_by = Some(id),
            Err(_) => {
                self.services.stats.unsent += 1;
                self.take_change_back(key, leg_id);
            }
        }
    }

    /// The peer answered our INVITE.
    pub(super) fn change_answered(
        &mut self,
        now: Instant,
        key: CallKey,
        leg_id: LegId,
        invite: ClientId,
        flow: Flow,
        response: &Response,
    ) {
        let status = response.status;
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let over = call.is_over();
        let Some(leg) = call.leg(leg_id) else { return };
        if status.is_provisional() {
            return;
        }
        if status.is_success() {
            // Without an open change its ACK waits for its way.
            if leg.change.is_some() {
                self.change_accepted(now, key, leg_id, invite, flow, response);
            }
            if over {
                self.tidy(now, key);
            }
            return;
        }
        if status == StatusCode::CALL_DOES_NOT_EXIST || status == StatusCode::REQUEST_TIMEOUT {
            self.change_unanswered(now, key, leg_id, Some(status));
            return;
        }
        if over {
            leg.change = None;
            self.tidy(now, key);
            return;
        }
        if let Some(Change::Inviting { refresh: true, .. }) = leg.change {
            leg.change = None;
            leg.media.rollback();
            self.refresh_refused(now, key, leg_id, response);
            return;
        }
        self.change_refused(now, key, leg_id, response);
    }

    /// The peer does not agree to our offer, or not now.
    pub(super) fn change_refused(
        &mut self,
        now: Instant,
        key: CallKey,
        leg_id: LegId,
        response: &Response,
    ) {
        if response.status != StatusCode::REQUEST_PENDING {
            self.services.stats.refused_changes += 1;
            self.give_change_up(key, leg_id, Some(response.status));
            return;
        }
        self.take_change_back(key, leg_id);
        // Both ends asked at once: whoever made the Call-ID waits longer (RFC 3261 section 14.1).
        let tens_of_ms = match self.calls.get(&key).is_some_and(|c| c.invite.is_some()) {
            true => 210 + self.services.random_below(191),
            false => self.services.random_below(201),
        };
        if let Some(leg) = self.calls.get_mut(&key).and_then(|c| c.leg(leg_id)) {
            leg.change_at = Some(now + Duration::from_millis(10 * tens_of_ms));
        }
        self.arm(key);
    }

    /// A 2xx: it is acknowledged, and what it says is applied.
    fn change_accepted(
        &mut self,
        now: Instant,
        key: CallKey,
        leg_id: LegId,
        invite: ClientId,
        flow: Flow,
        response: &Response,
    ) {
        let number = response.headers.cseq().map(|c| c.number);
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let over = call.is_over();
        let Some(leg) = call.leg(leg_id) else { return };
        leg.flow = flow;
        // A Contact that cannot be read leaves the peer where it was.
        let _unread = leg.dialog.learn(response);
        self.services.learn_session_timer(now, key, leg, response);
        let ack = leg
            .dialog
            .ack(number.unwrap_or_else(|_| leg.dialog.local_number()));
        let change = leg.change.take();
        let refresh = matches!(change, Some(Change::Inviting { refresh: true, .. }));
        let mut before = refresh.then(|| leg.media.clone());
        let agreement = agreed(
            &mut leg.media,
            description(&response.headers, &response.body).as_ref(),
        );
        if let (Some(before), Ok(agreement)) = (&mut before, &agreement)
            && says_the_same(before.negotiated(), &agreement.params)
        {
            // The media half is not even asked.
            before.rollback();
            leg.media = before.clone();
            self.send_within(now, key, leg_id, ack, Within::Ack(invite));
            self.arm(key);
            return;
        }
        self.send_within(now, key, leg_id, ack, Within::Ack(invite));
        match agreement {
            _ if over => {}
            Ok(agreement) => self.apply(now, key, leg_id, Applying::Changed, agreement),
            Err(why) => {
                self.say_goodbye(now, key, leg_id);
                self.fail(now, key, EndCause::Media, Some(response.status), &why);
            }
        }
    }

    /// The peer knows nothing of the call, or says nothing: the call is over (RFC 3261 section 12.2.1.2).
    pub(super) fn change_unanswered(
        &mut self,
        now: Instant,
        key: CallKey,
        leg_id: LegId,
        status: Option<StatusCode>,
    ) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let over = call.is_over();
        if let Some(leg) = call.leg(leg_id) {
            leg.change = None;
            leg.media.rollback();
        }
        if over {
            self.tidy(now, key);
            return;
        }
        self.say_goodbye(now, key, leg_id);
        let why = Ended {
            cause: EndCause::Unreachable,
            status,
            reason: "the peer does not answer a change".into(),
        };
        self.end(now, key, why, Cause::ConnectFail);
    }

    /// There is no change: what was agreed before goes on.
    pub(super) fn take_change_back(&mut self, key: CallKey, leg_id: LegId) {
        let Some(leg) = self.calls.get_mut(&key).and_then(|c| c.leg(leg_id)) else {
            return;
        };
        leg.change = None;
        leg.media.rollback();
        let generation = leg.generation;
        self.services.msp(key, leg_id, generation, ToMsp::Rollback);
    }

    /// There is no change, and what the application wanted with it is off too.
    fn give_change_up(&mut self, key: CallKey, leg_id: LegId, status: Option<StatusCode>) {
        self.take_change_back(key, leg_id);
        self.hold_refused(key, leg_id, status);
    }

    /// The peer rings with a change for too long.
    pub(super) fn lose_patience(&mut self, now: Instant, key: CallKey) {
        let Some(leg) = self.calls.get_mut(&key).and_then(|c| c.confirmed()) else {
            return;
        };
        if let Some(Change::Inviting { patience, .. }) = &mut leg.change
            && patience.take_if(|at| *at <= now).is_some()
            && let Some(invite) = leg.changed_by
        {
            // Its end is that of the transaction.
            self.services.transactions.cancel(now, invite);
        }
    }
}

/// An answer leaves what flows as it is. What we would take besides is ours to say, and we said nothing new.
fn says_the_same(before: Option<&[MediaParams]>, after: &[MediaParams]) -> bool {
    let same = |(before, after): (&MediaParams, &MediaParams)| {
        let mut after = after.clone();
        after.receive.clone_from(&before.receive);
        *before == after
    };
    before.is_some_and(|b| b.len() == after.len() && b.iter().zip(after).all(same))
}

impl Leg {
    /// Leaves of what the media half can do the codec in use, and what goes with it.
    fn keep_codec(&self, local: &mut [MediaParams]) {
        let agreed = self.media.negotiated().unwrap_or_default();
        for params in local {
            let of_slot = agreed.iter().find(|a| a.slot == params.slot);
            let sound = |p: &&PayloadMapping| !p.codec.is_telephone_event();
            if let Some(used) = of_slot.and_then(|a| a.send.iter().find(sound)) {
                params
                    .receive
                    .retain(|m| m.codec.is_telephone_event() || m.codec.matches(&used.codec));
            }
        }
    }

    fn change_is_due(&self, now: Instant) -> bool {
        self.change_at.is_some_and(|at| at <= now)
    }

    /// Nothing is under way that an offer of ours would meet.
    pub(super) fn is_quiet(&self, early: bool) -> bool {
        self.change.is_none()
            && (early || self.serving.is_none())
            && self.asked.is_none()
            && self.postponed.is_none()
            && self.owed.is_none()
            && self.unacknowledged.is_none()
            && self.applying.is_empty()
            && self.media.state() == State::Stable
    }
}
