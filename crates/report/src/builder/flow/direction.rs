//! A flow as a report shows it: numbers and curves.

use std::collections::BTreeMap;

use msp_core::time::Instant;
use msp_dsp::Level;

use super::super::{Scene, waveform};
use super::{Flow, median};
use crate::due::belongs;
use crate::media::position;
use crate::model::{Curves, Direction, Point};
use crate::verdict::DirectionVerdict;
use crate::verdict::timeline::comes_from_a_packet;

/// Curves have at most this many points.
const POINTS: f64 = 120.0;

impl Flow<'_, '_> {
    fn curves(&self, scene: &Scene<'_>) -> Curves {
        let times = || {
            let due = self.due.iter().map(|d| d.at);
            due.chain(self.timeline.delays.iter().map(|(at, _)| *at))
        };
        let (Some(first), Some(last)) = (times().min(), times().max()) else {
            return Curves::default();
        };
        let (first, last) = (scene.seconds(first), scene.seconds(last));
        let step = [0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0]
            .into_iter()
            .find(|s| (last - first) / s <= POINTS)
            .unwrap_or(3600.0);
        // A rest of less than half a step belongs to the point before it: of two packets there, one is half of them.
        let count = ((last - first) / step).round().max(1.0) as usize;
        let mut points: Vec<Point> = (0..count)
            .map(|n| Point {
                at_s: first + n as f64 * step,
                ..Point::default()
            })
            .collect();
        let slot = |at: Instant| (((scene.seconds(at) - first) / step) as usize).min(count - 1);
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

    pub(in crate::builder) fn direction(
        &self,
        scene: &Scene<'_>,
        judged: Option<&DirectionVerdict>,
    ) -> Direction {
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
            .and_then(|(_, s)| self.play_clock.instant(position(s)));
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
            under_way: self.under_way,
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
            waveform: waveform::build(self, scene, judged),
            from,
            to,
        }
    }
}

fn raise(slot: &mut Option<f64>, value: Option<f64>) {
    if let Some(value) = value {
        *slot = Some(slot.map_or(value, |v| v.max(value)));
    }
}
