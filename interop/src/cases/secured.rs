//! Calls from and to baresip with SRTP and keys in SDP, both voices compared at both ends.

use super::baresip::{TALK, both_heard};
use super::ours::{LIMIT, Ours, SOON};
use crate::baresip::{Baresip, Setup};
use crate::case::{Case, Peer};
use crate::clock::pause;
use crate::error::{Error, ensure};
use crate::lab::Lab;
use crate::ports;
use crate::sound::Codec;
use crate::tipring::exit;

pub(super) const CALLS: Case = Case {
    name: "baresip-calls-srtp",
    shows: "baresip, which insists on SRTP, calls us, who insist too; both voices arrive",
    with: &[Peer::Baresip, Peer::Sox],
    raw: false,
    run: |lab| calls_us(lab, "srtp-mand", "required"),
};

pub(super) const CALLS_OPTIONAL: Case = Case {
    name: "baresip-calls-srtp-optional",
    shows: "baresip offers SRTP under the plain profile, and we take it; both voices arrive",
    with: &[Peer::Baresip, Peer::Sox],
    raw: false,
    run: |lab| calls_us(lab, "srtp", "optional"),
};

pub(super) const CALLED: Case = Case {
    name: "baresip-is-called-srtp",
    shows: "we insist on SRTP and call baresip, which insists too; both voices arrive",
    with: &[Peer::Baresip, Peer::Sox],
    raw: false,
    run: |lab| called(lab, "srtp-mand", "required"),
};

pub(super) const CALLED_OPTIONAL: Case = Case {
    name: "baresip-is-called-srtp-optional",
    shows: "we offer SRTP under the plain profile, and baresip takes it; both voices arrive",
    with: &[Peer::Baresip, Peer::Sox],
    raw: false,
    run: |lab| called(lab, "srtp", "optional"),
};

fn calls_us(lab: &Lab, theirs: &'static str, ours: &str) -> Result<(), Error> {
    let port = ports::block()?;
    let options = ["--srtp", ours, "--srtp-keys-in-clear"];
    let mut ours = Ours::answer_with(lab, port, Codec::Pcmu, &options)?;
    let voice = lab.voice("bob", Codec::Pcmu)?;
    let setup = Setup {
        encryption: Some(theirs),
        ..Setup::caller(&voice)
    };
    let mut baresip = Baresip::start(lab, &setup)?;
    baresip.dial(&format!("sip:tipring@127.0.0.1:{port}"))?;
    baresip.wait_for("CALL_ESTABLISHED", SOON)?;
    pause(TALK);
    baresip.hang_up()?;
    ours.tipring.wait_for_code(SOON, exit::FINE)?;
    must_be_secured(&ours)?;
    both_heard(&ours, &baresip)
}

fn called(lab: &Lab, theirs: &'static str, ours: &str) -> Result<(), Error> {
    let voice = lab.voice("bob", Codec::Pcmu)?;
    let setup = Setup {
        encryption: Some(theirs),
        ..Setup::callee(&voice)
    };
    let mut baresip = Baresip::start(lab, &setup)?;
    let uri = format!("sip:baresip@127.0.0.1:{}", baresip.port());
    let duration = format!("{}s", TALK.as_secs());
    let mut options = vec!["--srtp", ours, "--srtp-keys-in-clear"];
    options.extend(["--duration", &duration]);
    let mut ours = Ours::call(lab, &uri, Codec::Pcmu, &options)?;
    ours.tipring.wait_for_code(LIMIT, exit::FINE)?;
    baresip.wait_for("CALL_CLOSED", SOON)?;
    must_be_secured(&ours)?;
    both_heard(&ours, &baresip)
}

/// Demands that our end said that media were encrypted, and nothing else.
pub(super) fn must_be_secured(ours: &Ours) -> Result<(), Error> {
    let events = ours.tipring.events();
    let mut said = events.iter().filter(|e| e["event"] == "security");
    let secured = said.clone().count() == 1 && said.all(|e| e["secured"] == true);
    ensure(secured, || "we did not say that media are encrypted".into())
}
