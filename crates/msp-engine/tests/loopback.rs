//! Calls between two engines over real UDP sockets on this machine.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops where something is not as it should be"
)]

mod common;

use common::{Ear, End, Mouth, connect, find, rest, speech, wait_for};
use msp_codecs::{Pcmu, round_trip};
use msp_core::event::Cause;
use msp_core::link::ToMsp;
use msp_core::provider::MediaCallState;
use msp_engine::{Engine, EngineConfig};
use std::net::IpAddr;

fn engine(ip: &str, ports: std::ops::RangeInclusive<u16>) -> Engine {
    let config = EngineConfig::default()
        .bind(vec![ip.parse().unwrap()])
        .ports(ports)
        .shards(1);
    Engine::start(config).unwrap()
}

fn call_carries_speech(ip: &str, base: u16) {
    let one = engine(ip, base..=base + 19);
    let two = engine(ip, base + 20..=base + 39);
    let (a, b) = (End::new(&one, "alice"), End::new(&two, "bob"));
    let (said_a, said_b) = (speech(1, 8000, 8000), speech(2, 8000, 8000));
    let (mouth_a, mouth_b) = (Mouth::new(said_a.clone()), Mouth::new(said_b.clone()));
    let (ear_a, ear_b) = (Ear::new(), Ear::new());
    a.capture().select(mouth_a).unwrap();
    a.render().select(ear_a.clone()).unwrap();
    b.capture().select(mouth_b).unwrap();
    b.render().select(ear_b.clone()).unwrap();
    let toward: IpAddr = ip.parse().unwrap();
    connect(&a, &b, toward, &mut rest);
    assert_eq!(a.call.state(), MediaCallState::Connected);

    let expected = |said: &[i16]| round_trip(&Pcmu, said).unwrap();
    for (ear, said) in [(&ear_a, &said_b), (&ear_b, &said_a)] {
        wait_for("the end of the speech is heard", || {
            ear.samples().len() > said.len() + 3000
        });
        let heard = ear.samples();
        // On a busy machine a frame may come late; the most of it must be there as a piece.
        let whole = expected(said);
        let pieces = whole
            .chunks(800)
            .filter(|p| find(&heard, p).is_some())
            .count();
        assert!(pieces >= 8, "{pieces} of 10 pieces were heard");
    }
    for end in [&a, &b] {
        end.say(ToMsp::Disconnected {
            cause: Cause::RemoteRequest,
        });
    }
    wait_for("ports are released", || {
        one.live_pairs() == 0 && two.live_pairs() == 0
    });
    assert_eq!(a.call.state(), MediaCallState::Disconnected);
    one.close();
    two.close();
}

// Shows: speech over real sockets, IPv4 and IPv6
#[test]
fn speech_is_heard_over_ipv4() {
    call_carries_speech("127.0.0.1", 21_000);
}

// Shows: speech over real sockets, IPv4 and IPv6
#[test]
fn speech_is_heard_over_ipv6() {
    call_carries_speech("::1", 21_100);
}
