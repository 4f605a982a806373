//! Playout that follows the network, in virtual time: what it costs in delay, in late packets and in changed samples.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

#[path = "common/line.rs"]
mod line;

use std::path::PathBuf;

use line::*;
use msp_core::trace::PlayoutAction;
use netsim::Random;

fn print(name: &str, heard: &Heard) {
    println!(
        "{name}: {:.1} ms over the fastest, {:.2} % late, {:.2} % concealed, {:.2} % warped",
        heard.delay_after(0.0),
        heard.late_share() * 100.0,
        heard.share(heard.stats.concealed) * 100.0,
        heard.share(heard.stats.warped) * 100.0,
    );
}

/// Everything that was said was heard as it was said, in one piece after one delay.
fn is_untouched(heard: &Heard, sent: &[Sent]) -> bool {
    let samples: usize = sent.iter().map(|s| s.samples).sum();
    let pieces = heard
        .log
        .iter()
        .filter(|s| s.action == PlayoutAction::Normal);
    heard.stats.normal as usize == samples && heard.stats.warped == 0 && pieces.count() == 1
}

// Shows: playout: a network that does not vary changes not one sample, and costs 10 ms and a packet at most
#[test]
fn a_clean_network_changes_nothing_and_costs_a_packet_and_10_ms() {
    let speech = voice(8000, 80_000);
    for ms in [10, 20, 30, 40, 60, 120] {
        for way in [0.0, 0.1, 3.7, 9.9, 50.0] {
            let sent = packets(ms, 30, |_| Some(way));
            let heard = listen(adaptive(), &sent, &speech, |_, _| {});
            assert!(
                is_untouched(&heard, &sent),
                "{ms} ms, {way}: {:?}",
                heard.log
            );
            let delay = heard.delay_after(0.0);
            assert!(delay <= 10.0 + ms as f64, "{ms} ms, {way}: {delay}");
            assert_eq!(heard.stats.late, 0);
        }
    }
}

// Shows: playout: the delay follows the jitter, and few samples are changed for it
#[test]
fn jitter_of_60_ms_is_waited_for_and_no_longer() {
    for seed in 1..9 {
        let mut luck = Random::new(seed);
        let sent = packets(20, 60, |_| Some(20.0 + luck.unit() * 60.0));
        let heard = listen(adaptive(), &sent, &voice(8000, 80_000), |_, _| {});
        print("jitter of 60 ms", &heard);
        assert!(heard.delay_after(0.0) <= 64.0);
        assert!(heard.late_share() <= 0.005);
        assert!(heard.share(heard.stats.warped) <= 0.01);
        assert_eq!(heard.missed, 0);
    }
    // Where no packet is sent at the very time of a pull, up to 10 ms more are due to that.
    let mut luck = Random::new(9);
    let sent = packets(20, 60, |_| Some(25.0 + luck.unit() * 60.0));
    let heard = listen(adaptive(), &sent, &voice(8000, 80_000), |_, _| {});
    print("the same between two pulls", &heard);
    assert!(heard.delay_after(0.0) <= 70.0 && heard.late_share() <= 0.005);
}

/// Jitter that begins and ends while somebody talks.
// Shows: playout: the delay follows the jitter, and few samples are changed for it
#[test]
fn jitter_that_comes_and_goes_is_followed_both_ways() {
    for seed in 1..5 {
        let mut luck = Random::new(seed);
        let sent = packets(20, 60, |n| {
            let jitter = if (500..1500).contains(&n) { 60.0 } else { 0.0 };
            Some(20.0 + luck.unit() * jitter)
        });
        let heard = listen(adaptive(), &sent, &voice(8000, 80_000), |_, _| {});
        print("jitter from 10 to 30 s", &heard);
        let during = heard.delay_between(12.0, 30.0);
        let after = heard.delay_between(40.0, 60.0);
        println!("   {during:.1} ms, then {after:.1}; {:?}", heard.stats);
        assert!(during <= 72.0 && after <= 30.0, "{during} {after}");
        assert!(heard.late_share() <= 0.005 && heard.missed == 0);
        assert!(heard.stats.stretched > 0 && heard.stats.compressed > 0);
        assert!(heard.share(heard.stats.warped) <= 0.01);
    }
}

// Shows: playout: bursts that come back are waited for, a single one is not
#[test]
fn bursts_that_come_back_are_waited_for() {
    for (period, waits) in [(50, true), (5000, false)] {
        // A network that stands still for 120 ms, and then gives all that waited.
        let sent = packets(20, 60, |n| {
            Some(20.0 + (120 - (n + period / 2) % period * 20).max(0) as f64)
        });
        let heard = listen(adaptive(), &sent, &voice(8000, 80_000), |_, _| {});
        print(&format!("a burst in {period} packets"), &heard);
        let delay = heard.delay_between(20.0, 60.0);
        if waits {
            assert!((115.0..150.0).contains(&delay), "{delay}");
        } else {
            assert!(delay <= 30.0, "{delay}");
        }
        assert!(heard.late_share() <= 0.005, "{}", heard.late_share());
    }
}

/// A packet in twenty is overtaken by two others; that is a delay as any other, and no loss.
#[test]
fn what_is_overtaken_is_waited_for() {
    let mut luck = Random::new(1);
    let sent = packets(20, 60, |_| {
        Some(if luck.chance(0.05) { 65.0 } else { 20.0 })
    });
    let heard = listen(adaptive(), &sent, &voice(8000, 80_000), |_, _| {});
    print("a packet in twenty is overtaken", &heard);
    assert!(heard.late_share() <= 0.002 && heard.missed <= 2);
    assert!(heard.delay_between(5.0, 60.0) <= 65.0);
    assert!(heard.share(heard.stats.warped) <= 0.005);
}

/// From 10 to 120 ms, each packet sent when its last sample is there: the longer ones come later for their first.
#[test]
fn packet_times_may_change_while_it_adapts() {
    let (mut sent, mut samples, mut luck) = (Vec::new(), 0i64, Random::new(1));
    for round in 0..6 {
        for ms in [20, 10, 60, 30, 120, 40] {
            for _ in 0..3000 / ms {
                let (place, timestamp) = (sent.len() as i64, samples);
                samples += ms * 8;
                let way = if round < 3 { 0.0 } else { luck.unit() * 30.0 };
                sent.push(Sent {
                    at: samples * 125_000 + (way * 1e6) as i64,
                    place,
                    timestamp,
                    samples: ms as usize * 8,
                    marker: false,
                });
            }
        }
    }
    let heard = listen(adaptive(), &sent, &voice(8000, 80_000), |_, _| {});
    print("packets of 10 to 120 ms", &heard);
    println!("   {:?}", heard.stats);
    assert!(heard.missed <= 2, "{}", heard.missed);
    assert!(heard.late_share() <= 0.01);
    // A packet of 120 ms is 110 ms later than one of 10 ms.
    assert!(heard.delay_after(0.0) <= 110.0 + 60.0);
    assert!(heard.share(heard.stats.warped) <= 0.03);
}

/// Packets over a cellular link that carries one whenever the list says: those that wait longer than half a second for it
/// are dropped.
fn over_cell(name: &str) -> Option<Vec<Sent>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/corpora/10-jitter")
        .join(name);
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: {} is not here", path.display());
        return None;
    };
    let mut chances = text.lines().map(|line| line.parse::<i64>().unwrap());
    let mut sent = packets(20, 118, |_| Some(0.0));
    sent.retain_mut(|packet| {
        let ready = packet.at / 1_000_000;
        let Some(at) = chances.find(|at| *at >= ready) else {
            return false;
        };
        packet.at = at * 1_000_000;
        at - ready <= 500
    });
    Some(sent)
}

// Shows: playout: on recorded networks it misses fewer packets than any fixed delay as long as its own
#[test]
fn cellular_links_are_followed() {
    for name in [
        "mahimahi-ATT-LTE-driving-2016.up.first120s.txt",
        "mahimahi-TMobile-LTE-short.down.first120s.txt",
    ] {
        let Some(sent) = over_cell(name) else {
            return;
        };
        let heard = listen(adaptive(), &sent, &voice(8000, 80_000), |_, _| {});
        print(name, &heard);
        let expected = 118 * 50;
        let missed = (expected - sent.len() as i64 + heard.missed as i64) as f64 / expected as f64;
        let delay = heard.delay_after(0.0);
        let fixed = missed_at(&sent, expected, delay + 20.0);
        println!("   missed {missed:.4}; by a fixed delay 20 ms longer {fixed:.4}");
        assert!(missed <= fixed + 1e-9, "{name}");
        assert!(heard.share(heard.stats.warped) <= 0.05);
    }
}

/// The textbook's impairments, as `profiles.json` beside the traces has them.
#[test]
fn the_textbooks_impairments_are_followed() {
    let gauss = |luck: &mut Random| {
        let radius = (-2.0 * luck.unit().max(1e-12).ln()).sqrt();
        radius * (luck.unit() * std::f64::consts::TAU).cos()
    };
    let mut luck = Random::new(1003);
    let mut last = 0.0f64;
    let normal = packets(20, 60, |n| {
        // In order: none comes before the one before.
        last = (n as f64 * 20.0 + 60.0 + 20.0 * gauss(&mut luck)).max(last);
        Some(last - n as f64 * 20.0)
    });
    let gamma = packets(20, 60, |_| {
        let wait = -15.0 * (luck.unit().max(1e-12) * luck.unit().max(1e-12)).ln();
        (!luck.chance(0.01)).then_some(40.0 + wait)
    });
    let step = packets(20, 30, |n| {
        Some(if (500..1000).contains(&n) {
            120.0
        } else {
            40.0
        })
    });
    let spikes = packets(20, 60, |n| Some(40.0 + (250 - n % 250 * 20).max(0) as f64));
    let overtaken = packets(20, 60, |_| {
        Some(if luck.chance(0.02) { 85.0 } else { 40.0 })
    });
    // Mean delay in milliseconds, and late, missed and warped packets and samples in percent, at most.
    for (name, sent, most) in [
        ("jit-n20", normal, [125.0, 1.0, 0.1, 1.0]),
        ("jit-gamma", gamma, [120.0, 1.5, 0.3, 2.0]),
        ("step-up", step, [80.0, 0.5, 0.3, 1.0]),
        ("spike-5s", spikes, [140.0, 5.0, 1.0, 4.0]),
        ("reorder-2", overtaken, [70.0, 2.0, 2.0, 1.5]),
    ] {
        let heard = listen(adaptive(), &sent, &voice(8000, 80_000), |_, _| {});
        print(name, &heard);
        let shares = [
            heard.late_share(),
            heard.missed as f64 / heard.packets as f64,
            heard.share(heard.stats.warped),
        ];
        println!("   {:.2} % missed", shares[1] * 100.0);
        assert!(heard.delay_after(0.0) <= most[0], "{name}");
        for (share, most) in shares.into_iter().zip(&most[1..]) {
            assert!(share * 100.0 <= *most, "{name}: {shares:?}");
        }
    }
}

// Shows: playout: a spike of delay is over in under two seconds
#[test]
fn a_spike_is_over_in_under_two_seconds() {
    for (height, each) in [(250.0, 20.0), (120.0, 20.0), (200.0, 10.0)] {
        let sent = packets(20, 30, |n| {
            let since = (n - 500) as f64;
            let spike = if since < 0.0 {
                0.0
            } else {
                height - each * since
            };
            Some(20.0 + spike.max(0.0))
        });
        let heard = listen(adaptive(), &sent, &voice(8000, 80_000), |_, _| {});
        let most = heard.delays.iter().map(|d| d.1).fold(0.0, f64::max);
        let over = 10.0 + height / each * 0.02;
        let after = heard.delay_after(over + 2.0);
        print(&format!("a spike of {height} ms"), &heard);
        println!("   at most {most:.0} ms, then {after:.1}");
        assert!(after <= 30.0 + 20.0, "{after}");
        assert!(heard.missed as f64 <= height / 20.0);
        let last = heard.delays.iter().filter(|d| d.0 > over + 2.0);
        assert!(
            last.clone().all(|d| d.1 <= 50.0),
            "{:?}",
            last.collect::<Vec<_>>()
        );
    }
}

// Shows: playout: a sender's clock may differ by 200 ppm for an hour
#[test]
fn clocks_that_differ_are_followed_for_an_hour() {
    for ppm in [-200.0, 200.0] {
        let sent = packets(20, 3600, |n| Some(30.0 + n as f64 * 20.0 * ppm / 1e6));
        let heard = listen(adaptive(), &sent, &voice(8000, 80_000), |_, _| {});
        print(&format!("{ppm} ppm for an hour"), &heard);
        let end = sent.last().unwrap().at as f64 / 1e9;
        let drift = |(at, delay, _): &(f64, f64, u32)| {
            // Over the way as it is at that time; of all, the fastest packet is the first or the last.
            let way = at * ppm / 1e3;
            let whole = if ppm < 0.0 { end * ppm / 1e3 } else { 0.0 };
            delay + whole - way
        };
        let drifts: Vec<f64> = heard.delays.iter().map(drift).collect();
        let most = drifts.iter().copied().fold(f64::MIN, f64::max);
        let least = drifts.iter().copied().fold(f64::MAX, f64::min);
        println!("   between {least:.1} and {most:.1} ms over the fastest");
        assert_eq!((heard.stats.late, heard.missed), (0, 0));
        // The end of the stream is the one place that is made up.
        assert!(heard.stats.concealed <= 600, "{:?}", heard.stats);
        assert!(least >= -1.0 && most <= 30.0 + 20.0, "{least} {most}");
        assert!(heard.share(heard.stats.warped) < 0.002);
    }
}

/// A trace of another program, whose timestamps count `clock`, as packets of as much narrowband sound; and how many
/// packets there should have been.
fn trace(name: &str, clock: i64) -> Option<(Vec<Sent>, i64)> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/corpora/10-jitter")
        .join(name);
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("skipped: {} is not here", path.display());
        return None;
    };
    let rows: Vec<Vec<i64>> = text
        .lines()
        .skip(1)
        .map(|line| line.split(',').map(|n| n.parse().unwrap()).collect())
        .collect();
    // One of them begins with a second of another codec, on another clock.
    let codec = rows.last().unwrap()[4];
    let mut rows: Vec<_> = rows.into_iter().filter(|row| row[4] == codec).collect();
    rows.sort_by_key(|row| row[1]);
    let (mut sent, mut samples) = (Vec::new(), 160);
    for (n, row) in rows.iter().enumerate() {
        // A packet is as long as it is until the next one, if that came.
        if let Some(next) = rows.get(n + 1)
            && next[1] == row[1] + 1
        {
            // Longer is a pause.
            samples = ((next[2] - row[2]) * 8000 / clock).min(960) as usize;
        }
        sent.push(Sent {
            at: row[0] * 1000,
            place: row[1],
            timestamp: row[2] * 8000 / clock,
            samples,
            marker: row[3] == 1,
        });
    }
    let expected = rows.last().unwrap()[1] - rows[0][1] + 1;
    Some((sent, expected))
}

/// The share of `expected` packets that a buffer misses which waits `delay` milliseconds over the fastest packet.
fn missed_at(sent: &[Sent], expected: i64, delay: f64) -> f64 {
    let way = |s: &Sent| (s.at - s.timestamp * 125_000) as f64 / 1e6;
    let fastest = sent.iter().map(way).fold(f64::INFINITY, f64::min);
    let there = sent.iter().filter(|s| way(s) <= fastest + delay).count();
    1.0 - there as f64 / expected as f64
}

// Shows: playout: on recorded networks it misses fewer packets than any fixed delay as long as its own
#[test]
fn recorded_networks_are_followed_better_than_by_a_fixed_delay() {
    // The most that may be late, concealed and warped, in percent; the first four are of networks that break down.
    for (name, clock, most) in [
        ("ms2-audio-80-75-0c60.csv", 8000, [15.0, 20.0, 8.0]),
        (
            "ms2-opus-edge-congestion20_60_40.csv",
            48_000,
            [10.0, 15.0, 8.0],
        ),
        ("ms2-opus-poor-quality.csv", 48_000, [4.0, 5.0, 6.0]),
        ("ms2-poor_jitter_quality_22.csv", 48_000, [7.0, 20.0, 8.0]),
        ("sipnab-Asterisk_ZFONE_XLITE.csv", 8000, [0.5, 1.0, 1.0]),
        ("webrtc-HRTF_pcm16wb_jitter.csv", 16_000, [1.0, 3.0, 1.0]),
        ("webrtc-stereo_g729_jitter.csv", 8000, [1.0, 4.0, 1.0]),
    ] {
        let Some((sent, expected)) = trace(name, clock) else {
            return;
        };
        let heard = listen(adaptive(), &sent, &voice(8000, 80_000), |_, _| {});
        print(name, &heard);
        let lost = expected as u64 - sent.len() as u64;
        let missed = (lost + heard.missed) as f64 / expected as f64;
        let delay = heard.delay_after(0.0);
        let [at_own, at_more] = [0.0, 20.0].map(|more| missed_at(&sent, expected, delay + more));
        println!(
            "   missed {missed:.4}; by a fixed delay as long {at_own:.4}, 20 ms longer {at_more:.4}"
        );
        assert!(missed <= at_more + 1e-9, "{name}");
        let s = &heard.stats;
        let shares = [
            heard.late_share(),
            heard.share(s.concealed),
            heard.share(s.warped),
        ];
        for (share, most) in shares.into_iter().zip(most) {
            assert!(share * 100.0 <= most, "{name}: {shares:?}");
        }
        assert_eq!(
            s.concealed,
            s.concealed_lost + s.concealed_late + s.concealed_underrun
        );
    }
}
