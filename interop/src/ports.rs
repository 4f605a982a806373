//! Ports that nobody has: rows of them for one case each.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};

use crate::error::Error;

const FIRST: u16 = 21_000;
const LAST: u16 = 31_000;
const BLOCK: u16 = 10;

/// Hands out ports, each once in a run.
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
        self.row(BLOCK)
    }

    /// The same for `count` ports, rounded up to whole blocks.
    pub(crate) fn row(&mut self, count: u16) -> Result<u16, Error> {
        let count = count.div_ceil(BLOCK) * BLOCK;
        for _ in 0..(LAST - FIRST) / BLOCK {
            let first = if self.next + count > LAST {
                FIRST
            } else {
                self.next
            };
            if let Some(taken) = (first..first + count).rev().find(|port| !is_free(*port)) {
                self.next = taken + BLOCK - taken % BLOCK;
            } else {
                self.next = first + count;
                return Ok(first);
            }
        }
        Err(Error::new(format!(
            "no {count} free ports in a row between {FIRST} and {LAST}"
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
