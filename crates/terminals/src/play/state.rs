//! What a player's application side and its media side share.

use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::Thread;
use std::time::Duration;

use msp_core::error::{Error, ErrorKind, Result};
use msp_core::event::{Cause, EventKind, FileState};
use msp_core::terminal::{StreamPort, TerminalEvents};
use msp_core::time::{ClockRate, MediaTime};

/// The state of one player.
///
/// States change and are reported under one lock, so that events are in order. The media side only ever tries it: what it
/// has to report then waits for the next frame.
#[derive(Default)]
pub(super) struct Shared {
    control: Mutex<Control>,
    /// What the media side has to know of the state: [`STARTING`], [`PLAYING`] or [`SILENT`].
    state: AtomicU8,
    /// How often it went back to the beginning.
    epoch: Epoch,
    /// The place in samples in the lower 48 bits; above them the epoch that it is of.
    place: AtomicU64,
    rate: AtomicU32,
    underruns: AtomicU64,
}

/// How often a player went to another place, and where that is, as its threads see it.
#[derive(Clone, Default)]
pub(super) struct Epoch(Arc<EpochCells>);

#[derive(Default)]
struct EpochCells {
    number: AtomicU32,
    /// Nanoseconds since the beginning; written before the number.
    start: AtomicU64,
}

impl Epoch {
    pub(super) fn get(&self) -> u32 {
        self.0.number.load(Ordering::Acquire)
    }

    /// Where it begins, in samples at `rate`.
    pub(super) fn start(&self, rate: ClockRate) -> u64 {
        rate.ticks(Duration::from_nanos(self.0.start.load(Ordering::Acquire)))
    }

    fn next(&self, start: Duration) {
        let nanos = u64::try_from(start.as_nanos()).unwrap_or(u64::MAX);
        self.0.start.store(nanos, Ordering::Release);
        self.0.number.fetch_add(1, Ordering::AcqRel);
    }
}

struct Control {
    state: FileState,
    events: Option<TerminalEvents>,
    /// Whether it is on a stream.
    seated: bool,
    reader: Option<Thread>,
}

impl Default for Control {
    fn default() -> Self {
        Self {
            state: FileState::Active,
            events: None,
            seated: false,
            reader: None,
        }
    }
}

impl Control {
    fn report(&self, cause: Cause, error: Option<Error>) {
        if let Some(events) = &self.events {
            events.emit(EventKind::File(self.state), cause, error);
        }
    }
}

/// Active, which was not reported yet.
const STARTING: u8 = 0;
/// Active.
const PLAYING: u8 = 1;
/// Any other state.
const SILENT: u8 = 2;

const PLACE_BITS: u32 = 48;

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Control> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, control: &mut Control, state: FileState) {
        control.state = state;
        let seen = match state {
            FileState::Active => STARTING,
            _ => SILENT,
        };
        self.state.store(seen, Ordering::Release);
    }

    fn rewind(&self, control: &Control) {
        self.go_to(control, Duration::ZERO);
    }

    fn go_to(&self, control: &Control, place: Duration) {
        self.epoch.next(place);
        if let Some(reader) = &control.reader {
            reader.unpark();
        }
    }

    pub(super) fn play(&self) {
        let mut control = self.lock();
        match control.state {
            FileState::Active => return,
            FileState::EndOfFile | FileState::ReadError => self.rewind(&control),
            _ => {}
        }
        self.enter(&mut control, FileState::Active);
    }

    pub(super) fn pause(&self) -> Result<()> {
        let mut control = self.lock();
        match control.state {
            FileState::Paused => Ok(()),
            FileState::Active => {
                self.enter(&mut control, FileState::Paused);
                control.report(Cause::LocalRequest, None);
                Ok(())
            }
            _ => Err(Error::new(ErrorKind::WrongState, "pause")),
        }
    }

    pub(super) fn stop(&self) {
        let mut control = self.lock();
        if control.state == FileState::Idle {
            return;
        }
        self.rewind(&control);
        self.enter(&mut control, FileState::Idle);
        control.report(Cause::LocalRequest, None);
    }

    pub(super) fn seek(&self, place: Duration) {
        let mut control = self.lock();
        self.go_to(&control, place);
        if matches!(control.state, FileState::EndOfFile | FileState::ReadError) {
            // What has ended waits at its new place until it plays again.
            self.enter(&mut control, FileState::Paused);
            control.report(Cause::LocalRequest, None);
        }
    }

    pub(super) fn state(&self) -> FileState {
        self.lock().state
    }

    pub(super) fn position(&self) -> MediaTime {
        MediaTime::new(self.place(), self.rate())
    }

    fn rate(&self) -> ClockRate {
        let rate = self.rate.load(Ordering::Acquire);
        ClockRate::new(rate).unwrap_or(ClockRate::HZ_8000)
    }

    fn place(&self) -> u64 {
        let packed = self.place.load(Ordering::Acquire);
        let epoch = u64::from(self.epoch.get());
        if packed >> PLACE_BITS == epoch & 0xffff {
            packed & ((1 << PLACE_BITS) - 1)
        } else {
            // Nobody was there yet.
            self.epoch.start(self.rate())
        }
    }

    pub(super) fn underruns(&self) -> u64 {
        self.underruns.load(Ordering::Relaxed)
    }

    /// Puts the player on a stream.
    pub(super) fn take_seat(self: &Arc<Self>, port: &StreamPort, name: &str) -> Result<Seat> {
        let mut control = self.lock();
        if control.seated {
            return Err(Error::new(ErrorKind::TerminalInUse, name));
        }
        control.seated = true;
        control.events = Some(port.events.clone());
        let place = self.position();
        let to = port.format.rate;
        let from = u64::from(place.rate.hz());
        let place = place.ticks.saturating_mul(u64::from(to.hz())) / from;
        self.rate.store(to.hz(), Ordering::Release);
        let seat = Seat {
            shared: self.clone(),
            epoch: self.epoch.get(),
            place,
        };
        seat.moved(place);
        Ok(seat)
    }
}

/// The player's place on a stream, on the media side; it is free again when this is dropped.
pub(super) struct Seat {
    shared: Arc<Shared>,
    /// The epoch that the media side is in.
    pub(super) epoch: u32,
    /// Where to go on, in samples of the stream.
    pub(super) place: u64,
}

impl Seat {
    /// Whether it plays.
    pub(super) fn active(&self) -> bool {
        self.shared.state.load(Ordering::Acquire) != SILENT
    }

    /// Where the present epoch begins, in samples of the stream.
    pub(super) fn start(&self) -> u64 {
        self.shared.epoch.start(self.shared.rate())
    }

    /// The epoch that is wanted.
    pub(super) fn wanted(&self) -> u32 {
        self.shared.epoch.get()
    }

    /// Enters the epoch that is wanted; says whether it is a new one, which begins at the beginning.
    pub(super) fn follow(&mut self) -> bool {
        let wanted = self.wanted();
        let new = wanted != self.epoch;
        self.epoch = wanted;
        new
    }

    /// Says where in the file the stream is now.
    pub(super) fn moved(&self, place: u64) {
        let packed =
            (u64::from(self.epoch & 0xffff) << PLACE_BITS) | place & ((1 << PLACE_BITS) - 1);
        self.shared.place.store(packed, Ordering::Release);
    }

    pub(super) fn underrun(&self) {
        self.shared.underruns.fetch_add(1, Ordering::Relaxed);
    }

    /// Says that samples were taken: reports being active if that was not done yet.
    pub(super) fn taken(&self) {
        if self.shared.state.load(Ordering::Acquire) == STARTING
            && let Some(control) = self.try_lock()
        {
            self.announce(&control);
        }
    }

    /// Reports that everything was played, or why it was not. False if it has to be tried again.
    pub(super) fn end(&self, fault: &mut Option<Error>) -> bool {
        let Some(mut control) = self.try_lock() else {
            return false;
        };
        if control.state != FileState::Active || self.wanted() != self.epoch {
            // It was stopped or paused in this moment: there is more to come, or this is the end after the pause.
            return false;
        }
        self.announce(&control);
        let (state, cause) = match fault {
            Some(_) => (FileState::ReadError, Cause::BadDevice),
            None => (FileState::EndOfFile, Cause::LocalRequest),
        };
        self.shared.enter(&mut control, state);
        control.report(cause, fault.take());
        true
    }

    /// Who is to be woken when it goes back to the beginning.
    pub(super) fn set_reader(&self, reader: Thread) {
        self.shared.lock().reader = Some(reader);
    }

    /// For the reader to see when it shall go back.
    pub(super) fn epoch_cell(&self) -> Epoch {
        self.shared.epoch.clone()
    }

    pub(super) fn wake_reader(&self) {
        if let Some(reader) = &self.shared.lock().reader {
            reader.unpark();
        }
    }

    fn announce(&self, control: &Control) {
        if control.state == FileState::Active
            && self
                .shared
                .state
                .compare_exchange(STARTING, PLAYING, Ordering::AcqRel, Ordering::Acquire)
                .is_ok()
        {
            control.report(Cause::LocalRequest, None);
        }
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, Control>> {
        match self.shared.control.try_lock() {
            Ok(control) => Some(control),
            Err(TryLockError::Poisoned(control)) => Some(control.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut control = self.shared.lock();
        control.seated = false;
        control.events = None;
        control.reader = None;
    }
}
