mod adaptive;

use super::*;
use msp_codecs::{CodecFactory, L16};
use msp_core::trace::PlayoutSegment;
use proptest::prelude::*;

const PT: PayloadType = PayloadType(96);
const TICK: u64 = 10_000_000;

/// A playout under test. Sound is such that each sample tells its timestamp.
struct Bench {
    playout: Playout,
    now: Instant,
    heard: Vec<i16>,
    log: Vec<PlayoutSegment>,
}

/// The sample at a timestamp: no two in reach are alike, and it is loud.
fn sample(timestamp: u32) -> i16 {
    (timestamp.wrapping_mul(40_503) >> 3) as i16 | 0x1000
}

fn payload(timestamp: u32, samples: u32) -> Vec<u8> {
    (0..samples)
        .flat_map(|n| sample(timestamp.wrapping_add(n)).to_be_bytes())
        .collect()
}

fn codec() -> PlayoutCodec {
    PlayoutCodec::new(PT, *L16::HZ_8000.info(), L16::HZ_8000.decoder())
}

impl Bench {
    fn new() -> Self {
        Self::with(PlayoutConfig::fixed(
            ClockRate::HZ_8000,
            Duration::from_millis(40),
        ))
    }

    fn with(config: PlayoutConfig) -> Self {
        Self {
            playout: Playout::new(config, vec![codec()]).unwrap(),
            now: Instant::from_millis(1000),
            heard: Vec::new(),
            log: Vec::new(),
        }
    }

    fn put(&mut self, place: i64, timestamp: u32, samples: u32) -> Result<(), DropReason> {
        self.put_marked(place, timestamp, samples, false)
    }

    fn put_marked(
        &mut self,
        place: i64,
        timestamp: u32,
        samples: u32,
        marker: bool,
    ) -> Result<(), DropReason> {
        self.playout.insert(&PlayoutPacket {
            at: self.now,
            place,
            timestamp,
            marker,
            payload_type: PT,
            payload: &payload(timestamp, samples),
        })
    }

    fn pull(&mut self) {
        let mut out = [7; 80];
        self.playout.pull(self.now, &mut out);
        self.heard.extend_from_slice(&out);
        self.now += Duration::from_nanos(TICK);
        while let Some(segment) = self.playout.log().poll() {
            self.log.push(segment);
        }
    }

    /// The whole log, checked: it covers what was heard, and what it calls normal is so, sample by sample.
    fn checked(&mut self) -> Vec<(PlayoutAction, u32)> {
        self.playout.log().flush();
        while let Some(segment) = self.playout.log().poll() {
            self.log.push(segment);
        }
        let mut position = 0;
        for segment in &self.log {
            assert_eq!(segment.position, position);
            assert!(segment.samples > 0);
            let heard = &self.heard[position as usize..][..segment.samples as usize];
            match segment.action {
                Normal => {
                    let first = segment.rtp_timestamp.unwrap();
                    for (n, heard) in heard.iter().enumerate() {
                        assert_eq!(*heard, sample(first.wrapping_add(n as u32)), "{segment:?}");
                    }
                }
                Silence => assert!(heard.iter().all(|s| *s == 0)),
                Blended | Compressed | PlayoutAction::Stretched => {
                    assert!(segment.rtp_timestamp.is_some());
                }
                _ => {}
            }
            position += u64::from(segment.samples);
        }
        assert_eq!(position as usize, self.heard.len());
        assert_eq!(self.playout.log().overwritten(), 0);
        self.log.iter().map(|s| (s.action, s.samples)).collect()
    }
}

use PlayoutAction::{Blended, Compressed, Concealed, Normal, Silence};

/// 20 ms packets, one each second tick, except those of `lost`.
fn stream(b: &mut Bench, packets: i64, lost: &[i64]) {
    for n in 0..packets {
        if !lost.contains(&n) {
            b.put(n, n as u32 * 160, 160).unwrap();
        }
        b.pull();
        b.pull();
    }
}

// Shows: playout: a clean network changes not one sample
#[test]
fn a_clean_stream_is_heard_bit_by_bit_after_the_target_delay() {
    let mut b = Bench::new();
    stream(&mut b, 100, &[]);
    // The packet arrives with the first tick and is heard 40 ms later.
    assert_eq!(b.checked(), [(Silence, 320), (Normal, 15_680)]);
    assert_eq!(b.playout.stats().normal, 15_680);
    assert_eq!(b.playout.stats().target, Duration::from_millis(40));
}

#[test]
fn a_stream_that_begins_later_has_the_same_delay() {
    let mut b = Bench::new();
    for _ in 0..7 {
        b.pull();
    }
    stream(&mut b, 10, &[]);
    assert_eq!(b.checked()[0], (Silence, 7 * 80 + 320));
}

// Shows: playout: what is lost is concealed, late or double is dropped with its reason
#[test]
fn a_lost_packet_is_concealed_and_the_delay_stays() {
    let mut b = Bench::new();
    stream(&mut b, 50, &[20]);
    let log = b.checked();
    assert_eq!(
        log.iter().map(|s| s.0).collect::<Vec<_>>(),
        [Silence, Normal, Concealed, Blended, Normal]
    );
    assert_eq!((log[1].1, log[2].1), (20 * 160, 160));
    assert!(log[3].1 <= 80);
}

#[test]
fn reordered_packets_are_put_in_order() {
    let mut b = Bench::new();
    for n in [0, 2, 1, 3, 5, 4, 6, 7] {
        b.put(n, n as u32 * 160, 160).unwrap();
        b.pull();
        b.pull();
    }
    let log = b.checked();
    assert_eq!(log[..2], [(Silence, 320), (Normal, 12 * 80)]);
}

// Shows: playout: what is lost is concealed, late or double is dropped with its reason
#[test]
fn duplicates_and_late_packets_are_dropped_with_their_reason() {
    let mut b = Bench::new();
    stream(&mut b, 10, &[5]);
    assert_eq!(b.put(9, 9 * 160, 160), Err(DropReason::Duplicate));
    assert_eq!(b.put(5, 5 * 160, 160), Err(DropReason::Late));
    assert_eq!(b.put(10, 10 * 160, 0), Ok(()), "a keep-alive");
    let odd = PlayoutPacket {
        at: b.now,
        place: 11,
        timestamp: 1760,
        marker: false,
        payload_type: PT,
        payload: &[1, 2, 3],
    };
    assert_eq!(b.playout.insert(&odd), Err(DropReason::BadPayload));
    let foreign = PlayoutPacket {
        payload_type: PayloadType(97),
        ..odd
    };
    assert_eq!(
        b.playout.insert(&foreign),
        Err(DropReason::UnknownPayloadType)
    );
    b.checked();
}

#[test]
fn packet_times_may_change_and_exceed_what_is_pulled() {
    let mut b = Bench::new();
    let mut timestamp = 0;
    let mut due = 0;
    // The first is the longest: a packet is sent when its last sample is there, and its first waits from then on.
    let sizes = [1500 / 2, 80, 160, 240, 480, 80, 720, 80, 40, 40, 160];
    for (place, samples) in sizes.into_iter().enumerate() {
        while due < samples {
            b.pull();
            due += 80;
        }
        due -= samples;
        b.put(place as i64, timestamp, samples).unwrap();
        timestamp += samples;
    }
    for _ in 0..20 {
        b.pull();
    }
    let normal: u32 = b
        .checked()
        .iter()
        .filter(|s| matches!(s.0, Normal | Blended))
        .map(|s| s.1)
        .sum();
    assert_eq!(normal, timestamp);
}

#[test]
fn silence_that_the_sender_leaves_out_is_silence() {
    let mut b = Bench::new();
    stream(&mut b, 10, &[]);
    // 2 s without a packet, numbers contiguous, timestamps follow time.
    for _ in 0..200 {
        b.pull();
    }
    for n in 0..10 {
        b.put_marked(10 + n, (110 + n as u32) * 160, 160, n == 0)
            .unwrap();
        b.pull();
        b.pull();
    }
    let log = b.checked();
    let made_up: u32 = log.iter().filter(|s| s.0 == Concealed).map(|s| s.1).sum();
    assert!(made_up <= 480 + 80, "it cannot know at once: {log:?}");
    assert_eq!(log.last().unwrap().0, Normal);
    // Delay as before: the gap is as long as its timestamps say.
    let last = b.log.last().unwrap();
    let end = last.position + u64::from(last.samples);
    let heard_to = last.rtp_timestamp.unwrap() + last.samples;
    assert_eq!(end - 320, u64::from(heard_to));
}

#[test]
fn a_sender_whose_clock_stood_still_is_heard_at_once() {
    let mut b = Bench::new();
    stream(&mut b, 10, &[]);
    for _ in 0..500 {
        b.pull();
    }
    for n in 10..20 {
        assert_eq!(b.put(n, n as u32 * 160, 160), Ok(()));
        b.pull();
        b.pull();
    }
    let log = b.checked();
    let sound: u32 = log
        .iter()
        .filter(|s| matches!(s.0, Normal | Blended))
        .map(|s| s.1)
        .sum();
    assert_eq!(sound, 20 * 160 - 320);
}

#[test]
fn events_are_no_loss() {
    let mut b = Bench::new();
    stream(&mut b, 10, &[]);
    // A digit of 100 ms instead of five packets of sound, seven numbers.
    for n in 0..5u32 {
        b.playout.event(10 + i64::from(n), 1600, (n + 1) * 160);
        b.pull();
        b.pull();
    }
    for n in 0..10 {
        if n < 2 {
            b.playout.event(15 + n * 2, 1600, 800);
        }
        let place = if n < 2 { 16 + n * 2 } else { 17 + n };
        b.put(place, (15 + n as u32) * 160, 160).unwrap();
        b.pull();
        b.pull();
    }
    assert_eq!(
        b.checked(),
        [
            (Silence, 320),
            (Normal, 1600),
            (Silence, 800),
            (Normal, 1280)
        ]
    );
}

#[test]
fn timestamps_may_jump_anywhere_and_sound_goes_on() {
    for jump in [1 << 31, u32::MAX / 3, 80_000, u32::MAX - 50_000, 4_800_000] {
        let mut b = Bench::new();
        stream(&mut b, 10, &[]);
        for n in 10..30 {
            assert_eq!(
                b.put(n, jump.wrapping_add(n as u32 * 160), 160),
                Ok(()),
                "{jump}"
            );
            b.pull();
            b.pull();
        }
        let log = b.checked();
        assert_eq!(
            log,
            [(Silence, 320), (Normal, 1600), (Normal, 2880)],
            "{jump}"
        );
    }
}

#[test]
fn one_packet_with_a_wild_timestamp_does_not_upset_the_others() {
    let mut b = Bench::new();
    stream(&mut b, 10, &[]);
    for n in 10..40 {
        let timestamp = if n == 20 { 1 << 30 } else { n as u32 * 160 };
        let _ = b.put(n, timestamp, 160);
        b.pull();
        b.pull();
    }
    let normal: u32 = b
        .checked()
        .iter()
        .filter(|s| s.0 == Normal)
        .map(|s| s.1)
        .sum();
    assert_eq!(normal, 40 * 160 - 320);
}

#[test]
fn another_source_follows_without_losing_what_waits() {
    let mut b = Bench::new();
    stream(&mut b, 10, &[]);
    b.playout.reset();
    for n in 0..10 {
        b.put(9000 + n, 777_777 + n as u32 * 160, 160).unwrap();
        b.pull();
        b.pull();
    }
    assert_eq!(
        b.checked(),
        [(Silence, 320), (Normal, 1600), (Normal, 1280)]
    );
}

/// The way becomes 100 ms longer: a few packets are late, then all are heard again.
#[test]
fn a_longer_way_is_followed() {
    let mut b = Bench::new();
    stream(&mut b, 20, &[]);
    for _ in 0..10 {
        b.pull();
    }
    let mut late = 0;
    for n in 20..60 {
        late += u32::from(b.put(n, n as u32 * 160, 160).is_err());
        b.pull();
        b.pull();
    }
    assert!(late <= 3, "{late}");
    let log = b.checked();
    assert!(
        log.last().unwrap().0 == Normal && log.last().unwrap().1 > 5000,
        "{log:?}"
    );
}

/// A burst makes the buffer deep: frames are cut, each named, until the delay is near its target again.
#[test]
fn a_buffer_that_is_too_deep_is_cut_back_and_says_so() {
    let mut b = Bench::new();
    stream(&mut b, 20, &[]);
    // 100 ms arrive at once, early, and the sender stays that early.
    for n in 20..25 {
        b.put(n, n as u32 * 160, 160).unwrap();
    }
    for n in 25..200 {
        b.put(n, n as u32 * 160, 160).unwrap();
        b.pull();
        b.pull();
    }
    let log = b.checked();
    let cuts: u32 = log
        .iter()
        .filter(|s| s.0 == Compressed)
        .map(|s| s.1 / 80)
        .sum();
    assert!((7..=10).contains(&cuts), "{cuts} {log:?}");
    assert!(b.playout.stats().depth <= Duration::from_millis(70));
    assert_eq!(b.playout.stats().warped, u64::from(cuts) * 80);
}

#[test]
fn a_flood_stays_in_bounds_and_what_is_played_is_whole() {
    let mut b = Bench::new();
    let mut refused = 0;
    for n in 0..10_000 {
        refused += u32::from(b.put(n, n as u32 * 160, 160) == Err(DropReason::BufferFull));
        if n % 20 == 0 {
            b.pull();
        }
    }
    assert!(refused > 9000);
    assert!(b.playout.stats().depth <= Duration::from_millis(340));
    b.checked();
}

/// A stream that nobody listened to for a while is heard as it is now, not as it was.
#[test]
fn what_waited_while_nobody_listened_is_not_heard() {
    let mut b = Bench::new();
    stream(&mut b, 10, &[]);
    for n in 10..100 {
        let _ = b.put(n, n as u32 * 160, 160);
        b.now += Duration::from_millis(20);
    }
    stream_from(&mut b, 100, 20);
    let log = b.checked();
    let last = b.log.last().unwrap();
    assert_eq!(last.action, Normal, "{log:?}");
    assert_eq!(last.rtp_timestamp, Some(16_000));
    assert!(b.playout.drops().get(DropReason::Late) > 0);
}

fn stream_from(b: &mut Bench, first: i64, packets: i64) {
    for n in first..first + packets {
        b.pull();
        b.put(n, n as u32 * 160, 160).unwrap();
        b.pull();
    }
}

/// A peer may change to another of the codecs that were agreed, also to one of another sample rate.
#[test]
fn a_codec_of_another_rate_is_converted_and_named() {
    let wide = L16::HZ_16000;
    let config = PlayoutConfig::fixed(ClockRate::HZ_8000, Duration::from_millis(40));
    let codecs = vec![
        codec(),
        PlayoutCodec::new(PayloadType(97), *wide.info(), wide.decoder()),
    ];
    let mut b = Bench::new();
    b.playout = Playout::new(config, codecs).unwrap();
    stream(&mut b, 10, &[]);
    for n in 10..60u32 {
        // A tone of 500 Hz in 320 samples of 16,000 Hz.
        let payload: Vec<u8> = (0..320)
            .map(|k| f64::from((n - 10) * 320 + k) * std::f64::consts::TAU / 32.0)
            .flat_map(|t| ((t.sin() * 10_000.0) as i16).to_be_bytes())
            .collect();
        let packet = PlayoutPacket {
            at: b.now,
            place: n.into(),
            timestamp: n * 320,
            marker: false,
            payload_type: PayloadType(97),
            payload: &payload,
        };
        b.playout.insert(&packet).unwrap();
        b.pull();
        b.pull();
    }
    // Back again.
    for n in 60..70 {
        b.put(n, n as u32 * 160, 160).unwrap();
        b.pull();
        b.pull();
    }
    let log = b.checked();
    assert_eq!(
        log,
        [
            (Silence, 320),
            (Normal, 1600),
            (Compressed, 8000),
            (Normal, 1280)
        ]
    );
    let tone = &b.heard[320 + 1600 + 400..][..7200];
    let level = tone.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / 7200.0;
    assert!(
        (level.sqrt() - 10_000.0 / 2f64.sqrt()).abs() < 50.0,
        "{level}"
    );
}

#[test]
fn a_configuration_that_cannot_work_is_refused() {
    let fails = |config| Playout::new(config, vec![codec()]).err().map(|e| e.kind());
    let good = PlayoutConfig::new(ClockRate::HZ_8000);
    assert_eq!(fails(good), None);
    let rate = ClockRate::new(11_025).unwrap();
    assert_eq!(
        fails(PlayoutConfig::new(rate)),
        Some(ErrorKind::UnsupportedRate)
    );
    let target = Duration::from_secs(1);
    assert_eq!(
        fails(PlayoutConfig { target, ..good }),
        Some(ErrorKind::OutOfRange)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever the network and the peer do, every sample is named, and what is called normal is what was sent.
    #[test]
    fn every_sample_is_named_rightly(
        mode in prop::sample::select(vec![
            PlayoutMode::Fixed,
            PlayoutMode::Adaptive,
            PlayoutMode::Recorder,
        ]),
        first: u32,
        events in prop::collection::vec((0u8..21, 0u64..6, 1u32..7), 1..300),
    ) {
        let fixed = PlayoutConfig::fixed(ClockRate::HZ_8000, Duration::from_millis(40));
        let mut b = Bench::with(PlayoutConfig { mode, ..fixed });
        let (mut place, mut timestamp) = (100i64, first);
        let mut held: Vec<(i64, u32, u32)> = Vec::new();
        for (what, pulls, frames) in events {
            let samples = frames * 80;
            match what {
                0 => {} // lost
                1 => held.push((place, timestamp, samples)),
                2 => timestamp = timestamp.wrapping_add(samples * 10),
                3 => timestamp = timestamp.wrapping_mul(7),
                4 => b.playout.event(place, timestamp, samples),
                5 => b.playout.reset(),
                7 => b.playout.hold_still(frames % 2 == 0),
                6 => {
                    let _ = b.put(place, timestamp, samples);
                    let _ = b.put(place, timestamp, samples);
                }
                _ => {
                    let _ = b.put(place, timestamp, samples);
                    for (place, timestamp, samples) in held.drain(..) {
                        let _ = b.put(place, timestamp, samples);
                    }
                }
            }
            place += 1;
            timestamp = timestamp.wrapping_add(samples);
            for _ in 0..pulls {
                b.pull();
            }
        }
        b.checked();
        let stats = *b.playout.stats();
        prop_assert!(stats.depth <= Duration::from_secs(2));
        let causes = [stats.concealed_lost, stats.concealed_late, stats.concealed_underrun];
        prop_assert_eq!(stats.concealed, causes.iter().sum::<u64>());
        let all = stats.normal + stats.concealed + stats.warped + stats.comfort + stats.silence;
        prop_assert_eq!(all, b.heard.len() as u64);
    }
}
