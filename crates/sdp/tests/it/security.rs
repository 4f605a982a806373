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
