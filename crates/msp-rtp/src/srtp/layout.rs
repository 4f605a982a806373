//! Where the parts of a packet lie that SRTP needs to know.

use msp_core::id::Ssrc;
use msp_core::stats::DropReason;

use crate::view::FIXED_HEADER;

/// Octets of a report that stay readable (RFC 3711 section 3.4).
pub(super) const REPORT_HEADER: usize = 8;
/// Octets of the index of a report.
pub(super) const INDEX_WORD: usize = 4;

/// The report is encrypted (RFC 3711 section 3.4).
const ENCRYPTED: u32 = 1 << 31;
/// Extensions that stand for an encrypted header (RFC 9335 section 5).
const ENCRYPTED_HEADER: [u16; 2] = [0xc0de, 0xc2de];

/// The readable part of an RTP packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) len: usize,
    pub(super) sequence: u16,
    pub(super) ssrc: Ssrc,
}

/// Reads what stays readable of an RTP packet.
pub(super) fn rtp_layout(packet: &[u8]) -> Result<Header, DropReason> {
    let fixed = packet
        .first_chunk::<FIXED_HEADER>()
        .ok_or(DropReason::Truncated)?;
    if fixed[0] >> 6 != 2 {
        return Err(DropReason::BadVersion);
    }
    let mut len = FIXED_HEADER + usize::from(fixed[0] & 0x0f) * 4;
    if fixed[0] & 0x10 != 0 {
        let extension = packet.get(len..).and_then(<[u8]>::first_chunk::<4>);
        let extension = extension.ok_or(DropReason::BadHeader)?;
        // Nobody agreed on these, and read as plain ones they would give noise.
        if ENCRYPTED_HEADER.contains(&u16::from_be_bytes([extension[0], extension[1]])) {
            return Err(DropReason::BadHeader);
        }
        len += 4 + usize::from(u16::from_be_bytes([extension[2], extension[3]])) * 4;
    }
    if len > packet.len() {
        return Err(DropReason::BadHeader);
    }
    Ok(Header {
        len,
        sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
        ssrc: Ssrc(u32::from_be_bytes([
            fixed[8], fixed[9], fixed[10], fixed[11],
        ])),
    })
}

/// The source of a report: that of its first packet.
pub(super) fn report_source(packet: &[u8]) -> Result<Ssrc, DropReason> {
    let header = packet
        .first_chunk::<REPORT_HEADER>()
        .ok_or(DropReason::Truncated)?;
    Ok(Ssrc(u32::from_be_bytes([
        header[4], header[5], header[6], header[7],
    ])))
}

/// The word behind a report that is encrypted.
pub(super) const fn index_word(index: u32) -> u32 {
    index | ENCRYPTED
}

/// The index in that word; none when the report is not encrypted: nobody agreed on such.
pub(super) const fn split_index_word(word: u32) -> Option<u32> {
    if word & ENCRYPTED == 0 {
        return None;
    }
    Some(word & !ENCRYPTED)
}
