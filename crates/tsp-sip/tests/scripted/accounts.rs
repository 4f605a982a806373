//! Accounts: From, Contact and the way of what we send, and which one is called.

use msp_core::id::CallKey;
use tsp_sip::account::{Account, AccountId};
use tsp_sip::call::{CallEventKind, CallPolicy, Command, Reliable};
use tsp_sip::wire::Uri;

use crate::peer::{SDP, alone, ask, field, ms, plain, with_sdp};
use crate::support::{Manner, World};

const ID: AccountId = AccountId(7);

pub(crate) fn uri(text: &str) -> Uri {
    Uri::new(text.to_owned()).expect("a URI")
}

/// A phone with one account, whose proxy is the scripted peer.
fn with_account() -> World {
    let mut w = alone(Manner::Silent);
    let account = Account::new(uri("sip:alice@example.com")).expect("an account");
    let account = account
        .display("Alice")
        .proxy(uri("sip:192.0.2.9"))
        .expect("a proxy");
    w.command(0, Command::AddAccount(ID, account.into()));
    w
}

fn dial(w: &mut World, account: Option<AccountId>) -> (CallKey, String) {
    let (key, to) = (CallKey(1), uri("sip:bob@elsewhere.example"));
    w.command(0, Command::Dial { key, to, account });
    w.run(ms(1));
    (key, w.heard().remove(0))
}

// Shows: the outbound proxy of an account is a loose route on every request outside of a dialog | interop row 8
#[test]
fn what_an_account_sends_goes_through_its_proxy_under_its_name() {
    let mut w = with_account();
    let (_, invite) = dial(&mut w, Some(ID));
    assert!(invite.starts_with("INVITE sip:bob@elsewhere.example SIP/2.0\r\n"));
    assert_eq!(field(&invite, "Route"), Some("<sip:192.0.2.9;lr>"));
    let from = field(&invite, "From").unwrap();
    assert!(
        from.starts_with("\"Alice\" <sip:alice@example.com>;tag="),
        "{from}"
    );
    assert_eq!(field(&invite, "To"), Some("<sip:bob@elsewhere.example>"));
    let contact = field(&invite, "Contact");
    assert_eq!(contact, Some("<sip:alice@192.0.2.2:5060>"));

    let (key, to) = (CallKey(2), uri("sip:elsewhere.example"));
    let account = Some(ID);
    w.command(0, Command::Options { key, to, account });
    w.run(ms(1));
    let options = w.heard().remove(0);
    assert!(options.starts_with("OPTIONS sip:elsewhere.example SIP/2.0\r\n"));
    assert_eq!(field(&options, "Route"), Some("<sip:192.0.2.9;lr>"));
}

#[test]
fn without_an_account_nothing_goes_through_a_proxy() {
    let mut w = with_account();
    w.names.push(("elsewhere.example", "192.0.2.9"));
    let (_, invite) = dial(&mut w, None);
    assert_eq!(field(&invite, "Route"), None);
    assert!(
        field(&invite, "From")
            .unwrap()
            .starts_with("<sip:user@192.0.2.2>;")
    );
    w.command(0, Command::RemoveAccount(ID));
    assert_eq!(called(&mut w, "sip:alice@example.com", "x", "gone"), None);
}

/// Which account a call to `target` comes in for.
fn called(w: &mut World, target: &str, to: &str, branch: &str) -> Option<AccountId> {
    let invite = plain(&format!("INVITE {target}"), branch, "1 INVITE", "");
    let invite = invite.replace("To: <sip:user@192.0.2.2>", &format!("To: <sip:{to}>"));
    ask(w, &with_sdp(&invite, SDP));
    let incoming = w.phones[0].events.iter().rev().find_map(|e| match &e.kind {
        CallEventKind::Incoming { account, .. } => Some(*account),
        _ => None,
    });
    incoming.expect("a call came in")
}

// Shows: a call that comes in tells which account is called
#[test]
fn a_call_comes_in_for_the_account_that_is_called() {
    let mut w = with_account();
    let other = Account::new(uri("sip:alice@other.example")).unwrap();
    w.command(0, Command::AddAccount(AccountId(8), other.into()));
    for (n, (target, to, account)) in [
        ("sip:alice@EXAMPLE.com", "x@y", Some(7)),
        ("sip:alice@other.example;user=phone", "x@y", Some(8)),
        // By our Contact: the user part is both's, To decides.
        ("sip:alice@192.0.2.2:5060", "alice@other.example", Some(8)),
        ("sip:alice@192.0.2.2:5060", "x@y", Some(7)),
        ("sip:bob@192.0.2.2:5060", "x@y", None),
        ("sip:192.0.2.2:5060", "x@y", None),
    ]
    .into_iter()
    .enumerate()
    {
        let got = called(&mut w, target, to, &n.to_string());
        assert_eq!(got, account.map(AccountId), "{target} {to}");
    }
}

#[test]
fn a_call_that_came_in_for_an_account_is_answered_under_its_contact() {
    let mut w = with_account();
    w.phones[0].manner = Manner::Answer;
    let invite = plain("INVITE sip:alice@example.com", "k", "1 INVITE", "");
    let heard = ask(&mut w, &with_sdp(&invite, SDP));
    let ok = heard.iter().find(|m| m.starts_with("SIP/2.0 200")).unwrap();
    assert_eq!(field(ok, "Contact"), Some("<sip:alice@192.0.2.2:5060>"));
}

// Shows: an account has a policy of its own for its calls, and what has none is under the agent's
#[test]
fn an_account_may_have_a_policy_of_its_own() {
    let mut w = with_account();
    let mut policy = CallPolicy::default();
    policy.reliable = Reliable::Required;
    policy.timers = None;
    let strict = Account::new(uri("sip:strict@example.com")).unwrap();
    let strict = strict.proxy(uri("sip:192.0.2.9")).unwrap().policy(policy);
    w.command(0, Command::AddAccount(AccountId(8), strict.into()));
    for (n, required, supported) in [
        (7, None, "100rel, timer, replaces, norefersub"),
        (8, Some("100rel"), "100rel, replaces, norefersub"),
    ] {
        let (key, to) = (CallKey(n), uri("sip:bob@elsewhere.example"));
        let account = Some(AccountId(n as u32));
        w.command(0, Command::Dial { key, to, account });
        w.run(ms(1));
        let invite = w.heard().remove(0);
        assert_eq!(field(&invite, "Require"), required, "{n}");
        assert_eq!(field(&invite, "Supported"), Some(supported), "{n}");
    }
    for (branch, user, extra, status) in [
        ("a", "alice", "", None),
        ("b", "strict", "", Some("SIP/2.0 421")),
        ("c", "alice", "Require: timer\n", None),
        ("d", "strict", "Require: timer\n", Some("SIP/2.0 420")),
    ] {
        let start = format!("INVITE sip:{user}@example.com");
        let heard = ask(
            &mut w,
            &with_sdp(&plain(&start, branch, "1 INVITE", extra), SDP),
        );
        let heard = heard.first().map(|m| &m[..11]);
        assert_eq!(heard, status, "{user} {extra}");
    }
}
