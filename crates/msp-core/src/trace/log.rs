//! Sinks that keep what happened in memory.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::{TraceEntry, TraceSink};
use crate::id::CallKey;
use crate::time::Instant;

/// Entries of a log that are kept together. What is full is never touched again, so readers share it.
const CHUNK: usize = 256;

/// A sink that keeps entries in memory, up to a number; what comes after is counted.
///
/// Whoever reads takes a list of chunks and holds up nobody who writes, however long the log is.
#[derive(Debug)]
pub struct TraceLog {
    capacity: usize,
    /// Room that this log shares with others.
    room: Option<Arc<Room>>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    full: Vec<Arc<Vec<TraceEntry>>>,
    open: Vec<TraceEntry>,
    len: usize,
    dropped: u64,
    /// The time of the last entry that came, kept or not.
    last: Instant,
}

impl TraceLog {
    /// Entries that a log keeps unless asked otherwise: two and a half hours of a call with a packet every 20 ms both ways,
    /// of about 350 bytes each.
    pub const CAPACITY: usize = 1_000_000;

    /// A log of up to `capacity` entries.
    pub fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self::within(capacity, None))
    }

    fn within(capacity: usize, room: Option<Arc<Room>>) -> Self {
        Self {
            capacity,
            room,
            kept: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was recorded so far, in the order of time.
    pub fn entries(&self) -> Vec<TraceEntry> {
        let chunks = self.chunks();
        let mut entries: Vec<_> = chunks.iter().flat_map(|c| c.iter().cloned()).collect();
        // Threads record side by side: arrival order is nearly the order of time, never exactly.
        entries.sort_by_key(|e| e.at);
        entries
    }

    /// How many entries found no room.
    pub fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// All chunks; the last one is closed for that. Only the list is copied while writers wait.
    fn chunks(&self) -> Vec<Arc<Vec<TraceEntry>>> {
        let mut kept = self.lock();
        kept.close();
        kept.full.clone()
    }

    fn last(&self) -> Instant {
        self.lock().last
    }
}

impl Kept {
    fn close(&mut self) {
        if !self.open.is_empty() {
            self.full.push(Arc::new(std::mem::take(&mut self.open)));
        }
    }
}

impl TraceSink for TraceLog {
    fn record(&self, entry: TraceEntry) {
        let mut kept = self.lock();
        kept.last = kept.last.max(entry.at);
        if kept.len >= self.capacity || !self.room.as_ref().is_none_or(|room| room.take()) {
            kept.dropped += 1;
            return;
        }
        kept.len += 1;
        kept.open.push(entry);
        if kept.open.len() >= CHUNK {
            kept.close();
        }
    }
}

impl Drop for TraceLog {
    fn drop(&mut self) {
        if let Some(room) = &self.room {
            room.give_back(self.lock().len);
        }
    }
}

/// Entries that several logs may still keep together.
#[derive(Debug)]
struct Room(AtomicUsize);

impl Room {
    fn take(&self) -> bool {
        let less = |left: usize| left.checked_sub(1);
        let taken = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        taken.is_ok()
    }

    fn give_back(&self, entries: usize) {
        self.0.fetch_add(entries, Ordering::Relaxed);
    }
}

/// How much [`CallLogs`] keep.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogLimits {
    /// Calls that have a log at a time. One more takes the place of the call that was silent for longest.
    pub calls: usize,
    /// Entries of one call.
    pub per_call: usize,
    /// Entries of all calls together.
    pub all_calls: usize,
    /// Entries that belong to no call; the oldest makes room for the newest.
    pub others: usize,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self {
            calls: 1_000,
            per_call: TraceLog::CAPACITY,
            all_calls: 2 * TraceLog::CAPACITY,
            others: 10_000,
        }
    }
}

/// A sink with a log for each call: for programs that take calls for weeks.
///
/// A log is there from the first entry of its call until it is [taken](Self::take). What belongs to no call is kept apart,
/// the latest of it.
#[derive(Debug)]
pub struct CallLogs {
    limits: LogLimits,
    room: Arc<Room>,
    logs: RwLock<HashMap<CallKey, Arc<TraceLog>>>,
    others: Mutex<VecDeque<TraceEntry>>,
    forgotten: AtomicU64,
}

impl CallLogs {
    /// Logs of calls to come.
    pub fn new(limits: LogLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            room: Arc::new(Room(AtomicUsize::new(limits.all_calls))),
            logs: RwLock::default(),
            others: Mutex::default(),
            forgotten: AtomicU64::new(0),
        })
    }

    /// The log of `call`, which is empty if nothing happened in it. Its room is free again once it is dropped; what happens
    /// in the call later is kept as if it were another one.
    pub fn take(&self, call: CallKey) -> Arc<TraceLog> {
        let mut logs = self.logs.write().unwrap_or_else(PoisonError::into_inner);
        let taken = logs.remove(&call);
        taken.unwrap_or_else(|| TraceLog::new(0))
    }

    /// What belongs to no call and is not forgotten yet, from `from` to `until`, in the order of time.
    pub fn others(&self, from: Instant, until: Instant) -> Vec<TraceEntry> {
        let others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let within = others.iter().filter(|e| (from..=until).contains(&e.at));
        let mut entries: Vec<_> = within.cloned().collect();
        drop(others);
        entries.sort_by_key(|e| e.at);
        entries
    }

    /// Entries that made room for newer ones: those of no call, and those of calls that nobody took.
    pub fn forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::Relaxed)
    }

    fn record_other(&self, entry: TraceEntry) {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        others.push_back(entry);
        while others.len() > self.limits.others {
            others.pop_front();
            self.forgotten.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Makes the log of a call whose first entry came.
    fn begin(&self, call: CallKey) -> Arc<TraceLog> {
        let mut logs = self.logs.write().unwrap_or_else(PoisonError::into_inner);
        if !logs.contains_key(&call) && logs.len() >= self.limits.calls {
            let silent = logs.iter().min_by_key(|(_, log)| log.last());
            let silent = silent.map(|(key, _)| *key);
            if let Some(log) = silent.and_then(|key| logs.remove(&key)) {
                let entries = log.lock().len as u64;
                self.forgotten.fetch_add(entries, Ordering::Relaxed);
            }
        }
        let room = || Some(self.room.clone());
        let log = || Arc::new(TraceLog::within(self.limits.per_call, room()));
        logs.entry(call).or_insert_with(log).clone()
    }
}

impl TraceSink for CallLogs {
    fn record(&self, entry: TraceEntry) {
        let Some(call) = entry.call else {
            self.record_other(entry);
            return;
        };
        {
            let logs = self.logs.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(log) = logs.get(&call) {
                log.record(entry);
                return;
            }
        }
        self.begin(call).record(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Trace, TraceBody};
    use super::*;

    fn entry(at: u64, call: Option<u64>) -> TraceEntry {
        TraceEntry {
            at: Instant::from_millis(at),
            call: call.map(CallKey),
            body: TraceBody::Note("x".into()),
        }
    }

    fn times(entries: &[TraceEntry]) -> Vec<u64> {
        let nanos = entries.iter().map(|e| e.at.as_nanos());
        nanos.map(|n| n / 1_000_000).collect()
    }

    const LIMITS: LogLimits = LogLimits {
        calls: 2,
        per_call: 300,
        all_calls: 500,
        others: 3,
    };

    #[test]
    fn a_log_sorts_by_time_and_counts_what_it_cannot_keep() {
        let log = TraceLog::new(2);
        let trace = Trace::to(log.clone());
        for at in [30, 10, 20] {
            trace.record(Instant::from_millis(at), None, || {
                TraceBody::Note("x".into())
            });
        }
        assert_eq!(times(&log.entries()), [10, 30]);
        assert_eq!(log.dropped(), 1);
    }

    #[test]
    fn who_reads_shares_what_is_written_and_does_not_copy_it() {
        let log = TraceLog::new(10_000);
        let count = CHUNK as u64 * 3 + 7;
        for at in 0..count {
            log.record(entry(at, None));
        }
        let first = log.chunks();
        // Writing goes on while the chunks are held, and what was read stays as it was.
        for at in count..2 * count {
            log.record(entry(at, None));
        }
        let second = log.chunks();
        assert_eq!((first.len(), second.len()), (4, 8));
        for (a, b) in first.iter().zip(&second) {
            assert!(Arc::ptr_eq(a, b));
        }
        let read: usize = first.iter().map(|c| c.len()).sum();
        assert_eq!(read as u64, count);
        assert_eq!(times(&log.entries()), (0..2 * count).collect::<Vec<_>>());
        assert_eq!(log.dropped(), 0);
    }

    #[test]
    fn threads_that_write_and_read_lose_nothing() {
        let log = TraceLog::new(40_000);
        std::thread::scope(|scope| {
            for thread in 0..4u64 {
                let log = &log;
                scope.spawn(move || {
                    for n in 0..10_000 {
                        log.record(entry(n * 4 + thread, None));
                        if n % 1000 == 0 {
                            let seen = log.entries();
                            assert!(seen.len() as u64 > n);
                        }
                    }
                });
            }
        });
        assert_eq!(times(&log.entries()), (0..40_000).collect::<Vec<_>>());
    }

    #[test]
    fn each_call_has_a_log_of_its_own_until_it_is_taken() {
        let logs = CallLogs::new(LIMITS);
        for (at, call) in [(1, 1), (2, 2), (3, 1)] {
            logs.record(entry(at, Some(call)));
        }
        let first = logs.take(CallKey(1));
        assert_eq!(times(&first.entries()), [1, 3]);
        assert!(logs.take(CallKey(1)).entries().is_empty());
        assert!(logs.take(CallKey(9)).entries().is_empty());
        // A straggler is no loss to the log that was taken.
        logs.record(entry(4, Some(1)));
        assert_eq!(times(&first.entries()), [1, 3]);
        assert_eq!(times(&logs.take(CallKey(1)).entries()), [4]);
        assert_eq!(times(&logs.take(CallKey(2)).entries()), [2]);
        assert_eq!(logs.forgotten(), 0);
    }

    #[test]
    fn a_call_that_talks_much_fills_its_own_log() {
        let logs = CallLogs::new(LIMITS);
        for at in 0..310 {
            logs.record(entry(at, Some(1)));
        }
        logs.record(entry(400, Some(2)));
        let (long, short) = (logs.take(CallKey(1)), logs.take(CallKey(2)));
        assert_eq!((long.entries().len(), long.dropped()), (300, 10));
        assert_eq!((short.entries().len(), short.dropped()), (1, 0));
    }

    #[test]
    fn all_calls_together_have_so_much_room_and_give_it_back() {
        let logs = CallLogs::new(LIMITS);
        for at in 0..300 {
            logs.record(entry(at, Some(1)));
            logs.record(entry(at, Some(2)));
        }
        let second = logs.take(CallKey(2));
        assert_eq!((second.entries().len(), second.dropped()), (250, 50));
        // As long as somebody holds it, it takes its room.
        logs.record(entry(300, Some(3)));
        assert_eq!(logs.take(CallKey(3)).dropped(), 1);
        drop(second);
        logs.record(entry(301, Some(3)));
        assert_eq!(logs.take(CallKey(3)).dropped(), 0);
    }

    #[test]
    fn the_call_that_was_silent_for_longest_makes_room() {
        let logs = CallLogs::new(LIMITS);
        // The first call still talks; the second was forgotten by all.
        for (at, call) in [(1, 1), (2, 2), (3, 1), (4, 3)] {
            logs.record(entry(at, Some(call)));
        }
        assert_eq!(logs.forgotten(), 1);
        assert_eq!(times(&logs.take(CallKey(1)).entries()), [1, 3]);
        assert_eq!(times(&logs.take(CallKey(3)).entries()), [4]);
        assert!(logs.take(CallKey(2)).entries().is_empty());
    }

    #[test]
    fn of_what_belongs_to_no_call_the_latest_is_kept() {
        let logs = CallLogs::new(LIMITS);
        for at in [1, 2, 3, 5, 4] {
            logs.record(entry(at, None));
        }
        let at = Instant::from_millis;
        assert_eq!(times(&logs.others(at(0), at(9))), [3, 4, 5]);
        assert_eq!(times(&logs.others(at(4), at(4))), [4]);
        assert_eq!(logs.forgotten(), 2);
    }
}
