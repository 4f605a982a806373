//! Black-box cases that others wrote for their own user agent: each sends one request to ours and demands a status, and what the
//! response has to match and must not.
//!
//! Which ones apply says `interop/corpus/blackbox.tsv`.

use std::fs;
use std::io::Write;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::case::Outcome;
use crate::clock::{Deadline, now};
use crate::collection;
use crate::error::{Error, ensure};
use crate::lab::{Lab, root};
use crate::ports;
use crate::tipring::Tipring;

/// Long enough for a program to start and to answer on a busy machine.
const SOON: Duration = Duration::from_secs(10);
/// The folder of the run, and the name of its results.
const NAME: &str = "blackbox";

/// One line of the list.
struct Entry {
    file: String,
    applies: bool,
    /// More options for our program, or why the case does not apply.
    how: String,
}

/// Plays all that apply, or those of them whose name holds one of `wanted`; whether all pass. The results are written to `junit`,
/// or beside the logs.
pub(crate) fn run(wanted: &[String], junit: Option<PathBuf>) -> Result<bool, Error> {
    let corpus = root().join("../shared/corpora/12-ua-blackbox");
    if !corpus.is_dir() {
        println!(
            "the black-box cases do not lie beside the checkout ({}): not run",
            corpus.display()
        );
        return Ok(true);
    }
    let list = collection::list("blackbox.tsv", entry)?;
    let named = list.iter().map(|entry| entry.file.as_str());
    ensure(collection::is_whole(named, &corpus, ".json"), || {
        "interop/corpus/blackbox.tsv does not name the cases of the corpus's index, each once"
            .to_owned()
    })?;
    let chosen: Vec<&Entry> = list
        .iter()
        .filter(|entry| entry.applies)
        .filter(|entry| collection::is_wanted(&entry.file, wanted))
        .collect();
    let mut played = Vec::new();
    for entry in &chosen {
        let start = now();
        let outcome = match play(entry, &corpus) {
            Ok(()) => Outcome::Passed,
            Err(error) => Outcome::Failed(error.to_string()),
        };
        match &outcome {
            Outcome::Failed(why) => println!("test {} ... FAILED: {why}", entry.file),
            _ => println!("test {} ... ok", entry.file),
        }
        played.push((entry.file.as_str(), outcome, now() - start));
    }
    let lines: Vec<_> = played
        .iter()
        .map(|(file, outcome, took)| (*file, outcome, *took))
        .collect();
    collection::leave_results(NAME, &lines, junit)?;
    let passed = played
        .iter()
        .filter(|(_, outcome, _)| matches!(outcome, Outcome::Passed))
        .count();
    println!(
        "\n{passed} of {} passed; {} of {} cases apply",
        played.len(),
        chosen.len(),
        list.len()
    );
    Ok(passed == played.len())
}

fn entry(line: &str) -> Option<Entry> {
    let mut fields = line.split('\t').map(str::to_owned);
    let (file, applies, how) = (fields.next()?, fields.next()?, fields.next()?);
    let applies = match applies.as_str() {
        "yes" => true,
        "no" if !how.is_empty() => false,
        _ => return None,
    };
    Some(Entry { file, applies, how })
}

fn play(entry: &Entry, corpus: &Path) -> Result<(), Error> {
    let lab = Lab::open(&format!("{NAME}/{}", entry.file))?;
    let path = corpus.join(&entry.file);
    let text = fs::read(&path).map_err(|error| Error::io(path.display(), &error))?;
    let case: Value = serde_json::from_slice(&text)
        .map_err(|error| Error::new(format!("{}: {error}", path.display())))?;
    let (our_port, port) = (ports::block()?, ports::block()?);
    let bind = format!("127.0.0.1:{our_port}");
    let mut args = vec!["answer", "--auto-answer", "--bind", &bind];
    args.extend(entry.how.split_whitespace());
    let mut ours = Tipring::start(&lab, args)?;
    ours.wait_for("listening", SOON)?;
    let socket = UdpSocket::bind(("127.0.0.1", port))
        .map_err(|error| Error::io("the socket of the case", &error))?;
    let request = request(&case, port, our_port);
    socket
        .send_to(request.as_bytes(), &bind)
        .map_err(|error| Error::io("the request", &error))?;
    let response = final_response(&socket)?;
    let log = format!("{request}\n----\n{response}");
    fs::write(lab.path("messages"), log).map_err(|error| Error::io("messages", &error))?;
    let code = case["expect_code"].to_string();
    let line = response.lines().next().unwrap_or_default();
    ensure(line.split(' ').nth(1) == Some(&code), || {
        format!("we answer `{line}`, not {code}")
    })?;
    for (list, wanted) in [
        ("response_must_match", true),
        ("response_must_not_match", false),
    ] {
        for pattern in case[list].as_array().into_iter().flatten() {
            let pattern = pattern.as_str().unwrap_or_default();
            ensure(matches(pattern, &response)? == wanted, || {
                format!("`{pattern}` in our response: it should be {wanted}")
            })?;
        }
    }
    let said = ours.process.stderr();
    ensure(!said.contains("panicked"), || {
        format!("tipring panics: {said}")
    })
}

/// The request of a case, from `port` to `to` of 127.0.0.1.
fn request(case: &Value, port: u16, to: u16) -> String {
    let text = |name: &str| {
        case[name]
            .as_str()
            .unwrap_or_default()
            .replace("\r\n", "\n")
    };
    let whole = text("complete_msg");
    if !whole.is_empty() {
        let whole = whole
            .replace("$LOCAL_IP", "127.0.0.1")
            .replace("$LOCAL_PORT", &port.to_string());
        // The blank line at the end of some was lost when they were collected.
        let end = if whole.contains("\n\n") { "" } else { "\n" };
        return (whole + end).replace('\n', "\r\n");
    }
    let (body, kind) = match text("sdp").trim_start() {
        "" => (text("body"), ""),
        sdp => (sdp.to_owned(), "Content-Type: application/sdp\n"),
    };
    let body = body.replace('\n', "\r\n");
    let extra = text("extra_headers");
    let head = format!(
        "INVITE sip:user@127.0.0.1:{to} SIP/2.0\n\
         Via: SIP/2.0/UDP 127.0.0.1:{port};rport;branch=z9hG4bKcase\n\
         Max-Forwards: 70\n\
         From: <sip:case@127.0.0.1:{port}>;tag=case\n\
         To: <sip:user@127.0.0.1:{to}>\n\
         Call-ID: case@127.0.0.1\n\
         CSeq: 1 INVITE\n\
         Contact: <sip:case@127.0.0.1:{port}>\n\
         {kind}{}{}Content-Length: {}\n\n",
        extra.trim_end(),
        if extra.is_empty() { "" } else { "\n" },
        body.len()
    );
    head.replace('\n', "\r\n") + &body
}

/// The first response that is no provisional one.
fn final_response(socket: &UdpSocket) -> Result<String, Error> {
    let deadline = Deadline::after(SOON);
    let mut buffer = [0; 8192];
    socket
        .set_read_timeout(Some(Duration::from_millis(200)))
        .map_err(|error| Error::io("the socket of the case", &error))?;
    while !deadline.is_over() {
        let Ok(len) = socket.recv(&mut buffer) else {
            continue;
        };
        let text = String::from_utf8_lossy(buffer.get(..len).unwrap_or_default());
        if !text.starts_with("SIP/2.0 1") {
            return Ok(text.into_owned());
        }
    }
    Err(Error::new("we do not answer"))
}

/// Whether a regular expression of Perl's kind, without regard to case, is found in a text.
fn matches(pattern: &str, text: &str) -> Result<bool, Error> {
    let mut grep = Command::new("grep")
        .args(["-ziqP", "-e", &format!("(?m){pattern}")])
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|error| Error::io("grep", &error))?;
    if let Some(mut input) = grep.stdin.take() {
        // It may have seen enough before the end.
        let _ = input.write_all(text.as_bytes());
    }
    let status = grep.wait().map_err(|error| Error::io("grep", &error))?;
    match status.code() {
        Some(0) => Ok(true),
        Some(1) => Ok(false),
        _ => Err(Error::new(format!("grep does not read `{pattern}`"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_read_and_says_why_what_does_not_apply_does_not() {
        let list = collection::list("blackbox.tsv", entry).expect("the list is in order");
        assert!(list.iter().any(|entry| entry.applies));
        assert!(entry("a.json\tno\t").is_none() && entry("a.json\tperhaps\tx").is_none());
    }

    #[test]
    fn patterns_are_searched_in_all_lines_without_regard_to_case() {
        let text =
            "SIP/2.0 200 OK\r\nmin-se: 2000\r\n\r\nm=audio 4 RTP/AVP 0\r\nm=x 0 RTP/AVP 1\r\n";
        let found = |pattern| matches(pattern, text).expect("grep is there");
        assert!(found(r"Min-SE:\s*2000") && found(r"m=audio [1-9]+[\s\S]+m=x 0"));
        assert!(!found("a=crypto"));
    }

    #[test]
    fn a_request_is_made_of_what_a_case_gives() {
        let case = serde_json::json!({
            "sdp": "\nv=0\n", "extra_headers": "Require: x\n", "body": "", "complete_msg": "",
        });
        let made = request(&case, 5, 6);
        assert!(
            made.contains("\r\nContent-Type: application/sdp\r\nRequire: x\r\nContent-Length: 5\r\n\r\nv=0\r\n"),
            "{made}"
        );
        let case = serde_json::json!({ "complete_msg": "A $LOCAL_IP:$LOCAL_PORT\n" });
        assert_eq!(request(&case, 5, 6), "A 127.0.0.1:5\r\n\r\n");
    }
}
