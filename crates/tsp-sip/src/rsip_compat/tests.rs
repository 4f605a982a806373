use super::*;
use rsip::prelude::*;

const INVITE: &str = "INVITE sip:bob@biloxi.com SIP/2.0\r\n\
    Via: SIP/2.0/UDP pc33.atlanta.com:5060;branch=z9hG4bK776asdhds\r\n\
    Max-Forwards: 70\r\n\
    To: Bob <sip:bob@biloxi.com>\r\n\
    From: Alice <sip:alice@atlanta.com>;tag=1928301774\r\n\
    Call-ID: a84b4c76e66710@pc33.atlanta.com\r\n\
    CSeq: 314159 INVITE\r\n\
    X-Mine: yes\r\n\
    Contact: <sip:alice@pc33.atlanta.com>\r\n\
    Content-Type: application/sdp\r\n\
    Content-Length: 4\r\n\r\nv=0\n";

#[test]
fn a_message_survives_both_ways() {
    let ours = Message::parse(&Bytes::from(INVITE)).unwrap();
    let theirs = rsip::SipMessage::try_from(&ours).unwrap();
    assert_eq!(
        theirs,
        rsip::SipMessage::try_from(INVITE).unwrap(),
        "their reader says the same"
    );
    assert_eq!(Message::try_from(&theirs).unwrap(), ours);
    let rsip::SipMessage::Request(request) = theirs else {
        panic!()
    };
    assert_eq!(
        request
            .via_header()
            .unwrap()
            .typed()
            .unwrap()
            .branch()
            .unwrap()
            .value(),
        "z9hG4bK776asdhds"
    );
    assert_eq!(request.cseq_header().unwrap().typed().unwrap().seq, 314_159);
}

#[test]
fn a_response_survives_both_ways() {
    let text = INVITE.replace("INVITE sip:bob@biloxi.com SIP/2.0", "SIP/2.0 200 OK");
    let ours = Message::parse(&Bytes::from(text)).unwrap();
    let theirs = rsip::SipMessage::try_from(&ours).unwrap();
    assert_eq!(Message::try_from(&theirs).unwrap(), ours);
}

#[test]
fn what_they_cannot_hold_is_an_error() {
    let kind = |text: &str| {
        let ours = Message::parse(&Bytes::from(text.to_owned())).unwrap();
        rsip::SipMessage::try_from(&ours).unwrap_err().kind()
    };
    for text in [
        "FOO sip:a@b SIP/2.0\r\n\r\n",
        "OPTIONS urn:service:sos SIP/2.0\r\n\r\n",
        "OPTIONS sip:a@b?Subject=x SIP/2.0\r\n\r\n",
        "OPTIONS sip:a@b SIP/7.0\r\n\r\n",
    ] {
        assert_eq!(kind(text), ErrorKind::Inexpressible, "{text}");
    }
    let mut odd = Headers::new();
    odd.push(HeaderName::Subject, &b"J\xf6rg"[..]).unwrap();
    assert!(headers_to(&odd).is_err());
}

#[test]
fn every_method_and_every_code_has_its_twin() {
    for theirs in rsip::Method::all() {
        let ours = Method::from(theirs);
        assert_eq!(ours.to_string(), theirs.to_string());
        assert_eq!(rsip::Method::try_from(&ours).unwrap(), theirs);
    }
    for code in 100..700 {
        let ours = StatusCode::new(code).unwrap();
        let theirs = rsip::StatusCode::from(ours);
        assert_eq!(theirs.code(), code);
        assert_eq!(StatusCode::try_from(theirs).unwrap(), ours);
    }
    assert!(StatusCode::try_from(rsip::StatusCode::Other(99, String::new())).is_err());
}

#[test]
fn uris_keep_their_parts() {
    for text in [
        "sips:alice:pw@[2001:db8::1]:5061;transport=tls;lr",
        "sip:192.0.2.1",
        "sip:a%20b@example.com;x=%41",
    ] {
        let ours = Uri::new(text).unwrap();
        let theirs = rsip::Uri::try_from(&ours).unwrap();
        assert_eq!(Uri::try_from(&theirs).unwrap(), ours);
    }
    let theirs = rsip::Uri::try_from("sip:bob@biloxi.com:5080;transport=tcp").unwrap();
    assert_eq!(
        Uri::try_from(&theirs)
            .unwrap()
            .as_str()
            .to_ascii_lowercase(),
        "sip:bob@biloxi.com:5080;transport=tcp"
    );
}
