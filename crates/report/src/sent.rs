//! Which sample of the sound that a phone was to play went out under which RTP timestamp.

use std::collections::{BTreeMap, HashMap};

use msp_core::params::CodecSpec;
use msp_core::time::{ClockRate, Instant};
use msp_core::trace::Way;

use crate::due::belongs;
use crate::media::Media;
use crate::phone::Sound;

/// Frames that are looked for in the expected sound, at most: if none of them is there, it is another sound.
const ANCHORS: usize = 20;

/// The sound that a phone sent, decoded from its own packets, and how it lies in the sound it was to send.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// Decoded packets one after another, as they were sent.
    pub(crate) pcm: Vec<i16>,
    /// The rate of `pcm`.
    pub(crate) rate: Option<ClockRate>,
    clock: Option<ClockRate>,
    /// Packets of sound that left.
    pub(crate) packets: u64,
    /// The packets are those of the expected sound, found by content: the map holds to the sample.
    pub(crate) proven: bool,
    runs: BTreeMap<u32, Run>,
}

#[derive(Clone, Copy, Debug)]
struct Run {
    at: Instant,
    ticks: u32,
    /// Of the first sample, in the sound that was to be sent; negative before it begins.
    index: i64,
    /// Of the first sample, in `pcm`.
    offset: usize,
    /// Samples for each tick: 2 with G.722, 1 with most.
    scale: u32,
    /// Nothing was wrong with it: it left, or came in time.
    is_good: bool,
}

/// What is known of a sent sample.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Origin {
    /// Its place in the sound that was to be sent.
    pub(crate) index: i64,
    /// Its place in what was sent.
    pub(crate) offset: usize,
    /// When its packet left.
    pub(crate) sent_at: Instant,
    /// Where its packet began, in samples before it.
    pub(crate) into_packet: u32,
    /// How many samples of the same packet follow, itself among them.
    pub(crate) left: u32,
}

impl Sent {
    /// The sound of the packets that went `way`, but for those that are none of the stream.
    pub(crate) fn of(media: &Media<'_>, way: Way, sound: Option<&Sound>) -> Self {
        let mut sent = Self::default();
        let mut decoders = HashMap::new();
        let mut frames: Vec<(u32, Run, usize)> = Vec::new();
        let mut scratch = Vec::new();
        let packets = match way {
            Way::In => &media.received,
            Way::Out => &media.sent,
        };
        for packet in packets.iter().filter(|p| way == Way::Out || belongs(p)) {
            let Some(spec) = media.codec(way, packet.rtp.payload_type()) else {
                continue;
            };
            let CodecSpec {
                name,
                clock,
                channels,
            } = &spec;
            let Some(codec) = media.codecs().find(name, clock.hz(), *channels) else {
                continue;
            };
            let info = codec.info();
            let decoder = decoders
                .entry(packet.rtp.ssrc())
                .or_insert_with(|| codec.decoder());
            scratch.resize(info.max_samples(packet.rtp.payload().len()), 0);
            let Ok(samples) = decoder.decode(packet.rtp.payload(), &mut scratch) else {
                continue;
            };
            let run = Run {
                at: packet.at,
                ticks: u32::try_from(info.ticks_of(samples)).unwrap_or(u32::MAX),
                index: 0,
                offset: sent.pcm.len(),
                scale: (info.sample_rate.hz() / info.clock.hz()).max(1),
                is_good: packet.dropped.is_none(),
            };
            sent.rate = Some(info.sample_rate);
            sent.clock = Some(info.clock);
            sent.packets += u64::from(packet.dropped.is_none());
            sent.pcm
                .extend_from_slice(scratch.get(..samples).unwrap_or_default());
            frames.push((packet.rtp.timestamp(), run, samples));
        }
        sent.place(&mut frames, sound);
        sent.runs = frames.into_iter().map(|(ts, run, _)| (ts, run)).collect();
        sent
    }

    /// Finds for each frame its place in `sound`. A source that is late pauses while timestamps go on, and while a
    /// digit is sent either may be: so content decides, and where it does not, frames follow one another.
    fn place(&mut self, frames: &mut [(u32, Run, usize)], sound: Option<&Sound>) {
        let Some(sound) = sound else {
            let mut index = 0;
            for (_, run, samples) in frames {
                run.index = index;
                index += *samples as i64;
            }
            return;
        };
        let pcm = &self.pcm;
        let content = |run: &Run, samples: usize| pcm.get(run.offset..run.offset + samples);
        let fits = |frame: &[i16], index: i64| {
            frame
                .iter()
                .zip(index..)
                .all(|(sample, i)| *sample == sound.at(i))
        };
        let telling = frames
            .iter()
            .filter_map(|(_, run, samples)| Some((run, content(run, *samples)?)))
            .filter(|(_, frame)| is_telling(frame));
        let anchor = telling.take(ANCHORS).find_map(|(run, frame)| {
            let at = sound
                .samples
                .windows(frame.len())
                .position(|w| w == frame)?;
            Some(at as i64 - run.offset as i64)
        });
        self.proven = anchor.is_some();
        let mut index = anchor.unwrap_or(0);
        let mut last: Option<(u32, u32)> = None;
        for (timestamp, run, samples) in frames {
            if let (Some((previous, ticks)), true) = (last, self.proven) {
                let gap = timestamp.wrapping_sub(previous.wrapping_add(ticks)) as i32;
                let skipped = index + i64::from(gap) * i64::from(run.scale);
                let frame = content(run, *samples).unwrap_or_default();
                if gap > 0 && !fits(frame, index) && fits(frame, skipped) {
                    index = skipped;
                }
            }
            run.index = index;
            index += *samples as i64;
            last = Some((*timestamp, run.ticks));
        }
    }

    /// The clock of the timestamps.
    pub(crate) const fn clock(&self) -> Option<ClockRate> {
        self.clock
    }

    /// Samples of the packets from `from` to `until` with which nothing was wrong.
    pub(crate) fn samples(&self, from: Instant, until: Instant) -> u64 {
        self.runs
            .values()
            .filter(|run| run.is_good && (from..=until).contains(&run.at))
            .map(|run| u64::from(run.ticks) * u64::from(run.scale))
            .sum()
    }

    /// The origin of the sample that was sent under `timestamp`.
    pub(crate) fn origin(&self, timestamp: u32) -> Option<Origin> {
        // Timestamps wrap: what has none before it may belong to the last of the map.
        let (start, run) = self
            .runs
            .range(..=timestamp)
            .next_back()
            .or_else(|| self.runs.last_key_value())?;
        let into = timestamp.wrapping_sub(*start);
        let left = run.ticks.checked_sub(into)?;
        if left == 0 {
            return None;
        }
        let into_packet = into.saturating_mul(run.scale);
        Some(Origin {
            index: run.index + i64::from(into_packet),
            offset: run.offset + into_packet as usize,
            sent_at: run.at,
            into_packet,
            left: left.saturating_mul(run.scale),
        })
    }
}

/// Whether a frame is loud and varied enough to be known again.
fn is_telling(frame: &[i16]) -> bool {
    let loud = frame.iter().filter(|s| s.unsigned_abs() > 500).count();
    frame.len() >= 40 && loud > frame.len() / 4
}
