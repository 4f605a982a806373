//! The sending side of one stream: sound into packets, numbers, timestamps that follow time.

use std::ops::Range;
use std::time::Duration;

use msp_codecs::{CodecInfo, Encoder};
use msp_core::id::{PayloadType, SequenceNumber, Ssrc};
use msp_core::stats::DropReason;
use msp_core::terminal::FRAME;
use msp_core::time::Instant;

use crate::header::RtpHeader;
use crate::packet::{HEADROOM, MAX_PAYLOAD, TAILROOM};
use crate::reach::Tell;

/// The least and the most sound in a packet that we send.
pub const PTIME: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(10)..=Duration::from_millis(60);

/// What sound is sent as.
pub struct SendCodec {
    payload_type: PayloadType,
    info: CodecInfo,
    encoder: Box<dyn Encoder>,
    ptime: Duration,
    /// Sound that waits for a packet to be full: a packet, and one frame behind a gap.
    pcm: Vec<i16>,
}

impl SendCodec {
    /// Sound of `info` through `encoder`. The packet time is rounded to whole frames of 10 ms, kept in [`PTIME`], and
    /// made short enough for a payload to fit [`MAX_PAYLOAD`].
    pub fn new(
        payload_type: PayloadType,
        info: CodecInfo,
        encoder: Box<dyn Encoder>,
        ptime: Duration,
    ) -> Self {
        let frames = (ptime.as_nanos() / FRAME.as_nanos()) as u32;
        let mut ptime = (FRAME * frames).clamp(*PTIME.start(), *PTIME.end());
        while ptime > FRAME && info.max_payload_bytes(ptime) > MAX_PAYLOAD {
            ptime -= FRAME;
        }
        Self {
            payload_type,
            encoder,
            ptime,
            pcm: Vec::with_capacity(info.samples_in(ptime) + info.samples_in(FRAME)),
            info,
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

    /// How much sound a packet holds.
    pub const fn ptime(&self) -> Duration {
        self.ptime
    }

    /// How many frames of 10 ms a packet holds.
    pub const fn packet_frames(&self) -> u32 {
        (self.ptime.as_nanos() / FRAME.as_nanos()) as u32
    }

    /// Whether `other` codes in the same way under the same payload type.
    pub fn same_as(&self, other: &Self) -> bool {
        self.payload_type == other.payload_type
            && self.info == other.info
            && self.ptime == other.ptime
    }

    pub(crate) fn touches(&self, tell: &mut Tell<impl FnMut(*const u8, usize)>) {
        // What waits is read, and what comes is written behind it.
        let octets = size_of::<i16>() * self.pcm.capacity();
        (tell.0)(self.pcm.as_ptr().cast(), octets);
    }

    fn frame_samples(&self) -> usize {
        self.info.samples_in(FRAME)
    }

    fn packet_samples(&self) -> usize {
        self.info.samples_in(self.ptime)
    }

    fn ticks(&self, samples: usize) -> u32 {
        self.info.ticks_of(samples) as u32
    }
}

impl std::fmt::Debug for SendCodec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SendCodec({}, {:?})", self.info, self.ptime)
    }
}

/// State of a [`Sender`] as plain data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SenderState {
    /// Our source.
    pub ssrc: Ssrc,
    /// The number of the next packet.
    pub sequence: SequenceNumber,
    /// The timestamp of the next sample that goes into a packet.
    pub timestamp: u32,
    /// Packets sent.
    pub packets: u64,
    /// Octets of their payloads.
    pub octets: u64,
}

/// Puts sound into packets.
///
/// Each 10 ms it takes a frame, or hears that there is none; then it gives the packets that are ready. Time that passes
/// without sound moves the timestamp but not the sequence number, and the packet after it bears the marker.
// The state last: in a session it lies beside what each packet that comes looks at.
#[derive(Debug)]
#[repr(C)]
pub struct Sender {
    codec: Option<SendCodec>,
    /// So many samples go into a packet of their own, because a gap of so many ticks follows them.
    split: Option<(usize, u32)>,
    marker: bool,
    last_frame: Option<Instant>,
    last_sent: Option<Instant>,
    state: SenderState,
}

impl Sender {
    /// Where its state lies, in octets from its start.
    pub(crate) const STATE: usize = std::mem::offset_of!(Self, state);

    /// A sender that begins with these numbers, which must be random (RFC 3550 section 5.1).
    pub const fn new(ssrc: Ssrc, sequence: SequenceNumber, timestamp: u32) -> Self {
        Self {
            state: SenderState {
                ssrc,
                sequence,
                timestamp,
                packets: 0,
                octets: 0,
            },
            codec: None,
            split: None,
            marker: true,
            last_frame: None,
            last_sent: None,
        }
    }

    /// Sends with `codec` from now on, and returns the one before. Sound that waited is dropped.
    pub fn set_codec(&mut self, codec: Option<SendCodec>) -> Option<SendCodec> {
        if let Some(old) = &self.codec {
            self.state.timestamp = self
                .state
                .timestamp
                .wrapping_add(old.ticks(old.pcm.len()))
                .wrapping_add(self.split.map_or(0, |(_, gap)| gap));
        }
        self.split = None;
        self.marker = true;
        std::mem::replace(&mut self.codec, codec)
    }

    /// The codec in use.
    pub const fn codec(&self) -> Option<&SendCodec> {
        self.codec.as_ref()
    }

    /// Takes the frame of the tick at `now`, `None` when there is no sound. `now` is the time that the tick was due, so
    /// ticks that were skipped show as a gap.
    ///
    /// # Errors
    /// [`DropReason::SendLate`] when packets before it were not fetched, and [`DropReason::BadPayload`] when the frame
    /// is not 10 ms long: the sound is dropped.
    pub fn frame(&mut self, now: Instant, frame: Option<&[i16]>) -> Result<(), DropReason> {
        let outcome = self.catch_up(now);
        let Some(codec) = &mut self.codec else {
            return Ok(());
        };
        let length = codec.frame_samples();
        let ticks = codec.ticks(length);
        match frame {
            Some(frame) if frame.len() == length => codec.pcm.extend_from_slice(frame),
            Some(_) => {
                self.gap(ticks);
                return Err(DropReason::BadPayload);
            }
            None => self.gap(ticks),
        }
        outcome
    }

    /// Lets the timestamp follow time up to the tick at `now`, and makes room for its frame; [`frame`](Self::frame)
    /// does it too.
    ///
    /// # Errors
    /// [`DropReason::SendLate`] when packets before it were not fetched: the sound is dropped.
    pub fn catch_up(&mut self, now: Instant) -> Result<(), DropReason> {
        if self.last_frame == Some(now) {
            return Ok(());
        }
        let skipped = self.last_frame.map_or(0, |last| {
            let passed = now.saturating_since(last) + FRAME / 2;
            (passed.as_nanos() / FRAME.as_nanos()).saturating_sub(1) as u32
        });
        self.last_frame = Some(now);
        let Some(codec) = &self.codec else {
            return Ok(());
        };
        let full = codec.packet_samples();
        let ticks = codec.ticks(codec.frame_samples());
        let mut outcome = Ok(());
        if codec.pcm.len() >= full || self.split.is_some() {
            let waiting = codec.ticks(codec.pcm.len());
            outcome = Err(DropReason::SendLate);
            self.skip(waiting);
        }
        if skipped > 0 {
            self.gap(ticks.wrapping_mul(skipped));
        }
        outcome
    }

    /// Drops all sound that waits, `ticks` of it.
    fn skip(&mut self, ticks: u32) {
        if let Some(codec) = &mut self.codec {
            codec.pcm.clear();
        }
        let gap = self.split.take().map_or(0, |(_, gap)| gap);
        self.state.timestamp = self.state.timestamp.wrapping_add(ticks).wrapping_add(gap);
        self.marker = true;
    }

    fn gap(&mut self, ticks: u32) {
        let waiting = self.codec.as_ref().map_or(0, |c| c.pcm.len());
        match &mut self.split {
            Some((_, gap)) => *gap = gap.wrapping_add(ticks),
            None if waiting > 0 => self.split = Some((waiting, ticks)),
            None => {
                self.state.timestamp = self.state.timestamp.wrapping_add(ticks);
                self.marker = true;
            }
        }
    }

    /// Writes the next packet of sound that is ready into `buffer`, its payload at [`HEADROOM`], and returns where it
    /// lies.
    ///
    /// # Errors
    /// [`DropReason::BadPayload`] when the encoder refuses or `buffer` is too short; the sound is dropped.
    pub fn packet(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
    ) -> Option<Result<Range<usize>, DropReason>> {
        let codec = self.codec.as_mut()?;
        let (samples, gap) = match self.split {
            Some((samples, gap)) => (samples, gap),
            None if codec.pcm.len() >= codec.packet_samples() => (codec.packet_samples(), 0),
            None => return None,
        };
        self.split = None;
        let ticks = codec.ticks(samples);
        let payload_type = codec.payload_type;
        let room = buffer.len().saturating_sub(TAILROOM);
        let encoded = match (codec.pcm.get(..samples), buffer.get_mut(HEADROOM..room)) {
            (Some(pcm), Some(out)) => codec.encoder.encode(pcm, out).ok(),
            _ => None,
        };
        let rest = codec.pcm.len() - samples;
        codec.pcm.copy_within(samples.., 0);
        codec.pcm.truncate(rest);
        let packet = encoded.and_then(|len| {
            let timestamp = self.state.timestamp;
            self.finish(now, buffer, len, payload_type, timestamp, self.marker)
        });
        self.state.timestamp = self.state.timestamp.wrapping_add(ticks).wrapping_add(gap);
        self.marker = gap > 0 || packet.is_none();
        Some(packet.ok_or(DropReason::BadPayload))
    }

    /// Puts a header before a payload of `len` bytes that lies at [`HEADROOM`], numbers it and counts it.
    pub fn finish(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
        len: usize,
        payload_type: PayloadType,
        timestamp: u32,
        marker: bool,
    ) -> Option<Range<usize>> {
        let header = RtpHeader {
            marker,
            payload_type,
            sequence: self.state.sequence,
            timestamp,
            ssrc: self.state.ssrc,
        };
        let end = HEADROOM.checked_add(len).filter(|e| *e <= buffer.len())?;
        let start = header.write_before(buffer, HEADROOM)?;
        self.state.sequence = self.state.sequence.wrapping_add(1);
        self.state.packets += 1;
        self.state.octets += len as u64;
        self.last_sent = Some(now);
        Some(start..end)
    }

    /// The timestamp of sound that is captured at `now`.
    pub fn timestamp_at(&self, now: Instant) -> u32 {
        let Some(codec) = &self.codec else {
            return self.state.timestamp;
        };
        let since = self
            .last_frame
            .map_or(Duration::ZERO, |last| now.saturating_since(last));
        self.state
            .timestamp
            .wrapping_add(codec.ticks(codec.pcm.len()))
            .wrapping_add(self.split.map_or(0, |(_, gap)| gap))
            .wrapping_add(codec.info.clock.ticks(since) as u32)
    }

    /// The timestamp of the next frame.
    pub fn next_timestamp(&self) -> u32 {
        self.timestamp_at(self.last_frame.unwrap_or(Instant::ZERO))
    }

    /// Whether a packet has sound already, but not enough.
    pub fn has_begun(&self) -> bool {
        self.codec.as_ref().is_some_and(|c| !c.pcm.is_empty())
    }

    /// When the last packet left, of sound or not.
    pub const fn last_sent(&self) -> Option<Instant> {
        self.last_sent
    }

    /// Another source from now on, because ours collided (RFC 3550 section 8.2).
    pub fn change_ssrc(&mut self, ssrc: Ssrc) {
        self.state.ssrc = ssrc;
        self.state.packets = 0;
        self.state.octets = 0;
        self.marker = true;
    }

    /// The state as plain data.
    pub const fn state(&self) -> &SenderState {
        &self.state
    }

    /// Goes on from `state`.
    pub const fn restore(&mut self, state: &SenderState) {
        self.state = *state;
        self.marker = true;
    }
}

#[cfg(test)]
mod tests;
