//! A thousand calls leave nothing behind: threads, descriptors and memory are back where they were.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::{Ipv4Addr, SocketAddr};

use tipring::{EndCause, ErrorKind, Phone, Timers};

fn local() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

fn threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Resident memory in KiB.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// What an engine says that has as much work as it can do in time. A machine that is busy with other things makes it say so;
/// a call that was refused for any other reason, for want of a port for instance, is a finding.
const ADMISSION: &str = "every media thread: no more work can be taken";

/// How many calls were tried, and what became of them.
#[derive(Debug, Default)]
struct Calls {
    dialled: usize,
    connected: usize,
    /// Our own engine refused, so that nobody heard of the call.
    unheard: usize,
    /// The other end refused.
    refused: usize,
}

impl Calls {
    /// Opens and closes calls, some at a time, until `n` more were connected.
    async fn open(&mut self, alice: &Phone, uri: &str, n: usize) {
        let (enough, most) = (self.connected + n, self.dialled + 2 * n);
        while self.connected < enough {
            let mut open = Vec::new();
            for _ in 0..10.min(enough - self.connected) {
                open.push(alice.dial(uri).await.unwrap());
            }
            self.dialled += open.len();
            assert!(self.dialled <= most, "the machine is too busy: {self:?}");
            for call in &open {
                match call.connected().await {
                    Ok(()) => self.connected += 1,
                    Err(e) if e.kind() == ErrorKind::Media => {
                        assert!(e.to_string().contains(ADMISSION), "{e}");
                        self.unheard += 1;
                    }
                    // Why is for the other end to tell.
                    Err(e) if e.status() == Some(503) => self.refused += 1,
                    Err(e) => panic!("{e}"),
                }
            }
            for call in &open {
                call.hang_up().await.unwrap();
            }
        }
    }
}

// Shows: a thousand calls leave nothing behind
#[tokio::test]
async fn a_thousand_calls_leave_nothing() {
    let before = (threads(), descriptors());
    // Finished transactions are remembered for 64 times T1 (RFC 3261 timers J and L): with this T1 for a part of the time
    // that the calls take, so that what is left at the end is left for good.
    let ms = std::time::Duration::from_millis;
    let timers = Timers {
        t1: ms(5),
        t2: ms(40),
        t4: ms(50),
    };
    let phone = || Phone::builder().bind(local()).timers(timers).start();
    let alice = phone().await.unwrap();
    let bob = std::sync::Arc::new(phone().await.unwrap());
    let uri = format!("sip:bob@{}", bob.local_addr());
    let answering = bob.clone();
    let (over, mut overs) = tokio::sync::mpsc::unbounded_channel();
    let answers = tokio::spawn(async move {
        while let Some(call) = answering.next_call().await {
            call.start_answer().unwrap();
            let over = over.clone();
            tokio::spawn(async move {
                over.send(call.ended().await.unwrap()).unwrap();
            });
        }
    });

    // Pools and tables take the size that they need in the first hundreds.
    let mut calls = Calls::default();
    calls.open(&alice, &uri, 1000).await;
    let warm = (threads(), resident());
    calls.open(&alice, &uri, 1000).await;
    let after = (threads(), resident());
    assert_eq!(after.0, warm.0, "threads");
    let grown = after.1.saturating_sub(warm.1);
    assert!(grown < 4 * 1024, "{grown} KiB more after a thousand calls");
    let mut refused = 0;
    for _ in 0..calls.dialled - calls.unheard {
        let ended = overs.recv().await.unwrap();
        if ended.cause == EndCause::Media {
            assert_eq!(&*ended.reason, ADMISSION);
            refused += 1;
        }
    }
    assert_eq!(refused, calls.refused, "{calls:?}");
    assert_eq!((alice.calls(), bob.calls()), (0, 0));

    alice.close().await;
    answers.abort();
    let _aborted = answers.await;
    std::sync::Arc::into_inner(bob).unwrap().close().await;
    assert_eq!(
        (threads(), descriptors()),
        before,
        "threads and descriptors"
    );
}
