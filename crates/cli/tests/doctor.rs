//! What the machine needs for calls.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

mod common;

use std::net::UdpSocket;

use common::{Run, program};

// Shows: `tipring doctor` says what of the machine will hurt a call and what to do, and fails if something will
#[test]
fn a_port_that_is_taken_is_found_and_advice_given() {
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let bind = taken.local_addr().unwrap().to_string();
    let run = Run::of(&mut program(&["doctor", "--json", "--bind", &bind]));
    let findings = run.events();
    let about: Vec<_> = findings
        .iter()
        .map(|f| f["about"].as_str().unwrap())
        .collect();
    for thing in [
        "addresses",
        "SIP port",
        "media ports",
        "open files",
        "clock",
        "priority",
        "buffers",
        "names",
        "sound",
    ] {
        assert!(about.contains(&thing), "{thing} in {about:?}");
    }
    let port = &findings[about.iter().position(|a| *a == "SIP port").unwrap()];
    assert_eq!(port["health"], "hurts");
    assert!(port["found"].as_str().unwrap().contains(&bind));
    assert!(port["advice"].as_str().unwrap().contains("--bind"));
    assert_eq!(run.code, Some(1));
    assert!(run.err.contains("SIP port"), "{}", run.err);
}
