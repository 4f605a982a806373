//! Digests: proving that one knows a password without saying it (RFC 7616, RFC 8760, RFC 3261 section 22).
//!
//! No clock is read and no random number drawn here: the numbers that a client makes are handed in.

mod arithmetic;
mod client;
mod server;
#[cfg(test)]
mod tests;

pub use arithmetic::{Hash, Proof};
pub use client::{Credential, DigestClient, Key};
pub use server::{DigestServer, Verdict};
