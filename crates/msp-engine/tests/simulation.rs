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
use msp_engine::PlayoutMode;
use netsim::Impairment;

fn codec(name: &str) -> std::sync::Arc<dyn CodecFactory> {
    let codecs = CodecRegistry::builtin().select([name]).unwrap();
    codecs.iter().next().unwrap().clone()
}

/// Over a clean network not one sample differs from the codec's offline round trip, and the delay is exactly what it is
/// said to be: from the first frame of a packet to its last, the way, and playout's target, rounded up to whole frames.
fn heard_to_the_sample(name: &str, packet_ms: u64, way_ms: u64) {
    for low_delay in [true, false] {
        heard_by_frames_or_packets(name, packet_ms, way_ms, low_delay);
    }
}

fn heard_by_frames_or_packets(name: &str, packet_ms: u64, way_ms: u64, low_delay: bool) {
    let codec = codec(name);
    let rate = codec.info().sample_rate.hz();
    let mut world = World::with(11, |c| {
        c.codecs(CodecRegistry::builtin().select([name]).unwrap())
            .ptime(Duration::from_millis(packet_ms))
            .low_delay(low_delay)
            .playout(PlayoutMode::Fixed)
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
    b.capture().select(mouth_b.clone()).unwrap();
    world.run_ms(4000);
    assert_eq!(*mouth_a.rate.lock().unwrap(), rate);
    for (mouth, ear, said) in [(&mouth_a, &ear_b, &said[0]), (&mouth_b, &ear_a, &said[1])] {
        let expected = round_trip(&*codec, said).unwrap();
        let heard = ear.heard.lock().unwrap();
        let at = find(&heard.samples, &expected).expect("heard to the sample");
        let frame = rate as usize / 100;
        let first = heard.times[at / frame].at
            + Duration::from_secs_f64((at % frame) as f64 / f64::from(rate));
        let delay = first.saturating_since(mouth.began.lock().unwrap().unwrap().at);
        let exact = packet_ms - 10 + way_ms + 60;
        let stated = Duration::from_millis(exact.next_multiple_of(10));
        assert_eq!(delay, stated, "{name}, {packet_ms} ms, {way_ms} ms");
    }
    for end in [&a, &b] {
        let stats = end.render().stats();
        assert_eq!(stats.received.lost, 0);
        assert_eq!((stats.playout.concealed, stats.playout.warped), (0, 0));
        assert_eq!(stats.drops.total(), 0, "{:?}", stats.drops);
    }
}

// Shows: playout: a clean network changes not one sample
#[test]
fn g711_is_heard_to_the_sample() {
    heard_to_the_sample("PCMU", 20, 10);
    heard_to_the_sample("PCMA", 20, 0);
    heard_to_the_sample("PCMU", 30, 35);
    heard_to_the_sample("PCMA", 10, 3);
}

// Shows: playout: a clean network changes not one sample
#[test]
fn l16_is_heard_to_the_sample() {
    heard_to_the_sample("L16/16000", 20, 10);
    // More would not fit a packet.
    heard_to_the_sample("L16/48000", 10, 10);
    heard_to_the_sample("L16/44100", 10, 7);
}
