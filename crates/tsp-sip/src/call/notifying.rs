//! Subscriptions of peers: they are told of our calls, as busy lamps want it (RFC 6665 section 4.2, RFC 4235).

use std::time::Duration;

use msp_core::time::Instant;

use super::UserAgent;
use super::errand::Errand;
use super::services::{Purpose, Services, goes_to_sips, is_of_sips, target_of};
use super::state::{Call, Phase};
use super::timed::{Due, Timed};
use crate::account::AccountId;
use crate::dialog::{Dialog, DialogId, copy_record_route, tagged_response};
use crate::subscription::{DialogEntry, DialogInfo, DialogState, Package, Participant};
use crate::transaction::ServerId;
use crate::transport::Flow;
use crate::wire::{
    Event, HeaderName, Method, NameAddr, Request, Response, RetryAfter, StatusCode,
    SubscriptionState,
};
use crate::{Error, ErrorKind, Result};

/// The shortest subscription and the longest.
const LEAST: Duration = Duration::from_secs(60);
const MOST: Duration = Duration::from_secs(3600);

/// The least time between two notices (RFC 4235 section 3.10).
const PACE: Duration = Duration::from_secs(1);

/// When a watcher may come again that is turned away for want of room, or because we close.
const LATER: Duration = Duration::from_secs(60);

/// Calls that a document lists.
const MAX_LISTED: usize = 32;

/// Who is told of our calls, and how many are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WatchPolicy {
    /// Who may subscribe to our calls; others are answered 403. Who can may learn whom we speak with, and what is needed to
    /// take a call over.
    pub who: Watchers,
    /// Watchers at a time; more are answered 503.
    pub most: usize,
    /// Watchers at a time that come from one address; more are answered 503.
    pub most_of_one: usize,
}

impl Default for WatchPolicy {
    fn default() -> Self {
        Self {
            who: Watchers::Provider,
            most: 200,
            most_of_one: 50,
        }
    }
}

/// Who may subscribe to the state of our calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Watchers {
    /// Nobody.
    Nobody,
    /// Who comes by a server of the provider of one of our accounts.
    Provider,
    /// Anybody.
    Anybody,
}

/// Everybody who is told of our calls.
#[derive(Debug, Default)]
pub(super) struct Watching {
    all: Timed<u32, Watcher>,
    next: u32,
    /// Something happened to a call since they were told.
    pub(super) changed: bool,
}

/// One of them.
#[derive(Debug)]
struct Watcher {
    dialog: Dialog,
    flow: Flow,
    /// As it was asked for.
    event: Event,
    account: Option<AccountId>,
    entity: Box<str>,
    expires: Instant,
    version: u32,
    shown: Vec<DialogEntry>,
    /// It is to be told, whether or not anything changed.
    forced: bool,
    /// It is to be told what changed, if something did.
    due: bool,
    /// A NOTIFY is under way.
    telling: bool,
    earliest: Instant,
    /// It is told no more, for this reason.
    over: Option<SubscriptionState>,
}

impl Due for Watcher {
    fn deadline(&self) -> Option<Instant> {
        let expires = self.over.is_none().then_some(self.expires);
        let told = self.waits().then_some(self.earliest);
        told.into_iter().chain(expires).min()
    }
}

impl Watcher {
    /// Whether there is something to be told, and nothing under way.
    const fn waits(&self) -> bool {
        (self.due || self.forced) && !self.telling
    }

    fn end(&mut self, state: SubscriptionState) {
        self.over = Some(state);
        self.forced = true;
    }
}

impl Watching {
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.all.deadline()
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn tidy(&mut self) {
        self.all.tidy();
    }

    /// The number of the next NOTIFY to a watcher.
    pub(super) fn next_number(&mut self, id: u32) -> Option<u32> {
        Some(self.all.get_mut(id)?.dialog.next_number())
    }
}

impl UserAgent {
    /// A SUBSCRIBE that begins a subscription (RFC 6665 section 4.2.1).
    pub(super) fn watched(&mut self, now: Instant, id: ServerId, flow: Flow, request: &Request) {
        let event = match self.services.watchable(request) {
            Ok(event) => event,
            Err(refusal) => {
                self.services.stats.refused += 1;
                self.services.respond(now, id, &refusal);
                return;
            }
        };
        let refusal = self.services.watch_refusal(flow, request, self.closing);
        if let Some(refusal) = refusal {
            self.services.stats.refused_watchers += 1;
            self.services.respond(now, id, &refusal);
            return;
        }
        let expires = match self.services.watch_expires(request) {
            Ok(expires) => expires,
            Err(refusal) => {
                self.services.stats.refused += 1;
                self.services.respond(now, id, &refusal);
                return;
            }
        };
        let tag = self.services.token();
        let account = self.services.accounts.called(request);
        let response = self
            .services
            .watch_accepted(request, flow, account, &tag, expires);
        let made = Dialog::called(request, &tag).and_then(|mut dialog| {
            dialog.confirm();
            Ok((dialog, response?))
        });
        let Ok((dialog, response)) = made else {
            self.services
                .refuse(now, id, request, StatusCode::BAD_REQUEST);
            return;
        };
        let aor = account
            .and_then(|a| self.services.accounts.get(a))
            .map(|a| a.aor.to_string());
        let mut watcher = Watcher {
            dialog,
            flow,
            event,
            account,
            entity: aor.unwrap_or_else(|| request.uri.to_string()).into(),
            expires: now + expires,
            version: 0,
            shown: Vec::new(),
            forced: true,
            due: false,
            telling: false,
            earliest: now,
            over: None,
        };
        if expires.is_zero() {
            watcher.end(SubscriptionState::terminated("timeout"));
        }
        self.services.respond(now, id, &response);
        let watching = &mut self.services.watching;
        watching.next = watching.next.wrapping_add(1);
        watching.all.insert(watching.next, watcher);
    }

    /// A SUBSCRIBE within a dialog of no call: a refresh, or the end (RFC 6665 section 4.2.1.4).
    pub(super) fn watched_on(&mut self, now: Instant, id: ServerId, flow: Flow, request: &Request) {
        let dialog = DialogId::of_request(&request.headers);
        let event = request.headers.event().ok().flatten();
        let all = &mut self.services.watching.all;
        let is_it = |w: &Watcher| {
            Ok(w.dialog.id()) == dialog.as_ref().map_err(|_| ())
                && event.as_ref().is_some_and(|e| e.matches(&w.event))
                && w.over.is_none()
        };
        let known = all.iter().find(|(_, w)| is_it(w)).map(|(id, _)| id);
        let Some((watcher_id, watcher)) = known.and_then(|w| Some((w, all.get_mut(w)?))) else {
            self.services
                .refuse(now, id, request, StatusCode::CALL_DOES_NOT_EXIST);
            return;
        };
        if watcher.dialog.take(request).is_err() {
            self.services
                .refuse(now, id, request, StatusCode::SERVER_INTERNAL_ERROR);
            return;
        }
        watcher.flow = flow;
        let account = watcher.account;
        let expires = self.services.watch_expires(request);
        let response = expires.and_then(|expires| {
            let accepted = self
                .services
                .watch_accepted(request, flow, account, "", expires);
            let accepted = accepted.map_err(|_| {
                self.services
                    .refusal(&request.headers, StatusCode::BAD_REQUEST)
            });
            Ok((expires, accepted?))
        });
        let (expires, response) = match response {
            Ok(fine) => fine,
            Err(refusal) => {
                self.services.stats.refused += 1;
                self.services.respond(now, id, &refusal);
                return;
            }
        };
        self.services.respond(now, id, &response);
        if let Some(watcher) = self.services.watching.all.get_mut(watcher_id) {
            watcher.expires = now + expires;
            watcher.forced = true;
            watcher.earliest = watcher.earliest.min(now);
            if expires.is_zero() {
                watcher.end(SubscriptionState::terminated("timeout"));
            }
        }
    }

    /// Nobody is told anything any more.
    pub(super) fn turn_watchers_away(&mut self, now: Instant) {
        let all = &mut self.services.watching.all;
        for id in all.keys() {
            let Some(watcher) = all.get_mut(id) else {
                continue;
            };
            watcher.earliest = now;
            watcher.end(SubscriptionState {
                retry_after: Some(LATER),
                ..SubscriptionState::terminated("probation")
            });
        }
    }

    /// Ends what is not refreshed.
    pub(super) fn watchers_due(&mut self, now: Instant) {
        let all = &mut self.services.watching.all;
        for id in all.due(now) {
            let over = |w: &&mut Watcher| w.over.is_none() && w.expires <= now;
            if let Some(watcher) = all.get_mut(id).filter(over) {
                watcher.end(SubscriptionState::terminated("timeout"));
            }
        }
    }

    /// Tells watchers what there is to tell. Whether anything left.
    pub(super) fn tell_watchers(&mut self, now: Instant) -> bool {
        let watching = &mut self.services.watching;
        if std::mem::take(&mut watching.changed) {
            for id in watching.all.keys() {
                if let Some(watcher) = watching.all.get_mut(id) {
                    watcher.due = true;
                }
            }
        }
        let mut ready = watching.all.due(now);
        let waits = |w: &Watcher| w.waits() && w.earliest <= now;
        ready.retain(|id| watching.all.get(*id).is_some_and(waits));
        let mut told = false;
        for id in ready {
            told |= self.tell_watcher(now, id);
        }
        told
    }

    fn tell_watcher(&mut self, now: Instant, id: u32) -> bool {
        let Some(watcher) = self.services.watching.all.get(id) else {
            return false;
        };
        let entries = self.listed(watcher.account);
        let Some(watcher) = self.services.watching.all.get_mut(id) else {
            return false;
        };
        watcher.due = false;
        let entries = with_ends(entries, &watcher.shown);
        if !watcher.forced && entries == watcher.shown {
            return false;
        }
        watcher.shown = entries;
        watcher.forced = false;
        watcher.telling = true;
        watcher.earliest = now + PACE;
        let (hop, flow) = (watcher.dialog.next_hop().clone(), watcher.flow);
        let known = self.services.known_way(&hop, flow);
        if known.is_none() {
            let looked = target_of(&hop).map(|t| self.services.look_up(t, Errand::Notify(id)));
            if matches!(looked, Some(Ok(()))) {
                return false;
            }
        }
        self.notify_by(now, id, known);
        true
    }

    /// The way of a NOTIFY is known; without one it goes where the SUBSCRIBE came from.
    pub(super) fn notify_by(&mut self, now: Instant, id: u32, way: Option<Flow>) {
        let Some(watcher) = self.services.watching.all.get(id) else {
            return;
        };
        let (flow, account) = (way.unwrap_or(watcher.flow), watcher.account);
        let over = watcher.over.is_some();
        let request = self.services.watch_notice(now, id, flow);
        let sent = request.and_then(|r| {
            let purpose = Purpose::Notify(id);
            self.services.send_for(now, flow, r, purpose, account)
        });
        let lost = sent.is_err();
        if lost {
            self.services.stats.unsent += 1;
        }
        if over || lost {
            self.services.watching.all.remove(id);
        }
    }

    /// A watcher answered our NOTIFY, or did not (RFC 6665 section 4.2.2).
    pub(super) fn notify_answered(&mut self, id: u32, status: StatusCode) {
        let Some(watcher) = self.services.watching.all.get_mut(id) else {
            return;
        };
        watcher.telling = false;
        let gone = matches!(
            status.code(),
            404 | 405 | 408 | 410 | 416 | 480..=485 | 489 | 501 | 604
        );
        if gone {
            self.services.watching.all.remove(id);
            self.services.stats.lost_watchers += 1;
        }
    }

    /// The calls of an account, or all, as others see them.
    fn listed(&self, account: Option<AccountId>) -> Vec<DialogEntry> {
        let of = |key| account.is_none() || self.services.accounts.of_call(key) == account;
        let mut keys: Vec<_> = self.calls.keys().copied().filter(|k| of(*k)).collect();
        keys.sort_unstable();
        let calls = keys.iter().filter_map(|key| {
            let call = self.calls.get(key).filter(|c| !c.is_over())?;
            Some(entry(format!("{:x}", key.0), call))
        });
        calls.take(MAX_LISTED).collect()
    }
}

impl Services {
    /// The event of a SUBSCRIBE, if it is one that we tell of and in a form that the watcher takes; else the refusal.
    fn watchable(&self, request: &Request) -> Result<Event, Response> {
        let headers = &request.headers;
        let event = headers.event().ok().flatten();
        let package = event.as_ref().and_then(|e| Package::of_name(e.package()));
        let Some(event) = event.filter(|_| package == Some(Package::Dialog)) else {
            let mut refusal = self.refusal(headers, StatusCode::BAD_EVENT);
            // Other packages we take, and do not give.
            refusal
                .headers
                .put(HeaderName::AllowEvents, Package::Dialog.name());
            return Err(refusal);
        };
        let (first, second) = DialogInfo::TYPE.split_once('/').unwrap_or_default();
        if !headers.accepts(first, second, true) {
            let mut refusal = self.refusal(headers, StatusCode::NOT_ACCEPTABLE);
            refusal.headers.put(HeaderName::Accept, DialogInfo::TYPE);
            return Err(refusal);
        }
        Ok(event)
    }

    /// The refusal for who may not watch, or for whom there is no room.
    fn watch_refusal(&self, flow: Flow, request: &Request, closing: bool) -> Option<Response> {
        let policy = self.config.requests.watching;
        let ip = flow.remote.ip();
        let may = match policy.who {
            Watchers::Nobody => false,
            Watchers::Provider => self.accounts.is_provider(ip),
            Watchers::Anybody => true,
        };
        if !may {
            return Some(self.refusal(&request.headers, StatusCode::FORBIDDEN));
        }
        let all = &self.watching.all;
        let same = all.values().filter(|w| w.flow.remote.ip() == ip).count();
        if !closing && all.len() < policy.most && same < policy.most_of_one {
            return None;
        }
        let mut refusal = self.refusal(&request.headers, StatusCode::SERVICE_UNAVAILABLE);
        let after = RetryAfter::new(LATER);
        refusal
            .headers
            .put(HeaderName::RetryAfter, after.to_value());
        Some(refusal)
    }

    /// How long a subscription lasts; the refusal of one that is too brief.
    fn watch_expires(&self, request: &Request) -> Result<Duration, Response> {
        let headers = &request.headers;
        let wanted = headers.expires();
        let wanted = wanted.map_err(|_| self.refusal(headers, StatusCode::BAD_REQUEST))?;
        let wanted = wanted.unwrap_or(Package::Dialog.default_expires());
        if !wanted.is_zero() && wanted < LEAST {
            let mut refusal = self.refusal(headers, StatusCode::INTERVAL_TOO_BRIEF);
            let least = LEAST.as_secs().to_string();
            refusal.headers.put(HeaderName::MinExpires, least);
            return Err(refusal);
        }
        Ok(wanted.min(MOST))
    }

    fn watch_accepted(
        &self,
        request: &Request,
        flow: Flow,
        account: Option<AccountId>,
        tag: &str,
        expires: Duration,
    ) -> Result<Response> {
        let mut response = tagged_response(request, StatusCode::OK, tag);
        copy_record_route(request, &mut response);
        let headers = &mut response.headers;
        let contact = self.contact(flow, account, is_of_sips(request));
        headers.put(HeaderName::Contact, contact);
        headers.put(HeaderName::Expires, expires.as_secs().to_string());
        Ok(response)
    }

    /// The next NOTIFY to a watcher.
    fn watch_notice(&mut self, now: Instant, id: u32, flow: Flow) -> Result<Request> {
        const NONE: Error = Error::new(ErrorKind::Unknown, "watcher");
        let account = self.watching.all.get(id).ok_or(NONE)?.account;
        let watcher = self.watching.all.get_mut(id).ok_or(NONE)?;
        let left = watcher.expires.saturating_since(now);
        let state = watcher.over.clone();
        let state = state.unwrap_or_else(|| SubscriptionState::active(left));
        let document = DialogInfo {
            version: watcher.version,
            full: true,
            entity: watcher.entity.clone(),
            dialogs: watcher.shown.clone(),
        };
        watcher.version = watcher.version.wrapping_add(1);
        // What is over was said to be.
        watcher.shown.retain(|d| d.state != DialogState::Terminated);
        let event = watcher.event.to_value();
        let mut request = watcher.dialog.request(Method::Notify);
        let contact = self.contact(flow, account, goes_to_sips(&request));
        let headers = &mut request.headers;
        headers.put(HeaderName::Contact, contact);
        headers.put(HeaderName::Event, event);
        headers.put(HeaderName::SubscriptionState, state.to_value());
        headers.put(HeaderName::ContentType, DialogInfo::TYPE);
        request.body = document.to_body().into();
        Ok(request)
    }
}

/// What is listed now, and that what was and is not any more is over.
fn with_ends(mut now: Vec<DialogEntry>, before: &[DialogEntry]) -> Vec<DialogEntry> {
    for old in before {
        if !now.iter().any(|d| d.id == old.id) {
            now.push(DialogEntry {
                state: DialogState::Terminated,
                ..old.clone()
            });
        }
    }
    now
}

fn entry(id: String, call: &Call) -> DialogEntry {
    let chosen = call.legs.iter().find(|l| Some(l.id) == call.chosen);
    let leg = chosen.or_else(|| call.legs.first());
    let state = match &call.phase {
        Phase::Dialing(_) => DialogState::Trying,
        Phase::Inviting(_) if leg.is_some() => DialogState::Early,
        Phase::Inviting(_) => DialogState::Proceeding,
        Phase::Alerting { .. } => DialogState::Early,
        Phase::Up => DialogState::Confirmed,
        Phase::Over { .. } => DialogState::Terminated,
    };
    let remote = match (&call.phase, leg) {
        (_, Some(leg)) => {
            let target = leg.dialog.target().to_string().into();
            who(leg.dialog.remote(), target)
        }
        (Phase::Dialing(dialing), None) => who(&NameAddr::new(dialing.to.clone()), "".into()),
        (Phase::Inviting(inviting), None) => {
            let to = inviting.request.headers.to();
            to.map(|to| who(&to, "".into())).unwrap_or_default()
        }
        _ => Participant::default(),
    };
    DialogEntry {
        id: id.into(),
        call_id: call.call_id.as_str().into(),
        local_tag: call.local_tag.as_str().into(),
        remote_tag: leg
            .map(|l| l.dialog.id().remote_tag.as_str().into())
            .unwrap_or_default(),
        initiator: Some(call.invite.is_some() || matches!(call.phase, Phase::Dialing(_))),
        state,
        local: leg
            .map(|l| who(l.dialog.local(), "".into()))
            .unwrap_or_default(),
        remote,
    }
}

fn who(address: &NameAddr, target: Box<str>) -> Participant {
    Participant {
        identity: address.uri().to_string().into(),
        display: address.display().into(),
        target,
    }
}
