//! One UDP socket.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};

use tokio::net::UdpSocket;

/// A socket that never blocks and keeps nothing back: each datagram is read and sent by itself.
#[derive(Debug)]
pub(super) struct Socket {
    socket: UdpSocket,
    local: SocketAddr,
}

impl Socket {
    /// # Errors
    /// The error of the system, with the address that it is about.
    pub(super) fn bind(address: SocketAddr) -> io::Result<Self> {
        let named = |e: io::Error| io::Error::new(e.kind(), format!("UDP {address}: {e}"));
        let domain = if address.is_ipv4() {
            socket2::Domain::IPV4
        } else {
            socket2::Domain::IPV6
        };
        let socket = socket2::Socket::new(domain, socket2::Type::DGRAM, None).map_err(named)?;
        if address.is_ipv6() {
            // The other family has a socket of its own, or is not wanted.
            socket.set_only_v6(true).map_err(named)?;
        }
        socket.set_nonblocking(true).map_err(named)?;
        socket.bind(&address.into()).map_err(named)?;
        let socket = UdpSocket::from_std(socket.into()).map_err(named)?;
        let local = socket.local_addr().map_err(named)?;
        Ok(Self { socket, local })
    }

    /// The address that it is bound to, with the port that port 0 came to.
    pub(super) const fn local(&self) -> SocketAddr {
        self.local
    }

    /// Ready when a datagram or an error waits; else `cx` is woken for the next.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        // An error is found again by reading.
        self.socket.poll_recv_ready(cx).map(|_| ())
    }

    /// The next datagram.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if none waits; else what the network says of datagrams that were sent before.
    pub(super) fn try_receive<'a>(
        &self,
        buffer: &'a mut [u8],
    ) -> io::Result<(&'a [u8], SocketAddr)> {
        let (length, remote) = self.socket.try_recv_from(buffer)?;
        Ok((buffer.get(..length).unwrap_or_default(), remote))
    }

    /// Sends one datagram now.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] if the system's buffer is full: the datagram is lost. Else why the system would not
    /// send it there.
    pub(super) fn send(&self, bytes: &[u8], remote: SocketAddr) -> io::Result<()> {
        // Past the runtime, which takes a socket for full until it has looked at it for the first time.
        let socket = socket2::SockRef::from(&self.socket);
        socket.send_to(bytes, &remote.into()).map(|_| ())
    }
}
