//! From whose address media are taken: symmetric RTP (RFC 4961) that cannot be bled.
//!
//! The peer's description says where it receives; behind a NAT its media come from elsewhere. So the address is
//! learned from packets that prove themselves, and then held. From that moment on not one packet of another address
//! is heard. Plain RTP is not authentic: who guesses the port before the peer's first packet can still be taken for the
//! peer, for as long as the peer's own address has not been seen. Encrypted media close that door.

use std::net::SocketAddr;
use std::time::Duration;

use msp_core::fault::{self, Fault};
use msp_core::id::{SequenceNumber, Ssrc};
use msp_core::time::Instant;

/// How an address is learned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LatchPolicy {
    /// Packets in sequence that prove the address that was signalled.
    pub proof: u32,
    /// Packets in sequence that prove any other address.
    pub stranger_proof: u32,
    /// For as long after another address was learned, the signalled one may still replace it.
    pub window: Duration,
    /// After as long a silence of the held address, another may be learned by the same proof; never if `None`.
    pub relatch_after: Option<Duration>,
}

impl Default for LatchPolicy {
    fn default() -> Self {
        Self {
            proof: 2,
            stranger_proof: 4,
            window: Duration::from_secs(3),
            relatch_after: None,
        }
    }
}

/// What a latch says about a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// From the held address.
    Pass,
    /// With this packet its address is proven: those of it that were kept are heard first.
    Proven,
    /// It may prove its address: keep it.
    Wait,
    /// From a stranger: drop it.
    Stranger,
}

/// How far a latch is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Phase {
    /// Nobody said yet where the peer is.
    #[default]
    Unsignalled,
    /// Looking; a source that was learned may still be replaced until then.
    Learning(Option<Instant>),
    /// One address is held.
    Locked,
}

/// Packets in sequence of an address that is not proven yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// The address.
    pub from: SocketAddr,
    /// The source that sends from it.
    pub ssrc: Ssrc,
    /// The number that would be next in sequence.
    pub next: SequenceNumber,
    /// Packets in sequence so far.
    pub run: u32,
    /// When the last came.
    pub at: Instant,
}

/// State of a [`Latch`] as plain data.
// From the candidates on nobody looks once an address is held.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
pub struct LatchState {
    /// Where the peer said it is.
    pub signalled: Option<SocketAddr>,
    /// The address that is heard.
    pub source: Option<SocketAddr>,
    /// When it was last heard.
    pub heard_at: Instant,
    /// How far the latch is.
    pub phase: Phase,
    /// Addresses on probation. The first place is for the signalled address alone, so that no flood pushes it out.
    pub candidates: [Option<Candidate>; CANDIDATES],
    /// The signalled address whose owner was found at the source.
    pub found: Option<SocketAddr>,
}

/// Addresses that can be on probation at once.
pub const CANDIDATES: usize = 4;

/// Learns the address that media come from, and holds it.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Latch {
    policy: LatchPolicy,
    state: LatchState,
}

impl Latch {
    /// Octets from its start that are looked at for each packet once an address is held.
    pub(crate) const IN_USE: usize =
        std::mem::offset_of!(Self, state) + std::mem::offset_of!(LatchState, candidates);

    /// A latch that knows nothing yet.
    pub fn new(policy: LatchPolicy) -> Self {
        Self {
            policy,
            state: LatchState::default(),
        }
    }

    /// The peer said where it is. A new address is looked for by proof; until it is found the held one is heard, but
    /// media go to the new one (RFC 3264 section 8.3.1).
    pub fn signal(&mut self, remote: SocketAddr) {
        if self.state.signalled == Some(remote) {
            return;
        }
        self.state.signalled = Some(remote);
        self.state.candidates = [None; CANDIDATES];
        if self.state.source.is_some() {
            // What proved itself before anything was signalled is the peer.
            self.state.found.get_or_insert(remote);
        }
        self.state.phase = if self.state.source == Some(remote) {
            Phase::Locked
        } else {
            Phase::Learning(None)
        };
    }

    /// Judges an RTP packet. `authentic`: its tag was verified, which is proof enough at any time.
    pub fn check(
        &mut self,
        now: Instant,
        from: SocketAddr,
        ssrc: Ssrc,
        sequence: SequenceNumber,
        authentic: bool,
    ) -> Verdict {
        if fault::is_on(Fault::OpenLatch) {
            return Verdict::Pass;
        }
        if authentic {
            if self.state.source == Some(from) {
                self.state.heard_at = now;
                // Of a peer that moves some packets are still on their way.
                if !self.is_moving() {
                    self.state.phase = Phase::Locked;
                }
                return Verdict::Pass;
            }
            return self.hold(now, from, Phase::Locked);
        }
        if self.state.phase == Phase::Unsignalled {
            return Verdict::Wait;
        }
        if let Phase::Learning(Some(until)) = self.state.phase
            && now >= until
        {
            self.state.phase = Phase::Locked;
        }
        if self.state.source == Some(from) {
            self.state.heard_at = now;
            if self.state.phase == Phase::Learning(None) && !self.is_moving() {
                self.state.phase = Phase::Locked;
            }
            return Verdict::Pass;
        }
        if !self.may_learn(now, from) {
            return Verdict::Stranger;
        }
        let run = self.prove(now, from, ssrc, sequence);
        let exact = self.state.signalled == Some(from);
        let needed = if exact {
            self.policy.proof
        } else {
            self.policy.stranger_proof
        };
        if run < needed {
            return Verdict::Wait;
        }
        let phase = if exact {
            Phase::Locked
        } else {
            Phase::Learning(Some(now + self.policy.window))
        };
        self.hold(now, from, phase)
    }

    /// Whether a report may come from `from`: the host that media come from or were announced from. Reports prove
    /// nothing.
    pub fn admits_report(&self, from: SocketAddr) -> bool {
        let host = |a: Option<SocketAddr>| a.is_some_and(|a| a.ip() == from.ip());
        fault::is_on(Fault::OpenLatch)
            || match self.state.phase {
                Phase::Locked => host(self.state.source),
                _ => host(self.state.source) || host(self.state.signalled),
            }
    }

    /// Where to send: the address that is heard, else the one that was signalled; the other way round from when another
    /// is signalled until its owner is heard.
    pub fn target(&self) -> Option<SocketAddr> {
        let LatchState {
            source, signalled, ..
        } = self.state;
        if self.is_moving() {
            return signalled;
        }
        source.or(signalled)
    }

    /// Whether another address was signalled than that of the peer that is heard. One that comes back to the address it
    /// had is where it was found, which is elsewhere behind a NAT.
    fn is_moving(&self) -> bool {
        self.state.phase == Phase::Learning(None)
            && self.state.source.is_some()
            && self.state.found != self.state.signalled
    }

    /// Whether `from` is the host of a peer that said that it is elsewhere now.
    pub(crate) fn has_left(&self, from: SocketAddr) -> bool {
        let host = |a: Option<SocketAddr>| a.is_some_and(|a| a.ip() == from.ip());
        self.is_moving() && host(self.state.source) && !host(self.state.signalled)
    }

    /// The address that is held for good.
    pub fn locked(&self) -> Option<SocketAddr> {
        match self.state.phase {
            Phase::Locked => self.state.source,
            _ => None,
        }
    }

    /// The state as plain data.
    pub const fn state(&self) -> &LatchState {
        &self.state
    }

    /// Goes on from `state`.
    pub fn restore(&mut self, state: &LatchState) {
        self.state = *state;
    }

    fn hold(&mut self, now: Instant, from: SocketAddr, phase: Phase) -> Verdict {
        self.state.source = Some(from);
        self.state.found = self.state.signalled;
        self.state.heard_at = now;
        self.state.phase = phase;
        self.state.candidates = [None; CANDIDATES];
        Verdict::Proven
    }

    /// Whether `from` may be learned at all now.
    fn may_learn(&self, now: Instant, from: SocketAddr) -> bool {
        let Some(source) = self.state.source else {
            return true;
        };
        let silence = now.saturating_since(self.state.heard_at);
        match self.state.phase {
            Phase::Locked => self.policy.relatch_after.is_some_and(|t| silence >= t),
            // Before any packet of a newly signalled peer, the old one is heard; the new one may be anywhere once
            // the old has gone.
            Phase::Learning(None) => self.rank(from) > self.rank(source) || silence >= GONE,
            Phase::Learning(Some(_)) => self.rank(from) > self.rank(source),
            Phase::Unsignalled => false,
        }
    }

    fn rank(&self, address: SocketAddr) -> u8 {
        match self.state.signalled {
            Some(s) if s == address => 2,
            // The same host with another port: a NAT that keeps addresses, or a second socket.
            Some(s) if s.ip() == address.ip() => 1,
            _ => 0,
        }
    }

    fn prove(
        &mut self,
        now: Instant,
        from: SocketAddr,
        ssrc: Ssrc,
        sequence: SequenceNumber,
    ) -> u32 {
        let exact = self.state.signalled == Some(from);
        let Some((first, others)) = self.state.candidates.split_first_mut() else {
            return 0;
        };
        let slot = if exact {
            first
        } else {
            let known = others
                .iter()
                .position(|c| c.is_some_and(|c| c.from == from));
            let oldest = || {
                others
                    .iter()
                    .enumerate()
                    .min_by_key(|(_, c)| c.map(|c| c.at))
                    .map(|(n, _)| n)
            };
            match known.or_else(oldest).and_then(|n| others.get_mut(n)) {
                Some(slot) => slot,
                None => return 0,
            }
        };
        let run = match slot {
            Some(c) if c.from == from && c.ssrc == ssrc && c.next == sequence => c.run + 1,
            _ => 1,
        };
        *slot = Some(Candidate {
            from,
            ssrc,
            next: sequence.wrapping_add(1),
            run,
            at: now,
        });
        run
    }
}

/// A source that was silent for as long has gone, if the peer said that it would be elsewhere.
const GONE: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests;
