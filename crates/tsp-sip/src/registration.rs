//! Registrations: telling a registrar where we are reached, and staying so (RFC 3261 section 10.2).
//!
//! The machine decides when to ask for what and what an answer means; it sends nothing and reads no clock.

#[cfg(test)]
mod tests;

use std::time::Duration;

use msp_core::time::Instant;

use crate::account::AccountId;
use crate::wire::{StatusCode, Uri};

/// The shortest time between two refreshes, however little is granted.
const LEAST: Duration = Duration::from_secs(5);

/// Half of how long to wait after a refusal that will not pass by itself: a wrong password, a user that nobody knows.
const LONG: Duration = Duration::from_secs(300);

/// Half of the first and the longest of the waits after what may pass (RFC 5626 section 4.5): if there is no other way to
/// us, and if there is one.
const BASE: Duration = Duration::from_secs(30);
const BASE_BESIDE: Duration = Duration::from_secs(90);
const MOST: Duration = Duration::from_secs(1800);

/// The longest that a registrar can make us wait.
const MOST_AFTER: Duration = Duration::from_secs(24 * 3600);

/// What to ask for when a registrar calls an interval too brief without saying what it wants.
const GUESS: Duration = Duration::from_secs(3601);

/// How long a way that we registered by has to last, or to be answered on, to be no failure (RFC 5626 section 4.5).
const LASTING: Duration = Duration::from_secs(120);

/// How often a registrar may call an interval too brief.
const BRIEF_TRIES: u8 = 3;

/// Edge proxies that an account is registered through at most, each by a flow of its own.
pub(crate) const MOST_FLOWS: u8 = 4;

/// How an account is registered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registering {
    /// The registrar; none for the domain of the account.
    pub registrar: Option<Uri>,
    /// For how long at a time.
    pub expires: Duration,
    /// The URN of the device (RFC 5626 section 4.1), which makes the registrar replace our bindings when our address
    /// changes, and offers it to give us an address of our own (RFC 5627). The same at each start.
    pub instance: Option<Box<str>>,
    /// Whether the address that the registrar sees us at takes the place of our own in Contact: the outside of a NAT.
    pub follows_nat: bool,
    /// The edge proxies (RFC 5626 section 3.1), before all other proxies of the account, at most four. With an `instance`
    /// each of them reaches us by a flow of its own, and what the account sends passes the first that does; without one,
    /// only the first is used. One that is written twice gets two connections.
    pub edges: Vec<Uri>,
}

impl Registering {
    /// How many flows there are.
    pub(crate) fn flows(&self) -> u8 {
        let wanted = self.edges.iter().fold(0_u8, |n, _| n.saturating_add(1));
        match self.instance {
            Some(_) => wanted.clamp(1, MOST_FLOWS),
            None => 1,
        }
    }
}

/// Names a flow by which an account is registered: the first is 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct FlowId(pub(crate) AccountId, pub(crate) u8);

impl Default for Registering {
    fn default() -> Self {
        Self {
            registrar: None,
            expires: Duration::from_secs(600),
            instance: None,
            follows_nat: true,
            edges: Vec::new(),
        }
    }
}

/// What became of a registration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RegistrationEvent {
    /// Of which account.
    pub account: AccountId,
    /// What happened.
    pub kind: RegistrationKind,
}

/// What happened to a registration.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RegistrationKind {
    /// We are registered; said again after each refresh.
    Registered {
        /// For how long the registrar keeps it; it is refreshed before.
        expires: Duration,
        /// All contacts that the registrar has of the account, as it wrote them.
        contacts: Vec<Box<str>>,
    },
    /// We are not registered.
    Failed {
        /// The status behind it, if the registrar answered.
        status: Option<StatusCode>,
        /// The phrase or the error behind it.
        reason: Box<str>,
        /// When it is tried again.
        retry_in: Duration,
    },
    /// One of several flows is lost or does not come about; by another we are registered.
    FlowFailed {
        /// Which of the edge proxies, from 0.
        edge: usize,
        /// The status behind it, if somebody answered.
        status: Option<StatusCode>,
        /// The phrase or the error behind it.
        reason: Box<str>,
        /// When it is tried again.
        retry_in: Duration,
    },
    /// We are not registered any more, as was wished.
    Unregistered,
}

/// What a registrar answered, as far as it matters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    /// Success, with what was granted if it was said.
    Granted(Option<Duration>),
    /// 423, with Min-Expires if it was said.
    TooBrief(Option<Duration>),
    /// Another refusal, with Retry-After if it was said.
    Refused(StatusCode, Option<Duration>),
    /// Nobody answered, or there is no way.
    Silence,
}

/// What follows from an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// We are registered for this long.
    Registered(Duration),
    /// Ask again at once, with the interval as it is now.
    Ask,
    /// We are not, and ask again after this.
    Failed(Duration),
    /// We are not any more.
    Gone,
}

/// One registration.
#[derive(Debug)]
pub(crate) struct Registration {
    state: State,
    /// What is asked for; grows when a registrar wants more.
    expires: Duration,
    failures: u32,
    brief: u8,
    /// The address was taken over since the last refresh that was due.
    rewrote: bool,
    /// The registrar may have something to forget: it took us, or did not say.
    bound: bool,
    /// Since when the registrar has us, if it does.
    since: Option<Instant>,
    /// Ways that were lost one after the other before they had lasted.
    losses: u32,
    /// There is another way to us.
    beside: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// A request is under way.
    Asking,
    /// The next is due.
    Waiting(Instant),
    /// The request that ends it is under way.
    Leaving,
    Gone,
}

impl Registration {
    /// One that begins now.
    pub(crate) const fn new(expires: Duration) -> Self {
        Self {
            state: State::Asking,
            expires,
            failures: 0,
            brief: 0,
            rewrote: false,
            bound: false,
            since: None,
            losses: 0,
            beside: false,
        }
    }

    /// Whether there is another way to us, so that this one need not be made in haste.
    pub(crate) const fn set_beside(&mut self, beside: bool) {
        self.beside = beside;
    }

    /// Whether it ended, as was wished.
    pub(crate) fn is_gone(&self) -> bool {
        self.state == State::Gone
    }

    const fn base(&self) -> Duration {
        if self.beside { BASE_BESIDE } else { BASE }
    }

    /// The interval to ask for; zero to end it.
    pub(crate) const fn expires(&self) -> Duration {
        match self.state {
            State::Leaving | State::Gone => Duration::ZERO,
            State::Asking | State::Waiting(_) => self.expires,
        }
    }

    /// When there is something to do.
    pub(crate) const fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Waiting(at) => Some(at),
            _ => None,
        }
    }

    /// Whether the next request is due.
    pub(crate) fn timeout(&mut self, now: Instant) -> bool {
        let due = self.deadline().is_some_and(|at| at <= now);
        if due {
            self.state = State::Asking;
            self.rewrote = false;
        }
        due
    }

    /// It shall end. What follows, if it does not end already: nobody is asked to forget what was only ever refused.
    pub(crate) fn leave(&mut self) -> Option<Step> {
        match self.state {
            State::Leaving | State::Gone => None,
            State::Waiting(_) if !self.bound => {
                self.state = State::Gone;
                Some(Step::Gone)
            }
            State::Asking | State::Waiting(_) => {
                self.state = State::Leaving;
                Some(Step::Ask)
            }
        }
    }

    /// Our address is another than was told. Whether to tell it at once: only once for each refresh, for where the
    /// address changes with each request that would never end.
    pub(crate) fn moved(&mut self) -> bool {
        let tells = !self.rewrote && matches!(self.state, State::Waiting(_));
        if tells {
            self.rewrote = true;
            self.state = State::Asking;
        }
        tells
    }

    /// Our address is another. Whether the registrar is to be told at once.
    pub(crate) fn move_away(&mut self) -> bool {
        let tells = !matches!(self.state, State::Leaving | State::Gone);
        if tells {
            self.state = State::Asking;
            (self.failures, self.losses, self.rewrote, self.since) = (0, 0, false, None);
        }
        tells
    }

    /// The way by which the registrar reaches us is lost. `proven`: it was one. What follows, if we were registered:
    /// another is made at once, or after a while where they do not last.
    pub(crate) fn way_lost(
        &mut self,
        now: Instant,
        proven: bool,
        random: impl FnMut(u64) -> u64,
    ) -> Option<Step> {
        let since = self.since?;
        if !matches!(self.state, State::Waiting(_)) {
            return None;
        }
        if proven || since + LASTING <= now {
            self.losses = 0;
            self.since = None;
            self.state = State::Asking;
            self.rewrote = false;
            return Some(Step::Ask);
        }
        self.failures = self.losses;
        self.losses += 1;
        Some(self.wait(now, self.base(), None, random))
    }

    /// An answer came. `random` gives a number below its argument.
    pub(crate) fn answered(
        &mut self,
        now: Instant,
        answer: &Answer,
        mut random: impl FnMut(u64) -> u64,
    ) -> Step {
        match self.state {
            State::Leaving | State::Gone => {
                self.state = State::Gone;
                return Step::Gone;
            }
            State::Asking | State::Waiting(_) => {}
        }
        self.bound |= matches!(answer, Answer::Granted(_) | Answer::Silence);
        match answer {
            Answer::Granted(granted) => {
                self.failures = 0;
                self.since.get_or_insert(now);
                self.brief = 0;
                // Registrars that say nothing of us, or nought, have taken us all the same.
                let granted = granted.filter(|g| !g.is_zero()).unwrap_or(self.expires);
                let early = (granted / 10).max(LEAST);
                let early = early + share(&mut random, granted / 10);
                let wait = granted.saturating_sub(early).max(granted / 2).max(LEAST);
                self.state = State::Waiting(now + wait);
                Step::Registered(granted)
            }
            Answer::TooBrief(least) => {
                self.brief += 1;
                let wanted = match least {
                    Some(least) if *least > self.expires => Some(*least),
                    _ if self.expires < GUESS => Some(GUESS),
                    _ => None,
                };
                match wanted.filter(|_| self.brief <= BRIEF_TRIES) {
                    Some(wanted) => {
                        self.expires = wanted;
                        Step::Ask
                    }
                    None => self.wait(now, LONG, None, random),
                }
            }
            Answer::Refused(status, after) if status.code() >= 500 || is_passing(*status) => {
                self.wait(now, self.base(), *after, random)
            }
            Answer::Refused(_, after) => self.wait(now, LONG, *after, random),
            Answer::Silence => self.wait(now, self.base(), None, random),
        }
    }

    /// Waits from half to the whole of a time that doubles with each failure, the first included.
    fn wait(
        &mut self,
        now: Instant,
        base: Duration,
        after: Option<Duration>,
        mut random: impl FnMut(u64) -> u64,
    ) -> Step {
        let most = MOST.max(base);
        self.failures += 1;
        let longest = base.saturating_mul(1 << self.failures.min(10)).min(most);
        self.brief = 0;
        self.since = None;
        let wait = longest / 2 + share(&mut random, longest / 2);
        let wait = wait.max(after.unwrap_or_default().min(MOST_AFTER));
        self.state = State::Waiting(now + wait);
        Step::Failed(wait)
    }
}

/// Refusals below 500 that pass by themselves.
const fn is_passing(status: StatusCode) -> bool {
    matches!(status.code(), 408 | 430 | 480 | 491)
}

/// A random part of `whole`.
fn share(random: &mut impl FnMut(u64) -> u64, whole: Duration) -> Duration {
    let ms = u64::try_from(whole.as_millis()).unwrap_or(u64::MAX);
    Duration::from_millis(random(ms.saturating_add(1)))
}
