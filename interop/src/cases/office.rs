//! The phones of others at our server, which call and are called by one of ours there.

use std::time::Duration;

use super::baresip::TALK;
use super::linphone::{heard, in_one_stretch, play};
use super::ours::{LIMIT, Ours, Provider, SOON};
use crate::baresip::{Account, Answers, Baresip, Setup};
use crate::case::{Case, Peer};
use crate::clock::pause;
use crate::error::{Error, ensure};
use crate::lab::Lab;
use crate::linphone::Linphone;
use crate::office::{ALICE, BOB, Office};
use crate::sound::{Codec, Match};
use crate::tipring::exit;
use crate::wav::Wav;

pub(super) const CALLED: Case = Case {
    name: "linphone-registers-at-ours",
    shows: "linphone registers at `tipring serve` by its password, one of ours calls it there: what it plays arrives through the server, each sample µ-law's",
    with: &[Peer::Linphone, Peer::Sox],
    raw: false,
    run: |lab| {
        let (office, mut linphone) = registered(lab)?;
        let host = office.host();
        let mut ours = Ours::call_at(
            &lab.beside("alice")?,
            &provider(&host),
            ALICE,
            BOB.0,
            &["--codec", "pcmu", "--duration", "7s"],
        )?;
        ours.tipring.wait_for("connected", SOON)?;
        play(lab, &mut linphone)?;
        ours.tipring.wait_for_code(LIMIT, exit::FINE)?;
        linphone.wait_for("Released", 1, SOON)?;
        heard(lab, &ours.heard()?)?;
        nothing_wrong(office)
    },
};

pub(super) const CALLS: Case = Case {
    name: "linphone-calls-at-ours",
    shows: "linphone, registered at `tipring serve`, calls one of ours there and hangs up; what it plays arrives through the server, each sample µ-law's",
    with: &[Peer::Linphone, Peer::Sox],
    raw: false,
    run: |lab| {
        let (office, mut linphone) = registered(lab)?;
        let host = office.host();
        let mut ours =
            Ours::registered(&lab.beside("alice")?, &provider(&host), ALICE, Some("200"))?;
        linphone.call(&format!("sip:{}@{host}", ALICE.0))?;
        ours.tipring.wait_for("connected", SOON)?;
        linphone.wait_for("StreamsRunning", 1, SOON)?;
        play(lab, &mut linphone)?;
        pause(Duration::from_secs(5));
        linphone.hang_up()?;
        ours.tipring.wait_for_code(SOON, exit::FINE)?;
        linphone.wait_for("Released", 1, SOON)?;
        heard(lab, &ours.heard()?)?;
        nothing_wrong(office)
    },
};

pub(super) const BARESIP_CALLED: Case = Case {
    name: "baresip-registers-at-ours",
    shows: "baresip registers at `tipring serve`, which offers MD5 alone to it, and one of ours calls it there: both voices arrive through the server",
    with: &[Peer::Baresip, Peer::Sox],
    raw: false,
    run: |lab| {
        let office = Office::open_with(lab, MD5)?;
        let host = office.host();
        let mut baresip = baresip(lab, &host, Answers::AtOnce)?;
        let mut ours = Ours::call_at(
            &lab.beside("alice")?,
            &provider(&host),
            ALICE,
            BOB.0,
            &["--codec", "pcmu", "--duration", "6s"],
        )?;
        ours.tipring.wait_for_code(LIMIT, exit::FINE)?;
        baresip.wait_for("CALL_CLOSED", SOON)?;
        both_heard(&ours, &baresip)?;
        nothing_wrong(office)
    },
};

pub(super) const BARESIP_CALLS: Case = Case {
    name: "baresip-calls-at-ours",
    shows: "baresip, registered at `tipring serve`, calls another of its users and hangs up: both voices arrive through the server",
    with: &[Peer::Baresip, Peer::Sox],
    raw: false,
    run: |lab| {
        let office = Office::open_with(lab, MD5)?;
        let host = office.host();
        let mut baresip = baresip(lab, &host, Answers::WhenTold)?;
        let mut ours =
            Ours::registered(&lab.beside("alice")?, &provider(&host), ALICE, Some("200"))?;
        baresip.dial(&format!("sip:{}@{host}", ALICE.0))?;
        baresip.wait_for("CALL_ESTABLISHED", SOON)?;
        pause(TALK);
        baresip.hang_up()?;
        ours.tipring.wait_for_code(SOON, exit::FINE)?;
        both_heard(&ours, &baresip)?;
        nothing_wrong(office)
    },
};

/// It breaks at a challenge that also offers SHA-256.
const MD5: &str = "algorithms = [\"MD5\"]";

/// baresip, registered at our server as bob.
fn baresip(lab: &Lab, host: &str, answers: Answers) -> Result<Baresip, Error> {
    let voice = lab.voice("bob", Codec::Pcmu)?;
    let (user, password) = BOB;
    let account = Account {
        user,
        password,
        host,
    };
    let setup = Setup {
        account: Some(account),
        answers,
        ..Setup::caller(&voice)
    };
    let baresip = Baresip::start(lab, &setup)?;
    baresip.wait_until_registered(SOON)?;
    Ok(baresip)
}

/// What baresip says that it sent and received, against what we played and recorded: a long stretch without a break. The two
/// calls that the server joins keep their own time, so that now and then a frame is missing or late between them.
fn both_heard(ours: &Ours, baresip: &Baresip) -> Result<(), Error> {
    let sent = Wav::read_mono(&baresip.recording("enc")?)?;
    in_one_stretch("us", &Match::find(&sent, &ours.heard()?))?;
    let arrived = Wav::read_mono(&baresip.recording("dec")?)?;
    let said = Wav::read_mono(&ours.voice)?;
    in_one_stretch("baresip", &Match::find(&said, &arrived))
}

/// Our server, and linphone registered there as bob.
fn registered(lab: &Lab) -> Result<(Office, Linphone), Error> {
    let office = Office::open(lab)?;
    let mut linphone = Linphone::start(lab)?;
    linphone.register(BOB, &office.host())?;
    Ok((office, linphone))
}

fn provider(host: &str) -> Provider<'_> {
    Provider {
        host,
        proxy: host.to_owned(),
    }
}

/// Demands that nobody proved anything wrong at the server.
fn nothing_wrong(office: Office) -> Result<(), Error> {
    let wrong = office.close("wrong_proofs")?;
    ensure(wrong == 0, || format!("{wrong} proofs were wrong"))
}
