//! Our end: the program `tipring`, as its users start it.

use std::ffi::OsStr;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::clock::{Deadline, wait_until};
use crate::error::{Error, ensure};
use crate::lab::{Lab, program_folder};
use crate::process::Process;

/// The exit codes that the program promises.
pub(crate) mod exit {
    pub(crate) const FINE: i32 = 0;
    pub(crate) const SIP_FAILURE: i32 = 3;
    pub(crate) const MEDIA_FAILURE: i32 = 4;
    pub(crate) const TIMEOUT: i32 = 5;
}

/// A running `tipring`, with its events one a line on standard output.
pub(crate) struct Tipring {
    pub(crate) process: Process,
}

impl Tipring {
    pub(crate) fn start<A: AsRef<OsStr>>(
        lab: &Lab,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Self, Error> {
        let mut command = Self::command(args);
        Ok(Self {
            process: Process::start(lab.folder(), "tipring", &mut command)?,
        })
    }

    /// The same with somebody at the keyboard.
    pub(crate) fn start_typing<A: AsRef<OsStr>>(
        lab: &Lab,
        args: impl IntoIterator<Item = A>,
    ) -> Result<Self, Error> {
        let mut command = Self::command(args);
        Ok(Self {
            process: Process::start_typing(lab.folder(), "tipring", &mut command)?,
        })
    }

    fn command<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(program_folder().join("tipring"));
        command.args(args).arg("--json");
        command
    }

    /// All events so far.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.process
            .stdout()
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Waits for an event of this name.
    pub(crate) fn wait_for(&mut self, name: &str, limit: Duration) -> Result<Value, Error> {
        let found = wait_until(Deadline::after(limit), || {
            let event = self
                .events()
                .into_iter()
                .find(|event| event["event"] == name);
            // Once ended it says nothing more: one last look above was enough.
            event
                .map(Some)
                .or_else(|| self.process.has_ended().then_some(None))
        });
        found
            .flatten()
            .or_else(|| {
                self.events()
                    .into_iter()
                    .find(|event| event["event"] == name)
            })
            .ok_or_else(|| {
                Error::new(format!(
                    "tipring had no event `{name}` within {} s: {}",
                    limit.as_secs(),
                    self.last_error()
                ))
            })
    }

    /// Waits for the end and demands exit code `code`, nothing but events on standard output, and a complaint of at most one
    /// line: none if all is fine.
    pub(crate) fn wait_for_code(&mut self, limit: Duration, code: i32) -> Result<(), Error> {
        self.process.wait_for_code(limit, code)?;
        let said = self.process.stdout();
        let odd = said.lines().find(|line| {
            serde_json::from_str::<Value>(line).map_or(true, |v| v["event"].is_null())
        });
        ensure(odd.is_none(), || {
            format!(
                "tipring prints what is no event: {}",
                odd.unwrap_or_default()
            )
        })?;
        let complaint = self.process.stderr();
        ensure(
            complaint.lines().count() == usize::from(code != exit::FINE),
            || format!("tipring ends with {code} and says: {complaint}"),
        )
    }

    /// Demands that the digits heard in the whole call are exactly these.
    pub(crate) fn must_have_digits(&self, digits: &str) -> Result<(), Error> {
        let heard: String = self
            .events()
            .iter()
            .filter(|event| event["event"] == "digit")
            .filter_map(|event| event["digit"].as_str())
            .collect();
        ensure(heard == digits, || {
            format!("we heard the digits `{heard}`, not `{digits}`")
        })
    }

    fn last_error(&self) -> String {
        self.process
            .stderr()
            .lines()
            .next_back()
            .unwrap_or("it says nothing")
            .to_owned()
    }
}
