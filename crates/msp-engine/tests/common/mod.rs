//! What the tests share: terminals that know what they said and heard, and a signalling half made by hand.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(
    clippy::unwrap_used,
    reason = "a test stops where something is not as it should be"
)]

pub(crate) mod world;

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use msp_core::controls::AudioControls;
use msp_core::event::{EventFilter, EventKind, EventReceiver, MspEvent};
use msp_core::id::{CallKey, Generation, LegId, TerminalId};
use msp_core::link::{Envelope, Finality, OfferRole, PrepareSlot, ToMsp, ToTsp, TspEnd};
use msp_core::media::{Direction, MediaDirection, MediaKind, MediaKinds};
use msp_core::params::{MediaParams, MediaSlot, Profile, SecurityPolicy};
use msp_core::provider::{Address, Call, OpenAddress, Provider, Stream};
use msp_core::terminal::{
    Connection, FrameSink, FrameSource, FrameTime, Pulled, StreamPort, Terminal, TerminalClass,
    next_terminal_id,
};

/// Something like speech: syllables of changing pitch and loudness, with pauses, different for each `seed`.
pub(crate) fn speech(seed: u32, samples: usize, rate: u32) -> Vec<i16> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    };
    let mut sound = Vec::with_capacity(samples);
    while sound.len() < samples {
        let length = (rate as usize / 20) + next() as usize % (rate as usize / 5);
        let pause = next() % 5 == 0;
        let pitch = 90.0 + f64::from(next() % 160);
        let loud = if pause {
            0.0
        } else {
            1500.0 + f64::from(next() % 9000)
        };
        for n in 0..length {
            let t = n as f64 / f64::from(rate);
            let shape = (std::f64::consts::PI * n as f64 / length as f64).sin();
            let voice = (1..8)
                .map(|h| (std::f64::consts::TAU * pitch * f64::from(h) * t).sin() / f64::from(h))
                .sum::<f64>();
            let breath = f64::from(next() % 200) - 100.0;
            sound.push((loud * shape * voice / 2.0 + breath) as i16);
        }
    }
    sound.truncate(samples);
    sound
}

static MEDIA: TerminalClass = TerminalClass::new("test");

/// A terminal that says `sound` once.
pub(crate) struct Mouth {
    id: TerminalId,
    controls: Arc<AudioControls>,
    sound: Arc<Vec<i16>>,
    pub(crate) said: Arc<AtomicU64>,
    pub(crate) rate: Arc<Mutex<u32>>,
    /// Panics at the next frame.
    pub(crate) explode: Arc<AtomicBool>,
    /// When the first frame was said.
    pub(crate) began: Arc<Mutex<Option<FrameTime>>>,
}

impl Mouth {
    pub(crate) fn new(sound: Vec<i16>) -> Arc<Self> {
        Arc::new(Self {
            id: next_terminal_id(),
            controls: Arc::default(),
            sound: Arc::new(sound),
            said: Arc::default(),
            rate: Arc::default(),
            explode: Arc::default(),
            began: Arc::default(),
        })
    }
}

struct Saying {
    began: Arc<Mutex<Option<FrameTime>>>,
    sound: Arc<Vec<i16>>,
    said: Arc<AtomicU64>,
    explode: Arc<AtomicBool>,
}

impl FrameSource for Saying {
    fn pull(&mut self, time: FrameTime, frame: &mut [i16]) -> Pulled {
        self.began.lock().unwrap().get_or_insert(time);
        assert!(!self.explode.load(Ordering::Relaxed), "told to explode");
        let at = self.said.load(Ordering::Relaxed) as usize;
        let rest = self.sound.get(at..).unwrap_or_default();
        let n = rest.len().min(frame.len());
        frame[..n].copy_from_slice(&rest[..n]);
        self.said
            .store((at + frame.len()) as u64, Ordering::Relaxed);
        if n == frame.len() {
            Pulled::Sound
        } else {
            Pulled::Partial(n)
        }
    }
}

impl Terminal for Mouth {
    fn id(&self) -> TerminalId {
        self.id
    }
    fn name(&self) -> &str {
        "mouth"
    }
    fn class(&self) -> &TerminalClass {
        &MEDIA
    }
    fn direction(&self) -> Direction {
        Direction::Capture
    }
    fn controls(&self) -> &Arc<AudioControls> {
        &self.controls
    }
    fn connect(&self, port: StreamPort) -> msp_core::Result<Connection> {
        *self.rate.lock().unwrap() = port.format.rate.hz();
        Ok(Connection::Source(Box::new(Saying {
            sound: self.sound.clone(),
            said: self.said.clone(),
            began: self.began.clone(),
            explode: self.explode.clone(),
        })))
    }
}

/// A terminal that keeps what it hears.
pub(crate) struct Ear {
    id: TerminalId,
    controls: Arc<AudioControls>,
    direction: Direction,
    pub(crate) heard: Arc<Mutex<Heard>>,
    pub(crate) explode: Arc<AtomicBool>,
}

#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) samples: Vec<i16>,
    /// The time and the position of each frame.
    pub(crate) times: Vec<FrameTime>,
    pub(crate) rate: u32,
}

impl Ear {
    pub(crate) fn new() -> Arc<Self> {
        Self::on(Direction::Render)
    }

    /// One that can hear what is sent.
    pub(crate) fn anywhere() -> Arc<Self> {
        Self::on(Direction::Bidirectional)
    }

    fn on(direction: Direction) -> Arc<Self> {
        Arc::new(Self {
            id: next_terminal_id(),
            controls: Arc::default(),
            direction,
            heard: Arc::default(),
            explode: Arc::default(),
        })
    }

    pub(crate) fn samples(&self) -> Vec<i16> {
        self.heard.lock().unwrap().samples.clone()
    }
}

struct Hearing(Arc<Mutex<Heard>>, Arc<AtomicBool>);

impl FrameSink for Hearing {
    fn push(&mut self, time: FrameTime, frame: &[i16]) {
        assert!(!self.1.load(Ordering::Relaxed), "told to explode");
        let mut heard = self.0.lock().unwrap();
        heard.times.push(time);
        heard.samples.extend_from_slice(frame);
    }
}

impl Terminal for Ear {
    fn id(&self) -> TerminalId {
        self.id
    }
    fn name(&self) -> &str {
        "ear"
    }
    fn class(&self) -> &TerminalClass {
        &MEDIA
    }
    fn direction(&self) -> Direction {
        self.direction
    }
    fn controls(&self) -> &Arc<AudioControls> {
        &self.controls
    }
    fn connect(&self, port: StreamPort) -> msp_core::Result<Connection> {
        self.heard.lock().unwrap().rate = port.format.rate.hz();
        Ok(Connection::Sink(Box::new(Hearing(
            self.heard.clone(),
            self.explode.clone(),
        ))))
    }
}

/// Where `needle` begins in `hay`, if it is there as a whole.
pub(crate) fn find(hay: &[i16], needle: &[i16]) -> Option<usize> {
    hay.windows(needle.len()).position(|w| w == needle)
}

/// One end of a call: an address, its call, and the signalling half's end of the link.
pub(crate) struct End {
    pub(crate) address: Arc<dyn Address>,
    pub(crate) link: Rc<TspEnd>,
    pub(crate) call: Arc<dyn Call>,
    pub(crate) events: EventReceiver,
    pub(crate) key: CallKey,
}

pub(crate) fn next_key() -> CallKey {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    CallKey(NEXT.fetch_add(1, Ordering::Relaxed))
}

impl End {
    pub(crate) fn new(provider: &dyn Provider, name: &str) -> Self {
        let OpenAddress { address, link } = provider.open(name).unwrap();
        Self::on(address, Rc::new(link))
    }

    /// One more call on an address.
    pub(crate) fn on(address: Arc<dyn Address>, link: Rc<TspEnd>) -> Self {
        let key = next_key();
        let events = address.subscribe(EventFilter {
            call: Some(key),
            ..EventFilter::default()
        });
        let call = address.create_call(key, MediaKinds::AUDIO).unwrap();
        Self {
            address,
            link,
            call,
            events,
            key,
        }
    }

    pub(crate) fn stream(&self, direction: Direction) -> Arc<dyn Stream> {
        self.call.stream(MediaKind::Audio, direction).unwrap()
    }

    pub(crate) fn capture(&self) -> Arc<dyn Stream> {
        self.stream(Direction::Capture)
    }

    pub(crate) fn render(&self) -> Arc<dyn Stream> {
        self.stream(Direction::Render)
    }

    pub(crate) fn say_on(&self, leg: u32, generation: u32, body: ToMsp) {
        self.link
            .sender
            .send(Envelope {
                call: self.key,
                leg: LegId(leg),
                generation: Generation(generation),
                body,
            })
            .unwrap();
    }

    pub(crate) fn say(&self, body: ToMsp) {
        self.say_on(0, 0, body);
    }

    /// The next answer; `wait` lets time pass if there is none yet.
    pub(crate) fn answer(&self, wait: &mut dyn FnMut()) -> ToTsp {
        for _ in 0..1000 {
            if let Some(message) = self.link.receiver.try_recv().unwrap() {
                return message.body;
            }
            wait();
        }
        panic!("no answer");
    }

    pub(crate) fn prepare(
        &self,
        role: OfferRole,
        toward: IpAddr,
        wait: &mut dyn FnMut(),
    ) -> MediaParams {
        self.say(prepare(role, toward));
        match self.answer(wait) {
            ToTsp::Local(mut params) => params.remove(0),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn apply(&self, params: MediaParams, wait: &mut dyn FnMut()) {
        self.say(ToMsp::Apply {
            finality: Finality::Final,
            params: vec![params],
        });
        assert_eq!(self.answer(wait), ToTsp::Applied);
    }

    /// The events that wait.
    pub(crate) fn seen(&self) -> Vec<MspEvent> {
        std::iter::from_fn(|| self.events.try_recv()).collect()
    }

    pub(crate) fn kinds_seen(&self) -> Vec<EventKind> {
        self.seen().into_iter().map(|e| e.kind).collect()
    }
}

pub(crate) fn prepare(role: OfferRole, toward: IpAddr) -> ToMsp {
    ToMsp::Prepare {
        role,
        slots: vec![PrepareSlot {
            slot: MediaSlot(0),
            kind: MediaKind::Audio,
            direction: MediaDirection::SendRecv,
            profile: Profile::Avp,
        }],
        policy: SecurityPolicy::Off,
        toward: Some(toward),
    }
}

/// What an answer to `local` by a peer that receives as `remote` says comes to: the codecs of both, in the order of `remote`.
pub(crate) fn agreed(local: &MediaParams, remote: &MediaParams) -> MediaParams {
    let mut agreed = local.clone();
    agreed.send = remote
        .receive
        .iter()
        .filter(|r| local.receive.iter().any(|l| l.codec.matches(&r.codec)))
        .cloned()
        .collect();
    agreed.receive = local
        .receive
        .iter()
        .filter(|l| remote.receive.iter().any(|r| r.codec.matches(&l.codec)))
        .cloned()
        .collect();
    agreed.remote = remote.local.map(|l| l.advertised);
    agreed.rtcp.mux = local.rtcp.mux && remote.rtcp.mux;
    agreed.rtcp.remote = remote.rtcp.local.map(|l| l.advertised);
    agreed.ptime = remote.ptime;
    agreed
}

/// Agrees on a call between two ends; gives back what each agreed on.
pub(crate) fn connect(
    a: &End,
    b: &End,
    toward: IpAddr,
    wait: &mut dyn FnMut(),
) -> (MediaParams, MediaParams) {
    let offer = a.prepare(OfferRole::Offerer, toward, wait);
    let answer = b.prepare(OfferRole::Answerer, toward, wait);
    let (of_a, of_b) = (agreed(&offer, &answer), agreed(&answer, &offer));
    b.apply(of_b.clone(), wait);
    a.apply(of_a.clone(), wait);
    (of_a, of_b)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test over real sockets waits for real time"
)]
pub(crate) fn rest() {
    std::thread::sleep(Duration::from_millis(5));
}

/// Waits until `done` says so, for up to 20 s of real time.
pub(crate) fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    for _ in 0..4000 {
        if done() {
            return;
        }
        rest();
    }
    panic!("{what}");
}

pub(crate) fn rtp_of(params: &MediaParams) -> SocketAddr {
    params.local.unwrap().advertised
}
