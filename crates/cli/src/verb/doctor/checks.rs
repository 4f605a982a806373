//! The things that are looked at.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::thread;
use std::time::Duration;

use tipring::msp_engine::{Clock, Preference, SystemClock, media_preference};

use super::Finding;
use super::Health::{Good, Hurts, Note};

/// Pairs of media ports that are tried.
const PAIRS: u16 = 32;
/// Files that the program has open beside those of its calls.
const OWN_FILES: u64 = 64;
/// Calls that a machine should be able to hold.
const CALLS: u64 = 100;
/// Rests of which the lateness is taken, each as long as a slice of the media clock.
const RESTS: u32 = 200;
const REST: Duration = Duration::from_millis(5);

/// Looks at everything. `sip` is where SIP is to be spoken, `media` the first and the last for media.
pub(super) fn all(sip: SocketAddr, media: (u16, u16)) -> Vec<Finding> {
    // Addresses of documentation: nothing is sent, the system only says what it would send from.
    let peers = [
        IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
        IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
    ];
    let ours: Vec<_> = peers.into_iter().filter_map(source_toward).collect();
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let resolv = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let buffer = fs::read_to_string("/proc/sys/net/core/rmem_max").unwrap_or_default();
    vec![
        addresses(&ours),
        sip_port(sip, &bind_both(sip)),
        media_ports(sip.ip(), media),
        files(open_files(&limits)),
        clock(&mut lateness()),
        priority(media_preference()),
        buffers(buffer.trim().parse().ok()),
        names(&resolv),
        Finding::new(
            "sound",
            Note,
            "files, tones, applications, bridges and conferences; sound devices are not built in",
        ),
    ]
}

/// The address that packets to `peer` would come from.
fn source_toward(peer: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = match peer {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((peer, 9)).ok()?;
    let ours = socket.local_addr().ok()?.ip();
    (!ours.is_unspecified() && !ours.is_loopback()).then_some(ours)
}

fn addresses(ours: &[IpAddr]) -> Finding {
    const ABOUT: &str = "addresses";
    if ours.is_empty() {
        let found = "no way leads out of this machine";
        return Finding::new(ABOUT, Note, found)
            .advise("only calls to 127.0.0.1 will work; connect a network for others");
    }
    let list: Vec<_> = ours.iter().map(IpAddr::to_string).collect();
    let found = list.join(", ");
    if ours.iter().all(|a| is_private(*a)) {
        return Finding::new(ABOUT, Note, format!("{found}: private")).advise(
            "peers outside of this network need a registrar between, or --advertise with the outer address",
        );
    }
    Finding::new(ABOUT, Good, found)
}

/// Addresses that the Internet does not carry (RFC 1918, RFC 6598, RFC 4193).
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(a) => {
            let [first, second, ..] = a.octets();
            a.is_private() || a.is_link_local() || (first == 100 && (64..128).contains(&second))
        }
        IpAddr::V6(a) => a.is_unique_local() || a.is_unicast_link_local(),
    }
}

fn bind_both(address: SocketAddr) -> io::Result<()> {
    let _udp = UdpSocket::bind(address)?;
    TcpListener::bind(address).map(drop)
}

fn sip_port(address: SocketAddr, bound: &io::Result<()>) -> Finding {
    const ABOUT: &str = "SIP port";
    match bound {
        Ok(()) => Finding::new(ABOUT, Good, format!("{address} is free for UDP and TCP")),
        Err(e) if e.kind() == io::ErrorKind::AddrInUse => Finding::new(
            ABOUT,
            Hurts,
            format!("{address} is in use by another program"),
        )
        .advise("stop it, or choose another port with --bind IP:PORT"),
        Err(e) => Finding::new(ABOUT, Hurts, format!("{address}: {e}"))
            .advise("choose another port with --bind IP:PORT"),
    }
}

/// Tries pairs of ports spread over the range.
fn media_ports(at: IpAddr, (first, last): (u16, u16)) -> Finding {
    const ABOUT: &str = "media ports";
    // Even ports are for media, the odd ones above them for reports.
    let begin = first.checked_next_multiple_of(2).unwrap_or(u16::MAX);
    let pairs = (last.saturating_sub(begin).saturating_add(1) / 2).min(PAIRS);
    let step = ((last.saturating_sub(begin) / pairs.max(1)) & !1).max(2);
    let open = |port: u16| UdpSocket::bind((at, port));
    let both = |port: u16| Some((open(port).ok()?, open(port.checked_add(1)?).ok()?));
    let free = (0..pairs).filter(|n| both(begin.saturating_add(n * step)).is_some());
    let free = free.count() as u16;
    let found = format!("{free} of {pairs} tried from {first} to {last} are free");
    match free {
        0 => Finding::new(ABOUT, Hurts, found).advise("choose another range with --ports"),
        _ if free < pairs => Finding::new(ABOUT, Note, found)
            .advise("others use the range too: their ports are passed over"),
        _ => Finding::new(ABOUT, Good, found),
    }
}

/// The limit of open files, soft and hard, as `/proc/self/limits` has it.
fn open_files(limits: &str) -> Option<(u64, u64)> {
    let line = limits.lines().find(|l| l.starts_with("Max open files"))?;
    let mut numbers = line["Max open files".len()..].split_whitespace();
    let mut next = || match numbers.next()? {
        "unlimited" => Some(u64::MAX),
        number => number.parse().ok(),
    };
    Some((next()?, next()?))
}

fn files(limit: Option<(u64, u64)>) -> Finding {
    const ABOUT: &str = "open files";
    let Some((_, hard)) = limit else {
        return Finding::new(ABOUT, Note, "the system does not say how many are allowed");
    };
    // A call has a socket for media and one for reports.
    let calls = hard.saturating_sub(OWN_FILES) / 2;
    let found = format!("{hard} allowed, for {calls} calls at a time");
    if calls < CALLS {
        return Finding::new(ABOUT, Hurts, found)
            .advise("raise the hard limit: ulimit -Hn, or LimitNOFILE");
    }
    Finding::new(ABOUT, Good, found)
}

/// How late a thread wakes that rests for a slice of the media clock.
#[expect(
    clippy::disallowed_methods,
    reason = "how late the system wakes a thread is what is measured"
)]
fn lateness() -> Vec<Duration> {
    let rest = |_| {
        let before = SystemClock.now();
        thread::sleep(REST);
        SystemClock
            .now()
            .saturating_since(before)
            .saturating_sub(REST)
    };
    (0..RESTS).map(rest).collect()
}

fn clock(late: &mut [Duration]) -> Finding {
    const ABOUT: &str = "clock";
    late.sort_unstable();
    let at = |share: usize| {
        late.get(late.len() * share / 100)
            .copied()
            .unwrap_or_default()
    };
    let (half, most) = (at(50), at(99));
    let ms = |d: Duration| d.as_secs_f64() * 1e3;
    let found = format!(
        "a thread wakes {:.2} ms late, one in a hundred {:.1} ms or more",
        ms(half),
        ms(most)
    );
    // Late by a slice is late for the peer's playout only if it adds to what the network does; by two frames always.
    if most >= Duration::from_millis(20) {
        return Finding::new(ABOUT, Hurts, found).advise(
            "other work takes the processor: stop it, or let media go first (see priority)",
        );
    }
    if most >= REST {
        return Finding::new(ABOUT, Note, found)
            .advise("under load packets will leave a little late");
    }
    Finding::new(ABOUT, Good, found)
}

fn priority(preference: Preference) -> Finding {
    const ABOUT: &str = "priority";
    match preference {
        Preference::RealTime => Finding::new(ABOUT, Good, "media threads go before all others"),
        Preference::Nicer => Finding::new(ABOUT, Note, "media threads go before ordinary ones")
            .advise("real-time priority keeps them apart from load: ulimit -r 1, LimitRTPRIO or CAP_SYS_NICE"),
        Preference::None => Finding::new(ABOUT, Note, "media threads wait like all others")
            .advise("allow them to go first: ulimit -r 1, LimitRTPRIO or CAP_SYS_NICE"),
    }
}

fn buffers(most: Option<u64>) -> Finding {
    const ABOUT: &str = "buffers";
    /// What Linux allows usually.
    const USUAL: u64 = 212_992;
    match most {
        None => Finding::new(
            ABOUT,
            Note,
            "the system does not say how much a socket may hold",
        ),
        Some(n) if n < USUAL => Finding::new(ABOUT, Note, format!("a socket may hold {n} bytes"))
            .advise(format!(
                "sysctl net.core.rmem_max={USUAL} bridges longer pauses"
            )),
        Some(n) => Finding::new(ABOUT, Good, format!("a socket may hold {n} bytes")),
    }
}

fn names(resolv: &str) -> Finding {
    const ABOUT: &str = "names";
    let servers = resolv
        .lines()
        .filter_map(|l| l.trim().strip_prefix("nameserver"));
    let servers: Vec<_> = servers.map(str::trim).filter(|s| !s.is_empty()).collect();
    if servers.is_empty() {
        return Finding::new(ABOUT, Note, "no name server is set")
            .advise("call addresses instead of names, or set one in /etc/resolv.conf");
    }
    Finding::new(ABOUT, Good, format!("asked of {}", servers.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verb::doctor::Health;

    fn health(finding: &Finding) -> Health {
        assert!(!finding.found.is_empty());
        assert_eq!(
            finding.health == Good,
            finding.advice.is_empty(),
            "{finding:?}"
        );
        finding.health
    }

    #[test]
    fn what_hurts_is_told_with_what_to_do() {
        let v4 = |text: &str| -> IpAddr { text.parse().unwrap() };
        assert_eq!(health(&addresses(&[])), Note);
        for private in ["10.1.2.3", "192.168.0.9", "100.64.0.1", "fd00::1"] {
            assert_eq!(health(&addresses(&[v4(private)])), Note, "{private}");
        }
        let both = [v4("10.1.2.3"), v4("2a00::1")];
        assert_eq!(health(&addresses(&both)), Good);

        let taken = UdpSocket::bind("0.0.0.0:0").unwrap();
        let address = taken.local_addr().unwrap();
        assert_eq!(health(&sip_port(address, &bind_both(address))), Hurts);
        drop(taken);
        assert_eq!(health(&sip_port(address, &bind_both(address))), Good);

        let limits =
            "Limit  Soft Limit  Hard Limit  Units\nMax open files            256   256   files\n";
        assert_eq!(open_files(limits), Some((256, 256)));
        assert_eq!(health(&files(open_files(limits))), Hurts);
        assert_eq!(
            health(&files(open_files("Max open files 1024 unlimited files"))),
            Good
        );

        let ms = |n| vec![Duration::from_millis(n); 100];
        assert_eq!(health(&clock(&mut ms(0))), Good);
        assert_eq!(health(&clock(&mut ms(7))), Note);
        assert_eq!(health(&clock(&mut ms(25))), Hurts);
        let mut one_in_fifty = ms(0);
        one_in_fifty[10] = Duration::from_secs(1);
        one_in_fifty[60] = Duration::from_secs(1);
        assert_eq!(health(&clock(&mut one_in_fifty)), Hurts);

        assert_eq!(health(&priority(Preference::None)), Note);
        assert_eq!(health(&buffers(Some(1))), Note);
        assert_eq!(health(&names("# nothing\nsearch example.com\n")), Note);
        assert_eq!(health(&names("nameserver 192.0.2.53\n")), Good);
    }

    #[test]
    fn a_range_of_ports_that_others_hold_hurts() {
        let taken = UdpSocket::bind("0.0.0.0:0").unwrap();
        let port = taken.local_addr().unwrap().port() & !1;
        let other = UdpSocket::bind(("0.0.0.0", port));
        let any = Ipv4Addr::UNSPECIFIED.into();
        let range = (port, port + 1);
        assert_eq!(health(&media_ports(any, range)), Hurts);
        drop((taken, other));
        assert_eq!(health(&media_ports(any, range)), Good);
    }
}
