//! What was sent and what was heard, one above the other, and the places where they differ.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::curves::{seconds, ticks};
use super::page::{count, direction, esc, ms, tone};
use crate::model::{Direction, Region, Report, Waveform};

const WIDTH: f64 = 1080.0;
const LEFT: f64 = 52.0;
const LANE: f64 = 86.0;
const TOP: f64 = 18.0;
const BETWEEN: f64 = 8.0;
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

/// The class of a region, by which it has its pattern.
fn class(action: &str) -> &'static str {
    match action {
        "concealed" => "r-concealed",
        "blended" => "r-blended",
        "stretched" | "compressed" => "r-warped",
        "comfort" => "r-comfort",
        "silence" | "skipped" => "r-silence",
        "unexplained" => "r-unexplained",
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
    let plot = WIDTH - LEFT;
    let per_column = waveform.step as f64 / f64::from(waveform.rate);
    let length = waveform.sent.len().max(1) as f64 * per_column;
    let x = |at_s: f64| LEFT + plot * ((at_s - waveform.at_s) / length).clamp(0.0, 1.0);
    let shown = waveform.regions.iter().take(SHOWN);

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
            outline(columns, plot, middle, f64::from(loudest))
        );
    };
    lane(TOP, "Sent", "sent", &waveform.sent);
    if has_heard {
        lane(TOP + LANE + BETWEEN, "Heard", "heard", &waveform.heard);
    }
    for region in shown.clone() {
        let (from, until) = (x(region.at_s), x(region.at_s + region.length_ms / 1000.0));
        let class = class(region.action);
        let _ = write!(
            out,
            "<rect class=\"{class}\" x=\"{from:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.1}\"><title>{} for {}, at {:.3} s</title></rect>",
            (until - from).max(2.0),
            bottom - TOP,
            meaning(region.action),
            ms(region.length_ms),
            region.at_s
        );
        if class == "r-unexplained" {
            let _ = write!(
                out,
                "<text class=\"tag\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">\u{25bc}</text>",
                f64::midpoint(from, until),
                TOP - 3.0
            );
        }
    }
    for at in ticks(waveform.at_s, waveform.at_s + length, 14) {
        let x = x(at);
        let _ = write!(
            out,
            "<path class=\"axis\" d=\"M{x:.1} {bottom}v4\"/><text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}{}</text>",
            bottom + 16.0,
            seconds(at),
            if at == 0.0 { "\u{202f}s" } else { "" }
        );
    }
    out.push_str("</svg>");
    key(out, way, waveform);
    if waveform.regions.iter().any(|r| r.action != "silence") {
        listing(out, &waveform.regions);
    }
}

/// The outline of all columns: along their highest samples and back along their lowest.
fn outline(columns: &[(i16, i16)], plot: f64, middle: f64, loudest: f64) -> String {
    let each = plot / columns.len().max(1) as f64;
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
        .count();
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
            format!("aligned: heard {} after its packet left", ms(delay))
        }
        (false, None) => "aligned by playout\u{2019}s log".to_owned(),
        (true, _) => format!("from {}", waveform.sent_is),
    };
    let _ = write!(out, "<li>{aligned}; {}</li>", summary(waveform));
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
