//! What a provider tells its application: events in order, each once, in a bounded queue.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::error::Error;
use crate::id::{AddressId, CallKey, Ssrc, StreamId, TerminalId};
use crate::link::Digit;
use crate::time::Instant;

/// Why something happened.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Cause {
    /// Nobody can say.
    Unknown,
    /// A device or a file failed.
    BadDevice,
    /// A stream or a terminal could not be connected.
    ConnectFail,
    /// The application asked for it.
    LocalRequest,
    /// The peer asked for it.
    RemoteRequest,
    /// No media came for too long.
    MediaTimeout,
    /// Media came again.
    MediaRecovered,
    /// The quality crossed a threshold.
    Quality,
}

/// What an event is about: always an address, and as much more as applies.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Scope {
    /// The address.
    pub address: AddressId,
    /// The call.
    pub call: Option<CallKey>,
    /// The stream.
    pub stream: Option<StreamId>,
    /// The terminal.
    pub terminal: Option<TerminalId>,
}

impl Scope {
    /// The address as a whole.
    pub const fn address(address: AddressId) -> Self {
        Self {
            address,
            call: None,
            stream: None,
            terminal: None,
        }
    }

    /// A call of the address.
    pub const fn call(address: AddressId, call: CallKey) -> Self {
        Self {
            call: Some(call),
            ..Self::address(address)
        }
    }

    /// The same, about `stream`.
    #[must_use]
    pub const fn stream(self, stream: StreamId) -> Self {
        Self {
            stream: Some(stream),
            ..self
        }
    }

    /// The same, about `terminal`.
    #[must_use]
    pub const fn terminal(self, terminal: TerminalId) -> Self {
        Self {
            terminal: Some(terminal),
            ..self
        }
    }
}

/// How far a file terminal is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum FileState {
    /// It plays or records.
    Active,
    /// It keeps its place.
    Paused,
    /// It was stopped.
    Idle,
    /// Everything was played.
    EndOfFile,
    /// The file could not be read on.
    ReadError,
    /// The file could not be written on; what was written is kept.
    WriteError,
}

/// What happened.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum EventKind {
    /// A stream came to the call.
    NewStream,
    /// A stream began to flow.
    StreamActive,
    /// A stream ceased to flow.
    StreamInactive,
    /// A stream could not be set up or went wrong.
    StreamFail,
    /// The peer will not have this stream.
    StreamNotUsed,
    /// A terminal could not be connected or broke.
    TerminalFail,
    /// A terminal can be used now.
    TerminalAvailable,
    /// A terminal can no longer be used.
    TerminalUnavailable,
    /// The peer pressed a key.
    Digit(Digit),
    /// A file terminal changed its state.
    File(FileState),
    /// A source came to a received stream, or left it.
    Participant {
        /// The source.
        ssrc: Ssrc,
        /// Its name as it gave it (RFC 3550 section 6.5.1), when it did.
        name: Option<Arc<str>>,
        /// Whether it is there.
        present: bool,
    },
    /// The address that media come from is known and held from now on.
    SourceLocked(SocketAddr),
    /// The subscriber fell behind by a whole queue: this many events were dropped; ask for the state anew.
    Lagged(u64),
}

/// One event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MspEvent {
    /// When it happened.
    pub at: Instant,
    /// What it is about.
    pub scope: Scope,
    /// What happened.
    pub kind: EventKind,
    /// Why.
    pub cause: Cause,
    /// With which error, if any.
    pub error: Option<Error>,
}

/// Which events a subscriber wants.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct EventFilter {
    /// Only of this address.
    pub address: Option<AddressId>,
    /// Only of this call.
    pub call: Option<CallKey>,
}

impl EventFilter {
    /// Whether `event` is wanted.
    pub fn admits(&self, event: &MspEvent) -> bool {
        self.address.is_none_or(|a| a == event.scope.address)
            && self.call.is_none_or(|c| Some(c) == event.scope.call)
    }
}

#[derive(Default)]
struct Queue {
    events: VecDeque<MspEvent>,
    lagged: u64,
    closed: bool,
    waker: Option<Waker>,
}

struct Subscriber {
    filter: EventFilter,
    capacity: usize,
    queue: Mutex<Queue>,
    arrived: Condvar,
}

impl Subscriber {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, event: &MspEvent) {
        let mut queue = self.lock();
        if queue.closed {
            return;
        }
        if queue.events.len() >= self.capacity {
            // The subscriber is a whole queue behind: what it holds is history, it must look anew.
            queue.lagged += queue.events.len() as u64;
            queue.events.clear();
        }
        queue.events.push_back(event.clone());
        self.notify(queue);
    }

    fn close(&self) {
        let mut queue = self.lock();
        queue.closed = true;
        self.notify(queue);
    }

    fn notify(&self, mut queue: MutexGuard<'_, Queue>) {
        let waker = queue.waker.take();
        drop(queue);
        self.arrived.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Where a provider puts its events; each subscriber gets a copy of those that it wants.
///
/// A slow subscriber never slows the provider: when its queue is full, what it holds is replaced by one
/// [`EventKind::Lagged`].
#[derive(Clone, Default)]
pub struct EventBus {
    subscribers: Arc<Mutex<Subscribers>>,
}

#[derive(Default)]
struct Subscribers {
    list: Vec<Weak<Subscriber>>,
    closed: bool,
}

impl EventBus {
    /// Events that a subscriber may fall behind, unless it asks otherwise.
    pub const CAPACITY: usize = 1024;

    fn lock(&self) -> MutexGuard<'_, Subscribers> {
        self.subscribers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Sees the events from now on that `filter` admits; up to `capacity` (at least 1) wait.
    pub fn subscribe(&self, filter: EventFilter, capacity: usize) -> EventReceiver {
        let subscriber = Arc::new(Subscriber {
            filter,
            capacity: capacity.max(1),
            queue: Mutex::default(),
            arrived: Condvar::new(),
        });
        let mut subscribers = self.lock();
        if subscribers.closed {
            subscriber.close();
        } else {
            subscribers.list.push(Arc::downgrade(&subscriber));
        }
        EventReceiver { subscriber }
    }

    /// Gives `event` to everybody who wants it.
    pub fn emit(&self, event: &MspEvent) {
        self.lock().list.retain(|weak| {
            let Some(subscriber) = weak.upgrade() else {
                return false;
            };
            if subscriber.filter.admits(event) {
                subscriber.push(event);
            }
            true
        });
    }

    /// Ends all subscriptions: what waits can still be read, nothing more arrives.
    pub fn close(&self) {
        let mut subscribers = self.lock();
        subscribers.closed = true;
        for subscriber in subscribers.list.drain(..).filter_map(|w| w.upgrade()) {
            subscriber.close();
        }
    }
}

impl fmt::Debug for EventBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventBus({} subscribers)", self.lock().list.len())
    }
}

/// One subscription to a provider's events.
pub struct EventReceiver {
    subscriber: Arc<Subscriber>,
}

impl EventReceiver {
    fn take(&self, queue: &mut Queue) -> Option<MspEvent> {
        let next = queue.events.front()?;
        if queue.lagged == 0 {
            return queue.events.pop_front();
        }
        Some(MspEvent {
            at: next.at,
            scope: Scope::address(next.scope.address),
            kind: EventKind::Lagged(std::mem::take(&mut queue.lagged)),
            cause: Cause::Unknown,
            error: None,
        })
    }

    /// The next event if one waits.
    pub fn try_recv(&self) -> Option<MspEvent> {
        self.take(&mut self.subscriber.lock())
    }

    /// The next event, waiting up to `timeout`; `None` when none came or the source was closed.
    pub fn recv_timeout(&self, timeout: Duration) -> Option<MspEvent> {
        let queue = self.subscriber.lock();
        let (mut queue, _) = self
            .subscriber
            .arrived
            .wait_timeout_while(queue, timeout, |q| q.events.is_empty() && !q.closed)
            .unwrap_or_else(PoisonError::into_inner);
        self.take(&mut queue)
    }

    /// The next event, or `None` once the source is closed and everything was read; registers `cx` to be
    /// woken otherwise. Only the last one who polled is woken.
    pub fn poll_recv(&self, cx: &Context<'_>) -> Poll<Option<MspEvent>> {
        let mut queue = self.subscriber.lock();
        if let Some(event) = self.take(&mut queue) {
            return Poll::Ready(Some(event));
        }
        if queue.closed {
            return Poll::Ready(None);
        }
        queue.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl fmt::Debug for EventReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "EventReceiver({} waiting)",
            self.subscriber.lock().events.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(call: u64, n: u8) -> MspEvent {
        MspEvent {
            at: Instant::from_millis(u64::from(n)),
            scope: Scope::call(AddressId(1), CallKey(call)),
            kind: EventKind::Digit(Digit::from_event(n % 16).unwrap()),
            cause: Cause::RemoteRequest,
            error: None,
        }
    }

    #[test]
    fn c05_each_event_once_in_order_by_filter_none_after_close() {
        let bus = EventBus::default();
        let all = bus.subscribe(EventFilter::default(), 16);
        let one = bus.subscribe(
            EventFilter {
                call: Some(CallKey(2)),
                ..EventFilter::default()
            },
            16,
        );
        for n in 0..6 {
            bus.emit(&event(u64::from(n % 3), n));
        }
        bus.close();
        bus.emit(&event(2, 9));
        let seen: Vec<_> = std::iter::from_fn(|| all.try_recv()).collect();
        assert_eq!(
            seen,
            (0..6)
                .map(|n| event(u64::from(n % 3), n))
                .collect::<Vec<_>>()
        );
        let seen: Vec<_> = std::iter::from_fn(|| one.try_recv()).collect();
        assert_eq!(seen, [event(2, 2), event(2, 5)]);
        assert_eq!(one.recv_timeout(Duration::from_secs(60)), None);
        let cx = Context::from_waker(Waker::noop());
        assert_eq!(all.poll_recv(&cx), Poll::Ready(None));
    }

    #[test]
    fn a_subscriber_that_falls_behind_is_told_how_much_it_missed() {
        let bus = EventBus::default();
        let slow = bus.subscribe(EventFilter::default(), 4);
        for n in 0..10 {
            bus.emit(&event(1, n));
        }
        assert_eq!(slow.try_recv().unwrap().kind, EventKind::Lagged(8));
        assert_eq!(slow.try_recv(), Some(event(1, 8)));
        assert_eq!(slow.try_recv(), Some(event(1, 9)));
        assert_eq!(slow.try_recv(), None);
    }
}
