//! Hides digests, keys and passwords in signalling, without changing any length.
//!
//! Lengths stay so that `Content-Length`, captures and byte counts remain true.

use std::ops::Range;

/// `message` with every credential replaced by as many `x`, which base64 readers take too.
///
/// Hidden are the secret parameters of digests and whole other credentials in the headers of RFC 3261 section 22 and
/// RFC 7616, master keys of `a=crypto` (RFC 4568), `a=key-mgmt` (RFC 4567) and `k=` (RFC 4566 section 5.12), `a=ice-pwd` (RFC 8839), and
/// passwords in SIP URIs (RFC 3261 section 19.1.1).
pub fn masked(message: &[u8]) -> Vec<u8> {
    let mut out = message.to_vec();
    // A header goes on in the lines that begin with a blank (RFC 3261 section 7.3.1): what it hides they hide.
    let mut header = Header::Other;
    for line in lines(message) {
        let Some(text) = message.get(line.clone()) else {
            continue;
        };
        let folded = matches!(text.first(), Some(b' ' | b'\t'));
        if !folded {
            header = Header::of(text);
        }
        let mut hide = |range: Range<usize>| {
            let range = line.start + range.start..line.start + range.end;
            if let Some(secret) = out.get_mut(range) {
                secret.fill(b'x');
            }
        };
        match header {
            Header::Credentials => {
                let start = if folded { 0 } else { after_colon(text) };
                hide_credentials(text, start, folded, &mut hide);
            }
            Header::Other => hide_description(text, &mut hide),
        }
        hide_uri_passwords(text, &mut hide);
    }
    out
}

#[derive(Clone, Copy, PartialEq)]
enum Header {
    Credentials,
    Other,
}

impl Header {
    const CREDENTIALS: [&'static str; 6] = [
        "authorization",
        "proxy-authorization",
        "www-authenticate",
        "proxy-authenticate",
        "authentication-info",
        "proxy-authentication-info",
    ];

    fn of(line: &[u8]) -> Self {
        let name = line.split(|b| *b == b':').next().unwrap_or_default();
        let name = name.trim_ascii();
        if Self::CREDENTIALS
            .iter()
            .any(|c| c.as_bytes().eq_ignore_ascii_case(name))
        {
            Self::Credentials
        } else {
            Self::Other
        }
    }
}

/// Parameters of a digest that say nothing about the secret; all others are hidden.
const OPEN: [&str; 9] = [
    "realm",
    "domain",
    "stale",
    "algorithm",
    "qop",
    "username",
    "uri",
    "nc",
    "userhash",
];

/// The lines of `message` without what ends them: CRLF, LF or CR.
fn lines(message: &[u8]) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let mut start = 0;
    for (at, byte) in message.iter().enumerate() {
        if matches!(byte, b'\r' | b'\n') {
            if at > start {
                out.push(start..at);
            }
            start = at + 1;
        }
    }
    if start < message.len() {
        out.push(start..message.len());
    }
    out
}

fn after_colon(line: &[u8]) -> usize {
    line.iter()
        .position(|b| *b == b':')
        .map_or(line.len(), |c| c + 1)
}

/// Walks `name=value` pairs; a value is a token or a quoted string. What is no pair and no scheme is hidden whole.
fn hide_credentials(line: &[u8], start: usize, folded: bool, hide: &mut impl FnMut(Range<usize>)) {
    let mut at = start;
    // Only the first word of the header may be the scheme.
    let mut scheme_may_come = !folded;
    while let Some(byte) = line.get(at) {
        if matches!(byte, b' ' | b'\t' | b',' | b';') {
            at += 1;
            continue;
        }
        let word = at..end_of(line, at, |b| matches!(b, b' ' | b'\t' | b',' | b'='));
        let mut next = word.end;
        while matches!(line.get(next), Some(b' ' | b'\t')) {
            next += 1;
        }
        if line.get(next) == Some(&b'=') {
            let mut value = next + 1;
            while matches!(line.get(value), Some(b' ' | b'\t')) {
                value += 1;
            }
            let (inner, end) = value_at(line, value);
            let name = line.get(word.clone()).unwrap_or_default();
            if inner.is_empty() || line.get(inner.start) == Some(&b'=') {
                // `token68` credentials may end in `=` (RFC 9110 section 11.2).
                hide(word);
            } else if !OPEN.iter().any(|o| o.as_bytes().eq_ignore_ascii_case(name)) {
                hide(inner);
            }
            at = end.max(next + 1);
        } else {
            if !scheme_may_come {
                hide(word.clone());
            }
            at = word.end.max(at + 1);
        }
        scheme_may_come = false;
    }
}

/// The inside of the value at `at` and where it ends.
fn value_at(line: &[u8], at: usize) -> (Range<usize>, usize) {
    if line.get(at) != Some(&b'"') {
        let end = end_of(line, at, |b| matches!(b, b' ' | b'\t' | b','));
        return (at..end, end);
    }
    let mut end = at + 1;
    while let Some(byte) = line.get(end) {
        match byte {
            b'\\' => end += 2,
            b'"' => return (at + 1..end, end + 1),
            _ => end += 1,
        }
    }
    // Never closed: all that is left belongs to it.
    (at + 1..line.len(), line.len())
}

fn end_of(line: &[u8], from: usize, stop: impl Fn(u8) -> bool) -> usize {
    line.iter()
        .skip(from)
        .position(|b| stop(*b))
        .map_or(line.len(), |n| from + n)
}

fn starts_with(line: &[u8], prefix: &str) -> bool {
    line.get(..prefix.len())
        .is_some_and(|l| l.eq_ignore_ascii_case(prefix.as_bytes()))
}

/// Keys in the lines of a session description.
fn hide_description(line: &[u8], hide: &mut impl FnMut(Range<usize>)) {
    if starts_with(line, "a=ice-pwd:") {
        hide("a=ice-pwd:".len()..line.len());
    } else if starts_with(line, "a=key-mgmt:") {
        let start = end_of(line, 0, |b| b == b' ');
        hide(start.min(line.len())..line.len());
    } else if starts_with(line, "k=") {
        let start = end_of(line, 0, |b| b == b':');
        hide((start + 1).min(line.len())..line.len());
    } else if starts_with(line, "a=crypto:") {
        for start in find(line, b"inline:") {
            let start = start + "inline:".len();
            hide(start..end_of(line, start, |b| matches!(b, b'|' | b';' | b' ')));
        }
    }
}

/// `sip:user:password@host`: what stands between the colon and the `@`.
fn hide_uri_passwords(line: &[u8], hide: &mut impl FnMut(Range<usize>)) {
    for scheme in [&b"sip:"[..], b"sips:"] {
        for start in find(line, scheme) {
            let start = start + scheme.len();
            let end = end_of(line, start, |b| {
                matches!(b, b'@' | b'<' | b'>' | b'"' | b' ' | b'\t' | b',')
            });
            let user = line.get(start..end).unwrap_or_default();
            let colon = user.iter().position(|b| *b == b':');
            if let (Some(b'@'), Some(colon)) = (line.get(end), colon) {
                hide(start + colon + 1..end);
            }
        }
    }
}

/// Where `needle` begins in `line`, whatever its case.
fn find<'a>(line: &'a [u8], needle: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    line.windows(needle.len())
        .enumerate()
        .filter(|(_, w)| w.eq_ignore_ascii_case(needle))
        .map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn mask(text: &str) -> String {
        String::from_utf8(masked(text.as_bytes())).unwrap()
    }

    #[test]
    fn digests_keep_what_is_no_secret() {
        // RFC 3261 section 22.4, with the credentials of its section 24.2 in folded form.
        let header = "Authorization: Digest username=\"bob\",\r\n realm=\"biloxi.com\",\r\n nonce=\"dcd98b71\",\
                      \r\n uri=\"sip:bob@biloxi.com\", qop=auth, nc=00000001,\r\n cnonce=\"0a4f113b\", response=6629fae4,\
                      \r\n opaque = \"5ccc\"\r\n";
        let expected = "Authorization: Digest username=\"bob\",\r\n realm=\"biloxi.com\",\r\n nonce=\"xxxxxxxx\",\
                      \r\n uri=\"sip:bob@biloxi.com\", qop=auth, nc=00000001,\r\n cnonce=\"xxxxxxxx\", response=xxxxxxxx,\
                      \r\n opaque = \"xxxx\"\r\n";
        assert_eq!(mask(header), expected);
    }

    #[test]
    fn any_other_credentials_are_hidden_whole() {
        for (text, expected) in [
            (
                "Authorization: Basic dXNlcjpwYXNz",
                "Authorization: Basic xxxxxxxxxxxx",
            ),
            (
                "proxy-authorization:Bearer abc.def==",
                "proxy-authorization:Bearer xxxxxxx==",
            ),
            (
                "WWW-Authenticate: Digest realm=\"a\\\"b\",nonce=\"x\\\"y\"",
                "WWW-Authenticate: Digest realm=\"a\\\"b\",nonce=\"xxxx\"",
            ),
            (
                "Authentication-Info: nextnonce=\"never closed",
                "Authentication-Info: nextnonce=\"xxxxxxxxxxxx",
            ),
            (
                "Authorization:\r\n Digest response=\"abc\"",
                "Authorization:\r\n xxxxxx response=\"xxx\"",
            ),
        ] {
            assert_eq!(mask(text), expected);
        }
    }

    #[test]
    fn keys_of_descriptions_and_passwords_of_uris_are_hidden() {
        for (text, expected) in [
            (
                "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgew|2^20|1:4;inline:QUJD|2^31",
                "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:xxxxxxxxxxxxxxxxxxxxxx|2^20|1:4;inline:xxxx|2^31",
            ),
            (
                "a=ice-pwd:asd88fgpdd777uzjYhagZg",
                "a=ice-pwd:xxxxxxxxxxxxxxxxxxxxxx",
            ),
            ("a=ice-ufrag:8hhY", "a=ice-ufrag:8hhY"),
            ("a=key-mgmt:mikey AQAF", "a=key-mgmt:mikeyxxxxx"),
            ("k=clear:secret", "k=clear:xxxxxx"),
            (
                "To: <sip:alice:secretword@atlanta.com>",
                "To: <sip:alice:xxxxxxxxxx@atlanta.com>",
            ),
            ("To: <sip:atlanta.com:5060>", "To: <sip:atlanta.com:5060>"),
            ("a=fingerprint:sha-256 AA:BB", "a=fingerprint:sha-256 AA:BB"),
        ] {
            assert_eq!(mask(text), expected);
        }
    }

    proptest! {
        #[test]
        fn no_length_and_no_line_end_ever_changes(
            parts in prop::collection::vec(prop::sample::select(vec![
                "Authorization:", "a=crypto:", "inline:", "a=ice-pwd:", "\r\n", "\n ", "\"", "\\", "=", ",", "sip:", ":", "@",
                "nonce", " ", "Digest", "x", "k=", "response=\"", "\u{e9}",
            ]), 0..40)
        ) {
            let text = parts.concat();
            let out = masked(text.as_bytes());
            prop_assert_eq!(out.len(), text.len());
            let ends = |b: &[u8]| b.iter().map(|b| matches!(b, b'\r' | b'\n')).collect::<Vec<_>>();
            prop_assert_eq!(ends(&out), ends(text.as_bytes()));
            prop_assert_eq!(masked(&out).len(), out.len());
        }
    }
}
