//! Keys for media in offers and answers, and where they may not be.

use bytes::Bytes;
use msp_core::params::SecurityPolicy;
use tsp_sip::call::{CallPolicy, EndCause, OptionalForm};
use tsp_sip::wire::Message;

use crate::peer::{
    CONTACT, Invite, PEER, SDP, US, alone_with, ask, dial, field, ms, plain, with_sdp,
};
use crate::support::{Manner, World};

const KEYS: &str = "v=0\no=- 1 1 IN IP4 192.0.2.9\ns=-\nc=IN IP4 192.0.2.9\nt=0 0\nm=audio 5000 PROFILE 0 8\n\
    a=crypto:1 SEED_CTR_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\n\
    a=crypto:7 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj|2^20|1:4\n";

fn phone(policy: SecurityPolicy, keys_in_clear: bool) -> World {
    let mut settings = CallPolicy::default();
    settings.security.policy = policy;
    settings.security.keys_in_clear = keys_in_clear;
    alone_with(Manner::Answer, settings)
}

/// The final response to an INVITE with this description, or without any.
fn asked(w: &mut World, sdp: Option<&str>) -> String {
    let invite = plain("INVITE sip:192.0.2.2", "s1", "1 INVITE", CONTACT);
    let text = sdp.map_or_else(|| invite.clone(), |sdp| with_sdp(&invite, sdp));
    let mut heard = ask(w, &text);
    w.run(ms(5));
    heard.extend(w.heard());
    let is_final = |r: &String| !r.starts_with("SIP/2.0 1");
    heard.into_iter().find(is_final).unwrap_or_default()
}

/// The m= line, and whether there is a key of ours under this tag.
fn says(message: &str, tag: u32) -> (Option<&str>, bool) {
    let media = message.lines().find(|l| l.starts_with("m=audio"));
    let profile = media.and_then(|l| l.split(' ').nth(2));
    let key = format!("a=crypto:{tag} AES_CM_128_HMAC_SHA1_80 inline:Y2FuYXJ5");
    (profile, message.contains(&key))
}

// Shows: an offer is answered with keys, without, or 488, as the policy wants | RFC 4568, interop row 55
#[test]
fn the_policy_decides_what_an_offer_is_answered_with() {
    use SecurityPolicy::{Off, Optional, Required};
    let (plain, secure) = (Some("RTP/AVP"), Some("RTP/SAVP"));
    for (policy, insists, offer, wanted) in [
        (Off, true, "RTP/SAVP", None),
        (Off, true, "RTP/AVP", Some((plain, false))),
        (Optional, true, "RTP/SAVP", Some((secure, true))),
        (Optional, true, "RTP/AVP", Some((plain, true))),
        (Optional, false, "RTP/SAVP", None),
        (Optional, false, "RTP/AVP", Some((plain, false))),
        (Required, true, "RTP/SAVP", Some((secure, true))),
        (Required, true, "RTP/AVP", Some((plain, true))),
        (Required, false, "RTP/SAVP", None),
        (Required, false, "RTP/AVP", None),
    ] {
        let mut w = phone(policy, insists);
        let answer = asked(&mut w, Some(&KEYS.replace("PROFILE", offer)));
        let case = format!("{policy:?} {insists} {offer}: {answer}");
        match wanted {
            Some(wanted) => {
                assert!(answer.starts_with("SIP/2.0 200"), "{case}");
                assert_eq!(says(&answer, 7), wanted, "{case}");
            }
            None => assert!(answer.starts_with("SIP/2.0 488"), "{case}"),
        }
    }
    // Without a key in it.
    let answer = asked(&mut phone(Required, true), Some(SDP));
    assert!(answer.starts_with("SIP/2.0 488"), "{answer}");
    let answer = asked(&mut phone(Optional, true), Some(SDP));
    assert_eq!(says(&answer, 1), (plain, false));
}

// Shows: a late offer is as secure as the policy wants | interop row 26
#[test]
fn a_late_offer_agrees_with_the_policy() {
    use SecurityPolicy::{Off, Optional, Required};
    for (policy, insists, wanted) in [
        (Off, true, Some((Some("RTP/AVP"), false))),
        (Optional, true, Some((Some("RTP/AVP"), true))),
        (Optional, false, Some((Some("RTP/AVP"), false))),
        (Required, true, Some((Some("RTP/SAVP"), true))),
        (Required, false, None),
    ] {
        let answer = asked(&mut phone(policy, insists), None);
        match wanted {
            Some(wanted) => assert_eq!(says(&answer, 1), wanted, "{policy:?} {answer}"),
            None => assert!(answer.starts_with("SIP/2.0 488"), "{answer}"),
        }
    }
}

// Shows: our offer has keys where nobody can read them, or where the user insists | RFC 4568
#[test]
fn our_offer_has_keys_only_where_it_may() {
    use SecurityPolicy::{Optional, Required};
    for (policy, insists, wanted) in [
        (Optional, true, (Some("RTP/AVP"), true)),
        (Optional, false, (Some("RTP/AVP"), false)),
        (Required, true, (Some("RTP/SAVP"), true)),
    ] {
        let (_, invite) = dial(&mut phone(policy, insists), 1);
        assert_eq!(says(&invite.text, 1), wanted, "{policy:?} {}", invite.text);
    }
    let mut w = phone(Required, false);
    let key = w.dial(0, 1, "sip:p@192.0.2.9:5060");
    w.run(ms(1));
    assert!(w.heard().is_empty(), "nothing leaves");
    let ended = w.phones[0].ended(key).expect("it cannot be made");
    assert_eq!(ended.cause, EndCause::Media);
    assert!(ended.reason.contains("secure signalling"), "{ended:?}");
}

// Shows: what is refused under the secure profile is offered again in the clear, once, where it need not be encrypted | RFC 4568, interop row 26
#[test]
fn who_refuses_the_secure_profile_is_called_in_the_clear_if_it_may_be() {
    use SecurityPolicy::{Optional, Required};
    for (policy, refusal, again) in [
        (Optional, "488 Not Acceptable Here", true),
        (Optional, "486 Busy Here", false),
        (Required, "488 Not Acceptable Here", false),
    ] {
        let mut settings = CallPolicy::default();
        settings.security.policy = policy;
        settings.security.optional = OptionalForm::SecureProfile;
        settings.security.keys_in_clear = true;
        let mut w = alone_with(Manner::Answer, settings);
        let (key, invite) = dial(&mut w, 1);
        assert_eq!(says(&invite.text, 1), (Some("RTP/SAVP"), true));
        w.inject(PEER, US, &invite.response(refusal, "p0", ""));
        w.run(ms(1));
        let heard = w.heard();
        assert!(heard[0].starts_with("ACK "), "{heard:?}");
        if !again {
            assert_eq!(heard.len(), 1, "{heard:?}");
            assert!(w.phones[0].ended(key).is_some());
            continue;
        }
        let second = Invite {
            text: heard[1].clone(),
        };
        assert!(second.text.starts_with("INVITE "), "{heard:?}");
        assert_eq!(says(&second.text, 1), (Some("RTP/AVP"), false));
        assert_eq!(field(&second.text, "CSeq"), Some("2 INVITE"));
        let id = |text: &str| field(text, "Call-ID").map(str::to_owned);
        assert_eq!(id(&second.text), id(&invite.text));
        let answer = "Contact: <sip:p@192.0.2.9:5060>\n";
        let ok = with_sdp(&second.response("200 OK", "p1", answer), SDP);
        w.inject(PEER, US, &ok);
        w.run(ms(1));
        assert!(w.phones[0].is_connected(key));
    }
    // Refused in the clear too, it is over.
    let mut settings = CallPolicy::default();
    settings.security.policy = Optional;
    settings.security.optional = OptionalForm::SecureProfile;
    settings.security.keys_in_clear = true;
    let mut w = alone_with(Manner::Answer, settings);
    let (key, invite) = dial(&mut w, 1);
    let refuse = |invite: &Invite| invite.response("488 Not Acceptable Here", "p0", "");
    w.inject(PEER, US, &refuse(&invite));
    w.run(ms(1));
    let text = w.heard().remove(1);
    w.inject(PEER, US, &refuse(&Invite { text }));
    w.run(ms(1));
    assert_eq!(w.heard().len(), 1, "an ACK");
    assert!(w.phones[0].ended(key).is_some());
}

// Shows: keys in descriptions are not shown where messages are printed for debugging | RFC 4568
#[test]
fn printed_messages_show_no_keys() {
    let (_, invite) = dial(&mut phone(SecurityPolicy::Required, true), 1);
    assert!(says(&invite.text, 1).1);
    let message = Message::parse(&Bytes::from(invite.text)).unwrap();
    let shown = format!("{message:?} {message:#?}");
    assert!(
        shown.contains("Invite") && !shown.contains("Y2FuYXJ5"),
        "{shown}"
    );
}
