//! Telephone numbers, dialled and called.

use msp_core::id::CallKey;
use tsp_sip::account::{Account, AccountId};
use tsp_sip::call::{
    AutoAnswer, CallEventKind, CallPolicy, Command, EndCause, NumberForm, Recipient, Redirect,
};

use crate::accounts::uri;
use crate::peer::{Invite, SDP, alone, alone_with, ask, field, ms, plain, tag, with_sdp};
use crate::support::{Manner, World};

const ID: AccountId = AccountId(7);

/// A phone with an account at example.com, behind a proxy or not; the scripted peer is what it speaks to.
fn world(form: NumberForm, proxy: bool) -> World {
    let mut w = alone(Manner::Answer);
    w.names.push(("example.com", "192.0.2.9"));
    let mut policy = CallPolicy::default();
    policy.numbers = form;
    policy.redirect = Redirect::Follow;
    let account = Account::new(uri("sip:+12015550199@example.com")).expect("an account");
    let mut account = account.policy(policy);
    if proxy {
        account = account.proxy(uri("sip:192.0.2.9")).expect("a proxy");
    }
    w.command(0, Command::AddAccount(ID, account.into()));
    w
}

fn call(w: &mut World, key: u64, to: &str) -> String {
    let (key, to) = (CallKey(key), uri(to));
    let account = Some(ID);
    w.command(0, Command::Dial { key, to, account });
    w.run(ms(1));
    w.heard().remove(0)
}

fn target(message: &str) -> &str {
    message.split(' ').nth(1).unwrap_or_default()
}

// Shows: a number is dialled as sip with user=phone or as tel, by the provider, without visual separators | RFC 3966 5.1.1, RFC 3261 19.1.6, interop row 30
#[test]
fn a_number_goes_to_the_provider_as_it_wants_it() {
    let sip = "sip:+12015550123@example.com;user=phone";
    let tel = "tel:+12015550123";
    for (form, proxy, dialled, written) in [
        (NumberForm::Sip, false, "tel:+1-201-555-0123", sip),
        (NumberForm::Sip, true, "TEL:+1(201)555.0123", sip),
        (NumberForm::Tel, false, "tel:+1-201-555-0123", tel),
        (NumberForm::Tel, true, "tel:+1-201-555-0123", tel),
        (
            NumberForm::Sip,
            false,
            "tel:7042;phone-context=example.com",
            "sip:7042;phone-context=example.com@example.com;user=phone",
        ),
        (
            NumberForm::Tel,
            false,
            "tel:70-42;phone-context=example.com",
            "tel:7042;phone-context=example.com",
        ),
        (
            NumberForm::Tel,
            false,
            "sip:+1-201-555-0123@gw.example.com:5070;user=phone",
            "sip:+12015550123@gw.example.com:5070;user=phone",
        ),
        // Without user=phone it is a name.
        (
            NumberForm::Sip,
            false,
            "sip:a-b.c@example.com",
            "sip:a-b.c@example.com",
        ),
    ] {
        let mut w = world(form, proxy);
        w.names.push(("gw.example.com", "192.0.2.9"));
        let invite = call(&mut w, 1, dialled);
        assert_eq!(target(&invite), written, "{form:?} {dialled}");
        let to = format!("<{written}>");
        assert_eq!(field(&invite, "To"), Some(&*to));
        let route = proxy.then_some("<sip:192.0.2.9;lr>");
        assert_eq!(field(&invite, "Route"), route);
    }
}

#[test]
fn other_requests_write_a_number_the_same_way() {
    let mut w = world(NumberForm::Tel, false);
    let (key, to) = (CallKey(1), uri("tel:+1-201-555-0123"));
    let account = Some(ID);
    w.command(0, Command::Options { key, to, account });
    let to = Recipient::Uri(uri("tel:+1-201-555-0123"));
    let (content_type, body) = ("text/plain".into(), "hello".into());
    w.command(
        0,
        Command::Message {
            key: CallKey(2),
            to,
            account,
            content_type,
            body,
        },
    );
    w.run(ms(1));
    let heard = w.heard();
    let targets: Vec<_> = heard.iter().map(|m| target(m)).collect();
    assert_eq!(targets, ["tel:+12015550123"; 2], "{heard:?}");
}

// Shows: a number that nobody provides for is not dialled, and is told | RFC 3966
#[test]
fn a_number_without_an_account_leads_nowhere() {
    let mut w = alone(Manner::Answer);
    let key = w.dial(0, 1, "tel:+12015550123");
    let ended = w.phones[0].ended(key).expect("over");
    assert_eq!(ended.cause, EndCause::Unresolvable);
    assert!(
        ended.reason.contains("needs an account"),
        "{}",
        ended.reason
    );
    w.run(ms(1));
    assert!(w.heard().is_empty());
}

// Shows: a call that is sent on to a number goes there by the provider | interop row 30
#[test]
fn a_call_may_be_sent_on_to_a_number() {
    let mut w = world(NumberForm::Sip, false);
    let invite = Invite {
        text: call(&mut w, 1, "sip:bob@192.0.2.9"),
    };
    let moved = invite.response("302 Moved", "p1", "Contact: <tel:+1-201-555-0123>\n");
    let heard = ask(&mut w, &moved);
    assert_eq!(target(&heard[1]), "sip:+12015550123@example.com;user=phone");
}

// Shows: a call to and from tel URIs is taken, for the account that has the number, and ended | RFC 3966, interop row 30
#[test]
fn a_call_from_a_number_to_a_number() {
    let invite = plain(
        "INVITE tel:+1-201-555-0199",
        "x",
        "1 INVITE",
        "P-Asserted-Identity: <tel:+1-201-555-0177>\n",
    )
    .replace(
        "From: <sip:p@192.0.2.9>",
        "From: \"P\" <tel:+1-201-555-0123>",
    )
    .replace("To: <sip:user@192.0.2.2>", "To: <tel:+1-201-555-0199>");
    for (proxy, number) in [(true, "+12015550177"), (false, "+12015550123")] {
        // Behind a proxy the peer is the provider, and believed.
        let mut w = world(NumberForm::Sip, proxy);
        let heard = ask(&mut w, &with_sdp(&invite, SDP));
        let ok = heard
            .iter()
            .find(|m| m.starts_with("SIP/2.0 200"))
            .expect("taken");
        let contact = "<sip:+12015550199@192.0.2.2:5060>";
        assert_eq!(field(ok, "Contact"), Some(contact));
        let key = w.phones[0].incoming()[0];
        let CallEventKind::Incoming {
            caller, account, ..
        } = w.phones[0].kinds(key)[0]
        else {
            panic!()
        };
        assert_eq!(*account, Some(ID));
        let told = caller.number.as_ref().map(|n| n.to_string());
        assert_eq!(told.as_deref(), Some(number));
        let ack = plain("ACK sip:user@192.0.2.2:5060", "x-a", "1 ACK", "");
        let ack = ack.replace("Call-ID: c-x-a", "Call-ID: c-x").replace(
            "<sip:user@192.0.2.2>",
            &format!("<tel:+1-201-555-0199>;tag={}", tag(ok, "To")),
        );
        ask(&mut w, &ack);
        w.command(0, Command::HangUp(key));
        w.run(ms(1));
        let bye = w.heard().remove(0);
        assert_eq!(target(&bye), "sip:p@192.0.2.9:5060");
        assert_eq!(
            field(&bye, "To"),
            Some("\"P\" <tel:+1-201-555-0123>;tag=p1")
        );
    }
}

// Shows: a caller with a tel URI may have its call taken without the application | RFC 5373
#[test]
fn a_number_may_be_answered_by_itself() {
    for (may, taken) in [
        (AutoAnswer::Anybody, true),
        (AutoAnswer::Callers(vec!["+12015550123".into()]), true),
        (AutoAnswer::Callers(vec!["+12015550124".into()]), false),
    ] {
        let mut policy = CallPolicy::default();
        policy.auto_answer = may.clone();
        let mut w = alone_with(Manner::Silent, policy);
        let invite = plain(
            "INVITE sip:user@192.0.2.2",
            "x",
            "1 INVITE",
            "Answer-Mode: Auto\n",
        );
        let invite = invite.replace("From: <sip:p@192.0.2.9>", "From: <tel:+1-201-555-0123>");
        let heard = ask(&mut w, &with_sdp(&invite, SDP));
        let ok = heard.iter().any(|m| m.starts_with("SIP/2.0 200"));
        assert_eq!(ok, taken, "{may:?}");
    }
}
