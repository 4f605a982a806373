//! Packets and streams of other programs, with what those say of them. Skipped where they are not at hand.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use msp_core::id::{PayloadType, SequenceNumber, Ssrc};
use msp_core::stats::DropReason;
use msp_core::time::{ClockRate, Instant};
use msp_rtp::digits::{DigitReceiver, EventHeard};
use msp_rtp::packet::DatagramClass;
use msp_rtp::rtcp::{Report, Reports};
use msp_rtp::source::{Sequence, Source};
use msp_rtp::view::RtpView;

fn corpus(path: &str) -> Option<PathBuf> {
    let root =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora/07-rtp-rtcp");
    let path = root.join(path);
    if !path.exists() {
        println!("skipped: {} is not here", path.display());
        return None;
    }
    Some(path)
}

fn file(path: &str) -> Option<Vec<u8>> {
    Some(std::fs::read(corpus(path)?).unwrap())
}

/// A datagram of a capture.
struct Seen {
    at: Instant,
    /// Source port, to tell two calls in one capture apart.
    port: u16,
    bytes: Vec<u8>,
}

/// The UDP payloads of a pcap or pcapng file of Ethernet, raw IP or loopback frames, in either byte order.
fn udp(capture: &[u8]) -> Vec<Seen> {
    let word = |b: &[u8], at: usize, swapped: bool| {
        let b: [u8; 4] = b[at..at + 4].try_into().unwrap();
        if swapped {
            u32::from_be_bytes(b)
        } else {
            u32::from_le_bytes(b)
        }
    };
    let mut seen = Vec::new();
    let mut frame = |nanos: u64, link: u32, frame: &[u8]| {
        let ip = match link {
            1 => &frame[14..],
            0 => &frame[4..],
            113 => &frame[16..],
            _ => frame,
        };
        let (head, udp) = match ip[0] >> 4 {
            4 => (usize::from(ip[0] & 15) * 4, ip[9] == 17),
            _ => (40, ip[6] == 17),
        };
        if !udp {
            return;
        }
        let udp = &ip[head..];
        let len = usize::from(u16::from_be_bytes([udp[4], udp[5]]));
        seen.push(Seen {
            at: Instant::from_nanos(nanos),
            port: u16::from_be_bytes([udp[0], udp[1]]),
            bytes: udp[8..len.min(udp.len())].to_vec(),
        });
    };
    if capture[..4] == [0x0a, 0x0d, 0x0d, 0x0a] {
        let swapped = word(capture, 8, false) != 0x1a2b_3c4d;
        let (mut at, mut link) = (0, 1);
        while at + 12 <= capture.len() {
            let (kind, len) = (
                word(capture, at, swapped),
                word(capture, at + 4, swapped) as usize,
            );
            match kind {
                1 => link = word(capture, at + 8, swapped) & 0xffff,
                6 => {
                    let micros = u64::from(word(capture, at + 12, swapped)) << 32
                        | u64::from(word(capture, at + 16, swapped));
                    let caught = word(capture, at + 20, swapped) as usize;
                    frame(micros * 1000, link, &capture[at + 28..at + 28 + caught]);
                }
                _ => {}
            }
            at += len;
        }
        return seen;
    }
    let magic = word(capture, 0, false);
    let swapped = magic == 0xd4c3_b2a1 || magic == 0x4d3c_b2a1;
    let unit = if matches!(magic, 0xa1b2_3c4d | 0x4d3c_b2a1) {
        1
    } else {
        1000
    };
    let link = word(capture, 20, swapped);
    let mut at = 24;
    while at + 16 <= capture.len() {
        let seconds = u64::from(word(capture, at, swapped));
        let part = u64::from(word(capture, at + 4, swapped));
        let caught = word(capture, at + 8, swapped) as usize;
        frame(
            seconds * 1_000_000_000 + part * unit,
            link,
            &capture[at + 16..at + 16 + caught],
        );
        at += 16 + caught;
    }
    seen
}

#[test]
fn packets_of_aiortc_are_read_as_there() {
    let Some(padding) = file("aiortc/rtp_only_padding.bin") else {
        return;
    };
    let view = RtpView::parse(&padding).unwrap();
    assert_eq!(view.payload_type(), PayloadType(120));
    assert_eq!(view.sequence(), SequenceNumber(27_759));
    assert_eq!(view.timestamp(), 4_044_047_131);
    assert_eq!(
        (view.payload().len(), view.padding(), view.marker()),
        (0, 224, false)
    );
    for last in [0, 2] {
        let mut cut = padding[..12].to_vec();
        cut.push(last);
        assert_eq!(RtpView::parse(&cut).err(), Some(DropReason::BadHeader));
    }

    let extended = file("aiortc/rtp_only_padding_with_header_extensions.bin").unwrap();
    let view = RtpView::parse(&extended).unwrap();
    assert_eq!(
        (view.payload_type(), view.sequence()),
        (PayloadType(98), SequenceNumber(22_138))
    );
    assert_eq!((view.timestamp(), view.padding()), (3_171_065_731, 224));
    let elements: Vec<_> = view.elements().map(|e| e.data.to_vec()).collect();
    assert_eq!(elements, [15_846_540u32.to_be_bytes()[1..].to_vec()]);
}

#[test]
fn reports_of_aiortc_are_read_as_there() {
    let Some(sr) = file("aiortc/rtcp_sr.bin") else {
        return;
    };
    assert_eq!(DatagramClass::of(&sr), DatagramClass::Rtcp);
    let reports: Vec<_> = Reports::new(&sr).map(Result::unwrap).collect();
    let [report @ Report::Sender(info)] = &reports[..] else {
        panic!("{reports:?}");
    };
    assert_eq!(info.ssrc(), 1_831_097_322);
    assert_eq!(info.ntp_timestamp(), 16_016_567_581_311_369_308);
    assert_eq!((info.packet_count(), info.octet_count()), (269, 13_557));
    let block = report.blocks().next().unwrap();
    assert_eq!(
        (block.ssrc, block.highest, block.jitter),
        (Ssrc(2_398_654_957), 246, 127)
    );

    for (name, good) in [
        ("rtcp_bye_invalid", false),
        ("rtcp_bye_no_sources", true),
        ("rtcp_sdes_source_truncated", false),
        ("rtcp_sr_invalid", false),
        ("rtcp_rtpfb", true),
    ] {
        let bytes = file(&format!("aiortc/{name}.bin")).unwrap();
        assert_eq!(Reports::new(&bytes).all(|r| r.is_ok()), good, "{name}");
    }
}

/// The cases of the four types that we read.
#[test]
fn reports_of_pion_are_taken_and_refused_as_there() {
    let Some(cases) = corpus("pion-rtcp-cases.json") else {
        return;
    };
    let cases = std::fs::read_to_string(cases).unwrap();
    // A flat list of objects of strings: no parser is worth its weight.
    let field = |case: &str, name: &str| -> Option<String> {
        let rest = case.split_once(&format!("\"{name}\": "))?.1;
        let rest = rest.strip_prefix('"')?;
        Some(rest.split('"').next()?.to_owned())
    };
    let mut checked = 0;
    for case in cases.split("\"file\": ").skip(1) {
        let origin = case.trim_start_matches('"').split('"').next().unwrap();
        let types: &[u8] = match origin {
            "sender_report_test.go" => &[200],
            "receiver_report_test.go" => &[201],
            "source_description_test.go" => &[202],
            "goodbye_test.go" => &[203],
            _ => continue,
        };
        let (name, hex) = (
            field(case, "name").unwrap(),
            field(case, "data_hex").unwrap(),
        );
        let mut bytes: Vec<u8> = (0..hex.len() / 2)
            .map(|n| u8::from_str_radix(&hex[n * 2..n * 2 + 2], 16).unwrap())
            .collect();
        let refused = case.contains("\"error\": \"err");
        // Some of the good ones lie about their length, which is not looked at there.
        if let [_, _, high, low, ..] = &mut bytes[..]
            && !refused
        {
            [*high, *low] = ((hex.len() / 8) as u16 - 1).to_be_bytes();
        }
        let right = bytes.get(1).is_some_and(|t| types.contains(t))
            && !bytes.is_empty()
            && Reports::new(&bytes).all(|r| r.is_ok());
        assert_eq!(right, !refused, "{origin} {name} {hex}");
        checked += 1;
    }
    assert!(checked > 15, "{checked}");
}

/// What rtpproxy's rtp_analyze counts.
struct Expected {
    packets: u64,
    first: u16,
    last: u16,
    ssrc: u32,
    duplicates: u64,
    lost: i64,
    jitter: [f64; 2],
}

#[test]
fn streams_have_the_statistics_that_rtpproxy_counts() {
    let Some(index) = corpus("index.tsv") else {
        return;
    };
    let index = std::fs::read_to_string(index).unwrap();
    let mut streams = 0;
    for (name, leg, clock) in [
        ("alice_srtp", 0, 8000),
        ("bob_srtp", 1, 8000),
        ("c1.a", 0, 8000),
        ("call1_g722.a", 0, 8000),
        ("call1_g722.o", 1, 8000),
        ("call1_g722_srtp.a", 0, 8000),
        ("call1_g722_srtp.o", 1, 8000),
        ("call1_gsm.a", 0, 8000),
        ("call1_gsm.o", 1, 8000),
        ("dups.a", 0, 8000),
        ("weird.a", 0, 8000),
        ("weird.o", 1, 8000),
    ] {
        let path = format!("rtpproxy/{name}.pcap");
        let line = index.lines().find(|l| l.starts_with(&path)).unwrap();
        let expected = expected(line, leg);
        let clock = ClockRate::new(clock).unwrap();
        let mut source: Option<Source> = None;
        for seen in udp(&file(&path).unwrap()) {
            let Ok(view) = RtpView::parse(&seen.bytes) else {
                continue;
            };
            if view.ssrc() != Ssrc(expected.ssrc) {
                continue;
            }
            let source = source
                .get_or_insert_with(|| Source::new(view.ssrc(), view.sequence(), clock, seen.at));
            let got = source.sequence(view.sequence(), true);
            if matches!(got, Sequence::Taken { .. } | Sequence::Validated { .. }) {
                source.arrival(seen.at, view.timestamp(), clock);
            }
        }
        let source = source.unwrap();
        assert_eq!(source.duplicates, expected.duplicates, "{name}");
        assert_eq!(
            source.received - source.duplicates,
            expected.packets,
            "{name}"
        );
        assert_eq!(
            source.lost() + source.duplicates as i64,
            expected.lost,
            "{name}"
        );
        assert_eq!(
            (source.base_seq as u16, source.max_seq),
            (expected.first, expected.last),
            "{name}"
        );
        for (what, ours, theirs) in [
            ("last", source.jitter, expected.jitter[0]),
            ("max", source.jitter_max, expected.jitter[1]),
        ] {
            println!("{name} {what} jitter {ours:.6} ticks, there {theirs:.6}");
            let close = (ours - theirs).abs() <= theirs * 0.01;
            // The first packet comes twice in this one, and the two count its gap differently.
            let close = close || (name, what) == ("dups.a", "max");
            assert!(close, "{name} {what}: {ours} {theirs}");
        }
        streams += 1;
    }
    assert_eq!(streams, 12);
}

/// `pcount=1, min_seq=...` of one leg; the second leg's follow the first's.
fn expected(line: &str, leg: usize) -> Expected {
    let all = |name: &str| -> Vec<&str> {
        line.split(&format!("{name}="))
            .skip(1)
            .map(|rest| rest.split([',', ' ', ';']).next().unwrap())
            .collect()
    };
    let one = |name: &str| {
        let values = all(name);
        values[leg.min(values.len() - 1)].to_owned()
    };
    let number = |name: &str| one(name).parse::<f64>().unwrap();
    Expected {
        packets: number("precvd") as u64,
        first: number("min_seq") as u16,
        last: number("max_seq") as u16,
        ssrc: u32::from_str_radix(one("ssrc").trim_start_matches("0x"), 16).unwrap(),
        duplicates: number("duplicates") as u64,
        lost: number("plost") as i64,
        jitter: [number("last_jitter"), number("max_jitter")],
    }
}

fn keys(capture: &[u8], payload_type: u8) -> BTreeMap<u16, String> {
    let mut ears: BTreeMap<u16, (DigitReceiver, String, Instant)> = BTreeMap::new();
    for seen in udp(capture) {
        let Ok(view) = RtpView::parse(&seen.bytes) else {
            continue;
        };
        if view.payload_type() != PayloadType(payload_type) {
            continue;
        }
        let ear = ears.entry(seen.port).or_default();
        ear.0.tick(seen.at);
        ear.0
            .take(&EventHeard {
                at: seen.at,
                timestamp: view.timestamp(),
                payload: view.payload(),
                clock: ClockRate::HZ_8000,
            })
            .unwrap();
        while let Some(press) = ear.0.poll() {
            if press.ended {
                let text = format!("{} {} {}\n", press.digit, press.volume, press.ticks);
                ear.1.push_str(&text);
            }
        }
    }
    ears.into_iter().map(|(port, ear)| (port, ear.1)).collect()
}

#[test]
fn digits_of_sipp_are_each_heard_once() {
    for (name, key) in [
        ("1", '1'),
        ("4", '4'),
        ("5", '5'),
        ("7", '7'),
        ("8", '8'),
        ("pound", '#'),
    ] {
        let Some(capture) = file(&format!("dtmf/dtmf_2833_{name}.pcap")) else {
            return;
        };
        let heard = keys(&capture, 101);
        assert_eq!(heard.len(), 1);
        for text in heard.values() {
            assert_eq!(text.lines().count(), 1, "{text}");
            assert!(text.starts_with(key), "{text}");
        }
    }
}

/// Thirteen digits and six, with volume and duration as rtpproxy notifies them.
#[test]
fn digits_of_a_long_capture_are_heard_with_volume_and_duration() {
    let Some(capture) = file("rtpproxy/catch_dtmf-dtmf.pcap") else {
        return;
    };
    let notified =
        std::fs::read_to_string(corpus("rtpproxy/catch_dtmf-catch_dtmf.tnotify.output").unwrap())
            .unwrap();
    let mut expected: BTreeMap<&str, String> = BTreeMap::new();
    for line in notified.lines() {
        let words: Vec<_> = line.rsplitn(5, ' ').collect();
        if let [_, ticks, volume, key, tag] = words[..] {
            let text = format!("{key} {volume} {ticks}\n");
            expected.entry(tag).or_default().push_str(&text);
        }
    }
    let heard = keys(&capture, 101);
    let heard: Vec<_> = heard.into_values().collect();
    for (tag, text) in expected {
        assert!(heard.contains(&text), "{tag}\n{text}\nheard {heard:#?}");
    }
}

/// `#!rtpplay1.0` files: all packets are read, and the one with jitter holds the same sound.
#[test]
fn streams_of_webrtc_are_read_and_equal_after_reordering() {
    let read = |name: &str| -> Option<BTreeMap<(u32, u16), Vec<u8>>> {
        let bytes = file(name)?;
        let start = bytes.iter().position(|b| *b == b'\n').unwrap() + 1 + 16;
        let (mut rest, mut packets) = (&bytes[start..], BTreeMap::new());
        while rest.len() >= 8 {
            let len = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
            let plen = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
            let packet = &rest[8..len];
            rest = &rest[len..];
            if plen == 0 {
                continue;
            }
            let view = RtpView::parse(packet).unwrap();
            packets.insert((view.ssrc().0, view.sequence().0), view.payload().to_vec());
        }
        Some(packets)
    };
    let Some(plain) = read("webrtc/stereo_g729.rtp") else {
        return;
    };
    let jittered = read("webrtc/stereo_g729_jitter.rtp").unwrap();
    assert!(plain.len() > 1000 && jittered.len() > 1000);
    let common = jittered
        .iter()
        .filter(|(k, v)| plain.get(k) == Some(v))
        .count();
    println!(
        "{} packets, {} with jitter, {common} in both",
        plain.len(),
        jittered.len()
    );
    assert!(common * 10 > jittered.len() * 9);
}
