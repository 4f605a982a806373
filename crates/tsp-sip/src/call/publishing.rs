//! Presence of ours that is published: PUBLISH that goes out (RFC 3903 section 4).

use std::time::Duration;

use bytes::Bytes;
use msp_core::time::Instant;

use super::UserAgent;
use super::errand::Errand;
use super::failover::Chosen;
use super::interface::Output;
use super::services::{Purpose, Services, target_of};
use super::timed::{Due, Timed};
use crate::account::AccountId;
use crate::subscription::{Package, Presence, PublicationKind, SubscriptionEvent};
use crate::transport::Flow;
use crate::wire::{CSeq, Event, HeaderName, Method, Request, Response, StatusCode, Text};
use crate::{Error, ErrorKind, Result};

/// How often a publication is begun anew, or asked for longer, before one succeeds.
const TRIES: u8 = 3;

/// When to try again if nobody says when.
const LATER: Duration = Duration::from_secs(60);

/// What is published, by the account that it is of.
#[derive(Debug, Default)]
pub(super) struct Publications {
    by_account: Timed<AccountId, Held>,
}

/// One publication.
#[derive(Debug)]
struct Held {
    call_id: String,
    tag: String,
    number: u32,
    wanted: Duration,
    body: Bytes,
    /// The server's name of what it has of ours.
    etag: Option<Text>,
    /// The server does not have `body` yet.
    news: bool,
    /// A PUBLISH is under way, with `body` as it is.
    asking: bool,
    refresh: Option<Instant>,
    tries: u8,
    leaving: bool,
    /// The PUBLISH that is under way takes back what was published.
    removing: bool,
}

impl Publications {
    pub(super) fn next_number(&mut self, id: AccountId) -> Option<u32> {
        let held = self.by_account.get_mut(id)?;
        held.number += 1;
        Some(held.number)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.by_account.deadline()
    }

    pub(super) fn tidy(&mut self) {
        self.by_account.tidy();
    }
}

impl Due for Held {
    fn deadline(&self) -> Option<Instant> {
        self.refresh
    }
}

impl UserAgent {
    /// The application publishes the presence of an account, in the place of what it published before.
    pub(super) fn publish(
        &mut self,
        now: Instant,
        id: AccountId,
        presence: &Presence,
        expires: Duration,
    ) {
        if self.closing || self.services.accounts.get(id).is_none() {
            self.services
                .tell_publication(id, refused(None, "no account to publish for", None));
            return;
        }
        let (call_id, tag) = (self.services.token(), self.services.token());
        let body = Bytes::from(presence.to_body());
        let all = &mut self.services.publications.by_account;
        if all.get(id).is_none() {
            let held = Held {
                call_id,
                tag,
                number: 0,
                wanted: expires,
                body: body.clone(),
                etag: None,
                news: true,
                asking: false,
                refresh: None,
                tries: 0,
                leaving: false,
                removing: false,
            };
            all.insert(id, held);
        }
        let Some(held) = all.get_mut(id) else { return };
        held.body = body;
        held.wanted = expires;
        (held.news, held.leaving) = (true, false);
        self.ask_publisher(now, id);
    }

    /// The application publishes nothing any more.
    pub(super) fn unpublish(&mut self, now: Instant, id: AccountId) {
        let Some(held) = self.services.publications.by_account.get_mut(id) else {
            return;
        };
        held.leaving = true;
        if held.asking {
            return;
        }
        if held.etag.is_some() {
            self.ask_publisher(now, id);
        } else {
            // The server has nothing of ours.
            self.services.publications.by_account.remove(id);
            self.services.tell_publication(id, PublicationKind::Removed);
        }
    }

    pub(super) fn unpublish_all(&mut self, now: Instant) {
        for id in self.services.publications.by_account.keys() {
            self.unpublish(now, id);
        }
    }

    /// Refreshes what is due.
    pub(super) fn publications_due(&mut self, now: Instant) {
        for id in self.services.publications.by_account.due(now) {
            self.ask_publisher(now, id);
        }
    }

    /// Sends what is due; one at a time (RFC 3903 section 4.1).
    fn ask_publisher(&mut self, now: Instant, id: AccountId) {
        let Some(held) = self.services.publications.by_account.get_mut(id) else {
            return;
        };
        held.refresh = None;
        if held.asking {
            return;
        }
        held.asking = true;
        let aor = self.services.accounts.get(id).map(|a| a.aor.clone());
        let hop = aor.map(|aor| self.services.first_hop(Some(id), &Method::Publish, &aor));
        let target = hop.as_ref().and_then(target_of);
        let looked = target.map(|t| self.services.look_up(t, Errand::Publish(id)));
        if !matches!(looked, Some(Ok(()))) {
            self.publish_by(now, id, None);
        }
    }

    /// The way of a PUBLISH is known, or there is none.
    pub(super) fn publish_by(&mut self, now: Instant, id: AccountId, way: Option<Chosen>) {
        let Some(mut way) = way else {
            self.publisher_answered(
                now,
                id,
                StatusCode::REQUEST_TIMEOUT,
                "no way to the server",
                None,
            );
            return;
        };
        let sent = self.services.publish_request(id, way.flow);
        let sent = sent.and_then(|request| {
            way.carry(&request, Some(id));
            let purpose = Purpose::Publish(id);
            self.services.send_by(now, way, request, purpose, Some(id))
        });
        if let Err(error) = sent {
            self.services.stats.unsent += 1;
            let status = StatusCode::SERVICE_UNAVAILABLE;
            self.publisher_answered(now, id, status, &error.to_string(), None);
        }
    }

    /// The final response to a PUBLISH came, or `status` stands for none.
    pub(super) fn publisher_answered(
        &mut self,
        now: Instant,
        id: AccountId,
        status: StatusCode,
        reason: &str,
        response: Option<&Response>,
    ) {
        let Some(held) = self.services.publications.by_account.get_mut(id) else {
            return;
        };
        let headers = response.map(|r| &r.headers);
        let removed = std::mem::take(&mut held.removing);
        held.asking = false;
        let mut again = None;
        match status {
            status if status.is_success() && removed => held.etag = None,
            status if status.is_success() => {
                held.tries = 0;
                held.etag = headers
                    .and_then(|h| h.etag().ok().flatten())
                    .map(|t| t.detached());
                let granted = headers.and_then(|h| h.expires().ok().flatten());
                let granted = granted.unwrap_or(held.wanted);
                let room = (granted / 10).max(Duration::from_secs(5)).min(granted / 2);
                held.refresh = Some(now + granted.saturating_sub(room));
                if !held.leaving {
                    let kind = PublicationKind::Published { expires: granted };
                    self.services.tell_publication(id, kind);
                }
            }
            // The server does not know what it had of ours: all is said again (RFC 3903 section 4.1).
            StatusCode::CONDITIONAL_REQUEST_FAILED if held.tries < TRIES => {
                held.tries += 1;
                held.etag = None;
                held.news = true;
            }
            StatusCode::INTERVAL_TOO_BRIEF if held.tries < TRIES => {
                held.tries += 1;
                held.news = true;
                let least = headers.and_then(|h| h.min_expires().ok().flatten());
                held.wanted = least.unwrap_or(held.wanted).max(held.wanted);
            }
            status => {
                let passes = matches!(status.code(), 408 | 480 | 500 | 502..=504);
                let after = headers.and_then(|h| h.retry_after().ok().flatten());
                again = passes.then(|| after.map_or(LATER, |r| r.after));
                again = again.filter(|_| !held.leaving && !self.closing);
                held.refresh = again.map(|after| now + after);
                held.news = true;
                let over = again.is_none();
                self.services
                    .tell_publication(id, refused(Some(status), reason, again));
                if over {
                    self.services.publications.by_account.remove(id);
                    return;
                }
            }
        }
        let Some(held) = self.services.publications.by_account.get_mut(id) else {
            return;
        };
        if held.leaving && (removed || held.etag.is_none()) {
            self.services.publications.by_account.remove(id);
            self.services.tell_publication(id, PublicationKind::Removed);
        } else if held.leaving || held.news && again.is_none() {
            self.ask_publisher(now, id);
        }
    }
}

impl Services {
    fn tell_publication(&mut self, account: AccountId, kind: PublicationKind) {
        let event = SubscriptionEvent::Publication { account, kind };
        self.out.push_back(Output::Subscription(event));
    }

    /// The next PUBLISH: the whole state, a change of it, a refresh without a body, or the end (RFC 3903 table 1).
    fn publish_request(&mut self, id: AccountId, flow: Flow) -> Result<Request> {
        const NONE: Error = Error::new(ErrorKind::Unknown, "publication");
        let aor = self.accounts.get(id).ok_or(NONE)?.aor.clone();
        let number = self.publications.next_number(id).ok_or(NONE)?;
        let held = self.publications.by_account.get_mut(id).ok_or(NONE)?;
        let (call_id, tag) = (held.call_id.clone(), held.tag.clone());
        let (etag, wanted, leaving) = (held.etag.clone(), held.wanted, held.leaving);
        let news = (held.news || etag.is_none()) && !leaving;
        held.news &= leaving;
        held.removing = leaving;
        let body = if news {
            held.body.clone()
        } else {
            Bytes::new()
        };
        let names = (&*call_id, &*tag);
        let mut request = self.request_outside(Some(id), Method::Publish, &aor, flow, names)?;
        let method = Method::Publish;
        let headers = &mut request.headers;
        headers.set(HeaderName::CSeq, CSeq { number, method }.to_value());
        // It makes no dialog (RFC 3903 section 4).
        headers.remove(&HeaderName::Contact);
        let event = Event::new(Text::from_static(Package::Presence.name()))?;
        headers.put(HeaderName::Event, event.to_value());
        let seconds = if leaving { 0 } else { wanted.as_secs() };
        headers.put(HeaderName::Expires, seconds.to_string());
        if let Some(etag) = etag {
            headers.put(HeaderName::SipIfMatch, etag.to_string());
        }
        if news {
            headers.put(HeaderName::ContentType, Presence::TYPE);
        }
        request.body = body;
        Ok(request)
    }
}

fn refused(status: Option<StatusCode>, reason: &str, again: Option<Duration>) -> PublicationKind {
    PublicationKind::Refused {
        status,
        reason: reason.into(),
        again,
    }
}
