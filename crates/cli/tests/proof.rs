//! What `call` and `answer` prove of a call by themselves, and that the proof can fail.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

mod common;

use std::fs;
use std::path::Path;

use common::peer::Peer;
use common::{Beside, Folder, Run, SPEECH, Turn, program};
use serde_json::Value;

const HERE: &str = "127.0.0.1:0";

/// Calls `uri` for two seconds with `more`, with a report in `folder` where its temporary files are too.
fn call(folder: &Folder, uri: &str, more: &[&str]) -> Run {
    let report = folder.file("call.html");
    let args = ["call", uri, "--bind", HERE, "--json", "--report", &report];
    let mut command = program(&args);
    command.args(["--duration", "2s"]).args(more);
    let temporary = folder.file("temporary");
    fs::create_dir_all(&temporary).unwrap();
    let run = Run::of(command.env("TMPDIR", &temporary));
    let left: Vec<_> = fs::read_dir(&temporary).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    run
}

fn report(folder: &Folder, name: &str) -> Value {
    let page = fs::read_to_string(folder.file(name)).unwrap();
    assert!(page.starts_with("<!doctype html>"));
    let data = fs::read(Path::new(&folder.file(name)).with_extension("json")).unwrap();
    serde_json::from_slice(&data).unwrap()
}

/// Whom each thing that is wrong is about, and its code.
fn reasons(verdict: &Value) -> Vec<(String, String)> {
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    let whole = verdict["reasons"].as_array().unwrap().iter();
    let whole = whole.map(|r| ("call".to_owned(), text(&r["code"])));
    let directions = verdict["directions"].as_array().unwrap();
    let each = directions.iter().flat_map(|d| {
        let reasons = d["reasons"].as_array().unwrap().iter();
        reasons.map(|r| (text(&d["to"]), text(&r["code"])))
    });
    whole.chain(each).collect()
}

/// The verdict that was printed, which is that of the report too.
#[track_caller]
fn verdict(folder: &Folder, run: &Run, holds: bool) -> Value {
    let told = run.event("verdict");
    assert_eq!(told["holds"], holds, "{run:?}");
    let report = report(folder, "call.html");
    assert_eq!(report["verdict"], told["verdict"]);
    assert_eq!(report["outcome"], if holds { "holds" } else { "fails" });
    assert_eq!(report["verdict"]["seen_by"], "tipring");
    told["verdict"].clone()
}

#[test]
fn a_good_call_is_proven_by_a_report_without_a_recording_to_keep() {
    let _turn = Turn::take();
    let folder = Folder::new("proof");
    let mut echo = Beside::echo();
    let uri = echo.uri();
    let run = call(&folder, &uri, &["--play", SPEECH, "--assert"]);
    assert_eq!((run.code, &*run.err), (Some(0), ""), "{run:?}");
    let verdict = verdict(&folder, &run, true);
    let hearing = &verdict["directions"][1];
    let number = |name: &str| hearing[name].as_u64().unwrap();
    assert!(number("equal") > 14_000, "{hearing}");
    assert_eq!(number("unexplained"), 0);
    let report = report(&folder, "call.html");
    let [sent, heard] = [0, 1].map(|n| report["directions"][n].clone());
    let level = |v: &Value| v.as_f64().unwrap();
    let (sent, heard) = (level(&sent["sent_dbov"]), level(&heard["heard_dbov"]));
    // It is an echo: as loud as it was sent, but for what was under way at either end.
    assert!((-40.0..-10.0).contains(&sent), "{sent}");
    assert!((sent - heard).abs() < 2.0, "{sent} {heard}");
    let wave = &report["directions"][1]["waveform"];
    assert!(wave["heard"].as_array().unwrap().len() > 1000, "{wave}");
    echo.wait_for("ended");
    assert_eq!(echo.end().code, Some(0));
}

#[test]
fn a_peer_that_is_muted() {
    let _turn = Turn::take();
    let folder = Folder::new("muted");
    // It is given nothing to play: so it sends silence, and that is no failure of its own.
    let theirs = folder.file("answer.html");
    let mut answer = Beside::answer("2", &["--assert", "--report", &theirs]);
    let uri = answer.uri();
    let expected = [(answer.address.ip().to_string(), "one_way_silent".to_owned())];
    for (assert, code) in [(&["--assert"][..], 1), (&[], 0)] {
        let run = call(&folder, &uri, &[assert, &["--play", SPEECH]].concat());
        assert_eq!(run.code, Some(code), "{run:?}");
        let verdict = verdict(&folder, &run, false);
        assert_eq!(reasons(&verdict)[0].1, expected[0].1);
        assert_eq!(run.err.contains("the verdict does not hold"), code == 1);
    }
    for _ in 0..2 {
        assert_eq!(answer.wait_for("verdict")["holds"], true);
    }
    let ended = answer.end();
    assert_eq!((ended.code, &*ended.err), (Some(0), ""), "{ended:?}");
    for name in ["answer.html", "answer-2.html"] {
        let report = report(&folder, name);
        assert_eq!(report["outcome"], "holds");
        // Each is about its own call, from its INVITE on.
        let lasted = report["duration_s"].as_f64().unwrap();
        assert!((1.9..3.5).contains(&lasted), "{lasted}");
        let invites = report["ladder"].as_array().unwrap().iter();
        assert_eq!(invites.filter(|s| s["title"] == "INVITE").count(), 1);
    }
}

#[test]
fn a_peer_that_sends_nothing() {
    let _turn = Turn::take();
    let folder = Folder::new("silent");
    let peer = Peer::start(|_| false);
    let run = call(&folder, &peer.uri(), &["--play", SPEECH, "--assert"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    let verdict = verdict(&folder, &run, false);
    let expected = ("tipring".to_owned(), "one_way_silent".to_owned());
    assert_eq!(reasons(&verdict), [expected]);
    assert_eq!(verdict["directions"][1]["reasons"][0]["packets"], 0);
    peer.end();
}

#[test]
fn half_of_the_packets_lost() {
    let _turn = Turn::take();
    let folder = Folder::new("lossy");
    // Two of every four: what is taken from a source begins with two in sequence (RFC 3550 appendix A.1).
    let peer = Peer::start(|n| n % 4 < 2);
    let run = call(&folder, &peer.uri(), &["--assert"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    let verdict = verdict(&folder, &run, false);
    let expected = ("tipring".to_owned(), "too_much_lost".to_owned());
    assert_eq!(reasons(&verdict), [expected]);
    let hearing = &verdict["directions"][1];
    let lost = hearing["reasons"][0]["lost"].as_u64().unwrap();
    assert!((30..60).contains(&lost), "{hearing}");
    // Each sample is explained nevertheless.
    assert_eq!(hearing["unexplained"], 0);
    assert!(
        hearing["named"]["concealed"].as_u64().unwrap() > 4000,
        "{hearing}"
    );
    peer.end();
}

#[test]
fn one_bad_call_of_several_is_not_forgotten() {
    let _turn = Turn::take();
    let mut answer = Beside::answer("2", &["--assert"]);
    let uri = answer.uri();
    for (play, holds) in [(&[][..], false), (&["--play", SPEECH], true)] {
        let args = ["call", &uri, "--bind", HERE, "--duration", "1s", "--quiet"];
        let run = Run::of(&mut program(&[&args[..], play].concat()));
        assert_eq!(run.code, Some(0), "{run:?}");
        assert_eq!(answer.wait_for("verdict")["holds"], holds);
    }
    let ended = answer.end();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.err.contains("the verdict of 1 call"), "{ended:?}");
}
