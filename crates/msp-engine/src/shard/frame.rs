//! What a frame brings: received sound goes to the terminals, and what they give is sent.

use msp_core::fault::{self, Fault};
use msp_core::media::Direction;
use msp_core::terminal::{FRAME, FrameTime};
use msp_core::time::Instant;
use msp_rtp::packet::SEND_BUFFER;

use super::edge::{LONGEST_FRAME, frame_length};
use super::terminals::Gone;
use super::transport::{Transport, guard};
use super::{Edge, Garbage, MediaReport, Outbox, Report, TransportId};
use crate::wheel::{PHASES, Slice};

/// Frames between two times that the numbers are published: 200 ms.
const PUBLISH_FRAMES: u64 = 20;

/// Room that the pairs of a shard use one after another.
pub(super) struct Scratch {
    frame: [i16; LONGEST_FRAME],
    unheard: [i16; LONGEST_FRAME],
    mix: [i32; LONGEST_FRAME],
    packet: [u8; SEND_BUFFER],
}

impl Scratch {
    pub(super) fn new() -> Box<Self> {
        Box::new(Self {
            frame: [0; LONGEST_FRAME],
            unheard: [0; LONGEST_FRAME],
            mix: [0; LONGEST_FRAME],
            packet: [0; SEND_BUFFER],
        })
    }
}

impl Transport {
    /// Works off the frames that are due in `slice`: one, or the two of a packet.
    pub(super) fn frames(&mut self, slice: Slice, scratch: &mut Scratch, out: &mut Outbox) {
        let at_once = self.pace.at_once();
        let born = match self.pace.born {
            Some(born) => born,
            // Packets of 20 ms begin in the slice of the phase, so that those of many streams spread.
            None if slice.index % PHASES as u64 != self.phase.index() as u64 => return,
            None => slice.index.saturating_sub(2 * (at_once - 1)),
        };
        self.pace.born = Some(born);
        let last = (slice.index - born) / 2;
        let due = (last + 1).saturating_sub(self.pace.frames);
        self.pace.frames = last + 1;
        let rests = !self.pace.rests && self.pace.came == 1;
        self.pace.rests = out.settings.unhurried && at_once == 1 && rests;
        self.pace.came = 0;
        let worked = due.min(at_once);
        let mut missed = due - worked;
        for number in last + 1 - worked..=last {
            let at = slice.at - FRAME * (last - number) as u32;
            self.frame(at, number, std::mem::take(&mut missed), scratch, out);
        }
        if !self.shows_failed && guard(|| self.show(slice.at, out)).is_err() {
            self.panicked(out);
        }
    }

    /// Tells what happened, and from time to time the numbers.
    fn show(&mut self, at: Instant, out: &mut Outbox) {
        self.tell_events(at, out);
        self.miss(at, out);
        if self.pace.frames >= self.pace.publish_at {
            self.pace.publish_at = self.pace.frames + PUBLISH_FRAMES;
            self.trace_playout(at, false, out);
            self.publish(at, out);
        }
    }

    fn frame(
        &mut self,
        at: Instant,
        number: u64,
        missed: u64,
        scratch: &mut Scratch,
        out: &mut Outbox,
    ) {
        if !self.receive_failed && guard(|| self.render(at, number, missed, scratch, out)).is_err()
        {
            self.receive_panicked(out);
        }
        if !self.flow.send && at < self.pace.quiet_until {
            return;
        }
        if !self.send_failed && guard(|| self.capture(at, number, scratch, out)).is_err() {
            self.send_panicked(out);
        }
    }

    fn render(
        &mut self,
        at: Instant,
        number: u64,
        missed: u64,
        scratch: &mut Scratch,
        out: &mut Outbox,
    ) {
        let heard = self.legs.heard();
        // After a long time nothing is left in playout that could have been played in the first of them.
        let stale = missed.min(out.settings.stale_frames);
        let mut rendered = None;
        for (leg, session) in self.legs.legs_mut() {
            let Some(rate) = session.render_rate() else {
                continue;
            };
            let is_heard = heard == Some(leg);
            let room = if is_heard {
                &mut scratch.frame
            } else {
                // The others play too, to nobody: who is selected later is heard as of then.
                &mut scratch.unheard
            };
            let frame = room.get_mut(..frame_length(rate)).unwrap_or_default();
            if let Some(log) = session.playout_log() {
                // The stream is older than this session: playout's log counts as the terminals are told.
                log.stand_at(number.saturating_sub(stale) * frame.len() as u64);
                log.skip(stale > 0);
            }
            // What would have been played in frames that were skipped is gone, as time is.
            for n in (1..=stale).rev() {
                session.render(at - FRAME * n as u32, frame);
            }
            if let Some(log) = session.playout_log() {
                log.skip(false);
            }
            session.render(at, frame);
            if is_heard {
                rendered = Some(frame.len());
            }
        }
        self.pace.rendered_at = at;
        if let Some(length) = rendered
            && self.flow.receive
        {
            let frame = scratch.frame.get(..length).unwrap_or_default();
            let time = time_of(at, number, frame);
            let id = self.id;
            let gone = &mut |edge, why| terminal_gone(id, edge, why, out);
            self.terminals.push(Direction::Render, time, frame, gone);
        }
    }

    fn capture(&mut self, at: Instant, number: u64, scratch: &mut Scratch, out: &mut Outbox) {
        let heard = self.legs.heard();
        let begins = self.pace.sending || self.pace.may_begin(number, self.phase);
        let mut rate = None;
        if self.flow.send && begins {
            rate = self.legs.heard_mut().and_then(|s| s.capture_rate());
        }
        let Scratch {
            frame, mix, packet, ..
        } = scratch;
        let mut sound = None;
        if let Some(rate) = rate {
            let frame = frame.get_mut(..frame_length(rate)).unwrap_or_default();
            let time = time_of(at, number, frame);
            let id = self.id;
            let gone = &mut |edge, why| terminal_gone(id, edge, why, out);
            self.terminals.pull(time, frame, mix, gone);
            if fault::is_on(Fault::SoftenBy20Db) {
                self.soften.apply(frame);
            }
            if fault::is_on(Fault::MuteAnswerer) && self.answers {
                frame.fill(0);
            }
            self.terminals.push(Direction::Capture, time, frame, gone);
            sound = Some(&*frame);
        }
        self.pace.sending = sound.is_some();
        for (leg, session) in self.legs.legs_mut() {
            session.capture(at, sound.filter(|_| heard == Some(leg)));
        }
        let silent = sound.is_none();
        self.transmit(at, packet, out);
        self.pace.quiet_until = if silent {
            let mut legs = self.legs.legs_mut();
            let until = legs.try_fold(Instant::FAR, |until, (_, leg)| {
                Some(until.min(leg.quiet_until()?))
            });
            until.unwrap_or(Instant::ZERO)
        } else {
            Instant::ZERO
        };
    }
}

/// Gives back a terminal that is off its stream, and tells of it if its code panicked.
fn terminal_gone(id: TransportId, edge: Box<Edge>, why: Gone, out: &mut Outbox) {
    if why == Gone::Panicked {
        let report = MediaReport::TerminalPanicked(edge.direction, edge.terminal);
        out.report(Report::Media(id, report));
    }
    out.drop(Garbage::of(edge));
}

fn time_of(at: Instant, number: u64, frame: &[i16]) -> FrameTime {
    FrameTime {
        at,
        position: number * frame.len() as u64,
    }
}
