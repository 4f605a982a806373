//! The calls of one conversation.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use msp_core::terminal::Terminal;
use msp_terminals::{Mixer, MixerMember};
use tsp_sip::call::{Command, Ended};

use crate::call::{Call, CallState};
use crate::error::{Error, ErrorKind, Result};

/// The calls of one conversation of several: TAPI's call hub. We are the focus of the conference that they make
/// (RFC 4579), and every peer is told so. To join a conference that is elsewhere, call its focus, or
/// [pass](Call::transfer) calls on to it.
///
/// Each call hears all others: the hub has a [`Mixer`], and a member of it is on the streams of each call, beside whatever
/// terminals are on them. A microphone and a loudspeaker that stay on all calls take part by that.
pub struct CallHub {
    legs: Mutex<Vec<Leg>>,
    mixer: Arc<Mixer>,
}

/// A call of a hub, and what mixes it.
#[derive(Clone)]
struct Leg {
    call: Call,
    member: Arc<MixerMember>,
}

impl Leg {
    /// As the terminal that it is on the call's streams.
    fn terminal(&self) -> Arc<dyn Terminal> {
        self.member.clone()
    }
}

impl CallHub {
    /// A hub without calls that mixes at 16,000 Hz.
    pub fn new() -> Self {
        Self::with_mixer(Mixer::wideband())
    }

    /// A hub without calls that mixes with `mixer`, where others may take part that are no calls of the hub.
    pub const fn with_mixer(mixer: Arc<Mixer>) -> Self {
        Self {
            legs: Mutex::new(Vec::new()),
            mixer,
        }
    }

    /// Adds a call that is up. If we hold it, it is taken up again.
    ///
    /// # Errors
    /// [`ErrorKind::WrongState`] when it is not up or in the hub already, [`ErrorKind::Media`] when it cannot be mixed, those of
    /// [`Call::resume`]; then it is not in the hub.
    pub async fn add(&self, call: &Call) -> Result<()> {
        let wrong = || Error::new(ErrorKind::WrongState, call.peer());
        match call.state() {
            CallState::Connected | CallState::Held { local: false, .. } => {}
            CallState::Held { .. } => call.resume().await?,
            _ => return Err(wrong()),
        }
        let mut legs = self.alive();
        if legs.iter().any(|l| l.call.key() == call.key()) {
            return Err(wrong());
        }
        let leg = Leg {
            call: call.clone(),
            member: self.mixer.join(),
        };
        let has_sound = !call.media().streams().is_empty();
        if has_sound {
            call.media().select(&leg.terminal())?;
        }
        if let Err(error) = call.say_focus(true) {
            if has_sound {
                // It was selected a moment ago; a call that is over took it off itself.
                let _off = call.media().unselect(&leg.terminal());
            }
            return Err(error);
        }
        legs.push(leg);
        Ok(())
    }

    /// Ends a call of the hub and waits until it is over (RFC 4579 section 5.11).
    ///
    /// # Errors
    /// [`ErrorKind::WrongState`] when it is not in the hub, [`ErrorKind::Closed`].
    pub async fn remove(&self, call: &Call) -> Result<Ended> {
        self.take(call)?.hang_up().await
    }

    /// Takes a call out of the hub that goes on by itself; its peer is told.
    ///
    /// # Errors
    /// [`ErrorKind::WrongState`] when it is not in the hub, [`ErrorKind::Closed`].
    pub fn release(&self, call: &Call) -> Result<()> {
        self.take(call)?.say_focus(false)
    }

    /// The calls that are in the hub and not over, the oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.alive().iter().map(|l| l.call.clone()).collect()
    }

    /// What mixes a call of the hub: who hears it and how loud is set there.
    ///
    /// # Errors
    /// [`ErrorKind::WrongState`] when it is not in the hub.
    pub fn member(&self, call: &Call) -> Result<Arc<MixerMember>> {
        let legs = self.alive();
        let leg = legs.iter().find(|l| l.call.key() == call.key());
        let wrong = || Error::new(ErrorKind::WrongState, call.peer());
        Ok(leg.ok_or_else(wrong)?.member.clone())
    }

    /// The call whose peer speaks, as [`Mixer::active_speaker`] has it.
    pub fn active_speaker(&self) -> Option<Call> {
        let speaker = self.mixer.active_speaker()?;
        let legs = self.alive();
        let leg = legs.iter().find(|l| l.member.id() == speaker);
        leg.map(|l| l.call.clone())
    }

    /// Ends all calls of the hub and waits until they are over.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`].
    pub async fn clear(&self) -> Result<()> {
        let legs = std::mem::take(&mut *self.alive());
        // One that cannot be ended is no reason to leave the others.
        let begun: Vec<_> = legs.iter().map(|l| l.call.start_hang_up()).collect();
        for (leg, begun) in legs.iter().zip(&begun) {
            if begun.is_ok() {
                leg.call.ended().await?;
            }
        }
        begun.into_iter().collect()
    }

    fn take(&self, call: &Call) -> Result<Call> {
        let leg = {
            let mut legs = self.alive();
            let at = legs.iter().position(|l| l.call.key() == call.key());
            let at = at.ok_or_else(|| Error::new(ErrorKind::WrongState, call.peer()))?;
            legs.remove(at)
        };
        // A call that is over, or carries no sound, has it on no stream.
        let _off = leg.call.media().unselect(&leg.terminal());
        Ok(leg.call)
    }

    /// The legs, without those that are over.
    fn alive(&self) -> MutexGuard<'_, Vec<Leg>> {
        let mut legs = self.legs.lock().unwrap_or_else(PoisonError::into_inner);
        legs.retain(|l| !matches!(l.call.state(), CallState::Ended(_)));
        legs
    }
}

impl Default for CallHub {
    fn default() -> Self {
        Self::new()
    }
}

impl Call {
    fn say_focus(&self, focus: bool) -> Result<()> {
        let key = self.key();
        self.phone.command(Command::Focus { key, focus })
    }
}

impl fmt::Debug for CallHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CallHub").field(&self.calls()).finish()
    }
}
