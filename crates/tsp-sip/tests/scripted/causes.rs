//! Why calls end, and calls that are taken without anybody's doing.

use tsp_sip::call::{AutoAnswer, CallPolicy, Command, EndCause};

use crate::peer::{
    CONTACT, SDP, alone, alone_with, ask, ask_once, dial, ms, plain, seconds, with_sdp,
};
use crate::support::Manner;

// Shows: statuses, Reason and Q.850 come to one typed cause, with the status and the phrase kept | RFC 3326 2, interop row 33
#[test]
fn a_refusal_has_one_cause() {
    for (status, reason, cause) in [
        ("486 Busy Here", "", EndCause::Busy),
        (
            "480 Temporarily Unavailable",
            "Reason: Q.850;cause=17;text=\"User busy\"\n",
            EndCause::Busy,
        ),
        ("404 Not Found", "", EndCause::BadAddress),
        ("603 Decline", "", EndCause::Declined),
        ("503 Service Unavailable", "", EndCause::Congestion),
        (
            "500 Server Internal Error",
            "Reason: SIP;cause=500, Q.850;cause=38\n",
            EndCause::Congestion,
        ),
        ("488 Not Acceptable Here", "", EndCause::Incompatible),
        (
            "302 Moved Temporarily",
            "Contact: <sip:q@192.0.2.9>\n",
            EndCause::Forwarded,
        ),
        ("499 Whatever", "", EndCause::Refused),
    ] {
        let mut w = alone(Manner::Silent);
        let (key, invite) = dial(&mut w, 1);
        ask(&mut w, &invite.response(status, "p1", reason));
        let ended = w.phones[0].ended(key).unwrap();
        assert_eq!(ended.cause, cause, "{status}");
        let (code, phrase) = status.split_once(' ').unwrap();
        assert_eq!(ended.status.unwrap().code().to_string(), code);
        assert_eq!(&*ended.reason, phrase);
    }
}

// Shows: CANCEL with a Reason: a call that another phone took is none that was missed | RFC 3326 2
#[test]
fn a_call_that_is_taken_elsewhere_is_told_apart() {
    for (reason, cause) in [
        (
            "Reason: SIP;cause=200;text=\"Call completed elsewhere\"\n",
            EndCause::CompletedElsewhere,
        ),
        ("Reason: Q.850;cause=26\n", EndCause::CompletedElsewhere),
        ("Reason: SIP;cause=600\n", EndCause::Cancelled),
        ("", EndCause::Cancelled),
    ] {
        let mut w = alone(Manner::Ring);
        ask(
            &mut w,
            &with_sdp(
                &plain("INVITE sip:user@192.0.2.2", "x", "1 INVITE", ""),
                SDP,
            ),
        );
        let key = w.phones[0].incoming()[0];
        let heard = ask(
            &mut w,
            &plain("CANCEL sip:user@192.0.2.2", "x", "1 CANCEL", reason),
        );
        assert_eq!(
            heard.iter().map(|m| &m[..11]).collect::<Vec<_>>(),
            ["SIP/2.0 200", "SIP/2.0 487"]
        );
        assert_eq!(w.phones[0].ended(key).unwrap().cause, cause, "{reason}");
    }
}

// Shows: declining is 486; 603 only where it is asked for | RFC 3261 21.6.2
#[test]
fn a_call_that_is_declined_may_still_be_taken_elsewhere() {
    let declined = |command: fn(msp_core::id::CallKey) -> Command| {
        let mut w = alone(Manner::Ring);
        ask(
            &mut w,
            &with_sdp(
                &plain("INVITE sip:user@192.0.2.2", "x", "1 INVITE", ""),
                SDP,
            ),
        );
        let key = w.phones[0].incoming()[0];
        w.command(0, command(key));
        w.run(ms(1));
        w.heard().remove(0)
    };
    assert!(declined(Command::HangUp).starts_with("SIP/2.0 486"));
    let decline = |key| Command::Reject(key, tsp_sip::wire::StatusCode::DECLINE);
    assert!(declined(decline).starts_with("SIP/2.0 603"));
}

// Shows: calls that ask for it are taken by themselves, for who may | RFC 5373 3, RFC 3261 20.4
#[test]
fn calls_are_taken_by_themselves_for_who_may() {
    let known = |who: &str| AutoAnswer::Callers(vec!["192.0.2.77".into(), who.into()]);
    for (who, asks, after) in [
        (
            AutoAnswer::Anybody,
            "Alert-Info: <http://x.example>;info=alert-autoanswer\n",
            Some(0),
        ),
        (
            AutoAnswer::Anybody,
            "Call-Info: <sip:x@192.0.2.9>;answer-after=3\n",
            Some(3),
        ),
        (AutoAnswer::Anybody, "Answer-Mode: Auto\n", Some(0)),
        (AutoAnswer::Anybody, "Answer-Mode: Manual\n", None),
        (AutoAnswer::Anybody, "", None),
        (AutoAnswer::Nobody, "Answer-Mode: Auto\n", None),
        (known("P@192.0.2.9"), "Answer-Mode: Auto\n", Some(0)),
        (known("192.0.2.9"), "Answer-Mode: Auto\n", Some(0)),
        (known("q@192.0.2.9"), "Answer-Mode: Auto\n", None),
    ] {
        let mut policy = CallPolicy::default();
        policy.auto_answer = who.clone();
        let mut w = alone_with(Manner::Ring, policy);
        let ringing = ask(
            &mut w,
            &with_sdp(
                &plain("INVITE sip:user@192.0.2.2", "x", "1 INVITE", asks),
                SDP,
            ),
        );
        assert!(ringing[0].starts_with("SIP/2.0 180"), "{ringing:?}");
        let taken = |heard: &[String]| heard.iter().any(|m| m.starts_with("SIP/2.0 200"));
        let mut heard = ringing;
        if let Some(after @ 1..) = after {
            assert!(!taken(&heard));
            w.run(seconds(after) - ms(2));
            assert!(!taken(&w.heard()));
        }
        w.run(ms(10));
        heard.extend(w.heard());
        assert_eq!(taken(&heard), after.is_some(), "{who:?} {asks}");
    }
}

// Shows: a CANCEL after a 2xx changes nothing, a BYE in an early dialog ends the call, and after a BYE there is no call | RFC 3261 9.2, 15, RFC 5407 3.1, interop row 28
#[test]
fn endings_that_cross() {
    let mut w = alone(Manner::Ring);
    let invite = with_sdp(
        &plain("INVITE sip:user@192.0.2.2", "x", "1 INVITE", ""),
        SDP,
    );
    let ringing = ask_once(&mut w, &invite);
    let key = w.phones[0].incoming()[0];
    let our_tag = crate::peer::tag(&ringing, "To");
    w.command(0, Command::Answer(key));
    w.run(ms(1));
    assert!(w.heard()[0].starts_with("SIP/2.0 200"));
    let ok = ask_once(
        &mut w,
        &plain("CANCEL sip:user@192.0.2.2", "x", "1 CANCEL", ""),
    );
    assert!(
        ok.starts_with("SIP/2.0 200") && ok.contains("1 CANCEL"),
        "{ok}"
    );
    ask(&mut w, &crate::peer::within("ACK", "x", 1, &our_tag, ""));
    assert!(w.phones[0].is_connected(key));
    let bye = crate::peer::within("BYE", "x", 2, &our_tag, "");
    assert!(ask_once(&mut w, &bye).starts_with("SIP/2.0 200"));
    let late = crate::peer::change("x", 3, &our_tag);
    assert!(ask_once(&mut w, &late).starts_with("SIP/2.0 481"));
    // A BYE while it rings.
    let ringing = ask_once(
        &mut w,
        &invite.replace("z9hG4bKx", "z9hG4bKy").replace("c-x", "c-y"),
    );
    let key = w.phones[0].incoming()[1];
    let bye = crate::peer::within("BYE", "y", 2, &crate::peer::tag(&ringing, "To"), "");
    let heard = ask(&mut w, &bye);
    assert_eq!(
        heard.iter().map(|m| &m[..11]).collect::<Vec<_>>(),
        ["SIP/2.0 200", "SIP/2.0 487"]
    );
    assert_eq!(
        w.phones[0].ended(key).unwrap().cause,
        EndCause::RemoteHangUp
    );
    // A 2xx that comes after our CANCEL is acknowledged and ended.
    let (key, invite) = dial(&mut w, 1);
    ask(&mut w, &invite.response("180 Ringing", "p1", CONTACT));
    w.command(0, Command::HangUp(key));
    w.run(ms(1));
    assert!(w.heard()[0].starts_with("CANCEL "));
    let heard = ask(
        &mut w,
        &with_sdp(&invite.response("200 OK", "p1", CONTACT), SDP),
    );
    assert!(
        heard[0].starts_with("ACK ") && heard[1].starts_with("BYE "),
        "{heard:?}"
    );
}
