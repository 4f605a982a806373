//! The same impairments for real packets: a UDP proxy between two endpoints.
//!
//! The proxy has a socket for each side. What arrives at the one facing A goes to B from the one facing B, and the other
//! way round; so each side sends to the proxy, and sees the proxy as its peer. Whom it forwards to is told and not
//! learned: a packet from anybody else than the side it faces is forwarded like any other.
//!
//! This is a driver: it reads the clock and has three threads, one that waits for packets on each side and one that
//! sends them on when their time has come.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use msp_core::time::Instant;

use crate::{Fate, Impairment, LossReason, NetsimError, NetsimErrorKind, Path, PathStats};

/// Where a proxy listens, whom it forwards to, and how badly.
#[derive(Clone, PartialEq, Debug)]
pub struct ProxyConfig {
    /// Where A sends to; port 0 takes any free one.
    pub listen_a: SocketAddr,
    /// Where B sends to; port 0 takes any free one.
    pub listen_b: SocketAddr,
    /// Where A receives; `None` if it is not known yet.
    pub target_a: Option<SocketAddr>,
    /// Where B receives; `None` if it is not known yet.
    pub target_b: Option<SocketAddr>,
    /// What happens to packets from A to B.
    pub a_to_b: Impairment,
    /// What happens to packets from B to A.
    pub b_to_a: Impairment,
    /// Decides the luck: the same packets at the same times have the same fate.
    pub seed: u64,
}

impl ProxyConfig {
    /// A perfect proxy on two free ports of an address, without targets.
    pub fn on(address: std::net::IpAddr) -> Self {
        let listen = SocketAddr::new(address, 0);
        Self {
            listen_a: listen,
            listen_b: listen,
            target_a: None,
            target_b: None,
            a_to_b: Impairment::PERFECT,
            b_to_a: Impairment::PERFECT,
            seed: 0,
        }
    }
}

/// What became of the packets of both directions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ProxyReport {
    /// From A to B.
    pub a_to_b: PathStats,
    /// From B to A.
    pub b_to_a: PathStats,
}

/// A running proxy. Dropping it stops it too.
#[derive(Debug)]
pub struct UdpProxy {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Side {
    A,
    B,
}

#[derive(Debug)]
struct Shared {
    socket_a: UdpSocket,
    socket_b: UdpSocket,
    local_a: SocketAddr,
    local_b: SocketAddr,
    started: std::time::Instant,
    stopping: AtomicBool,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Debug)]
struct State {
    target_a: Option<SocketAddr>,
    target_b: Option<SocketAddr>,
    a_to_b: Direction,
    b_to_a: Direction,
    waiting: BinaryHeap<Reverse<Waiting>>,
    order: u64,
}

#[derive(Debug)]
struct Direction {
    path: Path,
    stats: PathStats,
    losing: bool,
    latest: Option<u64>,
}

/// Ordered by the time at which it is due, then as it came.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Waiting {
    at: Instant,
    order: u64,
    number: u64,
    came: Instant,
    from_a: bool,
    bytes: Vec<u8>,
}

impl UdpProxy {
    /// Opens the sockets and starts to forward.
    ///
    /// # Errors
    /// [`AddressFamily`](NetsimErrorKind::AddressFamily) if a target cannot be reached from the socket on its side;
    /// [`Io`](NetsimErrorKind::Io) if a port is taken or the system gives no socket or thread.
    pub fn start(config: ProxyConfig) -> Result<Self, NetsimError> {
        let (socket_a, local_a) = bind(config.listen_a)?;
        let (socket_b, local_b) = bind(config.listen_b)?;
        for (local, target) in [(local_a, config.target_a), (local_b, config.target_b)] {
            same_family(local, target)?;
        }
        let direction = |impairment, luck| Direction {
            path: Path::new(impairment, config.seed ^ luck),
            stats: PathStats::default(),
            losing: false,
            latest: None,
        };
        let shared = Arc::new(Shared {
            socket_a,
            socket_b,
            local_a,
            local_b,
            started: clock(),
            stopping: AtomicBool::new(false),
            state: Mutex::new(State {
                target_a: config.target_a,
                target_b: config.target_b,
                a_to_b: direction(config.a_to_b, 0),
                b_to_a: direction(config.b_to_a, 0x5851_f42d_4c95_7f2d),
                waiting: BinaryHeap::new(),
                order: 0,
            }),
            wake: Condvar::new(),
        });
        let mut proxy = Self {
            shared,
            threads: Vec::with_capacity(3),
        };
        proxy.spawn("netsim-a", |shared| shared.receive(Side::A))?;
        proxy.spawn("netsim-b", |shared| shared.receive(Side::B))?;
        proxy.spawn("netsim-send", Shared::forward)?;
        Ok(proxy)
    }

    /// Where A is to send to.
    pub fn listen_a(&self) -> SocketAddr {
        self.shared.local_a
    }

    /// Where B is to send to.
    pub fn listen_b(&self) -> SocketAddr {
        self.shared.local_b
    }

    /// Forwards what comes from B to `target` from now on.
    ///
    /// # Errors
    /// [`AddressFamily`](NetsimErrorKind::AddressFamily) if it cannot be reached from the socket facing A.
    pub fn set_target_a(&self, target: SocketAddr) -> Result<(), NetsimError> {
        same_family(self.shared.local_a, Some(target))?;
        self.shared.lock().target_a = Some(target);
        Ok(())
    }

    /// Forwards what comes from A to `target` from now on.
    ///
    /// # Errors
    /// [`AddressFamily`](NetsimErrorKind::AddressFamily) if it cannot be reached from the socket facing B.
    pub fn set_target_b(&self, target: SocketAddr) -> Result<(), NetsimError> {
        same_family(self.shared.local_b, Some(target))?;
        self.shared.lock().target_b = Some(target);
        Ok(())
    }

    /// Impairs the two directions otherwise from the next packet on.
    pub fn set_impairments(&self, a_to_b: Impairment, b_to_a: Impairment) {
        let mut state = self.shared.lock();
        state.a_to_b.path.set_impairment(a_to_b);
        state.b_to_a.path.set_impairment(b_to_a);
    }

    /// What became of the packets so far.
    pub fn report(&self) -> ProxyReport {
        let state = self.shared.lock();
        ProxyReport {
            a_to_b: state.a_to_b.stats,
            b_to_a: state.b_to_a.stats,
        }
    }

    /// Stops, and says what became of the packets. What was still to be sent on is not sent, and stays counted as in
    /// flight. Takes a few hundredths of a second.
    pub fn stop(mut self) -> ProxyReport {
        self.join();
        self.report()
    }

    fn spawn(
        &mut self,
        name: &str,
        run: impl FnOnce(&Shared) + Send + 'static,
    ) -> Result<(), NetsimError> {
        let shared = Arc::clone(&self.shared);
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || run(&shared));
        // If this fails, the proxy is dropped and the threads it has end.
        self.threads
            .push(thread.map_err(|e| NetsimError::io(&e, "the proxy's thread"))?);
        Ok(())
    }

    fn join(&mut self) {
        self.shared.stopping.store(true, Ordering::Release);
        // With the lock held, else the sender may look at the flag before and wait after.
        drop(self.shared.lock());
        self.shared.wake.notify_all();
        for thread in self.threads.drain(..) {
            // A thread that panicked has printed why; there is nothing left of it to stop.
            let _ = thread.join();
        }
    }
}

impl Drop for UdpProxy {
    fn drop(&mut self) {
        self.join();
    }
}

impl Shared {
    /// Takes packets of one side and decides what becomes of each.
    fn receive(&self, side: Side) {
        let socket = match side {
            Side::A => &self.socket_a,
            Side::B => &self.socket_b,
        };
        let mut buffer = vec![0; MAX_DATAGRAM];
        while !self.stopping.load(Ordering::Acquire) {
            let len = match socket.recv_from(&mut buffer) {
                Ok((len, _)) => len,
                // The timeout is there so that the flag is looked at.
                Err(e)
                    if matches!(
                        e.kind(),
                        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
                    ) =>
                {
                    continue;
                }
                // What the system tells of a packet sent before, or of the network; never again and again at full speed.
                Err(_) => {
                    drop(self.wake.wait_timeout(self.lock(), STOP_WITHIN / 10));
                    continue;
                }
            };
            let now = self.now();
            self.lock()
                .accept(now, side, buffer.get(..len).unwrap_or_default());
            self.wake.notify_one();
        }
    }

    /// Sends packets on when they are due.
    fn forward(&self) {
        let mut state = self.lock();
        while !self.stopping.load(Ordering::Acquire) {
            let now = self.now();
            match state.waiting.peek().map(|Reverse(next)| next.at) {
                Some(at) if at <= now => {
                    if let Some(Reverse(packet)) = state.waiting.pop() {
                        state = self.send(state, packet);
                    }
                }
                Some(at) => {
                    let wait = at.saturating_since(now);
                    state = self
                        .wake
                        .wait_timeout(state, wait)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0;
                }
                None => {
                    state = self
                        .wake
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    /// Sends one packet on, without holding up those that receive meanwhile.
    fn send<'a>(&'a self, state: MutexGuard<'a, State>, packet: Waiting) -> MutexGuard<'a, State> {
        let (socket, target) = match packet.from_a {
            true => (&self.socket_b, state.target_b),
            false => (&self.socket_a, state.target_a),
        };
        drop(state);
        let sent = target.map(|target| socket.send_to(&packet.bytes, target));
        let delay = self.now().saturating_since(packet.came);
        let mut state = self.lock();
        let direction = state.direction(if packet.from_a { Side::A } else { Side::B });
        direction.stats.in_flight -= 1;
        match sent {
            None => direction.stats.unroutable += 1,
            Some(Err(_)) => direction.stats.refused += 1,
            Some(Ok(_)) => {
                // What the threads themselves take is part of the delay but no impairment.
                let late =
                    packet.at.saturating_since(packet.came) > direction.path.impairment().delay();
                direction.stats.arrived(delay, late, packet.bytes.len());
                direction.stats.reordered +=
                    u64::from(direction.latest.is_some_and(|l| packet.number < l));
                direction.latest = direction.latest.max(Some(packet.number));
            }
        }
        state
    }

    fn now(&self) -> Instant {
        Instant::ZERO + clock().saturating_duration_since(self.started)
    }

    /// The state is plain numbers and queues, whole after each statement: a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn direction(&mut self, from: Side) -> &mut Direction {
        match from {
            Side::A => &mut self.a_to_b,
            Side::B => &mut self.b_to_a,
        }
    }

    fn accept(&mut self, now: Instant, from: Side, bytes: &[u8]) {
        let (order, full) = (self.order, self.waiting.len() >= MAX_WAITING);
        let direction = self.direction(from);
        let number = direction.stats.sent;
        direction.stats.sent += 1;
        direction.stats.bytes_sent += bytes.len() as u64;
        if full {
            direction.stats.overflowed += 1;
            return;
        }
        match direction.path.send(now, bytes.len()) {
            Fate::Lost(LossReason::Overflow) => direction.stats.overflowed += 1,
            Fate::Lost(LossReason::Chance) => {
                direction.stats.lost += 1;
                direction.stats.loss_bursts += u64::from(!direction.losing);
                direction.losing = true;
            }
            Fate::Arrives { at, copy_at } => {
                direction.losing = false;
                let copies = u64::from(copy_at.is_some());
                direction.stats.in_flight += 1 + copies;
                direction.stats.duplicated += copies;
                for (n, at) in (0..).zip([Some(at), copy_at].into_iter().flatten()) {
                    let from_a = from == Side::A;
                    let bytes = bytes.to_vec();
                    self.waiting.push(Reverse(Waiting {
                        at,
                        order: order + n,
                        number,
                        came: now,
                        from_a,
                        bytes,
                    }));
                }
                self.order = order + 2;
            }
        }
    }
}

/// No UDP datagram is longer.
const MAX_DATAGRAM: usize = 65_536;

/// Packets that wait at most; more are dropped and counted as overflowed, so that a flood does not eat the memory.
const MAX_WAITING: usize = 50_000;

/// How long a stop may take at most to be noticed by a thread that waits for packets.
const STOP_WITHIN: Duration = Duration::from_millis(50);

fn bind(listen: SocketAddr) -> Result<(UdpSocket, SocketAddr), NetsimError> {
    let open = || -> io::Result<_> {
        let socket = UdpSocket::bind(listen)?;
        socket.set_read_timeout(Some(STOP_WITHIN))?;
        let local = socket.local_addr()?;
        Ok((socket, local))
    };
    open().map_err(|e| NetsimError::io(&e, listen.to_string()))
}

fn same_family(local: SocketAddr, target: Option<SocketAddr>) -> Result<(), NetsimError> {
    match target {
        Some(target) if target.is_ipv4() != local.is_ipv4() => Err(NetsimError::new(
            NetsimErrorKind::AddressFamily,
            format!("{local} to {target}"),
        )),
        _ => Ok(()),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a driver: real packets are delayed by the real clock"
)]
fn clock() -> std::time::Instant {
    std::time::Instant::now()
}

#[cfg(test)]
mod tests;
