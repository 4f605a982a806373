use std::sync::mpsc::Receiver;

use msp_core::event::FileState::*;
use msp_core::terminal::{FrameSource, Pulled};

use super::*;
use crate::testing::{Scratch, Seen, TIME, noise, port, wav};

fn connect(file: &FilePlay, hz: u32) -> (Box<dyn FrameSource>, Receiver<Seen>) {
    let (port, events) = port(Direction::Capture, hz);
    let Connection::Source(source) = file.connect(port).unwrap() else {
        panic!("no source");
    };
    (source, events)
}

fn pull(source: &mut dyn FrameSource, len: usize) -> (Pulled, Vec<i16>) {
    let mut frame = vec![99; len];
    (source.pull(TIME, &mut frame), frame)
}

fn states(events: &Receiver<Seen>) -> Vec<FileState> {
    events.try_iter().map(|(state, _)| state).collect()
}

/// How often a test looks again for a reader that is not there yet, before it fails.
const PATIENCE: usize = 10_000_000;

/// Takes what a source gives while it plays.
fn drain(source: &mut dyn FrameSource, file: &FilePlay) -> Vec<i16> {
    let mut all = Vec::new();
    for turn in 0.. {
        assert!(turn < PATIENCE, "no end after {} samples", all.len());
        if file.state() != Active {
            break;
        }
        let (pulled, frame) = pull(source, 80);
        match pulled {
            Pulled::Sound => all.extend(frame),
            Pulled::Partial(n) => all.extend(&frame[..n]),
            Pulled::Nothing => std::thread::yield_now(),
        }
    }
    all
}

#[test]
fn a_short_file_comes_out_bit_for_bit_and_ends_once() {
    let scratch = Scratch::new();
    let sound = noise(1_000);
    let path = scratch.file("a.wav", &wav(8_000, 1, &sound));
    let file = FilePlay::open(&path, PlayOptions::default()).unwrap();
    let (mut source, events) = connect(&file, 8_000);
    let mut out = Vec::new();
    for n in 0..13 {
        let (pulled, frame) = pull(&mut *source, 80);
        out.extend(frame);
        let wanted = if n < 12 {
            Pulled::Sound
        } else {
            Pulled::Partial(40)
        };
        assert_eq!(pulled, wanted);
    }
    assert_eq!(out[..1_000], sound);
    assert_eq!(out[1_000..], [0; 40]);
    assert_eq!(file.position().ticks, 1_000);
    assert_eq!(pull(&mut *source, 80), (Pulled::Nothing, vec![0; 80]));
    assert_eq!(states(&events), [Active, EndOfFile]);
    assert_eq!(read_all(&path, 8_000), sound);
}

fn read_all(path: &Path, hz: u32) -> Vec<i16> {
    crate::read_mono(path, ClockRate::new(hz).unwrap()).unwrap()
}

#[test]
fn the_last_sample_and_the_end_come_in_one_frame() {
    let scratch = Scratch::new();
    let path = scratch.file("a.wav", &wav(8_000, 1, &noise(160)));
    let file = FilePlay::open(path, PlayOptions::default()).unwrap();
    let (mut source, events) = connect(&file, 8_000);
    pull(&mut *source, 80);
    assert_eq!(states(&events), [Active]);
    assert_eq!(pull(&mut *source, 80).0, Pulled::Sound);
    assert_eq!(states(&events), [EndOfFile]);
}

#[test]
fn c19_pause_keeps_the_place_and_stop_goes_back() {
    let scratch = Scratch::new();
    let sound = noise(8_000 * 70);
    for (name, len) in [("short", 8_000), ("long", sound.len())] {
        let path = scratch.file(name, &wav(8_000, 1, &sound[..len]));
        let file = FilePlay::open(path, PlayOptions::default()).unwrap();
        let (mut source, events) = connect(&file, 8_000);
        assert_eq!(pull(&mut *source, 80).1, sound[..80]);
        file.pause().unwrap();
        file.pause().unwrap();
        assert_eq!(pull(&mut *source, 80).0, Pulled::Nothing);
        assert_eq!(file.position().ticks, 80);
        file.play();
        assert_eq!(pull(&mut *source, 80).1, sound[80..160]);
        file.stop();
        assert_eq!(file.position().ticks, 0);
        assert_eq!(pull(&mut *source, 80).0, Pulled::Nothing);
        assert_eq!(file.pause().unwrap_err().kind(), ErrorKind::WrongState);
        file.play();
        assert_eq!(drain(&mut *source, &file), sound[..len], "{name}");
        assert_eq!(
            states(&events),
            [Active, Paused, Active, Idle, Active, EndOfFile]
        );
        // Once more from the beginning, left and taken up again on another stream.
        file.play();
        let first = (0..PATIENCE).find_map(|_| {
            let (pulled, frame) = pull(&mut *source, 80);
            (pulled == Pulled::Sound).then_some(frame)
        });
        assert_eq!(first.unwrap(), sound[..80]);
        drop(source);
        let (mut source, _events) = connect(&file, 8_000);
        assert_eq!(pull(&mut *source, 7_000).1, sound[80..7_080]);
        assert_eq!(file.position().ticks, 7_080);
    }
}

#[test]
fn it_repeats_without_a_seam() {
    let scratch = Scratch::new();
    let sound = noise(8_000 * 61);
    for len in [100, sound.len()] {
        let path = scratch.file("a.wav", &wav(8_000, 1, &sound[..len]));
        let options = PlayOptions {
            repeat: true,
            start: Duration::from_millis(5),
        };
        let file = FilePlay::open(path, options).unwrap();
        let (mut source, events) = connect(&file, 8_000);
        let round = &sound[40..len];
        let mut wanted = round.iter().cycle();
        let mut taken = 0;
        for turn in 0.. {
            assert!(turn < PATIENCE, "no sound after {taken} samples");
            if taken >= 2 * len + 33 {
                break;
            }
            let (pulled, frame) = pull(&mut *source, 33);
            let n = match pulled {
                Pulled::Sound => 33,
                Pulled::Partial(n) => n,
                Pulled::Nothing => 0,
            };
            for sample in &frame[..n] {
                assert_eq!(Some(sample), wanted.next());
            }
            taken += n;
            if n == 0 {
                std::thread::yield_now();
            }
        }
        let at = file.position().ticks as usize;
        assert_eq!(at % round.len(), taken % round.len());
        assert_eq!(states(&events), [Active]);
    }
}

#[test]
fn a_long_file_is_read_ahead_and_equals_the_helper() {
    let scratch = Scratch::new();
    let sound = noise(11_025 * 65 * 2);
    let path = scratch.file("a.wav", &wav(11_025, 2, &sound));
    let file = FilePlay::open(&path, PlayOptions::default()).unwrap();
    let (mut source, events) = connect(&file, 16_000);
    assert_eq!(pull(&mut *source, 0).0, Pulled::Nothing);
    let (pulled, _) = pull(&mut *source, 8_000);
    assert_eq!(pulled, Pulled::Sound, "half a second is there at once");
    file.stop();
    file.play();
    assert_eq!(drain(&mut *source, &file), read_all(&path, 16_000));
    assert_eq!(states(&events), [Active, Idle, Active, EndOfFile]);
}

#[test]
fn one_stream_at_a_time_and_one_channel() {
    let scratch = Scratch::new();
    let path = scratch.file("a.wav", &wav(8_000, 1, &noise(100)));
    let file = FilePlay::open(path, PlayOptions::default()).unwrap();
    let refused = |port| file.connect(port).map(|_| ()).unwrap_err().kind();
    let mut stereo = port(Direction::Capture, 8_000).0;
    stereo.format.channels = 2;
    assert_eq!(refused(stereo), ErrorKind::NoFormat);
    let mut render = port(Direction::Capture, 8_000).0;
    render.direction = Direction::Render;
    assert_eq!(refused(render), ErrorKind::InvalidDirection);
    assert_eq!(
        refused(port(Direction::Capture, 3_000).0),
        ErrorKind::NoFormat
    );
    let first = connect(&file, 8_000);
    assert_eq!(
        refused(port(Direction::Capture, 8_000).0),
        ErrorKind::TerminalInUse
    );
    drop(first);
    connect(&file, 8_000);
}

#[test]
fn a_file_that_breaks_off_is_played_and_reported() {
    let scratch = Scratch::new();
    let sound = noise(8_000 * 100);
    for (there, promised) in [(3_000, 8_000), (8_000 * 70 + 5, sound.len())] {
        let mut bytes = wav(8_000, 1, &sound[..promised]);
        bytes.truncate(44 + 2 * there);
        let path = scratch.file("a.wav", &bytes);
        assert_eq!(read_all(&path, 8_000), sound[..there]);
        for hz in [8_000, 16_000] {
            let file = FilePlay::open(&path, PlayOptions::default()).unwrap();
            let (mut source, events) = connect(&file, hz);
            assert!(drain(&mut *source, &file) == read_all(&path, hz));
            let seen: Vec<_> = events.try_iter().collect();
            let [(Active, None), (ReadError, Some(error))] = &seen[..] else {
                panic!("{seen:?}");
            };
            let text = error.to_string();
            let (there, promised) = (there as f32 / 8_000.0, promised as f32 / 8_000.0);
            assert!(text.contains(&format!("of the {promised:.2}s")), "{text}");
            assert!(there > 1.0 || text.contains("after 375.00ms"), "{text}");
        }
    }
}

// Shows: a playlist of files, memory, silence and tones plays without a gap, and its end comes once (C19)
#[test]
fn c19_a_playlist_plays_one_after_the_other_without_a_gap() {
    let scratch = Scratch::new();
    let (first, second) = (noise(1_003), noise(2_000));
    let path = scratch.file("a.wav", &wav(8_000, 1, &first));
    let in_memory: Arc<[u8]> = wav(8_000, 1, &second[1_003..]).into();
    let tone = [msp_dsp::Burst::new([440.0, 0.0, 0.0], -10.0, 50, 50)];
    let items = [
        PlayItem::File(path),
        PlayItem::Silence(Duration::from_millis(33)),
        PlayItem::Memory(in_memory),
        PlayItem::Tone(tone.into(), Duration::from_millis(200)),
    ];
    let file = FilePlay::list(items, PlayOptions::default()).unwrap();
    let lengths = [1_003, 264, 997, 1_600];
    let all = lengths.iter().sum::<usize>();
    assert_eq!(
        file.duration().map(|d| d.as_micros()),
        Some(all as u128 * 125)
    );
    let (mut source, events) = connect(&file, 8_000);
    let heard = drain(&mut *source, &file);
    assert_eq!(heard.len(), all);
    let (a, rest) = heard.split_at(lengths[0]);
    let (silence, rest) = rest.split_at(lengths[1]);
    let (b, tone) = rest.split_at(lengths[2]);
    assert!(a == first && b == &second[1_003..]);
    assert!(silence.iter().all(|s| *s == 0));
    let (on, off) = (&tone[800..1_200], &tone[1_200..]);
    assert!(
        on.iter().any(|s| *s > 5_000) && off.iter().all(|s| *s == 0),
        "twice on and off"
    );
    assert_eq!(states(&events), [Active, EndOfFile]);
}

// Shows: a player goes to any place, exactly to the sample, while it plays, pauses or has ended (C19)
#[test]
fn c19_seek_is_exact_to_the_sample() {
    let scratch = Scratch::new();
    for (name, seconds) in [("short.wav", 3), ("long.wav", 61)] {
        let sound = noise(8_000 * seconds);
        let path = scratch.file(name, &wav(8_000, 1, &sound));
        let file = FilePlay::open(&path, PlayOptions::default()).unwrap();
        let (mut source, events) = connect(&file, 8_000);
        pull(&mut *source, 80);
        let place = Duration::from_micros(1_000_125);
        file.seek(place).unwrap();
        assert_eq!(file.position().ticks, 8_001);
        let heard = |source: &mut dyn FrameSource| loop {
            match pull(source, 80) {
                (Pulled::Sound, frame) => break frame,
                _ => std::thread::yield_now(),
            }
        };
        assert_eq!(heard(&mut *source), sound[8_001..8_081], "{name}");
        assert_eq!(file.position().ticks, 8_081);
        file.pause().unwrap();
        file.seek(Duration::from_secs(2)).unwrap();
        assert_eq!(pull(&mut *source, 80).0, Pulled::Nothing);
        file.play();
        assert_eq!(heard(&mut *source), sound[16_000..16_080], "{name}");
        file.stop();
        file.play();
        assert_eq!(
            heard(&mut *source),
            sound[..80],
            "{name}: stop goes back to the beginning"
        );
        let end = Duration::from_secs(seconds as u64);
        file.seek(end - Duration::from_millis(20)).unwrap();
        assert_eq!(drain(&mut *source, &file), sound[8_000 * seconds - 160..]);
        file.seek(Duration::from_secs(1)).unwrap();
        assert_eq!(file.state(), Paused, "what has ended waits at its place");
        file.play();
        assert_eq!(heard(&mut *source), sound[8_000..8_080], "{name}");
        let behind = file.seek(end + Duration::from_millis(1)).unwrap_err();
        assert_eq!(behind.kind(), ErrorKind::InvalidArgument);
        assert!(states(&events).contains(&EndOfFile));
    }
}

#[test]
fn a_list_that_cannot_be_played_says_why() {
    let scratch = Scratch::new();
    let path = scratch.file("a.wav", &wav(8_000, 1, &noise(80)));
    let list = |items: Vec<PlayItem>| {
        let refused = FilePlay::list(items, PlayOptions::default()).unwrap_err();
        (refused.kind(), refused.to_string())
    };
    assert_eq!(list(Vec::new()).0, ErrorKind::InvalidArgument);
    let missing = PlayItem::File(scratch.path("none.wav"));
    let (kind, text) = list(vec![PlayItem::File(path), missing]);
    assert!(
        kind == ErrorKind::Device && text.contains("none.wav"),
        "{text}"
    );
    let bytes = PlayItem::Memory(Arc::from(*b"no sound file"));
    assert_eq!(list(vec![bytes]).0, ErrorKind::NoFormat);
    let high = [msp_dsp::Burst::new([200_000.0, 0.0, 0.0], 0.0, 50, 50)];
    let tone = PlayItem::Tone(high.into(), Duration::from_secs(1));
    assert_eq!(list(vec![tone]).0, ErrorKind::InvalidArgument);
}
