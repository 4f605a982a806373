//! What is wrong with a request before anybody looks at what it is about (RFC 3261 section 8.2).

use crate::wire::{HeaderName, Method, Request, Response, Scheme, StatusCode, Text};
use crate::{Error, ErrorKind, Limit};

use super::services::Services;

/// The status for a message that cannot be read, or lacks what it must have.
pub(super) const fn status_of(error: Error) -> StatusCode {
    match error.kind() {
        ErrorKind::Version => StatusCode::VERSION_NOT_SUPPORTED,
        ErrorKind::Limit(Limit::Uri) => StatusCode::REQUEST_URI_TOO_LONG,
        ErrorKind::Limit(Limit::Body) => StatusCode::REQUEST_ENTITY_TOO_LARGE,
        ErrorKind::Limit(
            Limit::Message | Limit::HeaderBytes | Limit::HeaderCount | Limit::Line,
        ) => StatusCode::MESSAGE_TOO_LARGE,
        _ => StatusCode::BAD_REQUEST,
    }
}

/// The phrase of a 400 says what was bad (RFC 3261 section 21.4.1).
pub(super) fn explain(response: &mut Response, error: Error) {
    if response.status == StatusCode::BAD_REQUEST {
        response.reason = Text::from(format!("Bad Request ({error})"));
    }
}

impl Services {
    /// The refusal that a request earns by its method, its scheme, what it requires or the kind of its body, in this
    /// order (RFC 3261 sections 8.2.1 to 8.2.3). CANCEL is taken whatever it requires.
    pub(super) fn objection(&self, request: &Request) -> Option<Response> {
        let refusal = |status| self.refusal(&request.headers, status);
        match &request.method {
            Method::Cancel => return None,
            Method::Invite
            | Method::Bye
            | Method::Options
            | Method::Ack
            | Method::Update
            | Method::Prack => {}
            method if self.takes(method) => {}
            Method::Other(_) => return Some(refusal(StatusCode::NOT_IMPLEMENTED)),
            _ => {
                let mut response = refusal(StatusCode::METHOD_NOT_ALLOWED);
                response.headers.put(HeaderName::Allow, self.allow());
                return Some(response);
            }
        }
        if request.uri.scheme() == Scheme::Other {
            return Some(refusal(StatusCode::UNSUPPORTED_URI_SCHEME));
        }
        let required: Vec<_> = request
            .headers
            .list(&HeaderName::Require)
            .filter(|r| !r.is_empty())
            .filter(|r| !std::str::from_utf8(r).is_ok_and(|tag| self.supports(tag)))
            .collect();
        if !required.is_empty() {
            let mut response = refusal(StatusCode::BAD_EXTENSION);
            response
                .headers
                .put(HeaderName::Unsupported, required.join(&b", "[..]));
            return Some(response);
        }
        if matches!(
            request.method,
            Method::Invite | Method::Update | Method::Prack
        ) {
            self.objection_to_body(request)
        } else {
            None
        }
    }

    fn objection_to_body(&self, request: &Request) -> Option<Response> {
        if request.body.is_empty() || is_optional(request) {
            return None;
        }
        let mut encodings = request.headers.list(&HeaderName::ContentEncoding);
        if encodings.any(|e| !e.eq_ignore_ascii_case(b"identity")) {
            let mut response = self.refusal(&request.headers, StatusCode::UNSUPPORTED_MEDIA_TYPE);
            response.headers.put(HeaderName::AcceptEncoding, "identity");
            return Some(response);
        }
        // It was checked that the type can be read.
        let is_sdp =
            matches!(request.headers.content_type(), Ok(Some(t)) if t.is("application", "sdp"));
        if is_sdp {
            return None;
        }
        let mut response = self.refusal(&request.headers, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        response.headers.put(HeaderName::Accept, "application/sdp");
        Some(response)
    }
}

/// Whether a body may be passed over because its sender said so (RFC 3261 section 20.11).
fn is_optional(request: &Request) -> bool {
    let Some(value) = request.headers.get(&HeaderName::ContentDisposition) else {
        return false;
    };
    let text = String::from_utf8_lossy(value).to_ascii_lowercase();
    text.split(';').skip(1).any(|p| {
        p.split_once('=')
            .is_some_and(|(n, v)| n.trim() == "handling" && v.trim() == "optional")
    }) && !matches!(request.headers.content_type(), Ok(Some(t)) if t.is("application", "sdp"))
}

/// The session description in a message, if it has one.
pub(super) fn description<'a>(
    headers: &crate::wire::Headers,
    body: &'a bytes::Bytes,
) -> Option<&'a bytes::Bytes> {
    let is_sdp = matches!(headers.content_type(), Ok(Some(t)) if t.is("application", "sdp"));
    (is_sdp && !body.is_empty()).then_some(body)
}
