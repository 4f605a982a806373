//! What playout costs: run with `cargo bench -p msp-rtp --bench playout`.
#![allow(clippy::unwrap_used, reason = "a measurement fails by it")]
#![allow(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::hint::black_box;
use std::time::Duration;

use msp_codecs::{CodecFactory, Pcma};
use msp_core::id::PayloadType;
use msp_core::time::{ClockRate, Instant};
use msp_rtp::playout::{Playout, PlayoutCodec, PlayoutConfig, PlayoutPacket};
use netsim::Random;

const PACKETS: u64 = 10_000;
const PT: PayloadType = PayloadType(8);

/// Nanoseconds for a packet of 20 ms and its two pulls, with up to `jitter` ticks of delay, as the best of many runs.
fn cost(config: PlayoutConfig, jitter: u64) -> f64 {
    let factory = Pcma;
    let mut best = f64::INFINITY;
    for seed in 0..80 {
        let codec = PlayoutCodec::new(PT, *factory.info(), factory.decoder());
        let mut playout = Playout::new(config, vec![codec]).unwrap();
        let mut luck = Random::new(seed);
        let mut arrivals: Vec<(u64, u64)> = (0..PACKETS)
            .map(|n| {
                let late = if jitter > 0 {
                    luck.next_u64() % (jitter + 1)
                } else {
                    0
                };
                (n * 2 + late, n)
            })
            .collect();
        arrivals.sort_unstable();
        let payloads: Vec<[u8; 160]> = (0..64)
            .map(|_| std::array::from_fn(|_| luck.next_u64() as u8))
            .collect();
        let mut out = [0; 80];
        let mut next = 0;
        let started = std::time::Instant::now();
        for tick in 0..PACKETS * 2 {
            let now = Instant::from_millis(10_000 + tick * 10);
            while let Some((_, n)) = arrivals.get(next).filter(|(at, _)| *at <= tick) {
                let taken = playout.insert(&PlayoutPacket {
                    at: now,
                    place: *n as i64,
                    timestamp: *n as u32 * 160,
                    marker: false,
                    payload_type: PT,
                    payload: &payloads[*n as usize % 64],
                });
                let _ = black_box(taken);
                next += 1;
            }
            playout.pull(now, &mut out);
            black_box(&out);
            while playout.log().poll().is_some() {}
        }
        best = best.min(started.elapsed().as_nanos() as f64 / PACKETS as f64);
    }
    best
}

fn main() {
    let adaptive = PlayoutConfig::new(ClockRate::HZ_8000);
    let fixed = PlayoutConfig::fixed(ClockRate::HZ_8000, Duration::from_millis(60));
    for (name, config) in [("adaptive", adaptive), ("fixed", fixed)] {
        println!(
            "{name}, per packet of 20 ms and its pulls: {:.0} ns, {:.0} ns with jitter of 60 ms",
            cost(config, 0),
            cost(config, 6)
        );
    }
}
