//! How many connections peers may have open here, each and all together.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

/// Connections that peers have open, counted by where they come from.
#[derive(Debug)]
pub(crate) struct Admission {
    from: HashMap<IpAddr, usize>,
    all: usize,
    per_source: usize,
    in_all: usize,
}

/// Why a connection is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    /// Its source has as many as one may have.
    Source,
    /// There are as many as there may be.
    All,
}

impl Admission {
    pub(crate) fn new(per_source: usize, in_all: usize) -> Self {
        Self {
            from: HashMap::new(),
            all: 0,
            per_source,
            in_all,
        }
    }

    /// Counts a connection in, unless there are too many.
    pub(crate) fn admit(&mut self, remote: IpAddr) -> Result<(), Refusal> {
        if self.all >= self.in_all {
            return Err(Refusal::All);
        }
        let from = self.from.entry(source(remote)).or_default();
        if *from >= self.per_source {
            // One that has some is in the table already, so nothing is left behind here.
            return Err(Refusal::Source);
        }
        *from += 1;
        self.all += 1;
        Ok(())
    }

    /// A connection that was admitted is over.
    pub(crate) fn release(&mut self, remote: IpAddr) {
        let source = source(remote);
        let Some(from) = self.from.get_mut(&source) else {
            return;
        };
        *from = from.saturating_sub(1);
        if *from == 0 {
            self.from.remove(&source);
        }
        self.all = self.all.saturating_sub(1);
    }
}

/// What counts as one source: whoever has an IPv6 address has its whole /64.
fn source(remote: IpAddr) -> IpAddr {
    match remote {
        IpAddr::V4(_) => remote,
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Shows: connections are bounded for each source and in all | hostile input
    #[test]
    fn a_source_has_so_many_connections_and_all_have_so_many() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut admission = Admission::new(2, 4);
        for one in ["192.0.2.1", "192.0.2.1", "2001:db8::1"] {
            assert_eq!(admission.admit(ip(one)), Ok(()));
        }
        assert_eq!(admission.admit(ip("192.0.2.1")), Err(Refusal::Source));
        assert_eq!(admission.admit(ip("2001:db8::ffff:2")), Ok(()));
        assert_eq!(admission.admit(ip("192.0.2.7")), Err(Refusal::All));
        admission.release(ip("192.0.2.1"));
        assert_eq!(admission.admit(ip("2001:db8::3")), Err(Refusal::Source));
        assert_eq!(admission.admit(ip("192.0.2.7")), Ok(()));
        for one in ["192.0.2.1", "192.0.2.7", "2001:db8::1", "2001:db8::9"] {
            admission.release(ip(one));
        }
        assert!(admission.from.is_empty() && admission.all == 0);
        admission.release(ip("192.0.2.1"));
        assert_eq!(admission.all, 0);
    }
}
