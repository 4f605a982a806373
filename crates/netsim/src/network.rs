//! Hosts that send each other datagrams, in virtual time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::{IpAddr, SocketAddr};

use msp_core::time::Instant;

use crate::nat::Nat;
use crate::{Fate, Impairment, LossReason, NatConfig, Path, PathStats};

/// One side of a link: a socket, or a host with all its sockets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Endpoint {
    /// One socket.
    Socket(SocketAddr),
    /// All sockets of a host. They share the link, its queue and its bursts.
    Host(IpAddr),
}

impl From<SocketAddr> for Endpoint {
    fn from(socket: SocketAddr) -> Self {
        Self::Socket(socket)
    }
}

impl From<IpAddr> for Endpoint {
    fn from(host: IpAddr) -> Self {
        Self::Host(host)
    }
}

/// A datagram that arrives.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Delivery<B = Vec<u8>> {
    /// When it arrives, which may be before the time of the poll.
    pub at: Instant,
    /// The sender as the receiver sees it: behind a NAT, the NAT.
    pub from: SocketAddr,
    /// The receiver's own address, behind a NAT the private one.
    pub to: SocketAddr,
    /// What it holds.
    pub bytes: B,
}

/// A network in virtual time: datagrams go in with [`send`](Self::send) and come out of [`poll`](Self::poll) when their
/// time has come, which [`deadline`](Self::deadline) tells.
///
/// Without any link all sockets reach each other at once. The same seed, links and traffic give the same deliveries.
/// `B` is what holds the bytes: `Vec<u8>`, or anything that can be read and copied.
#[derive(Clone, Debug)]
pub struct Network<B = Vec<u8>> {
    seed: u64,
    default: Impairment,
    links: HashMap<(Endpoint, Endpoint), usize>,
    paths: Vec<Path>,
    flows: HashMap<(SocketAddr, SocketAddr), usize>,
    flow_states: Vec<Flow>,
    nats: Vec<Nat>,
    in_flight: BinaryHeap<Reverse<InFlight<B>>>,
    /// Counts up with each datagram under way: of those that arrive at the same time, the first sent is the first.
    order: u64,
}

/// What was sent from a socket to another.
#[derive(Clone, Debug)]
struct Flow {
    path: usize,
    stats: PathStats,
    losing: bool,
    /// Number of the latest datagram that arrived.
    latest: Option<u64>,
}

#[derive(Clone, Debug)]
struct InFlight<B> {
    at: Instant,
    order: u64,
    flow: usize,
    number: u64,
    sent: Instant,
    from: SocketAddr,
    to: SocketAddr,
    bytes: B,
}

impl<B: AsRef<[u8]> + Clone> Network<B> {
    /// A perfect network whose luck, once it is impaired, `seed` decides.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            default: Impairment::PERFECT,
            links: HashMap::new(),
            paths: Vec::new(),
            flows: HashMap::new(),
            flow_states: Vec::new(),
            nats: Vec::new(),
            in_flight: BinaryHeap::new(),
            order: 0,
        }
    }

    /// Impairs what has no link of its own, from here on; each pair of sockets gets a path of its own.
    pub fn set_default(&mut self, impairment: Impairment) {
        self.default = impairment;
        for ((from, to), flow) in &self.flows {
            if !linked(&self.links, *from, *to) {
                self.paths[self.flow_states[*flow].path].set_impairment(impairment);
            }
        }
    }

    /// Impairs one direction from here on. A pair of sockets is the closest match, then a socket and a host, then two
    /// hosts. The addresses are those that the sender uses: on the way to a NAT, its public one.
    pub fn link(
        &mut self,
        from: impl Into<Endpoint>,
        to: impl Into<Endpoint>,
        impairment: Impairment,
    ) {
        let key = (from.into(), to.into());
        if let Some(path) = self.links.get(&key) {
            self.paths[*path].set_impairment(impairment);
            return;
        }
        let path = self.add_path(impairment, key);
        self.links.insert(key, path);
        for ((from, to), flow) in &self.flows {
            let best = candidates(*from, *to)
                .iter()
                .find_map(|k| self.links.get(k))
                .copied();
            if let Some(best) = best {
                self.flow_states[*flow].path = best;
            }
        }
    }

    /// Impairs both directions alike, each with luck of its own.
    pub fn link_both(
        &mut self,
        a: impl Into<Endpoint>,
        b: impl Into<Endpoint>,
        impairment: Impairment,
    ) {
        let (a, b) = (a.into(), b.into());
        self.link(a, b, impairment);
        self.link(b, a, impairment);
    }

    /// Puts hosts behind a NAT. A host stands behind one at most: the first that names it.
    pub fn add_nat(&mut self, config: NatConfig) {
        self.nats.push(Nat::new(config));
    }

    /// Sends a datagram. What becomes of it is decided now, and counted in [`stats`](Self::stats).
    pub fn send(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, bytes: B) {
        let flow_id = self.flow(from, to);
        let flow = &mut self.flow_states[flow_id];
        let number = flow.stats.sent;
        flow.stats.sent += 1;
        flow.stats.bytes_sent += bytes.as_ref().len() as u64;

        // Neighbours behind the same NAT reach each other; nobody else reaches a private address.
        let inside = self.nats.iter_mut().find(|n| n.hides(from.ip()));
        let seen_from = match inside {
            Some(nat) if !nat.hides(to.ip()) => nat.outbound(now, from, to),
            _ => Some(from),
        };
        let hidden = self
            .nats
            .iter()
            .any(|n| n.hides(to.ip()) && !n.hides(from.ip()));
        let Some(seen_from) = seen_from.filter(|_| !hidden) else {
            flow.stats.unroutable += 1;
            return;
        };

        match self.paths[flow.path].send(now, bytes.as_ref().len()) {
            Fate::Lost(LossReason::Overflow) => flow.stats.overflowed += 1,
            Fate::Lost(LossReason::Chance) => {
                flow.stats.lost += 1;
                flow.stats.loss_bursts += u64::from(!flow.losing);
                flow.losing = true;
            }
            Fate::Arrives { at, copy_at } => {
                flow.losing = false;
                flow.stats.in_flight += 1;
                let mut packet = InFlight {
                    at,
                    order: self.order,
                    flow: flow_id,
                    number,
                    sent: now,
                    from: seen_from,
                    to,
                    bytes,
                };
                if let Some(copy_at) = copy_at {
                    flow.stats.in_flight += 1;
                    flow.stats.duplicated += 1;
                    self.in_flight.push(Reverse(packet.clone()));
                    packet.at = copy_at;
                    packet.order += 1;
                }
                self.order = packet.order + 1;
                self.in_flight.push(Reverse(packet));
            }
        }
    }

    /// The next datagram that has arrived by `now`, in the order of arrival.
    pub fn poll(&mut self, now: Instant) -> Option<Delivery<B>> {
        loop {
            let next = self.in_flight.peek()?;
            if next.0.at > now {
                return None;
            }
            let Reverse(packet) = self.in_flight.pop()?;
            let InFlight { at, from, to, .. } = packet;
            let flow = &mut self.flow_states[packet.flow];
            flow.stats.in_flight -= 1;
            let to = match self.nats.iter().find(|n| n.public() == to.ip()) {
                Some(nat) => nat.inbound(at, from, to.port()),
                None => Some(to),
            };
            let Some(to) = to else {
                flow.stats.filtered += 1;
                continue;
            };
            let least = self.paths[flow.path].impairment().delay();
            let delay = at.saturating_since(packet.sent);
            flow.stats
                .arrived(delay, delay > least, packet.bytes.as_ref().len());
            flow.stats.reordered += u64::from(flow.latest.is_some_and(|l| packet.number < l));
            flow.latest = flow.latest.max(Some(packet.number));
            return Some(Delivery {
                at,
                from,
                to,
                bytes: packet.bytes,
            });
        }
    }

    /// When the next datagram comes to its end; `None` if none is under way. At that end a NAT may still refuse it.
    pub fn deadline(&self) -> Option<Instant> {
        self.in_flight.peek().map(|next| next.0.at)
    }

    /// What became of all that was sent from a socket to another. The addresses are those that the sender used.
    pub fn stats(&self, from: SocketAddr, to: SocketAddr) -> PathStats {
        self.flows
            .get(&(from, to))
            .map(|f| self.flow_states[*f].stats)
            .unwrap_or_default()
    }

    /// What became of all that was sent.
    pub fn totals(&self) -> PathStats {
        let mut totals = PathStats::default();
        for flow in &self.flow_states {
            totals += flow.stats;
        }
        totals
    }

    fn flow(&mut self, from: SocketAddr, to: SocketAddr) -> usize {
        if let Some(flow) = self.flows.get(&(from, to)) {
            return *flow;
        }
        let linked = candidates(from, to)
            .iter()
            .find_map(|k| self.links.get(k))
            .copied();
        let path = linked.unwrap_or_else(|| self.add_path(self.default, (from.into(), to.into())));
        self.flow_states.push(Flow {
            path,
            stats: PathStats::default(),
            losing: false,
            latest: None,
        });
        self.flows.insert((from, to), self.flow_states.len() - 1);
        self.flow_states.len() - 1
    }

    /// The luck of a path hangs on the ends of its link, not on when it was made.
    fn add_path(&mut self, impairment: Impairment, ends: (Endpoint, Endpoint)) -> usize {
        let seed = fnv(&format!("{ends:?}")) ^ self.seed;
        self.paths.push(Path::new(impairment, seed));
        self.paths.len() - 1
    }
}

/// The links that may be meant, closest first.
fn candidates(from: SocketAddr, to: SocketAddr) -> [(Endpoint, Endpoint); 4] {
    let (socket_a, socket_b) = (Endpoint::Socket(from), Endpoint::Socket(to));
    let (host_a, host_b) = (Endpoint::Host(from.ip()), Endpoint::Host(to.ip()));
    [
        (socket_a, socket_b),
        (socket_a, host_b),
        (host_a, socket_b),
        (host_a, host_b),
    ]
}

fn linked(links: &HashMap<(Endpoint, Endpoint), usize>, from: SocketAddr, to: SocketAddr) -> bool {
    candidates(from, to).iter().any(|k| links.contains_key(k))
}

/// The hash of Fowler, Noll and Vo: the same on every machine, unlike the standard library's.
fn fnv(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

impl<B> PartialEq for InFlight<B> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl<B> Eq for InFlight<B> {}

impl<B> PartialOrd for InFlight<B> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<B> Ord for InFlight<B> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

#[cfg(test)]
mod tests;
