//! Messages between the users of the domain that we serve: each is passed on to every place where its recipient is
//! reached, and answered as the best of these answers (RFC 3428 section 6).

use std::collections::BTreeMap;

use msp_core::id::CallKey;
use msp_core::time::Instant;

use super::UserAgent;
use super::failover::Chosen;
use super::requests::{Aside, check_length};
use super::served::Passage;
use super::services::{Purpose, Services};
use crate::Result;
use crate::registrar::Location;
use crate::transaction::ServerId;
use crate::wire::{HeaderName, Headers, Method, Request, StatusCode};

/// Messages that are passed on at a time; more are answered 503.
const MOST: usize = 1000;

/// What of a message goes with it, besides who it is from and for.
const KEPT: [HeaderName; 5] = [
    HeaderName::ContentType,
    HeaderName::ContentEncoding,
    HeaderName::Date,
    HeaderName::Expires,
    HeaderName::Subject,
];

/// Messages that are being passed on.
#[derive(Debug, Default)]
pub(super) struct Relays {
    by_key: BTreeMap<CallKey, Relay>,
}

/// One of them.
#[derive(Debug)]
struct Relay {
    server: ServerId,
    /// Of the message as it came, to be answered.
    headers: Headers,
    /// Places that have not answered.
    waiting: usize,
    /// The best refusal so far.
    refusal: Option<StatusCode>,
}

impl UserAgent {
    /// A MESSAGE of a user of ours came, outside of a call.
    pub(super) fn relay_message(&mut self, now: Instant, id: ServerId, request: &Request) {
        let hops = request.headers.max_forwards().ok().flatten().unwrap_or(70);
        let found = self.served.as_ref().and_then(|s| {
            let user = s.user(&request.uri)?;
            Some(s.registrar.find(now, user))
        });
        let refusal = match &found {
            _ if hops == 0 => Some(StatusCode::TOO_MANY_HOPS),
            None => Some(StatusCode::NOT_FOUND),
            Some(places) if places.is_empty() => Some(StatusCode::TEMPORARILY_UNAVAILABLE),
            Some(_) if self.closing || self.services.relays.by_key.len() >= MOST => {
                Some(StatusCode::SERVICE_UNAVAILABLE)
            }
            Some(_) => None,
        };
        if let Some(status) = refusal {
            self.services.refuse(now, id, request, status);
            return;
        }
        let places = found.unwrap_or_default();
        let key = self.services.incoming_key();
        let relay = Relay {
            server: id,
            headers: request.headers.clone(),
            waiting: places.len(),
            refusal: None,
        };
        self.services.relays.by_key.insert(key, relay);
        for place in places {
            let sent = self.services.send_relayed(now, key, request, place, hops);
            if let Err(error) = sent {
                self.unsent(now, key, Aside::Relayed, &error);
            }
        }
    }

    /// One of the places that a message was passed on to answered, or did not.
    pub(super) fn relay_answered(&mut self, now: Instant, key: CallKey, status: StatusCode) {
        let Some(relay) = self.services.relays.by_key.get_mut(&key) else {
            return;
        };
        relay.waiting = relay.waiting.saturating_sub(1);
        if !status.is_success() {
            relay.refusal = Some(better(relay.refusal, status));
        }
        let answer = match relay.refusal {
            _ if status.is_success() => status,
            Some(refusal) if relay.waiting == 0 => refusal,
            _ => return,
        };
        if let Some(relay) = self.services.relays.by_key.remove(&key) {
            let response = self.services.refusal(&relay.headers, answer);
            self.services.respond(now, relay.server, &response);
        }
    }
}

impl Services {
    fn send_relayed(
        &mut self,
        now: Instant,
        key: CallKey,
        original: &Request,
        place: Location,
        hops: u8,
    ) -> Result<()> {
        let Location {
            uri, path, flow, ..
        } = place;
        let (tag, call_id) = (self.token(), self.token());
        let headers = &original.headers;
        let from = headers.from()?.without_params().with_param("tag", &tag)?;
        let to = headers.to()?.without_params();
        let mut request = Request::with(Method::Message, uri, &from, &to, &call_id, 1);
        Passage::new(path, hops.saturating_sub(1)).dress(&mut request.headers);
        for name in KEPT {
            for value in headers.all(&name) {
                request.headers.put(name.clone(), value.clone());
            }
        }
        request.body = original.body.clone();
        check_length(&request, flow)?;
        let purpose = Purpose::Aside(key, Aside::Relayed);
        self.send_by(now, Chosen::only(flow), request, purpose, None)?;
        Ok(())
    }
}

/// Of two refusals the one that says more to the sender (RFC 3261 section 16.7, step 6). What only says that a phone wants
/// a proof, does not answer, or is elsewhere, says nothing to who sent the message: 480.
fn better(before: Option<StatusCode>, status: StatusCode) -> StatusCode {
    let status = match status {
        StatusCode::UNAUTHORIZED
        | StatusCode::PROXY_AUTHENTICATION_REQUIRED
        | StatusCode::REQUEST_TIMEOUT => StatusCode::TEMPORARILY_UNAVAILABLE,
        status if (300..400).contains(&status.code()) => StatusCode::TEMPORARILY_UNAVAILABLE,
        status => status,
    };
    let Some(before) = before else { return status };
    match (before.code() >= 600, status.code() >= 600) {
        (true, false) => before,
        (false, true) => status,
        _ if status.code() < before.code() => status,
        _ => before,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sender_hears_what_says_most() {
        let of = |all: &[u16]| {
            let all = all.iter().filter_map(|s| StatusCode::new(*s));
            all.fold(None, |best, s| Some(better(best, s)))
                .map(StatusCode::code)
        };
        assert_eq!(of(&[503, 415]), Some(415));
        assert_eq!(of(&[415, 603]), Some(603));
        assert_eq!(of(&[603, 415]), Some(603));
        assert_eq!(of(&[401]), Some(480));
        assert_eq!(of(&[408, 500]), Some(480));
        assert_eq!(of(&[302, 500]), Some(480));
    }
}
