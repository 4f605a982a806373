//! The SIPp scenarios that others wrote and that the corpus beside the checkout holds: each that applies is played against us.
//!
//! Which ones apply was decided before any of them ran, in `interop/corpus/sipp.tsv`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use crate::case::{Outcome, Peer};
use crate::clock::now;
use crate::collection;
use crate::error::{Error, ensure};
use crate::lab::{Lab, root};
use crate::ports;
use crate::process::{Process, read_lossy};
use crate::table;
use crate::tipring::Tipring;

/// The longest scenario waits for a minute whether anything more comes.
const LIMIT: Duration = Duration::from_secs(80);
/// SIPp's own limit, which leaves it time to say what it waits for.
const SIPP_LIMIT: &str = "70s";
/// Long enough for a program to start on a busy machine.
const SOON: Duration = Duration::from_secs(20);
/// How many play at once: they wait most of the time.
const AT_ONCE: usize = 10;
/// The folder of the run, and the name of its results.
const NAME: &str = "sipp-corpus";

/// One line of the list.
struct Entry {
    file: String,
    applies: bool,
    /// What our end does, or why the scenario does not apply.
    how: String,
    /// More options for our program; after `refuse` the status.
    with: String,
}

/// How one scenario ended.
struct Played<'a> {
    entry: &'a Entry,
    outcome: Outcome,
    took: Duration,
}

/// Plays all that apply, or those of them whose name holds one of `wanted`; whether as many pass as have to. The results are
/// written to `junit`, or beside the logs.
pub(crate) fn run(wanted: &[String], junit: Option<PathBuf>) -> Result<bool, Error> {
    let corpus = root().join("../shared/corpora/11-sipp");
    if !corpus.is_dir() {
        println!(
            "the SIPp corpus does not lie beside the checkout ({}): not run",
            corpus.display()
        );
        return Ok(true);
    }
    if let Some(missing) = Peer::Sipp.missing() {
        return Err(Error::new(format!("{missing} is not installed")));
    }
    let corpus = corpus
        .canonicalize()
        .map_err(|error| Error::io(corpus.display(), &error))?;
    let list = collection::list("sipp.tsv", entry)?;
    let named = list.iter().map(|entry| entry.file.as_str());
    ensure(collection::is_whole(named, &corpus, ""), || {
        "interop/corpus/sipp.tsv does not name the scenarios of the corpus's index, each once"
            .to_owned()
    })?;
    let chosen: Vec<&Entry> = list
        .iter()
        .filter(|entry| entry.applies)
        .filter(|entry| collection::is_wanted(&entry.file, wanted))
        .collect();
    let played = play_all(&chosen, &corpus);
    let lines: Vec<_> = played
        .iter()
        .map(|played| (played.entry.file.as_str(), &played.outcome, played.took))
        .collect();
    collection::leave_results(NAME, &lines, junit)?;
    let failed: Vec<&str> = played
        .iter()
        .filter(|played| !matches!(played.outcome, Outcome::Passed))
        .map(|played| played.entry.file.as_str())
        .collect();
    let (all, passed) = (played.len(), played.len() - failed.len());
    println!(
        "\n{passed} of {all} passed; {} of {} scenarios apply",
        chosen.len(),
        list.len()
    );
    if wanted.is_empty() {
        let path = table::write_corpus(&summary(&list, passed, &failed))?;
        println!("written: {}", path.display());
    }
    // At least 95 of 100.
    Ok(passed * 100 >= all * 95)
}

fn summary(list: &[Entry], passed: usize, failed: &[&str]) -> String {
    let applying = list.iter().filter(|entry| entry.applies).count();
    let names: Vec<String> = failed.iter().map(|name| format!("`{name}`")).collect();
    let names = if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    };
    format!(
        "| scenarios | that apply | that pass | that fail |\n|---|---|---|---|\n| {} | {applying} | {passed} | {names} |\n",
        list.len()
    )
}

fn entry(line: &str) -> Option<Entry> {
    let mut fields = line.split('\t').map(str::to_owned);
    Some(Entry {
        file: fields.next()?,
        applies: match fields.next()?.as_str() {
            "yes" => true,
            "no" => false,
            _ => return None,
        },
        how: fields.next()?,
        with: fields.next().unwrap_or_default(),
    })
}

/// Plays `chosen`, a few at once; the results stand in their order.
fn play_all<'a>(chosen: &[&'a Entry], corpus: &Path) -> Vec<Played<'a>> {
    let next = Mutex::new(chosen.iter().enumerate());
    let played = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let taken = next.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((at, entry)) = taken else { return };
                    let start = now();
                    let outcome = match play(entry, corpus) {
                        Ok(()) => Outcome::Passed,
                        Err(error) => Outcome::Failed(error.to_string()),
                    };
                    let took = now() - start;
                    match &outcome {
                        Outcome::Failed(why) => println!("test {} ... FAILED: {why}", entry.file),
                        _ => println!("test {} ... ok ({:.1} s)", entry.file, took.as_secs_f64()),
                    }
                    let one = Played {
                        entry,
                        outcome,
                        took,
                    };
                    played
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push((at, one));
                }
            });
        }
    });
    let mut played = played.into_inner().unwrap_or_else(PoisonError::into_inner);
    played.sort_by_key(|(at, _)| *at);
    played.into_iter().map(|(_, one)| one).collect()
}

fn play(entry: &Entry, corpus: &Path) -> Result<(), Error> {
    let lab = Lab::open(&format!("{NAME}/{}", entry.file))?;
    link_media(&lab, corpus)?;
    let (sipp_port, our_port) = (ports::block()?, ports::block()?);
    let scenario = corpus.join(&entry.file);
    let does = |word: &str| entry.how.split('+').any(|part| part == word);
    let bind = format!("127.0.0.1:{our_port}");
    let to = format!("user@127.0.0.1:{sipp_port}");
    let uri = format!("sip:{to}");
    let registrar = format!("127.0.0.1:{sipp_port}");
    let refusal = format!("--auto-answer={}", entry.with);
    let calls_us = does("answer") || does("ring") || does("refuse");
    let mut args: Vec<&str> = if does("answer") {
        vec!["answer", "--auto-answer", "--bind", &bind]
    } else if does("ring") {
        vec!["answer", "--bind", &bind]
    } else if does("refuse") {
        vec!["answer", &refusal, "--bind", &bind]
    } else if does("call") {
        vec!["call", &uri, "--bind", &bind]
    } else if does("options") {
        vec!["options", &uri, "--bind", &bind]
    } else if does("register") {
        vec![
            "register",
            &to,
            "--registrar",
            &registrar,
            "--once",
            "--bind",
            &bind,
        ]
    } else {
        return Err(Error::new(format!("nobody does `{}`", entry.how)));
    };
    if !does("refuse") {
        args.extend(entry.with.split_whitespace());
    }
    if does("hangup") {
        args.extend(["--duration", "2s"]);
    } else if does("call") {
        args.extend(["--duration", "60s"]);
    }
    if does("cancel") {
        args.extend(["--ring-time", "2s"]);
    } else if does("call") {
        args.extend(["--ring-time", "60s"]);
    }
    if does("account") || does("register") {
        args.extend(["--user", "user", "--password", "secret"]);
    }
    let (mut sipp, mut ours) = if calls_us {
        let mut ours = Tipring::start_typing(&lab, args)?;
        ours.wait_for("listening", SOON)?;
        (sipp(&lab, &scenario, sipp_port, our_port)?, ours)
    } else {
        let sipp = sipp(&lab, &scenario, sipp_port, our_port)?;
        wait_for_port(&lab, sipp_port)?;
        (sipp, Tipring::start_typing(&lab, args)?)
    };
    if does("ring") {
        ours.wait_for("incoming", SOON)?;
        // A phone that is answered before it rings has not rung.
        crate::clock::pause(Duration::from_millis(500));
        ours.process.type_line("")?;
    }
    let verdict = sipp.wait_for_code(LIMIT, 0).map_err(|error| {
        let errors = read_lossy(&lab.path("sipp.errors"));
        let first = errors.lines().nth(1).unwrap_or("no error was logged");
        Error::new(format!("{error}; {first}"))
    });
    let said = ours.process.stderr();
    ensure(!said.contains("panicked"), || {
        format!("tipring panics: {said}")
    })?;
    verdict
}

/// Waits until SIPp has its port: it binds it once it has read the scenario.
fn wait_for_port(lab: &Lab, port: u16) -> Result<(), Error> {
    let taken = crate::clock::wait_until(crate::clock::Deadline::after(SOON), || {
        std::net::UdpSocket::bind(("127.0.0.1", port))
            .is_err()
            .then_some(())
    });
    taken.ok_or_else(|| Error::new(format!("sipp does not listen: {}", lab.folder().display())))
}

/// Lays the media that scenarios play where they look for them.
fn link_media(lab: &Lab, corpus: &Path) -> Result<(), Error> {
    let folder = corpus.join("cwd");
    let entries = fs::read_dir(&folder).map_err(|error| Error::io(folder.display(), &error))?;
    let media: Vec<PathBuf> = entries.filter_map(|e| e.ok().map(|e| e.path())).collect();
    for path in media {
        if let Some(name) = path.file_name() {
            symlink(&path, lab.folder().join(name))
                .map_err(|error| Error::io(path.display(), &error))?;
        }
    }
    Ok(())
}

fn sipp(lab: &Lab, scenario: &Path, port: u16, to: u16) -> Result<Process, Error> {
    let media = ports::block()?;
    let mut command = Command::new("sipp");
    command
        .arg("-sf")
        .arg(scenario)
        .args(["-m", "1", "-nostdin", "-i", "127.0.0.1", "-s", "user"])
        .args(["-p", &port.to_string(), "-mi", "127.0.0.1"])
        .args(["-mp", &media.to_string()])
        .args(["-timeout", SIPP_LIMIT, "-timeout_error"])
        .args(["-au", "user", "-ap", "secret"])
        .args(["-trace_msg", "-message_file", "sipp.messages"])
        .args(["-trace_err", "-error_file", "sipp.errors"])
        // What scenarios take from their callers.
        .args(["-key", "custom_media_port", &(media + 4).to_string()])
        .args(["-key", "redir_target", "nobody"])
        // Our phone gives a call up that it hears nothing of.
        .arg("-rtp_echo")
        // Callees write it into what they ask of us.
        .arg(format!("127.0.0.1:{to}"));
    Process::start(lab.folder(), "sipp", &mut command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_read_and_says_of_each_scenario_what_we_do() {
        let list = collection::list("sipp.tsv", entry).expect("the list is in order");
        assert!(list.iter().any(|entry| entry.applies));
        assert!(list.iter().all(|entry| !entry.how.is_empty()));
        assert!(entry("a.xml\tperhaps\tanswer").is_none());
        let refused = entry("a.xml\tyes\trefuse\t480").expect("a whole line");
        assert_eq!(
            (refused.how.as_str(), refused.with.as_str()),
            ("refuse", "480")
        );
    }
}
