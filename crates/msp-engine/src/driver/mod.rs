//! What stands between the cores and the world: sockets and waiting.

pub(crate) mod control_runner;
#[cfg(target_os = "linux")]
pub(crate) mod epoll;
pub(crate) mod shard_link;
pub(crate) mod shard_runner;
pub(crate) mod simulated;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use msp_core::time::Instant;

/// The name of a socket on its shard.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct SocketId(pub(crate) u32);

/// A datagram that came in.
#[derive(Debug)]
pub(crate) struct Datagram<'a> {
    /// Who sent it.
    pub(crate) from: SocketAddr,
    /// When the machine received it, as exactly as the driver knows.
    pub(crate) arrival: Instant,
    /// How many were dropped before it at this socket in all, where that is known.
    pub(crate) overflow: Option<u32>,
    /// It was longer than there is room for, and is cut off.
    pub(crate) cut: bool,
    /// The bytes.
    pub(crate) bytes: &'a mut [u8],
}

/// Opens sockets, on a thread that may block.
pub(crate) trait Driver: Send + Sync + 'static {
    /// An open socket.
    type Socket: Send + 'static;
    /// What a shard receives and sends with.
    type Io: ShardIo<Socket = Self::Socket>;

    /// Opens a UDP socket.
    fn bind(&self, address: SocketAddr) -> io::Result<Self::Socket>;

    /// The address that datagrams to `peer` leave from; any of its family if that is unknown.
    fn local_toward(&self, bound: IpAddr, peer: Option<IpAddr>) -> io::Result<IpAddr>;

    /// The input and output of one more shard.
    fn shard_io(&self) -> io::Result<Self::Io>;
}

/// The sockets of one shard.
pub(crate) trait ShardIo: Send + 'static {
    /// An open socket.
    type Socket: Send + 'static;

    /// Takes a socket over. One that `wakes` ends a wait as soon as something comes; the others are asked on the tick.
    fn attach(&mut self, id: SocketId, socket: Self::Socket, wakes: bool) -> io::Result<()>;

    /// Gives a socket back, to be dropped elsewhere.
    fn detach(&mut self, id: SocketId) -> Option<Self::Socket>;

    /// Takes everything that waits at a socket.
    fn drain(
        &mut self,
        now: Instant,
        id: SocketId,
        take: &mut dyn FnMut(Datagram<'_>),
    ) -> io::Result<()>;

    /// Sends one datagram now: the system takes it or says why not.
    fn send(&mut self, now: Instant, id: SocketId, to: SocketAddr, bytes: &[u8]) -> io::Result<()>;

    /// Waits for a socket that wakes, for a bell or for the time to be over. What can be read is put into `ready`.
    fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<SocketId>) -> io::Result<()>;

    /// Processor time that the calling thread has used; zero where that is not known.
    fn worked(&self) -> Duration;
}
