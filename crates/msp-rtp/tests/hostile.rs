//! What strangers and broken peers send: nothing panics, nothing grows, and the call goes on.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod common;

use common::*;
use msp_core::stats::DropReason;
use msp_rtp::packet::SEND_BUFFER;
use msp_rtp::protect::Component;
use msp_rtp::receiver::MAX_SOURCES;
use msp_rtp::session::{Arrival, Received};
use netsim::Random;
use proptest::prelude::*;

/// Valid traffic of which one to three fields are changed, from the address that is held, beside the call itself.
fn assault(mut w: World, seed: u64, ticks: usize, share: u64) -> World {
    w.a.speech = speech(8000 * 10, 1);
    w.b.speech = speech(8000 * 10, 2);
    w.agree("PCMU", 8000, 20);
    w.run(10);
    let mut luck = Random::new(seed);
    let mut template = Vec::new();
    let mut buffer = [0; SEND_BUFFER];
    let mut other = Phone::new(A, seed + 77);
    other.agree(w.now, &agreed("PCMU", 8000, B, 20));
    for tick in 0..ticks {
        // Another sender makes valid packets of sound, digits and reports to be spoilt.
        if tick % 100 == 0 {
            let digits = [msp_core::link::Digit::from_event((tick / 100 % 16) as u8).unwrap()];
            let _ = other.session.send_digits(&digits, None);
        }
        other.session.capture(w.now, Some(&[500; 80]));
        while let Some(packet) = other.session.transmit(w.now, &mut buffer) {
            template = buffer[packet.range].to_vec();
        }
        for _ in 0..share {
            let mut bytes = template.clone();
            if bytes.is_empty() {
                continue;
            }
            for _ in 0..luck.next_u64() % 4 {
                let field = (luck.next_u64() % 20.min(bytes.len() as u64)) as usize;
                bytes[field] = match luck.next_u64() % 3 {
                    0 => 0,
                    1 => 0xff,
                    _ => luck.next_u64() as u8,
                };
            }
            if luck.next_u64().is_multiple_of(8) {
                bytes.truncate((luck.next_u64() % (bytes.len() as u64 + 1)) as usize);
            }
            w.b.receive(w.now, addr(A), &bytes);
        }
        w.b.outcomes.clear();
        w.run(1);
    }
    w
}

#[test]
fn damaged_packets_from_the_right_address_are_survived() {
    for seed in 0..12 {
        let world = [World::new, World::adaptive][seed as usize % 2];
        let mut w = assault(world(seed, "delay=10ms"), seed, 500, 4);
        let sound = |w: &World| {
            let playout = w.b.session.stats().playout;
            playout.normal + playout.warped
        };
        let before = sound(&w);
        w.run(200);
        let stats = w.b.session.stats();
        // Once it stops, the peer is heard again within 300 ms.
        assert!(sound(&w) - before > 170 * 80, "{seed} {stats:?}");
        assert!(stats.drops.total() > 100);
        assert!(stats.received.jitter_max.as_secs() < 3, "{stats:?}");
        assert!(stats.received.lost.abs() < 100_000, "{stats:?}");
        assert_eq!(
            stats.playout.normal
                + stats.playout.concealed
                + stats.playout.warped
                + stats.playout.silence,
            w.b.heard.len() as u64
        );
        w.b.segments();
    }
}

#[test]
fn random_bytes_are_counted_and_nothing_else() {
    let mut w = World::new(1, "delay=10ms");
    w.a.speech = speech(8000 * 5, 1);
    w.agree("PCMU", 8000, 20);
    w.run(20);
    let mut luck = Random::new(3);
    let mut sent = 0;
    for _ in 0..400 {
        for _ in 0..10 {
            let len = luck.next_u64() % 300;
            let bytes: Vec<u8> = (0..len).map(|_| luck.next_u64() as u8).collect();
            w.b.receive(w.now, addr("203.0.113.1:5"), &bytes);
            sent += 1;
        }
        w.run(1);
    }
    let stats = w.b.session.stats();
    assert_eq!(stats.drops.total(), sent);
    assert_eq!(stats.playout.concealed, 0);
    assert_eq!(stats.received.lost, 0);
}

/// Ten thousand sources from the right address beside the true one.
#[test]
fn a_flood_of_sources_does_not_silence_the_true_one() {
    let mut w = World::new(2, "delay=10ms");
    w.a.speech = speech(8000 * 4, 1);
    w.agree("PCMU", 8000, 20);
    w.run(20);
    let before = w.b.session.stats().playout.normal;
    for n in 0..2000u32 {
        for m in 0..5 {
            let mut bytes = vec![0x80, 0, 0, 1, 0, 0, 0, 0];
            bytes.extend_from_slice(&(0x5000_0000 + n * 5 + m).to_be_bytes());
            bytes.extend_from_slice(&[0x55; 160]);
            w.b.receive(w.now, addr(A), &bytes);
        }
        if n % 10 == 0 {
            w.run(1);
        }
    }
    let stats = w.b.session.stats();
    assert_eq!(stats.playout.normal - before, 200 * 80, "{stats:?}");
    assert!(w.b.session.state().receiver.sources.len() <= MAX_SOURCES);
    assert!(w.b.session.held() <= 32);
}

/// Sequence numbers and timestamps that jump: sound again within 200 ms, the delay back within 300 ms.
#[test]
fn after_any_jump_sound_comes_back_at_once() {
    let seqs = [
        1i32, -1, 99, -99, 101, -101, 2999, -2999, 3001, -3001, 32_767, -32_768,
    ];
    let stamps = [
        0u32,
        1,
        u32::MAX,
        1 << 31,
        160,
        8000,
        u32::MAX - 8000,
        12_345_678,
    ];
    for seq in seqs {
        for stamp in stamps {
            let mut w = World::new(3, "");
            w.a.speech = speech(8000 * 3, 1);
            w.agree("PCMU", 8000, 20);
            w.run(100);
            let mut state = w.a.session.state();
            state.sender.sequence.0 = state.sender.sequence.0.wrapping_add(seq as u16);
            state.sender.timestamp = state.sender.timestamp.wrapping_add(stamp);
            w.a.session.restore(&state);
            w.run(20);
            let before = w.b.session.stats().playout;
            w.run(100);
            let stats = w.b.session.stats();
            let heard = stats.playout.normal + stats.playout.warped - before.normal - before.warped;
            assert!(heard >= 95 * 80, "{seq} {stamp}: {heard} {stats:?}");
            assert!(
                stats.playout.depth.as_millis() <= 120,
                "{seq} {stamp}: {stats:?}"
            );
            assert!(stats.received.lost < 3100, "{seq} {stamp}: {stats:?}");
        }
    }
}

#[test]
fn reports_of_strangers_are_not_read() {
    let mut w = World::new(4, "delay=10ms");
    w.agree("PCMU", 8000, 20);
    w.run(20);
    let bytes = [0x80, 201, 0, 1, 0, 0, 0, 9];
    let got = w.b.receive(w.now, addr("203.0.113.1:5"), &bytes);
    assert_eq!(got, Received::Dropped(DropReason::WrongSource));
    assert_eq!(w.b.receive(w.now, addr(A), &bytes), Received::Report);
    // Media do not come to the port of reports.
    let mut rtp = [0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0x55];
    let arrival = Arrival {
        at: w.now,
        from: addr(A),
        component: Component::Report,
    };
    assert!(matches!(
        w.b.session.receive(&arrival, &mut rtp),
        Received::Other(_)
    ));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Any datagrams, in any state of a session.
    #[test]
    fn no_datagram_panics(
        datagrams in prop::collection::vec(
            (prop::collection::vec(any::<u8>(), 0..100), any::<bool>(), 0u8..4, 0u64..40), 0..120),
        agree_at in 0usize..60,
    ) {
        let mut w = World::new(5, "");
        for (n, (mut bytes, report, known, ms)) in datagrams.into_iter().enumerate() {
            if n == agree_at {
                w.agree("PCMA", 8000, 20);
            }
            // Half of them get as far as payload types and numbers.
            if let [first, second, ..] = &mut bytes[..] {
                if known > 0 {
                    *first = 0x80 | (*first & 0x3f);
                }
                if known > 1 {
                    *second = [8, 101, 200, 203][usize::from(*second) % 4];
                }
            }
            let arrival = Arrival {
                at: w.now,
                from: addr(if known == 3 { B } else { A }),
                component: if report { Component::Report } else { Component::Media },
            };
            w.b.session.receive(&arrival, &mut bytes);
            w.now += std::time::Duration::from_millis(ms);
            w.run(usize::from(n % 3 == 0));
        }
        prop_assert!(w.b.session.held() <= 32);
    }
}
