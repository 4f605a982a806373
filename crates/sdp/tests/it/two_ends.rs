//! Two machines talk to each other: whatever they can do, every answer is legal and both ends mean the same.

use msp_core::media::MediaDirection;
use msp_core::params::{MediaParams, PayloadMapping};
use proptest::prelude::*;
use tsp_sdp::{
    CodecOrder, LaterAnswers, OfferAnswer, Policy, RemoteSession, SessionDescription, State,
};

use crate::support::{ALL_CODECS, at, audio, format, gist, leg_of, version};

/// Encodings under the numbers that one end gives them.
fn codecs() -> impl Strategy<Value = Vec<PayloadMapping>> {
    let all = prop::sample::subsequence(
        vec![
            (Some(0), "PCMU", 8000),
            (Some(8), "PCMA", 8000),
            (Some(9), "G722", 8000),
            (None, "L16", 8000),
            (None, "L16", 16_000),
            (None, "opus", 48_000),
            (None, "telephone-event", 8000),
            (None, "telephone-event", 16_000),
            (None, "telephone-event", 48_000),
            (Some(13), "CN", 8000),
        ],
        1..=10,
    );
    (all.prop_shuffle(), 96_u8..=117).prop_map(|(list, first)| {
        let mut next = first;
        list.into_iter()
            .map(|(number, name, clock)| {
                let number = number.unwrap_or_else(|| {
                    next += 1;
                    next - 1
                });
                let mut mapping = format(number, name, clock);
                if name == "opus" {
                    mapping.codec.channels = 2;
                }
                if name == "telephone-event" {
                    mapping.parameters = Some("0-16".into());
                }
                mapping
            })
            .collect()
    })
}

fn direction() -> impl Strategy<Value = MediaDirection> {
    (any::<bool>(), any::<bool>()).prop_map(|(send, receive)| MediaDirection::new(send, receive))
}

fn medium() -> impl Strategy<Value = MediaParams> {
    (
        codecs(),
        direction(),
        any::<[bool; 4]>(),
        prop::option::of(1_u64..=60),
    )
        .prop_map(
            |(codecs, direction, [mux, refused, separate, rsize], ptime)| {
                let mut params = audio(0, 4000, &codecs);
                params.direction = direction;
                params.refused = refused;
                params.rtcp.mux = mux;
                params.rtcp.reduced_size = rsize;
                params.rtcp.local = Some(at(if separate { 4400 } else { 4001 }));
                params.ptime = ptime.map(std::time::Duration::from_millis);
                params
            },
        )
}

/// What the media half of one end says of up to four slots.
fn end() -> impl Strategy<Value = Vec<MediaParams>> {
    prop::collection::vec(medium(), 4)
}

fn policy() -> impl Strategy<Value = Policy> {
    any::<[bool; 2]>().prop_map(|[own, single_codec]| Policy {
        order: if own {
            CodecOrder::Own
        } else {
            CodecOrder::Offerer
        },
        single_codec,
        later_answers: LaterAnswers::Replace,
    })
}

fn slots(end: &[MediaParams], count: usize, base: u16) -> Vec<MediaParams> {
    end.iter()
        .take(count)
        .zip(0_u16..)
        .map(|(params, slot)| {
            let mut params = params.clone();
            params.slot.0 = slot;
            params.local = Some(at(base + 10 * slot));
            params.rtcp.local = params.rtcp.local.map(|l| {
                let offset = l.advertised.port() - 4000;
                at(base + 10 * slot + offset)
            });
            params
        })
        .collect()
}

/// What RFC 3264 section 6 demands of every answer.
fn legal(offer: &str, answer: &str) {
    let (offered, answered) = (gist(offer), gist(answer));
    assert_eq!(offered.len(), answered.len(), "{offer}\n{answer}");
    for (offer, answer) in offered.iter().zip(&answered) {
        assert_eq!(offer.0, answer.0);
        assert!(offer.1 || !answer.1, "what is off stays off");
        if answer.1 {
            assert!(answer.2.iter().all(|f| offer.2.contains(f)));
            let possible = offer.3.reversed();
            assert!(!answer.3.sends() || possible.sends());
            assert!(!answer.3.receives() || possible.receives());
        } else {
            assert_eq!(offer.2, answer.2, "refused with the same formats");
        }
    }
}

/// Both ends must mean the same by what each of them believes to have agreed.
fn same_meaning(one: &[MediaParams], other: &[MediaParams]) {
    assert_eq!(one.len(), other.len());
    for (a, b) in one.iter().zip(other) {
        assert_eq!(a.slot, b.slot);
        assert_eq!(a.refused, b.refused);
        if a.refused {
            continue;
        }
        assert_eq!(a.direction, b.direction.reversed());
        assert_eq!(a.rtcp.mux, b.rtcp.mux);
        assert_eq!(a.rtcp.reduced_size, b.rtcp.reduced_size);
        assert_eq!(a.remote, b.local.map(|l| l.advertised));
        let reports = |p: &MediaParams| if p.rtcp.mux { p.local } else { p.rtcp.local };
        assert_eq!(a.rtcp.remote, reports(b).map(|l| l.advertised));
        let first = a.send_codec().expect("a sound codec");
        let meant = b
            .receive
            .iter()
            .find(|m| m.payload_type == first.payload_type);
        assert!(
            meant.is_some_and(|m| m.codec.matches(&first.codec)),
            "{a:?} {b:?}"
        );
        for sent in &a.send {
            let heard = b
                .receive
                .iter()
                .find(|m| m.payload_type == sent.payload_type);
            assert!(
                heard.is_some_and(|m| m.codec.matches(&sent.codec)),
                "{a:?} {b:?}"
            );
            assert_eq!(heard.and_then(|m| m.parameters.clone()), sent.parameters);
        }
        let back = b.send_codec().expect("a sound codec");
        assert!(first.codec.matches(&back.codec), "one codec both ways");
    }
}

/// One round; whether it came to an agreement.
fn round(
    offerer: &mut OfferAnswer,
    answerer: &mut OfferAnswer,
    offer: Vec<MediaParams>,
    answer: Vec<MediaParams>,
) -> bool {
    let Ok(text) = offerer.create_offer(offer) else {
        return false;
    };
    let text = text.to_string();
    answerer
        .receive_offer(text.as_bytes())
        .expect("we read what we write");
    let Ok(answer) = answerer.create_answer(answer) else {
        answerer.rollback();
        offerer.rollback();
        return false;
    };
    let answered = answer.description.to_string();
    legal(&text, &answered);
    let agreement = offerer
        .receive_answer(answered.as_bytes())
        .expect("a legal answer");
    same_meaning(&agreement.params, &answer.agreement.params);
    assert_eq!(offerer.state(), State::Stable);
    assert_eq!(answerer.state(), State::Stable);
    true
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    /// Several rounds in one call, either end offering, media coming and going, every number keeping its meaning.
    #[test]
    fn both_ends_agree(
        rounds in prop::collection::vec((end(), end(), 1_usize..=4, any::<bool>()), 1..6),
        policies in (policy(), policy()),
    ) {
        let mut alice = leg_of("alice", 1, policies.0);
        let mut bob = leg_of("bob", 7, policies.1);
        let mut meanings: Vec<(u16, bool, u8, String)> = Vec::new();
        let mut places = 0;
        for (ours, theirs, count, turn) in rounds {
            let (offerer, answerer) = if turn { (&mut alice, &mut bob) } else { (&mut bob, &mut alice) };
            let offer = slots(&ours, count, 10_000);
            let answer = slots(&theirs, 4, 20_000);
            if round(offerer, answerer, offer, answer) {
                let sent = offerer.sent().expect("an offer").as_str().matches("\r\nm=").count();
                prop_assert!(sent >= places, "m-lines never go away");
                places = sent;
                for (end, machine) in [(true, &alice), (false, &bob)] {
                    for params in machine.negotiated().expect("agreed") {
                        for m in &params.receive {
                            let key = (params.slot.0, end, m.payload_type.0);
                            let codec = format!("{:?}", m.codec).to_ascii_lowercase();
                            let known = meanings.iter().find(|k| (k.0, k.1, k.2) == key);
                            if let Some(known) = known {
                                prop_assert_eq!(&known.3, &codec, "a number changed its meaning");
                            } else {
                                meanings.push((key.0, key.1, key.2, codec));
                            }
                        }
                    }
                }
            }
        }
    }

    /// What our end writes, the other reads as it was meant.
    #[test]
    fn what_is_written_is_read(end in end()) {
        let local = slots(&end, 4, 10_000);
        let mut alice = leg_of("alice", 1, ALL_CODECS);
        if let Ok(offer) = alice.create_offer(local.clone()) {
            let parsed = SessionDescription::parse(offer.to_string().as_bytes()).expect("ours");
            let session = RemoteSession::read(&parsed).expect("ours");
            prop_assert_eq!(&session.ignored, &[]);
            for (read, meant) in session.media.iter().zip(&local) {
                let read = read.params.as_ref().expect("sound");
                prop_assert_eq!(read.refused, meant.refused);
                if !meant.refused {
                    prop_assert_eq!(&read.send, &meant.receive);
                    prop_assert_eq!(read.direction, meant.direction.reversed());
                    prop_assert_eq!(read.ptime, meant.ptime);
                    prop_assert_eq!(read.remote, meant.local.map(|l| l.advertised));
                    prop_assert_eq!(read.rtcp.mux, meant.rtcp.mux);
                }
            }
        }
    }

    /// Versions go up by one with a change, and only then.
    #[test]
    fn versions_step_with_changes(ends in prop::collection::vec(end(), 2..5), repeat in any::<bool>()) {
        let mut alice = leg_of("alice", 1, Policy::default());
        let mut last: Option<String> = None;
        for end in ends {
            for _ in 0..=usize::from(repeat) {
                let Ok(offer) = alice.create_offer(slots(&end, 4, 10_000)) else { continue };
                let text = offer.to_string();
                if let Some(last) = &last {
                    let body = |t: &str| t.lines().filter(|l| !l.starts_with("o=")).map(String::from).collect::<Vec<_>>();
                    let step = u64::from(body(last) != body(&text));
                    prop_assert_eq!(version(&text), version(last) + step);
                }
                last = Some(text);
                alice.rollback();
            }
        }
    }
}
