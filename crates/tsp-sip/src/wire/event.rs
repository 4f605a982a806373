//! Events and their state: Event, Allow-Events, Subscription-State (RFC 6665 section 8.2), SIP-ETag and
//! SIP-If-Match (RFC 3903 section 11.3).

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use super::headers::Headers;
use super::name::HeaderName;
use super::params::{Params, token_headed};
use super::scan::{is_token, seconds, trim};
use super::text::Text;
use crate::{Error, ErrorKind, Result};

/// What a subscription is of (RFC 6665 section 8.2.1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    package: Text,
    params: Params,
}

impl Event {
    /// The event `package`, for instance `message-summary`, without an id.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if it is no token.
    pub fn new(package: impl Into<Text>) -> Result<Self> {
        let package = package.into();
        if !is_token(package.as_bytes()) {
            return Err(Error::new(ErrorKind::Value, "Event"));
        }
        Ok(Self {
            package,
            params: Params::NONE,
        })
    }

    /// This event with a parameter.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if `name` and `value` are not a token and a value.
    pub fn with_param(mut self, name: &str, value: &str) -> Result<Self> {
        self.params = self.params.with(name, value)?;
        Ok(self)
    }

    /// Reads the value of Event.
    ///
    /// # Errors
    /// [`ErrorKind::Value`].
    pub fn parse(value: &Bytes) -> Result<Self> {
        let (package, params) = token_headed(value, "Event")?;
        Ok(Self { package, params })
    }

    /// The package with its templates, for instance `presence.winfo`.
    pub fn package(&self) -> &str {
        &self.package
    }

    /// What tells several subscriptions of one dialog apart.
    pub fn id(&self) -> Option<&str> {
        self.params.raw("id")
    }

    /// The parameters.
    pub const fn params(&self) -> &Params {
        &self.params
    }

    /// Whether both name the same subscription of a dialog: package and id alike byte for byte, or both without an
    /// id (RFC 6665 section 8.2.1).
    pub fn matches(&self, other: &Self) -> bool {
        self.package == other.package && self.id() == other.id()
    }

    /// The value as it is written.
    pub fn to_value(&self) -> Bytes {
        format!("{}{}", self.package, self.params).into()
    }
}

/// Where a subscription stands (RFC 6665 section 4.1.3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SubState {
    /// It was accepted.
    Active,
    /// It is not decided yet.
    Pending,
    /// It is over.
    Terminated,
    /// Any other, as it is written.
    Other(Text),
}

/// Subscription-State of a NOTIFY (RFC 6665 section 8.2.3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SubscriptionState {
    /// Where the subscription stands.
    pub state: SubState,
    /// Why it is over, or why it is pending, for instance `deactivated`, `noresource`, `timeout`.
    pub reason: Option<Text>,
    /// How long it lives without a refresh.
    pub expires: Option<Duration>,
    /// How long to wait before another try.
    pub retry_after: Option<Duration>,
}

impl SubscriptionState {
    /// `active`, living on for `expires`.
    pub const fn active(expires: Duration) -> Self {
        Self {
            state: SubState::Active,
            reason: None,
            expires: Some(expires),
            retry_after: None,
        }
    }

    /// `pending`, living on for `expires`.
    pub const fn pending(expires: Duration) -> Self {
        Self {
            state: SubState::Pending,
            reason: None,
            expires: Some(expires),
            retry_after: None,
        }
    }

    /// `terminated`, because of `reason`.
    pub const fn terminated(reason: &'static str) -> Self {
        Self {
            state: SubState::Terminated,
            reason: Some(Text::from_static(reason)),
            expires: None,
            retry_after: None,
        }
    }

    /// Reads the value of Subscription-State. Times that are none count as not given.
    ///
    /// # Errors
    /// [`ErrorKind::Value`].
    pub fn parse(value: &Bytes) -> Result<Self> {
        let (word, params) = token_headed(value, "Subscription-State")?;
        let state = if word.eq_ignore_ascii_case("active") {
            SubState::Active
        } else if word.eq_ignore_ascii_case("pending") {
            SubState::Pending
        } else if word.eq_ignore_ascii_case("terminated") {
            SubState::Terminated
        } else {
            SubState::Other(word)
        };
        let time = |name| params.raw(name).and_then(|v| seconds(v.as_bytes()));
        Ok(Self {
            state,
            reason: params.get("reason").map(|r| Text::from(&*r)),
            expires: time("expires"),
            retry_after: time("retry-after"),
        })
    }

    /// Whether the subscription is over.
    pub fn is_terminated(&self) -> bool {
        self.state == SubState::Terminated
    }

    /// The value as it is written.
    pub fn to_value(&self) -> Bytes {
        self.to_string().into()
    }
}

impl fmt::Display for SubscriptionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.state {
            SubState::Active => "active",
            SubState::Pending => "pending",
            SubState::Terminated => "terminated",
            SubState::Other(word) => word,
        })?;
        if let Some(reason) = self.reason.as_ref().filter(|r| is_token(r.as_bytes())) {
            write!(f, ";reason={reason}")?;
        }
        if let Some(expires) = self.expires {
            write!(f, ";expires={}", expires.as_secs())?;
        }
        match self.retry_after {
            Some(after) => write!(f, ";retry-after={}", after.as_secs()),
            None => Ok(()),
        }
    }
}

impl Headers {
    /// Event.
    ///
    /// # Errors
    /// [`ErrorKind::Duplicate`] or [`ErrorKind::Value`].
    pub fn event(&self) -> Result<Option<Event>> {
        self.only(&HeaderName::Event, "Event")?
            .map(Event::parse)
            .transpose()
    }

    /// Whether Allow-Events lists `package` (RFC 6665 section 8.2.2).
    pub fn allows_event(&self, package: &str) -> bool {
        self.list(&HeaderName::AllowEvents)
            .any(|item| item == package.as_bytes())
    }

    /// Subscription-State.
    ///
    /// # Errors
    /// [`ErrorKind::Duplicate`] or [`ErrorKind::Value`].
    pub fn subscription_state(&self) -> Result<Option<SubscriptionState>> {
        self.only(&HeaderName::SubscriptionState, "Subscription-State")?
            .map(SubscriptionState::parse)
            .transpose()
    }

    /// SIP-ETag: the tag of the state that was published (RFC 3903 section 11.3.1).
    ///
    /// # Errors
    /// [`ErrorKind::Duplicate`] or [`ErrorKind::Value`].
    pub fn etag(&self) -> Result<Option<Text>> {
        self.token(&HeaderName::SipEtag, "SIP-ETag")
    }

    /// SIP-If-Match: the tag of the state that is refreshed, changed or removed (RFC 3903 section 11.3.2).
    ///
    /// # Errors
    /// [`ErrorKind::Duplicate`] or [`ErrorKind::Value`].
    pub fn if_match(&self) -> Result<Option<Text>> {
        self.token(&HeaderName::SipIfMatch, "SIP-If-Match")
    }

    fn token(&self, name: &HeaderName, what: &'static str) -> Result<Option<Text>> {
        let Some(value) = self.only(name, what)? else {
            return Ok(None);
        };
        let token = trim(value);
        if !is_token(token) {
            return Err(Error::new(ErrorKind::Value, what));
        }
        Text::new(value.slice_ref(token)).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_match_by_package_and_id() {
        let read = |text: &'static str| Event::parse(&Bytes::from_static(text.as_bytes()));
        let plain = read("presence.winfo").unwrap();
        let with_id = read("presence.winfo ; Foo=bar;id=5").unwrap();
        assert_eq!(with_id.package(), "presence.winfo");
        assert!(!plain.matches(&with_id));
        assert!(with_id.matches(&read("presence.winfo;id=5").unwrap()));
        assert!(!with_id.matches(&read("Presence.winfo;id=5").unwrap()));
        let built = Event::new("dialog").unwrap().with_param("id", "7").unwrap();
        assert_eq!(built.to_value(), "dialog;id=7");
        for bad in ["", ";id=1", "a b", "a,b", "a;;", "\"a\""] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(Event::new("a\r\nb").is_err());
    }

    #[test]
    fn states_of_subscriptions() {
        let h = Headers::of(&[(
            "Subscription-State",
            "Terminated;reason=probation ; retry-after=60",
        )]);
        let s = h.subscription_state().unwrap().unwrap();
        assert!(s.is_terminated());
        assert_eq!(s.reason.as_deref(), Some("probation"));
        assert_eq!(s.to_value(), "terminated;reason=probation;retry-after=60");
        let s = SubscriptionState::active(Duration::from_secs(599));
        assert_eq!(s.to_value(), "active;expires=599");
        assert_eq!(SubscriptionState::parse(&s.to_value()).unwrap(), s);
        let odd = SubscriptionState::parse(&Bytes::from_static(b"frozen;expires=x")).unwrap();
        assert_eq!(
            (odd.to_value(), odd.expires),
            (Bytes::from_static(b"frozen"), None)
        );
        assert!(
            Headers::of(&[("Subscription-State", "")])
                .subscription_state()
                .is_err()
        );
        assert_eq!(
            SubscriptionState::terminated("noresource").to_value(),
            "terminated;reason=noresource"
        );
        assert_eq!(
            SubscriptionState::pending(Duration::ZERO).to_value(),
            "pending;expires=0"
        );
    }

    #[test]
    fn lists_and_tags() {
        let h = Headers::of(&[
            ("u", "presence, message-summary"),
            ("Event", "a"),
            ("o", "b"),
            ("SIP-ETag", " dx200xyz "),
            ("SIP-If-Match", "a b"),
        ]);
        assert!(h.allows_event("message-summary") && !h.allows_event("dialog"));
        assert_eq!(h.event().map_err(Error::kind), Err(ErrorKind::Duplicate));
        assert_eq!(h.etag().unwrap().as_deref(), Some("dx200xyz"));
        assert!(h.if_match().is_err());
    }
}
