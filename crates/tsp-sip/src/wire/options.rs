//! Option tags: what an end supports, what it asks of the other (RFC 3261 sections 19.2, 20.29, 20.32, 20.37, 20.40).

use bytes::Bytes;

use super::headers::Headers;
use super::name::HeaderName;
use super::scan::is_token;
use super::text::Text;
use crate::{Error, ErrorKind, Limit, Result};

/// A small set of option tags, in the order in which they were put in; tags compare without regard to case.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct OptionTags(Vec<Text>);

impl OptionTags {
    /// The most tags that a set holds; about forty are registered.
    pub const MAX: usize = 64;

    /// No tags.
    pub const NONE: Self = Self(Vec::new());

    /// Provisional responses that are acknowledged (RFC 3262).
    pub const REL100: &'static str = "100rel";
    /// Session timers (RFC 4028).
    pub const TIMER: &'static str = "timer";
    /// The Replaces header field (RFC 3891).
    pub const REPLACES: &'static str = "replaces";
    /// REFER without its subscription (RFC 4488).
    pub const NOREFERSUB: &'static str = "norefersub";
    /// Preconditions of a session (RFC 3312).
    pub const PRECONDITION: &'static str = "precondition";
    /// The Path header field (RFC 3327).
    pub const PATH: &'static str = "path";
    /// Flows that the client keeps open (RFC 5626).
    pub const OUTBOUND: &'static str = "outbound";
    /// Globally routable URIs of one user agent (RFC 5627).
    pub const GRUU: &'static str = "gruu";
    /// How the call shall be answered (RFC 5373).
    pub const ANSWERMODE: &'static str = "answermode";
    /// The Target-Dialog header field (RFC 4538).
    pub const TDIALOG: &'static str = "tdialog";
    /// The History-Info header field (RFC 7044).
    pub const HISTINFO: &'static str = "histinfo";
    /// The Privacy header field (RFC 3323).
    pub const PRIVACY: &'static str = "privacy";
    /// Responses of 199 (RFC 6228).
    pub const EARLY199: &'static str = "199";

    /// The set of `tags`.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] for one that is no token, or [`ErrorKind::Limit`].
    pub fn new(tags: impl IntoIterator<Item = impl Into<Text>>) -> Result<Self> {
        let mut set = Self::NONE;
        for tag in tags {
            set.insert(tag.into())?;
        }
        Ok(set)
    }

    /// Puts `tag` in, unless it is there.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if it is no token, or [`ErrorKind::Limit`] beyond [`OptionTags::MAX`] tags.
    pub fn insert(&mut self, tag: Text) -> Result<()> {
        if !is_token(tag.as_bytes()) {
            return Err(Error::new(ErrorKind::Value, "option tag"));
        }
        if self.has(&tag) {
            return Ok(());
        }
        if self.0.len() == Self::MAX {
            return Err(Error::limit(Limit::List, "option tags"));
        }
        self.0.push(tag);
        Ok(())
    }

    /// Whether `tag` is there.
    pub fn has(&self, tag: &str) -> bool {
        self.0.iter().any(|t| t.eq_ignore_ascii_case(tag))
    }

    /// The tags of this set that `other` lacks: what a 420 lists as unsupported (RFC 3261 section 8.2.2.3).
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let missing = self.0.iter().filter(|tag| !other.has(tag));
        Self(missing.cloned().collect())
    }

    /// The tags.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(Text::as_str)
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The set as it is written in a header field.
    pub fn to_value(&self) -> Bytes {
        let mut out = String::with_capacity(self.0.iter().map(|t| t.len() + 2).sum());
        for (i, tag) in self.0.iter().enumerate() {
            out.push_str(if i == 0 { "" } else { ", " });
            out.push_str(tag);
        }
        out.into()
    }

    /// The set that the fields `name` list.
    fn read(headers: &Headers, name: &HeaderName) -> Result<Self> {
        let mut set = Self::NONE;
        for tag in headers.list(name).filter(|tag| !tag.is_empty()) {
            set.insert(Text::new(tag)?)?;
        }
        Ok(set)
    }
}

impl Headers {
    /// Supported: what the sender can do if asked.
    ///
    /// # Errors
    /// Those of [`OptionTags::insert`].
    pub fn supported(&self) -> Result<OptionTags> {
        OptionTags::read(self, &HeaderName::Supported)
    }

    /// Require: what the receiver must be able to do.
    ///
    /// # Errors
    /// Those of [`OptionTags::insert`].
    pub fn required(&self) -> Result<OptionTags> {
        OptionTags::read(self, &HeaderName::Require)
    }

    /// Proxy-Require: what proxies must be able to do.
    ///
    /// # Errors
    /// Those of [`OptionTags::insert`].
    pub fn proxy_required(&self) -> Result<OptionTags> {
        OptionTags::read(self, &HeaderName::ProxyRequire)
    }

    /// Unsupported: what of the Require of the request the sender of a 420 cannot do.
    ///
    /// # Errors
    /// Those of [`OptionTags::insert`].
    pub fn unsupported(&self) -> Result<OptionTags> {
        OptionTags::read(self, &HeaderName::Unsupported)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_a_set() {
        let h = Headers::of(&[
            ("Require", "100rel, , Timer"),
            ("require", "100REL,x"),
            ("k", ""),
        ]);
        let required = h.required().unwrap();
        assert_eq!(required.to_value(), "100rel, Timer, x");
        assert!(required.has(OptionTags::TIMER) && h.supported().unwrap().is_empty());
        let ours = OptionTags::new([OptionTags::TIMER, OptionTags::REL100]).unwrap();
        assert_eq!(required.without(&ours).to_value(), "x");
        assert!(ours.without(&required).is_empty());
    }

    #[test]
    fn what_is_no_set_of_tags() {
        assert!(Headers::of(&[("Require", "a b")]).required().is_err());
        assert!(
            Headers::of(&[("Proxy-Require", "\"a\"")])
                .proxy_required()
                .is_err()
        );
        let many: String = (0..65).map(|n| format!("t{n},")).collect();
        let mut h = Headers::new();
        h.push(HeaderName::Unsupported, many).unwrap();
        assert_eq!(
            h.unsupported().map_err(Error::kind),
            Err(ErrorKind::Limit(Limit::List))
        );
    }
}
