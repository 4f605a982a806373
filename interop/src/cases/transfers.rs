//! Calls that are passed on: by us, by baresip and by linphone, the sound compared where they go to.

use std::time::Duration;

use super::baresip::{TALK, calls_us_with};
use super::ours::{LIMIT, Ours, SOON};
use crate::baresip::{Baresip, Setup};
use crate::case::{Case, Peer};
use crate::clock::pause;
use crate::error::{Error, ensure};
use crate::lab::Lab;
use crate::linphone::Linphone;
use crate::ports;
use crate::sound::{Codec, Match};
use crate::tipring::exit;
use crate::wav::Wav;

/// How much of a voice must have arrived, whole.
const HEARD: usize = 3;

pub(super) const WE_TRANSFER_BARESIP: Case = Case {
    name: "we-transfer-baresip",
    shows: "we call baresip and pass it on to a third phone, by REFER: it calls there and says so, and both voices arrive there",
    with: &[Peer::Baresip, Peer::Sox],
    raw: false,
    run: |lab| {
        let (mut third, uri) = third(lab, "alice")?;
        let voice = lab.voice("bob", Codec::Pcmu)?;
        let mut baresip = Baresip::start(lab, &Setup::callee(&voice))?;
        let mut ours = passes_on(
            lab,
            &format!("sip:baresip@127.0.0.1:{}", baresip.port()),
            &uri,
        )?;
        ours.tipring.wait_for_code(LIMIT, exit::FINE)?;
        must_have_passed_on(&ours)?;
        third.tipring.wait_for_code(LIMIT, exit::FINE)?;
        third.must_have_heard(&voice, HEARD)?;
        baresip.wait_for("CALL_CLOSED", SOON)?;
        let arrived = Wav::read_mono(&baresip.last_recording("dec")?)?;
        Match::find(&Wav::read_mono(&third.voice)?, &arrived)
            .in_one_piece(HEARD * 8_000)
            .map_err(|error| Error::new(format!("heard by baresip: {error}")))
    },
};

pub(super) const BARESIP_TRANSFERS_US: Case = Case {
    name: "baresip-transfers-us",
    shows: "baresip calls us and passes us on to a third phone: we call there, it hears of it and hangs up, and both voices arrive there",
    with: &[Peer::Baresip, Peer::Sox],
    raw: false,
    run: |lab| {
        let (mut third, uri) = third(lab, "bob")?;
        let (mut ours, mut baresip) = calls_us_with(lab, &["--follow-transfers"])?;
        pause(Duration::from_secs(1));
        baresip.transfer(&uri)?;
        baresip.wait_for("CALL_CLOSED", SOON)?;
        must_have_followed(&mut ours, &mut third, false)
    },
};

pub(super) const LINPHONE_TRANSFERS_US: Case = Case {
    name: "linphone-transfers-us",
    shows: "we call linphone, which passes us on to a third phone: we call there, it hears of it, and both voices arrive there",
    with: &[Peer::Linphone, Peer::Sox],
    raw: false,
    run: |lab| {
        let (mut third, uri) = third(lab, "bob")?;
        let mut linphone = Linphone::start(lab)?;
        let more = ["--codec", "pcmu", "--follow-transfers", "--duration", "9s"];
        let mut ours = Ours::call(lab, &linphone.uri(), Codec::Pcmu, &more)?;
        ours.tipring.wait_for("connected", SOON)?;
        linphone.wait_for("StreamsRunning", 1, SOON)?;
        linphone.transfer(&uri)?;
        linphone.wait_for("Released", 1, SOON)?;
        must_have_followed(&mut ours, &mut third, false)
    },
};

/// A third phone of ours, which speaks as `who` to whom it is called by, and hangs up; and its address.
fn third(lab: &Lab, who: &str) -> Result<(Ours, String), Error> {
    let port = ports::block()?;
    let duration = format!("{}s", TALK.as_secs());
    let third = Ours::answer_as(
        &lab.beside("third")?,
        who,
        port,
        &["--codec", "pcmu", "--duration", &duration],
    )?;
    Ok((third, format!("sip:third@127.0.0.1:{port}")))
}

/// We call `peer` and pass it on to `third`.
fn passes_on(lab: &Lab, peer: &str, third: &str) -> Result<Ours, Error> {
    let more = ["--codec", "pcmu", "--transfer-to", third];
    let more = [&more[..], &["--transfer-after", "2s"]].concat();
    Ours::call(lab, peer, Codec::Pcmu, &more)
}

/// Demands that the peer told us, who passed it on, of its new call.
fn must_have_passed_on(ours: &Ours) -> Result<(), Error> {
    let events = ours.tipring.events();
    let told = |name: &str| events.iter().any(|event| event["event"] == name);
    ensure(told("transferring") && told("transferred"), || {
        "we do not say that the call was passed on".to_owned()
    })
}

/// Demands that we made the call that the peer asked for, and that both voices arrived there.
fn must_have_followed(ours: &mut Ours, third: &mut Ours, consulted: bool) -> Result<(), Error> {
    third.tipring.wait_for_code(LIMIT, exit::FINE)?;
    ours.tipring.wait_for_code(LIMIT, exit::FINE)?;
    let wish = ours.tipring.wait_for("transfer-requested", SOON)?;
    ensure(wish["consulted"] == consulted, || {
        format!("the peer's wish: {wish}")
    })?;
    third.must_have_heard(&ours.voice, HEARD)?;
    ours.turn_to_followed();
    ours.must_have_heard(&third.voice, HEARD)
}
