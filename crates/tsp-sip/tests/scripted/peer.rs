//! A peer that speaks by literal bytes.

use std::time::Duration;

use msp_core::id::CallKey;
use netsim::Impairment;
use tsp_sip::call::CallPolicy;

use crate::support::{Manner, Phone, World};

pub(crate) const US: &str = "192.0.2.2:5060";

pub(crate) const PEER: &str = "192.0.2.9:5060";

pub(crate) const SDP: &str =
    "v=0\no=- 1 1 IN IP4 192.0.2.9\ns=-\nc=IN IP4 192.0.2.9\nt=0 0\nm=audio 5000 RTP/AVP 0 8\n";

pub(crate) const CONTACT: &str = "Contact: <sip:p@192.0.2.9:5060>\n";

pub(crate) fn alone(manner: Manner) -> World {
    World::new(vec![Phone::new(US, 3, manner)], Impairment::PERFECT, 5)
}

/// The same under a policy.
pub(crate) fn alone_with(manner: Manner, policy: CallPolicy) -> World {
    World::new(
        vec![Phone::with(US, 3, manner, policy)],
        Impairment::PERFECT,
        5,
    )
}

pub(crate) fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub(crate) fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Sends a request and gives the responses that come at once.
pub(crate) fn ask(w: &mut World, text: &str) -> Vec<String> {
    w.inject(PEER, US, text);
    w.run(ms(1));
    w.heard()
}

pub(crate) fn ask_once(w: &mut World, text: &str) -> String {
    let heard = ask(w, text);
    assert_eq!(heard.len(), 1, "{heard:?}");
    heard[0].clone()
}

pub(crate) fn field<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    message
        .lines()
        .find_map(|l| l.strip_prefix(name).and_then(|l| l.strip_prefix(": ")))
}

pub(crate) fn tag(message: &str, name: &str) -> String {
    field(message, name)
        .and_then(|v| v.split(";tag=").nth(1))
        .unwrap_or_default()
        .to_owned()
}

/// A request outside of a dialog.
pub(crate) fn plain(start: &str, branch: &str, cseq: &str, extra: &str) -> String {
    format!(
        "{start} SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK{branch}\nMax-Forwards: 70\nFrom: <sip:p@192.0.2.9>;tag=p1\n\
         To: <sip:user@192.0.2.2>\nCall-ID: c-{branch}\nCSeq: {cseq}\nContact: <sip:p@192.0.2.9:5060>\n{extra}\n"
    )
}

pub(crate) fn with_sdp(message: &str, sdp: &str) -> String {
    let body = sdp.replace('\n', "\r\n");
    let (head, _) = message
        .split_once("\n\n")
        .unwrap_or_else(|| (message.trim_end(), ""));
    format!(
        "{head}\nContent-Type: application/sdp\nContent-Length: {}\n\n{sdp}",
        body.len()
    )
}

/// A request within the dialog that an INVITE of branch `call` made.
pub(crate) fn within(method: &str, call: &str, number: u32, our_tag: &str, extra: &str) -> String {
    let branch = format!("{call}-{method}-{number}");
    plain(
        &format!("{method} sip:user@192.0.2.2:5060"),
        &branch,
        &format!("{number} {method}"),
        extra,
    )
    .replace(
        &format!("Call-ID: c-{branch}"),
        &format!("Call-ID: c-{call}"),
    )
    .replace(
        "To: <sip:user@192.0.2.2>",
        &format!("To: <sip:user@192.0.2.2>;tag={our_tag}"),
    )
}

/// A call from the scripted peer that is up; our tag.
pub(crate) fn call_up(w: &mut World, call: &str) -> String {
    let invite = with_sdp(
        &plain("INVITE sip:user@192.0.2.2", call, "1 INVITE", ""),
        SDP,
    );
    let heard = ask(w, &invite);
    let ok = heard
        .iter()
        .find(|m| m.starts_with("SIP/2.0 200"))
        .expect("answered");
    let our_tag = tag(ok, "To");
    w.inject(PEER, US, &within("ACK", call, 1, &our_tag, ""));
    w.run(ms(1));
    assert!(w.heard().is_empty());
    our_tag
}

/// A peer's change of a call, in the round of offer and answer after the first.
pub(crate) fn change(call: &str, number: u32, our_tag: &str) -> String {
    let sdp = SDP.replace("o=- 1 1", "o=- 1 2").replace("5000", "5002");
    with_sdp(&within("INVITE", call, number, our_tag, ""), &sdp)
}

pub(crate) struct Invite {
    pub(crate) text: String,
}

impl Invite {
    /// Literal bytes that answer it.
    pub(crate) fn response(&self, code: &str, to_tag: &str, extra: &str) -> String {
        let f = |name: &str| field(&self.text, name).unwrap_or_default();
        let to_tag = if to_tag.is_empty() {
            String::new()
        } else {
            format!(";tag={to_tag}")
        };
        format!(
            "SIP/2.0 {code}\nVia: {}\nFrom: {}\nTo: {}{to_tag}\nCall-ID: {}\nCSeq: {}\n{extra}\n",
            f("Via"),
            f("From"),
            f("To"),
            f("Call-ID"),
            f("CSeq")
        )
    }
}

pub(crate) fn dial(w: &mut World, key: u64) -> (CallKey, Invite) {
    let key = w.dial(0, key, "sip:p@192.0.2.9:5060");
    w.run(ms(1));
    let text = w.heard().remove(0);
    assert!(text.starts_with("INVITE sip:p@192.0.2.9:5060 SIP/2.0\r\n"));
    (key, Invite { text })
}
