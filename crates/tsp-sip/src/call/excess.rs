//! Requests beyond what can be served: which they are, and the cheapest answer to them.

use bytes::Bytes;

use super::UserAgent;
use super::interface::Output;
use crate::transport::{Flow, Glance, may_begin, turned_away};

impl UserAgent {
    /// Whether a datagram is a request that would begin something: an INVITE, OPTIONS, MESSAGE, SUBSCRIBE, PUBLISH or
    /// REGISTER that is in no dialog, belongs to no call and is no copy of one that came before. What is none may not be
    /// turned away, however much there is to do.
    pub fn begins(&self, datagram: &[u8]) -> bool {
        if !may_begin(datagram) {
            return false;
        }
        let glance = Glance::of(datagram);
        if glance.is_within {
            return false;
        }
        let services = &self.services;
        if glance
            .call_id
            .is_some_and(|id| services.call_of(id).is_some())
        {
            return false;
        }
        match (glance.branch, glance.sent_by, &glance.method) {
            (Some(branch), Some(sent_by), Some(method)) => {
                !services.transactions.knows(branch, sent_by, method)
            }
            _ => true,
        }
    }

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

    /// Whether a datagram acknowledges a refusal that nothing is kept of.
    pub(super) fn acknowledges_nothing(&self, datagram: &[u8]) -> bool {
        let tag = self.services.excess_tag.as_bytes();
        datagram.starts_with(b"ACK ") && memchr::memmem::find(datagram, tag).is_some()
    }
}
