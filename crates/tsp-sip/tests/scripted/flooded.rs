//! Floods of datagrams beside a call.

use netsim::Impairment;
use tsp_sip::call::Command;
use tsp_sip::transport::DatagramLimits;

use crate::peer::{
    PEER, SDP, US, alone, ask_once, call_up, change, field, ms, plain, seconds, with_sdp, within,
};
use crate::support::{Manner, Phone, World, config};

const BESIDE: &str = "192.0.2.9:7777";

const OTHER: &str = "192.0.2.7:5060";

/// A phone that takes ten datagrams of a stranger in a second, and of all together fifty.
fn narrow() -> World {
    let mut config = config("user");
    config.flows.datagrams = DatagramLimits {
        per_source: 10,
        in_all: 50,
    };
    let phone = Phone::with_config(US, 3, Manner::Answer, config);
    World::new(vec![phone], Impairment::PERFECT, 5)
}

fn options(branch: &str) -> String {
    plain("OPTIONS sip:user@192.0.2.2", branch, "1 OPTIONS", "")
}

fn answers(w: &mut World) -> usize {
    w.heard().len()
}

// Shows: a flood from one address is dropped unread, and a call with that very address goes on | hostile input
#[test]
fn a_call_beside_a_flood_feels_nothing() {
    let mut w = narrow();
    let our_tag = call_up(&mut w, "up");
    let response = "SIP/2.0 200 OK\nVia: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bKno\nFrom: <sip:a@b>;tag=1\n\
                    To: <sip:c@d>;tag=2\nCall-ID: nothing\nCSeq: 1 BYE\n\n";
    for n in 0..1000 {
        w.inject(BESIDE, US, &options(&format!("flood{n}")));
        w.inject(BESIDE, US, response);
        w.inject(BESIDE, US, "HELO sip\n\n");
        w.run(ms(1));
    }
    // Twenty at once and ten in the second, of which some can be answered.
    let answered = answers(&mut w);
    assert!((6..=30).contains(&answered), "{answered}");
    let stats = w.phones[0].agent.stats();
    assert!(stats.excess_datagrams_of_source >= 3000 - 31, "{stats:?}");
    assert!(stats.unreadable <= 11 && stats.stray_responses <= 11);
    // The call is changed and ended while all that goes on.
    w.inject(BESIDE, US, &options("still"));
    let ok = ask_once(&mut w, &change("up", 2, &our_tag));
    assert!(ok.starts_with("SIP/2.0 200"), "{ok}");
    w.inject(PEER, US, &within("ACK", "up", 2, &our_tag, ""));
    let ok = ask_once(&mut w, &within("BYE", "up", 3, &our_tag, ""));
    assert!(ok.starts_with("SIP/2.0 200"), "{ok}");
    // Others are heard, and so is who stops.
    w.inject(OTHER, US, &options("other"));
    w.run(ms(1));
    assert_eq!(answers(&mut w), 1);
    w.run(seconds(2));
    w.inject(BESIDE, US, &options("later"));
    w.run(ms(1));
    assert_eq!(answers(&mut w), 1);
}

// Shows: a flood from addresses without end is dropped unread, and a call goes on | hostile input
#[test]
fn a_flood_from_everywhere_is_bounded_too() {
    let mut w = narrow();
    let our_tag = call_up(&mut w, "up");
    for n in 0..2000 {
        let from = format!("198.51.{}.{}:5060", n / 250, 1 + n % 250);
        w.inject(&from, US, &options(&format!("flood{n}")));
    }
    w.run(ms(10));
    assert!(answers(&mut w) <= 100);
    assert!(w.phones[0].agent.stats().excess_datagrams >= 1900);
    let ok = ask_once(&mut w, &within("BYE", "up", 2, &our_tag, ""));
    assert!(ok.starts_with("SIP/2.0 200"), "{ok}");
}

// Shows: who floods within a call of its own is bounded as well | hostile input
#[test]
fn a_caller_cannot_flood_within_its_call() {
    let mut w = narrow();
    let our_tag = call_up(&mut w, "up");
    for n in 0..500 {
        let text = within("INFO", "up", 10 + n, &our_tag, "");
        w.inject(PEER, US, &text);
    }
    w.run(ms(10));
    assert!(answers(&mut w) <= 20);
}

fn invite(n: usize) -> String {
    let text = plain(
        "INVITE sip:user@192.0.2.2",
        &format!("ring{n}"),
        "1 INVITE",
        "",
    );
    with_sdp(&text, SDP)
}

// Shows: whoever rings with many calls leaves room for the calls of others | hostile input
#[test]
fn calls_that_nobody_takes_do_not_fill_all_places() {
    let mut config = config("user");
    config.max_calls = 64;
    let phone = Phone::with_config(US, 3, Manner::Ring, config);
    let mut w = World::new(vec![phone], Impairment::PERFECT, 5);
    for n in 0..64 {
        w.inject(BESIDE, US, &invite(n));
    }
    w.run(ms(200));
    let refused = |w: &World| w.phones[0].agent.stats().turned_away;
    // Half of all places go to whoever comes first.
    assert_eq!(refused(&w), 32);
    // Then each source may have an eighth of them.
    for n in 64..128 {
        w.inject(OTHER, US, &invite(n));
    }
    w.run(ms(200));
    assert_eq!(refused(&w), 32 + 64 - 8);
    let third = "192.0.2.8:5060";
    w.inject(third, US, &invite(128));
    w.run(ms(200));
    assert_eq!(refused(&w), 32 + 64 - 8);
}

// Shows: who takes no calls any more still makes them, and those that there are go on
#[test]
fn to_refuse_calls_ends_nothing_else() {
    let mut w = alone(Manner::Answer);
    let our_tag = call_up(&mut w, "up");
    w.command(0, Command::RefuseCalls);
    let refusal = ask_once(&mut w, &invite(1));
    assert!(refusal.starts_with("SIP/2.0 503 "), "{refusal}");
    assert!(field(&refusal, "Retry-After").is_some());
    let ok = ask_once(&mut w, &within("BYE", "up", 2, &our_tag, ""));
    assert!(ok.starts_with("SIP/2.0 200"), "{ok}");
    w.dial(0, 1, "sip:bob@192.0.2.9");
    w.run(ms(1));
    let heard = w.heard();
    assert!(
        heard.iter().any(|m| m.starts_with("INVITE sip:bob@")),
        "{heard:?}"
    );
}
