//! Room for payloads, taken once.

use crate::reach::Tell;

/// Bytes of a chunk: 10 ms of G.711.
pub(super) const CHUNK: usize = 80;
const NONE: u16 = u16::MAX;

/// A payload that is stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    first: u16,
    len: u16,
}

/// Keeps payloads of any length in chunks, so that nothing is allocated and nothing fragments.
#[derive(Debug)]
pub(super) struct Store {
    bytes: Box<[[u8; CHUNK]]>,
    /// The chunk that follows each, in a payload or among the free.
    next: Box<[u16]>,
    free: u16,
    free_count: usize,
}

impl Store {
    /// Room for `bytes` bytes, in whole chunks.
    pub(super) fn new(bytes: usize) -> Self {
        let chunks = bytes.div_ceil(CHUNK).min(usize::from(NONE) - 1);
        let next = (0..chunks)
            .map(|n| {
                if n + 1 == chunks {
                    NONE
                } else {
                    (n + 1) as u16
                }
            })
            .collect();
        Self {
            bytes: vec![[0; CHUNK]; chunks].into(),
            next,
            free: if chunks == 0 { NONE } else { 0 },
            free_count: chunks,
        }
    }

    /// Stores `payload`; `None` if there is no room.
    pub(super) fn put(&mut self, payload: &[u8]) -> Option<Slot> {
        let len = u16::try_from(payload.len()).ok()?;
        if payload.len().div_ceil(CHUNK).max(1) > self.free_count {
            return None;
        }
        let first = self.free;
        let mut at = first;
        let mut last = first;
        for piece in payload.chunks(CHUNK) {
            let index = usize::from(at);
            self.bytes
                .get_mut(index)?
                .get_mut(..piece.len())?
                .copy_from_slice(piece);
            last = at;
            at = *self.next.get(index)?;
            self.free_count -= 1;
        }
        self.free = at;
        if let Some(end) = self.next.get_mut(usize::from(last)) {
            *end = NONE;
        }
        Some(Slot { first, len })
    }

    /// The payload of `slot` in the pieces in which it lies: all of [`CHUNK`] bytes but the last.
    pub(super) fn pieces(&self, slot: Slot) -> impl Iterator<Item = &[u8]> {
        let mut at = slot.first;
        let mut left = usize::from(slot.len);
        std::iter::from_fn(move || {
            if left == 0 {
                return None;
            }
            let index = usize::from(at);
            let piece = self.bytes.get(index)?.get(..left.min(CHUNK))?;
            at = *self.next.get(index)?;
            left -= piece.len();
            Some(piece)
        })
    }

    /// The payload of `slot`, put together in `scratch`.
    pub(super) fn get<'a>(&self, slot: Slot, scratch: &'a mut [u8]) -> &'a [u8] {
        let mut len = 0;
        for piece in self.pieces(slot) {
            if let Some(out) = scratch.get_mut(len..len + piece.len()) {
                out.copy_from_slice(piece);
                len += piece.len();
            }
        }
        scratch.get(..len).unwrap_or_default()
    }

    /// Tells where the payload of `slot` lies, as far as that can be known without looking far.
    pub(super) fn touches(&self, slot: Slot, tell: &mut Tell<impl FnMut(*const u8, usize)>) {
        self.touches_from(slot.first, tell);
    }

    /// Tells where the next payload will lie.
    pub(super) fn touches_free(&self, tell: &mut Tell<impl FnMut(*const u8, usize)>) {
        self.touches_from(self.free, tell);
    }

    fn touches_from(&self, first: u16, tell: &mut Tell<impl FnMut(*const u8, usize)>) {
        let first = usize::from(first);
        // Mostly the chunks of a payload lie behind each other.
        if let Some(chunks) = self.bytes.get(first..) {
            tell.value(chunks.get(..2).unwrap_or(chunks));
        }
        if let Some(next) = self.next.get(first) {
            tell.value(next);
        }
    }

    /// Gives the room of `slot` back.
    pub(super) fn free(&mut self, slot: Slot) {
        let mut at = slot.first;
        let mut chunks = usize::from(slot.len).div_ceil(CHUNK);
        while chunks > 0 {
            let Some(next) = self.next.get_mut(usize::from(at)) else {
                return;
            };
            let following = std::mem::replace(next, self.free);
            self.free = at;
            self.free_count += 1;
            at = following;
            chunks -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Payloads come out as they went in, in any order, and all room comes back.
        #[test]
        fn payloads_are_kept_whole(
            ops in prop::collection::vec((1usize..1500, any::<bool>(), any::<u8>(), any::<u16>()), 1..200)
        ) {
            let mut store = Store::new(8000);
            let all = store.free_count;
            let mut kept: Vec<(Slot, Vec<u8>)> = Vec::new();
            for (len, put, fill, which) in ops {
                if put || kept.is_empty() {
                    let payload: Vec<u8> = (0..len).map(|n| (n as u8).wrapping_mul(fill)).collect();
                    match store.put(&payload) {
                        Some(slot) => kept.push((slot, payload)),
                        None => prop_assert!(len.div_ceil(CHUNK) > store.free_count),
                    }
                } else {
                    let (slot, _) = kept.swap_remove(usize::from(which) % kept.len());
                    store.free(slot);
                }
                for (slot, payload) in &kept {
                    let mut scratch = [0; 1500];
                    prop_assert_eq!(store.get(*slot, &mut scratch), &payload[..]);
                }
            }
            for (slot, _) in kept {
                store.free(slot);
            }
            prop_assert_eq!(store.free_count, all);
        }
    }
}
