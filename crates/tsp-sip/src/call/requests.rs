//! Requests that neither make, change nor end a call: which of the peers' are taken, and how ours go out.

use bytes::Bytes;
use msp_core::id::{CallKey, LegId};
use msp_core::link::Digit;
use msp_core::time::Instant;

use super::UserAgent;
use super::errand::Errand;
use super::failover::Chosen;
use super::notifying::WatchPolicy;
use super::services::{Purpose, Services, Within, target_of};
use crate::account::AccountId;
use crate::transport::Flow;
use crate::wire::{HeaderName, Method, Request, Response, StatusCode, Uri};
use crate::{Error, ErrorKind, Limit, Result};

/// The longest MESSAGE that leaves on a way that does not watch for congestion, in bytes (RFC 3428 section 8).
const MAX_PAGE: usize = 1300;

/// Which requests besides calls are taken, and what is done by them.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct RequestPolicy {
    /// MESSAGE is taken (RFC 3428); otherwise it is answered 405.
    pub messages: bool,
    /// The types of messages that are taken, as `type/subtype`; others are answered 415.
    pub message_types: Vec<Box<str>>,
    /// A digit that the media half has no way for travels by INFO, as `application/dtmf-relay`; otherwise the application
    /// is told that it did not reach the peer.
    pub info_digits: bool,
    /// REFER within a call is taken, and the application asked; otherwise it is answered 405.
    pub transfers: bool,
    /// Who asks for a transfer is told at once that it came about, for peers that wait for nothing else.
    pub instant_transfers: bool,
    /// An INVITE may ask for the place of another call (RFC 3891). Call-ID and tags show its right, so whoever can read
    /// the signalling can take a call.
    pub replaces: bool,
    /// Whom we pass a call on to with a consultation is named with the call that it shall take the place of; otherwise the
    /// peer calls it anew, and the consultation is ours to end. Some peers reject whatever says Replaces.
    pub send_replaces: bool,
    /// NOTIFY is taken that tells of messages that wait though nobody asked; otherwise it is answered 481.
    pub unsolicited: bool,
    /// Who is told of our calls.
    pub watching: WatchPolicy,
}

impl Default for RequestPolicy {
    fn default() -> Self {
        Self {
            messages: true,
            message_types: vec!["text/plain".into()],
            info_digits: true,
            transfers: true,
            instant_transfers: false,
            replaces: true,
            send_replaces: true,
            unsolicited: true,
            watching: WatchPolicy::default(),
        }
    }
}

/// What a request of ours is for that neither makes, changes nor ends a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Aside {
    /// A MESSAGE.
    Message,
    /// A MESSAGE from user to user of ours.
    Relayed,
    /// A REGISTER that changes nothing.
    Fetch,
    /// An INFO with the digit that the queue of the call begins with.
    Digit(Digit),
    /// A REFER.
    Refer,
    /// A NOTIFY that tells this of what became of a REFER.
    Sipfrag(StatusCode),
}

/// A request of ours outside of dialogs whose way is looked up.
#[derive(Debug)]
pub(super) struct Outside {
    pub(super) key: CallKey,
    pub(super) aside: Aside,
    pub(super) method: Method,
    pub(super) to: Uri,
    pub(super) account: Option<AccountId>,
    pub(super) fields: Vec<(HeaderName, Bytes)>,
    pub(super) body: Bytes,
}

impl UserAgent {
    /// Sends a request outside of dialogs, once its way is known.
    pub(super) fn send_outside(&mut self, now: Instant, mut outside: Outside) {
        let (key, aside) = (outside.key, outside.aside);
        outside.to = self.services.called_as(outside.account, outside.to);
        let hop = self
            .services
            .first_hop(outside.account, &outside.method, &outside.to);
        let sent = match target_of(&hop) {
            Some(target) => self
                .services
                .look_up(target, Errand::Outside(Box::new(outside))),
            None => Err(Error::new(ErrorKind::Uri, "no way to this URI")),
        };
        if let Err(error) = sent {
            self.unsent(now, key, aside, &error);
        }
    }

    /// The way of a request outside of dialogs is known, or there is none.
    pub(super) fn send_outside_by(
        &mut self,
        now: Instant,
        outside: Outside,
        way: std::result::Result<Chosen, Box<str>>,
    ) {
        let (key, aside, account) = (outside.key, outside.aside, outside.account);
        let mut way = match way {
            Ok(way) => way,
            Err(why) => {
                self.services.stats.unsent += 1;
                self.aside_answered(now, key, aside, StatusCode::NOT_FOUND, &why, None);
                return;
            }
        };
        let request = self.services.write_outside(outside, way.flow);
        let sent = request.and_then(|r| {
            check_length(&r, way.flow)?;
            way.carry(&r, account);
            let purpose = Purpose::Aside(key, aside);
            self.services.send_by(now, way, r, purpose, account)
        });
        if let Err(error) = sent {
            self.unsent(now, key, aside, &error);
        }
    }

    /// Sends a request within a call, for the one that `key` names.
    pub(super) fn send_aside(
        &mut self,
        now: Instant,
        call: CallKey,
        leg: LegId,
        request: Request,
        key: CallKey,
        aside: Aside,
    ) {
        self.send_within(now, call, leg, request, Within::Aside(key, aside));
    }

    /// A request did not leave: as if a server had said so (RFC 3261 section 8.1.3.1).
    pub(super) fn unsent(&mut self, now: Instant, key: CallKey, aside: Aside, error: &Error) {
        self.services.stats.unsent += 1;
        let status = match error.kind() {
            ErrorKind::Limit(Limit::Message) => StatusCode::MESSAGE_TOO_LARGE,
            ErrorKind::Uri | ErrorKind::Unknown => StatusCode::NOT_FOUND,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        self.aside_answered(now, key, aside, status, &error.to_string(), None);
    }

    /// What became of a request: the peer's final response, or the status that stands for none.
    pub(super) fn aside_answered(
        &mut self,
        now: Instant,
        key: CallKey,
        aside: Aside,
        status: StatusCode,
        reason: &str,
        response: Option<&Response>,
    ) {
        match aside {
            Aside::Message => self.message_answered(key, status, reason),
            Aside::Fetch => self.bindings_answered(key, status, reason, response),
            Aside::Relayed => self.relay_answered(now, key, status),
            Aside::Refer => self.refer_answered(now, key, status, response),
            Aside::Sipfrag(told) => self.sipfrag_answered(now, key, told, status),
            Aside::Digit(digit) => self.digit_answered(now, key, digit, status),
        }
    }
}

impl Services {
    fn write_outside(&mut self, outside: Outside, flow: Flow) -> Result<Request> {
        let (tag, call_id) = (self.token(), self.token());
        let names = (&*call_id, &*tag);
        let (account, to) = (outside.account, &outside.to);
        let mut request = self.request_outside(account, outside.method, to, flow, names)?;
        if request.method == Method::Message {
            // It makes no dialog (RFC 3428 section 4).
            request.headers.remove(&HeaderName::Contact);
        }
        if outside.aside == Aside::Fetch {
            let aor = self.own_address(flow, account);
            request.headers.set(HeaderName::To, aor.to_value());
            request.headers.remove(&HeaderName::Contact);
        }
        for (name, value) in outside.fields {
            request.headers.push(name, value)?;
        }
        request.body = outside.body;
        Ok(request)
    }

    /// Whether `method` is one that we take.
    pub(super) fn takes(&self, method: &Method) -> bool {
        let policy = &self.config.requests;
        match method {
            Method::Message => policy.messages,
            // Who asks for what we do not tell of hears that (489), not that the method is not known.
            Method::Info | Method::Notify | Method::Subscribe => true,
            Method::Refer => policy.transfers,
            Method::Register => self.serves,
            _ => false,
        }
    }

    /// Methods that we take, as Allow lists them.
    pub(super) fn allow(&self) -> String {
        let mut allow = super::services::ALLOW.to_owned();
        let more = [
            Method::Info,
            Method::Message,
            Method::Notify,
            Method::Refer,
            Method::Subscribe,
            Method::Register,
        ];
        for method in more {
            if self.takes(&method) {
                allow.push_str(", ");
                allow.push_str(method.as_str());
            }
        }
        allow
    }
}

/// A MESSAGE must not fill a way that does not watch for congestion.
pub(super) fn check_length(request: &Request, flow: Flow) -> Result<()> {
    if request.method != Method::Message || flow.transport.is_reliable() {
        return Ok(());
    }
    let mut bytes = bytes::BytesMut::new();
    request.write_to(&mut bytes);
    if bytes.len() > MAX_PAGE {
        return Err(Error::limit(Limit::Message, "MESSAGE"));
    }
    Ok(())
}
