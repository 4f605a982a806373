//! What was heard, cut into stretches by what playout says of them.

use msp_core::time::{ClockRate, Instant};
use msp_core::trace::{PlayoutAction, PlayoutSegment};

use super::clock::PlayClock;
use crate::media::position;
use crate::sent::Sent;

/// A stretch of a recording and where playout says it comes from.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Piece {
    /// Of the first sample, in the extent.
    pub(crate) at: usize,
    pub(crate) len: usize,
    /// `None` where playout's log has a gap.
    pub(crate) action: Option<PlayoutAction>,
    /// Of the first sample, in the sound that was to be sent.
    pub(crate) index: Option<i64>,
    /// Of the first sample, in what was sent.
    pub(crate) offset: Option<usize>,
}

/// Which part of what was played is looked at.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Extent {
    /// The first sample, as playout counts.
    pub(crate) position: i64,
    /// How many.
    pub(crate) len: usize,
    pub(crate) rate: ClockRate,
}

/// The pieces of a recording, in order and without gaps.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    pub(crate) pieces: Vec<Piece>,
    /// From a packet's leaving to its first sample's being played, one for each packet that was played one to one.
    pub(crate) delays: Vec<(Instant, i64)>,
}

impl Timeline {
    pub(crate) fn of(
        extent: Extent,
        playout: &[(Instant, PlayoutSegment)],
        clock: &PlayClock,
        sent: &Sent,
    ) -> Self {
        let mut timeline = Self::default();
        let before = usize::try_from(extent.position.saturating_neg()).unwrap_or(0);
        if before > 0 {
            // There was no stream yet.
            timeline.push(Piece {
                at: 0,
                len: before.min(extent.len),
                action: Some(PlayoutAction::Silence),
                index: None,
                offset: None,
            });
        }
        for (_, segment) in playout {
            timeline.segment(extent, segment, clock, sent);
        }
        let end = timeline.end();
        timeline.fill(end, extent.len);
        timeline
    }

    fn end(&self) -> usize {
        self.pieces.last().map_or(0, |p| p.at + p.len)
    }

    fn fill(&mut self, from: usize, to: usize) {
        if to > from {
            self.push(Piece {
                at: from,
                len: to - from,
                action: None,
                index: None,
                offset: None,
            });
        }
    }

    fn segment(
        &mut self,
        extent: Extent,
        segment: &PlayoutSegment,
        clock: &PlayClock,
        sent: &Sent,
    ) {
        let first = position(segment).saturating_sub(extent.position);
        // What was recorded before or after, or twice, is cut off.
        let done = self.end();
        let start = usize::try_from(first).unwrap_or(0).max(done);
        let last = usize::try_from(first.saturating_add(i64::from(segment.samples))).unwrap_or(0);
        let last = last.min(extent.len);
        if start >= last {
            return;
        }
        self.fill(done, start);
        let mut at_sample = start;
        while at_sample < last {
            let into = (at_sample as i64 - first) as u64;
            let origin = segment
                .rtp_timestamp
                .filter(|_| comes_from_a_packet(segment.action))
                .and_then(|ts| sent.origin(timestamp(ts, into, extent.rate, sent)));
            let len = origin.map_or(last - at_sample, |o| {
                (o.left as usize).min(last - at_sample)
            });
            if let (Some(origin), PlayoutAction::Normal) = (origin, segment.action) {
                // When the first sample of the packet was played, or would have been.
                let began = position(segment)
                    .saturating_add(i64::try_from(into).unwrap_or(i64::MAX))
                    .saturating_sub(i64::from(origin.into_packet));
                if let Some(begun) = clock.time(began) {
                    let at = Instant::from_nanos(u64::try_from(begun).unwrap_or(0));
                    let delay = begun - origin.sent_at.as_nanos() as i64;
                    self.delays.push((at, delay));
                }
            }
            self.push(Piece {
                at: at_sample,
                len,
                action: Some(segment.action),
                index: origin.map(|o| o.index),
                offset: origin.map(|o| o.offset),
            });
            at_sample += len;
        }
    }

    /// Adds `piece`, as part of the last one if it only goes on with it.
    fn push(&mut self, piece: Piece) {
        if let Some(last) = self.pieces.last_mut() {
            let goes_on = last.action == piece.action
                && last.index.map(|i| i + last.len as i64) == piece.index
                && last.offset.map(|o| o + last.len) == piece.offset;
            if goes_on {
                last.len += piece.len;
                return;
            }
        }
        self.pieces.push(piece);
    }

    /// The middle of all delays, in nanoseconds.
    pub(crate) fn delay(&self) -> Option<i64> {
        let mut delays: Vec<i64> = self.delays.iter().map(|(_, d)| *d).collect();
        delays.sort_unstable();
        delays.get(delays.len() / 2).copied()
    }
}

/// Whether samples of this action are those of a packet, as they are or changed.
pub(crate) const fn comes_from_a_packet(action: PlayoutAction) -> bool {
    matches!(
        action,
        PlayoutAction::Normal
            | PlayoutAction::Blended
            | PlayoutAction::Stretched
            | PlayoutAction::Compressed
    )
}

/// The RTP timestamp of the sample that lies `into` samples after the one of `first`.
fn timestamp(first: u32, into: u64, rate: ClockRate, sent: &Sent) -> u32 {
    let clock = sent.clock().unwrap_or(rate);
    let ticks = u128::from(into) * u128::from(clock.hz()) / u128::from(rate.hz());
    first.wrapping_add(ticks as u32) // modulo 2^32, as timestamps count
}
