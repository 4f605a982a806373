//! Sound one way.

mod direction;
mod packets;

use std::collections::{HashMap, HashSet};

use msp_core::time::{ClockRate, Instant};
use msp_core::trace::Way;

use super::{End, Scene};
use crate::due::Due;
use crate::media::{Key, Packet};
use crate::model::Quality;
use crate::quality::{self, Impairment};
use crate::verdict::clock::PlayClock;
use crate::verdict::timeline::{Extent, Timeline};

/// The stretch over which the worst quality is looked for, by what was sent in it.
const WINDOW_MS: f64 = 5000.0;

/// The sound from one end to another; one of the two may be a stranger.
pub(super) struct Flow<'s, 'a> {
    pub(super) sender: Option<&'s End<'a>>,
    pub(super) receiver: Option<&'s End<'a>>,
    from: usize,
    to: usize,
    /// Every packet that should have come, in the order of sending.
    due: Vec<Due>,
    /// When each packet came, and its interarrival jitter then, in milliseconds.
    jitter: Vec<(Instant, f64)>,
    /// Packets that did not come.
    pub(super) lost: HashSet<Key>,
    /// Packets that did not come because the call was over before they could.
    under_way: u64,
    reordered: u64,
    duplicates: u64,
    pub(super) timeline: Timeline,
    pub(super) play_clock: PlayClock,
    ptime_ms: Option<f64>,
    clock: ClockRate,
}

impl<'s, 'a> Flow<'s, 'a> {
    pub(super) fn new(
        scene: &Scene<'_>,
        sender: Option<(usize, &'s End<'a>)>,
        receiver: Option<(usize, &'s End<'a>)>,
    ) -> Self {
        let from = sender.map_or_else(|| receiver.map_or(0, |(n, _)| scene.peer(n)), |(n, _)| n);
        let to = receiver.map_or_else(|| sender.map_or(0, |(n, _)| scene.peer(n)), |(n, _)| n);
        let (sender, receiver) = (sender.map(|(_, e)| e), receiver.map(|(_, e)| e));
        let mut flow = Self {
            sender,
            receiver,
            from,
            to,
            due: Vec::new(),
            jitter: Vec::new(),
            lost: HashSet::new(),
            under_way: 0,
            reordered: 0,
            duplicates: 0,
            timeline: Timeline::default(),
            play_clock: PlayClock::default(),
            ptime_ms: None,
            clock: ClockRate::HZ_8000,
        };
        flow.clock = flow
            .first_packet()
            .and_then(|(way, p)| flow.any_end()?.media.codec(way, p.rtp.payload_type()))
            .map_or(flow.clock, |c| c.clock);
        flow.ptime_ms = flow.measured_ptime();
        flow.follow_packets(scene.hung_up);
        if let Some(receiver) = receiver {
            let origin = sender.map_or(&receiver.came, |s| &s.sent);
            let media = &receiver.media;
            let extent = receiver.phone.extent(media).unwrap_or_else(|| Extent {
                position: 0,
                len: usize::try_from(media.played()).unwrap_or(usize::MAX),
                rate: origin.rate.unwrap_or(ClockRate::HZ_8000),
            });
            flow.play_clock = PlayClock::of(media, extent.rate);
            flow.timeline = Timeline::of(extent, &media.playout, &flow.play_clock, origin);
        }
        flow
    }

    fn any_end(&self) -> Option<&'s End<'a>> {
        self.sender.or(self.receiver)
    }

    /// The packets by which the flow is known: the sender's if it is traced.
    fn packets(&self) -> (Way, &'s [Packet<'a>]) {
        match (self.sender, self.receiver) {
            (Some(sender), _) => (Way::Out, &sender.media.sent),
            (None, Some(receiver)) => (Way::In, &receiver.media.received),
            (None, None) => (Way::In, &[]),
        }
    }

    /// The first packet of sound.
    fn first_packet(&self) -> Option<(Way, &'s Packet<'a>)> {
        let (way, packets) = self.packets();
        let media = &self.any_end()?.media;
        let is_sound = |p: &&Packet<'_>| {
            media
                .codec(way, p.rtp.payload_type())
                .is_some_and(|c| !c.is_telephone_event())
        };
        packets.iter().find(is_sound).map(|p| (way, p))
    }

    /// The step of timestamps that is the most frequent between packets in sequence.
    fn measured_ptime(&self) -> Option<f64> {
        let (_, packets) = self.packets();
        let mut steps: HashMap<u32, usize> = HashMap::new();
        for pair in packets.windows(2) {
            let [a, b] = pair else { continue };
            let next = b.rtp.sequence().distance_from(a.rtp.sequence()) == 1;
            if next && a.rtp.ssrc() == b.rtp.ssrc() && a.rtp.payload_type() == b.rtp.payload_type()
            {
                *steps
                    .entry(b.rtp.timestamp().wrapping_sub(a.rtp.timestamp()))
                    .or_default() += 1;
            }
        }
        let (step, _) = steps
            .into_iter()
            .max_by_key(|(step, n)| (*n, std::cmp::Reverse(*step)))?;
        Some(f64::from(step) * 1000.0 / f64::from(self.clock.hz()))
    }

    /// Whether the receiver heard anything; `None` if nobody knows.
    pub(super) fn has_sound(&self) -> Option<bool> {
        let receiver = self.receiver?;
        let came = !self.due.iter().all(|d| !d.came);
        let pcm = receiver
            .phone
            .recording
            .as_ref()
            .map_or(receiver.came.pcm.as_slice(), |r| r.samples.as_slice());
        Some(came && crate::verdict::is_sound(pcm))
    }

    fn codec(&self) -> Option<(u8, String)> {
        let (way, packet) = self.first_packet()?;
        let payload_type = packet.rtp.payload_type();
        let codec = self.any_end()?.media.codec(way, payload_type)?;
        Some((
            payload_type.0,
            format!("{}/{}", codec.name, codec.clock.hz()),
        ))
    }

    fn impairment(&self) -> Option<Impairment> {
        let (_, codec) = self.codec()?;
        Impairment::of(codec.split('/').next()?)
    }

    /// Mouth to ear as far as it is known: packetisation, network and buffer.
    fn mouth_to_ear_ms(&self) -> f64 {
        let played = self.timeline.delay().map(|d| d as f64 / 1e6);
        let network = self
            .round_trip_ms()
            .map(|rt| rt / 2.0)
            .filter(|_| self.sender.is_none() || self.receiver.is_none());
        self.ptime_ms.unwrap_or(0.0) + played.unwrap_or(0.0).max(0.0) + network.unwrap_or(0.0)
    }

    fn round_trip_ms(&self) -> Option<f64> {
        let (_, stats) = self.any_end()?.media.stats.last()?;
        stats.sent.round_trip.map(|rt| rt.as_secs_f64() * 1e3)
    }

    fn quality_of(&self, scene: &Scene<'_>, due: &[Due]) -> Option<Quality> {
        let impairment = self.impairment()?;
        let (first, last) = (due.first()?, due.last()?);
        let there = || due.iter().map(|d| d.came && !d.late);
        let missing = there().filter(|t| !t).count();
        Some(quality::quality(
            impairment,
            quality::Stretch {
                from_s: scene.seconds(first.at),
                until_s: scene.seconds(last.at),
                loss: missing as f64 / due.len() as f64,
                burst_ratio: quality::burst_ratio(there()),
                delay_ms: self.mouth_to_ear_ms(),
            },
        ))
    }

    /// Quality as the receiver's reports let us estimate it, where the receiver is not traced.
    fn reported_quality(&self, scene: &Scene<'_>) -> Option<Quality> {
        let impairment = self.impairment()?;
        let sender = self.sender.filter(|_| self.receiver.is_none())?;
        let (at, stats) = sender.media.stats.last()?;
        // Without a report nothing is known of the other end.
        stats.sent.round_trip?;
        let sent = stats.sent.packets.max(1) as f64;
        Some(quality::quality(
            impairment,
            quality::Stretch {
                from_s: 0.0,
                until_s: scene.seconds(*at),
                loss: (stats.sent.remote_lost.max(0) as f64 / sent).min(1.0),
                burst_ratio: 1.0,
                delay_ms: self.mouth_to_ear_ms(),
            },
        ))
    }

    fn whole_quality(&self, scene: &Scene<'_>) -> Option<Quality> {
        self.quality_of(scene, &self.due)
            .or_else(|| self.reported_quality(scene))
    }

    /// The worst of all windows; a rest too short to judge is left out.
    pub(super) fn worst_quality(&self, scene: &Scene<'_>) -> Option<Quality> {
        let ptime_ms = self.ptime_ms.unwrap_or(20.0).max(1.0);
        let len = ((WINDOW_MS / ptime_ms) as usize).max(1);
        self.due
            .chunks(len)
            .enumerate()
            .filter(|(n, window)| *n == 0 || window.len() * 2 >= len)
            .filter_map(|(_, window)| self.quality_of(scene, window))
            .min_by(|a, b| a.mos.total_cmp(&b.mos))
            .or_else(|| self.reported_quality(scene))
    }
}

fn median(values: &mut [i64]) -> Option<i64> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}
