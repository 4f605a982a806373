//! The interfaces of a media service provider: what an application holds.
//!
//! The same nouns hold for every provider, the one over RTP and the one that loops back alike.
//! All of it may be called from any thread.

use std::fmt;
use std::sync::Arc;

use crate::error::Result;
use crate::event::{EventFilter, EventReceiver};
use crate::flow::FlowState;
use crate::gather::GatherSpec;
use crate::id::{AddressId, CallKey, Ssrc, StreamId, TerminalId};
use crate::link::{Digit, TspEnd};
use crate::media::{Direction, MediaKind, MediaKinds};
use crate::params::CodecSpec;
use crate::registry::{TerminalClassInfo, TerminalSpec};
use crate::selection::{self, Selection};
use crate::stats::StreamStats;
use crate::terminal::{Terminal, TerminalClass};

/// What a provider can do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Capabilities {
    /// Its name.
    pub name: &'static str,
    /// What it carries.
    pub kinds: MediaKinds,
    /// Terminals that a stream takes at most.
    pub max_terminals: usize,
    /// Streams that a call takes at most.
    pub max_streams: usize,
}

/// A media service provider: opens addresses.
pub trait Provider: Send + Sync {
    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Opens an address. Each opening gives an instance of its own with its own link; closing one leaves
    /// the others working.
    ///
    /// # Errors
    /// [`ErrorKind::ResourceUnavailable`](crate::ErrorKind::ResourceUnavailable), [`ErrorKind::Closed`](crate::ErrorKind::Closed).
    fn open(&self, name: &str) -> Result<OpenAddress>;
}

/// An address that was opened, and the signalling half's end of its link.
pub struct OpenAddress {
    /// The address.
    pub address: Arc<dyn Address>,
    /// For the signalling half.
    pub link: TspEnd,
}

impl fmt::Debug for OpenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OpenAddress({})", self.address.name())
    }
}

/// One line that calls are made from and reach.
pub trait Address: Send + Sync {
    /// Its name in the process.
    fn id(&self) -> AddressId;

    /// The name it was opened by.
    fn name(&self) -> &str;

    /// What calls on it can carry.
    fn kinds(&self) -> MediaKinds;

    /// Terminals that are there without being made: devices. Each that comes or goes is told as
    /// [`EventKind::TerminalAvailable`](crate::event::EventKind::TerminalAvailable) or
    /// [`EventKind::TerminalUnavailable`](crate::event::EventKind::TerminalUnavailable).
    fn static_terminals(&self) -> Vec<Arc<dyn Terminal>>;

    /// The static terminal that streams of `kind` and `direction` use unless somebody chooses.
    fn default_terminal(&self, kind: MediaKind, direction: Direction) -> Option<Arc<dyn Terminal>>;

    /// The classes that terminals can be made of here.
    fn terminal_classes(&self) -> Vec<TerminalClassInfo>;

    /// Makes a terminal.
    ///
    /// # Errors
    /// Those of [`TerminalRegistry::create`](crate::registry::TerminalRegistry::create).
    fn create_terminal(
        &self,
        class: &TerminalClass,
        spec: &TerminalSpec,
    ) -> Result<Arc<dyn Terminal>>;

    /// Makes the media half of a call with its default streams, one for each kind and direction. Opens no
    /// port and no device.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidMediaType`](crate::ErrorKind::InvalidMediaType) for kinds that are not carried here or no kind at
    /// all, [`ErrorKind::CallExists`](crate::ErrorKind::CallExists) for a key in use, [`ErrorKind::Closed`](crate::ErrorKind::Closed).
    fn create_call(&self, key: CallKey, kinds: MediaKinds) -> Result<Arc<dyn Call>>;

    /// Sees the events of this address from now on that `filter` admits.
    fn subscribe(&self, filter: EventFilter) -> EventReceiver;

    /// Shuts down the calls that live, releases what they hold, ends the subscriptions. After it returns no
    /// event arrives any more. Closing twice is nothing.
    fn close(&self);
}

/// How far a call is, seen from its media.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MediaCallState {
    /// Nothing was prepared.
    Idle,
    /// Ports are open.
    Prepared,
    /// A leg is agreed on, perhaps provisionally.
    Connected,
    /// It is over: it can be asked, but holds nothing.
    Disconnected,
}

/// The media half of one call.
pub trait Call: Send + Sync {
    /// The key that it shares with the signalling half.
    fn key(&self) -> CallKey;

    /// How far it is.
    fn state(&self) -> MediaCallState;

    /// Its streams at this time.
    fn streams(&self) -> Vec<Arc<dyn Stream>>;

    /// The first stream of `kind` and `direction`.
    fn stream(&self, kind: MediaKind, direction: Direction) -> Option<Arc<dyn Stream>> {
        self.streams()
            .into_iter()
            .find(|s| s.kind() == kind && s.direction() == direction)
    }

    /// Selects `terminal` on the streams of the call that it serves, all or none of them, as
    /// [`selection`] has it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidDirection`](crate::ErrorKind::InvalidDirection) when it serves none, else the first error of
    /// [`Stream::select`].
    fn select(&self, terminal: &Arc<dyn Terminal>) -> Result<Selection> {
        selection::select(&self.streams(), terminal)
    }

    /// Takes `terminal`, or all its tracks, off the streams of the call.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidTerminal`](crate::ErrorKind::InvalidTerminal) if it is on none.
    fn unselect(&self, terminal: &Arc<dyn Terminal>) -> Result<()> {
        selection::unselect(&self.streams(), terminal)
    }

    /// Gathers digits that the peer presses from now on, whichever way they come, and tells what came of it by one
    /// [`EventKind::Gathered`](crate::event::EventKind::Gathered). A call has one gathering: another one ends the first, which
    /// tells what it has.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed), those of [`Gathering::new`](crate::gather::Gathering::new).
    fn gather(&self, spec: GatherSpec) -> Result<()>;

    /// Gives up the gathering, if there is one.
    fn cancel_gathering(&self);

    /// Releases everything and forgets the call.
    fn close(&self);
}

/// One medium, one direction.
pub trait Stream: Send + Sync {
    /// Its name in the call.
    fn id(&self) -> StreamId;

    /// What it carries.
    fn kind(&self) -> MediaKind;

    /// Which way.
    fn direction(&self) -> Direction;

    /// Puts `terminal` on the stream, in this order of checks: kind, direction, capacity of the terminal, not
    /// selected already, room on the stream. It flows at once if everything else is ready.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidMediaType`](crate::ErrorKind::InvalidMediaType), [`ErrorKind::InvalidDirection`](crate::ErrorKind::InvalidDirection),
    /// [`ErrorKind::TerminalInUse`](crate::ErrorKind::TerminalInUse), [`ErrorKind::InvalidTerminal`](crate::ErrorKind::InvalidTerminal),
    /// [`ErrorKind::MaxTerminals`](crate::ErrorKind::MaxTerminals), [`ErrorKind::Closed`](crate::ErrorKind::Closed), or that of its connection.
    fn select(&self, terminal: Arc<dyn Terminal>) -> Result<()>;

    /// Takes a terminal off the stream; others go on.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidTerminal`](crate::ErrorKind::InvalidTerminal) if it is not selected here.
    fn unselect(&self, terminal: TerminalId) -> Result<()>;

    /// The terminals that are selected.
    fn terminals(&self) -> Vec<Arc<dyn Terminal>>;

    /// Wants the stream to flow; starting twice is nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed).
    fn start(&self) -> Result<()>;

    /// Lets nothing flow but keeps everything ready.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed).
    fn pause(&self) -> Result<()>;

    /// Lets nothing flow until it is started again.
    ///
    /// # Errors
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed).
    fn stop(&self) -> Result<()>;

    /// Everything that decides whether it flows.
    fn flow(&self) -> FlowState;

    /// The encoding that it is sent with, or was received with last, once one is agreed (C29).
    fn codec(&self) -> Option<CodecSpec>;

    /// The numbers of the stream pair that it belongs to.
    fn stats(&self) -> StreamStats;

    /// The sources that are heard on a received stream at this time.
    fn substreams(&self) -> Vec<SubStream>;

    /// Sends digits one after another on a capture stream, each pressed as long as the provider's setting
    /// says. They wait until the stream can carry them.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidDirection`](crate::ErrorKind::InvalidDirection) on a render stream,
    /// [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) when the peer takes none, [`ErrorKind::Busy`](crate::ErrorKind::Busy)
    /// when too many wait, [`ErrorKind::Closed`](crate::ErrorKind::Closed).
    fn send_digits(&self, digits: &[Digit]) -> Result<()>;
}

/// One source inside a received stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SubStream {
    /// The source.
    pub ssrc: Ssrc,
    /// Its name as it gave it (RFC 3550 section 6.5.1).
    pub name: Option<Arc<str>>,
}
