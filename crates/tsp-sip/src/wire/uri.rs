//! URIs: `sip`, `sips`, `tel`, and any other scheme kept whole (RFC 3261 section 19.1, RFC 3966).

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::str::FromStr;

use bytes::Bytes;

use super::host::{self, Host, HostPort};
use super::scan::{all_are, is_token};
use super::text::Text;
use crate::{Error, ErrorKind, Limit, Result};

#[cfg(test)]
mod tests;

/// The scheme of a URI.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Scheme {
    /// `sip`
    Sip,
    /// `sips`: every hop must be secure.
    Sips,
    /// `tel`: a telephone number.
    Tel,
    /// Any other; what follows it is kept and not looked into.
    Other,
}

/// A URI: the text as it came, and where its parts lie.
///
/// Equality (`==`) is that of the text; [`Uri::equivalent`] is that of RFC 3261 section 19.1.4.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Uri {
    text: Text,
    scheme: Scheme,
    at: Parts,
}

/// Where the parts of a URI begin and end; a part that is missing is empty at its place.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Parts {
    /// After the colon of the scheme.
    start: u16,
    /// The colon before a password, or `user_end`.
    colon: u16,
    /// The `@`, or `start` if there is none.
    user_end: u16,
    host: u16,
    host_end: u16,
    port: Option<u16>,
    /// The first `;`, or where it would be.
    params: u16,
    /// The `?`, or the end.
    headers: u16,
}

const BAD: Error = Error::new(ErrorKind::Uri, "");

/// What a text is as a URI.
#[derive(Clone, Copy)]
pub(super) struct Outline {
    scheme: Scheme,
    at: Parts,
}

impl Outline {
    /// As [`Uri::new`].
    pub(super) fn of(whole: &str) -> Result<Self> {
        if whole.len() > Uri::MAX {
            return Err(Error::limit(Limit::Uri, ""));
        }
        // Nothing that could end a line, a URI or a quoted string may stand in one.
        let fine = |b: u8| (b > b' ') & (b != b'<') & (b != b'>') & (b != b'"') & (b != 0x7f);
        if !all_are(whole.as_bytes(), fine) {
            return Err(BAD);
        }
        let (scheme, colon) = match whole.as_bytes() {
            // Nearly all that comes.
            [b's', b'i', b'p', b':', ..] => (Scheme::Sip, 3),
            other => {
                let colon = other.iter().position(|&b| b == b':').ok_or(BAD)?;
                (scheme(whole.get(..colon).unwrap_or_default())?, colon)
            }
        };
        let at = match scheme {
            Scheme::Sip | Scheme::Sips => sip_parts(whole, colon + 1)?,
            Scheme::Tel => tel_parts(whole, colon + 1)?,
            Scheme::Other => other_parts(whole, colon + 1)?,
        };
        Ok(Self { scheme, at })
    }

    /// The URI of `text`, which this is the outline of.
    pub(super) const fn of_text(self, text: Text) -> Uri {
        let Self { scheme, at } = self;
        Uri { text, scheme, at }
    }
}

impl Uri {
    /// The longest text of a URI that can be read at all, in bytes; [`Limits`](super::Limits) set a lower cap.
    const MAX: usize = u16::MAX as usize;

    /// Reads a URI that is the whole of `text`.
    ///
    /// # Errors
    /// [`ErrorKind::Uri`], [`ErrorKind::Host`] or [`ErrorKind::Number`] if it breaks the grammar.
    pub fn new(text: impl Into<Text>) -> Result<Self> {
        let text = text.into();
        Ok(Outline::of(&text)?.of_text(text))
    }

    /// The same with the scheme `sips`, if this one is `sip`.
    #[must_use]
    pub fn secured(&self) -> Self {
        let rest = self
            .as_str()
            .get(4..)
            .filter(|_| self.scheme() == Scheme::Sip);
        // What was fine with the one scheme is with the other.
        rest.and_then(|r| Self::new(format!("sips:{r}")).ok())
            .unwrap_or_else(|| self.clone())
    }

    /// A `sip` URI of `user` (escaped here as needed) at `place`.
    pub fn sip(user: Option<&str>, place: &HostPort) -> Self {
        let mut text = String::with_capacity(64);
        text.push_str("sip:");
        let mut at = Parts {
            start: 4,
            ..Parts::default()
        };
        if let Some(user) = user.filter(|u| !u.is_empty()) {
            escape(user, USER_MARKS, &mut text);
            at.user_end = offset(text.len());
            text.push('@');
        } else {
            at.user_end = at.start;
        }
        at.colon = at.user_end;
        at.host = offset(text.len());
        // What is written to a text is written.
        let _written = write!(text, "{}", place.host);
        at.host_end = offset(text.len());
        if let Some(port) = place.port {
            let _written = write!(text, ":{port}");
        }
        at.port = place.port;
        at.params = offset(text.len());
        at.headers = at.params;
        Self {
            text: text.into(),
            scheme: Scheme::Sip,
            at,
        }
    }

    pub(super) fn from_bytes(bytes: Bytes) -> Result<Self> {
        Self::new(Text::new(bytes)?)
    }

    /// The scheme.
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The scheme as it is written.
    pub fn scheme_text(&self) -> &str {
        self.part(0, self.at.start.saturating_sub(1))
    }

    /// Whether this is a `sip` or `sips` URI.
    pub const fn is_sip(&self) -> bool {
        matches!(self.scheme, Scheme::Sip | Scheme::Sips)
    }

    /// The user part as it is written; for `tel` the number.
    pub fn raw_user(&self) -> Option<&str> {
        (self.at.user_end > self.at.start).then(|| self.part(self.at.start, self.at.colon))
    }

    /// The user part with its escapes resolved; for `tel` the number.
    pub fn user(&self) -> Option<Cow<'_, str>> {
        self.raw_user().map(unescape)
    }

    /// The password as it is written. Passwords in URIs are a leak; this crate never writes one.
    pub fn raw_password(&self) -> Option<&str> {
        (self.at.colon < self.at.user_end).then(|| self.part(self.at.colon + 1, self.at.user_end))
    }

    /// The host; none in a `tel` URI or of a scheme that is not looked into.
    pub fn host(&self) -> Option<Host> {
        Host::shared(self.text.shared(), self.raw_host()?).ok()
    }

    /// The host as it is written, IPv6 addresses in brackets.
    pub fn raw_host(&self) -> Option<&str> {
        self.is_sip()
            .then(|| self.part(self.at.host, self.at.host_end))
    }

    /// The port, if it is written.
    pub const fn port(&self) -> Option<u16> {
        self.at.port
    }

    /// The host and port of a `sip` or `sips` URI.
    pub fn host_port(&self) -> Option<HostPort> {
        Some(HostPort {
            host: self.host()?,
            port: self.at.port,
        })
    }

    /// The value of the URI parameter `name`, escapes resolved; empty for one without a value.
    pub fn param(&self, name: &str) -> Option<Cow<'_, str>> {
        self.params()
            .find(|(n, _)| unescape(n).eq_ignore_ascii_case(name))
            .map(|(_, v)| unescape(v.unwrap_or_default()))
    }

    /// Names and values of the URI parameters, as they are written.
    pub fn params(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        pairs(self.part(self.at.params, self.at.headers), ';')
    }

    /// Names and values of the header fields that a request made from this URI shall have, as they are written.
    pub fn headers(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let raw = if self.is_sip() {
            self.part(self.at.headers, offset(self.text.len()))
        } else {
            ""
        };
        pairs(raw.strip_prefix('?').unwrap_or_default(), '&')
    }

    /// The header field `name` that a request made from this URI shall have, escapes resolved
    /// (RFC 3261 section 19.1.1).
    pub fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.headers()
            .find(|(n, _)| unescape(n).eq_ignore_ascii_case(name))
            .map(|(_, v)| unescape(v.unwrap_or_default()))
    }

    /// This URI with one more header field for the request that is made from it, escaped here.
    ///
    /// # Errors
    /// [`ErrorKind::Uri`] if this is no `sip` or `sips` URI, or `name` does not fit into one.
    pub fn with_header(&self, name: &str, value: &str) -> Result<Self> {
        if !self.is_sip() || !is_token(name.as_bytes()) {
            return Err(BAD);
        }
        let mut text = String::from(self.as_str());
        text.push_str(match self.part(self.at.headers, offset(self.text.len())) {
            "" => "?",
            "?" => "",
            _ => "&",
        });
        escape(name, HEADER_MARKS, &mut text);
        text.push('=');
        escape(value, HEADER_MARKS, &mut text);
        Self::new(text)
    }

    /// What follows the colon of the scheme.
    pub fn opaque(&self) -> &str {
        self.part(self.at.start, offset(self.text.len()))
    }

    /// The URI as it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// This URI without header fields and without the URI parameters that `keep` refuses.
    #[must_use]
    pub fn filtered(&self, keep: impl Fn(&str) -> bool) -> Self {
        let mut text = String::from(self.part(0, self.at.params));
        for (name, value) in self.params().filter(|(name, _)| keep(name)) {
            push_pair(&mut text, name, value);
        }
        self.cut(text)
    }

    /// This URI with the parameter `name` set to `value`, both tokens; an empty value for none.
    ///
    /// # Errors
    /// [`ErrorKind::Uri`] if they do not fit into a URI.
    pub fn with_param(&self, name: &str, value: &str) -> Result<Self> {
        let mut text = String::from(self.part(0, self.at.params));
        for (n, v) in self.params().filter(|(n, _)| !n.eq_ignore_ascii_case(name)) {
            push_pair(&mut text, n, v);
        }
        push_pair(&mut text, name, (!value.is_empty()).then_some(value));
        text.push_str(self.part(self.at.headers, offset(self.text.len())));
        Self::new(text)
    }

    /// A copy that does not keep the buffer of a message alive.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self {
            text: self.text.detached(),
            ..*self
        }
    }

    /// Whether both mean the same by the rules of RFC 3261 section 19.1.4 (`sip`, `sips`), RFC 3966 section 4
    /// as far as separators and case go (`tel`), or by their text (any other scheme).
    pub fn equivalent(&self, other: &Self) -> bool {
        // Also one that is malformed, such as by a parameter given twice, is the same as itself.
        if self.text == other.text {
            return true;
        }
        if self.scheme != other.scheme {
            return false;
        }
        match self.scheme {
            Scheme::Sip | Scheme::Sips => {
                same_text(self.raw_user(), other.raw_user())
                    && same_text(self.raw_password(), other.raw_password())
                    && match (self.host(), other.host()) {
                        (Some(a), Some(b)) => a.same_as(&b),
                        _ => false,
                    }
                    && self.at.port == other.at.port
                    && params_agree(self, other)
                    && params_agree(other, self)
                    && headers_agree(self, other)
                    && headers_agree(other, self)
            }
            Scheme::Tel => {
                let digits = |u: &Self| -> String {
                    let number = u.raw_user().unwrap_or_default();
                    number
                        .chars()
                        .filter(|c| !matches!(c, '-' | '.' | '(' | ')'))
                        .collect()
                };
                digits(self).eq_ignore_ascii_case(&digits(other))
                    && tel_params_agree(self, other)
                    && tel_params_agree(other, self)
            }
            Scheme::Other => {
                self.scheme_text().eq_ignore_ascii_case(other.scheme_text())
                    && self.opaque() == other.opaque()
            }
        }
    }

    fn part(&self, from: u16, to: u16) -> &str {
        self.text
            .as_str()
            .get(usize::from(from)..usize::from(to))
            .unwrap_or_default()
    }

    /// The URI of `text`, which is this one with everything from the parameters on replaced.
    fn cut(&self, text: String) -> Self {
        let at = Parts {
            headers: offset(text.len()),
            ..self.at
        };
        Self {
            text: text.into(),
            scheme: self.scheme,
            at,
        }
    }
}

impl FromStr for Uri {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        Self::new(text)
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.text)
    }
}

/// A position in a text that was checked to be no longer than [`Uri::MAX`].
fn offset(n: usize) -> u16 {
    u16::try_from(n).unwrap_or(u16::MAX)
}

fn scheme(text: &str) -> Result<Scheme> {
    if text.eq_ignore_ascii_case("sip") {
        return Ok(Scheme::Sip);
    }
    if text.eq_ignore_ascii_case("sips") {
        return Ok(Scheme::Sips);
    }
    if text.eq_ignore_ascii_case("tel") {
        return Ok(Scheme::Tel);
    }
    let mut bytes = text.bytes();
    let fine = bytes.next().is_some_and(|b| b.is_ascii_alphabetic())
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    if fine { Ok(Scheme::Other) } else { Err(BAD) }
}

fn sip_parts(text: &str, start: usize) -> Result<Parts> {
    let marks = Marks::find(text.as_bytes(), start);
    let (user_end, host) = match marks.at {
        Some(at) if at == start => return Err(BAD),
        Some(at) => (at, at + 1),
        None => (start, start),
    };
    let colon = marks.colon.unwrap_or(user_end);
    if user_end > start && colon == start {
        return Err(BAD);
    }
    let params = marks.params.unwrap_or(text.len());
    let headers = marks.headers.unwrap_or(text.len());
    let (name, port) = host::split(text.get(host..params).unwrap_or_default())?;
    host::parse(name)?;
    let pairs_text = text.get(params..headers).unwrap_or_default();
    if pairs(pairs_text, ';').any(|(n, _)| n.is_empty()) {
        return Err(BAD);
    }
    // There are none in a host.
    if marks.escapes && !escapes_are_whole(text.get(start..).unwrap_or_default()) {
        return Err(BAD);
    }
    Ok(Parts {
        start: offset(start),
        colon: offset(colon),
        user_end: offset(user_end),
        host: offset(host),
        host_end: offset(host + name.len()),
        port,
        params: offset(params),
        headers: offset(headers),
    })
}

/// What parts a `sip` URI.
#[derive(Default)]
struct Marks {
    /// The first `@`: neither a host nor a parameter may hold one, while a user may hold `;`, `?` and `/`.
    at: Option<usize>,
    /// The first `:` before it.
    colon: Option<usize>,
    /// The first `;` or `?` after it.
    params: Option<usize>,
    /// The first `?` after it.
    headers: Option<usize>,
    /// There are escapes.
    escapes: bool,
}

impl Marks {
    fn find(text: &[u8], start: usize) -> Self {
        let mut marks = Self::default();
        let mut colon = None;
        for (i, &b) in text.iter().enumerate().skip(start) {
            match b {
                b'@' if marks.at.is_none() => {
                    (marks.at, marks.colon) = (Some(i), colon);
                    (marks.params, marks.headers) = (None, None);
                }
                b':' => _ = colon.get_or_insert(i),
                b';' => _ = marks.params.get_or_insert(i),
                b'?' => {
                    marks.params.get_or_insert(i);
                    marks.headers.get_or_insert(i);
                }
                b'%' => marks.escapes = true,
                _ => {}
            }
        }
        marks
    }
}

fn tel_parts(text: &str, start: usize) -> Result<Parts> {
    let rest = text.get(start..).ok_or(BAD)?;
    let number = rest.find(';').unwrap_or(rest.len());
    if number == 0 {
        return Err(BAD);
    }
    let (start, end, len) = (offset(start), offset(start + number), offset(text.len()));
    Ok(Parts {
        start,
        colon: end,
        user_end: end,
        host: end,
        host_end: end,
        port: None,
        params: end,
        headers: len,
    })
}

fn other_parts(text: &str, start: usize) -> Result<Parts> {
    if text.len() == start {
        return Err(BAD);
    }
    let (start, len) = (offset(start), offset(text.len()));
    Ok(Parts {
        start,
        colon: start,
        user_end: start,
        host: len,
        host_end: len,
        port: None,
        params: len,
        headers: len,
    })
}

/// The `name=value` pairs of `text`; each is led by `separator` if that is `;`, else they stand between separators.
fn pairs(text: &str, separator: char) -> impl Iterator<Item = (&str, Option<&str>)> {
    let text = if separator == ';' {
        text.strip_prefix(';')
    } else {
        (!text.is_empty()).then_some(text)
    };
    text.into_iter()
        .flat_map(move |t| t.split(separator))
        .map(|pair| match pair.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (pair, None),
        })
}

fn push_pair(text: &mut String, name: &str, value: Option<&str>) {
    text.push(';');
    text.push_str(name);
    if let Some(value) = value {
        text.push('=');
        text.push_str(value);
    }
}

fn escapes_are_whole(text: &str) -> bool {
    text.split('%')
        .skip(1)
        .all(|after| hex_pair(after.as_bytes()).is_some())
}

fn hex_pair(bytes: &[u8]) -> Option<u8> {
    let digit = |b: u8| {
        char::from(b)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    match bytes {
        [a, b, ..] => Some(digit(*a)? << 4 | digit(*b)?),
        _ => None,
    }
}

/// `text` with its escapes resolved once; left as it is if that would not be UTF-8.
pub(super) fn unescape(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&b, after)) = rest.split_first() {
        rest = after;
        match hex_pair(after) {
            Some(decoded) if b == b'%' => {
                out.push(decoded);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => out.push(b),
        }
    }
    String::from_utf8(out).map_or(Cow::Borrowed(text), Cow::Owned)
}

/// What may stand in a user part unescaped beside the unreserved characters (RFC 3261 section 25.1,
/// `user-unreserved`).
const USER_MARKS: &[u8] = b"&=+$,;?/";
/// The same for names and values of header fields (`hnv-unreserved`).
const HEADER_MARKS: &[u8] = b"[]/?:+$";

/// Writes `text` with an escape for every byte that is neither unreserved nor one of `marks`.
fn escape(text: &str, marks: &[u8], out: &mut String) {
    for b in text.bytes() {
        let unreserved = b.is_ascii_alphanumeric()
            || matches!(
                b,
                b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')'
            );
        if unreserved || marks.contains(&b) {
            out.push(char::from(b));
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
    }
}

/// The bytes of `text`, an escape being the same as the character unless that is a reserved one.
fn normalised(text: &str) -> impl Iterator<Item = (u8, bool)> {
    let mut rest = text.as_bytes();
    std::iter::from_fn(move || {
        let (&b, after) = rest.split_first()?;
        if b == b'%'
            && let Some(decoded) = hex_pair(after)
        {
            rest = after.get(2..).unwrap_or_default();
            return Some((decoded, is_reserved(decoded)));
        }
        rest = after;
        Some((b, false))
    })
}

const fn is_reserved(b: u8) -> bool {
    matches!(
        b,
        b';' | b'/' | b'?' | b':' | b'@' | b'&' | b'=' | b'+' | b'$' | b','
    )
}

fn same_text(a: Option<&str>, b: Option<&str>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => normalised(a).eq(normalised(b)),
        (None, None) => true,
        _ => false,
    }
}

fn same_text_any_case(a: &str, b: &str) -> bool {
    let fold = |(b, escaped): (u8, bool)| (b.to_ascii_lowercase(), escaped);
    normalised(a).map(fold).eq(normalised(b).map(fold))
}

/// Every parameter of `a` is in `b` with the same value, or is one that may be in one of them only.
fn params_agree(a: &Uri, b: &Uri) -> bool {
    const MUST_BE_IN_BOTH: [&str; 5] = ["transport", "user", "ttl", "method", "maddr"];
    a.params().all(
        |(name, value)| match b.params().find(|(n, _)| same_text_any_case(n, name)) {
            Some((_, other)) => {
                same_text_any_case(value.unwrap_or_default(), other.unwrap_or_default())
            }
            None => !MUST_BE_IN_BOTH.iter().any(|m| same_text_any_case(m, name)),
        },
    )
}

fn headers_agree(a: &Uri, b: &Uri) -> bool {
    a.headers().all(|(name, value)| {
        b.headers().any(|(n, v)| {
            same_text_any_case(n, name) && same_text(value.or(Some("")), v.or(Some("")))
        })
    })
}

fn tel_params_agree(a: &Uri, b: &Uri) -> bool {
    a.params().all(|(name, value)| {
        b.params().any(|(n, v)| {
            n.eq_ignore_ascii_case(name)
                && v.unwrap_or_default()
                    .eq_ignore_ascii_case(value.unwrap_or_default())
        })
    })
}
