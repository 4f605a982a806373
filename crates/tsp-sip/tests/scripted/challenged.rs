//! Challenges to what an account sends.

use msp_core::id::CallKey;
use tsp_sip::account::{Account, AccountId};
use tsp_sip::call::{CallEventKind, Command, EndCause};
use tsp_sip::digest::Credential;

use crate::accounts::uri;
use crate::peer::{CONTACT, Invite, SDP, alone, ask, field, ms, seconds, tag, with_sdp};
use crate::support::{Manner, World};

const ID: AccountId = AccountId(1);

const BY_PROXY: &str =
    "Proxy-Authenticate: Digest realm=\"example.com\", nonce=\"n1\", qop=\"auth\"\n";

const BY_SERVER: &str = "WWW-Authenticate: Digest realm=\"uas\", nonce=\"s1\", algorithm=SHA-256\n";

fn account() -> Account {
    let account = Account::new(uri("sip:alice@example.com")).expect("an account");
    account.credential(Credential::password("alice", "canary-7311"))
}

/// A phone whose account has the scripted peer as its proxy.
fn world(change: impl FnOnce(&mut Account)) -> World {
    let mut w = alone(Manner::Silent);
    let mut account = account().proxy(uri("sip:192.0.2.9")).expect("a proxy");
    change(&mut account);
    w.command(0, Command::AddAccount(ID, account.into()));
    w
}

fn dial(w: &mut World, key: u64) -> Invite {
    let (key, to) = (CallKey(key), uri("sip:bob@example.com"));
    let account = Some(ID);
    w.command(0, Command::Dial { key, to, account });
    w.run(ms(1));
    let text = w.heard().remove(0);
    Invite { text }
}

/// The request that follows a refusal, after its ACK if there is one.
fn again(w: &mut World, request: &Invite, code: &str, challenge: &str) -> Invite {
    let mut heard = ask(w, &request.response(code, "t", challenge));
    if request.text.starts_with("INVITE") {
        assert!(heard.remove(0).starts_with("ACK"));
    }
    assert_eq!(heard.len(), 1, "{heard:?}");
    let text = heard.remove(0);
    Invite { text }
}

// Shows: an INVITE is sent again for a proxy and for a server, and its ACK repeats what was proved | RFC 3261 22, interop row 15
#[test]
fn a_call_is_made_through_challenges_of_a_proxy_and_of_the_called_end() {
    let mut w = world(|_| {});
    let first = dial(&mut w, 1);
    assert!(field(&first.text, "Proxy-Authorization").is_none());
    let second = again(
        &mut w,
        &first,
        "407 Proxy Authentication Required",
        BY_PROXY,
    );
    for same in ["Call-ID", "From", "To", "Route", "Contact"] {
        assert_eq!(field(&second.text, same), field(&first.text, same));
    }
    assert_ne!(field(&second.text, "Via"), field(&first.text, "Via"));
    assert_eq!(field(&second.text, "CSeq"), Some("2 INVITE"));
    assert!(
        second
            .text
            .ends_with(first.text.split("\r\n\r\n").nth(1).expect("a body"))
    );
    let proof = field(&second.text, "Proxy-Authorization").expect("a proof");
    for part in [
        "Digest username=\"alice\"",
        "realm=\"example.com\"",
        "nonce=\"n1\"",
        "uri=\"sip:bob@example.com\"",
        "qop=auth",
        "nc=00000001",
    ] {
        assert!(proof.contains(part), "{proof}");
    }
    let third = again(&mut w, &second, "401 Unauthorized", BY_SERVER);
    assert_eq!(field(&third.text, "CSeq"), Some("3 INVITE"));
    let both = ["Proxy-Authorization", "Authorization"].map(|n| field(&third.text, n));
    assert!(both[0].expect("of the proxy").contains("nc=00000002"));
    assert!(
        both[1]
            .expect("of the server")
            .contains("algorithm=SHA-256")
    );
    let heard = ask(
        &mut w,
        &with_sdp(&third.response("200 OK", "t", CONTACT), SDP),
    );
    assert!(heard[0].starts_with("ACK"));
    assert_eq!(field(&heard[0], "CSeq"), Some("3 ACK"));
    for name in ["Proxy-Authorization", "Authorization"] {
        assert_eq!(field(&heard[0], name), field(&third.text, name));
    }
    assert!(w.phones[0].is_connected(CallKey(1)));
    w.command(0, Command::HangUp(CallKey(1)));
    w.run(ms(1));
    assert_eq!(field(&w.heard()[0], "CSeq"), Some("4 BYE"));
}

// Shows: what a proxy asked for once is proved without being asked | RFC 7616 3.6, interop row 16
#[test]
fn the_next_call_proves_it_at_once() {
    let mut w = world(|_| {});
    let first = dial(&mut w, 1);
    let second = again(&mut w, &first, "407 No", BY_PROXY);
    ask(&mut w, &second.response("486 Busy Here", "t", ""));
    let next = dial(&mut w, 2);
    let proof = field(&next.text, "Proxy-Authorization").expect("a proof");
    assert!(proof.contains("nonce=\"n1\"") && proof.contains("nc=00000002"));
}

// Shows: a server that finds every nonce stale is given up after three tries | interop row 16
#[test]
fn endless_challenges_end() {
    let mut w = world(|_| {});
    let mut request = dial(&mut w, 1);
    for n in 0..3 {
        let stale = BY_PROXY.replace("n1", &format!("n{n}"));
        request = again(
            &mut w,
            &request,
            "407 No",
            &stale.replace("qop", "stale=true, qop"),
        );
    }
    let heard = ask(
        &mut w,
        &request.response("407 No", "t", &BY_PROXY.replace("n1", "n9")),
    );
    assert!(heard.len() == 1 && heard[0].starts_with("ACK"), "{heard:?}");
    let ended = w.phones[0].ended(CallKey(1)).expect("over");
    assert_eq!(ended.cause, EndCause::Refused);
    assert_eq!(ended.status.map(|s| s.code()), Some(407));
}

#[test]
fn a_wrong_password_is_not_tried_again() {
    let mut w = world(|_| {});
    let first = dial(&mut w, 1);
    let second = again(&mut w, &first, "407 No", BY_PROXY);
    let heard = ask(&mut w, &second.response("407 No", "t", BY_PROXY));
    assert!(heard.len() == 1 && heard[0].starts_with("ACK"));
    assert!(w.phones[0].ended(CallKey(1)).is_some());
}

// Shows: a proof that is refused with another nonce is not tried again unless the nonce was stale | RFC 7616 3.3, RFC 3261 22.1
#[test]
fn a_refused_proof_is_not_tried_again_with_another_nonce() {
    let mut w = world(|_| {});
    let first = dial(&mut w, 1);
    let second = again(&mut w, &first, "407 No", BY_PROXY);
    let other = BY_PROXY.replace("n1", "n2");
    let heard = ask(&mut w, &second.response("407 No", "t", &other));
    assert!(heard.len() == 1 && heard[0].starts_with("ACK"), "{heard:?}");
    assert!(w.phones[0].ended(CallKey(1)).is_some());

    // A nonce of an earlier call is another matter: servers forget them and do not say so.
    let next = dial(&mut w, 2);
    let proof = field(&next.text, "Proxy-Authorization").expect("a proof");
    assert!(proof.contains("nonce=\"n2\""), "{proof}");
    let fresh = BY_PROXY.replace("n1", "n3");
    let retried = again(&mut w, &next, "407 No", &fresh);
    let heard = ask(&mut w, &retried.response("407 No", "t", BY_PROXY));
    assert!(heard.len() == 1 && heard[0].starts_with("ACK"), "{heard:?}");
}

#[test]
fn a_call_that_was_taken_back_is_not_made_again() {
    let mut w = world(|_| {});
    let first = dial(&mut w, 1);
    w.command(0, Command::HangUp(CallKey(1)));
    let heard = ask(&mut w, &first.response("407 No", "t", BY_PROXY));
    assert!(heard.len() == 1 && heard[0].starts_with("ACK"), "{heard:?}");
    w.run(seconds(64));
    assert_eq!(w.phones[0].agent.kept().memories, 0);
}

/// A call through the proxy that is up, and our BYE in it.
fn bye(w: &mut World, record_route: &str) -> Invite {
    let first = dial(w, 1);
    let ok = first.response("200 OK", "t", &format!("{record_route}{CONTACT}"));
    ask(w, &with_sdp(&ok, SDP));
    w.command(0, Command::HangUp(CallKey(1)));
    w.run(ms(1));
    let text = w.heard().remove(0);
    assert!(text.starts_with("BYE"), "{text}");
    Invite { text }
}

const ROUTED: &str = "Record-Route: <sip:192.0.2.9;lr>\n";

// Shows: a challenge within a call gets no proof, unless the account's provider needs it and it came through its proxy | SEC-B09
#[test]
fn challenges_within_a_call_are_answered_by_policy_only() {
    for (within, route, answered) in [
        (false, ROUTED, false),
        (true, "", false),
        (true, ROUTED, true),
    ] {
        let mut w = world(|a| a.answers_within_calls = within);
        let bye = bye(&mut w, route);
        let heard = ask(&mut w, &bye.response("401 No", "t", BY_SERVER));
        assert_eq!(heard.len(), usize::from(answered), "{within} {route}");
        if answered {
            assert_eq!(field(&heard[0], "CSeq"), Some("3 BYE"));
            assert!(field(&heard[0], "Authorization").is_some());
        }
        let stats = w.phones[0].agent.stats();
        assert_eq!(stats.refused_challenges, u64::from(!answered));
        let told = w.phones[0]
            .kinds(CallKey(1))
            .iter()
            .any(|k| matches!(k, CallEventKind::ChallengeRefused { realm } if &**realm == "uas"));
        assert_eq!(told, !answered);
    }
}

// Shows: who is not the account's provider gets no proof, whatever realm it names | SEC-B09
#[test]
fn a_foreign_host_gets_no_proof() {
    let mut w = alone(Manner::Silent);
    w.command(0, Command::AddAccount(ID, account().into()));
    let (key, to, account) = (CallKey(1), uri("sip:bob@192.0.2.9"), Some(ID));
    w.command(0, Command::Dial { key, to, account });
    w.run(ms(1));
    let text = w.heard().remove(0);
    let invite = Invite { text };
    let heard = ask(&mut w, &invite.response("407 No", "t", BY_PROXY));
    assert!(heard.len() == 1 && heard[0].starts_with("ACK"), "{heard:?}");
    assert_eq!(w.phones[0].agent.stats().refused_challenges, 1);
}

// Shows: OPTIONS is sent again for a challenge | interop row 15
#[test]
fn other_requests_are_sent_again_too() {
    let mut w = world(|_| {});
    let (key, to, account) = (CallKey(1), uri("sip:example.com"), Some(ID));
    w.command(0, Command::Options { key, to, account });
    w.run(ms(1));
    let text = w.heard().remove(0);
    let second = again(&mut w, &Invite { text }, "401 No", BY_SERVER);
    assert_eq!(field(&second.text, "CSeq"), Some("2 OPTIONS"));
    assert_eq!(tag(&second.text, "From").len(), 32);
    ask(&mut w, &second.response("200 OK", "t", ""));
    let kinds = w.phones[0].kinds(key);
    assert!(
        matches!(kinds[..], [CallEventKind::Capabilities { .. }]),
        "{kinds:?}"
    );
}

// Shows: a password is in nothing that is sent, traced or told
#[test]
fn the_password_is_seen_nowhere() {
    let mut w = world(|_| {});
    let first = dial(&mut w, 1);
    again(&mut w, &first, "407 No", BY_PROXY);
    let agent = format!("{:?} {:?}", w.phones[0].agent, account());
    let sent = w
        .sent
        .iter()
        .map(|(.., b)| String::from_utf8_lossy(b).into_owned());
    let all: String = sent
        .chain([agent, format!("{:?}", w.phones[0].events)])
        .collect();
    assert!(!all.contains("canary-7311"));
}
