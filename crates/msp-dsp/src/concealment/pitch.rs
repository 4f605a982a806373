//! How long one period of a voice is.

use std::ops::RangeInclusive;

/// Samples of the decimated sound that the first search looks at, at most.
const COARSE_LEN: usize = 128;

/// The lag among `lags` at which the last `window` samples of `sound` are most like what lies so much earlier.
///
/// It is looked for in averages of `step` samples first and then to the sample. `sound` is at least as long as the window
/// and the longest lag together. In sound without any pitch some lag is the best; in silence it is the shortest.
pub(super) fn estimate(
    sound: &[i16],
    lags: RangeInclusive<usize>,
    window: usize,
    step: usize,
) -> usize {
    let (min, max) = (*lags.start(), *lags.end());
    let (coarse_window, coarse_max) = (window / step, max / step);
    let len = (coarse_window + coarse_max).min(COARSE_LEN);
    let mut coarse = [0.0f32; COARSE_LEN];
    let coarse = &mut coarse[..len];
    // The last average ends where the sound does.
    let tail = &sound[sound.len() - len * step..];
    for (average, samples) in coarse.iter_mut().zip(tail.chunks_exact(step)) {
        *average = samples.iter().map(|s| f32::from(*s)).sum();
    }
    let coarse_lags = (min / step).max(1)..=coarse_max;
    let rough = best(coarse_window, coarse_lags, |back| coarse[len - back]) * step;
    let fine = rough.saturating_sub(step).max(min)..=(rough + step).min(max);
    best(window, fine, |back| f32::from(sound[sound.len() - back]))
}

/// The lag of largest normalised correlation; `at` gives the sample so many before the end, from 1 on.
fn best(window: usize, lags: RangeInclusive<usize>, at: impl Fn(usize) -> f32) -> usize {
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
    best.1
}
