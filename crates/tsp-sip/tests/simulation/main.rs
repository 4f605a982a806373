//! Whole networks of phones in virtual time, by random scripts from seeds.
//!
//! A seed that fails replays: `TIPRING_SEED=n cargo test -p tsp-sip --test simulation -- --nocapture` runs it alone and prints
//! every message. `TIPRING_SEEDS=n` runs so many.

#[path = "../support/mod.rs"]
mod support;

mod invariants;
mod media;
mod network;
mod script;

use std::fmt::Write as _;

use network::Outcome;
use support::Reached;

/// How many networks a run builds unless told otherwise.
const SEEDS: u64 = 10_000;

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
    for seed in 0..number("TIPRING_SEEDS").unwrap_or(SEEDS) {
        let outcome = network::run(seed, false);
        for (place, n) in outcome.reached {
            *reached.entry(place).or_default() += n;
        }
        sums.calls += outcome.calls;
        sums.connected += outcome.connected;
        sums.compared += outcome.compared;
        if !outcome.faults.is_empty() {
            failed.push(format!("seed {seed}: {}", outcome.faults.join("; ")));
        }
    }
    println!(
        "{} calls, {} ends connected, {} pairs of ends compared",
        sums.calls, sums.connected, sums.compared
    );
    print!("{}", table(&reached));
    assert!(
        failed.is_empty(),
        "{} seeds failed, the first of them:\n{}",
        failed.len(),
        failed
            .iter()
            .take(10)
            .cloned()
            .collect::<Vec<_>>()
            .join("\n")
    );
    let never = expected().filter(|(state, event)| {
        !reached
            .keys()
            .any(|(s, e)| format!("{s:?}") == *state && e == event)
    });
    let never: Vec<_> = never.collect();
    assert!(never.is_empty(), "no script reached {never:?}");
}

/// Pairs of state and event that the scripts are there for.
fn expected() -> impl Iterator<Item = (&'static str, &'static str)> {
    [
        ("Dialing", "HangUp"),
        ("Inviting", "HangUp"),
        ("Proceeding", "HangUp"),
        ("Proceeding", "2xx INVITE"),
        ("Alerting", "CANCEL"),
        ("Answering", "CANCEL"),
        ("Answering", "HangUp"),
        ("Unacknowledged", "ACK"),
        ("Unacknowledged", "HangUp"),
        ("Unacknowledged", "INVITE"),
        ("Up", "BYE"),
        ("Up", "INVITE"),
        ("Up", "media Renegotiate"),
        ("Serving", "BYE"),
        ("Serving", "HangUp"),
        ("Changing", "4xx INVITE"),
        ("Changing", "INVITE"),
        ("Changing", "BYE"),
        ("Changing", "HangUp"),
        ("Cancelling", "2xx INVITE"),
        ("Cancelling", "4xx INVITE"),
        ("Over", "ACK"),
    ]
    .into_iter()
}

fn table(reached: &Reached) -> String {
    let mut out = String::new();
    for ((state, event), n) in reached {
        let state = format!("{state:?}");
        let _infallible = writeln!(out, "{state:<16} {event:<20} {n:>9}");
    }
    out
}
