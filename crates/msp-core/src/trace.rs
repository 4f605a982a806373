//! What happened in a call: bytes as they came and went, decisions, events. Reports, captures and replays
//! are readers of it.

mod log;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::event::MspEvent;
use crate::id::{CallKey, Generation, LegId, StreamId};
use crate::params::MediaParams;
use crate::stats::{DropReason, StreamStats};
use crate::time::Instant;

pub use log::{CallLogs, LogLimits, TraceLog};

/// Which way bytes went.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Way {
    /// To us.
    In,
    /// From us.
    Out,
}

/// What a media datagram was.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PacketKind {
    /// RTP.
    Rtp,
    /// RTCP.
    Rtcp,
    /// Anything else, told apart by its first byte (RFC 7983).
    Other,
}

/// Where the samples of a stretch of played sound came from.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum PlayoutAction {
    /// Decoded from a packet, one to one.
    Normal,
    /// Decoded, but blended into what was made up before it.
    Blended,
    /// Made up for what was missing.
    Concealed,
    /// Stretched: more samples than were sent.
    Stretched,
    /// Compressed: fewer samples than were sent.
    Compressed,
    /// Comfort noise.
    Comfort,
    /// Silence: nothing to play.
    Silence,
    /// Given to nobody: the engine came when its time was over.
    Skipped,
}

impl PlayoutAction {
    /// A stable name for reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Blended => "blended",
            Self::Concealed => "concealed",
            Self::Stretched => "stretched",
            Self::Compressed => "compressed",
            Self::Comfort => "comfort",
            Self::Silence => "silence",
            Self::Skipped => "skipped",
        }
    }
}

/// A stretch of played sound of one origin.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PlayoutSegment {
    /// The first sample, counted since the stream was made.
    pub position: u64,
    /// How many samples.
    pub samples: u32,
    /// Where they came from.
    pub action: PlayoutAction,
    /// The RTP timestamp of the first sample, where it came from a packet.
    pub rtp_timestamp: Option<u32>,
}

/// What happened.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum TraceBody {
    /// A message of the signalling.
    Signal {
        /// Which way.
        way: Way,
        /// Our address.
        local: SocketAddr,
        /// The other address.
        remote: SocketAddr,
        /// The transport, for instance `UDP`.
        transport: &'static str,
        /// The message as it was on the wire.
        bytes: Arc<[u8]>,
    },
    /// A datagram of the media.
    Media {
        /// Which way.
        way: Way,
        /// What it was.
        kind: PacketKind,
        /// Our address.
        local: SocketAddr,
        /// The other address.
        remote: SocketAddr,
        /// The datagram as it was on the wire.
        bytes: Arc<[u8]>,
        /// Why it went no further, if it did not.
        dropped: Option<DropReason>,
    },
    /// What the two halves agreed on for a leg.
    Agreed {
        /// The leg.
        leg: LegId,
        /// The round of offer and answer.
        generation: Generation,
        /// The stream pairs.
        params: Vec<MediaParams>,
    },
    /// What playout did. The entry's time is that of the first sample, though a stretch is recorded when it is over.
    Playout {
        /// The received stream.
        stream: StreamId,
        /// The stretch.
        segment: PlayoutSegment,
    },
    /// The numbers of a stream pair at this time.
    Stats {
        /// The received stream of the pair.
        stream: StreamId,
        /// The numbers.
        stats: Box<StreamStats>,
    },
    /// An event.
    Event(MspEvent),
    /// A decision, in words.
    Note(Arc<str>),
}

/// One entry of a trace.
#[derive(Clone, PartialEq, Debug)]
pub struct TraceEntry {
    /// When.
    pub at: Instant,
    /// In which call, where that is known.
    pub call: Option<CallKey>,
    /// What.
    pub body: TraceBody,
}

/// Takes what happens. Called from signalling and media threads: must be quick and must not block for long.
pub trait TraceSink: Send + Sync {
    /// Takes one entry.
    fn record(&self, entry: TraceEntry);
}

/// A handle to a sink, or to none: what is not traced costs a test of a pointer.
#[derive(Clone, Default)]
pub struct Trace(Option<Arc<dyn TraceSink>>);

impl Trace {
    /// Nothing is traced.
    pub const OFF: Self = Self(None);

    /// Everything goes to `sink`.
    pub fn to(sink: Arc<dyn TraceSink>) -> Self {
        Self(Some(sink))
    }

    /// Whether anybody wants to know.
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Records what `body` makes, which is not called when nobody wants to know.
    pub fn record(&self, at: Instant, call: Option<CallKey>, body: impl FnOnce() -> TraceBody) {
        if let Some(sink) = &self.0 {
            sink.record(TraceEntry {
                at,
                call,
                body: body(),
            });
        }
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_on() {
            "Trace(on)"
        } else {
            "Trace(off)"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_built_when_nobody_wants_to_know() {
        Trace::OFF.record(Instant::ZERO, None, || unreachable!("built for nobody"));
    }
}
