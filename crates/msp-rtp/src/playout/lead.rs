//! How long packets wait for their turn, to notice when the buffer has become deeper than it was meant to be.

use std::time::Duration;

use msp_core::terminal::FRAME;
use msp_core::time::Instant;

/// Packets over which the shortest wait is sought.
const WINDOW: u32 = 25;
/// The shortest wait may exceed the target by as much: the rounding to pulls, and a little drift.
const SLACK: Duration = Duration::from_millis(20);
/// Pulls between two cuts at least.
const SPACING: u32 = 5;
/// Pulls for which silence to cut in is waited for.
const PATIENCE: u32 = 50;
/// Samples as small as this are silence to cut in: -40 dB relative to full scale.
const QUIET: u16 = 328;

/// Watches the wait of packets.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lead {
    target: Duration,
    /// Shortest wait of the last whole window, and of the present one.
    last: Option<Duration>,
    present: Option<Duration>,
    packets: u32,
    waited: u32,
    since_cut: u32,
}

impl Lead {
    pub(super) const fn new(target: Duration) -> Self {
        Self {
            target,
            last: None,
            present: None,
            packets: 0,
            waited: 0,
            since_cut: 0,
        }
    }

    /// A packet that came at `at` is due at `due`.
    pub(super) fn note(&mut self, due: Instant, at: Instant) {
        let wait = due.saturating_since(at);
        self.present = Some(self.present.map_or(wait, |p| p.min(wait)));
        self.packets += 1;
        if self.packets >= WINDOW {
            self.last = self.present.take();
            self.packets = 0;
        }
    }

    fn excess(&self) -> bool {
        let limit = self.target + SLACK;
        self.last.is_some_and(|w| w > limit) && self.present.is_none_or(|w| w > limit)
    }

    /// Whether a frame should be cut out soon. Asked once a pull.
    pub(super) fn wants_cut(&mut self) -> bool {
        self.since_cut = self.since_cut.saturating_add(1);
        let wants = self.excess();
        if !wants {
            self.waited = 0;
        }
        wants && self.since_cut >= SPACING
    }

    /// Whether this frame may be the one: it is silent, or silence was waited for in vain.
    pub(super) fn may_cut(&mut self, frame: &[i16]) -> bool {
        self.waited += 1;
        self.waited > PATIENCE || frame.iter().all(|s| s.unsigned_abs() <= QUIET)
    }

    /// A frame was cut out: everybody waits that much shorter.
    pub(super) fn cut(&mut self) {
        self.since_cut = 0;
        for wait in [&mut self.last, &mut self.present].into_iter().flatten() {
            *wait = wait.saturating_sub(FRAME);
        }
    }
}
