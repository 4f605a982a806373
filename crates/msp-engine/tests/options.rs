//! Every option has an effect.
#![allow(
    clippy::unwrap_used,
    reason = "a test stops where something is not as it should be"
)]

mod common;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use common::world::{A, B, World, config, ip};
use common::{Ear, End, Mouth, agreed, prepare, rtp_of, speech};
use msp_codecs::{CodecFactory, Pcmu};
use msp_core::ErrorKind;
use msp_core::event::EventKind;
use msp_core::link::{Digit, Finality, OfferRole, ToMsp, ToTsp};
use msp_core::media::{Direction, MediaKinds};
use msp_core::params::MediaParams;
use msp_core::provider::Provider;
use msp_core::registry::{TerminalClassInfo, TerminalFactory, TerminalRegistry, TerminalSpec};
use msp_core::stats::DropReason;
use msp_core::terminal::{Terminal, TerminalClass};
use msp_core::trace::{PacketKind, PlayoutAction, Trace, TraceBody, TraceLog, Way};
use msp_engine::sim::{SimSocket, Simulation};
use msp_engine::{EngineConfig, PlayoutMode};

/// A call of one engine with a peer that the test plays itself.
struct Alone {
    sim: Simulation,
    #[expect(dead_code, reason = "its calls end with it")]
    engine: msp_engine::Engine,
    end: End,
    peer: SimSocket,
    reports: SimSocket,
    local: MediaParams,
}

fn alone(change: impl Fn(EngineConfig) -> EngineConfig) -> Alone {
    let mut sim = Simulation::new(40);
    let engine = sim.engine(change(config(A))).unwrap();
    let end = End::new(&engine, "line");
    let socket = |port: u16| SocketAddr::new(ip(B), port);
    let (peer, reports) = (
        sim.socket(socket(4000)).unwrap(),
        sim.socket(socket(4001)).unwrap(),
    );
    let local = end.prepare(OfferRole::Offerer, ip(B), &mut || {
        sim.run_for(Duration::from_millis(1));
    });
    let mut remote = local.clone();
    let bound = &mut remote.local.as_mut().unwrap();
    (bound.bound, bound.advertised) = (peer.address(), peer.address());
    remote.rtcp.local = None;
    remote.ptime = None;
    end.apply(agreed(&local, &remote), &mut || {
        sim.run_for(Duration::from_millis(1));
    });
    Alone {
        sim,
        engine,
        end,
        peer,
        reports,
        local,
    }
}

impl Alone {
    fn run_ms(&mut self, ms: u64) {
        self.sim.run_for(Duration::from_millis(ms));
    }

    /// What came to the peer's port for media.
    fn came(&self) -> Vec<(SocketAddr, Vec<u8>)> {
        let now = self.sim.now();
        std::iter::from_fn(|| self.peer.receive(now))
            .map(|(from, bytes, _)| (from, bytes))
            .collect()
    }

    fn speak(&self) {
        let mouth = Mouth::new(speech(1, 80_000, 8000));
        self.end.capture().select(mouth).unwrap();
    }
}

fn is_report(packet: &[u8]) -> bool {
    (192..=223).contains(&packet[1])
}

#[test]
fn advertise_is_told_and_bind_is_used() {
    let outside = ip("198.51.100.7");
    let mut call = alone(|c| c.advertise(vec![outside]));
    let local = call.local.local.unwrap();
    assert_eq!((local.bound.ip(), local.advertised.ip()), (ip(A), outside));
    assert_eq!(local.bound.port(), local.advertised.port());
    assert_eq!(call.local.rtcp.local.unwrap().advertised.ip(), outside);
    call.speak();
    call.run_ms(100);
    assert!(call.came().iter().all(|(from, _)| *from == local.bound));
}

// Shows: RTP and RTCP on one port
#[test]
fn reports_share_the_port_when_told_so() {
    for mux in [false, true] {
        let mut call = alone(|c| c.rtcp_mux(mux));
        call.speak();
        call.run_ms(12_000);
        let (rtp, rtcp) = (call.local.local.unwrap(), call.local.rtcp);
        assert_eq!((rtcp.mux, rtcp.local.is_none()), (mux, mux));
        let shared = call.came().iter().filter(|(_, b)| is_report(b)).count();
        let now = call.sim.now();
        let apart: Vec<_> = std::iter::from_fn(|| call.reports.receive(now)).collect();
        if mux {
            assert!(shared >= 2 && apart.is_empty(), "{shared} {apart:?}");
        } else {
            assert!(shared == 0 && apart.len() >= 2, "{shared} {apart:?}");
            let port = rtp.bound.port() + 1;
            assert!(apart.iter().all(|(from, ..)| from.port() == port));
        }
    }
}

#[test]
fn ptime_is_the_length_of_packets_unless_the_peer_asks() {
    for ms in [10, 20, 40] {
        let mut call = alone(|c| c.ptime(Duration::from_millis(ms)));
        assert_eq!(call.local.ptime, Some(Duration::from_millis(ms)));
        call.speak();
        call.run_ms(1000);
        let came = call.came();
        assert!(came.iter().all(|(_, b)| b.len() == 12 + 8 * ms as usize));
        let expected = 1000 / ms as usize;
        assert!(
            (expected - 3..=expected).contains(&came.len()),
            "{}",
            came.len()
        );
    }
}

#[test]
fn a_silent_call_keeps_its_path_open() {
    let idle = |every| {
        let mut call = alone(|c| c.keep_alive(every));
        call.run_ms(30_000);
        call.came().len()
    };
    // The first opens the way in whatever the setting.
    assert_eq!(idle(None), 1);
    let often = idle(Some(Duration::from_secs(2)));
    assert!((14..=16).contains(&often), "{often}");
}

#[test]
fn digits_last_as_long_as_told() {
    for ms in [60, 240] {
        let mut call = alone(|c| c.digit_length(Duration::from_millis(ms)));
        call.speak();
        call.end
            .capture()
            .send_digits(&[Digit::from_char('5').unwrap()])
            .unwrap();
        call.run_ms(1000);
        let came = call.came();
        let events: Vec<_> = came.iter().filter(|(_, b)| b[1] & 0x7f == 101).collect();
        let last = &events.last().unwrap().1;
        assert_eq!((last[12], last[13] & 0x80), (5, 0x80));
        let ticks = u16::from_be_bytes([last[14], last[15]]);
        assert_eq!(u64::from(ticks), ms * 8);
    }
}

#[test]
fn the_playout_target_is_the_delay() {
    let delay = |target| {
        let target = Some(Duration::from_millis(target));
        let mut world = World::with(41, |c| c.playout(PlayoutMode::Fixed).playout_target(target));
        let (a, b) = world.ends();
        let (mouth, ear) = (Mouth::new(vec![8000; 8000]), Ear::new());
        b.render().select(ear.clone()).unwrap();
        world.agree(&a, &b);
        world.run_ms(200);
        a.capture().select(mouth.clone()).unwrap();
        world.run_ms(1000);
        let heard = ear.heard.lock().unwrap();
        let first = heard.samples.iter().position(|s| *s > 4000).unwrap() / 80;
        let began = mouth.began.lock().unwrap().unwrap().at;
        heard.times[first].at.saturating_since(began)
    };
    assert_eq!(delay(40), Duration::from_millis(50));
    assert_eq!(delay(200), Duration::from_millis(210));
}

#[test]
fn frames_are_worked_off_one_by_one_when_told_so() {
    for low in [false, true] {
        let mut call = alone(|c| c.low_delay(low));
        let ear = Ear::anywhere();
        call.end.capture().select(ear.clone()).unwrap();
        call.run_ms(200);
        let mut steps = Vec::new();
        for _ in 0..20 {
            let before = ear.samples().len();
            call.run_ms(5);
            steps.push((ear.samples().len() - before) / 80);
        }
        let most = steps.iter().max().unwrap();
        assert_eq!(
            (steps.iter().sum::<usize>(), *most),
            (10, if low { 1 } else { 2 })
        );
        // Their times are the same either way.
        let heard = ear.heard.lock().unwrap();
        for pair in heard.times.windows(2) {
            assert_eq!(pair[1].at, pair[0].at + Duration::from_millis(10));
            assert_eq!(pair[1].position, pair[0].position + 80);
        }
    }
}

#[test]
fn calls_spread_over_the_shards() {
    let mut sim = Simulation::new(42);
    let engine = sim.engine(config(A).shards(3)).unwrap();
    let ends: Vec<_> = (0..6)
        .map(|_| {
            let end = End::new(&engine, "line");
            end.say(prepare(OfferRole::Offerer, ip(B)));
            end
        })
        .collect();
    sim.run_for(Duration::from_secs(1));
    let streams: Vec<_> = engine.loads().iter().map(|l| l.streams()).collect();
    assert_eq!(streams, [2, 2, 2]);
    drop(ends);
}

#[test]
fn terminals_are_made_of_the_classes_that_were_given() {
    struct Factory;
    const CLASS: TerminalClass = TerminalClass::new("test.made");
    impl TerminalFactory for Factory {
        fn info(&self) -> TerminalClassInfo {
            TerminalClassInfo {
                class: CLASS,
                superclass: TerminalClass::new("test"),
                vendor: "test".into(),
                kinds: MediaKinds::AUDIO,
                direction: Direction::Render,
            }
        }
        fn create(&self, _: &TerminalSpec) -> msp_core::Result<Arc<dyn Terminal>> {
            Ok(Ear::new())
        }
    }
    let registry = TerminalRegistry::default();
    registry.register(Arc::new(Factory)).unwrap();
    let mut sim = Simulation::new(43);
    let engine = sim.engine(config(A).terminals(registry)).unwrap();
    let line = engine.open("line").unwrap().address;
    assert_eq!(line.terminal_classes()[0].class, CLASS);
    let spec = TerminalSpec::audio(Direction::Render);
    assert_eq!(line.create_terminal(&CLASS, &spec).unwrap().name(), "ear");
    let unknown = line
        .create_terminal(&TerminalClass::ECHO, &spec)
        .err()
        .unwrap();
    assert_eq!(unknown.kind(), ErrorKind::InvalidTerminalClass);
}

#[test]
fn the_trace_has_everything_that_happened() {
    let logs = [TraceLog::new(100_000), TraceLog::new(100_000)];
    let mut sim = Simulation::new(44);
    let engines: Vec<_> = [A, B]
        .iter()
        .zip(&logs)
        .map(|(at, log)| {
            sim.engine(config(at).trace(Trace::to(log.clone())))
                .unwrap()
        })
        .collect();
    let (a, b) = (End::new(&engines[0], "alice"), End::new(&engines[1], "bob"));
    a.capture()
        .select(Mouth::new(speech(1, 80_000, 8000)))
        .unwrap();
    b.render().select(Ear::new()).unwrap();
    common::connect(&a, &b, ip(B), &mut || sim.run_for(Duration::from_millis(1)));
    sim.run_for(Duration::from_millis(7000));
    for end in [&a, &b] {
        end.call.close();
        sim.run_for(Duration::from_millis(20));
    }

    let entries: Vec<_> = logs.iter().map(|l| l.entries()).collect();
    let packets = |n: usize, way, kind| {
        let wanted = |e: &&msp_core::trace::TraceEntry| matches!(&e.body, TraceBody::Media { way: w, kind: k, dropped: None, .. } if (*w, *k) == (way, kind));
        entries[n]
            .iter()
            .filter(wanted)
            .cloned()
            .collect::<Vec<_>>()
    };
    let bytes = |e: &msp_core::trace::TraceEntry| match &e.body {
        TraceBody::Media { bytes, .. } => bytes.clone(),
        other => panic!("{other:?}"),
    };
    for kind in [PacketKind::Rtp, PacketKind::Rtcp] {
        let (sent, came) = (packets(0, Way::Out, kind), packets(1, Way::In, kind));
        assert!(!sent.is_empty());
        assert_eq!(
            sent.iter().map(bytes).collect::<Vec<_>>(),
            came.iter().map(bytes).collect::<Vec<_>>()
        );
        assert!(came.iter().all(|e| e.call == Some(b.key)));
    }
    let goodbye = bytes(packets(0, Way::Out, PacketKind::Rtcp).last().unwrap());
    assert!(
        goodbye.windows(2).any(|w| w == [0x81, 203]),
        "a BYE ends it"
    );

    // Playout names every sample that was rendered, in order.
    let mut position = None;
    let mut normal = 0;
    for entry in &entries[1] {
        if let TraceBody::Playout { segment, .. } = &entry.body {
            assert_eq!(*position.get_or_insert(segment.position), segment.position);
            position = Some(segment.position + u64::from(segment.samples));
            if segment.action == PlayoutAction::Normal {
                normal += u64::from(segment.samples);
            }
        }
    }
    assert!(normal > 6 * 8000);
    for n in [0, 1] {
        let of = |f: fn(&TraceBody) -> bool| entries[n].iter().filter(|e| f(&e.body)).count();
        assert_eq!(of(|b| matches!(b, TraceBody::Agreed { .. })), 1);
        let stats = of(|b| matches!(b, TraceBody::Stats { .. }));
        assert!(
            (33..=37).contains(&stats),
            "each 200 ms, and at the end: {stats}"
        );
        assert!(of(|b| matches!(b, TraceBody::Event(_))) >= 2);
    }
}

// Shows: media before the answer wait, bounded, and are heard then
#[test]
fn media_before_the_answer_wait_and_are_heard_then() {
    let mut sim = Simulation::new(45);
    // One that adapts would work off what waited.
    let engine = sim.engine(config(A).playout(PlayoutMode::Fixed)).unwrap();
    let end = End::new(&engine, "line");
    let ear = Ear::new();
    end.render().select(ear.clone()).unwrap();
    let local = end.prepare(OfferRole::Offerer, ip(B), &mut || {
        sim.run_for(Duration::from_millis(1));
    });
    let peer = sim.socket(SocketAddr::new(ip(B), 4000)).unwrap();
    let mut packet = [0u8; 172];
    packet[0] = 0x80;
    packet[8..12].copy_from_slice(&77u32.to_be_bytes());
    let mut send = |sim: &Simulation, n: u16| {
        packet[2..4].copy_from_slice(&n.to_be_bytes());
        packet[4..8].copy_from_slice(&(u32::from(n) * 160).to_be_bytes());
        packet[12..].fill(0x80 | n as u8);
        peer.send(sim.now(), rtp_of(&local), &packet);
    };
    for n in 1..6 {
        send(&sim, n);
        sim.run_for(Duration::from_millis(20));
    }
    assert!(ear.samples().iter().all(|s| *s == 0));
    let mut remote = local.clone();
    remote.local.as_mut().unwrap().advertised = peer.address();
    // The answer is that of a leg of its own, as where a call forks.
    end.say_on(
        1,
        0,
        ToMsp::Apply {
            finality: Finality::Final,
            params: vec![agreed(&local, &remote)],
        },
    );
    let answer = end.answer(&mut || sim.run_for(Duration::from_millis(1)));
    assert_eq!(answer, ToTsp::Applied);
    for n in 6..20 {
        send(&sim, n);
        sim.run_for(Duration::from_millis(20));
    }
    sim.run_for(Duration::from_millis(200));
    let heard = ear.samples();
    let mut decoder = Pcmu.decoder();
    let mut expected = Vec::new();
    for n in 1..20u8 {
        let mut pcm = [0; 160];
        decoder.decode(&[0x80 | n; 160], &mut pcm).unwrap();
        expected.extend(pcm);
    }
    assert!(
        common::find(&heard, &expected).is_some(),
        "from the first packet on"
    );
    assert_eq!(end.render().stats().drops.get(DropReason::HoldFull), 0);
}

#[test]
fn the_peer_is_listed_with_the_name_it_gives() {
    let mut world = World::new(46);
    let (a, b) = world.ends();
    a.capture()
        .select(Mouth::new(speech(1, 160_000, 8000)))
        .unwrap();
    b.render().select(Ear::new()).unwrap();
    world.agree(&a, &b);
    world.run_ms(10_000);
    let [peer] = &b.render().substreams()[..] else {
        panic!("one peer")
    };
    let name = peer.name.clone().expect("it gave its name");
    assert!(!name.is_empty() && a.render().substreams().is_empty());
    let told = b.kinds_seen().into_iter().any(|k| {
        matches!(k, EventKind::Participant { ssrc, name: Some(n), present: true } if ssrc == peer.ssrc && n == name)
    });
    assert!(told);
    assert_eq!(b.render().codec().unwrap().name.as_ref(), "PCMU");
    assert_eq!(a.capture().codec().unwrap().name.as_ref(), "PCMU");
    assert!(b.render().stats().received.reports >= 1);
}
