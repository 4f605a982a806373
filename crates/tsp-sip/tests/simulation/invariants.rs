//! What has to hold, whatever the script.

use std::collections::BTreeMap;

use msp_core::id::CallKey;
use msp_core::params::MediaParams;
use tsp_sip::call::{CallEventKind, EndCause, Outline};
use tsp_sip::wire::StatusCode;

use crate::network::{Network, Outcome};
use crate::support::kept;

/// After a calm: a call is up at both ends or at none, and what is up agrees on its media.
pub(crate) fn agree(network: &Network, outcome: &mut Outcome) {
    let mut ends: BTreeMap<&str, Vec<(usize, CallKey)>> = BTreeMap::new();
    for (call_id, phone, key) in network.world.call_ids() {
        ends.entry(call_id).or_default().push((phone, key));
    }
    for (call_id, ends) in ends {
        let up = ends
            .iter()
            .filter(|(phone, key)| network.is_up(*phone, *key));
        let up: Vec<_> = up.copied().collect();
        let fault = |what: String| format!("{call_id}: {what}");
        if ends.iter().any(|(phone, _)| network.players[*phone].dead) {
            continue;
        }
        match up[..] {
            [] => {
                let over = ends
                    .iter()
                    .filter(|(phone, key)| network.is_over(*phone, *key));
                let lonely = over.clone().count() == 1 && ends.len() == 2;
                if lonely
                    && !over
                        .copied()
                        .any(|(phone, key)| gave_up(network, phone, key))
                {
                    outcome.faults.push(fault("over at one end alone".into()));
                }
            }
            [one, other] => {
                outcome.compared += 2;
                if let Some(what) = disagreement(network, one, other) {
                    outcome.faults.push(fault(what));
                }
            }
            [(phone, _)] => outcome
                .faults
                .push(fault(format!("up at phone {phone} alone"))),
            _ => outcome.faults.push(fault(format!("{} ends", up.len()))),
        }
        for (phone, key) in up {
            let state = network.world.phones[phone].agent.outline(key);
            if state != Outline::Up {
                outcome
                    .faults
                    .push(fault(format!("phone {phone} is {state:?} after the calm")));
            }
        }
    }
}

/// A caller that never heard a word cannot take its call back: the other end rings on.
fn gave_up(network: &Network, phone: usize, key: CallKey) -> bool {
    let told = network.told(phone, key);
    let heard = told
        .iter()
        .any(|k| matches!(k, CallEventKind::Ringing | CallEventKind::Incoming { .. }));
    !heard
}

/// After everybody asked for a change: each end receives where its media half said last.
pub(crate) fn changed(network: &Network, outcome: &mut Outcome) {
    for phone in 0..network.players.len() {
        for key in network.calls_of(phone) {
            if network.players[phone].dead
                || !network.is_up(phone, key)
                || network.is_lonely(phone, key)
            {
                continue;
            }
            let port = network.players[phone].changed.get(&key).copied();
            let media = network.players[phone]
                .media
                .current(key)
                .and_then(|m| m.first());
            let now = media.and_then(|m| m.local).map(|l| l.advertised.port());
            if port.is_some_and(|p| now.is_none_or(|n| n < p)) {
                let what =
                    format!("phone {phone}, call {key}: still at {now:?} instead of {port:?}");
                outcome.faults.push(what);
            }
        }
    }
}

/// In what the media of two ends differ.
fn disagreement(
    network: &Network,
    one: (usize, CallKey),
    other: (usize, CallKey),
) -> Option<String> {
    let current = |(phone, key): (usize, CallKey)| network.players[phone].media.current(key);
    let (Some(a), Some(b)) = (current(one), current(other)) else {
        return Some("an end without media".into());
    };
    if a.len() != b.len() {
        return Some(format!("{} and {} streams", a.len(), b.len()));
    }
    a.iter().zip(b).find_map(|(a, b)| streams_differ(a, b))
}

fn streams_differ(a: &MediaParams, b: &MediaParams) -> Option<String> {
    let place = |p: &MediaParams| p.local.map(|l| l.advertised);
    if a.refused != b.refused {
        return Some("a stream that one end refuses".into());
    }
    if place(a) != b.remote || a.remote != place(b) {
        return Some(format!(
            "{:?} sends to {:?}, {:?} to {:?}",
            place(a),
            a.remote,
            place(b),
            b.remote
        ));
    }
    if a.direction != b.direction.reversed() {
        return Some(format!("{:?} here, {:?} there", a.direction, b.direction));
    }
    let types = |p: &[msp_core::params::PayloadMapping]| {
        p.iter().map(|m| m.payload_type).collect::<Vec<_>>()
    };
    let understood = |from: &MediaParams, to: &MediaParams| {
        types(&from.send)
            .iter()
            .all(|t| types(&to.receive).contains(t))
    };
    (!understood(a, b) || !understood(b, a)).then(|| "a payload type that is not understood".into())
}

/// In the end: nothing is left of anything, and each end was told of everything once and in order.
pub(crate) fn at_rest(network: &mut Network, outcome: &mut Outcome) {
    for phone in 0..network.players.len() {
        let what = kept(&network.world, phone);
        if what != (0, 0, 0) {
            outcome.faults.push(format!(
                "phone {phone} keeps {what:?} calls, dialogs, transactions"
            ));
        }
        if let Some(at) = network.world.phones[phone].agent.deadline() {
            outcome
                .faults
                .push(format!("phone {phone} still waits for {at:?}"));
        }
        for key in network.calls_of(phone) {
            outcome.calls += 1;
            outcome.connected += usize::from(network.world.phones[phone].is_connected(key));
            if let Some(what) = out_of_order(&network.told(phone, key)) {
                outcome
                    .faults
                    .push(format!("phone {phone}, call {key}: {what}"));
            }
            if !network.players[phone].media.is_over(key) {
                outcome.faults.push(format!(
                    "phone {phone}, call {key}: the media half was not told the end"
                ));
            }
        }
        let faults = std::mem::take(&mut network.players[phone].media.faults);
        outcome.faults.extend(
            faults
                .into_iter()
                .map(|f| format!("media half of phone {phone}: {f}")),
        );
    }
}

/// Where nothing broke, a call that was up ended because somebody hung up.
pub(crate) fn outlived(network: &Network, outcome: &mut Outcome) {
    for phone in 0..network.players.len() {
        for key in network.calls_of(phone) {
            let told = &network.world.phones[phone];
            let ended = told.ended(key);
            let cause = ended.map(|e| e.cause);
            let hung_up = matches!(cause, Some(EndCause::LocalHangUp | EndCause::RemoteHangUp));
            // A request that overtakes the peer's BYE, or crosses it, brings the news.
            let news = ended.is_some_and(|e| e.status == Some(StatusCode::CALL_DOES_NOT_EXIST));
            if told.is_connected(key) && !hung_up && !news {
                outcome
                    .faults
                    .push(format!("phone {phone}, call {key}: ended by {cause:?}"));
            }
        }
    }
}

/// What is wrong with what an application was told of a call.
fn out_of_order(told: &[&CallEventKind]) -> Option<String> {
    let rank = |kind: &CallEventKind| match kind {
        CallEventKind::Incoming { .. } => Some(0),
        CallEventKind::Ringing => Some(1),
        CallEventKind::EarlyMedia => Some(2),
        CallEventKind::Connected => Some(3),
        CallEventKind::Ended(_) => Some(9),
        _ => None,
    };
    let ranks: Vec<u8> = told.iter().filter_map(|k| rank(k)).collect();
    let ends = ranks.iter().filter(|r| **r == 9).count();
    // A phone may ring after its early media (a 180 after a 183).
    let steps = |r: &u8| if *r == 2 { 1 } else { *r };
    let ordered = ranks.windows(2).all(|w| steps(&w[0]) <= steps(&w[1]));
    let twice = ranks.windows(2).any(|w| w[0] == w[1]);
    (ends != 1 || !ordered || twice).then(|| format!("told {told:?}"))
}
