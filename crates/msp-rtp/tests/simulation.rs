//! Two sessions over a simulated network.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod common;

use common::*;
use std::time::Duration;

use msp_codecs::round_trip;
use msp_core::id::{SequenceNumber, Ssrc};
use msp_core::link::Digit;
use msp_core::media::MediaDirection;
use msp_core::stats::DropReason;
use msp_core::trace::PlayoutAction;
use msp_rtp::header::RtpHeader;
use msp_rtp::protect::{Component, Protect};
use msp_rtp::session::{Received, SessionEvent};
use msp_rtp::view::RtpView;
use netsim::Network;
use std::ops::Range;

/// Sound as it is heard after coding, and the numbers that B hears it under.
fn said(codec_name: &str, clock: u32, speech: &[i16]) -> Vec<i16> {
    round_trip(&*codec(codec_name, clock), speech).unwrap()
}

/// On a clean network not one sample differs, and the delay is packet time, way and target, to the sample.
#[test]
fn a_clean_call_is_bit_exact_with_a_delay_stated_to_the_sample() {
    for (name, clock) in [
        ("PCMU", 8000),
        ("PCMA", 8000),
        ("L16", 8000),
        ("L16", 16_000),
        ("L16", 44_100),
    ] {
        for ptime in [10u64, 20, 30, 40, 60] {
            for way_ms in [0u64, 7, 50] {
                let mut w = World::new(ptime + way_ms, &format!("delay={way_ms}ms"));
                let per_ms = clock as usize / 1000;
                w.a.speech = speech(clock as usize, 1);
                w.b.speech = speech(clock as usize, 2);
                w.agree(name, clock, ptime);
                let frames = w.a.session.capture_rate().unwrap().hz() as usize / 100;
                w.run(140);
                for (from, to) in [(&w.a, &w.b), (&w.b, &w.a)] {
                    // Frame n is captured at tick n. The last frame of a packet leaves in its own tick, arrives after
                    // the way, and its packet waits for the target, up to the next tick; the first also for the second,
                    // which proves the source, and so the delay is never below a packet time.
                    let packet = (clock as u64 / 100 * ptime / 10) as usize;
                    let ptime = (packet / frames) as u64;
                    let max = 1400 / if name == "L16" { 2 * frames } else { frames };
                    let ptime = ptime.min(max as u64);
                    let second = 2 * ptime - 1 + way_ms.div_ceil(10).max(1);
                    let ticks = (ptime - 1 + (way_ms + 40).div_ceil(10)).max(second);
                    let delay = ticks as usize * frames;
                    let said = said(name, clock, &from.speech);
                    let whole = said.len() / (ptime as usize * frames) * ptime as usize * frames;
                    let context = format!("{name}/{clock} {ptime} frames, {way_ms} ms, {per_ms}");
                    assert!(to.heard[..delay].iter().all(|s| *s == 0), "{context}");
                    assert!(to.heard[delay..][..whole] == said[..whole], "{context}");
                    assert_eq!(to.session.stats().drops.total(), 0, "{context}");
                }
            }
        }
    }
}

/// The same without a delay that is told: at most 10 ms and a packet after the packet came, and not one sample differs.
// Shows: playout: a network that does not vary changes not one sample, and costs 10 ms and a packet at most
#[test]
fn a_clean_call_is_bit_exact_too_when_playout_adapts() {
    for (name, clock) in [
        ("PCMU", 8000),
        ("L16", 8000),
        ("L16", 16_000),
        ("L16", 44_100),
        ("L16", 48_000),
    ] {
        for ptime in [10u64, 20, 30, 60] {
            for way_ms in [0u64, 7, 50] {
                let mut w = World::adaptive(ptime + way_ms, &format!("delay={way_ms}ms"));
                w.a.speech = speech(clock as usize * 3, 1);
                w.agree(name, clock, ptime);
                w.run(340);
                let frames = clock as usize / 100;
                let said = said(name, clock, &w.a.speech);
                let most = 1400 / if name == "L16" { 2 * frames } else { frames };
                let ptime = (ptime as usize / 10).min(most);
                let packet = ptime * frames;
                let whole = said.len() / packet * packet;
                let first = w.b.heard.iter().position(|s| *s != 0).unwrap();
                let begin = said.iter().position(|s| *s != 0).unwrap();
                let context = format!("{name}/{clock} {ptime} frames, {way_ms} ms");
                let delay = first - begin;
                assert!(w.b.heard[delay..][..whole] == said[..whole], "{context}");
                // The first frame leaves with the last of its packet, and is there a tick later at the earliest.
                let came = (ptime - 1 + (way_ms as usize).div_ceil(10).max(1)) * frames;
                assert!(delay <= came + packet + frames, "{context}: {delay} {came}");
                assert_eq!(w.b.session.stats().drops.total(), 0, "{context}");
            }
        }
    }
}

/// Each sample that is not what was said lies in a stretch that the log names.
#[test]
fn on_a_bad_network_each_differing_sample_is_named() {
    bad_networks(World::new);
}

#[test]
fn on_a_bad_network_each_differing_sample_is_named_when_playout_adapts() {
    bad_networks(World::adaptive);
}

/// A modem speaks: whatever the network does, and though another agreement follows, no sample is stretched or compressed.
#[test]
fn playout_that_is_held_still_goes_on_so_over_another_agreement() {
    let mut w = World::adaptive(30, "delay=10ms,jitter=80ms");
    w.a.speech = speech(8000 * 10, 1);
    w.agree("PCMU", 8000, 20);
    w.run(100);
    w.b.session.hold_playout_still(true);
    let before = w.b.session.stats().playout;
    w.run(200);
    w.agree("PCMA", 8000, 20);
    w.run(200);
    let held = w.b.session.stats().playout;
    assert_eq!(held.stretched, before.stretched);
    assert_eq!(held.compressed, before.compressed);
    w.b.session.hold_playout_still(false);
    w.network.set_default("delay=10ms".parse().unwrap());
    w.run(900);
    let after = w.b.session.stats().playout;
    assert!(after.compressed > held.compressed, "{after:?}");
    w.b.segments();
}

fn bad_networks(world: fn(u64, &str) -> World) {
    for (seed, impairment) in [
        "delay=20ms,loss=5%",
        "delay=20ms,loss=5%,burst=3",
        "delay=10ms,jitter=30ms,overtake,loss=3%",
        "delay=10ms,jitter=120ms",
        "delay=10ms,reorder=20%,hold=25ms,duplicate=5%",
    ]
    .into_iter()
    .enumerate()
    {
        let mut w = world(seed as u64 + 10, impairment);
        w.a.speech = speech(8000 * 20, 1);
        w.agree("PCMA", 8000, 20);
        let base = w.a.session.state().sender.timestamp;
        w.run(2000);
        let said = said("PCMA", 8000, &w.a.speech);
        let log = w.b.segments();
        assert_eq!(
            unexplained(&w.b.heard, &log, &said, base),
            None,
            "{impairment}"
        );
        let normal: u64 = w.b.session.stats().playout.normal;
        assert!(
            normal > 120_000,
            "{impairment}: {normal} {:?}",
            w.b.session.stats()
        );
        let lost = w.network.stats(addr(A), addr(B)).lost as i64;
        let counted = w.b.session.stats().received.lost;
        let twice = w.b.session.stats().drops.get(DropReason::Duplicate) as i64;
        assert!(
            (counted + twice - lost).abs() <= 3,
            "{impairment}: {counted} {lost}"
        );
    }
}

#[test]
fn numbers_and_timestamps_may_wrap_during_a_call() {
    let mut w = World::new(5, "delay=10ms");
    w.a.speech = speech(8000 * 4, 3);
    w.agree("PCMU", 8000, 20);
    let mut state = w.a.session.state();
    state.sender.sequence = SequenceNumber(65_500);
    state.sender.timestamp = u32::MAX - 8000;
    w.a.session.restore(&state);
    w.run(460);
    let said = said("PCMU", 8000, &w.a.speech);
    assert_eq!(w.b.session.stats().received.lost, 0);
    assert_eq!(w.b.session.stats().playout.normal as usize, said.len());
    let log = w.b.segments();
    assert_eq!(unexplained(&w.b.heard, &log, &said, u32::MAX - 8000), None);
}

#[test]
fn digits_arrive_at_any_packet_time_even_with_loss_and_no_sound_is_called_lost() {
    for ptime in [10, 20, 30, 60] {
        for impairment in ["delay=10ms", "delay=10ms,loss=20%"] {
            let mut w = World::new(ptime, impairment);
            w.a.speech = speech(8000 * 8, 3);
            w.agree("PCMU", 8000, ptime);
            w.run(50);
            let digits: Vec<_> = "0123456789*#ABCD"
                .chars()
                .map(|c| Digit::from_char(c).unwrap())
                .collect();
            w.a.session.send_digits(&digits, None).unwrap();
            w.run(700);
            assert_eq!(w.b.digits(), "0123456789*#ABCD", "{ptime} {impairment}");
            assert_eq!(w.b.session.stats().received.digits, 16);
            if impairment == "delay=10ms" {
                assert_eq!(w.b.session.stats().received.lost, 0);
                assert_eq!(w.b.session.stats().playout.concealed, 0);
                let jitter = w.b.session.stats().received.jitter_max;
                assert!(jitter < Duration::from_micros(50), "{jitter:?}");
            }
        }
    }
}

#[test]
fn digits_without_sound_are_heard_too() {
    let mut w = World::new(4, "delay=10ms");
    w.agree("PCMU", 8000, 20);
    w.run(20);
    w.a.session
        .send_digits(&[Digit::from_char('7').unwrap()], None)
        .unwrap();
    w.run(60);
    assert_eq!(w.b.digits(), "7");
}

#[test]
fn a_peer_without_events_gets_no_digits() {
    let mut w = World::new(4, "");
    let mut params = agreed("PCMU", 8000, B, 20);
    params.send.truncate(1);
    w.a.agree(w.now, &params);
    let error =
        w.a.session
            .send_digits(&[Digit::from_char('7').unwrap()], None)
            .unwrap_err();
    assert_eq!(error.kind(), msp_core::ErrorKind::Unsupported);
}

/// A packet of sound that nobody sent.
fn forged(ssrc: Ssrc, seq: u16, timestamp: u32) -> Vec<u8> {
    let header = RtpHeader {
        marker: false,
        payload_type: msp_core::id::PayloadType(0),
        sequence: SequenceNumber(seq),
        timestamp,
        ssrc,
    };
    let mut bytes = header.bytes().to_vec();
    bytes.extend_from_slice(&[0x55; 160]);
    bytes
}

/// Once the latch is shut a stranger is heard for no packet, not even with the right source and numbers.
#[test]
fn a_stranger_is_heard_for_no_packet() {
    let mut w = World::new(6, "delay=10ms");
    w.a.speech = speech(8000 * 3, 1);
    w.agree("PCMU", 8000, 20);
    let base = w.a.session.state().sender.timestamp;
    w.run(20);
    let stranger = addr("203.0.113.66:6666");
    for _ in 0..250 {
        let sender = w.a.session.state().sender;
        for ahead in 0..4 {
            let seq = sender.sequence.wrapping_add(ahead).0;
            let packet = forged(sender.ssrc, seq, sender.timestamp + u32::from(ahead) * 160);
            assert_eq!(
                w.b.receive(w.now, stranger, &packet),
                Received::Dropped(DropReason::WrongSource)
            );
        }
        w.run(1);
    }
    let said = said("PCMU", 8000, &w.a.speech);
    let log = w.b.segments();
    assert_eq!(unexplained(&w.b.heard, &log, &said, base), None);
    assert_eq!(w.b.session.stats().playout.concealed, 0);
    assert_eq!(w.b.session.stats().drops.get(DropReason::WrongSource), 1000);
    assert_eq!(
        w.b.session.target(),
        Some(addr(A)),
        "nor is anything sent to it"
    );
    assert!(w.b.events.contains(&SessionEvent::SourceLocked(addr(A))));
}

/// What comes before the answer is held, in bounds, and its end is heard once the peer is known.
#[test]
fn media_before_the_answer_are_held_and_heard() {
    let mut w = World::new(7, "delay=5ms");
    w.a.speech = speech(8000, 1);
    w.a.agree(w.now, &agreed("PCMU", 8000, B, 20));
    let base = w.a.session.state().sender.timestamp;
    w.run(10);
    assert_eq!(w.b.session.held(), 4);
    w.b.agree(w.now, &agreed("PCMU", 8000, A, 20));
    assert_eq!(w.b.session.held(), 0);
    w.run(110);
    let said = said("PCMU", 8000, &w.a.speech);
    let log = w.b.segments();
    assert_eq!(unexplained(&w.b.heard, &log, &said, base), None);
    assert_eq!(w.b.session.stats().playout.normal, 8000);

    let mut w = World::new(7, "delay=5ms");
    w.a.speech = speech(80_000, 1);
    w.a.agree(w.now, &agreed("PCMU", 8000, B, 20));
    w.run(500);
    assert!(w.b.session.held() <= 32);
    assert!(w.b.session.stats().drops.get(DropReason::HoldFull) > 200);
}

#[test]
fn another_source_from_the_same_address_takes_over() {
    let mut w = World::new(8, "delay=10ms");
    w.a.speech = speech(8000 * 4, 1);
    w.agree("PCMU", 8000, 20);
    w.run(100);
    // A restarts: another source, other numbers, from the same port.
    let mut other = Phone::new(A, 999);
    other.speech = w.a.speech.split_off(w.a.spoken);
    other.agree(w.now, &agreed("PCMU", 8000, B, 20));
    w.a = other;
    let concealed = w.b.session.stats().playout.concealed;
    w.run(300);
    let stats = w.b.session.stats();
    assert_eq!(stats.received.sources, 2);
    assert_eq!(stats.received.lost, 0, "of the present source");
    assert!(stats.playout.concealed - concealed <= 480, "{stats:?}");
    assert!(stats.playout.normal > 8000 * 39 / 10);
}

#[test]
fn reports_measure_the_way_and_the_loss_and_name_the_peer() {
    let mut w = World::new(9, "delay=40ms,loss=10%");
    w.a.speech = speech(8000 * 60, 1);
    w.b.speech = speech(8000 * 60, 2);
    w.agree("PCMU", 8000, 20);
    w.run(5500);
    let (a, b) = (w.a.session.stats(), w.b.session.stats());
    assert!((6..=18).contains(&a.sent.reports), "{a:?}");
    assert!(a.received.reports > 3);
    let trip = a.sent.round_trip.unwrap();
    // Datagrams are seen in ticks but carry the time at which they came.
    assert!((79..=91).contains(&trip.as_millis()), "{trip:?}");
    assert!(
        (a.sent.remote_lost - b.received.lost).abs() < 60,
        "{a:?} {b:?}"
    );
    assert!(a.sent.remote_lost > 150);
    let name = w.a.session.remote_name().unwrap();
    assert_eq!(name.len(), 16);
    assert!(
        w.a.events
            .iter()
            .any(|e| matches!(e, SessionEvent::Named(_)))
    );

    w.a.session.stop();
    w.run(20);
    let goodbyes =
        w.b.events
            .iter()
            .filter(|e| matches!(e, SessionEvent::Goodbye(_)));
    assert!(goodbyes.count() <= 1);
    let before = w.network.totals().sent;
    let mut quiet = World::new(1, "");
    std::mem::swap(&mut quiet.a, &mut w.a);
    quiet.run(1000);
    assert!(w.network.totals().sent >= before);
    assert_eq!(
        quiet.network.stats(addr(A), addr(B)).sent,
        0,
        "after the goodbye"
    );
}

#[test]
fn who_says_nothing_keeps_the_path_open() {
    let mut w = World::new(10, "delay=10ms");
    let mut params = agreed("PCMU", 8000, B, 20);
    params.direction = MediaDirection::RecvOnly;
    params.rtcp.mux = false;
    w.a.agree(w.now, &params);
    w.b.agree(w.now, &agreed("PCMU", 8000, A, 20));
    w.run(4700);
    let stats = w.a.session.stats();
    assert_eq!(stats.sent.keep_alives, 4, "at once, then each 15 s");
    assert_eq!(stats.sent.octets, 0);
    assert_eq!(w.b.session.stats().playout.concealed, 0);
}

#[test]
fn a_goodbye_leaves_the_call_alone() {
    let mut w = World::new(11, "delay=10ms");
    w.a.speech = speech(8000 * 2, 1);
    w.agree("PCMU", 8000, 20);
    w.run(50);
    let ssrc = w.a.session.ssrc().0.to_be_bytes();
    let mut bytes = vec![0x80, 201, 0, 1, 0, 0, 0, 1, 0x81, 203, 0, 1];
    bytes.extend_from_slice(&ssrc);
    w.b.receive(w.now, addr(A), &bytes);
    w.run(200);
    assert!(
        w.b.events
            .iter()
            .any(|e| matches!(e, SessionEvent::Goodbye(_)))
    );
    assert_eq!(w.b.session.stats().playout.normal, 16_000);
}

#[test]
fn a_peer_with_our_source_makes_us_take_another_once_and_is_heard() {
    let mut w = World::new(12, "delay=10ms");
    w.a.speech = speech(8000 * 2, 1);
    w.agree("PCMU", 8000, 20);
    let mut state = w.a.session.state();
    state.sender.ssrc = w.b.session.ssrc();
    w.a.session.restore(&state);
    w.run(250);
    let collisions =
        w.b.events
            .iter()
            .filter(|e| matches!(e, SessionEvent::Collision { .. }));
    assert_eq!(collisions.count(), 1);
    assert_ne!(w.b.session.ssrc(), state.sender.ssrc);
    assert_eq!(w.b.session.stats().playout.normal, 16_000);
}

/// An echo service sends our own packets back, our source and all.
// RFC 3550 section 8.2: after the first it is a loop, and another number would not end it.
#[test]
fn an_echo_of_our_own_packets_is_heard_and_changes_our_source_once() {
    let mut w = World::new(13, "delay=10ms");
    w.a.speech = speech(8000 * 60, 1);
    w.a.agree(w.now, &agreed("PCMU", 8000, B, 20));
    for _ in 0..6060 {
        while let Some(d) = w.network.poll(w.now) {
            if d.to == addr(B) {
                w.network.send(d.at, addr(B), d.from, d.bytes);
            } else {
                w.a.receive(d.at, d.from, &d.bytes);
            }
        }
        w.a.tick(w.now, &mut w.network);
        w.now += FRAME;
    }
    let collisions =
        w.a.events
            .iter()
            .filter(|e| matches!(e, SessionEvent::Collision { .. }));
    assert_eq!(collisions.count(), 1);
    let stats = w.a.session.stats();
    assert!(stats.playout.normal >= 8000 * 60 - 800, "{stats:?}");
}

/// A session goes on elsewhere from its saved state: nothing is lost or heard twice, no latch is opened.
#[test]
fn a_session_goes_on_from_its_saved_state() {
    let mut w = World::new(14, "delay=10ms");
    w.a.speech = speech(8000 * 2, 1);
    w.b.speech = speech(8000 * 2, 2);
    w.agree("PCMU", 8000, 20);
    w.run(100);
    let state = w.b.session.state();
    let mut other = Phone::new(B, 4711);
    other.session.restore(&state);
    other.agree(w.now, &agreed("PCMU", 8000, A, 20));
    other.speech = w.b.speech.split_off(w.b.spoken);
    w.b = other;
    assert_eq!(w.b.session.latch().locked(), Some(addr(A)));
    w.run(150);
    let (a, b) = (w.a.session.stats(), w.b.session.stats());
    assert_eq!((a.received.sources, a.received.lost), (1, 0));
    assert_eq!((b.received.sources, b.received.lost), (1, 0));
    assert_eq!(a.playout.normal, 16_000, "{a:?}");
}

#[test]
fn another_codec_goes_on_with_the_same_source() {
    let mut w = World::new(15, "delay=10ms");
    w.a.speech = speech(8000 * 3, 1);
    w.agree("PCMU", 8000, 20);
    w.run(100);
    w.agree("PCMA", 8000, 30);
    w.run(250);
    let stats = w.b.session.stats();
    // What was on its way under the old payload type is nothing under the new map.
    assert_eq!((stats.received.sources, stats.received.lost), (1, 1));
    assert!(stats.playout.normal > 8000 * 29 / 10, "{stats:?}");
    assert_eq!(w.b.heard.len(), 350 * 80);
    let log = w.b.segments();
    assert_eq!(
        log.iter().map(|s| u64::from(s.samples)).sum::<u64>(),
        350 * 80
    );
}

#[test]
fn applying_the_same_again_changes_nothing_that_is_heard() {
    let mut w = World::new(16, "delay=10ms");
    w.a.speech = speech(8000 * 2, 1);
    w.agree("PCMU", 8000, 20);
    for _ in 0..30 {
        w.run(7);
        w.agree("PCMU", 8000, 20);
    }
    w.run(50);
    let log = w.b.segments();
    let kinds: Vec<_> = log.iter().map(|s| s.action).collect();
    assert_eq!(kinds[..2], [PlayoutAction::Silence, PlayoutAction::Normal]);
    assert_eq!(log[1].samples, 16_000);
}

#[test]
fn nothing_comes_in_that_the_agreement_does_not_let_in() {
    let mut w = World::new(17, "delay=10ms");
    w.a.speech = speech(8000, 1);
    w.agree("PCMU", 8000, 20);
    w.b.session.set_direction(MediaDirection::SendOnly);
    w.run(100);
    let stats = w.b.session.stats();
    assert!(stats.drops.get(DropReason::NotPermitted) > 40);
    assert_eq!((stats.received.packets, stats.playout.normal), (0, 0));
    w.a.session.set_direction(MediaDirection::Inactive);
    let sent = w.a.session.stats().sent.packets;
    w.run(20);
    assert_eq!(w.a.session.stats().sent.packets, sent);
}

/// Ticks that a busy shard skips: time goes on, numbers do not jump, the peer hears a pause.
#[test]
fn skipped_ticks_are_a_pause_and_no_loss() {
    let mut w = World::new(18, "delay=10ms");
    w.a.speech = speech(8000, 1);
    w.agree("PCMU", 8000, 20);
    w.run(40);
    for _ in 0..5 {
        // A is not run.
        w.deliver();
        w.b.tick(w.now, &mut w.network);
        w.now += FRAME;
    }
    w.run(100);
    let stats = w.b.session.stats();
    assert_eq!(stats.received.lost, 0);
    assert_eq!(
        stats.playout.normal + stats.playout.warped,
        8000,
        "{stats:?}"
    );
}

/// A key of one byte and a tag of four, to see where a real one goes.
struct Toy(u8);

impl Protect for Toy {
    fn unprotect(&mut self, _: Component, packet: &mut [u8]) -> Result<usize, DropReason> {
        let len = packet
            .len()
            .checked_sub(4)
            .ok_or(DropReason::NotAuthentic)?;
        if packet[len..] != [self.0; 4] {
            return Err(DropReason::NotAuthentic);
        }
        packet[12.min(len)..len]
            .iter_mut()
            .for_each(|b| *b ^= self.0);
        Ok(len)
    }

    fn protect(
        &mut self,
        _: Component,
        buffer: &mut [u8],
        packet: Range<usize>,
    ) -> Result<Range<usize>, DropReason> {
        let body = (packet.start + 12).min(packet.end)..packet.end;
        buffer[body].iter_mut().for_each(|b| *b ^= self.0);
        buffer[packet.end..packet.end + 4].fill(self.0);
        Ok(packet.start..packet.end + 4)
    }
}

#[test]
fn what_is_not_authentic_moves_nothing_and_what_is_moves_the_latch() {
    let mut w = World::new(19, "delay=10ms");
    w.a.speech = speech(8000 * 2, 1);
    w.agree("PCMU", 8000, 20);
    w.a.session.set_protect(Some(Box::new(Toy(0x5a))));
    w.b.session.set_protect(Some(Box::new(Toy(0x5a))));
    for n in 0..50 {
        let packet = forged(Ssrc(3), n, 0);
        let got = w.b.receive(w.now, addr("203.0.113.66:6666"), &packet);
        assert_eq!(got, Received::Dropped(DropReason::NotAuthentic));
        w.run(1);
    }
    // The peer's NAT gives it another port: authentic packets are followed at once.
    w.a.address = addr("192.0.2.1:49999");
    w.run(200);
    assert_eq!(w.b.session.target(), Some(addr("192.0.2.1:49999")));
    let stats = w.b.session.stats();
    assert_eq!((stats.received.lost, stats.playout.normal), (0, 16_000));
}

#[test]
fn levels_are_those_of_the_sound() {
    let mut w = World::new(20, "");
    w.a.speech = (0..8000)
        .map(|n| ((f64::from(n) * 0.7).sin() * 16_384.0) as i16)
        .collect();
    w.agree("L16", 8000, 20);
    w.run(90);
    let (a, b) = (w.a.session.stats(), w.b.session.stats());
    assert!(
        (a.sent_level.dbfs() + 6.0).abs() < 0.3,
        "{:?}",
        a.sent_level
    );
    assert!(
        (b.played_level.dbfs() + 6.0).abs() < 0.3,
        "{:?}",
        b.played_level
    );
}

#[test]
fn two_runs_from_one_seed_are_equal_to_the_bit() {
    let run = || {
        let mut w = World::new(21, "delay=20ms,jitter=40ms,loss=4%,duplicate=2%");
        w.a.speech = speech(8000 * 10, 1);
        w.b.speech = speech(8000 * 10, 2);
        w.agree("PCMU", 8000, 20);
        w.run(1000);
        (
            w.a.heard,
            w.b.heard,
            w.a.session.state(),
            w.b.session.stats(),
        )
    };
    assert!(run() == run());
}

/// Any packet seen by the network is one that the checked view reads.
#[test]
fn all_that_is_sent_is_well_formed() {
    let mut w = World::new(22, "");
    w.a.speech = speech(8000, 1);
    w.a.agree(w.now, &agreed("PCMU", 8000, B, 20));
    let mut network: Network = Network::new(1);
    for _ in 0..100 {
        w.a.tick(w.now, &mut network);
        w.now += FRAME;
    }
    let mut packets = 0;
    while let Some(d) = network.poll(w.now) {
        let view = RtpView::parse(&d.bytes).unwrap();
        packets += u32::from(view.payload().len() == 160);
    }
    assert_eq!(packets, 50);
}
