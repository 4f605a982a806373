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
use tsp_sip::call::Ended;

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
        /// Who is called.
        to: Box<str>,
    },
    /// The peer rings, or we do.
    Ringing,
    /// Sound may come before the call is answered.
    EarlyMedia,
    /// The call is connected.
    Connected,
    /// A digit of ours did not reach the peer: the media half has no way for it, and signalling carries none.
    UnsentDigit(Digit),
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
            CallState::Dialing => return None,
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
