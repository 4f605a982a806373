//! What the signalling half hears: ports, legs, rounds of offer and answer, refusals.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops where something is not as it should be"
)]

mod common;

use std::time::Duration;

use common::world::{A, B, World, config, ip};
use common::{Ear, End, Mouth, agreed, next_key, prepare, rtp_of, speech};
use msp_core::ErrorKind;
use msp_core::event::{Cause, EventKind};
use msp_core::id::{Generation, LegId};
use msp_core::link::{Envelope, Finality, OfferRole, PrepareSlot, ToMsp, ToTsp};
use msp_core::media::{MediaDirection, MediaKind, MediaKinds};
use msp_core::params::{MediaParams, MediaSlot, Profile, SecurityPolicy};
use msp_core::provider::{MediaCallState, Provider};
use msp_core::terminal::Terminal;
use msp_engine::sim::Simulation;

fn refusal(answer: ToTsp) -> ErrorKind {
    match answer {
        ToTsp::Refused(error) => error.kind(),
        other => panic!("{other:?}"),
    }
}

// Shows: ports are opened when a call is prepared, rest after use, and nothing is held after the end | RFC 3264 5.1
#[test]
fn c03_making_a_call_opens_no_port_and_preparing_it_opens_a_pair() {
    let mut world = World::new(1);
    let (a, _b) = world.ends();
    let unused = world.one.unused_ports();
    assert_eq!(a.call.streams().len(), 2);
    assert_eq!(a.call.state(), MediaCallState::Idle);
    assert_eq!(world.one.live_pairs(), 0);

    let sim = &mut world.sim;
    let local = a.prepare(OfferRole::Offerer, ip(B), &mut || {
        sim.run_for(Duration::from_millis(1));
    });
    assert_eq!(a.call.state(), MediaCallState::Prepared);
    assert_eq!(
        (world.one.live_pairs(), world.one.unused_ports()),
        (1, unused - 1)
    );
    let (rtp, rtcp) = (rtp_of(&local), local.rtcp.local.unwrap().advertised);
    assert_eq!(rtp.ip(), ip(A));
    assert!(rtp.port().is_multiple_of(2) && rtcp.port() == rtp.port() + 1);
    assert_eq!(local.direction, MediaDirection::SendRecv);
    let names: Vec<_> = local.receive.iter().map(|m| &*m.codec.name).collect();
    assert_eq!(names[..3], ["PCMU", "PCMA", "L16"]);
    assert_eq!(local.receive[0].payload_type.0, 0);
    assert!(names.contains(&"telephone-event"));
    assert!(world.sim.socket(rtp).is_err() && world.sim.socket(rtcp).is_err());

    // Preparing again opens nothing more.
    let sim = &mut world.sim;
    let again = a.prepare(OfferRole::Offerer, ip(B), &mut || {
        sim.run_for(Duration::from_millis(1));
    });
    assert_eq!(again, local);
    assert_eq!(world.one.live_pairs(), 1);
}

// Shows: ports are opened when a call is prepared, rest after use, and nothing is held after the end
#[test]
fn c06_after_the_end_a_call_can_be_asked_but_holds_nothing() {
    let mut world = World::new(2);
    let (a, b) = world.ends();
    let unused = world.one.unused_ports();
    let mouth = Mouth::new(speech(1, 8000, 8000));
    a.capture().select(mouth.clone()).unwrap();
    let (params, _) = world.agree(&a, &b);
    world.run_ms(100);
    a.say(ToMsp::Disconnected {
        cause: Cause::RemoteRequest,
    });
    world.run_ms(20);
    assert_eq!(a.call.state(), MediaCallState::Disconnected);
    assert_eq!(
        (world.one.live_pairs(), world.one.unused_ports()),
        (0, unused)
    );
    assert!(
        world.sim.socket(rtp_of(&params)).is_ok(),
        "the port is free"
    );
    assert!(a.capture().stats().sent.packets >= 4, "the numbers stay");
    assert!(a.capture().terminals().is_empty());
    assert_eq!(
        a.capture().select(mouth).unwrap_err().kind(),
        ErrorKind::Closed
    );
    let last = a.seen().pop().unwrap();
    assert_eq!(
        (last.kind, last.cause),
        (EventKind::StreamInactive, Cause::RemoteRequest)
    );
    // The signalling half is told, should it go on.
    a.say(prepare(OfferRole::Offerer, ip(B)));
    world.run_ms(5);
    assert_eq!(refusal(a.answer(&mut || ())), ErrorKind::Closed);
}

#[test]
fn c04_a_message_for_an_unknown_call_waits_a_moment_and_is_refused_then() {
    let mut world = World::new(3);
    let open = world.one.open("line").unwrap();
    let send = |call, body| {
        open.link
            .sender
            .send(Envelope {
                call,
                leg: LegId::FIRST,
                generation: Generation(0),
                body,
            })
            .unwrap();
    };
    let never = next_key();
    send(never, ToMsp::Commit);
    world.run_ms(1);
    let answer = open.link.receiver.try_recv().unwrap().unwrap();
    assert_eq!(
        (answer.call, refusal(answer.body)),
        (never, ErrorKind::InvalidCall)
    );

    send(never, prepare(OfferRole::Offerer, ip(B)));
    world.run_ms(499);
    assert_eq!(open.link.receiver.try_recv().unwrap(), None);
    world.run_ms(10);
    let answer = open.link.receiver.try_recv().unwrap().unwrap();
    assert_eq!(
        (answer.call, refusal(answer.body)),
        (never, ErrorKind::InvalidCall)
    );

    let soon = next_key();
    send(soon, prepare(OfferRole::Answerer, ip(B)));
    world.run_ms(50);
    let call = open.address.create_call(soon, MediaKinds::AUDIO).unwrap();
    world.run_ms(1);
    let answer = open.link.receiver.try_recv().unwrap().unwrap();
    assert!(matches!(answer.body, ToTsp::Local(_)), "{answer:?}");
    assert_eq!(call.state(), MediaCallState::Prepared);
}

#[test]
fn c01_c02_addresses_are_apart_and_calls_are_made_once() {
    let world = World::new(4);
    let (x, y) = (world.one.open("x").unwrap(), world.one.open("x").unwrap());
    assert_ne!(x.address.id(), y.address.id());
    let key = next_key();
    let kinds = MediaKinds::AUDIO.with(MediaKind::Video);
    let refused = x.address.create_call(key, kinds).err().unwrap();
    assert_eq!(refused.kind(), ErrorKind::InvalidMediaType);
    let nothing = x.address.create_call(key, MediaKinds::NONE).err().unwrap();
    assert_eq!(nothing.kind(), ErrorKind::InvalidMediaType);
    let call = x.address.create_call(key, MediaKinds::AUDIO).unwrap();
    let twice = y.address.create_call(key, MediaKinds::AUDIO).err().unwrap();
    assert_eq!(twice.kind(), ErrorKind::CallExists);
    x.address.close();
    x.address.close();
    assert_eq!(call.state(), MediaCallState::Disconnected);
    let closed = x.address.create_call(next_key(), MediaKinds::AUDIO);
    assert_eq!(closed.err().unwrap().kind(), ErrorKind::Closed);
    y.address.create_call(key, MediaKinds::AUDIO).unwrap();
}

// Shows: ports are opened when a call is prepared, rest after use, and nothing is held after the end
#[test]
fn ports_rest_before_they_are_used_again_and_foreign_ones_are_passed_over() {
    let mut sim = Simulation::new(5);
    let engine = sim
        .engine(
            config(A)
                .ports(20_000..=20_003)
                .quarantine(Duration::from_secs(3)),
        )
        .unwrap();
    let foreign = sim.socket("192.0.2.1:20001".parse().unwrap()).unwrap();
    let open = |sim: &mut Simulation| {
        let end = End::new(&engine, "line");
        end.say(prepare(OfferRole::Offerer, ip(B)));
        let answer = end.answer(&mut || sim.run_for(Duration::from_millis(1)));
        (end, answer)
    };
    let (first, local) = open(&mut sim);
    let ToTsp::Local(local) = local else {
        panic!("{local:?}")
    };
    assert_eq!(rtp_of(&local[0]).port(), 20_002);
    let (_, none) = open(&mut sim);
    assert_eq!(refusal(none), ErrorKind::ResourceUnavailable);

    first.call.close();
    drop(foreign);
    sim.run_for(Duration::from_millis(2900));
    let (_, resting) = open(&mut sim);
    assert_eq!(refusal(resting), ErrorKind::ResourceUnavailable);
    sim.run_for(Duration::from_millis(200));
    let (_again, rested) = open(&mut sim);
    assert!(matches!(rested, ToTsp::Local(_)));
}

#[test]
fn what_cannot_be_done_is_refused() {
    let mut world = World::new(6);
    let (a, _b) = world.ends();
    let mut ask = |body| {
        a.say(body);
        let sim = &mut world.sim;
        a.answer(&mut || sim.run_for(Duration::from_millis(1)))
    };
    let no_family = ask(prepare(OfferRole::Offerer, ip("2001:db8::1")));
    assert_eq!(refusal(no_family), ErrorKind::ResourceUnavailable);
    let early = ask(ToMsp::Apply {
        finality: Finality::Final,
        params: vec![MediaParams::new(MediaSlot(0), MediaKind::Audio)],
    });
    assert_eq!(refusal(early), ErrorKind::WrongState);

    // A slot of a kind that is not carried is refused beside the one that is.
    let mixed = ask(ToMsp::Prepare {
        role: OfferRole::Answerer,
        slots: [(0, MediaKind::Audio), (1, MediaKind::Video)]
            .map(|(slot, kind)| PrepareSlot {
                slot: MediaSlot(slot),
                kind,
                direction: MediaDirection::RecvOnly,
                profile: Profile::Avp,
            })
            .to_vec(),
        policy: SecurityPolicy::Off,
        toward: Some(ip(B)),
    });
    let ToTsp::Local(local) = mixed else {
        panic!("{mixed:?}")
    };
    assert!(!local[0].refused && local[1].refused);
    assert_eq!(local[0].direction, MediaDirection::RecvOnly);

    let nothing_in_common = ask(ToMsp::Apply {
        finality: Finality::Final,
        params: vec![MediaParams::new(MediaSlot(0), MediaKind::Audio)],
    });
    assert_eq!(refusal(nothing_in_common), ErrorKind::PeerIncompatible);
    let no_such_slot = ask(ToMsp::Direction {
        slot: MediaSlot(9),
        direction: MediaDirection::Inactive,
        cause: Cause::LocalRequest,
    });
    assert_eq!(refusal(no_such_slot), ErrorKind::InvalidStream);
}

// Shows: a stream flows once it is wanted, allowed and has a terminal, whichever comes last
#[test]
fn c07_c08_a_stream_flows_whichever_comes_last_and_stops_when_told() {
    let mut world = World::new(7);
    let (a, b) = world.ends();
    let mouth = Mouth::new(speech(1, 80_000, 8000));
    a.capture().select(mouth.clone()).unwrap();
    world.agree(&a, &b);
    world.run_ms(100);
    let ear = Ear::new();
    b.render().select(ear.clone()).unwrap();
    world.run_ms(100);
    let seen = |end: &End| -> Vec<_> {
        end.seen()
            .into_iter()
            .map(|e| (e.kind, e.cause, e.scope.stream))
            .filter(|(k, ..)| matches!(k, EventKind::StreamActive | EventKind::StreamInactive))
            .collect()
    };
    let (capture, render) = (a.capture().id(), b.render().id());
    assert_eq!(
        seen(&a),
        [(EventKind::StreamActive, Cause::RemoteRequest, Some(capture))]
    );
    assert_eq!(
        seen(&b),
        [(EventKind::StreamActive, Cause::LocalRequest, Some(render))]
    );
    a.capture().pause().unwrap();
    let said = mouth.said.load(std::sync::atomic::Ordering::Relaxed);
    world.run_ms(500);
    assert_eq!(mouth.said.load(std::sync::atomic::Ordering::Relaxed), said);
    a.capture().start().unwrap();
    world.run_ms(100);
    assert!(mouth.said.load(std::sync::atomic::Ordering::Relaxed) > said);
    a.say(ToMsp::Direction {
        slot: MediaSlot(0),
        direction: MediaDirection::RecvOnly,
        cause: Cause::RemoteRequest,
    });
    world.run_ms(20);
    assert!(!a.capture().flow().flows());
    assert_eq!(
        seen(&a)
            .iter()
            .map(|(k, c, _)| (k.clone(), *c))
            .collect::<Vec<_>>(),
        [
            (EventKind::StreamInactive, Cause::LocalRequest),
            (EventKind::StreamActive, Cause::LocalRequest),
            (EventKind::StreamInactive, Cause::RemoteRequest),
        ]
    );
    b.render().unselect(ear.id()).unwrap();
    world.run_ms(20);
    assert_eq!(
        seen(&b),
        [(EventKind::StreamInactive, Cause::LocalRequest, Some(render))]
    );
}

// Shows: a change that fails goes back to what ran before | RFC 6141
#[test]
fn a_round_is_rolled_back_to_what_ran_before() {
    let mut world = World::new(8);
    let (a, b) = world.ends();
    let mouth = Mouth::new(speech(1, 80_000, 8000));
    a.capture().select(mouth).unwrap();
    let (params, _) = world.agree(&a, &b);
    a.say(ToMsp::Commit);
    let sim = &mut world.sim;
    let mut wait = || sim.run_for(Duration::from_millis(1));
    a.say_on(0, 1, prepare(OfferRole::Offerer, ip(B)));
    assert!(matches!(a.answer(&mut wait), ToTsp::Local(_)));
    let held = MediaParams {
        direction: MediaDirection::RecvOnly,
        ..params
    };
    a.say_on(
        0,
        1,
        ToMsp::Apply {
            finality: Finality::Provisional,
            params: vec![held],
        },
    );
    assert_eq!(a.answer(&mut wait), ToTsp::Applied);
    assert!(!a.capture().flow().flows());
    a.say_on(0, 1, ToMsp::Rollback);
    wait();
    assert!(a.capture().flow().flows());
    // A late message of a round that is over is told.
    a.say_on(0, 1, prepare(OfferRole::Offerer, ip(B)));
    assert!(matches!(a.answer(&mut wait), ToTsp::Local(_)));
    a.say_on(0, 0, ToMsp::Commit);
    assert_eq!(refusal(a.answer(&mut wait)), ErrorKind::StaleMessage);
}

// Shows: forked calls: one leg is heard at a time, the others end with the answer
#[test]
fn one_leg_is_heard_at_a_time_and_the_others_end_with_the_answer() {
    let mut sim = Simulation::new(9);
    let one = sim.engine(config(A)).unwrap();
    let others: Vec<_> = ["192.0.2.11", "192.0.2.12"]
        .map(|at| sim.engine(config(at)).unwrap())
        .into();
    let a = End::new(&one, "caller");
    let ear = Ear::new();
    a.render().select(ear.clone()).unwrap();
    let mut wait = |ms| sim.run_for(Duration::from_millis(ms));
    let offer = a.prepare(OfferRole::Offerer, ip(B), &mut || wait(1));

    // Two phones ring and play something; each is a leg of its own.
    let loud = |level: i16| vec![level; 80_000];
    let phones: Vec<End> = others.iter().map(|e| End::new(e, "callee")).collect();
    let mut answers = Vec::new();
    for (n, phone) in phones.iter().enumerate() {
        phone
            .capture()
            .select(Mouth::new(loud(1000 * (n as i16 + 1))))
            .unwrap();
        let answer = phone.prepare(OfferRole::Answerer, ip(A), &mut || wait(1));
        phone.apply(agreed(&answer, &offer), &mut || wait(1));
        a.say_on(
            n as u32 + 1,
            0,
            ToMsp::Apply {
                finality: Finality::Provisional,
                params: vec![agreed(&offer, &answer)],
            },
        );
        assert_eq!(a.answer(&mut || wait(1)), ToTsp::Applied);
        answers.push(answer);
        wait(500);
    }
    let near = |level: i16, s: i16| (s - level).abs() < 40;
    let heard = ear.samples();
    assert!(heard.iter().any(|s| near(1000, *s)));
    assert!(near(2000, *heard.last().unwrap()), "the newest is heard");

    // The first is picked up: the second is dropped.
    a.say_on(
        1,
        0,
        ToMsp::Apply {
            finality: Finality::Final,
            params: vec![agreed(&offer, &answers[0])],
        },
    );
    assert_eq!(a.answer(&mut || wait(1)), ToTsp::Applied);
    wait(300);
    let before = ear.samples().len();
    wait(500);
    let heard = ear.samples();
    assert!(heard[before..].iter().all(|s| near(1000, *s)));
}
