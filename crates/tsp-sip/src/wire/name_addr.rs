//! Addresses with a display name and parameters: From, To, Contact, Route and their like.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;

use super::params::{self, Params};
use super::scan::{is_token_byte, quote, quoted_len, trim, unquote};
use super::text::Text;
use super::uri::{self, Uri};
use crate::{Error, ErrorKind, Result};

/// A URI with a display name before it and header parameters after it (RFC 3261 section 20.10).
#[derive(Clone, PartialEq, Eq)]
pub struct NameAddr {
    display: Bytes,
    uri: Uri,
    params: Params,
}

const BAD: Error = Error::new(ErrorKind::Value, "address");

impl NameAddr {
    /// An address without a display name and without parameters.
    pub const fn new(uri: Uri) -> Self {
        Self {
            display: Bytes::new(),
            uri,
            params: Params::NONE,
        }
    }

    /// This address with the display name `name`, quoted here; an empty one for none.
    #[must_use]
    pub fn with_display(mut self, name: &str) -> Self {
        self.display = if name.is_empty() {
            Bytes::new()
        } else {
            quote(name).into()
        };
        self
    }

    /// This address with `uri` in the place of its own.
    pub(super) fn with_uri(mut self, uri: Uri) -> Self {
        self.uri = uri;
        self
    }

    /// This address with the header parameter `name` set to `value`.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if they are not a token and a value.
    pub fn with_param(mut self, name: &str, value: &str) -> Result<Self> {
        self.params = self.params.with(name, value)?;
        Ok(self)
    }

    /// The same address without header parameters: who it is, not which dialog or branch.
    #[must_use]
    pub fn without_params(&self) -> Self {
        Self {
            display: self.display.clone(),
            uri: self.uri.clone(),
            params: Params::NONE,
        }
    }

    /// Reads an address that is the whole of `value`, with or without angle brackets.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if it breaks the grammar, or the error of its URI.
    pub fn parse(value: &Bytes) -> Result<Self> {
        let parts = Parts::of(value)?;
        let share = |part: &str| Text::part_of(value, part);
        Ok(Self {
            display: value.slice_ref(parts.display),
            uri: parts.place.of_text(share(parts.uri)),
            params: Params::trusted(share(parts.params)),
        })
    }

    /// The display name, quotes and escapes resolved, or empty. Bytes that are not UTF-8 show as U+FFFD.
    pub fn display(&self) -> Cow<'_, str> {
        match String::from_utf8_lossy(&self.display) {
            Cow::Borrowed(text) => unquote(text),
            Cow::Owned(text) => Cow::Owned(unquote(&text).into_owned()),
        }
    }

    /// The URI.
    pub const fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The header parameters.
    pub const fn params(&self) -> &Params {
        &self.params
    }

    /// The `tag` parameter (RFC 3261 section 19.3); none if it is missing or empty.
    pub fn tag(&self) -> Option<&str> {
        self.params.raw("tag").filter(|tag| !tag.is_empty())
    }

    /// The address as a value that does not keep a message's buffer alive.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self {
            display: Bytes::copy_from_slice(&self.display),
            uri: self.uri.detached(),
            params: self.params.detached(),
        }
    }

    /// The address as it is written in a header field.
    pub fn to_value(&self) -> Bytes {
        let (uri, params) = (self.uri.as_str(), self.params.as_str());
        let mut out = Vec::with_capacity(self.display.len() + uri.len() + params.len() + 3);
        if !self.display.is_empty() {
            out.extend_from_slice(&self.display);
            out.push(b' ');
        }
        out.push(b'<');
        out.extend_from_slice(uri.as_bytes());
        out.push(b'>');
        out.extend_from_slice(params.as_bytes());
        out.into()
    }
}

/// An address that was read, in its text.
pub(super) struct Parts<'a> {
    pub(super) display: &'a [u8],
    pub(super) uri: &'a str,
    place: uri::Outline,
    params: &'a str,
}

impl<'a> Parts<'a> {
    /// As [`NameAddr::parse`].
    pub(super) fn of(value: &'a [u8]) -> Result<Self> {
        let (display, rest) = split_display(trim(value))?;
        let (uri, params) = match rest.strip_prefix(b"<") {
            Some(inner) => {
                let end = inner.iter().position(|&b| b == b'>').ok_or(BAD)?;
                let (uri, after) = inner.split_at_checked(end).ok_or(BAD)?;
                (uri, after.get(1..).unwrap_or_default())
            }
            None => {
                // Without brackets parameters belong to the header field, and a question mark or a comma
                // cannot be part of the URI (RFC 3261 section 20.10).
                let end = rest
                    .iter()
                    .position(|&b| matches!(b, b';' | b' ' | b'\t'))
                    .unwrap_or(rest.len());
                let (uri, after) = rest.split_at_checked(end).ok_or(BAD)?;
                if uri.iter().any(|b| matches!(b, b'?' | b',')) {
                    return Err(BAD);
                }
                (uri, after)
            }
        };
        let text = |part| std::str::from_utf8(part).map_err(|_| Error::new(ErrorKind::NotUtf8, ""));
        let uri = text(uri)?;
        let place = uri::Outline::of(uri)?;
        let params = text(trim(params))?;
        params::check(params)?;
        Ok(Self {
            display,
            uri,
            place,
            params,
        })
    }

    /// As [`NameAddr::tag`].
    pub(super) fn tag(&self) -> Option<&'a str> {
        params::raw(self.params, "tag").filter(|tag| !tag.is_empty())
    }
}

/// The `tag` in a value of From or To, without a look at the rest of it.
pub(super) fn tag_of(value: &[u8]) -> Option<&str> {
    params::raw(params_of(value)?, "tag").filter(|tag| !tag.is_empty())
}

/// The value of From or To under `tag`, which is a token; `None` if it has a tag already.
pub(super) fn tagged(value: &Bytes, tag: &str) -> Option<Bytes> {
    match params::raw(params_of(value).unwrap_or_default(), "tag") {
        None => Some([trim(value), b";tag=", tag.as_bytes()].concat().into()),
        // One without a value is none.
        Some("") => {
            let address = NameAddr::parse(value).ok()?.with_param("tag", tag).ok()?;
            Some(address.to_value())
        }
        Some(_) => None,
    }
}

/// The header parameters in a value of From or To.
fn params_of(value: &[u8]) -> Option<&str> {
    let (_, rest) = split_display(trim(value)).ok()?;
    let end = match rest.first() {
        Some(b'<') => rest.iter().position(|&b| b == b'>')? + 1,
        _ => rest.iter().position(|&b| b == b';')?,
    };
    std::str::from_utf8(rest.get(end..)?).ok()
}

impl From<Uri> for NameAddr {
    fn from(uri: Uri) -> Self {
        Self::new(uri)
    }
}

impl fmt::Display for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.display.is_empty() {
            write!(f, "{} ", String::from_utf8_lossy(&self.display))?;
        }
        write!(f, "<{}>{}", self.uri.as_str(), self.params.as_str())
    }
}

impl fmt::Debug for NameAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Cuts the display name off: a quoted string, or words before a `<`.
fn split_display(bytes: &[u8]) -> Result<(&[u8], &[u8])> {
    if bytes.first() == Some(&b'"') {
        let (display, rest) = quoted_len(bytes)
            .and_then(|n| bytes.split_at_checked(n))
            .ok_or(BAD)?;
        let rest = trim(rest);
        return if rest.first() == Some(&b'<') {
            Ok((display, rest))
        } else {
            Err(BAD)
        };
    }
    match bytes
        .iter()
        .position(|&b| b == b'<')
        .and_then(|i| bytes.split_at_checked(i))
    {
        Some((words, rest)) => {
            let words = trim(words);
            // Peers write words in their own tongue without quotes; what may not be is what splits and ends values.
            let fine = |&b: &u8| is_token_byte(b) || matches!(b, b' ' | b'\t') || b >= 0x80;
            if words.iter().all(fine) {
                Ok((words, rest))
            } else {
                Err(BAD)
            }
        }
        None => Ok((&[], bytes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &'static str) -> Result<NameAddr> {
        NameAddr::parse(&Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn addresses_of_every_form() {
        let a = parse(r#""J Rosenberg \\\""       <sip:jdrosen@example.com;lr>  ;  tag = 98asjd8"#)
            .unwrap();
        assert_eq!(a.display(), "J Rosenberg \\\"");
        assert_eq!(a.uri().as_str(), "sip:jdrosen@example.com;lr");
        assert_eq!(a.tag(), Some("98asjd8"));
        let b = parse("sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n").unwrap();
        assert_eq!(
            (b.uri().as_str(), b.tag()),
            ("sip:vivekg@chair-dnrc.example.com", Some("1918181833n"))
        );
        let c = parse("caller<sip:caller@example.com>;tag=323").unwrap();
        assert_eq!(c.to_string(), "caller <sip:caller@example.com>;tag=323");
        assert_eq!(parse(r#""A <b>" <sip:a@b>"#).unwrap().display(), "A <b>");
        let latin = NameAddr::parse(&Bytes::from_static(b"J\xf6rg <sip:j@example.com>")).unwrap();
        assert_eq!(latin.to_value(), &b"J\xf6rg <sip:j@example.com>"[..]);
    }

    #[test]
    fn what_is_no_address() {
        for bad in [
            r#""Mr. J. User <sip:j.user@example.com>"#,
            "sip:user@example.com?Route=%3Csip:sip.example.com%3E",
            "Watson, Thomas <sip:t.watson@example.org>",
            "\"Watson\" < sip:t.watson@example.org >",
            "<sip:a@b>;;;",
            "<sip:a@b> x",
            "<sip:a@b",
            "",
            "*",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_tag_is_that_of_the_whole_address() {
        for value in [
            "<sip:a@b>;tag=1",
            "<sip:a@b;tag=2>",
            "<sip:a@b;tag=2> ; x=y; TAG = 3 ",
            "sip:a@b;tag=4",
            "sip:a@b",
            "\"<x>;tag=5\" <sip:a@b>;x=\";tag=6\";tag=7",
            "Bob <sip:a@b>;tag",
        ] {
            let (value, whole) = (Bytes::from(value), NameAddr::parse(&Bytes::from(value)));
            let whole = whole.unwrap();
            assert_eq!(tag_of(&value), whole.tag(), "{value:?}");
            let tagged = tagged(&value, "t").map(|v| NameAddr::parse(&v).unwrap());
            let expected = whole.tag().is_none();
            assert_eq!(
                tagged.as_ref().and_then(NameAddr::tag) == Some("t"),
                expected
            );
        }
    }

    #[test]
    fn built_addresses_cannot_break_out_of_their_field() {
        let a = NameAddr::new(Uri::new("sip:a@b").unwrap()).with_display("x\r\nVia: \"y\"");
        assert_eq!(a.to_string(), r#""x  Via: \"y\"" <sip:a@b>"#);
        assert!(a.with_param("tag", "x\r\ny").is_err());
        assert_eq!(parse("\"\\\\\" <sip:a@b>").unwrap().display(), "\\");
    }
}
