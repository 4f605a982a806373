//! Look-ups of names: what each is for, and what is done once its name is found or not.

use msp_core::id::{CallKey, LegId};
use msp_core::time::Instant;

use super::UserAgent;
use super::agent::ended;
use super::interface::{EndCause, LookupId, Output, Route, Target};
use super::media::Agreed;
use super::requests::Outside;
use super::services::{Services, Within};
use super::subscribing::Ask;
use crate::account::AccountId;
use crate::registration::FlowId;
use crate::transport::Flow;
use crate::wire::{Request, Uri};
use crate::{Error, ErrorKind, Limit, Result};

/// Look-ups that may be under way at a time.
const MAX_LOOKUPS: usize = 1000;

/// What a look-up is for.
#[derive(Debug)]
pub(super) enum Errand {
    /// To send the INVITE of a call.
    Dial(CallKey),
    /// To send the INVITE of a call that was sent on.
    TryAt(CallKey, Uri),
    /// To ask a peer what it can do.
    Options(CallKey, Uri, Option<AccountId>),
    /// To send a request outside of dialogs.
    Outside(Box<Outside>),
    /// To register an account by one of its flows.
    Register(FlowId),
    /// To subscribe to a state.
    Subscribe(Ask),
    /// To tell a watcher of our calls.
    Notify(u32),
    /// To publish the presence of an account.
    Publish(AccountId),
    /// To find where the way to the peer of a call begins now.
    Move(CallKey, LegId),
    /// To tell the media half where the peer's media are.
    Media(CallKey, Box<Agreed>),
    /// To send a request within a dialog; if nothing is found it goes the way that messages came.
    Within {
        call: CallKey,
        leg: LegId,
        what: Within,
        request: Box<Request>,
        fallback: Flow,
    },
}

impl Services {
    /// Looks for the way to `target`.
    pub(super) fn look_up(&mut self, target: Target, errand: Errand) -> Result<()> {
        if self.errands.len() >= MAX_LOOKUPS {
            return Err(Error::new(ErrorKind::Limit(Limit::Lookups), ""));
        }
        self.next_lookup += 1;
        let lookup = LookupId(self.next_lookup);
        self.errands.insert(lookup, (errand, target.clone()));
        self.out.push_back(Output::Resolve { lookup, target });
        Ok(())
    }

    /// Whether what was agreed for a leg waits for the address of a name in it, or a request within it for its way.
    pub(super) fn looks_up(&self, key: CallKey, leg: LegId) -> bool {
        let of_leg = |(e, _): &(Errand, Target)| match e {
            Errand::Media(k, agreed) => *k == key && agreed.leg == leg,
            Errand::Within { call, leg: l, .. } => *call == key && *l == leg,
            _ => false,
        };
        self.errands.values().any(of_leg)
    }
}

impl UserAgent {
    /// A name is looked up.
    pub(super) fn resolved(
        &mut self,
        now: Instant,
        lookup: LookupId,
        routes: Vec<Route>,
        why: Box<str>,
    ) {
        let Some((errand, target)) = self.services.errands.remove(&lookup) else {
            return;
        };
        let first = routes.first().copied();
        let services = &mut self.services;
        let way = || {
            let way = services.first_way(now, routes, &target);
            way.ok_or_else(|| unresolved(&target, why))
        };
        match errand {
            Errand::Register(id) => {
                let way = way();
                self.register_by(now, id, way);
            }
            Errand::Subscribe(ask) => {
                let way = way();
                self.subscribe_by(now, ask, way.ok());
            }
            Errand::Publish(id) => {
                let way = way();
                self.publish_by(now, id, way.ok());
            }
            Errand::Notify(id) => {
                let way = first.map(|route| services.way(route, &target));
                self.notify_by(now, id, way);
            }
            Errand::Dial(key) => {
                let way = way();
                self.dial_by(now, key, way);
            }
            Errand::TryAt(key, to) => {
                let way = way();
                self.try_by(now, key, Some(to), way.ok());
            }
            Errand::Options(key, to, account) => match way() {
                Ok(way) => self.send_options(now, key, &to, account, way),
                Err(why) => {
                    let kind = ended(EndCause::Unresolvable, None, &why);
                    self.services.tell(key, kind);
                }
            },
            Errand::Outside(outside) => {
                let way = way();
                self.send_outside_by(now, *outside, way);
            }
            Errand::Move(key, leg) => {
                // No connection is needed to know where it would begin.
                let way = first.map(|r| Flow::to(r.transport, r.local, r.remote));
                self.call_moved(now, key, leg, way);
            }
            Errand::Media(key, agreed) => {
                self.media_found(now, key, *agreed, first.map(|r| r.remote.ip()));
            }
            Errand::Within {
                call,
                leg,
                what,
                request,
                fallback,
            } => {
                let flow = first.map_or(fallback, |route| services.way(route, &target));
                self.send_within_by(now, call, leg, *request, what, flow);
            }
        }
    }
}

/// Why nothing leads to `target`, and what to do, if whoever looked it up does not say.
fn unresolved(target: &Target, why: Box<str>) -> Box<str> {
    if !why.is_empty() {
        return why;
    }
    format!(
        "{} has no address: check its name, or give the address of a proxy",
        target.host
    )
    .into()
}
