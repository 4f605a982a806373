//! Calls over real sockets: processor time, timing and memory of the endpoint, beside a bare loop that only receives and
//! sends.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a benchmark stops where something is not as it should be, and measures real time"
)]

#[path = "../tests/common/mod.rs"]
mod calls;
mod common;

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use calls::{End, agreed, speech};
use common::{Arrivals, Light, Peers, peer};
use msp_core::link::{OfferRole, TspEnd};
use msp_core::provider::{Address, Provider};
use msp_engine::{Engine, EngineConfig, thread_cpu_time};

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn main() {
    let sound: Arc<[i16]> = speech(5, 80_000, 8000).into();
    // Only what is named, if anything is.
    let named: Vec<_> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with('-'))
        .collect();
    let wanted = |name: &str| named.is_empty() || named.iter().any(|n| n == name);
    // First, for it counts what the process grows by: later calls find the memory of earlier ones.
    if wanted("memory") {
        let memory = memory(&sound, 1000);
        println!(
            "measured: memory of a call over 1,000 calls | {memory:.1} KiB | 48 KiB (the most allowed) | {:.2}",
            48.0 / memory
        );
    }
    if wanted("cpu") {
        cpu(&sound);
    }
    if wanted("live") {
        live(&sound);
    }
}

/// Processor time of a hundred calls, in turn with the bare loop: what else the machine does strikes both.
fn cpu(sound: &Arc<[i16]>) {
    let (mut together, mut low, mut bare) = (f64::MAX, f64::MAX, f64::MAX);
    let time = Duration::from_secs(5);
    for _ in 0..3 {
        together = together.min(carry(sound, 100, false, time).per_pair);
        low = low.min(carry(sound, 100, true, time).per_pair);
        bare = bare.min(bare_loop(100, Duration::from_secs(5)).per_pair);
    }
    println!(
        "measured: CPU for a frame pair of 20 ms at 100 calls | {low:.1} µs | {bare:.1} µs (bare receive and send) | {:.2}",
        bare / low
    );
    println!(
        "measured: the same without low delay, both frames of a packet together | {together:.1} µs | {bare:.1} µs (bare receive and send) | {:.2}",
        bare / together
    );
}

fn live(sound: &Arc<[i16]>) {
    let many = carry(sound, 500, true, Duration::from_secs(20));
    println!(
        "measured: share of a core busy with 500 live calls | {:.0} % | 80 % (the most allowed) | {:.2}",
        many.share * 100.0,
        0.8 / many.share
    );
    let at = |deviations: &[u64], share: usize| {
        deviations[deviations.len() * share / 10_000] as f64 / 1000.0
    };
    let bare = bare_loop(500, Duration::from_secs(20));
    let (p999, other) = (at(&many.deviations, 9990), at(&bare.deviations, 9990));
    println!(
        "measured: send deviation p99.9 with 500 live calls | {p999:.2} ms | {other:.2} ms (bare receive and send; 5 ms are allowed) | {:.2}",
        other / p999
    );
    println!(
        "send deviation p50, p99, p99.9, p99.99 in ms: {:?}; bare {:?}",
        [5000, 9900, 9990, 9999].map(|p| at(&many.deviations, p)),
        [5000, 9900, 9990, 9999].map(|p| at(&bare.deviations, p))
    );
    println!(
        "500 calls: {:.1} µs for a frame pair; slices late {} and skipped {}; frames concealed {}",
        many.per_pair, many.late, many.skipped, many.concealed
    );
}

struct Measured {
    per_pair: f64,
    share: f64,
    deviations: Vec<u64>,
    late: u64,
    skipped: u64,
    concealed: u64,
}

fn engine(low_delay: bool) -> Engine {
    let config = EngineConfig::default()
        .low_delay(low_delay)
        .bind(vec![HOME])
        .ports(20_000..=27_999)
        .shards(1)
        .quarantine(Duration::ZERO);
    Engine::start(config).unwrap()
}

fn carry(sound: &Arc<[i16]>, calls: usize, low_delay: bool, time: Duration) -> Measured {
    let engine = engine(low_delay);
    let line = Line::open(&engine);
    let peers = Peers::new(calls);
    let mut targets = Vec::new();
    let mut ends = Vec::new();
    for (n, address) in peers.addresses.iter().enumerate() {
        let (end, target) = call(&line, sound, n, *address);
        targets.push(target);
        ends.push(end);
    }
    let (counting, over) = (AtomicBool::new(false), AtomicBool::new(false));
    let (arrivals, cpu, took) = std::thread::scope(|scope| {
        let speaking = scope.spawn(|| peers.run(&targets, &counting, &over));
        std::thread::sleep(Duration::from_secs(2));
        let media = thread_named("media-0");
        let (before, began) = (cpu_of(&media), Instant::now());
        counting.store(true, Ordering::Relaxed);
        std::thread::sleep(time);
        counting.store(false, Ordering::Relaxed);
        let (cpu, took) = (cpu_of(&media) - before, began.elapsed());
        over.store(true, Ordering::Relaxed);
        let arrivals: Arrivals = speaking.join().unwrap();
        (arrivals, cpu, took)
    });
    let pairs = calls as f64 * took.as_secs_f64() * 50.0;
    let load = &engine.loads()[0];
    let concealed = ends
        .iter()
        .map(|e| e.render().stats().playout.concealed)
        .sum::<u64>()
        / 160;
    let (late, skipped) = (load.late_slices(), load.skipped_slices());
    engine.close();
    Measured {
        per_pair: cpu.as_secs_f64() * 1e6 / pairs,
        share: cpu.as_secs_f64() / took.as_secs_f64(),
        deviations: arrivals.deviations(),
        late,
        skipped,
        concealed,
    }
}

fn call(line: &Line, sound: &Arc<[i16]>, n: usize, to: SocketAddr) -> (End, SocketAddr) {
    let end = End::on(line.address.clone(), line.link.clone());
    let light = Light::new(sound.clone(), n * 719 % 70_000);
    end.capture().select(light.clone()).unwrap();
    end.render().select(light).unwrap();
    let mut wait = || std::thread::sleep(Duration::from_micros(50));
    let local = end.prepare(OfferRole::Offerer, HOME, &mut wait);
    end.apply(agreed(&local, &peer(&local, to)), &mut wait);
    (end, local.local.unwrap().advertised)
}

/// The line that all calls are made on.
struct Line {
    address: Arc<dyn Address>,
    link: Rc<TspEnd>,
}

impl Line {
    fn open(engine: &Engine) -> Self {
        let open = engine.open("bench").unwrap();
        Self {
            address: open.address,
            link: Rc::new(open.link),
        }
    }
}

/// What the bare loop took.
struct Bare {
    per_pair: f64,
    deviations: Vec<u64>,
}

/// Receives and sends for as many calls on the same ticks, and does nothing with what comes.
fn bare_loop(calls: usize, time: Duration) -> Bare {
    let sockets: Vec<_> = (0..calls)
        .map(|_| {
            let socket = UdpSocket::bind((HOME, 0)).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        })
        .collect();
    let targets: Vec<_> = sockets.iter().map(|s| s.local_addr().unwrap()).collect();
    let peers = Peers::new(calls);
    let to = peers.addresses.clone();
    let (counting, over) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let speaking = scope.spawn(|| peers.run(&targets, &counting, &over));
        std::thread::sleep(Duration::from_secs(1));
        counting.store(true, Ordering::Relaxed);
        let (before, began) = (thread_cpu_time().unwrap(), Instant::now());
        let mut slice = 0u32;
        let mut packet = [0x80; 172];
        while began.elapsed() < time {
            slice += 1;
            let due = began + Duration::from_millis(5) * slice;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            for i in (slice as usize % 4..calls).step_by(4) {
                let mut buffer = [0; 2048];
                while sockets[i].recv_from(&mut buffer).is_ok() {}
                packet[4..8].copy_from_slice(&(slice / 4 * 160).to_be_bytes());
                let _ = sockets[i].send_to(&packet, to[i]);
            }
        }
        let cpu = thread_cpu_time().unwrap() - before;
        let pairs = calls as f64 * began.elapsed().as_secs_f64() * 50.0;
        over.store(true, Ordering::Relaxed);
        Bare {
            per_pair: cpu.as_secs_f64() * 1e6 / pairs,
            deviations: speaking.join().unwrap().deviations(),
        }
    })
}

/// Growth of the process for each of so many calls that carry media.
fn memory(sound: &Arc<[i16]>, calls: usize) -> f64 {
    let engine = engine(true);
    let line = Line::open(&engine);
    let peer = UdpSocket::bind((HOME, 0)).unwrap();
    let to = peer.local_addr().unwrap();
    // What is taken once, however many calls there are, is taken before.
    let warm: Vec<_> = (0..4).map(|n| call(&line, sound, n, to)).collect();
    std::thread::sleep(Duration::from_millis(500));
    let before = resident();
    let ends: Vec<_> = (0..calls).map(|n| call(&line, sound, n, to)).collect();
    let mut packet = [0x80u8; 172];
    packet[1] = 0;
    let is_heard = |e: &End| e.render().stats().received.packets > 10;
    for round in 0..1500u16 {
        packet[2..4].copy_from_slice(&round.to_be_bytes());
        packet[4..8].copy_from_slice(&(u32::from(round) * 160).to_be_bytes());
        for (_, target) in &ends {
            peer.send_to(&packet, target).unwrap();
        }
        std::thread::sleep(Duration::from_millis(20));
        if round % 50 == 49 && ends.iter().all(|(e, _)| is_heard(e)) {
            break;
        }
    }
    let grown = resident() - before;
    let heard = ends.iter().filter(|(e, _)| is_heard(e)).count();
    assert_eq!(heard, calls, "calls that were heard");
    drop(warm);
    engine.close();
    grown as f64 / 1024.0 / calls as f64
}

fn resident() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

fn thread_named(name: &str) -> String {
    fs::read_dir("/proc/self/task")
        .unwrap()
        .map(|t| t.unwrap().path().to_string_lossy().into_owned())
        .find(|t| fs::read_to_string(format!("{t}/comm")).unwrap().trim() == name)
        .unwrap()
}

/// Processor time of a thread, in user and in kernel mode.
fn cpu_of(thread: &str) -> Duration {
    let stat = fs::read_to_string(format!("{thread}/schedstat")).unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}
