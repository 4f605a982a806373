//! What a phone tells its application: both halves of its calls in one queue.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use msp_core::bus::{Bus, Queued, Receiver};
use msp_core::event::MspEvent;
use msp_core::id::CallKey;
use msp_core::link::Digit;
use msp_core::time::Instant;
use tsp_sip::call::{Caller, Ended, Side};
use tsp_sip::subscription::MessageSummary;

use crate::call::CallState;

/// One event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    /// When it happened, on the phone's clock.
    pub at: Instant,
    /// Which call it is about.
    pub call: Option<CallKey>,
    /// What happened.
    pub kind: EventKind,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum EventKind {
    /// A call came in.
    Incoming {
        /// Who calls: name and URI, as the peer wrote them.
        from: Box<str>,
        /// Who calls, as far as whom the call came from is believed.
        caller: Box<Caller>,
        /// Who is called.
        to: Box<str>,
    },
    /// The peer rings, or we do.
    Ringing,
    /// Sound may come before the call is answered.
    EarlyMedia,
    /// The call is connected.
    Connected,
    /// One end holds the call now. Both may.
    Held(Side),
    /// One end holds the call no longer.
    Resumed(Side),
    /// The peer refused with this status to have the call held or taken up again, or the call is in no state for it.
    HoldRefused(Option<u16>),
    /// A digit of ours did not reach the peer: the media half has no way for it, and the peer takes none by INFO.
    UnsentDigit(Digit),
    /// A message came, within a call or without.
    Message {
        /// Who sent it: name and URI, as the peer wrote them.
        from: Box<str>,
        /// The type of the body, as `type/subtype`.
        content_type: Box<str>,
        /// The body.
        body: Box<[u8]>,
    },
    /// A mailbox of ours changed; nobody had to ask for it.
    MessagesWaiting(MessageSummary),
    /// What the registrar has of our account, as it wrote it, or the SIP status that says why it does not tell.
    Bindings(Result<Vec<Box<str>>, u16>),
    /// What became of a message of ours: the SIP status.
    MessageAnswered(u16),
    /// The peer says how far the transfer is that we asked for: the SIP status.
    TransferProgress(u16),
    /// The peer was passed on, and this call ends.
    Transferred,
    /// The transfer did not come about, for this SIP status; the call goes on.
    TransferFailed(u16),
    /// The peer asks us to call somebody else: [`Call::follow_transfer`](crate::Call::follow_transfer) or
    /// [`Call::decline_transfer`](crate::Call::decline_transfer) answers it.
    TransferRequested {
        /// Whom.
        to: Box<str>,
        /// The peer speaks with the one already, and the new call takes that call's place.
        consulted: bool,
        /// That call, if it is one with us.
        with_us: Option<CallKey>,
    },
    /// This call, which came in, takes the place of that one; it is answered by itself, and gets the terminals of the other
    /// unless it has some.
    Replaces(CallKey),
    /// A terminal of this name, of the call whose place this one took, could not be put on this one.
    TerminalLost(Box<str>),
    /// The peer is another than it was said to be until now, or the one whom the network asserts that it is.
    PeerIdentified(Box<Caller>),
    /// The call is over.
    Ended(Ended),
    /// Something happened to the media of the call.
    Media(MspEvent),
    /// The subscriber fell behind: this many events were dropped; ask the calls for their states.
    Lagged(u64),
}

impl EventKind {
    pub(crate) fn of_state(state: &CallState) -> Option<Self> {
        Some(match state {
            // Who holds is told by name.
            CallState::Dialing | CallState::Held { .. } => return None,
            CallState::Ringing => Self::Ringing,
            CallState::EarlyMedia => Self::EarlyMedia,
            CallState::Connected => Self::Connected,
            CallState::Ended(ended) => Self::Ended(ended.clone()),
        })
    }
}

impl Queued for Event {
    type Filter = Option<CallKey>;

    fn admitted_by(&self, filter: &Option<CallKey>) -> bool {
        filter.is_none() || *filter == self.call
    }

    fn lagged(&self, missed: u64) -> Self {
        Self {
            at: self.at,
            call: None,
            kind: EventKind::Lagged(missed),
        }
    }
}

pub(crate) type EventBus = Bus<Event>;

/// A subscription to the events of a phone or of one call: an async [`Stream`], and a blocking queue.
#[derive(Debug)]
pub struct Events(pub(crate) Receiver<Event>);

impl Events {
    /// The next event; `None` once the phone is closed and everything was read.
    pub async fn next(&mut self) -> Option<Event> {
        poll_fn(|cx| self.0.poll_recv(cx)).await
    }

    /// The next event, waiting for it up to `timeout` without any runtime.
    pub fn recv_timeout(&mut self, timeout: Duration) -> Option<Event> {
        self.0.recv_timeout(timeout)
    }

    /// The next event if one waits.
    pub fn try_recv(&mut self) -> Option<Event> {
        self.0.try_recv()
    }
}

impl Stream for Events {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.0.poll_recv(cx)
    }
}
