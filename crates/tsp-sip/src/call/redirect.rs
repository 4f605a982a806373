//! Calls that are sent on to somebody else by a 3xx (RFC 3261 sections 8.1.3.4 and 21.3).

use msp_core::event::Cause;
use msp_core::id::CallKey;
use msp_core::time::Instant;

use super::UserAgent;
use super::causes;
use super::errand::Errand;
use super::failover::Chosen;
use super::interface::{CallEventKind, EndCause, Ended};
use super::policy::Redirect;
use super::services::target_of;
use super::state::Phase;
use crate::wire::{Method, Preference, Response, Scheme, Uri};

/// Whom a call is tried at, at most: redirections may go in circles, or on for ever.
const MAX_TARGETS: usize = 8;

/// Where a call of ours was tried, and where it may be tried next.
#[derive(Debug, Default)]
pub(super) struct Targets {
    /// Everybody that it was tried at, or is about to be.
    known: Vec<Uri>,
    /// Who is left, the best last.
    left: Vec<Uri>,
}

impl Targets {
    pub(super) const fn new() -> Self {
        Self {
            known: Vec::new(),
            left: Vec::new(),
        }
    }

    /// Takes those of `targets`, the best first, that we did not know of.
    fn add(&mut self, targets: &[Uri]) {
        let mut new = Vec::new();
        for uri in targets {
            if self.known.len() < MAX_TARGETS && !self.known.iter().any(|k| k.equivalent(uri)) {
                self.known.push(uri.clone());
                new.push(uri.clone());
            }
        }
        self.left.extend(new.into_iter().rev());
    }
}

impl UserAgent {
    /// Goes on with a call of ours that was refused, if it is to be tried elsewhere.
    pub(super) fn redirected(&mut self, now: Instant, key: CallKey, response: &Response) -> bool {
        let policy = self.services.policy_of(key).redirect;
        let Some(call) = self.calls.get_mut(&key) else {
            return false;
        };
        let Phase::Inviting(inviting) = &mut call.phase else {
            return false;
        };
        if policy == Redirect::Reject {
            return false;
        }
        let code = response.status.code();
        if call.targets.known.is_empty() {
            call.targets.known.push(inviting.request.uri.clone());
        }
        let found = match code {
            300..400 => contacts(response),
            _ => Vec::new(),
        };
        let account = self.services.accounts.of_call(key);
        let written = |uri| self.services.called_as(account, uri);
        let mut found: Vec<_> = found.into_iter().map(written).collect();
        // A secure call is not continued where others can read it (RFC 5630 section 5.1.1).
        let secure = inviting.request.uri.scheme() == Scheme::Sips;
        found.retain(|uri| {
            let hop = self.services.first_hop(account, &Method::Invite, uri);
            target_of(&hop).is_some() && (!secure || uri.scheme() == Scheme::Sips)
        });
        if let Some(trail) = &mut call.trail {
            trail.end(response, &found);
        }
        match code {
            300..400 => {
                call.targets.add(&found);
                if policy == Redirect::Ask && !call.targets.left.is_empty() {
                    inviting.answered = true;
                    let mut targets = std::mem::take(&mut call.targets.left);
                    targets.reverse();
                    let kind = CallEventKind::Redirected { targets };
                    self.services.tell(key, kind);
                    return true;
                }
            }
            // Nobody anywhere wants it.
            600.. => call.targets.left.clear(),
            _ => {}
        }
        let Some(target) = call.targets.left.pop() else {
            return false;
        };
        self.try_at(now, key, target);
        true
    }

    /// Tries a call of ours that was redirected at `target`.
    pub(super) fn try_at(&mut self, now: Instant, key: CallKey, target: Uri) {
        let account = self.services.accounts.of_call(key);
        let hop = self.services.first_hop(account, &Method::Invite, &target);
        let Some(Phase::Inviting(inviting)) = self.calls.get_mut(&key).map(|c| &mut c.phase) else {
            return;
        };
        inviting.answered = true;
        let found = target_of(&hop).map(|way| {
            let errand = Errand::TryAt(key, target);
            self.services.look_up(way, errand)
        });
        if !matches!(found, Some(Ok(()))) {
            self.try_by(now, key, None, None);
        }
    }

    /// The way to where a call is redirected is known, or there is none: then the next is tried.
    pub(super) fn try_by(
        &mut self,
        now: Instant,
        key: CallKey,
        target: Option<Uri>,
        way: Option<Chosen>,
    ) {
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        if !matches!(&call.phase, Phase::Inviting(i) if i.answered) {
            return;
        }
        let next = call.targets.left.pop();
        if let (Some(target), Some(way)) = (target, way) {
            call.targets.left.extend(next);
            if self.invite_again(now, key, Some((target, way))) {
                return;
            }
        } else if let Some(next) = next {
            self.try_at(now, key, next);
            return;
        }
        let why = "no way to where the call was sent on to";
        self.fail(now, key, EndCause::Unresolvable, None, why);
    }

    /// A final response other than a 2xx to the INVITE of a call that lives.
    pub(super) fn end_refused(&mut self, now: Instant, key: CallKey, response: &Response) {
        let why = Ended {
            cause: causes::of_refusal(response.status, &response.headers),
            status: Some(response.status),
            reason: self.services.with_tried(&response.reason),
        };
        self.end(now, key, why, Cause::RemoteRequest);
    }
}

/// The URIs of Contact that a call can be made to, the preferred first.
fn contacts(response: &Response) -> Vec<Uri> {
    let readable = response.headers.contacts().filter_map(Result::ok);
    let mut found: Vec<_> = readable
        .filter(|c| c.uri().scheme() != Scheme::Other)
        .map(|c| {
            let q = c.preference().map_or(1000, Preference::thousandths);
            (q, c.uri().filtered(|_| true).detached())
        })
        .collect();
    // Those of one preference stay in their order.
    found.sort_by_key(|(q, _)| std::cmp::Reverse(*q));
    found.into_iter().map(|(_, uri)| uri).collect()
}
