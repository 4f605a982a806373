use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::*;

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

fn endpoint(address: IpAddr) -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind((address, 0)).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let local = socket.local_addr().unwrap();
    (socket, local)
}

fn receive(socket: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = [0; 2000];
    let (len, from) = socket.recv_from(&mut buffer).unwrap();
    (buffer[..len].to_vec(), from)
}

/// Waits, on the clock, until the proxy has taken in so many packets from A.
fn wait_for(proxy: &UdpProxy, sent: u64) -> ProxyReport {
    let start = clock();
    loop {
        let report = proxy.report();
        if report.a_to_b.sent >= sent && report.a_to_b.in_flight == 0 {
            return report;
        }
        assert!(
            clock().duration_since(start) < Duration::from_secs(5),
            "{report:?}"
        );
        thread::yield_now();
    }
}

#[test]
fn both_ways_over_both_families() {
    for address in [V4, V6] {
        if UdpSocket::bind((address, 0)).is_err() {
            println!("skipped: this machine has no {address}");
            continue;
        }
        let ((a, at_a), (b, at_b)) = (endpoint(address), endpoint(address));
        let proxy = UdpProxy::start(ProxyConfig {
            target_a: Some(at_a),
            target_b: Some(at_b),
            ..ProxyConfig::on(address)
        })
        .unwrap();
        a.send_to(b"to b", proxy.listen_a()).unwrap();
        assert_eq!(receive(&b), (b"to b".to_vec(), proxy.listen_b()));
        b.send_to(b"back to a", proxy.listen_b()).unwrap();
        assert_eq!(receive(&a), (b"back to a".to_vec(), proxy.listen_a()));
        let report = proxy.stop();
        let counts = |s: PathStats| {
            (
                s.sent,
                s.delivered,
                s.delayed,
                s.bytes_sent,
                s.bytes_delivered,
            )
        };
        assert_eq!(counts(report.a_to_b), (1, 1, 0, 4, 4));
        assert_eq!(counts(report.b_to_a), (1, 1, 0, 9, 9));
    }
}

#[test]
fn packets_are_lost_as_the_seed_has_it() {
    let ((a, _), (b, at_b)) = (endpoint(V4), endpoint(V4));
    let impairment: Impairment = "loss=30%,burst=3".parse().unwrap();
    let config = ProxyConfig {
        target_b: Some(at_b),
        a_to_b: impairment,
        seed: 42,
        ..ProxyConfig::on(V4)
    };
    let proxy = UdpProxy::start(config).unwrap();
    let mut expected = Vec::new();
    let mut path = Path::new(impairment, 42);
    for n in 0..200u8 {
        a.send_to(&[n], proxy.listen_a()).unwrap();
        wait_for(&proxy, u64::from(n) + 1);
        if matches!(path.send(Instant::ZERO, 1), Fate::Arrives { .. }) {
            expected.push(n);
        }
    }
    let heard: Vec<u8> = expected.iter().map(|_| receive(&b).0[0]).collect();
    assert_eq!(heard, expected);
    let stats = proxy.stop().a_to_b;
    assert_eq!(
        (stats.sent, stats.delivered, stats.lost),
        (200, expected.len() as u64, 200 - expected.len() as u64)
    );
    assert!(stats.mean_burst().unwrap() > 1.5);
}

#[test]
fn packets_are_delayed_by_what_was_asked_for() {
    let ((a, _), (b, at_b)) = (endpoint(V4), endpoint(V4));
    let a_to_b = "delay=40ms,jitter=20ms".parse().unwrap();
    let proxy = UdpProxy::start(ProxyConfig {
        target_b: Some(at_b),
        a_to_b,
        ..ProxyConfig::on(V4)
    })
    .unwrap();
    let start = clock();
    for n in 0..10u8 {
        a.send_to(&[n], proxy.listen_a()).unwrap();
    }
    for n in 0..10 {
        assert_eq!(receive(&b).0, [n]);
        assert!(start.elapsed() >= Duration::from_millis(40));
    }
    let stats = wait_for(&proxy, 10).a_to_b;
    assert_eq!(stats.delayed, 10);
    assert!(
        stats.mean_delay().unwrap() >= Duration::from_millis(40),
        "{stats:?}"
    );
}

#[test]
fn without_a_target_packets_are_counted_until_one_is_told() {
    let ((a, _), (b, at_b)) = (endpoint(V4), endpoint(V4));
    let proxy = UdpProxy::start(ProxyConfig::on(V4)).unwrap();
    a.send_to(b"early", proxy.listen_a()).unwrap();
    assert_eq!(wait_for(&proxy, 1).a_to_b.unroutable, 1);
    proxy.set_target_b(at_b).unwrap();
    a.send_to(b"now", proxy.listen_a()).unwrap();
    assert_eq!(receive(&b).0, b"now");
    proxy.set_impairments("loss=100%".parse().unwrap(), Impairment::PERFECT);
    a.send_to(b"gone", proxy.listen_a()).unwrap();
    assert_eq!(wait_for(&proxy, 3).a_to_b.lost, 1);
}

#[test]
fn a_stop_is_quick_and_counts_what_was_still_under_way() {
    let ((a, _), (_b, at_b)) = (endpoint(V4), endpoint(V4));
    let a_to_b = "delay=60s,duplicate=100%".parse().unwrap();
    let proxy = UdpProxy::start(ProxyConfig {
        target_b: Some(at_b),
        a_to_b,
        ..ProxyConfig::on(V4)
    })
    .unwrap();
    a.send_to(b"never", proxy.listen_a()).unwrap();
    while proxy.report().a_to_b.sent == 0 {
        thread::yield_now();
    }
    let start = clock();
    let shared = Arc::downgrade(&proxy.shared);
    let stats = proxy.stop().a_to_b;
    assert!(start.elapsed() < Duration::from_secs(1));
    assert_eq!((stats.sent, stats.duplicated, stats.in_flight), (1, 1, 2));
    assert_eq!(stats.sent + stats.duplicated, stats.accounted());
    assert!(shared.upgrade().is_none(), "no thread holds it any more");
}

#[test]
fn what_cannot_work_is_refused_at_the_start() {
    let (_socket, taken) = endpoint(V4);
    let error = UdpProxy::start(ProxyConfig {
        listen_a: taken,
        ..ProxyConfig::on(V4)
    })
    .unwrap_err();
    assert_eq!(error.kind(), NetsimErrorKind::Io(io::ErrorKind::AddrInUse));
    assert!(error.to_string().contains(&taken.to_string()), "{error}");
    let other_family = Some(SocketAddr::new(V6, 9));
    let error = UdpProxy::start(ProxyConfig {
        target_b: other_family,
        ..ProxyConfig::on(V4)
    })
    .unwrap_err();
    assert_eq!(error.kind(), NetsimErrorKind::AddressFamily);
    let proxy = UdpProxy::start(ProxyConfig::on(V4)).unwrap();
    assert!(proxy.set_target_a(SocketAddr::new(V6, 9)).is_err());
}
