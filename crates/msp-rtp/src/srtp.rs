//! SRTP and SRTCP with keys from signalling, in place (RFC 3711, RFC 6188, RFC 7714).
//!
//! One [`Srtp`] secures the packets of one transport: a master key for what we send, and one or, told apart by key
//! identifiers, several for what the peer sends. Of each source it keeps how often its sequence numbers rolled over and
//! which of the last 128 packets came already. That is [`SrtpState`], plain data: it outlives a re-offer, a change of
//! source or address, and, if it is saved, the process.
//!
//! What cannot be told from the packets is tried: where a tag does not fit the roll-over counter that is the likeliest,
//! the ones beside it are tried too, so that a stream is found again after tens of thousands of lost packets.
//!
//! ```
//! use msp_core::params::{KeyParams, MasterKey};
//! use msp_core::secret::Secret;
//! use msp_rtp::packet::SEND_BUFFER;
//! use msp_rtp::protect::{Component, Protect};
//! use msp_rtp::srtp::Srtp;
//!
//! let key = MasterKey {
//!     tag: 1,
//!     suite: "AES_CM_128_HMAC_SHA1_80".into(),
//!     key_and_salt: Secret::new(vec![7; 30]),
//!     mki: None,
//! };
//! let keys = KeyParams { send: vec![key.clone()], receive: vec![key] };
//! let (mut alice, mut bob) = (Srtp::new(&keys)?, Srtp::new(&keys)?);
//!
//! let packet = *b"\x80\x00\x00\x01\0\0\0\xa0\x12\x34\x56\x78a little sound";
//! let mut buffer = [0; SEND_BUFFER];
//! buffer[..packet.len()].copy_from_slice(&packet);
//! let sent = alice.protect(Component::Media, &mut buffer, 0..packet.len()).unwrap();
//! assert_eq!(sent.len(), packet.len() + 10);
//! let len = bob.unprotect(Component::Media, &mut buffer[sent]).unwrap();
//! assert_eq!(buffer[..len], packet);
//! # Ok::<(), msp_rtp::Error>(())
//! ```

use std::ops::Range;

use msp_core::params::KeyParams;
use msp_core::stats::DropReason;

use crate::error::{Error, ErrorKind};
use crate::packet::TAILROOM;
use crate::protect::{Component, Protect};

mod key;
mod layout;
mod source;
mod suite;
#[cfg(test)]
mod tests;
mod transform;

use key::Key;
use layout::{index_word, report_source, rtp_layout, split_index_word};
pub use source::{DirectionState, SourceState, Window};
use source::{MAX_RECEIVED, MAX_SENT};
pub use suite::Suite;

/// Master keys for one direction at most.
pub const MAX_KEYS: usize = 4;

/// Packets under one master key at most: of RTP (RFC 3711 section 9.2).
const LAST_MEDIA: u64 = (1 << 48) - 1;
/// Likewise of RTCP.
const LAST_REPORT: u64 = (1 << 31) - 1;

/// Everything of an [`Srtp`] that changes while it runs, without its keys. Plain data.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SrtpState {
    /// What we sent.
    pub send: DirectionState,
    /// What came.
    pub receive: DirectionState,
}

/// SRTP and SRTCP of one transport. See the [module](self).
#[derive(Debug)]
pub struct Srtp {
    send: Key,
    receive: Vec<Key>,
    state: SrtpState,
}

impl Srtp {
    /// Secures packets with `keys`: the first of those for sending, all of those for receiving.
    ///
    /// # Errors
    /// [`ErrorKind::Key`] when there is none for a direction or too many, a suite is not known, a key has not the length
    /// of its suite, or an identifier does not go with the others or is too long to be sent.
    pub fn new(keys: &KeyParams) -> Result<Self, Error> {
        let refused = |what| Error::new(ErrorKind::Key, what);
        let send = keys.send.first().ok_or_else(|| refused("none to send"))?;
        let send = Key::new(send)?;
        if send.overhead() > TAILROOM {
            return Err(refused("identifier is too long to be sent"));
        }
        if keys.receive.is_empty() || keys.receive.len() > MAX_KEYS {
            return Err(refused("none to receive, or too many"));
        }
        let receive: Vec<Key> = keys
            .receive
            .iter()
            .map(Key::new)
            .collect::<Result<_, _>>()?;
        // Where the identifier ends is known by its length alone (RFC 3711 section 3.1).
        let lengths = |a: &Key, b: &Key| a.mki().len() == b.mki().len();
        let differ = receive.iter().enumerate().all(|(n, key)| {
            let others = receive.get(n + 1..).unwrap_or_default();
            others
                .iter()
                .all(|o| lengths(key, o) && key.mki() != o.mki())
        });
        if !differ {
            return Err(refused("identifiers do not tell keys apart"));
        }
        let state = SrtpState {
            send: DirectionState::new(send.check(), MAX_SENT),
            receive: DirectionState::new(
                receive.first().map(Key::check).unwrap_or_default(),
                MAX_RECEIVED,
            ),
        };
        Ok(Self {
            send,
            receive,
            state,
        })
    }

    /// The suite of what we send.
    pub const fn suite(&self) -> Suite {
        self.send.suite()
    }

    fn unprotect_media(&mut self, packet: &mut [u8]) -> Result<usize, DropReason> {
        let header = rtp_layout(packet)?;
        let key = key_for(&self.receive, Component::Media, packet)?;
        let end = packet.len() - key.media_trailer();
        if end < header.len {
            return Err(DropReason::NotAuthentic);
        }
        let mut window = self.state.receive.find(header.ssrc).media;
        let mut outcome = DropReason::NotAuthentic;
        let opener = key.media().opener(packet, header.len, end, header.ssrc);
        for index in window.candidates(header.sequence).into_iter().flatten() {
            if index > LAST_MEDIA {
                continue;
            }
            if !window.admits(index) {
                outcome = DropReason::Replayed;
                continue;
            }
            if opener.open(packet, index) {
                window.mark(index);
                self.state.receive.touch(header.ssrc).media = window;
                return Ok(end);
            }
        }
        Err(outcome)
    }

    fn unprotect_report(&mut self, packet: &mut [u8]) -> Result<usize, DropReason> {
        let ssrc = report_source(packet)?;
        let key = key_for(&self.receive, Component::Report, packet)?;
        let (end, index) = key.report_index(packet).ok_or(DropReason::NotAuthentic)?;
        let index = split_index_word(index).ok_or(DropReason::NotAuthentic)?;
        let mut window = self.state.receive.find(ssrc).reports;
        if !window.admits(index.into()) {
            return Err(DropReason::Replayed);
        }
        if !key.reports().open_report(packet, end, ssrc, index) {
            return Err(DropReason::NotAuthentic);
        }
        window.mark(index.into());
        self.state.receive.touch(ssrc).reports = window;
        Ok(end)
    }

    fn protect_media(&mut self, room: &mut [u8], len: usize) -> Result<usize, DropReason> {
        let packet = room.get(..len).ok_or(DropReason::TooBig)?;
        let header = rtp_layout(packet)?;
        let source = self.state.send.sending(header.ssrc)?;
        let index = source.media.likeliest(header.sequence);
        // Two packets under one index give away what is in them.
        if index > LAST_MEDIA || !source.media.admits(index) {
            return Err(DropReason::SendFailed);
        }
        source.media.mark(index);
        self.send
            .seal_media(room, header.len, len, header.ssrc, index)
    }

    fn protect_report(&mut self, room: &mut [u8], len: usize) -> Result<usize, DropReason> {
        let packet = room.get(..len).ok_or(DropReason::TooBig)?;
        let ssrc = report_source(packet)?;
        let source = self.state.send.sending(ssrc)?;
        let index = source.reports.next();
        if index > LAST_REPORT {
            return Err(DropReason::SendFailed);
        }
        source.reports.mark(index);
        self.send
            .seal_report(room, len, ssrc, index_word(index as u32))
    }
}

impl Protect for Srtp {
    fn unprotect(&mut self, component: Component, packet: &mut [u8]) -> Result<usize, DropReason> {
        match component {
            Component::Media => self.unprotect_media(packet),
            Component::Report => self.unprotect_report(packet),
        }
    }

    fn protect(
        &mut self,
        component: Component,
        buffer: &mut [u8],
        packet: Range<usize>,
    ) -> Result<Range<usize>, DropReason> {
        let room = buffer.get_mut(packet.start..).ok_or(DropReason::TooBig)?;
        let len = match component {
            Component::Media => self.protect_media(room, packet.len())?,
            Component::Report => self.protect_report(room, packet.len())?,
        };
        Ok(packet.start..packet.start + len)
    }

    fn state(&self) -> Option<&SrtpState> {
        Some(&self.state)
    }

    fn resume(&mut self, state: &SrtpState) {
        self.state.send.resume(&state.send);
        self.state.receive.resume(&state.receive);
    }
}

/// The key that the packet names, or the only one.
fn key_for<'a>(
    keys: &'a [Key],
    component: Component,
    packet: &[u8],
) -> Result<&'a Key, DropReason> {
    keys.iter()
        .find(|k| k.is_named(component, packet))
        .ok_or(DropReason::NotAuthentic)
}
