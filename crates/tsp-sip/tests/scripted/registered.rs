//! Registrations at a scripted registrar.

use std::time::Duration;

use tsp_sip::account::{Account, AccountId};
use tsp_sip::call::{CallEventKind, Command, IdentityPolicy};
use tsp_sip::digest::Credential;
use tsp_sip::registration::RegistrationKind;

use crate::accounts::uri;
use crate::peer::{Invite, alone, ask, field, ms, seconds};
use crate::support::{Manner, World};

const ID: AccountId = AccountId(3);

const CHALLENGE: &str = "WWW-Authenticate: Digest realm=\"python\", nonce=\"1\"\n";

fn world(change: impl FnOnce(&mut Account)) -> World {
    let mut w = alone(Manner::Silent);
    let mut account = Account::new(uri("sip:alice@192.0.2.9")).expect("an account");
    account.credentials = vec![Credential::password("username", "password")];
    change(&mut account);
    w.command(0, Command::AddAccount(ID, account.into()));
    w
}

fn register(w: &mut World) -> Invite {
    w.command(0, Command::Register(ID));
    w.run(ms(1));
    one(w.heard())
}

fn one(mut heard: Vec<String>) -> Invite {
    // Sent again meanwhile.
    heard.dedup();
    assert_eq!(heard.len(), 1, "{heard:?}");
    let text = heard.remove(0);
    assert!(
        text.starts_with("REGISTER sip:192.0.2.9 SIP/2.0\r\n"),
        "{text}"
    );
    Invite { text }
}

/// What was told since the last time.
fn told(w: &mut World) -> Vec<RegistrationKind> {
    let all = std::mem::take(&mut w.phones[0].registrations);
    assert!(all.iter().all(|e| e.account == ID));
    all.into_iter().map(|e| e.kind).collect()
}

fn granted(n: u64) -> String {
    format!("Contact: <sip:alice@192.0.2.2:5060>;expires={n}\n")
}

// Shows: an account registers with a digest, refreshes before it ends and leaves | RFC 3261 10.2, interop rows 14 and 16
#[test]
fn an_account_registers_refreshes_and_leaves() {
    let mut w = world(|_| {});
    let first = register(&mut w);
    assert_eq!(
        field(&first.text, "Contact"),
        Some("<sip:alice@192.0.2.2:5060>")
    );
    assert_eq!(field(&first.text, "To"), Some("<sip:alice@192.0.2.9>"));
    assert_eq!(field(&first.text, "Expires"), Some("600"));
    let second = one(ask(
        &mut w,
        &first.response("401 Unauthorized", "t", CHALLENGE),
    ));
    assert!(field(&second.text, "Authorization").is_some());
    assert!(ask(&mut w, &second.response("200 OK", "t", &granted(100))).is_empty());
    let [RegistrationKind::Registered { expires, contacts }] = &told(&mut w)[..] else {
        panic!()
    };
    assert_eq!((*expires, contacts.len()), (seconds(100), 1));
    w.run(seconds(79));
    assert!(w.heard().is_empty());
    w.run(seconds(12));
    let third = one(w.heard());
    assert_eq!(field(&third.text, "CSeq"), Some("3 REGISTER"));
    assert_eq!(field(&third.text, "Call-ID"), field(&first.text, "Call-ID"));
    assert!(
        field(&third.text, "Authorization").is_some(),
        "proved at once"
    );
    ask(&mut w, &third.response("200 OK", "t", &granted(100)));
    w.command(0, Command::Unregister(ID));
    w.run(ms(1));
    let last = one(w.heard());
    assert_eq!(field(&last.text, "Expires"), Some("0"));
    ask(&mut w, &last.response("200 OK", "t", ""));
    assert_eq!(told(&mut w).last(), Some(&RegistrationKind::Unregistered));
    w.run(Duration::from_secs(10_000));
    assert!(w.heard().is_empty());
}

// Shows: a closed agent leaves its registrars | RFC 3261 10.2.2
#[test]
fn closing_leaves_the_registrar() {
    let mut w = world(|_| {});
    let first = register(&mut w);
    ask(&mut w, &first.response("200 OK", "t", &granted(100)));
    w.command(0, Command::Close);
    assert!(!w.phones[0].agent.is_idle());
    w.run(ms(1));
    let last = one(w.heard());
    assert_eq!(field(&last.text, "Expires"), Some("0"));
    ask(&mut w, &last.response("200 OK", "t", ""));
    assert!(w.phones[0].agent.is_idle());
}

// Shows: a registrar that is gone keeps nobody from closing for longer than 4 s
#[test]
fn a_silent_registrar_is_left_after_a_short_while() {
    let mut w = world(|_| {});
    let first = register(&mut w);
    ask(&mut w, &first.response("200 OK", "t", &granted(100)));
    w.command(0, Command::Close);
    w.run(ms(3999));
    assert!(!w.phones[0].agent.is_idle());
    let asked = w.heard();
    assert!(asked.len() > 3, "{asked:?}");
    assert!(asked.iter().all(|m| field(m, "Expires") == Some("0")));
    w.run(ms(2));
    assert!(w.phones[0].agent.is_idle());
    assert_eq!(w.phones[0].agent.stats().unheard_farewells, 1);
}

// Shows: a challenge that cannot be answered is not, and the registrar is left alone for long | interop row 18
#[test]
fn without_the_right_credential_nothing_is_proved() {
    let provider = |a: &mut Account| a.credentials[0].realm = Some("provider".into());
    let none = |a: &mut Account| a.credentials.clear();
    for change in [&provider as &dyn Fn(&mut Account), &none] {
        let mut w = world(change);
        let first = register(&mut w);
        assert!(ask(&mut w, &first.response("401 Unauthorized", "t", CHALLENGE)).is_empty());
        let [
            RegistrationKind::Failed {
                status, retry_in, ..
            },
        ] = &told(&mut w)[..]
        else {
            panic!()
        };
        assert_eq!(status.map(|s| s.code()), Some(401));
        assert!(*retry_in >= seconds(300));
        w.run(*retry_in - seconds(1));
        assert!(w.heard().is_empty());
        w.run(seconds(2));
        one(w.heard());
    }
}

// Shows: a registrar that finds every nonce stale is given up after three tries, one that has a new nonce for a wrong password after one | interop row 16
#[test]
fn endless_challenges_end() {
    for (stale, tries) in [(", stale=true", 3), (", stale=false", 1), ("", 1)] {
        let mut w = world(|_| {});
        let mut request = register(&mut w);
        for n in 1..=tries {
            let nonce = format!("nonce=\"{n}\"{}", if n > 1 { stale } else { "" });
            let challenge = CHALLENGE.replace("nonce=\"1\"", &nonce);
            request = one(ask(&mut w, &request.response("401 No", "t", &challenge)));
            let proof = field(&request.text, "Authorization").expect("a proof");
            assert!(proof.contains(&format!("nonce=\"{n}\"")));
            assert_eq!(request.text.matches("\r\nAuthorization:").count(), 1);
        }
        let last = CHALLENGE.replace("nonce=\"1\"", &format!("nonce=\"4\"{stale}"));
        assert!(ask(&mut w, &request.response("401 No", "t", &last)).is_empty());
        assert!(matches!(
            told(&mut w)[..],
            [RegistrationKind::Failed { .. }]
        ));
        // It has nothing of ours, and is not asked to forget it.
        w.command(0, Command::Unregister(ID));
        w.run(ms(1));
        assert!(w.heard().is_empty());
        assert_eq!(told(&mut w), [RegistrationKind::Unregistered]);
    }
}

// Shows: a registrar that wants longer intervals gets them | RFC 3261 10.2.8, interop row 14
#[test]
fn brief_intervals_grow() {
    let mut w = world(|_| {});
    let first = register(&mut w);
    let second = one(ask(
        &mut w,
        &first.response("423 Interval Too Brief", "t", ""),
    ));
    assert_eq!(field(&second.text, "Expires"), Some("3601"));
    let brief = second.response("423 Interval Too Brief", "t", "Min-Expires: 3612\n");
    let third = one(ask(&mut w, &brief));
    assert_eq!(field(&third.text, "Expires"), Some("3612"));
    assert_eq!(field(&third.text, "CSeq"), Some("3 REGISTER"));
    // A registrar that names no contact.
    ask(&mut w, &third.response("200 OK", "t", ""));
    let [RegistrationKind::Registered { expires, .. }] = told(&mut w)[..] else {
        panic!()
    };
    assert_eq!(expires, seconds(3612));
    // And one that says twice that an interval is too brief, and never what it wants.
    let mut w = world(|_| {});
    let first = register(&mut w);
    let second = one(ask(
        &mut w,
        &first.response("423 Interval Too Brief", "t", ""),
    ));
    assert!(ask(&mut w, &second.response("423 Interval Too Brief", "t", "")).is_empty());
    assert!(matches!(
        told(&mut w)[..],
        [RegistrationKind::Failed { .. }]
    ));
}

fn seen_at(request: &Invite, place: &str) -> Invite {
    let (ip, port) = place.split_once(':').expect("a port");
    let by = format!(";rport={port};received={ip}");
    let text = request.text.replacen(";rport", &by, 1);
    Invite { text }
}

// Shows: the address that the registrar sees takes the place of ours, the old one goes in the same request, and no storm follows | interop row 2
#[test]
fn the_outside_of_a_nat_is_taken_over() {
    let mut w = world(|_| {});
    let first = register(&mut w);
    let ok = seen_at(&first, "198.51.100.7:6111").response("200 OK", "t", &granted(100));
    let second = one(ask(&mut w, &ok));
    let contacts: Vec<_> = second
        .text
        .lines()
        .filter(|l| l.starts_with("Contact: "))
        .collect();
    let new = "Contact: <sip:alice@198.51.100.7:6111>";
    assert_eq!(
        contacts,
        [new, "Contact: <sip:alice@192.0.2.2:5060>;expires=0"]
    );
    assert!(told(&mut w).is_empty());
    // The NAT has another port for each request: not asked again before the refresh.
    let ok = seen_at(&second, "198.51.100.7:6112").response("200 OK", "t", "Expires: 100\n");
    assert!(ask(&mut w, &ok).is_empty());
    assert!(matches!(
        told(&mut w)[..],
        [RegistrationKind::Registered { .. }]
    ));
    w.run(seconds(91));
    let third = one(w.heard());
    assert_eq!(
        field(&third.text, "Contact"),
        Some("<sip:alice@198.51.100.7:6112>")
    );
}

// Shows: calls go by the way that the registrar named, under the address that it gave | RFC 3608, RFC 5627, interop row 7
#[test]
fn service_route_and_gruu_are_used() {
    let instance = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
    let mut w = world(|a| a.registering.instance = Some(instance.into()));
    let first = register(&mut w);
    let contact = field(&first.text, "Contact").expect("a contact");
    assert!(
        contact.ends_with(&format!(";+sip.instance=\"<{instance}>\";reg-id=1")),
        "{contact}"
    );
    assert_eq!(
        field(&first.text, "Supported"),
        Some("path, outbound, gruu")
    );
    let gruu = format!("sip:alice@example.com;gr={instance}");
    let extra = format!(
        "Contact: {contact};pub-gruu=\"{gruu}\";expires=100\nService-Route: <sip:192.0.2.9;lr>, <sip:s2.example.com;lr>\n"
    );
    ask(&mut w, &first.response("200 OK", "t", &extra));
    let (key, to) = (msp_core::id::CallKey(1), uri("sip:bob@elsewhere.example"));
    let account = Some(ID);
    w.command(0, Command::Dial { key, to, account });
    w.run(ms(1));
    let invite = w.heard().remove(0);
    let routes: Vec<_> = invite
        .lines()
        .filter(|l| l.starts_with("Route: "))
        .collect();
    assert_eq!(
        routes,
        [
            "Route: <sip:192.0.2.9;lr>",
            "Route: <sip:s2.example.com;lr>"
        ]
    );
    assert_eq!(field(&invite, "Contact"), Some(&*format!("<{gruu}>")));
}

// Shows: an anonymous call is reached at the address that the registrar gave for that, others at the one that tells who we are | RFC 5627 4.2 and 4.4
#[test]
fn who_stays_anonymous_is_reached_at_the_temporary_gruu() {
    let instance = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6";
    let mut w = world(|a| a.registering.instance = Some(instance.into()));
    let first = register(&mut w);
    let contact = field(&first.text, "Contact").expect("a contact");
    let public = format!("sip:alice@example.com;gr={instance}");
    let temporary = "sip:tgruu.7hs==jd7vnzga5w7fajsc7-ajd6fabz0f8g5@example.com;gr";
    let extra =
        format!("Contact: {contact};pub-gruu=\"{public}\";temp-gruu=\"{temporary}\";expires=100\n");
    ask(&mut w, &first.response("200 OK", "t", &extra));
    for (key, hidden, reached) in [(1, true, temporary), (2, false, &*public)] {
        let (key, to) = (msp_core::id::CallKey(key), uri("sip:bob@192.0.2.9"));
        let mut identity = IdentityPolicy::default();
        identity.hidden = hidden;
        let dial = Command::DialAs {
            key,
            to,
            account: Some(ID),
            identity: identity.into(),
        };
        w.command(0, dial);
        w.run(ms(1));
        let heard = w.heard();
        let invite = heard.last().expect("an INVITE");
        assert_eq!(field(invite, "Contact"), Some(&*format!("<{reached}>")));
        assert_eq!(field(invite, "Privacy").is_some(), hidden);
        assert_eq!(invite.contains("alice@example.com"), !hidden, "{invite}");
    }
}

// Shows: what a registrar has of us is asked for without a change of it | RFC 3261 10.2.3
#[test]
fn bindings_are_fetched_and_left_as_they_are() {
    let mut w = world(|_| {});
    let (key, account) = (msp_core::id::CallKey(9), ID);
    w.command(0, Command::FetchBindings { key, account });
    w.run(ms(1));
    let first = one(w.heard());
    assert_eq!(field(&first.text, "Contact"), None);
    assert_eq!(field(&first.text, "Expires"), None);
    assert_eq!(field(&first.text, "To"), Some("<sip:alice@192.0.2.9>"));
    let proved = one(ask(
        &mut w,
        &first.response("401 Unauthorized", "t", CHALLENGE),
    ));
    assert!(field(&proved.text, "Authorization").is_some());
    assert_eq!(field(&proved.text, "Contact"), None);
    let two = "Contact: <sip:alice@192.0.2.3>;expires=7, <sip:alice@192.0.2.4>;expires=9\n";
    ask(&mut w, &proved.response("200 OK", "t", two));
    let kinds = w.phones[0].kinds(key);
    let [
        CallEventKind::Bindings {
            status, contacts, ..
        },
    ] = &kinds[..]
    else {
        panic!("{kinds:?}")
    };
    assert_eq!(status.code(), 200);
    let written: Vec<&str> = contacts.iter().map(|c| &**c).collect();
    assert_eq!(
        written,
        [
            "<sip:alice@192.0.2.3>;expires=7",
            "<sip:alice@192.0.2.4>;expires=9"
        ]
    );
    assert!(told(&mut w).is_empty(), "it is no registration");
    w.run(seconds(3600));
    assert!(w.heard().is_empty(), "nothing is refreshed");
}

// Shows: what we are known as stands in Via and Contact in the place of any address, whatever the registrar sees | interop row 44
#[test]
fn the_host_name_that_is_advertised_is_what_peers_are_told() {
    let config = tsp_sip::call::AgentConfig {
        advertise_host: Some(tsp_sip::wire::Host::new("sbc.example.com").expect("a host")),
        ..crate::support::config("user")
    };
    let phone = crate::support::Phone::with_config(crate::peer::US, 3, Manner::Silent, config);
    let mut w = World::new(vec![phone], netsim::Impairment::PERFECT, 5);
    let account = Account::new(uri("sip:alice@192.0.2.9")).expect("an account");
    w.command(0, Command::AddAccount(ID, account.into()));
    let first = register(&mut w);
    let contact = "<sip:alice@sbc.example.com:5060>";
    assert_eq!(field(&first.text, "Contact"), Some(contact));
    let via = field(&first.text, "Via").expect("a Via");
    assert!(
        via.starts_with("SIP/2.0/UDP sbc.example.com:5060;"),
        "{via}"
    );
    // The outside of a NAT is not what we are known as.
    let ok = first.response("200 OK", "t", &format!("Contact: {contact};expires=100\n"));
    let ok = ok.replace(";rport", ";received=198.51.100.1;rport=6000");
    assert!(ask(&mut w, &ok).is_empty());
    let (key, to) = (msp_core::id::CallKey(1), uri("sip:bob@192.0.2.9"));
    w.command(
        0,
        Command::Dial {
            key,
            to,
            account: None,
        },
    );
    w.run(ms(1));
    let invite = w.heard().remove(0);
    assert_eq!(
        field(&invite, "Contact"),
        Some("<sip:user@sbc.example.com:5060>")
    );
    assert!(
        field(&invite, "From")
            .expect("From")
            .starts_with("<sip:user@sbc.example.com>")
    );
    assert!(
        invite.contains("c=IN IP4 192.0.2.2"),
        "media are at an address: {invite}"
    );
}

// Shows: a registrar without an address is told in one line that says what to do
#[test]
fn an_unknown_registrar_is_told() {
    let mut w = world(|a| a.registering.registrar = Some(uri("sip:nowhere.example")));
    w.command(0, Command::Register(ID));
    let [
        RegistrationKind::Failed {
            status: None,
            reason,
            ..
        },
    ] = &told(&mut w)[..]
    else {
        panic!()
    };
    assert!(
        reason.contains("nowhere.example") && reason.contains("check its name"),
        "{reason}"
    );
}

#[test]
fn a_silent_registrar_is_asked_again_later() {
    let mut w = world(|_| {});
    register(&mut w);
    w.run(seconds(33));
    w.heard();
    let [
        RegistrationKind::Failed {
            status: None,
            retry_in,
            ..
        },
    ] = told(&mut w)[..]
    else {
        panic!()
    };
    assert!(retry_in >= seconds(30) && retry_in <= seconds(60));
    w.run(retry_in);
    assert!(!w.heard().is_empty());
}
