//! A user agent and scripted peers whose messages are literal bytes.

mod support;

use std::time::Duration;

use msp_core::error::ErrorKind;
use msp_core::id::{CallKey, Generation, LegId};
use msp_core::link::{Envelope, Finality, ToMsp, ToTsp};
use msp_core::params::MediaSlot;
use netsim::Impairment;
use support::{Manner, Phone, World, kept};
use tsp_sip::call::{CallEventKind, Command, EndCause, Input};
use tsp_sip::wire::StatusCode;

const US: &str = "192.0.2.2:5060";
const PEER: &str = "192.0.2.9:5060";

const SDP: &str =
    "v=0\no=- 1 1 IN IP4 192.0.2.9\ns=-\nc=IN IP4 192.0.2.9\nt=0 0\nm=audio 5000 RTP/AVP 0 8\n";

fn alone(manner: Manner) -> World {
    World::new(vec![Phone::new(US, 3, manner)], Impairment::PERFECT, 5)
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Sends a request and gives the responses that come at once.
fn ask(w: &mut World, text: &str) -> Vec<String> {
    w.inject(PEER, US, text);
    w.run(ms(1));
    w.heard()
}

fn ask_once(w: &mut World, text: &str) -> String {
    let heard = ask(w, text);
    assert_eq!(heard.len(), 1, "{heard:?}");
    heard[0].clone()
}

fn field<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    message
        .lines()
        .find_map(|l| l.strip_prefix(name).and_then(|l| l.strip_prefix(": ")))
}

fn tag(message: &str, name: &str) -> String {
    field(message, name)
        .and_then(|v| v.split(";tag=").nth(1))
        .unwrap_or_default()
        .to_owned()
}

/// A request outside of a dialog.
fn plain(start: &str, branch: &str, cseq: &str, extra: &str) -> String {
    format!(
        "{start} SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK{branch}\nMax-Forwards: 70\nFrom: <sip:p@192.0.2.9>;tag=p1\n\
         To: <sip:user@192.0.2.2>\nCall-ID: c-{branch}\nCSeq: {cseq}\nContact: <sip:p@192.0.2.9:5060>\n{extra}\n"
    )
}

fn with_sdp(message: &str, sdp: &str) -> String {
    let body = sdp.replace('\n', "\r\n");
    let (head, _) = message
        .split_once("\n\n")
        .unwrap_or_else(|| (message.trim_end(), ""));
    format!(
        "{head}\nContent-Type: application/sdp\nContent-Length: {}\n\n{sdp}",
        body.len()
    )
}

/// A request within the dialog that an INVITE of branch `call` made.
fn within(method: &str, call: &str, number: u32, our_tag: &str, extra: &str) -> String {
    let branch = format!("{call}-{method}-{number}");
    plain(
        &format!("{method} sip:user@192.0.2.2:5060"),
        &branch,
        &format!("{number} {method}"),
        extra,
    )
    .replace(
        &format!("Call-ID: c-{branch}"),
        &format!("Call-ID: c-{call}"),
    )
    .replace(
        "To: <sip:user@192.0.2.2>",
        &format!("To: <sip:user@192.0.2.2>;tag={our_tag}"),
    )
}

/// A call from the scripted peer that is up; our tag.
fn call_up(w: &mut World, call: &str) -> String {
    let invite = with_sdp(
        &plain("INVITE sip:user@192.0.2.2", call, "1 INVITE", ""),
        SDP,
    );
    let heard = ask(w, &invite);
    let ok = heard
        .iter()
        .find(|m| m.starts_with("SIP/2.0 200"))
        .expect("answered");
    let our_tag = tag(ok, "To");
    w.inject(PEER, US, &within("ACK", call, 1, &our_tag, ""));
    w.run(ms(1));
    assert!(w.heard().is_empty());
    our_tag
}

#[test]
fn what_cannot_be_served_is_refused_rightly() {
    let mut w = alone(Manner::Answer);
    let status = |text: &str| text.split(' ').nth(1).unwrap_or_default().to_owned();
    let cases = [
        (
            "405",
            plain("REGISTER sip:192.0.2.2", "a1", "1 REGISTER", ""),
            Some(("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS")),
        ),
        (
            "405",
            plain("INFO sip:192.0.2.2", "a2", "1 INFO", ""),
            Some(("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS")),
        ),
        (
            "501",
            plain("FROBNICATE sip:192.0.2.2", "a3", "1 FROBNICATE", ""),
            None,
        ),
        (
            "505",
            plain("OPTIONS sip:192.0.2.2", "a4", "1 OPTIONS", "")
                .replace("SIP/2.0\nVia", "SIP/7.0\nVia"),
            None,
        ),
        (
            "416",
            plain("OPTIONS weird:192.0.2.2", "a5", "1 OPTIONS", ""),
            None,
        ),
        (
            "420",
            plain(
                "OPTIONS sip:192.0.2.2",
                "a6",
                "1 OPTIONS",
                "Require: foo, bar\n",
            ),
            Some(("Unsupported", "foo, bar")),
        ),
        (
            "415",
            plain(
                "INVITE sip:192.0.2.2",
                "a7",
                "1 INVITE",
                "Content-Type: text/plain\n",
            ) + "hello",
            Some(("Accept", "application/sdp")),
        ),
        (
            "415",
            with_sdp(
                &plain(
                    "INVITE sip:192.0.2.2",
                    "a8",
                    "1 INVITE",
                    "Content-Encoding: gzip\n",
                ),
                SDP,
            ),
            Some(("Accept-Encoding", "identity")),
        ),
        ("481", plain("BYE sip:192.0.2.2", "a9", "1 BYE", ""), None),
        (
            "481",
            plain("CANCEL sip:192.0.2.2", "a10", "1 CANCEL", ""),
            None,
        ),
        ("481", within("BYE", "none", 2, "unknown", ""), None),
        ("481", within("INVITE", "none", 2, "unknown", ""), None),
        (
            "400",
            plain("OPTIONS sip:192.0.2.2", "a11", "1 INVITE", ""),
            None,
        ),
        (
            "400",
            plain(
                "OPTIONS sip:192.0.2.2",
                "a12",
                "1 OPTIONS",
                "Max-Forwards: 5\n",
            ),
            None,
        ),
        (
            "400",
            plain("OPTIONS sip:192.0.2.2", "a13", "1 OPTIONS", "").replace("Call-ID", "X-Call-ID"),
            None,
        ),
        (
            "400",
            plain("OPTIONS  sip:192.0.2.2", "a14", "1 OPTIONS", ""),
            None,
        ),
        (
            "400",
            plain(
                "OPTIONS sip:192.0.2.2",
                "a15",
                "1 OPTIONS",
                "Content-Length: 99\n",
            ),
            None,
        ),
        (
            "414",
            plain(
                &format!("OPTIONS sip:{}@h", "x".repeat(2000)),
                "a16",
                "1 OPTIONS",
                "",
            ),
            None,
        ),
        (
            "488",
            with_sdp(
                &plain("INVITE sip:192.0.2.2", "a17", "1 INVITE", ""),
                "v=0\nm=broken\n",
            ),
            None,
        ),
        (
            "488",
            with_sdp(
                &plain("INVITE sip:192.0.2.2", "a18", "1 INVITE", ""),
                &SDP.replace("RTP/AVP 0 8", "RTP/AVP 18"),
            ),
            None,
        ),
        (
            "200",
            plain("OPTIONS sip:192.0.2.2", "a19", "1 OPTIONS", "").replace("70", "0"),
            Some(("Accept", "application/sdp")),
        ),
    ];
    for (wanted, text, wanted_field) in cases {
        let heard: Vec<_> = ask(&mut w, &text)
            .into_iter()
            .filter(|m| !m.starts_with("SIP/2.0 180"))
            .collect();
        assert_eq!(heard.len(), 1, "{text}: {heard:?}");
        assert_eq!(status(&heard[0]), wanted, "{text}: {}", heard[0]);
        if let Some((name, value)) = wanted_field {
            assert_eq!(field(&heard[0], name), Some(value), "{text}");
        }
        if !text.starts_with("BYE") && !text.contains("X-Call-ID") && !text.contains("tag=unknown")
        {
            assert!(!tag(&heard[0], "To").is_empty(), "{}", heard[0]);
        }
    }
    // All but the one that became a call before its media were found wanting.
    assert_eq!(w.phones[0].agent.stats().refused, 19);
}

#[test]
fn neither_an_ack_nor_a_response_is_ever_answered() {
    let mut w = alone(Manner::Answer);
    for text in [
        plain("ACK sip:192.0.2.2", "b1", "1 ACK", ""),
        plain("ACK sip:192.0.2.2", "b2", "1 ACK", "Require: foo\n"),
        plain("ACK  sip:192.0.2.2", "b3", "1 ACK", ""),
        plain("ACK sip:192.0.2.2", "b4", "1 INVITE", ""),
        within("ACK", "b5", 1, "unknown", ""),
        "SIP/2.0 200 OK\nVia: SIP/2.0/UDP 192.0.2.2\nFrom: <sip:a@b>;tag=1\nTo: <sip:a@b>\nCall-ID: x\nCSeq: 1 INVITE\n\n".into(),
        "SIP/2.0 200 OK\nVia: broken\n\n".into(),
        "SIP/2.0 4294967301 x\n\n".into(),
        "\n\n".into(),
        "complete nonsense".into(),
    ] {
        assert_eq!(ask(&mut w, &text), Vec::<String>::new(), "{text}");
    }
    w.run(seconds(40));
    assert!(w.heard().is_empty());
    let stats = w.phones[0].agent.stats();
    assert_eq!(
        (stats.keep_alives, stats.stray_responses, stats.refused),
        (1, 1, 0)
    );
    assert!(stats.stray_acks >= 1 && stats.unreadable >= 4, "{stats:?}");
}

#[test]
fn a_call_from_a_scripted_peer() {
    let mut w = alone(Manner::Ring);
    let invite = with_sdp(
        &plain(
            "INVITE sip:user@192.0.2.2",
            "x",
            "1 INVITE",
            "Record-Route: <sip:192.0.2.9:5062;lr>\n",
        ),
        SDP,
    );
    let ringing = ask_once(&mut w, &invite);
    assert!(
        ringing.starts_with(
            "SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKx\r\n"
        ),
        "{ringing}"
    );
    assert_eq!(
        field(&ringing, "Record-Route"),
        Some("<sip:192.0.2.9:5062;lr>")
    );
    assert_eq!(
        field(&ringing, "Contact"),
        Some("<sip:user@192.0.2.2:5060>")
    );
    let key = w.phones[0].incoming()[0];
    let CallEventKind::Incoming { from, .. } = w.phones[0].kinds(key)[0] else {
        panic!()
    };
    assert_eq!(&**from, "<sip:p@192.0.2.9>;tag=p1");
    // A copy gets the last response again.
    assert_eq!(ask_once(&mut w, &invite), ringing);
    w.command(0, Command::Answer(key));
    w.run(ms(1));
    let ok = w.heard().remove(0);
    assert_eq!(
        (&ok[..14], tag(&ok, "To")),
        ("SIP/2.0 200 OK", tag(&ringing, "To"))
    );
    assert!(ok.contains("m=audio 40000 RTP/AVP 0") && !w.phones[0].is_connected(key));
    let our_tag = tag(&ok, "To");
    w.run(ms(600));
    assert_eq!(w.heard(), [ok], "the 200 is repeated until the ACK comes");
    w.inject(PEER, US, &within("ACK", "x", 1, &our_tag, ""));
    w.run(seconds(2));
    assert!(w.heard().is_empty() && w.phones[0].is_connected(key));
    w.command(0, Command::HangUp(key));
    w.run(ms(1));
    // The BYE takes the recorded route.
    assert_eq!(w.strays[0].1, "192.0.2.9:5062".parse().unwrap());
    let bye = w.heard().remove(0);
    assert!(
        bye.starts_with("BYE sip:p@192.0.2.9:5060 SIP/2.0\r\n"),
        "{bye}"
    );
    assert_eq!(field(&bye, "Route"), Some("<sip:192.0.2.9:5062;lr>"));
    assert_eq!(
        (field(&bye, "CSeq"), tag(&bye, "From"), tag(&bye, "To")),
        (Some("1 BYE"), our_tag, "p1".into())
    );
}

#[test]
fn a_cancel_ends_an_invite_and_nothing_else() {
    let mut w = alone(Manner::Ring);
    let ringing = ask_once(
        &mut w,
        &with_sdp(
            &plain("INVITE sip:user@192.0.2.2", "x", "1 INVITE", ""),
            SDP,
        ),
    );
    let mut cancel = plain(
        "CANCEL sip:user@192.0.2.2",
        "x",
        "1 CANCEL",
        "Require: nothing\n",
    );
    let heard = ask(&mut w, &cancel);
    assert!(
        heard[0].starts_with("SIP/2.0 200") && heard[1].starts_with("SIP/2.0 487"),
        "{heard:?}"
    );
    assert_eq!(
        (tag(&heard[0], "To"), tag(&heard[1], "To")),
        (tag(&ringing, "To"), tag(&ringing, "To"))
    );
    let key = w.phones[0].incoming()[0];
    assert_eq!(w.phones[0].ended(key).unwrap().cause, EndCause::Cancelled);
    // The refusal is repeated until its ACK comes.
    w.run(ms(600));
    assert_eq!(w.heard().len(), 1);
    w.inject(PEER, US, &plain("ACK sip:user@192.0.2.2", "x", "1 ACK", ""));
    w.run(seconds(3));
    assert!(w.heard().is_empty());
    // After the 200 a CANCEL changes nothing (RFC 3261 section 9.2).
    w.phones[0].manner = Manner::Answer;
    call_up(&mut w, "y");
    cancel = plain("CANCEL sip:user@192.0.2.2", "y", "1 CANCEL", "");
    assert!(ask_once(&mut w, &cancel).starts_with("SIP/2.0 200"));
    assert!(w.phones[0].ended(w.phones[0].incoming()[1]).is_none());
}

#[test]
fn copies_that_came_another_way_are_refused() {
    let mut w = alone(Manner::Ring);
    let first = with_sdp(
        &plain("INVITE sip:user@192.0.2.2", "x", "1 INVITE", ""),
        SDP,
    );
    ask_once(&mut w, &first);
    let second = first.replace("z9hG4bKx", "z9hG4bKother");
    assert!(ask_once(&mut w, &second).starts_with("SIP/2.0 482"));
    assert_eq!(w.phones[0].incoming().len(), 1);
}

#[test]
fn a_late_offer_is_answered_with_ours() {
    let mut w = alone(Manner::Answer);
    let heard = ask(
        &mut w,
        &plain("INVITE sip:user@192.0.2.2", "x", "1 INVITE", ""),
    );
    let ok = heard.last().unwrap();
    assert!(
        ok.contains("m=audio 40000 RTP/AVP 0 8 101\r\n"),
        "all that we can: {ok}"
    );
    let key = w.phones[0].incoming()[0];
    assert!(
        !w.phones[0]
            .media
            .iter()
            .any(|m| matches!(m.body, ToMsp::Apply { .. }))
    );
    w.inject(
        PEER,
        US,
        &with_sdp(&within("ACK", "x", 1, &tag(ok, "To"), ""), SDP),
    );
    w.run(ms(1));
    assert!(w.phones[0].is_connected(key));
    let ToMsp::Apply { finality, params } = &w.phones[0].media.last().unwrap().body else {
        panic!()
    };
    assert_eq!(
        (*finality, params[0].remote),
        (Finality::Final, Some("192.0.2.9:5000".parse().unwrap()))
    );
    // Without an answer there is no call.
    let heard = ask(
        &mut w,
        &plain("INVITE sip:user@192.0.2.2", "y", "1 INVITE", ""),
    );
    let bye = ask_once(
        &mut w,
        &within("ACK", "y", 1, &tag(heard.last().unwrap(), "To"), ""),
    );
    assert!(bye.starts_with("BYE"));
    assert_eq!(
        w.phones[0].ended(w.phones[0].incoming()[1]).unwrap().cause,
        EndCause::Media
    );
}

#[test]
fn a_call_is_changed_by_the_peer() {
    let mut w = alone(Manner::Answer);
    let our_tag = call_up(&mut w, "x");
    let key = w.phones[0].incoming()[0];
    let before = w.phones[0].media.len();
    // A refresh does not touch the media.
    let ok = ask_once(
        &mut w,
        &with_sdp(&within("INVITE", "x", 2, &our_tag, ""), SDP),
    );
    assert!(ok.starts_with("SIP/2.0 200"));
    assert_eq!(w.phones[0].media.len(), before);
    w.inject(PEER, US, &within("ACK", "x", 2, &our_tag, ""));
    // A hold goes through the media half, in a round of its own, and is committed.
    let hold = SDP.replace("o=- 1 1", "o=- 1 2") + "a=sendonly\n";
    let ok = ask_once(
        &mut w,
        &with_sdp(&within("INVITE", "x", 3, &our_tag, ""), &hold),
    );
    assert!(
        ok.starts_with("SIP/2.0 200") && ok.contains("a=recvonly"),
        "{ok}"
    );
    let said: Vec<_> = w.phones[0].media[before..]
        .iter()
        .map(|m| (m.generation.0, &m.body))
        .collect();
    assert!(
        matches!(
            said[..],
            [
                (1, ToMsp::Prepare { .. }),
                (
                    1,
                    ToMsp::Apply {
                        finality: Finality::Final,
                        ..
                    }
                ),
                (1, ToMsp::Commit)
            ]
        ),
        "{said:?}"
    );
    w.inject(PEER, US, &within("ACK", "x", 3, &our_tag, ""));
    // What cannot be done is refused, and what was agreed goes on.
    w.phones[0].refuse_apply = Some(ErrorKind::NoFormat);
    let other = SDP.replace("o=- 1 1", "o=- 1 3").replace("5000", "5002");
    let refused = ask_once(
        &mut w,
        &with_sdp(&within("INVITE", "x", 4, &our_tag, ""), &other),
    );
    assert!(refused.starts_with("SIP/2.0 488"), "{refused}");
    assert!(matches!(
        w.phones[0].media.last().unwrap().body,
        ToMsp::Rollback
    ));
    assert!(w.phones[0].ended(key).is_none());
    w.phones[0].refuse_apply = None;
    // The hold is what holds: saying it again changes nothing.
    let quiet = w.phones[0].media.len();
    let ok = ask_once(
        &mut w,
        &with_sdp(&within("INVITE", "x", 5, &our_tag, ""), &hold),
    );
    assert!(ok.starts_with("SIP/2.0 200"));
    assert_eq!(
        w.phones[0].media.len(),
        quiet,
        "{:?}",
        &w.phones[0].media[quiet..]
    );
    w.inject(PEER, US, &within("ACK", "x", 5, &our_tag, ""));
    // Nonsense too.
    let refused = ask_once(
        &mut w,
        &with_sdp(&within("INVITE", "x", 6, &our_tag, ""), "v=0\nm=x\n"),
    );
    assert!(refused.starts_with("SIP/2.0 488"));
    // Without an offer we make one, of all that we can.
    let ok = ask_once(&mut w, &within("INVITE", "x", 7, &our_tag, ""));
    assert!(
        ok.starts_with("SIP/2.0 200") && ok.contains("m=audio 40000 RTP/AVP 0 8 101\r\n"),
        "{ok}"
    );
    // While our offer is open nobody else makes one.
    let pending = ask_once(
        &mut w,
        &with_sdp(&within("INVITE", "x", 8, &our_tag, ""), SDP),
    );
    assert!(pending.starts_with("SIP/2.0 491"), "{pending}");
    w.inject(
        PEER,
        US,
        &with_sdp(&within("ACK", "x", 7, &our_tag, ""), SDP),
    );
    w.run(ms(1));
    assert!(matches!(
        w.phones[0].media.last().unwrap().body,
        ToMsp::Commit
    ));
    // Numbers that go back are refused.
    assert!(ask_once(&mut w, &within("BYE", "x", 3, &our_tag, "")).starts_with("SIP/2.0 500"));
    assert!(w.phones[0].ended(key).is_none());
    assert!(ask_once(&mut w, &within("OPTIONS", "x", 9, &our_tag, "")).starts_with("SIP/2.0 200"));
    assert!(
        ask_once(
            &mut w,
            &within(
                "BYE",
                "x",
                9,
                &our_tag,
                "Reason: Q.850;cause=16;text=\"bye\"\n"
            )
        )
        .starts_with("SIP/2.0 200")
    );
    let ended = w.phones[0].ended(key).unwrap();
    assert_eq!(
        (ended.cause, &*ended.reason),
        (EndCause::RemoteHangUp, "bye")
    );
    // After the end the dialog is unknown.
    assert!(
        ask_once(
            &mut w,
            &with_sdp(&within("INVITE", "x", 11, &our_tag, ""), SDP)
        )
        .starts_with("SIP/2.0 481")
    );
}

#[test]
fn a_second_change_has_to_wait_for_the_first() {
    let mut w = alone(Manner::Answer);
    let our_tag = call_up(&mut w, "x");
    w.phones[0].mute_media = true;
    let change = |n: u32| {
        with_sdp(
            &within("INVITE", "x", n, &our_tag, ""),
            &SDP.replace("o=- 1 1", &format!("o=- 1 {n}"))
                .replace("5000", "5002"),
        )
    };
    assert!(ask(&mut w, &change(2)).is_empty());
    let second = ask_once(&mut w, &change(3));
    assert!(
        second.starts_with("SIP/2.0 500") && field(&second, "Retry-After").is_some(),
        "{second}"
    );
    // A BYE in between ends both.
    let heard = ask(&mut w, &within("BYE", "x", 4, &our_tag, ""));
    assert_eq!(
        heard.iter().map(|m| &m[..11]).collect::<Vec<_>>(),
        ["SIP/2.0 200", "SIP/2.0 487"]
    );
}

/// A peer's change of a call, in the round of offer and answer after the first.
fn change(call: &str, number: u32, our_tag: &str) -> String {
    let sdp = SDP.replace("o=- 1 1", "o=- 1 2").replace("5000", "5002");
    with_sdp(&within("INVITE", call, number, our_tag, ""), &sdp)
}

#[test]
fn a_change_has_to_wait_until_an_answer_to_our_offer_holds() {
    // The media half has not applied it yet, or it names a host whose address is not known yet.
    for slow in ["media", "names"] {
        let mut w = alone(Manner::Answer);
        w.names = vec![("media.example", "192.0.2.88")];
        let heard = ask(
            &mut w,
            &plain("INVITE sip:user@192.0.2.2", "x", "1 INVITE", ""),
        );
        let our_tag = tag(heard.last().unwrap(), "To");
        w.phones[0].mute_media = slow == "media";
        w.slow_names = slow == "names";
        let named = SDP.replace("c=IN IP4 192.0.2.9", "c=IN IP4 media.example");
        let ack = with_sdp(&within("ACK", "x", 1, &our_tag, ""), &named);
        assert!(ask(&mut w, &ack).is_empty());
        let told = w.phones[0].media.len();
        let pending = ask_once(&mut w, &change("x", 2, &our_tag));
        assert!(pending.starts_with("SIP/2.0 491"), "{slow}: {pending}");
        assert_eq!(w.phones[0].media.len(), told, "{slow}");
        let key = w.phones[0].incoming()[0];
        assert!(!w.phones[0].is_connected(key), "{slow}");
        w.phones[0].mute_media = false;
        w.slow_names = false;
        w.release_media(0);
        w.release_names();
        assert!(w.phones[0].is_connected(key), "{slow}");
        ask(&mut w, &within("ACK", "x", 2, &our_tag, ""));
        let ok = ask_once(&mut w, &change("x", 3, &our_tag));
        assert!(ok.starts_with("SIP/2.0 200"), "{slow}: {ok}");
    }
}

#[test]
fn a_change_has_to_wait_until_the_answer_to_our_invite_holds() {
    let mut w = alone(Manner::Silent);
    let (key, invite) = dial(&mut w, 1);
    w.phones[0].mute_media = true;
    ask_once(
        &mut w,
        &with_sdp(&invite.response("200 OK", "p1", CONTACT), SDP),
    );
    let our = |name| field(&invite.text, name).unwrap();
    let change = |number| {
        change("x", number, "")
            .replace("Call-ID: c-x", &format!("Call-ID: {}", our("Call-ID")))
            .replace(
                "To: <sip:user@192.0.2.2>;tag=",
                &format!("To: {}", our("From")),
            )
    };
    let pending = ask_once(&mut w, &change(1));
    assert!(pending.starts_with("SIP/2.0 491"), "{pending}");
    w.phones[0].mute_media = false;
    w.release_media(0);
    assert!(w.phones[0].is_connected(key));
    let ok = ask_once(&mut w, &change(2));
    assert!(ok.starts_with("SIP/2.0 200"), "{ok}");
}

#[test]
fn a_change_that_the_media_half_does_not_make_is_refused_and_the_call_goes_on() {
    for acknowledged in [true, false] {
        let mut w = alone(Manner::Answer);
        let invite = plain("INVITE sip:user@192.0.2.2", "x", "1 INVITE", "");
        let heard = ask(&mut w, &with_sdp(&invite, SDP));
        let our_tag = tag(heard.last().unwrap(), "To");
        let ack = within("ACK", "x", 1, &our_tag, "");
        if acknowledged {
            ask(&mut w, &ack);
        }
        w.phones[0].mute_media = true;
        let change = SDP.replace("o=- 1 1", "o=- 1 2").replace("5000", "5002");
        let change = with_sdp(&within("INVITE", "x", 2, &our_tag, ""), &change);
        assert!(ask(&mut w, &change).is_empty());
        // The ACK of the first 2xx comes only now, and what is due next must not be lost with it.
        if !acknowledged {
            ask(&mut w, &ack);
        }
        w.run(seconds(9));
        let heard = w.heard();
        assert!(
            heard.iter().all(|m| m.starts_with("SIP/2.0 100")),
            "{heard:?}"
        );
        w.run(seconds(2));
        assert!(w.heard()[0].starts_with("SIP/2.0 500"), "{acknowledged}");
        let told = w.phones[0].media.last().unwrap();
        assert!(matches!(told.body, ToMsp::Rollback));
        let key = w.phones[0].incoming()[0];
        assert!(w.phones[0].ended(key).is_none());
    }
}

// Calls of ours, with a scripted peer at the other end.

struct Invite {
    text: String,
}

impl Invite {
    fn response(&self, code: &str, to_tag: &str, extra: &str) -> String {
        let f = |name: &str| field(&self.text, name).unwrap_or_default();
        let to_tag = if to_tag.is_empty() {
            String::new()
        } else {
            format!(";tag={to_tag}")
        };
        format!(
            "SIP/2.0 {code}\nVia: {}\nFrom: {}\nTo: {}{to_tag}\nCall-ID: {}\nCSeq: {}\n{extra}\n",
            f("Via"),
            f("From"),
            f("To"),
            f("Call-ID"),
            f("CSeq")
        )
    }
}

fn dial(w: &mut World, key: u64) -> (CallKey, Invite) {
    let key = w.dial(0, key, "sip:p@192.0.2.9:5060");
    w.run(ms(1));
    let text = w.heard().remove(0);
    assert!(text.starts_with("INVITE sip:p@192.0.2.9:5060 SIP/2.0\r\n"));
    (key, Invite { text })
}

const CONTACT: &str = "Contact: <sip:p@192.0.2.9:5060>\n";

#[test]
fn our_invite_has_what_it_must_have() {
    let mut w = alone(Manner::Silent);
    let (_, invite) = dial(&mut w, 1);
    let t = &invite.text;
    assert!(
        field(t, "Via")
            .unwrap()
            .starts_with("SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK")
    );
    assert!(field(t, "Via").unwrap().ends_with(";rport"));
    assert_eq!(field(t, "Max-Forwards"), Some("70"));
    assert!(
        field(t, "From")
            .unwrap()
            .starts_with("<sip:user@192.0.2.2>;tag=")
    );
    assert_eq!(field(t, "To"), Some("<sip:p@192.0.2.9:5060>"));
    assert_eq!(field(t, "CSeq"), Some("1 INVITE"));
    assert_eq!(field(t, "Contact"), Some("<sip:user@192.0.2.2:5060>"));
    assert_eq!(field(t, "Content-Type"), Some("application/sdp"));
    assert!(
        t.contains("c=IN IP4 192.0.2.2\r\n") && t.contains("m=audio 40000 RTP/AVP 0 8 101\r\n")
    );
    assert!(tag(t, "From").len() >= 32);
}

#[test]
fn early_media_of_a_fork_and_the_branch_that_answers() {
    let mut w = alone(Manner::Silent);
    let (key, invite) = dial(&mut w, 1);
    ask(&mut w, &invite.response("100 Trying", "", ""));
    ask(&mut w, &invite.response("180 Ringing", "left", CONTACT));
    ask(&mut w, &invite.response("180 Ringing", "right", CONTACT));
    ask(
        &mut w,
        &with_sdp(&invite.response("183 Progress", "left", CONTACT), SDP),
    );
    ask(
        &mut w,
        &with_sdp(&invite.response("183 Progress", "left", CONTACT), SDP),
    );
    ask(
        &mut w,
        &with_sdp(
            &invite.response("183 Progress", "right", CONTACT),
            &SDP.replace("5000", "6000"),
        ),
    );
    assert_eq!(
        w.phones[0].kinds(key),
        [&CallEventKind::Ringing, &CallEventKind::EarlyMedia]
    );
    let early: Vec<_> = w.phones[0].media[1..]
        .iter()
        .map(|m| (m.leg, m.generation.0))
        .collect();
    assert_eq!(
        early,
        [(LegId(0), 0), (LegId(1), 0)],
        "each branch is a leg, a copy is none"
    );
    // The right branch answers without a description: what it said before holds.
    let ack = ask_once(&mut w, &invite.response("200 OK", "right", CONTACT));
    assert!(ack.starts_with("ACK sip:p@192.0.2.9:5060 SIP/2.0\r\n"));
    assert_eq!(
        (field(&ack, "CSeq"), tag(&ack, "To")),
        (Some("1 ACK"), "right".into())
    );
    assert!(w.phones[0].is_connected(key));
    let said: Vec<_> = w.phones[0].media[3..]
        .iter()
        .map(|m| (m.leg, &m.body))
        .collect();
    let [
        (
            LegId(1),
            ToMsp::Apply {
                finality: Finality::Final,
                params,
            },
        ),
        (LegId(0), ToMsp::DropLeg),
    ] = &said[..]
    else {
        panic!("{said:?}")
    };
    assert_eq!(params[0].remote, Some("192.0.2.9:6000".parse().unwrap()));
    // The same 200 again: the same ACK again.
    assert_eq!(
        ask_once(&mut w, &invite.response("200 OK", "right", CONTACT)),
        ack
    );
    // The left branch answers too: it is acknowledged and ended, and so is one that nobody heard of.
    for other in ["left", "third"] {
        let heard = ask(
            &mut w,
            &with_sdp(&invite.response("200 OK", other, CONTACT), SDP),
        );
        assert_eq!(
            heard
                .iter()
                .map(|m| (&m[..3], tag(m, "To")))
                .collect::<Vec<_>>(),
            [("ACK", other.into()), ("BYE", other.into())]
        );
    }
    assert!(w.phones[0].ended(key).is_none());
    // What we hang up is the branch that answered first, and nothing else.
    w.command(0, Command::HangUp(key));
    w.run(ms(1));
    let heard = w.heard();
    assert_eq!(
        heard
            .iter()
            .map(|m| (&m[..3], tag(m, "To")))
            .collect::<Vec<_>>(),
        [("BYE", "right".into())]
    );
    let end = w.phones[0].media.last().unwrap();
    assert!(matches!(end.body, ToMsp::Disconnected { .. }) && end.leg == LegId(1));
}

/// A call of ours whose left branch rang first, whose right one answered first, and whose left one answered later.
fn forked(w: &mut World) -> (CallKey, Invite) {
    let (key, invite) = dial(w, 1);
    for side in ["left", "right"] {
        ask(w, &invite.response("180 Ringing", side, CONTACT));
    }
    for side in ["right", "left"] {
        ask(w, &with_sdp(&invite.response("200 OK", side, CONTACT), SDP));
    }
    assert!(w.phones[0].is_connected(key));
    (key, invite)
}

#[test]
fn a_goodbye_ends_the_branch_that_it_is_for() {
    let mut w = alone(Manner::Silent);
    let (key, invite) = forked(&mut w);
    for (side, ended) in [("left", None), ("right", Some(EndCause::RemoteHangUp))] {
        let bye = plain(
            "BYE sip:user@192.0.2.2:5060",
            &format!("bye-{side}"),
            "1 BYE",
            "",
        )
        .replace(
            "From: <sip:p@192.0.2.9>;tag=p1",
            &format!("From: <sip:p@192.0.2.9:5060>;tag={side}"),
        )
        .replace(
            "To: <sip:user@192.0.2.2>",
            &format!("To: {}", field(&invite.text, "From").unwrap()),
        )
        .replace(
            &format!("Call-ID: c-bye-{side}"),
            &format!("Call-ID: {}", field(&invite.text, "Call-ID").unwrap()),
        );
        let ok = ask_once(&mut w, &bye);
        assert!(ok.starts_with("SIP/2.0 200"), "{ok}");
        assert_eq!(w.phones[0].ended(key).map(|e| e.cause), ended, "{side}");
    }
}

#[test]
fn media_that_are_lost_end_the_branch_that_has_them() {
    let mut w = alone(Manner::Silent);
    let (key, _) = forked(&mut w);
    for (leg, ended) in [(LegId(0), None), (LegId(1), Some(EndCause::Media))] {
        let now = w.now;
        let lost = Envelope {
            call: key,
            leg,
            generation: Generation(0),
            body: ToTsp::MediaLost { slot: MediaSlot(0) },
        };
        w.phones[0].agent.handle(now, Input::Msp(lost));
        w.drain(0);
        assert_eq!(w.phones[0].ended(key).map(|e| e.cause), ended, "{leg:?}");
    }
    w.run(ms(1));
    let heard = w.heard();
    assert_eq!(
        heard
            .iter()
            .map(|m| (&m[..3], tag(m, "To")))
            .collect::<Vec<_>>(),
        [("BYE", "right".into())]
    );
}

#[test]
fn a_phone_that_rings_for_ever_is_given_up() {
    let mut w = alone(Manner::Silent);
    let (key, invite) = dial(&mut w, 1);
    ask(&mut w, &invite.response("180 Ringing", "t", CONTACT));
    w.run(seconds(180));
    assert!(w.phones[0].ended(key).is_none() && w.heard().is_empty());
    w.run(seconds(2));
    assert!(w.heard()[0].starts_with("CANCEL"));
    assert_eq!(w.phones[0].ended(key).unwrap().cause, EndCause::NoAnswer);
}

#[test]
fn a_success_after_the_cancel_is_acknowledged_and_ended() {
    let mut w = alone(Manner::Silent);
    let (key, invite) = dial(&mut w, 1);
    ask(&mut w, &invite.response("180 Ringing", "t", CONTACT));
    w.command(0, Command::HangUp(key));
    w.run(ms(1));
    let cancel = w.heard().remove(0);
    assert!(cancel.starts_with("CANCEL") && field(&cancel, "Via") == field(&invite.text, "Via"));
    assert!(ask(&mut w, &Invite { text: cancel }.response("200 OK", "t", "")).is_empty());
    let heard = ask(
        &mut w,
        &with_sdp(&invite.response("200 OK", "t", CONTACT), SDP),
    );
    assert_eq!(
        heard.iter().map(|m| &m[..3]).collect::<Vec<_>>(),
        ["ACK", "BYE"]
    );
    // A copy of the 200 gets the ACK alone.
    assert_eq!(
        ask_once(
            &mut w,
            &with_sdp(&invite.response("200 OK", "t", CONTACT), SDP)
        ),
        heard[0]
    );
    let bye = Invite {
        text: heard[1].clone(),
    };
    ask(&mut w, &bye.response("200 OK", "", ""));
    assert!(w.phones[0].agent.is_idle());
    w.run(seconds(70));
    assert_eq!(kept(&w, 0), (0, 0, 0));
    assert_eq!(w.phones[0].kinds(key).len(), 2, "ringing and the end");
}

#[test]
fn a_refusal_carries_its_status() {
    let mut w = alone(Manner::Silent);
    let (key, invite) = dial(&mut w, 1);
    let ack = ask_once(&mut w, &invite.response("486 I am Busy", "t", ""));
    assert!(ack.starts_with("ACK"));
    let ended = w.phones[0].ended(key).unwrap();
    assert_eq!(
        (ended.cause, ended.status, &*ended.reason),
        (EndCause::Refused, Some(StatusCode::BUSY_HERE), "I am Busy")
    );
    assert_eq!(
        ask_once(&mut w, &invite.response("486 I am Busy", "t", "")),
        ack
    );
}

#[test]
fn an_answer_that_is_none_ends_the_call() {
    for body in ["", "v=0\nm=x\n", &SDP.replace("5000", "0")] {
        let mut w = alone(Manner::Silent);
        let (key, invite) = dial(&mut w, 1);
        let ok = invite.response("200 OK", "t", CONTACT);
        let heard = ask(
            &mut w,
            &if body.is_empty() {
                ok
            } else {
                with_sdp(&ok, body)
            },
        );
        assert_eq!(
            heard.iter().map(|m| &m[..3]).collect::<Vec<_>>(),
            ["ACK", "BYE"],
            "{body}"
        );
        assert_eq!(w.phones[0].ended(key).unwrap().cause, EndCause::Media);
    }
}

#[test]
fn a_route_by_name_is_looked_up_and_a_dead_one_falls_back() {
    let mut w = alone(Manner::Silent);
    w.names = vec![("proxy.example", "192.0.2.77")];
    let (_, invite) = dial(&mut w, 1);
    let routes = "Record-Route: <sip:proxy.example:5080;lr>\nContact: <sip:p@192.0.2.9>\n";
    w.inject(
        PEER,
        US,
        &with_sdp(&invite.response("200 OK", "t", routes), SDP),
    );
    w.run(ms(1));
    assert_eq!(w.strays[0].1, "192.0.2.77:5080".parse().unwrap());
    let ack = w.heard().remove(0);
    assert!(ack.starts_with("ACK sip:p@192.0.2.9 SIP/2.0\r\n"));
    assert_eq!(field(&ack, "Route"), Some("<sip:proxy.example:5080;lr>"));
    let (_, invite) = dial(&mut w, 2);
    let gone = "Contact: <sip:p@nowhere.example>\n";
    w.inject(
        PEER,
        US,
        &with_sdp(&invite.response("200 OK", "t", gone), SDP),
    );
    w.run(ms(1));
    assert_eq!(w.strays[0].1, PEER.parse().unwrap());
}

#[test]
fn media_at_a_host_name_are_looked_up() {
    let mut w = alone(Manner::Answer);
    w.names = vec![("media.example", "192.0.2.88")];
    let named = SDP.replace("c=IN IP4 192.0.2.9", "c=IN IP4 media.example");
    let invite = with_sdp(
        &plain("INVITE sip:user@192.0.2.2", "x", "1 INVITE", ""),
        &named,
    );
    assert!(
        ask(&mut w, &invite)
            .iter()
            .any(|m| m.starts_with("SIP/2.0 200"))
    );
    let ToMsp::Apply { params, .. } = &w.phones[0].media.last().unwrap().body else {
        panic!()
    };
    assert_eq!(params[0].remote, Some("192.0.2.88:5000".parse().unwrap()));
    let lost = SDP.replace("c=IN IP4 192.0.2.9", "c=IN IP4 nowhere.example");
    let heard = ask(
        &mut w,
        &with_sdp(
            &plain("INVITE sip:user@192.0.2.2", "y", "1 INVITE", ""),
            &lost,
        ),
    );
    assert!(
        heard.last().unwrap().starts_with("SIP/2.0 488"),
        "{heard:?}"
    );
}

#[test]
fn early_media_and_the_answer_are_applied_in_their_order() {
    let mut w = alone(Manner::Silent);
    let (key, invite) = dial(&mut w, 1);
    w.phones[0].mute_media = true;
    ask(
        &mut w,
        &with_sdp(&invite.response("183 Progress", "t", CONTACT), SDP),
    );
    ask(
        &mut w,
        &with_sdp(&invite.response("200 OK", "t", CONTACT), SDP),
    );
    let early = w.phones[0].kept.remove(0);
    let now = w.now;
    w.phones[0].agent.handle(now, Input::Msp(early));
    w.drain(0);
    assert_eq!(
        w.phones[0].kinds(key),
        [&CallEventKind::EarlyMedia],
        "what is answered is not yet applied"
    );
    w.release_media(0);
    assert!(w.phones[0].is_connected(key));
    assert_eq!(w.phones[0].agent.stats().stray_media, 0);
}

#[test]
fn what_the_media_half_says_too_late_is_counted_and_ignored() {
    let mut w = alone(Manner::Answer);
    let our_tag = call_up(&mut w, "x");
    let key = w.phones[0].incoming()[0];
    w.phones[0].mute_media = true;
    let change = SDP.replace("o=- 1 1", "o=- 1 2").replace("5000", "5002");
    assert!(
        ask(
            &mut w,
            &with_sdp(&within("INVITE", "x", 2, &our_tag, ""), &change)
        )
        .is_empty()
    );
    let due = w.phones[0].kept.remove(0);
    let now = w.now;
    let mut stray = 0;
    for (call, leg, generation) in [
        (key, due.leg, Generation(0)),
        (key, due.leg, Generation(9)),
        (key, LegId(7), due.generation),
        (CallKey(77), due.leg, due.generation),
    ] {
        for body in [
            due.body.clone(),
            ToTsp::Applied,
            ToTsp::Refused(ErrorKind::Busy.into()),
        ] {
            let late = Envelope {
                call,
                leg,
                generation,
                body,
            };
            w.phones[0].agent.handle(now, Input::Msp(late));
            w.drain(0);
            stray += 1;
            assert_eq!(w.phones[0].agent.stats().stray_media, stray);
        }
    }
    w.run(ms(10));
    assert!(w.heard().is_empty() && w.phones[0].ended(key).is_none());
    w.phones[0].agent.handle(now, Input::Msp(due));
    w.drain(0);
    w.release_media(0);
    w.run(ms(10));
    assert!(
        w.heard()[0].starts_with("SIP/2.0 200"),
        "what was due still counts"
    );
}

#[test]
fn an_invite_waits_for_its_own_ports() {
    let mut w = alone(Manner::Silent);
    w.phones[0].mute_media = true;
    let key = w.dial(0, 1, "sip:p@192.0.2.9");
    let due = w.phones[0].kept.remove(0);
    let now = w.now;
    for (leg, generation) in [(LegId(7), due.generation), (due.leg, due.generation.next())] {
        let late = Envelope {
            call: key,
            leg,
            generation,
            body: due.body.clone(),
        };
        w.phones[0].agent.handle(now, Input::Msp(late));
        w.drain(0);
    }
    w.run(ms(1));
    assert!(w.heard().is_empty());
    assert_eq!(w.phones[0].agent.stats().stray_media, 2);
    w.phones[0].agent.handle(now, Input::Msp(due));
    w.drain(0);
    w.run(ms(1));
    assert!(w.heard()[0].starts_with("INVITE"));
}

#[test]
fn what_leads_to_nothing_is_counted_with_its_reason() {
    let mut w = alone(Manner::Silent);
    let (key, invite) = dial(&mut w, 1);
    ask(&mut w, &invite.response("183 Progress", "", CONTACT));
    let nonsense = with_sdp(&invite.response("183 Progress", "0", CONTACT), "v=0\nm=x\n");
    ask(&mut w, &nonsense);
    for branch in 0..20 {
        let branch = branch.to_string();
        ask(&mut w, &invite.response("180 Ringing", &branch, CONTACT));
    }
    w.command(0, Command::HangUp(key));
    ask(&mut w, &invite.response("180 Ringing", "0", CONTACT));
    let stats = w.phones[0].agent.stats();
    assert_eq!(
        (stats.idle_responses, stats.unread_answers),
        (2, 1),
        "without a tag, and after we gave up"
    );
    assert_eq!(stats.excess_branches, 4);
    w.phones[0].manner = Manner::Answer;
    let our_tag = call_up(&mut w, "x");
    ask(&mut w, &within("ACK", "x", 1, &our_tag, ""));
    assert_eq!(w.phones[0].agent.stats().repeated_acks, 1);
    w.command(0, Command::Close);
    w.run(ms(1));
    w.heard();
    let late = plain("INVITE sip:user@192.0.2.2", "y", "1 INVITE", "");
    assert!(ask_once(&mut w, &with_sdp(&late, SDP)).starts_with("SIP/2.0 503"));
    // Nobody answers the BYE and the CANCEL, nor says ACK to the 503.
    w.run(seconds(40));
    let (stats, transactions) = (
        w.phones[0].agent.stats(),
        w.phones[0].agent.transaction_stats(),
    );
    assert_eq!((stats.turned_away, stats.unsent), (1, 0));
    assert_eq!(
        (transactions.unanswered, transactions.unacknowledged),
        (3, 1),
        "INVITE, CANCEL and BYE"
    );
}
