//! Our 2xx to an INVITE, until its ACK comes (RFC 3261 section 13.3.1.4).

use msp_core::id::{CallKey, LegId};
use msp_core::time::Instant;

use super::UserAgent;
use super::content::description;
use super::interface::{CallEventKind, EndCause};
use super::media::agreed;
use super::state::{Applying, Call};
use crate::dialog::DialogId;
use crate::transport::Flow;
use crate::wire::Request;

impl UserAgent {
    /// An ACK that is no transaction's: one for our 2xx.
    pub(super) fn acknowledged(&mut self, now: Instant, flow: Flow, ack: &Request) {
        let found = DialogId::of_request(&ack.headers)
            .ok()
            .and_then(|id| self.services.dialogs.get(&id).copied());
        let number = ack.headers.cseq().map(|c| c.number).unwrap_or_default();
        let leg = found.and_then(|(key, leg)| self.calls.get_mut(&key)?.leg(leg).map(|l| (key, l)));
        let Some((key, leg)) = leg else {
            self.services.stats.stray_acks += 1;
            return;
        };
        let Some(waiting) = leg.unacknowledged.take_if(|u| u.number == number) else {
            // A copy of one that came before.
            self.services.stats.repeated_acks += 1;
            return;
        };
        leg.flow = flow;
        let leg_id = leg.id;
        // What is due next was hidden by the next copy of the 2xx.
        self.arm(key);
        if self.calls.get(&key).is_some_and(Call::is_over) {
            // We hung up before the ACK came, and had to wait for it (RFC 3261 section 15).
            self.say_goodbye(now, key, leg_id);
            self.tidy(now, key);
        } else if waiting.wants_answer {
            self.take_late_answer(now, key, leg_id, ack);
        } else if !waiting.again {
            self.connected(key);
        }
    }

    /// The answer to the offer that our 2xx made.
    fn take_late_answer(&mut self, now: Instant, key: CallKey, leg_id: LegId, ack: &Request) {
        let Some(leg) = self.calls.get_mut(&key).and_then(|c| c.leg(leg_id)) else {
            return;
        };
        match agreed(
            &mut leg.media,
            description(&ack.headers, &ack.body).as_ref(),
        ) {
            Ok(agreement) => self.apply(now, key, leg_id, Applying::Final, agreement),
            Err(why) => {
                self.say_goodbye(now, key, leg_id);
                self.fail(now, key, EndCause::Media, None, &why);
            }
        }
    }

    /// Both ends agreed.
    pub(super) fn connected(&mut self, key: CallKey) {
        if let Some(call) = self.calls.get_mut(&key)
            && !call.connected
        {
            call.connected = true;
            let leg = call.chosen.unwrap_or(LegId::FIRST);
            self.services.tell(key, CallEventKind::Connected);
            self.tell_hold(key, leg);
            self.move_answered(key);
        }
    }

    /// Repeats 2xx that no ACK came for, or gives up (RFC 3261 section 13.3.1.4).
    pub(super) fn repeat_successes(&mut self, now: Instant, key: CallKey) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let t2 = self.services.config.timers.t2;
        let mut lost = Vec::new();
        for leg in &mut call.legs {
            let Some(waiting) = leg.unacknowledged.as_mut() else {
                continue;
            };
            if waiting.give_up <= now {
                lost.push(leg.id);
                leg.unacknowledged = None;
            } else if waiting.repeat <= now {
                waiting.interval = (waiting.interval * 2).min(t2);
                waiting.repeat = now + waiting.interval;
                let (flow, bytes) = (waiting.flow, waiting.bytes.clone());
                self.services.transmit(flow, bytes);
            }
        }
        for leg in lost {
            self.say_goodbye(now, key, leg);
            self.fail(now, key, EndCause::Unreachable, None, "no ACK came");
            self.tidy(now, key);
        }
    }
}
