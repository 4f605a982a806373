//! Keys, certificates and candidates: agreed on or refused, and never weakened unseen.

use msp_core::params::{
    Candidate, CandidateKind, DtlsParams, Fingerprint, IceParams, MasterKey, MediaParams, Profile,
    SecurityPolicy, Setup,
};
use msp_core::secret::Secret;
use tsp_sdp::{Agreement, Policy, RefusalReason};

use crate::support::{audio, format, leg_of};

fn key(tag: u32, suite: &str, fill: u8) -> MasterKey {
    MasterKey {
        tag,
        suite: suite.into(),
        key_and_salt: Secret::new(vec![fill; 30]),
        mki: None,
    }
}

const STRONG: &str = "AES_CM_128_HMAC_SHA1_80";
const SHORT: &str = "AES_CM_128_HMAC_SHA1_32";

fn end(profile: Profile, policy: SecurityPolicy) -> MediaParams {
    let mut params = audio(0, 4000, &[format(0, "PCMU", 8000)]);
    params.profile = profile;
    params.policy = policy;
    params
}

fn dtls(setup: Setup, fill: u8) -> Option<DtlsParams> {
    Some(DtlsParams {
        fingerprints: vec![Fingerprint {
            hash: "sha-256".into(),
            value: vec![fill; 32],
        }],
        setup,
        tls_id: Some("abcdefghijklmnopqrst".into()),
    })
}

/// Both ends' view of one round; none when the answerer refuses it all.
fn negotiate(offer: MediaParams, answer: MediaParams) -> Option<(Agreement, Agreement)> {
    let mut alice = leg_of("alice", 1, Policy::default());
    let mut bob = leg_of("bob", 1, Policy::default());
    let text = alice
        .create_offer(vec![offer])
        .expect("an offer")
        .to_string();
    bob.receive_offer(text.as_bytes()).expect("readable");
    let answer = bob.create_answer(vec![answer]).ok()?;
    let text = answer.description.to_string();
    let agreement = alice.receive_answer(text.as_bytes()).expect("usable");
    Some((agreement, answer.agreement))
}

#[test]
fn keys_cross_over_under_the_tag_of_the_offer() {
    let mut alice = end(Profile::Savp, SecurityPolicy::Optional);
    alice.keys.send = vec![key(1, STRONG, 1), key(2, SHORT, 2)];
    let mut bob = end(Profile::Savp, SecurityPolicy::Required);
    bob.keys.send = vec![key(1, SHORT, 9)];
    let (at_alice, at_bob) = negotiate(alice, bob).unwrap();
    let (a, b) = (&at_alice.params[0].keys, &at_bob.params[0].keys);
    assert_eq!(a.send, [key(2, SHORT, 2)]);
    assert_eq!(a.receive, [key(2, SHORT, 9)]);
    assert_eq!((&a.send, &a.receive), (&b.receive, &b.send));
    assert_eq!(at_bob.params[0].profile, Profile::Savp);
}

// Shows: of media offered in the clear and encrypted, a line each, the encrypted line is answered first | interop row 55
#[test]
fn an_encrypted_line_goes_before_a_plain_one() {
    let offer = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n\
        m=audio 5000 RTP/AVP 0\r\nm=audio 5002 RTP/SAVP 0\r\n\
        a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n";
    let mut bob = leg_of("bob", 1, Policy::default());
    let offer = bob.receive_offer(offer.as_bytes()).unwrap();
    let slots: Vec<_> = offer.slots.iter().map(|s| (s.slot.0, s.profile)).collect();
    assert_eq!(slots, [(1, Profile::Savp), (0, Profile::Avp)]);
}

#[test]
fn a_policy_is_never_talked_down() {
    use SecurityPolicy::*;
    for (profile, policy, agreed) in [
        (Profile::Avp, Off, true),
        (Profile::Avp, Optional, true),
        (Profile::Avp, Required, false),
        (Profile::Savp, Off, false),
        (Profile::Savp, Optional, true),
        (Profile::Savp, Required, true),
    ] {
        let mut alice = end(profile, Optional);
        if profile == Profile::Savp {
            alice.keys.send = vec![key(1, STRONG, 1)];
        }
        let mut bob = end(Profile::Avp, policy);
        bob.keys.send = vec![key(1, STRONG, 9)];
        assert_eq!(
            negotiate(alice, bob).is_some(),
            agreed,
            "{profile:?} {policy:?}"
        );
    }
}

#[test]
fn an_answer_without_our_key_or_in_the_clear_is_refused() {
    let head = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n";
    let good = "inline:CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJ";
    for (media, reason) in [
        (
            "m=audio 5000 RTP/AVP 0\r\n".to_string(),
            RefusalReason::Protocol,
        ),
        (
            "m=audio 5000 RTP/SAVP 0\r\n".to_string(),
            RefusalReason::Security,
        ),
        (
            format!("m=audio 5000 RTP/SAVP 0\r\na=crypto:2 {STRONG} {good}\r\n"),
            RefusalReason::Security,
        ),
        (
            format!("m=audio 5000 RTP/SAVP 0\r\na=crypto:1 {SHORT} {good}\r\n"),
            RefusalReason::Security,
        ),
        (
            format!("m=audio 5000 RTP/SAVP 0\r\na=crypto:1 {STRONG} {good} UNENCRYPTED_SRTP\r\n"),
            RefusalReason::Security,
        ),
    ] {
        let mut alice = leg_of("alice", 1, Policy::default());
        let mut secured = end(Profile::Savp, SecurityPolicy::Required);
        secured.keys.send = vec![key(1, STRONG, 1)];
        let mut beside = end(Profile::Avp, SecurityPolicy::Off);
        beside.slot.0 = 1;
        alice.create_offer(vec![secured, beside]).unwrap();
        let text = format!("{head}{media}m=audio 5002 RTP/AVP 0\r\n");
        let agreement = alice.receive_answer(text.as_bytes()).unwrap();
        assert_eq!(agreement.refusals[0].reason, reason, "{media}");
    }
}

#[test]
fn one_end_opens_the_association_and_the_other_waits() {
    use Setup::*;
    for (offered, ours, alice, bob) in [
        (ActPass, ActPass, Passive, Active),
        (ActPass, Passive, Active, Passive),
        (ActPass, Active, Passive, Active),
        (Active, ActPass, Active, Passive),
        (Passive, ActPass, Passive, Active),
        (Active, Passive, Active, Passive),
    ] {
        let mut at_alice = end(Profile::UdpTlsSavp, SecurityPolicy::Required);
        at_alice.dtls = dtls(offered, 1);
        let mut at_bob = end(Profile::Avp, SecurityPolicy::Optional);
        at_bob.dtls = dtls(ours, 2);
        let (at_alice, at_bob) = negotiate(at_alice, at_bob).unwrap();
        let (a, b) = (&at_alice.params[0].dtls, &at_bob.params[0].dtls);
        assert_eq!(a, &dtls(alice, 2), "{offered:?} {ours:?}");
        assert_eq!(b, &dtls(bob, 1), "{offered:?} {ours:?}");
    }
    // Two that both want to open, and one without a certificate.
    let mut at_alice = end(Profile::UdpTlsSavp, SecurityPolicy::Required);
    at_alice.dtls = dtls(Active, 1);
    let mut at_bob = end(Profile::Avp, SecurityPolicy::Optional);
    assert!(negotiate(at_alice.clone(), at_bob.clone()).is_none());
    at_bob.dtls = dtls(Active, 2);
    assert!(negotiate(at_alice, at_bob).is_none());
}

#[test]
fn candidates_are_exchanged_if_both_have_some() {
    let ice = |name: &str, lite| {
        Some(IceParams {
            ufrag: name.into(),
            password: Secret::new(format!("{name}-0123456789012345678901")),
            candidates: vec![Candidate {
                foundation: "1".into(),
                component: 1,
                priority: 2_130_706_431,
                address: "192.0.2.1:4000".parse().unwrap(),
                kind: CandidateKind::Host,
                related: None,
            }],
            lite,
            trickle: false,
        })
    };
    let mut alice = end(Profile::Avp, SecurityPolicy::Off);
    alice.ice = ice("alic", false);
    let mut bob = end(Profile::Avp, SecurityPolicy::Off);
    bob.ice = ice("bobb", true);
    let (at_alice, at_bob) = negotiate(alice.clone(), bob).unwrap();
    assert_eq!(at_alice.params[0].ice, ice("bobb", true));
    assert_eq!(at_bob.params[0].ice, ice("alic", false));
    let (at_alice, at_bob) = negotiate(alice, end(Profile::Avp, SecurityPolicy::Off)).unwrap();
    assert_eq!(at_alice.params[0].ice, None);
    assert_eq!(at_bob.params[0].ice, None);
}

/// How an end offers: the profile that its policy and its switch for `optional` give.
fn offers() -> [(&'static str, MediaParams); 5] {
    use SecurityPolicy::*;
    let keyed = |profile, policy| {
        let mut params = end(profile, policy);
        params.keys.send = vec![key(1, STRONG, 1), key(2, SHORT, 2)];
        params
    };
    [
        ("off", end(Profile::Avp, Off)),
        ("optional, plain profile", keyed(Profile::Avp, Optional)),
        ("optional, with feedback", keyed(Profile::Avpf, Optional)),
        ("optional, secure profile", keyed(Profile::Savp, Optional)),
        ("required", keyed(Profile::Savp, Required)),
    ]
}

// Shows: every pairing of policies and forms is encrypted, plain or refused as both want | RFC 4568, interop row 26, interop row 55
#[test]
fn every_pairing_of_policies_and_profiles() {
    use SecurityPolicy::*;
    for (form, offer) in offers() {
        for policy in [Off, Optional, Required] {
            let mut bob = end(Profile::Avp, policy);
            if policy != Off {
                bob.keys.send = vec![key(1, SHORT, 8), key(2, STRONG, 9)];
            }
            let keyed = !offer.keys.send.is_empty();
            let secured = match (policy, offer.profile.is_secure()) {
                (Off, true) => None,
                (Off, false) => Some(false),
                (Required, _) if !keyed => None,
                _ => Some(keyed),
            };
            let came_to = negotiate(offer.clone(), bob).map(|(at_alice, at_bob)| {
                let (a, b) = (&at_alice.params[0], &at_bob.params[0]);
                assert_eq!(
                    (&a.keys.send, &a.keys.receive),
                    (&b.keys.receive, &b.keys.send)
                );
                assert_eq!(a.profile, offer.profile, "{form}");
                assert!(a.keys.send.iter().all(|k| *k.suite == *STRONG), "{form}");
                !a.keys.send.is_empty()
            });
            assert_eq!(came_to, secured, "{form}, answered with {policy:?}");
        }
    }
}

const HEAD: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n";

/// What an answer in these words comes to, for each way to offer: encrypted, plain, or refused.
fn answered(media: &str) -> Vec<Option<bool>> {
    let outcome = |offer: MediaParams| {
        let mut alice = leg_of("alice", 1, Policy::default());
        let mut beside = end(Profile::Avp, SecurityPolicy::Off);
        beside.slot.0 = 1;
        alice.create_offer(vec![offer, beside]).expect("an offer");
        let text = format!("{HEAD}{media}m=audio 5002 RTP/AVP 0\r\n");
        let agreement = alice.receive_answer(text.as_bytes()).expect("usable");
        let first = agreement.params.iter().find(|p| p.slot.0 == 0);
        first
            .filter(|p| !p.refused)
            .map(|p| !p.keys.send.is_empty())
    };
    offers()
        .into_iter()
        .map(|(_, offer)| outcome(offer))
        .collect()
}

// Shows: best effort: keys under the plain profile, answered in either form | interop row 55
#[test]
fn an_offer_of_both_forms_takes_either_for_an_answer() {
    let good = "inline:CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJ";
    let keyed = |profile: &str, tag, suite: &str| {
        format!("m=audio 5000 {profile} 0\r\na=crypto:{tag} {suite} {good}\r\n")
    };
    let (no, plain, yes) = (None, Some(false), Some(true));
    for (answer, outcomes) in [
        (
            "m=audio 5000 RTP/AVP 0\r\n".into(),
            [plain, plain, plain, no, no],
        ),
        (keyed("RTP/AVP", 1, STRONG), [plain, yes, yes, no, no]),
        (keyed("RTP/SAVP", 2, SHORT), [no, yes, yes, yes, yes]),
        // Keys that are no answer to ours: the peer will encrypt what we cannot read.
        (keyed("RTP/AVP", 2, STRONG), [plain, no, no, no, no]),
        (keyed("RTP/SAVP", 7, STRONG), [no, no, no, no, no]),
        ("m=audio 5000 RTP/SAVP 0\r\n".into(), [no, no, no, no, no]),
    ] {
        assert_eq!(answered(&answer), outcomes, "{answer}");
    }
}

// Shows: a key that is sent back is refused: both ways would have one key stream | RFC 4568
#[test]
fn our_own_key_is_no_answer() {
    let own = "inline:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB";
    let answer = format!("m=audio 5000 RTP/SAVP 0\r\na=crypto:1 {STRONG} {own}\r\n");
    assert_eq!(answered(&answer), [None; 5]);
}

// Shows: both spellings of AES-256, unknown suites passed over | interop row 55
#[test]
fn an_answer_spells_the_suite_as_the_offer_does_and_passes_over_unknown_ones() {
    let long = "inline:".to_string() + &"CQkJ".repeat(15) + "CQ==";
    for spelling in ["AES_CM_256_HMAC_SHA1_80", "AES_256_CM_HMAC_SHA1_80"] {
        let offer = format!(
            "{HEAD}m=audio 5000 RTP/SAVP 0\r\na=crypto:1 SEED_CTR_128_HMAC_SHA1_80 {long}\r\n\
             a=crypto:2 {spelling} {long}|2^31|1:1\r\na=crypto:3 {STRONG} \
             inline:CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJ\r\n"
        );
        let mut bob = leg_of("bob", 1, Policy::default());
        bob.receive_offer(offer.as_bytes()).expect("readable");
        let mut local = end(Profile::Savp, SecurityPolicy::Required);
        local.keys.send = vec![key(1, STRONG, 1), key(2, "AES_256_CM_HMAC_SHA1_80", 2)];
        local.keys.send[1].key_and_salt = Secret::new(vec![2; 46]);
        let answer = bob.create_answer(vec![local]).expect("an answer");
        let line = format!("a=crypto:2 {spelling} inline:AgIC");
        let text = answer.description.to_string();
        assert!(text.contains(&line), "{text}");
        assert_eq!(text.matches("a=crypto").count(), 1);
        let keys = &answer.agreement.params[0].keys;
        assert_eq!(keys.receive[0].mki, Some((1, 1)));
    }
}

// Shows: several keys in a line, told apart by their identifiers; lines that cannot be used are passed over | RFC 4568 6.1, interop row 55
#[test]
fn all_keys_of_the_line_that_is_chosen_are_taken() {
    let inline = |fill: char| format!("inline:{}", fill.to_string().repeat(40));
    let line = format!("{STRONG} {}|2^20|1:4;{}|2^20|2:4", inline('J'), inline('K'));
    let other = format!("{STRONG} {}|3:4;{}|3:4", inline('L'), inline('M'));
    let media = format!("m=audio 5000 RTP/SAVP 0\r\na=crypto:1 {other}\r\na=crypto:2 {line}\r\n");
    let mut bob = leg_of("bob", 1, Policy::default());
    bob.receive_offer(format!("{HEAD}{media}").as_bytes())
        .expect("readable");
    let mut local = end(Profile::Savp, SecurityPolicy::Required);
    local.keys.send = vec![key(1, STRONG, 1)];
    let answer = bob.create_answer(vec![local]).expect("an answer");
    let keys = &answer.agreement.params[0].keys;
    let names = |keys: &[MasterKey]| keys.iter().map(|k| k.mki).collect::<Vec<_>>();
    assert_eq!(names(&keys.receive), [Some((1, 4)), Some((2, 4))]);
    assert_eq!((names(&keys.send), keys.send[0].tag), (vec![None], 2));

    let mut alice = leg_of("alice", 1, Policy::default());
    let mut local = end(Profile::Savp, SecurityPolicy::Required);
    local.keys.send = vec![key(2, STRONG, 1)];
    alice.create_offer(vec![local]).expect("an offer");
    let agreement = alice.receive_answer(format!("{HEAD}{media}").as_bytes());
    let keys = &agreement.expect("an answer").params[0].keys;
    assert_eq!(names(&keys.receive), [Some((1, 4)), Some((2, 4))]);
}

// Shows: what was refused under the secure profile can be offered in the clear, if it need not be encrypted | RFC 4568
#[test]
fn an_offer_is_made_anew_in_the_clear() {
    for (profile, policy, possible) in [
        (Profile::Savp, SecurityPolicy::Optional, true),
        (Profile::Savp, SecurityPolicy::Required, false),
        (Profile::Avp, SecurityPolicy::Optional, false),
    ] {
        let mut alice = leg_of("alice", 1, Policy::default());
        assert!(alice.offer_in_the_clear().is_err(), "there is none yet");
        let mut local = end(profile, policy);
        local.keys.send = vec![key(1, STRONG, 1)];
        let secured = alice.create_offer(vec![local]).unwrap();
        let clear = alice.offer_in_the_clear().unwrap();
        assert_eq!(clear.is_some(), possible);
        let Some(clear) = clear else {
            assert_eq!(alice.sent(), Some(&secured), "it stands");
            continue;
        };
        let text = clear.to_string();
        assert!(
            text.contains(" RTP/AVP 0") && !text.contains("crypto"),
            "{text}"
        );
        assert_ne!(clear, secured);
        assert_eq!(alice.offer_in_the_clear().unwrap(), None, "once");
        let answer = format!("{HEAD}m=audio 5000 RTP/AVP 0\r\n");
        let agreement = alice.receive_answer(answer.as_bytes()).unwrap();
        assert!(agreement.params[0].keys.send.is_empty());
        assert!(!agreement.params[0].profile.is_secure());
    }
}

// Shows: an unchanged re-offer changes no key, and one in the clear is refused where keys are required | RFC 4568
#[test]
fn a_re_offer_in_the_clear_is_refused_or_told() {
    for policy in [SecurityPolicy::Optional, SecurityPolicy::Required] {
        let mut bob = leg_of("bob", 1, Policy::default());
        let offer = format!(
            "{HEAD}m=audio 5000 RTP/SAVP 0\r\na=crypto:1 {STRONG} \
             inline:CQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJ\r\n"
        );
        let mut local = end(Profile::Savp, policy);
        local.keys.send = vec![key(1, STRONG, 1)];
        bob.receive_offer(offer.as_bytes()).unwrap();
        let first = bob.create_answer(vec![local.clone()]).unwrap();
        bob.receive_offer(offer.as_bytes()).unwrap();
        let again = bob.create_answer(vec![local.clone()]).unwrap();
        assert!(again.agreement.unchanged);
        assert_eq!(again.agreement.params, first.agreement.params);
        let clear = format!("{HEAD}m=audio 5000 RTP/AVP 0\r\n");
        bob.receive_offer(clear.as_bytes()).unwrap();
        let answer = bob.create_answer(vec![local]);
        assert_eq!(answer.is_ok(), policy == SecurityPolicy::Optional);
        bob.rollback();
        let in_force = &bob.negotiated().unwrap()[0];
        assert_eq!(
            in_force.keys.send.is_empty(),
            policy == SecurityPolicy::Optional
        );
    }
}
