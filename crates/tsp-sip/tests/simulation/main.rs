//! Whole networks of phones in virtual time, by random scripts from seeds.
//!
//! A seed that fails replays: `TIPRING_SEED=n cargo test -p tsp-sip --test simulation -- --nocapture` runs it alone and prints
//! every message. `TIPRING_SEEDS=n` runs so many, `TIPRING_FAILURES=n` until so many failed.

#[path = "../support/mod.rs"]
mod support;

mod invariants;
mod media;
mod network;
mod pairs;
mod player;
mod script;

use std::fmt::Write as _;

use network::Outcome;
use support::Reached;

/// How many networks a run builds unless told otherwise.
const SEEDS: u64 = 10_000;

/// After so many seeds that failed there is enough to look at, unless told otherwise.
const ENOUGH: u64 = 10;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

// Shows: networks of phones by random scripts: nothing sticks, leaks or disagrees, whatever is lost | 10,000 seeds in virtual time
#[test]
fn networks_of_phones_come_to_rest_and_agree() {
    if let Some(seed) = number("TIPRING_SEED") {
        let outcome = network::run(seed, true);
        assert!(outcome.faults.is_empty(), "{}", outcome.faults.join("\n"));
        return;
    }
    let mut reached = Reached::new();
    let mut sums = Outcome::default();
    let mut failed = Vec::new();
    let seeds = number("TIPRING_SEEDS").unwrap_or(SEEDS);
    let enough = number("TIPRING_FAILURES").unwrap_or(ENOUGH);
    for seed in 0..seeds {
        let outcome = network::run(seed, false);
        for (place, n) in outcome.reached {
            *reached.entry(place).or_default() += n;
        }
        sums.calls += outcome.calls;
        sums.connected += outcome.connected;
        sums.compared += outcome.compared;
        for (sum, n) in sums.passed_on.iter_mut().zip(outcome.passed_on) {
            *sum += n;
        }
        if !outcome.faults.is_empty() {
            failed.push(format!("seed {seed}: {}", outcome.faults.join("; ")));
        }
        if failed.len() as u64 == enough {
            break;
        }
    }
    println!(
        "{} calls, {} ends connected, {} ends compared with the other",
        sums.calls, sums.connected, sums.compared
    );
    let [blind, consulted, failed_ones] = sums.passed_on;
    println!("{blind} calls passed on, {consulted} after a consultation, {failed_ones} in vain");
    println!("{} pairs of state and event:", reached.len());
    print!("{}", table(&reached));
    let count = failed.len();
    assert!(count == 0, "{count} seeds failed:\n{}", failed.join("\n"));
    let passed_on = sums.passed_on.iter().all(|n| *n > 0);
    assert!(passed_on, "passed on: {:?}", sums.passed_on);
    // A part of the seeds need not get everywhere.
    if seeds < SEEDS {
        return;
    }
    let expected = pairs::EXPECTED.iter();
    let expected = expected.flat_map(|(state, events)| events.iter().map(move |e| (*state, *e)));
    let never = expected.filter(|(state, event)| {
        !reached
            .keys()
            .any(|(s, e)| format!("{s:?}") == *state && e == event)
    });
    let never: Vec<_> = never.collect();
    assert!(never.is_empty(), "no script reached {never:?}");
}

fn table(reached: &Reached) -> String {
    let mut out = String::new();
    for ((state, event), n) in reached {
        let state = format!("{state:?}");
        let _infallible = writeln!(out, "{state:<16} {event:<20} {n:>9}");
    }
    out
}
