//! Many calls of signals alone from SIPp, to us and to SIPp's own callee in one run, each side on a core of its own: what a
//! call takes of processor and memory, and how soon it rings.

use std::time::Duration;

use crate::callee::Callee;
use crate::clock::pause;
use crate::error::{Error, ensure};
use crate::lab::Lab;
use crate::load::{busy, resident};
use crate::process::Process;

/// What SIPp calls by.
const SCENARIO: &str = "uac-signals";

/// Calls of one measurement, and how many begin in a second: half of what one core takes of the slowest.
const CALLS: u32 = 4_000;
const RATE: u32 = 400;
/// Calls that are held at a time.
const HELD: u32 = 5_000;
/// Calls that come and go.
const FINISHED: u32 = 50_000;
/// The longest that anything waits for after a call, and a little more.
const FORGOTTEN: Duration = Duration::from_secs(34);
const SOON: Duration = Duration::from_secs(10);

/// Measures and prints what the measurements' document takes.
pub(crate) fn run() -> Result<(), Error> {
    let theirs = Callee::sipp(&Lab::open("signals-sipp")?)?.answer()?;
    let lab = Lab::open("signals-tipring")?;
    let ours = Callee::tipring(&lab, &[])?;
    let cost = ours.answer()?;
    say(
        "processor for an answered call, signals alone, kernel included",
        cost.each,
        theirs.each,
        "SIPp's callee",
    );
    println!(
        "measured: INVITE to 180 at {RATE} calls a second, p99 | {:.1} ms | {:.1} ms (SIPp's callee; 5 ms are allowed) | {:.2}",
        cost.ring * 1e3,
        theirs.ring * 1e3,
        theirs.ring / cost.ring
    );
    ours.load(FINISHED / 5, 1_000, Duration::ZERO)?;
    pause(FORGOTTEN);
    let idle = resident(ours.process.id())?;
    ours.load(FINISHED, 1_000, Duration::ZERO)?;
    pause(FORGOTTEN);
    let left = resident(ours.process.id())?.saturating_sub(idle);
    println!(
        "measured: memory that {FINISHED} finished calls leave, over that after {} | {} KiB | 0 KiB (the most allowed) | {:.2}",
        FINISHED / 5,
        left / 1024,
        left as f64 / f64::from(FINISHED)
    );
    let mut most = 0;
    let hold = Duration::from_secs(20);
    let mut held = ours.start(HELD, 500, hold)?;
    for _ in 0..15 {
        pause(Duration::from_secs(1));
        most = most.max(resident(ours.process.id())?);
    }
    held.wait_for_code(4 * hold, 0)?;
    let each = most.saturating_sub(idle) as f64 / f64::from(HELD) / 1024.0;
    println!(
        "measured: resident memory of each of {HELD} held calls without media, both halves | {each:.1} KiB | 8 KiB (the most allowed) | {:.2}",
        8.0 / each
    );
    let lab = Lab::open("signals-media")?;
    let cost = Callee::tipring(&lab, &["media"])?.answer()?;
    say(
        "processor for an answered call whose ports are opened, kernel included",
        cost.each,
        Duration::from_micros(250),
        "the most allowed",
    );
    Ok(())
}

fn say(what: &str, ours: Duration, other: Duration, who: &str) {
    println!(
        "measured: {what} | {} µs | {} µs ({who}) | {:.2}",
        ours.as_micros(),
        other.as_micros(),
        other.as_secs_f64() / ours.as_secs_f64()
    );
}

/// What one call took.
struct Cost {
    each: Duration,
    /// Seconds until the 180 came, 99 of 100 times.
    ring: f64,
}

impl Callee<'_> {
    /// Calls it many times and measures what that took.
    fn answer(&self) -> Result<Cost, Error> {
        // What is made once is made before.
        self.load(200, RATE, Duration::ZERO)?;
        let before = busy(self.process.id())?;
        self.load(CALLS, RATE, Duration::ZERO)?;
        let took = busy(self.process.id())?.saturating_sub(before);
        Ok(Cost {
            each: took / CALLS,
            ring: self.ring()?,
        })
    }

    fn load(&self, calls: u32, rate: u32, hold: Duration) -> Result<(), Error> {
        let limit = Duration::from_secs(u64::from(calls / rate)) + hold + SOON;
        self.start(calls, rate, hold)?.wait_for_code(limit, 0)
    }

    fn start(&self, calls: u32, rate: u32, hold: Duration) -> Result<Process, Error> {
        self.forget(SCENARIO)?;
        self.calls(SCENARIO, calls, rate, hold)
    }

    fn ring(&self) -> Result<f64, Error> {
        let mut all: Vec<f64> = self.times(SCENARIO)?.into_iter().map(|t| t.took).collect();
        all.sort_by(f64::total_cmp);
        ensure(all.len() > 100, || "SIPp wrote no times".to_owned())?;
        let at = all.len() * 99 / 100;
        Ok(all.get(at).copied().unwrap_or_default() / 1e3)
    }
}
