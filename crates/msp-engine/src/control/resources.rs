//! What all calls of an engine share: ports, places on shards, random numbers, and the queue of what is to be done.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use ahash::AHashMap;
use msp_core::event::MspEvent;
use msp_core::fault::{self, Fault};
use msp_core::id::{AddressId, CallKey};
use msp_core::link::{Envelope, ToTsp};
use msp_core::params::MediaSlot;
use msp_core::time::Instant;
use msp_core::{Error, ErrorKind, Result};

use super::offer::Ports;
use crate::config::EngineConfig;
use crate::ports::PortPool;
use crate::random::Random;
use crate::shard::{Garbage, Load, ShardCommand, Transport, TransportId};

/// The name of a request to open ports.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct RequestId(u64);

/// Ports that a driver is to open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct OpenRequest {
    /// Its name.
    pub(crate) id: RequestId,
    /// The address to bind.
    pub(crate) bind: IpAddr,
    /// The port for media.
    pub(crate) port: u16,
    /// Whether the next port is wanted too, for reports.
    pub(crate) rtcp: bool,
    /// Where the peer is, as far as that is known.
    pub(crate) toward: Option<IpAddr>,
}

/// What a driver is to do.
#[derive(Debug)]
pub(crate) enum ControlOutput {
    /// Open ports, and say [`ControlInput::Opened`](super::ControlInput::Opened).
    Open(OpenRequest),
    /// Say where these ports, which are open, are reached now, as [`ControlInput::Opened`](super::ControlInput::Opened).
    Locate(OpenRequest),
    /// Give the sockets of a request, and what works with them, to a shard.
    Attach {
        request: RequestId,
        shard: usize,
        id: TransportId,
        transport: Box<Transport>,
    },
    /// Close the sockets of a request: nobody wants them any more.
    Discard(RequestId),
    /// Tell a shard.
    Shard(usize, ShardCommand),
    /// Tell the signalling half.
    Reply(AddressId, Envelope<ToTsp>),
    /// Tell the application.
    Event(MspEvent),
    /// Drop, outside of all locks: what is dropped may close files.
    Drop(Garbage),
}

/// A request that a driver works on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opening {
    pub(crate) call: CallKey,
    pub(crate) slot: MediaSlot,
    pub(crate) request: OpenRequest,
    /// The ports are open: only where they are reached is asked for.
    pub(crate) located: bool,
    tries: u32,
}

/// Who has a place on a shard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner {
    pub(crate) call: CallKey,
    pub(crate) slot: MediaSlot,
    port: u16,
}

struct Places {
    owners: Vec<Option<Owner>>,
    free: Vec<u32>,
    /// Calls that chose it, whether their ports are open yet or not.
    calls: usize,
    load: Arc<Load>,
}

impl Places {
    fn taken(&self) -> usize {
        self.owners.len() - self.free.len()
    }
}

/// See the module.
pub(crate) struct Resources {
    ports: PortPool,
    pub(crate) random: Box<dyn Random>,
    pub(crate) outputs: VecDeque<ControlOutput>,
    opening: AHashMap<RequestId, Opening>,
    next_request: u64,
    shards: Vec<Places>,
    /// When calls want to be asked again. One that holds no more is asked in vain.
    pub(crate) deadlines: BTreeSet<(Instant, CallKey)>,
}

/// Ports that are tried before the machine counts as having none: others may hold a few in our range.
const TRIES: u32 = 64;

/// A shard with so many thousandths of its time used takes no new stream.
const FULL_PERMILLE: u32 = 800;

impl Resources {
    /// The earliest of the calls' deadlines.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// The next call whose deadline has come.
    pub(crate) fn due(&mut self, now: Instant) -> Option<CallKey> {
        self.deadline().filter(|at| *at <= now)?;
        self.deadlines.pop_first().map(|(_, key)| key)
    }

    pub(crate) fn new(
        config: &EngineConfig,
        mut random: Box<dyn Random>,
        loads: Vec<Arc<Load>>,
    ) -> Self {
        let ports = PortPool::new(config.ports.clone(), config.quarantine, random.next_u32());
        Self {
            ports,
            random,
            outputs: VecDeque::new(),
            opening: AHashMap::new(),
            next_request: 0,
            deadlines: BTreeSet::new(),
            shards: loads
                .into_iter()
                .map(|load| Places {
                    owners: Vec::new(),
                    free: Vec::new(),
                    calls: 0,
                    load,
                })
                .collect(),
        }
    }

    /// Asks for ports for a pair of `call`.
    pub(crate) fn open(
        &mut self,
        now: Instant,
        config: &EngineConfig,
        call: CallKey,
        slot: MediaSlot,
        toward: Option<IpAddr>,
    ) -> Result<RequestId> {
        let bind = config.bind_toward(toward).ok_or_else(|| {
            let family = toward.map_or("any", |t| if t.is_ipv4() { "IPv4" } else { "IPv6" });
            Error::new(
                ErrorKind::ResourceUnavailable,
                format!("no address to bind for {family}"),
            )
        })?;
        let id = RequestId(self.next_request);
        self.next_request += 1;
        let request = OpenRequest {
            id,
            bind,
            port: self.take_port(now)?,
            rtcp: !config.rtcp_mux,
            toward,
        };
        let opening = Opening {
            call,
            slot,
            request,
            located: false,
            tries: 1,
        };
        self.opening.insert(id, opening);
        self.outputs.push_back(ControlOutput::Open(request));
        Ok(id)
    }

    /// Asks where ports of a pair of `call` are reached from `toward` now: what is bound to all addresses of the machine
    /// is reached at another when the machine has moved. `None` if they are bound to one.
    pub(crate) fn locate(
        &mut self,
        config: &EngineConfig,
        call: CallKey,
        slot: MediaSlot,
        ports: Ports,
        toward: Option<IpAddr>,
    ) -> Option<RequestId> {
        let bind = config.bind_toward(toward)?;
        if !bind.is_unspecified() || toward.is_none() {
            return None;
        }
        let id = RequestId(self.next_request);
        self.next_request += 1;
        let request = OpenRequest {
            id,
            bind,
            port: ports.rtp.bound.port(),
            rtcp: ports.rtcp.is_some(),
            toward,
        };
        let opening = Opening {
            call,
            slot,
            request,
            located: true,
            tries: 1,
        };
        self.opening.insert(id, opening);
        self.outputs.push_back(ControlOutput::Locate(request));
        Some(id)
    }

    /// Tries a request again with another port, for somebody else has the one that was tried.
    pub(crate) fn open_another(&mut self, now: Instant, mut opening: Opening) -> Result<()> {
        self.ports.give_back(now, opening.request.port);
        if opening.tries >= TRIES {
            return Err(no_ports());
        }
        opening.tries += 1;
        self.ports.leap(self.random.next_u32());
        opening.request.port = self.take_port(now)?;
        self.opening.insert(opening.request.id, opening);
        self.outputs.push_back(ControlOutput::Open(opening.request));
        Ok(())
    }

    /// Takes the request out that a driver has worked on.
    pub(crate) fn opened(&mut self, id: RequestId) -> Option<Opening> {
        self.opening.remove(&id)
    }

    /// The ports of a request were closed, or never opened.
    pub(crate) fn give_back(&mut self, now: Instant, port: u16) {
        if !fault::is_on(Fault::KeepPorts) {
            self.ports.give_back(now, port);
        }
    }

    fn take_port(&mut self, now: Instant) -> Result<u16> {
        self.ports.take(now).ok_or_else(no_ports)
    }

    /// The shard that a new call goes to: the one with the fewest calls. Say [`leave_shard`](Self::leave_shard) when it
    /// is over.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] when even that one has as much work as it can do in time.
    pub(crate) fn choose_shard(&mut self) -> Result<usize> {
        // A shard without streams stands still, and its load is that of the last one that it had.
        let fits = |s: &Places| s.taken() == 0 || s.load.permille() < FULL_PERMILLE;
        let chosen = self
            .shards
            .iter_mut()
            .enumerate()
            .filter(|(_, s)| fits(s))
            .min_by_key(|(_, s)| s.calls);
        let Some((number, shard)) = chosen else {
            return Err(Error::new(ErrorKind::Busy, "every media thread"));
        };
        shard.calls += 1;
        Ok(number)
    }

    /// A call that had chosen `shard` is over.
    pub(crate) fn leave_shard(&mut self, shard: usize) {
        if let Some(shard) = self.shards.get_mut(shard) {
            shard.calls = shard.calls.saturating_sub(1);
        }
    }

    /// A place on `shard`.
    pub(crate) fn place(
        &mut self,
        shard: usize,
        call: CallKey,
        slot: MediaSlot,
        port: u16,
    ) -> Option<TransportId> {
        let places = self.shards.get_mut(shard)?;
        let owner = Some(Owner { call, slot, port });
        let index = match places.free.pop() {
            Some(free) => {
                *places.owners.get_mut(free as usize)? = owner;
                free
            }
            None => {
                places.owners.push(owner);
                places.owners.len() as u32 - 1
            }
        };
        Some(TransportId(index))
    }

    /// Who has a place.
    pub(crate) fn owner(&self, shard: usize, id: TransportId) -> Option<Owner> {
        self.shards
            .get(shard)?
            .owners
            .get(id.0 as usize)
            .copied()
            .flatten()
    }

    /// A shard has cleared a place: its ports may rest.
    pub(crate) fn cleared(&mut self, now: Instant, shard: usize, id: TransportId) -> Option<Owner> {
        let places = self.shards.get_mut(shard)?;
        let owner = places.owners.get_mut(id.0 as usize)?.take()?;
        places.free.push(id.0);
        self.give_back(now, owner.port);
        Some(owner)
    }

    /// Pairs that have a place on a shard.
    pub(crate) fn live(&self) -> usize {
        self.shards.iter().map(Places::taken).sum()
    }

    /// Ports that are free or rest.
    pub(crate) fn unused_ports(&self) -> usize {
        self.ports.unused()
    }
}

fn no_ports() -> Error {
    Error::new(ErrorKind::ResourceUnavailable, "no port is free")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeededRandom;

    #[test]
    fn a_call_goes_to_the_emptiest_shard_that_is_not_full() {
        let loads: Vec<Arc<Load>> = (0..2).map(|_| Arc::default()).collect();
        let config = EngineConfig::default();
        let random = Box::new(SeededRandom::new(1));
        let mut resources = Resources::new(&config, random, loads.clone());
        let choose = |r: &mut Resources| r.choose_shard().map_err(|e| e.kind());
        assert_eq!(
            [choose(&mut resources), choose(&mut resources)],
            [Ok(0), Ok(1)]
        );
        resources.leave_shard(1);
        for shard in 0..2 {
            let place = resources.place(shard, CallKey(1), MediaSlot(0), 4000);
            assert_eq!(place, Some(TransportId(0)));
        }
        loads[1].set(FULL_PERMILLE, 1, 0, 0);
        assert_eq!(choose(&mut resources), Ok(0));
        loads[0].set(1000, 1, 0, 0);
        assert_eq!(choose(&mut resources), Err(ErrorKind::Busy));
        loads[1].set(FULL_PERMILLE - 1, 1, 0, 0);
        assert_eq!(choose(&mut resources), Ok(1));
        // What a shard without streams did before counts no more.
        resources.cleared(Instant::ZERO, 0, TransportId(0));
        resources.leave_shard(0);
        resources.leave_shard(0);
        assert_eq!(choose(&mut resources), Ok(0));
    }
}
