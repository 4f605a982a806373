//! States that phones tell each other of, over real sockets.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tipring::{DialogState, Notice, Package, Phone, Subscription, SubscriptionKind, Watchers};

async fn phone(user: &str, watchers: Watchers) -> Phone {
    let bind = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let phone = Phone::builder().bind(bind).user(user).watchers(watchers);
    phone.start().await.unwrap()
}

async fn lamp(subscription: &mut Subscription) -> Option<DialogState> {
    loop {
        match subscription.next().await.expect("a state") {
            SubscriptionKind::Notified {
                notice: Notice::Dialogs(info),
                ..
            } => return info.lamp(),
            SubscriptionKind::Active => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn ended(subscription: &mut Subscription) -> Option<u16> {
    loop {
        match subscription.next().await.expect("an end") {
            SubscriptionKind::Ended { status, .. } => return status.map(|s| s.code()),
            SubscriptionKind::Interrupted { .. } => panic!("it is over"),
            _ => {}
        }
    }
}

// Shows: busy lamp between phones over real sockets: ringing, up, over, left | RFC 4235, interop row 45
#[tokio::test]
async fn a_phone_watches_the_calls_of_another() {
    let alice = phone("alice", Watchers::Anybody).await;
    let (bob, carol) = (
        phone("bob", Watchers::Nobody).await,
        phone("carol", Watchers::Nobody).await,
    );
    let uri = format!("sip:alice@{}", alice.local_addr());
    let hour = Duration::from_secs(3600);
    let mut watching = carol.subscribe(&uri, Package::Dialog, hour).unwrap();
    assert_eq!(lamp(&mut watching).await, None);
    let call = bob.dial(&uri).await.unwrap();
    let at_alice = alice.next_call().await.unwrap();
    at_alice.ring().unwrap();
    assert_eq!(lamp(&mut watching).await, Some(DialogState::Early));
    at_alice.answer().await.unwrap();
    assert_eq!(lamp(&mut watching).await, Some(DialogState::Confirmed));
    call.hang_up().await.unwrap();
    assert_eq!(lamp(&mut watching).await, Some(DialogState::Terminated));
    let mut once = carol
        .subscribe(&uri, Package::Dialog, Duration::ZERO)
        .unwrap();
    assert_eq!(lamp(&mut once).await, None);
    assert_eq!(ended(&mut once).await, None);
    assert_eq!(once.next().await, None);
    watching.end().unwrap();
    assert_eq!(ended(&mut watching).await, None);
    // Who does not want to be watched is not, and what is not known is said so.
    let uri = format!("sip:bob@{}", bob.local_addr());
    let mut refused = carol.subscribe(&uri, Package::Dialog, hour).unwrap();
    assert_eq!(ended(&mut refused).await, Some(403));
    let mut unknown = carol.subscribe(&uri, Package::Presence, hour).unwrap();
    assert_eq!(ended(&mut unknown).await, Some(489));
    assert_eq!(unknown.missed(), 0);
}
