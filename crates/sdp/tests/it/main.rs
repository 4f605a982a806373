//! What the crate promises, seen from outside.

mod corpus;
mod exchanges;
mod hostile;
mod reading;
mod rfc3264;
mod rfc4317;
mod rules;
mod security;
mod support;
mod two_ends;
