//! Hosts: names and addresses, with the port beside them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::Bytes;

use super::scan::{all_are, number, trim_str};
use super::text::Text;
use crate::{Error, ErrorKind, Result};

/// Who is reached: an address, or a name that has to be looked up.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Host {
    /// A numeric address.
    Ip(IpAddr),
    /// A domain name.
    Name(Text),
}

impl Host {
    /// The host that `text` names; IPv6 addresses stand in brackets.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] if it is neither a name nor an address.
    pub fn new(text: &str) -> Result<Self> {
        Ok(match parse(text)? {
            Some(ip) => Self::Ip(ip),
            None => Self::Name(text.into()),
        })
    }

    pub(super) fn shared(whole: &Bytes, part: &str) -> Result<Self> {
        Ok(match parse(part)? {
            Some(ip) => Self::Ip(ip),
            None => Self::Name(Text::part_of(whole, part)),
        })
    }

    /// Whether both are the same host: names compare without regard to case.
    pub fn same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Ip(a), Self::Ip(b)) => a == b,
            (Self::Name(a), Self::Name(b)) => a.eq_ignore_ascii_case(b),
            _ => false,
        }
    }
}

impl From<IpAddr> for Host {
    fn from(ip: IpAddr) -> Self {
        Self::Ip(ip)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Ip(IpAddr::V4(ip)) => ip.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

/// A host and, if it was written, the port.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct HostPort {
    /// The host.
    pub host: Host,
    /// The port; none means the default of the transport.
    pub port: Option<u16>,
}

impl HostPort {
    /// The host and port that `text` names, with or without white space around the colon.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] or [`ErrorKind::Number`].
    pub fn new(text: &str) -> Result<Self> {
        let (host, port) = split(text)?;
        Ok(Self {
            host: Host::new(host)?,
            port,
        })
    }

    pub(super) fn shared(whole: &Bytes, part: &str) -> Result<Self> {
        let (host, port) = split(part)?;
        Ok(Self {
            host: Host::shared(whole, host)?,
            port,
        })
    }

    /// Whether both are the same place, a missing port standing for `default`.
    pub fn same_as(&self, other: &Self, default: u16) -> bool {
        self.host.same_as(&other.host)
            && self.port.unwrap_or(default) == other.port.unwrap_or(default)
    }
}

impl From<SocketAddr> for HostPort {
    fn from(addr: SocketAddr) -> Self {
        Self {
            host: Host::Ip(addr.ip()),
            port: Some(addr.port()),
        }
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.host.fmt(f)?;
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

/// Cuts `host:port`; the colons of an IPv6 address are inside its brackets.
pub(super) fn split(text: &str) -> Result<(&str, Option<u16>)> {
    const BAD: Error = Error::new(ErrorKind::Host, "");
    let end = match text.strip_prefix('[') {
        Some(inner) => inner.find(']').ok_or(BAD)? + 2,
        None => {
            let colon = text.bytes().position(|b| b == b':');
            colon.unwrap_or(text.len())
        }
    };
    let (host, rest) = text.split_at_checked(end).ok_or(BAD)?;
    let rest = trim_str(rest);
    if rest.is_empty() {
        return Ok((trim_str(host), None));
    }
    let digits = trim_str(rest.strip_prefix(':').ok_or(BAD)?);
    let port = number(digits.as_bytes(), u64::from(u16::MAX)).and_then(|n| u16::try_from(n).ok());
    match port {
        Some(port) if port != 0 => Ok((trim_str(host), Some(port))),
        _ => Err(Error::new(ErrorKind::Number, "port")),
    }
}

/// The address that `text` is, `None` if it is a name.
pub(super) fn parse(text: &str) -> Result<Option<IpAddr>> {
    const BAD: Error = Error::new(ErrorKind::Host, "");
    if let Some(inner) = text.strip_prefix('[') {
        let inner = inner.strip_suffix(']').ok_or(BAD)?;
        return ipv6(inner).map(|ip| Some(IpAddr::V6(ip))).ok_or(BAD);
    }
    if text.as_bytes().first().is_some_and(u8::is_ascii_digit)
        && let Ok(ip) = text.parse::<Ipv4Addr>()
    {
        return Ok(Some(IpAddr::V4(ip)));
    }
    // Underscores are no part of a host name, yet common in private networks.
    let fine = |b: u8| b.is_ascii_alphanumeric() | (b == b'-') | (b == b'.') | (b == b'_');
    if text.is_empty() || text.starts_with('.') || !all_are(text.as_bytes(), fine) {
        return Err(BAD);
    }
    Ok(None)
}

/// An IPv6 address. The grammar of RFC 3261 let a third colon pass before an embedded IPv4 address; such an
/// address means the one with two (RFC 5118 section 4.10).
fn ipv6(text: &str) -> Option<Ipv6Addr> {
    match text.parse() {
        Ok(ip) => Some(ip),
        Err(_) if text.contains(":::") => text.replacen(":::", "::", 1).parse().ok(),
        Err(_) => None,
    }
}

/// An address as it stands in `received` and `maddr`: IPv6 with or without brackets (RFC 5118 section 4.5).
pub(super) fn bare_ip(text: &str) -> Option<IpAddr> {
    let inner = text
        .strip_prefix('[')
        .and_then(|t| t.strip_suffix(']'))
        .unwrap_or(text);
    inner.parse().ok().or_else(|| ipv6(inner).map(IpAddr::V6))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_every_kind() {
        for text in [
            "example.com",
            "192.0.2.1:5070",
            "[2001:db8::1]",
            "[2001:db8::10:5070]:80",
            "a_b",
        ] {
            assert_eq!(HostPort::new(text).unwrap().to_string(), text);
        }
        let odd = HostPort::new("[2001:db8:::192.0.2.1]").unwrap();
        assert_eq!(odd.host, Host::Ip("2001:db8::192.0.2.1".parse().unwrap()));
        assert_eq!(
            HostPort::new("spindle.example.com : 5061").unwrap().port,
            Some(5061)
        );
        for bad in [
            "", "[::1", "::1", "a:0", "a:65536", "a:", "a b", "a@b", "[::1]x",
        ] {
            assert!(HostPort::new(bad).is_err(), "{bad}");
        }
        assert!(
            HostPort::new("Host")
                .unwrap()
                .same_as(&HostPort::new("hOST:5060").unwrap(), 5060)
        );
    }
}
