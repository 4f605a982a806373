use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{NatBehaviour, Ratio};

fn socket(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn drain(network: &mut Network) -> Vec<Delivery> {
    let mut heard = Vec::new();
    while let Some(at) = network.deadline() {
        heard.extend(network.poll(at));
    }
    heard
}

#[test]
fn a_datagram_arrives_when_its_time_has_come() {
    let (a, b) = (socket("192.0.2.1:1000"), socket("[2001:db8::1]:2000"));
    let mut network = Network::new(1);
    network.set_default(Impairment::default().with_delay(Duration::from_millis(30)));
    network.send(at(5), a, b, vec![1, 2, 3]);
    assert_eq!(network.deadline(), Some(at(35)));
    assert_eq!(network.poll(at(34)), None);
    assert_eq!(network.stats(a, b).in_flight, 1);
    assert_eq!(
        network.poll(at(40)),
        Some(Delivery {
            at: at(35),
            from: a,
            to: b,
            bytes: vec![1, 2, 3]
        })
    );
    assert_eq!(network.poll(at(40)), None);
    assert_eq!(network.deadline(), None);
    let stats = network.stats(a, b);
    assert_eq!(
        (stats.delivered, stats.bytes_delivered, stats.in_flight),
        (1, 3, 0)
    );
    assert_eq!(stats.mean_delay(), Some(Duration::from_millis(30)));
    assert_eq!(network.stats(b, a), PathStats::default());
}

#[test]
fn the_closest_link_is_taken_and_may_change() {
    let (a, b, c) = (
        socket("192.0.2.1:1"),
        socket("192.0.2.2:1"),
        socket("192.0.2.2:2"),
    );
    let ms = |ms| Impairment::default().with_delay(Duration::from_millis(ms));
    let arrival = |network: &mut Network, to| {
        network.send(at(0), a, to, vec![0]);
        drain(network)[0].at
    };
    let mut network = Network::new(1);
    assert_eq!(arrival(&mut network, b), at(0));
    network.set_default(ms(1));
    assert_eq!(
        (arrival(&mut network, b), arrival(&mut network, c)),
        (at(1), at(1))
    );
    network.link(a.ip(), b.ip(), ms(2));
    assert_eq!(
        (arrival(&mut network, b), arrival(&mut network, c)),
        (at(2), at(2))
    );
    network.link(a, b, ms(3));
    assert_eq!(
        (arrival(&mut network, b), arrival(&mut network, c)),
        (at(3), at(2))
    );
    network.link(a, b, ms(4));
    network.set_default(ms(9));
    assert_eq!(
        (arrival(&mut network, b), arrival(&mut network, c)),
        (at(4), at(2))
    );
    network.send(at(0), b, a, vec![0]);
    assert_eq!(drain(&mut network)[0].at, at(9), "links have a direction");
}

#[test]
fn reordering_and_copies_are_counted() {
    let (a, b) = (socket("192.0.2.1:1"), socket("192.0.2.2:1"));
    let mut network = Network::new(3);
    network.link(a, b, "reorder=20%,hold=50ms,duplicate=20%".parse().unwrap());
    for n in 0..1000u64 {
        network.send(at(20 * n), a, b, n.to_be_bytes().to_vec());
    }
    let heard = drain(&mut network);
    let stats = network.stats(a, b);
    assert!(heard.is_sorted_by_key(|d| d.at));
    assert_eq!(heard.len() as u64, 1000 + stats.duplicated);
    assert!((140..260).contains(&stats.duplicated), "{stats:?}");
    let mut latest = Vec::new();
    let mut overtaken = 0;
    for delivery in &heard {
        overtaken += u64::from(delivery.bytes < latest);
        latest = latest.max(delivery.bytes.clone());
    }
    assert_eq!(stats.reordered, overtaken);
    assert!(overtaken > 150);
    assert_eq!(stats.max_delay, Duration::from_millis(50));
}

#[test]
fn the_luck_of_one_pair_does_not_hang_on_others() {
    let (a, b, c) = (
        socket("192.0.2.1:1"),
        socket("192.0.2.2:1"),
        socket("192.0.2.3:1"),
    );
    let heard = |others: bool| {
        let mut network = Network::new(9);
        network.set_default("loss=20%,jitter=30ms".parse().unwrap());
        for n in 0..500u64 {
            if others {
                network.send(at(n), c, b, vec![9]);
            }
            network.send(at(n), a, b, n.to_be_bytes().to_vec());
        }
        let mut heard = drain(&mut network);
        heard.retain(|d| d.from == a);
        heard
    };
    assert_eq!(heard(true), heard(false));
}

fn natted(filtering: NatBehaviour, mapping: NatBehaviour) -> Network {
    let mut network = Network::new(1);
    let home = NatConfig::home(
        "203.0.113.1".parse().unwrap(),
        ["10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()],
    );
    network.add_nat(NatConfig {
        filtering,
        mapping,
        ..home
    });
    network
}

fn send(
    network: &mut Network,
    now: u64,
    from: SocketAddr,
    to: SocketAddr,
) -> Option<(SocketAddr, SocketAddr)> {
    network.send(at(now), from, to, vec![0]);
    network.poll(at(now)).map(|d| (d.from, d.to))
}

#[test]
fn a_nat_lets_in_whom_its_filter_allows() {
    use NatBehaviour::{AddressAndPortDependent, AddressDependent, EndpointIndependent};
    let inside = socket("10.0.0.1:5000");
    let public = socket("203.0.113.1:5000");
    let (server, other_port, stranger) = (
        socket("192.0.2.9:5060"),
        socket("192.0.2.9:7000"),
        socket("192.0.2.66:1"),
    );
    for (filtering, lets_port, lets_stranger) in [
        (EndpointIndependent, true, true),
        (AddressDependent, true, false),
        (AddressAndPortDependent, false, false),
    ] {
        let mut network = natted(filtering, EndpointIndependent);
        assert_eq!(
            send(&mut network, 0, server, public),
            None,
            "nothing was sent yet"
        );
        assert_eq!(
            send(&mut network, 0, inside, server),
            Some((public, server))
        );
        assert_eq!(
            send(&mut network, 0, server, public),
            Some((server, inside))
        );
        assert_eq!(
            send(&mut network, 0, other_port, public).is_some(),
            lets_port
        );
        assert_eq!(
            send(&mut network, 0, stranger, public).is_some(),
            lets_stranger
        );
        assert_eq!(network.stats(server, public).filtered, 1);
        assert_eq!(
            network.stats(stranger, public).filtered,
            u64::from(!lets_stranger)
        );
    }
}

#[test]
fn a_nat_maps_by_its_behaviour() {
    use NatBehaviour::{AddressAndPortDependent, AddressDependent, EndpointIndependent};
    let inside = socket("10.0.0.1:5000");
    let others = [
        socket("192.0.2.9:1"),
        socket("192.0.2.9:2"),
        socket("192.0.2.8:1"),
    ];
    for (mapping, ports) in [
        (EndpointIndependent, [5000, 5000, 5000]),
        (AddressDependent, [5000, 5000, 5001]),
        (AddressAndPortDependent, [5000, 5001, 5002]),
    ] {
        let mut network = natted(AddressDependent, mapping);
        let seen = others.map(|to| send(&mut network, 0, inside, to).unwrap().0.port());
        assert_eq!(seen, ports, "{mapping:?}");
    }
}

#[test]
fn hosts_behind_a_nat_share_its_ports_and_reach_each_other() {
    let (one, two, server) = (
        socket("10.0.0.1:5000"),
        socket("10.0.0.2:5000"),
        socket("192.0.2.9:1"),
    );
    let mut network = natted(
        NatBehaviour::AddressDependent,
        NatBehaviour::EndpointIndependent,
    );
    assert_eq!(
        send(&mut network, 0, one, server).unwrap().0,
        socket("203.0.113.1:5000")
    );
    assert_eq!(
        send(&mut network, 0, two, server).unwrap().0,
        socket("203.0.113.1:5001")
    );
    assert_eq!(
        send(&mut network, 0, server, socket("203.0.113.1:5001")),
        Some((server, two))
    );
    assert_eq!(send(&mut network, 0, one, two), Some((one, two)));
    assert_eq!(
        send(&mut network, 0, server, one),
        None,
        "a private address is nowhere"
    );
    assert_eq!(network.stats(server, one).unroutable, 1);
}

#[test]
fn a_hairpin_goes_through_the_nat_and_back() {
    let (one, two, server) = (
        socket("10.0.0.1:5000"),
        socket("10.0.0.2:6000"),
        socket("192.0.2.9:1"),
    );
    let public = |port| SocketAddr::new("203.0.113.1".parse().unwrap(), port);
    let mut network = natted(
        NatBehaviour::AddressDependent,
        NatBehaviour::EndpointIndependent,
    );
    send(&mut network, 0, two, server);
    assert_eq!(
        send(&mut network, 0, one, public(6000)),
        None,
        "not open to the NAT's own address yet"
    );
    assert_eq!(
        send(&mut network, 0, two, public(5000)),
        Some((public(6000), one))
    );
    assert_eq!(
        send(&mut network, 0, one, public(6000)),
        Some((public(5000), two))
    );
}

#[test]
fn a_mapping_dies_of_silence_inside() {
    let (inside, public, server) = (
        socket("10.0.0.1:5000"),
        socket("203.0.113.1:5000"),
        socket("192.0.2.9:1"),
    );
    let mut network = natted(
        NatBehaviour::AddressDependent,
        NatBehaviour::EndpointIndependent,
    );
    send(&mut network, 0, inside, server);
    assert!(send(&mut network, 119_000, server, public).is_some());
    assert!(
        send(&mut network, 121_000, server, public).is_none(),
        "what comes from outside does not refresh it"
    );
    send(&mut network, 122_000, inside, server);
    assert!(send(&mut network, 200_000, server, public).is_some());
}

#[test]
fn a_mapping_that_is_used_keeps_all_it_is_open_to() {
    let (inside, public) = (socket("10.0.0.1:5000"), socket("203.0.113.1:5000"));
    let (one, two) = (socket("192.0.2.9:1"), socket("192.0.2.8:1"));
    let mut network = natted(
        NatBehaviour::AddressDependent,
        NatBehaviour::EndpointIndependent,
    );
    send(&mut network, 0, inside, one);
    send(&mut network, 100_000, inside, two);
    send(&mut network, 130_000, inside, one);
    assert!(send(&mut network, 131_000, two, public).is_some());
}

#[test]
fn what_finds_the_queue_full_is_counted() {
    let (a, b) = (socket("192.0.2.1:1"), socket("192.0.2.2:1"));
    let mut network = Network::new(1);
    network.link(a, b, "rate=8k,queue=1000".parse().unwrap());
    for _ in 0..15 {
        network.send(at(0), a, b, vec![0; 100]);
    }
    assert_eq!(drain(&mut network).len(), 10);
    let stats = network.stats(a, b);
    assert_eq!((stats.delivered, stats.overflowed, stats.lost), (10, 5, 0));
    assert!((stats.loss() - 1.0 / 3.0).abs() < 1e-9);
    assert_eq!(stats.max_delay, Duration::from_secs(1));
}

fn impairment() -> impl Strategy<Value = Impairment> {
    let ratio = || (0.0..=1.0).prop_map(|r| Ratio::new(r).unwrap());
    let millis = || (0u64..100).prop_map(Duration::from_millis);
    (
        ratio(),
        prop::option::of(1.0..20.0),
        ratio(),
        ratio(),
        millis(),
        millis(),
        prop::option::of(1000u64..100_000),
        any::<bool>(),
    )
        .prop_map(
            |(loss, burst, duplicate, reorder, delay, jitter, rate, overtake)| {
                let mut new = Impairment::default()
                    .with_loss(loss)
                    .with_duplicate(duplicate)
                    .with_reorder(reorder, Duration::from_millis(30))
                    .with_delay(delay)
                    .with_jitter(jitter)
                    .with_overtake(overtake);
                if let Some(burst) = burst {
                    new = new.with_burst(burst);
                }
                rate.map_or(new, |rate| new.with_rate(rate, 2000))
            },
        )
}

proptest! {
    /// Whatever is sent between whomever, at every moment the books balance, per pair and in total, and what is
    /// delivered is what was counted.
    #[test]
    fn no_packet_vanishes_uncounted(
        seed: u64,
        impairment in impairment(),
        sends in prop::collection::vec((0u64..30, 0usize..5, 0usize..5, 0usize..300), 1..200),
    ) {
        let hosts = ["10.0.0.1:5000", "10.0.0.2:5000", "203.0.113.1:5000", "192.0.2.1:1", "[2001:db8::1]:1"].map(socket);
        let mut network = natted(NatBehaviour::AddressDependent, NatBehaviour::EndpointIndependent);
        network.seed = seed;
        network.set_default(impairment);
        let (mut now, mut heard) = (0, 0);
        for (wait, from, to, len) in sends {
            now += wait;
            network.send(at(now), hosts[from], hosts[to], vec![0; len]);
            while let Some(delivery) = network.poll(at(now)) {
                prop_assert!(delivery.at <= at(now));
                heard += 1;
            }
            let totals = network.totals();
            prop_assert_eq!(totals.sent + totals.duplicated, totals.accounted());
            prop_assert_eq!(totals.delivered, heard);
        }
        heard += drain(&mut network).len() as u64;
        let totals = network.totals();
        prop_assert_eq!(totals.in_flight, 0);
        prop_assert_eq!(totals.delivered, heard);
        prop_assert_eq!(totals.sent + totals.duplicated, totals.accounted());
        for from in hosts {
            for to in hosts {
                let stats = network.stats(from, to);
                prop_assert_eq!(stats.sent + stats.duplicated, stats.accounted());
            }
        }
    }
}
