//! Terminals that know what they gave and what they heard.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::controls::AudioControls;
use crate::event::{Cause, EventKind};
use crate::id::TerminalId;
use crate::media::{Direction, MediaKind, MediaKinds};
use crate::registry::{TerminalClassInfo, TerminalFactory, TerminalSpec};
use crate::terminal::{
    Connection, FrameSink, FrameSource, FrameTime, Pulled, StreamPort, Terminal, TerminalClass,
    TerminalEvents, next_terminal_id,
};
use crate::{Error, ErrorKind, Result};

/// The class of a [`Probe`].
pub(super) static PROBE: TerminalClass = TerminalClass::new("kit.probe");
/// The superclass of [`PROBE`].
pub(super) static KIT: TerminalClass = TerminalClass::new("kit");

/// Gives one level to capture streams and keeps what render streams bring.
pub struct Probe {
    id: TerminalId,
    kind: MediaKind,
    direction: Direction,
    controls: Arc<AudioControls>,
    level: i16,
    refuses: AtomicBool,
    heard: Arc<Mutex<Vec<i16>>>,
    events: Mutex<Option<TerminalEvents>>,
}

impl Probe {
    /// One for streams of `direction`; what it gives is `level` all along.
    pub fn new(direction: Direction, level: i16) -> Arc<Self> {
        Self::of_kind(MediaKind::Audio, direction, level)
    }

    /// One that says that it carries `kind`.
    pub fn of_kind(kind: MediaKind, direction: Direction, level: i16) -> Arc<Self> {
        Arc::new(Self {
            id: next_terminal_id(),
            kind,
            direction,
            controls: Arc::default(),
            level,
            refuses: AtomicBool::new(false),
            heard: Arc::default(),
            events: Mutex::default(),
        })
    }

    /// From now on it cannot be connected.
    pub fn refuse(&self) {
        self.refuses.store(true, Ordering::Relaxed);
    }

    /// What it heard so far.
    pub fn heard(&self) -> Vec<i16> {
        self.heard.lock().unwrap().clone()
    }

    /// What it heard last; silence before anything came.
    pub fn last_heard(&self) -> i16 {
        self.heard.lock().unwrap().last().copied().unwrap_or(0)
    }

    /// Reports something from the stream that it was connected to last.
    pub fn report(&self, kind: EventKind, cause: Cause) {
        if let Some(events) = &*self.events.lock().unwrap() {
            events.emit(kind, cause, None);
        }
    }
}

impl Terminal for Probe {
    fn id(&self) -> TerminalId {
        self.id
    }

    fn name(&self) -> &str {
        "probe"
    }

    fn class(&self) -> &TerminalClass {
        &PROBE
    }

    fn kind(&self) -> MediaKind {
        self.kind
    }

    fn direction(&self) -> Direction {
        self.direction
    }

    fn controls(&self) -> &Arc<AudioControls> {
        &self.controls
    }

    fn connect(&self, port: StreamPort) -> Result<Connection> {
        if self.refuses.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorKind::Device, self.name()));
        }
        *self.events.lock().unwrap() = Some(port.events);
        Ok(match port.direction {
            Direction::Capture => Connection::Source(Box::new(Level(self.level))),
            _ => Connection::Sink(Box::new(Keep(self.heard.clone()))),
        })
    }
}

struct Level(i16);

impl FrameSource for Level {
    fn pull(&mut self, _: FrameTime, frame: &mut [i16]) -> Pulled {
        frame.fill(self.0);
        Pulled::Sound
    }
}

struct Keep(Arc<Mutex<Vec<i16>>>);

impl FrameSink for Keep {
    fn push(&mut self, _: FrameTime, frame: &[i16]) {
        self.0.lock().unwrap().extend_from_slice(frame);
    }
}

/// Makes [`Probe`]s that give 1,000; class `kit.probe`.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProbeFactory;

impl TerminalFactory for ProbeFactory {
    fn info(&self) -> TerminalClassInfo {
        TerminalClassInfo {
            class: PROBE.clone(),
            superclass: KIT.clone(),
            vendor: "kit".into(),
            kinds: MediaKinds::AUDIO,
            direction: Direction::Bidirectional,
        }
    }

    fn create(&self, spec: &TerminalSpec) -> Result<Arc<dyn Terminal>> {
        spec.expect_options(&[])?;
        Ok(Probe::new(spec.direction, 1_000))
    }
}

/// A terminal of several tracks; it makes more of them as often as it was told it may.
pub struct MultiProbe {
    id: TerminalId,
    controls: Arc<AudioControls>,
    tracks: Mutex<Vec<Arc<dyn Terminal>>>,
    room: Mutex<usize>,
}

impl MultiProbe {
    /// One of `tracks`, that makes up to `room` more.
    pub fn new(tracks: Vec<Arc<dyn Terminal>>, room: usize) -> Arc<Self> {
        Arc::new(Self {
            id: next_terminal_id(),
            controls: Arc::default(),
            tracks: Mutex::new(tracks),
            room: Mutex::new(room),
        })
    }
}

impl Terminal for MultiProbe {
    fn id(&self) -> TerminalId {
        self.id
    }

    fn name(&self) -> &str {
        "probe of tracks"
    }

    fn class(&self) -> &TerminalClass {
        &PROBE
    }

    fn direction(&self) -> Direction {
        Direction::Bidirectional
    }

    fn controls(&self) -> &Arc<AudioControls> {
        &self.controls
    }

    fn tracks(&self) -> Vec<Arc<dyn Terminal>> {
        self.tracks.lock().unwrap().clone()
    }

    fn add_track(&self, kind: MediaKind, direction: Direction) -> Result<Arc<dyn Terminal>> {
        let mut room = self.room.lock().unwrap();
        *room = room
            .checked_sub(1)
            .ok_or_else(|| Error::new(ErrorKind::Unsupported, self.name()))?;
        let track = Probe::of_kind(kind, direction, 1_000);
        self.tracks.lock().unwrap().push(track.clone());
        Ok(track)
    }

    fn remove_track(&self, track: TerminalId) -> Result<()> {
        let mut tracks = self.tracks.lock().unwrap();
        let before = tracks.len();
        tracks.retain(|t| t.id() != track);
        if tracks.len() == before {
            return Err(Error::new(ErrorKind::InvalidTerminal, self.name()));
        }
        *self.room.lock().unwrap() += 1;
        Ok(())
    }

    fn connect(&self, _: StreamPort) -> Result<Connection> {
        Err(Error::new(ErrorKind::InvalidMediaType, self.name()))
    }
}
