//! The recorder of calls.

mod tap;
#[cfg(test)]
mod tests;
mod timeline;
mod wav;
mod writer;

use std::fmt;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use msp_core::controls::AudioControls;
use msp_core::error::{Error, ErrorKind, Result};
use msp_core::event::{Cause, EventKind, FileState};
use msp_core::id::TerminalId;
use msp_core::media::Direction;
use msp_core::registry::{TerminalClassInfo, TerminalFactory, TerminalSpec};
use msp_core::terminal::{
    Connection, StreamPort, Terminal, TerminalClass, TerminalEvents, next_terminal_id,
};
use msp_core::time::{ClockRate, MediaTime};

use crate::sound::reason;
use crate::{mono, options};
use tap::Input;
use wav::WavWriter;
use writer::Writer;

static CLASS: TerminalClass = TerminalClass::FILE_RECORD;

/// What becomes of a file that is there already.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum IfExists {
    /// It is replaced.
    #[default]
    Overwrite,
    /// It is kept, and there is no recording.
    Fail,
}

/// How the two directions of a call stand in the file.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Layout {
    /// Left what is sent (the capture stream), right what is heard (the render stream).
    #[default]
    Tracks,
    /// Both in one channel.
    Mixed,
}

impl Layout {
    const fn channels(self) -> u16 {
        match self {
            Self::Tracks => 2,
            Self::Mixed => 1,
        }
    }
}

/// How a call is recorded.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RecordOptions {
    /// What becomes of a file that is there already.
    pub if_exists: IfExists,
    /// How the two directions stand in the file.
    pub layout: Layout,
    /// The rate of the file; that of the first stream if not given.
    pub rate: Option<ClockRate>,
    /// When the recording ends by itself, counted from its first sample.
    pub max_duration: Option<Duration>,
}

/// What a recording has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recorded {
    /// How long the file is, as its header says.
    pub length: MediaTime,
    /// Positions ([`FrameTime::position`](msp_core::terminal::FrameTime::position)) of the capture and of the render
    /// stream at which the file begins, of those that had sound: negative for a stream that was made later than that.
    pub origins: [Option<i64>; 2],
    /// Samples that were lost because the disk was too slow: silence stands for them.
    pub overflowed: u64,
    /// Samples that came when their place in the file was written already.
    pub late: u64,
    /// Samples that came after the end of the recording.
    pub refused: u64,
}

/// Records the streams of a call to a WAV file of 16 bits: class `file.record`.
///
/// It may be selected on one capture stream and one render stream. Both stand in the file as the clock of the media
/// thread says, to the sample; while a stream does not flow there is silence. A thread writes the file and brings its
/// header up to date several times a second, so that it is right and at most one second behind whenever the process ends.
///
/// Reports [`FileState::Active`] with the first sample and [`FileState::Idle`] at the end, which is
/// [`FileRecord::finish`], the maximal duration, or a file of 4 GiB (with an error). When the file cannot be written on it
/// reports [`FileState::WriteError`] once; what was recorded stays, and the call goes on.
pub struct FileRecord {
    id: TerminalId,
    controls: Arc<AudioControls>,
    name: String,
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// What the terminal, its taps and its writer share. The media thread locks nothing of it.
struct Shared {
    /// No more sound is taken.
    closed: AtomicBool,
    /// It shall finish.
    quit: AtomicBool,
    counters: Counters,
    control: Mutex<Control>,
}

#[derive(Default)]
struct Counters {
    recorded: AtomicU64,
    overflowed: AtomicU64,
    late: AtomicU64,
    refused: AtomicU64,
}

struct Control {
    state: FileState,
    /// Of the file, once that is known.
    rate: Option<ClockRate>,
    /// Who sits on which track.
    seats: [bool; 2],
    /// Where their streams were when the file began.
    origins: [Option<i64>; 2],
    /// Of the stream that came last.
    events: Option<TerminalEvents>,
    /// Inputs that the writer did not see yet.
    new: Vec<Input>,
}

impl FileRecord {
    /// A terminal that records to `path`, which is created now.
    ///
    /// # Errors
    /// [`ErrorKind::Device`] if the file cannot be created or written, or if it exists and shall not be overwritten;
    /// [`ErrorKind::NoFormat`] for a rate that nothing can be converted to;
    /// [`ErrorKind::ResourceUnavailable`] if no thread can be started.
    pub fn create(path: impl AsRef<Path>, options: RecordOptions) -> Result<Arc<Self>> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let fail = |why: &str| Error::new(ErrorKind::Device, format!("{name}: {why}"));
        if let Some(rate) = options.rate {
            crate::convert::Converter::new(rate, rate)
                .map_err(|e| Error::new(ErrorKind::NoFormat, e.to_string()))?;
        }
        // A pipe would hold the caller until somebody reads from it, and its header cannot be mended.
        if fs::metadata(path).is_ok_and(|m| !m.is_dir() && !m.is_file()) {
            return Err(fail("is no regular file"));
        }
        let mut how = OpenOptions::new();
        how.write(true);
        match options.if_exists {
            IfExists::Overwrite => how.create(true).truncate(true),
            IfExists::Fail => how.create_new(true),
        };
        let file = how.open(path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => fail("no such folder"),
            std::io::ErrorKind::AlreadyExists => fail("exists already"),
            std::io::ErrorKind::IsADirectory => fail("is a directory"),
            _ => fail(&reason(&e)),
        })?;
        let rate = options.rate.unwrap_or(ClockRate::HZ_8000);
        let wav = WavWriter::new(file, rate.hz(), options.layout.channels())
            .map_err(|e| fail(&reason(&e)))?;
        let shared = Arc::new(Shared::new(options.rate));
        let writer = Writer::new(
            shared.clone(),
            name.clone(),
            wav,
            options.layout,
            options.max_duration,
        );
        let writer = thread::Builder::new()
            .name(CLASS.as_str().to_owned())
            .spawn(move || writer.run())
            .map_err(|e| Error::new(ErrorKind::ResourceUnavailable, e.to_string()))?;
        Ok(Arc::new(Self {
            id: next_terminal_id(),
            controls: Arc::default(),
            name,
            shared,
            writer: Mutex::new(Some(writer)),
        }))
    }

    /// Writes what is there and closes the file; what comes afterwards is refused. Finishing twice is nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Device`] if the file could not be written to its end.
    pub fn finish(&self) -> Result<Recorded> {
        self.shared.quit.store(true, Ordering::Release);
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(writer) = writer.take() {
            writer.thread().unpark();
            if writer.join().is_err() {
                return Err(Error::new(ErrorKind::Panicked, &*self.name));
            }
        }
        match self.state() {
            FileState::WriteError => Err(Error::new(
                ErrorKind::Device,
                format!("{}: could not be written to its end", self.name),
            )),
            _ => Ok(self.recorded()),
        }
    }

    /// Whether the media side of any stream has it still, which may be so for a moment after its call ended.
    pub fn is_connected(&self) -> bool {
        self.shared.lock().seats.contains(&true)
    }

    /// What it does now: [`FileState::Active`] from the first sample on.
    pub fn state(&self) -> FileState {
        self.shared.lock().state
    }

    /// What it has done so far.
    pub fn recorded(&self) -> Recorded {
        let counters = &self.shared.counters;
        let rate = self.shared.file_rate().unwrap_or(ClockRate::HZ_8000);
        Recorded {
            length: MediaTime::new(counters.recorded.load(Ordering::Acquire), rate),
            origins: self.shared.lock().origins,
            overflowed: counters.overflowed.load(Ordering::Relaxed),
            late: counters.late.load(Ordering::Relaxed),
            refused: counters.refused.load(Ordering::Relaxed),
        }
    }
}

impl Shared {
    fn new(rate: Option<ClockRate>) -> Self {
        Self {
            closed: AtomicBool::new(false),
            quit: AtomicBool::new(false),
            counters: Counters::default(),
            control: Mutex::new(Control {
                state: FileState::Idle,
                rate,
                seats: [false; 2],
                origins: [None; 2],
                events: None,
                new: Vec::new(),
            }),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file_rate(&self) -> Option<ClockRate> {
        self.lock().rate
    }

    /// Gives the writer the streams that came.
    fn collect(&self, inputs: &mut Vec<Input>) {
        inputs.append(&mut self.lock().new);
    }

    fn count_late(&self, samples: usize) {
        self.counters
            .late
            .fetch_add(samples as u64, Ordering::Relaxed);
    }

    /// The first stream on a track says where it was; one that takes its place later has another count.
    fn note_origin(&self, track: usize, origin: i64) {
        if let Some(place) = self.lock().origins.get_mut(track) {
            place.get_or_insert(origin);
        }
    }

    fn leave_seat(&self, track: usize) {
        if let Some(seat) = self.lock().seats.get_mut(track) {
            *seat = false;
        }
    }

    fn enter(&self, state: FileState, cause: Cause, error: Option<Error>) {
        let mut control = self.lock();
        control.state = state;
        if let Some(events) = &control.events {
            events.emit(EventKind::File(state), cause, error);
        }
    }
}

impl Terminal for FileRecord {
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
        Direction::Bidirectional
    }

    fn capacity(&self) -> usize {
        2
    }

    fn controls(&self) -> &Arc<AudioControls> {
        &self.controls
    }

    fn connect(&self, port: StreamPort) -> Result<Connection> {
        let track = match port.direction {
            Direction::Capture => 0,
            Direction::Render => 1,
            Direction::Bidirectional => {
                return Err(Error::new(ErrorKind::InvalidDirection, &*self.name));
            }
        };
        let rate = mono(&port, &self.name)?;
        if self.shared.closed.load(Ordering::Acquire) {
            return Err(Error::new(ErrorKind::Closed, &*self.name));
        }
        let mut control = self.shared.lock();
        if control.seats[track] {
            return Err(Error::new(ErrorKind::TerminalInUse, &*self.name));
        }
        let file_rate = control.rate.unwrap_or(rate);
        let (tap, input) = tap::pair(self.shared.clone(), track, rate, file_rate)
            .map_err(|e| Error::new(ErrorKind::NoFormat, format!("{}: {e}", self.name)))?;
        control.rate = Some(file_rate);
        control.seats[track] = true;
        control.events = Some(port.events);
        control.new.push(input);
        Ok(Connection::Sink(Box::new(tap)))
    }
}

impl Drop for FileRecord {
    fn drop(&mut self) {
        // Nobody is left to tell of an error; it was reported as an event.
        let _ = self.finish();
    }
}

impl fmt::Debug for FileRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileRecord")
            .field("path", &self.name)
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

/// Makes [`FileRecord`]s; options `path`, `if_exists` (`overwrite` or `fail`), `layout` (`tracks` or `mixed`), `rate` (in
/// Hz) and `max_ms` (the maximal duration in milliseconds).
#[derive(Clone, Copy, Debug, Default)]
pub struct FileRecordFactory;

impl TerminalFactory for FileRecordFactory {
    fn info(&self) -> TerminalClassInfo {
        crate::class_info(&CLASS, &crate::FILE, Direction::Bidirectional)
    }

    fn create(&self, spec: &TerminalSpec) -> Result<Arc<dyn Terminal>> {
        spec.expect_options(&["path", "if_exists", "layout", "rate", "max_ms"])?;
        let path: PathBuf = options::required(spec, "path")?;
        let options = RecordOptions {
            if_exists: options::optional(spec, "if_exists")?.unwrap_or_default(),
            layout: options::optional(spec, "layout")?.unwrap_or_default(),
            rate: options::rate(spec)?,
            max_duration: options::optional(spec, "max_ms")?.map(Duration::from_millis),
        };
        Ok(FileRecord::create(path, options)?)
    }
}

impl FromStr for IfExists {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "overwrite" => Ok(Self::Overwrite),
            "fail" => Ok(Self::Fail),
            _ => Err(Error::new(ErrorKind::InvalidArgument, text)),
        }
    }
}

impl FromStr for Layout {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "tracks" => Ok(Self::Tracks),
            "mixed" => Ok(Self::Mixed),
            _ => Err(Error::new(ErrorKind::InvalidArgument, text)),
        }
    }
}
