use proptest::prelude::*;

use super::*;
use crate::{Level, Partial, ToneGenerator, align};

const RATES: [u32; 6] = [8000, 11_025, 16_000, 32_000, 44_100, 48_000];

fn rate(hz: u32) -> ClockRate {
    ClockRate::new(hz).unwrap()
}

/// A voice that does not change: harmonics of 125 Hz.
fn voice(hz: u32, seconds: f64) -> Vec<i16> {
    let partials = [
        (125.0, -14.0),
        (250.0, -16.0),
        (500.0, -12.0),
        (1625.0, -24.0),
    ];
    let mut pcm = vec![0; (f64::from(hz) * seconds) as usize];
    ToneGenerator::new(rate(hz), &partials.map(|(hz, dbfs)| Partial { hz, dbfs }))
        .unwrap()
        .fill(&mut pcm);
    pcm
}

/// Passes `pcm` in frames of 10 ms, of which those in `lost` do not come; returns what is heard.
fn play(hz: u32, pcm: &[i16], lost: impl Fn(usize) -> bool) -> Vec<i16> {
    let mut concealer = Concealer::new(rate(hz)).unwrap();
    let mut out = Vec::new();
    for (n, frame) in pcm.chunks(hz as usize / 100).enumerate() {
        let mut frame = frame.to_vec();
        if lost(n) {
            frame.fill(0x5555);
            concealer.conceal(&mut frame);
        } else {
            concealer.good(&mut frame);
        }
        out.extend(frame);
    }
    out
}

#[test]
fn a_steady_voice_goes_on_through_a_lost_frame() {
    for hz in RATES {
        let sent = voice(hz, 0.5);
        let heard = play(hz, &sent, |n| n == 20);
        let frame = hz as usize / 100;
        let gap = 20 * frame..21 * frame;
        let likeness = align::similarity(&sent[gap.clone()], &heard[gap.clone()]);
        assert!(likeness > 0.99, "at {hz} Hz: {likeness}");
        assert!(align::gain_db(&sent[gap.clone()], &heard[gap]).abs() < 0.5);
    }
}

#[test]
fn nothing_jumps_at_the_edges_of_a_gap() {
    for hz in RATES {
        let sent = voice(hz, 0.5);
        let steepest = |pcm: &[i16]| pcm.windows(2).map(|w| w[0].abs_diff(w[1])).max().unwrap();
        let heard = play(hz, &sent, |n| (20..23).contains(&n));
        assert!(
            f64::from(steepest(&heard)) < 1.3 * f64::from(steepest(&sent)),
            "at {hz} Hz: {} against {}",
            steepest(&heard),
            steepest(&sent)
        );
    }
}

/// After a gap the voice goes on at another place in its period than where the repetition stands.
#[test]
fn what_may_be_moved_joins_in_step() {
    for hz in RATES {
        let sent = voice(hz, 0.5);
        let frame = hz as usize / 100;
        let period = hz as usize / 125;
        for shift in [period / 4, period / 2, 3 * period / 4] {
            let mut concealer = Concealer::new(rate(hz)).unwrap();
            let mut heard = sent[..20 * frame].to_vec();
            for frame in heard.chunks_mut(frame) {
                concealer.good(frame);
            }
            let mut gap = vec![0; 2 * frame];
            concealer.conceal(&mut gap);
            heard.extend(gap);
            let next = &sent[22 * frame + shift..][..3 * frame];
            assert_eq!(concealer.join(next, 0, 0), 0);
            for (more, skip) in [(period, 0), (0, period)] {
                let mut concealer = concealer.clone();
                let join = concealer.join(next, more, skip);
                let expected = if skip == 0 {
                    shift as isize
                } else {
                    shift as isize - period as isize
                };
                assert!((join - expected).abs() <= 1, "{hz} {shift}: {join}");
                let mut heard = heard.clone();
                let mut rest = vec![0; usize::try_from(join).unwrap_or(0)];
                concealer.conceal(&mut rest);
                heard.extend(rest);
                let mut next = next[usize::try_from(-join).unwrap_or(0)..].to_vec();
                concealer.good(&mut next);
                heard.extend(next);
                let from = heard.len().min(25 * frame) - 5 * frame;
                let (now, before) = (&heard[from..][..4 * frame], &heard[from - period..]);
                // A tenth softer at the end of the gap, but in step.
                let likeness = align::similarity(now, &before[..4 * frame]);
                assert!(likeness > 0.97, "at {hz} Hz, {shift}: {likeness}");
            }
        }
    }
}

#[test]
fn what_was_given_last_is_known() {
    let sent = voice(8000, 0.2);
    let mut concealer = Concealer::new(rate(8000)).unwrap();
    for len in [80, 33, 240, 7] {
        let mut given = 0;
        while given + len <= sent.len() {
            concealer.good(&mut sent[given..given + len].to_vec());
            given += len;
            if given > 320 {
                let mut recent = [1; 320];
                concealer.recent(&mut recent);
                assert!(recent[..] == sent[given - 320..given]);
            }
        }
    }
}

/// Two tones that no pitch fits: where a gap begins the repetition is somewhere else than the sound was.
#[test]
fn a_sound_without_a_pitch_goes_into_a_gap_without_a_step() {
    for hz in RATES {
        let partials = [(197.0, -12.0), (523.0, -12.0), (911.0, -18.0)];
        let mut sent = vec![0; hz as usize];
        ToneGenerator::new(rate(hz), &partials.map(|(hz, dbfs)| Partial { hz, dbfs }))
            .unwrap()
            .fill(&mut sent);
        let frame = hz as usize / 100;
        // How far the first sample of a gap lies from where the sound was going.
        let bend = |pcm: &[i16], n: usize| {
            let [a, b, c] = [pcm[n - 2], pcm[n - 1], pcm[n]].map(f64::from);
            (c - 2.0 * b + a).abs()
        };
        let (mut natural, mut bent) = (0.0, 0.0);
        for gap in 10..90 {
            let heard = play(hz, &sent, |n| n == gap);
            natural += bend(&sent, gap * frame);
            bent += bend(&heard, gap * frame);
        }
        assert!(bent < 1.5 * natural, "at {hz} Hz: {bent} against {natural}");
    }
}

#[test]
fn a_gap_fades_from_10_ms_on_and_is_silent_after_60() {
    let heard = play(8000, &voice(8000, 0.5), |n| n >= 20);
    let level = |n: usize| Level::of(&heard[80 * n..80 * (n + 1)]).rms_dbfs();
    let before = level(19);
    assert!((level(20) - before).abs() < 1.0, "{} {before}", level(20));
    for (n, share) in [(21, 0.9), (22, 0.7), (23, 0.5), (24, 0.3), (25, 0.1)] {
        let faded = level(n) - before;
        let expected = 20.0 * f32::log10(share);
        assert!(
            (faded - expected).abs() < 2.5,
            "frame {n}: {faded} against {expected}"
        );
    }
    assert!(heard[80 * 26..].iter().all(|s| *s == 0));
}

#[test]
fn the_first_frame_after_a_gap_slides_in_and_the_next_is_untouched() {
    let sent = voice(8000, 0.5);
    for gap in [1, 3, 10] {
        let mut concealer = Concealer::new(ClockRate::HZ_8000).unwrap();
        let mut frames: Vec<Vec<i16>> = sent.chunks(160).map(<[i16]>::to_vec).collect();
        for frame in &mut frames[..10] {
            assert_eq!(concealer.good(frame), 0);
        }
        for frame in &mut frames[10..10 + gap] {
            concealer.conceal(frame);
            assert!(concealer.is_concealing());
        }
        let start = 10 + gap;
        let changed = concealer.good(&mut frames[start]);
        assert!((16..=80).contains(&changed), "{changed}");
        assert_eq!(
            frames[start][changed..],
            sent[160 * start + changed..160 * (start + 1)]
        );
        assert!(!concealer.is_concealing());
        assert_eq!(concealer.good(&mut frames[start + 1]), 0);
        assert_eq!(
            frames[start + 1],
            sent[160 * (start + 1)..160 * (start + 2)]
        );
    }
}

#[test]
fn how_sound_is_cut_into_frames_does_not_matter_to_the_gap_after_it() {
    let sound = voice(8000, 0.3);
    let after = |lengths: &[usize]| {
        let mut concealer = Concealer::new(ClockRate::HZ_8000).unwrap();
        let mut rest = &sound[..];
        for length in lengths.iter().cycle() {
            let (frame, later) = rest.split_at((*length).min(rest.len()));
            concealer.good(&mut frame.to_vec());
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        let mut gap = [0; 400];
        concealer.conceal(&mut gap);
        gap
    };
    let expected = after(&[80]);
    assert!(expected[..80].iter().any(|s| s.unsigned_abs() > 1000));
    for lengths in [&[2400][..], &[1], &[7, 300, 160], &[325], &[326, 324]] {
        assert_eq!(after(lengths), expected, "{lengths:?}");
    }
}

#[test]
fn a_gap_before_any_sound_is_silent() {
    let mut concealer = Concealer::new(ClockRate::HZ_8000).unwrap();
    let mut out = [1; 160];
    concealer.conceal(&mut out);
    assert_eq!(out, [0; 160]);
}

#[test]
fn a_reset_forgets_the_sound_before() {
    let mut concealer = Concealer::new(ClockRate::HZ_8000).unwrap();
    concealer.good(&mut voice(8000, 0.1));
    concealer.conceal(&mut [0; 160]);
    concealer.reset();
    let mut frame = [777; 160];
    assert_eq!(concealer.good(&mut frame), 0);
    concealer.reset();
    concealer.conceal(&mut frame);
    assert_eq!(frame, [0; 160]);
}

#[test]
fn rates_outside_its_range_are_refused() {
    assert!(Concealer::new(rate(7999)).is_err());
    assert!(Concealer::new(rate(48_001)).is_err());
}

proptest! {
    #[test]
    fn a_clean_stream_stays_as_it_is(pcm in prop::collection::vec(any::<i16>(), 0..2000), cut in 1usize..700) {
        let mut concealer = Concealer::new(ClockRate::HZ_8000).unwrap();
        for frame in pcm.chunks(cut) {
            let mut heard = frame.to_vec();
            prop_assert_eq!(concealer.good(&mut heard), 0);
            prop_assert_eq!(&heard, frame);
        }
    }

    /// Whatever the sound, the rate and the cuts: no panic, and never louder than it was.
    #[test]
    fn anything_can_be_lost(
        pcm in prop::collection::vec(any::<i16>(), 1..4000),
        cuts in prop::collection::vec((0usize..900, any::<bool>()), 1..30),
        hz in 8000u32..=48_000,
    ) {
        let mut concealer = Concealer::new(rate(hz)).unwrap();
        let mut rest = &pcm[..];
        for (len, lost) in cuts {
            let (frame, tail) = rest.split_at(len.min(rest.len()));
            rest = tail;
            let mut frame = frame.to_vec();
            if lost {
                concealer.conceal(&mut frame);
            } else {
                let sent = frame.clone();
                let changed = concealer.good(&mut frame);
                prop_assert!(changed <= hz as usize / 100);
                prop_assert_eq!(&frame[changed..], &sent[changed..]);
            }
        }
    }

    /// However a gap is cut into frames, the same is heard.
    #[test]
    fn the_cut_of_a_gap_does_not_matter(cuts in prop::collection::vec(1usize..300, 1..10)) {
        let mut before = voice(8000, 0.2);
        let mut concealer = Concealer::new(ClockRate::HZ_8000).unwrap();
        concealer.good(&mut before);
        let mut other = concealer.clone();
        let mut whole = vec![0; cuts.iter().sum()];
        concealer.conceal(&mut whole);
        let mut pieces = Vec::new();
        for cut in cuts {
            let mut piece = vec![0; cut];
            other.conceal(&mut piece);
            pieces.extend(piece);
        }
        prop_assert_eq!(pieces, whole);
    }
}
