//! Damage and malice: limits are named, nothing panics, nothing takes long.

use proptest::prelude::*;
use tsp_sdp::{ErrorKind, IgnoreReason, OfferAnswer, Policy, RemoteSession, SessionDescription};

use crate::support::{audio, corpus, files, format, leg};

const HEAD: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n";

fn kind_and_line(text: &str) -> (ErrorKind, Option<usize>) {
    let error = SessionDescription::parse(text.as_bytes()).expect_err("too much");
    (error.kind(), error.line())
}

#[test]
fn limits_are_named_with_their_line() {
    let media = "m=audio 9 RTP/AVP 0\r\n";
    let long = format!("{HEAD}i={}", "x".repeat(65_536));
    assert_eq!(kind_and_line(&long), (ErrorKind::TooLong, None));
    let text = format!("{HEAD}{}", media.repeat(2000));
    assert_eq!(kind_and_line(&text), (ErrorKind::TooManyMedia, Some(22)));
    let text = format!("{HEAD}m=audio 9 RTP/AVP{}\r\n", " 0".repeat(500));
    assert_eq!(kind_and_line(&text), (ErrorKind::TooManyFormats, Some(6)));
    let text = format!("{HEAD}{}", "a=x\r\n".repeat(10_000));
    assert_eq!(
        kind_and_line(&text),
        (ErrorKind::TooManyAttributes, Some(134))
    );
    let text = format!("{HEAD}{}", "\n".repeat(10_000));
    assert_eq!(kind_and_line(&text), (ErrorKind::TooManyLines, Some(2305)));
    // What is allowed, is taken.
    let text = format!("{HEAD}{}{}", "a=x\r\n".repeat(128), media.repeat(16));
    SessionDescription::parse(text.as_bytes()).unwrap();
}

// Shows: broken and hostile descriptions are refused or passed over with a reason
#[test]
fn broken_lines_are_named() {
    for (bad, kind) in [
        ("m=audio 65536 RTP/AVP 0", ErrorKind::BadMedia),
        ("m=audio -1 RTP/AVP 0", ErrorKind::BadMedia),
        ("m=audio 9 RTP/AVP", ErrorKind::BadMedia),
        ("m=audio", ErrorKind::BadMedia),
        ("c=IN IP4 ", ErrorKind::BadConnection),
        ("c=ATM NSAP 47.0091", ErrorKind::BadConnection),
        ("c=IN IP4 256.1.1.1", ErrorKind::BadConnection),
        ("o=- 1 1", ErrorKind::BadOrigin),
        ("v=1", ErrorKind::BadVersion),
    ] {
        assert_eq!(
            kind_and_line(&format!("{HEAD}{bad}\r\n")),
            (kind, Some(6)),
            "{bad}"
        );
    }
    assert_eq!(kind_and_line(""), (ErrorKind::BadVersion, Some(1)));
    assert_eq!(
        kind_and_line("o=- 1 1 IN IP4 192.0.2.1"),
        (ErrorKind::BadVersion, Some(1))
    );
    let error = SessionDescription::parse(b"v=0\r\ns=caf\xe9\r\n").unwrap_err();
    assert_eq!((error.kind(), error.line()), (ErrorKind::NotText, Some(2)));
}

// Shows: broken and hostile descriptions are refused or passed over with a reason
#[test]
fn hostile_values_are_passed_over_with_a_reason() {
    let media = "m=audio 9 RTP/AVP 0 0 96 97 128 4294967296 x 98 99\r\n\
        a=rtpmap:96 L16/0\r\na=rtpmap:97 L16/8000/300\r\na=rtpmap:98 L16/16000\r\n\
        a=rtpmap:98 L16/8000\r\na=rtpmap:200 PCMU/8000\r\na=ptime:1000000000\r\na=maxptime:0\r\n\
        a=maxptime:NaN\r\na=ptime:-20\r\na=crypto:18446744073709551616 X inline:AA==\r\n";
    let parsed = SessionDescription::parse(format!("{HEAD}{media}").as_bytes()).unwrap();
    let session = RemoteSession::read(&parsed).unwrap();
    let params = session.media[0].params.as_ref().unwrap();
    assert_eq!(params.ptime, None);
    assert_eq!(params.max_ptime, None);
    assert_eq!(
        params.send,
        [format(0, "PCMU", 8000), format(98, "L16", 16_000)]
    );
    let count = |reason| {
        session
            .ignored
            .iter()
            .filter(|i| i.reason == reason)
            .count()
    };
    assert_eq!(count(IgnoreReason::Malformed), 8);
    assert_eq!(count(IgnoreReason::NoPayloadType), 3);
    assert_eq!(count(IgnoreReason::Duplicate), 2);
    assert_eq!(count(IgnoreReason::Unexplained), 3);
}

#[test]
fn keys_show_in_no_debug_text() {
    let secret = "PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR";
    let text = format!(
        "{HEAD}k=clear:hunter2\r\nm=audio 9 RTP/SAVP 0\r\n\
         a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{secret}\r\na=ice-ufrag:abcd\r\na=ice-pwd:hunter2\r\n"
    );
    let parsed = SessionDescription::parse(text.as_bytes()).unwrap();
    let session = RemoteSession::read(&parsed).unwrap();
    let mut leg = leg(Policy::default());
    leg.receive_offer(text.as_bytes()).unwrap();
    let shown = format!("{parsed:?} {session:?} {leg:?}");
    assert!(
        !shown.contains(secret) && !shown.contains("hunter2"),
        "{shown}"
    );
}

/// Everything that can be done with bytes from outside.
fn exercise(bytes: &[u8]) {
    if let Ok(parsed) = SessionDescription::parse(bytes) {
        assert_eq!(parsed.to_string().as_bytes(), bytes);
    }
    let local = || {
        let all = [
            format(0, "PCMU", 8000),
            format(8, "PCMA", 8000),
            format(101, "telephone-event", 8000),
        ];
        (0..3)
            .map(|slot| audio(slot, 4000 + 2 * slot, &all))
            .collect::<Vec<_>>()
    };
    let mut answerer: OfferAnswer = leg(Policy::default());
    if answerer.receive_offer(bytes).is_ok()
        && let Ok(answer) = answerer.create_answer(local())
    {
        let text = answer.description.to_string();
        SessionDescription::parse(text.as_bytes()).expect("what we write we can read");
        let again = answerer.receive_offer(bytes).expect("it was read before");
        assert!(again.unchanged);
        let repeated = answerer.repeat_answer().expect("it was answered before");
        assert_eq!(repeated.description.to_string(), text);
        assert!(repeated.agreement.unchanged);
    }
    let mut offerer = leg(Policy::default());
    offerer.create_offer(local()).expect("complete");
    if let Ok(agreement) = offerer.receive_answer(bytes) {
        assert_eq!(agreement.params.len(), 3);
        offerer.create_offer(local()).expect("complete");
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![
        format!(
            "{HEAD}m=audio 9/2 RTP/AVP 0 101\r\nc=IN IP4 192.0.2.9/127\r\nb=AS:64\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendonly\r\n\
         a=rtcp:10 IN IP4 192.0.2.8\r\na=mid:a\r\n"
        )
        .into_bytes(),
    ];
    for name in ["05-sdp", "04-fuzz-seeds"] {
        if let Some(directory) = corpus(name) {
            let found = files(&directory, &[".sdp", "firefox_sdp.txt"]);
            seeds.extend(found.iter().filter_map(|path| std::fs::read(path).ok()));
        }
    }
    seeds
}

#[test]
fn the_seeds_themselves() {
    for seed in seeds() {
        exercise(&seed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_descriptions(
        pick in any::<prop::sample::Index>(),
        other in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..6, any::<u8>()), 0..12),
    ) {
        thread_local! {
            static SEEDS: Vec<Vec<u8>> = seeds();
        }
        let (mut text, donor) = SEEDS.with(|s| (pick.get(s).clone(), other.get(s).clone()));
        for (place, what, byte) in edits {
            if text.is_empty() {
                break;
            }
            let at = place.index(text.len());
            match what {
                0 => text[at] = byte,
                1 => text.insert(at, byte),
                2 => { text.remove(at); }
                3 => text.truncate(at),
                4 => {
                    let from = place.index(donor.len().max(1)).min(donor.len());
                    let to = (from + usize::from(byte)).min(donor.len());
                    text.splice(at..at, donor[from..to].iter().copied());
                }
                _ => {
                    let to = (at + usize::from(byte)).min(text.len());
                    let copy = text[at..to].to_vec();
                    text.splice(at..at, copy);
                }
            }
        }
        exercise(&text);
    }

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        exercise(&bytes);
        let mut text = HEAD.as_bytes().to_vec();
        text.extend(&bytes);
        exercise(&text);
    }

    #[test]
    fn lines_of_tokens(lines in prop::collection::vec("(m=|a=|c=|b=|a=rtpmap:|a=fmtp:|a=crypto:|a=candidate:|a=ptime:|m=audio |c=IN IP4 )[ -~é]{0,24}", 0..12)) {
        let text = format!("{HEAD}{}\r\n", lines.join("\r\n"));
        exercise(text.as_bytes());
    }
}
