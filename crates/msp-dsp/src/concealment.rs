//! Concealment of what was lost, by repetition of the pitch: the idea of G.711 Appendix I, without its delay.
//!
//! Appendix I holds the sound back by 3.75 ms so that it can bend the last good samples towards the repetition. Here
//! nothing is held back and no good sample is touched. Instead the step between the last good sample and the repetition
//! is smoothed from the other side: the difference rings out through a linear predictor of the sound, as the throat
//! would let it.

use msp_core::time::ClockRate;

use crate::{DspError, DspErrorKind, Shape, to_sample};

mod pitch;
mod predictor;

use predictor::Predictor;

const MIN_HZ: u32 = 8_000;
const MAX_HZ: u32 = 48_000;

/// Pitch periods that are repeated at once at most: one in the first 20 ms of a gap, then more, so that it does not buzz.
const MAX_PERIODS: usize = 3;

/// Two sounds that are less alike are not brought into step: it would be chance.
const JOIN_LIKENESS: f32 = 0.5;
/// The longest pitch and the window, in samples at the highest rate.
const MAX_JOIN: usize = (125 + 60) * MAX_HZ as usize / 10_000;

/// Hides gaps in the sound of one stream.
///
/// Every frame goes through it in order: those that came through [`good`](Self::good), for each that is missing
/// [`conceal`](Self::conceal). Frames may differ in length. The first 10 ms of a gap are as loud as what went before,
/// then it fades by a fifth each 10 ms and is silent from 60 ms on. Nothing is allocated after it is made.
// What is needed without a gap comes first.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Concealer {
    times: Times,
    gap: Option<Gap>,
    /// What was played last, as a ring: the oldest sample is at `oldest`, and is overwritten next.
    history: Box<[i16]>,
    oldest: usize,
    /// The history as it was when the gap began, in order: what is repeated.
    source: Box<[i16]>,
    predictor: Predictor,
}

/// Lengths in samples at the sample rate.
#[derive(Clone, Copy, Debug)]
struct Times {
    ten_ms: usize,
    min_pitch: usize,
    max_pitch: usize,
    /// How much sound is compared to find the pitch.
    window: usize,
    /// The step of the first search for the pitch, at about 4 kHz.
    coarse_step: usize,
}

/// Where in a gap we are.
#[derive(Clone, Copy, Debug)]
struct Gap {
    pitch: usize,
    /// Samples made since the gap began.
    made: usize,
    /// How far before the end of the source the next sample lies.
    back: usize,
    /// Length of the turn that follows this one, a whole number of pitch periods.
    turn: usize,
}

impl Concealer {
    /// Octets from its start that are looked at for each frame while nothing is missing.
    pub const IN_USE: usize = std::mem::offset_of!(Self, source);

    /// A concealer for sound at `rate`, with silence before the first frame.
    ///
    /// # Errors
    /// [`UnsupportedRate`](DspErrorKind::UnsupportedRate) outside 8,000 to 48,000 Hz.
    pub fn new(rate: ClockRate) -> Result<Self, DspError> {
        let hz = rate.hz();
        if !(MIN_HZ..=MAX_HZ).contains(&hz) {
            let kind = DspErrorKind::UnsupportedRate {
                hz,
                min: MIN_HZ,
                max: MAX_HZ,
            };
            return Err(DspError::new(kind, "concealment"));
        }
        // Voices from 80 to 400 Hz. The window is shorter than the 20 ms of Appendix I: it follows a voice that glides, and
        // that is worth 0.1 to 0.2 of PESQ's points on speech that loses a tenth of its frames.
        let ms = |tenths: usize| hz as usize * tenths / 10_000;
        let times = Times {
            ten_ms: ms(100),
            min_pitch: ms(25),
            max_pitch: ms(125),
            window: ms(60),
            coarse_step: hz as usize / 4000,
        };
        let len = MAX_PERIODS * times.max_pitch + overlap(times.max_pitch);
        Ok(Self {
            times,
            history: vec![0; len].into(),
            oldest: 0,
            source: vec![0; len].into(),
            predictor: Predictor::new(hz),
            gap: None,
        })
    }

    /// Passes a frame that came.
    ///
    /// Returns how many samples at its start were changed: none but after a gap, where the repetition is blended into
    /// it over 2 to 3.2 ms.
    pub fn good(&mut self, frame: &mut [i16]) -> usize {
        let mut changed = 0;
        if let Some(mut gap) = self.gap.take() {
            let blend = self.times.blend(&gap);
            changed = blend.min(frame.len());
            for (n, sample) in frame.iter_mut().take(changed).enumerate() {
                let share = (n + 1) as f32 / (blend + 1) as f32;
                let synthetic = self.next(&mut gap);
                *sample = to_sample(synthetic + (f32::from(*sample) - synthetic) * share);
            }
        }
        self.record(frame);
        changed
    }

    /// Fills a frame that is missing.
    pub fn conceal(&mut self, out: &mut [i16]) {
        let mut gap = match self.gap {
            Some(gap) => gap,
            None => self.begin(),
        };
        for sample in out.iter_mut() {
            *sample = to_sample(self.next(&mut gap));
        }
        self.gap = Some(gap);
        self.record(out);
    }

    /// Where `next`, the sound after a gap, joins what was made up in step with it: after so many more samples of
    /// concealment if positive, `more` at most, or without so many of its own at its start if negative, `skip` at most.
    ///
    /// Whoever may move the sound after the gap by a little, because its place in time is changed anyway, has no step in
    /// the pitch at the join then. Zero outside a gap, and where nothing fits.
    pub fn join(&self, next: &[i16], more: usize, skip: usize) -> isize {
        let Some(mut gap) = self.gap else {
            return 0;
        };
        let window = self.times.window;
        let more = more.min(self.times.max_pitch);
        let skip = skip
            .min(self.times.max_pitch)
            .min(next.len().saturating_sub(window));
        if next.len() < window || more + skip == 0 || self.times.fade(gap.made) <= 0.0 {
            return 0;
        }
        let (mut made, mut here) = ([0.0; MAX_JOIN], [0.0; MAX_JOIN]);
        for out in &mut made[..more + window] {
            // No matter how loud: only the shape is compared.
            *out = self.repeat(&mut gap);
            gap.made += 1;
        }
        for (out, sample) in here[..skip + window].iter_mut().zip(next) {
            *out = f32::from(*sample);
        }
        let first = Shape::of(&here[..window]);
        let later = made[..more + window].windows(window).zip(0..);
        let later = later.map(|(made, n)| (first.likeness(made), n));
        let first = Shape::of(&made[..window]);
        let earlier = here[..skip + window].windows(window).zip(0..);
        let earlier = earlier.map(|(here, n)| (first.likeness(here), -n));
        let mut best = (JOIN_LIKENESS, 0);
        for candidate in later.chain(earlier) {
            if candidate.0 > best.0 {
                best = candidate;
            }
        }
        best.1
    }

    /// Fills `out` with what was given last, up to 40 ms of it.
    pub fn recent(&self, out: &mut [i16]) {
        let (newer, older) = self.history.split_at(self.oldest);
        let from_newer = out.len().min(newer.len());
        let (front, back) = out.split_at_mut(out.len() - from_newer);
        back.copy_from_slice(&newer[newer.len() - from_newer..]);
        let from_older = front.len().min(older.len());
        let (rest, front) = front.split_at_mut(front.len() - from_older);
        rest.fill(0);
        front.copy_from_slice(&older[older.len() - from_older..]);
    }

    /// Whether the last frame was concealed.
    pub fn is_concealing(&self) -> bool {
        self.gap.is_some()
    }

    /// Where the next 20 ms will be kept, for whoever can have the memory fetched in time; what it holds now is history.
    pub fn next_history(&self) -> &[i16] {
        let end = (self.oldest + 2 * self.times.ten_ms).min(self.history.len());
        &self.history[self.oldest..end]
    }

    /// Forgets the sound so far: another source follows.
    pub fn reset(&mut self) {
        self.history.fill(0);
        self.gap = None;
    }

    fn begin(&mut self) -> Gap {
        let (newer, older) = self.history.split_at(self.oldest);
        let (front, back) = self.source.split_at_mut(older.len());
        front.copy_from_slice(older);
        back.copy_from_slice(newer);
        let Times {
            min_pitch,
            max_pitch,
            window,
            coarse_step,
            ..
        } = self.times;
        let pitch = pitch::estimate(&self.source, min_pitch..=max_pitch, window, coarse_step);
        self.predictor.begin(&self.source, pitch);
        Gap {
            pitch,
            made: 0,
            back: pitch,
            turn: pitch,
        }
    }

    fn next(&mut self, gap: &mut Gap) -> f32 {
        let fade = self.times.fade(gap.made);
        if fade <= 0.0 {
            return 0.0;
        }
        let repeated = self.repeat(gap);
        let ringing = self.predictor.ring();
        gap.made += 1;
        (repeated + ringing) * fade
    }

    /// The next sample of the repetition. The last quarter of each turn slides into what lies before the start of the
    /// next one, so that it joins without a step.
    fn repeat(&self, gap: &mut Gap) -> f32 {
        let overlap = overlap(gap.pitch);
        let at = |back: usize| f32::from(self.source[self.source.len() - back]);
        if gap.back == 0 {
            gap.back = gap.turn;
        }
        let mut sample = at(gap.back);
        if gap.back > overlap {
            let periods = gap.made / (2 * self.times.ten_ms) + 1;
            gap.turn = periods.min(MAX_PERIODS) * gap.pitch;
        } else {
            let share = (overlap + 1 - gap.back) as f32 / (overlap + 1) as f32;
            sample += (at(gap.back + gap.turn) - sample) * share;
        }
        gap.back -= 1;
        sample
    }

    fn record(&mut self, frame: &[i16]) {
        let len = self.history.len();
        // Of a frame longer than the history only the end is history.
        let mut rest = &frame[frame.len().saturating_sub(len)..];
        while !rest.is_empty() {
            let n = rest.len().min(len - self.oldest);
            let (now, later) = rest.split_at(n);
            self.history[self.oldest..self.oldest + n].copy_from_slice(now);
            self.oldest = (self.oldest + n) % len;
            rest = later;
        }
    }
}

impl Times {
    /// Loudness `made` samples into a gap.
    fn fade(&self, made: usize) -> f32 {
        let tens = made as f32 / self.ten_ms as f32;
        (1.0 - 0.2 * (tens - 1.0)).clamp(0.0, 1.0)
    }

    /// How long the repetition is blended into what follows: no longer than it needs to hide the step, for what follows is
    /// the truth.
    fn blend(&self, gap: &Gap) -> usize {
        overlap(gap.pitch).max(self.ten_ms / 5)
    }
}

/// The part of a pitch period over which repetitions overlap.
fn overlap(pitch: usize) -> usize {
    pitch / 4
}

#[cfg(test)]
mod tests;
