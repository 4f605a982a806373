//! UPDATE, and what passes while something else is open.

use msp_core::id::{Generation, LegId};
use msp_core::link::{Envelope, Finality, ToMsp, ToTsp};
use tsp_sip::call::{CallPolicy, ChangeBy, Command, Input};

use crate::peer::{
    CONTACT, Invite, SDP, alone, ask, ask_once, call_up, change, dial, field, ms, plain, seconds,
    tag, with_sdp, within,
};
use crate::support::{Manner, World};

/// The media half wants a change of the leg of `key` that runs in `generation`.
pub(crate) fn renegotiate(w: &mut World, key: msp_core::id::CallKey, generation: u32) {
    let now = w.now;
    let message = Envelope {
        call: key,
        leg: LegId::FIRST,
        generation: Generation(generation),
        body: ToTsp::Renegotiate,
    };
    w.phones[0].agent.handle(now, Input::Msp(message));
    w.drain(0);
    w.run(ms(1));
}

fn update(call: &str, number: u32, our_tag: &str, version: u32, port: &str) -> String {
    let sdp = SDP
        .replace("o=- 1 1", &format!("o=- 1 {version}"))
        .replace("5000", port);
    with_sdp(&within("UPDATE", call, number, our_tag, ""), &sdp)
}

// Shows: UPDATE by the peer, with and without an offer, in a call that is up | RFC 3311 5.2
#[test]
fn the_peer_updates_a_call_that_is_up() {
    let mut w = alone(Manner::Answer);
    let our_tag = call_up(&mut w, "x");
    let before = w.phones[0].media.len();
    // It moves, and asks for nothing else.
    let moved = within("UPDATE", "x", 2, &our_tag, "")
        .replace(CONTACT, "Contact: <sip:q@192.0.2.9:5070>\n");
    let ok = ask_once(&mut w, &moved);
    assert!(
        ok.starts_with("SIP/2.0 200") && !ok.contains("application/sdp"),
        "{ok}"
    );
    assert!(field(&ok, "Contact").is_some() && field(&ok, "Allow").unwrap().contains("UPDATE"));
    // The same offer again touches no media, and our answer keeps its version.
    let same = ask_once(&mut w, &update("x", 3, &our_tag, 1, "5000"));
    assert_eq!(w.phones[0].media.len(), before);
    let version = |m: &str| m.lines().find(|l| l.starts_with("o=")).unwrap().to_owned();
    // Another offer is a round of its own, committed with the 200; nobody acknowledges it.
    let ok = ask_once(&mut w, &update("x", 4, &our_tag, 2, "5002"));
    assert!(
        ok.starts_with("SIP/2.0 200") && ok.contains("m=audio 40000"),
        "{ok}"
    );
    assert_eq!(version(&same), version(&ok));
    let said: Vec<_> = w.phones[0].media[before..]
        .iter()
        .map(|m| &m.body)
        .collect();
    assert!(
        matches!(
            said[..],
            [
                ToMsp::Prepare { .. },
                ToMsp::Apply {
                    finality: Finality::Final,
                    ..
                },
                ToMsp::Commit
            ]
        ),
        "{said:?}"
    );
    w.run(seconds(40));
    assert!(w.heard().is_empty(), "nothing is sent again");
    // What cannot be read is refused and changes nothing.
    let refused = ask_once(
        &mut w,
        &with_sdp(&within("UPDATE", "x", 5, &our_tag, ""), "v=0\nm=x\n"),
    );
    assert!(refused.starts_with("SIP/2.0 488"), "{refused}");
    // Our goodbye goes to where the peer is since its last request.
    let key = w.phones[0].incoming()[0];
    w.command(0, Command::HangUp(key));
    w.run(ms(1));
    assert!(w.heard()[0].starts_with("BYE sip:p@192.0.2.9:5060 SIP/2.0"));
}

// Shows: within a dialog only offer and answer are serialised: 491, 500 with Retry-After, and what passes | RFC 3311 5.2, RFC 3261 14.2
#[test]
fn only_offers_wait_for_each_other() {
    let mut w = alone(Manner::Answer);
    let our_tag = call_up(&mut w, "x");
    w.phones[0].mute_media = true;
    // While an UPDATE is being answered, further UPDATEs and INVITEs shall come later, and OPTIONS passes.
    assert!(ask(&mut w, &update("x", 2, &our_tag, 2, "5002")).is_empty());
    for request in [
        update("x", 3, &our_tag, 3, "5004"),
        within("UPDATE", "x", 4, &our_tag, ""),
        change("x", 5, &our_tag),
    ] {
        let later = ask_once(&mut w, &request);
        assert!(
            later.starts_with("SIP/2.0 500") && field(&later, "Retry-After").is_some(),
            "{later}"
        );
    }
    assert!(ask_once(&mut w, &within("OPTIONS", "x", 6, &our_tag, "")).starts_with("SIP/2.0 200"));
    w.release_media(0); // Local
    w.release_media(0); // Applied
    w.run(ms(1));
    assert!(w.heard().remove(0).starts_with("SIP/2.0 200"));
    // While an INVITE is being answered, an UPDATE with an offer shall come later; one without passes.
    assert!(ask(&mut w, &change("x", 7, &our_tag).replace("5002", "5006")).is_empty());
    let later = ask_once(&mut w, &update("x", 8, &our_tag, 4, "5004"));
    assert!(
        later.starts_with("SIP/2.0 500") && field(&later, "Retry-After").is_some(),
        "{later}"
    );
    assert!(ask_once(&mut w, &within("UPDATE", "x", 9, &our_tag, "")).starts_with("SIP/2.0 200"));
    // A number that goes back is refused.
    assert!(ask_once(&mut w, &within("UPDATE", "x", 3, &our_tag, "")).starts_with("SIP/2.0 500"));
    // A BYE ends all of it.
    let heard = ask(&mut w, &within("BYE", "x", 10, &our_tag, ""));
    assert_eq!(
        heard.iter().map(|m| &m[..11]).collect::<Vec<_>>(),
        ["SIP/2.0 200", "SIP/2.0 487"]
    );
}

// Shows: glare of our offer and an UPDATE of the peer's | RFC 3311 5.2
#[test]
fn an_update_that_crosses_our_offer_gets_491() {
    let mut w = alone(Manner::Answer);
    let our_tag = call_up(&mut w, "x");
    let key = w.phones[0].incoming()[0];
    renegotiate(&mut w, key, 0);
    assert!(w.heard()[0].starts_with("INVITE "));
    let pending = ask_once(&mut w, &update("x", 2, &our_tag, 2, "5002"));
    assert!(pending.starts_with("SIP/2.0 491"), "{pending}");
    let ok = ask_once(&mut w, &within("UPDATE", "x", 3, &our_tag, ""));
    assert!(ok.starts_with("SIP/2.0 200"), "{ok}");
}

// Shows: UPDATE by us where the peer allows it and the policy wants it | RFC 3311 5.1
#[test]
fn we_change_a_call_by_update() {
    for (allow, method) in [
        ("Allow: INVITE, UPDATE\n", "UPDATE"),
        ("Allow: INVITE\n", "INVITE"),
    ] {
        let mut policy = CallPolicy::default();
        policy.change = ChangeBy::Update;
        let mut w = crate::peer::alone_with(Manner::Answer, policy);
        let invite = with_sdp(
            &plain("INVITE sip:user@192.0.2.2", "x", "1 INVITE", allow),
            SDP,
        );
        let our_tag = tag(&ask(&mut w, &invite).pop().unwrap(), "To");
        ask(&mut w, &within("ACK", "x", 1, &our_tag, ""));
        let key = w.phones[0].incoming()[0];
        renegotiate(&mut w, key, 0);
        let text = w.heard().remove(0);
        assert!(
            text.starts_with(method) && text.contains("m=audio 40000"),
            "{text}"
        );
        if method == "INVITE" {
            continue;
        }
        let told = w.phones[0].media.len();
        // Both asked at once: we come again within two seconds, for the call is the peer's.
        let response =
            |status: &str, text: &str| Invite { text: text.into() }.response(status, "", "");
        ask(&mut w, &response("491 Request Pending", &text));
        assert!(matches!(w.phones[0].media[told].body, ToMsp::Rollback));
        w.run(ms(2001));
        let again = w.heard().remove(0);
        assert!(
            again.starts_with("UPDATE ") && field(&again, "CSeq") == Some("2 UPDATE"),
            "{again}"
        );
        let told = w.phones[0].media.len();
        ask(
            &mut w,
            &with_sdp(
                &Invite { text: again }.response("200 OK", "", CONTACT),
                &SDP.replace("5000", "5008"),
            ),
        );
        let said: Vec<_> = w.phones[0].media[told..].iter().map(|m| &m.body).collect();
        assert!(
            matches!(
                said[..],
                [
                    ToMsp::Apply {
                        finality: Finality::Final,
                        ..
                    },
                    ToMsp::Commit
                ]
            ),
            "{said:?}"
        );
        // A peer that knows nothing of the call ends it.
        renegotiate(&mut w, key, 2);
        let text = w.heard().remove(0);
        ask(
            &mut w,
            &response("481 Call/Transaction Does Not Exist", &text),
        );
        assert!(w.phones[0].ended(key).is_some());
    }
}

// Shows: UPDATE in an early dialog of a call of ours: it is early media, and the 2xx says nothing new | RFC 3311 5.2, RFC 6337 2.1
#[test]
fn the_peer_updates_a_call_that_rings() {
    let mut w = alone(Manner::Silent);
    let (key, invite) = dial(&mut w, 1);
    let extra = format!("{CONTACT}Allow: INVITE, UPDATE\n");
    ask(
        &mut w,
        &with_sdp(&invite.response("183 Session Progress", "p1", &extra), SDP),
    );
    let told = w.phones[0].media.len();
    let our = |name| field(&invite.text, name).unwrap();
    let update = update("x", 1, "", 2, "5002")
        .replace("Call-ID: c-x", &format!("Call-ID: {}", our("Call-ID")))
        .replace(
            "To: <sip:user@192.0.2.2>;tag=",
            &format!("To: {}", our("From")),
        );
    let ok = ask_once(&mut w, &update);
    assert!(ok.starts_with("SIP/2.0 200"), "{ok}");
    let said: Vec<_> = w.phones[0].media[told..].iter().map(|m| &m.body).collect();
    assert!(
        matches!(
            said[..],
            [
                ToMsp::Prepare { .. },
                ToMsp::Apply {
                    finality: Finality::Provisional,
                    ..
                },
                ToMsp::Commit
            ]
        ),
        "{said:?}"
    );
    // The 200 repeats the first answer, which is history.
    ask(
        &mut w,
        &with_sdp(&invite.response("200 OK", "p1", CONTACT), SDP),
    );
    assert!(w.phones[0].is_connected(key));
    let Some(ToMsp::Apply {
        finality: Finality::Final,
        params,
    }) = w.phones[0].media.last().map(|m| &m.body)
    else {
        panic!("{:?}", w.phones[0].media.last());
    };
    assert_eq!(params[0].remote.unwrap().port(), 5002);
}
