//! Calls whose media are encrypted with keys from signalling.
#![allow(
    clippy::unwrap_used,
    reason = "a test stops where something is not as it should be"
)]

mod common;

use common::world::{B, World, ip};
use common::{Ear, End, Mouth, agreed, find, prepare, rtp_of, speech};
use msp_codecs::{Pcmu, round_trip};
use msp_core::event::EventKind;
use msp_core::link::{Finality, OfferRole, ToMsp, ToTsp};
use msp_core::params::{KeyParams, MediaParams, MediaSlot, SecurityPolicy};
use msp_core::stats::DropReason;

/// What an end can do under `policy`, in this round.
fn local(world: &mut World, end: &End, round: u32, policy: SecurityPolicy) -> MediaParams {
    let mut message = prepare(OfferRole::Offerer, ip(B));
    if let ToMsp::Prepare { policy: p, .. } = &mut message {
        *p = policy;
    }
    end.say_on(0, round, message);
    match end.answer(&mut || world.run_ms(1)) {
        ToTsp::Local(mut params) => params.remove(0),
        other => panic!("{other:?}"),
    }
}

/// Has an end run on `params`; gives back what it says.
fn apply(world: &mut World, end: &End, round: u32, params: MediaParams) -> Vec<ToTsp> {
    let finality = Finality::Final;
    let params = vec![params];
    end.say_on(0, round, ToMsp::Apply { finality, params });
    world.run_ms(2);
    let mut said = Vec::new();
    while let Some(message) = end.link.receiver.try_recv().unwrap() {
        said.push(message.body);
    }
    said
}

/// What both agree on: with the keys of suite number `suite`, or in the clear.
fn both(a: &MediaParams, b: &MediaParams, suite: Option<usize>) -> [MediaParams; 2] {
    let keys = |local: &MediaParams, remote: &MediaParams| {
        let mut params = agreed(local, remote);
        params.keys = suite.map_or_else(KeyParams::default, |n| KeyParams {
            send: vec![local.keys.send[n].clone()],
            receive: vec![remote.keys.send[n].clone()],
        });
        params
    };
    [keys(a, b), keys(b, a)]
}

fn told(secured: bool) -> Vec<ToTsp> {
    let slot = MediaSlot(0);
    vec![ToTsp::Security { slot, secured }, ToTsp::Applied]
}

fn secured_events(end: &End) -> Vec<bool> {
    let kinds = end.kinds_seen();
    let secured = kinds.iter().filter_map(|k| match k {
        EventKind::Secured(secured) => Some(*secured),
        _ => None,
    });
    secured.collect()
}

// Shows: encrypted calls, each suite; re-offers change nothing; what turns plain is told | interop row 55
#[test]
fn a_call_is_encrypted_and_tells_when_it_is_no_longer() {
    for suite in 0..6 {
        let policy = SecurityPolicy::Optional;
        let mut world = World::new(41);
        let (a, b) = world.ends();
        let (said, ear) = (speech(4, 24_000, 8000), Ear::new());
        b.render().select(ear.clone()).unwrap();
        let at_a = local(&mut world, &a, 0, policy);
        let at_b = local(&mut world, &b, 0, policy);
        assert_eq!(at_a.keys.send.len(), 6);
        let [of_a, of_b] = both(&at_a, &at_b, Some(suite));
        assert_eq!(apply(&mut world, &b, 0, of_b.clone()), told(true));
        assert_eq!(apply(&mut world, &a, 0, of_a.clone()), told(true));
        world.run_ms(200);
        a.capture().select(Mouth::new(said.clone())).unwrap();
        world.run_ms(1000);
        // The same again, and the keys with it.
        let again = local(&mut world, &a, 1, policy);
        assert_eq!(again.keys, at_a.keys);
        assert_eq!(apply(&mut world, &a, 1, of_a), [ToTsp::Applied]);
        assert_eq!(local(&mut world, &b, 1, policy).keys, at_b.keys);
        assert_eq!(apply(&mut world, &b, 1, of_b.clone()), [ToTsp::Applied]);
        world.run_ms(1000);
        // A stranger on the wire repeats and forges.
        let tap = world
            .sim
            .socket("203.0.113.1:40000".parse().unwrap())
            .unwrap();
        let mut forged = vec![0x80; 182];
        forged[1] = 0;
        for n in 0..100u8 {
            forged[3] = n;
            tap.send(world.sim.now(), rtp_of(&of_b), &forged);
            world.run_ms(10);
        }
        world.run_ms(1000);
        let heard = find(&ear.samples(), &round_trip(&Pcmu, &said).unwrap());
        assert!(heard.is_some(), "heard to the sample, suite {suite}");
        let drops = b.render().stats().drops;
        assert_eq!(drops.get(DropReason::NotAuthentic), 100);
        assert_eq!(
            (secured_events(&a), secured_events(&b)),
            (vec![true], vec![true])
        );

        let [clear_a, clear_b] = both(&at_a, &at_b, None);
        local(&mut world, &a, 2, policy);
        local(&mut world, &b, 2, policy);
        assert_eq!(apply(&mut world, &a, 2, clear_a), told(false));
        assert_eq!(apply(&mut world, &b, 2, clear_b), told(false));
        assert_eq!(secured_events(&b), [false]);
    }
}

// Shows: media in the clear are refused where they must be encrypted
#[test]
fn what_must_be_encrypted_never_runs_in_the_clear() {
    let mut world = World::new(42);
    let (a, b) = world.ends();
    let at_a = local(&mut world, &a, 0, SecurityPolicy::Required);
    let at_b = local(&mut world, &b, 0, SecurityPolicy::Off);
    assert!(at_b.keys.send.is_empty());
    let [clear, of_b] = both(&at_a, &at_b, None);
    let said = apply(&mut world, &a, 0, clear);
    assert!(matches!(&said[..], [ToTsp::Refused(_)]), "{said:?}");
    // Nobody wanted it otherwise: there is nothing to tell.
    assert_eq!(apply(&mut world, &b, 0, of_b), [ToTsp::Applied]);
    assert_eq!(secured_events(&b), []);
}
