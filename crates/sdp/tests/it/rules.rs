//! The rules of a leg, one by one.

use std::time::Duration;

use msp_core::media::MediaDirection::{Inactive, RecvOnly, SendOnly, SendRecv};
use msp_core::params::{MediaParams, PayloadMapping};
use tsp_sdp::{CodecOrder, ErrorKind, LaterAnswers, OfferAnswer, Policy, RefusalReason, State};

use crate::support::{ALL_CODECS, audio, format, gist, leg, numbers, version};

fn text(version: u32, media: &str) -> String {
    format!(
        "v=0\r\no=bob 5 {version} IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n{media}"
    )
}

fn events(number: u8, clock: u32) -> PayloadMapping {
    PayloadMapping {
        parameters: Some("0-16".into()),
        ..format(number, "telephone-event", clock)
    }
}

fn g711() -> Vec<PayloadMapping> {
    vec![
        format(0, "PCMU", 8000),
        format(8, "PCMA", 8000),
        events(101, 8000),
    ]
}

/// What a leg with `local` answers to `media`.
fn answered(policy: Policy, media: &str, local: MediaParams) -> (String, MediaParams) {
    let mut leg = leg(policy);
    leg.receive_offer(text(1, media).as_bytes())
        .expect("an offer");
    let answer = leg.create_answer(vec![local]).expect("an answer");
    (
        answer.description.to_string(),
        answer.agreement.params[0].clone(),
    )
}

const OFFER: &str = "m=audio 5000 RTP/AVP 8 0 100 96\r\na=rtpmap:100 telephone-event/8000\r\n\
    a=fmtp:100 0-11\r\na=rtpmap:96 telephone-event/16000\r\n";

#[test]
fn the_first_of_the_offer_is_used_with_events_of_its_clock() {
    let mut local = audio(0, 4000, &g711());
    local.receive.push(events(102, 16_000));
    let (text, agreed) = answered(Policy::default(), OFFER, local);
    assert_eq!(gist(&text)[0].2, ["8", "100"]);
    assert!(text.contains("a=rtpmap:100 telephone-event/8000\r\na=fmtp:100 0-16\r\n"));
    assert_eq!(numbers(&agreed.send), [8, 100]);
    assert_eq!(agreed.send[1].parameters.as_deref(), Some("0-11"));
    assert_eq!(agreed.receive[1].parameters.as_deref(), Some("0-16"));
    assert_eq!(numbers(&agreed.receive), [8, 100, 0, 96]);
}

#[test]
fn or_our_own_first_or_all() {
    let own = Policy {
        order: CodecOrder::Own,
        ..Policy::default()
    };
    let (text, _) = answered(own, OFFER, audio(0, 4000, &g711()));
    assert_eq!(gist(&text)[0].2, ["0", "100"]);
    let (text, _) = answered(ALL_CODECS, OFFER, audio(0, 4000, &g711()));
    assert_eq!(gist(&text)[0].2, ["8", "0", "100"]);
}

#[test]
fn events_of_another_clock_are_better_than_none() {
    let offer = "m=audio 5000 RTP/AVP 96 101\r\na=rtpmap:96 opus/48000/2\r\n\
        a=rtpmap:101 telephone-event/8000\r\n";
    let mut opus = format(111, "opus", 48_000);
    opus.codec.channels = 2;
    let (text, agreed) = answered(
        Policy::default(),
        offer,
        audio(0, 4000, &[opus, events(110, 8000)]),
    );
    assert!(text.contains("a=rtpmap:96 opus/48000/2\r\n"), "{text}");
    assert_eq!(numbers(&agreed.send), [96, 101]);
    let clock = agreed.send_codec().unwrap().codec.clock;
    assert_eq!(agreed.send_events(clock).unwrap().payload_type.0, 101);
}

#[test]
fn names_of_codecs_know_no_case_but_clocks_and_channels_count() {
    let offer = "m=audio 5000 RTP/AVP 96 97 98\r\na=rtpmap:96 l16/8000/2\r\n\
        a=rtpmap:97 L16/16000\r\na=rtpmap:98 pcmu/8000\r\n";
    let (_, agreed) = answered(
        Policy::default(),
        offer,
        audio(0, 4000, &[format(0, "PCMU", 8000), format(96, "L16", 8000)]),
    );
    assert_eq!(numbers(&agreed.send), [98]);
}

#[test]
fn directions_are_what_both_want() {
    for (line, ours, agreed) in [
        ("a=sendrecv", SendRecv, SendRecv),
        ("a=sendonly", SendRecv, RecvOnly),
        ("a=recvonly", SendRecv, SendOnly),
        ("a=inactive", SendRecv, Inactive),
        ("a=sendrecv", SendOnly, SendOnly),
        ("a=sendonly", SendOnly, Inactive),
        ("a=recvonly", RecvOnly, Inactive),
    ] {
        let mut local = audio(0, 4000, &g711());
        local.direction = ours;
        let media = format!("m=audio 5000 RTP/AVP 0\r\n{line}\r\n");
        let (text, params) = answered(Policy::default(), &media, local.clone());
        assert_eq!(params.direction, agreed, "{line} {ours:?}");
        assert_eq!(gist(&text)[0].3, agreed, "{line} {ours:?}");
        // The same as an answer to our offer.
        let mut leg = leg(Policy::default());
        leg.create_offer(vec![local]).unwrap();
        let agreement = leg
            .receive_answer(self::text(1, &media).as_bytes())
            .unwrap();
        assert_eq!(agreement.params[0].direction, agreed, "{line} {ours:?}");
    }
}

#[test]
fn an_old_hold_is_answered_and_lifted() {
    let mut leg = leg(Policy::default());
    let media = "m=audio 5000 RTP/AVP 0\r\n";
    leg.receive_offer(text(1, media).as_bytes()).unwrap();
    leg.create_answer(vec![audio(0, 4000, &g711())]).unwrap();
    let held = text(2, media).replace("c=IN IP4 198.51.100.7", "c=IN IP4 0.0.0.0");
    let offer = leg.receive_offer(held.as_bytes()).unwrap();
    assert_eq!((offer.unchanged, offer.toward), (false, None));
    let answer = leg.repeat_answer().unwrap();
    assert_eq!(answer.agreement.params[0].direction, RecvOnly);
    assert_eq!(answer.agreement.params[0].remote, None);
    assert_eq!(gist(&answer.description.to_string())[0].3, RecvOnly);
    let offer = leg.receive_offer(text(3, media).as_bytes()).unwrap();
    assert!(!offer.unchanged);
    let answer = leg.repeat_answer().unwrap();
    assert_eq!(answer.agreement.params[0].direction, SendRecv);
    assert!(answer.agreement.params[0].remote.is_some());
}

#[test]
fn packet_times_go_both_ways() {
    let mut local = audio(0, 4000, &g711());
    local.ptime = Some(Duration::from_millis(20));
    local.max_ptime = Some(Duration::from_millis(60));
    let media = "m=audio 5000 RTP/AVP 0\r\na=ptime:30\r\na=maxptime:90\r\n";
    let (text, agreed) = answered(Policy::default(), media, local);
    assert!(text.contains("a=ptime:20\r\na=maxptime:60\r\n"), "{text}");
    assert_eq!(agreed.ptime, Some(Duration::from_millis(30)));
    assert_eq!(agreed.max_ptime, Some(Duration::from_millis(90)));
}

#[test]
fn reports_share_a_port_only_if_both_want_it() {
    for (offered, ours) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut local = audio(0, 4000, &g711());
        local.rtcp.mux = ours;
        let line = if offered { "a=rtcp-mux\r\n" } else { "" };
        let media = format!("m=audio 5000 RTP/AVP 0\r\n{line}");
        let (text, agreed) = answered(Policy::default(), &media, local);
        assert_eq!(agreed.rtcp.mux, offered && ours);
        assert_eq!(text.contains("a=rtcp-mux\r\n"), offered && ours);
        let port = if offered && ours { 5000 } else { 5001 };
        assert_eq!(agreed.rtcp.remote.unwrap().port(), port);
    }
}

#[test]
fn the_name_of_a_medium_is_the_offerers() {
    let mut local = audio(0, 4000, &g711());
    local.mid = Some("ours".into());
    let media = "m=audio 5000 RTP/AVP 0\r\na=mid:theirs\r\n";
    let (text, agreed) = answered(Policy::default(), media, local.clone());
    assert!(text.contains("a=mid:theirs\r\n"), "{text}");
    assert_eq!(agreed.mid.as_deref(), Some("theirs"));
    let (text, _) = answered(Policy::default(), "m=audio 5000 RTP/AVP 0\r\n", local);
    assert!(!text.contains("a=mid"), "{text}");
}

// Shows: offer and answer: hold, moved addresses, deleted streams, refused lines keep their place
#[test]
fn what_is_refused_keeps_its_place_and_says_why() {
    let media = "m=video 5002 RTP/AVP 31 97\r\na=rtpmap:97 H264/90000\r\nm=audio 5004 RTP/AVP 0\r\n\
        m=image 5006 udptl t38\r\nm=audio 5008 RTP/SAVP 0\r\nm=audio 5010 RTP/AVP 18\r\n\
        m=audio 0 RTP/AVP 0\r\nm=message 5012 TCP/MSRP *\r\nm=audio 5014 RTP/XYZ 0\r\n\
        m=audio 5016 RTP/AVP 0\r\nc=IN IP4 239.1.2.3/127\r\nm=audio 5018 RTP/AVP 0\r\n";
    let mut leg = leg(Policy::default());
    let offer = leg.receive_offer(text(1, media).as_bytes()).unwrap();
    let slots: Vec<u16> = offer.slots.iter().map(|s| s.slot.0).collect();
    assert_eq!(slots, [1, 3, 4, 9]);
    let local = [1, 3, 4, 8].map(|slot| audio(slot, 4000 + slot, &g711()));
    let answer = leg.create_answer(local.to_vec()).unwrap();
    let text = answer.description.to_string();
    let lines: Vec<&str> = text.lines().filter(|l| l.starts_with("m=")).collect();
    assert_eq!(
        lines,
        [
            "m=video 0 RTP/AVP 31 97",
            "m=audio 4001 RTP/AVP 0",
            "m=image 0 udptl t38",
            "m=audio 0 RTP/SAVP 0",
            "m=audio 0 RTP/AVP 18",
            "m=audio 0 RTP/AVP 0",
            "m=message 0 TCP/MSRP *",
            "m=audio 0 RTP/XYZ 0",
            "m=audio 0 RTP/AVP 0",
            "m=audio 0 RTP/AVP 0",
        ]
    );
    use RefusalReason::*;
    let reasons: Vec<RefusalReason> = answer.agreement.refusals.iter().map(|r| r.reason).collect();
    assert_eq!(
        reasons,
        [
            Kind, Kind, Security, Codec, Peer, Kind, Protocol, Address, Local
        ]
    );
    let slots: Vec<u16> = answer.agreement.params.iter().map(|p| p.slot.0).collect();
    assert_eq!(
        slots,
        [0, 1, 3, 4, 5, 7, 8, 9],
        "all of a kind that has a name"
    );
    assert!(answer.agreement.has_media());
}

#[test]
fn nothing_in_common_leaves_the_offer_open() {
    let mut leg = leg(Policy::default());
    let media = "m=audio 5000 RTP/AVP 18 101\r\na=rtpmap:101 telephone-event/8000\r\n";
    leg.receive_offer(text(1, media).as_bytes()).unwrap();
    let error = leg
        .create_answer(vec![audio(0, 4000, &g711())])
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoCommonCodec);
    assert_eq!(leg.state(), State::RemoteOffer);
    assert!(leg.sent().is_none());
    leg.rollback();
    assert_eq!((leg.state(), leg.negotiated()), (State::Stable, None));
}

#[test]
fn an_offer_is_refused_medium_by_medium() {
    let mut leg = leg(Policy::default());
    let media = "m=audio 5000 RTP/AVP 18\r\nm=video 5002 RTP/AVP 31\r\n";
    leg.receive_offer(text(1, media).as_bytes()).unwrap();
    let answer = leg.refuse_offer().unwrap().to_string();
    let lines: Vec<_> = answer.lines().filter(|l| l.starts_with("m=")).collect();
    assert_eq!(lines, ["m=audio 0 RTP/AVP 18", "m=video 0 RTP/AVP 31"]);
    assert_eq!((leg.state(), leg.negotiated()), (State::Stable, None));
    assert_eq!(
        leg.refuse_offer().unwrap_err().kind(),
        ErrorKind::WrongState
    );
}

#[test]
fn an_offer_without_media_or_with_all_off_is_answered() {
    for media in ["", "m=audio 0 RTP/AVP 0\r\n"] {
        let mut leg = leg(Policy::default());
        let offer = leg.receive_offer(text(1, media).as_bytes()).unwrap();
        assert!(offer.slots.is_empty());
        let answer = leg.create_answer(Vec::new()).unwrap();
        assert!(!answer.agreement.has_media());
        let answer = answer.description.to_string();
        assert_eq!(answer.matches("m=").count(), media.matches("m=").count());
    }
}

#[test]
fn answers_that_are_short_or_of_another_kind_or_too_long() {
    let two = || vec![audio(0, 4000, &g711()), audio(1, 4002, &g711())];
    let one = "m=audio 5000 RTP/AVP 0\r\n";
    for (more, reason) in [
        ("", RefusalReason::Peer),
        ("m=video 5002 RTP/AVP 0\r\n", RefusalReason::Kind),
        ("m=audio 0 RTP/AVP 0\r\n", RefusalReason::Peer),
        ("m=audio 5002 RTP/SAVP 0\r\n", RefusalReason::Protocol),
        ("m=audio 5002 RTP/AVP 18\r\n", RefusalReason::Codec),
    ] {
        let mut leg = leg(Policy::default());
        leg.create_offer(two()).unwrap();
        let agreement = leg
            .receive_answer(text(1, &format!("{one}{more}")).as_bytes())
            .unwrap();
        assert!(!agreement.params[0].refused);
        assert!(agreement.params[1].refused);
        assert_eq!(agreement.refusals[0].reason, reason, "{more}");
    }
    let mut leg = leg(Policy::default());
    leg.create_offer(two()).unwrap();
    let agreement = leg
        .receive_answer(text(1, &one.repeat(3)).as_bytes())
        .unwrap();
    assert_eq!(agreement.params.len(), 2);
    assert_eq!(agreement.ignored.len(), 1);
}

#[test]
fn an_answer_that_we_cannot_use_closes_the_round_and_changes_nothing() {
    let mut leg = leg(Policy::default());
    let local = vec![audio(0, 4000, &g711())];
    leg.create_offer(local.clone()).unwrap();
    leg.receive_answer(text(1, "m=audio 5000 RTP/AVP 0\r\n").as_bytes())
        .unwrap();
    let before = leg.negotiated().unwrap().to_vec();
    leg.create_offer(local).unwrap();
    let error = leg
        .receive_answer(text(2, "m=audio 5000 RTP/AVP 18\r\n").as_bytes())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoCommonCodec);
    assert_eq!(leg.state(), State::Stable);
    assert_eq!(leg.negotiated().unwrap(), before);
}

#[test]
fn an_answer_may_leave_a_number_of_ours_unexplained() {
    let mut leg = leg(Policy::default());
    leg.create_offer(vec![audio(0, 4000, &g711())]).unwrap();
    let agreement = leg
        .receive_answer(text(1, "m=audio 5000 RTP/AVP 8 101\r\n").as_bytes())
        .unwrap();
    assert_eq!(numbers(&agreement.params[0].send), [8, 101]);
}

#[test]
fn turns_are_kept() {
    let media = "m=audio 5000 RTP/AVP 0\r\n";
    let local = || vec![audio(0, 4000, &g711())];
    let wrong = |result: Result<(), tsp_sdp::Error>| {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::WrongState);
    };
    let mut leg = leg(Policy::default());
    wrong(leg.create_answer(local()).map(drop));
    wrong(leg.repeat_answer().map(drop));
    wrong(leg.receive_answer(text(1, media).as_bytes()).map(drop));
    leg.create_offer(local()).unwrap();
    wrong(leg.create_offer(local()).map(drop));
    wrong(leg.create_answer(local()).map(drop));
    // Both offered at once.
    wrong(leg.receive_offer(text(1, media).as_bytes()).map(drop));
    assert_eq!(leg.state(), State::LocalOffer);
    leg.rollback();
    leg.receive_offer(text(1, media).as_bytes()).unwrap();
    wrong(leg.create_offer(local()).map(drop));
    wrong(leg.receive_answer(text(1, media).as_bytes()).map(drop));
    wrong(leg.receive_offer(text(1, media).as_bytes()).map(drop));
    leg.create_answer(local()).unwrap();
    wrong(leg.receive_answer(text(1, media).as_bytes()).map(drop));
}

#[test]
fn an_answer_that_cannot_be_read_leaves_the_offer_open() {
    let mut leg = leg(Policy::default());
    leg.create_offer(vec![audio(0, 4000, &g711())]).unwrap();
    assert!(leg.receive_answer(b"nonsense").is_err());
    assert_eq!(leg.state(), State::LocalOffer);
    leg.receive_answer(text(1, "m=audio 5000 RTP/AVP 0\r\n").as_bytes())
        .unwrap();
}

#[test]
fn a_refreshed_offer_changes_nothing() {
    let mut leg = leg(Policy::default());
    let media = "m=audio 5000 RTP/AVP 0\r\n";
    leg.receive_offer(text(1, media).as_bytes()).unwrap();
    let first = leg.create_answer(vec![audio(0, 4000, &g711())]).unwrap();
    assert!(!first.agreement.unchanged);
    // Some count their version up although nothing changed.
    for version in [1, 2] {
        let offer = leg.receive_offer(text(version, media).as_bytes()).unwrap();
        assert!(offer.unchanged);
        let again = leg.repeat_answer().unwrap();
        assert!(again.agreement.unchanged);
        assert_eq!(again.description, first.description);
    }
    // Another session with the same media is another thing.
    let other = text(1, media).replace("o=bob 5", "o=bob 6");
    assert!(!leg.receive_offer(other.as_bytes()).unwrap().unchanged);
}

#[test]
fn a_name_that_changed_is_a_change() {
    let mut leg = leg(Policy::default());
    let named = |version, host| {
        let media = format!("m=audio 5000 RTP/AVP 0\r\nc=IN IP4 {host}\r\n");
        text(version, &media)
    };
    leg.receive_offer(named(1, "one.example.com").as_bytes())
        .unwrap();
    leg.create_answer(vec![audio(0, 4000, &g711())]).unwrap();
    for (version, host, unchanged) in [(2, "one.example.com", true), (3, "two.example.com", false)]
    {
        let offer = leg.receive_offer(named(version, host).as_bytes()).unwrap();
        assert_eq!(offer.unchanged, unchanged);
        let agreement = leg.repeat_answer().unwrap().agreement;
        assert_eq!(agreement.unchanged, unchanged);
        assert_eq!(&*agreement.unresolved[0].host, host);
    }
}

#[test]
fn a_rejected_offer_leaves_what_was_agreed_and_its_version_is_spent() {
    let mut leg = leg(Policy::default());
    let media = "m=audio 5000 RTP/AVP 0\r\n";
    let first = leg
        .create_offer(vec![audio(0, 4000, &g711())])
        .unwrap()
        .to_string();
    leg.receive_answer(text(1, media).as_bytes()).unwrap();
    let agreed = leg.negotiated().unwrap().to_vec();
    let mut held = audio(0, 4000, &g711());
    held.direction = SendOnly;
    let second = leg.create_offer(vec![held]).unwrap().to_string();
    leg.rollback();
    assert_eq!(leg.negotiated().unwrap(), agreed);
    let third = leg
        .create_offer(vec![audio(0, 4000, &g711())])
        .unwrap()
        .to_string();
    assert_eq!(
        [version(&first), version(&second), version(&third)],
        [1, 2, 3]
    );
}

#[test]
fn a_later_answer_replaces_the_first_or_is_passed_over() {
    for (later, port) in [(LaterAnswers::Replace, 6000), (LaterAnswers::Ignore, 5000)] {
        let mut leg = leg(Policy {
            later_answers: later,
            ..Policy::default()
        });
        leg.create_offer(vec![audio(0, 4000, &g711())]).unwrap();
        let early = text(1, "m=audio 5000 RTP/AVP 8\r\n");
        leg.receive_answer(early.as_bytes()).unwrap();
        let same = leg.receive_answer(early.as_bytes()).unwrap();
        assert!(same.unchanged);
        let late = text(2, "m=audio 6000 RTP/AVP 8\r\n");
        let agreement = leg.receive_answer(late.as_bytes()).unwrap();
        assert_eq!(agreement.params[0].remote.unwrap().port(), port);
        assert_eq!(agreement.unchanged, port == 5000);
        assert_eq!(leg.negotiated().unwrap(), agreement.params);
    }
}

#[test]
fn legs_of_a_fork_part_after_the_offer() {
    let mut first = leg(Policy::default());
    first.create_offer(vec![audio(0, 4000, &g711())]).unwrap();
    let mut second: OfferAnswer = first.clone();
    let a = first
        .receive_answer(text(1, "m=audio 5000 RTP/AVP 8\r\n").as_bytes())
        .unwrap();
    let b = second
        .receive_answer(text(1, "m=audio 6000 RTP/AVP 0\r\n").as_bytes())
        .unwrap();
    assert_eq!(numbers(&a.params[0].send), [8]);
    assert_eq!(numbers(&b.params[0].send), [0]);
}

#[test]
fn numbers_keep_their_meaning_over_offers_from_either_end() {
    let mut leg = leg(Policy::default());
    let media = "m=audio 5000 RTP/AVP 0 97 101\r\na=rtpmap:97 telephone-event/8000\r\n\
        a=rtpmap:101 iLBC/8000\r\n";
    leg.receive_offer(text(1, media).as_bytes()).unwrap();
    // Our own number for events is theirs for iLBC.
    leg.create_answer(vec![audio(0, 4000, &g711())]).unwrap();
    let mut local = g711();
    local.push(format(97, "L16", 16_000));
    let offer = leg
        .create_offer(vec![audio(0, 4000, &local)])
        .unwrap()
        .to_string();
    assert_eq!(gist(&offer)[0].2, ["0", "8", "97", "96"]);
    assert!(offer.contains("a=rtpmap:97 telephone-event/8000\r\na=fmtp:97 0-16\r\n"));
    assert!(offer.contains("a=rtpmap:96 L16/16000\r\n"));
}

#[test]
fn local_parameters_must_be_complete() {
    let bad = |local: Vec<MediaParams>| {
        let mut leg = leg(Policy::default());
        let error = leg.create_offer(local).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadLocal);
        assert_eq!((leg.state(), leg.sent()), (State::Stable, None));
    };
    let good = audio(0, 4000, &g711());
    bad(Vec::new());
    bad(vec![audio(1, 4000, &g711())]);
    bad(vec![audio(0, 0, &g711())]);
    bad(vec![audio(0, 4000, &[])]);
    bad(vec![MediaParams {
        local: None,
        ..good.clone()
    }]);
    bad(vec![MediaParams {
        refused: true,
        ..good.clone()
    }]);
    bad(vec![MediaParams {
        kind: msp_core::media::MediaKind::Video,
        ..good.clone()
    }]);
    // Nobody smuggles lines in.
    let mut smuggler = good;
    smuggler.receive[2].parameters = Some("0-16\r\na=inactive".into());
    bad(vec![smuggler]);
}

#[test]
fn what_an_offer_looks_like() {
    let mut local = audio(0, 4000, &g711());
    local.rtcp.local = Some(crate::support::at(4400));
    local.rtcp.mux = true;
    local.mid = Some("a".into());
    local.ptime = Some(Duration::from_micros(2500));
    local.bandwidth = Some(64_500);
    let mut other = audio(1, 4002, &g711()[..1]);
    other.local = other.local.map(|mut l| {
        l.advertised = "[2001:db8::1]:4002".parse().unwrap();
        l
    });
    let offer = leg(Policy::default())
        .create_offer(vec![local, other])
        .unwrap();
    assert_eq!(
        offer.to_string(),
        "v=0\r\no=alice 2890844526 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP 0 8 101\r\nb=AS:65\r\nb=TIAS:64500\r\na=rtpmap:0 PCMU/8000\r\n\
         a=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:2.5\r\n\
         a=sendrecv\r\na=rtcp:4400\r\na=rtcp-mux\r\na=mid:a\r\n\
         m=audio 4002 RTP/AVP 0\r\nc=IN IP6 2001:db8::1\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n"
    );
    // An independent reader agrees that this is a description.
    let theirs = sdp_types::Session::parse(offer.to_string().as_bytes()).unwrap();
    assert_eq!(theirs.medias.len(), 2);
    assert!(sdp_rs::SessionDescription::try_from(offer.to_string()).is_ok());
}
