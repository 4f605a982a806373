//! The ladder: who sent what to whom, and when.

use std::fmt::Write;

use super::page::{count, esc, length, ms};
use crate::model::{MessageStep, PacketsStep, Report, Step};

/// Rows that a page shows; the JSON has them all.
const ROWS: usize = 1500;
/// A pause as long as this is shown.
const PAUSE_S: f64 = 1.0;

pub(super) fn ladder(report: &Report) -> String {
    let lanes = Lanes {
        count: report.participants.len().max(1),
    };
    let mut out = String::from("<div class=\"ladder card\">");
    let mut heads = String::new();
    for (n, participant) in report.participants.iter().enumerate() {
        let below: Vec<&str> = participant
            .product
            .iter()
            .chain(participant.addresses.first())
            .map(String::as_str)
            .collect();
        let _ = write!(
            heads,
            "<span class=\"head\" style=\"--x:{}\"><bdi>{}</bdi><small><bdi>{}</bdi></small></span>",
            lanes.x(n),
            esc(&participant.name),
            esc(&below.join(" \u{b7} "))
        );
    }
    row(&mut out, "heads", "", &heads, "");
    let mut last = 0.0;
    for step in report.ladder.iter().take(ROWS) {
        let at = time(step);
        if at - last >= PAUSE_S {
            let pause = format!(
                "+{}",
                length(at - last)
                    .replace("\u{202f}min", "m")
                    .replace("\u{202f}s", "s")
            );
            row(&mut out, "gap", &pause, &lanes.lifelines(), "");
        }
        last = at;
        match step {
            Step::Message(message) => lanes.message(&mut out, message),
            Step::Packets(packets) => lanes.packets(&mut out, packets),
            Step::Event {
                participant, text, ..
            } => lanes.event(&mut out, at, *participant, text),
        }
    }
    if report.ladder.len() > ROWS {
        let more = count((report.ladder.len() - ROWS) as u64);
        let _ = write!(
            out,
            "<p class=\"none\">{more} more rows are in the JSON file.</p>"
        );
    }
    out.push_str("</div>");
    out
}

const fn time(step: &Step) -> f64 {
    match step {
        Step::Message(m) => m.at_s,
        Step::Packets(p) => p.at_s,
        Step::Event { at_s, .. } => *at_s,
    }
}

fn row(out: &mut String, class: &str, time: &str, lane: &str, right: &str) {
    let _ = write!(
        out,
        "<div class=\"row {class}\"><span class=\"t\">{time}</span><span class=\"lane\">{lane}</span>\
         <span class=\"m\">{right}</span></div>"
    );
}

struct Lanes {
    count: usize,
}

impl Lanes {
    /// Where a participant's line stands, 0 at the left to 1 at the right.
    fn x(&self, participant: usize) -> f64 {
        if self.count < 2 {
            return 0.5;
        }
        let last = self.count - 1;
        participant.min(last) as f64 / last as f64
    }

    fn lifelines(&self) -> String {
        (0..self.count).fold(String::new(), |mut out, n| {
            let _ = write!(out, "<i class=\"life\" style=\"--x:{}\"></i>", self.x(n));
            out
        })
    }

    /// The class of the way and the place between two lines.
    fn span(&self, from: usize, to: usize) -> (&'static str, String) {
        let (a, b) = (self.x(from), self.x(to));
        let way = if a <= b { "right" } else { "left" };
        (way, format!("--a:{};--w:{}", a.min(b), (a - b).abs()))
    }

    fn message(&self, out: &mut String, message: &MessageStep) {
        let (way, place) = self.span(message.from, message.to);
        let (class, glyph) = match message.title.bytes().next() {
            Some(b'1') => ("progress", ""),
            Some(b'2') => ("success", "\u{2713} "),
            Some(b'3'..=b'6') => ("failure", "\u{2715} "),
            _ => ("", ""),
        };
        let own = if message.from == message.to {
            "self"
        } else {
            ""
        };
        let lost = if message.lost { "lost" } else { "" };
        let mut tags = String::new();
        for (is, tag) in [
            (message.describes_media, "SDP"),
            (message.repeated, "again"),
            (message.lost, "lost"),
        ] {
            if is {
                let _ = write!(tags, "<em>{tag}</em>");
            }
        }
        let _ = write!(
            out,
            "<details class=\"step\"><summary class=\"row\"><span class=\"t\">{:.3}</span><span class=\"lane\">{}\
             <span class=\"arrow {way} {class} {own} {lost}\" style=\"{place}\"><b>{glyph}{}</b>{tags}</span></span>\
             <span class=\"m\">{}</span></summary><div class=\"message\"><p>{} {} \u{2192} {}{}</p><pre>{}</pre></div></details>",
            message.at_s,
            self.lifelines(),
            esc(&message.title),
            message.transit_ms.map_or_else(String::new, ms),
            message.transport,
            esc(&message.from_address),
            esc(&message.to_address),
            message
                .cseq
                .as_ref()
                .map_or_else(String::new, |c| format!(" \u{b7} CSeq {}", esc(c))),
            esc(&message.text)
        );
    }

    fn packets(&self, out: &mut String, packets: &PacketsStep) {
        let (way, place) = self.span(packets.from, packets.to);
        let tone = if way == "right" { "one" } else { "two" };
        let is_rtp = packets.protocol == "RTP";
        let class = if is_rtp { "" } else { "rtcp" };
        let codec = packets
            .codec
            .as_ref()
            .map_or_else(String::new, |c| format!(" {}", esc(c)));
        let lost = packets
            .lost
            .map_or_else(String::new, |n| format!(", {} lost", count(n)));
        let noun = if packets.packets == 1 {
            "packet"
        } else {
            "packets"
        };
        let lane = format!(
            "{}<span class=\"band {way} {tone} {class}\" style=\"{place}\"><span><b>{}{codec}</b> {} {noun}{lost}</span></span>",
            self.lifelines(),
            packets.protocol,
            count(packets.packets),
        );
        let until = format!("until {:.3}", packets.until_s);
        row(out, "", &format!("{:.3}", packets.at_s), &lane, &until);
    }

    fn event(&self, out: &mut String, at: f64, participant: usize, text: &str) {
        let x = self.x(participant);
        let end = if x > 0.6 { "end" } else { "" };
        let lane = format!(
            "{}<i class=\"dot\" style=\"--x:{x}\"></i><span class=\"say {end}\" style=\"--x:{x}\">{}</span>",
            self.lifelines(),
            esc(text)
        );
        row(out, "event", &format!("{at:.3}"), &lane, "");
    }
}
