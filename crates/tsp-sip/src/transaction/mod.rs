//! Transactions: a request, its retransmissions, and its responses (RFC 3261 section 17, RFC 6026).
//!
//! All transactions of a user agent live in one [`TransactionLayer`], which does no I/O and reads no clock. What it
//! wants to be sent and what it has for the layer above comes out of [`TransactionLayer::poll`], to be drained
//! after each call; [`TransactionLayer::deadline`] says when [`TransactionLayer::timeout`] is due. There is one
//! heap of deadlines, not a task or a timer for each transaction.

mod client;
mod key;
mod server;
#[cfg(test)]
mod tests;
mod timers;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use bytes::Bytes;
use msp_core::time::Instant;

pub use timers::Timers;

use crate::counters::counters;
use crate::memory::Memory;
use crate::tables::HashMap;
use crate::transport::{Flow, stamp_top};
use crate::wire::{HeaderName, Method, Request, Response, StatusCode};
use crate::{Error, ErrorKind, Limit, Result};
use client::Client;
use key::{ClientKey, ServerKey};
use server::{Server, number_of};

/// A transaction that we began.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ClientId(u64);

/// A transaction that the peer began.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ServerId(u64);

/// What the layer has to say.
#[derive(Debug)]
pub enum Output {
    /// Send this.
    Transmit {
        /// On which way.
        flow: Flow,
        /// The message.
        bytes: Bytes,
    },
    /// A new request, to be answered through its transaction.
    Request {
        /// The transaction.
        id: ServerId,
        /// The request, its source noted in its top Via.
        request: Request,
        /// The way that it came.
        flow: Flow,
    },
    /// An ACK to a success, which is no transaction's (RFC 3261 section 13.3.1.4).
    Ack {
        /// The ACK.
        request: Request,
        /// The way that it came.
        flow: Flow,
    },
    /// A response. To an INVITE there may be several successes, from several branches and retransmitted.
    Response {
        /// The transaction.
        id: ClientId,
        /// The response.
        response: Response,
        /// The way that it came.
        flow: Flow,
    },
    /// A response that belongs to no transaction: a success that came late may have to be acknowledged and ended.
    Stray {
        /// The response.
        response: Response,
        /// The way that it came.
        flow: Flow,
    },
    /// No final response came in time.
    TimedOut(ClientId),
    /// An INVITE that was answered with success is over: no further successes are delivered.
    Over(ClientId),
    /// No ACK came to a final response that is no success.
    Unacknowledged(ServerId),
}

counters! {
    /// What transactions absorbed, sent again and could not take.
    TransactionStats {
        /// Requests that came again and were absorbed or answered again.
        retransmitted_requests,
        /// INVITEs of another number under a branch that was used before, answered 400.
        reused_branches,
        /// Responses that came again and were absorbed.
        absorbed_responses,
        /// ACKs to refusals, which end here, and copies of them.
        absorbed_acks,
        /// Requests that found no room, answered 503 without a transaction.
        overloaded,
        /// Messages that we sent again.
        retransmissions,
        /// Responses of ours that were not sent because the transaction was over or answered already.
        late_responses,
        /// CANCELs that were not sent because there are too many transactions.
        unsent_cancels,
        /// Requests of ours that no final response came to in time, or that could not be sent.
        unanswered,
        /// Refusals of ours to an INVITE that no ACK came to.
        unacknowledged,
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Id {
    Client(ClientId),
    Server(ServerId),
}

/// A request that was answered for good.
#[derive(Debug)]
struct Answered {
    /// Its number.
    number: Option<u32>,
    /// What copies of it are answered with; they are absorbed if there is nothing.
    last: Option<Box<Answer>>,
}

/// What copies of a request are answered with, in as little room as it takes.
#[derive(Debug)]
struct Answer {
    flow: Flow,
    bytes: Box<[u8]>,
}

/// What a CANCEL is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cancelled {
    /// An INVITE whose transaction is there. It may have been refused.
    Invite(ServerId),
    /// An INVITE that was answered with success: nothing can be taken back.
    Accepted,
}

/// All transactions of a user agent.
pub struct TransactionLayer {
    timers: Timers,
    capacity: usize,
    next_id: u64,
    clients: HashMap<ClientId, (Client, ClientKey)>,
    servers: HashMap<ServerId, (Server, ServerKey)>,
    by_client_key: HashMap<ClientKey, ClientId>,
    by_server_key: HashMap<ServerKey, ServerId>,
    /// INVITEs of ours that were answered with success.
    accepted: Memory<ClientId>,
    /// Requests that were answered for good.
    answered: Memory<Answered>,
    /// Deadlines, earliest first. An entry counts only if its transaction still has that very deadline.
    deadlines: BinaryHeap<Reverse<(Instant, Id)>>,
    outputs: VecDeque<Output>,
    stats: TransactionStats,
}

impl std::fmt::Debug for TransactionLayer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TransactionLayer")
            .field("clients", &self.clients.len())
            .field("servers", &self.servers.len())
            .finish_non_exhaustive()
    }
}

impl TransactionLayer {
    /// Transactions at most, unless asked otherwise.
    pub const CAPACITY: usize = 100_000;

    /// No transactions yet, and at most `capacity` of each side.
    pub fn new(timers: Timers, capacity: usize) -> Self {
        Self {
            timers,
            capacity,
            next_id: 0,
            clients: HashMap::default(),
            servers: HashMap::default(),
            by_client_key: HashMap::default(),
            by_server_key: HashMap::default(),
            accepted: Memory::new(),
            answered: Memory::new(),
            deadlines: BinaryHeap::new(),
            outputs: VecDeque::new(),
            stats: TransactionStats::default(),
        }
    }

    /// Sends `request`, whose top Via is ours with a branch of its own, and keeps at it until it is answered.
    ///
    /// # Errors
    /// [`Limit::Transactions`] when there are too many; [`ErrorKind::WrongState`] for an ACK, which has no
    /// transaction, or a branch in use; those of reading the Via.
    pub fn request(&mut self, now: Instant, flow: Flow, request: Request) -> Result<ClientId> {
        if request.method == Method::Ack {
            return Err(Error::new(ErrorKind::WrongState, "ACK"));
        }
        if self.clients.len() + self.accepted.len() >= self.capacity {
            return Err(Error::new(ErrorKind::Limit(Limit::Transactions), "client"));
        }
        let key = ClientKey::of_request(&request)?;
        if self.by_client_key.contains_key(&key) {
            return Err(Error::new(ErrorKind::WrongState, "branch"));
        }
        let id = ClientId(self.take_id());
        let (client, bytes) = Client::new(now, flow, request, &self.timers);
        self.schedule(client.next(), Id::Client(id));
        self.by_client_key.insert(key.clone(), id);
        self.clients.insert(id, (client, key));
        self.outputs.push_back(Output::Transmit { flow, bytes });
        Ok(id)
    }

    /// Takes an INVITE back. The CANCEL leaves once a provisional response has come; the final response of the INVITE
    /// is still delivered (RFC 3261 section 9.1).
    pub fn cancel(&mut self, now: Instant, id: ClientId) {
        let Some((client, _)) = self.clients.get_mut(&id) else {
            return;
        };
        let flow = client.flow;
        let cancel = client.cancel(now, &self.timers);
        let next = client.next();
        self.schedule(next, Id::Client(id));
        if let Some(request) = cancel {
            self.send_cancel(now, flow, request);
        }
    }

    /// Answers a request, and gives what was sent where: a success to an INVITE is sent again by whoever gives it, until
    /// its ACK comes (RFC 6026 section 7.1). Answers that the state of the transaction does not allow any more are not sent.
    ///
    /// # Errors
    /// [`ErrorKind::Unknown`] when the transaction is over or was answered for good, [`ErrorKind::WrongState`] when it
    /// is an INVITE that was refused.
    pub fn respond(
        &mut self,
        now: Instant,
        id: ServerId,
        response: &Response,
    ) -> Result<(Flow, Bytes)> {
        let Some((server, _)) = self.servers.get_mut(&id) else {
            self.stats.late_responses += 1;
            return Err(Error::new(ErrorKind::Unknown, "server transaction"));
        };
        let flow = server.flow;
        let Some(bytes) = server.respond(now, response, &self.timers) else {
            self.stats.late_responses += 1;
            return Err(Error::new(ErrorKind::WrongState, "server transaction"));
        };
        self.outputs.push_back(Output::Transmit {
            flow,
            bytes: bytes.clone(),
        });
        self.settle_server(now, id);
        Ok((flow, bytes))
    }

    /// Whether a response with this branch and method would be taken.
    pub(crate) fn awaits(&self, branch: &str, method: &Method) -> bool {
        let key = ClientKey::new(branch, method);
        self.by_client_key.contains_key(&key) || self.accepted.get(&key).is_some()
    }

    /// Whether a request with this branch, `sent-by` and method is a copy of one that came before.
    pub(crate) fn knows(&self, branch: &str, sent_by: &str, method: &Method) -> bool {
        let key = ServerKey::of_branch(branch, sent_by, method);
        self.by_server_key.contains_key(&key) || self.answered.get(&key).is_some()
    }

    /// A request came.
    ///
    /// # Errors
    /// Those of reading its Via and what else names its transaction: nothing can be answered then.
    pub fn receive_request(
        &mut self,
        now: Instant,
        flow: Flow,
        mut request: Request,
    ) -> Result<()> {
        let via = request.headers.via()?;
        let key = ServerKey::of(&request, &via)?;
        let known = self.by_server_key.get(&key).copied();
        if request.method == Method::Ack {
            self.receive_ack(now, flow, known, request);
            return Ok(());
        }
        let number = number_of(&request);
        let open = known.and_then(|id| self.servers.get(&id));
        let first = open.map(|(server, _)| server.number);
        let first = first.or_else(|| Some(self.answered.get(&key)?.number));
        if request.method == Method::Invite && first.is_some_and(|first| first != number) {
            // Every request has a branch of its own (RFC 3261 section 8.1.1.7). This one is no copy, and as one it would be
            // absorbed in silence.
            self.stats.reused_branches += 1;
            let back = stamp_top(&mut request, &via, flow);
            self.answer_at_once(back, request.response(StatusCode::BAD_REQUEST));
            return Ok(());
        }
        if let Some((server, _)) = open {
            self.stats.retransmitted_requests += 1;
            if let Some(bytes) = server.retransmission() {
                self.stats.retransmissions += 1;
                self.outputs.push_back(Output::Transmit {
                    flow: server.flow,
                    bytes,
                });
            }
            return Ok(());
        }
        if let Some(answer) = self.answered.get(&key) {
            self.stats.retransmitted_requests += 1;
            if let Some(Answer { flow, bytes }) = answer.last.as_deref() {
                self.stats.retransmissions += 1;
                self.outputs.push_back(Output::Transmit {
                    flow: *flow,
                    bytes: Bytes::copy_from_slice(bytes),
                });
            }
            return Ok(());
        }
        let back = stamp_top(&mut request, &via, flow);
        if self.servers.len() >= self.capacity {
            self.refuse(back, &request);
            return Ok(());
        }
        let id = ServerId(self.take_id());
        let server = Server::new(now, back, &request, &self.timers);
        self.schedule(server.next(), Id::Server(id));
        self.by_server_key.insert(key.clone(), id);
        self.servers.insert(id, (server, key));
        self.outputs
            .push_back(Output::Request { id, request, flow });
        Ok(())
    }

    /// A response came.
    ///
    /// # Errors
    /// Those of reading its Via and CSeq.
    pub fn receive_response(&mut self, now: Instant, flow: Flow, response: Response) -> Result<()> {
        let key = ClientKey::of_response(&response)?;
        let id = self.by_client_key.get(&key).copied();
        let Some((id, (client, _))) = id.and_then(|id| Some((id, self.clients.get_mut(&id)?)))
        else {
            match self.accepted.get(&key).copied() {
                Some(id) if response.status.is_success() => {
                    self.outputs
                        .push_back(Output::Response { id, response, flow });
                }
                Some(_) => self.stats.absorbed_responses += 1,
                None => self.outputs.push_back(Output::Stray { response, flow }),
            }
            return Ok(());
        };
        let way = client.flow;
        let step = client.response(now, &response, &self.timers);
        if let Some(bytes) = step.send {
            self.outputs
                .push_back(Output::Transmit { flow: way, bytes });
        }
        if step.deliver {
            self.outputs
                .push_back(Output::Response { id, response, flow });
        } else {
            self.stats.absorbed_responses += 1;
        }
        self.settle_client(now, id);
        if let Some(cancel) = step.cancel {
            self.send_cancel(now, way, cancel);
        }
        Ok(())
    }

    /// What `id` sent could not be sent: the peer is not to be reached that way (RFC 3261 section 8.1.3.1).
    pub fn transport_failed(&mut self, id: ClientId) {
        let Some((client, key)) = self.clients.remove(&id) else {
            return;
        };
        self.by_client_key.remove(&key);
        if !client.is_terminated() {
            self.stats.unanswered += 1;
            self.outputs.push_back(Output::TimedOut(id));
        }
    }

    /// Does what is due at `now`.
    pub fn timeout(&mut self, now: Instant) {
        while let Some(Reverse((at, id))) = self.deadlines.peek().copied() {
            if at > now {
                break;
            }
            self.deadlines.pop();
            match id {
                Id::Client(id) => self.client_timeout(now, at, id),
                Id::Server(id) => self.server_timeout(now, at, id),
            }
        }
        while let Some(id) = self.accepted.forget(now) {
            self.outputs.push_back(Output::Over(id));
        }
        while self.answered.forget(now).is_some() {}
    }

    /// The next output.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`timeout`](Self::timeout) is due.
    pub fn deadline(&self) -> Option<Instant> {
        let timers = self.deadlines.peek().map(|Reverse((at, _))| *at);
        let memories = [self.accepted.next(), self.answered.next()];
        memories.into_iter().flatten().chain(timers).min()
    }

    /// Drops deadlines that do not count any more, so that they wake nobody.
    pub fn tidy(&mut self) {
        while let Some(Reverse((at, id))) = self.deadlines.peek() {
            let next = match id {
                Id::Client(id) => self.clients.get(id).and_then(|(c, _)| c.next()),
                Id::Server(id) => self.servers.get(id).and_then(|(s, _)| s.next()),
            };
            if next == Some(*at) {
                return;
            }
            self.deadlines.pop();
        }
    }

    /// The INVITE that a CANCEL is for, as long as its transaction is there. One that was answered finally is found too:
    /// the CANCEL changes nothing then, but is answered 200 all the same (RFC 3261 section 9.2).
    pub fn cancelled(&self, cancel: &Request) -> Option<Cancelled> {
        let via = cancel.headers.via().ok()?;
        let key = ServerKey::new(cancel, &via, &Method::Invite).ok()?;
        let open = self.by_server_key.get(&key).copied();
        let accepted = || self.answered.get(&key).map(|_| Cancelled::Accepted);
        open.map(Cancelled::Invite).or_else(accepted)
    }

    /// How many transactions there are.
    pub fn len(&self) -> usize {
        let over = self.accepted.len() + self.answered.len();
        self.clients.len() + self.servers.len() + over
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What was thrown away and sent again.
    pub const fn stats(&self) -> TransactionStats {
        self.stats
    }

    fn receive_ack(&mut self, now: Instant, flow: Flow, known: Option<ServerId>, request: Request) {
        if let Some(id) = known
            && let Some((server, _)) = self.servers.get_mut(&id)
        {
            server.ack(now, &self.timers);
            self.stats.absorbed_acks += 1;
            self.settle_server(now, id);
            return;
        }
        self.outputs.push_back(Output::Ack { request, flow });
    }

    fn refuse(&mut self, flow: Flow, request: &Request) {
        self.stats.overloaded += 1;
        let mut response = request.response(StatusCode::SERVICE_UNAVAILABLE);
        response.headers.put(HeaderName::RetryAfter, "5");
        self.answer_at_once(flow, response);
    }

    /// Sends a response without a transaction: a copy of the request gets another.
    fn answer_at_once(&mut self, flow: Flow, response: Response) {
        let bytes = response.to_bytes();
        self.outputs.push_back(Output::Transmit { flow, bytes });
    }

    /// A CANCEL is a transaction of its own; that it cannot be made only means that nobody is asked to stop, and the
    /// INVITE ends by its own timer.
    fn send_cancel(&mut self, now: Instant, flow: Flow, cancel: Request) {
        if self.request(now, flow, cancel).is_err() {
            self.stats.unsent_cancels += 1;
        }
    }

    fn client_timeout(&mut self, now: Instant, at: Instant, id: ClientId) {
        let Some((client, _)) = self.clients.get_mut(&id) else {
            return;
        };
        if client.next() != Some(at) {
            return;
        }
        let flow = client.flow;
        let step = client.timeout(now, &self.timers);
        if let Some(bytes) = step.send {
            self.stats.retransmissions += 1;
            self.outputs.push_back(Output::Transmit { flow, bytes });
        }
        if step.timed_out {
            self.stats.unanswered += 1;
            self.outputs.push_back(Output::TimedOut(id));
        }
        self.settle_client(now, id);
    }

    fn server_timeout(&mut self, now: Instant, at: Instant, id: ServerId) {
        let Some((server, _)) = self.servers.get_mut(&id) else {
            return;
        };
        if server.next() != Some(at) {
            return;
        }
        let flow = server.flow;
        let step = server.timeout(now, &self.timers);
        if let Some(bytes) = step.send {
            self.stats.retransmissions += 1;
            self.outputs.push_back(Output::Transmit { flow, bytes });
        }
        if step.unacknowledged {
            self.stats.unacknowledged += 1;
            self.outputs.push_back(Output::Unacknowledged(id));
        }
        self.settle_server(now, id);
    }

    /// Ends a transaction whose time is over, or schedules its next deadline.
    fn settle_client(&mut self, now: Instant, id: ClientId) {
        let Some((client, key)) = self.clients.get_mut(&id) else {
            return;
        };
        if client.is_accepted() {
            self.by_client_key.remove(key);
            let until = now + self.timers.transaction();
            self.accepted.put(until, key, id);
            self.clients.remove(&id);
            return;
        }
        match client.next() {
            Some(at) if at > now => self.schedule(Some(at), Id::Client(id)),
            // Timer K or D of a reliable transport has no length.
            Some(_) => client.terminate(),
            None => {}
        }
        if let Some((client, key)) = self.clients.get(&id)
            && client.is_terminated()
        {
            self.by_client_key.remove(key);
            self.clients.remove(&id);
        }
    }

    fn settle_server(&mut self, now: Instant, id: ServerId) {
        let Some((server, key)) = self.servers.get_mut(&id) else {
            return;
        };
        if let Some(last) = server.done() {
            let flow = server.flow;
            let answer = |bytes: Bytes| Answer {
                flow,
                bytes: bytes[..].into(),
            };
            let until = now + self.timers.transaction();
            let answered = Answered {
                number: server.number,
                last: last.map(answer).map(Box::new),
            };
            if self.answered.len() >= self.capacity {
                // Whoever sends the oldest again is the least likely to be still there.
                self.answered.forget_first();
            }
            self.answered.put(until, key, answered);
            self.by_server_key.remove(key);
            self.servers.remove(&id);
            return;
        }
        match server.next() {
            Some(at) if at > now => self.schedule(Some(at), Id::Server(id)),
            Some(_) => server.terminate(),
            None => {}
        }
        if let Some((server, key)) = self.servers.get(&id)
            && server.is_terminated()
        {
            self.by_server_key.remove(key);
            self.servers.remove(&id);
        }
    }

    fn schedule(&mut self, at: Option<Instant>, id: Id) {
        if let Some(at) = at {
            self.deadlines.push(Reverse((at, id)));
        }
    }

    fn take_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }
}
