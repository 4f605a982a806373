//! Whom to call, as people write it.

use std::net::IpAddr;

use tsp_sip::wire::{HostPort, Scheme, TelNumber, Uri};

use crate::error::{Error, ErrorKind, Result};

/// What people write when they mean a SIP URI or a telephone number: `sip:bob@example.com`, `bob@example.com:5070`, a host,
/// `tel:+1-201-555-0123`, or a number that begins with a plus sign.
///
/// # Errors
/// [`ErrorKind::InvalidUri`] for anything else.
pub fn target_uri(target: &str) -> Result<Uri> {
    let invalid = |e| Error::new(ErrorKind::InvalidUri, format!("'{target}'")).caused_by(e);
    let trimmed = target.trim();
    let lower = trimmed.to_ascii_lowercase();
    let full = if ["sip:", "sips:", "tel:"]
        .iter()
        .any(|s| lower.starts_with(s))
    {
        trimmed.to_owned()
    } else if is_number(trimmed) {
        format!("tel:{}", trimmed.replace(' ', ""))
    } else if trimmed
        .split_once('@')
        .is_some_and(|(user, _)| user.contains(':'))
    {
        // Another scheme, or a password, which has no place in a URI (RFC 3261 section 19.1.1).
        return Err(Error::new(ErrorKind::InvalidUri, format!("'{target}'")));
    } else {
        // A bare IPv6 address needs its brackets.
        match trimmed.parse::<IpAddr>() {
            Ok(IpAddr::V6(ip)) => format!("sip:[{ip}]"),
            _ => format!("sip:{trimmed}"),
        }
    };
    let uri = Uri::new(full).map_err(invalid)?;
    if uri.scheme() == Scheme::Tel {
        TelNumber::from_uri(&uri).map_err(invalid)?;
        return Ok(uri);
    }
    if !uri.is_sip()
        || uri
            .host_port()
            .is_none_or(|h: HostPort| h.to_string().is_empty())
    {
        return Err(Error::new(ErrorKind::InvalidUri, format!("'{target}'")));
    }
    Ok(uri)
}

/// Whether people mean a global telephone number: a plus sign and digits, with what makes them easier to read between them.
fn is_number(text: &str) -> bool {
    let digit = |c: char| c.is_ascii_digit() || matches!(c, ' ' | '-' | '.' | '(' | ')');
    text.strip_prefix('+')
        .is_some_and(|rest| rest.chars().all(digit) && rest.contains(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_is_a_uri_or_a_number() {
        for (written, meant) in [
            ("bob@example.com:5070", Some("sip:bob@example.com:5070")),
            (" SIPS:bob@example.com ", Some("SIPS:bob@example.com")),
            ("2001:db8::1", Some("sip:[2001:db8::1]")),
            ("example.com", Some("sip:example.com")),
            ("tel:+1-201-555-0123", Some("tel:+1-201-555-0123")),
            ("+1 (201) 555-0123", Some("tel:+1(201)555-0123")),
            (
                "+12015550123@example.com",
                Some("sip:+12015550123@example.com"),
            ),
            // Valid where? A local number says so (RFC 3966 section 5.1.5).
            ("tel:7042", None),
            (
                "tel:7042;phone-context=example.com",
                Some("tel:7042;phone-context=example.com"),
            ),
            ("tel:x", None),
            ("+", None),
            ("mailto:bob@example.com", None),
            ("bob:secret@example.com", None),
            ("", None),
        ] {
            let uri = target_uri(written).ok();
            assert_eq!(uri.as_ref().map(Uri::as_str), meant, "{written}");
        }
    }
}
