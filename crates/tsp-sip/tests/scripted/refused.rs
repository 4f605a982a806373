//! What is refused, dropped or counted.

use tsp_sip::call::Command;

use crate::peer::{
    CONTACT, SDP, alone, ask, ask_once, call_up, dial, field, ms, plain, seconds, tag, with_sdp,
    within,
};
use crate::support::Manner;

// Shows: what cannot be served is refused with the right status, and no ACK is ever answered | RFC 3261 8.2
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
            plain("PUBLISH sip:192.0.2.2", "a2", "1 PUBLISH", ""),
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
        (
            "400",
            plain(
                "OPTIONS sip:192.0.2.2",
                "a20",
                "1 OPTIONS",
                "Require: a b\n",
            ),
            None,
        ),
        (
            "406",
            plain(
                "INVITE sip:192.0.2.2",
                "a21",
                "1 INVITE",
                "Accept: text/plain\n",
            ),
            None,
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
            // Allow grows.
            let said = field(&heard[0], name).unwrap_or_default();
            assert!(said.starts_with(value), "{text}: {said}");
        }
        if !text.starts_with("BYE") && !text.contains("X-Call-ID") && !text.contains("tag=unknown")
        {
            assert!(!tag(&heard[0], "To").is_empty(), "{}", heard[0]);
        }
    }
    // All but the one that became a call before its media were found wanting.
    assert_eq!(w.phones[0].agent.stats().refused, 21);
}

// Shows: what cannot be served is refused with the right status, and no ACK is ever answered
#[test]
fn fields_that_a_request_is_about_have_to_be_readable() {
    let mut w = alone(Manner::Answer);
    let invite = |n: u32, extra: &str| {
        with_sdp(
            &plain("INVITE sip:192.0.2.2", &format!("f{n}"), "1 INVITE", extra),
            SDP,
        )
    };
    let replaces = "Replaces: a;to-tag=1;from-tag=2\n";
    for (named, text) in [
        ("Replaces", invite(1, "Replaces: a\n")),
        ("Replaces", invite(2, &replaces.repeat(2))),
        (
            "Replaces",
            plain("OPTIONS sip:192.0.2.2", "f3", "1 OPTIONS", replaces),
        ),
        ("Session-Expires", invite(4, "Session-Expires: soon\n")),
        ("Session-Expires", invite(5, "x: 90\nx: 90\n")),
        ("Min-SE", invite(6, "Min-SE: -1\n")),
        ("RAck", plain("PRACK sip:192.0.2.2", "f7", "1 PRACK", "")),
        (
            "RAck",
            plain("PRACK sip:192.0.2.2", "f8", "1 PRACK", "RAck: 0 1 INVITE\n"),
        ),
        ("Max-Forwards", invite(9, "").replace(": 70", ": 256")),
        ("Expires", invite(10, "Expires: never\n")),
    ] {
        let heard = ask_once(&mut w, &text);
        assert!(heard.starts_with("SIP/2.0 400 Bad Request ("), "{heard}");
        let phrase = heard.lines().next().unwrap_or_default();
        assert!(phrase.contains(named), "{phrase}, not of {named}");
    }
    assert_eq!(w.phones[0].agent.stats().refused, 10);
    // What nobody needs is passed over.
    for extra in [
        "Date: yesterday\n",
        "Timestamp: x\n",
        "Event: ;;\n",
        "RAck: x\n",
        "Refer-To: <\n",
        "Alert-Info: <\n",
        "Answer-Mode: a b\n",
        "Reason: ;\n",
        "Retry-After: x\n",
        "Warning: x\n",
    ] {
        w.phones[0].manner = Manner::Ring;
        let call = 100 + w.phones[0].incoming().len() as u32;
        let heard = ask_once(&mut w, &invite(call, extra));
        assert!(heard.starts_with("SIP/2.0 180"), "{extra}: {heard}");
    }
}

// Shows: what cannot be served is refused with the right status, and no ACK is ever answered
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

// Shows: what cannot be served is refused with the right status, and no ACK is ever answered
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

// Shows: every dropped message is counted with its reason, where an application reads it
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
