//! Requests for which there is no time.

use bytes::Bytes;
use tsp_sip::call::Weight;
use tsp_sip::transport::Flow;

use crate::peer::{
    PEER, SDP, US, alone, ask, ask_once, call_up, change, field, ms, plain, tag, with_sdp, within,
};
use crate::support::{Manner, World};

fn invite(branch: &str) -> String {
    let text = plain("INVITE sip:user@192.0.2.2", branch, "1 INVITE", "");
    with_sdp(&text, SDP)
}

fn on_the_wire(text: &str) -> Bytes {
    text.replace('\n', "\r\n").into()
}

fn flow() -> Flow {
    Flow::udp(
        US.parse().expect("an address"),
        PEER.parse().expect("an address"),
    )
}

fn is_stranger(w: &mut World, text: &str) -> bool {
    let now = w.now;
    let weight = w.phones[0].agent.weigh(now, flow(), &on_the_wire(text));
    weight == Weight::Stranger
}

fn turn_away(w: &mut World, text: &str) -> Vec<String> {
    let now = w.now;
    w.phones[0].agent.turn_away(now, flow(), &on_the_wire(text));
    w.drain(0);
    w.run(ms(1));
    w.heard()
}

// Shows: only what would begin something is turned away: nothing of a call, no copy of what came before, no response | overload
#[test]
fn what_belongs_to_something_is_never_turned_away() {
    let mut w = alone(Manner::Answer);
    for text in [
        invite("new"),
        plain("OPTIONS sip:user@192.0.2.2", "o", "1 OPTIONS", ""),
        plain("REGISTER sip:192.0.2.2", "r", "1 REGISTER", ""),
        plain("MESSAGE sip:user@192.0.2.2", "m", "1 MESSAGE", ""),
        plain("SUBSCRIBE sip:user@192.0.2.2", "s", "1 SUBSCRIBE", ""),
    ] {
        assert!(is_stranger(&mut w, &text), "{text}");
    }
    let our_tag = call_up(&mut w, "up");
    assert!(!is_stranger(&mut w, &change("up", 2, &our_tag)));
    for method in [
        "OPTIONS",
        "MESSAGE",
        "SUBSCRIBE",
        "ACK",
        "BYE",
        "INFO",
        "UPDATE",
    ] {
        let text = within(method, "up", 2, &our_tag, "");
        assert!(!is_stranger(&mut w, &text), "{text}");
    }
    // Copies of the INVITE that made the call, and of a request that was answered.
    assert!(!is_stranger(&mut w, &invite("up")));
    let options = plain("OPTIONS sip:user@192.0.2.2", "once", "1 OPTIONS", "");
    assert!(is_stranger(&mut w, &options));
    ask_once(&mut w, &options);
    assert!(!is_stranger(&mut w, &options));
    let response = "SIP/2.0 200 OK\nVia: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bKno\nFrom: <sip:a@b>;tag=1\n\
                    To: <sip:c@d>;tag=2\nCall-ID: nothing\nCSeq: 1 INVITE\n\n";
    for text in [
        response,
        &within("ACK", "none", 2, "none", ""),
        &within("INVITE", "none", 2, "none", ""),
    ] {
        assert!(is_stranger(&mut w, text), "{text}");
        assert_eq!(turn_away(&mut w, text), Vec::<String>::new(), "{text}");
    }
    assert_eq!(w.phones[0].agent.stats().dropped_unread, 3);
    // A copy that waits while the first is served is one in the end.
    let heard = turn_away(&mut w, &options);
    assert!(heard[0].starts_with("SIP/2.0 200"), "{heard:?}");
    assert_eq!(w.phones[0].agent.stats().turned_away_unread, 0);
}

// Shows: what is turned away gets 503 with Retry-After, its ACK is no work, and nothing is kept | overload
#[test]
fn what_is_turned_away_leaves_nothing() {
    let mut w = alone(Manner::Answer);
    let our_tag = call_up(&mut w, "up");
    let kept = w.phones[0].agent.kept();
    let heard = turn_away(&mut w, &invite("excess"));
    let [refusal] = &heard[..] else {
        panic!("{heard:?}")
    };
    assert!(refusal.starts_with("SIP/2.0 503 "), "{refusal}");
    let seconds: u64 = field(refusal, "Retry-After").unwrap().parse().unwrap();
    assert!((1..5).contains(&seconds));
    assert_eq!(field(refusal, "Call-ID"), Some("c-excess"));
    assert_eq!(field(refusal, "CSeq"), Some("1 INVITE"));
    let excess_tag = tag(refusal, "To");
    // Another copy gets the same tag (RFC 3261 section 8.2.7).
    let again = turn_away(&mut w, &invite("excess"));
    assert_eq!(tag(&again[0], "To"), excess_tag);
    let ack = plain("ACK sip:user@192.0.2.2", "excess", "1 ACK", "").replace(
        "To: <sip:user@192.0.2.2>",
        &format!("To: <sip:user@192.0.2.2>;tag={excess_tag}"),
    );
    assert_eq!(ask(&mut w, &ack), Vec::<String>::new());
    let stats = w.phones[0].agent.stats();
    assert_eq!((stats.turned_away_unread, stats.excess_acks), (2, 1));
    assert_eq!(stats.stray_acks, 0);
    assert_eq!(w.phones[0].agent.kept(), kept);
    // What cannot be answered is dropped.
    assert_eq!(
        turn_away(&mut w, "INVITE sip:user@192.0.2.2 SIP/2.0\n\n"),
        Vec::<String>::new()
    );
    assert_eq!(w.phones[0].agent.stats().dropped_unread, 1);
    // When there is time again the same request is served, and the call beside it was never touched.
    let heard = ask(&mut w, &invite("excess"));
    assert!(
        heard.iter().any(|m| m.starts_with("SIP/2.0 200")),
        "{heard:?}"
    );
    let ok = ask_once(&mut w, &within("BYE", "up", 2, &our_tag, ""));
    assert!(ok.starts_with("SIP/2.0 200"), "{ok}");
}
