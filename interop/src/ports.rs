//! Ports that nobody has: rows of them, each handed out once in a run.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};
use std::sync::{Mutex, PoisonError};

use crate::error::Error;

/// Below the ports that systems hand out by themselves.
const FIRST: u16 = 21_000;
const LAST: u16 = 31_000;
const BLOCK: u16 = 10;

static NEXT: Mutex<Option<u16>> = Mutex::new(None);

/// The first of ten ports, an even number, all of them free for UDP and TCP right now.
pub(crate) fn block() -> Result<u16, Error> {
    row(BLOCK)
}

/// The same for `count` ports, rounded up to tens.
pub(crate) fn row(count: u16) -> Result<u16, Error> {
    let count = count.div_ceil(BLOCK) * BLOCK;
    let mut next = NEXT.lock().unwrap_or_else(PoisonError::into_inner);
    let mut first = next.unwrap_or_else(somewhere);
    for _ in 0..2 * (LAST - FIRST) / BLOCK {
        if first + count > LAST {
            first = FIRST;
        }
        match (first..first + count).rev().find(|port| !is_free(*port)) {
            Some(taken) => first = taken + BLOCK - taken % BLOCK,
            None => {
                *next = Some(first + count);
                return Ok(first);
            }
        }
    }
    Err(Error::new(format!(
        "no {count} free ports in a row between {FIRST} and {LAST}"
    )))
}

/// Differs from one run to the next, so that two runs seldom meet.
fn somewhere() -> u16 {
    let blocks = u32::from((LAST - FIRST) / BLOCK);
    FIRST + u16::try_from((std::process::id() * 7) % blocks).unwrap_or(0) * BLOCK
}

fn is_free(port: u16) -> bool {
    let v4 = IpAddr::from(Ipv4Addr::LOCALHOST);
    let v6 = IpAddr::from(Ipv6Addr::LOCALHOST);
    UdpSocket::bind((v4, port)).is_ok()
        && TcpListener::bind((v4, port)).is_ok()
        && (UdpSocket::bind((v6, port)).is_ok() || UdpSocket::bind((v6, 0)).is_err())
}
