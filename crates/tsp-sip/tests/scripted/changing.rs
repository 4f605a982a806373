//! Calls that the media half wants to be changed: INVITEs of ours within a call.

use std::time::Duration;

use msp_core::error::ErrorKind;
use msp_core::id::{CallKey, LegId};
use msp_core::link::{Digit, Envelope, Finality, OfferRole, ToMsp, ToTsp};
use msp_core::time::Instant;
use tsp_sip::call::{CallEventKind, Command, EndCause, Input};

use crate::peer::{
    CONTACT, Invite, SDP, alone, ask, ask_once, call_up, change, dial, field, ms, plain, seconds,
    tag, with_sdp, within,
};
use crate::support::{Manner, World, kept};

/// The media half says something about the round that it is in.
fn media_says(w: &mut World, key: CallKey, body: ToTsp) {
    let generation = w.phones[0].media.last().expect("it was asked").generation;
    let (now, leg) = (w.now, LegId::FIRST);
    let message = Envelope {
        call: key,
        leg,
        generation,
        body,
    };
    w.phones[0].agent.handle(now, Input::Msp(message));
    w.drain(0);
}

/// What the media half was told since `from`, with its round.
fn told(w: &World, from: usize) -> Vec<(u32, &ToMsp)> {
    let media = &w.phones[0].media[from..];
    media.iter().map(|m| (m.generation.0, &m.body)).collect()
}

/// A call from the peer, and the INVITE that the media half's wish led to.
fn changing() -> (World, CallKey, String, Invite) {
    let mut w = alone(Manner::Answer);
    let our_tag = call_up(&mut w, "x");
    let key = w.phones[0].incoming()[0];
    let invite = renegotiate(&mut w, key);
    (w, key, our_tag, invite)
}

fn renegotiate(w: &mut World, key: CallKey) -> Invite {
    media_says(w, key, ToTsp::Renegotiate);
    w.run(ms(1));
    let mut heard = w.heard();
    assert_eq!(heard.len(), 1, "{heard:?}");
    let text = heard.remove(0);
    assert!(text.starts_with("INVITE sip:p@192.0.2.9:5060 SIP/2.0\r\n"));
    Invite { text }
}

const ANSWER: &str =
    "v=0\no=- 1 2 IN IP4 192.0.2.9\ns=-\nc=IN IP4 192.0.2.9\nt=0 0\nm=audio 5006 RTP/AVP 8\n";

// Shows: we change a call when the media half wants it, and wait when both ends do | RFC 3261 14.1
#[test]
fn a_change_that_the_media_half_wants_is_offered_applied_and_committed() {
    let (mut w, key, our_tag, invite) = changing();
    let text = &invite.text;
    assert_eq!(
        (field(text, "CSeq"), tag(text, "From"), tag(text, "To")),
        (Some("1 INVITE"), our_tag, "p1".into())
    );
    assert_eq!(field(text, "Call-ID"), Some("c-x"));
    assert_eq!(field(text, "Contact"), Some("<sip:user@192.0.2.2:5060>"));
    assert!(
        text.contains("m=audio 40000 RTP/AVP 0 8 101\r\n"),
        "a fresh offer: {text}"
    );
    let [.., (1, ToMsp::Prepare { role, slots, .. })] = &told(&w, 0)[..] else {
        panic!("{:?}", told(&w, 0))
    };
    assert_eq!((*role, slots.len()), (OfferRole::Offerer, 1));
    let before = w.phones[0].media.len();
    assert!(ask(&mut w, &invite.response("100 Trying", "", "")).is_empty());
    let ok = with_sdp(&invite.response("200 OK", "", CONTACT), ANSWER);
    let ack = ask_once(&mut w, &ok);
    assert!(ack.starts_with("ACK sip:p@192.0.2.9:5060 SIP/2.0\r\n"));
    assert_eq!(field(&ack, "CSeq"), Some("1 ACK"));
    let [(1, ToMsp::Apply { finality, params }), (1, ToMsp::Commit)] = &told(&w, before)[..] else {
        panic!("{:?}", told(&w, before))
    };
    assert_eq!(
        (*finality, params[0].remote),
        (Finality::Final, Some("192.0.2.9:5006".parse().unwrap()))
    );
    // A copy of the 200 gets the ACK again, and the call goes on as one.
    assert_eq!(ask_once(&mut w, &ok), ack);
    let connected = |e: &&CallEventKind| **e == CallEventKind::Connected;
    let kinds = w.phones[0].kinds(key);
    assert_eq!(kinds.into_iter().filter(connected).count(), 1);
    // What was agreed holds: the next change counts on.
    let next = renegotiate(&mut w, key);
    assert_eq!(field(&next.text, "CSeq"), Some("2 INVITE"));
    assert_eq!(w.phones[0].media.last().unwrap().generation.0, 2);
    assert_eq!(w.phones[0].agent.stats().stray_media, 0);
}

// Shows: we change a call when the media half wants it, and wait when both ends do
#[test]
fn a_change_that_the_peer_refuses_is_taken_back() {
    let (mut w, key, our_tag, invite) = changing();
    let refused = invite.response("488 Not Acceptable Here", "", "");
    assert!(ask_once(&mut w, &refused).starts_with("ACK"));
    assert!(matches!(told(&w, 0).last(), Some((1, ToMsp::Rollback))));
    assert_eq!(w.phones[0].agent.stats().refused_changes, 1);
    w.run(seconds(40));
    assert!(w.heard().is_empty() && w.phones[0].ended(key).is_none());
    // The peer's own changes work as before.
    let ok = ask_once(&mut w, &change("x", 2, &our_tag));
    assert!(ok.starts_with("SIP/2.0 200"), "{ok}");
}

// Shows: we change a call when the media half wants it, and wait when both ends do
#[test]
fn both_ends_that_change_a_call_at_once_wait_and_try_again() {
    for ours in [false, true] {
        let (mut w, key, our_tag, invite) = if ours {
            let mut w = alone(Manner::Silent);
            let (key, invite) = dial(&mut w, 1);
            let ok = with_sdp(&invite.response("200 OK", "p1", CONTACT), SDP);
            ask_once(&mut w, &ok);
            let invite = renegotiate(&mut w, key);
            (w, key, String::new(), invite)
        } else {
            changing()
        };
        if !ours {
            // RFC 3261 section 14.2: what comes while ours is open is refused.
            let theirs = ask_once(&mut w, &change("x", 2, &our_tag));
            assert!(theirs.starts_with("SIP/2.0 491"), "{theirs}");
            let ack = within("ACK", "x", 2, &our_tag, "");
            ask(&mut w, &ack.replace("bKx-ACK-2", "bKx-INVITE-2"));
        }
        let pending = invite.response("491 Request Pending", "", "");
        assert!(ask_once(&mut w, &pending).starts_with("ACK"));
        assert!(matches!(told(&w, 0).last(), Some((1, ToMsp::Rollback))));
        // RFC 3261 section 14.1: who made the Call-ID waits 2.1 to 4 seconds, the other up to 2.
        let asked = w.now;
        let again = loop {
            w.run(ms(1));
            if let Some(text) = w.heard().pop() {
                break text;
            }
            assert!(w.now < asked + seconds(5), "never again");
        };
        let waited = w.now.saturating_since(asked);
        let bounds = if ours {
            (ms(2100), ms(4001))
        } else {
            (Duration::ZERO, ms(2001))
        };
        assert!(waited >= bounds.0 && waited <= bounds.1, "{waited:?}");
        let number = |text: &str| field(text, "CSeq").unwrap().to_owned();
        assert_ne!(number(&again), number(&invite.text));
        let ok = Invite { text: again }.response("200 OK", "", CONTACT);
        assert!(ask_once(&mut w, &with_sdp(&ok, ANSWER)).starts_with("ACK"));
        assert!(matches!(told(&w, 0).last(), Some((2, ToMsp::Commit))));
        assert!(w.phones[0].ended(key).is_none());
        assert_eq!(w.phones[0].agent.stats().refused_changes, 0);
    }
}

#[test]
fn a_change_waits_for_what_is_under_way() {
    // The peer's change has our answer, waits for an offer of ours, or has answered that offer.
    for stage in 0..3 {
        let mut w = alone(Manner::Answer);
        let our_tag = call_up(&mut w, "x");
        let key = w.phones[0].incoming()[0];
        let theirs = match stage {
            0 => change("x", 2, &our_tag),
            _ => within("INVITE", "x", 2, &our_tag, ""),
        };
        let ack = match stage {
            0 => within("ACK", "x", 2, &our_tag, ""),
            _ => with_sdp(&within("ACK", "x", 2, &our_tag, ""), ANSWER),
        };
        w.phones[0].mute_media = stage < 2;
        ask(&mut w, &theirs);
        if stage == 2 {
            w.phones[0].mute_media = true;
            ask(&mut w, &ack);
        }
        media_says(&mut w, key, ToTsp::Renegotiate);
        w.run(seconds(2));
        let heard = w.heard();
        let trying = |m: &String| m.starts_with("SIP/2.0 100");
        assert!(heard.iter().all(trying), "{stage}: {heard:?}");
        w.phones[0].mute_media = false;
        w.release_media(0);
        w.run(ms(1));
        if stage < 2 {
            assert!(w.heard().remove(0).starts_with("SIP/2.0 200"), "{stage}");
            ask(&mut w, &ack);
        }
        let commits = |m: &(u32, &ToMsp)| matches!(m, (1, ToMsp::Commit));
        assert!(told(&w, 0).iter().any(commits), "{stage}");
        w.run(seconds(1));
        assert!(w.heard().remove(0).starts_with("INVITE"), "{stage}");
    }
}

#[test]
fn a_change_of_the_peer_waits_for_the_one_that_begins_here() {
    let mut w = alone(Manner::Answer);
    let our_tag = call_up(&mut w, "x");
    let key = w.phones[0].incoming()[0];
    w.phones[0].mute_media = true;
    media_says(&mut w, key, ToTsp::Renegotiate);
    let pending = ask_once(&mut w, &change("x", 2, &our_tag));
    assert!(pending.starts_with("SIP/2.0 491"), "{pending}");
    w.release_media(0);
    w.run(ms(1));
    assert!(w.heard().remove(0).starts_with("INVITE"));
}

#[test]
fn a_peer_that_lost_the_call_ends_it() {
    for silent in [false, true] {
        let (mut w, key, _, invite) = changing();
        if silent {
            w.run(seconds(33));
            w.heard();
        } else {
            let lost = invite.response("481 Call/Transaction Does Not Exist", "", "");
            let heard = ask(&mut w, &lost);
            let starts: Vec<_> = heard.iter().map(|m| &m[..3]).collect();
            assert_eq!(starts, ["ACK", "BYE"]);
        }
        let ended = w.phones[0].ended(key).unwrap();
        assert_eq!(ended.cause, EndCause::Unreachable, "{silent}");
        w.run(seconds(70));
        assert_eq!(kept(&w, 0), (0, 0, 0), "{silent}");
    }
}

#[test]
fn a_peer_that_never_decides_is_asked_no_longer() {
    let (mut w, key, _, invite) = changing();
    ask(&mut w, &invite.response("180 Ringing", "", ""));
    w.run(seconds(180));
    assert!(w.heard().is_empty());
    w.run(seconds(2));
    let cancel = w.heard().remove(0);
    assert!(cancel.starts_with("CANCEL"), "{cancel}");
    let ended = invite.response("487 Request Terminated", "", "");
    let heard = ask(&mut w, &ended);
    assert!(heard.iter().any(|m| m.starts_with("ACK")), "{heard:?}");
    assert!(w.phones[0].ended(key).is_none());
    assert!(matches!(told(&w, 0).last(), Some((1, ToMsp::Rollback))));
}

#[test]
fn an_answer_to_a_change_that_is_none_ends_the_call() {
    let (mut w, key, _, invite) = changing();
    let heard = ask(&mut w, &invite.response("200 OK", "", CONTACT));
    let starts: Vec<_> = heard.iter().map(|m| &m[..3]).collect();
    assert_eq!(starts, ["ACK", "BYE"]);
    assert_eq!(w.phones[0].ended(key).unwrap().cause, EndCause::Media);
}

#[test]
fn a_call_that_ends_while_it_is_changed_leaves_nothing() {
    let (mut w, key, _, invite) = changing();
    ask(&mut w, &invite.response("100 Trying", "", ""));
    w.command(0, Command::HangUp(key));
    w.run(ms(1));
    let heard = w.heard();
    let mut starts: Vec<_> = heard.iter().map(|m| &m[..3]).collect();
    starts.sort_unstable();
    assert_eq!(starts, ["BYE", "CAN"]);
    // It was too late to take it back: the success is acknowledged, each copy of it too.
    let ok = with_sdp(&invite.response("200 OK", "", CONTACT), ANSWER);
    for _ in 0..2 {
        assert!(ask_once(&mut w, &ok).starts_with("ACK"));
    }
    for request in heard {
        ask(&mut w, &Invite { text: request }.response("200 OK", "", ""));
    }
    assert!(w.phones[0].agent.is_idle());
    w.run(seconds(70));
    assert_eq!(kept(&w, 0), (0, 0, 0));
    // What is forgotten is swept when something happens.
    ask(&mut w, "\n\n");
    assert_eq!(w.phones[0].agent.kept().memories, 0);
}

#[test]
fn a_media_half_that_cannot_get_ready_changes_nothing() {
    for silent in [false, true] {
        let mut w = alone(Manner::Answer);
        call_up(&mut w, "x");
        let key = w.phones[0].incoming()[0];
        w.phones[0].refuse_prepare = Some(ErrorKind::Busy);
        w.phones[0].mute_media = silent;
        media_says(&mut w, key, ToTsp::Renegotiate);
        w.run(seconds(11));
        assert!(w.heard().is_empty(), "{silent}");
        assert!(matches!(told(&w, 0).last(), Some((1, ToMsp::Rollback))));
        assert!(w.phones[0].ended(key).is_none(), "{silent}");
    }
}

#[test]
fn a_call_that_ends_while_the_way_of_its_change_is_looked_up_leaves_nothing() {
    let mut w = alone(Manner::Answer);
    w.names = vec![("peer.example", "192.0.2.9")];
    let invite = plain("INVITE sip:user@192.0.2.2", "x", "1 INVITE", "");
    let invite = invite.replace(
        "Contact: <sip:p@192.0.2.9:",
        "Contact: <sip:p@peer.example:",
    );
    let heard = ask(&mut w, &with_sdp(&invite, SDP));
    let ok = heard.iter().find(|m| m.starts_with("SIP/2.0 200"));
    let our_tag = tag(ok.unwrap(), "To");
    assert!(ask(&mut w, &within("ACK", "x", 1, &our_tag, "")).is_empty());
    let key = w.phones[0].incoming()[0];
    w.slow_names = true;
    media_says(&mut w, key, ToTsp::Renegotiate);
    w.run(ms(1));
    assert!(w.heard().is_empty(), "it waits for its way");
    let bye = within("BYE", "x", 9, &our_tag, "");
    assert!(ask_once(&mut w, &bye).starts_with("SIP/2.0 200"));
    w.slow_names = false;
    w.release_names();
    w.run(seconds(40));
    assert!(w.heard().is_empty());
    let kept = w.phones[0].agent.kept();
    assert_eq!((kept.calls, kept.dialogs, kept.transactions), (0, 0, 0));
}

#[test]
fn a_wish_for_a_change_of_no_call_is_counted() {
    let mut w = alone(Manner::Ring);
    let invite = plain("INVITE sip:user@192.0.2.2", "x", "1 INVITE", "");
    ask_once(&mut w, &with_sdp(&invite, SDP));
    let key = w.phones[0].incoming()[0];
    media_says(&mut w, key, ToTsp::Renegotiate);
    w.run(ms(1));
    assert!(w.heard().is_empty());
    assert_eq!(w.phones[0].agent.stats().stray_media, 1);
}

#[test]
fn a_digit_that_cannot_reach_the_peer_is_told() {
    let mut w = alone(Manner::Answer);
    let mut config = crate::support::config("user");
    config.requests.info_digits = false;
    w.phones[0].agent = tsp_sip::call::UserAgent::new(config, |b: &mut [u8]| b.fill(7));
    call_up(&mut w, "x");
    let key = w.phones[0].incoming()[0];
    let digit = Digit::from_char('7').unwrap();
    let duration = ms(100);
    media_says(&mut w, key, ToTsp::Digit { digit, duration });
    let last = w.phones[0].kinds(key).pop().unwrap();
    assert_eq!(*last, CallEventKind::UnsentDigit(digit));
    let stats = w.phones[0].agent.stats();
    assert_eq!((stats.unsent_digits, stats.stray_media), (1, 0));
    assert_eq!(w.now, Instant::ZERO + ms(2), "and no time was needed");
}
