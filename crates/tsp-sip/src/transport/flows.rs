//! Connections as those know them who do not hold them: which are there, which of them a message may take, which are
//! asked whether they live, and which are given up.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use msp_core::time::Instant;

use super::{ConnectionId, Flow, Transport};
use crate::tables::HashMap;
use crate::wire::HostPort;

/// How long a connection may carry no message. Calls outlast theirs: what comes next opens another.
const IDLE: Duration = Duration::from_secs(15 * 60);

/// The longest silence before a connection of ours is asked whether it lives: a little less than RFC 5626 section 4.4.1
/// has it, for NATs forget in two minutes what says nothing.
const PING: Duration = Duration::from_secs(95);

/// By how much that is shortened at random, so that not all ask at once.
const PING_SPREAD: Duration = Duration::from_secs(15);

/// The shortest silence that a server may ask for.
const LEAST_PING: Duration = Duration::from_secs(1);

/// How long an answer to that may take (RFC 5626 section 4.4.1).
const PONG: Duration = Duration::from_secs(10);

/// All connections.
#[derive(Debug, Default)]
pub(crate) struct Flows {
    links: HashMap<ConnectionId, Link>,
    by_peer: HashMap<Peer, ConnectionId>,
    /// When which connection has something to do. It may be later by then; an entry counts only if its connection knows it.
    due: BinaryHeap<Reverse<(Instant, ConnectionId)>>,
    dialled: u64,
    /// Which names the last connections of ours had that are gone: what should still go there asks for the same peer.
    gone: VecDeque<(ConnectionId, Box<str>)>,
}

/// Of how many connections that are gone the name is known.
const MOST_GONE: usize = 1024;

/// Whom a connection may be used for: the name is the one that its certificate was checked for.
type Peer = (Transport, SocketAddr, Option<Box<str>>);

#[derive(Debug)]
struct Link {
    flow: Flow,
    name: Option<Box<str>>,
    /// When it last carried a message.
    used: Instant,
    /// When anything came last.
    heard: Instant,
    ping_after: Duration,
    pinged: Option<Instant>,
    /// The peer answers pings, so that silence says something.
    answers: bool,
    /// Requests of ours went that way.
    asked: bool,
    /// A registrar reaches us there.
    kept: bool,
    /// A server wants to hear us ask so often, whatever else is said.
    timed: bool,
    /// When we asked last.
    last_ping: Instant,
    /// When its entry in the queue is.
    queued: Instant,
    /// The domains that its peer proved to stand for.
    proved: Vec<Box<str>>,
    /// What it is used for besides, as the peer asked.
    aliases: Vec<Peer>,
}

/// Domains that one peer is reached as on its connection, at most.
const MOST_ALIASES: usize = 8;

/// What has to be done about a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    /// Ask whether it lives.
    Ping(Flow),
    /// Close it, for nobody uses it.
    Idle(Flow),
    /// Close it, for nobody answers there.
    Dead(Flow),
}

impl Flows {
    /// A peer opened a connection.
    pub(crate) fn accepted(&mut self, now: Instant, flow: Flow) {
        if let Some(id) = flow.connection {
            self.add(now, id, flow, None, PING);
        }
    }

    /// A connection that leads where `flow` does, if one is there: it is the newest.
    pub(crate) fn find(&self, flow: Flow, name: Option<&str>) -> Option<Flow> {
        let peer = (flow.transport, flow.remote, name.map(Into::into));
        let id = self.by_peer.get(&peer)?;
        self.links.get(id).map(|l| l.flow)
    }

    /// A connection that is to be opened to where `flow` leads. `random` is a random number.
    pub(crate) fn dial(
        &mut self,
        now: Instant,
        flow: Flow,
        name: Option<&str>,
        random: u64,
    ) -> Flow {
        self.dialled += 1;
        let id = ConnectionId::dialled(self.dialled);
        let flow = Flow {
            connection: Some(id),
            ..flow
        };
        let shorter = random % (PING_SPREAD.as_secs() + 1);
        let ping = PING.saturating_sub(Duration::from_secs(shorter));
        self.add(now, id, flow, name.map(Into::into), ping);
        flow
    }

    fn add(
        &mut self,
        now: Instant,
        id: ConnectionId,
        flow: Flow,
        name: Option<Box<str>>,
        ping_after: Duration,
    ) {
        let peer = (flow.transport, flow.remote, name.clone());
        let kept = |id: &ConnectionId| self.links.get(id).is_some_and(|l| l.kept);
        // What a registrar reaches us by is better than what is new.
        if !self.by_peer.get(&peer).is_some_and(kept) {
            self.by_peer.insert(peer, id);
        }
        let mut link = Link {
            flow,
            name,
            used: now,
            heard: now,
            ping_after,
            pinged: None,
            answers: false,
            asked: false,
            kept: false,
            timed: false,
            last_ping: now,
            queued: now,
            proved: Vec::new(),
            aliases: Vec::new(),
        };
        link.queued = link.next();
        self.due.push(Reverse((link.queued, id)));
        self.links.insert(id, link);
    }

    /// The connections that we opened.
    pub(crate) fn dialled(&self) -> Vec<Flow> {
        let links = self.links.iter().filter(|(id, _)| id.is_dialled());
        let mut all: Vec<_> = links.collect();
        all.sort_unstable_by_key(|(id, _)| **id);
        all.into_iter().map(|(_, link)| link.flow).collect()
    }

    /// The name that the connection of `flow` is or was checked for.
    pub(crate) fn name_of(&self, flow: Flow) -> Option<Box<str>> {
        let id = flow.connection?;
        if let Some(link) = self.links.get(&id) {
            return link.name.clone();
        }
        let gone = self.gone.iter().rev().find(|(gone, _)| *gone == id);
        gone.map(|(_, name)| name.clone())
    }

    /// Whether the connection of `flow` is there, or is being opened.
    pub(crate) fn is_open(&self, flow: Flow) -> bool {
        flow.connection
            .is_some_and(|id| self.links.contains_key(&id))
    }

    /// A message of ours takes a connection.
    pub(crate) fn sent(&mut self, now: Instant, flow: Flow) {
        if let Some(link) = self.link(flow) {
            link.used = now;
        }
    }

    /// A request of ours waits for its answer on a connection.
    pub(crate) fn asked(&mut self, flow: Flow) {
        if let Some(link) = self.link(flow) {
            link.asked = true;
        }
    }

    /// The peer of a connection proved to stand for these domains.
    pub(crate) fn proved(&mut self, flow: Flow, names: Vec<Box<str>>) {
        if let Some(link) = self.link(flow) {
            link.proved = names;
        }
    }

    /// The peer of a connection that it opened wants to be reached on it as `sent_by`. Whether it is from now on: as who it
    /// proved to be, and not instead of a connection that is there.
    pub(crate) fn alias(&mut self, flow: Flow, sent_by: &HostPort) -> bool {
        let Some(link) = self.link(flow).filter(|l| !l.is_dialled()) else {
            return false;
        };
        let host: Box<str> = sent_by.host.to_string().into();
        let proved = link.proved.iter().any(|n| n.eq_ignore_ascii_case(&host));
        let port = sent_by
            .port
            .unwrap_or_else(|| flow.transport.default_port());
        let there = SocketAddr::new(link.flow.remote.ip(), port);
        let peer = (link.flow.transport, there, Some(host));
        let new = !link.aliases.contains(&peer) && link.aliases.len() < MOST_ALIASES;
        let Some(id) = flow.connection.filter(|_| proved && new) else {
            return false;
        };
        if self.by_peer.contains_key(&peer) {
            return false;
        }
        self.by_peer.insert(peer.clone(), id);
        if let Some(link) = self.link(flow) {
            link.aliases.push(peer);
        }
        true
    }

    /// A registrar reaches us on a connection: it does not end for want of messages. `timer`: the silence that the server
    /// takes, if it said so; then it answers pings (RFC 5626 section 4.4.1). `random` is a random number.
    pub(crate) fn keep(&mut self, flow: Flow, timer: Option<Duration>, random: u64) {
        let Some(link) = self.link(flow) else { return };
        link.kept = true;
        let peer = (link.flow.transport, link.flow.remote, link.name.clone());
        if let Some(timer) = timer {
            let timer = timer.clamp(LEAST_PING, PING);
            let ms = u64::try_from(timer.as_millis()).unwrap_or(u64::MAX);
            let shorter = Duration::from_millis(random % (ms / 5 + 1));
            link.ping_after = timer.saturating_sub(shorter);
            (link.answers, link.timed) = (true, true);
        }
        let next = link.next();
        if let Some(id) = flow.connection.filter(|_| next < link.queued) {
            link.queued = next;
            self.due.push(Reverse((next, id)));
        }
        if let Some(id) = flow.connection {
            self.by_peer.insert(peer, id);
        }
    }

    /// A registrar reaches us on another connection now.
    pub(crate) fn release(&mut self, flow: Flow) {
        if let Some(link) = self.link(flow) {
            link.kept = false;
        }
    }

    /// Something came: a message, or only a sign of life.
    pub(crate) fn heard(&mut self, now: Instant, flow: Flow, message: bool) {
        if let Some(link) = self.link(flow) {
            link.heard = now;
            if message {
                link.used = now;
            } else if link.pinged.is_some() {
                link.answers = true;
            }
            link.pinged = None;
        }
    }

    /// A connection is gone. `true` if requests of ours may have been lost with it.
    pub(crate) fn closed(&mut self, flow: Flow) -> bool {
        let Some((id, link)) = flow
            .connection
            .and_then(|id| Some((id, self.links.remove(&id)?)))
        else {
            return false;
        };
        if let Some(name) = link.name.clone() {
            if self.gone.len() == MOST_GONE {
                self.gone.pop_front();
            }
            self.gone.push_back((id, name));
        }
        for alias in link.aliases {
            if self.by_peer.get(&alias) == Some(&id) {
                self.by_peer.remove(&alias);
            }
        }
        let peer = (link.flow.transport, link.flow.remote, link.name);
        if self.by_peer.get(&peer) == Some(&id) {
            self.by_peer.remove(&peer);
            let leads_there = |l: &Link| {
                (l.flow.transport, l.flow.remote) == (peer.0, peer.1) && l.name == peer.2
            };
            let others = self.links.iter().filter(|(_, l)| leads_there(l));
            if let Some((_, best)) = others.map(|(id, l)| (l.kept, *id)).max() {
                self.by_peer.insert(peer, best);
            }
        }
        link.asked
    }

    /// What is due at `now`, one thing at a time.
    pub(crate) fn timeout(&mut self, now: Instant) -> Option<Action> {
        while let Some(Reverse((at, id))) = self.due.peek().copied() {
            if at > now {
                return None;
            }
            self.due.pop();
            let known = self.links.get_mut(&id);
            let Some(link) = known.filter(|l| l.queued == at) else {
                continue;
            };
            let action = link.act(now);
            link.queued = link.next();
            self.due.push(Reverse((link.queued, id)));
            if action.is_some() {
                return action;
            }
        }
        None
    }

    /// When [`timeout`](Self::timeout) is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.due.peek().map(|Reverse((at, _))| *at)
    }

    fn link(&mut self, flow: Flow) -> Option<&mut Link> {
        self.links.get_mut(&flow.connection?)
    }
}

impl Link {
    fn is_dialled(&self) -> bool {
        self.flow.connection.is_some_and(ConnectionId::is_dialled)
    }

    /// When something is to be done next.
    fn next(&self) -> Instant {
        let idle = self.used + IDLE;
        if !self.is_dialled() && !self.kept {
            return idle;
        }
        let life = match self.pinged {
            Some(at) => at + PONG,
            None if self.timed => self.last_ping + self.ping_after,
            None => self.heard.max(self.used) + self.ping_after,
        };
        if self.kept { life } else { life.min(idle) }
    }

    fn act(&mut self, now: Instant) -> Option<Action> {
        if self.next() > now {
            return None;
        }
        if !self.kept && self.used + IDLE <= now {
            // Once more is soon enough if nobody heeds it.
            self.used = now;
            return Some(Action::Idle(self.flow));
        }
        match self.pinged.take() {
            Some(_) if self.answers => Some(Action::Dead(self.flow)),
            Some(_) => {
                // A peer that never answered a ping need not know what one is.
                self.heard = now;
                None
            }
            None => {
                self.pinged = Some(now);
                self.last_ping = now;
                Some(Action::Ping(self.flow))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    fn tcp(remote: &str) -> Flow {
        let local = "192.0.2.1:5060".parse().unwrap();
        Flow::to(Transport::Tcp, local, remote.parse().unwrap())
    }

    fn accepted(flows: &mut Flows, remote: &str, n: u64) -> Flow {
        let flow = Flow {
            connection: Some(ConnectionId::accepted(n)),
            ..tcp(remote)
        };
        flows.accepted(at(0), flow);
        flow
    }

    /// What happens until `until`, with its time.
    fn happens(flows: &mut Flows, until: u64) -> Vec<(u64, Action)> {
        let mut all = Vec::new();
        while let Some(now) = flows.deadline().filter(|d| *d <= at(until)) {
            if let Some(action) = flows.timeout(now) {
                all.push((now.since_epoch().as_secs(), action));
                if let Action::Idle(flow) | Action::Dead(flow) = action {
                    flows.closed(flow);
                }
            }
        }
        all
    }

    // Shows: a connection is used again by what goes to the same end | interop row 5
    #[test]
    fn what_goes_to_the_same_end_takes_the_connection_that_is_there() {
        let mut flows = Flows::default();
        let peer = tcp("192.0.2.9:5060");
        assert_eq!(flows.find(peer, None), None);
        let flow = flows.dial(at(0), peer, None, 0);
        assert_eq!(flows.find(peer, None), Some(flow));
        assert_eq!(flows.find(tcp("192.0.2.9:5070"), None), None);
        let theirs = accepted(&mut flows, "192.0.2.9:41000", 1);
        assert_eq!(flows.find(tcp("192.0.2.9:41000"), None), Some(theirs));
        // A connection is as good as the name that it was checked for.
        let secure = Flow {
            transport: Transport::Tls,
            ..peer
        };
        let named = flows.dial(at(0), secure, Some("a.example"), 0);
        assert_eq!(flows.find(secure, Some("a.example")), Some(named));
        assert_eq!(flows.find(secure, Some("b.example")), None);
        assert_eq!(flows.find(secure, None), None);
        assert!(!flows.closed(flow) && !flows.is_open(flow));
        assert_eq!(flows.find(peer, None), None);
    }

    // Shows: what goes on after a connection is gone asks for the peer that it was checked for | RFC 5922 7.3
    #[test]
    fn the_name_of_a_connection_outlives_it() {
        let mut flows = Flows::default();
        let secure = Flow {
            transport: Transport::Tls,
            ..tcp("192.0.2.9:5061")
        };
        let first = flows.dial(at(0), secure, Some("a.example"), 0);
        flows.closed(first);
        assert_eq!(flows.name_of(first).as_deref(), Some("a.example"));
        for _ in 0..MOST_GONE {
            let next = flows.dial(at(0), secure, Some("b.example"), 0);
            flows.closed(next);
        }
        assert_eq!((flows.name_of(first), flows.gone.len()), (None, MOST_GONE));
    }

    #[test]
    fn an_older_connection_that_ends_does_not_hide_the_newer() {
        let mut flows = Flows::default();
        let older = accepted(&mut flows, "192.0.2.9:5060", 1);
        let newer = accepted(&mut flows, "192.0.2.9:5060", 2);
        flows.closed(older);
        assert_eq!(flows.find(tcp("192.0.2.9:5060"), None), Some(newer));
    }

    #[test]
    fn requests_of_ours_are_lost_only_where_some_went() {
        let mut flows = Flows::default();
        let flow = flows.dial(at(0), tcp("192.0.2.9:5060"), None, 0);
        flows.asked(flow);
        assert!(flows.closed(flow));
        assert!(!flows.closed(flow), "it is gone already");
    }

    // Shows: a connection that carries nothing is closed | RFC 3261 18
    #[test]
    fn a_connection_without_messages_ends() {
        let mut flows = Flows::default();
        let flow = accepted(&mut flows, "192.0.2.9:41000", 1);
        flows.heard(at(100), flow, true);
        // Signs of life are no use of it.
        flows.heard(at(700), flow, false);
        assert_eq!(happens(&mut flows, 5000), [(1000, Action::Idle(flow))]);
        assert_eq!(flows.deadline(), None);
    }

    // Shows: CRLF keep-alive on streams, and a missing pong is a flow failure | interop row 6
    #[test]
    fn a_peer_that_answered_pings_and_does_no_more_is_dead() {
        let mut flows = Flows::default();
        let flow = flows.dial(at(0), tcp("192.0.2.9:5060"), None, 5);
        assert_eq!(happens(&mut flows, 90), [(90, Action::Ping(flow))]);
        flows.heard(at(91), flow, false);
        assert_eq!(happens(&mut flows, 181), [(181, Action::Ping(flow))]);
        assert_eq!(happens(&mut flows, 400), [(191, Action::Dead(flow))]);
        assert!(!flows.is_open(flow));
    }

    // Shows: a connection that a registrar reaches us on stays, and is asked as often as its server says | RFC 5626 4.4.1
    #[test]
    fn a_registered_connection_stays_and_is_asked_in_time() {
        let mut flows = Flows::default();
        let flow = flows.dial(at(0), tcp("192.0.2.9:5060"), None, 0);
        flows.keep(flow, Some(Duration::from_secs(50)), 10_000);
        for n in 1..=100 {
            let pings = happens(&mut flows, 40 * n);
            assert_eq!(pings, [(40 * n, Action::Ping(flow))]);
            flows.heard(at(40 * n + 1), flow, false);
            // Messages are no sign that we live, and it stays without any.
            if n <= 50 {
                flows.sent(at(40 * n + 20), flow);
            }
        }
        assert!(flows.due.len() < 4);
        // The first pong that is missing is one too many.
        assert_eq!(
            happens(&mut flows, 4050),
            [(4040, Action::Ping(flow)), (4050, Action::Dead(flow))]
        );
        let flow = flows.dial(at(0), tcp("192.0.2.9:5060"), None, 0);
        flows.keep(flow, None, 0);
        flows.release(flow);
        let last = happens(&mut flows, 900).pop();
        assert_eq!(last, Some((900, Action::Idle(flow))));
    }

    #[test]
    fn a_peer_that_never_answered_a_ping_need_not() {
        let mut flows = Flows::default();
        let flow = flows.dial(at(0), tcp("192.0.2.9:5060"), None, 0);
        let seen = happens(&mut flows, 880);
        assert!(seen.len() > 7, "{seen:?}");
        assert!(seen.iter().all(|(_, a)| *a == Action::Ping(flow)));
        assert_eq!(happens(&mut flows, 900), [(900, Action::Idle(flow))]);
    }
}
