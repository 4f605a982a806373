//! What has to hold before a change lands.

use crate::cargo::cargo;
use crate::steps::{self, Failure, Steps};
use crate::test;
use crate::tools::{self, Install};

fn all(install: Install, steps: &mut Steps) -> Result<(), Failure> {
    // Cheap before dear. Clippy and doc share one check of the dependencies, test and interop one
    // build of them: that is why both pairs ask for the same features.
    steps.run("format", || {
        steps::run(&mut cargo(&["fmt", "--all", "--check"]))
    })?;
    steps.run("tools", || tools::need(tools::ALL, install))?;
    steps.run("clippy", || {
        steps::run(&mut cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--all-features",
            "--locked",
            "--",
            "-D",
            "warnings",
        ]))
    })?;
    steps.run("doc", || {
        steps::run(
            cargo(&[
                "doc",
                "--workspace",
                "--no-deps",
                "--all-features",
                "--locked",
            ])
            .env("RUSTDOCFLAGS", "-D warnings"),
        )
    })?;
    // No advisories here: their database is fetched from the network, and a new entry would turn
    // an unchanged tree red. `cargo deny check advisories` asks for them by hand.
    steps.run("licences, bans, sources", || {
        tools::cargo_deny(install)?;
        steps::run(&mut cargo(&[
            "deny",
            "--locked",
            "--all-features",
            "check",
            "licenses",
            "bans",
            "sources",
        ]))
    })?;
    steps.run("test", test::cargo_test)
}

pub(crate) fn run(install: Install) -> Result<(), Failure> {
    let mut steps = Steps::new();
    all(install, &mut steps)?;
    steps.print();
    Ok(())
}
