//! Writing a compound packet in place. `rtcp-types` writes too, but takes memory for it; a media thread may not.

use msp_core::id::Ssrc;

use super::SenderInfo;

/// A report about one source that we hear (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReportBlock {
    /// The source.
    pub ssrc: Ssrc,
    /// Lost since the last report, in 256ths.
    pub fraction: u8,
    /// Lost in all, 24 bits with sign.
    pub lost: i32,
    /// The highest extended sequence number.
    pub highest: u32,
    /// Jitter in ticks.
    pub jitter: u32,
    /// The middle of the time in the source's last sender report, 0 if there was none.
    pub last_sr: u32,
    /// Since that came, in 65,536ths of a second.
    pub delay: u32,
}

/// Who leaves (RFC 3550 section 6.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bye {
    /// The source.
    pub ssrc: Ssrc,
}

struct Writer<'a> {
    out: &'a mut [u8],
    len: usize,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.len.checked_add(bytes.len())?;
        self.out.get_mut(self.len..end)?.copy_from_slice(bytes);
        self.len = end;
        Some(())
    }

    fn word(&mut self, word: u32) -> Option<()> {
        self.put(&word.to_be_bytes())
    }

    fn packet(
        &mut self,
        kind: u8,
        count: u8,
        body: impl FnOnce(&mut Self) -> Option<()>,
    ) -> Option<()> {
        let start = self.len;
        self.put(&[0x80 | count, kind, 0, 0])?;
        body(self)?;
        while !(self.len - start).is_multiple_of(4) {
            self.put(&[0])?;
        }
        let words = u16::try_from((self.len - start) / 4 - 1).ok()?;
        self.out
            .get_mut(start + 2..start + 4)?
            .copy_from_slice(&words.to_be_bytes());
        Some(())
    }
}

/// Writes a sender or a receiver report, our name, and who leaves if anybody does; returns the octets, `None` if `out`
/// is too short. A report comes first and a name is in it always (RFC 3550 section 6.1).
pub fn write_compound(
    out: &mut [u8],
    ssrc: Ssrc,
    info: Option<SenderInfo>,
    block: Option<ReportBlock>,
    cname: &str,
    bye: Option<Bye>,
) -> Option<usize> {
    let mut w = Writer { out, len: 0 };
    let kind = if info.is_some() { SR } else { RR };
    w.packet(kind, block.is_some().into(), |w| {
        w.word(ssrc.0)?;
        if let Some(info) = info {
            w.put(&info.ntp.to_be_bytes())?;
            w.word(info.timestamp)?;
            w.word(info.packets)?;
            w.word(info.octets)?;
        }
        if let Some(block) = block {
            w.word(block.ssrc.0)?;
            w.word(u32::from(block.fraction) << 24 | (block.lost as u32 & 0x00ff_ffff))?;
            w.word(block.highest)?;
            w.word(block.jitter)?;
            w.word(block.last_sr)?;
            w.word(block.delay)?;
        }
        Some(())
    })?;
    w.packet(SDES, 1, |w| {
        w.word(ssrc.0)?;
        let name = cname.as_bytes();
        let name = name.get(..255).unwrap_or(name);
        w.put(&[CNAME, name.len() as u8])?;
        w.put(name)?;
        // At least one zero ends the items (RFC 3550 section 6.5).
        w.put(&[0])
    })?;
    if let Some(bye) = bye {
        w.packet(BYE, 1, |w| w.word(bye.ssrc.0))?;
    }
    Some(w.len)
}

pub(super) const SR: u8 = 200;
pub(super) const RR: u8 = 201;
pub(super) const SDES: u8 = 202;
pub(super) const BYE: u8 = 203;
pub(super) const CNAME: u8 = 1;
