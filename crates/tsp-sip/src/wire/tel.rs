//! Telephone numbers in `tel` URIs (RFC 3966), and in `sip` URIs that say `user=phone` (RFC 3261 section 19.1.6).

use std::fmt;

use super::host::HostPort;
use super::text::Text;
use super::uri::{Scheme, Uri};
use crate::{Error, ErrorKind, Result};

/// A telephone number: digits without visual separators, and what tells where they are valid.
///
/// Two numbers are equal if they reach the same line by RFC 3966 section 4: separators, the order of parameters
/// and case make no difference.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TelNumber {
    digits: Text,
    context: Option<Text>,
    extension: Option<Text>,
    subaddress: Option<Text>,
}

const BAD: Error = Error::new(ErrorKind::Uri, "telephone number");

impl TelNumber {
    /// The most digits that are read; the numbering plan of ITU-T E.164 has 15.
    const LONGEST: usize = 64;

    /// The number `+digits`, or local `digits` that are valid within `context`: a domain or a leading part of a
    /// global number. Separators are left out.
    ///
    /// # Errors
    /// [`ErrorKind::Uri`] if these are no digits, or a local number has no context.
    pub fn new(number: &str, context: Option<&str>) -> Result<Self> {
        let digits = digits(number).ok_or(BAD)?;
        let context = context.map(str::to_ascii_lowercase);
        let valid = match &context {
            // RFC 3966 section 5.1.5: a domain, or a global number.
            Some(c) => match c.strip_prefix('+') {
                Some(rest) => rest.bytes().all(|b| b.is_ascii_digit() || is_separator(b)),
                None => !c.is_empty() && c.bytes().all(is_domain_byte),
            },
            None => digits.starts_with('+'),
        };
        if !valid {
            return Err(BAD);
        }
        let is_global = digits.starts_with('+');
        let context = context.map(|c| {
            if c.starts_with('+') {
                c.replace(|c: char| c.is_ascii() && is_separator(c as u8), "")
            } else {
                c
            }
        });
        Ok(Self {
            digits: digits.into(),
            // A global number is valid everywhere.
            context: context.filter(|_| !is_global).map(Text::from),
            extension: None,
            subaddress: None,
        })
    }

    /// The number that `uri` is: a `tel` URI, or the user part of a `sip` or `sips` URI with `user=phone`. Local
    /// numbers of the latter need no context, as peers leave it out and mean the host.
    ///
    /// # Errors
    /// [`ErrorKind::Uri`] if it is neither, or breaks the grammar.
    pub fn from_uri(uri: &Uri) -> Result<Self> {
        let subscriber = match uri.scheme() {
            Scheme::Tel => Text::from(uri.opaque()),
            Scheme::Sip | Scheme::Sips
                if uri
                    .param("user")
                    .is_some_and(|u| u.eq_ignore_ascii_case("phone")) =>
            {
                Text::from(&*uri.user().ok_or(BAD)?)
            }
            _ => return Err(BAD),
        };
        let mut parts = subscriber.split(';');
        let number = parts.next().unwrap_or_default();
        let (mut context, mut extension, mut subaddress) = (None, None, None);
        for part in parts {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let place = if name.eq_ignore_ascii_case("phone-context") {
                &mut context
            } else if name.eq_ignore_ascii_case("ext") {
                &mut extension
            } else if name.eq_ignore_ascii_case("isub") {
                &mut subaddress
            } else {
                continue;
            };
            // Each may be there once (RFC 3966 section 3).
            if place.replace(value.to_owned()).is_some() {
                return Err(BAD);
            }
        }
        if context.is_none() && uri.is_sip() && !number.starts_with('+') {
            let host = uri.raw_host().unwrap_or_default();
            context = Some(host.trim_matches(['[', ']']).to_owned());
        }
        let mut all = Self::new(number, context.as_deref())?;
        let extension = extension.map(|e| digits(&e).filter(|d| !d.starts_with('+')).ok_or(BAD));
        all.extension = extension.transpose()?.map(Text::from);
        all.subaddress = subaddress.map(|s| s.to_ascii_lowercase().into());
        Ok(all)
    }

    /// The digits, a plus sign before those of a global number.
    pub fn digits(&self) -> &str {
        &self.digits
    }

    /// Whether the number is valid everywhere.
    pub fn is_global(&self) -> bool {
        self.digits.starts_with('+')
    }

    /// Within what a local number is valid.
    pub fn context(&self) -> Option<&str> {
        self.context.as_deref()
    }

    /// The extension behind the number.
    pub fn extension(&self) -> Option<&str> {
        self.extension.as_deref()
    }

    /// The `tel` URI of the number.
    ///
    /// # Errors
    /// Never for a number that was made here.
    pub fn to_uri(&self) -> Result<Uri> {
        Uri::new(format!("tel:{self}"))
    }

    /// The `sip` URI that reaches the number through `place`.
    ///
    /// # Errors
    /// Never for a number that was made here.
    pub fn to_sip(&self, place: &HostPort) -> Result<Uri> {
        Uri::sip(Some(&self.to_string()), place).with_param("user", "phone")
    }
}

impl fmt::Display for TelNumber {
    /// The number with its parameters in the order that RFC 3966 section 3 wants.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.digits)?;
        let params = [
            ("isub", &self.subaddress),
            ("ext", &self.extension),
            ("phone-context", &self.context),
        ];
        for (name, value) in params {
            if let Some(value) = value {
                write!(f, ";{name}={value}")?;
            }
        }
        Ok(())
    }
}

/// The digits of `text` without separators, in lower case; none if there are none or too many.
fn digits(text: &str) -> Option<String> {
    let (sign, rest) = match text.strip_prefix('+') {
        Some(rest) => ("+", rest),
        None => ("", text),
    };
    let mut out = String::from(sign);
    for c in rest.chars() {
        match c {
            '-' | '.' | '(' | ')' => {}
            '0'..='9' => out.push(c),
            // Local numbers may have these too (`phonedigit-hex`).
            'a'..='f' | 'A'..='F' | '*' | '#' if sign.is_empty() => {
                out.push(c.to_ascii_lowercase());
            }
            _ => return None,
        }
    }
    (out.len() > sign.len() && out.len() <= TelNumber::LONGEST).then_some(out)
}

const fn is_separator(b: u8) -> bool {
    matches!(b, b'-' | b'.' | b'(' | b')')
}

const fn is_domain_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b':' | b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<TelNumber> {
        TelNumber::from_uri(&Uri::new(text)?)
    }

    #[test]
    fn separators_make_no_difference() {
        let plain = read("tel:+12015550123").unwrap();
        assert_eq!(read("tel:+1-201-555-0123").unwrap(), plain);
        assert_eq!(read("TEL:+1(201)555.0123").unwrap(), plain);
        assert_eq!(
            read("sip:+1-201-555-0123@example.com;user=phone").unwrap(),
            plain
        );
        assert!(plain.is_global() && plain.context().is_none());
        assert_eq!(plain.to_uri().unwrap().as_str(), "tel:+12015550123");
        let place = HostPort::new("example.com").unwrap();
        assert_eq!(
            plain.to_sip(&place).unwrap().as_str(),
            "sip:+12015550123@example.com;user=phone"
        );
        assert_ne!(read("tel:+12015550123;ext=4").unwrap(), plain);
    }

    #[test]
    fn local_numbers_have_a_context() {
        let n = read("tel:7042;phone-context=Example.COM").unwrap();
        assert_eq!((n.digits(), n.context()), ("7042", Some("example.com")));
        let n = read("tel:863-1234;phone-context=+1-914-555;ext=1-2;isub=A").unwrap();
        assert_eq!(
            n.to_string(),
            "8631234;isub=a;ext=12;phone-context=+1914555"
        );
        assert_eq!(n.extension(), Some("12"));
        assert_eq!(TelNumber::from_uri(&n.to_uri().unwrap()).unwrap(), n);
        let place = HostPort::new("gw.example").unwrap();
        assert_eq!(TelNumber::from_uri(&n.to_sip(&place).unwrap()).unwrap(), n);
        let n = read("sip:*72%23@pbx.example;user=phone").unwrap();
        assert_eq!((n.digits(), n.context()), ("*72#", Some("pbx.example")));
    }

    #[test]
    fn what_is_no_number() {
        for bad in [
            "tel:7042",
            "tel:+",
            "tel:+a",
            "tel:+1;phone-context=a;phone-context=b",
            "tel:1;phone-context=",
            "tel:1;phone-context=+x",
            "tel:1;phone-context=a%20b",
            "tel:+1;ext=x",
            "sip:alice@example.com;user=phone",
            "sip:+1@example.com",
            "urn:service:sos",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(TelNumber::new(&"1".repeat(65), Some("a")).is_err());
    }
}
