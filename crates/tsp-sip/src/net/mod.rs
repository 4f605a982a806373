//! The driver of a user agent: sockets on tokio, look-ups, and the clock that is handed in.
//!
//! [`Endpoint::bind`] opens the sockets; [`Endpoint::run`] moves everything between them, the agent, the media half and
//! the application until the agent is closed.

mod moved;
mod names;
mod route;
mod socket;
mod source;
mod stats;
mod stream;
mod streams;
mod tls;

use std::future::{pending, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use msp_core::link::{Envelope, ToTsp, TspEnd};
use msp_core::time::Instant;
use msp_core::trace::{Trace, TraceBody};
use tokio::sync::{Notify, mpsc};

use crate::call::{CallEvent, Command, Input, LookupId, Output, Route, Target, UserAgent, Weight};
use crate::registrar::Location;
use crate::registration::RegistrationEvent;
use crate::subscription::SubscriptionEvent;
use crate::transport::{self, Flow, Inbox};
use names::Names;
use route::Routes;
use socket::Socket;
use source::Sources;
use stream::{Ending, Said};
use streams::{Listener, News, Posted, Streams};
use tls::Tls;

pub use stats::{SignallingStats, SocketStats, StatsReader};
pub use streams::StreamLimits;
pub use tls::{TlsError, TlsIdentity, TlsSettings};

/// Sockets that are open, at most one of each kind for each address family.
#[derive(Debug)]
pub struct Endpoint {
    sockets: Vec<Socket>,
    listeners: Vec<Listener>,
    limits: StreamLimits,
    tls: Option<Tls>,
    tls_port: Option<u16>,
    name_servers: Vec<SocketAddr>,
    stats: StatsReader,
}

/// What connects a running endpoint with the rest of its provider.
pub struct Connections {
    /// What the application wants; when its other end is dropped, the agent closes.
    pub commands: mpsc::UnboundedReceiver<Command>,
    /// The media half.
    pub media: TspEnd,
    /// Is told what happens to calls. Must not block.
    pub events: Box<dyn FnMut(Instant, CallEvent) + Send>,
    /// Is told what happens to registrations. Must not block.
    pub registrations: Box<dyn FnMut(Instant, RegistrationEvent) + Send>,
    /// Is told of states that were subscribed to. Must not block.
    pub subscriptions: Box<dyn FnMut(Instant, SubscriptionEvent) + Send>,
    /// Is told where the users of the domain that we serve are reached. Must not block.
    pub locations: Box<dyn FnMut(Box<str>, Vec<Location>) + Send>,
    /// Sees the messages.
    pub trace: Trace,
    /// Gives the time.
    pub clock: Box<dyn Fn() -> Instant + Send>,
}

impl std::fmt::Debug for Connections {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connections").finish_non_exhaustive()
    }
}

impl Endpoint {
    /// Opens each address for UDP and TCP, on one port; port 0 takes any that is free for both. Must be called within a
    /// tokio runtime.
    ///
    /// # Errors
    /// The error of the system, with the address that it is about; [`io::ErrorKind::InvalidInput`] for a second address
    /// of a family.
    pub fn bind(addresses: &[SocketAddr]) -> io::Result<Self> {
        for (n, address) in addresses.iter().enumerate() {
            let same = |a: &SocketAddr| a.is_ipv4() == address.is_ipv4();
            if addresses.iter().take(n).any(same) {
                let what = format!("UDP {address}: a second address of its family");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
            }
        }
        let both = addresses.iter().map(|a| bind_both(*a));
        let (sockets, listeners) = both.collect::<io::Result<_>>()?;
        Ok(Self {
            sockets,
            listeners,
            limits: StreamLimits::default(),
            tls: None,
            tls_port: None,
            name_servers: Vec::new(),
            stats: StatsReader::default(),
        })
    }

    /// The addresses that the sockets are bound to, in the order in which they were asked for.
    pub fn local_addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().map(Socket::local).collect()
    }

    /// Sets TLS up, and if there is an identity takes its connections on the addresses that are open, at `port`; port 0
    /// takes any. Without this, TLS is spoken to peers that it is asked for, and the roots of the system are trusted.
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] with what is wrong with which file, else the error of the system with the address
    /// that it is about.
    pub fn with_tls(mut self, settings: TlsSettings, port: u16) -> io::Result<Self> {
        let listens = settings.identity.is_some();
        let tls = Tls::new(settings).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
        self.tls = Some(tls);
        for local in self.local_addresses().iter().filter(|_| listens) {
            // A port that any was asked for is the same in the second family.
            let port = self.tls_port.unwrap_or(port);
            let listener = Listener::bind(SocketAddr::new(local.ip(), port))?.secured();
            self.tls_port = Some(listener.port()?);
            self.listeners.push(listener);
        }
        Ok(self)
    }

    /// The port at which TLS connections are taken.
    pub const fn tls_port(&self) -> Option<u16> {
        self.tls_port
    }

    /// Bounds the connections that peers open, instead of the usual bounds.
    #[must_use]
    pub const fn stream_limits(mut self, limits: StreamLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Asks these name servers, instead of those that the system is set to, where hosts are, unless there are none
    /// in the list.
    #[must_use]
    pub fn name_servers(mut self, servers: &[SocketAddr]) -> Self {
        self.name_servers = servers.to_vec();
        self
    }

    /// Where to read what is counted while the endpoint runs.
    pub fn stats(&self) -> StatsReader {
        self.stats.clone()
    }

    /// Runs `agent` until its application has dropped its end of the commands, or the media half its end of the link, and
    /// all calls are over.
    pub async fn run(self, agent: UserAgent, connections: Connections) {
        let (lookups, found) = mpsc::unbounded_channel();
        let woken = Arc::new(Notify::new());
        let notify = woken.clone();
        connections
            .media
            .receiver
            .set_wake(move || notify.notify_one());
        // A message may have come before there was anybody to wake.
        woken.notify_one();
        let mut driver = Driver {
            agent,
            routes: Routes::new(self.local_addresses(), self.tls_port),
            names: Names::of_servers(&self.name_servers),
            sources: Sources::default(),
            sockets: self.sockets,
            streams: Streams::new(self.listeners, self.limits, self.tls),
            counted: SocketStats::default(),
            stats: self.stats,
            connections,
            lookups,
            buffer: vec![0; MAX_DATAGRAM],
            inbox: Inbox::new(),
            turn: 0,
            closing: false,
        };
        driver.run(found, &woken).await;
        driver.streams.close().await;
    }
}

/// A socket and a listener on one address and port.
fn bind_both(address: SocketAddr) -> io::Result<(Socket, Listener)> {
    let mut tries = if address.port() == 0 { TRIES } else { 1 };
    loop {
        tries -= 1;
        let socket = Socket::bind(address)?;
        match Listener::bind(socket.local()) {
            // What is free for the one may be taken for the other.
            Err(e) if e.kind() == io::ErrorKind::AddrInUse && tries > 0 => {}
            listener => return Ok((socket, listener?)),
        }
    }
}

/// How many ports are tried where any will do.
const TRIES: usize = 32;

/// No datagram is bigger.
const MAX_DATAGRAM: usize = 65_535;

/// Datagrams that one socket may bring before the others have their turn.
const BATCH: usize = 64;

/// Datagrams that the agent reads before the sockets are asked again. With no more than two of a socket brought for each that
/// is read, a machine that is asked for too much spends its time on answers: what it never takes from the system costs it
/// nothing.
const SERVED: usize = 32;

struct Driver {
    agent: UserAgent,
    routes: Routes,
    names: Names,
    sources: Sources,
    sockets: Vec<Socket>,
    streams: Streams,
    counted: SocketStats,
    stats: StatsReader,
    connections: Connections,
    lookups: mpsc::UnboundedSender<(LookupId, Found)>,
    buffer: Vec<u8>,
    /// Datagrams that came and were not read by the agent.
    inbox: Inbox<(Flow, Bytes)>,
    /// The socket that is looked at first.
    turn: usize,
    closing: bool,
}

/// The ways to a host, or why there is none.
type Found = Result<Vec<Route>, Box<str>>;

enum Turn {
    Readable(usize),
    Waiting,
    News(News),
    Command(Option<Command>),
    Found(LookupId, Found),
    Media,
    Deadline,
    Check,
}

impl Driver {
    async fn run(&mut self, mut found: mpsc::UnboundedReceiver<(LookupId, Found)>, woken: &Notify) {
        let mut check = tokio::time::interval(moved::CHECK);
        check.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            self.publish();
            if self.closing && self.agent.is_idle() {
                return;
            }
            let turn = {
                let (sockets, commands) = (&self.sockets, &mut self.connections.commands);
                let streams = &mut self.streams;
                let first = self.turn;
                let closing = self.closing;
                let waiting = !self.inbox.is_empty();
                let wait = self
                    .agent
                    .deadline()
                    .map(|at| at.saturating_since((self.connections.clock)()));
                tokio::select! {
                    n = poll_fn(|cx| readable(sockets, first, cx)) => Turn::Readable(n),
                    // Others run in between, and the sockets are asked what came.
                    () = tokio::task::yield_now(), if waiting => Turn::Waiting,
                    news = streams.next() => Turn::News(news),
                    command = commands.recv(), if !closing => Turn::Command(command),
                    Some((lookup, ways)) = found.recv() => Turn::Found(lookup, ways),
                    () = woken.notified() => Turn::Media,
                    _ = check.tick() => Turn::Check,
                    () = async { match wait { Some(d) => tokio::time::sleep(d).await, None => pending().await } } => Turn::Deadline,
                }
            };
            let now = self.now();
            match turn {
                Turn::Readable(n) => {
                    self.turn = n + 1;
                    self.receive(n);
                    self.serve();
                }
                Turn::Waiting => {
                    for n in 0..self.sockets.len() {
                        self.receive(n);
                    }
                    self.serve();
                }
                Turn::News(news) => self.hear(now, news),
                Turn::Command(Some(command)) => {
                    if let Command::NetworkChanged { bind } = command {
                        self.move_to(bind);
                    }
                    self.handle(now, Input::Command(command));
                }
                Turn::Check if self.has_moved() => {
                    self.move_to(None);
                    let command = Command::NetworkChanged { bind: None };
                    self.handle(now, Input::Command(command));
                }
                Turn::Check => {}
                Turn::Command(None) => {
                    self.closing = true;
                    self.handle(now, Input::Command(Command::Close));
                }
                Turn::Found(lookup, found) => {
                    let (routes, why) = match found {
                        Ok(routes) => (routes, Box::default()),
                        Err(why) => (Vec::new(), why),
                    };
                    let found = Input::Resolved {
                        lookup,
                        routes,
                        why,
                    };
                    self.handle(now, found);
                }
                Turn::Media => {
                    if !self.hear_media() && !self.closing {
                        // Nobody carries the sound any more: the peers are told so, and nothing new begins.
                        self.closing = true;
                        self.handle(now, Input::Command(Command::Close));
                    }
                }
                Turn::Deadline => {
                    self.agent.timeout(now);
                    self.publish();
                    self.drain(now);
                }
            }
        }
    }

    fn now(&self) -> Instant {
        (self.connections.clock)()
    }

    fn receive(&mut self, socket: usize) {
        for _ in 0..BATCH {
            let Some(socket) = self.sockets.get(socket) else {
                return;
            };
            let (bytes, remote) = match socket.try_receive(&mut self.buffer) {
                Ok(received) => received,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                // A pending error is cleared by having been reported.
                Err(_) => {
                    self.counted.receive_errors += 1;
                    continue;
                }
            };
            self.counted.received += 1;
            let now = (self.connections.clock)();
            let source = |remote| self.sources.toward(now, remote);
            // A source that no way leads back to cannot be answered.
            let Some(local) = self.routes.local_for(remote.ip(), source) else {
                self.counted.unroutable += 1;
                continue;
            };
            let flow = Flow::udp(local, remote);
            match self.agent.weigh(now, flow, bytes) {
                Weight::Nothing => {}
                Weight::Stranger => {
                    let put = self
                        .inbox
                        .put_stranger(now, (flow, Bytes::copy_from_slice(bytes)));
                    self.counted.shed_requests += u64::from(put.is_err());
                }
                Weight::Known => {
                    let put = self.inbox.put_known((flow, Bytes::copy_from_slice(bytes)));
                    self.counted.excess_within_calls += u64::from(put.is_err());
                }
            }
        }
    }

    /// Lets the agent read some of what waits.
    fn serve(&mut self) {
        for _ in 0..SERVED {
            let now = self.now();
            match self.inbox.next(now) {
                None => return,
                Some(transport::Turn::Serve((flow, bytes))) => {
                    self.handle(now, Input::Received { flow, bytes });
                }
                Some(transport::Turn::Refuse((flow, bytes))) => {
                    self.agent.turn_away(now, flow, &bytes);
                    self.publish();
                    self.drain(now);
                }
                Some(transport::Turn::Drop) => self.counted.shed_requests += 1,
            }
        }
    }

    /// What happens to connections.
    fn hear(&mut self, now: Instant, news: News) {
        let (flow, said) = match news {
            News::Accepted(stream, remote, secure) => {
                let counted = &mut self.counted;
                match self.streams.accept(now, stream, remote, secure, counted) {
                    // One with TLS is none before its handshake is done.
                    Ok(flow) if flow.transport.is_secure() => {}
                    Ok(flow) => self.handle(now, Input::Accepted { flow }),
                    // Whoever sees that it is closed finds it counted.
                    Err(turned_away) => {
                        self.publish();
                        drop(turned_away);
                    }
                }
                return;
            }
            News::NotAccepted => {
                self.counted.not_accepted += 1;
                return;
            }
            News::Said(flow, said) => (flow, said),
        };
        match said {
            Said::Opened if flow.connection.is_some_and(|c| c.is_dialled()) => {}
            Said::Opened => self.handle(now, Input::Accepted { flow }),
            Said::Proved(names) => self.handle(now, Input::Proved { flow, names }),
            Said::Received(bytes) => {
                self.counted.received_on_streams += 1;
                self.handle(now, Input::Received { flow, bytes });
            }
            Said::Garbled(bytes, error) => {
                self.counted.garbled_streams += 1;
                self.handle(now, Input::Garbled { flow, bytes, error });
                self.lose(now, flow, error.to_string().into());
            }
            Said::Ended(ending) => {
                let why = streams::count(ending, &mut self.counted);
                self.lose(now, flow, why);
            }
        }
    }

    /// A connection is gone. Those that the agent gave up itself are not told of again.
    fn lose(&mut self, now: Instant, flow: Flow, why: Box<str>) {
        if self.streams.release(flow) {
            self.handle(now, Input::Closed { flow, why });
        }
    }

    /// Whether the media half is still there.
    fn hear_media(&mut self) -> bool {
        loop {
            match self.connections.media.receiver.try_recv() {
                Ok(Some(message)) => {
                    let now = self.now();
                    self.handle(now, Input::Msp(message));
                }
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    }

    fn handle(&mut self, now: Instant, input: Input) {
        self.give(now, input);
        self.drain(now);
    }

    /// Gives the agent an input. Whoever sees what it leads to finds it counted.
    fn give(&mut self, now: Instant, input: Input) {
        self.agent.handle(now, input);
        self.publish();
    }

    /// Lets others read what was counted.
    fn publish(&self) {
        self.stats.publish(SignallingStats {
            sockets: self.counted,
            transactions: self.agent.transaction_stats(),
            agent: self.agent.stats(),
            last_error: self.agent.last_error(),
        });
    }

    fn drain(&mut self, now: Instant) {
        while let Some(output) = self.agent.poll() {
            match output {
                Output::Transmit { flow, bytes } if flow.transport.is_reliable() => {
                    self.transmit_on_stream(now, flow, bytes);
                }
                Output::Transmit { flow, bytes } => self.transmit(now, flow, &bytes),
                Output::Connect { flow, name } => {
                    self.streams.dial(now, flow, name, &mut self.counted);
                }
                Output::Disconnect { flow } => {
                    self.streams.release(flow);
                }
                Output::Resolve { lookup, target } => self.look_up(lookup, target),
                Output::Msp(message) => self.tell_media(now, message),
                Output::Event(event) => (self.connections.events)(now, event),
                Output::Located { user, locations } => {
                    (self.connections.locations)(user, locations);
                }
                Output::Registration(event) => (self.connections.registrations)(now, event),
                Output::Subscription(event) => (self.connections.subscriptions)(now, event),
                Output::Message {
                    call,
                    way,
                    flow,
                    bytes,
                } => {
                    self.connections
                        .trace
                        .record(now, call, || TraceBody::Signal {
                            way,
                            local: flow.local,
                            remote: flow.remote,
                            transport: flow.transport.as_str(),
                            bytes: bytes[..].into(),
                        });
                }
            }
        }
    }

    fn transmit(&mut self, now: Instant, flow: Flow, bytes: &[u8]) {
        let socket = self
            .sockets
            .iter()
            .find(|s| s.local().is_ipv4() == flow.remote.is_ipv4());
        let sent = match socket {
            Some(socket) => socket.send(bytes, flow.remote),
            None => Err(io::ErrorKind::AddrNotAvailable.into()),
        };
        match sent {
            Ok(()) => self.counted.sent += 1,
            // Full buffers lose a datagram like the network does: retransmission is there for it.
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.counted.buffer_full += 1,
            Err(_) => {
                self.counted.unsendable += 1;
                self.give(now, Input::Unreachable { flow });
            }
        }
    }

    fn transmit_on_stream(&mut self, now: Instant, flow: Flow, bytes: Bytes) {
        match self.streams.send(flow, bytes) {
            Posted::Sent => self.counted.sent_on_streams += 1,
            Posted::Gone => self.counted.unsendable += 1,
            Posted::Unread => {
                self.streams.release(flow);
                let why = streams::count(Ending::Unread, &mut self.counted);
                self.give(now, Input::Closed { flow, why });
            }
        }
    }

    fn tell_media(&mut self, now: Instant, message: Envelope<msp_core::link::ToMsp>) {
        let (call, leg, generation) = (message.call, message.leg, message.generation);
        if let Err(error) = self.connections.media.sender.send(message) {
            self.counted.untold_media += 1;
            let body = ToTsp::Refused(error);
            self.give(
                now,
                Input::Msp(Envelope {
                    call,
                    leg,
                    generation,
                    body,
                }),
            );
        }
    }

    fn look_up(&mut self, lookup: LookupId, target: Target) {
        self.names.refresh();
        let (routes, names) = (self.routes.clone(), self.names.clone());
        let found = self.lookups.clone();
        tokio::spawn(async move {
            let ways = routes.look_up(&names, &target).await;
            // The receiver is gone only when the endpoint is.
            let _unheard = found.send((lookup, ways));
        });
    }
}

/// The next socket from `first` on, in a circle, that has something to read.
fn readable(sockets: &[Socket], first: usize, cx: &mut Context<'_>) -> Poll<usize> {
    let mut ready = Poll::Pending;
    let circle = sockets.iter().enumerate().cycle();
    for (n, socket) in circle
        .skip(first % sockets.len().max(1))
        .take(sockets.len())
    {
        if socket.poll_readable(cx).is_ready() && ready.is_pending() {
            ready = Poll::Ready(n);
        }
    }
    ready
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[tokio::test]
    async fn sockets_that_all_have_something_to_read_take_turns() {
        let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let sockets = [local; 3].map(|a| Socket::bind(a).unwrap());
        for to in [&sockets[0], &sockets[2]] {
            let from = Socket::bind(local).unwrap();
            from.send(b"x", to.local()).unwrap();
            poll_fn(|cx| to.poll_readable(cx)).await;
        }
        let mut turns = Vec::new();
        let mut first = 0;
        for _ in 0..4 {
            let n = poll_fn(|cx| readable(&sockets, first, cx)).await;
            turns.push(n);
            first = n + 1;
        }
        assert_eq!(turns, [0, 2, 0, 2]);
    }

    #[tokio::test]
    async fn a_family_has_one_socket() {
        let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let error = Endpoint::bind(&[local, local]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains(&local.to_string()), "{error}");
    }
}
