//! How long to wait between reports.

use std::time::Duration;

/// What the wait depends on (RFC 3550 section 6.3.1).
#[derive(Clone, Copy, Debug)]
pub struct RandomizedInterval {
    /// Members of the session, us included.
    pub members: u32,
    /// Octets a second that all reports together may take.
    pub bandwidth: f64,
    /// Average size of a report in octets.
    pub average_size: f64,
    /// Nothing was reported yet.
    pub initial: bool,
    /// A random number from 0 up to 1.
    pub random: f64,
}

/// The time to the next report (RFC 3550 section 6.3.1 and appendix A.7): 5 s or more, half of it for the first, drawn
/// from 0.5 to 1.5 of that, and divided by e - 1.5 because reconsideration makes it longer again.
///
/// In a session of two, both may send: the rule for few senders among many does not come to bear.
pub fn interval(given: RandomizedInterval) -> Duration {
    let minimum = if given.initial { MIN / 2.0 } else { MIN };
    let fair = f64::from(given.members) * given.average_size / given.bandwidth.max(1.0);
    let seconds = fair.max(minimum) * (given.random + 0.5) / COMPENSATION;
    Duration::from_secs_f64(seconds.clamp(0.0, LONGEST))
}

/// Seconds.
const MIN: f64 = 5.0;
const COMPENSATION: f64 = std::f64::consts::E - 1.5;
const LONGEST: f64 = 3600.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(random: f64, initial: bool, members: u32) -> f64 {
        interval(RandomizedInterval {
            members,
            bandwidth: 500.0,
            average_size: 120.0,
            initial,
            random,
        })
        .as_secs_f64()
    }

    #[test]
    fn two_members_wait_5_seconds_on_average_before_compensation() {
        assert!((at(0.5, false, 2) * COMPENSATION - 5.0).abs() < 1e-6);
        assert!((at(0.5, true, 2) * COMPENSATION - 2.5).abs() < 1e-6);
        assert!((at(0.0, false, 2) * COMPENSATION - 2.5).abs() < 1e-6);
        assert!((at(1.0, false, 2) * COMPENSATION - 7.5).abs() < 1e-6);
    }

    #[test]
    fn many_members_share_the_bandwidth() {
        assert!((at(0.5, false, 1000) * COMPENSATION - 240.0).abs() < 1e-6);
    }
}
