//! One stream pair of a call, as the control side knows it.

use std::collections::VecDeque;
use std::sync::Arc;

use msp_core::Result;
use msp_core::id::{StreamId, TerminalId};
use msp_core::link::Digit;
use msp_core::media::Direction;
use msp_core::params::{MasterKey, MediaSlot, SecurityPolicy};
use msp_core::provider::SubStream;
use msp_core::time::ClockRate;

use super::offer::Ports;
use super::resources::{ControlOutput, RequestId, Resources};
use super::security;
use crate::random::Random;
use crate::shard::{Edge, Flow, Garbage, Published, ShardCommand, TransportId};

/// How far the network side of a pair is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// Nothing was opened.
    None,
    /// A driver opens ports.
    Opening(RequestId),
    /// It lives on a shard.
    Open {
        shard: usize,
        transport: TransportId,
        ports: Ports,
    },
    /// It was taken off its shard and will not come back.
    Closed,
}

/// A terminal that is on one of the streams.
#[derive(Clone, Copy, Debug)]
struct Connected {
    terminal: TerminalId,
    direction: Direction,
    rate: ClockRate,
    source: bool,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) slot: MediaSlot,
    pub(crate) capture: StreamId,
    pub(crate) render: StreamId,
    pub(crate) place: Place,
    /// The request that asks where its ports are reached now.
    pub(crate) locating: Option<RequestId>,
    pub(crate) published: Arc<Published>,
    /// The sample rates of what is sent and of what is heard; terminals that come are connected at them.
    rates: [ClockRate; 2],
    flow: Flow,
    /// Terminals that came before there was a shard to live on.
    #[expect(clippy::vec_box, reason = "a shard takes edges as boxes")]
    parked: Vec<Box<Edge>>,
    connected: Vec<Connected>,
    /// The source that is heard, with its name.
    pub(crate) source: Option<SubStream>,
    /// Digits that wait until they can be sent.
    pub(crate) digits: VecDeque<Digit>,
    /// What we encrypt with, a key for each suite: the same in each round, so that an unchanged offer changes no key.
    keys: Vec<MasterKey>,
    /// Whether media are encrypted, as it was told last.
    secured: Option<bool>,
}

impl Pair {
    pub(crate) fn new(
        slot: MediaSlot,
        capture: StreamId,
        render: StreamId,
        rate: ClockRate,
    ) -> Self {
        Self {
            slot,
            capture,
            render,
            place: Place::None,
            locating: None,
            published: Arc::default(),
            rates: [rate; 2],
            flow: Flow::default(),
            parked: Vec::new(),
            connected: Vec::new(),
            source: None,
            digits: VecDeque::new(),
            keys: Vec::new(),
            secured: None,
        }
    }

    /// What we encrypt with under `policy`.
    pub(crate) fn keys(&mut self, policy: SecurityPolicy, random: &mut dyn Random) -> &[MasterKey] {
        if policy == SecurityPolicy::Off {
            return &[];
        }
        if self.keys.is_empty() {
            self.keys = security::draw_keys(random);
        }
        &self.keys
    }

    /// Takes note of whether media are encrypted, and says whether that is to be told: always but for a pair that nobody
    /// wanted encrypted and that never was.
    pub(crate) fn note_secured(&mut self, secured: bool, policy: SecurityPolicy) -> bool {
        let news = self.secured != Some(secured);
        let wanted = secured || self.secured.is_some() || policy != SecurityPolicy::Off;
        if news && wanted {
            self.secured = Some(secured);
        }
        news && wanted
    }

    /// The stream that carries media in `direction`.
    pub(crate) fn stream(&self, direction: Direction) -> StreamId {
        match direction {
            Direction::Capture => self.capture,
            Direction::Render | Direction::Bidirectional => self.render,
        }
    }

    /// Which way `stream` carries media, if it is one of this pair.
    pub(crate) fn direction_of(&self, stream: StreamId) -> Option<Direction> {
        match stream {
            s if s == self.capture => Some(Direction::Capture),
            s if s == self.render => Some(Direction::Render),
            _ => None,
        }
    }

    /// The sample rate of the stream in `direction`.
    pub(crate) const fn rate(&self, direction: Direction) -> ClockRate {
        let [sent, heard] = self.rates;
        match direction {
            Direction::Capture => sent,
            Direction::Render | Direction::Bidirectional => heard,
        }
    }

    /// Tells the shard, if there is one.
    pub(crate) fn tell(
        &self,
        resources: &mut Resources,
        command: impl FnOnce(TransportId) -> ShardCommand,
    ) {
        if let Place::Open {
            shard, transport, ..
        } = self.place
        {
            let output = ControlOutput::Shard(shard, command(transport));
            resources.outputs.push_back(output);
        }
    }

    /// Puts a terminal on a stream.
    pub(crate) fn connect(&mut self, resources: &mut Resources, mut edge: Box<Edge>) -> Result<()> {
        // The rate may have changed since the terminal was asked to connect.
        let rate = self.rate(edge.direction);
        edge.set_converter(Edge::converter(edge.is_source(), edge.rate, rate)?);
        self.connected.push(Connected {
            terminal: edge.terminal,
            direction: edge.direction,
            rate: edge.rate,
            source: edge.is_source(),
        });
        match self.place {
            Place::Open { .. } => self.tell(resources, |t| ShardCommand::Connect(t, edge)),
            _ => self.parked.push(edge),
        }
        Ok(())
    }

    /// Takes a terminal off a stream.
    pub(crate) fn disconnect(
        &mut self,
        resources: &mut Resources,
        direction: Direction,
        terminal: TerminalId,
    ) {
        self.connected
            .retain(|c| (c.direction, c.terminal) != (direction, terminal));
        let is_it = |e: &Edge| (e.direction, e.terminal) == (direction, terminal);
        if let Some(index) = self.parked.iter().position(|e| is_it(e)) {
            let edge = self.parked.remove(index);
            let output = ControlOutput::Drop(Garbage::of(edge));
            resources.outputs.push_back(output);
        } else {
            self.tell(resources, |t| {
                ShardCommand::Disconnect(t, direction, terminal)
            });
        }
    }

    /// The terminals that wait for a shard to live on.
    #[expect(clippy::vec_box, reason = "a shard takes edges as boxes")]
    pub(crate) fn take_parked(&mut self) -> Vec<Box<Edge>> {
        std::mem::take(&mut self.parked)
    }

    /// From now on the streams have these rates, as far as they are known: terminals of another are converted.
    pub(crate) fn set_rates(
        &mut self,
        resources: &mut Resources,
        rates: [Option<ClockRate>; 2],
    ) -> Result<()> {
        let [sent, heard] = self.rates;
        let rates = [rates[0].unwrap_or(sent), rates[1].unwrap_or(heard)];
        if rates == self.rates {
            return Ok(());
        }
        self.rates = rates;
        for n in 0..self.parked.len() {
            if let Some(edge) = self.parked.get(n) {
                let rate = self.rate(edge.direction);
                let convert = Edge::converter(edge.is_source(), edge.rate, rate)?;
                if let Some(edge) = self.parked.get_mut(n) {
                    edge.set_converter(convert);
                }
            }
        }
        for c in &self.connected {
            let convert = Edge::converter(c.source, c.rate, self.rate(c.direction))?;
            self.tell(resources, |t| {
                ShardCommand::Convert(t, c.direction, c.terminal, convert)
            });
        }
        Ok(())
    }

    /// Lets media flow as `flow` says.
    pub(crate) fn set_flow(&mut self, resources: &mut Resources, flow: Flow) {
        if flow != self.flow {
            self.flow = flow;
            self.tell(resources, |t| ShardCommand::Flow(t, flow));
        }
    }

    /// The call is over: everything is given up.
    pub(crate) fn close(&mut self, resources: &mut Resources) {
        self.tell(resources, ShardCommand::Remove);
        for edge in self.parked.drain(..) {
            let output = ControlOutput::Drop(Garbage::of(edge));
            resources.outputs.push_back(output);
        }
        self.connected.clear();
        self.digits.clear();
        self.place = Place::Closed;
    }
}
