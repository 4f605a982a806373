//! What has to hold, whatever the script.

use std::collections::BTreeMap;

use msp_core::id::CallKey;
use msp_core::media::MediaDirection;
use msp_core::params::MediaParams;
use tsp_sip::call::{CallEventKind, EndCause, Kept, Outline};
use tsp_sip::wire::StatusCode;

use crate::network::{Network, Outcome};
use crate::script::Script;

/// After a calm: a call is up at both ends or at none, and what is up agrees on its media and on who holds.
pub(crate) fn agree(network: &Network, script: &Script, outcome: &mut Outcome) {
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
            // The session of who asked for one has run out.
            let wants = |phone: usize| {
                let timers = script.phones[phone].policy.timers.as_ref();
                timers.is_some_and(|t| t.wanted.is_some())
            };
            let left = up.iter().filter(|(phone, _)| !network.players[*phone].dead);
            for (phone, _) in left.filter(|(phone, _)| wants(*phone)) {
                outcome
                    .faults
                    .push(fault(format!("phone {phone} goes on with the dead")));
            }
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
                let media = disagreement(network, one, other);
                let hold = hold_differs(network, one, other);
                let of_one = [one, other].map(|end| unwished(network, end));
                let what = [media, hold].into_iter().chain(of_one).flatten();
                outcome.faults.extend(what.map(fault));
            }
            [(phone, _)] => outcome
                .faults
                .push(fault(format!("up at phone {phone} alone"))),
            _ => outcome.faults.push(fault(format!("{} ends", up.len()))),
        }
        for (phone, key) in up {
            let state = network.world.phones[phone].agent.outline(key);
            if !matches!(state, Outline::Up | Outline::Held | Outline::Transferring) {
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

/// Long after the last transfer: each came about and the call is over, or it did not.
pub(crate) fn passed_on(network: &Network, outcome: &mut Outcome) {
    for (phone, player) in network.players.iter().enumerate() {
        let up = |key| !player.dead && network.is_up(phone, key);
        for transfer in player.transfers.iter().filter(|t| up(t.key)) {
            let fault = match transfer.came_about {
                Some(false) => continue,
                Some(true) => "came about, and its call goes on",
                None => "never ends",
            };
            outcome
                .faults
                .push(format!("phone {phone}: {transfer:?} {fault}"));
        }
    }
}

/// What an end does that its user did not want, or does not do that it did.
fn unwished(network: &Network, (phone, key): (usize, CallKey)) -> Option<String> {
    let player = &network.players[phone];
    let (ours, _) = player.held.get(&key).copied().unwrap_or_default();
    let wish = player.wishes.get(&key).copied().unwrap_or_default();
    let unheard = || network.unheard_digits(phone, key);
    if ours != wish {
        Some(format!(
            "phone {phone} holds: {ours}, and its user wants: {wish}"
        ))
    } else if ours != player.media.is_silent(key) && player.media.sends(key) {
        Some(format!(
            "phone {phone} holds: {ours}, and its sound differs"
        ))
    } else {
        let digits = unheard()?;
        Some(format!(
            "phone {phone} pressed {digits:?}, which went nowhere"
        ))
    }
}

/// In what two ends differ about who holds, and whether their media say the same.
fn hold_differs(
    network: &Network,
    one: (usize, CallKey),
    other: (usize, CallKey),
) -> Option<String> {
    let held = |(phone, key): (usize, CallKey)| {
        let held = network.players[phone].held.get(&key);
        held.copied().unwrap_or_default()
    };
    let ((a, by_b), (b, by_a)) = (held(one), held(other));
    // Who holds cannot always see whether the other end does too: nothing flows either way.
    let unseen = |holds: bool, known: bool, other: bool| holds != known && !(holds && other);
    if unseen(a, by_a, b) || unseen(b, by_b, a) {
        return Some(format!("{:?} here, {:?} there", (a, by_b), (b, by_a)));
    }
    let media = network.players[one.0].media.current(one.1)?;
    media.iter().filter(|p| !p.refused).find_map(|p| {
        let way = p.direction;
        let wrong =
            a && way.receives() || b && way.sends() || !a && !b && way != MediaDirection::SendRecv;
        wrong.then(|| format!("{way:?}, and held: {a} here, {b} there"))
    })
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
    // Who holds with the address 0.0.0.0 is nowhere.
    let place = |p: &MediaParams| {
        let place = p.local.map(|l| l.advertised);
        place.filter(|p| !p.ip().is_unspecified())
    };
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
        let left = network.world.phones[phone].agent.kept();
        // Names are kept for copies that may come yet, and swept when something does.
        let none = Kept {
            memories: left.memories,
            ..Kept::default()
        };
        if left != none {
            outcome.faults.push(format!("phone {phone} keeps {left:?}"));
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
        for transfer in &network.players[phone].transfers {
            let kind = match transfer.came_about {
                Some(true) => usize::from(transfer.consultation.is_some()),
                _ => 2,
            };
            outcome.passed_on[kind] += 1;
            let over = network.is_over(phone, transfer.key);
            if transfer.came_about.is_none() && !over {
                let what = format!("phone {phone} never heard of {transfer:?}");
                outcome.faults.push(what);
            }
        }
        if let Some(what) = not_replaced(network, phone) {
            outcome.faults.push(format!("phone {phone}: {what}"));
        }
        let faults = std::mem::take(&mut network.players[phone].faults);
        let of_phone = faults.into_iter().map(|f| format!("phone {phone}: {f}"));
        outcome.faults.extend(of_phone);
        let faults = std::mem::take(&mut network.players[phone].media.faults);
        outcome.faults.extend(
            faults
                .into_iter()
                .map(|f| format!("media half of phone {phone}: {f}")),
        );
    }
}

/// A call that came in to take the place of another one was answered, and the other one went on.
fn not_replaced(network: &Network, phone: usize) -> Option<String> {
    let replacing = network.players[phone].replacing.iter();
    let events = &network.world.phones[phone].events;
    let place = |key: CallKey, what: fn(&CallEventKind) -> bool| {
        events.iter().position(|e| e.key == key && what(&e.kind))
    };
    let is_end = |k: &CallEventKind| matches!(k, CallEventKind::Ended(_));
    replacing
        .filter_map(|(new, old)| {
            let up = place(*new, |k| *k == CallEventKind::Connected)?;
            let ended = place(*old, is_end);
            let cause = network.world.phones[phone].ended(*old).map(|e| e.cause);
            let went_on = match ended {
                Some(at) => at > up && cause != Some(EndCause::Replaced),
                None => true,
            };
            went_on.then(|| format!("call {old} ended by {cause:?}, after call {new} replaced it"))
        })
        .next()
}

/// Where nothing broke, a call that was up ended because somebody hung up.
pub(crate) fn outlived(network: &Network, outcome: &mut Outcome) {
    for phone in 0..network.players.len() {
        for key in network.calls_of(phone) {
            let told = &network.world.phones[phone];
            let ended = told.ended(key);
            let cause = ended.map(|e| e.cause);
            let player = &network.players[phone];
            let passed_on = |key: CallKey| {
                let transfers = player.transfers.iter();
                let mut of_key = transfers.filter(|t| t.key == key);
                of_key.any(|t| t.came_about == Some(true))
            };
            let hung_up = match cause {
                Some(EndCause::LocalHangUp) => player.hung_up.contains(&key) || passed_on(key),
                Some(EndCause::Replaced) => player.replacing.values().any(|old| *old == key),
                Some(EndCause::RemoteHangUp) => true,
                _ => false,
            };
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
        // It asks for the place of another call before it is answered.
        CallEventKind::Replaces(_) => Some(0),
        _ => None,
    };
    let ranks: Vec<u8> = told.iter().filter_map(|k| rank(k)).collect();
    let ends = ranks.iter().filter(|r| **r == 9).count();
    // A phone may ring after its early media (a 180 after a 183).
    let steps = |r: &u8| if *r == 2 { 1 } else { *r };
    let ordered = ranks.windows(2).all(|w| steps(&w[0]) <= steps(&w[1]));
    let twice = told
        .windows(2)
        .any(|w| w[0] == w[1] && rank(w[0]).is_some());
    let at = |r: u8| told.iter().position(|k| rank(k) == Some(r));
    // What happens to a call that is up happens between its beginning and its end.
    // Keys can be pressed before.
    let is_key = |k: &CallEventKind| matches!(k, CallEventKind::UnsentDigit(_));
    let is_other = |k: &CallEventKind| rank(k).is_none() && !is_key(k);
    let mut others = told.iter().enumerate().filter(|(_, k)| is_other(k));
    let stray = others.any(|(i, _)| at(3).is_none_or(|c| i < c) || at(9).is_some_and(|e| i > e));
    (ends != 1 || !ordered || twice || stray).then(|| format!("told {told:?}"))
}
