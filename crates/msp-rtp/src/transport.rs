//! What several legs of a call share: the ports, and the paths that lead from them.
//!
//! A forked call has a leg for each answer, all on the port that the one offer named. Each has a session of its own, with
//! its own payload map, latch and sources. A datagram goes to the leg whose address it comes from, else to the only one
//! that knows its payload type, else to the newest. One leg is heard; the others are received and counted.

use std::net::SocketAddr;

use msp_core::id::{LegId, PayloadType};
pub use msp_core::link::MAX_LEGS;
use msp_core::params::LocalAddress;

use crate::error::{Error, ErrorKind};
use crate::packet::DatagramClass;
use crate::reach::{Reach, Tell};
use crate::session::{Arrival, Received, Session};

/// Paths of one transport.
pub const MAX_PATHS: usize = 8;

/// One way from a port of ours to the peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Path {
    /// Our end.
    pub local: LocalAddress,
    /// The peer's end, where this path fixes it; else each leg has its own.
    pub remote: Option<SocketAddr>,
}

#[derive(Debug)]
struct Leg {
    id: LegId,
    session: Box<Session>,
}

/// The legs of one stream pair, and the paths that they ride on.
#[derive(Debug)]
pub struct Transport {
    paths: Vec<Path>,
    selected: usize,
    legs: Vec<Leg>,
    heard: Option<LegId>,
}

impl Transport {
    /// A transport over `path`.
    pub fn new(path: Path) -> Self {
        let mut paths = Vec::with_capacity(MAX_PATHS);
        paths.push(path);
        Self {
            paths,
            selected: 0,
            legs: Vec::with_capacity(MAX_LEGS),
            heard: None,
        }
    }

    /// The path that is used.
    pub fn path(&self) -> Option<&Path> {
        self.paths.get(self.selected)
    }

    /// Adds a path beside the one in use, and returns its number.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] beyond [`MAX_PATHS`].
    pub fn add_path(&mut self, path: Path) -> Result<usize, Error> {
        if self.paths.len() >= MAX_PATHS {
            return Err(Error::new(ErrorKind::OutOfRange, "paths"));
        }
        self.paths.push(path);
        Ok(self.paths.len() - 1)
    }

    /// Uses path `number` from the next packet on.
    ///
    /// # Errors
    /// [`ErrorKind::OutOfRange`] if there is none.
    pub fn select_path(&mut self, number: usize) -> Result<(), Error> {
        if number >= self.paths.len() {
            return Err(Error::new(ErrorKind::OutOfRange, "path"));
        }
        self.selected = number;
        Ok(())
    }

    /// Adds a leg. The first is the one that is heard.
    ///
    /// # Errors
    /// [`ErrorKind::Leg`] if there is one of that name, or too many.
    pub fn add_leg(&mut self, id: LegId, session: Box<Session>) -> Result<(), Error> {
        if self.legs.len() >= MAX_LEGS || self.session(id).is_some() {
            return Err(Error::new(ErrorKind::Leg, "leg to add"));
        }
        self.heard.get_or_insert(id);
        self.legs.push(Leg { id, session });
        Ok(())
    }

    /// Takes a leg away; its session is returned to be dropped elsewhere. If it was heard, the newest is from now on.
    pub fn remove_leg(&mut self, id: LegId) -> Option<Box<Session>> {
        let index = self.legs.iter().position(|l| l.id == id)?;
        let leg = self.legs.remove(index);
        if self.heard == Some(id) {
            self.heard = self.legs.last().map(|l| l.id);
        }
        Some(leg.session)
    }

    /// Hears leg `id` from now on, and sends to it.
    ///
    /// # Errors
    /// [`ErrorKind::Leg`] if there is none.
    pub fn hear(&mut self, id: LegId) -> Result<(), Error> {
        if self.session(id).is_none() {
            return Err(Error::new(ErrorKind::Leg, "leg to hear"));
        }
        self.heard = Some(id);
        Ok(())
    }

    /// The leg that is heard.
    pub const fn heard(&self) -> Option<LegId> {
        self.heard
    }

    /// The session of leg `id`.
    pub fn session(&self, id: LegId) -> Option<&Session> {
        let leg = self.legs.iter().find(|l| l.id == id)?;
        Some(&leg.session)
    }

    /// The session of leg `id`.
    pub fn session_mut(&mut self, id: LegId) -> Option<&mut Session> {
        let leg = self.legs.iter_mut().find(|l| l.id == id)?;
        Some(&mut leg.session)
    }

    /// The session that is heard.
    pub fn heard_mut(&mut self) -> Option<&mut Session> {
        self.session_mut(self.heard?)
    }

    /// The legs in the order in which they came, with their sessions.
    pub fn legs_mut(&mut self) -> impl Iterator<Item = (LegId, &mut Session)> {
        self.legs.iter_mut().map(|l| (l.id, &mut *l.session))
    }

    /// Takes a datagram for the leg that it belongs to; `None` if there is no leg at all.
    pub fn receive(&mut self, arrival: &Arrival, datagram: &mut [u8]) -> Option<(LegId, Received)> {
        let index = match self.legs.len() {
            0 => return None,
            1 => 0,
            n => self.leg_of(arrival.from, datagram).unwrap_or(n - 1),
        };
        let leg = self.legs.get_mut(index)?;
        Some((leg.id, leg.session.receive(arrival, datagram)))
    }

    /// Tells `tell` address and length in bytes of what the next packet and frame of the leg that is heard will touch at
    /// `reach`.
    pub fn touches(&self, reach: Reach, tell: impl FnMut(*const u8, usize)) {
        let mut tell = Tell(tell);
        if reach == Reach::Legs {
            if let Some(first) = self.legs.first() {
                tell.value(first);
            }
            return;
        }
        let Some(session) = self.heard.and_then(|leg| self.session(leg)) else {
            return;
        };
        session.touches(reach, &mut tell);
    }

    fn leg_of(&self, from: SocketAddr, datagram: &[u8]) -> Option<usize> {
        let find =
            |test: &dyn Fn(&Session) -> bool| self.legs.iter().position(|l| test(&l.session));
        let source = |s: &Session| s.latch().state().source == Some(from);
        let signalled = |s: &Session| s.latch().state().signalled == Some(from);
        // Reports come from another port of the same host.
        let host = |s: &Session| {
            DatagramClass::of(datagram) == DatagramClass::Rtcp && s.latch().admits_report(from)
        };
        if let Some(leg) = find(&source)
            .or_else(|| find(&signalled))
            .or_else(|| find(&host))
        {
            return Some(leg);
        }
        let payload_type = PayloadType(datagram.get(1)? & 0x7f);
        let mut knowing =
            self.legs.iter().enumerate().filter(|(_, l)| {
                l.session.knows(payload_type) && l.session.latch().locked().is_none()
            });
        let first = knowing.next()?.0;
        knowing.next().is_none().then_some(first)
    }
}

#[cfg(test)]
mod tests;
