//! Fields that tell how long: Expires, Min-Expires, Retry-After, Session-Expires, Min-SE, Flow-Timer.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use super::headers::Headers;
use super::name::HeaderName;
use super::params::{self, Params, headed};
use super::scan::{number, seconds, trim, trim_str};
use super::text::Text;
use crate::{Error, ErrorKind, Result};

/// Which end refreshes a session (RFC 4028 section 4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Refresher {
    /// The one that sent the request which this answers.
    Uac,
    /// The one that answered it.
    Uas,
}

/// How long a session lives without a refresh (RFC 4028 section 4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SessionExpires {
    /// The interval, in whole seconds.
    pub interval: Duration,
    /// Who refreshes; a request may leave it open.
    pub refresher: Option<Refresher>,
}

impl SessionExpires {
    /// The shortest interval that anybody may ask for (RFC 4028 section 4).
    pub const SHORTEST: Duration = Duration::from_secs(90);

    /// Reads the value of Session-Expires. Other parameters are not kept.
    ///
    /// # Errors
    /// [`ErrorKind::Number`], or [`ErrorKind::Value`] for a refresher that is neither `uac` nor `uas`.
    pub fn parse(value: &Bytes) -> Result<Self> {
        let (interval, params) = interval(value, "Session-Expires")?;
        let refresher = match params.raw("refresher") {
            None => None,
            Some(r) if r.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
            Some(r) if r.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
            Some(_) => return Err(Error::new(ErrorKind::Value, "Session-Expires")),
        };
        Ok(Self {
            interval,
            refresher,
        })
    }

    /// The value as it is written.
    pub fn to_value(&self) -> Bytes {
        self.to_string().into()
    }
}

impl fmt::Display for SessionExpires {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refresher = match self.refresher {
            None => "",
            Some(Refresher::Uac) => ";refresher=uac",
            Some(Refresher::Uas) => ";refresher=uas",
        };
        write!(f, "{}{refresher}", self.interval.as_secs())
    }
}

/// When a request may be tried again (RFC 3261 section 20.33).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RetryAfter {
    /// How long to wait, in whole seconds.
    pub after: Duration,
    /// For how long the called party will be reachable from then on.
    pub duration: Option<Duration>,
    /// Words for a human.
    pub comment: Option<Text>,
}

impl RetryAfter {
    /// To be tried again `after` that time; parts of a second count as a whole one.
    pub fn new(after: Duration) -> Self {
        let whole = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        Self {
            after: Duration::from_secs(whole),
            duration: None,
            comment: None,
        }
    }

    /// Reads the value of Retry-After.
    ///
    /// # Errors
    /// [`ErrorKind::Number`] if no number of up to 2^32-1 seconds leads it, [`ErrorKind::Value`] if what follows
    /// breaks the grammar.
    pub fn parse(value: &Bytes) -> Result<Self> {
        const BAD: Error = Error::new(ErrorKind::Value, "Retry-After");
        const NUMBER: Error = Error::new(ErrorKind::Number, "Retry-After");
        let text = Text::new(value.slice_ref(trim(value))).map_err(|_| BAD)?;
        let end = text.bytes().position(|b| !b.is_ascii_digit());
        let (digits, rest) = text
            .split_at_checked(end.unwrap_or(text.len()))
            .ok_or(BAD)?;
        let after = number(digits.as_bytes(), u64::from(u32::MAX)).ok_or(NUMBER)?;
        let rest = trim_str(rest);
        let (comment, rest) = match rest.strip_prefix('(') {
            Some(_) => {
                let end = comment_len(rest).ok_or(BAD)?;
                let (comment, rest) = rest.split_at_checked(end).ok_or(BAD)?;
                let inner = comment.get(1..comment.len() - 1).unwrap_or_default();
                (Some(Text::from(unescape_comment(inner))), rest)
            }
            None => (None, rest),
        };
        params::check(rest).map_err(|_| BAD)?;
        let params = Params::trusted(text.share(trim_str(rest)));
        Ok(Self {
            after: Duration::from_secs(after),
            duration: params.raw("duration").and_then(|d| seconds(d.as_bytes())),
            comment,
        })
    }

    /// The value as it is written.
    pub fn to_value(&self) -> Bytes {
        self.to_string().into()
    }
}

impl fmt::Display for RetryAfter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.after.as_secs())?;
        if let Some(comment) = &self.comment {
            f.write_str(" (")?;
            for c in comment.chars() {
                match c {
                    '(' | ')' | '\\' => write!(f, "\\{c}")?,
                    c if c.is_control() => f.write_str(" ")?,
                    c => write!(f, "{c}")?,
                }
            }
            f.write_str(")")?;
        }
        match self.duration {
            Some(duration) => write!(f, ";duration={}", duration.as_secs()),
            None => Ok(()),
        }
    }
}

/// The length of the comment that `text` begins with; comments nest (RFC 3261 section 25.1).
fn comment_len(text: &str) -> Option<usize> {
    let (mut depth, mut escaped) = (0usize, false);
    for (i, b) in text.bytes().enumerate() {
        match b {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'(' => depth += 1,
            b')' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(i + 1);
                }
            }
            _ => {}
        }
    }
    None
}

fn unescape_comment(inner: &str) -> String {
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => out.extend(chars.next()),
            c => out.push(c),
        }
    }
    out
}

/// Seconds and the parameters after them.
fn interval(value: &Bytes, what: &'static str) -> Result<(Duration, Params)> {
    let (digits, params) = headed(value, what)?;
    match seconds(digits.as_bytes()) {
        Some(interval) => Ok((interval, params)),
        None => Err(Error::new(ErrorKind::Number, what)),
    }
}

impl Headers {
    /// Expires; more than 2^32-1 seconds count as that (RFC 3261 section 20.19).
    ///
    /// # Errors
    /// [`ErrorKind::Number`].
    pub fn expires(&self) -> Result<Option<Duration>> {
        self.seconds(&HeaderName::Expires, "Expires")
    }

    /// Min-Expires: the shortest time that the sender of a 423 takes (RFC 3261 section 20.23).
    ///
    /// # Errors
    /// [`ErrorKind::Number`].
    pub fn min_expires(&self) -> Result<Option<Duration>> {
        self.seconds(&HeaderName::MinExpires, "Min-Expires")
    }

    /// Flow-Timer: how long the server takes a silent flow for alive (RFC 5626 section 10).
    ///
    /// # Errors
    /// [`ErrorKind::Number`].
    pub fn flow_timer(&self) -> Result<Option<Duration>> {
        self.seconds(&HeaderName::FlowTimer, "Flow-Timer")
    }

    /// Retry-After.
    ///
    /// # Errors
    /// Those of [`RetryAfter::parse`].
    pub fn retry_after(&self) -> Result<Option<RetryAfter>> {
        self.get(&HeaderName::RetryAfter)
            .map(RetryAfter::parse)
            .transpose()
    }

    /// Session-Expires.
    ///
    /// # Errors
    /// [`ErrorKind::Duplicate`], or those of [`SessionExpires::parse`].
    pub fn session_expires(&self) -> Result<Option<SessionExpires>> {
        self.only(&HeaderName::SessionExpires, "Session-Expires")?
            .map(SessionExpires::parse)
            .transpose()
    }

    /// Min-SE: the shortest session interval that everybody on the way takes, without its parameters
    /// (RFC 4028 section 5).
    ///
    /// # Errors
    /// [`ErrorKind::Duplicate`], [`ErrorKind::Number`] or [`ErrorKind::Value`].
    pub fn min_se(&self) -> Result<Option<Duration>> {
        let value = self.only(&HeaderName::MinSe, "Min-SE")?;
        Ok(value
            .map(|v| interval(v, "Min-SE"))
            .transpose()?
            .map(|i| i.0))
    }

    fn seconds(&self, name: &HeaderName, what: &'static str) -> Result<Option<Duration>> {
        self.get(name)
            .map(|v| seconds(trim(v)).ok_or_else(|| Error::new(ErrorKind::Number, what)))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn intervals_are_read() {
        let h = Headers::of(&[
            ("Expires", "10000000000"),
            ("Min-Expires", "60"),
            ("Flow-Timer", " 120 "),
            ("Min-SE", "1800;lr"),
            ("x", "4000 ; Refresher = UAC;y=z"),
        ]);
        assert_eq!(h.expires().unwrap(), Some(secs(u64::from(u32::MAX))));
        assert_eq!(h.min_expires().unwrap(), Some(secs(60)));
        assert_eq!(h.flow_timer().unwrap(), Some(secs(120)));
        assert_eq!(h.min_se().unwrap(), Some(secs(1800)));
        let session = h.session_expires().unwrap().unwrap();
        assert_eq!(session.refresher, Some(Refresher::Uac));
        assert_eq!(session.to_value(), "4000;refresher=uac");
        assert_eq!(Headers::new().session_expires().unwrap(), None);
    }

    #[test]
    fn what_is_no_interval() {
        for bad in [
            "",
            "-1",
            "1.5",
            "1e3",
            "90 90",
            "0x5a",
            "90;refresher=me",
            "90;;",
        ] {
            let h = Headers::of(&[
                ("Session-Expires", bad),
                ("Min-SE", bad),
                ("Expires", bad),
                ("Min-Expires", bad),
            ]);
            assert!(h.session_expires().is_err(), "{bad}");
            assert!(h.expires().is_err() && h.min_expires().is_err(), "{bad}");
            assert!(h.min_se().is_err() || bad.contains("refresher"), "{bad}");
        }
        let twice = Headers::of(&[("Session-Expires", "90"), ("x", "91")]);
        assert_eq!(
            twice.session_expires().map_err(Error::kind),
            Err(ErrorKind::Duplicate)
        );
    }

    #[test]
    fn when_to_try_again() {
        let read = |text: &'static str| RetryAfter::parse(&Bytes::from_static(text.as_bytes()));
        let r = read("18000;duration=3600").unwrap();
        assert_eq!((r.after, r.duration), (secs(18_000), Some(secs(3600))));
        let r = read("120 (I'm in a (long\\)) meeting) ; duration = 60").unwrap();
        assert_eq!(r.comment.as_deref(), Some("I'm in a (long)) meeting"));
        assert_eq!(
            r.to_value(),
            "120 (I'm in a \\(long\\)\\) meeting);duration=60"
        );
        assert_eq!(RetryAfter::parse(&r.to_value()).unwrap(), r);
        assert_eq!(RetryAfter::new(Duration::from_millis(1)).to_value(), "1");
        for bad in [
            "",
            "x",
            "949302838503028349304023988",
            "1 (a",
            "1 a",
            "1,2",
            "1 (a) b",
            "-1",
            "1 )",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        let mut odd = RetryAfter::new(secs(5));
        odd.comment = Some("a\r\nVia: x".into());
        assert_eq!(odd.to_value(), "5 (a  Via: x)");
    }
}
