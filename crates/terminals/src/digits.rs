//! The terminal that presses keys in the sound.

use std::sync::{Arc, Mutex, PoisonError};

use msp_core::controls::AudioControls;
use msp_core::error::{Error, ErrorKind, Result};
use msp_core::event::{Cause, EventKind, GenerationEnd};
use msp_core::id::TerminalId;
use msp_core::link::Digit;
use msp_core::media::Direction;
use msp_core::registry::{TerminalClassInfo, TerminalFactory, TerminalSpec};
use msp_core::terminal::{
    Connection, FrameSource, FrameTime, Pulled, StreamPort, Terminal, TerminalClass,
    TerminalEvents, next_terminal_id,
};
use msp_core::time::ClockRate;
use msp_dsp::{DtmfGenerator, DtmfShape};
use rtrb::{Consumer, Producer, RingBuffer};

use crate::mono;

static CLASS: TerminalClass = TerminalClass::DIGITS;

/// Keys of one call to [`DigitTones::play`] at most.
pub const MAX_TONES: usize = 64;

/// Gives digits as tones on a capture stream (ITU-T Q.23): class `digits`. For peers that take none as events; the sound of
/// other terminals on the stream is mixed with them.
pub struct DigitTones {
    id: TerminalId,
    controls: Arc<AudioControls>,
    side: Mutex<Option<Side>>,
}

/// What the application keeps of the stream that it is on.
struct Side {
    rate: ClockRate,
    /// What is to be played, and back what was played.
    next: Producer<Box<DtmfGenerator>>,
    played: Consumer<Box<DtmfGenerator>>,
}

impl DigitTones {
    /// A terminal of this class.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            id: next_terminal_id(),
            controls: Arc::default(),
            side: Mutex::new(None),
        })
    }

    /// Plays `digits` from the next frame on, each as `shape` says. Digits that are played at that time end with
    /// [`GenerationEnd::Cancelled`], these in their time with [`GenerationEnd::Done`].
    ///
    /// # Errors
    /// [`ErrorKind::NoTerminal`] when it is on no stream, [`ErrorKind::InvalidArgument`] for none or more than
    /// [`MAX_TONES`] digits or a shape that cannot be made, [`ErrorKind::Busy`] when others were asked for in this frame.
    pub fn play(&self, digits: &[Digit], shape: DtmfShape) -> Result<()> {
        let invalid = |what: String| Error::new(ErrorKind::InvalidArgument, what);
        if digits.is_empty() || digits.len() > MAX_TONES {
            return Err(invalid(format!("{} digits", digits.len())));
        }
        let mut side = self.side.lock().unwrap_or_else(PoisonError::into_inner);
        let side = side
            .as_mut()
            .ok_or_else(|| Error::new(ErrorKind::NoTerminal, CLASS.as_str()))?;
        let generator = DtmfGenerator::new(side.rate, digits, shape);
        let generator = generator.map_err(|e| invalid(e.to_string()))?;
        while side.played.pop().is_ok() {}
        let full = |_| Error::new(ErrorKind::Busy, CLASS.as_str());
        side.next.push(Box::new(generator)).map_err(full)
    }
}

impl Terminal for DigitTones {
    fn id(&self) -> TerminalId {
        self.id
    }

    fn name(&self) -> &str {
        CLASS.as_str()
    }

    fn class(&self) -> &TerminalClass {
        &CLASS
    }

    fn direction(&self) -> Direction {
        Direction::Capture
    }

    fn controls(&self) -> &Arc<AudioControls> {
        &self.controls
    }

    fn connect(&self, port: StreamPort) -> Result<Connection> {
        if port.direction != Direction::Capture {
            return Err(Error::new(ErrorKind::InvalidDirection, self.name()));
        }
        let rate = mono(&port, self.name())?;
        let mut side = self.side.lock().unwrap_or_else(PoisonError::into_inner);
        if side.as_ref().is_some_and(|s| !s.next.is_abandoned()) {
            return Err(Error::new(ErrorKind::TerminalInUse, self.name()));
        }
        let (next, wanted) = RingBuffer::new(2);
        let (back, played) = RingBuffer::new(4);
        *side = Some(Side { rate, next, played });
        Ok(Connection::Source(Box::new(Mouth {
            events: port.events,
            wanted,
            back,
            playing: None,
        })))
    }
}

impl std::fmt::Debug for DigitTones {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DigitTones({})", self.id)
    }
}

struct Mouth {
    events: TerminalEvents,
    wanted: Consumer<Box<DtmfGenerator>>,
    /// What was played is freed elsewhere.
    back: Producer<Box<DtmfGenerator>>,
    playing: Option<Box<DtmfGenerator>>,
}

impl Mouth {
    fn end(&mut self, end: GenerationEnd) {
        if let Some(generator) = self.playing.take() {
            self.events
                .emit(EventKind::Generated(end), Cause::LocalRequest, None);
            // There is room for all that can have been asked for since somebody took what was there.
            let _full = self.back.push(generator);
        }
    }
}

impl FrameSource for Mouth {
    fn pull(&mut self, _: FrameTime, frame: &mut [i16]) -> Pulled {
        while let Ok(next) = self.wanted.pop() {
            self.end(GenerationEnd::Cancelled);
            self.playing = Some(next);
        }
        let Some(generator) = &mut self.playing else {
            return crate::filled(frame, 0);
        };
        let done = generator.fill(frame);
        if done < frame.len() {
            self.end(GenerationEnd::Done);
        }
        crate::filled(frame, done)
    }
}

impl Drop for Mouth {
    fn drop(&mut self) {
        self.end(GenerationEnd::Cancelled);
        while let Ok(next) = self.wanted.pop() {
            self.playing = Some(next);
            self.end(GenerationEnd::Cancelled);
        }
    }
}

/// Makes [`DigitTones`].
#[derive(Clone, Copy, Debug, Default)]
pub struct DigitTonesFactory;

impl TerminalFactory for DigitTonesFactory {
    fn info(&self) -> TerminalClassInfo {
        crate::class_info(&CLASS, &CLASS, Direction::Capture)
    }

    fn create(&self, spec: &TerminalSpec) -> Result<Arc<dyn Terminal>> {
        spec.expect_options(&[])?;
        Ok(DigitTones::new())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use msp_dsp::{DtmfDetector, DtmfEvent};

    use super::*;
    use crate::testing::{TIME, port};

    fn keys(text: &str) -> Vec<Digit> {
        text.chars().filter_map(Digit::from_char).collect()
    }

    // Shows: digits are made as tones of a chosen length, and new ones cancel those that sound (C25)
    #[test]
    fn c25_one_generation_at_a_time_and_a_new_one_cancels_the_old() {
        let terminal = DigitTones::new();
        let shape = DtmfShape {
            tone: Duration::from_millis(70),
            ..DtmfShape::default()
        };
        let early = terminal.play(&keys("1"), shape).unwrap_err();
        assert_eq!(early.kind(), ErrorKind::NoTerminal);
        let (sender, receiver) = channel();
        let mut port = port(Direction::Capture, 8_000).0;
        port.events = TerminalEvents::new(move |kind, _, _| sender.send(kind).unwrap());
        let Ok(Connection::Source(mut mouth)) = terminal.connect(port) else {
            panic!("no source");
        };
        let mut detector = DtmfDetector::new(ClockRate::HZ_8000).unwrap();
        let mut heard = Vec::new();
        let mut frame = [1; 80];
        assert_eq!(mouth.pull(TIME, &mut frame), Pulled::Nothing);
        terminal.play(&keys("12345"), shape).unwrap();
        for n in 0..100 {
            if n == 20 {
                terminal.play(&keys("9"), shape).unwrap();
            }
            mouth.pull(TIME, &mut frame);
            detector.process(&frame, |event| {
                if let DtmfEvent::Ended { digit, length, .. } = event {
                    heard.push((digit.to_char(), length / 8));
                }
            });
        }
        let pressed: String = heard.iter().map(|h| h.0).collect();
        assert_eq!(pressed, "129");
        assert!(
            heard.iter().all(|(_, ms)| (60..=80).contains(ms)),
            "{heard:?}"
        );
        let told: Vec<_> = receiver.try_iter().collect();
        let ends = [GenerationEnd::Cancelled, GenerationEnd::Done];
        assert_eq!(told, ends.map(EventKind::Generated));
        for wrong in [0, MAX_TONES + 1] {
            let refused = terminal
                .play(&vec![keys("1")[0]; wrong], shape)
                .unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
        }
    }
}
