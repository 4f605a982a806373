//! What a call leaves behind: a report, its data, a capture.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use tipring::msp_core::id::CallKey;
use tipring::msp_core::time::Instant;
use tipring::msp_core::trace::{CallLogs, LogLimits, Trace, TraceEntry};
use tipring::msp_engine::{Clock, SystemClock};
use tipring_report::{KeyLog, Limits, Pcap, Phone, Report, ReportBuilder, Verdict, WallClock};

use crate::args::ProofArgs;
use crate::chain::followed;
use crate::exit::{Fail, Failure};
use crate::output::Output;
use crate::talk::Files;
use crate::tape::Tape;
use crate::verdict;

/// What our phone is called in reports and captures of one phone.
const NAME: &str = "tipring";

/// Our name in what we write.
pub(crate) const SOFTWARE: &str = concat!("tipring ", env!("CARGO_PKG_VERSION"));

/// The traces of calls, kept if somebody wants to see something of them afterwards.
#[derive(Clone)]
pub(crate) struct Evidence {
    logs: Option<Arc<CallLogs>>,
}

/// What is known of one call.
struct Known {
    entries: Vec<TraceEntry>,
    /// Entries that found no room.
    missing: u64,
}

impl Evidence {
    pub(crate) fn new(wanted: bool) -> Self {
        Self {
            logs: wanted.then(|| CallLogs::new(LogLimits::default())),
        }
    }

    pub(crate) fn trace(&self) -> Trace {
        self.logs
            .as_ref()
            .map_or(Trace::OFF, |logs| Trace::to(logs.clone()))
    }

    /// Everything of the call `key`, and what belonged to no call while it lasted.
    fn take(&self, key: CallKey) -> Option<Known> {
        let logs = self.logs.as_ref()?;
        let log = logs.take(key);
        let mut entries = log.entries();
        if let (Some(first), Some(last)) = (entries.first(), entries.last()) {
            let others = logs.others(first.at, last.at);
            entries.extend(others);
            entries.sort_by_key(|e| e.at);
        }
        Some(Known {
            missing: log.dropped(),
            entries,
        })
    }
}

impl Evidence {
    /// Judges the call `key`, with what `files` recorded, if `args` asks for that, and writes what they ask for.
    pub(crate) async fn conclude(
        &self,
        args: ProofArgs,
        key: CallKey,
        files: Files,
        out: Output,
    ) -> Result<Option<Verdict>, Fail> {
        if self.logs.is_none() {
            return Ok(None);
        }
        let evidence = self.clone();
        // A long call takes a while to read, and others are on the line.
        let work = move || match evidence.take(key) {
            Some(known) => known.conclude(&args, &files, &out),
            None => Ok(None),
        };
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|e| Fail::new(Failure::Media, format!("report: {e}")))?
    }
}

impl Known {
    fn conclude(
        self,
        args: &ProofArgs,
        files: &Files,
        out: &Output,
    ) -> Result<Option<Verdict>, Fail> {
        warn_of_gaps(self.missing);
        let clock = wall_clock(SystemClock.now());
        if let Some(path) = &args.files.pcap {
            write_pcap(path, clock, &[(NAME, &self.entries)])?;
        }
        if let Some(path) = &args.files.keylog {
            write_keylog(path, clock, &self.entries)?;
        }
        if !args.judges() {
            return Ok(None);
        }
        let seen = self.seen(files);
        let verdict = Verdict::judge_alone(&seen, &Limits::default());
        if let Some(path) = &args.files.report {
            let report = ReportBuilder::new(SOFTWARE).clock(clock).phone(seen);
            write_report(path, &report.verdict(verdict.clone()).build())?;
        }
        verdict::tell(out, &verdict, json!({}));
        Ok(Some(verdict))
    }

    /// The same as our phone knows it, with what was recorded.
    fn seen(self, files: &Files) -> Phone {
        let tape = files.tape().unwrap_or_else(|fail| {
            // The call is over and its report shall tell what is known of it.
            eprintln!("tipring: {fail}");
            Tape::default()
        });
        let mut seen = Phone::new(NAME, self.entries);
        if tape.is_cut || self.missing > 0 {
            seen = seen.cut();
        }
        if let Some(sent) = tape.sent {
            seen = seen.captured(sent);
        }
        match tape.heard {
            Some(heard) => seen.recorded(heard),
            None => seen,
        }
    }
}

/// A trace that was full is no whole evidence, and says so.
pub(crate) fn warn_of_gaps(missing: u64) {
    if missing > 0 {
        eprintln!("tipring: the trace was full: {missing} entries are missing in what is written");
    }
}

impl ProofArgs {
    /// Whether the call is to be judged.
    pub(crate) const fn judges(&self) -> bool {
        self.files.report.is_some() || self.assert
    }

    /// Whether a trace has to be kept.
    pub(crate) const fn wants_trace(&self) -> bool {
        self.judges() || self.files.pcap.is_some() || self.files.keylog.is_some()
    }

    /// The same for a call that so many others were before, each by a transfer of its peer.
    pub(crate) fn of_followed(&self, depth: u32) -> Self {
        self.named(|path| followed(path, depth))
    }

    /// The same for the `n`th call: the first has the names as they were given.
    pub(crate) fn for_call(&self, n: u32) -> Self {
        self.named(|path| numbered(path, n))
    }

    fn named(&self, name: impl Fn(&Path) -> PathBuf) -> Self {
        let mut args = self.clone();
        let files = &mut args.files;
        for file in [&mut files.report, &mut files.pcap, &mut files.keylog] {
            *file = file.as_deref().map(&name);
        }
        args
    }
}

/// `name.ext` for the first, `name-2.ext` for the second and so on.
pub(crate) fn numbered(path: &Path, n: u32) -> PathBuf {
    if n <= 1 {
        return path.to_owned();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let name = match path.extension() {
        Some(ext) => format!("{stem}-{n}.{}", ext.to_string_lossy()),
        None => format!("{stem}-{n}"),
    };
    path.with_file_name(name)
}

/// The clock of the traces, tied to the time of day.
pub(crate) fn wall_clock(now: Instant) -> WallClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the program ties its clock to the time of day once"
    )]
    let time = std::time::SystemTime::now();
    WallClock::synchronised(now, time)
}

/// Writes the report as HTML and, beside it, its data as JSON.
pub(crate) fn write_report(path: &Path, report: &Report) -> Result<(), Fail> {
    write(path, |out| {
        report.write_html(out).map_err(|e| e.to_string())
    })?;
    write(&path.with_extension("json"), |out| {
        report.write_json(out).map_err(|e| e.to_string())
    })
}

/// Writes what went over the network, one interface of the capture for each of `phones`.
pub(crate) fn write_pcap(
    path: &Path,
    clock: WallClock,
    phones: &[(&str, &[TraceEntry])],
) -> Result<(), Fail> {
    write(path, |out| {
        let text = |e: tipring_report::Error| e.to_string();
        let mut pcap = Pcap::new(out, clock, SOFTWARE).map_err(text)?;
        let mut all = Vec::new();
        for (name, entries) in phones {
            let interface = pcap.interface(name).map_err(text)?;
            all.extend(entries.iter().map(|e| (interface, e)));
        }
        all.sort_by_key(|(_, e)| e.at);
        for (interface, entry) in all {
            pcap.write(interface, entry).map_err(text)?;
        }
        pcap.finish().map_err(text)?;
        Ok(())
    })
}

/// Writes the keys that were agreed on, into a file that only its owner may read.
pub(crate) fn write_keylog<'a>(
    path: &Path,
    clock: WallClock,
    entries: impl IntoIterator<Item = &'a TraceEntry>,
) -> Result<(), Fail> {
    write_to(path, create_private(path), |out| {
        let text = |e: tipring_report::Error| e.to_string();
        let mut keys = KeyLog::new(out, clock);
        for entry in entries {
            keys.write(entry).map_err(text)?;
        }
        keys.finish().map(drop).map_err(text)
    })
}

#[cfg(unix)]
fn create_private(path: &Path) -> std::io::Result<File> {
    use std::fs::Permissions;
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    let mut options = File::options();
    options.write(true).create(true).truncate(true).mode(0o600);
    let file = options.open(path)?;
    // It may have been there, for everybody to read.
    if file.metadata()?.is_file() {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

#[cfg(not(unix))]
fn create_private(path: &Path) -> std::io::Result<File> {
    File::create(path)
}

fn write(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<File>) -> Result<(), String>,
) -> Result<(), Fail> {
    write_to(path, File::create(path), fill)
}

fn write_to(
    path: &Path,
    file: std::io::Result<File>,
    fill: impl FnOnce(&mut BufWriter<File>) -> Result<(), String>,
) -> Result<(), Fail> {
    let fail = |why: String| Fail::new(Failure::Media, format!("{}: {why}", path.display()));
    let file = file.map_err(|e| fail(e.to_string()))?;
    let mut out = BufWriter::new(file);
    fill(&mut out).map_err(fail)?;
    out.flush().map_err(|e| fail(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_calls_have_numbered_files() {
        assert_eq!(numbered(Path::new("a/b.wav"), 1), Path::new("a/b.wav"));
        assert_eq!(numbered(Path::new("a/b.wav"), 2), Path::new("a/b-2.wav"));
        assert_eq!(numbered(Path::new("b"), 3), Path::new("b-3"));
    }
}
