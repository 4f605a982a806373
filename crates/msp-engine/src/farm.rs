//! Many stream pairs on one shard in virtual time, without sockets, signalling or a network between: to see what a media
//! thread can carry, and that each stream is what it would be alone.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use msp_core::id::{CallKey, LegId, StreamId, TerminalId};
use msp_core::media::Direction;
use msp_core::params::{LocalAddress, MediaParams};
use msp_core::terminal::{Connection, FrameSink, FrameSource};
use msp_core::time::{ClockRate, Instant};
use msp_core::{Error, ErrorKind, Result};
use msp_rtp::rtcp::WallClock;

use crate::config::EngineConfig;
use crate::control::offer;
use crate::driver::{Datagram, SocketId};
use crate::random::SeededRandom;
use crate::shard::{
    self, Birth, Edge, Flow, LegChange, MediaReport, Report, Shard, ShardCommand, ShardInput,
    ShardSettings, Transport, TransportId,
};

/// What is taken from a [`Feed`].
pub type Take<'a> = dyn FnMut(Fed<'_>) + 'a;

/// A datagram for a stream pair.
#[derive(Debug)]
pub struct Fed<'a> {
    /// Who sent it.
    pub from: SocketAddr,
    /// When it arrived.
    pub arrival: Instant,
    /// It came to the port for reports.
    pub report: bool,
    /// The bytes, which may be changed in place.
    pub bytes: &'a mut [u8],
}

/// Stands for the peers and the network.
pub trait Feed {
    /// Gives everything for stream pair `n` that has arrived by `now` and was not given yet.
    fn drain(&mut self, now: Instant, n: usize, take: &mut Take<'_>);
}

/// One stream pair.
pub struct Plant {
    /// What was agreed on for it.
    pub agreed: MediaParams,
    /// Where its sound comes from; nothing is sent without.
    pub source: Option<Box<dyn FrameSource>>,
    /// Where its sound goes to.
    pub sink: Option<Box<dyn FrameSink>>,
    /// Decides the numbers of its RTP session.
    pub seed: u64,
}

impl fmt::Debug for Plant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Plant({})", self.seed)
    }
}

/// See the module.
pub struct Farm {
    shard: Shard,
    now: Instant,
    planted: u32,
    packets: u64,
    digits: u64,
}

impl Farm {
    /// An empty farm at `now`.
    pub fn new(config: &EngineConfig, now: Instant) -> Self {
        Self {
            shard: Shard::new(ShardSettings::of(config)),
            now,
            planted: 0,
            packets: 0,
            digits: 0,
        }
    }

    /// Adds a stream pair; without one, a place is taken in which nothing happens, so that the next begins in the slice
    /// that it has among others.
    ///
    /// # Errors
    /// [`ErrorKind::NoFormat`] for what cannot be played.
    pub fn plant(&mut self, config: &EngineConfig, plant: Option<Plant>) -> Result<()> {
        let id = TransportId(self.planted);
        let port = 2 * (self.planted % 32_000) as u16;
        let local = |port| {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            LocalAddress {
                bound: address,
                advertised: address,
            }
        };
        let mut random = SeededRandom::new(plant.as_ref().map_or(0, |p| p.seed));
        let transport = Transport::new(Birth {
            call: CallKey(u64::from(self.planted)),
            stream: StreamId(1),
            rtp: local(port),
            rtcp: Some(local(port + 1)),
            answers: false,
            leg: LegId::FIRST,
            session: shard::session(config, WallClock::default(), &mut random),
            published: Arc::default(),
            edges: Vec::new(),
        });
        self.planted += 1;
        self.tell(ShardCommand::Add(id, transport));
        let Some(plant) = plant else { return Ok(()) };
        offer::check(&config.codecs, &plant.agreed)?;
        let change = LegChange::new(LegId::FIRST, config, &plant.agreed, None)?;
        let rates = change.rates();
        self.tell(ShardCommand::SetLeg(id, change));
        self.tell(ShardCommand::SelectLeg(id, LegId::FIRST));
        let flow = Flow {
            send: plant.source.is_some(),
            receive: plant.sink.is_some(),
            expect: plant.sink.is_some(),
        };
        let ends = [
            (Direction::Capture, plant.source.map(Connection::Source)),
            (Direction::Render, plant.sink.map(Connection::Sink)),
        ];
        for ((direction, end), rate) in ends.into_iter().zip(rates) {
            let Some(end) = end else { continue };
            let rate: ClockRate = rate.ok_or_else(|| Error::from(ErrorKind::NoFormat))?;
            let edge = Edge::new(TerminalId(0), Arc::default(), direction, rate, end);
            self.tell(ShardCommand::Connect(id, Box::new(edge)));
        }
        self.tell(ShardCommand::Flow(id, flow));
        Ok(())
    }

    fn tell(&mut self, command: ShardCommand) {
        self.shard.handle(self.now, ShardInput::Command(command));
        while self.shard.poll().is_some() {}
    }

    /// Lets time pass until `until`. Allocates nothing.
    pub fn run_until(&mut self, until: Instant, feed: &mut dyn Feed) {
        while let Some(at) = self.shard.deadline().filter(|at| *at <= until) {
            self.now = at;
            while let Some(slice) = self.shard.due(at) {
                let mut n = 0;
                while let Some(socket) = self.shard.pair_of(n) {
                    if let Some(socket) = socket {
                        self.drain(socket, feed);
                    }
                    self.shard.handle(at, ShardInput::Frame(slice, n));
                    n += 1;
                }
                let sends = self.shard.take_sends();
                self.packets += sends.iter().count() as u64;
                self.shard.give_back(sends);
            }
            while let Some(report) = self.shard.poll() {
                if let Report::Media(_, MediaReport::Digit(_)) = report {
                    self.digits += 1;
                }
            }
        }
        self.now = until;
    }

    fn drain(&mut self, socket: SocketId, feed: &mut dyn Feed) {
        let (shard, now) = (&mut self.shard, self.now);
        let pair = socket.0 / 2;
        feed.drain(now, pair as usize, &mut |fed| {
            let socket = if fed.report {
                TransportId(pair).rtcp()
            } else {
                socket
            };
            let datagram = Datagram {
                from: fed.from,
                arrival: fed.arrival,
                overflow: None,
                cut: false,
                bytes: fed.bytes,
            };
            shard.handle(now, ShardInput::Datagram(socket, datagram));
        });
    }

    /// Packets that were sent, of all pairs.
    pub const fn packets_sent(&self) -> u64 {
        self.packets
    }

    /// Digits that were heard, of all pairs.
    pub const fn digits_heard(&self) -> u64 {
        self.digits
    }
}

impl fmt::Debug for Farm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Farm({} pairs)", self.planted)
    }
}
