//! Sound from the application.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use msp_core::controls::AudioControls;
use msp_core::error::{Error, ErrorKind, Result};
use msp_core::event::{Cause, EventKind, FileState};
use msp_core::id::TerminalId;
use msp_core::media::Direction;
use msp_core::terminal::{
    AudioFormat, Connection, FrameSource, FrameTime, Pulled, StreamPort, Terminal, TerminalClass,
    TerminalEvents, next_terminal_id,
};
use rtrb::{Consumer, Producer, RingBuffer};

use super::bell::Bell;
use super::{AppOptions, CLASS};
use crate::edge::{Outlet, resampler};
use crate::{filled, mono};

/// Gives the sound that an application pushes to a capture stream: class `media.app`.
///
/// What is pushed waits in a buffer of fixed length until the stream takes it, so an application that pushes as much as
/// there is room keeps time with the stream. All of it may be called from any thread; who waits for room is woken on the
/// media thread, so a waker must not block. Only the one who waited last is woken.
///
/// Reports [`FileState::EndOfFile`] once when the last sample was taken after [`AppSource::end_of_stream`].
pub struct AppSource {
    id: TerminalId,
    controls: Arc<AudioControls>,
    options: AppOptions,
    frame: usize,
    ring: Mutex<Producer<i16>>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    bell: Bell,
    /// The application gives nothing more; the stream has taken everything.
    ended: AtomicBool,
    finished: AtomicBool,
    taken: AtomicU64,
    underruns: AtomicU64,
    idle: Mutex<Idle>,
}

/// What the media side has while it is connected.
#[derive(Default)]
struct Idle {
    ring: Option<Consumer<i16>>,
    port: Option<AudioFormat>,
}

impl AppSource {
    /// A terminal for sound in the form of `options`.
    ///
    /// # Errors
    /// [`ErrorKind::NoFormat`] for a rate that cannot be converted, [`ErrorKind::InvalidArgument`] for a frame that is
    /// empty or does not fit in the buffer, or for a buffer of more than ten minutes.
    pub fn new(options: AppOptions) -> Result<Arc<Self>> {
        let (buffer, frame) = options.sizes()?;
        let (ring, other) = RingBuffer::new(buffer);
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

    /// Gives `samples`, as many as there is room for; says how many that was. None once the stream was ended.
    pub fn push(&self, samples: &[i16]) -> usize {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        if self.shared.ended.load(Ordering::Acquire) {
            return 0;
        }
        ring.push_partial_slice(samples).0.len()
    }

    /// Gives all of `samples` or nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] when there is no room for all of it now, [`ErrorKind::Closed`] once the stream was ended.
    pub fn try_push(&self, samples: &[i16]) -> Result<()> {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        if self.shared.ended.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Closed, self.name()));
        }
        ring.push_entire_slice(samples)
            .map_err(|e| Error::new(ErrorKind::Busy, format!("{}: {e}", self.name())))
    }

    /// Gives `samples`, waiting up to `timeout` for room; says how many were taken in that time.
    pub fn push_blocking(&self, samples: &[i16], timeout: Duration) -> usize {
        let mut rest = samples;
        self.shared.bell.wait(timeout, || {
            rest = &rest[self.push(rest)..];
            (rest.is_empty() || self.is_ended()).then_some(())
        });
        samples.len() - rest.len()
    }

    /// Gives `samples`, as many as there is room for, once that is a frame or all of them; says how many. None once the
    /// stream was ended.
    pub fn poll_push(&self, cx: &Context<'_>, samples: &[i16]) -> Poll<usize> {
        let wanted = self.frame.min(samples.len());
        self.shared.bell.poll(cx, || {
            (self.room() >= wanted || self.is_ended()).then(|| self.push(samples))
        })
    }

    /// Samples that there is room for.
    pub fn room(&self) -> usize {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.slots()
    }

    /// Says that nothing more will be given.
    pub fn end_of_stream(&self) {
        let _ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        self.shared.ended.store(true, Ordering::Release);
        self.shared.bell.ring();
    }

    /// Whether [`AppSource::end_of_stream`] was called.
    pub fn is_ended(&self) -> bool {
        self.shared.ended.load(Ordering::Acquire)
    }

    /// Whether the stream took everything after the end was said.
    pub fn is_finished(&self) -> bool {
        self.shared.finished.load(Ordering::Acquire)
    }

    /// Is ready when [`AppSource::is_finished`].
    pub fn poll_finished(&self, cx: &Context<'_>) -> Poll<()> {
        let finished = || self.is_finished().then_some(());
        self.shared.bell.poll(cx, finished)
    }

    /// Waits up to `timeout` for [`AppSource::is_finished`], and says whether it is so.
    pub fn wait_finished(&self, timeout: Duration) -> bool {
        let finished = || self.is_finished().then_some(());
        self.shared.bell.wait(timeout, finished).is_some()
    }

    /// The form of the sound that is pushed.
    pub const fn options(&self) -> &AppOptions {
        &self.options
    }

    /// The form of the stream, while it is on one.
    pub fn stream_format(&self) -> Option<AudioFormat> {
        self.shared.lock().port
    }

    /// Samples of the application that the stream took.
    pub fn taken(&self) -> u64 {
        self.shared.taken.load(Ordering::Relaxed)
    }

    /// Frames, after the first sound and before the end, that were not whole because the application gave too little.
    pub fn underruns(&self) -> u64 {
        self.shared.underruns.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Terminal for AppSource {
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
        let resampler = resampler(self.options.rate, rate, self.name())?;
        let mut idle = self.shared.lock();
        let Some(ring) = idle.ring.take() else {
            return Err(Error::new(ErrorKind::TerminalInUse, self.name()));
        };
        idle.port = Some(port.format);
        let outlet = Outlet::new(ring, resampler);
        Ok(Connection::Source(Box::new(Mouth {
            tail: outlet.delay(),
            outlet: Some(outlet),
            frame: self.frame,
            began: false,
            shared: self.shared.clone(),
            events: port.events,
        })))
    }
}

impl fmt::Debug for AppSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppSource")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// The media side.
struct Mouth {
    outlet: Option<Outlet>,
    frame: usize,
    /// Silence to feed the converter at the end.
    tail: usize,
    began: bool,
    shared: Arc<Shared>,
    events: TerminalEvents,
}

impl FrameSource for Mouth {
    fn pull(&mut self, _: FrameTime, frame: &mut [i16]) -> Pulled {
        let Some(outlet) = &mut self.outlet else {
            return filled(frame, 0);
        };
        // Asked first: what was pushed before the end was said is in the ring.
        let ended = self.shared.ended.load(Ordering::Acquire);
        let before = outlet.ring.slots();
        let mut done = outlet.take(frame);
        let left = outlet.ring.slots();
        let taken = before.saturating_sub(left);
        self.shared.taken.fetch_add(taken as u64, Ordering::Relaxed);
        self.began |= done > 0;
        if ended && left == 0 {
            done += outlet.drain(&mut self.tail, &mut frame[done..]);
            if self.tail == 0 && !self.shared.finished.swap(true, Ordering::AcqRel) {
                let end = EventKind::File(FileState::EndOfFile);
                self.events.emit(end, Cause::LocalRequest, None);
                self.shared.bell.ring();
            }
        } else if done < frame.len() && self.began {
            self.shared.underruns.fetch_add(1, Ordering::Relaxed);
        }
        if outlet.ring.buffer().capacity() - left >= self.frame {
            self.shared.bell.ring();
        }
        filled(frame, done)
    }
}

impl Drop for Mouth {
    fn drop(&mut self) {
        let mut idle = self.shared.lock();
        idle.ring = self.outlet.take().map(|o| o.ring);
        idle.port = None;
    }
}
