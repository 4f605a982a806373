//! Servers that fail, and the next ones that are asked then.

use std::net::SocketAddr;

use msp_core::id::CallKey;
use tsp_sip::account::{Account, AccountId};
use tsp_sip::call::{CallEventKind, Command, EndCause, Ended, Input, Recipient};
use tsp_sip::digest::Credential;
use tsp_sip::registration::RegistrationKind;
use tsp_sip::subscription::{Package, Presence, SubscriptionId};
use tsp_sip::transport::Flow;

use crate::accounts::uri;
use crate::peer::{CONTACT, Invite, SDP, US, alone, field, ms, seconds, with_sdp};
use crate::support::{Manner, World};

const FIRST: &str = "192.0.2.11:5060";
const SECOND: &str = "192.0.2.12:5060";

const KEY: CallKey = CallKey(1);

/// A phone, and a name that two servers have.
fn world() -> World {
    let mut w = alone(Manner::Silent);
    let servers = ["192.0.2.11", "192.0.2.12"];
    w.names = servers.map(|ip| ("sip.example.com", ip)).into();
    w
}

/// What came to whom since the last time.
fn heard(w: &mut World) -> Vec<(SocketAddr, String)> {
    w.run(ms(1));
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    w.strays
        .drain(..)
        .map(|(_, to, b)| (to, text(&b)))
        .collect()
}

/// The one request that came, and that it came to this server.
fn request_to(w: &mut World, server: &str, method: &str) -> Invite {
    let all = heard(w);
    let mut requests = all.iter().filter(|(_, t)| t.starts_with(method));
    let (to, text) = requests.next().expect("a request");
    assert_eq!(to.to_string(), server);
    assert!(requests.next().is_none(), "{all:?}");
    Invite { text: text.clone() }
}

fn say(w: &mut World, from: &str, text: &str) {
    w.inject(from, US, text);
    w.run(ms(1));
}

/// Lets the time pass after which nobody waits any more for an answer to what was sent just now (RFC 3261 sections
/// 17.1.1.2 and 17.1.2.2), and forgets what was sent again until then.
fn forget_repeats(w: &mut World) {
    w.run(ms(31_800));
    heard(w);
    w.run(ms(300));
}

fn dial(w: &mut World) -> Invite {
    w.dial(0, KEY.0, "sip:bob@sip.example.com");
    request_to(w, FIRST, "INVITE sip:bob@sip.example.com ")
}

fn ended(w: &World) -> Option<Ended> {
    w.phones[0].events.iter().find_map(|e| match &e.kind {
        CallEventKind::Ended(why) => Some(why.clone()),
        _ => None,
    })
}

/// What two requests have to have in common that are one, sent to two servers.
fn assert_is_again(first: &Invite, second: &Invite) {
    for name in ["Call-ID", "CSeq", "From", "To", "Contact"] {
        assert_eq!(field(&first.text, name), field(&second.text, name));
    }
    assert_ne!(field(&first.text, "Via"), field(&second.text, "Via"));
}

// Shows: a call that a server has no room for goes to the next server, as a new transaction | RFC 3263 4.3, interop row 9
#[test]
fn an_invite_goes_elsewhere_after_503() {
    let mut w = world();
    let first = dial(&mut w);
    say(&mut w, FIRST, &first.response("100 Trying", "", ""));
    say(
        &mut w,
        FIRST,
        &first.response("503 Service Unavailable", "a", ""),
    );
    let all = heard(&mut w);
    let [(to, ack), (elsewhere, again)] = &all[..] else {
        panic!("{all:?}")
    };
    assert!(
        ack.starts_with("ACK ") && to.to_string() == FIRST,
        "{all:?}"
    );
    assert_eq!(elsewhere.to_string(), SECOND);
    let second = Invite {
        text: again.clone(),
    };
    assert_is_again(&first, &second);
    let ok = with_sdp(&second.response("200 OK", "b", CONTACT), SDP);
    say(&mut w, SECOND, &ok);
    let all = heard(&mut w);
    assert!(all.iter().any(|(_, t)| t.starts_with("ACK ")), "{all:?}");
    let events = &w.phones[0].events;
    assert!(events.iter().any(|e| e.kind == CallEventKind::Connected));
    assert_eq!(w.phones[0].agent.stats().failovers, 1);
}

// Shows: a server that says nothing, or cannot be reached, is followed by the next | RFC 3263 4.3, interop row 9
#[test]
fn an_invite_goes_elsewhere_after_silence_and_at_once_when_nothing_leaves() {
    let mut w = world();
    let first = dial(&mut w);
    forget_repeats(&mut w);
    let second = request_to(&mut w, SECOND, "INVITE");
    assert_is_again(&first, &second);

    let mut w = world();
    let first = dial(&mut w);
    let local = US.parse().expect("an address");
    let flow = Flow::udp(local, FIRST.parse().expect("an address"));
    w.give(0, Input::Unreachable { flow });
    w.drain(0);
    let second = request_to(&mut w, SECOND, "INVITE");
    assert_is_again(&first, &second);
}

#[test]
fn a_server_that_said_anything_is_stayed_with() {
    let mut w = world();
    let first = dial(&mut w);
    say(&mut w, FIRST, &first.response("100 Trying", "", ""));
    w.run(seconds(300));
    let all = heard(&mut w);
    assert!(all.iter().all(|(to, _)| to.to_string() == FIRST), "{all:?}");
    assert_eq!(ended(&w).map(|e| e.cause), Some(EndCause::NoAnswer));
}

#[test]
fn other_refusals_are_the_last_word() {
    let mut w = world();
    let first = dial(&mut w);
    say(&mut w, FIRST, &first.response("500 Server Error", "a", ""));
    let all = heard(&mut w);
    assert!(all.iter().all(|(to, _)| to.to_string() == FIRST), "{all:?}");
    let why = ended(&w).expect("the end");
    assert_eq!(&*why.reason, "Server Error");
}

// Shows: when no server is left the end of the call names those that were tried | interop row 9
#[test]
fn the_end_names_the_servers() {
    let mut w = world();
    let first = dial(&mut w);
    say(&mut w, FIRST, &first.response("503 Full", "a", ""));
    let second = request_to(&mut w, SECOND, "INVITE");
    say(&mut w, SECOND, &second.response("503 Full", "a", ""));
    let why = ended(&w).expect("the end");
    assert_eq!(why.status.map(|s| s.code()), Some(503));
    assert_eq!(
        &*why.reason,
        "Full; tried 192.0.2.11:5060 (UDP), 192.0.2.12:5060 (UDP)"
    );
    w.run(seconds(60));
    assert_eq!(w.phones[0].agent.kept().calls, 0);
    assert_eq!(w.phones[0].agent.kept().memories, 0);

    let mut w = world();
    dial(&mut w);
    w.run(seconds(65));
    let why = ended(&w).expect("the end");
    assert_eq!(
        &*why.reason,
        "no answer; tried 192.0.2.11:5060 (UDP), 192.0.2.12:5060 (UDP)"
    );
}

#[test]
fn a_call_that_was_taken_back_goes_nowhere_else() {
    let mut w = world();
    let first = dial(&mut w);
    say(&mut w, FIRST, &first.response("100 Trying", "", ""));
    w.command(0, Command::HangUp(KEY));
    heard(&mut w);
    say(&mut w, FIRST, &first.response("503 Full", "a", ""));
    let all = heard(&mut w);
    assert!(all.iter().all(|(to, _)| to.to_string() == FIRST), "{all:?}");
    w.run(seconds(60));
    assert_eq!(w.phones[0].agent.kept().memories, 0);
    assert_eq!(w.phones[0].agent.kept().calls, 0);
}

// Shows: a server that failed is asked last for a while, as long as it says itself | RFC 3263 4.3, RFC 3261 21.5.4, interop row 9
#[test]
fn a_server_that_failed_is_avoided_for_a_while() {
    for (said, avoided) in [("", 30), ("Retry-After: 100\n", 100)] {
        let mut w = world();
        let options = |w: &mut World, key| {
            let (key, to) = (CallKey(key), uri("sip:sip.example.com"));
            let account = None;
            w.command(0, Command::Options { key, to, account });
        };
        options(&mut w, 1);
        let first = request_to(&mut w, FIRST, "OPTIONS");
        say(&mut w, FIRST, &first.response("503 Full", "a", said));
        let second = request_to(&mut w, SECOND, "OPTIONS");
        assert_is_again(&first, &second);
        say(&mut w, SECOND, &second.response("200 OK", "b", ""));
        w.run(seconds(avoided - 1));
        options(&mut w, 2);
        let third = request_to(&mut w, SECOND, "OPTIONS");
        say(&mut w, SECOND, &third.response("200 OK", "b", ""));
        w.run(seconds(2));
        options(&mut w, 3);
        request_to(&mut w, FIRST, "OPTIONS");
    }
}

// Shows: a registration goes to the next server, with what the first was proved | RFC 3263 4.3, interop rows 9 and 14
#[test]
fn a_registration_goes_elsewhere() {
    let mut w = world();
    let id = AccountId(3);
    let mut account = Account::new(uri("sip:alice@sip.example.com")).expect("an account");
    account.credentials = vec![Credential::password("alice", "secret")];
    w.command(0, Command::AddAccount(id, account.into()));
    w.command(0, Command::Register(id));
    let first = request_to(&mut w, FIRST, "REGISTER");
    let challenge = "WWW-Authenticate: Digest realm=\"r\", nonce=\"1\"\n";
    say(
        &mut w,
        FIRST,
        &first.response("401 Unauthorized", "a", challenge),
    );
    let proved = request_to(&mut w, FIRST, "REGISTER");
    assert!(field(&proved.text, "Authorization").is_some());
    say(&mut w, FIRST, &proved.response("503 Full", "a", ""));
    let second = request_to(&mut w, SECOND, "REGISTER");
    assert_eq!(
        field(&first.text, "Call-ID"),
        field(&second.text, "Call-ID")
    );
    assert_eq!(field(&second.text, "CSeq"), Some("3 REGISTER"));
    say(&mut w, SECOND, &second.response("503 Full", "a", ""));
    let [RegistrationKind::Failed { reason, .. }] = &w.phones[0]
        .registrations
        .iter()
        .map(|e| e.kind.clone())
        .collect::<Vec<_>>()[..]
    else {
        panic!()
    };
    assert!(
        reason.ends_with("tried 192.0.2.11:5060 (UDP), 192.0.2.12:5060 (UDP)"),
        "{reason}"
    );
}

// Shows: a message goes to the next server | RFC 3263 4.3, interop row 9
#[test]
fn a_message_goes_elsewhere() {
    let mut w = world();
    let message = Command::Message {
        key: KEY,
        to: Recipient::Uri(uri("sip:bob@sip.example.com")),
        account: None,
        content_type: "text/plain".into(),
        body: "hello".into(),
    };
    w.command(0, message);
    let first = request_to(&mut w, FIRST, "MESSAGE");
    forget_repeats(&mut w);
    let second = request_to(&mut w, SECOND, "MESSAGE");
    assert_is_again(&first, &second);
    assert!(second.text.ends_with("\r\n\r\nhello"));
    say(&mut w, SECOND, &second.response("202 Accepted", "b", ""));
    let answered = w.phones[0].events.iter().any(|e| {
        matches!(&e.kind, CallEventKind::MessageAnswered { status, .. } if status.code() == 202)
    });
    assert!(answered);
}

// Shows: a subscription and what is published go to the next server | RFC 3263 4.3, interop row 9
#[test]
fn a_subscription_and_a_publication_go_elsewhere() {
    let mut w = world();
    let id = AccountId(3);
    let account = Account::new(uri("sip:alice@sip.example.com")).expect("an account");
    w.command(0, Command::AddAccount(id, account.into()));
    let subscribe = Command::Subscribe {
        id: SubscriptionId(1),
        to: uri("sip:bob@sip.example.com"),
        account: Some(id),
        package: Package::Dialog,
        expires: seconds(600),
    };
    let presence = Presence {
        entity: "sip:alice@sip.example.com".into(),
        tuples: Vec::new(),
        note: "".into(),
    };
    let publish = Command::Publish {
        account: id,
        presence: presence.into(),
        expires: seconds(600),
    };
    for (command, method) in [(subscribe, "SUBSCRIBE"), (publish, "PUBLISH")] {
        w.command(0, command);
        let first = request_to(&mut w, FIRST, method);
        say(&mut w, FIRST, &first.response("503 Full", "a", ""));
        let second = request_to(&mut w, SECOND, method);
        assert_is_again(&first, &second);
        say(
            &mut w,
            SECOND,
            &second.response("200 OK", "b", "Expires: 600\n"),
        );
        assert!(heard(&mut w).is_empty());
        // The next command asks the first server again.
        w.run(seconds(30));
        heard(&mut w);
    }
    assert_eq!(w.phones[0].agent.stats().failovers, 2);
}
