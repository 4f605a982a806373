//! The address of the machine changes: registrations and calls follow.

use std::net::SocketAddr;

use msp_core::id::CallKey;
use msp_core::link::ToMsp;
use tsp_sip::account::{Account, AccountId};
use tsp_sip::call::{Command, Input};

use crate::accounts::uri;
use crate::peer::{Invite, PEER, SDP, alone, call_up, field, ms, seconds, with_sdp};
use crate::streams::Rig;
use crate::support::{Manner, World};

const ID: AccountId = AccountId(3);

const NEW: &str = "198.51.100.5:5060";

const GRANTED: &str = "Contact: <sip:alice@192.0.2.2:5060>;expires=600\n";

fn registered() -> World {
    let mut w = alone(Manner::Silent);
    let account = Account::new(uri("sip:alice@192.0.2.9")).expect("an account");
    w.command(0, Command::AddAccount(ID, account.into()));
    w.command(0, Command::Register(ID));
    w.run(ms(1));
    let text = w.heard().remove(0);
    say(&mut w, &Invite { text }.response("200 OK", "t", GRANTED));
    w
}

/// The scripted peer says something to the phone, wherever that is.
fn say(w: &mut World, text: &str) {
    let to = w.phones[0].address.to_string();
    w.inject(PEER, &to, text);
    w.run(ms(1));
}

/// The machine has another address.
fn change(w: &mut World) {
    w.strays.clear();
    w.phones[0].address = NEW.parse().expect("an address");
    w.phones[0].media_port = 45_000;
    w.phones[0].media.clear();
    w.command(0, Command::NetworkChanged { bind: None });
    w.run(ms(1));
}

/// What was sent from the new address.
fn one(w: &mut World) -> String {
    let new: SocketAddr = NEW.parse().expect("an address");
    assert!(w.strays.iter().all(|(from, ..)| *from == new));
    let mut all = w.heard();
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

fn asked(w: &World) -> Vec<&'static str> {
    let name = |m: &ToMsp| match m {
        ToMsp::Prepare { .. } => "Prepare",
        ToMsp::Apply { .. } => "Apply",
        ToMsp::Commit => "Commit",
        _ => "other",
    };
    w.phones[0].media.iter().map(|m| name(&m.body)).collect()
}

fn told_new_media(w: &mut World, invite: &str) {
    assert!(invite.contains("\r\nc=IN IP4 198.51.100.5\r\n"), "{invite}");
    assert!(invite.contains("\r\nm=audio 45000 "));
    assert_eq!(asked(w), ["Prepare"]);
    let sdp = SDP.replace("o=- 1 1", "o=- 1 2");
    let ok = Invite {
        text: invite.to_owned(),
    };
    let ok = ok.response("200 OK", "", "Contact: <sip:p@192.0.2.9:5060>\n");
    say(w, &with_sdp(&ok, &sdp));
    assert!(one(w).starts_with("ACK "));
    // The media half goes on with what it has: nothing is dropped, so keys and counters stay.
    assert_eq!(asked(w), ["Prepare", "Apply", "Commit"]);
}

// Shows: the address changes within a call: the registrar is told, then the peer, where we and our media are | interop row 46
#[test]
fn a_call_of_an_account_follows_its_registration() {
    let mut w = registered();
    let key = CallKey(1);
    let (to, account) = (uri("sip:p@192.0.2.9"), Some(ID));
    w.command(0, Command::Dial { key, to, account });
    w.run(ms(1));
    let invite = Invite {
        text: w.heard().remove(0),
    };
    let contact = "Contact: <sip:p@192.0.2.9:5060>\n";
    say(
        &mut w,
        &with_sdp(&invite.response("200 OK", "p1", contact), SDP),
    );
    change(&mut w);
    let register = one(&mut w);
    assert!(register.starts_with("REGISTER sip:192.0.2.9 "));
    assert_eq!(field(&register, "CSeq"), Some("2 REGISTER"));
    let contacts: Vec<_> = register
        .lines()
        .filter(|l| l.starts_with("Contact: "))
        .collect();
    let both = [
        "Contact: <sip:alice@198.51.100.5:5060>",
        "Contact: <sip:alice@192.0.2.2:5060>;expires=0",
    ];
    assert_eq!(contacts, both);
    assert!(register.contains("\r\nVia: SIP/2.0/UDP 198.51.100.5:5060;"));
    let text = register;
    say(
        &mut w,
        &Invite { text }.response("200 OK", "t", "Expires: 600\n"),
    );
    let again = one(&mut w);
    assert!(again.starts_with("INVITE sip:p@192.0.2.9:5060 SIP/2.0\r\n"));
    let contact = field(&again, "Contact");
    assert_eq!(contact, Some("<sip:alice@198.51.100.5:5060>"));
    told_new_media(&mut w, &again);
    w.command(0, Command::HangUp(key));
    w.run(ms(1));
    assert!(one(&mut w).starts_with("BYE "));
    assert_eq!(w.phones[0].agent.stats().network_changes, 1);
}

// Shows: a call without an account follows at once, and one whose registrar is silent does too | interop row 46
#[test]
fn calls_that_have_no_registrar_follow_at_once() {
    let mut w = alone(Manner::Answer);
    call_up(&mut w, "up");
    change(&mut w);
    let invite = one(&mut w);
    assert!(invite.starts_with("INVITE sip:p@192.0.2.9:5060 SIP/2.0\r\n"));
    let contact = field(&invite, "Contact");
    assert_eq!(contact, Some("<sip:user@198.51.100.5:5060>"));
    told_new_media(&mut w, &invite);
    w.run(seconds(5));
    assert!(w.heard().is_empty());
}

// Shows: connections begin at the new address too | interop row 46
#[test]
fn connections_are_made_anew() {
    let mut rig = Rig::new();
    let key = rig.dial(1, "sip:p@192.0.2.9:5060;transport=tcp");
    let invite = Invite {
        text: rig.heard().remove(0).1,
    };
    let contact = "Contact: <sip:p@192.0.2.9:5060;transport=tcp>\n";
    let ok = with_sdp(&invite.response("200 OK", "t", contact), SDP);
    rig.receive(rig.opened[0], &ok);
    rig.heard();
    rig.give(Input::Command(Command::NetworkChanged { bind: None }));
    let (flow, again) = rig.heard().remove(0);
    assert!(again.starts_with("INVITE "), "{again}");
    assert_eq!((rig.opened.len(), flow), (2, rig.opened[1]));
    assert_eq!(rig.closed, [rig.opened[0]]);
    assert!(rig.phone.ended(key).is_none());
}
