//! Calls from and to baresip, both voices compared at both ends.

use std::time::Duration;

use super::ours::{LIMIT, Ours, SOON};
use crate::baresip::{Baresip, Setup};
use crate::case::{Case, Peer};
use crate::clock::pause;
use crate::error::Error;
use crate::lab::Lab;
use crate::ports;
use crate::sound::{Codec, Match};
use crate::tipring::exit;
use crate::wav::Wav;

/// How long the two talk.
pub(super) const TALK: Duration = Duration::from_secs(5);
/// How much of that must have arrived, whole: the rest is connecting and hanging up.
const HEARD: usize = 4;

pub(super) const CALLS: Case = Case {
    name: "baresip-calls",
    shows: "baresip calls us and hangs up; both voices arrive, each sample µ-law's",
    with: &[Peer::Baresip, Peer::Sox],
    raw: false,
    run: |lab| {
        let (mut ours, mut baresip) = calls_us(lab)?;
        pause(TALK);
        baresip.hang_up()?;
        ours.tipring.wait_for_code(SOON, exit::FINE)?;
        both_heard(&ours, &baresip)
    },
};

pub(super) const CALLED_PCMU: Case = Case {
    name: "baresip-is-called-pcmu",
    shows: "we call baresip and hang up; both voices arrive, each sample µ-law's",
    with: &[Peer::Baresip, Peer::Sox],
    raw: false,
    run: |lab| called(lab, Codec::Pcmu),
};

pub(super) const CALLED_PCMA: Case = Case {
    name: "baresip-is-called-pcma",
    shows: "the same with A-law",
    with: &[Peer::Baresip, Peer::Sox],
    raw: false,
    run: |lab| called(lab, Codec::Pcma),
};

pub(super) const CALLED_L16: Case = Case {
    name: "baresip-is-called-l16",
    shows: "the same with L16 under a dynamic payload type, each sample the file's own",
    with: &[Peer::Baresip, Peer::Sox],
    raw: false,
    run: |lab| called(lab, Codec::L16),
};

/// A call of baresip, which speaks as bob, to us.
pub(super) fn calls_us(lab: &Lab) -> Result<(Ours, Baresip), Error> {
    calls_us_with(lab, &[])
}

/// The same with `more` on our command line.
pub(super) fn calls_us_with(lab: &Lab, more: &[&str]) -> Result<(Ours, Baresip), Error> {
    let port = ports::block()?;
    let ours = Ours::answer_with(lab, port, Codec::Pcmu, more)?;
    let voice = lab.voice("bob", Codec::Pcmu)?;
    let mut baresip = Baresip::start(lab, &Setup::caller(&voice))?;
    baresip.dial(&format!("sip:tipring@127.0.0.1:{port}"))?;
    baresip.wait_for("CALL_ESTABLISHED", SOON)?;
    Ok((ours, baresip))
}

fn called(lab: &Lab, codec: Codec) -> Result<(), Error> {
    let voice = lab.voice("bob", codec)?;
    let mut baresip = Baresip::start(lab, &Setup::callee(&voice))?;
    let uri = format!("sip:baresip@127.0.0.1:{}", baresip.port());
    let duration = format!("{}s", TALK.as_secs());
    let mut ours = Ours::call(
        lab,
        &uri,
        codec,
        &["--codec", codec.name(), "--duration", &duration],
    )?;
    ours.tipring.wait_for_code(LIMIT, exit::FINE)?;
    baresip.wait_for("CALL_CLOSED", SOON)?;
    both_heard(&ours, &baresip)
}

/// What baresip says that it sent and received, against what we played and recorded.
pub(super) fn both_heard(ours: &Ours, baresip: &Baresip) -> Result<(), Error> {
    let sent = baresip.recording("enc")?;
    ours.must_have_heard(&sent, HEARD)?;
    let arrived = Wav::read_mono(&baresip.recording("dec")?)?;
    Match::find(&Wav::read_mono(&ours.voice)?, &arrived)
        .in_one_piece(HEARD * 8_000)
        .map_err(|error| Error::new(format!("heard by baresip: {error}")))
}
