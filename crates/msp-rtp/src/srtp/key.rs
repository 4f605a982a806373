//! A master key, and the session keys that follow from it.

use std::fmt;

use aes::cipher::{BlockCipherEncrypt, KeyInit};
use aes::{Aes128Enc, Aes256Enc};
use msp_core::id::Ssrc;
use msp_core::params::MasterKey;
use msp_core::stats::DropReason;
use zeroize::Zeroizing;

use super::layout::INDEX_WORD;
use super::suite::Suite;
use super::transform::Transform;
use crate::error::{Error, ErrorKind};
use crate::protect::Component;

/// What a session key is for (RFC 3711 sections 4.3.1 and 4.3.2).
mod label {
    pub(super) const MEDIA: u8 = 0;
    pub(super) const REPORTS: u8 = 3;
    /// None of RFC 3711's: what is derived under it says nothing of the others.
    pub(super) const CHECK: u8 = 0xf0;
}

/// The longest identifier of a key (RFC 4568 section 6.1).
const MAX_MKI: u8 = 128;

/// See the module.
pub(super) struct Key {
    suite: Suite,
    mki: Box<[u8]>,
    media: Transform,
    reports: Transform,
    check: u64,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.suite).finish()
    }
}

impl Key {
    pub(super) fn new(master: &MasterKey) -> Result<Self, Error> {
        let refused = |what| Error::new(ErrorKind::Key, what);
        let suite = Suite::from_name(&master.suite).ok_or_else(|| refused("suite"))?;
        let bytes = master.key_and_salt.expose();
        if bytes.len() != suite.key_len() + suite.salt_len() {
            return Err(refused("length"));
        }
        let (key, salt) = bytes
            .split_at_checked(suite.key_len())
            .ok_or_else(|| refused("length"))?;
        let derive = Derivation::new(key, salt)?;
        Ok(Self {
            suite,
            mki: mki(master)?,
            media: derive.transform(suite, label::MEDIA, suite.media_tag())?,
            reports: derive.transform(suite, label::REPORTS, suite.report_tag())?,
            check: derive.check(),
        })
    }

    pub(super) const fn suite(&self) -> Suite {
        self.suite
    }

    pub(super) fn mki(&self) -> &[u8] {
        &self.mki
    }

    pub(super) const fn check(&self) -> u64 {
        self.check
    }

    pub(super) const fn media(&self) -> &Transform {
        &self.media
    }

    pub(super) const fn reports(&self) -> &Transform {
        &self.reports
    }

    /// What a packet grows by at most.
    pub(super) const fn overhead(&self) -> usize {
        self.suite.report_tag() + INDEX_WORD + self.mki.len()
    }

    /// What lies behind the encrypted part of a media packet.
    pub(super) const fn media_trailer(&self) -> usize {
        self.suite.media_tag() + self.mki.len()
    }

    /// Whether `packet` names this key, and is long enough for all that lies behind what is encrypted.
    pub(super) fn is_named(&self, component: Component, packet: &[u8]) -> bool {
        let aead = self.suite.is_aead();
        let (trailer, behind) = match component {
            Component::Media if aead => (self.media_trailer(), 0),
            Component::Media => (self.media_trailer(), self.suite.media_tag()),
            Component::Report if aead => (self.overhead(), 0),
            Component::Report => (self.overhead(), self.suite.report_tag()),
        };
        packet.len() >= trailer
            && packet
                .get(..packet.len() - behind)
                .is_some_and(|p| p.ends_with(&self.mki))
    }

    /// Where the encrypted part of a report ends, and the word with its index.
    pub(super) fn report_index(&self, packet: &[u8]) -> Option<(usize, u32)> {
        let end = packet.len().checked_sub(self.overhead())?;
        let at = end + self.reports.tag_before_index();
        let word = packet.get(at..)?.first_chunk::<INDEX_WORD>()?;
        Some((end, u32::from_be_bytes(*word)))
    }

    /// Closes the media packet of `len` octets in `room`, and returns its length then.
    pub(super) fn seal_media(
        &self,
        room: &mut [u8],
        header: usize,
        len: usize,
        ssrc: Ssrc,
        index: u64,
    ) -> Result<usize, DropReason> {
        let total = len + self.media_trailer();
        let packet = room.get_mut(..total).ok_or(DropReason::TooBig)?;
        self.media
            .seal(packet, header, len, &self.mki, ssrc, index)
            .ok_or(DropReason::SendFailed)?;
        Ok(total)
    }

    /// Likewise a report, with the index in `word`.
    pub(super) fn seal_report(
        &self,
        room: &mut [u8],
        len: usize,
        ssrc: Ssrc,
        word: u32,
    ) -> Result<usize, DropReason> {
        let total = len + self.overhead();
        let packet = room.get_mut(..total).ok_or(DropReason::TooBig)?;
        self.reports
            .seal_report(packet, len, &self.mki, ssrc, word)
            .ok_or(DropReason::SendFailed)?;
        Ok(total)
    }
}

/// The identifier as it stands in packets.
fn mki(master: &MasterKey) -> Result<Box<[u8]>, Error> {
    let Some((value, length)) = master.mki else {
        return Ok(Box::default());
    };
    if !(1..=MAX_MKI).contains(&length) {
        return Err(Error::new(ErrorKind::Key, "length of the identifier"));
    }
    let mut bytes = vec![0; length.into()];
    for (to, from) in bytes.iter_mut().rev().zip(value.to_le_bytes()) {
        *to = from;
    }
    Ok(bytes.into())
}

/// Derives session keys (RFC 3711 section 4.3), with a key derivation rate of zero.
struct Derivation {
    cipher: Prf,
    salt: Zeroizing<[u8; 14]>,
}

#[expect(
    clippy::large_enum_variant,
    reason = "it lives on the stack while keys are derived"
)]
enum Prf {
    Aes128(Aes128Enc),
    Aes256(Aes256Enc),
}

impl Derivation {
    fn new(key: &[u8], salt: &[u8]) -> Result<Self, Error> {
        let wrong = |_| Error::new(ErrorKind::Key, "length");
        let cipher = match key.len() {
            16 => Prf::Aes128(Aes128Enc::new_from_slice(key).map_err(wrong)?),
            _ => Prf::Aes256(Aes256Enc::new_from_slice(key).map_err(wrong)?),
        };
        // A salt of 96 bits has zeros behind it (RFC 7714 section 11).
        let mut padded = Zeroizing::new([0; 14]);
        for (to, from) in padded.iter_mut().zip(salt) {
            *to = *from;
        }
        Ok(Self {
            cipher,
            salt: padded,
        })
    }

    /// Fills `out` with the key of `label`.
    fn derive(&self, label: u8, out: &mut [u8]) {
        for (n, chunk) in out.chunks_mut(16).enumerate() {
            let mut block = aes::Block::default();
            for (to, from) in block.iter_mut().zip(self.salt.iter()) {
                *to = *from;
            }
            // The label stands before the 48 bits of the index, which is zero.
            block[7] ^= label;
            block[15] = n as u8;
            match &self.cipher {
                Prf::Aes128(aes) => aes.encrypt_block(&mut block),
                Prf::Aes256(aes) => aes.encrypt_block(&mut block),
            }
            for (to, from) in chunk.iter_mut().zip(&block) {
                *to = *from;
            }
            zeroize::Zeroize::zeroize(block.as_mut_slice());
        }
    }

    /// The keys of media or of reports: theirs to encrypt, to check and to salt have three labels in a row.
    fn transform(&self, suite: Suite, label: u8, tag: usize) -> Result<Transform, Error> {
        let mut key = Zeroizing::new([0; 32]);
        let mut auth = Zeroizing::new([0; 20]);
        let mut salt = Zeroizing::new([0; 14]);
        let wrong = || Error::new(ErrorKind::Key, "length");
        let key = key.get_mut(..suite.key_len()).ok_or_else(wrong)?;
        self.derive(label, key);
        self.derive(label + 1, &mut *auth);
        let salt = salt.get_mut(..suite.salt_len()).ok_or_else(wrong)?;
        self.derive(label + 2, salt);
        Transform::new(suite, key, &auth, salt, tag).ok_or_else(wrong)
    }

    fn check(&self) -> u64 {
        let mut bytes = [0; 8];
        self.derive(label::CHECK, &mut bytes);
        u64::from_be_bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<const N: usize>(hex: &str) -> [u8; N] {
        let mut out = [0; N];
        for (n, to) in out.iter_mut().enumerate() {
            *to = u8::from_str_radix(&hex[n * 2..n * 2 + 2], 16).unwrap();
        }
        out
    }

    fn derived<const N: usize>(key: &[u8], salt: &[u8], label: u8) -> [u8; N] {
        let mut out = [0; N];
        Derivation::new(key, salt).unwrap().derive(label, &mut out);
        out
    }

    // Shows: session keys of AES-128 | RFC 3711
    #[test]
    fn keys_of_rfc_3711_appendix_b_3() {
        let key: [u8; 16] = bytes("E1F97A0D3E018BE0D64FA32C06DE4139");
        let salt: [u8; 14] = bytes("0EC675AD498AFEEBB6960B3AABE6");
        let cipher: [u8; 16] = bytes("C61E7A93744F39EE10734AFE3FF7A087");
        assert_eq!(derived::<16>(&key, &salt, 0), cipher);
        let session_salt: [u8; 14] = bytes("30CBBC08863D8C85D49DB34A9AE1");
        assert_eq!(derived::<14>(&key, &salt, 2), session_salt);
        let auth: [u8; 20] = bytes("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4");
        assert_eq!(derived::<20>(&key, &salt, 1), auth);
    }

    // Shows: session keys of AES-256 | RFC 6188
    #[test]
    fn keys_of_rfc_6188_section_7_2() {
        let key: [u8; 32] =
            bytes("f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6");
        let salt: [u8; 14] = bytes("3b04803de51ee7c96423ab5b78d2");
        let cipher: [u8; 32] =
            bytes("5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4");
        assert_eq!(derived::<32>(&key, &salt, 0), cipher);
        let session_salt: [u8; 14] = bytes("fa31791685ca444a9e07c6c64e93");
        assert_eq!(derived::<14>(&key, &salt, 2), session_salt);
        let auth: [u8; 20] = bytes("fd9c32d39ed5fbb5a9dc96b30818454d1313dc05");
        assert_eq!(derived::<20>(&key, &salt, 1), auth);
    }
}
