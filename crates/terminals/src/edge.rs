//! Rings between the media thread and somebody else, with conversion when the rates differ.

use msp_core::error::{Error, ErrorKind, Result};
use msp_core::time::ClockRate;
use msp_dsp::Resampler;
use rtrb::{Consumer, Producer};

/// A converter, none between equal rates.
pub(crate) fn resampler(from: ClockRate, to: ClockRate, name: &str) -> Result<Option<Resampler>> {
    if from == to {
        return Ok(None);
    }
    match Resampler::new(from, to) {
        Ok(resampler) => Ok(Some(resampler)),
        Err(e) => Err(Error::new(ErrorKind::NoFormat, format!("{name}: {e}"))),
    }
}

/// Takes from a ring on the media thread.
pub(crate) struct Outlet {
    pub(crate) ring: Consumer<i16>,
    resampler: Option<Resampler>,
}

impl Outlet {
    pub(crate) const fn new(ring: Consumer<i16>, resampler: Option<Resampler>) -> Self {
        Self { ring, resampler }
    }

    /// Fills `frame` as far as there is sound; says how far.
    pub(crate) fn take(&mut self, frame: &mut [i16]) -> usize {
        let Some(resampler) = &mut self.resampler else {
            return self.ring.pop_partial_slice(frame).0.len();
        };
        let mut done = 0;
        // What lies in the ring lies in up to two pieces.
        for _ in 0..2 {
            let Ok(chunk) = self.ring.read_chunk(self.ring.slots()) else {
                break;
            };
            let progress = resampler.process(chunk.as_slices().0, &mut frame[done..]);
            chunk.commit(progress.consumed);
            done += progress.produced;
        }
        done
    }

    /// Fills `frame` with what the converter still holds, `left` samples of its input; says how far.
    pub(crate) fn drain(&mut self, left: &mut usize, frame: &mut [i16]) -> usize {
        const SILENCE: [i16; 64] = [0; 64];
        let Some(resampler) = &mut self.resampler else {
            return 0;
        };
        let mut done = 0;
        while *left > 0 && done < frame.len() {
            let silence = &SILENCE[..SILENCE.len().min(*left)];
            let progress = resampler.process(silence, &mut frame[done..]);
            *left -= progress.consumed;
            done += progress.produced;
        }
        done
    }

    /// Samples of silence that push the last sound out of the converter.
    pub(crate) fn delay(&self) -> usize {
        self.resampler.as_ref().map_or(0, Resampler::delay)
    }
}

/// Puts into a ring on the media thread.
pub(crate) struct Inlet {
    pub(crate) ring: Producer<i16>,
    resampler: Option<Resampler>,
}

impl Inlet {
    pub(crate) const fn new(ring: Producer<i16>, resampler: Option<Resampler>) -> Self {
        Self { ring, resampler }
    }

    /// Puts `frame` into the ring; says how many samples of the ring had no room and are lost.
    pub(crate) fn put(&mut self, mut frame: &[i16]) -> usize {
        let Some(resampler) = &mut self.resampler else {
            return self.ring.push_partial_slice(frame).1.len();
        };
        let wanted = resampler.output_len(frame.len()).min(self.ring.slots());
        if let Ok(mut chunk) = self.ring.write_chunk(wanted) {
            let (first, second) = chunk.as_mut_slices();
            let mut made = 0;
            for piece in [first, second] {
                let progress = resampler.process(frame, piece);
                frame = &frame[progress.consumed..];
                made += progress.produced;
            }
            chunk.commit(made);
        }
        // The converter goes on in time whether there is room or not.
        let mut lost = 0;
        let mut nowhere = [0; 64];
        while !frame.is_empty() {
            let progress = resampler.process(frame, &mut nowhere);
            frame = &frame[progress.consumed..];
            lost += progress.produced;
        }
        lost
    }
}
