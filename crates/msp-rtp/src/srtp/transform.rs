//! How the packets of one kind are closed and opened with session keys.

use aes::cipher::{Array, InnerIvInit, KeyInit, StreamCipherCore};
use aes::{Aes128Enc, Aes256Enc};
use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use ctr::CtrCore;
use ctr::flavors::Ctr128BE;
use hmac::{Hmac, Mac};
use msp_core::id::Ssrc;
use sha1::Sha1;
use zeroize::Zeroizing;

use super::layout::{INDEX_WORD, REPORT_HEADER, index_word};
use super::suite::Suite;

/// Octets of the tag of an AEAD suite.
const AEAD_TAG: usize = 16;

/// Session keys in the form in which they work fastest.
pub(super) struct Transform {
    cipher: Cipher,
    salt: Zeroizing<[u8; 14]>,
    tag: usize,
}

enum Cipher {
    Counter {
        aes: Aes,
        /// It has taken in its key: a packet begins with a copy.
        mac: Hmac<Sha1>,
    },
    Gcm128(Aes128Gcm),
    Gcm256(Aes256Gcm),
}

#[expect(
    clippy::large_enum_variant,
    reason = "it is boxed with all that is around it"
)]
enum Aes {
    Aes128(Aes128Enc),
    Aes256(Aes256Enc),
}

impl Transform {
    /// None if a key has not the length of its suite.
    pub(super) fn new(
        suite: Suite,
        key: &[u8],
        auth: &[u8; 20],
        salt: &[u8],
        tag: usize,
    ) -> Option<Self> {
        let cipher = match suite {
            Suite::AeadAes128Gcm => Cipher::Gcm128(Aes128Gcm::new_from_slice(key).ok()?),
            Suite::AeadAes256Gcm => Cipher::Gcm256(Aes256Gcm::new_from_slice(key).ok()?),
            _ => Cipher::Counter {
                aes: match key.len() {
                    16 => Aes::Aes128(Aes128Enc::new_from_slice(key).ok()?),
                    _ => Aes::Aes256(Aes256Enc::new_from_slice(key).ok()?),
                },
                mac: Hmac::new_from_slice(auth).ok()?,
            },
        };
        let mut padded = Zeroizing::new([0; 14]);
        padded.get_mut(..salt.len())?.copy_from_slice(salt);
        Some(Self {
            cipher,
            salt: padded,
            tag,
        })
    }

    /// Octets of tag between what is encrypted of a report and its index.
    pub(super) const fn tag_before_index(&self) -> usize {
        match self.cipher {
            Cipher::Counter { .. } => 0,
            Cipher::Gcm128(_) | Cipher::Gcm256(_) => AEAD_TAG,
        }
    }

    /// Encrypts `header..end` of a media packet, and fills in tag and identifier, for which `packet` has just the room.
    pub(super) fn seal(
        &self,
        packet: &mut [u8],
        header: usize,
        end: usize,
        mki: &[u8],
        ssrc: Ssrc,
        index: u64,
    ) -> Option<()> {
        let (packet, trailer) = packet.split_at_mut_checked(end)?;
        if let Cipher::Counter { aes, mac } = &self.cipher {
            aes.apply(self.counter_iv(ssrc, index), packet.get_mut(header..)?);
            let (mki_room, tag_room) = trailer.split_at_mut_checked(mki.len())?;
            mki_room.copy_from_slice(mki);
            let roll_over = ((index >> 16) as u32).to_be_bytes();
            let mut mac = mac.clone();
            mac.update(packet);
            mac.update(&roll_over);
            return put_tag(mac, tag_room);
        }
        let (clear, secret) = packet.split_at_mut_checked(header)?;
        let tag = self.encrypt(&self.media_nonce(ssrc, index), clear, secret)?;
        let (tag_room, mki_room) = trailer.split_at_mut_checked(AEAD_TAG)?;
        tag_room.copy_from_slice(&tag);
        mki_room.copy_from_slice(mki);
        Some(())
    }

    /// Likewise a report of `end` octets, with the index in `word` behind it.
    pub(super) fn seal_report(
        &self,
        packet: &mut [u8],
        end: usize,
        mki: &[u8],
        ssrc: Ssrc,
        word: u32,
    ) -> Option<()> {
        let index = u64::from(word & !index_word(0));
        let word = word.to_be_bytes();
        if let Cipher::Counter { aes, mac } = &self.cipher {
            let secret = packet.get_mut(REPORT_HEADER..end)?;
            aes.apply(self.counter_iv(ssrc, index), secret);
            let (signed, trailer) = packet.split_at_mut_checked(end + INDEX_WORD)?;
            signed.get_mut(end..)?.copy_from_slice(&word);
            let (mki_room, tag_room) = trailer.split_at_mut_checked(mki.len())?;
            mki_room.copy_from_slice(mki);
            let mut mac = mac.clone();
            mac.update(signed);
            return put_tag(mac, tag_room);
        }
        let (packet, trailer) = packet.split_at_mut_checked(end)?;
        let (clear, secret) = packet.split_at_mut_checked(REPORT_HEADER)?;
        let tag = self.encrypt(
            &self.report_nonce(ssrc, index as u32),
            &report_aad(clear, word)?,
            secret,
        )?;
        let (tag_room, trailer) = trailer.split_at_mut_checked(AEAD_TAG)?;
        let (word_room, mki_room) = trailer.split_at_mut_checked(INDEX_WORD)?;
        tag_room.copy_from_slice(&tag);
        word_room.copy_from_slice(&word);
        mki_room.copy_from_slice(mki);
        Some(())
    }

    /// Looks at a media packet of which `header..end` is encrypted.
    pub(super) fn opener(
        &self,
        packet: &[u8],
        header: usize,
        end: usize,
        ssrc: Ssrc,
    ) -> Opener<'_> {
        let mac = match &self.cipher {
            Cipher::Counter { mac, .. } => {
                let mut mac = mac.clone();
                mac.update(packet.get(..end).unwrap_or_default());
                Some(mac)
            }
            _ => None,
        };
        Opener {
            transform: self,
            mac,
            header,
            end,
            ssrc,
        }
    }

    /// Opens a report of which the encrypted part ends at `end`; says whether it is authentic.
    pub(super) fn open_report(
        &self,
        packet: &mut [u8],
        end: usize,
        ssrc: Ssrc,
        index: u32,
    ) -> bool {
        self.try_open_report(packet, end, ssrc, index).is_some()
    }

    fn try_open_report(&self, packet: &mut [u8], end: usize, ssrc: Ssrc, index: u32) -> Option<()> {
        if let Cipher::Counter { aes, mac } = &self.cipher {
            let (signed, trailer) = packet.split_at_mut_checked(end + INDEX_WORD)?;
            let tag = trailer.last_chunk_of(self.tag)?;
            let mut mac = mac.clone();
            mac.update(signed);
            mac.verify_truncated_left(tag).ok()?;
            let secret = signed.get_mut(REPORT_HEADER..end)?;
            aes.apply(self.counter_iv(ssrc, index.into()), secret);
            return Some(());
        }
        let (packet, trailer) = packet.split_at_mut_checked(end)?;
        let (clear, secret) = packet.split_at_mut_checked(REPORT_HEADER)?;
        let tag = trailer.first_chunk::<AEAD_TAG>()?;
        let aad = report_aad(clear, index_word(index).to_be_bytes())?;
        self.decrypt(&self.report_nonce(ssrc, index), &aad, secret, tag)
    }

    /// The first counter block (RFC 3711 section 4.1.1).
    fn counter_iv(&self, ssrc: Ssrc, index: u64) -> [u8; 16] {
        let [s0, s1, s2, s3] = ssrc.0.to_be_bytes();
        let [_, _, i0, i1, i2, i3, i4, i5] = index.to_be_bytes();
        let numbers = [0, 0, 0, 0, s0, s1, s2, s3, i0, i1, i2, i3, i4, i5];
        let mut iv = [0; 16];
        for ((to, number), salt) in iv.iter_mut().zip(numbers).zip(self.salt.iter()) {
            *to = number ^ salt;
        }
        iv
    }

    /// RFC 7714 section 8.1.
    fn media_nonce(&self, ssrc: Ssrc, index: u64) -> [u8; 12] {
        let [s0, s1, s2, s3] = ssrc.0.to_be_bytes();
        let [_, _, i0, i1, i2, i3, i4, i5] = index.to_be_bytes();
        self.salted([0, 0, s0, s1, s2, s3, i0, i1, i2, i3, i4, i5])
    }

    /// RFC 7714 section 9.1.
    fn report_nonce(&self, ssrc: Ssrc, index: u32) -> [u8; 12] {
        let [s0, s1, s2, s3] = ssrc.0.to_be_bytes();
        let [i0, i1, i2, i3] = index.to_be_bytes();
        self.salted([0, 0, s0, s1, s2, s3, 0, 0, i0, i1, i2, i3])
    }

    fn salted(&self, mut nonce: [u8; 12]) -> [u8; 12] {
        for (to, salt) in nonce.iter_mut().zip(self.salt.iter()) {
            *to ^= salt;
        }
        nonce
    }

    fn encrypt(&self, nonce: &[u8; 12], clear: &[u8], secret: &mut [u8]) -> Option<[u8; AEAD_TAG]> {
        let nonce = &Array(*nonce);
        let tag = match &self.cipher {
            Cipher::Gcm128(gcm) => gcm.encrypt_inout_detached(nonce, clear, secret.into()),
            Cipher::Gcm256(gcm) => gcm.encrypt_inout_detached(nonce, clear, secret.into()),
            Cipher::Counter { .. } => return None,
        };
        Some(tag.ok()?.0)
    }

    /// Leaves `secret` as it is when it is not authentic.
    fn decrypt(
        &self,
        nonce: &[u8; 12],
        clear: &[u8],
        secret: &mut [u8],
        tag: &[u8; AEAD_TAG],
    ) -> Option<()> {
        let (nonce, tag) = (&Array(*nonce), &Array(*tag));
        match &self.cipher {
            Cipher::Gcm128(gcm) => gcm.decrypt_inout_detached(nonce, clear, secret.into(), tag),
            Cipher::Gcm256(gcm) => gcm.decrypt_inout_detached(nonce, clear, secret.into(), tag),
            Cipher::Counter { .. } => return None,
        }
        .ok()
    }
}

/// A media packet that is tried with one index after another.
pub(super) struct Opener<'a> {
    transform: &'a Transform,
    /// It has taken in the packet; what is missing is the roll-over counter.
    mac: Option<Hmac<Sha1>>,
    header: usize,
    end: usize,
    ssrc: Ssrc,
}

impl Opener<'_> {
    /// Opens `packet` if it is authentic under `index`; else it stays as it is.
    pub(super) fn open(&self, packet: &mut [u8], index: u64) -> bool {
        self.try_open(packet, index).is_some()
    }

    fn try_open(&self, packet: &mut [u8], index: u64) -> Option<()> {
        let transform = self.transform;
        let (packet, trailer) = packet.split_at_mut_checked(self.end)?;
        let secret = packet.get_mut(self.header..)?;
        if let (Cipher::Counter { aes, .. }, Some(mac)) = (&transform.cipher, &self.mac) {
            let mut mac = mac.clone();
            mac.update(&((index >> 16) as u32).to_be_bytes());
            mac.verify_truncated_left(trailer.last_chunk_of(transform.tag)?)
                .ok()?;
            aes.apply(transform.counter_iv(self.ssrc, index), secret);
            return Some(());
        }
        let (clear, secret) = packet.split_at_mut_checked(self.header)?;
        let tag = trailer.first_chunk::<AEAD_TAG>()?;
        let nonce = transform.media_nonce(self.ssrc, index);
        transform.decrypt(&nonce, clear, secret, tag)
    }
}

impl Aes {
    /// Encrypts or decrypts `data` in counter mode from `iv` on. A packet is far shorter than 2^16 blocks, so the counter
    /// never runs into the index.
    fn apply(&self, iv: [u8; 16], data: &mut [u8]) {
        let iv = &Array(iv);
        match self {
            Self::Aes128(aes) => {
                CtrCore::<_, Ctr128BE>::inner_iv_init(aes, iv).apply_keystream_partial(data.into());
            }
            Self::Aes256(aes) => {
                CtrCore::<_, Ctr128BE>::inner_iv_init(aes, iv).apply_keystream_partial(data.into());
            }
        }
    }
}

/// What is signed with a report but not encrypted (RFC 7714 section 9.2).
fn report_aad(clear: &[u8], word: [u8; INDEX_WORD]) -> Option<[u8; REPORT_HEADER + INDEX_WORD]> {
    let mut aad = [0; REPORT_HEADER + INDEX_WORD];
    let (header, index) = aad.split_at_mut_checked(REPORT_HEADER)?;
    header.copy_from_slice(clear.get(..REPORT_HEADER)?);
    index.copy_from_slice(&word);
    Some(aad)
}

/// Fills `room` with the first octets of the tag.
fn put_tag(mac: Hmac<Sha1>, room: &mut [u8]) -> Option<()> {
    let tag = mac.finalize().into_bytes();
    room.copy_from_slice(tag.get(..room.len())?);
    Some(())
}

trait LastChunk {
    /// The last `len` octets.
    fn last_chunk_of(&self, len: usize) -> Option<&[u8]>;
}

impl LastChunk for [u8] {
    fn last_chunk_of(&self, len: usize) -> Option<&[u8]> {
        self.get(self.len().checked_sub(len)?..)
    }
}
