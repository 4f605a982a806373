//! What the fuzz targets do with bytes. These are ordinary functions: libFuzzer calls them from `fuzz_targets`, and
//! the tests of `tsp-sip` call them with collected messages. Each reads, and what can be read has to be the same
//! after it was written and read again.
#![forbid(unsafe_code)]

use bytes::Bytes;
use tsp_sip::wire::auth::{AuthenticationInfo, Challenge, Credentials};
use tsp_sip::wire::{
    Alert, AnswerMode, Event, Fragment, Frame, Framer, HeaderName, Headers, Limits, Message,
    NameAddr, OptionTags, Preference, RAck, Reason, Refused, Replaces, RetryAfter, SessionExpires,
    SubscriptionState, TargetDialog, TelNumber, Uri, Via, check, multipart,
};

/// A target: its name, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 9] = [
    ("message", message),
    ("framing", framing),
    ("uri", uri),
    ("addresses", addresses),
    ("dialogs", dialogs),
    ("events", events),
    ("auth", auth),
    ("bodies", bodies),
    ("sdp", sdp),
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
    if let Ok(session) = tsp_sdp::SessionDescription::parse(bytes) {
        let written = session.to_string();
        let again = tsp_sdp::SessionDescription::parse(written.as_bytes())
            .expect("what was written can be read");
        assert_eq!(again.to_string(), written);
    }
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
