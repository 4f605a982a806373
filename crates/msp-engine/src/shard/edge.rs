//! Where a terminal touches a stream: its media side, its volume, and a resampler if its rate is another.

use std::fmt;
use std::sync::Arc;

use msp_core::Result;
use msp_core::controls::{AudioControls, AudioLevels};
use msp_core::id::TerminalId;
use msp_core::media::Direction;
use msp_core::terminal::{Connection, FrameSink, FrameSource, FrameTime, Pulled};
use msp_core::time::ClockRate;
use msp_core::{Error, ErrorKind};
use msp_dsp::{Gain, Resampler};

use crate::sys::prefetch;

/// Samples that a frame of 10 ms has at most: 96,000 Hz.
pub(crate) const LONGEST_FRAME: usize = 960;

/// Samples that a frame of 10 ms has at `rate`.
pub(crate) fn frame_length(rate: ClockRate) -> usize {
    (rate.hz() as usize / 100).min(LONGEST_FRAME)
}

/// A terminal on one stream.
pub(crate) struct Edge {
    pub(crate) terminal: TerminalId,
    /// The direction of the stream.
    pub(crate) direction: Direction,
    /// The rate that the terminal was connected with.
    pub(crate) rate: ClockRate,
    side: Side,
    convert: Option<Box<Resampler>>,
    controls: Arc<AudioControls>,
    /// What `gain` is set to.
    levels: AudioLevels,
    gain: Gain,
    leaving: bool,
}

enum Side {
    Source(Box<dyn FrameSource>),
    Sink(Box<dyn FrameSink>),
}

impl fmt::Debug for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Edge(terminal {}, {:?})", self.terminal, self.direction)
    }
}

impl Edge {
    /// The edge of `terminal`, whose media side was connected at `rate`.
    pub(crate) fn new(
        terminal: TerminalId,
        controls: Arc<AudioControls>,
        direction: Direction,
        rate: ClockRate,
        connection: Connection,
    ) -> Self {
        let levels = controls.levels();
        Self {
            terminal,
            controls,
            levels,
            gain: Gain::from_db(levels.db()),
            leaving: false,
            direction,
            rate,
            side: match connection {
                Connection::Source(source) => Side::Source(source),
                Connection::Sink(sink) => Side::Sink(sink),
            },
            convert: None,
        }
    }

    /// Whether the terminal gives sound to the stream.
    pub(crate) fn is_source(&self) -> bool {
        matches!(self.side, Side::Source(_))
    }

    /// What converts between the terminal and a stream of `rate`; `None` if nothing has to.
    ///
    /// # Errors
    /// [`ErrorKind::NoFormat`] for rates that cannot be converted.
    pub(crate) fn converter(
        source: bool,
        terminal: ClockRate,
        stream: ClockRate,
    ) -> Result<Option<Box<Resampler>>> {
        if terminal == stream {
            return Ok(None);
        }
        let (from, to) = if source {
            (terminal, stream)
        } else {
            (stream, terminal)
        };
        Resampler::new(from, to)
            .map(|r| Some(Box::new(r)))
            .map_err(|e| Error::new(ErrorKind::NoFormat, e.to_string()))
    }

    /// Converts from now on with `convert`; gives back what converted until now.
    pub(crate) fn set_converter(
        &mut self,
        convert: Option<Box<Resampler>>,
    ) -> Option<Box<Resampler>> {
        std::mem::replace(&mut self.convert, convert)
    }

    /// The stream flows already: the sound of this terminal comes in without a click.
    pub(crate) const fn fade_in(&mut self) {
        self.gain.fade_in();
    }

    /// One more frame takes its sound away without a click.
    pub(crate) fn leave(&mut self) {
        self.leaving = true;
        self.gain.set_db(f32::NEG_INFINITY);
    }

    /// Whether the terminal was taken off, and one more frame is all that it gets.
    pub(crate) const fn is_leaving(&self) -> bool {
        self.leaving
    }

    /// Follows the terminal's knobs.
    fn follow(&mut self) {
        let levels = self.controls.levels();
        if levels != self.levels && !self.leaving {
            self.levels = levels;
            self.gain.set_db(levels.db());
        }
    }

    /// Asks for the memory of the terminal's own.
    pub(crate) fn warm(&self) {
        prefetch(&*self.controls);
        match &self.side {
            Side::Source(source) => prefetch(&**source),
            Side::Sink(sink) => prefetch(&**sink),
        }
    }

    /// Fills `frame` with the next 10 ms of a source. A sink gives nothing.
    pub(crate) fn pull(&mut self, time: FrameTime, frame: &mut [i16]) -> Pulled {
        self.follow();
        let pulled = self.pull_own(time, frame);
        match pulled {
            // The rest is silence, whatever the terminal left there.
            Pulled::Partial(sound) => frame.get_mut(sound..).unwrap_or_default().fill(0),
            Pulled::Nothing => frame.fill(0),
            Pulled::Sound => {}
        }
        self.gain.apply(frame);
        pulled
    }

    fn pull_own(&mut self, time: FrameTime, frame: &mut [i16]) -> Pulled {
        let Side::Source(source) = &mut self.side else {
            return Pulled::Nothing;
        };
        let Some(convert) = &mut self.convert else {
            return source.pull(time, frame);
        };
        let mut own = [0; LONGEST_FRAME];
        let own = own.get_mut(..frame_length(self.rate)).unwrap_or_default();
        let pulled = source.pull(at_rate(time, self.rate, frame.len()), own);
        let made = convert.process(own, frame).produced;
        frame.get_mut(made..).unwrap_or_default().fill(0);
        match pulled {
            // What the resampler still holds is sound too.
            Pulled::Sound | Pulled::Partial(_) => Pulled::Sound,
            Pulled::Nothing => Pulled::Nothing,
        }
    }

    /// Gives 10 ms to a sink. A source takes nothing.
    pub(crate) fn push(&mut self, time: FrameTime, frame: &[i16]) {
        self.follow();
        let Side::Sink(sink) = &mut self.side else {
            return;
        };
        let mut own = [0; LONGEST_FRAME];
        let (time, own) = match &mut self.convert {
            None if self.gain.is_unity() => return sink.push(time, frame),
            None => {
                let own = own.get_mut(..frame.len()).unwrap_or_default();
                own.copy_from_slice(frame);
                (time, own)
            }
            Some(convert) => {
                let own = own.get_mut(..frame_length(self.rate)).unwrap_or_default();
                convert.process(frame, own);
                (at_rate(time, self.rate, frame.len()), own)
            }
        };
        self.gain.apply(own);
        sink.push(time, own);
    }
}

/// The same time, its position counted in samples of `rate` instead of frames of `length` samples.
fn at_rate(time: FrameTime, rate: ClockRate, length: usize) -> FrameTime {
    let frames = time.position / length.max(1) as u64;
    FrameTime {
        position: frames * frame_length(rate) as u64,
        ..time
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use msp_core::time::Instant;
    use std::sync::{Arc, Mutex};

    const WIDE: ClockRate = ClockRate::new(16_000).unwrap();

    struct Tone(f64);

    impl FrameSource for Tone {
        fn pull(&mut self, _: FrameTime, frame: &mut [i16]) -> Pulled {
            for sample in frame.iter_mut() {
                *sample = (10_000.0 * self.0.sin()) as i16;
                self.0 += std::f64::consts::TAU * 440.0 / 16_000.0;
            }
            Pulled::Sound
        }
    }

    struct Keep(Arc<Mutex<Vec<(u64, usize)>>>);

    impl FrameSink for Keep {
        fn push(&mut self, time: FrameTime, frame: &[i16]) {
            self.0.lock().unwrap().push((time.position, frame.len()));
        }
    }

    fn time(frame: u64) -> FrameTime {
        FrameTime {
            at: Instant::from_millis(10 * frame),
            position: 80 * frame,
        }
    }

    #[test]
    fn a_source_of_another_rate_fills_every_frame_and_keeps_its_level() {
        let connection = Connection::Source(Box::new(Tone(0.0)));
        let mut edge = Edge::new(
            TerminalId(1),
            Arc::default(),
            Direction::Capture,
            WIDE,
            connection,
        );
        edge.set_converter(Edge::converter(true, WIDE, ClockRate::HZ_8000).unwrap());
        let mut sound = Vec::new();
        for n in 0..100 {
            let mut frame = [0; 80];
            assert_eq!(edge.pull(time(n), &mut frame), Pulled::Sound);
            sound.extend(frame);
        }
        let peak = sound[400..].iter().map(|s| s.unsigned_abs()).max().unwrap();
        assert!((9_900..=10_100).contains(&peak), "{peak}");
    }

    #[test]
    fn a_sink_of_another_rate_gets_whole_frames_at_its_own_positions() {
        let kept = Arc::default();
        let connection = Connection::Sink(Box::new(Keep(Arc::clone(&kept))));
        let mut edge = Edge::new(
            TerminalId(1),
            Arc::default(),
            Direction::Render,
            WIDE,
            connection,
        );
        edge.set_converter(Edge::converter(false, WIDE, ClockRate::HZ_8000).unwrap());
        for n in 5..8 {
            edge.push(time(n), &[1; 80]);
        }
        assert_eq!(*kept.lock().unwrap(), [(800, 160), (960, 160), (1120, 160)]);
    }
}
