//! What a user does with more than one call: swap, park, pick up, take over.

use std::time::Duration;

use tsp_sip::subscription::{DialogEntry, DialogState, Notice, Package, SubscriptionKind};
use tsp_sip::wire::{Replaces, StatusCode, Uri};

use crate::call::Call;
use crate::error::{Error, ErrorKind, Result};
use crate::phone::Phone;

impl Call {
    /// Holds this call and takes up `other`, which we hold. If `other` cannot be taken up, this call is taken up again.
    ///
    /// # Errors
    /// Those of [`hold`](Self::hold) and of [`resume`](Self::resume), of the first that failed.
    pub async fn swap(&self, other: &Self) -> Result<()> {
        self.hold().await?;
        let Err(error) = other.resume().await else {
            return Ok(());
        };
        // What failed first is what there is to say.
        let _held = self.resume().await;
        Err(error)
    }

    /// Parks the peer at `slot`, a place of its switch, and waits until it is there; then this call is over. The peer is asked to
    /// call there, as it is by a [`transfer`](Self::transfer). [`Phone::unpark`] takes it back.
    ///
    /// # Errors
    /// Those of [`transfer`](Self::transfer).
    pub async fn park(&self, slot: &str) -> Result<()> {
        self.transfer(slot).await
    }
}

impl Phone {
    /// Takes a call that rings at `target`, another phone or a group of some: the notifier there is asked which it is, and
    /// the caller is called in its place (RFC 4235; RFC 3891 section 3).
    ///
    /// # Errors
    /// [`ErrorKind::InvalidUri`]; [`ErrorKind::Refused`] when nobody tells us of its calls, with the status;
    /// [`ErrorKind::WrongState`] when none rings there; [`ErrorKind::Closed`].
    pub async fn pick_up(&self, target: &str) -> Result<Call> {
        let rings = |d: &DialogEntry| d.state == DialogState::Early && d.initiator != Some(true);
        let ringing = self.dialogs(target).await?.into_iter().find(rings);
        let ringing = ringing.ok_or_else(|| Error::new(ErrorKind::WrongState, target))?;
        self.dial_in_place_of(&ringing, true).await
    }

    /// Takes over a call that is up at `target`, another device of the user: its peer is called in its place (RFC 4235;
    /// RFC 3891 section 3).
    ///
    /// # Errors
    /// Those of [`pick_up`](Self::pick_up); [`ErrorKind::WrongState`] when no call is up there.
    pub async fn take_over(&self, target: &str) -> Result<Call> {
        let up = self.dialogs(target).await?.into_iter().find(is_up);
        let up = up.ok_or_else(|| Error::new(ErrorKind::WrongState, target))?;
        self.dial_in_place_of(&up, false).await
    }

    /// Takes back who is [parked](Call::park) at `slot`. A slot that tells its calls is left in the way of RFC 5359 section
    /// 2.14: who is parked is called in its place. Any other is called, for that is how its switch gives the call back.
    ///
    /// # Errors
    /// Those of [`dial`](Self::dial).
    pub async fn unpark(&self, slot: &str) -> Result<Call> {
        match self.take_over(slot).await {
            Err(e) if matches!(e.kind(), ErrorKind::Refused | ErrorKind::WrongState) => {
                self.dial(slot).await
            }
            outcome => outcome,
        }
    }

    /// The calls of `target`, as it tells them once.
    async fn dialogs(&self, target: &str) -> Result<Vec<DialogEntry>> {
        let mut subscription = self.subscribe(target, Package::Dialog, Duration::ZERO)?;
        let mut status = None;
        while let Some(kind) = subscription.next().await {
            match kind {
                SubscriptionKind::Notified {
                    notice: Notice::Dialogs(info),
                    ..
                } => return Ok(info.dialogs),
                SubscriptionKind::Interrupted { status: said, .. } => {
                    status = said;
                    break;
                }
                SubscriptionKind::Ended { status: said, .. } => status = said,
                _ => {}
            }
        }
        Err(Error::new(ErrorKind::Refused, target).with_status(status.map(StatusCode::code)))
    }

    /// Calls the peer of a dialog in its place.
    async fn dial_in_place_of(&self, dialog: &DialogEntry, early_only: bool) -> Result<Call> {
        let remote = &dialog.remote;
        let whom = match &*remote.target {
            "" => &remote.identity,
            target => target,
        };
        let invalid = |e| Error::new(ErrorKind::InvalidUri, format!("'{whom}'")).caused_by(e);
        // Seen from who is called: its own tag is To's (RFC 3891 section 3).
        let named = Replaces::new(&dialog.call_id, &dialog.remote_tag, &dialog.local_tag);
        let mut replaces = named.map_err(invalid)?;
        replaces.early_only = early_only;
        let uri = Uri::new(whom.to_string()).map_err(invalid)?;
        let uri = uri.filtered(|_| true);
        let uri = uri.with_header("Replaces", &replaces.to_string());
        self.dial(uri.map_err(invalid)?.as_str()).await
    }
}

fn is_up(dialog: &DialogEntry) -> bool {
    dialog.state == DialogState::Confirmed
}
