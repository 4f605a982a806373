//! What is known of a codec without making one.

use std::fmt;
use std::time::Duration;

use msp_core::id::PayloadType;
use msp_core::time::ClockRate;

/// A codec as the registry of media types and RFC 3551 describe it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CodecInfo {
    /// The encoding name of the media type, as in `a=rtpmap`: `PCMU`, `L16`. Case does not count.
    pub name: &'static str,
    /// The clock of RTP timestamps. For G.722 it is 8,000 Hz, which is not its sample rate (RFC 3551 4.5.2).
    pub clock: ClockRate,
    /// Samples a second of the PCM that goes in and comes out.
    pub sample_rate: ClockRate,
    /// Channels, interleaved in PCM.
    pub channels: u8,
    /// The payload type that RFC 3551 section 6 gives it for good; `None` if it needs one from 96 to 127.
    pub static_payload_type: Option<PayloadType>,
    /// How much sound a packet holds if nobody asks for anything else.
    pub default_ptime: Duration,
    /// How the length of a payload goes with the length of the sound.
    pub framing: Framing,
}

/// How the length of a payload goes with the length of the sound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Framing {
    /// Each sample takes the same number of bits, so a packet may end after any whole byte (RFC 3551 section 4.3).
    Sample {
        /// Bits a sample: 8 for G.711, 16 for L16, 4 for G.722.
        bits: u8,
    },
    /// Only the decoder knows how much sound a payload holds.
    Variable {
        /// No payload is longer than this many bytes.
        max_bytes: usize,
        /// No payload holds more sound than this.
        max_duration: Duration,
    },
}

impl CodecInfo {
    /// Samples of all channels in `duration` of sound, rounded down to whole samples.
    pub fn samples_in(&self, duration: Duration) -> usize {
        usize::try_from(self.sample_rate.ticks(duration))
            .unwrap_or(usize::MAX)
            .saturating_mul(usize::from(self.channels))
    }

    /// How long `samples` samples of all channels together last.
    pub fn duration_of(&self, samples: usize) -> Duration {
        self.sample_rate
            .duration(samples as u64 / u64::from(self.channels.max(1)))
    }

    /// Ticks of the RTP clock that `samples` samples of all channels together take.
    pub fn ticks_of(&self, samples: usize) -> u64 {
        let each = samples as u64 / u64::from(self.channels.max(1));
        let (clock, rate) = (u64::from(self.clock.hz()), u64::from(self.sample_rate.hz()));
        if clock == rate {
            return each;
        }
        let part = each % rate * clock / rate;
        (each / rate).saturating_mul(clock).saturating_add(part)
    }

    /// Bytes of a payload that holds `duration` of sound; `None` if that depends on the sound.
    pub fn payload_bytes(&self, duration: Duration) -> Option<usize> {
        match self.framing {
            Framing::Sample { bits } => Some(bytes_for(self.samples_in(duration), bits)),
            Framing::Variable { .. } => None,
        }
    }

    /// Bytes that a payload of `duration` of sound never exceeds.
    pub fn max_payload_bytes(&self, duration: Duration) -> usize {
        match self.framing {
            Framing::Sample { bits } => bytes_for(self.samples_in(duration), bits),
            Framing::Variable { max_bytes, .. } => max_bytes,
        }
    }

    /// Samples of all channels that a payload of `len` bytes holds; `None` if no payload can be that long, or if
    /// only the decoder knows.
    pub fn samples(&self, len: usize) -> Option<usize> {
        match self.framing {
            Framing::Sample { bits } => {
                let bits = usize::from(bits.max(1));
                let total = len.checked_mul(8)?;
                let samples = total / bits;
                (total % bits == 0 && samples % usize::from(self.channels.max(1)) == 0)
                    .then_some(samples)
            }
            Framing::Variable { .. } => None,
        }
    }

    /// Samples of all channels that a payload of `len` bytes never exceeds.
    pub fn max_samples(&self, len: usize) -> usize {
        match self.framing {
            Framing::Sample { bits } => len.saturating_mul(8) / usize::from(bits.max(1)),
            Framing::Variable { max_duration, .. } => self.samples_in(max_duration),
        }
    }

    /// Whether an `a=rtpmap` line means this codec. Names are compared without regard to case (RFC 8866 section 6.6).
    pub fn is(&self, name: &str, clock_hz: u32, channels: u8) -> bool {
        self.name.eq_ignore_ascii_case(name)
            && self.clock.hz() == clock_hz
            && self.channels == channels
    }
}

fn bytes_for(samples: usize, bits: u8) -> usize {
    samples.saturating_mul(usize::from(bits)).div_ceil(8)
}

/// As `a=rtpmap` writes it: one channel is left out (RFC 8866 section 6.6).
impl fmt::Display for CodecInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name, self.clock.hz())?;
        if self.channels != 1 {
            write!(f, "/{}", self.channels)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const G722: CodecInfo = CodecInfo {
        name: "G722",
        clock: ClockRate::HZ_8000,
        sample_rate: ClockRate::new(16_000).unwrap(),
        channels: 1,
        static_payload_type: Some(PayloadType(9)),
        default_ptime: Duration::from_millis(20),
        framing: Framing::Sample { bits: 4 },
    };

    #[test]
    fn g722_counts_twice_as_many_samples_as_ticks() {
        let frame = Duration::from_millis(20);
        assert_eq!(G722.samples_in(frame), 320);
        assert_eq!(G722.payload_bytes(frame), Some(160));
        assert_eq!(G722.ticks_of(320), 160);
        assert_eq!(G722.samples(160), Some(320));
        assert_eq!(G722.max_samples(160), 320);
        assert_eq!(G722.duration_of(320), frame);
        assert_eq!(G722.to_string(), "G722/8000");
    }

    #[test]
    fn stereo_counts_both_channels() {
        let l16 = CodecInfo {
            name: "L16",
            clock: ClockRate::new(44_100).unwrap(),
            sample_rate: ClockRate::new(44_100).unwrap(),
            channels: 2,
            static_payload_type: Some(PayloadType(10)),
            framing: Framing::Sample { bits: 16 },
            ..G722
        };
        let frame = Duration::from_millis(10);
        assert_eq!(l16.samples_in(frame), 882);
        assert_eq!(l16.payload_bytes(frame), Some(1764));
        assert_eq!(l16.ticks_of(882), 441);
        assert_eq!(l16.duration_of(882), frame);
        assert_eq!(l16.samples(4), Some(2));
        assert_eq!(l16.samples(2), None, "half of a pair");
        assert_eq!(l16.samples(3), None);
        assert_eq!(l16.to_string(), "L16/44100/2");
    }

    #[test]
    fn a_codec_of_variable_length_knows_only_its_bounds() {
        let opus = CodecInfo {
            name: "opus",
            clock: ClockRate::new(48_000).unwrap(),
            sample_rate: ClockRate::new(48_000).unwrap(),
            channels: 2,
            static_payload_type: None,
            framing: Framing::Variable {
                max_bytes: 1275,
                max_duration: Duration::from_millis(120),
            },
            ..G722
        };
        assert_eq!(opus.payload_bytes(Duration::from_millis(20)), None);
        assert_eq!(opus.samples(100), None);
        assert_eq!(opus.max_payload_bytes(Duration::from_millis(20)), 1275);
        assert_eq!(opus.max_samples(100), 11_520);
        assert!(opus.is("OPUS", 48_000, 2));
        assert!(!opus.is("opus", 48_000, 1));
    }
}
