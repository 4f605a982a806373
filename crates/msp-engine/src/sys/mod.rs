//! System calls. The one place with unsafe code; everything it gives out is safe to use.
#![allow(
    unsafe_code,
    reason = "system calls that no safe wrapper of the workspace offers"
)]

mod cache;
mod cpu;
mod poll;
mod priority;
mod receive;

pub(crate) use cache::prefetch;
pub(crate) use cpu::raise_file_limit;
pub use cpu::{process_cpu_time, thread_cpu_time};
pub(crate) use poll::{Bell, Poll};
pub(crate) use priority::prefer_this_thread;
pub(crate) use receive::{Batch, prepare};

use std::io;

/// The result of a system call that says -1 for failure.
fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}
