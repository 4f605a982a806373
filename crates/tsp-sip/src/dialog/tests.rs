//! Dialogs, with messages as literal bytes.

use super::*;
use crate::wire::{Message, StatusCode};

fn read(text: &str) -> Message {
    Message::parse(&Bytes::from(text.replace('\n', "\r\n"))).unwrap()
}

fn request(text: &str) -> Request {
    match read(text) {
        Message::Request(r) => r,
        Message::Response(_) => panic!("a response"),
    }
}

fn response(text: &str) -> Response {
    match read(text) {
        Message::Response(r) => r,
        Message::Request(_) => panic!("a request"),
    }
}

const INVITE: &str = "INVITE sip:bob@biloxi.com SIP/2.0\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\nMax-Forwards: 70\n\
    Record-Route: <sip:p2.example.com;lr>, <sip:p1.example.com;lr>\nTo: Bob <sip:bob@biloxi.com>\n\
    From: Alice <sip:alice@atlanta.com>;tag=1928301774\nCall-ID: a84b4c76e66710\nCSeq: 314159 INVITE\n\
    Contact: <sip:alice@pc33.atlanta.com>\n\n";

fn ok(code: u16, extra: &str) -> Response {
    response(&format!(
        "SIP/2.0 {code} OK\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\nTo: Bob <sip:bob@biloxi.com>;tag=a6c85cf\n\
         From: Alice <sip:alice@atlanta.com>;tag=1928301774\nCall-ID: a84b4c76e66710\nCSeq: 314159 INVITE\n{extra}\n"
    ))
}

fn text(request: Request) -> String {
    String::from_utf8(request.to_bytes().to_vec()).unwrap()
}

// Shows: dialogs: routes, strict routers, numbers, peers of RFC 2543 | RFC 3261 12
#[test]
fn the_called_end_keeps_the_order_of_the_routes() {
    let mut dialog = Dialog::called(&request(INVITE), "a6c85cf").unwrap();
    assert_eq!(dialog.next_hop().as_str(), "sip:p2.example.com;lr");
    assert_eq!(
        text(dialog.request(Method::Bye)),
        "BYE sip:alice@pc33.atlanta.com SIP/2.0\r\nMax-Forwards: 70\r\nFrom: Bob <sip:bob@biloxi.com>;tag=a6c85cf\r\n\
         To: Alice <sip:alice@atlanta.com>;tag=1928301774\r\nCall-ID: a84b4c76e66710\r\nCSeq: 1 BYE\r\n\
         Route: <sip:p2.example.com;lr>\r\nRoute: <sip:p1.example.com;lr>\r\nContent-Length: 0\r\n\r\n"
    );
    assert_eq!(
        dialog.request(Method::Bye).headers.cseq().unwrap().number,
        2
    );
}

// Shows: dialogs: routes, strict routers, numbers, peers of RFC 2543
#[test]
fn the_calling_end_turns_the_routes_round_and_believes_the_2xx() {
    let invite = request(INVITE);
    let early = ok(
        180,
        "Record-Route: <sip:x.example.com;lr>\nContact: <sip:bob@early>\n",
    );
    let mut dialog = Dialog::calling(&invite, &early).unwrap();
    assert!(!dialog.is_confirmed());
    assert_eq!(dialog.target().as_str(), "sip:bob@early");
    let routes = "Record-Route: <sip:p2.example.com;lr>\nRecord-Route: <sip:p1.example.com;lr>\nContact: <sip:bob@192.0.2.4>\n";
    dialog.learn(&ok(200, routes)).unwrap();
    assert!(dialog.is_confirmed());
    assert_eq!(dialog.next_hop().as_str(), "sip:p1.example.com;lr");
    let ack = text(dialog.ack(314_159));
    assert!(ack.starts_with("ACK sip:bob@192.0.2.4 SIP/2.0\r\n"));
    assert!(ack.contains(
        "CSeq: 314159 ACK\r\nRoute: <sip:p1.example.com;lr>\r\nRoute: <sip:p2.example.com;lr>\r\n"
    ));
    // Routes are fixed from then on.
    dialog
        .learn(&ok(
            200,
            "Record-Route: <sip:evil;lr>\nContact: <sip:bob@192.0.2.5>\n",
        ))
        .unwrap();
    assert_eq!(dialog.next_hop().as_str(), "sip:p1.example.com;lr");
    assert_eq!(
        dialog.request(Method::Bye).headers.cseq().unwrap().number,
        314_160
    );
}

/// RFC 3261 section 12.2.1.1, the example of a strict router.
// Shows: dialogs: routes, strict routers, numbers, peers of RFC 2543
#[test]
fn a_strict_router_stands_in_the_request_uri() {
    let invite = request(&INVITE.replace(
        "<sip:p2.example.com;lr>",
        "<sip:p2.example.com;method=X;q=1>",
    ));
    let mut dialog = Dialog::called(&invite, "t").unwrap();
    let bye = text(dialog.request(Method::Bye));
    assert!(
        bye.starts_with("BYE sip:p2.example.com;q=1 SIP/2.0\r\n"),
        "{bye}"
    );
    assert!(
        bye.contains("Route: <sip:p1.example.com;lr>\r\nRoute: <sip:alice@pc33.atlanta.com>\r\n"),
        "{bye}"
    );
}

// Shows: dialogs: routes, strict routers, numbers, peers of RFC 2543
#[test]
fn numbers_that_go_back_are_unwelcome() {
    let mut dialog = Dialog::called(&request(INVITE), "t").unwrap();
    let with = |number: &str| request(&INVITE.replace("314159", number).replace("pc33", "pc34"));
    assert_eq!(dialog.take(&with("314158")), Err(Unwelcome::OutOfOrder));
    assert_eq!(dialog.target().as_str(), "sip:alice@pc33.atlanta.com");
    assert_eq!(dialog.take(&with("314170")), Ok(()));
    assert_eq!(
        dialog.target().as_str(),
        "sip:alice@pc34.atlanta.com",
        "a re-INVITE says where the peer is now"
    );
    let bye = request(&INVITE.replace("INVITE", "BYE").replace("314159", "314169"));
    assert_eq!(dialog.take(&bye), Err(Unwelcome::OutOfOrder));
}

#[test]
fn ids_are_seen_from_our_end() {
    let id = Dialog::called(&request(INVITE), "t").unwrap().id().clone();
    let bye = request(&INVITE.replace("INVITE", "BYE").replace(
        "To: Bob <sip:bob@biloxi.com>",
        "To: <sip:bob@biloxi.com>;tag=t",
    ));
    assert_eq!(DialogId::of_request(&bye.headers).unwrap(), id);
    assert!(DialogId::of_request(&request(INVITE).headers).is_err());
    let calling = Dialog::calling(&request(INVITE), &ok(180, "")).unwrap();
    assert_eq!(
        *calling.id(),
        DialogId::of_response(&ok(200, "").headers).unwrap()
    );
    assert_eq!(
        calling.target().as_str(),
        "sip:bob@biloxi.com",
        "without a Contact it stays with the Request-URI"
    );
}

// Shows: dialogs: routes, strict routers, numbers, peers of RFC 2543
#[test]
fn peers_of_rfc_2543_have_no_tag_and_no_contact() {
    let old = request(
        &INVITE
            .replace(";tag=1928301774", "")
            .replace("Contact: <sip:alice@pc33.atlanta.com>\n", ""),
    );
    let dialog = Dialog::called(&old, "t").unwrap();
    assert_eq!(
        (dialog.id().remote_tag.as_str(), dialog.target().as_str()),
        ("", "sip:alice@atlanta.com")
    );
}

#[test]
fn responses_get_our_tag_once() {
    let first = tagged_response(&request(INVITE), StatusCode::RINGING, "mine");
    assert_eq!(first.headers.to().unwrap().tag(), Some("mine"));
    let within = request(&INVITE.replace(
        "To: Bob <sip:bob@biloxi.com>",
        "To: <sip:bob@biloxi.com>;tag=t",
    ));
    let second = tagged_response(&within, StatusCode::OK, "mine");
    assert_eq!(second.headers.to().unwrap().tag(), Some("t"));
}

#[test]
fn a_success_alone_tells_the_dialog_that_it_makes() {
    let routes = "Record-Route: <sip:p2.example.com;lr>, <sip:p1.example.com;lr>\nContact: <sip:bob@192.0.2.4>\n";
    let success = ok(200, routes);
    let of_request = Dialog::calling(&request(INVITE), &success).unwrap();
    assert!(Dialog::answered(&success).unwrap() == of_request);
    // A peer that names no place to reach it is looked for where its address says.
    let dialog = Dialog::answered(&ok(200, "")).unwrap();
    assert_eq!(dialog.target().as_str(), "sip:bob@biloxi.com");
}
