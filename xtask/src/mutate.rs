//! Bugs that are put into a copy of the product, one at a time, to see that the tests find them.

mod bugs;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cargo::{cargo, root};
use crate::steps::Failure;
use bugs::BUGS;

/// A place of the product, and what it is changed to.
struct Bug {
    what: &'static str,
    file: &'static str,
    /// Stands there once.
    from: &'static str,
    to: &'static str,
    /// Arguments of `cargo test` that find it.
    found_by: &'static [&'static str],
}

/// `cargo xtask mutate NAMES`: all bugs, or those that have one of the names in their description.
pub(crate) fn run(names: &[String]) -> Result<(), Failure> {
    let wanted = |bug: &&Bug| names.is_empty() || names.iter().any(|n| bug.what.contains(&**n));
    let copy = copy()?;
    let mut missed = Vec::new();
    for bug in BUGS.iter().filter(wanted) {
        let verdict = put_in(&copy, bug)?;
        println!("{verdict:<10} {}", bug.what);
        if verdict != "found" {
            missed.push(bug.what);
        }
    }
    if missed.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(format!("not found: {}", missed.join("; "))))
    }
}

/// Builds and tests the copy with one bug in it: `found`, `MISSED`, or `NO BUILD`.
fn put_in(copy: &Path, bug: &Bug) -> Result<&'static str, Failure> {
    let path = copy.join(bug.file);
    let sound = read(&path)?;
    write(&path, &changed(bug, &sound)?)?;
    let target = root().join("target/mutate/target");
    let test = |last: &[&str]| {
        let mut command = cargo(&["test", "--quiet"]);
        command.args(bug.found_by).args(last);
        command.current_dir(copy).env("CARGO_TARGET_DIR", &target);
        let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
        quiet.status().map(|s| s.success())
    };
    let built = test(&["--no-run"]);
    let passed = test(&[]);
    write(&path, &sound)?;
    let failed = |e| Failure::new(format!("cargo did not start: {e}"));
    Ok(match (built.map_err(failed)?, passed.map_err(failed)?) {
        (false, _) => "NO BUILD",
        (true, true) => "MISSED",
        (true, false) => "found",
    })
}

/// The text of a file with the bug in it.
fn changed(bug: &Bug, sound: &str) -> Result<String, Failure> {
    match sound.matches(bug.from).count() {
        1 => Ok(sound.replacen(bug.from, bug.to, 1)),
        n => {
            let what = format!("{}: {n} places in {} to put it", bug.what, bug.file);
            Err(Failure::new(what))
        }
    }
}

/// A copy of the tree as it stands, what is not committed included.
fn copy() -> Result<PathBuf, Failure> {
    let copy = root().join("target/mutate/tree");
    let mut list = Command::new("git");
    list.args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]);
    let list = list.current_dir(root()).output();
    let list = list.map_err(|e| Failure::new(format!("git ls-files: {e}")))?;
    for name in String::from_utf8_lossy(&list.stdout).split_terminator('\0') {
        let (from, to) = (root().join(name), copy.join(name));
        // A file that was removed and is not committed yet is still listed.
        let Ok(bytes) = fs::read(&from) else { continue };
        // What did not change keeps its time, so that it is not built again.
        if fs::read(&to).is_ok_and(|old| old == bytes) {
            continue;
        }
        let made = to.parent().map_or(Ok(()), fs::create_dir_all);
        let copied = made.and_then(|()| fs::write(&to, bytes));
        copied.map_err(|e| Failure::new(format!("{}: {e}", to.display())))?;
    }
    Ok(copy)
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|e| Failure::new(format!("{}: {e}", path.display())))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|e| Failure::new(format!("{}: {e}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_has_its_place() {
        for bug in BUGS {
            let sound = read(&root().join(bug.file)).unwrap();
            assert_ne!(changed(bug, &sound).unwrap(), sound);
        }
    }
}
