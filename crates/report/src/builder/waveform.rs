//! What was sent over what was heard, aligned by playout's log, with the places where they differ.

use msp_core::trace::PlayoutAction;

use super::Scene;
use super::flow::Flow;
use crate::model::{Region, Waveform};
use crate::verdict::DirectionVerdict;
use crate::verdict::compare::Stretch;
use crate::verdict::timeline::Piece;

/// A waveform has at most this many columns.
const COLUMNS: usize = 1200;
/// Regions that a report lists; a call that differs everywhere is no longer read one by one.
const REGIONS: usize = 10_000;
/// Regions of the same kind with less than this between them are one.
const MERGE_S: f64 = 0.005;

pub(super) fn build(
    flow: &Flow<'_, '_>,
    scene: &Scene<'_>,
    verdict: Option<&DirectionVerdict>,
) -> Option<Waveform> {
    let origin = match (flow.sender, flow.receiver) {
        (Some(sender), _) => &sender.sent,
        (None, Some(receiver)) => &receiver.came,
        (None, None) => return None,
    };
    if origin.pcm.is_empty() {
        return None;
    }
    let rate = origin.rate?;
    let recording = flow.receiver.and_then(|r| r.phone.recording.as_ref());
    let heard = recording.map(|r| r.samples.as_slice()).unwrap_or_default();
    // The time of the recording's first sample.
    let position = recording.map_or(0, |r| r.position);
    let played_at = flow
        .play_clock
        .instant(position)
        .map(|at| scene.seconds(at));
    let sent_at = || {
        let media = &flow.sender.or(flow.receiver)?.media;
        let packet = media.sent.first().or_else(|| media.received.first())?;
        Some(scene.seconds(packet.at))
    };
    let pieces = &flow.timeline.pieces;
    let is_mapped = !heard.is_empty() && pieces.iter().any(|p| p.offset.is_some());
    let len = if is_mapped {
        heard.len()
    } else {
        origin.pcm.len().max(heard.len())
    };
    let step = len.div_ceil(COLUMNS).max(1);
    let columns = len.div_ceil(step);
    let mut lags = Lags::new(pieces);
    let sent = (0..columns)
        .map(|n| {
            let at = n * step;
            let lag = if is_mapped { lags.at(at) } else { 0 };
            let from = at as i64 - lag;
            envelope(&origin.pcm, from, from + step as i64)
        })
        .collect();
    let heard_columns = if heard.is_empty() {
        Vec::new()
    } else {
        (0..columns)
            .map(|n| envelope(heard, (n * step) as i64, ((n + 1) * step) as i64))
            .collect()
    };
    let at_s = played_at
        .filter(|_| is_mapped)
        .or_else(sent_at)
        .unwrap_or(0.0);
    let differing = match verdict {
        Some(verdict) => verdict.stretches.clone(),
        None => differences(pieces, heard, &origin.pcm),
    };
    let (regions, more_regions) = regions(pieces, &differing, at_s, rate.hz());
    Some(Waveform {
        rate: rate.hz(),
        step,
        at_s,
        delay_samples: pieces
            .iter()
            .find_map(|p| Some(p.at as i64 - p.offset? as i64)),
        sent_is: if flow.sender.is_some() {
            "the sender\u{2019}s packets"
        } else {
            "the packets that came"
        },
        sent,
        heard: heard_columns,
        regions,
        more_regions,
    })
}

/// By how much the recording lies after what was sent, place by place: where playout makes sound up, it stays as it was.
struct Lags<'a> {
    pieces: &'a [Piece],
    next: usize,
    lag: i64,
}

impl<'a> Lags<'a> {
    fn new(pieces: &'a [Piece]) -> Self {
        let lag = pieces
            .iter()
            .find_map(|p| Some(p.at as i64 - p.offset? as i64))
            .unwrap_or(0);
        Self {
            pieces,
            next: 0,
            lag,
        }
    }

    /// Places are asked for in their order.
    fn at(&mut self, at: usize) -> i64 {
        while let Some(piece) = self.pieces.get(self.next).filter(|p| p.at <= at) {
            if let Some(offset) = piece.offset {
                self.lag = piece.at as i64 - offset as i64;
            }
            self.next += 1;
        }
        self.lag
    }
}

fn envelope(pcm: &[i16], from: i64, to: i64) -> (i16, i16) {
    let index = |i: i64| usize::try_from(i).unwrap_or(0).min(pcm.len());
    let part = pcm.get(index(from)..index(to)).unwrap_or_default();
    let low = part.iter().copied().min().unwrap_or(0);
    let high = part.iter().copied().max().unwrap_or(0);
    (low, high)
}

/// Samples that are said to be those of a packet, and are not.
fn differences(pieces: &[Piece], heard: &[i16], sent: &[i16]) -> Vec<Stretch> {
    let mut out: Vec<Stretch> = Vec::new();
    for piece in pieces
        .iter()
        .filter(|p| p.action == Some(PlayoutAction::Normal))
    {
        let Some(offset) = piece.offset else {
            continue;
        };
        let (Some(heard), Some(sent)) = (
            heard.get(piece.at..piece.at + piece.len),
            sent.get(offset..),
        ) else {
            continue;
        };
        for (n, (a, b)) in heard.iter().zip(sent).enumerate() {
            if a == b {
                continue;
            }
            let at = piece.at + n;
            match out.last_mut().filter(|s| at - (s.at + s.len) < 80) {
                Some(last) => last.len = at + 1 - last.at,
                None => out.push(Stretch { at, len: 1 }),
            }
        }
    }
    out
}

fn regions(pieces: &[Piece], differing: &[Stretch], at_s: f64, hz: u32) -> (Vec<Region>, usize) {
    let hz = f64::from(hz);
    let region = |at: usize, len: usize, action| Region {
        at_s: at_s + at as f64 / hz,
        length_ms: len as f64 * 1000.0 / hz,
        action,
    };
    let mut all: Vec<Region> = pieces
        .iter()
        .filter_map(|p| match p.action {
            Some(PlayoutAction::Normal) => None,
            Some(action) => Some(region(p.at, p.len, action.name())),
            None => Some(region(p.at, p.len, UNEXPLAINED)),
        })
        .collect();
    all.extend(differing.iter().map(|s| region(s.at, s.len, UNEXPLAINED)));
    all.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
    let mut merged: Vec<Region> = Vec::new();
    for region in all {
        let near = merged.last_mut().filter(|last| {
            last.action == region.action
                && region.at_s - (last.at_s + last.length_ms / 1000.0) < MERGE_S
        });
        if let Some(last) = near {
            let end =
                (region.at_s + region.length_ms / 1000.0).max(last.at_s + last.length_ms / 1000.0);
            last.length_ms = (end - last.at_s) * 1000.0;
        } else {
            merged.push(region);
        }
    }
    let more = merged.len().saturating_sub(REGIONS);
    merged.truncate(REGIONS);
    (merged, more)
}

/// What nothing explains.
const UNEXPLAINED: &str = "unexplained";
