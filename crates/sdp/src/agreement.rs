//! What offer and answer come to.

use std::net::IpAddr;

use msp_core::link::PrepareSlot;
use msp_core::media::{MediaDirection, MediaKind};
use msp_core::params::{MediaParams, MediaSlot};

use crate::local::LocalDescription;
use crate::negotiate::RefusalReason;
use crate::remote::{Ignored, RemoteMedia, RemoteSession, Unresolved};

/// A medium that is off, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// The medium.
    pub slot: MediaSlot,
    /// Why.
    pub reason: RefusalReason,
}

/// What offer and answer came to.
#[derive(Clone, PartialEq, Debug)]
pub struct Agreement {
    /// One for each m-line of a kind that we have a word for, refused ones included: what the media half
    /// has to apply. Other m-lines are off and leave a gap in the slots.
    pub params: Vec<MediaParams>,
    /// Nothing of `params` and `unresolved` differs from what was agreed before.
    pub unchanged: bool,
    /// Names to be resolved; until then the medium has no `remote`.
    pub unresolved: Vec<Unresolved>,
    /// The media that are off.
    pub refusals: Vec<Refusal>,
    /// What was passed over in the peer's description.
    pub ignored: Vec<Ignored>,
}

impl Agreement {
    /// Whether any medium is on.
    pub fn has_media(&self) -> bool {
        self.params.iter().any(|p| !p.refused)
    }
}

/// An offer of the peer's, read.
#[derive(Clone, PartialEq, Debug)]
pub struct RemoteOffer {
    /// What the media half has to prepare for an answer: the media that could be accepted, encrypted ones first.
    pub slots: Vec<PrepareSlot>,
    /// Where the peer receives, when it is an address.
    pub toward: Option<IpAddr>,
    /// It says what the peer's description in force says: [`OfferAnswer::repeat_answer`](crate::OfferAnswer::repeat_answer) will do.
    pub unchanged: bool,
    /// What was passed over.
    pub ignored: Vec<Ignored>,
}

/// Our answer.
#[derive(Clone, PartialEq, Debug)]
pub struct Answer {
    /// What to send.
    pub description: LocalDescription,
    /// What is agreed with it.
    pub agreement: Agreement,
}

/// An agreement that grows medium by medium.
pub(crate) struct Outcome {
    pub(crate) agreement: Agreement,
}

impl Outcome {
    pub(crate) fn new(session: &RemoteSession) -> Self {
        Self {
            agreement: Agreement {
                params: Vec::with_capacity(session.media.len()),
                unchanged: false,
                unresolved: Vec::new(),
                refusals: Vec::new(),
                ignored: session.ignored.clone(),
            },
        }
    }

    pub(crate) fn on(&mut self, params: MediaParams, remote: Option<&RemoteMedia>) {
        let unresolved = remote.and_then(|r| r.unresolved.clone());
        self.agreement.unresolved.extend(unresolved);
        self.agreement.params.push(params);
    }

    pub(crate) fn off(&mut self, slot: MediaSlot, kind: Option<MediaKind>, reason: RefusalReason) {
        self.agreement.refusals.push(Refusal { slot, reason });
        if let Some(kind) = kind {
            let mut params = MediaParams::new(slot, kind);
            params.refused = true;
            params.direction = MediaDirection::Inactive;
            self.agreement.params.push(params);
        }
    }
}
