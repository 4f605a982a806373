//! Delay, jitter and loss over time, one column for each direction, on the same scales.

use std::fmt::Write;

use super::page::{count, direction, tone};
use crate::model::{Direction, Point, Report};

const WIDTH: f64 = 540.0;
const LEFT: f64 = 44.0;
const RIGHT: f64 = 6.0;
const PLOT: f64 = 78.0;
/// From the top of one plot to that of the next.
const PITCH: f64 = 124.0;
const TOP: f64 = 22.0;

/// The scales that all directions share.
struct Scales {
    from_s: f64,
    until_s: f64,
    delay: f64,
    jitter: f64,
    loss: f64,
}

pub(super) fn curves(report: &Report) -> String {
    let all = || {
        report
            .directions
            .iter()
            .filter(|d| !d.curves.points.is_empty())
    };
    if all().next().is_none() {
        return "<p class=\"none card\">No packets were seen.</p>".to_owned();
    }
    let points = || all().flat_map(|d| &d.curves.points);
    let most = |f: fn(&Point) -> Option<f64>| points().filter_map(f).fold(0.0, f64::max);
    let scales = Scales {
        from_s: points().map(|p| p.at_s).fold(f64::MAX, f64::min),
        until_s: all()
            .filter_map(|d| Some(d.curves.points.last()?.at_s + d.curves.step_s))
            .fold(0.0, f64::max),
        delay: nice(most(longest), 20.0),
        jitter: nice(most(|p| p.jitter_ms), 5.0),
        loss: nice(most(|p| Some(missing(p))), 5.0),
    };
    let mut out = String::from("<div class=\"pair\">");
    for (n, way) in report.directions.iter().enumerate() {
        let _ = write!(
            out,
            "<div class=\"chart card {}\"><h3>{}</h3>",
            tone(n),
            direction(&way.from, &way.to)
        );
        if way.curves.points.is_empty() {
            out.push_str("<p class=\"none\">Nothing of this direction was received by a phone that is traced.</p>");
        } else {
            scales.chart(&mut out, way);
        }
        out.push_str("</div>");
    }
    out.push_str("</div>");
    out
}

/// The longest of all times of a point that share a plot.
fn longest(point: &Point) -> Option<f64> {
    [point.delay_ms, point.transit_ms, point.buffer_ms]
        .into_iter()
        .flatten()
        .max_by(f64::total_cmp)
}

/// Percent of what should have come that was not there in time.
fn missing(point: &Point) -> f64 {
    if point.expected == 0 {
        return 0.0;
    }
    (point.lost + point.late) as f64 * 100.0 / point.expected as f64
}

/// The next number that is easy to read, at least `least`.
fn nice(value: f64, least: f64) -> f64 {
    let value = value.max(least);
    let power = 10f64.powf(value.log10().floor());
    [1.0, 2.0, 4.0, 5.0, 10.0]
        .into_iter()
        .map(|m| m * power)
        .find(|n| *n >= value)
        .unwrap_or(10.0 * power)
}

impl Scales {
    fn x(&self, at_s: f64) -> f64 {
        let share = (at_s - self.from_s) / (self.until_s - self.from_s).max(1e-9);
        LEFT + (WIDTH - LEFT - RIGHT) * share.clamp(0.0, 1.0)
    }

    fn chart(&self, out: &mut String, way: &Direction) {
        let height = TOP + 3.0 * PITCH - 18.0;
        let curves = &way.curves;
        let transit = if curves.transit_is_relative {
            "over the quickest packet"
        } else {
            "network"
        };
        let _ = write!(
            out,
            "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"Delay, jitter and loss over time\">"
        );
        let plots = [
            ("Delay", self.delay, "ms"),
            ("Jitter", self.jitter, "ms"),
            ("Loss", self.loss, "%"),
        ];
        for (n, (name, most, unit)) in plots.into_iter().enumerate() {
            self.axes(out, TOP + n as f64 * PITCH, name, most, unit);
        }
        let points = &curves.points;
        let half = curves.step_s / 2.0;
        let line = |f: fn(&Point) -> Option<f64>, top: f64, most: f64| {
            let mut path = String::new();
            let mut pen = "M";
            for point in points {
                match f(point) {
                    Some(value) => {
                        let y = top + PLOT - PLOT * (value / most).clamp(0.0, 1.0);
                        let _ = write!(path, "{pen}{:.1} {y:.1}", self.x(point.at_s + half));
                        pen = "L";
                    }
                    // A gap stays a gap.
                    None => pen = "M",
                }
            }
            path
        };
        let _ = write!(
            out,
            "<path class=\"l3\" d=\"{}\"/><path class=\"l2\" d=\"{}\"/><path class=\"l1\" d=\"{}\"/><path class=\"l1\" d=\"{}\"/>",
            line(|p| p.buffer_ms, TOP, self.delay),
            line(|p| p.transit_ms, TOP, self.delay),
            line(|p| p.delay_ms, TOP, self.delay),
            line(|p| p.jitter_ms, TOP + PITCH, self.jitter),
        );
        self.bars(out, way);
        self.tips(out, way, transit);
        out.push_str("</svg>");
        let _ = write!(
            out,
            "<ul class=\"key\"><li><svg aria-hidden=\"true\"><path class=\"l1\" d=\"M0 6h26\"/></svg>until played</li>\
             <li><svg aria-hidden=\"true\"><path class=\"l2\" d=\"M0 6h26\"/></svg>{transit}, slowest</li>\
             <li><svg aria-hidden=\"true\"><path class=\"l3\" d=\"M0 6h26\"/></svg>waiting in the buffer</li>\
             <li><svg aria-hidden=\"true\"><rect class=\"bar\" x=\"8\" width=\"9\" height=\"12\"/></svg>lost</li>\
             <li><svg aria-hidden=\"true\"><rect class=\"bar late\" x=\"8\" width=\"9\" height=\"12\"/></svg>too late</li></ul>"
        );
    }

    fn axes(&self, out: &mut String, top: f64, name: &str, most: f64, unit: &str) {
        let right = WIDTH - RIGHT;
        let bottom = top + PLOT;
        let middle = top + PLOT / 2.0;
        let _ = write!(
            out,
            "<text class=\"name\" x=\"{LEFT}\" y=\"{:.1}\">{name}</text>\
             <path class=\"axis\" d=\"M{LEFT} {top}H{right}M{LEFT} {middle}H{right}\"/><path class=\"base\" d=\"M{LEFT} {bottom}H{right}\"/>",
            top - 7.0
        );
        for (value, y) in [(most, top), (most / 2.0, middle), (0.0, bottom)] {
            let label = if value > 0.0 && value < 5.0 && value.fract() != 0.0 {
                format!("{value:.1}")
            } else {
                format!("{value:.0}")
            };
            let unit = if y == top {
                format!("\u{202f}{unit}")
            } else {
                String::new()
            };
            let _ = write!(
                out,
                "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}{unit}</text>",
                LEFT - 6.0,
                y + 4.0
            );
        }
        time_axis(out, &ticks(self.from_s, self.until_s, 6), bottom, |at| {
            self.x(at)
        });
    }

    fn bars(&self, out: &mut String, way: &Direction) {
        let bottom = TOP + 2.0 * PITCH + PLOT;
        for point in &way.curves.points {
            if point.lost + point.late == 0 || point.expected == 0 {
                continue;
            }
            let (x, until) = (self.x(point.at_s), self.x(point.at_s + way.curves.step_s));
            let width = (until - x - 0.6).max(1.2);
            let height =
                |n: u64| PLOT * (n as f64 * 100.0 / point.expected as f64 / self.loss).min(1.0);
            let (lost, late) = (height(point.lost), height(point.late));
            for (class, from, h) in [("bar", lost, lost), ("bar late", lost + late, late)] {
                if h > 0.0 {
                    let _ = write!(
                        out,
                        "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{h:.1}\"/>",
                        bottom - from
                    );
                }
            }
        }
    }

    /// What a point says, shown while the pointer is over it.
    fn tips(&self, out: &mut String, way: &Direction, transit: &str) {
        const BOX: f64 = 176.0;
        let bottom = TOP + 2.0 * PITCH + PLOT;
        for point in &way.curves.points {
            let (x, until) = (self.x(point.at_s), self.x(point.at_s + way.curves.step_s));
            let mut lines = vec![format!("{} s", seconds(point.at_s))];
            for (name, value) in [
                ("until played", point.delay_ms),
                (transit, point.transit_ms),
                ("buffer", point.buffer_ms),
                ("jitter", point.jitter_ms),
            ] {
                lines.extend(value.map(|v| format!("{name} {v:.1} ms")));
            }
            lines.push(format!(
                "{} packets, {} lost, {} late",
                count(point.expected),
                count(point.lost),
                count(point.late)
            ));
            let left = if x > WIDTH - BOX - 20.0 {
                x - BOX - 8.0
            } else {
                until + 8.0
            };
            let _ = write!(
                out,
                "<g class=\"hit\"><rect class=\"col\" x=\"{x:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.1}\"/>\
                 <g class=\"tip\"><rect x=\"{left:.1}\" y=\"{TOP}\" width=\"{BOX}\" height=\"{}\" rx=\"6\"/>",
                (until - x).max(0.5),
                bottom - TOP,
                10 + 15 * lines.len()
            );
            for (n, line) in lines.iter().enumerate() {
                let _ = write!(
                    out,
                    "<text x=\"{:.1}\" y=\"{:.1}\">{line}</text>",
                    left + 10.0,
                    TOP + 17.0 + 15.0 * n as f64
                );
            }
            out.push_str("</g></g>");
        }
    }
}

/// The marks `ticks` below `bottom`, the first of them with the unit.
pub(super) fn time_axis(out: &mut String, ticks: &[f64], bottom: f64, x: impl Fn(f64) -> f64) {
    for (n, at) in ticks.iter().enumerate() {
        let _ = write!(
            out,
            "<path class=\"axis\" d=\"M{0:.1} {bottom}v4\"/><text x=\"{0:.1}\" y=\"{1:.1}\" text-anchor=\"middle\">{2}{3}</text>",
            x(*at),
            bottom + 15.0,
            seconds(*at),
            if n == 0 { "\u{202f}s" } else { "" }
        );
    }
}

/// Round places on a time axis.
pub(super) fn ticks(from: f64, until: f64, most: usize) -> Vec<f64> {
    let span = (until - from).max(1e-3);
    let step = [
        0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0,
    ]
    .into_iter()
    .find(|s| span / s <= most as f64)
    .unwrap_or(span / most as f64);
    let first = (from / step).ceil() as i64;
    (first..)
        .map(|n| n as f64 * step)
        .take_while(|at| *at <= until)
        .take(most + 2)
        .collect()
}

/// Seconds as an axis shows them.
fn seconds(at: f64) -> String {
    if (at - at.round()).abs() < 1e-6 {
        format!("{at:.0}")
    } else {
        format!("{at:.1}")
    }
}
