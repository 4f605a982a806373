//! Who is not the peer is not heard; and each fault that is put into the engine is noticed.
#![allow(
    clippy::unwrap_used,
    reason = "a test stops where something is not as it should be"
)]

mod common;

use common::world::World;
use common::{Ear, Mouth, find, rtp_of, speech};
use msp_codecs::{Pcmu, round_trip};
use msp_core::event::EventKind;
use msp_core::stats::DropReason;

/// A packet of loud tone that would be the peer's next, from somebody else's address.
fn forged(like: &[u8], ahead: u16) -> Vec<u8> {
    let mut packet = like.to_vec();
    let sequence = u16::from_be_bytes([packet[2], packet[3]]).wrapping_add(ahead);
    let timestamp = u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]])
        .wrapping_add(160 * u32::from(ahead));
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    packet[4..8].copy_from_slice(&timestamp.to_be_bytes());
    for (n, byte) in packet[12..].iter_mut().enumerate() {
        *byte = if n % 8 < 4 { 0x80 } else { 0x00 };
    }
    packet
}

/// While a stranger injects what could be the peer's: whether the latch has shut, whether what was said was heard, and
/// how many packets counted as a stranger's.
fn injected() -> (bool, bool, u64) {
    let mut world = World::new(31);
    let (a, b) = world.ends();
    let (said, ear) = (speech(4, 24_000, 8000), Ear::new());
    a.capture().select(Mouth::new(said.clone())).unwrap();
    b.render().select(ear.clone()).unwrap();
    let (_, params) = world.agree(&a, &b);
    // One that listens on the wire sees the peer's packets: the same source, the right numbers.
    let tap = world
        .sim
        .socket("203.0.113.1:40000".parse().unwrap())
        .unwrap();
    world.run_ms(200);
    let mut like = vec![0u8; 172];
    like[0] = 0x80;
    let ssrc = b.render().substreams()[0].ssrc;
    like[8..12].copy_from_slice(&ssrc.0.to_be_bytes());
    for n in 0..400u16 {
        // Numbers all around those of the peer, which a stranger on the wire would know.
        tap.send(
            world.sim.now(),
            rtp_of(&params),
            &forged(&like, n.wrapping_mul(163)),
        );
        world.run_ms(5);
    }
    world.run_ms(1500);
    let seen = b.kinds_seen();
    let locked = seen.iter().any(|k| matches!(k, EventKind::SourceLocked(_)));
    let wrong = b.render().stats().drops.get(DropReason::WrongSource);
    let heard = find(&ear.samples(), &round_trip(&Pcmu, &said).unwrap()).is_some();
    (locked, heard, wrong)
}

// Shows: symmetric RTP: the source is learned, then locked; strangers are not heard
#[cfg(not(feature = "faults"))]
#[test]
fn after_the_latch_has_shut_a_stranger_is_heard_for_no_packet() {
    assert_eq!(injected(), (true, true, 400));
}

#[cfg(feature = "faults")]
mod faults {
    use super::*;
    use std::sync::{Mutex, MutexGuard, PoisonError};
    use std::time::Duration;

    use common::world::{A, B, config, ip};
    use common::{End, prepare};
    use msp_core::event::Cause;
    use msp_core::fault::{self, Fault};
    use msp_core::link::{OfferRole, ToMsp, ToTsp};
    use msp_core::media::Direction;
    use msp_core::stats::StreamStats;
    use msp_engine::sim::Simulation;

    /// Faults are switched for the whole process: one test at a time.
    struct Switched(
        Fault,
        #[expect(dead_code, reason = "held until the fault is off")] MutexGuard<'static, ()>,
    );

    impl Switched {
        fn on(fault: Fault) -> Self {
            static ONE: Mutex<()> = Mutex::new(());
            let guard = ONE.lock().unwrap_or_else(PoisonError::into_inner);
            fault::set(fault, true);
            Self(fault, guard)
        }

        fn off() -> Self {
            let switched = Self::on(Fault::OpenLatch);
            fault::set(Fault::OpenLatch, false);
            switched
        }
    }

    impl Drop for Switched {
        fn drop(&mut self) {
            fault::set(self.0, false);
        }
    }

    #[test]
    fn after_the_latch_has_shut_a_stranger_is_heard_for_no_packet() {
        {
            let _none = Switched::off();
            assert_eq!(injected(), (true, true, 400));
        }
        let _open = Switched::on(Fault::OpenLatch);
        let (_, heard, wrong) = injected();
        assert!(!heard || wrong < 400, "an open latch is noticed");
    }

    /// The numbers of both ends of a second of speech, the caller's first.
    fn call() -> [StreamStats; 2] {
        let mut world = World::new(32);
        let (a, b) = world.ends();
        for end in [&a, &b] {
            end.capture()
                .select(Mouth::new(speech(5, 80_000, 8000)))
                .unwrap();
            end.render().select(Ear::new()).unwrap();
        }
        world.agree(&a, &b);
        world.run_ms(2000);
        [&a, &b].map(|e| e.stream(Direction::Render).stats())
    }

    #[test]
    fn faults_of_sending_show_in_the_numbers() {
        let sound = {
            let _none = Switched::off();
            call()
        };
        assert!(sound.iter().all(|s| s.received.packets > 80));
        {
            let _lost = Switched::on(Fault::LoseEveryPacket);
            assert!(call().iter().all(|s| s.received.packets == 0));
        }
        {
            let _soft = Switched::on(Fault::SoftenBy20Db);
            for (soft, sound) in call().iter().zip(&sound) {
                let softer = sound.played_level.dbfs() - soft.played_level.dbfs();
                assert!((19.0..21.0).contains(&softer), "{softer}");
            }
        }
        let _mute = Switched::on(Fault::MuteAnswerer);
        let [caller, answerer] = call();
        assert!(caller.played_level.dbfs() < -70.0 && answerer.played_level.dbfs() > -60.0);
    }

    /// Whether a range for one call serves another after the first has ended.
    fn serves_again() -> bool {
        let mut sim = Simulation::new(33);
        let engine = sim
            .engine(config(A).ports(20_000..=20_001).quarantine(Duration::ZERO))
            .unwrap();
        let mut served = 0;
        for _ in 0..3 {
            let end = End::new(&engine, "line");
            end.say(prepare(OfferRole::Offerer, ip(B)));
            let answer = end.answer(&mut || sim.run_for(Duration::from_millis(1)));
            served += u32::from(matches!(answer, ToTsp::Local(_)));
            end.say(ToMsp::Disconnected {
                cause: Cause::LocalRequest,
            });
            sim.run_for(Duration::from_millis(50));
        }
        served == 3
    }

    #[test]
    fn ports_that_are_kept_are_missed() {
        {
            let _none = Switched::off();
            assert!(serves_again());
        }
        let _kept = Switched::on(Fault::KeepPorts);
        assert!(!serves_again());
    }
}
