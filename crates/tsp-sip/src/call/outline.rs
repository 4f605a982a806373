//! How far a call is, at a glance.

use msp_core::id::CallKey;

use super::UserAgent;
use super::state::{Call, Change, Leg, Phase};

/// How far a call is, as far as one word can tell: for tools and tests that look at a user agent from outside.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Outline {
    /// No such call.
    Unknown,
    /// We call: the way is looked up, or the media half gets ready.
    Dialing,
    /// Our INVITE is on its way, and no branch answers yet.
    Inviting,
    /// A branch of ours rings.
    Proceeding,
    /// Media of a branch may be heard before the answer.
    Early,
    /// We are called, and the application has not decided.
    Alerting,
    /// We are called, and our provisional response waits for its PRACK.
    Unpracked,
    /// We are called, and the application takes the call.
    Answering,
    /// Our 2xx waits for its ACK.
    Unacknowledged,
    /// Both ends talk, or are about to.
    Up,
    /// One end holds the call, or both do.
    Held,
    /// The peer is asked to call somebody else.
    Transferring,
    /// The peer's change of the call is not answered.
    Serving,
    /// Our change of the call gets ready.
    Preparing,
    /// Our change of the call by INVITE waits for the peer.
    Changing,
    /// Our change of the call by UPDATE waits for the peer.
    Updating,
    /// The call is over, and our INVITE waits for its final response.
    Cancelling,
    /// The call is over, and a straggler is waited for.
    Over,
}

impl UserAgent {
    /// How far a call is.
    pub fn outline(&self, key: CallKey) -> Outline {
        self.calls.get(&key).map_or(Outline::Unknown, Outline::of)
    }

    /// The call that messages of this Call-ID belong to, also for a while after it.
    pub fn call_of(&self, call_id: &str) -> Option<CallKey> {
        self.services.call_of(call_id)
    }
}

impl Outline {
    fn of(call: &Call) -> Self {
        let any = |f: fn(&Leg) -> bool| call.legs.iter().any(f);
        match &call.phase {
            Phase::Dialing(_) => Self::Dialing,
            Phase::Inviting(_) if call.early => Self::Early,
            Phase::Inviting(_) if !call.legs.is_empty() => Self::Proceeding,
            Phase::Inviting(_) => Self::Inviting,
            Phase::Alerting { .. } if any(|l| l.serving.as_ref().is_some_and(|s| s.wanted)) => {
                Self::Answering
            }
            Phase::Alerting { .. } if any(|l| l.provisional.due().is_some()) => Self::Unpracked,
            Phase::Alerting { .. } => Self::Alerting,
            Phase::Over { invite: Some(_) } => Self::Cancelling,
            Phase::Over { invite: None } => Self::Over,
            Phase::Up if any(|l| l.serving.is_some() || l.asked.is_some()) => Self::Serving,
            Phase::Up if any(|l| l.prepares_change()) => Self::Preparing,
            Phase::Up if any(|l| matches!(l.change, Some(Change::Inviting { .. }))) => {
                Self::Changing
            }
            Phase::Up if any(|l| matches!(l.change, Some(Change::Updating))) => Self::Updating,
            Phase::Up if any(|l| l.unacknowledged.is_some()) => Self::Unacknowledged,
            Phase::Up if call.transfer.is_some() => Self::Transferring,
            Phase::Up if any(|l| l.hold.is_on()) => Self::Held,
            Phase::Up => Self::Up,
        }
    }
}
