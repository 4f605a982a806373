//! Exchanges of other stacks with the outcome that they expect: pjproject's and baresip's.

use serde_json::Value;
use tsp_sdp::{OfferAnswer, Policy};

use crate::support::{ALL_CODECS, Gist, corpus, files, gist, leg_of, local_of, numbers, version};

/// Each must be run, or the test proves nothing.
const EXCHANGES_OF_PJPROJECT: usize = 16;

fn text<'a>(exchange: &'a Value, key: &str) -> Option<&'a str> {
    exchange.get(key).and_then(Value::as_str)
}

/// With video declined, which they had and we have not.
fn without_video(mut gist: Vec<Gist>) -> Vec<Gist> {
    for (kind, on, formats, direction) in &mut gist {
        if kind == "video" {
            *on = false;
        }
        if !*on {
            // Of a medium that is off, only the place matters.
            formats.clear();
            *direction = msp_core::media::MediaDirection::SendRecv;
        }
    }
    gist
}

fn policy(exchange: &Value) -> Policy {
    if exchange.get("answer_multiple_codecs") == Some(&Value::Bool(true)) {
        ALL_CODECS
    } else {
        Policy::default()
    }
}

fn run(title: &str, exchanges: &[Value]) -> usize {
    let mut leg: Option<(OfferAnswer, Policy)> = None;
    let mut capability = String::new();
    let mut count = 0;
    for exchange in exchanges {
        let policy = policy(exchange);
        let first = ["our_answer_expected", "our_offer"]
            .iter()
            .find_map(|key| text(exchange, key))
            .expect("our part");
        // Their stack can change its mind about the number of codecs in a call; our policy stays.
        let fresh = !matches!(&leg, Some((_, before)) if *before == policy);
        let (machine, _) = match &mut leg {
            Some(leg) if leg.1 == policy => leg,
            _ => leg.insert((leg_of("-", version(first), policy), policy)),
        };
        if let Some(offer) = text(exchange, "our_offer") {
            capability = offer.to_string();
            let ours = machine.create_offer(local_of(offer)).expect("an offer");
            let ours = ours.to_string();
            assert_eq!(
                without_video(gist(&ours)),
                without_video(gist(offer)),
                "{title}"
            );
            let answer = text(exchange, "their_answer").expect("an answer");
            let agreement = machine
                .receive_answer(answer.as_bytes())
                .expect("agreement");
            let active = text(exchange, "our_active_local").expect("the outcome");
            for (params, expected) in agreement.params.iter().zip(gist(active)) {
                if expected.0 == "video" || !expected.1 {
                    assert!(params.refused, "{title}");
                    continue;
                }
                assert!(!params.refused, "{title}");
                let ours = numbers(&params.receive[..params.send.len()]);
                let ours: Vec<String> = ours.iter().map(ToString::to_string).collect();
                assert_eq!(ours, expected.2, "{title}");
                assert_eq!(params.direction, expected.3, "{title}");
            }
            assert_eq!(agreement.params.len(), gist(active).len(), "{title}");
        } else {
            let offer = text(exchange, "their_offer").expect("an offer");
            if let Some(ours) = text(exchange, "our_capability") {
                capability = ours.to_string();
            }
            machine.receive_offer(offer.as_bytes()).expect("an offer");
            let answer = machine
                .create_answer(local_of(&capability))
                .expect("an answer")
                .description
                .to_string();
            let expected = text(exchange, "our_answer_expected").expect("the outcome");
            assert_eq!(
                without_video(gist(&answer)),
                without_video(gist(expected)),
                "{title}"
            );
            // Where only the video differs, the step of the version may differ too.
            if !fresh && !expected.contains("m=video") {
                assert_eq!(version(&answer), version(expected), "{title}");
            }
        }
        count += 1;
    }
    count
}

#[test]
fn exchanges_of_pjproject() {
    let Some(directory) = corpus("05-sdp/oa") else {
        return;
    };
    let mut count = 0;
    for path in files(&directory, &[".json"]) {
        let json = std::fs::read(&path).unwrap();
        let case: Value = serde_json::from_slice(&json).unwrap();
        let title = text(&case, "title").unwrap();
        if let Some(exchanges) = case.get("exchanges").and_then(Value::as_array) {
            count += run(title, exchanges);
        }
    }
    assert_eq!(count, EXCHANGES_OF_PJPROJECT);
}

#[test]
fn exchanges_of_baresip() {
    let Some(directory) = corpus("05-sdp/oa") else {
        return;
    };
    let mut count = 0;
    for path in files(&directory, &[".json"]) {
        let json = std::fs::read(&path).unwrap();
        let case: Value = serde_json::from_slice(&json).unwrap();
        let (Some(offer), Some(answer)) = (text(&case, "offer"), text(&case, "answer")) else {
            continue;
        };
        // As the one who answers.
        let mut bob = leg_of("bob", version(answer), ALL_CODECS);
        bob.receive_offer(offer.as_bytes()).unwrap();
        let ours = bob.create_answer(local_of(answer)).unwrap();
        let ours = ours.description.to_string();
        assert_eq!(without_video(gist(&ours)), without_video(gist(answer)));
        assert_eq!(version(&ours), version(answer));
        // As the one who offered.
        if !gist(offer).is_empty() {
            let mut alice = leg_of("alice", 1, Policy::default());
            alice.create_offer(local_of(offer)).unwrap();
            let agreement = alice.receive_answer(answer.as_bytes()).unwrap();
            let formats: Vec<String> = numbers(&agreement.params[0].send)
                .iter()
                .map(ToString::to_string)
                .collect();
            assert_eq!(formats, gist(answer)[0].2);
        }
        count += 1;
    }
    assert_eq!(count, 3);
}
