//! The machine has another address: connections, registrations and calls follow.

use msp_core::id::{CallKey, LegId};
use msp_core::time::Instant;

use super::UserAgent;
use super::errand::Errand;
use super::interface::{Output, Target};
use super::state::{Call, Phase};
use crate::account::AccountId;
use crate::transport::Flow;
use crate::wire::Host;

impl UserAgent {
    /// The ways by which registrars reach us.
    pub(crate) fn registered_flows(&self) -> impl Iterator<Item = Flow> {
        let all = self.services.accounts.registrations();
        all.filter_map(|h| h.flow)
    }

    /// Whatever begins at an address of ours begins at another from now on. Calls of an account that is registered
    /// follow once the registrar knows, so that they tell their peers where we really are.
    pub(super) fn network_changed(&mut self, now: Instant) {
        for flow in self.services.flows.dialled() {
            self.services.flows.closed(flow);
            self.services.out.push_back(Output::Disconnect { flow });
            self.unreachable(now, flow, "the network changed".into());
        }
        let mut registering = Vec::new();
        for id in self.services.accounts.flow_ids() {
            let held = self.services.accounts.registration(id);
            if held.is_some_and(super::registering::Held::move_away) {
                registering.push(id.0);
                self.ask_registrar(now, id);
            }
        }
        self.subscriptions_move(now, &registering);
        let there = |c: &Call| !c.is_over() && !matches!(c.phase, Phase::Dialing(_));
        let calls = self.calls.iter().filter(|(_, c)| there(c));
        let mut keys: Vec<_> = calls.map(|(key, _)| *key).collect();
        keys.sort_unstable();
        for key in keys {
            let account = self.services.accounts.of_call(key);
            if account.is_some_and(|id| registering.contains(&id)) {
                if let Some(call) = self.calls.get_mut(&key) {
                    call.moves = true;
                }
            } else {
                self.move_call(key);
            }
        }
    }

    /// The registrar of an account knows where we are, or does not answer: what waits for that follows.
    pub(super) fn move_calls(&mut self, account: AccountId) {
        self.subscriptions_follow(self.services.now, account);
        let waits = self.calls.iter().filter(|(_, c)| c.moves);
        let mut keys: Vec<_> = waits.map(|(key, _)| *key).collect();
        keys.retain(|key| self.services.accounts.of_call(*key) == Some(account));
        keys.sort_unstable();
        for key in keys {
            self.move_call(key);
        }
    }

    /// A call is up whose peer may not know yet where we are.
    pub(super) fn move_answered(&mut self, key: CallKey) {
        if self.calls.get(&key).is_some_and(|c| c.moves) {
            self.move_call(key);
        }
    }

    /// Finds out where the ways to the peer of a call begin now. What rings is moved if it can be, and else once it is answered.
    fn move_call(&mut self, key: CallKey) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let up = is_up(call);
        call.moves = !up;
        let chosen = call.chosen;
        let legs = call.legs.iter();
        let legs = legs.filter(|l| !up || Some(l.id) == chosen);
        let ways: Vec<_> = legs.map(|l| (l.id, l.flow)).collect();
        for (leg, flow) in ways {
            let target = Target {
                host: Host::Ip(flow.remote.ip()),
                port: Some(flow.remote.port()),
                transport: Some(flow.transport),
            };
            // Where too much is looked up the peer is not told, and finds us if it answers to where requests come from.
            let _too_many = self.services.look_up(target, Errand::Move(key, leg));
        }
    }

    /// The way to the peer of a call is known: it is told where we are, and where our media are.
    pub(super) fn call_moved(
        &mut self,
        now: Instant,
        key: CallKey,
        leg_id: LegId,
        way: Option<Flow>,
    ) {
        let call = self.calls.get_mut(&key).filter(|c| !c.is_over());
        let (Some(call), Some(way)) = (call, way) else {
            return;
        };
        let up = is_up(call);
        if matches!(call.phase, Phase::Alerting { .. }) && !call.prepared {
            // Its media begin where we are now, and so does its answer.
            call.moves = false;
        }
        let Some(leg) = call.leg(leg_id) else { return };
        // The connection of old, if there was one, began at the old address.
        leg.flow = Flow {
            local: way.local,
            connection: None,
            ..leg.flow
        };
        // An early dialog is changed by an UPDATE, if at all; the answer to what came in says where we are.
        let can = up || leg.settled && leg.peer.update;
        if !can {
            return;
        }
        leg.change_at = Some(now);
        call.moves = false;
        self.begin_changes(now, key);
    }
}

fn is_up(call: &Call) -> bool {
    matches!(call.phase, Phase::Up) && call.connected
}
