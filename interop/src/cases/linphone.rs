//! Calls to linphone. It has no sound card here: what it plays is compared where we hear it.

use std::time::Duration;

use super::ours::{LIMIT, Ours, SOON};
use super::secured::must_be_secured;
use crate::case::{Case, Peer};
use crate::clock::pause;
use crate::error::{Error, ensure};
use crate::lab::Lab;
use crate::linphone::{Linphone, Setup};
use crate::sound::{Codec, Match};
use crate::tipring::exit;
use crate::wav::Wav;

const RATE: usize = 8_000;

pub(super) const CALLED: Case = Case {
    name: "linphone-is-called",
    shows: "we call linphone and hang up; what it plays arrives, each sample µ-law's, and the keys it presses by INFO",
    with: &[Peer::Linphone, Peer::Sox],
    raw: false,
    run: |lab| {
        let mut linphone = Linphone::start(lab)?;
        let mut ours = Ours::call(
            lab,
            &linphone.uri(),
            Codec::Pcmu,
            &["--codec", "pcmu", "--duration", "8s"],
        )?;
        ours.tipring.wait_for("connected", SOON)?;
        play(lab, &mut linphone)?;
        linphone.send_digits("15#")?;
        ours.tipring.wait_for_code(LIMIT, exit::FINE)?;
        linphone.wait_for("Released", 1, SOON)?;
        ours.tipring.must_have_digits("15#")?;
        heard(lab, &ours.heard()?)
    },
};

pub(super) const HOLDS: Case = Case {
    name: "linphone-holds-our-call",
    shows: "we call linphone, which holds the call and comes back: we say both, and what it plays afterwards arrives, each sample µ-law's",
    with: &[Peer::Linphone, Peer::Sox],
    raw: false,
    run: |lab| {
        let mut linphone = Linphone::start(lab)?;
        let mut ours = Ours::call(
            lab,
            &linphone.uri(),
            Codec::Pcmu,
            &["--codec", "pcmu", "--duration", "12s"],
        )?;
        ours.tipring.wait_for("connected", SOON)?;
        linphone.wait_for("StreamsRunning", 1, SOON)?;
        pause(Duration::from_secs(1));
        linphone.hold()?;
        linphone.wait_for("Paused\n", 1, SOON)?;
        ours.tipring.wait_for("held", SOON)?;
        pause(Duration::from_secs(1));
        linphone.resume()?;
        linphone.wait_for("StreamsRunning", 2, SOON)?;
        ours.tipring.wait_for("resumed", SOON)?;
        play(lab, &mut linphone)?;
        ours.tipring.wait_for_code(LIMIT, exit::FINE)?;
        linphone.wait_for("Released", 1, SOON)?;
        heard(lab, &ours.heard()?)
    },
};

pub(super) const DIGITS: Case = Case {
    name: "linphone-digits",
    shows: "linphone hears the digits that we send among the media, and we hear those that it sends there, each once and in order",
    with: &[Peer::Linphone, Peer::Sox],
    raw: false,
    run: |lab| {
        let mut linphone = Linphone::start_as(
            lab,
            &Setup {
                digits_in_media: true,
                ..Setup::PLAIN
            },
        )?;
        let more = ["--codec", "pcmu", "--dtmf", "1592#*", "--duration", "8s"];
        let mut ours = Ours::call(lab, &linphone.uri(), Codec::Pcmu, &more)?;
        ours.tipring.wait_for("connected", SOON)?;
        linphone.wait_for("StreamsRunning", 1, SOON)?;
        linphone.send_digits("2580*#")?;
        ours.tipring.wait_for_code(LIMIT, exit::FINE)?;
        ours.tipring.must_have_digits("2580*#")?;
        let told = ours.report()?.tells("INFO");
        ensure(!told, || "it told its digits by INFO".to_owned())?;
        linphone.must_have_digits("1592#*")
    },
};

pub(super) const CALLED_SRTP: Case = Case {
    name: "linphone-is-called-srtp",
    shows: "we insist on SRTP and call linphone, which insists too; what it plays arrives, each sample µ-law's",
    with: &[Peer::Linphone, Peer::Sox],
    raw: false,
    run: |lab| {
        let mut linphone = Linphone::start_as(lab, &SECURED)?;
        let more = [&INSIST[..], &["--codec", "pcmu", "--duration", "6s"]].concat();
        let mut ours = Ours::call(lab, &linphone.uri(), Codec::Pcmu, &more)?;
        ours.tipring.wait_for("connected", SOON)?;
        play(lab, &mut linphone)?;
        ours.tipring.wait_for_code(LIMIT, exit::FINE)?;
        must_be_secured(&ours)?;
        heard(lab, &ours.heard()?)
    },
};

pub(super) const RINGS_RELIABLY: Case = Case {
    name: "linphone-rings-reliably",
    shows: "linphone rings with a 180 that it wants acknowledged, and we do (PRACK); it is picked up, and what it plays arrives",
    with: &[Peer::Linphone, Peer::Sox],
    raw: false,
    run: |lab| {
        let mut linphone = Linphone::start_as(
            lab,
            &Setup {
                answers: false,
                insists_on_prack: true,
                ..Setup::PLAIN
            },
        )?;
        let more = ["--codec", "pcmu", "--duration", "6s"];
        let mut ours = Ours::call(lab, &linphone.uri(), Codec::Pcmu, &more)?;
        ours.tipring.wait_for("ringing", SOON)?;
        linphone.answer()?;
        ours.tipring.wait_for("connected", SOON)?;
        play(lab, &mut linphone)?;
        ours.tipring.wait_for_code(LIMIT, exit::FINE)?;
        let acknowledged = ours.report()?.tells("PRACK");
        ensure(acknowledged, || "we sent no PRACK".to_owned())?;
        heard(lab, &ours.heard()?)
    },
};

const SECURED: Setup = Setup {
    encryption: "srtp",
    ..Setup::PLAIN
};

/// That we insist on SRTP too.
const INSIST: [&str; 3] = ["--srtp", "required", "--srtp-keys-in-clear"];

/// It plays bob's voice.
pub(super) fn play(lab: &Lab, linphone: &mut Linphone) -> Result<(), Error> {
    linphone.play(&lab.voice("bob", Codec::Pcmu)?)
}

/// Demands two and a half seconds of bob's voice without a break.
pub(super) fn heard(lab: &Lab, sound: &[i16]) -> Result<(), Error> {
    let found = Match::find(&Wav::read_mono(&lab.path("bob.wav"))?, sound);
    in_one_stretch("us", &found)
}

/// Demands two and a half seconds without a break of what `who` heard.
pub(super) fn in_one_stretch(who: &str, found: &Match) -> Result<(), Error> {
    let longest = found.runs.iter().map(|run| run.len).max();
    ensure(longest >= Some(5 * RATE / 2), || {
        format!("heard by {who}: {found}")
    })
}
