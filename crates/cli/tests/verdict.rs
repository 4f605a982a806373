//! The verdict of `tipring loop` holds for a call that is sound, and fails for one that is not, with the reason that
//! belongs to what was done to it.
#![cfg(feature = "faults")]
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

mod common;

use common::{Run, Turn, program};
use serde_json::Value;

/// A call of 2 s with `options` and `fault`. Its status, and the codes of each direction's reasons.
fn call(options: &[&str], fault: Option<&str>) -> (Run, [Vec<String>; 2]) {
    let _turn = Turn::take();
    let mut args = vec!["loop", "--duration", "2s", "--json"];
    args.extend(options);
    let mut command = program(&args);
    if let Some(fault) = fault {
        command.env("TIPRING_FAULTS", fault);
    }
    let run = Run::of(&mut command);
    let verdict = run.event("verdict");
    assert_eq!(
        verdict["holds"],
        Value::Bool(run.code == Some(0)),
        "{run:?}"
    );
    assert_eq!(verdict["verdict"]["reasons"], serde_json::json!([]));
    let directions = verdict["verdict"]["directions"].as_array().unwrap();
    let codes = |d: &Value| -> Vec<String> {
        let reasons = d["reasons"].as_array().unwrap();
        let code = |r: &Value| r["code"].as_str().unwrap().to_owned();
        reasons.iter().map(code).collect()
    };
    let codes = [codes(&directions[0]), codes(&directions[1])];
    assert_eq!(directions.len(), 2);
    (run, codes)
}

/// Both directions fail for `reason` and for nothing else.
#[track_caller]
fn fails(options: &[&str], fault: &str, reason: &str) {
    let (run, codes) = call(options, Some(fault));
    assert_eq!(run.code, Some(1), "{run:?}");
    assert_eq!(codes, [[reason], [reason]], "{run:?}");
    assert_eq!(run.err, "tipring: the verdict does not hold\n");
}

/// Nothing is wrong, and nearly everything was heard.
#[track_caller]
fn holds(options: &[&str], samples: u64) {
    let (run, codes) = call(options, None);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(codes, [[""; 0], [""; 0]], "{run:?}");
    assert_eq!(run.err, "");
    for direction in run.event("verdict")["verdict"]["directions"]
        .as_array()
        .unwrap()
    {
        let equal = direction["equal"].as_u64().unwrap();
        assert!(equal >= samples, "{direction}");
        assert_eq!(direction["unexplained"], 0);
    }
}

#[test]
fn every_packet_lost() {
    fails(&[], "lose-every-packet", "nothing_heard");
}

#[test]
fn files_swapped() {
    fails(&[], "swap-files", "wrong_sound");
}

#[test]
fn one_frame_cut_out() {
    let (run, codes) = call(&[], Some("cut-one-frame"));
    assert_eq!(run.code, Some(1), "{run:?}");
    assert_eq!(codes, [["unexplained_samples"], ["unexplained_samples"]]);
    for direction in run.event("verdict")["verdict"]["directions"]
        .as_array()
        .unwrap()
    {
        let reason = &direction["reasons"][0];
        // A frame of 10 ms: what is gone is counted, and where.
        assert_eq!(reason["count"], 80, "{reason}");
        let first = reason["first_ms"].as_f64().unwrap();
        assert!((900.0..1500.0).contains(&first), "{reason}");
    }
}

#[test]
fn a_shift_of_300_ms() {
    let (run, codes) = call(&[], Some("shift-playout"));
    assert_eq!(run.code, Some(1), "{run:?}");
    assert_eq!(codes, [["shifted"], ["shifted"]]);
    for direction in run.event("verdict")["verdict"]["directions"]
        .as_array()
        .unwrap()
    {
        assert_eq!(direction["reasons"][0]["ms"], 300.0, "{direction}");
    }
}

#[test]
fn twenty_decibels_too_soft() {
    let (run, codes) = call(&[], Some("soften-by-20-db"));
    assert_eq!(run.code, Some(1), "{run:?}");
    assert_eq!(codes, [["too_soft"], ["too_soft"]]);
    for direction in run.event("verdict")["verdict"]["directions"]
        .as_array()
        .unwrap()
    {
        let db = direction["reasons"][0]["db"].as_f64().unwrap();
        assert!((19.0..21.0).contains(&db), "{direction}");
    }
}

#[test]
fn one_direction_muted() {
    let (run, codes) = call(&[], Some("mute-answerer"));
    assert_eq!(run.code, Some(1), "{run:?}");
    assert_eq!(codes, [vec![], vec!["one_way_silent".to_owned()]]);
}

#[test]
fn a_law_read_as_mu_law() {
    fails(&["--codec", "pcma"], "read-a-law-as-mu-law", "wrong_law");
}

#[test]
fn a_fault_that_nobody_knows_is_refused() {
    let run = Run::of(program(&["loop", "--json"]).env("TIPRING_FAULTS", "hiccup"));
    assert_eq!(run.code, Some(2));
    assert_eq!(run.err, "tipring: TIPRING_FAULTS: no fault 'hiccup'\n");
}

#[test]
fn a_clean_call_with_mu_law() {
    holds(&["--codec", "pcmu"], 12_000);
}

#[test]
fn a_clean_call_with_a_law() {
    holds(&["--codec", "pcma"], 12_000);
}

#[test]
fn a_clean_call_with_l16() {
    holds(&["--codec", "l16"], 12_000);
}

#[test]
fn a_clean_call_over_ipv6() {
    holds(&["--ipv6"], 12_000);
}

#[test]
fn a_bad_network_is_no_fault() {
    let bad = ["--loss", "5%", "--jitter", "40ms", "--burst"];
    let (run, codes) = call(&bad, None);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(codes, [[""; 0], [""; 0]], "{run:?}");
}
