//! Challenges to requests of ours: answered once for all that an account sends, by sending the request again
//! (RFC 3261 sections 8.1.3.5 and 22).

use bytes::Bytes;
use msp_core::id::CallKey;
use msp_core::time::Instant;

use super::UserAgent;
use super::interface::CallEventKind;
use super::services::{Purpose, Services};
use super::state::{Change, Phase};
use crate::Result;
use crate::account::AccountId;
use crate::dialog::DialogId;
use crate::transaction::ClientId;
use crate::transport::Flow;
use crate::wire::auth::Challenge;
use crate::wire::{CSeq, HeaderName, Headers, Method, Request, Response, StatusCode, Text};

/// How often a request is sent again for challenges of its server, and of proxies.
const TRIES: u8 = 3;

/// A request that may be challenged.
#[derive(Debug)]
pub(super) struct Retry {
    /// As it was before proofs and Via were put in.
    request: Request,
    account: AccountId,
    tries: Tries,
    /// What was proved in it.
    proofs: Vec<(HeaderName, Bytes)>,
}

/// How often a request was sent again already.
#[derive(Debug, Default)]
struct Tries {
    server: u8,
    proxy: u8,
    /// The realms that asked for it.
    realms: Vec<Text>,
}

impl Services {
    /// Sends a request of a call's that is no ACK, and remembers what for.
    pub(super) fn send(
        &mut self,
        now: Instant,
        flow: Flow,
        request: Request,
        purpose: Purpose,
    ) -> Result<ClientId> {
        let account = self.sender(&request);
        self.send_for(now, flow, request, purpose, account)
    }

    /// Sends a request that is no ACK for an account, proves what was asked for before, and remembers what for.
    pub(super) fn send_for(
        &mut self,
        now: Instant,
        flow: Flow,
        request: Request,
        purpose: Purpose,
        account: Option<AccountId>,
    ) -> Result<ClientId> {
        self.send_again(now, flow, request, purpose, account, Tries::default())
    }

    fn send_again(
        &mut self,
        now: Instant,
        flow: Flow,
        mut request: Request,
        purpose: Purpose,
        account: Option<AccountId>,
        tries: Tries,
    ) -> Result<ClientId> {
        let known = account.filter(|id| self.accounts.proves(*id));
        let Some(account) = known else {
            return self.begin(now, flow, request, purpose);
        };
        self.accounts.learn_way(account, &request, flow);
        let mut retry = Retry {
            request: request.clone(),
            account,
            tries,
            proofs: Vec::new(),
        };
        if self.accounts.trusts(account, &request, flow) {
            self.accounts.authorize(account, &mut request);
            for name in [HeaderName::Authorization, HeaderName::ProxyAuthorization] {
                let values = request.headers.all(&name);
                let values = values.map(|value| (name.clone(), value.clone()));
                retry.proofs.extend(values);
            }
        }
        let id = self.begin(now, flow, request, purpose)?;
        self.retries.insert(id, Box::new(retry));
        Ok(id)
    }

    /// A request of ours got a final response.
    pub(super) fn done(&mut self, id: ClientId, response: &Response) {
        self.sent.remove(&id);
        self.ways.remove(&id);
        let Some(retry) = self.retries.remove(&id) else {
            return;
        };
        if response.status.is_success() {
            self.accounts.accepted(retry.account, &response.headers);
            if retry.request.method == Method::Invite && !retry.proofs.is_empty() {
                self.proofs.insert(id, retry.proofs);
            }
        }
    }

    /// The account that a request of ours is sent for: that of its call, present or past.
    fn sender(&self, request: &Request) -> Option<AccountId> {
        if self.accounts.is_empty() {
            return None;
        }
        // Both ends of a call to ourselves have one Call-ID.
        let headers = &request.headers;
        let dialog = DialogId::ours(headers).ok();
        match dialog.and_then(|d| self.dialogs.get(&d)) {
            Some((call, _)) => self.accounts.of_call(*call),
            None => self.account_of(request),
        }
    }
}

impl UserAgent {
    /// A challenge came: the request goes out again with what it asks for, if it is one that is answered. Whether it
    /// does.
    pub(super) fn answer_challenge(
        &mut self,
        now: Instant,
        id: ClientId,
        purpose: Purpose,
        response: &Response,
    ) -> bool {
        let proxy = response.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED;
        let Some(mut retry) = self.services.retries.remove(&id) else {
            return false;
        };
        let Some(flow) = self.services.sent.get(&id).map(|s| s.flow) else {
            return false;
        };
        if !self.is_wanted(purpose) {
            return false;
        }
        let account = retry.account;
        if !self.services.accounts.trusts(account, &retry.request, flow) {
            self.services.stats.refused_challenges += 1;
            self.tell_refused_challenge(purpose, response);
            return false;
        }
        let count = match proxy {
            true => &mut retry.tries.proxy,
            false => &mut retry.tries.server,
        };
        *count += 1;
        if *count > TRIES {
            return false;
        }
        let mut refused = retry.request.clone();
        for (name, value) in retry.proofs {
            refused.headers.put(name, value);
        }
        let random = &mut self.services.random;
        let answered = &retry.tries.realms;
        let fresh = self.services.accounts.challenged(
            account,
            &refused,
            &response.headers,
            proxy,
            answered,
            random,
        );
        if !fresh {
            return false;
        }
        retry.tries.realms.extend(realms(&response.headers));
        let mut request = retry.request;
        self.renumber(&mut request, purpose);
        let cseq = request.headers.get(&HeaderName::CSeq).cloned();
        let sent =
            self.services
                .send_again(now, flow, request, purpose, Some(account), retry.tries);
        let Ok(again) = sent else {
            self.services.stats.unsent += 1;
            return false;
        };
        self.services.stats.answered_challenges += 1;
        self.services.sent.remove(&id);
        self.sent_again(purpose, id, again, cseq);
        true
    }

    /// A request was sent again by another transaction, with another number.
    pub(super) fn sent_again(
        &mut self,
        purpose: Purpose,
        id: ClientId,
        again: ClientId,
        cseq: Option<Bytes>,
    ) {
        if let Some(mut retry) = self.services.retries.remove(&id) {
            if let Some(cseq) = &cseq {
                retry.request.headers.set(HeaderName::CSeq, cseq.clone());
            }
            self.services.retries.insert(again, retry);
        }
        self.services.keep_ways(id, again);
        match purpose {
            Purpose::Invite(key) => {
                if let Some(call) = self.calls.get_mut(&key) {
                    call.invite = Some(again);
                    if let (Phase::Inviting(inviting), Some(cseq)) = (&mut call.phase, cseq) {
                        inviting.request.headers.set(HeaderName::CSeq, cseq);
                    }
                }
            }
            Purpose::Change(key, leg) => {
                let leg = self.calls.get_mut(&key).and_then(|c| c.leg(leg));
                if let Some(leg) = leg {
                    leg.changed_by = Some(again);
                }
            }
            _ => {}
        }
    }

    /// Whether what was asked for is still wanted: nobody calls again for a call that was taken back.
    pub(super) fn is_wanted(&mut self, purpose: Purpose) -> bool {
        match purpose {
            Purpose::Invite(key) => {
                let call = self.calls.get(&key);
                call.is_some_and(|c| matches!(&c.phase, Phase::Inviting(i) if !i.answered))
            }
            Purpose::Change(key, leg) => {
                let call = self.calls.get_mut(&key).filter(|c| !c.is_over());
                let change = call.and_then(|c| c.leg(leg)).map(|l| &l.change);
                let waits = |c: &_| {
                    matches!(
                        c,
                        Some(Change::Inviting {
                            patience: Some(_),
                            ..
                        })
                    )
                };
                change.is_some_and(waits)
            }
            _ => true,
        }
    }

    /// Gives a request the next number of its dialog, or the next one after its own outside of one.
    pub(super) fn renumber(&mut self, request: &mut Request, purpose: Purpose) {
        let kept = match purpose {
            Purpose::Subscribe(ask) => self.services.subscriptions.next_number(ask),
            Purpose::Notify(id) => self.services.watching.next_number(id),
            Purpose::Publish(id) => self.services.publications.next_number(id),
            Purpose::Register(id) => {
                let held = self.services.accounts.registration(id);
                held.map(|h| h.next_number())
            }
            _ => None,
        };
        let dialog = DialogId::ours(&request.headers).ok();
        let leg = dialog.and_then(|d| self.services.dialogs.get(&d).copied());
        let dialog = leg.and_then(|(key, leg)| self.calls.get_mut(&key)?.leg(leg));
        let number = match (kept, dialog) {
            (Some(number), _) => number,
            (None, Some(leg)) => leg.dialog.next_number(),
            (None, None) => request.headers.cseq().map_or(1, |c| c.number + 1),
        };
        let method = request.method.clone();
        let cseq = CSeq { number, method };
        request.headers.set(HeaderName::CSeq, cseq.to_value());
    }

    fn tell_refused_challenge(&mut self, purpose: Purpose, response: &Response) {
        let call: CallKey = match purpose {
            Purpose::Invite(call) | Purpose::Change(call, _) | Purpose::Within(call, ..) => call,
            _ => return,
        };
        let realm = realms(&response.headers).next();
        let realm = realm.map_or_else(Box::default, |r| r.as_str().into());
        self.services
            .tell(call, CallEventKind::ChallengeRefused { realm });
    }
}

/// The realms of the challenges of a response.
fn realms(headers: &Headers) -> impl Iterator<Item = Text> {
    let all = headers.www_challenges().chain(headers.proxy_challenges());
    all.flatten().filter_map(|c| match c {
        Challenge::Digest(challenge) => Some(challenge.realm.detached()),
        Challenge::Other { .. } => None,
    })
}
