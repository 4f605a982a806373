//! From packets that wait to decoded samples at the head.

use std::cmp::Ordering;

use msp_core::stats::DropReason;
use msp_core::time::ClockRate;
use msp_core::trace::PlayoutAction;

use super::{Entry, MAX_RECEIVED_PAYLOAD, Playout, PlayoutCodec, Staged, scaled};

impl Playout {
    /// Fills the front of `out` with sound of one origin and returns how much; nothing only if a packet follows now.
    pub(super) fn fill(&mut self, out: &mut [i16]) -> usize {
        let available = self.stage();
        if available > 0 {
            let more = self.join(available, out);
            if more > 0 {
                return more;
            }
            // Some of it may have been left out.
            let available = self.stage();
            let n = self.alike(available).min(out.len());
            let (out, _) = out.split_at_mut(n);
            self.copy_staged(out);
            self.play(out);
            return n;
        }
        let next = self.entries.first().copied();
        if let Some(next) = &next
            && self.is_silent()
        {
            self.adapt_gap(next);
        }
        let gap = next.map_or(i64::MAX, |next| next.start - self.head);
        if gap == 0 {
            return 0;
        }
        let n = usize::try_from(gap)
            .unwrap_or(usize::MAX)
            .clamp(1, out.len());
        let (out, _) = out.split_at_mut(n);
        self.miss(out);
        n
    }

    /// Makes sure that the sample at the head is decoded, if there is a packet for it; returns how many are.
    pub(super) fn stage(&mut self) -> usize {
        loop {
            let staged_end = self.staged.start + self.staged.len as i64;
            if self.staged.len > 0 && (self.staged.start..staged_end).contains(&self.head) {
                return (staged_end - self.head) as usize;
            }
            self.staged.len = 0;
            match self.entries.first() {
                Some(entry) if entry.start <= self.head => {}
                _ => return 0,
            }
            let entry = self.entries.remove(0);
            self.decode(&entry);
            self.store.free(entry.stored);
        }
    }

    pub(super) fn decode(&mut self, entry: &Entry) {
        if entry.end() <= self.head {
            self.discard(DropReason::Late);
            return;
        }
        if entry.source != self.decoding {
            self.decoding = entry.source;
            self.played_place = None;
            for codec in &mut self.codecs {
                codec.decoder.reset();
                if let Some(resampler) = &mut codec.resampler {
                    resampler.reset();
                }
            }
        }
        if let Some((len, clock, action)) = self.render(entry, 0) {
            self.staged = Staged {
                start: entry.start,
                len,
                timestamp: entry.timestamp,
                ticks_per_second: clock.hz(),
                action,
            };
        }
    }

    /// Decodes a packet to the place `at` among what is staged; returns how many samples it has, its clock, and what they
    /// are called if they are not as they were sent.
    fn render(
        &mut self,
        entry: &Entry,
        at: usize,
    ) -> Option<(usize, ClockRate, Option<PlayoutAction>)> {
        let codec = self
            .codecs
            .iter_mut()
            .find(|c| c.payload_type == entry.payload_type);
        let Some(codec) = codec else {
            self.discard(DropReason::UnknownPayloadType);
            return None;
        };
        let pcm = self.pcm.get_mut(at..).unwrap_or_default();
        let (from, clock) = (codec.info.sample_rate, codec.info.clock);
        let decoded = if codec.in_pieces && codec.resampler.is_none() {
            let mut len = 0;
            let mut pieces = self.store.pieces(entry.stored);
            pieces
                .try_for_each(|piece| {
                    let out = pcm.get_mut(len..).unwrap_or_default();
                    codec.decoder.decode(piece, out).map(|more| len += more)
                })
                .map(|()| len)
        } else {
            let mut scratch = [0; MAX_RECEIVED_PAYLOAD];
            let payload = self.store.get(entry.stored, &mut scratch);
            match &mut codec.resampler {
                None => codec.decoder.decode(payload, pcm),
                Some(resampler) => codec.decoder.decode(payload, &mut self.raw).map(|len| {
                    let raw = self.raw.get(..len).unwrap_or_default();
                    let len = scaled(len, from, self.config.rate).min(pcm.len());
                    let (out, _) = pcm.split_at_mut(len);
                    let made = resampler.process(raw, out).produced;
                    // The filter has to fill once: the last sample stands in.
                    let last = made.checked_sub(1).and_then(|n| out.get(n)).copied();
                    if let Some(rest) = out.get_mut(made..) {
                        rest.fill(last.unwrap_or(0));
                    }
                    len
                }),
            }
        };
        let len = decoded.map(|len| len.min(pcm.len()));
        let Ok(len) = len else {
            self.discard(DropReason::BadPayload);
            return None;
        };
        self.played_place = self.played_place.max(Some(entry.place));
        let action = match from.cmp(&self.config.rate) {
            Ordering::Less => Some(PlayoutAction::Stretched),
            Ordering::Equal => None,
            Ordering::Greater => Some(PlayoutAction::Compressed),
        };
        Some((len, clock, action))
    }

    fn discard(&mut self, reason: DropReason) {
        self.drops.count(reason);
        self.stats.discarded += 1;
    }

    /// Stages `samples` from the head on, if packets follow each other so far, and leaves room for `before` samples in front
    /// of them; returns how many there are from the head on.
    pub(super) fn look_ahead(&mut self, samples: usize, before: usize) -> usize {
        let available = self.stage();
        let from = usize::try_from(self.head - self.staged.start).unwrap_or(0);
        if available == 0 || before + available > self.pcm.len() {
            return 0;
        }
        let past = self.head - before as i64;
        self.staged.timestamp = self.staged_timestamp(past);
        self.pcm.copy_within(from..from + available, before);
        self.staged.start = past;
        self.staged.len = before + available;
        while self.staged.len < before + samples {
            let end = self.staged.start + self.staged.len as i64;
            let timestamp = self.staged_timestamp(end);
            let follows = |e: &&Entry| {
                e.start == end
                    && e.timestamp == timestamp
                    && e.source == self.decoding
                    && self.staged.len + e.len as usize <= self.pcm.len()
            };
            let Some(entry) = self.entries.first().filter(follows).copied() else {
                break;
            };
            let same = |codec: &PlayoutCodec| {
                codec.payload_type == entry.payload_type
                    && codec.info.clock.hz() == self.staged.ticks_per_second
                    && codec.resampler.is_some() == self.staged.action.is_some()
            };
            if !self.codecs.iter().any(same) {
                break;
            }
            self.entries.remove(0);
            let rendered = self.render(&entry, self.staged.len);
            self.store.free(entry.stored);
            let Some((len, ..)) = rendered else {
                break;
            };
            self.staged.len += len;
        }
        self.staged.len - before
    }

    /// How many of the first `available` samples at the head are called the same.
    fn alike(&self, available: usize) -> usize {
        let warp = &self.adapting.warp;
        let end = if self.head < warp.start {
            warp.start
        } else if self.head < warp.end {
            warp.end
        } else {
            return available;
        };
        available.min(usize::try_from(end - self.head).unwrap_or(available))
    }

    /// What the sample at the head is called.
    pub(super) fn action(&self) -> PlayoutAction {
        if self.adapting.warp.contains(&self.head) {
            self.adapting.warp_action
        } else {
            self.staged.action.unwrap_or(PlayoutAction::Normal)
        }
    }

    /// The timestamp of the sample at `position` of the staged packet.
    pub(super) fn staged_timestamp(&self, position: i64) -> u32 {
        // Within a packet, so far from any limit.
        let offset = position - self.staged.start;
        let ticks =
            offset * i64::from(self.staged.ticks_per_second) / i64::from(self.config.rate.hz());
        self.staged.timestamp.wrapping_add(ticks as u32)
    }

    pub(super) fn copy_staged(&self, out: &mut [i16]) {
        let from = usize::try_from(self.head - self.staged.start).unwrap_or(0);
        if let Some(staged) = self.pcm.get(from..from + out.len()) {
            out.copy_from_slice(staged);
        }
    }
}
