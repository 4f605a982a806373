//! The time of day of an instant.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use msp_core::time::Instant;

/// Where the engine's clock stands in the world's: the time of day at [`Instant::ZERO`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct WallClock {
    nanos_at_zero: u64,
}

impl WallClock {
    /// The clock whose zero was `nanos` nanoseconds after 1970-01-01T00:00:00Z.
    pub const fn from_unix_nanos(nanos: u64) -> Self {
        Self {
            nanos_at_zero: nanos,
        }
    }

    /// The clock on which it was `at` when the world said `time`.
    pub fn synchronised(at: Instant, time: SystemTime) -> Self {
        let unix = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let nanos = u64::try_from(unix.as_nanos()).unwrap_or(u64::MAX);
        Self::from_unix_nanos(nanos.saturating_sub(at.as_nanos()))
    }

    /// Nanoseconds from 1970-01-01T00:00:00Z to `at`.
    pub const fn unix_nanos(self, at: Instant) -> u64 {
        self.nanos_at_zero.saturating_add(at.as_nanos())
    }

    /// `at` as RFC 3339 writes it, in UTC and to the millisecond.
    pub fn rfc3339(self, at: Instant) -> String {
        let nanos = self.unix_nanos(at);
        let (seconds, millis) = (nanos / 1_000_000_000, nanos / 1_000_000 % 1000);
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = date(days);
        format!(
            "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{millis:03}Z",
            second / 3600,
            second / 60 % 60,
            second % 60
        )
    }
}

/// Year, month and day of the Gregorian calendar, `days` after 1970-01-01.
///
/// Counted in years that begin in March, so that the leap day is the last of its year.
fn date(days: u64) -> (u64, u64, u64) {
    let from_march_0000 = days + 719_468;
    let era = from_march_0000 / 146_097;
    let day_of_era = from_march_0000 % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (951_868_800, "2000-03-01T00:00:00.000Z"),
            (1_785_542_399, "2026-07-31T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            let clock = WallClock::from_unix_nanos(seconds * 1_000_000_000);
            assert_eq!(clock.rfc3339(Instant::ZERO), text);
        }
    }

    #[test]
    fn instants_are_counted_from_where_the_clock_was_set() {
        let at = Instant::from_millis(5_000);
        let clock = WallClock::synchronised(at, UNIX_EPOCH + Duration::from_secs(100));
        assert_eq!(
            clock.rfc3339(at + Duration::from_millis(1)),
            "1970-01-01T00:01:40.001Z"
        );
    }
}
