//! The terminal that is silent and hears nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use msp_core::controls::AudioControls;
use msp_core::error::Result;
use msp_core::id::TerminalId;
use msp_core::media::Direction;
use msp_core::registry::{TerminalClassInfo, TerminalFactory, TerminalSpec};
use msp_core::terminal::{
    Connection, FrameSink, FrameSource, FrameTime, Pulled, StreamPort, Terminal, TerminalClass,
    next_terminal_id,
};

static CLASS: TerminalClass = TerminalClass::NULL;

/// Gives silence to any number of capture streams and throws away what any number of render streams bring: class `null`.
#[derive(Debug)]
pub struct Null {
    id: TerminalId,
    controls: Arc<AudioControls>,
    discarded: Arc<AtomicU64>,
}

impl Null {
    /// A terminal of this class.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            id: next_terminal_id(),
            controls: Arc::default(),
            discarded: Arc::default(),
        })
    }

    /// Samples thrown away.
    pub fn discarded(&self) -> u64 {
        self.discarded.load(Ordering::Relaxed)
    }
}

impl Terminal for Null {
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
        usize::MAX
    }

    fn controls(&self) -> &Arc<AudioControls> {
        &self.controls
    }

    fn connect(&self, port: StreamPort) -> Result<Connection> {
        Ok(match port.direction {
            Direction::Capture => Connection::Source(Box::new(Silence)),
            _ => Connection::Sink(Box::new(Discard(self.discarded.clone()))),
        })
    }
}

struct Silence;

impl FrameSource for Silence {
    fn pull(&mut self, _: FrameTime, frame: &mut [i16]) -> Pulled {
        frame.fill(0);
        Pulled::Nothing
    }
}

struct Discard(Arc<AtomicU64>);

impl FrameSink for Discard {
    fn push(&mut self, _: FrameTime, frame: &[i16]) {
        self.0.fetch_add(frame.len() as u64, Ordering::Relaxed);
    }
}

/// Makes [`Null`]s; no options.
#[derive(Clone, Copy, Debug, Default)]
pub struct NullFactory;

impl TerminalFactory for NullFactory {
    fn info(&self) -> TerminalClassInfo {
        crate::class_info(&CLASS, &CLASS, Direction::Bidirectional)
    }

    fn create(&self, spec: &TerminalSpec) -> Result<Arc<dyn Terminal>> {
        spec.expect_options(&[])?;
        Ok(Null::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{TIME, port};

    #[test]
    fn it_is_silent_and_counts_what_it_discards() {
        let null = Null::new();
        let Ok(Connection::Source(mut source)) = null.connect(port(Direction::Capture, 8_000).0)
        else {
            panic!("no source");
        };
        let Ok(Connection::Sink(mut sink)) = null.connect(port(Direction::Render, 8_000).0) else {
            panic!("no sink");
        };
        let mut frame = [7; 80];
        assert_eq!(source.pull(TIME, &mut frame), Pulled::Nothing);
        sink.push(TIME, &frame);
        assert_eq!((frame, null.discarded()), ([0; 80], 80));
    }
}
