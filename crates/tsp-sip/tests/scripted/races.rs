//! Messages that cross (RFC 5407).

use tsp_sip::call::{Command, EndCause};

use crate::peer::{
    CONTACT, Invite, SDP, alone, ask, ask_once, call_up, field, ms, plain, seconds, tag, with_sdp,
    within,
};
use crate::support::{Manner, kept};

// Shows: a BYE that overtakes the ACK ends the call, and the 2xx is not repeated | RFC 5407 3.1, interop row 28
#[test]
fn a_bye_overtakes_the_ack() {
    let mut w = alone(Manner::Answer);
    let invite = plain("INVITE sip:user@192.0.2.2", "x", "1 INVITE", "");
    let heard = ask(&mut w, &with_sdp(&invite, SDP));
    let our_tag = tag(&heard[1], "To");
    let key = w.phones[0].incoming()[0];
    let ok = ask_once(&mut w, &within("BYE", "x", 2, &our_tag, ""));
    assert!(ok.starts_with("SIP/2.0 200"), "{ok}");
    let ended = w.phones[0].ended(key).map(|e| e.cause);
    assert_eq!(ended, Some(EndCause::RemoteHangUp));
    assert!(ask(&mut w, &within("ACK", "x", 1, &our_tag, "")).is_empty());
    w.run(seconds(70));
    assert!(w.heard().is_empty());
    assert_eq!(kept(&w, 0), (0, 0, 0));
}

// Shows: what answers our INVITE after the peer's BYE is acknowledged, and changes nothing | RFC 5407 3.2, interop row 28
#[test]
fn a_change_is_answered_after_the_end() {
    for (answer, sdp) in [("200 OK", SDP), ("487 Request Terminated", "")] {
        let mut w = alone(Manner::Answer);
        let our_tag = call_up(&mut w, "x");
        let key = w.phones[0].incoming()[0];
        w.command(0, Command::Hold(key));
        w.run(ms(1));
        let text = w.heard().remove(0);
        assert!(text.starts_with("INVITE "));
        let change = Invite { text };
        let ok = ask_once(&mut w, &within("BYE", "x", 2, &our_tag, ""));
        assert!(ok.starts_with("SIP/2.0 200"), "{ok}");
        let media = w.phones[0].media.len();
        let response = change.response(answer, "", CONTACT);
        let response = match sdp {
            "" => response,
            sdp => with_sdp(&response, &sdp.replace("o=- 1 1", "o=- 1 2")),
        };
        let ack = ask_once(&mut w, &response);
        assert!(ack.starts_with("ACK "), "{ack}");
        let number = field(&change.text, "CSeq")
            .unwrap()
            .replace("INVITE", "ACK");
        assert_eq!(field(&ack, "CSeq"), Some(&*number));
        assert_eq!(w.phones[0].media.len(), media, "the media half is done");
        w.run(seconds(70));
        assert!(w.heard().is_empty());
        assert_eq!(kept(&w, 0), (0, 0, 0), "{answer}");
    }
}

// Shows: whatever comes after our BYE finds no call | RFC 5407 3.2, interop row 28
#[test]
fn requests_cross_our_bye() {
    let mut w = alone(Manner::Answer);
    let our_tag = call_up(&mut w, "x");
    let key = w.phones[0].incoming()[0];
    w.command(0, Command::HangUp(key));
    w.run(ms(1));
    let text = w.heard().remove(0);
    assert!(text.starts_with("BYE "));
    let refer = "Refer-To: <sip:q@192.0.2.8>\n";
    for (n, (method, extra)) in [("REFER", refer), ("UPDATE", ""), ("INVITE", "")]
        .into_iter()
        .enumerate()
    {
        let number = 2 + n as u32;
        let refusal = ask_once(&mut w, &within(method, "x", number, &our_tag, extra));
        assert!(refusal.starts_with("SIP/2.0 481"), "{refusal}");
    }
    ask(&mut w, &Invite { text }.response("200 OK", "", ""));
    let told = w.phones[0].kinds(key).len();
    w.run(seconds(70));
    assert_eq!(w.phones[0].kinds(key).len(), told);
    assert_eq!(kept(&w, 0), (0, 0, 0));
}

// Shows: an INVITE under the branch of an earlier one is told so, not taken for a copy of it | RFC 3261 8.1.1.7
#[test]
fn a_branch_that_was_used_before_is_refused() {
    let mut w = alone(Manner::Answer);
    let our_tag = call_up(&mut w, "x");
    let key = w.phones[0].incoming()[0];
    let reused = |method: &str, branch: &str| {
        let request = within(method, "x", 2, &our_tag, "");
        request.replace(&format!("branch=z9hG4bKx-{method}-2"), branch)
    };
    let again = with_sdp(&reused("INVITE", "branch=z9hG4bKx"), SDP);
    for _ in 0..2 {
        let refusal = ask_once(&mut w, &again);
        assert!(refusal.starts_with("SIP/2.0 400"), "{refusal}");
        assert_eq!(field(&refusal, "CSeq"), Some("2 INVITE"));
    }
    let ack = reused("ACK", "branch=z9hG4bKx");
    assert!(ask(&mut w, &ack).is_empty());
    assert_eq!(w.phones[0].agent.transaction_stats().reused_branches, 2);
    assert!(w.phones[0].ended(key).is_none());
    let ok = ask_once(&mut w, &within("BYE", "x", 3, &our_tag, ""));
    assert!(ok.starts_with("SIP/2.0 200"), "{ok}");
    w.run(seconds(70));
    assert_eq!(kept(&w, 0), (0, 0, 0));
}
