//! What strangers may ask for: each source may make us work for so many datagrams and ring with so many calls, and whoever
//! calls beside more feels nothing.

use std::net::IpAddr;
use std::time::Duration;

use msp_core::time::Instant;

use super::UserAgent;
use super::services::Services;
use super::state::Phase;
use crate::tables::HashMap;
use crate::transport::{Flow, Glance, Refusal, source};
use crate::wire::is_keep_alive;

/// When few places are left, of all places that there are one in so many is for calls of one source that wait.
const SHARE: usize = 8;

/// How long calls that wait stay counted as they were.
const COUNTED_FOR: Duration = Duration::from_millis(100);

/// Calls that wait for the application, by where they come from. Counted when it matters, and not again for a moment.
#[derive(Debug, Default)]
pub(super) struct Ringing {
    from: HashMap<IpAddr, usize>,
    counted: Option<Instant>,
}

impl UserAgent {
    /// Whether the source of a new call holds so many places with calls that nobody took yet that others would find none.
    /// Our own providers bring the calls of many.
    pub(super) fn crowds_others_out(&mut self, now: Instant, flow: Flow) -> bool {
        let (most, ip) = (self.services.config.max_calls, flow.remote.ip());
        if self.alive < most / 2 || most < SHARE || self.services.accounts.is_provider(ip) {
            return false;
        }
        let ringing = &mut self.ringing;
        let counted = ringing.counted;
        if counted.is_none_or(|at| now.saturating_since(at) >= COUNTED_FOR) {
            ringing.counted = Some(now);
            ringing.from.clear();
            let calls = self.calls.values();
            for call in calls.filter(|c| matches!(c.phase, Phase::Alerting { .. })) {
                if let Some(leg) = call.legs.first() {
                    *ringing
                        .from
                        .entry(source(leg.flow.remote.ip()))
                        .or_default() += 1;
                }
            }
        }
        let held = ringing.from.entry(source(ip)).or_default();
        *held += 1;
        *held > most / SHARE
    }
}

/// What a datagram is worth, as far as a glance tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weight {
    /// It belongs to a call, answers a request of ours, or is a copy of a request that came before: it comes first.
    Known,
    /// It belongs to nothing of that. There may be no time for it.
    Stranger,
    /// There is nothing to do about it: its source sends too much, or it is a sign of life, or it acknowledges a refusal that
    /// nothing is kept of.
    Nothing,
}

impl UserAgent {
    /// Counts a datagram that came in, before anything is done for it, and says what it is worth. What is worth something
    /// is given to [`handle`](Self::handle) then, or to [`turn_away`](Self::turn_away).
    pub fn weigh(&mut self, now: Instant, flow: Flow, datagram: &[u8]) -> Weight {
        let services = &mut self.services;
        if is_keep_alive(datagram) {
            services.stats.keep_alives += 1;
            return Weight::Nothing;
        }
        let glance = Glance::of(datagram);
        let known =
            services.is_of_call(&glance) || is_stun_answer(datagram) || services.awaits(&glance);
        let limits = services.config.flows.datagrams;
        match services
            .datagrams
            .admit(now, flow.remote.ip(), known, limits)
        {
            Ok(()) => {}
            Err(Refusal::Source) => {
                services.stats.excess_datagrams_of_source += 1;
                return Weight::Nothing;
            }
            Err(Refusal::All) => {
                services.stats.excess_datagrams += 1;
                return Weight::Nothing;
            }
        }
        if services.acknowledges_nothing(datagram) {
            services.stats.excess_acks += 1;
            return Weight::Nothing;
        }
        match known || services.came(&glance) {
            true => Weight::Known,
            false => Weight::Stranger,
        }
    }
}

impl Services {
    /// Whether it belongs to a call.
    pub(super) fn is_of_call(&self, glance: &Glance<'_>) -> bool {
        glance.call_id.is_some_and(|id| self.call_of(id).is_some())
    }

    /// Whether it answers a request of ours.
    fn awaits(&self, glance: &Glance<'_>) -> bool {
        match (glance.is_response, glance.branch, &glance.method) {
            (true, Some(branch), Some(method)) => self.transactions.awaits(branch, method),
            _ => false,
        }
    }

    /// Whether it is a copy of a request that came before.
    pub(super) fn came(&self, glance: &Glance<'_>) -> bool {
        match (glance.branch, glance.sent_by, &glance.method) {
            (Some(branch), Some(sent_by), Some(method)) => {
                self.transactions.knows(branch, sent_by, method)
            }
            _ => false,
        }
    }
}

/// A question begins with nought, an answer with one (RFC 8489 section 5).
fn is_stun_answer(datagram: &[u8]) -> bool {
    datagram.first() == Some(&1)
}
