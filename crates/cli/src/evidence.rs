//! What a call leaves behind: a report, its data, a capture.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tipring::msp_core::id::CallKey;
use tipring::msp_core::time::Instant;
use tipring::msp_core::trace::{Trace, TraceEntry, TraceLog};
use tipring::msp_engine::{Clock, SystemClock};
use tipring_report::{Pcap, Phone, Report, ReportBuilder, WallClock};

use crate::args::EvidenceArgs;
use crate::exit::{Fail, Failure};

/// What our phone is called in reports and captures of one phone.
const NAME: &str = "tipring";

/// Our name in what we write.
pub(crate) const SOFTWARE: &str = concat!("tipring ", env!("CARGO_PKG_VERSION"));

/// A trace that is kept if somebody wants to see something of it afterwards.
#[derive(Clone)]
pub(crate) struct Evidence {
    log: Option<Arc<TraceLog>>,
}

impl Evidence {
    pub(crate) fn new(wanted: bool) -> Self {
        Self {
            log: wanted.then(|| TraceLog::new(TraceLog::CAPACITY)),
        }
    }

    pub(crate) fn trace(&self) -> Trace {
        self.log
            .as_ref()
            .map_or(Trace::OFF, |log| Trace::to(log.clone()))
    }

    /// Everything of the call `key`, and what belongs to no call.
    pub(crate) fn entries(&self, key: Option<CallKey>) -> Vec<TraceEntry> {
        let Some(log) = &self.log else {
            return Vec::new();
        };
        let mut entries = log.entries();
        entries.retain(|e| key.is_none() || e.call.is_none() || e.call == key);
        entries
    }
}

impl Evidence {
    /// Writes what `args` asks for of the call `key`.
    pub(crate) fn write(&self, args: &EvidenceArgs, key: CallKey) -> Result<(), Fail> {
        if !args.wanted() {
            return Ok(());
        }
        self.warn_of_gaps();
        let entries = self.entries(Some(key));
        let clock = wall_clock(SystemClock.now());
        if let Some(path) = &args.pcap {
            write_pcap(path, clock, &[(NAME, &entries)])?;
        }
        if let Some(path) = &args.report {
            let seen = Phone::new(NAME, entries);
            write_report(
                path,
                &ReportBuilder::new(SOFTWARE)
                    .clock(clock)
                    .phone(seen)
                    .build(),
            )?;
        }
        Ok(())
    }

    /// A trace that was full is no whole evidence, and says so.
    pub(crate) fn warn_of_gaps(&self) {
        let dropped = self.log.as_ref().map_or(0, |log| log.dropped());
        if dropped > 0 {
            eprintln!(
                "tipring: the trace was full: {dropped} entries are missing in what is written"
            );
        }
    }
}

impl EvidenceArgs {
    /// Whether a trace has to be kept.
    pub(crate) const fn wanted(&self) -> bool {
        self.report.is_some() || self.pcap.is_some()
    }

    /// The same for the `n`th call: the first has the names as they were given.
    pub(crate) fn for_call(&self, n: u32) -> Self {
        let numbered = |p: &PathBuf| numbered(p, n);
        Self {
            report: self.report.as_ref().map(numbered),
            pcap: self.pcap.as_ref().map(numbered),
        }
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

fn write(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<File>) -> Result<(), String>,
) -> Result<(), Fail> {
    let fail = |why: String| Fail::new(Failure::Media, format!("{}: {why}", path.display()));
    let file = File::create(path).map_err(|e| fail(e.to_string()))?;
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
