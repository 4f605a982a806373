//! Bodies of several parts, both ways (RFC 5621).

use crate::peer::{
    CONTACT, SDP, alone, ask, ask_once, change, dial, field, plain, tag, with_sdp, within,
};
use crate::support::Manner;

const OTHER: &str = "Content-Type: application/isup;version=itu-t92+\n";
const OPTIONAL: &str = "Content-Disposition: signal;handling=optional\n";

/// `message` with its description as one of two parts.
fn parted(message: &str, headers: &str) -> String {
    let sdp = message.split_once("\n\n").map_or("", |(_, sdp)| sdp);
    let head = message
        .split_once("Content-Type")
        .map_or(message, |(head, _)| head);
    let body = format!(
        "--cut\n{headers}\n\x01\x10\n--cut\nContent-Type: application/sdp\n\n{sdp}\n--cut--\n"
    );
    let length = body.replace('\n', "\r\n").len();
    format!(
        "{head}Content-Type: multipart/mixed;boundary=cut\nMIME-Version: 1.0\nContent-Length: {length}\n\n{body}"
    )
}

// Shows: a session description is found among the parts of a body | RFC 5621 3.1
#[test]
fn an_offer_and_an_answer_among_other_parts_make_a_call() {
    let mut w = alone(Manner::Answer);
    let invite = with_sdp(&plain("INVITE sip:192.0.2.2", "m1", "1 INVITE", ""), SDP);
    let heard = ask(&mut w, &parted(&invite, &format!("{OTHER}{OPTIONAL}")));
    let ok = heard.last().expect("an answer");
    assert!(ok.starts_with("SIP/2.0 200"), "{ok}");
    assert!(ok.contains("m=audio 40000 RTP/AVP 0"), "{ok}");
    let our_tag = tag(ok, "To");
    ask(&mut w, &within("ACK", "m1", 1, &our_tag, ""));
    let again = parted(&change("m1", 2, &our_tag), &format!("{OTHER}{OPTIONAL}"));
    let ok = ask_once(&mut w, &again);
    assert!(
        ok.starts_with("SIP/2.0 200") && ok.contains("m=audio"),
        "{ok}"
    );

    let mut w = alone(Manner::Silent);
    let (key, invite) = dial(&mut w, 1);
    let ok = with_sdp(&invite.response("200 OK", "t", CONTACT), SDP);
    let ack = ask_once(&mut w, &parted(&ok, OTHER));
    assert!(ack.starts_with("ACK "), "{ack}");
    assert!(
        w.phones[0].is_connected(key),
        "an answer is taken whatever else comes with it"
    );
}

// Shows: the caller's location beside the description keeps nobody from taking the call | RFC 6442 3, interop row 34
#[test]
fn where_the_caller_is_need_not_be_understood() {
    let mut w = alone(Manner::Answer);
    let invite = with_sdp(&plain("INVITE sip:192.0.2.2", "m2", "1 INVITE", ""), SDP);
    let located = parted(&invite, "Content-Type: application/pidf+xml\n");
    let heard = ask(&mut w, &located);
    let ok = heard.last().expect("an answer");
    assert!(
        ok.starts_with("SIP/2.0 200") && ok.contains("m=audio"),
        "{ok}"
    );
    let options = ask_once(
        &mut w,
        &plain("OPTIONS sip:192.0.2.2", "m3", "1 OPTIONS", ""),
    );
    let accept = field(&options, "Accept").unwrap_or_default();
    assert!(accept.contains("application/pidf+xml"), "{options}");
}

// Shows: a part that has to be understood and is not gets 415 | RFC 5621 8.3
#[test]
fn parts_that_have_to_be_understood_are_refused() {
    let mut w = alone(Manner::Ring);
    let invite =
        |branch: &str| with_sdp(&plain("INVITE sip:192.0.2.2", branch, "1 INVITE", ""), SDP);
    let refused = ask_once(&mut w, &parted(&invite("n1"), OTHER));
    assert!(refused.starts_with("SIP/2.0 415"), "{refused}");
    let accept = field(&refused, "Accept").unwrap_or_default();
    assert!(accept.contains("application/sdp") && accept.contains("multipart/mixed"));
    let lost = parted(&invite("n2"), OTHER).replace("--cut--", "--cat--");
    let refused = ask_once(&mut w, &lost);
    assert!(
        refused.starts_with("SIP/2.0 400 Bad Request ("),
        "{refused}"
    );
    assert!(w.phones[0].incoming().is_empty());
}
