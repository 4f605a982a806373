//! The reader: bytes to messages.
//!
//! Strict where two readers could differ about where something ends, tolerant where peers are careless: lines
//! may end in LF alone, white space may stand before a colon and continuation lines anywhere
//! (RFC 3261 section 7.3.1), blank lines before the message are skipped (section 7.5).

use bytes::Bytes;

use super::headers::Headers;
use super::limits::Limits;
use super::message::{Message, Request, Response};
use super::method::Method;
use super::name::HeaderName;
use super::scan::{is_token, number, trim};
use super::status::StatusCode;
use super::text::Text;
use super::uri::Uri;
use crate::{Error, ErrorKind, Limit, Result};

#[cfg(test)]
mod tests;

impl Message {
    /// Reads the message that a datagram holds, under the default [`Limits`].
    ///
    /// # Errors
    /// See [`Message::parse_with`].
    pub fn parse(datagram: &Bytes) -> Result<Self> {
        Self::parse_with(datagram, &Limits::default())
    }

    /// Reads the message that a datagram holds. Bytes beyond Content-Length are ignored (RFC 3261 section
    /// 18.3). Values of header fields are read when they are asked for: see [`check`](super::check).
    ///
    /// # Errors
    /// Where the first line, a header line or Content-Length breaks the grammar, the message is cut short or
    /// a limit is passed. [`Refused`] tells what can still be answered then.
    pub fn parse_with(datagram: &Bytes, limits: &Limits) -> Result<Self> {
        let sections = Sections::read(datagram, limits)?;
        let body = body(datagram, &sections, limits)?;
        let start = sections.start;
        if start
            .get(..4)
            .is_some_and(|s| s.eq_ignore_ascii_case(b"SIP/"))
        {
            let (status, reason) = status_line(&start)?;
            Ok(Self::Response(Response {
                status,
                reason,
                headers: sections.headers,
                body,
            }))
        } else {
            let (method, uri, version_ok) = request_line(&start, limits)?;
            Ok(Self::Request(Request {
                method,
                uri,
                version_ok,
                headers: sections.headers,
                body,
            }))
        }
    }
}

/// What is left of a message that cannot be read, so that it can be refused politely.
#[derive(Clone, Debug)]
pub struct Refused {
    /// The first word of the request line.
    pub method: Method,
    /// The header fields.
    pub headers: Headers,
}

impl Refused {
    /// The header fields of a request that [`Message::parse_with`] refused, if they can be made out; never
    /// those of a response.
    pub fn salvage(datagram: &Bytes, limits: &Limits) -> Option<Self> {
        let sections = Sections::read(datagram, limits).ok()?;
        let word = sections.start.split(|&b| b == b' ').next()?;
        let method = Method::new(std::str::from_utf8(word).ok()?).ok()?;
        Some(Self {
            method,
            headers: sections.headers,
        })
    }
}

/// Whether a datagram holds nothing but line breaks: a peer that keeps its way open.
pub fn is_keep_alive(datagram: &[u8]) -> bool {
    datagram.iter().all(|b| matches!(b, b'\r' | b'\n' | 0))
}

/// The first line and the header fields, and where the body begins.
struct Sections {
    start: Bytes,
    headers: Headers,
    body: usize,
}

impl Sections {
    fn read(message: &Bytes, limits: &Limits) -> Result<Self> {
        if message.len() > limits.message {
            return Err(Error::limit(Limit::Message, ""));
        }
        let blank = message
            .iter()
            .take_while(|b| matches!(b, b'\r' | b'\n'))
            .count();
        let mut lines = Lines {
            rest: message.get(blank..).unwrap_or_default(),
            limits,
        };
        let (start, folded) = lines.next()?.ok_or(Error::new(ErrorKind::StartLine, ""))?;
        if folded {
            return Err(Error::new(ErrorKind::StartLine, ""));
        }
        let mut headers = Headers::with_capacity(16);
        while let Some((line, folded)) = lines.next()? {
            if headers.len() >= limits.headers {
                return Err(Error::limit(Limit::HeaderCount, ""));
            }
            let (name, value) = header_line(message, line)?;
            let value = if folded {
                unfold(value)
            } else {
                message.slice_ref(value)
            };
            headers.put(name, value);
        }
        let body = message.len() - lines.rest.len();
        if body > limits.header_bytes.saturating_add(blank) {
            return Err(Error::limit(Limit::HeaderBytes, ""));
        }
        Ok(Self {
            start: message.slice_ref(start),
            headers,
            body,
        })
    }
}

/// The header fields at the front of a piece of a message, which need no blank line after them, and where what
/// follows them begins.
pub(super) fn fields(piece: &Bytes) -> Result<(Headers, usize)> {
    let limits = Limits::default();
    let mut lines = Lines {
        rest: piece,
        limits: &limits,
    };
    let mut headers = Headers::new();
    while !lines.rest.is_empty() {
        let last = memchr::memchr(b'\n', lines.rest).is_none();
        let (line, folded) = if last {
            (std::mem::take(&mut lines.rest), false)
        } else {
            match lines.next()? {
                Some(line) => line,
                None => break,
            }
        };
        if headers.len() >= limits.headers {
            return Err(Error::limit(Limit::HeaderCount, ""));
        }
        let (name, value) = header_line(piece, line)?;
        let value = if folded {
            unfold(value)
        } else {
            piece.slice_ref(value)
        };
        headers.put(name, value);
    }
    Ok((headers, piece.len() - lines.rest.len()))
}

/// Lines with the lines that continue them.
struct Lines<'a> {
    rest: &'a [u8],
    limits: &'a Limits,
}

impl<'a> Lines<'a> {
    /// The next line without its end, and whether it is continued; `None` for the blank line that ends the section.
    fn next(&mut self) -> Result<Option<(&'a [u8], bool)>> {
        let all = self.rest;
        let (mut end, mut folded) = (0, false);
        loop {
            let from = all.get(end..).unwrap_or_default();
            let line = memchr::memchr(b'\n', from).ok_or(Error::new(ErrorKind::Truncated, ""))?;
            end += line + 1;
            if end > self.limits.line {
                return Err(Error::limit(Limit::Line, ""));
            }
            let blank = !folded && matches!(all.get(..end), Some(b"\n" | b"\r\n"));
            if blank || !matches!(all.get(end), Some(b' ' | b'\t')) {
                break;
            }
            folded = true;
        }
        let (line, rest) = all.split_at_checked(end).unwrap_or((all, &[]));
        self.rest = rest;
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Ok(if line.is_empty() {
            None
        } else {
            Some((line, folded))
        })
    }
}

/// Cuts a header line into its name and its value without white space around it.
fn header_line<'a>(message: &Bytes, line: &'a [u8]) -> Result<(HeaderName, &'a [u8])> {
    const BAD: Error = Error::new(ErrorKind::HeaderLine, "");
    let colon = memchr::memchr(b':', line).ok_or(BAD)?;
    let (name, value) = line.split_at_checked(colon).ok_or(BAD)?;
    // White space at the front would have made this a continuation line.
    let name = trim(name);
    let name = match HeaderName::known(name) {
        Some(known) => known,
        None if is_token(name) => HeaderName::Other(Text::new(message.slice_ref(name))?),
        None => return Err(BAD),
    };
    let value = value.get(1..).unwrap_or_default();
    if memchr::memchr2(b'\r', 0, value).is_some() && !control_bytes_are_harmless(value) {
        return Err(BAD);
    }
    Ok((name, trim(value)))
}

/// CR may stand before LF only, NUL in an escape only (RFC 3261 section 25.1, `quoted-pair`).
fn control_bytes_are_harmless(value: &[u8]) -> bool {
    let next_is_lf = |i: usize| value.get(i + 1) == Some(&b'\n');
    let escaped = |i: usize| i.checked_sub(1).and_then(|i| value.get(i)) == Some(&b'\\');
    value.iter().enumerate().all(|(i, &b)| match b {
        b'\r' => next_is_lf(i),
        0 => escaped(i),
        _ => true,
    })
}

/// The value with every line break and the white space after it replaced by one space; by nothing within angle
/// brackets, where a URI stands that can hold none.
fn unfold(value: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(value.len());
    let (mut quoted, mut escaped, mut angle) = (false, false, false);
    for line in value.split(|&b| b == b'\n') {
        let part = trim(line.strip_suffix(b"\r").unwrap_or(line));
        if !out.is_empty() && !part.is_empty() && !angle {
            out.push(b' ');
        }
        for &b in part {
            match b {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' if !angle => quoted = !quoted,
                b'<' if !quoted => angle = true,
                b'>' if !quoted => angle = false,
                _ => {}
            }
        }
        out.extend_from_slice(part);
    }
    out.into()
}

pub(super) fn request_line(line: &Bytes, limits: &Limits) -> Result<(Method, Uri, bool)> {
    const BAD: Error = Error::new(ErrorKind::StartLine, "");
    // Exactly two spaces: anything else leaves open what the URI is (RFC 4475 sections 3.1.2.8 to 3.1.2.10).
    let mut words = line.split(|&b| b == b' ');
    let (Some(method), Some(uri), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(BAD);
    };
    if !is_token(method) {
        return Err(BAD);
    }
    let text = std::str::from_utf8(method).map_err(|_| BAD)?;
    let method = match Method::known(text) {
        Some(known) => known,
        None => Method::Other(Text::new(line.slice_ref(method))?),
    };
    if uri.len() > limits.uri {
        return Err(Error::limit(Limit::Uri, "Request-URI"));
    }
    let version_ok = version.eq_ignore_ascii_case(b"SIP/2.0");
    if !version_ok && !is_version(version) {
        return Err(BAD);
    }
    Ok((method, Uri::from_bytes(line.slice_ref(uri))?, version_ok))
}

/// `SIP/` and two numbers.
fn is_version(word: &[u8]) -> bool {
    let Some((name, numbers)) = word.split_at_checked(4) else {
        return false;
    };
    let mut numbers = numbers.split(|&b| b == b'.');
    let is_number =
        |n: Option<&[u8]>| n.is_some_and(|n| !n.is_empty() && n.iter().all(u8::is_ascii_digit));
    name.eq_ignore_ascii_case(b"SIP/")
        && is_number(numbers.next())
        && is_number(numbers.next())
        && numbers.next().is_none()
}

pub(super) fn status_line(line: &Bytes) -> Result<(StatusCode, Text)> {
    let mut words = line.splitn(3, |&b| b == b' ');
    let version = words.next().unwrap_or_default();
    let code = words.next().unwrap_or_default();
    let reason = words.next().unwrap_or_default();
    if !version.eq_ignore_ascii_case(b"SIP/2.0") {
        return Err(Error::new(ErrorKind::Version, ""));
    }
    let code = if code.len() == 3 {
        number(code, 699)
    } else {
        None
    };
    let status = code
        .and_then(|c| u16::try_from(c).ok())
        .and_then(StatusCode::new)
        .ok_or(Error::new(ErrorKind::StatusCode, ""))?;
    // Nobody acts on the phrase: one in another encoding is dropped, not the response.
    let reason = Text::new(line.slice_ref(trim(reason))).unwrap_or_default();
    Ok((status, reason))
}

/// The body that Content-Length delimits, or all that is left without one (RFC 3261 section 18.3).
fn body(message: &Bytes, sections: &Sections, limits: &Limits) -> Result<Bytes> {
    let rest = message.slice(sections.body.min(message.len())..);
    let length = match content_length(&sections.headers)? {
        None => rest.len(),
        Some(length) if length > rest.len() => {
            return Err(Error::new(ErrorKind::BodyTruncated, ""));
        }
        Some(length) => length,
    };
    if length > limits.body {
        return Err(Error::limit(Limit::Body, ""));
    }
    Ok(rest.slice(..length))
}

/// Content-Length: one field, digits alone.
pub(super) fn content_length(headers: &Headers) -> Result<Option<usize>> {
    let mut values = headers.all(&HeaderName::ContentLength);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    const BAD: Error = Error::new(ErrorKind::ContentLength, "");
    if values.next().is_some() {
        return Err(BAD);
    }
    number(trim(value), u64::from(u32::MAX))
        .and_then(|n| usize::try_from(n).ok())
        .map(Some)
        .ok_or(BAD)
}
