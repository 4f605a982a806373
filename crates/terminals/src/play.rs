//! The player of sound files.

mod list;
mod reader;
mod source;
mod state;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use msp_core::controls::AudioControls;
use msp_core::error::{Error, ErrorKind, Result};
use msp_core::event::FileState;
use msp_core::id::TerminalId;
use msp_core::media::Direction;
use msp_core::registry::{TerminalClassInfo, TerminalFactory, TerminalSpec};
use msp_core::terminal::{Connection, StreamPort, Terminal, TerminalClass, next_terminal_id};
use msp_core::time::{ClockRate, MediaTime};

#[cfg(doc)]
use crate::sound::SoundInfo;
use crate::{mono, options};
use list::Chain;
pub use list::PlayItem;
use source::{Memory, Streamed};
use state::Shared;

static CLASS: TerminalClass = TerminalClass::FILE_PLAY;

/// A file that is not longer is decoded whole when it is connected; of a longer one a thread keeps some seconds ready.
const WHOLE: Duration = Duration::from_secs(60);

/// How a file is played.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PlayOptions {
    /// Begin again at the end (at `start`), for ever.
    pub repeat: bool,
    /// Where to begin in the file, or in the first file of a list.
    pub start: Duration,
}

/// Plays sound files, silence and tones, one after the other without a gap, on a capture stream: class `file.play`.
///
/// Any rate and number of channels is converted, several channels to their mean; one channel of 16 bits at the rate of the
/// stream comes out bit for bit. It plays as soon as the stream flows, unless it was stopped or paused before. It keeps
/// its place when it is taken off a stream and selected again.
///
/// Reports [`FileState::Active`] when the first sample after a start was taken, [`FileState::Paused`] and
/// [`FileState::Idle`] when asked to, [`FileState::EndOfFile`] once when the last sample was taken, or
/// [`FileState::ReadError`] instead when the file could not be read to its end.
pub struct FilePlay {
    id: TerminalId,
    controls: Arc<AudioControls>,
    name: String,
    items: Arc<[PlayItem]>,
    options: PlayOptions,
    duration: Option<Duration>,
    shared: Arc<Shared>,
    /// The file as it was decoded last, with its rate.
    whole: Mutex<Option<(ClockRate, Arc<Whole>)>>,
}

/// A short file, decoded.
struct Whole {
    samples: Vec<i16>,
    /// Why there are no more.
    fault: Option<Error>,
}

impl FilePlay {
    /// A terminal that plays the file at `path`.
    ///
    /// # Errors
    /// As [`SoundInfo::read`]: the file is opened and its first samples are decoded.
    pub fn open(path: impl AsRef<Path>, options: PlayOptions) -> Result<Arc<Self>> {
        Self::list([PlayItem::File(path.as_ref().to_owned())], options)
    }

    /// A terminal that plays `items` one after the other. Each is looked at now; a file that cannot be read when its turn comes
    /// ends the list.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for an empty list or a tone that cannot be made, those of [`SoundInfo::read`].
    pub fn list(
        items: impl IntoIterator<Item = PlayItem>,
        options: PlayOptions,
    ) -> Result<Arc<Self>> {
        let items: Arc<[_]> = items.into_iter().collect();
        let invalid = |what: String| Error::new(ErrorKind::InvalidArgument, what);
        let first = items
            .first()
            .ok_or_else(|| invalid("an empty playlist".to_owned()))?;
        let lengths = items.iter().map(PlayItem::check);
        let lengths = lengths.collect::<Result<Vec<_>>>()?;
        let (start, in_first) = (options.start, lengths.first().copied().flatten());
        if start > Duration::ZERO && in_first.is_some_and(|d| d <= start) {
            return Err(invalid(format!("{first:?}: it ends before {start:?}")));
        }
        let add = |sum: Duration, length: Option<Duration>| Some(sum.saturating_add(length?));
        let all = lengths.into_iter().try_fold(Duration::ZERO, add);
        let name = match items.len() {
            1 => format!("{first:?}"),
            n => format!("{first:?} and {} more", n - 1),
        };
        Ok(Arc::new(Self {
            id: next_terminal_id(),
            controls: Arc::default(),
            name,
            items,
            duration: all.map(|d| d.saturating_sub(start)),
            options,
            shared: Arc::default(),
            whole: Mutex::default(),
        }))
    }

    /// How long one round plays, if that is known.
    pub const fn duration(&self) -> Option<Duration> {
        self.duration
    }

    /// Plays: goes on where it was paused, else from the beginning. Playing already is nothing.
    pub fn play(&self) {
        self.shared.play();
    }

    /// Keeps its place and is silent until it plays again. Being paused already is nothing.
    ///
    /// # Errors
    /// [`ErrorKind::WrongState`] unless it plays.
    pub fn pause(&self) -> Result<()> {
        self.shared.pause()
    }

    /// Is silent and goes back to the beginning.
    pub fn stop(&self) {
        self.shared.stop();
    }

    /// Goes on at `place`, counted from the beginning, whatever it does now: playing, it plays from there, and otherwise it
    /// will. A place is found by reading to it, exactly to the sample.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] for a place behind the end, if that is known.
    pub fn seek(&self, place: Duration) -> Result<()> {
        if self.duration.is_some_and(|d| d < place) {
            let what = format!("{}: it ends before {place:?}", self.name);
            return Err(Error::new(ErrorKind::InvalidArgument, what));
        }
        self.shared.seek(place);
        Ok(())
    }

    /// What it does now. [`FileState::Active`] before it is connected means that it will play at once.
    pub fn state(&self) -> FileState {
        self.shared.state()
    }

    /// Samples that were taken since the beginning, or since the beginning of this round if it repeats, at the rate of the
    /// stream; at 8,000 Hz before it was ever connected.
    pub fn position(&self) -> MediaTime {
        self.shared.position()
    }

    /// Frames that were not whole because the file could not be read in time.
    pub fn underruns(&self) -> u64 {
        self.shared.underruns()
    }

    fn whole(&self, rate: ClockRate) -> Result<Option<Arc<Whole>>> {
        let mut kept = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, whole)) = &*kept
            && *at == rate
        {
            return Ok(Some(whole.clone()));
        }
        if self.duration.is_some_and(|d| d > WHOLE) {
            return Ok(None);
        }
        let mut feed = Chain::open(&self.items, rate, self.options.start)?;
        let mut samples = Vec::new();
        let most = rate.ticks(WHOLE) as usize;
        let fault = loop {
            match feed.next(&mut samples) {
                Ok(true) if samples.len() > most => return Ok(None),
                Ok(true) => {}
                Ok(false) => break None,
                Err(fault) => break Some(fault),
            }
        };
        let whole = Arc::new(Whole { samples, fault });
        *kept = Some((rate, whole.clone()));
        Ok(Some(whole))
    }
}

impl Terminal for FilePlay {
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

    fn controls(&self) -> &Arc<AudioControls> {
        &self.controls
    }

    fn connect(&self, port: StreamPort) -> Result<Connection> {
        if port.direction != Direction::Capture {
            return Err(Error::new(ErrorKind::InvalidDirection, &*self.name));
        }
        let rate = mono(&port, &self.name)?;
        let seat = self.shared.take_seat(&port, &self.name)?;
        let source: Box<dyn msp_core::terminal::FrameSource> = match self.whole(rate)? {
            Some(whole) => Box::new(Memory::new(seat, whole, self.options.repeat)),
            None => Box::new(Streamed::start(seat, &self.items, rate, &self.options)?),
        };
        Ok(Connection::Source(source))
    }
}

impl fmt::Debug for FilePlay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FilePlay")
            .field("items", &self.items)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

/// Makes [`FilePlay`]s; options `path`, `loop` (`true` or `false`) and `start_ms` (where to begin, in milliseconds).
#[derive(Clone, Copy, Debug, Default)]
pub struct FilePlayFactory;

impl TerminalFactory for FilePlayFactory {
    fn info(&self) -> TerminalClassInfo {
        crate::class_info(&CLASS, &crate::FILE, Direction::Capture)
    }

    fn create(&self, spec: &TerminalSpec) -> Result<Arc<dyn Terminal>> {
        spec.expect_options(&["path", "loop", "start_ms"])?;
        let path: PathBuf = options::required(spec, "path")?;
        let start = options::optional(spec, "start_ms")?.unwrap_or(0);
        let options = PlayOptions {
            repeat: options::optional(spec, "loop")?.unwrap_or(false),
            start: Duration::from_millis(start),
        };
        Ok(FilePlay::open(path, options)?)
    }
}
