//! Session timers: a call whose peer is gone without a word ends when nobody refreshes it (RFC 4028).

use std::time::Duration;

use msp_core::id::{CallKey, LegId};
use msp_core::time::Instant;

use super::UserAgent;
use super::content::ACCEPT;
use super::interface::EndCause;
use super::policy::{ChangeBy, RefreshedBy, SessionTimers};
use super::services::{Inside, Services, Within, describe, goes_to_sips};
use super::state::{Change, Leg, Phase};
use crate::account::AccountId;
use crate::transaction::ServerId;
use crate::wire::{
    HeaderName, Headers, Method, Refresher, Request, Response, SessionExpires, StatusCode,
};

/// The extension's name.
pub(super) const TAG: &str = "timer";

/// When a refresh that was not taken is tried again, unless the peer says when.
const RETRY: Duration = Duration::from_secs(10);

/// How long a peer may think about a refresh by INVITE.
const PATIENCE: Duration = Duration::from_secs(32);

/// How long the session of a leg lives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timer {
    interval: Duration,
    /// We refresh.
    ours: bool,
    /// When we refresh next.
    refresh: Instant,
    /// When we hang up.
    expires: Instant,
}

impl Timer {
    fn new(now: Instant, interval: Duration, ours: bool) -> Self {
        // A little before the other end gives up (RFC 4028 section 10).
        let early = (interval / 3).min(Duration::from_secs(32));
        Self {
            interval,
            ours,
            refresh: now + interval / 2,
            expires: now + interval.saturating_sub(early),
        }
    }

    /// When something is due.
    pub(super) fn due(&self) -> Instant {
        if self.ours {
            self.refresh.min(self.expires)
        } else {
            self.expires
        }
    }
}

impl SessionTimers {
    /// What an INVITE or UPDATE of ours says.
    fn ask(
        &self,
        headers: &mut Headers,
        interval: Option<Duration>,
        refresher: Option<Refresher>,
        min: Duration,
    ) {
        let Some(interval) = interval else { return };
        let refresher = refresher.or(match self.refresher {
            RefreshedBy::Us => Some(Refresher::Uac),
            RefreshedBy::Peer => Some(Refresher::Uas),
            RefreshedBy::Either => None,
        });
        let expires = SessionExpires {
            interval: interval.max(min),
            refresher,
        };
        headers.put(HeaderName::SessionExpires, expires.to_value());
        headers.put(HeaderName::MinSe, min.as_secs().to_string());
    }

    fn shortest(&self) -> Duration {
        self.min.max(SessionExpires::SHORTEST)
    }
}

impl Services {
    /// Says in the INVITE of a call how long its session shall live; `least` is what a 422 asked for.
    pub(super) fn put_session_timer(
        &self,
        headers: &mut Headers,
        account: Option<AccountId>,
        least: Option<Duration>,
    ) {
        if let Some(timers) = &self.policy(account).timers {
            let min = least.unwrap_or_default().max(timers.shortest());
            timers.ask(headers, timers.wanted.or(least), None, min);
        }
    }

    /// The refusal of a request whose interval is too short for us (RFC 4028 section 9). Who does not know the extension
    /// cannot be refused, and is given a longer one.
    pub(super) fn too_short(
        &self,
        request: &Request,
        account: Option<AccountId>,
    ) -> Option<Response> {
        let shortest = self.policy(account).timers.as_ref()?.shortest();
        let asked = request.headers.session_expires().ok()??;
        if asked.interval >= shortest || !request.headers.list_has(&HeaderName::Supported, TAG) {
            return None;
        }
        let mut response = self.refusal(&request.headers, StatusCode::SESSION_INTERVAL_TOO_SMALL);
        response
            .headers
            .put(HeaderName::MinSe, shortest.as_secs().to_string());
        Some(response)
    }

    /// Answers with 422 what asks for too short a session.
    pub(super) fn refuse_too_short(
        &mut self,
        now: Instant,
        id: ServerId,
        request: &Request,
        account: Option<AccountId>,
    ) -> bool {
        let Some(response) = self.too_short(request, account) else {
            return false;
        };
        self.stats.refused += 1;
        self.respond(now, id, &response);
        true
    }

    /// Says in a 2xx to an INVITE or UPDATE of the peer's how long the session lives, and notes it
    /// (RFC 4028 section 9).
    pub(super) fn answer_session_timer(
        &self,
        now: Instant,
        account: Option<AccountId>,
        leg: &mut Leg,
        request: &Headers,
        response: &mut Headers,
    ) {
        let Some(timers) = &self.policy(account).timers else {
            return;
        };
        let can = request.list_has(&HeaderName::Supported, TAG);
        let asked = request.session_expires().ok().flatten();
        let least = request
            .min_se()
            .ok()
            .flatten()
            .unwrap_or_default()
            .max(timers.shortest());
        // Nobody's wish is made longer but by a minimum.
        let wanted = timers
            .wanted
            .filter(|w| asked.is_none_or(|a| *w < a.interval));
        let Some(interval) = wanted.or_else(|| asked.map(|a| a.interval)) else {
            leg.timer = None;
            return;
        };
        let interval = interval.max(least);
        let ours = match asked.and_then(|a| a.refresher) {
            _ if !can => true,
            Some(refresher) => refresher == Refresher::Uas,
            None => timers.refresher == RefreshedBy::Us,
        };
        let refresher = if ours { Refresher::Uas } else { Refresher::Uac };
        let expires = SessionExpires {
            interval,
            refresher: Some(refresher),
        };
        if !ours {
            response.put(HeaderName::Require, TAG);
        }
        response.put(HeaderName::SessionExpires, expires.to_value());
        leg.timer = Some(Timer::new(now, interval, ours));
    }

    /// Takes from a 2xx to an INVITE or UPDATE of ours how long the session lives (RFC 4028 section 7.2).
    pub(super) fn learn_session_timer(
        &self,
        now: Instant,
        key: CallKey,
        leg: &mut Leg,
        response: &Response,
    ) {
        let Some(timers) = &self.policy_of(key).timers else {
            return;
        };
        leg.timer = match response.headers.session_expires() {
            Ok(Some(expires)) => {
                let interval = expires.interval.max(SessionExpires::SHORTEST);
                Some(Timer::new(
                    now,
                    interval,
                    expires.refresher != Some(Refresher::Uas),
                ))
            }
            // The peer knows no timer. We can still see whether it is there.
            _ => timers
                .wanted
                .map(|wanted| Timer::new(now, wanted.max(timers.shortest()), true)),
        };
    }
}

impl UserAgent {
    /// Refreshes the session that is due, or ends the one that nobody refreshed.
    pub(super) fn session_due(&mut self, now: Instant, key: CallKey) {
        let t1 = self.services.config.timers.t1;
        let Some(call) = self
            .calls
            .get_mut(&key)
            .filter(|c| matches!(c.phase, Phase::Up))
        else {
            return;
        };
        let connected = call.connected;
        let Some(leg) = call.confirmed() else { return };
        let Some(timer) = leg.timer.as_mut().filter(|t| t.due() <= now) else {
            return;
        };
        let leg_id = leg.id;
        if timer.expires <= now {
            self.say_goodbye(now, key, leg_id);
            self.fail(
                now,
                key,
                EndCause::Unreachable,
                None,
                "nobody refreshed the session",
            );
            return;
        }
        timer.refresh = now + t1;
        if connected && leg.is_quiet(false) {
            self.refresh(now, key, leg_id);
        }
        self.arm(key);
    }

    /// Refreshes a session by UPDATE without an offer where that can be, else by an INVITE that offers what holds.
    fn refresh(&mut self, now: Instant, key: CallKey, leg_id: LegId) {
        let account = self.services.accounts.of_call(key);
        let Some(timers) = self.services.policy(account).timers.clone() else {
            return;
        };
        let Some(leg) = self.calls.get_mut(&key).and_then(|c| c.leg(leg_id)) else {
            return;
        };
        let (Some(timer), flow) = (leg.timer.as_mut(), leg.flow) else {
            return;
        };
        timer.refresh = now + RETRY;
        let interval = timer.interval;
        let update = timers.by == ChangeBy::Update && leg.peer.update;
        let offer = if update {
            None
        } else {
            leg.media.repeat_offer().ok()
        };
        if !update && offer.is_none() {
            return;
        }
        let (method, what) = match update {
            true => (Method::Update, Within::Ask(Inside::Refresh)),
            false => (Method::Invite, Within::Change),
        };
        let mut request = leg.dialog.request(method);
        let contact = self.services.contact_in(key, flow, goes_to_sips(&request));
        request.headers.put(HeaderName::Contact, contact);
        request
            .headers
            .put(HeaderName::Allow, self.services.allow());
        self.services.put_supported(&mut request.headers, account);
        let least = timers.shortest().max(leg.least_interval);
        timers.ask(
            &mut request.headers,
            Some(interval),
            Some(Refresher::Uac),
            least,
        );
        if let Some(offer) = offer {
            request.headers.put(HeaderName::Accept, ACCEPT);
            describe(&mut request.headers, &mut request.body, offer.to_string());
            leg.changed_by = None;
            leg.change = Some(Change::Inviting {
                patience: Some(now + PATIENCE),
                refresh: true,
            });
        }
        self.send_within(now, key, leg_id, request, what);
    }

    /// The peer answered a refresh, or an INVITE that changed something, with a refusal that ends nothing: it comes
    /// again before the session is over.
    pub(super) fn refresh_refused(
        &mut self,
        now: Instant,
        key: CallKey,
        leg_id: LegId,
        response: &Response,
    ) {
        let Some(leg) = self.calls.get_mut(&key).and_then(|c| c.leg(leg_id)) else {
            return;
        };
        let after = response.headers.retry_after().ok().flatten();
        let Some(timer) = leg.timer.as_mut() else {
            return;
        };
        timer.refresh = now + after.map_or(RETRY, |a| a.after);
        match response.status {
            StatusCode::SESSION_INTERVAL_TOO_SMALL => {
                if let Ok(Some(least)) = response.headers.min_se()
                    && least > leg.least_interval
                {
                    leg.least_interval = least;
                    timer.refresh = now;
                }
            }
            // It takes no UPDATE after all.
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => {
                leg.peer.update = false;
                timer.refresh = now;
            }
            _ => {}
        }
        self.arm(key);
    }

    /// The peer answered a refresh by UPDATE with success.
    pub(super) fn refreshed(
        &mut self,
        now: Instant,
        key: CallKey,
        leg_id: LegId,
        response: &Response,
    ) {
        let Some(leg) = self.calls.get_mut(&key).and_then(|c| c.leg(leg_id)) else {
            return;
        };
        // A Contact that cannot be read leaves the peer where it was.
        let _unread = leg.dialog.refreshed(response);
        self.services.learn_session_timer(now, key, leg, response);
        self.arm(key);
    }
}
