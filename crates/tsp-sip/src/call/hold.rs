//! Holding a call, by either end (RFC 3264 section 8.4).
//!
//! Who holds says so with a direction in an offer or an answer; both ends may hold at once. What the peer says is told
//! from what we say by who made the offer: an answer cannot be freer than the offer was.

use msp_core::event::Cause;
use msp_core::id::{CallKey, LegId};
use msp_core::link::{PrepareSlot, ToMsp};
use msp_core::media::MediaDirection;
use msp_core::params::MediaParams;
use msp_core::time::Instant;
use tsp_sdp::RemoteOffer;

use super::UserAgent;
use super::interface::{CallEventKind, Side};
use super::policy::{HoldForm, HoldSound};
use super::state::{Leg, Phase};

/// Who holds a leg.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hold {
    /// The application wants us to hold.
    pub(super) wanted: bool,
    /// What our offer that is under way says.
    offered: Option<bool>,
    /// We hold: the peer agreed.
    ours: bool,
    /// The peer holds.
    theirs: bool,
    /// What the application was told: of us, and of the peer.
    told: (bool, bool),
}

impl Hold {
    pub(super) const NONE: Self = Self {
        wanted: false,
        offered: None,
        ours: false,
        theirs: false,
        told: (false, false),
    };

    /// Narrows what the media half prepares, for an answer if `offered`.
    pub(super) fn narrow(&self, form: HoldForm, offered: bool, slots: &mut [PrepareSlot]) {
        let most = match (self.wanted, form) {
            (false, _) => MediaDirection::SendRecv,
            // What was receive-only before becomes inactive (RFC 3264 section 8.4).
            (true, HoldForm::SendOnly) if offered || !self.theirs => MediaDirection::SendOnly,
            (true, _) => MediaDirection::Inactive,
        };
        for slot in slots {
            slot.direction = slot.direction.and(most);
        }
    }

    /// The peer holds.
    pub(super) const fn theirs(&self) -> bool {
        self.theirs
    }

    /// Whether the peer holds, by its offer, while `agreed` holds. What only repeats our own hold is none of the peer's.
    pub(super) fn theirs_by(&self, offer: &RemoteOffer, agreed: Option<&[MediaParams]>) -> bool {
        let holds = holds(&offer.slots);
        let flows = |p: &MediaParams| p.direction != MediaDirection::Inactive;
        let silent = agreed.is_some_and(|a| !a.iter().any(flows));
        if offer.unchanged || holds && self.ours && silent {
            self.theirs
        } else {
            holds
        }
    }

    /// Either end holds.
    pub(super) const fn is_on(&self) -> bool {
        self.ours || self.theirs
    }

    /// Our offer goes out.
    pub(super) const fn offer(&mut self) {
        self.offered = Some(self.wanted);
    }

    /// The peer agreed to our offer: whether it wants to hear us shows if we offered to listen.
    pub(super) fn answered(&mut self, agreed: &[MediaParams]) {
        self.ours = self.offered.take().unwrap_or(self.ours);
        if !self.ours {
            self.theirs = !agreed.iter().any(|p| p.direction.sends());
        }
    }

    /// The peer's offer, which allows us what `holds` says, was answered.
    pub(super) const fn served(&mut self, holds: bool) {
        self.ours = self.wanted;
        self.theirs = holds;
    }

    /// Nothing came of our offer. Whether the application wanted anything with it.
    const fn refused(&mut self) -> bool {
        // What was wished for since goes into the next offer.
        let wish = matches!(self.offered, Some(o) if o == self.wanted && o != self.ours);
        if wish {
            self.wanted = self.ours;
        }
        self.offered = None;
        wish
    }
}

/// Whether an offer of the peer's that leaves us these ways holds the call.
pub(super) fn holds(slots: &[PrepareSlot]) -> bool {
    !slots.iter().any(|s| s.direction.sends())
}

/// Writes the unspecified address, for peers that know no other hold (RFC 3264 section 8.4).
pub(super) fn write_nowhere(local: &mut [MediaParams]) {
    for params in local {
        if let Some(local) = &mut params.local {
            let nowhere = match local.advertised.ip() {
                std::net::IpAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
                std::net::IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
            };
            local.advertised.set_ip(nowhere);
        }
    }
}

impl UserAgent {
    /// The application holds a call that is up, or takes it up again.
    pub(super) fn hold(&mut self, now: Instant, key: CallKey, wanted: bool) {
        let up = self
            .calls
            .get_mut(&key)
            .filter(|c| matches!(c.phase, Phase::Up));
        let Some(leg) = up.and_then(|c| c.confirmed()) else {
            self.services.tell(key, CallEventKind::HoldRefused(None));
            return;
        };
        if leg.hold.wanted == wanted {
            return;
        }
        leg.hold.wanted = wanted;
        leg.change_at = Some(now);
        self.begin_changes(now, key);
    }

    /// Nothing came of an offer of ours: a wish of the application's that it carried is off.
    pub(super) fn hold_refused(
        &mut self,
        key: CallKey,
        leg: LegId,
        status: Option<crate::wire::StatusCode>,
    ) {
        let leg = self.calls.get_mut(&key).and_then(|c| c.leg(leg));
        if leg.is_some_and(|l| l.hold.refused()) {
            self.services.tell(key, CallEventKind::HoldRefused(status));
        }
    }

    /// Tells the application what changed about who holds, and keeps the media half silent while we do.
    pub(super) fn tell_hold(&mut self, key: CallKey, leg_id: LegId) {
        let policy = self.services.policy_of(key);
        let silent = policy.hold == HoldForm::SendOnly && policy.hold_sound == HoldSound::Silence;
        let Some(call) = self.calls.get_mut(&key) else {
            return;
        };
        let is_call = call.connected && call.chosen == Some(leg_id);
        let Some(leg) = call.leg(leg_id).filter(|_| is_call) else {
            return;
        };
        let (told, now) = (leg.hold.told, (leg.hold.ours, leg.hold.theirs));
        leg.hold.told = now;
        let quiet = leg.silenced().filter(|_| silent && now.0);
        for slot in quiet.into_iter().flatten() {
            let body = ToMsp::Direction {
                slot,
                direction: MediaDirection::Inactive,
                cause: Cause::LocalRequest,
            };
            self.services.msp(key, leg_id, leg.generation, body);
        }
        let sides = [(told.0, now.0, Side::Local), (told.1, now.1, Side::Remote)];
        for (before, after, side) in sides {
            match (before, after) {
                (false, true) => self.services.tell(key, CallEventKind::Held(side)),
                (true, false) => self.services.tell(key, CallEventKind::Resumed(side)),
                _ => {}
            }
        }
    }
}

impl Leg {
    /// The media that we would still send while we hold.
    fn silenced(&self) -> Option<Vec<msp_core::params::MediaSlot>> {
        let sends = |p: &&MediaParams| !p.refused && p.direction.sends();
        let agreed = self.media.negotiated()?;
        Some(agreed.iter().filter(sends).map(|p| p.slot).collect())
    }
}
