//! The terminals of a stream pair, by what they do: so that each frame touches only those that it is for.

use msp_core::id::TerminalId;
use msp_core::media::Direction;
use msp_core::terminal::FrameTime;

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
            let none = terminals.add(edge);
            debug_assert!(none.is_none(), "nobody leaves what has not begun");
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

    /// Adds a terminal. The control side sees to it that there is room but for those that are leaving: one of them is given
    /// back at once if they take it.
    pub(super) fn add(&mut self, edge: Box<Edge>) -> Option<Box<Edge>> {
        let list = self.list(edge.direction, edge.is_source());
        let full = list.len() == list.capacity();
        let leaving = list.iter().position(|e| e.is_leaving()).filter(|_| full);
        let gone = leaving.map(|n| list.remove(n));
        list.push(edge);
        gone
    }

    /// Takes a terminal off at once.
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

    /// Has a terminal taken off after the next frame, which takes its sound away.
    pub(super) fn leave(&mut self, direction: Direction, terminal: TerminalId) {
        if let Some(edge) = self.find(direction, terminal) {
            edge.leave();
        }
    }

    /// Takes off at once what was to go after the next frame.
    pub(super) fn drop_leaving(&mut self, direction: Direction, left: &mut dyn FnMut(Box<Edge>)) {
        for source in [true, false] {
            let list = self.list(direction, source);
            while let Some(n) = list.iter().position(|e| e.is_leaving()) {
                left(list.remove(n));
            }
        }
    }

    /// The terminal on the stream of that direction, unless it is leaving.
    pub(super) fn find(&mut self, direction: Direction, terminal: TerminalId) -> Option<&mut Edge> {
        let is_it = |e: &Edge| e.terminal == terminal && !e.is_leaving();
        let source = direction == Direction::Capture && self.sources.iter().any(|e| is_it(e));
        let list = self.list(direction, source);
        let edge = list.iter_mut().find(|e| is_it(e))?;
        Some(edge)
    }

    /// Fills `frame` with what the sources give together, and hands those that are gone to `gone`.
    pub(super) fn pull(
        &mut self,
        time: FrameTime,
        frame: &mut [i16],
        mix: &mut [i32],
        gone: &mut dyn FnMut(Box<Edge>, Gone),
    ) {
        if let [only] = &mut self.sources[..] {
            let held = guard(|| only.pull(time, frame)).is_ok();
            if !held {
                frame.fill(0);
            }
            let why = Gone::after(held, only);
            take(&mut self.sources, 0, why, gone);
            return;
        }
        let mix = mix.get_mut(..frame.len()).unwrap_or_default();
        mix.fill(0);
        let mut n = 0;
        while let Some(edge) = self.sources.get_mut(n) {
            let held = guard(|| edge.pull(time, frame)).is_ok();
            if held {
                for (sum, sample) in mix.iter_mut().zip(&*frame) {
                    *sum += i32::from(*sample);
                }
            }
            let why = Gone::after(held, edge);
            n += usize::from(!take(&mut self.sources, n, why, gone));
        }
        for (sample, sum) in frame.iter_mut().zip(&*mix) {
            *sample = (*sum).clamp(i16::MIN.into(), i16::MAX.into()) as i16;
        }
    }

    /// Gives `frame` to all that hear the stream of `direction`, and hands those that are gone to `gone`.
    pub(super) fn push(
        &mut self,
        direction: Direction,
        time: FrameTime,
        frame: &[i16],
        gone: &mut dyn FnMut(Box<Edge>, Gone),
    ) {
        let list = self.list(direction, false);
        let mut n = 0;
        while let Some(edge) = list.get_mut(n) {
            let held = guard(|| edge.push(time, frame)).is_ok();
            let why = Gone::after(held, edge);
            n += usize::from(!take(list, n, why, gone));
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

/// Why a terminal is off a stream after a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Gone {
    /// Its code panicked.
    Panicked,
    /// It was taken off.
    Left,
}

impl Gone {
    /// Whether and why `edge` goes after a frame in which its code held or not.
    fn after(held: bool, edge: &Edge) -> Option<Self> {
        match held {
            // One that leaves is none of the stream's any more, whatever its code does.
            _ if edge.is_leaving() => Some(Self::Left),
            false => Some(Self::Panicked),
            true => None,
        }
    }
}

/// Takes the `n`-th edge off if there is a reason. Whether it did.
fn take(
    list: &mut Edges,
    n: usize,
    why: Option<Gone>,
    gone: &mut dyn FnMut(Box<Edge>, Gone),
) -> bool {
    if let Some(why) = why {
        gone(list.remove(n), why);
    }
    why.is_some()
}
