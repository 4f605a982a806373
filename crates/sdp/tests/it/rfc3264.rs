//! The examples of RFC 3264 section 10. Names of hosts are kept, video is declined.

use msp_core::media::MediaDirection;
use tsp_sdp::{RefusalReason, State};

use crate::support::{ALL_CODECS, audio, format, gist, leg_of, numbers, version};

const ALICE: &str = "v=0\r\no=alice 2890844526 2890844526 IN IP4 host.anywhere.com\r\ns=\r\n\
    c=IN IP4 host.anywhere.com\r\nt=0 0\r\nm=audio 49170 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n\
    m=video 51372 RTP/AVP 31\r\na=rtpmap:31 H261/90000\r\nm=video 53000 RTP/AVP 32\r\n\
    a=rtpmap:32 MPV/90000\r\n";

#[test]
fn basic_exchange_10_1() {
    let mut bob = leg_of("bob", 2_890_844_730, ALL_CODECS);
    let offer = bob.receive_offer(ALICE.as_bytes()).unwrap();
    assert_eq!(offer.slots.len(), 1, "sound alone is worth preparing");
    assert!(!offer.unchanged);
    let pcmu = format(0, "PCMU", 8000);
    let answer = bob
        .create_answer(vec![audio(0, 49_920, std::slice::from_ref(&pcmu))])
        .unwrap();
    let text = answer.description.to_string();
    let on = |port: bool, kind: &str, number: &str| {
        (
            kind.to_string(),
            port,
            vec![number.to_string()],
            MediaDirection::SendRecv,
        )
    };
    assert_eq!(
        gist(&text),
        [
            on(true, "audio", "0"),
            on(false, "video", "31"),
            on(false, "video", "32")
        ]
    );
    assert_eq!(version(&text), 2_890_844_730);
    let agreement = &answer.agreement;
    assert_eq!(agreement.unresolved.len(), 1);
    assert_eq!(&*agreement.unresolved[0].host, "host.anywhere.com");
    let mut params = agreement.params.clone();
    agreement.unresolved[0].resolve([198, 51, 100, 1].into(), &mut params);
    assert_eq!(
        params[0].remote,
        Some("198.51.100.1:49170".parse().unwrap())
    );
    assert_eq!(
        params[0].rtcp.remote,
        Some("198.51.100.1:49171".parse().unwrap())
    );

    // Bob moves his sound to another port and offers events beside it, one way.
    let mut moved = audio(0, 65_422, &[pcmu]);
    moved.receive[0].payload_type.0 = 0;
    let mut events = audio(3, 51_434, &[format(110, "telephone-event", 8000)]);
    events.direction = MediaDirection::RecvOnly;
    let offer = bob.create_offer(vec![moved, events]).unwrap().to_string();
    assert_eq!(
        gist(&offer),
        [
            on(true, "audio", "0"),
            on(false, "video", "31"),
            on(false, "video", "32"),
            (
                "audio".into(),
                true,
                vec!["110".into()],
                MediaDirection::RecvOnly
            ),
        ]
    );
    assert_eq!(version(&offer), 2_890_844_731);
    let second = "v=0\r\no=alice 2890844526 2890844527 IN IP4 host.anywhere.com\r\ns=\r\n\
        c=IN IP4 host.anywhere.com\r\nt=0 0\r\nm=audio 49170 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n\
        m=video 0 RTP/AVP 31\r\nm=video 0 RTP/AVP 32\r\nm=audio 53122 RTP/AVP 110\r\n\
        a=rtpmap:110 telephone-events/8000\r\na=sendonly\r\n";
    let agreement = bob.receive_answer(second.as_bytes()).unwrap();
    assert_eq!(numbers(&agreement.params[0].send), [0]);
    // The RFC misspells telephone-event; a stream of events alone is none that we take anyway.
    assert_eq!(
        agreement.refusals.last().map(|r| r.reason),
        Some(RefusalReason::Codec)
    );
    assert_eq!(bob.state(), State::Stable);
}

#[test]
fn one_of_n_codecs_10_2() {
    let mut alice = leg_of("alice", 2_890_844_526, ALL_CODECS);
    let all = [
        format(0, "PCMU", 8000),
        format(4, "G723", 8000),
        format(18, "G729", 8000),
    ];
    let mut local = audio(0, 62_986, &all);
    local.direction = MediaDirection::Inactive;
    let offer = alice.create_offer(vec![local]).unwrap().to_string();
    assert!(offer.contains("m=audio 62986 RTP/AVP 0 4 18\r\n"));
    assert!(offer.contains("\r\na=inactive\r\n"), "{offer}");
    let answer = "v=0\r\no=bob 2890844730 2890844731 IN IP4 host.example.com\r\ns=\r\n\
        c=IN IP4 host.example.com\r\nt=0 0\r\nm=audio 54344 RTP/AVP 0 4\r\na=rtpmap:0 PCMU/8000\r\n\
        a=rtpmap:4 G723/8000\r\na=inactive\r\n";
    let agreement = alice.receive_answer(answer.as_bytes()).unwrap();
    assert_eq!(numbers(&agreement.params[0].send), [0, 4]);
    assert_eq!(agreement.params[0].direction, MediaDirection::Inactive);

    let offer = alice
        .create_offer(vec![audio(0, 62_986, &all[1..2])])
        .unwrap()
        .to_string();
    assert!(offer.contains("m=audio 62986 RTP/AVP 4\r\n"));
    assert_eq!(version(&offer), 2_890_844_527);
    let answer = answer
        .replace("AVP 0 4", "AVP 4")
        .replace("inactive", "sendrecv");
    let agreement = alice.receive_answer(answer.as_bytes()).unwrap();
    assert_eq!(numbers(&agreement.params[0].send), [4]);
    assert_eq!(agreement.params[0].direction, MediaDirection::SendRecv);
    assert!(!agreement.unchanged);
}
