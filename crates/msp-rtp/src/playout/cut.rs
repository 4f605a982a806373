//! Cutting a frame out: to make the delay shorter, or as a fault.

use msp_core::trace::PlayoutAction;

use super::{Playout, PlayoutMode};

impl Playout {
    /// Gives two frames in the time of one, faded into each other, when the buffer has become too deep.
    pub(super) fn cut(&mut self, out: &mut [i16]) -> bool {
        let frame = out.len();
        let fixed = self.config.mode == PlayoutMode::Fixed;
        if !fixed || self.is_still() || !self.lead.wants_cut() || frame != self.frame() {
            return false;
        }
        if self.stage() < frame || self.made_up > 0 {
            return false;
        }
        let timestamp = self.staged_timestamp(self.head);
        let mut first = [0; MAX_FRAME];
        let Some(first) = first.get_mut(..frame) else {
            return false;
        };
        self.copy_staged(first);
        if !self.lead.may_cut(first) {
            return false;
        }
        let second_at = self.head + frame as i64;
        let staged_end = self.staged.start + self.staged.len as i64;
        let follows = staged_end >= second_at + frame as i64
            || staged_end == second_at
                && self
                    .entries
                    .first()
                    .is_some_and(|e| e.start == second_at && e.len >= frame as i64);
        if !follows {
            return false;
        }
        self.head = second_at;
        if self.stage() < frame {
            // The second is no sound after all: the first is given as it is.
            out.copy_from_slice(first);
            self.concealer.good(out);
            self.name(frame, PlayoutAction::Normal, Some(timestamp));
            return true;
        }
        self.copy_staged(out);
        for (n, (new, old)) in out.iter_mut().zip(first.iter()).enumerate() {
            let share = (n + 1) as f32 / (frame + 1) as f32;
            let (old, mixed) = (f32::from(*old), f32::from(*new));
            *new = (old + (mixed - old) * share).round() as i16;
        }
        self.concealer.good(out);
        self.lead.cut();
        self.head += frame as i64;
        self.name(frame, PlayoutAction::Compressed, Some(timestamp));
        true
    }

    /// Cuts a frame out without a word in the log, when that fault is on.
    pub(super) fn cut_unnamed(&mut self) {
        if self.faults.cuts_now(self.head) && self.stage() > 0 {
            let frame = self.frame() as i64;
            self.faults.hide(self.staged.ticks_per_second / 100);
            self.staged.start -= frame;
            for entry in &mut self.entries {
                entry.start -= frame;
            }
            if let Some(newest) = &mut self.newest {
                newest.start -= frame;
                newest.end -= frame;
            }
        }
    }
}

/// 10 ms at the highest rate that can be concealed.
const MAX_FRAME: usize = 480;
