//! Messages on connections: which one they take, and what becomes of them when it is gone.

use std::time::Duration;

use bytes::Bytes;
use msp_core::id::CallKey;
use msp_core::link::Envelope;
use msp_core::time::Instant;
use tsp_sip::call::{CallEventKind, Command, EndCause, Input, Output, Route, Target};
use tsp_sip::transport::{ConnectionId, Flow, Transport};
use tsp_sip::wire::Uri;

use crate::peer::{Invite, PEER, SDP, US, plain, tag, with_sdp, within};
use crate::support::{Manner, Phone};

/// A phone whose connections are in our hands.
pub(crate) struct Rig {
    pub(crate) phone: Phone,
    now: Instant,
    sent: Vec<(Flow, String)>,
    pub(crate) opened: Vec<Flow>,
    pub(crate) closed: Vec<Flow>,
    targets: Vec<Target>,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self {
            phone: Phone::new(US, 3, Manner::Answer),
            now: Instant::ZERO,
            sent: Vec::new(),
            opened: Vec::new(),
            closed: Vec::new(),
            targets: Vec::new(),
        }
    }

    pub(crate) fn give(&mut self, input: Input) {
        self.phone.agent.handle(self.now, input);
        self.drain();
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, seconds: u64) {
        let until = self.now + Duration::from_secs(seconds);
        while let Some(at) = self.phone.agent.deadline().filter(|d| *d <= until) {
            self.now = at;
            self.phone.agent.timeout(at);
            self.drain();
        }
        self.now = until;
    }

    fn drain(&mut self) {
        while let Some(output) = self.phone.agent.poll() {
            match output {
                Output::Transmit { flow, bytes } => {
                    let text = String::from_utf8_lossy(&bytes).into_owned();
                    self.sent.push((flow, text));
                }
                Output::Connect { flow, .. } => self.opened.push(flow),
                Output::Disconnect { flow } => self.closed.push(flow),
                Output::Resolve { lookup, target } => {
                    let route = Route {
                        transport: target.transport.unwrap_or(Transport::Udp),
                        remote: PEER.parse().expect("an address"),
                        local: US.parse().expect("an address"),
                    };
                    self.targets.push(target);
                    let routes = vec![route];
                    let found = Input::Resolved {
                        lookup,
                        routes,
                        why: Box::default(),
                    };
                    self.phone.agent.handle(self.now, found);
                }
                Output::Msp(message) => {
                    if let Some(body) = self.phone.media_answer(&message) {
                        let answer = Envelope {
                            call: message.call,
                            leg: message.leg,
                            generation: message.generation,
                            body,
                        };
                        self.phone.agent.handle(self.now, Input::Msp(answer));
                    }
                }
                Output::Event(event) => {
                    if matches!(event.kind, CallEventKind::Incoming { .. })
                        && self.phone.manner == Manner::Answer
                    {
                        let answer = Input::Command(Command::Answer(event.key));
                        self.phone.agent.handle(self.now, answer);
                    }
                    self.phone.events.push(event);
                }
                _ => {}
            }
        }
    }

    pub(crate) fn command(&mut self, command: Command) {
        self.give(Input::Command(command));
    }

    /// A peer opens a connection from a port that it does not listen at.
    fn accept(&mut self, n: u64) -> Flow {
        let flow = Flow {
            connection: Some(ConnectionId::accepted(n)),
            ..Flow::to(
                Transport::Tcp,
                US.parse().expect("an address"),
                "192.0.2.9:41000".parse().expect("an address"),
            )
        };
        self.give(Input::Accepted { flow });
        flow
    }

    pub(crate) fn receive(&mut self, flow: Flow, text: &str) {
        let text = text
            .replace('\n', "\r\n")
            .replace("SIP/2.0/UDP", "SIP/2.0/TCP");
        let bytes = Bytes::from(text);
        self.give(Input::Received { flow, bytes });
    }

    /// What was sent since the last time.
    pub(crate) fn heard(&mut self) -> Vec<(Flow, String)> {
        std::mem::take(&mut self.sent)
    }

    pub(crate) fn dial(&mut self, key: u64, to: &str) -> CallKey {
        let key = CallKey(key);
        let to = Uri::new(to.to_owned()).expect("a URI");
        let account = None;
        self.command(Command::Dial { key, to, account });
        key
    }
}

// Shows: a URI with transport=tcp is dialled by TCP | interop row 5
#[test]
fn a_uri_that_wants_tcp_gets_a_connection_and_no_retransmissions() {
    let mut rig = Rig::new();
    rig.dial(1, "sip:p@192.0.2.9:5060;transport=tcp");
    assert_eq!(rig.targets[0].transport, Some(Transport::Tcp));
    let flow = rig.opened[0];
    assert_eq!(flow.remote, PEER.parse().expect("an address"));
    let sent = rig.heard();
    assert_eq!((sent.len(), sent[0].0), (1, flow));
    let invite = &sent[0].1;
    assert!(invite.starts_with("INVITE sip:p@192.0.2.9:5060;transport=tcp SIP/2.0\r\n"));
    assert!(invite.contains("\r\nVia: SIP/2.0/TCP 192.0.2.2:5060;branch="));
    assert!(invite.contains("\r\nContact: <sip:user@192.0.2.2:5060;transport=tcp>\r\n"));
    rig.wait(20);
    assert!(rig.heard().is_empty(), "streams repeat nothing");
    // A second call to the same end needs no second connection.
    rig.dial(2, "sip:q@192.0.2.9:5060;transport=tcp");
    assert_eq!((rig.opened.len(), rig.heard()[0].0), (1, flow));
}

// Shows: the loss of a connection fails what waits on it at once | RFC 3261 8.1.3.1
#[test]
fn what_waits_on_a_connection_that_fails_fails_at_once() {
    let mut rig = Rig::new();
    let key = rig.dial(1, "sip:p@192.0.2.9:5060;transport=tcp");
    let flow = rig.opened[0];
    rig.heard();
    let why = "TCP 192.0.2.9:5060: refused".into();
    rig.give(Input::Closed { flow, why });
    let ended = rig.phone.ended(key).expect("it is over");
    assert_eq!(ended.cause, EndCause::Unreachable);
    assert_eq!(&*ended.reason, "TCP 192.0.2.9:5060: refused");
    assert!(rig.heard().is_empty());
    // The next call opens a connection of its own.
    rig.dial(2, "sip:p@192.0.2.9:5060;transport=tcp");
    assert_eq!(rig.opened.len(), 2);
    assert_ne!(rig.opened[1], flow);
}

#[test]
fn a_call_that_was_answered_outlives_its_connection() {
    let mut rig = Rig::new();
    let key = rig.dial(1, "sip:p@192.0.2.9:5060;transport=tcp");
    let flow = rig.opened[0];
    let invite = Invite {
        text: rig.heard().remove(0).1,
    };
    let contact = "Contact: <sip:p@192.0.2.9:5070;transport=tcp>\n";
    rig.receive(
        flow,
        &with_sdp(&invite.response("200 OK", "t", contact), SDP),
    );
    let ack = rig.heard().remove(0);
    assert!(ack.0 == flow && ack.1.starts_with("ACK sip:p@192.0.2.9:5070"));
    let why = "the peer closed the connection".into();
    rig.give(Input::Closed { flow, why });
    assert!(rig.phone.ended(key).is_none());
    rig.command(Command::HangUp(key));
    let bye = rig.heard().remove(0);
    assert!(bye.1.starts_with("BYE") && bye.0 == rig.opened[1]);
}

// Shows: responses go back on their connection, or by another to sent-by if it is gone | RFC 3261 18.2.2
#[test]
fn responses_go_back_on_their_connection_or_to_where_the_peer_listens() {
    let mut rig = Rig::new();
    rig.phone.manner = Manner::Silent;
    let flow = rig.accept(1);
    let invite = with_sdp(
        &plain("INVITE sip:user@192.0.2.2", "x", "1 INVITE", ""),
        SDP,
    );
    rig.receive(flow, &invite);
    rig.wait(1);
    let trying = rig.heard().remove(0);
    assert!(trying.0 == flow && trying.1.starts_with("SIP/2.0 100"));
    rig.give(Input::Closed {
        flow,
        why: "".into(),
    });
    let key = rig.phone.events[0].key;
    rig.command(Command::Answer(key));
    let ok = rig.heard().remove(0);
    assert!(ok.1.starts_with("SIP/2.0 200"), "{}", ok.1);
    assert_eq!(rig.opened, [ok.0]);
    assert_eq!(ok.0.remote, PEER.parse().expect("an address"));
    assert_eq!(ok.0.transport, Transport::Tcp);
}

// Shows: requests to a peer take the connection that it opened | interop row 5
#[test]
fn requests_within_a_call_take_the_connection_that_the_peer_opened() {
    for contact in [
        "<sip:p@192.0.2.9:5060;transport=tcp>",
        "<sip:p@192.0.2.9:5060>",
        "<sip:p@host.invalid;transport=tcp;ob>",
    ] {
        let mut rig = Rig::new();
        let flow = rig.accept(1);
        let invite = plain("INVITE sip:user@192.0.2.2", "x", "1 INVITE", "")
            .replace("<sip:p@192.0.2.9:5060>", contact);
        rig.receive(flow, &with_sdp(&invite, SDP));
        let ok = rig.heard().pop().expect("an answer").1;
        rig.receive(flow, &within("ACK", "x", 1, &tag(&ok, "To"), ""));
        let key = rig.phone.events[0].key;
        rig.command(Command::HangUp(key));
        let bye = rig.heard().remove(0);
        assert!(bye.1.starts_with("BYE"), "{}", bye.1);
        assert_eq!((bye.0, rig.opened.len()), (flow, 0), "{contact}");
    }
}

// Shows: keep-alive on streams both ways | interop row 6
#[test]
fn pings_are_answered_and_sent() {
    let mut rig = Rig::new();
    let flow = rig.accept(1);
    rig.receive(flow, "\n\n");
    assert_eq!(rig.heard(), [(flow, "\r\n".to_owned())]);
    rig.receive(flow, "\n");
    assert!(rig.heard().is_empty());
    let key = rig.dial(1, "sip:p@192.0.2.9:5060;transport=tcp");
    let ours = rig.opened[0];
    let invite = Invite {
        text: rig.heard().remove(0).1,
    };
    rig.receive(ours, &invite.response("180 Ringing", "t", ""));
    let ping = [(ours, "\r\n\r\n".to_owned())];
    rig.wait(79);
    assert!(rig.sent.is_empty());
    while rig.sent.is_empty() {
        rig.wait(1);
    }
    assert_eq!(rig.heard(), ping);
    rig.receive(ours, "\n");
    rig.receive(ours, &invite.response("486 Busy", "t", ""));
    assert!(rig.phone.ended(key).is_some());
    rig.heard();
    rig.dial(2, "sip:p@192.0.2.9:5060;transport=tcp");
    rig.wait(60);
    rig.heard();
    while rig.sent.is_empty() {
        rig.wait(1);
    }
    assert_eq!(rig.heard(), ping);
    rig.wait(9);
    assert_eq!(rig.closed, [], "it had its time to answer");
    rig.wait(1);
    assert_eq!(rig.closed, [ours], "it answered once and does no more");
    assert_eq!(rig.phone.agent.stats().dead_flows, 1);
}

// Shows: a stream whose framing lies is answered and closed | hostile input
#[test]
fn what_cannot_be_framed_is_answered_where_that_is_possible() {
    let mut rig = Rig::new();
    let flow = rig.accept(1);
    let request = plain(
        "OPTIONS sip:user@192.0.2.2",
        "x",
        "1 OPTIONS",
        "Content-Length: 1\nl: 2\n",
    );
    let bytes = Bytes::from(request.replace('\n', "\r\n"));
    let error = tsp_sip::Error::new(tsp_sip::ErrorKind::ContentLength, "");
    rig.give(Input::Garbled { flow, bytes, error });
    let answer = rig.heard().remove(0);
    assert!(answer.0 == flow && answer.1.starts_with("SIP/2.0 400"));
    assert_eq!(rig.phone.agent.stats().garbled, 1);
}
