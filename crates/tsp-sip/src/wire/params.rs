//! Parameters: `;name=value` after a URI or a header field's value.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;

use super::scan::{all_are, cut, find_unquoted, is_token, quoted_len, trim, trim_str, unquote};
use super::text::Text;
use crate::{Error, ErrorKind, Result};

/// Parameters of a header field's value, in the order and the spelling in which they came
/// (RFC 3261 section 7.3.1); names compare without regard to case.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Params(Text);

impl Params {
    /// No parameters.
    pub const NONE: Self = Self(Text::from_static(""));

    /// The parameters that `text` lists, each with the semicolon before it.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if one has no name, a name that is no token, or an open quote.
    pub fn new(text: impl Into<Text>) -> Result<Self> {
        let text = text.into();
        check(&text)?;
        Ok(Self(text))
    }

    /// The value of the parameter `name`, quotes and escapes resolved; empty for one without a value.
    pub fn get(&self, name: &str) -> Option<Cow<'_, str>> {
        self.raw(name).map(unquote)
    }

    /// The value of the parameter `name` as it is written; empty for one without a value.
    pub fn raw(&self, name: &str) -> Option<&str> {
        raw(&self.0, name)
    }

    /// Whether there is a parameter `name`.
    pub fn has(&self, name: &str) -> bool {
        self.raw(name).is_some()
    }

    /// Names and values as they are written.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        pieces(&self.0).map(split)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// These parameters with `name` set to `value`, which must be a token, a host or a quoted string, or
    /// empty for a parameter without a value.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if it is none of these.
    pub fn with(&self, name: &str, value: &str) -> Result<Self> {
        let mut text = String::with_capacity(self.0.len() + name.len() + value.len() + 2);
        let mut put = |name: &str, value: Option<&str>| {
            text.push(';');
            text.push_str(name);
            if let Some(value) = value {
                text.push('=');
                text.push_str(value);
            }
        };
        let new = (!value.is_empty()).then_some(value);
        let mut found = false;
        for (n, v) in self.iter() {
            if n.eq_ignore_ascii_case(name) {
                if !found {
                    put(n, new);
                }
                found = true;
            } else {
                put(n, v);
            }
        }
        if !found {
            put(name, new);
        }
        Self::new(text)
    }

    /// The parameters as they are written, each with the semicolon before it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A copy that does not keep the buffer of a message alive.
    pub(super) fn detached(&self) -> Self {
        match self.0.is_empty() {
            true => Self::NONE,
            false => Self(self.0.detached()),
        }
    }

    pub(super) const fn trusted(text: Text) -> Self {
        Self(text)
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// The value of the parameter `name` in `text` as it is written; empty for one without a value.
pub(super) fn raw<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    pieces(text)
        .map(split)
        .find(|(n, _)| n.eq_ignore_ascii_case(name))
        .map(|(_, v)| v.unwrap_or_default())
}

/// The pieces between semicolons outside of quotes; none for an empty text.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = trim_str(text).strip_prefix(';');
    std::iter::from_fn(move || {
        let text = rest?;
        let end = find_unquoted(text.as_bytes(), b';');
        let (piece, after) = match end.and_then(|i| text.split_at_checked(i)) {
            Some((piece, after)) => (piece, after.get(1..)),
            None => (text, None),
        };
        rest = after;
        Some(trim_str(piece))
    })
}

fn split(piece: &str) -> (&str, Option<&str>) {
    match cut(piece, b'=') {
        Some((name, value)) => (trim_str(name), Some(trim_str(value))),
        None => (piece, None),
    }
}

/// What stands before the first semicolon of a header field's value, and the parameters after it.
pub(super) fn headed(value: &Bytes, what: &'static str) -> Result<(Text, Params)> {
    let bad = Error::new(ErrorKind::Value, what);
    let text = Text::new(value.slice_ref(trim(value))).map_err(|_| bad)?;
    let whole = text.as_str();
    let end = whole.bytes().position(|b| b == b';');
    let (head, params) = whole
        .split_at_checked(end.unwrap_or(whole.len()))
        .ok_or(bad)?;
    check(params).map_err(|_| bad)?;
    let (head, params) = (text.share(trim_str(head)), text.share(params));
    Ok((head, Params::trusted(params)))
}

/// As [`headed`], where a token stands before the parameters.
pub(super) fn token_headed(value: &Bytes, what: &'static str) -> Result<(Text, Params)> {
    let (head, params) = headed(value, what)?;
    if is_token(head.as_bytes()) {
        Ok((head, params))
    } else {
        Err(Error::new(ErrorKind::Value, what))
    }
}

/// Whether `text` is a list of parameters, each led by a semicolon.
pub(super) fn check(text: &str) -> Result<()> {
    const BAD: Error = Error::new(ErrorKind::Value, "parameter");
    let trimmed = trim_str(text);
    if trimmed.is_empty() {
        return Ok(());
    }
    if !trimmed.starts_with(';') {
        return Err(BAD);
    }
    let fine = |piece: &str| {
        let (name, value) = split(piece);
        is_token(name.as_bytes()) && value.is_none_or(is_value)
    };
    // Where nothing is quoted every semicolon parts; what stands in angle brackets is no value.
    let fine = match trimmed.bytes().any(|b| b == b'"') {
        true => pieces(trimmed).all(fine),
        false => {
            let mut rest = trimmed.get(1..);
            std::iter::from_fn(|| {
                let (piece, after) = match cut(rest?, b';') {
                    Some((piece, after)) => (piece, Some(after)),
                    None => (rest?, None),
                };
                rest = after;
                Some(trim_str(piece))
            })
            .all(fine)
        }
    };
    if fine { Ok(()) } else { Err(BAD) }
}

/// A token, a host with its brackets and port, or a quoted string. Peers also write URIs and addresses bare,
/// so anything passes that cannot be taken for something else.
fn is_value(value: &str) -> bool {
    if value.starts_with('"') {
        return quoted_len(value.as_bytes()) == Some(value.len());
    }
    let fine = |b: u8| {
        let parts = (b == b'"') | (b == b',') | (b == b';') | (b == b'<') | (b == b'>');
        (b > b' ') & (b != 0x7f) & !parts
    };
    !value.is_empty() && all_are(value.as_bytes(), fine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_and_set() {
        let p = Params::new(r#" ; a = 1 ;B;c="x;\"y""#).unwrap();
        assert_eq!(p.get("A").as_deref(), Some("1"));
        assert_eq!(p.get("b").as_deref(), Some(""));
        assert_eq!(p.get("c").as_deref(), Some("x;\"y"));
        assert_eq!(
            p.with("b", "2").unwrap().to_string(),
            r#";a=1;B=2;c="x;\"y""#
        );
        assert_eq!(Params::NONE.with("tag", "q").unwrap().to_string(), ";tag=q");
        assert!(p.with("b", "2\r\nX: y").is_err());
        for bad in [";", ";;a", ";a=", ";a=\"", "a", ";a b", ";a=b,c"] {
            assert!(Params::new(bad).is_err(), "{bad}");
        }
    }
}
