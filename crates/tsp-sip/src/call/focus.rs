//! Calls that are legs of a conference which we are the focus of (RFC 4579).

use bytes::Bytes;
use msp_core::id::CallKey;
use msp_core::time::Instant;

use super::UserAgent;
use super::services::Services;
use crate::transport::Flow;

impl UserAgent {
    /// The call becomes a leg of a conference of ours, or is none any more. The peer is told by a new offer, in which our
    /// Contact says it (RFC 4579 section 5.2).
    pub(super) fn set_focus(&mut self, now: Instant, key: CallKey, focus: bool) {
        let Some(call) = self.calls.get(&key).filter(|c| !c.is_over()) else {
            return;
        };
        let leg = call.chosen.filter(|_| call.connected);
        let focuses = &mut self.services.focuses;
        let changed = match focus {
            true => focuses.insert(key),
            false => focuses.remove(&key),
        };
        if let Some(leg) = leg.filter(|_| changed) {
            self.change_wanted(now, key, leg);
        }
    }
}

impl Services {
    /// Our Contact in the call `key`, see [`Services::contact`].
    pub(super) fn contact_in(&self, key: CallKey, flow: Flow, sips: bool) -> Bytes {
        let account = self.accounts.of_call(key);
        let contact = match self.nobodies.contains(&key) {
            true => self.contact_of_nobody(flow, account, sips),
            false => self.contact(flow, account, sips),
        };
        if !self.focuses.contains(&key) {
            return contact;
        }
        [&contact[..], b";isfocus"].concat().into()
    }
}
