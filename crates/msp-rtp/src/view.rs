//! A checked look at an RTP packet where it lies.

use msp_core::id::{PayloadType, SequenceNumber, Ssrc};
use msp_core::stats::DropReason;

/// The fixed part of an RTP header in bytes (RFC 3550 section 5.1).
pub const FIXED_HEADER: usize = 12;

const ONE_BYTE_PROFILE: u16 = 0xbede;

/// An RTP packet of which every length was checked, extension elements and padding included. Copies nothing.
#[derive(Clone, Copy, Debug)]
pub struct RtpView<'a> {
    fixed: &'a [u8; FIXED_HEADER],
    csrc: &'a [u8],
    extension: Option<Extension<'a>>,
    payload: &'a [u8],
    padding: usize,
    header_len: usize,
}

/// The header extension of a packet (RFC 3550 section 5.3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extension<'a> {
    /// The 16 bits that say what the rest is.
    pub profile: u16,
    /// The rest, a multiple of four bytes.
    pub data: &'a [u8],
}

/// One element of a header extension (RFC 8285 sections 4.2 and 4.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Element<'a> {
    /// The number that signalling gave it.
    pub id: u8,
    /// Its content.
    pub data: &'a [u8],
}

impl<'a> RtpView<'a> {
    /// Looks at `packet`.
    ///
    /// # Errors
    /// [`DropReason::Truncated`] for what is shorter than a fixed header, [`DropReason::BadVersion`], and
    /// [`DropReason::BadHeader`] when sources, extension, one of its elements or padding run over the end.
    pub fn parse(packet: &'a [u8]) -> Result<Self, DropReason> {
        let Some((fixed, rest)) = packet.split_first_chunk::<FIXED_HEADER>() else {
            return Err(DropReason::Truncated);
        };
        if fixed[0] >> 6 != 2 {
            return Err(DropReason::BadVersion);
        }
        let csrc_len = usize::from(fixed[0] & 0x0f) * 4;
        let (csrc, rest) = rest
            .split_at_checked(csrc_len)
            .ok_or(DropReason::BadHeader)?;
        let (extension, rest) = if fixed[0] & 0x10 != 0 {
            let (extension, rest) = Extension::parse(rest).ok_or(DropReason::BadHeader)?;
            (Some(extension), rest)
        } else {
            (None, rest)
        };
        let header_len = packet.len() - rest.len();
        let padding = if fixed[0] & 0x20 != 0 {
            match rest.last() {
                // The count includes itself, so it is never zero (RFC 3550 section 5.1).
                Some(&n) if n != 0 && usize::from(n) <= rest.len() => usize::from(n),
                _ => return Err(DropReason::BadHeader),
            }
        } else {
            0
        };
        let payload = rest.get(..rest.len() - padding).unwrap_or_default();
        Ok(Self {
            fixed,
            csrc,
            extension,
            payload,
            padding,
            header_len,
        })
    }

    /// The marker bit.
    pub const fn marker(&self) -> bool {
        self.fixed[1] & 0x80 != 0
    }

    /// The payload type.
    pub const fn payload_type(&self) -> PayloadType {
        PayloadType(self.fixed[1] & 0x7f)
    }

    /// The sequence number.
    pub const fn sequence(&self) -> SequenceNumber {
        SequenceNumber(u16::from_be_bytes([self.fixed[2], self.fixed[3]]))
    }

    /// The timestamp, in ticks of the codec's clock.
    pub const fn timestamp(&self) -> u32 {
        let f = self.fixed;
        u32::from_be_bytes([f[4], f[5], f[6], f[7]])
    }

    /// The synchronisation source.
    pub const fn ssrc(&self) -> Ssrc {
        let f = self.fixed;
        Ssrc(u32::from_be_bytes([f[8], f[9], f[10], f[11]]))
    }

    /// The contributing sources, 15 at most.
    pub fn csrc(&self) -> impl ExactSizeIterator<Item = Ssrc> + 'a {
        let (words, _) = self.csrc.as_chunks();
        words.iter().map(|w| Ssrc(u32::from_be_bytes(*w)))
    }

    /// The header extension as a whole.
    pub const fn extension(&self) -> Option<Extension<'a>> {
        self.extension
    }

    /// The elements of the header extension, none if it is of an unknown profile.
    pub fn elements(&self) -> Elements<'a> {
        self.extension
            .map_or(Elements::NONE, |extension| extension.elements())
    }

    /// What is carried.
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Bytes of padding behind the payload.
    pub const fn padding(&self) -> usize {
        self.padding
    }

    /// Where the payload begins in the packet, in bytes.
    pub const fn header_len(&self) -> usize {
        self.header_len
    }
}

impl<'a> Extension<'a> {
    fn parse(data: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (head, rest) = data.split_first_chunk::<4>()?;
        let words = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let (data, rest) = rest.split_at_checked(words * 4)?;
        let extension = Self {
            profile: u16::from_be_bytes([head[0], head[1]]),
            data,
        };
        let mut elements = extension.elements();
        while elements.step()?.is_some() {}
        Some((extension, rest))
    }

    /// The elements, none if the profile is neither of RFC 8285's.
    pub fn elements(&self) -> Elements<'a> {
        let form = match self.profile {
            ONE_BYTE_PROFILE => Form::OneByte,
            // The low four bits are for the application (RFC 8285 section 4.3).
            0x1000..=0x100f => Form::TwoByte,
            _ => return Elements::NONE,
        };
        Elements {
            form,
            rest: self.data,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Form {
    OneByte,
    TwoByte,
}

/// Goes through the elements of a header extension.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    form: Form,
    rest: &'a [u8],
}

impl<'a> Elements<'a> {
    const NONE: Self = Elements {
        form: Form::OneByte,
        rest: &[],
    };

    /// The next element; the outer `None` when it runs over the end.
    fn step(&mut self) -> Option<Option<Element<'a>>> {
        // Zero bytes between elements are padding in both forms.
        let start = self.rest.iter().position(|b| *b != 0);
        let Some((&head, body)) = start
            .and_then(|n| self.rest.get(n..))
            .and_then(<[u8]>::split_first)
        else {
            self.rest = &[];
            return Some(None);
        };
        let (id, len, body) = match self.form {
            // 15 ends the list and 0 with a length is none (RFC 8285 section 4.2): what follows is not read.
            Form::OneByte if head >> 4 == 15 || head >> 4 == 0 => {
                self.rest = &[];
                return Some(None);
            }
            Form::OneByte => (head >> 4, usize::from(head & 0x0f) + 1, body),
            Form::TwoByte => {
                let (&len, body) = body.split_first()?;
                (head, usize::from(len), body)
            }
        };
        let (data, rest) = body.split_at_checked(len)?;
        self.rest = rest;
        Some(Some(Element { id, data }))
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        self.step().flatten()
    }
}

#[cfg(test)]
mod tests;
