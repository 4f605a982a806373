//! After a session is set up, nothing takes memory: not a packet, not a frame, not a report.
#![allow(unsafe_code, reason = "a counting allocator cannot be written without")]
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use common::{A, B, addr, agreed, speech, with_delay};
use msp_codecs::{CodecFactory, Pcmu};
use msp_core::id::PayloadType;
use msp_core::link::Digit;
use msp_core::params::{KeyParams, MasterKey};
use msp_core::secret::Secret;
use msp_core::time::{ClockRate, Instant};
use msp_rtp::packet::SEND_BUFFER;
use msp_rtp::playout::{Playout, PlayoutCodec, PlayoutConfig, PlayoutMode};
use msp_rtp::protect::Component;
use msp_rtp::rtcp::WallClock;
use msp_rtp::session::{Arrival, PlayoutDelay};
use msp_rtp::srtp::{Srtp, Suite};
use msp_rtp::{Session, SessionConfig};

struct Counting;

thread_local! {
    static TAKEN: Cell<u64> = const { Cell::new(0) };
    static LIVE: Cell<usize> = const { Cell::new(0) };
}

fn count(more: usize, less: usize) {
    // A thread that ends may still take memory: nobody counts that.
    let _ = TAKEN.try_with(|n| n.set(n.get() + 1));
    let _ = LIVE.try_with(|n| n.set(n.get().wrapping_add(more).wrapping_sub(less)));
}

// SAFETY: everything is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The ways in which a playout may wait.
const DELAYS: [PlayoutDelay; 2] = [
    PlayoutDelay {
        mode: PlayoutMode::Adaptive,
        target: Duration::from_millis(20),
        max: Duration::from_millis(360),
    },
    PlayoutDelay::fixed(Duration::from_millis(40)),
];

/// Packets on their way, in room taken before.
struct Way {
    packets: Vec<(u64, usize, [u8; 1600], usize)>,
    luck: u32,
}

impl Way {
    fn chance(&mut self, percent: u32) -> bool {
        self.luck = self
            .luck
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        (self.luck >> 16) % 100 < percent
    }

    fn send(&mut self, now: u64, to: usize, bytes: &[u8]) {
        if self.chance(3) {
            return;
        }
        let jitter = u64::from(self.luck >> 8) % 40;
        for _ in 0..=u32::from(self.chance(2)) {
            let mut packet = [0; 1600];
            packet[..bytes.len()].copy_from_slice(bytes);
            assert!(self.packets.len() < self.packets.capacity());
            self.packets
                .push((now + 10 + jitter, to, packet, bytes.len()));
        }
    }
}

fn session(seed: u64) -> Session {
    Session::new(&SessionConfig::new(
        seed,
        WallClock::new(1_700_000_000_000_000_000),
    ))
}

/// The keys of one of two ends.
fn secured(suite: Suite, end: usize) -> Box<Srtp> {
    let key = |fill| {
        vec![MasterKey {
            tag: 1,
            suite: suite.name().into(),
            key_and_salt: Secret::new(vec![fill; suite.key_len() + suite.salt_len()]),
            mki: None,
        }]
    };
    let [send, receive] = [key(end as u8), key(1 - end as u8)];
    Box::new(Srtp::new(&KeyParams { send, receive }).unwrap())
}

/// A minute of two phones with distinct speech, loss, jitter, duplicates, digits, changes of source, damaged packets,
/// another agreement, and reports.
fn minute(codec: &str, clock: u32, suite: Option<Suite>, delay: PlayoutDelay) -> u64 {
    let addresses = [addr(A), addr(B)];
    let mut phones = [session(1), session(2)];
    let mut spare = [session(3), session(4)];
    let mut ready = [B, A].map(|remote| {
        let again = |n: u64| with_delay(&agreed(codec, clock, remote, 20 + 10 * (n % 2)), delay);
        (0..16).map(again).collect::<Vec<_>>()
    });
    let mut done = Vec::with_capacity(64);
    let now = Instant::from_millis(1000);
    for (n, phone) in phones.iter_mut().chain(&mut spare).enumerate() {
        if let Some(suite) = suite {
            phone.set_protect(Some(secured(suite, n % 2)));
        }
        let params = agreed(codec, clock, [B, A][n % 2], 20);
        done.push(phone.apply(now, with_delay(&params, delay)));
    }
    let frame = clock as usize / 100;
    let speech = [speech(clock as usize, 1), speech(clock as usize, 2)];
    let mut way = Way {
        packets: Vec::with_capacity(256),
        luck: 7,
    };
    let mut buffer = [0; SEND_BUFFER];
    let mut out = [0; 480];
    let keys: [Digit; 4] = [1, 2, 3, 11].map(|n| Digit::from_event(n).unwrap());
    let (mut events, mut segments) = (0, 0);

    let before = TAKEN.with(Cell::get);
    for tick in 0..6000u64 {
        let ms = 1000 + tick * 10;
        let now = Instant::from_millis(ms);
        let mut n = 0;
        while n < way.packets.len() {
            if way.packets[n].0 > ms {
                n += 1;
                continue;
            }
            let (at, to, mut bytes, len) = way.packets.swap_remove(n);
            if way.chance(1) {
                bytes[way.luck as usize % len] ^= 1 << (tick % 8);
            }
            let arrival = Arrival {
                at: Instant::from_millis(at),
                from: addresses[1 - to],
                component: Component::Media,
            };
            phones[to].receive(&arrival, &mut bytes[..len]);
        }
        if tick % 1500 == 700 {
            std::mem::swap(&mut phones[0], &mut spare[0]);
        }
        if tick % 500 == 100 {
            for (n, phone) in phones.iter_mut().enumerate() {
                phone.send_digits(&keys, None).unwrap();
                // Another agreement, alike, and of another packet time.
                if let Some(params) = ready[n].pop() {
                    done.push(phone.apply(now, params));
                }
            }
        }
        for (n, phone) in phones.iter_mut().enumerate() {
            phone.render(now, &mut out[..frame]);
            let at = tick as usize * frame % (speech[n].len() - frame);
            let silent = tick % 900 > 800;
            phone.capture(now, (!silent).then(|| &speech[n][at..at + frame]));
            while let Some(packet) = phone.transmit(now, &mut buffer) {
                way.send(ms, 1 - n, &buffer[packet.range]);
            }
            while phone.poll_event().is_some() {
                events += 1;
            }
            while phone.playout_log().and_then(|l| l.poll()).is_some() {
                segments += 1;
            }
        }
    }
    let taken = TAKEN.with(Cell::get) - before;

    let stats = phones[1].stats();
    assert!(stats.received.digits > 10, "{stats:?}");
    assert!(
        stats.sent.reports > 3 && stats.received.reports > 3,
        "{stats:?}"
    );
    assert!(
        stats.received.sources > 1 && stats.playout.concealed > 0,
        "{stats:?}"
    );
    assert!(events > 50 && segments > 100);
    taken
}

#[test]
fn a_minute_of_everything_takes_no_memory() {
    for (codec, clock) in [("PCMU", 8000), ("PCMA", 8000), ("L16", 16_000)] {
        for delay in DELAYS {
            let taken = minute(codec, clock, None, delay);
            assert_eq!(taken, 0, "{codec}/{clock} {delay:?}");
        }
    }
}

// Shows: no packet that is encrypted, checked or refused takes memory | RFC 3711
#[test]
fn a_minute_of_everything_encrypted_takes_no_memory() {
    for suite in Suite::ALL {
        let taken = minute("PCMU", 8000, Some(suite), DELAYS[0]);
        assert_eq!(taken, 0, "{suite:?}");
    }
}

/// A call may cost 48 KiB with everything; this is our part of it.
#[test]
fn a_narrowband_session_takes_less_than_28_kib() {
    for (delay, most) in [
        (PlayoutDelay::default(), 28),
        (DELAYS[1], 28),
        // Room for more than a second of sound.
        (PlayoutDelay::recorder(), 38),
    ] {
        let mut sessions = Vec::with_capacity(16);
        let before = LIVE.with(Cell::get);
        for n in 0..16 {
            let mut session = Box::new(session(n));
            let params = agreed("PCMU", 8000, B, 20);
            session.apply(Instant::ZERO, with_delay(&params, delay));
            sessions.push(session);
        }
        let each = LIVE.with(Cell::get).wrapping_sub(before) / sessions.len();
        println!(
            "{each} octets a session, {} in itself, {:?}",
            size_of::<Session>(),
            delay.mode
        );
        // Faults that tests switch on need room of their own, which is no part of the product.
        let faults = if cfg!(feature = "faults") {
            6 * 1024
        } else {
            0
        };
        assert!(each < most * 1024 + faults, "{each}");
    }
}

// Shows: playout: a narrowband stream that is followed takes less than 24 KiB
#[test]
fn a_narrowband_playout_takes_less_than_24_kib() {
    let before = LIVE.with(Cell::get);
    let codec = PlayoutCodec::new(PayloadType(0), *Pcmu.info(), Pcmu.decoder());
    let config = PlayoutConfig::new(ClockRate::HZ_8000);
    let playout = Box::new(Playout::new(config, vec![codec]).unwrap());
    let taken = LIVE.with(Cell::get).wrapping_sub(before);
    println!("{taken} octets, {} in itself", size_of_val(&*playout));
    let faults = if cfg!(feature = "faults") {
        6 * 1024
    } else {
        0
    };
    assert!(taken < 24 * 1024 + faults, "{taken}");
}
