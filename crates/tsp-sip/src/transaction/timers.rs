//! The lengths of the timers (RFC 3261 table 4).

use std::time::Duration;

/// From which all timers follow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timers {
    /// An estimate of the round trip.
    pub t1: Duration,
    /// The longest interval between retransmissions of a request that is no INVITE, and of responses to an INVITE.
    pub t2: Duration,
    /// How long a message stays in the network at most.
    pub t4: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
        }
    }
}

impl Timers {
    /// How long anything is tried: 64 times T1, the length of timers B, F, H, J, L and M.
    pub fn transaction(&self) -> Duration {
        self.t1 * 64
    }

    /// How long a server may take before what is no INVITE is answered with 100: until the client sends it again every T2
    /// only (RFC 4320 section 4.1).
    pub(super) fn slow_trying_after(&self) -> Duration {
        let (mut after, mut interval) = (Duration::ZERO, self.t1);
        while interval < self.t2 && !interval.is_zero() {
            after += interval;
            interval *= 2;
        }
        after
    }

    /// How long a client waits for retransmissions of a final response that is no success (timer D).
    pub(super) fn wait_d(&self) -> Duration {
        self.transaction().max(Duration::from_secs(32))
    }

    /// How long a server may take before an INVITE is answered with 100 (RFC 3261 section 17.2.1).
    pub(super) const TRYING_AFTER: Duration = Duration::from_millis(200);
}
