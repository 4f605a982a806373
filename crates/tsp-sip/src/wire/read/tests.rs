use super::*;

fn parse(text: &str) -> Result<Message> {
    Message::parse(&Bytes::copy_from_slice(text.as_bytes()))
}

fn kind(text: &str) -> ErrorKind {
    parse(text).unwrap_err().kind()
}

const HEAD: &str = "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h\r\n";

#[test]
fn a_clean_message_is_written_as_it_was_read() {
    let text = "INVITE sip:bob@biloxi.com SIP/2.0\r\n\
        Via: SIP/2.0/UDP pc33.atlanta.com;branch=z9hG4bK776asdhds\r\n\
        X-Odd: ;;,,;\u{fc}\r\n\
        Max-Forwards: 70\r\n\
        To: Bob <sip:bob@biloxi.com>\r\n\
        Content-Length: 4\r\n\
        Subject: after the length\r\n\r\nv=0\n";
    let message = parse(text).unwrap();
    assert_eq!(message.to_bytes(), text.as_bytes());
    let Message::Request(request) = &message else {
        panic!()
    };
    assert_eq!(request.method, Method::Invite);
    assert_eq!(request.body, "v=0\n");
}

// Shows: messages of careless peers are understood, what hides something is refused | RFC 3261 7, 18.3, 25
#[test]
fn careless_peers_are_understood() {
    let message =
        parse("\r\n\r\n\nOPTIONS sip:a@b SIP/2.0\nTO :\n sip:a@b ;\n\ttag=1\nl\t: 2\n\nab rest")
            .unwrap();
    assert_eq!(message.headers().to().unwrap().tag(), Some("1"));
    assert_eq!(message.body(), "ab");
    let folded = parse(&format!(
        "{HEAD}X: \"<\r\n b\" <sip:a@b;\r\n\tlr>\r\n ;p\r\n\r\n"
    ))
    .unwrap();
    assert_eq!(
        folded.headers().iter().last().unwrap().value(),
        "\"< b\" <sip:a@b;lr> ;p"
    );
    assert!(
        matches!(parse("SIP/2.0 200\r\nl: 0\r\n\r\n").unwrap(), Message::Response(r) if r.reason.is_empty())
    );
    assert!(parse("SIP/2.0 100 \r\n\r\n").is_ok());
}

// Shows: messages of careless peers are understood, what hides something is refused
#[test]
fn content_length_is_not_believed_blindly() {
    let with = |lines: &str, body: &str| format!("{HEAD}{lines}\r\n{body}");
    for bad in [
        "-1",
        "0x10",
        "5 5",
        "",
        "+5",
        "4294967296",
        "18446744073709551616",
        "2147483648",
    ] {
        assert!(
            parse(&with(&format!("Content-Length: {bad}\r\n"), "12345")).is_err(),
            "{bad}"
        );
    }
    assert_eq!(kind(&with("l: 6\r\n", "12345")), ErrorKind::BodyTruncated);
    assert_eq!(
        kind(&with("l: 5\r\nContent-Length: 5\r\n", "12345")),
        ErrorKind::ContentLength
    );
    assert_eq!(parse(&with("", "12345")).unwrap().body(), "12345");
    assert_eq!(parse(&with("l: 0003\r\n", "12345")).unwrap().body(), "123");
}

#[test]
fn start_lines_are_read_strictly() {
    for bad in [
        "INVITE  sip:a@b SIP/2.0",
        "INVITE sip:a@b SIP/2.0 ",
        "INVITE sip:a@b",
        "INVITE <sip:a@b> SIP/2.0",
        "INVITE sip:a@b; lr SIP/2.0",
        "INV(ITE sip:a@b SIP/2.0",
        " INVITE sip:a@b SIP/2.0",
        "INVITE sip:a@b HTTP/1.1",
        "INVITE sip:a@b SIP/2.0\r\n folded: x",
        "SIP/2.0 4294967301 x",
        "SIP/2.0 99 x",
        "SIP/2.0 700 x",
        "SIP/2.0 2e2 x",
        "SIP/3.0 200 OK",
        "",
    ] {
        assert!(
            parse(&format!("{bad}\r\nVia: SIP/2.0/UDP h\r\n\r\n")).is_err(),
            "{bad}"
        );
    }
    let odd = parse("OPTIONS sip:a@b SIP/7.0\r\n\r\n").unwrap();
    assert!(matches!(odd, Message::Request(r) if !r.version_ok));
}

// Shows: messages of careless peers are understood, what hides something is refused
#[test]
fn bytes_that_hide_something_are_refused() {
    for bad in [
        "To\u{1}: x",
        "To\r: x",
        "X: a\rb",
        "X: a\0b",
        ": x",
        "no colon",
        "X Y: z",
    ] {
        assert_eq!(
            kind(&format!("{HEAD}{bad}\r\n\r\n")),
            ErrorKind::HeaderLine,
            "{bad:?}"
        );
    }
    assert!(parse(&format!("{HEAD}To: \"NUL:\\\0\" <sip:a@b>\r\n\r\n")).is_ok());
    assert_eq!(kind(HEAD), ErrorKind::Truncated);
}

#[test]
fn every_limit_has_its_name() {
    let limit = |text: &str| match kind(text) {
        ErrorKind::Limit(limit) => limit,
        other => panic!("{other:?}"),
    };
    assert_eq!(limit(&"x".repeat(65_536)), Limit::Message);
    assert_eq!(
        limit(&format!("{HEAD}{}\r\n", "a: b\r\n".repeat(300))),
        Limit::HeaderCount
    );
    assert_eq!(
        limit(&format!("{HEAD}a: {}\r\n\r\n", "x".repeat(8200))),
        Limit::Line
    );
    assert_eq!(
        limit(&format!("{HEAD}a: x\r\n{}\r\n\r\n", " y\r\n".repeat(3000))),
        Limit::Line
    );
    assert_eq!(
        limit(&format!(
            "{HEAD}{}\r\n",
            format!("a: {}\r\n", "x".repeat(8000)).repeat(5)
        )),
        Limit::HeaderBytes
    );
    assert_eq!(
        limit(&format!("OPTIONS sip:{} SIP/2.0\r\n\r\n", "a".repeat(1100))),
        Limit::Uri
    );
}

#[test]
fn what_cannot_be_read_can_still_be_refused() {
    let text = "INVITE  sip:a@b  SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=1\r\nl: 99\r\n\r\n";
    let refused = Refused::salvage(&Bytes::from(text), &Limits::default()).unwrap();
    assert_eq!(refused.method, Method::Invite);
    assert_eq!(refused.headers.via().unwrap().branch(), Some("1"));
    assert!(
        Refused::salvage(
            &Bytes::from("SIP/2.0 4294967301 x\r\n\r\n"),
            &Limits::default()
        )
        .is_none()
    );
}
