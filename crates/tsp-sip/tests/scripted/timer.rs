//! Session timers.

use std::time::Duration;

use tsp_sip::call::{CallPolicy, ChangeBy, Command, EndCause, RefreshedBy, SessionTimers};
use tsp_sip::wire::Uri;

use crate::peer::{
    CONTACT, Invite, PEER, SDP, US, alone, alone_with, ask, ask_once, change, dial, field, ms,
    plain, seconds, tag, with_sdp, within,
};
use crate::support::{Manner, World, kept};

fn policy(wanted: Option<u64>, min: u64, refresher: RefreshedBy, by: ChangeBy) -> CallPolicy {
    let mut policy = CallPolicy::default();
    policy.timers = Some(SessionTimers {
        wanted: wanted.map(Duration::from_secs),
        min: Duration::from_secs(min),
        refresher,
        by,
    });
    policy
}

/// A call from the peer that is up: what our 200 said, and our tag.
fn called(w: &mut World, extra: &str) -> (String, String) {
    let invite = plain("INVITE sip:user@192.0.2.2", "x", "1 INVITE", extra);
    let heard = ask(w, &with_sdp(&invite, SDP));
    let ok = heard.last().cloned().unwrap_or_default();
    let our_tag = tag(&ok, "To");
    ask(w, &within("ACK", "x", 1, &our_tag, ""));
    (ok, our_tag)
}

fn response(request: &str, status: &str, extra: &str) -> String {
    Invite {
        text: request.into(),
    }
    .response(status, "", extra)
}

// Shows: session timers as the called end: who refreshes, how long, and who knows nothing of them | RFC 4028 9, interop row 36
#[test]
fn what_a_caller_asks_for_is_answered() {
    use RefreshedBy::{Either, Peer, Us};
    for (wanted, refresher, extra, expires, require) in [
        (None, Either, "Supported: timer\n", None, None),
        (
            None,
            Either,
            "Supported: timer\nSession-Expires: 1800\n",
            Some("1800;refresher=uac"),
            Some("timer"),
        ),
        (
            None,
            Us,
            "Supported: timer\nSession-Expires: 1800\n",
            Some("1800;refresher=uas"),
            None,
        ),
        (
            None,
            Either,
            "Supported: timer\nSession-Expires: 1800;refresher=uas\n",
            Some("1800;refresher=uas"),
            None,
        ),
        (
            None,
            Us,
            "Supported: timer\nSession-Expires: 1800;refresher=uac\n",
            Some("1800;refresher=uac"),
            Some("timer"),
        ),
        // A proxy asked for a caller that cannot: we refresh.
        (
            None,
            Peer,
            "Session-Expires: 1800\n",
            Some("1800;refresher=uas"),
            None,
        ),
        // We shorten it, but not below what everybody on the way takes.
        (
            Some(600),
            Either,
            "Supported: timer\nx: 1800\n",
            Some("600;refresher=uac"),
            Some("timer"),
        ),
        (
            Some(600),
            Either,
            "Supported: timer\nSession-Expires: 3600\nMin-SE: 1800\n",
            Some("1800;refresher=uac"),
            Some("timer"),
        ),
        // We ask where the caller did not.
        (Some(600), Either, "", Some("600;refresher=uas"), None),
        (
            Some(600),
            Peer,
            "Supported: timer\n",
            Some("600;refresher=uac"),
            Some("timer"),
        ),
    ] {
        let mut w = alone_with(
            Manner::Answer,
            policy(wanted, 90, refresher, ChangeBy::Update),
        );
        let (ok, _) = called(&mut w, extra);
        let said = (field(&ok, "Session-Expires"), field(&ok, "Require"));
        assert_eq!(said, (expires, require), "{wanted:?} {refresher:?} {extra}");
    }
}

// Shows: an interval that is too short gets 422 with Min-SE; one that nobody can refuse is made longer | RFC 4028 5 and 9, interop row 36
#[test]
fn too_short_a_session_is_refused() {
    let mut w = alone_with(
        Manner::Answer,
        policy(None, 300, RefreshedBy::Either, ChangeBy::Update),
    );
    let short = plain(
        "INVITE sip:user@192.0.2.2",
        "s",
        "1 INVITE",
        "Supported: timer\nSession-Expires: 120\n",
    );
    let refused = ask_once(&mut w, &with_sdp(&short, SDP));
    assert!(
        refused.starts_with("SIP/2.0 422") && field(&refused, "Min-SE") == Some("300"),
        "{refused}"
    );
    ask(
        &mut w,
        &short
            .replace("INVITE sip", "ACK sip")
            .replace("1 INVITE", "1 ACK"),
    );
    let (ok, our_tag) = called(&mut w, "Session-Expires: 120\n");
    assert_eq!(field(&ok, "Session-Expires"), Some("300;refresher=uas"));
    let refused = ask_once(
        &mut w,
        &within(
            "UPDATE",
            "x",
            2,
            &our_tag,
            "Supported: timer\nSession-Expires: 0\n",
        ),
    );
    assert!(refused.starts_with("SIP/2.0 422"), "{refused}");
}

// Shows: a session that the peer shall refresh ends without a refresh, and lives with one | RFC 4028 10, interop row 36
#[test]
fn a_session_that_nobody_refreshes_ends() {
    let mut w = alone(Manner::Answer);
    let (_, our_tag) = called(
        &mut w,
        "Supported: timer\nSession-Expires: 90;refresher=uac\n",
    );
    let key = w.phones[0].incoming()[0];
    let media = w.phones[0].media.len();
    for number in 2..6 {
        w.run(seconds(55));
        assert!(w.heard().is_empty());
        let refresh = within(
            "UPDATE",
            "x",
            number,
            &our_tag,
            "Supported: timer\nSession-Expires: 90;refresher=uac\n",
        );
        let ok = ask_once(&mut w, &refresh);
        assert_eq!(
            field(&ok, "Session-Expires"),
            Some("90;refresher=uac"),
            "{ok}"
        );
    }
    assert_eq!(w.phones[0].media.len(), media, "media were not touched");
    w.run(seconds(59));
    assert!(w.heard().is_empty() && w.phones[0].ended(key).is_none());
    w.run(seconds(2));
    assert!(w.heard()[0].starts_with("BYE "));
    assert_eq!(w.phones[0].ended(key).unwrap().cause, EndCause::Unreachable);
}

// Shows: we refresh, by UPDATE or by an INVITE that says the same again and touches no media; 503 and 422 on the way | RFC 4028 7.4 and 10, interop rows 36 and 41
#[test]
fn we_refresh_a_session() {
    for (by, allow, method) in [
        (ChangeBy::Update, "Allow: INVITE, UPDATE\n", "UPDATE"),
        (ChangeBy::Update, "Allow: INVITE\n", "INVITE"),
        (ChangeBy::Invite, "Allow: INVITE, UPDATE\n", "INVITE"),
    ] {
        let mut w = alone_with(Manner::Answer, policy(None, 90, RefreshedBy::Us, by));
        let (ok, _) = called(
            &mut w,
            &format!("{allow}Supported: timer\nSession-Expires: 200\n"),
        );
        let key = w.phones[0].incoming()[0];
        let body = |m: &str| m.split("\r\n\r\n").nth(1).unwrap().to_owned();
        let (media, events) = (w.phones[0].media.len(), w.phones[0].kinds(key).len());
        w.run(seconds(99));
        assert!(w.heard().is_empty());
        w.run(seconds(2));
        let refresh = w.heard().remove(0);
        assert!(refresh.starts_with(method), "{refresh}");
        assert_eq!(
            field(&refresh, "Session-Expires"),
            Some("200;refresher=uac")
        );
        assert_eq!(field(&refresh, "Min-SE"), Some("90"));
        match method {
            "INVITE" => assert_eq!(
                body(&refresh),
                body(&ok),
                "the same again, with its version"
            ),
            _ => assert!(body(&refresh).is_empty()),
        }
        // A server has no room just now.
        ask(&mut w, &response(&refresh, "503 Service Unavailable", ""));
        w.run(ms(9000));
        w.heard();
        w.run(ms(2000));
        let refresh = w.heard().remove(0);
        assert!(refresh.starts_with(method), "{refresh}");
        // Somebody on the way wants it longer.
        let again = ask(
            &mut w,
            &response(&refresh, "422 Session Interval Too Small", "Min-SE: 1800\n"),
        );
        let refresh = again.last().unwrap();
        assert_eq!(
            field(refresh, "Session-Expires"),
            Some("1800;refresher=uac"),
            "{again:?}"
        );
        assert_eq!(field(refresh, "Min-SE"), Some("1800"));
        let extra = format!("{CONTACT}Require: timer\nSession-Expires: 1800;refresher=uac\n");
        let done = response(refresh, "200 OK", &extra);
        ask(
            &mut w,
            &if method == "INVITE" {
                with_sdp(&done, SDP)
            } else {
                done
            },
        );
        assert_eq!(w.phones[0].media.len(), media, "media were not touched");
        assert_eq!(w.phones[0].kinds(key).len(), events);
        w.run(seconds(899));
        assert!(w.heard().is_empty());
        w.run(seconds(2));
        let refresh = w.heard().remove(0);
        assert!(refresh.starts_with(method), "{refresh}");
        // The peer does not know the call any more.
        ask(&mut w, &response(&refresh, "481 Call Does Not Exist", ""));
        assert!(w.phones[0].ended(key).is_some());
    }
}

// Shows: session timers as the calling end: asked for, 422 with a large Min-SE, a peer that knows none | RFC 4028 7, interop row 36
#[test]
fn we_ask_for_a_session_timer() {
    let mut w = alone_with(
        Manner::Silent,
        policy(Some(600), 90, RefreshedBy::Peer, ChangeBy::Update),
    );
    let (key, invite) = dial(&mut w, 1);
    assert_eq!(
        field(&invite.text, "Session-Expires"),
        Some("600;refresher=uas")
    );
    assert_eq!(field(&invite.text, "Min-SE"), Some("90"));
    let heard = ask(
        &mut w,
        &invite.response("422 Session Interval Too Small", "p0", "Min-SE: 1800\n"),
    );
    assert!(
        heard[0].starts_with("ACK ") && heard[1].starts_with("INVITE "),
        "{heard:?}"
    );
    let again = Invite {
        text: heard[1].clone(),
    };
    assert_eq!(
        field(&again.text, "Session-Expires"),
        Some("1800;refresher=uas")
    );
    assert_eq!(field(&again.text, "Min-SE"), Some("1800"));
    assert_eq!(field(&again.text, "CSeq"), Some("2 INVITE"));
    for name in ["From", "To", "Call-ID"] {
        assert_eq!(field(&again.text, name), field(&invite.text, name));
    }
    // A peer without timers: we look after it ourselves.
    let ok = with_sdp(
        &again.response("200 OK", "p1", &format!("{CONTACT}Allow: INVITE, UPDATE\n")),
        SDP,
    );
    ask(&mut w, &ok);
    assert!(w.phones[0].is_connected(key));
    w.run(seconds(301));
    let refresh = w.heard().remove(0);
    assert!(refresh.starts_with("UPDATE "), "{refresh}");
    // It takes none after all.
    let heard = ask(&mut w, &response(&refresh, "501 Not Implemented", ""));
    assert!(
        heard[0].starts_with("INVITE ") && heard[0].contains("m=audio"),
        "{heard:?}"
    );
    ask(
        &mut w,
        &with_sdp(&response(&heard[0], "200 OK", CONTACT), SDP),
    );
    w.run(seconds(200));
    assert!(w.phones[0].ended(key).is_none());
    // A 422 that asks for nothing, or for less each time, ends the call.
    let (key, invite) = dial(&mut w, 2);
    ask(
        &mut w,
        &invite.response("422 Session Interval Too Small", "p0", ""),
    );
    assert!(w.phones[0].ended(key).is_some());
}

// Shows: session timers off: neither asked for nor taken | RFC 4028
#[test]
fn without_timers_nothing_is_said_of_them() {
    let mut policy = CallPolicy::default();
    policy.timers = None;
    let mut w = alone_with(Manner::Answer, policy);
    let (ok, _) = called(&mut w, "Supported: timer\nSession-Expires: 90\n");
    assert_eq!(
        (field(&ok, "Session-Expires"), field(&ok, "Supported")),
        (None, Some("100rel, replaces, norefersub"))
    );
    w.run(seconds(200));
    assert!(w.heard().is_empty());
    let insists = plain(
        "INVITE sip:user@192.0.2.2",
        "y",
        "1 INVITE",
        "Require: timer\n",
    );
    assert!(ask_once(&mut w, &insists).starts_with("SIP/2.0 420"));
}

// Shows: a session runs out also where other timers of the call came and went before it | RFC 4028 10
#[test]
fn a_session_runs_out_after_a_transfer_that_nobody_answered() {
    let mut w = alone(Manner::Answer);
    let expires = "Supported: timer\nSession-Expires: 90;refresher=uac\n";
    let (_, our_tag) = called(&mut w, expires);
    let key = w.phones[0].incoming()[0];
    let to = Uri::new("sip:carol@192.0.2.7").expect("a URI");
    w.command(0, Command::Transfer { key, to });
    // While the transfer waits for its answer the peer refreshes once, and dies.
    w.run(seconds(10));
    w.heard();
    ask_once(&mut w, &within("UPDATE", "x", 2, &our_tag, expires));
    w.run(seconds(55));
    w.heard();
    assert!(w.phones[0].ended(key).is_none());
    w.run(seconds(10));
    assert!(w.heard()[0].starts_with("BYE "));
    let ended = w.phones[0].ended(key).expect("over");
    assert_eq!(&*ended.reason, "nobody refreshed the session");
}

// Shows: what a peer asks for is answered when its call ends for another reason meanwhile | RFC 3261 15.1.2
#[test]
fn a_change_that_is_served_ends_with_the_session() {
    let mut w = alone(Manner::Answer);
    let expires = "Supported: timer\nSession-Expires: 90;refresher=uac\n";
    let (_, our_tag) = called(&mut w, expires);
    let key = w.phones[0].incoming()[0];
    w.run(seconds(55));
    w.phones[0].mute_media = true;
    w.inject(PEER, US, &change("x", 2, &our_tag));
    w.run(seconds(6));
    let heard = w.heard();
    let has = |start: &str| heard.iter().any(|m| m.starts_with(start));
    assert!(has("BYE ") && has("SIP/2.0 487"), "{heard:?}");
    assert!(w.phones[0].ended(key).is_some());
    ask(&mut w, &within("ACK", "x", 2, &our_tag, ""));
    w.run(seconds(40));
    assert_eq!(kept(&w, 0), (0, 0, 0));
}
