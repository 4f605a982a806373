//! The server's two machines (RFC 3261 sections 17.2.1 and 17.2.2, RFC 6026 section 7.1, RFC 4320 section 4).

use std::time::Duration;

use bytes::Bytes;
use msp_core::time::Instant;

use super::timers::Timers;
use crate::transport::Flow;
use crate::wire::{Method, Request, Response, StatusCode};

/// Where a server transaction is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Nothing was answered: "Trying" of what is no INVITE.
    Trying,
    Proceeding,
    /// An INVITE was refused, and its ACK has not come.
    Completed,
    /// The ACK to a final response that is no success came.
    Confirmed,
    /// All was said, and copies of the request may come for 64 times T1: those of an INVITE that was answered with
    /// success are absorbed ("Accepted"), others are answered again ("Completed" of what is no INVITE).
    Done,
    Terminated,
}

/// What a timer of the machine asks for.
#[derive(Debug, Default)]
pub(super) struct Step {
    pub(super) send: Option<Bytes>,
    /// No ACK came to a final response that is no success.
    pub(super) unacknowledged: bool,
}

pub(super) struct Server {
    invite: bool,
    state: State,
    pub(super) flow: Flow,
    /// The number of the request.
    pub(super) number: Option<u32>,
    /// What a retransmission of the request is answered with.
    last: Option<Bytes>,
    /// A 100 that leaves if nobody answers in time.
    trying: Option<Bytes>,
    interval: Duration,
    retransmit: Option<Instant>,
    end: Option<Instant>,
}

impl Server {
    pub(super) fn new(now: Instant, flow: Flow, request: &Request, timers: &Timers) -> Self {
        let invite = request.method == Method::Invite;
        // These are answered at once, and there are many of them.
        let prompt = matches!(
            request.method,
            Method::Bye | Method::Cancel | Method::Options
        );
        let trying = || request.response(StatusCode::TRYING).to_bytes();
        let after = match invite {
            true => Timers::TRYING_AFTER,
            false => timers.slow_trying_after(),
        };
        Self {
            invite,
            state: if invite {
                State::Proceeding
            } else {
                State::Trying
            },
            flow,
            number: number_of(request),
            last: None,
            trying: (!prompt).then(trying),
            interval: timers.t1,
            retransmit: (!prompt).then(|| now + after),
            // Nobody waits for an answer that comes later (RFC 4320 section 4.2).
            end: (!invite && !prompt).then(|| now + timers.transaction()),
        }
    }

    pub(super) fn next(&self) -> Option<Instant> {
        [self.retransmit, self.end].into_iter().flatten().min()
    }

    pub(super) fn is_terminated(&self) -> bool {
        self.state == State::Terminated
    }

    /// Whether nothing is left but copies of the request, which are answered with what is given here, or absorbed.
    pub(super) fn done(&mut self) -> Option<Option<Bytes>> {
        (self.state == State::Done).then(|| self.last.take())
    }

    /// Whether a final response was given.
    fn is_answered(&self) -> bool {
        !matches!(self.state, State::Trying | State::Proceeding)
    }

    pub(super) fn timeout(&mut self, now: Instant, timers: &Timers) -> Step {
        let mut step = Step::default();
        if self.end.is_some_and(|t| t <= now) {
            step.unacknowledged = self.invite && self.state == State::Completed;
            self.terminate();
            return step;
        }
        if self.retransmit.is_some_and(|t| t <= now) {
            if self.state == State::Completed {
                self.interval = (self.interval * 2).min(timers.t2);
                self.retransmit = Some(now + self.interval);
                step.send = self.last.clone();
            } else {
                self.retransmit = None;
                self.state = State::Proceeding;
                self.last = self.trying.take();
                step.send = self.last.clone();
            }
        }
        step
    }

    /// The request came again: what it is answered with.
    pub(super) fn retransmission(&self) -> Option<Bytes> {
        match self.state {
            State::Proceeding | State::Completed => self.last.clone(),
            State::Trying | State::Confirmed | State::Done | State::Terminated => None,
        }
    }

    /// The ACK to a response that is no success came.
    pub(super) fn ack(&mut self, now: Instant, timers: &Timers) {
        if self.state == State::Completed {
            self.state = State::Confirmed;
            self.retransmit = None;
            self.last = None;
            self.end = Some(match self.flow.transport.is_reliable() {
                true => now,
                false => now + timers.t4,
            });
        }
    }

    /// Answers. Gives what to send; nothing if the state does not allow it. What is no INVITE is never answered with 408,
    /// which nobody would wait for (RFC 4320 section 4.2).
    pub(super) fn respond(
        &mut self,
        now: Instant,
        response: &Response,
        timers: &Timers,
    ) -> Option<Bytes> {
        let status = response.status;
        let useless = !self.invite && status == StatusCode::REQUEST_TIMEOUT;
        if self.is_answered() || useless {
            return None;
        }
        let bytes = response.to_bytes();
        self.trying = None;
        self.retransmit = None;
        let reliable = self.flow.transport.is_reliable();
        if status.is_provisional() {
            self.state = State::Proceeding;
            self.last = Some(bytes.clone());
        } else if self.invite && status.is_success() {
            // Whoever gave it sends it again (RFC 6026 section 7.1).
            self.state = State::Done;
            self.last = None;
        } else if self.invite {
            self.state = State::Completed;
            self.last = Some(bytes.clone());
            self.retransmit = (!reliable).then(|| now + timers.t1);
            self.end = Some(now + timers.transaction());
        } else if reliable {
            // Timer J of a reliable transport has no length.
            self.terminate();
        } else {
            self.state = State::Done;
            self.last = Some(bytes.clone());
        }
        Some(bytes)
    }

    pub(super) fn terminate(&mut self) {
        self.state = State::Terminated;
        self.retransmit = None;
        self.end = None;
    }
}

/// The number of a request, if it can be read.
pub(super) fn number_of(request: &Request) -> Option<u32> {
    request.headers.cseq().ok().map(|c| c.number)
}
