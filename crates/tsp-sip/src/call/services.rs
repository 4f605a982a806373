//! What all calls share: transactions, ways, random numbers, and the queue of what is to be done.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::net::IpAddr;

use bytes::{Bytes, BytesMut};
use msp_core::id::{CallKey, Generation, LegId};
use msp_core::link::{Envelope, ToMsp};
use msp_core::secret::Secret;
use msp_core::time::Instant;
use msp_core::trace::Way;
use tsp_sdp::{Identity, OfferAnswer, Policy};

use super::accounts::Accounts;
use super::challenge::Retry;
use super::detour::Detour;
use super::errand::Errand;
use super::failover::{Failed, Ways};
use super::interface::{
    AgentConfig, AgentStats, CallEvent, CallEventKind, LookupId, Output, Route, Target,
};
use super::notifying::Watching;
use super::publishing::Publications;
use super::referral::Referrals;
use super::relaying::Relays;
use super::requests::Aside;
use super::subscribing::{Ask, Subscriptions};
use crate::account::AccountId;
use crate::dialog::DialogId;
use crate::memory::Memory;
use crate::registration::FlowId;
use crate::tables::{HashMap, HashSet};
use crate::transaction::{ClientId, ServerId, TransactionLayer};
use crate::transport::{Datagrams, Flow, Flows, Transport, stamp, way_back};
use crate::wire::{
    HeaderName, Headers, Host, HostPort, Message, Method, NameAddr, Request, Response, Scheme,
    StatusCode, Uri, Via,
};
use crate::{Error, ErrorKind, Result};

/// The source of random numbers that is handed in.
pub(super) type Random = Box<dyn FnMut(&mut [u8]) + Send>;

/// Methods that we take, as Allow lists them.
pub(super) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, PRACK";

/// What a transaction of ours is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    /// The INVITE that makes a call.
    Invite(CallKey),
    /// An INVITE that changes a leg of a call.
    Change(CallKey, LegId),
    /// Another request within a leg of a call.
    Within(CallKey, LegId, Inside),
    /// A request that neither makes, changes nor ends a call; the key is that of whom it is for.
    Aside(CallKey, Aside),
    /// A question of the application's, asked at this time.
    Options(CallKey, Instant),
    /// The registration of an account by one of its flows.
    Register(FlowId),
    /// A subscription of ours.
    Subscribe(Ask),
    /// A notice to a watcher of our calls.
    Notify(u32),
    /// The presence of an account.
    Publish(AccountId),
}

/// A request of ours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) purpose: Purpose,
    /// The way that it went.
    pub(super) flow: Flow,
    /// A response came.
    pub(super) heard: bool,
}

/// An INVITE of ours that was answered with success, as long as copies of that may come.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) purpose: Purpose,
    pub(super) acks: Vec<SentAck>,
}

/// An ACK that is sent again for each copy of what it acknowledges.
#[derive(Debug)]
pub(super) struct SentAck {
    flow: Flow,
    bytes: Box<[u8]>,
}

impl SentAck {
    /// Whether it is for the branch of `tag`, which its To says: many are kept, and few are looked at.
    fn is_for(&self, tag: &str) -> bool {
        let Some(to) = field_of(&self.bytes, b"\r\nTo: ") else {
            return false;
        };
        let to = NameAddr::parse(&Bytes::copy_from_slice(to.as_bytes()));
        to.is_ok_and(|to| to.tag().unwrap_or_default() == tag)
    }
}

/// A request within a dialog.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Within {
    /// The ACK of a success to this INVITE.
    Ack(ClientId),
    /// An INVITE.
    Change,
    /// Any other.
    Ask(Inside),
    /// A request that neither makes, changes nor ends a call; the key is that of whom it is for.
    Aside(CallKey, Aside),
}

/// What a request of ours within a dialog is for, if it is neither an INVITE nor an ACK. None of them waits for an INVITE
/// that is under way (RFC 3261 section 12.2.1.1), and what its answer means is in `within`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Inside {
    /// A BYE. The call is over already.
    Bye,
    /// A PRACK.
    Prack,
    /// An UPDATE that refreshes the session, without an offer.
    Refresh,
    /// An UPDATE that makes an offer (RFC 3311).
    Update,
}

pub(super) struct Services {
    pub(super) config: AgentConfig,
    /// We serve a domain.
    pub(super) serves: bool,
    pub(super) accounts: Accounts,
    pub(super) referrals: Referrals,
    pub(super) subscriptions: Subscriptions,
    pub(super) watching: Watching,
    pub(super) publications: Publications,
    pub(super) relays: Relays,
    /// Calls that are legs of a conference of ours.
    pub(super) focuses: HashSet<CallKey>,
    /// Calls of ours in which nobody is told who we are.
    pub(super) nobodies: HashSet<CallKey>,
    pub(super) random: Random,
    pub(super) transactions: TransactionLayer,
    pub(super) out: VecDeque<Output>,
    /// The time of the input that is being taken.
    pub(super) now: Instant,
    /// Connections.
    pub(super) flows: Flows,
    /// Datagrams of strangers.
    pub(super) datagrams: Datagrams,
    /// Why what is being given up cannot be sent, for people.
    pub(super) trouble: Box<str>,
    /// Where what is being given up was sent, for people; empty if nowhere else than to its first server.
    pub(super) tried: Box<str>,
    /// Servers that failed lately.
    pub(super) failed: Failed,
    /// The ways that requests outside of dialogs may take.
    pub(super) ways: HashMap<ClientId, Box<Ways>>,
    pub(super) stats: AgentStats,
    /// The error of the last message that could not be read.
    pub(super) last_error: Option<Error>,
    pub(super) sent: HashMap<ClientId, Sent>,
    /// What may have to be sent again with what a server or a proxy asks for.
    pub(super) retries: HashMap<ClientId, Box<Retry>>,
    /// What went by TCP for its length and was not answered.
    pub(super) detours: HashMap<ClientId, Box<Detour>>,
    /// Peers to which no connection came about.
    pub(super) shunned: Memory<()>,
    pub(super) answered: HashMap<ClientId, Box<Answered>>,
    /// What was proved in INVITEs that were answered with success: their ACKs repeat it (RFC 3261 section 22.1).
    pub(super) proofs: HashMap<ClientId, Vec<(HeaderName, Bytes)>>,
    /// INVITEs of peers that are not answered finally, by their transaction.
    pub(super) invites: HashMap<ServerId, (CallKey, LegId)>,
    pub(super) dialogs: HashMap<DialogId, (CallKey, LegId)>,
    /// For the trace: which call a message belongs to.
    pub(super) call_ids: HashMap<Box<str>, CallKey>,
    /// The same of calls that are forgotten: what still comes and goes for a while is theirs.
    past_calls: Memory<CallKey>,
    /// The accounts of such calls.
    past_accounts: Memory<AccountId>,
    pub(super) errands: HashMap<LookupId, (Errand, Target)>,
    /// When which call has something to do; an entry counts only if the call still has that deadline.
    pub(super) deadlines: BinaryHeap<Reverse<(Instant, CallKey)>>,
    /// Requests outside of dialogs that came lately, by what copies have in common.
    originals: Memory<()>,
    /// Our tag in refusals that keep no state: copies of a request get the same (RFC 3261 section 8.2.7).
    refusal_tag: String,
    /// The same in refusals of requests that were not read, whose ACKs are told by it.
    pub(super) excess_tag: String,
    pub(super) next_lookup: u64,
    next_incoming: u32,
}

impl Services {
    pub(super) fn new(config: AgentConfig, mut random: Random) -> Self {
        let refusal_tag = token(&mut random);
        Self {
            serves: false,
            transactions: TransactionLayer::new(config.timers, TransactionLayer::CAPACITY),
            config,
            accounts: Accounts::default(),
            referrals: Referrals::default(),
            subscriptions: Subscriptions::default(),
            watching: Watching::default(),
            publications: Publications::default(),
            relays: Relays::default(),
            focuses: HashSet::default(),
            nobodies: HashSet::default(),
            random,
            out: VecDeque::new(),
            now: Instant::ZERO,
            flows: Flows::default(),
            datagrams: Datagrams::default(),
            trouble: Box::default(),
            tried: Box::default(),
            failed: Failed::default(),
            ways: HashMap::default(),
            stats: AgentStats::default(),
            last_error: None,
            sent: HashMap::default(),
            retries: HashMap::default(),
            detours: HashMap::default(),
            shunned: Memory::new(),
            answered: HashMap::default(),
            proofs: HashMap::default(),
            invites: HashMap::default(),
            dialogs: HashMap::default(),
            call_ids: HashMap::default(),
            past_calls: Memory::new(),
            past_accounts: Memory::new(),
            errands: HashMap::default(),
            deadlines: BinaryHeap::new(),
            originals: Memory::new(),
            excess_tag: format!("{refusal_tag}-excess"),
            refusal_tag,
            next_lookup: 0,
            next_incoming: 0,
        }
    }

    /// 256 random bits in hexadecimal digits, which nobody is told.
    pub(super) fn secret(&mut self) -> Secret<String> {
        Secret::new(format!("{}{}", self.token(), self.token()))
    }

    /// 128 random bits in hexadecimal digits.
    pub(super) fn token(&mut self) -> String {
        token(&mut self.random)
    }

    /// A random number below `below`.
    pub(super) fn random_below(&mut self, below: u64) -> u64 {
        let mut bytes = [0; 8];
        (self.random)(&mut bytes);
        u64::from_le_bytes(bytes) % below.max(1)
    }

    /// The key of a call that comes in: the upper half of all keys, which no outgoing call has, then the line.
    pub(super) fn incoming_key(&mut self) -> CallKey {
        self.next_incoming = self.next_incoming.wrapping_add(1);
        CallKey(1 << 63 | u64::from(self.config.line) << 32 | u64::from(self.next_incoming))
    }

    pub(super) fn tell(&mut self, key: CallKey, kind: CallEventKind) {
        self.referrals.note(key, &kind);
        self.watching.changed = true;
        self.out.push_back(Output::Event(CallEvent { key, kind }));
    }

    pub(super) fn msp(&mut self, call: CallKey, leg: LegId, generation: Generation, body: ToMsp) {
        self.out.push_back(Output::Msp(Envelope {
            call,
            leg,
            generation,
            body,
        }));
    }

    pub(super) fn transmit(&mut self, flow: Flow, bytes: Bytes) {
        let flow = self.connected(flow, &bytes);
        if self.config.shows_messages {
            let call = call_id_of(&bytes).and_then(|id| self.call_of(id));
            self.out.push_back(Output::Message {
                call,
                way: Way::Out,
                flow,
                bytes: bytes.clone(),
            });
        }
        self.out.push_back(Output::Transmit { flow, bytes });
    }

    /// The way that a message really takes: a stream by a connection that is there.
    fn connected(&mut self, flow: Flow, bytes: &Bytes) -> Flow {
        if !flow.transport.is_reliable() || self.flows.is_open(flow) {
            self.flows.sent(self.now, flow);
            return flow;
        }
        let response = Message::parse(bytes)
            .ok()
            .filter(|_| flow.connection.is_some());
        let via = response.and_then(|m| match m {
            Message::Response(r) => r.headers.via().ok(),
            Message::Request(_) => None,
        });
        match via {
            Some(via) => {
                let (way, name) = way_back(&via, flow);
                self.connect(way, &name)
            }
            None => self.reconnect(flow),
        }
    }

    /// A connection instead of the one of `flow`, which is gone, to the same peer.
    fn reconnect(&mut self, flow: Flow) -> Flow {
        match self.flows.name_of(flow) {
            Some(name) => self.connect(flow, &name),
            None => self.connect(flow, &flow.remote.ip().to_string()),
        }
    }

    /// A connection to where `flow` leads: one that is there, or another. The other end is known by `name`.
    pub(super) fn connect(&mut self, flow: Flow, name: &str) -> Flow {
        let name = flow.transport.is_secure().then_some(name);
        if let Some(there) = self.flows.find(flow, name) {
            self.flows.sent(self.now, there);
            return there;
        }
        self.connect_anew(flow, name)
    }

    /// Another connection to where `flow` leads, whether or not one is there.
    pub(super) fn connect_anew(&mut self, flow: Flow, name: Option<&str>) -> Flow {
        let random = self.random_below(u64::MAX);
        let flow = self.flows.dial(self.now, flow, name, random);
        let name = name.map(Into::into);
        self.out.push_back(Output::Connect { flow, name });
        flow
    }

    /// The way that a look-up for `target` found.
    pub(super) fn way(&mut self, route: Route, target: &Target) -> Flow {
        let flow = Flow::to(route.transport, route.local, route.remote);
        match flow.transport.is_reliable() {
            true => self.connect(flow, &target.host.to_string()),
            false => flow,
        }
    }

    /// Offer and answer for a call whose messages go by `flow`.
    pub(super) fn session(&mut self, flow: Flow) -> OfferAnswer {
        // 62 bits, so that also readers with signed numbers can hold it.
        let session_id = self.random_below(1 << 62);
        let identity = Identity {
            username: "-".into(),
            session_id,
            version: session_id & 0xffff,
            address: self.advertised(flow).ip(),
        };
        OfferAnswer::new(identity, Policy::default())
    }

    /// What peers are told of our end of `flow`.
    pub(super) fn advertised(&self, flow: Flow) -> std::net::SocketAddr {
        let family = |ip: &&IpAddr| ip.is_ipv4() == flow.local.is_ipv4();
        let ip = self
            .config
            .advertise
            .iter()
            .find(family)
            .copied()
            .unwrap_or_else(|| flow.local.ip());
        std::net::SocketAddr::new(ip, flow.local.port())
    }

    /// The host that we are known as, with the port of our end of `flow`.
    pub(super) fn advertised_host(&self, flow: Flow) -> Option<HostPort> {
        let host = self.config.advertise_host.clone()?;
        let port = Some(flow.local.port());
        Some(HostPort { host, port })
    }

    /// Why a request of ours is not answered.
    pub(super) fn no_answer(&self) -> Box<str> {
        match &*self.trouble {
            "" => self.with_tried("no answer"),
            why => self.with_tried(why),
        }
    }

    /// Puts our hop on top of a request, and our name in.
    ///
    /// # Errors
    /// [`ErrorKind::WrongState`] if it is to go to a `sips` URI, and others could read it on `flow` (RFC 5630 section 4).
    pub(super) fn dress(&mut self, request: &mut Request, flow: Flow) -> Result<()> {
        if !flow.transport.is_secure() && goes_to_sips(request) {
            return Err(Error::new(ErrorKind::WrongState, "sips"));
        }
        let branch = format!("{}{}", Via::MAGIC, self.token());
        let named = self.advertised_host(flow);
        let sent_by = named.unwrap_or_else(|| self.advertised(flow).into());
        let via = Via::new(flow.transport.as_str(), sent_by, &branch)?;
        request.headers.put_first(HeaderName::Via, via.to_string());
        if !self.config.user_agent.is_empty() {
            request
                .headers
                .push(HeaderName::UserAgent, self.config.user_agent.to_string())?;
        }
        Ok(())
    }

    /// Begins the transaction of a request that is no ACK, and remembers what for.
    pub(super) fn begin(
        &mut self,
        now: Instant,
        flow: Flow,
        mut request: Request,
        purpose: Purpose,
    ) -> Result<ClientId> {
        let flow = match flow.transport.is_reliable() && !self.flows.is_open(flow) {
            true => self.reconnect(flow),
            false => flow,
        };
        let (flow, detour) = self.take_way(&mut request, flow)?;
        let id = self.transactions.request(now, flow, request)?;
        self.flows.asked(flow);
        if let Some(detour) = detour {
            self.detours.insert(id, detour);
        }
        self.sent.insert(
            id,
            Sent {
                purpose,
                flow,
                heard: false,
            },
        );
        Ok(id)
    }

    /// Sends an ACK to a 2xx to the INVITE `invite`, and remembers it for copies of that.
    pub(super) fn send_ack(
        &mut self,
        flow: Flow,
        mut ack: Request,
        invite: ClientId,
    ) -> Result<()> {
        for (name, value) in self.proofs.get(&invite).into_iter().flatten() {
            ack.headers.put(name.clone(), value.clone());
        }
        self.dress(&mut ack, flow)?;
        let bytes = ack.to_bytes();
        if let Some(answered) = self.answered.get_mut(&invite) {
            answered.acks.reserve_exact(1);
            answered.acks.push(SentAck {
                flow,
                bytes: bytes[..].into(),
            });
        }
        self.transmit(flow, bytes);
        Ok(())
    }

    /// Acknowledges a copy of a 2xx to the INVITE `invite`. `false` if it is no copy.
    pub(super) fn acknowledge_again(&mut self, invite: ClientId, response: &Response) -> bool {
        let tag = response.headers.to_tag().unwrap_or_default();
        let acks = self.answered.get(&invite).map(|a| &a.acks);
        let Some(ack) = acks.and_then(|a| a.iter().find(|a| a.is_for(tag))) else {
            return false;
        };
        self.transmit(ack.flow, Bytes::copy_from_slice(&ack.bytes));
        true
    }

    /// How many branches of the INVITE `invite` were acknowledged.
    pub(super) fn acknowledged(&self, invite: ClientId) -> usize {
        self.answered.get(&invite).map_or(0, |a| a.acks.len())
    }

    /// The call that messages of `call_id` belong to.
    pub(super) fn call_of(&self, call_id: &str) -> Option<CallKey> {
        let live = self.call_ids.get(call_id);
        live.or_else(|| self.past_calls.get(call_id)).copied()
    }

    /// The account whose call, present or past, a request belongs to; else the one that it is meant for.
    pub(super) fn account_of(&self, request: &Request) -> Option<AccountId> {
        let call_id = request.headers.call_id().ok()?;
        match self.call_ids.get(call_id.as_str()) {
            Some(key) => self.accounts.of_call(*key),
            None => match self.past_accounts.get(call_id.as_str()) {
                Some(account) => Some(*account),
                None => self.accounts.called(request),
            },
        }
    }

    /// Answers a request by its transaction, and gives what was sent where. That it is gone, or answered already, needs
    /// no care; the transactions count it.
    pub(super) fn respond(
        &mut self,
        now: Instant,
        id: ServerId,
        response: &Response,
    ) -> Option<(Flow, Bytes)> {
        if response.status.is_final() {
            self.invites.remove(&id);
        }
        self.transactions.respond(now, id, response).ok()
    }

    /// Refuses a request of no dialog that has a transaction.
    pub(super) fn refuse(
        &mut self,
        now: Instant,
        id: ServerId,
        request: &Request,
        status: StatusCode,
    ) {
        let response = self.refusal(&request.headers, status);
        self.stats.refused += 1;
        self.respond(now, id, &response);
    }

    /// A refusal with our tag in To.
    pub(super) fn refusal(&self, headers: &Headers, status: StatusCode) -> Response {
        let mut response = Response::to(headers, status);
        response.headers.tag_to(&self.refusal_tag);
        if !self.config.user_agent.is_empty() {
            // It was taken when the agent was made.
            let _fits = response
                .headers
                .push(HeaderName::Server, self.config.user_agent.to_string());
        }
        response
    }

    /// Refuses a request that has no transaction, for nobody can tell which it would be.
    pub(super) fn refuse_without_state(
        &mut self,
        flow: Flow,
        method: Method,
        headers: Headers,
        mut response: Response,
    ) {
        // Where the response goes is noted in Via like for any other request.
        let mut request = Request {
            method,
            uri: Uri::sip(None, &flow.local.into()),
            version_ok: true,
            headers,
            body: Bytes::new(),
        };
        let Ok(back) = stamp(&mut request, flow) else {
            self.stats.unreadable += 1;
            return;
        };
        if let Some(via) = request.headers.get(&HeaderName::Via) {
            response.headers.set(HeaderName::Via, via.clone());
        }
        self.stats.refused += 1;
        self.transmit(back, response.to_bytes());
    }

    /// The way to `hop` if it is the host that messages come from already; `None` if it has to be looked up.
    pub(super) fn known_way(&self, hop: &Uri, flow: Flow) -> Option<Flow> {
        let target = target_of(hop)?;
        if flow.transport.is_reliable() {
            // Whoever opened a connection is reached on it, whatever port it listens at; who says `ob` or is behind a NAT
            // is reached on no other (RFC 5626 section 5.3).
            let same = target.transport.is_none_or(|t| t == flow.transport);
            let there = target.host == Host::Ip(flow.remote.ip())
                || hop.param("ob").is_some()
                || is_behind(&target.host, flow.remote.ip());
            return (same && there && self.flows.is_open(flow)).then_some(flow);
        }
        match target.host {
            Host::Ip(ip)
                if ip == flow.remote.ip()
                    && target.transport.is_none_or(|t| t == flow.transport) =>
            {
                let port = target.port.unwrap_or_else(|| flow.transport.default_port());
                let remote = std::net::SocketAddr::new(ip, port);
                Some(Flow { remote, ..flow })
            }
            _ => None,
        }
    }

    /// The call that messages of `call_id` belong to is forgotten.
    pub(super) fn fade(&mut self, now: Instant, call_id: &str, key: CallKey) {
        if self.call_ids.get(call_id) == Some(&key) {
            self.call_ids.remove(call_id);
        }
        let until = now + self.config.timers.transaction();
        if let Some(account) = self.accounts.forget_call(key) {
            self.past_accounts.put(until, call_id, account);
        }
        self.past_calls.put(until, call_id, key);
    }

    /// How much is remembered of what is over.
    pub(super) fn memories(&self) -> usize {
        let waiting = self.sent.len()
            + self.retries.len()
            + self.ways.len()
            + self.detours.len()
            + self.shunned.len()
            + self.proofs.len()
            + self.errands.len()
            + self.invites.len();
        self.answered.len()
            + self.originals.len()
            + self.past_calls.len()
            + self.past_accounts.len()
            + waiting
    }

    /// Forgets what has faded.
    pub(super) fn sweep(&mut self, now: Instant) {
        while self.past_calls.forget(now).is_some() {}
        while self.past_accounts.forget(now).is_some() {}
        while self.originals.forget(now).is_some() {}
        while self.shunned.forget(now).is_some() {}
    }

    /// Whether a request is a copy of another that came a different way (RFC 3261 section 8.2.2.2).
    pub(super) fn is_merged(&mut self, now: Instant, request: &Request) -> bool {
        let Some(key) = merge_key(request) else {
            return false;
        };
        if self.originals.get(&*key).is_some() {
            return true;
        }
        let until = now + self.config.timers.transaction();
        self.originals.put(until, &*key, ());
        false
    }
}

/// From tag, Call-ID and `CSeq` of a request outside of a dialog.
fn merge_key(request: &Request) -> Option<Box<[u8]>> {
    let headers = &request.headers;
    if headers.to_tag().is_some() {
        return None;
    }
    let parts = [
        headers.from_tag()?.as_bytes(),
        headers.get(&HeaderName::CallId)?,
        headers.get(&HeaderName::CSeq)?,
    ];
    Some(parts.join(&b'\n').into())
}

pub(super) fn token(random: &mut Random) -> String {
    let mut bytes = [0; 16];
    random(&mut bytes);
    format!("{:032x}", u128::from_le_bytes(bytes))
}

/// The Call-ID in a message of ours.
fn call_id_of(bytes: &[u8]) -> Option<&str> {
    field_of(bytes, b"\r\nCall-ID: ")
}

/// The value of a field in a message of ours, which writes its name one way only.
fn field_of<'a>(bytes: &'a [u8], name: &[u8]) -> Option<&'a str> {
    let at = memchr::memmem::find(bytes, name)? + name.len();
    let rest = bytes.get(at..)?;
    std::str::from_utf8(rest.get(..memchr::memchr(b'\r', rest)?)?).ok()
}

/// A response or a request with a session description as its body.
pub(super) fn describe(headers: &mut Headers, body: &mut Bytes, description: String) {
    headers.put(HeaderName::ContentType, "application/sdp");
    let mut bytes = BytesMut::with_capacity(description.len());
    bytes.extend_from_slice(description.as_bytes());
    *body = bytes.freeze();
}

/// Where a request to `uri` goes if no proxy is set; `None` if it wants a transport that we do not have.
pub(super) fn target_of(uri: &Uri) -> Option<Target> {
    let secure = match uri.scheme() {
        Scheme::Sip => false,
        Scheme::Sips => true,
        _ => return None,
    };
    let named = match uri.param("transport") {
        None => None,
        Some(name) => {
            let all = [Transport::Udp, Transport::Tcp, Transport::Tls];
            Some(*all.iter().find(|t| name.eq_ignore_ascii_case(t.param()))?)
        }
    };
    let transport = match (secure, named) {
        (false, named) => named,
        // With sips, TCP means TLS over it (RFC 3261 section 26.2.2).
        (true, None | Some(Transport::Tcp | Transport::Tls)) => Some(Transport::Tls),
        (true, Some(Transport::Udp)) => return None,
    };
    Some(Target {
        host: uri.host()?,
        port: uri.port(),
        transport,
    })
}

/// Whether a request of ours goes to a `sips` URI first, or at last.
pub(super) fn goes_to_sips(request: &Request) -> bool {
    let is_sips = |uri: &Uri| uri.scheme() == Scheme::Sips;
    let route = request.headers.list(&HeaderName::Route).next();
    let route = route.and_then(|r| NameAddr::parse(&r).ok());
    is_sips(&request.uri) || route.is_some_and(|r| is_sips(r.uri()))
}

/// Whether the dialog that a peer's request makes or is in is one of `sips` (RFC 3261 section 12.1.1).
pub(super) fn is_of_sips(request: &Request) -> bool {
    if request.uri.scheme() == Scheme::Sips {
        return true;
    }
    let first = |name| request.headers.list(&name).next();
    let hop = first(HeaderName::RecordRoute).or_else(|| first(HeaderName::Contact));
    // Few have the word at all.
    let says = |h: &Bytes| h.windows(5).any(|w| w.eq_ignore_ascii_case(b"sips:"));
    let hop = hop.filter(says).and_then(|h| NameAddr::parse(&h).ok());
    hop.is_some_and(|h| h.uri().scheme() == Scheme::Sips)
}

/// Whether a peer that calls itself `host` and comes from `source` sits behind a NAT.
fn is_behind(host: &Host, source: IpAddr) -> bool {
    match (host, source) {
        (Host::Ip(IpAddr::V4(host)), IpAddr::V4(source)) => {
            (host.is_private() || host.is_loopback())
                && !source.is_private()
                && !source.is_loopback()
        }
        _ => false,
    }
}
