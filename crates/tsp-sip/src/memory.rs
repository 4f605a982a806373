//! What is remembered for a while of things that are over, in little room.

use std::collections::VecDeque;
use std::hash::Hash;
use std::time::Duration;

use ahash::RandomState;

use msp_core::time::Instant;

use crate::tables::HashMap;

const TOGETHER: Duration = Duration::from_secs(1);

/// Things by their keys, forgotten in the order in which they were put in.
///
/// Of a key only 64 bits of a hash are kept that nobody outside can foresee. Among a hundred thousand things one more
/// is taken for another once in 10^14 times; a lost datagram is likelier by far, and does the same.
#[derive(Debug)]
pub(crate) struct Memory<T> {
    hash: RandomState,
    known: HashMap<u64, T>,
    /// Until when what is kept, the earliest first.
    order: VecDeque<(Instant, u64)>,
}

impl<T> Memory<T> {
    pub(crate) fn new() -> Self {
        Self {
            hash: RandomState::new(),
            known: HashMap::default(),
            order: VecDeque::new(),
        }
    }

    /// Remembers `what` until `until`, which is no earlier than that of anything put in before. A key that is there
    /// already gets it in place of what it had, for the time that it had.
    pub(crate) fn put(&mut self, until: Instant, key: &(impl Hash + ?Sized), what: T) {
        let key = self.hash.hash_one(key);
        if self.known.insert(key, what).is_none() {
            self.order.push_back((until, key));
        }
    }

    pub(crate) fn get(&self, key: &(impl Hash + ?Sized)) -> Option<&T> {
        self.known.get(&self.hash.hash_one(key))
    }

    /// When things are to be forgotten: the last of those whose time ends within a second of the next one's, so that many
    /// go at once.
    pub(crate) fn next(&self) -> Option<Instant> {
        let (first, last) = (self.order.front()?.0, self.order.back()?.0);
        Some(last.min(first + TOGETHER))
    }

    /// Forgets a thing whose time is over, and gives it.
    pub(crate) fn forget(&mut self, now: Instant) -> Option<T> {
        self.order.front().filter(|(until, _)| *until <= now)?;
        self.forget_first()
    }

    /// Forgets the thing that was put in first, and gives it.
    pub(crate) fn forget_first(&mut self) -> Option<T> {
        let (_, key) = self.order.pop_front()?;
        self.known.remove(&key)
    }

    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_is_forgotten_in_its_order() {
        let mut memory = Memory::new();
        let at = Instant::from_millis;
        for n in 0..3 {
            memory.put(at(n * 10), &format!("k{n}"), n);
        }
        memory.put(at(30), "k2", 7);
        assert_eq!((memory.get("k2"), memory.get("k3")), (Some(&7), None));
        assert_eq!((memory.len(), memory.next()), (3, Some(at(20))));
        assert_eq!(memory.forget(at(10)), Some(0));
        assert_eq!(memory.forget(at(10)), Some(1));
        assert_eq!(memory.forget(at(10)), None);
        assert_eq!(memory.forget(at(20)), Some(7));
        assert_eq!((memory.len(), memory.next()), (0, None));
    }
}
