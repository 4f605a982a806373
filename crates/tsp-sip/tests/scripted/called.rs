//! Calls from the peer.

use msp_core::link::{Finality, ToMsp};
use tsp_sip::call::{CallEventKind, Command, EndCause};

use crate::peer::{
    PEER, SDP, US, alone, ask, ask_once, call_up, field, ms, plain, seconds, tag, with_sdp, within,
};
use crate::support::{Manner, kept};

// Shows: calls both ways, hung up by either end
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
    let from = "From: \"P. Eer\" <sip:p@192.0.2.9;user=phone>;x=y;tag=p1";
    let invite = invite.replace("From: <sip:p@192.0.2.9>;tag=p1", from);
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
    assert_eq!(&**from, "\"P. Eer\" <sip:p@192.0.2.9;user=phone>");
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

// Shows: a call is taken back, also when CANCEL and 200 cross
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

// Shows: the answer holds on the media side before the 200 leaves; late offers
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

// Shows: host names in URIs, routes and media; IPv6
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
fn copies_of_what_made_and_ended_a_call_find_nothing_new() {
    let mut w = alone(Manner::Answer);
    let our_tag = call_up(&mut w, "x");
    let bye = within("BYE", "x", 2, &our_tag, "");
    let ok = ask_once(&mut w, &bye);
    let (calls, dialogs, _) = kept(&w, 0);
    assert_eq!((calls, dialogs), (0, 0), "the call itself is gone at once");
    w.run(seconds(30));
    assert_eq!(ask_once(&mut w, &bye), ok);
    let invite = plain("INVITE sip:user@192.0.2.2", "x", "1 INVITE", "");
    assert!(ask(&mut w, &with_sdp(&invite, SDP)).is_empty());
    assert!(ask(&mut w, &within("ACK", "x", 1, &our_tag, "")).is_empty());
    // Nor can it be taken back any more (RFC 3261 section 9.2).
    let cancel = plain("CANCEL sip:user@192.0.2.2", "x", "1 CANCEL", "");
    assert!(ask_once(&mut w, &cancel).starts_with("SIP/2.0 200"));
    assert_eq!(w.phones[0].incoming().len(), 1);
    let late = within("OPTIONS", "x", 3, &our_tag, "");
    assert!(ask_once(&mut w, &late).starts_with("SIP/2.0 481"));
    w.run(seconds(40));
    assert_eq!(kept(&w, 0), (0, 0, 0));
}
