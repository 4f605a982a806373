//! An answered call in the called user agent, from INVITE to the 200 to its BYE, without sockets: time and allocations of all
//! of our half, the media half answering at once.

mod common;

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use msp_core::id::{CallKey, PayloadType};
use msp_core::link::{Envelope, ToMsp, ToTsp};
use msp_core::params::{CodecSpec, LocalAddress, MediaParams, PayloadMapping};
use msp_core::time::{ClockRate, Instant};
use tsp_sip::call::{AgentConfig, CallEventKind, Command, Input, Output, UserAgent};
use tsp_sip::transport::Flow;

use common::COUNT;

const CALLS: u32 = 2_000;
const REPEATS: u32 = 30;

fn message(start: &str, n: u32, cseq: &str, our_tag: &str, body: &str) -> Bytes {
    let kind = if body.is_empty() {
        ""
    } else {
        "Content-Type: application/sdp\r\n"
    };
    let to = if our_tag.is_empty() {
        String::new()
    } else {
        format!(";tag={our_tag}")
    };
    format!(
        "{start} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bK-{n}-{}\r\n\
         From: <sip:load@127.0.0.1:5070>;tag={n}\r\nTo: <sip:service@127.0.0.1:5060>{to}\r\n\
         Call-ID: {n}-4711@127.0.0.1\r\nCSeq: {cseq}\r\nContact: <sip:load@127.0.0.1:5070>\r\nMax-Forwards: 70\r\n\
         {kind}Content-Length: {}\r\n\r\n{body}",
        cseq.replace(' ', "-"),
        body.len()
    )
    .into()
}

const SDP: &str = "v=0\r\no=load 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";

fn config() -> AgentConfig {
    AgentConfig {
        advertise: Vec::new(),
        advertise_host: None,
        user: "service".into(),
        user_agent: "bench".into(),
        timers: tsp_sip::transaction::Timers::default(),
        requests: tsp_sip::call::RequestPolicy::default(),
        max_calls: 10_000,
        policy: tsp_sip::call::CallPolicy::default(),
        domain: None,
        flows: tsp_sip::transport::FlowPolicy::default(),
        shows_messages: false,
        line: 0,
    }
}

/// The agent, and what stands around it.
struct Bench {
    agent: UserAgent,
    flow: Flow,
    now: Instant,
    rung: Option<CallKey>,
    told: Vec<Envelope<ToTsp>>,
    our_tag: Option<String>,
    sent: u32,
}

impl Bench {
    fn new() -> Self {
        let ends: [SocketAddr; 2] = [([127, 0, 0, 1], 5060).into(), ([127, 0, 0, 1], 5070).into()];
        let mut seed = 1u64;
        let random = move |bytes: &mut [u8]| {
            for byte in bytes {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                *byte = (seed >> 56) as u8;
            }
        };
        Self {
            agent: UserAgent::new(config(), random),
            flow: Flow::udp(ends[0], ends[1]),
            now: Instant::from_millis(1),
            rung: None,
            told: Vec::new(),
            our_tag: None,
            sent: 0,
        }
    }

    fn give(&mut self, input: Input) {
        self.now += Duration::from_millis(1);
        while self.agent.deadline().is_some_and(|at| at <= self.now) {
            self.agent.timeout(self.now);
            self.drain();
        }
        self.agent.handle(self.now, input);
        self.drain();
        while let Some(told) = self.told.pop() {
            self.agent.handle(self.now, Input::Msp(told));
            self.drain();
        }
    }

    fn drain(&mut self) {
        while let Some(output) = self.agent.poll() {
            match output {
                Output::Transmit { bytes, .. } => {
                    self.sent += 1;
                    if self.our_tag.is_none() && bytes.starts_with(b"SIP/2.0 200") {
                        let text = String::from_utf8_lossy(&bytes);
                        let to = text.lines().find(|l| l.starts_with("To:"));
                        self.our_tag = to.and_then(|l| Some(l.split_once("tag=")?.1.to_owned()));
                    }
                }
                Output::Msp(m) => {
                    let body = match &m.body {
                        ToMsp::Prepare { slots, .. } => ToTsp::Local(
                            slots
                                .iter()
                                .map(|s| {
                                    let address = ([127, 0, 0, 1], 9).into();
                                    let codec = CodecSpec::mono("PCMU", ClockRate::HZ_8000);
                                    MediaParams {
                                        receive: vec![PayloadMapping {
                                            payload_type: PayloadType(0),
                                            codec,
                                            parameters: None,
                                        }],
                                        local: Some(LocalAddress {
                                            bound: address,
                                            advertised: address,
                                        }),
                                        ..MediaParams::new(s.slot, s.kind)
                                    }
                                })
                                .collect(),
                        ),
                        ToMsp::Apply { .. } => ToTsp::Applied,
                        _ => continue,
                    };
                    self.told.push(Envelope {
                        call: m.call,
                        leg: m.leg,
                        generation: m.generation,
                        body,
                    });
                }
                Output::Event(e) if matches!(e.kind, CallEventKind::Incoming { .. }) => {
                    self.rung = Some(e.key);
                }
                _ => {}
            }
        }
    }

    /// One call of another caller than all before; the messages that came are in the figures, as copies that a socket makes.
    fn call(&mut self, n: u32) {
        self.our_tag = None;
        let flow = self.flow;
        let invite = message("INVITE sip:service@127.0.0.1:5060", n, "1 INVITE", "", SDP);
        self.give(Input::Received {
            flow,
            bytes: invite,
        });
        let key = self.rung.take().expect("a call came");
        self.give(Input::Command(Command::Ring(key)));
        self.give(Input::Command(Command::Answer(key)));
        let tag = self.our_tag.take().expect("answered");
        let ack = message("ACK sip:127.0.0.1:5060", n, "1 ACK", &tag, "");
        self.give(Input::Received { flow, bytes: ack });
        let bye = message("BYE sip:127.0.0.1:5060", n, "2 BYE", &tag, "");
        self.give(Input::Received { flow, bytes: bye });
    }
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn main() {
    let mut bench = Bench::new();
    let (mut best, mut allocations, mut n) = (Duration::MAX, 0, 0);
    let repeats = std::env::var("REPEATS")
        .ok()
        .and_then(|r| r.parse().ok())
        .unwrap_or(REPEATS);
    for _ in 0..repeats {
        let (before, start) = (COUNT.load(Ordering::Relaxed), std::time::Instant::now());
        for _ in 0..CALLS {
            n += 1;
            bench.call(n);
        }
        best = best.min(start.elapsed());
        allocations = COUNT.load(Ordering::Relaxed) - before;
    }
    assert_eq!(bench.sent, 3 * n, "180, 200 and the 200 to BYE");
    println!(
        "an answered call: {:.1} µs, {:.0} allocations, those of the messages that come (5) included",
        best.as_secs_f64() * 1e6 / f64::from(CALLS),
        allocations as f64 / f64::from(CALLS)
    );
}
