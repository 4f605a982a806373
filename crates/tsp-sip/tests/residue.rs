//! What a finished call leaves in memory until the timers of its transactions end.
#![allow(
    unsafe_code,
    reason = "an allocator that counts is an unsafe trait by nature"
)]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use bytes::Bytes;
use msp_core::id::CallKey;
use msp_core::link::{Envelope, ToMsp, ToTsp};
use msp_core::time::Instant;
use support::{Manner, Phone};
use tsp_sip::call::{CallEventKind, Command, Input, Kept, Output, Route};
use tsp_sip::transport::{Flow, Transport};
use tsp_sip::wire::Uri;

thread_local! {
    /// Bytes that this thread has and has not given back.
    static LIVE: Cell<isize> = const { Cell::new(0) };
}

fn add(bytes: usize, sign: isize) {
    // A thread that ends has no counter any more, and is none of ours.
    let _ = LIVE.try_with(|l| l.set(l.get() + sign * bytes as isize));
}

struct Counting;

// SAFETY: every call is handed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size(), 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        add(layout.size(), -1);
        // SAFETY: the caller keeps the contract of `dealloc`, and all memory is the system's.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const US: &str = "192.0.2.2:5060";
const PEER: &str = "192.0.2.9:5060";

const SDP: &str = "v=0\r\no=user1 53655765 2353687637 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
     m=audio 6000 RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
     a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=sendrecv\r\n";

/// A request of call `n`, as real phones write it.
fn request(method: &str, n: usize, cseq: u32, to_tag: &str, body: &str) -> String {
    let kind = match body {
        "" => "",
        _ => "Content-Type: application/sdp\r\n",
    };
    format!(
        "{method} sip:user@192.0.2.2:5060 SIP/2.0\r\n\
         Via: SIP/2.0/UDP 192.0.2.9:5060;rport;branch=z9hG4bKPj{n:08x}-{method}-97a2-4f1c9a3d7e10\r\n\
         Max-Forwards: 70\r\n\
         From: \"Somebody Else\" <sip:somebody@192.0.2.9>;tag={n:08x}-5d2f-44e1\r\n\
         To: <sip:user@192.0.2.2>{to_tag}\r\n\
         Call-ID: {n:08x}-6b1d-4a5e-9c37-2d8f0e1b7a64@192.0.2.9\r\n\
         CSeq: {cseq} {method}\r\n\
         Contact: <sip:somebody@192.0.2.9:5060;ob>\r\n\
         Allow: PRACK, INVITE, ACK, BYE, CANCEL, UPDATE, INFO, SUBSCRIBE, NOTIFY, REFER, MESSAGE, OPTIONS\r\n\
         Supported: replaces, 100rel, timer, norefersub\r\n\
         User-Agent: Another Phone 1.2.3 (Linux; x86_64)\r\n\
         {kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// What answers a request of ours.
fn response(request: &str, status: &str, fields: &str, body: &str) -> String {
    let field = |name: &str| {
        let line = request.lines().find(|l| l.starts_with(name));
        line.expect("a field").to_owned()
    };
    let to = field("To: ");
    let tag = if to.contains(";tag=") {
        ""
    } else {
        ";tag=5d2f-44e1"
    };
    format!(
        "SIP/2.0 {status}\r\n{}\r\n{}\r\n{to}{tag}\r\n{}\r\n{}\r\n{fields}Content-Length: {}\r\n\r\n{body}",
        field("Via: "),
        field("From: "),
        field("Call-ID: "),
        field("CSeq: "),
        body.len()
    )
}

/// A phone whose media half agrees to everything, and which keeps nothing of what it said but the last message.
struct Lean {
    phone: Phone,
    last: Bytes,
    key: Option<CallKey>,
    ended: bool,
}

impl Lean {
    fn receive(&mut self, now: Instant, text: &str) {
        let flow = Flow::udp(
            US.parse().expect("an address"),
            PEER.parse().expect("an address"),
        );
        let bytes = Bytes::copy_from_slice(text.as_bytes());
        self.give(now, Input::Received { flow, bytes });
    }

    fn give(&mut self, now: Instant, input: Input) {
        self.phone.agent.handle(now, input);
        while let Some(output) = self.phone.agent.poll() {
            match output {
                Output::Transmit { bytes, .. } => self.last = bytes,
                Output::Msp(message) => self.media(now, &message),
                Output::Resolve { lookup, .. } => {
                    let route = Route {
                        transport: Transport::Udp,
                        remote: PEER.parse().expect("an address"),
                        local: US.parse().expect("an address"),
                    };
                    let routes = vec![route];
                    let found = Input::Resolved {
                        lookup,
                        routes,
                        why: Box::default(),
                    };
                    self.phone.agent.handle(now, found);
                }
                Output::Event(event) => match event.kind {
                    CallEventKind::Incoming { .. } => self.key = Some(event.key),
                    CallEventKind::Ended(_) => self.ended = true,
                    _ => {}
                },
                _ => {}
            }
        }
    }

    fn media(&mut self, now: Instant, message: &Envelope<ToMsp>) {
        if let Some(body) = self.phone.media_answer(message) {
            let (call, leg, generation) = (message.call, message.leg, message.generation);
            let answer: Envelope<ToTsp> = Envelope {
                call,
                leg,
                generation,
                body,
            };
            self.phone.agent.handle(now, Input::Msp(answer));
        }
    }

    /// A call of ours that is answered and that we end. The length of our ACK, which copies of the answer get again.
    fn calling(&mut self, now: Instant, n: usize) -> usize {
        self.ended = false;
        let key = CallKey(n as u64);
        let to = Uri::new("sip:somebody@192.0.2.9:5060").expect("a URI");
        self.give(
            now,
            Input::Command(Command::Dial {
                key,
                to,
                account: None,
            }),
        );
        let invite = self.said();
        let fields =
            "Contact: <sip:somebody@192.0.2.9:5060;ob>\r\nContent-Type: application/sdp\r\n";
        self.receive(now, &response(&invite, "180 Ringing", "", ""));
        self.receive(now, &response(&invite, "200 OK", fields, SDP));
        let ack = self.said();
        assert!(ack.starts_with("ACK"), "{ack}");
        self.give(now, Input::Command(Command::HangUp(key)));
        let bye = self.said();
        assert!(self.ended && bye.starts_with("BYE"), "{bye}");
        self.receive(now, &response(&bye, "200 OK", "", ""));
        ack.len()
    }

    fn said(&self) -> String {
        String::from_utf8_lossy(&self.last).into_owned()
    }

    /// A call that comes in, is answered, and is ended by its caller. The length of our last response, which copies of the
    /// BYE get again.
    fn called(&mut self, now: Instant, n: usize) -> usize {
        self.ended = false;
        self.receive(now, &request("INVITE", n, 1, "", SDP));
        let key = self.key.take().expect("it came in");
        self.give(now, Input::Command(Command::Ring(key)));
        self.give(now, Input::Command(Command::Answer(key)));
        let ok = String::from_utf8_lossy(&self.last).into_owned();
        assert!(ok.starts_with("SIP/2.0 200"), "{ok}");
        let to = ok.lines().find(|l| l.starts_with("To: ")).expect("a To");
        let tag = to.split_once(";tag=").expect("a tag").1;
        let tag = format!(";tag={tag}");
        self.receive(now, &request("ACK", n, 1, &tag, ""));
        self.receive(now, &request("BYE", n, 2, &tag, ""));
        assert!(self.ended && self.last.starts_with(b"SIP/2.0 200"));
        self.last.len()
    }
}

// Shows: a finished call keeps at most 512 bytes beside its last message
#[test]
fn a_finished_call_to_us_keeps_little_beside_its_last_response() {
    weigh(Lean::called);
}

// Shows: a finished call keeps at most 512 bytes beside its last message
#[test]
fn a_finished_call_of_ours_keeps_little() {
    weigh(Lean::calling);
}

/// Makes calls, all within the time of their transactions' timers, and weighs what is left of each.
fn weigh(call: fn(&mut Lean, Instant, usize) -> usize) {
    let mut lean = Lean {
        phone: Phone::new(US, 7, Manner::Silent),
        last: Bytes::new(),
        key: None,
        ended: false,
    };
    let before = LIVE.get();
    const CALLS: usize = 4000;
    let mut messages = 0;
    let mut now = Instant::ZERO;
    for n in 0..CALLS {
        messages += call(&mut lean, now, n);
        now += Duration::from_millis(5);
        lean.phone.agent.timeout(now);
    }
    lean.last = Bytes::new();
    let kept = usize::try_from(LIVE.get() - before).expect("more than before");
    let beside = (kept - messages) / CALLS;
    println!(
        "{} bytes a call, {beside} beside its last message",
        kept / CALLS
    );
    assert!(beside <= 512, "{beside} bytes");
    let agent = lean.phone.agent.kept();
    assert!(
        agent.transactions >= CALLS,
        "it was not too late: {agent:?}"
    );
    // What is over is swept when something happens.
    now += Duration::from_secs(33);
    lean.phone.agent.timeout(now);
    lean.receive(now, "\r\n\r\n");
    assert_eq!(lean.phone.agent.kept(), Kept::default());
    assert_eq!(lean.phone.agent.deadline(), None);
}
