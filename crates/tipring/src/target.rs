//! Whom to call, as people write it.

use std::net::IpAddr;

use tsp_sip::wire::{HostPort, Uri};

use crate::error::{Error, ErrorKind, Result};

/// What people write when they mean a SIP URI.
pub(crate) fn target_uri(target: &str) -> Result<Uri> {
    let invalid = |e| Error::new(ErrorKind::InvalidUri, format!("'{target}'")).caused_by(e);
    let trimmed = target.trim();
    let lower = trimmed.to_ascii_lowercase();
    let full = if ["sip:", "sips:", "tel:"]
        .iter()
        .any(|s| lower.starts_with(s))
    {
        trimmed.to_owned()
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
    if !uri.is_sip()
        || uri
            .host_port()
            .is_none_or(|h: HostPort| h.to_string().is_empty())
    {
        return Err(Error::new(ErrorKind::InvalidUri, format!("'{target}'")));
    }
    Ok(uri)
}
