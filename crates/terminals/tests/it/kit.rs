//! Each class of this crate against the rules that hold for all of them.

use msp_core::kit::check_terminal;
use msp_core::media::Direction;
use msp_core::registry::{TerminalFactory, TerminalSpec};
use msp_terminals::{
    AppFactory, DetectorFactory, DigitTonesFactory, EchoFactory, FilePlayFactory,
    FileRecordFactory, MixerFactory, NullFactory, ToneFactory,
};

use crate::testing::{Scratch, noise, wav};

fn check(factory: &dyn TerminalFactory, direction: Direction) {
    check_terminal(factory, || TerminalSpec::audio(direction));
}

// Shows: every terminal class keeps the rules of the kit that others test theirs with
#[test]
fn every_class_keeps_the_rules_of_the_kit() {
    check(&AppFactory, Direction::Capture);
    check(&AppFactory, Direction::Render);
    check(&EchoFactory, Direction::Bidirectional);
    check(&NullFactory, Direction::Bidirectional);
    check(&DetectorFactory, Direction::Render);
    check(&DigitTonesFactory, Direction::Capture);
    check(&ToneFactory, Direction::Capture);
    let room = TerminalSpec::audio(Direction::Bidirectional).with("room", "one");
    check_terminal(&MixerFactory::default(), || room.clone());
    let scratch = Scratch::new();
    let sound = scratch.file("a.wav", &wav(8_000, 1, &noise(800)));
    check_terminal(&FilePlayFactory, || {
        TerminalSpec::audio(Direction::Capture).with("path", sound.to_str().unwrap())
    });
    let mut files = (0..).map(|n| scratch.path(&format!("{n}.wav")));
    check_terminal(&FileRecordFactory, || {
        let path = files.next().unwrap();
        TerminalSpec::audio(Direction::Bidirectional).with("path", path.to_str().unwrap())
    });
}
