//! SIPp, as caller and as callee.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::error::Error;
use crate::lab::{Lab, root};
use crate::process::{Process, read_lossy};

/// What SIPp plays: a scenario that it carries itself, or one of ours.
#[derive(Clone, Copy)]
pub(crate) enum Scenario {
    Own(&'static str),
    Ours(&'static str),
}

/// How to start it; everything over 127.0.0.1 unless said otherwise.
pub(crate) struct Sipp {
    pub(crate) scenario: Scenario,
    pub(crate) host: &'static str,
    pub(crate) port: u16,
    /// The first of its ports for media.
    pub(crate) media: u16,
    /// Where to call; a callee has none.
    pub(crate) remote: Option<String>,
    /// Sends back the media that arrive.
    pub(crate) echo: bool,
    /// How long its pauses without a length of their own are.
    pub(crate) hold: Duration,
    /// How many calls it makes or takes.
    pub(crate) calls: u16,
    /// How many it begins in a second.
    pub(crate) rate: u16,
    /// Whom it calls, by name.
    pub(crate) user: &'static str,
    /// The port for media that it tells, where a scenario of ours does not tell its own.
    pub(crate) told: u16,
}

impl Sipp {
    pub(crate) fn callee(scenario: Scenario, port: u16) -> Self {
        Self {
            scenario,
            host: "127.0.0.1",
            port,
            media: port + 2,
            remote: None,
            echo: false,
            hold: Duration::ZERO,
            calls: 1,
            rate: 10,
            user: "anyone",
            told: port + 2,
        }
    }

    pub(crate) fn caller(scenario: Scenario, port: u16, to: u16) -> Self {
        Self {
            remote: Some(format!("127.0.0.1:{to}")),
            ..Self::callee(scenario, port)
        }
    }

    pub(crate) fn start(&self, lab: &Lab) -> Result<Process, Error> {
        let mut command = Command::new("sipp");
        match self.scenario {
            Scenario::Own(name) => command.args(["-sn", name]),
            Scenario::Ours(name) => command.arg("-sf").arg(
                root()
                    .join("interop/scenarios")
                    .join(name)
                    .with_extension("xml"),
            ),
        };
        command
            .args([
                "-m",
                &self.calls.to_string(),
                "-l",
                &self.calls.to_string(),
                "-r",
                &self.rate.to_string(),
            ])
            .args(["-nostdin", "-i", self.host, "-p", &self.port.to_string()])
            .args(["-mi", self.host, "-mp", &self.media.to_string()])
            .args(["-d", &self.hold.as_millis().to_string()])
            .args([
                "-timeout",
                "40s",
                "-timeout_error",
                "-recv_timeout",
                "35000",
            ])
            .args([
                "-trace_msg",
                "-message_file",
                "sipp.messages",
                "-trace_err",
                "-error_file",
                "sipp.errors",
            ]);
        // It takes the blanks away that a folded line of a scenario begins with; those of a keyword stay.
        command.args([
            "-s",
            self.user,
            "-key",
            "told",
            &self.told.to_string(),
            "-key",
            "fold",
            " ",
        ]);
        if self.echo {
            command.arg("-rtp_echo");
        }
        command.args(&self.remote);
        Process::start(lab.folder(), "sipp", &mut command)
    }
}

/// Waits for SIPp's verdict on its scenario: every message as expected.
pub(crate) fn wait(sipp: &mut Process, lab: &Lab, limit: Duration) -> Result<(), Error> {
    sipp.wait_for_code(limit, 0).map_err(|error| {
        let errors = read_lossy(&lab.path("sipp.errors"));
        let first = errors.lines().nth(1).unwrap_or("no error was logged");
        Error::new(format!("{error}; {first}"))
    })
}

/// The folder with SIPp's own captures, where its own scenarios look for it.
pub(crate) fn link_captures(lab: &Lab) -> Result<(), Error> {
    let link = lab.path("pcap");
    std::os::unix::fs::symlink(captures(), &link).map_err(|error| Error::io(link.display(), &error))
}

/// Captures that come with the Debian package.
pub(crate) fn captures() -> &'static Path {
    Path::new("/usr/share/sip-tester")
}

/// `3.6.1` of `SIPp v3.6.1-SCTP-PCAP-RTPSTREAM.`
pub(crate) fn version() -> Option<String> {
    // It prints its version and ends with code 99.
    let text = Command::new("sipp").arg("-v").output().ok()?;
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    let word = text
        .split_whitespace()
        .find(|word| word.starts_with('v') && word[1..].starts_with(char::is_numeric))?;
    Some(
        word[1..]
            .split(['-', ','])
            .next()?
            .trim_end_matches('.')
            .to_owned(),
    )
}
