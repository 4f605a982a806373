//! Which address of ours the way to a peer begins with, remembered for a while: asking the system takes a socket.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::time::Duration;

use msp_core::time::Instant;

use crate::tables::HashMap;

/// How long an answer holds. A machine that gets another address speaks from it after this time at the latest.
const LIFETIME: Duration = Duration::from_secs(5);

/// Answers that are kept at most: whoever sends from many addresses makes us ask again, not keep more.
const CAPACITY: usize = 1024;

/// What the system answered lately, that no way leads somewhere included.
#[derive(Debug, Default)]
pub(super) struct Sources {
    known: HashMap<IpAddr, Option<IpAddr>>,
    /// Until when which answer holds, the oldest first.
    order: VecDeque<(Instant, IpAddr)>,
}

impl Sources {
    /// The address that the system would send from to `remote`, if it knows a way.
    pub(super) fn toward(&mut self, now: Instant, remote: IpAddr) -> Option<IpAddr> {
        self.toward_by(now, remote, source_toward)
    }

    fn toward_by(
        &mut self,
        now: Instant,
        remote: IpAddr,
        ask: impl FnOnce(IpAddr) -> Option<IpAddr>,
    ) -> Option<IpAddr> {
        while let Some((until, oldest)) = self.order.front().copied()
            && (until <= now || self.order.len() > CAPACITY)
        {
            self.order.pop_front();
            self.known.remove(&oldest);
        }
        *self.known.entry(remote).or_insert_with(|| {
            self.order.push_back((now + LIFETIME, remote));
            ask(remote)
        })
    }
}

/// The address that the system would send from. Connecting a datagram socket sends nothing.
pub(super) fn source_toward(remote: IpAddr) -> Option<IpAddr> {
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

    const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9));
    const OURS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
    const NEXT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 3));

    #[test]
    fn the_system_is_asked_once_in_a_while_for_each_peer() {
        let mut sources = Sources::default();
        let mut now = Instant::ZERO;
        assert_eq!(sources.toward_by(now, PEER, |_| Some(OURS)), Some(OURS));
        now += LIFETIME - Duration::from_nanos(1);
        let known = sources.toward_by(now, PEER, |_| panic!("it was told"));
        assert_eq!(known, Some(OURS));
        // Our address changed: that is found when the answer has aged, however often it was used.
        now += Duration::from_nanos(1);
        assert_eq!(sources.toward_by(now, PEER, |_| Some(NEXT)), Some(NEXT));
        // That there is no way is an answer too.
        assert_eq!(sources.toward_by(now, OURS, |_| None), None);
        assert_eq!(sources.toward_by(now, OURS, |_| Some(NEXT)), None);
        now += LIFETIME;
        assert_eq!(sources.toward_by(now, OURS, |_| Some(NEXT)), Some(NEXT));
    }

    #[test]
    fn many_peers_are_not_all_remembered() {
        let mut sources = Sources::default();
        let last = u32::try_from(CAPACITY).unwrap() * 3;
        for n in 0..=last {
            sources.toward_by(Instant::ZERO, Ipv4Addr::from_bits(n).into(), |_| Some(OURS));
            assert!(sources.known.len() <= CAPACITY + 1);
            assert_eq!(sources.known.len(), sources.order.len());
        }
        let newest = Ipv4Addr::from_bits(last).into();
        let known = sources.toward_by(Instant::ZERO, newest, |_| None);
        assert_eq!(known, Some(OURS), "the newest are kept");
    }
}
