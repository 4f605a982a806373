//! The private channel between the two halves of a call: typed, ordered, plain data.
//!
//! Neither half calls into the other. Each message names the call, the leg and the generation of offer and
//! answer that it belongs to, so that a late one is known as late. A link is bounded; a half that finds it
//! full gets an error and decides, it is never blocked.

use std::fmt;
use std::net::IpAddr;
use std::sync::mpsc::{self, RecvTimeoutError, TryRecvError, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result};
use crate::event::Cause;
use crate::id::{CallKey, Generation, LegId};
use crate::media::{MediaDirection, MediaKind};
use crate::params::{MediaParams, MediaSlot, Profile, SecurityPolicy};

/// A message and what it belongs to.
#[derive(Clone, PartialEq, Debug)]
pub struct Envelope<T> {
    /// The call.
    pub call: CallKey,
    /// The leg of the call.
    pub leg: LegId,
    /// The round of offer and answer.
    pub generation: Generation,
    /// What is said.
    pub body: T,
}

/// Which end of offer and answer we are (RFC 3264 section 4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum OfferRole {
    /// We make the offer.
    Offerer,
    /// We answer one.
    Answerer,
}

/// Legs that a call has at most at a time, in both halves: a fork to more phones than that is somebody's mistake. One
/// that answers takes the place of others.
pub const MAX_LEGS: usize = 16;

/// Whether what was agreed can still change without a new offer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Finality {
    /// Early media: another leg or a later answer may replace it.
    Provisional,
    /// The same, but a leg that is heard already stays so.
    Behind,
    /// This leg is the call.
    Final,
}

/// A stream pair that is to be prepared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PrepareSlot {
    /// Its place in the call's list.
    pub slot: MediaSlot,
    /// What it carries.
    pub kind: MediaKind,
    /// What may flow at most.
    pub direction: MediaDirection,
    /// How it is carried; the media half refuses what it cannot do.
    pub profile: Profile,
}

/// What the signalling half tells the media half.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum ToMsp {
    /// Open what is needed to receive and say what we can do: answered by [`ToTsp::Local`] or
    /// [`ToTsp::Refused`]. May be asked again in a later generation, beside the running state.
    Prepare {
        /// Whether the result becomes an offer or an answer.
        role: OfferRole,
        /// The stream pairs.
        slots: Vec<PrepareSlot>,
        /// Whether media may be encrypted.
        policy: SecurityPolicy,
        /// Where the peer is, to choose the interface and the address family.
        toward: Option<IpAddr>,
    },
    /// What was agreed: answered by [`ToTsp::Applied`] or [`ToTsp::Refused`].
    Apply {
        /// Whether it can still change.
        finality: Finality,
        /// One for each slot, refused ones included.
        params: Vec<MediaParams>,
    },
    /// The prepared generation holds from now on.
    Commit,
    /// The prepared generation is off; the running one goes on (RFC 6141).
    Rollback,
    /// This leg is gone; the others go on.
    DropLeg,
    /// What may flow on a slot changes without a new offer (a local hold that was agreed before, a mute).
    Direction {
        /// The stream pair.
        slot: MediaSlot,
        /// What may flow now.
        direction: MediaDirection,
        /// [`Cause::LocalRequest`] or [`Cause::RemoteRequest`].
        cause: Cause,
    },
    /// The peer pressed a key and told it by signalling.
    Digit {
        /// The key.
        digit: Digit,
        /// How long it was pressed.
        duration: Duration,
    },
    /// The call is over: release ports and devices. The call stays known until it is closed.
    Disconnected {
        /// Who ended it.
        cause: Cause,
    },
}

/// A digit or another event of the telephone (RFC 4733 section 3.2), as signalling carries it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Digit(u8);

impl Digit {
    /// The digit of an event code 0 to 15 (RFC 4733 table 7: 0 to 9, `*`, `#`, A to D).
    pub const fn from_event(code: u8) -> Option<Self> {
        if code < 16 { Some(Self(code)) } else { None }
    }

    /// The digit that a key shows: `0` to `9`, `*`, `#`, `A` to `D` in either case.
    pub const fn from_char(c: char) -> Option<Self> {
        let code = match c {
            '0'..='9' => c as u8 - b'0',
            '*' => 10,
            '#' => 11,
            'A'..='D' => c as u8 - b'A' + 12,
            'a'..='d' => c as u8 - b'a' + 12,
            _ => return None,
        };
        Some(Self(code))
    }

    /// The event code.
    pub const fn event(self) -> u8 {
        self.0
    }

    /// What the key shows.
    pub const fn to_char(self) -> char {
        match self.0 {
            10 => '*',
            11 => '#',
            n @ 12..=15 => (b'A' + n - 12) as char,
            n => (b'0' + n) as char,
        }
    }
}

impl fmt::Display for Digit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_char())
    }
}

/// What the media half tells the signalling half.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum ToTsp {
    /// What we can do and where we receive, one for each prepared slot. The ports are open.
    Local(Vec<MediaParams>),
    /// What was agreed holds on the media side.
    Applied,
    /// It cannot be done.
    Refused(Error),
    /// The media half needs another round of offer and answer (a stream was added, keys run out).
    Renegotiate,
    /// Media became secure, or stopped being so.
    Security {
        /// The stream pair.
        slot: MediaSlot,
        /// Whether both ways are encrypted now.
        secured: bool,
    },
    /// A digit that has to travel by signalling.
    Digit {
        /// The key.
        digit: Digit,
        /// How long it is pressed.
        duration: Duration,
    },
    /// No media came for as long as the policy allows.
    MediaLost {
        /// The stream pair.
        slot: MediaSlot,
    },
}

type Wake = Arc<Mutex<Option<Arc<dyn Fn() + Send + Sync>>>>;

fn wake(wake: &Wake) {
    let wake = wake.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(wake) = wake {
        wake();
    }
}

/// The sending side of one direction of a link. When the last one goes, the receiver is woken too.
pub struct LinkSender<T>(Arc<Sending<T>>);

struct Sending<T> {
    // Dropped in this order: who is woken must find the queue without a sender.
    queue: mpsc::SyncSender<Envelope<T>>,
    wake: WakeLast,
}

/// Wakes also when it goes.
struct WakeLast(Wake);

impl Drop for WakeLast {
    fn drop(&mut self) {
        wake(&self.0);
    }
}

/// The receiving side of one direction of a link.
pub struct LinkReceiver<T> {
    queue: mpsc::Receiver<Envelope<T>>,
    wake: Wake,
}

impl<T> Clone for LinkSender<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> LinkSender<T> {
    /// Queues a message and wakes the receiver.
    ///
    /// # Errors
    /// [`ErrorKind::Busy`] when the link is full, [`ErrorKind::Closed`] when the other half is gone.
    pub fn send(&self, message: Envelope<T>) -> Result<()> {
        let call = message.call;
        self.0.queue.try_send(message).map_err(|e| {
            let kind = match e {
                TrySendError::Full(_) => ErrorKind::Busy,
                TrySendError::Disconnected(_) => ErrorKind::Closed,
            };
            Error::new(kind, format!("control link, call {call}"))
        })?;
        wake(&self.0.wake.0);
        Ok(())
    }
}

impl<T> LinkReceiver<T> {
    /// Has `wake` called after each message that is queued from now on, and when the last sender goes, on the sender's
    /// thread: it must not block. Messages queued before are waiting already.
    pub fn set_wake(&self, wake: impl Fn() + Send + Sync + 'static) {
        *self.wake.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(wake));
    }

    /// The next message if one waits.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`] when none waits and the other half is gone.
    pub fn try_recv(&self) -> Result<Option<Envelope<T>>> {
        match self.queue.try_recv() {
            Ok(m) => Ok(Some(m)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(TryRecvError::Disconnected) => Err(ErrorKind::Closed.into()),
        }
    }

    /// The next message, waiting for it up to `timeout`.
    ///
    /// # Errors
    /// [`ErrorKind::Timeout`] when none came, [`ErrorKind::Closed`] when the other half is gone.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Envelope<T>> {
        self.queue.recv_timeout(timeout).map_err(|e| match e {
            RecvTimeoutError::Timeout => ErrorKind::Timeout.into(),
            RecvTimeoutError::Disconnected => ErrorKind::Closed.into(),
        })
    }
}

impl<T> fmt::Debug for LinkSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkSender")
    }
}

impl<T> fmt::Debug for LinkReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkReceiver")
    }
}

/// One half's end of a [`ControlLink`]: it sends `S` and receives `R`.
#[derive(Debug)]
pub struct LinkEnd<S, R> {
    /// To the other half.
    pub sender: LinkSender<S>,
    /// From the other half.
    pub receiver: LinkReceiver<R>,
}

/// The end that the signalling half holds.
pub type TspEnd = LinkEnd<ToMsp, ToTsp>;
/// The end that the media half holds.
pub type MspEnd = LinkEnd<ToTsp, ToMsp>;

/// The private channel of one address.
#[derive(Debug)]
pub struct ControlLink;

impl ControlLink {
    /// Messages that wait in each direction at most, unless asked otherwise.
    pub const CAPACITY: usize = 4096;

    /// A link of which each direction holds up to `capacity` messages.
    pub fn pair(capacity: usize) -> (TspEnd, MspEnd) {
        let (down_tx, down_rx) = one_way(capacity);
        let (up_tx, up_rx) = one_way(capacity);
        (
            LinkEnd {
                sender: down_tx,
                receiver: up_rx,
            },
            LinkEnd {
                sender: up_tx,
                receiver: down_rx,
            },
        )
    }
}

fn one_way<T>(capacity: usize) -> (LinkSender<T>, LinkReceiver<T>) {
    let (tx, rx) = mpsc::sync_channel(capacity);
    let wake = Wake::default();
    (
        LinkSender(Arc::new(Sending {
            queue: tx,
            wake: WakeLast(wake.clone()),
        })),
        LinkReceiver { queue: rx, wake },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn envelope(generation: u32) -> Envelope<ToMsp> {
        Envelope {
            call: CallKey(7),
            leg: LegId::FIRST,
            generation: Generation(generation),
            body: ToMsp::Commit,
        }
    }

    #[test]
    fn messages_arrive_in_order_and_wake_the_receiver() {
        let (tsp, msp) = ControlLink::pair(8);
        let woken = Arc::new(AtomicUsize::new(0));
        let count = woken.clone();
        msp.receiver.set_wake(move || {
            count.fetch_add(1, Ordering::SeqCst);
        });
        for g in 0..3 {
            tsp.sender.send(envelope(g)).unwrap();
        }
        for g in 0..3 {
            assert_eq!(msp.receiver.try_recv().unwrap(), Some(envelope(g)));
        }
        assert_eq!(msp.receiver.try_recv().unwrap(), None);
        assert_eq!(woken.load(Ordering::SeqCst), 3);
    }

    #[test]
    fn who_waits_is_woken_when_the_other_half_goes_and_finds_it_gone() {
        let (tsp, msp) = ControlLink::pair(8);
        let receiver = Arc::new(Mutex::new(msp.receiver));
        let (found, seen) = (Arc::new(Mutex::new(Vec::new())), receiver.clone());
        let write = found.clone();
        receiver.lock().unwrap().set_wake(move || {
            let kind = seen.lock().unwrap().try_recv().map_err(|e| e.kind());
            write.lock().unwrap().push(kind);
        });
        let clone = tsp.sender.clone();
        drop(clone);
        drop(tsp);
        let found = found.lock().unwrap().clone();
        assert_eq!(found, [Err(ErrorKind::Closed)]);
    }

    #[test]
    fn a_full_link_and_a_lost_half_are_errors_that_name_the_call() {
        let (tsp, msp) = ControlLink::pair(1);
        tsp.sender.send(envelope(0)).unwrap();
        let full = tsp.sender.send(envelope(1)).unwrap_err();
        assert_eq!(full.kind(), ErrorKind::Busy);
        assert!(full.to_string().contains("call 7"));
        drop(msp);
        assert_eq!(
            tsp.sender.send(envelope(2)).unwrap_err().kind(),
            ErrorKind::Closed
        );
        assert_eq!(
            tsp.receiver.try_recv().unwrap_err().kind(),
            ErrorKind::Closed
        );
    }

    #[test]
    fn digits_and_event_codes_are_one_to_one() {
        for code in 0..16 {
            let digit = Digit::from_event(code).unwrap();
            assert_eq!(Digit::from_char(digit.to_char()), Some(digit));
            assert_eq!(digit.event(), code);
        }
        assert_eq!(Digit::from_event(16), None);
        assert_eq!(Digit::from_char('E'), None);
    }
}
