//! Closing and opening a packet of 172 octets: ours beside the crate `libsrtp`, which stands on the same ciphers and takes
//! and gives vectors. Both ways in one run; run with `cargo bench -p msp-rtp --bench srtp`.
#![allow(clippy::unwrap_used, reason = "a measurement fails by it")]
#![allow(clippy::disallowed_methods, reason = "a measurement reads the clock")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use libsrtp::{ProtectionProfile, RecvSession, SendSession, StreamConfig};
use msp_core::params::{KeyParams, MasterKey};
use msp_core::secret::Secret;
use msp_rtp::protect::{Component, Protect};
use msp_rtp::srtp::{Srtp, Suite};

const PACKETS: usize = 2000;
const REPEATS: usize = 100;

fn packet(n: usize) -> [u8; 172] {
    let mut packet = [0x55; 172];
    packet[..2].copy_from_slice(&[0x80, 0]);
    packet[2..4].copy_from_slice(&(n as u16).to_be_bytes());
    packet[8..12].copy_from_slice(&[1, 2, 3, 4]);
    packet
}

/// The best time of a packet, closed and opened, in nanoseconds.
#[derive(Clone, Copy)]
struct Best([Duration; 2]);

impl Best {
    const NONE: Self = Self([Duration::MAX; 2]);

    fn take(&mut self, times: [Duration; 2]) {
        for (best, time) in self.0.iter_mut().zip(times) {
            *best = time.min(*best);
        }
    }

    fn each(self) -> [f64; 2] {
        self.0.map(|t| t.as_nanos() as f64 / PACKETS as f64)
    }
}

fn ours(suite: Suite) -> [Duration; 2] {
    let key = vec![MasterKey {
        tag: 1,
        suite: suite.name().into(),
        key_and_salt: Secret::new(vec![7; suite.key_len() + suite.salt_len()]),
        mki: None,
    }];
    let keys = KeyParams {
        send: key.clone(),
        receive: key,
    };
    let (mut alice, mut bob) = (Srtp::new(&keys).unwrap(), Srtp::new(&keys).unwrap());
    let mut buffers: Vec<_> = (0..PACKETS)
        .map(|n| {
            let mut buffer = [0; 256];
            buffer[..172].copy_from_slice(&packet(n));
            buffer
        })
        .collect();
    let mut len = 0;
    let started = Instant::now();
    for buffer in &mut buffers {
        len = alice
            .protect(Component::Media, buffer, 0..172)
            .unwrap()
            .len();
    }
    let closed = started.elapsed();
    let started = Instant::now();
    for buffer in &mut buffers {
        black_box(bob.unprotect(Component::Media, &mut buffer[..len]).unwrap());
    }
    [closed, started.elapsed()]
}

fn theirs(suite: Suite, profile: ProtectionProfile) -> [Duration; 2] {
    let (key, salt) = (vec![7; suite.key_len()], vec![7; suite.salt_len()]);
    let keys = vec![libsrtp::MasterKey::new(&key, &salt, &None)];
    let config = StreamConfig::new(keys, &profile, &profile);
    let (mut alice, mut bob) = (SendSession::new(), RecvSession::new());
    alice.add_stream(None, &config).unwrap();
    bob.add_stream(None, &config).unwrap();
    let mut packets: Vec<_> = (0..PACKETS).map(|n| packet(n).to_vec()).collect();
    let started = Instant::now();
    for packet in &mut packets {
        *packet = alice.rtp_protect(std::mem::take(packet)).unwrap();
    }
    let closed = started.elapsed();
    let started = Instant::now();
    for packet in &mut packets {
        *packet = bob.rtp_unprotect(std::mem::take(packet)).unwrap();
    }
    [closed, started.elapsed()]
}

fn main() {
    for (suite, profile) in [
        (
            Suite::AesCm128HmacSha1Tag80,
            ProtectionProfile::Aes128CmHmacSha180,
        ),
        (
            Suite::AesCm256HmacSha1Tag80,
            ProtectionProfile::Aes256CmHmacSha180,
        ),
        (Suite::AeadAes128Gcm, ProtectionProfile::AeadAes128Gcm),
        (Suite::AeadAes256Gcm, ProtectionProfile::AeadAes256Gcm),
    ] {
        let (mut us, mut them) = (Best::NONE, Best::NONE);
        for _ in 0..REPEATS {
            us.take(ours(suite));
            them.take(theirs(suite, profile));
        }
        for (n, what) in ["close", "open"].into_iter().enumerate() {
            let (us, them) = (us.each()[n], them.each()[n]);
            println!(
                "measured: {what} a packet of 172 octets, {} | {us:.0} ns | libsrtp (Rust) {them:.0} ns | {:.2}",
                suite.name(),
                them / us
            );
        }
    }
}
