//! How long one period of a voice is.

/// Samples of the decimated sound that the first search compares, at most.
const COARSE_WINDOW: usize = 96;
/// Lags that the first search keeps, at most.
const COARSE_LAG: usize = 72;

/// The lag from `min` to `max` at which the last `window` samples of `sound` are most like what lies so much earlier.
///
/// It is looked for at about 4 kHz first and then to the sample. `sound` has at least `window + max` samples. In sound
/// without any pitch some lag is the best; in silence it is `max`.
pub(super) fn estimate(sound: &[i16], min: usize, max: usize, window: usize) -> usize {
    let factor = (window / 80).max(1);
    let mut coarse = [0.0f32; COARSE_WINDOW + COARSE_LAG];
    let (coarse_window, coarse_max) = (
        (window / factor).min(COARSE_WINDOW),
        (max / factor).min(COARSE_LAG),
    );
    let len = coarse_window + coarse_max;
    let coarse = &mut coarse[..len];
    // Averages of `factor` samples, the last of them at the end of the sound.
    let tail = &sound[sound.len() - len * factor..];
    for (average, samples) in coarse.iter_mut().zip(tail.chunks_exact(factor)) {
        *average = samples.iter().map(|s| f32::from(*s)).sum();
    }
    let rough = best(coarse_window, (min / factor).max(1)..=coarse_max, |back| {
        coarse[len - back]
    }) * factor;
    let fine = rough.saturating_sub(factor).max(min)..=(rough + factor).min(max);
    best(window, fine, |back| f32::from(sound[sound.len() - back]))
}

/// The lag of largest normalised correlation; `at` gives the sample so many before the end, from 1 on.
fn best(window: usize, lags: std::ops::RangeInclusive<usize>, at: impl Fn(usize) -> f32) -> usize {
    let mut best = (f32::NEG_INFINITY, *lags.end());
    for lag in lags {
        let (mut product, mut energy) = (0.0, 0.0);
        for back in 1..=window {
            let earlier = at(back + lag);
            product += at(back) * earlier;
            energy += earlier * earlier;
        }
        // The energy of the window itself is the same for all lags.
        let likeness = if energy > 0.0 {
            product / energy.sqrt()
        } else {
            0.0
        };
        if likeness > best.0 {
            best = (likeness, lag);
        }
    }
    if best.0 > 0.0 { best.1 } else { best.1.max(1) }
}
