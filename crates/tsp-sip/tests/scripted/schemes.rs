//! `sip` and `sips`.

use netsim::Impairment;
use tsp_sip::call::{CallPolicy, EndCause, Redirect};
use tsp_sip::transport::ReachedBy;

use crate::peer::{Invite, SDP, US, alone, ask_once, field, ms, plain, with_sdp};
use crate::streams::Rig;
use crate::support::{Manner, Phone, World, config};

// Shows: a sips URI that came by a way that others can read is refused, with a Warning | RFC 5630 5.1.2
#[test]
fn a_sips_request_that_anybody_could_read_is_refused() {
    let mut w = alone(Manner::Answer);
    for (n, method) in ["INVITE", "OPTIONS", "MESSAGE"].iter().enumerate() {
        let text = plain(
            &format!("{method} sips:user@192.0.2.2"),
            &n.to_string(),
            &format!("1 {method}"),
            "",
        );
        let text = match *method {
            "INVITE" => with_sdp(&text, SDP),
            _ => text,
        };
        w.inject("192.0.2.9:5060", US, &text);
        w.run(ms(1));
        let answer = w.heard().remove(0);
        assert!(answer.starts_with("SIP/2.0 480 "), "{answer}");
        let warning = field(&answer, "Warning");
        assert_eq!(warning, Some("380 tipring \"SIPS Not Allowed\""));
    }
    assert!(w.phones[0].events.is_empty());
}

// Shows: who wants to be reached by sips only says so | RFC 5630 5.1.2
#[test]
fn who_is_reached_by_sips_only_says_so() {
    let mut config = config("user");
    config.flows.schemes = ReachedBy::Sips;
    let phone = Phone::with_config(US, 3, Manner::Answer, config);
    let mut w = World::new(vec![phone], Impairment::PERFECT, 5);
    let text = plain("INVITE sip:user@192.0.2.2", "1", "1 INVITE", "");
    let answer = ask_once(&mut w, &with_sdp(&text, SDP));
    assert!(answer.starts_with("SIP/2.0 480 "), "{answer}");
    let warning = field(&answer, "Warning");
    assert_eq!(warning, Some("381 tipring \"SIPS Required\""));
}

// Shows: a call to a sips URI goes by TLS or not at all, wherever it is sent on to | RFC 5630 5.1.1, B14
#[test]
fn a_secure_call_never_leaves_in_the_clear() {
    for (target, ends) in [
        ("sip:q@192.0.2.9", true),
        ("sip:q@192.0.2.9;transport=tls", true),
        ("sips:q@192.0.2.9", false),
    ] {
        let mut rig = Rig::new();
        let mut policy = CallPolicy::default();
        policy.redirect = Redirect::Follow;
        rig.phone = Phone::with(US, 3, Manner::Answer, policy);
        let key = rig.dial(1, "sips:p@192.0.2.9");
        let (flow, text) = rig.heard().remove(0);
        assert!(flow.transport.is_secure() && text.starts_with("INVITE sips:p@192.0.2.9 "));
        let moved = format!("Contact: <{target}>\n");
        let answer = Invite { text }.response("302 Moved Temporarily", "t", &moved);
        let answer = answer.replace("SIP/2.0/UDP", "SIP/2.0/TLS");
        rig.receive(flow, &answer);
        let sent = rig.heard();
        assert!(sent.iter().all(|(f, _)| f.transport.is_secure()));
        let followed = sent.iter().any(|(_, t)| t.starts_with("INVITE sips:q@"));
        assert_eq!(followed, !ends, "{target}");
        assert_eq!(rig.phone.ended(key).is_some(), ends, "{target}");
        if let Some(ended) = rig.phone.ended(key) {
            assert_eq!(ended.cause, EndCause::Forwarded);
        }
    }
    // There is no such thing as sips over UDP.
    let mut rig = Rig::new();
    let key = rig.dial(1, "sips:p@192.0.2.9;transport=udp");
    assert!(rig.heard().is_empty() && rig.phone.ended(key).is_some());
}
