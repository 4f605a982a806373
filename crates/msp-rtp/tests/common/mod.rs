//! Two phones without sockets, in virtual time.
#![allow(dead_code, reason = "each test file uses its part of it")]
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::net::SocketAddr;
use std::time::Duration;

use msp_codecs::{CodecFactory, CodecRegistry};
use msp_core::id::PayloadType;
use msp_core::media::MediaKind;
use msp_core::params::{CodecSpec, MediaParams, MediaSlot, PayloadMapping};
use msp_core::time::{ClockRate, Instant};
use msp_core::trace::{PlayoutAction, PlayoutSegment};
use msp_rtp::packet::SEND_BUFFER;
use msp_rtp::protect::Component;
use msp_rtp::rtcp::WallClock;
use msp_rtp::session::{Arrival, PlayoutDelay, Received, SessionEvent};
use msp_rtp::{Session, SessionConfig, SessionParams};
use netsim::Network;

pub(crate) const A: &str = "192.0.2.1:4000";
pub(crate) const B: &str = "192.0.2.2:5000";
pub(crate) const FRAME: Duration = Duration::from_millis(10);

pub(crate) fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// What is agreed: one codec, `PT 101` for digits, packets of `ptime`.
pub(crate) fn agreed(codec: &str, clock: u32, remote: &str, ptime_ms: u64) -> MediaParams {
    let clock = ClockRate::new(clock).unwrap();
    let map = |pt, name: &str| PayloadMapping {
        payload_type: PayloadType(pt),
        codec: CodecSpec::mono(name, clock),
        parameters: None,
    };
    let pt = match codec {
        "PCMU" => 0,
        "PCMA" => 8,
        _ => 97,
    };
    let mut params = MediaParams::new(MediaSlot(0), MediaKind::Audio);
    params.send = vec![map(pt, codec), map(101, "telephone-event")];
    params.receive = params.send.clone();
    params.ptime = Some(Duration::from_millis(ptime_ms));
    params.remote = Some(addr(remote));
    params.rtcp.mux = true;
    params
}

/// With a fixed delay of 40 ms, so that what is heard when is known to the sample.
pub(crate) fn prepared(params: &MediaParams) -> SessionParams {
    with_delay(params, PlayoutDelay::fixed(Duration::from_millis(40)))
}

pub(crate) fn with_delay(params: &MediaParams, delay: PlayoutDelay) -> SessionParams {
    SessionParams::new(params, &CodecRegistry::builtin(), delay).unwrap()
}

/// A phone: a session, what it says, and what it hears.
pub(crate) struct Phone {
    pub(crate) session: Session,
    pub(crate) address: SocketAddr,
    /// How its playout waits: 40 ms, so that what is heard when is known to the sample.
    pub(crate) delay: PlayoutDelay,
    /// Spoken frame by frame, then nothing.
    pub(crate) speech: Vec<i16>,
    pub(crate) spoken: usize,
    pub(crate) heard: Vec<i16>,
    pub(crate) log: Vec<PlayoutSegment>,
    pub(crate) events: Vec<SessionEvent>,
    pub(crate) outcomes: Vec<Received>,
}

impl Phone {
    pub(crate) fn new(address: &str, seed: u64) -> Self {
        let wall = WallClock::new(1_700_000_000_000_000_000);
        Self {
            session: Session::new(&SessionConfig::new(seed, wall)),
            address: addr(address),
            delay: PlayoutDelay::fixed(Duration::from_millis(40)),
            speech: Vec::new(),
            spoken: 0,
            heard: Vec::new(),
            log: Vec::new(),
            events: Vec::new(),
            outcomes: Vec::new(),
        }
    }

    pub(crate) fn agree(&mut self, now: Instant, params: &MediaParams) {
        self.session.apply(now, with_delay(params, self.delay));
    }

    pub(crate) fn receive(&mut self, at: Instant, from: SocketAddr, bytes: &[u8]) -> Received {
        let arrival = Arrival {
            at,
            from,
            component: Component::Media,
        };
        let outcome = self.session.receive(&arrival, &mut bytes.to_vec());
        self.outcomes.push(outcome);
        outcome
    }

    /// One tick, as a shard does it, its datagrams being in.
    pub(crate) fn tick(&mut self, now: Instant, network: &mut Network) {
        let rate = self.session.render_rate().map_or(8000, ClockRate::hz) as usize;
        let mut out = vec![0; rate / 100];
        self.session.render(now, &mut out);
        if self.session.render_rate().is_some() {
            self.heard.extend_from_slice(&out);
        }
        let rate = self.session.capture_rate().map_or(8000, ClockRate::hz) as usize;
        let frame = self.speech.get(self.spoken..self.spoken + rate / 100);
        self.session.capture(now, frame);
        if frame.is_some() {
            self.spoken += rate / 100;
        }
        self.flush(now, network);
    }

    pub(crate) fn flush(&mut self, now: Instant, network: &mut Network) {
        let mut buffer = [0; SEND_BUFFER];
        while let Some(packet) = self.session.transmit(now, &mut buffer) {
            network.send(now, self.address, packet.to, buffer[packet.range].to_vec());
        }
        while let Some(event) = self.session.poll_event() {
            self.events.push(event);
        }
        if let Some(log) = self.session.playout_log() {
            while let Some(segment) = log.poll() {
                self.log.push(segment);
            }
        }
    }

    pub(crate) fn digits(&self) -> String {
        self.events
            .iter()
            .filter_map(|e| match e {
                SessionEvent::Digit(press) if !press.ended => Some(press.digit.to_char()),
                _ => None,
            })
            .collect()
    }

    /// The whole log.
    pub(crate) fn segments(&mut self) -> Vec<PlayoutSegment> {
        if let Some(log) = self.session.playout_log() {
            log.flush();
            while let Some(segment) = log.poll() {
                self.log.push(segment);
            }
            assert_eq!(log.overwritten(), 0);
        }
        self.log.clone()
    }
}

/// Two phones and a network.
pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) network: Network,
    pub(crate) a: Phone,
    pub(crate) b: Phone,
}

impl World {
    pub(crate) fn new(seed: u64, impairment: &str) -> Self {
        let mut network = Network::new(seed);
        network.set_default(impairment.parse().unwrap());
        Self {
            now: Instant::from_millis(100_000),
            network,
            a: Phone::new(A, seed * 2 + 1),
            b: Phone::new(B, seed * 2 + 2),
        }
    }

    /// The same with playouts that adapt.
    pub(crate) fn adaptive(seed: u64, impairment: &str) -> Self {
        let mut world = Self::new(seed, impairment);
        world.a.delay = PlayoutDelay::default();
        world.b.delay = PlayoutDelay::default();
        world
    }

    /// Both ends agree on `codec`.
    pub(crate) fn agree(&mut self, codec: &str, clock: u32, ptime_ms: u64) {
        self.a.agree(self.now, &agreed(codec, clock, B, ptime_ms));
        self.b.agree(self.now, &agreed(codec, clock, A, ptime_ms));
    }

    pub(crate) fn deliver(&mut self) {
        while let Some(d) = self.network.poll(self.now) {
            let to = if d.to == self.a.address {
                &mut self.a
            } else {
                &mut self.b
            };
            to.receive(d.at, d.from, &d.bytes);
        }
    }

    pub(crate) fn run(&mut self, ticks: usize) {
        for _ in 0..ticks {
            self.deliver();
            self.a.tick(self.now, &mut self.network);
            self.b.tick(self.now, &mut self.network);
            self.now += FRAME;
        }
    }
}

/// Sound of which no two stretches are alike: two swept tones and a little noise.
pub(crate) fn speech(samples: usize, seed: u32) -> Vec<i16> {
    let mut noise = seed.wrapping_mul(2_654_435_761) | 1;
    (0..samples)
        .map(|n| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let t = n as f64 / 8000.0 + f64::from(seed);
            let tone = (t * 900.0 + (t * 3.0).sin() * 40.0).sin() * 6000.0;
            let other = (t * 2300.0 + (t * 1.3).cos() * 90.0).sin() * 3000.0;
            (tone + other) as i16 + (noise >> 24) as i16 - 128
        })
        .collect()
}

pub(crate) fn codec(name: &str, clock: u32) -> std::sync::Arc<dyn CodecFactory> {
    CodecRegistry::builtin()
        .find(name, clock, 1)
        .unwrap()
        .clone()
}

/// What is wrong with a log: the first sample that is called normal, or nothing, and is not what the sender said.
///
/// `base`: the timestamp of the first sample of `said`.
pub(crate) fn unexplained(
    heard: &[i16],
    log: &[PlayoutSegment],
    said: &[i16],
    base: u32,
) -> Option<u64> {
    let mut position = 0u64;
    for segment in log {
        if segment.position != position {
            return Some(position);
        }
        for n in 0..u64::from(segment.samples) {
            let sample = heard.get((position + n) as usize).copied();
            let right = match segment.action {
                PlayoutAction::Normal => {
                    let at = segment.rtp_timestamp.unwrap_or(0).wrapping_sub(base) as u64 + n;
                    sample == said.get(at as usize).copied()
                }
                PlayoutAction::Silence => sample == Some(0),
                _ => sample.is_some(),
            };
            if !right {
                return Some(position + n);
            }
        }
        position += u64::from(segment.samples);
    }
    (position != heard.len() as u64).then_some(position)
}
