//! The machine has another address: how it is noticed, and what is opened there.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::Driver;
use super::socket::Socket;
use super::source::{Sources, source_toward};
use crate::transport::Flow;

/// How often it is looked at whether the ways to our registrars begin elsewhere now. It takes a socket each.
pub(super) const CHECK: Duration = Duration::from_secs(5);

impl Driver {
    /// Whether a way to a registrar begins at another address than the one that it knows.
    pub(super) fn has_moved(&self) -> bool {
        let bound = self.routes.bound();
        let mut flows = self.agent.registered_flows();
        flows.any(|flow| begins_elsewhere(flow, bound, source_toward))
    }

    /// What was found out about addresses of ours holds no longer. Where `ip` is given, it takes the place of the address
    /// of its family that we were bound to, and keeps its ports.
    pub(super) fn move_to(&mut self, ip: Option<IpAddr>) {
        self.sources = Sources::default();
        if let Some(ip) = ip
            && self.rebind(ip).is_err()
        {
            self.counted.not_moved += 1;
        }
    }

    fn rebind(&mut self, ip: IpAddr) -> io::Result<()> {
        let same = |s: &&mut Socket| s.local().is_ipv4() == ip.is_ipv4();
        let socket = self.sockets.iter_mut().find(same);
        let socket = socket.ok_or(io::ErrorKind::AddrNotAvailable)?;
        let old = socket.local();
        if old.ip() == ip || old.ip().is_unspecified() {
            return Ok(());
        }
        let new = Socket::bind(SocketAddr::new(ip, old.port()))?;
        self.streams.move_listeners(old.ip(), ip)?;
        self.routes.rebind(old, new.local());
        *socket = new;
        Ok(())
    }
}

fn begins_elsewhere(
    flow: Flow,
    bound: &[SocketAddr],
    source: impl Fn(IpAddr) -> Option<IpAddr>,
) -> bool {
    let all = |b: &SocketAddr| b.is_ipv4() == flow.local.is_ipv4() && b.ip().is_unspecified();
    // Without a way there is nothing that could be told to anybody.
    bound.iter().any(all) && source(flow.remote.ip()).is_some_and(|ip| ip != flow.local.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_that_begins_elsewhere_is_noticed_if_we_are_bound_to_all_addresses() {
        let address = |text: &str| text.parse::<SocketAddr>().unwrap();
        let flow = Flow::udp(address("192.0.2.2:5060"), address("192.0.2.9:5060"));
        let (any, one) = ([address("0.0.0.0:5060")], [address("192.0.2.2:5060")]);
        let moved = |bound: &[SocketAddr], source: Option<&str>| {
            begins_elsewhere(flow, bound, |to| {
                assert_eq!(to, flow.remote.ip());
                source.map(|ip| ip.parse().unwrap())
            })
        };
        assert!(moved(&any, Some("198.51.100.5")));
        assert!(!moved(&any, Some("192.0.2.2")));
        assert!(!moved(&any, None), "there is no network");
        assert!(!moved(&one, Some("198.51.100.5")));
        assert!(!moved(&[address("[::]:5060")], Some("198.51.100.5")));
    }
}
