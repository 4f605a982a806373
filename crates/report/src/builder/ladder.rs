//! Messages, runs of packets and events on one line of time.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use msp_core::event::{EventKind, FileState};
use msp_core::time::Instant;
use msp_core::trace::{TraceBody, Way};

use super::flow::Flow;
use super::negotiation::{self, Described};
use super::{Scene, masked_text};
use crate::media::Packet;
use crate::model::{MessageStep, Negotiation, PacketsStep, Step};
use crate::sip::Signal;

/// A run of packets ends where none came for this long.
const GAP: Duration = Duration::from_secs(1);
/// Runs are cut at messages that change media only if both parts are at least this long.
const PART: Duration = Duration::from_millis(500);

/// A message with the two places where it was seen.
struct Passage<'s, 'a> {
    signal: &'s Signal<'a>,
    at: Instant,
    /// Its place in the trace of the phone that saw it: much happens in one instant.
    order: usize,
    arrived: Option<Instant>,
    from: usize,
    to: usize,
}

pub(super) fn build(scene: &Scene<'_>, flows: &[Flow<'_, '_>]) -> (Vec<Step>, Vec<Negotiation>) {
    let passages = passages(scene);
    let mut steps: Vec<(Instant, Step)> = Vec::new();
    let mut described = Vec::new();
    let mut seen: HashSet<(usize, &[u8])> = HashSet::new();
    for passage in &passages {
        let signal = passage.signal;
        let description = signal.description();
        if let Some(description) = &description {
            described.push(Described {
                at_s: scene.seconds(passage.at),
                by: passage.from,
                call_id: signal.call_id(),
                title: signal.title(),
                description: description.clone(),
            });
        }
        let (from_address, to_address) = match signal.way {
            Way::In => (signal.remote, signal.local),
            Way::Out => (signal.local, signal.remote),
        };
        let both_traced = is_traced(scene, passage.from) && is_traced(scene, passage.to);
        let step = MessageStep {
            at_s: scene.seconds(passage.at),
            transit_ms: passage
                .arrived
                .map(|a| a.saturating_since(passage.at).as_secs_f64() * 1e3),
            from: passage.from,
            to: passage.to,
            title: signal.title(),
            cseq: signal
                .cseq()
                .map(|(number, method)| format!("{number} {method}")),
            call_id: signal.call_id(),
            transport: signal.transport,
            from_address: from_address.to_string(),
            to_address: to_address.to_string(),
            lost: both_traced && passage.arrived.is_none() && signal.way == Way::Out,
            repeated: !seen.insert((passage.from, signal.bytes)),
            describes_media: description.is_some(),
            text: masked_text(signal.bytes),
        };
        steps.push((passage.at, Step::Message(step)));
    }
    let cuts: Vec<Instant> = passages
        .iter()
        .filter(|p| {
            ["INVITE", "UPDATE", "BYE"]
                .iter()
                .any(|m| p.signal.is_request(m))
        })
        .map(|p| p.at)
        .collect();
    packets(scene, flows, &cuts, &mut steps);
    events(scene, &mut steps);
    // What happens at the same time stays in the order of this function: messages first.
    steps.sort_by_key(|(at, _)| *at);
    let steps = steps.into_iter().map(|(_, step)| step).collect();
    (steps, negotiation::build(&described))
}

fn is_traced(scene: &Scene<'_>, participant: usize) -> bool {
    scene
        .participants
        .get(participant)
        .is_some_and(|p| p.traced)
}

/// Messages in the order of time; what left one phone and came to another is one.
fn passages<'s, 'a>(scene: &'s Scene<'a>) -> Vec<Passage<'s, 'a>> {
    // Copies that came and wait for the one that left, by their bytes, the earliest last.
    let mut came: HashMap<(usize, &[u8]), Vec<Instant>> = HashMap::new();
    for (n, end) in scene.ends.iter().enumerate() {
        for signal in end.signals.iter().rev().filter(|s| s.way == Way::In) {
            came.entry((n, signal.bytes)).or_default().push(signal.at);
        }
    }
    let mut out = Vec::new();
    for (n, end) in scene.ends.iter().enumerate() {
        for (order, signal) in in_order(end, Way::Out) {
            let to = scene.participant(n, signal.remote);
            let arrived = came
                .get_mut(&(to, signal.bytes))
                .filter(|_| to != n)
                .and_then(|times| times.pop_if(|t| *t >= signal.at));
            out.push(Passage {
                signal,
                at: signal.at,
                order,
                arrived,
                from: n,
                to,
            });
        }
    }
    // What came without having been seen to leave.
    for (n, end) in scene.ends.iter().enumerate() {
        for (order, signal) in in_order(end, Way::In) {
            let waiting = came.get_mut(&(n, signal.bytes));
            if waiting.is_some_and(|w| {
                w.iter()
                    .position(|t| *t == signal.at)
                    .map(|i| w.remove(i))
                    .is_some()
            }) {
                out.push(Passage {
                    signal,
                    at: signal.at,
                    order,
                    arrived: None,
                    from: scene.participant(n, signal.remote),
                    to: n,
                });
            }
        }
    }
    out.sort_by_key(|p| (p.at, p.order));
    out
}

/// The messages that went `way`, each with its place in the trace.
fn in_order<'s, 'a>(
    end: &'s super::End<'a>,
    way: Way,
) -> impl Iterator<Item = (usize, &'s Signal<'a>)> {
    end.signals
        .iter()
        .enumerate()
        .filter(move |(_, s)| s.way == way)
}

/// Runs of RTP and RTCP, each way.
fn packets(
    scene: &Scene<'_>,
    flows: &[Flow<'_, '_>],
    cuts: &[Instant],
    steps: &mut Vec<(Instant, Step)>,
) {
    for (n, end) in scene.ends.iter().enumerate() {
        let peer = scene.peer(n);
        let other = scene.ends.get(peer).filter(|_| peer != n);
        let media = &end.media;
        // The flow of what this end sends has its number.
        let flow = flows.get(n).filter(|_| other.is_some());
        for run in runs(&media.sent, cuts) {
            let lost =
                flow.map(|f| run.iter().filter(|p| f.lost.contains(&p.key())).count() as u64);
            push_run(scene, end, Way::Out, (n, peer), run, lost, steps);
        }
        if other.is_none() {
            for run in runs(&media.received, cuts) {
                push_run(scene, end, Way::In, (peer, n), run, None, steps);
            }
        }
        let mut reports = vec![(n, peer, &media.reports_sent)];
        if other.is_none() {
            reports.push((peer, n, &media.reports_received));
        }
        for (from, to, times) in reports {
            if let (Some(first), Some(last)) = (times.first(), times.last()) {
                let step = PacketsStep {
                    protocol: "RTCP",
                    at_s: scene.seconds(*first),
                    until_s: scene.seconds(*last),
                    from,
                    to,
                    codec: None,
                    packets: times.len() as u64,
                    lost: None,
                };
                steps.push((*first, Step::Packets(step)));
            }
        }
    }
}

fn push_run(
    scene: &Scene<'_>,
    end: &super::End<'_>,
    way: Way,
    (from, to): (usize, usize),
    run: &[Packet<'_>],
    lost: Option<u64>,
    steps: &mut Vec<(Instant, Step)>,
) {
    let (Some(first), Some(last)) = (run.first(), run.last()) else {
        return;
    };
    let codec = end
        .media
        .codec(way, first.rtp.payload_type())
        .map(|c| c.name.to_string());
    let step = PacketsStep {
        protocol: "RTP",
        at_s: scene.seconds(first.at),
        until_s: scene.seconds(last.at),
        from,
        to,
        codec,
        packets: run.len() as u64,
        lost,
    };
    steps.push((first.at, Step::Packets(step)));
}

/// Packets of one payload type without a gap between them.
fn runs<'p, 'a>(packets: &'p [Packet<'a>], cuts: &[Instant]) -> Vec<&'p [Packet<'a>]> {
    let mut out = Vec::new();
    for run in packets.chunk_by(|a, b| {
        a.rtp.payload_type() == b.rtp.payload_type() && b.at.saturating_since(a.at) < GAP
    }) {
        let mut rest = run;
        for cut in cuts {
            let (Some(first), Some(last)) = (rest.first(), rest.last()) else {
                break;
            };
            let is_worth_it =
                cut.saturating_since(first.at) > PART && last.at.saturating_since(*cut) > PART;
            if is_worth_it {
                let (before, after) = rest.split_at(rest.partition_point(|p| p.at < *cut));
                out.push(before);
                rest = after;
            }
        }
        out.push(rest);
    }
    out
}

/// What phones noticed and a reader of a ladder wants to know.
fn events(scene: &Scene<'_>, steps: &mut Vec<(Instant, Step)>) {
    for (participant, end) in scene.ends.iter().enumerate() {
        for entry in &end.phone.entries {
            let TraceBody::Event(event) = &entry.body else {
                continue;
            };
            let text = match &event.kind {
                EventKind::Digit(digit) => format!("heard key {digit}"),
                EventKind::SourceLocked(from) => format!("takes media from {from} only"),
                EventKind::Secured(true) => "media are encrypted".into(),
                EventKind::Secured(false) => "media are not encrypted".into(),
                EventKind::StreamFail => "a stream failed".to_owned(),
                EventKind::TerminalFail => "a terminal failed".to_owned(),
                EventKind::StreamNotUsed => "a stream is not used".to_owned(),
                EventKind::File(FileState::EndOfFile) => "file played to its end".to_owned(),
                EventKind::File(FileState::ReadError) => "file cannot be read on".to_owned(),
                EventKind::File(FileState::WriteError) => "file cannot be written on".to_owned(),
                _ => continue,
            };
            let text = match &event.error {
                Some(error) => format!("{text}: {error}"),
                None => text,
            };
            let step = Step::Event {
                at_s: scene.seconds(entry.at),
                participant,
                text,
            };
            steps.push((entry.at, step));
        }
    }
}
