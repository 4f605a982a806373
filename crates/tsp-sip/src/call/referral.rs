//! Calls that a peer passes on to us: REFER that comes in (RFC 3515, RFC 3892, RFC 4488), and INVITE with Replaces
//! (RFC 3891).

use std::collections::VecDeque;

use bytes::Bytes;
use msp_core::event::Cause;
use msp_core::id::{CallKey, LegId};
use msp_core::time::Instant;

use super::UserAgent;
use super::interface::{CallEventKind, EndCause, Ended};
use super::requests::Aside;
use super::services::{Services, goes_to_sips, is_of_sips};
use super::state::Phase;
use super::transfer::split_target;
use crate::account::AccountId;
use crate::dialog::DialogId;
use crate::tables::{HashMap, HashSet};
use crate::transaction::ServerId;
use crate::transport::Flow;
use crate::wire::{
    HeaderName, Headers, Method, OptionTags, Replaces, Request, Scheme, StatusCode,
    SubscriptionState, Uri,
};

/// What a peer asked us to call.
#[derive(Debug)]
struct Referral {
    leg: LegId,
    /// Whom, as it was written.
    to: Uri,
    referred_by: Option<Bytes>,
    /// The peer wants to hear what becomes of it.
    subscribed: bool,
    /// What tells it from an earlier one of the same dialog (RFC 3515 section 2.4.6).
    id: Option<u32>,
    /// A NOTIFY is under way.
    telling: bool,
    /// What the peer is to be told next.
    due: VecDeque<StatusCode>,
}

/// Calls and which of them stand for others.
#[derive(Debug, Default)]
pub(super) struct Referrals {
    /// By the call that the REFER came in.
    open: HashMap<CallKey, Referral>,
    /// Calls that were made because of a REFER, and the call that it came in.
    made: HashMap<CallKey, CallKey>,
    /// Calls that a peer wants in the place of others.
    replacing: HashMap<CallKey, CallKey>,
    /// Calls of the above to which something happened: the call, and a status for it.
    happened: Vec<(CallKey, StatusCode)>,
    /// Calls that had a REFER.
    later: HashSet<CallKey>,
}

impl Referrals {
    /// How much is kept.
    pub(super) fn len(&self) -> usize {
        let of_calls = self.open.len() + self.later.len();
        of_calls + self.made.len() + self.replacing.len() + self.happened.len()
    }

    /// Notes what the application is told of a call.
    pub(super) fn note(&mut self, key: CallKey, kind: &CallEventKind) {
        if !self.made.contains_key(&key) && !self.replacing.contains_key(&key) {
            return;
        }
        let status = match kind {
            CallEventKind::Ringing => StatusCode::RINGING,
            CallEventKind::EarlyMedia => StatusCode::SESSION_PROGRESS,
            CallEventKind::Connected => StatusCode::OK,
            CallEventKind::Ended(ended) => {
                let refusal = ended.status.filter(|s| s.is_final() && !s.is_success());
                refusal.unwrap_or(match ended.cause {
                    EndCause::NoAnswer => StatusCode::REQUEST_TIMEOUT,
                    EndCause::Cancelled | EndCause::LocalHangUp => StatusCode::REQUEST_TERMINATED,
                    EndCause::Unresolvable => StatusCode::NOT_FOUND,
                    _ => StatusCode::SERVICE_UNAVAILABLE,
                })
            }
            _ => return,
        };
        self.happened.push((key, status));
    }

    /// The call is forgotten.
    pub(super) fn forget(&mut self, key: CallKey) {
        self.open.remove(&key);
        self.later.remove(&key);
        self.made.retain(|_, old| *old != key);
        self.replacing.remove(&key);
    }

    /// The fields that a call which is made because of a REFER begins with.
    pub(super) fn dress(&self, key: CallKey, headers: &mut Headers) {
        let Some(referral) = self.made.get(&key).and_then(|old| self.open.get(old)) else {
            return;
        };
        if let Some(by) = &referral.referred_by {
            headers.put(HeaderName::ReferredBy, by.clone());
        }
    }
}

impl UserAgent {
    /// A REFER within a call: taken, and the application asked (RFC 3515 section 2.4.2).
    pub(super) fn referred(
        &mut self,
        now: Instant,
        id: ServerId,
        flow: Flow,
        request: &Request,
        key: CallKey,
        leg: LegId,
    ) {
        let headers = &request.headers;
        let Ok(target) = headers.refer_to() else {
            self.services
                .refuse(now, id, request, StatusCode::BAD_REQUEST);
            return;
        };
        let wanted = target.uri();
        // Calls are what we make.
        let other = wanted.param("method").is_some_and(|m| m != "INVITE");
        let call = self.calls.get_mut(&key);
        let call = call.filter(|c| matches!(c.phase, Phase::Up));
        let up = call.is_some();
        if let Some(call) = call.filter(|c| !c.connected) {
            let accepted = call.confirmed().and_then(|l| l.unacknowledged.as_ref());
            if accepted.is_none_or(|a| a.wants_answer) {
                // What was agreed does not hold yet, or the ACK has to answer our offer.
                self.ask_later(now, id, request);
                return;
            }
            // The peer that goes on from our 2xx has it, though its ACK is lost or late.
            self.connected(key);
        }
        let refusal = if wanted.scheme() == Scheme::Other {
            Some(StatusCode::UNSUPPORTED_URI_SCHEME)
        } else if other || !up {
            Some(StatusCode::DECLINE)
        } else if self.services.referrals.open.contains_key(&key) {
            Some(StatusCode::REQUEST_PENDING)
        } else {
            None
        };
        if let Some(status) = refusal {
            self.services.refuse(now, id, request, status);
            return;
        }
        let Ok((to, replaces)) = split_target(wanted) else {
            self.services
                .refuse(now, id, request, StatusCode::BAD_REQUEST);
            return;
        };
        let subscribed = !matches!(headers.refer_sub(), Ok(Some(false)));
        let number = headers.cseq().map(|c| c.number).unwrap_or_default();
        let referrals = &mut self.services.referrals;
        let later = !referrals.later.insert(key);
        let referral = Referral {
            leg,
            to: wanted.detached(),
            referred_by: headers.get(&HeaderName::ReferredBy).cloned(),
            subscribed,
            id: later.then_some(number),
            telling: false,
            due: VecDeque::new(),
        };
        let consulted = replaces.is_some();
        referrals.open.insert(key, referral);
        let mut response = request.response(StatusCode::ACCEPTED);
        let contact = self.services.contact_in(key, flow, is_of_sips(request));
        response.headers.put(HeaderName::Contact, contact);
        if !subscribed {
            response.headers.put(HeaderName::ReferSub, "false");
        }
        self.services.respond(now, id, &response);
        self.tell_referrer(now, key, StatusCode::TRYING);
        let with_us = replaces.and_then(|r| self.named_by(&r));
        let to = to.to_string().into();
        let kind = CallEventKind::TransferRequested {
            to,
            consulted,
            with_us: with_us.map(|(call, _)| call),
        };
        self.services.tell(key, kind);
    }

    /// The application makes the call `call` that the peer of the call `key` asked for.
    pub(super) fn follow(&mut self, now: Instant, key: CallKey, call: CallKey) {
        let Some(referral) = self.services.referrals.open.get(&key) else {
            let why = super::agent::ended(EndCause::Rejected, None, "no transfer was asked for");
            self.services.tell(call, why);
            return;
        };
        let to = referral.to.clone();
        let account: Option<AccountId> = self.services.accounts.of_call(key);
        self.services.referrals.made.insert(call, key);
        self.dial(call, &to, account, None);
        if self.services.config.requests.instant_transfers {
            self.tell_referrer(now, key, StatusCode::OK);
        }
    }

    /// The application does not make the call that the peer asked for.
    pub(super) fn decline_transfer(&mut self, now: Instant, key: CallKey) {
        self.tell_referrer(now, key, StatusCode::DECLINE);
    }

    /// Does what follows from what happened to calls that stand for others.
    pub(super) fn follow_up(&mut self, now: Instant) -> bool {
        let happened = std::mem::take(&mut self.services.referrals.happened);
        let any = !happened.is_empty();
        for (key, status) in happened {
            let referrals = &mut self.services.referrals;
            if let Some(old) = referrals.made.get(&key).copied() {
                if status.is_final() {
                    referrals.made.remove(&key);
                }
                self.tell_referrer(now, old, status);
            }
            let replaced = match status {
                StatusCode::OK => self.services.referrals.replacing.remove(&key),
                _ => None,
            };
            if let Some(old) = replaced {
                self.replaced(now, old);
            }
        }
        any
    }

    /// Tells the peer what becomes of its REFER, in order.
    pub(super) fn tell_referrer(&mut self, now: Instant, key: CallKey, status: StatusCode) {
        let Some(referral) = self.services.referrals.open.get_mut(&key) else {
            return;
        };
        if !referral.subscribed {
            if status.is_final() {
                self.services.referrals.open.remove(&key);
            }
            return;
        }
        if referral.due.back().is_none_or(|last| !last.is_final()) {
            referral.due.push_back(status);
        }
        self.send_sipfrag(now, key);
    }

    fn send_sipfrag(&mut self, now: Instant, key: CallKey) {
        let expires = crate::subscription::Package::Refer.default_expires();
        let Some(referral) = self.services.referrals.open.get_mut(&key) else {
            return;
        };
        if referral.telling {
            return;
        }
        let Some(status) = referral.due.pop_front() else {
            return;
        };
        let known = self.calls.get_mut(&key).filter(|c| !c.is_over());
        let Some(leg) = known.and_then(|c| c.leg(referral.leg)) else {
            self.services.referrals.open.remove(&key);
            return;
        };
        referral.telling = true;
        let (leg_id, flow) = (leg.id, leg.flow);
        let mut request = leg.dialog.request(Method::Notify);
        let headers = &mut request.headers;
        let event = match referral.id {
            Some(id) => format!("refer;id={id}"),
            None => "refer".into(),
        };
        headers.put(HeaderName::Event, event);
        let state = match status.is_final() {
            true => SubscriptionState::terminated("noresource"),
            false => SubscriptionState::active(expires),
        };
        headers.put(HeaderName::SubscriptionState, state.to_value());
        headers.put(HeaderName::ContentType, "message/sipfrag;version=2.0");
        // The line has its end: some readers want it (RFC 3420 section 2).
        request.body = format!("SIP/2.0 {status} {}\r\n", status.phrase()).into();
        let sips = goes_to_sips(&request);
        let contact = self.services.contact_in(key, flow, sips);
        request.headers.put(HeaderName::Contact, contact);
        self.send_aside(now, key, leg_id, request, key, Aside::Sipfrag(status));
    }

    /// The peer answered our NOTIFY.
    pub(super) fn sipfrag_answered(
        &mut self,
        now: Instant,
        key: CallKey,
        told: StatusCode,
        status: StatusCode,
    ) {
        let Some(referral) = self.services.referrals.open.get_mut(&key) else {
            return;
        };
        referral.telling = false;
        if told.is_final() {
            self.services.referrals.open.remove(&key);
            return;
        }
        if !status.is_success() {
            // Nobody listens; the call is made all the same (RFC 6665 section 4.2.2).
            referral.subscribed = false;
            let over = referral.due.iter().any(|s| s.is_final());
            referral.due.clear();
            if over {
                self.services.referrals.open.remove(&key);
            }
            return;
        }
        self.send_sipfrag(now, key);
    }

    /// The call that an INVITE wants the place of: `Ok(None)` if it wants none, or the refusal (RFC 3891 section 3).
    /// Call-ID and tags that nobody can guess are what shows its right.
    pub(super) fn to_replace(&self, headers: &Headers) -> Result<Option<CallKey>, StatusCode> {
        if !self.services.config.requests.replaces {
            return Ok(None);
        }
        let Some(replaces) = headers.replaces().map_err(|_| StatusCode::BAD_REQUEST)? else {
            return Ok(None);
        };
        let (key, leg) = self
            .named_by(&replaces)
            .ok_or(StatusCode::CALL_DOES_NOT_EXIST)?;
        let call = self.calls.get(&key);
        let call = call.ok_or(StatusCode::CALL_DOES_NOT_EXIST)?;
        match &call.phase {
            Phase::Over { .. } => Err(StatusCode::DECLINE),
            Phase::Up if call.chosen != Some(leg) => Err(StatusCode::CALL_DOES_NOT_EXIST),
            Phase::Up if replaces.early_only => Err(StatusCode::BUSY_HERE),
            Phase::Up | Phase::Inviting(_) => Ok(Some(key)),
            // An early dialog that we did not begin is not ours to give.
            Phase::Alerting { .. } | Phase::Dialing(_) => Err(StatusCode::CALL_DOES_NOT_EXIST),
        }
    }

    /// The call, and its leg, that Replaces names.
    fn named_by(&self, replaces: &Replaces) -> Option<(CallKey, LegId)> {
        // A tag of 0 stands for none (RFC 3891 section 6.1).
        let tag = |tag: &str| if tag == "0" { "".into() } else { tag.into() };
        let id = DialogId {
            call_id: replaces.call_id().into(),
            local_tag: replaces.to_tag().into(),
            remote_tag: tag(replaces.from_tag()),
        };
        let exact = DialogId {
            remote_tag: replaces.from_tag().into(),
            ..id.clone()
        };
        let dialogs = &self.services.dialogs;
        dialogs.get(&exact).or_else(|| dialogs.get(&id)).copied()
    }

    /// The call `key`, which came in, shall take the place of `old`: the application is told, and takes it or not.
    pub(super) fn offer_replacement(&mut self, key: CallKey, old: CallKey) {
        self.services.referrals.replacing.insert(key, old);
        self.services.tell(key, CallEventKind::Replaces(old));
    }

    /// Another call stands in the place of this one.
    fn replaced(&mut self, now: Instant, key: CallKey) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        match &call.phase {
            Phase::Inviting(_) => self.take_back(now, key),
            Phase::Up => {
                let leg = call.confirmed().map(|l| (l.id, l.unacknowledged.is_some()));
                if let Some((leg, waits)) = leg {
                    self.refuse_serving(now, key, leg, StatusCode::REQUEST_TERMINATED);
                    if !waits {
                        self.say_goodbye(now, key, leg);
                    }
                }
            }
            _ => {}
        }
        let why = Ended {
            cause: EndCause::Replaced,
            status: None,
            reason: "another call took its place".into(),
        };
        self.end(now, key, why, Cause::RemoteRequest);
    }
}

impl Services {
    /// Option tags of transfers that we know.
    pub(super) fn transfer_tags(&self) -> impl Iterator<Item = &'static str> {
        let policy = &self.config.requests;
        let replaces = policy.replaces.then_some(OptionTags::REPLACES);
        let silent = policy.transfers.then_some(OptionTags::NOREFERSUB);
        replaces.into_iter().chain(silent)
    }
}
