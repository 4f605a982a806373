//! A UDP socket that tells when the system received each datagram: for tools and measurements beside the engine.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsFd;

use msp_core::time::Instant;

use crate::clock::{Clock, SystemClock};
use crate::driver::Driver;
use crate::driver::epoll::Epoll;
use crate::sys::Batch;

/// See the module. It never blocks.
#[derive(Debug)]
pub struct TimedSocket {
    socket: UdpSocket,
    batch: Batch,
}

impl TimedSocket {
    /// Binds `address`.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn bind(address: SocketAddr) -> io::Result<Self> {
        Ok(Self {
            socket: Epoll.bind(address)?,
            batch: Batch::new(),
        })
    }

    /// Its address.
    ///
    /// # Errors
    /// Whatever the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Sends a datagram.
    ///
    /// # Errors
    /// Whatever the system says, also that it would block.
    pub fn send_to(&self, bytes: &[u8], to: SocketAddr) -> io::Result<usize> {
        self.socket.send_to(bytes, to)
    }

    /// Takes everything that waits: who sent it, when the system received it on the time of [`SystemClock`], and its bytes.
    ///
    /// # Errors
    /// Whatever the system says, but not that nothing waits.
    pub fn drain(
        &mut self,
        mut take: impl FnMut(SocketAddr, Instant, &mut [u8]),
    ) -> io::Result<()> {
        let now = SystemClock.now();
        let socket = self.socket.as_fd();
        self.batch.drain(socket, usize::MAX, &mut |r| {
            take(r.from, now - r.age, r.bytes);
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_was_received_before_it_was_taken() {
        let local = "127.0.0.1:0".parse().unwrap();
        let (mut to, from) = (
            TimedSocket::bind(local).unwrap(),
            TimedSocket::bind(local).unwrap(),
        );
        let before = SystemClock.now();
        from.send_to(b"x", to.local_addr().unwrap()).unwrap();
        let mut got = Vec::new();
        to.drain(|sender, at, bytes| got.push((sender, at, bytes.to_vec())))
            .unwrap();
        let [(sender, at, bytes)] = &got[..] else {
            panic!("{got:?}")
        };
        assert_eq!(
            (*sender, &bytes[..]),
            (from.local_addr().unwrap(), &b"x"[..])
        );
        // The two clocks are read one after the other: allow a moment between them.
        let slack = std::time::Duration::from_millis(2);
        assert!(*at + slack >= before && *at <= SystemClock.now());
    }
}
