//! Whole calls between two user agents, in virtual time.

mod support;

use std::time::Duration;

use msp_core::error::ErrorKind;
use msp_core::link::ToMsp;
use netsim::{Impairment, Ratio};
use support::{Manner, Phone, World, kept};
use tsp_sip::call::{CallEventKind, Command, EndCause};
use tsp_sip::wire::{StatusCode, Uri};

const A: &str = "192.0.2.1:5060";
const B: &str = "192.0.2.2:5060";
const TO_B: &str = "sip:bob@192.0.2.2";

fn world(manner: Manner) -> World {
    World::new(
        vec![Phone::new(A, 1, Manner::Silent), Phone::new(B, 2, manner)],
        Impairment::PERFECT,
        7,
    )
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

// Shows: calls both ways, hung up by either end | RFC 3261 13, 15
#[test]
fn a_call_is_made_answered_and_hung_up() {
    let mut w = world(Manner::Ring);
    let a = w.dial(0, 1, TO_B);
    w.run(seconds(1));
    assert_eq!(w.phones[0].kinds(a), [&CallEventKind::Ringing]);
    let b = w.phones[1].incoming()[0];
    w.command(1, Command::Answer(b));
    w.run(seconds(1));
    assert!(w.phones[0].is_connected(a) && w.phones[1].is_connected(b));
    w.command(0, Command::HangUp(a));
    w.run(seconds(1));
    assert_eq!(w.phones[0].ended(a).unwrap().cause, EndCause::LocalHangUp);
    assert_eq!(w.phones[1].ended(b).unwrap().cause, EndCause::RemoteHangUp);
    let methods: Vec<_> = w
        .first_lines()
        .iter()
        .map(|l| l.split(" sip:").next().unwrap().to_owned())
        .collect();
    assert_eq!(
        methods,
        [
            "INVITE",
            "SIP/2.0 180 Ringing",
            "SIP/2.0 200 OK",
            "ACK",
            "BYE",
            "SIP/2.0 200 OK"
        ]
    );
    w.run(seconds(100));
    assert_eq!((kept(&w, 0), kept(&w, 1)), ((0, 0, 0), (0, 0, 0)));
    assert!(w.phones[0].agent.deadline().is_none() && w.phones[1].agent.deadline().is_none());
    for phone in &w.phones {
        let last = phone.media.last().unwrap();
        assert!(matches!(last.body, ToMsp::Disconnected { .. }), "{last:?}");
    }
}

// Shows: calls both ways, hung up by either end
#[test]
fn the_called_end_hangs_up() {
    let mut w = world(Manner::Answer);
    let a = w.dial(0, 1, TO_B);
    w.run(seconds(1));
    let b = w.phones[1].incoming()[0];
    w.command(1, Command::HangUp(b));
    w.run(seconds(1));
    assert_eq!(w.phones[1].ended(b).unwrap().cause, EndCause::LocalHangUp);
    assert_eq!(w.phones[0].ended(a).unwrap().cause, EndCause::RemoteHangUp);
}

// Shows: the answer holds on the media side before the 200 leaves; late offers | RFC 3264, RFC 3261 13.3.1
#[test]
fn a_200_is_given_only_after_the_media_half_applied_the_answer() {
    let mut w = world(Manner::Answer);
    w.phones[1].mute_media = true;
    w.dial(0, 1, TO_B);
    w.run(seconds(3));
    let answered = |w: &World| w.first_lines().iter().any(|l| l.starts_with("SIP/2.0 200"));
    assert!(!answered(&w));
    w.release_media(1); // Local
    w.run(seconds(1));
    assert!(!answered(&w), "not before Applied");
    assert!(matches!(
        w.phones[1].media.last().unwrap().body,
        ToMsp::Apply { .. }
    ));
    w.release_media(1); // Applied
    w.run(seconds(1));
    assert!(answered(&w));
}

// Shows: a call is taken back, also when CANCEL and 200 cross | RFC 3261 9
#[test]
fn a_call_is_taken_back_while_it_rings() {
    let mut w = world(Manner::Ring);
    let a = w.dial(0, 1, TO_B);
    w.run(seconds(1));
    w.command(0, Command::HangUp(a));
    w.run(seconds(1));
    let b = w.phones[1].incoming()[0];
    assert_eq!(w.phones[0].ended(a).unwrap().cause, EndCause::Cancelled);
    let ended = w.phones[1].ended(b).unwrap();
    assert_eq!(
        (ended.cause, ended.status),
        (EndCause::Cancelled, Some(StatusCode::REQUEST_TERMINATED))
    );
    let lines = w.first_lines();
    assert_eq!(
        lines[2..].iter().map(|l| &l[..7]).collect::<Vec<_>>(),
        ["CANCEL ", "SIP/2.0", "SIP/2.0", "ACK sip"]
    );
    assert!(lines[4].contains("487"));
    w.run(seconds(100));
    assert_eq!((kept(&w, 0), kept(&w, 1)), ((0, 0, 0), (0, 0, 0)));
}

#[test]
fn a_call_is_taken_back_before_anything_came_back() {
    let mut w = world(Manner::Silent);
    let a = w.dial(0, 1, TO_B);
    w.command(0, Command::HangUp(a));
    assert_eq!(w.phones[0].ended(a).unwrap().cause, EndCause::Cancelled);
    assert!(!w.phones[0].agent.is_idle(), "the CANCEL is still owed");
    w.run(seconds(2));
    assert!(
        w.first_lines().iter().any(|l| l.starts_with("CANCEL")),
        "after the 100: {:?}",
        w.first_lines()
    );
    w.run(seconds(100));
    assert!(w.phones[0].agent.is_idle());
    assert_eq!((kept(&w, 0), kept(&w, 1)), ((0, 0, 0), (0, 0, 0)));
}

// Shows: a call is taken back, also when CANCEL and 200 cross
#[test]
fn cancel_and_200_cross() {
    let mut w = world(Manner::Ring);
    w.net
        .set_default(Impairment::PERFECT.with_delay(Duration::from_millis(50)));
    let a = w.dial(0, 1, TO_B);
    w.run(seconds(1));
    let b = w.phones[1].incoming()[0];
    w.command(1, Command::Answer(b));
    w.command(0, Command::HangUp(a));
    w.run(seconds(5));
    assert_eq!(w.phones[0].ended(a).unwrap().cause, EndCause::Cancelled);
    // The 200 is acknowledged and ended: the called end saw a call that was hung up.
    assert_eq!(w.phones[1].ended(b).unwrap().cause, EndCause::RemoteHangUp);
    w.run(seconds(100));
    assert_eq!((kept(&w, 0), kept(&w, 1)), ((0, 0, 0), (0, 0, 0)));
}

#[test]
fn a_call_is_refused() {
    let mut w = world(Manner::Ring);
    let a = w.dial(0, 1, TO_B);
    w.run(seconds(1));
    let b = w.phones[1].incoming()[0];
    w.command(1, Command::Reject(b, StatusCode::BUSY_HERE));
    w.run(seconds(1));
    let ended = w.phones[0].ended(a).unwrap();
    assert_eq!(
        (ended.cause, ended.status),
        (EndCause::Busy, Some(StatusCode::BUSY_HERE))
    );
    assert_eq!(w.phones[1].ended(b).unwrap().cause, EndCause::Rejected);
    w.run(seconds(100));
    assert_eq!((kept(&w, 0), kept(&w, 1)), ((0, 0, 0), (0, 0, 0)));
}

#[test]
fn media_that_cannot_be_set_up_refuse_the_call() {
    for (prepare, apply, status) in [
        (Some(ErrorKind::Busy), None, StatusCode::SERVICE_UNAVAILABLE),
        (
            None,
            Some(ErrorKind::NoFormat),
            StatusCode::NOT_ACCEPTABLE_HERE,
        ),
    ] {
        let mut w = world(Manner::Answer);
        w.phones[1].refuse_prepare = prepare;
        w.phones[1].refuse_apply = apply;
        let a = w.dial(0, 1, TO_B);
        w.run(seconds(1));
        assert_eq!(w.phones[0].ended(a).unwrap().status, Some(status));
        assert_eq!(
            w.phones[1].ended(w.phones[1].incoming()[0]).unwrap().cause,
            EndCause::Media
        );
    }
    // At the calling end before the INVITE, and after the answer.
    let mut w = world(Manner::Answer);
    w.phones[0].refuse_prepare = Some(ErrorKind::ResourceUnavailable);
    let a = w.dial(0, 1, TO_B);
    assert_eq!(w.phones[0].ended(a).unwrap().cause, EndCause::Media);
    assert!(w.sent.is_empty());
    let mut w = world(Manner::Answer);
    w.phones[0].refuse_apply = Some(ErrorKind::NoFormat);
    let a = w.dial(0, 1, TO_B);
    w.run(seconds(1));
    assert_eq!(w.phones[0].ended(a).unwrap().cause, EndCause::Media);
    assert_eq!(
        w.phones[1].ended(w.phones[1].incoming()[0]).unwrap().cause,
        EndCause::RemoteHangUp
    );
}

// Shows: peers that vanish are given up
#[test]
fn nobody_is_there() {
    let mut w = World::new(
        vec![Phone::new(A, 1, Manner::Silent)],
        Impairment::PERFECT,
        1,
    );
    let a = w.dial(0, 1, TO_B);
    w.run(seconds(31));
    assert!(w.phones[0].ended(a).is_none());
    w.run(seconds(2));
    let ended = w.phones[0].ended(a).unwrap();
    assert_eq!(
        (ended.cause, ended.status),
        (EndCause::Unreachable, Some(StatusCode::REQUEST_TIMEOUT))
    );
    assert_eq!(w.strays.len(), 7, "timer A");
    let name = w.dial(0, 2, "sip:x@nowhere.example");
    assert_eq!(
        w.phones[0].ended(name).unwrap().cause,
        EndCause::Unresolvable
    );
    let tel = w.dial(0, 3, "tel:+1");
    assert_eq!(
        w.phones[0].ended(tel).unwrap().cause,
        EndCause::Unresolvable
    );
    assert_eq!(kept(&w, 0), (0, 0, 0));
}

#[test]
fn a_call_that_the_application_leaves_alone_is_refused() {
    for manner in [Manner::Ring, Manner::Silent] {
        let mut w = world(manner);
        let a = w.dial(0, 1, TO_B);
        w.run(seconds(179));
        let b = w.phones[1].incoming()[0];
        assert!(w.phones[0].ended(a).is_none() && w.phones[1].ended(b).is_none());
        w.run(seconds(2));
        let status = Some(StatusCode::TEMPORARILY_UNAVAILABLE);
        let ended = |phone: usize, key| w.phones[phone].ended(key).map(|e| (e.cause, e.status));
        assert_eq!(ended(0, a), Some((EndCause::NoAnswer, status)));
        assert_eq!(ended(1, b), Some((EndCause::NoAnswer, status)));
        // The media half was asked to prepare for a call that rings, and has to clear up.
        let told = w.phones[1].media.iter().filter(|m| m.call == b);
        let cleared = told.filter(|m| matches!(m.body, ToMsp::Disconnected { .. }));
        assert_eq!(cleared.count(), usize::from(manner == Manner::Ring));
        w.run(seconds(70));
        assert_eq!(kept(&w, 1), (0, 0, 0));
    }
}

#[test]
fn a_media_half_that_says_nothing_ends_a_call_of_ours() {
    // It does not get ready.
    let mut w = world(Manner::Answer);
    w.phones[0].mute_media = true;
    let a = w.dial(0, 1, TO_B);
    w.run(seconds(9));
    assert!(w.phones[0].ended(a).is_none() && w.sent.is_empty());
    w.run(seconds(2));
    assert_eq!(w.phones[0].ended(a).unwrap().cause, EndCause::Media);
    let told = &w.phones[0].media.last().unwrap().body;
    assert!(matches!(told, ToMsp::Disconnected { .. }));
    assert_eq!(kept(&w, 0), (0, 0, 0));
    w.release_media(0);
    assert!(w.sent.is_empty(), "its word comes too late");
    // It does not apply the answer.
    let mut w = world(Manner::Ring);
    let a = w.dial(0, 1, TO_B);
    w.run(seconds(1));
    let b = w.phones[1].incoming()[0];
    w.phones[0].mute_media = true;
    w.command(1, Command::Answer(b));
    w.run(seconds(9));
    assert!(w.phones[0].ended(a).is_none());
    w.run(seconds(2));
    assert_eq!(w.phones[0].ended(a).unwrap().cause, EndCause::Media);
    assert_eq!(w.phones[1].ended(b).unwrap().cause, EndCause::RemoteHangUp);
    w.run(seconds(100));
    assert_eq!((kept(&w, 0), kept(&w, 1)), ((0, 0, 0), (0, 0, 0)));
}

#[test]
fn a_media_half_that_says_nothing_ends_a_call_that_comes_in() {
    for ready in [false, true] {
        let mut w = world(Manner::Ring);
        w.phones[1].mute_media = !ready;
        let a = w.dial(0, 1, TO_B);
        w.run(Duration::from_millis(10));
        let b = w.phones[1].incoming()[0];
        w.phones[1].mute_media = true;
        w.command(1, Command::Answer(b));
        w.run(seconds(9));
        assert!(w.phones[0].ended(a).is_none() && w.phones[1].ended(b).is_none());
        w.run(seconds(2));
        let status = Some(StatusCode::SERVER_INTERNAL_ERROR);
        let ended = |phone: usize, key| w.phones[phone].ended(key).map(|e| (e.cause, e.status));
        assert_eq!(ended(0, a), Some((EndCause::Refused, status)), "{ready}");
        assert_eq!(ended(1, b), Some((EndCause::Media, status)), "{ready}");
        w.run(seconds(100));
        assert_eq!((kept(&w, 0), kept(&w, 1)), ((0, 0, 0), (0, 0, 0)));
    }
}

#[test]
fn a_call_that_is_taken_late_is_not_refused() {
    let mut w = world(Manner::Ring);
    let a = w.dial(0, 1, TO_B);
    w.run(seconds(178));
    let b = w.phones[1].incoming()[0];
    w.phones[1].mute_media = true;
    w.command(1, Command::Answer(b));
    // The media half is slow, but the caller does not pay for that.
    w.run(Duration::from_millis(2500));
    w.release_media(1);
    w.run(seconds(1));
    assert!(w.phones[0].is_connected(a) && w.phones[1].is_connected(b));
}

// Shows: peers that vanish are given up
#[test]
fn a_peer_that_never_acknowledges_is_given_up() {
    let mut w = world(Manner::Ring);
    let a = w.dial(0, 1, TO_B);
    w.run(seconds(1));
    let b = w.phones[1].incoming()[0];
    w.phones.remove(0);
    let sent = w.sent.len();
    let now = w.now;
    w.phones[0]
        .agent
        .handle(now, tsp_sip::call::Input::Command(Command::Answer(b)));
    w.drain(0);
    w.run(seconds(40));
    assert_eq!(w.phones[0].ended(b).unwrap().cause, EndCause::Unreachable);
    let times: Vec<_> = w.sent[sent..]
        .iter()
        .filter(|(_, _, b)| b.starts_with(b"SIP/2.0 200"))
        .map(|(at, ..)| at.saturating_since(now).as_millis())
        .collect();
    // RFC 3261 section 13.3.1.4
    assert_eq!(
        times,
        [
            0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500
        ]
    );
    assert!(w.first_lines().last().unwrap().starts_with("BYE"));
    let _ = a;
}

// Shows: calls both ways, hung up by either end
#[test]
fn the_called_end_waits_for_the_ack_before_it_hangs_up() {
    let mut w = world(Manner::Answer);
    w.net
        .set_default(Impairment::PERFECT.with_delay(Duration::from_millis(100)));
    let a = w.dial(0, 1, TO_B);
    w.run(Duration::from_millis(150));
    let b = w.phones[1].incoming()[0];
    w.command(1, Command::HangUp(b));
    assert_eq!(w.phones[1].ended(b).unwrap().cause, EndCause::LocalHangUp);
    w.run(Duration::from_millis(10));
    assert!(
        !w.first_lines().iter().any(|l| l.starts_with("BYE")),
        "no BYE before the ACK"
    );
    w.run(seconds(1));
    assert_eq!(w.phones[0].ended(a).unwrap().cause, EndCause::RemoteHangUp);
    w.run(seconds(100));
    assert_eq!((kept(&w, 0), kept(&w, 1)), ((0, 0, 0), (0, 0, 0)));
}

// Shows: host names in URIs, routes and media; IPv6
#[test]
fn names_are_looked_up_and_ipv6_is_spoken() {
    let phones = vec![
        Phone::new("[2001:db8::1]:5060", 1, Manner::Silent),
        Phone::new("[2001:db8::2]:5070", 2, Manner::Answer),
    ];
    let mut w = World::new(phones, Impairment::PERFECT, 1);
    w.names = vec![("bob.example", "2001:db8::2")];
    let a = w.dial(0, 1, "sip:bob@bob.example:5070");
    w.run(seconds(1));
    assert!(w.phones[0].is_connected(a));
    let ack = String::from_utf8_lossy(
        &w.sent
            .iter()
            .find(|(.., b)| b.starts_with(b"ACK"))
            .unwrap()
            .2,
    )
    .into_owned();
    assert!(ack.starts_with("ACK sip:user@[2001:db8::2]:5070 SIP/2.0\r\nVia: SIP/2.0/UDP [2001:db8::1]:5060;branch=z9hG4bK"));
    let invite = String::from_utf8_lossy(&w.sent[0].2).into_owned();
    assert!(invite.contains("\r\nc=IN IP6 2001:db8::1\r\n"), "{invite}");
}

// Shows: OPTIONS both ways | RFC 3261 11
#[test]
fn peers_are_asked_what_they_can_do() {
    let mut w = world(Manner::Silent);
    let key = msp_core::id::CallKey(9);
    w.command(
        0,
        Command::Options {
            key,
            to: Uri::new(TO_B).unwrap(),
            account: None,
        },
    );
    w.run(seconds(1));
    let CallEventKind::Capabilities {
        status,
        allow,
        user_agent,
        ..
    } = w.phones[0].kinds(key)[0]
    else {
        panic!()
    };
    assert_eq!((*status, &**user_agent), (StatusCode::OK, "test"));
    // What else is taken is said where it is tested.
    assert!(allow.starts_with("INVITE, ACK, CANCEL, BYE, OPTIONS"));
    w.command(
        0,
        Command::Options {
            key,
            to: Uri::new("sip:192.0.2.77").unwrap(),
            account: None,
        },
    );
    w.run(seconds(33));
    assert_eq!(w.phones[0].ended(key).unwrap().cause, EndCause::Unreachable);
}

#[test]
fn closing_ends_what_there_is_and_refuses_what_comes() {
    let mut w = world(Manner::Answer);
    let a = w.dial(0, 1, TO_B);
    w.run(seconds(1));
    w.command(1, Command::Close);
    w.run(seconds(1));
    assert_eq!(w.phones[0].ended(a).unwrap().cause, EndCause::RemoteHangUp);
    assert!(w.phones[1].agent.is_idle());
    let again = w.dial(0, 2, TO_B);
    w.run(seconds(1));
    assert_eq!(
        w.phones[0].ended(again).unwrap().status,
        Some(StatusCode::SERVICE_UNAVAILABLE)
    );
}

#[test]
fn there_is_a_bound_on_calls() {
    let mut phone = Phone::new(B, 2, Manner::Ring);
    let mut config = support::config("bob");
    config.max_calls = 3;
    let mut n = support::Numbers(5);
    phone.agent =
        tsp_sip::call::UserAgent::new(config, move |b: &mut [u8]| b.fill_with(|| n.next() as u8));
    let mut w = World::new(
        vec![Phone::new(A, 1, Manner::Silent), phone],
        Impairment::PERFECT,
        1,
    );
    for key in 1..=5 {
        w.dial(0, key, TO_B);
    }
    w.run(seconds(1));
    assert_eq!(w.phones[1].incoming().len(), 3);
}

/// Calls complete whatever the network does to their messages, and leave nothing behind.
// Shows: calls survive loss, copies and disorder of messages
#[test]
fn calls_survive_loss_copies_and_disorder() {
    let bad = Impairment::PERFECT
        .with_delay(Duration::from_millis(40))
        .with_loss(Ratio::new(0.25).unwrap())
        .with_duplicate(Ratio::new(0.2).unwrap())
        .with_reorder(Ratio::new(0.2).unwrap(), Duration::from_millis(700));
    let mut connected = 0;
    for seed in 0..200 {
        let phones = vec![
            Phone::new(A, seed, Manner::Silent),
            Phone::new(B, seed + 1000, Manner::Answer),
        ];
        let mut w = World::new(phones, bad, seed);
        let a = w.dial(0, 1, TO_B);
        w.run(seconds(35));
        let Some(b) = w.phones[1].incoming().first().copied() else {
            // Every copy of the INVITE was lost.
            assert_eq!(
                w.phones[0].ended(a).unwrap().cause,
                EndCause::Unreachable,
                "seed {seed}"
            );
            continue;
        };
        assert_eq!(w.phones[1].incoming().len(), 1, "seed {seed}: one call");
        let both = w.phones[0].is_connected(a) && w.phones[1].is_connected(b);
        connected += usize::from(both);
        let hanger = seed as usize % 2;
        let key = [a, b][hanger];
        w.command(hanger, Command::HangUp(key));
        w.run(seconds(140));
        for (i, key) in [(0, a), (1, b)] {
            assert!(
                w.phones[i].ended(key).is_some(),
                "seed {seed}: phone {i} knows that it is over"
            );
            assert_eq!(
                kept(&w, i),
                (0, 0, 0),
                "seed {seed}: phone {i} keeps nothing"
            );
            let ends = w.phones[i]
                .kinds(key)
                .into_iter()
                .filter(|k| matches!(k, CallEventKind::Ended(_)))
                .count();
            assert_eq!(ends, 1, "seed {seed}: phone {i} is told once");
            let down = w.phones[i]
                .media
                .iter()
                .filter(|m| matches!(m.body, ToMsp::Disconnected { .. }))
                .count();
            assert_eq!(down, 1, "seed {seed}: its media half is told once");
        }
    }
    // A message has at least seven chances of three in four.
    assert!(connected >= 198, "{connected} of 200");
}

#[test]
fn every_message_is_traced_with_its_call() {
    let mut w = world(Manner::Answer);
    let a = w.dial(0, 1, TO_B);
    w.run(seconds(1));
    let b = w.phones[1].incoming()[0];
    w.command(1, Command::HangUp(b));
    w.run(seconds(1));
    assert_eq!(
        w.traced.len(),
        12,
        "six messages at both ends: {:?}",
        w.traced
    );
    for (phone, call, line) in &w.traced {
        assert_eq!(*call, Some([a, b][*phone]), "{line}");
    }
}

#[test]
fn a_caller_is_told_every_minute_that_we_still_ring() {
    let mut w = world(Manner::Ring);
    w.dial(0, 1, TO_B);
    w.run(seconds(150));
    let ringing = w
        .sent
        .iter()
        .filter(|(.., b)| b.starts_with(b"SIP/2.0 180"));
    let times: Vec<_> = ringing
        .map(|(at, ..)| at.as_nanos() / 1_000_000_000)
        .collect();
    assert_eq!(times, [0, 60, 120]);
    assert_eq!(
        w.phones[0].kinds(msp_core::id::CallKey(1)).len(),
        1,
        "the application is told once"
    );
}
