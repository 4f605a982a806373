//! What becomes of calls and phones that do not go the usual way.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use msp_core::provider::Provider;
use tipring::{Call, CallState, EndCause, ErrorKind, EventKind, Phone, PhoneBuilder};

fn builder() -> PhoneBuilder {
    Phone::builder().bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
}

#[tokio::test]
async fn a_call_that_was_never_dialled_ends_when_hung_up() {
    let phone = builder().start().await.unwrap();
    let call = phone.prepare("sip:nobody@127.0.0.1:9").unwrap();
    let ended = call.hang_up().await.unwrap();
    assert_eq!((ended.cause, phone.calls()), (EndCause::LocalHangUp, 0));
    assert_eq!(call.place().unwrap_err().kind(), ErrorKind::WrongState);
    phone.close().await;
}

#[tokio::test]
async fn a_call_is_dialled_once() {
    let (alice, bob) = (
        builder().start().await.unwrap(),
        builder().start().await.unwrap(),
    );
    let call = alice
        .dial(&format!("sip:bob@{}", bob.local_addr()))
        .await
        .unwrap();
    let incoming = bob.next_call().await.unwrap();
    assert_eq!(incoming.peer(), "<sip:tipring@127.0.0.1>");
    incoming.answer().await.unwrap();
    call.connected().await.unwrap();
    assert_eq!(call.place().unwrap_err().kind(), ErrorKind::WrongState);
    assert_eq!(call.state(), CallState::Connected);
    call.hang_up().await.unwrap();
    assert_eq!(
        incoming.ended().await.unwrap().cause,
        EndCause::RemoteHangUp
    );
    alice.close().await;
    bob.close().await;
}

// Shows: phones that share a provider call each other
#[tokio::test]
async fn phones_that_share_a_provider_call_each_other() {
    let engine: Arc<dyn Provider> = Arc::new(builder().engine().unwrap());
    let start = || builder().provider(engine.clone()).start();
    let (alice, bob, carol) = (
        start().await.unwrap(),
        start().await.unwrap(),
        start().await.unwrap(),
    );
    let one = alice
        .dial(&format!("sip:bob@{}", bob.local_addr()))
        .await
        .unwrap();
    let two = carol
        .dial(&format!("sip:alice@{}", alice.local_addr()))
        .await
        .unwrap();
    bob.next_call().await.unwrap().answer().await.unwrap();
    alice.next_call().await.unwrap().answer().await.unwrap();
    one.connected().await.unwrap();
    two.connected().await.unwrap();
    for phone in [alice, bob, carol] {
        phone.close().await;
    }
}

// Shows: whatever ends a phone, its peers are told and nothing is told afterwards
#[tokio::test]
async fn a_phone_that_is_dropped_says_goodbye() {
    let (alice, bob) = (
        builder().start().await.unwrap(),
        builder().start().await.unwrap(),
    );
    let call = alice
        .dial(&format!("sip:bob@{}", bob.local_addr()))
        .await
        .unwrap();
    let incoming = bob.next_call().await.unwrap();
    incoming.answer().await.unwrap();
    call.connected().await.unwrap();
    drop(alice);
    assert_eq!(
        incoming.ended().await.unwrap().cause,
        EndCause::RemoteHangUp
    );
    call.ended().await.unwrap();
    bob.close().await;
}

// Shows: whatever ends a phone, its peers are told and nothing is told afterwards
#[tokio::test]
async fn the_events_of_a_closed_phone_end() {
    let phone = builder().start().await.unwrap();
    let mut events = phone.events();
    let call = phone.prepare("sip:nobody@127.0.0.1:9").unwrap();
    phone.close().await;
    // The call that was left ends with the phone, and then nothing comes any more.
    assert!(matches!(call.state(), CallState::Ended(_)));
    let last = std::iter::from_fn(|| events.try_recv()).last().unwrap();
    assert!(matches!(last.kind, EventKind::Ended(_)), "{last:?}");
    assert_eq!(events.next().await, None);
    assert_eq!(call.hang_up().await.unwrap().cause, EndCause::Unreachable);
}

#[tokio::test]
async fn what_cannot_be_called_is_named() {
    let phone = builder().start().await.unwrap();
    for bad in ["", "sip:", "mailto:a@b", "sip:a b@c", "tel:123"] {
        let error = phone.dial(bad).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidUri, "{bad}");
        assert!(error.to_string().contains(&format!("'{bad}'")), "{error}");
    }
    let taken = Phone::builder()
        .bind(phone.local_addr())
        .start()
        .await
        .unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::PortInUse);
    assert!(
        taken.to_string().contains(&phone.local_addr().to_string()),
        "{taken}"
    );
    phone.close().await;
}

/// A call of ours to a peer that answers by literal bytes, sends `packets` of silence, and then nothing more.
async fn call_to_one_who_falls_silent(phone: &Phone, packets: u16) -> (Call, UdpSocket) {
    let peer = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let media = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let (port, media_port) = (
        peer.local_addr().unwrap().port(),
        media.local_addr().unwrap().port(),
    );
    let call = phone
        .dial(&format!("sip:p@127.0.0.1:{port}"))
        .await
        .unwrap();
    let (invite, from) = hear(&peer);
    let sdp = format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {media_port} RTP/AVP 0\r\n"
    );
    let ok = ok(
        &invite,
        &format!("Contact: <sip:p@127.0.0.1:{port}>\r\nContent-Type: application/sdp\r\n"),
        &sdp,
    );
    peer.send_to(ok.as_bytes(), from).unwrap();
    call.connected().await.unwrap();
    let offered = line(&invite, "m=audio ");
    let theirs: u16 = offered.split(' ').nth(1).unwrap().parse().unwrap();
    for n in 0..packets {
        let mut packet = vec![0x80, 0];
        packet.extend(n.to_be_bytes());
        packet.extend((u32::from(n) * 160).to_be_bytes());
        packet.extend([0, 0, 0, 7]);
        packet.extend([0xff; 160]);
        media.send_to(&packet, ("127.0.0.1", theirs)).unwrap();
    }
    (call, peer)
}

fn hear(peer: &UdpSocket) -> (String, SocketAddr) {
    let mut buffer = [0; 4096];
    let (length, from) = peer.recv_from(&mut buffer).unwrap();
    let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
    (text, from)
}

fn line<'a>(message: &'a str, start: &str) -> &'a str {
    message.lines().find(|l| l.starts_with(start)).unwrap()
}

/// What takes a request.
fn ok(request: &str, fields: &str, body: &str) -> String {
    let [via, from, to, call_id, cseq] =
        ["Via", "From", "To", "Call-ID", "CSeq"].map(|name| line(request, name));
    let length = body.len();
    format!(
        "SIP/2.0 200 OK\r\n{via}\r\n{from}\r\n{to};tag=p1\r\n{call_id}\r\n{cseq}\r\n\
         {fields}Content-Length: {length}\r\n\r\n{body}"
    )
}

// Shows: peers that vanish are given up
#[tokio::test]
async fn a_call_whose_sound_is_lost_is_ended_by_the_phone_itself() {
    let phone = builder()
        .media_timeout(Duration::from_millis(300))
        .start()
        .await
        .unwrap();
    let (call, peer) = call_to_one_who_falls_silent(&phone, 20).await;
    // Nobody hangs up here.
    let ended = tokio::time::timeout(Duration::from_secs(10), call.ended());
    let ended = ended.await.expect("the phone hangs up").unwrap();
    assert_eq!((ended.cause, phone.calls()), (EndCause::Media, 0));
    assert!(hear(&peer).0.starts_with("ACK"));
    let (bye, from) = hear(&peer);
    assert!(bye.starts_with("BYE"), "{bye}");
    peer.send_to(ok(&bye, "", "").as_bytes(), from).unwrap();
    phone.close().await;
}
