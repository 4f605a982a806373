//! The tests, and the calls with real peers.

use crate::cargo::cargo;
use crate::steps::{self, Failure, Steps};
use crate::tools::{self, Install};

/// `cargo xtask test`. With [`Install::OnlySay`] it runs what can run and lists what it left out.
pub(crate) fn run(install: Install) -> Result<(), Failure> {
    let mut steps = Steps::new();
    if install == Install::Do {
        steps.run("tools", || tools::need(tools::ALL, install))?;
    }
    steps.run("test", cargo_test)?;
    let missing = tools::missing(tools::ALL);
    // With cases left out the table would differ for no fault of the code.
    let table = if missing.is_empty() {
        "--check"
    } else {
        "--no-table"
    };
    steps.run("interop", || run_interop(&[table.to_owned()]))?;
    steps.print();
    for tool in &missing {
        println!("left out for want of {}: {}", tool.program, tool.purpose);
    }
    Ok(())
}

/// `cargo xtask interop ARGS`.
pub(crate) fn interop(install: Install, args: &[String]) -> Result<(), Failure> {
    if install == Install::Do {
        tools::need(tools::ALL, install)?;
    }
    run_interop(args)
}

/// Unit, vector, simulation and documentation tests of every crate.
pub(crate) fn cargo_test() -> Result<(), Failure> {
    steps::run(&mut cargo(&[
        "test",
        "--workspace",
        "--all-features",
        "--locked",
    ]))
}

/// Builds the program as its users get it, then lets the runner call it and the peers.
pub(crate) fn run_interop(args: &[String]) -> Result<(), Failure> {
    steps::run(&mut cargo(&[
        "build",
        "--locked",
        "--package",
        "tipring-cli",
    ]))?;
    steps::run(cargo(&["run", "--locked", "--quiet", "--package", "interop", "--"]).args(args))
}
