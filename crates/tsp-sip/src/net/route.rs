//! Which addresses a host has, and which of ours the way to it begins with.

use std::net::{IpAddr, SocketAddr};

use super::source::source_toward;
use crate::call::{Route, Target};
use crate::transport::Transport;
use crate::wire::Host;

/// The addresses that our sockets are bound to.
#[derive(Clone, Debug)]
pub(super) struct Routes {
    bound: Vec<SocketAddr>,
    tls_port: Option<u16>,
}

impl Routes {
    pub(super) const fn new(bound: Vec<SocketAddr>, tls_port: Option<u16>) -> Self {
        Self { bound, tls_port }
    }

    /// Our end of the way to `remote`, if a socket of its family is there and the system knows a way: `source` tells
    /// the address that it begins with.
    pub(super) fn local_for(
        &self,
        remote: IpAddr,
        source: impl FnOnce(IpAddr) -> Option<IpAddr>,
    ) -> Option<SocketAddr> {
        let bound = self
            .bound
            .iter()
            .find(|b| b.is_ipv4() == remote.is_ipv4())?;
        if !bound.ip().is_unspecified() {
            return Some(*bound);
        }
        Some(SocketAddr::new(source(remote)?, bound.port()))
    }

    /// The ways to `target` in the order in which the resolver gives its addresses.
    pub(super) async fn look_up(&self, target: &Target) -> Vec<Route> {
        let addresses = match &target.host {
            Host::Ip(ip) => vec![*ip],
            // Whatever the reason, a host without an address cannot be called.
            Host::Name(name) => tokio::net::lookup_host((name.as_str(), 0))
                .await
                .map_or_else(|_| Vec::new(), |found| found.map(|a| a.ip()).collect()),
        };
        let transport = target.transport.unwrap_or(Transport::Udp);
        let port = target.port.unwrap_or_else(|| transport.default_port());
        let route = |remote| {
            let mut local = self.local_for(remote, source_toward)?;
            if let (Transport::Tls, Some(port)) = (transport, self.tls_port) {
                local.set_port(port);
            }
            Some(Route {
                transport,
                remote: SocketAddr::new(remote, port),
                local,
            })
        };
        addresses.into_iter().filter_map(route).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_bound_to_all_speaks_from_the_address_that_the_way_begins_with() {
        let routes = Routes::new(vec!["0.0.0.0:5060".parse().unwrap()], None);
        let local = routes.local_for("127.0.0.1".parse().unwrap(), source_toward);
        assert_eq!(local, Some("127.0.0.1:5060".parse().unwrap()));
        assert_eq!(
            routes.local_for("::1".parse().unwrap(), source_toward),
            None
        );
        let one = Routes::new(vec!["127.0.0.5:5070".parse().unwrap()], None);
        assert_eq!(
            one.local_for("127.0.0.1".parse().unwrap(), |_| panic!("bound to one")),
            Some("127.0.0.5:5070".parse().unwrap())
        );
    }
}
