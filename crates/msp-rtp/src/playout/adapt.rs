//! What an adaptive playout decides at a pull: to give time, to take it, or to leave it alone.
//!
//! All of it moves the head against the time that passes. When it goes back by a lag the sound from there on is said
//! again, faded so that it joins; when it leaps over a lag what follows is faded into what would have come. A packet that
//! came late is played from its start when the head goes back to it over what was made up meanwhile.

use std::ops::Range;

use msp_core::terminal::FRAME;
use msp_core::time::Instant;
use msp_core::trace::PlayoutAction;
use msp_dsp::{ScaleWish, TimeScale};

use super::delay::DelayEstimator;
use super::{Entry, Playout, PlayoutMode};

/// What adapting needs to remember.
#[derive(Debug)]
pub(super) struct Adapting {
    pub(super) delay: DelayEstimator,
    scale: TimeScale,
    /// Samples pulled so far.
    given: i64,
    /// Right before the head as many samples were not of packets.
    hollow: i64,
    /// Samples of packets since then.
    whole: i64,
    /// Positions that a stretch or a compression made, of what is staged.
    pub(super) warp: Range<i64>,
    pub(super) warp_action: PlayoutAction,
    /// What is still to be made up until the join with what follows, once that is known.
    joining: Option<usize>,
    /// Pulls since time was last given or taken, and since there has been a wish to.
    rested: u32,
    waited: u32,
    /// Packets in a row that came too early to be kept.
    early: u32,
    still: bool,
}

impl Adapting {
    pub(super) const fn new(delay: DelayEstimator, scale: TimeScale) -> Self {
        Self {
            delay,
            scale,
            given: 0,
            hollow: 0,
            whole: 0,
            warp: 0..0,
            warp_action: PlayoutAction::Normal,
            joining: None,
            rested: 0,
            waited: 0,
            early: 0,
            still: false,
        }
    }

    /// Samples of staged sound that are needed at most: what is past of it and what is to come.
    pub(super) const fn room(scale: &TimeScale) -> usize {
        scale.reach() + scale.max_lag()
    }

    /// So many samples were given, whatever they are.
    pub(super) const fn gave(&mut self, samples: usize) {
        self.given = self.given.wrapping_add(samples as i64);
    }

    /// So many of them are of packets.
    pub(super) const fn sounded(&mut self, samples: usize) {
        self.hollow = 0;
        self.whole = self.whole.saturating_add(samples as i64);
    }

    /// So many of them are of no packet.
    pub(super) const fn made_up(&mut self, samples: usize) {
        self.whole = 0;
        self.joining = None;
        self.hollow = self.hollow.saturating_add(samples as i64);
    }

    /// How far before the head a packet can still be played.
    pub(super) const fn hollow(&self) -> i64 {
        self.hollow
    }

    /// A packet came that lies farther ahead than may wait, or one that does not. Whether it is one of so many that the
    /// sender has gone there.
    pub(super) const fn went_ahead(&mut self, early: bool) -> bool {
        self.early = if early { self.early + 1 } else { 0 };
        self.early >= EARLY_PACKETS
    }
}

impl Playout {
    /// Freezes the delay where it is, or lets it go: nothing is stretched or compressed meanwhile. For what must come as it
    /// was sent: fax, modems, text tones. A late packet is played from where the head stands by then.
    pub const fn hold_still(&mut self, still: bool) {
        self.adapting.still = still;
    }

    /// Whether the delay is frozen.
    pub(super) const fn is_still(&self) -> bool {
        self.adapting.still
    }

    /// Whether the delay may be changed.
    pub(super) const fn may_adapt(&self) -> bool {
        !self.adapting.still && !matches!(self.config.mode, PlayoutMode::Fixed)
    }

    /// Whether the delay may be made longer and shorter.
    const fn may_warp(&self) -> bool {
        !self.adapting.still && matches!(self.config.mode, PlayoutMode::Adaptive)
    }

    /// Takes the measure of a packet that was placed at `start`.
    pub(super) fn measure(&mut self, at: Instant, start: i64, len: i64) {
        if self.unplaced.is_some() {
            return;
        }
        if self.config.mode == PlayoutMode::Adaptive {
            let ahead = self.pulls_ahead(at) * self.frame() as i64;
            let lead = start - self.adapting.given - ahead;
            self.adapting.delay.note(lead, len);
        }
        // What is late when it comes, be it on its way for long or held by ourselves.
        let late = self.head - start;
        if late <= 0 {
            return;
        }
        self.stats.late += 1;
        // What was made up in its place was not lost.
        let mut n = late.min(len).min(self.adapting.hollow).max(0) as u64;
        let stats = &mut self.stats;
        for other in [&mut stats.concealed_underrun, &mut stats.concealed_lost] {
            let moved = n.min(*other);
            *other -= moved;
            stats.concealed_late += moved;
            n -= moved;
        }
    }

    /// The pull that comes next after `at`, counted from the next one that there will be.
    fn pulls_ahead(&self, at: Instant) -> i64 {
        const PULL: u64 = FRAME.as_nanos() as u64;
        let Some(pulled_at) = self.pulled_at else {
            return 0;
        };
        let (at, pulled_at) = (at.as_nanos(), pulled_at.as_nanos());
        let pulls = match at.checked_sub(pulled_at) {
            // What came at the very time of a pull and was not there for it is there for the next.
            Some(after) => (after.saturating_sub(1) / PULL) as i64,
            None => -1 - ((pulled_at - at - 1) / PULL) as i64,
        };
        // A packet that waited with us for longer is no measure of the network.
        pulls.clamp(-MAX_PULLS, MAX_PULLS)
    }

    /// How long the fastest packets wait, in samples, if that is known.
    pub(super) fn level(&self) -> Option<i64> {
        let fastest = self.adapting.delay.fastest()?;
        Some(fastest + self.adapting.given - self.head)
    }

    /// By how much the level is above what is needed, or below it if negative.
    pub(super) fn surplus(&self) -> i64 {
        let Some(level) = self.level() else {
            return 0;
        };
        let frame = self.frame() as i64;
        let target = self.adapting.delay.target() as i64 * frame;
        if level < target {
            return level - target;
        }
        // As long as a packet lasts the delay is not worth a change of the sound.
        let packet = self.newest.map_or(0, |n| n.end - n.start);
        let enough = target.max((packet + frame - 1) / frame * frame);
        (level - enough).max(0)
    }

    /// Moves the head, if it is worth it. Comes before each pull.
    pub(super) fn adapt(&mut self) {
        let late = self.late_packet();
        if self.config.mode == PlayoutMode::Adaptive {
            self.adapting.delay.pull(late > 0);
        }
        if self.may_adapt() {
            if late > 0 {
                self.turn_back(late);
            } else if self.may_warp() {
                self.warp();
            }
        }
        self.note_levels();
    }

    fn note_levels(&mut self) {
        if self.config.mode != PlayoutMode::Adaptive {
            return;
        }
        let rate = self.config.rate;
        let frame = self.frame() as i64;
        let samples = |n: i64| rate.duration(u64::try_from(n).unwrap_or(0));
        self.stats.target = samples(self.adapting.delay.target() as i64 * frame);
        self.stats.delay = samples(self.level().unwrap_or(0));
    }

    /// By how much the first packet that waits is late, if the head can still go back to it.
    fn late_packet(&self) -> i64 {
        let staged_end = self.staged.start + self.staged.len as i64;
        if self.staged.len > 0 && staged_end > self.head {
            return 0;
        }
        let late = self.entries.first().map_or(0, |e| self.head - e.start);
        if late <= self.adapting.hollow {
            late
        } else {
            0
        }
    }

    /// Goes back to a packet that is `late`, as far as the delay is too short anyway.
    fn turn_back(&mut self, late: i64) {
        let back = if self.config.mode == PlayoutMode::Recorder {
            late
        } else {
            (-self.surplus()).clamp(0, late)
        };
        self.head -= back;
        self.adapting.hollow -= back;
    }

    /// Stretches or compresses what comes next, if there is a need and this is a good place.
    fn warp(&mut self) {
        let adapting = &mut self.adapting;
        adapting.rested = adapting.rested.saturating_add(1);
        let surplus = self.surplus();
        if surplus == 0 {
            self.adapting.waited = 0;
            return;
        }
        self.adapting.waited = self.adapting.waited.saturating_add(1);
        let Some(need) = Need::of(surplus, self.frame() as i64, self.adapting.waited) else {
            return;
        };
        if self.adapting.rested < need.rest || self.adapting.hollow > 0 {
            return;
        }
        let samples = usize::try_from(surplus.abs()).unwrap_or(usize::MAX);
        let wish = ScaleWish {
            samples,
            // What is taken out must not be missing then; a little too much delay does no harm.
            most: match surplus {
                _ if !need.voiced => 0,
                1.. => samples,
                _ => self.adapting.scale.max_lag(),
            },
            likeness: need.likeness,
        };
        let done = if surplus > 0 {
            self.compress(&wish)
        } else {
            self.stretch(&wish)
        };
        if done {
            self.adapting.rested = 0;
        }
    }

    fn compress(&mut self, wish: &ScaleWish) -> bool {
        let scale = self.adapting.scale;
        let ahead = self.look_ahead(scale.reach(), 0);
        let from = usize::try_from(self.head - self.staged.start).unwrap_or(0);
        let sound = self.pcm.get_mut(from..from + ahead.min(scale.reach()));
        let Some(lag) = sound.and_then(|sound| scale.compress(sound, wish)) else {
            return false;
        };
        self.head += lag as i64;
        self.adapting.warp = self.head..self.head + scale.overlap() as i64;
        self.adapting.warp_action = PlayoutAction::Compressed;
        true
    }

    fn stretch(&mut self, wish: &ScaleWish) -> bool {
        let scale = self.adapting.scale;
        let past = scale.max_lag();
        if self.adapting.whole < past as i64 {
            return false;
        }
        let ahead = self.look_ahead(scale.overlap(), past);
        if ahead < scale.overlap() {
            return false;
        }
        let Some(sound) = self.pcm.get_mut(..past + ahead) else {
            return false;
        };
        let (before, _) = sound.split_at_mut(past);
        self.concealer.recent(before);
        let Some(lag) = scale.stretch(sound, past, wish) else {
            return false;
        };
        self.head -= lag as i64;
        self.adapting.warp = self.head..self.head + scale.stretched(lag) as i64;
        self.adapting.warp_action = PlayoutAction::Stretched;
        true
    }

    /// Where there is silence anyway, the time until `next` becomes as long as the delay needs it.
    pub(super) fn adapt_gap(&mut self, next: &Entry) {
        if !self.may_warp() {
            return;
        }
        let surplus = self.surplus();
        let by = if surplus > 0 {
            surplus.min(next.start - self.head)
        } else {
            surplus.max(-self.adapting.hollow)
        };
        self.head += by;
        self.adapting.hollow += by;
    }

    /// The first of the `available` samples at the head that joins in step with what was made up before it: fills the
    /// front of `out` if more is made up until then, and returns how much; or leaves out samples at the head, as far as
    /// the delay has to change anyway.
    pub(super) fn join(&mut self, available: usize, out: &mut [i16]) -> usize {
        if !self.may_warp() || !self.concealer.is_concealing() {
            return 0;
        }
        let left = match self.adapting.joining {
            Some(left) => left,
            None => self.find_join(available),
        };
        let more = left.min(out.len());
        self.adapting.joining = Some(left - more);
        let (out, _) = out.split_at_mut(more);
        if more > 0 {
            self.concealer.conceal(out);
            self.made_up += more;
            self.name(more, PlayoutAction::Concealed, None);
        }
        more
    }

    /// How much more is to be made up; what is to be left out is.
    fn find_join(&mut self, available: usize) -> usize {
        let surplus = self.surplus();
        let [more, skip] = [-surplus, surplus].map(|n| usize::try_from(n).unwrap_or(0));
        let from = usize::try_from(self.head - self.staged.start).unwrap_or(0);
        let next = self.pcm.get(from..from + available).unwrap_or_default();
        let join = self.concealer.join(next, more, skip);
        if join < 0 {
            self.head += join.unsigned_abs() as i64;
        }
        usize::try_from(join).unwrap_or(0)
    }

    /// The head goes to `position`; what lies before is not played.
    pub(super) const fn skip_to(&mut self, position: i64) {
        self.head = position;
        self.staged.len = 0;
        self.adapting.hollow = 0;
        self.adapting.early = 0;
    }
}

/// How badly time is to be given or taken.
struct Need {
    /// Pulls that must have passed since the last time.
    rest: u32,
    /// Also where it is not quiet.
    voiced: bool,
    likeness: f32,
}

impl Need {
    /// What `surplus` asks for after it has been there for `waited` pulls, if now is a time to try: to look for a place
    /// costs more than all else at a pull.
    const fn of(surplus: i64, frame: i64, waited: u32) -> Option<Self> {
        let (every, need) = match surplus / frame {
            // What is missing is heard as a gap at the next packet that comes late.
            _ if surplus < 0 => (
                2,
                Self {
                    rest: 3,
                    voiced: true,
                    likeness: patience(waited, [10, 50]),
                },
            ),
            // It is no hurry: it may be needed again soon, and there will be a pause.
            0..=3 if waited < HASTE => return None,
            frames @ 0..=3 => (
                5,
                Self {
                    rest: 10,
                    voiced: frames > 0 && waited >= 2 * HASTE,
                    likeness: patience(waited, [4 * HASTE, 20 * HASTE]),
                },
            ),
            // Too late to talk with: a quarter faster.
            _ => (
                1,
                Self {
                    rest: 3,
                    voiced: true,
                    likeness: patience(waited, [10, 20]),
                },
            ),
        };
        if waited.is_multiple_of(every) {
            Some(need)
        } else {
            None
        }
    }
}

/// How alike two places must be after `waited` pulls: less from the one of two times on, and not at all from the other on,
/// for a sound may have no such places.
const fn patience(waited: u32, [less, any]: [u32; 2]) -> f32 {
    if waited < less {
        0.85
    } else if waited < any {
        0.5
    } else {
        -1.0
    }
}

/// Pulls for which a delay that is a little too long is left alone.
const HASTE: u32 = 50;
/// So many packets in a row lie too far ahead before the head follows them.
const EARLY_PACKETS: u32 = 3;
/// Pulls that a packet may have been with us at most, to count as its own delay.
const MAX_PULLS: i64 = 100;
