//! The fuzz targets under libFuzzer, each for a while.

use std::process::{Command, Stdio};

use crate::cargo::root;
use crate::steps::{self, Failure};

/// How long each target runs unless `--seconds` says otherwise.
const SECONDS: &str = "60";

/// Runs the targets named in `args`, or all; needs cargo-fuzz and a nightly compiler.
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
    let there = Command::new("cargo")
        .args(["+nightly", "fuzz", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !there.is_ok_and(|status| status.success()) {
        return Err(Failure::new(
            "cargo-fuzz or a nightly compiler is missing: `rustup toolchain install nightly`, then \
             `cargo install cargo-fuzz`. Without them `cargo test -p tsp-sip --test fuzz` runs the same targets with \
             collected messages"
                .to_owned(),
        ));
    }
    for target in targets
        .iter()
        .filter(|t| names.is_empty() || names.contains(t))
    {
        let time = format!("-max_total_time={seconds}");
        // The cargo of rustup, which alone knows what `+nightly` means.
        let mut command = Command::new("cargo");
        command
            .args(["+nightly", "fuzz", "run", target, "--", &time])
            .current_dir(root());
        steps::run(&mut command)?;
    }
    Ok(())
}

/// The targets that there are.
fn targets() -> Result<Vec<String>, Failure> {
    let folder = root().join("fuzz/fuzz_targets");
    let entries = std::fs::read_dir(&folder)
        .map_err(|e| Failure::new(format!("{}: {e}", folder.display())))?;
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
        let read = |path: &str| std::fs::read_to_string(root().join(path)).unwrap();
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
