//! How much of each of a few sines is in a stretch of sound, also where they lie so close that one is heard in the band of
//! the other.

use crate::bank::{Complex, bell_response};

/// At most so many sines at once.
pub(super) const SINES: usize = 3;

/// The amplitudes of sines whose frequencies lie at `turns` a bell, given what was `heard` at each of those frequencies,
/// all phases taken in the middle of the bell: the least squares, by elimination. `None` if two are the same.
pub(super) fn fit(turns: &[f32], heard: &[Complex]) -> Option<[Complex; SINES]> {
    let sines = turns.len().min(heard.len()).min(SINES);
    let mut rows = [[0.0f32; SINES]; SINES];
    let mut sums = [Complex::default(); SINES];
    for i in 0..sines {
        sums[i] = heard[i];
        for j in 0..sines {
            rows[i][j] = bell_response(turns[i] - turns[j]);
        }
    }
    for i in 0..sines {
        let (pivot, row, sum) = (rows[i][i], rows[i], sums[i]);
        // What is left of a sine that the others do not hold.
        if pivot < 0.05 {
            return None;
        }
        for j in (0..sines).filter(|j| *j != i) {
            let share = rows[j][i] / pivot;
            for (cell, above) in rows[j].iter_mut().zip(row) {
                *cell -= share * above;
            }
            sums[j].re -= share * sum.re;
            sums[j].im -= share * sum.im;
        }
    }
    let mut found = [Complex::default(); SINES];
    for i in 0..sines {
        found[i].re = sums[i].re / rows[i][i];
        found[i].im = sums[i].im / rows[i][i];
    }
    Some(found)
}

/// The mean power of what was fitted: the share of the sound that the sines explain.
pub(super) fn power(heard: &[Complex], found: &[Complex]) -> f32 {
    let products = heard.iter().zip(found);
    products
        .map(|(h, f)| h.re * f.re + h.im * f.im)
        .sum::<f32>()
        / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sines_are_found_apart_though_each_is_heard_in_the_bands_of_the_others() {
        let turns = [10.0, 11.0, 12.2];
        let there = [(0.5, 0.1), (-0.2, 0.3), (0.0, -0.4)].map(|(re, im)| Complex { re, im });
        let heard = turns.map(|at| {
            let mut sum = Complex::default();
            for (sine, other) in there.iter().zip(turns) {
                sum.re += bell_response(at - other) * sine.re;
                sum.im += bell_response(at - other) * sine.im;
            }
            sum
        });
        let found = fit(&turns, &heard).unwrap();
        for (found, there) in found.iter().zip(there) {
            let (re, im) = (found.re - there.re, found.im - there.im);
            assert!(re.abs() < 1e-4 && im.abs() < 1e-4, "{found:?} {there:?}");
        }
        assert!(power(&heard, &found) > 0.0);
        assert_eq!(fit(&[5.0, 5.0], &heard[..2]), None);
    }
}
