//! Calls of ours whose INVITE makes no offer.

use msp_core::error::ErrorKind;
use msp_core::id::CallKey;
use msp_core::link::{Finality, OfferRole, ToMsp};
use tsp_sip::call::{CallEventKind, CallPolicy, Command, EndCause};

use crate::peer::{CONTACT, Invite, SDP, alone_with, ask, ask_once, dial, field, ms, with_sdp};
use crate::support::{Manner, World};

/// A call of ours without an offer.
fn offerless() -> (World, CallKey, Invite) {
    let mut policy = CallPolicy::default();
    policy.late_offer = true;
    let mut w = alone_with(Manner::Silent, policy);
    let (key, invite) = dial(&mut w, 1);
    (w, key, invite)
}

fn starts(heard: &[String]) -> Vec<&str> {
    heard
        .iter()
        .map(|m| m.split(' ').next().unwrap_or_default())
        .collect()
}

fn media_line(message: &str) -> Option<&str> {
    message.lines().find(|l| l.starts_with("m="))
}

fn finalities(w: &World) -> Vec<Finality> {
    let told = w.phones[0].media.iter().filter_map(|m| match &m.body {
        ToMsp::Apply { finality, .. } => Some(*finality),
        _ => None,
    });
    told.collect()
}

// Shows: late offer from our side: no offer in INVITE, the peer's in its 200, our answer in the ACK | RFC 3261 13.2.1, interop row 25
#[test]
fn an_offer_in_the_200_is_answered_in_the_ack() {
    let (mut w, key, invite) = offerless();
    assert_eq!(field(&invite.text, "Content-Length"), Some("0"));
    let accept = field(&invite.text, "Accept");
    assert!(accept.is_some_and(|a| a.starts_with("application/sdp")));
    assert!(
        w.phones[0].media.is_empty(),
        "no port is open for a call that may never come"
    );
    // Without being acknowledged nothing makes an offer.
    let progress = invite.response("183 Progress", "t", CONTACT);
    assert!(ask(&mut w, &with_sdp(&progress, SDP)).is_empty());
    assert!(w.phones[0].media.is_empty());
    w.phones[0].mute_media = true;
    let ok = with_sdp(&invite.response("200 OK", "t", CONTACT), SDP);
    assert!(ask(&mut w, &ok).is_empty());
    assert!(ask(&mut w, &ok).is_empty(), "a copy hurries nobody");
    let prepare = &w.phones[0].media[0].body;
    assert!(matches!(
        prepare,
        ToMsp::Prepare {
            role: OfferRole::Answerer,
            ..
        }
    ));
    w.release_media(0);
    assert!(!w.phones[0].is_connected(key), "nothing is applied yet");
    w.release_media(0);
    w.run(ms(1));
    let heard = w.heard();
    assert_eq!(starts(&heard), ["ACK"]);
    assert_eq!(media_line(&heard[0]), Some("m=audio 40000 RTP/AVP 0"));
    assert!(w.phones[0].is_connected(key));
    assert_eq!(finalities(&w), [Finality::Final]);
    assert_eq!(ask_once(&mut w, &ok), heard[0], "each copy gets the ACK");
    w.command(0, Command::HangUp(key));
    w.run(ms(1));
    assert_eq!(starts(&w.heard()), ["BYE"]);
}

// Shows: an offer in a reliable 183 to our INVITE without one is answered in PRACK: media come early | RFC 3262 5, interop row 25
#[test]
fn an_offer_in_a_reliable_183_is_answered_in_prack() {
    let (mut w, key, invite) = offerless();
    let reliable = format!("{CONTACT}Require: 100rel\nRSeq: 7\n");
    let progress = with_sdp(&invite.response("183 Progress", "t", &reliable), SDP);
    let prack = ask_once(&mut w, &progress);
    assert!(prack.starts_with("PRACK "));
    assert_eq!(field(&prack, "RAck"), Some("7 1 INVITE"));
    assert_eq!(media_line(&prack), Some("m=audio 40000 RTP/AVP 0"));
    assert!(ask(&mut w, &progress).is_empty(), "a copy is none");
    assert_eq!(w.phones[0].kinds(key), [&CallEventKind::EarlyMedia]);
    ask(&mut w, &Invite { text: prack }.response("200 OK", "", ""));
    // Another without a description is acknowledged without one.
    let again = reliable.replace("RSeq: 7", "RSeq: 8");
    let prack = ask_once(&mut w, &invite.response("180 Ringing", "t", &again));
    assert!(prack.starts_with("PRACK ") && media_line(&prack).is_none());
    let ack = ask_once(&mut w, &invite.response("200 OK", "t", CONTACT));
    assert!(ack.starts_with("ACK ") && media_line(&ack).is_none());
    assert!(w.phones[0].is_connected(key));
    assert_eq!(
        finalities(&w),
        [Finality::Provisional, Finality::Final],
        "what was agreed early holds"
    );
}

// Shows: a late offer that cannot be accepted is answered with port 0, and the call ends | RFC 3261 13.2.2.4, RFC 3264 6, interop row 25
#[test]
fn a_late_offer_that_is_no_good_ends_the_call() {
    let refused = Some("m=audio 0 RTP/AVP 99");
    let strange = SDP.replace("AVP 0 8", "AVP 99\na=rtpmap:99 X/8000");
    for (sdp, line) in [("", None), ("v=0\nm=x\n", None), (&*strange, refused)] {
        let (mut w, key, invite) = offerless();
        let ok = invite.response("200 OK", "t", CONTACT);
        let ok = if sdp.is_empty() {
            ok
        } else {
            with_sdp(&ok, sdp)
        };
        let heard = ask(&mut w, &ok);
        assert_eq!(starts(&heard), ["ACK", "BYE"], "{sdp}");
        assert_eq!(media_line(&heard[0]), line, "{sdp}");
        assert_eq!(w.phones[0].ended(key).unwrap().cause, EndCause::Media);
    }
    // Early, the PRACK says so and the INVITE is taken back.
    let (mut w, key, invite) = offerless();
    let reliable = format!("{CONTACT}Require: 100rel\nRSeq: 7\n");
    let progress = invite.response("183 Progress", "t", &reliable);
    let heard = ask(&mut w, &with_sdp(&progress, &strange));
    assert_eq!(starts(&heard), ["PRACK", "CANCEL"]);
    assert_eq!(media_line(&heard[0]), refused);
    assert_eq!(w.phones[0].ended(key).unwrap().cause, EndCause::Media);
}

// Shows: a call without an offer that ends before its ACK: media half that cannot, hang-up, CANCEL that crosses | RFC 3261 13.2.2.4
#[test]
fn a_call_ends_while_its_answer_is_owed() {
    let nothing = Some("m=audio 0 RTP/AVP 0 8");
    for way in 0..4 {
        let (mut w, key, invite) = offerless();
        let ok = with_sdp(&invite.response("200 OK", "t", CONTACT), SDP);
        let (heard, cause, line) = match way {
            0 => {
                w.phones[0].refuse_prepare = Some(ErrorKind::Busy);
                (ask(&mut w, &ok), EndCause::Media, nothing)
            }
            1 => {
                w.phones[0].refuse_apply = Some(ErrorKind::Busy);
                let said = Some("m=audio 40000 RTP/AVP 0");
                (ask(&mut w, &ok), EndCause::Media, said)
            }
            2 => {
                w.phones[0].mute_media = true;
                assert!(ask(&mut w, &ok).is_empty());
                w.command(0, Command::HangUp(key));
                w.run(ms(1));
                (w.heard(), EndCause::LocalHangUp, nothing)
            }
            _ => {
                ask(&mut w, &invite.response("180 Ringing", "t", CONTACT));
                w.command(0, Command::HangUp(key));
                w.run(ms(1));
                assert_eq!(starts(&w.heard()), ["CANCEL"]);
                (ask(&mut w, &ok), EndCause::Cancelled, nothing)
            }
        };
        assert_eq!(starts(&heard), ["ACK", "BYE"], "{way}");
        assert_eq!(media_line(&heard[0]), line, "{way}");
        assert_eq!(w.phones[0].ended(key).unwrap().cause, cause, "{way}");
    }
}

// Shows: forks without an offer: the branch that answers first is the call, the others get an answer that takes nothing | RFC 3261 13.2.2.4
#[test]
fn only_one_branch_of_a_fork_is_answered() {
    let (mut w, key, invite) = offerless();
    for (side, wanted, line) in [
        ("right", &["ACK"][..], "m=audio 40000 RTP/AVP 0"),
        ("left", &["ACK", "BYE"], "m=audio 0 RTP/AVP 0 8"),
    ] {
        ask(&mut w, &invite.response("180 Ringing", side, CONTACT));
        let ok = with_sdp(&invite.response("200 OK", side, CONTACT), SDP);
        let heard = ask(&mut w, &ok);
        assert_eq!(starts(&heard), wanted, "{side}");
        assert_eq!(media_line(&heard[0]), Some(line), "{side}");
    }
    assert!(w.phones[0].is_connected(key) && w.phones[0].ended(key).is_none());
}
