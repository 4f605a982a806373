//! What has to hold before a change lands.

use crate::cargo::cargo;
use crate::steps::{self, Failure, Steps};
use crate::test;
use crate::tools::{self, Install};

fn all(install: Install, steps: &mut Steps) -> Result<(), Failure> {
    // Cheap before dear. Clippy and doc ask for the same features, so that they share one check of the dependencies;
    // interop and loop run one program, built as its users get it.
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
    steps.run("test", test::cargo_test)?;
    steps.run("interop", || test::run_interop(&["--check".to_owned()]))?;
    // What the README tells a newcomer to type first.
    steps.run("loop", || {
        steps::run(&mut cargo(&[
            "run",
            "--locked",
            "--",
            "loop",
            "--report",
            "target/report.html",
        ]))
    })
}

pub(crate) fn run(install: Install) -> Result<(), Failure> {
    let mut steps = Steps::new();
    all(install, &mut steps)?;
    steps.print();
    Ok(())
}
