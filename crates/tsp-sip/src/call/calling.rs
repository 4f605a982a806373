//! Calls that we make (RFC 3261 sections 9.1, 13.1 and 13.2).

use std::time::Duration;

use bytes::Bytes;
use msp_core::event::Cause;
use msp_core::id::{CallKey, Generation, LegId};
use msp_core::link::{MAX_LEGS, OfferRole, ToMsp};
use msp_core::params::MediaParams;
use msp_core::time::Instant;

use super::UserAgent;
use super::agent::ended;
use super::content::{ACCEPT, description};
use super::diverted::Trail;
use super::errand::Errand;
use super::failover::Chosen;
use super::identity::{DiversionField, IdentityPolicy};
use super::interface::{CallEventKind, EndCause, Ended};
use super::media::agreed;
use super::policy::Redirect;
use super::reliable::reliable_number;
use super::services::{Inside, Purpose, Within, describe, target_of};
use super::state::{Applying, Call, Dialing, Inviting, Leg, Phase, media_due};
use super::transfer::split_target;
use crate::Result;
use crate::account::AccountId;
use crate::dialog::{Dialog, DialogId};
use crate::transaction::ClientId;
use crate::transport::Flow;
use crate::wire::{CSeq, HeaderName, Method, Request, Response, Scheme, StatusCode, Text, Uri};

/// How long a phone rings before we give up: as long as proxies wait (RFC 3261 section 16.6, timer C).
const PATIENCE: Duration = Duration::from_secs(181);

/// Branches of a call that answer, at most. As many ring as the media half can tell apart.
const MAX_ANSWERED: usize = 64;

impl UserAgent {
    /// The application calls `to`, which may name a call to take the place of.
    pub(super) fn dial(
        &mut self,
        key: CallKey,
        to: &Uri,
        account: Option<AccountId>,
        identity: Option<Box<IdentityPolicy>>,
    ) {
        if !self.may_begin(key) {
            return;
        }
        let Ok((to, replaces)) = split_target(to) else {
            let why = "the call to take the place of cannot be read";
            self.services
                .tell(key, ended(EndCause::BadAddress, None, why));
            return;
        };
        let to = self.services.called_as(account, to);
        let hop = self.services.first_hop(account, &Method::Invite, &to);
        let way = target_of(&hop).ok_or_else(|| match hop.scheme() {
            Scheme::Tel => "a telephone number needs an account",
            _ => "no way to this URI",
        });
        let way = way.map(|target| self.services.look_up(target, Errand::Dial(key)));
        match way {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                self.services
                    .tell(key, ended(EndCause::Unresolvable, None, &error.to_string()));
                return;
            }
            Err(why) => {
                self.services
                    .tell(key, ended(EndCause::Unresolvable, None, why));
                return;
            }
        }
        self.begin_call(key, to, account);
        if let Some(call) = self.calls.get_mut(&key) {
            call.replaces = replaces.map(Box::new);
            call.identity = identity;
        }
    }

    /// Whether a call of ours may be made under `key`; if not, the application is told.
    pub(super) fn may_begin(&mut self, key: CallKey) -> bool {
        let may = !self.closing && !self.calls.contains_key(&key);
        if !may {
            let why = ended(EndCause::Rejected, None, "no call can be made");
            self.services.tell(key, why);
        }
        may
    }

    /// A call of ours that has not begun.
    pub(super) fn begin_call(&mut self, key: CallKey, to: Uri, account: Option<AccountId>) {
        self.services.watching.changed = true;
        let call_id: Text = self.services.token().into();
        let tag = self.services.token().into();
        self.services.accounts.claim(key, account);
        self.services.call_ids.insert(call_id.as_str().into(), key);
        self.calls.insert(
            key,
            Call::new(
                call_id,
                tag,
                Phase::Dialing(Dialing {
                    to,
                    way: None,
                    number: 1,
                    called: None,
                    due: None,
                }),
            ),
        );
        self.alive += 1;
    }

    /// The way of a call of ours is known, or there is none.
    pub(super) fn dial_by(
        &mut self,
        now: Instant,
        key: CallKey,
        way: std::result::Result<Chosen, Box<str>>,
    ) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let Phase::Dialing(dialing) = &mut call.phase else {
            return;
        };
        let way = match way {
            Ok(way) => way,
            Err(why) => {
                self.fail(now, key, EndCause::Unresolvable, None, &why);
                return;
            }
        };
        let flow = way.flow;
        dialing.way = Some(way);
        if self.services.policy_of(key).late_offer {
            call.late_offer = true;
            self.invite(now, key, None);
            return;
        }
        dialing.due = Some(media_due(now));
        call.prepared = true;
        self.arm(key);
        let security = self.services.policy_of(key).security;
        self.services.msp(
            key,
            LegId::FIRST,
            Generation(0),
            ToMsp::Prepare {
                role: OfferRole::Offerer,
                slots: security.slots(flow),
                policy: security.policy,
                toward: Some(flow.remote.ip()),
            },
        );
    }

    /// The INVITE goes out: with an offer of what the media half is ready for, or without one.
    pub(super) fn invite(&mut self, now: Instant, key: CallKey, local: Option<Vec<MediaParams>>) {
        let Some(Call {
            phase: Phase::Dialing(dialing),
            ..
        }) = self.calls.get_mut(&key)
        else {
            return;
        };
        let Some(way) = dialing.way.take() else {
            return;
        };
        let (to, flow) = (dialing.to.clone(), way.flow);
        let named = (dialing.number, dialing.called.take());
        let mut offer = self.services.session(flow);
        let security = self.services.policy_of(key).security;
        let description = local.map(|local| {
            let local = security.guard(flow, local).map_err(str::to_owned)?;
            offer.create_offer(local).map_err(|e| e.to_string())
        });
        let description = match description.transpose() {
            Ok(description) => description.map(|d| d.to_string()),
            Err(why) => {
                self.fail(now, key, EndCause::Media, None, &why);
                return;
            }
        };
        match self.send_invite(now, key, &to, flow, description, named) {
            Ok((invite, request)) => {
                self.services.ways.insert(invite, way.ways);
                let patience = now + PATIENCE;
                let inviting = Inviting {
                    request: Box::new(request),
                    flow,
                    offer,
                    patience,
                    answered: false,
                };
                if let Some(call) = self.calls.get_mut(&key) {
                    call.invite = Some(invite);
                    call.phase = Phase::Inviting(inviting);
                }
                self.arm(key);
            }
            Err(error) => self.fail(now, key, EndCause::Unreachable, None, &error.to_string()),
        }
    }

    fn send_invite(
        &mut self,
        now: Instant,
        key: CallKey,
        to: &Uri,
        flow: Flow,
        description: Option<String>,
        (number, called): (u32, Option<Bytes>),
    ) -> Result<(ClientId, Request)> {
        let (call_id, tag) = match self.calls.get(&key) {
            Some(call) => (call.call_id.clone(), call.local_tag.clone()),
            None => return Err(crate::Error::new(crate::ErrorKind::Unknown, "call")),
        };
        let account = self.services.accounts.of_call(key);
        let names = (call_id.as_str(), tag.as_str());
        let mut request =
            self.services
                .request_outside(account, Method::Invite, to, flow, names)?;
        if let Some(called) = called {
            request.headers.set(HeaderName::To, called);
        }
        let own = self.calls.get(&key).and_then(|c| c.identity.as_deref());
        let identity = match own {
            Some(own) => own,
            None => &self.services.policy(account).identity,
        };
        self.services
            .say_who_calls(identity, account, flow, &tag, &mut request)?;
        let (diverted, hidden) = (identity.diverted, identity.hidden);
        if hidden {
            self.services.nobodies.insert(key);
        }
        if let Some(call) = self.calls.get_mut(&key)
            && diverted != DiversionField::None
        {
            let trail = call.trail.get_or_insert_with(|| Trail::from(to).into());
            trail.dress(diverted, &mut request.headers);
        }
        let cseq = CSeq {
            number,
            method: Method::Invite,
        };
        request.headers.set(HeaderName::CSeq, cseq.to_value());
        request
            .headers
            .put(HeaderName::Allow, self.services.allow());
        request.headers.put(HeaderName::Accept, ACCEPT);
        self.services.put_options(&mut request.headers, account);
        let least = self.calls.get(&key).and_then(|c| c.least_interval);
        self.services
            .put_session_timer(&mut request.headers, account, least);
        self.services.referrals.dress(key, &mut request.headers);
        if let Some(passage) = self.calls.get(&key).and_then(|c| c.passage.as_ref()) {
            passage.dress(&mut request.headers);
        }
        if let Some(replaces) = self.calls.get(&key).and_then(|c| c.replaces.as_ref()) {
            let headers = &mut request.headers;
            headers.put(HeaderName::Replaces, replaces.to_value());
            headers.put(HeaderName::Require, "replaces");
        }
        let kept = request.clone();
        if let Some(description) = description {
            describe(&mut request.headers, &mut request.body, description);
        }
        let id = self
            .services
            .send(now, flow, request, Purpose::Invite(key))?;
        Ok((id, kept))
    }

    pub(super) fn invite_answered(
        &mut self,
        now: Instant,
        key: CallKey,
        invite: ClientId,
        flow: Flow,
        response: &Response,
    ) {
        let status = response.status;
        if status.is_success() {
            self.accepted(now, key, invite, flow, response);
        } else if status.is_final() {
            self.refused(now, key, response);
        } else if status != StatusCode::TRYING {
            self.progress(now, key, flow, response);
        }
    }

    /// A provisional response: the phone rings, and media may come.
    fn progress(&mut self, now: Instant, key: CallKey, flow: Flow, response: &Response) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let Phase::Inviting(inviting) = &call.phase else {
            self.services.stats.idle_responses += 1;
            return;
        };
        if response.status == StatusCode::RINGING && !call.rang {
            call.rang = true;
            self.services.tell(key, CallEventKind::Ringing);
        }
        let id = DialogId::of_response(&response.headers);
        let Some(id) = id.ok().filter(|id| !id.remote_tag.is_empty()) else {
            self.services.stats.idle_responses += 1;
            return;
        };
        let at = match call.legs.iter().position(|l| *l.dialog.id() == id) {
            Some(at) => at,
            None => {
                if call.legs.len() >= MAX_LEGS {
                    self.services.stats.excess_branches += 1;
                    return;
                }
                let Ok(dialog) = Dialog::calling(&inviting.request, response) else {
                    self.services.stats.idle_responses += 1;
                    return;
                };
                let leg = Leg::new(
                    leg_id(call.legs.len()),
                    dialog,
                    flow,
                    inviting.offer.clone(),
                );
                self.services.dialogs.insert(id, (key, leg.id));
                call.legs.push(leg);
                call.legs.len() - 1
            }
        };
        let Some(leg) = call.legs.get_mut(at) else {
            return;
        };
        leg.flow = flow;
        leg.peer.learn(&response.headers);
        let (leg_id, late) = (leg.id, call.late_offer);
        if leg.has_heard(response) {
            self.services.stats.repeated_provisionals += 1;
            return;
        }
        // What cannot be read here is said again by the 2xx.
        let _unread = leg.dialog.learn(response);
        // What was settled changes by UPDATE only.
        let body = description(&response.headers, &response.body).filter(|_| !leg.settled);
        if late {
            // What nobody acknowledges makes no offer (RFC 3261 section 13.2.1).
            let offered =
                body.filter(|_| leg.owed.is_none() && reliable_number(response).is_some());
            match offered.and_then(|body| Some((body, leg.prack(response)?))) {
                Some((body, prack)) => {
                    let offer = leg.owe(prack, Within::Ask(Inside::Prack), Some(&body));
                    self.prepare_owed(now, key, leg_id, offer);
                }
                None => self.acknowledge_provisional(now, key, leg_id, response),
            }
            return;
        }
        let agreement = body.map(|body| leg.media.receive_answer(&body));
        leg.settled |= reliable_number(response).is_some() && matches!(agreement, Some(Ok(_)));
        self.acknowledge_provisional(now, key, leg_id, response);
        match agreement {
            Some(Err(_)) => self.services.stats.unread_answers += 1,
            Some(Ok(agreement)) if agreement.has_media() && !agreement.unchanged => {
                self.apply(now, key, leg_id, Applying::Early, agreement);
            }
            _ => {}
        }
    }

    /// A 2xx: the first one is the call. Those of other branches, and those that come after the call was taken back or
    /// is over, are acknowledged and ended (RFC 3261 section 13.2.2.4).
    fn accepted(
        &mut self,
        now: Instant,
        key: CallKey,
        invite: ClientId,
        flow: Flow,
        response: &Response,
    ) {
        let (Ok(id), Ok(cseq)) = (
            DialogId::of_response(&response.headers),
            response.headers.cseq(),
        ) else {
            self.services.stats.idle_responses += 1;
            return;
        };
        if self.services.acknowledged(invite) >= MAX_ANSWERED {
            self.services.stats.excess_branches += 1;
            return;
        }
        // Nothing but this branch is left of a call that was forgotten.
        let call = self.calls.entry(key).or_insert_with(|| {
            let over = Phase::Over { invite: None };
            let (call_id, tag) = (id.call_id.clone(), id.local_tag.clone());
            Call::new(call_id, tag, over)
        });
        match call.legs.iter().find(|l| *l.dialog.id() == id) {
            // The ACK waits for its way.
            Some(leg) if leg.acknowledged => return,
            Some(_) => {}
            None if call.legs.len() >= MAX_ANSWERED => {
                self.services.stats.excess_branches += 1;
                return;
            }
            None => {
                let offered = match &call.phase {
                    Phase::Inviting(i) | Phase::Over { invite: Some(i) } => Some(i),
                    _ => None,
                };
                let (dialog, media) = match offered {
                    Some(i) => (Dialog::calling(&i.request, response), i.offer.clone()),
                    None => (Dialog::answered(response), self.services.session(flow)),
                };
                let Ok(dialog) = dialog else {
                    self.services.stats.idle_responses += 1;
                    self.tidy(now, key);
                    return;
                };
                let leg = Leg::new(leg_id(call.legs.len()), dialog, flow, media);
                self.services.dialogs.insert(id.clone(), (key, leg.id));
                call.legs.push(leg);
            }
        }
        let first = matches!(call.phase, Phase::Inviting(_));
        if let Phase::Over { invite } = &mut call.phase {
            *invite = None;
        }
        let Some(leg) = call.legs.iter_mut().find(|l| *l.dialog.id() == id) else {
            return;
        };
        leg.flow = flow;
        leg.peer.learn(&response.headers);
        let read = leg.dialog.learn(response);
        self.services.learn_session_timer(now, key, leg, response);
        leg.acknowledged = true;
        let (leg_id, ack) = (leg.id, leg.dialog.ack(cseq.number));
        let late = call.late_offer && !leg.settled;
        let body = description(&response.headers, &response.body).filter(|_| late);
        let offer = match late {
            true => leg.owe(ack.clone(), Within::Ack(invite), body.as_ref()),
            false => None,
        };
        if first {
            call.chosen = Some(leg_id);
            call.phase = Phase::Up;
        }
        if !late {
            self.send_within(now, key, leg_id, ack, Within::Ack(invite));
        }
        self.arm(key);
        if !first {
            self.say_goodbye(now, key, leg_id);
            self.tidy(now, key);
        } else if read.is_err() {
            self.say_goodbye(now, key, leg_id);
            self.fail(
                now,
                key,
                EndCause::Media,
                Some(response.status),
                "the answer cannot be read",
            );
        } else if late {
            let others = self.other_legs(key, leg_id);
            self.drop_legs(key, &others);
            self.prepare_owed(now, key, leg_id, offer);
        } else {
            self.take_answer(now, key, leg_id, response);
        }
    }

    /// The answer that the 2xx brings, or that came with a provisional response before it.
    fn take_answer(&mut self, now: Instant, key: CallKey, leg_id: LegId, response: &Response) {
        let others = self.other_legs(key, leg_id);
        let Some(leg) = self.calls.get_mut(&key).and_then(|c| c.leg(leg_id)) else {
            return;
        };
        // What was agreed before the 2xx it only repeats, and an UPDATE may have changed it since.
        let body = description(&response.headers, &response.body).filter(|_| !leg.settled);
        match agreed(&mut leg.media, body.as_ref()) {
            Ok(agreement) => {
                // The media half has no room for a branch that did not ring beside as many as may: the oldest make it.
                let (before, after) = others.split_at((others.len() + 1).saturating_sub(MAX_LEGS));
                self.drop_legs(key, before);
                self.apply(now, key, leg_id, Applying::Final, agreement);
                self.drop_legs(key, after);
            }
            Err(why) => {
                self.say_goodbye(now, key, leg_id);
                self.fail(now, key, EndCause::Media, Some(response.status), &why);
            }
        }
    }

    fn other_legs(&self, key: CallKey, leg: LegId) -> Vec<(LegId, Generation)> {
        let legs = self.calls.get(&key).map_or(&[][..], |c| &c.legs);
        let others = legs.iter().filter(|l| l.id != leg);
        others.map(|l| (l.id, l.generation)).collect()
    }

    fn drop_legs(&mut self, key: CallKey, legs: &[(LegId, Generation)]) {
        for (leg, generation) in legs {
            self.services.msp(key, *leg, *generation, ToMsp::DropLeg);
        }
    }

    fn refused(&mut self, now: Instant, key: CallKey, response: &Response) {
        if self.invite_longer(now, key, response)
            || self.invite_in_the_clear(now, key, response)
            || self.redirected(now, key, response)
        {
            return;
        }
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        match &mut call.phase {
            Phase::Inviting(inviting) => {
                inviting.answered = true;
                self.end_refused(now, key, response);
            }
            Phase::Over { invite } => {
                *invite = None;
                self.tidy(now, key);
            }
            _ => {}
        }
    }

    /// Sends the INVITE again with a longer session interval, if a 422 asks for that (RFC 4028 section 7.4).
    fn invite_longer(&mut self, now: Instant, key: CallKey, response: &Response) -> bool {
        const TRIES: u8 = 3;
        if response.status != StatusCode::SESSION_INTERVAL_TOO_SMALL {
            return false;
        }
        let Some(call) = self.calls.get_mut(&key) else {
            return false;
        };
        let known = call.least_interval.unwrap_or_default();
        let least = response.headers.min_se().ok().flatten();
        let Some(least) = least.filter(|l| *l > known && call.retries < TRIES) else {
            return false;
        };
        (call.least_interval, call.retries) = (Some(least), call.retries + 1);
        self.invite_again(now, key, None)
    }

    /// Sends the INVITE again in the clear, if the peer refused the secure profile and media need not be encrypted. The media
    /// half tells what comes of it.
    fn invite_in_the_clear(&mut self, now: Instant, key: CallKey, response: &Response) -> bool {
        if response.status != StatusCode::NOT_ACCEPTABLE_HERE {
            return false;
        }
        let Some(Call {
            phase: Phase::Inviting(inviting),
            ..
        }) = self.calls.get_mut(&key)
        else {
            return false;
        };
        matches!(inviting.offer.offer_in_the_clear(), Ok(Some(_)))
            && self.invite_again(now, key, None)
    }

    /// Sends the INVITE of a call once more, with the next number, after it was refused: to the same target, or to another.
    /// Branches of the first are gone.
    pub(super) fn invite_again(
        &mut self,
        now: Instant,
        key: CallKey,
        target: Option<(Uri, Chosen)>,
    ) -> bool {
        let rewrite = self.services.policy_of(key).redirect == Redirect::FollowTo;
        let Some(Call {
            phase: Phase::Inviting(inviting),
            ..
        }) = self.calls.get(&key)
        else {
            return false;
        };
        let offer = inviting.offer.sent().map(ToString::to_string);
        // Who is called stays who was called.
        let keep = target.is_none() || !rewrite;
        let called = inviting.request.headers.get(&HeaderName::To).cloned();
        let called = called.filter(|_| keep);
        let sent_on = target.is_some();
        let (to, way) = target.unwrap_or_else(|| {
            let same = Chosen::only(inviting.flow);
            (inviting.request.uri.clone(), same)
        });
        let flow = way.flow;
        let number = inviting.request.headers.cseq().map(|c| c.number + 1);
        let trail = self.calls.get_mut(&key).and_then(|c| c.trail.as_mut());
        if let Some(trail) = trail.filter(|_| sent_on) {
            trail.lead_to(&to);
        }
        let Ok((invite, request)) =
            self.send_invite(now, key, &to, flow, offer, (number.unwrap_or(1), called))
        else {
            return false;
        };
        self.services.ways.insert(invite, way.ways);
        self.drop_branches(key);
        let Some(call) = self.calls.get_mut(&key) else {
            return false;
        };
        call.invite = Some(invite);
        if let Phase::Inviting(inviting) = &mut call.phase {
            *inviting.request = request;
            (inviting.flow, inviting.answered) = (flow, false);
        }
        true
    }

    /// The INVITE of a call goes to another server, and the media half gets ready for the way there: it may begin at another
    /// address of ours.
    pub(super) fn invite_elsewhere(&mut self, now: Instant, key: CallKey, way: Chosen) {
        self.drop_branches(key);
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let Phase::Inviting(inviting) = &call.phase else {
            return;
        };
        let headers = &inviting.request.headers;
        let number = headers.cseq().map_or(1, |c| c.number);
        let called = headers.get(&HeaderName::To).cloned();
        let to = inviting.request.uri.clone();
        call.invite = None;
        call.phase = Phase::Dialing(Dialing {
            to,
            way: None,
            number,
            called,
            due: None,
        });
        self.dial_by(now, key, Ok(way));
    }

    /// The branches of an INVITE that was refused are gone.
    fn drop_branches(&mut self, key: CallKey) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        for leg in call.legs.drain(..) {
            self.services.dialogs.remove(leg.dialog.id());
            self.services
                .msp(key, leg.id, leg.generation, ToMsp::DropLeg);
        }
    }

    /// The INVITE got no final response in time.
    pub(super) fn invite_unanswered(&mut self, now: Instant, key: CallKey, heard: bool) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        call.invite = None;
        match &mut call.phase {
            Phase::Inviting(inviting) => {
                inviting.answered = true;
                let cause = if heard {
                    EndCause::NoAnswer
                } else {
                    EndCause::Unreachable
                };
                let why = self.services.no_answer();
                self.fail(now, key, cause, Some(StatusCode::REQUEST_TIMEOUT), &why);
            }
            Phase::Over { invite } => {
                *invite = None;
                self.tidy(now, key);
            }
            _ => {}
        }
    }

    /// The called user does not answer.
    pub(super) fn give_up(&mut self, now: Instant, key: CallKey) {
        self.take_back(now, key);
        let why = Ended {
            cause: EndCause::NoAnswer,
            status: None,
            reason: "nobody answered".into(),
        };
        self.end(now, key, why, Cause::LocalRequest);
    }

    /// Cancels the INVITE of a call.
    pub(super) fn take_back(&mut self, now: Instant, key: CallKey) {
        if let Some(invite) = self.calls.get(&key).and_then(|c| c.invite) {
            self.services.transactions.cancel(now, invite);
        }
    }

    /// Ends a call for a reason that is nobody's wish.
    pub(super) fn fail(
        &mut self,
        now: Instant,
        key: CallKey,
        cause: EndCause,
        status: Option<StatusCode>,
        why: &str,
    ) {
        self.end(
            now,
            key,
            Ended {
                cause,
                status,
                reason: why.into(),
            },
            Cause::ConnectFail,
        );
    }

    /// Forgets a call that is over, if nothing is left to wait for.
    pub(super) fn tidy(&mut self, now: Instant, key: CallKey) {
        let Some(call) = self.calls.get(&key) else {
            return;
        };
        if !matches!(call.phase, Phase::Over { invite: None }) {
            return;
        }
        if call.legs.iter().any(Leg::waits) {
            self.arm(key);
        } else {
            self.forget(now, key);
        }
    }
}

fn leg_id(n: usize) -> LegId {
    LegId(u32::try_from(n).unwrap_or(u32::MAX))
}
