//! From a datagram to sound.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use msp_core::id::{PayloadType, Ssrc};
use msp_core::stats::DropReason;
use msp_core::time::Instant;

use super::hold::MAX_LEN;
use super::{Arrival, Received, Session, SessionEvent};
use crate::digits::{EventHeard, EventPayload};
use crate::latch::{Phase, Verdict};
use crate::packet::DatagramClass;
use crate::playout::PlayoutPacket;
use crate::protect::Component;
use crate::receiver::{Heard, Refused};
use crate::rtcp::{Report, Reports};
use crate::view::RtpView;

/// Packets that were held for longer are not worth hearing.
const STALE: Duration = Duration::from_millis(300);
/// For as long after its last packet a host that sent under our source is remembered: longer than ten times the interval
/// of reports (RFC 3550 section 8.2).
const COLLISION_MEMORY: Duration = Duration::from_secs(60);

impl Session {
    /// Takes a datagram that came. It may be changed in place.
    pub fn receive(&mut self, arrival: &Arrival, datagram: &mut [u8]) -> Received {
        match DatagramClass::of(datagram) {
            DatagramClass::Rtp if arrival.component == Component::Media => {
                self.receive_media(arrival, datagram, false)
            }
            DatagramClass::Rtcp => self.receive_reports(arrival, datagram),
            class => {
                self.drops.count(DropReason::NotMedia);
                Received::Other(class)
            }
        }
    }

    /// `open`: the packet was checked and opened before it was held.
    fn receive_media(&mut self, arrival: &Arrival, datagram: &mut [u8], open: bool) -> Received {
        if !open && !self.is_judged() {
            // Nobody said yet from where media may come.
            return self.keep(arrival, datagram, open);
        }
        if self.stopped || !self.direction.receives() {
            return self.dropped(DropReason::NotPermitted);
        }
        let payload_type = match (&*datagram, self.protect.is_some() && !open) {
            // Padding is encrypted too: the rest can be looked at only later.
            ([_, second, ..], true) => PayloadType(*second & 0x7f),
            (datagram, _) => match RtpView::parse(datagram) {
                Ok(view) => view.payload_type(),
                Err(reason) => return self.dropped(reason),
            },
        };
        if !self.knows(payload_type) {
            return self.dropped(DropReason::UnknownPayloadType);
        }
        let mut len = datagram.len();
        if let Some(protect) = &mut self.protect
            && !open
        {
            match protect.unprotect(Component::Media, datagram) {
                Ok(opened) => len = opened,
                Err(reason) => return self.dropped(reason),
            }
        }
        let packet = datagram.get(..len).unwrap_or_default();
        let view = match RtpView::parse(packet) {
            Ok(view) => view,
            Err(reason) => return self.dropped(reason),
        };
        let verdict = self.latch.check(
            arrival.at,
            arrival.from,
            view.ssrc(),
            view.sequence(),
            self.protect.is_some(),
        );
        match verdict {
            Verdict::Pass => {}
            Verdict::Proven => self.replay_proven(arrival, view.ssrc()),
            Verdict::Wait => return self.keep(arrival, packet, true),
            Verdict::Stranger => return self.dropped(DropReason::WrongSource),
        }
        self.note_lock();
        self.accept(arrival, packet, &view, verdict == Verdict::Proven)
    }

    /// Whether there is anything to judge a packet by.
    fn is_judged(&self) -> bool {
        self.applied && (self.protect.is_some() || self.latch.state().phase != Phase::Unsignalled)
    }

    /// Takes a packet that comes from the right address; `moved`: that address is new.
    fn accept(
        &mut self,
        arrival: &Arrival,
        packet: &[u8],
        view: &RtpView<'_>,
        moved: bool,
    ) -> Received {
        if view.ssrc() == self.ssrc() {
            self.collision(arrival.at, arrival.from);
        }
        let event = self.event_type(view.payload_type());
        let clock = match event {
            Some(event) => Some(event.clock),
            None => self
                .playout
                .as_ref()
                .and_then(|p| p.clock(view.payload_type())),
        };
        let Some(clock) = clock else {
            return self.dropped(DropReason::UnknownPayloadType);
        };
        let before = self.remote_ssrc();
        let taken = self.receiver.take(&Heard {
            at: arrival.at,
            ssrc: view.ssrc(),
            sequence: view.sequence(),
            timestamp: view.timestamp(),
            clock,
            octets: view.payload().len(),
            timed: event.is_none() && !view.payload().is_empty(),
            proven: moved || self.protect.is_some() || before.is_none(),
            moved,
        });
        match taken {
            Err(Refused::Hold) => self.keep(arrival, packet, true),
            Err(Refused::Drop(reason)) => self.dropped(reason),
            Ok(accepted) => {
                if accepted.changed {
                    self.change_source(arrival, before, view.ssrc());
                }
                self.deliver(arrival.at, view, accepted.place)
            }
        }
    }

    fn change_source(&mut self, arrival: &Arrival, before: Option<Ssrc>, ssrc: Ssrc) {
        if let Some(playout) = &mut self.playout {
            playout.reset();
        }
        if let Some(ssrc) = before {
            self.emit(SessionEvent::Participant {
                ssrc,
                present: false,
            });
        }
        self.name.clear();
        self.emit(SessionEvent::Participant {
            ssrc,
            present: true,
        });
        let mut bytes = [0; MAX_LEN];
        let from = arrival.from;
        while let Some((held, len)) = self.hold.take(&mut bytes, |held, packet| {
            held.open && held.from == from && ssrc_of(packet) == Some(ssrc)
        }) {
            let Some(Ok(view)) = bytes.get(..len).map(RtpView::parse) else {
                continue;
            };
            if arrival.at.saturating_since(held.at) > STALE {
                self.drops.count(DropReason::Late);
                continue;
            }
            let place = self
                .receiver
                .place(ssrc, view.sequence(), view.payload().len());
            if let Some(place) = place {
                self.deliver(held.at, &view, place);
            }
        }
    }

    /// Plays a packet, or reads the event in it.
    fn deliver(&mut self, at: Instant, view: &RtpView<'_>, place: i64) -> Received {
        if let Some(event) = self.event_type(view.payload_type()) {
            let ticks = EventPayload::read(view.payload()).map_or(0, |e| e.duration);
            if let Some(playout) = &mut self.playout {
                playout.event(place, view.timestamp(), ticks.into());
            }
            let heard = self.digits_in.take(&EventHeard {
                at,
                timestamp: view.timestamp(),
                payload: view.payload(),
                clock: event.clock,
            });
            self.drain_digits();
            return match heard {
                Ok(()) => Received::Event,
                Err(reason) => self.dropped(reason),
            };
        }
        let Some(playout) = &mut self.playout else {
            return self.dropped(DropReason::UnknownPayloadType);
        };
        let inserted = playout.insert(&PlayoutPacket {
            at,
            place,
            timestamp: view.timestamp(),
            marker: view.marker(),
            payload_type: view.payload_type(),
            payload: view.payload(),
        });
        match inserted {
            Ok(()) => Received::Sound,
            Err(reason) => self.dropped(reason),
        }
    }

    pub(super) fn drain_digits(&mut self) {
        while let Some(press) = self.digits_in.poll() {
            self.emit(SessionEvent::Digit(press));
        }
        self.hears_digit = self.digits_in.is_down();
    }

    fn keep(&mut self, arrival: &Arrival, packet: &[u8], open: bool) -> Received {
        let gone = self.hold.put(arrival.at, arrival.from, open, packet);
        self.drops.add(DropReason::HoldFull, gone);
        Received::Held
    }

    /// An address was proven: what it sent before is heard, with `ssrc` as the proven source.
    fn replay_proven(&mut self, arrival: &Arrival, ssrc: Ssrc) {
        let mut bytes = [0; MAX_LEN];
        let from = arrival.from;
        // What is held again must not be taken again.
        for _ in 0..self.hold.len() {
            let taken = self.hold.take(&mut bytes, |held, packet| {
                held.open && held.from == from && ssrc_of(packet) == Some(ssrc)
            });
            let Some((held, len)) = taken else {
                return;
            };
            let packet = bytes.get(..len).unwrap_or_default();
            if arrival.at.saturating_since(held.at) > STALE {
                self.drops.count(DropReason::Late);
            } else if let Ok(view) = RtpView::parse(packet) {
                let arrival = Arrival {
                    at: held.at,
                    from,
                    component: Component::Media,
                };
                self.accept(&arrival, packet, &view, true);
            }
        }
    }

    /// What came before anything was agreed is looked at now.
    pub(super) fn replay_unjudged(&mut self, now: Instant) {
        if !self.is_judged() {
            return;
        }
        let mut bytes = [0; MAX_LEN];
        while let Some((held, len)) = self.hold.take(&mut bytes, |held, _| !held.open) {
            if now.saturating_since(held.at) > STALE {
                self.drops.count(DropReason::Late);
            } else if let Some(packet) = bytes.get_mut(..len) {
                let arrival = Arrival {
                    at: held.at,
                    from: held.from,
                    component: Component::Media,
                };
                self.receive_media(&arrival, packet, false);
            }
        }
    }

    fn note_lock(&mut self) {
        let locked = self.latch.locked();
        if let Some(address) = locked
            && !self.locked
        {
            self.emit(SessionEvent::SourceLocked(address));
            let mut bytes = [0; MAX_LEN];
            while self
                .hold
                .take(&mut bytes, |held, _| held.from != address)
                .is_some()
            {
                self.drops.count(DropReason::WrongSource);
            }
        }
        self.locked = locked.is_some();
    }

    /// The peer uses the number of our source (RFC 3550 section 8.2): we take another and say goodbye under the old, once
    /// for each host. From then on it is a loop that another number would not end. What the peer sends is heard all the
    /// same: many an echo service sends our own packets back, whatever number they bear.
    fn collision(&mut self, now: Instant, from: SocketAddr) {
        // By host: media and reports come from ports of their own.
        let host = from.ip();
        let active = |(_, at): &(IpAddr, Instant)| now.saturating_since(*at) < COLLISION_MEMORY;
        let known = self
            .collided
            .iter_mut()
            .flatten()
            .find(|known| known.0 == host && active(known));
        if let Some(known) = known {
            known.1 = now;
            return;
        }
        let oldest = self
            .collided
            .iter_mut()
            .min_by_key(|known| known.map(|(_, at)| at));
        if let Some(oldest) = oldest {
            *oldest = Some((host, now));
        }
        let old = self.ssrc();
        let new = Ssrc(self.random.next() as u32);
        self.leaving = Some(old);
        self.sender.change_ssrc(new);
        self.reporter.change_ssrc();
        self.emit(SessionEvent::Collision { old, new });
    }

    fn receive_reports(&mut self, arrival: &Arrival, datagram: &mut [u8]) -> Received {
        if !self.applied {
            return self.dropped(DropReason::NotPermitted);
        }
        let mut len = datagram.len();
        if let Some(protect) = &mut self.protect {
            match protect.unprotect(Component::Report, datagram) {
                Ok(opened) => len = opened,
                Err(reason) => return self.dropped(reason),
            }
        } else if !self.admits_report(arrival.from) {
            return self.dropped(DropReason::WrongSource);
        }
        let packet = datagram.get(..len).unwrap_or_default();
        if arrival.component == Component::Report && !self.latch.has_left(arrival.from) {
            self.report_source = Some(arrival.from);
        }
        self.reporter.received(len);
        let mut outcome = Received::Report;
        for report in Reports::new(packet) {
            match report {
                Ok(report) => self.report(arrival, &report),
                Err(reason) => outcome = self.dropped(reason),
            }
        }
        outcome
    }

    fn admits_report(&self, from: SocketAddr) -> bool {
        self.latch.admits_report(from)
            || self.report_remote.is_some_and(|r| r.ip() == from.ip())
                && self.latch.locked().is_none()
    }

    fn report(&mut self, arrival: &Arrival, report: &Report<'_>) {
        let (now, from) = (arrival.at, arrival.from);
        let ours = self.ssrc();
        match report {
            Report::Sender(sr) if Ssrc(sr.ssrc()) == ours => return self.collision(now, from),
            Report::Receiver(rr) if Ssrc(rr.ssrc()) == ours => return self.collision(now, from),
            Report::Sender(sr) => {
                self.reporter
                    .sender_report(now, Ssrc(sr.ssrc()), sr.ntp_timestamp());
            }
            Report::Names(names) => {
                if let Some(ssrc) = self.remote_ssrc()
                    && let Some(name) = names.cname(ssrc)
                    && name != self.name
                    && !name.chars().any(char::is_control)
                {
                    self.name.clear();
                    self.name.push_str(name);
                    self.emit(SessionEvent::Named(ssrc));
                }
            }
            Report::Bye(bye) => {
                let heard = self.remote_ssrc();
                if let Some(ssrc) = heard
                    && bye.ssrcs().any(|s| Ssrc(s) == ssrc)
                {
                    self.emit(SessionEvent::Goodbye(ssrc));
                }
            }
            Report::Receiver(_) | Report::Other(_) => {}
        }
        for block in report.blocks().filter(|b| b.ssrc == ours) {
            self.reporter.block(now, &block);
        }
    }
}

fn ssrc_of(packet: &[u8]) -> Option<Ssrc> {
    RtpView::parse(packet).ok().map(|view| view.ssrc())
}
