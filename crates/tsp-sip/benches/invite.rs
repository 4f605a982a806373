//! Reading an INVITE: ours beside rsip, in one run. Prints nanoseconds and allocations for each message.
#![allow(
    unsafe_code,
    reason = "an allocator that counts is an unsafe trait by nature"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use rsip::prelude::*;
use tsp_sip::wire::{Limits, Message, check};

static COUNT: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: every call is handed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`, and all memory is the system's.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const INVITE: &[u8] = include_bytes!("invite.sip");
const ROUNDS: u32 = 2_000;
const REPEATS: u32 = 100;

struct Candidate<'a> {
    work: &'a mut dyn FnMut(),
    best: Duration,
    allocations: usize,
}

impl Candidate<'_> {
    fn ns(&self) -> f64 {
        self.best.as_secs_f64() * 1e9 / f64::from(ROUNDS)
    }
}

/// Runs all candidates in turn, many times, and keeps the best time of each: what else the machine does
/// then strikes all of them alike.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn measure(candidates: &mut [Candidate<'_>]) {
    for _ in 0..REPEATS {
        for c in &mut *candidates {
            let before = COUNT.load(Ordering::Relaxed);
            (c.work)();
            c.allocations = COUNT.load(Ordering::Relaxed) - before;
            let start = std::time::Instant::now();
            for _ in 0..ROUNDS {
                (c.work)();
            }
            c.best = c.best.min(start.elapsed());
        }
    }
}

fn main() {
    // Every round begins with a buffer of its own, as a socket hands it out: that copy is in both figures.
    let mut ours = || {
        black_box(Message::parse(&Bytes::copy_from_slice(black_box(INVITE))).is_ok());
    };
    let mut theirs = || {
        black_box(rsip::SipMessage::try_from(black_box(INVITE).to_vec()).is_ok());
    };
    let mut ours_typed = || {
        let message = Message::parse(&Bytes::copy_from_slice(black_box(INVITE)));
        if let Ok(Message::Request(r)) = &message {
            black_box(check::request(r, &Limits::default()).is_ok());
        }
    };
    let mut theirs_typed = || {
        let message = rsip::SipMessage::try_from(black_box(INVITE).to_vec());
        if let Ok(rsip::SipMessage::Request(r)) = &message {
            black_box((
                r.via_header().ok().and_then(|h| h.typed().ok()),
                r.from_header().ok().and_then(|h| h.typed().ok()),
                r.to_header().ok().and_then(|h| h.typed().ok()),
                r.cseq_header().ok().and_then(|h| h.typed().ok()),
                r.contact_header().ok().and_then(|h| h.typed().ok()),
                r.call_id_header().ok(),
                r.max_forwards_header().ok().and_then(|h| h.num().ok()),
            ));
        }
    };
    let candidate = |work| Candidate {
        work,
        best: Duration::MAX,
        allocations: 0,
    };
    let mut all = [
        candidate(&mut ours as &mut dyn FnMut()),
        candidate(&mut theirs),
        candidate(&mut ours_typed),
        candidate(&mut theirs_typed),
    ];
    measure(&mut all);
    let [ours, theirs, ours_typed, theirs_typed] = &all;
    for (what, ours, theirs) in [
        ("reading an INVITE", ours, theirs),
        ("reading and checking its fields", ours_typed, theirs_typed),
    ] {
        println!(
            "measured: {what} | {:.0} ns, {} allocations | {:.0} ns, {} allocations (rsip) | {:.2}",
            ours.ns(),
            ours.allocations,
            theirs.ns(),
            theirs.allocations,
            theirs.ns() / ours.ns()
        );
    }
}
