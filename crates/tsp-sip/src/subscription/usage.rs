//! One subscription at the subscribing end (RFC 6665 section 4.1): when to ask, when to ask again, when it is over.

use std::time::Duration;

use msp_core::time::Instant;

use crate::wire::StatusCode;

/// A wish that is put up as often as it is called too brief (423), at most.
const MAX_BRIEF: u8 = 2;

/// When to try again if nobody says when.
const LATER: Duration = Duration::from_secs(60);

/// What a notifier says of a subscription (RFC 6665 section 8.2.3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Told {
    /// It waits for somebody's consent.
    Pending { expires: Option<Duration> },
    /// It holds.
    Active { expires: Option<Duration> },
    /// It is over.
    Over {
        reason: Box<str>,
        retry_after: Option<Duration>,
    },
}

/// What a response to SUBSCRIBE says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Granted {
    pub(crate) status: StatusCode,
    pub(crate) expires: Option<Duration>,
    pub(crate) min_expires: Option<Duration>,
    pub(crate) retry_after: Option<Duration>,
}

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// Nothing for now.
    Rest,
    /// Send SUBSCRIBE, for this long; nothing ends the subscription.
    Ask(Duration),
    /// It is over.
    Over(Ending),
}

/// How a subscription ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Ending {
    /// The reason that the notifier gave, or ours.
    pub(crate) reason: Box<str>,
    pub(crate) status: Option<StatusCode>,
    /// It may be asked for again after this long; `None` if it makes no sense.
    pub(crate) again: Option<Duration>,
}

/// One subscription.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Usage {
    wanted: Duration,
    /// 64 times T1: how long a NOTIFY may take (RFC 6665 section 4.1.2.4, timer N).
    timer_n: Duration,
    /// A SUBSCRIBE of ours is unanswered.
    asking: bool,
    /// We want no more.
    leaving: bool,
    /// A NOTIFY must come until then.
    silent: Option<Instant>,
    refresh: Option<Instant>,
    expires: Option<Instant>,
    brief: u8,
}

impl Usage {
    /// A subscription for `wanted` whose SUBSCRIBE leaves at `now`; for no time at all if the state is wanted once.
    pub(crate) fn new(now: Instant, wanted: Duration, timer_n: Duration) -> Self {
        Self {
            wanted,
            timer_n,
            asking: true,
            leaving: wanted.is_zero(),
            silent: Some(now + timer_n),
            refresh: None,
            expires: None,
            brief: 0,
        }
    }

    /// The same at another branch that the SUBSCRIBE reached, which answers by itself.
    pub(crate) fn forked(&self, now: Instant) -> Self {
        Self {
            asking: false,
            silent: Some(now + self.timer_n),
            refresh: None,
            expires: None,
            brief: 0,
            ..self.clone()
        }
    }

    /// The wish to end it.
    pub(crate) fn leave(&mut self, now: Instant) -> Step {
        if self.leaving {
            return Step::Rest;
        }
        self.leaving = true;
        self.ask(now, Duration::ZERO)
    }

    /// The answer to our SUBSCRIBE.
    pub(crate) fn answered(&mut self, now: Instant, granted: Granted) -> Step {
        self.asking = false;
        let status = granted.status;
        if status.is_success() {
            self.brief = 0;
            if !self.leaving {
                self.granted(now, granted.expires.unwrap_or(self.wanted));
            }
            return Step::Rest;
        }
        if status == StatusCode::INTERVAL_TOO_BRIEF
            && !self.leaving
            && self.brief < MAX_BRIEF
            && let Some(least) = granted.min_expires.filter(|m| *m > self.wanted)
        {
            self.brief += 1;
            self.wanted = least;
            return self.ask(now, least);
        }
        // What the peer refuses for a while leaves what it granted before (RFC 6665 section 4.1.2.2).
        let lost = matches!(
            status.code(),
            404 | 405 | 410 | 416 | 480..=485 | 489 | 501 | 604
        );
        let begun = self.expires.is_some();
        if begun && !lost && !self.leaving {
            self.silent = None;
            self.refresh = None;
            return Step::Rest;
        }
        let again = match status {
            _ if self.leaving => None,
            // A peer that lost it may take a new one.
            StatusCode::CALL_DOES_NOT_EXIST => begun.then_some(Duration::ZERO),
            // What may pass is tried again.
            status if matches!(status.code(), 408 | 480 | 500 | 502..=504) => {
                Some(granted.retry_after.unwrap_or(LATER))
            }
            _ => None,
        };
        Step::Over(Ending {
            reason: status.phrase().into(),
            status: Some(status),
            again,
        })
    }

    /// A NOTIFY came.
    pub(crate) fn told(&mut self, now: Instant, told: &Told) -> Step {
        self.silent = None;
        match told {
            Told::Pending { expires } | Told::Active { expires } => {
                if self.leaving {
                    // The last one is still to come.
                    self.silent = Some(now + self.timer_n);
                } else if let Some(expires) = expires {
                    self.granted(now, *expires);
                } else if self.expires.is_none() {
                    self.granted(now, self.wanted);
                }
                Step::Rest
            }
            Told::Over {
                reason,
                retry_after,
            } => Step::Over(Ending {
                reason: reason.clone(),
                status: None,
                again: again(reason, *retry_after).filter(|_| !self.leaving),
            }),
        }
    }

    /// When [`Usage::due`] has something to say.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let refresh = self.refresh.filter(|_| !self.asking && !self.leaving);
        let expires = self.expires.filter(|_| !self.leaving);
        self.silent.into_iter().chain(refresh).chain(expires).min()
    }

    /// What is due at `now`.
    pub(crate) fn due(&mut self, now: Instant) -> Step {
        let past = |at: &Option<Instant>| at.is_some_and(|at| at <= now);
        if past(&self.silent) {
            // Nothing more is expected of a peer that was left, and of one that was asked only once.
            let again = (!self.leaving && self.expires.is_some()).then_some(self.timer_n);
            return Step::Over(Ending {
                reason: "no NOTIFY came".into(),
                status: None,
                again,
            });
        }
        if self.leaving {
            return Step::Rest;
        }
        if past(&self.expires) {
            return Step::Over(Ending {
                reason: "timeout".into(),
                status: None,
                again: Some(Duration::ZERO),
            });
        }
        if past(&self.refresh) && !self.asking {
            return self.ask(now, self.wanted);
        }
        Step::Rest
    }

    fn ask(&mut self, now: Instant, wanted: Duration) -> Step {
        self.asking = true;
        self.refresh = None;
        self.silent = Some(now + self.timer_n);
        Step::Ask(wanted)
    }

    /// It holds for `expires` from `now` on: asked for again in time, with room for a retransmission or two.
    fn granted(&mut self, now: Instant, expires: Duration) {
        let room = (expires / 10).max(Duration::from_secs(5)).min(expires / 2);
        self.expires = Some(now + expires);
        self.refresh = Some(now + expires.saturating_sub(room));
    }
}

/// When a subscription that the notifier ended for `reason` may be asked for again (RFC 6665 section 4.1.3).
fn again(reason: &str, retry_after: Option<Duration>) -> Option<Duration> {
    let known = |r: &str| reason.eq_ignore_ascii_case(r);
    if known("rejected") || known("noresource") || known("invariant") {
        None
    } else if known("deactivated") || known("timeout") {
        Some(Duration::ZERO)
    } else if known("probation") || known("giveup") {
        Some(retry_after.unwrap_or(LATER))
    } else {
        // Without a reason, or with one that we do not know: after what it says, else not at all.
        retry_after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const N: Duration = Duration::from_secs(32);

    fn s(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    fn at(n: u64) -> Instant {
        Instant::ZERO + s(n)
    }

    fn response(code: u16, expires: Option<u64>) -> Granted {
        Granted {
            status: StatusCode::new(code).unwrap(),
            expires: expires.map(s),
            min_expires: expires.map(s),
            retry_after: None,
        }
    }

    fn active(expires: u64) -> Told {
        Told::Active {
            expires: Some(s(expires)),
        }
    }

    fn up() -> Usage {
        let mut usage = Usage::new(at(0), s(600), N);
        assert_eq!(usage.answered(at(0), response(200, Some(600))), Step::Rest);
        assert_eq!(usage.told(at(1), &active(600)), Step::Rest);
        usage
    }

    #[test]
    fn what_is_granted_is_asked_for_again_in_time() {
        let mut usage = up();
        assert_eq!(usage.deadline(), Some(at(541)));
        assert_eq!(usage.due(at(541)), Step::Ask(s(600)));
        assert_eq!(usage.deadline(), Some(at(541 + 32)), "timer N");
        usage.answered(at(542), response(200, Some(60)));
        usage.told(at(542), &active(60));
        assert_eq!(usage.deadline(), Some(at(542 + 54)));
        usage.told(at(550), &active(8));
        assert_eq!(usage.deadline(), Some(at(554)));
    }

    #[test]
    fn timer_n_ends_what_no_notify_comes_for() {
        let mut usage = Usage::new(at(0), s(600), N);
        usage.answered(at(0), response(202, None));
        assert_eq!(usage.deadline(), Some(at(32)));
        assert!(matches!(usage.due(at(32)), Step::Over(_)));
        let mut early = Usage::new(at(0), s(600), N);
        early.told(at(0), &active(600));
        early.answered(at(1), response(200, Some(600)));
        assert_eq!(
            early.deadline(),
            Some(at(541)),
            "a NOTIFY before the 2xx counts"
        );
    }

    #[test]
    fn refusals_of_a_refresh() {
        for (code, over, again) in [(481, true, true), (489, true, false), (500, false, false)] {
            let mut usage = up();
            usage.due(at(541));
            let step = usage.answered(at(541), response(code, None));
            match step {
                Step::Over(end) => assert_eq!((over, again), (true, end.again.is_some()), "{code}"),
                step => {
                    assert_eq!((step, over), (Step::Rest, false), "{code}");
                    assert_eq!(usage.deadline(), Some(at(601)), "what was granted holds");
                }
            }
        }
        let mut first = Usage::new(at(0), s(600), N);
        assert!(matches!(
            first.answered(at(0), response(500, None)),
            Step::Over(_)
        ));
    }

    #[test]
    fn too_brief_is_asked_for_longer_but_not_forever() {
        let mut usage = Usage::new(at(0), s(60), N);
        assert_eq!(
            usage.answered(at(0), response(423, Some(90))),
            Step::Ask(s(90))
        );
        assert_eq!(
            usage.answered(at(0), response(423, Some(91))),
            Step::Ask(s(91))
        );
        assert!(matches!(
            usage.answered(at(0), response(423, Some(92))),
            Step::Over(_)
        ));
        let mut silly = Usage::new(at(0), s(60), N);
        assert!(matches!(
            silly.answered(at(0), response(423, Some(60))),
            Step::Over(_)
        ));
    }

    #[test]
    fn leaving_waits_for_the_last_notify_and_no_longer() {
        let mut usage = up();
        assert_eq!(usage.leave(at(10)), Step::Ask(Duration::ZERO));
        assert_eq!(usage.leave(at(10)), Step::Rest);
        usage.answered(at(10), response(200, Some(0)));
        let over = Told::Over {
            reason: "timeout".into(),
            retry_after: None,
        };
        let Step::Over(end) = usage.clone().told(at(11), &over) else {
            panic!()
        };
        assert_eq!(end.again, None);
        assert_eq!(usage.deadline(), Some(at(42)));
        assert!(matches!(usage.due(at(42)), Step::Over(_)));
    }

    #[test]
    fn reasons_tell_whether_to_come_again() {
        for (reason, retry, expected) in [
            ("deactivated", None, Some(s(0))),
            ("Timeout", Some(s(9)), Some(s(0))),
            ("probation", Some(s(9)), Some(s(9))),
            ("giveup", None, Some(s(60))),
            ("rejected", Some(s(9)), None),
            ("noresource", None, None),
            ("invariant", None, None),
            ("", None, None),
            ("x-new", Some(s(5)), Some(s(5))),
        ] {
            assert_eq!(again(reason, retry), expected, "{reason}");
        }
    }
}
