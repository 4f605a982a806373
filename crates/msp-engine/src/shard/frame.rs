//! What a frame brings: received sound goes to the terminals, and what they give is sent.

use msp_core::fault::{self, Fault};
use msp_core::media::Direction;
use msp_core::terminal::{FRAME, FrameTime, Pulled};
use msp_core::time::{ClockRate, Instant};
use msp_rtp::Session;
use msp_rtp::packet::SEND_BUFFER;

use super::edge::{LONGEST_FRAME, frame_length};
use super::transport::{Transport, guard};
use super::{Edge, Garbage, MediaReport, Outbox};
use crate::wheel::{PHASES, Slice};

/// Frames between two times that the numbers are published: 200 ms.
const PUBLISH_FRAMES: u64 = 20;

/// Frames that were missed for which the sound is taken out of playout and thrown away; after more, playout finds its
/// way by itself.
const MAX_MISSED: u64 = 50;

/// Room that the pairs of a shard use one after another.
pub(super) struct Scratch {
    frame: [i16; LONGEST_FRAME],
    mix: [i32; LONGEST_FRAME],
    packet: [u8; SEND_BUFFER],
}

impl Scratch {
    pub(super) fn new() -> Box<Self> {
        Box::new(Self {
            frame: [0; LONGEST_FRAME],
            mix: [0; LONGEST_FRAME],
            packet: [0; SEND_BUFFER],
        })
    }

    fn frame(&mut self, rate: ClockRate) -> &mut [i16] {
        self.frame.get_mut(..frame_length(rate)).unwrap_or_default()
    }
}

impl Transport {
    /// Works off the frame of `slice`.
    pub(super) fn frame(&mut self, slice: Slice, scratch: &mut Scratch, out: &mut Outbox) {
        let born = match self.pace.born {
            Some(born) => born,
            // Packets of 20 ms begin in the slice of the phase, so that those of many streams spread.
            None if slice.index % PHASES as u64 != self.phase.index() as u64 => return,
            None => slice.index,
        };
        self.pace.born = Some(born);
        let frame = (slice.index - born) / 2;
        let missed = frame.saturating_sub(self.pace.frames);
        self.pace.frames = frame + 1;
        if !self.receive_failed
            && guard(|| self.render(slice.at, frame, missed, scratch, out)).is_err()
        {
            self.receive_panicked(out);
        }
        if !self.send_failed && guard(|| self.capture(slice.at, frame, scratch, out)).is_err() {
            self.send_failed = true;
            self.tell(MediaReport::StreamPanicked(Direction::Capture), out);
        }
        self.tell_events(slice.at, out);
        if self.flow.expect && !self.gone && !self.heard_lately(slice.at, out) {
            self.gone = true;
            self.tell(MediaReport::Arrives(false), out);
        }
        if frame.is_multiple_of(PUBLISH_FRAMES) {
            self.trace_playout(slice.at, false, out);
            self.publish(slice.at, out);
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
        for (leg, session) in self.legs.legs_mut() {
            // The others play too, to nobody: who is selected later is heard as of then.
            if heard != Some(leg)
                && let Some(rate) = session.render_rate()
            {
                session.render(at, scratch.frame(rate));
            }
        }
        let Some(session) = self.legs.heard_mut() else {
            return;
        };
        let Some(rate) = session.render_rate() else {
            return;
        };
        let frame = scratch.frame(rate);
        // What would have been played in frames that were skipped is gone, as time is.
        for n in (1..=missed.min(MAX_MISSED)).rev() {
            session.render(at - FRAME * n as u32, frame);
        }
        session.render(at, frame);
        if self.flow.receive {
            let time = time_of(at, number, frame);
            self.push_to_sinks(Direction::Render, time, frame, out);
        }
    }

    fn capture(&mut self, at: Instant, number: u64, scratch: &mut Scratch, out: &mut Outbox) {
        let heard = self.legs.heard();
        let rate = self.legs.heard_mut().and_then(|s| s.capture_rate());
        let begins = self.pace.sending || number.is_multiple_of(self.pace.packet_frames);
        let Scratch { frame, mix, packet } = scratch;
        let frame = match rate.filter(|_| self.flow.send && begins) {
            Some(rate) => frame.get_mut(..frame_length(rate)),
            None => None,
        };
        self.pace.sending = frame.is_some();
        if let Some(frame) = frame {
            let time = time_of(at, number, frame);
            self.mix_sources(time, frame, mix, out);
            if fault::is_on(Fault::SoftenBy20Db) {
                self.soften.apply(frame);
            }
            if fault::is_on(Fault::MuteAnswerer) && self.answers {
                frame.fill(0);
            }
            self.push_to_sinks(Direction::Capture, time, frame, out);
            if let Some(session) = self.legs.heard_mut() {
                session.capture(at, Some(frame));
            }
        } else if let Some(session) = self.legs.heard_mut() {
            session.capture(at, None);
        }
        let others = |(leg, _): &(_, &mut Session)| heard != Some(*leg);
        for (_, session) in self.legs.legs_mut().filter(others) {
            session.capture(at, None);
        }
        self.transmit(at, packet, out);
    }

    /// Fills `frame` with what the sources give together.
    fn mix_sources(
        &mut self,
        time: FrameTime,
        frame: &mut [i16],
        mix: &mut [i32],
        out: &mut Outbox,
    ) {
        let gives = |e: &Edge| e.direction == Direction::Capture && e.is_source();
        let sources = self.edges.iter().filter(|e| gives(e)).count();
        frame.fill(0);
        let mix = mix.get_mut(..frame.len()).unwrap_or_default();
        mix.fill(0);
        let mut n = 0;
        while let Some(edge) = self.edges.get_mut(n) {
            n += 1;
            if !gives(edge) {
                continue;
            }
            match guard(|| edge.pull(time, frame)) {
                Ok(Pulled::Sound) => {}
                // The rest is silence, whatever the terminal left there.
                Ok(Pulled::Partial(sound)) => frame.get_mut(sound..).unwrap_or_default().fill(0),
                Ok(Pulled::Nothing) => frame.fill(0),
                Err(_) => {
                    n -= 1;
                    frame.fill(0);
                    self.terminal_panicked(n, out);
                }
            }
            if sources > 1 {
                for (sum, sample) in mix.iter_mut().zip(&*frame) {
                    *sum += i32::from(*sample);
                }
            }
        }
        if sources > 1 {
            for (sample, sum) in frame.iter_mut().zip(&*mix) {
                *sample = (*sum).clamp(i16::MIN.into(), i16::MAX.into()) as i16;
            }
        }
    }

    fn push_to_sinks(
        &mut self,
        direction: Direction,
        time: FrameTime,
        frame: &[i16],
        out: &mut Outbox,
    ) {
        let mut n = 0;
        while let Some(edge) = self.edges.get_mut(n) {
            n += 1;
            if edge.direction == direction
                && !edge.is_source()
                && guard(|| edge.push(time, frame)).is_err()
            {
                n -= 1;
                self.terminal_panicked(n, out);
            }
        }
    }

    /// Takes a terminal off whose code panicked.
    fn terminal_panicked(&mut self, n: usize, out: &mut Outbox) {
        let edge = self.edges.remove(n);
        let report = MediaReport::TerminalPanicked(edge.direction, edge.terminal);
        self.tell(report, out);
        out.drop(Garbage::of(edge));
    }
}

fn time_of(at: Instant, number: u64, frame: &[i16]) -> FrameTime {
    FrameTime {
        at,
        position: number * frame.len() as u64,
    }
}
