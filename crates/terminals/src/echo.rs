//! The terminal that sends back what is received.

use std::sync::Arc;

use msp_core::controls::AudioControls;
use msp_core::error::{Error, ErrorKind, Result};
use msp_core::id::TerminalId;
use msp_core::media::Direction;
use msp_core::registry::{TerminalClassInfo, TerminalFactory, TerminalSpec};
use msp_core::terminal::{Connection, StreamPort, Terminal, TerminalClass, next_terminal_id};

use crate::pipe::Pipe;

static CLASS: TerminalClass = TerminalClass::ECHO;

/// Gives on a capture stream what came on a render stream: class `echo`.
///
/// It may be selected on one of each. At most 60 ms of sound wait in it; when more comes than is taken, the oldest is
/// dropped and counted.
#[derive(Debug)]
pub struct Echo {
    id: TerminalId,
    controls: Arc<AudioControls>,
    pipe: Arc<Pipe>,
}

impl Echo {
    /// A terminal of this class.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            id: next_terminal_id(),
            controls: Arc::default(),
            pipe: Arc::default(),
        })
    }

    /// Samples that were dropped because they were not taken in time.
    pub fn dropped(&self) -> u64 {
        self.pipe.dropped()
    }
}

impl Terminal for Echo {
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
        Direction::Bidirectional
    }

    fn capacity(&self) -> usize {
        2
    }

    fn controls(&self) -> &Arc<AudioControls> {
        &self.controls
    }

    fn connect(&self, port: StreamPort) -> Result<Connection> {
        match port.direction {
            Direction::Capture => self.pipe.connect_mouth(&port, self.name()),
            Direction::Render => self.pipe.connect_ear(&port, self.name()),
            Direction::Bidirectional => Err(Error::new(ErrorKind::InvalidDirection, self.name())),
        }
    }
}

/// Makes [`Echo`]s; no options.
#[derive(Clone, Copy, Debug, Default)]
pub struct EchoFactory;

impl TerminalFactory for EchoFactory {
    fn info(&self) -> TerminalClassInfo {
        crate::class_info(&CLASS, &CLASS, Direction::Bidirectional)
    }

    fn create(&self, spec: &TerminalSpec) -> Result<Arc<dyn Terminal>> {
        spec.expect_options(&[])?;
        Ok(Echo::new())
    }
}

#[cfg(test)]
mod tests {
    use msp_core::terminal::{FrameSink, FrameSource, Pulled};

    use super::*;
    use crate::testing::{TIME, noise, port};

    fn mouth(echo: &Echo, rate: u32) -> Box<dyn FrameSource> {
        match echo.connect(port(Direction::Capture, rate).0) {
            Ok(Connection::Source(source)) => source,
            other => panic!("{other:?}"),
        }
    }

    fn ear(echo: &Echo, rate: u32) -> Box<dyn FrameSink> {
        match echo.connect(port(Direction::Render, rate).0) {
            Ok(Connection::Sink(sink)) => sink,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_comes_goes_back_bit_for_bit_within_bounds() {
        let echo = Echo::new();
        let (mut mouth, mut ear) = (mouth(&echo, 8_000), ear(&echo, 8_000));
        let sound = noise(8_000);
        let mut frame = [9; 80];
        assert_eq!(mouth.pull(TIME, &mut frame), Pulled::Nothing);
        assert_eq!(frame, [0; 80]);
        for piece in sound[..4_000].chunks(80) {
            ear.push(TIME, piece);
            assert_eq!(mouth.pull(TIME, &mut frame), Pulled::Sound);
            assert_eq!(frame, piece);
        }
        assert_eq!(echo.dropped(), 0);
        for piece in sound[4_000..].chunks(80) {
            ear.push(TIME, piece);
        }
        let mut waited = 0;
        while mouth.pull(TIME, &mut frame) == Pulled::Sound {
            waited += 80;
        }
        assert_eq!(waited, 480, "60 ms");
        assert_eq!(echo.dropped(), 4_000 - 480);
    }

    #[test]
    fn other_rates_pass_and_another_call_hears_nothing_of_the_last() {
        let echo = Echo::new();
        let (mut from, mut to) = (ear(&echo, 8_000), mouth(&echo, 16_000));
        let mut frame = [0; 160];
        let mut loudest = 0;
        for _ in 0..20 {
            from.push(TIME, &[1_000; 80]);
            to.pull(TIME, &mut frame);
            loudest = loudest.max(frame[80]);
        }
        assert!((990..1_100).contains(&loudest), "{loudest}");
        let again = echo.connect(port(Direction::Render, 8_000).0);
        assert_eq!(again.unwrap_err().kind(), ErrorKind::TerminalInUse);
        from.push(TIME, &[1_000; 80]);
        drop((from, to));
        let (_from, mut to) = (ear(&echo, 16_000), mouth(&echo, 16_000));
        assert_eq!(to.pull(TIME, &mut frame), Pulled::Nothing);
    }
}
