//! Messages from user to user: MESSAGE within calls and without (RFC 3428).

use bytes::Bytes;
use msp_core::id::CallKey;
use msp_core::time::Instant;

use super::UserAgent;
use super::interface::{CallEventKind, Recipient};
use super::requests::{Aside, Outside, check_length};
use crate::account::AccountId;
use crate::transaction::ServerId;
use crate::wire::{HeaderName, Method, Request, StatusCode};

impl UserAgent {
    /// The application sends a message.
    pub(super) fn message(
        &mut self,
        now: Instant,
        key: CallKey,
        to: Recipient,
        account: Option<AccountId>,
        content_type: &str,
        body: Bytes,
    ) {
        let kind = Bytes::copy_from_slice(content_type.as_bytes());
        match to {
            Recipient::Uri(to) => {
                let outside = Outside {
                    key,
                    aside: Aside::Message,
                    method: Method::Message,
                    to,
                    account,
                    fields: vec![(HeaderName::ContentType, kind)],
                    body,
                };
                self.send_outside(now, outside);
            }
            Recipient::Call(call) => {
                let leg = self
                    .calls
                    .get_mut(&call)
                    .filter(|c| !c.is_over())
                    .and_then(|c| c.confirmed());
                let Some(leg) = leg else {
                    let status = StatusCode::CALL_DOES_NOT_EXIST;
                    self.message_answered(key, status, status.phrase());
                    return;
                };
                let (id, flow) = (leg.id, leg.flow);
                let mut request = leg.dialog.request(Method::Message);
                request.body = body;
                let typed = request.headers.push(HeaderName::ContentType, kind);
                match typed.and_then(|()| check_length(&request, flow)) {
                    Ok(()) => self.send_aside(now, call, id, request, key, Aside::Message),
                    Err(error) => self.unsent(now, key, Aside::Message, &error),
                }
            }
        }
    }

    pub(super) fn message_answered(&mut self, key: CallKey, status: StatusCode, reason: &str) {
        let reason = reason.into();
        self.services
            .tell(key, CallEventKind::MessageAnswered { status, reason });
    }

    /// A MESSAGE came, within a call or without.
    pub(super) fn messaged(
        &mut self,
        now: Instant,
        id: ServerId,
        request: &Request,
        call: Option<CallKey>,
    ) {
        let headers = &request.headers;
        let mut encodings = headers.list(&HeaderName::ContentEncoding);
        let kind = headers.content_type().ok().flatten();
        let kind = kind.map(|t| format!("{}/{}", t.kind(), t.subtype()));
        // A body without a type is text (RFC 3428 section 5 has text/plain as the least).
        let kind = kind.unwrap_or_else(|| "text/plain".into());
        let types = &self.services.config.requests.message_types;
        let known = types.iter().any(|t| t.eq_ignore_ascii_case(&kind));
        if !known || encodings.any(|e| !e.eq_ignore_ascii_case(b"identity")) {
            drop(encodings);
            let accept = types.join(", ");
            let mut refusal = self
                .services
                .refusal(headers, StatusCode::UNSUPPORTED_MEDIA_TYPE);
            refusal.headers.put(HeaderName::Accept, accept);
            refusal.headers.put(HeaderName::AcceptEncoding, "identity");
            self.services.stats.refused += 1;
            self.services.respond(now, id, &refusal);
            return;
        }
        drop(encodings);
        let (Ok(from), Ok(to)) = (headers.from(), headers.to()) else {
            self.services
                .refuse(now, id, request, StatusCode::BAD_REQUEST);
            return;
        };
        let event = CallEventKind::MessageReceived {
            from: from.without_params().to_string().into(),
            to: to.uri().to_string().into(),
            content_type: kind.into(),
            body: request.body.clone(),
        };
        let key = call.unwrap_or_else(|| self.services.incoming_key());
        // No Contact either way (RFC 3428 section 7).
        let response = self.services.refusal(headers, StatusCode::OK);
        self.services.respond(now, id, &response);
        self.services.tell(key, event);
    }
}
