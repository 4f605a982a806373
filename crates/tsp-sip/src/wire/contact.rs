//! Where a user is reached and by which way: Contact with its parameters (RFC 3261 section 20.10, RFC 5626,
//! RFC 5627), Path (RFC 3327), Service-Route (RFC 3608).

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;

use super::headers::Headers;
use super::name::HeaderName;
use super::name_addr::NameAddr;
use super::scan::{number, quote, seconds, trim};
use super::uri::Uri;
use crate::{Error, ErrorKind, Result};

/// How much a contact is preferred, in thousandths from 0 to 1000 (RFC 3261 section 20.10).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Preference(u16);

impl Preference {
    /// The most preferred.
    pub const MOST: Self = Self(1000);

    /// A preference of `thousandths`; more than 1000 count as that.
    pub const fn new(thousandths: u16) -> Self {
        if thousandths > 1000 {
            Self::MOST
        } else {
            Self(thousandths)
        }
    }

    /// Thousandths.
    pub const fn thousandths(self) -> u16 {
        self.0
    }

    /// Reads a `qvalue`: 0 or 1 with up to three decimals, at most 1 in all.
    pub fn parse(text: &str) -> Option<Self> {
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        if decimals.len() > 3 {
            return None;
        }
        let whole = number(whole.as_bytes(), 1)?;
        let decimals = number(format!("{decimals:0<3}").as_bytes(), 999)?;
        u16::try_from(whole * 1000 + decimals)
            .ok()
            .filter(|n| *n <= 1000)
            .map(Self)
    }

    /// The `qvalue` as it is written.
    pub fn to_param(self) -> String {
        match self.0 {
            1000 => "1".to_owned(),
            0 => "0".to_owned(),
            n => format!("0.{n:03}").trim_end_matches('0').to_owned(),
        }
    }
}

/// Parameters of a Contact value.
impl NameAddr {
    /// `expires`: how long the binding lives; none if it is missing or no number (RFC 3261 section 10.3).
    pub fn expires(&self) -> Option<Duration> {
        seconds(self.params().raw("expires")?.as_bytes())
    }

    /// `q`: how much this contact is preferred; none if it is missing or malformed.
    pub fn preference(&self) -> Option<Preference> {
        Preference::parse(self.params().raw("q")?)
    }

    /// `+sip.instance`: the URN of the device, without its angle brackets (RFC 5626 section 4.1).
    pub fn instance(&self) -> Option<Cow<'_, str>> {
        let bare = |text: &str| -> Option<String> {
            let inner = text.strip_prefix('<')?.strip_suffix('>')?;
            Some(inner.to_owned())
        };
        let value = self.params().get("+sip.instance")?;
        Some(bare(&value).map_or(value, Cow::Owned))
    }

    /// `reg-id`: which of the flows of a device this is, from 1 (RFC 5626 section 4.2).
    pub fn reg_id(&self) -> Option<u32> {
        let n = number(self.params().raw("reg-id")?.as_bytes(), (1 << 31) - 1)?;
        u32::try_from(n).ok().filter(|n| *n != 0)
    }

    /// `pub-gruu`: a URI that reaches this device and tells whose it is (RFC 5627).
    pub fn pub_gruu(&self) -> Option<Uri> {
        Uri::new(&*self.params().get("pub-gruu")?).ok()
    }

    /// `temp-gruu`: a URI that reaches this device and does not tell whose it is (RFC 5627).
    pub fn temp_gruu(&self) -> Option<Uri> {
        Uri::new(&*self.params().get("temp-gruu")?).ok()
    }

    /// This contact with the device's URN, for instance `urn:uuid:...`.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if `urn` cannot stand between angle brackets.
    pub fn with_instance(self, urn: &str) -> Result<Self> {
        if Uri::new(urn).is_err() {
            return Err(Error::new(ErrorKind::Value, "+sip.instance"));
        }
        self.with_param("+sip.instance", &quote(&format!("<{urn}>")))
    }
}

impl Headers {
    /// Whether Contact is a lone `*`: all bindings, which only a REGISTER that removes them may say (RFC 3261
    /// section 10.2.2).
    pub fn is_every_contact(&self) -> bool {
        let mut fields = self.all(&HeaderName::Contact);
        fields.next().is_some_and(|v| trim(v) == b"*") && fields.next().is_none()
    }

    /// Path values: the way from the registrar back to the contact, the hop next to the registrar first
    /// (RFC 3327 section 4).
    pub fn path(&self) -> impl Iterator<Item = Result<NameAddr>> {
        self.addresses(&HeaderName::Path, "Path")
    }

    /// Service-Route values: the way for requests of the registered user, the first hop first (RFC 3608 section 5).
    pub fn service_route(&self) -> impl Iterator<Item = Result<NameAddr>> {
        self.addresses(&HeaderName::ServiceRoute, "Service-Route")
    }
}

/// Several addresses as one field's value.
pub fn join(addresses: &[NameAddr]) -> Bytes {
    let values: Vec<_> = addresses.iter().map(NameAddr::to_value).collect();
    values.join(&b", "[..]).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contacts_of_outbound_and_gruu() {
        let h = Headers::of(&[(
            "Contact",
            "<sip:callee@192.0.2.2;transport=tcp>;pub-gruu=\"sip:callee@example.com;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6\";temp-gruu=\"sip:tgruu.7hs==jd7vnzga5w7fajsc7-ajd6fabz0f8g5@example.com;gr\";+sip.instance=\"<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>\";reg-id=1;expires=3600;q=0.7, <sip:x@y>;q=1.1;reg-id=0;expires=soon",
        )]);
        let all: Vec<_> = h.contacts().map(Result::unwrap).collect();
        let c = &all[0];
        assert_eq!(
            c.instance().as_deref(),
            Some("urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6")
        );
        assert_eq!(
            (c.reg_id(), c.expires()),
            (Some(1), Some(Duration::from_secs(3600)))
        );
        assert_eq!(c.preference(), Some(Preference::new(700)));
        assert!(
            c.pub_gruu()
                .unwrap()
                .param("gr")
                .unwrap()
                .starts_with("urn:uuid:")
        );
        assert_eq!(c.temp_gruu().unwrap().param("gr").as_deref(), Some(""));
        let bad = &all[1];
        assert_eq!(
            (bad.reg_id(), bad.expires(), bad.preference()),
            (None, None, None)
        );
        assert_eq!((bad.instance(), bad.pub_gruu()), (None, None));
    }

    #[test]
    fn contacts_are_written() {
        let c = NameAddr::new(Uri::new("sip:a@b").unwrap());
        let c = c.with_instance("urn:uuid:0").unwrap();
        assert_eq!(c.to_value(), "<sip:a@b>;+sip.instance=\"<urn:uuid:0>\"");
        assert!(c.with_instance("x> y").is_err());
        for (text, thousandths) in [
            ("0", 0),
            ("1", 1000),
            ("0.5", 500),
            ("1.000", 1000),
            ("0.", 0),
        ] {
            assert_eq!(Preference::parse(text).unwrap().thousandths(), thousandths);
        }
        for bad in ["", "2", "1.001", "0.1234", "-1", ".5", "0.x"] {
            assert_eq!(Preference::parse(bad), None, "{bad}");
        }
        assert_eq!(Preference::new(50).to_param(), "0.05");
        assert_eq!(Preference::new(5000).to_param(), "1");
    }

    #[test]
    fn ways() {
        let h = Headers::of(&[
            ("Path", "<sip:p1.example.com;lr>,<sip:p2.example.com;lr>"),
            (
                "Service-Route",
                "<sip:P2.HOME.EXAMPLE.COM;lr>, <sip:HSP.HOME.EXAMPLE.COM;lr>",
            ),
            ("m", " * "),
        ]);
        let path: Vec<_> = h.path().map(Result::unwrap).collect();
        assert_eq!(
            join(&path),
            "<sip:p1.example.com;lr>, <sip:p2.example.com;lr>"
        );
        assert_eq!(h.service_route().count(), 2);
        assert!(h.is_every_contact());
        assert!(!Headers::of(&[("m", "*"), ("m", "<sip:a@b>")]).is_every_contact());
    }
}
