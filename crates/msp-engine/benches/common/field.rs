//! Streams in virtual time and the peers that feed them; and an allocator that counts.
#![allow(dead_code, reason = "each user uses a part of it")]
#![allow(
    clippy::unwrap_used,
    reason = "a benchmark stops where something is not as it should be"
)]
#![allow(
    unsafe_code,
    reason = "an allocator that counts is an unsafe trait by nature"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use msp_codecs::{CodecFactory, Pcmu};
use msp_core::id::PayloadType;
use msp_core::media::MediaKind;
use msp_core::params::{CodecSpec, MediaParams, MediaSlot, PayloadMapping};
use msp_core::terminal::{FrameSink, FrameTime};
use msp_core::time::{ClockRate, Instant};
use msp_engine::EngineConfig;
use msp_engine::farm::{Farm, Fed, Feed, Plant, Take};
use netsim::{Fate, Impairment, Path};

use super::calls::speech;

/// Allocations of the process so far.
pub(crate) static ALLOCATED: AtomicU64 = AtomicU64::new(0);

struct Counting;

// SAFETY: every call is handed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATED.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`, and all memory is the system's.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A good network.
pub(crate) const CLEAN: &str = "delay=20ms";
/// A bad one.
pub(crate) const IMPAIRED: &str = "delay=20ms,loss=3%,jitter=40ms";

/// Encoded speech that all streams say from different places on.
pub(crate) struct Speech(Vec<u8>);

impl Speech {
    pub(crate) fn new() -> Self {
        let pcm = speech(3, 8000 * 16, 8000);
        let mut bytes = vec![0; pcm.len()];
        Pcmu.encoder().encode(&pcm, &mut bytes).unwrap();
        Self(bytes)
    }
}

/// Streams and the peers that feed them.
pub(crate) struct Field {
    pub(crate) farm: Farm,
    peers: Peers,
    now: Instant,
    heard: Vec<Arc<AtomicU64>>,
}

impl Field {
    pub(crate) fn new(speech: &Arc<Speech>, numbers: &[usize], way: &str, before: usize) -> Self {
        let config = EngineConfig::default().low_delay(false);
        let now = Instant::from_millis(10_000);
        let mut farm = Farm::new(&config, now);
        let mut phases: [Vec<_>; PHASES] = Default::default();
        let mut planted = 0;
        let mut put = |peer| {
            phases[planted % PHASES].push(peer);
            planted += 1;
        };
        let mut heard = Vec::new();
        for _ in 0..before {
            farm.plant(&config, None).unwrap();
            put(None);
        }
        let way: Impairment = way.parse().unwrap();
        for n in numbers {
            let peer = Peer::new(*n, now, way);
            let hash = Arc::new(AtomicU64::new(0));
            let plant = Plant {
                agreed: agreed(peer.address),
                source: None,
                sink: Some(Box::new(Hash(0xcbf2_9ce4_8422_2325, Arc::clone(&hash)))),
                seed: *n as u64,
            };
            farm.plant(&config, Some(plant)).unwrap();
            put(Some(peer));
            heard.push(hash);
        }
        Self {
            farm,
            peers: Peers {
                speech: Arc::clone(speech),
                phases,
            },
            now,
            heard,
        }
    }

    pub(crate) fn run(&mut self, time: Duration) {
        self.now += time;
        self.farm.run_until(self.now, &mut self.peers);
    }

    /// Ends all streams: one number for what each heard.
    pub(crate) fn end(self) -> Vec<u64> {
        drop(self.farm);
        let heard = self.heard.iter();
        heard.map(|h| h.load(Ordering::Relaxed)).collect()
    }
}

fn agreed(remote: SocketAddr) -> MediaParams {
    let mapping = |pt, name| PayloadMapping {
        payload_type: PayloadType(pt),
        codec: CodecSpec::mono(name, ClockRate::HZ_8000),
        parameters: None,
    };
    let both = vec![mapping(0, "PCMU"), mapping(101, CodecSpec::TELEPHONE_EVENT)];
    MediaParams {
        send: both.clone(),
        receive: both,
        remote: Some(remote),
        ..MediaParams::new(MediaSlot(0), MediaKind::Audio)
    }
}

/// Makes one number of everything that was heard, and shows it in the end.
struct Hash(u64, Arc<AtomicU64>);

impl Drop for Hash {
    fn drop(&mut self) {
        self.1.store(self.0, Ordering::Relaxed);
    }
}

impl FrameSink for Hash {
    fn push(&mut self, _: FrameTime, frame: &[i16]) {
        for four in frame.chunks_exact(4) {
            let word = (0..)
                .zip(four)
                .fold(0u64, |w, (n, s)| w | u64::from(*s as u16) << (16 * n));
            self.0 = (self.0 ^ word)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .rotate_left(29);
        }
    }
}

/// The peers lie in memory in the order in which their streams are worked off: what is measured is not their memory.
struct Peers {
    speech: Arc<Speech>,
    phases: [Vec<Option<Peer>>; PHASES],
}

/// Streams spread over so many slices, one after another.
const PHASES: usize = 4;

/// Packets under way at most: 100 ms of delay hold five, and some room.
const UNDER_WAY: usize = 10;

/// One that sends speech, a digit each nine seconds, a report each five, and is another source each thirteen.
struct Peer {
    address: SocketAddr,
    number: usize,
    path: Path,
    next: Instant,
    sent: u32,
    /// When packets under way arrive, [`Instant::FAR`] where there is none; and their numbers.
    arrivals: [Instant; UNDER_WAY],
    under_way: [u32; UNDER_WAY],
}

impl Peer {
    fn new(number: usize, now: Instant, way: Impairment) -> Self {
        let host = 0x0a00_0001 + number as u32;
        Self {
            address: SocketAddr::from((host.to_be_bytes(), 4000)),
            number,
            path: Path::new(way, number as u64),
            next: now + Duration::from_micros(number as u64 * 7919 % 20_000),
            sent: 0,
            arrivals: [Instant::FAR; UNDER_WAY],
            under_way: [0; UNDER_WAY],
        }
    }

    /// Writes packet `k` into `buffer`; says its length, and whether it is a report.
    fn write(&self, k: u32, speech: &[u8], buffer: &mut [u8; 256]) -> (usize, bool) {
        const REPORT: u32 = 250;
        const DIGIT: u32 = 450;
        const SOURCE: u32 = 650;
        let life = (k + self.number as u32) / SOURCE;
        let ssrc = (self.number as u32) << 8 | (life & 0xff);
        let timestamp = k.wrapping_mul(160).wrapping_add(life * 77_777);
        if k % REPORT == REPORT - 1 {
            buffer[..4].copy_from_slice(&[0x80, 200, 0, 6]);
            buffer[4..8].copy_from_slice(&ssrc.to_be_bytes());
            buffer[8..16].copy_from_slice(&(u64::from(k) << 32).to_be_bytes());
            buffer[16..20].copy_from_slice(&timestamp.to_be_bytes());
            buffer[20..28].copy_from_slice(&[0, 0, 0, 9, 0, 0, 9, 9]);
            return (28, true);
        }
        // A report takes the place of a packet in time, but not a number.
        let sequence = (k - k / REPORT).wrapping_add(life * 1000) as u16;
        let phase = (k + 3 * self.number as u32) % DIGIT;
        let digit = phase < 8;
        buffer[0] = 0x80;
        buffer[1] = if digit { 101 } else { 0 };
        buffer[2..4].copy_from_slice(&sequence.to_be_bytes());
        let stamp = if digit {
            timestamp.wrapping_sub(phase * 160)
        } else {
            timestamp
        };
        buffer[4..8].copy_from_slice(&stamp.to_be_bytes());
        buffer[8..12].copy_from_slice(&ssrc.to_be_bytes());
        if digit {
            let [high, low] = ((phase.min(5) + 1) as u16 * 160).to_be_bytes();
            let end = if phase >= 5 { 0x80 } else { 0 };
            buffer[12..16].copy_from_slice(&[(k / DIGIT % 12) as u8, end | 10, high, low]);
            return (16, false);
        }
        let at = (self.number * 7919 + k as usize * 160) % (speech.len() - 160);
        buffer[12..172].copy_from_slice(&speech[at..at + 160]);
        (172, false)
    }
}

impl Feed for Peers {
    fn drain(&mut self, now: Instant, n: usize, take: &mut Take<'_>) {
        let place = self.phases[n % PHASES].get_mut(n / PHASES);
        let Some(Some(peer)) = place else {
            return;
        };
        while peer.next <= now {
            let k = peer.sent;
            peer.sent += 1;
            if let Fate::Arrives { at, .. } = peer.path.send(peer.next, 200) {
                let place = peer.arrivals.iter().position(|p| *p == Instant::FAR);
                let place = place.unwrap();
                peer.arrivals[place] = at;
                peer.under_way[place] = k;
            }
            peer.next += Duration::from_millis(20);
        }
        loop {
            let arrival = peer.arrivals.into_iter().min().unwrap();
            if arrival > now {
                return;
            }
            // Of those that arrive together the first sent comes first.
            let together = (0..UNDER_WAY).filter(|i| peer.arrivals[*i] == arrival);
            let i = together.min_by_key(|i| peer.under_way[*i]).unwrap();
            let k = peer.under_way[i];
            peer.arrivals[i] = Instant::FAR;
            let mut buffer = [0; 256];
            let (length, report) = peer.write(k, &self.speech.0, &mut buffer);
            take(Fed {
                from: peer.address,
                arrival,
                report,
                bytes: &mut buffer[..length],
            });
        }
    }
}
