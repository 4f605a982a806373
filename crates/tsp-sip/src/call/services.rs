//! What all calls share: transactions, ways, random numbers, and the queue of what is to be done.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::net::IpAddr;

use bytes::{Bytes, BytesMut};
use msp_core::id::{CallKey, Generation, LegId};
use msp_core::link::{Envelope, ToMsp};
use msp_core::time::Instant;
use msp_core::trace::Way;
use tsp_sdp::{Identity, OfferAnswer, Policy};

use super::accounts::Accounts;
use super::interface::{AgentConfig, AgentStats, CallEvent, CallEventKind, LookupId, Output};
use super::media::Agreed;
use super::requests::{Aside, Outside};
use crate::account::AccountId;
use crate::dialog::DialogId;
use crate::memory::Memory;
use crate::transaction::{ClientId, ServerId, TransactionLayer};
use crate::transport::{Flow, Transport, stamp};
use crate::wire::{
    HeaderName, Headers, Host, Message, Method, Request, Response, StatusCode, Uri, Via,
};
use crate::{Error, ErrorKind, Limit, Result};

/// The source of random numbers that is handed in.
pub(super) type Random = Box<dyn FnMut(&mut [u8]) + Send>;

/// Methods that we take, as Allow lists them.
pub(super) const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, PRACK";

/// Look-ups that may be under way at a time.
const MAX_LOOKUPS: usize = 1000;

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
    /// The tag of the branch that it is for.
    tag: Box<str>,
    flow: Flow,
    bytes: Box<[u8]>,
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

/// What a look-up is for.
#[derive(Debug)]
pub(super) enum Errand {
    /// To send the INVITE of a call.
    Dial(CallKey, u16),
    /// To ask a peer what it can do.
    Options(CallKey, Uri, Option<AccountId>, u16),
    /// To send a request outside of dialogs.
    Outside(Box<Outside>, u16),
    /// To tell the media half where the peer's media are.
    Media(CallKey, Box<Agreed>),
    /// To send a request within a dialog; if nothing is found it goes the way that messages came.
    Within {
        call: CallKey,
        leg: LegId,
        what: Within,
        request: Box<Request>,
        port: u16,
        fallback: Flow,
    },
}

pub(super) struct Services {
    pub(super) config: AgentConfig,
    pub(super) accounts: Accounts,
    pub(super) random: Random,
    pub(super) transactions: TransactionLayer,
    pub(super) out: VecDeque<Output>,
    pub(super) stats: AgentStats,
    /// The error of the last message that could not be read.
    pub(super) last_error: Option<Error>,
    pub(super) sent: HashMap<ClientId, Sent>,
    pub(super) answered: HashMap<ClientId, Box<Answered>>,
    /// INVITEs of peers that are not answered finally, by their transaction.
    pub(super) invites: HashMap<ServerId, (CallKey, LegId)>,
    pub(super) dialogs: HashMap<DialogId, (CallKey, LegId)>,
    /// For the trace: which call a message belongs to.
    pub(super) call_ids: HashMap<Box<str>, CallKey>,
    /// The same of calls that are forgotten: what still comes and goes for a while is theirs.
    past_calls: Memory<(CallKey, Option<AccountId>)>,
    pub(super) errands: HashMap<LookupId, Errand>,
    /// When which call has something to do; an entry counts only if the call still has that deadline.
    pub(super) deadlines: BinaryHeap<Reverse<(Instant, CallKey)>>,
    /// Requests outside of dialogs that came lately, by what copies have in common.
    originals: Memory<()>,
    /// Our tag in refusals that keep no state: copies of a request get the same (RFC 3261 section 8.2.7).
    refusal_tag: String,
    next_lookup: u64,
    next_incoming: u32,
}

impl Services {
    pub(super) fn new(config: AgentConfig, mut random: Random) -> Self {
        let refusal_tag = token(&mut random);
        Self {
            transactions: TransactionLayer::new(config.timers, TransactionLayer::CAPACITY),
            config,
            accounts: Accounts::default(),
            random,
            out: VecDeque::new(),
            stats: AgentStats::default(),
            last_error: None,
            sent: HashMap::new(),
            answered: HashMap::new(),
            invites: HashMap::new(),
            dialogs: HashMap::new(),
            call_ids: HashMap::new(),
            past_calls: Memory::new(),
            errands: HashMap::new(),
            deadlines: BinaryHeap::new(),
            originals: Memory::new(),
            refusal_tag,
            next_lookup: 0,
            next_incoming: 0,
        }
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
        let call = call_id_of(&bytes).and_then(|id| self.call_of(id));
        self.out.push_back(Output::Message {
            call,
            way: Way::Out,
            flow,
            bytes: bytes.clone(),
        });
        self.out.push_back(Output::Transmit { flow, bytes });
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

    /// Puts our hop on top of a request, and our name in.
    fn dress(&mut self, request: &mut Request, flow: Flow) -> Result<()> {
        let branch = format!("{}{}", Via::MAGIC, self.token());
        let via = Via::new(
            flow.transport.as_str(),
            self.advertised(flow).into(),
            &branch,
        )?;
        request.headers.put_first(HeaderName::Via, via.to_string());
        if !self.config.user_agent.is_empty() {
            request
                .headers
                .push(HeaderName::UserAgent, self.config.user_agent.to_string())?;
        }
        Ok(())
    }

    /// Sends a request that is no ACK, and remembers what for.
    pub(super) fn send(
        &mut self,
        now: Instant,
        flow: Flow,
        mut request: Request,
        purpose: Purpose,
    ) -> Result<ClientId> {
        self.dress(&mut request, flow)?;
        let id = self.transactions.request(now, flow, request)?;
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
        self.dress(&mut ack, flow)?;
        let tag = ack.headers.to()?.tag().unwrap_or_default().into();
        let bytes = Message::Request(ack).to_bytes();
        if let Some(answered) = self.answered.get_mut(&invite) {
            answered.acks.reserve_exact(1);
            answered.acks.push(SentAck {
                tag,
                flow,
                bytes: bytes[..].into(),
            });
        }
        self.transmit(flow, bytes);
        Ok(())
    }

    /// Acknowledges a copy of a 2xx to the INVITE `invite`. `false` if it is no copy.
    pub(super) fn acknowledge_again(&mut self, invite: ClientId, response: &Response) -> bool {
        let to = response.headers.to();
        let tag = to.as_ref().ok().and_then(|t| t.tag()).unwrap_or_default();
        let acks = self.answered.get(&invite).map(|a| &a.acks);
        let Some(ack) = acks.and_then(|a| a.iter().find(|a| *a.tag == *tag)) else {
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
        let past = || self.past_calls.get(call_id).map(|(key, _)| key);
        live.or_else(past).copied()
    }

    /// The account whose call, present or past, a request belongs to; else the one that it is meant for.
    pub(super) fn account_of(&self, request: &Request) -> Option<AccountId> {
        let call_id = request.headers.call_id().ok()?;
        match self.call_ids.get(call_id.as_str()) {
            Some(key) => self.accounts.of_call(*key),
            None => match self.past_calls.get(call_id.as_str()) {
                Some((_, account)) => *account,
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
        if let Ok(to) = headers.to()
            && to.tag().is_none()
            && let Ok(tagged) = to.with_param("tag", &self.refusal_tag)
        {
            response.headers.set(HeaderName::To, tagged.to_value());
        }
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
        self.transmit(back, Message::Response(response).to_bytes());
    }

    /// Looks for the way to `host`.
    pub(super) fn look_up(&mut self, host: Host, errand: Errand) -> Result<()> {
        if self.errands.len() >= MAX_LOOKUPS {
            return Err(Error::new(ErrorKind::Limit(Limit::Lookups), ""));
        }
        self.next_lookup += 1;
        let lookup = LookupId(self.next_lookup);
        self.errands.insert(lookup, errand);
        self.out.push_back(Output::Resolve { lookup, host });
        Ok(())
    }

    /// Whether what was agreed for a leg waits for the address of a name in it, or a request within it for its way.
    pub(super) fn looks_up(&self, key: CallKey, leg: LegId) -> bool {
        let of_leg = |e: &Errand| match e {
            Errand::Media(k, agreed) => *k == key && agreed.leg == leg,
            Errand::Within { call, leg: l, .. } => *call == key && *l == leg,
            _ => false,
        };
        self.errands.values().any(of_leg)
    }

    /// The way to `hop` if it is the host that messages come from already; `None` if it has to be looked up.
    pub(super) fn known_way(hop: &Uri, flow: Flow) -> Option<Flow> {
        match hop.host()? {
            Host::Ip(ip) if ip == flow.remote.ip() => {
                let port = hop.port().unwrap_or_else(|| flow.transport.default_port());
                Some(Flow {
                    remote: std::net::SocketAddr::new(ip, port),
                    ..flow
                })
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
        let account = self.accounts.forget_call(key);
        self.past_calls.put(until, call_id, (key, account));
    }

    /// How much is remembered of what is over.
    pub(super) fn memories(&self) -> usize {
        let waiting = self.sent.len() + self.errands.len() + self.invites.len();
        self.answered.len() + self.originals.len() + self.past_calls.len() + waiting
    }

    /// Forgets what has faded.
    pub(super) fn sweep(&mut self, now: Instant) {
        while self.past_calls.forget(now).is_some() {}
        while self.originals.forget(now).is_some() {}
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
fn merge_key(request: &Request) -> Option<Box<str>> {
    let headers = &request.headers;
    if headers.to().ok()?.tag().is_some() {
        return None;
    }
    let from = headers.from().ok()?;
    let (call_id, cseq) = (headers.call_id().ok()?, headers.cseq().ok()?);
    Some(
        format!(
            "{}\n{}\n{} {}",
            from.tag()?,
            call_id.as_str(),
            cseq.number,
            cseq.method
        )
        .into(),
    )
}

fn token(random: &mut Random) -> String {
    let mut bytes = [0; 16];
    random(&mut bytes);
    format!("{:032x}", u128::from_le_bytes(bytes))
}

/// The Call-ID in a message of ours, which writes it one way only.
fn call_id_of(bytes: &Bytes) -> Option<&str> {
    const NAME: &[u8] = b"\r\nCall-ID: ";
    let at = memchr::memmem::find(bytes, NAME)? + NAME.len();
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

/// The transport that a URI wants, if it is one that we have.
pub(super) fn transport_of(uri: &Uri) -> Option<Transport> {
    if uri.scheme() != crate::wire::Scheme::Sip {
        return None;
    }
    match uri.param("transport") {
        None => Some(Transport::Udp),
        Some(name) => name.eq_ignore_ascii_case("udp").then_some(Transport::Udp),
    }
}
