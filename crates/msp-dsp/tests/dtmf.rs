//! In-band digits at the limits of ITU-T Q.24, over corpora, and none in speech.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::f64::consts::TAU;

use msp_core::link::Digit;
use msp_core::time::ClockRate;
use msp_dsp::{DtmfDetector, DtmfEvent, DtmfGenerator, DtmfShape, FULL_SCALE_DBM0};

mod sounds;

use sounds::{Noise, corpus, speech};

const LOW: [f64; 4] = [697.0, 770.0, 852.0, 941.0];
const HIGH: [f64; 4] = [1209.0, 1336.0, 1477.0, 1633.0];
const KEYS: &str = "123A456B789C*0#D";

/// A digit with everything that Q.24 limits.
#[derive(Clone, Copy, Debug)]
struct Tone {
    rate: u32,
    /// Its place in `KEYS`.
    key: usize,
    low_dbm0: f64,
    high_dbm0: f64,
    /// Factors of the two frequencies, and Hz more.
    low_off: (f64, f64),
    high_off: (f64, f64),
    millis: f64,
    /// Signal to noise over the whole band; none if there is none.
    snr: Option<f64>,
}

impl Tone {
    fn new(rate: u32, key: usize) -> Self {
        Self {
            rate,
            key,
            low_dbm0: -10.0,
            high_dbm0: -10.0,
            low_off: (1.0, 0.0),
            high_off: (1.0, 0.0),
            millis: 60.0,
            snr: None,
        }
    }

    /// The tone with phases of `seed`, 100 ms of silence before and after it, and noise over all.
    fn pcm(&self, seed: u64) -> Vec<i16> {
        let mut noise = Noise::new(seed);
        let rate = f64::from(self.rate);
        let samples = |millis: f64| (millis * rate / 1000.0).round() as usize;
        let amplitude =
            |dbm0: f64| 32_768.0 * 10f64.powf((dbm0 - f64::from(FULL_SCALE_DBM0)) / 20.0);
        let (low, high) = (amplitude(self.low_dbm0), amplitude(self.high_dbm0));
        let low_hz = LOW[self.key / 4] * self.low_off.0 + self.low_off.1;
        let high_hz = HIGH[self.key % 4] * self.high_off.0 + self.high_off.1;
        let phases = (noise.uniform(), noise.uniform());
        let power = (low * low + high * high) / 2.0;
        let loud = self
            .snr
            .map_or(0.0, |snr| (power / 10f64.powf(snr / 10.0)).sqrt());
        // Begins anywhere within a block.
        let lead = samples(100.0) + (noise.uniform() * rate / 500.0) as usize;
        let tone = lead..lead + samples(self.millis);
        (0..tone.end + samples(100.0))
            .map(|n| {
                let t = n as f64 / rate;
                let sum = if tone.contains(&n) {
                    low * ((t * low_hz + phases.0) * TAU).sin()
                        + high * ((t * high_hz + phases.1) * TAU).sin()
                } else {
                    0.0
                };
                (sum + loud * noise.gauss()).round() as i16
            })
            .collect()
    }

    fn digit(&self) -> char {
        KEYS.as_bytes()[self.key] as char
    }

    /// How many of `trials` gave exactly this digit, how many none at all.
    fn heard(&self, trials: u64) -> (u64, u64) {
        let (mut right, mut none) = (0, 0);
        for seed in 0..trials {
            let keys = keys(self.rate, &self.pcm(seed * 7919 + self.key as u64));
            right += u64::from(keys == self.digit().to_string());
            none += u64::from(keys.is_empty());
        }
        (right, none)
    }

    fn always(&self, trials: u64) {
        assert_eq!(self.heard(trials).0, trials, "{self:?}");
    }

    fn never(&self, trials: u64) {
        assert_eq!(self.heard(trials).1, trials, "{self:?}");
    }
}

/// Each with all keys at three sample rates.
fn tones() -> impl Iterator<Item = Tone> {
    [8_000, 16_000, 48_000]
        .into_iter()
        .flat_map(|rate| (0..KEYS.len()).map(move |key| Tone::new(rate, key)))
}

fn events(rate: u32, pcm: &[i16]) -> Vec<DtmfEvent> {
    let mut detector = DtmfDetector::new(ClockRate::new(rate).unwrap()).unwrap();
    let mut events = Vec::new();
    // Pieces of 20 ms, as frames come.
    for frame in pcm.chunks(rate as usize / 50) {
        detector.process(frame, |event| events.push(event));
    }
    detector.finish(|event| events.push(event));
    assert!(events.len().is_multiple_of(2), "{events:?}");
    events
}

/// The keys that were heard.
fn keys(rate: u32, pcm: &[i16]) -> String {
    let began = events(rate, pcm)
        .into_iter()
        .filter_map(|event| match event {
            DtmfEvent::Began { digit, .. } => Some(digit.to_char()),
            DtmfEvent::Ended { .. } => None,
        });
    began.collect()
}

// Shows: in-band digits are heard within the limits of frequency and not beyond | ITU-T Q.23, Q.24
#[test]
fn c25_frequencies_within_one_and_a_half_percent_are_heard_and_beyond_three_and_a_half_not() {
    for tone in tones() {
        for (low, high) in [
            (1.0, 1.0),
            (-1.0, 1.0),
            (1.0, -1.0),
            (-1.0, -1.0),
            (0.0, 1.0),
        ] {
            Tone {
                low_off: (1.0 + 0.015 * low, 2.0 * low),
                high_off: (1.0 + 0.015 * high, 2.0 * high),
                ..tone
            }
            .always(1);
        }
        for off in [-0.06, -0.045, -0.035, 0.035, 0.045, 0.06] {
            Tone {
                low_off: (1.0 + off, 0.0),
                ..tone
            }
            .never(1);
            Tone {
                high_off: (1.0 + off, 0.0),
                ..tone
            }
            .never(1);
        }
    }
}

// Shows: in-band digits are heard with the twist of real lines and not with more | ITU-T Q.24
#[test]
fn c25_twist_of_4_db_and_of_8_db_in_reverse_is_heard_and_clearly_more_is_not() {
    for tone in tones() {
        for (twist, heard) in [
            (4.0, true),
            (-8.0, true),
            (7.0, false),
            (12.0, false),
            (-11.0, false),
            (-20.0, false),
        ] {
            let tone = Tone {
                low_dbm0: -15.0 - twist / 2.0,
                high_dbm0: -15.0 + twist / 2.0,
                low_off: (1.012, 0.0),
                ..tone
            };
            if heard {
                tone.always(1);
            } else {
                tone.never(1);
            }
        }
        // One tone alone is no digit.
        Tone {
            high_dbm0: -90.0,
            ..tone
        }
        .never(1);
        Tone {
            low_dbm0: -90.0,
            ..tone
        }
        .never(1);
    }
}

// Shows: in-band digits of 40 ms are heard, of 23 ms not, also through noise | ITU-T Q.24
#[test]
fn c25_tones_of_40_ms_are_heard_and_of_23_ms_not() {
    for tone in tones() {
        for snr in [None, Some(20.0), Some(15.0)] {
            for millis in [40.0, 41.3, 50.0] {
                Tone {
                    millis,
                    snr,
                    ..tone
                }
                .always(4);
            }
            for millis in [23.0, 15.0, 5.0] {
                Tone {
                    millis,
                    snr,
                    ..tone
                }
                .never(4);
            }
        }
    }
}

// Shows: in-band digits are heard from loud to very soft | ITU-T Q.24
#[test]
fn c25_levels_of_minus_3_to_minus_36_dbm0_are_heard() {
    for tone in tones() {
        for level in [-3.0, -10.0, -20.0, -30.0, -36.0] {
            Tone {
                low_dbm0: level,
                high_dbm0: level,
                ..tone
            }
            .always(1);
        }
        for level in [-42.0, -55.0] {
            Tone {
                low_dbm0: level,
                high_dbm0: level,
                ..tone
            }
            .never(1);
        }
    }
}

// Shows: in-band digits are heard through noise 15 dB below them, at the limits of frequency and twist | ITU-T Q.24
#[test]
fn c25_noise_15_db_below_hides_no_digit_at_the_limits() {
    let (mut right, mut trials) = (0, 0);
    for tone in tones() {
        for (twist, low, high) in [(4.0, 1.0, -1.0), (-8.0, -1.0, 1.0), (0.0, 0.0, 0.0)] {
            let tone = Tone {
                low_dbm0: -18.0 - twist / 2.0,
                high_dbm0: -18.0 + twist / 2.0,
                low_off: (1.0 + 0.015 * low, 2.0 * low),
                high_off: (1.0 + 0.015 * high, 2.0 * high),
                millis: 50.0,
                snr: Some(15.0),
                ..tone
            };
            right += tone.heard(8).0;
            trials += 8;
        }
    }
    println!("{right} of {trials} digits heard through noise at 15 dB");
    assert!(right == trials, "{right} of {trials}");
}

/// Digits from a generator whose shape `change` sets.
fn made(rate: u32, keys: &str, millis: (u64, u64)) -> Vec<i16> {
    let digits: Vec<Digit> = keys.chars().filter_map(Digit::from_char).collect();
    let shape = DtmfShape {
        tone: std::time::Duration::from_millis(millis.0),
        gap: std::time::Duration::from_millis(millis.1),
        ..DtmfShape::default()
    };
    let rate = ClockRate::new(rate).unwrap();
    let mut generator = DtmfGenerator::new(rate, &digits, shape).unwrap();
    let each = rate.ticks(shape.tone) + rate.ticks(shape.gap);
    let mut pcm = vec![0; each as usize * digits.len()];
    assert_eq!(generator.fill(&mut pcm), pcm.len());
    pcm
}

// Shows: a pause of 40 ms parts two equal in-band digits, an interruption of 10 ms does not | ITU-T Q.24
#[test]
fn c25_a_pause_of_40_ms_parts_equal_digits_and_10_ms_do_not() {
    for rate in [8_000, 16_000, 48_000] {
        for key in KEYS.chars() {
            let twice = format!("{key}{key}");
            assert_eq!(keys(rate, &made(rate, &twice, (60, 40))), twice, "{rate}");
            assert_eq!(keys(rate, &made(rate, &twice, (45, 45))), twice, "{rate}");
        }
        let ms = |ms: usize| ms * rate as usize / 1000;
        for (key, tone) in tones().enumerate().filter(|(_, tone)| tone.rate == rate) {
            for (begin, length) in [(150, 10), (112, 10), (131, 7), (180, 10), (160, 3)] {
                let tone = Tone {
                    millis: 110.0,
                    ..tone
                };
                let mut pcm = tone.pcm(key as u64);
                pcm[ms(begin)..ms(begin + length)].fill(0);
                let heard = keys(rate, &pcm);
                assert_eq!(heard, tone.digit().to_string(), "{tone:?} {begin} {length}");
            }
        }
    }
}

// Shows: in-band digits are heard in order, with where they began and ended | ITU-T Q.23
#[test]
fn c25_all_digits_in_a_row_are_heard_with_their_begin_and_length() {
    for rate in [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000] {
        let clock = ClockRate::new(rate).unwrap();
        for (tone, gap) in [(45, 45), (100, 60), (500, 200)] {
            let heard = events(rate, &made(rate, KEYS, (tone, gap)));
            assert_eq!(heard.len(), 32, "{rate} {tone}: {heard:?}");
            let per_ms = f64::from(rate) / 1000.0;
            let ticks = |millis| clock.ticks(std::time::Duration::from_millis(millis));
            let each = ticks(tone) + ticks(gap);
            for (n, (key, pair)) in KEYS.chars().zip(heard.chunks(2)).enumerate() {
                let [
                    DtmfEvent::Began { digit, at },
                    DtmfEvent::Ended {
                        digit: same,
                        at: end,
                        length,
                    },
                ] = pair[..]
                else {
                    panic!("{pair:?}");
                };
                assert_eq!((digit.to_char(), same), (key, digit));
                assert_eq!(at + length, end);
                let late = (at as f64 - (n as u64 * each) as f64) / per_ms;
                let long = (length as f64 - ticks(tone) as f64) / per_ms;
                // Half of each ramp of 2 ms is louder than half.
                assert!(
                    (0.0..2.0).contains(&late),
                    "{rate} {key} {tone}: {late} ms late"
                );
                assert!(
                    (-3.5..-1.0).contains(&long),
                    "{rate} {key} {tone}: {long} ms longer"
                );
            }
        }
    }
}

#[test]
fn c25_a_digit_that_follows_another_without_a_pause_ends_it() {
    let pcm = made(8_000, "15", (80, 0));
    let heard = events(8_000, &pcm);
    assert_eq!(keys(8_000, &pcm), "15");
    assert!(
        matches!(heard[1], DtmfEvent::Ended { at, .. } if at.abs_diff(640) < 60),
        "{heard:?}"
    );
    // The sound ends with the tone.
    assert!(
        matches!(heard[3], DtmfEvent::Ended { at: 1280, length, .. } if length.abs_diff(640) < 60),
        "{heard:?}"
    );
}

#[test]
fn c25_a_constant_under_the_digits_and_clipping_do_no_harm() {
    let mut pcm = made(8_000, KEYS, (60, 60));
    for sample in &mut pcm {
        *sample = sample.saturating_add(3000);
    }
    assert_eq!(keys(8_000, &pcm), KEYS);
    for sample in &mut pcm {
        *sample = (*sample - 3000).clamp(-14_500, 14_500);
    }
    assert_eq!(keys(8_000, &pcm), KEYS, "clipped");
}

#[test]
fn c25_pieces_of_any_length_give_the_same_events() {
    let pcm = made(16_000, "15#", (70, 55));
    let whole = events(16_000, &pcm);
    assert_eq!(whole.len(), 6);
    for len in [1, 7, 160, 1_001, pcm.len()] {
        let mut detector = DtmfDetector::new(ClockRate::new(16_000).unwrap()).unwrap();
        let mut heard = Vec::new();
        for piece in pcm.chunks(len) {
            detector.process(piece, |event| heard.push(event));
        }
        detector.finish(|event| heard.push(event));
        assert_eq!(heard, whole, "{len}");
    }
}

#[test]
fn c25_rates_that_cannot_hold_the_tones_are_refused() {
    for hz in [4_000, 7_999, 192_001] {
        assert!(DtmfDetector::new(ClockRate::new(hz).unwrap()).is_err());
    }
}

// Shows: in-band digits that other programs made are heard, and call progress tones are none | ITU-T Q.23
#[test]
fn c25_digits_of_other_programs_are_heard() {
    for (file, digit) in [
        ("1", "1"),
        ("3", "3"),
        ("5", "5"),
        ("7", "7"),
        ("8", "8"),
        ("pound", "#"),
    ] {
        if let Some((rate, pcm)) = corpus(&format!("dtmf/dtmf-{file}.wav")) {
            assert_eq!(keys(rate, &pcm), digit, "{file}");
        }
    }
    for file in ["busy", "ringback"] {
        if let Some((rate, pcm)) = corpus(&format!("tones/{file}.wav")) {
            assert_eq!(keys(rate, &pcm), "", "{file}");
        }
    }
}

// Shows: no in-band digit is heard in an hour of speech, played at many speeds | ITU-T Q.24
#[test]
fn c25_speech_holds_no_digit() {
    let mut seconds = 0.0;
    let mut found = Vec::new();
    for (name, rate, pcm) in speech() {
        for percent in (60..=170).step_by(3) {
            // Another speed is another voice.
            let faster = sounds::faster(&pcm, f64::from(percent) / 100.0);
            seconds += faster.len() as f64 / f64::from(rate);
            let keys = keys(rate, &faster);
            if !keys.is_empty() {
                found.push((name.clone(), percent, keys));
            }
        }
    }
    println!("{seconds:.0} s of speech, digits: {found:?}");
    assert!(found.len() as f64 <= seconds / 3600.0, "{found:?}");
}

#[test]
fn c25_made_voices_hold_no_digit() {
    let hours = 2;
    let mut voice = sounds::Voice::new(7);
    let mut detector = DtmfDetector::new(ClockRate::HZ_8000).unwrap();
    let mut found = Vec::new();
    let mut frame = [0; 800];
    for _ in 0..hours * 36_000 {
        voice.fill(&mut frame);
        detector.process(&frame, |event| {
            if let DtmfEvent::Began { digit, at } = event {
                found.push((digit, at));
            }
        });
    }
    println!("{hours} hours of made voices, digits: {found:?}");
    assert!(found.len() <= hours, "{found:?}");
}
