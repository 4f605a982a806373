//! Peers that watch our calls, as busy lamps do.

use tsp_sip::call::{Command, UserAgent, Watchers};
use tsp_sip::subscription::{DialogInfo, DialogState};

use crate::peer::{
    Invite, PEER, US, alone, ask, ask_once, call_up, field, ms, plain, seconds, tag, within,
};
use crate::support::{Manner, World, config};

/// A phone that anybody may watch, with room for two.
fn watchable(manner: Manner) -> World {
    let mut w = alone(manner);
    let mut config = config("user");
    config.requests.watching.who = Watchers::Anybody;
    config.requests.watching.most_of_one = 2;
    let mut n = 0_u8;
    w.phones[0].agent = UserAgent::new(config, move |bytes: &mut [u8]| {
        for b in bytes {
            n = n.wrapping_add(37);
            *b = n;
        }
    });
    w
}

fn subscribe(branch: &str, extra: &str) -> String {
    plain("SUBSCRIBE sip:user@192.0.2.2", branch, "1 SUBSCRIBE", extra)
}

/// A watcher: our tag, and the first notice.
fn watch(w: &mut World, branch: &str, extra: &str) -> (String, Invite) {
    let heard = ask(w, &subscribe(branch, &format!("Event: dialog\n{extra}")));
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert!(heard[0].starts_with("SIP/2.0 200"), "{}", heard[0]);
    let notice = Invite {
        text: heard[1].clone(),
    };
    (tag(&heard[0], "To"), notice)
}

fn document(notice: &Invite) -> DialogInfo {
    assert!(notice.text.starts_with("NOTIFY "), "{}", notice.text);
    let (_, body) = notice.text.split_once("\r\n\r\n").expect("a body");
    DialogInfo::parse(body.as_bytes()).expect("a document")
}

fn fine(w: &mut World, notice: &Invite) -> Vec<Invite> {
    let heard = ask(w, &notice.response("200 OK", "", ""));
    heard.into_iter().map(|text| Invite { text }).collect()
}

// Shows: busy lamp: our calls are told, ringing, up and over | RFC 4235, interop row 45
#[test]
fn a_watcher_is_told_of_our_calls() {
    let mut w = watchable(Manner::Ring);
    let (ours, first) = watch(&mut w, "w", "Expires: 600\n");
    assert!(
        first
            .text
            .starts_with("NOTIFY sip:p@192.0.2.9:5060 SIP/2.0\r\n")
    );
    for (name, value) in [
        ("Event", "dialog"),
        ("Subscription-State", "active;expires=600"),
        ("Content-Type", "application/dialog-info+xml"),
        ("Contact", "<sip:user@192.0.2.2:5060>"),
    ] {
        assert_eq!(field(&first.text, name), Some(value));
    }
    assert_eq!(
        (tag(&first.text, "From"), tag(&first.text, "To")),
        (ours, "p1".into())
    );
    let info = document(&first);
    assert_eq!((info.version, info.full, info.lamp()), (0, true, None));
    assert_eq!(&*info.entity, "sip:user@192.0.2.2");
    assert!(fine(&mut w, &first).is_empty());
    w.run(seconds(2));
    let heard = ask(
        &mut w,
        &crate::peer::with_sdp(
            &plain("INVITE sip:user@192.0.2.2", "c", "1 INVITE", ""),
            crate::peer::SDP,
        ),
    );
    let rings = Invite {
        text: heard
            .into_iter()
            .find(|m| m.starts_with("NOTIFY"))
            .expect("a notice"),
    };
    let info = document(&rings);
    let dialog = &info.dialogs[0];
    assert_eq!(
        (info.version, dialog.state, dialog.initiator),
        (1, DialogState::Early, Some(false))
    );
    assert_eq!((&*dialog.call_id, &*dialog.remote_tag), ("c-c", "p1"));
    assert_eq!(&*dialog.remote.identity, "sip:p@192.0.2.9");
    // Not more than one a second, and one at a time.
    let call = w.phones[0].incoming()[0];
    w.command(0, Command::Answer(call));
    w.run(ms(1));
    let ok = w.heard().remove(0);
    w.inject(PEER, US, &within("ACK", "c", 1, &tag(&ok, "To"), ""));
    w.run(seconds(3));
    assert!(
        !w.heard()
            .iter()
            .any(|m| m.starts_with("NOTIFY") && *m != rings.text)
    );
    let next = fine(&mut w, &rings);
    assert_eq!(document(&next[0]).lamp(), Some(DialogState::Confirmed));
    assert!(fine(&mut w, &next[0]).is_empty());
    w.command(0, Command::HangUp(call));
    w.run(ms(10));
    assert!(
        !w.heard().iter().any(|m| m.starts_with("NOTIFY")),
        "a second has to pass"
    );
    w.run(seconds(1));
    let last = w
        .heard()
        .into_iter()
        .find(|m| m.starts_with("NOTIFY"))
        .expect("a notice");
    let info = document(&Invite { text: last });
    assert_eq!(info.lamp(), Some(DialogState::Terminated));
}

// Shows: a subscription to our calls is refreshed, left, fetched once and ends by itself | RFC 6665 4.2.1
#[test]
fn subscriptions_of_watchers_begin_and_end() {
    let mut w = watchable(Manner::Ring);
    let (ours, first) = watch(&mut w, "w", "Expires: 100\n");
    fine(&mut w, &first);
    w.run(seconds(90));
    let again = within("SUBSCRIBE", "w", 2, &ours, "Event: dialog\nExpires: 100\n");
    let heard = ask(&mut w, &again);
    assert!(heard[0].starts_with("SIP/2.0 200"), "{heard:?}");
    assert_eq!(field(&heard[0], "Expires"), Some("100"));
    fine(
        &mut w,
        &Invite {
            text: heard[1].clone(),
        },
    );
    let late = within("SUBSCRIBE", "w", 1, &ours, "Event: dialog\n").replace("-1", "-old");
    assert!(ask_once(&mut w, &late).starts_with("SIP/2.0 500"));
    w.run(seconds(99));
    assert!(w.heard().is_empty());
    w.run(seconds(2));
    let last = w.heard().remove(0);
    assert_eq!(
        field(&last, "Subscription-State"),
        Some("terminated;reason=timeout")
    );
    fine(&mut w, &Invite { text: last });
    let gone = within("SUBSCRIBE", "w", 3, &ours, "Event: dialog\n");
    assert!(ask_once(&mut w, &gone).starts_with("SIP/2.0 481"));
    let (_, once) = watch(&mut w, "once", "Expires: 0\n");
    assert_eq!(
        field(&once.text, "Subscription-State"),
        Some("terminated;reason=timeout")
    );
    let (ours, first) = watch(&mut w, "left", "");
    assert_eq!(
        field(&first.text, "Subscription-State"),
        Some("active;expires=3600")
    );
    fine(&mut w, &first);
    let left = within("SUBSCRIBE", "left", 2, &ours, "Event: dialog\nExpires: 0\n");
    w.run(seconds(2));
    w.heard();
    let heard = ask(&mut w, &left);
    assert_eq!(
        field(&heard[1], "Subscription-State"),
        Some("terminated;reason=timeout")
    );
}

// Shows: who may not watch is refused: unknown packages, strangers, too many, too brief | RFC 6665 4.2.1, interop row 45
#[test]
fn watchers_are_refused() {
    let mut w = watchable(Manner::Ring);
    let unknown = ask_once(&mut w, &subscribe("a", "Event: x-weather\n"));
    assert!(unknown.starts_with("SIP/2.0 489"), "{unknown}");
    assert_eq!(field(&unknown, "Allow-Events"), Some("dialog"));
    assert!(ask_once(&mut w, &subscribe("b", "")).starts_with("SIP/2.0 489"));
    assert!(ask_once(&mut w, &subscribe("c", "Event: presence\n")).starts_with("SIP/2.0 489"));
    let html = ask_once(
        &mut w,
        &subscribe("d", "Event: dialog\nAccept: text/html\n"),
    );
    assert!(html.starts_with("SIP/2.0 406"), "{html}");
    let brief = ask_once(&mut w, &subscribe("e", "Event: dialog\nExpires: 5\n"));
    assert!(brief.starts_with("SIP/2.0 423"), "{brief}");
    assert_eq!(field(&brief, "Min-Expires"), Some("60"));
    for n in ["f", "g"] {
        let (_, first) = watch(&mut w, n, "");
        fine(&mut w, &first);
    }
    let full = ask_once(&mut w, &subscribe("h", "Event: dialog\n"));
    assert!(full.starts_with("SIP/2.0 503"), "{full}");
    assert_eq!(field(&full, "Retry-After"), Some("60"));
    assert_eq!(w.phones[0].agent.stats().refused_watchers, 1);
    let mut private = alone(Manner::Ring);
    let refusal = ask_once(&mut private, &subscribe("i", "Event: dialog\n"));
    assert!(refusal.starts_with("SIP/2.0 403"), "{refusal}");
    assert_eq!(private.phones[0].agent.kept().watchers, 0);
}

// Shows: a watcher that is gone is forgotten | RFC 6665 4.2.2
#[test]
fn watchers_that_are_gone_are_forgotten() {
    for (answer, left) in [("481 Gone", 0), ("200 OK", 1), ("500 No", 1), ("", 0)] {
        let mut w = watchable(Manner::Ring);
        let (_, first) = watch(&mut w, "w", "");
        match answer {
            "" => w.run(seconds(33)),
            answer => drop(ask(&mut w, &first.response(answer, "", ""))),
        }
        let agent = &w.phones[0].agent;
        assert_eq!(agent.kept().watchers, left, "{answer}");
        assert_eq!(agent.stats().lost_watchers, 1 - left as u64);
    }
}

// Shows: a closing phone tells its watchers to come again later | RFC 6665 4.1.3
#[test]
fn closing_ends_what_is_watched() {
    let mut w = watchable(Manner::Answer);
    call_up(&mut w, "x");
    let (_, first) = watch(&mut w, "w", "");
    fine(&mut w, &first);
    w.command(0, Command::Close);
    w.run(ms(1));
    let heard = w.heard();
    let last = heard
        .iter()
        .find(|m| m.starts_with("NOTIFY"))
        .expect("a notice");
    let state = field(last, "Subscription-State");
    assert_eq!(state, Some("terminated;reason=probation;retry-after=60"));
    assert_eq!(w.phones[0].agent.kept().watchers, 0);
}
