//! Bugs that are put into a copy of the product, to see that the tests find them.
//!
//! All of them are built at once, each behind a switch: the environment turns one on for a run of the tests that have to
//! find it. So the whole list costs one build and not one for each.

mod bugs;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cargo::{cargo, root};
use crate::steps::Failure;
use bugs::BUGS;

/// A place of the product, and what it is changed to.
struct Bug {
    what: &'static str,
    file: &'static str,
    /// Stands there once. What is changed of it stands between « and »: statements if it ends like one, else an expression.
    place: &'static str,
    to: &'static str,
    /// Arguments of `cargo test` that find it.
    found_by: &'static [&'static str],
}

/// What turns a bug on, by its number.
const SWITCH: &str = "TIPRING_FAULT";

/// Asks for it, in each crate that has bugs.
const ASKED: &str = r#"
pub(crate) fn fault(n: usize) -> bool {
    static ON: std::sync::OnceLock<Option<usize>> = std::sync::OnceLock::new();
    *ON.get_or_init(|| std::env::var("TIPRING_FAULT").ok()?.parse().ok()) == Some(n)
}
"#;

/// `cargo xtask mutate NAMES`: all bugs, or those that have one of the names in their description.
pub(crate) fn run(names: &[String]) -> Result<(), Failure> {
    let wanted = |what: &str| names.is_empty() || names.iter().any(|n| what.contains(&**n));
    let copy = copy(&changed()?)?;
    let bugs = BUGS.iter().enumerate();
    let bugs: Vec<_> = bugs.filter(|(_, b)| wanted(b.what)).collect();
    let suites: BTreeSet<_> = bugs.iter().map(|(_, b)| b.found_by).collect();
    for suite in suites {
        match test(&copy, suite, None)?.as_deref() {
            Some([]) => {}
            Some(failed) => return Err(without(suite, &failed.join(", "))),
            None => return Err(without(suite, "it does not build")),
        }
    }
    let mut missed = Vec::new();
    for (number, bug) in bugs {
        let by = test(&copy, bug.found_by, Some(number))?.unwrap_or_default();
        match &by[..] {
            [] => {
                println!("MISSED  {}", bug.what);
                missed.push(bug.what);
            }
            [by, ..] => println!("found   {:<78} {by}", bug.what),
        }
    }
    if missed.is_empty() {
        Ok(())
    } else {
        Err(Failure::new(format!("not found: {}", missed.join("; "))))
    }
}

/// What no bug is turned on for fails.
fn without(suite: &[&str], what: &str) -> Failure {
    Failure::new(format!("{}, without any bug: {what}", suite.join(" ")))
}

/// Tests the copy with one bug turned on, or with none: the tests that fail; nothing if it does not build.
fn test(
    copy: &Path,
    suite: &[&str],
    number: Option<usize>,
) -> Result<Option<Vec<String>>, Failure> {
    let run = |last: &[&str]| {
        let mut command = cargo(&["test"]);
        command.args(suite).args(last).current_dir(copy);
        command.env("CARGO_TARGET_DIR", root().join("target/mutate/target"));
        if let Some(number) = number {
            command.env(SWITCH, number.to_string());
            // One failure is enough.
            command.env("TIPRING_FAILURES", "1");
        }
        let output = command.output();
        output.map_err(|e| Failure::new(format!("cargo did not start: {e}")))
    };
    if number.is_none() {
        let built = run(&["--no-run"])?;
        if !built.status.success() {
            let said = String::from_utf8_lossy(&built.stderr).into_owned();
            // What is changed is not without warnings; they come first.
            let (_, errors) = said.split_once("\nerror").unwrap_or(("", &said));
            eprintln!("error{errors}");
            return Ok(None);
        }
    }
    let output = run(&[])?;
    let text = String::from_utf8_lossy(&output.stdout);
    let name = |l: &str| Some(l.strip_prefix("test ")?.strip_suffix(" ... FAILED")?.into());
    let mut failed: Vec<String> = text.lines().filter_map(name).collect();
    if failed.is_empty() && !output.status.success() {
        failed.push("the run as a whole".into());
    }
    Ok(Some(failed))
}

/// The texts that have bugs in them, by their paths.
fn changed() -> Result<BTreeMap<String, String>, Failure> {
    let mut texts = BTreeMap::new();
    for (number, bug) in BUGS.iter().enumerate() {
        let text = match texts.remove(bug.file) {
            Some(text) => text,
            None => read(&root().join(bug.file))?,
        };
        texts.insert(bug.file.to_owned(), put_in(number, bug, &text)?);
        let home = bug.file.split("/src/").next().unwrap_or_default();
        let home = format!("{home}/src/lib.rs");
        let text = match texts.remove(&home) {
            Some(text) => text,
            None => read(&root().join(&home))?,
        };
        let asks = text.contains(ASKED);
        texts.insert(home, if asks { text } else { text + ASKED });
    }
    Ok(texts)
}

/// The text of a file with the bug in it.
fn put_in(number: usize, bug: &Bug, text: &str) -> Result<String, Failure> {
    let odd = |what: &str| Failure::new(format!("{}, in {}: {what}", bug.what, bug.file));
    let marks = bug.place.split_once('«');
    let parts = marks.and_then(|(b, rest)| Some((b, rest.split_once('»')?)));
    let Some((before, (from, after))) = parts else {
        return Err(odd("no « and » in its place"));
    };
    let place = format!("{before}{from}{after}");
    let count = text.matches(&place).count();
    if count != 1 {
        return Err(odd(&format!("{count} places to put it")));
    }
    let to = bug.to;
    let switched = format!("if crate::fault({number}) {{ {to} }} else {{ {from} }}");
    let switched = match from.trim_end().ends_with([';', '}']) {
        true => switched,
        false => format!("({switched})"),
    };
    let text = text.replacen(&place, &format!("{before}{switched}{after}"), 1);
    // What asks for a switch is no constant any more.
    let at = text.find(&switched).unwrap_or_default();
    let (above, below) = text.split_at(at);
    let above = match (above.rfind("const fn "), above.rfind(" fn ")) {
        (Some(at), Some(last)) if at + "const".len() == last => {
            format!("{}{}", &above[..at], &above[at + "const ".len()..])
        }
        _ => above.into(),
    };
    Ok(above + below)
}

/// A copy of the tree as it stands, what is not committed included, with the changed texts in it.
fn copy(changed: &BTreeMap<String, String>) -> Result<PathBuf, Failure> {
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
        let Ok(mut bytes) = fs::read(&from) else {
            continue;
        };
        if let Some(text) = changed.get(name) {
            bytes = text.clone().into_bytes();
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_has_its_place() {
        let texts = changed().unwrap();
        for number in 0..BUGS.len() {
            let switch = format!("if crate::fault({number}) {{");
            assert!(texts.values().any(|t| t.contains(&switch)));
        }
    }
}
