//! What the media half says, and when.

use msp_core::error::ErrorKind;
use msp_core::id::{CallKey, Generation, LegId};
use msp_core::link::{Envelope, ToTsp};
use tsp_sip::call::{CallEventKind, Input};

use crate::peer::{CONTACT, SDP, alone, ask, call_up, dial, ms, with_sdp, within};
use crate::support::Manner;

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
