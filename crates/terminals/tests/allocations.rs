//! No media side allocates or frees, whatever happens on it.
#![expect(
    unsafe_code,
    reason = "an allocator that counts is an unsafe trait by nature"
)]
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use msp_core::link::Digit;
use msp_core::media::Direction;
use msp_core::terminal::{Connection, FrameTime, Terminal};
use msp_core::time::{ClockRate, Instant};
use msp_terminals::{
    AppOptions, AppSink, AppSource, Detector, DetectorOptions, DigitTones, DtmfShape, Echo,
    FilePlay, FileRecord, Mixer, Null, PlayOptions, RecordOptions, TellDigit, Tone, Voice,
};

#[path = "../src/testing.rs"]
#[allow(dead_code, reason = "the crate's own tests use more of it")]
mod testing;
use testing::{Scratch, noise, wav};

thread_local! {
    /// Of this thread alone: readers and writers of files may allocate.
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

fn count() {
    // A thread that ends has no counter any more, and is none of ours.
    let _ = COUNT.try_with(|c| c.set(c.get() + 1));
}

// SAFETY: every call is handed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        count();
        // SAFETY: the caller keeps the contract of `dealloc`, and all memory is the system's.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const HZ: u32 = 16_000;
const LEN: usize = 160;

/// A port whose events cost nothing.
fn port(direction: Direction) -> msp_core::terminal::StreamPort {
    let mut port = testing::port(direction, HZ).0;
    port.events = msp_core::terminal::TerminalEvents::new(|_, _, error| std::mem::forget(error));
    port
}

/// Moves `frames` frames through the media side of `terminal`; says how often that allocated or freed.
fn run(
    terminal: &dyn Terminal,
    direction: Direction,
    frames: u64,
    mut each: impl FnMut(),
) -> usize {
    let mut connection = terminal.connect(port(direction)).unwrap();
    let mut frame = [0; LEN];
    let mut total = 0;
    for n in 0..frames {
        let time = FrameTime {
            at: Instant::from_millis(10 * n),
            position: LEN as u64 * n,
        };
        frame.fill(n as i16);
        let before = COUNT.get();
        match &mut connection {
            Connection::Source(source) => {
                let _ = source.pull(time, &mut frame);
            }
            Connection::Sink(sink) => sink.push(time, &frame),
        }
        total += COUNT.get() - before;
        each();
    }
    total
}

#[test]
fn no_media_side_allocates() {
    let scratch = Scratch::new();
    let rate = |hz| ClockRate::new(hz).unwrap();
    let (capture, render) = (Direction::Capture, Direction::Render);
    let idle = || {};

    let short = scratch.file("short.wav", &wav(11_025, 2, &noise(22_050)));
    let long = scratch.file("long.wav", &wav(8_000, 1, &noise(8_000 * 70)));
    for path in [short, long] {
        for repeat in [false, true] {
            let options = PlayOptions {
                repeat,
                ..PlayOptions::default()
            };
            let file = FilePlay::open(&path, options).unwrap();
            let mut n = 0;
            let commands = || {
                n += 1;
                match n % 500 {
                    100 => file.pause().unwrap_or_default(),
                    200 | 400 => file.play(),
                    300 => file.stop(),
                    _ => {}
                }
            };
            assert_eq!(run(&*file, capture, 8_000, commands), 0, "{file:?}");
        }
    }

    let record = FileRecord::create(scratch.path("a.wav"), RecordOptions::default()).unwrap();
    assert_eq!(run(&*record, capture, 1_000, idle), 0);
    assert_eq!(run(&*record, render, 1_000, idle), 0);
    record.finish().unwrap();

    for hz in [HZ, 8_000, 44_100] {
        let source = AppSource::new(AppOptions::new(rate(hz))).unwrap();
        let mut n = 0;
        let push = || {
            n += 1;
            source.push(&[3; 100]);
            if n == 900 {
                source.end_of_stream();
            }
        };
        assert_eq!(run(&*source, capture, 1_000, push), 0, "{hz}");
        assert!(source.is_finished());

        let sink = AppSink::new(AppOptions::new(rate(hz))).unwrap();
        let pull = || {
            sink.pull_blocking(&mut [0; 70], Duration::ZERO);
        };
        assert_eq!(run(&*sink, render, 1_000, pull), 0, "{hz}");
        assert!(sink.overruns() > 0);
    }

    let echo = Echo::new();
    assert_eq!(run(&*echo, render, 100, idle), 0);
    assert_eq!(run(&*echo, capture, 100, idle), 0);

    let mixer = Mixer::new(rate(48_000)).unwrap();
    let (one, other) = (mixer.join(), mixer.join());
    other.set_voice(Voice::One(one.id())).unwrap();
    assert_eq!(run(&*other, render, 100, idle), 0, "a whisper");
    let mut n = 0;
    let change = || {
        n += 1;
        let voice = [Voice::All, Voice::Nobody, Voice::One(one.id())][n % 3];
        other.set_voice(voice).unwrap();
    };
    assert_eq!(run(&*other, render, 100, change), 0);
    assert_eq!(run(&*one, capture, 100, idle), 0);

    let listen = DetectorOptions {
        digits: Some(TellDigit::OnPress),
        tones: Vec::new(),
        media_class: true,
    };
    assert_eq!(
        run(&*Detector::new(listen).unwrap(), render, 1_000, idle),
        0
    );
    let digits = DigitTones::new();
    let mut n = 0;
    let press = || {
        n += 1;
        if n % 7 == 1 {
            let keys = [Digit::from_char('5').unwrap()];
            digits.play(&keys, DtmfShape::default()).unwrap();
        }
    };
    assert_eq!(run(&*digits, capture, 100, press), 0);
    let others: [Arc<dyn Terminal>; 2] = [Null::new(), Tone::new(440.0, -3.0).unwrap()];
    for terminal in others {
        assert_eq!(run(&*terminal, capture, 100, idle), 0);
    }
    assert_eq!(run(&*Null::new(), render, 100, idle), 0);
}
