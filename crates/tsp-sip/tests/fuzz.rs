//! The fuzz targets as ordinary tests: with collected messages, and with values that are changed in a few places.

#[path = "../../../fuzz/src/signalling.rs"]
#[allow(unreachable_pub, reason = "a part of a library where it is at home")]
mod targets;

use std::path::{Path, PathBuf};

use targets::TARGETS;
use tsp_sip::wire::Message;

fn files(path: &Path, out: &mut Vec<Vec<u8>>) {
    for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_none_or(|e| e != "tsv" && e != "zip") {
            out.extend(std::fs::read(path).ok().filter(|b| b.len() < 70_000));
        }
    }
}

/// Values of every kind that a target reads, well formed.
const VALUES: [&str; 38] = [
    "\"J \\\"R\" <sip:j@example.com;lr?Reason=SIP%3Bcause%3D302>;tag=9;index=1.1;rc=1;expires=5;q=0.7",
    "<sip:c@192.0.2.2>;pub-gruu=\"sip:c@e.com;gr=urn:uuid:f8\";+sip.instance=\"<urn:uuid:f8>\";reg-id=1",
    "SIP/2.0/UDP [2001:db8::1]:5060;branch=z9hG4bK1;received=192.0.2.1;rport=5",
    "<sip:a@b>;party=calling;privacy=full;screen=yes, tel:+1-2-3;reason=user-busy;counter=3",
    "<http://h/a,b.wav>;info=alert-autoanswer, info=intercom",
    "header;session;critical",
    "98asjd8@test.com;to-tag=ff87ff;from-tag=r33th4x0r;early-only",
    "fa77as7dad8@host.example.com;local-tag=kkaz-;remote-tag=6544",
    "776656 1 INVITE",
    "4000;refresher=uac",
    "120 (I'm in a (long\\)) meeting);duration=60",
    "Q.850;cause=16;text=\"Terminated, so\"",
    "SIP;cause=487;text=\"so \\\";x=\\\"y\"",
    "Auto;require",
    "100rel, timer, replaces",
    "presence.winfo;id=5;x=\"y\"",
    "terminated;reason=probation;retry-after=60",
    "active;expires=600",
    "Digest realm=\"a, \\\"b\", nonce=\"1\", qop=\"auth,auth-int\", algorithm=SHA-256, stale=TRUE, userhash=true",
    "NTLM, Negotiate abc==, Digest realm=c,nonce=\"2\",opaque=\"\",domain=\"sip:x\"",
    "Digest username=\"bob\", realm=\"b\", nonce=\"d\", uri=\"sip:b@c\", qop=auth, nc=00000001, cnonce=\"0\", response=\"66\", opaque=\"5\"",
    "nextnonce=\"4\", qop=auth, rspauth=\"6\", cnonce=\"0\", nc=0000001f",
    "x\r\n--b\r\nContent-Type: multipart/mixed;boundary=c\r\n\r\n--c\r\n\r\ny\r\n--c--\r\n--b\r\n\r\n--b--",
    "--b\r\nContent-Type: a/b\r\nContent-Disposition: x;handling=optional\r\n\r\nv=0\r\n--b--\r\n",
    "SIP/2.0 200 OK\r\nTo: <sip:a@b>\r\n\r\nbody",
    "INVITE sip:a@b SIP/2.0\r\nDate: x\r\n",
    "sip:al%69ce;x=y:p@[2001:db8::1]:5071;transport=tcp;lr?Replaces=a%3Bto-tag%3D1%3Bfrom-tag%3D2",
    "tel:863-1234;phone-context=+1-914-555;ext=1-2;isub=A",
    "sip:*72%23@pbx.example;user=phone",
    "sips:+1-201@h;user=phone",
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 5000 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n",
    "\x03OPTIONS sip:a@b SIP/2.0\r\nv: SIP/2.0/TCP h;branch=z9hG4bK1\r\nl: 2\r\n\r\nxx\r\n\r\nBYE sip:a@b SIP/2.0\r\nl: 0\r\n\r\n",
    "OPTIONS sip:a@b SIP/2.0\r\nv: SIP/2.0/TCP h\r\nEvent: a\r\nx: 90;refresher=uas\r\nReplaces: a;to-tag=1;from-tag=2\r\nl: 0\r\n\r\n",
    "SIP/2.0 401 X\r\nWWW-Authenticate: Digest realm=\"a\",nonce=\"b\"\r\nRetry-After: 5\r\nReason: SIP;cause=200\r\n\r\n",
    "1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4;inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR|2:4",
    "\0\x01\0\x08\x21\x12\u{24}\x42ABCDEFGHIJKL\0\x06\0\x03abc\0",
    "BYE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\ni: 1\r\nCSeq: 1 BYE\r\n\r\n\x1eSIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\ni: 1\r\nCSeq: 1 BYE\r\n\r\n",
    "REGISTER sip:a SIP/2.0\r\nm: *\r\nPath: <sip:p;lr>\r\nk: path,gruu\r\nHistory-Info: <sip:a@b>;index=1\r\n\r\n",
];

// Shows: damaged and random messages harm neither the agent nor its call
#[test]
fn collected_messages_pass_every_target() {
    let corpora = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora");
    let mut seeds = Vec::new();
    for folder in [
        "01-sip-torture",
        "02-sip-messages",
        "04-fuzz-seeds",
        "05-sdp",
    ] {
        files(&corpora.join(folder), &mut seeds);
    }
    println!("{} collected files", seeds.len());
    seeds.extend(VALUES.iter().map(|v| v.as_bytes().to_vec()));
    for seed in &seeds {
        for (_, target) in TARGETS {
            target(seed);
        }
        // Each value of a message by itself.
        let Ok(message) = Message::parse(&seed.clone().into()) else {
            continue;
        };
        for field in message.headers().iter() {
            for (_, target) in TARGETS {
                target(field.value());
            }
        }
    }
}

// Shows: damaged and random messages harm neither the agent nor its call
#[test]
fn changed_values_pass_every_target() {
    const SPICE: &[u8] = b"\r\n\0 \t:;,<>\"\\@?%[]/=*()\x7f\x80\xff0129azAZ-+.#";
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut below = move |n: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % n.max(1) as u64).unwrap_or_default()
    };
    for _ in 0..60_000 {
        let mut bytes = VALUES[below(VALUES.len())].as_bytes().to_vec();
        for _ in 0..=below(3) {
            let at = below(bytes.len());
            match below(5) {
                0 => bytes.insert(at, SPICE[below(SPICE.len())]),
                1 if !bytes.is_empty() => drop(bytes.remove(at)),
                2 => bytes.truncate(at),
                3 => {
                    let piece: Vec<_> = bytes.iter().skip(at).take(below(40)).copied().collect();
                    let to = below(bytes.len());
                    bytes.splice(to..to, piece);
                }
                _ if !bytes.is_empty() => bytes[at] = SPICE[below(SPICE.len())],
                _ => {}
            }
        }
        for (_, target) in TARGETS {
            target(&bytes);
        }
    }
}
