//! A program started by a case: its output kept in a file, its life bounded, killed when dropped.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::clock::{Deadline, wait_until};
use crate::error::Error;

pub(crate) struct Process {
    name: String,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Process {
    /// Starts `command` in `folder`; output goes to `NAME.out` and `NAME.err` there, and the command
    /// line to `NAME.cmd`.
    pub(crate) fn start(folder: &Path, name: &str, command: &mut Command) -> Result<Self, Error> {
        Self::start_with(folder, name, command.stdin(Stdio::null()))
    }

    /// The same with somebody at the keyboard, for [`Process::type_line`].
    pub(crate) fn start_typing(
        folder: &Path,
        name: &str,
        command: &mut Command,
    ) -> Result<Self, Error> {
        Self::start_with(folder, name, command.stdin(Stdio::piped()))
    }

    fn start_with(folder: &Path, name: &str, command: &mut Command) -> Result<Self, Error> {
        let stdout = folder.join(format!("{name}.out"));
        let stderr = folder.join(format!("{name}.err"));
        let create =
            |path: &Path| File::create(path).map_err(|error| Error::io(path.display(), &error));
        let line = create(&folder.join(format!("{name}.cmd"))).and_then(|mut file| {
            writeln!(file, "{command:?}").map_err(|error| Error::io(name, &error))
        });
        line?;
        let child = command
            .current_dir(folder)
            .stdout(create(&stdout)?)
            .stderr(create(&stderr)?)
            .spawn()
            .map_err(|error| Error::io(format!("{name} did not start"), &error))?;
        Ok(Self {
            name: name.to_owned(),
            child,
            stdout,
            stderr,
        })
    }

    /// Types a line at its keyboard, if it has one.
    pub(crate) fn type_line(&mut self, line: &str) -> Result<(), Error> {
        let Some(keyboard) = self.child.stdin.as_mut() else {
            return Err(Error::new(format!("{} has no keyboard", self.name)));
        };
        writeln!(keyboard, "{line}").map_err(|error| Error::io(&self.name, &error))
    }

    /// Waits for the end; a process that has not ended by then is killed and that is an error.
    pub(crate) fn wait(&mut self, limit: Duration) -> Result<ExitStatus, Error> {
        let ended = wait_until(Deadline::after(limit), || self.child.try_wait().transpose());
        match ended {
            Some(status) => status.map_err(|error| Error::io(&self.name, &error)),
            None => {
                self.kill();
                Err(Error::new(format!(
                    "{} had not ended after {} s",
                    self.name,
                    limit.as_secs()
                )))
            }
        }
    }

    /// Waits for the end and demands exit code `code`.
    pub(crate) fn wait_for_code(&mut self, limit: Duration, code: i32) -> Result<(), Error> {
        let status = self.wait(limit)?;
        if status.code() == Some(code) {
            return Ok(());
        }
        let last = self
            .stderr()
            .lines()
            .next_back()
            .unwrap_or_default()
            .to_owned();
        Err(Error::new(format!(
            "{} ended with {status}, not with exit code {code}: {last}",
            self.name
        )))
    }

    /// Ends it the way a crash would: no farewell.
    pub(crate) fn kill(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// What Ctrl-C would send.
    pub(crate) fn interrupt(&self) -> Result<(), Error> {
        self.signal("-INT")
    }

    /// What asks a server to end.
    pub(crate) fn terminate(&self) -> Result<(), Error> {
        self.signal("-TERM")
    }

    fn signal(&self, signal: &str) -> Result<(), Error> {
        let status = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .stdin(Stdio::null())
            .status()
            .map_err(|error| Error::io("kill", &error))?;
        if status.success() {
            Ok(())
        } else {
            Err(Error::new(format!("{} takes no {signal}", self.name)))
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// What it has written so far.
    pub(crate) fn stdout(&self) -> String {
        read_lossy(&self.stdout)
    }

    pub(crate) fn stderr(&self) -> String {
        read_lossy(&self.stderr)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A file's text, empty if it is not there yet.
pub(crate) fn read_lossy(path: &Path) -> String {
    fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}

/// Runs a short command to its end and hands back what it printed.
pub(crate) fn output(command: &mut Command) -> Result<String, Error> {
    let line = format!("{command:?}");
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Error::io(&line, &error))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        let text = String::from_utf8_lossy(&output.stderr);
        Err(Error::new(format!(
            "{line}: {}: {}",
            output.status,
            text.trim()
        )))
    }
}
