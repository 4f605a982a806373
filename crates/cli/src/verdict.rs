//! What is said of a verdict.

use serde_json::{Value, json};
use tipring::msp_engine::{Clock, SystemClock};
use tipring_report::{DirectionVerdict, Verdict};

use crate::output::Output;

/// Tells of `verdict`; `more` is for programs.
pub(crate) fn tell(out: &Output, verdict: &Verdict, more: Value) {
    let both_known = verdict.seen_by.is_none();
    let mut text = String::new();
    for direction in &verdict.directions {
        let mark = match direction.reasons.is_empty() {
            true => "ok  ",
            false => "FAIL",
        };
        let what = match () {
            () if both_known => heard(direction, "sent"),
            () if verdict.seen_by.as_ref() == Some(&direction.to) => heard(direction, "came"),
            () => format!("{} packets sent", direction.sent_packets),
        };
        let lost = match both_known {
            true => format!(", {} lost by request", direction.lost_by_request),
            false => String::new(),
        };
        text += &format!(
            "{mark} {} to {}: {what}{lost}\n",
            direction.from, direction.to
        );
    }
    for (way, reason) in verdict.all_reasons() {
        match way {
            Some((from, to)) => text += &format!("     {from} to {to}: {reason}\n"),
            None => text += &format!("     {reason}\n"),
        }
    }
    text += match verdict.holds() {
        true => "the verdict holds",
        false => "the verdict DOES NOT HOLD",
    };
    let mut fields = json!({
        "holds": verdict.holds(),
        "verdict": serde_json::to_value(verdict).unwrap_or(Value::Null),
    });
    if let (Value::Object(fields), Value::Object(more)) = (&mut fields, more) {
        fields.extend(more);
    }
    out.event(SystemClock.now(), "verdict", &text, fields);
}

fn heard(direction: &DirectionVerdict, packets: &str) -> String {
    let delay = direction
        .delay_ms
        .map_or_else(|| "unknown".to_owned(), |d| format!("{d:.1} ms"));
    format!(
        "{} of {} samples equal, {} named by playout, {} unexplained, {} packets {packets}, delay {delay}",
        direction.equal,
        direction.recorded,
        direction.named.values().sum::<u64>(),
        direction.unexplained,
        direction.sent_packets,
    )
}
