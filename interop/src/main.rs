//! Calls with programs that others wrote, over real sockets, with the sound compared sample by sample.
//!
//! Each case starts its peers and the program `tipring` as child processes, on ports of its own,
//! and keeps all they print in `target/interop/CASE/`.
#![forbid(unsafe_code)]

mod baresip;
mod blackbox;
mod callee;
mod capture;
mod case;
mod cases;
mod clock;
mod collection;
mod corpus;
mod error;
mod ffmpeg;
mod hold;
mod kamailio;
mod lab;
mod linphone;
mod load;
mod netns;
mod office;
mod ports;
mod process;
mod relay;
mod report;
mod signals;
mod sipp;
mod sound;
mod storm;
mod table;
mod tipring;
mod wav;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use case::{Case, Ended, Outcome};
use clock::now;
use error::Error;
use lab::Lab;

const USAGE: &str = "\
cargo xtask interop                run every case; if all pass, write docs/conformance.md
cargo xtask interop --check        run every case; fail if docs/conformance.md says anything else
cargo xtask interop --no-table     run every case that can run here; leave the document alone
cargo xtask interop NAME...        run these cases
cargo xtask interop --load [PART...] many calls at once, to us and to others: processor and memory; the parts are media,
                                   signals and storm
cargo xtask interop --corpus [PART...] the scenarios of the SIPp corpus beside the checkout that apply; without PARTs of
                                   names the result goes into docs/conformance.md
cargo xtask interop --blackbox [PART...] the black-box cases beside the checkout that apply
cargo xtask interop --list         name the cases
  ... --junit FILE                 write the results of cases, or of a corpus, there as JUnit XML instead of to target/interop";

fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let junit = match take_junit(&mut args) {
        Ok(junit) => junit,
        Err(problem) => return usage(problem),
    };
    let (options, names): (Vec<&str>, Vec<&str>) = args
        .iter()
        .map(String::as_str)
        .partition(|arg| arg.starts_with('-'));
    if junit.is_some() && matches!(options[..], ["--list" | "--load"]) {
        return usage("--junit is for cases, --corpus and --blackbox");
    }
    if let ["--list"] = options[..] {
        for case in cases::ALL {
            println!("{:<28} {}", case.name, case.shows);
        }
        return ExitCode::SUCCESS;
    }
    if let ["--load"] = options[..] {
        return code(measure(&names).map(|()| true));
    }
    if let ["--corpus" | "--blackbox"] = options[..] {
        let wanted: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let play = match options[..] {
            ["--corpus"] => corpus::run,
            _ => blackbox::run,
        };
        return code(play(&wanted, junit));
    }
    let table = match (&options[..], names.is_empty()) {
        ([], true) => Table::Write,
        (["--check"], true) => Table::Check,
        (["--no-table"], true) | ([], false) => Table::LeaveAlone,
        _ => return usage(&format!("what to do with `{}`?", args.join(" "))),
    };
    if let Some(unknown) = names
        .iter()
        .find(|name| cases::ALL.iter().all(|case| case.name != **name))
    {
        return usage(&format!("no case is named `{unknown}`; --list names them"));
    }
    netns::enter();
    let chosen = cases::ALL
        .iter()
        .filter(|case| names.is_empty() || names.contains(&case.name));
    code(run(chosen, table, junit))
}

/// Runs the measurements of these names, or all.
fn measure(names: &[&str]) -> Result<(), Error> {
    type Part = (&'static str, fn() -> Result<(), Error>);
    const PARTS: [Part; 3] = [
        ("media", load::run),
        ("signals", signals::run),
        ("storm", storm::run),
    ];
    let is_none = |name: &&&str| PARTS.iter().all(|part| part.0 != **name);
    if let Some(unknown) = names.iter().find(is_none) {
        return Err(Error::new(format!(
            "nothing to measure is named `{unknown}`"
        )));
    }
    for (name, run) in PARTS {
        if names.is_empty() || names.contains(&name) {
            run()?;
        }
    }
    Ok(())
}

/// Takes `--junit FILE` out of the command line.
fn take_junit(args: &mut Vec<String>) -> Result<Option<PathBuf>, &'static str> {
    let Some(at) = args.iter().position(|arg| arg == "--junit") else {
        return Ok(None);
    };
    let both: Vec<String> = args.drain(at..args.len().min(at + 2)).collect();
    match both.get(1).filter(|file| !file.starts_with('-')) {
        Some(_) if args.iter().any(|arg| arg == "--junit") => Err("--junit is there twice"),
        Some(file) => Ok(Some(file.into())),
        None => Err("--junit takes the name of a file"),
    }
}

fn code(result: Result<bool, Error>) -> ExitCode {
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("interop: {error}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Table {
    Write,
    Check,
    LeaveAlone,
}

fn usage(problem: &str) -> ExitCode {
    eprintln!("interop: {problem}\n\n{USAGE}");
    ExitCode::from(2)
}

/// Runs the cases one after the other; whether all passed, or were skipped where that is allowed.
fn run(
    cases: impl Iterator<Item = &'static Case>,
    table: Table,
    junit: Option<PathBuf>,
) -> Result<bool, Error> {
    let folder = lab::output_folder();
    fs::create_dir_all(&folder).map_err(|error| Error::io(folder.display(), &error))?;
    let mut ended = Vec::new();
    for case in cases {
        let start = now();
        let outcome = match case.hindrance() {
            Some(why) => Outcome::Skipped(why),
            None => match Lab::open(case.name).and_then(|lab| (case.run)(&lab)) {
                Ok(()) => Outcome::Passed,
                Err(error) => Outcome::Failed(error.to_string()),
            },
        };
        let took = now() - start;
        match &outcome {
            Outcome::Passed => println!("test {} ... ok ({:.1} s)", case.name, took.as_secs_f64()),
            Outcome::Failed(why) => {
                println!(
                    "test {} ... FAILED: {why}\n     logs: {}",
                    case.name,
                    folder.join(case.name).display()
                );
            }
            Outcome::Skipped(why) => println!("test {} ... not run: {why}", case.name),
        }
        ended.push(Ended {
            case,
            outcome,
            took,
        });
    }
    let lines: Vec<_> = ended
        .iter()
        .map(|ended| (ended.case.name, &ended.outcome, ended.took))
        .collect();
    let junit = junit.unwrap_or_else(|| folder.join("junit.xml"));
    table::junit(&junit, "interop", &lines)?;
    let count =
        |wanted: fn(&Outcome) -> bool| ended.iter().filter(|ended| wanted(&ended.outcome)).count();
    let passed = count(|outcome| matches!(outcome, Outcome::Passed));
    let failed = count(|outcome| matches!(outcome, Outcome::Failed(_)));
    let skipped = count(|outcome| matches!(outcome, Outcome::Skipped(_)));
    println!("\n{passed} passed, {failed} failed, {skipped} skipped");
    if failed > 0 {
        return Ok(false);
    }
    match table {
        Table::Check => table::check(&table::markdown(&ended))?,
        Table::Write if skipped == 0 => {
            println!(
                "written: {}",
                table::write(&table::markdown(&ended))?.display()
            );
        }
        Table::Write => println!("docs/conformance.md is left alone: not every case ran"),
        Table::LeaveAlone => {}
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_for_junit_is_taken_out_of_the_command_line() {
        let taken = |line: &str| {
            let mut args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            take_junit(&mut args).map(|file| (file, args.join(" ")))
        };
        let file = Some(PathBuf::from("a.xml"));
        assert_eq!(
            taken("--check --junit a.xml"),
            Ok((file.clone(), "--check".into()))
        );
        assert_eq!(
            taken("--junit a.xml baresip-calls"),
            Ok((file, "baresip-calls".into()))
        );
        assert_eq!(taken("--check"), Ok((None, "--check".into())));
        for wrong in ["--junit", "--junit --check", "--junit a.xml --junit b.xml"] {
            assert!(taken(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_run_leaves_its_results_as_junit() {
        let case = |name, run| -> &'static Case {
            Box::leak(Box::new(Case {
                name,
                shows: "nothing",
                with: &[],
                raw: false,
                run,
            }))
        };
        let lab = Lab::open("selftest-junit").expect("a folder");
        let file = lab.path("results.xml");
        let cases = [
            case("selftest-junit-passes", |_| Ok(())),
            case("selftest-junit-fails", |_| Err(Error::new("a < b"))),
        ];
        let passed = run(cases.into_iter(), Table::LeaveAlone, Some(file.clone()));
        assert!(matches!(passed, Ok(false)));
        let text = fs::read_to_string(file).expect("results");
        assert!(
            text.contains("<testsuite name=\"interop\" tests=\"2\" failures=\"1\" skipped=\"0\">"),
            "{text}"
        );
        assert!(
            text.contains("<testcase name=\"selftest-junit-passes\" time="),
            "{text}"
        );
        assert!(text.contains("<failure>a &lt; b</failure>"), "{text}");
    }
}
