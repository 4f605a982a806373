//! The fuzz targets under libFuzzer, each for a while.
//!
//! They are built as cargo-fuzz builds them, which is not needed: any compiler will do, and a C++ compiler beside it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cargo::{cargo, root};
use crate::steps::{self, Failure};

/// How long each target runs unless `--seconds` says otherwise.
const SECONDS: &str = "60";

/// What libFuzzer has to be told by the code, and the sanitizer that finds what safe code cannot do wrong.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
                     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
                     -Cllvm-args=-sanitizer-coverage-trace-compares -Zsanitizer=address -Ccodegen-units=1 --cfg=fuzzing";

/// Collected messages that a run begins with, where they are at hand.
const SEEDS: [&str; 4] = [
    "01-sip-torture",
    "02-sip-messages",
    "04-fuzz-seeds",
    "05-sdp",
];

/// Runs the targets named in `args`, or all. What each found out stays in `fuzz/corpus`, what it failed by in
/// `fuzz/artifacts`.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let (seconds, names) = match args {
        [flag, seconds, names @ ..] if flag == "--seconds" => {
            if seconds.parse::<u32>().is_err() {
                return Err(Failure::new(format!("no number of seconds: {seconds}")));
            }
            (seconds.as_str(), names)
        }
        names => (SECONDS, names),
    };
    let targets = targets()?;
    if let Some(unknown) = names.iter().find(|n| !targets.contains(n)) {
        return Err(Failure::new(format!(
            "no target is named {unknown}; there are {}",
            targets.join(", ")
        )));
    }
    let host = host()?;
    let target_dir = root().join("target/fuzz");
    let mut build = cargo(&["build", "--release", "--manifest-path", "fuzz/Cargo.toml"]);
    // Named, so that build scripts are not built for the fuzzer too.
    build.args(["--target", &host]);
    build.env("CARGO_TARGET_DIR", &target_dir);
    build.env("RUSTFLAGS", FLAGS);
    // The sanitizer is not stable; with this a stable compiler has it all the same.
    build.env("RUSTC_BOOTSTRAP", "1");
    steps::run(&mut build)?;
    let seeds = root().join("../shared/corpora");
    let seeds = SEEDS.map(|folder| seeds.join(folder));
    for target in targets
        .iter()
        .filter(|t| names.is_empty() || names.contains(t))
    {
        let corpus = folder("corpus", target)?;
        let failures = folder("artifacts", target)?;
        let mut command = Command::new(target_dir.join(&host).join("release").join(target));
        command.arg(format!("-max_total_time={seconds}"));
        command.args(["-max_len=65535", "-len_control=100", "-timeout=10"]);
        command.arg(format!("-artifact_prefix={}/", failures.display()));
        command.arg(corpus);
        command.args(seeds.iter().filter(|s| s.is_dir()));
        steps::run(command.current_dir(root()))?;
    }
    Ok(())
}

/// What machine this compiler builds for.
fn host() -> Result<String, Failure> {
    let said = Command::new("rustc").arg("-vV").output();
    let said = said.map_err(|e| Failure::new(format!("rustc did not start: {e}")))?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let host = said.lines().find_map(|l| l.strip_prefix("host: "));
    host.map(ToOwned::to_owned)
        .ok_or_else(|| Failure::new("rustc does not say what it builds for"))
}

/// A folder of a target's, which is made if it is not there.
fn folder(kind: &str, target: &str) -> Result<PathBuf, Failure> {
    let path = root().join(Path::new("fuzz").join(kind).join(target));
    fs::create_dir_all(&path).map_err(|e| Failure::new(format!("{}: {e}", path.display())))?;
    Ok(path)
}

/// The targets that there are.
fn targets() -> Result<Vec<String>, Failure> {
    let folder = root().join("fuzz/fuzz_targets");
    let entries =
        fs::read_dir(&folder).map_err(|e| Failure::new(format!("{}: {e}", folder.display())))?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            Some(path.file_stem()?.to_str()?.to_owned())
        })
        .collect();
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_is_in_the_manifest_and_in_the_library() {
        let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
        let manifest = read("fuzz/Cargo.toml");
        let library = read("fuzz/src/signalling.rs") + &read("fuzz/src/media.rs");
        let targets = targets().unwrap_or_default();
        assert!(!targets.is_empty());
        for target in targets {
            assert!(
                manifest.contains(&format!("name = \"{target}\"")),
                "{target}"
            );
            assert!(
                library.contains(&format!("(\"{target}\", {target})")),
                "{target}"
            );
        }
    }

    #[test]
    fn what_is_no_target_is_named() {
        let failure = run(&["nonsense".to_owned()]).unwrap_err();
        assert!(failure.to_string().contains("nonsense"), "{failure}");
    }
}
