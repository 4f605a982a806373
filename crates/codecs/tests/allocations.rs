//! No frame asks the allocator for anything once its codec is made.
#![allow(
    unsafe_code,
    reason = "an allocator that counts is an unsafe trait by nature"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use msp_codecs::CodecRegistry;

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

#[test]
fn frames_allocate_nothing_not_even_to_refuse() {
    let codecs = CodecRegistry::builtin();
    let mut pairs: Vec<_> = codecs.iter().map(|c| (c.encoder(), c.decoder())).collect();
    let (mut payload, mut pcm) = ([0; 2000], [0; 1000]);
    let made = count(|| {
        for n in 0..500i16 {
            for (encoder, decoder) in &mut pairs {
                let len = encoder.encode(&[n * 60; 480], &mut payload).unwrap();
                assert_eq!(decoder.decode(&payload[..len], &mut pcm), Ok(480));
                assert!(encoder.encode(&pcm, &mut payload[..10]).is_err());
                assert!(decoder.decode(&payload[..11], &mut pcm[..4]).is_err());
            }
        }
    });
    assert_eq!(made, 0);
    assert!(count(|| drop(vec![0])) > 0, "the count counts");
}
