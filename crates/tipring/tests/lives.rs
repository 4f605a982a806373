//! What becomes of calls and phones that do not go the usual way.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use msp_core::provider::Provider;
use tipring::{CallState, EndCause, ErrorKind, EventKind, Phone, PhoneBuilder};

fn builder() -> PhoneBuilder {
    Phone::builder().bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
}

#[tokio::test]
async fn a_call_that_was_never_dialled_ends_when_hung_up() {
    let phone = builder().start().await.unwrap();
    let call = phone.prepare("sip:nobody@127.0.0.1:9").unwrap();
    let ended = call.hang_up().await.unwrap();
    assert_eq!((ended.cause, phone.calls()), (EndCause::LocalHangUp, 0));
    assert_eq!(call.place().unwrap_err().kind(), ErrorKind::WrongState);
    phone.close().await;
}

#[tokio::test]
async fn a_call_is_dialled_once() {
    let (alice, bob) = (
        builder().start().await.unwrap(),
        builder().start().await.unwrap(),
    );
    let call = alice
        .dial(&format!("sip:bob@{}", bob.local_addr()))
        .await
        .unwrap();
    let incoming = bob.next_call().await.unwrap();
    incoming.answer().await.unwrap();
    call.connected().await.unwrap();
    assert_eq!(call.place().unwrap_err().kind(), ErrorKind::WrongState);
    assert_eq!(call.state(), CallState::Connected);
    call.hang_up().await.unwrap();
    assert_eq!(
        incoming.ended().await.unwrap().cause,
        EndCause::RemoteHangUp
    );
    alice.close().await;
    bob.close().await;
}

#[tokio::test]
async fn phones_that_share_a_provider_call_each_other() {
    let engine: Arc<dyn Provider> = Arc::new(builder().engine().unwrap());
    let start = || builder().provider(engine.clone()).start();
    let (alice, bob, carol) = (
        start().await.unwrap(),
        start().await.unwrap(),
        start().await.unwrap(),
    );
    let one = alice
        .dial(&format!("sip:bob@{}", bob.local_addr()))
        .await
        .unwrap();
    let two = carol
        .dial(&format!("sip:alice@{}", alice.local_addr()))
        .await
        .unwrap();
    bob.next_call().await.unwrap().answer().await.unwrap();
    alice.next_call().await.unwrap().answer().await.unwrap();
    one.connected().await.unwrap();
    two.connected().await.unwrap();
    for phone in [alice, bob, carol] {
        phone.close().await;
    }
}

#[tokio::test]
async fn a_phone_that_is_dropped_says_goodbye() {
    let (alice, bob) = (
        builder().start().await.unwrap(),
        builder().start().await.unwrap(),
    );
    let call = alice
        .dial(&format!("sip:bob@{}", bob.local_addr()))
        .await
        .unwrap();
    let incoming = bob.next_call().await.unwrap();
    incoming.answer().await.unwrap();
    call.connected().await.unwrap();
    drop(alice);
    assert_eq!(
        incoming.ended().await.unwrap().cause,
        EndCause::RemoteHangUp
    );
    call.ended().await.unwrap();
    bob.close().await;
}

#[tokio::test]
async fn the_events_of_a_closed_phone_end() {
    let phone = builder().start().await.unwrap();
    let mut events = phone.events();
    let call = phone.prepare("sip:nobody@127.0.0.1:9").unwrap();
    phone.close().await;
    // The call that was left ends with the phone, and then nothing comes any more.
    assert!(matches!(call.state(), CallState::Ended(_)));
    let last = std::iter::from_fn(|| events.try_recv()).last().unwrap();
    assert!(matches!(last.kind, EventKind::Ended(_)), "{last:?}");
    assert_eq!(events.next().await, None);
    assert_eq!(call.hang_up().await.unwrap().cause, EndCause::Unreachable);
}

#[tokio::test]
async fn what_cannot_be_called_is_named() {
    let phone = builder().start().await.unwrap();
    for bad in ["", "sip:", "mailto:a@b", "sip:a b@c", "tel:+123"] {
        let error = phone.dial(bad).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidUri, "{bad}");
        assert!(error.to_string().contains(&format!("'{bad}'")), "{error}");
    }
    let taken = Phone::builder()
        .bind(phone.local_addr())
        .start()
        .await
        .unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::PortInUse);
    assert!(
        taken.to_string().contains(&phone.local_addr().to_string()),
        "{taken}"
    );
    phone.close().await;
}
