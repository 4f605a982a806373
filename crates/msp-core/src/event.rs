//! What a provider tells its application.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::bus::{Bus, Queued, Receiver};
use crate::error::Error;
use crate::gather::Gathered;
use crate::id::{AddressId, CallKey, Ssrc, StreamId, TerminalId};
use crate::link::Digit;
use crate::media::MediaClass;
use crate::statics::StaticChange;
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

/// How digits or a tone that were made came to their end.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum GenerationEnd {
    /// They were given to their end.
    Done,
    /// Others took their place, or the terminal was taken off its stream.
    Cancelled,
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
    /// The peer pressed a key, whichever way that was told: by an event among the media, by a tone in their sound, or by
    /// signalling.
    Digit(Digit),
    /// A tone that is listened for was heard (`true`), or is over.
    Tone {
        /// What the listener calls it.
        tag: u32,
        /// Whether it is heard.
        heard: bool,
    },
    /// What the sound is, when that changed.
    MediaClass(MediaClass),
    /// Digits or a tone that a terminal made are over.
    Generated(GenerationEnd),
    /// A gathering of digits ended.
    Gathered(Gathered),
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
    /// Media of the stream pair are encrypted from now on (`true`), or travel in the clear although they might have been
    /// encrypted (`false`). Told when it is first known and whenever it changes, so that nothing weakens unseen.
    Secured(bool),
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

impl MspEvent {
    /// What an address tells when a static terminal comes or goes.
    pub const fn of_static(at: Instant, address: AddressId, change: StaticChange) -> Self {
        let (terminal, kind, cause) = match change {
            StaticChange::Available(id) => (id, EventKind::TerminalAvailable, Cause::LocalRequest),
            StaticChange::Unavailable(id) => (id, EventKind::TerminalUnavailable, Cause::BadDevice),
        };
        Self {
            at,
            scope: Scope::address(address).terminal(terminal),
            kind,
            cause,
            error: None,
        }
    }
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

impl Queued for MspEvent {
    type Filter = EventFilter;

    fn admitted_by(&self, filter: &EventFilter) -> bool {
        filter.admits(self)
    }

    fn lagged(&self, missed: u64) -> Self {
        Self {
            at: self.at,
            scope: Scope::address(self.scope.address),
            kind: EventKind::Lagged(missed),
            cause: Cause::Unknown,
            error: None,
        }
    }
}

/// Where a provider puts its events.
pub type EventBus = Bus<MspEvent>;
/// One subscription to a provider's events.
pub type EventReceiver = Receiver<MspEvent>;

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;

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
