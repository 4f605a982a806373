//! Messages on a stream: where one ends and the next begins (RFC 3261 section 18.3).

use bytes::{Buf, Bytes, BytesMut};

use super::headers::Headers;
use super::limits::Limits;
use super::name::HeaderName;
use super::read;
use super::scan::trim;
use crate::{Error, ErrorKind, Limit, Result};

/// What came on a stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Frame {
    /// The bytes of one message, for [`Message::parse_with`](super::Message::parse_with).
    Message(Bytes),
    /// Two line breaks before a message: a ping that wants one line break back (RFC 5626 section 4.4.1).
    Ping,
}

/// Cuts a stream of bytes into messages by their Content-Length.
///
/// After an error the stream cannot be trusted any more and has to be closed.
#[derive(Debug)]
pub struct Framer {
    buffer: BytesMut,
    limits: Limits,
    /// How much of the buffer was searched for the end of a header section in vain.
    searched: usize,
    /// The lengths of the header section and the body that the buffer begins with, once known.
    pending: Option<usize>,
}

impl Framer {
    /// A framer for the start of a stream.
    pub fn new(limits: Limits) -> Self {
        Self {
            buffer: BytesMut::new(),
            limits,
            searched: 0,
            pending: None,
        }
    }

    /// Takes bytes as they come, in pieces of any size.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// How many bytes wait for the rest of their message.
    pub fn waiting(&self) -> usize {
        self.buffer.len()
    }

    /// Takes one line break out if nothing else waits: the answer to a ping, for whoever sent one.
    pub fn take_break(&mut self) -> bool {
        let lone = self.buffer.as_ref() == b"\r\n";
        if lone {
            self.buffer.clear();
        }
        lone
    }

    /// What is left, for whoever wants to say what is wrong with it.
    pub fn into_rest(self) -> Bytes {
        self.buffer.freeze()
    }

    /// The next message, if it is complete.
    ///
    /// # Errors
    /// [`ErrorKind::ContentLength`] if the length is missing or malformed, [`ErrorKind::Limit`] if a message or
    /// its header section is too long.
    pub fn next_frame(&mut self) -> Result<Option<Frame>> {
        if self.pending.is_none() {
            match self.buffer.as_ref() {
                [b'\r', b'\n', b'\r', b'\n', ..] => {
                    self.buffer.advance(4);
                    return Ok(Some(Frame::Ping));
                }
                // One line break may be half a ping.
                [] | [b'\r'] | [b'\r', b'\n'] | [b'\r', b'\n', b'\r'] => return Ok(None),
                _ => {}
            }
            let blank = self
                .buffer
                .iter()
                .take_while(|b| matches!(b, b'\r' | b'\n'))
                .count();
            self.buffer.advance(blank);
            let Some(head) = self.head_len()? else {
                return Ok(None);
            };
            let body = body_len(self.buffer.get(..head).unwrap_or_default())?;
            if body > self.limits.body {
                return Err(Error::limit(Limit::Body, ""));
            }
            self.pending = Some(head + body);
        }
        let Some(length) = self.pending.filter(|&n| self.buffer.len() >= n) else {
            return Ok(None);
        };
        self.pending = None;
        self.searched = 0;
        Ok(Some(Frame::Message(self.buffer.split_to(length).freeze())))
    }

    /// The length of the header section with the blank line at its end, if that came.
    fn head_len(&mut self) -> Result<Option<usize>> {
        let bytes = self.buffer.as_ref();
        // A blank line is three bytes at most beyond what was searched.
        let from = self.searched.saturating_sub(3);
        let window = bytes.get(from..).unwrap_or_default();
        let end = window.iter().enumerate().find_map(|(i, &b)| {
            if b != b'\n' {
                return None;
            }
            match window.get(i + 1..) {
                Some([b'\n', ..]) => Some(i + 2),
                Some([b'\r', b'\n', ..]) => Some(i + 3),
                _ => None,
            }
        });
        self.searched = bytes.len();
        match end.map(|n| from + n) {
            Some(n) if n > self.limits.header_bytes => Err(Error::limit(Limit::HeaderBytes, "")),
            None if bytes.len() > self.limits.header_bytes => {
                Err(Error::limit(Limit::HeaderBytes, ""))
            }
            found => Ok(found),
        }
    }
}

/// What the Content-Length of a header section says. A stream cannot do without one (RFC 3261 section 20.14).
fn body_len(head: &[u8]) -> Result<usize> {
    let mut fields = Headers::new();
    for line in head.split(|&b| b == b'\n') {
        let Some(colon) = line.iter().position(|&b| b == b':') else {
            continue;
        };
        let Some((name, value)) = line.split_at_checked(colon) else {
            continue;
        };
        let name = trim(name);
        if name.eq_ignore_ascii_case(b"l") || name.eq_ignore_ascii_case(b"Content-Length") {
            let value = value.strip_suffix(b"\r").unwrap_or(value);
            fields.put(
                HeaderName::ContentLength,
                Bytes::copy_from_slice(trim(value.get(1..).unwrap_or_default())),
            );
        }
    }
    read::content_length(&fields)?.ok_or(Error::new(ErrorKind::ContentLength, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "OPTIONS sip:a@b SIP/2.0\r\nl: 3\r\n\r\nabc";
    const TWO: &str = "BYE sip:a@b SIP/2.0\nContent-Length : 0\n\n";

    fn frames(framer: &mut Framer) -> Vec<Frame> {
        std::iter::from_fn(|| framer.next_frame().unwrap()).collect()
    }

    #[test]
    fn pieces_of_any_size_give_the_same_messages() {
        let stream = format!("\r\n\r\n{ONE}\r\n{TWO}{ONE}");
        let wanted: Vec<_> = [ONE, TWO, ONE]
            .iter()
            .map(|m| Frame::Message(Bytes::from(*m)))
            .collect();
        for size in 1..stream.len() {
            let mut framer = Framer::new(Limits::default());
            let mut got = Vec::new();
            for piece in stream.as_bytes().chunks(size) {
                framer.push(piece);
                got.extend(frames(&mut framer));
            }
            assert_eq!(got.first(), Some(&Frame::Ping));
            assert_eq!(got[1..], wanted, "{size}");
            assert_eq!(framer.waiting(), 0);
        }
    }

    #[test]
    fn a_line_break_is_an_answer_only_if_it_stands_alone() {
        let mut framer = Framer::new(Limits::default());
        framer.push(b"\r");
        assert_eq!(
            (framer.next_frame(), framer.take_break()),
            (Ok(None), false)
        );
        framer.push(b"\n");
        assert!(framer.take_break() && framer.waiting() == 0);
        framer.push(b"\r\n\r\n\r\n");
        assert_eq!(framer.next_frame(), Ok(Some(Frame::Ping)));
        assert!(framer.take_break());
        framer.push(format!("\r\n{ONE}").as_bytes());
        assert!(!framer.take_break());
        assert_eq!(frames(&mut framer).len(), 1);
    }

    #[test]
    fn a_length_that_lies_closes_the_stream() {
        for bad in [
            "",
            "l: -1\r\n",
            "l: 4294967328\r\n",
            "l: 1\r\nl: 1\r\n",
            "l: 99999999\r\n",
        ] {
            let mut framer = Framer::new(Limits::default());
            framer.push(format!("OPTIONS sip:a@b SIP/2.0\r\n{bad}\r\n").as_bytes());
            assert!(framer.next_frame().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_endless_header_section_is_refused() {
        let mut framer = Framer::new(Limits::default());
        let refused = (0..10_000).any(|_| {
            framer.push(b"x: y\r\n");
            framer.next_frame().is_err()
        });
        assert!(refused && framer.waiting() < 33 * 1024);
    }
}
