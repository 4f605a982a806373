//! Calls to the peer.

use tsp_sip::call::{Command, EndCause};
use tsp_sip::wire::StatusCode;

use crate::peer::{
    CONTACT, Invite, PEER, SDP, US, alone, ask, ask_once, dial, field, ms, seconds, tag, with_sdp,
};
use crate::support::{Manner, kept};

#[test]
fn our_invite_has_what_it_must_have() {
    let mut w = alone(Manner::Silent);
    let (_, invite) = dial(&mut w, 1);
    let t = &invite.text;
    assert!(
        field(t, "Via")
            .unwrap()
            .starts_with("SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bK")
    );
    assert!(field(t, "Via").unwrap().ends_with(";rport"));
    assert_eq!(field(t, "Max-Forwards"), Some("70"));
    assert!(
        field(t, "From")
            .unwrap()
            .starts_with("<sip:user@192.0.2.2>;tag=")
    );
    assert_eq!(field(t, "To"), Some("<sip:p@192.0.2.9:5060>"));
    assert_eq!(field(t, "CSeq"), Some("1 INVITE"));
    assert_eq!(field(t, "Contact"), Some("<sip:user@192.0.2.2:5060>"));
    assert_eq!(field(t, "Content-Type"), Some("application/sdp"));
    assert!(
        t.contains("c=IN IP4 192.0.2.2\r\n") && t.contains("m=audio 40000 RTP/AVP 0 8 101\r\n")
    );
    assert!(tag(t, "From").len() >= 32);
}

// Shows: peers that vanish are given up
#[test]
fn a_phone_that_rings_for_ever_is_given_up() {
    let mut w = alone(Manner::Silent);
    let (key, invite) = dial(&mut w, 1);
    ask(&mut w, &invite.response("180 Ringing", "t", CONTACT));
    w.run(seconds(180));
    assert!(w.phones[0].ended(key).is_none() && w.heard().is_empty());
    w.run(seconds(2));
    assert!(w.heard()[0].starts_with("CANCEL"));
    assert_eq!(w.phones[0].ended(key).unwrap().cause, EndCause::NoAnswer);
}

// Shows: a call is taken back, also when CANCEL and 200 cross
#[test]
fn a_success_after_the_cancel_is_acknowledged_and_ended() {
    let mut w = alone(Manner::Silent);
    let (key, invite) = dial(&mut w, 1);
    ask(&mut w, &invite.response("180 Ringing", "t", CONTACT));
    w.command(0, Command::HangUp(key));
    w.run(ms(1));
    let cancel = w.heard().remove(0);
    assert!(cancel.starts_with("CANCEL") && field(&cancel, "Via") == field(&invite.text, "Via"));
    assert!(ask(&mut w, &Invite { text: cancel }.response("200 OK", "t", "")).is_empty());
    let heard = ask(
        &mut w,
        &with_sdp(&invite.response("200 OK", "t", CONTACT), SDP),
    );
    assert_eq!(
        heard.iter().map(|m| &m[..3]).collect::<Vec<_>>(),
        ["ACK", "BYE"]
    );
    // A copy of the 200 gets the ACK alone.
    assert_eq!(
        ask_once(
            &mut w,
            &with_sdp(&invite.response("200 OK", "t", CONTACT), SDP)
        ),
        heard[0]
    );
    let bye = Invite {
        text: heard[1].clone(),
    };
    ask(&mut w, &bye.response("200 OK", "", ""));
    assert!(w.phones[0].agent.is_idle());
    w.run(seconds(70));
    assert_eq!(kept(&w, 0), (0, 0, 0));
    assert_eq!(w.phones[0].kinds(key).len(), 2, "ringing and the end");
}

#[test]
fn a_refusal_carries_its_status() {
    let mut w = alone(Manner::Silent);
    let (key, invite) = dial(&mut w, 1);
    let ack = ask_once(&mut w, &invite.response("486 I am Busy", "t", ""));
    assert!(ack.starts_with("ACK"));
    let ended = w.phones[0].ended(key).unwrap();
    assert_eq!(
        (ended.cause, ended.status, &*ended.reason),
        (EndCause::Busy, Some(StatusCode::BUSY_HERE), "I am Busy")
    );
    assert_eq!(
        ask_once(&mut w, &invite.response("486 I am Busy", "t", "")),
        ack
    );
}

#[test]
fn an_answer_that_is_none_ends_the_call() {
    for body in ["", "v=0\nm=x\n", &SDP.replace("5000", "0")] {
        let mut w = alone(Manner::Silent);
        let (key, invite) = dial(&mut w, 1);
        let ok = invite.response("200 OK", "t", CONTACT);
        let heard = ask(
            &mut w,
            &if body.is_empty() {
                ok
            } else {
                with_sdp(&ok, body)
            },
        );
        assert_eq!(
            heard.iter().map(|m| &m[..3]).collect::<Vec<_>>(),
            ["ACK", "BYE"],
            "{body}"
        );
        assert_eq!(w.phones[0].ended(key).unwrap().cause, EndCause::Media);
    }
}

// Shows: host names in URIs, routes and media; IPv6
#[test]
fn a_route_by_name_is_looked_up_and_a_dead_one_falls_back() {
    let mut w = alone(Manner::Silent);
    w.names = vec![("proxy.example", "192.0.2.77")];
    let (_, invite) = dial(&mut w, 1);
    let routes = "Record-Route: <sip:proxy.example:5080;lr>\nContact: <sip:p@192.0.2.9>\n";
    w.inject(
        PEER,
        US,
        &with_sdp(&invite.response("200 OK", "t", routes), SDP),
    );
    w.run(ms(1));
    assert_eq!(w.strays[0].1, "192.0.2.77:5080".parse().unwrap());
    let ack = w.heard().remove(0);
    assert!(ack.starts_with("ACK sip:p@192.0.2.9 SIP/2.0\r\n"));
    assert_eq!(field(&ack, "Route"), Some("<sip:proxy.example:5080;lr>"));
    let (_, invite) = dial(&mut w, 2);
    let gone = "Contact: <sip:p@nowhere.example>\n";
    w.inject(
        PEER,
        US,
        &with_sdp(&invite.response("200 OK", "t", gone), SDP),
    );
    w.run(ms(1));
    assert_eq!(w.strays[0].1, PEER.parse().unwrap());
}
