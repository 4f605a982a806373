//! The ways by which a registrar reaches a phone, on real sockets, with a registrar that speaks by literal bytes.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tipring::{DatagramLimits, EndCause, FlowPolicy, Phone, PhoneBuilder};
use tokio::net::UdpSocket;
use tsp_sip::account::Account;
use tsp_sip::wire::Uri;

fn builder() -> PhoneBuilder {
    Phone::builder().bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
}

struct Registrar(UdpSocket);

impl Registrar {
    async fn open() -> Self {
        Self(UdpSocket::bind("127.0.0.1:0").await.unwrap())
    }

    fn account(&self) -> Account {
        let at = self.0.local_addr().unwrap();
        Account::new(Uri::new(format!("sip:alice@{at}")).unwrap()).unwrap()
    }

    async fn next(&self) -> (Vec<u8>, SocketAddr) {
        let mut buffer = [0; 4096];
        let heard = self.0.recv_from(&mut buffer);
        let heard = tokio::time::timeout(Duration::from_secs(10), heard).await;
        let (length, from) = heard.unwrap().unwrap();
        (buffer[..length].to_vec(), from)
    }

    /// The next REGISTER, answered 200 with `extra`.
    async fn grant(&self, extra: &str) -> SocketAddr {
        loop {
            let (bytes, from) = self.next().await;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if !text.starts_with("REGISTER ") {
                continue;
            }
            let names = [
                "Via: ",
                "From: ",
                "To: ",
                "Call-ID: ",
                "CSeq: ",
                "Contact: ",
            ];
            let lines = text
                .lines()
                .filter(|l| names.iter().any(|n| l.starts_with(n)));
            let copied: Vec<_> = lines.collect();
            let copied = copied.join("\r\n");
            let answer = format!("SIP/2.0 200 OK\r\n{copied}\r\n{extra}Content-Length: 0\r\n\r\n");
            self.0.send_to(answer.as_bytes(), from).await.unwrap();
            return from;
        }
    }

    /// The next binding request, answered with 127.0.0.1 and a port.
    async fn bind(&self, port: u16) {
        loop {
            let (bytes, from) = self.next().await;
            if bytes.len() != 20 || !bytes.starts_with(&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42]) {
                continue;
            }
            let mut answer = vec![1, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42];
            answer.extend_from_slice(&bytes[8..20]);
            answer.extend_from_slice(&[0, 0x20, 0, 8, 0, 1]);
            answer.extend_from_slice(&(port ^ 0x2112).to_be_bytes());
            answer.extend_from_slice(&[0x5e, 0x12, 0xa4, 0x43]);
            self.0.send_to(&answer, from).await.unwrap();
            return;
        }
    }
}

// Shows: STUN keeps the way to a registrar open, and another mapped address makes another registration, on real sockets | RFC 5626 4.4.2, interop row 7
#[tokio::test]
async fn a_mapped_address_that_changes_is_registered_anew() {
    let registrar = Registrar::open().await;
    let phone = builder().start().await.unwrap();
    let mut registration = phone.register(registrar.account()).unwrap();
    let extra = "Require: outbound\r\nFlow-Timer: 1\r\n";
    registrar.grant(extra).await;
    registration.registered().await.unwrap();
    registrar.bind(6000).await;
    registrar.bind(6000).await;
    registrar.bind(6001).await;
    let from = registrar.grant(extra).await;
    assert_eq!(from.port(), phone.local_addr().port());
    registrar.bind(6001).await;
    let stats = phone.stats().signalling.agent;
    assert_eq!((stats.lost_ways, stats.unreadable), (1, 0));
    tokio::join!(registrar.grant(""), phone.close());
}

// Shows: STUN that comes to the port of SIP is answered, on real sockets | RFC 5626 8
#[tokio::test]
async fn a_binding_request_is_answered_with_its_source() {
    let phone = builder().start().await.unwrap();
    let peer = Registrar::open().await;
    let mut request = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    request.extend_from_slice(b"abcdefghijkl");
    peer.0.send_to(&request, phone.local_addr()).await.unwrap();
    let (answer, from) = peer.next().await;
    assert_eq!(from, phone.local_addr());
    let port = peer.0.local_addr().unwrap().port();
    let mut literal = vec![1, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42];
    literal.extend_from_slice(b"abcdefghijkl");
    literal.extend_from_slice(&[0, 0x20, 0, 8, 0, 1]);
    literal.extend_from_slice(&(port ^ 0x2112).to_be_bytes());
    literal.extend_from_slice(&[0x5e, 0x12, 0xa4, 0x43]);
    assert_eq!(answer, literal);
    phone.close().await;
}

// Shows: a flood of datagrams is bounded and named, and a call beside it goes on, on real sockets | hostile input
#[tokio::test]
async fn a_flood_is_dropped_and_the_call_goes_on() {
    let mut narrow = FlowPolicy::default();
    narrow.datagrams = DatagramLimits {
        per_source: 10,
        in_all: 1000,
    };
    let bob = builder().flows(narrow).start().await.unwrap();
    let alice = builder().start().await.unwrap();
    let to = format!("sip:bob@{}", bob.local_addr());
    let call = alice.dial(&to).await.unwrap();
    let incoming = bob.next_call().await.unwrap();
    incoming.answer().await.unwrap();
    call.connected().await.unwrap();
    let flood = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut buffer = [0; 4096];
    let mut answered = 0;
    for n in 0..500 {
        let text = format!(
            "OPTIONS sip:a@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;rport;branch=z9hG4bK{n}\r\nMax-Forwards: 70\r\n\
             From: <sip:b@127.0.0.1>;tag=1\r\nTo: <sip:a@127.0.0.1>\r\nCall-ID: {n}\r\nCSeq: 1 OPTIONS\r\n\r\n"
        );
        flood
            .send_to(text.as_bytes(), bob.local_addr())
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
        while flood.try_recv_from(&mut buffer).is_ok() {
            answered += 1;
        }
    }
    let stats = bob.stats().signalling.agent;
    assert!(stats.excess_datagrams_of_source > 300, "{stats:?}");
    assert!((10..200).contains(&answered), "{answered}");
    call.hang_up().await.unwrap();
    assert_eq!(
        incoming.ended().await.unwrap().cause,
        EndCause::RemoteHangUp
    );
    alice.close().await;
    bob.close().await;
}

// Shows: the address changes within a call, from 127.0.0.1 to 127.0.0.2 on real sockets: the registrar hears of it, then the peer, and the call goes on | interop row 46
#[tokio::test]
async fn a_phone_moves_to_another_address_within_a_call() {
    let registrar = Registrar::open().await;
    let alice = builder().start().await.unwrap();
    let bob = builder().start().await.unwrap();
    let mut registration = alice.register(registrar.account()).unwrap();
    registrar.grant("").await;
    registration.registered().await.unwrap();
    let to = format!("sip:bob@{}", bob.local_addr());
    let call = alice.dial(&to).await.unwrap();
    let incoming = bob.next_call().await.unwrap();
    incoming.answer().await.unwrap();
    call.connected().await.unwrap();
    let moved: SocketAddr = (Ipv4Addr::new(127, 0, 0, 2), alice.local_addr().port()).into();
    alice.network_changed(Some(moved.ip())).unwrap();
    assert_eq!(registrar.grant("").await, moved);
    let told = async {
        while bob.stats().signalling.agent.received < 4 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    // The INVITE and its ACK, then those from the new address.
    tokio::time::timeout(Duration::from_secs(10), told)
        .await
        .unwrap();
    // What the peer says now goes to the new address: at the old one nobody is.
    incoming.hang_up().await.unwrap();
    assert_eq!(call.ended().await.unwrap().cause, EndCause::RemoteHangUp);
    let mut asked = tokio::net::TcpStream::connect(moved).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut asked, b"\r\n\r\n")
        .await
        .unwrap();
    let mut pong = [0; 2];
    tokio::io::AsyncReadExt::read_exact(&mut asked, &mut pong)
        .await
        .unwrap();
    assert_eq!(&pong, b"\r\n");
    tokio::join!(registrar.grant(""), alice.close());
    bob.close().await;
}
