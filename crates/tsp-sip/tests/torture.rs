//! Messages that others collected, at a user agent: each is answered with the status that its index or its RFC asks for,
//! ACKs and responses with silence, and the agent answers on.

mod support;

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use netsim::Impairment;
use support::{Manner, Phone, World};
use tsp_sip::wire::{Host, Message, Method, Request, Scheme};

const US: &str = "192.0.2.2:5060";

/// What is done where the index leaves a choice, asks for something else than a status, or asks it of another kind of
/// server; and why.
const OURS: [(&str, &str, &str); 18] = [
    (
        "rfc4475/baddate.dat",
        "180",
        "a Date that we do not need is passed over",
    ),
    ("rfc4475/bigcode.dat", "", "a response is never answered"),
    ("rfc4475/noreason.dat", "", "a response is never answered"),
    (
        "rfc4475/mismatch02.dat",
        "400",
        "the CSeq is looked at before the method",
    ),
    ("rfc4475/cparam01.dat", "405", "we are no registrar"),
    ("rfc4475/cparam02.dat", "405", "we are no registrar"),
    (
        "rfc4475/dblreq.dat",
        "405",
        "we are no registrar, and the second request is none",
    ),
    (
        "rfc4475/regaut01.dat",
        "405",
        "we are no registrar, which would ask for credentials",
    ),
    ("rfc4475/regescrt.dat", "405", "we are no registrar"),
    ("rfc4475/unksm2.dat", "405", "we are no registrar"),
    ("rfc5118/port-ambiguous.sip", "405", "we are no registrar"),
    ("rfc4475/esc01.dat", "180", "an INVITE like any other"),
    (
        "rfc4475/wsinv.dat",
        "481",
        "an INVITE with a tag of a dialog that we do not have",
    ),
    (
        "rfc5118/mult-ip-in-sdp.sip",
        "180",
        "an INVITE like any other",
    ),
    (
        "rfc4475/mpart01.dat",
        "415",
        "messages are taken as text alone",
    ),
    (
        "rfc5118/ipv6-in-sdp.sip",
        "400",
        "17 bytes are missing from the body (RFC 3261 section 18.3)",
    ),
    (
        "rfc5118/via-received-param-with-delim.sip",
        "481",
        "a BYE to nothing",
    ),
    ("rfc5118/via-received-param-no-delim.sip", "200", "OPTIONS"),
];

struct Row {
    file: String,
    expect: String,
    bytes: Bytes,
}

/// The messages of a corpus, or none if it is not at hand.
fn corpus(name: &str) -> Vec<Row> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/corpora")
        .join(name);
    let Ok(index) = std::fs::read_to_string(path.join("index.tsv")) else {
        println!("skipped: {} is not there", path.display());
        return Vec::new();
    };
    let row = |line: &str| {
        let cells: Vec<_> = line.split('\t').collect();
        Row {
            file: cells[0].to_owned(),
            expect: cells[7].to_owned(),
            bytes: std::fs::read(path.join(cells[0])).expect("listed").into(),
        }
    };
    index.lines().skip(1).map(row).collect()
}

/// A phone that rings, and how many messages came so far.
struct Peer {
    w: World,
    n: usize,
}

impl Peer {
    fn new() -> Self {
        let phones = vec![Phone::new(US, 1, Manner::Ring)];
        Self {
            w: World::new(phones, Impairment::PERFECT, 1),
            n: 0,
        }
    }

    /// The statuses of what is answered at once, each from another source.
    fn statuses(&mut self, bytes: Bytes) -> Vec<String> {
        self.n += 1;
        let source = format!("198.51.{}.{}:5060", self.n / 200, self.n % 200 + 1);
        self.w.inject_bytes(&source, US, bytes);
        self.w.run(Duration::from_millis(1));
        let heard = self.w.heard();
        let status = |m: &String| m.split(' ').nth(1).unwrap_or_default().to_owned();
        heard.iter().map(status).collect()
    }

    fn assert_alive(&mut self, after: &str) {
        let n = self.n;
        let options = format!(
            "OPTIONS sip:192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.99;branch=z9hG4bKalive{n}\r\nMax-Forwards: 70\r\n\
             From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: alive{n}\r\nCSeq: 1 OPTIONS\r\n\r\n"
        );
        assert_eq!(
            self.statuses(options.into()),
            ["200"],
            "alive after {after}"
        );
    }
}

/// The one status that the index asks for.
fn status_of(expect: &str) -> Option<&str> {
    let ua = expect.split("ua=").nth(1)?;
    let mut codes = ua.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| {
        w.len() == 3 && w.starts_with(['4', '5']) && w.bytes().all(|b| b.is_ascii_digit())
    });
    let only = codes.next()?;
    codes.next().is_none().then_some(only)
}

// Shows: torture messages, where the corpus is at hand | RFC 4475
#[test]
fn torture_messages_are_answered_rightly() {
    let mut peer = Peer::new();
    for row in corpus("01-sip-torture") {
        let ours = OURS.iter().find(|(file, ..)| *file == row.file);
        let wanted = match (ours, status_of(&row.expect)) {
            (Some((_, status, _)), _) => *status,
            (None, Some(status)) => status,
            (None, None) => "200",
        };
        let wanted: Vec<_> = Some(wanted).filter(|s| !s.is_empty()).into_iter().collect();
        assert_eq!(
            peer.statuses(row.bytes),
            wanted,
            "{}: {}",
            row.file,
            row.expect
        );
        peer.assert_alive(&row.file);
    }
}

/// Where a message of another stack is answered otherwise than its method alone would have it.
const OTHERS: [(&str, &str, &str); 21] = [
    ("jain/013.sip", "", "without a blank line it is none"),
    ("jain/358.sip", "", "without a blank line it is none"),
    ("jain/382.sip", "", "without a blank line it is none"),
    (
        "jain/059.sip",
        "488",
        "the line of its medium is cut short by its Content-Length",
    ),
    ("jain/301.sip", "488", "no session, but a line that is none"),
    ("jain/353.sip", "488", "its port is none"),
    (
        "jain/375.sip",
        "488",
        "its port is none; its Date is passed over",
    ),
    ("jain/014.sip", "400", "white space within angle brackets"),
    ("jain/391.sip", "400", "single-valued fields several times"),
    ("jain/060.sip", "505", "another version"),
    ("jain/379.sip", "505", "another version"),
    ("sofia/test41.sip", "505", "another version"),
    ("sofia/test42.sip", "505", "another version"),
    (
        "sofia/test20.sip",
        "400",
        "white space at the end of the request line",
    ),
    (
        "sofia/test6.sip",
        "415",
        "a body of a type that nobody knows",
    ),
    ("sofia/test14-req.sip", "488", "its port is none"),
    ("sofia/test36.sip", "488", "an image, and no sound"),
    ("kamailio/bad_uri.sip", "", "its Via cannot be read"),
    (
        "kamailio/invite6-badbranch-via.sip",
        "",
        "its Via cannot be read",
    ),
    ("kamailio/register.sip", "405", "we are no registrar"),
    ("kamailio/message03.sip", "200", "text"),
];

/// What a phone that rings says to a message by itself.
fn status_by_method(message: &Message) -> &'static str {
    let Message::Request(request) = message else {
        return "";
    };
    let within = request.headers.to().is_ok_and(|to| to.tag().is_some());
    match request.method {
        Method::Ack => "",
        Method::Register | Method::Refer => "405",
        Method::Other(_) => "501",
        Method::Bye | Method::Cancel => "481",
        _ if within => "481",
        Method::Options => "200",
        _ => "180",
    }
}

// Shows: messages of other stacks, where the corpus is at hand
#[test]
fn messages_of_other_stacks_are_answered_rightly() {
    let mut met = std::collections::BTreeMap::<String, usize>::new();
    for row in corpus("02-sip-messages") {
        // The streams are read elsewhere; of historic and hostile messages nothing but life is asked.
        let free = ["parse=accept ", "parse=reject "]
            .iter()
            .all(|e| !format!("{} ", row.expect).starts_with(e));
        if row.file.starts_with("sip2json/") {
            continue;
        }
        let mut peer = Peer::new();
        let listed = OTHERS.iter().find(|(file, ..)| *file == row.file);
        let wanted = match (listed, Message::parse(&row.bytes)) {
            (Some((_, status, _)), _) => *status,
            (None, Ok(message)) if !row.expect.starts_with("parse=reject") => {
                status_by_method(&message)
            }
            _ if row.bytes.starts_with(b"SIP/") || is_ack(&row.bytes) => "",
            _ => "400",
        };
        let statuses = peer.statuses(row.bytes.clone());
        let told = statuses.first().map_or("", String::as_str);
        let fine = statuses.len() <= 1 && (told == wanted || free && listed.is_none());
        assert!(
            fine,
            "{}: {statuses:?}, wanted {wanted}; {}",
            row.file, row.expect
        );
        let [phone] = &peer.w.phones[..] else {
            unreachable!("one was made")
        };
        let stats = phone.agent.stats();
        let counted = stats.refused + stats.unreadable + stats.stray_acks + stats.stray_responses;
        assert!(
            counted > 0 || ["180", "200"].contains(&told),
            "{}: {told} for a counted reason: {stats:?}",
            row.file
        );
        *met.entry(told.to_owned()).or_default() += 1;
        peer.assert_alive(&row.file);
    }
    println!("{met:?}");
}

fn is_ack(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().starts_with(b"ACK ")
}

/// The same with another method, in the first line and in CSeq.
fn as_ack(bytes: &[u8]) -> Option<Bytes> {
    let method = bytes.split(|b| *b == b' ').next()?;
    if method.is_empty() || method.contains(&b'/') || !method.iter().all(u8::is_ascii_alphanumeric)
    {
        return None;
    }
    let mut out = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(method.len()).position(|w| w == method) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(b"ACK");
        rest = &rest[at + method.len()..];
    }
    out.extend_from_slice(rest);
    Some(out.into())
}

/// The same with a status line.
fn as_response(bytes: &[u8]) -> Bytes {
    let end = bytes.iter().position(|b| *b == b'\n').unwrap_or_default();
    [b"SIP/2.0 200 OK\r\n", &bytes[(end + 1).min(bytes.len())..]]
        .concat()
        .into()
}

// Shows: what cannot be served is refused with the right status, and no ACK is ever answered
#[test]
fn no_message_of_a_corpus_is_answered_as_ack_or_response() {
    let mut peer = Peer::new();
    let mut met = [0, 0, 0];
    for row in ["01-sip-torture", "02-sip-messages"]
        .into_iter()
        .flat_map(corpus)
    {
        let untouched =
            (is_ack(&row.bytes) || row.bytes.starts_with(b"SIP/2.0 ")).then(|| row.bytes.clone());
        let changed = [untouched, as_ack(&row.bytes), Some(as_response(&row.bytes))];
        for (n, bytes) in changed.into_iter().enumerate() {
            let Some(bytes) = bytes else { continue };
            met[n] += 1;
            assert_eq!(peer.statuses(bytes), [""; 0], "{} {n}", row.file);
        }
    }
    println!("{met:?} ACKs and responses, made ACKs, made responses");
    // Nor later.
    peer.w.run(Duration::from_secs(70));
    assert_eq!(peer.w.heard(), [""; 0]);
}

/// The request in `file`.
fn request(rows: &[Row], file: &str) -> Option<Request> {
    let row = rows.iter().find(|r| r.file.contains(file))?;
    match Message::parse(&row.bytes) {
        Ok(Message::Request(request)) => Some(request),
        other => panic!("{file}: {other:?}"),
    }
}

// Shows: torture messages, where the corpus is at hand
#[test]
fn torture_messages_say_what_their_sections_say() {
    let rows = corpus("01-sip-torture");
    if rows.is_empty() {
        return;
    }
    let read = |file| request(&rows, file).expect("it is there");
    let contact = |r: &Request| {
        r.headers
            .contacts()
            .next()
            .expect("a Contact")
            .expect("a fine one")
    };

    let wsinv = read("wsinv");
    let headers = &wsinv.headers;
    assert_eq!(headers.to().unwrap().tag(), Some("1918181833n"));
    assert_eq!(headers.from().unwrap().display(), "J Rosenberg \\\"");
    assert_eq!(headers.max_forwards(), Ok(Some(68)));
    let cseq = headers.cseq().unwrap();
    assert_eq!((cseq.number, cseq.method), (9, Method::Invite));
    let vias: Vec<_> = headers
        .vias()
        .map(|v| v.unwrap().transport().to_owned())
        .collect();
    assert_eq!(vias, ["UDP", "TCP", "UDP"]);
    assert_eq!(wsinv.body.len(), 150);
    assert_eq!(contact(&wsinv).params().get("q").as_deref(), Some("0.33"));

    let esc = read("esc01");
    assert_eq!(esc.uri.user().as_deref(), Some("sips:user@example.com"));
    assert_eq!(esc.uri.host(), Some(Host::new("example.net").unwrap()));
    let from = esc.headers.from().unwrap();
    assert_eq!(from.uri().user().as_deref(), Some("I have spaces"));

    let semi = read("semiuri");
    assert_eq!(semi.uri.user().as_deref(), Some("user;par=u@example.net"));
    assert_eq!(
        (semi.uri.host(), semi.uri.params().count()),
        (Some(Host::new("example.com").unwrap()), 0)
    );

    let transports: Vec<_> = read("transports")
        .headers
        .vias()
        .map(|v| v.unwrap().transport().to_owned())
        .collect();
    assert_eq!(transports, ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]);

    // A parameter of the field, and one of the URI.
    let outside = contact(&read("cparam01"));
    assert!(outside.params().has("unknownparam") && outside.uri().param("unknownparam").is_none());
    let inside = contact(&read("cparam02"));
    assert!(!inside.params().has("unknownparam") && inside.uri().params().count() == 1);
    let escaped = contact(&read("regescrt"));
    assert_eq!(escaped.uri().headers().count(), 1);

    assert_eq!(read("dblreq").body, "");
    assert_eq!(read("unkscm").uri.scheme(), Scheme::Other);
    let parts = read("mpart01");
    assert_eq!(parts.body.len(), 553);
    assert!(parts.body.contains(&0));

    let ambiguous = read("port-ambiguous");
    assert_eq!(
        ambiguous.uri.host(),
        Some(Host::Ip("2001:db8::10:5070".parse().unwrap()))
    );
    assert_eq!(ambiguous.uri.port(), None);
    assert_eq!(
        read("3-colons").uri.host(),
        Some(Host::Ip("2001:db8::192.0.2.1".parse().unwrap()))
    );
    for file in ["no-delim", "with-delim"] {
        let via = read(file).headers.via().unwrap();
        assert_eq!(via.received(), Some("2001:db8::9:255".parse().unwrap()));
    }
}
