//! Datagrams of strangers: each source may make us work for so many, and a call that runs beside more feels nothing.

use msp_core::time::Instant;

use super::services::Services;
use crate::transport::{Flow, Glance, Refusal, Transport};

impl Services {
    /// Whether a datagram is worth being read. Nothing was done for it yet.
    pub(super) fn admits_datagram(&mut self, now: Instant, flow: Flow, bytes: &[u8]) -> bool {
        if flow.transport != Transport::Udp {
            return true;
        }
        let known = self.belongs(bytes);
        let limits = self.config.flows.datagrams;
        let admitted = self.datagrams.admit(now, flow.remote.ip(), known, limits);
        match admitted {
            Ok(()) => return true,
            Err(Refusal::Source) => self.stats.excess_datagrams_of_source += 1,
            Err(Refusal::All) => self.stats.excess_datagrams += 1,
        }
        false
    }

    /// Whether a datagram belongs to a call or to a request of ours.
    fn belongs(&self, bytes: &[u8]) -> bool {
        // An answer to STUN; a question begins with nought.
        if bytes.first() == Some(&1) {
            return true;
        }
        let glance = Glance::of(bytes);
        if glance.is_response
            && let (Some(branch), Some(method)) = (glance.branch, &glance.method)
            && self.transactions.awaits(branch, method)
        {
            return true;
        }
        glance.call_id.is_some_and(|id| self.call_of(id).is_some())
    }
}
