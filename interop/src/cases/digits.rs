//! Digits as RFC 4733 events, both ways.

use std::time::Duration;

use super::baresip::calls_us;
use super::ours::{LIMIT, Ours, SOON};
use crate::baresip::{Baresip, Setup};
use crate::case::{Case, Peer};
use crate::clock::pause;
use crate::ports;
use crate::sipp::{self, Scenario, Sipp};
use crate::sound::Codec;
use crate::tipring::exit;

pub(super) const TO_BARESIP: Case = Case {
    name: "digits-to-baresip",
    shows: "baresip hears the digits that we send, each once and in order",
    with: &[Peer::Baresip, Peer::Sox],
    raw: false,
    run: |lab| {
        let voice = lab.voice("bob", Codec::Pcmu)?;
        let mut baresip = Baresip::start(lab, &Setup::callee(&voice))?;
        let uri = format!("sip:baresip@127.0.0.1:{}", baresip.port());
        let mut ours = Ours::call(
            lab,
            &uri,
            Codec::Pcmu,
            &["--dtmf", "1592#*", "--duration", "6s"],
        )?;
        baresip.wait_for_digits("1592#*", SOON)?;
        ours.tipring.wait_for_code(LIMIT, exit::FINE)
    },
};

pub(super) const FROM_BARESIP: Case = Case {
    name: "digits-from-baresip",
    shows: "we hear the digits that baresip sends, each once and in order",
    with: &[Peer::Baresip, Peer::Sox],
    raw: false,
    run: |lab| {
        let (mut ours, mut baresip) = calls_us(lab)?;
        for digit in "2580*#".chars() {
            baresip.send_digit(digit)?;
            // It presses a key for as long as nobody presses the next.
            pause(Duration::from_millis(400));
        }
        pause(Duration::from_millis(600));
        baresip.hang_up()?;
        ours.tipring.wait_for_code(SOON, exit::FINE)?;
        ours.tipring.must_have_digits("2580*#")
    },
};

pub(super) const FROM_SIPP: Case = Case {
    name: "digits-from-sipp",
    shows: "we hear the digits that SIPp sends without any sound around them",
    with: &[Peer::Sipp, Peer::Sox],
    raw: true,
    run: |lab| {
        let port = ports::block()?;
        let mut ours = Ours::answer(lab, port, Codec::Pcmu)?;
        let mut sipp =
            Sipp::caller(Scenario::Ours("uac-digits"), ports::block()?, port).start(lab)?;
        sipp::wait(&mut sipp, lab, LIMIT)?;
        ours.tipring.wait_for_code(SOON, exit::FINE)?;
        ours.tipring.must_have_digits("159#")
    },
};

pub(super) const TO_SIPP: Case = Case {
    name: "digits-to-sipp-and-back",
    shows: "SIPp echoes our digits packet by packet; we hear them as they were sent",
    with: &[Peer::Sipp, Peer::Sox],
    raw: false,
    run: |lab| {
        let port = ports::block()?;
        let callee = Sipp {
            echo: true,
            ..Sipp::callee(Scenario::Ours("uas-echo"), port)
        };
        let mut sipp = callee.start(lab)?;
        let uri = format!("sip:echo@127.0.0.1:{port}");
        let mut ours = Ours::call(
            lab,
            &uri,
            Codec::Pcmu,
            &["--dtmf", "0A1D", "--duration", "4s"],
        )?;
        ours.tipring.wait_for_code(LIMIT, exit::FINE)?;
        sipp::wait(&mut sipp, lab, SOON)?;
        ours.tipring.must_have_digits("0A1D")
    },
};
