//! A way of datagrams that is kept open: what is sent there so that nobody on it forgets us, and what the answers tell
//! (RFC 5626 section 4.4).

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use msp_core::time::Instant;

use super::stun::{self, Stun, TransactionId};
use super::{Flow, UdpKeepAlive};

/// How long nothing is sent at most, and by how much that is shortened at random (RFC 5626 section 4.4.2).
const EVERY: Duration = Duration::from_secs(29);
const SPREAD_MS: u64 = 5000;

/// The shortest time that a server may ask for.
const LEAST: Duration = Duration::from_secs(1);

/// The first wait for an answer, which doubles each time, how often is asked, and how many first waits the last one is
/// (RFC 8489 section 6.2.1).
const RTO: Duration = Duration::from_millis(500);
const TRIES: u8 = 7;
const LAST: u32 = 16;

/// Two line breaks: nothing has to be answered to them, and nobody takes them for a message.
const LINE_BREAKS: &[u8] = b"\r\n\r\n";

/// One way of datagrams.
#[derive(Debug)]
pub(crate) struct Keeper {
    flow: Flow,
    stun: bool,
    /// The longest silence that the server takes.
    longest: Duration,
    next: Instant,
    asked: Option<Asked>,
    /// Where the other end sees us.
    mapped: Option<SocketAddr>,
    proven: bool,
}

/// A request that waits for its response.
#[derive(Debug)]
struct Asked {
    id: TransactionId,
    tries: u8,
    wait: Duration,
}

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Beat {
    /// Send this.
    Send(Bytes),
    /// Nobody answers: the way is lost.
    Lost,
}

/// What a response tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sign {
    /// All is as it was.
    Alive,
    /// The way is another than it was, so nobody finds us by the old one.
    Lost,
}

impl Keeper {
    /// A way that was just used. `offered`: the server there says that it takes STUN. `timer`: the silence that it takes.
    /// `None` if nothing is to be sent.
    pub(crate) fn new(
        now: Instant,
        flow: Flow,
        policy: UdpKeepAlive,
        (offered, timer): (bool, Option<Duration>),
        random: u64,
    ) -> Option<Self> {
        let mut keeper = Self {
            flow,
            stun: speaks_stun(policy, offered)?,
            longest: longest(timer),
            next: now,
            asked: None,
            mapped: None,
            proven: false,
        };
        keeper.rest(now, random);
        Some(keeper)
    }

    /// Whether it is what [`new`](Self::new) would make, but for what it knows of the way.
    pub(crate) fn is_for(
        &self,
        flow: Flow,
        policy: UdpKeepAlive,
        (offered, timer): (bool, Option<Duration>),
    ) -> bool {
        let stun = Some(self.stun);
        self.flow == flow && stun == speaks_stun(policy, offered) && self.longest == longest(timer)
    }

    pub(crate) const fn flow(&self) -> Flow {
        self.flow
    }

    /// Whether anything was answered there.
    pub(crate) const fn is_proven(&self) -> bool {
        self.proven
    }

    /// When [`timeout`](Self::timeout) is due.
    pub(crate) const fn deadline(&self) -> Instant {
        self.next
    }

    /// What is due at `now`. The numbers are random.
    pub(crate) fn timeout(&mut self, now: Instant, id: TransactionId, random: u64) -> Option<Beat> {
        if self.next > now {
            return None;
        }
        if !self.stun {
            self.rest(now, random);
            return Some(Beat::Send(Bytes::from_static(LINE_BREAKS)));
        }
        let asked = self.asked.get_or_insert(Asked {
            id,
            tries: 0,
            wait: RTO,
        });
        if asked.tries >= TRIES {
            return Some(Beat::Lost);
        }
        asked.tries += 1;
        let last = asked.tries == TRIES;
        self.next = now + if last { RTO * LAST } else { asked.wait };
        asked.wait *= 2;
        Some(Beat::Send(stun::request(asked.id)))
    }

    /// A response came from where this leads. `None` if it is not for this.
    pub(crate) fn heard(&mut self, now: Instant, response: &Stun, random: u64) -> Option<Sign> {
        let id = self.asked.as_ref()?.id;
        let mapped = match response {
            Stun::Success(of, mapped) if *of == id => *mapped,
            Stun::Refusal(of) if *of == id => return Some(Sign::Lost),
            _ => return None,
        };
        self.asked = None;
        self.proven = true;
        self.rest(now, random);
        match self.mapped.replace(mapped) {
            Some(before) if before != mapped => Some(Sign::Lost),
            _ => Some(Sign::Alive),
        }
    }

    /// Nothing has to be sent for a while: from four fifths to the whole of what may pass.
    fn rest(&mut self, now: Instant, random: u64) {
        let ms = u64::try_from(self.longest.as_millis()).unwrap_or(u64::MAX);
        let spread = (ms / 5).min(SPREAD_MS);
        let shorter = Duration::from_millis(random % (spread + 1));
        self.next = now + self.longest.saturating_sub(shorter);
    }
}

/// Whether STUN is what is sent; `None` if nothing is.
const fn speaks_stun(policy: UdpKeepAlive, offered: bool) -> Option<bool> {
    match policy {
        UdpKeepAlive::Off => None,
        UdpKeepAlive::LineBreaks => Some(false),
        UdpKeepAlive::Stun => Some(true),
        UdpKeepAlive::Offered => Some(offered),
    }
}

fn longest(timer: Option<Duration>) -> Duration {
    timer.unwrap_or(EVERY).clamp(LEAST, EVERY)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: TransactionId = [7; 12];

    fn ms(n: u64) -> Instant {
        Instant::ZERO + Duration::from_millis(n)
    }

    fn flow() -> Flow {
        Flow::udp(
            "192.0.2.2:5060".parse().unwrap(),
            "192.0.2.9:5060".parse().unwrap(),
        )
    }

    fn keeper_of(policy: UdpKeepAlive, timer: Option<u64>, random: u64) -> Keeper {
        let timer = timer.map(Duration::from_secs);
        Keeper::new(ms(0), flow(), policy, (true, timer), random).unwrap()
    }

    // Shows: a keep-alive leaves after a random part of what the server takes | RFC 5626 4.4
    #[test]
    fn the_time_between_two_is_random_and_short_enough() {
        for (timer, random, due) in [
            (None, 0, 29_000),
            (None, 5000, 24_000),
            (Some(120), 5000, 24_000),
            (Some(10), 0, 10_000),
            (Some(10), 2000, 8000),
            (Some(0), 0, 1000),
        ] {
            let keeper = keeper_of(UdpKeepAlive::Stun, timer, random);
            assert_eq!(keeper.deadline(), ms(due), "{timer:?}");
        }
        let none = Keeper::new(ms(0), flow(), UdpKeepAlive::Off, (true, None), 0);
        assert!(none.is_none());
    }

    // Shows: seven requests without an answer are the end of a way | RFC 5626 4.4.2, RFC 8489 6.2.1
    #[test]
    fn requests_are_repeated_and_end() {
        let mut keeper = keeper_of(UdpKeepAlive::Offered, None, 0);
        let mut sent = Vec::new();
        loop {
            let now = keeper.deadline();
            match keeper.timeout(now, ID, 0).unwrap() {
                Beat::Send(bytes) => {
                    assert_eq!(stun::read(&bytes), Some(Stun::Request(ID, vec![])));
                    sent.push(now);
                }
                Beat::Lost => {
                    assert_eq!(now, ms(29_000 + 39_500));
                    break;
                }
            }
        }
        let after = [0, 500, 1500, 3500, 7500, 15_500, 31_500];
        assert_eq!(sent, after.map(|n| ms(29_000 + n)));
        assert!(!keeper.is_proven());
    }

    #[test]
    fn another_address_or_a_refusal_is_the_end_of_a_way() {
        let mut keeper = keeper_of(UdpKeepAlive::Stun, None, 0);
        let one = Stun::Success(ID, "198.51.100.1:6000".parse().unwrap());
        let other = Stun::Success(ID, "198.51.100.1:6001".parse().unwrap());
        let say = |keeper: &mut Keeper, what: &Stun| {
            keeper.timeout(keeper.deadline(), ID, 0);
            keeper.heard(keeper.deadline(), what, 0)
        };
        assert_eq!(say(&mut keeper, &one), Some(Sign::Alive));
        assert_eq!(say(&mut keeper, &one), Some(Sign::Alive));
        assert!(keeper.is_proven());
        let stranger = Stun::Success([8; 12], "198.51.100.1:6001".parse().unwrap());
        assert_eq!(say(&mut keeper, &stranger), None);
        assert_eq!(say(&mut keeper, &other), Some(Sign::Lost));
        assert_eq!(say(&mut keeper, &Stun::Refusal(ID)), Some(Sign::Lost));
        // Nothing is awaited.
        let mut fresh = keeper_of(UdpKeepAlive::Stun, None, 0);
        assert_eq!(fresh.heard(ms(1), &one, 0), None);
    }
}
