use super::*;

/// Something like speech: syllables of noise, coloured and of random loudness and length; no two seeds are alike.
fn speech(seed: u64, rate: u32, seconds: f64) -> Vec<i16> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    let len = (f64::from(rate) * seconds) as usize;
    let mut pcm = Vec::with_capacity(len);
    let smooth = 1.0 - 3000.0 / rate as f32 * 0.8;
    let mut low = 0.0;
    while pcm.len() < len {
        let syllable = (rate as f32 * (0.08 + 0.25 * random())) as usize;
        let loud = if random() < 0.3 {
            0.0
        } else {
            3000.0 + 12_000.0 * random()
        };
        for n in 0..syllable.min(len - pcm.len()) {
            low = low * smooth + (random() - 0.5) * (1.0 - smooth);
            let shape = (std::f32::consts::PI * n as f32 / syllable as f32).sin();
            pcm.push((low * loud * shape) as i16);
        }
    }
    pcm
}

fn shifted(pcm: &[i16], delay: i64, len: usize) -> Vec<i16> {
    (0..len as i64)
        .map(|n| {
            usize::try_from(n - delay)
                .ok()
                .and_then(|n| pcm.get(n))
                .copied()
                .unwrap_or(0)
        })
        .collect()
}

fn rate(hz: u32) -> ClockRate {
    ClockRate::new(hz).unwrap()
}

#[test]
fn a_delay_is_found_to_the_sample() {
    for (hz, delays) in [
        (8000, [0, 1, 37, 480, 2400, 19_999, -1, -777]),
        (48_000, [0, 1, 5, 2881, 14_400, 99_999, -5, -4801]),
    ] {
        let sent = speech(7, hz, 6.0);
        for delay in delays {
            let received = shifted(&sent, delay, sent.len() + hz as usize);
            let found = find(&sent, &received, rate(hz)).unwrap();
            assert_eq!(found.delay, delay, "at {hz} Hz: {found:?}");
            assert!(found.similarity > 0.999, "{found:?}");
            assert!(found.gain_db.abs() < 0.01, "{found:?}");
        }
    }
}

#[test]
fn noise_loss_and_softness_do_not_hide_it() {
    let sent = speech(11, 8000, 10.0);
    let noise = speech(12, 8000, 12.0);
    let mut received = shifted(&sent, 1234, 90_000);
    for (n, (sample, noise)) in received.iter_mut().zip(&noise).enumerate() {
        let lost = (n / 160) % 10 == 3;
        *sample = if lost {
            0
        } else {
            (f32::from(*sample) * 0.1 + f32::from(*noise) * 0.02).round() as i16
        };
    }
    let found = find(&sent, &received, ClockRate::HZ_8000).unwrap();
    assert_eq!(found.delay, 1234);
    assert!((0.8..0.98).contains(&found.similarity), "{found:?}");
    assert!((found.gain_db + 20.2).abs() < 0.5, "{found:?}");
}

#[test]
fn a_piece_is_found_in_the_whole() {
    let whole = speech(3, 8000, 20.0);
    let piece = &whole[70_000..90_000];
    assert_eq!(
        find(piece, &whole, ClockRate::HZ_8000).unwrap().delay,
        70_000
    );
    assert_eq!(
        find(&whole, piece, ClockRate::HZ_8000).unwrap().delay,
        -70_000
    );
    assert!(find(piece, &whole, ClockRate::HZ_8000).unwrap().similarity > 0.999);
}

#[test]
fn of_a_sound_that_repeats_itself_the_most_is_found() {
    for hz in [8000, 48_000] {
        let once = speech(5, hz, 3.0);
        let sent: Vec<i16> = once.iter().copied().cycle().take(5 * once.len()).collect();
        let received = shifted(&sent, 1931, sent.len());
        assert_eq!(find(&sent, &received, rate(hz)).unwrap().delay, 1931);
    }
}

#[test]
fn strangers_are_not_alike() {
    let found = find(
        &speech(1, 8000, 10.0),
        &speech(2, 8000, 10.0),
        ClockRate::HZ_8000,
    )
    .unwrap();
    assert!(found.similarity < 0.3, "{found:?}");
}

#[test]
fn silence_and_shreds_have_no_delay() {
    let sent = speech(1, 8000, 1.0);
    assert_eq!(find(&sent, &[0; 8000], ClockRate::HZ_8000), None);
    assert_eq!(find(&[0; 8000], &sent, ClockRate::HZ_8000), None);
    assert_eq!(find(&sent, &sent[..100], ClockRate::HZ_8000), None);
    assert_eq!(find(&[], &[], ClockRate::HZ_8000), None);
    assert_eq!(similarity(&[0; 10], &[0; 10]), 1.0);
    assert_eq!(similarity(&[5; 10], &[0; 10]), 0.0);
    assert_eq!(similarity(&[5, -5], &[-500, 500]), -1.0);
    assert_eq!(gain_db(&[0; 10], &[0; 10]), 0.0);
    assert_eq!(gain_db(&[100, -100], &[10, -10]), -20.0);
}

#[test]
fn overlaps_are_equally_long() {
    let (a, b) = ([1, 2, 3, 4], [9, 9, 1, 2, 3, 4, 9]);
    assert_eq!(overlap(&a, &b, 2), (&a[..], &b[2..6]));
    assert_eq!(overlap(&b, &a, -2), (&b[2..6], &a[..]));
    assert_eq!(overlap(&a, &b, 100), (&a[..0], &b[..0]));
    assert_eq!(overlap(&a, &b, -100), (&a[..0], &b[..0]));
    assert_eq!(overlap(&a, &b, i64::MIN), (&a[..0], &b[..0]));
}
