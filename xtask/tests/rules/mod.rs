//! The rules themselves, as functions from text or edges to violations.

use std::collections::BTreeSet;
use std::path::Path;

/// From the ground up: folder and package. A crate uses only what stands above it here.
pub(crate) const ORDER: &[(&str, &str)] = &[
    ("crates/msp-core", "msp-core"),
    ("crates/netsim", "tipring-netsim"),
    ("crates/msp-dsp", "msp-dsp"),
    ("crates/codecs", "msp-codecs"),
    ("crates/sdp", "tsp-sdp"),
    ("crates/msp-rtp", "msp-rtp"),
    ("crates/terminals", "msp-terminals"),
    ("crates/msp-engine", "msp-engine"),
    ("crates/tsp-sip", "tsp-sip"),
    ("crates/report", "tipring-report"),
    ("crates/tipring", "tipring"),
    ("crates/cli", "tipring-cli"),
    ("interop", "interop"),
    ("xtask", "xtask"),
];

/// Whole words, in lower case, that only a signalling protocol needs. The core serves any.
const SIGNALLING: &[&str] = &[
    "sip",
    "sips",
    "sdp",
    "invite",
    "invites",
    "reinvite",
    "re-invite",
    "m-line",
    "m-lines",
    "to-tag",
    "call-id",
    "rfc 3261",
    "rfc3261",
    "rfc 3262",
    "rfc 3263",
    "rfc 6026",
    "rfc 4566",
    "rfc 8866",
    "100rel",
    "pjsip",
];

const MOST_LINES: usize = 800;

/// `from` depends on `to`; it ships if it is more than a dependency of tests.
pub(crate) struct Edge {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) ships: bool,
}

pub(crate) fn members_out_of_order(manifest: &str) -> Vec<String> {
    let listed: Vec<&str> = manifest
        .lines()
        .skip_while(|line| !line.starts_with("members"))
        .skip(1)
        .take_while(|line| !line.starts_with(']'))
        .filter_map(|line| line.split('"').nth(1))
        .collect();
    let ordered: Vec<&str> = ORDER.iter().map(|(folder, _)| *folder).collect();
    if listed == ordered {
        Vec::new()
    } else {
        vec![format!(
            "members are {listed:?}\nthe order of the house is {ordered:?}"
        )]
    }
}

pub(crate) fn unknown_crates(names: &[String]) -> Vec<String> {
    names
        .iter()
        .filter(|name| place(name).is_none())
        .map(|name| format!("{name} has no place in the order of the house"))
        .collect()
}

pub(crate) fn against_the_order(edges: &[Edge]) -> Vec<String> {
    edges
        .iter()
        .filter(|edge| place(&edge.to) >= place(&edge.from))
        .map(|edge| {
            format!(
                "{} uses {}, which does not stand above it",
                edge.from, edge.to
            )
        })
        .collect()
}

/// Whether what `from` ships contains `to`, directly or by way of others.
pub(crate) fn reaches(edges: &[Edge], from: &str, to: &str) -> Vec<String> {
    let mut seen = BTreeSet::from([from]);
    let mut open = vec![from];
    while let Some(at) = open.pop() {
        for edge in edges.iter().filter(|edge| edge.ships && edge.from == at) {
            if edge.to == to {
                return vec![format!("{from} knows {to}, by way of {at}")];
            }
            if seen.insert(&edge.to) {
                open.push(&edge.to);
            }
        }
    }
    Vec::new()
}

pub(crate) fn signalling_words(path: &Path, text: &str) -> Vec<String> {
    if !path.starts_with("crates/msp-core") {
        return Vec::new();
    }
    each_line(path, text, |line| {
        let line = line.to_lowercase();
        SIGNALLING
            .iter()
            .find(|word| has_word(&line, word))
            .map(|word| format!("speaks of `{word}`"))
    })
}

/// Sources outside `msp-engine` hold no unsafe code, and the root of each says so to the compiler.
/// Test programs may: an allocator that counts cannot be written without.
pub(crate) fn unsafe_outside_home(path: &Path, text: &str) -> Vec<String> {
    if !is_rust(path)
        || path.starts_with("crates/msp-engine")
        || !path.iter().any(|part| part == "src")
    {
        return Vec::new();
    }
    let mut found = each_line(path, text, |line| {
        let code = line.split("//").next().unwrap_or_default();
        (has_word(code, "unsafe") && !code.contains('"'))
            .then(|| "unsafe outside msp-engine".to_owned())
    });
    let is_root = path.ends_with("src/lib.rs") || path.ends_with("src/main.rs");
    if is_root && !text.contains("#![forbid(unsafe_code)]") {
        found.push(format!("{}: does not forbid unsafe_code", path.display()));
    }
    found
}

/// Lines that are not tests: up to the first module of tests; files of tests count not at all.
pub(crate) fn too_long(path: &Path, text: &str) -> Vec<String> {
    let is_test = path.ends_with("tests.rs") || path.iter().any(|part| part == "tests");
    if !is_rust(path) || is_test {
        return Vec::new();
    }
    let lines: Vec<&str> = text.lines().collect();
    let end = lines
        .windows(2)
        .position(|pair| {
            matches!(pair, [attribute, module] if attribute.trim() == "#[cfg(test)]" && module.trim().starts_with("mod "))
        })
        .unwrap_or(lines.len());
    if end > MOST_LINES {
        vec![format!(
            "{}: {end} lines without tests, {MOST_LINES} at most",
            path.display()
        )]
    } else {
        Vec::new()
    }
}

pub(crate) fn left_for_later(path: &Path, text: &str) -> Vec<String> {
    // Put together, so that this file does not accuse itself.
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("X", "XX"),
        concat!("HA", "CK"),
    ];
    let calls = [concat!("to", "do!("), concat!("unimple", "mented!(")];
    each_line(path, text, |line| {
        marks
            .iter()
            .find(|mark| has_word(line, mark))
            .or_else(|| calls.iter().find(|call| line.contains(**call)))
            .map(|mark| format!("`{mark}` is left for later"))
    })
}

pub(crate) fn second_version(path: &Path) -> Vec<String> {
    let stem = path
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    let ends = [
        "_v2", "_v3", "_old", "_new", "_backup", "_copy", ".orig", ".bak",
    ];
    if ends.iter().any(|end| stem.ends_with(end))
        || path
            .extension()
            .is_some_and(|end| end == "orig" || end == "bak")
    {
        vec![format!("{}: a second version of something", path.display())]
    } else {
        Vec::new()
    }
}

pub(crate) fn machine_paths(path: &Path, text: &str) -> Vec<String> {
    let roots = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
    ];
    each_line(path, text, |line| {
        roots
            .iter()
            .find(|root| line.contains(**root))
            .map(|root| format!("names `{root}`, a path of one machine"))
    })
}

fn place(package: &str) -> Option<usize> {
    ORDER.iter().position(|(_, name)| *name == package)
}

fn is_rust(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "rs")
}

fn each_line(path: &Path, text: &str, judge: impl Fn(&str) -> Option<String>) -> Vec<String> {
    text.lines()
        .enumerate()
        .filter_map(|(index, line)| {
            judge(line).map(|what| format!("{}:{}: {what}", path.display(), index + 1))
        })
        .collect()
}

/// Whether `word` stands in `line` with no letter, digit or underscore on either side.
fn has_word(line: &str, word: &str) -> bool {
    let joins = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        !before.is_some_and(joins) && !after.is_some_and(joins)
    })
}

#[cfg(test)]
mod tests;
