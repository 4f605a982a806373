//! Messages of SIP, session descriptions, and what comes between messages. What can be read has to be the same after it
//! was written and read again, and nothing that comes may harm an agent.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use msp_core::time::Instant;
use tsp_sdp::{RemoteSession, SessionDescription};
use tsp_sip::call::{AgentConfig, CallPolicy, Input, Output, RequestPolicy, UserAgent, Weight};
use tsp_sip::transport::{Flow, FlowPolicy};
use tsp_sip::wire::auth::{AuthenticationInfo, Challenge, Credentials};
use tsp_sip::wire::{
    Alert, AnswerMode, Event, Fragment, Frame, Framer, HeaderName, Headers, Limits, Message,
    NameAddr, OptionTags, Preference, RAck, Reason, Refused, Replaces, RetryAfter, SessionExpires,
    SubscriptionState, TargetDialog, TelNumber, Uri, Via, check, multipart,
};

/// A target: its name, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 12] = [
    ("message", message),
    ("framing", framing),
    ("uri", uri),
    ("addresses", addresses),
    ("dialogs", dialogs),
    ("events", events),
    ("auth", auth),
    ("bodies", bodies),
    ("sdp", sdp),
    ("crypto", crypto),
    ("stun", stun),
    ("datagrams", datagrams),
];

/// A datagram, and everything that its header fields can be asked for.
pub fn message(bytes: &[u8]) {
    let (bytes, limits) = (Bytes::copy_from_slice(bytes), Limits::default());
    let _ = Refused::salvage(&bytes, &limits);
    let Ok(message) = Message::parse_with(&bytes, &limits) else {
        return;
    };
    let _ = match &message {
        Message::Request(r) => check::request(r, &limits),
        Message::Response(r) => check::response(r, &limits),
    };
    every_field(message.headers());
    let written = message.to_bytes();
    let again = Message::parse(&written).expect("what was read and written can be read");
    assert_eq!(again.to_bytes(), written, "writing is stable");
}

/// A stream that comes in pieces, whose sizes the first byte decides: the same messages as in one piece.
pub fn framing(bytes: &[u8]) {
    let Some((size, stream)) = bytes.split_first() else {
        return;
    };
    let frames = |size: usize| {
        let (mut framer, mut all) = (Framer::new(Limits::default()), Vec::new());
        for piece in stream.chunks(size) {
            framer.push(piece);
            loop {
                match framer.next_frame() {
                    Ok(Some(Frame::Message(m))) => all.push(m),
                    Ok(Some(Frame::Ping)) => {}
                    Ok(None) => break,
                    Err(_) => return all,
                }
            }
        }
        all
    };
    assert_eq!(
        frames(usize::from(*size).max(1)),
        frames(stream.len().max(1))
    );
}

/// A URI or a telephone number.
pub fn uri(bytes: &[u8]) {
    let Ok(uri) = std::str::from_utf8(bytes)
        .map_err(drop)
        .and_then(|t| Uri::new(t).map_err(drop))
    else {
        return;
    };
    assert!(uri.equivalent(&uri), "{uri:?}");
    let _ = (
        uri.user(),
        uri.host_port(),
        uri.params().count(),
        uri.headers().count(),
    );
    let _ = Replaces::from_uri(&uri);
    if let Ok(number) = TelNumber::from_uri(&uri) {
        let again = number.to_uri().and_then(|u| TelNumber::from_uri(&u));
        assert_eq!(again, Ok(number));
    }
    if let Ok(more) = uri.with_header("x", "a b&?=") {
        assert_eq!(more.headers().count(), uri.headers().count() + 1);
    }
}

/// From, Via, Contact, identities and histories.
pub fn addresses(bytes: &[u8]) {
    let value = Bytes::copy_from_slice(bytes);
    stable(&value, NameAddr::parse, NameAddr::to_value);
    stable(&value, Via::parse, |v| v.to_string().into());
    stable(&value, Alert::parse, Alert::to_value);
    let _ = std::str::from_utf8(bytes).map(Preference::parse);
    in_every_field(&value);
}

/// Replaces, RAck, Session-Expires and others of dialogs.
pub fn dialogs(bytes: &[u8]) {
    let value = Bytes::copy_from_slice(bytes);
    stable(&value, Replaces::parse, Replaces::to_value);
    stable(&value, TargetDialog::parse, TargetDialog::to_value);
    stable(&value, RAck::parse, RAck::to_value);
    stable(&value, SessionExpires::parse, SessionExpires::to_value);
    stable(&value, RetryAfter::parse, RetryAfter::to_value);
    stable(&value, Reason::parse, Reason::to_value);
    stable(&value, AnswerMode::parse, AnswerMode::to_value);
    let tags = std::str::from_utf8(bytes).map(|t| OptionTags::new(t.split(',')));
    if let Ok(Ok(tags)) = tags {
        assert!(tags.without(&tags).is_empty());
    }
}

/// Event and Subscription-State.
pub fn events(bytes: &[u8]) {
    let value = Bytes::copy_from_slice(bytes);
    stable(&value, Event::parse, Event::to_value);
    stable(
        &value,
        SubscriptionState::parse,
        SubscriptionState::to_value,
    );
}

/// Challenges and credentials.
pub fn auth(bytes: &[u8]) {
    let value = Bytes::copy_from_slice(bytes);
    for challenge in Challenge::parse(&value).into_iter().flatten() {
        if let Challenge::Digest(digest) = challenge {
            let again = Challenge::parse(&digest.to_value());
            assert_eq!(again, Ok(vec![Challenge::Digest(digest)]));
        }
    }
    if let Ok(Credentials::Digest(digest)) = Credentials::parse(&value) {
        let again = Credentials::parse(&digest.to_value());
        assert_eq!(again, Ok(Credentials::Digest(digest)));
    }
    stable(
        &value,
        AuthenticationInfo::parse,
        AuthenticationInfo::to_value,
    );
}

/// A body of several parts, whose boundary is `b`, and a piece of a message.
pub fn bodies(bytes: &[u8]) {
    let body = Bytes::copy_from_slice(bytes);
    let mut headers = Headers::new();
    headers
        .push(HeaderName::ContentType, "multipart/mixed;boundary=b")
        .expect("no line break");
    let media = headers.content_type().ok().flatten().expect("a type");
    if let Ok(parts) = multipart::parse(&media, &body) {
        assert!(parts.len() <= 16);
    }
    if let Ok(fragment) = Fragment::parse(&body) {
        let again = Fragment::parse(&fragment.to_bytes()).expect("what was written can be read");
        assert_eq!(again.to_bytes(), fragment.to_bytes());
    }
}

/// A session description.
pub fn sdp(bytes: &[u8]) {
    if let Ok(session) = SessionDescription::parse(bytes) {
        let written = session.to_string();
        let again =
            SessionDescription::parse(written.as_bytes()).expect("what was written can be read");
        assert_eq!(again.to_string(), written);
    }
}

/// A line of keys in a session description.
pub fn crypto(bytes: &[u8]) {
    let Ok(line) = std::str::from_utf8(bytes) else {
        return;
    };
    let keys = |line: &str| {
        let text = format!(
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
             m=audio 5000 RTP/SAVP 0\r\na=crypto:{line}\r\n"
        );
        let description = SessionDescription::parse(text.as_bytes()).ok()?;
        let session = RemoteSession::read(&description).ok()?;
        let params = session.media.into_iter().next()?.params?;
        Some(params.keys.receive)
    };
    for key in keys(line).unwrap_or_default() {
        let written = tsp_sdp::crypto_line(&key);
        let coded = written.split_once("inline:").map_or("", |(_, k)| k);
        let shown = format!("{key:?}");
        assert!(coded.len() < 12 || !shown.contains(coded), "a key is shown");
        let again = keys(written.trim_start_matches("a=crypto:"));
        assert_eq!(again, Some(vec![key]));
    }
}

const US: ([u8; 4], u16) = ([192, 0, 2, 2], 5060);

/// An agent, and what it sent.
struct Agent {
    agent: UserAgent,
    now: Instant,
    sent: Vec<Bytes>,
}

impl Agent {
    fn new(flows: FlowPolicy) -> Self {
        let config = AgentConfig {
            advertise: Vec::new(),
            user: "user".into(),
            user_agent: "fuzz".into(),
            timers: tsp_sip::transaction::Timers::default(),
            requests: RequestPolicy::default(),
            max_calls: 10,
            policy: CallPolicy::default(),
            domain: None,
            flows,
            line: 0,
            advertise_host: None,
            shows_messages: true,
        };
        let mut number = 0u8;
        let agent = UserAgent::new(config, move |bytes: &mut [u8]| {
            for b in bytes {
                number = number.wrapping_add(1);
                *b = number;
            }
        });
        Self {
            agent,
            now: Instant::ZERO,
            sent: Vec::new(),
        }
    }

    fn receive(&mut self, from: SocketAddr, bytes: &[u8]) {
        let flow = Flow::udp(US.into(), from);
        if self.agent.weigh(self.now, flow, bytes) == Weight::Nothing {
            return;
        }
        let bytes = Bytes::copy_from_slice(bytes);
        self.agent.handle(self.now, Input::Received { flow, bytes });
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(output) = self.agent.poll() {
            if let Output::Transmit { bytes, .. } = output {
                self.sent.push(bytes);
            }
        }
    }

    /// Lets time pass.
    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        for step in 0.. {
            assert!(step < 10_000, "there is no end to it");
            let Some(at) = self.agent.deadline().filter(|at| *at <= end) else {
                break;
            };
            self.now = self.now.max(at);
            self.agent.timeout(self.now);
            self.drain();
        }
        self.now = end;
    }
}

/// A datagram of STUN: only a question is answered, with its own name, and the answer is hardly longer.
pub fn stun(bytes: &[u8]) {
    let mut agent = Agent::new(FlowPolicy::default());
    agent.receive(([192, 0, 2, 9], 5060).into(), bytes);
    if !matches!(bytes, [0 | 1, ..]) {
        return;
    }
    assert!(agent.sent.len() <= 1);
    for answer in &agent.sent {
        assert_eq!(bytes.get(..2), Some(&[0, 1][..]), "a question");
        assert_eq!(answer.first(), Some(&1));
        assert_eq!(answer.get(8..20), bytes.get(8..20), "the same name");
        assert!(answer.len() <= bytes.len() + 40);
    }
}

/// Several datagrams, which the byte 0x1e parts, from two sources of which one floods. Whatever they are, an agent that
/// knows what belongs to a call by a glance keeps nothing of them in the end, and answers neither an ACK nor a response.
pub fn datagrams(bytes: &[u8]) {
    let mut flows = FlowPolicy::default();
    (flows.datagrams.per_source, flows.datagrams.in_all) = (2, 4);
    let mut agent = Agent::new(flows);
    let all = bytes.split(|b| *b == 0x1e).take(40);
    for (n, datagram) in all.enumerate() {
        let before = agent.sent.len();
        let from = [192, 0, 2, if n % 4 == 0 { 9 } else { 8 }];
        agent.receive((from, 5060).into(), datagram);
        let response = datagram.starts_with(b"SIP/2.0 ");
        assert!(!response || agent.sent.len() == before, "answered");
        agent.wait(Duration::from_millis(50));
    }
    agent.wait(Duration::from_secs(600));
    let kept = agent.agent.kept();
    assert_eq!((kept.calls, kept.dialogs, kept.transactions), (0, 0, 0));
}

/// What can be read is written so that it reads the same.
fn stable<T, E>(value: &Bytes, read: fn(&Bytes) -> Result<T, E>, write: fn(&T) -> Bytes) {
    if let Ok(first) = read(value) {
        let written = write(&first);
        assert!(
            !written.iter().any(|b| matches!(b, b'\n' | 0))
                || value.iter().any(|b| matches!(b, b'\n' | 0))
        );
        let Ok(second) = read(&written) else {
            panic!("{value:?} was written as {written:?}, which cannot be read");
        };
        assert_eq!(write(&second), written);
    }
}

/// The value in fields of many names.
fn in_every_field(value: &Bytes) {
    let names = [
        "Contact",
        "Path",
        "Service-Route",
        "P-Asserted-Identity",
        "P-Preferred-Identity",
        "Remote-Party-ID",
        "Diversion",
        "History-Info",
        "Privacy",
        "Refer-To",
        "Referred-By",
    ];
    let mut headers = Headers::new();
    for name in names {
        let name = HeaderName::new(name).expect("a token");
        let _ = headers.push(name, value.clone());
    }
    every_field(&headers);
}

/// Asks header fields for everything that they can be asked for.
fn every_field(h: &Headers) {
    let _ = (
        h.from(),
        h.to(),
        h.call_id(),
        h.cseq(),
        h.max_forwards(),
        h.content_type(),
    );
    let _ = (
        h.supported(),
        h.required(),
        h.proxy_required(),
        h.unsupported(),
    );
    let _ = (
        h.expires(),
        h.min_expires(),
        h.flow_timer(),
        h.retry_after(),
        h.session_expires(),
        h.min_se(),
    );
    let _ = (
        h.rack(),
        h.rseq(),
        h.replaces(),
        h.target_dialog(),
        h.refer_to(),
        h.referred_by(),
        h.refer_sub(),
    );
    let _ = (
        h.event(),
        h.subscription_state(),
        h.etag(),
        h.if_match(),
        h.privacy(),
    );
    let _ = (
        h.answer_mode(),
        h.priv_answer_mode(),
        h.authentication_info(),
        h.is_every_contact(),
    );
    let _ = h.accepts("application", "sdp", true);
    for via in h.vias().flatten() {
        let _ = (via.received(), via.rport(), via.branch());
    }
    for contact in h
        .contacts()
        .chain(h.path())
        .chain(h.service_route())
        .flatten()
    {
        let _ = (
            contact.display(),
            contact.expires(),
            contact.preference(),
            contact.instance(),
        );
        let _ = (
            contact.reg_id(),
            contact.pub_gruu(),
            contact.temp_gruu(),
            contact.to_string(),
        );
    }
    for diversion in h.diversions().flatten() {
        let _ = (
            diversion.reason(),
            diversion.counter(),
            diversion.is_private(),
        );
    }
    for entry in h.history().flatten() {
        let _ = (
            entry.index(),
            entry.change(),
            entry.reason(),
            entry.cause(),
            entry.is_private(),
        );
    }
    for party in h.remote_parties().flatten() {
        let _ = (party.party(), party.is_private(), party.is_screened());
    }
    let _ = (
        h.asserted_identities().count(),
        h.preferred_identities().count(),
    );
    let _ = (
        h.reasons().count(),
        h.alerts().count(),
        h.routes().count(),
        h.record_routes().count(),
    );
    let _ = (h.www_challenges().count(), h.proxy_challenges().count());
    let _ = (h.authorizations().count(), h.proxy_authorizations().count());
}
