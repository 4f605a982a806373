//! When calls have something to do: one queue for all of them, and one entry in it that counts for each.

use std::cmp::Reverse;

use msp_core::id::CallKey;
use msp_core::time::Instant;

use super::UserAgent;

impl UserAgent {
    /// Queues the next deadline of a call, unless an earlier one is queued: then it is asked again what is next.
    pub(super) fn arm(&mut self, key: CallKey) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let Some(at) = call.deadline() else { return };
        if call.armed.is_none_or(|armed| at < armed) {
            call.armed = Some(at);
            self.services.deadlines.push(Reverse((at, key)));
        }
    }

    /// Calls change their minds: what nobody waits for any more shall wake nobody.
    pub(super) fn tidy_deadlines(&mut self) {
        while let Some(Reverse((at, key))) = self.services.deadlines.peek().copied() {
            let call = self.calls.get_mut(&key);
            let armed = call.filter(|c| c.armed == Some(at));
            if armed.as_ref().and_then(|c| c.deadline()) == Some(at) {
                return;
            }
            self.services.deadlines.pop();
            if let Some(call) = armed {
                call.armed = None;
                self.arm(key);
            }
        }
    }

    /// The next call that has something to do now.
    pub(super) fn next_due(&mut self, now: Instant) -> Option<CallKey> {
        self.tidy_deadlines();
        let Reverse((at, key)) = self.services.deadlines.peek().copied()?;
        if at > now {
            return None;
        }
        self.services.deadlines.pop();
        let call = self.calls.get_mut(&key)?;
        call.armed = None;
        Some(key)
    }
}
