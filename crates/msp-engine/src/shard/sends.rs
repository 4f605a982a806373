//! Packets that a shard has made in a slice and that its driver is to send.

use std::net::SocketAddr;
use std::ops::Range;

use crate::driver::SocketId;

/// Bytes kept ready for each stream pair: a packet of media, and now and then a report.
const BYTES: usize = 512;

/// Packets kept ready for each stream pair.
const PACKETS: usize = 2;

/// Bytes kept ready for packets of unusual length, whoever sends them.
const SPARE: usize = 16 * 1024;

/// One packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Send<'a> {
    pub(crate) socket: SocketId,
    pub(crate) to: SocketAddr,
    pub(crate) bytes: &'a [u8],
}

/// Packets in the order in which they were made.
#[derive(Debug, Default)]
pub(crate) struct Sends {
    bytes: Vec<u8>,
    packets: Vec<(SocketId, SocketAddr, Range<usize>)>,
}

impl Sends {
    /// Has room for what `pairs` stream pairs send in a slice.
    pub(crate) fn reserve(&mut self, pairs: usize) {
        let (bytes, packets) = (SPARE + pairs * BYTES, 16 + pairs * PACKETS);
        self.bytes.reserve(bytes.saturating_sub(self.bytes.len()));
        self.packets
            .reserve(packets.saturating_sub(self.packets.len()));
    }

    /// Adds a packet. Whether there was room.
    #[must_use]
    pub(crate) fn push(&mut self, socket: SocketId, to: SocketAddr, bytes: &[u8]) -> bool {
        let start = self.bytes.len();
        let fits = self.bytes.capacity() - start >= bytes.len()
            && self.packets.len() < self.packets.capacity();
        if fits {
            self.bytes.extend_from_slice(bytes);
            self.packets.push((socket, to, start..self.bytes.len()));
        }
        fits
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Send<'_>> {
        self.packets.iter().map(|(socket, to, range)| Send {
            socket: *socket,
            to: *to,
            bytes: self.bytes.get(range.clone()).unwrap_or_default(),
        })
    }

    /// Forgets the packets, keeps the room.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.packets.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_out_as_they_went_in_and_nothing_grows() {
        let mut sends = Sends::default();
        let to = "127.0.0.1:4000".parse().unwrap();
        assert!(!sends.push(SocketId(1), to, &[1]));
        sends.reserve(2);
        let room = sends.bytes.capacity();
        let mut pushed = 0;
        while sends.push(SocketId(pushed), to, &[pushed as u8; 1400]) {
            pushed += 1;
        }
        assert!(pushed >= 10);
        assert_eq!(sends.bytes.capacity(), room);
        for (n, send) in sends.iter().enumerate() {
            assert_eq!(
                (send.socket.0, send.bytes),
                (n as u32, &[n as u8; 1400][..])
            );
        }
        sends.clear();
        assert_eq!(sends.iter().count(), 0);
        assert!(sends.push(SocketId(0), to, &[0; 1400]));
    }
}
