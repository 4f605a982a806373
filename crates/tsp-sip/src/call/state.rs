//! What is kept of a call.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use msp_core::id::{Generation, LegId};
use msp_core::link::{Digit, PrepareSlot};
use msp_core::params::MediaParams;
use msp_core::time::Instant;
use tsp_sdp::OfferAnswer;

use super::diverted::Trail;
use super::failover::Chosen;
use super::hold::Hold;
use super::identity::IdentityPolicy;
use super::late::Owed;
use super::postponed::Postponed;
use super::redirect::Targets;
use super::reliable::{Provisional, When};
use super::served::Passage;
use super::timer::Timer;
use super::transfer::Transfer;
use crate::dialog::Dialog;
use crate::transaction::{ClientId, ServerId};
use crate::transport::Flow;
use crate::wire::{HeaderName, Headers, NameAddr, Replaces, Request, Text, Uri};

/// How long the media half may take for an answer. It opens ports and changes streams, and waits for no peer.
const MEDIA_PATIENCE: Duration = Duration::from_secs(10);

/// A call.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) call_id: Text,
    pub(super) local_tag: Text,
    pub(super) phase: Phase,
    /// The transaction of our INVITE, if the call is ours.
    pub(super) invite: Option<ClientId>,
    pub(super) legs: Vec<Leg>,
    /// The leg that is the call, once it is up. Others may be confirmed too, and are ended (RFC 3261 section 13.2.2.4).
    pub(super) chosen: Option<LegId>,
    /// Our INVITE makes no offer.
    pub(super) late_offer: bool,
    /// The media half was asked for something, so it has to be told when the call ends.
    pub(super) prepared: bool,
    /// Where the call was sent on to.
    pub(super) targets: Targets,
    /// When we take the call, if it asked to be taken without the application.
    pub(super) answer_at: Option<Instant>,
    /// The shortest session interval that a 422 asked for, and how often one came.
    pub(super) least_interval: Option<Duration>,
    pub(super) retries: u8,
    /// What the INVITE of a call to a user of ours passes.
    pub(super) passage: Option<Box<Passage>>,
    /// The deadline that is queued.
    pub(super) armed: Option<Instant>,
    /// The call at the peer's that it takes the place of.
    pub(super) replaces: Option<Box<Replaces>>,
    /// Who we say that we are, if the call has its own policy for that.
    pub(super) identity: Option<Box<IdentityPolicy>>,
    /// Who was called before, if that is told.
    pub(super) trail: Option<Box<Trail>>,
    /// Who the peer is as the application was told last, if that is not who it was at first.
    pub(super) identified: Option<Box<NameAddr>>,
    /// When the caller is told again that we ring.
    pub(super) remind: Option<Instant>,
    /// The application was told that the other end rings.
    pub(super) rang: bool,
    /// The application was told that media come early.
    pub(super) early: bool,
    /// The application was told that the call is up.
    pub(super) connected: bool,
    /// The transfer that we asked the peer for.
    pub(super) transfer: Option<Transfer>,
    /// Our address changed, and the peer is told once the registrar knows.
    pub(super) moves: bool,
    /// Digits that travel by INFO, the first one under way, with how long they are pressed.
    pub(super) digits: VecDeque<(Digit, Duration)>,
}

/// How far a call is.
#[derive(Debug)]
pub(super) enum Phase {
    /// We call, and look for the way or wait for the media half.
    Dialing(Dialing),
    /// We call, and the INVITE is on its way.
    Inviting(Inviting),
    /// We are called, and the INVITE is not answered finally.
    Alerting {
        /// When we give up waiting for the application; `None` once it takes the call.
        patience: Option<Instant>,
    },
    /// A 2xx was given.
    Up,
    /// The application was told that the call is over. What is left waits: for the ACK of our 2xx, or for the final
    /// response to an INVITE of ours.
    Over {
        /// The INVITE of the call, if it has no final response yet.
        invite: Option<Inviting>,
    },
}

/// A call of ours before its INVITE.
#[derive(Debug)]
pub(super) struct Dialing {
    pub(super) to: Uri,
    /// The way, once it is known.
    pub(super) way: Option<Chosen>,
    /// The number of the INVITE.
    pub(super) number: u32,
    /// To of an INVITE that went elsewhere before.
    pub(super) called: Option<Bytes>,
    /// When we give up waiting for the media half, once it was asked.
    pub(super) due: Option<Instant>,
}

/// A call of ours whose INVITE was sent.
#[derive(Debug)]
pub(super) struct Inviting {
    /// The INVITE without its body.
    pub(super) request: Box<Request>,
    /// The way that it went.
    pub(super) flow: Flow,
    /// Our offer, from which each leg goes on by itself.
    pub(super) offer: OfferAnswer,
    /// When we give up waiting for the called user.
    pub(super) patience: Instant,
    /// A final response came.
    pub(super) answered: bool,
}

/// One branch of a call: a dialog and its media.
#[derive(Debug)]
pub(super) struct Leg {
    pub(super) id: LegId,
    pub(super) dialog: Dialog,
    /// The way that the last message of the dialog came.
    pub(super) flow: Flow,
    pub(super) media: OfferAnswer,
    /// The present round of offer and answer.
    pub(super) generation: Generation,
    /// What the media half was told to apply and has not answered, in order.
    pub(super) applying: VecDeque<Applying>,
    /// When we give up waiting for the media half, if it owes something.
    due: Option<Instant>,
    /// The INVITE of the peer's that we have not answered finally.
    pub(super) serving: Option<Serving>,
    /// The UPDATE or PRACK of the peer's whose offer we have not answered.
    pub(super) asked: Option<Serving>,
    /// The INVITE of the peer's that waits for the media half.
    pub(super) postponed: Option<Box<Postponed>>,
    /// Offer and answer of the INVITE that makes the leg are over before its 2xx, which says nothing new (RFC 6337 section
    /// 2.1).
    pub(super) settled: bool,
    /// What the peer can do.
    pub(super) peer: PeerCan,
    /// Who holds.
    pub(super) hold: Hold,
    /// How long the session lives without a refresh.
    pub(super) timer: Option<Timer>,
    /// The shortest session interval that the peer takes.
    pub(super) least_interval: Duration,
    /// Our reliable provisional responses.
    pub(super) provisional: Provisional,
    /// The number of the peer's last one.
    pub(super) heard: Option<u32>,
    /// Our ACK or PRACK that has to answer an offer.
    pub(super) owed: Option<Owed>,
    /// Our offers name the codec in use only.
    pub(super) locked: bool,
    /// Our 2xx, until its ACK comes.
    pub(super) unacknowledged: Option<Unacknowledged>,
    /// The peer's 2xx to the INVITE that made the leg came, and its ACK is on its way.
    pub(super) acknowledged: bool,
    /// When to ask the peer for the change that the media half wants, if it wants one.
    pub(super) change_at: Option<Instant>,
    /// The change that we ask the peer for.
    pub(super) change: Option<Change>,
    /// The transaction of our last INVITE that asked for a change.
    pub(super) changed_by: Option<ClientId>,
}

/// What a peer said that it can do.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PeerCan {
    /// It lists UPDATE in Allow.
    pub(super) update: bool,
}

impl PeerCan {
    /// Takes what a message says; one that says nothing changes nothing.
    pub(super) fn learn(&mut self, headers: &Headers) {
        if headers.get(&HeaderName::Allow).is_some() {
            self.update = headers.list_has(&HeaderName::Allow, "UPDATE");
        }
    }
}

/// How far a change is that we ask for.
#[derive(Debug)]
pub(super) enum Change {
    /// The media half opens ports.
    Preparing,
    /// The INVITE is on its way.
    Inviting {
        /// When we give up waiting for the peer; `None` once the INVITE was taken back.
        patience: Option<Instant>,
        /// It only refreshes the session: the media half knows nothing of it.
        refresh: bool,
    },
    /// The UPDATE is on its way.
    Updating,
}

/// Something that the media half was told to apply.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Applying {
    /// Early media.
    Early,
    /// What holds from now on.
    Final,
    /// Our answer to what is being served.
    Served,
    /// Our early answer to the INVITE that is being served.
    Shown,
    /// The answer to our change.
    Changed,
}

/// An INVITE, UPDATE or PRACK of the peer's that is being answered.
#[derive(Debug)]
pub(super) struct Serving {
    pub(super) server: ServerId,
    /// The request without its body.
    pub(super) request: Box<Request>,
    /// It has an offer; otherwise our 2xx makes one.
    pub(super) offered: bool,
    /// What the media half has to prepare.
    pub(super) slots: Vec<PrepareSlot>,
    /// Where the peer's media will be.
    pub(super) toward: Option<IpAddr>,
    /// Its offer holds the call.
    pub(super) holds: bool,
    /// Offer and answer as they were before it.
    pub(super) before: OfferAnswer,
    /// It changes what was agreed.
    pub(super) again: bool,
    /// The application takes the call. A change of a call that is up needs no consent.
    pub(super) wanted: bool,
    /// The application wants media before it takes the call.
    pub(super) early: bool,
    /// Which of our provisional responses are reliable.
    pub(super) reliable: When,
    pub(super) step: ServingStep,
}

/// How far the answer is.
#[derive(Debug)]
pub(super) enum ServingStep {
    /// The media half was not asked.
    Waiting,
    /// The media half opens ports.
    Preparing,
    /// The media half is ready; the application is not.
    Prepared(Vec<MediaParams>),
    /// The media half applies what our early answer says.
    Showing(String),
    /// A provisional response made our offer.
    Offered,
    /// Media flow before the answer, as this early answer says. It is empty if it was acknowledged.
    Shown(String),
    /// The media half applies what this answer says, or this is the offer that goes out. It is empty if nothing is left to
    /// be said.
    Applying(String),
}

/// A 2xx that is repeated until its ACK comes (RFC 3261 section 13.3.1.4).
#[derive(Debug)]
pub(super) struct Unacknowledged {
    pub(super) flow: Flow,
    pub(super) bytes: Bytes,
    /// The number of the INVITE.
    pub(super) number: u32,
    /// The ACK brings the answer to our offer.
    pub(super) wants_answer: bool,
    /// It changes a call that is up.
    pub(super) again: bool,
    pub(super) interval: Duration,
    pub(super) repeat: Instant,
    pub(super) give_up: Instant,
}

impl Call {
    pub(super) fn new(call_id: Text, local_tag: Text, phase: Phase) -> Self {
        Self {
            call_id,
            local_tag,
            phase,
            invite: None,
            legs: Vec::new(),
            chosen: None,
            late_offer: false,
            prepared: false,
            targets: Targets::new(),
            answer_at: None,
            least_interval: None,
            retries: 0,
            passage: None,
            armed: None,
            replaces: None,
            identity: None,
            trail: None,
            identified: None,
            remind: None,
            rang: false,
            early: false,
            connected: false,
            transfer: None,
            moves: false,
            digits: VecDeque::new(),
        }
    }

    pub(super) fn leg(&mut self, id: LegId) -> Option<&mut Leg> {
        self.legs.iter_mut().find(|l| l.id == id)
    }

    /// The leg that is the call, once it is up.
    pub(super) fn confirmed(&mut self) -> Option<&mut Leg> {
        self.chosen.and_then(|id| self.leg(id))
    }

    /// The application was told that the call is over.
    pub(super) const fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over { .. })
    }

    /// When the call has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let own = match &self.phase {
            Phase::Inviting(inviting) => Some(inviting.patience),
            Phase::Alerting { patience } => {
                let until = patience.iter().copied();
                until.chain(self.remind).chain(self.answer_at).min()
            }
            Phase::Dialing(dialing) => dialing.due,
            // What was cancelled ends by the timers of its transaction.
            Phase::Up => self.transfer.map(|t| t.patience),
            Phase::Over { .. } => None,
        };
        let over = self.is_over();
        let chosen = |l: &&Leg| !over && self.chosen.is_none_or(|c| c == l.id);
        let changes = self.legs.iter().filter(chosen);
        let changes = changes.filter_map(Leg::change_due);
        let acks = self.legs.iter().filter_map(|l| l.unacknowledged.as_ref());
        let acks = acks.map(|u| u.repeat.min(u.give_up));
        let media = self.legs.iter().filter(|_| !over).filter_map(Leg::due);
        let provisionals = self.legs.iter().filter(|_| !over);
        let provisionals = provisionals.filter_map(|l| l.provisional.due());
        let up = matches!(self.phase, Phase::Up);
        let sessions = self.legs.iter().filter(|l| up && self.chosen == Some(l.id));
        let sessions = sessions.filter_map(|l| l.timer.as_ref().map(Timer::due));
        acks.chain(sessions)
            .chain(provisionals)
            .chain(media)
            .chain(changes)
            .chain(own)
            .min()
    }
}

impl Leg {
    pub(super) const fn new(id: LegId, dialog: Dialog, flow: Flow, media: OfferAnswer) -> Self {
        Self {
            id,
            dialog,
            flow,
            media,
            generation: Generation(0),
            applying: VecDeque::new(),
            due: None,
            serving: None,
            asked: None,
            postponed: None,
            settled: false,
            peer: PeerCan { update: false },
            hold: Hold::NONE,
            timer: None,
            least_interval: Duration::ZERO,
            provisional: Provisional::new(),
            heard: None,
            owed: None,
            locked: false,
            unacknowledged: None,
            acknowledged: false,
            change_at: None,
            change: None,
            changed_by: None,
        }
    }

    /// What of the peer's is negotiated with the media half.
    pub(super) fn negotiating(&mut self) -> Option<&mut Serving> {
        self.asked.as_mut().or(self.serving.as_mut())
    }

    /// Begins to wait for the next thing that the media half owes, if it owes any.
    pub(super) fn wait_for_media(&mut self, now: Instant) {
        self.due = self.is_owed().then(|| media_due(now));
    }

    /// When we give up waiting for the media half, if it owes something.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due.filter(|_| self.is_owed())
    }

    /// When a change that we ask for has something to do.
    fn change_due(&self) -> Option<Instant> {
        let patience = match self.change {
            Some(Change::Inviting { patience, .. }) => patience,
            _ => None,
        };
        self.change_at.into_iter().chain(patience).min()
    }

    /// The media half gets ready for an offer of ours that changes the call.
    pub(super) const fn prepares_change(&self) -> bool {
        matches!(self.change, Some(Change::Preparing))
    }

    /// The call cannot be forgotten: the ACK of our 2xx, or the answer to an INVITE of ours that was sent, may still come.
    pub(super) const fn waits(&self) -> bool {
        let invited = matches!(self.change, Some(Change::Inviting { .. }));
        self.unacknowledged.is_some() || invited && self.changed_by.is_some()
    }

    /// The media half has to say something.
    fn is_owed(&self) -> bool {
        let served = self
            .asked
            .as_ref()
            .or(self.serving.as_ref())
            .is_some_and(|s| {
                let step = &s.step;
                matches!(
                    step,
                    ServingStep::Preparing | ServingStep::Showing(_) | ServingStep::Applying(_)
                )
            });
        served || self.prepares_answer() || self.prepares_change() || !self.applying.is_empty()
    }
}

/// When we give up waiting for what the media half is asked for at `now`.
pub(super) fn media_due(now: Instant) -> Instant {
    now + MEDIA_PATIENCE
}
