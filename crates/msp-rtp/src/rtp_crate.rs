//! Packets as the crate `rtp` has them. Its own reader trusts what headers say of their length; this goes by ours, which
//! has checked it.

use bytes::Bytes;
use rtp::header::{Extension, Header};
use rtp::packet::Packet;

use crate::view::RtpView;

impl From<&RtpView<'_>> for Packet {
    fn from(view: &RtpView<'_>) -> Self {
        let mut extensions: Vec<_> = view
            .elements()
            .map(|e| Extension {
                id: e.id,
                payload: Bytes::copy_from_slice(e.data),
            })
            .collect();
        let profile = view.extension().map_or(0, |e| e.profile);
        if let Some(extension) = view.extension()
            && !matches!(profile, 0xbede | 0x1000)
        {
            // Of a profile that it does not know the crate keeps the whole as one.
            extensions = vec![Extension {
                id: 0,
                payload: Bytes::copy_from_slice(extension.data),
            }];
        }
        let header = Header {
            version: 2,
            padding: false,
            extension: view.extension().is_some(),
            marker: view.marker(),
            payload_type: view.payload_type().0,
            sequence_number: view.sequence().0,
            timestamp: view.timestamp(),
            ssrc: view.ssrc().0,
            csrc: view.csrc().map(|s| s.0).collect(),
            extension_profile: profile,
            extensions,
            extensions_padding: 0,
        };
        Self {
            header,
            payload: Bytes::copy_from_slice(view.payload()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_goes_over_field_by_field() {
        let bytes = [
            0xb1, 0x88, 0x12, 0x34, 0, 1, 2, 3, 0xde, 0xad, 0xbe, 0xef, 0, 0, 0, 1, 0xbe, 0xde, 0,
            1, 0x10, 0xaa, 0, 0, 0x55, 0x66, 0, 2,
        ];
        let packet = Packet::from(&RtpView::parse(&bytes).unwrap());
        let header = &packet.header;
        assert_eq!((header.payload_type, header.marker), (8, true));
        assert_eq!(
            (header.sequence_number, header.timestamp),
            (0x1234, 0x0001_0203)
        );
        assert_eq!((header.ssrc, &header.csrc[..]), (0xdead_beef, &[1][..]));
        assert_eq!(header.get_extension(1).unwrap()[..], [0xaa]);
        assert_eq!(packet.payload[..], [0x55, 0x66]);
    }

    #[test]
    fn an_unknown_profile_is_kept_whole() {
        let bytes = [
            0x90, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0x12, 0x34, 0, 1, 1, 2, 3, 4, 0x55,
        ];
        let packet = Packet::from(&RtpView::parse(&bytes).unwrap());
        assert_eq!(packet.header.extension_profile, 0x1234);
        assert_eq!(packet.header.extensions[0].payload[..], [1, 2, 3, 4]);
        assert_eq!(packet.payload[..], [0x55]);
    }
}
