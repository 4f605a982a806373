//! Each timer against the tables of RFC 3261, in virtual time.

use super::*;
use crate::transport::Transport;
use crate::wire::Message;
use std::time::Duration;

const T1: u64 = 500;

fn flow(transport: Transport) -> Flow {
    Flow::to(
        transport,
        "192.0.2.1:5060".parse().unwrap(),
        "192.0.2.2:5060".parse().unwrap(),
    )
}

fn message(text: String) -> Message {
    Message::parse(&Bytes::from(text)).unwrap()
}

fn request_with(method: &str, branch: &str, to_tag: &str) -> Request {
    let text = format!(
        "{method} sip:bob@biloxi.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch={branch};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:alice@atlanta.example>;tag=a\r\nTo: <sip:bob@biloxi.example>{to_tag}\r\n\
         Call-ID: c1\r\nCSeq: 7 {method}\r\nRoute: <sip:p.example;lr>\r\nContent-Length: 0\r\n\r\n"
    );
    match message(text) {
        Message::Request(r) => r,
        Message::Response(_) => unreachable!(),
    }
}

fn request(method: &str) -> Request {
    request_with(method, "z9hG4bK1", "")
}

fn response(to: &Request, status: u16) -> Response {
    let mut response = to.response(StatusCode::new(status).unwrap());
    response
        .headers
        .set(HeaderName::To, "<sip:bob@biloxi.example>;tag=b");
    response
}

/// A layer, its time, and all that it sent and said with the milliseconds at which it did.
struct Rig {
    layer: TransactionLayer,
    now: u64,
    sent: Vec<(u64, String)>,
    said: Vec<(u64, Output)>,
}

impl Rig {
    fn new() -> Self {
        let layer = TransactionLayer::new(Timers::default(), 8);
        Self {
            layer,
            now: 0,
            sent: Vec::new(),
            said: Vec::new(),
        }
    }

    fn at(&self) -> Instant {
        Instant::from_millis(self.now)
    }

    fn drain(&mut self) {
        while let Some(output) = self.layer.poll() {
            match output {
                Output::Transmit { bytes, .. } => {
                    let line = String::from_utf8_lossy(&bytes)
                        .lines()
                        .next()
                        .unwrap()
                        .to_owned();
                    self.sent.push((self.now, line));
                }
                other => self.said.push((self.now, other)),
            }
        }
    }

    fn run_until(&mut self, end: u64) {
        while let Some(at) = self
            .layer
            .deadline()
            .filter(|d| *d <= Instant::from_millis(end))
        {
            self.now = u64::try_from(at.since_epoch().as_millis()).unwrap();
            self.layer.timeout(at);
            self.drain();
        }
        self.now = end;
    }

    fn begin(&mut self, transport: Transport, request: Request) -> ClientId {
        let id = self
            .layer
            .request(self.at(), flow(transport), request)
            .unwrap();
        self.drain();
        id
    }

    fn answer(&mut self, response: Response) {
        self.layer
            .receive_response(self.at(), flow(Transport::Udp), response)
            .unwrap();
        self.drain();
    }

    fn receive(&mut self, request: Request) -> Option<ServerId> {
        self.layer
            .receive_request(self.at(), flow(Transport::Udp), request)
            .unwrap();
        self.drain();
        self.said.iter().rev().find_map(|(_, o)| match o {
            Output::Request { id, .. } => Some(*id),
            _ => None,
        })
    }

    fn respond(&mut self, id: ServerId, response: &Response) {
        self.layer.respond(self.at(), id, response).unwrap();
        self.drain();
    }

    fn times(&self, start: &str) -> Vec<u64> {
        self.sent
            .iter()
            .filter(|(_, l)| l.starts_with(start))
            .map(|(t, _)| *t)
            .collect()
    }

    fn timed_out(&self) -> Vec<u64> {
        self.said
            .iter()
            .filter(|(_, o)| matches!(o, Output::TimedOut(_)))
            .map(|(t, _)| *t)
            .collect()
    }

    fn delivered(&self) -> Vec<u16> {
        let status = |o: &Output| match o {
            Output::Response { response, .. } => Some(response.status.code()),
            _ => None,
        };
        self.said.iter().filter_map(|(_, o)| status(o)).collect()
    }
}

// Shows: all four transactions, each timer | RFC 3261 17, RFC 6026
#[test]
fn timers_a_and_b_an_invite_doubles_its_interval_for_64_t1() {
    let mut rig = Rig::new();
    rig.begin(Transport::Udp, request("INVITE"));
    rig.run_until(100_000);
    assert_eq!(
        rig.times("INVITE"),
        [0, 500, 1500, 3500, 7500, 15_500, 31_500]
    );
    assert_eq!(rig.timed_out(), [64 * T1]);
    assert!(rig.layer.is_empty());
}

// Shows: all four transactions, each timer
#[test]
fn timers_e_and_f_others_double_up_to_t2_for_64_t1() {
    let mut rig = Rig::new();
    rig.begin(Transport::Udp, request("OPTIONS"));
    rig.run_until(100_000);
    let expected = [
        0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500,
    ];
    assert_eq!(rig.times("OPTIONS"), expected);
    assert_eq!(rig.timed_out(), [64 * T1]);
    assert!(rig.layer.is_empty());
}

#[test]
fn timer_e_is_t2_once_a_provisional_response_came() {
    let mut rig = Rig::new();
    let options = request("OPTIONS");
    rig.begin(Transport::Udp, options.clone());
    rig.run_until(100);
    rig.answer(response(&options, 100));
    rig.run_until(9_000);
    assert_eq!(rig.times("OPTIONS"), [0, 500, 4_500, 8_500]);
    rig.run_until(40_000);
    assert_eq!(rig.timed_out(), [64 * T1]);
}

#[test]
fn nothing_is_sent_again_over_a_stream() {
    for method in ["INVITE", "OPTIONS"] {
        let mut rig = Rig::new();
        rig.begin(Transport::Tcp, request(method));
        rig.run_until(100_000);
        assert_eq!(
            (rig.times(method), rig.timed_out()),
            (vec![0], vec![64 * T1])
        );
    }
}

#[test]
fn an_invite_that_rings_is_not_sent_again_and_has_no_end() {
    let mut rig = Rig::new();
    let invite = request("INVITE");
    rig.begin(Transport::Udp, invite.clone());
    rig.run_until(400);
    rig.answer(response(&invite, 180));
    rig.run_until(300_000);
    assert_eq!(rig.times("INVITE"), [0]);
    assert_eq!((rig.timed_out(), rig.layer.len()), (vec![], 1));
}

// Shows: all four transactions, each timer
#[test]
fn timer_d_a_refusal_is_acknowledged_each_time_and_delivered_once() {
    let mut rig = Rig::new();
    let invite = request("INVITE");
    rig.begin(Transport::Udp, invite.clone());
    rig.run_until(10);
    for _ in 0..3 {
        rig.answer(response(&invite, 486));
    }
    assert_eq!(rig.times("ACK"), [10, 10, 10]);
    assert_eq!(rig.delivered(), [486]);
    rig.run_until(32_009);
    assert_eq!(rig.layer.len(), 1);
    rig.run_until(32_010);
    assert!(rig.layer.is_empty());
}

#[test]
fn rfc3261_17_1_1_3_the_ack_takes_the_to_of_the_response_and_the_rest_of_the_request() {
    let mut layer = TransactionLayer::new(Timers::default(), 8);
    let (now, invite) = (Instant::ZERO, request("INVITE"));
    layer
        .request(now, flow(Transport::Udp), invite.clone())
        .unwrap();
    layer
        .receive_response(now, flow(Transport::Udp), response(&invite, 404))
        .unwrap();
    let sent: Vec<Bytes> = std::iter::from_fn(|| layer.poll())
        .filter_map(|o| match o {
            Output::Transmit { bytes, .. } => Some(bytes),
            _ => None,
        })
        .collect();
    let expected = "ACK sip:bob@biloxi.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:alice@atlanta.example>;tag=a\r\nTo: <sip:bob@biloxi.example>;tag=b\r\n\
         Call-ID: c1\r\nCSeq: 7 ACK\r\nRoute: <sip:p.example;lr>\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(String::from_utf8_lossy(&sent[1]), expected);
}

// Shows: all four transactions, each timer
#[test]
fn rfc6026_timer_m_every_success_goes_up_for_64_t1() {
    let mut rig = Rig::new();
    let invite = request("INVITE");
    rig.begin(Transport::Udp, invite.clone());
    rig.answer(response(&invite, 200));
    rig.run_until(10_000);
    rig.answer(response(&invite, 200));
    // A refusal after a success is no answer any more.
    rig.answer(response(&invite, 486));
    assert_eq!(rig.delivered(), [200, 200]);
    rig.run_until(31_999);
    assert_eq!(rig.layer.len(), 1);
    rig.run_until(32_000);
    assert!(rig.layer.is_empty());
    assert!(matches!(rig.said.last(), Some((32_000, Output::Over(_)))));
    assert_eq!(rig.layer.stats().absorbed_responses, 1);
    rig.answer(response(&invite, 200));
    assert!(matches!(
        rig.said.last(),
        Some((32_000, Output::Stray { .. }))
    ));
    assert_eq!(rig.times("ACK"), []);
}

// Shows: all four transactions, each timer
#[test]
fn timer_k_a_final_response_is_delivered_once_and_remembered_for_t4() {
    let mut rig = Rig::new();
    let options = request("OPTIONS");
    rig.begin(Transport::Udp, options.clone());
    rig.answer(response(&options, 200));
    rig.answer(response(&options, 200));
    assert_eq!(rig.delivered(), [200]);
    assert_eq!(rig.layer.stats().absorbed_responses, 1);
    rig.run_until(4_999);
    assert_eq!(rig.layer.len(), 1);
    rig.run_until(5_000);
    assert!(rig.layer.is_empty());
}

#[test]
fn rfc3261_9_1_a_cancel_waits_for_a_provisional_response() {
    let mut rig = Rig::new();
    let invite = request("INVITE");
    let id = rig.begin(Transport::Udp, invite.clone());
    rig.layer.cancel(rig.at(), id);
    rig.drain();
    assert_eq!(rig.times("CANCEL"), []);
    rig.run_until(200);
    rig.answer(response(&invite, 180));
    rig.layer.cancel(rig.at(), id);
    rig.drain();
    assert_eq!(rig.times("CANCEL"), [200]);
    rig.answer(response(&request("CANCEL"), 200));
    rig.answer(response(&invite, 487));
    assert_eq!(rig.delivered(), [180, 200, 487]);
    assert_eq!(rig.times("ACK"), [200]);
}

#[test]
fn rfc3261_9_1_an_invite_that_ignores_its_cancel_ends_after_64_t1() {
    let mut rig = Rig::new();
    let invite = request("INVITE");
    let id = rig.begin(Transport::Udp, invite.clone());
    rig.run_until(1_000);
    rig.answer(response(&invite, 180));
    rig.layer.cancel(rig.at(), id);
    rig.drain();
    rig.run_until(100_000);
    assert!(rig.timed_out().contains(&33_000));
    assert!(rig.layer.is_empty());
}

#[test]
fn an_invite_is_answered_100_after_200_ms_if_nobody_answers() {
    let mut rig = Rig::new();
    rig.receive(request("INVITE")).unwrap();
    rig.run_until(199);
    assert_eq!(rig.sent.len(), 0);
    rig.run_until(200);
    assert_eq!(rig.times("SIP/2.0 100"), [200]);
    rig.receive(request("INVITE"));
    assert_eq!(rig.times("SIP/2.0 100"), [200, 200]);
}

#[test]
fn a_request_that_comes_again_is_answered_again_and_goes_up_once() {
    let mut rig = Rig::new();
    for (method, status) in [("INVITE", 180), ("OPTIONS", 200)] {
        let request = request(method);
        let id = rig.receive(request.clone()).unwrap();
        rig.respond(id, &response(&request, status));
        rig.receive(request.clone());
        rig.receive(request.clone());
        assert_eq!(rig.times(&format!("SIP/2.0 {status}")).len(), 3, "{method}");
    }
    let up = rig
        .said
        .iter()
        .filter(|(_, o)| matches!(o, Output::Request { .. }))
        .count();
    assert_eq!((up, rig.layer.stats().retransmitted_requests), (2, 4));
}

// Shows: all four transactions, each timer
#[test]
fn timers_g_and_h_a_refusal_is_sent_until_it_is_acknowledged() {
    let mut rig = Rig::new();
    let invite = request("INVITE");
    let id = rig.receive(invite.clone()).unwrap();
    rig.respond(id, &response(&invite, 486));
    rig.run_until(100_000);
    let expected = [
        0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500,
    ];
    assert_eq!(rig.times("SIP/2.0 486"), expected);
    assert!(
        rig.said
            .iter()
            .any(|(t, o)| *t == 32_000 && matches!(o, Output::Unacknowledged(_)))
    );
    assert!(rig.layer.is_empty());
}

// Shows: all four transactions, each timer
#[test]
fn timer_i_acks_are_absorbed_for_t4() {
    let mut rig = Rig::new();
    let invite = request("INVITE");
    let id = rig.receive(invite.clone()).unwrap();
    rig.respond(id, &response(&invite, 486));
    rig.run_until(600);
    let ack = request_with("ACK", "z9hG4bK1", ";tag=b");
    rig.receive(ack.clone());
    rig.receive(ack);
    rig.run_until(5_599);
    assert_eq!(
        (rig.times("SIP/2.0 486"), rig.layer.len()),
        (vec![0, 500], 1)
    );
    rig.run_until(5_600);
    assert!(rig.layer.is_empty());
    assert!(
        !rig.said
            .iter()
            .any(|(_, o)| matches!(o, Output::Ack { .. } | Output::Unacknowledged(_)))
    );
}

// Shows: all four transactions, each timer
#[test]
fn rfc6026_timer_l_an_accepted_invite_absorbs_and_passes_acks_up() {
    let mut rig = Rig::new();
    let invite = request("INVITE");
    let id = rig.receive(invite.clone()).unwrap();
    rig.respond(id, &response(&invite, 200));
    rig.receive(invite.clone());
    // Whoever gave the 200 sends it again; nobody may take it back.
    let late = rig
        .layer
        .respond(rig.at(), id, &response(&invite, 486))
        .unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Unknown);
    assert_eq!(rig.times("SIP/2.0 200"), [0]);
    assert_eq!(
        rig.layer.cancelled(&request("CANCEL")),
        Some(Cancelled::Accepted)
    );
    rig.receive(request_with("ACK", "z9hG4bK1", ";tag=b"));
    rig.receive(request_with("ACK", "z9hG4bKother", ";tag=b"));
    let acks = rig
        .said
        .iter()
        .filter(|(_, o)| matches!(o, Output::Ack { .. }))
        .count();
    assert_eq!(acks, 2);
    rig.run_until(31_999);
    assert_eq!(rig.layer.len(), 1);
    rig.run_until(32_000);
    assert!(rig.layer.is_empty());
}

// Shows: all four transactions, each timer
#[test]
fn timer_j_an_answer_is_kept_for_64_t1() {
    let mut rig = Rig::new();
    let options = request("OPTIONS");
    let id = rig.receive(options.clone()).unwrap();
    rig.respond(id, &response(&options, 200));
    rig.run_until(31_999);
    rig.receive(options.clone());
    assert_eq!(rig.times("SIP/2.0 200"), [0, 31_999]);
    assert_eq!(rig.layer.len(), 1);
    rig.run_until(32_000);
    assert!(rig.layer.is_empty());
    assert_eq!(
        rig.layer
            .respond(rig.at(), id, &response(&options, 200))
            .unwrap_err()
            .kind(),
        ErrorKind::Unknown
    );
}

// Shows: what is no INVITE gets 100 once its client is slow, never 408, and nothing after 64 T1 | RFC 4320 4
#[test]
fn rfc4320_what_is_no_invite_is_not_answered_late() {
    let mut rig = Rig::new();
    let update = request("UPDATE");
    let id = rig.receive(update.clone()).unwrap();
    rig.run_until(3_499);
    assert!(rig.sent.is_empty());
    rig.run_until(3_500);
    assert_eq!(rig.times("SIP/2.0 100"), [3_500]);
    rig.receive(update.clone());
    assert_eq!(rig.times("SIP/2.0 100"), [3_500, 3_500]);
    let refused = |rig: &mut Rig, status| {
        let respond = rig.layer.respond(rig.at(), id, &response(&update, status));
        rig.drain();
        respond.map_err(|e| e.kind()).err()
    };
    assert_eq!(refused(&mut rig, 408), Some(ErrorKind::WrongState));
    rig.run_until(31_999);
    assert_eq!(rig.layer.len(), 1);
    rig.run_until(32_000);
    assert!(rig.layer.is_empty());
    assert_eq!(refused(&mut rig, 200), Some(ErrorKind::Unknown));
    assert_eq!(rig.sent.len(), 2);
    assert_eq!(rig.layer.stats().late_responses, 2);
    // An answer in time is kept for as long as any.
    let id = rig
        .receive(request_with("UPDATE", "z9hG4bKlater", ""))
        .unwrap();
    rig.run_until(40_000);
    rig.respond(id, &response(&update, 200));
    rig.run_until(71_999);
    assert_eq!(rig.layer.len(), 1);
    rig.run_until(72_000);
    assert!(rig.layer.is_empty());
}

#[test]
fn a_cancel_finds_its_invite_by_branch() {
    let mut rig = Rig::new();
    let id = rig.receive(request("INVITE")).unwrap();
    let found = Some(Cancelled::Invite(id));
    assert_eq!(rig.layer.cancelled(&request("CANCEL")), found);
    assert_eq!(
        rig.layer.cancelled(&request_with("CANCEL", "z9hG4bK2", "")),
        None
    );
    // The CANCEL is a transaction of its own.
    assert_ne!(rig.receive(request("CANCEL")), Some(id));
    // A final answer does not hide the INVITE from it.
    let refusal = response(&request("INVITE"), 486);
    rig.layer.respond(rig.at(), id, &refusal).unwrap();
    assert_eq!(rig.layer.cancelled(&request("CANCEL")), found);
}

#[test]
fn peers_of_rfc2543_are_matched_by_their_fields() {
    let mut rig = Rig::new();
    let old = |method, tag| request_with(method, "1", tag);
    let id = rig.receive(old("INVITE", "")).unwrap();
    rig.receive(old("INVITE", ""));
    assert_eq!(rig.layer.stats().retransmitted_requests, 1);
    rig.respond(id, &response(&old("INVITE", ""), 486));
    rig.receive(old("ACK", ";tag=b"));
    assert_eq!(rig.layer.stats().absorbed_acks, 1);
}

#[test]
fn another_method_or_sent_by_is_another_transaction() {
    let mut rig = Rig::new();
    let one = rig.receive(request("OPTIONS"));
    let two = rig.receive(request("MESSAGE"));
    let mut other = request("OPTIONS");
    other.headers.set(
        HeaderName::Via,
        "SIP/2.0/UDP 192.0.2.77:5060;branch=z9hG4bK1",
    );
    let three = rig.receive(other);
    assert!(one != two && two != three && one != three);
}

#[test]
fn a_full_layer_answers_503_and_keeps_what_it_has() {
    let mut rig = Rig::new();
    for n in 0..8 {
        rig.receive(request_with("OPTIONS", &format!("z9hG4bK{n}"), ""))
            .unwrap();
    }
    rig.receive(request_with("OPTIONS", "z9hG4bKx", ""));
    assert_eq!(rig.times("SIP/2.0 503"), [0]);
    assert_eq!((rig.layer.len(), rig.layer.stats().overloaded), (8, 1));
}

// Shows: whoever asks without end does not keep others out: of what is answered the oldest is forgotten | hostile input
#[test]
fn what_is_answered_takes_no_room_from_what_comes() {
    let mut rig = Rig::new();
    for n in 0..20 {
        let request = request_with("OPTIONS", &format!("z9hG4bK{n}"), "");
        let id = rig.receive(request.clone()).unwrap();
        rig.respond(id, &response(&request, 200));
    }
    assert_eq!((rig.layer.len(), rig.layer.stats().overloaded), (8, 0));
    // Copies of the last ones are known.
    let last = rig.receive(request_with("OPTIONS", "z9hG4bK12", ""));
    assert_eq!(rig.layer.stats().retransmitted_requests, 1);
    assert_ne!(rig.receive(request_with("OPTIONS", "z9hG4bK11", "")), last);
}

#[test]
fn a_finished_transaction_leaves_nothing() {
    let mut rig = Rig::new();
    for n in 0..100 {
        let request = request_with("OPTIONS", &format!("z9hG4bK{n}"), "");
        let id = rig.receive(request.clone()).unwrap();
        rig.respond(id, &response(&request, 200));
        rig.run_until(rig.now + 32_000);
    }
    assert!(rig.layer.is_empty() && rig.layer.deadline().is_none());
    assert!(rig.layer.by_server_key.is_empty() && rig.layer.deadlines.is_empty());
    assert_eq!(Timers::default().transaction(), Duration::from_secs(32));
}
