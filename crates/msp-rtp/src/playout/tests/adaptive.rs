//! What an adaptive playout and a recorder decide.

use super::*;
use PlayoutAction::Stretched;

fn bench(config: PlayoutConfig) -> Bench {
    Bench::with(config)
}

fn adaptive() -> Bench {
    bench(PlayoutConfig::new(ClockRate::HZ_8000))
}

fn sum(log: &[(PlayoutAction, u32)], wanted: PlayoutAction) -> u32 {
    log.iter().filter(|s| s.0 == wanted).map(|s| s.1).sum()
}

/// Packet `n` of 20 ms comes `late` pulls after the time of its own; each pull is done.
fn run(b: &mut Bench, packets: i64, late: impl Fn(i64) -> i64) {
    let first = b.heard.len() as i64 / 160;
    let mut waiting: Vec<(i64, i64)> = (0..packets).map(|n| (2 * n + late(n), n)).collect();
    waiting.sort_unstable();
    let mut waiting = waiting.into_iter().peekable();
    for tick in 0..packets * 2 {
        while let Some((_, n)) = waiting.next_if(|w| w.0 <= tick) {
            let place = first + n;
            let _ = b.put(place, place as u32 * 160, 160);
        }
        b.pull();
    }
}

#[test]
fn the_delay_becomes_as_long_as_late_packets_are_worth() {
    let mut b = adaptive();
    // Each twentieth packet comes 40 ms later, which is first learned by some that are too late.
    run(&mut b, 500, |n| if n % 20 == 10 { 4 } else { 0 });
    let log = b.checked();
    let stats = *b.playout.stats();
    assert!(stats.late <= 2, "{stats:?}");
    assert_eq!(stats.target, Duration::from_millis(40));
    assert!(stats.delay >= stats.target, "{stats:?}");
    assert_eq!(sum(&log, Compressed), 0);
    assert_eq!(u64::from(sum(&log, Stretched)), stats.stretched);
    assert!(stats.warped >= stats.stretched);
}

/// The whole of the sound is heard though half a second of it came late: what was made up in its place only made it wait.
#[test]
fn packets_that_come_late_together_are_played_from_their_start() {
    let mut b = adaptive();
    run(&mut b, 300, |n| {
        if (100..110).contains(&n) {
            20 - 2 * (n - 100)
        } else {
            0
        }
    });
    let stats = *b.playout.stats();
    let log = b.checked();
    let whole = sum(&log, Normal) + sum(&log, Blended);
    let taken_out =
        b.playout.drops().get(DropReason::Late) as u32 * 160 + stats.compressed as u32 * 3;
    assert!(whole + taken_out >= 299 * 160, "{whole} {stats:?}");
    assert!(b.playout.drops().get(DropReason::Late) <= 2, "{stats:?}");
    assert!(stats.concealed_late > 0, "{stats:?}");
    assert!(stats.delay <= Duration::from_millis(40), "{stats:?}");
}

#[test]
fn what_was_made_up_is_counted_by_its_cause() {
    let mut b = adaptive();
    stream(&mut b, 50, &[20]);
    let stats = *b.playout.stats();
    assert_eq!(
        (
            stats.concealed_lost,
            stats.concealed_late,
            stats.concealed_underrun
        ),
        (160, 0, 0)
    );
    // Nothing comes for 40 ms, and then what should have.
    for _ in 0..4 {
        b.pull();
    }
    b.put(50, 50 * 160, 160).unwrap();
    let stats = *b.playout.stats();
    assert_eq!(stats.late, 1);
    assert_eq!(stats.concealed_late, 160);
    assert_eq!(
        stats.concealed,
        160 + stats.concealed_late + stats.concealed_underrun
    );
}

#[test]
fn nothing_is_warped_while_it_holds_still() {
    let mut b = adaptive();
    run(&mut b, 100, |_| 0);
    b.playout.hold_still(true);
    let before = b.playout.stats().delay;
    run(&mut b, 300, |n| n % 5);
    let stats = *b.playout.stats();
    assert_eq!((stats.stretched, stats.compressed), (0, 0), "{stats:?}");
    assert_eq!(stats.delay, before);
    assert!(stats.late > 50 && stats.target > stats.delay, "{stats:?}");
    b.playout.hold_still(false);
    run(&mut b, 300, |n| n % 5);
    let now = *b.playout.stats();
    assert!(now.late - stats.late <= 5, "{now:?}");
    assert!(now.delay >= now.target && now.stretched > 0, "{now:?}");
    b.checked();
}

/// A pause of the sender is where the delay becomes shorter without a sound being touched.
#[test]
fn in_a_pause_the_delay_changes_and_no_sound_is_warped() {
    let mut b = adaptive();
    // 600 ms of sound, 400 ms of nothing. For a time packets come up to 40 ms later than others.
    let mut place = 0;
    for spurt in 0..45i64 {
        let late = |n: i64| {
            if (4..30).contains(&spurt) {
                n % 3 * 2
            } else {
                0
            }
        };
        let mut waiting: Vec<(i64, i64)> = (0..30).map(|n| (2 * n + late(n), n)).collect();
        waiting.sort_unstable();
        let mut waiting = waiting.into_iter().peekable();
        for tick in 0..100 {
            while let Some((_, n)) = waiting.next_if(|w| w.0 <= tick) {
                let timestamp = (spurt * 8000 + n * 160) as u32;
                let _ = b.put_marked(place + n, timestamp, 160, n == 0);
            }
            b.pull();
        }
        place += 30;
        if spurt == 29 {
            assert!(b.playout.stats().delay >= Duration::from_millis(40));
        }
    }
    let stats = *b.playout.stats();
    assert_eq!((stats.stretched, stats.compressed), (0, 0), "{stats:?}");
    assert!(stats.late <= 4, "{stats:?}");
    assert!(stats.delay <= Duration::from_millis(20), "{stats:?}");
    let sound = stats.normal + stats.warped;
    assert!(sound >= 45 * 600 * 8 - 480, "{stats:?}");
    b.checked();
}

/// While a packet is lost the pitch of the voice glides on. The delay has to grow anyway: it does so at the join.
#[test]
fn after_a_gap_the_delay_grows_to_where_the_voice_is_in_step() {
    let mut b = adaptive();
    let mut phase = 0.0f64;
    let voice: Vec<u8> = (0..200 * 160)
        .map(|n| {
            phase += (140.0 + f64::from(n % 8000) / 40.0) / 8000.0;
            let tone = |k: f64| (phase * k * std::f64::consts::TAU).sin() / k;
            ((tone(1.0) + tone(2.0) + tone(5.0)) * 6000.0) as i16
        })
        .flat_map(i16::to_be_bytes)
        .collect();
    // It is learned that a longer delay is needed, which must not change yet.
    let late = |n: usize| if (50..150).contains(&n) { n % 5 } else { 0 };
    let mut waiting: Vec<(usize, usize)> = (0..200).map(|n| (2 * n + late(n), n)).collect();
    waiting.retain(|w| w.1 != 156);
    waiting.sort_unstable();
    let mut waiting = waiting.into_iter().peekable();
    let mut before = *b.playout.stats();
    for tick in 0..320 {
        while let Some((_, n)) = waiting.next_if(|w| w.0 <= tick) {
            let packet = PlayoutPacket {
                at: b.now,
                place: n as i64,
                timestamp: n as u32 * 160,
                marker: false,
                payload_type: PT,
                payload: &voice[n * 320..][..320],
            };
            let _ = b.playout.insert(&packet);
        }
        if tick == 315 {
            // In the middle of the gap.
            before = *b.playout.stats();
        }
        b.playout.hold_still((50..315).contains(&tick));
        b.pull();
    }
    let stats = *b.playout.stats();
    assert!(before.target > before.delay, "{before:?}");
    let more = stats.concealed - before.concealed - 80;
    assert!((1..=100).contains(&more), "{before:?} {stats:?}");
    let grown = ClockRate::HZ_8000.ticks(stats.delay - before.delay);
    assert!(grown >= more, "{grown} {more}");
}

#[test]
fn a_new_source_begins_with_the_delay_that_the_network_needs() {
    let mut b = adaptive();
    let late = |n: i64| if n % 10 == 9 { 6 } else { 0 };
    run(&mut b, 400, late);
    let before = *b.playout.stats();
    assert_eq!(before.target, Duration::from_millis(60));
    for _ in 0..20 {
        b.pull();
    }
    b.playout.reset();
    let silent = b.playout.stats().silence;
    let mut waiting: Vec<(i64, i64)> = (0..300).map(|n| (2 * n + late(n), n)).collect();
    waiting.sort_unstable();
    let mut waiting = waiting.into_iter().peekable();
    for tick in 0..600 {
        while let Some((_, n)) = waiting.next_if(|w| w.0 <= tick) {
            let _ = b.put(9000 + n, 777_777 + n as u32 * 160, 160);
        }
        b.pull();
    }
    let stats = *b.playout.stats();
    assert_eq!(stats.silence - silent, 60 * 8);
    assert_eq!(stats.target, before.target);
    assert_eq!(stats.late, before.late);
    b.checked();
}

/// 64 packets are what a playout holds; within that nothing is left out, however it comes.
#[test]
fn a_recorder_leaves_nothing_out() {
    let mut b = bench(PlayoutConfig::recorder(ClockRate::HZ_8000));
    run(&mut b, 500, |n| match n {
        // Half a second in which nothing comes, and then all of it.
        100..=124 => 50 - 2 * (n - 100),
        // The way becomes longer for good.
        200.. => 30,
        _ => n % 7,
    });
    for _ in 0..200 {
        b.pull();
    }
    let stats = *b.playout.stats();
    let log = b.checked();
    assert_eq!(b.playout.drops().total(), 0);
    assert_eq!(
        (stats.stretched, stats.compressed, stats.discarded),
        (0, 0, 0)
    );
    let came = 500 - 15;
    assert_eq!(
        sum(&log, Normal) + sum(&log, Blended),
        came * 160,
        "{stats:?}"
    );
}

/// Whoever sends from the right address chooses numbers and timestamps as he likes.
// Shows: playout: an adversary on the latched source finds bounds, and a second after him all is well
#[test]
fn an_adversary_finds_bounds_and_a_second_after_all_is_well() {
    for mode in [PlayoutMode::Adaptive, PlayoutMode::Recorder] {
        for seed in 0..60u64 {
            let config = PlayoutConfig {
                mode,
                ..PlayoutConfig::new(ClockRate::HZ_8000)
            };
            let max = config.max;
            let mut b = bench(config);
            let mut luck = netsim::Random::new(seed);
            let mut far: u32 = 0;
            for n in 0..500i64 {
                let true_one = n as u32 * 160;
                let _ = b.put(n * 40, true_one, 160);
                for spoilt in 0..luck.next_u64() % 6 {
                    // Half of it is nearly right.
                    let random = luck.next_u64();
                    far = match (seed % 6, random % 8) {
                        (0, _) => random as u32,
                        (1, _) => true_one.wrapping_add(random as u32 % 8000),
                        (2, _) => true_one.wrapping_sub(random as u32 % 8000),
                        (3, _) => far.wrapping_add(7999),
                        (4, 0..4) => true_one.wrapping_add(160 * (random as u32 % 20)),
                        (4, _) => true_one.wrapping_sub(160 * (random as u32 % 20)),
                        _ => true_one.wrapping_add(1 << (random % 32)),
                    };
                    let place = n * 40 + spoilt as i64 + 1 - (random % 60) as i64;
                    let samples = 80 * (1 + random as u32 % 8);
                    let _ = b.put_marked(place, far, samples, random.is_multiple_of(5));
                }
                b.pull();
                b.pull();
                let stats = b.playout.stats();
                assert!(
                    stats.depth <= max + Duration::from_secs(1),
                    "{seed} {stats:?}"
                );
            }
            for n in 50_000..50_050 {
                b.pull();
                let _ = b.put(n, n as u32 * 160, 160);
                b.pull();
            }
            let before = *b.playout.stats();
            let first = 50_050;
            stream_from(&mut b, first, 100);
            let stats = *b.playout.stats();
            // All of it is heard, though the delay may still change by as much as there is.
            let moved = 2 * ClockRate::HZ_8000.ticks(max);
            let sound = stats.normal + stats.warped - before.normal - before.warped;
            assert!(
                sound >= 100 * 160 - moved,
                "{mode:?} {seed}: {sound} {before:?} {stats:?}"
            );
            assert_eq!(stats.concealed, before.concealed, "{mode:?} {seed}");
            assert!(
                stats.depth <= max + Duration::from_millis(20),
                "{seed} {stats:?}"
            );
            if mode == PlayoutMode::Adaptive {
                stream_from(&mut b, first + 100, 400);
                let stats = *b.playout.stats();
                assert!(stats.delay <= Duration::from_millis(60), "{seed} {stats:?}");
            }
            b.checked();
        }
    }
}

/// Sound at any rate is left alone on a clean network, and named where it is not.
#[test]
fn any_rate_is_followed() {
    for (codec, hz) in [
        (L16::HZ_16000, 16_000),
        (L16::HZ_44100, 44_100),
        (L16::HZ_48000, 48_000),
    ] {
        let rate = ClockRate::new(hz).unwrap();
        let codecs = vec![PlayoutCodec::new(PT, *codec.info(), codec.decoder())];
        let mut playout = Playout::new(PlayoutConfig::new(rate), codecs).unwrap();
        let frame = hz as usize / 100;
        let (mut now, mut out) = (Instant::from_millis(1000), vec![0; frame]);
        let late = |n: u32| if (200..600).contains(&n) { n % 7 } else { 0 };
        let mut waiting: Vec<(u32, u32)> = (0..1800).map(|n| (n + late(n), n)).collect();
        waiting.sort_unstable();
        let mut waiting = waiting.into_iter().peekable();
        let mut before = 0;
        for tick in 0..1800 {
            while let Some((_, n)) = waiting.next_if(|w| w.0 <= tick) {
                let timestamp = n * frame as u32;
                let _ = playout.insert(&PlayoutPacket {
                    at: now,
                    place: n.into(),
                    timestamp,
                    marker: false,
                    payload_type: PT,
                    payload: &payload(timestamp, frame as u32),
                });
            }
            playout.pull(now, &mut out);
            while let Some(segment) = playout.log().poll() {
                assert_eq!(segment.position, before);
                before += u64::from(segment.samples);
            }
            now += Duration::from_nanos(TICK);
            if tick == 199 {
                let stats = playout.stats();
                assert_eq!((stats.warped, stats.concealed), (0, 0), "{hz}: {stats:?}");
            }
        }
        let stats = playout.stats();
        assert!(stats.compressed > 0, "{hz}: {stats:?}");
        assert!(stats.delay <= Duration::from_millis(40), "{hz}: {stats:?}");
    }
}
