use proptest::prelude::*;

use super::*;
use crate::{Partial, ToneGenerator, dot};

const RATES: [u32; 6] = [8000, 11_025, 16_000, 32_000, 44_100, 48_000];

fn scale(hz: u32) -> TimeScale {
    TimeScale::new(ClockRate::new(hz).unwrap()).unwrap()
}

/// A voice that does not change: harmonics of `pitch` Hz.
fn voice(hz: u32, pitch: f32, samples: usize) -> Vec<i16> {
    let partials = [(1.0, -14.0), (2.0, -16.0), (4.0, -12.0), (9.0, -24.0)];
    let partials = partials.map(|(n, dbfs)| Partial {
        hz: n * pitch,
        dbfs,
    });
    let mut pcm = vec![0; samples];
    ToneGenerator::new(ClockRate::new(hz).unwrap(), &partials)
        .unwrap()
        .fill(&mut pcm);
    pcm
}

fn noise(samples: usize, loud: i32) -> Vec<i16> {
    let mut state = 1u32;
    (0..samples)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (((state >> 16) as i32 - 32_768) * loud / 32_768) as i16
        })
        .collect()
}

/// A wish that waits for a good place.
fn wish(samples: usize, most: usize) -> ScaleWish {
    ScaleWish {
        samples,
        most,
        likeness: 0.9,
    }
}

/// The whole of `pcm`, with a period taken out or put in at each step of 50 ms if a good one is found.
fn scaled(hz: u32, pcm: &[i16], faster: bool) -> Vec<i16> {
    let scale = scale(hz);
    let (hop, most) = (hz as usize / 20, scale.max_lag());
    let mut rest = pcm.to_vec();
    let mut out = Vec::new();
    while rest.len() > scale.reach() + hop {
        if faster {
            let lag = scale.compress(&mut rest, &wish(most, most));
            rest.drain(..lag.unwrap_or(0));
        } else if let Some(past) = out.len().checked_sub(most) {
            let mut sound = [&out[past..], &rest].concat();
            let lag = scale.stretch(&mut sound, most, &wish(most, most));
            rest = sound.split_off(most - lag.unwrap_or(0));
        }
        out.extend(rest.drain(..hop));
    }
    out.append(&mut rest);
    out
}

fn steepest(pcm: &[i16]) -> f64 {
    f64::from(pcm.windows(2).map(|w| w[0].abs_diff(w[1])).max().unwrap())
}

/// The pitch in samples: the lag of best correlation over a second, between 2 and 15 ms.
fn pitch(hz: u32, pcm: &[i16]) -> usize {
    let sound: Vec<f32> = pcm.iter().map(|s| f32::from(*s)).collect();
    let lags = hz as usize / 500..hz as usize * 15 / 1000;
    let score = |lag: &usize| dot(&sound[*lag..], &sound[..sound.len() - lag]);
    // Of a period and its double, the first.
    let best = lags.clone().map(|l| score(&l)).fold(f32::MIN, f32::max);
    lags.into_iter().find(|l| score(l) > 0.97 * best).unwrap()
}

// Shows: playout: time is stretched and compressed at the pitch of the voice, without a click
#[test]
fn a_voice_is_scaled_at_its_pitch_and_without_a_step() {
    for hz in RATES {
        for tone in [80.0, 125.0, 203.0, 333.0] {
            let said = voice(hz, tone, 2 * hz as usize);
            for faster in [true, false] {
                let heard = scaled(hz, &said, faster);
                let context = format!("{tone} Hz at {hz} Hz, faster: {faster}");
                let share = heard.len() as f64 / said.len() as f64;
                if faster {
                    assert!((0.70..0.96).contains(&share), "{context}: {share}");
                } else {
                    assert!((1.04..1.40).contains(&share), "{context}: {share}");
                }
                let (before, after) = (steepest(&said), steepest(&heard));
                assert!(after < 1.1 * before, "{context}: {after} {before}");
                let (before, after) = (pitch(hz, &said), pitch(hz, &heard));
                assert!(
                    before.abs_diff(after) <= 1 + before / 50,
                    "{context}: {after}"
                );
            }
        }
    }
}

#[test]
fn a_noise_that_repeats_nothing_is_left_alone_until_it_must_be() {
    for hz in RATES {
        let scale = scale(hz);
        let said = noise(scale.reach() + scale.max_lag(), 8000);
        let most = scale.max_lag();
        let mut sound = said.clone();
        assert_eq!(scale.compress(&mut sound, &wish(most, most)), None);
        assert_eq!(scale.stretch(&mut sound, most, &wish(most, most)), None);
        assert_eq!(sound, said);
        let any = ScaleWish {
            likeness: -1.0,
            ..wish(most, most)
        };
        assert!(scale.compress(&mut sound, &any).is_some());
    }
}

/// Where there is hardly a sound, exactly as much is taken out or put in as is wished.
#[test]
fn in_quiet_the_length_is_as_wished() {
    for hz in RATES {
        let scale = scale(hz);
        for samples in [1, 7, scale.max_lag() / 2, scale.max_lag()] {
            for loud in [0, 100] {
                let said = noise(scale.reach() + scale.max_lag(), loud);
                let mut sound = said.clone();
                let lag = scale.compress(&mut sound, &wish(samples, samples));
                assert_eq!(lag, Some(samples), "{hz}");
                assert_eq!(
                    sound[samples + scale.overlap()..],
                    said[samples + scale.overlap()..]
                );
                let mut sound = said.clone();
                let now = scale.max_lag();
                let lag = scale.stretch(&mut sound, now, &wish(samples, samples));
                assert_eq!(lag, Some(samples), "{hz}");
            }
        }
        let mut sound = vec![0; scale.reach()];
        assert_eq!(scale.compress(&mut sound, &wish(0, 100)), None);
    }
}

#[test]
fn rates_that_cannot_be_scaled_are_refused() {
    for hz in [7999, 48_001] {
        assert!(TimeScale::new(ClockRate::new(hz).unwrap()).is_err());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever the sound and however much of it there is: only what is said to change changes, and the ends join.
    #[test]
    fn only_the_place_of_the_fade_changes(
        rate in 0usize..RATES.len(),
        seed in any::<u32>(),
        loud in 0i32..32_768,
        len in 0usize..1800,
        now in 0usize..1800,
        samples in 0usize..900,
        most in 0usize..900,
        likeness in -1.0f32..1.0,
    ) {
        let scale = scale(RATES[rate]);
        let said: Vec<i16> = noise(len + seed as usize % 7, loud);
        let wish = ScaleWish { samples, most, likeness };
        let mut sound = said.clone();
        match scale.compress(&mut sound, &wish) {
            None => prop_assert_eq!(&sound, &said),
            Some(lag) => {
                prop_assert!(lag > 0 && lag <= scale.max_lag() && lag <= samples.max(most));
                prop_assert_eq!(&sound[..lag], &said[..lag]);
                let end = lag + scale.overlap();
                prop_assert_eq!(&sound[end..], &said[end..]);
            }
        }
        let mut sound = said.clone();
        match scale.stretch(&mut sound, now, &wish) {
            None => prop_assert_eq!(&sound, &said),
            Some(lag) => {
                prop_assert!(lag > 0 && lag <= scale.max_lag() && lag <= now);
                prop_assert_eq!(&sound[..now - lag], &said[..now - lag]);
                let end = now - lag + scale.overlap();
                prop_assert_eq!(&sound[end..], &said[end..]);
                prop_assert!(scale.stretched(lag) >= scale.overlap());
            }
        }
    }
}
