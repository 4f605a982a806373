//! Subscriptions of ours at a scripted notifier.

use std::time::Duration;

use tsp_sip::account::{Account, AccountId};
use tsp_sip::call::Command;
use tsp_sip::digest::Credential;
use tsp_sip::subscription::{
    DialogState, Notice, Package, SubscriptionEvent, SubscriptionId, SubscriptionKind,
};

use crate::accounts::uri;
use crate::peer::{Invite, alone, ask, field, ms, seconds, tag};
use crate::support::{Manner, World};

const ID: SubscriptionId = SubscriptionId(4);

const MWI: &str =
    "Messages-Waiting: yes\nMessage-Account: sip:user@192.0.2.9\nVoice-Message: 2/8 (0/2)\n";

const LAMP: &str = "<?xml version=\"1.0\"?>\n<dialog-info xmlns=\"urn:ietf:params:xml:ns:dialog-info\" version=\"0\" \
    state=\"full\" entity=\"sip:bob@192.0.2.9\">\n<dialog id=\"a\"><state>early</state></dialog></dialog-info>\n";

const PIDF: &str = "<?xml version=\"1.0\"?>\n<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"sip:bob@192.0.2.9\">\
    <tuple id=\"t\"><status><basic>open</basic></status></tuple></presence>\n";

fn subscribe_for(w: &mut World, package: Package, expires: u64) -> Invite {
    subscribe_as(w, package, expires, None)
}

fn subscribe_as(
    w: &mut World,
    package: Package,
    expires: u64,
    account: Option<AccountId>,
) -> Invite {
    let command = Command::Subscribe {
        id: ID,
        to: uri("sip:bob@192.0.2.9"),
        account,
        package,
        expires: seconds(expires),
    };
    w.command(0, command);
    w.run(ms(1));
    one(w.heard())
}

fn one(mut heard: Vec<String>) -> Invite {
    heard.dedup();
    assert_eq!(heard.len(), 1, "{heard:?}");
    let text = heard.remove(0);
    assert!(text.starts_with("SUBSCRIBE "), "{text}");
    Invite { text }
}

/// A subscription to messages that wait, accepted and told of.
fn up(w: &mut World, expires: u64) -> Invite {
    let first = subscribe_for(w, Package::MessageSummary, 600);
    ask(
        w,
        &first.response("200 OK", "n", &format!("Expires: {expires}\n")),
    );
    let state = format!("active;expires={expires}");
    assert!(notify(w, &first, 1, "n", &state, MWI).starts_with("SIP/2.0 200"));
    first
}

/// A NOTIFY of the branch `branch`; the answer to it.
fn notify(
    w: &mut World,
    of: &Invite,
    number: u32,
    branch: &str,
    state: &str,
    body: &str,
) -> String {
    let heard = notify_all(w, of, number, branch, state, body);
    heard
        .into_iter()
        .find(|m| m.starts_with("SIP/2.0"))
        .expect("an answer")
}

fn notify_all(
    w: &mut World,
    of: &Invite,
    number: u32,
    branch: &str,
    state: &str,
    body: &str,
) -> Vec<String> {
    let package = field(&of.text, "Event").expect("an event");
    let kind = field(&of.text, "Accept").expect("a type");
    let (call, ours) = (
        field(&of.text, "Call-ID").expect("an id"),
        tag(&of.text, "From"),
    );
    let length = body.replace('\n', "\r\n").len();
    let kind = if body.is_empty() {
        String::new()
    } else {
        format!("Content-Type: {kind}\n")
    };
    let text = format!(
        "NOTIFY sip:user@192.0.2.2:5060 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKn{branch}{number}\nMax-Forwards: 70\n\
         From: <sip:bob@192.0.2.9>;tag={branch}\nTo: <sip:user@192.0.2.2>;tag={ours}\nCall-ID: {call}\nCSeq: {number} NOTIFY\n\
         Contact: <sip:{branch}@192.0.2.9:5060>\nEvent: {package}\nSubscription-State: {state}\n{kind}Content-Length: {length}\n\n{body}"
    );
    ask(w, &text)
}

/// What was told since the last time.
fn told(w: &mut World) -> Vec<SubscriptionKind> {
    let all = std::mem::take(&mut w.phones[0].subscriptions);
    let kind = |e| match e {
        SubscriptionEvent::Subscription { id, kind } => {
            assert_eq!(id, ID);
            kind
        }
        other => panic!("{other:?}"),
    };
    all.into_iter().map(kind).collect()
}

fn ended(w: &mut World) -> (Option<u16>, String) {
    let last = told(w).pop();
    let Some(SubscriptionKind::Ended { status, reason }) = last else {
        panic!("{last:?}")
    };
    (status.map(|s| s.code()), reason.into())
}

fn interrupted(w: &mut World) -> Duration {
    let last = told(w).pop();
    let Some(SubscriptionKind::Interrupted { after, .. }) = last else {
        panic!("{last:?}")
    };
    after
}

// Shows: messages that wait: asked for, told, refreshed and left | RFC 6665 4.1, RFC 3842, interop row 45
#[test]
fn waiting_messages_are_told_and_the_subscription_is_refreshed_and_left() {
    let mut w = alone(Manner::Silent);
    let first = up(&mut w, 100);
    assert!(
        first
            .text
            .starts_with("SUBSCRIBE sip:bob@192.0.2.9 SIP/2.0\r\n")
    );
    for (name, value) in [
        ("Event", "message-summary"),
        ("Expires", "600"),
        ("Accept", "application/simple-message-summary"),
        ("Contact", "<sip:user@192.0.2.2:5060>"),
    ] {
        assert_eq!(field(&first.text, name), Some(value));
    }
    let [
        SubscriptionKind::Notified { from, notice },
        SubscriptionKind::Active,
    ] = &told(&mut w)[..]
    else {
        panic!()
    };
    let Notice::Messages(summary) = notice else {
        panic!()
    };
    assert_eq!((&**from, summary.waiting), ("sip:bob@192.0.2.9", true));
    assert_eq!(summary.voice.map(|v| (v.new, v.old)), Some((2, 8)));
    w.run(seconds(88));
    assert!(w.heard().is_empty());
    w.run(seconds(3));
    let refresh = one(w.heard());
    assert!(
        refresh
            .text
            .starts_with("SUBSCRIBE sip:n@192.0.2.9:5060 SIP/2.0\r\n")
    );
    assert_eq!(field(&refresh.text, "CSeq"), Some("2 SUBSCRIBE"));
    assert_eq!(
        (tag(&refresh.text, "To"), field(&refresh.text, "Call-ID")),
        ("n".into(), field(&first.text, "Call-ID"))
    );
    ask(&mut w, &refresh.response("200 OK", "", "Expires: 100\n"));
    notify(&mut w, &first, 2, "n", "active;expires=100", "");
    assert!(told(&mut w).is_empty(), "nothing new");
    assert!(
        notify(&mut w, &first, 1, "n", "active", MWI).starts_with("SIP/2.0 500"),
        "out of turn"
    );
    w.command(0, Command::Unsubscribe(ID));
    w.run(ms(1));
    let last = one(w.heard());
    assert_eq!(field(&last.text, "Expires"), Some("0"));
    ask(&mut w, &last.response("200 OK", "", "Expires: 0\n"));
    notify(&mut w, &first, 3, "n", "terminated;reason=timeout", MWI);
    assert_eq!(ended(&mut w), (None, "timeout".into()));
    w.run(seconds(10_000));
    assert!(w.heard().is_empty());
    assert!(notify(&mut w, &first, 4, "n", "active", "").starts_with("SIP/2.0 481"));
}

// Shows: a NOTIFY that is faster than the response begins the subscription | RFC 6665 4.1.2.4
#[test]
fn a_notify_before_the_response_counts() {
    let mut w = alone(Manner::Silent);
    let first = subscribe_for(&mut w, Package::Presence, 600);
    notify(&mut w, &first, 7, "n", "active;expires=600", PIDF);
    ask(&mut w, &first.response("200 OK", "n", "Expires: 60\n"));
    let [
        SubscriptionKind::Notified {
            notice: Notice::Presence(presence),
            ..
        },
        SubscriptionKind::Active,
    ] = &told(&mut w)[..]
    else {
        panic!()
    };
    assert_eq!(presence.tuples[0].open, Some(true));
    w.run(seconds(50));
    assert!(w.heard().is_empty());
    w.run(seconds(6));
    assert_eq!(
        field(&one(w.heard()).text, "Expires"),
        Some("600"),
        "60 s were granted"
    );
}

// Shows: a state is fetched once | RFC 6665 4.4.3
#[test]
fn a_state_is_fetched_once() {
    let mut w = alone(Manner::Silent);
    let first = subscribe_for(&mut w, Package::Dialog, 0);
    assert_eq!(field(&first.text, "Expires"), Some("0"));
    ask(&mut w, &first.response("200 OK", "n", "Expires: 0\n"));
    notify(&mut w, &first, 1, "n", "terminated;reason=timeout", LAMP);
    let [
        SubscriptionKind::Notified {
            notice: Notice::Dialogs(info),
            ..
        },
        SubscriptionKind::Ended { .. },
    ] = &told(&mut w)[..]
    else {
        panic!()
    };
    assert_eq!(info.lamp(), Some(DialogState::Early));
    assert!(w.phones[0].agent.is_idle());
}

// Shows: a subscription that no NOTIFY comes for is given up after timer N | RFC 6665 4.1.2.4
#[test]
fn without_any_notify_it_is_given_up() {
    let mut w = alone(Manner::Silent);
    let first = subscribe_for(&mut w, Package::Dialog, 600);
    ask(&mut w, &first.response("200 OK", "n", "Expires: 600\n"));
    w.run(seconds(31));
    assert!(told(&mut w).is_empty());
    w.run(seconds(2));
    assert_eq!(interrupted(&mut w), seconds(32));
    // Where nobody even said yes it is over.
    let mut w = alone(Manner::Silent);
    subscribe_for(&mut w, Package::Dialog, 0);
    w.run(seconds(33));
    let (status, reason) = ended(&mut w);
    assert!(status == Some(408) || reason == "no NOTIFY came");
}

// Shows: refusals of a subscription: too brief, unknown, gone, later | RFC 6665 4.1.2
#[test]
fn refusals_of_the_first_request() {
    for (code, extra, retried) in [
        ("489 Bad Event", "", false),
        ("403 Forbidden", "", false),
        ("404 Not Found", "", false),
        ("503 Service Unavailable", "Retry-After: 77\n", true),
    ] {
        let mut w = alone(Manner::Silent);
        let first = subscribe_for(&mut w, Package::Dialog, 600);
        assert!(ask(&mut w, &first.response(code, "n", extra)).is_empty());
        if !retried {
            let status = code[..3].parse().ok();
            assert_eq!(ended(&mut w), (status, code[4..].into()));
            w.run(seconds(10_000));
            assert!(w.heard().is_empty());
            continue;
        }
        assert_eq!(interrupted(&mut w), seconds(77));
        w.run(seconds(76));
        assert!(w.heard().is_empty());
        w.run(seconds(1));
        let again = one(w.heard());
        assert_ne!(field(&again.text, "Call-ID"), field(&first.text, "Call-ID"));
        assert_eq!(field(&again.text, "CSeq"), Some("1 SUBSCRIBE"));
    }
    let mut w = alone(Manner::Silent);
    let first = subscribe_for(&mut w, Package::Dialog, 60);
    let second = one(ask(
        &mut w,
        &first.response("423 Interval Too Brief", "n", "Min-Expires: 90\n"),
    ));
    assert_eq!(
        (field(&second.text, "Expires"), field(&second.text, "CSeq")),
        (Some("90"), Some("2 SUBSCRIBE"))
    );
    assert_eq!(
        field(&second.text, "Call-ID"),
        field(&first.text, "Call-ID")
    );
    ask(
        &mut w,
        &second.response("423 Interval Too Brief", "n", "Min-Expires: 90\n"),
    );
    assert_eq!(ended(&mut w).0, Some(423));
}

// Shows: a refresh that is refused: 481 begins anew, 489 ends, 500 changes nothing | RFC 6665 4.1.2.2
#[test]
fn refusals_of_a_refresh() {
    let mut w = alone(Manner::Silent);
    let first = up(&mut w, 100);
    w.run(seconds(91));
    let refresh = one(w.heard());
    let anew = one(ask(
        &mut w,
        &refresh.response("481 Call Does Not Exist", "", ""),
    ));
    assert_ne!(field(&anew.text, "Call-ID"), field(&first.text, "Call-ID"));
    assert_eq!(interrupted(&mut w), Duration::ZERO);
    let mut w = alone(Manner::Silent);
    up(&mut w, 100);
    w.run(seconds(91));
    let refresh = one(w.heard());
    ask(&mut w, &refresh.response("489 Bad Event", "", ""));
    assert_eq!(ended(&mut w).0, Some(489));
    let mut w = alone(Manner::Silent);
    let first = up(&mut w, 100);
    w.run(seconds(91));
    let refresh = one(w.heard());
    assert!(
        ask(
            &mut w,
            &refresh.response("500 Server Internal Error", "", "")
        )
        .is_empty()
    );
    told(&mut w);
    notify(&mut w, &first, 2, "n", "active;expires=9", MWI);
    assert_eq!(told(&mut w).len(), 1, "it goes on");
}

// Shows: what a notifier ends for a reason is asked for again as the reason says | RFC 6665 4.1.3
#[test]
fn reasons_say_when_to_come_again() {
    for (state, after) in [
        ("terminated;reason=deactivated", Some(0)),
        ("terminated;reason=probation;retry-after=33", Some(33)),
        ("terminated;reason=giveup", Some(60)),
        ("terminated;reason=rejected;retry-after=5", None),
        ("terminated;reason=noresource", None),
        ("terminated", None),
    ] {
        let mut w = alone(Manner::Silent);
        let first = up(&mut w, 100);
        notify_all(&mut w, &first, 2, "n", state, "");
        match after {
            None => drop(ended(&mut w)),
            Some(after) => assert_eq!(interrupted(&mut w), seconds(after), "{state}"),
        }
    }
    // A notifier that ends each at once is not asked without end.
    let mut w = alone(Manner::Silent);
    let mut next = subscribe_for(&mut w, Package::Dialog, 600);
    let mut waits = Vec::new();
    for n in 1..=5 {
        assert!(ask(&mut w, &next.response("200 OK", "n", "")).is_empty());
        let state = "terminated;reason=deactivated";
        let mut heard = notify_all(&mut w, &next, n, "n", state, "");
        heard.retain(|m| m.starts_with("SUBSCRIBE"));
        let after = interrupted(&mut w);
        waits.push(after.as_secs());
        w.run(after);
        heard.extend(w.heard());
        next = one(heard);
    }
    assert_eq!(waits, [0, 1, 2, 4, 8]);
}

// Shows: a SUBSCRIBE that forks: each branch for the busy lamp, one alone for waiting messages | RFC 6665 4.1.4, RFC 4235 3.9
#[test]
fn forks() {
    let mut w = alone(Manner::Silent);
    let first = subscribe_for(&mut w, Package::Dialog, 600);
    ask(&mut w, &first.response("200 OK", "a", "Expires: 600\n"));
    for branch in ["a", "b"] {
        let ok = notify(&mut w, &first, 1, branch, "active;expires=600", LAMP);
        assert!(ok.starts_with("SIP/2.0 200"), "{ok}");
    }
    w.command(0, Command::Unsubscribe(ID));
    w.run(ms(1));
    let mut left: Vec<_> = w.heard().iter().map(|m| tag(m, "To")).collect();
    left.sort();
    assert_eq!(left, ["a", "b"]);
    for n in 3..12 {
        let answer = notify(&mut w, &first, 1, &format!("x{n}"), "active", LAMP);
        let taken = answer.starts_with("SIP/2.0 200");
        assert_eq!(taken, n < 9, "eight branches are enough");
    }
    let mut w = alone(Manner::Silent);
    let first = up(&mut w, 600);
    let refusal = notify(&mut w, &first, 1, "other", "active;expires=600", MWI);
    assert!(refusal.starts_with("SIP/2.0 481"), "{refusal}");
}

// Shows: busy lamp: partial notices, and a refresh where one is missing | RFC 4235 4.3, interop row 45
#[test]
fn a_missing_partial_notice_is_asked_for() {
    let mut w = alone(Manner::Silent);
    let first = subscribe_for(&mut w, Package::Dialog, 600);
    notify(&mut w, &first, 1, "n", "active;expires=600", LAMP);
    let partial = |version: u32, state: &str| {
        let text = LAMP
            .replace("\"full\"", "\"partial\"")
            .replace("early", state);
        text.replace("version=\"0\"", &format!("version=\"{version}\""))
    };
    told(&mut w);
    let heard = notify_all(
        &mut w,
        &first,
        2,
        "n",
        "active;expires=600",
        &partial(1, "confirmed"),
    );
    assert_eq!(heard.len(), 1);
    let heard = notify_all(
        &mut w,
        &first,
        3,
        "n",
        "active;expires=600",
        &partial(3, "terminated"),
    );
    assert!(
        heard.iter().any(|m| m.starts_with("SUBSCRIBE ")),
        "{heard:?}"
    );
    let lamps: Vec<_> = told(&mut w)
        .iter()
        .map(|k| match k {
            SubscriptionKind::Notified {
                notice: Notice::Dialogs(info),
                ..
            } => info.lamp(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        lamps,
        [Some(DialogState::Confirmed), Some(DialogState::Terminated)]
    );
}

// Shows: challenges to SUBSCRIBE are answered, at refreshes too | interop row 14
#[test]
fn challenges_are_answered() {
    let mut w = alone(Manner::Silent);
    let id = AccountId(1);
    let mut account = Account::new(uri("sip:user@192.0.2.9")).expect("an account");
    account.credentials = vec![Credential::password("user", "secret")];
    w.command(0, Command::AddAccount(id, account.into()));
    let challenge = |n: u32| format!("WWW-Authenticate: Digest realm=\"r\", nonce=\"{n}\"\n");
    let first = subscribe_as(&mut w, Package::MessageSummary, 600, Some(id));
    let second = one(ask(
        &mut w,
        &first.response("401 Unauthorized", "n", &challenge(1)),
    ));
    assert!(field(&second.text, "Authorization").is_some());
    assert_eq!(field(&second.text, "CSeq"), Some("2 SUBSCRIBE"));
    ask(&mut w, &second.response("200 OK", "n", "Expires: 100\n"));
    notify(&mut w, &first, 1, "n", "active;expires=100", MWI);
    w.run(seconds(91));
    let third = one(w.heard());
    assert_eq!(field(&third.text, "CSeq"), Some("3 SUBSCRIBE"));
    let stale = challenge(2).replace("nonce", "stale=true, nonce");
    let fourth = one(ask(&mut w, &third.response("401 Unauthorized", "", &stale)));
    assert_eq!(field(&fourth.text, "CSeq"), Some("4 SUBSCRIBE"));
    assert!(field(&fourth.text, "Authorization").is_some_and(|a| a.contains("nonce=\"2\"")));
}

/// A NOTIFY that belongs to nothing.
fn stray(event: &str, kind: &str, body: &str) -> String {
    let length = body.replace('\n', "\r\n").len();
    let id = format!("{event}{length}{}", kind.len());
    format!(
        "NOTIFY sip:user@192.0.2.2 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK{id}\nMax-Forwards: 70\n\
         From: <sip:vm@192.0.2.9>;tag=v\nTo: <sip:user@192.0.2.2>\nCall-ID: u{id}\nCSeq: 1 NOTIFY\n\
         Contact: <sip:vm@192.0.2.9>\nEvent: {event}\nSubscription-State: active\nContent-Type: {kind}\n\
         Content-Length: {length}\n\n{body}"
    )
}

// Shows: messages that wait are told without having been asked for | interop row 45
// Shows: 489 for event packages that are not known | RFC 6665 8.2.2, interop row 45
#[test]
fn waiting_messages_are_told_unasked() {
    let mut w = alone(Manner::Silent);
    let kind = "application/simple-message-summary";
    let ok = ask(&mut w, &stray("message-summary", kind, MWI)).remove(0);
    assert!(ok.starts_with("SIP/2.0 200"), "{ok}");
    let all = std::mem::take(&mut w.phones[0].subscriptions);
    let [
        SubscriptionEvent::Unsolicited {
            account: None,
            notice: Notice::Messages(summary),
        },
    ] = &all[..]
    else {
        panic!("{all:?}")
    };
    assert!(summary.waiting);
    let bad = ask(&mut w, &stray("message-summary", kind, "nonsense\n")).remove(0);
    assert!(bad.starts_with("SIP/2.0 400"), "{bad}");
    let odd = ask(&mut w, &stray("message-summary", "text/html", MWI)).remove(0);
    assert!(odd.starts_with("SIP/2.0 415"), "{odd}");
    assert_eq!(field(&odd, "Accept"), Some(kind));
    let nobody = ask(
        &mut w,
        &stray("dialog", "application/dialog-info+xml", LAMP),
    )
    .remove(0);
    assert!(nobody.starts_with("SIP/2.0 481"), "{nobody}");
    let unknown = ask(&mut w, &stray("x-weather", "text/plain", "rain\n")).remove(0);
    assert!(unknown.starts_with("SIP/2.0 489"), "{unknown}");
    assert_eq!(
        field(&unknown, "Allow-Events"),
        Some("message-summary, dialog, presence, refer")
    );
    assert!(w.phones[0].subscriptions.is_empty());
    assert_eq!(w.phones[0].agent.stats().unread_notices, 2);
}

// Shows: a closed agent leaves what it subscribed to | RFC 6665 4.1.2.3
#[test]
fn closing_leaves_what_was_subscribed_to() {
    let mut w = alone(Manner::Silent);
    up(&mut w, 600);
    w.command(0, Command::Close);
    w.run(ms(1));
    let last = one(w.heard());
    assert_eq!(field(&last.text, "Expires"), Some("0"));
    assert!(!w.phones[0].agent.is_idle());
    ask(&mut w, &last.response("200 OK", "", ""));
    assert!(w.phones[0].agent.is_idle());
    // What no NOTIFY came for is left with the first.
    let mut w = alone(Manner::Silent);
    let first_of = subscribe_for(&mut w, Package::Dialog, 600);
    w.command(0, Command::Unsubscribe(ID));
    w.run(ms(1));
    assert!(w.heard().is_empty());
    let heard = notify_all(&mut w, &first_of, 1, "n", "active;expires=600", LAMP);
    assert!(
        heard
            .iter()
            .any(|m| m.starts_with("SUBSCRIBE ") && field(m, "Expires") == Some("0"))
    );
}
