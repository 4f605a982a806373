//! Shares and durations as people write them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::{NetsimError, NetsimErrorKind};

/// A share of a whole, from 0 to 1. Written and read as `5%`; `0.05` is read too.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug, Default)]
pub struct Ratio(f64);

impl Ratio {
    /// Nothing of it.
    pub const ZERO: Self = Self(0.0);
    /// All of it.
    pub const ONE: Self = Self(1.0);

    /// A share of `share`; `None` outside 0 to 1.
    pub fn new(share: f64) -> Option<Self> {
        (0.0..=1.0).contains(&share).then_some(Self(share))
    }

    /// The share as a number from 0 to 1.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl FromStr for Ratio {
    type Err = NetsimError;

    fn from_str(text: &str) -> Result<Self, NetsimError> {
        let trimmed = text.trim();
        let share = match trimmed.strip_suffix('%') {
            Some(percent) => percent.trim_end().parse::<f64>().map(|p| p / 100.0),
            None => trimmed.parse(),
        };
        share
            .ok()
            .and_then(Self::new)
            .ok_or_else(|| NetsimError::new(NetsimErrorKind::Ratio, text.to_owned()))
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Rounded so that 7 % is not written as 7.000000000000001 %.
        write!(f, "{}%", (self.0 * 1e10).round() / 1e8)
    }
}

/// Reads a duration: a number and `s`, `ms`, `us` or `µs`, or a bare `0`.
///
/// # Errors
/// [`Duration`](NetsimErrorKind::Duration) for anything else, and beyond an hour, which no network takes.
pub fn parse_duration(text: &str) -> Result<Duration, NetsimError> {
    let trimmed = text.trim();
    let units = [("ms", 1e-3), ("us", 1e-6), ("µs", 1e-6), ("s", 1.0)];
    let found = units
        .iter()
        .find_map(|(unit, seconds)| Some((trimmed.strip_suffix(unit)?, *seconds)));
    let (number, unit) = found.unwrap_or((trimmed, 0.0));
    let seconds = number
        .trim_end()
        .parse::<f64>()
        .ok()
        .filter(|n| found.is_some() || *n == 0.0)
        .map(|n| n * unit);
    match seconds {
        Some(seconds) if (0.0..=3600.0).contains(&seconds) => {
            // By whole nanoseconds, so that 40 ms are not a little less.
            Ok(Duration::from_nanos((seconds * 1e9).round() as u64))
        }
        _ => Err(NetsimError::new(NetsimErrorKind::Duration, text.to_owned())),
    }
}

/// Writes a duration as [`parse_duration`] reads it, in the largest unit that needs no fraction.
pub fn format_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    if nanos == 0 {
        "0".to_owned()
    } else if nanos.is_multiple_of(1_000_000_000) {
        format!("{}s", nanos / 1_000_000_000)
    } else if nanos.is_multiple_of(1_000_000) {
        format!("{}ms", nanos / 1_000_000)
    } else {
        format!("{}us", nanos as f64 / 1e3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_and_written() {
        for (text, share) in [
            ("5%", 0.05),
            ("0.05", 0.05),
            ("0", 0.0),
            ("100 %", 1.0),
            (" 7% ", 0.07),
            ("1", 1.0),
        ] {
            let ratio: Ratio = text.parse().unwrap();
            assert!((ratio.get() - share).abs() < 1e-12, "{text}");
            assert_eq!(
                ratio.to_string().parse::<Ratio>().unwrap().to_string(),
                ratio.to_string()
            );
        }
        assert_eq!("7%".parse::<Ratio>().unwrap().to_string(), "7%");
        for text in ["", "%", "5", "101%", "-1%", "nan", "inf", "x"] {
            assert_eq!(
                text.parse::<Ratio>().unwrap_err().kind(),
                NetsimErrorKind::Ratio,
                "{text}"
            );
        }
    }

    #[test]
    fn durations_are_read_and_written() {
        for (text, micros) in [
            ("40ms", 40_000),
            ("1.5s", 1_500_000),
            ("250us", 250),
            ("0", 0),
            ("2 s", 2_000_000),
        ] {
            let duration = parse_duration(text).unwrap();
            assert_eq!(duration, Duration::from_micros(micros), "{text}");
            assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }
        for text in ["", "ms", "40", "-1ms", "3601s", "nan s", "1h", "inf s"] {
            assert_eq!(
                parse_duration(text).unwrap_err().kind(),
                NetsimErrorKind::Duration,
                "{text}"
            );
        }
    }
}
