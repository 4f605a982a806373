//! What tests of several calls at once begin with.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use tipring::{Call, Phone};

pub(crate) fn uri(user: &str, phone: &Phone) -> String {
    format!("sip:{user}@{}", phone.local_addr())
}

/// A call between two phones that is up, seen from both.
pub(crate) async fn connect(from: &Phone, to: &Phone) -> (Call, Call) {
    let call = from.dial(&uri("x", to)).await.unwrap();
    let incoming = to.next_call().await.unwrap();
    incoming.answer().await.unwrap();
    call.connected().await.unwrap();
    (call, incoming)
}
