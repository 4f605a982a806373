//! Registrations at Kamailio, and calls of two of ours through it.

use std::time::Duration;

use serde_json::Value;

use super::ours::{LIMIT, Ours, Provider, SOON, path};
use crate::case::{Case, Peer};
use crate::clock::pause;
use crate::error::{Error, ensure};
use crate::kamailio::{ALICE, BOB, Kamailio};
use crate::lab::Lab;
use crate::tipring::{Tipring, exit};

pub(super) const ASKED: Case = Case {
    name: "kamailio-is-asked",
    shows: "`tipring options` asks a proxy, gets 200 and says so",
    with: &[Peer::Kamailio],
    raw: false,
    run: |lab| {
        let proxy = Kamailio::start(lab)?;
        let uri = format!("sip:{}", proxy.host());
        let mut tipring = Tipring::start(lab, ["options", &uri, "--bind", "127.0.0.1"])?;
        tipring.wait_for_code(LIMIT, exit::FINE)?;
        ensure(tipring.process.stdout().contains("200"), || {
            "tipring does not say 200".to_owned()
        })
    },
};

pub(super) const REGISTERS: Case = Case {
    name: "kamailio-registers-us",
    shows: "`tipring register` answers the challenge of a registrar over UDP and is registered",
    with: &[Peer::Kamailio],
    raw: false,
    run: |lab| registers(lab, ""),
};

pub(super) const REGISTERS_TCP: Case = Case {
    name: "kamailio-registers-us-tcp",
    shows: "the same over TCP",
    with: &[Peer::Kamailio],
    raw: false,
    run: |lab| registers(lab, ";transport=tcp"),
};

pub(super) const WRONG_PASSWORD: Case = Case {
    name: "kamailio-knows-another-password",
    shows: "a wrong password: one line that says what to check, exit code 3",
    with: &[Peer::Kamailio],
    raw: false,
    run: |lab| {
        let proxy = Kamailio::start(lab)?;
        let mut tipring = register(lab, &proxy, (ALICE.0, "looking-glass"), "")?;
        tipring.wait_for_code(LIMIT, exit::SIP_FAILURE)?;
        let said = tipring.process.stderr();
        ensure(said.contains("password"), || {
            format!("tipring says nothing of a password: {said}")
        })
    },
};

pub(super) const CONNECTS: Case = Case {
    name: "kamailio-connects-us",
    shows: "two of ours through a proxy that challenges and stays in the path, over UDP: both voices, each sample µ-law's; ACK and BYE pass it",
    with: &[Peer::Kamailio, Peer::Sox],
    raw: false,
    run: |lab| connects(lab, "", ""),
};

pub(super) const CONNECTS_TCP: Case = Case {
    name: "kamailio-connects-us-tcp",
    shows: "the same over TCP",
    with: &[Peer::Kamailio, Peer::Sox],
    raw: false,
    run: |lab| connects(lab, ";transport=tcp", ";transport=tcp"),
};

pub(super) const CONNECTS_BOTH: Case = Case {
    name: "kamailio-connects-udp-and-tcp",
    shows: "the same with the caller on UDP and the callee on TCP",
    with: &[Peer::Kamailio, Peer::Sox],
    raw: false,
    run: |lab| connects(lab, "", ";transport=tcp"),
};

pub(super) const CONNECTS_TLS: Case = Case {
    name: "kamailio-connects-tls",
    shows: "the same with the caller on TLS, the certificate checked, and the callee on UDP",
    with: &[Peer::Kamailio, Peer::Sox],
    raw: false,
    run: |lab| {
        let proxy = Kamailio::start(lab)?;
        let host = proxy.host();
        let mut bob =
            Ours::registered(&lab.beside("bob")?, &provider(&host, ""), BOB, Some("200"))?;
        let over_tls = Provider {
            host: &host,
            proxy: proxy.tls_host(),
        };
        let trusted = path(proxy.certificate())?;
        let more = ["--tls-ca", trusted, "--duration", "5s"];
        let mut alice = Ours::call_at(&lab.beside("alice")?, &over_tls, ALICE, BOB.0, &more)?;
        alice.tipring.wait_for_code(LIMIT, exit::FINE)?;
        bob.tipring.wait_for_code(SOON, exit::FINE)?;
        both_heard(&alice, &bob)
    },
};

pub(super) const FORKS: Case = Case {
    name: "kamailio-forks-to-three",
    shows: "three of ours ring under one name; one is picked up, the others are told that it was answered elsewhere; both voices arrive",
    with: &[Peer::Kamailio, Peer::Sox],
    raw: false,
    run: |lab| {
        let proxy = Kamailio::start(lab)?;
        let host = proxy.host();
        let provider = provider(&host, "");
        let mut rings = [
            Ours::registered(&lab.beside("one")?, &provider, BOB, Some("180"))?,
            Ours::registered(&lab.beside("two")?, &provider, BOB, Some("180"))?,
        ];
        let mut picked_up = Ours::registered(&lab.beside("three")?, &provider, BOB, None)?;
        let mut caller = Ours::call_at(
            &lab.beside("caller")?,
            &provider,
            ALICE,
            BOB.0,
            &["--duration", "5s"],
        )?;
        for phone in rings.iter_mut().chain([&mut picked_up]) {
            phone.tipring.wait_for("incoming", SOON)?;
        }
        caller.tipring.wait_for("ringing", SOON)?;
        // They ring before one of them is picked up.
        pause(Duration::from_millis(500));
        picked_up.tipring.process.type_line("")?;
        for phone in &mut rings {
            let ended = phone.tipring.wait_for("ended", SOON)?;
            ensure(ended["cause"] == "CompletedElsewhere", || {
                format!("a phone that rang says {ended}")
            })?;
        }
        caller.tipring.wait_for_code(LIMIT, exit::FINE)?;
        // It has spoken to who sits at its keyboard.
        picked_up.tipring.process.wait_for_code(SOON, exit::FINE)?;
        both_heard(&caller, &picked_up)
    },
};

/// Alice registers there over what `transport` says.
fn registers(lab: &Lab, transport: &str) -> Result<(), Error> {
    let proxy = Kamailio::start(lab)?;
    let mut tipring = register(lab, &proxy, ALICE, transport)?;
    tipring.wait_for_code(LIMIT, exit::FINE)?;
    let registered = tipring.wait_for("registered", SOON)?;
    let contacts = registered["contacts"].as_array().map(Vec::len);
    ensure(registered["expires"] == 600 && contacts == Some(1), || {
        format!("we say {registered}")
    })?;
    let contact = registered["contacts"].get(0).and_then(Value::as_str);
    ensure(contact.is_some_and(|c| c.contains(transport)), || {
        format!("the registrar has {contact:?}, which is not over `{transport}`")
    })
}

fn register(
    lab: &Lab,
    proxy: &Kamailio,
    (user, password): (&str, &str),
    transport: &str,
) -> Result<Tipring, Error> {
    let (address, over) = (proxy.address(user), proxy.host() + transport);
    let args = ["register", &address, "--once", "--bind", "127.0.0.1"];
    let account = ["--user", user, "--password", password, "--proxy", &over];
    Tipring::start(lab, args.iter().chain(&account))
}

/// Alice calls bob, each over a transport of their own, and hangs up.
fn connects(lab: &Lab, hers: &str, his: &str) -> Result<(), Error> {
    let proxy = Kamailio::start(lab)?;
    let host = proxy.host();
    let mut bob = Ours::registered(&lab.beside("bob")?, &provider(&host, his), BOB, Some("200"))?;
    let mut alice = Ours::call_at(
        &lab.beside("alice")?,
        &provider(&host, hers),
        ALICE,
        BOB.0,
        &["--duration", "5s"],
    )?;
    alice.tipring.wait_for_code(LIMIT, exit::FINE)?;
    bob.tipring.wait_for_code(SOON, exit::FINE)?;
    both_heard(&alice, &bob)?;
    for request in ["ACK from alice", "BYE from alice"] {
        ensure(proxy.has_passed_on(request), || {
            format!("Kamailio saw no {request}")
        })?;
    }
    Ok(())
}

fn provider<'a>(host: &'a str, transport: &str) -> Provider<'a> {
    Provider {
        host,
        proxy: format!("{host}{transport}"),
    }
}

/// Demands four seconds of both voices.
fn both_heard(one: &Ours, other: &Ours) -> Result<(), Error> {
    one.must_have_heard(&other.voice, 4)?;
    other.must_have_heard(&one.voice, 4)
}
