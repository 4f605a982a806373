//! The terminals together, with files that other programs made, and with programs and disks that fail.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

mod damage;
mod formats;
mod full_disk;
mod killed;
mod kit;
mod round_trip;
#[path = "../../src/testing.rs"]
#[allow(dead_code, reason = "the crate's own tests use more of it")]
mod testing;
