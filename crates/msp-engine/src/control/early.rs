//! Messages for calls that are not there yet: the signalling half may be quicker than the application.

use std::collections::VecDeque;
use std::time::Duration;

use msp_core::id::{AddressId, CallKey};
use msp_core::link::{Envelope, ToMsp};
use msp_core::time::Instant;

/// Messages that are kept at most; of more, the oldest are given up first.
const CAPACITY: usize = 256;

/// How long a message waits for its call.
const PATIENCE: Duration = Duration::from_millis(500);

#[derive(Debug)]
struct Held {
    until: Instant,
    address: AddressId,
    message: Envelope<ToMsp>,
}

/// Keeps messages until their calls are made, in bounds of number and time.
#[derive(Debug, Default)]
pub(crate) struct Early(VecDeque<Held>);

impl Early {
    /// Keeps `message`, unless it could not begin anything: then it comes back. Comes back too what has to make room.
    pub(crate) fn hold(
        &mut self,
        now: Instant,
        address: AddressId,
        message: Envelope<ToMsp>,
    ) -> Option<(AddressId, Envelope<ToMsp>)> {
        let begun = self.0.iter().any(|h| h.message.call == message.call);
        if !begun && !matches!(message.body, ToMsp::Prepare { .. }) {
            return Some((address, message));
        }
        let pushed_out = if self.0.len() >= CAPACITY {
            self.0.pop_front()
        } else {
            None
        };
        self.0.push_back(Held {
            until: now + PATIENCE,
            address,
            message,
        });
        pushed_out.map(|h| (h.address, h.message))
    }

    /// The messages for a call that was made now, in their order.
    pub(crate) fn claim(&mut self, call: CallKey) -> Vec<Envelope<ToMsp>> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let mut claimed = Vec::new();
        let mut others = VecDeque::new();
        for held in self.0.drain(..) {
            if held.message.call == call {
                claimed.push(held.message);
            } else {
                others.push_back(held);
            }
        }
        self.0 = others;
        claimed
    }

    /// A message whose call was not made in time.
    pub(crate) fn expired(&mut self, now: Instant) -> Option<(AddressId, Envelope<ToMsp>)> {
        if self.0.front()?.until > now {
            return None;
        }
        self.0.pop_front().map(|h| (h.address, h.message))
    }

    /// When the next message has waited long enough.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.0.front().map(|h| h.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use msp_core::id::{Generation, LegId};
    use msp_core::link::OfferRole;
    use msp_core::params::SecurityPolicy;

    fn message(call: u64, body: ToMsp) -> Envelope<ToMsp> {
        Envelope {
            call: CallKey(call),
            leg: LegId::FIRST,
            generation: Generation(0),
            body,
        }
    }

    fn prepare() -> ToMsp {
        ToMsp::Prepare {
            role: OfferRole::Answerer,
            slots: Vec::new(),
            policy: SecurityPolicy::Off,
            toward: None,
        }
    }

    #[test]
    fn a_preparation_and_what_follows_it_wait_for_their_call() {
        let mut early = Early::default();
        let (now, line) = (Instant::ZERO, AddressId(1));
        assert!(early.hold(now, line, message(1, ToMsp::Commit)).is_some());
        assert!(early.hold(now, line, message(1, prepare())).is_none());
        assert!(early.hold(now, line, message(2, prepare())).is_none());
        assert!(early.hold(now, line, message(1, ToMsp::Commit)).is_none());
        let claimed = early.claim(CallKey(1));
        assert_eq!(claimed, [message(1, prepare()), message(1, ToMsp::Commit)]);
        assert_eq!(early.deadline(), Some(now + PATIENCE));
        assert_eq!(early.expired(now), None);
        let (_, expired) = early.expired(now + PATIENCE).unwrap();
        assert_eq!(expired.call, CallKey(2));
        assert_eq!(early.deadline(), None);
    }

    #[test]
    fn the_oldest_make_room() {
        let mut early = Early::default();
        for n in 0..CAPACITY as u64 {
            let held = early.hold(Instant::ZERO, AddressId(1), message(n, prepare()));
            assert!(held.is_none());
        }
        let (_, out) = early
            .hold(Instant::ZERO, AddressId(1), message(1000, prepare()))
            .unwrap();
        assert_eq!(out.call, CallKey(0));
    }
}
