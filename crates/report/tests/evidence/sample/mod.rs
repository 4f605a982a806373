//! A call that never was: two phones, their messages, their packets over a bad network, and what each heard.
//!
//! The playout in here is as simple as can be (a fixed target, the last frame again for what is lost), and logs what it
//! does as the product's does.

mod ear;
mod speech;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use msp_codecs::{CodecFactory, Pcma, Pcmu};
use msp_core::id::{CallKey, Generation, LegId, PayloadType};
use msp_core::media::MediaKind;
use msp_core::params::{CodecSpec, LocalAddress, MediaParams, MediaSlot, PayloadMapping};
use msp_core::stats::DropReason;
use msp_core::time::{ClockRate, Instant};
use msp_core::trace::{PacketKind, TraceBody, TraceEntry, Way};
use tipring_report::{Network, Phone, Recording, Sound};

pub(crate) use speech::speech;

pub(crate) const RATE: ClockRate = ClockRate::HZ_8000;
const FRAME: usize = 160;
const CALL: CallKey = CallKey(7);

/// What the network and the phones of a call do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conditions {
    pub(crate) seconds: u64,
    /// Share of packets that are lost, 0 to 1.
    pub(crate) loss: f64,
    /// Delays are spread over this much.
    pub(crate) jitter: Duration,
    pub(crate) delay: Duration,
    /// How long playout waits.
    pub(crate) target: Duration,
    pub(crate) a_law: bool,
    pub(crate) seed: u64,
    /// Silence that is sent before the sound begins, in frames.
    pub(crate) lead_in: usize,
    pub(crate) first_timestamp: u32,
    /// Decides what the display names, the products and the devices of the phones are called.
    pub(crate) names: [&'static str; 2],
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            seconds: 6,
            loss: 0.0,
            jitter: Duration::ZERO,
            delay: Duration::from_millis(12),
            target: Duration::from_millis(60),
            a_law: false,
            seed: 1,
            lead_in: 0,
            first_timestamp: 0xffff_f000,
            names: ["alice", "bob"],
        }
    }
}

/// One end of the call.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) name: &'static str,
    pub(crate) entries: Vec<TraceEntry>,
    /// What it recorded of the sound that it received.
    pub(crate) heard: Vec<i16>,
    pub(crate) sound: Sound,
    /// What it was given to send.
    pub(crate) given: Vec<i16>,
    /// What the network did to what this end sent.
    pub(crate) network: Network,
}

impl End {
    pub(crate) fn phone(&self) -> Phone {
        Phone::new(self.name, self.entries.clone())
            .recorded(Recording {
                samples: self.heard.clone(),
                rate: RATE,
                position: 0,
            })
            .plays(self.sound.clone())
    }
}

/// The call.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) alice: End,
    pub(crate) bob: End,
}

/// Numbers that are the same each time.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// From 0 to 1.
    pub(crate) fn unit(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn entry(at: Instant, body: TraceBody) -> TraceEntry {
    TraceEntry {
        at,
        call: Some(CALL),
        body,
    }
}

/// Makes a call under `conditions`. What each phone sends may be changed by `mouth` before it is encoded, and payloads by
/// `ear` before they are decoded; both are told whether the phone is the first one.
pub(crate) fn call_with(
    conditions: &Conditions,
    mouth: impl Fn(bool, &mut Vec<i16>),
    ear: impl Fn(bool, &dyn CodecFactory, &[u8]) -> Vec<i16>,
) -> Call {
    let codec: &dyn CodecFactory = if conditions.a_law { &Pcma } else { &Pcmu };
    let sides = [address("127.0.0.1:40000"), address("127.0.0.1:40100")];
    let mut ends = [0, 1].map(|n| {
        let pcm = speech(
            conditions.seconds as f64,
            110.0 + 95.0 * n as f64,
            n as u64 + 3,
        );
        End {
            name: conditions.names[n],
            entries: Vec::new(),
            heard: Vec::new(),
            given: Vec::new(),
            sound: Sound::through(codec, &pcm).unwrap(),
            network: Network::default(),
        }
    });
    let answered = wire::setup(conditions, &mut ends, codec);
    let mut random = Random::new(conditions.seed);
    for n in 0..2 {
        let pcm = speech(
            conditions.seconds as f64,
            110.0 + 95.0 * n as f64,
            n as u64 + 3,
        );
        let mut said = vec![0; conditions.lead_in * FRAME];
        said.extend(pcm);
        mouth(n == 0, &mut said);
        let frames = (conditions.seconds * 50) as usize;
        said.resize(frames * FRAME, 0);
        ends[n].given.clone_from(&said);
        let started = answered + Duration::from_millis(3 + 5 * n as u64);
        let mut encoder = codec.encoder();
        let mut arrivals: Vec<(Instant, usize, Arc<[u8]>)> = Vec::new();
        for (number, frame) in said.chunks(FRAME).enumerate() {
            let at = started + Duration::from_millis(20 * number as u64);
            let mut payload = [0; FRAME];
            let len = encoder.encode(frame, &mut payload).unwrap();
            let bytes: Arc<[u8]> = wire::rtp(conditions, n, number, &payload[..len]).into();
            ends[n].entries.push(media(
                at,
                Way::Out,
                PacketKind::Rtp,
                sides[n],
                sides[1 - n],
                &bytes,
                None,
            ));
            if random.unit() < conditions.loss {
                ends[n].network.lost += 1;
                continue;
            }
            let late = conditions.jitter.mul_f64(random.unit().powi(2));
            arrivals.push((at + conditions.delay + late, number, bytes));
        }
        arrivals.sort_by_key(|(at, ..)| *at);
        let sides = (sides[1 - n], sides[n]);
        ear::hear(
            conditions,
            codec,
            n,
            &mut ends[1 - n],
            sides,
            &arrivals,
            frames,
            &ear,
        );
        ends[n].network.late_share = if conditions.jitter > conditions.target {
            0.1
        } else {
            0.0
        };
    }
    let over = answered + Duration::from_secs(conditions.seconds) + Duration::from_millis(150);
    wire::teardown(conditions, &mut ends, over);
    wire::reports(&mut ends, answered, conditions.seconds);
    let [alice, bob] = ends;
    let mut call = Call { alice, bob };
    for end in [&mut call.alice, &mut call.bob] {
        end.entries.sort_by_key(|e| e.at);
    }
    call
}

/// A call in which nothing is changed.
pub(crate) fn call(conditions: &Conditions) -> Call {
    call_with(
        conditions,
        |_, _| {},
        |_, codec, payload| decode(codec, payload),
    )
}

pub(crate) fn decode(codec: &dyn CodecFactory, payload: &[u8]) -> Vec<i16> {
    let mut out = vec![0; payload.len()];
    codec.decoder().decode(payload, &mut out).unwrap();
    out
}

fn media(
    at: Instant,
    way: Way,
    kind: PacketKind,
    local: SocketAddr,
    remote: SocketAddr,
    bytes: &Arc<[u8]>,
    dropped: Option<DropReason>,
) -> TraceEntry {
    entry(
        at,
        TraceBody::Media {
            way,
            kind,
            local,
            remote,
            bytes: Arc::clone(bytes),
            dropped,
        },
    )
}

fn agreed(
    at: Instant,
    codec: &dyn CodecFactory,
    local: SocketAddr,
    remote: SocketAddr,
) -> TraceEntry {
    let info = codec.info();
    let map = vec![
        PayloadMapping {
            payload_type: info.static_payload_type.unwrap(),
            codec: CodecSpec::mono(info.name, info.clock),
            parameters: None,
        },
        PayloadMapping {
            payload_type: PayloadType(101),
            codec: CodecSpec::mono(CodecSpec::TELEPHONE_EVENT, RATE),
            parameters: Some("0-16".into()),
        },
    ];
    let mut params = MediaParams::new(MediaSlot(0), MediaKind::Audio);
    params.receive = map.clone();
    params.send = map;
    params.ptime = Some(Duration::from_millis(20));
    params.local = Some(LocalAddress {
        bound: local,
        advertised: local,
    });
    params.remote = Some(remote);
    entry(
        at,
        TraceBody::Agreed {
            leg: LegId::FIRST,
            generation: Generation(1),
            params: vec![params],
        },
    )
}
