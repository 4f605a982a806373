//! Sockets in virtual time, on a simulated network.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ahash::AHashMap;
use msp_core::time::Instant;
use msp_rtp::rtcp::WallClock;
use netsim::{Delivery, Network};

use super::{Datagram, Driver, ShardIo, SocketId};
use crate::clock::Clock;

/// A clock that stands still until it is set.
#[derive(Debug, Default)]
pub(crate) struct SimClock(AtomicU64);

impl SimClock {
    pub(crate) fn set(&self, now: Instant) {
        self.0.store(now.as_nanos(), Ordering::Release);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Instant {
        Instant::from_nanos(self.0.load(Ordering::Acquire))
    }

    fn wall(&self) -> WallClock {
        WallClock::new(EPOCH)
    }
}

/// When simulated time begins: the first second of 2026, in nanoseconds since 1970.
const EPOCH: u64 = 1_767_225_600_000_000_000;

/// The network and what has arrived at its sockets.
pub(crate) struct World {
    pub(crate) network: Network,
    queues: AHashMap<SocketAddr, VecDeque<Delivery>>,
    /// Datagrams to addresses where nobody listened.
    pub(crate) unreachable: u64,
}

/// The world, shared by all that live in it.
#[derive(Clone)]
pub(crate) struct SharedWorld(Arc<Mutex<World>>);

impl SharedWorld {
    pub(crate) fn new(network: Network) -> Self {
        Self(Arc::new(Mutex::new(World {
            network,
            queues: AHashMap::new(),
            unreachable: 0,
        })))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn bind(&self, address: SocketAddr) -> io::Result<SimSocket> {
        let mut world = self.lock();
        if world.queues.contains_key(&address) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        world.queues.insert(address, VecDeque::new());
        Ok(SimSocket {
            world: self.clone(),
            address,
        })
    }
}

impl World {
    /// Brings everything that has arrived by `now` to its socket.
    fn deliver(&mut self, now: Instant) {
        while let Some(delivery) = self.network.poll(now) {
            match self.queues.get_mut(&delivery.to) {
                Some(queue) => queue.push_back(delivery),
                None => self.unreachable += 1,
            }
        }
    }

    fn next_at(&mut self, now: Instant, address: SocketAddr) -> Option<Delivery> {
        self.deliver(now);
        self.queues.get_mut(&address)?.pop_front()
    }
}

/// A socket of the simulated network. Closed when it is dropped.
pub struct SimSocket {
    world: SharedWorld,
    address: SocketAddr,
}

impl SimSocket {
    /// Its address.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends a datagram at `now`.
    pub fn send(&self, now: Instant, to: SocketAddr, bytes: &[u8]) {
        let mut world = self.world.lock();
        world.network.send(now, self.address, to, bytes.to_vec());
    }

    /// The next datagram that has arrived by `now`: its sender, its bytes and when it arrived.
    pub fn receive(&self, now: Instant) -> Option<(SocketAddr, Vec<u8>, Instant)> {
        let delivery = self.world.lock().next_at(now, self.address)?;
        Some((delivery.from, delivery.bytes, delivery.at))
    }
}

impl Drop for SimSocket {
    fn drop(&mut self) {
        self.world.lock().queues.remove(&self.address);
    }
}

impl fmt::Debug for SimSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimSocket({})", self.address)
    }
}

impl Driver for SharedWorld {
    type Socket = SimSocket;
    type Io = SimIo;

    fn bind(&self, address: SocketAddr) -> io::Result<SimSocket> {
        Self::bind(self, address)
    }

    fn local_toward(&self, bound: IpAddr, _peer: Option<IpAddr>) -> io::Result<IpAddr> {
        if bound.is_unspecified() {
            // A simulated host has no interfaces to choose from.
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        Ok(bound)
    }

    fn shard_io(&self) -> io::Result<SimIo> {
        Ok(SimIo {
            sockets: Vec::new(),
            waking: Vec::new(),
        })
    }
}

/// The sockets of a simulated shard.
pub(crate) struct SimIo {
    sockets: Vec<Option<SimSocket>>,
    waking: Vec<SocketId>,
}

impl SimIo {
    fn socket(&self, id: SocketId) -> io::Result<&SimSocket> {
        let socket = self.sockets.get(id.0 as usize).and_then(Option::as_ref);
        socket.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl ShardIo for SimIo {
    type Socket = SimSocket;

    fn attach(&mut self, id: SocketId, socket: SimSocket, wakes: bool) -> io::Result<()> {
        let index = id.0 as usize;
        if self.sockets.len() <= index {
            self.sockets.resize_with(index + 1, || None);
        }
        if let Some(place) = self.sockets.get_mut(index) {
            *place = Some(socket);
        }
        if wakes {
            self.waking.push(id);
        }
        Ok(())
    }

    fn detach(&mut self, id: SocketId) -> Option<SimSocket> {
        self.waking.retain(|w| *w != id);
        self.sockets.get_mut(id.0 as usize)?.take()
    }

    fn drain(
        &mut self,
        now: Instant,
        id: SocketId,
        take: &mut dyn FnMut(Datagram<'_>),
    ) -> io::Result<()> {
        let socket = self.socket(id)?;
        while let Some((from, mut bytes, arrival)) = socket.receive(now) {
            take(Datagram {
                from,
                arrival,
                overflow: None,
                cut: false,
                bytes: &mut bytes,
            });
        }
        Ok(())
    }

    fn send(&mut self, now: Instant, id: SocketId, to: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        self.socket(id)?.send(now, to, bytes);
        Ok(())
    }

    /// Time passes elsewhere; what wakes is simply asked each time.
    fn wait(&mut self, _timeout: Option<Duration>, ready: &mut Vec<SocketId>) -> io::Result<()> {
        ready.extend_from_slice(&self.waking);
        Ok(())
    }

    fn worked(&self) -> Duration {
        Duration::ZERO
    }
}
