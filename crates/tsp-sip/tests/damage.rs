//! Damaged messages: whatever the bytes, reading ends in a message or a named error.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use proptest::prelude::*;
use tsp_sip::wire::{
    Framer, HeaderName, HostPort, Limits, Message, NameAddr, Params, Refused, Text, Uri, Via, check,
};

/// Asks a message for everything that it can be asked for.
fn exercise(bytes: &Bytes) {
    let limits = Limits::default();
    let mut framer = Framer::new(limits);
    framer.push(bytes);
    while let Ok(Some(_)) = framer.next_frame() {}
    let _ = Refused::salvage(bytes, &limits);
    let Ok(message) = Message::parse_with(bytes, &limits) else {
        return;
    };
    match &message {
        Message::Request(r) => {
            let _ = check::request(r, &limits);
            let _ = r.uri.equivalent(&r.uri);
            let _ = (
                r.uri.user(),
                r.uri.host_port(),
                r.uri.params().count(),
                r.uri.headers().count(),
            );
        }
        Message::Response(r) => {
            let _ = check::response(r, &limits);
        }
    }
    let h = message.headers();
    let _ = (
        h.from(),
        h.to(),
        h.call_id(),
        h.cseq(),
        h.via(),
        h.max_forwards(),
        h.content_type(),
        h.expires(),
    );
    let _ = (
        h.retry_after(),
        h.reasons().count(),
        h.routes().count(),
        h.record_routes().count(),
    );
    for via in h.vias().flatten() {
        let _ = (
            via.received(),
            via.rport(),
            via.stamped(([192, 0, 2, 1], 1).into()).to_string(),
        );
    }
    for contact in h.contacts().flatten() {
        let _ = (
            contact.display(),
            contact.uri().equivalent(contact.uri()),
            contact.to_string(),
        );
    }
    let again = Message::parse(&message.to_bytes()).expect("what was read and written can be read");
    assert_eq!(again.to_bytes(), message.to_bytes(), "writing is stable");
}

fn files(path: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, out);
        } else if path
            .extension()
            .is_some_and(|e| e == "sip" || e == "dat" || e == "msg")
        {
            out.push(path);
        }
    }
}

/// A small generator of numbers, so that a failure can be run again.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below.max(1) as u64) as usize
    }
}

const SEED: &[u8] = b"INVITE sips:al%69ce:p@[2001:db8::1]:5071;transport=tcp;lr?a=b SIP/2.0\r\n\
    v: SIP / 2.0 / UDP h:1 ;branch=z9hG4bK1;rport, SIP/2.0/TCP [::1];received=1.2.3.4\r\nMax-Forwards: 070\r\n\
    TO :\r\n \"A \\\" <b>\" <sip:b@c;p?h=1>; tag = 1 ;x=\"y;\\\"z\"\r\nf: caller<sip:a@b>;tag=2\r\ni: a@b\r\nCSeq: 1\t INVITE\r\n\
    m: <sip:a@b>;q=0.3, \"x\" <tel:+1-2>\r\nRecord-Route: <sip:p;lr>,<sip:q;lr>\r\nReason: SIP;cause=200;text=\"x\"\r\n\
    Retry-After: 10 (x)\r\nc: application/sdp;a=b\r\nl: 5\r\n\r\nv=0\r\nrest";

// Shows: damaged and random messages harm neither the agent nor its call
#[test]
fn damaged_messages_do_no_harm() {
    let mut paths = Vec::new();
    let corpora = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora");
    for folder in ["01-sip-torture", "02-sip-messages", "04-fuzz-seeds/pjsip"] {
        files(&corpora.join(folder), &mut paths);
    }
    let mut seeds: Vec<Vec<u8>> = paths.iter().filter_map(|p| std::fs::read(p).ok()).collect();
    println!("{} collected messages", seeds.len());
    seeds.push(SEED.to_vec());
    for seed in &seeds {
        exercise(&Bytes::from(seed.clone()));
    }
    const SPICE: &[u8] = b"\r\n\0 \t:;,<>\"\\@?%[]/=*()\x7f\x80\xff0129azAZ";
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for _ in 0..100_000 {
        let pick = if numbers.next(2) == 0 {
            seeds.len() - 1
        } else {
            numbers.next(seeds.len())
        };
        let mut bytes = seeds[pick].clone();
        bytes.truncate(4096);
        for _ in 0..=numbers.next(3) {
            let at = numbers.next(bytes.len());
            match numbers.next(5) {
                0 => bytes.insert(at, SPICE[numbers.next(SPICE.len())]),
                1 if !bytes.is_empty() => drop(bytes.remove(at)),
                2 => bytes.truncate(at),
                3 => {
                    let piece: Vec<_> = bytes
                        .iter()
                        .skip(at)
                        .take(numbers.next(40))
                        .copied()
                        .collect();
                    let to = numbers.next(bytes.len());
                    bytes.splice(to..to, piece);
                }
                _ if !bytes.is_empty() => bytes[at] = SPICE[numbers.next(SPICE.len())],
                _ => {}
            }
        }
        exercise(&Bytes::from(bytes));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    // Shows: damaged and random messages harm neither the agent nor its call
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        exercise(&Bytes::from(bytes));
    }

    #[test]
    fn any_text_is_a_value_or_none(text in "[ -~\\t]{0,60}") {
        let bytes = Bytes::from(text.clone());
        if let Ok(address) = NameAddr::parse(&bytes) {
            prop_assert_eq!(NameAddr::parse(&address.to_value()).unwrap().to_value(), address.to_value());
        }
        if let Ok(via) = Via::parse(&bytes) {
            let written = via.to_string();
            prop_assert_eq!(Via::parse(&Bytes::from(written.clone())).unwrap().to_string(), written);
        }
        if let Ok(params) = Params::new(text.as_str()) {
            prop_assert!(params.iter().all(|(name, _)| params.has(name)));
        }
        let _ = (HostPort::new(&text), HeaderName::new(&text), Text::from(text.as_str()));
    }

    #[test]
    fn any_uri_means_itself(
        user in "[a-z%;?/0-9]{0,8}", host in "[a-z0-9.:\\[\\]-]{0,12}", rest in "[;?=&a-z0-9%]{0,20}"
    ) {
        if let Ok(uri) = Uri::new(format!("sip:{user}@{host}{rest}")) {
            prop_assert!(uri.equivalent(&uri));
            let _ = (uri.host(), uri.user(), uri.raw_password(), uri.param("lr"));
            let plain = uri.filtered(|name| name == "lr");
            prop_assert_eq!(&Uri::new(plain.as_str()).unwrap(), &plain);
        }
    }

    #[test]
    fn any_user_is_escaped_and_found_again(user in "\\PC{1,20}") {
        let uri = Uri::sip(Some(&user), &HostPort::new("h:5060").unwrap());
        prop_assert_eq!(&Uri::new(uri.as_str()).unwrap(), &uri);
        prop_assert_eq!(uri.user().unwrap(), user);
    }
}
