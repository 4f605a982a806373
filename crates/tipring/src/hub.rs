//! The calls of one conversation.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tsp_sip::call::{Command, Ended};

use crate::call::{Call, CallState};
use crate::error::{Error, ErrorKind, Result};

/// The calls of one conversation of several: TAPI's call hub. We are the focus of the conference that they make
/// (RFC 4579), and every peer is told so. To join a conference that is elsewhere, call its focus, or
/// [pass](Call::transfer) calls on to it.
///
/// The hub is about signals. Who hears whom is decided by the terminals of the calls: a `bridge` joins two.
#[derive(Default)]
pub struct CallHub {
    calls: Mutex<Vec<Call>>,
}

impl CallHub {
    /// A hub without calls.
    pub const fn new() -> Self {
        Self {
            calls: Mutex::new(Vec::new()),
        }
    }

    /// Adds a call that is up. If we hold it, it is taken up again.
    ///
    /// # Errors
    /// [`ErrorKind::WrongState`] when it is not up or in the hub already, those of [`Call::resume`]; then it is not in the hub.
    pub async fn add(&self, call: &Call) -> Result<()> {
        let wrong = || Error::new(ErrorKind::WrongState, call.peer());
        match call.state() {
            CallState::Connected | CallState::Held { local: false, .. } => {}
            CallState::Held { .. } => call.resume().await?,
            _ => return Err(wrong()),
        }
        let mut calls = self.alive();
        if calls.iter().any(|c| c.key() == call.key()) {
            return Err(wrong());
        }
        call.say_focus(true)?;
        calls.push(call.clone());
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
        self.alive().clone()
    }

    /// Ends all calls of the hub and waits until they are over.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`].
    pub async fn clear(&self) -> Result<()> {
        let calls = std::mem::take(&mut *self.alive());
        for call in &calls {
            call.start_hang_up()?;
        }
        for call in &calls {
            call.ended().await?;
        }
        Ok(())
    }

    fn take(&self, call: &Call) -> Result<Call> {
        let mut calls = self.alive();
        let at = calls.iter().position(|c| c.key() == call.key());
        let at = at.ok_or_else(|| Error::new(ErrorKind::WrongState, call.peer()))?;
        Ok(calls.remove(at))
    }

    /// The calls, without those that are over.
    fn alive(&self) -> MutexGuard<'_, Vec<Call>> {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.retain(|c| !matches!(c.state(), CallState::Ended(_)));
        calls
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
