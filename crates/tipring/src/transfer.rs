//! Calls that are passed on, and messages: what a call does besides talking.

use std::sync::PoisonError;

use tsp_sip::call::{Command, Recipient};
use tsp_sip::wire::StatusCode;

use crate::call::Call;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{EventKind, Events};
use crate::phone::{How, Phone, Shared};
use crate::target::target_uri;

impl Call {
    /// Asks the peer to call `target` instead, and waits until it did; then this call is over. If it does not come about
    /// the call goes on.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidUri`]; [`ErrorKind::Refused`] with the status when it does not come about;
    /// [`ErrorKind::Ended`], [`ErrorKind::Closed`].
    pub async fn transfer(&self, target: &str) -> Result<()> {
        let events = self.events();
        self.start_transfer(target)?;
        self.transferred(events).await
    }

    /// Asks the peer to call `target` instead, without waiting until it did: [`EventKind::TransferProgress`] tells how far
    /// it is, [`EventKind::Transferred`] or [`EventKind::TransferFailed`] what became of it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidUri`], [`ErrorKind::Closed`].
    pub fn start_transfer(&self, target: &str) -> Result<()> {
        let (key, to) = (self.key(), target_uri(target)?);
        self.phone.command(Command::Transfer { key, to })
    }

    /// Asks the peer to call the peer of `consultation` in the place of that call, and waits until it did; then both calls
    /// are over. If it does not come about both go on.
    ///
    /// # Errors
    /// Those of [`transfer`](Self::transfer).
    pub async fn transfer_to(&self, consultation: &Self) -> Result<()> {
        let events = self.events();
        self.start_transfer_to(consultation)?;
        self.transferred(events).await
    }

    /// Asks the peer to call the peer of `consultation` in the place of that call, without waiting until it did; told as by
    /// [`start_transfer`](Self::start_transfer).
    ///
    /// # Errors
    /// [`ErrorKind::Closed`].
    pub fn start_transfer_to(&self, consultation: &Self) -> Result<()> {
        self.phone.command(Command::TransferTo {
            key: self.key(),
            consultation: consultation.key(),
        })
    }

    /// Makes the call that the peer asked for with [`EventKind::TransferRequested`]. The peer is told what becomes of it,
    /// and usually hangs up.
    ///
    /// # Errors
    /// [`ErrorKind::WrongState`] if it asked for none, [`ErrorKind::Media`], [`ErrorKind::Closed`].
    pub fn follow_transfer(&self) -> Result<Self> {
        let to = self.take_referred()?;
        let call = Shared::take_key();
        let shared = self.phone.create_call(call, &to, &to, How::default())?;
        let key = self.key();
        self.phone.command(Command::FollowTransfer { key, call })?;
        Ok(Self {
            shared,
            phone: self.phone.clone(),
        })
    }

    /// Does not make the call that the peer asked for; it is told so.
    ///
    /// # Errors
    /// [`ErrorKind::WrongState`] if it asked for none, [`ErrorKind::Closed`].
    pub fn decline_transfer(&self) -> Result<()> {
        self.take_referred()?;
        self.phone.command(Command::DeclineTransfer(self.key()))
    }

    /// Tells the peer what becomes of the transfer that it asked for, for who connects the two by other means. A final status
    /// is the last that it hears.
    pub(crate) fn tell_referrer(&self, status: StatusCode) -> Result<()> {
        self.phone
            .command(Command::TellReferrer(self.key(), status))
    }

    /// Sends a message within the call, and waits for nothing.
    pub(crate) fn pass_message(&self, content_type: &str, body: &[u8]) -> Result<()> {
        self.phone.command(Command::Message {
            key: Shared::take_key(),
            to: Recipient::Call(self.key()),
            account: None,
            content_type: content_type.into(),
            body: body.to_vec().into(),
        })
    }

    fn take_referred(&self) -> Result<Box<str>> {
        let referred = &self.shared.referred;
        let to = referred
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        to.ok_or_else(|| Error::new(ErrorKind::WrongState, self.peer()))
    }

    async fn transferred(&self, mut events: Events) -> Result<()> {
        while let Some(event) = events.next().await {
            match event.kind {
                EventKind::Transferred => return Ok(()),
                EventKind::TransferFailed(status) => {
                    return Err(
                        Error::new(ErrorKind::Refused, self.peer()).with_status(Some(status))
                    );
                }
                EventKind::Ended(_) => return Err(Error::new(ErrorKind::Ended, self.peer())),
                _ => {}
            }
        }
        Err(Error::new(ErrorKind::Closed, "phone"))
    }
}

impl Phone {
    /// Sends a text to a user and waits for the answer. At most about 1,000 bytes fit over UDP.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidUri`]; [`ErrorKind::Refused`] with the status that the peer gave, or that stands for the reason
    /// why it did not get the message (404: no way, 408: no answer, 513: too long); [`ErrorKind::Closed`].
    pub async fn message(&self, target: &str, text: &str) -> Result<()> {
        let to = target_uri(target)?;
        let key = Shared::take_key();
        let mut events = self.shared.events(Some(key));
        self.shared.command(Command::Message {
            key,
            to: Recipient::Uri(to),
            account: self.shared.account,
            content_type: "text/plain;charset=utf-8".into(),
            body: text.as_bytes().to_vec().into(),
        })?;
        while let Some(event) = events.next().await {
            if let EventKind::MessageAnswered(status) = event.kind {
                if (200..300).contains(&status) {
                    return Ok(());
                }
                return Err(Error::new(ErrorKind::Refused, target).with_status(Some(status)));
            }
        }
        Err(Error::new(ErrorKind::Closed, "phone"))
    }
}
