//! Things that have something to do at a time, found by their names; the next of them is known without a look at the
//! others.

use std::collections::{BTreeMap, BTreeSet};

use msp_core::time::Instant;

/// What has something to do at a time.
pub(super) trait Due {
    /// When that is.
    fn deadline(&self) -> Option<Instant>;
}

/// All of one kind.
#[derive(Debug)]
pub(super) struct Timed<K, V> {
    all: BTreeMap<K, Entry<V>>,
    /// Who is due when, but for those who were touched since.
    queue: BTreeSet<(Instant, K)>,
    touched: Vec<K>,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    /// Where it stands in the queue.
    queued: Option<Instant>,
}

impl<K, V> Default for Timed<K, V> {
    fn default() -> Self {
        Self {
            all: BTreeMap::new(),
            queue: BTreeSet::new(),
            touched: Vec::new(),
        }
    }
}

impl<K: Ord + Copy, V: Due> Timed<K, V> {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn get(&self, key: K) -> Option<&V> {
        self.all.get(&key).map(|e| &e.value)
    }

    /// Gives it to be changed, after which it may be due at another time.
    pub(super) fn get_mut(&mut self, key: K) -> Option<&mut V> {
        let entry = self.all.get_mut(&key)?;
        if self.touched.last() != Some(&key) {
            self.touched.push(key);
        }
        Some(&mut entry.value)
    }

    /// Takes it in the place of what had the name.
    pub(super) fn insert(&mut self, key: K, value: V) {
        self.remove(key);
        let queued = None;
        self.all.insert(key, Entry { value, queued });
        self.touched.push(key);
    }

    pub(super) fn remove(&mut self, key: K) -> Option<V> {
        let entry = self.all.remove(&key)?;
        if let Some(at) = entry.queued {
            self.queue.remove(&(at, key));
        }
        Some(entry.value)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        self.all.iter().map(|(key, e)| (*key, &e.value))
    }

    pub(super) fn values(&self) -> impl Iterator<Item = &V> {
        self.all.values().map(|e| &e.value)
    }

    pub(super) fn keys(&self) -> Vec<K> {
        self.all.keys().copied().collect()
    }

    /// When the next of them is due, or a little before.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let touched = self.touched.iter().filter_map(|key| self.get(*key));
        let touched = touched.filter_map(V::deadline);
        let queued = self.queue.first().map(|(at, _)| *at);
        touched.chain(queued).min()
    }

    /// Who is due at `now`, the longest due first.
    pub(super) fn due(&mut self, now: Instant) -> Vec<K> {
        self.tidy();
        let due = self.queue.iter().take_while(|(at, _)| *at <= now);
        due.map(|(_, key)| *key).collect()
    }

    /// Queues what was touched.
    pub(super) fn tidy(&mut self) {
        while let Some(key) = self.touched.pop() {
            let Some(entry) = self.all.get_mut(&key) else {
                continue;
            };
            let at = entry.value.deadline();
            let before = std::mem::replace(&mut entry.queued, at);
            if before == at {
                continue;
            }
            if let Some(before) = before {
                self.queue.remove(&(before, key));
            }
            if let Some(at) = at {
                self.queue.insert((at, key));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use super::*;

    thread_local! {
        static ASKED: Cell<usize> = const { Cell::new(0) };
    }

    struct At(Option<u64>);

    fn at(seconds: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(seconds)
    }

    impl Due for At {
        fn deadline(&self) -> Option<Instant> {
            ASKED.set(ASKED.get() + 1);
            self.0.map(at)
        }
    }

    fn hundred() -> Timed<u64, At> {
        let mut all = Timed::default();
        for n in 0..100 {
            all.insert(n, At(Some(1000 - n)));
        }
        all.tidy();
        all
    }

    #[test]
    fn the_next_is_known_whatever_changes() {
        let mut all = hundred();
        assert_eq!(all.deadline(), Some(at(901)));
        all.get_mut(50).unwrap().0 = Some(3);
        assert_eq!(all.deadline(), Some(at(3)));
        assert_eq!(all.due(at(3)), [50]);
        all.get_mut(50).unwrap().0 = None;
        all.tidy();
        assert_eq!(all.deadline(), Some(at(901)));
        all.remove(99);
        assert_eq!(all.deadline(), Some(at(902)));
        all.insert(98, At(Some(2000)));
        assert_eq!(all.due(at(904)), [97, 96]);
        assert_eq!(all.due(at(902)), []);
        assert_eq!(all.len(), 99);
    }

    // Shows: what is due next is known without a look at everything that waits
    #[test]
    fn nobody_else_is_asked_when_one_changes() {
        let mut all = hundred();
        ASKED.set(0);
        for turn in 0..10 {
            all.get_mut(7).unwrap().0 = Some(turn);
            all.tidy();
            assert_eq!(all.deadline(), Some(at(turn)));
            assert_eq!(all.due(at(turn)), [7]);
        }
        assert_eq!(ASKED.get(), 10);
    }
}
