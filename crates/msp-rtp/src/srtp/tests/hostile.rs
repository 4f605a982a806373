//! What is too short, changed or made up does not pass, and costs nothing but a count.

use super::*;

// Shows: nothing shorter than its trailer is taken for a packet | RFC 3711
#[test]
fn every_short_length_is_refused() {
    for suite in Suite::ALL {
        for mki in [None, Some((1, 4)), Some((1, 12))] {
            let mut key = master(suite, 3);
            key.mki = mki;
            let mut bob = srtp(&key);
            for len in 0..=64 {
                for fill in [0_u8, 0x80, 0x81, 0x8f, 0x90, 0x9f, 0xbf, 0xff] {
                    let packet = vec![fill; len];
                    for component in [Component::Media, Component::Report] {
                        let heard = opened(&mut bob, component, &packet);
                        assert!(heard.is_err(), "{suite:?} {len} {fill}");
                    }
                }
            }
            assert!(bob.state.receive.sources().is_empty());
        }
    }
}

#[test]
fn a_report_in_the_clear_is_refused() {
    for suite in Suite::ALL {
        let (mut alice, mut bob) = pair(suite);
        let mut sent = closed(&mut alice, Component::Report, &report(1)).unwrap();
        let at = match suite.is_aead() {
            true => sent.len() - 4,
            false => sent.len() - 14,
        };
        assert_eq!(sent[at] & 0x80, 0x80);
        sent[at] &= 0x7f;
        let heard = opened(&mut bob, Component::Report, &sent);
        assert_eq!(heard, Err(DropReason::NotAuthentic));
    }
}

// Shows: valid traffic with fields changed never passes and never disturbs what is valid | RFC 3711
#[test]
fn changed_packets_never_pass_and_valid_ones_beside_them_always_do() {
    let mut random = Random::new(5);
    for suite in Suite::ALL {
        let (mut alice, mut bob) = pair(suite);
        let mut sequence = 65_000_u16;
        for n in 0..4000_u32 {
            let component = match n % 10 {
                0 => Component::Report,
                _ => Component::Media,
            };
            sequence = sequence.wrapping_add(1);
            let packet = match component {
                Component::Report => report(1),
                Component::Media => rtp(1, sequence, &[n as u8; 40]),
            };
            let sent = closed(&mut alice, component, &packet).unwrap();
            let before = bob.state().cloned();
            let mut changed = sent.clone();
            for _ in 0..=random.next() % 3 {
                let at = random.next() as usize % changed.len();
                changed[at] ^= 1 << (random.next() % 8);
            }
            if random.next().is_multiple_of(8) {
                changed.truncate(random.next() as usize % sent.len());
            }
            if changed != sent {
                let mut bytes = changed.clone();
                assert!(
                    bob.unprotect(component, &mut bytes).is_err(),
                    "{suite:?} {n}"
                );
                assert_eq!(bytes, changed, "what is refused stays as it came");
                assert_eq!(bob.state(), before.as_ref());
            }
            assert_eq!(
                opened(&mut bob, component, &sent),
                Ok(packet),
                "{suite:?} {n}"
            );
        }
    }
}

#[test]
fn a_packet_without_room_behind_it_is_not_sent() {
    for suite in Suite::ALL {
        for component in [Component::Media, Component::Report] {
            let mut alice = pair(suite).0;
            let mut packet = report(1);
            let len = packet.len();
            let sent = alice.protect(component, &mut packet, 0..len);
            assert_eq!(sent, Err(DropReason::TooBig));
            let sent = alice.protect(component, &mut packet, len + 5..len + 9);
            assert_eq!(sent, Err(DropReason::TooBig));
        }
    }
}

#[test]
fn padding_is_encrypted_too() {
    let (mut alice, mut bob) = pair(Suite::AesCm128HmacSha1Tag80);
    let mut packet = rtp(1, 1, b"sound\0\0\x03");
    packet[0] |= 0x20;
    let sent = sends(&mut alice, &packet);
    let heard = hears(&mut bob, &sent).unwrap();
    assert_eq!(RtpView::parse(&heard).unwrap().payload(), b"sound");
}
