//! The tests of the copy, built once and run with one bug turned on or with none.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use super::Suite;
use crate::cargo::{cargo, root};
use crate::steps::Failure;

/// What turns a bug on, by its number.
const SWITCH: &str = "TIPRING_FAULT";

/// A run that takes longer does not end.
const LIMIT: Duration = Duration::from_secs(120);

/// What became of a run.
pub(super) enum Outcome {
    /// All tests passed.
    Passed,
    /// This one failed, or first of several.
    Failed(String),
    /// It took too long.
    Endless,
}

/// The programs that the tests are.
pub(super) struct Programs {
    copy: PathBuf,
    by_suite: BTreeMap<(String, Option<String>), PathBuf>,
}

impl Programs {
    /// Builds the tests of all packages that have one of the suites.
    pub(super) fn build(copy: &Path, suites: &BTreeSet<Suite>) -> Result<Self, Failure> {
        let packages: BTreeSet<_> = suites.iter().map(|s| s.package).collect();
        let mut command = cargo(&["test", "--no-run", "--lib", "--tests"]);
        command.arg("--message-format=json-render-diagnostics");
        for package in packages {
            command.args(["--package", package]);
        }
        command.current_dir(copy);
        command.env("CARGO_TARGET_DIR", root().join("target/mutate/target"));
        let output = command.output();
        let output = output.map_err(|e| Failure::new(format!("cargo did not start: {e}")))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            // What is changed is not without warnings; they come first.
            let (_, errors) = said.split_once("\nerror").unwrap_or(("", &said));
            eprintln!("error{errors}");
            return Err(Failure::new("what has the bugs in it does not build"));
        }
        let said = String::from_utf8_lossy(&output.stdout);
        Ok(Self {
            copy: copy.into(),
            by_suite: said.lines().filter_map(program).collect(),
        })
    }

    /// Runs a suite, or one test of it, with a bug turned on or with none.
    pub(super) fn run(
        &self,
        suite: Suite,
        test: Option<&str>,
        number: Option<usize>,
    ) -> Result<Outcome, Failure> {
        let odd = |what: String| Failure::new(format!("{suite}: {what}"));
        let name = (suite.package.to_owned(), suite.file.map(ToOwned::to_owned));
        let program = self.by_suite.get(&name);
        let program = program.ok_or_else(|| odd("there is no such suite".into()))?;
        let mut command = Command::new(program);
        if let Some(test) = test {
            command.args([test, "--exact"]);
        }
        command.current_dir(self.copy.join(suite.folder));
        command.env("CARGO_MANIFEST_DIR", self.copy.join(suite.folder));
        if let Some(number) = number {
            command.env(SWITCH, number.to_string());
            // One failure is enough.
            command.env("TIPRING_FAILURES", "1");
        }
        command.stdin(Stdio::null()).stderr(Stdio::null());
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| odd(format!("it did not start: {e}")))?;
        let (done, said) = mpsc::channel();
        if let Some(mut stdout) = child.stdout.take() {
            std::thread::spawn(move || {
                let mut text = Vec::new();
                let read = stdout.read_to_end(&mut text).map(|_| text);
                // Nobody listens any more if it took too long.
                let _late = done.send(read);
            });
        }
        let Ok(text) = said.recv_timeout(LIMIT) else {
            let stopped = child.kill().and_then(|()| child.wait());
            stopped.map_err(|e| odd(format!("it cannot be stopped: {e}")))?;
            return Ok(Outcome::Endless);
        };
        let text = text.map_err(|e| odd(format!("what it says is lost: {e}")))?;
        let status = child.wait().map_err(|e| odd(e.to_string()))?;
        let text = String::from_utf8_lossy(&text);
        if let Some(test) = test
            && text.contains("running 0 tests")
        {
            return Err(odd(format!("no test is named {test}")));
        }
        if status.success() {
            return Ok(Outcome::Passed);
        }
        let name = |l: &str| {
            Some(
                l.strip_prefix("test ")?
                    .strip_suffix(" ... FAILED")?
                    .to_owned(),
            )
        };
        let failed = text.lines().find_map(name);
        let aborted = || test.unwrap_or("the run as a whole").to_owned();
        Ok(Outcome::Failed(failed.unwrap_or_else(aborted)))
    }
}

/// The package, the suite and the program that a line of cargo's tells of.
fn program(line: &str) -> Option<((String, Option<String>), PathBuf)> {
    let between = |text: &str, before: &str| {
        let (_, rest) = text.split_once(before)?;
        Some(rest.split_once('"')?.0.to_owned())
    };
    let program = between(line, "\"executable\":\"")?;
    let target = line.split_once("\"target\":")?.1;
    let file = match target.starts_with("{\"kind\":[\"test\"]") {
        true => Some(between(target, "\"name\":\"")?),
        false => None,
    };
    // A package is named by what is behind the last slash, or behind a # if that is not its folder's name.
    let id = between(line, "\"package_id\":\"")?;
    let (path, version) = id.rsplit_once('#')?;
    let package = match version.split_once('@') {
        Some((name, _)) => name,
        None => path.rsplit('/').next()?,
    };
    Some(((package.to_owned(), file), program.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_tells_where_the_tests_are() {
        let line = |id: &str, kind: &str, name: &str| {
            format!(
                "{{\"reason\":\"compiler-artifact\",\"package_id\":\"path+file:///t/crates/{id}\",\"target\":{{\"kind\":[\"{kind}\"],\
                 \"name\":\"{name}\"}},\"executable\":\"/t/deps/x-1\",\"fresh\":true}}"
            )
        };
        let suite = |l: &str| program(l).map(|(s, _)| s);
        assert_eq!(
            suite(&line("sdp#tsp-sdp@0.1.0", "test", "it")),
            Some(("tsp-sdp".into(), Some("it".into())))
        );
        assert_eq!(
            suite(&line("tipring#0.1.0", "lib", "tipring")),
            Some(("tipring".into(), None))
        );
        assert_eq!(suite("{\"reason\":\"build-finished\"}"), None);
    }
}
