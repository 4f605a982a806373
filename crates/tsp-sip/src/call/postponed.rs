//! A change of the peer's that comes while the media half still applies the answer to the offer before. To the peer
//! that round is over, and no rule has it wait: it is ours to wait, not to refuse with 491 (RFC 3261 section 14.2).

use msp_core::id::{CallKey, LegId};
use msp_core::time::Instant;

use super::UserAgent;
use crate::dialog::tagged_response;
use crate::transaction::ServerId;
use crate::transport::Flow;
use crate::wire::{Request, StatusCode};

/// An INVITE that is served once the media half is done.
#[derive(Debug)]
pub(super) struct Postponed {
    server: ServerId,
    flow: Flow,
    request: Request,
}

impl UserAgent {
    /// Keeps the peer's INVITE until what was agreed before it is applied.
    pub(super) fn postpone(
        &mut self,
        id: ServerId,
        flow: Flow,
        request: &Request,
        key: CallKey,
        leg_id: LegId,
    ) {
        let Some(leg) = self.calls.get_mut(&key).and_then(|c| c.leg(leg_id)) else {
            return;
        };
        leg.postponed = Some(Box::new(Postponed {
            server: id,
            flow,
            request: request.clone(),
        }));
        self.services.invites.insert(id, (key, leg_id));
    }

    /// Serves the INVITE that waits, if the media half is done with what came before it.
    pub(super) fn serve_postponed(&mut self, now: Instant, key: CallKey, leg_id: LegId) {
        let leg = self.calls.get_mut(&key).and_then(|c| c.leg(leg_id));
        let waiting = leg
            .filter(|l| l.applying.is_empty())
            .and_then(|l| l.postponed.take());
        if let Some(waiting) = waiting {
            let Postponed {
                server,
                flow,
                request,
            } = *waiting;
            self.services.invites.remove(&server);
            self.changed(now, server, flow, &request, key, leg_id);
        }
    }

    /// Refuses the INVITE that waits. Whether there was one.
    pub(super) fn refuse_postponed(
        &mut self,
        now: Instant,
        key: CallKey,
        leg_id: LegId,
        status: StatusCode,
    ) -> bool {
        let Some(leg) = self.calls.get_mut(&key).and_then(|c| c.leg(leg_id)) else {
            return false;
        };
        let Some(waiting) = leg.postponed.take() else {
            return false;
        };
        let tag = &leg.dialog.id().local_tag;
        let response = tagged_response(&waiting.request, status, tag);
        self.services.respond(now, waiting.server, &response);
        true
    }
}
