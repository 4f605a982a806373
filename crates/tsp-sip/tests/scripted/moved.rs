//! The address of the machine changes: registrations and calls follow.

use std::net::SocketAddr;

use msp_core::id::CallKey;
use msp_core::link::ToMsp;
use tsp_sip::account::{Account, AccountId};
use tsp_sip::call::{Command, Input};
use tsp_sip::subscription::{Package, SubscriptionId};

use crate::accounts::uri;
use crate::peer::{
    CONTACT, Invite, PEER, SDP, alone, call_up, field, ms, plain, seconds, tag, with_sdp, within,
};
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

/// The phone calls the scripted peer: its INVITE.
fn dial_out(w: &mut World, key: CallKey) -> Invite {
    let (to, account) = (uri("sip:p@192.0.2.9"), None);
    w.command(0, Command::Dial { key, to, account });
    w.run(ms(1));
    Invite {
        text: w.heard().remove(0),
    }
}

// Shows: a call that rings when the address changes is told to the peer as soon as it is answered | interop row 46
#[test]
fn a_call_that_rings_follows_once_it_is_answered() {
    let mut w = alone(Manner::Silent);
    let invite = dial_out(&mut w, CallKey(1));
    say(&mut w, &invite.response("180 Ringing", "p1", CONTACT));
    change(&mut w);
    assert!(
        w.heard().is_empty(),
        "an early dialog without an agreement is left alone"
    );
    say(
        &mut w,
        &with_sdp(&invite.response("200 OK", "p1", CONTACT), SDP),
    );
    let heard = w.heard();
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert!(heard[0].starts_with("ACK "));
    let again = &heard[1];
    assert!(again.starts_with("INVITE sip:p@192.0.2.9:5060 SIP/2.0\r\n"));
    assert_eq!(
        field(again, "Contact"),
        Some("<sip:user@198.51.100.5:5060>")
    );
    assert!(again.contains("\r\nc=IN IP4 198.51.100.5\r\n"), "{again}");
}

// Shows: a call that rings and takes UPDATE is told at once that the address changed | RFC 3311 5.1, interop row 46
#[test]
fn a_call_that_rings_follows_by_update() {
    let mut w = alone(Manner::Silent);
    let invite = dial_out(&mut w, CallKey(1));
    let early = format!("{CONTACT}Require: 100rel\nRSeq: 1\nAllow: INVITE, PRACK, UPDATE\n");
    let ringing = invite.response("183 Session Progress", "p1", &early);
    say(&mut w, &with_sdp(&ringing, SDP));
    let text = w.heard().remove(0);
    assert!(text.starts_with("PRACK "), "{text}");
    say(&mut w, &Invite { text }.response("200 OK", "", ""));
    change(&mut w);
    let update = one(&mut w);
    assert!(
        update.starts_with("UPDATE sip:p@192.0.2.9:5060 SIP/2.0\r\n"),
        "{update}"
    );
    assert_eq!(
        field(&update, "Contact"),
        Some("<sip:user@198.51.100.5:5060>")
    );
    assert!(update.contains("\r\nc=IN IP4 198.51.100.5\r\n"));
    let ok = Invite { text: update }.response("200 OK", "", CONTACT);
    say(&mut w, &with_sdp(&ok, &SDP.replace("o=- 1 1", "o=- 1 2")));
    say(&mut w, &invite.response("200 OK", "p1", CONTACT));
    assert!(one(&mut w).starts_with("ACK "), "it knows already");
}

// Shows: a call that came in and rings when the address changes is answered with where we are | interop row 46
#[test]
fn a_call_that_came_in_is_answered_from_where_we_are() {
    let mut w = alone(Manner::Silent);
    let invite = with_sdp(
        &plain("INVITE sip:user@192.0.2.2", "in", "1 INVITE", ""),
        SDP,
    );
    say(&mut w, &invite);
    let key = w.phones[0].incoming()[0];
    w.command(0, Command::Ring(key));
    w.run(ms(1));
    change(&mut w);
    w.heard();
    w.command(0, Command::Answer(key));
    w.run(ms(1));
    let heard = w.heard();
    let ok = heard.iter().find(|m| m.starts_with("SIP/2.0 200"));
    let ok = ok.expect("an answer");
    assert_eq!(field(ok, "Contact"), Some("<sip:user@198.51.100.5:5060>"));
    let ack = within("ACK", "in", 1, &tag(ok, "To"), "");
    say(&mut w, &ack);
    // Its media were ready before, and follow now.
    let again = one(&mut w);
    assert!(again.starts_with("INVITE sip:p@192.0.2.9:5060 SIP/2.0\r\n"));
    assert!(again.contains("\r\nc=IN IP4 198.51.100.5\r\n"), "{again}");
}

// Shows: the address changes: who tells us of a state hears at once where we are | RFC 6665 4.1.2.2, interop row 46
#[test]
fn subscriptions_follow_at_once() {
    let mut w = alone(Manner::Silent);
    let command = Command::Subscribe {
        id: SubscriptionId(4),
        to: uri("sip:bob@192.0.2.9"),
        account: None,
        package: Package::MessageSummary,
        expires: seconds(600),
    };
    w.command(0, command);
    w.run(ms(1));
    let first = Invite {
        text: w.heard().remove(0),
    };
    say(&mut w, &first.response("200 OK", "n", "Expires: 600\n"));
    let (from, to) = (field(&first.text, "To"), field(&first.text, "From"));
    let notify = format!(
        "NOTIFY sip:user@192.0.2.2:5060 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKn\nMax-Forwards: 70\n\
         From: {};tag=n\nTo: {}\nCall-ID: {}\nCSeq: 1 NOTIFY\nContact: <sip:n@192.0.2.9:5060>\nEvent: message-summary\n\
         Subscription-State: active;expires=600\n\n",
        from.expect("To"),
        to.expect("From"),
        field(&first.text, "Call-ID").expect("Call-ID"),
    );
    say(&mut w, &notify);
    assert!(w.heard()[0].starts_with("SIP/2.0 200"));
    change(&mut w);
    let again = one(&mut w);
    assert!(
        again.starts_with("SUBSCRIBE sip:n@192.0.2.9:5060 SIP/2.0\r\n"),
        "{again}"
    );
    assert_eq!(
        field(&again, "Contact"),
        Some("<sip:user@198.51.100.5:5060>")
    );
    assert_eq!(field(&again, "Expires"), Some("600"));
    assert_eq!(field(&again, "Call-ID"), field(&first.text, "Call-ID"));
    say(
        &mut w,
        &Invite { text: again }.response("200 OK", "", "Expires: 600\n"),
    );
    w.run(seconds(60));
    assert!(w.heard().is_empty(), "told once");
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
