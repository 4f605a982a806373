//! Names of header fields.

use std::fmt;
use std::hash::{Hash, Hasher};

use super::scan::is_token;
use super::text::Text;
use crate::{Error, ErrorKind, Result};

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident = $text:literal $(| $compact:literal)?),* $(,)?) => {
        /// The name of a header field. Names compare without regard to case; compact forms are the same name
        /// (RFC 3261 section 7.3.3).
        #[derive(Clone, Debug)]
        pub enum HeaderName {
            $(
                #[doc = concat!("`", $text, "`")]
                $(#[$doc])*
                $name,
            )*
            /// A name that this crate does not know, as it was written.
            Other(Text),
        }

        impl HeaderName {
            /// The name as it is written, in its long form.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$name => $text,)*
                    Self::Other(text) => text,
                }
            }
        }

        /// Every spelling that is known, and the name that it stands for.
        static SPELLINGS: &[(&str, HeaderName)] =
            &[$(($text, HeaderName::$name), $(($compact, HeaderName::$name),)?)*];
    };
}

names! {
    Accept = "Accept",
    AcceptEncoding = "Accept-Encoding",
    AcceptLanguage = "Accept-Language",
    AlertInfo = "Alert-Info",
    Allow = "Allow",
    AllowEvents = "Allow-Events" | "u",
    AnswerMode = "Answer-Mode",
    AuthenticationInfo = "Authentication-Info",
    Authorization = "Authorization",
    CallId = "Call-ID" | "i",
    CallInfo = "Call-Info",
    Contact = "Contact" | "m",
    ContentDisposition = "Content-Disposition",
    ContentEncoding = "Content-Encoding" | "e",
    ContentLanguage = "Content-Language",
    ContentLength = "Content-Length" | "l",
    ContentType = "Content-Type" | "c",
    CSeq = "CSeq",
    Date = "Date",
    Diversion = "Diversion",
    ErrorInfo = "Error-Info",
    Event = "Event" | "o",
    Expires = "Expires",
    FlowTimer = "Flow-Timer",
    From = "From" | "f",
    HistoryInfo = "History-Info",
    InReplyTo = "In-Reply-To",
    InfoPackage = "Info-Package",
    MaxForwards = "Max-Forwards",
    MimeVersion = "MIME-Version",
    MinExpires = "Min-Expires",
    MinSe = "Min-SE",
    Organization = "Organization",
    PAssertedIdentity = "P-Asserted-Identity",
    PPreferredIdentity = "P-Preferred-Identity",
    Path = "Path",
    Priority = "Priority",
    PrivAnswerMode = "Priv-Answer-Mode",
    Privacy = "Privacy",
    ProxyAuthenticate = "Proxy-Authenticate",
    ProxyAuthenticationInfo = "Proxy-Authentication-Info",
    ProxyAuthorization = "Proxy-Authorization",
    ProxyRequire = "Proxy-Require",
    Rack = "RAck",
    Reason = "Reason",
    RecordRoute = "Record-Route",
    RecvInfo = "Recv-Info",
    ReferSub = "Refer-Sub",
    ReferTo = "Refer-To" | "r",
    ReferredBy = "Referred-By" | "b",
    RemotePartyId = "Remote-Party-ID",
    Replaces = "Replaces",
    ReplyTo = "Reply-To",
    Require = "Require",
    RetryAfter = "Retry-After",
    Route = "Route",
    Rseq = "RSeq",
    Server = "Server",
    ServiceRoute = "Service-Route",
    SessionExpires = "Session-Expires" | "x",
    SipEtag = "SIP-ETag",
    SipIfMatch = "SIP-If-Match",
    Subject = "Subject" | "s",
    SubscriptionState = "Subscription-State",
    Supported = "Supported" | "k",
    TargetDialog = "Target-Dialog",
    Timestamp = "Timestamp",
    To = "To" | "t",
    Unsupported = "Unsupported",
    UserAgent = "User-Agent",
    UserToUser = "User-to-User",
    Via = "Via" | "v",
    Warning = "Warning",
    WwwAuthenticate = "WWW-Authenticate",
}

/// Where in [`SPELLINGS`] a name stands, plus one; by its hash, or in one of the places after it.
#[expect(clippy::indexing_slicing, reason = "evaluated while compiling")]
static SLOTS: [u8; 256] = {
    let mut slots = [0; 256];
    let mut i = 0;
    while i < SPELLINGS.len() {
        let mut slot = hash(SPELLINGS[i].0.as_bytes());
        while slots[slot as usize] != 0 {
            slot = slot.wrapping_add(1);
        }
        i += 1;
        slots[slot as usize] = i as u8;
    }
    slots
};

/// A number made of the length and the first, middle and last letter in lower case; the factors were searched
/// so that few known names share one.
const fn hash(name: &[u8]) -> u8 {
    match name {
        [] => 0,
        [first, .., last] => {
            let middle = match name.split_at(name.len() / 2).1 {
                [b, ..] => b.to_ascii_lowercase(),
                [] => 0,
            };
            (name.len() as u8)
                .wrapping_add(first.to_ascii_lowercase().wrapping_mul(23))
                .wrapping_add(middle.wrapping_mul(5))
                .wrapping_add(last.to_ascii_lowercase().wrapping_mul(9))
        }
        [only] => only.to_ascii_lowercase(),
    }
}

impl HeaderName {
    /// The known name that `text` is, in any case, long or compact.
    #[inline]
    pub(super) fn known(text: &[u8]) -> Option<Self> {
        let mut slot = hash(text);
        loop {
            let number = SLOTS.get(usize::from(slot)).copied().unwrap_or_default();
            let (spelling, name) = SPELLINGS.get(usize::from(number).checked_sub(1)?)?;
            // Nearly all that comes is spelled as registered.
            if spelling.as_bytes() == text || spelling.as_bytes().eq_ignore_ascii_case(text) {
                return Some(name.clone());
            }
            slot = slot.wrapping_add(1);
        }
    }

    /// The name that `text` is.
    ///
    /// # Errors
    /// [`ErrorKind::HeaderLine`] if it is not a token.
    pub fn new(text: &str) -> Result<Self> {
        match Self::known(text.as_bytes()) {
            Some(known) => Ok(known),
            None if is_token(text.as_bytes()) => Ok(Self::Other(text.into())),
            None => Err(Error::new(ErrorKind::HeaderLine, "name")),
        }
    }
}

impl PartialEq for HeaderName {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Other(a), Self::Other(b)) => a.eq_ignore_ascii_case(b),
            (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
        }
    }
}

impl Eq for HeaderName {}

impl Hash for HeaderName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        if let Self::Other(name) = self {
            for b in name.bytes() {
                b.to_ascii_lowercase().hash(state);
            }
        }
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_know_their_compact_forms_and_no_case() {
        for (text, name) in [
            ("v", "Via"),
            ("VIA", "Via"),
            ("cSeq", "CSeq"),
            ("I", "Call-ID"),
            ("x", "Session-Expires"),
        ] {
            assert_eq!(HeaderName::new(text).unwrap().as_str(), name);
        }
        for (spelling, name) in SPELLINGS {
            assert_eq!(
                HeaderName::known(spelling.to_ascii_uppercase().as_bytes()).as_ref(),
                Some(name)
            );
        }
        assert_eq!(
            HeaderName::new("X-Foo").unwrap(),
            HeaderName::new("x-fOO").unwrap()
        );
        assert!(HeaderName::new("To\u{1}").is_err());
    }
}
