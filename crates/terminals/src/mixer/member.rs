//! One who takes part in a conference.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicI16, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use msp_core::controls::AudioControls;
use msp_core::error::{Error, ErrorKind, Result};
use msp_core::id::TerminalId;
use msp_core::media::Direction;
use msp_core::terminal::{
    Connection, FrameSink, FrameSource, FrameTime, Pulled, StreamPort, Terminal, TerminalClass,
    next_terminal_id,
};
use msp_dsp::{Gain, Level, Resampler, SILENCE_DB, db_to_ratio};

use super::ticks::{Added, Ticks};
use super::{CLASS, DELAY, Mixer, tick_of};
use crate::edge::resampler;
use crate::{filled, mono};

/// Samples that a frame of 10 ms has at most.
const LONGEST: usize = 960;
/// What is kept of a member's own sound, to leave it out of what it hears.
const OWN: usize = 8;
/// Ticks after which a member that gives no sound is silent.
const ABSENT: u64 = 10;
/// Frames over which the level falls to a third.
const RELEASE: f32 = 30.0;

/// Who hears what a member says.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Voice {
    /// Everybody.
    All,
    /// Nobody: the member listens.
    Nobody,
    /// Only this member.
    One(TerminalId),
}

/// A member of a [`Mixer`]: class `mixer`. It may be on one stream of each direction.
///
/// Its [`controls`](Terminal::controls) set how loud it is where it touches the streams, both ways; how loud the others hear it
/// is [`set_gain_db`](Self::set_gain_db).
pub struct MixerMember {
    id: TerminalId,
    name: String,
    controls: Arc<AudioControls>,
    mixer: Arc<Mixer>,
    shared: Arc<Shared>,
    voice: Mutex<Voice>,
}

/// What a member and its media sides share.
struct Shared {
    /// What only this member hears: whispers. There once somebody whispers to it.
    private: OnceLock<Ticks>,
    /// Its own sound that all hear, of the last ticks.
    own: [Own; OWN],
    heard_by_all: AtomicBool,
    whispers_to: Mutex<Whispers>,
    /// Changes with each change of `whispers_to`.
    epoch: AtomicU32,
    /// A factor, as the bits of an `f32`.
    gain: AtomicU32,
    /// Mean square of what it says, full scale being 1, as the bits of an `f32`.
    power: AtomicU32,
    /// The tick that it said something in last.
    measured: AtomicU64,
    late: AtomicU64,
    /// The mouth, the ear.
    connected: [AtomicBool; 2],
}

/// Who hears a member that whispers. The media thread looks here only after a change, and never waits.
#[derive(Default)]
struct Whispers {
    to: Option<Arc<Shared>>,
    /// Whom the media thread knew before: freed here and not there.
    before: Option<Arc<Shared>>,
}

struct Own {
    number: AtomicU64,
    sound: Box<[AtomicI16]>,
}

const MOUTH: usize = 0;
const EAR: usize = 1;

impl MixerMember {
    pub(super) fn new(mixer: Arc<Mixer>) -> Arc<Self> {
        let own = |_| Own {
            number: AtomicU64::new(u64::MAX),
            sound: (0..mixer.frame()).map(|_| AtomicI16::new(0)).collect(),
        };
        let id = next_terminal_id();
        Arc::new(Self {
            id,
            name: format!("member {id}"),
            controls: Arc::default(),
            shared: Arc::new(Shared {
                private: OnceLock::new(),
                own: std::array::from_fn(own),
                heard_by_all: AtomicBool::new(true),
                whispers_to: Mutex::default(),
                epoch: AtomicU32::new(0),
                gain: AtomicU32::new(1f32.to_bits()),
                power: AtomicU32::new(0f32.to_bits()),
                measured: AtomicU64::new(0),
                late: AtomicU64::new(0),
                connected: Default::default(),
            }),
            mixer,
            voice: Mutex::new(Voice::All),
        })
    }

    fn shared(&self) -> Arc<Shared> {
        self.shared.clone()
    }

    /// Who hears it.
    pub fn voice(&self) -> Voice {
        *lock(&self.voice)
    }

    /// Sets who hears it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidTerminal`] for a whisper to somebody who is no other member of the same mixer.
    pub fn set_voice(&self, voice: Voice) -> Result<()> {
        let mut set = lock(&self.voice);
        let to = match voice {
            Voice::One(id) if id == self.id => {
                let what = format!("member {id} to itself");
                return Err(Error::new(ErrorKind::InvalidTerminal, what));
            }
            Voice::One(id) => {
                let other = self.mixer.find(id)?.shared();
                // Memory for whispers is taken here, not on a media thread.
                other.private.get_or_init(|| Ticks::new(self.mixer.frame()));
                Some(other)
            }
            Voice::All | Voice::Nobody => None,
        };
        let all = voice == Voice::All;
        self.shared.heard_by_all.store(all, Ordering::Relaxed);
        *lock(&self.shared.whispers_to) = Whispers { to, before: None };
        self.shared.epoch.fetch_add(1, Ordering::Release);
        *set = voice;
        Ok(())
    }

    /// Makes it `db` decibels louder for the others; minus infinity mutes.
    pub fn set_gain_db(&self, db: f32) {
        let gain = db_to_ratio(db).to_bits();
        self.shared.gain.store(gain, Ordering::Relaxed);
    }

    /// How loud the others hear it at this time, in dBov; silence for one that they do not hear.
    pub fn level_dbov(&self) -> f32 {
        let newest = self.mixer.newest.load(Ordering::Relaxed);
        let behind = newest.saturating_sub(self.shared.measured.load(Ordering::Relaxed));
        // One whose stream does not flow says nothing, whatever it said last.
        if behind > ABSENT || !self.shared.heard_by_all.load(Ordering::Relaxed) {
            return SILENCE_DB;
        }
        let power = f32::from_bits(self.shared.power.load(Ordering::Relaxed));
        let level = Level {
            rms: power.sqrt(),
            peak: 0.0,
        };
        level.rms_dbov()
    }

    /// Frames that came when others had heard their time already.
    pub fn late_frames(&self) -> u64 {
        self.shared.late.load(Ordering::Relaxed)
    }

    fn take(&self, end: usize) -> Result<()> {
        let taken = |c: &AtomicBool| c.swap(true, Ordering::AcqRel);
        if self.shared.connected.get(end).is_some_and(taken) {
            return Err(Error::new(ErrorKind::TerminalInUse, &*self.name));
        }
        Ok(())
    }
}

impl Terminal for MixerMember {
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

    fn controls(&self) -> &Arc<AudioControls> {
        &self.controls
    }

    fn capacity(&self) -> usize {
        2
    }

    fn connect(&self, port: StreamPort) -> Result<Connection> {
        let rate = mono(&port, &self.name)?;
        let (mixer, shared) = (self.mixer.clone(), self.shared.clone());
        match port.direction {
            Direction::Capture => {
                let convert = resampler(mixer.rate, rate, &self.name)?;
                self.take(MOUTH)?;
                Ok(Connection::Source(Box::new(Mouth {
                    mixer,
                    shared,
                    convert,
                })))
            }
            Direction::Render => {
                let convert = resampler(rate, mixer.rate, &self.name)?;
                self.take(EAR)?;
                lock(&self.shared.whispers_to).before = None;
                Ok(Connection::Sink(Box::new(Ear {
                    mixer,
                    shared,
                    convert,
                    gain: Gain::default(),
                    set: 1.0,
                    whispers_to: None,
                    epoch: 0,
                    power: 0.0,
                })))
            }
            Direction::Bidirectional => Err(Error::new(ErrorKind::InvalidDirection, self.name())),
        }
    }
}

impl Drop for MixerMember {
    fn drop(&mut self) {
        // Two that whisper to each other would keep each other.
        *lock(&self.shared.whispers_to) = Whispers::default();
    }
}

impl fmt::Debug for MixerMember {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MixerMember({}, {:?})", self.id, self.voice())
    }
}

/// The media side on the render stream: what the member says.
struct Ear {
    mixer: Arc<Mixer>,
    shared: Arc<Shared>,
    convert: Option<Resampler>,
    gain: Gain,
    /// What `gain` is set to, as a factor.
    set: f32,
    whispers_to: Option<Arc<Shared>>,
    /// Of `whispers_to`.
    epoch: u32,
    /// Mean square of a full scale of 1, falling slowly.
    power: f32,
}

impl FrameSink for Ear {
    fn push(&mut self, time: FrameTime, frame: &[i16]) {
        let mut own = [0; LONGEST];
        let own = own.get_mut(..self.mixer.frame()).unwrap_or_default();
        match &mut self.convert {
            Some(convert) => {
                convert.process(frame, own);
            }
            None => own.iter_mut().zip(frame).for_each(|(o, s)| *o = *s),
        }
        self.follow();
        self.gain.apply(own);
        self.measure(own);
        let number = tick_of(time);
        self.shared.measured.store(number, Ordering::Relaxed);
        self.mixer.newest.fetch_max(number, Ordering::Relaxed);
        let added = if self.shared.heard_by_all.load(Ordering::Relaxed) {
            let added = self.mixer.ticks.add(number, own);
            if added != Added::Lost {
                self.shared.keep(number, own);
            }
            added
        } else {
            let private = self.whispers_to.as_ref().and_then(|s| s.private.get());
            private.map_or(Added::InTime, |p| p.add(number, own))
        };
        if added != Added::InTime {
            self.shared.late.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Ear {
    /// Takes note of what the application changed.
    fn follow(&mut self) {
        let set = f32::from_bits(self.shared.gain.load(Ordering::Relaxed));
        if set != self.set {
            self.set = set;
            self.gain.set_ratio(set);
        }
        let epoch = self.shared.epoch.load(Ordering::Acquire);
        if epoch != self.epoch
            && let Ok(mut whispers) = self.shared.whispers_to.try_lock()
            // Nothing is freed here: who was known before goes when the application looks in next.
            && whispers.before.is_none()
        {
            self.epoch = epoch;
            let to = whispers.to.clone();
            whispers.before = std::mem::replace(&mut self.whispers_to, to);
        }
    }

    fn measure(&mut self, sound: &[i16]) {
        let rms = Level::of(sound).rms;
        self.power = (self.power * (1.0 - 1.0 / RELEASE)).max(rms * rms);
        let power = self.power.to_bits();
        self.shared.power.store(power, Ordering::Relaxed);
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.shared.free(EAR);
        self.shared.power.store(0f32.to_bits(), Ordering::Relaxed);
    }
}

/// The media side on the capture stream: what the member hears.
struct Mouth {
    mixer: Arc<Mixer>,
    shared: Arc<Shared>,
    convert: Option<Resampler>,
}

impl FrameSource for Mouth {
    fn pull(&mut self, time: FrameTime, frame: &mut [i16]) -> Pulled {
        let number = tick_of(time) - DELAY;
        let mut mix = [0; LONGEST];
        let mix = mix.get_mut(..self.mixer.frame()).unwrap_or_default();
        if self.mixer.ticks.read(number, mix) {
            self.shared.leave_out(number, mix);
        }
        if let Some(private) = self.shared.private.get() {
            private.read(number, mix);
        }
        let mut cut = [0; LONGEST];
        let cut = cut.get_mut(..mix.len()).unwrap_or_default();
        for (sample, sum) in cut.iter_mut().zip(&*mix) {
            *sample = (*sum).clamp(i16::MIN.into(), i16::MAX.into()) as i16;
        }
        let done = match &mut self.convert {
            Some(convert) => convert.process(cut, frame).produced,
            None => {
                let done = frame.len().min(cut.len());
                frame[..done].copy_from_slice(&cut[..done]);
                done
            }
        };
        filled(frame, done)
    }
}

impl Drop for Mouth {
    fn drop(&mut self) {
        self.shared.free(MOUTH);
    }
}

impl Shared {
    fn free(&self, end: usize) {
        if let Some(connected) = self.connected.get(end) {
            connected.store(false, Ordering::Release);
        }
    }

    fn own_of(&self, number: u64) -> &Own {
        &self.own[(number % OWN as u64) as usize]
    }

    fn keep(&self, number: u64, sound: &[i16]) {
        let own = self.own_of(number);
        own.number.store(u64::MAX, Ordering::Relaxed);
        for (kept, sample) in own.sound.iter().zip(sound) {
            kept.store(*sample, Ordering::Relaxed);
        }
        own.number.store(number, Ordering::Release);
    }

    fn leave_out(&self, number: u64, mix: &mut [i32]) {
        let own = self.own_of(number);
        if own.number.load(Ordering::Acquire) == number {
            for (mixed, sample) in mix.iter_mut().zip(&own.sound) {
                *mixed -= i32::from(sample.load(Ordering::Relaxed));
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
