//! Encrypted packets over a network that loses, repeats, reorders and delays them: each opens to what was closed, once.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use msp_core::params::{KeyParams, MasterKey};
use msp_core::secret::Secret;
use msp_core::stats::DropReason;
use msp_core::time::Instant;
use msp_rtp::packet::SEND_BUFFER;
use msp_rtp::protect::{Component, Protect};
use msp_rtp::srtp::{Srtp, Suite};
use netsim::{Impairment, Network, Random, Ratio};
use proptest::prelude::*;

const ALICE: &str = "192.0.2.1:4000";
const BOB: &str = "192.0.2.2:5000";
const PACKETS: u32 = 3000;

/// How far behind the newest packet one may come.
const WINDOW: u64 = 128;
/// Sources that a call may have under one key.
const MAX_SOURCES: usize = 16;

/// One source as its sender counts: packets and reports so far, roll-overs and all.
#[derive(Clone, Copy)]
struct Source {
    ssrc: u32,
    media: u64,
    reports: u64,
}

impl Source {
    fn new(random: &mut Random) -> Self {
        // Most begin shortly before their first roll-over, where a listener may not hear the beginning.
        let back = random.next_u64() % if random.chance(0.7) { 300 } else { 65_536 };
        Self {
            ssrc: random.next_u64() as u32,
            media: 65_535 - back,
            reports: 0,
        }
    }
}

/// Which packets of a source a listener with any amount of memory would have had, and whether it takes one more.
#[derive(Default)]
struct Heard(BTreeSet<u64>);

impl Heard {
    fn takes(&mut self, index: u64) -> bool {
        let newest = self.0.last().copied().unwrap_or(0);
        index + WINDOW > newest && self.0.insert(index)
    }
}

/// What was closed, under what the network carries.
struct Closed {
    component: Component,
    source: u32,
    index: u64,
    packet: Vec<u8>,
}

/// What came of a run.
#[derive(Debug, Default)]
struct Count {
    opened: u64,
    repeated: u64,
    late: u64,
    rolled_over: u64,
}

fn pair(suite: Suite, random: &mut Random) -> (Srtp, Srtp) {
    let mut key_and_salt = vec![0; suite.key_len() + suite.salt_len()];
    random.fill(&mut key_and_salt);
    let key = MasterKey {
        tag: 1,
        suite: suite.name().into(),
        key_and_salt: Secret::new(key_and_salt),
        mki: random.chance(0.3).then_some((9, 4)),
    };
    let keys = KeyParams {
        send: vec![key.clone()],
        receive: vec![key],
    };
    (Srtp::new(&keys).unwrap(), Srtp::new(&keys).unwrap())
}

fn media(source: &Source, random: &mut Random) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend((source.media as u16).to_be_bytes());
    packet.extend((source.media as u32).wrapping_mul(160).to_be_bytes());
    packet.extend(source.ssrc.to_be_bytes());
    let mut sound = [0; 160];
    random.fill(&mut sound);
    packet.extend(sound);
    packet
}

fn report(source: &Source, random: &mut Random) -> Vec<u8> {
    let mut packet = vec![0x80, 200, 0, 6];
    packet.extend(source.ssrc.to_be_bytes());
    let mut numbers = [0; 20];
    random.fill(&mut numbers);
    packet.extend(numbers);
    packet
}

/// Sends [`PACKETS`] of changing sources from one end to the other.
fn run(suite: Suite, impairment: Impairment, random: &mut Random) -> Result<Count, TestCaseError> {
    let (mut alice, mut bob) = pair(suite, random);
    let (from, to): (SocketAddr, SocketAddr) = (ALICE.parse().unwrap(), BOB.parse().unwrap());
    let mut network = Network::new(random.next_u64());
    network.set_default(impairment);
    let mut sources = vec![Source::new(random)];
    let mut speaking = 0;
    let mut under_way: HashMap<Vec<u8>, Closed> = HashMap::new();
    let mut heard: HashMap<(u32, bool), Heard> = HashMap::new();
    let mut count = Count::default();
    let mut now = Instant::from_millis(1000);
    for n in 0..PACKETS + 100 {
        now += Duration::from_millis(20);
        if n < PACKETS {
            if random.chance(0.003) {
                // Another device speaks, or one that spoke before.
                speaking = random.next_u64() as usize % (sources.len() + 1).min(MAX_SOURCES);
                if speaking == sources.len() {
                    sources.push(Source::new(random));
                }
            }
            let source = &mut sources[speaking];
            let component = match random.chance(0.05) {
                true => Component::Report,
                false => Component::Media,
            };
            let (index, packet) = match component {
                Component::Report => (source.reports, report(source, random)),
                Component::Media => (source.media, media(source, random)),
            };
            let mut buffer = [0; SEND_BUFFER];
            buffer[..packet.len()].copy_from_slice(&packet);
            let sent = alice.protect(component, &mut buffer, 0..packet.len());
            prop_assert!(sent.is_ok(), "{sent:?} {n}");
            let sent = buffer[sent.unwrap()].to_vec();
            network.send(now, from, to, sent.clone());
            let closed = Closed {
                component,
                source: source.ssrc,
                index,
                packet,
            };
            prop_assert!(
                under_way.insert(sent, closed).is_none(),
                "one cipher text twice"
            );
            match component {
                Component::Report => source.reports += 1,
                // Now and then the sound pauses, and numbers with it are lost.
                Component::Media if random.chance(0.002) => {
                    source.media += 1 + random.next_u64() % 30_000;
                }
                Component::Media => source.media += 1,
            }
        }
        while let Some(arrived) = network.poll(now) {
            let closed = &under_way[&arrived.bytes];
            let of_report = closed.component == Component::Report;
            let known = heard.entry((closed.source, of_report)).or_default();
            let newest = known.0.last().copied();
            let is_new = !known.0.contains(&closed.index);
            let takes = known.takes(closed.index);
            let mut packet = arrived.bytes.clone();
            let opened = bob.unprotect(closed.component, &mut packet);
            let what = format!(
                "{suite:?} {:x} {} after {newest:?}",
                closed.source, closed.index
            );
            match opened {
                Ok(len) => {
                    prop_assert!(takes, "taken twice or too late: {what}");
                    prop_assert_eq!(&packet[..len], &closed.packet[..], "{}", what);
                    count.opened += 1;
                    let turns = |index: u64| index >> 16;
                    count.rolled_over +=
                        u64::from(newest.is_some_and(|n| turns(n) < turns(closed.index)));
                }
                Err(reason) => {
                    prop_assert!(!takes, "{reason:?}: {what}");
                    prop_assert_eq!(packet, arrived.bytes, "what is refused stays as it came");
                    if is_new {
                        count.late += 1;
                    } else {
                        prop_assert_eq!(reason, DropReason::Replayed, "{}", what);
                        count.repeated += 1;
                    }
                }
            }
        }
    }
    Ok(count)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    // Shows: through loss, reorder, repeats, roll-overs and new sources each packet opens to what was closed, once | RFC 3711, interop row 55
    #[test]
    fn each_packet_opens_to_what_was_closed_once(
        suite in prop::sample::select(Suite::ALL.to_vec()),
        seed: u64,
        (loss, burst) in (0.0..0.4_f64, 1.0..8.0_f64),
        duplicate in 0.0..0.3_f64,
        (reorder, hold) in (0.0..0.3_f64, 0_u64..4000),
        jitter in 0_u64..200,
    ) {
        let ratio = |share| Ratio::new(share).unwrap();
        let impairment = Impairment::PERFECT
            .with_delay(Duration::from_millis(10))
            .with_jitter(Duration::from_millis(jitter))
            .with_overtake(true)
            .with_loss(ratio(loss))
            .with_burst(burst)
            .with_duplicate(ratio(duplicate))
            .with_reorder(ratio(reorder), Duration::from_millis(hold));
        run(suite, impairment, &mut Random::new(seed))?;
    }
}

/// What the property is about does happen.
#[test]
fn a_bad_network_repeats_delays_and_turns_the_numbers_over() {
    for suite in Suite::ALL {
        let impairment = "delay=10ms,loss=10%,burst=4,duplicate=10%,reorder=5%,hold=4s";
        let mut random = Random::new(5);
        let count = run(suite, impairment.parse().unwrap(), &mut random).unwrap();
        assert!(count.opened > 2000, "{count:?}");
        assert!(count.repeated > 100 && count.late > 10, "{count:?}");
        assert!(count.rolled_over >= 2, "{count:?}");
    }
}
