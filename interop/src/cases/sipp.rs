//! Calls from and to SIPp.

use std::fs;
use std::time::Duration;

use super::ours::{LIMIT, Ours, SOON};
use crate::capture;
use crate::case::{Case, Peer};
use crate::error::{Error, ensure};
use crate::lab::Lab;
use crate::ports;
use crate::sipp::{self, Scenario, Sipp};
use crate::sound::{self, Codec};
use crate::tipring::{Tipring, exit};

pub(super) const CALLS_ECHO: Case = Case {
    name: "sipp-calls-and-echoes",
    shows: "SIPp's own `uac` calls us; our voice goes there and comes back, each sample µ-law's",
    with: &[Peer::Sipp, Peer::Sox],
    raw: false,
    run: |lab| {
        let port = ports::block()?;
        let mut ours = Ours::answer(lab, port, Codec::Pcmu)?;
        let mut caller = Sipp::caller(Scenario::Own("uac"), ports::block()?, port);
        caller.echo = true;
        caller.hold = Duration::from_secs(5);
        let mut sipp = caller.start(lab)?;
        sipp::wait(&mut sipp, lab, LIMIT)?;
        ours.tipring.wait_for_code(SOON, exit::FINE)?;
        ours.must_have_heard(&ours.voice, 4)
    },
};

pub(super) const CALLS_PLAYING: Case = Case {
    name: "sipp-calls-and-plays",
    shows: "SIPp's own `uac_pcap` calls us with 30 ms packets of A-law, then a digit under another SSRC; both arrive",
    with: &[Peer::Sipp, Peer::Sox, Peer::Tshark],
    raw: true,
    run: |lab| {
        sipp::link_captures(lab)?;
        let port = ports::block()?;
        let mut ours = Ours::answer(lab, port, Codec::Pcma)?;
        let mut sipp = Sipp::caller(Scenario::Own("uac_pcap"), ports::block()?, port).start(lab)?;
        sipp::wait(&mut sipp, lab, LIMIT)?;
        ours.tipring.wait_for_code(SOON, exit::FINE)?;
        ours.tipring.must_have_digits("1")?;
        let coded = lab.path("played.al");
        let payloads = capture::payloads(&sipp::captures().join("g711a.pcap"), "rtp.p_type == 8")?;
        fs::write(&coded, payloads).map_err(|error| Error::io(coded.display(), &error))?;
        let played = lab.path("played.wav");
        sound::decode(&coded, &played, Codec::Pcma)?;
        ours.must_have_heard(&played, 6)
    },
};

pub(super) const CALLS_ODDLY: Case = Case {
    name: "sipp-calls-oddly",
    shows: "compact and folded headers, odd case, an unknown codec, video and BFCP lines: A-law is chosen, the rest refused in place",
    with: &[Peer::Sipp, Peer::Sox],
    raw: false,
    run: |lab| {
        let voice = lab.voice("bob", Codec::Pcma)?;
        sound::encode(&voice, &lab.path("speech.al"))?;
        let port = ports::block()?;
        let mut ours = Ours::answer(lab, port, Codec::Pcma)?;
        let mut caller = Sipp::caller(Scenario::Ours("uac-odd"), ports::block()?, port);
        caller.hold = Duration::from_secs(4);
        let mut sipp = caller.start(lab)?;
        sipp::wait(&mut sipp, lab, LIMIT)?;
        ours.tipring.wait_for_code(SOON, exit::FINE)?;
        ours.must_have_heard(&voice, 3)
    },
};

pub(super) const CALLED_ECHO: Case = Case {
    name: "sipp-is-called-and-echoes",
    shows: "we call SIPp's own `uas`; our voice goes there and comes back, each sample µ-law's",
    with: &[Peer::Sipp, Peer::Sox],
    raw: false,
    run: |lab| called_echo(lab, "127.0.0.1", 5),
};

pub(super) const CALLED_PLAYING: Case = Case {
    name: "sipp-is-called-and-plays",
    shows: "we call a callee that rings, answers A-law with folded and odd headers, and plays speech",
    with: &[Peer::Sipp, Peer::Sox],
    raw: false,
    run: |lab| {
        let voice = lab.voice("bob", Codec::Pcma)?;
        sound::encode(&voice, &lab.path("speech.al"))?;
        let port = ports::block()?;
        let mut sipp = Sipp::callee(Scenario::Ours("uas-media"), port).start(lab)?;
        let mut ours = Ours::call(
            lab,
            &format!("sip:player@127.0.0.1:{port}"),
            Codec::Pcma,
            &["--duration", "4s"],
        )?;
        ours.tipring.wait_for_code(LIMIT, exit::FINE)?;
        sipp::wait(&mut sipp, lab, SOON)?;
        ours.must_have_heard(&voice, 3)
    },
};

pub(super) const CALLED_IPV6: Case = Case {
    name: "sipp-is-called-over-ipv6",
    shows: "the same as sipp-is-called-and-echoes over ::1",
    with: &[Peer::Sipp, Peer::Sox],
    raw: false,
    run: |lab| called_echo(lab, "[::1]", 4),
};

/// We call SIPp at `host` for so many `seconds`, all of which but one our voice has to come back.
fn called_echo(lab: &Lab, host: &'static str, seconds: usize) -> Result<(), Error> {
    let port = ports::block()?;
    let callee = Sipp {
        host,
        echo: true,
        ..Sipp::callee(Scenario::Own("uas"), port)
    };
    let mut sipp = callee.start(lab)?;
    let uri = format!("sip:echo@{host}:{port}");
    let duration = format!("{seconds}s");
    let mut ours = Ours::call(lab, &uri, Codec::Pcmu, &["--duration", &duration])?;
    ours.tipring.wait_for_code(LIMIT, exit::FINE)?;
    sipp::wait(&mut sipp, lab, SOON)?;
    ours.must_have_heard(&ours.voice, seconds - 1)
}

pub(super) const ASKS: Case = Case {
    name: "sipp-asks",
    shows: "OPTIONS gets 200, an unknown method 501, one out of place 405, an unknown extension 420, a BYE without a call 481, a codec nobody knows 488",
    with: &[Peer::Sipp],
    raw: false,
    run: |lab| {
        let port = ports::block()?;
        let mut ours = Ours::answer(lab, port, Codec::Pcmu)?;
        let mut sipp =
            Sipp::caller(Scenario::Ours("uac-options"), ports::block()?, port).start(lab)?;
        sipp::wait(&mut sipp, lab, LIMIT)?;
        // The only call that it takes has no codec in common with it.
        ours.tipring.wait_for_code(SOON, exit::MEDIA_FAILURE)
    },
};

pub(super) const ASKED: Case = Case {
    name: "sipp-is-asked",
    shows: "`tipring options` asks a peer, gets 200 and says so",
    with: &[Peer::Sipp],
    raw: false,
    run: |lab| {
        let port = ports::block()?;
        let mut sipp = Sipp::callee(Scenario::Ours("uas-options"), port).start(lab)?;
        let uri = format!("sip:someone@127.0.0.1:{port}");
        let mut tipring = Tipring::start(lab, ["options", &uri, "--bind", "127.0.0.1"])?;
        tipring.wait_for_code(LIMIT, exit::FINE)?;
        sipp::wait(&mut sipp, lab, SOON)?;
        ensure(tipring.process.stdout().contains("200"), || {
            "tipring does not say 200".to_owned()
        })
    },
};
