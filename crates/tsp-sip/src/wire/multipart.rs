//! Bodies of several parts (RFC 2046 section 5.1, RFC 5621 section 3).

use bytes::{BufMut, Bytes, BytesMut};

use super::fields::MediaType;
use super::headers::Headers;
use super::name::HeaderName;
use super::params::token_headed;
use super::read;
use super::scan::{quote, trim};
use crate::{Error, ErrorKind, Limit, Result};

/// The most parts of a body, all levels together.
const PARTS: usize = 16;
/// How deep parts may hold parts.
const DEPTH: usize = 4;
/// The longest boundary (RFC 2046 section 5.1.1).
const BOUNDARY: usize = 70;

/// One part of a body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part {
    /// The header fields of the part.
    pub headers: Headers,
    /// The content.
    pub body: Bytes,
    /// The parts of the content, if it is itself a body of several.
    pub parts: Vec<Self>,
}

impl Part {
    /// A part of `content_type`.
    ///
    /// # Errors
    /// [`ErrorKind::Inexpressible`] if the type cannot stand in a header field.
    pub fn new(content_type: &str, body: impl Into<Bytes>) -> Result<Self> {
        let mut headers = Headers::new();
        headers.push(HeaderName::ContentType, content_type.to_owned())?;
        Ok(Self {
            headers,
            body: body.into(),
            parts: Vec::new(),
        })
    }

    /// Whether the part is of `kind`/`subtype`; one without a type is `text/plain` (RFC 2046 section 5.1).
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        match self.headers.content_type() {
            Ok(Some(media)) => media.is(kind, subtype),
            Ok(None) => kind.eq_ignore_ascii_case("text") && subtype.eq_ignore_ascii_case("plain"),
            Err(_) => false,
        }
    }

    /// Whether the receiver may leave the part aside if it does not understand it (RFC 5621 section 8.3: it must
    /// be understood unless `handling=optional` says otherwise).
    pub fn is_optional(&self) -> bool {
        self.headers.is_body_optional()
    }
}

impl Headers {
    /// Whether Content-Disposition says `handling=optional` (RFC 3261 section 20.11).
    pub fn is_body_optional(&self) -> bool {
        self.get(&HeaderName::ContentDisposition)
            .and_then(|v| token_headed(v, "Content-Disposition").ok())
            .is_some_and(|(_, params)| {
                params
                    .get("handling")
                    .is_some_and(|h| h.eq_ignore_ascii_case("optional"))
            })
    }
}

/// Reads the parts of `body`, whose type is `media`, those of parts within it too.
///
/// # Errors
/// [`ErrorKind::Value`] if `media` is no `multipart` type with a boundary, [`ErrorKind::Truncated`] without a first
/// or a closing boundary, [`ErrorKind::HeaderLine`] for header fields that are none, [`ErrorKind::Limit`] for more
/// than 16 parts or 4 levels.
pub fn parse(media: &MediaType, body: &Bytes) -> Result<Vec<Part>> {
    let mut left = PARTS;
    level(media, body, DEPTH, &mut left)
}

/// Writes `parts` as a body with `boundary` between them, each after the next.
///
/// # Errors
/// [`ErrorKind::Inexpressible`] if the boundary occurs in a part or breaks the grammar of RFC 2046.
pub fn write(parts: &[Part], boundary: &str) -> Result<Bytes> {
    const BAD: Error = Error::new(ErrorKind::Inexpressible, "boundary");
    let delimiter = format!("--{boundary}");
    let within = |b: &Bytes| memchr::memmem::find(b, delimiter.as_bytes()).is_some();
    if !is_boundary(boundary)
        || parts
            .iter()
            .any(|p| within(&p.body) || p.headers.iter().any(|f| within(f.value())))
    {
        return Err(BAD);
    }
    let mut out = BytesMut::new();
    for part in parts {
        out.put_slice(delimiter.as_bytes());
        out.put_slice(b"\r\n");
        for field in part.headers.iter() {
            out.put_slice(field.name().as_str().as_bytes());
            out.put_slice(b": ");
            out.put_slice(field.value());
            out.put_slice(b"\r\n");
        }
        out.put_slice(b"\r\n");
        out.put_slice(&part.body);
        out.put_slice(b"\r\n");
    }
    out.put_slice(delimiter.as_bytes());
    out.put_slice(b"--\r\n");
    Ok(out.freeze())
}

/// The Content-Type of a body of `subtype` (`mixed`, `alternative`, `related`) that is parted by `boundary`.
pub fn content_type(subtype: &str, boundary: &str) -> Bytes {
    format!("multipart/{subtype};boundary={}", quote(boundary)).into()
}

fn level(media: &MediaType, body: &Bytes, depth: usize, left: &mut usize) -> Result<Vec<Part>> {
    const BAD: Error = Error::new(ErrorKind::Value, "boundary");
    let boundary = media.params().get("boundary").ok_or(BAD)?;
    if !media.kind().eq_ignore_ascii_case("multipart") || !is_boundary(&boundary) {
        return Err(BAD);
    }
    let mut delimiters = Delimiters {
        body,
        mark: format!("--{boundary}"),
        from: 0,
    };
    // What stands before the first boundary and after the last is for nobody (RFC 2046 section 5.1.1).
    let mut open = delimiters.next()?;
    let mut parts = Vec::new();
    while !open.closes {
        let next = delimiters.next()?;
        *left = left
            .checked_sub(1)
            .ok_or(Error::limit(Limit::List, "parts"))?;
        let content = body.get(open.end..next.start).unwrap_or_default();
        parts.push(part(&body.slice_ref(content), depth, left)?);
        open = next;
    }
    Ok(parts)
}

fn part(content: &Bytes, depth: usize, left: &mut usize) -> Result<Part> {
    let (headers, start) = read::fields(content)?;
    let body = content.slice(start.min(content.len())..);
    let nested = headers
        .content_type()?
        .filter(|m| m.kind().eq_ignore_ascii_case("multipart"));
    let parts = match nested {
        Some(_) if depth <= 1 => return Err(Error::limit(Limit::List, "nested parts")),
        Some(media) => level(&media, &body, depth - 1, left)?,
        None => Vec::new(),
    };
    Ok(Part {
        headers,
        body,
        parts,
    })
}

/// A line that parts: where the content before it ends, and where that after it begins.
struct Delimiter {
    start: usize,
    end: usize,
    closes: bool,
}

struct Delimiters<'a> {
    body: &'a [u8],
    mark: String,
    from: usize,
}

impl Delimiters<'_> {
    /// The next line that begins with the boundary and holds nothing else but white space.
    fn next(&mut self) -> Result<Delimiter> {
        const CUT: Error = Error::new(ErrorKind::Truncated, "multipart");
        loop {
            let rest = self.body.get(self.from..).ok_or(CUT)?;
            let at = self.from + memchr::memmem::find(rest, self.mark.as_bytes()).ok_or(CUT)?;
            let after = at + self.mark.len();
            self.from = after;
            let before = self.body.get(..at).unwrap_or_default();
            let start = match before {
                // The line break before a boundary belongs to it.
                [.., b'\r', b'\n'] => at - 2,
                [.., b'\n'] => at - 1,
                [] => 0,
                _ => continue,
            };
            let tail = self.body.get(after..).unwrap_or_default();
            let line_end = memchr::memchr(b'\n', tail);
            let line = tail
                .get(..line_end.unwrap_or(tail.len()))
                .unwrap_or_default();
            let line = trim(line.strip_suffix(b"\r").unwrap_or(line));
            if line == b"--" {
                return Ok(Delimiter {
                    start,
                    end: self.body.len(),
                    closes: true,
                });
            }
            if let (b"", Some(end)) = (line, line_end) {
                // Two boundaries may share a line break; a part is never of less than nothing.
                self.from = after + end;
                return Ok(Delimiter {
                    start,
                    end: after + end + 1,
                    closes: false,
                });
            }
        }
    }
}

/// `bchars` of RFC 2046 section 5.1.1.
fn is_boundary(text: &str) -> bool {
    let fine = |b: u8| b.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&b);
    !text.is_empty() && text.len() <= BOUNDARY && !text.ends_with(' ') && text.bytes().all(fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media(text: &str) -> MediaType {
        let mut h = Headers::new();
        h.push(HeaderName::ContentType, text.to_owned()).unwrap();
        h.content_type().unwrap().unwrap()
    }

    fn read(body: &str) -> Result<Vec<Part>> {
        parse(
            &media("multipart/mixed;boundary=\"b 1\""),
            &Bytes::from(body.to_owned()),
        )
    }

    #[test]
    fn parts_of_a_body() {
        let body = "for nobody\r\n--b 1\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n--b 1  \r\nc: text/x;y=z\r\n\
                    Content-Disposition: render ; handling=Optional\r\n\r\n--b 12\r\n x--b 1\r\n--b 1\r\n\r\n--b 1--\r\nthe end";
        let parts = read(body).unwrap();
        assert_eq!(parts.len(), 3);
        assert!(parts[0].is("application", "sdp") && !parts[0].is_optional());
        assert_eq!(parts[0].body, "v=0\r\n");
        assert!(parts[1].is_optional());
        assert_eq!(parts[1].body, "--b 12\r\n x--b 1");
        assert!(parts[2].is("text", "plain") && parts[2].body.is_empty());
        let again = read(std::str::from_utf8(&write(&parts, "b2").unwrap()).unwrap());
        assert_eq!(again.map_err(Error::kind), Err(ErrorKind::Truncated));
        let bytes = write(&parts, "b2").unwrap();
        let kind = content_type("mixed", "b2");
        let again = parse(&media(std::str::from_utf8(&kind).unwrap()), &bytes).unwrap();
        assert_eq!(again, parts);
    }

    #[test]
    fn bare_line_feeds_will_do() {
        let parts = read("--b 1\nContent-Type: a/b\n\nx\n--b 1--").unwrap();
        assert_eq!(parts[0].body, "x");
    }

    #[test]
    fn parts_within_parts_are_bounded() {
        let nest = |depth: usize| {
            let mut body = String::from("x");
            let mut kind = String::from("text/plain");
            for n in 0..depth {
                body = format!("--n{n}\r\nContent-Type: {kind}\r\n\r\n{body}\r\n--n{n}--\r\n");
                kind = format!("multipart/mixed;boundary=n{n}");
            }
            parse(&media(&kind), &Bytes::from(body))
        };
        assert_eq!(nest(4).unwrap()[0].parts[0].parts[0].parts[0].body, "x");
        assert_eq!(
            nest(5).map_err(Error::kind),
            Err(ErrorKind::Limit(Limit::List))
        );
        let many = format!("{}--b 1--", "--b 1\r\n\r\n\r\n".repeat(17));
        assert_eq!(
            read(&many).map_err(Error::kind),
            Err(ErrorKind::Limit(Limit::List))
        );
    }

    #[test]
    fn what_is_no_body_of_parts() {
        for bad in [
            "",
            "--b 1",
            "--b 1\r\n",
            "--b 1\r\n\r\nx",
            "x--b 1--",
            "--b 1\r\nx y\r\n\r\n\r\n--b 1--",
        ] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
        assert_eq!(read("--b 1--").unwrap(), []);
        for bad in [
            "multipart/mixed",
            "text/plain;boundary=x",
            "multipart/mixed;boundary=\"\"",
        ] {
            assert!(
                parse(&media(bad), &Bytes::from_static(b"--x--")).is_err(),
                "{bad}"
            );
        }
        let part = Part::new("text/plain", "a --b c").unwrap();
        assert!(write(std::slice::from_ref(&part), "b").is_err());
        assert!(write(&[part], "a\r\nb").is_err());
        assert!(Part::new("a/b\r\nX: y", "").is_err());
    }
}
