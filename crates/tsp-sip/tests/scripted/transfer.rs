//! Calls that are passed on: REFER both ways, and INVITE with Replaces.

use msp_core::id::CallKey;
use netsim::Impairment;
use tsp_sip::call::{CallEventKind, Command, EndCause};
use tsp_sip::wire::{StatusCode, Uri};

use crate::peer::{
    CONTACT, Invite, SDP, alone, ask, ask_once, call_up, dial, field, ms, plain, seconds, tag,
    with_sdp, within,
};
use crate::support::{Manner, Phone, World, kept};

/// A call from the peer that we asked to be passed on, our tag, and our REFER.
fn referring() -> (World, CallKey, String, Invite) {
    let mut w = alone(Manner::Answer);
    let our_tag = call_up(&mut w, "x");
    let key = w.phones[0].incoming()[0];
    let to = Uri::new("sip:carol@192.0.2.7").expect("a URI");
    w.command(0, Command::Transfer { key, to });
    w.run(ms(1));
    let text = w.heard().remove(0);
    (w, key, our_tag, Invite { text })
}

fn notify(number: u32, our_tag: &str, state: &str, body: &str) -> String {
    let extra = format!(
        "Event: refer\nSubscription-State: {state}\nContent-Type: message/sipfrag;version=2.0\n"
    );
    let head = within("NOTIFY", "x", number, our_tag, &extra);
    let length = body.replace('\n', "\r\n").len();
    head.replace("\n\n", &format!("\nContent-Length: {length}\n\n{body}"))
}

fn has(w: &World, key: CallKey, kind: &CallEventKind) -> bool {
    w.phones[0].kinds(key).contains(&kind)
}

fn ok(text: &str) -> String {
    let reply = Invite {
        text: text.to_owned(),
    };
    reply.response("200 OK", "", "")
}

// Shows: blind transfer by us: REFER, notices of its progress, then BYE | RFC 3515, RFC 5589 6, interop row 42
#[test]
fn a_call_is_passed_on_and_ends() {
    let (mut w, key, our_tag, refer) = referring();
    assert!(
        refer
            .text
            .starts_with("REFER sip:p@192.0.2.9:5060 SIP/2.0\r\n")
    );
    assert_eq!(
        field(&refer.text, "Refer-To"),
        Some("<sip:carol@192.0.2.7>")
    );
    assert_eq!(
        field(&refer.text, "Referred-By"),
        Some("<sip:user@192.0.2.2>")
    );
    assert_eq!(
        field(&refer.text, "Contact"),
        Some("<sip:user@192.0.2.2:5060>")
    );
    ask(&mut w, &refer.response("202 Accepted", "", CONTACT));
    let trying = notify(2, &our_tag, "active;expires=60", "SIP/2.0 100 Trying\n");
    assert!(ask_once(&mut w, &trying).starts_with("SIP/2.0 200"));
    let ringing = notify(3, &our_tag, "active;expires=60", "SIP/2.0 180 Ringing\n");
    ask_once(&mut w, &ringing);
    for status in [
        StatusCode::ACCEPTED,
        StatusCode::TRYING,
        StatusCode::RINGING,
    ] {
        assert!(
            has(&w, key, &CallEventKind::TransferProgress(status)),
            "{status}"
        );
    }
    let done = notify(
        4,
        &our_tag,
        "terminated;reason=noresource",
        "SIP/2.0 200 OK\n",
    );
    let heard = ask(&mut w, &done);
    assert!(
        heard[0].starts_with("SIP/2.0 200") && heard[1].starts_with("BYE"),
        "{heard:?}"
    );
    assert!(has(&w, key, &CallEventKind::Transferred));
    assert_eq!(w.phones[0].ended(key).unwrap().cause, EndCause::LocalHangUp);
    ask(&mut w, &ok(&heard[1]));
    w.run(seconds(40));
    assert_eq!(kept(&w, 0), (0, 0, 0));
}

// Shows: blind transfer by us: peers that answer 200, notify early, or say only that it is done | RFC 7647, interop row 42
#[test]
fn a_peer_that_says_at_once_that_it_is_done_is_believed() {
    let (mut w, key, our_tag, refer) = referring();
    // The NOTIFY overtakes the response, and its line has no end.
    let done = notify(2, &our_tag, "terminated", "SIP/2.0 200 OK");
    let heard = ask(&mut w, &done);
    assert!(heard.iter().any(|m| m.starts_with("BYE")), "{heard:?}");
    assert!(has(&w, key, &CallEventKind::Transferred));
    ask(&mut w, &refer.response("200 OK", "", CONTACT));
    // Without a subscription the response is all that comes (RFC 4488).
    let (mut w, key, _, refer) = referring();
    let heard = ask(
        &mut w,
        &refer.response("202 Accepted", "", "Refer-Sub: false\n"),
    );
    assert!(heard[0].starts_with("BYE"), "{heard:?}");
    assert!(has(&w, key, &CallEventKind::Transferred));
}

// Shows: blind transfer by us: what does not come about leaves the call | RFC 3515 2.4.5, interop row 42
#[test]
fn a_transfer_that_does_not_come_about_leaves_the_call() {
    let failed = |code: u16| CallEventKind::TransferFailed(StatusCode::new(code).unwrap());
    let (mut w, key, _, refer) = referring();
    ask(&mut w, &refer.response("603 Decline", "", ""));
    assert!(has(&w, key, &failed(603)));
    // It can be tried again; the number of the request counts on.
    let to = Uri::new("sip:dave@192.0.2.7").unwrap();
    w.command(
        0,
        Command::Transfer {
            key,
            to: to.clone(),
        },
    );
    w.command(0, Command::Transfer { key, to });
    assert!(has(&w, key, &failed(491)), "one at a time");
    w.run(ms(1));
    assert_eq!(field(&w.heard()[0], "CSeq"), Some("2 REFER"));
    w.run(seconds(33));
    assert!(has(&w, key, &failed(408)) && w.phones[0].ended(key).is_none());

    let (mut w, key, our_tag, refer) = referring();
    ask(&mut w, &refer.response("202 Accepted", "", CONTACT));
    let busy = notify(2, &our_tag, "terminated", "SIP/2.0 486 Busy Here\n");
    ask_once(&mut w, &busy);
    assert!(has(&w, key, &failed(486)) && w.phones[0].ended(key).is_none());
    assert!(
        ask_once(
            &mut w,
            &busy
                .replace("CSeq: 2", "CSeq: 3")
                .replace("NOTIFY-2", "NOTIFY-3")
        )
        .starts_with("SIP/2.0 481")
    );

    let (mut w, key, our_tag, refer) = referring();
    ask(&mut w, &refer.response("202 Accepted", "", CONTACT));
    ask_once(
        &mut w,
        &notify(2, &our_tag, "terminated;reason=timeout", ""),
    );
    assert!(has(&w, key, &failed(480)), "nobody said how");
    let (mut w, key, our_tag, refer) = referring();
    ask(&mut w, &refer.response("202 Accepted", "", CONTACT));
    ask_once(
        &mut w,
        &notify(2, &our_tag, "active", "SIP/2.0 180 Ringing\n"),
    );
    w.run(seconds(180));
    assert!(!has(&w, key, &failed(408)), "it may ring");
    w.run(seconds(2));
    assert!(has(&w, key, &failed(408)));
    let other = notify(3, &our_tag, "active", "x").replace("Event: refer", "Event: foo");
    assert!(ask_once(&mut w, &other).starts_with("SIP/2.0 489"));
}

// Shows: attended transfer by us: Refer-To names the other dialog, escaped | RFC 5589 7, RFC 3891, interop row 43
#[test]
fn a_consultation_is_named_in_refer_to() {
    let mut w = alone(Manner::Answer);
    call_up(&mut w, "x");
    let key = w.phones[0].incoming()[0];
    let (consultation, invite) = dial(&mut w, 9);
    let contact = "Contact: <sip:carol@192.0.2.9:5060;transport=udp>\n";
    ask(
        &mut w,
        &with_sdp(&invite.response("200 OK", "c1", contact), SDP),
    );
    w.command(0, Command::TransferTo { key, consultation });
    w.run(ms(1));
    let refer = w.heard().remove(0);
    let call_id = field(&invite.text, "Call-ID").unwrap();
    let from = tag(&invite.text, "From");
    let wanted = format!(
        "<sip:carol@192.0.2.9:5060;transport=udp?Replaces={call_id}%3Bto-tag%3Dc1%3Bfrom-tag%3D{from}>"
    );
    assert_eq!(field(&refer, "Refer-To"), Some(&*wanted));
    // Not to itself, nor to what is no call.
    for consultation in [key, CallKey(99)] {
        w.command(0, Command::TransferTo { key, consultation });
        let failed = CallEventKind::TransferFailed(StatusCode::CALL_DOES_NOT_EXIST);
        assert!(has(&w, key, &failed));
    }
}

// Shows: attended transfer by us to a peer that takes no Replaces: it calls anew | interop row 44
#[test]
fn a_peer_that_takes_no_replaces_is_passed_on_without() {
    let mut w = alone(Manner::Answer);
    let mut config = crate::support::config("user");
    config.requests.send_replaces = false;
    let mut n = 0;
    w.phones[0].agent = tsp_sip::call::UserAgent::new(config, move |b: &mut [u8]| {
        n += 1;
        b.fill(n);
    });
    call_up(&mut w, "x");
    let key = w.phones[0].incoming()[0];
    let (consultation, invite) = dial(&mut w, 9);
    let contact = "Contact: <sip:carol@192.0.2.9:5060;transport=udp>\n";
    let ok = with_sdp(&invite.response("200 OK", "c1", contact), SDP);
    ask(&mut w, &ok);
    w.command(0, Command::TransferTo { key, consultation });
    w.run(ms(1));
    let refer = w.heard().remove(0);
    let wanted = "<sip:carol@192.0.2.9:5060;transport=udp>";
    assert_eq!(field(&refer, "Refer-To"), Some(wanted));
    assert!(!refer.contains("Replaces"), "{refer}");
}

fn refer_in(number: u32, our_tag: &str, to: &str, extra: &str) -> String {
    within(
        "REFER",
        "x",
        number,
        our_tag,
        &format!("Refer-To: {to}\n{extra}"),
    )
}

const CAROL: &str = "<sip:carol@192.0.2.9:5070?Replaces=abc%40h%3Bto-tag%3Dt1%3Bfrom-tag%3Df1>";

// Shows: a peer passes us on: 202, notices with whole lines, the new call with Referred-By and Replaces | RFC 3515, RFC 3892, RFC 3891, interop rows 42 and 43
#[test]
fn we_follow_when_the_application_wants_it() {
    let mut w = alone(Manner::Answer);
    let our_tag = call_up(&mut w, "x");
    let key = w.phones[0].incoming()[0];
    let by = "Referred-By: <sip:p@192.0.2.9>;cid=\"1@h\"\n";
    let heard = ask(&mut w, &refer_in(2, &our_tag, CAROL, by));
    assert!(heard[0].starts_with("SIP/2.0 202"), "{heard:?}");
    let trying = &heard[1];
    assert!(trying.starts_with("NOTIFY sip:p@192.0.2.9:5060 SIP/2.0\r\n"));
    assert_eq!(field(trying, "Event"), Some("refer"));
    assert_eq!(
        field(trying, "Subscription-State"),
        Some("active;expires=180")
    );
    assert_eq!(
        field(trying, "Content-Type"),
        Some("message/sipfrag;version=2.0")
    );
    assert!(
        trying.ends_with("\r\n\r\nSIP/2.0 100 Trying\r\n"),
        "{trying}"
    );
    let asked = CallEventKind::TransferRequested {
        to: "sip:carol@192.0.2.9:5070".into(),
        consulted: true,
        with_us: None,
    };
    assert!(has(&w, key, &asked), "{:?}", w.phones[0].kinds(key));
    let pending = ask(&mut w, &refer_in(3, &our_tag, CAROL, ""));
    assert!(pending[0].starts_with("SIP/2.0 491"), "one at a time");
    ask(&mut w, &ok(trying));
    let call = CallKey(8);
    w.command(0, Command::FollowTransfer { key, call });
    w.run(ms(1));
    let text = w.heard().remove(0);
    assert!(
        text.starts_with("INVITE sip:carol@192.0.2.9:5070 SIP/2.0\r\n"),
        "{text}"
    );
    assert_eq!(
        field(&text, "Referred-By"),
        Some("<sip:p@192.0.2.9>;cid=\"1@h\"")
    );
    assert_eq!(
        field(&text, "Replaces"),
        Some("abc@h;to-tag=t1;from-tag=f1")
    );
    assert_eq!(field(&text, "Require"), Some("replaces"));
    let invite = Invite { text };
    let ringing = ask_once(&mut w, &invite.response("180 Ringing", "c1", CONTACT));
    assert!(ringing.ends_with("SIP/2.0 180 Ringing\r\n"), "{ringing}");
    // The next waits for its turn.
    let heard = ask(
        &mut w,
        &with_sdp(&invite.response("200 OK", "c1", CONTACT), SDP),
    );
    assert_eq!(heard.len(), 1, "only the ACK: {heard:?}");
    let done = ask_once(&mut w, &ok(&ringing));
    assert!(done.ends_with("SIP/2.0 200 OK\r\n"), "{done}");
    assert_eq!(
        field(&done, "Subscription-State"),
        Some("terminated;reason=noresource")
    );
    ask(&mut w, &ok(&done));
    assert!(w.phones[0].is_connected(call) && w.phones[0].ended(key).is_none());
    // The one who passed us on hangs up.
    ask(&mut w, &within("BYE", "x", 9, &our_tag, ""));
    assert_eq!(
        w.phones[0].ended(key).unwrap().cause,
        EndCause::RemoteHangUp
    );
}

// Shows: a peer passes us on: what is not done is told or refused | RFC 3515 2.4.2, RFC 4488, interop row 42
#[test]
fn what_we_do_not_follow() {
    let mut w = alone(Manner::Answer);
    let our_tag = call_up(&mut w, "x");
    let key = w.phones[0].incoming()[0];
    for (number, to, status) in [
        (2, "<mailto:a@b>", "416"),
        (3, "<sip:a@b;method=BYE>", "603"),
        (4, "<sip:a@b?Replaces=x>", "400"),
        (5, "<sip:a@b>\nRefer-To: <sip:c@d>", "400"),
    ] {
        let heard = ask(&mut w, &refer_in(number, &our_tag, to, ""));
        assert!(
            heard[0].starts_with(&format!("SIP/2.0 {status}")),
            "{to}: {heard:?}"
        );
        assert_eq!(heard.len(), 1);
    }
    let outside = plain(
        "REFER sip:user@192.0.2.2",
        "o",
        "1 REFER",
        "Refer-To: <sip:a@b>\n",
    );
    assert!(ask_once(&mut w, &outside).starts_with("SIP/2.0 403"));
    let heard = ask(&mut w, &refer_in(6, &our_tag, "<sip:c@192.0.2.9>", ""));
    ask(&mut w, &ok(&heard[1]));
    w.command(0, Command::DeclineTransfer(key));
    w.run(ms(1));
    let declined = w.heard().remove(0);
    assert!(declined.ends_with("SIP/2.0 603 Decline\r\n"), "{declined}");
    ask(&mut w, &ok(&declined));
    // Another one of the dialog has a name (RFC 3515 section 2.4.6); one without a subscription tells nothing.
    let heard = ask(&mut w, &refer_in(7, &our_tag, "<sip:c@192.0.2.9>", ""));
    assert_eq!(field(&heard[1], "Event"), Some("refer;id=7"));
    ask(
        &mut w,
        &Invite {
            text: heard[1].clone(),
        }
        .response("481 Gone", "", ""),
    );
    w.command(0, Command::DeclineTransfer(key));
    let sub = "Refer-Sub: false\nSupported: norefersub\n";
    let quiet = ask_once(&mut w, &refer_in(8, &our_tag, "<sip:c@192.0.2.9>", sub));
    assert!(quiet.starts_with("SIP/2.0 202"), "{quiet}");
    assert_eq!(field(&quiet, "Refer-Sub"), Some("false"));
    let mut config = crate::support::config("user");
    config.requests.transfers = false;
    let mut w = alone(Manner::Answer);
    let mut n = 0;
    w.phones[0].agent = tsp_sip::call::UserAgent::new(config, move |b: &mut [u8]| {
        n += 1;
        b.fill(n);
    });
    let our_tag = call_up(&mut w, "x");
    let off = ask_once(&mut w, &refer_in(2, &our_tag, CAROL, ""));
    assert!(off.starts_with("SIP/2.0 405") && !field(&off, "Allow").unwrap().contains("REFER"));
}

// Shows: a peer passes us on: peers that want to hear at once that it is done | interop row 42
#[test]
fn peers_that_wait_for_nothing_else_are_told_at_once() {
    let mut w = alone(Manner::Answer);
    let mut config = crate::support::config("user");
    config.requests.instant_transfers = true;
    let mut n = 0;
    w.phones[0].agent = tsp_sip::call::UserAgent::new(config, move |b: &mut [u8]| {
        n += 1;
        b.fill(n);
    });
    let our_tag = call_up(&mut w, "x");
    let key = w.phones[0].incoming()[0];
    let heard = ask(&mut w, &refer_in(2, &our_tag, "<sip:c@192.0.2.9:5070>", ""));
    ask(&mut w, &ok(&heard[1]));
    let call = CallKey(8);
    w.command(0, Command::FollowTransfer { key, call });
    w.run(ms(1));
    let heard = w.heard();
    let done = heard
        .iter()
        .find(|m| m.starts_with("NOTIFY"))
        .expect("told");
    assert!(done.ends_with("SIP/2.0 200 OK\r\n"));
    assert!(heard.iter().any(|m| m.starts_with("INVITE")), "and called");
}

fn replacing(branch: &str, replaces: &str) -> String {
    let extra = format!("Require: replaces\nReplaces: {replaces}\n");
    with_sdp(
        &plain("INVITE sip:user@192.0.2.2", branch, "1 INVITE", &extra),
        SDP,
    )
}

fn status(heard: &[String]) -> &str {
    let last = heard.iter().rfind(|m| !m.starts_with("SIP/2.0 1"));
    last.and_then(|m| m.split(' ').nth(1)).unwrap_or_default()
}

// Shows: an INVITE takes the place of another call, which ends | RFC 3891 3, interop row 43
#[test]
fn an_invite_takes_the_place_of_a_call() {
    let mut w = alone(Manner::Answer);
    let our_tag = call_up(&mut w, "x");
    let old = w.phones[0].incoming()[0];
    let named = format!("c-x;to-tag={our_tag};from-tag=p1");
    for (branch, replaces, wanted) in [
        ("r1", format!("{named};early-only"), "486"),
        ("r2", "c-x;to-tag=nope;from-tag=p1".into(), "481"),
        ("r3", format!("c-x;to-tag={our_tag};from-tag=nope"), "481"),
        ("r4", format!("{named}\nReplaces: {named}"), "400"),
        ("r5", "c-x;to-tag=a".into(), "400"),
    ] {
        let heard = ask(&mut w, &replacing(branch, &replaces));
        assert_eq!(status(&heard), wanted, "{replaces}: {heard:?}");
        let ack = plain("ACK sip:user@192.0.2.2", branch, "1 ACK", "");
        let to = format!("To: <sip:user@192.0.2.2>;tag={}", tag(&heard[0], "To"));
        ask(&mut w, &ack.replace("To: <sip:user@192.0.2.2>", &to));
    }
    assert!(w.phones[0].ended(old).is_none());
    let heard = ask(&mut w, &replacing("y", &named));
    assert_eq!(status(&heard), "200", "{heard:?}");
    let new = w.phones[0].incoming()[1];
    assert!(has(&w, new, &CallEventKind::Replaces(old)));
    assert!(
        w.phones[0].ended(old).is_none(),
        "not before the new one is up"
    );
    let tag_y = tag(heard.last().unwrap(), "To");
    let bye = ask_once(&mut w, &within("ACK", "y", 1, &tag_y, ""));
    assert!(
        bye.starts_with("BYE") && field(&bye, "Call-ID") == Some("c-x"),
        "{bye}"
    );
    assert_eq!(w.phones[0].ended(old).unwrap().cause, EndCause::Replaced);
    assert!(w.phones[0].is_connected(new));
    ask(&mut w, &ok(&bye));
    // What ended cannot be replaced, nor can a call that rings here.
    let heard = ask(&mut w, &replacing("z", &named));
    assert!(matches!(status(&heard), "481" | "603"), "{heard:?}");
    let mut w = alone(Manner::Ring);
    let invite = plain("INVITE sip:user@192.0.2.2", "x", "1 INVITE", "");
    let heard = ask(&mut w, &with_sdp(&invite, SDP));
    let named = format!("c-x;to-tag={};from-tag=p1", tag(&heard[0], "To"));
    assert_eq!(status(&ask(&mut w, &replacing("y", &named))), "481");
}

// Shows: an INVITE takes the place of a call of ours that rings | RFC 3891 3, interop row 43
#[test]
fn an_invite_takes_the_place_of_a_call_of_ours_that_rings() {
    let mut w = alone(Manner::Answer);
    let (old, invite) = dial(&mut w, 4);
    ask(&mut w, &invite.response("180 Ringing", "t", CONTACT));
    let (call_id, from) = (
        field(&invite.text, "Call-ID").unwrap(),
        tag(&invite.text, "From"),
    );
    let named = format!("{call_id};to-tag={from};from-tag=t;early-only");
    let heard = ask(&mut w, &replacing("y", &named));
    assert_eq!(status(&heard), "200", "{heard:?}");
    let our_tag = tag(heard.last().unwrap(), "To");
    let cancel = ask(&mut w, &within("ACK", "y", 1, &our_tag, ""));
    assert!(cancel[0].starts_with("CANCEL"), "{cancel:?}");
    assert_eq!(w.phones[0].ended(old).unwrap().cause, EndCause::Replaced);
}

// Shows: attended transfer among three of ours, end to end | RFC 5589 7, interop row 43
#[test]
fn three_phones_pass_a_call_on() {
    let phone = |n: u64| Phone::new(&format!("192.0.2.1{n}:5060"), 40 + n, Manner::Answer);
    let mut w = World::new(vec![phone(0), phone(1), phone(2)], Impairment::PERFECT, 5);
    // The first calls the second, consults the third, and passes the second on to it.
    let call = w.dial(0, 1, "sip:b@192.0.2.11");
    let consultation = w.dial(0, 2, "sip:c@192.0.2.12");
    w.run(seconds(1));
    assert!(w.phones[0].is_connected(call) && w.phones[0].is_connected(consultation));
    let command = Command::TransferTo {
        key: call,
        consultation,
    };
    w.command(0, command);
    w.run(seconds(1));
    let at_b = w.phones[1].incoming()[0];
    let asked = |k: &&CallEventKind| {
        matches!(
            k,
            CallEventKind::TransferRequested {
                consulted: true,
                ..
            }
        )
    };
    assert!(w.phones[1].kinds(at_b).iter().any(asked));
    let new = CallKey(77);
    w.command(
        1,
        Command::FollowTransfer {
            key: at_b,
            call: new,
        },
    );
    w.run(seconds(2));
    assert!(w.phones[1].is_connected(new));
    let at_c = w.phones[2].incoming();
    assert_eq!(
        w.phones[2].ended(at_c[0]).unwrap().cause,
        EndCause::Replaced
    );
    assert!(w.phones[2].is_connected(at_c[1]) && w.phones[2].ended(at_c[1]).is_none());
    assert!(has(&w, call, &CallEventKind::Transferred));
    assert!(w.phones[0].ended(call).is_some() && w.phones[0].ended(consultation).is_some());
    assert!(w.phones[1].ended(at_b).is_some() && w.phones[1].ended(new).is_none());
    w.command(1, Command::HangUp(new));
    w.run(seconds(40));
    for n in 0..3 {
        assert_eq!(kept(&w, n), (0, 0, 0), "phone {n}");
        assert!(w.phones[n].agent.is_idle());
    }
}

/// A call from the peer that is answered and not acknowledged; our tag.
fn unacknowledged(w: &mut World, invite: &str) -> String {
    let heard = ask(w, invite);
    tag(heard.last().map_or("", |ok| ok), "To")
}

// Shows: a call that a peer passes on before its ACK came is connected first, or has to wait for the answer in it | RFC 3515 2.4.2
#[test]
fn a_refer_that_overtakes_the_ack_finds_a_call() {
    let bare = plain("INVITE sip:user@192.0.2.2", "x", "1 INVITE", "");
    let refer = |our_tag: &str, n| {
        let extra = "Refer-To: <sip:carol@192.0.2.7>\n";
        within("REFER", "x", n, our_tag, extra)
    };
    let mut w = alone(Manner::Answer);
    let our_tag = unacknowledged(&mut w, &with_sdp(&bare, SDP));
    let key = w.phones[0].incoming()[0];
    assert!(!w.phones[0].is_connected(key));
    let heard = ask(&mut w, &refer(&our_tag, 2));
    assert!(heard[0].starts_with("SIP/2.0 202"), "{heard:?}");
    let told = w.phones[0].kinds(key);
    let last = &told[told.len() - 2..];
    assert_eq!(*last[0], CallEventKind::Connected);
    assert!(matches!(last[1], CallEventKind::TransferRequested { .. }));
    // Our 2xx made the offer: there is no call before its answer.
    let mut w = alone(Manner::Answer);
    let our_tag = unacknowledged(&mut w, &bare);
    let heard = ask_once(&mut w, &refer(&our_tag, 2));
    assert!(heard.starts_with("SIP/2.0 500"), "{heard}");
    assert!(field(&heard, "Retry-After").is_some(), "{heard}");
    ask(&mut w, &with_sdp(&within("ACK", "x", 1, &our_tag, ""), SDP));
    let heard = ask(&mut w, &refer(&our_tag, 3));
    assert!(heard[0].starts_with("SIP/2.0 202"), "{heard:?}");
}

// Shows: a transfer of a call that ended meanwhile tells nothing after the end | RFC 3515
#[test]
fn nothing_is_told_of_a_transfer_after_the_end() {
    let (mut w, key, our_tag, refer) = referring();
    let sdp = SDP.replace("o=- 1 1", "o=- 1 2").replace("5000", "5002");
    let ok = ask_once(
        &mut w,
        &with_sdp(&within("INVITE", "x", 2, &our_tag, ""), &sdp),
    );
    assert!(ok.starts_with("SIP/2.0 200"), "{ok}");
    // The call waits for the ACK when it is hung up.
    w.command(0, Command::HangUp(key));
    assert!(w.phones[0].ended(key).is_some());
    let before = w.phones[0].kinds(key).len();
    ask(
        &mut w,
        &refer.response("481 Call/Transaction Does Not Exist", "", ""),
    );
    assert_eq!(w.phones[0].kinds(key).len(), before);
}

// Shows: a call takes the place of another one that its URI names | RFC 3261 19.1.5, RFC 3891 4
#[test]
fn a_uri_names_the_call_to_take_the_place_of() {
    let mut w = alone(Manner::Answer);
    let uri = "sip:bob@192.0.2.9:5060;user=phone?Subject=x&Replaces=a%40h%3Bto-tag%3Dt1%3Bfrom-tag%3Df1%3Bearly-only";
    w.dial(0, 7, uri);
    w.run(ms(1));
    let invite = w.heard().remove(0);
    assert!(
        invite.starts_with("INVITE sip:bob@192.0.2.9:5060;user=phone SIP/2.0\r\n"),
        "{invite}"
    );
    let to = field(&invite, "To");
    assert_eq!(to, Some("<sip:bob@192.0.2.9:5060;user=phone>"));
    let replaces = "a@h;to-tag=t1;from-tag=f1;early-only";
    assert_eq!(field(&invite, "Replaces"), Some(replaces));
    assert_eq!(field(&invite, "Require"), Some("replaces"));
    assert_eq!(field(&invite, "Subject"), None);
    w.dial(0, 8, "sip:bob@192.0.2.9?Replaces=a%40h%3Bto-tag%3Dt1");
    w.run(ms(1));
    assert!(w.heard().is_empty());
    let why = w.phones[0].ended(CallKey(8)).expect("an end");
    assert_eq!(why.cause, EndCause::BadAddress);
}

// Shows: the peer is told that we are the focus of a conference, and that we are it no more | RFC 4579 5.2
#[test]
fn a_call_becomes_a_leg_of_a_conference() {
    let mut w = alone(Manner::Answer);
    let our_tag = call_up(&mut w, "x");
    let key = w.phones[0].incoming()[0];
    for (number, focus, contact) in [
        (1, true, "<sip:user@192.0.2.2:5060>;isfocus"),
        (2, false, "<sip:user@192.0.2.2:5060>"),
    ] {
        for _ in 0..2 {
            w.command(0, Command::Focus { key, focus });
        }
        w.run(ms(1));
        let heard = w.heard();
        let [text] = &heard[..] else {
            panic!("{heard:?}")
        };
        assert!(text.starts_with("INVITE sip:p@192.0.2.9:5060 "), "{text}");
        assert_eq!(field(text, "Contact"), Some(contact));
        let reply = Invite { text: text.clone() };
        let ack = ask_once(
            &mut w,
            &with_sdp(&reply.response("200 OK", "", CONTACT), SDP),
        );
        assert!(ack.starts_with("ACK "), "{ack}");
        let update = within("UPDATE", "x", 1 + number, &our_tag, CONTACT);
        let answer = ask_once(&mut w, &update);
        assert_eq!(field(&answer, "Contact"), Some(contact), "{answer}");
    }
    assert!(w.phones[0].is_connected(key));
}
