//! What a provider has to hold, capability by capability.

use std::sync::Arc;
use std::time::Duration;

use super::probe::{KIT, MultiProbe, PROBE, Probe, ProbeFactory};
use crate::error::ErrorKind;
use crate::event::{Cause, EventFilter, EventKind, EventReceiver, FileState, MspEvent};
use crate::gather::{GatherEnd, GatherSpec, MAX_GATHERED};
use crate::id::{CallKey, Generation, LegId};
use crate::link::{Digit, Envelope, ToMsp};
use crate::media::{Direction, MediaKind, MediaKinds};
use crate::provider::{Address, Call, OpenAddress, Stream};
use crate::registry::{TerminalRegistry, TerminalSpec};
use crate::terminal::{Terminal, TerminalClass};

use Direction::{Bidirectional, Capture, Render};

/// A provider under test, with a peer that sends back what it gets.
pub trait Bench {
    /// The classes and static terminals of the provider.
    fn registry(&self) -> TerminalRegistry;
    /// Opens an address.
    fn open(&mut self) -> OpenAddress;
    /// Connects a call of an address with the peer, both ways.
    fn establish(&mut self, line: &OpenAddress, call: CallKey);
    /// Lets time pass.
    fn run(&mut self, time: Duration);
}

const SOON: Duration = Duration::from_millis(500);

struct Line {
    open: OpenAddress,
    events: EventReceiver,
}

impl Line {
    fn open(bench: &mut dyn Bench) -> Self {
        let open = bench.open();
        let events = open.address.subscribe(EventFilter::default());
        Self { open, events }
    }

    fn address(&self) -> &dyn Address {
        &*self.open.address
    }

    fn call(&self, key: u64) -> Arc<dyn Call> {
        let call = self.address().create_call(CallKey(key), MediaKinds::AUDIO);
        call.unwrap()
    }

    fn seen(&self) -> Vec<MspEvent> {
        std::iter::from_fn(|| self.events.try_recv()).collect()
    }
}

fn streams(call: &dyn Call) -> [Arc<dyn Stream>; 2] {
    [Capture, Render].map(|d| call.stream(MediaKind::Audio, d).unwrap())
}

fn shared(terminal: &Arc<Probe>) -> Arc<dyn Terminal> {
    terminal.clone()
}

/// C16.
pub fn c16_static_terminals_come_and_go_and_have_defaults(bench: &mut dyn Bench) {
    let statics = bench.registry().statics().clone();
    let (line, other) = (Line::open(bench), Line::open(bench));
    assert!(line.address().static_terminals().is_empty());
    assert!(
        line.address()
            .default_terminal(MediaKind::Audio, Capture)
            .is_none()
    );
    let [first, second] = [1_000, 2_000].map(|level| Probe::new(Capture, level));
    for microphone in [&first, &second] {
        statics.plug(microphone.clone()).unwrap();
    }
    let again = statics.plug(first.clone()).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::InvalidTerminal);
    bench.run(SOON);
    for line in [&line, &other] {
        let told: Vec<_> = line
            .seen()
            .into_iter()
            .map(|e| (e.kind, e.scope.terminal))
            .collect();
        let available = |t: &Arc<Probe>| (EventKind::TerminalAvailable, Some(t.id()));
        assert_eq!(told, [available(&first), available(&second)]);
    }
    let listed: Vec<_> = line
        .address()
        .static_terminals()
        .iter()
        .map(|t| t.id())
        .collect();
    assert_eq!(listed, [first.id(), second.id()]);
    let default = |direction| {
        let terminal = line.address().default_terminal(MediaKind::Audio, direction);
        terminal.map(|t| t.id())
    };
    assert_eq!(
        (default(Capture), default(Render)),
        (Some(first.id()), None)
    );
    statics
        .set_default(MediaKind::Audio, Capture, second.id())
        .unwrap();
    assert_eq!(default(Capture), Some(second.id()));
    let wrong = statics.set_default(MediaKind::Audio, Render, second.id());
    assert_eq!(wrong.unwrap_err().kind(), ErrorKind::InvalidDirection);
    let wrong = statics.set_default(MediaKind::Video, Capture, second.id());
    assert_eq!(wrong.unwrap_err().kind(), ErrorKind::InvalidMediaType);

    // One that is unplugged while it is used is lost to its stream.
    let call = line.call(16);
    let [capture, _] = streams(&*call);
    capture.select(second.clone()).unwrap();
    bench.establish(&line.open, CallKey(16));
    bench.run(SOON);
    assert!(capture.flow().flows());
    line.seen();
    statics.unplug(second.id()).unwrap();
    bench.run(SOON);
    let told: Vec<_> = line.seen().into_iter().map(|e| (e.kind, e.cause)).collect();
    let gone = |kind| (kind, Cause::BadDevice);
    assert_eq!(
        told,
        [
            gone(EventKind::TerminalUnavailable),
            gone(EventKind::TerminalFail),
            gone(EventKind::StreamFail),
            gone(EventKind::StreamInactive),
        ]
    );
    assert!(capture.terminals().is_empty());
    assert_eq!(
        default(Capture),
        Some(first.id()),
        "the next is the default"
    );
    let again = statics.unplug(second.id()).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::InvalidTerminal);

    // The stream takes another; an address that is closed is told no more.
    capture.select(first.clone()).unwrap();
    assert!(capture.flow().flows());
    other.address().close();
    other.seen();
    statics.unplug(first.id()).unwrap();
    bench.run(SOON);
    assert_eq!(other.seen(), []);
}

/// C17.
pub fn c17_terminals_are_made_of_the_classes_that_are_listed(bench: &mut dyn Bench) {
    let registry = bench.registry();
    registry.register(Arc::new(ProbeFactory)).unwrap();
    let line = Line::open(bench);
    let listed = line.address().terminal_classes();
    assert!(listed.iter().any(|c| c.class == PROBE));
    let made = line
        .address()
        .create_terminal(&PROBE, &TerminalSpec::audio(Capture));
    let made = made.unwrap();
    assert_eq!((made.class(), made.direction()), (&PROBE, Capture));
    let refused = |class: &TerminalClass, spec| {
        let refused = line.address().create_terminal(class, &spec);
        refused.err().unwrap().kind()
    };
    let video = TerminalSpec {
        kind: MediaKind::Video,
        ..TerminalSpec::audio(Capture)
    };
    assert_eq!(refused(&PROBE, video), ErrorKind::InvalidMediaType);
    let nobody = TerminalClass::new("kit.nobody");
    let audio = TerminalSpec::audio(Capture);
    assert_eq!(refused(&nobody, audio), ErrorKind::InvalidTerminalClass);
    let option = TerminalSpec::audio(Capture).with("colour", "red");
    assert_eq!(refused(&PROBE, option), ErrorKind::InvalidArgument);
}

/// C21.
pub fn c21_a_terminal_is_selected_on_a_call_all_or_nothing(bench: &mut dyn Bench) {
    let line = Line::open(bench);
    let call = line.call(21);
    let [capture, render] = streams(&*call);
    let ids = |stream: &Arc<dyn Stream>| -> Vec<_> {
        stream.terminals().iter().map(|t| t.id()).collect()
    };

    // A terminal of one track serves the first stream of each of its directions.
    let both: Arc<dyn Terminal> = Probe::new(Bidirectional, 1);
    let found = call.select(&both).unwrap();
    assert_eq!(
        found.selected,
        [(capture.id(), both.id()), (render.id(), both.id())]
    );
    call.unselect(&both).unwrap();
    assert_eq!((ids(&capture), ids(&render)), (vec![], vec![]));
    let again = call.unselect(&both).unwrap_err();
    assert_eq!(again.kind(), ErrorKind::InvalidTerminal);

    // Tracks in their order; one too many is told, and a stream without one asks for a new track.
    let [ear, second_ear] = [Probe::new(Render, 0), Probe::new(Render, 0)];
    let tracks = vec![shared(&ear), shared(&second_ear)];
    let multi = MultiProbe::new(tracks, 1);
    let group: Arc<dyn Terminal> = multi.clone();
    let found = call.select(&group).unwrap();
    let made = multi.tracks()[2].id();
    assert_eq!(
        found.selected,
        [(render.id(), ear.id()), (capture.id(), made)]
    );
    assert_eq!(found.unused, [second_ear.id()]);
    call.unselect(&group).unwrap();
    assert_eq!((ids(&capture), ids(&render)), (vec![], vec![]));

    // All or nothing: the last one fails, so the first is off again and the new track is gone.
    let [mouth, broken] = [Probe::new(Capture, 1), Probe::new(Render, 0)];
    broken.refuse();
    let tracks = vec![shared(&mouth), shared(&broken)];
    let group: Arc<dyn Terminal> = MultiProbe::new(tracks, 0);
    assert_eq!(call.select(&group).unwrap_err().kind(), ErrorKind::Device);
    let multi = MultiProbe::new(vec![shared(&broken)], 1);
    let group: Arc<dyn Terminal> = multi.clone();
    assert_eq!(call.select(&group).unwrap_err().kind(), ErrorKind::Device);
    assert_eq!(multi.tracks().len(), 1);
    assert_eq!((ids(&capture), ids(&render)), (vec![], vec![]));

    // What serves no stream is refused, and so is a group on a single stream.
    let video: Arc<dyn Terminal> = Probe::of_kind(MediaKind::Video, Capture, 0);
    assert_eq!(
        call.select(&video).unwrap_err().kind(),
        ErrorKind::InvalidDirection
    );
    let alone = capture.select(group).unwrap_err();
    assert_eq!(alone.kind(), ErrorKind::InvalidMediaType);

    // It works while the call runs.
    bench.establish(&line.open, CallKey(21));
    let [mouth, ear] = [Probe::new(Capture, 4_000), Probe::new(Render, 0)];
    let group: Arc<dyn Terminal> = MultiProbe::new(vec![shared(&mouth), shared(&ear)], 0);
    call.select(&group).unwrap();
    bench.run(SOON);
    assert!(
        (ear.last_heard() - 4_000).abs() < 150,
        "{}",
        ear.last_heard()
    );
}

/// C22.
pub fn c22_others_add_classes_under_superclasses(bench: &mut dyn Bench) {
    let registry = bench.registry();
    let kit = |r: &TerminalRegistry| r.classes_of(&KIT, MediaKinds::AUDIO);
    assert_eq!(
        kit(&registry).unwrap_err().kind(),
        ErrorKind::InvalidTerminalClass
    );
    registry.register_superclass(KIT.clone()).unwrap();
    assert_eq!(kit(&registry).unwrap(), []);
    registry.register(Arc::new(ProbeFactory)).unwrap();
    let twice = registry.register(Arc::new(ProbeFactory)).unwrap_err();
    assert_eq!(twice.kind(), ErrorKind::InvalidTerminalClass);
    let twice = registry.register_superclass(KIT.clone()).unwrap_err();
    assert_eq!(twice.kind(), ErrorKind::InvalidTerminalClass);
    assert!(registry.superclasses().contains(&KIT));
    let found: Vec<_> = kit(&registry)
        .unwrap()
        .into_iter()
        .map(|c| c.class)
        .collect();
    assert!(matches!(&found[..], [only] if *only == PROBE));
    let video = registry.classes_of(&KIT, MediaKinds::AUDIO.with(MediaKind::Video));
    assert_eq!(video.unwrap(), []);

    // What a terminal of theirs reports comes with address, call, stream and terminal.
    let line = Line::open(bench);
    let call = line.call(22);
    let [capture, _] = streams(&*call);
    let made = line
        .address()
        .create_terminal(&PROBE, &TerminalSpec::audio(Capture));
    let Ok(probe) = made.unwrap().downcast::<Probe>() else {
        panic!("the class made something else")
    };
    capture.select(probe.clone()).unwrap();
    line.seen();
    probe.report(EventKind::File(FileState::Active), Cause::LocalRequest);
    bench.run(SOON);
    let told = line.seen();
    let [event] = &told[..] else {
        panic!("{told:?}")
    };
    let scope = event.scope;
    assert_eq!(scope.address, line.address().id());
    assert_eq!(scope.call, Some(CallKey(22)));
    assert_eq!(scope.stream, Some(capture.id()));
    assert_eq!(scope.terminal, Some(probe.id()));

    registry.unregister(&PROBE).unwrap();
    let gone = registry.unregister(&PROBE).unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::InvalidTerminalClass);
    let gone = line
        .address()
        .create_terminal(&PROBE, &TerminalSpec::audio(Capture));
    assert_eq!(gone.err().unwrap().kind(), ErrorKind::InvalidTerminalClass);
}

/// C24.
pub fn c24_knobs_are_followed_on_every_stream(bench: &mut dyn Bench) {
    let line = Line::open(bench);
    let call = line.call(24);
    let [capture, render] = streams(&*call);
    let [mouth, ear] = [Probe::new(Capture, 8_000), Probe::new(Render, 0)];
    mouth.controls().set_volume(0);
    capture.select(mouth.clone()).unwrap();
    render.select(ear.clone()).unwrap();
    bench.establish(&line.open, CallKey(24));
    bench.run(SOON);
    assert_eq!(ear.last_heard(), 0, "turned down before it was selected");
    mouth.controls().set_volume(u16::MAX);
    bench.run(SOON);
    assert!(
        (ear.last_heard() - 8_000).abs() < 300,
        "{}",
        ear.last_heard()
    );
    ear.controls().set_gain_db(-20.0).unwrap();
    bench.run(SOON);
    assert!((ear.last_heard() - 800).abs() < 30, "{}", ear.last_heard());
    ear.controls().set_muted(true);
    bench.run(SOON);
    assert_eq!(ear.last_heard(), 0);
}

/// C26.
pub fn c26_a_gathering_ends_once_and_for_one_reason(bench: &mut dyn Bench) {
    let line = Line::open(bench);
    let call = line.call(26);
    let keys = |text: &str| -> Vec<Digit> { text.chars().filter_map(Digit::from_char).collect() };
    let tell = |bench: &mut dyn Bench, body| {
        let message = Envelope {
            call: CallKey(26),
            leg: LegId::FIRST,
            generation: Generation(0),
            body,
        };
        line.open.link.sender.send(message).unwrap();
        bench.run(Duration::from_millis(20));
    };
    let press = |bench: &mut dyn Bench, text: &str| {
        for digit in keys(text) {
            let duration = Duration::from_millis(100);
            tell(bench, ToMsp::Digit { digit, duration });
        }
    };
    let gathered = || -> Vec<(String, GatherEnd)> {
        let ended = line.seen().into_iter().filter_map(|e| match e.kind {
            EventKind::Gathered(g) => {
                Some((g.digits.iter().map(Digit::to_string).collect(), g.end))
            }
            _ => None,
        });
        ended.collect()
    };
    let spec = GatherSpec {
        terminators: keys("#"),
        first_timeout: Some(Duration::from_secs(5)),
        inter_timeout: Some(Duration::from_secs(2)),
        ..GatherSpec::digits(4)
    };
    let got = |text: &str, end| vec![(text.to_owned(), end)];

    call.gather(spec.clone()).unwrap();
    press(bench, "12345");
    assert_eq!(
        gathered(),
        got("1234", GatherEnd::Full),
        "the fifth is of nobody"
    );
    call.gather(spec.clone()).unwrap();
    press(bench, "9#");
    assert_eq!(gathered(), got("9#", GatherEnd::Terminated));
    call.gather(spec.clone()).unwrap();
    bench.run(Duration::from_millis(4_900));
    assert_eq!(gathered(), vec![]);
    bench.run(Duration::from_millis(200));
    assert_eq!(gathered(), got("", GatherEnd::FirstTimeout));
    call.gather(spec.clone()).unwrap();
    press(bench, "4");
    bench.run(Duration::from_millis(1_900));
    press(bench, "2");
    bench.run(Duration::from_millis(1_900));
    assert_eq!(gathered(), vec![], "each digit gives it new time");
    bench.run(Duration::from_millis(200));
    assert_eq!(gathered(), got("42", GatherEnd::InterTimeout));

    // A second one ends the first, which tells what it has; so does the end of the call.
    call.gather(spec.clone()).unwrap();
    press(bench, "7");
    call.gather(GatherSpec::digits(2)).unwrap();
    bench.run(SOON);
    assert_eq!(gathered(), got("7", GatherEnd::Cancelled));
    press(bench, "8");
    call.cancel_gathering();
    call.cancel_gathering();
    bench.run(SOON);
    assert_eq!(gathered(), got("8", GatherEnd::Cancelled));
    for digits in [0, MAX_GATHERED + 1] {
        let refused = call.gather(GatherSpec::digits(digits)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidArgument);
    }
    call.gather(spec.clone()).unwrap();
    let cause = Cause::RemoteRequest;
    tell(bench, ToMsp::Disconnected { cause });
    bench.run(SOON);
    assert_eq!(gathered(), got("", GatherEnd::Cancelled));
    assert_eq!(call.gather(spec).unwrap_err().kind(), ErrorKind::Closed);
    bench.run(Duration::from_secs(10));
    assert_eq!(gathered(), vec![]);
}
