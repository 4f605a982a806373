//! Calls in virtual time: what is heard, to the sample.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops where something is not as it should be"
)]

mod common;

use std::time::Duration;

use common::world::{A, B, World, ip};
use common::{Ear, Mouth, find, speech};
use msp_codecs::{CodecFactory, CodecRegistry, round_trip};
use netsim::Impairment;

fn codec(name: &str) -> std::sync::Arc<dyn CodecFactory> {
    let codecs = CodecRegistry::builtin().select([name]).unwrap();
    codecs.iter().next().unwrap().clone()
}

/// Over a clean network not one sample differs from the codec's offline round trip, and the delay is exactly what it is
/// said to be: a packet's length, the way, and playout's target rounded up to whole frames.
fn heard_to_the_sample(name: &str, ptime_ms: u64, way_ms: u64) {
    let codec = codec(name);
    let rate = codec.info().sample_rate.hz();
    let mut world = World::with(11, |c| {
        c.codecs(CodecRegistry::builtin().select([name]).unwrap())
            .ptime(Duration::from_millis(ptime_ms))
            .playout_target(Duration::from_millis(60))
    });
    let way: Impairment = format!("delay={way_ms}ms").parse().unwrap();
    world.sim.with_network(|n| n.link_both(ip(A), ip(B), way));
    let (a, b) = world.ends();
    let said = [
        speech(1, rate as usize * 3, rate),
        speech(2, rate as usize * 3, rate),
    ];
    let (mouth_a, mouth_b) = (Mouth::new(said[0].clone()), Mouth::new(said[1].clone()));
    let (ear_a, ear_b) = (Ear::new(), Ear::new());
    a.render().select(ear_a.clone()).unwrap();
    b.render().select(ear_b.clone()).unwrap();
    world.agree(&a, &b);
    // From the first packet on; nobody spoke before.
    world.run_ms(200);
    a.capture().select(mouth_a.clone()).unwrap();
    b.capture().select(mouth_b).unwrap();
    world.run_ms(4000);
    assert_eq!(*mouth_a.rate.lock().unwrap(), rate);
    for (ear, said) in [(&ear_b, &said[0]), (&ear_a, &said[1])] {
        let expected = round_trip(&*codec, said).unwrap();
        let heard = ear.samples();
        assert!(
            find(&heard, &expected).is_some(),
            "{name}: not heard to the sample"
        );
    }
    for end in [&a, &b] {
        let stats = end.render().stats();
        assert_eq!(stats.received.lost, 0);
        assert_eq!((stats.playout.concealed, stats.playout.warped), (0, 0));
        assert_eq!(stats.drops.total(), 0, "{:?}", stats.drops);
    }
}

#[test]
fn g711_is_heard_to_the_sample() {
    heard_to_the_sample("PCMU", 20, 10);
    heard_to_the_sample("PCMA", 20, 0);
    heard_to_the_sample("PCMU", 30, 35);
    heard_to_the_sample("PCMA", 10, 3);
}

#[test]
fn l16_is_heard_to_the_sample() {
    heard_to_the_sample("L16/16000", 20, 10);
    heard_to_the_sample("L16/48000", 20, 10);
    heard_to_the_sample("L16/44100", 10, 7);
}
