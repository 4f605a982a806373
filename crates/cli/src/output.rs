//! What the user sees while a call runs: lines, or one JSON object a line, or nothing.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tipring::PhoneStats;
use tipring::msp_core::stats::StreamStats;
use tipring::msp_core::time::Instant;

use crate::args::OutputArgs;

/// How to speak.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    Lines,
    Json,
    Quiet,
}

/// The program's voice. A reader that has gone away is no reason to end a call: what cannot be written is dropped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    mode: Mode,
    /// A line that is written over and over is for a terminal only.
    live: bool,
    started: Instant,
    /// What is told is of a call that the peer of another asked for.
    followed: bool,
}

impl Output {
    pub(crate) fn new(args: &OutputArgs, started: Instant) -> Self {
        let mode = match (args.json, args.quiet) {
            (true, _) => Mode::Json,
            (_, true) => Mode::Quiet,
            _ => Mode::Lines,
        };
        Self {
            mode,
            live: mode == Mode::Lines && io::stderr().is_terminal(),
            started,
            followed: false,
        }
    }

    /// The same voice for a call that the peer of another asked for: each event of it says so.
    pub(crate) const fn of_followed(self) -> Self {
        Self {
            followed: true,
            ..self
        }
    }

    /// Tells of an event: `text` for people, `fields` for programs.
    pub(crate) fn event(&self, at: Instant, name: &str, text: &str, fields: Value) {
        match self.mode {
            Mode::Lines => {
                self.clear();
                let whose = if self.followed { "followed: " } else { "" };
                let _unread = writeln!(io::stdout(), "{whose}{text}");
            }
            Mode::Json => {
                let mut object = Map::new();
                object.insert("event".into(), name.into());
                let at = at.saturating_since(self.started);
                object.insert("at".into(), json!((at.as_secs_f64() * 1e6).round() / 1e6));
                if let Value::Object(fields) = fields {
                    object.extend(fields);
                }
                if self.followed {
                    object.insert("followed_call".into(), true.into());
                }
                let mut out = io::stdout().lock();
                let _unread = writeln!(out, "{}", Value::Object(object)).and_then(|()| out.flush());
            }
            Mode::Quiet => {}
        }
    }

    /// Gives numbers to programs; people are spared them.
    pub(crate) fn numbers(&self, at: Instant, name: &str, fields: Value) {
        if self.mode == Mode::Json {
            self.event(at, name, "", fields);
        }
    }

    /// Shows how the call goes, on the line that is written over.
    pub(crate) fn progress(&self, lasted: Duration, codec: &str, stats: &StreamStats) {
        if !self.live {
            return;
        }
        let received = &stats.received;
        let loss = match received.expected {
            0 => 0.0,
            expected => 100.0 * received.lost.max(0) as f64 / expected as f64,
        };
        let seconds = lasted.as_secs();
        let _unread = write!(
            io::stderr(),
            "\r\x1b[K{:02}:{:02}  {codec}  loss {loss:.1} %  jitter {:.1} ms  sent {:.0} dB  heard {:.0} dB ",
            seconds / 60,
            seconds % 60,
            received.jitter.as_secs_f64() * 1000.0,
            stats.sent_level.dbfs(),
            stats.played_level.dbfs(),
        );
    }

    /// Takes the line that is written over away.
    pub(crate) fn clear(&self) {
        if self.live {
            let _unread = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

/// The numbers of a call for programs.
pub(crate) fn stats_json(stats: &StreamStats) -> Value {
    let drops: Map<String, Value> = stats
        .drops
        .iter()
        .map(|(reason, n)| (reason.name().to_owned(), n.into()))
        .collect();
    let ms = |d: Duration| json!((d.as_secs_f64() * 1e6).round() / 1e3);
    json!({
        "sent_packets": stats.sent.packets,
        "received_packets": stats.received.packets,
        "expected_packets": stats.received.expected,
        "lost_packets": stats.received.lost,
        "jitter_ms": ms(stats.received.jitter),
        "max_jitter_ms": ms(stats.received.jitter_max),
        "round_trip_ms": stats.sent.round_trip.map(ms),
        "remote_lost": stats.sent.remote_lost,
        "played_samples": stats.playout.normal,
        "concealed_samples": stats.playout.concealed,
        "drops": drops,
    })
}

/// The numbers of a phone for programs: what happened, without what did not.
pub(crate) fn phone_json(stats: &PhoneStats) -> Value {
    fn counted(counters: impl Iterator<Item = (&'static str, u64)>) -> Map<String, Value> {
        counters
            .filter(|(_, n)| *n > 0)
            .map(|(name, n)| (name.to_owned(), n.into()))
            .collect()
    }
    let signalling = &stats.signalling;
    json!({
        "sockets": counted(signalling.sockets.iter()),
        "transactions": counted(signalling.transactions.iter()),
        "agent": counted(signalling.agent.iter()),
        "last_error": signalling.last_error.map(|e| e.to_string()),
        "without_media": stats.without_media,
        "unclaimed": stats.unclaimed,
    })
}
