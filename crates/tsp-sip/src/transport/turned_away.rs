//! A 503 made of the bytes of the request that it refuses: the request is not read, and nothing of it is kept.

use std::fmt::Write as _;

use bytes::Bytes;

use super::{Flow, way_of_responses};
use crate::wire::Via;

/// What a response repeats of its request (RFC 3261 section 8.2.6.2).
const REPEATED: [(&[u8], &[u8]); 5] = [
    (b"via", b"v"),
    (b"from", b"f"),
    (b"to", b"t"),
    (b"call-id", b"i"),
    (b"cseq", b"cseq"),
];

/// The refusal of `request`, a datagram, with a `Retry-After` of so many seconds (RFC 3261 section 21.5.4) and our `tag` in
/// To, and the way that it goes (RFC 3261 section 18.2.2, RFC 3581 section 4). `None` if a field is missing, there twice,
/// or cannot be read.
pub(crate) fn turned_away(
    request: &Bytes,
    flow: Flow,
    tag: &str,
    seconds: u64,
) -> Option<(Flow, Bytes)> {
    let text = std::str::from_utf8(request).ok()?;
    let mut out = String::with_capacity(request.len().min(1024) + 128);
    out.push_str("SIP/2.0 503 Service Unavailable\r\n");
    let mut seen = [0_usize; REPEATED.len()];
    let mut back = None;
    let mut lines = text.split_inclusive('\n').skip(1).peekable();
    loop {
        let line = lines.next()?.trim_ascii_end();
        if line.is_empty() {
            break;
        }
        // A folded field is no field that this can copy (RFC 3261 section 7.3.1).
        let folded = lines.peek().is_some_and(|l| l.starts_with([' ', '\t']));
        let (name, value) = line.split_once(':')?;
        let name = name.trim_ascii_end().as_bytes();
        let is = |(long, short): &(&[u8], &[u8])| {
            name.eq_ignore_ascii_case(long) || name.eq_ignore_ascii_case(short)
        };
        let Some(n) = REPEATED.iter().position(is) else {
            while lines.next_if(|l| l.starts_with([' ', '\t'])).is_some() {}
            continue;
        };
        if folded {
            return None;
        }
        *seen.get_mut(n)? += 1;
        match n {
            0 if back.is_none() => {
                let (way, stamped) = stamped(value, request, flow)?;
                back = Some(way);
                write!(out, "Via: {stamped}\r\n").ok()?;
            }
            2 => write!(out, "{line};tag={tag}\r\n").ok()?,
            _ => write!(out, "{line}\r\n").ok()?,
        }
    }
    let once = seen.iter().skip(1).all(|n| *n == 1);
    write!(out, "Retry-After: {seconds}\r\nContent-Length: 0\r\n\r\n").ok()?;
    Some((back.filter(|_| once)?, out.into()))
}

/// The first line of Via with its source noted, and the way back.
fn stamped(value: &str, request: &Bytes, flow: Flow) -> Option<(Flow, String)> {
    // A comma in quotes is rare, and cuts off what cannot be read then.
    let (top, rest) = match value.split_once(',') {
        Some((top, rest)) => (top, Some(rest)),
        None => (value, None),
    };
    let via = Via::parse(&request.slice_ref(top.trim_ascii().as_bytes())).ok()?;
    let stamped = via.stamped(flow.remote);
    let line = match rest {
        Some(rest) => format!("{stamped},{rest}"),
        None => stamped.to_string(),
    };
    Some((way_of_responses(&stamped, flow), line))
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn flow() -> Flow {
        Flow::udp(
            "192.0.2.9:5060".parse().unwrap(),
            "192.0.2.1:9988".parse().unwrap(),
        )
    }

    fn refused(text: &'static str) -> Option<(SocketAddr, String)> {
        let (back, bytes) = turned_away(&Bytes::from_static(text.as_bytes()), flow(), "busy", 7)?;
        Some((back.remote, String::from_utf8(bytes.to_vec()).unwrap()))
    }

    // Shows: a request beyond what can be served is refused unread with 503 and Retry-After | RFC 3261 21.5.4, 8.2.6.2
    #[test]
    fn the_refusal_repeats_what_a_response_must() {
        let (back, text) = refused(
            "INVITE sip:a@192.0.2.9 SIP/2.0\r\nv: SIP/2.0/UDP 10.1.1.1:4540;rport;branch=z9hG4bKa, SIP/2.0/UDP h;branch=z9hG4bKb\r\n\
             Via: SIP/2.0/UDP i;branch=z9hG4bKc\r\nSubject: x\r\n y: z\r\nf: <sip:b@c>;tag=1\r\nTo: <sip:a@192.0.2.9>\r\n\
             Call-ID: x@y\r\nCSeq: 7 INVITE\r\nContent-Length: 4\r\n\r\nTo:x",
        )
        .unwrap();
        assert_eq!(back, flow().remote);
        assert_eq!(
            text,
            "SIP/2.0 503 Service Unavailable\r\n\
             Via: SIP/2.0/UDP 10.1.1.1:4540;rport=9988;branch=z9hG4bKa;received=192.0.2.1, SIP/2.0/UDP h;branch=z9hG4bKb\r\n\
             Via: SIP/2.0/UDP i;branch=z9hG4bKc\r\nf: <sip:b@c>;tag=1\r\nTo: <sip:a@192.0.2.9>;tag=busy\r\n\
             Call-ID: x@y\r\nCSeq: 7 INVITE\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"
        );
    }

    #[test]
    fn without_rport_it_goes_to_the_port_of_sent_by() {
        let (back, text) = refused(
            "OPTIONS sip:a@b SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.1:4540;branch=z9hG4bKa\nFrom: <sip:b@c>;tag=1\n\
             To: a <sip:a@b>\ni: x\nCSeq: 1 OPTIONS\n\n",
        )
        .unwrap();
        assert_eq!(back, "192.0.2.1:4540".parse().unwrap());
        assert!(text.contains("To: a <sip:a@b>;tag=busy\r\n"), "{text}");
    }

    #[test]
    fn what_cannot_be_copied_is_not_answered() {
        for bad in [
            "",
            "INVITE sip:a@b SIP/2.0\r\n\r\n",
            "INVITE sip:a@b SIP/2.0\r\nVia: x\r\nFrom: f\r\nTo: t\r\nCall-ID: i\r\nCSeq: 1 INVITE\r\n\r\n",
            "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nFrom: f\r\nTo: t\r\nCall-ID: i\r\nCSeq: 1 INVITE\r\n",
            "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nFrom: f\r\nTo: t\r\nTo: t\r\nCall-ID: i\r\nCSeq: 1 INVITE\r\n\r\n",
            "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nFrom: f\r\n x\r\nTo: t\r\nCall-ID: i\r\nCSeq: 1 INVITE\r\n\r\n",
        ] {
            assert_eq!(refused(bad), None, "{bad}");
        }
    }
}
