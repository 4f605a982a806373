use super::*;
use crate::transport::Transport;
use crate::wire::Message;

fn flow(port: u16) -> Flow {
    Flow::udp(
        "192.0.2.9:5060".parse().unwrap(),
        ([192, 0, 2, 1], port).into(),
    )
}

fn t(seconds: u64) -> Instant {
    Instant::from_millis(seconds * 1000)
}

/// Literal bytes of a REGISTER.
fn register(call_id: &str, number: u32, fields: &str) -> Request {
    let text = format!(
        "REGISTER sip:example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{number}\r\n\
         From: <sip:bob@example.com>;tag=1\r\nTo: <sip:bob@example.com>\r\nCall-ID: {call_id}\r\n\
         CSeq: {number} REGISTER\r\nMax-Forwards: 70\r\n{fields}\r\n"
    );
    match Message::parse(&Bytes::from(text)) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn said(outcome: &Outcome, name: &HeaderName) -> Vec<String> {
    let values = outcome.fields.iter().filter(|(n, _)| n == name);
    values
        .map(|(_, v)| String::from_utf8_lossy(v).into_owned())
        .collect()
}

// Shows: a registrar keeps contacts for as long as they say, in order, all of a request or nothing | RFC 3261 10.3
#[test]
fn contacts_come_are_refreshed_and_go() {
    let mut r = Registrar::default();
    let two = register(
        "a",
        1,
        "Contact: <sip:bob@192.0.2.1>;q=0.5, <sip:bob@192.0.2.2>;expires=120\r\nExpires: 600\r\n",
    );
    let outcome = r.register(t(0), flow(5060), "bob", &two);
    assert_eq!(outcome.status, StatusCode::OK);
    assert_eq!(
        said(&outcome, &HeaderName::Contact),
        [
            "<sip:bob@192.0.2.1>;q=0.5;expires=600",
            "<sip:bob@192.0.2.2>;expires=120"
        ]
    );
    let locations = r.find(t(1), "bob");
    let uris: Vec<_> = locations.iter().map(|t| t.uri.to_string()).collect();
    assert_eq!(
        uris,
        ["sip:bob@192.0.2.2", "sip:bob@192.0.2.1"],
        "by preference"
    );
    assert!(r.find(t(1), "alice").is_empty());
    // A fetch changes nothing.
    let fetch = r.register(t(60), flow(5060), "bob", &register("b", 1, ""));
    assert_eq!(
        said(&fetch, &HeaderName::Contact)[1],
        "<sip:bob@192.0.2.2>;expires=60"
    );
    // One ends by itself, one is taken back.
    assert_eq!(r.deadline(), Some(t(120)));
    r.expire(t(120));
    assert_eq!(r.len(), 1);
    let gone = register("a", 2, "Contact: <sip:bob@192.0.2.1>;expires=0\r\n");
    assert!(
        said(
            &r.register(t(130), flow(5060), "bob", &gone),
            &HeaderName::Contact
        )
        .is_empty()
    );
    assert!(r.is_empty() && r.users.is_empty() && r.deadline().is_none());
}

// Shows: a registrar keeps contacts for as long as they say, in order, all of a request or nothing
#[test]
fn what_cannot_be_done_changes_nothing() {
    let mut r = Registrar::default();
    let contact = "Contact: <sip:bob@192.0.2.1>\r\n";
    assert_eq!(
        r.register(t(0), flow(1), "bob", &register("a", 5, contact))
            .status,
        StatusCode::OK
    );
    let refused = |r: &mut Registrar, number, fields: &str| {
        let outcome = r.register(t(1), flow(2), "bob", &register("a", number, fields));
        assert_eq!(
            (r.len(), r.find(t(1), "bob")[0].flow),
            (1, flow(1)),
            "{fields}"
        );
        outcome
    };
    let brief = refused(
        &mut r,
        6,
        "Contact: <sip:new@192.0.2.1>, <sip:bob@192.0.2.1>;expires=30\r\n",
    );
    assert_eq!(brief.status, StatusCode::INTERVAL_TOO_BRIEF);
    assert_eq!(said(&brief, &HeaderName::MinExpires), ["60"]);
    assert_eq!(
        refused(&mut r, 5, contact).status,
        StatusCode::SERVER_INTERNAL_ERROR,
        "a copy"
    );
    assert_eq!(
        refused(&mut r, 4, contact).status,
        StatusCode::SERVER_INTERNAL_ERROR,
        "overtaken"
    );
    assert_eq!(
        refused(&mut r, 6, "Contact: *\r\n").status,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        refused(&mut r, 5, "Contact: *\r\nExpires: 0\r\n").status,
        StatusCode::SERVER_INTERNAL_ERROR
    );
    let both = "Contact: *, <sip:bob@192.0.2.1>\r\nExpires: 0\r\n";
    assert_eq!(refused(&mut r, 6, both).status, StatusCode::BAD_REQUEST);
    let many: String = (0..10)
        .map(|n| format!("Contact: <sip:bob@192.0.2.{}>\r\n", 10 + n))
        .collect();
    assert_eq!(refused(&mut r, 6, &many).status, StatusCode::FORBIDDEN);
    let path = refused(
        &mut r,
        6,
        "Contact: <sip:bob@192.0.2.1>\r\nPath: <sip:p.example.com;lr>\r\n",
    );
    assert_eq!(path.status, StatusCode::BAD_EXTENSION);
    let all = r.register(
        t(2),
        flow(2),
        "bob",
        &register("a", 6, "Contact: *\r\nExpires: 0\r\n"),
    );
    assert_eq!((all.status, r.len()), (StatusCode::OK, 0));
}

// Shows: a registrar knows devices by their instance, and the flows and proxies that lead to them | RFC 5626 6, RFC 3327 5.3
#[test]
fn devices_have_flows_and_paths() {
    let mut r = Registrar::default();
    let device = |uri: &str, id: u32| {
        format!(
            "Contact: <{uri}>;+sip.instance=\"<urn:uuid:0>\";reg-id={id}\r\nSupported: path, outbound\r\nPath: <sip:p.example.com;lr;ob>\r\n"
        )
    };
    let one = r.register(
        t(0),
        flow(1),
        "bob",
        &register("a", 1, &device("sip:bob@10.0.0.1", 1)),
    );
    assert_eq!(said(&one, &HeaderName::Require), ["outbound"]);
    assert_eq!(said(&one, &HeaderName::Path), ["<sip:p.example.com;lr;ob>"]);
    r.register(
        t(0),
        flow(2),
        "bob",
        &register("b", 1, &device("sip:bob@10.0.0.1", 2)),
    );
    assert_eq!(r.len(), 2, "two flows of one device");
    // It comes back from elsewhere.
    r.register(
        t(5),
        flow(3),
        "bob",
        &register("c", 1, &device("sip:bob@10.9.9.9", 1)),
    );
    let locations = r.find(t(6), "bob");
    let uris: Vec<_> = locations
        .iter()
        .map(|t| (t.uri.to_string(), t.flow.remote.port()))
        .collect();
    assert_eq!(
        uris,
        [
            ("sip:bob@10.9.9.9".into(), 3),
            ("sip:bob@10.0.0.1".into(), 2)
        ]
    );
    assert_eq!(
        locations[0].path[0].to_string(),
        "<sip:p.example.com;lr;ob>"
    );
    r.lost(flow(2));
    assert_eq!(r.find(t(6), "bob").len(), 1);
    assert_eq!((r.len(), Transport::Udp), (1, flow(1).transport));
}
