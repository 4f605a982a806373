//! Datagrams between the socket and whoever reads them: what belongs to calls comes first, and of what strangers send, requests
//! that begin something above all, that which waited too long is turned away, for an answer to it would come too late.
//!
//! A server that is asked for more than it can do does least when it takes all in turn: it spends its time on requests
//! whose senders have sent them again or given up (RFC 6357 section 3). The measure is how long a request has waited when
//! its turn comes, which needs no guess of what a request costs. What is turned away gets a 503: it is cheaper than to hear
//! the same request again and again. Where so many come that the refusals would be most of the work there is silence, and
//! the system's own buffer, which overflows then, turns away for nothing.

use std::collections::VecDeque;
use std::time::Duration;

use msp_core::time::Instant;

/// The longest that a request waits for its turn: with the answer's way back well below the 500 ms after which its sender
/// sends it again (T1, RFC 3261 section 17.1.1.1).
const PATIENCE: Duration = Duration::from_millis(100);

/// Messages of calls that wait at most.
const MOST_KNOWN: usize = 2048;

/// Datagrams of strangers that wait at most: more than are served in the time that one waits.
const MOST_STRANGERS: usize = 1024;

/// Refusals that may be owed: those of a short burst.
const MOST_REFUSALS: u32 = 128;

/// Refusals that a served request pays for.
const REFUSALS: u32 = 4;

/// The same where more than a crowd comes for each that is served.
const REFUSALS_IN_CROWD: u32 = 1;

/// How many that is: those who are refused do not come again, so there are more than ten only where most hear nothing.
const CROWD: u32 = 20;

/// What waits, in two classes.
#[derive(Debug)]
pub(crate) struct Inbox<T> {
    known: VecDeque<T>,
    strangers: VecDeque<(Instant, T)>,
    /// Refusals that may be sent.
    refusals: u32,
    /// Refusals that the next served request pays for.
    worth: u32,
    lately: Lately,
}

/// Datagrams of strangers, since a moment ago.
#[derive(Debug)]
struct Lately {
    since: Instant,
    came: u32,
    served: u32,
}

/// Whose turn it is.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum Turn<T> {
    /// To be read.
    Serve(T),
    /// To be refused unread.
    Refuse(T),
    /// To be forgotten.
    Drop,
}

/// There was no room left, and one was lost.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Full;

impl<T> Inbox<T> {
    pub(crate) const fn new() -> Self {
        Self {
            known: VecDeque::new(),
            strangers: VecDeque::new(),
            refusals: MOST_REFUSALS,
            worth: REFUSALS,
            lately: Lately {
                since: Instant::ZERO,
                came: 0,
                served: 0,
            },
        }
    }

    /// Something that belongs to what is known.
    ///
    /// # Errors
    /// [`Full`]; it is lost.
    pub(crate) fn put_known(&mut self, item: T) -> Result<(), Full> {
        if self.known.len() >= MOST_KNOWN {
            return Err(Full);
        }
        self.known.push_back(item);
        Ok(())
    }

    /// Something of a stranger that came at `at`, as most requests that begin something do.
    ///
    /// # Errors
    /// [`Full`]; the oldest is lost, which is the least likely to be answered in time.
    pub(crate) fn put_stranger(&mut self, at: Instant, item: T) -> Result<(), Full> {
        self.look_back(at);
        self.lately.came += 1;
        self.strangers.push_back((at, item));
        if self.strangers.len() > MOST_STRANGERS {
            self.strangers.pop_front();
            return Err(Full);
        }
        Ok(())
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.known.is_empty() && self.strangers.is_empty()
    }

    /// The next in turn.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Turn<T>> {
        if let Some(item) = self.known.pop_front() {
            return Some(Turn::Serve(item));
        }
        let (at, item) = self.strangers.pop_front()?;
        if now.saturating_since(at) <= PATIENCE {
            self.lately.served += 1;
            self.refusals = MOST_REFUSALS.min(self.refusals + self.worth);
            return Some(Turn::Serve(item));
        }
        Some(match self.refusals.checked_sub(1) {
            Some(left) => {
                self.refusals = left;
                Turn::Refuse(item)
            }
            None => Turn::Drop,
        })
    }

    /// Sees now and then how many come for each that is served.
    fn look_back(&mut self, now: Instant) {
        let Lately {
            since,
            came,
            served,
        } = self.lately;
        if now.saturating_since(since) < PATIENCE {
            return;
        }
        self.worth = match came > CROWD * served.max(1) {
            true => REFUSALS_IN_CROWD,
            false => REFUSALS,
        };
        self.lately = Lately {
            since: now,
            came: 0,
            served: 0,
        };
    }
}

#[cfg(test)]
mod tests;
