//! Reason: why a request or a response was sent (RFC 3326).

use std::fmt;

use bytes::Bytes;

use super::headers::Headers;
use super::name::HeaderName;
use super::params::token_headed;
use super::scan::{is_token, number, quote};
use super::status::StatusCode;
use super::text::Text;
use crate::{Error, ErrorKind, Result};

/// One value of Reason (RFC 3326 section 2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reason {
    protocol: Text,
    /// The number, by the numbering of the protocol.
    pub cause: Option<u16>,
    /// Words for a human.
    pub text: Option<Text>,
}

impl Reason {
    /// The protocol whose causes are the status codes of SIP.
    pub const SIP: &'static str = "SIP";
    /// The protocol whose causes are those of ITU-T Q.850.
    pub const Q850: &'static str = "Q.850";

    /// The reason that a response of `status` stands for.
    pub fn sip(status: StatusCode) -> Self {
        Self {
            protocol: Text::from_static(Self::SIP),
            cause: Some(status.code()),
            text: Some(Text::from_static(status.phrase())),
        }
    }

    /// The reason that the cause `cause` of ITU-T Q.850 stands for, from 1 to 127.
    pub const fn q850(cause: u8) -> Self {
        Self {
            protocol: Text::from_static(Self::Q850),
            cause: Some(cause as u16),
            text: None,
        }
    }

    /// A reason of any other protocol.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if `protocol` is no token.
    pub fn new(protocol: impl Into<Text>, cause: Option<u16>) -> Result<Self> {
        let protocol = protocol.into();
        if !is_token(protocol.as_bytes()) {
            return Err(BAD);
        }
        Ok(Self {
            protocol,
            cause,
            text: None,
        })
    }

    /// This reason with words for a human.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<Text>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// Reads one value. A cause that is no number up to 65535 counts as none.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if it breaks the grammar.
    pub fn parse(value: &Bytes) -> Result<Self> {
        let (protocol, params) = token_headed(value, "Reason")?;
        let cause = params
            .raw("cause")
            .and_then(|c| number(c.as_bytes(), u64::from(u16::MAX)));
        Ok(Self {
            protocol,
            cause: cause.and_then(|c| u16::try_from(c).ok()),
            text: params.get("text").map(|t| Text::from(&*t)),
        })
    }

    /// Whose numbering the cause is of, for instance `SIP` or `Q.850`.
    pub fn protocol(&self) -> &str {
        &self.protocol
    }

    /// Whether the cause is one of `protocol`, in any case.
    pub fn is_of(&self, protocol: &str) -> bool {
        self.protocol.eq_ignore_ascii_case(protocol)
    }

    /// The reason as it is written in a header field.
    pub fn to_value(&self) -> Bytes {
        self.to_string().into()
    }
}

const BAD: Error = Error::new(ErrorKind::Value, "Reason");

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.protocol)?;
        if let Some(cause) = self.cause {
            write!(f, ";cause={cause}")?;
        }
        match &self.text {
            Some(text) => write!(f, ";text={}", quote(text)),
            None => Ok(()),
        }
    }
}

impl Headers {
    /// Reason values that can be read.
    pub fn reasons(&self) -> impl Iterator<Item = Reason> {
        self.list(&HeaderName::Reason)
            .filter_map(|value| Reason::parse(&value).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_reasons_in_one_field_and_in_two() {
        let h = Headers::of(&[
            (
                "Reason",
                "Q.850 ;cause=16 ;text=\"Terminated, so\", SIP;cause=200 ;text=\"Call completed elsewhere\"",
            ),
            ("reason", "preemption ;cause=1"),
            ("reason", "x y;cause=1, SIP;cause=99999, ,q.850;cause=-1"),
        ]);
        let reasons: Vec<_> = h.reasons().map(|r| r.to_string()).collect();
        assert_eq!(
            reasons,
            [
                "Q.850;cause=16;text=\"Terminated, so\"",
                "SIP;cause=200;text=\"Call completed elsewhere\"",
                "preemption;cause=1",
                "SIP",
                "q.850"
            ]
        );
        assert!(h.reasons().last().unwrap().is_of(Reason::Q850));
    }

    #[test]
    fn reasons_are_written() {
        assert_eq!(Reason::q850(31).to_value(), "Q.850;cause=31");
        let odd = Reason::sip(StatusCode::OK).with_text("a \"b\"\r\nX: y");
        assert_eq!(odd.to_value(), r#"SIP;cause=200;text="a \"b\"  X: y""#);
        assert_eq!(Reason::parse(&odd.to_value()).unwrap().cause, Some(200));
        assert!(Reason::new("a b", None).is_err());
    }
}
