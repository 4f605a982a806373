//! The server's two machines (RFC 3261 sections 17.2.1 and 17.2.2, RFC 6026 section 7.1).

use std::time::Duration;

use bytes::Bytes;
use msp_core::time::Instant;

use super::timers::Timers;
use crate::transport::Flow;
use crate::wire::{Message, Method, Request, Response, StatusCode};

/// Where a server transaction is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// Nothing was answered: "Trying" of what is no INVITE.
    Trying,
    Proceeding,
    /// An INVITE was answered with success: retransmissions of it are absorbed.
    Accepted,
    Completed,
    /// The ACK to a final response that is no success came.
    Confirmed,
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
        let trying =
            invite.then(|| Message::Response(request.response(StatusCode::TRYING)).to_bytes());
        Self {
            invite,
            state: if invite {
                State::Proceeding
            } else {
                State::Trying
            },
            flow,
            last: None,
            trying,
            interval: timers.t1,
            retransmit: invite.then(|| now + Timers::TRYING_AFTER),
            end: None,
        }
    }

    pub(super) fn next(&self) -> Option<Instant> {
        [self.retransmit, self.end].into_iter().flatten().min()
    }

    pub(super) fn is_terminated(&self) -> bool {
        self.state == State::Terminated
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
            // The 200 is retransmitted by whoever gave it (RFC 6026 section 7.1).
            State::Trying | State::Accepted | State::Confirmed | State::Terminated => None,
        }
    }

    /// The ACK to a final response came. Whether it was that of a response that is no success, and so goes no further.
    pub(super) fn ack(&mut self, now: Instant, timers: &Timers) -> bool {
        match self.state {
            State::Completed => {
                self.state = State::Confirmed;
                self.retransmit = None;
                self.last = None;
                self.end = Some(match self.flow.transport.is_reliable() {
                    true => now,
                    false => now + timers.t4,
                });
                true
            }
            State::Accepted => false,
            _ => true,
        }
    }

    /// Answers. Gives what to send; nothing if the state does not allow it.
    pub(super) fn respond(
        &mut self,
        now: Instant,
        response: &Response,
        timers: &Timers,
    ) -> Option<Bytes> {
        let status = response.status;
        let again = self.state == State::Accepted && status.is_success();
        if self.is_answered() && !again {
            return None;
        }
        let bytes = Message::Response(response.clone()).to_bytes();
        if again {
            return Some(bytes);
        }
        self.trying = None;
        self.retransmit = None;
        let reliable = self.flow.transport.is_reliable();
        if status.is_provisional() {
            self.state = State::Proceeding;
            self.last = Some(bytes.clone());
        } else if self.invite && status.is_success() {
            self.state = State::Accepted;
            self.last = None;
            self.end = Some(now + timers.transaction());
        } else if self.invite {
            self.state = State::Completed;
            self.last = Some(bytes.clone());
            self.retransmit = (!reliable).then(|| now + timers.t1);
            self.end = Some(now + timers.transaction());
        } else {
            self.state = State::Completed;
            self.last = Some(bytes.clone());
            self.end = Some(if reliable {
                now
            } else {
                now + timers.transaction()
            });
        }
        Some(bytes)
    }

    pub(super) fn terminate(&mut self) {
        self.state = State::Terminated;
        self.retransmit = None;
        self.end = None;
    }
}
