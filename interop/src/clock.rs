//! The real clock: peers live in it, so the runner does too.

use std::time::{Duration, Instant};

/// A point after which waiting ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    pub(crate) fn after(time: Duration) -> Self {
        Self(now() + time)
    }

    pub(crate) fn is_over(self) -> bool {
        now() >= self.0
    }
}

#[expect(clippy::disallowed_methods, reason = "peers run in real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Asks `ready` every few milliseconds until it answers or the deadline is over.
pub(crate) fn wait_until<T>(deadline: Deadline, mut ready: impl FnMut() -> Option<T>) -> Option<T> {
    loop {
        if let Some(found) = ready() {
            return Some(found);
        }
        if deadline.is_over() {
            return None;
        }
        pause(Duration::from_millis(10));
    }
}

#[expect(clippy::disallowed_methods, reason = "peers run in real time")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}
