//! What the benchmarks share: terminals that cost little, and peers that speak plain RTP.
#![allow(dead_code, reason = "each benchmark uses a part of it")]
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a benchmark stops where something is not as it should be, and measures real time"
)]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use msp_core::controls::AudioControls;
use msp_core::id::{PayloadType, TerminalId};
use msp_core::media::{Direction, MediaKind};
use msp_core::params::{LocalAddress, MediaParams, MediaSlot, PayloadMapping};
use msp_core::terminal::{
    Connection, FrameSink, FrameSource, FrameTime, Pulled, StreamPort, Terminal, TerminalClass,
    next_terminal_id,
};
use msp_core::time::ClockRate;
use msp_engine::udp::TimedSocket;

static CLASS: TerminalClass = TerminalClass::new("bench");

/// Says the same sound again and again, or counts what it hears.
pub(crate) struct Light {
    id: TerminalId,
    controls: Arc<AudioControls>,
    sound: Arc<[i16]>,
    pub(crate) heard: Arc<AtomicU64>,
    offset: usize,
}

impl Light {
    pub(crate) fn new(sound: Arc<[i16]>, offset: usize) -> Arc<Self> {
        Arc::new(Self {
            id: next_terminal_id(),
            controls: Arc::default(),
            sound,
            heard: Arc::default(),
            offset,
        })
    }
}

impl Terminal for Light {
    fn id(&self) -> TerminalId {
        self.id
    }
    fn name(&self) -> &str {
        "light"
    }
    fn class(&self) -> &TerminalClass {
        &CLASS
    }
    fn direction(&self) -> Direction {
        Direction::Bidirectional
    }
    fn capacity(&self) -> usize {
        2
    }
    fn controls(&self) -> &Arc<AudioControls> {
        &self.controls
    }
    fn connect(&self, port: StreamPort) -> msp_core::Result<Connection> {
        Ok(if port.direction == Direction::Capture {
            Connection::Source(Box::new(Saying(self.sound.clone(), self.offset)))
        } else {
            Connection::Sink(Box::new(Hearing(self.heard.clone())))
        })
    }
}

struct Saying(Arc<[i16]>, usize);

impl FrameSource for Saying {
    fn pull(&mut self, _: FrameTime, frame: &mut [i16]) -> Pulled {
        if self.1 + frame.len() > self.0.len() {
            self.1 = 0;
        }
        frame.copy_from_slice(&self.0[self.1..self.1 + frame.len()]);
        self.1 += frame.len();
        Pulled::Sound
    }
}

struct Hearing(Arc<AtomicU64>);

impl FrameSink for Hearing {
    fn push(&mut self, _: FrameTime, frame: &[i16]) {
        let loud = frame.iter().filter(|s| s.unsigned_abs() > 300).count();
        self.0.fetch_add(loud as u64, Ordering::Relaxed);
    }
}

/// A peer that receives G.711 and digits at `address`.
pub(crate) fn peer(local: &MediaParams, address: SocketAddr) -> MediaParams {
    let mut peer = MediaParams::new(MediaSlot(0), MediaKind::Audio);
    let narrow = |m: &&PayloadMapping| {
        m.payload_type == PayloadType(0)
            || m.codec.is_telephone_event() && m.codec.clock == ClockRate::HZ_8000
    };
    peer.receive = local.receive.iter().filter(narrow).cloned().collect();
    peer.ptime = Some(Duration::from_millis(20));
    peer.local = Some(LocalAddress {
        bound: address,
        advertised: address,
    });
    peer
}

/// How far packets were from where they belong in time.
#[derive(Default)]
pub(crate) struct Arrivals {
    /// For each packet of each call: arrival less the time that its timestamp tells, in microseconds.
    offsets: Vec<Vec<i64>>,
}

impl Arrivals {
    /// The deviations from the median of each call, sorted, in microseconds.
    pub(crate) fn deviations(&self) -> Vec<u64> {
        let mut all = Vec::new();
        for call in &self.offsets {
            let mut sorted = call.clone();
            sorted.sort_unstable();
            let Some(median) = sorted.get(sorted.len() / 2).copied() else {
                continue;
            };
            all.extend(call.iter().map(|o| o.abs_diff(median)));
        }
        all.sort_unstable();
        all
    }
}

/// Peers on a thread: each sends a packet of G.711 every 20 ms to its call and takes what comes.
pub(crate) struct Peers {
    pub(crate) addresses: Vec<SocketAddr>,
    sockets: Vec<TimedSocket>,
}

impl Peers {
    pub(crate) fn new(calls: usize) -> Self {
        let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        let sockets: Vec<_> = (0..calls)
            .map(|_| TimedSocket::bind(any).unwrap())
            .collect();
        Self {
            addresses: sockets.iter().map(|s| s.local_addr().unwrap()).collect(),
            sockets,
        }
    }

    /// Speaks to `targets` until `over`; says how the packets of the other side came while `counting`.
    pub(crate) fn run(
        mut self,
        targets: &[SocketAddr],
        counting: &AtomicBool,
        over: &AtomicBool,
    ) -> Arrivals {
        let n = self.sockets.len();
        let mut came: Vec<Vec<(u32, i64)>> = vec![Vec::with_capacity(4096); n];
        let mut packet = [0u8; 172];
        packet[0] = 0x80;
        for (i, byte) in packet[12..].iter_mut().enumerate() {
            *byte = (i as u8).wrapping_mul(37) | 0x20;
        }
        let start = Instant::now();
        let mut round = 0u32;
        while !over.load(Ordering::Relaxed) {
            for slice in 0..4u32 {
                let due = start + Duration::from_millis(u64::from(20 * round + 5 * slice));
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                for i in (slice as usize..n).step_by(4) {
                    packet[2..4].copy_from_slice(&(round as u16).to_be_bytes());
                    packet[4..8].copy_from_slice(&(round * 160).to_be_bytes());
                    packet[8..12].copy_from_slice(&(i as u32 + 1).to_be_bytes());
                    // A full buffer of the other side is its loss, and shows there.
                    let _ = self.sockets[i].send_to(&packet, targets[i]);
                    let record = counting.load(Ordering::Relaxed);
                    let call = &mut came[i];
                    self.sockets[i]
                        .drain(|_, at, bytes| {
                            if record && bytes.len() == 172 {
                                let timestamp = [bytes[4], bytes[5], bytes[6], bytes[7]];
                                let timestamp = u32::from_be_bytes(timestamp);
                                call.push((timestamp, at.as_nanos() as i64 / 1000));
                            }
                        })
                        .unwrap();
                }
            }
            round += 1;
        }
        Arrivals {
            offsets: came.iter().map(|c| offsets(c)).collect(),
        }
    }
}

/// Arrivals less the time that the timestamps tell, in microseconds.
fn offsets(came: &[(u32, i64)]) -> Vec<i64> {
    let Some((first, _)) = came.first().copied() else {
        return Vec::new();
    };
    came.iter()
        .map(|(timestamp, at)| at - i64::from(timestamp.wrapping_sub(first) as i32) * 125)
        .collect()
}
