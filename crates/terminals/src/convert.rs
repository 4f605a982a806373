//! Conversion of rates off the media thread, in time with the original.

use msp_core::time::ClockRate;
use msp_dsp::{DspError, Resampler};

/// Silence that pushes the end of a piece through the filter is fed in pieces of this.
const TAIL: [i16; 64] = [0; 64];

/// Converts a piece of sound with a beginning and an end: unlike a bare [`Resampler`] it has no delay, and what comes
/// out is as long as what went in.
pub(crate) struct Converter {
    resampler: Resampler,
    from: u64,
    to: u64,
    /// Samples of the filter's delay to leave out yet.
    skip: usize,
    taken: u64,
    given: u64,
}

impl Converter {
    pub(crate) fn new(from: ClockRate, to: ClockRate) -> Result<Self, DspError> {
        let mut converter = Self {
            resampler: Resampler::new(from, to)?,
            from: u64::from(from.hz()),
            to: u64::from(to.hz()),
            skip: 0,
            taken: 0,
            given: 0,
        };
        converter.begin();
        Ok(converter)
    }

    fn begin(&mut self) {
        let delay = self.resampler.delay() as u64 * self.to;
        self.skip = delay.div_ceil(self.from) as usize;
        (self.taken, self.given) = (0, 0);
    }

    /// Takes `input` and adds what comes of it to `out`.
    pub(crate) fn push(&mut self, input: &[i16], out: &mut Vec<i16>) {
        self.taken += input.len() as u64;
        self.feed(input, out);
    }

    /// Adds what is still inside to `out`. What is pushed afterwards is a new piece.
    pub(crate) fn finish(&mut self, out: &mut Vec<i16>) {
        let length = (self.taken * self.to).div_ceil(self.from);
        while self.given < length {
            self.feed(&TAIL, out);
        }
        let extra = (self.given - length) as usize;
        out.truncate(out.len() - extra);
        self.resampler.reset();
        self.begin();
    }

    fn feed(&mut self, input: &[i16], out: &mut Vec<i16>) {
        let start = out.len();
        out.resize(start + self.resampler.output_len(input.len()), 0);
        let made = self.resampler.process(input, &mut out[start..]);
        out.truncate(start + made.produced);
        let late = self.skip.min(made.produced);
        out.drain(start..start + late);
        self.skip -= late;
        self.given += (made.produced - late) as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(from: u32, to: u32, input: &[i16]) -> Vec<i16> {
        let rate = |hz| ClockRate::new(hz).unwrap();
        let mut converter = Converter::new(rate(from), rate(to)).unwrap();
        let mut out = Vec::new();
        for piece in input.chunks(77) {
            converter.push(piece, &mut out);
        }
        converter.finish(&mut out);
        out
    }

    #[test]
    fn length_and_place_stay() {
        for (from, to) in [
            (44_100, 8_000),
            (8_000, 48_000),
            (48_000, 8_000),
            (11_025, 16_000),
        ] {
            let mut input = vec![0; from as usize / 2];
            let middle = input.len() / 2;
            for (n, sample) in input.iter_mut().enumerate() {
                let t = (n as f64 - middle as f64) / f64::from(from) / 0.001;
                *sample = (20_000.0 * (-t * t).exp()) as i16;
            }
            let out = converted(from, to, &input);
            assert_eq!(out.len(), (to as usize / 2).max(1));
            let peak = (0..out.len()).max_by_key(|n| out[*n]).unwrap() as f64 / f64::from(to);
            let wanted = middle as f64 / f64::from(from);
            assert!(
                (peak - wanted).abs() <= 1.0 / f64::from(to),
                "{from} to {to}: {peak} instead of {wanted}"
            );
        }
    }

    #[test]
    fn equal_rates_copy() {
        let input: Vec<i16> = (0..1_000).map(|n| n * 31).collect();
        assert_eq!(converted(8_000, 8_000, &input), input);
    }
}
