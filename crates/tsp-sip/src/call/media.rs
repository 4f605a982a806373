//! The edge to the media half: what its messages mean for a call. Everything else in here knows offers and answers
//! as text only.

use std::net::IpAddr;

use bytes::Bytes;
use msp_core::error::{Error as MediaError, ErrorKind as MediaErrorKind};
use msp_core::event::Cause;
use msp_core::id::{CallKey, Generation, LegId};
use msp_core::link::{Envelope, Finality, PrepareSlot, ToMsp, ToTsp};
use msp_core::media::{MediaDirection, MediaKind};
use msp_core::params::{MediaParams, MediaSlot, Profile};
use msp_core::time::Instant;
use tsp_sdp::{Agreement, OfferAnswer, Unresolved};

use super::UserAgent;
use super::errand::Errand;
use super::interface::{CallEventKind, EndCause, Ended};
use super::late::Owed;
use super::policy::EarlyMedia;
use super::state::{Applying, Leg, Phase};
use crate::wire::{Host, StatusCode};

/// What a call has unless the peer's offer says otherwise: one stream pair of sound.
pub(super) const SLOTS: [PrepareSlot; 1] = [PrepareSlot {
    slot: MediaSlot(0),
    kind: MediaKind::Audio,
    direction: MediaDirection::SendRecv,
    profile: Profile::Avp,
}];

/// What an answer comes to; without one, what an earlier answer to the same offer came to.
pub(super) fn agreed(media: &mut OfferAnswer, answer: Option<&Bytes>) -> Result<Agreement, String> {
    let agreement = match answer {
        Some(text) => media.receive_answer(text).map_err(|e| e.to_string())?,
        None => Agreement {
            params: media
                .negotiated()
                .filter(|_| media.state() == tsp_sdp::State::Stable)
                .ok_or("no answer to our offer came")?
                .to_vec(),
            unchanged: true,
            unresolved: Vec::new(),
            refusals: Vec::new(),
            ignored: Vec::new(),
        },
    };
    if agreement.has_media() {
        Ok(agreement)
    } else {
        Err("no medium was accepted".into())
    }
}

/// What was agreed, while names in it are looked up.
#[derive(Debug)]
pub(super) struct Agreed {
    pub(super) leg: LegId,
    generation: Generation,
    what: Applying,
    params: Vec<MediaParams>,
    unresolved: Vec<Unresolved>,
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
            None => dialing && leg == LegId::FIRST && generation == Generation(0),
        };
        match body {
            ToTsp::MediaLost { .. } => self.media_lost(now, key, leg),
            ToTsp::Digit { digit, duration } => self.relay_digit(now, key, digit, duration),
            _ if !current => return false,
            ToTsp::Local(params) if dialing => self.invite(now, key, Some(params)),
            ToTsp::Local(params) if call.leg(leg).is_some_and(|l| l.prepares_answer()) => {
                self.answer_owed(now, key, leg, params);
            }
            ToTsp::Local(params) if call.leg(leg).is_some_and(|l| l.prepares_change()) => {
                self.offer_change(now, key, leg, params);
            }
            ToTsp::Local(params) => return self.prepared(now, key, leg, params),
            ToTsp::Applied => return self.media_applied(now, key, leg),
            ToTsp::Refused(error) => return self.media_refused(now, key, leg, &error),
            // The application hears of it as an event of the media.
            ToTsp::Security { .. } => {}
            ToTsp::Renegotiate => return self.change_wanted(now, key, leg),
            _ => return false,
        }
        true
    }

    /// Tells the media half what was agreed, once all names in it have addresses.
    pub(super) fn apply(
        &mut self,
        now: Instant,
        key: CallKey,
        leg: LegId,
        what: Applying,
        agreement: Agreement,
    ) {
        let Some(generation) = self
            .calls
            .get_mut(&key)
            .and_then(|c| c.leg(leg))
            .map(|l| l.generation)
        else {
            return;
        };
        let Agreement {
            params, unresolved, ..
        } = agreement;
        self.apply_agreed(
            now,
            key,
            Agreed {
                leg,
                generation,
                what,
                params,
                unresolved,
            },
        );
    }

    /// Goes on with what was agreed: the next name is looked up, or the media half is told.
    pub(super) fn apply_agreed(&mut self, now: Instant, key: CallKey, agreed: Agreed) {
        let Some(call) = self.calls.get_mut(&key).filter(|c| !c.is_over()) else {
            return;
        };
        let up = matches!(call.phase, Phase::Up);
        let known = call.leg(agreed.leg);
        let Some(leg) = known.filter(|l| l.generation == agreed.generation) else {
            return;
        };
        let Some(name) = agreed.unresolved.last() else {
            leg.applying.push_back(agreed.what);
            leg.wait_for_media(now);
            // While the INVITE rings another leg may still be the call.
            let early = match agreed.what {
                Applying::Early | Applying::Shown => true,
                Applying::Final => false,
                Applying::Served => !up && leg.asked.is_some(),
                Applying::Changed => !up,
            };
            let finality = match self.services.policy_of(key).early_media {
                _ if !early => Finality::Final,
                EarlyMedia::Latest => Finality::Provisional,
                EarlyMedia::First => Finality::Behind,
            };
            let body = ToMsp::Apply {
                finality,
                params: agreed.params,
            };
            self.services.msp(key, agreed.leg, agreed.generation, body);
            self.arm(key);
            return;
        };
        let (leg, what, place) = (agreed.leg, agreed.what, name.host.clone());
        let looked_up = Host::new(&place).and_then(|h| {
            self.services
                .look_up(h.into(), Errand::Media(key, Box::new(agreed)))
        });
        if looked_up.is_err() {
            self.cannot_apply(now, key, leg, what, &unknown_host(&place));
        }
    }

    /// A name in what was agreed was looked up.
    pub(super) fn media_found(
        &mut self,
        now: Instant,
        key: CallKey,
        mut agreed: Agreed,
        ip: Option<IpAddr>,
    ) {
        let Some(name) = agreed.unresolved.pop() else {
            return;
        };
        match ip {
            Some(ip) => {
                name.resolve(ip, &mut agreed.params);
                self.apply_agreed(now, key, agreed);
            }
            None => self.cannot_apply(now, key, agreed.leg, agreed.what, &unknown_host(&name.host)),
        }
    }

    fn media_applied(&mut self, now: Instant, key: CallKey, leg_id: LegId) -> bool {
        let Some(call) = self.calls.get_mut(&key) else {
            return false;
        };
        let (early, connected) = (call.early, call.connected);
        let called = call.invite.is_none();
        let Some(leg) = call.leg(leg_id) else {
            return false;
        };
        let applied = leg.applying.pop_front();
        leg.wait_for_media(now);
        let owed = leg.owed.as_ref().map(Owed::applying);
        match applied {
            None => return false,
            Some(Applying::Served) => self.applied(now, key, leg_id),
            Some(Applying::Shown) => self.shown(now, key, leg_id),
            // What we let the caller hear is no news to us.
            Some(Applying::Early) if early || connected || called => {}
            Some(Applying::Early) => {
                call.early = true;
                self.services.tell(key, CallEventKind::EarlyMedia);
            }
            Some(what) => {
                leg.hold
                    .answered(leg.media.negotiated().unwrap_or_default());
                let lock = self.services.policy_of(key).lock_codec
                    && !leg.locked
                    && owed.is_none()
                    && answered_with_many(leg);
                if lock && what == Applying::Final {
                    leg.locked = true;
                    leg.change_at = Some(now);
                }
                if what == Applying::Changed || connected {
                    let generation = leg.generation;
                    self.services.msp(key, leg_id, generation, ToMsp::Commit);
                    self.tell_hold(key, leg_id);
                } else {
                    self.connected(key);
                }
            }
        }
        if owed.is_some() && owed == applied {
            self.say_owed(now, key, leg_id);
        }
        self.serve_postponed(now, key, leg_id);
        self.arm(key);
        true
    }

    fn media_refused(
        &mut self,
        now: Instant,
        key: CallKey,
        leg_id: LegId,
        error: &MediaError,
    ) -> bool {
        let Some(call) = self.calls.get_mut(&key) else {
            return false;
        };
        if matches!(call.phase, Phase::Dialing(_)) {
            self.fail(now, key, EndCause::Media, None, &error.to_string());
            return true;
        }
        let Some(leg) = call.leg(leg_id) else {
            return false;
        };
        let owed = leg.owed.as_ref().map(Owed::applying);
        let what = match leg.applying.pop_front().or(owed) {
            Some(what) => what,
            // It could not get ready.
            None if leg.negotiating().is_some() => Applying::Served,
            None if leg.prepares_change() => {
                self.take_change_back(key, leg_id);
                self.hold_refused(key, leg_id, None);
                return true;
            }
            None => return false,
        };
        leg.wait_for_media(now);
        self.cannot_apply(now, key, leg_id, what, error);
        self.arm(key);
        true
    }

    /// Gives up what the media half was asked for and did not answer in time.
    pub(super) fn media_overdue(&mut self, now: Instant, key: CallKey) {
        let Some(call) = self.calls.get_mut(&key).filter(|c| !c.is_over()) else {
            return;
        };
        let error = MediaError::new(MediaErrorKind::Timeout, "no answer of the media half");
        if let Phase::Dialing(dialing) = &call.phase {
            if dialing.due.is_some_and(|due| due <= now) {
                self.fail(now, key, EndCause::Media, None, &error.to_string());
            }
            return;
        }
        let late = |l: &&mut Leg| l.due().is_some_and(|due| due <= now);
        let (mut lost, mut unprepared) = (Vec::new(), Vec::new());
        for leg in call.legs.iter_mut().filter(late) {
            if leg.applying.is_empty() && leg.prepares_change() {
                unprepared.push(leg.id);
                continue;
            }
            let owed = leg.owed.as_ref().map_or(Applying::Served, Owed::applying);
            let what = leg.applying.pop_front().unwrap_or(owed);
            // What it had to serve may have been taken back meanwhile.
            if what != Applying::Served || leg.negotiating().is_some() {
                lost.push((leg.id, what));
            }
            leg.wait_for_media(now);
        }
        for leg in unprepared {
            self.take_change_back(key, leg);
            self.hold_refused(key, leg, None);
        }
        for (leg, what) in lost {
            self.cannot_apply(now, key, leg, what, &error);
        }
    }

    /// What was agreed cannot be done.
    fn cannot_apply(
        &mut self,
        now: Instant,
        key: CallKey,
        leg: LegId,
        what: Applying,
        error: &MediaError,
    ) {
        let call = self.calls.get(&key);
        let up = call.is_some_and(|c| matches!(c.phase, Phase::Up));
        match what {
            // Without an offer of the peer's the call can still be answered.
            Applying::Early => self.cannot_answer(now, key, leg, &error.to_string()),
            Applying::Served | Applying::Shown => {
                let status = match error.kind() {
                    MediaErrorKind::Busy
                    | MediaErrorKind::ResourceUnavailable
                    | MediaErrorKind::MaxStreams => StatusCode::SERVICE_UNAVAILABLE,
                    MediaErrorKind::PeerIncompatible
                    | MediaErrorKind::NoFormat
                    | MediaErrorKind::Unsupported => StatusCode::NOT_ACCEPTABLE_HERE,
                    _ => StatusCode::SERVER_INTERNAL_ERROR,
                };
                self.cannot_serve(now, key, leg, status, &error.to_string());
            }
            // While it rings a change that does not hold is taken back alone.
            Applying::Changed if !up => self.take_change_back(key, leg),
            Applying::Final | Applying::Changed => {
                self.say_goodbye(now, key, leg);
                self.fail(now, key, EndCause::Media, None, &error.to_string());
            }
        }
    }

    /// No media came for as long as the policy of the media half allows: the peer is gone, and the call ends here, unless the
    /// peer holds it and has no music to send. An application only sees it.
    fn media_lost(&mut self, now: Instant, key: CallKey, leg: LegId) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let lost = |l: &mut Leg| l.id == leg && !l.hold.theirs();
        if !matches!(call.phase, Phase::Up) || !call.confirmed().is_some_and(lost) {
            return;
        }
        self.hang_up_for(now, key, leg, "no media came");
    }

    fn hang_up_for(&mut self, now: Instant, key: CallKey, leg: LegId, why: &str) {
        self.say_goodbye(now, key, leg);
        let ended = Ended {
            cause: EndCause::Media,
            status: None,
            reason: why.into(),
        };
        self.end(now, key, ended, Cause::MediaTimeout);
    }
}

/// The peer may send any of several codecs, and so may we.
fn answered_with_many(leg: &Leg) -> bool {
    let many = |p: &MediaParams| {
        p.send
            .iter()
            .filter(|m| !m.codec.is_telephone_event())
            .count()
            > 1
    };
    leg.media.negotiated().unwrap_or_default().iter().any(many)
}

fn unknown_host(host: &str) -> MediaError {
    MediaError::new(
        MediaErrorKind::PeerIncompatible,
        format!("media to {host}, which has no address"),
    )
}
