//! What peers can do, and what we can: OPTIONS (RFC 3261 section 11).

use msp_core::id::CallKey;
use msp_core::time::Instant;

use super::UserAgent;
use super::agent::ended;
use super::content::ACCEPT;
use super::errand::Errand;
use super::failover::Chosen;
use super::interface::EndCause;
use super::services::{Purpose, is_of_sips, target_of};
use crate::account::AccountId;
use crate::transaction::ServerId;
use crate::transport::Flow;
use crate::wire::{HeaderName, Method, Request, StatusCode, Uri};

impl UserAgent {
    /// OPTIONS is answered whether or not a call would be taken (RFC 3261 section 11.2).
    pub(super) fn describe_ourselves(
        &mut self,
        now: Instant,
        id: ServerId,
        flow: Flow,
        request: &Request,
    ) {
        let account = self.services.account_of(request);
        let mut response = self.services.refusal(&request.headers, StatusCode::OK);
        let headers = &mut response.headers;
        headers.put(
            HeaderName::Contact,
            self.services.contact(flow, account, is_of_sips(request)),
        );
        headers.put(HeaderName::Allow, self.services.allow());
        headers.put(HeaderName::Accept, ACCEPT);
        headers.put(HeaderName::AcceptEncoding, "identity");
        headers.put(HeaderName::AcceptLanguage, "en");
        self.services.put_supported(headers, account);
        self.services.respond(now, id, &response);
    }

    pub(super) fn ask(&mut self, key: CallKey, to: Uri, account: Option<AccountId>) {
        let to = self.services.called_as(account, to);
        let hop = self.services.first_hop(account, &Method::Options, &to);
        let Some(target) = target_of(&hop) else {
            self.services.tell(
                key,
                ended(EndCause::Unresolvable, None, "no way to this URI"),
            );
            return;
        };
        let errand = Errand::Options(key, to, account);
        if let Err(error) = self.services.look_up(target, errand) {
            self.services
                .tell(key, ended(EndCause::Unresolvable, None, &error.to_string()));
        }
    }

    pub(super) fn send_options(
        &mut self,
        now: Instant,
        key: CallKey,
        to: &Uri,
        account: Option<AccountId>,
        mut way: Chosen,
    ) {
        let (call_id, tag) = (self.services.token(), self.services.token());
        let names = (&*call_id, &*tag);
        let request = self
            .services
            .request_outside(account, Method::Options, to, way.flow, names);
        let sent = request.and_then(|mut request| {
            request.headers.put(HeaderName::Accept, ACCEPT);
            way.carry(&request, account);
            self.services
                .send_by(now, way, request, Purpose::Options(key, now), account)
        });
        if let Err(error) = sent {
            self.options_unsent(key, &error);
        }
    }

    pub(super) fn options_unsent(&mut self, key: CallKey, error: &crate::Error) {
        self.services
            .tell(key, ended(EndCause::Unreachable, None, &error.to_string()));
    }
}
