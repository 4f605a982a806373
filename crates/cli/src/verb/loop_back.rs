//! `tipring loop`: two phones in one process call each other, and what each heard is compared with what the other sent.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use msp_codecs::{CodecFactory, CodecRegistry};
use msp_core::fault::{self, Fault};
use msp_core::provider::Provider;
use netsim::{Impairment, PathStats, Ratio};
use serde_json::{Value, json};
use tipring::msp_core::media::Direction;
use tipring::msp_core::stats::StreamStats;
use tipring::msp_core::trace::{Trace, TraceLog};
use tipring::msp_engine::{Clock, SystemClock};
use tipring::terminals::{FilePlay, FileRecord, PlayOptions, RecordOptions, SoundInfo, read_mono};
use tipring::{Call, Phone, SecurityPolicy};
use tipring_report::{Limits, Network, Phone as Seen, Recording, ReportBuilder, Sound, Verdict};
use tokio::time::{sleep, timeout};

use crate::args::LoopArgs;
use crate::evidence::{SOFTWARE, wall_clock, warn_of_gaps, write_keylog, write_pcap, write_report};
use crate::exit::{Fail, Failure};
use crate::impaired::{ImpairedProvider, NetworkReport};
use crate::line::codec;
use crate::output::Output;
use crate::scratch::Scratch;
use crate::tape::Tape;
use crate::verdict;

const ALICE: &[u8] = include_bytes!("../../assets/alice.wav");
const BOB: &[u8] = include_bytes!("../../assets/bob.wav");

/// How long the phones go on after the longer file, so that its end is heard through the playout buffer.
const AFTERMATH: Duration = Duration::from_millis(500);
/// Both phones are in this process: whatever takes longer than this hangs.
const SET_UP: Duration = Duration::from_secs(10);
/// How much sound an engine's playout holds; what a network delays by more comes too late.
const PLAYOUT: Duration = Duration::from_millis(60);

/// One phone of the two, and what it is to do.
struct End {
    name: &'static str,
    phone: Phone,
    trace: Arc<TraceLog>,
    play: PathBuf,
    record: PathBuf,
}

/// What one phone left behind.
struct Heard {
    stats: StreamStats,
    recording: Option<Recording>,
}

pub(crate) async fn run(args: &LoopArgs) -> Result<(), Fail> {
    let scratch = Scratch::new()?;
    let factory = factory(codec(&args.codec)?)?;
    let files = Files::choose(args, &scratch)?;
    let talk = match args.duration {
        Some(duration) => duration,
        None => files.longest()? + AFTERMATH,
    };
    let record_dir = args
        .record_dir
        .as_deref()
        .unwrap_or_else(|| scratch.folder());
    let (alice, network) = open("alice", args, &files.alice, record_dir, true).await?;
    let (bob, _) = open("bob", args, &files.bob, record_dir, false).await?;
    let out = Output::new(&args.output, SystemClock.now());

    let (alice_heard, bob_heard) = converse(&alice, &bob, talk, &out).await?;
    let report = network.map(|n| n.report()).unwrap_or_default();

    let seen = |end: &End, heard: &Heard, expected: &Path| -> Result<Seen, Fail> {
        let pcm = read_mono(expected, factory.info().sample_rate)?;
        let sound = Sound::through(&*factory, &pcm)
            .map_err(|e| Fail::new(Failure::Media, e.to_string()))?;
        let mut seen = Seen::new(end.name, end.trace.entries()).plays(sound);
        if end.trace.dropped() > 0 {
            seen = seen.cut();
        }
        Ok(match heard.recording.clone() {
            Some(recording) => seen.recorded(recording),
            None => seen,
        })
    };
    let a = seen(&alice, &alice_heard, &files.alice)?;
    let b = seen(&bob, &bob_heard, &files.bob)?;
    let (forth, back) = networks(args, &report);
    let verdict = Verdict::judge(&a, &b, &forth, &back, &Limits::default());

    warn_of_gaps(alice.trace.dropped() + bob.trace.dropped());
    let clock = wall_clock(SystemClock.now());
    if let Some(path) = &args.evidence.pcap {
        let (a, b) = (alice.trace.entries(), bob.trace.entries());
        write_pcap(path, clock, &[("alice", &a), ("bob", &b)])?;
    }
    if let Some(path) = &args.evidence.keylog {
        let (a, b) = (alice.trace.entries(), bob.trace.entries());
        write_keylog(path, clock, a.iter().chain(&b))?;
    }
    if let Some(path) = &args.evidence.report {
        let mut builder = ReportBuilder::new(SOFTWARE).clock(clock).phone(a).phone(b);
        if let Some(conditions) = conditions(args) {
            builder = builder.conditions(&conditions);
        }
        write_report(path, &builder.verdict(verdict.clone()).build())?;
    }
    tell(&out, &verdict, [&alice_heard, &bob_heard], &report);
    alice.phone.close().await;
    bob.phone.close().await;
    match verdict.holds() {
        true => Ok(()),
        false => Err(Fail::new(Failure::Assertion, "the verdict does not hold")),
    }
}

/// What each phone plays.
struct Files {
    alice: PathBuf,
    bob: PathBuf,
}

impl Files {
    fn choose(args: &LoopArgs, scratch: &Scratch) -> Result<Self, Fail> {
        let choose = |given: &Option<PathBuf>, name, built_in| match given {
            Some(path) => Ok(path.clone()),
            None => scratch.write(name, built_in),
        };
        Ok(Self {
            alice: choose(&args.play_alice, "alice-speaks.wav", ALICE)?,
            bob: choose(&args.play_bob, "bob-speaks.wav", BOB)?,
        })
    }

    fn longest(&self) -> Result<Duration, Fail> {
        let mut longest = Duration::ZERO;
        for path in [&self.alice, &self.bob] {
            let unknown = || {
                let text = format!(
                    "{}: its length is not known, say --duration",
                    path.display()
                );
                Fail::new(Failure::Usage, text)
            };
            longest = longest.max(SoundInfo::read(path)?.duration().ok_or_else(unknown)?);
        }
        Ok(longest)
    }
}

fn factory(name: &str) -> Result<Arc<dyn CodecFactory>, Fail> {
    let unknown = || Fail::new(Failure::Usage, format!("unknown codec '{name}'"));
    let selected = CodecRegistry::builtin()
        .select([name])
        .map_err(|_| unknown())?;
    selected.iter().next().cloned().ok_or_else(unknown)
}

async fn open(
    name: &'static str,
    args: &LoopArgs,
    play: &Path,
    record_dir: &Path,
    impaired: bool,
) -> Result<(End, Option<Arc<crate::impaired::Network>>), Fail> {
    let ip: IpAddr = if args.ipv6 {
        Ipv6Addr::LOCALHOST.into()
    } else {
        Ipv4Addr::LOCALHOST.into()
    };
    // The verdict is made of the traces, so they are kept whether a report is written or not.
    let trace = TraceLog::new(TraceLog::CAPACITY);
    let mut builder = Phone::builder()
        .bind((ip, 0).into())
        .user(name)
        .codecs([codec(&args.codec)?])
        .trace(Trace::to(trace.clone()));
    if args.srtp {
        // The keys do not leave this machine.
        builder = builder
            .security(SecurityPolicy::Required)
            .keys_in_clear(true);
    }
    if let Some((first, last)) = args.ports {
        builder = builder.ports(half(first, last, impaired));
    }
    let mut network = None;
    if impaired && let Some(impairment) = impairment(args)? {
        let engine: Arc<dyn Provider> = Arc::new(builder.engine()?);
        let provider = ImpairedProvider::new(engine, impairment, args.seed);
        network = Some(provider.network());
        builder = builder.provider(Arc::new(provider));
    }
    let phone = builder.start().await?;
    let record = record_dir.join(format!("{name}.wav"));
    Ok((
        End {
            name,
            phone,
            trace,
            play: play.to_owned(),
            record,
        },
        network,
    ))
}

/// Each phone has its own half of the ports.
fn half(first: u16, last: u16, lower: bool) -> std::ops::RangeInclusive<u16> {
    let middle = first + (last - first) / 2;
    if lower {
        first..=middle
    } else {
        middle + 1..=last
    }
}

fn impairment(args: &LoopArgs) -> Result<Option<Impairment>, Fail> {
    if args.loss.is_none() && args.jitter.is_none() {
        return Ok(None);
    }
    let mut impairment = Impairment::PERFECT;
    if let Some(loss) = args.loss {
        let ratio =
            Ratio::new(loss).ok_or_else(|| Fail::new(Failure::Usage, format!("loss {loss}")))?;
        impairment = impairment.with_loss(ratio);
    }
    if let Some(jitter) = args.jitter {
        impairment = impairment.with_jitter(jitter);
    }
    if let Some(packets) = args.burst {
        impairment = impairment.with_burst(packets);
    }
    Ok(Some(impairment))
}

fn conditions(args: &LoopArgs) -> Option<String> {
    let mut parts = Vec::new();
    parts.extend(args.loss.map(|l| format!("loss {:.1} %", l * 100.0)));
    parts.extend(args.burst.map(|b| format!("in bursts of {b:.1} packets")));
    parts.extend(args.jitter.map(|j| format!("jitter {} ms", j.as_millis())));
    (!parts.is_empty()).then(|| format!("{} (RTCP crosses unharmed)", parts.join(", ")))
}

/// What the network was asked to do, from Alice to Bob and back.
fn networks(args: &LoopArgs, report: &NetworkReport) -> (Network, Network) {
    let late_share = match args.jitter {
        Some(jitter) if jitter > PLAYOUT => 1.0 - PLAYOUT.as_secs_f64() / jitter.as_secs_f64(),
        _ => 0.0,
    };
    let network = |path: &PathStats| Network {
        lost: path.lost + path.overflowed,
        late_share,
    };
    (network(&report.sent), network(&report.received))
}

/// The call: both play, both record, for `talk`.
async fn converse(
    alice: &End,
    bob: &End,
    talk: Duration,
    out: &Output,
) -> Result<(Heard, Heard), Fail> {
    let late = |what: &'static str| move |_| Fail::new(Failure::Timeout, what);
    let (play_alice, play_bob) = match fault::is_on(Fault::SwapFiles) {
        true => (&bob.play, &alice.play),
        false => (&alice.play, &bob.play),
    };
    let uri = format!("sip:bob@{}", bob.phone.local_addr());
    let outgoing = alice.phone.prepare(&uri)?;
    let alice_record = attach(&outgoing, Some(play_alice), &alice.record)?;
    outgoing.place()?;
    let rings = async {
        tokio::select! {
            biased;
            incoming = bob.phone.next_call() => Ok(incoming),
            // It cannot be connected before Bob was asked: it failed.
            failed = outgoing.connected() => Err(failed.err()),
        }
    };
    let incoming = timeout(SET_UP, rings)
        .await
        .map_err(late("Bob's phone does not ring"))?;
    let incoming = incoming.map_err(|error| match error {
        Some(error) => Fail::from(error),
        None => Fail::new(Failure::Sip, "Alice is connected, but not to Bob"),
    })?;
    let incoming = incoming.ok_or_else(|| Fail::new(Failure::Sip, "Bob's phone was closed"))?;
    let speaks = (!fault::is_on(Fault::MuteAnswerer)).then_some(play_bob);
    let bob_record = attach(&incoming, speaks, &bob.record)?;
    timeout(SET_UP, incoming.answer())
        .await
        .map_err(late("Bob's call is not connected"))??;
    timeout(SET_UP, outgoing.connected())
        .await
        .map_err(late("Alice's call is not connected"))??;
    let text = format!("connected, talking for {:.1} s", talk.as_secs_f64());
    out.event(
        SystemClock.now(),
        "connected",
        &text,
        json!({ "talk_s": talk.as_secs_f64() }),
    );

    let started = tokio::time::Instant::now();
    while let Some(left) = talk.checked_sub(started.elapsed()).filter(|d| !d.is_zero()) {
        let codec = outgoing.codec();
        out.progress(
            started.elapsed(),
            codec.as_ref().map_or("?", |c| &*c.name),
            &outgoing.stats(),
        );
        let tick = left.min(Duration::from_millis(500));
        tokio::select! {
            () = sleep(tick) => {}
            signal = tokio::signal::ctrl_c() => {
                signal.map_err(|e| Fail::new(Failure::Sip, format!("Ctrl-C: {e}")))?;
                break;
            }
        }
    }
    out.clear();
    let (alice_stats, bob_stats) = (outgoing.stats(), incoming.stats());
    outgoing.hang_up().await?;
    timeout(SET_UP, incoming.ended())
        .await
        .map_err(late("Bob's call does not end"))??;
    Ok((
        Heard {
            stats: alice_stats,
            recording: Tape::read(&alice_record, &alice.record, usize::MAX)?.heard,
        },
        Heard {
            stats: bob_stats,
            recording: Tape::read(&bob_record, &bob.record, usize::MAX)?.heard,
        },
    ))
}

fn attach(call: &Call, play: Option<&PathBuf>, record: &Path) -> Result<Arc<FileRecord>, Fail> {
    if let Some(play) = play {
        call.select(
            Direction::Capture,
            FilePlay::open(play, PlayOptions::default())?,
        )?;
    }
    let file = FileRecord::create(record, RecordOptions::default())?;
    call.select(Direction::Capture, file.clone())?;
    call.select(Direction::Render, file.clone())?;
    Ok(file)
}

fn tell(out: &Output, verdict: &Verdict, heard: [&Heard; 2], network: &NetworkReport) {
    let fields = json!({
        "alice": crate::output::stats_json(&heard[0].stats),
        "bob": crate::output::stats_json(&heard[1].stats),
        "network": {
            "alice_to_bob": path_json(&network.sent),
            "bob_to_alice": path_json(&network.received),
        },
    });
    verdict::tell(out, verdict, fields);
}

fn path_json(path: &PathStats) -> Value {
    json!({ "sent": path.sent, "lost": path.lost, "delivered": path.delivered, "delayed": path.delayed })
}
