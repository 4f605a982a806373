//! Messages and packets of the call, as bytes.

use std::sync::Arc;
use std::time::Duration;

use msp_codecs::CodecFactory;
use msp_core::time::Instant;
use msp_core::trace::{PacketKind, TraceBody, Way};

use super::{Conditions, End, address, agreed, entry, media};

const ALICE: &str = "127.0.0.1:5060";
const BOB: &str = "127.0.0.1:5070";

pub(super) fn timestamp(conditions: &Conditions, sender: usize, number: usize) -> u32 {
    conditions
        .first_timestamp
        .wrapping_add(sender as u32 * 77_777)
        .wrapping_add(number as u32 * 160)
}

pub(super) fn rtp(
    conditions: &Conditions,
    sender: usize,
    number: usize,
    payload: &[u8],
) -> Vec<u8> {
    let payload_type = if conditions.a_law { 8 } else { 0 };
    let marker = if number == 0 { 0x80 } else { 0 };
    let mut bytes = vec![0x80, payload_type | marker];
    bytes.extend_from_slice(&(65_500 + number as u32).to_be_bytes()[2..]);
    bytes.extend_from_slice(&timestamp(conditions, sender, number).to_be_bytes());
    bytes.extend_from_slice(&(0xa11c_e000 + sender as u32).to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// Puts `text` into the traces of both ends; `from` sends.
fn signal(ends: &mut [End; 2], from: usize, at: Instant, text: &str) {
    let addresses = [address(ALICE), address(BOB)];
    let bytes: Arc<[u8]> = text.replace('\n', "\r\n").into_bytes().into();
    for (way, end, at) in [
        (Way::Out, from, at),
        (Way::In, 1 - from, at + Duration::from_micros(240)),
    ] {
        ends[end].entries.push(entry(
            at,
            TraceBody::Signal {
                way,
                local: addresses[end],
                remote: addresses[1 - end],
                transport: "UDP",
                bytes: Arc::clone(&bytes),
            },
        ));
    }
}

fn sdp(user: &str, port: u16, formats: &str, lines: &str) -> String {
    format!(
        "v=0\no={user} 2890844526 2890844526 IN IP4 127.0.0.1\ns=-\nc=IN IP4 127.0.0.1\nt=0 0\n\
         m=audio {port} RTP/AVP {formats}\n{lines}a=rtpmap:101 telephone-event/8000\na=fmtp:101 0-16\na=ptime:20\n\
         a=sendrecv\n"
    )
}

fn message(first: &str, tag: &str, cseq: &str, extra: &str, body: &str) -> String {
    // In the text lines end in one byte, on the wire in two.
    let length = body.len() + body.matches('\n').count();
    format!(
        "{first}\nVia: SIP/2.0/UDP {ALICE};branch=z9hG4bK776asdhds{}\nFrom: {{A}} <sip:alice@127.0.0.1>;tag=1928301774\n\
         To: {{B}} <sip:bob@127.0.0.1>{tag}\nCall-ID: a84b4c76e66710@127.0.0.1\nCSeq: {cseq}\n{extra}\
         Content-Length: {length}\n\n{body}",
        &cseq[..1],
    )
}

/// The call is set up; returns when it was answered.
pub(super) fn setup(
    conditions: &Conditions,
    ends: &mut [End; 2],
    codec: &dyn CodecFactory,
) -> Instant {
    let at = |ms: u64| Instant::from_millis(1000 + ms);
    let named = |text: String| {
        text.replace("{A}", conditions.names[0])
            .replace("{B}", conditions.names[1])
    };
    let tag = ";tag=a6c85cf";
    let offer = sdp(
        "alice",
        40000,
        "0 8 101",
        "a=rtpmap:0 PCMU/8000\na=rtpmap:8 PCMA/8000\n",
    );
    let (number, name) = if conditions.a_law {
        (8, "PCMA")
    } else {
        (0, "PCMU")
    };
    let answer = sdp(
        "bob",
        40100,
        &format!("{number} 101"),
        &format!("a=rtpmap:{number} {name}/8000\n"),
    );
    let contact = "Contact: <sip:bob@127.0.0.1:5070>\nUser-Agent: tipring/0.1.0\n";
    let with_sdp = format!("{contact}Content-Type: application/sdp\n");
    let invite = message(
        "INVITE sip:bob@127.0.0.1:5070 SIP/2.0",
        "",
        "1 INVITE",
        &format!(
            "Max-Forwards: 70\nAuthorization: Digest username=\"alice\", realm=\"x\", nonce=\"84a4cc6f\", response=\"7587245234b3434cc3412213e5f113a5\"\n{with_sdp}"
        ),
        &offer,
    );
    signal(ends, 0, at(0), &named(invite));
    signal(
        ends,
        1,
        at(2),
        &named(message("SIP/2.0 100 Trying", "", "1 INVITE", "", "")),
    );
    signal(
        ends,
        1,
        at(5),
        &named(message("SIP/2.0 180 Ringing", tag, "1 INVITE", contact, "")),
    );
    let answered = at(412);
    signal(
        ends,
        1,
        answered,
        &named(message(
            "SIP/2.0 200 OK",
            tag,
            "1 INVITE",
            &with_sdp,
            &answer,
        )),
    );
    let ack = message(
        "ACK sip:bob@127.0.0.1:5070 SIP/2.0",
        tag,
        "1 ACK",
        "Max-Forwards: 70\n",
        "",
    );
    signal(ends, 0, answered + Duration::from_millis(2), &named(ack));
    let (a, b) = (address("127.0.0.1:40000"), address("127.0.0.1:40100"));
    ends[0]
        .entries
        .push(agreed(answered + Duration::from_millis(1), codec, a, b));
    ends[1].entries.push(agreed(answered, codec, b, a));
    answered
}

pub(super) fn teardown(conditions: &Conditions, ends: &mut [End; 2], at: Instant) {
    let named = |text: String| {
        text.replace("{A}", conditions.names[0])
            .replace("{B}", conditions.names[1])
    };
    let tag = ";tag=a6c85cf";
    let bye = message(
        "BYE sip:bob@127.0.0.1:5070 SIP/2.0",
        tag,
        "2 BYE",
        "Max-Forwards: 70\n",
        "",
    );
    signal(ends, 0, at, &named(bye));
    let ok = message("SIP/2.0 200 OK", tag, "2 BYE", "", "");
    signal(ends, 1, at + Duration::from_millis(3), &named(ok));
}

/// A report each five seconds, both ways.
pub(super) fn reports(ends: &mut [End; 2], answered: Instant, seconds: u64) {
    let addresses = [address("127.0.0.1:40001"), address("127.0.0.1:40101")];
    for n in 0..2 {
        for second in (3 + n as u64..seconds).step_by(5) {
            let at = answered + Duration::from_secs(second);
            let mut bytes = vec![0x81, 200, 0, 12];
            bytes.extend_from_slice(&(0xa11c_e000 + n as u32).to_be_bytes());
            bytes.resize(52, 0);
            let bytes: Arc<[u8]> = bytes.into();
            for (way, end) in [(Way::Out, n), (Way::In, 1 - n)] {
                ends[end].entries.push(media(
                    at,
                    way,
                    PacketKind::Rtcp,
                    addresses[end],
                    addresses[1 - end],
                    &bytes,
                    None,
                ));
            }
        }
    }
}
