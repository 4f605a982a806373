//! Calls that are passed on and messages, over real sockets.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::net::{Ipv4Addr, SocketAddr};

use common::{connect, uri};
use tipring::{EndCause, ErrorKind, EventKind, Events, Phone};

async fn phone(user: &str) -> Phone {
    let bind = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    Phone::builder()
        .bind(bind)
        .user(user)
        .start()
        .await
        .unwrap()
}

async fn requested(events: &mut Events) -> (Box<str>, bool) {
    loop {
        let event = events.next().await.expect("a wish");
        if let EventKind::TransferRequested { to, consulted, .. } = event.kind {
            return (to, consulted);
        }
    }
}

// Shows: blind transfer of a phone's calls over real sockets | RFC 5589 6, interop row 42
#[tokio::test]
async fn a_call_is_passed_on_blindly() {
    let (alice, bob, carol) = (
        phone("alice").await,
        phone("bob").await,
        phone("carol").await,
    );
    let (call, at_bob) = connect(&alice, &bob).await;
    let mut events = at_bob.events();
    let target = uri("carol", &carol);
    let passing = async { call.transfer(&target).await };
    let following = async {
        assert_eq!(
            requested(&mut events).await,
            (target.as_str().into(), false)
        );
        let new = at_bob.follow_transfer().unwrap();
        assert_eq!(
            at_bob.follow_transfer().unwrap_err().kind(),
            ErrorKind::WrongState
        );
        let at_carol = carol.next_call().await.unwrap();
        at_carol.answer().await.unwrap();
        new.connected().await.unwrap();
        (new, at_carol)
    };
    let (passed, (new, at_carol)) = tokio::join!(passing, following);
    passed.unwrap();
    assert_eq!(at_bob.ended().await.unwrap().cause, EndCause::RemoteHangUp);
    new.hang_up().await.unwrap();
    at_carol.ended().await.unwrap();
    // What is declined leaves the call.
    let (call, at_bob) = connect(&alice, &bob).await;
    let mut events = at_bob.events();
    let declining = async {
        requested(&mut events).await;
        at_bob.decline_transfer().unwrap();
    };
    let (passed, ()) = tokio::join!(call.transfer(&target), declining);
    assert_eq!(passed.unwrap_err().status(), Some(603));
    call.hang_up().await.unwrap();
}

// Shows: consultation transfer of a phone's calls over real sockets | RFC 5589 7, interop row 43
#[tokio::test]
async fn a_call_is_passed_on_with_a_consultation() {
    let (alice, bob, carol) = (
        phone("alice").await,
        phone("bob").await,
        phone("carol").await,
    );
    let (call, at_bob) = connect(&alice, &bob).await;
    let (consultation, at_carol) = connect(&alice, &carol).await;
    let mut events = at_bob.events();
    let following = async {
        assert!(requested(&mut events).await.1);
        let new = at_bob.follow_transfer().unwrap();
        new.connected().await.unwrap();
        new
    };
    let (passed, new) = tokio::join!(call.transfer_to(&consultation), following);
    passed.unwrap();
    assert_eq!(at_carol.ended().await.unwrap().cause, EndCause::Replaced);
    consultation.ended().await.unwrap();
    // It was taken by itself: the one at the other end is the same.
    let at_carol = carol.next_call().await.unwrap();
    at_carol.connected().await.unwrap();
    new.hang_up().await.unwrap();
    at_carol.ended().await.unwrap();
}

// Shows: messages between phones over real sockets | RFC 3428
#[tokio::test]
async fn a_message_reaches_a_phone() {
    let (alice, bob) = (phone("alice").await, phone("bob").await);
    let mut events = bob.events();
    alice.message(&uri("bob", &bob), "Watson").await.unwrap();
    let event = events.next().await.unwrap();
    let EventKind::Message { body, from, .. } = event.kind else {
        panic!("{event:?}")
    };
    assert_eq!(
        (&body[..], &*from),
        (&b"Watson"[..], "<sip:alice@127.0.0.1>")
    );
    let long = "x".repeat(2000);
    let error = alice.message(&uri("bob", &bob), &long).await.unwrap_err();
    assert_eq!(error.status(), Some(513));
}
