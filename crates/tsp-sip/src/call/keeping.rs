//! The ways by which registrars reach us: kept open, and made anew when they are lost (RFC 5626 sections 4.4 and 4.5).

use std::time::Duration;

use msp_core::time::Instant;

use super::UserAgent;
use super::interface::Output;
use super::registering::Held;
use super::services::Services;
use crate::registration::{FlowId, Step};
use crate::transport::stun::{self, Stun, TransactionId};
use crate::transport::{Beat, Flow, Keeper, Sign};
use crate::wire::{HeaderName, Headers};

impl UserAgent {
    /// A datagram of STUN came: a question whether we live, or an answer to ours.
    pub(super) fn stun_received(&mut self, now: Instant, flow: Flow, bytes: &[u8]) {
        match stun::read(bytes) {
            Some(Stun::Request(id, unknown)) => {
                self.services.stats.stun_answers += 1;
                let bytes = stun::answer(id, &unknown, flow.remote);
                self.services
                    .out
                    .push_back(Output::Transmit { flow, bytes });
            }
            Some(response) => {
                let random = self.services.random_below(u64::MAX);
                let mut heard = None;
                let there = |h: &Held| {
                    h.keeper
                        .as_ref()
                        .is_some_and(|k| k.flow().remote == flow.remote)
                };
                for id in self.services.accounts.flow_ids_of(there) {
                    let held = self.services.accounts.registration(id);
                    let keeper = held.and_then(|h| h.keeper.as_mut());
                    let sign = keeper.and_then(|k| k.heard(now, &response, random));
                    heard = heard.or_else(|| sign.map(|s| (id, s)));
                }
                match heard {
                    Some((_, Sign::Alive)) => {}
                    Some((id, Sign::Lost)) => self.way_lost(now, id, "it is seen elsewhere now"),
                    None => self.services.stats.stray_stun += 1,
                }
            }
            None => self.services.stats.stray_stun += 1,
        }
    }

    /// Sends what is due so that nobody forgets us.
    pub(super) fn keep_alives_due(&mut self, now: Instant) {
        for id in self.services.accounts.flow_ids_due(now) {
            let random = self.services.random_below(u64::MAX);
            let mut name = TransactionId::default();
            (self.services.random)(&mut name);
            let held = self.services.accounts.registration(id);
            let Some(keeper) = held.and_then(|h| h.keeper.as_mut()) else {
                continue;
            };
            let flow = keeper.flow();
            match keeper.timeout(now, name, random) {
                Some(Beat::Send(bytes)) => {
                    self.services.stats.pings += 1;
                    self.services
                        .out
                        .push_back(Output::Transmit { flow, bytes });
                }
                Some(Beat::Lost) => self.way_lost(now, id, "no keep-alive is answered"),
                None => {}
            }
        }
    }

    /// A connection is gone: registrars that reached us there do not any more.
    pub(super) fn connection_lost(&mut self, now: Instant, flow: Flow, why: &str) {
        if flow.connection.is_none() {
            return;
        }
        let there = |f: Flow| f.connection == flow.connection;
        let by_it = |h: &Held| h.flow.is_some_and(there);
        for id in self.services.accounts.flow_ids_of(by_it) {
            self.way_lost(now, id, why);
        }
    }

    /// The way by which the registrar of an account reaches us is lost.
    fn way_lost(&mut self, now: Instant, id: FlowId, why: &str) {
        let beside = self.services.stands_beside(id);
        let number = self.services.random_below(u64::MAX);
        let Some(held) = self.services.accounts.registration(id) else {
            return;
        };
        held.flow = None;
        held.machine.set_beside(beside);
        let keeper = held.keeper.take();
        let proven = keeper.is_some_and(|k| k.is_proven());
        let step = held
            .machine
            .way_lost(now, proven, |below| number % below.max(1));
        let retry_in = match step {
            None => return,
            Some(Step::Failed(wait)) => wait,
            Some(_) => Duration::ZERO,
        };
        self.services.stats.lost_ways += 1;
        let why = format!("the way to the registrar is lost: {why}");
        self.services.registration_failed(id, None, &why, retry_in);
        if retry_in.is_zero() {
            self.ask_registrar(now, id);
        }
    }
}

impl Services {
    /// The registrar of an account answered by `flow`: that is where it reaches us from now on.
    pub(super) fn keep_way(&mut self, now: Instant, id: FlowId, flow: Flow, headers: &Headers) {
        let timer = headers.flow_timer().ok().flatten();
        let offered = timer.is_some() || takes_stun(headers);
        let policy = self.config.flows.keep_alive;
        let random = self.random_below(u64::MAX);
        let Some(held) = self.accounts.registration(id) else {
            return;
        };
        let before = held.flow.replace(flow).filter(|b| *b != flow);
        if flow.transport.is_reliable() {
            held.keeper = None;
            self.flows.keep(flow, timer, random);
        } else {
            let same = |k: &Keeper| k.is_for(flow, policy, (offered, timer));
            if !held.keeper.as_ref().is_some_and(same) {
                held.keeper = Keeper::new(now, flow, policy, (offered, timer), random);
            }
        }
        if let Some(before) = before {
            self.release_way(before);
        }
    }

    /// No registration of an account needs the way any more.
    pub(super) fn release_way(&mut self, flow: Flow) {
        let mut all = self.accounts.registrations();
        if !all.any(|h| h.flow == Some(flow)) {
            self.flows.release(flow);
        }
    }
}

/// Whether the server at the other end says that it answers STUN: it knows of flows, and so does the proxy next to us if
/// there is one (RFC 5626 section 8).
fn takes_stun(headers: &Headers) -> bool {
    let edge = headers.path().flatten().last();
    headers.list_has(&HeaderName::Require, "outbound")
        && edge.is_none_or(|edge| edge.uri().param("ob").is_some())
}
