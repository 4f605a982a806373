//! Which ways lead to a host, and which of our addresses they begin with.

use std::net::{IpAddr, SocketAddr};

use super::names::Names;
use super::source::source_toward;
use crate::call::{Route, Target};
use crate::transport::Transport;

/// The transports that are spoken, best first where a host leaves the choice to us.
const TRANSPORTS: [Transport; 3] = [Transport::Udp, Transport::Tcp, Transport::Tls];

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

    pub(super) fn bound(&self) -> &[SocketAddr] {
        &self.bound
    }

    /// A socket was opened in place of another.
    pub(super) fn rebind(&mut self, old: SocketAddr, new: SocketAddr) {
        for bound in self.bound.iter_mut().filter(|b| **b == old) {
            *bound = new;
        }
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

    /// The ways to `target` in the order in which they are tried, or why there is none, for people. Addresses that no way
    /// leads to are passed over: those of IPv6 where this machine has none.
    pub(super) async fn look_up(
        &self,
        names: &Names,
        target: &Target,
    ) -> Result<Vec<Route>, Box<str>> {
        let found = names.locate(target, &TRANSPORTS).await;
        let found = found.map_err(|trouble| trouble.explain(&target.host))?;
        let route = |(transport, remote): &(Transport, SocketAddr)| {
            let mut local = self.local_for(remote.ip(), source_toward)?;
            if let (Transport::Tls, Some(port)) = (transport, self.tls_port) {
                local.set_port(port);
            }
            Some(Route {
                transport: *transport,
                remote: *remote,
                local,
            })
        };
        let routes: Vec<_> = found.iter().filter_map(route).collect();
        match (routes.is_empty(), found.first()) {
            (true, Some((_, remote))) => Err(format!(
                "no way leads from here to {}, where {} is: open an address of its family, or check the network",
                remote.ip(),
                target.host
            )
            .into()),
            _ => Ok(routes),
        }
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
