//! Exchanges of RFC 4317, sections 2.1 to 2.6, 3.1 and 4.3. Video is declined, so that what is left is sound.

use msp_core::media::MediaDirection::{RecvOnly, SendRecv};
use msp_core::params::{MediaParams, PayloadMapping};
use tsp_sdp::{Agreement, OfferAnswer, Policy, RefusalReason};

use crate::support::{ALL_CODECS, audio, format, gist, leg_of, numbers, version};

fn pcmu() -> PayloadMapping {
    format(0, "PCMU", 8000)
}

fn pcma() -> PayloadMapping {
    format(8, "PCMA", 8000)
}

fn ilbc() -> PayloadMapping {
    format(97, "iLBC", 8000)
}

fn events(number: u8) -> PayloadMapping {
    format(number, "telephone-event", 8000)
}

fn text(who: &str, version: u64, media: &str) -> String {
    format!(
        "v=0\r\no={who} 2808844564 {version} IN IP4 198.51.100.7\r\ns= \r\n\
         c=IN IP4 198.51.100.7\r\nt=0 0\r\n{media}"
    )
}

const VIDEO: &str =
    "m=video 51372 RTP/AVP 31 32\r\na=rtpmap:31 H261/90000\r\na=rtpmap:32 MPV/90000\r\n";

const AUDIO_OF_THREE: &str = "m=audio 49170 RTP/AVP 0 8 97\r\na=rtpmap:0 PCMU/8000\r\n\
    a=rtpmap:8 PCMA/8000\r\na=rtpmap:97 iLBC/8000\r\n";

fn bob(policy: Policy) -> OfferAnswer {
    leg_of("bob", 2_808_844_564, policy)
}

/// Bob answers an offer of these media; the numbers and ports of his m-lines.
fn answer(bob: &mut OfferAnswer, media: &str, local: Vec<MediaParams>) -> (String, Agreement) {
    bob.receive_offer(text("alice", 1, media).as_bytes())
        .expect("an offer");
    let answer = bob.create_answer(local).expect("an answer");
    (answer.description.to_string(), answer.agreement)
}

fn media_lines(text: &str) -> Vec<&str> {
    text.lines().filter(|l| l.starts_with("m=")).collect()
}

// Shows: offer and answer: hold, moved addresses, deleted streams, refused lines keep their place | RFC 3264, RFC 4317
#[test]
fn audio_and_video_1_section_2_1() {
    let offer = [AUDIO_OF_THREE, VIDEO].concat();
    let local = vec![audio(0, 49_174, &[pcmu(), pcma()])];
    let (text, agreement) = answer(&mut bob(Policy::default()), &offer, local);
    assert_eq!(
        media_lines(&text),
        ["m=audio 49174 RTP/AVP 0", "m=video 0 RTP/AVP 31 32"]
    );
    let sound = &agreement.params[0];
    assert_eq!(numbers(&sound.send), [0]);
    assert_eq!(
        numbers(&sound.receive),
        [0, 8],
        "the other offered one is borne"
    );
    assert_eq!(sound.remote, Some("198.51.100.7:49170".parse().unwrap()));
    assert!(agreement.params[1].refused);
}

#[test]
fn audio_and_video_2_section_2_2() {
    let offer = [AUDIO_OF_THREE, VIDEO].concat();
    let local = vec![audio(0, 49_172, &[pcmu(), pcma()])];
    let mut bob = bob(ALL_CODECS);
    let (first, _) = answer(&mut bob, &offer, local.clone());
    assert_eq!(
        media_lines(&first),
        ["m=audio 49172 RTP/AVP 0 8", "m=video 0 RTP/AVP 31 32"]
    );
    let again = "m=audio 51372 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\nm=video 0 RTP/AVP 31\r\n";
    let (second, agreement) = answer(&mut bob, again, local);
    assert_eq!(
        media_lines(&second),
        ["m=audio 49172 RTP/AVP 0", "m=video 0 RTP/AVP 31"]
    );
    assert_eq!(version(&second), version(&first) + 1);
    assert_eq!(agreement.params[0].remote.unwrap().port(), 51_372);
}

#[test]
fn another_number_in_the_answer_section_2_3() {
    let mut alice = leg_of("alice", 1, Policy::default());
    alice
        .create_offer(vec![audio(0, 49_170, &[pcmu(), pcma(), ilbc()])])
        .unwrap();
    let media = "m=audio 49172 RTP/AVP 99\r\na=rtpmap:99 iLBC/8000\r\n";
    let agreement = alice
        .receive_answer(text("bob", 1, media).as_bytes())
        .unwrap();
    let sound = &agreement.params[0];
    assert_eq!(numbers(&sound.send), [99], "we send under Bob's number");
    assert_eq!(sound.receive[0], ilbc(), "he sends under ours");
}

#[test]
fn two_audio_streams_section_2_4() {
    let offer = "m=audio 49170 RTP/AVP 0 97\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:97 iLBC/8000\r\n\
        m=audio 49172 RTP/AVP 98\r\na=rtpmap:98 telephone-event/8000\r\na=sendonly\r\n";
    let local = vec![
        audio(0, 49_172, &[ilbc(), events(98)]),
        audio(1, 49_174, &[ilbc(), events(98)]),
    ];
    let (text, agreement) = answer(&mut bob(Policy::default()), offer, local);
    // Bob has no use for events without sound and declines them in their place.
    assert_eq!(
        media_lines(&text),
        ["m=audio 49172 RTP/AVP 97", "m=audio 0 RTP/AVP 98"]
    );
    assert_eq!(agreement.refusals[0].reason, RefusalReason::Codec);
}

#[test]
fn a_moved_address_section_2_5() {
    let mut alice = leg_of("alice", 2_890_844_526, Policy::default());
    let first = alice
        .create_offer(vec![audio(0, 49_170, &[ilbc()])])
        .unwrap()
        .to_string();
    let media = "m=audio 49174 RTP/AVP 97\r\na=rtpmap:97 iLBC/8000\r\n";
    alice
        .receive_answer(text("bob", 1, media).as_bytes())
        .unwrap();
    let moved = text("bob", 2, &media.replace("49174", "49178")).replace("100.7\r\n", "100.8\r\n");
    let offer = alice.receive_offer(moved.as_bytes()).unwrap();
    assert!(!offer.unchanged);
    let answer = alice.repeat_answer().unwrap();
    assert_eq!(answer.description.to_string(), first, "same version too");
    assert_eq!(
        answer.agreement.params[0].remote,
        Some("198.51.100.8:49178".parse().unwrap())
    );
    assert!(!answer.agreement.unchanged);
}

#[test]
fn one_of_two_streams_section_2_6() {
    let offer = "m=audio 49170 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\nm=audio 51372 RTP/AVP 97 101\r\n\
        a=rtpmap:97 iLBC/8000\r\na=rtpmap:101 telephone-event/8000\r\n";
    let mut declined = audio(0, 49_168, &[pcmu()]);
    declined.refused = true;
    let local = vec![declined, audio(1, 49_170, &[ilbc(), events(96)])];
    let (text, agreement) = answer(&mut bob(Policy::default()), offer, local);
    assert_eq!(
        media_lines(&text),
        ["m=audio 0 RTP/AVP 0", "m=audio 49170 RTP/AVP 97 101"]
    );
    assert_eq!(agreement.refusals[0].reason, RefusalReason::Local);
    assert_eq!(numbers(&agreement.params[1].receive), [97, 101]);
}

// Shows: offer and answer: hold, moved addresses, deleted streams, refused lines keep their place
#[test]
fn hold_and_unhold_section_3_1() {
    let mut alice = leg_of("alice", 1, Policy::default());
    let local = vec![audio(0, 49_170, &[pcmu(), ilbc()])];
    alice.create_offer(local.clone()).unwrap();
    let held = "m=audio 49172 RTP/AVP 97\r\na=rtpmap:97 iLBC/8000\r\na=sendonly\r\n";
    let agreement = alice
        .receive_answer(text("bob", 1, held).as_bytes())
        .unwrap();
    assert_eq!(agreement.params[0].direction, RecvOnly);
    let off_hold = held.replace("a=sendonly\r\n", "");
    let offer = alice
        .receive_offer(text("bob", 2, &off_hold).as_bytes())
        .unwrap();
    assert_eq!(offer.slots[0].direction, SendRecv);
    let answer = alice.create_answer(local).unwrap();
    assert_eq!(answer.agreement.params[0].direction, SendRecv);
    assert_eq!(gist(&answer.description.to_string())[0].2, ["97"]);
}

// Shows: offer and answer: hold, moved addresses, deleted streams, refused lines keep their place
#[test]
fn a_stream_is_deleted_section_4_3() {
    let mut alice = leg_of("alice", 1, Policy::default());
    let both = vec![audio(0, 49_170, &[pcmu()]), audio(1, 49_172, &[ilbc()])];
    alice.create_offer(both.clone()).unwrap();
    let media = "m=audio 5000 RTP/AVP 0\r\nm=audio 5002 RTP/AVP 97\r\na=rtpmap:97 iLBC/8000\r\n";
    alice
        .receive_answer(text("bob", 1, media).as_bytes())
        .unwrap();
    assert_eq!(alice.slots().len(), 2);
    let offer = alice.create_offer(both[..1].to_vec()).unwrap().to_string();
    assert_eq!(
        media_lines(&offer),
        ["m=audio 49170 RTP/AVP 0", "m=audio 0 RTP/AVP 97"]
    );
    let media = media.replace("m=audio 5002", "m=audio 0");
    let agreement = alice
        .receive_answer(text("bob", 2, &media).as_bytes())
        .unwrap();
    assert!(agreement.params[1].refused);
    assert_eq!(alice.slots().len(), 1);
}
