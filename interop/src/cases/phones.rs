//! What people do with phones besides talking: let it ring, speak before it is picked up, be busy, decline, hold and come back.

use std::time::Duration;

use super::baresip::calls_us;
use super::ours::{LIMIT, Ours, SOON};
use crate::baresip::{Answers, Baresip, Setup};
use crate::case::{Case, Peer};
use crate::clock::pause;
use crate::error::{Error, ensure};
use crate::lab::Lab;
use crate::ports;
use crate::sipp::{self, Scenario, Sipp};
use crate::sound::{self, Codec, Match};
use crate::tipring::exit;
use crate::wav::Wav;

const RATE: usize = 8_000;

pub(super) const RINGS: Case = Case {
    name: "baresip-rings",
    shows: "baresip rings for a while and is picked up: we say that it rings, then both voices arrive",
    with: &[Peer::Baresip, Peer::Sox],
    raw: false,
    run: |lab| {
        let (mut ours, mut baresip) = we_call(lab, Answers::WhenTold, "6s")?;
        ours.tipring.wait_for("ringing", SOON)?;
        pause(Duration::from_secs(1));
        baresip.accept()?;
        ours.tipring.wait_for_code(LIMIT, exit::FINE)?;
        ours.must_have_heard(&baresip.recording("enc")?, 4)
    },
};

pub(super) const EARLY: Case = Case {
    name: "sipp-speaks-early",
    shows: "SIPp speaks three seconds before it is picked up, after a 183 that we acknowledge (PRACK): we hear all of it, without a gap when it is",
    with: &[Peer::Sipp, Peer::Sox],
    raw: false,
    run: |lab| speaks_early(lab, "uas-early").map(|_| ()),
};

pub(super) const RINGS_THEN_EARLY: Case = Case {
    name: "sipp-rings-then-speaks",
    shows: "SIPp rings with 180, speaks three seconds after a 183, is picked up and says its answer once more: we say that it rings, and hear all of it without a gap",
    with: &[Peer::Sipp, Peer::Sox],
    raw: false,
    run: |lab| {
        let ours = speaks_early(lab, "uas-ring-early")?;
        let events = ours.tipring.events();
        let place = |name: &str| events.iter().position(|event| event["event"] == name);
        let places = ["ringing", "early-media", "connected"].map(place);
        ensure(
            places.is_sorted() && places.iter().all(Option::is_some),
            || format!("we say ringing, early media and connected as events {places:?}"),
        )
    },
};

/// We call a SIPp that speaks three seconds before it is picked up, and hear all of it.
fn speaks_early(lab: &Lab, scenario: &'static str) -> Result<Ours, Error> {
    let voice = lab.voice("bob", Codec::Pcma)?;
    sound::encode(&voice, &lab.path("speech.al"))?;
    let port = ports::block()?;
    let mut sipp = Sipp::callee(Scenario::Ours(scenario), port).start(lab)?;
    let uri = format!("sip:callee@127.0.0.1:{port}");
    let mut ours = Ours::call(lab, &uri, Codec::Pcma, &["--duration", "3s"])?;
    ours.tipring.wait_for("early-media", SOON)?;
    ours.tipring.wait_for_code(LIMIT, exit::FINE)?;
    sipp::wait(&mut sipp, lab, SOON)?;
    ours.must_have_heard(&voice, 5)?;
    Ok(ours)
}

pub(super) const DECLINES: Case = Case {
    name: "baresip-declines",
    shows: "somebody presses the red button of baresip: we say 486 and end with exit code 3",
    with: &[Peer::Baresip, Peer::Sox],
    raw: false,
    run: |lab| {
        let (mut ours, mut baresip) = we_call(lab, Answers::WhenTold, "6s")?;
        ours.tipring.wait_for("ringing", SOON)?;
        baresip.hang_up()?;
        ours.tipring.wait_for_code(LIMIT, exit::SIP_FAILURE)?;
        ended_with(&ours, 486)
    },
};

pub(super) const IS_BUSY: Case = Case {
    name: "baresip-is-busy",
    shows: "baresip is in a call with us when we call it a second time: that one ends with 486, the first goes on",
    with: &[Peer::Baresip, Peer::Sox],
    raw: false,
    run: |lab| {
        let voice = lab.voice("bob", Codec::Pcmu)?;
        let mut baresip = Baresip::start_for(lab, &Setup::callee(&voice), 1)?;
        let uri = format!("sip:baresip@127.0.0.1:{}", baresip.port());
        let mut first = Ours::call(lab, &uri, Codec::Pcmu, &["--duration", "5s"])?;
        first.tipring.wait_for("connected", SOON)?;
        let mut second = Ours::call(&lab.beside("second")?, &uri, Codec::Pcmu, &[])?;
        second.tipring.wait_for_code(LIMIT, exit::SIP_FAILURE)?;
        ended_with(&second, 486)?;
        first.tipring.wait_for_code(LIMIT, exit::FINE)?;
        baresip.wait_for("CALL_CLOSED", SOON)?;
        first.must_have_heard(&baresip.recording("enc")?, 4)
    },
};

pub(super) const WE_DECLINE: Case = Case {
    name: "we-decline-baresip",
    shows: "we answer baresip with 486 and with 603: it says so",
    with: &[Peer::Baresip, Peer::Sox],
    raw: false,
    run: |lab| {
        let voice = lab.voice("bob", Codec::Pcmu)?;
        let mut baresip = Baresip::start(lab, &Setup::caller(&voice))?;
        for status in ["486", "603"] {
            let port = ports::block()?;
            let lab = lab.beside(status)?;
            let mut ours = Ours::refuse(&lab, port, status)?;
            baresip.dial(&format!("sip:tipring@127.0.0.1:{port}"))?;
            let closed = baresip.wait_for("CALL_CLOSED", SOON)?;
            ensure(
                closed["param"].as_str().is_some_and(|p| p.contains(status)),
                || format!("baresip hears of {}, not of {status}", closed["param"]),
            )?;
            ours.tipring.wait_for_code(SOON, exit::SIP_FAILURE)?;
        }
        Ok(())
    },
};

pub(super) const HOLDS: Case = Case {
    name: "baresip-holds-and-resumes",
    shows: "baresip calls us, holds the call and comes back: no sound of its file is ours while it holds, then both voices arrive again",
    with: &[Peer::Baresip, Peer::Sox],
    raw: false,
    run: |lab| {
        let (mut ours, mut baresip) = calls_us(lab)?;
        hold_and_resume(&mut baresip)?;
        baresip.hang_up()?;
        ours.tipring.wait_for_code(SOON, exit::FINE)?;
        heard_after_hold(&ours, &mut baresip)
    },
};

pub(super) const HOLDS_OUR_CALL: Case = Case {
    name: "baresip-holds-our-call",
    shows: "the same when we called baresip",
    with: &[Peer::Baresip, Peer::Sox],
    raw: false,
    run: |lab| {
        let (mut ours, mut baresip) = we_call(lab, Answers::AtOnce, "9s")?;
        ours.tipring.wait_for("connected", SOON)?;
        hold_and_resume(&mut baresip)?;
        ours.tipring.wait_for_code(SOON, exit::FINE)?;
        heard_after_hold(&ours, &mut baresip)
    },
};

/// Three seconds of talk, two of hold, three of talk.
fn hold_and_resume(baresip: &mut Baresip) -> Result<(), Error> {
    pause(Duration::from_secs(3));
    baresip.hold()?;
    pause(Duration::from_secs(2));
    baresip.resume()?;
    pause(Duration::from_secs(3));
    Ok(())
}

/// Demands that both voices arrived before the hold and after it.
fn heard_after_hold(ours: &Ours, baresip: &mut Baresip) -> Result<(), Error> {
    let said = Wav::read_mono(&baresip.recording("enc")?)?;
    let heard = ours.heard()?;
    let (before, after) = heard.split_at(heard.len() / 2);
    for (when, part) in [("before", before), ("after", after)] {
        let found = Match::find(&said, part);
        let longest = found.runs.iter().map(|run| run.len).max();
        ensure(longest >= Some(2 * RATE), || {
            format!("heard by us {when} the hold: {found}")
        })?;
    }
    // It ceases to record what it hears when it holds; afterwards its own count has to do.
    Match::find(
        &Wav::read_mono(&ours.voice)?,
        &Wav::read_mono(&baresip.recording("dec")?)?,
    )
    .in_one_piece(2 * RATE)
    .map_err(|error| Error::new(format!("heard by baresip before the hold: {error}")))?;
    let received = baresip.received_packets()?;
    ensure((5 * 50..8 * 50).contains(&received), || {
        format!("baresip received {received} packets in six seconds of talk")
    })
}

/// We call a baresip that speaks as bob, and hang up after `duration`.
fn we_call(lab: &Lab, answers: Answers, duration: &str) -> Result<(Ours, Baresip), Error> {
    let voice = lab.voice("bob", Codec::Pcmu)?;
    let setup = Setup {
        answers,
        ..Setup::callee(&voice)
    };
    let baresip = Baresip::start(lab, &setup)?;
    let uri = format!("sip:baresip@127.0.0.1:{}", baresip.port());
    let ours = Ours::call(
        lab,
        &uri,
        Codec::Pcmu,
        &["--codec", "pcmu", "--duration", duration],
    )?;
    Ok((ours, baresip))
}

/// Demands that our last word names this status.
fn ended_with(ours: &Ours, status: u16) -> Result<(), Error> {
    let events = ours.tipring.events();
    let ended = events.iter().rfind(|event| event["event"] == "ended");
    ensure(ended.is_some_and(|event| event["status"] == status), || {
        format!("we do not end with {status}: {ended:?}")
    })
}
