//! Two flows of one account, through two edge proxies or two connections to one.

use std::net::SocketAddr;

use bytes::Bytes;
use msp_core::id::CallKey;
use tsp_sip::account::{Account, AccountId};
use tsp_sip::call::{Command, Input};
use tsp_sip::registration::RegistrationKind;

use crate::accounts::uri;
use crate::peer::{Invite, US, alone, field, ms, seconds};
use crate::streams::Rig;
use crate::support::{Manner, World};

const ID: AccountId = AccountId(3);

const EDGES: [&str; 2] = ["192.0.2.9:5060", "192.0.2.8:5060"];

const INSTANCE: &str = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6";

const OUTBOUND: &str = "Require: outbound\nExpires: 3600\nFlow-Timer: 20\n";

fn account(edges: &[&str]) -> Account {
    let mut account = Account::new(uri("sip:alice@example.com")).expect("an account");
    account.registering.instance = Some(INSTANCE.into());
    account.registering.edges = edges.iter().map(|e| uri(e)).collect();
    account
}

fn world() -> World {
    let mut w = alone(Manner::Silent);
    let account = account(&["sip:192.0.2.9", "sip:192.0.2.8;lr"]);
    w.command(0, Command::AddAccount(ID, account.into()));
    w.command(0, Command::Register(ID));
    w.run(ms(1));
    w
}

/// What came to an edge proxy; to the other nothing did.
fn to(w: &mut World, edge: usize) -> Vec<Bytes> {
    let edge: SocketAddr = EDGES[edge].parse().expect("an address");
    let (here, others) = w.strays.drain(..).partition(|(_, to, _)| *to == edge);
    let here: Vec<_> = here;
    w.strays = others;
    here.into_iter().map(|(_, _, bytes)| bytes).collect()
}

fn register(w: &mut World, edge: usize) -> Invite {
    let all = to(w, edge);
    let text = String::from_utf8_lossy(all.first().expect("a request")).into_owned();
    assert!(text.starts_with("REGISTER sip:example.com SIP/2.0\r\n"));
    Invite { text }
}

fn say(w: &mut World, edge: usize, text: &str) {
    w.inject(EDGES[edge], US, text);
    w.run(ms(1));
}

/// Answers the keep-alives of an edge proxy for as long.
fn keep(w: &mut World, edge: usize, time: u64) {
    for _ in 0..time * 10 {
        w.run(ms(100));
        for request in to(w, edge) {
            if request.len() != 20 {
                continue;
            }
            let mut bytes = vec![0x01, 0x01, 0, 12, 0x21, 0x12, 0xa4, 0x42];
            bytes.extend_from_slice(&request[8..20]);
            bytes.extend_from_slice(&[0, 0x20, 0, 8, 0, 1, 0x32, 0xd6, 0xe1, 0x12, 0xa6, 0x40]);
            w.inject_bytes(EDGES[edge], US, bytes.into());
        }
    }
}

fn dial(w: &mut World, key: u64, edge: usize) -> String {
    let (key, whom) = (CallKey(key), uri("sip:bob@elsewhere.example"));
    let account = Some(ID);
    w.command(
        0,
        Command::Dial {
            key,
            to: whom,
            account,
        },
    );
    w.run(ms(1));
    let invites = to(w, edge);
    let mut texts = invites.iter().map(|b| String::from_utf8_lossy(b));
    let invite = texts.rfind(|t| t.starts_with("INVITE "));
    w.command(0, Command::HangUp(key));
    invite.expect("an INVITE").into_owned()
}

fn told(w: &mut World) -> Vec<RegistrationKind> {
    let all = std::mem::take(&mut w.phones[0].registrations);
    all.into_iter().map(|e| e.kind).collect()
}

// Shows: two flows through two edge proxies: both registered, and where one is lost calls go by the other while it is made again | RFC 5626 4.2 to 4.5, interop row 7
#[test]
fn a_lost_flow_is_made_again_while_the_other_carries_calls() {
    let mut w = world();
    for (edge, route) in ["<sip:192.0.2.9;lr>", "<sip:192.0.2.8;lr>"]
        .iter()
        .enumerate()
    {
        let request = register(&mut w, edge);
        assert_eq!(field(&request.text, "Route"), Some(*route));
        assert_eq!(
            field(&request.text, "Supported"),
            Some("path, outbound, gruu")
        );
        let contact = format!(
            "<sip:alice@192.0.2.2:5060>;+sip.instance=\"<{INSTANCE}>\";reg-id={}",
            edge + 1
        );
        assert_eq!(field(&request.text, "Contact"), Some(&*contact));
        say(&mut w, edge, &request.response("200 OK", "t", OUTBOUND));
    }
    assert_eq!(told(&mut w).len(), 2);
    let invite = dial(&mut w, 1, 0);
    assert_eq!(field(&invite, "Route"), Some("<sip:192.0.2.9;lr>"));
    assert_eq!(
        field(&invite, "Contact"),
        Some("<sip:alice@192.0.2.2:5060;ob>")
    );
    // The first edge proxy falls silent.
    keep(&mut w, 1, 62);
    let [
        RegistrationKind::FlowFailed {
            edge: 0, retry_in, ..
        },
    ] = told(&mut w)[..]
    else {
        panic!()
    };
    // It was never proved to be one, so it is left for a while.
    assert!(retry_in >= seconds(90) && retry_in <= seconds(180));
    to(&mut w, 0);
    let invite = dial(&mut w, 2, 1);
    assert_eq!(field(&invite, "Route"), Some("<sip:192.0.2.8;lr>"));
    assert_eq!(
        field(&invite, "Contact"),
        Some("<sip:alice@192.0.2.2:5060;ob>")
    );
    keep(&mut w, 1, retry_in.as_secs());
    let again = register(&mut w, 0);
    assert_eq!(field(&again.text, "CSeq"), Some("2 REGISTER"));
    assert!(field(&again.text, "Contact").is_some_and(|c| c.ends_with(";reg-id=1")));
    say(&mut w, 0, &again.response("430 Flow Failed", "t", ""));
    let [
        RegistrationKind::FlowFailed {
            edge: 0, retry_in, ..
        },
    ] = told(&mut w)[..]
    else {
        panic!()
    };
    assert!(retry_in >= seconds(180) && retry_in <= seconds(360));
    keep(&mut w, 1, retry_in.as_secs() + 1);
    let again = register(&mut w, 0);
    say(&mut w, 0, &again.response("200 OK", "t", OUTBOUND));
    let invite = dial(&mut w, 3, 0);
    assert_eq!(field(&invite, "Route"), Some("<sip:192.0.2.9;lr>"));
    // Both are left at the end, and then it is told.
    w.command(0, Command::Unregister(ID));
    w.run(ms(1));
    for edge in 0..2 {
        told(&mut w);
        let last = to(&mut w, edge).pop().expect("a request");
        let text = String::from_utf8_lossy(&last).into_owned();
        assert_eq!(field(&text, "Expires"), Some("0"));
        say(&mut w, edge, &Invite { text }.response("200 OK", "t", ""));
    }
    assert_eq!(told(&mut w), [RegistrationKind::Unregistered]);
}

// Shows: where the first hop knows no flows the account is registered without, and a registrar that does not say outbound gets no ob | RFC 5626 4.3 and 11.6
#[test]
fn without_outbound_there_is_a_plain_registration() {
    let mut w = world();
    let first = register(&mut w, 0);
    let lacks = "439 First Hop Lacks Outbound Support";
    say(&mut w, 0, &first.response(lacks, "t", ""));
    let plain = register(&mut w, 0);
    let contact = format!("<sip:alice@192.0.2.2:5060>;+sip.instance=\"<{INSTANCE}>\"");
    assert_eq!(field(&plain.text, "Contact"), Some(&*contact));
    assert_eq!(field(&plain.text, "Supported"), Some("path, gruu"));
    say(&mut w, 0, &plain.response("200 OK", "t", "Expires: 3600\n"));
    // The second cannot do without: one plain registration is enough.
    let second = register(&mut w, 1);
    say(&mut w, 1, &second.response(lacks, "t", ""));
    assert!(to(&mut w, 1).is_empty());
    assert!(matches!(
        told(&mut w)[..],
        [
            RegistrationKind::Registered { .. },
            RegistrationKind::FlowFailed { edge: 1, .. }
        ]
    ));
    let invite = dial(&mut w, 1, 0);
    assert_eq!(
        field(&invite, "Contact"),
        Some("<sip:alice@192.0.2.2:5060>")
    );
}

// Shows: one edge proxy gets two connections, and what is lost with one is made again | RFC 5626 4.2.1, interop row 7
#[test]
fn one_edge_proxy_has_two_connections() {
    let mut rig = Rig::new();
    let edge = "sip:192.0.2.9;transport=tcp";
    rig.command(Command::AddAccount(ID, account(&[edge, edge]).into()));
    rig.command(Command::Register(ID));
    let sent = rig.heard();
    assert_eq!((sent.len(), rig.opened.len()), (2, 2));
    let flows: Vec<_> = sent.iter().map(|(flow, _)| *flow).collect();
    assert_eq!(flows, rig.opened);
    for (flow, text) in sent {
        rig.receive(flow, &Invite { text }.response("200 OK", "t", OUTBOUND));
    }
    rig.wait(130);
    // Pings are due before 20 seconds are over, and a pong that is missing ends a flow.
    assert!(rig.opened.len() > 2, "{:?}", rig.opened);
    let mut rig = Rig::new();
    rig.command(Command::AddAccount(ID, account(&[edge, edge]).into()));
    rig.command(Command::Register(ID));
    let quiet = OUTBOUND.replace("Flow-Timer: 20\n", "");
    for (flow, text) in rig.heard() {
        rig.receive(flow, &Invite { text }.response("200 OK", "t", &quiet));
    }
    rig.wait(200);
    rig.heard();
    let (why, flow) = ("the peer closed the connection".into(), flows[0]);
    rig.give(Input::Closed { flow, why });
    let (again, text) = rig.heard().remove(0);
    assert_eq!((rig.opened.len(), again), (3, rig.opened[2]));
    assert!(text.starts_with("REGISTER ") && text.contains(";reg-id=1\r\n"));
    let (key, to) = (CallKey(1), uri("sip:bob@elsewhere.example"));
    let account = Some(ID);
    rig.command(Command::Dial { key, to, account });
    let (way, invite) = rig.heard().remove(0);
    assert!(invite.starts_with("INVITE ") && invite.contains(";ob>"));
    assert_eq!(way, flows[1], "by the flow that stands");
}
