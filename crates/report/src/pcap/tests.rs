use std::net::SocketAddr;

use msp_core::stats::DropReason;
use msp_core::time::Instant;
use msp_core::trace::PacketKind;

use super::*;

fn signal(at: u64, local: &str, remote: &str, way: Way, text: &str) -> TraceEntry {
    TraceEntry {
        at: Instant::from_nanos(at),
        call: None,
        body: TraceBody::Signal {
            way,
            local: local.parse().unwrap(),
            remote: remote.parse().unwrap(),
            transport: "UDP",
            bytes: text.as_bytes().into(),
        },
    }
}

fn capture(entries: &[TraceEntry]) -> (Vec<u8>, Counts) {
    let clock = WallClock::from_unix_nanos(1_700_000_000_000_000_000);
    let mut pcap = Pcap::new(Vec::new(), clock, "tipring test").unwrap();
    let interface = pcap.interface("alice").unwrap();
    for entry in entries {
        pcap.write(interface, entry).unwrap();
    }
    pcap.finish().unwrap()
}

#[test]
fn headers_are_those_of_the_rfcs_and_secrets_are_hidden() {
    let (bytes, counts) = capture(&[signal(
        5,
        "127.0.0.1:5060",
        "127.0.0.2:5062",
        Way::Out,
        "BYE sip:b SIP/2.0\r\nAuthorization: Digest response=\"abc\"\r\n\r\n",
    )]);
    assert_eq!(counts.packets, 1);
    let packet = bytes.windows(2).position(|w| w == [0x45, 0]).unwrap();
    let header = &bytes[packet..packet + 20];
    // A right header sums up to nothing (RFC 1071).
    let sum: u32 = header
        .chunks(2)
        .map(|p| u32::from(u16::from_be_bytes([p[0], p[1]])))
        .sum();
    assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("response=\"xxx\"") && !text.contains("abc"));
    assert_eq!(bytes.len() % 4, 0);
}

#[test]
fn what_no_datagram_can_hold_is_counted() {
    let long = "x".repeat(65_530);
    let (_, counts) = capture(&[signal(0, "[::1]:5060", "127.0.0.1:5060", Way::In, &long)]);
    assert_eq!(
        counts,
        Counts {
            packets: 0,
            too_long: 1
        }
    );
}

#[test]
fn a_full_disk_and_a_strange_interface_are_errors() {
    #[derive(Debug)]
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let error = Pcap::new(Full, WallClock::default(), "x").unwrap_err();
    assert_eq!(
        error.kind(),
        ErrorKind::Write(std::io::ErrorKind::StorageFull)
    );
    let mut pcap = Pcap::new(Vec::new(), WallClock::default(), "x").unwrap();
    let entry = signal(0, "[::1]:1", "[::1]:2", Way::In, "");
    assert_eq!(
        pcap.write(0, &entry).unwrap_err().kind(),
        ErrorKind::UnknownInterface
    );
}

#[test]
fn wireshark_reads_it() {
    if std::process::Command::new("tshark")
        .arg("--version")
        .output()
        .is_err()
    {
        eprintln!("SKIPPED: no tshark here");
        return;
    }
    let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n\
               a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz\r\n";
    let invite = format!(
        "INVITE sip:bob@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK1\r\n\
         From: <sip:a@127.0.0.1>;tag=1\r\nTo: <sip:bob@127.0.0.1>\r\nCall-ID: 1@x\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:a@127.0.0.1>\r\nMax-Forwards: 70\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
        sdp.len()
    );
    let mut entries = vec![
        signal(0, "127.0.0.1:5060", "127.0.0.1:5062", Way::Out, &invite),
        signal(1, "[::1]:5060", "[::1]:5062", Way::Out, &invite),
    ];
    for n in 0..10u16 {
        let mut rtp = vec![0x80, 0];
        rtp.extend_from_slice(&n.to_be_bytes());
        rtp.extend_from_slice(&(u32::from(n) * 160).to_be_bytes());
        rtp.extend_from_slice(&[0, 0, 0, 9]);
        rtp.extend_from_slice(&[0xff; 161]);
        let local: SocketAddr = "127.0.0.1:4000".parse().unwrap();
        entries.push(TraceEntry {
            at: Instant::from_millis(100 + 20 * u64::from(n)),
            call: None,
            body: TraceBody::Media {
                way: Way::In,
                kind: PacketKind::Rtp,
                local,
                remote: "127.0.0.1:6000".parse().unwrap(),
                bytes: rtp.into(),
                dropped: (n == 7).then_some(DropReason::Late),
            },
        });
    }
    let (bytes, counts) = capture(&entries);
    assert_eq!(counts.packets, 12);
    let path = std::env::temp_dir().join(format!("tipring-report-{}.pcapng", std::process::id()));
    std::fs::write(&path, bytes).unwrap();
    let tshark = |filter: &str| {
        let out = std::process::Command::new("tshark")
            .arg("-r")
            .arg(&path)
            // The offer has no answer here, so nothing tells what the media port carries.
            .args(["-d", "udp.port==4000,rtp"])
            .args([
                "-o",
                "ip.check_checksum:TRUE",
                "-o",
                "udp.check_checksum:TRUE",
            ])
            .args([
                "-Y",
                filter,
                "-T",
                "fields",
                "-e",
                "frame.time_epoch",
                "-e",
                "frame.comment",
            ])
            .output()
            .unwrap();
        assert!(
            out.status.success(),
            "{}",
            String::from_utf8_lossy(&out.stderr)
        );
        String::from_utf8(out.stdout).unwrap()
    };
    let count = |filter: &str| tshark(filter).lines().count();
    assert_eq!(count("frame"), 12);
    assert_eq!(count("sip.Method == INVITE"), 2);
    assert_eq!(count("rtp"), 10);
    assert_eq!(
        count("_ws.malformed || ip.checksum.status == 0 || udp.checksum.status == 0"),
        0
    );
    let dropped = tshark("rtp.seq == 7");
    assert_eq!(dropped.trim(), "1700000000.240000000\tdropped: late");
    std::fs::remove_file(&path).unwrap();
}
