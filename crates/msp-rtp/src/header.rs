//! Writing an RTP header in place.

use msp_core::id::{PayloadType, SequenceNumber, Ssrc};

use crate::view::FIXED_HEADER;

/// The fields of a header without contributing sources, extension and padding (RFC 3550 section 5.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RtpHeader {
    /// The marker bit: for sound, the first packet after silence (RFC 3551 section 4.1).
    pub marker: bool,
    /// The payload type.
    pub payload_type: PayloadType,
    /// The sequence number.
    pub sequence: SequenceNumber,
    /// The timestamp of the first sample.
    pub timestamp: u32,
    /// The source.
    pub ssrc: Ssrc,
}

impl RtpHeader {
    /// The bytes of the header.
    pub fn bytes(&self) -> [u8; FIXED_HEADER] {
        let mut bytes = [0; FIXED_HEADER];
        bytes[0] = 0x80;
        bytes[1] = u8::from(self.marker) << 7 | (self.payload_type.0 & 0x7f);
        bytes[2..4].copy_from_slice(&self.sequence.0.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.ssrc.0.to_be_bytes());
        bytes
    }

    /// Writes the header right in front of the payload that begins at `payload_at`, and returns where the packet
    /// begins; `None` if there is no room.
    pub fn write_before(&self, buffer: &mut [u8], payload_at: usize) -> Option<usize> {
        let start = payload_at.checked_sub(FIXED_HEADER)?;
        buffer
            .get_mut(start..payload_at)?
            .copy_from_slice(&self.bytes());
        Some(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::RtpView;
    use proptest::prelude::*;

    #[test]
    fn the_header_goes_right_before_the_payload() {
        let header = RtpHeader {
            marker: true,
            payload_type: PayloadType(101),
            sequence: SequenceNumber(0x1234),
            timestamp: 0x0102_0304,
            ssrc: Ssrc(0x0a0b_0c0d),
        };
        let mut buffer = [0xee; 16];
        assert_eq!(header.write_before(&mut buffer, 14), Some(2));
        assert_eq!(
            buffer,
            [
                0xee, 0xee, 0x80, 0xe5, 0x12, 0x34, 1, 2, 3, 4, 10, 11, 12, 13, 0xee, 0xee
            ]
        );
        assert_eq!(header.write_before(&mut buffer, 11), None);
        assert_eq!(header.write_before(&mut buffer, 17), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(marker: bool, pt in 0u8..128, seq: u16, timestamp: u32, ssrc: u32) {
            let header = RtpHeader {
                marker,
                payload_type: PayloadType(pt),
                sequence: SequenceNumber(seq),
                timestamp,
                ssrc: Ssrc(ssrc),
            };
            let bytes = header.bytes();
            let view = RtpView::parse(&bytes).unwrap();
            let read = RtpHeader {
                marker: view.marker(),
                payload_type: view.payload_type(),
                sequence: view.sequence(),
                timestamp: view.timestamp(),
                ssrc: view.ssrc(),
            };
            prop_assert_eq!(read, header);
        }
    }
}
