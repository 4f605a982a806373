use super::*;
use proptest::prelude::*;

/// A literal packet: two sources, a one-byte extension of two elements with padding, three bytes of payload
/// and one of padding.
const FULL: [u8; 40] = [
    0xb2, 0x88, 0x12, 0x34, 0x00, 0x01, 0x02, 0x03, 0xde, 0xad, 0xbe, 0xef, // fixed
    0, 0, 0, 1, 0, 0, 0, 2, // contributing sources
    0xbe, 0xde, 0x00, 0x02, 0x10, 0xaa, 0x00, 0x31, 0xbb, 0xcc, 0x00, 0x00, // extension
    0x55, 0x66, 0x77, 0x00, 0x00, 0x00, 0x00, 0x05, // payload and padding
];

#[test]
fn a_packet_with_everything_is_read_field_by_field() {
    let view = RtpView::parse(&FULL).unwrap();
    assert!(view.marker());
    assert_eq!(view.payload_type(), PayloadType(8));
    assert_eq!(view.sequence(), SequenceNumber(0x1234));
    assert_eq!(view.timestamp(), 0x0001_0203);
    assert_eq!(view.ssrc(), Ssrc(0xdead_beef));
    assert_eq!(view.csrc().collect::<Vec<_>>(), [Ssrc(1), Ssrc(2)]);
    let elements: Vec<_> = view.elements().map(|e| (e.id, e.data.to_vec())).collect();
    assert_eq!(elements, [(1, vec![0xaa]), (3, vec![0xbb, 0xcc])]);
    assert_eq!(view.payload(), [0x55, 0x66, 0x77]);
    assert_eq!((view.padding(), view.header_len()), (5, 32));
}

#[test]
fn two_byte_elements_may_be_empty() {
    let mut packet = FULL[..20].to_vec();
    packet[0] = 0x92;
    packet.extend_from_slice(&[0x10, 0x05, 0, 2, 7, 0, 0, 9, 3, 1, 2, 3]);
    let view = RtpView::parse(&packet).unwrap();
    let elements: Vec<_> = view.elements().map(|e| (e.id, e.data.len())).collect();
    assert_eq!(elements, [(7, 0), (9, 3)]);
    assert!(view.payload().is_empty());
}

#[test]
fn an_element_that_runs_over_its_block_is_refused() {
    let mut packet = FULL;
    packet[27] = 0x34; // five bytes where four are left
    assert_eq!(RtpView::parse(&packet).err(), Some(DropReason::BadHeader));
    packet[22] = 0x10;
    packet[20] = 0x10;
    packet[21] = 0x00;
    assert!(RtpView::parse(&packet).is_err());
}

#[test]
fn element_15_ends_the_list_without_touching_the_payload() {
    let mut packet = FULL;
    packet[27] = 0xff;
    let view = RtpView::parse(&packet).unwrap();
    assert_eq!(view.elements().count(), 1);
    assert_eq!(view.payload(), [0x55, 0x66, 0x77]);
}

#[test]
fn padding_counts_itself_and_stays_inside() {
    for (last, good) in [(0, false), (1, true), (8, true), (9, false), (255, false)] {
        let mut packet = FULL;
        packet[39] = last;
        assert_eq!(RtpView::parse(&packet).is_ok(), good, "{last}");
    }
    let mut header_only = FULL[..12].to_vec();
    header_only[0] = 0xa0;
    assert_eq!(
        RtpView::parse(&header_only).err(),
        Some(DropReason::BadHeader)
    );
}

#[test]
fn every_shorter_packet_is_refused_or_consistent() {
    for len in 0..FULL.len() {
        match RtpView::parse(&FULL[..len]) {
            Ok(view) => assert_eq!(
                view.header_len() + view.payload().len() + view.padding(),
                len
            ),
            Err(reason) => assert_eq!(reason == DropReason::Truncated, len < 12),
        }
    }
}

/// All counts of sources, extension and padding bits, and every length field, at all lengths from 0 to 64.
#[test]
fn all_small_headers_are_read_or_refused_without_panic() {
    let mut packet = [0u8; 64];
    for first in 0x80..=0xbf_u8 {
        for words in [0u16, 1, 2, 3, 4, 7, 12, 13, 255, 0x3fff, 0xffff] {
            for last in [0u8, 1, 3, 16, 52, 53, 255] {
                for profile in [0xbede_u16, 0x1000, 0x1234] {
                    packet.fill(0x35);
                    packet[0] = first;
                    let at = 12 + usize::from(first & 15) * 4;
                    if at + 4 <= 64 {
                        packet[at..at + 2].copy_from_slice(&profile.to_be_bytes());
                        packet[at + 2..at + 4].copy_from_slice(&words.to_be_bytes());
                    }
                    for len in 0..=64 {
                        if len > 12 {
                            packet[len - 1] = last;
                        }
                        if let Ok(view) = RtpView::parse(&packet[..len]) {
                            assert_eq!(
                                view.header_len() + view.payload().len() + view.padding(),
                                len
                            );
                            for element in view.elements() {
                                assert!(element.data.len() <= len);
                            }
                        }
                    }
                }
            }
        }
    }
}

proptest! {
    /// One to three bytes of a valid packet changed.
    #[test]
    fn damaged_packets_never_panic(
        changes in prop::collection::vec((0usize..40, any::<u8>()), 1..4),
        len in 0usize..=40,
    ) {
        let mut packet = FULL;
        for (at, value) in changes {
            packet[at] = value;
        }
        if let Ok(view) = RtpView::parse(&packet[..len]) {
            prop_assert_eq!(view.header_len() + view.payload().len() + view.padding(), len);
            let in_block: usize = view.elements().map(|e| e.data.len()).sum();
            prop_assert!(in_block <= view.extension().map_or(0, |e| e.data.len()));
        }
    }
}
