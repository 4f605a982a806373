//! `cargo xtask`: the tasks of the workspace, the same on a desk and in CI.
#![forbid(unsafe_code)]

mod bench;
mod cargo;
mod ci;
mod claims;
mod conformance;
mod fuzz;
mod mutate;
mod steps;
mod test;
mod tools;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask ci      [--no-install]            everything that has to hold before a change lands
cargo xtask test    [--no-install]            the tests, then the calls with real peers
cargo xtask interop [--no-install] [ARGS...]  only the calls with real peers (`--list` names them)
cargo xtask bench   [NAMES...]                ours beside the other; without names writes docs/measurements.md
cargo xtask mutate  [NAMES...]                bugs put into a copy of the product, turned on one at a time: the tests have to find each
cargo xtask fuzz    [--seconds N] [TARGETS...] the fuzz targets under libFuzzer, each for a while
cargo xtask conformance                       writes what the tests say they show into docs/conformance.md

--no-install: say what is missing instead of installing it";

fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let before = args.len();
    args.retain(|arg| arg != "--no-install");
    let install = if args.len() == before {
        tools::Install::Do
    } else {
        tools::Install::OnlySay
    };

    let Some((task, rest)) = args.split_first() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let result = match (task.as_str(), rest) {
        ("ci", []) => ci::run(install),
        ("test", []) => test::run(install),
        ("bench", names) => bench::run(names),
        ("mutate", names) => mutate::run(names),
        ("fuzz", rest) => fuzz::run(rest),
        ("conformance", []) => conformance::run(),
        ("interop", rest) => test::interop(install, rest),
        ("help" | "--help" | "-h", _) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprintln!("unknown task or argument: {}\n\n{USAGE}", args.join(" "));
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}
