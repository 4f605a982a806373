//! Provisional responses that are acknowledged, and early media.

use msp_core::id::CallKey;
use msp_core::link::{Finality, ToMsp};
use tsp_sip::call::{CallEventKind, CallPolicy, Command, EndCause, Reliable};

use crate::peer::{
    CONTACT, Invite, SDP, alone, alone_with, ask, ask_once, dial, field, ms, plain, seconds, tag,
    with_sdp, within,
};
use crate::support::{Manner, World};

fn policy(reliable: Reliable) -> CallPolicy {
    let mut policy = CallPolicy::default();
    policy.reliable = reliable;
    policy
}

/// The peer calls a phone that rings, and gets early media; what was said, and our tag.
fn early(w: &mut World, extra: &str, sdp: Option<&str>) -> (Vec<String>, String, CallKey) {
    let invite = plain("INVITE sip:user@192.0.2.2", "x", "1 INVITE", extra);
    let invite = sdp.map_or_else(|| invite.clone(), |sdp| with_sdp(&invite, sdp));
    let mut heard = ask(w, &invite);
    let key = w.phones[0].incoming()[0];
    w.command(0, Command::Progress(key));
    w.run(ms(1));
    heard.extend(w.heard());
    let our_tag = heard.last().map(|m| tag(m, "To")).unwrap_or_default();
    (heard, our_tag, key)
}

fn prack(number: u32, our_tag: &str, rseq: &str, invite: u32) -> String {
    within(
        "PRACK",
        "x",
        number,
        our_tag,
        &format!("RAck: {rseq} {invite} INVITE\n"),
    )
}

fn finality(w: &World) -> Vec<Finality> {
    let applied = |m: &ToMsp| match m {
        ToMsp::Apply { finality, .. } => Some(*finality),
        _ => None,
    };
    w.phones[0]
        .media
        .iter()
        .filter_map(|m| applied(&m.body))
        .collect()
}

// Shows: PRACK by us: one for each reliable response in its order, and none for a copy | RFC 3262 4, interop row 24
#[test]
fn we_acknowledge_reliable_responses() {
    let mut w = alone(Manner::Silent);
    let (key, invite) = dial(&mut w, 1);
    assert_eq!(
        field(&invite.text, "Supported"),
        Some("100rel, timer, replaces, norefersub")
    );
    let reliable = |code: &str, tag: &str, rseq: u32| {
        invite.response(
            code,
            tag,
            &format!("{CONTACT}Require: 100rel\nRSeq: {rseq}\n"),
        )
    };
    let ringing = reliable("180 Ringing", "p1", 7);
    let prack = ask_once(&mut w, &ringing);
    assert!(
        prack.starts_with("PRACK sip:p@192.0.2.9:5060 SIP/2.0\r\n"),
        "{prack}"
    );
    assert_eq!(field(&prack, "RAck"), Some("7 1 INVITE"));
    assert_eq!(field(&prack, "CSeq"), Some("2 PRACK"));
    ask(&mut w, &Invite { text: prack }.response("200 OK", "", ""));
    // A copy, and one that came out of turn.
    assert!(ask(&mut w, &ringing).is_empty());
    assert!(ask(&mut w, &reliable("183 Session Progress", "p1", 9)).is_empty());
    assert_eq!(w.phones[0].agent.stats().repeated_provisionals, 2);
    // The next brings early media.
    let prack = ask_once(
        &mut w,
        &with_sdp(&reliable("183 Session Progress", "p1", 8), SDP),
    );
    assert_eq!(field(&prack, "RAck"), Some("8 1 INVITE"));
    // Each branch of a fork counts for itself.
    let other = ask_once(&mut w, &reliable("180 Ringing", "p2", 100));
    assert_eq!(field(&other, "RAck"), Some("100 1 INVITE"));
    assert!(field(&other, "To").unwrap().ends_with("tag=p2"));
    assert_eq!(
        w.phones[0].kinds(key),
        [&CallEventKind::Ringing, &CallEventKind::EarlyMedia]
    );
    // The 200 has nothing left to say.
    ask(&mut w, &invite.response("200 OK", "p1", CONTACT));
    assert!(w.phones[0].is_connected(key));
    // A server that knows nothing of the PRACK after all does not end the call.
    ask(
        &mut w,
        &Invite { text: prack }.response("481 Call Does Not Exist", "", ""),
    );
    assert!(w.phones[0].ended(key).is_none());
}

// Shows: off, supported and required, at either end: 420 and 421 | RFC 3262 3 and 4, interop row 24
#[test]
fn a_policy_decides_whether_responses_are_acknowledged() {
    for (reliable, supported, required) in [
        (Reliable::Off, "timer, replaces, norefersub", None),
        (
            Reliable::Supported,
            "100rel, timer, replaces, norefersub",
            None,
        ),
        (
            Reliable::Required,
            "100rel, timer, replaces, norefersub",
            Some("100rel"),
        ),
    ] {
        let mut w = alone_with(Manner::Silent, policy(reliable));
        let (_, invite) = dial(&mut w, 1);
        assert_eq!(
            field(&invite.text, "Supported"),
            Some(supported),
            "{reliable:?}"
        );
        assert_eq!(field(&invite.text, "Require"), required, "{reliable:?}");
        // Who calls, and insists, or cannot.
        for (extra, statuses) in [
            ("Require: 100rel\n", ["420", "180", "180"]),
            ("Supported: 100rel\n", ["180", "180", "180"]),
            ("", ["180", "180", "421"]),
        ] {
            let mut w = alone_with(Manner::Ring, policy(reliable));
            let heard = ask_once(
                &mut w,
                &with_sdp(
                    &plain("INVITE sip:user@192.0.2.2", "x", "1 INVITE", extra),
                    SDP,
                ),
            );
            let wanted = statuses[reliable as usize];
            assert_eq!(
                heard.split(' ').nth(1),
                Some(wanted),
                "{reliable:?} {extra}: {heard}"
            );
            let is_reliable = field(&heard, "RSeq").is_some();
            let insists =
                extra.starts_with("Require") || reliable == Reliable::Required && !extra.is_empty();
            assert_eq!(
                is_reliable,
                wanted == "180" && insists,
                "{reliable:?} {extra}: {heard}"
            );
            match wanted {
                "420" => assert_eq!(field(&heard, "Unsupported"), Some("100rel")),
                "421" => assert_eq!(field(&heard, "Require"), Some("100rel")),
                _ => {}
            }
        }
    }
}

// Shows: a reliable 183 with our answer is repeated until its PRACK, and the 200 waits for it | RFC 3262 3, interop rows 23 and 24
#[test]
fn an_early_answer_is_repeated_until_it_is_acknowledged() {
    let mut w = alone(Manner::Ring);
    let (heard, our_tag, key) = early(&mut w, "Supported: 100rel\n", Some(SDP));
    assert!(
        heard[0].starts_with("SIP/2.0 180") && field(&heard[0], "RSeq").is_none(),
        "{heard:?}"
    );
    let shown = &heard[1];
    assert!(
        shown.starts_with("SIP/2.0 183") && shown.contains("m=audio 40000"),
        "{shown}"
    );
    assert_eq!(field(shown, "Require"), Some("100rel"));
    let rseq = field(shown, "RSeq").unwrap();
    assert_eq!(finality(&w), [Finality::Provisional]);
    w.command(0, Command::Answer(key));
    w.run(ms(3600));
    let heard = w.heard();
    assert!(
        heard.len() == 3 && heard.iter().all(|m| m == shown),
        "at 0.5, 1.5 and 3.5 seconds, and no 200"
    );
    // A PRACK for something else.
    assert!(ask_once(&mut w, &prack(2, &our_tag, "1", 1)).starts_with("SIP/2.0 481"));
    let heard = ask(&mut w, &prack(3, &our_tag, rseq, 1));
    assert_eq!(
        heard.iter().map(|m| &m[..11]).collect::<Vec<_>>(),
        ["SIP/2.0 200", "SIP/2.0 200"]
    );
    assert!(field(&heard[0], "CSeq").unwrap().ends_with("PRACK"));
    assert!(
        !heard[1].contains("m=audio"),
        "it was said already: {}",
        heard[1]
    );
    assert_eq!(finality(&w), [Finality::Provisional, Finality::Final]);
    ask(&mut w, &within("ACK", "x", 1, &our_tag, ""));
    assert!(w.phones[0].is_connected(key));
    assert!(
        ask_once(&mut w, &prack(4, &our_tag, rseq, 1)).starts_with("SIP/2.0 481"),
        "once"
    );
    w.run(seconds(40));
    assert!(w.heard().is_empty() && w.phones[0].ended(key).is_none());
}

// Shows: a caller that never acknowledges a reliable response is refused after 64 T1 | RFC 3262 3
#[test]
fn a_caller_that_does_not_acknowledge_is_refused() {
    let mut w = alone(Manner::Ring);
    let (_, _, key) = early(&mut w, "Supported: 100rel\n", Some(SDP));
    w.run(seconds(31));
    let copies = w.heard();
    assert_eq!(
        copies.len(),
        5,
        "at 0.5, 1.5, 3.5, 7.5 and 15.5: {copies:?}"
    );
    w.run(seconds(2));
    assert!(w.heard().last().unwrap().starts_with("SIP/2.0 500"));
    assert_eq!(w.phones[0].ended(key).unwrap().cause, EndCause::Unreachable);
}

// Shows: early media for a caller that knows nothing of it being acknowledged: the 200 says the same again | RFC 3261 13.3.1.1, interop row 23
#[test]
fn an_early_answer_that_nobody_acknowledges_is_said_again() {
    let mut w = alone(Manner::Ring);
    let (heard, our_tag, key) = early(&mut w, "", Some(SDP));
    assert!(heard[1].starts_with("SIP/2.0 183") && field(&heard[1], "RSeq").is_none());
    w.command(0, Command::Answer(key));
    w.run(ms(1));
    let ok = w.heard().remove(0);
    let body = |m: &str| m.split("\r\n\r\n").nth(1).unwrap().to_owned();
    assert!(ok.starts_with("SIP/2.0 200"), "{ok}");
    assert_eq!(body(&ok), body(&heard[1]));
    ask(&mut w, &within("ACK", "x", 1, &our_tag, ""));
    assert!(w.phones[0].is_connected(key));
}

// Shows: a late offer in our reliable 183, its answer in PRACK, and a new offer in a PRACK | RFC 3262 5, interop row 25
#[test]
fn a_late_offer_is_made_early_and_changed_by_prack_and_update() {
    let mut w = alone(Manner::Ring);
    let (heard, our_tag, key) = early(
        &mut w,
        "Require: 100rel\nAllow: INVITE, PRACK, UPDATE\n",
        None,
    );
    // The 180 is reliable too, and the 183 waits for it.
    assert_eq!(heard.len(), 1, "{heard:?}");
    let rseq: u32 = field(&heard[0], "RSeq").unwrap().parse().unwrap();
    let heard = ask(&mut w, &prack(2, &our_tag, &rseq.to_string(), 1));
    assert!(heard[0].starts_with("SIP/2.0 200"), "{heard:?}");
    let offer = &heard[1];
    assert!(
        offer.starts_with("SIP/2.0 183") && offer.contains("m=audio 40000 RTP/AVP 0 8 101"),
        "{offer}"
    );
    assert_eq!(field(offer, "RSeq"), Some(&*(rseq + 1).to_string()));
    let heard = ask(
        &mut w,
        &with_sdp(&prack(3, &our_tag, &(rseq + 1).to_string(), 1), SDP),
    );
    assert!(
        heard.len() == 1 && heard[0].starts_with("SIP/2.0 200") && !heard[0].contains("m=audio"),
        "{heard:?}"
    );
    assert_eq!(finality(&w), [Finality::Provisional]);
    // The application has it ring again, and the caller changes its mind in the PRACK.
    w.command(0, Command::Ring(key));
    w.run(ms(1));
    let ringing = w.heard().remove(0);
    let other = SDP.replace("o=- 1 1", "o=- 1 2").replace("5000", "5002");
    let heard = ask(
        &mut w,
        &with_sdp(
            &prack(4, &our_tag, field(&ringing, "RSeq").unwrap(), 1),
            &other,
        ),
    );
    assert!(
        heard[0].starts_with("SIP/2.0 200") && heard[0].contains("m=audio 40000"),
        "{heard:?}"
    );
    assert_eq!(finality(&w), [Finality::Provisional, Finality::Provisional]);
    // And once more by UPDATE.
    let third = SDP.replace("o=- 1 1", "o=- 1 3").replace("5000", "5004");
    let ok = ask_once(
        &mut w,
        &with_sdp(&within("UPDATE", "x", 5, &our_tag, ""), &third),
    );
    assert!(
        ok.starts_with("SIP/2.0 200") && ok.contains("m=audio 40000"),
        "{ok}"
    );
    // Our own change goes by UPDATE too.
    crate::update::renegotiate(&mut w, key, 2);
    let update = w.heard().remove(0);
    assert!(update.starts_with("UPDATE "), "{update}");
    ask(
        &mut w,
        &with_sdp(
            &Invite { text: update }.response("200 OK", "", CONTACT),
            &third,
        ),
    );
    w.command(0, Command::Answer(key));
    w.run(ms(1));
    let ok = w.heard().remove(0);
    assert!(
        ok.starts_with("SIP/2.0 200") && !ok.contains("m=audio"),
        "{ok}"
    );
    ask(&mut w, &within("ACK", "x", 1, &our_tag, ""));
    assert!(w.phones[0].is_connected(key));
    let Some(ToMsp::Apply {
        finality: Finality::Final,
        params,
    }) = w.phones[0].media.last().map(|m| &m.body)
    else {
        panic!("{:?}", w.phones[0].media.last())
    };
    assert_eq!(params[0].remote.unwrap().port(), 5004);
}

// Shows: an answer that does not do, in the PRACK of our late offer | RFC 3262 5
#[test]
fn a_late_offer_that_is_not_answered_ends_the_call() {
    let mut w = alone(Manner::Silent);
    let (heard, our_tag, key) = early(&mut w, "Supported: 100rel\n", None);
    let heard = ask(
        &mut w,
        &prack(2, &our_tag, field(&heard[0], "RSeq").unwrap(), 1),
    );
    assert_eq!(
        heard.iter().map(|m| &m[..11]).collect::<Vec<_>>(),
        ["SIP/2.0 200", "SIP/2.0 488"]
    );
    assert_eq!(w.phones[0].ended(key).unwrap().cause, EndCause::Media);
}

// Shows: a 183 without a description is no early media, and a phone may ring after it; a further answer of the same branch counts | interop rows 21 and 22
#[test]
fn early_media_need_a_description_and_may_change() {
    let mut w = alone(Manner::Silent);
    let (key, invite) = dial(&mut w, 1);
    ask(
        &mut w,
        &invite.response("183 Session Progress", "p1", CONTACT),
    );
    assert!(w.phones[0].kinds(key).is_empty() && finality(&w).is_empty());
    ask(
        &mut w,
        &with_sdp(&invite.response("183 Session Progress", "p1", CONTACT), SDP),
    );
    ask(&mut w, &invite.response("180 Ringing", "p1", CONTACT));
    assert_eq!(
        w.phones[0].kinds(key),
        [&CallEventKind::EarlyMedia, &CallEventKind::Ringing]
    );
    // The announcement is over, another server takes the sound.
    let second = SDP.replace("o=- 1 1", "o=- 1 2").replace("5000", "5100");
    ask(
        &mut w,
        &with_sdp(
            &invite.response("183 Session Progress", "p1", CONTACT),
            &second,
        ),
    );
    let third = SDP.replace("o=- 1 1", "o=- 1 3").replace("5000", "5200");
    ask(
        &mut w,
        &with_sdp(&invite.response("200 OK", "p1", CONTACT), &third),
    );
    let ports: Vec<_> = w.phones[0]
        .media
        .iter()
        .filter_map(|m| match &m.body {
            ToMsp::Apply { params, .. } => params[0].remote.map(|r| r.port()),
            _ => None,
        })
        .collect();
    assert_eq!(ports, [5000, 5100, 5200]);
    assert_eq!(
        finality(&w),
        [
            Finality::Provisional,
            Finality::Provisional,
            Finality::Final
        ]
    );
}
