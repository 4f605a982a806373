//! Keys and certificates in a description: `a=crypto`, `a=fingerprint`, `a=setup`.

use msp_core::params::{Fingerprint, MasterKey, Setup};
use msp_core::secret::Secret;

use crate::attribute::token;

/// Suites of which the length of key and salt is known, in bytes (RFC 4568 section 6.2, RFC 6188, RFC 7714).
const SUITES: [(&str, usize); 9] = [
    ("AES_CM_128_HMAC_SHA1_80", 30),
    ("AES_CM_128_HMAC_SHA1_32", 30),
    ("F8_128_HMAC_SHA1_80", 30),
    ("AES_192_CM_HMAC_SHA1_80", 38),
    ("AES_192_CM_HMAC_SHA1_32", 38),
    ("AES_256_CM_HMAC_SHA1_80", 46),
    ("AES_256_CM_HMAC_SHA1_32", 46),
    ("AEAD_AES_128_GCM", 28),
    ("AEAD_AES_256_GCM", 44),
];

/// The registered name of a suite. Many write AES-256 in counter mode as its sibling is written.
pub(crate) fn canonical_suite(name: &str) -> &str {
    match name {
        "AES_CM_256_HMAC_SHA1_80" => "AES_256_CM_HMAC_SHA1_80",
        "AES_CM_256_HMAC_SHA1_32" => "AES_256_CM_HMAC_SHA1_32",
        name => name,
    }
}

/// A suite as it is registered, or as many write it: its letters may come in either case (RFC 4568 section 9.2).
fn in_capitals(name: &str) -> String {
    let capitals = name.to_ascii_uppercase();
    let known = SUITES
        .iter()
        .any(|(suite, _)| *suite == canonical_suite(&capitals));
    if known { capitals } else { name.to_owned() }
}

/// The longest key and salt of a suite that is not known, in bytes.
const LONGEST_KEY: usize = 64;

/// Keys in one line at most.
const KEYS_A_LINE: usize = 4;

/// Packets that any key may be used for at most (RFC 3711 section 9.2).
const LONGEST_LIFE: u64 = 1 << 48;

/// Reads `tag suite inline:key|lifetime|mki:length;inline:... params` (RFC 4568 section 9.1): the keys of one line, which only
/// their identifiers tell apart (section 6.1). A session parameter that changes what the key does, for instance
/// `UNENCRYPTED_SRTP`, makes the line unusable: to ignore it would be to send what the peer cannot read, or
/// to take what anybody could have written.
pub(crate) fn parse_crypto(value: &str) -> Option<Vec<MasterKey>> {
    let mut words = value.split_ascii_whitespace();
    let tag = words.next()?;
    // The tag has one to nine digits and no leading zero.
    if tag.len() > 9 || (tag.len() > 1 && tag.starts_with('0')) {
        return None;
    }
    let tag: u32 = all_digits(tag)?.parse().ok()?;
    let suite = in_capitals(words.next()?);
    let inline = words.next()?;
    if words.any(|param| !param.starts_with("KDR=0") && !param.starts_with("WSH=")) {
        return None;
    }
    let mut keys: Vec<MasterKey> = Vec::new();
    for key in inline.split(';') {
        let (key_and_salt, mki) = parse_inline(&suite, key)?;
        let differs = |k: &MasterKey| match (k.mki, mki) {
            (Some(one), Some(other)) => one.0 != other.0 && one.1 == other.1,
            _ => false,
        };
        if keys.len() == KEYS_A_LINE || !keys.iter().all(differs) {
            return None;
        }
        keys.push(MasterKey {
            tag,
            suite: suite.as_str().into(),
            key_and_salt,
            mki,
        });
    }
    Some(keys)
}

/// An identifier and its length in bytes.
type Identifier = (u64, u8);

/// Reads `inline:key|lifetime|mki:length` of a suite.
fn parse_inline(suite: &str, key: &str) -> Option<(Secret<Vec<u8>>, Option<Identifier>)> {
    let (method, key) = key.split_once(':')?;
    let mut parts = key.split('|');
    if !method.eq_ignore_ascii_case("inline") {
        return None;
    }
    let key_and_salt = Secret::new(base64_decode(parts.next()?)?);
    let length = key_and_salt.expose().len();
    let known = SUITES
        .iter()
        .find(|(name, _)| *name == canonical_suite(suite));
    match known {
        Some((_, wanted)) if *wanted != length => return None,
        None if length == 0 || length > LONGEST_KEY => return None,
        _ => {}
    }
    // A lifetime and an identifier may follow, in that order; only the identifier has a colon.
    let mut mki = None;
    for part in parts {
        if let Some((value, length)) = part.split_once(':') {
            let length: u8 = length.parse().ok().filter(|n| (1..=128).contains(n))?;
            let value: u64 = all_digits(value)?.parse().ok()?;
            if length < 8 && value >> (8 * u32::from(length)) != 0 {
                return None;
            }
            mki = Some((value, length));
        } else {
            check_lifetime(part)?;
        }
    }
    Some((key_and_salt, mki))
}

/// Reads for how many packets a key may be used, or which power of two (RFC 4568 section 6.1). It binds the one who sends with
/// the key, so the peer counts: we take no less when it is over.
fn check_lifetime(text: &str) -> Option<()> {
    let packets = match text.strip_prefix("2^") {
        Some(power) => 1_u64.checked_shl(all_digits(power)?.parse().ok()?)?,
        None => all_digits(text)?.parse().ok()?,
    };
    (1..=LONGEST_LIFE).contains(&packets).then_some(())
}

/// The `a=crypto` line of a key (RFC 4568 section 9.1). Everybody who sees it can use the key.
pub fn crypto_line(key: &MasterKey) -> String {
    let mut line = format!(
        "a=crypto:{} {} inline:{}",
        key.tag,
        key.suite,
        base64_encode(key.key_and_salt.expose())
    );
    if let Some((value, length)) = key.mki {
        line.push_str(&format!("|{value}:{length}"));
    }
    line
}

/// Reads `hash AB:CD:...` (RFC 8122 section 5).
pub(crate) fn parse_fingerprint(value: &str) -> Option<Fingerprint> {
    let (hash, bytes) = value.split_once(' ')?;
    let value: Vec<u8> = bytes
        .trim()
        .split(':')
        .map(|pair| {
            (pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit()))
                .then(|| u8::from_str_radix(pair, 16).ok())
                .flatten()
        })
        .collect::<Option<_>>()?;
    (value.len() <= 64).then_some(Fingerprint {
        // Names of hashes are compared without regard to case.
        hash: token(hash)?.to_ascii_lowercase().into(),
        value,
    })
}

/// The line of a fingerprint.
pub(crate) fn print_fingerprint(fingerprint: &Fingerprint) -> String {
    let bytes: Vec<String> = fingerprint
        .value
        .iter()
        .map(|b| format!("{b:02X}"))
        .collect();
    format!("a=fingerprint:{} {}", fingerprint.hash, bytes.join(":"))
}

/// Reads a role, seen from the one who wrote it.
pub(crate) fn parse_setup(value: &str) -> Option<Setup> {
    Some(match value {
        "active" => Setup::Active,
        "passive" => Setup::Passive,
        "actpass" => Setup::ActPass,
        _ => return None,
    })
}

/// The line of our role.
pub(crate) fn print_setup(setup: Setup) -> String {
    let role = match setup {
        Setup::Active => "active",
        Setup::Passive => "passive",
        Setup::ActPass => "actpass",
    };
    format!("a=setup:{role}")
}

/// The role seen from the other end.
pub(crate) const fn reversed(setup: Setup) -> Setup {
    match setup {
        Setup::Active => Setup::Passive,
        Setup::Passive => Setup::Active,
        Setup::ActPass => Setup::ActPass,
    }
}

fn all_digits(text: &str) -> Option<&str> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then_some(text)
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64_encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut group = [0; 3];
        for (to, from) in group.iter_mut().zip(chunk) {
            *to = *from;
        }
        let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        for i in 0..4 {
            if i <= chunk.len() {
                let six = (bits >> (18 - 6 * i)) & 63;
                out.push(char::from(ALPHABET[six as usize]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

/// Base64 (RFC 4648 section 4), with padding or without: peers leave it out.
fn base64_decode(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=');
    if text.len() - digits.len() > 2 || digits.len() % 4 == 1 {
        return None;
    }
    let mut out = Vec::with_capacity(digits.len() * 3 / 4);
    let (mut bits, mut count) = (0_u32, 0_u32);
    for digit in digits.bytes() {
        let six = ALPHABET.iter().position(|a| *a == digit)?;
        bits = (bits << 6) | six as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    (bits == 0).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_rfc_4648() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64_encode(plain.as_bytes()), coded);
            assert_eq!(base64_decode(coded).unwrap(), plain.as_bytes());
            let bare = coded.trim_end_matches('=');
            assert_eq!(base64_decode(bare).unwrap(), plain.as_bytes());
        }
        for bad in ["Z", "Zg===", "Z$==", "Zh=="] {
            assert_eq!(base64_decode(bad), None, "{bad}");
        }
    }

    #[test]
    fn keys_of_rfc_4568() {
        // The examples of sections 4.1, 6.1 and 10.2.
        let line = "1 AES_CM_128_HMAC_SHA1_80 \
                    inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR|2^20|1:32";
        let [key] = &parse_crypto(line).unwrap()[..] else {
            panic!("one key");
        };
        assert_eq!(
            (key.tag, &*key.suite, key.mki),
            (1, "AES_CM_128_HMAC_SHA1_80", Some((1, 32)))
        );
        assert_eq!(
            crypto_line(key),
            "a=crypto:1 AES_CM_128_HMAC_SHA1_80 \
             inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR|1:32"
        );
        let without_lifetime = "2 AES_CM_128_HMAC_SHA1_32 \
            inline:NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj|1:4 WSH=64";
        assert_eq!(parse_crypto(without_lifetime).unwrap()[0].mki, Some((1, 4)));
        let two = "1 AES_CM_128_HMAC_SHA1_80 \
                   inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|1:4;\
                   inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz|2^20|2:4";
        let mkis: Vec<_> = parse_crypto(two).unwrap().iter().map(|k| k.mki).collect();
        assert_eq!(mkis, [Some((1, 4)), Some((2, 4))]);
    }

    // Shows: the names of suites are known in either case | RFC 4568 9.2, interop row 55
    #[test]
    fn suites_are_known_in_either_case() {
        let key = "PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR";
        let read = |suite: &str, method: &str| {
            let keys = parse_crypto(&format!("1 {suite} {method}:{key}")).unwrap();
            keys[0].suite.to_string()
        };
        for (suite, method) in [
            ("AeS_Cm_128_HmAC_shA1_80", "inline"),
            ("aes_cm_128_hmac_sha1_80", "INLINE"),
        ] {
            assert_eq!(read(suite, method), "AES_CM_128_HMAC_SHA1_80");
        }
        assert_eq!(read("Somebody's_own", "inline"), "Somebody's_own");
        // The length of the key is held to either.
        assert!(parse_crypto(&format!("1 aes_cm_256_hmac_sha1_80 inline:{key}")).is_none());
    }

    #[test]
    fn keys_that_cannot_be_used() {
        let key = "inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR";
        for bad in [
            format!("01 AES_CM_128_HMAC_SHA1_80 {key}"),
            format!("18446744073709551616 AES_CM_128_HMAC_SHA1_80 {key}"),
            format!("-1 AES_CM_128_HMAC_SHA1_80 {key}"),
            format!("1 AES_256_CM_HMAC_SHA1_80 {key}"),
            format!("1 AES_CM_256_HMAC_SHA1_80 {key}"),
            format!("1 AEAD_AES_128_GCM {key}"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {key} UNENCRYPTED_SRTCP"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {key} UNAUTHENTICATED_SRTP"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {key} KDR=24"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {key}|2^x"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {key}|2^20|1:4|"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {key} UNENCRYPTED_SRTP"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {key}|2^20|1:0"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {key}|2^20|256:1"),
            // Several that nothing tells apart, or too many.
            format!("1 AES_CM_128_HMAC_SHA1_80 {key};{key}"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {key}|1:4;{key}"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {key}|1:4;{key}|1:4"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {key}|1:4;{key}|2:2"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {key}|1:1;{key}|2:1;{key}|3:1;{key}|4:1;{key}|5:1"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {key}|1:4;"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {key}|0"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {key}|2^49"),
            format!("1 AES_CM_128_HMAC_SHA1_80 {key}|2^99"),
            "1 AES_CM_128_HMAC_SHA1_80 inline:".into(),
            "1 AES_CM_128_HMAC_SHA1_80".into(),
            String::new(),
        ] {
            assert_eq!(parse_crypto(&bad), None, "{bad}");
        }
    }

    #[test]
    fn fingerprints_come_back() {
        let line = "sha-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB";
        let fingerprint = parse_fingerprint(line).unwrap();
        assert_eq!(fingerprint.value.len(), 20);
        assert_eq!(
            print_fingerprint(&fingerprint),
            format!("a=fingerprint:{line}")
        );
        for bad in ["sha-1", "sha-1 4A:+A", "sha-1 4AA", "sha-1 "] {
            assert_eq!(parse_fingerprint(bad), None, "{bad}");
        }
    }
}
