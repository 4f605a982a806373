//! Packets that others computed: of the RFCs as typed from there, of libsrtp from the corpus.

use std::path::PathBuf;

use super::*;
use crate::srtp::transform::Transform;

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let digit = |d: u8| char::from(d).to_digit(16).unwrap() as u8;
    digits
        .chunks(2)
        .map(|c| digit(c[0]) << 4 | digit(c[1]))
        .collect()
}

/// The value of a field of text in a file of the corpus.
fn field(json: &str, name: &str) -> Vec<u8> {
    let start = json.find(&format!("\"{name}\":")).unwrap() + name.len() + 3;
    let value = json[start..].trim_start().strip_prefix('"').unwrap();
    bytes(&value[..value.find('"').unwrap()])
}

fn corpus(name: &str) -> Option<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/corpora/06-crypto-vectors/srtp")
        .join(name);
    if !path.exists() {
        println!("skipped: {} is not here", path.display());
        return None;
    }
    Some(std::fs::read_to_string(path).unwrap())
}

fn end(suite: Suite, key_and_salt: &[u8]) -> Srtp {
    let mut key = master(suite, 0);
    let len = suite.key_len() + suite.salt_len();
    key.key_and_salt = Secret::new(key_and_salt[..len].to_vec());
    srtp(&key)
}

const QUID_PRO_QUO: &str = "51756964 2070726f 2071756f";
const GALLIA: &str = "8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976 \
    69736120 696e2070 61727465 73207472 6573";

fn gcm(suite: Suite) -> Transform {
    let key: Vec<u8> = (0..suite.key_len() as u8).collect();
    Transform::new(suite, &key, &[0; 20], &bytes(QUID_PRO_QUO), 16).unwrap()
}

// Shows: the key stream of AES in counter mode | RFC 3711
#[test]
fn the_key_stream_of_rfc_3711_appendix_b_2() {
    let key = bytes("2B7E151628AED2A6ABF7158809CF4F3C");
    let salt = bytes("F0F1F2F3F4F5F6F7F8F9FAFBFCFD");
    let transform = Transform::new(Suite::AesCm128HmacSha1Tag80, &key, &[0; 20], &salt, 10);
    let mut packet = [0; 58];
    transform
        .unwrap()
        .seal(&mut packet, 0, 48, &[], Ssrc(0), 0)
        .unwrap();
    let stream = "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB \
        41E95B3BB0A2E8DD477901E4FCA894C0";
    assert_eq!(packet[..48], bytes(stream));
}

// Shows: AES-128 and AES-256 in Galois counter mode, media | RFC 7714
#[test]
fn the_packets_of_rfc_7714_section_16() {
    for (suite, sealed) in [
        (
            Suite::AeadAes128Gcm,
            "8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f \
             42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce",
        ),
        (
            Suite::AeadAes256Gcm,
            "8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3 \
             b50b2a02 76ffae0f 1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13",
        ),
    ] {
        let (plain, sealed) = (bytes(GALLIA), bytes(sealed));
        let transform = gcm(suite);
        let (ssrc, index, end) = (Ssrc(0x5501_a0b2), 0xf17b, plain.len());
        let mut packet = plain.clone();
        packet.resize(end + 16, 0);
        transform
            .seal(&mut packet, 12, end, &[], ssrc, index)
            .unwrap();
        assert_eq!(packet, sealed, "{suite:?}");
        assert!(
            transform
                .opener(&packet, 12, end, ssrc)
                .open(&mut packet, index)
        );
        assert_eq!(packet[..end], plain);
    }
}

// Shows: AES-128 in Galois counter mode, reports | RFC 7714
#[test]
fn the_report_of_rfc_7714_section_17() {
    let plain = bytes(
        "81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61 deadbeef \
         deadbeef deadbeef deadbeef deadbeef",
    );
    let sealed = bytes(
        "81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1 \
         730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4",
    );
    let transform = gcm(Suite::AeadAes128Gcm);
    let (ssrc, end) = (Ssrc(0x4d61_7273), plain.len());
    let mut packet = plain.clone();
    packet.resize(end + 20, 0);
    transform
        .seal_report(&mut packet, end, &[], ssrc, 0x8000_05d4)
        .unwrap();
    assert_eq!(packet, sealed);
    assert!(transform.open_report(&mut packet, end, ssrc, 0x5d4));
    assert_eq!(packet[..end], plain);
}

// Shows: the reference packets of libsrtp | RFC 3711
#[test]
fn the_packets_of_libsrtp() {
    let key = "e1f97a0d3e018be0d64fa32c06de4139 0ec675ad498afeebb6960b3aabe6";
    let plain = bytes("800f1234decafbadcafebabe abababababababababababababababab");
    let sealed =
        bytes("800f1234decafbadcafebabe 4e55dc4ce79978d88ca4d215949d2402 b78d6acc99ea179b8dbb");
    let report = bytes("81c8000bcafebabe abababababababababababababababab");
    let sealed_report =
        bytes("81c8000bcafebabe 7128035be487b9bdbef89041f977a5a8 80000001 993e08cd54d6c1230798");
    let suite = Suite::AesCm128HmacSha1Tag80;
    let (mut alice, mut bob) = (end(suite, &bytes(key)), end(suite, &bytes(key)));
    assert_eq!(sends(&mut alice, &plain), sealed);
    assert_eq!(hears(&mut bob, &sealed), Ok(plain));
    // It counts its reports from 1.
    alice.state.send.touch(Ssrc(0xcafe_babe)).reports = Window::after(1);
    let sent = closed(&mut alice, Component::Report, &report);
    assert_eq!(sent.as_ref(), Ok(&sealed_report));
    assert_eq!(
        opened(&mut bob, Component::Report, &sealed_report),
        Ok(report)
    );
}

// Shows: vectors of SRTP that others computed | corpus 06
#[test]
fn the_packets_of_the_corpus() {
    let Some(json) = corpus("libsrtp-srtp_validate.json") else {
        return;
    };
    let plain = field(&json, "srtp_plaintext_ref");
    let mut bob = end(Suite::AesCm128HmacSha1Tag80, &field(&json, "test_key"));
    assert_eq!(hears(&mut bob, &field(&json, "srtp_ciphertext")), Ok(plain));
    let report = field(&json, "rtcp_plaintext_ref");
    let sealed = field(&json, "srtcp_ciphertext");
    assert_eq!(opened(&mut bob, Component::Report, &sealed), Ok(report));

    // With extensions whose elements are encrypted: to those who do not encrypt them that is what they say.
    for (name, suite) in [
        ("headers", Suite::AesCm128HmacSha1Tag80),
        ("headers_gcm", Suite::AeadAes128Gcm),
    ] {
        let file = format!("libsrtp-srtp_validate_encrypted_extensions_{name}.json");
        let json = corpus(&file).unwrap();
        let key = field(&json, "test_key_ext_headers");
        let mut plain = field(&json, "srtp_plaintext_ref");
        let sealed = field(&json, "srtp_ciphertext");
        plain[..40].copy_from_slice(&sealed[..40]);
        assert_eq!(sends(&mut end(suite, &key), &plain), sealed, "{name}");
        assert_eq!(hears(&mut end(suite, &key), &sealed), Ok(plain), "{name}");
    }

    let json = corpus("rfc7714-aes256Gcm-rtp.json").unwrap();
    let (plain, mut packet) = (field(&json, "plain_rtp"), field(&json, "srtp"));
    let transform = gcm(Suite::AeadAes256Gcm);
    let opener = transform.opener(&packet, 12, plain.len(), Ssrc(0x5501_a0b2));
    assert!(opener.open(&mut packet, 0xf17b));
    assert_eq!(packet[..plain.len()], plain);
    let json = corpus("rfc7714-aes128Gcm-rtcp.json").unwrap();
    let (plain, mut packet) = (field(&json, "plain_rtcp"), field(&json, "srtcp"));
    let transform = gcm(Suite::AeadAes128Gcm);
    assert!(transform.open_report(&mut packet, plain.len(), Ssrc(0x4d61_7273), 1492));
    assert_eq!(packet[..plain.len()], plain);

    // Whole headers encrypted (RFC 9335) were not agreed on.
    for name in [
        "AeadAes128Gcm-TwoByteExt",
        "AeadAes128Gcm-TwoByteExtAndCsrc",
        "Aes128CmHmacSha1_80-EmptyOneByteExtAndCsrc",
        "Aes128CmHmacSha1_80-EmptyTwoByteExtAndCsrc",
        "Aes128CmHmacSha1_80-TwoByteExt",
        "Aes128CmHmacSha1_80-TwoByteExtAndCsrc",
    ] {
        let json = corpus(&format!("cryptex-{name}.json")).unwrap();
        let key = [field(&json, "master_key"), field(&json, "master_salt")].concat();
        let suite = match name.starts_with("Aead") {
            true => Suite::AeadAes128Gcm,
            false => Suite::AesCm128HmacSha1Tag80,
        };
        let heard = hears(&mut end(suite, &key), &field(&json, "srtp"));
        assert_eq!(heard, Err(DropReason::BadHeader), "{name}");
    }
}
