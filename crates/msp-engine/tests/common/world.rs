//! Two engines in virtual time.

use std::net::IpAddr;
use std::time::Duration;

use msp_core::params::MediaParams;
use msp_engine::sim::Simulation;
use msp_engine::{Engine, EngineConfig};

use super::{End, connect};

pub(crate) const A: &str = "192.0.2.1";
pub(crate) const B: &str = "192.0.2.2";

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn config(at: &str) -> EngineConfig {
    EngineConfig::default()
        .bind(vec![ip(at)])
        .ports(20_000..=29_999)
        .shards(1)
}

/// Two engines on a simulated network.
pub(crate) struct World {
    pub(crate) sim: Simulation,
    pub(crate) one: Engine,
    pub(crate) two: Engine,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self::with(seed, |c| c)
    }

    /// Both engines with settings that `change` changes.
    pub(crate) fn with(seed: u64, change: impl Fn(EngineConfig) -> EngineConfig) -> Self {
        let mut sim = Simulation::new(seed);
        let one = sim.engine(change(config(A))).unwrap();
        let two = sim.engine(change(config(B))).unwrap();
        Self { sim, one, two }
    }

    /// The two ends of a call that is not agreed on yet.
    pub(crate) fn ends(&self) -> (End, End) {
        (End::new(&self.one, "alice"), End::new(&self.two, "bob"))
    }

    pub(crate) fn agree(&mut self, a: &End, b: &End) -> (MediaParams, MediaParams) {
        let sim = &mut self.sim;
        connect(a, b, ip(B), &mut || sim.run_for(Duration::from_millis(1)))
    }

    pub(crate) fn run_ms(&mut self, ms: u64) {
        self.sim.run_for(Duration::from_millis(ms));
    }
}
