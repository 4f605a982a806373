//! Subscriptions of ours: SUBSCRIBE that goes out, NOTIFY that comes in (RFC 6665 section 4.1).

use std::time::Duration;

use msp_core::time::Instant;

use super::UserAgent;
use super::errand::Errand;
use super::failover::Chosen;
use super::interface::Output;
use super::services::{Purpose, Services, goes_to_sips, target_of};
use super::timed::{Due, Timed};
use crate::account::AccountId;
use crate::dialog::Dialog;
use crate::subscription::usage::{Ending, Granted, Step, Told, Usage};
use crate::subscription::{
    DialogInfo, Notice, Package, SubscriptionEvent, SubscriptionId, SubscriptionKind, Update,
};
use crate::transaction::ServerId;
use crate::transport::Flow;
use crate::wire::{
    CSeq, Event, HeaderName, Method, Request, Response, StatusCode, SubState, SubscriptionState,
    Text, Uri,
};
use crate::{Error, ErrorKind, Result};

/// Subscriptions at a time.
const MAX_SUBSCRIPTIONS: usize = 1000;

/// Branches of one SUBSCRIBE that are followed.
const MAX_BRANCHES: usize = 8;

/// A subscription that lasted so long was a good one: it is asked for again at once when it is lost.
const GOOD: Duration = Duration::from_secs(60);

/// The longest wait between two tries, whatever nobody says.
const MOST: Duration = Duration::from_secs(600);

/// Which SUBSCRIBE something is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ask {
    id: SubscriptionId,
    /// What is begun anew is another one.
    attempt: u32,
    /// The branch that is refreshed; none for the one that begins it.
    branch: Option<u32>,
    expires: Duration,
}

/// All subscriptions of ours.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    by_id: Timed<SubscriptionId, Held>,
}

/// A subscription, and what its requests have in common.
#[derive(Debug)]
struct Held {
    account: Option<AccountId>,
    to: Uri,
    package: Package,
    wanted: Duration,
    call_id: String,
    tag: String,
    /// The number of the last SUBSCRIBE outside of a dialog.
    number: u32,
    attempt: u32,
    began: Instant,
    /// No NOTIFY came yet.
    first: Option<Usage>,
    branches: Vec<Branch>,
    next_branch: u32,
    /// It was lost, and is begun anew then.
    again: Option<Instant>,
    /// How long to wait the next time that it is lost soon.
    wait: Duration,
    leaving: bool,
    /// The notifiers do not know where we are now.
    moves: bool,
    /// Whether the application heard that it holds, or that it waits.
    told: Option<bool>,
}

/// One dialog of a subscription.
#[derive(Debug)]
struct Branch {
    id: u32,
    dialog: Dialog,
    usage: Usage,
    flow: Flow,
    /// The dialogs that were told; partial notices change them.
    dialogs: Option<DialogInfo>,
}

impl Held {
    fn usage(&mut self, branch: Option<u32>) -> Option<&mut Usage> {
        match branch {
            None => self.first.as_mut(),
            Some(id) => self.branch(id).map(|b| &mut b.usage),
        }
    }

    fn branch(&mut self, id: u32) -> Option<&mut Branch> {
        self.branches.iter_mut().find(|b| b.id == id)
    }
}

impl Due for Held {
    fn deadline(&self) -> Option<Instant> {
        let usages = self
            .first
            .iter()
            .chain(self.branches.iter().map(|b| &b.usage));
        usages.filter_map(Usage::deadline).chain(self.again).min()
    }
}

impl Subscriptions {
    /// The number of the next request of a subscription, outside of a dialog or within the one that the request is sent
    /// in.
    pub(super) fn next_number(&mut self, ask: Ask) -> Option<u32> {
        let held = self.by_id.get_mut(ask.id)?;
        Some(match ask.branch {
            Some(branch) => held.branch(branch)?.dialog.next_number(),
            None => {
                held.number += 1;
                held.number
            }
        })
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.by_id.deadline()
    }

    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn tidy(&mut self) {
        self.by_id.tidy();
    }

    fn of_request(&self, request: &Request) -> Option<SubscriptionId> {
        let (to, call_id) = (request.headers.to().ok()?, request.headers.call_id().ok()?);
        let tag = to.tag()?;
        let known = |h: &Held| h.call_id == call_id.as_str() && h.tag == tag;
        self.by_id.iter().find(|(_, h)| known(h)).map(|(id, _)| id)
    }
}

impl UserAgent {
    /// The application subscribes to a state.
    pub(super) fn subscribe(
        &mut self,
        now: Instant,
        id: SubscriptionId,
        to: Uri,
        account: Option<AccountId>,
        package: Package,
        expires: Duration,
    ) {
        let all = &mut self.services.subscriptions.by_id;
        let refusal = if self.closing {
            Some("closing")
        } else if all.get(id).is_some() || all.len() >= MAX_SUBSCRIPTIONS {
            Some("too many subscriptions")
        } else if !Package::ALL.contains(&package) {
            Some("not a package to subscribe to")
        } else {
            None
        };
        if let Some(reason) = refusal {
            self.services.tell_subscription(id, ended(None, reason));
            return;
        }
        let held = Held {
            account,
            to,
            package,
            wanted: expires,
            call_id: String::new(),
            tag: String::new(),
            number: 0,
            attempt: 0,
            began: now,
            first: None,
            branches: Vec::new(),
            next_branch: 0,
            again: None,
            wait: Duration::ZERO,
            leaving: false,
            moves: false,
            told: None,
        };
        all.insert(id, held);
        self.begin_subscription(now, id);
    }

    /// The application wants to hear no more.
    pub(super) fn unsubscribe(&mut self, now: Instant, id: SubscriptionId) {
        let Some(held) = self.services.subscriptions.by_id.get_mut(id) else {
            return;
        };
        held.leaving = true;
        if held.again.is_some() {
            self.services.subscriptions.by_id.remove(id);
            self.services.tell_subscription(id, ended(None, "left"));
            return;
        }
        // What no NOTIFY came for yet has no dialog to be left in: it is left with the first one.
        let branches: Vec<_> = held.branches.iter().map(|b| b.id).collect();
        for branch in branches {
            self.leave_branch(now, id, branch);
        }
    }

    pub(super) fn unsubscribe_all(&mut self, now: Instant) {
        for id in self.services.subscriptions.by_id.keys() {
            self.unsubscribe(now, id);
        }
    }

    fn leave_branch(&mut self, now: Instant, id: SubscriptionId, branch: u32) {
        let held = self.services.subscriptions.by_id.get_mut(id);
        if let Some(usage) = held.and_then(|h| h.usage(Some(branch))) {
            let step = usage.leave(now);
            self.subscription_step(now, id, Some(branch), step);
        }
    }

    /// Does what is due.
    pub(super) fn subscriptions_due(&mut self, now: Instant) {
        for id in self.services.subscriptions.by_id.due(now) {
            let Some(held) = self.services.subscriptions.by_id.get_mut(id) else {
                continue;
            };
            if held.again.is_some_and(|at| at <= now) {
                self.begin_subscription(now, id);
                continue;
            }
            let mut places = vec![None];
            places.extend(held.branches.iter().map(|b| Some(b.id)));
            for place in places {
                let held = self.services.subscriptions.by_id.get_mut(id);
                if let Some(usage) = held.and_then(|h| h.usage(place)) {
                    let step = usage.due(now);
                    self.subscription_step(now, id, place, step);
                }
            }
        }
    }

    fn begin_subscription(&mut self, now: Instant, id: SubscriptionId) {
        let timer_n = self.services.config.timers.transaction();
        let (call_id, tag) = (self.services.token(), self.services.token());
        let Some(held) = self.services.subscriptions.by_id.get_mut(id) else {
            return;
        };
        (held.call_id, held.tag) = (call_id, tag);
        held.number = 0;
        held.attempt = held.attempt.wrapping_add(1);
        held.began = now;
        held.again = None;
        held.told = None;
        held.first = Some(Usage::new(now, held.wanted, timer_n));
        let step = Step::Ask(held.wanted);
        self.subscription_step(now, id, None, step);
    }

    fn subscription_step(
        &mut self,
        now: Instant,
        id: SubscriptionId,
        branch: Option<u32>,
        step: Step,
    ) {
        let Some(held) = self.services.subscriptions.by_id.get_mut(id) else {
            return;
        };
        match step {
            Step::Rest => {}
            Step::Ask(expires) => {
                let ask = Ask {
                    id,
                    attempt: held.attempt,
                    branch,
                    expires,
                };
                self.send_subscribe(now, ask);
            }
            Step::Over(ending) => {
                match branch {
                    None => held.first = None,
                    Some(branch) => held.branches.retain(|b| b.id != branch),
                }
                if held.first.is_none() && held.branches.is_empty() {
                    self.subscription_over(now, id, ending);
                }
            }
        }
    }

    /// Nothing is left of it: it is begun anew in a while, or it is over.
    fn subscription_over(&mut self, now: Instant, id: SubscriptionId, ending: Ending) {
        let Some(held) = self.services.subscriptions.by_id.get_mut(id) else {
            return;
        };
        let (status, reason) = (ending.status, ending.reason);
        let again = ending.again.filter(|_| !held.leaving && !self.closing);
        let Some(again) = again else {
            self.services.subscriptions.by_id.remove(id);
            let kind = SubscriptionKind::Ended { status, reason };
            self.services.tell_subscription(id, kind);
            return;
        };
        // A notifier that ends each of them at once shall not make us ask without end.
        if now.saturating_since(held.began) >= GOOD {
            held.wait = Duration::ZERO;
        }
        let after = again.max(held.wait);
        held.wait = (held.wait * 2).clamp(Duration::from_secs(1), MOST);
        held.again = Some(now + after);
        let kind = SubscriptionKind::Interrupted {
            status,
            reason,
            after,
        };
        self.services.tell_subscription(id, kind);
    }

    /// Our address is another: notifiers are told, those of the accounts `later` once their registrars know.
    pub(super) fn subscriptions_move(&mut self, now: Instant, later: &[AccountId]) {
        for id in self.services.subscriptions.by_id.keys() {
            let Some(held) = self.services.subscriptions.by_id.get_mut(id) else {
                continue;
            };
            held.moves = true;
            if !held.account.is_some_and(|a| later.contains(&a)) {
                self.move_subscription(now, id);
            }
        }
    }

    /// The registrar of an account knows where we are: notifiers hear it too.
    pub(super) fn subscriptions_follow(&mut self, now: Instant, account: AccountId) {
        for id in self.services.subscriptions.by_id.keys() {
            let held = self.services.subscriptions.by_id.get(id);
            if held.is_some_and(|h| h.moves && h.account == Some(account)) {
                self.move_subscription(now, id);
            }
        }
    }

    /// Refreshes a subscription by ways that are looked up anew: they begin at our new address.
    fn move_subscription(&mut self, now: Instant, id: SubscriptionId) {
        let Some(held) = self.services.subscriptions.by_id.get_mut(id) else {
            return;
        };
        held.moves = false;
        if held.leaving {
            return;
        }
        let ask = |branch: &Branch| Ask {
            id,
            attempt: held.attempt,
            branch: Some(branch.id),
            expires: held.wanted,
        };
        let branches = held.branches.iter();
        let asks: Vec<_> = branches
            .map(|b| (ask(b), target_of(b.dialog.next_hop())))
            .collect();
        for (ask, target) in asks {
            let looked = target.map(|t| self.services.look_up(t, Errand::Subscribe(ask)));
            if !matches!(looked, Some(Ok(()))) {
                self.subscribe_by(now, ask, None);
            }
        }
    }

    fn send_subscribe(&mut self, now: Instant, ask: Ask) {
        let Some(held) = self.services.subscriptions.by_id.get_mut(ask.id) else {
            return;
        };
        let (account, to) = (held.account, held.to.clone());
        let (hop, fallback) = match ask.branch {
            None => {
                let hop = self.services.first_hop(account, &Method::Subscribe, &to);
                (hop, None)
            }
            Some(branch) => match held.branch(branch) {
                Some(branch) => (branch.dialog.next_hop().clone(), Some(branch.flow)),
                None => return,
            },
        };
        let known = fallback.and_then(|flow| self.services.known_way(&hop, flow));
        if known.is_some() {
            self.subscribe_by(now, ask, known.map(Chosen::only));
            return;
        }
        let looked = target_of(&hop).map(|t| self.services.look_up(t, Errand::Subscribe(ask)));
        if !matches!(looked, Some(Ok(()))) {
            self.subscribe_by(now, ask, None);
        }
    }

    /// The way of a SUBSCRIBE is known, or there is none; then it goes the way that the notifier's messages come, if any
    /// came.
    pub(super) fn subscribe_by(&mut self, now: Instant, ask: Ask, way: Option<Chosen>) {
        let held = self.services.subscriptions.by_id.get_mut(ask.id);
        let Some(held) = held.filter(|h| h.attempt == ask.attempt) else {
            return;
        };
        let account = held.account;
        let fallback = || held.branches.iter().find(|b| Some(b.id) == ask.branch);
        let Some(mut way) = way.or_else(|| fallback().map(|b| Chosen::only(b.flow))) else {
            let status = StatusCode::NOT_FOUND;
            self.subscription_answered(now, ask, status, "no way to this URI", None);
            return;
        };
        let sent = self.services.subscribe_request(ask, way.flow);
        let sent = sent.and_then(|request| {
            way.carry(&request, account);
            let purpose = Purpose::Subscribe(ask);
            self.services.send_by(now, way, request, purpose, account)
        });
        if let Err(error) = sent {
            self.services.stats.unsent += 1;
            let status = StatusCode::SERVICE_UNAVAILABLE;
            self.subscription_answered(now, ask, status, &error.to_string(), None);
        }
    }

    /// The final response to a SUBSCRIBE came, or `status` stands for none.
    pub(super) fn subscription_answered(
        &mut self,
        now: Instant,
        ask: Ask,
        status: StatusCode,
        reason: &str,
        response: Option<&Response>,
    ) {
        let headers = response.map(|r| &r.headers);
        let granted = Granted {
            status,
            expires: headers.and_then(|h| h.expires().ok().flatten()),
            min_expires: headers.and_then(|h| h.min_expires().ok().flatten()),
            retry_after: headers
                .and_then(|h| h.retry_after().ok().flatten())
                .map(|r| r.after),
        };
        let held = self.services.subscriptions.by_id.get_mut(ask.id);
        let Some(held) = held.filter(|h| h.attempt == ask.attempt) else {
            return;
        };
        // A NOTIFY that came before made a branch of it.
        let early = || {
            let to = headers.and_then(|h| h.to().ok());
            let tag = to.as_ref().and_then(|to| to.tag());
            let mut all = held.branches.iter();
            let same = all.find(|b| Some(&*b.dialog.id().remote_tag) == tag);
            same.map(|b| b.id)
        };
        let place = match ask.branch {
            None if held.first.is_none() => early(),
            place => place,
        };
        let Some(usage) = held.usage(place) else {
            return;
        };
        let mut step = usage.answered(now, granted);
        if let Step::Over(ending) = &mut step
            && !reason.is_empty()
        {
            ending.reason = reason.into();
        }
        if let (Some(branch), Some(response)) = (place.and_then(|p| held.branch(p)), response)
            && status.is_success()
        {
            // A Contact that cannot be read leaves the one that was.
            let _unread = branch.dialog.refreshed(response);
        }
        self.subscription_step(now, ask.id, place, step);
    }

    /// A NOTIFY that belongs to no call.
    pub(super) fn notified(&mut self, now: Instant, id: ServerId, flow: Flow, request: &Request) {
        let headers = &request.headers;
        let package = headers.event().ok().flatten();
        let package = package.and_then(|e| Package::of_name(e.package()));
        let Some(package) = package else {
            self.services.bad_event(now, id, request);
            return;
        };
        let Ok(Some(state)) = headers.subscription_state() else {
            self.services
                .refuse(now, id, request, StatusCode::BAD_REQUEST);
            return;
        };
        let notice = match self.services.notice_of(request, package) {
            Ok(notice) => notice,
            Err(response) => {
                self.services.stats.unread_notices += 1;
                self.services.respond(now, id, &response);
                return;
            }
        };
        if headers.to().is_ok_and(|to| to.tag().is_none()) {
            self.told_unasked(now, id, request, package, notice);
            return;
        }
        let known = self.services.subscriptions.of_request(request);
        let found = known.and_then(|s| Some((s, self.services.subscriptions.by_id.get_mut(s)?)));
        let found = found.filter(|(_, h)| h.package == package);
        let Some((subscription, held)) = found else {
            self.services
                .refuse(now, id, request, StatusCode::CALL_DOES_NOT_EXIST);
            return;
        };
        let branch = match held.place_of(now, flow, request) {
            Ok(branch) => branch,
            Err(status) => {
                self.services.refuse(now, id, request, status);
                return;
            }
        };
        let response = request.response(StatusCode::OK);
        let gap = self.tell_notice(subscription, branch, request, notice);
        self.services.respond(now, id, &response);
        let told = told_of(&state);
        let Some(held) = self.services.subscriptions.by_id.get_mut(subscription) else {
            return;
        };
        let (leaving, wanted) = (held.leaving, held.wanted);
        let is_active = match &told {
            Told::Active { .. } => Some(true),
            Told::Pending { .. } => Some(false),
            Told::Over { .. } => None,
        };
        let news = is_active.filter(|_| is_active != held.told);
        held.told = is_active.or(held.told);
        let step = held.usage(Some(branch)).map(|u| u.told(now, &told));
        if let Some(active) = news {
            let kind = match active {
                true => SubscriptionKind::Active,
                false => SubscriptionKind::Pending,
            };
            self.services.tell_subscription(subscription, kind);
        }
        if let Some(step) = step {
            self.subscription_step(now, subscription, Some(branch), step);
        }
        if leaving {
            self.leave_branch(now, subscription, branch);
        } else if gap {
            // Something between was lost: a refresh brings all (RFC 4235 section 4.3).
            self.subscription_step(now, subscription, Some(branch), Step::Ask(wanted));
        }
    }

    /// Tells the application what a NOTIFY said. Whether something before it is missing.
    fn tell_notice(
        &mut self,
        id: SubscriptionId,
        branch: u32,
        request: &Request,
        notice: Option<Notice>,
    ) -> bool {
        let held = self.services.subscriptions.by_id.get_mut(id);
        let Some((notice, branch)) = notice.zip(held.and_then(|h| h.branch(branch))) else {
            return false;
        };
        let mut gap = false;
        let notice = match notice {
            Notice::Dialogs(info) => {
                let known = branch.dialogs.get_or_insert_default();
                match known.update(info) {
                    Update::Old => return false,
                    Update::Gap => gap = true,
                    Update::Next => {}
                }
                let all = Notice::Dialogs(known.clone());
                known.settle();
                all
            }
            other => other,
        };
        let from = request.headers.from();
        let from = from.map(|f| f.uri().to_string().into()).unwrap_or_default();
        let kind = SubscriptionKind::Notified { from, notice };
        self.services.tell_subscription(id, kind);
        gap
    }

    /// A NOTIFY that nobody asked for: messages that wait are told so.
    fn told_unasked(
        &mut self,
        now: Instant,
        id: ServerId,
        request: &Request,
        package: Package,
        notice: Option<Notice>,
    ) {
        let taken = self.services.config.requests.unsolicited;
        let Some(notice) = notice.filter(|_| taken && package == Package::MessageSummary) else {
            self.services
                .refuse(now, id, request, StatusCode::CALL_DOES_NOT_EXIST);
            return;
        };
        let account = self.services.account_of(request);
        let response = self.services.refusal(&request.headers, StatusCode::OK);
        self.services.respond(now, id, &response);
        let event = SubscriptionEvent::Unsolicited { account, notice };
        self.services.out.push_back(Output::Subscription(event));
    }
}

impl Held {
    /// The branch that a NOTIFY belongs to; the first one of a branch makes it (RFC 6665 section 4.4.1).
    fn place_of(&mut self, now: Instant, flow: Flow, request: &Request) -> Result<u32, StatusCode> {
        let from = request.headers.from();
        let from = from.map_err(|_| StatusCode::BAD_REQUEST)?;
        let tag = from.tag().unwrap_or_default();
        let mut all = self.branches.iter_mut();
        if let Some(branch) = all.find(|b| &*b.dialog.id().remote_tag == tag) {
            let taken = branch.dialog.take(request);
            taken.map_err(|_| StatusCode::SERVER_INTERNAL_ERROR)?;
            branch.flow = flow;
            return Ok(branch.id);
        }
        let full = self.branches.len() >= MAX_BRANCHES;
        let usage = match (self.first.take(), self.branches.first()) {
            (Some(first), _) => first,
            (None, Some(other)) if self.package.forks() && !full => other.usage.forked(now),
            _ => return Err(StatusCode::CALL_DOES_NOT_EXIST),
        };
        let dialog = Dialog::notified(request, self.number);
        let Ok(dialog) = dialog else {
            self.first = self.branches.is_empty().then_some(usage);
            return Err(StatusCode::BAD_REQUEST);
        };
        self.next_branch += 1;
        self.branches.push(Branch {
            id: self.next_branch,
            dialog,
            usage,
            flow,
            dialogs: None,
        });
        Ok(self.next_branch)
    }
}

impl Services {
    fn tell_subscription(&mut self, id: SubscriptionId, kind: SubscriptionKind) {
        let event = SubscriptionEvent::Subscription { id, kind };
        self.out.push_back(Output::Subscription(event));
    }

    /// Refuses an event package that we do not know, and says which we do (RFC 6665 section 8.2.2).
    pub(super) fn bad_event(&mut self, now: Instant, id: ServerId, request: &Request) {
        let mut response = self.refusal(&request.headers, StatusCode::BAD_EVENT);
        response.headers.put(HeaderName::AllowEvents, events());
        self.stats.refused += 1;
        self.respond(now, id, &response);
    }

    fn subscribe_request(&mut self, ask: Ask, flow: Flow) -> Result<Request> {
        const NONE: Error = Error::new(ErrorKind::Unknown, "subscription");
        let number = match ask.branch {
            None => self.subscriptions.next_number(ask).ok_or(NONE)?,
            Some(_) => 0,
        };
        let held = self.subscriptions.by_id.get_mut(ask.id).ok_or(NONE)?;
        let (account, package) = (held.account, held.package);
        let mut request = match ask.branch {
            Some(branch) => {
                let branch = held.branch(branch).ok_or(NONE)?;
                branch.dialog.request(Method::Subscribe)
            }
            None => {
                let (call_id, tag, to) = (held.call_id.clone(), held.tag.clone(), held.to.clone());
                let names = (&*call_id, &*tag);
                let request = self.request_outside(account, Method::Subscribe, &to, flow, names);
                let mut request = request?;
                let method = Method::Subscribe;
                let cseq = CSeq { number, method };
                request.headers.set(HeaderName::CSeq, cseq.to_value());
                request
            }
        };
        if ask.branch.is_some() {
            let contact = self.contact(flow, account, goes_to_sips(&request));
            request.headers.put(HeaderName::Contact, contact);
        }
        let headers = &mut request.headers;
        headers.put(
            HeaderName::Event,
            Event::new(Text::from_static(package.name()))?.to_value(),
        );
        headers.put(HeaderName::Expires, ask.expires.as_secs().to_string());
        headers.put(HeaderName::Accept, package.body_type());
        headers.put(HeaderName::AllowEvents, events());
        Ok(request)
    }

    /// What a NOTIFY says; the refusal if it cannot be read.
    fn notice_of(&self, request: &Request, package: Package) -> Result<Option<Notice>, Response> {
        if request.body.is_empty() {
            return Ok(None);
        }
        let headers = &request.headers;
        let kind = headers.content_type().ok().flatten();
        let (first, second) = package.body_type().split_once('/').unwrap_or_default();
        let mut encodings = headers.list(&HeaderName::ContentEncoding);
        let packed = encodings.any(|e| !e.eq_ignore_ascii_case(b"identity"));
        drop(encodings);
        if packed || !kind.is_some_and(|k| k.is(first, second)) {
            let mut response = self.refusal(headers, StatusCode::UNSUPPORTED_MEDIA_TYPE);
            response
                .headers
                .put(HeaderName::Accept, package.body_type());
            return Err(response);
        }
        Notice::parse(package, &request.body)
            .map_err(|_| self.refusal(headers, StatusCode::BAD_REQUEST))
    }
}

/// The packages that we know, as Allow-Events lists them.
pub(super) fn events() -> String {
    let names = Package::ALL.map(Package::name);
    format!("{}, {}", names.join(", "), Package::Refer)
}

fn told_of(state: &SubscriptionState) -> Told {
    let expires = state.expires;
    match state.state {
        SubState::Active => Told::Active { expires },
        SubState::Pending | SubState::Other(_) => Told::Pending { expires },
        SubState::Terminated => Told::Over {
            reason: state.reason.as_deref().unwrap_or_default().into(),
            retry_after: state.retry_after,
        },
    }
}

fn ended(status: Option<StatusCode>, reason: &str) -> SubscriptionKind {
    SubscriptionKind::Ended {
        status,
        reason: reason.into(),
    }
}
