//! The terminals of a stream pair, by what they do: so that each frame touches only those that it is for.

use msp_core::id::TerminalId;
use msp_core::media::Direction;
use msp_core::terminal::{FrameTime, Pulled};

use super::Edge;
use super::transport::guard;
use crate::control::MAX_TERMINALS;
use crate::sys::prefetch;

/// See the module.
#[derive(Debug)]
pub(super) struct Terminals {
    /// Give what is sent.
    sources: Edges,
    /// Hear what is sent.
    monitors: Edges,
    /// Hear what was received.
    listeners: Edges,
}

/// Edges come and go as boxes, so that nothing is copied or freed on a media thread.
type Edges = Vec<Box<Edge>>;

impl Terminals {
    pub(super) fn new(edges: Edges) -> Self {
        let mut terminals = Self {
            sources: Vec::with_capacity(MAX_TERMINALS),
            monitors: Vec::with_capacity(MAX_TERMINALS),
            listeners: Vec::with_capacity(MAX_TERMINALS),
        };
        for edge in edges {
            terminals.add(edge);
        }
        terminals
    }

    /// Asks for the memory where the terminals are listed.
    pub(super) fn warm(&self) {
        for list in [&self.sources, &self.listeners] {
            if let Some(first) = list.first() {
                prefetch(first);
            }
        }
    }

    /// Asks for the memory of the terminals.
    pub(super) fn warm_edges(&self) {
        for edge in self.sources.iter().chain(&self.listeners) {
            prefetch(&**edge);
        }
    }

    /// Asks for the memory that is the terminals' own.
    pub(super) fn warm_own(&self) {
        for edge in self.sources.iter().chain(&self.listeners) {
            edge.warm();
        }
    }

    /// Adds a terminal. The control side sees to it that there is room.
    pub(super) fn add(&mut self, edge: Box<Edge>) {
        self.list(edge.direction, edge.is_source()).push(edge);
    }

    /// Takes a terminal off.
    pub(super) fn remove(
        &mut self,
        direction: Direction,
        terminal: TerminalId,
    ) -> Option<Box<Edge>> {
        [true, false].into_iter().find_map(|source| {
            let list = self.list(direction, source);
            let n = list.iter().position(|e| e.terminal == terminal)?;
            Some(list.remove(n))
        })
    }

    /// The terminal on the stream of that direction.
    pub(super) fn find(&mut self, direction: Direction, terminal: TerminalId) -> Option<&mut Edge> {
        let source =
            direction == Direction::Capture && self.sources.iter().any(|e| e.terminal == terminal);
        let list = self.list(direction, source);
        let edge = list.iter_mut().find(|e| e.terminal == terminal)?;
        Some(edge)
    }

    /// Fills `frame` with what the sources give together. A terminal whose code panics is taken off and handed to
    /// `lost`.
    pub(super) fn pull(
        &mut self,
        time: FrameTime,
        frame: &mut [i16],
        mix: &mut [i32],
        lost: &mut dyn FnMut(Box<Edge>),
    ) {
        if let [only] = &mut self.sources[..] {
            if !give(only, time, frame) {
                frame.fill(0);
                self.sources.drain(..).for_each(lost);
            }
            return;
        }
        let mix = mix.get_mut(..frame.len()).unwrap_or_default();
        mix.fill(0);
        let mut n = 0;
        while let Some(edge) = self.sources.get_mut(n) {
            if give(edge, time, frame) {
                n += 1;
                for (sum, sample) in mix.iter_mut().zip(&*frame) {
                    *sum += i32::from(*sample);
                }
            } else {
                lost(self.sources.remove(n));
            }
        }
        for (sample, sum) in frame.iter_mut().zip(&*mix) {
            *sample = (*sum).clamp(i16::MIN.into(), i16::MAX.into()) as i16;
        }
    }

    /// Gives `frame` to all that hear the stream of `direction`. A terminal whose code panics is taken off and handed to
    /// `lost`.
    pub(super) fn push(
        &mut self,
        direction: Direction,
        time: FrameTime,
        frame: &[i16],
        lost: &mut dyn FnMut(Box<Edge>),
    ) {
        let list = self.list(direction, false);
        let mut n = 0;
        while let Some(edge) = list.get_mut(n) {
            if guard(|| edge.push(time, frame)).is_ok() {
                n += 1;
            } else {
                lost(list.remove(n));
            }
        }
    }

    fn list(&mut self, direction: Direction, source: bool) -> &mut Edges {
        match direction {
            Direction::Capture if source => &mut self.sources,
            Direction::Capture => &mut self.monitors,
            Direction::Render | Direction::Bidirectional => &mut self.listeners,
        }
    }
}

/// Fills `frame` from one source. Whether its code held.
fn give(edge: &mut Edge, time: FrameTime, frame: &mut [i16]) -> bool {
    match guard(|| edge.pull(time, frame)) {
        Ok(Pulled::Sound) => {}
        // The rest is silence, whatever the terminal left there.
        Ok(Pulled::Partial(sound)) => frame.get_mut(sound..).unwrap_or_default().fill(0),
        Ok(Pulled::Nothing) => frame.fill(0),
        Err(_) => return false,
    }
    true
}
