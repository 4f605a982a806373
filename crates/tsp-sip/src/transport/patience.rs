//! How long we wait for the bytes of a stream: who opens a connection and says nothing, or says a message one byte at a
//! time, keeps something of ours and gives nothing.

use std::time::Duration;

use msp_core::time::Instant;

/// Until the first byte.
const FIRST_BYTE: Duration = Duration::from_secs(10);

/// From the first byte of a message to its last.
const MESSAGE: Duration = Duration::from_secs(30);

/// What is waited for on one stream.
#[derive(Debug)]
pub(crate) struct Patience {
    until: Option<(Instant, Slow)>,
}

/// What did not come in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Slow {
    /// Anything at all.
    Silent,
    /// The end of a message.
    Message,
}

impl Patience {
    /// For a stream that a peer opened at `now`.
    pub(crate) fn accepted(now: Instant) -> Self {
        Self {
            until: Some((now + FIRST_BYTE, Slow::Silent)),
        }
    }

    /// For a stream that we opened: the peer may be silent there.
    pub(crate) const fn dialled() -> Self {
        Self { until: None }
    }

    /// Bytes came. `whole`: they ended a message. `more`: part of another waits for its rest.
    pub(crate) fn heard(&mut self, now: Instant, whole: bool, more: bool) {
        let within = matches!(self.until, Some((_, Slow::Message)));
        if !more {
            self.until = None;
        } else if whole || !within {
            self.until = Some((now + MESSAGE, Slow::Message));
        }
    }

    /// Until when bytes have to come, and what is missing else.
    pub(crate) const fn until(&self) -> Option<(Instant, Slow)> {
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Shows: slow and silent peers lose their connection | hostile input
    #[test]
    fn the_first_byte_and_the_end_of_each_message_have_their_time() {
        let at = |s| Instant::ZERO + Duration::from_secs(s);
        let mut patience = Patience::accepted(at(0));
        assert_eq!(patience.until(), Some((at(10), Slow::Silent)));
        patience.heard(at(9), false, true);
        assert_eq!(patience.until(), Some((at(39), Slow::Message)));
        // A byte now and then does not help.
        for s in 10..39 {
            patience.heard(at(s), false, true);
            assert_eq!(patience.until(), Some((at(39), Slow::Message)));
        }
        // The end of one and the beginning of the next.
        patience.heard(at(39), true, true);
        assert_eq!(patience.until(), Some((at(69), Slow::Message)));
        patience.heard(at(40), true, false);
        assert_eq!(patience.until(), None);
        assert_eq!(Patience::dialled().until(), None);
    }
}
