//! Packets. What was not sealed by the peer never passes, and what was sealed passes unchanged.

use msp_core::params::{KeyParams, MasterKey};
use msp_core::secret::Secret;
use msp_rtp::packet::SEND_BUFFER;
use msp_rtp::protect::{Component, Protect};
use msp_rtp::srtp::Srtp;

/// A target: its name, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 1] = [("srtp", srtp)];

/// Suites, and the length of key and salt.
const SUITES: [(&str, usize); 6] = [
    ("AES_CM_128_HMAC_SHA1_80", 30),
    ("AES_CM_128_HMAC_SHA1_32", 30),
    ("AES_256_CM_HMAC_SHA1_80", 46),
    ("AES_256_CM_HMAC_SHA1_32", 46),
    ("AEAD_AES_128_GCM", 28),
    ("AEAD_AES_256_GCM", 44),
];

/// A packet from outside, and one of the peer's with one byte changed or with none. The first two bytes choose the suite,
/// the kind of packet, the key's identifier and the change.
pub fn srtp(bytes: &[u8]) {
    let [choice, change, packet @ ..] = bytes else {
        return;
    };
    let (suite, length) = SUITES[usize::from(*choice) % SUITES.len()];
    let component = match choice & 0x40 {
        0 => Component::Media,
        _ => Component::Report,
    };
    let key = MasterKey {
        tag: 1,
        suite: suite.into(),
        key_and_salt: Secret::new(vec![7; length]),
        mki: (choice & 0x80 != 0).then_some((5, 4)),
    };
    let keys = KeyParams {
        send: vec![key.clone()],
        receive: vec![key],
    };
    let pair = (Srtp::new(&keys), Srtp::new(&keys));
    let (Ok(mut peer), Ok(mut ours)) = pair else {
        panic!("the keys are fine");
    };
    let mut stranger = packet.to_vec();
    assert!(ours.unprotect(component, &mut stranger).is_err(), "forged");

    // A header that is one, and the rest as it came.
    let head: &[u8] = match component {
        Component::Media => b"\x80\x00\x12\x34\0\0\0\xa0\x12\x34\x56\x78",
        Component::Report => b"\x80\xc9\x00\x01\x12\x34\x56\x78",
    };
    let payload = packet.get(..packet.len().min(1300)).unwrap_or_default();
    let plain = [head, payload].concat();
    let mut buffer = [0; SEND_BUFFER];
    buffer[..plain.len()].copy_from_slice(&plain);
    let Ok(sealed) = peer.protect(component, &mut buffer, 0..plain.len()) else {
        return;
    };
    let mut sealed = buffer[sealed].to_vec();
    let at = usize::from(*change) * sealed.len() / 256;
    let changed = change % 4 != 0;
    if changed {
        sealed[at] ^= 1 << (change % 8);
    }
    match ours.unprotect(component, &mut sealed) {
        Ok(length) => assert!(!changed && sealed[..length] == plain, "a change passed"),
        Err(why) => assert!(changed, "{why:?}"),
    }
}
