//! Named steps: one after the other, timed, stopping at the first that fails.

use std::fmt;
use std::process::Command;
use std::time::{Duration, Instant};

/// What went wrong, in one line.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The steps run so far, with their times.
pub(crate) struct Steps {
    start: Instant,
    done: Vec<(&'static str, Duration)>,
}

impl Steps {
    pub(crate) fn new() -> Self {
        Self {
            start: now(),
            done: Vec::new(),
        }
    }

    /// Runs `step` under `name`. On failure prints the times so far and hands the failure on.
    pub(crate) fn run(
        &mut self,
        name: &'static str,
        step: impl FnOnce() -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        println!("\n==> {name}");
        let start = now();
        let result = step();
        let took = now() - start;
        self.done.push((name, took));
        match result {
            Ok(()) => {
                println!("<== {name}: ok in {}", seconds(took));
                Ok(())
            }
            Err(failure) => {
                println!("<== {name}: FAILED after {}", seconds(took));
                self.print();
                Err(Failure::new(format!("step `{name}` failed: {failure}")))
            }
        }
    }

    /// Prints the time of each step and of all.
    pub(crate) fn print(&self) {
        println!();
        for (name, took) in &self.done {
            println!("{:>10}  {name}", seconds(*took));
        }
        println!("{:>10}  total", seconds(now() - self.start));
    }
}

/// Runs a command with our own output and error streams; an exit code other than 0 is a failure.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let line = line_of(command);
    println!("$ {line}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::new(format!("`{line}`: {status}"))),
        Err(error) => Err(Failure::new(format!("`{line}` did not start: {error}"))),
    }
}

fn line_of(command: &Command) -> String {
    let mut line = command.get_program().to_string_lossy().into_owned();
    for arg in command.get_args() {
        line.push(' ');
        line.push_str(&arg.to_string_lossy());
    }
    line
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[expect(
    clippy::disallowed_methods,
    reason = "a task runner times its steps by the real clock"
)]
fn now() -> Instant {
    Instant::now()
}
