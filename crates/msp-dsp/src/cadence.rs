//! Tones with a rhythm: those that tell how a call goes, and any others.

use std::time::Duration;

use msp_core::time::ClockRate;

use crate::ramp::Ramp;
use crate::{DspError, FULL_SCALE_DBM0, Partial, ToneGenerator};

mod country;

pub use country::Country;

/// A tone that tells how a call goes (ITU-T E.180, E.182).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ProgressTone {
    /// Dial now.
    Dial,
    /// The other phone rings.
    Ringback,
    /// The other side is in a call.
    Busy,
    /// The network cannot carry the call; reorder in North America.
    Congestion,
    /// During a call: another one comes in.
    CallWaiting,
    /// Before an announcement of why a call failed: three tones that rise, in most countries.
    SpecialInformation,
    /// Speak after it: 1,400 Hz for half a second, once.
    Beep,
    /// During a call: it is recorded. 1,400 Hz again and again.
    Recording,
    /// Give the number of your card, once: North America's prompt, the pair of `#` and a dial tone that fades away.
    Billing,
}

impl ProgressTone {
    /// How it sounds in `country`.
    pub fn cadence(self, country: Country) -> Cadence<'static> {
        country::cadence(self, country)
    }
}

/// Sines that sound together, and the silence after them.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Burst {
    /// The sines; those of 0 Hz are none. If all are none it is silent.
    pub partials: [Partial; 3],
    /// How long they sound, with ramps of 2 ms at both ends. [`Duration::MAX`] is without end.
    pub on: Duration,
    /// How long it is silent then.
    pub off: Duration,
}

impl Burst {
    /// Sines of `hz`, 0 for none, each at `dbm0`, on and off for so many milliseconds.
    pub const fn new(hz: [f32; 3], dbm0: f32, on: u64, off: u64) -> Self {
        let dbfs = dbm0 - FULL_SCALE_DBM0;
        let [a, b, c] = hz;
        Self {
            partials: [
                Partial { hz: a, dbfs },
                Partial { hz: b, dbfs },
                Partial { hz: c, dbfs },
            ],
            on: Duration::from_millis(on),
            off: Duration::from_millis(off),
        }
    }
}

/// Bursts one after the other, once or again and again.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Cadence<'a> {
    /// The bursts in order.
    pub bursts: &'a [Burst],
    /// How often all of them sound; `None` is without end.
    pub times: Option<u32>,
}

/// Makes the sound of a cadence, without a seam from one frame to the next.
#[derive(Clone, Debug)]
pub struct CadenceGenerator {
    rate: ClockRate,
    bursts: Box<[Burst]>,
    /// How often all sound from here on.
    times: Option<u32>,
    /// The burst that sounds, and how many samples of it and its silence were made.
    current: usize,
    made: u64,
    tone: ToneGenerator,
}

impl CadenceGenerator {
    /// The sound of `cadence` at `rate`.
    ///
    /// # Errors
    /// [`Frequency`](crate::DspErrorKind::Frequency) for one that is negative, no number or not below half the rate,
    /// [`Level`](crate::DspErrorKind::Level) for one above full scale, which is 3.14 dBm0.
    pub fn new(rate: ClockRate, cadence: Cadence<'_>) -> Result<Self, DspError> {
        for burst in cadence.bursts {
            tone(rate, burst)?;
        }
        let length = |burst: &Burst| rate.ticks(burst.on).max(rate.ticks(burst.off));
        let endless = cadence.bursts.iter().all(|burst| length(burst) == 0);
        Ok(Self {
            rate,
            bursts: cadence.bursts.into(),
            // Nothing again and again would never end.
            times: if endless { Some(0) } else { cadence.times },
            current: 0,
            made: 0,
            tone: match cadence.bursts.first() {
                Some(burst) => tone(rate, burst)?,
                None => ToneGenerator::new(rate, &[])?,
            },
        })
    }

    /// Fills `out` with what comes next, and with silence after the end. How many samples of it belong to the cadence:
    /// fewer than there are once it is over.
    pub fn fill(&mut self, out: &mut [i16]) -> usize {
        let mut filled = 0;
        while filled < out.len() && self.times != Some(0) {
            let Some(burst) = self.bursts.get(self.current) else {
                break;
            };
            let on = self.rate.ticks(burst.on);
            let len = on.saturating_add(self.rate.ticks(burst.off));
            let part = if self.made < on { on } else { len };
            let rest = usize::try_from(part - self.made).unwrap_or(usize::MAX);
            let now = rest.min(out.len() - filled);
            let piece = &mut out[filled..filled + now];
            if self.made < on {
                self.tone.fill(piece);
                Ramp::new(self.rate, on).apply(self.made, piece);
            } else {
                piece.fill(0);
            }
            filled += now;
            self.made += now as u64;
            if self.made == len {
                self.next();
            }
        }
        out[filled..].fill(0);
        filled
    }

    fn next(&mut self) {
        self.made = 0;
        self.current += 1;
        if self.current == self.bursts.len() {
            self.current = 0;
            self.times = self.times.map(|times| times - 1);
        }
        // Every burst was found possible when the first was made.
        if let Some(burst) = self.bursts.get(self.current)
            && let Ok(tone) = tone(self.rate, burst)
        {
            self.tone = tone;
        }
    }
}

fn tone(rate: ClockRate, burst: &Burst) -> Result<ToneGenerator, DspError> {
    let mut sines = [Partial { hz: 0.0, dbfs: 0.0 }; 3];
    let mut count = 0;
    for partial in burst.partials.into_iter().filter(|p| p.hz != 0.0) {
        sines[count] = partial;
        count += 1;
    }
    ToneGenerator::new(rate, &sines[..count])
}

#[cfg(test)]
mod tests;
