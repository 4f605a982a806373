//! Engines in virtual time, on a simulated network: the same cores, handles and messages as on real sockets, without a
//! thread. The same seed gives the same run, bit by bit.
//!
//! ```
//! use std::time::Duration;
//! use msp_core::provider::Provider;
//! use msp_engine::{EngineConfig, sim::Simulation};
//!
//! let mut sim = Simulation::new(7);
//! let config = EngineConfig::default().bind(vec!["192.0.2.1".parse().unwrap()]);
//! let engine = sim.engine(config)?;
//! let line = engine.open("alice")?;
//! sim.run_for(Duration::from_secs(1));
//! # Ok::<(), msp_core::Error>(())
//! ```

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use msp_core::time::Instant;
use msp_core::{Error, ErrorKind, Result};
use netsim::Network;

use crate::clock::Clock;
use crate::config::EngineConfig;
use crate::driver::Driver;
use crate::driver::control_runner::{ControlRunner, Pump};
use crate::driver::shard_link::link;
use crate::driver::shard_runner::ShardRunner;
pub use crate::driver::simulated::SimSocket;
use crate::driver::simulated::{SharedWorld, SimClock, SimIo};
use crate::engine::{Engine, Running, Shared};
use crate::random::{Random, SeededRandom};
use crate::shard::{Load, Shard, ShardSettings};

/// Reports of a shard that wait at most.
const REPORTS: usize = 65_536;

/// A world of engines in virtual time.
pub struct Simulation {
    clock: Arc<SimClock>,
    world: SharedWorld,
    seeds: SeededRandom,
    nodes: Vec<Arc<Node>>,
}

/// One engine.
struct Node {
    runner: Arc<ControlRunner<SharedWorld>>,
    shards: Mutex<Vec<ShardRunner<SimIo>>>,
    clock: Arc<SimClock>,
}

impl Simulation {
    /// A world with a perfect network; `seed` decides everything that is left to chance.
    pub fn new(seed: u64) -> Self {
        let mut seeds = SeededRandom::new(seed);
        let clock = SimClock::default();
        // Not the beginning of time: what was a second ago can be said.
        clock.set(Instant::from_millis(10_000));
        Self {
            clock: Arc::new(clock),
            world: SharedWorld::new(Network::new(seeds.next_u64())),
            seeds,
            nodes: Vec::new(),
        }
    }

    /// One more engine. It must bind addresses that nobody else has; media threads are simulated one after another.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] that names a setting that makes no sense.
    pub fn engine(&mut self, config: EngineConfig) -> Result<Engine> {
        config.check()?;
        let random = SeededRandom::new(self.seeds.next_u64());
        let loads: Vec<Arc<Load>> = (0..config.shards).map(|_| Arc::default()).collect();
        let settings = ShardSettings::of(&config);
        let clock: Arc<dyn Clock> = self.clock.clone();
        let (shared, inputs) = Shared::new(config, clock, Box::new(random), loads.clone());
        let mut ends = Vec::new();
        let mut shards = Vec::new();
        for load in &loads {
            let (end, told) = link(REPORTS, Arc::new(|| ()), Arc::new(|| ()));
            ends.push(end);
            let io = self
                .world
                .shard_io()
                .map_err(|e| Error::new(ErrorKind::ResourceUnavailable, e.to_string()))?;
            shards.push(ShardRunner::new(
                Shard::new(settings.clone()),
                io,
                told,
                Arc::clone(load),
            ));
        }
        let runner = Arc::new(ControlRunner::new(
            Arc::clone(&shared),
            self.world.clone(),
            inputs,
            ends,
            Arc::new(|| ()),
        ));
        let pump: Arc<dyn Pump> = runner.clone();
        shared.set_pump(&pump);
        let node = Arc::new(Node {
            runner,
            shards: Mutex::new(shards),
            clock: Arc::clone(&self.clock),
        });
        self.nodes.push(Arc::clone(&node));
        Ok(Engine::from_parts(shared, loads, Box::new(Stop(node))))
    }

    /// A socket of the network that no engine has: a stranger's, a peer's of the test's own.
    ///
    /// # Errors
    /// [`ErrorKind::ResourceUnavailable`] when somebody has that address.
    pub fn socket(&self, address: SocketAddr) -> Result<SimSocket> {
        self.world
            .bind(address)
            .map_err(|e| Error::new(ErrorKind::ResourceUnavailable, format!("{address}: {e}")))
    }

    /// Does something to the network, for instance makes it worse.
    pub fn with_network<T>(&self, f: impl FnOnce(&mut Network) -> T) -> T {
        f(&mut self.world.lock().network)
    }

    /// Datagrams that were sent to addresses where nobody listened.
    pub fn unreachable(&self) -> u64 {
        self.world.lock().unreachable
    }

    /// The present time.
    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Works off everything that can be done without time passing.
    pub fn settle(&self) {
        for node in &self.nodes {
            node.run();
        }
    }

    /// When an engine next has something to do by itself; `None` while all stand still.
    pub fn deadline(&self) -> Option<Instant> {
        self.nodes.iter().filter_map(|n| n.deadline()).min()
    }

    /// Lets time pass until `until`.
    pub fn run_until(&mut self, until: Instant) {
        self.settle();
        while let Some(at) = self.deadline().filter(|at| *at <= until) {
            self.clock.set(at.max(self.now()));
            self.settle();
        }
        self.clock.set(until.max(self.now()));
        self.settle();
    }

    /// Lets `d` pass.
    pub fn run_for(&mut self, d: Duration) {
        let until = self.now() + d;
        self.run_until(until);
    }

    /// Lets `d` pass in which nobody does anything, as if every thread were kept from running.
    pub fn stall(&mut self, d: Duration) {
        self.clock.set(self.now() + d);
        self.settle();
    }
}

impl fmt::Debug for Simulation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Simulation({} engines, {:?})",
            self.nodes.len(),
            self.now()
        )
    }
}

impl Node {
    fn shards(&self) -> MutexGuard<'_, Vec<ShardRunner<SimIo>>> {
        self.shards.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        // What control tells the shards they take, and what they tell then, control takes.
        self.runner.run();
        for shard in self.shards().iter_mut() {
            shard.poll_ready();
            shard.run(&*self.clock);
        }
        self.runner.run();
    }

    fn deadline(&self) -> Option<Instant> {
        let shards = self.shards();
        let shards = shards.iter().filter_map(ShardRunner::deadline);
        shards.chain(self.runner.deadline()).min()
    }
}

struct Stop(Arc<Node>);

impl Running for Stop {
    fn stop(&self) {
        self.0.runner.stop_shards();
        self.0.run();
        self.0.shards().clear();
    }
}
