//! The rules of the house that no compiler knows: who stands on whom, what stays out of which
//! crate, and how long a file may grow.
//!
//! Each rule is a function from what was read to the violations found, so that the tests at the
//! end can show every rule something that breaks it.
#![forbid(unsafe_code)]

#[path = "../src/claims.rs"]
mod claims;
mod rules;

use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageName};
use rules::Edge;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask stands in the workspace root")
}

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .other_options(vec![
            "--locked".into(),
            "--all-features".into(),
            "--no-deps".into(),
        ])
        .exec()
        .expect("cargo metadata reads the workspace")
}

/// The edges between members, whatever their kind: tests are held to the order too.
fn edges() -> Vec<Edge> {
    let metadata = metadata();
    let members: Vec<&PackageName> = metadata
        .packages
        .iter()
        .map(|package| &package.name)
        .collect();
    let mut edges = Vec::new();
    for package in &metadata.packages {
        for dependency in &package.dependencies {
            if members.iter().any(|name| name.as_str() == dependency.name) {
                edges.push(Edge {
                    from: package.name.to_string(),
                    to: dependency.name.clone(),
                    ships: dependency.kind != DependencyKind::Development,
                });
            }
        }
    }
    edges
}

/// Every text of ours: path relative to the root, and content.
fn texts() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of ours can be listed") {
            let path = entry.expect("a folder of ours can be listed").path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            // In a worktree .git is a file that names a path of the machine.
            if matches!(name.as_str(), "target" | ".git") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = fs::read_to_string(&path) {
                let path = path
                    .strip_prefix(root())
                    .expect("we started at the root")
                    .to_path_buf();
                found.push((path, text));
            }
        }
    }
    found.sort();
    found
}

/// Holds every text of ours against `rule`.
fn hold(rule: impl Fn(&Path, &str) -> Vec<String>) {
    let violations: Vec<String> = texts()
        .iter()
        .flat_map(|(path, text)| rule(path, text))
        .collect();
    assert_none(&violations);
}

fn assert_none(violations: &[String]) {
    assert!(violations.is_empty(), "\n{}\n", violations.join("\n"));
}

#[test]
fn crates_stand_in_order() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("the workspace manifest");
    assert_none(&rules::members_out_of_order(&manifest));
    let names: Vec<String> = metadata()
        .packages
        .iter()
        .map(|package| package.name.to_string())
        .collect();
    assert_none(&rules::unknown_crates(&names));
    // A crate's own tests may want it with more features than others do.
    let mut edges = edges();
    edges.retain(|edge| edge.from != edge.to);
    assert_none(&rules::against_the_order(&edges));
}

#[test]
fn the_two_halves_do_not_know_each_other() {
    assert_none(&rules::reaches(&edges(), "tsp-sip", "msp-engine"));
    assert_none(&rules::reaches(&edges(), "msp-engine", "tsp-sip"));
}

#[test]
fn the_core_has_no_word_of_sip() {
    hold(rules::signalling_words);
}

#[test]
fn unsafe_has_one_home() {
    hold(rules::unsafe_outside_home);
}

#[test]
fn files_stay_short() {
    hold(rules::too_long);
}

#[test]
fn nothing_is_left_for_later() {
    hold(rules::left_for_later);
    hold(|path, _| rules::second_version(path));
}

#[test]
fn no_path_of_a_machine() {
    hold(rules::machine_paths);
}

#[test]
fn the_claims_are_those_of_the_tests() {
    let packages: Vec<(String, String)> = rules::ORDER
        .iter()
        .map(|(folder, name)| ((*folder).to_owned(), (*name).to_owned()))
        .collect();
    let shown = claims::table(&packages, &texts()).unwrap_or_else(|faults| {
        assert_none(&faults);
        String::new()
    });
    let document =
        fs::read_to_string(root().join("docs/conformance.md")).expect("the document of claims");
    let claimed = claims::between(&document).expect("a place for what the tests show");
    let differing: Vec<String> = [(claimed, &*shown, '-'), (&*shown, claimed, '+')]
        .into_iter()
        .flat_map(|(one, other, sign)| {
            one.lines()
                .filter(move |line| !other.lines().any(|same| same == *line))
                .map(move |line| format!("{sign} {line}"))
        })
        .collect();
    assert!(
        claimed == shown,
        "docs/conformance.md does not say what the tests say (`cargo xtask conformance` writes it):\n{}",
        differing.join("\n")
    );
}
