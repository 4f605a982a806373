//! `tipring doctor`: looks at what a call needs of the machine, and says what will hurt one and what to do.

mod checks;

use std::net::{Ipv4Addr, SocketAddr};

use serde_json::json;
use tipring::msp_engine::{Clock, EngineConfig, SystemClock};

use crate::args::DoctorArgs;
use crate::exit::{Fail, Failure};
use crate::output::Output;

/// How a thing stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Health {
    /// As it should be.
    Good,
    /// Something to know.
    Note,
    /// A call will suffer.
    Hurts,
}

impl Health {
    const fn word(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Note => "note",
            Self::Hurts => "hurts",
        }
    }
}

/// What was found of one thing.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Finding {
    about: &'static str,
    health: Health,
    /// How it is.
    found: String,
    /// What to do about it; empty if nothing is to be done.
    advice: String,
}

impl Finding {
    fn new(about: &'static str, health: Health, found: impl Into<String>) -> Self {
        Self {
            about,
            health,
            found: found.into(),
            advice: String::new(),
        }
    }

    fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = advice.into();
        self
    }
}

pub(crate) fn run(args: &DoctorArgs) -> Result<(), Fail> {
    let out = Output::new(&args.output, SystemClock.now());
    let anywhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 5060));
    let sip = args.bind.map_or(anywhere, |b| b.or_port(5060));
    let media = args
        .ports
        .unwrap_or_else(|| EngineConfig::PORTS.into_inner());
    let findings = checks::all(sip, media);
    for finding in &findings {
        let (about, word, found) = (finding.about, finding.health.word(), &finding.found);
        let mut text = format!("{word:<6} {about:<12} {found}");
        if !finding.advice.is_empty() {
            text.push_str(&format!("\n       {:<12} -> {}", "", finding.advice));
        }
        let advice = &finding.advice;
        let fields = json!({ "about": about, "health": word, "found": found, "advice": advice });
        out.event(SystemClock.now(), "finding", &text, fields);
    }
    let hurts = findings.iter().filter(|f| f.health == Health::Hurts);
    let hurts: Vec<_> = hurts.map(|f| f.about).collect();
    if hurts.is_empty() {
        return Ok(());
    }
    let what = format!("calls will suffer: {}", hurts.join(", "));
    Err(Fail::new(Failure::Assertion, what))
}
