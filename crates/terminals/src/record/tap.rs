//! How frames come from the media thread to the writer.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use msp_core::terminal::{FrameSink, FrameTime};
use msp_core::time::{ClockRate, Instant};
use msp_dsp::DspError;
use rtrb::{Consumer, Producer, RingBuffer};

use super::Shared;
use super::timeline::Timeline;
use crate::convert::Converter;

/// How long the disk may stand still before sound is lost.
const PATIENCE: Duration = Duration::from_secs(4);

/// Frames that wait at most.
const FRAMES: usize = 1_024;

/// How far the clock may wander from the samples of a stream before they are put where the clock says.
const WANDER: Duration = Duration::from_millis(20);

/// Which frame lies in the ring of samples.
#[derive(Clone, Copy)]
struct Frame {
    time: FrameTime,
    len: usize,
}

/// The media side of a recording, on one stream.
pub(super) struct Tap {
    track: usize,
    shared: Arc<Shared>,
    frames: Producer<Frame>,
    samples: Producer<i16>,
}

/// The other end of it, in the writer.
pub(super) struct Input {
    track: usize,
    rate: ClockRate,
    file_rate: ClockRate,
    frames: Consumer<Frame>,
    samples: Consumer<i16>,
    converter: Converter,
    segment: Option<Segment>,
    /// Position and place of the last frame.
    last: Option<(u64, u64)>,
    /// The position of the stream at which the file begins; negative if the stream was made later.
    origin: Option<i64>,
    pcm: Vec<i16>,
    converted: Vec<i16>,
}

/// Sound without a gap.
struct Segment {
    /// Where the next frame begins if it follows, in samples of the stream since the begin of the recording.
    next: u64,
    /// Where in the file what is converted next belongs.
    place: u64,
}

pub(super) fn pair(
    shared: Arc<Shared>,
    track: usize,
    rate: ClockRate,
    file_rate: ClockRate,
) -> Result<(Tap, Input), DspError> {
    let converter = Converter::new(rate, file_rate)?;
    let (frames, frames_out) = RingBuffer::new(FRAMES);
    let (samples, samples_out) = RingBuffer::new(rate.ticks(PATIENCE) as usize);
    let tap = Tap {
        track,
        shared,
        frames,
        samples,
    };
    let input = Input {
        track,
        rate,
        file_rate,
        frames: frames_out,
        samples: samples_out,
        converter,
        segment: None,
        last: None,
        origin: None,
        pcm: Vec::new(),
        converted: Vec::new(),
    };
    Ok((tap, input))
}

impl FrameSink for Tap {
    fn push(&mut self, time: FrameTime, frame: &[i16]) {
        let counters = &self.shared.counters;
        if self.shared.closed.load(Ordering::Acquire) {
            counters
                .refused
                .fetch_add(frame.len() as u64, Ordering::Relaxed);
            return;
        }
        // The samples first: the writer finds them behind each frame that it sees.
        if self.frames.is_full() || self.samples.push_entire_slice(frame).is_err() {
            counters
                .overflowed
                .fetch_add(frame.len() as u64, Ordering::Relaxed);
            return;
        }
        let frame = Frame {
            time,
            len: frame.len(),
        };
        // There is room: only this side fills it.
        let _ = self.frames.push(frame);
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.shared.leave_seat(self.track);
    }
}

impl Input {
    /// When the next frame is of.
    pub(super) fn head(&self) -> Option<Instant> {
        self.frames.peek().ok().map(|f| f.time.at)
    }

    /// Whether nothing more comes.
    pub(super) fn is_over(&self) -> bool {
        // Asked in this order: what was pushed before the stream left is seen.
        self.frames.is_abandoned() && self.frames.is_empty()
    }

    /// Samples that were not taken yet.
    pub(super) fn waiting(&self) -> usize {
        self.samples.slots()
    }

    /// Where in the file the sound ends that was put there, if more is to follow it.
    pub(super) fn reached(&self) -> Option<u64> {
        self.segment.as_ref().map(|s| s.place)
    }

    /// The track, and the position of its stream at which the file begins, once a frame was taken.
    pub(super) fn origin(&self) -> Option<(usize, i64)> {
        Some((self.track, self.origin?))
    }

    /// Puts the next frame where it belongs, `begin` being the time of the file's first sample; says how many samples came
    /// too late.
    pub(super) fn take(&mut self, begin: Instant, timeline: &mut Timeline) -> usize {
        let Ok(frame) = self.frames.pop() else {
            return 0;
        };
        self.pcm.resize(frame.len, 0);
        if self.samples.pop_entire_slice(&mut self.pcm).is_err() {
            return frame.len;
        }
        let Some(offset) = frame.time.at.as_nanos().checked_sub(begin.as_nanos()) else {
            return frame.len;
        };
        let place = self.place_of(frame.time.position, nearest(offset, self.rate));
        let mut late = 0;
        if self.segment.as_ref().is_none_or(|s| s.next != place) {
            late += self.finish(timeline);
            self.segment = Some(Segment {
                next: place,
                place: converted(place, self.rate, self.file_rate),
            });
        }
        self.last = Some((frame.time.position, place));
        self.origin
            .get_or_insert_with(|| difference(frame.time.position, place));
        self.converted.clear();
        self.converter.push(&self.pcm, &mut self.converted);
        if let Some(segment) = &mut self.segment {
            segment.next += frame.len as u64;
        }
        late + self.put(timeline)
    }

    /// Where a frame of the stream's sample `position` belongs that the clock puts at `by_clock`, in samples of the stream
    /// since the begin of the recording. The count is exact, so the clock only decides when the two disagree.
    fn place_of(&self, position: u64, by_clock: u64) -> u64 {
        let follows = self.segment.as_ref().map_or(0, |s| s.next);
        if by_clock == follows {
            return by_clock;
        }
        let by_count = self.last.and_then(|(last, place)| {
            let place = place.checked_add(position.checked_sub(last)?)?;
            let likely = place >= follows && place.abs_diff(by_clock) <= self.rate.ticks(WANDER);
            likely.then_some(place)
        });
        by_count.unwrap_or(by_clock)
    }

    /// Puts the rest of what was converted; what comes next stands for itself.
    pub(super) fn finish(&mut self, timeline: &mut Timeline) -> usize {
        self.converted.clear();
        self.converter.finish(&mut self.converted);
        let late = self.put(timeline);
        self.segment = None;
        late
    }

    fn put(&mut self, timeline: &mut Timeline) -> usize {
        let Some(segment) = &mut self.segment else {
            return 0;
        };
        let late = timeline.put(self.track, segment.place, &self.converted);
        segment.place += self.converted.len() as u64;
        late
    }
}

/// `a` less `b`, as near as the type comes to it.
fn difference(a: u64, b: u64) -> i64 {
    let difference = i128::from(a) - i128::from(b);
    let nearest = if difference < 0 { i64::MIN } else { i64::MAX };
    i64::try_from(difference).unwrap_or(nearest)
}

/// The sample that lies nearest to `nanos` nanoseconds.
pub(super) fn nearest(nanos: u64, rate: ClockRate) -> u64 {
    let ticks = u128::from(nanos) * u128::from(rate.hz()) + 500_000_000;
    u64::try_from(ticks / 1_000_000_000).unwrap_or(u64::MAX)
}

/// The sample at rate `to` that lies where sample `place` at rate `from` does.
fn converted(place: u64, from: ClockRate, to: ClockRate) -> u64 {
    let place = u128::from(place) * u128::from(to.hz()) / u128::from(from.hz());
    u64::try_from(place).unwrap_or(u64::MAX)
}
