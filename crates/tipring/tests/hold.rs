//! Holding a call between two phones over real sockets.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tipring::msp_core::media::Direction;
use tipring::terminals::Tone;
use tipring::{Call, CallState, EventKind, Phone, PhoneBuilder, Side};

fn builder() -> PhoneBuilder {
    Phone::builder().bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
}

async fn reaches(call: &Call, wanted: CallState) {
    while call.state() != wanted {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until more sound has come than before.
async fn hears(call: &Call) {
    let before = call.stats().received.packets;
    while call.stats().received.packets <= before {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until what was on its way has arrived and nothing more comes at either end.
async fn falls_silent(calls: [&Call; 2]) {
    let packets = || calls.map(|c| c.stats().received.packets);
    let mut before = packets();
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let now = packets();
        if now == before {
            return;
        }
        before = now;
    }
    panic!("{before:?} packets, and more");
}

// Shows: hold and resume, told apart by who holds, with silence meanwhile | RFC 3264 8.4, interop row 38
#[tokio::test]
async fn a_call_is_held_and_taken_up_again() {
    let (alice, bob) = (
        builder().start().await.unwrap(),
        builder().start().await.unwrap(),
    );
    let call = alice
        .dial(&format!("sip:bob@{}", bob.local_addr()))
        .await
        .unwrap();
    let incoming = bob.next_call().await.unwrap();
    assert!(call.hold().await.is_err(), "there is nothing to hold");
    incoming.answer().await.unwrap();
    call.connected().await.unwrap();
    for call in [&call, &incoming] {
        call.select(Direction::Capture, Tone::new(440.0, -20.0).unwrap())
            .unwrap();
    }
    hears(&call).await;
    hears(&incoming).await;
    let mut events = incoming.events();
    call.hold().await.unwrap();
    assert_eq!(
        call.state(),
        CallState::Held {
            local: true,
            remote: false
        }
    );
    reaches(
        &incoming,
        CallState::Held {
            local: false,
            remote: true,
        },
    )
    .await;
    falls_silent([&call, &incoming]).await;
    incoming.hold().await.unwrap();
    assert_eq!(
        incoming.state(),
        CallState::Held {
            local: true,
            remote: true
        }
    );
    call.resume().await.unwrap();
    reaches(
        &incoming,
        CallState::Held {
            local: true,
            remote: false,
        },
    )
    .await;
    incoming.resume().await.unwrap();
    reaches(&call, CallState::Connected).await;
    hears(&call).await;
    hears(&incoming).await;
    let mut told = Vec::new();
    while let Some(event) = events.try_recv() {
        if matches!(event.kind, EventKind::Held(_) | EventKind::Resumed(_)) {
            told.push(event.kind);
        }
    }
    assert_eq!(
        told,
        [
            EventKind::Held(Side::Remote),
            EventKind::Held(Side::Local),
            EventKind::Resumed(Side::Remote),
            EventKind::Resumed(Side::Local)
        ]
    );
    call.hang_up().await.unwrap();
    alice.close().await;
    bob.close().await;
}
