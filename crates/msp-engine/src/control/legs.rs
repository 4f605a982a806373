//! The legs of a call, and the rounds of offer and answer on each.

use std::collections::BTreeMap;

use msp_core::id::{Generation, LegId};
use msp_core::link::{Finality, MAX_LEGS};
use msp_core::media::MediaDirection;
use msp_core::params::{MediaParams, MediaSlot};
use msp_core::time::ClockRate;
use msp_core::{Error, ErrorKind, Result};

/// What was agreed on for a leg.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Agreement {
    pub(crate) generation: Generation,
    pub(crate) params: Vec<MediaParams>,
    /// The sample rates of what is sent and heard, for each slot that is not refused.
    pub(crate) rates: Vec<[Option<ClockRate>; 2]>,
}

#[derive(Debug, Default)]
struct Leg {
    /// The newest round that was heard of.
    newest: Option<Generation>,
    running: Option<Agreement>,
    /// What ran when a new round was prepared beside it: to go back to (RFC 6141).
    before: Option<Option<Agreement>>,
    /// When it was agreed on, in the order of agreements.
    order: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Legs {
    legs: BTreeMap<LegId, Leg>,
    selected: Option<LegId>,
    confirmed: bool,
    order: u64,
}

impl Legs {
    /// A round of offer and answer begins on `leg`.
    ///
    /// # Errors
    /// [`ErrorKind::StaleMessage`] for a round that is over, [`ErrorKind::ResourceUnavailable`] for too many legs.
    pub(crate) fn prepare(&mut self, leg: LegId, generation: Generation) -> Result<()> {
        self.check_room(leg)?;
        let known = self.legs.entry(leg).or_default();
        if known.newest.is_some_and(|n| is_older(generation, n)) {
            return Err(stale(leg, generation));
        }
        if known.newest != Some(generation) || known.before.is_none() {
            known.before = Some(known.running.clone());
        }
        known.newest = Some(generation);
        Ok(())
    }

    /// Whether something may be agreed on for `leg` in this round.
    ///
    /// # Errors
    /// Those of [`prepare`](Self::prepare).
    pub(crate) fn check_apply(&self, leg: LegId, generation: Generation) -> Result<()> {
        self.check_room(leg)?;
        match self.legs.get(&leg) {
            Some(Leg {
                newest: Some(newest),
                ..
            }) if is_older(generation, *newest) => Err(stale(leg, generation)),
            _ => Ok(()),
        }
    }

    /// `leg` was agreed on. With a final agreement the other legs are over: they are given back.
    pub(crate) fn agree(
        &mut self,
        leg: LegId,
        agreement: Agreement,
        finality: Finality,
    ) -> Vec<LegId> {
        self.order += 1;
        let known = self.legs.entry(leg).or_default();
        known.newest = Some(agreement.generation);
        known.running = Some(agreement);
        known.order = self.order;
        let mut over = Vec::new();
        if finality == Finality::Final {
            self.confirmed = true;
            over.extend(self.legs.keys().copied().filter(|l| *l != leg));
            self.legs.retain(|l, _| *l == leg);
        }
        let heard = match finality {
            Finality::Final => true,
            Finality::Provisional => !self.confirmed,
            Finality::Behind => self.selected.is_none(),
        };
        if heard {
            self.selected = Some(leg);
        }
        over
    }

    /// What was agreed on in this round holds: there is no way back.
    ///
    /// # Errors
    /// [`ErrorKind::StaleMessage`] for another round than the present one.
    pub(crate) fn commit(&mut self, leg: LegId, generation: Generation) -> Result<()> {
        self.present(leg, generation)?.before = None;
        Ok(())
    }

    /// The present round is off. Gives back what is to run again: `None` if nothing else runs now.
    ///
    /// # Errors
    /// [`ErrorKind::StaleMessage`] for another round than the present one.
    pub(crate) fn roll_back(
        &mut self,
        leg: LegId,
        generation: Generation,
    ) -> Result<Option<Option<Agreement>>> {
        let known = self.present(leg, generation)?;
        let Some(before) = known.before.take() else {
            return Ok(None);
        };
        if before == known.running {
            return Ok(None);
        }
        known.running = before.clone();
        // What runs again is of an older round, and that is right.
        if let Some(agreement) = &before {
            known.newest = Some(agreement.generation);
        }
        Ok(Some(before))
    }

    /// What may flow on a slot of `leg` changed.
    ///
    /// # Errors
    /// [`ErrorKind::WrongState`] if nothing was agreed on for it.
    pub(crate) fn direct(
        &mut self,
        leg: LegId,
        slot: MediaSlot,
        direction: MediaDirection,
    ) -> Result<()> {
        let running = self.legs.get_mut(&leg).and_then(|l| l.running.as_mut());
        let params = running.and_then(|r| r.params.iter_mut().find(|p| p.slot == slot));
        let Some(params) = params else {
            let what = format!("leg {leg}, slot {slot}: nothing was agreed on");
            return Err(Error::new(ErrorKind::WrongState, what));
        };
        params.direction = direction;
        Ok(())
    }

    /// `leg` is gone.
    pub(crate) fn remove(&mut self, leg: LegId) {
        self.legs.remove(&leg);
        if self.selected == Some(leg) {
            self.selected = None;
            self.confirmed = false;
        }
    }

    /// Selects the leg that was agreed on last.
    pub(crate) fn select_newest(&mut self) -> Option<LegId> {
        let agreed = self.legs.iter().filter(|(_, l)| l.running.is_some());
        self.selected = agreed.max_by_key(|(_, l)| l.order).map(|(leg, _)| *leg);
        self.selected
    }

    /// The leg whose media reach the terminals.
    pub(crate) const fn selected(&self) -> Option<LegId> {
        self.selected
    }

    /// Whether the peer has answered for good.
    pub(crate) const fn is_confirmed(&self) -> bool {
        self.confirmed
    }

    /// What was agreed on for `leg`.
    pub(crate) fn running(&self, leg: LegId) -> Option<&Agreement> {
        self.legs.get(&leg)?.running.as_ref()
    }

    /// The present round on `leg`.
    pub(crate) fn generation(&self, leg: LegId) -> Generation {
        let known = self.legs.get(&leg).and_then(|l| l.newest);
        known.unwrap_or_default()
    }

    fn check_room(&self, leg: LegId) -> Result<()> {
        if self.legs.len() >= MAX_LEGS && !self.legs.contains_key(&leg) {
            return Err(Error::new(
                ErrorKind::ResourceUnavailable,
                format!("leg {leg}: too many"),
            ));
        }
        Ok(())
    }

    fn present(&mut self, leg: LegId, generation: Generation) -> Result<&mut Leg> {
        self.legs
            .get_mut(&leg)
            .filter(|l| l.newest == Some(generation))
            .ok_or_else(|| stale(leg, generation))
    }
}

/// Rounds count modulo 2^32.
fn is_older(generation: Generation, than: Generation) -> bool {
    (generation.0.wrapping_sub(than.0) as i32) < 0
}

fn stale(leg: LegId, generation: Generation) -> Error {
    Error::new(
        ErrorKind::StaleMessage,
        format!("leg {leg}, round {generation}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use msp_core::media::MediaKind;

    const A: LegId = LegId(1);
    const B: LegId = LegId(2);

    fn agreement(generation: u32, bandwidth: u32) -> Agreement {
        Agreement {
            generation: Generation(generation),
            params: vec![MediaParams {
                bandwidth: Some(bandwidth),
                ..MediaParams::new(MediaSlot(0), MediaKind::Audio)
            }],
            rates: Vec::new(),
        }
    }

    #[test]
    fn the_newest_early_leg_is_heard_until_one_is_confirmed() {
        let mut legs = Legs::default();
        legs.prepare(LegId::FIRST, Generation(1)).unwrap();
        legs.agree(A, agreement(1, 1), Finality::Provisional);
        legs.agree(B, agreement(1, 2), Finality::Provisional);
        assert_eq!(legs.selected(), Some(B));
        let over = legs.agree(A, agreement(1, 1), Finality::Final);
        assert_eq!(over, [LegId::FIRST, B]);
        assert_eq!(legs.selected(), Some(A));
        legs.agree(B, agreement(1, 2), Finality::Provisional);
        assert_eq!(
            legs.selected(),
            Some(A),
            "a late early answer changes nothing"
        );
    }

    #[test]
    fn a_leg_that_stands_behind_is_heard_where_no_other_is() {
        let mut legs = Legs::default();
        legs.agree(A, agreement(1, 1), Finality::Behind);
        legs.agree(B, agreement(1, 2), Finality::Behind);
        assert_eq!(legs.selected(), Some(A));
        legs.agree(A, agreement(1, 3), Finality::Behind);
        assert_eq!(legs.selected(), Some(A), "a further early answer of it");
        legs.remove(A);
        assert_eq!(legs.select_newest(), Some(B));
        legs.agree(B, agreement(1, 2), Finality::Final);
        assert_eq!(legs.selected(), Some(B));
    }

    #[test]
    fn a_dropped_leg_leaves_its_place_to_the_newest_that_is_left() {
        let mut legs = Legs::default();
        legs.agree(A, agreement(1, 1), Finality::Provisional);
        legs.agree(B, agreement(1, 2), Finality::Provisional);
        legs.remove(B);
        assert_eq!(legs.select_newest(), Some(A));
        legs.remove(A);
        assert_eq!(legs.select_newest(), None);
    }

    #[test]
    fn a_round_can_be_rolled_back_until_it_is_committed() {
        let mut legs = Legs::default();
        legs.prepare(A, Generation(1)).unwrap();
        legs.agree(A, agreement(1, 1), Finality::Final);
        legs.commit(A, Generation(1)).unwrap();

        legs.prepare(A, Generation(2)).unwrap();
        assert_eq!(
            legs.roll_back(A, Generation(2)).unwrap(),
            None,
            "nothing ran"
        );

        legs.prepare(A, Generation(3)).unwrap();
        legs.agree(A, agreement(3, 3), Finality::Final);
        let before = legs.roll_back(A, Generation(3)).unwrap();
        assert_eq!(before, Some(Some(agreement(1, 1))));
        assert_eq!(legs.running(A), Some(&agreement(1, 1)));

        legs.prepare(A, Generation(4)).unwrap();
        legs.agree(A, agreement(4, 4), Finality::Final);
        legs.commit(A, Generation(4)).unwrap();
        assert_eq!(legs.roll_back(A, Generation(4)).unwrap(), None);
        assert_eq!(legs.running(A), Some(&agreement(4, 4)));
    }

    #[test]
    fn messages_of_a_round_that_is_over_are_told_as_stale() {
        let mut legs = Legs::default();
        legs.prepare(A, Generation(u32::MAX)).unwrap();
        legs.prepare(A, Generation(0)).unwrap();
        let stale = |r: Result<()>| r.unwrap_err().kind() == ErrorKind::StaleMessage;
        assert!(stale(legs.prepare(A, Generation(u32::MAX))));
        assert!(stale(legs.check_apply(A, Generation(u32::MAX))));
        assert!(stale(legs.commit(A, Generation(1))));
        assert!(stale(legs.roll_back(B, Generation(0)).map(drop)));
    }

    #[test]
    fn there_is_a_bound_on_legs() {
        let mut legs = Legs::default();
        for n in 0..MAX_LEGS as u32 {
            legs.prepare(LegId(n), Generation(0)).unwrap();
        }
        let one_more = legs.prepare(LegId(99), Generation(0)).unwrap_err();
        assert_eq!(one_more.kind(), ErrorKind::ResourceUnavailable);
        legs.remove(LegId(0));
        legs.check_apply(LegId(99), Generation(0)).unwrap();
        legs.agree(LegId(99), agreement(0, 1), Finality::Final);
        assert_eq!(legs.selected(), Some(LegId(99)), "there was room again");
        legs.prepare(LegId(3), Generation(0)).unwrap();
    }
}
