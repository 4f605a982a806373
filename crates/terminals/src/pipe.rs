//! A short way for sound from a render stream to a capture stream.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use msp_core::error::{Error, ErrorKind, Result};
use msp_core::terminal::{
    Connection, FRAME, FrameSink, FrameSource, FrameTime, Pulled, StreamPort,
};
use msp_core::time::ClockRate;
use rtrb::{Consumer, Producer, RingBuffer};

use crate::edge::{Inlet, Outlet, resampler};
use crate::mono;

/// How much sound waits in it at most.
const LATENCY: Duration = Duration::from_millis(60);

/// Carries what one stream renders to another that captures it. At most 60 ms of sound wait in it; when more comes than is
/// taken, the oldest is dropped and counted.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    ends: Mutex<Ends>,
    dropped: AtomicU64,
    /// Sound that waits before any is given.
    reserve: Duration,
}

/// What is not on the media thread.
#[derive(Debug, Default)]
struct Ends {
    /// Of what waits; that of the stream that came first.
    rate: Option<ClockRate>,
    inlet: Option<Producer<i16>>,
    outlet: Option<Consumer<i16>>,
    /// The mouth, the ear.
    connected: [bool; 2],
}

const MOUTH: usize = 0;
const EAR: usize = 1;

impl Pipe {
    /// A pipe between streams that are worked off by threads of their own, perhaps: it gives sound once `reserve` waits
    /// behind it, so that the one may come a little late without a gap for the other.
    pub(crate) fn with_reserve(reserve: Duration) -> Self {
        Self {
            reserve,
            ..Self::default()
        }
    }

    /// Samples that were dropped because they were not taken in time.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// The end that a capture stream takes from.
    pub(crate) fn connect_mouth(
        self: &Arc<Self>,
        port: &StreamPort,
        name: &str,
    ) -> Result<Connection> {
        let rate = mono(port, name)?;
        let mut ends = self.lock();
        let ring_rate = ends.open(MOUTH, rate, name)?;
        let converter = resampler(ring_rate, rate, name)?;
        let ring = ends.outlet.take();
        let mut ring = ring.ok_or_else(|| Error::new(ErrorKind::TerminalInUse, name))?;
        // What came while nobody took it is old.
        if let Ok(old) = ring.read_chunk(ring.slots()) {
            old.commit_all();
        }
        ends.connected[MOUTH] = true;
        Ok(Connection::Source(Box::new(Mouth {
            outlet: Some(Outlet::new(ring, converter)),
            most: ring_rate.ticks(LATENCY) as usize,
            first: ring_rate.ticks(FRAME + self.reserve) as usize,
            flows: self.reserve.is_zero(),
            pipe: self.clone(),
        })))
    }

    /// The end that a render stream brings to.
    pub(crate) fn connect_ear(
        self: &Arc<Self>,
        port: &StreamPort,
        name: &str,
    ) -> Result<Connection> {
        let rate = mono(port, name)?;
        let mut ends = self.lock();
        let ring_rate = ends.open(EAR, rate, name)?;
        let converter = resampler(rate, ring_rate, name)?;
        let ring = ends.inlet.take();
        let ring = ring.ok_or_else(|| Error::new(ErrorKind::TerminalInUse, name))?;
        ends.connected[EAR] = true;
        Ok(Connection::Sink(Box::new(Ear {
            inlet: Some(Inlet::new(ring, converter)),
            pipe: self.clone(),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Ends> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ends {
    /// The rate of what waits, for an end that is free.
    fn open(&mut self, end: usize, rate: ClockRate, name: &str) -> Result<ClockRate> {
        if self.connected[end] {
            return Err(Error::new(ErrorKind::TerminalInUse, name));
        }
        if self.connected == [false; 2] {
            // Nobody is left: what waits is of another call.
            let most = rate.ticks(LATENCY + FRAME) as usize;
            let (inlet, outlet) = RingBuffer::new(most);
            self.rate = Some(rate);
            (self.inlet, self.outlet) = (Some(inlet), Some(outlet));
        }
        Ok(self.rate.unwrap_or(rate))
    }
}

/// The media side on the capture stream.
struct Mouth {
    outlet: Option<Outlet>,
    most: usize,
    /// Samples that have to wait before the first are given.
    first: usize,
    flows: bool,
    pipe: Arc<Pipe>,
}

impl FrameSource for Mouth {
    fn pull(&mut self, _: FrameTime, frame: &mut [i16]) -> Pulled {
        let Some(outlet) = &mut self.outlet else {
            return crate::filled(frame, 0);
        };
        let waiting = outlet.ring.slots();
        let reserves = !self.pipe.reserve.is_zero();
        let old = match waiting > self.most {
            false => 0,
            true if !reserves => waiting - self.most,
            // As much as should wait is kept of what flows; what piled up while nobody took it is of another time.
            true if self.flows => waiting - self.first,
            true => waiting,
        };
        if old > 0
            && let Ok(chunk) = outlet.ring.read_chunk(old)
        {
            chunk.commit_all();
            self.pipe.dropped.fetch_add(old as u64, Ordering::Relaxed);
        }
        let waiting = outlet.ring.slots();
        self.flows = !reserves || waiting >= self.first || (self.flows && waiting > 0);
        let done = if self.flows { outlet.take(frame) } else { 0 };
        crate::filled(frame, done)
    }
}

impl Drop for Mouth {
    fn drop(&mut self) {
        let mut ends = self.pipe.lock();
        ends.connected[MOUTH] = false;
        ends.outlet = self.outlet.take().map(|o| o.ring);
    }
}

/// The media side on the render stream.
struct Ear {
    inlet: Option<Inlet>,
    pipe: Arc<Pipe>,
}

impl FrameSink for Ear {
    fn push(&mut self, _: FrameTime, frame: &[i16]) {
        if let Some(inlet) = &mut self.inlet {
            let lost = inlet.put(frame);
            if lost > 0 {
                self.pipe.dropped.fetch_add(lost as u64, Ordering::Relaxed);
            }
        }
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        let mut ends = self.pipe.lock();
        ends.connected[EAR] = false;
        ends.inlet = self.inlet.take().map(|i| i.ring);
    }
}
