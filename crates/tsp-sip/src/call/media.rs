//! The edge to the media half: what its messages mean for a call. Everything else in here knows offers and answers
//! as text only.

use bytes::Bytes;
use msp_core::error::ErrorKind as MediaErrorKind;
use msp_core::event::Cause;
use msp_core::id::LegId;
use msp_core::link::{Envelope, PrepareSlot, ToMsp, ToTsp};
use msp_core::media::{MediaDirection, MediaKind};
use msp_core::params::{MediaParams, MediaSlot};
use msp_core::time::Instant;
use tsp_sdp::OfferAnswer;

use super::UserAgent;
use super::interface::{CallEventKind, EndCause, Ended};
use super::state::{Applying, Phase};
use crate::wire::StatusCode;

/// What a call has unless the peer's offer says otherwise: one stream pair of sound.
pub(super) const SLOTS: [PrepareSlot; 1] = [PrepareSlot {
    slot: MediaSlot(0),
    kind: MediaKind::Audio,
    direction: MediaDirection::SendRecv,
}];

/// What an answer comes to; without one, what an earlier answer to the same offer came to.
pub(super) fn agreed(
    media: &mut OfferAnswer,
    answer: Option<&Bytes>,
) -> Result<Vec<MediaParams>, String> {
    let params = match answer {
        Some(text) => {
            media
                .receive_answer(text)
                .map_err(|e| e.to_string())?
                .params
        }
        None => media
            .negotiated()
            .ok_or("no answer to our offer came")?
            .to_vec(),
    };
    if params.iter().all(|p| p.refused) {
        return Err("no medium was accepted".into());
    }
    Ok(params)
}

impl UserAgent {
    /// Takes a message of the media half for a call that is not over. `false` if nothing waits for it.
    pub(super) fn media_message(&mut self, now: Instant, message: Envelope<ToTsp>) -> bool {
        let Envelope {
            call: key,
            leg,
            generation,
            body,
        } = message;
        let Some(call) = self.calls.get_mut(&key) else {
            return false;
        };
        let dialing = matches!(call.phase, Phase::Dialing(_));
        let current = match call.leg(leg) {
            Some(l) => l.generation == generation,
            None => dialing && leg == LegId::FIRST,
        };
        match body {
            ToTsp::MediaLost { .. } => self.media_lost(now, key, leg),
            _ if !current => return false,
            ToTsp::Local(params) if dialing => self.invite(now, key, params),
            ToTsp::Local(params) => return self.prepared(now, key, leg, params),
            ToTsp::Applied => return self.media_applied(now, key, leg),
            ToTsp::Refused(error) => return self.media_refused(now, key, leg, &error),
            // Nothing depends on it here.
            ToTsp::Security { .. } => {}
            _ => return false,
        }
        true
    }

    fn media_applied(&mut self, now: Instant, key: msp_core::id::CallKey, leg_id: LegId) -> bool {
        if self.applied(now, key, leg_id) {
            return true;
        }
        let Some(call) = self.calls.get_mut(&key) else {
            return false;
        };
        let (early, connected) = (call.early, call.connected);
        let Some(leg) = call.leg(leg_id) else {
            return false;
        };
        match std::mem::replace(&mut leg.applying, Applying::Nothing) {
            Applying::Nothing => return false,
            Applying::Early if early => {}
            Applying::Early => {
                call.early = true;
                self.services.tell(key, CallEventKind::EarlyMedia);
            }
            Applying::Final if connected => {
                let generation = leg.generation;
                self.services.msp(key, leg_id, generation, ToMsp::Commit);
            }
            Applying::Final => self.connected(key),
        }
        true
    }

    fn media_refused(
        &mut self,
        now: Instant,
        key: msp_core::id::CallKey,
        leg_id: LegId,
        error: &msp_core::error::Error,
    ) -> bool {
        let Some(call) = self.calls.get_mut(&key) else {
            return false;
        };
        if matches!(call.phase, Phase::Dialing(_)) {
            self.fail(now, key, EndCause::Media, None, &error.to_string());
            return true;
        }
        let up = matches!(call.phase, Phase::Up);
        let Some(leg) = call.leg(leg_id) else {
            return false;
        };
        if leg.serving.is_some() {
            let status = match error.kind() {
                MediaErrorKind::Busy
                | MediaErrorKind::ResourceUnavailable
                | MediaErrorKind::MaxStreams => StatusCode::SERVICE_UNAVAILABLE,
                MediaErrorKind::PeerIncompatible
                | MediaErrorKind::NoFormat
                | MediaErrorKind::Unsupported => StatusCode::NOT_ACCEPTABLE_HERE,
                _ => StatusCode::SERVER_INTERNAL_ERROR,
            };
            self.cannot_serve(now, key, leg_id, status, &error.to_string());
            return true;
        }
        match std::mem::replace(&mut leg.applying, Applying::Nothing) {
            Applying::Nothing => return false,
            // The call can still be answered.
            Applying::Early => {}
            Applying::Final if up => {
                self.say_goodbye(now, key, leg_id);
                self.fail(now, key, EndCause::Media, None, &error.to_string());
            }
            Applying::Final => return false,
        }
        true
    }

    /// No media came for as long as the policy of the media half allows: the peer is gone.
    fn media_lost(&mut self, now: Instant, key: msp_core::id::CallKey, leg: LegId) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        if !matches!(call.phase, Phase::Up) || call.confirmed().is_none_or(|l| l.id != leg) {
            return;
        }
        self.hang_up_for(now, key, leg, "no media came");
    }

    fn hang_up_for(&mut self, now: Instant, key: msp_core::id::CallKey, leg: LegId, why: &str) {
        self.say_goodbye(now, key, leg);
        let ended = Ended {
            cause: EndCause::Media,
            status: None,
            reason: why.into(),
        };
        self.end(now, key, ended, Cause::MediaTimeout);
    }
}
