//! Presence that is published at a scripted server.

use tsp_sip::account::{Account, AccountId};
use tsp_sip::call::Command;
use tsp_sip::subscription::{Presence, PresenceTuple, PublicationKind, SubscriptionEvent};

use crate::accounts::uri;
use crate::peer::{Invite, alone, ask, field, ms, seconds};
use crate::support::{Manner, World};

const ID: AccountId = AccountId(5);

fn presence(open: bool) -> Box<Presence> {
    let tuple = PresenceTuple {
        id: "t".into(),
        open: Some(open),
        contact: "".into(),
        note: "".into(),
    };
    Box::new(Presence {
        entity: "sip:alice@192.0.2.9".into(),
        tuples: vec![tuple],
        note: "".into(),
    })
}

fn publish(w: &mut World, open: bool) {
    let command = Command::Publish {
        account: ID,
        presence: presence(open),
        expires: seconds(600),
    };
    w.command(0, command);
    w.run(ms(1));
}

fn begin() -> (World, Invite) {
    let mut w = alone(Manner::Silent);
    let account = Account::new(uri("sip:alice@192.0.2.9")).expect("an account");
    w.command(0, Command::AddAccount(ID, account.into()));
    publish(&mut w, true);
    let first = one(w.heard());
    (w, first)
}

fn one(mut heard: Vec<String>) -> Invite {
    heard.dedup();
    assert_eq!(heard.len(), 1, "{heard:?}");
    let text = heard.remove(0);
    assert!(
        text.starts_with("PUBLISH sip:alice@192.0.2.9 SIP/2.0\r\n"),
        "{text}"
    );
    Invite { text }
}

fn told(w: &mut World) -> Vec<PublicationKind> {
    let all = std::mem::take(&mut w.phones[0].subscriptions);
    let kind = |e| match e {
        SubscriptionEvent::Publication { account: ID, kind } => kind,
        other => panic!("{other:?}"),
    };
    all.into_iter().map(kind).collect()
}

fn has(publish: &Invite, basic: &str) -> bool {
    publish.text.contains(&format!("<basic>{basic}</basic>"))
}

// Shows: presence is published, refreshed, changed and taken back | RFC 3903 4.1, interop row 45
#[test]
fn presence_is_published_refreshed_changed_and_taken_back() {
    let (mut w, first) = begin();
    for (name, value) in [
        ("Event", Some("presence")),
        ("Expires", Some("600")),
        ("Content-Type", Some("application/pidf+xml")),
        ("SIP-If-Match", None),
        ("Contact", None),
    ] {
        assert_eq!(field(&first.text, name), value);
    }
    assert!(has(&first, "open"));
    assert!(
        ask(
            &mut w,
            &first.response("200 OK", "s", "SIP-ETag: e1\nExpires: 100\n")
        )
        .is_empty()
    );
    let expires = seconds(100);
    assert_eq!(told(&mut w), [PublicationKind::Published { expires }]);
    w.run(seconds(89));
    assert!(w.heard().is_empty());
    w.run(seconds(2));
    let refresh = one(w.heard());
    assert_eq!(field(&refresh.text, "SIP-If-Match"), Some("e1"));
    assert_eq!(
        (
            field(&refresh.text, "CSeq"),
            field(&refresh.text, "Content-Length")
        ),
        (Some("2 PUBLISH"), Some("0"))
    );
    // Changed while one is under way: one after the other.
    publish(&mut w, false);
    assert!(w.heard().is_empty());
    let change = one(ask(
        &mut w,
        &refresh.response("200 OK", "s", "SIP-ETag: e2\nExpires: 100\n"),
    ));
    assert_eq!(field(&change.text, "SIP-If-Match"), Some("e2"));
    assert!(has(&change, "closed"));
    ask(
        &mut w,
        &change.response("200 OK", "s", "SIP-ETag: e3\nExpires: 100\n"),
    );
    told(&mut w);
    w.command(0, Command::Unpublish(ID));
    w.run(ms(1));
    let last = one(w.heard());
    assert_eq!(
        (
            field(&last.text, "SIP-If-Match"),
            field(&last.text, "Expires")
        ),
        (Some("e3"), Some("0"))
    );
    assert!(
        ask(
            &mut w,
            &last.response("200 OK", "s", "SIP-ETag: e4\nExpires: 0\n")
        )
        .is_empty()
    );
    assert_eq!(told(&mut w), [PublicationKind::Removed]);
    w.run(seconds(10_000));
    assert!(w.heard().is_empty());
}

// Shows: a server that lost what was published hears all again; too brief, refused, later | RFC 3903 4.1
#[test]
fn refusals_of_a_publication() {
    let (mut w, first) = begin();
    ask(
        &mut w,
        &first.response("200 OK", "s", "SIP-ETag: e1\nExpires: 100\n"),
    );
    w.run(seconds(91));
    let refresh = one(w.heard());
    let anew = one(ask(
        &mut w,
        &refresh.response("412 Conditional Request Failed", "s", ""),
    ));
    assert_eq!(field(&anew.text, "SIP-If-Match"), None);
    assert!(has(&anew, "open"));
    ask(
        &mut w,
        &anew.response("200 OK", "s", "SIP-ETag: e2\nExpires: 100\n"),
    );

    let (mut w, first) = begin();
    let second = one(ask(
        &mut w,
        &first.response("423 Interval Too Brief", "s", "Min-Expires: 3600\n"),
    ));
    assert_eq!(field(&second.text, "Expires"), Some("3600"));
    assert!(has(&second, "open"));
    assert!(ask(&mut w, &second.response("403 Forbidden", "s", "")).is_empty());
    assert!(matches!(
        &told(&mut w)[..],
        [PublicationKind::Refused { again: None, .. }]
    ));

    let (mut w, mut next) = begin();
    for _ in 0..3 {
        next = one(ask(
            &mut w,
            &next.response("412 Conditional Request Failed", "s", ""),
        ));
    }
    assert!(
        ask(
            &mut w,
            &next.response("412 Conditional Request Failed", "s", "")
        )
        .is_empty(),
        "not without end"
    );
    assert!(matches!(
        &told(&mut w)[..],
        [PublicationKind::Refused { again: None, .. }]
    ));

    let (mut w, first) = begin();
    assert!(ask(&mut w, &first.response("503 Busy", "s", "Retry-After: 9\n")).is_empty());
    let [PublicationKind::Refused { again, .. }] = &told(&mut w)[..] else {
        panic!()
    };
    assert_eq!(*again, Some(seconds(9)));
    w.run(seconds(10));
    assert!(has(&one(w.heard()), "open"));
}

// Shows: a closed agent takes back what it published | RFC 3903 4.5
#[test]
fn closing_takes_back_what_was_published() {
    let (mut w, first) = begin();
    ask(
        &mut w,
        &first.response("200 OK", "s", "SIP-ETag: e1\nExpires: 100\n"),
    );
    w.command(0, Command::Close);
    w.run(ms(1));
    let last = one(w.heard());
    assert_eq!(field(&last.text, "Expires"), Some("0"));
    ask(&mut w, &last.response("200 OK", "s", ""));
    assert!(w.phones[0].agent.is_idle());
}
