//! A media half that holds its partner to the rules of the link, and remembers what was agreed.

use std::collections::BTreeMap;

use msp_core::id::{CallKey, Generation, LegId};
use msp_core::link::{Digit, Envelope, Finality, ToMsp};
use msp_core::params::MediaParams;

/// What one end's media half was told of a call.
#[derive(Default)]
pub(crate) struct MediaCall {
    legs: BTreeMap<LegId, Leg>,
    /// Keys that the peer pressed.
    digits: Vec<Digit>,
    over: bool,
}

#[derive(Default)]
struct Leg {
    /// The newest round that was prepared.
    prepared: Option<Generation>,
    /// It is neither committed nor taken back.
    open: bool,
    applied: Option<(Generation, Vec<MediaParams>)>,
    current: Option<Vec<MediaParams>>,
    /// Nothing is sent, whatever was agreed.
    silent: bool,
    dropped: bool,
}

/// The media half of a phone.
#[derive(Default)]
pub(crate) struct Media {
    pub(crate) calls: BTreeMap<CallKey, MediaCall>,
    pub(crate) faults: Vec<String>,
}

impl Media {
    /// Takes what the signalling half says.
    pub(crate) fn hear(&mut self, message: &Envelope<ToMsp>) {
        let Envelope {
            call: key,
            leg,
            generation,
            body,
        } = message;
        let call = self.calls.entry(*key).or_default();
        let mut fault = |what: &str| {
            self.faults
                .push(format!("call {key}, {leg:?}, {generation:?}: {what}"));
        };
        if call.over {
            fault(&format!("{body:?} after the end"));
            return;
        }
        let known = call.legs.entry(*leg).or_default();
        match body {
            ToMsp::Prepare { slots, .. } => {
                if slots.is_empty() {
                    fault("nothing to prepare");
                }
                if known.prepared.is_some_and(|p| p >= *generation) {
                    fault("prepared again");
                }
                if known.open && *generation > Generation(1) {
                    fault("prepared while another round is open");
                }
                known.prepared = Some(*generation);
                known.open = true;
            }
            ToMsp::Apply { finality, params } => {
                // Later legs of a forked call live on what the first one prepared.
                if known.prepared.is_none_or(|p| p != *generation) && *leg == LegId::FIRST {
                    fault("applied without having been prepared");
                }
                // Who holds with the address 0.0.0.0 has none to send to.
                let nowhere = |p: &MediaParams| p.remote.is_none() && p.direction.sends();
                if params.iter().any(|p| !p.refused && nowhere(p)) {
                    fault("a stream without a peer");
                }
                known.applied = Some((*generation, params.clone()));
                // The first round holds when it is final; later ones wait for their commit.
                if *finality == Finality::Final && known.current.is_none() {
                    known.current = Some(params.clone());
                    known.silent = false;
                }
            }
            ToMsp::Commit => {
                known.open = false;
                match known.applied.take() {
                    Some((applied, params)) if applied == *generation => {
                        known.current = Some(params);
                        known.silent = false;
                    }
                    _ => fault("committed what was not applied"),
                }
            }
            ToMsp::Rollback => {
                if known.prepared != Some(*generation) {
                    fault("rolled back what was not prepared");
                }
                known.applied = None;
                known.open = false;
            }
            ToMsp::DropLeg => {
                if known.dropped {
                    fault("dropped twice");
                }
                known.dropped = true;
            }
            ToMsp::Direction { direction, .. } => known.silent = !direction.sends(),
            ToMsp::Digit { digit, .. } => call.digits.push(*digit),
            ToMsp::Disconnected { .. } => call.over = true,
            _ => {}
        }
    }

    /// The keys that the peer of a call pressed, as far as they came.
    pub(crate) fn digits(&self, key: CallKey) -> Vec<Digit> {
        self.calls
            .get(&key)
            .map_or_else(Vec::new, |c| c.digits.clone())
    }

    /// What holds for a call, if anything does.
    pub(crate) fn current(&self, key: CallKey) -> Option<&[MediaParams]> {
        let call = self.calls.get(&key).filter(|c| !c.over)?;
        let legs = call.legs.values().filter(|l| !l.dropped);
        legs.filter_map(|l| l.current.as_deref()).next()
    }

    /// Whether a call sends nothing, whatever was agreed.
    pub(crate) fn is_silent(&self, key: CallKey) -> bool {
        let legs = self.calls.get(&key).into_iter().flat_map(|c| &c.legs);
        let mut legs = legs.filter(|(_, l)| !l.dropped && l.current.is_some());
        legs.next().is_some_and(|(_, l)| l.silent)
    }

    /// Whether a call may send, by what was agreed.
    pub(crate) fn sends(&self, key: CallKey) -> bool {
        let current = self.current(key).unwrap_or_default();
        current.iter().any(|p| !p.refused && p.direction.sends())
    }

    /// The leg that a call is, and its last round.
    pub(crate) fn round(&self, key: CallKey) -> (LegId, Generation) {
        let legs = self.calls.get(&key).into_iter().flat_map(|c| &c.legs);
        let holds = legs.filter(|(_, l)| !l.dropped && l.current.is_some());
        let mut rounds = holds.map(|(id, l)| (*id, l.prepared.unwrap_or_default()));
        rounds.next().unwrap_or_default()
    }

    /// Whether a call was told that it is over.
    pub(crate) fn is_over(&self, key: CallKey) -> bool {
        self.calls.get(&key).is_none_or(|c| c.over)
    }
}
