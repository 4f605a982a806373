//! Which addresses a host has, and which of ours the way to it begins with.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use crate::call::Route;
use crate::wire::Host;

/// The addresses that our sockets are bound to.
#[derive(Clone, Debug)]
pub(super) struct Routes {
    bound: Vec<SocketAddr>,
}

impl Routes {
    pub(super) const fn new(bound: Vec<SocketAddr>) -> Self {
        Self { bound }
    }

    /// Our end of the way to `remote`, if a socket of its family is there and the system knows a way.
    pub(super) fn local_for(&self, remote: IpAddr) -> Option<SocketAddr> {
        let bound = self
            .bound
            .iter()
            .find(|b| b.is_ipv4() == remote.is_ipv4())?;
        if !bound.ip().is_unspecified() {
            return Some(*bound);
        }
        Some(SocketAddr::new(source_toward(remote)?, bound.port()))
    }

    /// The ways to `host` in the order in which the resolver gives its addresses.
    pub(super) async fn look_up(&self, host: &Host) -> Vec<Route> {
        let addresses = match host {
            Host::Ip(ip) => vec![*ip],
            // Whatever the reason, a host without an address cannot be called.
            Host::Name(name) => tokio::net::lookup_host((name.as_str(), 0))
                .await
                .map_or_else(|_| Vec::new(), |found| found.map(|a| a.ip()).collect()),
        };
        let route = |remote| {
            Some(Route {
                remote,
                local: self.local_for(remote)?,
            })
        };
        addresses.into_iter().filter_map(route).collect()
    }
}

/// The address that the system would send from. Connecting a datagram socket sends nothing.
fn source_toward(remote: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = match remote {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((remote, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_bound_to_all_speaks_from_the_address_that_the_way_begins_with() {
        let routes = Routes::new(vec!["0.0.0.0:5060".parse().unwrap()]);
        let local = routes.local_for("127.0.0.1".parse().unwrap());
        assert_eq!(local, Some("127.0.0.1:5060".parse().unwrap()));
        assert_eq!(routes.local_for("::1".parse().unwrap()), None);
        let one = Routes::new(vec!["127.0.0.5:5070".parse().unwrap()]);
        assert_eq!(
            one.local_for("127.0.0.1".parse().unwrap()),
            Some("127.0.0.5:5070".parse().unwrap())
        );
    }
}
