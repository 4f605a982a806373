//! What a report says of a call, and how it looks.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use msp_core::time::Instant;
use msp_core::trace::{PacketKind, TraceBody, TraceEntry, Way};
use proptest::prelude::*;
use tipring_report::model::{Outcome, Step};
use tipring_report::{
    ErrorKind, Limits, Phone, Recording, Report, ReportBuilder, Verdict, WallClock,
};

use crate::sample::{Call, Conditions, RATE, call};

const CLOCK: WallClock = WallClock::from_unix_nanos(1_785_000_000_000_000_000);

fn report(call: &Call, conditions: &str) -> Report {
    let (alice, bob) = (call.alice.phone(), call.bob.phone());
    let verdict = Verdict::judge(
        &alice,
        &bob,
        &call.alice.network,
        &call.bob.network,
        &Limits::default(),
    );
    ReportBuilder::new("tipring 0.1.0")
        .clock(CLOCK)
        .conditions(conditions)
        .phone(alice)
        .phone(bob)
        .verdict(verdict)
        .build()
}

fn html(report: &Report) -> String {
    let mut out = Vec::new();
    report.write_html(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn bad_network() -> Call {
    call(&Conditions {
        loss: 0.05,
        jitter: Duration::from_millis(75),
        seconds: 12,
        seed: 5,
        ..Conditions::default()
    })
}

/// Where pages go that a human may want to look at.
fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn json(report: &Report) -> serde_json::Value {
    let mut out = Vec::new();
    report.write_json(&mut out).unwrap();
    serde_json::from_slice(&out).unwrap()
}

#[test]
fn a_clean_call_is_told_rightly() {
    let report = report(&call(&Conditions::default()), "nothing");
    assert_eq!(report.outcome, Outcome::Holds);
    assert_eq!(report.started, "2026-07-25T17:20:01.000Z");
    let tiles = &report.tiles;
    assert!(tiles.connected);
    assert_eq!(tiles.answered_after_ms, Some(412.0));
    assert_eq!(tiles.ringing_after_ms, Some(5.0));
    assert_eq!(tiles.sound, [Some(true), Some(true)]);
    // The slower one: 8 ms until it sends, 12 ms of network, 60 ms of buffer.
    assert!((tiles.first_sound_ms.unwrap() - 80.0).abs() < 0.001);
    // R = 93.2 - 0.024 * (72 + 20) = 90.99
    assert!((tiles.worst_quality.as_ref().unwrap().r - 90.992).abs() < 0.001);

    let titles: Vec<_> = report
        .ladder
        .iter()
        .filter_map(|step| match step {
            Step::Message(m) => Some((m.from, m.title.as_str(), m.lost, m.repeated)),
            _ => None,
        })
        .collect();
    assert_eq!(
        titles,
        [
            (0, "INVITE", false, false),
            (1, "100 Trying", false, false),
            (1, "180 Ringing", false, false),
            (1, "200 OK", false, false),
            (0, "ACK", false, false),
            (0, "BYE", false, false),
            (1, "200 OK", false, false),
        ]
    );
    let runs: Vec<_> = report
        .ladder
        .iter()
        .filter_map(|step| match step {
            Step::Packets(p) => Some((p.protocol, p.from, p.packets, p.lost)),
            _ => None,
        })
        .collect();
    assert_eq!(
        runs,
        [
            ("RTP", 0, 300, Some(0)),
            ("RTP", 1, 300, Some(0)),
            ("RTCP", 0, 1, None),
            ("RTCP", 1, 1, None),
        ]
    );
    for way in &report.directions {
        assert_eq!(
            (way.sent, way.received, way.lost),
            (Some(300), Some(300), Some(0))
        );
        assert_eq!(way.codec.as_deref(), Some("PCMU/8000"));
        assert_eq!(way.ptime_ms, Some(20.0));
        assert_eq!((way.transit_ms, way.delay_ms), (Some(12.0), Some(72.0)));
        let wave = way.waveform.as_ref().unwrap();
        assert!(wave.regions.iter().all(|r| r.action == "silence"));
        // Aligned: but for the silence before it, each column of what was heard is that of what was sent.
        let skipped = 320usize.div_ceil(wave.step);
        assert_eq!(wave.sent[skipped..], wave.heard[skipped..]);
    }
    assert_eq!(report.negotiation.len(), 1);
    let media = &report.negotiation[0].media[0];
    let numbers = |line: &tipring_report::model::MediaLine| -> Vec<String> {
        line.formats.iter().map(|f| f.number.clone()).collect()
    };
    assert_eq!(numbers(&media.offered), ["0", "8", "101"]);
    assert_eq!(numbers(media.answered.as_ref().unwrap()), ["0", "101"]);
    assert!(report.drops.is_empty());
}

#[test]
fn a_bad_network_shows_in_curves_and_regions() {
    let call = bad_network();
    let report = report(&call, "loss 5 %, jitter 75 ms");
    assert_eq!(report.outcome, Outcome::Holds);
    for (way, end) in report.directions.iter().zip([&call.alice, &call.bob]) {
        assert_eq!(way.lost, Some(end.network.lost));
        let points = || way.curves.points.iter();
        assert_eq!(points().map(|p| p.lost).sum::<u64>(), end.network.lost);
        assert_eq!(points().map(|p| p.late).sum::<u64>(), way.late);
        assert_eq!(points().map(|p| p.expected).sum::<u64>(), 600);
        assert!(way.late > 0 && way.reordered > 0);
        assert!(points().filter_map(|p| p.jitter_ms).fold(0.0, f64::max) > 10.0);
        let wave = way.waveform.as_ref().unwrap();
        let concealed: f64 = wave
            .regions
            .iter()
            .filter(|r| r.action == "concealed")
            .map(|r| r.length_ms)
            .sum();
        let missing = (end.network.lost + way.late) as f64 * 20.0;
        // What was lost before the first packet that came was never played.
        assert!((concealed - missing).abs() <= 20.0, "{concealed} {missing}");
        assert!(way.quality.as_ref().unwrap().mos < 4.0);
    }
    let late: u64 = report.drops.iter().map(|d| d.count).sum();
    assert_eq!(late, report.directions.iter().map(|d| d.late).sum::<u64>());
    assert!(report.drops.iter().all(|d| d.reason == "late"));
}

#[test]
fn jitter_is_that_of_the_rfc() {
    // RFC 3550 appendix A.8. One packet comes 16 ms late: twice two neighbours are 16 ms apart, J = 1, then 1 + 15 / 16.
    let mut call = call(&Conditions::default());
    let is_rtp = |e: &&mut TraceEntry| {
        matches!(
            e.body,
            TraceBody::Media {
                way: Way::In,
                kind: PacketKind::Rtp,
                ..
            }
        )
    };
    let late = call.bob.entries.iter_mut().filter(is_rtp).nth(10).unwrap();
    late.at += Duration::from_millis(16);
    let way = &report(&call, "").directions[0];
    assert!((way.jitter_max_ms.unwrap() - 1.9375).abs() < 1e-6);
    // Forgotten by a sixteenth with each of the 288 packets after it.
    let left = 1.9375 * (15.0f64 / 16.0).powi(288);
    assert!((way.jitter_ms.unwrap() - left).abs() < 1e-6);
}

#[test]
fn one_phone_is_enough_and_nothing_is_claimed_that_it_cannot_know() {
    let call = bad_network();
    let report = ReportBuilder::new("tipring 0.1.0")
        .clock(CLOCK)
        .phone(
            Phone::new("bob", call.bob.entries.clone()).recorded(Recording {
                samples: call.bob.heard.clone(),
                rate: RATE,
                position: 0,
            }),
        )
        .build();
    assert_eq!(report.outcome, Outcome::SeenWell);
    let names: Vec<_> = report
        .participants
        .iter()
        .map(|p| (p.name.as_str(), p.traced))
        .collect();
    assert_eq!(names, [("bob", true), ("alice", false)]);
    assert_eq!(report.title, "alice \u{2192} bob");
    assert_eq!(report.tiles.sound, [None, Some(true)]);
    let [out, back] = report.directions.as_slice() else {
        panic!("two directions");
    };
    assert_eq!((out.from.as_str(), back.from.as_str()), ("bob", "alice"));
    assert_eq!((out.sent, out.received, out.lost), (Some(600), None, None));
    assert!(out.quality.is_none());
    // By sequence numbers alone: what was lost at the very end or the very beginning nobody can know.
    let lost = call.alice.network.lost;
    assert!(back.lost.unwrap() + 3 >= lost && back.lost.unwrap() <= lost);
    assert!(back.transit_ms.is_none() && back.curves.transit_is_relative);
    assert!(
        back.waveform
            .as_ref()
            .unwrap()
            .regions
            .iter()
            .all(|r| r.action != "unexplained")
    );
    assert!(html(&report).contains("Connected, not judged"));
}

#[test]
fn what_came_after_the_last_look_is_not_lost() {
    // The last packet was never read. Had it left 170 ms before the end, it should have been: it takes 12 ms.
    let mut call = call(&Conditions::default());
    let last = |entries: &[TraceEntry], wanted| {
        let is_it = |e: &TraceEntry| match e.body {
            TraceBody::Media { kind, way, .. } => kind == PacketKind::Rtp && way == wanted,
            _ => false,
        };
        entries.iter().rposition(is_it).unwrap()
    };
    let at = last(&call.bob.entries, Way::In);
    call.bob.entries.remove(at);
    let told = |call: &Call| {
        let way = report(call, "").directions[0].clone();
        (way.lost.unwrap(), way.under_way)
    };
    assert_eq!(told(&call), (1, 0));
    let left = call.alice.entries[last(&call.alice.entries, Way::Out)].at;
    for end in [&mut call.alice, &mut call.bob] {
        for entry in &mut end.entries {
            if matches!(&entry.body, TraceBody::Signal { bytes, .. } if bytes.starts_with(b"BYE")) {
                entry.at = left + Duration::from_millis(25);
            }
        }
    }
    assert_eq!(told(&call), (0, 1));
}

#[test]
fn what_happens_in_one_instant_stays_in_its_order() {
    let mut call = call(&Conditions::default());
    let mut answered = None;
    for entry in &mut call.alice.entries {
        if let TraceBody::Signal { bytes, .. } = &entry.body {
            match answered {
                None if bytes.starts_with(b"SIP/2.0 200") => answered = Some(entry.at),
                Some(at) if bytes.starts_with(b"ACK") => entry.at = at,
                _ => {}
            }
        }
    }
    let report = ReportBuilder::new("x")
        .phone(Phone::new("alice", call.alice.entries))
        .build();
    let titles: Vec<_> = report
        .ladder
        .iter()
        .filter_map(|step| match step {
            Step::Message(m) => Some(m.title.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(titles[3..5], ["200 OK", "ACK"]);
}

#[test]
fn a_rest_at_the_end_is_no_point_of_its_own() {
    let call = call(&Conditions::default());
    let curves = report(&call, "").directions[0].curves.clone();
    // 6 s of packets every 20 ms, in points of 200 ms.
    let expected: Vec<u64> = curves.points.iter().map(|p| p.expected).collect();
    assert_eq!((curves.step_s, expected.iter().sum::<u64>()), (0.2, 300));
    assert!(
        expected.iter().all(|n| (6..=15).contains(n)),
        "{expected:?}"
    );
}

#[test]
fn a_phone_that_saw_nothing() {
    let report = ReportBuilder::new("x")
        .phone(Phone::new("alice", Vec::new()))
        .build();
    assert_eq!(report.outcome, Outcome::SeenBad);
    assert!(html(&report).contains("never answered"));
}

#[test]
fn a_lost_message_and_one_sent_again() {
    let mut call = call(&Conditions::default());
    let invite = call
        .alice
        .entries
        .iter()
        .find(|e| matches!(e.body, TraceBody::Signal { way: Way::Out, .. }))
        .unwrap()
        .clone();
    let mut first = invite;
    first.at = Instant::from_millis(500);
    call.alice.entries.insert(0, first);
    let report = report(&call, "");
    let invites: Vec<_> = report
        .ladder
        .iter()
        .filter_map(|step| match step {
            Step::Message(m) if m.title == "INVITE" => {
                Some((m.lost, m.repeated, m.transit_ms.is_some()))
            }
            _ => None,
        })
        .collect();
    // The copy that came is taken for the first one that left: the bytes do not tell them apart.
    assert_eq!(invites.len(), 2);
    assert_eq!(invites.iter().filter(|(lost, ..)| *lost).count(), 1);
    assert!(invites[1].1);
}

#[test]
fn secrets_and_markup_never_show() {
    let hostile = Conditions {
        names: [
            "<script>alert(1)</script>\u{202e}",
            "\"><img src=x onerror=alert(1)>'{{style}}",
        ],
        ..Conditions::default()
    };
    let mut call = call(&hostile);
    for (at, body) in [
        (10, TraceBody::Note("</pre><iframe src=//evil>".into())),
        (
            11,
            signal("INVITE <svg/onload=alert(1)> SIP/2.0\r\n\r\n\0\u{1b}[31m"),
        ),
        (
            12,
            signal(
                "SIP/2.0 200 <b onclick=x>\r\nCall-ID: <i>\r\nCSeq: 1 INVITE\r\nUser-Agent: </title><script>\r\n\r\n",
            ),
        ),
        (
            13,
            signal(
                "INVITE sip:x@y SIP/2.0\r\nCall-ID: 1\r\nContent-Type: application/sdp\r\n\r\nv=0\r\nm=<u>& 1 <s> <script>\r\n",
            ),
        ),
    ] {
        call.alice.entries.push(TraceEntry {
            at: Instant::from_millis(at),
            call: None,
            body,
        });
    }
    let report = report(&call, "<script>loss</script>");
    // Strangers who rang before have no say.
    assert_eq!(report.tiles.answered_after_ms, Some(412.0));
    let page = html(&report);
    for forbidden in [
        "<script",
        "<img",
        "<iframe",
        "<svg/onload",
        "<b ",
        "<u>",
        "<s>",
        "\u{202e}",
        "\u{1b}",
        "\0",
    ] {
        assert!(!page.contains(forbidden), "{forbidden:?}");
    }
    assert_eq!(page.matches("<style>").count(), 1);
    let json = json(&report).to_string();
    for secret in ["84a4cc6f", "7587245234b3434cc3412213e5f113a5"] {
        assert!(!page.contains(secret) && !json.contains(secret));
    }
    assert!(json.contains("nonce=\\\"xxxxxxxx\\\""));
    std::fs::write(folder().join("hostile.html"), page).unwrap();
}

fn signal(text: &str) -> TraceBody {
    TraceBody::Signal {
        way: Way::In,
        local: "127.0.0.1:5060".parse().unwrap(),
        remote: "203.0.113.9:5060".parse().unwrap(),
        transport: "UDP",
        bytes: text.as_bytes().into(),
    }
}

#[test]
fn a_page_needs_nothing_else() {
    let page = html(&report(&bad_network(), ""));
    for loading in [
        "http://", "https://", "src=", "@import", "url(//", "<link", "<object", "<script",
    ] {
        assert!(!page.contains(loading), "{loading}");
    }
    assert!(page.contains("default-src 'none'"));
    assert!(page.contains("prefers-color-scheme: dark"));
    assert!(page.len() < 600_000, "{} bytes", page.len());
}

#[test]
fn a_full_disk_is_an_error() {
    let report = ReportBuilder::new("x")
        .phone(Phone::new("alice", Vec::new()))
        .build();
    let mut small = [0u8; 10];
    let error = report.write_html(small.as_mut_slice()).unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::Write(std::io::ErrorKind::WriteZero)
    );
    assert!(report.write_json(small.as_mut_slice()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn damaged_messages_and_packets_make_nothing_panic(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 1..60)
    ) {
        let mut call = call(&Conditions { seconds: 1, ..Conditions::default() });
        for (entry, place, value) in damage {
            let entries = &mut call.bob.entries;
            let entry = entry.index(entries.len());
            match &mut entries[entry].body {
                TraceBody::Signal { bytes, .. } | TraceBody::Media { bytes, .. } => {
                    let mut changed = bytes.to_vec();
                    changed.push(0);
                    let at = place.index(changed.len());
                    changed[at] = value;
                    if value % 7 == 0 {
                        changed.truncate(at);
                    }
                    *bytes = changed.into();
                }
                TraceBody::Playout { segment, .. } => {
                    segment.position = segment.position.wrapping_add(u64::from(value) << (value % 60));
                    segment.rtp_timestamp = Some(u32::from(value) << (value % 30));
                    segment.samples <<= value % 28;
                }
                _ => {}
            }
        }
        let report = report(&call, "");
        prop_assert!(!html(&report).contains("<script"));
        prop_assert!(json(&report).is_object());
    }
}

/// The browser of this machine.
fn browser() -> Option<&'static str> {
    ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| Command::new(name).arg("--version").output().is_ok())
}

/// Opens a page without a window; what it becomes, and what the console says.
fn open(browser: &str, page: &Path, dark: bool) -> (String, String) {
    let profile = folder().join(format!("profile-{dark}"));
    let mut command = Command::new(browser);
    command
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--enable-logging=stderr",
            "--v=0",
            "--dump-dom",
        ])
        .arg(format!("--user-data-dir={}", profile.display()));
    if dark {
        command.args([
            "--force-dark-mode",
            "--blink-settings=preferredColorScheme=0",
        ]);
    }
    let out = command
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&out.stderr)
        .lines()
        .filter(|l| l.contains("CONSOLE"))
        .collect::<Vec<_>>()
        .join("\n");
    (String::from_utf8_lossy(&out.stdout).into_owned(), errors)
}

#[test]
fn a_browser_shows_it_without_complaint() {
    let Some(browser) = browser() else {
        eprintln!("SKIPPED: no chromium here");
        return;
    };
    let cut = {
        let mut call = call(&Conditions::default());
        call.bob.heard.drain(24_000..24_160);
        call
    };
    // So many regions that they are drawn as shares.
    let long = call(&Conditions {
        loss: 0.08,
        jitter: Duration::from_millis(75),
        seconds: 180,
        ..Conditions::default()
    });
    for (name, report) in [
        ("clean", report(&call(&Conditions::default()), "nothing")),
        ("bad", report(&bad_network(), "loss 5 %, jitter 75 ms")),
        ("cut", report(&cut, "nothing")),
        ("long", report(&long, "loss 8 %, jitter 75 ms")),
    ] {
        let page = folder().join(format!("{name}.html"));
        std::fs::write(&page, html(&report)).unwrap();
        for dark in [false, true] {
            let (dom, errors) = open(browser, &page, dark);
            assert_eq!(errors, "", "{name}");
            let expected = if name == "cut" {
                "The verdict does not hold"
            } else {
                "The right sound arrived"
            };
            assert!(dom.contains(expected), "{name}: {dom:.300}");
            assert!(dom.contains("</footer>"), "{name}");
        }
    }
    // A page that does complain is noticed.
    let page = folder().join("complaint.html");
    std::fs::write(&page, "<script>console.error('seen')</script>").unwrap();
    assert!(open(browser, &page, false).1.contains("seen"));
}
