//! Faults of playout that tests switch on, to see that what should notice does.

use std::collections::VecDeque;
use std::time::Duration;

use msp_core::fault::{self, Fault};
use msp_core::time::ClockRate;

const SHIFT: Duration = Duration::from_millis(300);
/// The frame that is cut out lies this far in the stream.
const CUT_AT: Duration = Duration::from_secs(1);

/// What the faults need to remember; empty in a build without them.
#[derive(Debug)]
pub(super) struct PlayoutFaults {
    rate: ClockRate,
    delay: VecDeque<i16>,
    shifting: bool,
    /// Ticks by which the log lies.
    hidden: u32,
}

impl PlayoutFaults {
    pub(super) fn new(rate: ClockRate) -> Self {
        let samples = rate.ticks(SHIFT) as usize;
        Self {
            rate,
            delay: if cfg!(feature = "faults") {
                VecDeque::with_capacity(samples + 480)
            } else {
                VecDeque::new()
            },
            shifting: false,
            hidden: 0,
        }
    }

    /// Whether a frame is to be cut out now, at `head`.
    pub(super) fn cuts_now(&self, head: i64) -> bool {
        fault::is_on(Fault::CutOneFrame)
            && self.hidden == 0
            && head >= self.rate.ticks(CUT_AT) as i64
    }

    /// From now on the log is told timestamps that hide a gap of `ticks`.
    pub(super) const fn hide(&mut self, ticks: u32) {
        self.hidden = ticks;
    }

    /// Ticks by which the log lies.
    pub(super) const fn hidden(&self) -> u32 {
        self.hidden
    }

    /// Delays `out` by 300 ms.
    pub(super) fn shift(&mut self, out: &mut [i16]) {
        if !fault::is_on(Fault::ShiftPlayout) {
            return;
        }
        if !self.shifting {
            self.shifting = true;
            self.delay.clear();
            self.delay.resize(self.rate.ticks(SHIFT) as usize, 0);
        }
        for sample in out {
            self.delay.push_back(*sample);
            *sample = self.delay.pop_front().unwrap_or(0);
        }
    }
}
