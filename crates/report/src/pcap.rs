//! A capture of a call that Wireshark opens: pcapng without link layer, IP and UDP headers made anew.

mod ip;

use std::borrow::Cow;
use std::io::Write;

use msp_core::trace::{TraceBody, TraceEntry, Way};

use crate::{Error, ErrorKind, WallClock, masked};

/// `LINKTYPE_RAW`: packets begin with their IP header, of either version.
const LINKTYPE_RAW: u16 = 101;

/// How much of a trace became packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Counts {
    /// Packets written.
    pub packets: u64,
    /// Datagrams and messages longer than a UDP datagram can be; they are not in the capture.
    pub too_long: u64,
}

/// Writes the signalling and the media of traces as a pcapng file, credentials masked.
///
/// Each phone is an interface of its own, so that one capture can show what both ends of a call saw. Messages over
/// TCP are written as UDP datagrams too: a trace keeps messages, not segments. Why a datagram was dropped is said in
/// the comment of its packet.
#[derive(Debug)]
pub struct Pcap<W> {
    out: W,
    clock: WallClock,
    interfaces: u32,
    identification: u16,
    counts: Counts,
}

impl<W: Write> Pcap<W> {
    /// Begins a capture. `clock` dates the entries; `software` is named as the one that wrote it.
    ///
    /// # Errors
    /// [`ErrorKind::Write`] when `out` fails.
    pub fn new(out: W, clock: WallClock, software: &str) -> Result<Self, Error> {
        let mut pcap = Self {
            out,
            clock,
            interfaces: 0,
            identification: 0,
            counts: Counts::default(),
        };
        let mut section = Block::new(0x0a0d_0d0a);
        section.u32(0x1a2b_3c4d); // byte order
        section.u16(1); // version 1.0
        section.u16(0);
        section.bytes(&u64::MAX.to_le_bytes()); // length of the section: unknown
        section.option(4, software.as_bytes()); // shb_userappl
        section.end(&mut pcap.out)?;
        Ok(pcap)
    }

    /// Adds an interface and returns its number; `name` is that of the phone.
    ///
    /// # Errors
    /// [`ErrorKind::Write`] when the writer fails.
    pub fn interface(&mut self, name: &str) -> Result<u32, Error> {
        let mut block = Block::new(1);
        block.u16(LINKTYPE_RAW);
        block.u16(0);
        block.u32(0); // nothing is cut
        block.option(2, name.as_bytes()); // if_name
        block.option(9, &[9]); // if_tsresol: nanoseconds
        block.end(&mut self.out)?;
        let number = self.interfaces;
        self.interfaces += 1;
        Ok(number)
    }

    /// Writes `entry` if it is a message or a datagram; anything else is passed over.
    ///
    /// # Errors
    /// [`ErrorKind::Write`] when the writer fails, [`ErrorKind::UnknownInterface`] for a number that
    /// [`interface`](Self::interface) did not give.
    pub fn write(&mut self, interface: u32, entry: &TraceEntry) -> Result<(), Error> {
        if interface >= self.interfaces {
            return Err(Error::new(ErrorKind::UnknownInterface));
        }
        let (way, local, remote, bytes, dropped) = match &entry.body {
            TraceBody::Signal {
                way,
                local,
                remote,
                bytes,
                ..
            } => (*way, *local, *remote, Cow::Owned(masked(bytes)), None),
            TraceBody::Media {
                way,
                local,
                remote,
                bytes,
                dropped,
                ..
            } => (*way, *local, *remote, Cow::Borrowed(&**bytes), *dropped),
            _ => return Ok(()),
        };
        let (from, to) = match way {
            Way::In => (remote, local),
            Way::Out => (local, remote),
        };
        let Some(packet) = ip::datagram(from, to, self.identification, &bytes) else {
            self.counts.too_long += 1;
            return Ok(());
        };
        self.identification = self.identification.wrapping_add(1);
        let Ok(len) = u32::try_from(packet.len()) else {
            return Ok(());
        };
        let at = self.clock.unix_nanos(entry.at);
        let mut block = Block::new(6);
        block.u32(interface);
        block.u32((at >> 32) as u32);
        block.u32(at as u32); // the lower half, as the format wants it
        block.u32(len);
        block.u32(len);
        block.padded(&packet);
        // epb_flags: inbound or outbound
        block.option(
            2,
            &match way {
                Way::In => 1u32,
                Way::Out => 2,
            }
            .to_le_bytes(),
        );
        if let Some(reason) = dropped {
            block.option(1, format!("dropped: {}", reason.name()).as_bytes());
        }
        block.end(&mut self.out)?;
        self.counts.packets += 1;
        Ok(())
    }

    /// Ends the capture and gives the writer back.
    ///
    /// # Errors
    /// [`ErrorKind::Write`] when what the writer still holds cannot be written.
    pub fn finish(mut self) -> Result<(W, Counts), Error> {
        self.out.flush()?;
        Ok((self.out, self.counts))
    }
}

/// One block of a pcapng file, in little-endian order.
struct Block {
    bytes: Vec<u8>,
    options: bool,
}

impl Block {
    fn new(kind: u32) -> Self {
        let mut bytes = kind.to_le_bytes().to_vec();
        bytes.extend_from_slice(&[0; 4]); // its length, when it is known
        Self {
            bytes,
            options: false,
        }
    }

    fn u16(&mut self, value: u16) {
        self.bytes(&value.to_le_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn padded(&mut self, bytes: &[u8]) {
        self.bytes(bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn option(&mut self, code: u16, value: &[u8]) {
        let value = value.get(..usize::from(u16::MAX)).unwrap_or(value);
        self.options = true;
        self.u16(code);
        self.u16(value.len() as u16);
        self.padded(value);
    }

    fn end(mut self, out: &mut impl Write) -> Result<(), Error> {
        if self.options {
            self.u32(0); // opt_endofopt
        }
        let len = (self.bytes.len() as u32 + 4).to_le_bytes();
        if let Some(field) = self.bytes.get_mut(4..8) {
            field.copy_from_slice(&len);
        }
        self.bytes(&len);
        Ok(out.write_all(&self.bytes)?)
    }
}

#[cfg(test)]
mod tests;
