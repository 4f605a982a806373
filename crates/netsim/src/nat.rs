//! Network address translation between private hosts and the rest (RFC 4787).

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use msp_core::time::Instant;

/// What a mapping, or a filter, looks at (RFC 4787 sections 4.1 and 5).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum NatBehaviour {
    /// Whoever the other end is.
    EndpointIndependent,
    /// The other end's address.
    AddressDependent,
    /// The other end's address and port.
    AddressAndPortDependent,
}

/// A NAT: which hosts it hides behind which address, and how.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NatConfig {
    /// Its address outside.
    pub public: IpAddr,
    /// The hosts behind it. They reach each other directly.
    pub private: Vec<IpAddr>,
    /// What decides whether a packet from inside gets a port outside of its own.
    pub mapping: NatBehaviour,
    /// What decides whether a packet from outside is let in.
    pub filtering: NatBehaviour,
    /// How long a mapping lives after the last packet from inside.
    pub lifetime: Duration,
}

impl NatConfig {
    /// The usual home router: one port outside for each inside, open only to addresses that were written to; a mapping
    /// lives 2 minutes, the least that RFC 4787 section 4.3 allows.
    pub fn home(public: IpAddr, private: impl IntoIterator<Item = IpAddr>) -> Self {
        Self {
            public,
            private: private.into_iter().collect(),
            mapping: NatBehaviour::EndpointIndependent,
            filtering: NatBehaviour::AddressDependent,
            lifetime: Duration::from_secs(120),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Nat {
    config: NatConfig,
    /// By the port outside.
    mappings: BTreeMap<u16, Mapping>,
}

#[derive(Clone, Debug)]
struct Mapping {
    inside: SocketAddr,
    /// The other end, as far as the mapping depends on it.
    towards: Option<(IpAddr, Option<u16>)>,
    /// Other ends that were written to, as far as the filter looks at them, and when last.
    open_to: BTreeMap<Option<(IpAddr, Option<u16>)>, Instant>,
    used: Instant,
}

impl Nat {
    pub(crate) fn new(config: NatConfig) -> Self {
        Self {
            config,
            mappings: BTreeMap::new(),
        }
    }

    pub(crate) fn public(&self) -> IpAddr {
        self.config.public
    }

    pub(crate) fn hides(&self, host: IpAddr) -> bool {
        self.config.private.contains(&host)
    }

    /// The address outside from which a packet from inside goes on; `None` if all ports are taken.
    pub(crate) fn outbound(
        &mut self,
        now: Instant,
        inside: SocketAddr,
        to: SocketAddr,
    ) -> Option<SocketAddr> {
        let lifetime = self.config.lifetime;
        self.mappings
            .retain(|_, m| now.saturating_since(m.used) <= lifetime);
        let towards = relevant(self.config.mapping, to);
        let known = self
            .mappings
            .iter()
            .find(|(_, m)| m.inside == inside && m.towards == towards)
            .map(|(p, _)| *p);
        let port = match known {
            Some(port) => port,
            None => self.free_port(inside.port())?,
        };
        let mapping = self.mappings.entry(port).or_insert_with(|| Mapping {
            inside,
            towards,
            open_to: BTreeMap::new(),
            used: now,
        });
        mapping.used = now;
        mapping
            .open_to
            .insert(relevant(self.config.filtering, to), now);
        Some(SocketAddr::new(self.config.public, port))
    }

    /// The address inside to which a packet for `port` outside goes; `None` if it is not let in.
    pub(crate) fn inbound(&self, now: Instant, from: SocketAddr, port: u16) -> Option<SocketAddr> {
        let mapping = self.mappings.get(&port)?;
        let opened = mapping
            .open_to
            .get(&relevant(self.config.filtering, from))?;
        (now.saturating_since(*opened) <= self.config.lifetime).then_some(mapping.inside)
    }

    /// The port inside if it is free, as most NATs have it, else the next one above.
    fn free_port(&self, wanted: u16) -> Option<u16> {
        (wanted.max(1)..=u16::MAX)
            .chain(1024..wanted.max(1024))
            .find(|p| !self.mappings.contains_key(p))
    }
}

fn relevant(behaviour: NatBehaviour, other: SocketAddr) -> Option<(IpAddr, Option<u16>)> {
    match behaviour {
        NatBehaviour::EndpointIndependent => None,
        NatBehaviour::AddressDependent => Some((other.ip(), None)),
        NatBehaviour::AddressAndPortDependent => Some((other.ip(), Some(other.port()))),
    }
}
