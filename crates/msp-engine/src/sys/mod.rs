//! System calls. The one place with unsafe code; everything it gives out is safe to use.
#![allow(
    unsafe_code,
    reason = "system calls that no safe wrapper of the workspace offers"
)]

mod cache;
#[cfg(target_os = "linux")]
mod cpu;
#[cfg(target_os = "linux")]
mod poll;
#[cfg(target_os = "linux")]
mod priority;
#[cfg(target_os = "linux")]
mod receive;

pub(crate) use cache::{prefetch, prefetch_bytes};
#[cfg(target_os = "linux")]
pub(crate) use cpu::raise_file_limit;
#[cfg(target_os = "linux")]
pub use cpu::{process_cpu_time, thread_cpu_time};
#[cfg(target_os = "linux")]
pub(crate) use poll::{Bell, Poll};
#[cfg(target_os = "linux")]
pub(crate) use priority::prefer_this_thread;
#[cfg(target_os = "linux")]
pub use priority::{Preference, media_preference};
#[cfg(target_os = "linux")]
pub(crate) use receive::{Batch, prepare};

#[cfg(target_os = "linux")]
use std::io;

/// The result of a system call that says -1 for failure.
#[cfg(target_os = "linux")]
fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}
