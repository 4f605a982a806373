//! Damaged but plausible datagrams at a user agent that has a call: each gets an answer or silence, for a counted reason;
//! nothing panics, nothing grows, the call goes on.
//!
//! `TIPRING_HOSTILE=1000000 cargo test -p tsp-sip --test hostile` sends a million instead of what suits every day.

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use netsim::Impairment;
use support::{Manner, Numbers, Phone, World, kept};
use tsp_sip::call::{Command, EndCause};
use tsp_sip::wire::{Message, is_keep_alive};

const US: &str = "192.0.2.2:5060";
const FRIEND: &str = "192.0.2.1:5060";
const STRANGER: &str = "192.0.2.66:5060";

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.66\r\ns=-\r\nc=IN IP4 192.0.2.66\r\nt=0 0\r\nm=audio 5000 RTP/AVP 0 8\r\n";

/// What a peer could send, for a dialog of its own.
fn seeds(n: u64, our_tag: &str) -> Vec<String> {
    let message = |start: &str, cseq: &str, to: &str, extra: &str, body: &str| {
        format!(
            "{start} SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.66:5060;branch=z9hG4bK{n};rport\r\nMax-Forwards: 70\r\n\
             From: \"S\" <sip:s@192.0.2.66>;tag=s{n}\r\nTo: <sip:user@192.0.2.2>{to}\r\nCall-ID: s{n}@192.0.2.66\r\nCSeq: {cseq}\r\n\
             Contact: <sip:s@192.0.2.66:5060>\r\nRecord-Route: <sip:192.0.2.66;lr>\r\n{extra}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let tag = format!(";tag={our_tag}");
    let sdp = "Content-Type: application/sdp\r\n";
    let uri = "sip:user@192.0.2.2:5060";
    let mut all = vec![
        message(&format!("INVITE {uri}"), "1 INVITE", "", sdp, SDP),
        message(&format!("INVITE {uri}"), "1 INVITE", "", "", ""),
        message(&format!("CANCEL {uri}"), "1 CANCEL", "", "", ""),
        message(&format!("ACK {uri}"), "1 ACK", &tag, "", ""),
        message(&format!("ACK {uri}"), "1 ACK", &tag, sdp, SDP),
        message(
            &format!("INVITE {uri}"),
            "2 INVITE",
            &tag,
            sdp,
            &SDP.replace("o=- 1 1", "o=- 1 2").replace("5000", "5002"),
        ),
        message(&format!("BYE {uri}"), "3 BYE", &tag, "", ""),
        message(
            &format!("OPTIONS {uri}"),
            "4 OPTIONS",
            &tag,
            "Accept: application/sdp\r\n",
            "",
        ),
        message(
            &format!("OPTIONS {uri}"),
            "4 OPTIONS",
            "",
            "Require: x\r\nSupported: y, z\r\n",
            "",
        ),
        message(&format!("NOTIFY {uri}"), "4 NOTIFY", "", "Event: x\r\n", ""),
        message(
            &format!("REGISTER {uri}"),
            "4 REGISTER",
            "",
            "Expires: 60\r\n",
            "",
        ),
    ];
    let response = |code: u16, method: &str| {
        message("X", &format!("1 {method}"), ";tag=t", sdp, SDP).replacen(
            "X SIP/2.0",
            &format!("SIP/2.0 {code} Y"),
            1,
        )
    };
    all.extend([
        response(180, "INVITE"),
        response(200, "INVITE"),
        response(486, "INVITE"),
        response(200, "BYE"),
    ]);
    all
}

/// How many messages are sent.
fn messages() -> u64 {
    let asked = std::env::var("TIPRING_HOSTILE").ok();
    asked.map_or(100_000, |n| n.parse().expect("TIPRING_HOSTILE is a number"))
}

/// Changes one to three fields of a message that is fine otherwise.
fn change_fields(text: &str, numbers: &mut Numbers) -> Vec<u8> {
    const ODD: [&str; 24] = [
        "",
        "0",
        "-1",
        "4294967295 INVITE",
        "4294967296 INVITE",
        "1 ACK",
        "1 NEWMETHOD",
        "255",
        "256",
        "*",
        "<sip:s@192.0.2.66>;tag=",
        "<sip:s@192.0.2.66>;tag=a;tag=b",
        "\"unclosed <sip:s@192.0.2.66>",
        "<sips:s@192.0.2.66;transport=ws>;tag=x",
        "<tel:+1-201-555-0123>;tag=x",
        "<sip:s@[2001:db8::1]:70000>",
        "sip:s@192.0.2.66;tag=x?Replaces=y",
        "SIP/2.0/UDP 192.0.2.66",
        "SIP/2.0/TCP 192.0.2.66:5060;branch=z9hG4bK;received=192.0.2.1;rport=1",
        "application/sdp;q=0",
        "multipart/mixed;boundary=x",
        "100rel, timer, x",
        "a;to-tag=1;from-tag=2",
        "10;refresher=uac",
    ];
    const NAMES: [&str; 10] = [
        "Require",
        "Replaces",
        "RAck",
        "Session-Expires",
        "Content-Encoding",
        "Content-Type",
        "Accept",
        "Refer-To",
        "Event",
        "Expires",
    ];
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
    let mut lines: Vec<String> = head.split("\r\n").map(str::to_owned).collect();
    for _ in 0..=numbers.below(3) {
        let odd = ODD[numbers.below(ODD.len())];
        let at = 1 + numbers.below(lines.len().saturating_sub(1));
        let other = lines[numbers.below(lines.len())].clone();
        let Some(line) = lines.get_mut(at) else {
            continue;
        };
        let name = line.split(':').next().unwrap_or_default().to_owned();
        match numbers.below(5) {
            0 => drop(lines.remove(at)),
            1 => {
                let copy = line.clone();
                lines.push(copy);
            }
            2 => lines.push(format!("{}: {odd}", NAMES[numbers.below(NAMES.len())])),
            3 => {
                let value = other.split_once(": ").map_or("", |(_, value)| value);
                *line = format!("{name}: {value}");
            }
            _ => *line = format!("{name}: {odd}"),
        }
    }
    format!("{}\r\n\r\n{body}", lines.join("\r\n")).into_bytes()
}

/// Changes one to three places: bytes, numbers, whole fields.
fn damage(text: &str, numbers: &mut Numbers) -> Vec<u8> {
    const SPICE: &[u8] = b"\r\n\0 \t:;,<>\"\\@?%[]/=*()\x7f\x80\xff0129azAZ";
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=numbers.below(3) {
        let at = numbers.below(bytes.len());
        match numbers.below(8) {
            0 | 1 if !bytes.is_empty() => bytes[at] = SPICE[numbers.below(SPICE.len())],
            2 => bytes.insert(at, SPICE[numbers.below(SPICE.len())]),
            3 if !bytes.is_empty() => drop(bytes.remove(at)),
            4 => bytes.truncate(at),
            5 => {
                let piece: Vec<_> = bytes
                    .iter()
                    .skip(at)
                    .take(numbers.below(60))
                    .copied()
                    .collect();
                bytes.splice(at..at, piece);
            }
            6 => {
                // One line less, or twice.
                let mut lines: Vec<Vec<u8>> =
                    bytes.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
                let line = numbers.below(lines.len());
                if numbers.below(2) == 0 {
                    lines.remove(line);
                } else {
                    lines.insert(line, lines[line].clone());
                }
                bytes = lines.join(&b'\n');
            }
            _ => {
                let digits: Vec<_> = (0..bytes.len())
                    .filter(|i| bytes[*i].is_ascii_digit())
                    .collect();
                if !digits.is_empty() {
                    let i = digits[numbers.below(digits.len())];
                    let odd: [&[u8]; 6] = [
                        b"0",
                        b"4294967296",
                        b"-1",
                        b"99999999999999999999",
                        b"",
                        b"2147483648",
                    ];
                    bytes.splice(i..=i, odd[numbers.below(odd.len())].iter().copied());
                }
            }
        }
    }
    bytes
}

// Shows: damaged and random messages harm neither the agent nor its call
#[test]
fn damaged_datagrams_harm_neither_the_agent_nor_its_call() {
    let phones = vec![
        Phone::new(US, 1, Manner::Answer),
        Phone::new(FRIEND, 2, Manner::Silent),
    ];
    let mut w = World::new(phones, Impairment::PERFECT, 3);
    let call = w.dial(1, 1, "sip:user@192.0.2.2");
    w.run(Duration::from_secs(1));
    let ours = w.phones[0].incoming()[0];
    assert!(w.phones[0].is_connected(ours) && w.phones[1].is_connected(call));
    let before = kept(&w, 0);

    let mut numbers = Numbers(0xdecade);
    // What is kept at most, by spans of 20 s: a transaction lives for 32.
    let mut most: Vec<usize> = Vec::new();
    let mut statuses = BTreeMap::<String, u64>::new();
    let (mut readable, mut unreadable, mut kept_alive) = (0, 0, 0);
    let rounds = messages() / 4;
    let mut our_tag = String::from("unknown");
    let mut events = 0;
    for round in 0..rounds {
        let seeds = seeds(round / 10, &our_tag);
        for _ in 0..4 {
            let seed = &seeds[numbers.below(seeds.len())];
            // One in eight is whole, so that calls come about whose further messages are damaged.
            let bytes = match numbers.below(8) {
                0 => seed.clone().into_bytes(),
                1..5 => change_fields(seed, &mut numbers),
                _ => damage(seed, &mut numbers),
            };
            let bytes = Bytes::from(bytes);
            if is_keep_alive(&bytes) {
                kept_alive += 1;
            } else if Message::parse(&bytes).is_ok() {
                readable += 1;
            } else {
                unreadable += 1;
            }
            w.inject_bytes(STRANGER, US, bytes);
        }
        w.run(Duration::from_millis(4));
        for text in w.heard() {
            if let Some(status) = text.strip_prefix("SIP/2.0 ") {
                let code = status.get(..3).unwrap_or_default();
                *statuses.entry(code.to_owned()).or_default() += 1;
                let cseq = text.lines().find(|l| l.starts_with("CSeq: "));
                let to_ack = cseq.is_some_and(|l| l.ends_with(" ACK"));
                // One whose CSeq alone says ACK is refused before anybody looks at that.
                let early = ["400", "414", "505", "513"].contains(&code);
                assert!(!to_ack || early, "an ACK is never answered: {text}");
            }
            if let Some(tag) = text
                .lines()
                .find_map(|l| l.strip_prefix("To: ")?.split(";tag=").nth(1))
            {
                our_tag = tag.to_owned();
            }
        }
        let (calls, dialogs, transactions) = kept(&w, 0);
        if round % 5_000 == 0 {
            most.push(0);
        }
        if let Some(most) = most.last_mut() {
            *most = (*most).max(calls.max(dialogs).max(transactions));
        }
        if round % 100 == 0 {
            let touched = w.phones[0].media.iter().filter(|m| m.call == ours).count();
            assert!(
                round == 0 || touched == 0,
                "the media of the call are left alone"
            );
            w.sent.clear();
            w.traced.clear();
            w.phones[0].media.clear();
            // The application tires of strangers now and then.
            let strangers: Vec<_> = w.phones[0]
                .incoming()
                .into_iter()
                .filter(|k| *k != ours)
                .collect();
            events += strangers.len();
            for key in strangers {
                w.command(0, Command::HangUp(key));
            }
            w.phones[0].events.retain(|e| e.key == ours);
        }
    }
    let stats = w.phones[0].agent.stats();
    println!("{events} calls of strangers, {most:?} kept at most, {statuses:?}, {stats:?}");
    let share = messages() / 1_000;
    assert!(
        events as u64 > share,
        "some damage passes for a call: {events}"
    );
    // What is kept follows how much comes in a time, not how much came.
    if let [_, _, full, later @ ..] = &most[..] {
        let bound = full + full / 4;
        assert!(later.iter().all(|m| *m <= bound), "{most:?}");
    }
    // The peers of the control call say a little, too.
    assert!(
        (readable..readable + 100).contains(&stats.received),
        "{readable} of {stats:?}"
    );
    assert_eq!(stats.keep_alives, kept_alive);
    assert!(
        stats.refused + stats.unreadable >= unreadable,
        "{unreadable} of {stats:?}"
    );
    let parsed = stats.stray_acks + stats.stray_responses;
    assert!(
        parsed > share && stats.unreadable > unreadable / 4,
        "{stats:?}"
    );
    let odd = ["1", "2", "4", "5"];
    assert!(
        statuses
            .keys()
            .all(|s| odd.iter().any(|o| s.starts_with(o)))
    );
    for status in ["400", "405", "415", "420", "481", "482", "505"] {
        assert!(
            statuses.contains_key(status),
            "{status} is among {statuses:?}"
        );
    }

    // The call is as it was, and what the strangers left fades.
    assert!(w.phones[0].ended(ours).is_none() && w.phones[1].ended(call).is_none());
    w.run(Duration::from_secs(200));
    for key in w.phones[0]
        .incoming()
        .into_iter()
        .filter(|k| *k != ours)
        .collect::<Vec<_>>()
    {
        w.command(0, Command::HangUp(key));
    }
    w.run(Duration::from_secs(200));
    assert_eq!(kept(&w, 0), (before.0, before.1, 0));
    w.inject(STRANGER, US, "OPTIONS x SIP/2.0\n\n");
    w.run(Duration::from_secs(1));
    let memories = w.phones[0].agent.kept().memories;
    assert!(memories < 5, "{memories}");
    w.command(1, Command::HangUp(call));
    w.run(Duration::from_secs(70));
    assert_eq!(
        w.phones[0].ended(ours).unwrap().cause,
        EndCause::RemoteHangUp
    );
    assert_eq!(kept(&w, 0), (0, 0, 0));
}
