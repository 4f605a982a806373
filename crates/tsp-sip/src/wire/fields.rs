//! Typed values of header fields, read when they are asked for.

use bytes::Bytes;

use super::headers::Headers;
use super::method::Method;
use super::name::HeaderName;
use super::name_addr::{self, NameAddr};
use super::params::{self, Params};
use super::scan::{cut, is_token, number, trim, trim_str};
use super::text::Text;
use super::via::Via;
use crate::{Error, ErrorKind, Result};

/// The order of a request in its dialog, and its method (RFC 3261 section 20.16).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CSeq {
    /// The number, below 2^31 (RFC 3261 section 8.1.1.5).
    pub number: u32,
    /// The method.
    pub method: Method,
}

impl CSeq {
    const MAX: u64 = (1 << 31) - 1;

    pub(super) fn parse(value: &[u8]) -> Result<Self> {
        const BAD: Error = Error::new(ErrorKind::Value, "CSeq");
        let value = std::str::from_utf8(trim(value)).map_err(|_| BAD)?;
        let space = value.bytes().position(|b| matches!(b, b' ' | b'\t'));
        let (digits, method) = value.split_at_checked(space.ok_or(BAD)?).ok_or(BAD)?;
        let number = number(digits.as_bytes(), Self::MAX)
            .and_then(|n| u32::try_from(n).ok())
            .ok_or(Error::new(ErrorKind::Number, "CSeq"))?;
        Ok(Self {
            number,
            method: Method::new(trim_str(method)).map_err(|_| BAD)?,
        })
    }

    pub(crate) fn to_value(&self) -> Bytes {
        format!("{} {}", self.number, self.method).into()
    }
}

/// The type of a body (RFC 3261 section 20.15).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MediaType {
    kind: Text,
    subtype: Text,
    params: Params,
}

impl MediaType {
    /// The type, for instance `application`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The subtype, for instance `sdp`.
    pub fn subtype(&self) -> &str {
        &self.subtype
    }

    /// The parameters.
    pub const fn params(&self) -> &Params {
        &self.params
    }

    /// Whether this is `kind`/`subtype`, in any case.
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind) && self.subtype.eq_ignore_ascii_case(subtype)
    }

    fn parse(value: &Bytes, what: &'static str) -> Result<Self> {
        let bad = Error::new(ErrorKind::Value, what);
        let not_utf8 = |_| Error::new(ErrorKind::NotUtf8, "");
        let text = std::str::from_utf8(trim(value)).map_err(not_utf8)?;
        let (kind, rest) = cut(text, b'/').ok_or(bad)?;
        let end = rest.bytes().position(|b| b == b';').unwrap_or(rest.len());
        let (subtype, params) = rest.split_at_checked(end).ok_or(bad)?;
        let (kind, subtype) = (trim_str(kind), trim_str(subtype));
        if !is_token(kind.as_bytes()) || !is_token(subtype.as_bytes()) {
            return Err(bad);
        }
        params::check(params).map_err(|_| bad)?;
        Ok(Self {
            kind: Text::known_part_of(value, kind, &["application"]),
            subtype: Text::known_part_of(value, subtype, &["sdp"]),
            params: Params::trusted(Text::part_of(value, params)),
        })
    }
}

impl Headers {
    /// The top Via value.
    ///
    /// # Errors
    /// [`ErrorKind::Missing`], or that of [`Via::parse`].
    pub fn via(&self) -> Result<Via> {
        self.vias()
            .next()
            .unwrap_or(Err(Error::new(ErrorKind::Missing, "Via")))
    }

    /// All Via values, the top one first.
    pub fn vias(&self) -> impl Iterator<Item = Result<Via>> {
        self.read_list(&HeaderName::Via, Via::parse)
    }

    /// From.
    ///
    /// # Errors
    /// [`ErrorKind::Missing`], or that of [`NameAddr::parse`].
    pub fn from(&self) -> Result<NameAddr> {
        self.address(&HeaderName::From, "From")
    }

    /// To.
    ///
    /// # Errors
    /// [`ErrorKind::Missing`], or that of [`NameAddr::parse`].
    pub fn to(&self) -> Result<NameAddr> {
        self.address(&HeaderName::To, "To")
    }

    /// The tag of From, without a look at the rest of it.
    pub fn from_tag(&self) -> Option<&str> {
        name_addr::tag_of(self.get(&HeaderName::From)?)
    }

    /// The tag of To, without a look at the rest of it.
    pub fn to_tag(&self) -> Option<&str> {
        name_addr::tag_of(self.get(&HeaderName::To)?)
    }

    /// Puts `tag`, which is a token, into To if none is there.
    pub(crate) fn tag_to(&mut self, tag: &str) {
        if let Some(tagged) = self
            .get(&HeaderName::To)
            .and_then(|to| name_addr::tagged(to, tag))
        {
            self.set(HeaderName::To, tagged);
        }
    }

    /// Call-ID.
    ///
    /// # Errors
    /// [`ErrorKind::Missing`], or [`ErrorKind::Value`] if it is empty, has a space or is not UTF-8.
    pub fn call_id(&self) -> Result<Text> {
        let value = self
            .get(&HeaderName::CallId)
            .ok_or(Error::new(ErrorKind::Missing, "Call-ID"))?;
        let bad = Error::new(ErrorKind::Value, "Call-ID");
        let text = Text::new(value.clone()).map_err(|_| bad)?;
        if text.is_empty() || text.bytes().any(|b| b <= b' ' || b == 0x7f) {
            Err(bad)
        } else {
            Ok(text)
        }
    }

    /// `CSeq`.
    ///
    /// # Errors
    /// [`ErrorKind::Missing`], [`ErrorKind::Number`] or [`ErrorKind::Value`].
    pub fn cseq(&self) -> Result<CSeq> {
        CSeq::parse(
            self.get(&HeaderName::CSeq)
                .ok_or(Error::new(ErrorKind::Missing, "CSeq"))?,
        )
    }

    /// Contact values. A lone `*`, which only a REGISTER may have, is an error here.
    pub fn contacts(&self) -> impl Iterator<Item = Result<NameAddr>> {
        self.addresses(&HeaderName::Contact, "Contact")
    }

    /// Route values, the next hop first.
    pub fn routes(&self) -> impl Iterator<Item = Result<NameAddr>> {
        self.addresses(&HeaderName::Route, "Route")
    }

    /// Record-Route values, top first.
    pub fn record_routes(&self) -> impl Iterator<Item = Result<NameAddr>> {
        self.addresses(&HeaderName::RecordRoute, "Record-Route")
    }

    /// Max-Forwards.
    ///
    /// # Errors
    /// [`ErrorKind::Number`] if it is not a number from 0 to 255.
    pub fn max_forwards(&self) -> Result<Option<u8>> {
        let n = self.number(&HeaderName::MaxForwards, "Max-Forwards", u64::from(u8::MAX))?;
        Ok(n.and_then(|n| u8::try_from(n).ok()))
    }

    /// Content-Type.
    ///
    /// # Errors
    /// [`ErrorKind::Value`].
    pub fn content_type(&self) -> Result<Option<MediaType>> {
        self.get(&HeaderName::ContentType)
            .map(|v| MediaType::parse(v, "Content-Type"))
            .transpose()
    }

    /// Whether a body of `kind`/`subtype` is welcome in the response: by Accept, or because there is none and
    /// `default` says so.
    pub fn accepts(&self, kind: &str, subtype: &str, default: bool) -> bool {
        if self.get(&HeaderName::Accept).is_none() {
            return default;
        }
        self.list(&HeaderName::Accept)
            .filter_map(|v| MediaType::parse(&v, "Accept").ok())
            .any(|m| {
                (m.kind() == "*" || m.kind().eq_ignore_ascii_case(kind))
                    && (m.subtype() == "*" || m.subtype().eq_ignore_ascii_case(subtype))
                    && m.params()
                        .raw("q")
                        .is_none_or(|q| q.bytes().any(|b| matches!(b, b'1'..=b'9')))
            })
    }

    fn address(&self, name: &HeaderName, what: &'static str) -> Result<NameAddr> {
        NameAddr::parse(
            self.get(name)
                .ok_or_else(|| Error::new(ErrorKind::Missing, what))?,
        )
        .map_err(|e| named(e, what))
    }

    pub(super) fn addresses<'a>(
        &'a self,
        name: &'a HeaderName,
        what: &'static str,
    ) -> impl Iterator<Item = Result<NameAddr>> + 'a {
        self.read_list(name, move |v| {
            NameAddr::parse(v).map_err(|e| named(e, what))
        })
    }

    fn number(&self, name: &HeaderName, what: &'static str, max: u64) -> Result<Option<u64>> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        number(trim(value), max)
            .map(Some)
            .ok_or_else(|| Error::new(ErrorKind::Number, what))
    }
}

const fn named(error: Error, what: &'static str) -> Error {
    Error::new(error.kind(), what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_header_fields() {
        let h = Headers::of(&[("CSeq", "0009  INVITE"), ("Max-Forwards", "0068")]);
        assert_eq!(
            h.cseq().unwrap(),
            CSeq {
                number: 9,
                method: Method::Invite
            }
        );
        assert_eq!(h.max_forwards().unwrap(), Some(68));
        for bad in [
            "",
            "1",
            "x INVITE",
            "2147483648 INVITE",
            "36893488147419103232 INVITE",
            "-1 INVITE",
            "1 IN VITE",
        ] {
            assert!(Headers::of(&[("CSeq", bad)]).cseq().is_err(), "{bad}");
        }
        assert!(
            Headers::of(&[("Max-Forwards", "300")])
                .max_forwards()
                .is_err()
        );
    }

    #[test]
    fn media_types() {
        let h = Headers::of(&[("c", "Application / SDP ; charset=utf-8")]);
        assert!(h.content_type().unwrap().unwrap().is("application", "sdp"));
        assert!(
            Headers::of(&[("Content-Type", "sdp")])
                .content_type()
                .is_err()
        );
        let h = Headers::of(&[("Accept", "text/plain, application/*;q=0.5, image/png;q=0")]);
        assert!(h.accepts("application", "sdp", false) && !h.accepts("image", "png", true));
    }

    #[test]
    fn list_fields_may_be_split_or_joined() {
        let h = Headers::of(&[
            ("Via", "SIP/2.0/UDP a, SIP/2.0/TCP b"),
            ("v", "SIP/2.0/TLS c"),
            ("Require", "x, Y"),
        ]);
        let t: Vec<_> = h
            .vias()
            .map(|v| v.unwrap().transport().to_owned())
            .collect();
        assert_eq!(t, ["UDP", "TCP", "TLS"]);
        assert!(h.list_has(&HeaderName::Require, "y"));
    }

    #[test]
    fn a_value_cannot_add_a_line() {
        assert!(
            Headers::new()
                .push(HeaderName::Subject, "a\r\nVia: x")
                .is_err()
        );
    }
}
