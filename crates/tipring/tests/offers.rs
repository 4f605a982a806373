//! Offers as peers write them: the sound need not be the first medium that they name.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use tipring::Phone;

/// A call with `media` in its offer, in which `SOUND` stands for our port. What was answered, line by line of media.
async fn answered(media: &str) -> (Vec<String>, u64) {
    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let phone = Phone::builder().bind(local).start().await.unwrap();
    let (peer, sound) = (
        UdpSocket::bind(local).unwrap(),
        UdpSocket::bind(local).unwrap(),
    );
    let patience = Some(Duration::from_secs(10));
    peer.set_read_timeout(patience).unwrap();
    sound.set_read_timeout(patience).unwrap();
    let port = sound.local_addr().unwrap().port().to_string();
    let sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n{}",
        media.replace('\n', "\r\n").replace("SOUND", &port)
    );
    let contact = peer.local_addr().unwrap();
    let invite = format!(
        "INVITE sip:user@{0} SIP/2.0\r\nVia: SIP/2.0/UDP {contact};branch=z9hG4bKoffer\r\nMax-Forwards: 70\r\n\
         From: <sip:p@{contact}>;tag=p1\r\nTo: <sip:user@{0}>\r\nCall-ID: offer\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:p@{contact}>\r\nContent-Type: application/sdp\r\nContent-Length: {1}\r\n\r\n{sdp}",
        phone.local_addr(),
        sdp.len()
    );
    peer.send_to(invite.as_bytes(), phone.local_addr()).unwrap();
    let call = phone.next_call().await.unwrap();
    call.start_answer().unwrap();
    let mut buffer = [0; 4096];
    let answer = loop {
        let length = peer.recv(&mut buffer).unwrap();
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        if text.contains("CSeq: 1 INVITE") && !text.starts_with("SIP/2.0 1") {
            break text;
        }
    };
    assert!(answer.starts_with("SIP/2.0 200 "), "{media}: {answer}");
    let lines = answer.lines().filter(|l| l.starts_with("m="));
    let lines: Vec<String> = lines.map(str::to_owned).collect();
    let theirs = lines.iter().find_map(|l| {
        let port = l.strip_prefix("m=audio ")?.split(' ').next()?;
        port.parse::<u16>().ok().filter(|p| *p > 0)
    });
    for n in 0u16..20 {
        let mut packet = vec![0x80, 0];
        packet.extend(n.to_be_bytes());
        packet.extend((u32::from(n) * 160).to_be_bytes());
        packet.extend([0, 0, 0, 7]);
        packet.extend([0xff; 160]);
        sound
            .send_to(&packet, (Ipv4Addr::LOCALHOST, theirs.unwrap()))
            .unwrap();
    }
    let heard = tokio::time::timeout(Duration::from_secs(10), async {
        while call.stats().received.packets < 20 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        call.stats().received.packets
    });
    let heard = heard.await.unwrap();
    let to = answer.lines().find(|l| l.starts_with("To: ")).unwrap();
    for (method, number) in [("ACK", 1), ("BYE", 2)] {
        let request = format!(
            "{method} sip:user@{} SIP/2.0\r\nVia: SIP/2.0/UDP {contact};branch=z9hG4bK{method}\r\nMax-Forwards: 70\r\n\
             From: <sip:p@{contact}>;tag=p1\r\n{to}\r\nCall-ID: offer\r\nCSeq: {number} {method}\r\n\r\n",
            phone.local_addr()
        );
        peer.send_to(request.as_bytes(), phone.local_addr())
            .unwrap();
    }
    call.ended().await.unwrap();
    phone.close().await;
    (lines, heard)
}

/// The kind and whether it was taken.
fn taken(lines: &[String]) -> Vec<(&str, bool)> {
    let one = |line: &str| line.split(' ').nth(1) != Some("0");
    let kind = |line: &'_ str| line.len().min(7);
    lines.iter().map(|l| (&l[..kind(l)], one(l))).collect()
}

// Shows: sound is taken wherever it stands among the media of an offer, the others are refused in their places
#[tokio::test]
async fn sound_behind_a_picture_is_taken() {
    let (lines, heard) = answered(
        "m=video 7000 RTP/AVP 96\na=rtpmap:96 VP8/90000\nm=audio SOUND RTP/AVP 0\nm=application 7002 udp x\n",
    )
    .await;
    let expected = [("m=video", false), ("m=audio", true), ("m=appli", false)];
    assert_eq!(taken(&lines), expected);
    assert_eq!(heard, 20);
}

#[tokio::test]
async fn plain_sound_behind_encrypted_sound_or_a_dead_line_is_taken() {
    for first in [
        "m=audio 7000 RTP/SAVP 0\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\n",
        "m=audio 0 RTP/AVP 0\n",
    ] {
        let (lines, heard) = answered(&format!("{first}m=audio SOUND RTP/AVP 0\n")).await;
        assert_eq!(taken(&lines), [("m=audio", false), ("m=audio", true)]);
        assert_eq!(heard, 20);
    }
}
