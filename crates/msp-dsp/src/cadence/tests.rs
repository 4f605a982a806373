use super::*;
use crate::{Level, ToneDetector, ToneEvent, ToneSpec};

fn sound(rate: u32, cadence: Cadence<'_>, millis: u64) -> (Vec<i16>, usize) {
    let rate = ClockRate::new(rate).unwrap();
    let mut generator = CadenceGenerator::new(rate, cadence).unwrap();
    let mut pcm = vec![1; rate.ticks(Duration::from_millis(millis)) as usize];
    let frames = pcm.chunks_mut(rate.hz() as usize / 50);
    let made = frames.map(|frame| generator.fill(frame)).sum();
    (pcm, made)
}

/// Begin and length in milliseconds of each stretch of `hz` in the sound.
fn heard(pcm: &[i16], hz: [f32; 3]) -> Vec<(u64, u64)> {
    let spec = ToneSpec {
        tag: 0,
        frequencies: hz,
        min_duration: Duration::from_millis(80),
    };
    let mut detector = ToneDetector::new(ClockRate::HZ_8000, &[spec]).unwrap();
    let mut heard = Vec::new();
    let mut note = |event| {
        if let ToneEvent::Ended { at, length, .. } = event {
            heard.push(((at - length) / 8, length / 8));
        }
    };
    detector.process(pcm, &mut note);
    detector.finish(&mut note);
    heard
}

/// What a country's tone sounds like over ten seconds: `on` and `off` in turn, in milliseconds.
fn sounds(country: Country, tone: ProgressTone, hz: [f32; 3], rhythm: &[u64]) {
    let (pcm, _) = sound(8_000, tone.cadence(country), 10_000);
    let mut expected = Vec::new();
    let mut at = 0;
    for pair in rhythm.chunks(2).cycle() {
        expected.push((at, pair[0].min(10_000 - at)));
        at += pair.iter().sum::<u64>();
        if at >= 9_900 {
            break;
        }
    }
    let heard = heard(&pcm, hz);
    assert_eq!(
        heard.len(),
        expected.len(),
        "{country:?} {tone:?}: {heard:?}"
    );
    for (heard, expected) in heard.iter().zip(&expected) {
        assert!(
            heard.0.abs_diff(expected.0) <= 10 && heard.1.abs_diff(expected.1) <= 25,
            "{country:?} {tone:?}: {heard:?} for {expected:?}"
        );
    }
}

// Shows: dial, ringback, busy, congestion and call waiting tones of eight plans | ITU-T E.180 supplement 2
#[test]
fn c27_call_progress_tones_have_the_frequencies_and_the_rhythm_of_their_country() {
    use Country::*;
    use ProgressTone::*;
    const ON: u64 = 20_000;
    let f425 = [425.0, 0.0, 0.0];
    let f440 = [440.0, 0.0, 0.0];
    let f400 = [400.0, 0.0, 0.0];
    for country in [Europe, Germany] {
        sounds(country, Dial, f425, &[ON, 0]);
        sounds(country, Ringback, f425, &[1000, 4000]);
    }
    sounds(Europe, Busy, f425, &[500, 500]);
    sounds(Europe, Congestion, f425, &[200, 200]);
    sounds(Europe, CallWaiting, f425, &[200, 600, 200, 3000]);
    sounds(Germany, Busy, f425, &[480, 480]);
    sounds(Germany, Congestion, f425, &[240, 240]);
    sounds(Germany, CallWaiting, f425, &[200, 200, 200, 5000]);
    sounds(NorthAmerica, Dial, [350.0, 440.0, 0.0], &[ON, 0]);
    sounds(NorthAmerica, Ringback, [440.0, 480.0, 0.0], &[2000, 4000]);
    sounds(NorthAmerica, Busy, [480.0, 620.0, 0.0], &[500, 500]);
    sounds(NorthAmerica, Congestion, [480.0, 620.0, 0.0], &[250, 250]);
    sounds(NorthAmerica, CallWaiting, f440, &[300, 10_000]);
    sounds(UnitedKingdom, Dial, [350.0, 440.0, 0.0], &[ON, 0]);
    sounds(
        UnitedKingdom,
        Ringback,
        [400.0, 450.0, 0.0],
        &[400, 200, 400, 2000],
    );
    sounds(UnitedKingdom, Busy, f400, &[375, 375]);
    sounds(UnitedKingdom, Congestion, f400, &[400, 350, 225, 525]);
    sounds(UnitedKingdom, CallWaiting, f400, &[100, 4000]);
    sounds(France, Dial, f440, &[ON, 0]);
    sounds(France, Ringback, f440, &[1500, 3500]);
    sounds(France, Busy, f440, &[500, 500]);
    sounds(France, Congestion, f440, &[250, 250]);
    sounds(France, CallWaiting, f440, &[300, 10_000]);
    sounds(Italy, Dial, f425, &[200, 200, 600, 1000]);
    sounds(Italy, Ringback, f425, &[1000, 4000]);
    sounds(Italy, Busy, f425, &[500, 500]);
    sounds(Italy, Congestion, f425, &[200, 200]);
    sounds(Japan, Dial, f400, &[ON, 0]);
    sounds(Japan, Busy, f400, &[500, 500]);
    sounds(Australia, Dial, [413.0, 438.0, 0.0], &[ON, 0]);
    sounds(
        Australia,
        Ringback,
        [413.0, 438.0, 0.0],
        &[400, 200, 400, 2000],
    );
    sounds(Australia, Busy, f425, &[375, 375]);
    sounds(Australia, CallWaiting, f425, &[200, 200, 200, 4400]);
}

// Shows: the special information tone: three tones that rise | ITU-T E.180
#[test]
fn c27_the_special_information_tone_rises_in_three_steps() {
    for (country, on, gap) in [
        (Country::Germany, 330, 0),
        (Country::NorthAmerica, 330, 0),
        (Country::UnitedKingdom, 330, 15),
        (Country::France, 300, 30),
    ] {
        let cadence = ProgressTone::SpecialInformation.cadence(country);
        let (pcm, _) = sound(8_000, cadence, 4_000);
        for (n, hz) in [950.0, 1400.0, 1800.0].into_iter().enumerate() {
            let heard = heard(&pcm, [hz, 0.0, 0.0]);
            let begin = n as u64 * (on + gap);
            assert!(
                heard[0].0.abs_diff(begin) <= 15,
                "{country:?} {hz}: {heard:?}"
            );
            assert!(heard[0].1.abs_diff(on) <= 25, "{country:?} {hz}: {heard:?}");
            assert!(heard.len() > 1, "again");
        }
    }
}

// Shows: Japan's ringing tone flutters 16 times a second | ITU-T E.180 supplement 2
#[test]
fn c27_the_ringing_tone_of_japan_flutters() {
    let (pcm, _) = sound(8_000, ProgressTone::Ringback.cadence(Country::Japan), 3_000);
    // A sixteenth of a second is 500 samples: loud in its middle when it began soft, and the other way round.
    let level = |at: usize| Level::of(&pcm[at..at + 40]).rms_dbfs();
    let (loud, soft) = (level(4_000), level(4_250));
    assert!(loud - soft > 20.0 || soft - loud > 20.0, "{loud} {soft}");
    assert!((level(4_000) - level(4_500)).abs() < 0.5);
    assert_eq!(Level::of(&pcm[8_010..23_990]).peak, 0.0);
}

// Shows: a beep and the prompt of calling cards sound once, the tone that a call is recorded again and again | MSPI C27
#[test]
fn c27_beep_and_billing_end_by_themselves() {
    let (pcm, made) = sound(8_000, ProgressTone::Beep.cadence(Country::default()), 3_000);
    assert_eq!(made, 4_000);
    let beeps = heard(&pcm, [1400.0, 0.0, 0.0]);
    assert!(
        beeps.len() == 1 && beeps[0].1.abs_diff(500) <= 20,
        "{beeps:?}"
    );
    assert!((Level::of(&pcm[100..3_900]).rms_dbfs() + 13.14).abs() < 0.1);
    let (pcm, made) = sound(
        8_000,
        ProgressTone::Billing.cadence(Country::default()),
        3_000,
    );
    assert_eq!(made, 8_000);
    let falling = |n: usize| Level::of(&pcm[480 + n * 1504 + 20..480 + (n + 1) * 1504 - 20]);
    for n in 0..4 {
        let step = falling(n).rms_dbfs() - falling(n + 1).rms_dbfs();
        assert!((step - 8.0).abs() < 0.5, "{step}");
    }
    let warning = ProgressTone::Recording.cadence(Country::NorthAmerica);
    let (pcm, made) = sound(8_000, warning, 40_000);
    assert_eq!((made, heard(&pcm, [1400.0, 0.0, 0.0]).len()), (320_000, 3));
}

// Shows: custom tones: up to three frequencies, each with its level, on and off as asked, so many times | MSPI C27
#[test]
fn c27_custom_tones_sound_as_they_were_asked_for() {
    let bursts = [
        Burst::new([500.0, 1000.0, 1500.0], -20.0, 100, 50),
        Burst::new([0.0; 3], 0.0, 30, 0),
        Burst {
            partials: [(0.0, 0.0), (700.0, -6.0), (0.0, 0.0)]
                .map(|(hz, dbfs)| Partial { hz, dbfs }),
            on: Duration::from_millis(20),
            off: Duration::ZERO,
        },
    ];
    for rate in [8_000, 16_000, 48_000] {
        let cadence = Cadence {
            bursts: &bursts,
            times: Some(2),
        };
        let (pcm, made) = sound(rate, cadence, 500);
        let ms = |ms: u32| (rate / 1000 * ms) as usize;
        assert_eq!(made, ms(400));
        for at in [0, 200] {
            let first = Level::of(&pcm[ms(at + 5)..ms(at + 95)]);
            assert!((first.rms_dbfs() + 18.37).abs() < 0.3, "{first:?}");
            assert_eq!(Level::of(&pcm[ms(at + 100)..ms(at + 180)]).peak, 0.0);
            let last = Level::of(&pcm[ms(at + 184)..ms(at + 196)]);
            assert!((last.rms_dbfs() + 6.0).abs() < 0.6, "{last:?}");
            // No click at either end.
            assert!(Level::of(&pcm[ms(at + 180)..ms(at + 180) + 2]).peak < 0.05);
            assert!(Level::of(&pcm[ms(at + 200) - 2..ms(at + 200)]).peak < 0.05);
        }
        assert_eq!(Level::of(&pcm[ms(400)..]).peak, 0.0);
    }
}

#[test]
fn c27_what_cannot_sound_is_refused_and_nothing_ends_at_once() {
    let refused = |burst: Burst| {
        let bursts = &[burst];
        let cadence = Cadence {
            bursts,
            times: None,
        };
        CadenceGenerator::new(ClockRate::HZ_8000, cadence).is_err()
    };
    assert!(refused(Burst::new([425.0, 4000.0, 0.0], -10.0, 1, 1)));
    assert!(refused(Burst::new([-1.0, 0.0, 0.0], -10.0, 1, 1)));
    assert!(refused(Burst::new([425.0, 0.0, 0.0], 4.0, 1, 1)));
    let silent = Burst::new([425.0, 0.0, 0.0], -10.0, 0, 0);
    for (bursts, times) in [
        (&[][..], None),
        (&[silent; 2][..], None),
        (&[silent][..], Some(3)),
    ] {
        assert_eq!(sound(8_000, Cadence { bursts, times }, 100).1, 0);
    }
}

#[test]
fn c27_every_country_has_every_tone_at_every_rate() {
    use ProgressTone::*;
    for country in Country::ALL {
        for tone in [
            Dial,
            Ringback,
            Busy,
            Congestion,
            CallWaiting,
            SpecialInformation,
            Beep,
            Recording,
            Billing,
        ] {
            for rate in [8_000, 16_000, 44_100, 48_000] {
                let (pcm, _) = sound(rate, tone.cadence(country), 200);
                let level = Level::of(&pcm).rms_dbfs();
                assert!(
                    (-35.0..-8.0).contains(&level),
                    "{country:?} {tone:?} {level}"
                );
            }
        }
    }
    assert_eq!(Country::from_code("ca"), Some(Country::NorthAmerica));
    assert_eq!(Country::from_code("GB"), Some(Country::UnitedKingdom));
    assert_eq!(Country::from_code("XX"), None);
}
