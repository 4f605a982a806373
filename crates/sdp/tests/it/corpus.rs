//! Texts of other stacks: what is accepted, that nothing is lost, and what two other parsers read in them.

use std::path::PathBuf;

use msp_core::media::MediaDirection;
use serde_json::Value;
use tsp_sdp::{Attribute, RemoteSession, SessionDescription};

use crate::support::{corpus, files};

fn texts() -> Vec<(PathBuf, Vec<u8>)> {
    let directories = ["05-sdp", "04-fuzz-seeds"].map(corpus);
    directories
        .iter()
        .flatten()
        .flat_map(|d| files(d, &[".sdp", "firefox_sdp.txt"]))
        .map(|path| {
            let text = std::fs::read(&path).unwrap_or_default();
            (path, text)
        })
        .collect()
}

#[test]
fn verdicts_of_the_index() {
    let Some(directory) = corpus("05-sdp") else {
        return;
    };
    let index = std::fs::read_to_string(directory.join("index.tsv")).unwrap();
    let mut accepted = 0;
    for row in index.lines().skip(1) {
        let fields: Vec<&str> = row.split('\t').collect();
        let (file, expect) = (fields[0], fields[fields.len() - 1]);
        if file.starts_with("oa/") {
            continue;
        }
        let text = std::fs::read(directory.join(file)).unwrap();
        let parsed = SessionDescription::parse(&text);
        if expect.starts_with("parse=accept") {
            let parsed = parsed.unwrap_or_else(|e| panic!("{file}: {e}"));
            assert_eq!(parsed.to_string().as_bytes(), text, "{file}");
            accepted += 1;
        }
    }
    assert_eq!(accepted, 32);
}

#[test]
fn nothing_is_lost_and_what_is_read_can_be_negotiated() {
    let mut whole = 0;
    for (path, text) in texts() {
        if let Ok(parsed) = SessionDescription::parse(&text) {
            assert_eq!(parsed.to_string().as_bytes(), text, "{}", path.display());
            whole += usize::from(RemoteSession::read(&parsed).is_ok());
        }
    }
    assert!(whole == 0 || whole > 50, "{whole}");
}

/// `a=` lines and m= lines must be the ones that an independent parser sees.
#[test]
fn sdp_types_reads_the_same() {
    let mut compared = 0;
    for (path, text) in texts() {
        let (Ok(ours), Ok(theirs)) = (
            SessionDescription::parse(&text),
            sdp_types::Session::parse(&text),
        ) else {
            continue;
        };
        let name = path.display();
        let attributes = |section: &tsp_sdp::Section| -> Vec<String> {
            section
                .lines()
                .iter()
                .filter(|l| matches!(l.value(), tsp_sdp::Value::Attribute(_)))
                .map(|l| l.text()[2..].to_string())
                .collect()
        };
        let print = |list: &[sdp_types::Attribute]| -> Vec<String> {
            list.iter()
                .map(|a| match &a.value {
                    Some(value) => format!("{}:{value}", a.attribute),
                    None => a.attribute.clone(),
                })
                .collect()
        };
        assert_eq!(
            attributes(ours.session()),
            print(&theirs.attributes),
            "{name}"
        );
        let origin = ours.origin().expect("theirs is an error without");
        assert_eq!(*origin.session_id, theirs.origin.sess_id, "{name}");
        assert_eq!(
            origin.version.parse(),
            Ok(theirs.origin.sess_version),
            "{name}"
        );
        assert_eq!(ours.media().len(), theirs.medias.len(), "{name}");
        for (ours, theirs) in ours.media().iter().zip(&theirs.medias) {
            assert_eq!(*ours.media.media, theirs.media, "{name}");
            assert_eq!(ours.media.port, theirs.port, "{name}");
            assert_eq!(ours.media.ports.map(u16::from), theirs.num_ports, "{name}");
            assert_eq!(*ours.media.protocol, theirs.proto, "{name}");
            assert_eq!(
                ours.media.formats.join(" "),
                theirs
                    .fmt
                    .split_ascii_whitespace()
                    .collect::<Vec<_>>()
                    .join(" "),
                "{name}"
            );
            assert_eq!(
                attributes(&ours.section),
                print(&theirs.attributes),
                "{name}"
            );
            let host = ours.section.connection().map(|c| c.host.to_string());
            let theirs = theirs.connections.first().map(|c| {
                let address = c.connection_address.split('/').next();
                address.unwrap_or_default().to_ascii_lowercase()
            });
            assert_eq!(host.map(|h| h.to_ascii_lowercase()), theirs, "{name}");
        }
        compared += 1;
    }
    println!("{compared} texts compared");
    assert!(compared == 0 || compared > 60, "{compared}");
}

/// The parse trees that sdp-transform made of its own texts.
#[test]
fn sdp_transform_reads_the_same() {
    let Some(directory) = corpus("05-sdp/sdp-transform") else {
        return;
    };
    let mut compared = 0;
    for path in files(&directory, &[".json"]) {
        let name = path.display();
        let text = std::fs::read(path.with_extension("sdp")).unwrap();
        let tree: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let ours = SessionDescription::parse(&text).unwrap();
        let origin = ours.origin().unwrap();
        assert_eq!(tree["origin"]["username"], *origin.username, "{name}");
        assert_eq!(
            tree["origin"]["address"],
            origin.address.to_string(),
            "{name}"
        );
        let media = tree["media"].as_array().unwrap();
        assert_eq!(media.len(), ours.media().len(), "{name}");
        for (theirs, ours) in media.iter().zip(ours.media()) {
            assert_eq!(theirs["type"], *ours.media.media, "{name}");
            assert_eq!(theirs["port"], ours.media.port, "{name}");
            assert_eq!(theirs["protocol"], *ours.media.protocol, "{name}");
            compare_attributes(theirs, &ours.section, &name.to_string());
        }
        compared += 1;
    }
    assert_eq!(compared, 12);
}

fn compare_attributes(theirs: &Value, ours: &tsp_sdp::Section, name: &str) {
    let rtp: Vec<(u64, String, u64, u64)> = theirs["rtp"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|r| {
            let number = |key: &str| match &r[key] {
                Value::String(s) => s.parse().ok(),
                value => value.as_u64(),
            };
            (
                number("payload").unwrap_or(0),
                r["codec"].as_str().unwrap_or_default().into(),
                number("rate").unwrap_or(0),
                number("encoding").unwrap_or(1),
            )
        })
        .collect();
    let mut found = Vec::new();
    let mut direction = None;
    for attribute in ours.attributes() {
        match attribute {
            Attribute::Rtpmap(number, codec) => found.push((
                u64::from(number.0),
                codec.name.to_string(),
                u64::from(codec.clock.hz()),
                u64::from(codec.channels),
            )),
            Attribute::Direction(d) => direction = Some(*d),
            Attribute::Mid(mid) => {
                let theirs = theirs["mid"].to_string();
                assert_eq!(theirs.trim_matches('"'), &**mid, "{name}");
            }
            Attribute::IceUfrag(ufrag) => {
                let theirs = theirs["iceUfrag"].to_string();
                assert_eq!(theirs.trim_matches('"'), &**ufrag, "{name}");
            }
            Attribute::MaxPtime(time) => assert_eq!(
                theirs["maxptime"].as_f64(),
                Some(time.as_secs_f64() * 1000.0),
                "{name}"
            ),
            Attribute::Rtcp(port, _) => assert_eq!(theirs["rtcp"]["port"], *port, "{name}"),
            _ => {}
        }
    }
    assert_eq!(found, rtp, "{name}");
    let named = match direction {
        Some(MediaDirection::SendRecv) => Some("sendrecv"),
        Some(MediaDirection::SendOnly) => Some("sendonly"),
        Some(MediaDirection::RecvOnly) => Some("recvonly"),
        Some(MediaDirection::Inactive) => Some("inactive"),
        None => None,
    };
    assert_eq!(theirs["direction"].as_str(), named, "{name}");
    let candidates = |kept: fn(&Attribute) -> bool| ours.attributes().filter(|a| kept(a)).count();
    assert_eq!(
        theirs["candidates"].as_array().map_or(0, |list| list
            .iter()
            .filter(|c| c["transport"]
                .as_str()
                .is_some_and(|t| t.eq_ignore_ascii_case("udp")))
            .count()),
        candidates(|a| matches!(a, Attribute::Candidate(_))),
        "{name}"
    );
}
