//! Provisional responses that are acknowledged: RSeq and RAck (RFC 3262 section 7).

use std::fmt;

use bytes::Bytes;

use super::fields::CSeq;
use super::headers::Headers;
use super::name::HeaderName;
use super::scan::{number, trim};
use crate::{Error, ErrorKind, Result};

/// Which provisional response a PRACK acknowledges (RFC 3262 section 7.2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RAck {
    /// The number that stood in RSeq of the response.
    pub response: u32,
    /// What stood in `CSeq` of the response.
    pub cseq: CSeq,
}

impl RAck {
    /// Reads the value of RAck.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] or [`ErrorKind::Number`].
    pub fn parse(value: &Bytes) -> Result<Self> {
        const BAD: Error = Error::new(ErrorKind::Value, "RAck");
        let value = trim(value);
        let space = value.iter().position(|b| matches!(b, b' ' | b'\t'));
        let (response, cseq) = space.and_then(|i| value.split_at_checked(i)).ok_or(BAD)?;
        let cseq = CSeq::parse(cseq).map_err(|e| Error::new(e.kind(), "RAck"))?;
        let response = response_number(response).ok_or(Error::new(ErrorKind::Number, "RAck"))?;
        Ok(Self { response, cseq })
    }

    /// The value as it is written.
    pub fn to_value(&self) -> Bytes {
        self.to_string().into()
    }
}

impl fmt::Display for RAck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} {}",
            self.response, self.cseq.number, self.cseq.method
        )
    }
}

/// The number of a provisional response. Zero is never sent, as RFC 3262 section 3 begins at 1.
fn response_number(digits: &[u8]) -> Option<u32> {
    let n = number(digits, u64::from(u32::MAX))?;
    u32::try_from(n).ok().filter(|n| *n != 0)
}

impl Headers {
    /// RAck.
    ///
    /// # Errors
    /// [`ErrorKind::Duplicate`], or those of [`RAck::parse`].
    pub fn rack(&self) -> Result<Option<RAck>> {
        self.only(&HeaderName::Rack, "RAck")?
            .map(RAck::parse)
            .transpose()
    }

    /// RSeq: the number of this provisional response (RFC 3262 section 7.1).
    ///
    /// # Errors
    /// [`ErrorKind::Duplicate`], or [`ErrorKind::Number`] if it is not from 1 to 2^32-1.
    pub fn rseq(&self) -> Result<Option<u32>> {
        self.only(&HeaderName::Rseq, "RSeq")?
            .map(|v| response_number(trim(v)).ok_or(Error::new(ErrorKind::Number, "RSeq")))
            .transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Method;

    #[test]
    fn the_examples_of_the_rfc() {
        let h = Headers::of(&[("RAck", "776656 1 INVITE"), ("RSeq", "988789")]);
        let rack = h.rack().unwrap().unwrap();
        assert_eq!((rack.response, rack.cseq.number), (776_656, 1));
        assert_eq!(rack.cseq.method, Method::Invite);
        assert_eq!(rack.to_value(), "776656 1 INVITE");
        assert_eq!(h.rseq().unwrap(), Some(988_789));
        assert_eq!(Headers::new().rseq().unwrap(), None);
    }

    #[test]
    fn what_is_none() {
        for bad in [
            "",
            "1",
            "1 1",
            "1 INVITE",
            "x 1 INVITE",
            "0 1 INVITE",
            "4294967296 1 INVITE",
            "1 2147483648 INVITE",
            "1 1 IN VITE",
            "-1 1 INVITE",
        ] {
            assert!(
                RAck::parse(&Bytes::from_static(bad.as_bytes())).is_err(),
                "{bad}"
            );
        }
        for bad in ["", "0", "4294967296", "1 2", "0x1", "-1"] {
            let h = Headers::of(&[("RSeq", bad)]);
            assert!(h.rseq().is_err(), "{bad}");
        }
        assert!(Headers::of(&[("RSeq", "1"), ("rseq", "1")]).rseq().is_err());
    }
}
