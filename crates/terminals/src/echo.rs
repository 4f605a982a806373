//! The terminal that sends back what is received.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use msp_core::error::{Error, ErrorKind, Result};
use msp_core::id::TerminalId;
use msp_core::media::Direction;
use msp_core::terminal::{
    Connection, FRAME, FrameSink, FrameSource, FrameTime, Pulled, StreamPort, Terminal,
    TerminalClass, TerminalClassInfo, TerminalFactory, TerminalSpec, next_terminal_id,
};
use msp_core::time::ClockRate;
use rtrb::{Consumer, Producer, RingBuffer};

use crate::edge::{Inlet, Outlet, resampler};
use crate::mono;

static CLASS: TerminalClass = TerminalClass::ECHO;

/// How much sound waits at most between the two streams.
const LATENCY: Duration = Duration::from_millis(60);

/// Gives on a capture stream what came on a render stream: class `echo`.
///
/// It may be selected on one of each. At most 60 ms of sound wait in it; when more comes than is taken, the oldest is
/// dropped and counted.
#[derive(Debug)]
pub struct Echo {
    id: TerminalId,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    ends: Mutex<Ends>,
    dropped: AtomicU64,
}

/// What is not on the media thread.
#[derive(Debug, Default)]
struct Ends {
    /// Of what waits; that of the stream that came first.
    rate: Option<ClockRate>,
    inlet: Option<Producer<i16>>,
    outlet: Option<Consumer<i16>>,
    connected: [bool; 2],
}

impl Echo {
    /// A terminal of this class.
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            id: next_terminal_id(),
            shared: Arc::default(),
        })
    }

    /// Samples that were dropped because they were not taken in time.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Ends> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
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

    fn connect(&self, port: StreamPort) -> Result<Connection> {
        let rate = mono(&port, self.name())?;
        let end = match port.direction {
            Direction::Capture => 0,
            Direction::Render => 1,
            Direction::Bidirectional => {
                return Err(Error::new(ErrorKind::InvalidDirection, self.name()));
            }
        };
        let mut ends = self.shared.lock();
        if ends.connected[end] {
            return Err(Error::new(ErrorKind::TerminalInUse, self.name()));
        }
        if ends.connected == [false; 2] {
            // Nobody is left: what waits is of another call.
            let most = rate.ticks(LATENCY + FRAME) as usize;
            let (inlet, outlet) = RingBuffer::new(most);
            ends.rate = Some(rate);
            (ends.inlet, ends.outlet) = (Some(inlet), Some(outlet));
        }
        let ring_rate = ends.rate.unwrap_or(rate);
        let shared = self.shared.clone();
        let connection = if end == 0 {
            let converter = resampler(ring_rate, rate, self.name())?;
            ends.outlet.take().map(|mut ring| {
                // What came while nobody took it is old.
                if let Ok(old) = ring.read_chunk(ring.slots()) {
                    old.commit_all();
                }
                Connection::Source(Box::new(Mouth {
                    outlet: Some(Outlet::new(ring, converter)),
                    most: ring_rate.ticks(LATENCY) as usize,
                    shared,
                }))
            })
        } else {
            let converter = resampler(rate, ring_rate, self.name())?;
            ends.inlet.take().map(|ring| {
                Connection::Sink(Box::new(Ear {
                    inlet: Some(Inlet::new(ring, converter)),
                    shared,
                }))
            })
        };
        ends.connected[end] = connection.is_some();
        connection.ok_or_else(|| Error::new(ErrorKind::TerminalInUse, self.name()))
    }
}

/// The media side on the capture stream.
struct Mouth {
    outlet: Option<Outlet>,
    most: usize,
    shared: Arc<Shared>,
}

impl FrameSource for Mouth {
    fn pull(&mut self, _: FrameTime, frame: &mut [i16]) -> Pulled {
        let Some(outlet) = &mut self.outlet else {
            return crate::filled(frame, 0);
        };
        let old = outlet.ring.slots().saturating_sub(self.most);
        if old > 0
            && let Ok(chunk) = outlet.ring.read_chunk(old)
        {
            chunk.commit_all();
            self.shared.dropped.fetch_add(old as u64, Ordering::Relaxed);
        }
        let done = outlet.take(frame);
        crate::filled(frame, done)
    }
}

impl Drop for Mouth {
    fn drop(&mut self) {
        let mut ends = self.shared.lock();
        ends.connected[0] = false;
        ends.outlet = self.outlet.take().map(|o| o.ring);
    }
}

/// The media side on the render stream.
struct Ear {
    inlet: Option<Inlet>,
    shared: Arc<Shared>,
}

impl FrameSink for Ear {
    fn push(&mut self, _: FrameTime, frame: &[i16]) {
        if let Some(inlet) = &mut self.inlet {
            let lost = inlet.put(frame);
            if lost > 0 {
                self.shared
                    .dropped
                    .fetch_add(lost as u64, Ordering::Relaxed);
            }
        }
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        let mut ends = self.shared.lock();
        ends.connected[1] = false;
        ends.inlet = self.inlet.take().map(|i| i.ring);
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
