use std::io::Cursor;
use std::sync::mpsc::Receiver;

use msp_core::terminal::{FrameSink, FrameTime};
use msp_core::time::Instant;

use super::*;
use crate::testing::{Full, Scratch, Seen, noise, port, wav};

fn hz(hz: u32) -> ClockRate {
    ClockRate::new(hz).unwrap()
}

fn connect(
    file: &FileRecord,
    direction: Direction,
    rate: u32,
) -> (Box<dyn FrameSink>, Receiver<Seen>) {
    let (port, events) = port(direction, rate);
    let Connection::Sink(sink) = file.connect(port).unwrap() else {
        panic!("no sink");
    };
    (sink, events)
}

/// The frame of `ms` milliseconds after the stream began, which was an odd time.
fn time(ms: u64, rate: u32) -> FrameTime {
    FrameTime {
        at: Instant::from_nanos(7_123_456_789 + ms * 1_000_000),
        position: ms * u64::from(rate) / 1_000,
    }
}

/// The two tracks of a file, by another reader than the crate's.
fn tracks(path: &Path) -> (u32, Vec<i16>, Vec<i16>) {
    let mut reader = hound::WavReader::open(path).unwrap();
    let spec = reader.spec();
    assert_eq!((spec.channels, spec.bits_per_sample), (2, 16));
    let all: Vec<i16> = reader.samples().map(Result::unwrap).collect();
    let track = |n| all.chunks_exact(2).map(|pair| pair[n]).collect();
    (spec.sample_rate, track(0), track(1))
}

/// A recording in memory, written when the test says so.
fn in_memory<W: std::io::Write + std::io::Seek>(
    out: W,
    options: &RecordOptions,
) -> (FileRecord, Writer<W>) {
    let shared = Arc::new(Shared::new(options.rate));
    let rate = options.rate.unwrap_or(ClockRate::HZ_8000);
    let wav = WavWriter::new(out, rate.hz(), options.layout.channels()).unwrap();
    let writer = Writer::new(
        shared.clone(),
        "memory".to_owned(),
        wav,
        options.layout,
        options.max_duration,
    );
    let terminal = FileRecord {
        controls: Arc::default(),
        id: next_terminal_id(),
        name: "memory".to_owned(),
        shared,
        writer: Mutex::default(),
    };
    (terminal, writer)
}

#[test]
fn c20_each_direction_has_its_track_aligned_by_the_clock() {
    let scratch = Scratch::new();
    let path = scratch.path("a.wav");
    let sound = noise(16_000);
    let file = FileRecord::create(&path, RecordOptions::default()).unwrap();
    let (mut sent, events) = connect(&file, Direction::Capture, 8_000);
    let (mut heard, heard_events) = connect(&file, Direction::Render, 8_000);
    assert!(file.is_connected());
    for n in 0..100 {
        let frame = &sound[n * 80..][..80];
        // The clock wanders a little, and what is sent pauses from 300 to 500 ms.
        let mut when = time(n as u64 * 10, 8_000);
        when.at += Duration::from_micros(n as u64 % 7 * 100);
        if !(30..50).contains(&n) {
            sent.push(when, frame);
        }
        // What is heard begins after 45 ms, between two frames.
        if n >= 5 {
            let mut when = time(n as u64 * 10 - 5, 8_000);
            when.position += 5_000 - 45 * 8;
            heard.push(when, frame);
        }
    }
    drop(heard);
    let recorded = file.finish().unwrap();
    assert_eq!(recorded.length, MediaTime::new(8_000, hz(8_000)));
    assert_eq!((recorded.overflowed, recorded.late), (0, 0));
    assert_eq!(recorded.origins, [Some(0), Some(5_000 - 45 * 8)]);
    let (rate, left, right) = tracks(&path);
    assert_eq!((rate, left.len()), (8_000, 8_000));
    let mut wanted = sound[..8_000].to_vec();
    wanted[30 * 80..50 * 80].fill(0);
    assert_eq!(left, wanted);
    let mut wanted = vec![0; 8_000];
    wanted[360..7_960].copy_from_slice(&sound[400..8_000]);
    assert_eq!(right, wanted);
    drop(events);
    let states: Vec<_> = heard_events.try_iter().map(|(s, _)| s).collect();
    assert_eq!(states, [FileState::Active, FileState::Idle]);
    assert_eq!(file.recorded().refused, 0);
    sent.push(time(1_000, 8_000), &sound[..80]);
    assert_eq!(file.recorded().refused, 80);
    assert!(file.is_connected());
    drop(sent);
    assert!(!file.is_connected());
}

#[test]
fn a_stream_that_is_younger_than_the_file_begins_before_its_own_beginning() {
    let mut out = Cursor::new(Vec::new());
    let (file, mut writer) = in_memory(&mut out, &RecordOptions::default());
    let (mut sent, _sent_events) = connect(&file, Direction::Capture, 8_000);
    let (mut heard, _heard_events) = connect(&file, Direction::Render, 8_000);
    let sound = noise(80);
    sent.push(time(1_000, 8_000), &sound);
    // Its first sample is 30 ms behind the first of the file.
    let mut first = time(1_030, 8_000);
    first.position = 0;
    heard.push(first, &sound);
    writer.step(true).unwrap();
    assert_eq!(file.recorded().origins, [Some(8_000), Some(-240)]);
}

#[test]
fn a_long_gap_is_silence_and_holds_no_memory() {
    let mut out = Cursor::new(Vec::new());
    let (file, mut writer) = in_memory(&mut out, &RecordOptions::default());
    let (mut sent, _events) = connect(&file, Direction::Capture, 8_000);
    let sound = noise(160);
    sent.push(time(0, 8_000), &sound[..80]);
    writer.step(false).unwrap();
    sent.push(time(600_000, 8_000), &sound[80..]);
    writer.step(false).unwrap();
    writer.step(true).unwrap();
    let mut wanted = vec![0; (600_000 * 8 + 80) * 2];
    for (n, sample) in sound.iter().enumerate() {
        let place = if n < 80 { n } else { 600_000 * 8 + n - 80 };
        wanted[place * 2] = *sample;
    }
    drop(writer);
    assert!(*out.get_ref() == wav(8_000, 2, &wanted));
}

#[test]
fn other_rates_are_converted_in_time() {
    let scratch = Scratch::new();
    let path = scratch.path("a.wav");
    let options = RecordOptions {
        rate: Some(hz(16_000)),
        ..RecordOptions::default()
    };
    let file = FileRecord::create(&path, options).unwrap();
    let (mut sent, _e1) = connect(&file, Direction::Capture, 8_000);
    let (mut heard, _e2) = connect(&file, Direction::Render, 48_000);
    let tone = |rate: u32| {
        let turn = std::f64::consts::TAU * 500.0 / f64::from(rate);
        move |n: u32| (10_000.0 * (f64::from(n) * turn).sin()) as i16
    };
    for n in 0..100 {
        for (sink, rate) in [(&mut sent, 8_000), (&mut heard, 48_000)] {
            let frame: Vec<i16> = (n * rate / 100..(n + 1) * rate / 100)
                .map(tone(rate))
                .collect();
            sink.push(time(u64::from(n) * 10, rate), &frame);
        }
    }
    let recorded = file.finish().unwrap();
    assert_eq!(recorded.length, MediaTime::new(16_000, hz(16_000)));
    assert_eq!(recorded.late, 0);
    let (rate, left, right) = tracks(&path);
    assert_eq!(rate, 16_000);
    let wanted: Vec<i16> = (0..16_000).map(tone(16_000)).collect();
    for (track, name) in [(left, "8 kHz"), (right, "48 kHz")] {
        let off = |n: usize| (i32::from(track[n]) - i32::from(wanted[n])).abs();
        let worst = (200..15_800).map(off).max().unwrap();
        assert!(worst < 60, "{name}: {worst} off");
    }
}

#[test]
fn two_directions_can_be_mixed() {
    let mut out = Cursor::new(Vec::new());
    let options = RecordOptions {
        layout: Layout::Mixed,
        ..RecordOptions::default()
    };
    let (file, mut writer) = in_memory(&mut out, &options);
    let (mut sent, _e1) = connect(&file, Direction::Capture, 8_000);
    let (mut heard, _e2) = connect(&file, Direction::Render, 8_000);
    sent.push(time(0, 8_000), &[1_000, -30_000, 5]);
    heard.push(time(0, 8_000), &[234, -30_000]);
    writer.step(true).unwrap();
    drop(writer);
    assert_eq!(*out.get_ref(), wav(8_000, 1, &[1_234, i16::MIN, 5]));
}

#[test]
fn it_ends_at_its_maximal_duration_to_the_sample() {
    let scratch = Scratch::new();
    let path = scratch.path("a.wav");
    let options = RecordOptions {
        max_duration: Some(Duration::from_millis(105)),
        ..RecordOptions::default()
    };
    let file = FileRecord::create(&path, options).unwrap();
    let (mut sent, events) = connect(&file, Direction::Capture, 8_000);
    let sound = noise(80 * 100);
    for n in 0..100 {
        sent.push(time(n * 10, 8_000), &sound[n as usize * 80..][..80]);
    }
    // It ends by itself.
    let wait = Duration::from_secs(20);
    assert_eq!(
        events.recv_timeout(wait).unwrap(),
        (FileState::Active, None)
    );
    assert_eq!(events.recv_timeout(wait).unwrap(), (FileState::Idle, None));
    assert_eq!(tracks(&path).1, sound[..840]);
    assert_eq!(file.finish().unwrap().length.ticks, 840);
    let refused = file.connect(port(Direction::Render, 8_000).0).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Closed);
}

#[test]
fn a_full_disk_is_reported_once_and_what_was_written_stays() {
    let mut disk = Full::new(44 + 1_000);
    let (file, mut writer) = in_memory(&mut disk, &RecordOptions::default());
    let (mut sent, events) = connect(&file, Direction::Capture, 8_000);
    let (mut heard, _events) = connect(&file, Direction::Render, 8_000);
    let sound = noise(800);
    for n in 0..10 {
        let frame = &sound[n * 80..][..80];
        sent.push(time(n as u64 * 10, 8_000), frame);
        heard.push(time(n as u64 * 10, 8_000), frame);
    }
    file.shared.quit.store(true, Ordering::Release);
    writer.step(false).unwrap();
    writer.run();
    sent.push(time(100, 8_000), &sound[..80]);
    assert_eq!(file.recorded().refused, 80);
    assert_eq!(file.recorded().length.ticks, 250);
    drop(events);
    let seen: Vec<_> = _events.try_iter().collect();
    let [
        (FileState::Active, None),
        (FileState::WriteError, Some(error)),
    ] = &seen[..]
    else {
        panic!("{seen:?}");
    };
    assert_eq!(error.kind(), ErrorKind::Device);
    assert!(error.context().starts_with("memory: "), "{error}");
    assert_eq!(file.finish().unwrap_err().kind(), ErrorKind::Device);
    let both: Vec<i16> = sound[..250].iter().flat_map(|s| [*s, *s]).collect();
    assert_eq!(disk.bytes, wav(8_000, 2, &both));
}

#[test]
fn a_slow_disk_loses_counted_sound_and_keeps_the_rest_in_place() {
    let mut out = Cursor::new(Vec::new());
    let (file, mut writer) = in_memory(&mut out, &RecordOptions::default());
    let (mut sent, _events) = connect(&file, Direction::Capture, 8_000);
    let sound = noise(80 * 500);
    for (n, frame) in sound.chunks(80).enumerate() {
        if n == 450 {
            writer.step(false).unwrap();
        }
        sent.push(time(n as u64 * 10, 8_000), frame);
    }
    writer.step(true).unwrap();
    drop(writer);
    assert_eq!(file.recorded().overflowed, 50 * 80);
    let mut sound = sound;
    sound[400 * 80..450 * 80].fill(0);
    let both: Vec<i16> = sound.iter().flat_map(|s| [*s, 0]).collect();
    assert!(*out.get_ref() == wav(8_000, 2, &both));
}

#[test]
fn what_comes_too_late_is_counted() {
    let mut out = Cursor::new(Vec::new());
    let (file, mut writer) = in_memory(&mut out, &RecordOptions::default());
    let (mut sent, _e1) = connect(&file, Direction::Capture, 8_000);
    let (mut heard, _e2) = connect(&file, Direction::Render, 8_000);
    for n in 0..100 {
        sent.push(time(n * 10, 8_000), &[1; 80]);
    }
    writer.step(false).unwrap();
    heard.push(time(100, 8_000), &[2; 80]);
    heard.push(time(990, 8_000), &[2; 80]);
    writer.step(true).unwrap();
    assert_eq!(file.recorded().late, 80);
}

#[test]
fn places_are_taken_and_given_back() {
    let scratch = Scratch::new();
    let path = scratch.path("a.wav");
    let file = FileRecord::create(&path, RecordOptions::default()).unwrap();
    let refused = |direction, rate| file.connect(port(direction, rate).0).unwrap_err().kind();
    assert_eq!(
        refused(Direction::Bidirectional, 8_000),
        ErrorKind::InvalidDirection
    );
    assert_eq!(refused(Direction::Capture, 1_000), ErrorKind::NoFormat);
    let (first, _events) = connect(&file, Direction::Capture, 8_000);
    assert_eq!(refused(Direction::Capture, 8_000), ErrorKind::TerminalInUse);
    drop(first);
    let (mut again, _events) = connect(&file, Direction::Capture, 16_000);
    again.push(time(0, 16_000), &[7; 160]);
    drop(again);
    file.finish().unwrap();
    file.finish().unwrap();
    assert_eq!(tracks(&path).1.len(), 80);
}

#[test]
fn a_file_that_cannot_be_made_is_an_error_with_its_name() {
    let scratch = Scratch::new();
    let there = scratch.file("there.wav", b"kept");
    let keep = RecordOptions {
        if_exists: IfExists::Fail,
        ..RecordOptions::default()
    };
    let none = scratch.path("none").join("a.wav");
    for (path, options, why) in [
        (there.as_path(), keep, "exists already"),
        (&none, RecordOptions::default(), "no such folder"),
        (
            &scratch.path(""),
            RecordOptions::default(),
            "is a directory",
        ),
        (
            Path::new("/dev/full"),
            RecordOptions::default(),
            "is no regular file",
        ),
    ] {
        let error = FileRecord::create(path, options).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Device);
        assert_eq!(error.context(), format!("{}: {why}", path.display()));
    }
    assert_eq!(fs::read(&there).unwrap(), b"kept");
}
