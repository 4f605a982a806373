//! The peers among themselves: the runner's own hands, and a comparison that can fail.

use super::*;
use crate::clock::pause;
use crate::ports;
use crate::sipp::{self, Scenario, Sipp};
use crate::sound::{Codec, Match};
use crate::wav::Wav;

const SOON: Duration = Duration::from_secs(10);

fn installed() -> bool {
    let all = ["baresip", "sipp", "sox"]
        .iter()
        .all(|program| Command::new(program).arg("-h").output().is_ok());
    if !all {
        println!("skipped: baresip, sipp or sox is not installed");
    }
    all
}

#[test]
fn two_of_them_hear_each_other_and_nobody_else() {
    if !installed() {
        return;
    }
    let lab_a = Lab::open("selftest-a").expect("a folder");
    let lab_b = Lab::open("selftest-b").expect("a folder");
    let alice = lab_a.voice("alice", Codec::Pcma).expect("a voice");
    let bob = lab_b.voice("bob", Codec::Pcma).expect("a voice");
    let codecs = "PCMA/8000/1";
    let a_law = |setup| Setup { codecs, ..setup };
    let start = |lab, setup| Baresip::start(lab, &a_law(setup)).expect("a phone");
    let mut a = start(&lab_a, Setup::caller(&alice));
    let mut b = start(&lab_b, Setup::callee(&bob));
    a.dial(&format!("sip:baresip@127.0.0.1:{}", b.port()))
        .expect("dialled");
    a.wait_for("CALL_ESTABLISHED", SOON).expect("connected");
    for digit in "19".chars() {
        a.send_digit(digit).expect("sent");
        pause(Duration::from_millis(300));
    }
    b.wait_for_digits("19", SOON).expect("both digits");
    pause(Duration::from_secs(2));
    a.hang_up().expect("hung up");
    b.wait_for("CALL_CLOSED", SOON).expect("closed");

    let heard = Wav::read_mono(&b.recording("dec").expect("a recording")).expect("sound");
    let said = |file: &Path| Wav::read_mono(file).expect("sound");
    // Digits take the place of sound, so the voice is there in pieces.
    let found = Match::find(&said(&alice), &heard);
    assert!(found.samples() > 8_000, "{found}");
    assert_eq!(
        Match::find(&said(&bob), &heard).samples(),
        0,
        "the other voice"
    );
    let other_law = lab_b.voice("alice", Codec::Pcmu).expect("a voice");
    assert!(
        Match::find(&said(&other_law), &heard)
            .in_one_piece(8_000)
            .is_err(),
        "the other law"
    );
}

#[test]
fn sipp_echoes_sample_for_sample() {
    if !installed() {
        return;
    }
    let lab = Lab::open("selftest-sipp").expect("a folder");
    let alice = lab.voice("alice", Codec::Pcmu).expect("a voice");
    let port = ports::block().expect("ports");
    let callee = Sipp {
        echo: true,
        ..Sipp::callee(Scenario::Own("uas"), port)
    };
    let mut sipp = callee.start(&lab).expect("a callee");
    let mut phone = Baresip::start(&lab, &Setup::caller(&alice)).expect("a phone");
    phone
        .dial(&format!("sip:echo@127.0.0.1:{port}"))
        .expect("dialled");
    phone.wait_for("CALL_ESTABLISHED", SOON).expect("connected");
    pause(Duration::from_secs(3));
    phone.hang_up().expect("hung up");
    sipp::wait(&mut sipp, &lab, SOON).expect("every message as expected");
    let heard = Wav::read_mono(&phone.recording("dec").expect("a recording")).expect("sound");
    let said = Wav::read_mono(&alice).expect("sound");
    Match::find(&said, &heard)
        .in_one_piece(2 * 8_000)
        .expect("all of it");
}
