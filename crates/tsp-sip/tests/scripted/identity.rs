//! Who calls, said and believed.

use msp_core::id::CallKey;
use tsp_sip::account::{Account, AccountId};
use tsp_sip::call::{
    CallEventKind, CallPolicy, Caller, Command, DiversionField, IdentityField, IdentityPolicy,
    Redirect, Trust,
};
use tsp_sip::wire::NameAddr;

use crate::accounts::uri;
use crate::peer::{
    CONTACT, Invite, SDP, alone, alone_with, ask, call_up, dial, field, ms, plain, with_sdp, within,
};
use crate::support::{Manner, World};

const ID: AccountId = AccountId(7);

const ALICE: &str = "\"Alice\" <sip:+12015550123@example.com;user=phone>";

/// A phone with an account at example.com, of which the scripted peer is the proxy.
fn with_account(identity: &IdentityPolicy) -> World {
    let mut w = alone(Manner::Answer);
    let account = Account::new(uri("sip:+12015550123@example.com;user=phone")).expect("an account");
    let mut policy = CallPolicy::default();
    policy.identity = identity.clone();
    let account = account.display("Alice").policy(policy);
    let account = account.proxy(uri("sip:192.0.2.9")).expect("a proxy");
    w.command(0, Command::AddAccount(ID, account.into()));
    w
}

fn carried(by: IdentityField) -> IdentityPolicy {
    let mut identity = IdentityPolicy::default();
    identity.carried_by = by;
    identity
}

fn hidden(by: IdentityField) -> IdentityPolicy {
    let mut identity = carried(by);
    identity.hidden = true;
    identity
}

fn call(w: &mut World, key: u64, to: &str) -> String {
    let (key, to) = (CallKey(key), uri(to));
    let account = Some(ID);
    w.command(0, Command::Dial { key, to, account });
    w.run(ms(1));
    w.heard().remove(0)
}

/// The fields of a message that say who calls, besides From, in order.
fn said(message: &str) -> Vec<&str> {
    let names = ["P-", "Remote-Party-ID", "Privacy"];
    let is_one = |l: &&str| names.iter().any(|n| l.starts_with(n));
    message.lines().filter(is_one).collect()
}

// Shows: a call says who calls in From alone, or also in P-Preferred-Identity, P-Asserted-Identity or Remote-Party-ID | RFC 3325 9.1, interop row 31
#[test]
fn a_policy_says_which_field_carries_who_calls() {
    for (by, carried_there) in [
        (IdentityField::From, None),
        (IdentityField::Preferred, Some("P-Preferred-Identity: ")),
        (IdentityField::Asserted, Some("P-Asserted-Identity: ")),
    ] {
        let mut w = with_account(&carried(by));
        let invite = call(&mut w, 1, "sip:bob@elsewhere.example");
        let from = field(&invite, "From").unwrap();
        assert!(from.starts_with(&format!("{ALICE};tag=")), "{from}");
        let expected: Vec<_> = carried_there
            .iter()
            .map(|f| format!("{f}{ALICE}"))
            .collect();
        assert_eq!(said(&invite), expected);
    }
    let mut w = with_account(&carried(IdentityField::RemoteParty));
    let invite = call(&mut w, 1, "sip:bob@elsewhere.example");
    let expected = format!("Remote-Party-ID: {ALICE};party=calling;privacy=off");
    assert_eq!(said(&invite), [expected]);
}

// Shows: From may show another number than that of the account, which the asserted identity still names | interop row 31
#[test]
fn a_call_may_show_another_number() {
    let mut identity = carried(IdentityField::Asserted);
    let sales = NameAddr::new(uri("sip:+12015550100@example.com")).with_display("Sales");
    identity.shown = Some(sales);
    let mut w = with_account(&identity);
    let invite = call(&mut w, 1, "sip:bob@elsewhere.example");
    let from = field(&invite, "From").unwrap();
    let shown = "\"Sales\" <sip:+12015550100@example.com>;tag=";
    assert!(from.starts_with(shown), "{from}");
    assert_eq!(said(&invite), [format!("P-Asserted-Identity: {ALICE}")]);
    // Another name beside the account's address.
    let mut identity = carried(IdentityField::Asserted);
    identity.name = "Alice of Sales".into();
    let mut w = with_account(&identity);
    let invite = call(&mut w, 1, "sip:bob@elsewhere.example");
    let named = ALICE.replace("Alice", "Alice of Sales");
    let from = field(&invite, "From").unwrap();
    assert!(from.starts_with(&format!("{named};tag=")), "{from}");
    assert_eq!(said(&invite), [format!("P-Asserted-Identity: {named}")]);
}

// Shows: an anonymous call: From and Contact name nobody, Privacy asks for it, the provider alone is told who calls | RFC 3323 4.1, RFC 3325 9.3, interop row 32
#[test]
fn an_anonymous_call_tells_the_provider_alone_who_calls() {
    let mut w = with_account(&hidden(IdentityField::Asserted));
    let invite = call(&mut w, 1, "sip:bob@elsewhere.example");
    let nobody = "\"Anonymous\" <sip:anonymous@anonymous.invalid>";
    let from = field(&invite, "From").unwrap();
    assert!(from.starts_with(&format!("{nobody};tag=")), "{from}");
    let contact = "<sip:anonymous@192.0.2.2:5060>";
    assert_eq!(field(&invite, "Contact"), Some(contact));
    let pai = format!("P-Asserted-Identity: {ALICE}");
    assert_eq!(said(&invite), ["Privacy: id", &*pai]);
    assert_eq!(invite.matches("+12015550123").count(), 1, "{invite}");
    // It stays so while the call lasts.
    let invite = Invite { text: invite };
    let ok = with_sdp(&invite.response("200 OK", "p1", CONTACT), SDP);
    let ack = ask(&mut w, &ok).remove(0);
    w.command(0, Command::Hold(CallKey(1)));
    w.run(ms(1));
    let hold = w.heard().remove(0);
    assert!(hold.starts_with("INVITE "), "{hold}");
    assert_eq!(field(&hold, "Contact"), Some(contact));
    for message in [ack, hold] {
        assert!(field(&message, "From").unwrap().starts_with(nobody));
        assert!(!message.contains("+12015550123"), "{message}");
    }

    let mut w = with_account(&hidden(IdentityField::RemoteParty));
    let invite = call(&mut w, 1, "sip:bob@elsewhere.example");
    let rpid = format!("Remote-Party-ID: {ALICE};party=calling;privacy=full");
    assert_eq!(said(&invite), ["Privacy: id", &*rpid]);
}

// Shows: who is not trusted is not told who calls | RFC 3325 5, interop row 32
#[test]
fn a_stranger_is_not_told_what_an_anonymous_call_hides() {
    for (trusted, told) in [
        (Trust::Nobody, false),
        (Trust::Provider, false),
        (Trust::Peers(vec!["192.0.2.7".parse().unwrap()]), false),
        (Trust::Peers(vec!["192.0.2.9".parse().unwrap()]), true),
        (Trust::Anybody, true),
    ] {
        let mut w = alone(Manner::Answer);
        // No proxy: the call goes straight to a stranger.
        let account = Account::new(uri("sip:+12015550123@example.com")).unwrap();
        let mut policy = CallPolicy::default();
        policy.identity = hidden(IdentityField::Asserted);
        policy.identity.trusted = trusted.clone();
        w.command(0, Command::AddAccount(ID, account.policy(policy).into()));
        let invite = call(&mut w, 1, "sip:bob@192.0.2.9");
        assert_eq!(invite.contains("+12015550123"), told, "{trusted:?}");
        assert_eq!(field(&invite, "Privacy"), Some("id"));
    }
}

// Shows: one call may be anonymous where the others are not
#[test]
fn a_call_may_have_a_policy_of_its_own_for_who_calls() {
    let mut w = with_account(&carried(IdentityField::From));
    let (key, to) = (CallKey(1), uri("sip:bob@elsewhere.example"));
    let identity = hidden(IdentityField::From).into();
    let account = Some(ID);
    let dial = Command::DialAs {
        key,
        to,
        account,
        identity,
    };
    w.command(0, dial);
    w.run(ms(1));
    let invite = w.heard().remove(0);
    assert!(!invite.contains("+12015550123"), "{invite}");
    assert_eq!(said(&invite), ["Privacy: id"]);
    let invite = call(&mut w, 2, "sip:bob@elsewhere.example");
    assert!(field(&invite, "From").unwrap().starts_with(ALICE));
}

/// Who calls in an INVITE from the scripted peer with these fields.
fn caller(w: &mut World, n: usize, from: &str, fields: &str) -> Caller {
    let invite = plain(
        "INVITE sip:+12015550123@192.0.2.2",
        &n.to_string(),
        "1 INVITE",
        fields,
    );
    let invite = invite.replace("From: <sip:p@192.0.2.9>;tag=p1", from);
    ask(w, &with_sdp(&invite, SDP));
    let incoming = w.phones[0].events.iter().rev().find_map(|e| match &e.kind {
        CallEventKind::Incoming { caller, .. } => Some((**caller).clone()),
        _ => None,
    });
    incoming.expect("a call came in")
}

// Shows: who calls is asserted by whom we trust, or else what From says | RFC 3325 8, interop row 31
#[test]
fn an_assertion_is_believed_from_whom_is_trusted() {
    let pai = "P-Asserted-Identity: \"B\" <sip:bob@example.com>\nP-Asserted-Identity: <tel:+1-201-555-0199>\n";
    let rpid =
        "Remote-Party-ID: \"B\" <sip:bob@example.com>;party=calling;screen=yes;privacy=off\n";
    let unscreened = "Remote-Party-ID: \"B\" <sip:bob@example.com>;party=calling;screen=no\n";
    let called = "Remote-Party-ID: \"B\" <sip:bob@example.com>;party=called;screen=yes\n";
    let (p, b) = ("<sip:p@192.0.2.9>", "\"B\" <sip:bob@example.com>");
    let ours: Trust = Trust::Peers(vec!["192.0.2.9".parse().unwrap()]);
    let other: Trust = Trust::Peers(vec!["192.0.2.7".parse().unwrap()]);
    for (n, (trusted, fields, who, asserted)) in [
        (Trust::Provider, pai, b, true),
        (Trust::Provider, rpid, b, true),
        (Trust::Provider, unscreened, p, false),
        (Trust::Provider, called, p, false),
        (Trust::Provider, "P-Asserted-Identity: <<>>\n", p, false),
        (Trust::Provider, "", p, false),
        (Trust::Nobody, pai, p, false),
        (Trust::Nobody, rpid, p, false),
        (ours, pai, b, true),
        (other, pai, b, true),
        (Trust::Anybody, pai, b, true),
    ]
    .into_iter()
    .enumerate()
    {
        let mut identity = IdentityPolicy::default();
        identity.trusted = trusted.clone();
        let mut w = with_account(&identity);
        let from = "From: <sip:p@192.0.2.9>;tag=p1";
        let caller = caller(&mut w, n, from, fields);
        let got = (caller.address.to_string(), caller.asserted);
        assert_eq!(got, (who.to_owned(), asserted), "{trusted:?} {fields}");
        let number = caller.number.map(|n| n.to_string());
        let expected = (fields == pai && asserted).then(|| "+12015550199".to_owned());
        assert_eq!(number, expected, "{trusted:?} {fields}");
    }
    // A call that does not come from the account's provider.
    let mut policy = CallPolicy::default();
    for (trusted, who) in [(Trust::Provider, p), (Trust::Anybody, b)] {
        policy.identity.trusted = trusted;
        let mut w = alone_with(Manner::Answer, policy.clone());
        let caller = caller(&mut w, 1, "From: <sip:p@192.0.2.9>;tag=p1", pai);
        assert_eq!(caller.address.to_string(), who);
    }
}

// Shows: a caller that wants to stay unknown is shown as anonymous | RFC 3323 4.2, interop row 32
#[test]
fn a_caller_may_be_private() {
    let pai = "P-Asserted-Identity: <sip:bob@example.com>\n";
    let named = "From: <sip:bob@example.com>;tag=p1";
    let nobody = "From: \"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=p1";
    for (n, (from, fields, private)) in [
        (named, "", false),
        (named, "Privacy: none\n", false),
        (named, "Privacy: session\n", false),
        (named, "Privacy: id\n", true),
        (named, "Privacy: a b\n", true),
        (nobody, "", true),
        (nobody, "Privacy: id\n", true),
        (
            named,
            "Remote-Party-ID: <sip:bob@example.com>;privacy=full\n",
            true,
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let mut w = with_account(&IdentityPolicy::default());
        let caller = caller(&mut w, n, from, &format!("{pai}{fields}"));
        assert_eq!(caller.private, private, "{from} {fields}");
        let shown = match private {
            true => "anonymous",
            false => "<sip:bob@example.com>",
        };
        assert_eq!(caller.to_string(), shown);
        // The application may have to know, to trace a nuisance for instance.
        assert_eq!(caller.address.uri().as_str(), "sip:bob@example.com");
    }
}

// Shows: who sent a call on is told, by the word of whom we trust | RFC 5806, RFC 7044 5, interop row 31
#[test]
fn who_sent_a_call_on_is_told() {
    let fields = "Diversion: <sip:carol@example.com>;reason=no-answer;counter=2, <tel:+12015550100>;reason=unconditional\n\
                  History-Info: <sip:dave@example.com?Reason=SIP%3Bcause%3D302>;index=1\n\
                  History-Info: x y, <sip:carol@example.com>;index=1.1;mp=1\n";
    let from = "From: <sip:p@192.0.2.9>;tag=p1";
    let mut w = with_account(&IdentityPolicy::default());
    let told = caller(&mut w, 1, from, fields);
    let who: Vec<_> = told
        .diversions
        .iter()
        .map(|d| d.address().uri().as_str())
        .collect();
    assert_eq!(who, ["sip:carol@example.com", "tel:+12015550100"]);
    assert_eq!(told.diversions[0].reason().as_deref(), Some("no-answer"));
    let history: Vec<_> = told.history.iter().map(|h| h.index()).collect();
    assert_eq!(history, [Some("1"), Some("1.1")]);
    assert_eq!(told.history[0].reason().unwrap().cause, Some(302));
    let mut identity = IdentityPolicy::default();
    identity.trusted = Trust::Nobody;
    let mut w = with_account(&identity);
    let told = caller(&mut w, 1, from, fields);
    assert!(told.diversions.is_empty() && told.history.is_empty());
    // More than anybody needs is not kept.
    let many = "Diversion: <sip:carol@example.com>\n".repeat(60);
    let mut w = with_account(&IdentityPolicy::default());
    assert_eq!(caller(&mut w, 1, from, &many).diversions.len(), 20);
}

fn sent_on(field: DiversionField) -> World {
    let mut policy = CallPolicy::default();
    policy.redirect = Redirect::Follow;
    policy.identity.diverted = field;
    alone_with(Manner::Silent, policy)
}

/// The fields that say who sent the call on, in order.
fn told(message: &str) -> Vec<&str> {
    let is_one = |l: &&str| l.starts_with("Diversion") || l.starts_with("History-Info");
    message.lines().filter(is_one).collect()
}

fn refuse(w: &mut World, invite: &Invite, status: &str, extra: &str) -> Invite {
    let mut heard = ask(w, &invite.response(status, "p1", extra));
    Invite {
        text: heard.remove(1),
    }
}

// Shows: a call that is sent on tells by Diversion who sent it on, and keeps what that one says about it | RFC 5806, interop row 31
#[test]
fn a_call_that_is_sent_on_names_who_did_it() {
    let mut w = sent_on(DiversionField::Diversion);
    let (_, invite) = dial(&mut w, 1);
    assert!(told(&invite.text).is_empty());
    let moved = "302 Moved Temporarily";
    let next = refuse(&mut w, &invite, moved, "Contact: <sip:q@192.0.2.9>\n");
    let first = "Diversion: <sip:p@192.0.2.9:5060>;reason=unknown";
    assert_eq!(told(&next.text), [first]);
    let with_reason = "Contact: <sip:r@192.0.2.9>\nDiversion: \"Q\" <tel:+12015550100>;reason=user-busy;counter=1\n";
    let last = refuse(&mut w, &next, moved, with_reason);
    let second = "Diversion: \"Q\" <tel:+12015550100>;reason=user-busy;counter=1";
    assert_eq!(told(&last.text), [second, first]);
}

// Shows: how a redirection says that its target came about goes into History-Info, with the entry that it came from | RFC 7044 10.4, interop row 31
#[test]
fn a_history_says_how_each_target_came_about() {
    let mut w = sent_on(DiversionField::History);
    let (_, invite) = dial(&mut w, 1);
    let contacts = "Contact: <sip:low@192.0.2.9>;q=0.1;rc=1, <sip:high@192.0.2.9>;q=0.9;mp=7\n";
    let high = refuse(&mut w, &invite, "302 Moved Temporarily", contacts);
    let second = "History-Info: <sip:high@192.0.2.9>;index=1.1;mp=1";
    assert_eq!(told(&high.text)[1..], [second]);
    let low = refuse(&mut w, &high, "486 Busy Here", "");
    let third = "History-Info: <sip:low@192.0.2.9>;index=1.2;rc=1";
    assert_eq!(told(&low.text)[2..], [third]);
}

/// Who the peer was said to be since the call began, in order.
fn identified(w: &World, key: CallKey) -> Vec<(String, bool)> {
    let one = |k: &&CallEventKind| match k {
        CallEventKind::PeerIdentified(who) => Some((who.address.to_string(), who.asserted)),
        _ => None,
    };
    w.phones[0].kinds(key).iter().filter_map(one).collect()
}

// Shows: who the peer is comes out when the call is answered and while it lasts, by the word of whom we trust | RFC 3325 5, RFC 4916 4.4, interop row 31
#[test]
fn the_peer_may_become_another_while_the_call_lasts() {
    for trusted in [true, false] {
        let mut policy = CallPolicy::default();
        policy.identity.trusted = match trusted {
            true => Trust::Anybody,
            false => Trust::Nobody,
        };
        let mut w = alone_with(Manner::Silent, policy);
        let (key, invite) = dial(&mut w, 1);
        let asserted = format!("{CONTACT}P-Asserted-Identity: \"Desk\" <sip:desk@example.com>\n");
        let ok = with_sdp(&invite.response("200 OK", "p1", &asserted), SDP);
        ask(&mut w, &ok);
        let desk = ("\"Desk\" <sip:desk@example.com>".to_owned(), true);
        let told: &[_] = if trusted { &[desk] } else { &[] };
        assert_eq!(identified(&w, key), told);
    }

    let mut policy = CallPolicy::default();
    policy.identity.trusted = Trust::Anybody;
    let mut w = alone_with(Manner::Answer, policy);
    let our_tag = call_up(&mut w, "x");
    let key = w.phones[0].incoming()[0];
    // The same again is no news, and what is asserted goes before From.
    ask(&mut w, &within("UPDATE", "x", 2, &our_tag, ""));
    assert!(identified(&w, key).is_empty());
    let pai = "P-Asserted-Identity: <sip:carol@example.com>\n";
    for number in [3, 4] {
        ask(&mut w, &within("UPDATE", "x", number, &our_tag, pai));
    }
    let renamed = within("UPDATE", "x", 5, &our_tag, "")
        .replace("From: <sip:p@192.0.2.9>", "From: \"Q\" <sip:q@192.0.2.9>");
    ask(&mut w, &renamed);
    assert_eq!(
        identified(&w, key),
        [
            ("<sip:carol@example.com>".to_owned(), true),
            ("\"Q\" <sip:q@192.0.2.9>".to_owned(), false)
        ]
    );
}

// Shows: a call that is sent on tells by History-Info whom it was tried at, and why not there | RFC 7044 10.2, interop row 31
#[test]
fn a_call_that_is_sent_on_has_a_history() {
    let mut w = sent_on(DiversionField::History);
    let (_, invite) = dial(&mut w, 1);
    assert!(
        field(&invite.text, "Supported")
            .unwrap()
            .contains("histinfo")
    );
    let first = "History-Info: <sip:p@192.0.2.9:5060>;index=1";
    assert_eq!(told(&invite.text), [first]);
    let contacts = "Contact: <sip:low@192.0.2.9>;q=0.1, <sip:high@192.0.2.9>;q=0.9\n";
    let high = refuse(&mut w, &invite, "302 Moved Temporarily", contacts);
    let first = "History-Info: <sip:p@192.0.2.9:5060?Reason=SIP%3Bcause%3D302>;index=1";
    assert_eq!(
        told(&high.text),
        [first, "History-Info: <sip:high@192.0.2.9>;index=1.1"]
    );
    let low = refuse(&mut w, &high, "486 Busy Here", "");
    let second = "History-Info: <sip:high@192.0.2.9?Reason=SIP%3Bcause%3D486>;index=1.1";
    let third = "History-Info: <sip:low@192.0.2.9>;index=1.2";
    assert_eq!(told(&low.text), [first, second, third]);

    let mut w = sent_on(DiversionField::Both);
    let (_, invite) = dial(&mut w, 1);
    let next = refuse(&mut w, &invite, "302 Moved", "Contact: <sip:q@192.0.2.9>\n");
    assert_eq!(told(&next.text).len(), 3);
    let mut w = sent_on(DiversionField::None);
    let (_, invite) = dial(&mut w, 1);
    let next = refuse(&mut w, &invite, "302 Moved", "Contact: <sip:q@192.0.2.9>\n");
    assert!(told(&next.text).is_empty());
}

// Shows: a peer within an anonymous call is not told our name by our answers either | RFC 3323 4.1
#[test]
fn our_answers_within_an_anonymous_call_name_nobody() {
    let mut w = with_account(&hidden(IdentityField::From));
    let invite = Invite {
        text: call(&mut w, 1, "sip:bob@elsewhere.example"),
    };
    let ok = with_sdp(&invite.response("200 OK", "p1", CONTACT), SDP);
    ask(&mut w, &ok);
    let ours = field(&invite.text, "From").unwrap().to_owned();
    let call_id = field(&invite.text, "Call-ID").unwrap().to_owned();
    let again = within("INVITE", "k", 2, "", "")
        .replace("To: <sip:user@192.0.2.2>;tag=", &format!("To: {ours}"))
        .replace(
            "From: <sip:p@192.0.2.9>;tag=p1",
            "From: <sip:bob@elsewhere.example>;tag=p1",
        )
        .replace("Call-ID: c-k", &format!("Call-ID: {call_id}"));
    let heard = ask(&mut w, &with_sdp(&again, &SDP.replace("5000", "5002")));
    let ok = heard
        .iter()
        .find(|m| m.starts_with("SIP/2.0 200"))
        .expect("agreed");
    assert_eq!(field(ok, "Contact"), Some("<sip:anonymous@192.0.2.2:5060>"));
}
