//! What is secure stays so: `sip` and `sips`, by which peers may reach us (RFC 5630), and connections that peers who proved
//! themselves are reached on (RFC 5923).

use super::services::Services;
use crate::transport::{Flow, ReachedBy};
use crate::wire::{HeaderName, Method, Request, Response, Scheme, StatusCode, Via};

impl Services {
    /// A peer that opened a connection wants to be reached on it. It is, if it proved who it is: what goes to others must
    /// not go to whoever says their name (RFC 5923 sections 5 and 9).
    pub(super) fn note_alias(&mut self, flow: Flow, request: &Request) {
        if !flow.transport.is_secure() {
            return;
        }
        let via = request.headers.via().ok().filter(Via::alias);
        if via.is_some_and(|via| self.flows.alias(flow, via.sent_by())) {
            self.stats.aliases += 1;
        }
    }

    /// A refusal of a request outside of dialogs that came by `flow` for a URI of a scheme that we are not reached by
    /// (RFC 5630 section 5.1.2).
    pub(super) fn objection_to_scheme(&self, flow: Flow, request: &Request) -> Option<Response> {
        let within = request.headers.to_tag().is_some();
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
