//! Calls between two of the program, what they leave behind, and what happens to them when strangers send nonsense.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

mod common;

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;

use common::{Beside, Folder, Run, SPEECH, Turn, program};
use serde_json::Value;

/// A capture, a report and its data are there, and are what they say.
#[track_caller]
fn evidence_is_there(pcap: &str, report: &str) {
    // The block that begins a pcapng file.
    assert_eq!(fs::read(pcap).unwrap()[..4], [0x0a, 0x0d, 0x0d, 0x0a]);
    let html = fs::read_to_string(report).unwrap();
    assert!(
        html.starts_with("<!") && html.contains("INVITE"),
        "{html:.200}"
    );
    let data = fs::read(Path::new(report).with_extension("json")).unwrap();
    assert!(serde_json::from_slice::<Value>(&data).unwrap().is_object());
}

/// Samples in the recording, and the loudest of each track: what was sent, what was heard.
fn recorded(path: &str) -> (usize, [u16; 2]) {
    let mut wav = hound::WavReader::open(path).unwrap();
    assert_eq!(wav.spec().channels, 2);
    let samples: Vec<i16> = wav.samples().map(Result::unwrap).collect();
    let loudest = |track| {
        let samples = samples.iter().skip(track).step_by(2);
        samples.map(|s: &i16| s.unsigned_abs()).max().unwrap_or(0)
    };
    (samples.len() / 2, [loudest(0), loudest(1)])
}

#[test]
fn an_echo_is_heard_recorded_and_reported() {
    let _turn = Turn::take();
    let folder = Folder::new("echo");
    let [wav, pcap, report] = ["call.wav", "call.pcap", "call.html"].map(|n| folder.file(n));
    let mut echo = Beside::echo();
    let uri = echo.uri();
    let run = Run::of(&mut program(&[
        "call",
        &uri,
        "--bind",
        "127.0.0.1:0",
        "--play",
        SPEECH,
        "--record",
        &wav,
        "--pcap",
        &pcap,
        "--report",
        &report,
        "--duration",
        "2s",
        "--json",
    ]));
    assert_eq!((run.code, &*run.err), (Some(0), ""), "{run:?}");
    let names: Vec<Value> = run.events().iter().map(|e| e["event"].clone()).collect();
    assert_eq!(names[0], "calling");
    assert!(names.contains(&"connected".into()), "{names:?}");
    assert_eq!(names[names.len() - 3..], ["ended", "signalling", "verdict"]);
    assert_eq!(run.event("verdict")["holds"], true);
    assert_eq!(run.event("ended")["cause"], "LocalHangUp");
    let counted = run.event("signalling");
    assert!(
        counted["agent"]["received"].as_u64() >= Some(1)
            && counted["agent"]["unreadable"].is_null(),
        "{counted}"
    );
    let (samples, loudest) = recorded(&wav);
    assert!((14_000..18_000).contains(&samples), "{samples}");
    assert!(loudest.iter().all(|l| *l > 3000), "{loudest:?}");
    evidence_is_there(&pcap, &report);
    assert_eq!(echo.wait_for("ended")["cause"], "RemoteHangUp");
    assert_eq!(echo.end().code, Some(0));
}

#[test]
fn both_ends_leave_their_evidence() {
    let _turn = Turn::take();
    let folder = Folder::new("answer");
    let [wav, pcap, report] = ["b.wav", "b.pcap", "b.html"].map(|n| folder.file(n));
    let files = ["--record", &wav, "--pcap", &pcap, "--report", &report];
    let more = [&["--play", SPEECH, "--duration", "2s"], &files[..]].concat();
    let mut answer = Beside::answer("1", &more);
    let uri = answer.uri();
    let run = Run::of(&mut program(&[
        "call", &uri, "--play", SPEECH, "--codec", "l16", "--json",
    ]));
    assert_eq!((run.code, &*run.err), (Some(0), ""), "{run:?}");
    assert_eq!(run.event("ended")["cause"], "RemoteHangUp");
    assert_eq!(answer.wait_for("ended")["cause"], "LocalHangUp");
    let ended = answer.end();
    assert_eq!((ended.code, &*ended.err), (Some(0), ""), "{ended:?}");
    let (_, loudest) = recorded(&wav);
    assert!(loudest.iter().all(|l| *l > 3000), "{loudest:?}");
    evidence_is_there(&pcap, &report);
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        // Marsaglia's xorshift.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(sides).unwrap()).unwrap()
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len)
            .map(|_| u8::try_from(self.roll(256)).unwrap())
            .collect()
    }

    /// `packet` with one to three of its octets changed, and sometimes cut.
    fn damage(&mut self, packet: &[u8]) -> Vec<u8> {
        let mut packet = packet.to_vec();
        for _ in 0..=self.roll(3) {
            let at = self.roll(packet.len());
            packet[at] = u8::try_from(self.roll(256)).unwrap();
        }
        if self.roll(4) == 0 {
            packet.truncate(self.roll(packet.len()) + 1);
        }
        packet
    }
}

/// A request as any phone asks it (RFC 3261 section 11).
fn options(to: SocketAddr, from: SocketAddr, n: usize) -> Vec<u8> {
    format!(
        "OPTIONS sip:bob@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {from};branch=z9hG4bKx{n};rport\r\n\
         Max-Forwards: 70\r\nTo: <sip:bob@{to}>\r\nFrom: <sip:eve@{from}>;tag=e{n}\r\n\
         Call-ID: hostile{n}\r\nCSeq: 1 OPTIONS\r\nContact: <sip:eve@{from}>\r\nContent-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

/// 20 ms of µ-law silence (RFC 3550 section 5.1).
fn rtp(n: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend(n.to_be_bytes());
    packet.extend((u32::from(n) * 160).to_be_bytes());
    packet.extend(0x0bad_cafe_u32.to_be_bytes());
    packet.extend([0xff; 160]);
    packet
}

/// A sender report of nobody's (RFC 3550 section 6.4.1).
fn rtcp(n: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 200, 0, 6];
    packet.extend(0x0bad_cafe_u32.to_be_bytes());
    packet.extend([7; 16]);
    packet.extend(u32::from(n).to_be_bytes());
    packet
}

#[test]
fn nonsense_at_every_port_disturbs_no_call() {
    let _turn = Turn::take();
    let seed = 0x7469_7072_696e_6721;
    let mut dice = Dice(seed);
    let mut answer = Beside::answer("1", &["--ports", "41200-41203", "--play", SPEECH]);
    let sip = answer.address;
    let uri = answer.uri();
    let caller = program(&[
        "call",
        &uri,
        "--bind",
        "127.0.0.1:0",
        "--ports",
        "41210-41213",
        "--play",
        SPEECH,
        "--duration",
        "4s",
        "--json",
    ])
    .spawn()
    .unwrap();
    answer.wait_for("connected");
    let eve = UdpSocket::bind("127.0.0.1:0").unwrap();
    let from = eve.local_addr().unwrap();
    for n in 0..2000_u16 {
        let to_sip = match dice.roll(2) {
            0 => {
                let len = dice.roll(1400);
                dice.bytes(len)
            }
            _ => dice.damage(&options(sip, from, usize::from(n))),
        };
        eve.send_to(&to_sip, sip).unwrap();
        for port in (41200..41204).chain(41210..41214) {
            let to_media = match dice.roll(5) {
                0 => {
                    let len = dice.roll(200);
                    dice.bytes(len)
                }
                1 => rtp(n),
                2 => rtcp(n),
                3 => dice.damage(&rtcp(n)),
                _ => dice.damage(&rtp(n)),
            };
            eve.send_to(&to_media, ("127.0.0.1", port)).unwrap();
        }
    }
    let output = caller.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        (output.status.code(), &*complaint),
        (Some(0), ""),
        "seed {seed}: {said}"
    );
    let ended = answer.wait_for("ended");
    let run = answer.end();
    assert_eq!((run.code, &*run.err), (Some(0), ""), "seed {seed}: {run:?}");
    let called = said
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .find(|event| event["event"] == "ended")
        .unwrap();
    let counted = run.event("signalling");
    let told = counted["agent"].as_object().unwrap();
    let nonsense = ["unreadable", "refused", "keep_alives"].map(|name| told[name].as_u64());
    let nonsense: u64 = nonsense.iter().flatten().sum();
    assert!(nonsense > 500, "seed {seed}: {counted}");
    for ended in [&called, &ended] {
        let drops = ended["stats"]["drops"].as_object().unwrap();
        let dropped: u64 = drops.values().map(|n| n.as_u64().unwrap()).sum();
        // Most of 4,000 packets of each end's media; the kernel may have thrown some away.
        assert!(dropped > 500, "seed {seed}: {ended}");
        // A second's worth may be lost to the flood, and a stranger is not heard.
        assert!(
            ended["stats"]["received_packets"].as_u64().unwrap() > 120,
            "{ended}"
        );
    }
}
