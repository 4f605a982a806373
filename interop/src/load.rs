//! Many calls at once from SIPp, to us and to baresip in one run: what each takes of processor and memory.

use std::fs;
use std::process::Command;
use std::time::Duration;

use crate::baresip::{Baresip, Setup};
use crate::clock::{now, pause};
use crate::error::{Error, ensure};
use crate::lab::Lab;
use crate::ports;
use crate::process::{Process, output};
use crate::sipp::{self, Scenario, Sipp};
use crate::sound::{self, Codec};
use crate::tipring::Tipring;

const CALLS: u16 = 100;
/// Calls begun in a second.
const RATE: u16 = 50;
/// The calls stand before the measurement begins.
const SETTLE: Duration = Duration::from_secs(5);
const MEASURED: Duration = Duration::from_secs(10);
/// How long each call lasts: longer than all of the above.
const CALL: Duration = Duration::from_secs(20);
const SOON: Duration = Duration::from_secs(10);

/// What one program took.
#[derive(Clone, Copy)]
struct Cost {
    /// Processor time for each frame received and each frame sent, as a pair.
    per_pair: Duration,
    /// Resident memory for each call.
    memory: u64,
}

/// Measures both and prints what the measurements' document takes.
pub(crate) fn run() -> Result<(), Error> {
    let ours = ours(&Lab::open("load-tipring")?)?;
    let theirs = theirs(&Lab::open("load-baresip")?)?;
    let micros = |cost: Cost| cost.per_pair.as_secs_f64() * 1e6;
    println!(
        "measured: processor for each 20 ms frame pair, {CALLS} calls of A-law from SIPp, kernel included \
         | tipring {:.1} µs | baresip {:.1} µs | {:.1}",
        micros(ours),
        micros(theirs),
        micros(theirs) / micros(ours)
    );
    println!(
        "measured: resident memory for each of {CALLS} calls, files apart | tipring {} KiB | baresip {} KiB | {:.1}",
        ours.memory / 1024,
        theirs.memory / 1024,
        theirs.memory as f64 / ours.memory.max(1) as f64
    );
    Ok(())
}

/// Ours sends back what it hears: no file is in the way, nor in the memory.
fn ours(lab: &Lab) -> Result<Cost, Error> {
    let port = ports::block()?;
    let bind = format!("127.0.0.1:{port}");
    let mut tipring = Tipring::start(
        lab,
        ["echo", "--max-calls", &CALLS.to_string(), "--bind", &bind],
    )?;
    tipring.wait_for("listening", SOON)?;
    measure(lab, tipring.process.id(), port)
}

/// baresip sends no sound back: it speaks a file, which it keeps in memory once a call. That memory is not counted.
fn theirs(lab: &Lab) -> Result<Cost, Error> {
    let voice = lab.path("long.wav");
    // It hangs up at the end of its file.
    let mut sox = Command::new("sox");
    sox.arg("-D")
        .arg(lab.voice("bob", Codec::Pcma)?)
        .arg(&voice)
        .args(["repeat", "2"]);
    output(&mut sox)?;
    let file = fs::metadata(&voice)
        .map_err(|error| Error::io(voice.display(), &error))?
        .len();
    let setup = Setup {
        codecs: "PCMA/8000/1",
        ..Setup::callee(&voice)
    };
    let baresip = Baresip::start_for(lab, &setup, CALLS)?;
    let cost = measure(lab, baresip.id(), baresip.port())?;
    Ok(Cost {
        memory: cost.memory.saturating_sub(file),
        ..cost
    })
}

fn measure(lab: &Lab, process: u32, port: u16) -> Result<Cost, Error> {
    sound::encode(&lab.voice("bob", Codec::Pcma)?, &lab.path("speech.al"))?;
    let idle = resident(process)?;
    let mut load = Sipp::caller(Scenario::Ours("uac-load"), ports::block()?, port);
    // One of the two answers to nothing but its own name.
    load.user = "baresip";
    load.hold = CALL;
    load.calls = CALLS;
    load.rate = RATE;
    load.media = ports::row(4 * CALLS)?;
    let mut sipp: Process = load.start(lab)?;
    pause(SETTLE);
    let memory = resident(process)?.saturating_sub(idle) / u64::from(CALLS);
    let (before, start) = (busy(process)?, now());
    pause(MEASURED);
    let (after, end) = (busy(process)?, now());
    sipp::wait(&mut sipp, lab, 3 * CALL)?;
    let pairs = (end - start).as_secs_f64() * 50.0 * f64::from(CALLS);
    let per_pair = after.saturating_sub(before).div_f64(pairs);
    ensure(!per_pair.is_zero(), || {
        "the system does not say how long a thread ran".to_owned()
    })?;
    Ok(Cost { per_pair, memory })
}

/// How long all threads of a process have run, to the nanosecond.
pub(crate) fn busy(process: u32) -> Result<Duration, Error> {
    let folder = format!("/proc/{process}/task");
    let threads = fs::read_dir(&folder).map_err(|error| Error::io(&folder, &error))?;
    let nanos = threads
        .filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("schedstat")).ok())
        .filter_map(|text| text.split_whitespace().next()?.parse::<u64>().ok())
        .sum();
    Ok(Duration::from_nanos(nanos))
}

/// Resident memory in bytes.
pub(crate) fn resident(process: u32) -> Result<u64, Error> {
    let path = format!("/proc/{process}/status");
    let text = fs::read_to_string(&path).map_err(|error| Error::io(&path, &error))?;
    text.lines()
        .find_map(|line| {
            line.strip_prefix("VmRSS:")?
                .trim()
                .strip_suffix(" kB")?
                .parse::<u64>()
                .ok()
        })
        .map(|kib| kib * 1024)
        .ok_or_else(|| Error::new(format!("{path} says nothing of VmRSS")))
}
