//! Calls between two engines over real UDP sockets on this machine.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops where something is not as it should be"
)]

mod common;

use common::{Ear, End, Mouth, connect, find, prepare, rest, speech, wait_for};
use msp_codecs::{Pcmu, round_trip};
use msp_core::event::Cause;
use msp_core::link::{OfferRole, ToMsp, ToTsp};
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

/// An address of this machine that is none of the loopback, if there is one.
fn address_of_ours() -> Option<IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent.
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip())
}

// Shows: ports that are bound to all addresses are told anew where they are reached when a call is changed | interop row 46
#[test]
fn a_change_of_the_call_tells_where_its_ports_are_reached_now() {
    let Some(ours) = address_of_ours().filter(|ip| !ip.is_loopback()) else {
        println!("this machine has no address besides the loopback: skipped");
        return;
    };
    let engine = engine("0.0.0.0", 46_200..=46_219);
    let end = End::new(&engine, "alice");
    let mut places = Vec::new();
    // The way to ourselves begins where it ends.
    for (generation, toward) in [(0, "127.0.0.1".parse().unwrap()), (1, ours)] {
        end.say_on(0, generation, prepare(OfferRole::Offerer, toward));
        let ToTsp::Local(local) = end.answer(&mut rest) else {
            panic!()
        };
        places.push(local[0].local.unwrap().advertised);
    }
    assert_eq!(places[0].ip(), IpAddr::from([127, 0, 0, 1]));
    assert_eq!((places[1].ip(), places[1].port()), (ours, places[0].port()));
}
