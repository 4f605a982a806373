//! Where the time comes from: drivers ask a clock, cores are told.

use std::sync::OnceLock;

use msp_core::time::Instant;
use msp_rtp::rtcp::WallClock;

/// Gives the time to an engine, its handles and its drivers.
pub trait Clock: Send + Sync {
    /// The present time; never before an earlier answer.
    fn now(&self) -> Instant;

    /// What the wall clock showed at [`Instant::ZERO`], for the times in reports (RFC 3550 section 6.4.1).
    fn wall(&self) -> WallClock;
}

/// The system's monotonic clock. Its epoch lies shortly before its first use and is the same for the whole process.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SystemClock;

impl SystemClock {
    /// Nobody is handed an instant before this one, so that "a second ago" can be said of the first.
    const HEAD_START: std::time::Duration = std::time::Duration::from_secs(1);
}

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the place that reads the clock"
    )]
    fn now(&self) -> Instant {
        static EPOCH: OnceLock<std::time::Instant> = OnceLock::new();
        let now = std::time::Instant::now();
        let epoch = EPOCH.get_or_init(|| now);
        Instant::ZERO + Self::HEAD_START + now.saturating_duration_since(*epoch)
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is the place that reads the clock"
    )]
    fn wall(&self) -> WallClock {
        let since_1970 = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        let zero = since_1970.saturating_sub(self.now().since_epoch());
        WallClock::new(u64::try_from(zero.as_nanos()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_system_clock_shows_the_same_time() {
        let (a, b) = (SystemClock, SystemClock);
        let (first, second, third) = (a.now(), b.now(), a.now());
        assert!(first <= second && second <= third);
        assert!(first >= Instant::ZERO + SystemClock::HEAD_START);
    }
}
