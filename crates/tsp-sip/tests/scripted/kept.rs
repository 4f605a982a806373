//! Ways to a registrar that are kept open, and made anew when they are lost.

use std::net::SocketAddr;

use bytes::Bytes;
use tsp_sip::account::{Account, AccountId};
use tsp_sip::call::{Command, Input};
use tsp_sip::registration::RegistrationKind;

use crate::accounts::uri;
use crate::peer::{Invite, PEER, US, alone, ask, ms, seconds};
use crate::streams::Rig;
use crate::support::{Manner, World};

const ID: AccountId = AccountId(3);

const GRANTED: &str = "Contact: <sip:alice@192.0.2.2:5060>;expires=600\n";

const OUTBOUND: &str = "Contact: <sip:alice@192.0.2.2:5060>;expires=600\nRequire: outbound\n";

/// A phone that a registrar took, which said so with these fields too.
fn registered(extra: &str) -> World {
    let mut w = alone(Manner::Answer);
    let account = Account::new(uri("sip:alice@192.0.2.9")).expect("an account");
    w.command(0, Command::AddAccount(ID, account.into()));
    w.command(0, Command::Register(ID));
    w.run(ms(1));
    grant(&mut w, extra);
    w
}

fn grant(w: &mut World, extra: &str) {
    let text = w.heard().remove(0);
    assert!(text.starts_with("REGISTER sip:192.0.2.9 "), "{text}");
    assert!(ask(w, &Invite { text }.response("200 OK", "t", extra)).is_empty());
}

/// What came to the registrar since the last time.
fn raw(w: &mut World) -> Vec<Bytes> {
    let peer: SocketAddr = PEER.parse().expect("an address");
    let all = w.strays.drain(..).filter(|(_, to, _)| *to == peer);
    all.map(|(_, _, bytes)| bytes).collect()
}

/// The next datagram that the registrar gets, within the time between two keep-alives.
fn next(w: &mut World) -> Bytes {
    for _ in 0..2900 {
        w.run(ms(10));
        if let Some(bytes) = raw(w).pop() {
            return bytes;
        }
    }
    panic!("nothing is sent")
}

/// A binding response to `request` that says 192.0.2.2 and a port.
fn seen_at(request: &Bytes, port: u16) -> Bytes {
    let mut bytes = vec![0x01, 0x01, 0, 12, 0x21, 0x12, 0xa4, 0x42];
    bytes.extend_from_slice(&request[8..20]);
    bytes.extend_from_slice(&[0, 0x20, 0, 8, 0, 1]);
    bytes.extend_from_slice(&(port ^ 0x2112).to_be_bytes());
    bytes.extend_from_slice(&[0xe1, 0x12, 0xa6, 0x40]);
    bytes.into()
}

fn stun_request(bytes: &[u8]) -> bool {
    bytes.len() == 20 && bytes.starts_with(&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42])
}

fn one(mut all: Vec<Bytes>) -> Bytes {
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

// Shows: STUN keeps the way to a registrar over UDP open, and another mapped address makes another registration | RFC 5626 4.4.2 and 8, interop rows 6 and 7
#[test]
fn stun_keeps_a_way_and_notices_that_it_changed() {
    let mut w = registered(OUTBOUND);
    for _ in 0..3 {
        let before = w.sent.len();
        let request = next(&mut w);
        assert!(stun_request(&request), "{request:?}");
        w.inject_bytes(PEER, US, seen_at(&request, 5060));
        w.run(ms(1));
        assert_eq!(w.sent.len(), before + 1, "nothing follows");
    }
    let request = next(&mut w);
    w.phones[0].registrations.clear();
    w.inject_bytes(PEER, US, seen_at(&request, 5099));
    w.run(ms(1));
    let told = w.phones[0].registrations.remove(0).kind;
    let RegistrationKind::Failed {
        reason, retry_in, ..
    } = told
    else {
        panic!("{told:?}")
    };
    assert!(reason.contains("seen elsewhere") && retry_in.is_zero());
    // At once, as the next request of the same registration.
    assert!(w.strays[0].2.starts_with(b"REGISTER "));
    grant(&mut w, OUTBOUND);
    let told = &w.phones[0].registrations[0].kind;
    assert!(matches!(told, RegistrationKind::Registered { .. }));
    assert_eq!(w.phones[0].agent.stats().lost_ways, 1);
}

// Shows: a registrar that answers no keep-alive is registered at anew | RFC 5626 4.4.2 and 4.5, interop row 7
#[test]
fn a_way_where_nobody_answers_is_lost() {
    let mut w = registered(OUTBOUND);
    let request = next(&mut w);
    w.inject_bytes(PEER, US, seen_at(&request, 5060));
    let first = next(&mut w);
    w.run(seconds(39));
    let mut all = raw(&mut w);
    all.push(first);
    assert!(all.len() == 7 && all.iter().all(|b| stun_request(b)));
    assert!(all.iter().all(|b| b == &all[0]), "one transaction");
    w.run(seconds(2));
    assert!(raw(&mut w)[0].starts_with(b"REGISTER "));
    // From who is not the registrar nothing is believed.
    let mut w = registered(OUTBOUND);
    let request = next(&mut w);
    w.inject_bytes("192.0.2.66:5060", US, seen_at(&request, 5099));
    w.run(ms(1));
    assert!(w.phones[0].agent.stats().stray_stun == 1 && w.strays.is_empty());
}

// Shows: a registrar that does not offer STUN gets line breaks | RFC 5626 8, interop row 6
#[test]
fn who_does_not_offer_stun_gets_line_breaks() {
    let edge = "Require: outbound\nPath: <sip:192.0.2.9;lr>\n";
    for extra in [GRANTED.to_owned(), format!("{GRANTED}{edge}")] {
        let mut w = registered(&extra);
        w.run(seconds(300));
        let all = raw(&mut w);
        assert!((10..=12).contains(&all.len()), "{}", all.len());
        assert!(all.iter().all(|b| &b[..] == b"\r\n\r\n"), "{all:?}");
    }
    // An edge proxy that does, and one that is more impatient.
    let edge = edge.replace(";lr", ";lr;ob");
    let mut w = registered(&format!("{GRANTED}{edge}Flow-Timer: 10\n"));
    w.run(seconds(8) - ms(1));
    assert!(raw(&mut w).is_empty());
    w.run(seconds(2) + ms(1));
    assert!(stun_request(&raw(&mut w)[0]));
}

// Shows: STUN that comes to the port of SIP is answered, and line breaks are counted and not | RFC 5626 8, interop row 6
#[test]
fn questions_between_messages_are_answered() {
    let mut w = alone(Manner::Answer);
    let id = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 1, 2];
    let mut request = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    request.extend_from_slice(&id);
    w.inject_bytes(PEER, US, request.clone().into());
    w.run(ms(1));
    let mut literal = vec![1, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42];
    literal.extend_from_slice(&id);
    // 192.0.2.9, port 5060, each combined with the cookie.
    literal.extend_from_slice(&[0, 0x20, 0, 8, 0, 1, 0x32, 0xd6, 0xe1, 0x12, 0xa6, 0x4b]);
    assert_eq!(one(raw(&mut w)), literal);
    for bad in [
        &request[..19],
        &[1, 2, 3],
        b"\r\n\r\n",
        b"\r\n",
        b"\0\0\0\0",
    ] {
        w.inject_bytes(PEER, US, Bytes::copy_from_slice(bad));
    }
    w.run(seconds(1));
    assert!(w.strays.is_empty());
    let stats = w.phones[0].agent.stats();
    assert_eq!((stats.stun_answers, stats.stray_stun), (1, 2));
    assert_eq!((stats.keep_alives, stats.unreadable), (3, 0));
}

// Shows: a registrar whose connection ends is registered at by another | RFC 5626 4.5, interop row 7
#[test]
fn a_connection_that_ends_is_made_again() {
    let mut rig = Rig::new();
    let account = Account::new(uri("sip:alice@192.0.2.9;transport=tcp")).expect("an account");
    let mut account = account;
    account.registering.registrar = Some(uri("sip:192.0.2.9;transport=tcp"));
    rig.command(Command::AddAccount(ID, account.into()));
    rig.command(Command::Register(ID));
    let granted = GRANTED.replace(":5060>", ":5060;transport=tcp>");
    let register = |rig: &mut Rig, n: usize| {
        assert_eq!(rig.opened.len(), n);
        let (flow, text) = rig.heard().remove(0);
        assert!(flow == rig.opened[n - 1] && text.starts_with("REGISTER "));
        rig.receive(flow, &Invite { text }.response("200 OK", "t", &granted));
        flow
    };
    let flow = register(&mut rig, 1);
    // It is not closed for want of messages, though nothing but refreshes passes.
    rig.wait(300);
    let why: Box<str> = "the peer closed the connection".into();
    let end = |flow| Input::Closed {
        flow,
        why: why.clone(),
    };
    rig.heard();
    rig.give(end(flow));
    let flow = register(&mut rig, 2);
    // A server that takes us and hangs up each time is not besieged.
    rig.give(end(flow));
    assert!(rig.heard().is_empty() && rig.opened.len() == 2);
    rig.wait(60);
    let again = register(&mut rig, 3);
    assert!(again != flow);
}
