//! The user agent: what comes in finds its call here.

use bytes::Bytes;
use msp_core::event::Cause;
use msp_core::id::CallKey;
use msp_core::link::{Envelope, ToTsp};
use msp_core::time::Instant;
use msp_core::trace::Way;

use super::flood::Ringing;
use super::interface::{
    AgentConfig, AgentStats, CallEventKind, Command, EndCause, Ended, Input, Kept, Output,
};
use super::refusal::{explain, status_of};
use super::served::Served;
use super::services::{Answered, Purpose, Sent, Services};
use super::state::{Call, Leg, Phase};
use crate::dialog::DialogId;
use crate::tables::HashMap;
use crate::transaction::{self, ClientId, ServerId, TransactionStats};
use crate::transport::stun::is_stun;
use crate::transport::{Action, Flow, Transport};
use crate::wire::{
    HeaderName, Headers, Limits, Message, Method, Refused, Request, Response, StatusCode, check,
    is_keep_alive,
};

/// Two line breaks ask whether the other end of a stream lives, one says so (RFC 5626 section 4.4.1).
const PING: &[u8] = b"\r\n\r\n";
const PONG: &[u8] = b"\r\n";

/// A user agent: all calls of one address, at either end.
pub struct UserAgent {
    pub(super) services: Services,
    pub(super) calls: HashMap<CallKey, Call>,
    /// Calls that are not over.
    pub(super) alive: usize,
    /// No calls of others are taken any more.
    pub(super) refuses_calls: bool,
    /// The application closes: nothing is begun any more.
    pub(super) closing: bool,
    /// Callers who wait for the application, by where they call from.
    pub(super) ringing: Ringing,
    /// Until when registrars and other servers may answer our goodbyes.
    pub(super) farewell: Option<Instant>,
    /// The domain that we serve.
    pub(super) served: Option<Served>,
}

impl std::fmt::Debug for UserAgent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserAgent")
            .field("calls", &self.calls.len())
            .finish_non_exhaustive()
    }
}

impl UserAgent {
    /// An agent without calls. `random` fills a buffer with random bytes; tags, branches and Call-IDs are made of it.
    pub fn new(mut config: AgentConfig, random: impl FnMut(&mut [u8]) + Send + 'static) -> Self {
        let domain = config.domain.take();
        let mut services = Services::new(config, Box::new(random));
        services.serves = domain.is_some();
        let served = domain.map(|d| Served::new(d, services.secret()));
        Self {
            services,
            calls: HashMap::default(),
            alive: 0,
            refuses_calls: false,
            closing: false,
            ringing: Ringing::default(),
            farewell: None,
            served,
        }
    }

    /// Takes an input. What it leads to waits in [`UserAgent::poll`], to be drained before the next input.
    pub fn handle(&mut self, now: Instant, input: Input) {
        self.services.now = now;
        match input {
            Input::Received { flow, bytes } => self.received(now, flow, &bytes),
            Input::Unreachable { flow } => self.unreachable(now, flow, Box::default()),
            Input::Accepted { flow } => self.services.flows.accepted(now, flow),
            Input::Proved { flow, names } => self.services.flows.proved(flow, names),
            Input::Garbled { flow, bytes, error } => {
                self.services.stats.garbled += 1;
                self.unreadable(flow, &bytes, error, &Limits::default());
            }
            Input::Closed { flow, why } => {
                self.location_lost(now, flow);
                let asked = self.services.flows.closed(flow);
                self.connection_lost(now, flow, &why);
                if asked {
                    self.unreachable(now, flow, why);
                }
            }
            Input::Resolved {
                lookup,
                routes,
                why,
            } => self.resolved(now, lookup, routes, why),
            Input::Command(command) => self.command(now, command),
            Input::Msp(message) => self.media_says(now, message),
        }
        self.settle(now);
    }

    /// Does what is due at `now`.
    pub fn timeout(&mut self, now: Instant) {
        self.services.now = now;
        self.services.transactions.timeout(now);
        self.settle(now);
        self.registrations_due(now);
        self.states_due(now);
        self.locations_due(now);
        self.farewell_due(now);
        self.settle(now);
        self.keep_flows(now);
        while let Some(key) = self.next_due(now) {
            self.call_timeout(now, key);
            self.arm(key);
            self.settle(now);
        }
    }

    /// When [`UserAgent::timeout`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        let calls = self.services.deadlines.peek().map(|next| next.0.0);
        let registrations = self.registration_deadline();
        let flows = self.services.flows.deadline();
        let bindings = self.served.as_ref().and_then(|s| s.registrar.deadline());
        let transactions = self.services.transactions.deadline();
        let states = self.states_deadline();
        let all = [calls, registrations, states, transactions, flows, bindings];
        all.into_iter().chain([self.farewell]).flatten().min()
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.services.out.pop_front()
    }

    /// Whether nothing is under way: no call, no request of ours that waits for its answer.
    pub fn is_idle(&self) -> bool {
        let done = |c: &Call| {
            matches!(c.phase, Phase::Over { invite: None })
                && c.legs.iter().all(|l| l.unacknowledged.is_none())
        };
        let of_call = |p| matches!(p, Purpose::Invite(_) | Purpose::Change(..));
        let waits = |s: &Sent| !of_call(s.purpose);
        !self.services.sent.values().any(waits)
            && self.services.errands.is_empty()
            && self.calls.values().all(done)
    }

    /// What was counted.
    pub const fn stats(&self) -> AgentStats {
        self.services.stats
    }

    /// What its transactions counted.
    pub const fn transaction_stats(&self) -> TransactionStats {
        self.services.transactions.stats()
    }

    /// The error of the last message that could not be read.
    pub const fn last_error(&self) -> Option<crate::Error> {
        self.services.last_error
    }

    /// How much is kept, what is over and waits for stragglers included.
    pub fn kept(&self) -> Kept {
        Kept {
            calls: self.calls.len(),
            dialogs: self.services.dialogs.len(),
            transactions: self.services.transactions.len(),
            memories: self.services.memories(),
            subscriptions: self.services.subscriptions.len(),
            watchers: self.services.watching.len(),
            referrals: self.services.referrals.len(),
        }
    }

    fn received(&mut self, now: Instant, flow: Flow, bytes: &Bytes) {
        let keep_alive = is_keep_alive(bytes);
        self.services.flows.heard(now, flow, !keep_alive);
        if keep_alive {
            self.services.stats.keep_alives += 1;
            if flow.transport.is_reliable() && bytes == PING {
                let bytes = Bytes::from_static(PONG);
                self.services
                    .out
                    .push_back(Output::Transmit { flow, bytes });
            }
            return;
        }
        if flow.transport == Transport::Udp && is_stun(bytes) {
            self.stun_received(now, flow, bytes);
            return;
        }
        let shown = self.services.config.shows_messages.then(|| {
            let message = Output::Message {
                call: None,
                way: Way::In,
                flow,
                bytes: bytes.clone(),
            };
            self.services.out.push_back(message);
            self.services.out.len() - 1
        });
        let limits = Limits::default();
        match Message::parse_with(bytes, &limits) {
            Ok(message) => {
                self.services.stats.received += 1;
                let call_id = shown.and_then(|_| message.headers().call_id().ok());
                match message {
                    Message::Request(request) => self.request(now, flow, request, &limits),
                    Message::Response(response) => self.response(now, flow, response, &limits),
                }
                let Some(place) = shown else { return };
                self.settle(now);
                // An INVITE made its call only now.
                let key = call_id.and_then(|id| self.services.call_of(id.as_str()));
                if let Some(Output::Message { call, .. }) = self.services.out.get_mut(place) {
                    *call = key;
                }
            }
            Err(error) => self.unreadable(flow, bytes, error, &limits),
        }
    }

    /// What cannot be read is answered if that is possible.
    fn unreadable(&mut self, flow: Flow, bytes: &Bytes, error: crate::Error, limits: &Limits) {
        self.services.last_error = Some(error);
        match Refused::salvage(bytes, limits) {
            Some(refused) if refused.method != Method::Ack => {
                let mut response = self.services.refusal(&refused.headers, status_of(error));
                explain(&mut response, error);
                self.services
                    .refuse_without_state(flow, refused.method, refused.headers, response);
            }
            _ => self.services.stats.unreadable += 1,
        }
    }

    /// A request is checked before it may begin a transaction.
    fn request(&mut self, now: Instant, flow: Flow, request: Request, limits: &Limits) {
        let fault = if request.version_ok {
            check::request(&request, limits).err()
        } else {
            Some(crate::Error::new(crate::ErrorKind::Version, ""))
        };
        let Some(error) = fault else {
            self.services.note_alias(flow, &request);
            let transactions = &mut self.services.transactions;
            if let Err(error) = transactions.receive_request(now, flow, request) {
                self.services.stats.unreadable += 1;
                self.services.last_error = Some(error);
            }
            return;
        };
        self.services.last_error = Some(error);
        if request.method == Method::Ack {
            self.services.stats.unreadable += 1;
            return;
        }
        let mut response = self.services.refusal(&request.headers, status_of(error));
        explain(&mut response, error);
        self.services
            .refuse_without_state(flow, request.method, request.headers, response);
    }

    fn response(&mut self, now: Instant, flow: Flow, response: Response, limits: &Limits) {
        // A response with a fault is dropped: nobody can be told (RFC 3261 section 16.3).
        let fine = check::response(&response, limits);
        if let Err(error) = fine.and_then(|()| {
            self.services
                .transactions
                .receive_response(now, flow, response)
        }) {
            self.services.stats.unreadable += 1;
            self.services.last_error = Some(error);
        }
    }

    /// Hands on what the transactions have to say, until they are silent.
    pub(super) fn settle(&mut self, now: Instant) {
        while let Some(output) = self.services.transactions.poll() {
            match output {
                transaction::Output::Transmit { flow, bytes } => {
                    self.services.transmit(flow, bytes);
                }
                transaction::Output::Request { id, request, flow } => {
                    self.new_request(now, id, flow, &request);
                }
                transaction::Output::Ack { request, flow } => {
                    self.acknowledged(now, flow, &request);
                }
                transaction::Output::Response { id, response, flow } => {
                    self.answered(now, id, flow, &response);
                }
                transaction::Output::Stray { .. } => self.services.stats.stray_responses += 1,
                transaction::Output::TimedOut(id) => self.unanswered(now, id),
                transaction::Output::Over(id) => {
                    self.services.answered.remove(&id);
                    self.services.proofs.remove(&id);
                }
                // The refusal stands, whether the peer heard it or not.
                transaction::Output::Unacknowledged(_) => {}
            }
        }
        if self.follow_up(now) || self.tell_watchers(now) {
            self.settle(now);
            return;
        }
        self.services.sweep(now);
        self.services.transactions.tidy();
        self.tidy_deadlines();
        self.tidy_states();
    }

    fn new_request(&mut self, now: Instant, id: ServerId, flow: Flow, request: &Request) {
        let scheme = self.services.objection_to_scheme(flow, request);
        if let Some(objection) = self.services.objection(request).or(scheme) {
            self.services.stats.refused += 1;
            self.services.respond(now, id, &objection);
            return;
        }
        if request.method == Method::Cancel {
            self.cancelled(now, id, request);
            return;
        }
        if let Ok(dialog) = DialogId::of_request(&request.headers) {
            match self.services.dialogs.get(&dialog).copied() {
                Some((call, leg)) => self.request_within(now, id, flow, request, call, leg),
                None if request.method == Method::Notify => self.notified(now, id, flow, request),
                None if request.method == Method::Subscribe => {
                    self.watched_on(now, id, flow, request);
                }
                None => self
                    .services
                    .refuse(now, id, request, StatusCode::CALL_DOES_NOT_EXIST),
            }
            return;
        }
        if self.services.is_merged(now, request) {
            self.services
                .refuse(now, id, request, StatusCode::LOOP_DETECTED);
            return;
        }
        if matches!(request.method, Method::Invite | Method::Message)
            && !self.admits(now, id, request)
        {
            return;
        }
        match request.method {
            Method::Register => self.registered(now, id, flow, request),
            Method::Invite => self.called(now, id, flow, request),
            Method::Options => self.describe_ourselves(now, id, flow, request),
            Method::Message if self.served.is_some() => self.relay_message(now, id, request),
            Method::Message => self.messaged(now, id, request, None),
            Method::Notify => self.notified(now, id, flow, request),
            Method::Subscribe => self.watched(now, id, flow, request),
            // Nobody but the peer of a call may send us elsewhere.
            Method::Refer => self
                .services
                .refuse(now, id, request, StatusCode::FORBIDDEN),
            // A BYE without a dialog.
            _ => self
                .services
                .refuse(now, id, request, StatusCode::CALL_DOES_NOT_EXIST),
        }
    }

    fn command(&mut self, now: Instant, command: Command) {
        match command {
            Command::Dial { key, to, account } => {
                self.dial(key, &to, account, None);
            }
            Command::DialAs {
                key,
                to,
                account,
                identity,
            } => {
                self.dial(key, &to, account, Some(identity));
            }
            Command::DialLocation {
                key,
                location,
                account,
                hops,
            } => self.dial_location(now, key, *location, account, hops),
            Command::RefuseCalls => self.refuses_calls = true,
            Command::Ring(key) => self.ring(now, key),
            Command::Progress(key) => self.progress_call(now, key),
            Command::Answer(key) => self.answer(now, key),
            Command::Reject(key, status) => self.reject(now, key, status),
            Command::HangUp(key) => self.hang_up(now, key),
            Command::Follow(key, to) => self.try_at(now, key, to),
            Command::Focus { key, focus } => self.set_focus(now, key, focus),
            Command::Hold(key) => self.hold(now, key, true),
            Command::Resume(key) => self.hold(now, key, false),
            Command::Options { key, to, account } => self.ask(key, to, account),
            Command::Register(id) => self.register(now, id),
            Command::Unregister(id) => self.unregister(now, id),
            Command::AddAccount(id, account) => self.services.accounts.add(id, *account),
            Command::RemoveAccount(id) => self.services.accounts.remove(id),
            Command::Message {
                key,
                to,
                account,
                content_type,
                body,
            } => self.message(now, key, to, account, &content_type, body),
            Command::Transfer { key, to } => self.transfer(now, key, &to),
            Command::TransferTo { key, consultation } => self.transfer_to(now, key, consultation),
            Command::FollowTransfer { key, call } => self.follow(now, key, call),
            Command::DeclineTransfer(key) => self.decline_transfer(now, key),
            Command::FetchBindings { key, account } => self.fetch_bindings(now, key, account),
            Command::TellReferrer(key, status) => self.tell_referrer(now, key, status),
            Command::Subscribe {
                id,
                to,
                account,
                package,
                expires,
            } => self.subscribe(now, id, to, account, package, expires),
            Command::Unsubscribe(id) => self.unsubscribe(now, id),
            Command::Publish {
                account,
                presence,
                expires,
            } => self.publish(now, account, &presence, expires),
            Command::Unpublish(account) => self.unpublish(now, account),
            Command::NetworkChanged { .. } => {
                self.services.stats.network_changes += 1;
                self.network_changed(now);
            }
            Command::Close => self.take_leave(now),
        }
    }

    fn answered(&mut self, now: Instant, id: ClientId, flow: Flow, response: &Response) {
        let status = response.status;
        let sent = match self.services.sent.get_mut(&id) {
            Some(sent) => {
                sent.heard = true;
                self.services.detours.remove(&id);
                Some(sent.purpose)
            }
            None => self.services.answered.get(&id).map(|a| a.purpose),
        };
        let Some(purpose) = sent else {
            // What answers a CANCEL says nothing: the INVITE is answered by itself.
            if !matches!(response.headers.cseq(), Ok(c) if c.method == Method::Cancel) {
                self.services.stats.idle_responses += 1;
            }
            return;
        };
        let challenge = matches!(
            status,
            StatusCode::UNAUTHORIZED | StatusCode::PROXY_AUTHENTICATION_REQUIRED
        );
        if challenge && self.answer_challenge(now, id, purpose, response) {
            return;
        }
        if status == StatusCode::SERVICE_UNAVAILABLE
            && let Some(sent) = self.services.sent.get(&id).copied()
            && self.fail_over(now, id, sent, Some(&response.headers))
        {
            return;
        }
        if status.is_final() {
            self.services.done(id, response);
        }
        self.handle_answer(now, id, purpose, flow, response);
        self.identified_by_answer(purpose, flow, response);
        self.services.tried = Box::default();
    }

    fn handle_answer(
        &mut self,
        now: Instant,
        id: ClientId,
        purpose: Purpose,
        flow: Flow,
        response: &Response,
    ) {
        let status = response.status;
        if status.is_success() && matches!(purpose, Purpose::Invite(_) | Purpose::Change(..)) {
            let acks = Vec::new();
            let answered = || Box::new(Answered { purpose, acks });
            self.services.answered.entry(id).or_insert_with(answered);
            if self.services.acknowledge_again(id, response) {
                return;
            }
        }
        match purpose {
            Purpose::Invite(key) => self.invite_answered(now, key, id, flow, response),
            Purpose::Change(key, leg) => self.change_answered(now, key, leg, id, flow, response),
            _ if status.is_provisional() => {}
            Purpose::Register(id) => self.registrar_answered(now, id, Some((flow, response)), ""),
            Purpose::Subscribe(ask) => {
                let reason = &response.reason;
                self.subscription_answered(now, ask, status, reason, Some(response));
            }
            Purpose::Within(key, leg, what) => {
                self.answered_within(now, key, leg, what, flow, Some(response));
            }
            Purpose::Aside(key, aside) => {
                self.aside_answered(now, key, aside, status, &response.reason, Some(response));
            }
            Purpose::Notify(id) => self.notify_answered(id, status),
            Purpose::Publish(id) => {
                self.publisher_answered(now, id, status, &response.reason, Some(response));
            }
            Purpose::Options(key, asked) => {
                let text = |name: &HeaderName| join(&response.headers, name);
                let names = [HeaderName::UserAgent, HeaderName::Server];
                let kind = CallEventKind::Capabilities {
                    status: response.status,
                    reason: response.reason.as_str().into(),
                    allow: text(&HeaderName::Allow),
                    user_agent: names
                        .iter()
                        .map(text)
                        .find(|t| !t.is_empty())
                        .unwrap_or_default(),
                    round_trip: now.saturating_since(asked),
                };
                self.services.tell(key, kind);
            }
        }
    }

    fn unanswered(&mut self, now: Instant, id: ClientId) {
        let Some(sent) = self.services.sent.remove(&id) else {
            return;
        };
        if !sent.heard && self.fail_over(now, id, sent, None) {
            return;
        }
        self.services.retries.remove(&id);
        self.services.ways.remove(&id);
        self.services.detours.remove(&id);
        self.handle_silence(now, sent);
        self.services.tried = Box::default();
    }

    fn handle_silence(&mut self, now: Instant, sent: Sent) {
        match sent.purpose {
            Purpose::Invite(key) => self.invite_unanswered(now, key, sent.heard),
            Purpose::Change(key, leg) => self.change_unanswered(now, key, leg, None),
            Purpose::Within(key, leg, what) => {
                let flow = sent.flow;
                self.answered_within(now, key, leg, what, flow, None);
            }
            Purpose::Aside(key, aside) => {
                let status = StatusCode::REQUEST_TIMEOUT;
                let why = self.services.no_answer();
                self.aside_answered(now, key, aside, status, &why, None);
            }
            Purpose::Register(id) => {
                let why = self.services.with_tried("the registrar does not answer");
                self.registrar_answered(now, id, None, &why);
            }
            Purpose::Subscribe(ask) => {
                let status = StatusCode::REQUEST_TIMEOUT;
                let why = self.services.no_answer();
                self.subscription_answered(now, ask, status, &why, None);
            }
            Purpose::Notify(id) => self.notify_answered(id, StatusCode::REQUEST_TIMEOUT),
            Purpose::Publish(id) => {
                let why = self.services.no_answer();
                self.publisher_answered(now, id, StatusCode::REQUEST_TIMEOUT, &why, None);
            }
            Purpose::Options(key, _) => {
                let status = Some(StatusCode::REQUEST_TIMEOUT);
                let why = self.services.no_answer();
                self.services
                    .tell(key, ended(EndCause::Unreachable, status, &why));
            }
        }
    }

    /// What was sent that way did not leave: what waits for its first response there fails at once.
    pub(super) fn unreachable(&mut self, now: Instant, flow: Flow, why: Box<str>) {
        let there = |f: Flow| match flow.connection {
            Some(_) => f.connection == flow.connection,
            None => f.transport == flow.transport && f.remote == flow.remote,
        };
        let silent = self
            .services
            .sent
            .iter()
            .filter(|(_, s)| there(s.flow) && !s.heard);
        let mut waiting: Vec<ClientId> = silent.map(|(id, _)| *id).collect();
        waiting.sort_unstable();
        for id in waiting {
            if !self.fall_back(now, id) {
                self.services.transactions.transport_failed(id);
            }
        }
        self.services.trouble = why;
        self.settle(now);
        self.services.trouble = Box::default();
    }

    /// Asks connections whether they live, and gives up those that nobody needs or that are dead.
    fn keep_flows(&mut self, now: Instant) {
        while let Some(action) = self.services.flows.timeout(now) {
            match action {
                Action::Ping(flow) => {
                    self.services.stats.pings += 1;
                    let bytes = Bytes::from_static(PING);
                    self.services
                        .out
                        .push_back(Output::Transmit { flow, bytes });
                }
                Action::Idle(flow) => {
                    self.services.stats.idle_flows += 1;
                    self.services.flows.closed(flow);
                    self.services.out.push_back(Output::Disconnect { flow });
                }
                Action::Dead(flow) => {
                    self.services.stats.dead_flows += 1;
                    let asked = self.services.flows.closed(flow);
                    self.services.out.push_back(Output::Disconnect { flow });
                    let why = "the peer answers no pings";
                    self.connection_lost(now, flow, why);
                    if asked {
                        self.unreachable(now, flow, why.into());
                    }
                }
            }
        }
    }

    fn media_says(&mut self, now: Instant, message: Envelope<ToTsp>) {
        let known = self.calls.get(&message.call).is_some_and(|c| !c.is_over());
        if !known || !self.media_message(now, message) {
            self.services.stats.stray_media += 1;
        }
    }

    fn call_timeout(&mut self, now: Instant, key: CallKey) {
        self.repeat_successes(now, key);
        self.repeat_provisionals(now, key);
        self.media_overdue(now, key);
        self.lose_patience(now, key);
        self.session_due(now, key);
        self.transfer_overdue(now, key);

        self.begin_changes(now, key);
        let Some(call) = self.calls.get(&key) else {
            return;
        };
        match &call.phase {
            Phase::Inviting(inviting) if inviting.patience <= now => self.give_up(now, key),
            Phase::Alerting {
                patience: Some(patience),
            } if *patience <= now => self.leave_unanswered(now, key),
            Phase::Alerting { .. } if call.answer_at.is_some_and(|at| at <= now) => {
                if let Some(call) = self.calls.get_mut(&key) {
                    call.answer_at = None;
                }
                self.answer(now, key);
            }
            Phase::Alerting { .. } if call.remind.is_some_and(|at| at <= now) => {
                self.ring(now, key);
            }
            _ => self.arm(key),
        }
    }

    /// The call is over for the application and for the media half.
    pub(super) fn end(&mut self, now: Instant, key: CallKey, why: Ended, cause: Cause) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        if call.is_over() {
            return;
        }
        if let Some(leg) = call.confirmed().map(|l| l.id) {
            self.refuse_postponed(now, key, leg, StatusCode::REQUEST_TERMINATED);
        }
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        self.alive = self.alive.saturating_sub(1);
        call.transfer = None;
        // What is still served dies with the call, or its transaction would wait for ever.
        let serves = |l: &&Leg| l.serving.is_some() || l.asked.is_some();
        let serving: Vec<_> = call.legs.iter().filter(serves).map(|l| l.id).collect();
        for leg in serving {
            self.refuse_serving(now, key, leg, StatusCode::REQUEST_TERMINATED);
        }
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        if call.prepared {
            let leg = call.confirmed().map_or_else(Default::default, |l| l.id);
            let generation = call.leg(leg).map(|l| l.generation).unwrap_or_default();
            self.services.msp(
                key,
                leg,
                generation,
                msp_core::link::ToMsp::Disconnected { cause },
            );
        }
        let over = Phase::Over { invite: None };
        let invite = match std::mem::replace(&mut call.phase, over) {
            Phase::Inviting(inviting) if !inviting.answered => Some(inviting),
            _ => None,
        };
        for leg in call.legs.iter().filter(|l| l.change.is_some()) {
            if let Some(invite) = leg.changed_by {
                self.services.transactions.cancel(now, invite);
            }
        }
        if invite.is_none() && !call.legs.iter().any(Leg::waits) {
            self.forget(now, key);
        } else {
            call.phase = Phase::Over { invite };
            self.arm(key);
        }
        self.services.tell(key, CallEventKind::Ended(why));
    }

    /// Nothing is left of the call.
    pub(super) fn forget(&mut self, now: Instant, key: CallKey) {
        let Some(call) = self.calls.remove(&key) else {
            return;
        };
        self.services.referrals.forget(key);
        self.services.focuses.remove(&key);
        self.services.nobodies.remove(&key);
        self.services.fade(now, &call.call_id, key);
        for leg in &call.legs {
            self.services.dialogs.remove(leg.dialog.id());
            if let Some(serving) = &leg.serving {
                self.services.invites.remove(&serving.server);
            }
        }
    }
}

/// An event that ends a call.
pub(super) fn ended(cause: EndCause, status: Option<StatusCode>, reason: &str) -> CallEventKind {
    CallEventKind::Ended(Ended {
        cause,
        status,
        reason: reason.into(),
    })
}

/// The values of all fields `name` as one text.
fn join(headers: &Headers, name: &HeaderName) -> Box<str> {
    let values: Vec<_> = headers
        .all(name)
        .map(|v| String::from_utf8_lossy(v))
        .collect();
    values.join(", ").into()
}
