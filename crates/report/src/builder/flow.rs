//! Sound one way: numbers, curves and quality.

use std::collections::{BTreeMap, HashMap};

use msp_core::stats::DropReason;
use msp_core::time::{ClockRate, Instant};
use msp_core::trace::Way;
use msp_dsp::Level;

use super::{End, Scene, waveform};
use crate::media::Packet;
use crate::model::{Curves, Direction, Point, Quality};
use crate::quality::{self, Impairment};
use crate::verdict::Verdict;
use crate::verdict::timeline::{Extent, Timeline, comes_from_a_packet};

/// Curves have about this many points.
const POINTS: f64 = 240.0;
/// The stretch over which the worst quality is looked for.
const WINDOW_S: f64 = 5.0;
/// A jump of a sequence number by more than this is a new beginning, not a loss (RFC 3550 appendix A.1).
const DROPOUT: i64 = 3000;

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
    reordered: u64,
    duplicates: u64,
    pub(super) timeline: Timeline,
    ptime_ms: Option<f64>,
    clock: ClockRate,
}

/// A packet that should have come.
#[derive(Clone, Copy, Debug)]
struct Due {
    /// When it came, or should have.
    at: Instant,
    came: bool,
    late: bool,
    transit: Option<i64>,
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
            reordered: 0,
            duplicates: 0,
            timeline: Timeline::default(),
            ptime_ms: None,
            clock: ClockRate::HZ_8000,
        };
        flow.clock = flow
            .first_packet()
            .and_then(|(way, p)| flow.any_end()?.media.codec(way, p.rtp.payload_type()))
            .map_or(flow.clock, |c| c.clock);
        flow.ptime_ms = flow.measured_ptime();
        flow.follow_packets();
        if let Some(receiver) = receiver {
            let origin = sender.map_or(&receiver.came, |s| &s.sent);
            let extent = receiver.phone.recording.as_ref().map_or_else(
                || Extent {
                    position: 0,
                    len: receiver
                        .media
                        .playout
                        .iter()
                        .map(|(_, s)| s.samples as usize)
                        .sum(),
                    rate: origin.rate.unwrap_or(ClockRate::HZ_8000),
                },
                |r| r.extent(),
            );
            flow.timeline = Timeline::of(extent, &receiver.media.playout, origin);
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

    fn follow_packets(&mut self) {
        let Some(receiver) = self.receiver else {
            return;
        };
        let received = &receiver.media.received;
        let mut arrivals: HashMap<_, &Packet<'_>> = HashMap::new();
        for packet in received.iter().filter(|p| belongs(p)) {
            if arrivals.insert(packet.key(), packet).is_some() {
                self.duplicates += 1;
            }
        }
        self.follow_jitter(received);
        match self.sender {
            Some(sender) => self.pair(&sender.media.sent, &arrivals),
            None => self.count_gaps(received),
        }
    }

    fn pair(&mut self, sent: &[Packet<'_>], arrivals: &HashMap<(u32, u32, u16), &Packet<'_>>) {
        let mut transits = Vec::new();
        for packet in sent.iter().filter(|p| p.dropped.is_none()) {
            let arrival = arrivals.get(&packet.key());
            let transit = arrival.map(|a| a.at.as_nanos() as i64 - packet.at.as_nanos() as i64);
            transits.extend(transit);
            self.due.push(Due {
                at: arrival.map_or(packet.at, |a| a.at),
                came: arrival.is_some(),
                late: arrival.is_some_and(|a| a.dropped == Some(DropReason::Late)),
                transit,
            });
        }
        // What did not come should have come as fast as the others.
        let usual = median(&mut transits).unwrap_or(0);
        for due in self.due.iter_mut().filter(|d| !d.came) {
            due.at += std::time::Duration::from_nanos(u64::try_from(usual).unwrap_or(0));
        }
    }

    /// What is missing by sequence numbers, where the sender is not known.
    fn count_gaps(&mut self, received: &[Packet<'_>]) {
        // The place of each packet by its source and its number, numbers counted on beyond 16 bits.
        let mut numbered: BTreeMap<(usize, i64), Due> = BTreeMap::new();
        let mut sources: Vec<(u32, i64)> = Vec::new();
        let mut run = 0;
        for packet in received.iter().filter(|p| belongs(p)) {
            let (ssrc, sequence) = (packet.rtp.ssrc().0, packet.rtp.sequence());
            let last = sources
                .last()
                .filter(|(s, _)| *s == ssrc)
                .map(|(_, last)| *last);
            let number = match last {
                Some(last) => {
                    let step = i64::from(
                        sequence.distance_from(msp_core::id::SequenceNumber(last as u16)),
                    );
                    if step.abs() > DROPOUT {
                        run += 1;
                    }
                    last + step
                }
                None => {
                    run += 1;
                    i64::from(sequence.0)
                }
            };
            match sources.last_mut().filter(|(s, _)| *s == ssrc) {
                Some(source) => source.1 = source.1.max(number),
                None => sources.push((ssrc, number)),
            }
            let due = Due {
                at: packet.at,
                came: true,
                late: packet.dropped == Some(DropReason::Late),
                transit: None,
            };
            numbered.entry((run, number)).or_insert(due);
        }
        let mut last: Option<(usize, i64)> = None;
        for ((run, number), due) in numbered {
            if let Some((_, previous)) = last.filter(|(r, _)| *r == run) {
                let missing = (number - previous - 1).clamp(0, DROPOUT);
                let gone = Due {
                    came: false,
                    late: false,
                    ..due
                };
                self.due.extend((0..missing).map(|_| gone));
            }
            self.due.push(due);
            last = Some((run, number));
        }
        self.relative_transits(received);
    }

    /// Without the sender's clock, how much longer each packet took than the quickest.
    fn relative_transits(&mut self, received: &[Packet<'_>]) {
        let mut first: Option<(u32, u32, Instant)> = None;
        let mut by_time: HashMap<Instant, i64> = HashMap::new();
        for packet in received.iter().filter(|p| belongs(p)) {
            let (ssrc, timestamp) = (packet.rtp.ssrc().0, packet.rtp.timestamp());
            let (_, base, began) = match first {
                Some(first) if first.0 == ssrc => first,
                _ => *first.insert((ssrc, timestamp, packet.at)),
            };
            let media = i64::from(timestamp.wrapping_sub(base) as i32) * 1_000_000_000
                / i64::from(self.clock.hz());
            let real = packet.at.as_nanos() as i64 - began.as_nanos() as i64;
            by_time.insert(packet.at, real - media);
        }
        let quickest = by_time.values().copied().min().unwrap_or(0);
        for due in self.due.iter_mut().filter(|d| d.came) {
            due.transit = by_time.get(&due.at).map(|t| t - quickest);
        }
    }

    /// RFC 3550 appendix A.8, and how many packets came after a later one.
    fn follow_jitter(&mut self, received: &[Packet<'_>]) {
        let mut last: Option<(u32, u32, Instant, msp_core::id::SequenceNumber)> = None;
        let mut jitter = 0.0;
        for packet in received.iter().filter(|p| belongs(p)) {
            let rtp = &packet.rtp;
            if let Some((ssrc, timestamp, at, highest)) = last {
                if ssrc == rtp.ssrc().0 {
                    let real = packet.at.as_nanos() as f64 - at.as_nanos() as f64;
                    let media = f64::from(rtp.timestamp().wrapping_sub(timestamp) as i32) * 1e9
                        / f64::from(self.clock.hz());
                    jitter += ((real - media).abs() / 1e6 - jitter) / 16.0;
                    let ahead = rtp.sequence().distance_from(highest);
                    self.reordered += u64::from(ahead < 0);
                    let highest = if ahead > 0 { rtp.sequence() } else { highest };
                    last = Some((ssrc, rtp.timestamp(), packet.at, highest));
                    self.jitter.push((packet.at, jitter));
                    continue;
                }
                jitter = 0.0;
            }
            last = Some((rtp.ssrc().0, rtp.timestamp(), packet.at, rtp.sequence()));
        }
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

    /// The worst of all windows; a rest too short to judge goes with the window before it.
    pub(super) fn worst_quality(&self, scene: &Scene<'_>) -> Option<Quality> {
        let mut windows: Vec<&[Due]> = self
            .due
            .chunk_by(|a, b| window(scene, a) == window(scene, b))
            .collect();
        let rest = windows.last().filter(|w| {
            windows.len() > 1
                && w.first().zip(w.last()).is_some_and(|(a, b)| {
                    b.at.saturating_since(a.at).as_secs_f64() < WINDOW_S / 2.0
                })
        });
        if rest.is_some() {
            windows.pop();
        }
        windows
            .into_iter()
            .filter_map(|w| self.quality_of(scene, w))
            .min_by(|a, b| a.mos.total_cmp(&b.mos))
            .or_else(|| self.reported_quality(scene))
    }

    fn curves(&self, scene: &Scene<'_>) -> Curves {
        let times = || {
            let due = self.due.iter().map(|d| d.at);
            due.chain(self.timeline.delays.iter().map(|(at, _)| *at))
        };
        let (Some(first), Some(last)) = (times().min(), times().max()) else {
            return Curves::default();
        };
        let (first, last) = (scene.seconds(first), scene.seconds(last));
        let step = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0]
            .into_iter()
            .find(|s| (last - first) / s <= POINTS)
            .unwrap_or(3600.0);
        let begin = (first / step).floor() * step;
        let count = ((last - begin) / step).floor().max(0.0) as usize + 1;
        let mut points: Vec<Point> = (0..count)
            .map(|n| Point {
                at_s: (begin + n as f64 * step).max(0.0),
                ..Point::default()
            })
            .collect();
        let slot = |at: Instant| ((scene.seconds(at) - begin) / step).max(0.0) as usize;
        for due in &self.due {
            if let Some(point) = points.get_mut(slot(due.at)) {
                point.expected += 1;
                point.lost += u64::from(!due.came);
                point.late += u64::from(due.late);
                raise(&mut point.transit_ms, due.transit.map(|t| t as f64 / 1e6));
            }
        }
        for (at, jitter) in &self.jitter {
            if let Some(point) = points.get_mut(slot(*at)) {
                raise(&mut point.jitter_ms, Some(*jitter));
            }
        }
        for (at, delay) in &self.timeline.delays {
            if let Some(point) = points.get_mut(slot(*at)) {
                raise(&mut point.delay_ms, Some(*delay as f64 / 1e6));
            }
        }
        for (at, stats) in self.receiver.iter().flat_map(|r| &r.media.stats) {
            let at = slot(*at);
            if let Some(point) = points.get_mut(at) {
                raise(
                    &mut point.buffer_ms,
                    Some(stats.playout.depth.as_secs_f64() * 1e3),
                );
            }
        }
        Curves {
            step_s: step,
            transit_is_relative: self.sender.is_none(),
            points,
        }
    }

    pub(super) fn direction(&self, scene: &Scene<'_>, verdict: Option<&Verdict>) -> Direction {
        let name = |n: usize| {
            scene
                .participants
                .get(n)
                .map_or_else(|| "peer".to_owned(), |p| p.name.clone())
        };
        let (from, to) = (name(self.from), name(self.to));
        let codec = self.codec();
        let mut transits: Vec<i64> = self.due.iter().filter_map(|d| d.transit).collect();
        let both = self.sender.is_some() && self.receiver.is_some();
        let reported = self
            .sender
            .filter(|_| self.receiver.is_none())
            .and_then(|s| s.media.stats.last())
            .map(|(_, stats)| &stats.sent);
        let mut played = BTreeMap::new();
        let playout = self
            .receiver
            .map(|r| r.media.playout.as_slice())
            .unwrap_or_default();
        for (_, segment) in playout {
            *played.entry(segment.action.name()).or_default() += u64::from(segment.samples);
        }
        let first_sound = playout
            .iter()
            .find(|(_, s)| comes_from_a_packet(s.action))
            .map(|(at, _)| *at);
        let (_, packets) = self.packets();
        let mut sources: Vec<String> = Vec::new();
        for packet in packets.iter().filter(|p| belongs(p)) {
            let source = format!("{:08x}", packet.rtp.ssrc().0);
            if sources.last() != Some(&source) && !sources.contains(&source) {
                sources.push(source);
            }
        }
        let heard = self.receiver.and_then(|r| r.phone.recording.as_ref());
        let level = |pcm: &[i16]| (!pcm.is_empty()).then(|| Level::of(pcm).rms_dbov());
        let findings =
            verdict.and_then(|v| v.directions.iter().find(|d| d.from == from && d.to == to));
        Direction {
            payload_type: codec.as_ref().map(|(p, _)| *p),
            codec: codec.map(|(_, c)| c),
            ptime_ms: self.ptime_ms,
            sources,
            sent: self
                .sender
                .map(|s| s.media.sent.iter().filter(|p| p.dropped.is_none()).count() as u64),
            received: self
                .receiver
                .map(|r| r.media.received.iter().filter(|p| belongs(p)).count() as u64),
            lost: match reported {
                Some(sent) => sent.round_trip.map(|_| sent.remote_lost.max(0) as u64),
                None => Some(self.due.iter().filter(|d| !d.came).count() as u64),
            },
            late: self.due.iter().filter(|d| d.late).count() as u64,
            reordered: self.reordered,
            duplicates: self.duplicates,
            jitter_ms: match reported {
                Some(sent) => sent
                    .round_trip
                    .map(|_| sent.remote_jitter.as_secs_f64() * 1e3),
                None => self.jitter.last().map(|(_, j)| *j),
            },
            jitter_max_ms: self.jitter.iter().map(|(_, j)| *j).max_by(f64::total_cmp),
            transit_ms: median(&mut transits)
                .filter(|_| both)
                .map(|t| t as f64 / 1e6),
            delay_ms: self.timeline.delay().map(|d| d as f64 / 1e6),
            round_trip_ms: self.round_trip_ms(),
            played,
            sent_dbov: self.sender.and_then(|s| level(&s.sent.pcm)),
            heard_dbov: heard.and_then(|r| level(&r.samples)),
            first_sound_ms: first_sound
                .zip(scene.answered)
                .map(|(at, answered)| (at.as_nanos() as f64 - answered.as_nanos() as f64) / 1e6),
            quality: self.whole_quality(scene),
            curves: self.curves(scene),
            waveform: waveform::build(self, scene, findings),
            from,
            to,
        }
    }
}

/// The window that a packet is in, counted from the start of the trace.
fn window(scene: &Scene<'_>, due: &Due) -> i64 {
    (scene.seconds(due.at) / WINDOW_S).floor() as i64
}

/// Whether a packet is of the stream, whatever became of it.
const fn belongs(packet: &Packet<'_>) -> bool {
    matches!(
        packet.dropped,
        None | Some(
            DropReason::Late
                | DropReason::Duplicate
                | DropReason::BufferFull
                | DropReason::Probation
                | DropReason::HoldFull
                | DropReason::BadPayload
                | DropReason::BadEvent
        )
    )
}

fn raise(slot: &mut Option<f64>, value: Option<f64>) {
    if let Some(value) = value {
        *slot = Some(slot.map_or(value, |v| v.max(value)));
    }
}

fn median(values: &mut [i64]) -> Option<i64> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}
