//! Whatever the signalling half says, in whatever order: each question is answered once, nothing is left behind.
#![allow(
    clippy::unwrap_used,
    reason = "a test stops where something is not as it should be"
)]

mod common;

use std::time::Duration;

use common::world::{A, B, config, ip};
use common::{Ear, End, Mouth, speech};
use msp_core::event::{Cause, EventKind};
use msp_core::id::PayloadType;
use msp_core::link::{Finality, OfferRole, PrepareSlot, ToMsp, ToTsp};
use msp_core::media::{MediaDirection, MediaKind};
use msp_core::params::{
    CodecSpec, MediaParams, MediaSlot, PayloadMapping, Profile, SecurityPolicy,
};
use msp_core::provider::MediaCallState;
use msp_core::time::ClockRate;
use msp_engine::sim::Simulation;
use proptest::prelude::*;

fn direction() -> impl Strategy<Value = MediaDirection> {
    (any::<bool>(), any::<bool>()).prop_map(|(s, r)| MediaDirection::new(s, r))
}

fn kind() -> impl Strategy<Value = MediaKind> {
    prop_oneof![4 => Just(MediaKind::Audio), 1 => Just(MediaKind::Video)]
}

fn mapping() -> impl Strategy<Value = PayloadMapping> {
    let names = prop_oneof![
        Just("PCMU"),
        Just("pcma"),
        Just("L16"),
        Just("telephone-event"),
        Just("speex")
    ];
    let rates = prop_oneof![4 => Just(8000), 1 => Just(16_000), 1 => Just(44_100), 1 => Just(1)];
    (0u8..=255, names, rates).prop_map(|(pt, name, hz)| PayloadMapping {
        payload_type: PayloadType(pt),
        codec: CodecSpec::mono(name, ClockRate::new(hz).unwrap()),
        parameters: None,
    })
}

fn params() -> impl Strategy<Value = MediaParams> {
    let maps = || prop::collection::vec(mapping(), 0..4);
    let ptime = prop_oneof![Just(None), (0u64..100_000).prop_map(Some)];
    let flags = (any::<bool>(), any::<bool>());
    (
        0u16..3,
        kind(),
        maps(),
        maps(),
        direction(),
        ptime,
        flags,
        any::<u16>(),
    )
        .prop_map(
            |(slot, kind, send, receive, direction, ptime, (refused, mux), port)| {
                let mut params = MediaParams::new(MediaSlot(slot), kind);
                params.refused = refused && port % 4 == 0;
                params.direction = direction;
                params.send = send;
                params.receive = receive;
                params.ptime = ptime.map(Duration::from_micros);
                params.rtcp.mux = mux;
                params.remote = (port % 7 != 0).then(|| (ip(B), port).into());
                params
            },
        )
}

fn message() -> impl Strategy<Value = ToMsp> {
    let slots = prop::collection::vec(
        (0u16..3, kind(), direction()).prop_map(|(slot, kind, direction)| PrepareSlot {
            slot: MediaSlot(slot),
            kind,
            direction,
            profile: Profile::Avp,
        }),
        0..3,
    );
    let toward = prop_oneof![Just(None), Just(Some(ip(B))), Just(Some(ip("2001:db8::1")))];
    prop_oneof![
        6 => (slots, toward, any::<bool>()).prop_map(|(slots, toward, offers)| ToMsp::Prepare {
            role: if offers { OfferRole::Offerer } else { OfferRole::Answerer },
            slots,
            policy: SecurityPolicy::Off,
            toward,
        }),
        8 => (any::<bool>(), prop::collection::vec(params(), 0..3)).prop_map(|(last, params)| {
            ToMsp::Apply {
                finality: if last { Finality::Final } else { Finality::Provisional },
                params,
            }
        }),
        1 => Just(ToMsp::Commit),
        2 => Just(ToMsp::Rollback),
        1 => Just(ToMsp::DropLeg),
        1 => (0u16..3, direction()).prop_map(|(slot, direction)| ToMsp::Direction {
            slot: MediaSlot(slot),
            direction,
            cause: Cause::RemoteRequest,
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_question_is_answered_once_and_nothing_is_left(
        messages in prop::collection::vec((0u32..4, 0u32..4, message(), 0u64..60), 1..30),
        seed: u64,
    ) {
        let mut sim = Simulation::new(seed);
        let engine = sim.engine(config(A).quarantine(Duration::ZERO)).unwrap();
        let unused = engine.unused_ports();
        let end = End::new(&engine, "line");
        end.capture().select(Mouth::new(speech(1, 8000, 8000))).unwrap();
        end.render().select(Ear::new()).unwrap();
        let mut asked = 0;
        for (leg, generation, message, wait) in messages {
            asked += usize::from(matches!(message, ToMsp::Prepare { .. } | ToMsp::Apply { .. }));
            let may_fail = !matches!(message, ToMsp::Prepare { .. } | ToMsp::Apply { .. } | ToMsp::DropLeg);
            end.say_on(leg, generation, message);
            sim.run_for(Duration::from_millis(wait));
            sim.settle();
            let mut answers = Vec::new();
            while let Ok(Some(answer)) = end.link.receiver.try_recv() {
                prop_assert_eq!((answer.leg.0, answer.generation.0), (leg, generation));
                answers.push(answer.body);
            }
            if may_fail {
                prop_assert!(answers.iter().all(|a| matches!(a, ToTsp::Refused(_))));
                asked += answers.len();
            }
            asked -= answers.len();
        }
        prop_assert_eq!(asked, 0, "questions without an answer");
        end.say(ToMsp::Disconnected { cause: Cause::RemoteRequest });
        sim.run_for(Duration::from_millis(30));
        prop_assert_eq!(end.call.state(), MediaCallState::Disconnected);
        prop_assert_eq!((engine.live_pairs(), engine.unused_ports()), (0, unused));
        // Active and Inactive alternate on each stream, and end with Inactive.
        for stream in end.call.streams() {
            prop_assert!(!stream.flow().flows());
        }
        let mut flowing = [false; 2];
        for event in end.seen() {
            let Some(stream) = event.scope.stream else { continue };
            let active = match event.kind {
                EventKind::StreamActive => true,
                EventKind::StreamInactive => false,
                _ => continue,
            };
            let flow = &mut flowing[stream.0 as usize];
            prop_assert_ne!(*flow, active);
            *flow = active;
        }
        prop_assert_eq!(flowing, [false; 2]);
    }
}

#[test]
fn c05_nothing_arrives_after_an_address_was_closed() {
    let mut sim = Simulation::new(51);
    let engine = sim.engine(config(A)).unwrap();
    let end = End::new(&engine, "line");
    let local = end.prepare(OfferRole::Offerer, ip(B), &mut || {
        sim.run_for(Duration::from_millis(1));
    });
    let mut remote = local.clone();
    remote.local.as_mut().unwrap().advertised = (ip(B), 4000).into();
    end.capture()
        .select(Mouth::new(speech(1, 8000, 8000)))
        .unwrap();
    end.apply(common::agreed(&local, &remote), &mut || {
        sim.run_for(Duration::from_millis(1));
    });
    sim.run_for(Duration::from_millis(100));
    let _ = end.seen();
    end.address.close();
    let last = end.seen();
    assert_eq!(last.len(), 1);
    assert_eq!(
        (&last[0].kind, last[0].cause),
        (&EventKind::StreamInactive, Cause::LocalRequest)
    );
    sim.run_for(Duration::from_secs(1));
    assert_eq!(end.seen(), []);
    assert_eq!(engine.live_pairs(), 0);
}
