//! Calls to a peer that forks them: several branches ring and answer.

use msp_core::id::{CallKey, Generation, LegId};
use msp_core::link::{Envelope, Finality, MAX_LEGS, ToMsp, ToTsp};
use msp_core::params::MediaSlot;
use tsp_sip::call::{CallEventKind, CallPolicy, Command, EarlyMedia, EndCause, Input};

use crate::peer::{
    CONTACT, Invite, SDP, alone, alone_with, ask, ask_once, dial, field, ms, plain, seconds, tag,
    with_sdp,
};
use crate::support::{Manner, World, kept};

// Shows: forks: each branch is a leg, one is the call, the others are ended | RFC 3261 13.2.2.4
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

// Shows: forks: each branch is a leg, one is the call, the others are ended
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

// Shows: peers that vanish are given up
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

// Shows: forks: each branch is a leg, one is the call, the others are ended
#[test]
fn successes_that_come_after_the_call_was_ended_are_acknowledged_each_time() {
    let mut w = alone(Manner::Silent);
    let (key, invite) = dial(&mut w, 1);
    let ok = |side: &str| with_sdp(&invite.response("200 OK", side, CONTACT), SDP);
    let ack = ask_once(&mut w, &ok("right"));
    w.command(0, Command::HangUp(key));
    w.run(ms(1));
    let bye = w.heard().remove(0);
    ask(&mut w, &Invite { text: bye }.response("200 OK", "", ""));
    let (calls, dialogs, _) = kept(&w, 0);
    assert_eq!((calls, dialogs), (0, 0), "the call itself is gone at once");
    w.run(seconds(20));
    assert_eq!(ask_once(&mut w, &ok("right")), ack);
    // A branch that nobody heard of before is ended like one that answered in time (RFC 3261 section 13.2.2.4).
    let late = ask(&mut w, &ok("left"));
    let starts: Vec<_> = late.iter().map(|m| (&m[..3], tag(m, "To"))).collect();
    assert_eq!(starts, [("ACK", "left".into()), ("BYE", "left".into())]);
    for name in ["From", "Call-ID", "CSeq"] {
        let number = |m: &str| field(m, name).unwrap().replace("INVITE", "ACK");
        assert_eq!(number(&late[0]), number(&invite.text), "{name}");
    }
    let bye = Invite {
        text: late[1].clone(),
    };
    ask(&mut w, &bye.response("200 OK", "", ""));
    assert_eq!(ask_once(&mut w, &ok("left")), late[0]);
    assert_eq!(kept(&w, 0).0, 0);
    // Copies come for 64 times T1 after the first, and no longer.
    w.run(seconds(12));
    assert!(ask(&mut w, &ok("right")).is_empty());
    assert_eq!(w.phones[0].agent.stats().stray_responses, 1);
    w.run(seconds(40));
    assert_eq!(kept(&w, 0), (0, 0, 0));
}

#[test]
fn only_so_many_branches_are_ended_after_the_call() {
    let mut w = alone(Manner::Silent);
    let (key, invite) = dial(&mut w, 1);
    let ok = |n: u32| with_sdp(&invite.response("200 OK", &n.to_string(), CONTACT), SDP);
    ask(&mut w, &ok(0));
    w.command(0, Command::HangUp(key));
    w.run(ms(1));
    w.heard();
    for n in 1..64 {
        assert_eq!(ask(&mut w, &ok(n)).len(), 2, "{n}");
    }
    assert!(ask(&mut w, &ok(64)).is_empty());
    assert_eq!(w.phones[0].agent.stats().excess_branches, 1);
    assert_eq!(kept(&w, 0).0, 0);
}

/// What the media half was told of branches since it got ready.
fn told(w: &World) -> Vec<(u32, Option<Finality>)> {
    let told = w.phones[0].media.iter().filter_map(|m| match &m.body {
        ToMsp::Apply { finality, .. } => Some((m.leg.0, Some(*finality))),
        ToMsp::DropLeg => Some((m.leg.0, None)),
        _ => None,
    });
    told.collect()
}

// Shows: the early media of the latest branch are heard, or those of the first where the policy wants it | RFC 3261 13.2.2.4, interop row 20
#[test]
fn a_policy_decides_whose_early_media_are_heard() {
    for (early_media, early) in [
        (EarlyMedia::Latest, Finality::Provisional),
        (EarlyMedia::First, Finality::Behind),
    ] {
        let mut policy = CallPolicy::default();
        policy.early_media = early_media;
        let mut w = alone_with(Manner::Silent, policy);
        let (key, invite) = dial(&mut w, 1);
        for side in ["left", "right"] {
            let progress = invite.response("183 Progress", side, CONTACT);
            ask(&mut w, &with_sdp(&progress, SDP));
        }
        assert_eq!(told(&w), [(0, Some(early)), (1, Some(early))]);
        ask(&mut w, &invite.response("200 OK", "left", CONTACT));
        assert!(w.phones[0].is_connected(key));
        let end = [(0, Some(Finality::Final)), (1, None)];
        assert_eq!(told(&w)[2..], end);
    }
}

// Shows: a branch that answers is the call, though more ring than are told apart | RFC 3261 13.2.2.4
#[test]
fn a_branch_that_nobody_had_room_for_may_still_answer() {
    let mut w = alone(Manner::Silent);
    let (key, invite) = dial(&mut w, 1);
    let ringing = MAX_LEGS + 1;
    for n in 0..ringing {
        let progress = invite.response("183 Progress", &n.to_string(), CONTACT);
        ask(&mut w, &with_sdp(&progress, SDP));
    }
    assert_eq!(told(&w).len(), MAX_LEGS);
    assert_eq!(w.phones[0].agent.stats().excess_branches, 1);
    let ok = invite.response("200 OK", &MAX_LEGS.to_string(), CONTACT);
    ask(&mut w, &with_sdp(&ok, SDP));
    assert!(w.phones[0].is_connected(key));
    // One makes room first, the others go once the call is up.
    let told = &told(&w)[MAX_LEGS..];
    let last = MAX_LEGS as u32;
    assert_eq!(told[..2], [(0, None), (last, Some(Finality::Final))]);
    assert_eq!(told.len(), 1 + MAX_LEGS);
}
