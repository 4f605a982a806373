//! The rules of the kit on the loopback provider.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use msp_core::id::{CallKey, Generation, LegId};
use msp_core::kit::provider::{self, Bench};
use msp_core::kit::{ProbeFactory, check_terminal};
use msp_core::link::{Envelope, Finality, OfferRole, PrepareSlot, ToMsp};
use msp_core::loopback::Loopback;
use msp_core::media::{Direction, MediaDirection, MediaKind};
use msp_core::params::{MediaParams, MediaSlot, Profile, SecurityPolicy};
use msp_core::provider::{OpenAddress, Provider};
use msp_core::registry::{TerminalRegistry, TerminalSpec};

struct Looped {
    registry: TerminalRegistry,
    provider: Loopback,
}

fn bench() -> Looped {
    let registry = TerminalRegistry::default();
    Looped {
        provider: Loopback::new(registry.clone()),
        registry,
    }
}

impl Bench for Looped {
    fn registry(&self) -> TerminalRegistry {
        self.registry.clone()
    }

    fn open(&mut self) -> OpenAddress {
        self.provider.open("line").unwrap()
    }

    fn establish(&mut self, line: &OpenAddress, call: CallKey) {
        let slot = PrepareSlot {
            slot: MediaSlot(0),
            kind: MediaKind::Audio,
            direction: MediaDirection::SendRecv,
            profile: Profile::Avp,
        };
        let prepare = ToMsp::Prepare {
            role: OfferRole::Offerer,
            slots: vec![slot],
            policy: SecurityPolicy::Off,
            toward: None,
        };
        let apply = ToMsp::Apply {
            finality: Finality::Final,
            params: vec![MediaParams::new(MediaSlot(0), MediaKind::Audio)],
        };
        for body in [prepare, apply] {
            let message = Envelope {
                call,
                leg: LegId::FIRST,
                generation: Generation(1),
                body,
            };
            line.link.sender.send(message).unwrap();
            self.provider.run_for(Duration::ZERO);
        }
    }

    fn run(&mut self, time: Duration) {
        self.provider.run_for(time);
    }
}

// Shows: static terminals come, go and have defaults; a stream loses one that is unplugged (C16)
#[test]
fn c16_static_terminals_come_and_go_and_have_defaults() {
    provider::c16_static_terminals_come_and_go_and_have_defaults(&mut bench());
}

// Shows: terminals are made of the classes that an address lists, and of nothing else (C17)
#[test]
fn c17_terminals_are_made_of_the_classes_that_are_listed() {
    provider::c17_terminals_are_made_of_the_classes_that_are_listed(&mut bench());
}

// Shows: a terminal is selected on a call, its tracks on the streams they serve, all or nothing (C21)
#[test]
fn c21_a_terminal_is_selected_on_a_call_all_or_nothing() {
    provider::c21_a_terminal_is_selected_on_a_call_all_or_nothing(&mut bench());
}

// Shows: others add terminal classes under superclasses, and their events come with call and stream (C22)
#[test]
fn c22_others_add_classes_under_superclasses() {
    provider::c22_others_add_classes_under_superclasses(&mut bench());
}

#[test]
fn c24_knobs_are_followed_on_every_stream() {
    provider::c24_knobs_are_followed_on_every_stream(&mut bench());
}

// Shows: a gathering of digits ends once: full, terminated, first or inter-digit time-out, or cancelled (C26)
#[test]
fn c26_a_gathering_ends_once_and_for_one_reason() {
    provider::c26_a_gathering_ends_once_and_for_one_reason(&mut bench());
}

#[test]
#[should_panic(expected = "a terminal of one stream was connected twice")]
fn the_kit_finds_a_terminal_that_serves_more_streams_than_it_says() {
    check_terminal(&ProbeFactory, || TerminalSpec::audio(Direction::Capture));
}
