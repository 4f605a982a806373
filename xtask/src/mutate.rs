//! Bugs that are put into a copy of the product, to see that the tests find them.
//!
//! All of them are built at once, each behind a switch: the environment turns one on for a run of the test that has to
//! find it. So the whole list costs one build and not one for each.

mod bugs;
mod plant;
mod table;
mod trial;

use std::collections::BTreeSet;

use crate::steps::Failure;
use trial::{Outcome, Programs};

/// Tests that are one program.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Suite {
    package: &'static str,
    /// Where the package is, from the root.
    folder: &'static str,
    /// The name of an integration test; none for the tests beside the code.
    file: Option<&'static str>,
}

/// A place of the product, and what it is changed to.
struct Bug {
    what: &'static str,
    file: &'static str,
    /// Stands there once. What is changed of it stands between « and »: statements if it ends like one, else an expression.
    place: &'static str,
    to: &'static str,
    suite: Suite,
    /// The test that has to find it; none where any script of a simulated network may be the one that meets it.
    test: Option<&'static str>,
}

/// `cargo xtask mutate NAMES`: all bugs, or those that have one of the names in their description or their suite. If all
/// are found, the table of them is written.
pub(crate) fn run(names: &[String]) -> Result<(), Failure> {
    let wanted = |bug: &Bug| {
        let mut all = names.iter().map(|n| &**n);
        names.is_empty()
            || all.any(|n| bug.what.contains(n) || bug.suite.file.unwrap_or("lib") == n)
    };
    let copy = plant::copy(&plant::changed()?)?;
    let all = bugs::all();
    let bugs: Vec<_> = all
        .iter()
        .copied()
        .enumerate()
        .filter(|(_, b)| wanted(b))
        .collect();
    let suites: BTreeSet<_> = bugs.iter().map(|(_, b)| b.suite).collect();
    let programs = Programs::build(&copy, &suites)?;
    for suite in suites {
        match programs.run(suite, None, None)? {
            Outcome::Passed => {}
            Outcome::Failed(by) => return Err(without(suite, &by)),
            Outcome::Endless => return Err(without(suite, "it does not end")),
        }
    }
    let (mut found, mut missed) = (Vec::new(), Vec::new());
    for (number, bug) in bugs {
        match programs.run(bug.suite, bug.test, Some(number))? {
            Outcome::Failed(by) => {
                println!("found   {:<78} {by}", bug.what);
                found.push((bug, by));
            }
            Outcome::Passed => {
                println!("MISSED  {}", bug.what);
                missed.push(bug.what);
            }
            Outcome::Endless => {
                println!("ENDLESS {}", bug.what);
                missed.push(bug.what);
            }
        }
    }
    if !missed.is_empty() {
        return Err(Failure::new(format!("not found: {}", missed.join("; "))));
    }
    println!("{} bugs, all found", found.len());
    if names.is_empty() {
        table::write(&found)?;
    }
    Ok(())
}

/// What no bug is turned on for fails.
fn without(suite: Suite, what: &str) -> Failure {
    Failure::new(format!("{suite}, without any bug: {what}"))
}

impl std::fmt::Display for Suite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.file {
            Some(file) => write!(f, "{}, {file}", self.package),
            None => write!(f, "{}, beside the code", self.package),
        }
    }
}
