//! The capabilities C01 to C15, as far as they need no network, on the loopback provider.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use msp_core::controls::AudioControls;
use msp_core::event::{Cause, EventFilter, EventKind, EventReceiver, MspEvent};
use msp_core::flow::TransportState;
use msp_core::id::{CallKey, Generation, LegId, TerminalId};
use msp_core::link::{Digit, Envelope, Finality, OfferRole, PrepareSlot, ToMsp, ToTsp, TspEnd};
use msp_core::loopback::Loopback;
use msp_core::media::{Direction, MediaDirection, MediaKind, MediaKinds};
use msp_core::params::{MediaParams, MediaSlot, Profile, SecurityPolicy};
use msp_core::provider::{Address, Call, MediaCallState, OpenAddress, Provider};
use msp_core::registry::{TerminalClassInfo, TerminalFactory, TerminalRegistry, TerminalSpec};
use msp_core::terminal::{
    Connection, FRAME, FrameSink, FrameSource, FrameTime, Pulled, StreamPort, Terminal,
    TerminalClass, next_terminal_id,
};
use msp_core::{ErrorKind, Result};

/// Counts samples up from 1.
struct Ramp(i16);

impl FrameSource for Ramp {
    fn pull(&mut self, _: FrameTime, frame: &mut [i16]) -> Pulled {
        for sample in frame {
            *sample = self.0;
            self.0 = self.0.wrapping_add(1);
        }
        Pulled::Sound
    }
}

struct Keep(Arc<Mutex<Vec<i16>>>);

impl FrameSink for Keep {
    fn push(&mut self, _: FrameTime, frame: &[i16]) {
        self.0.lock().unwrap().extend_from_slice(frame);
    }
}

/// A terminal of either direction that captures a ramp or keeps what it renders.
struct Probe {
    id: TerminalId,
    controls: Arc<AudioControls>,
    direction: Direction,
    kind: MediaKind,
    heard: Arc<Mutex<Vec<i16>>>,
    refuse: bool,
}

static PROBE: TerminalClass = TerminalClass::new("test.probe");

impl Probe {
    fn new(direction: Direction) -> Arc<Self> {
        Arc::new(Self {
            id: next_terminal_id(),
            controls: Arc::default(),
            direction,
            kind: MediaKind::Audio,
            heard: Arc::default(),
            refuse: false,
        })
    }

    fn heard(&self) -> Vec<i16> {
        self.heard.lock().unwrap().clone()
    }
}

impl Terminal for Probe {
    fn id(&self) -> TerminalId {
        self.id
    }
    fn name(&self) -> &str {
        "probe"
    }
    fn class(&self) -> &TerminalClass {
        &PROBE
    }
    fn kind(&self) -> MediaKind {
        self.kind
    }
    fn direction(&self) -> Direction {
        self.direction
    }
    fn controls(&self) -> &Arc<AudioControls> {
        &self.controls
    }
    fn connect(&self, port: StreamPort) -> Result<Connection> {
        if self.refuse {
            return Err(ErrorKind::Device.into());
        }
        Ok(match port.direction {
            Capture => Connection::Source(Box::new(Ramp(1))),
            _ => Connection::Sink(Box::new(Keep(self.heard.clone()))),
        })
    }
}

struct ProbeFactory;

impl TerminalFactory for ProbeFactory {
    fn info(&self) -> TerminalClassInfo {
        TerminalClassInfo {
            class: PROBE.clone(),
            superclass: TerminalClass::new("test"),
            vendor: "tests".into(),
            kinds: MediaKinds::AUDIO,
            direction: Direction::Bidirectional,
        }
    }
    fn create(&self, spec: &TerminalSpec) -> Result<Arc<dyn Terminal>> {
        spec.expect_options(&[])?;
        Ok(Probe::new(spec.direction))
    }
}

struct Rig {
    provider: Loopback,
    address: Arc<dyn Address>,
    link: TspEnd,
    events: EventReceiver,
}

const KEY: CallKey = CallKey(1);

impl Rig {
    fn new() -> Self {
        let registry = TerminalRegistry::default();
        registry.register(Arc::new(ProbeFactory)).unwrap();
        let provider = Loopback::new(registry);
        let OpenAddress { address, link } = provider.open("line").unwrap();
        let events = address.subscribe(EventFilter::default());
        Self {
            provider,
            address,
            link,
            events,
        }
    }

    fn call(&self) -> Arc<dyn Call> {
        self.address.create_call(KEY, MediaKinds::AUDIO).unwrap()
    }

    fn tell(&self, call: CallKey, body: ToMsp) -> Option<ToTsp> {
        let envelope = Envelope {
            call,
            leg: LegId::FIRST,
            generation: Generation(1),
            body,
        };
        self.link.sender.send(envelope).unwrap();
        self.provider.run_for(Duration::ZERO);
        self.link.receiver.try_recv().unwrap().map(|reply| {
            assert_eq!(
                (reply.call, reply.leg, reply.generation),
                (call, LegId::FIRST, Generation(1))
            );
            reply.body
        })
    }

    fn prepare(&self) -> ToTsp {
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
        self.tell(KEY, prepare).unwrap()
    }

    fn apply(&self, change: impl FnOnce(&mut MediaParams)) {
        let mut params = MediaParams::new(MediaSlot(0), MediaKind::Audio);
        change(&mut params);
        let apply = ToMsp::Apply {
            finality: Finality::Final,
            params: vec![params],
        };
        assert_eq!(self.tell(KEY, apply), Some(ToTsp::Applied));
    }

    fn seen(&self) -> Vec<(EventKind, Cause)> {
        std::iter::from_fn(|| self.events.try_recv())
            .map(|e| (e.kind, e.cause))
            .collect()
    }
}

use Direction::{Capture, Render};
use EventKind::{StreamActive, StreamFail, StreamInactive, StreamNotUsed};

#[test]
fn c01_instances_are_independent() {
    let rig = Rig::new();
    let other = rig.provider.open("line").unwrap();
    assert_ne!(other.address.id(), rig.address.id());
    let call = rig.call();
    other.address.close();
    assert_eq!(
        other
            .address
            .create_call(CallKey(9), MediaKinds::AUDIO)
            .err()
            .map(|e| e.kind()),
        Some(ErrorKind::Closed)
    );
    assert_eq!(call.state(), MediaCallState::Idle);
    assert!(matches!(rig.prepare(), ToTsp::Local(_)));
}

#[test]
fn c02_an_unsupported_kind_leaves_nothing_behind() {
    let rig = Rig::new();
    for kinds in [MediaKinds::AUDIO.with(MediaKind::Video), MediaKinds::NONE] {
        let error = rig.address.create_call(KEY, kinds).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::InvalidMediaType);
    }
    rig.call();
    let again = rig
        .address
        .create_call(KEY, MediaKinds::AUDIO)
        .err()
        .unwrap();
    assert_eq!(again.kind(), ErrorKind::CallExists);
}

#[test]
fn c03_default_streams_exist_before_any_signalling() {
    let rig = Rig::new();
    let call = rig.call();
    let streams: Vec<_> = call
        .streams()
        .iter()
        .map(|s| (s.kind(), s.direction()))
        .collect();
    assert_eq!(
        streams,
        [(MediaKind::Audio, Capture), (MediaKind::Audio, Render)]
    );
    assert_eq!(call.state(), MediaCallState::Idle);
    assert_eq!(call.streams()[0].flow().transport, TransportState::None);
}

#[test]
fn c04_a_message_for_an_unknown_call_is_a_visible_error() {
    let rig = Rig::new();
    match rig.tell(CallKey(77), ToMsp::Commit) {
        Some(ToTsp::Refused(error)) => {
            assert_eq!(error.kind(), ErrorKind::InvalidCall);
            assert!(error.to_string().contains("77"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn c05_nothing_arrives_after_close() {
    let rig = Rig::new();
    let call = rig.call();
    let capture = call.stream(MediaKind::Audio, Capture).unwrap();
    capture.select(Probe::new(Capture)).unwrap();
    rig.prepare();
    rig.apply(|_| ());
    rig.address.close();
    assert_eq!(
        rig.seen(),
        [
            (StreamActive, Cause::RemoteRequest),
            (StreamInactive, Cause::LocalRequest)
        ]
    );
    assert_eq!(capture.start().unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(rig.events.recv_timeout(Duration::from_secs(60)), None);
}

#[test]
fn c06_a_disconnected_call_stays_to_be_asked_and_holds_nothing() {
    let rig = Rig::new();
    let call = rig.call();
    let probe = Probe::new(Render);
    let render = call.stream(MediaKind::Audio, Render).unwrap();
    render.select(probe.clone()).unwrap();
    rig.prepare();
    rig.apply(|_| ());
    assert_eq!(Arc::strong_count(&probe.heard), 2);
    rig.tell(
        KEY,
        ToMsp::Disconnected {
            cause: Cause::RemoteRequest,
        },
    );
    assert_eq!(call.state(), MediaCallState::Disconnected);
    assert_eq!(render.flow().transport, TransportState::Closed);
    assert_eq!(
        (Arc::strong_count(&probe), Arc::strong_count(&probe.heard)),
        (1, 1)
    );
    assert_eq!(
        rig.seen(),
        [
            (StreamActive, Cause::RemoteRequest),
            (StreamInactive, Cause::RemoteRequest)
        ]
    );
}

#[test]
fn c07_sound_flows_by_itself_whichever_comes_last() {
    for terminals_first in [true, false] {
        let rig = Rig::new();
        let call = rig.call();
        let probe = Probe::new(Render);
        let select = || {
            call.stream(MediaKind::Audio, Capture)
                .unwrap()
                .select(Probe::new(Capture))
                .unwrap();
            call.stream(MediaKind::Audio, Render)
                .unwrap()
                .select(probe.clone())
                .unwrap();
        };
        if terminals_first {
            select();
        }
        assert!(matches!(rig.prepare(), ToTsp::Local(p) if p.len() == 1));
        rig.apply(|_| ());
        if !terminals_first {
            select();
        }
        rig.provider.run_for(FRAME * 3);
        assert_eq!(probe.heard(), (1..=240).collect::<Vec<i16>>());
        let cause = if terminals_first {
            Cause::RemoteRequest
        } else {
            Cause::LocalRequest
        };
        assert_eq!(rig.seen(), [(StreamActive, cause), (StreamActive, cause)]);
    }
}

#[test]
fn c08_start_pause_and_stop_answer_with_events_and_stop_holds() {
    let rig = Rig::new();
    let call = rig.call();
    let render = call.stream(MediaKind::Audio, Render).unwrap();
    render.select(Probe::new(Render)).unwrap();
    rig.prepare();
    rig.apply(|_| ());
    render.pause().unwrap();
    render.start().unwrap();
    render.start().unwrap();
    render.stop().unwrap();
    // Neither a new agreement nor another terminal starts it again.
    rig.apply(|_| ());
    render.select(Probe::new(Render)).unwrap();
    assert!(!render.flow().flows());
    render.start().unwrap();
    let local = Cause::LocalRequest;
    assert_eq!(
        rig.seen(),
        [
            (StreamActive, Cause::RemoteRequest),
            (StreamInactive, local),
            (StreamActive, local),
            (StreamInactive, local),
            (StreamActive, local),
        ]
    );
}

#[test]
fn c09_start_on_an_empty_stream_is_remembered() {
    let rig = Rig::new();
    let call = rig.call();
    let render = call.stream(MediaKind::Audio, Render).unwrap();
    rig.prepare();
    rig.apply(|_| ());
    render.stop().unwrap();
    render.start().unwrap();
    assert_eq!(rig.seen(), []);
    render.select(Probe::new(Render)).unwrap();
    assert_eq!(rig.seen(), [(StreamActive, Cause::LocalRequest)]);
}

#[test]
fn c10_the_last_terminal_out_ends_the_flow() {
    let rig = Rig::new();
    let call = rig.call();
    call.stream(MediaKind::Audio, Capture)
        .unwrap()
        .select(Probe::new(Capture))
        .unwrap();
    let render = call.stream(MediaKind::Audio, Render).unwrap();
    let (first, second) = (Probe::new(Render), Probe::new(Render));
    render.select(first.clone()).unwrap();
    rig.prepare();
    rig.apply(|_| ());
    rig.provider.run_for(FRAME);
    render.unselect(first.id).unwrap();
    rig.provider.run_for(FRAME);
    render.select(second.clone()).unwrap();
    rig.provider.run_for(FRAME);
    assert_eq!(first.heard(), (1..=80).collect::<Vec<i16>>());
    assert_eq!(second.heard(), (161..=240).collect::<Vec<i16>>());
    assert_eq!(
        render.unselect(first.id).unwrap_err().kind(),
        ErrorKind::InvalidTerminal
    );
}

#[test]
fn c11_terminals_fan_out_and_mix() {
    let rig = Rig::new();
    let call = rig.call();
    let capture = call.stream(MediaKind::Audio, Capture).unwrap();
    capture.select(Probe::new(Capture)).unwrap();
    capture.select(Probe::new(Capture)).unwrap();
    let render = call.stream(MediaKind::Audio, Render).unwrap();
    let (one, two) = (Probe::new(Render), Probe::new(Render));
    render.select(one.clone()).unwrap();
    render.select(two.clone()).unwrap();
    rig.prepare();
    rig.apply(|_| ());
    rig.provider.run_for(FRAME);
    assert_eq!(one.heard(), (1..=80).map(|n| 2 * n).collect::<Vec<i16>>());
    assert_eq!(one.heard(), two.heard());

    let limit = rig.provider.capabilities().max_terminals;
    for _ in 2..limit {
        render.select(Probe::new(Render)).unwrap();
    }
    let error = render.select(Probe::new(Render)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MaxTerminals);
    assert_eq!(render.terminals().len(), limit);
}

#[test]
fn c12_a_refused_medium_is_not_used() {
    let rig = Rig::new();
    let call = rig.call();
    call.stream(MediaKind::Audio, Render)
        .unwrap()
        .select(Probe::new(Render))
        .unwrap();
    rig.prepare();
    rig.apply(|p| p.refused = true);
    let remote = Cause::RemoteRequest;
    assert_eq!(
        rig.seen(),
        [(StreamNotUsed, remote), (StreamNotUsed, remote)]
    );
}

#[test]
fn hold_by_the_peer_and_by_us_is_told_apart() {
    let rig = Rig::new();
    let call = rig.call();
    call.stream(MediaKind::Audio, Render)
        .unwrap()
        .select(Probe::new(Render))
        .unwrap();
    rig.prepare();
    rig.apply(|_| ());
    rig.apply(|p| p.direction = MediaDirection::SendOnly);
    rig.apply(|_| ());
    let (slot, direction) = (MediaSlot(0), MediaDirection::Inactive);
    rig.tell(
        KEY,
        ToMsp::Direction {
            slot,
            direction,
            cause: Cause::LocalRequest,
        },
    );
    assert_eq!(
        rig.seen(),
        [
            (StreamActive, Cause::RemoteRequest),
            (StreamInactive, Cause::RemoteRequest),
            (StreamActive, Cause::RemoteRequest),
            (StreamInactive, Cause::LocalRequest),
        ]
    );
}

#[test]
fn selecting_checks_kind_then_direction_then_doubles_and_leaves_no_trace() {
    let rig = Rig::new();
    let call = rig.call();
    let render = call.stream(MediaKind::Audio, Render).unwrap();
    let video = Arc::new(Probe {
        id: next_terminal_id(),
        controls: Arc::default(),
        direction: Capture,
        kind: MediaKind::Video,
        heard: Arc::default(),
        refuse: false,
    });
    assert_eq!(
        render.select(video).unwrap_err().kind(),
        ErrorKind::InvalidMediaType
    );
    assert_eq!(
        render.select(Probe::new(Capture)).unwrap_err().kind(),
        ErrorKind::InvalidDirection
    );
    let broken = Arc::new(Probe {
        id: next_terminal_id(),
        controls: Arc::default(),
        direction: Render,
        kind: MediaKind::Audio,
        heard: Arc::default(),
        refuse: true,
    });
    assert_eq!(render.select(broken).unwrap_err().kind(), ErrorKind::Device);
    assert!(render.terminals().is_empty());
    let probe = Probe::new(Render);
    render.select(probe.clone()).unwrap();
    assert_eq!(
        render.select(probe).unwrap_err().kind(),
        ErrorKind::InvalidTerminal
    );
    assert_eq!(render.terminals().len(), 1);
    assert_eq!(rig.seen(), []);
}

#[test]
fn c14_a_broken_terminal_takes_the_stream_along_only_if_it_was_alone() {
    use msp_core::Error;
    use msp_core::id::AddressId;
    use msp_core::model::CallModel;
    use msp_core::time::Instant;

    let now = Instant::ZERO;
    let kinds = MediaKinds::AUDIO;
    let mut model = CallModel::new(AddressId(1), KEY, kinds, kinds, 8).unwrap();
    let render = model.streams()[1].id();
    let (one, two) = (Probe::new(Render), Probe::new(Render));
    let ids = [one.id, two.id];
    model.selected(now, render, one).unwrap();
    model.selected(now, render, two).unwrap();
    model.prepared(now);
    model.agreed(
        now,
        Cause::RemoteRequest,
        &[MediaParams::new(MediaSlot(0), MediaKind::Audio)],
    );
    for id in ids {
        model.terminal_failed(now, render, id, Error::new(ErrorKind::Device, "headset"));
    }
    let events: Vec<MspEvent> = model.drain_events().collect();
    let kinds: Vec<_> = events.iter().map(|e| e.kind.clone()).collect();
    assert_eq!(
        kinds,
        [
            StreamActive,
            EventKind::TerminalFail,
            EventKind::TerminalFail,
            StreamFail,
            StreamInactive
        ]
    );
    assert!(events[1..].iter().all(|e| e.cause == Cause::BadDevice));
    assert_eq!(events[1].scope.terminal, Some(ids[0]));
}

#[test]
fn c17_terminals_are_made_of_a_listed_class() {
    let rig = Rig::new();
    let classes = rig.address.terminal_classes();
    assert_eq!(
        classes.iter().map(|c| c.class.as_str()).collect::<Vec<_>>(),
        ["test.probe"]
    );
    let made = rig
        .address
        .create_terminal(&PROBE, &TerminalSpec::audio(Render))
        .unwrap();
    assert_eq!(made.class(), &PROBE);
    let refused = |class: &TerminalClass, spec: &TerminalSpec| {
        rig.address.create_terminal(class, spec).err().unwrap()
    };
    let unknown = TerminalClass::named("no.such");
    assert_eq!(
        refused(&unknown, &TerminalSpec::audio(Render)).kind(),
        ErrorKind::InvalidTerminalClass
    );
    let video = TerminalSpec {
        kind: MediaKind::Video,
        direction: Render,
        options: BTreeMap::new(),
    };
    assert_eq!(refused(&PROBE, &video).kind(), ErrorKind::InvalidMediaType);
    let odd = refused(&PROBE, &TerminalSpec::audio(Render).with("colour", "red"));
    assert_eq!(odd.kind(), ErrorKind::InvalidArgument);
    assert!(odd.to_string().contains("colour"));
}

#[test]
fn c25_digits_reach_the_other_side_in_order() {
    let rig = Rig::new();
    let call = rig.call();
    let digits: Vec<_> = "1#A".chars().filter_map(Digit::from_char).collect();
    call.stream(MediaKind::Audio, Capture)
        .unwrap()
        .send_digits(&digits)
        .unwrap();
    let render = call.stream(MediaKind::Audio, Render).unwrap();
    assert_eq!(
        render.send_digits(&digits).unwrap_err().kind(),
        ErrorKind::InvalidDirection
    );
    let expected: Vec<_> = digits
        .iter()
        .map(|d| (EventKind::Digit(*d), Cause::RemoteRequest))
        .collect();
    assert_eq!(rig.seen(), expected);
}

#[test]
fn c24_volume_and_mute_work_before_and_while_streaming() {
    let rig = Rig::new();
    let call = rig.call();
    let [capture, render] = [Capture, Render].map(|d| call.stream(MediaKind::Audio, d).unwrap());
    let [mouth, ear] = [Capture, Render].map(Probe::new);
    mouth.controls().set_gain_db(20.0).unwrap();
    capture.select(mouth).unwrap();
    render.select(ear.clone()).unwrap();
    rig.prepare();
    rig.apply(|_| {});
    rig.provider.run_for(Duration::from_millis(10));
    let mut last = ear.heard().len();
    assert!(
        ear.heard().iter().all(|s| s % 10 == 0 && *s != 0),
        "ten times a ramp by one"
    );
    ear.controls().set_muted(true);
    rig.provider.run_for(Duration::from_millis(10));
    assert!(ear.heard()[last..].iter().all(|s| *s == 0));
    ear.controls().set_muted(false);
    last = ear.heard().len();
    rig.provider.run_for(Duration::from_millis(10));
    assert!(ear.heard()[last] != 0);
}
