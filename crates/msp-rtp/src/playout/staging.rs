//! From packets that wait to decoded samples at the head.

use std::cmp::Ordering;

use msp_core::stats::DropReason;
use msp_core::trace::PlayoutAction;

use super::{Entry, MAX_RECEIVED_PAYLOAD, Playout, Staged, scaled};

impl Playout {
    /// Fills the front of `out` with sound of one origin and returns how much; never nothing.
    pub(super) fn fill(&mut self, out: &mut [i16]) -> usize {
        let available = self.stage();
        if available > 0 {
            let n = available.min(out.len());
            let (out, _) = out.split_at_mut(n);
            self.copy_staged(out);
            self.play(out);
            return n;
        }
        let next = self.entries.first().map(|e| e.start);
        let gap = next.map_or(i64::MAX, |start| start - self.head);
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
            self.drops.count(DropReason::Late);
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
        let codec = self
            .codecs
            .iter_mut()
            .find(|c| c.payload_type == entry.payload_type);
        let Some(codec) = codec else {
            self.drops.count(DropReason::UnknownPayloadType);
            return;
        };
        let from = codec.info.sample_rate;
        let decoded = if codec.in_pieces && codec.resampler.is_none() {
            let mut len = 0;
            let mut pieces = self.store.pieces(entry.stored);
            pieces
                .try_for_each(|piece| {
                    let out = self.pcm.get_mut(len..).unwrap_or_default();
                    codec.decoder.decode(piece, out).map(|more| len += more)
                })
                .map(|()| len)
        } else {
            let mut scratch = [0; MAX_RECEIVED_PAYLOAD];
            let payload = self.store.get(entry.stored, &mut scratch);
            match &mut codec.resampler {
                None => codec.decoder.decode(payload, &mut self.pcm),
                Some(resampler) => codec.decoder.decode(payload, &mut self.raw).map(|len| {
                    let raw = self.raw.get(..len).unwrap_or_default();
                    let len = scaled(len, from, self.config.rate).min(self.pcm.len());
                    let (out, _) = self.pcm.split_at_mut(len);
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
        match decoded {
            Ok(len) => {
                self.staged = Staged {
                    start: entry.start,
                    len: len.min(self.pcm.len()),
                    timestamp: entry.timestamp,
                    ticks_per_second: codec.info.clock.hz(),
                    action: match from.cmp(&self.config.rate) {
                        Ordering::Less => Some(PlayoutAction::Stretched),
                        Ordering::Equal => None,
                        Ordering::Greater => Some(PlayoutAction::Compressed),
                    },
                };
                self.played_place = self.played_place.max(Some(entry.place));
            }
            Err(_) => self.drops.count(DropReason::BadPayload),
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
