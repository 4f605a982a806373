//! What is wrong with a request before anybody looks at what it is about (RFC 3261 section 8.2).

use crate::wire::{HeaderName, Method, Request, Response, Scheme, StatusCode, Text};
use crate::{Error, ErrorKind, Limit, Result};

use super::content::{ACCEPT, Content, Fault};
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
    /// The refusal that a request earns by its method, its scheme, what it requires, fields that it is about or the
    /// kind of its body, in this order (RFC 3261 sections 8.2.1 to 8.2.3). CANCEL is taken whatever it requires.
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
        match request.headers.required() {
            Ok(required) if required.is_empty() => {}
            Ok(required) => {
                let supported = self.supported(self.account_of(request));
                let missing = required.without(&supported);
                if !missing.is_empty() {
                    let mut response = refusal(StatusCode::BAD_EXTENSION);
                    response
                        .headers
                        .put(HeaderName::Unsupported, missing.to_value());
                    return Some(response);
                }
            }
            Err(error) => {
                return Some(self.bad_request(request, Error::new(error.kind(), "Require")));
            }
        }
        if let Err(error) = self.read_what_matters(request) {
            return Some(self.bad_request(request, error));
        }
        // Our answer to an offer would be a body that the caller cannot read (RFC 3261 section 21.4.7).
        if request.method == Method::Invite && !request.headers.accepts("application", "sdp", true)
        {
            return Some(refusal(StatusCode::NOT_ACCEPTABLE));
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

    /// Reads the fields that a request of its method is about; any other that cannot be read is passed over (RFC 3261
    /// section 8.2.2).
    fn read_what_matters(&self, request: &Request) -> Result<()> {
        let headers = &request.headers;
        // Only an INVITE replaces a call, and it replaces one (RFC 3891 section 3).
        if self.config.requests.replaces
            && headers.replaces()?.is_some()
            && request.method != Method::Invite
        {
            return Err(Error::new(ErrorKind::Value, "Replaces"));
        }
        match request.method {
            Method::Invite | Method::Update
                if self.policy(self.account_of(request)).timers.is_some() =>
            {
                headers.session_expires()?;
                headers.min_se()?;
            }
            Method::Prack => {
                headers
                    .rack()?
                    .ok_or(Error::new(ErrorKind::Missing, "RAck"))?;
            }
            Method::Refer => {
                headers.refer_to()?;
            }
            Method::Subscribe => {
                headers.event()?;
            }
            Method::Notify => {
                headers.event()?;
                headers.subscription_state()?;
            }
            Method::Publish => {
                headers.event()?;
                headers.if_match()?;
            }
            _ => {}
        }
        Ok(())
    }

    fn bad_request(&self, request: &Request, error: Error) -> Response {
        let mut response = self.refusal(&request.headers, status_of(error));
        explain(&mut response, error);
        response
    }

    fn objection_to_body(&self, request: &Request) -> Option<Response> {
        let refusal = || self.refusal(&request.headers, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        Some(match Content::of(&request.headers, &request.body).fault? {
            Fault::Malformed(error) => self.bad_request(request, error),
            Fault::Encoding => {
                let mut response = refusal();
                response.headers.put(HeaderName::AcceptEncoding, "identity");
                response
            }
            Fault::Type => {
                let mut response = refusal();
                response.headers.put(HeaderName::Accept, ACCEPT);
                response
            }
        })
    }
}
