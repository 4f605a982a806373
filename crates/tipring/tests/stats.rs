//! What strangers and careless peers send is counted, each with its reason, where an application can read it.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use tipring::{Phone, PhoneStats};

/// A peer that sends literal bytes.
struct Peer {
    socket: UdpSocket,
    phone: SocketAddr,
}

impl Peer {
    fn of(phone: &Phone) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let patience = Duration::from_secs(10);
        socket.set_read_timeout(Some(patience)).unwrap();
        Self {
            socket,
            phone: phone.local_addr(),
        }
    }

    fn say(&self, text: &str) {
        let text = text.replace('\n', "\r\n");
        self.socket.send_to(text.as_bytes(), self.phone).unwrap();
    }

    fn hear(&self) -> String {
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }
}

const OPTIONS: &str = "OPTIONS sip:192.0.2.2 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.9;rport;branch=z9hG4bKlast\n\
     Max-Forwards: 70\nFrom: <sip:p@192.0.2.9>;tag=p1\nTo: <sip:user@192.0.2.2>\nCall-ID: last\n\
     CSeq: 1 OPTIONS\n\n";

/// A request for which there is nothing that it could belong to.
fn stray(method: &str) -> String {
    OPTIONS
        .replace("OPTIONS", method)
        .replace("last", method)
        .replace("sip:user@192.0.2.2>", "sip:user@192.0.2.2>;tag=none")
}

const STRAY_RESPONSE: &str = "SIP/2.0 200 OK\nVia: SIP/2.0/UDP 192.0.2.2;branch=z9hG4bKnone\n\
     From: <sip:a@b>;tag=1\nTo: <sip:a@b>\nCall-ID: x\nCSeq: 1 INVITE\n\n";

// Shows: every dropped message is counted with its reason, where an application reads it
#[tokio::test]
async fn rubbish_is_counted_with_its_reasons() {
    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let phone = Phone::builder().bind(local).start().await.unwrap();
    assert_eq!(phone.stats(), PhoneStats::default());
    let peer = Peer::of(&phone);
    for _ in 0..3 {
        peer.say("complete nonsense");
    }
    peer.say("\n\n");
    peer.say(STRAY_RESPONSE);
    peer.say(&STRAY_RESPONSE.replace("CSeq: 1 INVITE", "CSeq: one INVITE"));
    peer.say(&stray("ACK"));
    peer.say(&stray("BYE"));
    assert!(peer.hear().starts_with("SIP/2.0 481"));
    peer.say(&stray("BYE"));
    assert!(peer.hear().starts_with("SIP/2.0 481"), "the same again");
    peer.say(&OPTIONS.replace("Max-Forwards: 70", "Max-Forwards: many"));
    assert!(peer.hear().starts_with("SIP/2.0 400"));
    peer.say(OPTIONS);
    assert!(peer.hear().starts_with("SIP/2.0 200"));
    let stats = phone.stats().signalling;
    assert_eq!(stats.sockets.received, 11);
    let counted: Vec<_> = stats.agent.iter().filter(|(_, n)| *n > 0).collect();
    let wanted = [
        ("received", 7),
        ("unreadable", 4),
        ("keep_alives", 1),
        ("refused", 2),
        ("stray_responses", 1),
        ("stray_acks", 1),
    ];
    assert_eq!(counted, wanted);
    assert_eq!(stats.transactions.retransmitted_requests, 1);
    assert!(stats.last_error.is_some());
    phone.close().await;
}

// Shows: every dropped message is counted with its reason, where an application reads it
#[tokio::test]
async fn what_cannot_be_sent_is_counted() {
    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let phone = Phone::builder().bind(local).start().await.unwrap();
    // No datagram leaves a loopback address for a network outside.
    let call = phone.dial("sip:nobody@192.0.2.1").await.unwrap();
    call.connected().await.unwrap_err();
    let stats = phone.stats().signalling;
    assert_eq!((stats.sockets.unsendable, stats.sockets.sent), (1, 0));
    assert_eq!(stats.transactions.unanswered, 1);
    phone.close().await;
}
