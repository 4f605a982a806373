//! Candidates and credentials of connectivity checks (RFC 8839).

use std::net::{IpAddr, SocketAddr};

use msp_core::params::{Candidate, CandidateKind};

use crate::attribute::{Attribute, token};

/// Reads `foundation component transport priority address port typ kind ...` (RFC 8839 section 5.1).
///
/// Candidates that are no addresses of UDP (names of mDNS, TCP) are read as [`Attribute::Other`]: they are
/// well-formed and of no use here.
pub(crate) fn parse_candidate(value: &str) -> Option<Attribute> {
    let mut words = value.split_ascii_whitespace();
    let foundation = token(words.next()?).filter(|f| f.len() <= 32)?;
    let component: u16 = words.next()?.parse().ok()?;
    let transport = words.next()?;
    let priority: u32 = words.next()?.parse().ok()?;
    let address = words.next()?;
    let port: u16 = words.next()?.parse().ok()?;
    if words.next()? != "typ" {
        return None;
    }
    let kind = words.next()?;
    let (mut related_ip, mut related_port) = (None, None);
    while let (Some(name), Some(value)) = (words.next(), words.next()) {
        match name {
            "raddr" => related_ip = value.parse::<IpAddr>().ok(),
            "rport" => related_port = value.parse::<u16>().ok(),
            _ => {}
        }
    }
    let (Ok(component), Ok(address), Some(kind), true) = (
        u8::try_from(component),
        address.parse::<IpAddr>(),
        parse_kind(kind),
        transport.eq_ignore_ascii_case("udp"),
    ) else {
        return Some(Attribute::Other);
    };
    Some(Attribute::Candidate(Candidate {
        foundation: foundation.into(),
        component,
        priority,
        address: SocketAddr::new(address, port),
        kind,
        related: related_ip
            .zip(related_port)
            .map(|(ip, port)| SocketAddr::new(ip, port)),
    }))
}

/// The line of a candidate.
pub(crate) fn print_candidate(candidate: &Candidate) -> String {
    let mut line = format!(
        "a=candidate:{} {} UDP {} {} {} typ {}",
        candidate.foundation,
        candidate.component,
        candidate.priority,
        candidate.address.ip(),
        candidate.address.port(),
        kind_name(candidate.kind)
    );
    if let Some(related) = candidate.related {
        line.push_str(&format!(" raddr {} rport {}", related.ip(), related.port()));
    }
    line
}

/// A user name fragment or a password, if it is one (RFC 8839 section 5.4; lengths are left to the agent).
pub(crate) fn credential(value: &str) -> Option<&str> {
    (value.len() <= 256).then_some(value).and_then(token)
}

const KINDS: [(&str, CandidateKind); 4] = [
    ("host", CandidateKind::Host),
    ("srflx", CandidateKind::ServerReflexive),
    ("prflx", CandidateKind::PeerReflexive),
    ("relay", CandidateKind::Relayed),
];

fn parse_kind(name: &str) -> Option<CandidateKind> {
    KINDS
        .iter()
        .find(|(n, _)| *n == name)
        .map(|(_, kind)| *kind)
}

fn kind_name(kind: CandidateKind) -> &'static str {
    KINDS
        .iter()
        .find(|(_, k)| *k == kind)
        .map_or("host", |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn candidates_of_rfc_8839_come_back() {
        for line in [
            "1 1 UDP 2130706431 203.0.113.141 8998 typ host",
            "2 1 UDP 1694498815 192.0.2.3 45664 typ srflx raddr 203.0.113.141 rport 8998",
            "3 2 UDP 100 2001:db8::1 9 typ relay raddr 2001:db8::2 rport 1",
        ] {
            let Some(Attribute::Candidate(candidate)) = parse_candidate(line) else {
                panic!("{line}");
            };
            assert_eq!(print_candidate(&candidate), format!("a=candidate:{line}"));
        }
    }

    #[test]
    fn candidates_of_no_use_and_broken_ones_differ() {
        let mdns = "1 1 udp 1 d0a1.local 9 typ host";
        let tcp = "1 1 tcp 1 192.0.2.1 9 typ host tcptype active";
        for line in [mdns, tcp] {
            assert_eq!(parse_candidate(line), Some(Attribute::Other), "{line}");
        }
        for line in ["", "1 1 udp 1 192.0.2.1 70000 typ host", "1 1 udp x"] {
            assert_eq!(parse_candidate(line), None, "{line}");
        }
    }
}
