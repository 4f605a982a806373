//! Encrypted media of a trace in the clear, for who compares sound.

use msp_core::params::KeyParams;
use msp_core::trace::{PacketKind, TraceBody, TraceEntry, Way};
use msp_rtp::protect::{Component, Protect};
use msp_rtp::srtp::Srtp;

/// Puts what was encrypted in the place of the RTP datagrams that carried it, as far as the trace has their keys. What was
/// dropped stays as it came.
pub(crate) fn open(entries: &mut [TraceEntry]) {
    let mut ways = Ways::of(entries);
    if ways.sent.is_empty() && ways.received.is_empty() {
        return;
    }
    for entry in entries {
        let TraceBody::Media {
            way,
            kind: PacketKind::Rtp,
            bytes,
            dropped: None,
            ..
        } = &mut entry.body
        else {
            continue;
        };
        let keys = match way {
            Way::Out => &mut ways.sent,
            Way::In => &mut ways.received,
        };
        let mut packet = bytes.to_vec();
        let opened = keys
            .iter_mut()
            .find_map(|k| k.unprotect(Component::Media, &mut packet).ok());
        if let Some(opened) = opened.and_then(|len| packet.get(..len)) {
            *bytes = opened.into();
        }
    }
}

/// All that was ever agreed on, whenever: packets tell by their tags which key is theirs, and may be recorded before the
/// agreement that they belong to.
#[derive(Default)]
struct Ways {
    sent: Vec<Srtp>,
    received: Vec<Srtp>,
}

impl Ways {
    fn of(entries: &[TraceEntry]) -> Self {
        let agreed = entries.iter().filter_map(|e| match &e.body {
            TraceBody::Agreed { params, .. } => Some(params),
            _ => None,
        });
        let mut known: Vec<&KeyParams> = Vec::new();
        for params in agreed.flatten() {
            if !params.keys.send.is_empty() && !known.contains(&&params.keys) {
                known.push(&params.keys);
            }
        }
        let mut ways = Self::default();
        for keys in known {
            let turned = KeyParams {
                send: keys.receive.clone(),
                receive: keys.send.clone(),
            };
            ways.received.extend(Srtp::new(keys));
            ways.sent.extend(Srtp::new(&turned));
        }
        ways
    }
}
