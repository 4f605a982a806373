//! The player's media side: from memory, or from a ring that a thread fills.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use msp_core::error::{Error, ErrorKind, Result};
use msp_core::terminal::{FrameSource, FrameTime, Pulled};
use msp_core::time::ClockRate;
use rtrb::Consumer;

use super::reader::{self, Link};
use super::state::Seat;
use super::{PlayItem, PlayOptions, Whole};
use crate::filled;

/// A file in memory.
pub(super) struct Memory {
    seat: Seat,
    whole: Arc<Whole>,
    repeat: bool,
    at: usize,
    /// A copy of the file's fault, made where it may be allocated.
    fault: Option<Error>,
}

impl Memory {
    pub(super) fn new(seat: Seat, whole: Arc<Whole>, repeat: bool) -> Self {
        let at = usize::try_from(seat.place).unwrap_or(usize::MAX);
        Self {
            at: at.min(whole.samples.len()),
            fault: whole.fault.clone(),
            seat,
            whole,
            repeat,
        }
    }
}

impl Memory {
    /// Where the present epoch begins.
    fn start(&self) -> usize {
        let start = usize::try_from(self.seat.start()).unwrap_or(usize::MAX);
        start.min(self.whole.samples.len())
    }
}

impl FrameSource for Memory {
    fn pull(&mut self, _: FrameTime, frame: &mut [i16]) -> Pulled {
        if self.seat.follow() {
            self.at = self.start();
        }
        if !self.seat.active() {
            return filled(frame, 0);
        }
        let samples = &self.whole.samples;
        let mut done = 0;
        while done < frame.len() {
            if self.at == samples.len() && self.repeat && !samples.is_empty() {
                self.at = 0;
            }
            let n = (frame.len() - done).min(samples.len() - self.at);
            if n == 0 {
                break;
            }
            frame[done..done + n].copy_from_slice(&samples[self.at..self.at + n]);
            done += n;
            self.at += n;
        }
        self.seat.moved(self.at as u64);
        if done > 0 {
            self.seat.taken();
        }
        if self.at == samples.len() && !self.repeat {
            self.seat.end(&mut self.fault);
        }
        filled(frame, done)
    }
}

/// A file that a thread reads.
pub(super) struct Streamed {
    seat: Seat,
    ring: Consumer<i16>,
    link: Arc<Link>,
    /// Samples taken from the ring.
    taken: u64,
    /// How many will have been taken when what is in the ring belongs to the present epoch.
    base: Option<u64>,
    /// Where in the file that was.
    origin: u64,
    fault: Option<Error>,
}

impl Streamed {
    pub(super) fn start(
        seat: Seat,
        items: &Arc<[PlayItem]>,
        rate: ClockRate,
        options: &PlayOptions,
    ) -> Result<Self> {
        let (ring, link) = reader::start(&seat, items, rate, options)?;
        Ok(Self {
            origin: seat.place,
            seat,
            ring,
            link,
            taken: 0,
            base: Some(0),
            fault: None,
        })
    }

    /// Leaves out what was read before the file was taken back to its beginning. `None` while the reader is not there yet.
    fn catch_up(&mut self) -> Option<u64> {
        if self.base.is_some() {
            return self.base;
        }
        if self.link.epoch.load(Ordering::Acquire) != self.seat.epoch {
            return None;
        }
        let from = self.link.switch_at.load(Ordering::Acquire);
        let stale = usize::try_from(from.saturating_sub(self.taken)).unwrap_or(usize::MAX);
        let n = stale.min(self.ring.slots());
        if let Ok(chunk) = self.ring.read_chunk(n) {
            chunk.commit_all();
            self.taken += n as u64;
        }
        if self.taken >= from {
            self.base = Some(from);
        }
        self.base
    }

    fn place(&self, base: u64) -> u64 {
        let place = self.origin + (self.taken - base);
        match self.link.round.load(Ordering::Acquire) {
            0 => place,
            round => place % round,
        }
    }

    fn try_end(&mut self) {
        if self.fault.is_none()
            && let Ok(mut fault) = self.link.fault.try_lock()
        {
            self.fault = fault.take();
        }
        self.seat.end(&mut self.fault);
    }
}

impl FrameSource for Streamed {
    fn pull(&mut self, _: FrameTime, frame: &mut [i16]) -> Pulled {
        if self.seat.follow() {
            (self.base, self.origin, self.fault) = (None, self.seat.start(), None);
        }
        let base = self.catch_up();
        if !self.seat.active() {
            return filled(frame, 0);
        }
        let Some(base) = base else {
            self.seat.underrun();
            return filled(frame, 0);
        };
        // Asked first: an end that is told has all its samples in the ring.
        let end = self.link.end_at.load(Ordering::Acquire);
        let done = self.ring.pop_partial_slice(frame).0.len();
        self.taken += done as u64;
        self.seat.moved(self.place(base));
        if done > 0 {
            self.seat.taken();
        }
        if self.taken == end {
            self.try_end();
        } else if done < frame.len() {
            self.seat.underrun();
            if self.ring.is_abandoned() {
                self.fault = Some(ErrorKind::Panicked.into());
                self.seat.end(&mut self.fault);
            }
        }
        filled(frame, done)
    }
}

impl Drop for Streamed {
    fn drop(&mut self) {
        self.link.quit.store(true, Ordering::Release);
        self.seat.wake_reader();
    }
}
