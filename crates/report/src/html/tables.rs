//! Tables: what was negotiated, numbers, drops, notes.

use std::fmt::Write;

use super::page::{count, direction, esc, ms, percent};
use crate::model::{Direction, MediaLine, Report};

/// A row of a table: its name, and what its cell says of a column.
type Row<'a, C, T> = (&'static str, &'a dyn Fn(&C) -> T);

pub(super) fn negotiation(report: &Report) -> String {
    let mut out = String::new();
    for round in &report.negotiation {
        let offerer = report
            .participants
            .get(round.offerer)
            .map_or("?", |p| p.name.as_str());
        for medium in &round.media {
            let _ = write!(
                out,
                "<div class=\"tablewrap card\"><table><caption>{} <span>at {:.3}\u{202f}s, in {} and {}</span></caption>\
                 <thead><tr><td></td><th scope=\"col\">offered by <bdi>{}</bdi></th><th scope=\"col\">answered</th></tr></thead><tbody>",
                esc(&medium.offered.kind),
                round.at_s,
                esc(&round.offered_in),
                esc(round.answered_in.as_deref().unwrap_or("nothing")),
                esc(offerer)
            );
            let rows: [Row<'_, MediaLine, String>; 5] = [
                ("Formats", &formats),
                ("Direction", &|m| m.direction.to_owned()),
                ("Sound in a packet", &|m| {
                    m.ptime_ms.map_or_else(|| "not said".to_owned(), ms)
                }),
                ("Received at", &|m| esc(&m.address).to_string()),
                ("Transport", &|m| esc(&m.protocol).to_string()),
            ];
            for (name, cell) in rows {
                let answered = medium
                    .answered
                    .as_ref()
                    .map_or_else(|| "\u{2013}".to_owned(), cell);
                let _ = write!(
                    out,
                    "<tr><th scope=\"row\">{name}</th><td>{}</td><td>{answered}</td></tr>",
                    cell(&medium.offered)
                );
            }
            out.push_str("</tbody></table></div>");
        }
    }
    if out.is_empty() {
        out.push_str("<p class=\"none card\">No offer was seen.</p>");
    }
    really(&mut out, report);
    out
}

fn formats(line: &MediaLine) -> String {
    line.formats.iter().fold(String::new(), |mut out, format| {
        let _ = write!(
            out,
            "<span class=\"fmt\"><i>{}</i>{}</span>",
            esc(&format.number),
            esc(format.codec.as_deref().unwrap_or("not mapped"))
        );
        out
    })
}

/// What was used in the end, whatever was agreed.
fn really(out: &mut String, report: &Report) {
    out.push_str(
        "<div class=\"tablewrap card\"><table><caption>Really received <span>by the packets themselves</span></caption><thead><tr>\
         <td></td><th scope=\"col\">format</th><th scope=\"col\">agreed</th><th scope=\"col\" class=\"n\">sound in a packet</th>\
         <th scope=\"col\" class=\"n\">packets</th></tr></thead><tbody>",
    );
    for way in &report.directions {
        let number = way.payload_type.map(|p| p.to_string());
        let format = match (&number, &way.codec) {
            (Some(number), Some(codec)) => {
                format!(
                    "<span class=\"fmt used\"><i>{number}</i>{}</span>",
                    esc(codec)
                )
            }
            _ => "nothing".to_owned(),
        };
        let lines = report.negotiation.iter().flat_map(|r| &r.media);
        let agreed = number.as_ref().map(|number| {
            lines
                .filter_map(|m| m.answered.as_ref())
                .any(|m| m.formats.iter().any(|f| f.number == *number))
        });
        let agreed = match agreed {
            Some(true) => "<span class=\"yes\">\u{2713} yes</span>",
            Some(false) => "<span class=\"no\">\u{2715} no</span>",
            None => "\u{2013}",
        };
        let _ = write!(
            out,
            "<tr><th scope=\"row\">{}</th><td>{format}</td><td>{agreed}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            direction(&way.from, &way.to),
            or_dash(way.ptime_ms.map(ms)),
            or_dash(way.received.or(way.sent).map(count))
        );
    }
    out.push_str("</tbody></table></div>");
}

fn or_dash(value: Option<String>) -> String {
    value.unwrap_or_else(|| "\u{2013}".to_owned())
}

pub(super) fn numbers(report: &Report) -> String {
    let mut out = String::from("<div class=\"tablewrap card\"><table><thead><tr><td></td>");
    for way in &report.directions {
        let _ = write!(
            out,
            "<th scope=\"col\" class=\"n\">{}</th>",
            direction(&way.from, &way.to)
        );
    }
    out.push_str("</tr></thead><tbody>");
    let mut group = |name: &str, rows: &[Row<'_, Direction, Option<String>>]| {
        let _ = write!(
            out,
            "<tr class=\"group\"><th scope=\"rowgroup\" colspan=\"{}\">{name}</th></tr>",
            report.directions.len() + 1
        );
        for (name, cell) in rows {
            let cells: Vec<_> = report.directions.iter().map(cell).collect();
            if cells.iter().all(Option::is_none) {
                continue;
            }
            let _ = write!(out, "<tr><th scope=\"row\">{name}</th>");
            for cell in cells {
                let _ = write!(out, "<td class=\"n\">{}</td>", or_dash(cell));
            }
            out.push_str("</tr>");
        }
    };
    let lost = |d: &Direction| {
        let whole = d
            .sent
            .or_else(|| d.received.zip(d.lost).map(|(r, l)| r + l))?;
        let lost = d.lost?;
        Some(format!(
            "{} ({})",
            count(lost),
            percent(lost as f64, whole as f64)
        ))
    };
    group(
        "Packets",
        &[
            ("sent", &|d| d.sent.map(count)),
            ("received", &|d| d.received.map(count)),
            ("lost", &lost),
            ("under way when the call ended", &|d| {
                (d.under_way > 0).then(|| count(d.under_way))
            }),
            ("too late to be played", &|d| {
                d.received.map(|_| count(d.late))
            }),
            ("after a later one", &|d| {
                d.received.map(|_| count(d.reordered))
            }),
            ("twice", &|d| d.received.map(|_| count(d.duplicates))),
            ("sources", &|d| {
                let sources = d
                    .sources
                    .iter()
                    .take(4)
                    .cloned()
                    .collect::<Vec<_>>()
                    .join(" ");
                (!sources.is_empty()).then_some(sources)
            }),
        ],
    );
    let delay = match report.directions.iter().all(|d| d.sent.is_some()) {
        true => "from a packet\u{2019}s leaving to its being played",
        // Of a sender that is not traced nobody knows when its packets left.
        false => "from a packet\u{2019}s coming to its being played",
    };
    group(
        "Time",
        &[
            (delay, &|d| d.delay_ms.map(ms)),
            ("of that in the network", &|d| d.transit_ms.map(ms)),
            ("round trip", &|d| d.round_trip_ms.map(ms)),
            ("jitter at the end", &|d| d.jitter_ms.map(ms)),
            ("jitter at its highest", &|d| d.jitter_max_ms.map(ms)),
            ("first sound after the answer", &|d| {
                d.first_sound_ms.map(ms)
            }),
        ],
    );
    let share = |name: &'static str| {
        move |d: &Direction| {
            let whole: u64 = d.played.values().sum();
            let part = *d.played.get(name)?;
            Some(percent(part as f64, whole as f64))
        }
    };
    group(
        "Sound",
        &[
            ("quality over all", &|d| {
                d.quality.as_ref().map(|q| format!("{:.2} MOS", q.mos))
            }),
            ("played as it was sent", &share("normal")),
            ("made up for what was missing", &share("concealed")),
            ("blended", &share("blended")),
            ("stretched", &share("stretched")),
            ("compressed", &share("compressed")),
            ("comfort noise", &share("comfort")),
            ("silence, nothing to play", &share("silence")),
            ("left out, the engine was late", &share("skipped")),
            ("level sent", &|d| d.sent_dbov.map(level)),
            ("level heard", &|d| d.heard_dbov.map(level)),
        ],
    );
    out.push_str("</tbody></table></div>");
    out
}

fn level(dbov: f32) -> String {
    format!(
        "{}\u{202f}dBov",
        format!("{dbov:.1}").replace('-', "\u{2212}")
    )
}

pub(super) fn drops(report: &Report) -> String {
    if report.drops.is_empty() {
        return "<p class=\"none card\">Nothing was dropped.</p>".to_owned();
    }
    let mut out = String::from(
        "<div class=\"tablewrap card\"><table><thead><tr><th scope=\"col\">phone</th><th scope=\"col\">reason</th>\
         <th scope=\"col\">in words</th><th scope=\"col\" class=\"n\">how many</th></tr></thead><tbody>",
    );
    for drop in &report.drops {
        let _ = write!(
            out,
            "<tr><td><bdi>{}</bdi></td><td><code>{}</code></td><td>{}</td><td class=\"n\">{}</td></tr>",
            esc(&drop.phone),
            drop.reason,
            drop.why,
            count(drop.count)
        );
    }
    out.push_str("</tbody></table></div>");
    out
}

pub(super) fn notes(report: &Report) -> String {
    if report.notes.is_empty() {
        return String::new();
    }
    let mut out = String::from(
        "<section aria-labelledby=\"notes\"><h2 id=\"notes\">Notes</h2><div class=\"tablewrap card\"><table><thead><tr>\
         <th scope=\"col\" class=\"n\">at</th><th scope=\"col\">phone</th><th scope=\"col\">note</th></tr></thead><tbody>",
    );
    for note in &report.notes {
        let _ = write!(
            out,
            "<tr><td class=\"n\">{:.3}\u{202f}s</td><td><bdi>{}</bdi></td><td>{}</td></tr>",
            note.at_s,
            esc(&note.phone),
            esc(&note.text)
        );
    }
    out.push_str("</tbody></table></div></section>");
    out
}
