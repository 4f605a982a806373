//! Tones of given frequencies, heard with the caller's tag.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::time::Duration;

use msp_core::time::ClockRate;
use msp_dsp::{FULL_SCALE_DBM0, Partial, ToneDetector, ToneEvent, ToneGenerator, ToneSpec};

mod sounds;

use sounds::{Noise, corpus, speech};

fn spec(tag: u32, frequencies: [f32; 3], millis: u64) -> ToneSpec {
    ToneSpec {
        tag,
        frequencies,
        min_duration: Duration::from_millis(millis),
    }
}

/// Stretches of sines of so many dBm0 each, with noise so far below one of them.
fn sound(rate: u32, stretches: &[(&[f32], u64)], dbm0: f32, snr: Option<f64>) -> Vec<i16> {
    let rate = ClockRate::new(rate).unwrap();
    let mut noise = Noise::new(stretches.len() as u64);
    let mut pcm = Vec::new();
    for (hz, millis) in stretches {
        let dbfs = dbm0 - FULL_SCALE_DBM0;
        let partials: Vec<Partial> = hz.iter().map(|hz| Partial { hz: *hz, dbfs }).collect();
        let mut piece = vec![0; rate.ticks(Duration::from_millis(*millis)) as usize];
        ToneGenerator::new(rate, &partials)
            .unwrap()
            .fill(&mut piece);
        pcm.extend(piece);
    }
    if let Some(snr) = snr {
        let sine = 32_767.0 * 10f64.powf(f64::from(dbm0 - FULL_SCALE_DBM0) / 20.0);
        let loud = sine / 2f64.sqrt() / 10f64.powf(snr / 20.0);
        for sample in &mut pcm {
            *sample = (f64::from(*sample) + loud * noise.gauss()) as i16;
        }
    }
    pcm
}

fn events(rate: u32, specs: &[ToneSpec], pcm: &[i16]) -> Vec<ToneEvent> {
    let mut detector = ToneDetector::new(ClockRate::new(rate).unwrap(), specs).unwrap();
    let mut events = Vec::new();
    for frame in pcm.chunks(rate as usize / 50) {
        detector.process(frame, |event| events.push(event));
    }
    detector.finish(|event| events.push(event));
    events
}

/// What was heard: tag, begin and length in milliseconds.
fn heard(rate: u32, specs: &[ToneSpec], pcm: &[i16]) -> Vec<(u32, u64, u64)> {
    let millis = |samples: u64| samples * 1000 / u64::from(rate);
    let mut open = Vec::new();
    let mut heard = Vec::new();
    for event in events(rate, specs, pcm) {
        match event {
            ToneEvent::Heard { tag, at } => open.push((tag, at)),
            ToneEvent::Ended { tag, at, length } => {
                let n = open.iter().position(|o| *o == (tag, at - length)).unwrap();
                open.remove(n);
                heard.push((tag, millis(at - length), millis(length)));
            }
        }
    }
    assert!(open.is_empty(), "each ends: {open:?}");
    heard
}

/// The call progress tones of several countries, and more, all at once.
const SPECS: [([f32; 3], u32); 16] = [
    ([350.0, 440.0, 0.0], 1),
    ([440.0, 480.0, 0.0], 2),
    ([480.0, 620.0, 0.0], 3),
    ([400.0, 450.0, 0.0], 4),
    ([413.0, 438.0, 0.0], 5),
    ([400.0, 425.0, 450.0], 6),
    ([425.0, 0.0, 0.0], 7),
    ([440.0, 0.0, 0.0], 8),
    ([950.0, 0.0, 0.0], 9),
    ([1100.0, 0.0, 0.0], 10),
    ([1400.0, 0.0, 0.0], 11),
    ([1800.0, 0.0, 0.0], 12),
    ([2100.0, 0.0, 0.0], 13),
    ([0.0, 0.0, 0.0], 14),
    ([1209.0, 697.0, 0.0], 15),
    ([3000.0, 0.0, 0.0], 16),
];

fn specs(millis: u64) -> Vec<ToneSpec> {
    let specs = SPECS.iter();
    specs.map(|(hz, tag)| spec(*tag, *hz, millis)).collect()
}

// Shows: tones of up to three frequencies are heard with the caller's tag, each as itself alone | MSPI C27
#[test]
fn c27_sixteen_tones_are_told_apart_and_each_is_told_once() {
    for rate in [8_000, 16_000, 44_100, 48_000] {
        for snr in [None, Some(12.0)] {
            for (hz, tag) in SPECS.iter().filter(|(_, tag)| *tag != 14) {
                let sines: Vec<f32> = hz.iter().copied().filter(|hz| *hz > 0.0).collect();
                let stretches: [(&[f32], u64); 3] = [(&[], 300), (&sines, 400), (&[], 300)];
                let pcm = sound(rate, &stretches, -16.0, snr);
                let mut heard = heard(rate, &specs(200), &pcm);
                heard.retain(|(tag, ..)| *tag != 14);
                let [(found, at, length)] = heard[..] else {
                    panic!("{tag} at {rate}: {heard:?}");
                };
                assert_eq!(found, *tag);
                assert!(at.abs_diff(300) <= 10, "{tag} at {rate}: begins at {at}");
                assert!(
                    length.abs_diff(400) <= 20,
                    "{tag} at {rate}: lasts {length}"
                );
            }
        }
    }
}

// Shows: silence is heard like a tone | MSPI C27
#[test]
fn c27_frequencies_that_are_all_zero_are_silence() {
    let stretches: [(&[f32], u64); 5] = [
        (&[440.0], 200),
        (&[], 500),
        (&[440.0], 200),
        (&[], 250),
        (&[1000.0], 100),
    ];
    let pcm = sound(8_000, &stretches, -20.0, None);
    let heard = heard(8_000, &[spec(5, [0.0; 3], 400)], &pcm);
    assert_eq!(heard.len(), 1, "the short one is none: {heard:?}");
    let (tag, at, length) = heard[0];
    assert!(
        tag == 5 && at.abs_diff(200) <= 10 && length.abs_diff(500) <= 20,
        "{heard:?}"
    );
}

// Shows: a tone is told when it has been heard as long as was asked | MSPI C27
#[test]
fn c27_a_tone_is_told_after_its_time_and_not_before() {
    for millis in [80, 100, 250, 1000] {
        let asked = [spec(1, [425.0, 0.0, 0.0], millis)];
        for (length, told) in [(millis, 1), (millis + 35, 1), (millis - 25, 0)] {
            let stretches: [(&[f32], u64); 3] = [(&[], 107), (&[425.0], length), (&[], 200)];
            let pcm = sound(8_000, &stretches, -10.0, None);
            assert_eq!(heard(8_000, &asked, &pcm).len(), told, "{millis} {length}");
        }
    }
    // It is told while it lasts.
    let mut detector =
        ToneDetector::new(ClockRate::HZ_8000, &[spec(1, [425.0, 0.0, 0.0], 500)]).unwrap();
    let pcm = sound(8_000, &[(&[425.0], 2000)], -10.0, None);
    let mut told = None;
    for (n, frame) in pcm.chunks(80).enumerate() {
        detector.process(frame, |event| {
            assert!(matches!(event, ToneEvent::Heard { tag: 1, at } if at < 80));
            assert_eq!(told.replace(n * 10), None, "once");
        });
    }
    assert!((490..560).contains(&told.unwrap()), "{told:?}");
}

#[test]
fn c27_an_interruption_does_not_end_a_tone_and_a_pause_does() {
    let asked = [spec(1, [440.0, 480.0, 0.0], 100)];
    for (pause, times) in [(10, 1), (30, 1), (60, 2), (200, 2)] {
        let tone: (&[f32], u64) = (&[440.0, 480.0], 300);
        let pcm = sound(8_000, &[(&[], 100), tone, (&[], pause), tone], -15.0, None);
        assert_eq!(heard(8_000, &asked, &pcm).len(), times, "{pause}");
    }
}

#[test]
fn c27_frequencies_beside_those_asked_for_are_heard_within_their_limits_only() {
    for hz in [350.0f32, 425.0, 1100.0, 2100.0, 3400.0] {
        let asked = [spec(1, [hz, 0.0, 0.0], 200)];
        let (near, far) = (hz * 0.008 + 3.0, hz * 0.012 + 8.0);
        for (off, times) in [
            (near, 1),
            (-near, 1),
            (far, 0),
            (-far, 0),
            (50.0, 0),
            (-100.0, 0),
        ] {
            let pcm = sound(8_000, &[(&[], 100), (&[hz + off], 500)], -20.0, None);
            assert_eq!(heard(8_000, &asked, &pcm).len(), times, "{hz} {off}");
        }
    }
}

#[test]
fn c27_levels_from_loud_to_minus_40_dbm0_are_heard() {
    let asked = [spec(1, [425.0, 0.0, 0.0], 200)];
    for (level, times) in [(0.0, 1), (-20.0, 1), (-40.0, 1), (-50.0, 0)] {
        let pcm = sound(8_000, &[(&[], 100), (&[425.0], 500)], level, None);
        assert_eq!(heard(8_000, &asked, &pcm).len(), times, "{level}");
    }
}

#[test]
fn c27_a_sine_far_below_another_does_not_make_a_pair() {
    let asked = [
        spec(1, [440.0, 480.0, 0.0], 200),
        spec(2, [440.0, 0.0, 0.0], 200),
    ];
    let loud = sound(8_000, &[(&[], 100), (&[440.0], 500)], -10.0, None);
    for (below, tag) in [(4.0, 1), (20.0, 2)] {
        let soft = sound(8_000, &[(&[], 100), (&[480.0], 500)], -10.0 - below, None);
        let both: Vec<i16> = loud.iter().zip(&soft).map(|(a, b)| a + b).collect();
        let heard = heard(8_000, &asked, &both);
        assert!(heard.len() == 1 && heard[0].0 == tag, "{below}: {heard:?}");
    }
}

#[test]
fn c27_what_cannot_be_listened_for_is_refused() {
    let rate = ClockRate::HZ_8000;
    let tone = spec(1, [425.0, 0.0, 0.0], 100);
    let error = ToneDetector::new(rate, &[tone; 17]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "tone detector: 17 tones to listen for are more than 16"
    );
    for hz in [-1.0, 4000.0, f32::NAN, f32::INFINITY] {
        assert!(ToneDetector::new(rate, &[spec(1, [425.0, hz, 0.0], 1)]).is_err());
    }
    assert!(ToneDetector::new(ClockRate::new(4_000).unwrap(), &[tone]).is_err());
    assert!(ToneDetector::new(rate, &[]).is_ok());
}

// Shows: tones that other programs made are heard, and none in speech | MSPI C27
#[test]
fn c27_tones_of_other_programs_are_heard_and_speech_is_none() {
    for (file, tag, tone, pause) in [("busy", 3, 500, 500), ("ringback", 2, 2000, 4000)] {
        let Some((rate, pcm)) = corpus(&format!("tones/{file}.wav")) else {
            continue;
        };
        let [(first, _, length), (14, at, silence)] = heard(rate, &specs(100), &pcm)[..] else {
            panic!("{file}");
        };
        assert_eq!(first, tag, "{file}");
        assert!(
            at.abs_diff(tone) <= 10 && length.abs_diff(tone) <= 20,
            "{file}"
        );
        assert!(silence.abs_diff(pause) <= 20, "{file}");
    }
    let mut seconds = 0.0;
    for (name, rate, pcm) in speech() {
        let mut heard = heard(rate, &specs(100), &pcm);
        heard.retain(|(tag, ..)| *tag != 14);
        assert_eq!(heard, [], "{name}");
        seconds += pcm.len() as f64 / f64::from(rate);
    }
    println!("no tone in {seconds:.0} s of speech");
}
