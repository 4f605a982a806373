//! Many streams on one thread: nothing is allocated for a frame, and each is what it would be alone.

#[path = "common/mod.rs"]
mod calls;
#[path = "../benches/common/field.rs"]
mod field;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use field::{ALLOCATED, Field, IMPAIRED, Speech};

/// In one test, for the allocator counts what the whole process takes.
// Shows: many streams sound as each alone, and take no memory while they run
#[test]
fn streams_are_alike_alone_and_together_and_take_no_memory() {
    let speech = Arc::new(Speech::new());
    let numbers: Vec<_> = (0..40).collect();
    let mut together = Field::new(&speech, &numbers, IMPAIRED, 0);
    together.run(Duration::from_secs(1));
    let before = ALLOCATED.load(Ordering::Relaxed);
    // Long enough for each to send digits and reports and to become another source.
    together.run(Duration::from_secs(30));
    assert_eq!(ALLOCATED.load(Ordering::Relaxed), before);
    assert!(together.farm.digits_heard() > 80);
    let together = together.end();
    for n in [0, 7, 18, 29, 39] {
        let mut alone = Field::new(&speech, &[n], IMPAIRED, n % 4);
        alone.run(Duration::from_secs(31));
        assert_eq!(alone.end(), [together[n]], "stream {n}");
    }
}
