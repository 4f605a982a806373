//! Which pairs of state and event a test reached.

use std::collections::BTreeMap;

use msp_core::id::CallKey;
use msp_core::link::ToTsp;
use tsp_sip::call::{Command, Input, Outline, UserAgent};

/// A state of a call, and what came while it was there.
pub type Place = (Outline, String);

/// How often each was reached.
pub type Reached = BTreeMap<Place, u64>;

/// The state that an input finds, and its name.
pub fn place(agent: &UserAgent, input: &Input) -> Place {
    let (key, name) = match input {
        Input::Received { bytes, .. } => {
            let text = String::from_utf8_lossy(bytes);
            let field = |name: &str| {
                let line = text.lines().find_map(|l| l.strip_prefix(name));
                line.unwrap_or_default().trim().to_owned()
            };
            (
                agent.call_of(&field("Call-ID:")),
                message(&text, &field("CSeq:")),
            )
        }
        Input::Command(command) => (key_of(command), first_word(command)),
        Input::Msp(message) => {
            let name = match &message.body {
                ToTsp::Refused(_) => "media Refused".into(),
                other => format!("media {}", first_word(other)),
            };
            (Some(message.call), name)
        }
        Input::Unreachable { .. } => (None, "unreachable".into()),
        Input::Accepted { .. } | Input::Proved { .. } => (None, "accepted".into()),
        Input::Garbled { .. } => (None, "garbled".into()),
        Input::Closed { .. } => (None, "closed".into()),
        Input::Resolved { .. } => (None, "resolved".into()),
    };
    let state = key.map_or(Outline::Unknown, |k| agent.outline(k));
    (state, name)
}

/// A message by its method, or by its method and status; statuses that are handled by themselves are told apart.
fn message(text: &str, cseq: &str) -> String {
    let method = cseq.split(' ').nth(1).unwrap_or("?");
    let has = |part: &str| text.contains(part);
    match text.strip_prefix("SIP/2.0 ") {
        Some(status) => match status.get(..3).unwrap_or("?") {
            s @ ("408" | "422" | "481" | "487" | "491") => format!("{s} {method}"),
            s if s.starts_with('1') && has("\r\nRSeq:") => format!("1xx {method} reliable"),
            s => format!("{}xx {method}", s.get(..1).unwrap_or("?")),
        },
        None => match method {
            "INVITE" if has("\r\nReplaces:") => "INVITE Replaces".into(),
            "UPDATE" | "PRACK" if has("\r\n\r\nv=0") => format!("{method} with SDP"),
            "NOTIFY" if has("\r\nSubscription-State: terminated") => "NOTIFY last".into(),
            _ => method.into(),
        },
    }
}

fn key_of(command: &Command) -> Option<CallKey> {
    match command {
        Command::Dial { key, .. } | Command::Options { key, .. } => Some(*key),
        Command::Transfer { key, .. }
        | Command::TransferTo { key, .. }
        | Command::FollowTransfer { key, .. } => Some(*key),
        Command::Ring(key)
        | Command::Progress(key)
        | Command::Hold(key)
        | Command::Resume(key)
        | Command::DeclineTransfer(key)
        | Command::Answer(key)
        | Command::Reject(key, _)
        | Command::HangUp(key) => Some(*key),
        _ => None,
    }
}

/// The name of a variant.
fn first_word(value: &impl std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    let end = text.find(|c: char| !c.is_alphanumeric());
    text[..end.unwrap_or(text.len())].to_owned()
}
