//! Requests beyond what can be served, and the cheapest answer to them.

use bytes::Bytes;
use msp_core::time::Instant;

use super::UserAgent;
use super::interface::{Input, Output};
use super::services::Services;
use crate::transport::{Flow, Glance, may_begin, turned_away};

impl UserAgent {
    /// Does without a datagram of a stranger for which there is no time. A request that would begin something (INVITE,
    /// OPTIONS, MESSAGE, SUBSCRIBE, PUBLISH or REGISTER outside of dialogs) is refused: 503 with `Retry-After` (RFC 3261
    /// section 21.5.4), written without having read it, and nothing is kept. Anything else is dropped, and what turned out to
    /// be a copy of what is known meanwhile is read as ever.
    pub fn turn_away(&mut self, now: Instant, flow: Flow, datagram: &Bytes) {
        let glance = Glance::of(datagram);
        if self.services.is_of_call(&glance) || self.services.came(&glance) {
            let bytes = datagram.clone();
            self.handle(now, Input::Received { flow, bytes });
            return;
        }
        // They shall not all come back at once, and soon: what is too much now need not be in a moment.
        let seconds = 1 + self.services.random_below(4);
        let begins = may_begin(datagram) && !glance.is_within;
        let tag = &self.services.excess_tag;
        let refusal = begins.then(|| turned_away(datagram, flow, tag, seconds));
        match refusal.flatten() {
            Some((flow, bytes)) => {
                self.services.stats.turned_away_unread += 1;
                let answer = Output::Transmit { flow, bytes };
                self.services.out.push_back(answer);
            }
            None => self.services.stats.dropped_unread += 1,
        }
    }
}

impl Services {
    /// Whether a datagram acknowledges a refusal that nothing is kept of.
    pub(super) fn acknowledges_nothing(&self, datagram: &[u8]) -> bool {
        let tag = self.excess_tag.as_bytes();
        datagram.starts_with(b"ACK ") && memchr::memmem::find(datagram, tag).is_some()
    }
}
