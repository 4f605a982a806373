use msp_codecs::CodecRegistry;
use msp_core::media::MediaKind;
use msp_core::params::{CodecSpec, MediaParams, MediaSlot, PayloadMapping};

use super::*;
use crate::packet::SEND_BUFFER;

fn agreed(remote: &str) -> MediaParams {
    let mapping = |pt, name| PayloadMapping {
        payload_type: PayloadType(pt),
        codec: CodecSpec::mono(name, ClockRate::HZ_8000),
        parameters: None,
    };
    let both = vec![mapping(0, "PCMU"), mapping(101, CodecSpec::TELEPHONE_EVENT)];
    MediaParams {
        send: both.clone(),
        receive: both,
        remote: Some(remote.parse().unwrap()),
        ..MediaParams::new(MediaSlot(0), MediaKind::Audio)
    }
}

fn prepared(agreed: &MediaParams) -> SessionParams {
    let registry = CodecRegistry::builtin();
    SessionParams::new(agreed, &registry, PlayoutDelay::default()).unwrap()
}

fn sends() -> Session {
    let mut session = Session::new(&SessionConfig::new(7, WallClock::default()));
    session.apply(Instant::ZERO, prepared(&agreed(PEER)));
    session
}

const PEER: &str = "192.0.2.1:4000";
const OTHER: &str = "192.0.2.2:5000";

fn hear(session: &mut Session, ms: u64, from: &str, ssrc: Ssrc, seq: u16) {
    let mut packet = vec![0x80, 0];
    packet.extend(seq.to_be_bytes());
    packet.extend((u32::from(seq) * 160).to_be_bytes());
    packet.extend(ssrc.0.to_be_bytes());
    packet.extend([0xff; 160]);
    let arrival = Arrival {
        at: Instant::from_millis(ms),
        from: from.parse().unwrap(),
        component: Component::Media,
    };
    session.receive(&arrival, &mut packet);
}

fn collisions(session: &mut Session) -> usize {
    let events = std::iter::from_fn(|| session.poll_event());
    events
        .filter(|e| matches!(e, SessionEvent::Collision { .. }))
        .count()
}

/// An empty report from `from` to the port of reports.
fn hear_report(session: &mut Session, ms: u64, from: &str) {
    let arrival = Arrival {
        at: Instant::from_millis(ms),
        from: from.parse().unwrap(),
        component: Component::Report,
    };
    let got = session.receive(&arrival, &mut [0x80, 201, 0, 1, 0, 0, 0, 9]);
    assert_eq!(got, Received::Report);
}

/// To where reports go in the 20 s from `ms` on.
fn report_targets(session: &mut Session, ms: u64) -> Vec<String> {
    let mut to = Vec::new();
    let mut buffer = [0; SEND_BUFFER];
    for n in 0..2000 {
        let now = Instant::from_millis(ms + n * 10);
        session.capture(now, None);
        while let Some(packet) = session.transmit(now, &mut buffer) {
            if packet.kind == Component::Report {
                to.push(packet.to.to_string());
            }
        }
    }
    to.dedup();
    to
}

#[test]
fn reports_follow_a_peer_that_moves() {
    let mut session = sends();
    hear(&mut session, 10, PEER, Ssrc(1), 1);
    hear(&mut session, 30, PEER, Ssrc(1), 2);
    hear_report(&mut session, 40, "192.0.2.1:7001");
    assert_eq!(report_targets(&mut session, 50), ["192.0.2.1:7001"]);
    session.apply(Instant::from_millis(21_000), prepared(&agreed(PEER)));
    assert_eq!(report_targets(&mut session, 21_000), ["192.0.2.1:7001"]);
    session.apply(Instant::from_millis(42_000), prepared(&agreed(OTHER)));
    assert_eq!(report_targets(&mut session, 42_000), ["192.0.2.2:5001"]);
    // What the former peer still sends changes nothing.
    hear_report(&mut session, 63_000, "192.0.2.1:7001");
    assert_eq!(report_targets(&mut session, 63_000), ["192.0.2.2:5001"]);
    hear_report(&mut session, 84_000, "192.0.2.2:8001");
    assert_eq!(report_targets(&mut session, 84_000), ["192.0.2.2:8001"]);
}

#[test]
fn each_host_with_our_source_makes_us_take_another_once_until_it_is_silent() {
    let mut session = sends();
    for n in 1..3000 {
        let ours = session.ssrc();
        hear(&mut session, n * 20, PEER, ours, n as u16);
    }
    assert_eq!(collisions(&mut session), 1);
    session.apply(Instant::from_millis(60_000), prepared(&agreed(OTHER)));
    for n in 3001..3100 {
        let ours = session.ssrc();
        hear(&mut session, n * 20, OTHER, ours, n as u16);
    }
    assert_eq!(collisions(&mut session), 1, "another host");
    let ours = session.ssrc();
    hear(&mut session, 123_000, OTHER, ours, 3101);
    assert_eq!(collisions(&mut session), 1, "forgotten after a minute");
}

#[test]
fn no_sender_report_leaves_under_a_source_that_sent_nothing() {
    let mut session = sends();
    let mut buffer = [0; SEND_BUFFER];
    let mut kinds = Vec::new();
    for n in 1..3000u64 {
        let now = Instant::from_millis(n * 10);
        if n == 1500 || n == 1502 {
            let ours = session.ssrc();
            hear(&mut session, n * 10, PEER, ours, n as u16 / 2);
        }
        let sound = (n < 1500).then_some([1000i16; 80]);
        session.capture(now, sound.as_ref().map(<[i16; 80]>::as_slice));
        while let Some(packet) = session.transmit(now, &mut buffer) {
            if packet.kind == Component::Report && n >= 1502 && session.state().sender.packets == 0
            {
                kinds.push(buffer[packet.range][1]);
            }
        }
    }
    assert_eq!(collisions(&mut session), 1);
    assert!(!kinds.is_empty());
    assert!(kinds.iter().all(|k| *k == 201), "{kinds:?}");
}

#[test]
fn who_has_nowhere_to_send_is_quiet() {
    let mut session = sends();
    session.apply(Instant::from_millis(10), prepared(&agreed("0.0.0.0:4000")));
    for n in 2..3000 {
        let now = Instant::from_millis(n * 10);
        session.capture(now, None);
        assert_eq!(session.transmit(now, &mut [0; SEND_BUFFER]), None);
        assert_eq!(session.quiet_until(), Some(Instant::FAR));
    }
    session.apply(Instant::from_millis(30_000), prepared(&agreed(PEER)));
    assert!(!report_targets(&mut session, 30_000).is_empty());
}

#[test]
fn of_too_many_events_a_collision_is_the_last_to_go() {
    let mut session = sends();
    let (old, new) = (Ssrc(1), Ssrc(2));
    session.emit(SessionEvent::Named(old));
    session.emit(SessionEvent::Collision { old, new });
    for n in 0..100 {
        session.emit(SessionEvent::Goodbye(Ssrc(n)));
    }
    assert_eq!(session.events.len(), MAX_EVENTS);
    assert_eq!(session.events_lost(), 102 - MAX_EVENTS as u64);
    assert_eq!(collisions(&mut session), 1);
}

/// Runs a session for three minutes in which it says something, presses a digit, and is silent; only where it is not
/// quiet, if `rests`. Every packet with its time, and how many frames had to be worked off.
fn run(rests: bool) -> (Vec<(u64, Vec<u8>)>, u32) {
    let mut session = sends();
    let (mut packets, mut worked) = (Vec::new(), 0);
    let mut quiet = Instant::ZERO;
    for n in 1..18_000u64 {
        let now = Instant::from_millis(n * 10);
        if n == 9000 {
            session
                .send_digits(&['5', '6'].map(|d| Digit::from_char(d).unwrap()), None)
                .unwrap();
            quiet = Instant::ZERO;
        }
        let sound = (4003..4250).contains(&n).then_some([1000i16; 80]);
        if rests && sound.is_none() && now < quiet {
            continue;
        }
        worked += 1;
        session.capture(now, sound.as_ref().map(<[i16; 80]>::as_slice));
        let mut buffer = [0; SEND_BUFFER];
        while let Some(packet) = session.transmit(now, &mut buffer) {
            packets.push((n, buffer[packet.range].to_vec()));
        }
        let until = session.quiet_until().filter(|_| sound.is_none());
        quiet = until.unwrap_or(Instant::ZERO);
    }
    (packets, worked)
}

#[test]
fn who_is_called_only_when_it_is_not_quiet_sends_the_same_packets() {
    let (always, frames) = run(false);
    let (seldom, worked) = run(true);
    assert_eq!(seldom, always);
    assert!(always.len() > 150, "{} packets", always.len());
    assert!(worked < frames / 20, "{worked} of {frames} frames");
}

#[test]
fn a_packet_has_as_many_frames_as_both_packet_times_allow() {
    let frames = |ptime_ms, max_ptime: Option<u64>| {
        let agreed = MediaParams {
            ptime: Some(Duration::from_millis(ptime_ms)),
            max_ptime: max_ptime.map(Duration::from_millis),
            ..agreed(PEER)
        };
        prepared(&agreed).packet_frames()
    };
    assert_eq!(frames(20, None), Some(2));
    assert_eq!(frames(200, None), Some(6));
    assert_eq!(frames(20, Some(10)), Some(1));
}
