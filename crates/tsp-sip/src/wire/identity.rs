//! Who calls, by the word of the network, and what of it may be shown: P-Asserted-Identity and
//! P-Preferred-Identity (RFC 3325), Remote-Party-ID (draft-ietf-sip-privacy-04), Privacy (RFC 3323).

use std::fmt;

use bytes::Bytes;

use super::headers::Headers;
use super::name::HeaderName;
use super::name_addr::NameAddr;
use super::scan::is_token;
use super::text::Text;
use crate::{Error, ErrorKind, Limit, Result};

/// What a caller asks the network to hide (RFC 3323 section 4.2). Values keep their order.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Privacy(Vec<Text>);

impl Privacy {
    /// Hide what stands in header fields that the user agent cannot keep out of the message.
    pub const HEADER: &'static str = "header";
    /// Hide where media come from and go to.
    pub const SESSION: &'static str = "session";
    /// Hide the user, as if the user agent had done it.
    pub const USER: &'static str = "user";
    /// Hide nothing.
    pub const NONE: &'static str = "none";
    /// Rather refuse the request than send it unhidden.
    pub const CRITICAL: &'static str = "critical";
    /// Hide the identity that the network asserts (RFC 3325 section 9.3).
    pub const ID: &'static str = "id";
    /// Hide who was tried before (RFC 7044).
    pub const HISTORY: &'static str = "history";

    const MOST: usize = 16;

    /// The wish for `values`.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] for one that is no token.
    pub fn new(values: &[&str]) -> Result<Self> {
        if values.iter().all(|v| is_token(v.as_bytes())) {
            Ok(Self(values.iter().copied().map(Text::from).collect()))
        } else {
            Err(Error::new(ErrorKind::Value, "Privacy"))
        }
    }

    /// Whether `value` is among them, in any case.
    pub fn has(&self, value: &str) -> bool {
        self.0.iter().any(|v| v.eq_ignore_ascii_case(value))
    }

    /// Whether the caller's identity is to be hidden from the called end.
    pub fn hides_caller(&self) -> bool {
        !self.has(Self::NONE)
            && [Self::ID, Self::USER, Self::HEADER]
                .iter()
                .any(|v| self.has(v))
    }

    /// The value as it is written.
    pub fn to_value(&self) -> Bytes {
        let words: Vec<_> = self.0.iter().map(Text::as_str).collect();
        words.join(";").into()
    }
}

/// Which end a Remote-Party-ID is of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Party {
    /// The one that calls.
    Calling,
    /// The one that is called.
    Called,
}

/// One value of Remote-Party-ID, which peers of an older age send instead of P-Asserted-Identity.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RemoteParty(NameAddr);

impl RemoteParty {
    /// Whose identity this is; in a request without the parameter the caller's.
    pub fn party(&self) -> Option<Party> {
        match self.0.params().raw("party") {
            Some(p) if p.eq_ignore_ascii_case("calling") => Some(Party::Calling),
            Some(p) if p.eq_ignore_ascii_case("called") => Some(Party::Called),
            _ => None,
        }
    }

    /// The address.
    pub const fn address(&self) -> &NameAddr {
        &self.0
    }

    /// Whether the address may not be shown (`privacy` is `full`, `name` or `uri`).
    pub fn is_private(&self) -> bool {
        let values = self.0.params().get("privacy").unwrap_or_default();
        values.split([',', '-', ';']).any(|v| {
            ["full", "name", "uri"]
                .iter()
                .any(|h| h.eq_ignore_ascii_case(v.trim()))
        })
    }

    /// Whether the network says that it has checked the address (`screen=yes`).
    pub fn is_screened(&self) -> bool {
        let screen = self.0.params().raw("screen");
        screen.is_some_and(|s| s.eq_ignore_ascii_case("yes"))
    }

    /// The identity of `party`, to be hidden or shown, not said to be checked by anybody.
    ///
    /// # Errors
    /// Never for an address that was read or built here.
    pub fn new(address: &NameAddr, party: Party, private: bool) -> Result<Self> {
        let party = match party {
            Party::Calling => "calling",
            Party::Called => "called",
        };
        let privacy = if private { "full" } else { "off" };
        let address = address.without_params().with_param("party", party)?;
        Ok(Self(address.with_param("privacy", privacy)?))
    }

    /// The value as it is written.
    pub fn to_value(&self) -> Bytes {
        self.0.to_value()
    }
}

impl fmt::Display for RemoteParty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Headers {
    /// Privacy. Values stand between semicolons; peers also put commas or several fields.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] for a value that is no token, or [`ErrorKind::Limit`]. Who cannot read it had better
    /// hide all.
    pub fn privacy(&self) -> Result<Option<Privacy>> {
        let mut all = Vec::new();
        for field in self.all(&HeaderName::Privacy) {
            let text = Text::new(field.clone())?;
            for word in text.split([';', ',']).map(str::trim) {
                if !is_token(word.as_bytes()) {
                    return Err(Error::new(ErrorKind::Value, "Privacy"));
                }
                if all.len() == Privacy::MOST {
                    return Err(Error::limit(Limit::List, "Privacy"));
                }
                all.push(text.share(word));
            }
        }
        Ok((!all.is_empty()).then_some(Privacy(all)))
    }

    /// P-Asserted-Identity values: a `sip` or `sips` URI, a `tel` URI, or one of each (RFC 3325 section 9.1). Only
    /// to be believed from whom one trusts.
    pub fn asserted_identities(&self) -> impl Iterator<Item = Result<NameAddr>> {
        self.addresses(&HeaderName::PAssertedIdentity, "P-Asserted-Identity")
    }

    /// P-Preferred-Identity values: which of its identities a user wants asserted (RFC 3325 section 9.2).
    pub fn preferred_identities(&self) -> impl Iterator<Item = Result<NameAddr>> {
        self.addresses(&HeaderName::PPreferredIdentity, "P-Preferred-Identity")
    }

    /// Remote-Party-ID values.
    pub fn remote_parties(&self) -> impl Iterator<Item = Result<RemoteParty>> {
        self.addresses(&HeaderName::RemotePartyId, "Remote-Party-ID")
            .map(|a| a.map(RemoteParty))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_of_the_rfc() {
        let h = Headers::of(&[
            (
                "P-Asserted-Identity",
                "\"Cullen Jennings\" <sip:fluffy@cisco.com>, tel:+14085264000",
            ),
            (
                "P-Preferred-Identity",
                "\"Cullen Jennings\" <sip:fluffy@cisco.com>",
            ),
            ("P-Asserted-Identity", "<>"),
        ]);
        let all: Vec<_> = h.asserted_identities().collect();
        assert_eq!(all[0].as_ref().unwrap().display(), "Cullen Jennings");
        assert_eq!(all[1].as_ref().unwrap().uri().as_str(), "tel:+14085264000");
        assert_eq!(all[2].as_ref().unwrap_err().what(), "P-Asserted-Identity");
        assert_eq!(h.preferred_identities().count(), 1);
    }

    #[test]
    fn wishes_for_privacy() {
        let p = Headers::of(&[("Privacy", "header; Session ;critical")])
            .privacy()
            .unwrap()
            .unwrap();
        assert!(p.has(Privacy::SESSION) && p.hides_caller());
        assert_eq!(p.to_value(), "header;Session;critical");
        let p = Headers::of(&[("Privacy", "id, user"), ("Privacy", "none")])
            .privacy()
            .unwrap()
            .unwrap();
        assert!(p.has(Privacy::ID) && !p.hides_caller());
        assert_eq!(Privacy::new(&["id"]).unwrap().to_value(), "id");
        assert!(Headers::new().privacy().unwrap().is_none());
        for bad in ["", "a b", "id;;user", "\"id\""] {
            assert!(Headers::of(&[("Privacy", bad)]).privacy().is_err(), "{bad}");
        }
        assert!(Privacy::new(&["a\r\nb"]).is_err());
    }

    #[test]
    fn remote_parties() {
        let h = Headers::of(&[(
            "Remote-Party-ID",
            "\"John\" <sip:jdoe@foo.com>;party=Calling; id-type=subscriber; privacy=full; screen=yes, <sip:x@y>",
        )]);
        let all: Vec<_> = h.remote_parties().map(Result::unwrap).collect();
        assert_eq!(all[0].party(), Some(Party::Calling));
        assert!(all[0].is_private() && all[0].is_screened());
        assert!(!all[1].is_private() && !all[1].is_screened() && all[1].party().is_none());
        let built = RemoteParty::new(all[0].address(), Party::Called, false).unwrap();
        assert_eq!(
            built.to_value(),
            "\"John\" <sip:jdoe@foo.com>;party=called;privacy=off"
        );
    }
}
