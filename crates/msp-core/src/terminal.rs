//! Terminals: where the sound of a stream comes from or goes to.
//!
//! A terminal has two sides. Its application side is a [`Terminal`], shared and called from anywhere. When it
//! is selected on a stream, [`Terminal::connect`] makes its media side, a [`FrameSource`] or a [`FrameSink`],
//! which moves to the media thread and is called there every frame: it must never block, allocate, open or
//! close anything. It is dropped elsewhere again.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::controls::AudioControls;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{Cause, EventKind};
use crate::id::{CallKey, StreamId, TerminalId};
use crate::media::{Direction, MediaKind};
use crate::time::{ClockRate, Instant};

/// The name of a way to make terminals, dotted from the general to the special.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TerminalClass(Cow<'static, str>);

impl TerminalClass {
    /// Plays a sound file.
    pub const FILE_PLAY: Self = Self::new("file.play");
    /// Records to a sound file.
    pub const FILE_RECORD: Self = Self::new("file.record");
    /// Gives frames to the application, or takes them from it.
    pub const MEDIA_APP: Self = Self::new("media.app");
    /// Sends back what is received.
    pub const ECHO: Self = Self::new("echo");
    /// Listens for digits, tones and kinds of sound.
    pub const DETECTOR: Self = Self::new("detector");
    /// Gives digits as tones.
    pub const DIGITS: Self = Self::new("digits");
    /// Gives tones.
    pub const TONE: Self = Self::new("tone");
    /// Takes part in a conference.
    pub const MIXER: Self = Self::new("mixer");
    /// Joins two calls.
    pub const BRIDGE: Self = Self::new("bridge");
    /// Is silent, and throws away what it gets.
    pub const NULL: Self = Self::new("null");

    /// A class of a fixed name.
    pub const fn new(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// A class of a name that was read.
    pub fn named(name: impl Into<String>) -> Self {
        Self(Cow::Owned(name.into()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TerminalClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Linear sound of 16 bits a sample, as frames carry it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct AudioFormat {
    /// Samples a second of one channel.
    pub rate: ClockRate,
    /// Channels, interleaved.
    pub channels: u8,
}

impl AudioFormat {
    /// One channel at `rate`.
    pub const fn mono(rate: ClockRate) -> Self {
        Self { rate, channels: 1 }
    }

    /// Samples that a frame of `length` has, all channels counted.
    pub fn samples(self, length: Duration) -> usize {
        self.rate.ticks(length) as usize * usize::from(self.channels)
    }
}

/// How much sound the media thread moves at once.
pub const FRAME: Duration = Duration::from_millis(10);

/// Which frame of a stream is moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameTime {
    /// The media thread's time of this frame; equal for all streams of a call.
    pub at: Instant,
    /// Samples of one channel since the stream was made, those included during which it did not flow.
    pub position: u64,
}

/// What a source had to give.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pulled {
    /// The whole frame is sound.
    Sound,
    /// Only the first samples are sound, the rest is silence; so many are sound.
    Partial(usize),
    /// Nothing: the frame is silence.
    Nothing,
}

/// The media side of a terminal that gives sound.
pub trait FrameSource: Send {
    /// Fills `frame`, all of it, with the next sound in the format of the port.
    fn pull(&mut self, time: FrameTime, frame: &mut [i16]) -> Pulled;
}

/// The media side of a terminal that takes sound.
pub trait FrameSink: Send {
    /// Takes the next frame, in the format of the port.
    fn push(&mut self, time: FrameTime, frame: &[i16]);
}

/// The media side of a terminal on one stream.
pub enum Connection {
    /// It gives sound: on a capture stream.
    Source(Box<dyn FrameSource>),
    /// It takes sound: on a render stream what was received, on a capture stream what is sent.
    Sink(Box<dyn FrameSink>),
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source(_) => "Connection::Source",
            Self::Sink(_) => "Connection::Sink",
        })
    }
}

type Emit = dyn Fn(EventKind, Cause, Option<Error>) + Send + Sync;

/// Where a connected terminal reports; the provider fills in address, call, stream, terminal and time.
#[derive(Clone)]
pub struct TerminalEvents(Arc<Emit>);

impl TerminalEvents {
    /// Reports go to `emit`, which must not block.
    pub fn new(emit: impl Fn(EventKind, Cause, Option<Error>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(emit))
    }

    /// Reports `kind`. May be called from any thread; rare things only, never for each frame.
    pub fn emit(&self, kind: EventKind, cause: Cause, error: Option<Error>) {
        (self.0)(kind, cause, error);
    }
}

impl fmt::Debug for TerminalEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TerminalEvents")
    }
}

/// The place on a stream that a terminal is connected to.
#[derive(Clone, Debug)]
pub struct StreamPort {
    /// The call.
    pub call: CallKey,
    /// The stream.
    pub stream: StreamId,
    /// Which way the stream carries media.
    pub direction: Direction,
    /// What frames look like here; a terminal of another format converts.
    pub format: AudioFormat,
    /// Where to report.
    pub events: TerminalEvents,
}

/// The application side of a terminal.
///
/// Who makes terminals by their class gets them as `Arc<dyn Terminal>`, and what is special about a class back by
/// [`downcast`](#method.downcast):
///
/// ```
/// # use std::sync::Arc;
/// # use msp_core::{Error, ErrorKind, Result, controls::AudioControls, id::TerminalId, media::Direction};
/// # use msp_core::terminal::*;
/// # #[derive(Default)] struct Jukebox { controls: Arc<AudioControls> }
/// # impl Jukebox { fn next_record(&self) {} }
/// # impl Terminal for Jukebox {
/// #     fn id(&self) -> TerminalId { TerminalId(1) }
/// #     fn name(&self) -> &str { "jukebox" }
/// #     fn class(&self) -> &TerminalClass { static CLASS: TerminalClass = TerminalClass::new("jukebox"); &CLASS }
/// #     fn direction(&self) -> Direction { Direction::Capture }
/// #     fn controls(&self) -> &Arc<AudioControls> { &self.controls }
/// #     fn connect(&self, _: StreamPort) -> Result<Connection> { Err(Error::new(ErrorKind::Unsupported, "jukebox")) }
/// # }
/// # let terminal: Arc<dyn Terminal> = Arc::new(Jukebox::default());
/// // `terminal` came from Address::create_terminal.
/// match terminal.downcast::<Jukebox>() {
///     Ok(jukebox) => jukebox.next_record(),
///     Err(other) => eprintln!("{} is no jukebox", other.name()),
/// }
/// ```
pub trait Terminal: Any + Send + Sync {
    /// Its name in the process.
    fn id(&self) -> TerminalId;
    /// A name for people: a file's, a device's.
    fn name(&self) -> &str;
    /// How it was made.
    fn class(&self) -> &TerminalClass;
    /// What it carries.
    fn kind(&self) -> MediaKind {
        MediaKind::Audio
    }
    /// Which streams it can serve.
    fn direction(&self) -> Direction;
    /// Its volume, gain and mute; the provider applies them wherever it is on a stream.
    fn controls(&self) -> &Arc<AudioControls>;
    /// The terminals that it is made of, in their order, if it is of several tracks. Only they are connected to streams;
    /// a track may have tracks of its own.
    fn tracks(&self) -> Vec<Arc<dyn Terminal>> {
        Vec::new()
    }
    /// Makes one more track for streams of `kind` and `direction`.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] when its tracks are what they are.
    fn add_track(&self, kind: MediaKind, direction: Direction) -> Result<Arc<dyn Terminal>> {
        let _ = (kind, direction);
        Err(Error::new(ErrorKind::Unsupported, self.name()))
    }
    /// Takes a track off again that is on no stream: what [`add_track`](Self::add_track) made for a selection that failed.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidTerminal`] for what is no track of it.
    fn remove_track(&self, track: TerminalId) -> Result<()> {
        Err(Error::new(
            ErrorKind::InvalidTerminal,
            format!("terminal {track}"),
        ))
    }
    /// Streams that it can serve at once.
    fn capacity(&self) -> usize {
        1
    }
    /// Makes the media side for one stream. Called on a thread that may block.
    ///
    /// # Errors
    /// [`ErrorKind::TerminalInUse`] at capacity, [`ErrorKind::NoFormat`] when it cannot convert,
    /// [`ErrorKind::Device`] when what is behind it failed.
    fn connect(&self, port: StreamPort) -> Result<Connection>;
}

impl dyn Terminal {
    /// Whether it is a `T`.
    pub fn is<T: Terminal>(&self) -> bool {
        let any: &dyn Any = self;
        any.is::<T>()
    }

    /// The same as what it was made as, if that is a `T`.
    pub fn downcast_ref<T: Terminal>(&self) -> Option<&T> {
        let any: &dyn Any = self;
        any.downcast_ref()
    }

    /// The same, shared.
    ///
    /// # Errors
    /// Gives the terminal back if it is no `T`.
    pub fn downcast<T: Terminal>(self: Arc<Self>) -> std::result::Result<Arc<T>, Arc<Self>> {
        if !self.is::<T>() {
            return Err(self);
        }
        let any: Arc<dyn Any + Send + Sync> = self.clone();
        any.downcast().map_err(|_| self)
    }
}

impl fmt::Debug for dyn Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Terminal({}, {}, {:?})",
            self.id(),
            self.class(),
            self.name()
        )
    }
}

/// A terminal identifier that no other terminal of this process has.
pub fn next_terminal_id() -> TerminalId {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    TerminalId(NEXT.fetch_add(1, Ordering::Relaxed))
}
