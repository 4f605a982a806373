//! What a peer's description means, line by line.

use std::time::Duration;

use msp_core::id::Ssrc;
use msp_core::media::MediaDirection::{Inactive, RecvOnly, SendOnly, SendRecv};
use msp_core::params::{MediaParams, Profile, Setup};
use tsp_sdp::{ErrorKind, Host, RemoteMedia, RemoteSession, SessionDescription};

use crate::support::{format, numbers};

fn read(text: &str) -> RemoteSession {
    let parsed = SessionDescription::parse(text.as_bytes()).expect("a description");
    RemoteSession::read(&parsed).expect("media")
}

/// The only medium of a description with these lines after `v=`, `o=`, `s=` and `t=`.
fn medium(lines: &str) -> RemoteMedia {
    let text = format!("v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nt=0 0\r\n{lines}");
    read(&text).media.remove(0)
}

fn params(lines: &str) -> MediaParams {
    medium(lines).params.expect("a known kind and profile")
}

const C: &str = "c=IN IP4 192.0.2.9\r\n";

#[test]
fn static_payload_types_need_no_rtpmap() {
    let p = params(&format!("{C}m=audio 4000 RTP/AVP 0 8 9 11 10 13 18 77\r\n"));
    let mut stereo = format(10, "L16", 44_100);
    stereo.codec.channels = 2;
    assert_eq!(
        p.send,
        [
            format(0, "PCMU", 8000),
            format(8, "PCMA", 8000),
            format(9, "G722", 8000),
            format(11, "L16", 44_100),
            stereo,
            format(13, "CN", 8000),
            format(18, "G729", 8000),
        ]
    );
    assert!(p.receive.is_empty());
}

#[test]
fn an_rtpmap_overrides_the_static_meaning_and_may_come_after_its_fmtp() {
    let p = params(&format!(
        "{C}m=audio 4000 RTP/AVP 3 96\r\na=fmtp:96 useinbandfec=1; stereo=0\r\n\
         a=rtpmap:96 opus/48000/2\r\na=rtpmap:3 PCMA/8000/1\r\n"
    ));
    assert_eq!(p.send[0], format(3, "PCMA", 8000));
    assert_eq!(p.send[1].codec.channels, 2);
    assert_eq!(
        p.send[1].parameters.as_deref(),
        Some("useinbandfec=1; stereo=0")
    );
}

#[test]
fn connection_of_the_medium_comes_before_that_of_the_session() {
    let text = format!("{C}m=audio 4000 RTP/AVP 0\r\nc=IN IP6 2001:db8::9\r\n");
    let p = params(&text);
    assert_eq!(p.remote, Some("[2001:db8::9]:4000".parse().unwrap()));
    assert_eq!(p.rtcp.remote, Some("[2001:db8::9]:4001".parse().unwrap()));
}

#[test]
fn a_medium_that_is_on_needs_a_connection() {
    let head = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nt=0 0\r\n";
    let text =
        format!("{head}m=audio 0 RTP/AVP 0\r\nm=image 9 udptl t38\r\nm=audio 4000 RTP/AVP 0\r\n");
    let parsed = SessionDescription::parse(text.as_bytes()).unwrap();
    let error = RemoteSession::read(&parsed).unwrap_err();
    assert_eq!(
        (error.kind(), error.line()),
        (ErrorKind::NoConnection, Some(7))
    );
}

#[test]
fn directions_are_seen_from_here() {
    for (line, ours) in [
        ("", SendRecv),
        ("a=sendrecv\r\n", SendRecv),
        ("a=sendonly\r\n", RecvOnly),
        ("a=recvonly\r\n", SendOnly),
        ("a=inactive\r\n", Inactive),
    ] {
        let own = params(&format!("{C}m=audio 4000 RTP/AVP 0\r\n{line}"));
        assert_eq!(own.direction, ours, "{line}");
        let session = params(&format!("{C}{line}m=audio 4000 RTP/AVP 0\r\n"));
        assert_eq!(session.direction, ours, "{line}");
    }
    let both = params(&format!(
        "{C}a=inactive\r\nm=audio 4 RTP/AVP 0\r\na=sendonly\r\n"
    ));
    assert_eq!(both.direction, RecvOnly);
}

#[test]
fn holds_of_the_old_kind() {
    for host in ["IP4 0.0.0.0", "IP6 ::", "IP6 hold.invalid"] {
        let held = medium(&format!("c=IN {host}\r\nm=audio 4000 RTP/AVP 0\r\n"));
        let p = held.params.unwrap();
        assert_eq!(p.direction, RecvOnly, "{host}");
        assert_eq!((p.remote, p.rtcp.remote), (None, None), "{host}");
        assert_eq!(held.unresolved, None, "{host}");
    }
    let p = params("c=IN IP4 0.0.0.0\r\nm=audio 4000 RTP/AVP 0\r\na=inactive\r\n");
    assert_eq!(p.direction, Inactive);
    // With candidates it is a placeholder.
    let p = params(
        "c=IN IP4 0.0.0.0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n",
    );
    assert_eq!(p.direction, SendRecv);
}

#[test]
fn names_are_handed_out_and_never_asked_for() {
    let m = medium("c=IN IP4 media.example.com\r\nm=audio 4000 RTP/AVP 0\r\na=rtcp:4400\r\n");
    let mut p = [m.params.unwrap()];
    assert_eq!(p[0].remote, None);
    let unresolved = m.unresolved.unwrap();
    assert_eq!(&*unresolved.host, "media.example.com");
    unresolved.resolve([198, 51, 100, 3].into(), &mut p);
    assert_eq!(p[0].remote, Some("198.51.100.3:4000".parse().unwrap()));
    assert_eq!(p[0].rtcp.remote, Some("198.51.100.3:4400".parse().unwrap()));
}

#[test]
fn where_reports_go() {
    let of = |port: u16, lines: &str| {
        params(&format!("{C}m=audio {port} RTP/AVP 0\r\n{lines}"))
            .rtcp
            .remote
            .map(|a| a.to_string())
    };
    assert_eq!(of(4000, "").as_deref(), Some("192.0.2.9:4001"));
    assert_eq!(
        of(4000, "a=rtcp:4400\r\n").as_deref(),
        Some("192.0.2.9:4400")
    );
    assert_eq!(
        of(4000, "a=rtcp:4400 IN IP4 192.0.2.10\r\n").as_deref(),
        Some("192.0.2.10:4400")
    );
    // Until both ends share the port, the other one counts.
    assert_eq!(
        of(4000, "a=rtcp:4400\r\na=rtcp-mux\r\n").as_deref(),
        Some("192.0.2.9:4400")
    );
    assert_eq!(of(65_535, ""), None);
    assert_eq!(of(4000, "a=rtcp:0\r\n"), None);
}

#[test]
fn times_bandwidth_names_and_sources() {
    let p = params(&format!(
        "{C}b=AS:64\r\nm=audio 4000 RTP/AVP 0\r\nb=CT:1\r\na=ptime:20\r\na=ptime:40\r\n\
         a=maxptime:62.5\r\na=mid:one\r\na=ssrc:7 cname:x\r\na=ssrc:7 msid:y\r\na=ssrc:8\r\n\
         a=rtcp-rsize\r\na=rtcp-xr:voip-metrics\r\n"
    ));
    assert_eq!(p.ptime, Some(Duration::from_millis(20)));
    assert_eq!(p.max_ptime, Some(Duration::from_micros(62_500)));
    assert_eq!(p.bandwidth, Some(64_000));
    assert_eq!(p.mid.as_deref(), Some("one"));
    assert_eq!(p.sources, [Ssrc(7), Ssrc(8)]);
    assert!(p.rtcp.reduced_size && p.rtcp.extended_reports);
    let p = params(&format!(
        "{C}m=audio 4000 RTP/AVP 0\r\nb=AS:64\r\nb=TIAS:48000\r\n"
    ));
    assert_eq!(p.bandwidth, Some(48_000));
}

#[test]
fn transports_and_kinds_that_we_have_no_word_for() {
    for line in [
        "m=image 4000 udptl t38",
        "m=message 4000 TCP/MSRP *",
        "m=application 4000 UDP/DTLS/SCTP webrtc-datachannel",
        "m=audio 4000 RTP/XYZ 0",
    ] {
        assert_eq!(medium(&format!("{C}{line}\r\n")).params, None, "{line}");
    }
    for (name, profile) in [
        ("RTP/AVP", Profile::Avp),
        ("RTP/SAVP", Profile::Savp),
        ("RTP/AVPF", Profile::Avpf),
        ("RTP/SAVPF", Profile::Savpf),
        ("UDP/TLS/RTP/SAVP", Profile::UdpTlsSavp),
        ("UDP/TLS/RTP/SAVPF", Profile::UdpTlsSavpf),
    ] {
        let p = params(&format!("{C}m=audio 4000 {name} 0\r\n"));
        assert_eq!(p.profile, profile);
    }
}

#[test]
fn certificates_and_candidates_of_the_session_hold_for_its_media() {
    let p = params(&format!(
        "{C}a=fingerprint:SHA-256 00:FF\r\na=setup:active\r\na=ice-lite\r\na=ice-options:ice2 trickle\r\n\
         m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=ice-ufrag:uuuu\r\na=ice-pwd:pppppppppppppppppppppp\r\n\
         a=tls-id:abc\r\na=candidate:1 1 UDP 2130706431 192.0.2.9 8998 typ host\r\n"
    ));
    let dtls = p.dtls.unwrap();
    assert_eq!(dtls.setup, Setup::Passive, "the peer opens");
    assert_eq!(dtls.fingerprints[0].value, [0, 255]);
    assert_eq!(&*dtls.fingerprints[0].hash, "sha-256");
    assert_eq!(dtls.tls_id.as_deref(), Some("abc"));
    let ice = p.ice.unwrap();
    assert!(ice.lite && ice.trickle);
    assert_eq!(&*ice.ufrag, "uuuu");
    assert_eq!(ice.candidates[0].address, "192.0.2.9:8998".parse().unwrap());
}

/// Lines that sdp-rs refuses, loses or misprints, and that peers write.
#[test]
fn where_sdp_rs_falls_short() {
    let text = "v=0\no=- 1 1 IN IP4 pbx.example.com\nb=AS:64\nc=IN IP4 pbx.example.com\n\
        m=audio   4000   RTP/AVP 96   0\na=rtpmap:96  opus/48000/2 \na=inactive\nx=unknown\n\
        a=ptime:nonsense\n";
    assert!(sdp_rs::SessionDescription::try_from(text).is_err());
    let parsed = SessionDescription::parse(text.as_bytes()).unwrap();
    assert_eq!(parsed.to_string(), text);
    assert_eq!(
        parsed.origin().unwrap().address,
        Host::Name("pbx.example.com".into())
    );
    let p = RemoteSession::read(&parsed)
        .unwrap()
        .media
        .remove(0)
        .params
        .unwrap();
    assert_eq!(numbers(&p.send), [96, 0]);
    assert_eq!(p.send[0].codec.channels, 2);
    assert_eq!(p.direction, Inactive);
}
