use super::*;
use crate::protect::Component;
use crate::rtcp::WallClock;
use crate::session::{PlayoutDelay, SessionConfig, SessionParams};
use msp_codecs::CodecRegistry;
use msp_core::id::Ssrc;
use msp_core::media::MediaKind;
use msp_core::params::{CodecSpec, MediaParams, MediaSlot, PayloadMapping};
use msp_core::stats::DropReason;
use msp_core::time::{ClockRate, Instant};

const US: &str = "192.0.2.9:4000";
const FIRST: &str = "192.0.2.1:4000";
const SECOND: &str = "192.0.2.2:4000";
const NAT: &str = "198.51.100.1:999";

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn transport() -> Transport {
    let bound = addr(US);
    Transport::new(Path {
        local: LocalAddress {
            bound,
            advertised: bound,
        },
        remote: None,
    })
}

fn session(seed: u64) -> Box<Session> {
    Box::new(Session::new(&SessionConfig::new(
        seed,
        WallClock::default(),
    )))
}

/// A leg that answered from `remote` with payload type `pt` for PCMU.
fn answer(t: &mut Transport, leg: LegId, remote: &str, pt: u8) {
    let map = PayloadMapping {
        payload_type: PayloadType(pt),
        codec: CodecSpec::mono("PCMU", ClockRate::HZ_8000),
        parameters: None,
    };
    let mut agreed = MediaParams::new(MediaSlot(0), MediaKind::Audio);
    agreed.send = vec![map.clone()];
    agreed.receive = vec![map];
    agreed.remote = Some(addr(remote));
    let params =
        SessionParams::new(&agreed, &CodecRegistry::builtin(), PlayoutDelay::default()).unwrap();
    t.session_mut(leg).unwrap().apply(Instant::ZERO, params);
}

fn packet(t: &mut Transport, from: &str, pt: u8, seq: u16) -> (LegId, Received) {
    let header = crate::header::RtpHeader {
        marker: false,
        payload_type: PayloadType(pt),
        sequence: msp_core::id::SequenceNumber(seq),
        timestamp: u32::from(seq) * 160,
        ssrc: Ssrc(u32::from(pt)),
    };
    let mut bytes = header.bytes().to_vec();
    bytes.extend_from_slice(&[0x55; 160]);
    let arrival = Arrival {
        at: Instant::from_millis(u64::from(seq) * 20),
        from: addr(from),
        component: Component::Media,
    };
    t.receive(&arrival, &mut bytes).unwrap()
}

#[test]
fn without_a_leg_nobody_takes_a_datagram() {
    let mut t = transport();
    let arrival = Arrival {
        at: Instant::ZERO,
        from: addr(FIRST),
        component: Component::Media,
    };
    assert_eq!(t.receive(&arrival, &mut [0x80; 20]), None);
}

#[test]
fn legs_are_told_apart_by_their_addresses() {
    let mut t = transport();
    for (n, remote) in [FIRST, SECOND].into_iter().enumerate() {
        let leg = LegId(n as u32);
        t.add_leg(leg, session(n as u64)).unwrap();
        answer(&mut t, leg, remote, 0);
    }
    for seq in 0..10 {
        assert_eq!(packet(&mut t, FIRST, 0, seq).0, LegId(0));
        assert_eq!(packet(&mut t, SECOND, 0, seq + 500).0, LegId(1));
    }
    for n in 0..2 {
        let stats = t.session(LegId(n)).unwrap().stats();
        assert_eq!((stats.received.packets, stats.drops.total()), (10, 0));
    }
    assert_eq!(t.heard(), Some(LegId(0)));
    t.hear(LegId(1)).unwrap();
    assert_eq!(t.heard(), Some(LegId(1)));
}

#[test]
fn an_unknown_address_goes_by_payload_type_and_else_to_the_newest() {
    let mut t = transport();
    for (n, (remote, pt)) in [(FIRST, 96), (SECOND, 97)].into_iter().enumerate() {
        let leg = LegId(n as u32);
        t.add_leg(leg, session(n as u64)).unwrap();
        answer(&mut t, leg, remote, pt);
    }
    assert_eq!(packet(&mut t, NAT, 96, 0), (LegId(0), Received::Held));
    assert_eq!(packet(&mut t, NAT, 97, 0), (LegId(1), Received::Held));
    let unknown = Received::Dropped(DropReason::UnknownPayloadType);
    assert_eq!(packet(&mut t, NAT, 99, 0), (LegId(1), unknown));
}

/// A leg whose address is held takes nothing from elsewhere, so a new leg behind a NAT gets its media.
#[test]
fn a_locked_leg_does_not_draw_the_media_of_others() {
    let mut t = transport();
    t.add_leg(LegId(0), session(0)).unwrap();
    answer(&mut t, LegId(0), FIRST, 0);
    for seq in 0..4 {
        packet(&mut t, FIRST, 0, seq);
    }
    t.add_leg(LegId(1), session(1)).unwrap();
    answer(&mut t, LegId(1), SECOND, 0);
    for seq in 0..10 {
        assert_eq!(packet(&mut t, NAT, 0, seq).0, LegId(1));
    }
    assert_eq!(t.session(LegId(1)).unwrap().stats().received.packets, 10);
}

#[test]
fn legs_and_paths_have_bounds() {
    let mut t = transport();
    for n in 0..MAX_LEGS as u32 {
        t.add_leg(LegId(n), session(0)).unwrap();
    }
    assert!(t.add_leg(LegId(99), session(0)).is_err());
    assert!(t.remove_leg(LegId(0)).is_some());
    assert!(t.remove_leg(LegId(0)).is_none());
    assert!(t.add_leg(LegId(1), session(0)).is_err(), "it is there");
    assert_eq!(t.heard(), Some(LegId(15)));
    assert_eq!(t.hear(LegId(0)).unwrap_err().kind(), ErrorKind::Leg);
    assert_eq!(t.legs_mut().count(), 15);

    let path = *t.path().unwrap();
    for n in 1..MAX_PATHS {
        assert_eq!(t.add_path(path).unwrap(), n);
    }
    assert!(t.add_path(path).is_err());
    t.select_path(3).unwrap();
    assert!(t.select_path(MAX_PATHS).is_err());
}
