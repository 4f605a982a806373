//! Each fault of this crate is noticed by the check that is meant to notice it.
#![cfg(feature = "faults")]
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod common;

use common::*;
use msp_codecs::round_trip;
use msp_core::fault::{self, Fault};
use msp_rtp::session::Received;

/// What a call shows: the first sample that is not explained, and how many of a stranger's packets were heard.
fn call(impairment: &str, codec_name: &str) -> (Option<u64>, u32) {
    let mut w = World::new(42, impairment);
    w.a.speech = speech(8000 * 5, 1);
    w.agree(codec_name, 8000, 20);
    let base = w.a.session.state().sender.timestamp;
    w.run(20);
    let mut intruded = 0;
    for n in 0..560u16 {
        let mut bytes = vec![0x80, 8, 0, n as u8, 0, 0, 0, 0, 1, 2, 3, 4];
        bytes.extend_from_slice(&[0x55; 160]);
        let got = w.b.receive(w.now, addr("203.0.113.66:6666"), &bytes);
        intruded += u32::from(!matches!(got, Received::Dropped(_)));
        w.run(1);
    }
    let said = round_trip(&*codec(codec_name, 8000), &w.a.speech).unwrap();
    let log = w.b.segments();
    (unexplained(&w.b.heard, &log, &said, base), intruded)
}

const BAD: &str = "delay=10ms,reorder=20%,hold=25ms";

/// One test: faults hold for the whole process.
#[test]
fn every_fault_is_noticed() {
    assert_eq!(call("delay=10ms", "PCMA"), (None, 0));
    assert_eq!(call(BAD, "PCMA"), (None, 0));
    for (fault, impairment) in [
        (Fault::CutOneFrame, "delay=10ms"),
        (Fault::ShiftPlayout, "delay=10ms"),
        (Fault::IgnoreOrder, BAD),
        (Fault::ReadALawAsMuLaw, "delay=10ms"),
        (Fault::OpenLatch, "delay=10ms"),
    ] {
        fault::set(fault, true);
        let (unexplained, intruded) = call(impairment, "PCMA");
        fault::set(fault, false);
        match fault {
            Fault::OpenLatch => assert!(intruded > 100, "{fault:?}"),
            // A second in, as the fault says.
            Fault::CutOneFrame => assert!(unexplained.is_some_and(|n| n >= 8000), "{fault:?}"),
            _ => assert!(unexplained.is_some(), "{fault:?}"),
        }
    }
    assert_eq!(call("delay=10ms", "PCMA"), (None, 0), "all are off again");
}
