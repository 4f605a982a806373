//! Events to those who want them: in order, each once, in bounded queues.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// What can be put on a [`Bus`].
pub trait Queued: Clone {
    /// What a subscriber says about which ones it wants.
    type Filter;

    /// Whether `filter` wants this one.
    fn admitted_by(&self, filter: &Self::Filter) -> bool;

    /// What a subscriber gets that missed `missed` of them before this one.
    fn lagged(&self, missed: u64) -> Self;
}

struct Queue<E> {
    events: VecDeque<E>,
    lagged: u64,
    closed: bool,
    waker: Option<Waker>,
}

struct Subscriber<E: Queued> {
    filter: E::Filter,
    capacity: usize,
    queue: Mutex<Queue<E>>,
    arrived: Condvar,
}

impl<E: Queued> Subscriber<E> {
    fn lock(&self) -> MutexGuard<'_, Queue<E>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, event: &E) {
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

    fn notify(&self, mut queue: MutexGuard<'_, Queue<E>>) {
        let waker = queue.waker.take();
        drop(queue);
        self.arrived.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Gives each subscriber a copy of the events that it wants.
///
/// A slow subscriber never slows the one who emits: when its queue is full, what it holds is replaced by one
/// [`Queued::lagged`].
pub struct Bus<E: Queued> {
    subscribers: Arc<Mutex<Subscribers<E>>>,
}

struct Subscribers<E: Queued> {
    list: Vec<Weak<Subscriber<E>>>,
    closed: bool,
}

impl<E: Queued> Clone for Bus<E> {
    fn clone(&self) -> Self {
        Self {
            subscribers: self.subscribers.clone(),
        }
    }
}

impl<E: Queued> Default for Bus<E> {
    fn default() -> Self {
        let subscribers = Subscribers {
            list: Vec::new(),
            closed: false,
        };
        Self {
            subscribers: Arc::new(Mutex::new(subscribers)),
        }
    }
}

impl<E: Queued> Bus<E> {
    /// Events that a subscriber may fall behind, unless it asks otherwise.
    pub const CAPACITY: usize = 1024;

    fn lock(&self) -> MutexGuard<'_, Subscribers<E>> {
        self.subscribers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Sees the events from now on that `filter` admits; up to `capacity` (at least 1) wait.
    pub fn subscribe(&self, filter: E::Filter, capacity: usize) -> Receiver<E> {
        let subscriber = Arc::new(Subscriber {
            filter,
            capacity: capacity.max(1),
            queue: Mutex::new(Queue {
                events: VecDeque::new(),
                lagged: 0,
                closed: false,
                waker: None,
            }),
            arrived: Condvar::new(),
        });
        let mut subscribers = self.lock();
        if subscribers.closed {
            subscriber.close();
        } else {
            subscribers.list.push(Arc::downgrade(&subscriber));
        }
        Receiver { subscriber }
    }

    /// Gives `event` to everybody who wants it.
    pub fn emit(&self, event: &E) {
        self.lock().list.retain(|weak| {
            let Some(subscriber) = weak.upgrade() else {
                return false;
            };
            if event.admitted_by(&subscriber.filter) {
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

impl<E: Queued> fmt::Debug for Bus<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bus({} subscribers)", self.lock().list.len())
    }
}

/// One subscription to a [`Bus`].
pub struct Receiver<E: Queued> {
    subscriber: Arc<Subscriber<E>>,
}

impl<E: Queued> Receiver<E> {
    fn take(queue: &mut Queue<E>) -> Option<E> {
        let next = queue.events.front()?;
        if queue.lagged == 0 {
            return queue.events.pop_front();
        }
        let lagged = next.lagged(queue.lagged);
        queue.lagged = 0;
        Some(lagged)
    }

    /// The next event if one waits.
    pub fn try_recv(&self) -> Option<E> {
        Self::take(&mut self.subscriber.lock())
    }

    /// The next event, waiting up to `timeout`; `None` when none came or the source was closed.
    pub fn recv_timeout(&self, timeout: Duration) -> Option<E> {
        let queue = self.subscriber.lock();
        let (mut queue, _) = self
            .subscriber
            .arrived
            .wait_timeout_while(queue, timeout, |q| q.events.is_empty() && !q.closed)
            .unwrap_or_else(PoisonError::into_inner);
        Self::take(&mut queue)
    }

    /// The next event, or `None` once the source is closed and everything was read; registers `cx` to be
    /// woken otherwise. Only the last one who polled is woken.
    pub fn poll_recv(&self, cx: &Context<'_>) -> Poll<Option<E>> {
        let mut queue = self.subscriber.lock();
        if let Some(event) = Self::take(&mut queue) {
            return Poll::Ready(Some(event));
        }
        if queue.closed {
            return Poll::Ready(None);
        }
        queue.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl<E: Queued> fmt::Debug for Receiver<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Receiver({} waiting)",
            self.subscriber.lock().events.len()
        )
    }
}
