//! MESSAGE, within calls and without, and digits by INFO.

use msp_core::id::{CallKey, LegId};
use msp_core::link::{Digit, Envelope, ToMsp, ToTsp};
use tsp_sip::call::{CallEventKind, Command, Input, Recipient};
use tsp_sip::wire::Uri;

use crate::peer::{Invite, alone, ask, ask_once, call_up, field, ms, plain, seconds, tag, within};
use crate::support::{Manner, World};

fn with_body(message: &str, kind: &str, body: &str) -> String {
    let (head, _) = message
        .split_once("\n\n")
        .unwrap_or_else(|| (message.trim_end(), ""));
    let length = body.replace('\n', "\r\n").len();
    format!("{head}\nContent-Type: {kind}\nContent-Length: {length}\n\n{body}")
}

fn page(branch: &str, kind: &str, body: &str) -> String {
    let text = plain(
        "MESSAGE sip:user@192.0.2.2",
        branch,
        "1 MESSAGE",
        "Subject: x\n",
    );
    with_body(&text, kind, body)
}

fn say(w: &mut World, to: Recipient, body: &str) -> CallKey {
    let key = CallKey(77);
    let command = Command::Message {
        key,
        to,
        account: None,
        content_type: "text/plain".into(),
        body: body.to_owned().into(),
    };
    w.command(0, command);
    w.run(ms(1));
    key
}

fn user() -> Recipient {
    Recipient::Uri(Uri::new("sip:p@192.0.2.9").expect("a URI"))
}

fn outcome(w: &World, key: CallKey) -> Vec<u16> {
    let kinds = w.phones[0].kinds(key);
    let status = |k: &&CallEventKind| match k {
        CallEventKind::MessageAnswered { status, .. } => Some(status.code()),
        _ => None,
    };
    kinds.iter().filter_map(status).collect()
}

// Shows: messages from user to user, both ways | RFC 3428 4 and 7
#[test]
fn a_message_comes_in_once() {
    let mut w = alone(Manner::Silent);
    let text = page("m", "text/plain; charset=utf-8", "Watson, come here.");
    let ok = ask_once(&mut w, &text);
    assert!(ok.starts_with("SIP/2.0 200"), "{ok}");
    assert_eq!(field(&ok, "Contact"), None, "it makes no dialog");
    assert!(!tag(&ok, "To").is_empty());
    assert!(ask_once(&mut w, &text).starts_with("SIP/2.0 200"), "a copy");
    let [event] = &w.phones[0].events[..] else {
        panic!("{:?}", w.phones[0].events)
    };
    let CallEventKind::MessageReceived {
        from,
        content_type,
        body,
        ..
    } = &event.kind
    else {
        panic!("{event:?}")
    };
    assert_eq!(
        (&**from, &**content_type),
        ("<sip:p@192.0.2.9>", "text/plain")
    );
    assert_eq!(&body[..], b"Watson, come here.");
}

// Shows: messages from user to user, both ways
#[test]
fn a_message_of_another_type_or_against_the_settings_is_refused() {
    let mut w = alone(Manner::Silent);
    let refusal = ask_once(&mut w, &page("m", "image/png", "x"));
    assert!(refusal.starts_with("SIP/2.0 415"));
    assert_eq!(field(&refusal, "Accept"), Some("text/plain"));
    let packed = page("n", "text/plain", "x").replace("Subject: x", "Content-Encoding: gzip");
    assert!(ask_once(&mut w, &packed).starts_with("SIP/2.0 415"));
    assert!(w.phones[0].events.is_empty());
    let mut config = crate::support::config("user");
    config.requests.messages = false;
    w.phones[0].agent = tsp_sip::call::UserAgent::new(config, |b: &mut [u8]| b.fill(7));
    let refusal = ask_once(&mut w, &page("o", "text/plain", "x"));
    assert!(refusal.starts_with("SIP/2.0 405"), "{refusal}");
    assert!(!field(&refusal, "Allow").unwrap().contains("MESSAGE"));
}

// Shows: messages from user to user, both ways
#[test]
fn a_message_goes_out_and_its_fate_is_told() {
    for (answer, status) in [("200 OK", 200), ("404 Not Found", 404)] {
        let mut w = alone(Manner::Silent);
        let key = say(&mut w, user(), "hello");
        let text = w.heard().remove(0);
        assert!(
            text.starts_with("MESSAGE sip:p@192.0.2.9 SIP/2.0\r\n"),
            "{text}"
        );
        assert_eq!(field(&text, "Content-Type"), Some("text/plain"));
        assert_eq!(field(&text, "Contact"), None);
        assert!(text.ends_with("\r\n\r\nhello"));
        ask(&mut w, &Invite { text }.response(answer, "t", ""));
        assert_eq!(outcome(&w, key), [status]);
    }
    let mut silent = alone(Manner::Silent);
    let key = say(&mut silent, user(), "hello");
    silent.run(seconds(33));
    assert_eq!(outcome(&silent, key), [408]);
    let mut long = alone(Manner::Silent);
    let key = say(&mut long, user(), &"x".repeat(1300));
    assert!(long.heard().is_empty());
    assert_eq!(outcome(&long, key), [513], "it would fill the way");
    let mut lost = alone(Manner::Silent);
    let key = say(
        &mut lost,
        Recipient::Uri(Uri::new("sip:a@nowhere.example").unwrap()),
        "x",
    );
    assert_eq!(outcome(&lost, key), [404]);
    assert!(lost.phones[0].agent.is_idle());
}

// Shows: messages from user to user, both ways
#[test]
fn messages_travel_within_a_call() {
    let mut w = alone(Manner::Answer);
    let our_tag = call_up(&mut w, "x");
    let call = w.phones[0].incoming()[0];
    let text = with_body(&within("MESSAGE", "x", 2, &our_tag, ""), "text/plain", "hi");
    assert!(ask_once(&mut w, &text).starts_with("SIP/2.0 200"));
    let last = w.phones[0].kinds(call).pop().unwrap();
    assert!(matches!(last, CallEventKind::MessageReceived { body, .. } if &body[..] == b"hi"));
    let key = say(&mut w, Recipient::Call(call), "ho");
    let text = w.heard().remove(0);
    assert!(text.starts_with("MESSAGE sip:p@192.0.2.9:5060"));
    assert_eq!(
        (field(&text, "Call-ID"), tag(&text, "To")),
        (Some("c-x"), "p1".into())
    );
    ask(&mut w, &Invite { text }.response("202 Accepted", "", ""));
    assert_eq!(outcome(&w, key), [202]);
    assert!(w.phones[0].ended(call).is_none());
    let key = say(&mut w, Recipient::Call(CallKey(5)), "ho");
    assert_eq!(outcome(&w, key), [202, 481], "of no call");
}

fn press(w: &mut World, key: CallKey, c: char) {
    let digit = Digit::from_char(c).expect("a key");
    let duration = ms(100);
    let message = Envelope {
        call: key,
        leg: LegId::FIRST,
        generation: Default::default(),
        body: ToTsp::Digit { digit, duration },
    };
    let now = w.now;
    w.phones[0].agent.handle(now, Input::Msp(message));
    w.drain(0);
    w.run(ms(1));
}

// Shows: digits by INFO both ways, as peers write them | RFC 6086, interop row 52
#[test]
fn digits_that_media_cannot_carry_go_by_info_one_by_one() {
    let mut w = alone(Manner::Answer);
    call_up(&mut w, "x");
    let key = w.phones[0].incoming()[0];
    press(&mut w, key, '7');
    press(&mut w, key, '#');
    let mut heard = w.heard();
    assert_eq!(heard.len(), 1, "they have an order: {heard:?}");
    let first = heard.remove(0);
    assert!(first.starts_with("INFO sip:p@192.0.2.9:5060"));
    assert_eq!(
        field(&first, "Content-Type"),
        Some("application/dtmf-relay")
    );
    assert!(
        first.ends_with("\r\n\r\nSignal=7\r\nDuration=100\r\n"),
        "{first}"
    );
    let second = ask_once(&mut w, &Invite { text: first }.response("200 OK", "", ""));
    assert!(second.contains("Signal=#"));
    // What the peer does not take is told.
    let refused = Invite { text: second }.response("415 Unsupported Media Type", "", "");
    assert!(ask(&mut w, &refused).is_empty());
    let lost = CallEventKind::UnsentDigit(Digit::from_char('#').unwrap());
    assert_eq!(w.phones[0].kinds(key).pop(), Some(&lost));
    assert_eq!(w.phones[0].agent.stats().unsent_digits, 1);
}

// Shows: digits by INFO both ways, as peers write them
#[test]
fn digits_by_info_are_heard() {
    let mut w = alone(Manner::Answer);
    let our_tag = call_up(&mut w, "x");
    let key = w.phones[0].incoming()[0];
    let mut number = 1;
    let mut info = |w: &mut World, extra: &str, kind: &str, body: &str| {
        number += 1;
        let text = within("INFO", "x", number, &our_tag, extra);
        ask_once(w, &with_body(&text, kind, body))
    };
    for (kind, body, c, held) in [
        (
            "application/dtmf-relay",
            "Signal=5\nDuration=160\n",
            '5',
            160,
        ),
        (
            "Application/DTMF-Relay",
            "SIGNAL = *\nduration= 250",
            '*',
            250,
        ),
        ("application/dtmf", "9", '9', 160),
    ] {
        assert!(info(&mut w, "", kind, body).starts_with("SIP/2.0 200"));
        let heard = ToMsp::Digit {
            digit: Digit::from_char(c).unwrap(),
            duration: ms(held),
        };
        let told = w.phones[0].media.last().unwrap();
        assert_eq!((told.call, &told.body), (key, &heard), "{body}");
    }
    let told = w.phones[0].media.len();
    let bad = info(&mut w, "", "application/dtmf-relay", "Duration=1\n");
    assert!(bad.starts_with("SIP/2.0 400"), "{bad}");
    let other = info(&mut w, "", "application/x", "x");
    assert!(other.starts_with("SIP/2.0 415") && field(&other, "Accept").is_some());
    let package = info(&mut w, "Info-Package: foo\n", "application/x", "x");
    assert!(package.starts_with("SIP/2.0 469"), "{package}");
    assert_eq!(field(&package, "Recv-Info"), Some(""));
    let empty = ask_once(&mut w, &within("INFO", "x", 20, &our_tag, ""));
    assert!(empty.starts_with("SIP/2.0 200"));
    assert_eq!(w.phones[0].media.len(), told);
    let stray = ask_once(&mut w, &plain("INFO sip:user@192.0.2.2", "s", "1 INFO", ""));
    assert!(stray.starts_with("SIP/2.0 481"), "{stray}");
}
