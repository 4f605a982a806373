//! Calls to linphone. It has no sound card here: what it plays is compared where we hear it.

use std::time::Duration;

use super::ours::{LIMIT, Ours, SOON};
use crate::case::{Case, Peer};
use crate::clock::pause;
use crate::error::{Error, ensure};
use crate::lab::Lab;
use crate::linphone::Linphone;
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

/// It plays bob's voice.
pub(super) fn play(lab: &Lab, linphone: &mut Linphone) -> Result<(), Error> {
    linphone.play(&lab.voice("bob", Codec::Pcmu)?)
}

/// Demands two and a half seconds of bob's voice without a break.
pub(super) fn heard(lab: &Lab, sound: &[i16]) -> Result<(), Error> {
    let found = Match::find(&Wav::read_mono(&lab.path("bob.wav"))?, sound);
    let longest = found.runs.iter().map(|run| run.len).max();
    ensure(longest >= Some(5 * RATE / 2), || {
        format!("heard by us: {found}")
    })
}
