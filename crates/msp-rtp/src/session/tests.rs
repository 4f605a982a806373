use msp_codecs::CodecRegistry;
use msp_core::media::MediaKind;
use msp_core::params::{CodecSpec, MediaParams, MediaSlot, PayloadMapping};

use super::*;
use crate::packet::SEND_BUFFER;

fn sends() -> Session {
    let mapping = |pt, name| PayloadMapping {
        payload_type: PayloadType(pt),
        codec: CodecSpec::mono(name, ClockRate::HZ_8000),
        parameters: None,
    };
    let both = vec![mapping(0, "PCMU"), mapping(101, CodecSpec::TELEPHONE_EVENT)];
    let agreed = MediaParams {
        send: both.clone(),
        receive: both,
        remote: Some("192.0.2.1:4000".parse().unwrap()),
        ..MediaParams::new(MediaSlot(0), MediaKind::Audio)
    };
    let registry = CodecRegistry::builtin();
    let params = SessionParams::new(&agreed, &registry, PlayoutDelay::default()).unwrap();
    let mut session = Session::new(&SessionConfig::new(7, WallClock::default()));
    session.apply(Instant::ZERO, params);
    session
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
