//! One playout at the end of a line: packets come when a list says so, and what is heard is measured.
#![allow(dead_code, reason = "each test file uses its part of it")]
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::time::Duration;

use msp_codecs::CodecRegistry;
use msp_core::id::PayloadType;
use msp_core::stats::{DropReason, PlayoutStats};
use msp_core::time::{ClockRate, Instant};
use msp_core::trace::{PlayoutAction, PlayoutSegment};
use msp_rtp::playout::{Playout, PlayoutCodec, PlayoutConfig, PlayoutPacket};

/// When the first packet is sent; ticks are at multiples of 10 ms.
const BEGIN: u64 = 10_000_000_000;
const TICK: u64 = 10_000_000;

/// A packet on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    /// When it arrives, in nanoseconds after the first could be sent.
    pub(crate) at: i64,
    pub(crate) place: i64,
    /// Samples at the sample rate since the first, which is also the timestamp.
    pub(crate) timestamp: i64,
    pub(crate) samples: usize,
    pub(crate) marker: bool,
}

/// What was heard.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) stats: PlayoutStats,
    pub(crate) late: u64,
    /// Packets that came and were not played.
    pub(crate) missed: u64,
    pub(crate) packets: usize,
    /// For each pull's worth of sound that came from packets: when its first sample was played, by how much after the fastest packet
    /// of all could have brought it, in milliseconds, and how many samples it has.
    pub(crate) delays: Vec<(f64, f64, u32)>,
    pub(crate) log: Vec<PlayoutSegment>,
    pub(crate) pcm: Vec<i16>,
}

impl Heard {
    /// The mean delay over the fastest packet, over all samples that were played after `from` seconds.
    pub(crate) fn delay_after(&self, from: f64) -> f64 {
        self.delay_between(from, f64::INFINITY)
    }

    /// The same, over those between `from` and `to`.
    pub(crate) fn delay_between(&self, from: f64, to: f64) -> f64 {
        let (mut sum, mut n) = (0.0, 0.0);
        for (at, delay, samples) in &self.delays {
            if (from..to).contains(at) {
                sum += delay * f64::from(*samples);
                n += f64::from(*samples);
            }
        }
        sum / n
    }

    pub(crate) fn late_share(&self) -> f64 {
        self.late as f64 / self.packets as f64
    }

    /// A share of all samples in which there was sound or should have been.
    pub(crate) fn share(&self, samples: u64) -> f64 {
        let s = &self.stats;
        samples as f64 / (s.normal + s.warped + s.concealed) as f64
    }
}

/// A voice with pauses: harmonics of a pitch that glides between 90 and 210 Hz, and the noise of a quiet room.
pub(crate) fn voice(hz: u32, samples: usize) -> Vec<i16> {
    let (mut phase, mut noise) = (0.0f64, 1u32);
    (0..samples)
        .map(|n| {
            let t = n as f64 / f64::from(hz);
            phase += (150.0 + 60.0 * (t * 1.7).sin()) / f64::from(hz);
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let room = f64::from(noise >> 16) / 65_536.0 * 60.0 - 30.0;
            let loud = ((t * 2.3).sin() * 2.0).clamp(-1.0, 1.0) * 0.5 + 0.5;
            let talks = if t % 2.5 < 1.6 { loud } else { 0.0 };
            let tone: f64 = (1..8)
                .map(|k| (phase * f64::from(k) * std::f64::consts::TAU).sin() / f64::from(k))
                .sum();
            (tone * talks * 5000.0 + room) as i16
        })
        .collect()
}

/// Packets of `ms` for `seconds`, each `delay(n)` milliseconds on its way, or lost.
pub(crate) fn packets(
    ms: usize,
    seconds: usize,
    mut delay: impl FnMut(i64) -> Option<f64>,
) -> Vec<Sent> {
    let count = (seconds * 1000 / ms) as i64;
    (0..count)
        .filter_map(|n| {
            Some(Sent {
                at: n * ms as i64 * 1_000_000 + (delay(n)? * 1e6) as i64,
                place: n,
                timestamp: n * ms as i64 * 8,
                samples: ms * 8,
                marker: n == 0,
            })
        })
        .collect()
}

/// Plays `sent`, packets of PCMU, as `config` says. `control` may do what it likes before each pull.
pub(crate) fn listen(
    config: PlayoutConfig,
    sent: &[Sent],
    speech: &[i16],
    mut control: impl FnMut(u64, &mut Playout),
) -> Heard {
    let codecs = CodecRegistry::builtin();
    let codec = codecs.find("PCMU", 8000, 1).unwrap().clone();
    let mut encoder = codec.encoder();
    let pt = PayloadType(0);
    let mut playout = Playout::new(
        config,
        vec![PlayoutCodec::new(pt, *codec.info(), codec.decoder())],
    )
    .unwrap();
    let mut queue: Vec<Sent> = sent.to_vec();
    // Those that come at once in the order of the list.
    queue.sort_by_key(|s| s.at);
    let fastest = queue
        .iter()
        .map(|s| s.at - s.timestamp * 125_000)
        .min()
        .unwrap();
    let end = queue.last().unwrap().at as u64 + BEGIN + 100 * TICK;
    let mut queue = queue.into_iter().peekable();
    let (mut now, mut heard) = (BEGIN - 10 * TICK, Vec::new());
    let mut log = Vec::new();
    let begin = now;
    let mut payload = vec![0; 1500];
    let (mut tick, mut refused) = (0, 0);
    while now < end {
        while let Some(packet) = queue.next_if(|s| s.at + BEGIN as i64 <= now as i64) {
            let from = packet.timestamp as usize % (speech.len() - packet.samples);
            let len = encoder
                .encode(&speech[from..from + packet.samples], &mut payload)
                .unwrap();
            let taken = playout.insert(&PlayoutPacket {
                at: Instant::from_nanos((packet.at + BEGIN as i64) as u64),
                place: packet.place,
                timestamp: packet.timestamp as u32,
                marker: packet.marker,
                payload_type: pt,
                payload: &payload[..len],
            });
            refused += u64::from(taken.is_err());
        }
        control(tick, &mut playout);
        let mut out = [0; 80];
        playout.pull(Instant::from_nanos(now), &mut out);
        heard.extend_from_slice(&out);
        while let Some(segment) = playout.log().poll() {
            log.push(segment);
        }
        now += TICK;
        tick += 1;
    }
    playout.log().flush();
    while let Some(segment) = playout.log().poll() {
        log.push(segment);
    }
    let mut delays = Vec::new();
    for s in &log {
        let (PlayoutAction::Normal | PlayoutAction::Blended, Some(timestamp)) =
            (s.action, s.rtp_timestamp)
        else {
            continue;
        };
        let played = begin as i64 + s.position as i64 * 125_000 - BEGIN as i64;
        let could = i64::from(timestamp) * 125_000 + fastest;
        // In pieces of a pull, to know the delay at any time.
        for piece in 0..s.samples.div_ceil(80) {
            delays.push((
                (played as f64) / 1e9 + f64::from(piece) / 100.0,
                (played - could) as f64 / 1e6,
                (s.samples - piece * 80).min(80),
            ));
        }
    }
    let stats = *playout.stats();
    assert!(playout.drops().get(DropReason::Late) <= stats.discarded);
    Heard {
        stats,
        late: stats.late,
        missed: refused + stats.discarded,
        packets: sent.len(),
        delays,
        log,
        pcm: heard,
    }
}

pub(crate) fn adaptive() -> PlayoutConfig {
    PlayoutConfig::new(ClockRate::HZ_8000)
}

pub(crate) fn fixed(ms: u64) -> PlayoutConfig {
    PlayoutConfig::fixed(ClockRate::HZ_8000, Duration::from_millis(ms))
}
