//! Sound for the application.

use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use msp_core::controls::AudioControls;
use msp_core::error::{Error, ErrorKind, Result};
use msp_core::id::TerminalId;
use msp_core::media::Direction;
use msp_core::terminal::{
    AudioFormat, Connection, FrameSink, FrameTime, StreamPort, Terminal, TerminalClass,
    next_terminal_id,
};
use rtrb::{Consumer, Producer, RingBuffer};

use super::bell::Bell;
use super::{AppOptions, CLASS};
use crate::edge::{Inlet, resampler};
use crate::mono;

/// Gives the sound of a render stream to an application that pulls it: class `media.app`.
///
/// What the stream brings waits in a buffer of fixed length; what finds no room is dropped and counted. All of it may be
/// called from any thread; who waits is woken on the media thread, so a waker must not block. Only the one who waited last
/// is woken.
pub struct AppSink {
    id: TerminalId,
    controls: Arc<AudioControls>,
    options: AppOptions,
    frame: usize,
    ring: Mutex<Consumer<i16>>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    bell: Bell,
    /// 0 before it is on a stream, then [`CONNECTED`] or [`OVER`].
    phase: AtomicU8,
    brought: AtomicU64,
    overruns: AtomicU64,
    idle: Mutex<Idle>,
}

/// Is on a stream.
const CONNECTED: u8 = 1;
/// Was taken off its stream.
const OVER: u8 = 2;

/// What the media side has while it is connected.
#[derive(Default)]
struct Idle {
    ring: Option<Producer<i16>>,
    port: Option<AudioFormat>,
}

impl AppSink {
    /// A terminal for sound in the form of `options`.
    ///
    /// # Errors
    /// [`ErrorKind::NoFormat`] for a rate that cannot be converted, [`ErrorKind::InvalidArgument`] for a frame that is
    /// empty or does not fit in the buffer, or for a buffer of more than ten minutes.
    pub fn new(options: AppOptions) -> Result<Arc<Self>> {
        let (buffer, frame) = options.sizes()?;
        let (other, ring) = RingBuffer::new(buffer);
        let shared = Shared::default();
        shared.lock().ring = Some(other);
        Ok(Arc::new(Self {
            id: next_terminal_id(),
            controls: Arc::default(),
            options,
            frame,
            ring: Mutex::new(ring),
            shared: Arc::new(shared),
        }))
    }

    /// Takes what is there, as much as fits in `samples`; says how much that was.
    pub fn pull(&self, samples: &mut [i16]) -> usize {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.pop_partial_slice(samples).0.len()
    }

    /// Fills `samples`, waiting up to `timeout` for sound; says how much came in that time, or before the terminal was
    /// taken off its stream.
    pub fn pull_blocking(&self, samples: &mut [i16], timeout: Duration) -> usize {
        let mut done = 0;
        self.shared.bell.wait(timeout, || {
            // Asked first: what came before the end is in the ring.
            let over = self.is_over();
            done += self.pull(&mut samples[done..]);
            (done == samples.len() || over).then_some(())
        });
        done
    }

    /// Takes what is there, as much as fits in `samples`, once that is a frame or all that fits; says how much. Nothing
    /// means that the terminal was taken off its stream and everything was taken.
    pub fn poll_pull(&self, cx: &Context<'_>, samples: &mut [i16]) -> Poll<usize> {
        let wanted = self.frame.min(samples.len());
        self.shared.bell.poll(cx, || {
            let over = self.is_over();
            (self.available() >= wanted || over).then(|| self.pull(samples))
        })
    }

    /// Samples that are there.
    pub fn available(&self) -> usize {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.slots()
    }

    /// Whether it was taken off its stream; what came before can still be taken.
    pub fn is_over(&self) -> bool {
        self.shared.phase.load(Ordering::Acquire) == OVER
    }

    /// The form of the sound that is pulled.
    pub const fn options(&self) -> &AppOptions {
        &self.options
    }

    /// The form of the stream, while it is on one.
    pub fn stream_format(&self) -> Option<AudioFormat> {
        self.shared.lock().port
    }

    /// Samples of the stream that were brought.
    pub fn brought(&self) -> u64 {
        self.shared.brought.load(Ordering::Relaxed)
    }

    /// Samples for the application that were dropped because it did not take them in time.
    pub fn overruns(&self) -> u64 {
        self.shared.overruns.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Terminal for AppSink {
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
        Direction::Render
    }

    fn controls(&self) -> &Arc<AudioControls> {
        &self.controls
    }

    fn connect(&self, port: StreamPort) -> Result<Connection> {
        if port.direction != Direction::Render {
            return Err(Error::new(ErrorKind::InvalidDirection, self.name()));
        }
        let rate = mono(&port, self.name())?;
        let resampler = resampler(rate, self.options.rate, self.name())?;
        let mut idle = self.shared.lock();
        let Some(ring) = idle.ring.take() else {
            return Err(Error::new(ErrorKind::TerminalInUse, self.name()));
        };
        idle.port = Some(port.format);
        self.shared.phase.store(CONNECTED, Ordering::Release);
        Ok(Connection::Sink(Box::new(Ear {
            inlet: Some(Inlet::new(ring, resampler)),
            frame: self.frame,
            shared: self.shared.clone(),
        })))
    }
}

impl fmt::Debug for AppSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppSink")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// The media side.
struct Ear {
    inlet: Option<Inlet>,
    frame: usize,
    shared: Arc<Shared>,
}

impl FrameSink for Ear {
    fn push(&mut self, _: FrameTime, frame: &[i16]) {
        let Some(inlet) = &mut self.inlet else {
            return;
        };
        let lost = inlet.put(frame);
        self.shared
            .brought
            .fetch_add(frame.len() as u64, Ordering::Relaxed);
        if lost > 0 {
            self.shared
                .overruns
                .fetch_add(lost as u64, Ordering::Relaxed);
        }
        let there = inlet.ring.buffer().capacity() - inlet.ring.slots();
        if there >= self.frame {
            self.shared.bell.ring();
        }
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        {
            let mut idle = self.shared.lock();
            idle.ring = self.inlet.take().map(|i| i.ring);
            idle.port = None;
            self.shared.phase.store(OVER, Ordering::Release);
        }
        self.shared.bell.ring();
    }
}
