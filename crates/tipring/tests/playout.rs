//! What playout does about the network, as a phone is told.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use common::connect;
use tipring::Phone;
use tipring::msp_core::media::Direction;
use tipring::msp_engine::PlayoutMode;
use tipring::terminals::Tone;

// Shows: a phone follows the network with the delay of playout, or waits as long as it is told
#[tokio::test]
async fn a_phone_follows_the_network_or_waits_as_it_is_told() {
    let builder = || Phone::builder().bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let talker = builder().start().await.unwrap();
    let adaptive = builder().start().await.unwrap();
    let fixed = builder().playout(PlayoutMode::Fixed).start().await.unwrap();
    let mut targets = Vec::new();
    for listener in [&adaptive, &fixed] {
        let (call, at_listener) = connect(&talker, listener).await;
        let tone = Tone::new(500.0, -20.0).unwrap();
        call.select(Direction::Capture, tone).unwrap();
        let mut playout = at_listener.stats().playout;
        for _ in 0..500 {
            if playout.normal > 8_000 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            playout = at_listener.stats().playout;
        }
        assert!(playout.normal > 8_000, "{playout:?}");
        targets.push(playout.target);
    }
    // This machine's own network delays nothing worth waiting for.
    assert!(targets[0] <= Duration::from_millis(40), "{targets:?}");
    assert_eq!(targets[1], Duration::from_millis(60));
}
