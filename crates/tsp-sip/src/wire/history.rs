//! Who was called before: Diversion (RFC 5806) and History-Info (RFC 7044).

use bytes::Bytes;

use super::headers::Headers;
use super::name::HeaderName;
use super::name_addr::NameAddr;
use super::reason::Reason;
use super::scan::{is_token, number, quote};
use super::text::Text;
use super::uri::Uri;
use crate::{Error, ErrorKind, Result};

/// One value of Diversion: who sent the call on, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Diversion(NameAddr);

impl Diversion {
    /// Sent on by `who` because of `reason`, for instance `user-busy`, `no-answer` or `unconditional`.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if `reason` cannot be written.
    pub fn new(who: &NameAddr, reason: &str) -> Result<Self> {
        let reason = if is_token(reason.as_bytes()) {
            reason.to_owned()
        } else {
            quote(reason)
        };
        who.without_params().with_param("reason", &reason).map(Self)
    }

    /// Who sent the call on.
    pub const fn address(&self) -> &NameAddr {
        &self.0
    }

    /// Why, in words of the RFC or others.
    pub fn reason(&self) -> Option<Text> {
        self.0.params().get("reason").map(|r| Text::from(&*r))
    }

    /// How often it was sent on; once if the value does not say.
    pub fn counter(&self) -> u8 {
        let counter = self.0.params().raw("counter");
        let counter = counter.and_then(|c| number(c.as_bytes(), 99));
        counter.and_then(|c| u8::try_from(c).ok()).unwrap_or(1)
    }

    /// Whether the address may not be shown.
    pub fn is_private(&self) -> bool {
        let privacy = self.0.params().get("privacy");
        privacy.is_some_and(|p| !p.eq_ignore_ascii_case("off"))
    }

    /// The value as it is written.
    pub fn to_value(&self) -> Bytes {
        self.0.to_value()
    }

    /// A copy that does not keep the buffer of a message alive.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self(self.0.detached())
    }
}

/// One entry of History-Info: whom a request was sent to, and how it came there (RFC 7044 section 5).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HistoryEntry(NameAddr);

/// The parameters that say how a target came about; in a redirection they stand in Contact (RFC 7044 section 5).
const CHANGES: [&str; 3] = ["rc", "mp", "np"];

/// How whom a redirection names came about, if that says so.
pub(crate) fn change_of(contact: &NameAddr) -> Option<&'static str> {
    let named = |name: &&str| contact.params().raw(name).is_some();
    CHANGES.into_iter().find(named)
}

/// How the target of an entry came from that of an earlier one (RFC 7044 section 5).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TargetChange {
    /// `rc`: the request was sent on within the domain of the same user.
    Registered(Text),
    /// `mp`: the request was sent to another user.
    Mapped(Text),
    /// `np`: the target stayed what it was.
    Same(Text),
}

impl HistoryEntry {
    /// Numbers of an index that are read at most.
    const DEEPEST: usize = 70;

    /// An entry of `uri` at `index`, for instance `1.2`.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if `index` is none.
    pub fn new(uri: Uri, index: &str) -> Result<Self> {
        if !is_index(index) {
            return Err(Error::new(ErrorKind::Value, "History-Info"));
        }
        NameAddr::new(uri).with_param("index", index).map(Self)
    }

    /// The target.
    pub const fn uri(&self) -> &Uri {
        self.0.uri()
    }

    /// Where in the tree of targets the entry stands; none if the parameter is missing or malformed.
    pub fn index(&self) -> Option<&str> {
        self.0.params().raw("index").filter(|i| is_index(i))
    }

    /// How the target came about.
    pub fn change(&self) -> Option<TargetChange> {
        let from = |name| self.0.params().raw(name).map(Text::from);
        from("rc")
            .map(TargetChange::Registered)
            .or_else(|| from("mp").map(TargetChange::Mapped))
            .or_else(|| from("np").map(TargetChange::Same))
    }

    /// This entry with how its target came about: `change` names it, from the entry at `index`.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if `change` is none of `rc`, `mp` and `np`, or `index` is none.
    pub fn with_change(self, change: &str, index: &str) -> Result<Self> {
        if !CHANGES.contains(&change) || !is_index(index) {
            return Err(Error::new(ErrorKind::Value, "History-Info"));
        }
        self.0.with_param(change, index).map(Self)
    }

    /// Why the request did not stay at this target, from the header `Reason` in the URI.
    pub fn reason(&self) -> Option<Reason> {
        let value = self.uri().header("Reason")?.into_owned();
        Reason::parse(&Bytes::from(value)).ok()
    }

    /// Why the request came to this target, from the URI parameter `cause` (RFC 4458 section 2).
    pub fn cause(&self) -> Option<u16> {
        self.uri().param("cause")?.parse().ok()
    }

    /// Whether the entry may not be shown, by the header `Privacy` in the URI.
    pub fn is_private(&self) -> bool {
        let privacy = self.uri().header("Privacy");
        privacy.is_some_and(|p| !p.eq_ignore_ascii_case("none"))
    }

    /// The entry as it is written.
    pub fn to_value(&self) -> Bytes {
        self.0.to_value()
    }

    /// This entry with the reason why the request did not stay at the target, unless it has one or is of a scheme that
    /// cannot hold it.
    #[must_use]
    pub fn left_for(self, reason: &Reason) -> Self {
        if self.reason().is_some() {
            return self;
        }
        let value = reason.to_value();
        let value = String::from_utf8_lossy(&value);
        match self.uri().with_header("Reason", &value) {
            Ok(uri) => Self(self.0.with_uri(uri)),
            Err(_) => self,
        }
    }

    /// A copy that does not keep the buffer of a message alive.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self(self.0.detached())
    }
}

/// Numbers with points between them.
fn is_index(text: &str) -> bool {
    let mut numbers = text.split('.');
    text.len() <= 256
        && numbers
            .by_ref()
            .take(HistoryEntry::DEEPEST)
            .all(|n| number(n.as_bytes(), u64::from(u32::MAX)).is_some())
        && numbers.next().is_none()
}

impl Headers {
    /// Diversion values, the last one that sent the call on first.
    pub fn diversions(&self) -> impl Iterator<Item = Result<Diversion>> {
        self.addresses(&HeaderName::Diversion, "Diversion")
            .map(|a| a.map(Diversion))
    }

    /// History-Info values, the first target first.
    pub fn history(&self) -> impl Iterator<Item = Result<HistoryEntry>> {
        self.addresses(&HeaderName::HistoryInfo, "History-Info")
            .map(|a| a.map(HistoryEntry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn diversions() {
        let h = Headers::of(&[
            (
                "Diversion",
                "<sip:UserA@there.com>;reason=user-busy;privacy=\"full\";counter=3, \"B\" <tel:+1>;reason=\"sick leave\"",
            ),
            ("Diversion", "x y"),
        ]);
        let all: Vec<_> = h.diversions().collect();
        let first = all[0].as_ref().unwrap();
        assert_eq!(first.reason().as_deref(), Some("user-busy"));
        assert!(first.is_private() && first.counter() == 3);
        let second = all[1].as_ref().unwrap();
        assert_eq!(second.reason().as_deref(), Some("sick leave"));
        assert!(!second.is_private() && second.counter() == 1);
        assert!(all[2].is_err());
        let built = Diversion::new(second.address(), "no-answer").unwrap();
        assert_eq!(built.to_value(), "\"B\" <tel:+1>;reason=no-answer");
        let odd = Diversion::new(second.address(), "a;b=\"c\"\r\n").unwrap();
        assert_eq!(odd.reason().as_deref(), Some("a;b=\"c\"  "));
    }

    #[test]
    fn histories_of_the_rfc() {
        let h = Headers::of(&[(
            "History-Info",
            "<sip:UserA@ims.example.com?Reason=SIP%3Bcause%3D302>;index=1.1;foo=bar, <sip:UserA@192.0.2.5;cause=480?Privacy=history>;index=1.1.1;rc=1.1, <sip:45432@192.168.0.3>;index=1.2;mp=1",
        )]);
        let all: Vec<_> = h.history().map(Result::unwrap).collect();
        assert_eq!(all[0].index(), Some("1.1"));
        assert_eq!(all[0].reason(), Reason::new("SIP", Some(302)).ok());
        assert_eq!((all[1].cause(), all[1].is_private()), (Some(480), true));
        assert_eq!(
            all[1].change(),
            Some(TargetChange::Registered("1.1".into()))
        );
        assert_eq!(all[2].change(), Some(TargetChange::Mapped("1".into())));
        assert!(!all[2].is_private() && all[2].cause().is_none());
        let built = HistoryEntry::new(Uri::new("sip:a@b").unwrap(), "1").unwrap();
        assert_eq!(built.to_value(), "<sip:a@b>;index=1");
        for bad in [
            "",
            "1.",
            ".1",
            "1..2",
            "a",
            "-1",
            &"1.".repeat(80),
            "99999999999",
        ] {
            assert!(!is_index(bad), "{bad}");
        }
    }
}
