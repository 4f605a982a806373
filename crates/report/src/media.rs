//! The media of one phone as its trace shows them.

use std::collections::BTreeMap;

use msp_codecs::CodecRegistry;
use msp_core::id::{PayloadType, StreamId};
use msp_core::params::{CodecSpec, MediaParams, PayloadMapping};
use msp_core::stats::{DropReason, StreamStats};
use msp_core::time::Instant;
use msp_core::trace::{PacketKind, PlayoutSegment, TraceBody, TraceEntry, Way};
use msp_rtp::view::RtpView;

/// One RTP packet of a trace.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet<'a> {
    pub(crate) at: Instant,
    pub(crate) rtp: RtpView<'a>,
    pub(crate) dropped: Option<DropReason>,
}

/// What tells a packet from every other one: source, timestamp and number.
pub(crate) type Key = (u32, u32, u16);

impl Packet<'_> {
    /// The same at both ends.
    pub(crate) fn key(&self) -> Key {
        let rtp = &self.rtp;
        (rtp.ssrc().0, rtp.timestamp(), rtp.sequence().0)
    }
}

/// Everything that a trace tells of media, sorted.
#[derive(Debug, Default)]
pub(crate) struct Media<'a> {
    pub(crate) sent: Vec<Packet<'a>>,
    pub(crate) received: Vec<Packet<'a>>,
    pub(crate) reports_sent: Vec<Instant>,
    pub(crate) reports_received: Vec<Instant>,
    /// Playout of the stream that played most.
    pub(crate) playout: Vec<(Instant, PlayoutSegment)>,
    /// Numbers of the same stream.
    pub(crate) stats: Vec<(Instant, &'a StreamStats)>,
    /// The last agreement.
    pub(crate) agreed: Option<&'a MediaParams>,
    codecs: CodecRegistry,
    maps: Vec<&'a MediaParams>,
}

impl<'a> Media<'a> {
    pub(crate) fn of(entries: &'a [TraceEntry]) -> Self {
        let mut media = Self {
            codecs: CodecRegistry::builtin(),
            ..Self::default()
        };
        let mut streams: BTreeMap<StreamId, Vec<(Instant, PlayoutSegment)>> = BTreeMap::new();
        let mut stats: Vec<(StreamId, Instant, &StreamStats)> = Vec::new();
        for entry in entries {
            let at = entry.at;
            match &entry.body {
                TraceBody::Media {
                    way,
                    kind,
                    bytes,
                    dropped,
                    ..
                } => match (kind, way) {
                    (PacketKind::Rtp, way) => {
                        let Ok(rtp) = RtpView::parse(bytes) else {
                            continue;
                        };
                        let packet = Packet {
                            at,
                            rtp,
                            dropped: *dropped,
                        };
                        match way {
                            Way::In => media.received.push(packet),
                            Way::Out => media.sent.push(packet),
                        }
                    }
                    (PacketKind::Rtcp, Way::In) => media.reports_received.push(at),
                    (PacketKind::Rtcp, Way::Out) => media.reports_sent.push(at),
                    (PacketKind::Other, _) => {}
                },
                TraceBody::Playout { stream, segment } => {
                    streams.entry(*stream).or_default().push((at, *segment));
                }
                TraceBody::Stats { stream, stats: s } => stats.push((*stream, at, s)),
                TraceBody::Agreed { params, .. } => {
                    media.maps.extend(params);
                    media.agreed = params.iter().find(|p| !p.refused).or(media.agreed);
                }
                _ => {}
            }
        }
        let played = |segments: &[(Instant, PlayoutSegment)]| -> u64 {
            segments.iter().map(|(_, s)| u64::from(s.samples)).sum()
        };
        let most = streams
            .into_iter()
            .max_by_key(|(id, s)| (played(s), std::cmp::Reverse(*id)));
        let id = most.as_ref().map(|(id, _)| *id);
        media.playout = most.map(|(_, segments)| segments).unwrap_or_default();
        media.stats = stats
            .into_iter()
            .filter(|(stream, ..)| id.is_none_or(|id| id == *stream))
            .map(|(_, at, s)| (at, s))
            .collect();
        media
    }

    /// What a payload type means on the way `way`: as agreed, else as RFC 3551 fixes it.
    pub(crate) fn codec(&self, way: Way, payload_type: PayloadType) -> Option<CodecSpec> {
        let of = |params: &&'a MediaParams| -> &'a [PayloadMapping] {
            match way {
                Way::In => &params.receive,
                Way::Out => &params.send,
            }
        };
        self.maps
            .iter()
            .rev()
            .flat_map(of)
            .find(|m| m.payload_type == payload_type)
            .map(|m| m.codec.clone())
            .or_else(|| {
                let info = self.codecs.find_static(payload_type)?.info();
                Some(CodecSpec {
                    name: info.name.into(),
                    clock: info.clock,
                    channels: info.channels,
                })
            })
    }

    /// The position to which playout's log goes.
    pub(crate) fn played(&self) -> i64 {
        let ends = self.playout.iter();
        ends.map(|(_, s)| position(s).saturating_add(i64::from(s.samples)))
            .max()
            .unwrap_or(0)
    }

    /// Whether any agreement let the peer send.
    pub(crate) fn may_receive(&self) -> bool {
        let mut agreed = self.maps.iter().filter(|p| !p.refused);
        agreed.any(|p| p.direction.receives())
    }

    pub(crate) const fn codecs(&self) -> &CodecRegistry {
        &self.codecs
    }
}

/// The position of the first sample of `segment`, in the type in which recordings have theirs.
pub(crate) fn position(segment: &PlayoutSegment) -> i64 {
    i64::try_from(segment.position).unwrap_or(i64::MAX)
}
