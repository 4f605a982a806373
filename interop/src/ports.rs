//! Ports that nobody has: blocks of ten for one case each.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};

use crate::error::Error;

const FIRST: u16 = 21_000;
const LAST: u16 = 31_000;
const BLOCK: u16 = 10;

/// Hands out blocks of ports, each block once in a run.
pub(crate) struct Ports {
    next: u16,
}

impl Ports {
    /// Starts at a place that differs from one run to the next, so that two runs seldom meet.
    pub(crate) fn new() -> Self {
        let blocks = u32::from((LAST - FIRST) / BLOCK);
        let start = (std::process::id() * 7) % blocks;
        Self {
            next: FIRST + u16::try_from(start).unwrap_or(0) * BLOCK,
        }
    }

    /// The first of ten ports, an even number, all of them free for UDP and TCP right now.
    pub(crate) fn block(&mut self) -> Result<u16, Error> {
        for _ in 0..(LAST - FIRST) / BLOCK {
            let first = self.next;
            self.next = if first + BLOCK >= LAST {
                FIRST
            } else {
                first + BLOCK
            };
            if (first..first + BLOCK).all(is_free) {
                return Ok(first);
            }
        }
        Err(Error::new(format!(
            "no ten free ports in a row between {FIRST} and {LAST}"
        )))
    }
}

fn is_free(port: u16) -> bool {
    let v4 = IpAddr::from(Ipv4Addr::LOCALHOST);
    let v6 = IpAddr::from(Ipv6Addr::LOCALHOST);
    UdpSocket::bind((v4, port)).is_ok()
        && TcpListener::bind((v4, port)).is_ok()
        && (UdpSocket::bind((v6, port)).is_ok() || UdpSocket::bind((v6, 0)).is_err())
}
