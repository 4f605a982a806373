//! Requests beyond what can be served, and the cheapest answer to them.

use bytes::Bytes;

use super::UserAgent;
use super::interface::Output;
use super::services::Services;
use crate::transport::{Flow, turned_away};

impl UserAgent {
    /// Refuses a datagram for which there is no time: 503 with `Retry-After` (RFC 3261 section 21.5.4), written without
    /// having read the request, and nothing is kept. What came as no request is dropped.
    pub fn turn_away(&mut self, flow: Flow, datagram: &Bytes) {
        // They shall not all come back at once.
        let seconds = 5 + self.services.random_below(10);
        let tag = &self.services.excess_tag;
        match turned_away(datagram, flow, tag, seconds) {
            Some((flow, bytes)) => {
                self.services.stats.turned_away_unread += 1;
                let answer = Output::Transmit { flow, bytes };
                self.services.out.push_back(answer);
            }
            None => self.services.stats.unreadable += 1,
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
