//! What was sent and what was heard, one above the other, and the places where they differ.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::curves::{ticks, time_axis};
use super::page::{count, direction, esc, ms, tone};
use crate::model::{Direction, Region, Report, Waveform};

const WIDTH: f64 = 1080.0;
const LEFT: f64 = 52.0;
const LANE: f64 = 86.0;
const TOP: f64 = 18.0;
const BETWEEN: f64 = 8.0;
/// Parts of the picture of a call with more regions than are drawn.
const PARTS: usize = 180;
/// Regions that are drawn and listed; the JSON has more.
const SHOWN: usize = 400;

pub(super) fn waves(report: &Report) -> String {
    let mut out = String::new();
    for (n, way) in report.directions.iter().enumerate() {
        if let Some(waveform) = &way.waveform {
            let _ = write!(
                out,
                "<div class=\"wave card {}\"><h3>{}</h3>",
                tone(n),
                direction(&way.from, &way.to)
            );
            picture(&mut out, way, waveform);
            out.push_str("</div>");
        }
    }
    if out.is_empty() {
        out.push_str("<p class=\"none card\">There is no sound to show.</p>");
    }
    out
}

/// The class of what nothing explains.
const UNEXPLAINED: &str = "r-unexplained";

/// The class of a region, by which it has its pattern.
fn class(action: &str) -> &'static str {
    match action {
        "concealed" => "r-concealed",
        "blended" => "r-blended",
        "stretched" | "compressed" => "r-warped",
        "comfort" => "r-comfort",
        "silence" | "skipped" => "r-silence",
        "unexplained" => UNEXPLAINED,
        _ => "r-concealed",
    }
}

fn meaning(action: &'static str) -> &'static str {
    match action {
        "concealed" => "made up for what was missing",
        "blended" => "blended into what was made up",
        "stretched" => "stretched",
        "compressed" => "compressed",
        "comfort" => "comfort noise",
        "silence" => "silence, nothing to play",
        "skipped" => "left out, the engine was late",
        "unexplained" => "not explained",
        other => other,
    }
}

fn picture(out: &mut String, way: &Direction, waveform: &Waveform) {
    let has_heard = !waveform.heard.is_empty();
    let lanes = if has_heard { 2.0 } else { 1.0 };
    let bottom = TOP + LANE * lanes + BETWEEN * (lanes - 1.0);
    let height = bottom + 22.0;
    let per_column = waveform.step as f64 / f64::from(waveform.rate);
    let length = waveform.sent.len().max(1) as f64 * per_column;

    let _ = write!(
        out,
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"Waveforms of what was sent and heard, {}\">",
        esc(&summary(waveform))
    );
    // One scale for both lanes, so that a difference in level shows.
    let loudest = waveform
        .sent
        .iter()
        .chain(&waveform.heard)
        .map(|(low, high)| low.unsigned_abs().max(high.unsigned_abs()))
        .max()
        .unwrap_or(1)
        .max(1000);
    let mut lane = |top: f64, name: &str, class: &str, columns: &[(i16, i16)]| {
        let middle = top + LANE / 2.0;
        let _ = write!(
            out,
            "<text class=\"name\" x=\"0\" y=\"{:.1}\">{name}</text><path class=\"base\" d=\"M{LEFT} {middle}H{WIDTH}\"/>\
             <path class=\"{class}\" d=\"{}\"/>",
            middle + 4.0,
            outline(columns, middle, f64::from(loudest))
        );
    };
    let name = if way.sent.is_some() { "Sent" } else { "Came" };
    lane(TOP, name, "sent", &waveform.sent);
    if has_heard {
        lane(TOP + LANE + BETWEEN, "Heard", "heard", &waveform.heard);
    }
    let place = Place {
        at_s: waveform.at_s,
        length,
        bottom,
    };
    let (unexplained, named): (Vec<&Region>, Vec<&Region>) = waveform
        .regions
        .iter()
        .partition(|r| class(r.action) == UNEXPLAINED);
    if named.len() > SHOWN {
        place.shares(out, &named);
    } else {
        named.iter().for_each(|r| place.region(out, r));
    }
    for region in unexplained.into_iter().take(SHOWN) {
        place.region(out, region);
        let middle = place.x(region.at_s + region.length_ms / 2000.0);
        let _ = write!(
            out,
            "<text class=\"tag\" x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">\u{25bc}</text>",
            TOP - 3.0
        );
    }
    let marks = ticks(waveform.at_s, waveform.at_s + length, 14);
    time_axis(out, &marks, bottom, |at| place.x(at));
    out.push_str("</svg>");
    key(out, way, waveform);
    if waveform.regions.iter().any(|r| r.action != "silence") {
        listing(out, &waveform.regions);
    }
}

/// Where regions lie in the picture.
struct Place {
    at_s: f64,
    length: f64,
    bottom: f64,
}

impl Place {
    fn x(&self, at_s: f64) -> f64 {
        LEFT + (WIDTH - LEFT) * ((at_s - self.at_s) / self.length).clamp(0.0, 1.0)
    }

    /// A region as it is.
    fn region(&self, out: &mut String, region: &Region) {
        let from = self.x(region.at_s);
        let until = self.x(region.at_s + region.length_ms / 1000.0);
        let _ = write!(
            out,
            "<rect class=\"{}\" x=\"{from:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.1}\"><title>{} for {}, at {:.3} s</title></rect>",
            class(region.action),
            (until - from).max(2.0),
            self.bottom - TOP,
            meaning(region.action),
            ms(region.length_ms),
            region.at_s
        );
    }

    /// More regions than can be told apart: for each part of the picture, how much of it they fill.
    fn shares(&self, out: &mut String, regions: &[&Region]) {
        let part_s = self.length / PARTS as f64;
        let mut filled = [0.0; PARTS];
        for region in regions.iter().filter(|r| r.action != "silence") {
            let part = ((region.at_s - self.at_s) / part_s).max(0.0) as usize;
            if let Some(filled) = filled.get_mut(part) {
                *filled += region.length_ms / 1000.0;
            }
        }
        let width = (WIDTH - LEFT) / PARTS as f64;
        for (n, filled) in filled.into_iter().enumerate().filter(|(_, f)| *f > 0.0) {
            let share = (filled / part_s).min(1.0);
            let height = (self.bottom - TOP) * share;
            let _ = write!(
                out,
                "<rect class=\"r-concealed\" x=\"{:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{height:.1}\">\
                 <title>{:.1} % not as sent</title></rect>",
                LEFT + n as f64 * width,
                self.bottom - height,
                share * 100.0
            );
        }
    }
}

/// The outline of all columns: along their highest samples and back along their lowest.
fn outline(columns: &[(i16, i16)], middle: f64, loudest: f64) -> String {
    let each = (WIDTH - LEFT) / columns.len().max(1) as f64;
    let y = |sample: i16| middle - f64::from(sample) / loudest * (LANE / 2.0 - 2.0);
    let x = |n: usize| LEFT + (n as f64 + 0.5) * each;
    let mut path = String::with_capacity(columns.len() * 24);
    let mut pen = 'M';
    for (n, (_, high)) in columns.iter().enumerate() {
        let _ = write!(path, "{pen}{:.1} {:.1}", x(n), y(*high) - 0.3);
        pen = 'L';
    }
    for (n, (low, _)) in columns.iter().enumerate().rev() {
        let _ = write!(path, "L{:.1} {:.1}", x(n), y(*low) + 0.3);
    }
    if !path.is_empty() {
        path.push('Z');
    }
    path
}

fn summary(waveform: &Waveform) -> String {
    let differing = waveform
        .regions
        .iter()
        .filter(|r| r.action != "silence")
        .count()
        + waveform.more_regions;
    match (waveform.heard.is_empty(), differing) {
        (true, _) => "no recording of what was heard".to_owned(),
        (false, 0) => "the same sample for sample".to_owned(),
        (false, 1) => "differing in one place".to_owned(),
        (false, n) => format!("differing in {n} places"),
    }
}

fn key(out: &mut String, way: &Direction, waveform: &Waveform) {
    out.push_str("<ul class=\"key\">");
    let aligned = match (waveform.heard.is_empty(), way.delay_ms) {
        (false, Some(delay)) => {
            let began = if way.sent.is_some() { "left" } else { "came" };
            format!("aligned: heard {} after its packet {began}", ms(delay))
        }
        (false, None) => "aligned by playout\u{2019}s log".to_owned(),
        (true, _) => format!("from {}", waveform.sent_is),
    };
    let _ = write!(out, "<li>{aligned}; {}</li>", summary(waveform));
    if waveform.regions.len() > SHOWN {
        out.push_str(
            "<li>too many places to draw: the higher a bar, the more of its part differs</li>",
        );
    }
    let mut totals: BTreeMap<&'static str, (usize, f64)> = BTreeMap::new();
    for region in &waveform.regions {
        let total = totals.entry(region.action).or_default();
        total.0 += 1;
        total.1 += region.length_ms;
    }
    for (action, (places, length)) in totals {
        let _ = write!(
            out,
            "<li><svg aria-hidden=\"true\"><rect class=\"{}\" width=\"26\" height=\"12\"/></svg>{}: {} \u{d7}, {}</li>",
            class(action),
            meaning(action),
            count(places as u64),
            ms(length)
        );
    }
    out.push_str("</ul>");
}

fn listing(out: &mut String, regions: &[Region]) {
    let _ = write!(
        out,
        "<details class=\"more\"><summary>Where they differ</summary><div class=\"tablewrap\"><table><thead><tr>\
         <th scope=\"col\" class=\"n\">at</th><th scope=\"col\" class=\"n\">for</th><th scope=\"col\">what was heard</th></tr></thead><tbody>"
    );
    for region in regions.iter().take(SHOWN) {
        let _ = write!(
            out,
            "<tr><td class=\"n\">{:.3}\u{202f}s</td><td class=\"n\">{}</td><td>{}</td></tr>",
            region.at_s,
            ms(region.length_ms),
            meaning(region.action)
        );
    }
    out.push_str("</tbody></table></div>");
    if regions.len() > SHOWN {
        let more = count((regions.len() - SHOWN) as u64);
        let _ = write!(
            out,
            "<p class=\"none\">{more} more are in the JSON file.</p>"
        );
    }
    out.push_str("</details>");
}
