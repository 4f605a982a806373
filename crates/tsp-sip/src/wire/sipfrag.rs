//! Pieces of messages as bodies, `message/sipfrag` (RFC 3420): how a referral goes (RFC 3515 section 2.4.5).

use bytes::{BufMut, Bytes, BytesMut};

use super::headers::Headers;
use super::limits::Limits;
use super::method::Method;
use super::read;
use super::status::StatusCode;
use super::text::Text;
use super::uri::Uri;
use crate::{Error, ErrorKind, Result};

/// The first line of a fragment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FragmentStart {
    /// That of a response.
    Status(StatusCode, Text),
    /// That of a request.
    Request(Method, Uri),
}

/// A piece of a message: each of its parts may be missing (RFC 3420 section 2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fragment {
    /// The first line.
    pub start: Option<FragmentStart>,
    /// The header fields.
    pub headers: Headers,
    /// The body.
    pub body: Bytes,
}

impl Fragment {
    /// The first line of a response of `status`.
    pub fn status(status: StatusCode) -> Self {
        let phrase = Text::from_static(status.phrase());
        Self {
            start: Some(FragmentStart::Status(status, phrase)),
            headers: Headers::new(),
            body: Bytes::new(),
        }
    }

    /// Reads a fragment. A first line that nothing ends is taken, as peers leave the line break out.
    ///
    /// # Errors
    /// That of the first line or of a header line, or [`ErrorKind::Limit`].
    pub fn parse(bytes: &Bytes) -> Result<Self> {
        let limits = Limits::default();
        let end = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |i| i + 1);
        let line = bytes.get(..end).unwrap_or_default();
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > limits.line {
            return Err(Error::limit(crate::Limit::Line, ""));
        }
        let line = bytes.slice_ref(line);
        let is_sip = |part: Option<&[u8]>| part.is_some_and(|p| p.eq_ignore_ascii_case(b"SIP/"));
        // A request line ends with the version; no header line has that and a name without a colon.
        let word_end = line.iter().position(|b| matches!(b, b' ' | b':'));
        let is_request = word_end.is_some_and(|i| line.get(i) == Some(&b' '))
            && line
                .rsplit(|b| *b == b' ')
                .next()
                .is_some_and(|v| is_sip(v.get(..4)));
        let start = if is_sip(line.get(..4)) {
            let (status, phrase) = read::status_line(&line)?;
            Some(FragmentStart::Status(status, phrase))
        } else if is_request {
            let (method, uri, version_ok) = read::request_line(&line, &limits)?;
            if !version_ok {
                return Err(Error::new(ErrorKind::Version, "sipfrag"));
            }
            Some(FragmentStart::Request(method, uri))
        } else {
            None
        };
        let rest = match start {
            Some(_) => bytes.slice(end..),
            None => bytes.clone(),
        };
        let (headers, body) = read::fields(&rest)?;
        Ok(Self {
            start,
            headers,
            body: rest.slice(body.min(rest.len())..),
        })
    }

    /// The status, if the fragment is of a response.
    pub fn status_code(&self) -> Option<StatusCode> {
        match self.start {
            Some(FragmentStart::Status(status, _)) => Some(status),
            _ => None,
        }
    }

    /// The fragment as a body.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::new();
        match &self.start {
            Some(FragmentStart::Status(status, phrase)) => {
                out.put_slice(format!("SIP/2.0 {status} ").as_bytes());
                out.put_slice(phrase.as_bytes());
                out.put_slice(b"\r\n");
            }
            Some(FragmentStart::Request(method, uri)) => {
                out.put_slice(format!("{method} {uri} SIP/2.0\r\n").as_bytes());
            }
            None => {}
        }
        for field in self.headers.iter() {
            out.put_slice(field.name().as_str().as_bytes());
            out.put_slice(b": ");
            out.put_slice(field.value());
            out.put_slice(b"\r\n");
        }
        if !self.body.is_empty() {
            out.put_slice(b"\r\n");
            out.put_slice(&self.body);
        }
        out.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Fragment> {
        Fragment::parse(&Bytes::from(text.to_owned()))
    }

    #[test]
    fn fragments_of_the_rfc() {
        let f = read("SIP/2.0 603 Declined\r\n").unwrap();
        assert_eq!(f.status_code().map(StatusCode::code), Some(603));
        let f = read("INVITE sip:alice@atlanta.com SIP/2.0\r\nDate: x\r\n").unwrap();
        assert!(matches!(
            &f.start,
            Some(FragmentStart::Request(Method::Invite, _))
        ));
        assert_eq!(f.headers.len(), 1);
        let f = read("From: Alice <sip:alice@atlanta.com>\r\nTo: Bob <sip:bob@biloxi.com>\r\n")
            .unwrap();
        assert!(f.start.is_none() && f.headers.to().unwrap().display() == "Bob");
        let f = read("Content-Type: text/plain\r\n\r\nHi there!\r\n").unwrap();
        assert_eq!(f.body, "Hi there!\r\n");
        for f in [f, Fragment::status(StatusCode::TRYING)] {
            assert_eq!(Fragment::parse(&f.to_bytes()).unwrap(), f);
        }
    }

    #[test]
    fn careless_and_wrong_ones() {
        for fine in [
            "SIP/2.0 200 OK",
            "SIP/2.0 200",
            "SIP/2.0 100 Trying\n",
            "SIP/2.0 180 Ringing\r\n\r\n",
        ] {
            assert!(read(fine).unwrap().status_code().is_some(), "{fine}");
        }
        for bad in [
            "SIP/2.0 99 x",
            "SIP/2.0 xyz",
            "INVITE x SIP/2.0",
            "INVITE sip:a@b SIP/3.0",
            "no header",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert_eq!(read("").unwrap().start, None);
    }
}
