//! What a report says of a call, and how it looks.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tipring_report::model::{Outcome, Step};
use tipring_report::{Limits, Report, ReportBuilder, Verdict, WallClock};

use crate::sample::{Call, Conditions, call};

const CLOCK: WallClock = WallClock::from_unix_nanos(1_785_000_000_000_000_000);

fn report(call: &Call, conditions: &str) -> Report {
    let (alice, bob) = (call.alice.phone(), call.bob.phone());
    let verdict = Verdict::judge(
        &alice,
        &bob,
        &call.alice.network,
        &call.bob.network,
        &Limits::default(),
    );
    ReportBuilder::new("tipring 0.1.0")
        .clock(CLOCK)
        .conditions(conditions)
        .phone(alice)
        .phone(bob)
        .verdict(verdict)
        .build()
}

fn html(report: &Report) -> String {
    let mut out = Vec::new();
    report.write_html(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn bad_network() -> Call {
    call(&Conditions {
        loss: 0.05,
        jitter: Duration::from_millis(75),
        seconds: 12,
        seed: 5,
        ..Conditions::default()
    })
}

/// Where pages go that a human may want to look at.
fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn pages() {
    let cut = {
        let mut call = call(&Conditions::default());
        call.bob.heard.drain(24_000..24_160);
        call
    };
    for (name, report) in [
        ("clean", report(&call(&Conditions::default()), "nothing")),
        ("bad", report(&bad_network(), "loss 5 %, jitter 75 ms")),
        ("cut", report(&cut, "nothing")),
    ] {
        std::fs::write(folder().join(format!("{name}.html")), html(&report)).unwrap();
        let mut json = Vec::new();
        report.write_json(&mut json).unwrap();
        std::fs::write(folder().join(format!("{name}.json")), json).unwrap();
    }
}
