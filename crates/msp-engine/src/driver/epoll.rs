//! Sockets of Linux: drained on the tick by `recvmmsg`, waited for by epoll.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::time::Duration;

use msp_core::time::Instant;
use socket2::{Domain, Protocol, Socket, Type};

use super::{Datagram, Driver, ShardIo, SocketId};
use crate::clock::{Clock, SystemClock};
use crate::sys::{self, Batch, Bell, Poll};

/// Datagrams that one drain takes at most, so that a flood at one socket does not keep the others waiting.
const DRAIN_LIMIT: usize = 64;

/// Sockets that a shard has room for before its tables grow.
const SOCKETS: usize = 4096;

/// Opens sockets.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Epoll;

impl Driver for Epoll {
    type Socket = UdpSocket;
    type Io = EpollIo;

    fn bind(&self, address: SocketAddr) -> io::Result<UdpSocket> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::DGRAM,
            Some(Protocol::UDP),
        )?;
        if address.is_ipv6() {
            // The other family has sockets of its own.
            socket.set_only_v6(true)?;
        }
        socket.set_nonblocking(true)?;
        sys::prepare(socket.as_fd())?;
        socket.bind(&address.into())?;
        Ok(socket.into())
    }

    fn local_toward(&self, bound: IpAddr, peer: Option<IpAddr>) -> io::Result<IpAddr> {
        if !bound.is_unspecified() {
            return Ok(bound);
        }
        let Some(peer) = peer else {
            return Ok(if bound.is_ipv4() {
                Ipv4Addr::LOCALHOST.into()
            } else {
                Ipv6Addr::LOCALHOST.into()
            });
        };
        // Connecting a UDP socket sends nothing: it only asks the routing table.
        let probe = UdpSocket::bind((bound, 0))?;
        probe.connect((peer, 9))?;
        Ok(probe.local_addr()?.ip())
    }

    fn shard_io(&self) -> io::Result<EpollIo> {
        Ok(EpollIo {
            poll: Poll::new()?,
            batch: Batch::new(),
            sockets: Vec::with_capacity(SOCKETS),
            tokens: Vec::with_capacity(64),
        })
    }
}

/// The sockets of one shard.
pub(crate) struct EpollIo {
    poll: Poll,
    batch: Batch,
    sockets: Vec<Option<Attached>>,
    tokens: Vec<u32>,
}

struct Attached {
    socket: UdpSocket,
    wakes: bool,
}

impl EpollIo {
    /// What wakes the thread that waits here.
    pub(crate) fn bell(&self) -> Bell {
        self.poll.bell()
    }

    fn socket(&self, id: SocketId) -> io::Result<&UdpSocket> {
        let attached = self.sockets.get(id.0 as usize).and_then(Option::as_ref);
        Ok(&attached.ok_or(io::ErrorKind::NotConnected)?.socket)
    }
}

impl ShardIo for EpollIo {
    type Socket = UdpSocket;

    fn attach(&mut self, id: SocketId, socket: UdpSocket, wakes: bool) -> io::Result<()> {
        let index = id.0 as usize;
        if self.sockets.len() <= index {
            self.sockets.resize_with(index + 1, || None);
        }
        let added = if wakes {
            self.poll.add(socket.as_fd(), id.0)
        } else {
            Ok(())
        };
        if let Some(slot) = self.sockets.get_mut(index) {
            *slot = Some(Attached { socket, wakes });
        }
        added
    }

    fn detach(&mut self, id: SocketId) -> Option<UdpSocket> {
        let attached = self.sockets.get_mut(id.0 as usize)?.take()?;
        if attached.wakes {
            self.poll.remove(attached.socket.as_fd());
        }
        Some(attached.socket)
    }

    fn drain(
        &mut self,
        _now: Instant,
        id: SocketId,
        take: &mut dyn FnMut(Datagram<'_>),
    ) -> io::Result<()> {
        let attached = self.sockets.get(id.0 as usize).and_then(Option::as_ref);
        let socket = &attached.ok_or(io::ErrorKind::NotConnected)?.socket;
        self.batch.drain(socket.as_fd(), DRAIN_LIMIT, &mut |r| {
            take(Datagram {
                from: r.from,
                // The age was taken just now: the time of the tick may be some while ago.
                arrival: SystemClock.now() - r.age,
                overflow: r.overflow,
                cut: r.cut,
                bytes: r.bytes,
            });
        })
    }

    fn send(
        &mut self,
        _now: Instant,
        id: SocketId,
        to: SocketAddr,
        bytes: &[u8],
    ) -> io::Result<()> {
        self.socket(id)?.send_to(bytes, to).map(drop)
    }

    fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<SocketId>) -> io::Result<()> {
        self.tokens.clear();
        self.poll.wait(timeout, &mut self.tokens)?;
        ready.extend(self.tokens.iter().map(|t| SocketId(*t)));
        Ok(())
    }

    fn worked(&self) -> Duration {
        sys::thread_cpu_time().unwrap_or_default()
    }
}
