//! A program that SIPp calls many times, each side on a core of its own.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::clock::pause;
use crate::error::Error;
use crate::lab::{Lab, program_folder, root};
use crate::ports;
use crate::process::{Process, read_lossy};

/// Who is called.
pub(crate) struct Callee<'a> {
    lab: &'a Lab,
    pub(crate) process: Process,
    port: u16,
}

/// What a scenario timed of one call, in milliseconds.
pub(crate) struct Time {
    /// When that was, since the start.
    pub(crate) at: f64,
    /// How long it took.
    pub(crate) took: f64,
}

impl<'a> Callee<'a> {
    /// Ours, without media unless `args` ask for them.
    pub(crate) fn tipring(lab: &'a Lab, args: &[&str]) -> Result<Self, Error> {
        let port = ports::block()?;
        let mut command = pinned(0, program_folder().join("examples/callee"));
        command.arg(format!("127.0.0.1:{port}")).args(args);
        Self::listen(lab, port, &mut command)
    }

    /// SIPp's own.
    pub(crate) fn sipp(lab: &'a Lab) -> Result<Self, Error> {
        let port = ports::block()?;
        let mut command = pinned(0, "sipp");
        command
            .args(["-sn", "uas", "-nostdin", "-i", "127.0.0.1", "-p"])
            .arg(port.to_string());
        Self::listen(lab, port, &mut command)
    }

    fn listen(lab: &'a Lab, port: u16, command: &mut Command) -> Result<Self, Error> {
        let process = Process::start(lab.folder(), "callee", command)?;
        pause(Duration::from_secs(1));
        Ok(Self { lab, process, port })
    }

    /// Starts `calls` calls of a scenario, `rate` in a second, which pauses for so long where it does.
    pub(crate) fn calls(
        &self,
        scenario: &str,
        calls: u32,
        rate: u32,
        pause: Duration,
    ) -> Result<Process, Error> {
        let file = format!("interop/scenarios/{scenario}.xml");
        let mut command = pinned(1, "sipp");
        command
            .arg("-sf")
            .arg(root().join(file))
            .args(["-nostdin", "-i", "127.0.0.1", "-p"])
            .arg(ports::block()?.to_string())
            .args(["-m", &calls.to_string(), "-r", &rate.to_string()])
            .args(["-l", &calls.to_string()])
            .args(["-d", &pause.as_millis().to_string()])
            .args(["-trace_rtt", "-rtt_freq", "1", "-s", "sipp"])
            .arg(format!("127.0.0.1:{}", self.port));
        Process::start(self.lab.folder(), scenario, &mut command)
    }

    /// What the calls of a scenario timed since it was [forgotten](Self::forget).
    pub(crate) fn times(&self, scenario: &str) -> Result<Vec<Time>, Error> {
        let mut times = Vec::new();
        for file in self.files(scenario)? {
            times.extend(read_lossy(&file).lines().skip(1).filter_map(|line| {
                let mut fields = line.split(';');
                let mut next = || fields.next()?.trim().parse().ok();
                let (at, took) = (next()?, next()?);
                Some(Time { at, took })
            }));
        }
        Ok(times)
    }

    /// Forgets what a scenario timed.
    pub(crate) fn forget(&self, scenario: &str) -> Result<(), Error> {
        for file in self.files(scenario)? {
            fs::remove_file(&file).map_err(|error| Error::io(file.display(), &error))?;
        }
        Ok(())
    }

    /// The files in which SIPp says how long what a scenario times took.
    fn files(&self, scenario: &str) -> Result<Vec<PathBuf>, Error> {
        let folder = self.lab.folder();
        let entries = fs::read_dir(folder).map_err(|error| Error::io(folder.display(), &error))?;
        let is_of = |name: &str| name.starts_with(scenario) && name.ends_with("_rtt.csv");
        let entries = entries.flatten();
        let files = entries.filter(|e| is_of(&e.file_name().to_string_lossy()));
        Ok(files.map(|e| e.path()).collect())
    }
}

/// A program that keeps to one core.
fn pinned(core: u32, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", &core.to_string()]).arg(program);
    command
}
