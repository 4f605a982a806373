//! Nothing is left behind: descriptors, threads, ports; and what an engine cannot carry it does not take.
#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    reason = "a test stops where something is not as it should be"
)]

mod common;

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::time::Duration;

use common::{Ear, End, Mouth, connect, rest, speech, wait_for};
use msp_core::event::Cause;
use msp_core::link::ToMsp;
use msp_core::provider::{MediaCallState, Provider};
use msp_engine::{Engine, EngineConfig};

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn threads() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

/// In one test, for it counts what the whole process has.
// Shows: a thousand calls leave nothing behind
#[test]
fn a_thousand_calls_leave_nothing_behind() {
    let (files, tasks) = (descriptors(), threads());
    let config = EngineConfig::default()
        .bind(vec![HOME])
        .ports(28_000..=28_399)
        .shards(2)
        .quarantine(Duration::ZERO);
    let engine = Engine::start(config).unwrap();
    assert_eq!(threads(), tasks + 3, "one for control, one for each shard");
    let idle = descriptors();
    let unused = engine.unused_ports();
    let (one, two) = (engine.open("one").unwrap(), engine.open("two").unwrap());
    let (one, two) = (
        (one.address, Rc::new(one.link)),
        (two.address, Rc::new(two.link)),
    );
    let sound = speech(1, 800, 8000);
    for round in 0..50 {
        let calls: Vec<_> = (0..10)
            .map(|_| {
                let a = End::on(one.0.clone(), one.1.clone());
                let b = End::on(two.0.clone(), two.1.clone());
                for end in [&a, &b] {
                    end.capture().select(Mouth::new(sound.clone())).unwrap();
                    end.render().select(Ear::new()).unwrap();
                }
                connect(&a, &b, HOME, &mut rest);
                (a, b)
            })
            .collect();
        if round == 0 {
            assert_eq!(engine.live_pairs(), 20);
            assert!(descriptors() >= idle + 40);
        }
        for (a, b) in &calls {
            a.say(ToMsp::Disconnected {
                cause: Cause::LocalRequest,
            });
            b.call.close();
            assert_eq!(b.call.state(), MediaCallState::Disconnected);
        }
        wait_for("the calls of a round are over", || engine.live_pairs() == 0);
        for (a, _) in &calls {
            a.call.close();
        }
    }
    wait_for("sockets are closed", || descriptors() == idle);
    assert_eq!(engine.unused_ports(), unused);
    assert_eq!(threads(), tasks + 3);

    // An engine that is closed in the middle of calls ends them.
    let last = End::on(one.0.clone(), one.1.clone());
    let other = End::on(two.0.clone(), two.1.clone());
    connect(&last, &other, HOME, &mut rest);
    engine.close();
    engine.close();
    assert_eq!(last.call.state(), MediaCallState::Disconnected);
    assert!(engine.open("late").is_err());
    assert_eq!((descriptors(), threads()), (files, tasks));
}
