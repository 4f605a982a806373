//! Simulated streams: how many a machine carries in virtual time, with distinct speech, digits, reports and sources that
//! change; without an allocation; each equal to itself alone.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a benchmark stops where something is not as it should be, and measures real time"
)]

#[path = "../tests/common/mod.rs"]
mod calls;
#[path = "common/field.rs"]
mod field;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use field::{ALLOCATED, CLEAN, Field, IMPAIRED, Speech};

const CORES: usize = 2;

/// Measured so often, one after another. The best counts: on a machine that others use too, the rest is their time.
const RUNS: usize = 3;
const RUN: Duration = Duration::from_secs(5);

fn main() {
    let speech = Arc::new(Speech::new());
    for (streams, way, name) in [
        (25_000, CLEAN, "clean"),
        (10_000, IMPAIRED, "3 % loss, 40 ms jitter"),
    ] {
        let start = Barrier::new(CORES);
        let took: Vec<Vec<Duration>> = std::thread::scope(|scope| {
            let parts: Vec<_> = (0..CORES)
                .map(|core| {
                    let (speech, start) = (&speech, &start);
                    scope.spawn(move || {
                        let numbers = (core..streams).step_by(CORES).collect::<Vec<_>>();
                        let mut field = Field::new(speech, &numbers, way, 0);
                        // Sources are heard, buffers are full; then it is counted.
                        field.run(Duration::from_secs(2));
                        let run = |_| {
                            start.wait();
                            let before = std::time::Instant::now();
                            field.run(RUN);
                            before.elapsed()
                        };
                        (0..RUNS).map(run).collect()
                    })
                })
                .collect();
            parts.into_iter().map(|p| p.join().unwrap()).collect()
        });
        // A run is over when its last core is.
        let times = (0..RUNS).map(|n| {
            let longest = took.iter().map(|core| core[n]).max().unwrap();
            RUN.as_secs_f64() / longest.as_secs_f64()
        });
        let times: Vec<f64> = times.collect();
        let best = times.iter().copied().fold(0.0, f64::max);
        println!(
            "measured: {streams} simulated streams of G.711, {name}, on {CORES} cores | {best:.2} times real time | 1 (real time) | {best:.2}"
        );
        println!("{streams} {name}: each of {RUNS} runs, in times of real time: {times:.2?}");
    }
    allocations(&speech);
    alone(&speech);
}

/// Counts allocations over a minute in which everything happens.
fn allocations(speech: &Arc<Speech>) {
    let numbers: Vec<_> = (0..200).collect();
    let mut field = Field::new(speech, &numbers, IMPAIRED, 0);
    field.run(Duration::from_secs(1));
    let before = ALLOCATED.load(Ordering::Relaxed);
    field.run(Duration::from_secs(60));
    let after = ALLOCATED.load(Ordering::Relaxed);
    assert!(field.farm.digits_heard() > 500, "digits were heard");
    println!(
        "measured: allocations of 200 impaired streams over 60 s | {} | 0 (the most allowed) | 1.00",
        after - before
    );
    assert_eq!(after, before);
}

/// A hundred streams among others are what they are alone.
fn alone(speech: &Arc<Speech>) {
    let numbers: Vec<_> = (0..1000).collect();
    let mut together = Field::new(speech, &numbers, IMPAIRED, 0);
    together.run(Duration::from_secs(20));
    let together = together.end();
    let mut drawn = 7usize;
    let mut equal = 0;
    for _ in 0..100 {
        drawn = (drawn * 48_271) % 1009;
        let n = drawn % 1000;
        // It begins in the same slice as among the others.
        let mut single = Field::new(speech, &[n], IMPAIRED, n % 4);
        single.run(Duration::from_secs(20));
        equal += usize::from(single.end()[0] == together[n]);
    }
    println!(
        "measured: streams of 100 drawn that equal themselves alone, bit by bit | {equal} | 100 | {:.2}",
        equal as f64 / 100.0
    );
    assert_eq!(equal, 100);
}
