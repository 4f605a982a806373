//! The terminal that gives a sine.

use std::sync::Arc;

use msp_core::controls::AudioControls;
use msp_core::error::{Error, ErrorKind, Result};
use msp_core::id::TerminalId;
use msp_core::media::Direction;
use msp_core::registry::{TerminalClassInfo, TerminalFactory, TerminalSpec};
use msp_core::terminal::{
    Connection, FrameSource, FrameTime, Pulled, StreamPort, Terminal, TerminalClass,
    next_terminal_id,
};
use msp_dsp::{Partial, ToneGenerator};

use crate::{mono, options};

static CLASS: TerminalClass = TerminalClass::new("tone");

/// Gives a sine to any number of capture streams, to each from its beginning: class `tone`.
#[derive(Debug)]
pub struct Tone {
    id: TerminalId,
    controls: Arc<AudioControls>,
    name: String,
    partial: Partial,
}

impl Tone {
    /// A sine of `hz` at a level of `dbfs` (0 is full scale).
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for a frequency or a level that cannot be made at any rate.
    pub fn new(hz: f32, dbfs: f32) -> Result<Arc<Self>> {
        let partial = Partial { hz, dbfs };
        let highest = msp_core::time::ClockRate::new(192_000).ok_or(ErrorKind::InvalidArgument)?;
        ToneGenerator::new(highest, &[partial])
            .map_err(|e| Error::new(ErrorKind::InvalidArgument, e.to_string()))?;
        Ok(Arc::new(Self {
            id: next_terminal_id(),
            controls: Arc::default(),
            name: format!("{hz} Hz at {dbfs} dBFS"),
            partial,
        }))
    }
}

impl Terminal for Tone {
    fn id(&self) -> TerminalId {
        self.id
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn class(&self) -> &TerminalClass {
        &CLASS
    }

    fn direction(&self) -> Direction {
        Direction::Capture
    }

    fn capacity(&self) -> usize {
        usize::MAX
    }

    fn controls(&self) -> &Arc<AudioControls> {
        &self.controls
    }

    fn connect(&self, port: StreamPort) -> Result<Connection> {
        if port.direction != Direction::Capture {
            return Err(Error::new(ErrorKind::InvalidDirection, &*self.name));
        }
        let generator = ToneGenerator::new(mono(&port, &self.name)?, &[self.partial])
            .map_err(|e| Error::new(ErrorKind::NoFormat, e.to_string()))?;
        Ok(Connection::Source(Box::new(Sine(generator))))
    }
}

struct Sine(ToneGenerator);

impl FrameSource for Sine {
    fn pull(&mut self, _: FrameTime, frame: &mut [i16]) -> Pulled {
        self.0.fill(frame);
        Pulled::Sound
    }
}

/// Makes [`Tone`]s; options `hz` (1004 if not given) and `dbfs` (-10 if not given).
#[derive(Clone, Copy, Debug, Default)]
pub struct ToneFactory;

impl TerminalFactory for ToneFactory {
    fn info(&self) -> TerminalClassInfo {
        crate::class_info(&CLASS, &CLASS, Direction::Capture)
    }

    fn create(&self, spec: &TerminalSpec) -> Result<Arc<dyn Terminal>> {
        spec.expect_options(&["hz", "dbfs"])?;
        let hz = options::optional(spec, "hz")?.unwrap_or(1_004.0);
        Ok(Tone::new(
            hz,
            options::optional(spec, "dbfs")?.unwrap_or(-10.0),
        )?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TIME, port};

    #[test]
    fn it_has_its_frequency_and_level_on_every_stream() {
        let tone = Tone::new(500.0, -6.0).unwrap();
        for _ in 0..2 {
            let Ok(Connection::Source(mut source)) =
                tone.connect(port(Direction::Capture, 8_000).0)
            else {
                panic!("no source");
            };
            let mut frame = [0; 80];
            for _ in 0..3 {
                assert_eq!(source.pull(TIME, &mut frame), Pulled::Sound);
                // Sixteen samples a turn, from zero to the peak in four.
                assert_eq!((frame[0], frame[4], frame[12]), (0, 16_422, -16_422));
            }
        }
        assert_eq!(
            Tone::new(0.0, 0.0).unwrap_err().kind(),
            ErrorKind::InvalidArgument
        );
        let high = Tone::new(5_000.0, 0.0).unwrap();
        let refused = high.connect(port(Direction::Capture, 8_000).0);
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::NoFormat);
    }
}
