//! Referrals: Refer-To (RFC 3515), Referred-By (RFC 3892), Refer-Sub (RFC 4488).

use super::headers::Headers;
use super::name::HeaderName;
use super::name_addr::NameAddr;
use super::params::token_headed;
use crate::{Error, ErrorKind, Result};

impl Headers {
    /// Refer-To: where the receiver shall send a request (RFC 3515 section 2.1). The method stands in the URI
    /// parameter `method`, fields of the request in its headers; see [`Replaces::from_uri`](super::Replaces::from_uri).
    ///
    /// # Errors
    /// [`ErrorKind::Missing`], [`ErrorKind::Duplicate`] (RFC 3515 section 2.4.2 wants exactly one), or those of
    /// [`NameAddr::parse`].
    pub fn refer_to(&self) -> Result<NameAddr> {
        let value = self.only(&HeaderName::ReferTo, "Refer-To")?;
        let value = value.ok_or(Error::new(ErrorKind::Missing, "Refer-To"))?;
        NameAddr::parse(value).map_err(|e| Error::new(e.kind(), "Refer-To"))
    }

    /// Referred-By: who asked for this request (RFC 3892 section 3). Its parameter `cid` names a body that proves it.
    ///
    /// # Errors
    /// [`ErrorKind::Duplicate`], or those of [`NameAddr::parse`].
    pub fn referred_by(&self) -> Result<Option<NameAddr>> {
        self.only(&HeaderName::ReferredBy, "Referred-By")?
            .map(|v| NameAddr::parse(v).map_err(|e| Error::new(e.kind(), "Referred-By")))
            .transpose()
    }

    /// Refer-Sub: whether a REFER makes a subscription; none if the field does not say (RFC 4488 section 4).
    ///
    /// # Errors
    /// [`ErrorKind::Duplicate`], or [`ErrorKind::Value`] if it is neither `true` nor `false`.
    pub fn refer_sub(&self) -> Result<Option<bool>> {
        let Some(value) = self.only(&HeaderName::ReferSub, "Refer-Sub")? else {
            return Ok(None);
        };
        let (word, _) = token_headed(value, "Refer-Sub")?;
        if word.eq_ignore_ascii_case("true") {
            Ok(Some(true))
        } else if word.eq_ignore_ascii_case("false") {
            Ok(Some(false))
        } else {
            Err(Error::new(ErrorKind::Value, "Refer-Sub"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn referrals_of_the_rfcs() {
        let h = Headers::of(&[
            (
                "r",
                "<sip:dave@denver.example.org?Replaces=12345%40192.168.118.3%3Bto-tag%3D12345%3Bfrom-tag%3D5FFE-3994>",
            ),
            (
                "b",
                "<sip:referror@referror.example>;cid=\"20398823.2UWQFN309shb3@referror.example\"",
            ),
            ("Refer-Sub", "False ; x=y"),
        ]);
        let to = h.refer_to().unwrap();
        assert!(
            to.uri()
                .header("Replaces")
                .unwrap()
                .starts_with("12345@192.168.118.3;")
        );
        let by = h.referred_by().unwrap().unwrap();
        assert_eq!(
            by.params().get("cid").as_deref(),
            Some("20398823.2UWQFN309shb3@referror.example")
        );
        assert_eq!(h.refer_sub().unwrap(), Some(false));
        let h = Headers::of(&[(
            "Refer-To",
            "sip:carol@cleveland.example.org;method=SUBSCRIBE",
        )]);
        assert_eq!(
            h.refer_to().unwrap().uri().as_str(),
            "sip:carol@cleveland.example.org"
        );
        let h = Headers::of(&[(
            "Refer-To",
            "<sip:carol@cleveland.example.org;method=SUBSCRIBE>",
        )]);
        assert_eq!(
            h.refer_to().unwrap().uri().param("method").as_deref(),
            Some("SUBSCRIBE")
        );
        assert_eq!(h.referred_by().unwrap(), None);
        assert_eq!(h.refer_sub().unwrap(), None);
    }

    #[test]
    fn what_refers_to_nothing_or_to_two() {
        let kind =
            |lines: &[(&str, &'static str)]| Headers::of(lines).refer_to().err().map(Error::kind);
        assert_eq!(kind(&[]), Some(ErrorKind::Missing));
        assert_eq!(
            kind(&[("r", "<sip:a@b>"), ("Refer-To", "<sip:a@b>")]),
            Some(ErrorKind::Duplicate)
        );
        // A list of two is no address.
        assert!(kind(&[("r", "<sip:a@b>, <sip:c@d>")]).is_some());
        assert!(kind(&[("r", "sip:a@b?Replaces=x")]).is_some());
        assert!(kind(&[("r", "<sip:a@b?x=%zz>")]).is_some());
        for bad in ["", "yes", "true false", "0"] {
            assert!(
                Headers::of(&[("Refer-Sub", bad)]).refer_sub().is_err(),
                "{bad}"
            );
        }
    }
}
