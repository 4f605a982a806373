//! Terminals that form a conference: each hears all others, and not itself.

mod member;
#[cfg(test)]
mod tests;
mod ticks;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use msp_core::error::{Error, ErrorKind, Result};
use msp_core::id::TerminalId;
use msp_core::media::Direction;
use msp_core::registry::{TerminalClassInfo, TerminalFactory, TerminalSpec};
use msp_core::terminal::{AudioFormat, FRAME, FrameTime, Terminal, TerminalClass};
use msp_core::time::ClockRate;
use msp_dsp::{Resampler, SILENCE_DB};

use crate::options;
pub use member::{MixerMember, Voice};
use ticks::Ticks;

static CLASS: TerminalClass = TerminalClass::MIXER;

const WIDEBAND: ClockRate = ClockRate::new(16_000).unwrap();

/// Ticks of 10 ms from what a member says to where others hear it: streams of 20 ms packets move two frames at once, and each
/// in slices of its own.
const DELAY: u64 = 2;

/// What is softer is nobody's speech, in dBov.
const SPEECH: f32 = -50.0;
/// How much louder another has to be to take the floor.
const LOUDER: f32 = 3.0;

/// A conference. [`join`](Self::join) gives a terminal for each call that takes part; it is selected on both streams of the
/// call. Each member hears the sum of all others 20 ms later; sums are only cut off where they leave.
///
/// Members may live on different media threads and have streams of different rates: the mixer has one rate, and each member
/// converts.
pub struct Mixer {
    rate: ClockRate,
    ticks: Ticks,
    /// The latest tick that anybody gave sound in.
    newest: AtomicU64,
    members: Mutex<Members>,
}

#[derive(Default)]
struct Members {
    all: Vec<Weak<MixerMember>>,
    speaker: Option<TerminalId>,
}

impl Mixer {
    /// A conference without members that mixes at `rate`.
    ///
    /// # Errors
    /// [`ErrorKind::NoFormat`] for a rate that nothing can be converted to.
    pub fn new(rate: ClockRate) -> Result<Arc<Self>> {
        Resampler::new(rate, ClockRate::HZ_8000)
            .map_err(|e| Error::new(ErrorKind::NoFormat, e.to_string()))?;
        Ok(Self::at(rate))
    }

    /// A conference without members that mixes at 16,000 Hz.
    pub fn wideband() -> Arc<Self> {
        Self::at(WIDEBAND)
    }

    fn at(rate: ClockRate) -> Arc<Self> {
        Arc::new(Self {
            rate,
            ticks: Ticks::new(AudioFormat::mono(rate).samples(FRAME)),
            newest: AtomicU64::new(0),
            members: Mutex::default(),
        })
    }

    /// One more member, who talks. It leaves when the last who holds the terminal drops it.
    pub fn join(self: &Arc<Self>) -> Arc<MixerMember> {
        let member = MixerMember::new(self.clone());
        let mut members = self.lock();
        members.all.retain(|m| m.strong_count() > 0);
        members.all.push(Arc::downgrade(&member));
        member
    }

    /// The members, in the order in which they joined.
    pub fn members(&self) -> Vec<Arc<MixerMember>> {
        self.lock().all.iter().filter_map(Weak::upgrade).collect()
    }

    /// Who speaks: the loudest member of those that the others hear. Who has the floor keeps it while nobody is 3 dB louder.
    pub fn active_speaker(&self) -> Option<TerminalId> {
        let heard = self.members().into_iter();
        let levels: Vec<_> = heard.map(|m| (m.id(), m.level_dbov())).collect();
        let mut members = self.lock();
        let level = |id| {
            levels
                .iter()
                .find(|(m, _)| *m == id)
                .map_or(SILENCE_DB, |m| m.1)
        };
        let floor = members.speaker.map_or(SILENCE_DB, level);
        let loudest = levels.iter().max_by(|a, b| a.1.total_cmp(&b.1));
        members.speaker = match loudest {
            Some((_, l)) if *l < SPEECH => None,
            Some((_, l)) if floor >= SPEECH && *l < floor + LOUDER => members.speaker,
            loudest => loudest.map(|(id, _)| *id),
        };
        members.speaker
    }

    fn frame(&self) -> usize {
        AudioFormat::mono(self.rate).samples(FRAME)
    }

    fn find(&self, id: TerminalId) -> Result<Arc<MixerMember>> {
        let found = self.members().into_iter().find(|m| m.id() == id);
        let unknown = || Error::new(ErrorKind::InvalidTerminal, format!("member {id}"));
        found.ok_or_else(unknown)
    }

    fn lock(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Mixer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mixer({:?})", self.rate)
    }
}

/// The tick that a frame belongs to.
fn tick_of(time: FrameTime) -> u64 {
    // The first ticks have others before them to be heard.
    time.at.as_nanos() / FRAME.as_nanos() as u64 + DELAY
}

/// Makes members of conferences that are known by a name: option `room` (the name), and `rate` (in Hz, 16,000 if not given)
/// for who comes first. A room is gone with its last member.
#[derive(Debug, Default)]
pub struct MixerFactory {
    rooms: Mutex<BTreeMap<String, Weak<Mixer>>>,
}

impl TerminalFactory for MixerFactory {
    fn info(&self) -> TerminalClassInfo {
        crate::class_info(&CLASS, &CLASS, Direction::Bidirectional)
    }

    fn create(&self, spec: &TerminalSpec) -> Result<Arc<dyn Terminal>> {
        spec.expect_options(&["room", "rate"])?;
        let name: String = options::required(spec, "room")?;
        let rate = options::rate(spec)?;
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        rooms.retain(|_, room| room.strong_count() > 0);
        let room = match rooms.get(&name).and_then(Weak::upgrade) {
            Some(room) if rate.is_some_and(|r| r != room.rate) => {
                return Err(Error::new(
                    ErrorKind::InvalidArgument,
                    format!("terminal option 'rate': room '{name}' has {:?}", room.rate),
                ));
            }
            Some(room) => room,
            None => Mixer::new(rate.unwrap_or(WIDEBAND))?,
        };
        rooms.insert(name, Arc::downgrade(&room));
        Ok(room.join())
    }
}
