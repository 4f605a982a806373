//! Requests that are too long for a datagram.

use msp_core::id::CallKey;
use tsp_sip::call::{Command, EndCause, Input, UserAgent};
use tsp_sip::transport::{Flow, Transport};

use crate::peer::{Invite, PEER, US};
use crate::streams::Rig;
use crate::support::config;

fn datagrams() -> Flow {
    let (us, peer) = (US.parse(), PEER.parse());
    Flow::udp(us.expect("an address"), peer.expect("an address"))
}

/// Calls somebody whose name fills a datagram.
fn dial(rig: &mut Rig, key: u64) -> CallKey {
    rig.dial(key, &format!("sip:{}@192.0.2.9", "p".repeat(700)))
}

fn refuse_connections(rig: &mut Rig) {
    let flow = *rig.opened.last().expect("a connection");
    let why = "TCP 192.0.2.9:5060: refused".into();
    rig.give(Input::Closed { flow, why });
}

// Shows: a request of more than 1300 bytes goes by TCP, and its CANCEL and ACK where it went | RFC 3261 18.1.1, interop row 4
#[test]
fn what_is_too_long_for_a_datagram_goes_by_tcp() {
    let mut rig = Rig::new();
    let key = dial(&mut rig, 1);
    let way = rig.opened[0];
    assert_eq!(
        (way.transport, way.remote),
        (Transport::Tcp, datagrams().remote)
    );
    let sent = rig.heard();
    assert_eq!((sent.len(), sent[0].0), (1, way));
    let invite = &sent[0].1;
    assert!(
        invite.contains("\r\nVia: SIP/2.0/TCP 192.0.2.2:5060;"),
        "{invite}"
    );
    // Peers reach us as ever.
    assert!(
        invite.contains("\r\nContact: <sip:user@192.0.2.2:5060>\r\n"),
        "{invite}"
    );
    let invite = Invite {
        text: invite.clone(),
    };
    rig.receive(way, &invite.response("180 Ringing", "t", ""));
    rig.command(Command::HangUp(key));
    let cancel = rig.heard().remove(0);
    assert!(
        cancel.0 == way && cancel.1.starts_with("CANCEL "),
        "{}",
        cancel.1
    );
    rig.receive(way, &invite.response("487 Gone", "t", ""));
    let ack = rig.heard().remove(0);
    assert!(ack.0 == way && ack.1.starts_with("ACK "), "{}", ack.1);
    assert_eq!(rig.phone.agent.stats().detours, 1);
    // What is short enough goes as it went.
    rig.dial(2, "sip:p@192.0.2.9");
    assert_eq!(rig.heard()[0].0, datagrams());
}

// Shows: where TCP fails a long request goes by UDP after all | RFC 3261 18.1.1, interop row 4
#[test]
fn where_no_connection_comes_about_it_goes_by_udp_after_all() {
    let mut rig = Rig::new();
    let key = dial(&mut rig, 1);
    let first = rig.heard().remove(0).1;
    refuse_connections(&mut rig);
    assert_eq!(rig.phone.ended(key), None);
    let (way, again) = rig.heard().remove(0);
    assert_eq!(way, datagrams());
    assert!(
        again.contains("\r\nVia: SIP/2.0/UDP 192.0.2.2:5060;"),
        "{again}"
    );
    assert!(again.contains("\r\nCSeq: 2 INVITE\r\n"), "{again}");
    let call_id = |text: &str| {
        text.lines()
            .find(|l| l.starts_with("Call-ID"))
            .map(str::to_owned)
    };
    assert_eq!(call_id(&again), call_id(&first));
    let invite = Invite { text: again };
    let bytes = |text: String| text.replace('\n', "\r\n").into();
    let ringing = bytes(invite.response("180 Ringing", "t", ""));
    rig.give(Input::Received {
        flow: way,
        bytes: ringing,
    });
    rig.command(Command::HangUp(key));
    let cancel = rig.heard().remove(0);
    assert!(
        cancel.0 == way && cancel.1.starts_with("CANCEL "),
        "{}",
        cancel.1
    );
    let gone = bytes(invite.response("487 Gone", "t", ""));
    rig.give(Input::Received {
        flow: way,
        bytes: gone,
    });
    rig.heard();
    // The next needs not be refused first; after a while it may be different.
    dial(&mut rig, 2);
    assert_eq!((rig.heard()[0].0, rig.opened.len()), (way, 1));
    rig.wait(600);
    rig.heard();
    dial(&mut rig, 3);
    assert_eq!(rig.opened.len(), 2);
    assert_eq!(rig.phone.agent.stats().ways_back, 1);
}

// Shows: a call that was taken back is not made by UDP when its connection fails | RFC 3261 18.1.1
#[test]
fn what_was_taken_back_takes_no_way_back() {
    let mut rig = Rig::new();
    let key = dial(&mut rig, 1);
    rig.command(Command::HangUp(key));
    rig.heard();
    refuse_connections(&mut rig);
    assert!(rig.heard().is_empty());
    assert_eq!(
        rig.phone.ended(key).map(|e| e.cause),
        Some(EndCause::Cancelled)
    );
}

// Shows: the switch to TCP can be forbidden | interop row 4
#[test]
fn settings_keep_long_requests_on_udp() {
    let mut rig = Rig::new();
    let mut config = config("user");
    config.flows.long_by_tcp = false;
    rig.phone.agent = UserAgent::new(config, |bytes: &mut [u8]| bytes.fill(7));
    dial(&mut rig, 1);
    assert_eq!((rig.heard()[0].0, rig.opened.len()), (datagrams(), 0));
}
