//! Which calls of a server hear each other, and whose they are.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use msp_core::id::CallKey;

use super::End;
use crate::call::Call;

/// All pairs. Each change of them is one step, whoever else changes them.
#[derive(Clone, Default, Debug)]
pub(super) struct Pairs(Arc<Mutex<HashMap<CallKey, Joined>>>);

/// What a call is joined with.
#[derive(Debug)]
struct Joined {
    with: Call,
    /// The user of ours whose call it is, if one's.
    user: Option<Box<str>>,
}

impl Pairs {
    pub(super) fn add(&self, one: &End, other: &End) {
        join(&mut self.lock(), one, other);
    }

    /// Parts two calls. Whether they were joined with each other.
    pub(super) fn part(&self, one: &Call, other: &Call) -> bool {
        let mut all = self.lock();
        let joined = are_joined(&all, one, other);
        if joined {
            all.remove(&one.key());
            all.remove(&other.key());
        }
        joined
    }

    /// Joins `stays` with `new` in the place of `gone`. Whether it was joined with that.
    pub(super) fn swap(&self, gone: &End, stays: &End, new: &End) -> bool {
        let mut all = self.lock();
        let joined = are_joined(&all, &gone.call, &stays.call);
        if joined {
            all.remove(&gone.call.key());
            join(&mut all, stays, new);
        }
        joined
    }

    /// Joins `stays` with what `consulted` is joined with, in the place of `gone`, whose user both are calls of. Who that is,
    /// and as which user; none, and nothing is changed, if that cannot be.
    pub(super) fn hand_over(
        &self,
        gone: &End,
        stays: &End,
        consulted: &Call,
    ) -> Option<(Call, Option<Box<str>>)> {
        let mut all = self.lock();
        // Who knows the tags of somebody else's call may still not give it away.
        let own = gone.user.is_some() && all.get(&consulted.key())?.user == gone.user;
        let other = consulted.key() != gone.call.key() && consulted.key() != stays.call.key();
        if !own || !other || !are_joined(&all, &gone.call, &stays.call) {
            return None;
        }
        let new = all.remove(&consulted.key())?.with;
        all.remove(&gone.call.key());
        let joined = all.get_mut(&new.key())?;
        joined.with = stays.call.clone();
        let user = joined.user.clone();
        all.get_mut(&stays.call.key())?.with = new.clone();
        Some((new, user))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<CallKey, Joined>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn are_joined(all: &HashMap<CallKey, Joined>, one: &Call, other: &Call) -> bool {
    let joined = all.get(&one.key());
    joined.is_some_and(|j| j.with.key() == other.key())
}

fn join(all: &mut HashMap<CallKey, Joined>, one: &End, other: &End) {
    for (end, with) in [(one, other), (other, one)] {
        let joined = Joined {
            with: with.call.clone(),
            user: end.user.clone(),
        };
        all.insert(end.call.key(), joined);
    }
}
