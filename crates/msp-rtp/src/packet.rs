//! What a datagram on a media port is, told by its first bytes, and the room that packets are built in.

/// Bytes in front of an RTP payload in a send buffer: the header, and what later layers put before it.
pub const HEADROOM: usize = 64;
/// Bytes kept free behind a payload: authentication tag and key identifier.
pub const TAILROOM: usize = 32;
/// The longest payload that we send: with all headers it fits an Ethernet frame on IPv4 and IPv6.
pub const MAX_PAYLOAD: usize = 1400;
/// The length that a send buffer must have.
pub const SEND_BUFFER: usize = HEADROOM + MAX_PAYLOAD + TAILROOM;

/// What a datagram is by its first byte (RFC 7983 section 7) and, for RTP and RTCP, its second (RFC 5761
/// section 4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DatagramClass {
    /// First byte 0 to 3.
    Stun,
    /// First byte 16 to 19.
    Zrtp,
    /// First byte 20 to 63.
    Dtls,
    /// First byte 64 to 79.
    TurnChannel,
    /// First byte 128 to 191, and none of RTCP's types in the second.
    Rtp,
    /// First byte 128 to 191, and a second byte of 192 to 223.
    Rtcp,
    /// Anything else, and what is shorter than two bytes.
    Unknown,
}

impl DatagramClass {
    /// The class of `datagram`.
    pub fn of(datagram: &[u8]) -> Self {
        let &[first, second, ..] = datagram else {
            return Self::Unknown;
        };
        match first {
            0..=3 => Self::Stun,
            16..=19 => Self::Zrtp,
            20..=63 => Self::Dtls,
            64..=79 => Self::TurnChannel,
            // With the marker bit, payload types 64 to 95 look like these: nobody may use them with RTCP beside.
            128..=191 if (192..=223).contains(&second) => Self::Rtcp,
            128..=191 => Self::Rtp,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Shows: what shares a port with RTP is told apart | RFC 7983
    #[test]
    fn every_first_byte_has_the_class_of_rfc_7983() {
        for first in 0..=255u8 {
            let expected = match first {
                0..=3 => DatagramClass::Stun,
                16..=19 => DatagramClass::Zrtp,
                20..=63 => DatagramClass::Dtls,
                64..=79 => DatagramClass::TurnChannel,
                128..=191 => DatagramClass::Rtp,
                _ => DatagramClass::Unknown,
            };
            assert_eq!(DatagramClass::of(&[first, 0, 0]), expected, "{first}");
        }
        assert_eq!(DatagramClass::of(&[0x80]), DatagramClass::Unknown);
    }

    // Shows: RTP and RTCP on one port | RFC 5761
    #[test]
    fn rtcp_is_told_by_payload_types_64_to_95() {
        for second in 0..=255u8 {
            let rtcp = (192..=223).contains(&second);
            let class = DatagramClass::of(&[0x80, second]);
            assert_eq!(class == DatagramClass::Rtcp, rtcp, "{second}");
        }
    }
}
