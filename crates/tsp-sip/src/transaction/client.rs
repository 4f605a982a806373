//! The client's two machines (RFC 3261 sections 17.1.1 and 17.1.2, RFC 6026 section 7.2).

use std::time::Duration;

use bytes::Bytes;
use msp_core::time::Instant;

use super::timers::Timers;
use crate::transport::Flow;
use crate::wire::{CSeq, HeaderName, Method, Request, Response};

/// Where a client transaction is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Nothing came back: "Calling" of an INVITE, "Trying" of anything else.
    Calling,
    Proceeding,
    /// A success came to an INVITE: more of them may follow from other branches. The layer remembers such by itself.
    Accepted,
    Completed,
    Terminated,
}

/// What a step of the machine asks for.
#[derive(Debug, Default)]
pub(super) struct Step {
    pub(super) send: Option<Bytes>,
    /// The response goes up.
    pub(super) deliver: bool,
    pub(super) timed_out: bool,
    /// A CANCEL that was asked for can leave now.
    pub(super) cancel: Option<Request>,
}

pub(super) struct Client {
    invite: bool,
    state: State,
    pub(super) flow: Flow,
    /// What is sent again: the request, later the ACK.
    bytes: Bytes,
    /// Kept while an ACK or a CANCEL may have to be made of it.
    request: Option<Box<Request>>,
    cancel: Cancel,
    interval: Duration,
    retransmit: Option<Instant>,
    end: Option<Instant>,
}

/// How far taking an INVITE back is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Cancel {
    No,
    /// Asked for before a response came: RFC 3261 section 9.1 wants one first.
    Wanted,
    Sent,
}

impl Client {
    pub(super) fn new(
        now: Instant,
        flow: Flow,
        request: Request,
        timers: &Timers,
    ) -> (Self, Bytes) {
        let invite = request.method == Method::Invite;
        let bytes = request.to_bytes();
        let client = Self {
            invite,
            state: State::Calling,
            flow,
            bytes: bytes.clone(),
            request: invite.then(|| Box::new(request)),
            cancel: Cancel::No,
            interval: timers.t1,
            retransmit: (!flow.transport.is_reliable()).then(|| now + timers.t1),
            end: Some(now + timers.transaction()),
        };
        (client, bytes)
    }

    pub(super) fn next(&self) -> Option<Instant> {
        [self.retransmit, self.end].into_iter().flatten().min()
    }

    pub(super) fn is_terminated(&self) -> bool {
        self.state == State::Terminated
    }

    /// Whether nothing is left but further successes.
    pub(super) fn is_accepted(&self) -> bool {
        self.state == State::Accepted
    }

    pub(super) fn timeout(&mut self, now: Instant, timers: &Timers) -> Step {
        let mut step = Step::default();
        if self.end.is_some_and(|t| t <= now) {
            step.timed_out = matches!(self.state, State::Calling | State::Proceeding);
            self.terminate();
            return step;
        }
        if self.retransmit.is_some_and(|t| t <= now) {
            self.interval = match (self.invite, self.state) {
                (true, _) => self.interval * 2,
                (false, State::Proceeding) => timers.t2,
                (false, _) => (self.interval * 2).min(timers.t2),
            };
            self.retransmit = Some(now + self.interval);
            step.send = Some(self.bytes.clone());
        }
        step
    }

    pub(super) fn response(&mut self, now: Instant, response: &Response, timers: &Timers) -> Step {
        if self.invite {
            self.invite_answered(now, response, timers)
        } else {
            self.other_answered(now, response, timers)
        }
    }

    fn invite_answered(&mut self, now: Instant, response: &Response, timers: &Timers) -> Step {
        let mut step = Step::default();
        let status = response.status;
        match self.state {
            State::Calling | State::Proceeding if status.is_provisional() => {
                self.retransmit = None;
                if self.state == State::Calling {
                    self.state = State::Proceeding;
                    // A phone may ring for long: whoever dialled decides for how long.
                    self.end = None;
                }
                step.deliver = true;
                if self.cancel == Cancel::Wanted {
                    step.cancel = self.cancel(now, timers);
                }
            }
            State::Calling | State::Proceeding if status.is_success() => {
                self.state = State::Accepted;
                step.deliver = true;
            }
            State::Calling | State::Proceeding => {
                self.state = State::Completed;
                self.retransmit = None;
                self.end = Some(match self.flow.transport.is_reliable() {
                    true => now,
                    false => now + timers.wait_d(),
                });
                if let Some(request) = self.request.take() {
                    self.bytes = ack(&request, response).to_bytes();
                }
                step.send = Some(self.bytes.clone());
                step.deliver = true;
            }
            State::Completed if status.is_final() && !status.is_success() => {
                step.send = Some(self.bytes.clone());
            }
            State::Accepted | State::Completed | State::Terminated => {}
        }
        step
    }

    fn other_answered(&mut self, now: Instant, response: &Response, timers: &Timers) -> Step {
        let mut step = Step::default();
        if !matches!(self.state, State::Calling | State::Proceeding) {
            return step;
        }
        step.deliver = true;
        if response.status.is_provisional() {
            self.state = State::Proceeding;
            return step;
        }
        self.state = State::Completed;
        self.retransmit = None;
        self.end = Some(match self.flow.transport.is_reliable() {
            true => now,
            false => now + timers.t4,
        });
        self.forget();
        step
    }

    /// Takes an INVITE back: gives the CANCEL if it may leave now. If no final response follows, the transaction ends
    /// as timed out (RFC 3261 section 9.1).
    pub(super) fn cancel(&mut self, now: Instant, timers: &Timers) -> Option<Request> {
        if self.cancel == Cancel::Sent {
            return None;
        }
        match self.state {
            State::Calling => {
                self.cancel = Cancel::Wanted;
                None
            }
            State::Proceeding => {
                self.cancel = Cancel::Sent;
                self.end = Some(now + timers.transaction());
                self.request.as_deref().map(cancel)
            }
            _ => None,
        }
    }

    pub(super) fn terminate(&mut self) {
        self.state = State::Terminated;
        self.retransmit = None;
        self.end = None;
    }

    fn forget(&mut self) {
        self.bytes = Bytes::new();
        self.request = None;
    }
}

/// The ACK to a final response that is no success (RFC 3261 section 17.1.1.3).
fn ack(invite: &Request, response: &Response) -> Request {
    let mut ack = follow_up(invite, Method::Ack);
    if let Some(to) = response.headers.get(&HeaderName::To) {
        ack.headers.set(HeaderName::To, to.clone());
    }
    ack
}

/// The CANCEL of an INVITE (RFC 3261 section 9.1).
fn cancel(invite: &Request) -> Request {
    follow_up(invite, Method::Cancel)
}

/// A request that shares the transaction of `invite`: its URI, top Via, From, To, Call-ID, number and routes.
fn follow_up(invite: &Request, method: Method) -> Request {
    let mut request = Request::new(method.clone(), invite.uri.clone());
    let headers = &invite.headers;
    if let Some(via) = headers.list(&HeaderName::Via).next() {
        request.headers.put(HeaderName::Via, via);
    }
    request.headers.put(HeaderName::MaxForwards, "70");
    for name in [HeaderName::From, HeaderName::To, HeaderName::CallId] {
        if let Some(value) = headers.get(&name) {
            request.headers.put(name, value.clone());
        }
    }
    let number = headers.cseq().map_or(0, |c| c.number);
    request
        .headers
        .put(HeaderName::CSeq, CSeq { number, method }.to_value());
    for route in headers.all(&HeaderName::Route) {
        request.headers.put(HeaderName::Route, route.clone());
    }
    request
}
