//! Calls that the program passes on, and those that it makes because a peer passes it on.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

mod common;

use std::path::Path;

use common::{Beside, Folder, Run, SPEECH, Turn, program};
use serde_json::{Value, json};

/// Calls `uri` with `more`, and says what became of it.
fn call(uri: &str, more: &[&str]) -> Run {
    let args = ["call", uri, "--bind", "127.0.0.1:0", "--json"];
    Run::of(program(&args).args(more))
}

/// The events of that name, of the followed call or of the first.
fn told(run: &Run, name: &str, followed: bool) -> Vec<Value> {
    let of_followed = |e: &Value| e["followed_call"] == true;
    let events = run.events().into_iter();
    events
        .filter(|e| e["event"] == name && of_followed(e) == followed)
        .collect()
}

/// The loudest sample of each track: what was sent, what was heard.
fn loudest(path: &str) -> [u16; 2] {
    let mut wav = hound::WavReader::open(path).unwrap();
    let samples: Vec<i16> = wav.samples().map(Result::unwrap).collect();
    [0, 1].map(|track| {
        let samples = samples.iter().skip(track).step_by(2);
        samples.map(|s: &i16| s.unsigned_abs()).max().unwrap_or(0)
    })
}

// Shows: `call --transfer-to` passes a call on, `--follow-transfers` makes the new one with sound, recording and report of its own | interop row 42
#[test]
fn a_call_is_passed_on_and_followed() {
    let _turn = Turn::take();
    let folder = Folder::new("transfer");
    let [wav, report] = ["b.wav", "b.html"].map(|n| folder.file(n));
    let mut carol = Beside::answer("1", &["--play", SPEECH, "--duration", "2s"]);
    let files = ["--record", &wav, "--report", &report, "--assert"];
    let more = [&["--follow-transfers", "--play", SPEECH], &files[..]].concat();
    let bob = Beside::answer("1", &more);
    let to = carol.uri();
    let more = [
        "--transfer-to",
        &to,
        "--transfer-after",
        "1s",
        "--play",
        SPEECH,
    ];
    let alice = call(&bob.uri(), &more);
    assert_eq!((alice.code, &*alice.err), (Some(0), ""), "{alice:?}");
    assert_eq!(alice.event("transferring")["to"], to);
    assert_eq!(alice.event("transferred")["to"], to);
    let progress = told(&alice, "transfer-progress", false);
    assert!(progress.iter().any(|e| e["status"] == 100), "{progress:?}");
    assert_eq!(alice.event("ended")["cause"], "LocalHangUp");
    carol.wait_for("ended");
    assert_eq!(carol.end().code, Some(0));
    let bob = bob.end();
    assert_eq!((bob.code, &*bob.err), (Some(0), ""), "{bob:?}");
    let wish = bob.event("transfer-requested");
    let expected = json!({ "to": to, "consulted": false, "followed": true });
    for field in ["to", "consulted", "followed"] {
        assert_eq!(wish[field], expected[field], "{wish}");
    }
    for name in ["calling", "connected", "ended", "verdict"] {
        assert_eq!(told(&bob, name, true).len(), 1, "{name}: {bob:?}");
    }
    for file in [&wav, &folder.file("b-followed.wav")] {
        assert!(loudest(file).iter().all(|l| *l > 3000), "{file}");
    }
    assert!(Path::new(&folder.file("b-followed.html")).exists());
}

#[test]
fn who_follows_no_transfers_declines_them() {
    let _turn = Turn::take();
    let mut bob = Beside::answer("1", &[]);
    let alice = call(&bob.uri(), &["--transfer-to", "carol@127.0.0.1:9"]);
    assert_eq!(alice.code, Some(3), "{alice:?}");
    assert_eq!(alice.event("transfer-failed")["status"], 603);
    assert!(
        alice
            .err
            .contains("not passed on to carol@127.0.0.1:9: 603"),
        "{alice:?}"
    );
    assert_eq!(bob.wait_for("transfer-requested")["followed"], false);
    assert_eq!(bob.wait_for("ended")["cause"], "RemoteHangUp");
    assert_eq!(bob.end().code, Some(0));
}

#[test]
fn a_transfer_to_who_is_busy_fails_at_both_ends() {
    let _turn = Turn::take();
    let folder = Folder::new("busy");
    let short = folder.file("short.wav");
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut wav = hound::WavWriter::create(&short, spec).unwrap();
    (0..4_000).for_each(|n| wav.write_sample(n as i16).unwrap());
    wav.finalize().unwrap();
    let carol = Beside::start(&[
        "answer",
        "--bind",
        "127.0.0.1:0",
        "--auto-answer=486",
        "--max-calls",
        "1",
        "--json",
    ]);
    let bob = Beside::answer("1", &["--follow-transfers"]);
    // Without a time it is when the file is over.
    let more = ["--transfer-to", &carol.uri(), "--play", &short];
    let alice = call(&bob.uri(), &more);
    assert_eq!(alice.code, Some(3), "{alice:?}");
    assert_eq!(alice.event("transfer-failed")["status"], 486);
    let events = alice.events();
    let place = |name: &str| events.iter().position(|e| e["event"] == name);
    assert!(place("played").unwrap() < place("transferring").unwrap());
    assert_eq!(carol.end().code, Some(3));
    let bob = bob.end();
    assert_eq!(bob.code, Some(3), "{bob:?}");
    assert_eq!(told(&bob, "ended", true)[0]["status"], 486);
    assert_eq!(told(&bob, "ended", false)[0]["cause"], "RemoteHangUp");
}

// Shows: `call --consult` holds the call, speaks to the third end, and lets the peer take the place of that call | interop row 43
#[test]
fn a_call_is_passed_on_after_a_consultation() {
    let _turn = Turn::take();
    let mut carol = Beside::answer("2", &["--play", SPEECH]);
    let more = ["--follow-transfers", "--play", SPEECH, "--duration", "3s"];
    let mut bob = Beside::answer("1", &more);
    let to = carol.uri();
    let more = [
        "--transfer-to",
        &to,
        "--consult",
        "--transfer-after",
        "500ms",
    ];
    let alice = call(&bob.uri(), &more);
    assert_eq!((alice.code, &*alice.err), (Some(0), ""), "{alice:?}");
    let events = alice.events();
    let place = |name: &str| events.iter().position(|e| e["event"] == name);
    let order = ["consulting", "held", "transferring", "transferred"].map(place);
    assert!(
        order.is_sorted() && order.iter().all(Option::is_some),
        "{alice:?}"
    );
    assert_eq!(bob.wait_for("held")["by"], "the peer");
    assert_eq!(bob.wait_for("transfer-requested")["consulted"], true);
    assert_eq!(carol.wait_for("ended")["cause"], "Replaced");
    assert_eq!(carol.wait_for("ended")["cause"], "RemoteHangUp");
    assert_eq!(carol.end().code, Some(0));
    let bob = bob.end();
    assert_eq!((bob.code, &*bob.err), (Some(0), ""), "{bob:?}");
    assert_eq!(told(&bob, "ended", true)[0]["cause"], "LocalHangUp");
}

#[test]
fn a_transfer_that_cannot_be_is_told_before_anything_is_dialled() {
    for more in [
        &["--transfer-after", "1s"][..],
        &["--consult"],
        &["--transfer-to", "sip:"],
    ] {
        let run = call("sip:bob@127.0.0.1:9", more);
        assert_eq!((run.code, &*run.out), (Some(2), ""), "{run:?}");
    }
}
