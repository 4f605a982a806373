use std::sync::Arc;

use msp_core::error::ErrorKind;
use msp_core::event::FileState;
use msp_core::media::{Direction, MediaKinds};
use msp_core::registry::{TerminalRegistry, TerminalSpec};
use msp_core::terminal::{Connection, FrameTime, Pulled, Terminal, TerminalClass};
use msp_core::time::{ClockRate, Instant};
use msp_terminals::{read_mono, register_all};

use crate::testing::{Scratch, noise, port, wav};

fn registry() -> TerminalRegistry {
    let registry = TerminalRegistry::default();
    register_all(&registry).unwrap();
    registry
}

#[test]
fn c17_each_class_is_listed_and_refuses_what_it_does_not_know() {
    let registry = registry();
    let classes = registry.classes(MediaKinds::AUDIO);
    let names: Vec<_> = classes.iter().map(|c| c.class.as_str()).collect();
    let known = [
        "bridge",
        "detector",
        "digits",
        "echo",
        "file.play",
        "file.record",
        "media.app",
        "mixer",
        "null",
        "tone",
    ];
    assert_eq!(names, known);
    for info in classes {
        let direction = match info.class.as_str() {
            "media.app" => Direction::Render,
            _ => info.direction,
        };
        let odd = TerminalSpec::audio(direction).with("odd", "1");
        let error = registry.create(&info.class, &odd).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.context().contains("'odd'"), "{error}");
        let needed = match info.class.as_str() {
            "mixer" => Some("'room'"),
            "file.play" | "file.record" => Some("'path'"),
            _ => None,
        };
        let spec = TerminalSpec::audio(direction);
        match registry.create(&info.class, &spec) {
            Ok(terminal) => {
                assert!(needed.is_none());
                assert_eq!(*terminal.class(), info.class);
                assert!(terminal.direction().serves(direction) || direction == info.direction);
            }
            Err(error) => assert!(error.context().contains(needed.unwrap()), "{error}"),
        }
    }
    assert!(register_all(&registry).is_err(), "twice");
}

#[test]
fn options_with_bad_values_are_named() {
    let scratch = Scratch::new();
    let path = scratch.file("a.wav", &wav(8_000, 1, &noise(800)));
    let registry = registry();
    for (class, name, value) in [
        ("file.play", "loop", "yes"),
        ("file.play", "start_ms", "-1"),
        ("file.record", "if_exists", "append"),
        ("file.record", "layout", "both"),
        ("file.record", "rate", "0"),
        ("media.app", "rate", "8k"),
        ("media.app", "buffer_ms", "many"),
        ("tone", "hz", "high"),
    ] {
        let mut spec = TerminalSpec::audio(Direction::Capture).with(name, value);
        if class.starts_with("file") {
            spec = spec.with("path", path.display().to_string());
        }
        let class = TerminalClass::new(class);
        let error = registry.create(&class, &spec).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        let named = format!("option '{name}' cannot be '{value}'");
        assert!(error.context().ends_with(&named), "{error}");
    }
}

#[test]
fn a_file_played_and_recorded_comes_back_bit_for_bit() {
    let scratch = Scratch::new();
    for hz in [8_000, 16_000, 48_000] {
        let rate = ClockRate::new(hz).unwrap();
        let len = hz as usize / 100;
        let sound = noise(len * 150);
        let from = scratch.file("from.wav", &wav(hz, 1, &sound));
        let to = scratch.path("to.wav");
        let spec = |direction, path: &std::path::Path| {
            TerminalSpec::audio(direction).with("path", path.display().to_string())
        };
        let registry = registry();
        let make = |class, spec| registry.create(&class, &spec).unwrap();
        let player = make(TerminalClass::FILE_PLAY, spec(Direction::Capture, &from));
        let recorder = make(
            TerminalClass::FILE_RECORD,
            spec(Direction::Bidirectional, &to),
        );
        let echo = make(
            TerminalClass::ECHO,
            TerminalSpec::audio(Direction::Bidirectional),
        );
        let source = |terminal: &Arc<dyn Terminal>| {
            let (port, events) = port(Direction::Capture, hz);
            match terminal.connect(port).unwrap() {
                Connection::Source(source) => (source, events),
                Connection::Sink(_) => panic!("a sink"),
            }
        };
        let sink = |terminal: &Arc<dyn Terminal>, direction| {
            let port = port(direction, hz).0;
            match terminal.connect(port).unwrap() {
                Connection::Sink(sink) => sink,
                Connection::Source(_) => panic!("a source"),
            }
        };
        let (mut play, events) = source(&player);
        let (mut back, _e) = source(&echo);
        let mut record_sent = sink(&recorder, Direction::Capture);
        let mut record_heard = sink(&recorder, Direction::Render);
        let mut hear = sink(&echo, Direction::Render);
        for n in 0..150 {
            let time = FrameTime {
                at: Instant::from_millis(777 + 10 * n as u64),
                position: (n * len) as u64,
            };
            let mut frame = vec![0; len];
            assert_eq!(play.pull(time, &mut frame), Pulled::Sound);
            record_sent.push(time, &frame);
            let mut echoed = vec![0; len];
            let _ = back.pull(time, &mut echoed);
            record_heard.push(time, &echoed);
            hear.push(time, &frame);
        }
        let states: Vec<_> = events.try_iter().map(|(s, _)| s).collect();
        assert_eq!(states, [FileState::Active, FileState::EndOfFile]);
        drop(recorder);

        let all: Vec<i16> = hound::WavReader::open(&to)
            .unwrap()
            .into_samples()
            .map(Result::unwrap)
            .collect();
        let track = |n| all.chunks_exact(2).map(|p| p[n]).collect::<Vec<i16>>();
        assert!(track(0) == sound, "{hz} Hz, what was sent");
        let mut late = vec![0; len];
        late.extend(&sound[..sound.len() - len]);
        assert!(track(1) == late, "{hz} Hz, what was heard, one frame later");
        // Our own reader sees the mean of both.
        let mean = |n: usize| (f32::from(sound[n]) + f32::from(late[n])) / 2.0;
        let read = read_mono(&to, rate).unwrap();
        assert_eq!(read.len(), sound.len());
        assert!((0..read.len()).all(|n| (f32::from(read[n]) - mean(n)).abs() <= 0.5));
    }
}
