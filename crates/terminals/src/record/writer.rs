//! The thread that writes a recording.

use std::io::{self, Seek, Write};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use msp_core::error::{Error, ErrorKind};
use msp_core::event::{Cause, FileState};
use msp_core::time::{ClockRate, Instant};

use super::tap::{Input, nearest};
use super::timeline::Timeline;
use super::wav::WavWriter;
use super::{Layout, Shared};
use crate::sound::reason;

/// How often the file is brought up to date.
const REST: Duration = Duration::from_millis(200);

/// How long one track is waited for when the other has sound already.
const HOLD: Duration = Duration::from_millis(200);

/// Samples of a track that are written at once.
const CHUNK: usize = 16_384;

pub(super) struct Writer<W> {
    shared: Arc<Shared>,
    name: String,
    wav: WavWriter<W>,
    timeline: Timeline,
    inputs: Vec<Input>,
    /// Time of the first sample.
    begin: Option<Instant>,
    /// The rate of the file, once something is connected.
    rate: Option<ClockRate>,
    max_duration: Option<Duration>,
    block: u32,
    bytes: Vec<u8>,
}

/// Why a recording is over.
#[derive(Debug)]
pub(super) enum End {
    /// It is as long as it may be.
    Long,
    /// A file can be no bigger.
    Big,
    Failed(io::Error),
}

impl<W: Write + Seek> Writer<W> {
    pub(super) fn new(
        shared: Arc<Shared>,
        name: String,
        wav: WavWriter<W>,
        layout: Layout,
        max_duration: Option<Duration>,
    ) -> Self {
        Self {
            shared,
            name,
            wav,
            timeline: Timeline::new(layout),
            inputs: Vec::new(),
            begin: None,
            rate: None,
            max_duration,
            block: 2 * u32::from(layout.channels()),
            bytes: Vec::new(),
        }
    }

    /// Writes until the recording is finished or can go on no more.
    pub(super) fn run(mut self) {
        loop {
            // Asked first: what was taken before is written by the step that follows.
            let quit = self.shared.quit.load(Ordering::Acquire);
            if quit {
                self.shared.closed.store(true, Ordering::Release);
            }
            let end = match self.step(quit) {
                Ok(()) if !quit => {
                    thread::park_timeout(REST);
                    continue;
                }
                Ok(()) => None,
                Err(end) => Some(end),
            };
            self.close(end);
            return;
        }
    }

    /// Writes what is there; the last time all of it.
    pub(super) fn step(&mut self, last: bool) -> Result<(), End> {
        self.shared.collect(&mut self.inputs);
        if self.rate.is_none()
            && let Some(rate) = self.shared.file_rate()
        {
            self.wav.set_rate(rate.hz())?;
            self.rate = Some(rate);
        }
        let Some(rate) = self.rate else {
            return Ok(());
        };
        let hold = rate.ticks(HOLD);
        while let Some((n, at)) = self.earliest() {
            if self.begin.is_none() {
                self.shared
                    .enter(FileState::Active, Cause::LocalRequest, None);
            }
            let begin = *self.begin.get_or_insert(at);
            // A gap goes to the file at once, however long it is: it is not held in memory.
            let place = nearest(at.as_nanos().saturating_sub(begin.as_nanos()), rate);
            self.write_until(place.saturating_sub(hold).min(self.room()))?;
            self.check()?;
            if let Some(input) = self.inputs.get_mut(n) {
                let late = input.take(begin, &mut self.timeline);
                self.shared.count_late(late);
                if let Some((track, origin)) = input.origin() {
                    self.shared.note_origin(track, origin);
                }
            }
        }
        for input in &mut self.inputs {
            if last || input.is_over() {
                let late = input.finish(&mut self.timeline);
                self.shared.count_late(late);
            }
        }
        self.inputs.retain(|i| !i.is_over());
        let end = self.timeline.end();
        let until = if last { end } else { end.saturating_sub(hold) };
        self.write_until(until.min(self.room()))?;
        self.commit()?;
        self.check()
    }

    /// The input whose next frame is the first in time.
    fn earliest(&self) -> Option<(usize, Instant)> {
        let first = || {
            let heads = self.inputs.iter().enumerate();
            heads
                .filter_map(|(n, i)| Some((n, i.head()?)))
                .min_by_key(|(_, at)| *at)
        };
        // Once more: while the second stream was looked at, an earlier frame may have come to the first.
        first().and_then(|_| first())
    }

    /// The sample at which the recording has to end.
    fn room(&self) -> u64 {
        let by_size = self.timeline.flushed() + u64::from(self.wav.room() / self.block);
        match (self.max_duration, self.rate) {
            (Some(duration), Some(rate)) => by_size.min(rate.ticks(duration)),
            _ => by_size,
        }
    }

    fn check(&self) -> Result<(), End> {
        if self.timeline.flushed() < self.room() {
            Ok(())
        } else if self.wav.room() < self.block {
            Err(End::Big)
        } else {
            Err(End::Long)
        }
    }

    fn write_until(&mut self, until: u64) -> Result<(), End> {
        // What a converter still holds of a stream that ceased belongs before.
        for input in &mut self.inputs {
            if input.reached().is_some_and(|place| place < until) {
                let late = input.finish(&mut self.timeline);
                self.shared.count_late(late);
            }
        }
        while self.timeline.flushed() < until {
            self.timeline.take(until, CHUNK, &mut self.bytes);
            self.wav.write(&self.bytes)?;
        }
        Ok(())
    }

    fn commit(&mut self) -> io::Result<()> {
        let done = self.wav.commit();
        self.shared
            .counters
            .recorded
            .store(self.wav.frames(), Ordering::Release);
        done
    }

    fn close(&mut self, end: Option<End>) {
        self.shared.closed.store(true, Ordering::Release);
        self.shared.collect(&mut self.inputs);
        let left: usize = self.inputs.iter().map(Input::waiting).sum();
        self.shared
            .counters
            .refused
            .fetch_add(left as u64, Ordering::Relaxed);
        let committed = self.commit();
        let end = end.or_else(|| committed.err().map(End::Failed));
        let (state, cause, error) = match end {
            None | Some(End::Long) => (FileState::Idle, Cause::LocalRequest, None),
            Some(End::Big) => {
                let text = format!("{}: a WAV file holds no more than 4 GiB", self.name);
                let error = Error::new(ErrorKind::ResourceUnavailable, text);
                (FileState::Idle, Cause::BadDevice, Some(error))
            }
            Some(End::Failed(e)) => {
                let text = format!("{}: {}", self.name, reason(&e));
                let error = Error::new(ErrorKind::Device, text);
                (FileState::WriteError, Cause::BadDevice, Some(error))
            }
        };
        self.shared.enter(state, cause, error);
    }
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}
