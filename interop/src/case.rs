//! A case: one named call with a peer, and what it shows.

use std::process::Command;
use std::time::Duration;

use crate::error::Error;
use crate::lab::Lab;
use crate::{baresip, capture, ffmpeg, kamailio, linphone, netns, sipp};

/// One call, or a few, with a program that others wrote.
pub(crate) struct Case {
    /// Its name on the command line and in the table.
    pub(crate) name: &'static str,
    /// What it shows if it passes, as a user would say it.
    pub(crate) shows: &'static str,
    /// The programs that it takes.
    pub(crate) with: &'static [Peer],
    /// Whether it needs raw sockets.
    pub(crate) raw: bool,
    pub(crate) run: fn(&Lab) -> Result<(), Error>,
}

impl Case {
    /// Why it cannot run here, if it cannot.
    pub(crate) fn hindrance(&self) -> Option<String> {
        let missing = self.with.iter().find_map(|peer| peer.missing());
        match missing {
            Some(program) => Some(format!("{program} is not installed")),
            None if self.raw && !netns::may_capture() => Some(
                "it takes raw sockets: root, or a system that allows user namespaces".to_owned(),
            ),
            None => None,
        }
    }

    /// `SIPp 3.6.1, sox 14.4.2`
    pub(crate) fn peers(&self) -> String {
        let names: Vec<String> = self.with.iter().map(|peer| peer.title()).collect();
        names.join(", ")
    }
}

/// A program that we did not write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Sipp,
    Baresip,
    Kamailio,
    Linphone,
    Tshark,
    Sox,
    Ffmpeg,
}

impl Peer {
    /// The first of its programs that is not installed.
    pub(crate) fn missing(self) -> Option<&'static str> {
        let mut programs = self.programs().iter().copied();
        programs.find(|program| !is_there(program))
    }

    fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Sipp => &["sipp"],
            Self::Baresip => &["baresip"],
            Self::Kamailio => &[kamailio::PROGRAM, "openssl"],
            Self::Linphone => &["linphone-daemon", "linphonec"],
            Self::Tshark => &["tshark", "tcpdump"],
            Self::Sox => &["sox"],
            Self::Ffmpeg => &["ffmpeg"],
        }
    }

    fn title(self) -> String {
        let (name, version) = match self {
            Self::Sipp => ("SIPp", sipp::version()),
            Self::Baresip => ("baresip", baresip::version()),
            Self::Kamailio => ("Kamailio", kamailio::version()),
            Self::Linphone => ("linphone", linphone::version()),
            Self::Tshark => ("tshark", capture::tshark_version()),
            Self::Sox => ("sox", capture::sox_version()),
            Self::Ffmpeg => ("ffmpeg", ffmpeg::version()),
        };
        format!(
            "{name} {}",
            version.as_deref().unwrap_or("of unknown version")
        )
    }
}

/// How a case ended.
pub(crate) enum Outcome {
    Passed,
    Failed(String),
    Skipped(String),
}

/// A case, how it ended, and how long it took.
pub(crate) struct Ended {
    pub(crate) case: &'static Case,
    pub(crate) outcome: Outcome,
    pub(crate) took: Duration,
}

fn is_there(program: &str) -> bool {
    Command::new("sh")
        .args(["-c", "command -v \"$0\" >/dev/null", program])
        .status()
        .is_ok_and(|status| status.success())
}
