//! Calls that the peer changes.

use msp_core::error::ErrorKind;
use msp_core::id::CallKey;
use msp_core::link::{Finality, ToMsp};
use tsp_sip::call::{Command, EndCause};

use crate::peer::{
    CONTACT, PEER, SDP, US, alone, ask, ask_once, call_up, change, dial, field, ms, plain, seconds,
    tag, with_sdp, within,
};
use crate::support::{Manner, World, kept};

// Shows: the peer changes a call: one change at a time, taken back if it fails | RFC 3261 14.2, RFC 6141
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

// Shows: the peer changes a call: one change at a time, taken back if it fails
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

// Shows: the peer changes a call: one change at a time, taken back if it fails
#[test]
fn a_change_has_to_wait_until_an_answer_to_our_offer_holds() {
    // The media half has not applied it yet, or it names a host whose address is not known yet.
    for slow in ["media", "names"] {
        let waits = slow == "media";
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
        let heard = ask(&mut w, &change("x", 2, &our_tag));
        match &heard[..] {
            [] => assert!(waits, "{slow}"),
            [pending] => assert!(
                !waits && pending.starts_with("SIP/2.0 491"),
                "{slow}: {pending}"
            ),
            _ => panic!("{slow}: {heard:?}"),
        }
        assert_eq!(w.phones[0].media.len(), told, "{slow}");
        let key = w.phones[0].incoming()[0];
        assert!(!w.phones[0].is_connected(key), "{slow}");
        w.phones[0].mute_media = false;
        w.slow_names = false;
        w.release_media(0);
        w.release_names();
        assert!(w.phones[0].is_connected(key), "{slow}");
        w.run(ms(1));
        let heard = w.heard();
        assert_eq!(heard.len(), usize::from(waits), "{slow}: {heard:?}");
        assert!(heard.iter().all(|m| m.starts_with("SIP/2.0 200")));
        ask(&mut w, &within("ACK", "x", 2, &our_tag, ""));
        let ok = ask_once(&mut w, &change("x", 3, &our_tag));
        assert!(ok.starts_with("SIP/2.0 200"), "{slow}: {ok}");
    }
}

/// A call of ours whose answer the media half has not applied yet, and requests of the peer's within it.
fn answered_and_not_applied() -> (World, CallKey, impl Fn(&str) -> String) {
    let mut w = alone(Manner::Silent);
    let (key, invite) = dial(&mut w, 1);
    w.phones[0].mute_media = true;
    let ok = with_sdp(&invite.response("200 OK", "p1", CONTACT), SDP);
    assert!(ask_once(&mut w, &ok).starts_with("ACK "));
    let ours = move |request: &str| {
        let our = |name| field(&invite.text, name).unwrap_or_default();
        request
            .replace("Call-ID: c-x", &format!("Call-ID: {}", our("Call-ID")))
            .replace(
                "To: <sip:user@192.0.2.2>;tag=",
                &format!("To: {}", our("From")),
            )
    };
    (w, key, ours)
}

// Shows: a change that comes right after our ACK waits until the answer is applied, and is served then | RFC 3261 14.2
#[test]
fn a_change_has_to_wait_until_the_answer_to_our_invite_holds() {
    let (mut w, key, ours) = answered_and_not_applied();
    assert!(ask(&mut w, &ours(&change("x", 1, ""))).is_empty());
    let second = ask_once(&mut w, &ours(&change("x", 2, "")));
    assert!(second.starts_with("SIP/2.0 500"), "one at a time: {second}");
    w.phones[0].mute_media = false;
    w.release_media(0);
    assert!(w.phones[0].is_connected(key));
    w.run(ms(1));
    let ok = w.heard().remove(0);
    assert!(ok.starts_with("SIP/2.0 200"), "{ok}");
    assert_eq!(field(&ok, "CSeq"), Some("1 INVITE"));
    assert!(ok.contains("m=audio"), "{ok}");
}

#[test]
fn a_change_that_waits_can_be_taken_back_and_ends_with_the_call() {
    let (mut w, key, ours) = answered_and_not_applied();
    let invite = ours(&change("x", 1, ""));
    assert!(ask(&mut w, &invite).is_empty());
    let (head, _) = invite.split_once("\nContent-Type").unwrap();
    let cancel = format!("{head}\n\n")
        .replacen("INVITE ", "CANCEL ", 1)
        .replace("1 INVITE", "1 CANCEL");
    let heard = ask(&mut w, &cancel);
    let starts: Vec<_> = heard.iter().map(|m| &m[..11]).collect();
    assert_eq!(starts, ["SIP/2.0 200", "SIP/2.0 487"], "{heard:?}");
    assert!(w.phones[0].ended(key).is_none());

    let (mut w, key, ours) = answered_and_not_applied();
    assert!(ask(&mut w, &ours(&change("x", 1, ""))).is_empty());
    let heard = ask(&mut w, &ours(&within("BYE", "x", 2, "", "")));
    let starts: Vec<_> = heard.iter().map(|m| &m[..11]).collect();
    assert_eq!(starts, ["SIP/2.0 200", "SIP/2.0 487"], "{heard:?}");
    assert!(w.phones[0].ended(key).is_some());
    w.run(seconds(70));
    assert_eq!(kept(&w, 0), (0, 0, 0));

    // We hang up.
    let (mut w, key, ours) = answered_and_not_applied();
    assert!(ask(&mut w, &ours(&change("x", 1, ""))).is_empty());
    w.command(0, Command::HangUp(key));
    w.run(ms(1));
    let heard = w.heard();
    assert!(
        heard.iter().any(|m| m.starts_with("SIP/2.0 487")),
        "{heard:?}"
    );
}

// Shows: the peer changes a call: one change at a time, taken back if it fails
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

#[test]
fn an_offer_of_ours_that_a_change_asks_for_needs_its_answer() {
    let mut w = alone(Manner::Answer);
    let our_tag = call_up(&mut w, "x");
    let key = w.phones[0].incoming()[0];
    let ok = ask_once(&mut w, &within("INVITE", "x", 2, &our_tag, ""));
    assert!(ok.starts_with("SIP/2.0 200") && ok.contains("m=audio"));
    // What was agreed in the round before is no answer to it.
    let bye = ask_once(&mut w, &within("ACK", "x", 2, &our_tag, ""));
    assert!(bye.starts_with("BYE"), "{bye}");
    assert_eq!(w.phones[0].ended(key).unwrap().cause, EndCause::Media);
}

// Shows: the peer changes a call: one change at a time, taken back if it fails
#[test]
fn a_change_says_that_our_2xx_arrived_when_its_ack_was_lost() {
    let mut w = alone(Manner::Answer);
    let invite = with_sdp(
        &plain("INVITE sip:user@192.0.2.2", "x", "1 INVITE", ""),
        SDP,
    );
    let our_tag = tag(ask(&mut w, &invite).last().unwrap(), "To");
    let key = w.phones[0].incoming()[0];
    assert!(!w.phones[0].is_connected(key), "no ACK came");
    let ok = ask(&mut w, &change("x", 2, &our_tag)).pop().unwrap();
    assert!(ok.starts_with("SIP/2.0 200"), "{ok}");
    assert!(w.phones[0].is_connected(key));
    w.inject(PEER, US, &within("ACK", "x", 2, &our_tag, ""));
    w.run(seconds(60));
    assert!(w.heard().is_empty(), "neither 2xx is sent again");
    assert!(w.phones[0].ended(key).is_none());
}
