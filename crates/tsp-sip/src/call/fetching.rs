//! What a registrar knows of an account: a REGISTER that changes nothing (RFC 3261 section 10.2.3).

use bytes::Bytes;
use msp_core::id::CallKey;
use msp_core::time::Instant;

use super::UserAgent;
use super::interface::CallEventKind;
use super::requests::{Aside, Outside};
use crate::account::AccountId;
use crate::wire::{Method, Response, StatusCode};

impl UserAgent {
    /// The application wants to know where an account is reached.
    pub(super) fn fetch_bindings(&mut self, now: Instant, key: CallKey, account: AccountId) {
        let Some(to) = self.services.registrar(account) else {
            self.bindings_answered(key, StatusCode::NOT_FOUND, "no such account", None);
            return;
        };
        let outside = Outside {
            key,
            aside: Aside::Fetch,
            method: Method::Register,
            to,
            account: Some(account),
            fields: Vec::new(),
            body: Bytes::new(),
        };
        self.send_outside(now, outside);
    }

    /// The registrar answered, or `status` stands for none.
    pub(super) fn bindings_answered(
        &mut self,
        key: CallKey,
        status: StatusCode,
        reason: &str,
        response: Option<&Response>,
    ) {
        let all = response.filter(|r| r.status.is_success());
        let all = all.into_iter().flat_map(|r| r.headers.contacts().flatten());
        let contacts = all.map(|c| c.to_string().into()).collect();
        let reason = reason.into();
        let kind = CallEventKind::Bindings {
            status,
            reason,
            contacts,
        };
        self.services.tell(key, kind);
    }
}
