//! Evidence of calls that a simulation makes up: the judgement, the report, and how it looks.
#![allow(
    clippy::unwrap_used,
    reason = "a helper of a test fails as its test does"
)]

mod alone;
mod report;
mod sample;
mod verdict;
