//! Time as plain data: an instant of the engine's clock, and media time in ticks of a codec's clock.
//!
//! Cores never read a clock. A driver converts the system's monotonic clock to [`Instant`] once and hands
//! it in; a simulation counts it up itself. Being a plain number it can be kept in a trace and run again.

use std::fmt;
use std::num::NonZeroU32;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// A point on the engine's monotonic clock, in nanoseconds since the epoch that its driver chose.
///
/// The range is 584 years; arithmetic saturates at its ends and never panics.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instant(u64);

impl Instant {
    /// The epoch of the clock.
    pub const ZERO: Self = Self(0);

    /// The last instant that there is: never.
    pub const FAR: Self = Self(u64::MAX);

    /// The instant that lies `nanos` nanoseconds after the epoch.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The instant that lies `millis` milliseconds after the epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds since the epoch.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Time since the epoch.
    pub const fn since_epoch(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// How long ago `earlier` was, zero if it lies in the future.
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{:09}s",
            self.0 / 1_000_000_000,
            self.0 % 1_000_000_000
        )
    }
}

fn nanos(d: Duration) -> u64 {
    u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)
}

impl Add<Duration> for Instant {
    type Output = Self;
    fn add(self, d: Duration) -> Self {
        Self(self.0.saturating_add(nanos(d)))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, d: Duration) {
        *self = *self + d;
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;
    fn sub(self, d: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(d)))
    }
}

const NANOS: u64 = 1_000_000_000;

/// Ticks a second of an RTP or sample clock; never zero.
///
/// Mind G.722: its RTP clock runs at 8,000 Hz while its sound has 16,000 samples a second (RFC 3551
/// section 4.5.2), so the clock rate and the sample rate of a codec are two values.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClockRate(NonZeroU32);

impl ClockRate {
    /// 8,000 Hz, the clock of narrowband telephony and of `telephone-event` beside it.
    pub const HZ_8000: Self = Self::new(8000).unwrap();

    /// A clock of `hz` ticks a second; `None` for zero.
    pub const fn new(hz: u32) -> Option<Self> {
        match NonZeroU32::new(hz) {
            Some(hz) => Some(Self(hz)),
            None => None,
        }
    }

    /// Ticks a second.
    pub const fn hz(self) -> u32 {
        self.0.get()
    }

    /// Whole ticks in `d`, rounded down.
    pub fn ticks(self, d: Duration) -> u64 {
        let hz = u64::from(self.hz());
        let part = u64::from(d.subsec_nanos()) * hz / NANOS;
        d.as_secs().saturating_mul(hz).saturating_add(part)
    }

    /// How long `ticks` ticks last, rounded down to a nanosecond.
    pub fn duration(self, ticks: u64) -> Duration {
        let hz = u64::from(self.hz());
        let part = ticks % hz * NANOS / hz;
        // Less than a second: it fits.
        Duration::new(ticks / hz, part as u32)
    }
}

impl fmt::Debug for ClockRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} Hz", self.hz())
    }
}

/// A length or a position of media: ticks and the clock that they count.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct MediaTime {
    /// Ticks since the start of the stream.
    pub ticks: u64,
    /// The clock that is counted.
    pub rate: ClockRate,
}

impl MediaTime {
    /// `ticks` of a clock of `rate`.
    pub const fn new(ticks: u64, rate: ClockRate) -> Self {
        Self { ticks, rate }
    }

    /// The same as a duration, rounded down to a nanosecond.
    pub fn duration(self) -> Duration {
        self.rate.duration(self.ticks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_saturate_at_both_ends() {
        assert_eq!(Instant::ZERO - Duration::from_secs(1), Instant::ZERO);
        let end = Instant::FAR;
        assert_eq!(end + Duration::MAX, end);
        assert_eq!(Instant::ZERO.saturating_since(end), Duration::ZERO);
    }

    #[test]
    fn ten_milliseconds_of_44100_are_441_ticks() {
        let rate = ClockRate::new(44_100).unwrap();
        assert_eq!(rate.ticks(Duration::from_millis(10)), 441);
        assert_eq!(rate.duration(441), Duration::from_millis(10));
        assert_eq!(ClockRate::new(0), None);
    }

    #[test]
    fn the_longest_times_and_the_fastest_clocks_are_converted_without_a_wrap() {
        let fastest = ClockRate::new(u32::MAX).unwrap();
        assert_eq!(fastest.ticks(Duration::MAX), u64::MAX);
        assert_eq!(
            fastest.ticks(Duration::from_nanos(999_999_999)),
            u64::from(u32::MAX) - 5
        );
        let slowest = ClockRate::new(1).unwrap();
        assert_eq!(slowest.duration(u64::MAX), Duration::from_secs(u64::MAX));
        let day = Duration::from_nanos(86_400 * NANOS + 999_999_999);
        assert_eq!(ClockRate::HZ_8000.ticks(day), 86_401 * 8000 - 1);
    }
}
