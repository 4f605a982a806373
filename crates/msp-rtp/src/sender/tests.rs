use super::*;
use crate::packet::SEND_BUFFER;
use crate::view::RtpView;
use msp_codecs::{CodecFactory, L16, Pcmu};

#[derive(PartialEq, Debug)]
struct Sent {
    seq: u16,
    timestamp: u32,
    marker: bool,
    octets: usize,
}

fn sender(ptime_ms: u64) -> Sender {
    let mut s = Sender::new(Ssrc(7), SequenceNumber(65_535), u32::MAX - 79);
    let codec = SendCodec::new(
        PayloadType(0),
        *Pcmu.info(),
        Pcmu.encoder(),
        Duration::from_millis(ptime_ms),
    );
    s.set_codec(Some(codec));
    s
}

fn tick(s: &mut Sender, ms: u64, frame: Option<&[i16]>) -> Vec<Sent> {
    let now = Instant::from_millis(ms);
    s.frame(now, frame).unwrap();
    let mut buffer = [0; SEND_BUFFER];
    let mut sent = Vec::new();
    while let Some(packet) = s.packet(now, &mut buffer) {
        let view = RtpView::parse(&buffer[packet.unwrap()]).unwrap();
        sent.push(Sent {
            seq: view.sequence().0,
            timestamp: view.timestamp(),
            marker: view.marker(),
            octets: view.payload().len(),
        });
    }
    sent
}

const fn sent(seq: u16, timestamp: u32, marker: bool, octets: usize) -> Sent {
    Sent {
        seq,
        timestamp,
        marker,
        octets,
    }
}

#[test]
fn each_packet_time_has_its_packets() {
    for frames in 1..=6u64 {
        let mut s = sender(frames * 10);
        let mut all = Vec::new();
        for n in 0..frames * 3 {
            all.extend(tick(&mut s, n * 10, Some(&[0; 80])));
        }
        let octets = frames as usize * 80;
        let first = u32::MAX - 79;
        assert_eq!(
            all,
            [
                sent(65_535, first, true, octets),
                sent(0, first.wrapping_add(octets as u32), false, octets),
                sent(1, first.wrapping_add(2 * octets as u32), false, octets),
            ]
        );
    }
}

#[test]
fn the_packet_time_stays_in_its_bounds_and_in_a_frame_of_the_network() {
    let of = |factory: &dyn CodecFactory, ms| {
        let (info, ptime) = (*factory.info(), Duration::from_millis(ms));
        SendCodec::new(PayloadType(96), info, factory.encoder(), ptime).ptime()
    };
    assert_eq!(of(&Pcmu, 0), Duration::from_millis(10));
    assert_eq!(of(&Pcmu, 35), Duration::from_millis(30));
    assert_eq!(of(&Pcmu, 200), Duration::from_millis(60));
    assert_eq!(of(&L16::HZ_48000, 20), Duration::from_millis(10));
    assert_eq!(of(&L16::HZ_16000, 60), Duration::from_millis(40));
}

/// Late ticks: the timestamp follows time, the number does not jump, the next packet bears the marker.
#[test]
fn skipped_ticks_move_the_timestamp_and_not_the_number() {
    let mut s = sender(20);
    let frame: Option<&[i16]> = Some(&[0; 80]);
    tick(&mut s, 0, frame);
    let base = tick(&mut s, 10, frame)[0].timestamp;
    // Half a packet, then three ticks are missed: the half goes alone.
    assert_eq!(tick(&mut s, 20, frame), []);
    assert_eq!(
        tick(&mut s, 60, frame),
        [sent(0, base.wrapping_add(160), false, 80)]
    );
    assert_eq!(
        tick(&mut s, 70, frame),
        [sent(1, base.wrapping_add(480), true, 160)]
    );
    assert_eq!(tick(&mut s, 80, frame), []);
    assert_eq!(
        tick(&mut s, 90, frame),
        [sent(2, base.wrapping_add(640), false, 160)]
    );
}

#[test]
fn ticks_that_tremble_are_not_skipped_ones() {
    let mut s = sender(20);
    let mut n = 0;
    for ms in [0, 13, 18, 31, 42, 49, 60, 74] {
        n += tick(&mut s, ms, Some(&[0; 80]))
            .iter()
            .filter(|p| p.octets == 160)
            .count();
    }
    assert_eq!(n, 4);
}

#[test]
fn silence_ends_the_packet_and_the_next_talkspurt_is_marked() {
    let mut s = sender(30);
    let base = s.state().timestamp;
    assert_eq!(tick(&mut s, 0, Some(&[0; 80])), []);
    assert_eq!(tick(&mut s, 10, None), [sent(65_535, base, true, 80)]);
    for n in 2..100 {
        assert_eq!(tick(&mut s, n * 10, None), []);
    }
    for n in 100..102 {
        assert_eq!(tick(&mut s, n * 10, Some(&[0; 80])), []);
    }
    assert_eq!(
        tick(&mut s, 1020, Some(&[0; 80])),
        [sent(0, base.wrapping_add(8000), true, 240)]
    );
    assert_eq!(
        s.timestamp_at(Instant::from_millis(1025)),
        base.wrapping_add(8240 + 40)
    );
}

#[test]
fn packets_that_nobody_fetches_are_dropped_with_a_reason() {
    let mut s = sender(10);
    s.frame(Instant::ZERO, Some(&[0; 80])).unwrap();
    let late = s.frame(Instant::from_millis(10), Some(&[0; 80]));
    assert_eq!(late, Err(DropReason::SendLate));
    let wrong = s.frame(Instant::from_millis(20), Some(&[0; 81]));
    assert_eq!(wrong, Err(DropReason::BadPayload));
    let mut short = [0; HEADROOM + 10];
    s.frame(Instant::from_millis(30), None).unwrap();
    s.frame(Instant::from_millis(40), Some(&[0; 80])).unwrap();
    let packet = s.packet(Instant::from_millis(40), &mut short);
    assert_eq!(packet, Some(Err(DropReason::BadPayload)));
}

#[test]
fn another_codec_goes_on_in_time_with_the_marker() {
    let mut s = sender(20);
    let frame: Option<&[i16]> = Some(&[0; 80]);
    tick(&mut s, 0, frame);
    let base = tick(&mut s, 10, frame)[0].timestamp;
    tick(&mut s, 20, frame);
    let ptime = Duration::from_millis(10);
    let l16 = SendCodec::new(
        PayloadType(96),
        *L16::HZ_8000.info(),
        L16::HZ_8000.encoder(),
        ptime,
    );
    s.set_codec(Some(l16));
    assert_eq!(
        tick(&mut s, 30, frame),
        [sent(0, base.wrapping_add(240), true, 160)]
    );
}
