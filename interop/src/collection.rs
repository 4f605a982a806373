//! Cases of a corpus that lies beside the checkout: the committed list that says which apply, and the results.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::case::Outcome;
use crate::error::Error;
use crate::lab::{self, root};
use crate::process::read_lossy;
use crate::table;

/// The committed list `name`, each line but the comments read by `entry`.
pub(crate) fn list<T>(name: &str, entry: fn(&str) -> Option<T>) -> Result<Vec<T>, Error> {
    let path = root().join("interop/corpus").join(name);
    let text = fs::read_to_string(&path).map_err(|error| Error::io(path.display(), &error))?;
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| entry(line).ok_or_else(|| Error::new(format!("{}: `{line}`", path.display()))))
        .collect()
}

/// Whether `named` are the files that the index of the corpus names and that end with `ending`, nothing twice.
pub(crate) fn is_whole<'a>(
    named: impl Iterator<Item = &'a str>,
    corpus: &Path,
    ending: &str,
) -> bool {
    let index = read_lossy(&corpus.join("index.tsv"));
    let files = index.lines().skip(1);
    let files = files.filter_map(|line| line.split('\t').next());
    let mut there: Vec<&str> = files.filter(|file| file.ends_with(ending)).collect();
    let mut named: Vec<&str> = named.collect();
    there.sort_unstable();
    named.sort_unstable();
    there == named
}

/// Whether `file` is played: all are if none is `wanted` by a part of its name.
pub(crate) fn is_wanted(file: &str, wanted: &[String]) -> bool {
    wanted.is_empty() || wanted.iter().any(|name| file.contains(name))
}

/// Writes the results of the run `name` to `junit`, or beside its logs.
pub(crate) fn leave_results(
    name: &str,
    results: &[(&str, &Outcome, Duration)],
    junit: Option<PathBuf>,
) -> Result<(), Error> {
    let folder = lab::output_folder().join(name);
    fs::create_dir_all(&folder).map_err(|error| Error::io(folder.display(), &error))?;
    let junit = junit.unwrap_or_else(|| folder.join("junit.xml"));
    table::junit(&junit, name, results)
}
