//! Reading and writing an INVITE: ours beside rsip and rsipstack, in one run. Prints nanoseconds and allocations for each
//! message.

mod common;

use std::hint::black_box;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rsip::prelude::*;
use tsp_sip::wire::{Limits, Message, check};

use common::COUNT;

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

/// Reads the message and its nine common headers, as rsipstack does it.
fn rsipstack_typed() -> bool {
    use rsipstack::sip::prelude::*;
    let message = rsipstack::sip::SipMessage::try_from(black_box(INVITE).to_vec());
    let Ok(rsipstack::sip::SipMessage::Request(r)) = &message else {
        return false;
    };
    let plain = |name: fn(&rsipstack::sip::Header) -> bool| r.headers.iter().any(name);
    let of_type = |h: &rsipstack::sip::Header| matches!(h, rsipstack::sip::Header::ContentType(_));
    let of_length = |h: &rsipstack::sip::Header| matches!(h, rsipstack::sip::Header::ContentLength(l) if l.value().trim().parse::<u32>().is_ok());
    let hops = |h: &rsipstack::sip::MaxForwards| h.value().trim().parse::<u8>().is_ok();
    black_box(r.via_header().is_ok_and(|h| h.typed().is_ok()))
        & black_box(r.from_header().is_ok_and(|h| h.typed().is_ok()))
        & black_box(r.to_header().is_ok_and(|h| h.typed().is_ok()))
        & black_box(r.cseq_header().is_ok_and(|h| h.typed().is_ok()))
        & black_box(r.contact_header().is_ok_and(|h| h.typed().is_ok()))
        & black_box(r.call_id_header().is_ok())
        & black_box(r.max_forwards_header().is_ok_and(hops))
        & black_box(plain(of_type))
        & black_box(plain(of_length))
}

/// The same by rsip.
fn rsip_typed() -> bool {
    let message = rsip::SipMessage::try_from(black_box(INVITE).to_vec());
    let Ok(rsip::SipMessage::Request(r)) = &message else {
        return false;
    };
    let plain = |name: fn(&rsip::Header) -> bool| r.headers.iter().any(name);
    let of_type = |h: &rsip::Header| matches!(h, rsip::Header::ContentType(_));
    let of_length =
        |h: &rsip::Header| matches!(h, rsip::Header::ContentLength(l) if l.length().is_ok());
    black_box(r.via_header().is_ok_and(|h| h.typed().is_ok()))
        & black_box(r.from_header().is_ok_and(|h| h.typed().is_ok()))
        & black_box(r.to_header().is_ok_and(|h| h.typed().is_ok()))
        & black_box(r.cseq_header().is_ok_and(|h| h.typed().is_ok()))
        & black_box(r.contact_header().is_ok_and(|h| h.typed().is_ok()))
        & black_box(r.call_id_header().is_ok())
        & black_box(r.max_forwards_header().is_ok_and(|h| h.num().is_ok()))
        & black_box(plain(of_type))
        & black_box(plain(of_length))
}

/// The same by ours. Content-Length is read with the message.
fn our_typed() -> bool {
    let message = Message::parse(&Bytes::copy_from_slice(black_box(INVITE)));
    let Ok(Message::Request(r)) = &message else {
        return false;
    };
    let headers = &r.headers;
    black_box(headers.via().is_ok())
        & black_box(headers.from().is_ok())
        & black_box(headers.to().is_ok())
        & black_box(headers.cseq().is_ok())
        & black_box(headers.contacts().next().is_some_and(|c| c.is_ok()))
        & black_box(headers.call_id().is_ok())
        & black_box(headers.max_forwards().is_ok())
        & black_box(headers.content_type().is_ok())
}

fn main() {
    assert!(our_typed() && rsip_typed() && rsipstack_typed());
    // Every round begins with a buffer of its own, as a socket hands it out: that copy is in all figures.
    let mut ours = || {
        black_box(Message::parse(&Bytes::copy_from_slice(black_box(INVITE))).is_ok());
    };
    let mut by_rsip = || {
        black_box(rsip::SipMessage::try_from(black_box(INVITE).to_vec()).is_ok());
    };
    let mut by_rsipstack = || {
        black_box(rsipstack::sip::SipMessage::try_from(black_box(INVITE).to_vec()).is_ok());
    };
    let mut ours_typed = || {
        black_box(our_typed());
    };
    let mut rsip_types = || {
        black_box(rsip_typed());
    };
    let mut rsipstack_types = || {
        black_box(rsipstack_typed());
    };
    let mut checked = || {
        let message = Message::parse(&Bytes::copy_from_slice(black_box(INVITE)));
        if let Ok(Message::Request(r)) = &message {
            black_box(check::request(r, &Limits::default()).is_ok());
        }
    };
    let Ok(Message::Request(message)) = Message::parse(&Bytes::from_static(INVITE)) else {
        panic!("ours does not read it");
    };
    let mut buffer = BytesMut::with_capacity(2048);
    let mut ours_written = || {
        buffer.clear();
        message.write_to(black_box(&mut buffer));
    };
    let Ok(rsip_message) = rsip::SipMessage::try_from(INVITE.to_vec()) else {
        panic!("rsip does not read it");
    };
    let mut rsip_written = || {
        black_box(Bytes::from(black_box(&rsip_message).clone()));
    };
    let candidate = |work| Candidate {
        work,
        best: Duration::MAX,
        allocations: 0,
    };
    let mut all = [
        candidate(&mut ours as &mut dyn FnMut()),
        candidate(&mut by_rsip),
        candidate(&mut by_rsipstack),
        candidate(&mut ours_typed),
        candidate(&mut rsip_types),
        candidate(&mut rsipstack_types),
        candidate(&mut checked),
        candidate(&mut ours_written),
        candidate(&mut rsip_written),
    ];
    measure(&mut all);
    let [
        ours,
        by_rsip,
        by_rsipstack,
        typed,
        rsip_types,
        rsipstack_types,
        checked,
        written,
        rsip_written,
    ] = &all;
    for (what, ours, theirs, other) in [
        ("reading an INVITE", ours, by_rsip, "rsip"),
        ("reading an INVITE", ours, by_rsipstack, "rsipstack"),
        (
            "reading it and its nine common headers",
            typed,
            rsip_types,
            "rsip",
        ),
        (
            "reading it and its nine common headers",
            typed,
            rsipstack_types,
            "rsipstack",
        ),
        (
            "reading and checking all that the rules say",
            checked,
            rsipstack_types,
            "rsipstack, its headers only",
        ),
        ("writing it", written, rsip_written, "rsip"),
    ] {
        println!(
            "measured: {what} | {:.0} ns, {} allocations | {:.0} ns, {} allocations ({other}) | {:.2}",
            ours.ns(),
            ours.allocations,
            theirs.ns(),
            theirs.allocations,
            theirs.ns() / ours.ns()
        );
    }
}
