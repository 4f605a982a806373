//! Holding by either end, and the codec that is locked.

use msp_core::id::{CallKey, LegId};
use msp_core::link::{Envelope, ToMsp, ToTsp};
use msp_core::media::MediaDirection;
use msp_core::params::MediaSlot;
use tsp_sip::call::{CallEventKind, CallPolicy, Command, HoldForm, HoldSound, Input, Side};
use tsp_sip::wire::StatusCode;

use crate::peer::{
    CONTACT, Invite, SDP, alone, alone_with, ask, ask_once, call_up, dial, field, ms, with_sdp,
    within,
};
use crate::support::{Manner, World};
use crate::update::renegotiate;

/// Events of the call after the first `n`.
fn events(w: &World, key: CallKey, n: usize) -> Vec<CallEventKind> {
    w.phones[0].kinds(key)[n..]
        .iter()
        .map(|k| (*k).clone())
        .collect()
}

fn line<'a>(text: &'a str, start: &str) -> &'a str {
    text.lines()
        .find(|l| l.starts_with(start))
        .unwrap_or_default()
}

/// The peer answers our INVITE, and hears our ACK.
fn answer(w: &mut World, invite: &str, direction: &str, version: u32) {
    let sdp = SDP.replace("o=- 1 1", &format!("o=- 1 {version}")) + direction;
    let response = Invite {
        text: invite.into(),
    }
    .response("200 OK", "", CONTACT);
    let ack = ask_once(w, &with_sdp(&response, &sdp));
    assert!(ack.starts_with("ACK "), "{ack}");
}

fn silenced(w: &World) -> bool {
    let to_nothing = |m: &ToMsp| {
        matches!(
            m,
            ToMsp::Direction {
                direction: MediaDirection::Inactive,
                ..
            }
        )
    };
    w.phones[0]
        .media
        .last()
        .is_some_and(|m| to_nothing(&m.body))
}

// Shows: hold and resume by us: sendonly and sendrecv, nothing is sent meanwhile | RFC 3264 8.4, interop row 38
#[test]
fn we_hold_and_resume() {
    let mut w = alone(Manner::Answer);
    call_up(&mut w, "x");
    let key = w.phones[0].incoming()[0];
    let before = w.phones[0].kinds(key).len();
    w.command(0, Command::Hold(key));
    w.run(ms(1));
    let hold = w.heard().remove(0);
    assert!(
        hold.starts_with("INVITE ") && hold.contains("a=sendonly\r\n"),
        "{hold}"
    );
    assert!(
        events(&w, key, before).is_empty(),
        "not before the peer agreed"
    );
    answer(&mut w, &hold, "a=recvonly\n", 2);
    assert_eq!(events(&w, key, before), [CallEventKind::Held(Side::Local)]);
    assert!(silenced(&w), "{:?}", w.phones[0].media.last());
    // It is wanted already.
    w.command(0, Command::Hold(key));
    w.run(ms(1));
    assert!(w.heard().is_empty());
    w.command(0, Command::Resume(key));
    w.run(ms(1));
    let resume = w.heard().remove(0);
    assert!(resume.contains("a=sendrecv\r\n"), "{resume}");
    let version = |m: &str| {
        line(m, "o=")
            .split(' ')
            .nth(2)
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    assert_eq!(
        version(&resume),
        version(&hold) + 1,
        "one more, for it differs"
    );
    answer(&mut w, &resume, "", 3);
    assert_eq!(
        events(&w, key, before + 1),
        [CallEventKind::Resumed(Side::Local)]
    );
    assert!(matches!(
        w.phones[0].media.last().unwrap().body,
        ToMsp::Commit
    ));
}

// Shows: the forms of a hold by us: inactive, the unspecified address, with sound | RFC 3264 8.4, interop row 38
#[test]
fn a_hold_has_the_form_that_the_policy_wants() {
    for (form, sound, wanted, nowhere) in [
        (
            HoldForm::SendOnly,
            HoldSound::Terminals,
            "a=sendonly",
            false,
        ),
        (HoldForm::Inactive, HoldSound::Silence, "a=inactive", false),
        (
            HoldForm::ZeroAddress,
            HoldSound::Silence,
            "a=inactive",
            true,
        ),
    ] {
        let mut policy = CallPolicy::default();
        (policy.hold, policy.hold_sound) = (form, sound);
        let mut w = alone_with(Manner::Answer, policy);
        call_up(&mut w, "x");
        let key = w.phones[0].incoming()[0];
        let before = w.phones[0].kinds(key).len();
        w.command(0, Command::Hold(key));
        w.run(ms(1));
        let hold = w.heard().remove(0);
        assert!(hold.contains(&format!("{wanted}\r\n")), "{hold}");
        assert_eq!(hold.contains("c=IN IP4 0.0.0.0\r\n"), nowhere, "{hold}");
        assert!(hold.contains("m=audio 40000"), "the port is kept: {hold}");
        answer(
            &mut w,
            &hold,
            if form == HoldForm::SendOnly {
                "a=recvonly\n"
            } else {
                "a=inactive\n"
            },
            2,
        );
        assert_eq!(
            events(&w, key, before),
            [CallEventKind::Held(Side::Local)],
            "{form:?}"
        );
        assert!(!silenced(&w), "{form:?}");
        w.command(0, Command::Resume(key));
        w.run(ms(1));
        let resume = w.heard().remove(0);
        assert!(
            !resume.contains("0.0.0.0") && resume.contains("a=sendrecv"),
            "{resume}"
        );
        answer(&mut w, &resume, "", 3);
        assert_eq!(
            events(&w, key, before + 1),
            [CallEventKind::Resumed(Side::Local)],
            "{form:?}"
        );
    }
}

// Shows: a peer's hold in all forms, and that it is not ours | RFC 3264 8.4, interop row 38
#[test]
fn a_peer_holds_in_every_form() {
    let zero = SDP.replace("c=IN IP4 192.0.2.9", "c=IN IP4 0.0.0.0");
    for (sdp, answer, held) in [
        (SDP.to_owned() + "a=sendonly\n", "a=recvonly", true),
        (SDP.to_owned() + "a=inactive\n", "a=inactive", true),
        // It listens, and is not heard: no hold.
        (SDP.to_owned() + "a=recvonly\n", "a=sendonly", false),
        (zero.clone(), "a=recvonly", true),
        (zero + "a=inactive\n", "a=inactive", true),
    ] {
        let mut w = alone(Manner::Answer);
        let our_tag = call_up(&mut w, "x");
        let key = w.phones[0].incoming()[0];
        let before = w.phones[0].kinds(key).len();
        let hold = sdp.replace("o=- 1 1", "o=- 1 2");
        let ok = ask_once(
            &mut w,
            &with_sdp(&within("INVITE", "x", 2, &our_tag, ""), &hold),
        );
        assert!(
            ok.starts_with("SIP/2.0 200") && ok.contains(answer) && ok.contains("m=audio 40000"),
            "{ok}"
        );
        ask(&mut w, &within("ACK", "x", 2, &our_tag, ""));
        let wanted: &[_] = if held {
            &[CallEventKind::Held(Side::Remote)]
        } else {
            &[]
        };
        assert_eq!(events(&w, key, before), wanted, "{hold}");
        // The same by UPDATE, and taken back by it.
        let back = SDP.replace("o=- 1 1", "o=- 1 3");
        let ok = ask_once(
            &mut w,
            &with_sdp(&within("UPDATE", "x", 3, &our_tag, ""), &back),
        );
        assert!(
            ok.starts_with("SIP/2.0 200") && ok.contains("a=sendrecv"),
            "{ok}"
        );
        let wanted: &[_] = if held {
            &[CallEventKind::Resumed(Side::Remote)]
        } else {
            &[]
        };
        assert_eq!(
            events(&w, key, before + usize::from(held)),
            wanted,
            "{hold}"
        );
    }
}

// Shows: both ends hold: each is told apart, and either comes back by itself | RFC 3264 8.4, interop row 38
#[test]
fn both_ends_hold() {
    let mut w = alone(Manner::Answer);
    let our_tag = call_up(&mut w, "x");
    let key = w.phones[0].incoming()[0];
    let before = w.phones[0].kinds(key).len();
    let offer = |n: u32, direction: &str| {
        let sdp = SDP.replace("o=- 1 1", &format!("o=- 1 {n}")) + direction;
        with_sdp(&within("INVITE", "x", n, &our_tag, ""), &sdp)
    };
    ask_once(&mut w, &offer(2, "a=sendonly\n"));
    ask(&mut w, &within("ACK", "x", 2, &our_tag, ""));
    // What was receive-only becomes inactive.
    w.command(0, Command::Hold(key));
    w.run(ms(1));
    let hold = w.heard().remove(0);
    assert!(hold.contains("a=inactive\r\n"), "{hold}");
    answer(&mut w, &hold, "a=inactive\n", 2);
    // The peer comes back, and hears that we still hold.
    let ok = ask_once(&mut w, &offer(3, ""));
    assert!(ok.contains("a=sendonly\r\n"), "{ok}");
    ask(&mut w, &within("ACK", "x", 3, &our_tag, ""));
    assert!(silenced(&w));
    // An empty INVITE gets all that we have, held.
    let ok = ask_once(&mut w, &within("INVITE", "x", 4, &our_tag, ""));
    assert!(
        ok.contains("m=audio 40000 RTP/AVP 0 8 101\r\n") && ok.contains("a=sendonly\r\n"),
        "{ok}"
    );
    ask(
        &mut w,
        &with_sdp(
            &within("ACK", "x", 4, &our_tag, ""),
            &(SDP.to_owned() + "a=recvonly\n"),
        ),
    );
    w.command(0, Command::Resume(key));
    w.run(ms(1));
    let resume = w.heard().remove(0);
    answer(&mut w, &resume, "", 5);
    use CallEventKind::{Held, Resumed};
    assert_eq!(
        events(&w, key, before),
        [
            Held(Side::Remote),
            Held(Side::Local),
            Resumed(Side::Remote),
            Resumed(Side::Local)
        ]
    );
}

// Shows: a hold that the peer refuses is told and changes nothing; one that meets the peer's own offer comes again | RFC 3261 14.1, interop row 37
#[test]
fn a_hold_is_refused_or_comes_again() {
    let mut w = alone(Manner::Silent);
    let (key, invite) = dial(&mut w, 1);
    w.command(0, Command::Hold(key));
    assert_eq!(
        events(&w, key, 0),
        [CallEventKind::HoldRefused(None)],
        "it is not up"
    );
    ask(
        &mut w,
        &with_sdp(&invite.response("200 OK", "p1", CONTACT), SDP),
    );
    let before = w.phones[0].kinds(key).len();
    w.command(0, Command::Hold(key));
    w.run(ms(1));
    let text = w.heard().remove(0);
    let response = |status: &str, text: &str| Invite { text: text.into() }.response(status, "", "");
    ask(&mut w, &response("488 Not Acceptable Here", &text));
    assert_eq!(
        events(&w, key, before),
        [CallEventKind::HoldRefused(Some(
            StatusCode::NOT_ACCEPTABLE_HERE
        ))]
    );
    assert!(matches!(
        w.phones[0].media.last().unwrap().body,
        ToMsp::Rollback
    ));
    w.run(ms(5000));
    w.heard();
    // The call is ours: after 491 we wait for 2.1 to 4 seconds.
    w.command(0, Command::Hold(key));
    w.run(ms(1));
    let text = w.heard().remove(0);
    ask(&mut w, &response("491 Request Pending", &text));
    w.run(ms(2097));
    assert!(w.heard().is_empty());
    w.run(ms(1910));
    let text = w.heard().remove(0);
    assert!(text.contains("a=sendonly"), "{text}");
    answer(&mut w, &text, "a=recvonly\n", 2);
    assert_eq!(
        events(&w, key, before + 1),
        [CallEventKind::Held(Side::Local)]
    );
}

// Shows: an answer with several codecs is followed by an offer of the first alone, where the policy wants it | interop row 40
#[test]
fn one_codec_is_locked_by_a_further_offer() {
    for lock in [true, false] {
        let mut policy = CallPolicy::default();
        policy.lock_codec = lock;
        let mut w = alone_with(Manner::Silent, policy);
        let (key, invite) = dial(&mut w, 1);
        let heard = ask(
            &mut w,
            &with_sdp(&invite.response("200 OK", "p1", CONTACT), SDP),
        );
        w.run(ms(100));
        let heard = [heard, w.heard()].concat();
        assert!(heard[0].starts_with("ACK "));
        assert_eq!(heard.len(), if lock { 2 } else { 1 }, "{heard:?}");
        if lock {
            assert!(
                heard[1].contains("m=audio 40000 RTP/AVP 0 101\r\n"),
                "{}",
                heard[1]
            );
            answer(&mut w, &heard[1], "", 2);
            w.run(ms(1000));
            assert!(w.heard().is_empty(), "once");
            // Later offers keep to it.
            w.command(0, Command::Hold(key));
            w.run(ms(1));
            assert!(w.heard()[0].contains("m=audio 40000 RTP/AVP 0 101\r\n"));
        }
    }
}

// Shows: glare: an INVITE of the peer's that meets ours gets 491, and ours goes on | RFC 3261 14.2, interop row 37
#[test]
fn an_invite_that_meets_our_hold_gets_491() {
    let mut w = alone(Manner::Answer);
    let our_tag = call_up(&mut w, "x");
    let key = w.phones[0].incoming()[0];
    renegotiate(&mut w, key, 0);
    let text = w.heard().remove(0);
    let pending = ask_once(&mut w, &crate::peer::change("x", 2, &our_tag));
    assert!(pending.starts_with("SIP/2.0 491"), "{pending}");
    ask(&mut w, &within("ACK", "x", 2, &our_tag, ""));
    answer(&mut w, &text, "", 2);
    assert!(field(&text, "CSeq").is_some());
}

// Shows: a peer that repeats what it said while we hold does not hold itself | RFC 3264 8.4, RFC 4028 7.4
#[test]
fn an_echo_of_our_hold_is_none_of_the_peers() {
    for version in [2, 3] {
        let mut policy = CallPolicy::default();
        policy.hold = HoldForm::Inactive;
        let mut w = alone_with(Manner::Answer, policy);
        let our_tag = call_up(&mut w, "x");
        let key = w.phones[0].incoming()[0];
        let before = w.phones[0].kinds(key).len();
        w.command(0, Command::Hold(key));
        w.run(ms(1));
        let hold = w.heard().remove(0);
        answer(&mut w, &hold, "a=inactive\n", 2);
        // A refresh of the session says it again, word for word, or says something else as well.
        let codecs = if version == 2 { "0 8" } else { "0" };
        let sdp = SDP.replace("o=- 1 1", &format!("o=- 1 {version}")) + "a=inactive\n";
        let sdp = sdp.replace("RTP/AVP 0 8", &format!("RTP/AVP {codecs}"));
        let refresh = |method, n| with_sdp(&within(method, "x", n, &our_tag, ""), &sdp);
        let ok = ask_once(&mut w, &refresh("INVITE", 2));
        assert!(ok.contains("a=inactive\r\n"), "{ok}");
        ask(&mut w, &within("ACK", "x", 2, &our_tag, ""));
        ask_once(&mut w, &refresh("UPDATE", 3));
        assert_eq!(events(&w, key, before), [CallEventKind::Held(Side::Local)]);
        // Taken up again, it shows that the peer never held.
        w.command(0, Command::Resume(key));
        w.run(ms(1));
        let resume = w.heard().remove(0);
        answer(&mut w, &resume, "", version + 1);
        let told = events(&w, key, before + 1);
        assert_eq!(told, [CallEventKind::Resumed(Side::Local)]);
    }
}

/// The media half misses media in the call.
fn miss_media(w: &mut World, key: CallKey) {
    let generation = w.phones[0].media.last().expect("a message").generation;
    let missed = Envelope {
        call: key,
        leg: LegId(0),
        generation,
        body: ToTsp::MediaLost { slot: MediaSlot(0) },
    };
    w.give(0, Input::Msp(missed));
    w.drain(0);
    w.run(ms(1));
}

// Shows: a peer that holds may be silent for as long as it likes; once it is back it is missed | RFC 3264 8.4, interop rows 38 and 57
#[test]
fn who_holds_need_not_be_heard() {
    let mut w = alone(Manner::Answer);
    let our_tag = call_up(&mut w, "x");
    let key = w.phones[0].incoming()[0];
    for (number, direction) in [(2, "a=sendonly\n"), (3, "a=sendrecv\n")] {
        let sdp = SDP.replace("o=- 1 1", &format!("o=- 1 {number}")) + direction;
        let change = with_sdp(&within("INVITE", "x", number, &our_tag, ""), &sdp);
        assert!(ask_once(&mut w, &change).starts_with("SIP/2.0 200"));
        ask(&mut w, &within("ACK", "x", number, &our_tag, ""));
        miss_media(&mut w, key);
        let over = w.phones[0].ended(key).is_some();
        assert_eq!(over, direction == "a=sendrecv\n", "{direction}");
    }
    assert!(w.heard().iter().any(|m| m.starts_with("BYE ")));
}
