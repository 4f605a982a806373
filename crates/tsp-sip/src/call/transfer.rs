//! Calls that we pass on: REFER, blind and with a consultation (RFC 3515, RFC 4488, RFC 5589, RFC 7647).

use std::time::Duration;

use bytes::Bytes;
use msp_core::id::{CallKey, LegId};
use msp_core::time::Instant;

use super::UserAgent;
use super::interface::CallEventKind;
use super::requests::Aside;
use super::services::goes_to_sips;
use super::state::Phase;
use crate::Result;
use crate::transaction::ServerId;
use crate::wire::{HeaderName, Method, Replaces, Request, Response, StatusCode, Uri};

/// How long the peer may be silent between two notices of a transfer that rings: as long as a call may.
const PATIENCE: Duration = Duration::from_secs(181);

/// A transfer that we asked the peer for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transfer {
    pub(super) leg: LegId,
    /// When we give up waiting for the next notice.
    pub(super) patience: Instant,
}

impl UserAgent {
    /// The application passes a call on to `to`.
    pub(super) fn transfer(&mut self, now: Instant, key: CallKey, to: &Uri) {
        let timer_n = self.services.config.timers.transaction();
        let Some(call) = self.calls.get_mut(&key) else {
            let status = StatusCode::CALL_DOES_NOT_EXIST;
            self.services
                .tell(key, CallEventKind::TransferFailed(status));
            return;
        };
        let up = matches!(call.phase, Phase::Up) && call.connected;
        if !up || call.transfer.is_some() {
            let status = match up {
                true => StatusCode::REQUEST_PENDING,
                false => StatusCode::CALL_DOES_NOT_EXIST,
            };
            self.services
                .tell(key, CallEventKind::TransferFailed(status));
            return;
        }
        let Some(leg) = call.confirmed() else { return };
        let (leg_id, flow) = (leg.id, leg.flow);
        let mut request = leg.dialog.request(Method::Refer);
        let by = leg.dialog.local().without_params().to_value();
        let headers = &mut request.headers;
        // Always in brackets: what follows a question mark is the URI's (RFC 3515 section 2.1).
        headers.put(HeaderName::ReferTo, format!("<{to}>"));
        headers.put(HeaderName::ReferredBy, by);
        call.transfer = Some(Transfer {
            leg: leg_id,
            patience: now + timer_n,
        });
        let account = self.services.accounts.of_call(key);
        let sips = goes_to_sips(&request);
        let contact = self.services.contact_in(key, flow, sips);
        request.headers.put(HeaderName::Contact, contact);
        self.services.put_supported(&mut request.headers, account);
        self.send_aside(now, key, leg_id, request, key, Aside::Refer);
        self.arm(key);
    }

    /// The application passes a call on to the peer of `consultation`, which ends with it.
    pub(super) fn transfer_to(&mut self, now: Instant, key: CallKey, consultation: CallKey) {
        let call = self.calls.get_mut(&consultation);
        let leg = call
            .filter(|c| c.connected && matches!(c.phase, Phase::Up))
            .and_then(|c| c.confirmed());
        let send_replaces = self.services.config.requests.send_replaces;
        let target = leg.map(|leg| {
            let id = leg.dialog.id();
            // Seen from who gets the INVITE, its own tag is To's (RFC 3891 section 3).
            let replaces = Replaces::new(&id.call_id, &id.remote_tag, &id.local_tag)?;
            let uri = leg.dialog.target();
            let uri = uri.filtered(|name| !name.eq_ignore_ascii_case("method"));
            match send_replaces {
                true => uri.with_header("Replaces", &replaces.to_string()),
                false => Ok(uri),
            }
        });
        match target {
            Some(Ok(to)) if key != consultation => self.transfer(now, key, &to),
            _ => {
                let status = StatusCode::CALL_DOES_NOT_EXIST;
                self.services
                    .tell(key, CallEventKind::TransferFailed(status));
            }
        }
    }

    /// The peer answered our REFER: 200 as well as 202 (RFC 7647 section 4).
    pub(super) fn refer_answered(
        &mut self,
        now: Instant,
        key: CallKey,
        status: StatusCode,
        response: Option<&Response>,
    ) {
        if !status.is_success() {
            self.transfer_ends(now, key, status);
            return;
        }
        // Without a subscription nothing more is heard (RFC 4488 section 4).
        let silent = response.is_some_and(|r| matches!(r.headers.refer_sub(), Ok(Some(false))));
        if silent {
            self.transfer_ends(now, key, status);
        } else if self.calls.get(&key).is_some_and(|c| c.transfer.is_some()) {
            self.services
                .tell(key, CallEventKind::TransferProgress(status));
        }
    }

    /// A NOTIFY within a call: what became of our REFER.
    pub(super) fn notified_within(
        &mut self,
        now: Instant,
        id: ServerId,
        request: &Request,
        key: CallKey,
        leg: LegId,
    ) {
        let headers = &request.headers;
        let (Ok(Some(event)), Ok(Some(state))) = (headers.event(), headers.subscription_state())
        else {
            self.services
                .refuse(now, id, request, StatusCode::BAD_REQUEST);
            return;
        };
        if event.package() != "refer" {
            self.services
                .refuse(now, id, request, StatusCode::BAD_EVENT);
            return;
        }
        let known = self.calls.get_mut(&key).and_then(|c| c.transfer.as_mut());
        let Some(transfer) = known.filter(|t| t.leg == leg) else {
            self.services
                .refuse(now, id, request, StatusCode::CALL_DOES_NOT_EXIST);
            return;
        };
        transfer.patience = now + PATIENCE;
        self.arm(key);
        let response = request.response(StatusCode::OK);
        self.services.respond(now, id, &response);
        match sipfrag(&request.body) {
            Some(status) if status.is_final() => self.transfer_ends(now, key, status),
            // It is over and nobody said how: it did not come about as far as we can know.
            _ if state.is_terminated() => {
                self.transfer_ends(now, key, StatusCode::TEMPORARILY_UNAVAILABLE);
            }
            Some(status) => self
                .services
                .tell(key, CallEventKind::TransferProgress(status)),
            None => {}
        }
    }

    /// The transfer came about, and the call is over for us, or it did not, and the call goes on.
    fn transfer_ends(&mut self, now: Instant, key: CallKey, status: StatusCode) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        if call.transfer.take().is_none() {
            return;
        }
        if status.is_success() {
            self.services.tell(key, CallEventKind::Transferred);
            self.hang_up(now, key);
        } else {
            self.services
                .tell(key, CallEventKind::TransferFailed(status));
        }
    }

    /// Gives a transfer up that the peer says nothing about.
    pub(super) fn transfer_overdue(&mut self, now: Instant, key: CallKey) {
        let transfer = self.calls.get(&key).and_then(|c| c.transfer);
        if transfer.is_some_and(|t| t.patience <= now) {
            self.transfer_ends(now, key, StatusCode::REQUEST_TIMEOUT);
        }
    }
}

/// The status in a piece of a message (RFC 3420), whatever line ends it has.
pub(super) fn sipfrag(body: &Bytes) -> Option<StatusCode> {
    let text = std::str::from_utf8(body.get(..body.len().min(200))?).ok()?;
    let line = text.trim_start().lines().next()?;
    let mut words = line.split_ascii_whitespace();
    if !words.next()?.eq_ignore_ascii_case("SIP/2.0") {
        return None;
    }
    let code = words.next().filter(|c| c.len() == 3)?;
    StatusCode::new(code.parse().ok()?)
}

/// Whom `uri` means, and the call that it says to take the place of (RFC 3261 section 19.1.5, RFC 3891 section 4). Other
/// header fields in it are passed over.
pub(super) fn split_target(uri: &Uri) -> Result<(Uri, Option<Replaces>)> {
    let replaces = Replaces::from_uri(uri)?;
    let bare = uri.filtered(|name| !name.eq_ignore_ascii_case("method"));
    Ok((bare.detached(), replaces))
}
