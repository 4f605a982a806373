//! The receiving half of a phone: playout with a fixed target, and what it leaves in the trace.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use msp_codecs::CodecFactory;
use msp_core::event::{Cause, EventKind, MspEvent, Scope};
use msp_core::id::{AddressId, StreamId};
use msp_core::stats::{DropReason, StreamStats};
use msp_core::time::Instant;
use msp_core::trace::{PacketKind, PlayoutAction, PlayoutSegment, TraceBody, Way};

use super::{CALL, Conditions, End, FRAME, entry, media, wire};

const STREAM: StreamId = StreamId(1);
/// Samples that are pulled at once, each 10 ms.
const PULL: usize = 80;
/// Pulls between two times that numbers are written down.
const PUBLISH: usize = 20;

/// A pull: when, of what, from which timestamp on.
struct Pull {
    at: Instant,
    action: PlayoutAction,
    timestamp: Option<u32>,
}

#[expect(clippy::too_many_arguments, reason = "a test's helper with one caller")]
pub(super) fn hear(
    conditions: &Conditions,
    codec: &dyn CodecFactory,
    sender: usize,
    end: &mut End,
    (here, there): (SocketAddr, SocketAddr),
    arrivals: &[(Instant, usize, Arc<[u8]>)],
    frames: usize,
    ear: &impl Fn(bool, &dyn CodecFactory, &[u8]) -> Vec<i16>,
) {
    let Some((first_arrival, first_number, _)) = arrivals.first() else {
        return;
    };
    // The frame `n` is played at `base + n * 20 ms`, if it is there by then.
    let base =
        *first_arrival + conditions.target - Duration::from_millis(20 * *first_number as u64);
    let due = |number: usize| base + Duration::from_millis(20 * number as u64);
    let mut in_time: BTreeMap<usize, &[u8]> = BTreeMap::new();
    // Numbers as they were when each packet had come.
    let mut numbers: Vec<(Instant, StreamStats)> = Vec::new();
    let mut stats = StreamStats::default();
    for (at, number, bytes) in arrivals {
        let late = *at > due(*number);
        let dropped = late.then_some(DropReason::Late);
        end.entries.push(media(
            *at,
            Way::In,
            PacketKind::Rtp,
            here,
            there,
            bytes,
            dropped,
        ));
        if late {
            stats.drops.count(DropReason::Late);
        } else {
            in_time.insert(*number, &bytes[12..]);
        }
        stats.received.packets += 1;
        stats.received.octets += bytes.len() as u64 - 12;
        stats.received.expected = stats.received.expected.max(*number as u64 + 1);
        stats.received.lost = stats.received.expected as i64 - stats.received.packets as i64;
        stats.received.sources = 1;
        stats.playout.depth = due(*number).saturating_since(*at);
        stats.playout.target = conditions.target;
        numbers.push((*at, stats));
    }
    end.entries.push(entry(
        *first_arrival,
        TraceBody::Event(MspEvent {
            at: *first_arrival,
            scope: Scope::call(AddressId(1), CALL),
            kind: EventKind::SourceLocked(there),
            cause: Cause::Unknown,
            error: None,
        }),
    ));

    // The stream is made 40 ms before its first packet is played: it pulls silence until then.
    let mut pulls: Vec<Pull> = (0..4u64)
        .map(|n| Pull {
            at: due(*first_number) - Duration::from_millis(40 - 10 * n),
            action: PlayoutAction::Silence,
            timestamp: None,
        })
        .collect();
    end.heard.resize(4 * PULL, 0);
    let mut last = vec![0; FRAME];
    for number in *first_number..frames {
        let timestamp = wire::timestamp(conditions, sender, number);
        let came = in_time.get(&number);
        match came {
            Some(payload) => last = ear(sender == 1, codec, payload),
            None => last
                .iter_mut()
                .for_each(|s| *s = (f32::from(*s) * 0.7) as i16),
        }
        end.heard.extend_from_slice(&last);
        for part in 0..2u32 {
            pulls.push(Pull {
                at: due(number) + Duration::from_millis(10) * part,
                action: came.map_or(PlayoutAction::Concealed, |_| PlayoutAction::Normal),
                timestamp: came.map(|_| timestamp.wrapping_add(part * PULL as u32)),
            });
        }
    }
    write_down(end, &pulls, &numbers);
}

/// As the product does it: contiguous pulls of one origin are one stretch, complete once another begins, and written down
/// under the time of its first sample, with the numbers five times a second and at the end, 3 ms after the last pull was over.
fn write_down(end: &mut End, pulls: &[Pull], numbers: &[(Instant, StreamStats)]) {
    let mut done: Vec<PlayoutSegment> = Vec::new();
    let mut open: Option<PlayoutSegment> = None;
    let mut totals = StreamStats::default().playout;
    let mut publish = |at: Instant, done: &mut Vec<PlayoutSegment>, totals| {
        for segment in done.drain(..) {
            let (stream, began) = (STREAM, pulls[segment.position as usize / PULL].at);
            end.entries
                .push(entry(began, TraceBody::Playout { stream, segment }));
        }
        let known = numbers.iter().rev().find(|(t, _)| *t <= at);
        let mut stats = known.map(|(_, s)| *s).unwrap_or_default();
        (
            stats.playout.normal,
            stats.playout.concealed,
            stats.playout.silence,
        ) = totals;
        let (stream, stats) = (STREAM, Box::new(stats));
        end.entries
            .push(entry(at, TraceBody::Stats { stream, stats }));
    };
    for (n, pull) in pulls.iter().enumerate() {
        let expected = open.map(|o| o.rtp_timestamp.map(|t| t.wrapping_add(o.samples)));
        match &mut open {
            Some(o) if o.action == pull.action && expected == Some(pull.timestamp) => {
                o.samples += PULL as u32;
            }
            _ => {
                done.extend(open.replace(PlayoutSegment {
                    position: (n * PULL) as u64,
                    samples: PULL as u32,
                    action: pull.action,
                    rtp_timestamp: pull.timestamp,
                }));
            }
        }
        match pull.action {
            PlayoutAction::Normal => totals.normal += PULL as u64,
            PlayoutAction::Silence => totals.silence += PULL as u64,
            _ => totals.concealed += PULL as u64,
        }
        if n % PUBLISH == 0 {
            publish(
                pull.at,
                &mut done,
                (totals.normal, totals.concealed, totals.silence),
            );
        }
    }
    done.extend(open);
    if let Some(last) = pulls.last() {
        let at = last.at + Duration::from_millis(13);
        publish(
            at,
            &mut done,
            (totals.normal, totals.concealed, totals.silence),
        );
    }
}
