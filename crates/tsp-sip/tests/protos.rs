//! The malformed INVITEs of the PROTOS suite c07-sip at a user agent: after each of them it answers a valid request.

mod support;

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use netsim::Impairment;
use support::{Manner, Phone, World, kept};

const US: &str = "192.0.2.2:5060";

/// The messages of all cases: each a decimal length, a space, and so many bytes.
fn messages(mut all: &[u8]) -> Vec<&[u8]> {
    let mut out = Vec::new();
    while let Some(space) = all.iter().position(|b| *b == b' ') {
        let digits = std::str::from_utf8(&all[..space])
            .map(str::trim)
            .unwrap_or_default();
        let Ok(length) = digits.parse::<usize>() else {
            break;
        };
        let rest = &all[space + 1..];
        let (message, after) = rest.split_at(length.min(rest.len()));
        out.push(message);
        all = after;
    }
    out
}

fn fill(template: &[u8], n: usize, method: &str) -> Vec<u8> {
    let mut bytes = template.to_vec();
    let values: [(&[u8], String); 10] = [
        (b"<To>", "user@192.0.2.2".into()),
        (b"<From>", "protos@192.0.2.66".into()),
        (b"<From-Address>", "192.0.2.66".into()),
        (b"<From-IP>", "192.0.2.66".into()),
        (b"<Local-Port>", "5060".into()),
        (b"<Call-ID>", n.to_string()),
        (b"<CSeq>", "1".into()),
        (b"<Branch-ID>", n.to_string()),
        (b"<Teardown-Method>", method.into()),
        (b"<Content-Length>", String::new()),
    ];
    for (name, value) in values {
        let value = if value.is_empty() {
            let head = bytes
                .windows(4)
                .position(|w| w == b"\r\n\r\n")
                .map_or(bytes.len(), |i| i + 4);
            (bytes.len() - head).to_string()
        } else {
            value
        };
        while let Some(at) = bytes.windows(name.len()).position(|w| w == name) {
            bytes.splice(at..at + name.len(), value.bytes());
        }
    }
    bytes
}

#[test]
fn protos_cases_leave_the_agent_alive() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/corpora/03-sip-protos/c07-sip-r2-cases.zip");
    let unzipped = Command::new("unzip").arg("-p").arg(&path).output();
    let all = match unzipped {
        Ok(output) if output.status.success() && path.is_file() => output.stdout,
        _ => {
            println!("skipped: {} or unzip is not there", path.display());
            return;
        }
    };
    let mut w = World::new(
        vec![Phone::new(US, 1, Manner::Ring)],
        Impairment::PERFECT,
        1,
    );
    let messages = messages(&all);
    assert!(messages.len() > 4000, "{}", messages.len());
    for (n, template) in messages.iter().enumerate() {
        let bytes = fill(template, n / 2, "CANCEL");
        if bytes.len() > 65_507 {
            continue;
        }
        w.inject_bytes("192.0.2.66:5060", US, Bytes::from(bytes));
        w.run(Duration::from_millis(5));
        w.strays.clear();
        let options = format!(
            "OPTIONS sip:192.0.2.2 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.99;branch=z9hG4bKalive{n}\nMax-Forwards: 70\n\
             From: <sip:a@b>;tag=1\nTo: <sip:a@b>\nCall-ID: alive{n}\nCSeq: 1 OPTIONS\n\n"
        );
        w.inject("192.0.2.99:5060", US, &options);
        w.run(Duration::from_millis(5));
        assert!(
            w.heard().iter().any(|m| m.starts_with("SIP/2.0 200")),
            "alive after message {n}"
        );
        w.sent.clear();
        w.traced.clear();
    }
    println!("{:?}", w.phones[0].agent.stats());
    for key in w.phones[0].incoming() {
        w.command(0, tsp_sip::call::Command::HangUp(key));
    }
    w.run(Duration::from_secs(200));
    assert_eq!(kept(&w, 0), (0, 0, 0));
}
