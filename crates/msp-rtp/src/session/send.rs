//! From sound to packets, and from packets to sound.

use std::ops::Range;

use msp_core::stats::DropReason;
use msp_core::time::Instant;

use super::{FRAME, Outgoing, Session};
use crate::packet::{HEADROOM, TAILROOM};
use crate::protect::Component;
use crate::rtcp::{Bye, Subject};

impl Session {
    /// Takes the frame that is sent in the tick due at `now`; `None` when no sound is to be sent. Then call
    /// [`transmit`](Self::transmit) until it gives nothing more.
    pub fn capture(&mut self, now: Instant, frame: Option<&[i16]>) {
        let sends = self.may_send() && self.direction.sends();
        if let Err(reason) = self.sender.catch_up(now) {
            self.drops.count(reason);
        }
        let down = sends
            && self.send_events.is_some()
            && self
                .digits_out
                .tick(self.sender.next_timestamp(), !self.sender.has_begun());
        // While a key is down its sound is not sent too (RFC 4733 section 2.5.1.1).
        let frame = frame.filter(|_| sends && !down);
        self.sends_sound = frame.is_some();
        if let Err(reason) = self.sender.frame(now, frame) {
            self.drops.count(reason);
        }
        if let Some(frame) = frame {
            self.sent_level.add(frame);
        }
    }

    /// Fills `out`, 10 ms at [`render_rate`](Self::render_rate), with the sound that is heard in the tick due at `now`;
    /// with silence while nothing was agreed.
    pub fn render(&mut self, now: Instant, out: &mut [i16]) {
        if self.hears_digit {
            self.digits_in.tick(now);
            self.drain_digits();
        }
        match &mut self.playout {
            Some(playout) if out.len() == playout.frame() => playout.pull(now, out),
            _ => out.fill(0),
        }
        self.played_level.add(out);
    }

    /// Writes the next packet that is due into `buffer`, which must have [`SEND_BUFFER`](crate::packet::SEND_BUFFER)
    /// octets. Call it after [`capture`](Self::capture) and at the [`deadline`](Self::deadline) until it gives nothing
    /// more: sound, digits, reports, and what keeps the path open.
    ///
    /// A path is kept open by RTP packets without payload under the codec's payload type and the next sequence number.
    /// RFC 6263 would rather have reports on the media's port: those come every 5 s anyway where the peer can. Of what is
    /// left this is what common phones send, so peers take it: it lets their latch learn us, counts for no loss, and
    /// decodes to nothing. The first leaves at once when there is no sound yet, to open the way in.
    pub fn transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<Outgoing> {
        loop {
            let (kind, packet) = self.next_packet(now, buffer)?;
            match self.finish(kind, packet, buffer) {
                Ok(outgoing) => return Some(outgoing),
                Err(reason) => self.drops.count(reason),
            }
        }
    }

    fn next_packet(
        &mut self,
        now: Instant,
        buffer: &mut [u8],
    ) -> Option<(Component, Result<Range<usize>, DropReason>)> {
        if let Some(ssrc) = self.leaving.take() {
            let subject = Subject {
                sender: self.sender.state(),
                timestamp: self.sender.timestamp_at(now),
                source: None,
            };
            let range = self.reporter.bye(now, subject, Bye { ssrc }, buffer);
            return Some((Component::Report, range.ok_or(DropReason::SendFailed)));
        }
        if !self.may_send() {
            return None;
        }
        if let Some(event) = self.send_events
            && let Some(packet) = self.digits_out.poll()
        {
            if let Some(out) = buffer.get_mut(HEADROOM..HEADROOM + packet.payload.len()) {
                out.copy_from_slice(&packet.payload);
            }
            let range = self.sender.finish(
                now,
                buffer,
                packet.payload.len(),
                event.payload_type,
                packet.timestamp,
                packet.marker,
            );
            return Some((Component::Media, range.ok_or(DropReason::SendFailed)));
        }
        if let Some(packet) = self.sender.packet(now, buffer) {
            return Some((Component::Media, packet));
        }
        if self.idle_since.is_none() {
            self.idle_since = Some(now);
        }
        if self.keep_alive_due().is_some_and(|due| now >= due) {
            let payload_type = self.sender.codec()?.payload_type();
            let timestamp = self.sender.timestamp_at(now);
            let range = self
                .sender
                .finish(now, buffer, 0, payload_type, timestamp, false);
            self.keep_alives += 1;
            return Some((Component::Media, range.ok_or(DropReason::SendFailed)));
        }
        let subject = Subject {
            sender: self.sender.state(),
            timestamp: self.sender.timestamp_at(now),
            source: self.receiver.active_mut(),
        };
        let range = self.reporter.poll(now, subject, buffer)?;
        Some((Component::Report, Ok(range)))
    }

    fn finish(
        &mut self,
        kind: Component,
        packet: Result<Range<usize>, DropReason>,
        buffer: &mut [u8],
    ) -> Result<Outgoing, DropReason> {
        let mut range = packet?;
        let (to, port) = match kind {
            Component::Report if !self.mux => {
                (self.report_source.or(self.report_remote), Component::Report)
            }
            _ => (self.target(), Component::Media),
        };
        let to = to.ok_or(DropReason::NotPermitted)?;
        if let Some(protect) = &mut self.protect {
            if range.end + TAILROOM > buffer.len() {
                return Err(DropReason::TooBig);
            }
            range = protect.protect(kind, buffer, range)?;
        }
        Ok(Outgoing {
            range,
            to,
            port,
            kind,
        })
    }

    pub(super) fn may_send(&self) -> bool {
        self.applied && !self.stopped && self.remote.is_some()
    }

    pub(super) fn keep_alive_due(&self) -> Option<Instant> {
        self.sender.codec()?;
        if !self.may_send() {
            return None;
        }
        match self.sender.last_sent() {
            Some(sent) => Some(sent + self.keep_alive),
            // Half a packet may wait to be the first: it needs no help.
            None => self.idle_since.map(|since| since + FIRST_SOUND),
        }
    }
}

/// When no sound came for as long from the start, the way in is opened without.
const FIRST_SOUND: std::time::Duration = FRAME.saturating_mul(7);
