//! L16: uncompressed sound in network byte order (RFC 3551 section 4.5.11).

use std::time::Duration;

use msp_core::id::PayloadType;
use msp_core::time::ClockRate;

use crate::g711::room;
use crate::{CodecError, CodecErrorKind, CodecFactory, CodecInfo, Decoder, Encoder, Framing};

const NAME: &str = "L16";

/// L16 with one channel at some sample rate.
#[derive(Clone, Copy, Debug)]
pub struct L16 {
    info: CodecInfo,
}

impl L16 {
    /// L16 at 8,000 Hz.
    pub const HZ_8000: Self = Self::mono(ClockRate::HZ_8000);
    /// L16 at 16,000 Hz.
    pub const HZ_16000: Self = Self::mono(ClockRate::new(16_000).unwrap());
    /// L16 at 44,100 Hz, which has a payload type for good: 11.
    pub const HZ_44100: Self = Self::mono(ClockRate::new(44_100).unwrap());
    /// L16 at 48,000 Hz.
    pub const HZ_48000: Self = Self::mono(ClockRate::new(48_000).unwrap());

    /// L16 with one channel at `rate`.
    ///
    /// The default packet holds 20 ms as RFC 3551 section 4.2 has it, and 10 ms above 32,000 Hz, where 20 ms would not
    /// fit an Ethernet frame.
    pub const fn mono(rate: ClockRate) -> Self {
        Self {
            info: CodecInfo {
                name: NAME,
                clock: rate,
                sample_rate: rate,
                channels: 1,
                static_payload_type: if rate.hz() == 44_100 {
                    Some(PayloadType(11))
                } else {
                    None
                },
                default_ptime: Duration::from_millis(if rate.hz() > 32_000 { 10 } else { 20 }),
                framing: Framing::Sample { bits: 16 },
            },
        }
    }
}

struct BigEndian;

impl Encoder for BigEndian {
    fn encode(&mut self, pcm: &[i16], out: &mut [u8]) -> Result<usize, CodecError> {
        let out = room(NAME, out, pcm.len() * 2)?;
        for (bytes, sample) in out.chunks_exact_mut(2).zip(pcm) {
            bytes.copy_from_slice(&sample.to_be_bytes());
        }
        Ok(out.len())
    }

    fn reset(&mut self) {}
}

impl Decoder for BigEndian {
    fn decode(&mut self, payload: &[u8], out: &mut [i16]) -> Result<usize, CodecError> {
        let (pairs, rest) = payload.as_chunks();
        if !rest.is_empty() {
            return Err(CodecError::new(
                CodecErrorKind::PayloadLength { len: payload.len() },
                NAME,
            ));
        }
        let out = room(NAME, out, pairs.len())?;
        for (sample, pair) in out.iter_mut().zip(pairs) {
            *sample = i16::from_be_bytes(*pair);
        }
        Ok(pairs.len())
    }

    fn reset(&mut self) {}
}

impl CodecFactory for L16 {
    fn info(&self) -> &CodecInfo {
        &self.info
    }

    fn encoder(&self) -> Box<dyn Encoder> {
        Box::new(BigEndian)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(BigEndian)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_significant_byte_goes_first() {
        let mut payload = [0; 4];
        assert_eq!(
            L16::HZ_8000.encoder().encode(&[0x1234, -2], &mut payload),
            Ok(4)
        );
        assert_eq!(payload, [0x12, 0x34, 0xff, 0xfe]);
        let mut pcm = [0; 2];
        assert_eq!(L16::HZ_8000.decoder().decode(&payload, &mut pcm), Ok(2));
        assert_eq!(pcm, [0x1234, -2]);
    }

    #[test]
    fn half_a_sample_is_refused() {
        let error = L16::HZ_8000
            .decoder()
            .decode(&[1, 2, 3], &mut [0; 2])
            .unwrap_err();
        assert_eq!(error.kind(), CodecErrorKind::PayloadLength { len: 3 });
        assert!(
            L16::HZ_8000
                .decoder()
                .decode(&[1, 2, 3, 4], &mut [0; 1])
                .is_err()
        );
        assert!(L16::HZ_8000.encoder().encode(&[1], &mut [0; 1]).is_err());
    }

    #[test]
    fn a_default_packet_fits_an_ethernet_frame() {
        for codec in [L16::HZ_8000, L16::HZ_16000, L16::HZ_44100, L16::HZ_48000] {
            let info = codec.info();
            let bytes = info.payload_bytes(info.default_ptime).unwrap();
            assert!(bytes <= 1460, "{info}: {bytes}");
        }
        assert_eq!(
            L16::HZ_44100.info().static_payload_type,
            Some(PayloadType(11))
        );
        assert_eq!(L16::HZ_48000.info().static_payload_type, None);
    }
}
