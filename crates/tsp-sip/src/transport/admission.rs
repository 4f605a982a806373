//! How many connections peers may have open here, and how many datagrams they may make us work for, each and all
//! together.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use msp_core::time::Instant;

use crate::tables::HashMap;

/// Connections that peers have open, counted by where they come from.
#[derive(Debug)]
pub(crate) struct Admission {
    from: HashMap<IpAddr, usize>,
    all: usize,
    per_source: usize,
    in_all: usize,
}

/// Why a connection or a datagram is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    /// Its source has as many as one may have.
    Source,
    /// There are as many as there may be.
    All,
}

/// Datagrams that are taken of those that belong to nothing that is known: a request that begins something, a response to
/// nothing, what cannot be read. Twice as many as of one second may come at once; more are dropped unread.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct DatagramLimits {
    /// From one source, an IPv4 address or a /64 of IPv6, in a second. Of those that belong to calls and requests that we
    /// know as many more.
    pub per_source: u32,
    /// In all, in a second.
    pub in_all: u32,
}

impl Default for DatagramLimits {
    fn default() -> Self {
        Self {
            per_source: 4000,
            in_all: 20_000,
        }
    }
}

/// Sources whose datagrams are counted one by one; the others share what one may send.
const SOURCES: usize = 4096;

/// How often it is looked at whose count is nought again, if there is no room.
const SWEEP: Duration = Duration::from_millis(100);

/// Datagrams, counted by where they come from.
#[derive(Debug, Default)]
pub(crate) struct Datagrams {
    from: HashMap<(IpAddr, bool), Bucket>,
    others: Bucket,
    all: Bucket,
    swept: Instant,
}

/// When a source that sends no more has nothing counted against it.
#[derive(Clone, Copy, Debug, Default)]
struct Bucket(Instant);

impl Bucket {
    /// Counts one, unless there are too many at `rate` in a second.
    fn take(&mut self, now: Instant, rate: u32) -> bool {
        let each = Duration::from_secs(1) / rate.max(1);
        let free = self.0.max(now) + each;
        let fits = rate > 0 && free.saturating_since(now) <= Duration::from_secs(2);
        if fits {
            self.0 = free;
        }
        fits
    }
}

impl Datagrams {
    /// Counts a datagram in, unless there are too many. `known`: it belongs to something that we know.
    pub(crate) fn admit(
        &mut self,
        now: Instant,
        remote: IpAddr,
        known: bool,
        limits: DatagramLimits,
    ) -> Result<(), Refusal> {
        let source = (source(remote), known);
        if !self.from.contains_key(&source) {
            self.make_room(now);
        }
        let bucket = match self.from.len() < SOURCES || self.from.contains_key(&source) {
            true => self.from.entry(source).or_default(),
            false => &mut self.others,
        };
        if !bucket.take(now, limits.per_source) {
            return Err(Refusal::Source);
        }
        // What belongs to a call has no part in what strangers do.
        match known || self.all.take(now, limits.in_all) {
            true => Ok(()),
            false => Err(Refusal::All),
        }
    }

    fn make_room(&mut self, now: Instant) {
        if self.from.len() >= SOURCES && self.swept + SWEEP <= now {
            self.swept = now;
            self.from.retain(|_, bucket| bucket.0 > now);
        }
    }
}

impl Admission {
    pub(crate) fn new(per_source: usize, in_all: usize) -> Self {
        Self {
            from: HashMap::default(),
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
pub(crate) fn source(remote: IpAddr) -> IpAddr {
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

    const LIMITS: DatagramLimits = DatagramLimits {
        per_source: 10,
        in_all: 15,
    };

    fn ms(n: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(n)
    }

    fn taken(datagrams: &mut Datagrams, at: u64, from: &str, known: bool, of: usize) -> usize {
        let ip = from.parse().unwrap();
        let admit = |_: &usize| datagrams.admit(ms(at), ip, known, LIMITS).is_ok();
        (0..of).filter(admit).count()
    }

    // Shows: datagrams are bounded for each source, IPv6 by its /64, and in all | hostile input
    #[test]
    fn a_source_sends_so_much_and_all_send_so_much() {
        let mut datagrams = Datagrams::default();
        assert_eq!(taken(&mut datagrams, 0, "2001:db8::1", false, 100), 20);
        assert_eq!(taken(&mut datagrams, 0, "2001:db8::ffff:9", false, 100), 0);
        // What is known is counted by itself.
        assert_eq!(taken(&mut datagrams, 0, "2001:db8::2", true, 100), 20);
        // Of all there is room for ten more.
        assert_eq!(taken(&mut datagrams, 0, "192.0.2.1", false, 100), 10);
        let ip = "192.0.2.2".parse().unwrap();
        let refused = datagrams.admit(ms(0), ip, false, LIMITS);
        assert_eq!(refused, Err(Refusal::All));
        assert_eq!(taken(&mut datagrams, 1000, "2001:db8::1", false, 100), 10);
        assert_eq!(taken(&mut datagrams, 9000, "2001:db8::1", false, 100), 20);
        let none = DatagramLimits {
            per_source: 0,
            ..LIMITS
        };
        assert_eq!(
            datagrams.admit(ms(9000), ip, true, none),
            Err(Refusal::Source)
        );
    }

    // Shows: sources that nobody can count make no table grow | hostile input
    #[test]
    fn sources_without_end_share_one_place() {
        let mut datagrams = Datagrams::default();
        let wide = DatagramLimits {
            per_source: 10,
            in_all: u32::MAX,
        };
        let mut admit = |at, n: u32| {
            let ip = std::net::Ipv4Addr::from_bits(n).into();
            let taken = datagrams.admit(ms(at), ip, false, wide).is_ok();
            assert!(datagrams.from.len() <= SOURCES);
            taken
        };
        let taken = (0..100_000).filter(|n| admit(0, *n)).count();
        assert_eq!(taken, SOURCES + 20);
        // Those who stopped make room.
        assert!((200_000..204_000).all(|n| admit(300, n)));
    }
}
