//! The copy of the tree, with the bugs in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Bug, bugs};
use crate::cargo::root;
use crate::steps::Failure;

/// Asks whether a bug is turned on, in each crate that has some.
const ASKED: &str = r#"
pub(crate) fn fault(n: usize) -> bool {
    static ON: std::sync::OnceLock<Option<usize>> = std::sync::OnceLock::new();
    *ON.get_or_init(|| std::env::var("TIPRING_FAULT").ok()?.parse().ok()) == Some(n)
}
"#;

/// The texts that have bugs in them, by their paths.
pub(super) fn changed() -> Result<BTreeMap<String, String>, Failure> {
    let mut texts = BTreeMap::new();
    for (number, bug) in bugs::all().into_iter().enumerate() {
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
pub(super) fn copy(changed: &BTreeMap<String, String>) -> Result<PathBuf, Failure> {
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
    beside(&copy)?;
    Ok(copy)
}

/// Collected messages are looked for beside the checkout; so they stand beside the copy too.
#[cfg(unix)]
fn beside(copy: &Path) -> Result<(), Failure> {
    let (from, to) = (root().join("../shared"), copy.join("../shared"));
    if !from.exists() || to.exists() {
        return Ok(());
    }
    let from = from.canonicalize();
    let linked = from.and_then(|from| std::os::unix::fs::symlink(from, &to));
    linked.map_err(|e| Failure::new(format!("{}: {e}", to.display())))
}

/// Tests that want collected messages say that there are none.
#[cfg(not(unix))]
fn beside(_copy: &Path) -> Result<(), Failure> {
    Ok(())
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
        for number in 0..bugs::all().len() {
            let switch = format!("if crate::fault({number}) {{");
            assert!(texts.values().any(|t| t.contains(&switch)));
        }
    }
}
