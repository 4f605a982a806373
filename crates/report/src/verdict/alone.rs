//! What one end of a call can know by itself.

use msp_core::event::{Cause, EventKind};
use msp_core::time::Instant;
use msp_core::trace::{TraceBody, TraceEntry, Way};

use super::timeline::comes_from_a_packet;
use super::{
    End, Expected, Heard, Judged, Limits, NO_RECORDING, Network, OTHER_RATE, Reason, SHORT,
    Verdict, is_sound,
};
use crate::due;
use crate::media::position;
use crate::phone::Sound;
use crate::sent::Sent;
use crate::sip;

pub(super) fn judge(end: &End<'_>, limits: &Limits) -> Verdict {
    let name = &end.phone.name;
    let peer = sip::peer(&end.signals, name).unwrap_or_else(|| "peer".to_owned());
    let mut sending = Judged::new(name, &peer, 0);
    let mut hearing = Judged::new(&peer, name, end.taken());
    let mut verdict = Verdict {
        seen_by: Some(name.clone()),
        ..Verdict::default()
    };
    match end.answered {
        Some(answered) => {
            end.judge_sending(&mut sending, limits);
            hearing.should_have_sound = end.media.may_receive();
            verdict.judged_s = end.judge_hearing(&mut hearing, answered, limits);
            hearing.blame_silence(true);
        }
        // Nothing was to be sent or heard.
        None => verdict.reasons.push(Reason::NotConnected),
    }
    verdict.directions = vec![sending.verdict, hearing.verdict];
    verdict
}

impl End<'_> {
    fn judge_sending(&self, judged: &mut Judged, limits: &Limits) {
        let packets = self.sent.packets;
        judged.verdict.sent_packets = packets;
        let was_given_sound = self.phone.captured.as_deref().is_some_and(is_sound);
        if was_given_sound && !is_sound(&self.sent.pcm) {
            judged.verdict.reasons.push(Reason::NotSent { packets });
        }
        // The peer counts what it lost, in its reports.
        let stats = self.media.stats.last().map(|(_, stats)| stats.sent);
        if let Some(sent) = stats.filter(|s| s.round_trip.is_some()) {
            let lost = u64::try_from(sent.remote_lost).unwrap_or(0);
            judged.judge_loss(lost, sent.packets, limits);
        }
    }

    /// How many seconds were judged, if that is not all of the call.
    fn judge_hearing(
        &self,
        judged: &mut Judged,
        answered: Instant,
        limits: &Limits,
    ) -> Option<f64> {
        let due = due::by_number(&self.media.received);
        let missing = due.iter().filter(|d| !d.came || d.late).count();
        judged.judge_loss(missing as u64, due.len() as u64, limits);
        if let Some(at) = self.gave_up() {
            let after_ms = at.saturating_since(answered).as_secs_f64() * 1e3;
            judged.verdict.reasons.push(Reason::Ceased { after_ms });
        }
        let came = Sent::of(&self.media, Way::In, None);
        judged.verdict.sent_packets = came.packets;
        let Some(rate) = came.rate else {
            // Silence needs no recording to be proven.
            return None;
        };
        let extent = match self.phone.extent(&self.media) {
            Some(extent) if extent.rate == rate => extent,
            unfit => {
                let what = unfit.map_or(NO_RECORDING, |_| OTHER_RATE);
                // Whether it was sound is not known.
                judged.should_have_sound = false;
                judged.verdict.reasons.push(Reason::Incomplete { what });
                return None;
            }
        };
        let sound = Sound {
            samples: came.pcm.clone(),
            silence: 0,
            rate,
        };
        let expected = Expected {
            sound: &sound,
            // Each packet lies where its timestamp says.
            proven: true,
            other: None,
        };
        let heard = self.heard(extent, &came);
        let is_short = heard.is_short_of(self.media.played(), limits.edge);
        if is_short && !self.phone.is_cut {
            judged
                .verdict
                .reasons
                .push(Reason::Incomplete { what: SHORT });
        }
        judged.compare(self.phone, &heard, &expected, limits);
        let in_time = heard.came_in_time(&came);
        judged.judge_share(&heard, in_time, &Network::default(), limits.edge);
        if let Some(first) = self.first_sound(&heard) {
            let ms = (first.as_nanos() as f64 - answered.as_nanos() as f64) / 1e6;
            let limit_ms = limits.first_sound.as_secs_f64() * 1e3;
            if ms > limit_ms {
                let reason = Reason::SlowStart { ms, limit_ms };
                judged.verdict.reasons.push(reason);
            }
        }
        is_short.then(|| rate.duration(extent.len as u64).as_secs_f64())
    }

    /// When it first gave the received sound up because nothing had come for too long.
    fn gave_up(&self) -> Option<Instant> {
        let gave_up = |entry: &&TraceEntry| {
            let TraceBody::Event(event) = &entry.body else {
                return false;
            };
            event.kind == EventKind::StreamInactive && event.cause == Cause::MediaTimeout
        };
        Some(self.phone.entries.iter().find(gave_up)?.at)
    }

    /// When the first sample from a packet was played.
    fn first_sound(&self, heard: &Heard) -> Option<Instant> {
        let mut played = self.media.playout.iter();
        let (_, first) = played.find(|(_, s)| comes_from_a_packet(s.action))?;
        heard.clock.instant(position(first))
    }
}

impl Heard {
    /// Samples that came in time to be in the recording, and were taken.
    fn came_in_time(&self, came: &Sent) -> u64 {
        let at = |position| self.clock.instant(position);
        match (at(self.extent.position), at(self.end())) {
            (Some(from), Some(until)) => came.samples(from, until),
            _ => 0,
        }
    }
}

impl Judged {
    fn judge_loss(&mut self, lost: u64, due: u64, limits: &Limits) {
        let limit = limits.loss;
        if lost as f64 > due as f64 * limit {
            self.verdict
                .reasons
                .push(Reason::TooMuchLost { lost, due, limit });
        }
    }
}
