//! User agents on a simulated network, in virtual time, each with a media half that agrees to everything.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file uses a part of it"
)]

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use msp_core::error::ErrorKind;
use msp_core::id::{CallKey, PayloadType};
use msp_core::link::{Envelope, ToMsp, ToTsp};
use msp_core::params::{
    CodecSpec, LocalAddress, MasterKey, MediaParams, PayloadMapping, SecurityPolicy,
};
use msp_core::secret::Secret;
use msp_core::time::{ClockRate, Instant};
use netsim::{Impairment, Network};
use tsp_sip::call::{
    AgentConfig, CallEvent, CallEventKind, CallPolicy, Command, Ended, Input, Output, Route,
    UserAgent, Weight,
};
use tsp_sip::transaction::Timers;
use tsp_sip::transport::{Flow, Transport};
use tsp_sip::wire::{Host, Uri};

mod reached;

pub use reached::Reached;

/// What a phone does by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Manner {
    /// Rings and answers at once.
    Answer,
    /// Rings.
    Ring,
    /// Does nothing.
    Silent,
}

pub struct Phone {
    pub agent: UserAgent,
    pub address: SocketAddr,
    pub events: Vec<CallEvent>,
    pub registrations: Vec<tsp_sip::registration::RegistrationEvent>,
    pub subscriptions: Vec<tsp_sip::subscription::SubscriptionEvent>,
    pub media: Vec<Envelope<ToMsp>>,
    pub manner: Manner,
    pub refuse_prepare: Option<ErrorKind>,
    pub refuse_apply: Option<ErrorKind>,
    /// Messages of the media half are kept back.
    pub mute_media: bool,
    pub kept: Vec<Envelope<ToTsp>>,
    /// Where the media half receives.
    pub media_port: u16,
    /// The calls that it made.
    pub dialled: Vec<CallKey>,
}

/// A small generator of numbers, so that a failure can be run again.
pub struct Numbers(pub u64);

impl Numbers {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

pub fn config(user: &str) -> AgentConfig {
    AgentConfig {
        advertise: Vec::new(),
        advertise_host: None,
        user: user.into(),
        user_agent: "test".into(),
        timers: Timers::default(),
        requests: tsp_sip::call::RequestPolicy::default(),
        max_calls: 1000,
        policy: CallPolicy::default(),
        domain: None,
        flows: tsp_sip::transport::FlowPolicy::default(),
        shows_messages: true,
        line: 0,
    }
}

impl Phone {
    pub fn new(address: &str, seed: u64, manner: Manner) -> Self {
        Self::with(address, seed, manner, CallPolicy::default())
    }

    pub fn with(address: &str, seed: u64, manner: Manner, policy: CallPolicy) -> Self {
        let config = AgentConfig {
            policy,
            ..config("user")
        };
        Self::with_config(address, seed, manner, config)
    }

    pub fn with_config(address: &str, seed: u64, manner: Manner, config: AgentConfig) -> Self {
        let mut numbers = Numbers(seed);
        let agent = UserAgent::new(config, move |bytes: &mut [u8]| {
            for b in bytes {
                *b = numbers.next() as u8;
            }
        });
        Self {
            agent,
            address: address.parse().expect("an address"),
            events: Vec::new(),
            registrations: Vec::new(),
            subscriptions: Vec::new(),
            media: Vec::new(),
            manner,
            refuse_prepare: None,
            refuse_apply: None,
            mute_media: false,
            kept: Vec::new(),
            media_port: 40_000,
            dialled: Vec::new(),
        }
    }

    /// What the media half answers.
    pub fn media_answer(&self, message: &Envelope<ToMsp>) -> Option<ToTsp> {
        match &message.body {
            ToMsp::Prepare { slots, policy, .. } => Some(match self.refuse_prepare {
                Some(kind) => ToTsp::Refused(kind.into()),
                None => ToTsp::Local(
                    slots
                        .iter()
                        .map(|s| {
                            let at = (self.address.ip(), self.media_port).into();
                            let mut local = local(s.slot, s.kind, s.direction, at);
                            (local.profile, local.policy) = (s.profile, *policy);
                            if *policy != SecurityPolicy::Off {
                                local.keys.send.push(key_of_ours());
                            }
                            local
                        })
                        .collect(),
                ),
            }),
            ToMsp::Apply { .. } => Some(match self.refuse_apply {
                Some(kind) => ToTsp::Refused(kind.into()),
                None => ToTsp::Applied,
            }),
            _ => None,
        }
    }

    pub fn kinds(&self, key: CallKey) -> Vec<&CallEventKind> {
        self.events
            .iter()
            .filter(|e| e.key == key)
            .map(|e| &e.kind)
            .collect()
    }

    pub fn ended(&self, key: CallKey) -> Option<&Ended> {
        self.events.iter().find_map(|e| match &e.kind {
            CallEventKind::Ended(ended) if e.key == key => Some(ended),
            _ => None,
        })
    }

    pub fn is_connected(&self, key: CallKey) -> bool {
        self.events
            .iter()
            .any(|e| e.key == key && e.kind == CallEventKind::Connected)
    }

    /// The keys of calls that came in.
    pub fn incoming(&self) -> Vec<CallKey> {
        let keys = self
            .events
            .iter()
            .filter(|e| matches!(e.kind, CallEventKind::Incoming { .. }))
            .map(|e| e.key);
        keys.collect()
    }
}

fn local(
    slot: msp_core::params::MediaSlot,
    kind: msp_core::media::MediaKind,
    direction: msp_core::media::MediaDirection,
    media: SocketAddr,
) -> MediaParams {
    let mapping = |number, name: &str| PayloadMapping {
        payload_type: PayloadType(number),
        codec: CodecSpec::mono(name, ClockRate::HZ_8000),
        parameters: None,
    };
    MediaParams {
        direction,
        receive: vec![
            mapping(0, "PCMU"),
            mapping(8, "PCMA"),
            mapping(101, "telephone-event"),
        ],
        local: Some(LocalAddress {
            bound: media,
            advertised: media,
        }),
        ..MediaParams::new(slot, kind)
    }
}

pub struct World {
    pub now: Instant,
    pub phones: Vec<Phone>,
    pub net: Network<Bytes>,
    /// Datagrams that came to an address where no phone is.
    pub strays: Vec<(SocketAddr, SocketAddr, Bytes)>,
    /// What phones said of messages for the trace: the phone, the call and the first line.
    pub traced: Vec<(usize, Option<CallKey>, String)>,
    /// Everything that phones sent.
    pub sent: Vec<(Instant, SocketAddr, Bytes)>,
    /// Hosts that have a name.
    pub names: Vec<(&'static str, &'static str)>,
    /// Look-ups are kept back.
    pub slow_names: bool,
    pub looked_up: Vec<(usize, Input)>,
    /// Which pairs of state and event were reached, and how often.
    pub reached: Reached,
    /// Phones from and to which nothing gets until then.
    pub cut_off: Vec<(SocketAddr, Instant)>,
    /// The Call-IDs in messages that phones sent or received for a call.
    call_ids: BTreeSet<(String, usize, CallKey)>,
}

impl World {
    pub fn new(phones: Vec<Phone>, impairment: Impairment, seed: u64) -> Self {
        let mut net = Network::new(seed);
        net.set_default(impairment);
        Self {
            now: Instant::ZERO,
            phones,
            net,
            strays: Vec::new(),
            traced: Vec::new(),
            sent: Vec::new(),
            names: Vec::new(),
            slow_names: false,
            looked_up: Vec::new(),
            reached: Reached::new(),
            cut_off: Vec::new(),
            call_ids: BTreeSet::new(),
        }
    }

    pub fn command(&mut self, phone: usize, command: Command) {
        self.give(phone, Input::Command(command));
        self.drain(phone);
    }

    /// Gives a phone an input, and notes in which state of its call it came.
    pub fn give(&mut self, phone: usize, input: Input) {
        let agent = &mut self.phones[phone].agent;
        let place = reached::place(agent, &input);
        *self.reached.entry(place).or_default() += 1;
        agent.handle(self.now, input);
    }

    pub fn dial(&mut self, phone: usize, key: u64, to: &str) -> CallKey {
        let key = CallKey(key);
        self.phones[phone].dialled.push(key);
        self.command(
            phone,
            Command::Dial {
                key,
                to: Uri::new(to).expect("a URI"),
                account: None,
            },
        );
        key
    }

    /// A stranger sends literal bytes; line ends may be written as LF.
    pub fn inject(&mut self, from: &str, to: &str, text: &str) {
        let bytes = Bytes::from(text.replace("\r\n", "\n").replace('\n', "\r\n"));
        self.inject_bytes(from, to, bytes);
    }

    pub fn inject_bytes(&mut self, from: &str, to: &str, bytes: Bytes) {
        self.net.send(
            self.now,
            from.parse().expect("an address"),
            to.parse().expect("an address"),
            bytes,
        );
    }

    /// What came to strangers since the last time, as text, line breaks that only keep a way open apart.
    pub fn heard(&mut self) -> Vec<String> {
        self.strays
            .drain(..)
            .map(|(_, _, b)| String::from_utf8_lossy(&b).into_owned())
            .filter(|text| text != "\r\n\r\n")
            .collect()
    }

    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        let mut still = 0;
        while let Some(at) = self.next().filter(|at| *at <= end) {
            // Something that is due and does nothing would go on for ever.
            still = if at > self.now { 0 } else { still + 1 };
            assert!(still < 100_000, "no time passes after {:?}", self.now);
            self.now = self.now.max(at);
            self.step();
        }
        self.now = end;
    }

    pub fn next(&self) -> Option<Instant> {
        let phones = self.phones.iter().filter_map(|p| p.agent.deadline());
        phones.chain(self.net.deadline()).min()
    }

    fn step(&mut self) {
        let now = self.now;
        for i in 0..self.phones.len() {
            if self.phones[i].agent.deadline().is_some_and(|d| d <= now) {
                self.phones[i].agent.timeout(now);
                self.drain(i);
            }
        }
        self.cut_off.retain(|(_, until)| *until > now);
        while let Some(delivery) = self.net.poll(now) {
            let cut = |a: SocketAddr| self.cut_off.iter().any(|(b, _)| *b == a);
            if cut(delivery.from) || cut(delivery.to) {
                continue;
            }
            match self.phones.iter().position(|p| p.address == delivery.to) {
                Some(i) => {
                    let flow = Flow::udp(delivery.to, delivery.from);
                    let bytes = delivery.bytes;
                    if self.phones[i].agent.weigh(now, flow, &bytes) != Weight::Nothing {
                        self.give(i, Input::Received { flow, bytes });
                        self.drain(i);
                    }
                }
                None => self
                    .strays
                    .push((delivery.from, delivery.to, delivery.bytes)),
            }
        }
    }

    /// Lets the media half say what it kept back.
    pub fn release_media(&mut self, phone: usize) {
        for message in std::mem::take(&mut self.phones[phone].kept) {
            self.give(phone, Input::Msp(message));
            self.drain(phone);
        }
    }

    /// Gives the look-ups that were kept back.
    pub fn release_names(&mut self) {
        for (phone, found) in std::mem::take(&mut self.looked_up) {
            self.give(phone, found);
            self.drain(phone);
        }
    }

    pub fn drain(&mut self, i: usize) {
        let now = self.now;
        while let Some(output) = self.phones[i].agent.poll() {
            match output {
                Output::Transmit { flow, bytes } => {
                    self.sent.push((now, flow.local, bytes.clone()));
                    self.net.send(now, flow.local, flow.remote, bytes);
                }
                Output::Resolve { lookup, target } => {
                    let ips: Vec<IpAddr> = match &target.host {
                        Host::Ip(ip) => vec![*ip],
                        Host::Name(name) => self
                            .names
                            .iter()
                            .filter(|(n, _)| *n == name.as_str())
                            .map(|(_, ip)| ip.parse().expect("an IP"))
                            .collect(),
                    };
                    let local = self.phones[i].address;
                    let routes = ips
                        .into_iter()
                        .map(|ip| {
                            let transport = target.transport.unwrap_or(Transport::Udp);
                            let port = target.port.unwrap_or_else(|| transport.default_port());
                            Route {
                                transport,
                                remote: (ip, port).into(),
                                local,
                            }
                        })
                        .collect();
                    let found = Input::Resolved {
                        lookup,
                        routes,
                        why: Box::default(),
                    };
                    if self.slow_names {
                        self.looked_up.push((i, found));
                    } else {
                        self.give(i, found);
                    }
                }
                Output::Msp(message) => {
                    let answer = self.phones[i].media_answer(&message);
                    if let Some(body) = answer {
                        let (call, leg, generation) =
                            (message.call, message.leg, message.generation);
                        let answer = Envelope {
                            call,
                            leg,
                            generation,
                            body,
                        };
                        if self.phones[i].mute_media {
                            self.phones[i].kept.push(answer);
                        } else {
                            self.give(i, Input::Msp(answer));
                        }
                    }
                    self.phones[i].media.push(message);
                }
                Output::Registration(event) => self.phones[i].registrations.push(event),
                Output::Subscription(event) => self.phones[i].subscriptions.push(event),
                Output::Event(event) => {
                    let key = event.key;
                    let incoming = matches!(event.kind, CallEventKind::Incoming { .. });
                    self.phones[i].events.push(event);
                    if incoming && self.phones[i].manner != Manner::Silent {
                        self.give(i, Input::Command(Command::Ring(key)));
                        if self.phones[i].manner == Manner::Answer {
                            self.give(i, Input::Command(Command::Answer(key)));
                        }
                    }
                }
                Output::Message { call, bytes, .. } => {
                    if let Some(key) = call {
                        let text = String::from_utf8_lossy(&bytes);
                        let id = text.lines().find_map(|l| l.strip_prefix("Call-ID: "));
                        let id = id.unwrap_or_default().to_owned();
                        self.call_ids.insert((id, i, key));
                    }
                    let line = String::from_utf8_lossy(&bytes)
                        .lines()
                        .next()
                        .unwrap_or_default()
                        .to_owned();
                    self.traced.push((i, call, line));
                }
                _ => {}
            }
        }
    }

    /// Which call of which phone messages of a Call-ID belong to.
    pub fn call_ids(&self) -> impl Iterator<Item = (&str, usize, CallKey)> {
        self.call_ids
            .iter()
            .map(|(id, phone, key)| (&**id, *phone, *key))
    }

    /// The first lines of what was sent, in order.
    pub fn first_lines(&self) -> Vec<String> {
        let line = |b: &Bytes| {
            String::from_utf8_lossy(b)
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        self.sent.iter().map(|(_, _, b)| line(b)).collect()
    }
}

/// Calls, dialogs and transactions that a phone keeps.
pub fn kept(w: &World, phone: usize) -> (usize, usize, usize) {
    let kept = w.phones[phone].agent.kept();
    (kept.calls, kept.dialogs, kept.transactions)
}

/// What the media half encrypts with, where that is wanted.
fn key_of_ours() -> MasterKey {
    MasterKey {
        tag: 1,
        suite: "AES_CM_128_HMAC_SHA1_80".into(),
        key_and_salt: Secret::new(b"canary-of-thirty-octets-length".to_vec()),
        mki: None,
    }
}
