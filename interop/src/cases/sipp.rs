//! Calls from and to SIPp.

use std::fs;
use std::time::Duration;

use super::ours::{LIMIT, Ours, SOON};
use crate::capture;
use crate::case::{Case, Peer};
use crate::error::{Error, ensure};
use crate::sipp::{self, Scenario, Sipp};
use crate::sound::{self, Codec};
use crate::tipring::{Tipring, exit};

pub(super) const CALLS_ECHO: Case = Case {
    name: "sipp-calls-and-echoes",
    shows: "SIPp's own `uac` calls us; our voice goes there and comes back, each sample µ-law's",
    with: &[Peer::Sipp, Peer::Sox],
    raw: false,
    run: |lab| {
        let port = lab.ports()?;
        let mut ours = Ours::answer(lab, port, &[])?;
        let mut caller = Sipp::caller(Scenario::Own("uac"), lab.ports()?, port);
        caller.echo = true;
        caller.hold = Duration::from_secs(5);
        let mut sipp = caller.start(lab)?;
        sipp::wait(&mut sipp, lab, LIMIT)?;
        ours.tipring.wait_for_code(SOON, exit::FINE)?;
        ours.must_have_heard(&ours.voice, Codec::Pcmu, 4)
    },
};

pub(super) const CALLS_PLAYING: Case = Case {
    name: "sipp-calls-and-plays",
    shows: "SIPp's own `uac_pcap` calls us with 30 ms packets of A-law, then a digit under another SSRC; both arrive",
    with: &[Peer::Sipp, Peer::Sox, Peer::Tshark],
    raw: true,
    run: |lab| {
        sipp::link_captures(lab)?;
        let port = lab.ports()?;
        let mut ours = Ours::answer(lab, port, &[])?;
        let mut sipp = Sipp::caller(Scenario::Own("uac_pcap"), lab.ports()?, port).start(lab)?;
        sipp::wait(&mut sipp, lab, LIMIT)?;
        ours.tipring.wait_for_code(SOON, exit::FINE)?;
        ours.tipring.must_have_digits("1")?;
        let coded = lab.path("played.al");
        let payloads = capture::payloads(&sipp::captures().join("g711a.pcap"), "rtp.p_type == 8")?;
        fs::write(&coded, payloads).map_err(|error| Error::io(coded.display(), &error))?;
        ours.must_have_heard_samples(&sound::decode(&coded, Codec::Pcma)?, 6)
    },
};

pub(super) const CALLS_ODDLY: Case = Case {
    name: "sipp-calls-oddly",
    shows: "compact and folded headers, odd case, an unknown codec, video and BFCP lines: A-law is chosen, the rest refused in place",
    with: &[Peer::Sipp, Peer::Sox],
    raw: false,
    run: |lab| {
        let voice = lab.voice("bob")?;
        sound::encode(&voice, &lab.path("speech.al"))?;
        let port = lab.ports()?;
        let mut ours = Ours::answer(lab, port, &[])?;
        let mut caller = Sipp::caller(Scenario::Ours("uac-odd"), lab.ports()?, port);
        caller.hold = Duration::from_secs(4);
        let mut sipp = caller.start(lab)?;
        sipp::wait(&mut sipp, lab, LIMIT)?;
        ours.tipring.wait_for_code(SOON, exit::FINE)?;
        ours.must_have_heard(&voice, Codec::Pcma, 3)
    },
};

pub(super) const CALLED_ECHO: Case = Case {
    name: "sipp-is-called-and-echoes",
    shows: "we call SIPp's own `uas`; our voice goes there and comes back, each sample µ-law's",
    with: &[Peer::Sipp, Peer::Sox],
    raw: false,
    run: |lab| {
        let port = lab.ports()?;
        let mut callee = Sipp::callee(Scenario::Own("uas"), port);
        callee.echo = true;
        let mut sipp = callee.start(lab)?;
        let mut ours = Ours::call(
            lab,
            &format!("sip:echo@127.0.0.1:{port}"),
            &["--duration", "5s"],
        )?;
        ours.tipring.wait_for_code(LIMIT, exit::FINE)?;
        sipp::wait(&mut sipp, lab, SOON)?;
        ours.must_have_heard(&ours.voice, Codec::Pcmu, 4)
    },
};

pub(super) const CALLED_PLAYING: Case = Case {
    name: "sipp-is-called-and-plays",
    shows: "we call a callee that rings, answers A-law with folded and odd headers, and plays speech",
    with: &[Peer::Sipp, Peer::Sox],
    raw: false,
    run: |lab| {
        let voice = lab.voice("bob")?;
        sound::encode(&voice, &lab.path("speech.al"))?;
        let port = lab.ports()?;
        let mut sipp = Sipp::callee(Scenario::Ours("uas-media"), port).start(lab)?;
        let mut ours = Ours::call(
            lab,
            &format!("sip:player@127.0.0.1:{port}"),
            &["--duration", "4s"],
        )?;
        ours.tipring.wait_for_code(LIMIT, exit::FINE)?;
        sipp::wait(&mut sipp, lab, SOON)?;
        ours.must_have_heard(&voice, Codec::Pcma, 3)
    },
};

pub(super) const CALLED_IPV6: Case = Case {
    name: "sipp-is-called-over-ipv6",
    shows: "the same as sipp-is-called-and-echoes over ::1",
    with: &[Peer::Sipp, Peer::Sox],
    raw: false,
    run: |lab| {
        let port = lab.ports()?;
        let callee = Sipp {
            host: "[::1]",
            echo: true,
            ..Sipp::callee(Scenario::Own("uas"), port)
        };
        let mut sipp = callee.start(lab)?;
        let mut ours = Ours::call(
            lab,
            &format!("sip:echo@[::1]:{port}"),
            &["--duration", "4s"],
        )?;
        ours.tipring.wait_for_code(LIMIT, exit::FINE)?;
        sipp::wait(&mut sipp, lab, SOON)?;
        ours.must_have_heard(&ours.voice, Codec::Pcmu, 3)
    },
};

pub(super) const ASKS: Case = Case {
    name: "sipp-asks",
    shows: "OPTIONS gets 200, an unknown method 405, an unknown extension 420, a BYE without a call 481, a codec nobody knows 488",
    with: &[Peer::Sipp],
    raw: false,
    run: |lab| {
        let port = lab.ports()?;
        let ours = Ours::answer(lab, port, &[])?;
        let mut sipp =
            Sipp::caller(Scenario::Ours("uac-options"), lab.ports()?, port).start(lab)?;
        sipp::wait(&mut sipp, lab, LIMIT)?;
        ours.tipring.process.interrupt()
    },
};

pub(super) const ASKED: Case = Case {
    name: "sipp-is-asked",
    shows: "`tipring options` asks a peer, gets 200 and says so",
    with: &[Peer::Sipp],
    raw: false,
    run: |lab| {
        let port = lab.ports()?;
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
