//! `sip` and `sips`: by which peers may reach us, and what does not pass from one to the other (RFC 5630).

use super::services::Services;
use crate::transport::{Flow, ReachedBy};
use crate::wire::{HeaderName, Method, Request, Response, Scheme, StatusCode};

impl Services {
    /// A refusal of a request outside of dialogs that came by `flow` for a URI of a scheme that we are not reached by
    /// (RFC 5630 section 5.1.2).
    pub(super) fn objection_to_scheme(&self, flow: Flow, request: &Request) -> Option<Response> {
        let within = request.headers.to().is_ok_and(|to| to.tag().is_some());
        if within || request.method == Method::Cancel {
            return None;
        }
        let by = self.config.flows.schemes;
        // Somebody on the way did what must not be done if others can read it (RFC 3261 section 26.2.2).
        let warning = match request.uri.scheme() {
            Scheme::Sips if by == ReachedBy::Sip || !flow.transport.is_secure() => {
                "380 tipring \"SIPS Not Allowed\""
            }
            Scheme::Sip if by == ReachedBy::Sips => "381 tipring \"SIPS Required\"",
            _ => return None,
        };
        let mut response = self.refusal(&request.headers, StatusCode::TEMPORARILY_UNAVAILABLE);
        response.headers.put(HeaderName::Warning, warning);
        Some(response)
    }
}
