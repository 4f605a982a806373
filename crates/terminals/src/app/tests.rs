use std::sync::atomic::AtomicU32;
use std::task::{Wake, Waker};
use std::thread;

use msp_core::event::FileState;
use msp_core::terminal::{Connection, FrameSink, FrameSource, Pulled};

use super::*;
use crate::testing::{TIME, noise, port};

fn hz(hz: u32) -> ClockRate {
    ClockRate::new(hz).unwrap()
}

fn source(options: AppOptions, rate: u32) -> (Arc<AppSource>, Box<dyn FrameSource>, Events) {
    let terminal = AppSource::new(options).unwrap();
    let (port, events) = port(Direction::Capture, rate);
    let Connection::Source(media) = terminal.connect(port).unwrap() else {
        panic!("no source");
    };
    (terminal, media, events)
}

type Events = std::sync::mpsc::Receiver<(FileState, Option<Error>)>;

fn sink(options: AppOptions, rate: u32) -> (Arc<AppSink>, Box<dyn FrameSink>) {
    let terminal = AppSink::new(options).unwrap();
    let Connection::Sink(media) = terminal.connect(port(Direction::Render, rate).0).unwrap() else {
        panic!("no sink");
    };
    (terminal, media)
}

#[derive(Default)]
struct Count(AtomicU32);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }
}

impl Count {
    fn get(&self) -> u32 {
        self.0.load(std::sync::atomic::Ordering::SeqCst)
    }
}

#[test]
fn c18_pushed_sound_is_pulled_bit_for_bit_and_back_pressure_holds() {
    let (app, mut media, events) = source(AppOptions::new(hz(8_000)), 8_000);
    let sound = noise(4_000);
    let mut frame = [1; 80];
    assert_eq!(media.pull(TIME, &mut frame), Pulled::Nothing);
    assert_eq!((frame, app.underruns()), ([0; 80], 0));

    // 200 ms fit, and no more until something is taken.
    assert_eq!(app.push(&sound), 1_600);
    assert_eq!(
        app.try_push(&sound[1_600..1_601]).unwrap_err().kind(),
        ErrorKind::Busy
    );
    let count = Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    let cx = std::task::Context::from_waker(&waker);
    assert!(app.poll_push(&cx, &sound[1_600..]).is_pending());
    let mut heard = Vec::new();
    let mut pull = |media: &mut Box<dyn FrameSource>| {
        let mut frame = [0; 80];
        let pulled = media.pull(TIME, &mut frame);
        heard.extend(frame);
        pulled
    };
    // A task is woken when there is room for a frame of 20 ms.
    assert_eq!(pull(&mut media), Pulled::Sound);
    assert_eq!(count.get(), 0);
    assert_eq!(pull(&mut media), Pulled::Sound);
    assert_eq!(count.get(), 1);
    assert_eq!(
        app.poll_push(&cx, &sound[1_600..]),
        std::task::Poll::Ready(160)
    );
    app.try_push(&[]).unwrap();
    for _ in 0..20 {
        assert_eq!(pull(&mut media), Pulled::Sound);
    }
    assert_eq!(app.push(&sound[1_760..1_800]), 40);
    assert_eq!(pull(&mut media), Pulled::Partial(40));
    assert_eq!(app.underruns(), 1);
    assert_eq!(app.push(&sound[1_800..1_850]), 50);
    assert!(app.poll_finished(&cx).is_pending());
    app.end_of_stream();
    assert_eq!(app.push(&sound), 0);
    assert_eq!(app.try_push(&sound).unwrap_err().kind(), ErrorKind::Closed);
    assert!(!app.is_finished());
    assert_eq!(pull(&mut media), Pulled::Partial(50));
    assert!(app.is_finished() && app.wait_finished(Duration::ZERO));
    assert_eq!(pull(&mut media), Pulled::Nothing);
    assert_eq!((app.underruns(), app.taken()), (1, 1_850));
    let ends: Vec<_> = events.try_iter().collect();
    assert_eq!(ends, [(FileState::EndOfFile, None)]);
    assert_eq!(heard[..1_760], sound[..1_760]);
    assert_eq!(heard[1_760..1_800], sound[1_760..1_800]);
    assert_eq!(heard[1_840..1_890], sound[1_800..1_850]);
}

#[test]
fn c18_received_sound_is_pulled_and_what_has_no_room_is_counted() {
    let (app, mut media) = sink(AppOptions::new(hz(8_000)), 8_000);
    let sound = noise(3_200);
    let count = Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    let cx = std::task::Context::from_waker(&waker);
    let mut taken = [0; 1_600];
    assert!(app.poll_pull(&cx, &mut taken).is_pending());
    media.push(TIME, &sound[..80]);
    assert_eq!(count.get(), 0);
    media.push(TIME, &sound[80..160]);
    assert_eq!(count.get(), 1);
    assert_eq!(app.poll_pull(&cx, &mut taken), std::task::Poll::Ready(160));
    assert_eq!(taken[..160], sound[..160]);
    for frame in sound[160..].chunks(80) {
        media.push(TIME, frame);
    }
    assert_eq!((app.overruns(), app.brought()), (1_440, 3_200));
    assert_eq!(app.pull(&mut taken), 1_600);
    assert_eq!(taken, sound[160..1_760]);
    media.push(TIME, &sound[..80]);
    assert!(app.poll_pull(&cx, &mut taken).is_pending());
    assert!(!app.is_over());
    drop(media);
    assert_eq!(count.get(), 2);
    assert_eq!(app.poll_pull(&cx, &mut taken), std::task::Poll::Ready(80));
    assert_eq!(app.poll_pull(&cx, &mut taken), std::task::Poll::Ready(0));
    assert_eq!(app.pull_blocking(&mut taken, Duration::from_secs(60)), 0);
}

#[test]
fn threads_may_block_on_both() {
    let (from, mut source, _events) = source(AppOptions::new(hz(8_000)), 8_000);
    let (to, mut sink) = sink(AppOptions::new(hz(8_000)), 8_000);
    let sound = noise(40_000);
    let wait = Duration::from_secs(60);
    thread::scope(|scope| {
        let gives = scope.spawn(|| {
            assert_eq!(from.push_blocking(&sound, wait), sound.len());
            from.end_of_stream();
            assert!(from.wait_finished(wait));
        });
        let heard = scope.spawn(|| {
            let mut heard = vec![0; sound.len()];
            let n = to.pull_blocking(&mut heard, wait);
            heard.truncate(n);
            heard
        });
        let mut passed = 0;
        while passed < sound.len() {
            let mut frame = [0; 80];
            let n = match source.pull(TIME, &mut frame) {
                Pulled::Sound => 80,
                Pulled::Partial(n) => n,
                Pulled::Nothing => 0,
            };
            passed += n;
            // The media thread never waits; here it does, so that nothing is lost.
            while to.available() > 1_500 {
                thread::yield_now();
            }
            sink.push(TIME, &frame[..n]);
        }
        // The other thread may say only now that this was all.
        while !gives.is_finished() {
            source.pull(TIME, &mut [0; 80]);
            thread::yield_now();
        }
        drop(sink);
        assert!(heard.join().unwrap() == sound);
    });
    assert_eq!(from.push_blocking(&sound, wait), 0, "ended");
    let timely = AppSource::new(AppOptions::new(hz(8_000))).unwrap();
    assert_eq!(
        timely.push_blocking(&sound, Duration::from_millis(1)),
        1_600
    );
}

#[test]
fn rates_are_converted_and_nothing_is_lost_at_the_end() {
    let tone = |rate: f64, n: usize| {
        (8_000.0 * (std::f64::consts::TAU * 440.0 * n as f64 / rate).sin()) as i16
    };
    let (from, mut source, _events) = source(AppOptions::new(hz(24_000)), 8_000);
    let (to, mut sink) = sink(AppOptions::new(hz(48_000)), 8_000);
    let sound: Vec<i16> = (0..24_000).map(|n| tone(24_000.0, n)).collect();
    let mut given = 0;
    let mut heard: Vec<i16> = Vec::new();
    let mut narrow = 0;
    while !from.is_finished() {
        given += from.push(&sound[given..]);
        if given == sound.len() {
            from.end_of_stream();
        }
        let mut frame = [0; 80];
        let pulled = source.pull(TIME, &mut frame);
        narrow += match pulled {
            Pulled::Sound => 80,
            Pulled::Partial(n) => n,
            Pulled::Nothing => 0,
        };
        sink.push(TIME, &frame);
        let mut out = [0; 480];
        let n = to.pull(&mut out);
        heard.extend(&out[..n]);
    }
    assert_eq!((from.underruns(), to.overruns()), (0, 0));
    // What the converter held back came too.
    assert!((8_030..8_100).contains(&narrow), "{narrow}");
    assert!(heard.len().abs_diff(narrow * 6) < 1_000);
    // A sine that is still one: x[n+1] + x[n-1] = 2 cos(w) x[n].
    let turn = 2.0 * (std::f64::consts::TAU * 440.0 / 48_000.0).cos();
    for three in heard[2_000..heard.len() - 2_000].windows(3) {
        let off = f64::from(three[0]) + f64::from(three[2]) - turn * f64::from(three[1]);
        assert!(off.abs() < 8.0, "{three:?}");
    }
}

#[test]
fn a_terminal_is_on_one_stream_and_keeps_what_waits() {
    let (app, media, _events) = source(AppOptions::new(hz(8_000)), 16_000);
    assert_eq!(app.stream_format().unwrap().rate, hz(16_000));
    let connect = |direction, rate| app.connect(port(direction, rate).0);
    let refused = |direction, rate| connect(direction, rate).unwrap_err().kind();
    assert_eq!(refused(Direction::Capture, 8_000), ErrorKind::TerminalInUse);
    assert_eq!(
        refused(Direction::Render, 8_000),
        ErrorKind::InvalidDirection
    );
    assert_eq!(refused(Direction::Capture, 100), ErrorKind::NoFormat);
    app.push(&[5; 80]);
    drop(media);
    assert_eq!(app.stream_format(), None);
    let Ok(Connection::Source(mut media)) = connect(Direction::Capture, 8_000) else {
        panic!("no source");
    };
    let mut frame = [0; 80];
    assert_eq!(media.pull(TIME, &mut frame), Pulled::Sound);
    assert_eq!(frame, [5; 80]);
}

#[test]
fn what_cannot_be_is_refused() {
    let refused = |options: AppOptions| {
        let kind = AppSource::new(options.clone()).unwrap_err().kind();
        assert_eq!(AppSink::new(options).unwrap_err().kind(), kind);
        kind
    };
    let good = AppOptions::new(hz(8_000));
    assert_eq!(refused(AppOptions::new(hz(10))), ErrorKind::NoFormat);
    for (buffer, frame) in [(0, 0), (10, 20), (601_000, 20), (u64::MAX, 1)] {
        let mut options = good.clone();
        options.buffer = Duration::from_millis(buffer);
        options.frame = Duration::from_millis(frame);
        assert_eq!(refused(options), ErrorKind::InvalidArgument);
    }
}

#[test]
fn who_makes_a_terminal_by_its_class_gets_its_own_back() {
    let registry = msp_core::registry::TerminalRegistry::default();
    crate::register_all(&registry).unwrap();
    let make = |direction| {
        let spec = TerminalSpec::audio(direction).with("rate", "8000");
        registry.create(&CLASS, &spec).unwrap()
    };
    let terminal = make(Direction::Capture);
    assert!(terminal.is::<AppSource>() && terminal.downcast_ref::<AppSink>().is_none());
    let id = terminal.id();
    // It is no sink, and not lost for having been asked.
    let terminal = terminal.downcast::<AppSink>().unwrap_err();
    let app = terminal.downcast::<AppSource>().unwrap();
    assert_eq!(app.id(), id);
    let Ok(Connection::Source(mut media)) = app.connect(port(Direction::Capture, 8_000).0) else {
        panic!("no source");
    };
    app.push(&[7; 80]);
    let mut frame = [0; 80];
    assert_eq!(media.pull(TIME, &mut frame), Pulled::Sound);
    assert_eq!(frame, [7; 80]);
    assert!(make(Direction::Render).downcast::<AppSink>().is_ok());
}
