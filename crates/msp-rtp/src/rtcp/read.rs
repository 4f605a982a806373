//! Reading what the peer reports.

use msp_core::id::Ssrc;
use msp_core::stats::DropReason;
use rtcp_types::{Bye as ByePacket, ReceiverReport, RtcpPacketParser, SenderReport};

use super::write::{BYE, CNAME, RR, SDES, SR};

/// When a sender sent what (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SenderInfo {
    /// The time of the report: seconds since 1900 and their 2^32nd parts.
    pub ntp: u64,
    /// The same moment as an RTP timestamp.
    pub timestamp: u32,
    /// Packets sent.
    pub packets: u32,
    /// Octets of their payloads.
    pub octets: u32,
}

/// What somebody says about a source (RFC 3550 section 6.4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Block {
    /// The source.
    pub ssrc: Ssrc,
    /// Lost since the report before, in 256ths.
    pub fraction: u8,
    /// Lost in all; negative when packets came twice.
    pub lost: i32,
    /// The highest extended sequence number.
    pub highest: u32,
    /// Jitter in ticks.
    pub jitter: u32,
    /// The middle of the time of the source's last report, 0 if none came.
    pub last_sr: u32,
    /// Since that came, in 65,536ths of a second.
    pub delay: u32,
}

/// One packet of a compound one.
#[derive(Debug)]
pub enum Report<'a> {
    /// Of a sender.
    Sender(SenderReport<'a>),
    /// Of somebody who only hears.
    Receiver(ReceiverReport<'a>),
    /// Names of sources.
    Names(SdesItems<'a>),
    /// Sources that leave.
    Bye(ByePacket<'a>),
    /// Of another type, well formed as far as its length goes.
    Other(u8),
}

impl Report<'_> {
    /// What is said about sources.
    pub fn blocks(&self) -> impl Iterator<Item = Block> + '_ {
        let sender = match self {
            Self::Sender(report) => Some(report.report_blocks()),
            _ => None,
        };
        let receiver = match self {
            Self::Receiver(report) => Some(report.report_blocks()),
            _ => None,
        };
        let sender = sender.into_iter().flatten();
        sender.chain(receiver.into_iter().flatten()).map(|b| Block {
            ssrc: Ssrc(b.ssrc()),
            fraction: b.fraction_lost(),
            // 24 bits with sign, which the crate reads without.
            lost: ((b.cumulative_lost() << 8) as i32) >> 8,
            highest: b.extended_sequence_number(),
            jitter: b.interarrival_jitter(),
            last_sr: b.last_sender_report_timestamp(),
            delay: b.delay_since_last_sender_report_timestamp(),
        })
    }
}

/// Goes through the packets of a datagram. After one that is broken the rest is not read: nobody knows where it begins.
#[derive(Clone, Debug)]
pub struct Reports<'a> {
    rest: &'a [u8],
}

impl<'a> Reports<'a> {
    /// The packets of `datagram`.
    pub const fn new(datagram: &'a [u8]) -> Self {
        Self { rest: datagram }
    }

    fn read(packet: &'a [u8], kind: u8, count: u8) -> Option<Report<'a>> {
        Some(match kind {
            SR => Report::Sender(SenderReport::parse(packet).ok()?),
            RR => Report::Receiver(ReceiverReport::parse(packet).ok()?),
            BYE => Report::Bye(ByePacket::parse(packet).ok()?),
            SDES => Report::Names(SdesItems::parse(packet, count)?),
            other => Report::Other(other),
        })
    }
}

impl<'a> Iterator for Reports<'a> {
    type Item = Result<Report<'a>, DropReason>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let whole = std::mem::take(&mut self.rest);
        let &[first, kind, high, low, ..] = whole else {
            return Some(Err(DropReason::BadReport));
        };
        let len = (usize::from(u16::from_be_bytes([high, low])) + 1) * 4;
        let Some((packet, rest)) = whole.split_at_checked(len) else {
            return Some(Err(DropReason::BadReport));
        };
        if first >> 6 != 2 {
            return Some(Err(DropReason::BadReport));
        }
        self.rest = rest;
        // A length that was read is believed: what lies in between does not matter to the next.
        Some(Self::read(packet, kind, first & 0x1f).ok_or(DropReason::BadReport))
    }
}

/// The names in a source description (RFC 3550 section 6.5), read without taking memory.
#[derive(Clone, Debug)]
pub struct SdesItems<'a> {
    rest: &'a [u8],
    chunks: u8,
    ssrc: Option<Ssrc>,
}

impl<'a> SdesItems<'a> {
    fn parse(packet: &'a [u8], chunks: u8) -> Option<Self> {
        let padding = match packet.first()? & 0x20 {
            0 => 0,
            _ => usize::from(*packet.last()?),
        };
        let end = packet.len().checked_sub(padding)?;
        let items = Self {
            rest: packet.get(4..end)?,
            chunks,
            ssrc: None,
        };
        let mut check = items.clone();
        while check.step()?.is_some() {}
        Some(items)
    }

    /// The canonical name of `ssrc`, if it is given and is text.
    pub fn cname(&self, ssrc: Ssrc) -> Option<&'a str> {
        self.clone()
            .find(|(of, kind, _)| *of == ssrc && *kind == CNAME)
            .and_then(|(_, _, value)| std::str::from_utf8(value).ok())
    }

    /// The next item; the outer `None` when it runs over the end.
    fn step(&mut self) -> Option<Option<(Ssrc, u8, &'a [u8])>> {
        loop {
            let Some(ssrc) = self.ssrc else {
                if self.chunks == 0 {
                    return Some(None);
                }
                let (word, rest) = self.rest.split_first_chunk::<4>()?;
                self.ssrc = Some(Ssrc(u32::from_be_bytes(*word)));
                self.chunks -= 1;
                self.rest = rest;
                continue;
            };
            match *self.rest {
                // The list ends; the next chunk begins at a multiple of four, seen from the end as well as from here.
                [0, ..] => {
                    let skip = match self.rest.len() % 4 {
                        0 => 4,
                        n => n,
                    };
                    self.rest = self.rest.get(skip..)?;
                    self.ssrc = None;
                }
                [kind, len, ref body @ ..] => {
                    let (value, rest) = body.split_at_checked(usize::from(len))?;
                    self.rest = rest;
                    return Some(Some((ssrc, kind, value)));
                }
                _ => return None,
            }
        }
    }
}

impl<'a> Iterator for SdesItems<'a> {
    type Item = (Ssrc, u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.step().flatten()
    }
}
