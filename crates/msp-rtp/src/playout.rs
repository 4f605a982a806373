//! Between network and ear: puts packets in order, waits a little for those that are late, hides what is missing, and
//! names every sample that it gives.
//!
//! Time inside is counted in samples of the output: each packet gets a position, and every pull moves the head by 10 ms. A
//! packet is given to the ear when the head reaches it; what the head reaches without a packet is concealed, or silent
//! where nothing was sent. A timestamp that jumps gets a new relation of timestamps to positions, so that positions only
//! grow.
//!
//! How long packets wait is a matter of the [`PlayoutMode`]. To wait longer the head goes back and says a little of the
//! sound again, to wait shorter it leaps over some, each time by a period of the voice or in a pause; to play a packet
//! that came late from its start it goes back over what was made up meanwhile.

use std::mem::offset_of;
use std::time::Duration;

use msp_codecs::{CodecInfo, Decoder, Framing};
use msp_core::fault::{self, Fault};
use msp_core::id::PayloadType;
use msp_core::stats::{DropCounts, DropReason, PlayoutStats};
use msp_core::terminal::FRAME;
use msp_core::time::{ClockRate, Instant};
use msp_core::trace::PlayoutAction;
use msp_dsp::{Concealer, Resampler, TimeScale};

use crate::error::{Error, ErrorKind};
use crate::reach::{Reach, Tell};

mod adapt;
mod config;
mod cut;
mod delay;
mod events;
mod faults;
mod lead;
mod log;
mod placing;
mod staging;
mod store;

use adapt::Adapting;
pub use config::{PlayoutConfig, PlayoutMode};
use delay::DelayEstimator;
use events::Events;
use faults::PlayoutFaults;
use lead::Lead;
pub use log::SegmentLog;
use store::Store;

/// Packets that wait at most, whatever their length.
pub const MAX_PACKETS: usize = 64;
/// The longest payload that is taken.
pub const MAX_RECEIVED_PAYLOAD: usize = 1500;

/// A payload type that a playout can turn into sound.
pub struct PlayoutCodec {
    payload_type: PayloadType,
    info: CodecInfo,
    decoder: Box<dyn Decoder>,
    /// A payload may be decoded in the pieces in which it is stored.
    in_pieces: bool,
    /// To the rate of the playout, if the codec's is another.
    resampler: Option<Resampler>,
}

impl PlayoutCodec {
    /// Payloads of `payload_type` are `info`'s, and `decoder` reads them.
    pub fn new(payload_type: PayloadType, info: CodecInfo, decoder: Box<dyn Decoder>) -> Self {
        let in_pieces = match info.framing {
            Framing::Sample { bits } => {
                let bits = usize::from(bits) * usize::from(info.channels);
                (8 * store::CHUNK).is_multiple_of(bits)
            }
            _ => false,
        };
        Self {
            payload_type,
            info,
            decoder,
            in_pieces,
            resampler: None,
        }
    }

    /// The payload type.
    pub const fn payload_type(&self) -> PayloadType {
        self.payload_type
    }

    /// What is known of the codec.
    pub const fn info(&self) -> &CodecInfo {
        &self.info
    }
}

impl std::fmt::Debug for PlayoutCodec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PlayoutCodec({} = {})", self.payload_type, self.info)
    }
}

/// A packet of sound that came.
#[derive(Clone, Copy, Debug)]
pub struct PlayoutPacket<'a> {
    /// When it arrived, as exactly as is known.
    pub at: Instant,
    /// Its place in the order of its source, as [`Accepted::place`](crate::receiver::Accepted::place) has it.
    pub place: i64,
    /// Its timestamp.
    pub timestamp: u32,
    /// The first packet after silence, as the peer says.
    pub marker: bool,
    /// Its payload type.
    pub payload_type: PayloadType,
    /// Its payload.
    pub payload: &'a [u8],
}

/// A packet that waits.
#[derive(Clone, Copy, Debug)]
struct Entry {
    place: i64,
    /// Which of the sources one after another it is of.
    source: u32,
    /// Position of its first sample.
    start: i64,
    /// Samples.
    len: i64,
    timestamp: u32,
    payload_type: PayloadType,
    stored: store::Slot,
}

impl Entry {
    const fn end(&self) -> i64 {
        self.start + self.len
    }
}

/// The newest packet: what ties timestamps to positions.
#[derive(Clone, Copy, Debug)]
struct Newest {
    place: i64,
    timestamp: u32,
    start: i64,
    end: i64,
    /// Output samples for each tick as a fraction: the two clocks.
    clock: ClockRate,
}

/// What the decoder made of the packet that the head stands in.
#[derive(Clone, Copy, Debug, Default)]
struct Staged {
    start: i64,
    len: usize,
    timestamp: u32,
    ticks_per_second: u32,
    /// What its samples are called: those of another rate are not as they were sent.
    action: Option<PlayoutAction>,
}

/// Turns packets into a steady stream of samples.
// In the order of use, so that a frame touches few lines of memory: what each packet and frame looks at comes first.
#[derive(Debug)]
#[repr(C)]
pub struct Playout {
    config: PlayoutConfig,
    codecs: Vec<PlayoutCodec>,
    /// In the order of their positions. Few, so that to move them up costs less than a ring that wanders through memory.
    entries: Vec<Entry>,
    store: Store,
    newest: Option<Newest>,
    /// Position of the next sample that is pulled.
    head: i64,
    pulled_at: Option<Instant>,
    /// The first packet came before the first pull: it is placed with that.
    unplaced: Option<Instant>,
    /// Counts the sources, and tells whose packet was decoded last.
    source: u32,
    decoding: u32,
    /// Place of the last packet that was played.
    played_place: Option<i64>,
    staged: Staged,
    pcm: Box<[i16]>,
    /// Samples of the longest packet.
    longest: usize,
    /// Samples made up since the last good one.
    made_up: usize,
    late_run: Option<(Instant, u32)>,
    lead: Lead,
    log: SegmentLog,
    stats: PlayoutStats,
    adapting: Adapting,
    concealer: Concealer,

    events: Events,
    /// Sound at the rate of its codec, where that is another.
    raw: Box<[i16]>,
    drops: DropCounts,
    faults: PlayoutFaults,
}

impl Playout {
    /// A playout of `codecs`. Sound of those whose sample rate is not that of `config` is converted, and named as
    /// stretched or compressed: its samples are not the ones that were sent. The buffer is sized by the first codec.
    ///
    /// # Errors
    /// [`ErrorKind::UnsupportedRate`] for a rate that cannot be concealed or converted, or of which 10 ms are no whole
    /// number of samples; [`ErrorKind::OutOfRange`] for a target above the maximum.
    pub fn new(config: PlayoutConfig, codecs: Vec<PlayoutCodec>) -> Result<Self, Error> {
        let rate = config.rate;
        if !rate.hz().is_multiple_of(100) {
            return Err(Error::new(ErrorKind::UnsupportedRate, "10 ms of it"));
        }
        if config.target > config.max {
            return Err(Error::new(ErrorKind::OutOfRange, "playout target"));
        }
        let concealer = Concealer::new(rate)
            .map_err(|_| Error::new(ErrorKind::UnsupportedRate, "concealment"))?;
        let scale = TimeScale::new(rate)
            .map_err(|_| Error::new(ErrorKind::UnsupportedRate, "time-scaling"))?;
        // Behind what is aimed at there must be room for what comes early.
        let most = config.max.as_nanos() * 3 / 4 / FRAME.as_nanos();
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let delay = DelayEstimator::new(i64::from(rate.hz() / 100), most);
        let mut playout = Self {
            config,
            store: Store::new(0),
            entries: Vec::with_capacity(MAX_PACKETS),
            codecs: Vec::new(),
            newest: None,
            head: 0,
            pulled_at: None,
            unplaced: None,
            source: 0,
            decoding: 0,
            played_place: None,
            events: Events::default(),
            staged: Staged::default(),
            pcm: Box::default(),
            longest: 0,
            raw: Box::default(),
            adapting: Adapting::new(delay, scale),
            concealer,
            made_up: 0,
            late_run: None,
            lead: Lead::new(config.target),
            log: SegmentLog::default(),
            stats: PlayoutStats {
                target: config.target,
                ..PlayoutStats::default()
            },
            drops: DropCounts::default(),
            faults: PlayoutFaults::new(rate),
        };
        playout.equip(codecs, Adapting::room(&scale))?;
        Ok(playout)
    }

    /// Samples a second of what is pulled.
    pub const fn rate(&self) -> ClockRate {
        self.config.rate
    }

    /// Samples of 10 ms.
    pub const fn frame(&self) -> usize {
        (self.config.rate.hz() / 100) as usize
    }

    /// The RTP clock of `payload_type`; `None` if that is none of this playout's.
    pub fn clock(&self, payload_type: PayloadType) -> Option<ClockRate> {
        let codec = self
            .codecs
            .iter()
            .find(|c| c.payload_type == payload_type)?;
        Some(codec.info.clock)
    }

    /// Makes room for `codecs`, which is all that takes memory.
    fn equip(&mut self, mut codecs: Vec<PlayoutCodec>, scaled_at_once: usize) -> Result<(), Error> {
        let rate = self.config.rate;
        let (mut octets, mut samples, mut raw) = (0, 0, 0);
        for (n, codec) in codecs.iter_mut().enumerate() {
            let info = codec.info;
            let length = if n == 0 { self.config.max } else { LEAST_ROOM };
            octets = octets.max(info.max_payload_bytes(length));
            let longest = info.max_samples(MAX_RECEIVED_PAYLOAD);
            samples = samples.max(scaled(longest, info.sample_rate, rate));
            if info.sample_rate != rate {
                let resampler = Resampler::new(info.sample_rate, rate);
                let refuse = |_| Error::new(ErrorKind::UnsupportedRate, info.to_string());
                codec.resampler = Some(resampler.map_err(refuse)?);
                raw = raw.max(longest);
            }
        }
        // Chunks that are not full, and one long packet more.
        self.store = Store::new(octets + octets / 4 + MAX_RECEIVED_PAYLOAD);
        self.longest = samples;
        self.pcm = vec![0; samples + scaled_at_once].into();
        self.raw = vec![0; raw].into();
        self.codecs = codecs;
        Ok(())
    }

    /// Whether `other` would play the same payload types in the same way.
    pub fn same_as(&self, other: &Self) -> bool {
        let same = |(a, b): (&PlayoutCodec, &PlayoutCodec)| {
            a.payload_type == b.payload_type && a.info == b.info
        };
        self.config == other.config
            && self.codecs.len() == other.codecs.len()
            && self.codecs.iter().zip(&other.codecs).all(same)
    }

    /// Goes on counting where `old` ended: log, counts and drops. What waits there is not taken over.
    pub fn follow(&mut self, old: &mut Self) {
        std::mem::swap(&mut self.log, &mut old.log);
        self.log.change_rate(old.config.rate, self.config.rate);
        self.stats = PlayoutStats {
            target: self.config.target,
            ..old.stats
        };
        self.drops = old.drops;
        self.hold_still(old.is_still());
        if self.config.rate == old.config.rate && self.config.max == old.config.max {
            std::mem::swap(&mut self.adapting.delay, &mut old.adapting.delay);
            self.adapting.delay.begin_anew();
        }
    }

    /// Takes a packet. Its order is that of its place; its time to be heard follows from its timestamp.
    ///
    /// # Errors
    /// [`DropReason::UnknownPayloadType`], [`DropReason::BadPayload`], [`DropReason::Late`],
    /// [`DropReason::Duplicate`] or [`DropReason::BufferFull`]; it is not played. The caller counts it.
    pub fn insert(&mut self, packet: &PlayoutPacket<'_>) -> Result<(), DropReason> {
        let codec = self
            .codecs
            .iter()
            .find(|c| c.payload_type == packet.payload_type)
            .ok_or(DropReason::UnknownPayloadType)?;
        let info = codec.info;
        if packet.payload.is_empty() {
            // A keep-alive: it takes a number but no time.
            self.events.note(packet.place);
            return Ok(());
        }
        let len = expected_samples(&info, packet.payload.len(), self.config.rate)
            .ok_or(DropReason::BadPayload)?;
        if packet.payload.len() > MAX_RECEIVED_PAYLOAD || len as usize > self.longest {
            return Err(DropReason::BadPayload);
        }
        let start = self.locate(packet, len, info.clock)?;
        let end = start + len;
        let mut in_order = self.newest.is_none_or(|n| packet.place > n.place);
        let mut timestamp = packet.timestamp;
        if fault::is_on(Fault::IgnoreOrder)
            && let Some(newest) = &self.newest
        {
            // What comes next is taken for what follows.
            timestamp = newest
                .timestamp
                .wrapping_add(info.ticks_of((newest.end - newest.start) as usize) as u32);
            in_order = true;
        }
        let index = self
            .entries
            .iter()
            .rposition(|e| e.start <= start)
            .map_or(0, |n| n + 1);
        if let Some(before) = index.checked_sub(1).and_then(|n| self.entries.get(n))
            && before.source == self.source
            && (before.place == packet.place || before.start == start)
        {
            return Err(DropReason::Duplicate);
        }
        self.measure(packet.at, start, len);
        if self.entries.len() >= MAX_PACKETS {
            return Err(DropReason::BufferFull);
        }
        let stored = self
            .store
            .put(packet.payload)
            .ok_or(DropReason::BufferFull)?;
        self.entries.insert(
            index,
            Entry {
                place: packet.place,
                source: self.source,
                start,
                len,
                timestamp,
                payload_type: packet.payload_type,
                stored,
            },
        );
        if in_order {
            self.newest = Some(Newest {
                place: packet.place,
                timestamp,
                start,
                end,
                clock: info.clock,
            });
        }
        if self.unplaced.is_none() {
            self.lead.note(self.due(start), packet.at);
        }
        Ok(())
    }

    /// A telephone event with timestamp `timestamp` lasts for `ticks` so far: it took a number, and no sound is missing
    /// there.
    pub fn event(&mut self, place: i64, timestamp: u32, ticks: u32) {
        self.events.note(place);
        let Some(newest) = self.newest else {
            return;
        };
        let start =
            newest.start + self.samples(timestamp.wrapping_sub(newest.timestamp), newest.clock);
        let end = start + self.samples(ticks.min(i32::MAX as u32), newest.clock);
        if end > self.head && start < self.head + self.span(self.config.max) {
            self.events.until = self.events.until.max(Some(end));
        }
    }

    /// Another source follows: nothing is known of its places and timestamps. What waits of the old one is played.
    pub fn reset(&mut self) {
        self.source = self.source.wrapping_add(1);
        self.newest = None;
        self.events = Events::default();
        self.late_run = None;
        self.lead = Lead::new(self.config.target);
        self.adapting.delay.begin_anew();
    }

    /// Fills `out`, which must be 10 ms, with the sound of the tick that is due at `now`.
    pub fn pull(&mut self, now: Instant, out: &mut [i16]) {
        if self
            .pulled_at
            .is_some_and(|at| now.saturating_since(at) > self.config.max)
        {
            self.forget();
        }
        if let Some(arrived) = self.unplaced.take() {
            self.place_first(now, arrived);
        }
        self.pulled_at = Some(now);
        self.cut_unnamed();
        self.adapt();
        if !self.cut(out) {
            let mut rest = &mut *out;
            while !rest.is_empty() {
                let done = self.fill(rest);
                rest = rest.get_mut(done..).unwrap_or_default();
            }
        }
        self.stats.depth = self.config.rate.duration(
            self.newest
                .map_or(0, |n| n.end - self.head)
                .try_into()
                .unwrap_or(0),
        );
        self.faults.shift(out);
    }

    pub(crate) fn touches(&self, reach: Reach, tell: &mut Tell<impl FnMut(*const u8, usize)>) {
        if reach == Reach::Parts {
            tell.part(self, 0..offset_of!(Self, concealer) + Concealer::IN_USE);
        } else if reach == Reach::Buffers {
            if let Some(first) = self.codecs.first() {
                tell.value(first);
            }
            // What waits, and the place behind it.
            let octets = (self.entries.len() + 1) * size_of::<Entry>();
            (tell.0)(self.entries.as_ptr().cast(), octets);
            self.store.touches_free(tell);
            let next = self.newest.map(|n| n.end - n.start);
            let samples = next.and_then(|len| usize::try_from(len).ok());
            if let Some(pcm) = self.pcm.get(..samples.unwrap_or(0)) {
                tell.value(pcm);
            }
            tell.value(self.concealer.next_history());
        } else if let Some(next) = self.entries.first() {
            self.store.touches(next.stored, tell);
        }
    }

    /// Nobody pulled for long: what waits is history.
    fn forget(&mut self) {
        for entry in self.entries.drain(..) {
            self.store.free(entry.stored);
            self.drops.count(DropReason::Late);
            self.stats.discarded += 1;
        }
        self.staged.len = 0;
        self.reset();
    }

    /// What was given so far, stretch by stretch.
    pub const fn log(&mut self) -> &mut SegmentLog {
        &mut self.log
    }

    /// The counts.
    pub const fn stats(&self) -> &PlayoutStats {
        &self.stats
    }

    /// Packets that were dropped after [`insert`](Self::insert) had taken them.
    pub const fn drops(&self) -> &DropCounts {
        &self.drops
    }

    /// Gives decoded sound: bit by bit as it came, but for what is blended after a gap.
    fn play(&mut self, out: &mut [i16]) {
        let timestamp = self.staged_timestamp(self.head);
        let action = self.action();
        let changed = self.concealer.good(out);
        self.made_up = 0;
        self.adapting.sounded(out.len());
        self.advance(changed, PlayoutAction::Blended, Some(timestamp));
        let rest = self.staged_timestamp(self.head);
        self.advance(out.len() - changed, action, Some(rest));
    }

    /// Gives something where no packet is.
    fn miss(&mut self, out: &mut [i16]) {
        self.adapting.made_up(out.len());
        if self.is_silent() {
            out.fill(0);
            let tail = self.concealer.good(out);
            self.advance(tail, PlayoutAction::Concealed, None);
            self.advance(out.len() - tail, PlayoutAction::Silence, None);
        } else {
            self.concealer.conceal(out);
            self.made_up += out.len();
            self.advance(out.len(), PlayoutAction::Concealed, None);
        }
    }

    /// Whether there is nothing to hear at the head, rather than something that is missing.
    fn is_silent(&self) -> bool {
        self.newest.is_none()
            || self.events.until.is_some_and(|until| self.head < until)
            || self.made_up >= self.span(FADED) as usize
            || self.nothing_was_lost()
    }

    /// Whether the packet behind the head directly follows the last one played, events and keep-alives counted: its
    /// sender was silent in between.
    fn nothing_was_lost(&self) -> bool {
        let (Some(played), Some(next)) = (self.played_place, self.entries.first()) else {
            // Before the first packet of a source nothing can be lost.
            return self.played_place.is_none();
        };
        next.source != self.decoding || self.events.fill(played, next.place)
    }

    fn advance(&mut self, samples: usize, action: PlayoutAction, timestamp: Option<u32>) {
        if samples == 0 {
            return;
        }
        self.head += samples as i64;
        self.name(samples, action, timestamp);
    }

    fn name(&mut self, samples: usize, action: PlayoutAction, timestamp: Option<u32>) {
        let timestamp = timestamp.map(|t| t.wrapping_sub(self.faults.hidden()));
        let ticks = u64::from(self.staged.ticks_per_second.max(1));
        self.log
            .add(samples as u32, action, timestamp, ticks, self.config.rate);
        self.adapting.gave(samples);
        let n = samples as u64;
        let stats = &mut self.stats;
        match action {
            PlayoutAction::Normal => stats.normal += n,
            PlayoutAction::Concealed => {
                stats.concealed += n;
                if self.entries.is_empty() {
                    stats.concealed_underrun += n;
                } else {
                    stats.concealed_lost += n;
                }
            }
            PlayoutAction::Comfort => stats.comfort += n,
            PlayoutAction::Silence => stats.silence += n,
            // Sound of the peer, but not one to one.
            _ => {
                stats.warped += n;
                match action {
                    PlayoutAction::Stretched => stats.stretched += n,
                    PlayoutAction::Compressed => stats.compressed += n,
                    _ => {}
                }
            }
        }
    }

    fn span(&self, duration: Duration) -> i64 {
        self.config.rate.ticks(duration) as i64
    }

    /// Output samples for a distance of timestamps.
    fn samples(&self, ticks: u32, clock: ClockRate) -> i64 {
        let ticks = i64::from(ticks as i32);
        ticks * i64::from(self.config.rate.hz()) / i64::from(clock.hz())
    }
}

/// Samples that a payload of `len` bytes holds, or probably holds if only the decoder knows.
fn expected_samples(info: &CodecInfo, len: usize, rate: ClockRate) -> Option<i64> {
    let samples = match info.framing {
        Framing::Sample { .. } => info.samples(len)?,
        _ => info.samples_in(info.default_ptime),
    };
    let samples = samples / usize::from(info.channels.max(1));
    i64::try_from(scaled(samples, info.sample_rate, rate)).ok()
}

/// As many samples at `to` as last as long as `samples` at `from`.
fn scaled(samples: usize, from: ClockRate, to: ClockRate) -> usize {
    let scaled = samples as u64 * u64::from(to.hz()) / u64::from(from.hz());
    usize::try_from(scaled).unwrap_or(usize::MAX)
}

/// Sound that there is room for at least, in a codec other than the first.
const LEAST_ROOM: Duration = Duration::from_millis(120);
/// Concealment is silent from here on.
const FADED: Duration = Duration::from_millis(60);

#[cfg(test)]
mod tests;
