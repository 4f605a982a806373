//! SIP over TCP, on real sockets.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tipring::{EndCause, Phone, PhoneBuilder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn builder() -> PhoneBuilder {
    Phone::builder().bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
}

fn options(branch: &str) -> String {
    format!(
        "OPTIONS sip:a@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\n\
         From: <sip:b@127.0.0.1>;tag=1\r\nTo: <sip:a@127.0.0.1>\r\nCall-ID: {branch}\r\nCSeq: 1 OPTIONS\r\n"
    )
}

/// What comes until the peer is silent for a while or closes; and whether it closed.
async fn hear(stream: &mut TcpStream) -> (String, bool) {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    loop {
        match tokio::time::timeout(Duration::from_millis(1500), stream.read(&mut buffer)).await {
            Ok(Ok(0) | Err(_)) => return (text, true),
            Ok(Ok(n)) => text.push_str(&String::from_utf8_lossy(&buffer[..n])),
            Err(_) => return (text, false),
        }
        if text.ends_with("\r\n\r\n") || text == "\r\n" {
            return (text, false);
        }
    }
}

// Shows: calls over TCP, on IPv4 and IPv6
#[tokio::test]
async fn two_phones_call_each_other_over_tcp() {
    for any in [
        SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        SocketAddr::from((Ipv6Addr::LOCALHOST, 0)),
    ] {
        let alice = Phone::builder().bind(any).start().await.unwrap();
        let bob = Phone::builder().bind(any).start().await.unwrap();
        let to = format!("sip:bob@{};transport=tcp", bob.local_addr());
        let call = alice.dial(&to).await.unwrap();
        let incoming = bob.next_call().await.unwrap();
        incoming.answer().await.unwrap();
        call.connected().await.unwrap();
        incoming.hang_up().await.unwrap();
        assert_eq!(call.ended().await.unwrap().cause, EndCause::RemoteHangUp);
        let asked = alice.options(&to).await.unwrap();
        assert_eq!(asked.status, 200);
        let (ours, theirs) = (alice.stats(), bob.stats());
        assert_eq!(ours.signalling.sockets.dialled, 1, "one connection for all");
        assert_eq!(theirs.signalling.sockets.accepted, 1);
        assert_eq!(theirs.signalling.sockets.received, 0, "no datagram");
        alice.close().await;
        bob.close().await;
    }
}

// Shows: a stream is cut into messages however it arrives; pings are answered | RFC 3261 18.3, interop row 6
#[tokio::test]
async fn messages_arrive_in_pieces_and_pings_between_them() {
    let phone = builder().start().await.unwrap();
    let mut peer = TcpStream::connect(phone.local_addr()).await.unwrap();
    peer.set_nodelay(true).unwrap();
    let text = format!("{}Content-Length: 3\r\n\r\nabc", options("1"));
    for piece in text.as_bytes().chunks(97) {
        peer.write_all(piece).await.unwrap();
        tokio::task::yield_now().await;
    }
    let (heard, closed) = hear(&mut peer).await;
    assert!(heard.starts_with("SIP/2.0 200") && !closed, "{heard}");
    peer.write_all(b"\r\n\r\n").await.unwrap();
    assert_eq!(hear(&mut peer).await, ("\r\n".to_owned(), false));
    phone.close().await;
    assert!(hear(&mut peer).await.1, "the end of the phone is heard");
}

// Shows: a stream whose framing lies gets 400 and is closed | hostile input
#[tokio::test]
async fn a_length_that_lies_gets_400_and_the_connection_is_closed() {
    let phone = builder().start().await.unwrap();
    for lie in [
        "",
        "Content-Length: -1\r\n",
        "Content-Length: 4294967328\r\n",
        "l: 1\r\nl: 2\r\n",
    ] {
        let mut peer = TcpStream::connect(phone.local_addr()).await.unwrap();
        let text = format!("{}{lie}\r\n{}", options("1"), options("smuggled"));
        peer.write_all(text.as_bytes()).await.unwrap();
        let (heard, _) = hear(&mut peer).await;
        assert!(heard.starts_with("SIP/2.0 400"), "{lie}: {heard}");
        assert_eq!(hear(&mut peer).await, (String::new(), true), "{lie}");
    }
    let stats = phone.stats().signalling;
    assert_eq!(
        (stats.sockets.garbled_streams, stats.agent.received),
        (4, 0)
    );
    phone.close().await;
}

// Shows: connections are bounded for each source and in all | hostile input
#[tokio::test]
async fn one_source_cannot_take_all_connections() {
    let phone = builder().start().await.unwrap();
    let mut peers = Vec::new();
    for _ in 0..64 {
        peers.push(TcpStream::connect(phone.local_addr()).await.unwrap());
    }
    let mut last = TcpStream::connect(phone.local_addr()).await.unwrap();
    assert_eq!(hear(&mut last).await, (String::new(), true));
    assert_eq!(phone.stats().signalling.sockets.excess_of_source, 1);
    // One that ends makes room.
    drop(peers.pop());
    let text = format!("{}Content-Length: 0\r\n\r\n", options("2"));
    let answered = async {
        loop {
            let mut peer = TcpStream::connect(phone.local_addr()).await.unwrap();
            let sent = peer.write_all(text.as_bytes()).await;
            if sent.is_ok() && hear(&mut peer).await.0.starts_with("SIP/2.0 200") {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), answered)
        .await
        .unwrap();
    phone.close().await;
}

#[tokio::test]
async fn a_port_that_nobody_listens_at_ends_the_call_at_once_and_says_so() {
    let phone = builder().start().await.unwrap();
    let free = {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.local_addr().unwrap()
    };
    let call = phone
        .dial(&format!("sip:{free};transport=tcp"))
        .await
        .unwrap();
    let ended = call.ended().await.unwrap();
    assert_eq!(ended.cause, EndCause::Unreachable);
    assert!(
        ended.reason.starts_with(&format!("TCP {free}: ")),
        "{}",
        ended.reason
    );
    phone.close().await;
}
