//! A linear predictor of the sound before a gap, through which a difference rings out.

use crate::dot;

/// Most coefficients that are used.
const MAX_ORDER: usize = 16;

/// Most samples that are looked at: 20 ms at 48 kHz.
const MAX_WINDOW: usize = 960;

/// How much nearer to the origin each pole is moved, at 8 kHz: what rings must die away within some milliseconds.
const DAMPING_8K: f32 = 0.95;

#[derive(Clone, Debug)]
pub(super) struct Predictor {
    order: usize,
    /// Samples of the sound that it is estimated from.
    window: usize,
    damping: f32,
    coefficients: [f32; MAX_ORDER],
    /// The last values of the ringing, newest first.
    memory: [f32; MAX_ORDER],
    /// Values still to come before it is cut off.
    left: usize,
    limit: usize,
}

impl Predictor {
    pub(super) fn new(hz: u32) -> Self {
        let len = hz as usize / 50;
        Self {
            order: if hz < 16_000 { 10 } else { MAX_ORDER },
            window: len.min(MAX_WINDOW),
            damping: DAMPING_8K.powf(8000.0 / hz as f32),
            coefficients: [0.0; MAX_ORDER],
            memory: [0.0; MAX_ORDER],
            left: 0,
            limit: hz as usize / 200,
        }
    }

    /// Prepares to ring with the difference between the end of `sound` and the same place one pitch period earlier.
    pub(super) fn begin(&mut self, sound: &[i16], pitch: usize) {
        let end = sound.len();
        for (k, memory) in self.memory.iter_mut().take(self.order).enumerate() {
            *memory = f32::from(sound[end - 1 - k]) - f32::from(sound[end - 1 - k - pitch]);
        }
        let mut weighted = [0.0; MAX_WINDOW];
        let weighted = &mut weighted[..self.window];
        let recent = &sound[end - self.window..];
        for (n, (out, sample)) in weighted.iter_mut().zip(recent).enumerate() {
            // A parabola: cheap, and zero at both ends.
            let weight = 1.0 - ((2 * n + 1) as f32 / self.window as f32 - 1.0).powi(2);
            *out = weight * f32::from(*sample);
        }
        self.coefficients = levinson(&autocorrelation(weighted, self.order), self.order);
        let mut damping = 1.0;
        for c in &mut self.coefficients {
            damping *= self.damping;
            *c *= damping;
        }
        self.left = self.limit;
    }

    /// The next value, zero once 5 ms have passed.
    pub(super) fn ring(&mut self) -> f32 {
        if self.left == 0 {
            return 0.0;
        }
        let order = self.order;
        let value: f32 = self
            .coefficients
            .iter()
            .zip(&self.memory)
            .take(order)
            .map(|(c, m)| c * m)
            .sum();
        self.memory.copy_within(..order - 1, 1);
        self.memory[0] = value;
        let fade = self.left as f32 / self.limit as f32;
        self.left -= 1;
        value * fade
    }
}

fn autocorrelation(sound: &[f32], order: usize) -> [f64; MAX_ORDER + 1] {
    let mut result = [0.0; MAX_ORDER + 1];
    for (lag, value) in result.iter_mut().enumerate().take(order + 1) {
        *value = f64::from(dot(&sound[lag..], sound));
    }
    // A little white noise keeps pure tones solvable.
    result[0] = result[0] * 1.0001 + 1.0;
    result
}

/// Solves for the coefficients of the predictor by the recursion of Levinson and Durbin.
fn levinson(r: &[f64; MAX_ORDER + 1], order: usize) -> [f32; MAX_ORDER] {
    let mut a = [0.0f64; MAX_ORDER];
    let mut error = r[0];
    for i in 0..order {
        let mut k = r[i + 1];
        for j in 0..i {
            k -= a[j] * r[i - j];
        }
        k /= error;
        let previous = a;
        a[i] = k;
        for j in 0..i {
            a[j] -= k * previous[i - 1 - j];
        }
        error *= 1.0 - k * k;
        if error <= 0.0 {
            break;
        }
    }
    a.map(|c| c as f32)
}
