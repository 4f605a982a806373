//! What is seen first: the verdict, and four figures.

use std::fmt::Write;

use super::page::{direction, esc, length, ms};
use crate::model::{Outcome, Report};

pub(super) fn when(report: &Report) -> String {
    format!(
        "<time datetime=\"{0}\">{1}</time> \u{b7} {2}",
        esc(&report.started),
        esc(&report.started.replace('T', " ").replace('Z', " UTC")),
        length(report.duration_s)
    )
}

pub(super) fn banner(report: &Report) -> String {
    let (class, seal) = match report.outcome {
        Outcome::Holds => (
            "good",
            r#"<circle cx="32" cy="32" r="28"/><path d="m19 33 9 9 17-20"/>"#,
        ),
        Outcome::Fails | Outcome::SeenBad => (
            "bad",
            r#"<path d="M21 5h22l16 16v22L43 59H21L5 43V21Z"/><path d="m23 23 18 18m0-18L23 41"/>"#,
        ),
        Outcome::SeenWell => (
            "open",
            r#"<circle cx="32" cy="32" r="28" stroke-dasharray="7 7"/><path d="m19 33 9 9 17-20"/>"#,
        ),
    };
    let mut out = format!(
        "<div class=\"banner {class}\"><svg class=\"seal\" viewBox=\"0 0 64 64\" aria-hidden=\"true\">{seal}</svg><div>\
         <p class=\"who\"><bdi>{}</bdi></p><h1>{}</h1><p class=\"say\">{}</p>",
        esc(&report.title),
        report.outcome_title(),
        esc(&report.headline)
    );
    if let Some(conditions) = &report.conditions {
        let _ = write!(
            out,
            "<p class=\"asked\">The network was asked for: {}.</p>",
            esc(conditions)
        );
    }
    let mut reasons = report.reasons().peekable();
    if reasons.peek().is_some() {
        out.push_str("<ul class=\"reasons\">");
        for (about, reason) in reasons {
            let place =
                about.map_or_else(|| "the call".to_owned(), |(from, to)| direction(from, to));
            let _ = write!(
                out,
                "<li><span class=\"where\">{place}</span> <b>{}</b> <code>{}</code></li>",
                esc(&reason.to_string()),
                reason.code()
            );
        }
        out.push_str("</ul>");
    }
    out.push_str("</div></div>");
    out
}

/// Good, fair, bad, or nobody knows: a glyph and a word, never a colour alone.
#[derive(Clone, Copy, PartialEq)]
enum Mark {
    Good,
    /// Between the two.
    Fair,
    Bad,
    Open,
}

impl Mark {
    const fn of(good: Option<bool>) -> Self {
        match good {
            Some(true) => Self::Good,
            Some(false) => Self::Bad,
            None => Self::Open,
        }
    }

    const fn glyph(self) -> &'static str {
        match self {
            Self::Good => "\u{2713}",
            Self::Fair => "!",
            Self::Bad => "\u{2715}",
            Self::Open => "?",
        }
    }

    fn markup(self) -> String {
        let (class, word) = match self {
            Self::Good => ("good", "good"),
            Self::Fair => ("open", "fair"),
            Self::Bad => ("bad", "bad"),
            Self::Open => ("open", "not known"),
        };
        format!(
            "<span class=\"mark {class}\"><span aria-hidden=\"true\">{}</span><span class=\"hidden\">{word}</span></span>",
            self.glyph()
        )
    }
}

pub(super) fn tiles(report: &Report) -> String {
    let tile = |name: &str, mark: Mark, value: &str, detail: &str| {
        format!(
            "<div class=\"tile card\"><h2>{name}</h2>{}<p class=\"value\">{value}</p>{detail}</div>",
            mark.markup()
        )
    };
    let tiles = &report.tiles;
    let answered = match (tiles.answered_after_ms, tiles.ringing_after_ms) {
        (Some(answered), Some(ringing)) => {
            format!(
                "rang after {}, answered after {}",
                ms(ringing),
                ms(answered)
            )
        }
        (Some(answered), None) => format!("answered after {}", ms(answered)),
        (None, Some(ringing)) => format!("rang after {}, never answered", ms(ringing)),
        (None, None) => "never answered".to_owned(),
    };
    let connected = tile(
        "Connected",
        Mark::of(Some(tiles.connected)),
        if tiles.connected { "Yes" } else { "No" },
        &format!("<p>{answered}</p>"),
    );
    format!(
        "<div class=\"tiles\">{connected}{}{}{}</div>",
        sound(report, tile),
        quality(report, tile),
        first_sound(report, tile)
    )
}

fn sound(report: &Report, tile: impl Fn(&str, Mark, &str, &str) -> String) -> String {
    let sound = &report.tiles.sound;
    let all = if sound.contains(&Some(false)) || sound.is_empty() {
        Some(false)
    } else if sound.contains(&None) {
        None
    } else {
        Some(true)
    };
    let mut detail = String::from("<ul>");
    for (heard, way) in sound.iter().zip(&report.directions) {
        let (class, word) = match (heard, way.sent) {
            (Some(true), _) => ("yes", "heard"),
            (Some(false), _) => ("no", "silent"),
            (None, Some(1..)) => ("maybe", "sent, not seen to arrive"),
            (None, _) => ("maybe", "nothing sent"),
        };
        let _ = write!(
            detail,
            "<li><span class=\"{class}\"><span aria-hidden=\"true\">{} </span>{word}</span> {}</li>",
            Mark::of(*heard).glyph(),
            direction(&way.from, &way.to)
        );
    }
    detail.push_str("</ul>");
    let value = match all {
        Some(true) => "Yes",
        Some(false) => "No",
        None => "Heard here",
    };
    tile("Sound both ways", Mark::of(all), value, &detail)
}

fn quality(report: &Report, tile: impl Fn(&str, Mark, &str, &str) -> String) -> String {
    const NAME: &str = "Worst quality";
    let Some(quality) = &report.tiles.worst_quality else {
        return tile(
            NAME,
            Mark::Open,
            "\u{2013}",
            "<p>no packets to judge by, or a codec without figures</p>",
        );
    };
    // ITU-T G.107 annex B: below 4.03 some users are dissatisfied, below 3.10 nearly all.
    let (mark, class) = match quality.mos {
        m if m >= 4.0 => (Mark::Good, "yes"),
        m if m >= 3.1 => (Mark::Fair, "maybe"),
        _ => (Mark::Bad, "no"),
    };
    let place = report
        .tiles
        .worst_direction
        .and_then(|n| report.directions.get(n))
        .map_or_else(String::new, |d| direction(&d.from, &d.to));
    let part = ((quality.mos - 1.0) / 3.5 * 100.0).clamp(0.0, 100.0);
    tile(
        NAME,
        mark,
        &format!("{:.2}<small>MOS, of 4.41</small>", quality.mos),
        &format!(
            "<div class=\"scale {class}\"><i style=\"--part:{part:.1}%\"></i></div><p title=\"{}\">{place}, from {:.1} to \
             {:.1}\u{202f}s: loss {:.1}\u{202f}%, mouth to ear {}</p>",
            esc(&quality.how),
            quality.from_s,
            quality.until_s,
            quality.loss * 100.0,
            ms(quality.delay_ms)
        ),
    )
}

fn first_sound(report: &Report, tile: impl Fn(&str, Mark, &str, &str) -> String) -> String {
    const NAME: &str = "Time to first sound";
    let mut detail = String::from("<ul>");
    for way in &report.directions {
        if let Some(first) = way.first_sound_ms {
            let _ = write!(
                detail,
                "<li>{} {}</li>",
                direction(&way.from, &way.to),
                ms(first)
            );
        }
    }
    detail.push_str("</ul>");
    match report.tiles.first_sound_ms {
        Some(first) => {
            let value = format!("{first:.0}<small>ms after the answer</small>");
            // Half a second of nothing after the answer is when people say hello again.
            tile(NAME, Mark::of(Some(first < 500.0)), &value, &detail)
        }
        None => tile(NAME, Mark::Bad, "\u{2013}", "<p>nothing was heard</p>"),
    }
}

pub(super) fn footer(report: &Report) -> String {
    let quality = report
        .tiles
        .worst_quality
        .as_ref()
        .map_or_else(String::new, |q| {
            format!("<p>Quality by {}.</p>", esc(&q.how))
        });
    format!(
        "{quality}<p>Made by {} (form {}). The same data are in the JSON file beside this one. \
         Digests, keys and passwords are masked.</p>",
        esc(&report.software),
        report.format
    )
}
