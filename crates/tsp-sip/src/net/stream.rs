//! One connection: messages are read off it and written to it, for as long as both ends do their part.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use msp_core::time::Instant;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{timeout, timeout_at};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::tls::{explain_tls, names_of, server_name};
use crate::transport::{Flow, Patience, Slow};
use crate::wire::{Frame, Framer, Limits};

/// How much is read at a time: an idle connection keeps no more than this.
const CHUNK: usize = 4096;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(8);

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long a peer may take to read one message of ours.
const WRITE: Duration = Duration::from_secs(30);

/// How long goodbyes may take.
const SHUTDOWN: Duration = Duration::from_secs(1);

/// Two line breaks ask whether the other end lives, one says so (RFC 5626 section 4.4.1).
const PING: &[u8] = b"\r\n\r\n";
const PONG: &[u8] = b"\r\n";

/// What a connection says of itself.
#[derive(Debug)]
pub(super) enum Said {
    /// It can be used.
    Opened,
    /// Its peer, who opened it, proved to stand for these domains.
    Proved(Vec<Box<str>>),
    /// A message, or a line break or two.
    Received(Bytes),
    /// What came cannot be cut into messages: nothing more is read.
    Garbled(Bytes, crate::Error),
    /// It is over.
    Ended(Ending),
}

/// Why a connection is over.
#[derive(Debug)]
pub(super) enum Ending {
    /// The peer closed it.
    Peer,
    /// We let go of it.
    Local,
    /// It never came to be, and what the user may be told of that.
    Unopened(Box<str>),
    /// The handshake of a peer failed.
    Handshake(Box<str>),
    /// It broke.
    Broken(io::Error),
    /// The peer said nothing, or not the end of what it began.
    Slow(Slow),
    /// The peer does not read what is sent.
    Unread,
}

/// Our end of what a connection and its driver have in common.
pub(super) struct Post {
    pub(super) flow: Flow,
    /// What is to be sent; when its other end is dropped, the connection is closed.
    pub(super) outbox: mpsc::Receiver<Bytes>,
    /// Bytes that wait there.
    pub(super) waiting: Arc<AtomicUsize>,
    pub(super) said: mpsc::Sender<(Flow, Said)>,
}

/// Opens a connection of ours and carries messages on it. `secured`: by TLS, to the peer of that name.
pub(super) async fn dial(post: Post, secured: Option<(TlsConnector, Option<Box<str>>)>) {
    let flow = post.flow;
    let failed = |what: String| {
        let why = format!("{} {}: {what}", flow.transport, flow.remote);
        Said::Ended(Ending::Unopened(why.into()))
    };
    let stream = match connect(flow.local, flow.remote).await {
        Ok(stream) => stream,
        Err(error) => {
            let _unheard = post.said.send((flow, failed(error.to_string()))).await;
            return;
        }
    };
    // Messages are small and somebody waits for each.
    let _slower = stream.set_nodelay(true);
    let Some((connector, name)) = secured else {
        return opened(stream, post).await;
    };
    let host = name.unwrap_or_else(|| flow.remote.ip().to_string().into());
    let shake = async { connector.connect(server_name(&host)?, stream).await };
    match timeout(HANDSHAKE, shake).await {
        Ok(Ok(stream)) => opened(stream, post).await,
        Ok(Err(error)) => {
            let what = explain_tls(&error);
            let _unheard = post.said.send((flow, failed(what))).await;
        }
        Err(_) => {
            let what = "the handshake takes too long".to_owned();
            let _unheard = post.said.send((flow, failed(what))).await;
        }
    }
}

/// Carries messages on a connection that a peer opened. `secured`: once TLS stands.
pub(super) async fn take(stream: TcpStream, post: Post, secured: Option<TlsAcceptor>) {
    let _slower = stream.set_nodelay(true);
    let Some(acceptor) = secured else {
        return carry(stream, post).await;
    };
    let why = match timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => {
            let chain = stream.get_ref().1.peer_certificates();
            let names = chain.and_then(|c| c.first()).map(names_of);
            let _unheard = post.said.send((post.flow, Said::Opened)).await;
            if let Some(names) = names {
                let _unheard = post.said.send((post.flow, Said::Proved(names))).await;
            }
            return carry(stream, post).await;
        }
        Ok(Err(error)) => explain_tls(&error),
        Err(_) => "the handshake takes too long".to_owned(),
    };
    let ending = Said::Ended(Ending::Handshake(why.into()));
    let _unheard = post.said.send((post.flow, ending)).await;
}

async fn opened(stream: impl AsyncRead + AsyncWrite + Send, post: Post) {
    // Nobody listens when the endpoint is gone.
    let _unheard = post.said.send((post.flow, Said::Opened)).await;
    carry(stream, post).await;
}

/// Connects from an address of ours.
///
/// # Errors
/// The error of the system.
async fn connect(from: SocketAddr, to: SocketAddr) -> io::Result<TcpStream> {
    let socket = match to {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    socket.bind(SocketAddr::new(from.ip(), 0))?;
    let connected = timeout(CONNECT, socket.connect(to)).await;
    connected.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Carries messages until one end is done, and says so.
async fn carry(stream: impl AsyncRead + AsyncWrite + Send, post: Post) {
    let Post {
        flow,
        mut outbox,
        waiting,
        said,
    } = post;
    let (reader, writer) = tokio::io::split(stream);
    let pinged = AtomicBool::new(false);
    let ending = tokio::select! {
        ending = read(reader, flow, &said, &pinged) => ending,
        ending = write(writer, &mut outbox, &waiting, &pinged) => ending,
    };
    // Nobody listens when the endpoint is gone.
    let _unheard = said.send((flow, Said::Ended(ending))).await;
}

async fn read(
    mut reader: impl AsyncRead + Unpin,
    flow: Flow,
    said: &mpsc::Sender<(Flow, Said)>,
    pinged: &AtomicBool,
) -> Ending {
    let born = tokio::time::Instant::now();
    let now = || Instant::ZERO + born.elapsed();
    let dialled = flow.connection.is_some_and(|c| c.is_dialled());
    let mut patience = match dialled {
        true => Patience::dialled(),
        false => Patience::accepted(now()),
    };
    let mut framer = Framer::new(Limits::default());
    let mut buffer = vec![0; CHUNK];
    loop {
        let reading = reader.read(&mut buffer);
        let read = match patience.until() {
            None => reading.await,
            Some((until, slow)) => match timeout_at(born + until.since_epoch(), reading).await {
                Ok(read) => read,
                Err(_) => return Ending::Slow(slow),
            },
        };
        match read {
            Ok(0) => return Ending::Peer,
            Ok(length) => framer.push(buffer.get(..length).unwrap_or_default()),
            Err(error) => return Ending::Broken(error),
        }
        let mut whole = false;
        loop {
            let what = match framer.next_frame() {
                Ok(Some(Frame::Message(bytes))) => Said::Received(bytes),
                Ok(Some(Frame::Ping)) => Said::Received(Bytes::from_static(PING)),
                Ok(None) if pinged.load(Ordering::Relaxed) && framer.take_break() => {
                    pinged.store(false, Ordering::Relaxed);
                    Said::Received(Bytes::from_static(PONG))
                }
                Ok(None) => break,
                Err(error) => {
                    let _unheard = said
                        .send((flow, Said::Garbled(framer.into_rest(), error)))
                        .await;
                    // What is answered to it still has to leave; then the driver lets go.
                    return std::future::pending().await;
                }
            };
            whole = true;
            if said.send((flow, what)).await.is_err() {
                return Ending::Local;
            }
        }
        patience.heard(now(), whole, framer.waiting() > 0);
    }
}

async fn write(
    mut writer: impl AsyncWrite + Unpin,
    outbox: &mut mpsc::Receiver<Bytes>,
    waiting: &AtomicUsize,
    pinged: &AtomicBool,
) -> Ending {
    while let Some(bytes) = outbox.recv().await {
        if bytes == PING {
            pinged.store(true, Ordering::Relaxed);
        }
        let written = timeout(WRITE, async {
            writer.write_all(&bytes).await?;
            writer.flush().await
        });
        match written.await {
            Ok(Ok(())) => waiting.fetch_sub(bytes.len(), Ordering::Relaxed),
            Ok(Err(error)) => return Ending::Broken(error),
            Err(_) => return Ending::Unread,
        };
    }
    // A peer that does not hear the goodbye finds out by itself.
    let _unheard = timeout(SHUTDOWN, writer.shutdown()).await;
    Ending::Local
}
