//! How often the allocator is asked while an INVITE is read.
#![allow(
    unsafe_code,
    reason = "an allocator that counts is an unsafe trait by nature"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use bytes::Bytes;
use tsp_sip::wire::{Limits, Message, check};

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call is handed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|c| c.set(c.get() + 1));
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

fn count(work: impl FnOnce()) -> usize {
    let before = COUNT.with(Cell::get);
    work();
    COUNT.with(Cell::get) - before
}

const INVITE: &[u8] = include_bytes!("../benches/invite.sip");

#[test]
fn reading_an_invite_takes_few_allocations() {
    // As it comes from a socket: a buffer of its own.
    let datagram = Bytes::from(INVITE.to_vec());
    let mut message = None;
    let reading = count(|| message = Some(Message::parse(&datagram)));
    let Some(Ok(Message::Request(request))) = message else {
        panic!("it reads")
    };
    let checking = count(|| check::request(&request, &Limits::default()).unwrap());
    println!("{reading} allocations to read, {checking} more to check all fields");
    assert!(reading + checking < 15, "{reading} + {checking}");
}
