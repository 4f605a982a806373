//! Packets that wait until it is known whether they may be heard.

use std::collections::VecDeque;
use std::net::SocketAddr;

use msp_core::time::Instant;

/// Packets that are held at most.
const MAX_HELD: usize = 32;
/// The longest packet that is held.
pub(super) const MAX_LEN: usize = 1500;

/// A packet that is held.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) at: Instant,
    pub(super) from: SocketAddr,
    /// It was checked and opened already.
    pub(super) open: bool,
    len: usize,
}

/// Holds packets in a fixed room, the newest if there are too many.
#[derive(Debug)]
pub(super) struct Hold {
    entries: VecDeque<Held>,
    bytes: Box<[u8]>,
    used: usize,
}

impl Hold {
    pub(super) fn new(bytes: usize) -> Self {
        Self {
            entries: VecDeque::with_capacity(MAX_HELD),
            bytes: vec![0; bytes].into(),
            used: 0,
        }
    }

    /// Holds `packet`, and returns how many had to go for it; itself if it is longer than the room.
    pub(super) fn put(&mut self, at: Instant, from: SocketAddr, open: bool, packet: &[u8]) -> u64 {
        let len = packet.len();
        if len > self.bytes.len().min(MAX_LEN) {
            return 1;
        }
        let mut gone = 0;
        while self.entries.len() >= MAX_HELD || self.used + len > self.bytes.len() {
            if self.remove(0).is_none() {
                return 1;
            }
            gone += 1;
        }
        if let Some(room) = self.bytes.get_mut(self.used..self.used + len) {
            room.copy_from_slice(packet);
        }
        self.used += len;
        self.entries.push_back(Held {
            at,
            from,
            open,
            len,
        });
        gone
    }

    /// Takes the oldest packet that `wanted` says yes to, copies it to `out`, and returns it with its length.
    pub(super) fn take(
        &mut self,
        out: &mut [u8; MAX_LEN],
        mut wanted: impl FnMut(&Held, &[u8]) -> bool,
    ) -> Option<(Held, usize)> {
        let mut offset = 0;
        let index = self.entries.iter().position(|held| {
            let packet = self.bytes.get(offset..offset + held.len);
            offset += held.len;
            packet.is_some_and(|p| wanted(held, p))
        })?;
        let held = *self.entries.get(index)?;
        let end = offset;
        let packet = self.bytes.get(end - held.len..end)?;
        out.get_mut(..held.len)?.copy_from_slice(packet);
        self.remove(index);
        Some((held, held.len))
    }

    /// How many are held.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    fn remove(&mut self, index: usize) -> Option<()> {
        let offset: usize = self.entries.iter().take(index).map(|e| e.len).sum();
        let held = self.entries.remove(index)?;
        self.bytes.copy_within(offset + held.len..self.used, offset);
        self.used -= held.len;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_stay_and_any_can_be_taken() {
        let from: SocketAddr = "192.0.2.1:9".parse().unwrap();
        let mut hold = Hold::new(1000);
        let mut gone = 0;
        for n in 0..10u8 {
            gone += hold.put(Instant::ZERO, from, false, &[n; 300]);
        }
        assert_eq!((gone, hold.len()), (7, 3));
        let mut out = [0; MAX_LEN];
        let (_, len) = hold.take(&mut out, |_, p| p[0] == 8).unwrap();
        assert_eq!(out[..len], [8; 300]);
        assert!(hold.take(&mut out, |_, p| p[0] == 8).is_none());
        hold.take(&mut out, |_, _| true).unwrap();
        assert_eq!(out[0], 7);
        assert_eq!(hold.put(Instant::ZERO, from, false, &[1; 1001]), 1);
        assert_eq!(hold.len(), 1);
    }
}
