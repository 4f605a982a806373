//! Who the peer of a call is, where that comes out after the call began: a network asserts it in a response or in a request
//! within the call (RFC 3325 section 5), or From says another name there (RFC 4916 section 4.4).

use msp_core::id::{CallKey, LegId};

use super::UserAgent;
use super::caller::Caller;
use super::interface::CallEventKind;
use super::services::Purpose;
use crate::transport::Flow;
use crate::wire::{HeaderName, Headers, NameAddr, Response};

impl UserAgent {
    /// A success to a request of ours came, which may assert who answered.
    pub(super) fn identified_by_answer(
        &mut self,
        purpose: Purpose,
        flow: Flow,
        response: &Response,
    ) {
        let headers = &response.headers;
        let asserts = headers.get(&HeaderName::PAssertedIdentity).is_some();
        if !asserts || !response.status.is_success() {
            return;
        }
        let (key, leg) = match purpose {
            Purpose::Invite(key) => (key, self.calls.get(&key).and_then(|c| c.chosen)),
            Purpose::Change(key, leg) | Purpose::Within(key, leg, _) => (key, Some(leg)),
            _ => return,
        };
        if let (Some(leg), Ok(to)) = (leg, headers.to()) {
            self.identified(key, leg, flow, headers, &to);
        }
    }

    /// A request within the call, or a success to one of ours, came by `flow`, and says of the peer that it is `who` besides
    /// what else stands in `headers`.
    pub(super) fn identified(
        &mut self,
        key: CallKey,
        leg_id: LegId,
        flow: Flow,
        headers: &Headers,
        who: &NameAddr,
    ) {
        let account = self.services.accounts.of_call(key);
        let trust = &self.services.policy(account).identity.trusted;
        let trusted = self.services.is_trusted(trust, account, flow, None);
        let call = self.calls.get_mut(&key).filter(|c| !c.is_over());
        let Some(call) = call else { return };
        let known = call.identified.take();
        let Some(leg) = call.leg(leg_id) else { return };
        let began_as = leg.dialog.remote().uri();
        let caller = Caller::of(headers, who, trusted);
        let uri = caller.address.uri();
        let says = caller.asserted || !uri.equivalent(began_as);
        let before = known.as_ref().map_or(began_as, |k| k.uri());
        if !says || uri.equivalent(before) {
            call.identified = known;
            return;
        }
        call.identified = Some(Box::new(caller.address.clone()));
        self.services
            .tell(key, CallEventKind::PeerIdentified(caller.into()));
    }
}
