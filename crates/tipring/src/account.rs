//! Accounts of a phone: what a registration is doing.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tsp_sip::account::AccountId;
use tsp_sip::call::Command;
use tsp_sip::registration::RegistrationKind;

use crate::error::{Error, ErrorKind, Result};
use crate::event::EventKind;
use crate::phone::{Phone, Shared};

/// How far the registration of an account is.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RegistrationState {
    /// The registrar was asked for the first time.
    Registering,
    /// It has us, and is asked again before it forgets us.
    Registered {
        /// For how long at a time.
        expires: Duration,
        /// All contacts of the account that it knows, as it wrote them.
        contacts: Vec<Box<str>>,
    },
    /// It does not have us.
    Failed {
        /// The SIP status, if it answered.
        status: Option<u16>,
        /// The phrase that came with it, or the error.
        reason: Box<str>,
        /// When it is asked again.
        retry_in: Duration,
    },
    /// It has us, but one of several flows is lost or does not come about.
    FlowFailed {
        /// Which of the edge proxies, from 0.
        edge: usize,
        /// The SIP status, if somebody answered.
        status: Option<u16>,
        /// The phrase that came with it, or the error.
        reason: Box<str>,
        /// When it is tried again.
        retry_in: Duration,
    },
    /// It was left.
    Unregistered,
}

impl RegistrationState {
    pub(crate) fn of(kind: RegistrationKind) -> Self {
        match kind {
            RegistrationKind::Registered { expires, contacts } => {
                Self::Registered { expires, contacts }
            }
            RegistrationKind::Failed {
                status,
                reason,
                retry_in,
            } => Self::Failed {
                status: status.map(|s| s.code()),
                reason,
                retry_in,
            },
            RegistrationKind::FlowFailed {
                edge,
                status,
                reason,
                retry_in,
            } => Self::FlowFailed {
                edge,
                status: status.map(|s| s.code()),
                reason,
                retry_in,
            },
            _ => Self::Unregistered,
        }
    }
}

impl Phone {
    /// Asks the registrar of the phone's account where that is reached, and changes nothing (RFC 3261 section 10.2.3): all
    /// contacts, as it wrote them.
    ///
    /// # Errors
    /// [`ErrorKind::WrongState`] without an account; [`ErrorKind::Refused`] with the status that the registrar gave, or that
    /// stands for the reason why it said nothing (404: no way, 408: no answer); [`ErrorKind::Closed`].
    pub async fn bindings(&self) -> Result<Vec<Box<str>>> {
        let account = self.shared.account;
        let account = account.ok_or_else(|| Error::new(ErrorKind::WrongState, "account"))?;
        let key = Shared::take_key();
        let mut events = self.shared.events(Some(key));
        self.shared
            .command(Command::FetchBindings { key, account })?;
        while let Some(event) = events.next().await {
            if let EventKind::Bindings(told) = event.kind {
                let refused = |s| Error::new(ErrorKind::Refused, "registrar").with_status(Some(s));
                return told.map_err(refused);
            }
        }
        Err(Error::new(ErrorKind::Closed, "phone"))
    }

    /// Says that the machine has another address, or is in another network: registrars are told, connections made anew,
    /// and the peers of calls that are up hear where we are. A phone that is bound to all addresses and registered somewhere
    /// notices by itself within seconds. One that is bound to one address is bound to `bind` instead, at the same port, if
    /// that is given; [`Phone::local_addr`] goes on to say where it was opened.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`].
    pub fn network_changed(&self, bind: Option<IpAddr>) -> Result<()> {
        self.shared.command(Command::NetworkChanged { bind })
    }
}

/// The registration of an account. It goes on when this handle is dropped; a phone that is closed leaves its registrars.
pub struct Registration {
    pub(crate) account: AccountId,
    pub(crate) phone: Arc<Shared>,
    pub(crate) state: watch::Receiver<RegistrationState>,
}

impl Registration {
    /// How far it is.
    pub fn state(&self) -> RegistrationState {
        self.state.borrow().clone()
    }

    /// The next news, also those of a refresh; `None` once the phone is closed.
    pub async fn changed(&mut self) -> Option<RegistrationState> {
        self.state.changed().await.ok()?;
        Some(self.state.borrow_and_update().clone())
    }

    /// Waits until the registrar has us, or the first time that it does not.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`] with the status, [`ErrorKind::Unreachable`] with what to do about it, [`ErrorKind::Closed`].
    pub async fn registered(&mut self) -> Result<()> {
        let known = |s: &RegistrationState| *s != RegistrationState::Registering;
        let state = self.state.wait_for(known).await;
        let state = state.map_err(|_| Error::new(ErrorKind::Closed, "phone"))?;
        match &*state {
            RegistrationState::Failed {
                status: Some(status),
                reason,
                ..
            } => Err(Error::new(ErrorKind::Refused, &**reason).with_status(Some(*status))),
            RegistrationState::Failed { reason, .. } => {
                Err(Error::new(ErrorKind::Unreachable, &**reason))
            }
            _ => Ok(()),
        }
    }

    /// Leaves the registrar, and waits until it knows.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`].
    pub async fn unregister(mut self) -> Result<()> {
        self.phone.command(Command::Unregister(self.account))?;
        let gone = |s: &RegistrationState| *s == RegistrationState::Unregistered;
        let state = self.state.wait_for(gone).await;
        state.map_err(|_| Error::new(ErrorKind::Closed, "phone"))?;
        Ok(())
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registration({}, {:?})", self.account.0, self.state())
    }
}
