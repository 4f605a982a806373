//! The rules of the kit on the provider over RTP, with a peer on a simulated network that sends back what it gets.

#![allow(
    clippy::unwrap_used,
    reason = "a test stops where something is not as it should be"
)]

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::world::{B, World, ip};
use common::{End, agreed, prepare};
use msp_core::controls::AudioControls;
use msp_core::id::{CallKey, Generation, LegId, TerminalId};
use msp_core::kit::provider::{self, Bench};
use msp_core::link::{Envelope, Finality, OfferRole, ToMsp, ToTsp};
use msp_core::media::Direction;
use msp_core::provider::{OpenAddress, Provider};
use msp_core::registry::TerminalRegistry;
use msp_core::terminal::{
    Connection, FrameSink, FrameSource, FrameTime, Pulled, StreamPort, Terminal, TerminalClass,
    next_terminal_id,
};

/// Gives back the frame that it got last.
struct Mirror {
    id: TerminalId,
    controls: Arc<AudioControls>,
    last: Arc<Mutex<i16>>,
}

impl Terminal for Mirror {
    fn id(&self) -> TerminalId {
        self.id
    }
    fn name(&self) -> &str {
        "mirror"
    }
    fn class(&self) -> &TerminalClass {
        static CLASS: TerminalClass = TerminalClass::new("mirror");
        &CLASS
    }
    fn direction(&self) -> Direction {
        Direction::Bidirectional
    }
    fn controls(&self) -> &Arc<AudioControls> {
        &self.controls
    }
    fn capacity(&self) -> usize {
        2
    }
    fn connect(&self, port: StreamPort) -> msp_core::Result<Connection> {
        let level = Level(self.last.clone());
        Ok(match port.direction {
            Direction::Capture => Connection::Source(Box::new(level)),
            _ => Connection::Sink(Box::new(level)),
        })
    }
}

struct Level(Arc<Mutex<i16>>);

impl FrameSource for Level {
    fn pull(&mut self, _: FrameTime, frame: &mut [i16]) -> Pulled {
        frame.fill(*self.0.lock().unwrap());
        Pulled::Sound
    }
}

impl FrameSink for Level {
    fn push(&mut self, _: FrameTime, frame: &[i16]) {
        *self.0.lock().unwrap() = frame.last().copied().unwrap_or(0);
    }
}

struct Mirrored {
    registry: TerminalRegistry,
    world: World,
    peers: Vec<End>,
}

fn bench() -> Mirrored {
    let registry = TerminalRegistry::default();
    Mirrored {
        world: World::with(40, |c| c.terminals(registry.clone())),
        registry,
        peers: Vec::new(),
    }
}

impl Bench for Mirrored {
    fn registry(&self) -> TerminalRegistry {
        self.registry.clone()
    }

    fn open(&mut self) -> OpenAddress {
        self.world.one.open("line").unwrap()
    }

    fn establish(&mut self, line: &OpenAddress, call: CallKey) {
        let peer = End::new(&self.world.two, "peer");
        let mirror: Arc<dyn Terminal> = Arc::new(Mirror {
            id: next_terminal_id(),
            controls: Arc::default(),
            last: Arc::default(),
        });
        peer.call.select(&mirror).unwrap();
        let sim = &mut self.world.sim;
        let mut wait = || sim.run_for(Duration::from_millis(1));
        let tell = |body: ToMsp, wait: &mut dyn FnMut()| {
            let message = Envelope {
                call,
                leg: LegId::FIRST,
                generation: Generation(0),
                body,
            };
            line.link.sender.send(message).unwrap();
            loop {
                match line.link.receiver.try_recv().unwrap() {
                    Some(answer) => return answer.body,
                    None => wait(),
                }
            }
        };
        let ToTsp::Local(offer) = tell(prepare(OfferRole::Offerer, ip(B)), &mut wait) else {
            panic!("no offer")
        };
        let answer = peer.prepare(OfferRole::Answerer, ip(B), &mut wait);
        peer.apply(agreed(&answer, &offer[0]), &mut wait);
        let apply = ToMsp::Apply {
            finality: Finality::Final,
            params: vec![agreed(&offer[0], &answer)],
        };
        assert_eq!(tell(apply, &mut wait), ToTsp::Applied);
        self.peers.push(peer);
    }

    fn run(&mut self, time: Duration) {
        self.world.sim.run_for(time);
    }
}

#[test]
fn c16_static_terminals_come_and_go_and_have_defaults() {
    provider::c16_static_terminals_come_and_go_and_have_defaults(&mut bench());
}

#[test]
fn c17_terminals_are_made_of_the_classes_that_are_listed() {
    provider::c17_terminals_are_made_of_the_classes_that_are_listed(&mut bench());
}

#[test]
fn c21_a_terminal_is_selected_on_a_call_all_or_nothing() {
    provider::c21_a_terminal_is_selected_on_a_call_all_or_nothing(&mut bench());
}

#[test]
fn c22_others_add_classes_under_superclasses() {
    provider::c22_others_add_classes_under_superclasses(&mut bench());
}

#[test]
fn c24_knobs_are_followed_on_every_stream() {
    provider::c24_knobs_are_followed_on_every_stream(&mut bench());
}

#[test]
fn c26_a_gathering_ends_once_and_for_one_reason() {
    provider::c26_a_gathering_ends_once_and_for_one_reason(&mut bench());
}
