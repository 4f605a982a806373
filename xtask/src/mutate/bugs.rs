//! The bugs.

use super::Bug;

const SIM: &[&str] = &["-p", "tsp-sip", "--test", "simulation"];

const fn sip(what: &'static str, file: &'static str, from: &'static str, to: &'static str) -> Bug {
    Bug {
        what,
        file,
        from,
        to,
        found_by: SIM,
    }
}

const fn srtp(what: &'static str, from: &'static str, to: &'static str) -> Bug {
    Bug {
        what,
        file: "crates/msp-rtp/src/srtp/source.rs",
        from,
        to,
        found_by: &["-p", "msp-rtp", "--test", "secured"],
    }
}

/// Each is one place of the product, changed so that it still compiles.
pub(super) const BUGS: &[Bug] = &[
    sip(
        "a BYE of the peer's ends nothing",
        "crates/tsp-sip/src/call/within.rs",
        "} else if is_call {",
        "} else if is_call && over {",
    ),
    sip(
        "a CANCEL is answered and forgotten",
        "crates/tsp-sip/src/call/called.rs",
        "let Some((key, leg)) = serving else { return };",
        "let Some((key, leg)) = serving.filter(|_| false) else { return };",
    ),
    sip(
        "a 2xx to a call that was taken back is acknowledged and not ended",
        "crates/tsp-sip/src/call/calling.rs",
        "        if !first {\n            self.say_goodbye(now, key, leg_id);",
        "        if !first {",
    ),
    sip(
        "what was prepared for a refused change is not taken back",
        "crates/tsp-sip/src/call/serving.rs",
        ".msp(key, leg_id, leg.generation, ToMsp::Rollback);",
        ".msp(key, leg_id, leg.generation, ToMsp::DropLeg);",
    ),
    sip(
        "a change of the peer's is not committed",
        "crates/tsp-sip/src/call/serving.rs",
        "            self.services.msp(key, leg_id, generation, ToMsp::Commit);",
        "            let _uncommitted = generation;",
    ),
    sip(
        "a change of ours is not committed",
        "crates/tsp-sip/src/call/media.rs",
        "                    self.services.msp(key, leg_id, generation, ToMsp::Commit);",
        "                    let _uncommitted = generation;",
    ),
    sip(
        "the offer of a change that was refused still counts",
        "crates/tsp-sip/src/call/serving.rs",
        "        leg.media = serving.before;",
        "        drop(serving.before);",
    ),
    sip(
        "an offer of ours that was refused stays open",
        "crates/tsp-sip/src/call/change.rs",
        "        leg.change = None;\n        leg.media.rollback();\n        let generation",
        "        leg.change = None;\n        let generation",
    ),
    sip(
        "two changes at once are both taken",
        "crates/tsp-sip/src/call/within.rs",
        "if !up || open || looking_up || leg.change.is_some() || !leg.applying.is_empty() {",
        "if !up && (open || looking_up) {",
    ),
    sip(
        "nobody tries again after two changes at once",
        "crates/tsp-sip/src/call/change.rs",
        "leg.change_at = Some(now + Duration::from_millis(10 * tens_of_ms));",
        "let _never = tens_of_ms;",
    ),
    sip(
        "the media half is not told that a call is over",
        "crates/tsp-sip/src/call/agent.rs",
        "        if call.prepared {",
        "        if call.prepared && call.connected {",
    ),
    sip(
        "the application is not told that a call is over",
        "crates/tsp-sip/src/call/agent.rs",
        "        self.services.tell(key, CallEventKind::Ended(why));",
        "        drop(why);",
    ),
    sip(
        "a 2xx is repeated for ever",
        "crates/tsp-sip/src/call/success.rs",
        "if waiting.give_up <= now {",
        "if waiting.give_up <= now && t2.is_zero() {",
    ),
    sip(
        "a 2xx is not repeated",
        "crates/tsp-sip/src/call/success.rs",
        "                self.services.transmit(flow, bytes);",
        "                let _unsent = (flow, bytes);",
    ),
    sip(
        "a call that was hung up before its ACK is not ended after it",
        "crates/tsp-sip/src/call/success.rs",
        "            // We hung up before the ACK came, and had to wait for it (RFC 3261 section 15).\n            self.say_goodbye(now, key, leg_id);",
        "",
    ),
    sip(
        "copies of a request that was answered are taken for new ones",
        "crates/tsp-sip/src/transaction/mod.rs",
        "if let Some(answer) = self.answered.get(&key) {",
        "if let Some(answer) = self.answered.get(&key).filter(|_| false) {",
    ),
    sip(
        "transactions that were answered are never forgotten",
        "crates/tsp-sip/src/transaction/mod.rs",
        "        while self.answered.forget(now).is_some() {}",
        "",
    ),
    sip(
        "an INVITE that nobody answers is never given up",
        "crates/tsp-sip/src/transaction/client.rs",
        "            end: Some(now + timers.transaction()),",
        "            end: (!invite).then(|| now + timers.transaction()),",
    ),
    sip(
        "the dialogs of a call outlive it",
        "crates/tsp-sip/src/call/agent.rs",
        "            self.services.dialogs.remove(leg.dialog.id());",
        "",
    ),
    sip(
        "the ACK of a change has the number of the first INVITE",
        "crates/tsp-sip/src/call/change.rs",
        "            .ack(number.unwrap_or_else(|_| leg.dialog.local_number()));",
        "            .ack(number.map_or(1, |_| 1));",
    ),
    sip(
        "what the peer answered to a change is not applied",
        "crates/tsp-sip/src/call/change.rs",
        "            Ok(agreement) => self.apply(now, key, leg_id, Applying::Changed, agreement),",
        "            Ok(agreement) => drop(agreement),",
    ),
    sip(
        "a copy of a 2xx is not acknowledged again",
        "crates/tsp-sip/src/call/services.rs",
        "        self.transmit(ack.flow, Bytes::copy_from_slice(&ack.bytes));",
        "        let _unsent = (ack.flow, &ack.bytes);",
    ),
    sip(
        "a peer whose answer cannot be applied is left on the line",
        "crates/tsp-sip/src/call/media.rs",
        "            Applying::Final | Applying::Changed => {\n                self.say_goodbye(now, key, leg);",
        "            Applying::Final | Applying::Changed => {",
    ),
    srtp(
        "an encrypted packet is taken as often as it comes",
        "behind < WINDOW && self.seen & (1 << behind) == 0",
        "behind < WINDOW",
    ),
    srtp(
        "a packet that overtook others makes them strangers",
        "self.seen |= 1 << (self.next - 1 - index);",
        "self.seen = u128::MAX;",
    ),
    srtp(
        "the numbers of a source are not found after a roll-over",
        "            same + TURN\n",
        "            same\n",
    ),
    srtp(
        "another source goes on with the numbers of the first",
        "let known = self.sources.iter().find(|s| s.ssrc == ssrc);",
        "let known = self.sources.first().filter(|_| ssrc != Ssrc(0));",
    ),
];
