//! What a shard is told, and what it tells. Boxes come ready-made and go back to be dropped elsewhere.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use msp_core::id::{LegId, PayloadType, Ssrc, TerminalId};
use msp_core::link::Digit;
use msp_core::media::{Direction, MediaDirection};
use msp_core::stats::StreamStats;
use msp_dsp::Resampler;

use super::{Edge, LegChange, Transport};

/// The place of a transport on its shard.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct TransportId(pub(crate) u32);

/// Which ways media flow on a stream pair.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Flow {
    /// The capture stream flows.
    pub(crate) send: bool,
    /// The render stream flows.
    pub(crate) receive: bool,
    /// The peer may send: so media that do not come are missed.
    pub(crate) expect: bool,
}

/// What a shard is told.
#[derive(Debug)]
pub(crate) enum ShardCommand {
    /// Take a transport over. Its sockets come with it.
    Add(TransportId, Box<Transport>),
    /// Say goodbye to the peer and give a transport back.
    Remove(TransportId),
    /// Run a leg on this from now on.
    SetLeg(TransportId, Box<LegChange>),
    /// Something else may flow on a leg than was agreed on.
    Direct(TransportId, LegId, MediaDirection),
    /// Forget a leg.
    DropLeg(TransportId, LegId),
    /// From now on this leg's media reach the terminals.
    SelectLeg(TransportId, LegId),
    /// Put a terminal on a stream.
    Connect(TransportId, Box<Edge>),
    /// Convert the sound of a terminal from now on.
    Convert(TransportId, Direction, TerminalId, Option<Box<Resampler>>),
    /// Take a terminal off a stream.
    Disconnect(TransportId, Direction, TerminalId),
    /// Let media flow, or not.
    Flow(TransportId, Flow),
    /// Let playout's delay stand still, or not: what comes is to be heard as it was sent.
    HoldStill(TransportId, bool),
    /// Send digits.
    Digits(TransportId, Box<Keys>),
}

/// Digits that are to be sent one after another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Keys(pub(crate) Vec<Digit>);

/// Something that is to be dropped where that may take its time.
pub(crate) struct Garbage {
    #[expect(dead_code, reason = "it is only held to be dropped")]
    thing: Box<dyn Droppable>,
}

/// Anything that can be sent away to be dropped.
trait Droppable: Send {}

impl<T: Send> Droppable for T {}

impl Garbage {
    /// `thing`, to be dropped. Allocates nothing.
    pub(crate) fn of<T: Send + 'static>(thing: Box<T>) -> Self {
        Self { thing }
    }
}

impl fmt::Debug for Garbage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Garbage")
    }
}

/// What a shard tells.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "names are kept in place: a media thread allocates nothing"
)]
pub(crate) enum Report {
    /// Drop this.
    Drop(Garbage),
    /// A transport is off the shard; its sockets come with it.
    Removed(TransportId, Box<Transport>),
    /// Something happened to the media of a stream pair.
    Media(TransportId, MediaReport),
}

/// What happened to the media of a stream pair.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "names are kept in place: a media thread allocates nothing"
)]
pub(crate) enum MediaReport {
    /// The peer pressed a key.
    Digit(Digit),
    /// The address that media come from is held.
    Locked(SocketAddr),
    /// A source came or left.
    Participant {
        ssrc: Ssrc,
        name: Option<Name>,
        present: bool,
    },
    /// No media came for too long (`false`), or they came again.
    Arrives(bool),
    /// Digits for which there is no room, or no stream that takes them.
    Unsent(Box<Keys>),
    /// Code of the stream panicked: nothing flows on it any more.
    StreamPanicked(Direction),
    /// Code of a terminal panicked: it is off the stream.
    TerminalPanicked(Direction, TerminalId),
}

/// The name of a source, as long as one can be (RFC 3550 section 6.5), kept without taking memory.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name {
    length: u8,
    bytes: [u8; 255],
}

impl Name {
    /// The name `text`, cut to what fits.
    pub(crate) fn new(text: &str) -> Self {
        let mut end = text.len().min(255);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let mut bytes = [0; 255];
        for (to, byte) in bytes.iter_mut().zip(text.as_bytes().iter().take(end)) {
            *to = *byte;
        }
        Self {
            length: end as u8,
            bytes,
        }
    }

    /// The name.
    pub(crate) fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.length));
        std::str::from_utf8(bytes.unwrap_or_default()).unwrap_or_default()
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// What a shard lets others see of a stream pair.
#[derive(Debug, Default)]
pub(crate) struct Published(Mutex<Snapshot>);

/// The present state of a stream pair.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    /// Everything counted.
    pub(crate) stats: StreamStats,
    /// The payload type of sound that was received last.
    pub(crate) received: Option<PayloadType>,
}

impl Published {
    /// The latest that was published.
    pub(crate) fn get(&self) -> Snapshot {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Does something while somebody reads.
    #[cfg(test)]
    pub(crate) fn while_read<T>(&self, f: impl FnOnce() -> T) -> T {
        let _reading = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        f()
    }

    /// Publishes `snapshot`, after whoever is reading: not for media threads.
    pub(crate) fn set(&self, snapshot: Snapshot) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = snapshot;
    }

    /// Publishes what `write` makes of it, unless somebody is reading: the next time will do.
    pub(crate) fn update(&self, write: impl FnOnce(&mut Snapshot)) {
        if let Ok(mut snapshot) = self.0.try_lock() {
            write(&mut snapshot);
        }
    }
}

/// How busy a shard is, for all to see.
#[derive(Debug, Default)]
pub struct Load {
    permille: AtomicU32,
    streams: AtomicU32,
    late: AtomicU64,
    skipped: AtomicU64,
}

impl Load {
    pub(crate) fn set(&self, permille: u32, streams: u32, late: u64, skipped: u64) {
        self.permille.store(permille, Ordering::Relaxed);
        self.streams.store(streams, Ordering::Relaxed);
        self.late.store(late, Ordering::Relaxed);
        self.skipped.store(skipped, Ordering::Relaxed);
    }

    /// Thousandths of its time that the shard works, over about the last second.
    pub fn permille(&self) -> u32 {
        self.permille.load(Ordering::Relaxed)
    }

    /// Stream pairs that live on it.
    pub fn streams(&self) -> u32 {
        self.streams.load(Ordering::Relaxed)
    }

    /// Slices of 5 ms that were worked off after the next one was due.
    pub fn late_slices(&self) -> u64 {
        self.late.load(Ordering::Relaxed)
    }

    /// Slices that were left out because the shard was too late.
    pub fn skipped_slices(&self) -> u64 {
        self.skipped.load(Ordering::Relaxed)
    }
}
