//! Calls that are sent on to somebody else.

use tsp_sip::call::{CallEventKind, CallPolicy, Command, EndCause, Redirect};
use tsp_sip::wire::{StatusCode, Uri};

use crate::peer::{CONTACT, Invite, SDP, alone_with, ask, dial, field, ms, with_sdp};
use crate::support::{Manner, World};

const MOVED: &str = "302 Moved Temporarily";

fn world(redirect: Redirect) -> World {
    let mut policy = CallPolicy::default();
    policy.redirect = redirect;
    alone_with(Manner::Silent, policy)
}

/// Refuses `invite`, and gives the INVITE that follows, if one does.
fn refuse(w: &mut World, invite: &Invite, status: &str, extra: &str) -> Option<Invite> {
    let heard = ask(w, &invite.response(status, "p1", extra));
    assert!(heard[0].starts_with("ACK "), "{heard:?}");
    assert!(heard.len() <= 2, "{heard:?}");
    heard.get(1).map(|text| Invite { text: text.clone() })
}

fn uri(invite: &Invite) -> &str {
    invite.text.split(' ').nth(1).unwrap_or_default()
}

// Shows: 3xx is followed by preference, the next is tried where one fails, and nobody is tried twice | RFC 3261 8.1.3.4, interop row 27
#[test]
fn a_redirected_call_is_tried_by_preference() {
    let mut w = world(Redirect::Follow);
    let (key, invite) = dial(&mut w, 1);
    let contacts = "Contact: <sip:low@192.0.2.9>;q=0.1, <sip:high@192.0.2.9>;q=0.9, <sip:p@192.0.2.9:5060>;q=1.0\nContact: <mailto:p@x.example>\n";
    let high = refuse(&mut w, &invite, MOVED, contacts).unwrap();
    assert_eq!(uri(&high), "sip:high@192.0.2.9");
    assert_eq!(field(&high.text, "CSeq"), Some("2 INVITE"));
    for name in ["From", "To", "Call-ID"] {
        assert_eq!(
            field(&high.text, name),
            field(&invite.text, name),
            "who is called stays"
        );
    }
    assert!(high.text.contains("m=audio 40000"));
    // It rings there, and is refused.
    ask(&mut w, &high.response("180 Ringing", "h1", CONTACT));
    let low = refuse(&mut w, &high, "486 Busy Here", "").unwrap();
    assert_eq!(uri(&low), "sip:low@192.0.2.9");
    // Back to where it was already: nobody is left.
    assert!(refuse(&mut w, &low, MOVED, "Contact: <sip:high@192.0.2.9>\n").is_none());
    let ended = w.phones[0].ended(key).unwrap();
    assert_eq!(
        (ended.cause, ended.status),
        (EndCause::Forwarded, StatusCode::new(302))
    );
    // One that answers is the call.
    let (key, invite) = dial(&mut w, 2);
    let next = refuse(&mut w, &invite, MOVED, "Contact: <sip:q@192.0.2.9>\n").unwrap();
    let heard = ask(
        &mut w,
        &with_sdp(&next.response("200 OK", "q1", CONTACT), SDP),
    );
    assert!(
        heard[0].starts_with("ACK ") && field(&heard[0], "CSeq") == Some("2 ACK"),
        "{heard:?}"
    );
    assert!(w.phones[0].is_connected(key));
}

// Shows: a redirection that never ends is given up, and 6xx ends all of it | RFC 3261 16.5, interop row 27
#[test]
fn redirections_come_to_an_end() {
    let mut w = world(Redirect::Follow);
    let (key, mut invite) = dial(&mut w, 1);
    let mut tried = 1;
    while let Some(next) = refuse(
        &mut w,
        &invite,
        MOVED,
        &format!("Contact: <sip:n{tried}@192.0.2.9>\n"),
    ) {
        (invite, tried) = (next, tried + 1);
        assert!(tried < 20);
    }
    assert_eq!(tried, 8);
    assert_eq!(w.phones[0].ended(key).unwrap().cause, EndCause::Forwarded);
    let (key, invite) = dial(&mut w, 2);
    let next = refuse(
        &mut w,
        &invite,
        "300 Multiple Choices",
        "Contact: <sip:q@192.0.2.9>, <sip:r@192.0.2.9>\n",
    )
    .unwrap();
    assert!(refuse(&mut w, &next, "603 Decline", "").is_none());
    assert_eq!(w.phones[0].ended(key).unwrap().cause, EndCause::Declined);
    w.run(std::time::Duration::from_secs(100));
    assert_eq!(crate::support::kept(&w, 0), (0, 0, 0));
}

// Shows: 3xx: refused, followed with another To, or the application is asked | interop row 27
#[test]
fn a_policy_decides_about_a_redirection() {
    let contact = "Contact: <sip:q@192.0.2.9>, <sip:r@192.0.2.9>\n";
    let mut w = world(Redirect::Reject);
    let (key, invite) = dial(&mut w, 1);
    assert!(refuse(&mut w, &invite, MOVED, contact).is_none());
    assert_eq!(w.phones[0].ended(key).unwrap().cause, EndCause::Forwarded);
    let mut w = world(Redirect::FollowTo);
    let (_, invite) = dial(&mut w, 1);
    let next = refuse(&mut w, &invite, MOVED, contact).unwrap();
    assert_eq!(field(&next.text, "To"), Some("<sip:q@192.0.2.9>"));
    let mut w = world(Redirect::Ask);
    let (key, invite) = dial(&mut w, 1);
    assert!(refuse(&mut w, &invite, MOVED, contact).is_none());
    let uri_of = |text: &str| Uri::new(text.to_owned()).unwrap();
    let targets = vec![uri_of("sip:q@192.0.2.9"), uri_of("sip:r@192.0.2.9")];
    assert_eq!(
        w.phones[0].kinds(key),
        [&CallEventKind::Redirected { targets }]
    );
    w.command(0, Command::Follow(key, uri_of("sip:r@192.0.2.9")));
    w.run(ms(1));
    let next = Invite {
        text: w.heard().remove(0),
    };
    assert_eq!(uri(&next), "sip:r@192.0.2.9");
    ask(
        &mut w,
        &with_sdp(&next.response("200 OK", "r1", CONTACT), SDP),
    );
    assert!(w.phones[0].is_connected(key));
    // It may say no.
    let (key, invite) = dial(&mut w, 2);
    assert!(refuse(&mut w, &invite, MOVED, contact).is_none());
    w.command(0, Command::HangUp(key));
    assert_eq!(w.phones[0].ended(key).unwrap().cause, EndCause::Cancelled);
}

// Shows: where there is no way to a target the next is tried | RFC 3261 8.1.3.4
#[test]
fn a_target_without_an_address_is_passed_over() {
    let mut w = world(Redirect::Follow);
    let (_, invite) = dial(&mut w, 1);
    let contacts = "Contact: <sip:a@nowhere.example>, <sip:b@192.0.2.9>\n";
    let next = refuse(&mut w, &invite, MOVED, contacts).unwrap();
    assert_eq!(uri(&next), "sip:b@192.0.2.9");
    let (key, invite) = dial(&mut w, 2);
    assert!(refuse(&mut w, &invite, MOVED, "Contact: <sip:a@nowhere.example>\n").is_none());
    assert_eq!(
        w.phones[0].ended(key).unwrap().cause,
        EndCause::Unresolvable
    );
}
