//! What a session costs: run with `cargo bench -p msp-rtp`.
#![allow(clippy::unwrap_used, reason = "a measurement fails by it")]
#![allow(clippy::disallowed_methods, reason = "a measurement reads the clock")]

#[path = "../tests/common/mod.rs"]
mod common;

use std::hint::black_box;

use common::{A, B, addr, agreed, prepared, speech};
use msp_core::time::Instant;
use msp_rtp::packet::SEND_BUFFER;
use msp_rtp::protect::Component;
use msp_rtp::rtcp::WallClock;
use msp_rtp::session::Arrival;
use msp_rtp::{Session, SessionConfig};

const PAIRS: usize = 500;
const SECONDS: u64 = 20;

fn main() {
    let mut ends: Vec<[Session; 2]> = (0..PAIRS as u64)
        .map(|n| {
            [(B, n * 2), (A, n * 2 + 1)].map(|(remote, seed)| {
                let mut s = Session::new(&SessionConfig::new(seed, WallClock::default()));
                s.apply(Instant::ZERO, prepared(&agreed("PCMA", 8000, remote, 20)));
                s
            })
        })
        .collect();
    let speech: Vec<_> = (0..PAIRS).map(|n| speech(8000, n as u32)).collect();
    let addresses = [addr(A), addr(B)];
    let mut buffer = [0; SEND_BUFFER];
    let mut out = [0; 80];
    let [mut capture, mut receive, mut render] = [std::time::Duration::ZERO; 3];
    let mut packets: Vec<(usize, usize, [u8; 300], usize)> = Vec::with_capacity(PAIRS * 4);
    for tick in 0..SECONDS * 100 {
        let now = Instant::from_millis(tick * 10);
        let started = std::time::Instant::now();
        for (pair, to, mut bytes, len) in packets.drain(..) {
            let arrival = Arrival {
                at: now,
                from: addresses[1 - to],
                component: Component::Media,
            };
            black_box(ends[pair][to].receive(&arrival, &mut bytes[..len]));
        }
        let received = std::time::Instant::now();
        for pair in &mut ends {
            for end in pair {
                end.render(now, &mut out);
                black_box(&out);
                while end.playout_log().and_then(|l| l.poll()).is_some() {}
            }
        }
        let rendered = std::time::Instant::now();
        for (n, pair) in ends.iter_mut().enumerate() {
            for (side, end) in pair.iter_mut().enumerate() {
                let at = (tick as usize * 80) % 7900;
                end.capture(now, Some(&speech[n][at..at + 80]));
                while let Some(packet) = end.transmit(now, &mut buffer) {
                    let mut bytes = [0; 300];
                    let len = packet.range.len();
                    bytes[..len].copy_from_slice(&buffer[packet.range]);
                    packets.push((n, 1 - side, bytes, len));
                }
            }
        }
        receive += received - started;
        render += rendered - received;
        capture += rendered.elapsed();
    }
    let frames = (PAIRS as u64 * 2 * SECONDS * 100) as f64;
    let each = |d: std::time::Duration| d.as_nanos() as f64 / frames;
    println!(
        "per stream and 10 ms: receive {:.0} ns, render {:.0} ns, capture and transmit {:.0} ns",
        each(receive),
        each(render),
        each(capture)
    );
}
