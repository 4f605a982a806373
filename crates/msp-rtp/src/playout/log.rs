//! What was given to the ear, stretch by stretch.

use std::collections::VecDeque;

use msp_core::time::ClockRate;
use msp_core::trace::{PlayoutAction, PlayoutSegment};

/// Stretches that wait to be read; when more come, the oldest is overwritten and counted.
const CAPACITY: usize = 32;

/// Names every sample that was pulled, contiguous ones of one origin together.
#[derive(Clone, Debug)]
pub struct SegmentLog {
    position: u64,
    open: Option<PlayoutSegment>,
    done: VecDeque<PlayoutSegment>,
    overwritten: u64,
    skipping: bool,
}

impl Default for SegmentLog {
    fn default() -> Self {
        Self {
            position: 0,
            open: None,
            done: VecDeque::with_capacity(CAPACITY),
            overwritten: 0,
            skipping: false,
        }
    }
}

impl SegmentLog {
    /// The next stretch that is complete.
    pub fn poll(&mut self) -> Option<PlayoutSegment> {
        self.done.pop_front()
    }

    /// Completes the present stretch, for a report in between or at the end.
    pub fn flush(&mut self) {
        if let Some(open) = self.open.take() {
            if self.done.len() >= CAPACITY {
                self.done.pop_front();
                self.overwritten += 1;
            }
            self.done.push_back(open);
        }
    }

    /// The next sample that is pulled stands at `position` of its stream: whoever pulls counts also the time in which he
    /// did not pull.
    pub fn stand_at(&mut self, position: u64) {
        if position != self.position {
            self.flush();
            self.position = position;
        }
    }

    /// Whether what is pulled from now on reaches no ear, because its time is over.
    pub const fn skip(&mut self, skipping: bool) {
        self.skipping = skipping;
    }

    /// Where the next sample stands.
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// Stretches that nobody read in time.
    pub const fn overwritten(&self) -> u64 {
        self.overwritten
    }

    /// Samples are another length from now on.
    pub(super) fn change_rate(&mut self, from: ClockRate, to: ClockRate) {
        self.flush();
        let position = u128::from(self.position) * u128::from(to.hz()) / u128::from(from.hz());
        self.position = u64::try_from(position).unwrap_or(u64::MAX);
    }

    pub(super) fn add(
        &mut self,
        samples: u32,
        action: PlayoutAction,
        rtp_timestamp: Option<u32>,
        clock_hz: u64,
        rate: ClockRate,
    ) {
        let (action, rtp_timestamp) = match self.skipping {
            true => (PlayoutAction::Skipped, None),
            false => (action, rtp_timestamp),
        };
        let joined = self.open.as_mut().filter(|open| {
            let expected = open.rtp_timestamp.map(|t| {
                let ticks = u64::from(open.samples) * clock_hz / u64::from(rate.hz());
                t.wrapping_add(ticks as u32)
            });
            open.action == action
                && expected == rtp_timestamp
                && open.samples.checked_add(samples).is_some()
        });
        match joined {
            Some(open) => open.samples += samples,
            None => {
                self.flush();
                self.open = Some(PlayoutSegment {
                    position: self.position,
                    samples,
                    action,
                    rtp_timestamp,
                });
            }
        }
        self.position += u64::from(samples);
    }
}
