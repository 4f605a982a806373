//! Terminals, time and trouble on streams that flow.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops where something is not as it should be"
)]

mod common;

use std::sync::atomic::Ordering;
use std::time::Duration;

use common::world::{A, B, World, config, ip};
use common::{Ear, End, Mouth, agreed, connect, find, rtp_of, speech};
use msp_codecs::{CodecRegistry, Pcmu, round_trip};
use msp_core::ErrorKind;
use msp_core::event::{Cause, EventKind};
use msp_core::link::{Digit, Finality, OfferRole, ToMsp, ToTsp};
use msp_core::media::MediaDirection;
use msp_core::params::MediaSlot;
use msp_core::stats::DropReason;
use msp_core::terminal::Terminal;
use msp_core::trace::{PlayoutAction, Trace, TraceBody, TraceLog};
use msp_engine::sim::Simulation;

// Shows: terminals change while they run, several at once, of any rate; one that panics is lost alone
#[test]
fn c11_sinks_all_hear_it_and_sources_are_mixed() {
    let mut world = World::new(21);
    let (a, b) = world.ends();
    let (loud, louder) = (vec![4000; 16_000], vec![30_000; 8000]);
    let own = Ear::anywhere();
    let ears = [Ear::new(), Ear::new()];
    a.capture().select(own.clone()).unwrap();
    for sound in [&loud, &louder] {
        a.capture().select(Mouth::new(sound.clone())).unwrap();
    }
    for ear in &ears {
        b.render().select(ear.clone()).unwrap();
    }
    world.agree(&a, &b);
    world.run_ms(2500);
    let sent = own.samples();
    assert_eq!(sent[0], i16::MAX, "what is too loud together is cut off");
    assert!(sent[..8000].iter().all(|s| *s == i16::MAX));
    assert!(sent[8000..16_000].iter().all(|s| *s == 4000));
    let expected = round_trip(&Pcmu, &sent[..16_000]).unwrap();
    let [first, second] = ears.map(|e| e.samples());
    assert_eq!(first, second);
    assert!(find(&first, &expected).is_some());
}

// Shows: terminals change while they run, several at once, of any rate; one that panics is lost alone
#[test]
fn c10_another_terminal_takes_over_without_a_trace_of_the_first() {
    let mut world = World::new(22);
    let (a, b) = world.ends();
    let (first, second) = (
        Mouth::new(vec![5000; 80_000]),
        Mouth::new(vec![-900; 80_000]),
    );
    let ear = Ear::new();
    a.capture().select(first.clone()).unwrap();
    b.render().select(ear.clone()).unwrap();
    world.agree(&a, &b);
    world.run_ms(500);
    a.capture().unselect(first.id()).unwrap();
    world.run_ms(500);
    a.capture().select(second).unwrap();
    let before = ear.samples().len();
    world.run_ms(1000);
    let heard = ear.samples();
    assert!(heard[before..].iter().all(|s| *s <= 0), "no residue");
    assert!((heard.last().unwrap() + 900).abs() < 40);
    assert_eq!(
        a.capture().unselect(first.id()).unwrap_err().kind(),
        ErrorKind::InvalidTerminal
    );
}

/// The biggest step from one sample to the next.
fn biggest_step(sound: &[i16]) -> i32 {
    let steps = sound.windows(2).map(|w| i32::from(w[1]) - i32::from(w[0]));
    steps.map(i32::abs).max().unwrap_or(0)
}

// Shows: every terminal has volume, gain and mute (C24), before it is selected and while it runs, without a click
#[test]
fn c24_volume_and_mute_work_before_and_while_streaming_without_a_click() {
    let mut world = World::new(29);
    let (a, b) = world.ends();
    let (mouth, sent, heard) = (Mouth::new(vec![8000; 80_000]), Ear::anywhere(), Ear::new());
    mouth.controls().set_gain_db(-6.02).unwrap();
    a.capture().select(mouth.clone()).unwrap();
    a.capture().select(sent.clone()).unwrap();
    b.render().select(heard.clone()).unwrap();
    world.agree(&a, &b);
    world.run_ms(500);
    let quiet = sent.samples();
    assert!(quiet.iter().all(|s| *s == 4000), "from the first sample on");
    mouth.controls().set_gain_db(0.0).unwrap();
    world.run_ms(500);
    let loud = sent.samples();
    assert_eq!(*loud.last().unwrap(), 8000);
    assert!(biggest_step(&loud) <= 101, "4000 in 5 ms");
    mouth.controls().set_muted(true);
    world.run_ms(500);
    let all = sent.samples();
    let silent = all.iter().rposition(|s| *s != 0).unwrap();
    assert!(biggest_step(&all) <= 201);
    assert!(all.len() - silent > 3_800, "silent within one frame");
    // What is heard has knobs of its own.
    mouth.controls().set_muted(false);
    heard.controls().set_volume(0);
    world.run_ms(500);
    assert_eq!(*sent.samples().last().unwrap(), 8000);
    assert_eq!(*heard.samples().last().unwrap(), 0);
    heard.controls().set_volume(u16::MAX);
    world.run_ms(500);
    assert!((heard.samples().last().unwrap() - 8000).abs() < 300);
}

// Shows: a terminal that comes to a running stream, or leaves it, makes no click, and nothing is heard of it a frame later
#[test]
fn a_terminal_that_comes_or_leaves_makes_no_click() {
    let mut world = World::new(30);
    let (a, b) = world.ends();
    let mouths = [3000, 6000].map(|level| Mouth::new(vec![level; 80_000]));
    let sent = Ear::anywhere();
    a.capture().select(mouths[0].clone()).unwrap();
    a.capture().select(sent.clone()).unwrap();
    world.agree(&a, &b);
    world.run_ms(500);
    assert_eq!(sent.samples()[0], 3000, "the first sample is whole");
    a.capture().select(mouths[1].clone()).unwrap();
    world.run_ms(500);
    a.capture().unselect(mouths[1].id()).unwrap();
    let before = sent.samples().len();
    world.run_ms(500);
    let sound = sent.samples();
    assert_eq!(sound[before - 1], 9000);
    assert!(biggest_step(&sound) <= 151, "{}", biggest_step(&sound));
    let left = sound.iter().rposition(|s| *s != 3000).unwrap();
    assert!(
        left < before + 160,
        "two frames at the most: {left} {before}"
    );
    let free = || std::sync::Arc::strong_count(&mouths[1]) == 1;
    assert!(free(), "it was given back");
    // One that is taken off while nothing flows is given back too.
    a.capture().pause().unwrap();
    a.capture().select(mouths[1].clone()).unwrap();
    a.capture().unselect(mouths[1].id()).unwrap();
    world.run_ms(100);
    assert!(free());
}

// Shows: terminals change while they run, several at once, of any rate; one that panics is lost alone
#[test]
fn a_terminal_of_another_rate_is_converted() {
    // The caller prefers 16,000 Hz, so terminals are connected at that; the callee has only 8,000 Hz.
    let mut sim = Simulation::new(23);
    let codecs = |list: &[&str]| {
        CodecRegistry::builtin()
            .select(list.iter().copied())
            .unwrap()
    };
    let one = sim
        .engine(config(A).codecs(codecs(&["L16/16000", "PCMU"])))
        .unwrap();
    let two = sim.engine(config(B).codecs(codecs(&["PCMU"]))).unwrap();
    let (a, b) = (End::new(&one, "alice"), End::new(&two, "bob"));
    let tone = |rate: f64| -> Vec<i16> {
        (0..rate as usize * 2)
            .map(|n| (8000.0 * (std::f64::consts::TAU * 440.0 * n as f64 / rate).sin()) as i16)
            .collect()
    };
    let (wide, narrow) = (Mouth::new(tone(16_000.0)), Mouth::new(tone(8000.0)));
    let (ear_a, ear_b) = (Ear::new(), Ear::new());
    a.capture().select(wide.clone()).unwrap();
    a.render().select(ear_a.clone()).unwrap();
    b.capture().select(narrow).unwrap();
    b.render().select(ear_b.clone()).unwrap();
    connect(&a, &b, ip(B), &mut || sim.run_for(Duration::from_millis(1)));
    sim.run_for(Duration::from_millis(1800));
    assert_eq!(*wide.rate.lock().unwrap(), 16_000);
    assert_eq!(ear_a.heard.lock().unwrap().rate, 16_000);
    assert_eq!(ear_b.heard.lock().unwrap().rate, 8000);
    let crossings = |sound: &[i16]| sound.windows(2).filter(|w| w[0] < 0 && w[1] >= 0).count();
    let (heard_a, heard_b) = (ear_a.samples(), ear_b.samples());
    // A second of the tone crosses zero upwards 440 times, whatever the rate.
    let a_second = crossings(&heard_a[8000..24_000]);
    assert!((438..=442).contains(&a_second), "{a_second}");
    let b_second = crossings(&heard_b[4000..12_000]);
    assert!((438..=442).contains(&b_second), "{b_second}");
    // A terminal that comes now is connected at the rate that was agreed on.
    let late = Ear::new();
    a.render().select(late.clone()).unwrap();
    assert_eq!(late.heard.lock().unwrap().rate, 8000);
}

// Shows: terminals change while they run, several at once, of any rate; one that panics is lost alone
#[test]
fn c14_a_terminal_that_panics_is_lost_and_all_others_go_on() {
    let mut world = World::new(24);
    let (a, b) = world.ends();
    let (c, d) = world.ends();
    let (mouth, other) = (
        Mouth::new(speech(1, 80_000, 8000)),
        Mouth::new(speech(2, 80_000, 8000)),
    );
    let (ear, second) = (Ear::new(), Ear::new());
    a.capture().select(mouth.clone()).unwrap();
    c.capture().select(other.clone()).unwrap();
    b.render().select(ear.clone()).unwrap();
    b.render().select(second.clone()).unwrap();
    world.agree(&a, &b);
    world.agree(&c, &d);
    world.run_ms(300);
    let _ = (a.seen(), b.seen());
    ear.explode.store(true, Ordering::Relaxed);
    world.run_ms(100);
    assert_eq!(b.kinds_seen(), [EventKind::TerminalFail]);
    let left: Vec<_> = b.render().terminals().iter().map(|t| t.id()).collect();
    assert_eq!(left, [second.id()]);
    mouth.explode.store(true, Ordering::Relaxed);
    let said = other.said.load(Ordering::Relaxed);
    let heard = second.samples().len();
    world.run_ms(300);
    let failed = a.seen();
    let kinds: Vec<_> = failed.iter().map(|e| e.kind.clone()).collect();
    assert_eq!(
        kinds,
        [
            EventKind::TerminalFail,
            EventKind::StreamFail,
            EventKind::StreamInactive
        ]
    );
    assert_eq!(
        failed[0].error.as_ref().unwrap().kind(),
        ErrorKind::Panicked
    );
    assert_eq!(failed[0].cause, Cause::BadDevice);
    assert!(a.capture().terminals().is_empty());
    assert_eq!(other.said.load(Ordering::Relaxed) - said, 2400);
    assert_eq!(second.samples().len() - heard, 2400);
}

// Shows: media that stop are missed, media that return are told
#[test]
fn c15_media_that_stop_are_missed_and_media_that_return_are_told() {
    let mut world = World::with(25, |c| c.media_timeout(Some(Duration::from_secs(2))));
    let (a, b) = world.ends();
    let mouth = Mouth::new(speech(1, 800_000, 8000));
    a.capture().select(mouth).unwrap();
    b.render().select(Ear::new()).unwrap();
    world.agree(&a, &b);
    world.run_ms(5000);
    let _ = b.seen();
    a.capture().pause().unwrap();
    let paused = world.sim.now();
    world.run_ms(1900);
    assert_eq!(b.seen(), []);
    world.run_ms(200);
    let [gone] = &b.seen()[..] else { panic!() };
    assert_eq!(
        (&gone.kind, gone.cause),
        (&EventKind::StreamInactive, Cause::MediaTimeout)
    );
    let after = gone.at.saturating_since(paused);
    assert!(after >= Duration::from_millis(1980) && after <= Duration::from_millis(2020));
    assert!(matches!(
        b.link.receiver.try_recv().unwrap().unwrap().body,
        ToTsp::MediaLost { .. }
    ));
    world.run_ms(5000);
    assert_eq!(b.seen(), [], "it is told once");
    a.capture().start().unwrap();
    world.run_ms(100);
    let [back] = &b.seen()[..] else { panic!() };
    assert_eq!(
        (&back.kind, back.cause),
        (&EventKind::StreamActive, Cause::MediaRecovered)
    );
}

/// Whether the signalling half was told that media are lost.
fn told_lost(end: &End) -> bool {
    let mut lost = false;
    while let Some(message) = end.link.receiver.try_recv().unwrap() {
        lost |= matches!(message.body, ToTsp::MediaLost { .. });
    }
    lost
}

// Shows: media that stop are missed, media that return are told
#[test]
fn c15_media_are_missed_from_the_final_answer_on_however_early_they_could_come() {
    let mut world = World::with(27, |c| c.media_timeout(Some(Duration::from_secs(2))));
    let (a, b) = world.ends();
    b.render().select(Ear::new()).unwrap();
    let sim = &mut world.sim;
    let mut wait = || sim.run_for(Duration::from_millis(1));
    let offer = a.prepare(OfferRole::Offerer, ip(B), &mut wait);
    let answer = b.prepare(OfferRole::Answerer, ip(B), &mut wait);
    let of_b = agreed(&answer, &offer);
    b.say(ToMsp::Apply {
        finality: Finality::Provisional,
        params: vec![of_b.clone()],
    });
    assert_eq!(b.answer(&mut wait), ToTsp::Applied);
    // Nobody has to be heard while it rings.
    world.run_ms(5000);
    assert!(!told_lost(&b));
    let sim = &mut world.sim;
    b.apply(of_b, &mut || sim.run_for(Duration::from_millis(1)));
    world.run_ms(1900);
    assert!(!told_lost(&b));
    world.run_ms(200);
    assert!(told_lost(&b));
}

// Shows: media that stop are missed, media that return are told
#[test]
fn c15_after_a_hold_media_are_missed_anew_and_only_sound_is_a_recovery() {
    let mut world = World::with(28, |c| c.media_timeout(Some(Duration::from_secs(2))));
    let (a, b) = world.ends();
    b.render().select(Ear::new()).unwrap();
    world.agree(&a, &b);
    world.run_ms(5000);
    assert!(told_lost(&b));
    let _ = b.seen();
    for direction in [MediaDirection::SendOnly, MediaDirection::SendRecv] {
        b.say(ToMsp::Direction {
            slot: MediaSlot(0),
            direction,
            cause: Cause::RemoteRequest,
        });
        world.run_ms(1500);
    }
    let recovered = |end: &End| {
        let mut seen = end.seen().into_iter();
        seen.any(|e| e.cause == Cause::MediaRecovered)
    };
    assert!(!recovered(&b) && !told_lost(&b));
    world.run_ms(600);
    assert!(!recovered(&b) && told_lost(&b));
    let mouth = Mouth::new(speech(1, 80_000, 8000));
    a.capture().select(mouth).unwrap();
    world.run_ms(100);
    assert!(recovered(&b));
}

// Shows: a peer whose packets cannot be played is not taken for gone, a stranger's do not count
#[test]
fn c15_packets_of_an_unknown_payload_type_are_a_sign_of_life_if_the_peer_sends_them() {
    for (from, gone) in [(format!("{A}:4242"), false), ("203.0.113.9:9".into(), true)] {
        let mut world = World::with(31, |c| c.media_timeout(Some(Duration::from_secs(2))));
        let (a, b) = world.ends();
        b.render().select(Ear::new()).unwrap();
        let (_, params) = world.agree(&a, &b);
        let socket = world.sim.socket(from.parse().unwrap()).unwrap();
        for number in 0..50 {
            let mut packet = [0; 172];
            (packet[0], packet[1], packet[3]) = (0x80, 99, number);
            socket.send(world.sim.now(), rtp_of(&params), &packet);
            world.run_ms(100);
        }
        let drops = b.render().stats().drops;
        assert!(drops.get(DropReason::UnknownPayloadType) > 40, "{from}");
        assert_eq!(told_lost(&b), gone, "{from}");
        world.run_ms(2100);
        assert!(gone || told_lost(&b), "who falls silent is missed as ever");
    }
}

// Shows: late work is made up or skipped, and the timestamp follows time
#[test]
fn after_a_long_stall_only_what_could_still_wait_is_rendered() {
    let log = TraceLog::new(100_000);
    let mut world = World::with(29, |c| c.trace(Trace::to(log.clone())));
    let (a, b) = world.ends();
    let ear = Ear::new();
    b.render().select(ear.clone()).unwrap();
    a.capture()
        .select(Mouth::new(speech(1, 800_000, 8000)))
        .unwrap();
    world.agree(&a, &b);
    world.run_ms(1000);
    world.sim.stall(Duration::from_secs(60));
    world.run_ms(1000);
    b.call.close();
    world.run_ms(10);
    let times = ear.heard.lock().unwrap().times.clone();
    for pair in times.windows(2) {
        let passed = pair[1].at.saturating_since(pair[0].at).as_nanos() as u64;
        let samples = pair[1].position - pair[0].position;
        assert_eq!(samples * 125_000, passed, "the position follows time");
    }
    let stream = b.render().id();
    let mut segments = Vec::new();
    for entry in log.entries() {
        if let TraceBody::Playout { stream: s, segment } = entry.body
            && (entry.call, s) == (Some(b.key), stream)
        {
            segments.push(segment);
        }
    }
    let skipped = segments
        .iter()
        .filter(|s| s.action == PlayoutAction::Skipped)
        .map(|s| u64::from(s.samples))
        .sum::<u64>();
    assert!((80..=5760 + 160).contains(&skipped), "{skipped}");
    for pair in segments.windows(2) {
        let end = pair[0].position + u64::from(pair[0].samples);
        assert!(pair[1].position >= end);
    }
    let last = segments.last().unwrap();
    assert!(last.position + u64::from(last.samples) <= times.last().unwrap().position + 80);
    assert!(last.position > 8000 * 61);
}

// Shows: late work is made up or skipped, and the timestamp follows time
#[test]
fn late_slices_are_made_up_or_skipped_and_the_timestamp_follows_time() {
    let mut world = World::new(26);
    let (a, b) = world.ends();
    let peer = world.sim.socket("192.0.2.9:4000".parse().unwrap()).unwrap();
    a.capture()
        .select(Mouth::new(speech(1, 80_000, 8000)))
        .unwrap();
    let (mut params, _) = world.agree(&a, &b);
    params.remote = Some(peer.address());
    let sim = &mut world.sim;
    a.apply(params, &mut || sim.run_for(Duration::from_millis(1)));
    world.run_ms(200);
    let drain = |now| -> Vec<(bool, u16, u32)> {
        std::iter::from_fn(|| peer.receive(now))
            .filter(|(_, b, _)| b[1] & 0x7f == 0)
            .map(|(_, b, _)| {
                let seq = u16::from_be_bytes([b[2], b[3]]);
                let timestamp = u32::from_be_bytes([b[4], b[5], b[6], b[7]]);
                (b[1] & 0x80 != 0, seq, timestamp)
            })
            .collect()
    };
    let before = drain(world.sim.now());
    assert!(before.len() >= 8 && before[0].0);
    assert!(
        before[1..].iter().all(|p| !p.0),
        "the marker is on the first packet alone"
    );
    for pair in before.windows(2) {
        assert_eq!(pair[1].1, pair[0].1.wrapping_add(1));
        assert_eq!(pair[1].2, pair[0].2.wrapping_add(160));
    }
    world.sim.stall(Duration::from_millis(500));
    world.run_ms(200);
    let after = drain(world.sim.now());
    let (last, first) = (before.last().unwrap(), after[0]);
    let load = &world.one.loads()[0];
    assert!(load.skipped_slices() >= 95, "{}", load.skipped_slices());
    // Everything that was sent goes on in sequence; what was skipped shows in the timestamp alone.
    let mut all = vec![*last];
    all.extend(&after);
    for pair in all.windows(2) {
        assert_eq!(pair[1].1, pair[0].1.wrapping_add(1));
    }
    let jump = all
        .windows(2)
        .map(|p| (p[1].0, p[1].2.wrapping_sub(p[0].2)))
        .max_by_key(|(_, jump)| *jump)
        .unwrap();
    assert!(jump.0, "a marker after the gap");
    assert!((3600..=4400).contains(&jump.1), "{}", jump.1);
    let _ = first;
}

// Shows: digits sent and heard, each once
#[test]
fn digits_arrive_as_they_were_pressed() {
    let mut world = World::new(27);
    let (a, b) = world.ends();
    a.capture()
        .select(Mouth::new(speech(1, 80_000, 8000)))
        .unwrap();
    b.render().select(Ear::new()).unwrap();
    let digits: Vec<_> = "0123456789*#ABCD"
        .chars()
        .map(|c| Digit::from_char(c).unwrap())
        .collect();
    // They wait until they can be sent.
    a.capture().send_digits(&digits).unwrap();
    let refused = b.render().send_digits(&digits).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidDirection);
    world.agree(&a, &b);
    world.run_ms(5000);
    let heard: Vec<_> = b
        .seen()
        .into_iter()
        .filter_map(|e| match e.kind {
            EventKind::Digit(digit) => Some(digit),
            _ => None,
        })
        .collect();
    assert_eq!(heard, digits);
    let stats = b.render().stats();
    assert_eq!(stats.received.digits, 16);
    assert_eq!(stats.playout.concealed, 0, "digits are no loss");
    let many = vec![digits[0]; 65];
    assert_eq!(
        a.capture().send_digits(&many).unwrap_err().kind(),
        ErrorKind::Busy
    );
}

// Shows: digits that media cannot carry come back to signalling, each once
#[test]
fn digits_that_are_not_sent_are_told() {
    let mut world = World::new(31);
    let (a, b) = world.ends();
    let one = [Digit::from_char('5').unwrap()];
    a.capture()
        .select(Mouth::new(speech(1, 80_000, 8000)))
        .unwrap();
    let (mut agreed, _) = world.agree(&a, &b);
    // There is room for 64; of what comes at once and does not fit all comes back.
    a.capture().send_digits(&one.repeat(40)).unwrap();
    a.capture().send_digits(&one.repeat(40)).unwrap();
    world.run_ms(100);
    for _ in 0..40 {
        let ToTsp::Digit { digit, .. } = a.answer(&mut || ()) else {
            panic!("not a digit");
        };
        assert_eq!(digit, one[0]);
    }
    world.run_ms(10_000);
    assert_eq!(b.render().stats().received.digits, 40);
    // Those that wait when the peer turns out to take none come back too.
    a.capture().stop().unwrap();
    a.capture().send_digits(&one.repeat(3)).unwrap();
    agreed.send.retain(|m| !m.codec.is_telephone_event());
    let sim = &mut world.sim;
    a.apply(agreed, &mut || sim.run_for(Duration::from_millis(1)));
    a.capture().start().unwrap();
    world.run_ms(20);
    for _ in 0..3 {
        assert!(matches!(a.answer(&mut || ()), ToTsp::Digit { .. }));
    }
}

// Shows: random and damaged packets are counted and harm no call
#[test]
fn random_bytes_are_counted_and_harm_nothing() {
    let mut world = World::new(28);
    let (a, b) = world.ends();
    let ear = Ear::new();
    let said = speech(1, 16_000, 8000);
    a.capture().select(Mouth::new(said.clone())).unwrap();
    b.render().select(ear.clone()).unwrap();
    let (_, params) = world.agree(&a, &b);
    let stranger = world.sim.socket("203.0.113.9:9".parse().unwrap()).unwrap();
    let (rtp, rtcp) = (rtp_of(&params), params.rtcp.local.unwrap().bound);
    let mut state = 99u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    };
    let mut sent = 0;
    for _ in 0..250 {
        for _ in 0..8 {
            let length = next() as usize % 300;
            let mut bytes: Vec<u8> = (0..length).map(|_| next() as u8).collect();
            if next() % 2 == 0 && length > 1 {
                (bytes[0], bytes[1]) = (0x80 | (next() as u8 & 0x3f), next() as u8 & 0x7f);
            }
            let to = if next() % 4 == 0 { rtcp } else { rtp };
            stranger.send(world.sim.now(), to, &bytes);
            sent += 1;
        }
        world.run_ms(10);
    }
    let drops = b.render().stats().drops;
    assert!(drops.total() >= sent * 9 / 10, "{sent} {drops:?}");
    assert!(drops.get(DropReason::NotMedia) > 0 && drops.get(DropReason::WrongSource) > 0);
    assert!(find(&ear.samples(), &round_trip(&Pcmu, &said).unwrap()).is_some());
}

// Shows: random and damaged packets are counted and harm no call
#[test]
fn damaged_packets_of_the_peer_are_counted_and_the_call_goes_on() {
    let mut world = World::new(29);
    let (a, b) = world.ends();
    let (c, d) = world.ends();
    let said = speech(3, 16_000, 8000);
    let (ear, other) = (Ear::new(), Ear::new());
    a.capture().select(Mouth::new(said.clone())).unwrap();
    b.render().select(ear.clone()).unwrap();
    c.capture().select(Mouth::new(said.clone())).unwrap();
    d.render().select(other.clone()).unwrap();
    let (of_a, of_b) = world.agree(&a, &b);
    world.agree(&c, &d);
    let ssrc = {
        world.run_ms(200);
        b.render().substreams()[0].ssrc
    };
    let mut state = 7u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    };
    // From the very address that is latched: valid but for one to three bytes, with and without extension and padding.
    for n in 0..3000u32 {
        let mut packet = vec![0u8; 172 + next() as usize % 8];
        packet[0] = [0x80, 0x90, 0xa0, 0x81][next() as usize % 4];
        packet[1] = [0, 0, 101, 8, 200, 201][next() as usize % 6];
        packet[2..4].copy_from_slice(&((n / 4) as u16).to_be_bytes());
        packet[4..8].copy_from_slice(&(n * 40).to_be_bytes());
        packet[8..12].copy_from_slice(&ssrc.0.to_be_bytes());
        for _ in 0..1 + next() % 3 {
            let at = next() as usize % 24;
            packet[at] = next() as u8;
        }
        packet.truncate(1 + next() as usize % (2 * packet.len()));
        let (from, to) = (rtp_of(&of_a), rtp_of(&of_b));
        let now = world.sim.now();
        world
            .sim
            .with_network(|network| network.send(now, from, to, packet));
        if n % 4 == 0 {
            world.run_ms(5);
        }
    }
    world.run_ms(1000);
    let stats = b.render().stats();
    let reasons = stats.drops.iter().count();
    assert!(
        reasons >= 4 && stats.drops.total() > 300,
        "{:?}",
        stats.drops
    );
    assert!(b.render().flow().flows(), "no code panicked");
    // The neighbour on the same thread has heard everything.
    assert!(find(&other.samples(), &round_trip(&Pcmu, &said).unwrap()).is_some());
    assert!(ear.samples().len() > 30_000);
}
