//! Via: the way that a request came and its response goes back (RFC 3261 section 20.42, RFC 3581).

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use super::host::{HostPort, bare_ip};
use super::params::{self, Params};
use super::scan::{cut, is_token, number, trim, trim_str};
use super::text::Text;
use crate::{Error, ErrorKind, Result};

/// One hop of a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Via {
    transport: Text,
    sent_by: HostPort,
    params: Params,
}

const BAD: Error = Error::new(ErrorKind::Value, "Via");

impl Via {
    /// What a branch begins with that is unique for each transaction (RFC 3261 section 8.1.1.7).
    pub const MAGIC: &'static str = "z9hG4bK";

    /// A hop of ours: `transport` as it is written there, for instance `UDP`; `branch` a token. The other end
    /// is asked to answer to where the request came from (RFC 3581 section 3).
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if `transport` or `branch` is no token.
    pub fn new(transport: &'static str, sent_by: HostPort, branch: &str) -> Result<Self> {
        if !is_token(transport.as_bytes()) || !is_token(branch.as_bytes()) {
            return Err(BAD);
        }
        let params = Params::new(format!(";branch={branch};rport"))?;
        Ok(Self {
            transport: Text::from_static(transport),
            sent_by,
            params,
        })
    }

    /// Reads one value of a Via header field.
    ///
    /// # Errors
    /// [`ErrorKind::Value`] if it breaks the grammar, or the error of its host or port.
    pub fn parse(value: &Bytes) -> Result<Self> {
        const TRANSPORTS: &[&str] = &["UDP", "TCP", "TLS", "WS", "WSS"];
        let not_utf8 = |_| Error::new(ErrorKind::NotUtf8, "");
        let text = std::str::from_utf8(trim(value)).map_err(not_utf8)?;
        let (protocol, rest) = cut(text, b'/').ok_or(BAD)?;
        let (version, rest) = cut(rest, b'/').ok_or(BAD)?;
        if !trim_str(protocol).eq_ignore_ascii_case("SIP")
            || !is_token(trim_str(version).as_bytes())
        {
            return Err(BAD);
        }
        let rest = trim_str(rest);
        let (transport, rest) = rest.split_once([' ', '\t']).ok_or(BAD)?;
        if !is_token(transport.as_bytes()) {
            return Err(BAD);
        }
        let end = rest.bytes().position(|b| b == b';').unwrap_or(rest.len());
        let (sent_by, params) = rest.split_at_checked(end).ok_or(BAD)?;
        let sent_by = HostPort::shared(value, trim_str(sent_by))?;
        params::check(params)?;
        Ok(Self {
            transport: Text::known_part_of(value, transport, TRANSPORTS),
            sent_by,
            params: Params::trusted(Text::part_of(value, trim_str(params))),
        })
    }

    /// The transport as it is written, for instance `UDP`.
    pub fn transport(&self) -> &str {
        &self.transport
    }

    /// Where the sender says that it listens.
    pub const fn sent_by(&self) -> &HostPort {
        &self.sent_by
    }

    /// All parameters.
    pub const fn params(&self) -> &Params {
        &self.params
    }

    /// What names the transaction; none in messages of RFC 2543.
    pub fn branch(&self) -> Option<&str> {
        self.params.raw("branch").filter(|b| !b.is_empty())
    }

    /// `alias`: whoever opened the connection wants to be reached on it (RFC 5923 section 5).
    pub fn alias(&self) -> bool {
        self.params.has("alias")
    }

    /// The address that the request really came from, as the receiver noted it.
    pub fn received(&self) -> Option<IpAddr> {
        bare_ip(self.params.raw("received")?)
    }

    /// The port that the request really came from; `Some(None)` where the sender only asks for it.
    pub fn rport(&self) -> Option<Option<u16>> {
        let raw = self.params.raw("rport")?;
        Some(number(raw.as_bytes(), u64::from(u16::MAX)).and_then(|n| u16::try_from(n).ok()))
    }

    /// A multicast group that the response shall go to, or an address instead of that of `sent_by`.
    pub fn maddr(&self) -> Option<&str> {
        self.params.raw("maddr").filter(|m| !m.is_empty())
    }

    /// This hop as the server at the other end of it notes it: `received` if the source differs from
    /// `sent_by` or `rport` was asked for, and `rport` with the port if it was (RFC 3261 section 18.2.1,
    /// RFC 3581 section 4).
    #[must_use]
    pub fn stamped(&self, source: SocketAddr) -> Self {
        let asked = self.rport().is_some();
        let differs = self.sent_by.host != super::host::Host::Ip(source.ip());
        if !asked && !differs {
            return self.clone();
        }
        let mut params = Ok(self.params.clone());
        if asked {
            params = params.and_then(|p| p.with("rport", &source.port().to_string()));
        }
        params = params.and_then(|p| p.with("received", &source.ip().to_string()));
        // What is set are numbers, so it cannot fail.
        Self {
            params: params.unwrap_or_default(),
            ..self.clone()
        }
    }
}

impl fmt::Display for Via {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SIP/2.0/{} {}{}",
            self.transport, self.sent_by, self.params
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &'static str) -> Result<Via> {
        Via::parse(&Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn hops_with_white_space_everywhere() {
        let v = parse(
            " SIP  / 2.0  / TCP     spindle.example.com : 5061  ;  branch  =   z9hG4bK9ikj8 ",
        )
        .unwrap();
        assert_eq!((v.transport(), v.branch()), ("TCP", Some("z9hG4bK9ikj8")));
        assert_eq!(v.sent_by().to_string(), "spindle.example.com:5061");
        let v =
            parse("SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3-111")
                .unwrap();
        assert_eq!(v.received(), Some("2001:db8::9:255".parse().unwrap()));
        let v = parse("SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;rport").unwrap();
        assert_eq!(
            (v.received(), v.rport()),
            (Some("2001:db8::9:255".parse().unwrap()), Some(None))
        );
    }

    #[test]
    fn what_is_no_hop() {
        for bad in [
            "",
            "SIP/2.0/UDP",
            "SIP/2.0 UDP host",
            "SIP/2.0/UDP 192.0.2.15;;,;,,",
            "HTTP/1.1/TCP h",
            "SIP/2.0/UDP ;a",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_source_is_noted() {
        let source: SocketAddr = "192.0.2.1:9988".parse().unwrap();
        let v = parse("SIP/2.0/UDP 10.1.1.1:4540;rport;branch=z9hG4bKkjshdyff")
            .unwrap()
            .stamped(source);
        assert_eq!(
            v.to_string(),
            "SIP/2.0/UDP 10.1.1.1:4540;rport=9988;branch=z9hG4bKkjshdyff;received=192.0.2.1"
        );
        let plain = parse("SIP/2.0/UDP 192.0.2.1:9988;branch=z9hG4bK1").unwrap();
        assert_eq!(plain.stamped(source), plain);
        let named = parse("SIP/2.0/UDP bobspc.biloxi.com:5060;branch=z9hG4bK1")
            .unwrap()
            .stamped(source);
        assert_eq!(named.received(), Some(source.ip()));
        assert_eq!(named.rport(), None);
    }
}
