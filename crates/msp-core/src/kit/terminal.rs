//! What a class of terminals has to hold.

use std::sync::mpsc::channel;
use std::time::Duration;

use crate::controls::AudioLevels;
use crate::error::ErrorKind;
use crate::id::{CallKey, StreamId};
use crate::media::Direction;
use crate::registry::{TerminalFactory, TerminalSpec};
use crate::terminal::{
    AudioFormat, Connection, FRAME, FrameTime, StreamPort, Terminal, TerminalEvents,
};
use crate::time::{ClockRate, Instant};

/// Frames that are moved through each connection.
const FRAMES: u64 = 50;

/// Makes terminals, each of the next of `specs`, and tries one on streams of each direction that it serves and of usual
/// rates. Specifications differ where two terminals cannot share something, a file for instance.
///
/// # Panics
/// Says which rule the class or its terminal breaks.
pub fn check_terminal(factory: &dyn TerminalFactory, mut specs: impl FnMut() -> TerminalSpec) {
    let info = factory.info();
    let spec = specs();
    assert!(!info.class.as_str().is_empty(), "the class has no name");
    assert!(
        info.kinds.contains(spec.kind),
        "the class does not say that it carries {:?}",
        spec.kind
    );
    let unknown = factory.create(&specs().with("no-such-option", "1"));
    match unknown {
        Err(e) => {
            assert_eq!(
                e.kind(),
                ErrorKind::InvalidArgument,
                "of an unknown option: {e}"
            );
            assert!(
                e.context().contains("no-such-option"),
                "the error does not name the unknown option: {e}"
            );
        }
        Ok(_) => panic!("an option that nobody knows was taken"),
    }
    let [one, other] = [spec.clone(), specs()].map(|s| factory.create(&s).unwrap());
    assert_ne!(one.id(), other.id(), "two terminals have one identifier");
    assert_eq!(one.class(), &info.class, "the terminal has another class");
    assert_eq!(one.kind(), spec.kind, "the terminal is of another kind");
    assert!(
        one.direction().serves(spec.direction),
        "the terminal does not serve what it was made for"
    );
    assert_eq!(
        one.controls().levels(),
        AudioLevels::UNCHANGED,
        "a new terminal changes the sound"
    );
    for direction in [Direction::Capture, Direction::Render] {
        if one.direction().serves(direction) {
            for hz in [8_000, 16_000, 48_000] {
                connect(&*one, direction, ClockRate::new(hz).unwrap());
            }
        } else {
            let refused = one.connect(port(direction, ClockRate::HZ_8000));
            let kind = refused.err().map(|e| e.kind());
            assert_eq!(kind, Some(ErrorKind::InvalidDirection), "on {direction:?}");
        }
    }
}

fn port(direction: Direction, rate: ClockRate) -> StreamPort {
    StreamPort {
        call: CallKey(1),
        stream: StreamId(0),
        direction,
        format: AudioFormat::mono(rate),
        events: TerminalEvents::new(|_, _, _| {}),
    }
}

/// Connects, moves frames, disconnects, and does it again: a terminal that was taken off can be selected anew.
fn connect(terminal: &dyn Terminal, direction: Direction, rate: ClockRate) {
    let samples = AudioFormat::mono(rate).samples(FRAME);
    for round in 0..2 {
        let side = terminal.connect(port(direction, rate));
        let side = side.unwrap_or_else(|e| panic!("{direction:?} at {rate:?}, round {round}: {e}"));
        if terminal.capacity() == 1 {
            let again = terminal.connect(port(direction, rate)).err();
            assert_eq!(
                again.map(|e| e.kind()),
                Some(ErrorKind::TerminalInUse),
                "a terminal of one stream was connected twice"
            );
        }
        let (done, finished) = channel();
        let moving = std::thread::spawn(move || {
            move_frames(side, samples);
            done.send(()).unwrap();
        });
        // Far more than the time of that many frames: whoever needs it blocks.
        let waited = finished.recv_timeout(FRAME * FRAMES as u32 + Duration::from_secs(1));
        assert!(waited.is_ok(), "the media side blocks or panicked");
        moving.join().unwrap();
    }
}

fn move_frames(side: Connection, samples: usize) {
    let time = |n: u64| FrameTime {
        at: Instant::ZERO + FRAME * n as u32,
        position: n * samples as u64,
    };
    match side {
        Connection::Source(mut source) => {
            for n in 0..FRAMES {
                let mut frame = vec![0; samples];
                source.pull(time(n), &mut frame);
            }
        }
        Connection::Sink(mut sink) => {
            for n in 0..FRAMES {
                sink.push(time(n), &vec![n as i16; samples]);
            }
        }
    }
}
