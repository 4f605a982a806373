use proptest::prelude::*;

use super::*;
use crate::{Partial, ToneGenerator};

const RATES: [u32; 9] = [
    8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000,
];

fn rate(hz: u32) -> ClockRate {
    ClockRate::new(hz).unwrap()
}

fn convert(from: u32, to: u32, input: &[i16]) -> Vec<i16> {
    let mut resampler = Resampler::new(rate(from), rate(to)).unwrap();
    let mut out = vec![0; resampler.output_len(input.len())];
    let progress = resampler.process(input, &mut out);
    assert_eq!(
        progress,
        Progress {
            consumed: input.len(),
            produced: out.len()
        }
    );
    out
}

fn tone(rate_hz: u32, hz: f64, seconds: f64) -> Vec<i16> {
    let partial = Partial {
        hz: hz as f32,
        dbfs: -6.0,
    };
    let mut pcm = vec![0; (f64::from(rate_hz) * seconds) as usize];
    ToneGenerator::new(rate(rate_hz), &[partial])
        .unwrap()
        .fill(&mut pcm);
    pcm
}

/// Amplitude of the part at `hz`, and the power of all the rest, relative to a full-scale sine, in dB.
fn analyse(pcm: &[i16], rate_hz: u32, hz: f64) -> (f64, f64) {
    let step = std::f64::consts::TAU * hz / f64::from(rate_hz);
    let n = pcm.len() as f64;
    // Least squares of a sine and a cosine; the tone may end within a turn.
    let (mut ss, mut cc, mut sc, mut xs, mut xc) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (i, x) in pcm.iter().enumerate() {
        let (s, c) = (step * i as f64).sin_cos();
        let x = f64::from(*x) / 32_767.0;
        ss += s * s;
        cc += c * c;
        sc += s * c;
        xs += x * s;
        xc += x * c;
    }
    let det = ss * cc - sc * sc;
    let (a, b) = ((xs * cc - xc * sc) / det, (xc * ss - xs * sc) / det);
    let rest: f64 = pcm
        .iter()
        .enumerate()
        .map(|(i, x)| {
            let (s, c) = (step * i as f64).sin_cos();
            (f64::from(*x) / 32_767.0 - a * s - b * c).powi(2)
        })
        .sum();
    (20.0 * a.hypot(b).log10(), 10.0 * (2.0 * rest / n).log10())
}

/// The sound of a second, without the start where the filter fills.
fn settled(pcm: &[i16]) -> &[i16] {
    &pcm[pcm.len() / 4..]
}

#[test]
fn the_pass_band_is_flat_and_clean() {
    for from in RATES {
        for to in [8000, 16_000, 44_100, 48_000] {
            let lower = f64::from(from.min(to));
            for share in [0.0125, 0.25, 0.43] {
                let hz = lower * share;
                let out = convert(from, to, &tone(from, hz, 0.3));
                let (level, rest) = analyse(settled(&out), to, hz);
                assert!(
                    (level + 6.0).abs() < 0.01,
                    "{from} to {to}: {hz} Hz came out at {level} dB"
                );
                assert!(
                    rest < -78.0,
                    "{from} to {to}: {hz} Hz has {rest} dB of something else"
                );
            }
        }
    }
}

#[test]
fn what_the_lower_rate_cannot_hold_is_gone() {
    for (from, to) in [
        (48_000, 8000),
        (44_100, 8000),
        (16_000, 8000),
        (48_000, 44_100),
        (32_000, 11_025),
    ] {
        for share in [0.5, 0.55, 0.7, 1.0, 1.3] {
            let hz = f64::from(to) * share;
            if hz >= f64::from(from) / 2.0 {
                continue;
            }
            let out = convert(from, to, &tone(from, hz, 0.3));
            let (_, rest) = analyse(settled(&out), to, 1.0);
            assert!(
                rest < -6.0 - 75.0,
                "{from} to {to}: {hz} Hz came through at {rest} dB"
            );
        }
    }
}

#[test]
fn odd_ratios_are_interpolated_and_as_clean() {
    for (from, to) in [
        (44_099, 48_000),
        (48_000, 44_101),
        (48_000, 8001),
        (7999, 48_000),
    ] {
        let hz = f64::from(from.min(to)) * 0.4;
        let resampler = Resampler::new(rate(from), rate(to)).unwrap();
        assert!(
            resampler.coefficients.table.len() < 60_000,
            "{}",
            resampler.coefficients.table.len()
        );
        let out = convert(from, to, &tone(from, hz, 0.3));
        let (level, rest) = analyse(settled(&out), to, hz);
        assert!((level + 6.0).abs() < 0.01, "{level}");
        assert!(rest < -78.0, "{from} to {to}: {rest}");
    }
}

#[test]
fn a_constant_stays_one() {
    for to in RATES {
        let out = convert(16_000, to, &[12_345; 4000]);
        assert!(settled(&out).iter().all(|s| *s == 12_345));
    }
}

#[test]
fn the_delay_is_what_it_says() {
    for (from, to) in [
        (8000, 16_000),
        (8000, 48_000),
        (48_000, 8000),
        (44_100, 8000),
        (8000, 44_100),
    ] {
        let resampler = Resampler::new(rate(from), rate(to)).unwrap();
        let delay = resampler.delay();
        // The middle of a slow bump.
        let middle = 3 * delay;
        let width = f64::from(from) / 500.0;
        let bump: Vec<i16> = (0..6 * delay)
            .map(|n| (30_000.0 * (-((n as f64 - middle as f64) / width).powi(2)).exp()) as i16)
            .collect();
        let out = convert(from, to, &bump);
        let weight: f64 = out.iter().map(|s| f64::from(*s)).sum();
        let centre: f64 = out
            .iter()
            .enumerate()
            .map(|(n, s)| n as f64 * f64::from(*s))
            .sum::<f64>()
            / weight;
        let measured = centre * f64::from(from) / f64::from(to) - middle as f64;
        assert!(
            (measured - delay as f64).abs() < 0.1,
            "{from} to {to}: {measured} against {delay}"
        );
    }
}

#[test]
fn a_minute_comes_out_as_a_minute() {
    for (from, to) in [
        (8000, 11_025),
        (44_100, 8000),
        (44_099, 8000),
        (8000, 16_000),
        (12_000, 8001),
    ] {
        let mut resampler = Resampler::new(rate(from), rate(to)).unwrap();
        let input = vec![0; from as usize / 100];
        let mut out = vec![0; to as usize / 100 + 2];
        let (mut consumed, mut produced) = (0, 0);
        for _ in 0..6000 {
            let progress = resampler.process(&input, &mut out);
            assert_eq!(progress.consumed, input.len());
            consumed += progress.consumed as u64;
            produced += progress.produced as u64;
        }
        assert_eq!(
            produced,
            (consumed * u64::from(to)).div_ceil(u64::from(from)),
            "{from} to {to}"
        );
    }
}

#[test]
fn equal_rates_copy_without_delay() {
    let pcm = [1, -2, 3, i16::MIN];
    assert_eq!(convert(44_100, 44_100, &pcm), pcm);
    assert_eq!(
        Resampler::new(rate(8000), rate(8000)).unwrap().delay_time(),
        Duration::ZERO
    );
    assert_eq!(
        Resampler::new(rate(8000), rate(16_000))
            .unwrap()
            .delay_time(),
        Duration::from_millis(5)
    );
}

#[test]
fn rates_that_no_sound_has_are_refused() {
    for (from, to) in [(3999, 8000), (8000, 192_001), (1, 1), (u32::MAX, 8000)] {
        assert!(Resampler::new(rate(from), rate(to)).is_err());
    }
}

#[test]
fn a_reset_forgets() {
    let mut resampler = Resampler::new(rate(8000), rate(16_000)).unwrap();
    let mut out = [0; 400];
    resampler.process(&[20_000; 150], &mut out);
    resampler.reset();
    let progress = resampler.process(&[0; 200], &mut out);
    assert_eq!(progress.produced, 400);
    assert_eq!(out, [0; 400]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// However the sound is cut, and however small the buffers are, the same comes out.
    #[test]
    fn pieces_give_what_the_whole_gives(
        pcm in prop::collection::vec(any::<i16>(), 1..600),
        cuts in prop::collection::vec((1usize..50, 0usize..50), 1..20),
        (from, to) in (0..RATES.len(), 0..RATES.len()),
    ) {
        let (from, to) = (RATES[from], RATES[to]);
        let whole = convert(from, to, &pcm);
        // At least one of the buffers has room, else it never ends.
        let cuts = [cuts, vec![(7, 9)]].concat();
        let mut resampler = Resampler::new(rate(from), rate(to)).unwrap();
        let (mut rest, mut out) = (&pcm[..], Vec::new());
        for (take, room) in cuts.iter().cycle() {
            let piece = &rest[..rest.len().min(*take)];
            let could = resampler.output_len(piece.len());
            let mut buffer = vec![0; *room];
            let Progress { consumed, produced } = resampler.process(piece, &mut buffer);
            prop_assert!(produced <= could);
            if consumed == piece.len() && produced < *room {
                prop_assert_eq!(produced, could);
            }
            out.extend_from_slice(&buffer[..produced]);
            rest = &rest[consumed..];
            if out.len() >= whole.len() {
                break;
            }
            if rest.is_empty() && *room > 0 && produced == 0 {
                break;
            }
        }
        prop_assert_eq!(out, whole);
    }
}
