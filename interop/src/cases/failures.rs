//! Calls that do not become one, and calls that break.

use std::time::Duration;

use super::baresip::calls_us;
use super::ours::{LIMIT, Ours, SOON};
use crate::case::{Case, Peer};
use crate::clock::pause;
use crate::ports;
use crate::sipp::{self, Scenario, Sipp};
use crate::sound::Codec;
use crate::tipring::exit;

pub(super) const WE_CANCEL: Case = Case {
    name: "we-cancel",
    shows: "Ctrl-C while it rings: CANCEL under the INVITE's branch, 487, ACK",
    with: &[Peer::Sipp, Peer::Sox],
    raw: false,
    run: |lab| {
        let port = ports::block()?;
        let mut sipp = Sipp::callee(Scenario::Ours("uas-ring"), port).start(lab)?;
        let mut ours = Ours::call(lab, &format!("sip:ring@127.0.0.1:{port}"), Codec::Pcmu, &[])?;
        ours.tipring.wait_for("ringing", SOON)?;
        ours.tipring.process.interrupt()?;
        sipp::wait(&mut sipp, lab, SOON)?;
        ours.tipring.wait_for_code(SOON, exit::SIP_FAILURE)
    },
};

pub(super) const CALLER_CANCELS: Case = Case {
    name: "caller-cancels",
    shows: "a caller gives up while we ring: 200 to its CANCEL, 487 to its INVITE, once",
    with: &[Peer::Sipp, Peer::Sox],
    raw: false,
    run: |lab| {
        let port = ports::block()?;
        let mut ours = Ours::ring(lab, port)?;
        let mut sipp =
            Sipp::caller(Scenario::Ours("uac-cancel"), ports::block()?, port).start(lab)?;
        sipp::wait(&mut sipp, lab, LIMIT)?;
        ours.tipring.wait_for_code(SOON, exit::SIP_FAILURE)
    },
};

pub(super) const REFUSED: Case = Case {
    name: "refused",
    shows: "486 ends the call with exit code 3",
    with: &[Peer::Sipp, Peer::Sox],
    raw: false,
    run: |lab| {
        let port = ports::block()?;
        let mut sipp = Sipp::callee(Scenario::Ours("uas-refuse"), port).start(lab)?;
        let mut ours = Ours::call(lab, &format!("sip:busy@127.0.0.1:{port}"), Codec::Pcmu, &[])?;
        ours.tipring.wait_for_code(LIMIT, exit::SIP_FAILURE)?;
        sipp::wait(&mut sipp, lab, SOON)
    },
};

pub(super) const NO_ANSWER: Case = Case {
    name: "no-answer",
    shows: "it rings and nobody answers: after the ring time CANCEL, exit code 5",
    with: &[Peer::Sipp, Peer::Sox],
    raw: false,
    run: |lab| {
        let port = ports::block()?;
        let mut sipp = Sipp::callee(Scenario::Ours("uas-ring"), port).start(lab)?;
        let mut ours = Ours::call(
            lab,
            &format!("sip:ring@127.0.0.1:{port}"),
            Codec::Pcmu,
            &["--ring-time", "2s"],
        )?;
        ours.tipring.wait_for_code(LIMIT, exit::TIMEOUT)?;
        sipp::wait(&mut sipp, lab, SOON)
    },
};

pub(super) const NOBODY_THERE: Case = Case {
    name: "nobody-there",
    shows: "no answer at all to the INVITE: exit code 5 after the ring time",
    with: &[Peer::Sox],
    raw: false,
    run: |lab| {
        let port = ports::block()?;
        let mut ours = Ours::call(
            lab,
            &format!("sip:nobody@127.0.0.1:{port}"),
            Codec::Pcmu,
            &["--ring-time", "2s"],
        )?;
        ours.tipring.wait_for_code(LIMIT, exit::TIMEOUT)
    },
};

pub(super) const SIPP_VANISHES: Case = Case {
    name: "sipp-vanishes",
    shows: "the peer dies in the middle of a call: exit code 4, and what it said until then is recorded",
    with: &[Peer::Sipp, Peer::Sox],
    raw: false,
    run: |lab| {
        let port = ports::block()?;
        let callee = Sipp {
            echo: true,
            ..Sipp::callee(Scenario::Own("uas"), port)
        };
        let mut sipp = callee.start(lab)?;
        let uri = format!("sip:echo@127.0.0.1:{port}");
        let mut ours = Ours::call(lab, &uri, Codec::Pcmu, &["--duration", "35s"])?;
        ours.tipring.wait_for("connected", SOON)?;
        pause(Duration::from_secs(3));
        sipp.kill();
        ours.tipring.wait_for_code(LIMIT, exit::MEDIA_FAILURE)?;
        ours.must_have_heard_with(&ours.voice, 2, &["ceased"])
    },
};

pub(super) const BARESIP_VANISHES: Case = Case {
    name: "baresip-vanishes",
    shows: "the same with baresip as the caller",
    with: &[Peer::Baresip, Peer::Sox],
    raw: false,
    run: |lab| {
        let (mut ours, mut baresip) = calls_us(lab)?;
        pause(Duration::from_secs(3));
        baresip.kill();
        ours.tipring.wait_for_code(LIMIT, exit::MEDIA_FAILURE)?;
        ours.must_have_heard_with(&lab.voice("bob", Codec::Pcmu)?, 2, &["ceased"])
    },
};
