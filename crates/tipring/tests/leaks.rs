//! A thousand calls leave nothing behind: threads, descriptors and memory are back where they were.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::{Ipv4Addr, SocketAddr};

use tipring::{ErrorKind, Phone, Timers};

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

/// Opens and closes `n` calls, some at a time.
async fn calls(alice: &Phone, uri: &str, n: usize, refused: &mut usize) {
    for _ in 0..n / 10 {
        let mut open = Vec::new();
        for _ in 0..10 {
            open.push(alice.dial(uri).await.unwrap());
        }
        for call in &open {
            match call.connected().await {
                Ok(()) => {}
                // A machine that is busy with other things lets the engine refuse; that too must leave nothing.
                Err(e) if e.kind() == ErrorKind::Refused || e.kind() == ErrorKind::Media => {
                    *refused += 1;
                }
                Err(e) => panic!("{e}"),
            }
        }
        for call in &open {
            call.hang_up().await.unwrap();
        }
    }
}

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
                call.ended().await.unwrap();
                over.send(()).unwrap();
            });
        }
    });

    // Pools and tables take the size that they need in the first hundreds.
    let mut refused = 0;
    calls(&alice, &uri, 1000, &mut refused).await;
    let warm = (threads(), resident());
    calls(&alice, &uri, 1000, &mut refused).await;
    let after = (threads(), resident());
    assert_eq!(after.0, warm.0, "threads");
    let grown = after.1.saturating_sub(warm.1);
    assert!(grown < 4 * 1024, "{grown} KiB more after a thousand calls");
    assert!(refused < 1000, "most calls were refused");
    for _ in 0..2000 {
        overs.recv().await.unwrap();
    }
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
