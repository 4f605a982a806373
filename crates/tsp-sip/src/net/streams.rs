//! All connections of an endpoint, and where peers open them.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use msp_core::time::Instant;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::{AbortHandle, JoinSet};

use super::stats::SocketStats;
use super::stream::{self, Ending, Post, Said};
use super::tls::{Tls, TlsSettings, explain_tls};
use crate::tables::HashMap;
use crate::transport::{Admission, ConnectionId, Flow, Refusal, Slow, Transport};

/// Things said by connections that may wait; then connections wait.
const SAYINGS: usize = 256;

/// Messages, and bytes of them, that may wait for one peer to read them.
const OUTBOX: usize = 256;
const OUTBOX_BYTES: usize = 512 * 1024;

/// How long a listener rests that cannot take a connection, for then the next fails too.
const REST: Duration = Duration::from_millis(100);

/// How long the last words on all connections may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// Where peers open connections.
#[derive(Debug)]
pub(super) struct Listener {
    listener: TcpListener,
    secure: bool,
}

impl Listener {
    /// # Errors
    /// The error of the system, with the address that it is about.
    pub(super) fn bind(address: SocketAddr) -> io::Result<Self> {
        let named = |e: io::Error| io::Error::new(e.kind(), format!("TCP {address}: {e}"));
        let domain = socket2::Domain::for_address(address);
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None).map_err(named)?;
        if address.is_ipv6() {
            // The other family has a listener of its own, or is not wanted.
            socket.set_only_v6(true).map_err(named)?;
        }
        // Old connections that linger are no reason not to start again.
        socket.set_reuse_address(true).map_err(named)?;
        socket.set_nonblocking(true).map_err(named)?;
        socket.bind(&address.into()).map_err(named)?;
        socket.listen(128).map_err(named)?;
        let listener = TcpListener::from_std(socket.into()).map_err(named)?;
        Ok(Self {
            listener,
            secure: false,
        })
    }

    /// The same, for TLS.
    pub(super) fn secured(self) -> Self {
        Self {
            secure: true,
            ..self
        }
    }

    /// The port that port 0 came to.
    ///
    /// # Errors
    /// The error of the system.
    pub(super) fn port(&self) -> io::Result<u16> {
        self.listener.local_addr().map(|a| a.port())
    }
}

/// Bounds on the connections that peers open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StreamLimits {
    /// From one source: an IPv4 address, or a /64 of IPv6.
    pub per_source: usize,
    /// In all.
    pub in_all: usize,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            per_source: 64,
            in_all: 2048,
        }
    }
}

/// What a listener or a connection has for the driver.
pub(super) enum News {
    /// A peer opened a connection.
    Accepted(TcpStream, SocketAddr, bool),
    /// The system would not let a connection in.
    NotAccepted,
    /// A connection says something.
    Said(Flow, Said),
}

pub(super) struct Streams {
    handles: HashMap<ConnectionId, Handle>,
    accepted: u64,
    admission: Admission,
    tasks: JoinSet<()>,
    arrivals: mpsc::Receiver<Arrival>,
    arrived: mpsc::Sender<Arrival>,
    /// Where connections are taken, by whom, and whether for TLS.
    listening: Vec<(SocketAddr, bool, AbortHandle)>,
    tls: Option<Tls>,
    sayings: mpsc::Receiver<(Flow, Said)>,
    said: mpsc::Sender<(Flow, Said)>,
}

/// What a listener took, and whether it is one for TLS.
type Arrival = (io::Result<(TcpStream, SocketAddr)>, bool);

/// What became of a message for a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Posted {
    /// It is in line.
    Sent,
    /// Too much waits there: the peer does not read.
    Unread,
    /// The connection is no more.
    Gone,
}

/// A connection as the driver holds it.
struct Handle {
    outbox: mpsc::Sender<Bytes>,
    waiting: Arc<AtomicUsize>,
    flow: Flow,
}

impl Streams {
    /// Takes connections at `listeners`. Must be called within a tokio runtime.
    pub(super) fn new(listeners: Vec<Listener>, limits: StreamLimits, tls: Option<Tls>) -> Self {
        let (said, sayings) = mpsc::channel(SAYINGS);
        let (arrived, arrivals) = mpsc::channel(1);
        let mut streams = Self {
            handles: HashMap::default(),
            accepted: 0,
            admission: Admission::new(limits.per_source, limits.in_all),
            tasks: JoinSet::new(),
            arrivals,
            arrived,
            listening: Vec::new(),
            tls,
            sayings,
            said,
        };
        for listener in listeners {
            streams.listen(listener);
        }
        streams
    }

    fn listen(&mut self, listener: Listener) {
        // One that has no address any more takes nothing.
        let Ok(address) = listener.listener.local_addr() else {
            return;
        };
        let secure = listener.secure;
        let task = self.tasks.spawn(listen(listener, self.arrived.clone()));
        self.listening.push((address, secure, task));
    }

    /// Takes connections at `new` instead of `old`, at the same ports.
    ///
    /// # Errors
    /// The error of the system, with the address that it is about; then all stays as it was.
    pub(super) fn move_listeners(&mut self, old: IpAddr, new: IpAddr) -> io::Result<()> {
        let here = self.listening.iter().filter(|(a, ..)| a.ip() == old);
        let opened = here.map(|(address, secure, _)| {
            let listener = Listener::bind(SocketAddr::new(new, address.port()))?;
            Ok(if *secure {
                listener.secured()
            } else {
                listener
            })
        });
        let opened: Vec<_> = opened.collect::<io::Result<_>>()?;
        self.listening.retain(|(address, _, task)| {
            let stays = address.ip() != old;
            if !stays {
                task.abort();
            }
            stays
        });
        for listener in opened {
            self.listen(listener);
        }
        Ok(())
    }

    /// The next thing that happens to a connection. Nothing is lost if nobody waits for it any more.
    pub(super) async fn next(&mut self) -> News {
        tokio::select! {
            Some(arrival) = self.arrivals.recv() => match arrival {
                (Ok((stream, remote)), secure) => News::Accepted(stream, remote, secure),
                (Err(_), _) => News::NotAccepted,
            },
            Some((flow, said)) = self.sayings.recv() => News::Said(flow, said),
            // Without a listener, connections of ours still speak: their channel has an end here.
            else => std::future::pending().await,
        }
    }

    /// Takes a connection that a peer opened, unless there are too many.
    ///
    /// # Errors
    /// The connection, to be closed once it is counted.
    pub(super) fn accept(
        &mut self,
        now: Instant,
        stream: TcpStream,
        remote: SocketAddr,
        secure: bool,
        counted: &mut SocketStats,
    ) -> Result<Flow, TcpStream> {
        let secured = match secure {
            true => self.tls(now, counted).and_then(Tls::acceptor),
            false => None,
        };
        // One that broke meanwhile has no address any more.
        let Ok(local) = stream.local_addr() else {
            return Err(stream);
        };
        if secure && secured.is_none() {
            return Err(stream);
        }
        match self.admission.admit(remote.ip()) {
            Ok(()) => {}
            Err(Refusal::Source) => {
                counted.excess_of_source += 1;
                return Err(stream);
            }
            Err(Refusal::All) => {
                counted.excess_connections += 1;
                return Err(stream);
            }
        }
        counted.accepted += 1;
        self.accepted += 1;
        let flow = Flow {
            connection: Some(ConnectionId::accepted(self.accepted)),
            ..Flow::to(
                if secure {
                    Transport::Tls
                } else {
                    Transport::Tcp
                },
                local,
                remote,
            )
        };
        let Some(post) = self.post(flow) else {
            return Err(stream);
        };
        self.tasks.spawn(stream::take(stream, post, secured));
        Ok(flow)
    }

    /// Opens a connection, with TLS to who has `name`. What is sent meanwhile waits.
    pub(super) fn dial(
        &mut self,
        now: Instant,
        flow: Flow,
        name: Option<Box<str>>,
        counted: &mut SocketStats,
    ) {
        let secured = match flow.transport.is_secure() {
            true => self.tls(now, counted).map(|t| (t.connector(), name)),
            false => None,
        };
        let Some(post) = self.post(flow) else {
            return;
        };
        counted.dialled += 1;
        self.tasks.spawn(stream::dial(post, secured));
    }

    /// TLS as the files have it now; where it was not set up, with the roots of the system.
    fn tls(&mut self, now: Instant, counted: &mut SocketStats) -> Option<&Tls> {
        match &mut self.tls {
            Some(tls) => match tls.refresh(now) {
                Some(Ok(())) => counted.reloads += 1,
                Some(Err(_)) => counted.failed_reloads += 1,
                None => {}
            },
            none => *none = Tls::new(TlsSettings::default()).ok(),
        }
        self.tls.as_ref()
    }

    fn post(&mut self, flow: Flow) -> Option<Post> {
        while self.tasks.try_join_next().is_some() {}
        let (outbox, from_outbox) = mpsc::channel(OUTBOX);
        let waiting = Arc::new(AtomicUsize::new(0));
        let handle = Handle {
            outbox,
            waiting: waiting.clone(),
            flow,
        };
        self.handles.insert(flow.connection?, handle);
        Some(Post {
            flow,
            outbox: from_outbox,
            waiting,
            said: self.said.clone(),
        })
    }

    /// Sends a message on its connection.
    pub(super) fn send(&self, flow: Flow, bytes: Bytes) -> Posted {
        let handle = flow.connection.and_then(|id| self.handles.get(&id));
        let Some(handle) = handle else {
            return Posted::Gone;
        };
        let length = bytes.len();
        if handle.waiting.fetch_add(length, Ordering::Relaxed) + length > OUTBOX_BYTES {
            return Posted::Unread;
        }
        match handle.outbox.try_send(bytes) {
            Ok(()) => Posted::Sent,
            Err(TrySendError::Full(_)) => Posted::Unread,
            // Why it ended is on its way to us.
            Err(TrySendError::Closed(_)) => Posted::Gone,
        }
    }

    /// Lets go of a connection: what waits is still sent, then it is closed. `false` if it was gone already.
    pub(super) fn release(&mut self, flow: Flow) -> bool {
        let handle = flow.connection.and_then(|id| self.handles.remove(&id));
        let Some(handle) = handle else {
            return false;
        };
        if !flow.connection.is_some_and(ConnectionId::is_dialled) {
            self.admission.release(handle.flow.remote.ip());
        }
        true
    }

    /// Says the last words everywhere and closes all.
    pub(super) async fn close(mut self) {
        self.arrivals.close();
        self.handles.clear();
        drop(self.said);
        let heard = async { while self.sayings.recv().await.is_some() {} };
        // Whoever does not listen now does not hear it.
        let _unheard = tokio::time::timeout(FAREWELL, heard).await;
    }
}

/// What the user may be told, and what is counted.
pub(super) fn count(ending: Ending, counted: &mut SocketStats) -> Box<str> {
    match ending {
        Ending::Peer => {
            counted.closed_by_peers += 1;
            "the peer closed the connection".into()
        }
        Ending::Local => Box::default(),
        Ending::Unopened(why) => {
            counted.unopened += 1;
            why
        }
        Ending::Handshake(why) => {
            counted.failed_handshakes += 1;
            why
        }
        Ending::Broken(error) => {
            counted.broken_connections += 1;
            // With TLS 1.3 a peer refuses our certificate after the handshake.
            format!("the connection broke: {}", explain_tls(&error)).into()
        }
        Ending::Slow(slow) => {
            match slow {
                Slow::Silent => counted.silent_connections += 1,
                Slow::Message => counted.slow_messages += 1,
            }
            "the peer is too slow".into()
        }
        Ending::Unread => {
            counted.unread_connections += 1;
            "the peer does not read what is sent".into()
        }
    }
}

/// Takes what comes, one after the other, for as long as somebody wants it.
async fn listen(listener: Listener, arrived: mpsc::Sender<Arrival>) {
    loop {
        let arrival = listener.listener.accept().await;
        let failed = arrival.is_err();
        if arrived.send((arrival, listener.secure)).await.is_err() {
            return;
        }
        if failed {
            tokio::time::sleep(REST).await;
        }
    }
}
