//! One end secures what the other opens; what was changed, repeated or comes from elsewhere does not pass.

use msp_core::id::Ssrc;
use msp_core::params::{KeyParams, MasterKey};
use msp_core::secret::Secret;

use super::*;
use crate::packet::SEND_BUFFER;
use crate::random::Random;
use crate::view::RtpView;

mod hostile;
mod lives;
mod vectors;

fn master(suite: Suite, fill: u8) -> MasterKey {
    MasterKey {
        tag: 1,
        suite: suite.name().into(),
        key_and_salt: Secret::new(vec![fill; suite.key_len() + suite.salt_len()]),
        mki: None,
    }
}

/// Both directions under one key, so that one end opens what it closed, or another one did.
fn srtp(key: &MasterKey) -> Srtp {
    let keys = KeyParams {
        send: vec![key.clone()],
        receive: vec![key.clone()],
    };
    Srtp::new(&keys).unwrap()
}

fn pair(suite: Suite) -> (Srtp, Srtp) {
    let key = master(suite, 7);
    (srtp(&key), srtp(&key))
}

fn rtp(ssrc: u32, sequence: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend(sequence.to_be_bytes());
    packet.extend(u32::from(sequence).wrapping_mul(160).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend(payload);
    packet
}

fn report(ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 200, 0, 6];
    packet.extend(ssrc.to_be_bytes());
    packet.extend([9; 20]);
    packet
}

/// The packet as it leaves.
fn closed(srtp: &mut Srtp, component: Component, packet: &[u8]) -> Result<Vec<u8>, DropReason> {
    let mut buffer = [0; SEND_BUFFER];
    buffer[..packet.len()].copy_from_slice(packet);
    let range = srtp.protect(component, &mut buffer, 0..packet.len())?;
    Ok(buffer[range].to_vec())
}

/// What is in the packet that came.
fn opened(srtp: &mut Srtp, component: Component, packet: &[u8]) -> Result<Vec<u8>, DropReason> {
    let mut packet = packet.to_vec();
    let len = srtp.unprotect(component, &mut packet)?;
    packet.truncate(len);
    Ok(packet)
}

fn sends(srtp: &mut Srtp, packet: &[u8]) -> Vec<u8> {
    closed(srtp, Component::Media, packet).unwrap()
}

fn hears(srtp: &mut Srtp, packet: &[u8]) -> Result<Vec<u8>, DropReason> {
    opened(srtp, Component::Media, packet)
}

// Shows: media and reports encrypted and checked in each suite | RFC 3711, RFC 6188, RFC 7714, interop row 55
#[test]
fn each_suite_closes_and_opens() {
    for suite in Suite::ALL {
        for mki in [None, Some((0x1234, 2)), Some((5, 4))] {
            let mut key = master(suite, 3);
            key.mki = mki;
            let (mut alice, mut bob) = (srtp(&key), srtp(&key));
            for len in [0, 1, 15, 16, 17, 160, 1400] {
                let packet = rtp(5, len as u16, &vec![0x55; len]);
                let sent = sends(&mut alice, &packet);
                let tag = suite.media_tag() + mki.map_or(0, |m| usize::from(m.1));
                assert_eq!(sent.len(), packet.len() + tag, "{suite:?}");
                assert_eq!(sent[..12], packet[..12]);
                assert!(len < 15 || sent[12..packet.len()] != packet[12..]);
                assert_eq!(
                    hears(&mut bob, &sent),
                    Ok(packet),
                    "{suite:?} {mki:?} {len}"
                );
            }
            for _ in 0..3 {
                let packet = report(5);
                let sent = closed(&mut alice, Component::Report, &packet).unwrap();
                assert_eq!(sent[..8], packet[..8]);
                assert_ne!(sent[8..packet.len()], packet[8..]);
                assert_eq!(opened(&mut bob, Component::Report, &sent), Ok(packet));
            }
        }
    }
}

// Shows: both spellings of AES-256 in counter mode | interop row 55
#[test]
fn aes_256_goes_by_two_names() {
    for (one, other) in [
        ("AES_256_CM_HMAC_SHA1_80", "AES_CM_256_HMAC_SHA1_80"),
        ("AES_256_CM_HMAC_SHA1_32", "AES_CM_256_HMAC_SHA1_32"),
    ] {
        let suite = Suite::from_name(one).unwrap();
        assert_eq!(Suite::from_name(other), Some(suite));
        let mut key = master(suite, 1);
        let mut alice = srtp(&key);
        key.suite = other.into();
        let packet = rtp(1, 1, b"as loud as the other");
        let sent = sends(&mut alice, &packet);
        assert_eq!(hears(&mut srtp(&key), &sent), Ok(packet));
    }
    assert_eq!(Suite::from_name("F8_128_HMAC_SHA1_80"), None);
}

// Shows: a key is found by its identifier | RFC 3711
#[test]
fn an_identifier_tells_which_of_several_keys() {
    for suite in Suite::ALL {
        let keys = [1, 2, 3].map(|n| {
            let mut key = master(suite, n);
            key.mki = Some((n.into(), 3));
            key
        });
        let all = KeyParams {
            send: vec![keys[0].clone()],
            receive: keys.to_vec(),
        };
        let mut bob = Srtp::new(&all).unwrap();
        for (n, key) in keys.iter().enumerate() {
            let packet = rtp(9, n as u16, b"some sound");
            let sent = sends(&mut srtp(key), &packet);
            assert_eq!(hears(&mut bob, &sent), Ok(packet), "{suite:?}");
        }
        let mut stranger = master(suite, 1);
        stranger.mki = Some((4, 3));
        let sent = sends(&mut srtp(&stranger), &rtp(9, 7, b"some sound"));
        assert_eq!(hears(&mut bob, &sent), Err(DropReason::NotAuthentic));
    }
}

#[test]
fn keys_that_cannot_be_used_are_refused() {
    let good = master(Suite::AeadAes128Gcm, 1);
    let try_with = |change: &dyn Fn(&mut MasterKey)| {
        let mut key = good.clone();
        change(&mut key);
        Srtp::new(&KeyParams {
            send: vec![key],
            receive: vec![good.clone()],
        })
        .map_err(|e| e.kind())
        .err()
    };
    assert_eq!(try_with(&|_| {}), None);
    assert_eq!(try_with(&|k| k.mki = Some((1, 12))), None);
    let refused = Some(ErrorKind::Key);
    assert_eq!(try_with(&|k| k.suite = "AES_1".into()), refused);
    assert_eq!(try_with(&|k| k.mki = Some((1, 13))), refused, "no room");
    assert_eq!(try_with(&|k| k.mki = Some((1, 0))), refused);
    for len in [0, 27, 29, 30] {
        let change = |k: &mut MasterKey| k.key_and_salt = Secret::new(vec![1; len]);
        assert_eq!(try_with(&change), refused, "{len}");
    }
    for receive in [Vec::new(), vec![good.clone(), good.clone()]] {
        let keys = KeyParams {
            send: vec![good.clone()],
            receive,
        };
        assert_eq!(Srtp::new(&keys).unwrap_err().kind(), ErrorKind::Key);
    }
    assert!(Srtp::new(&KeyParams::default()).is_err());
}

#[test]
fn keys_are_not_shown() {
    let mut key = master(Suite::AesCm128HmacSha1Tag80, 0);
    key.key_and_salt = Secret::new(b"canary-canary-canary-canary-ca".to_vec());
    let srtp = srtp(&key);
    let shown = format!("{srtp:?} {:?} {key:?}", srtp.state());
    assert!(
        !shown.contains("canary") && !shown.contains("99, 97, 110, 97"),
        "{shown}"
    );
}
