//! Messages that others collected: what must be read, what must be refused, and what must only do no harm.

use std::path::PathBuf;

use bytes::Bytes;
use tsp_sip::wire::{Frame, Framer, Limits, Message, check};

fn corpus(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/corpora")
        .join(name);
    if path.is_dir() {
        return Some(path);
    }
    println!("skipped: {} is not there", path.display());
    None
}

/// File name, what the file tests, and the verdict that the index asks for.
fn index(path: &std::path::Path) -> Vec<(String, String, String)> {
    let text = std::fs::read_to_string(path.join("index.tsv")).expect("a corpus has an index");
    let rows = text.lines().skip(1).map(|line| {
        let cells: Vec<_> = line.split('\t').collect();
        (
            cells[0].to_owned(),
            cells[6].to_owned(),
            cells[7].to_owned(),
        )
    });
    rows.collect()
}

#[derive(PartialEq, Debug)]
enum Verdict {
    Accepted,
    /// It can be read, and is answered with a refusal.
    Faulty(String),
    Refused(String),
}

fn verdict(bytes: Bytes) -> Verdict {
    let limits = Limits::default();
    let message = match Message::parse_with(&bytes, &limits) {
        Ok(message) => message,
        Err(e) => return Verdict::Refused(e.to_string()),
    };
    let checked = match &message {
        Message::Request(r) if !r.version_ok => return Verdict::Faulty("version".to_owned()),
        Message::Request(r) => check::request(r, &limits),
        Message::Response(r) => check::response(r, &limits),
    };
    let again = Message::parse(&message.to_bytes()).expect("what was read and written can be read");
    assert_eq!(again.to_bytes(), message.to_bytes());
    match checked {
        Ok(()) => Verdict::Accepted,
        Err(e) => Verdict::Faulty(e.to_string()),
    }
}

/// Rows where our verdict is another than the index wants, and why it stays so.
const KNOWN: [(&str, &str); 15] = [
    (
        "rfc5118/ipv6-in-sdp.sip",
        "17 bytes are missing from the body; a UAS must refuse that (RFC 3261 section 18.3)",
    ),
    (
        "jain/013.sip",
        "the blank line is none; white space around a URI within its brackets (RFC 4475 section 3.1.2.14)",
    ),
    (
        "jain/014.sip",
        "white space around a URI within its brackets (RFC 4475 section 3.1.2.14)",
    ),
    ("jain/024.sip", "no From, To and Call-ID"),
    ("jain/358.sip", "no blank line before the second message"),
    (
        "jain/363.sip",
        "a tag of the collection stands in the status line",
    ),
    (
        "jain/375.sip",
        "a Date that cannot be read is ignored, as RFC 4475 section 3.1.2.12 allows",
    ),
    ("jain/391.sip", "single-valued header fields several times"),
    (
        "sip2json/Mixed_Stream_3.sip",
        "log lines stand between the messages",
    ),
    (
        "sip2json/NOTIFY_single_2.sip",
        "a log line stands before the message",
    ),
    (
        "sip2json/NOTIFY_invalid_cline_1.sip",
        "the fault is in the session description, which is not read here",
    ),
    (
        "sip2json/Test_invalid_document.sip",
        "the fault is in the session description, which is not read here",
    ),
    (
        "sofia/test20.sip",
        "white space at the end of the request line, which RFC 4475 section 3.1.2.10 calls invalid",
    ),
    ("sofia/test41.sip", "another version gets a 505"),
    ("sofia/test42.sip", "another version gets a 505"),
];

fn is_known(file: &str) -> bool {
    KNOWN.iter().any(|(f, _)| *f == file)
}

// Shows: torture messages, where the corpus is at hand | RFC 4475
#[test]
fn torture_messages_get_their_verdict() {
    let Some(path) = corpus("01-sip-torture") else {
        return;
    };
    let rows = index(&path);
    assert!(!rows.is_empty());
    for (file, what, expect) in rows {
        let bytes = Bytes::from(std::fs::read(path.join(&file)).unwrap());
        let got = verdict(bytes);
        let wanted = expect
            .split([';', ' '])
            .next()
            .unwrap()
            .trim_start_matches("parse=");
        let fine = match wanted {
            "accept" => got == Verdict::Accepted,
            "reject" => got != Verdict::Accepted,
            w if w.starts_with("accept-then") => matches!(got, Verdict::Faulty(_)),
            _ => true,
        };
        assert!(
            fine != is_known(&file),
            "{file} ({what}): wanted {expect}, got {got:?}"
        );
    }
}

#[test]
fn messages_of_other_stacks_get_their_verdict() {
    let Some(path) = corpus("02-sip-messages") else {
        return;
    };
    for (file, what, expect) in index(&path) {
        let bytes = std::fs::read(path.join(&file)).unwrap();
        let got = if file.starts_with("sip2json/") {
            // Their lengths count the line ends that the collection lost.
            let text = String::from_utf8_lossy(&bytes)
                .replace("\r\n", "\n")
                .replace('\n', "\r\n");
            stream_verdict(text.as_bytes())
        } else {
            verdict(Bytes::from(bytes))
        };
        let wanted = expect.split(' ').next().unwrap();
        let fine = match wanted {
            "parse=accept" => got == Verdict::Accepted,
            "parse=reject" | "parse=reject/incomplete" => got != Verdict::Accepted,
            _ => continue,
        };
        assert!(
            fine != is_known(&file),
            "{file} ({what}): wanted {wanted}, got {got:?}"
        );
    }
}

/// The verdict on the first message of a stream.
fn stream_verdict(bytes: &[u8]) -> Verdict {
    let mut framer = Framer::new(Limits::default());
    framer.push(bytes);
    loop {
        match framer.next_frame() {
            Ok(Some(Frame::Message(m))) => return verdict(m),
            Ok(Some(Frame::Ping)) => {}
            Ok(None) => return Verdict::Refused("incomplete".to_owned()),
            Err(e) => return Verdict::Refused(e.to_string()),
        }
    }
}
