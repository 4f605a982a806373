//! What kind of sound a stream carries: a voice, silence, or the tones of fax machines, modems, text telephones and
//! answering machines.
//!
//! Every 5 ms the last 20 ms are looked at, as 18 bands 100 Hz apart. If one sine is nearly all of the sound its frequency
//! is known to a few Hz; how long it stands still tells the tones apart.

use msp_core::time::ClockRate;

use crate::DspError;
use crate::bank::{Bank, Complex, Window, check_rate};

mod activity;
mod answer;
mod pure_tone;
mod text;

use activity::Activity;
use answer::Answer;
use pure_tone::{BANDS, FREQUENCIES, PureTones, Track};
use text::Text;

pub use msp_core::media::{AnswerTone, MediaClass};

/// A change of [`MediaClass`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MediaChange {
    /// What the sound is from now on.
    pub class: MediaClass,
    /// The sample at which what tells it began, to about 20 ms, counted from the first that the detector was given.
    pub at: u64,
}

/// Tells changes of the kind of sound. At first it is silence.
///
/// | class | told | until |
/// |---|---|---|
/// | voice | after 100 ms | 600 ms of silence |
/// | fax calling | at the end of the tone, 425 to 575 ms | 4.2 s without another, or 1 s of voice |
/// | answering | after 400 ms; reversals with the second, modulation after 600 ms | 2 s below -48 dBm0 |
/// | text telephone | after three stretches of zeros | 3 s without bits, or 1 s of voice |
/// | beep, tone | after 150 ms; near 1,100 and 1,400 Hz at the end | the tone ends |
///
/// Tones near 1,100 and 1,400 Hz may be a fax machine's or a text telephone's: only their end tells. The data that follow
/// an answer sound like noise and keep its class. Nothing is allocated after it is made.
#[derive(Clone, Debug)]
pub struct MediaClassDetector {
    rate: ClockRate,
    bank: Bank,
    window: Window,
    /// The newest 10 ms: bits of a text telephone last 20 or 22 ms.
    short: Window,
    /// Samples in a block, and blocks that have come.
    block: u64,
    blocks: u64,
    tones: PureTones,
    answer: Answer,
    text: Text,
    activity: Activity,
    /// What was found of data, and the sample until which it stands; answers stand until there is silence.
    data: Option<(MediaClass, u64)>,
    class: MediaClass,
}

impl MediaClassDetector {
    /// A detector for sound at `rate`.
    ///
    /// # Errors
    /// [`UnsupportedRate`](crate::DspErrorKind::UnsupportedRate) outside 8,000 to 192,000 Hz.
    pub fn new(rate: ClockRate) -> Result<Self, DspError> {
        check_rate(rate, "media class detector")?;
        let block = rate.hz() / BLOCKS_A_SECOND;
        let look_seconds = (u64::from(block) * HOP) as f32 / rate.hz() as f32;
        Ok(Self {
            rate,
            bank: Bank::new(rate, &FREQUENCIES, block as usize),
            window: Window::new(WINDOW, BANDS),
            short: Window::new(SHORT_WINDOW, BANDS),
            block: u64::from(block),
            blocks: 0,
            tones: PureTones::new(look_seconds),
            answer: Answer::new(look_seconds),
            text: Text::default(),
            activity: Activity::default(),
            data: None,
            class: MediaClass::Silence,
        })
    }

    /// Listens to what comes next, in pieces of any length, and tells each change as it is noticed.
    pub fn process(&mut self, pcm: &[i16], mut tell: impl FnMut(MediaChange)) {
        let mut pcm = pcm;
        while self.bank.feed(&mut pcm) {
            self.window.push(&self.bank);
            self.short.push(&self.bank);
            self.blocks += 1;
            if self.blocks.is_multiple_of(HOP) && self.blocks >= WINDOW as u64 {
                self.look(&mut tell);
            }
        }
    }

    /// What the sound is now.
    pub fn class(&self) -> MediaClass {
        self.class
    }

    fn look(&mut self, tell: &mut impl FnMut(MediaChange)) {
        let power = self.window.power();
        let middle = (self.blocks - WINDOW as u64 / 2) * self.block;
        let mut sums = [Complex::default(); BANDS];
        self.window.sums(&mut sums);
        let ended = self.tones.look(&self.window, &sums, power, middle);
        let standing = self.tones.standing();
        self.activity.look(power, standing.is_some(), middle);
        let newest = (self.blocks - SHORT_WINDOW as u64 / 2) * self.block;
        if let Some(began) = self.text.look(&self.short, newest) {
            let until = middle + self.millis(3_000);
            self.found(MediaClass::TextTelephone, until, began, tell);
        }
        match standing {
            Some(track) if track.near(ANSWER_HZ, ANSWER_WIDTH) => {
                let tone = self.answer.look(sums[BANDS - 1]);
                if middle - track.began >= self.millis(400) {
                    self.found(MediaClass::Answering(tone), u64::MAX, track.began, tell);
                }
            }
            _ => self.answer.reset(),
        }
        if let Some(track) = ended {
            self.ended(track, middle, tell);
        }
        self.expire(middle);
        if self.data.is_none() {
            let (class, at) = self.plain(standing, middle);
            self.become_class(class, at, tell);
        }
    }

    /// What a tone was that is over.
    fn ended(&mut self, track: Track, middle: u64, tell: &mut impl FnMut(MediaChange)) {
        let length = track.last - track.began;
        let calling = (self.millis(400)..self.millis(600)).contains(&length);
        if track.near(CALLING_HZ, CALLING_WIDTH) && calling {
            let until = middle + self.millis(4_200);
            self.found(MediaClass::FaxCalling, until, track.began, tell);
        } else if waits(&track)
            && length >= self.millis(150)
            && self.data.is_none()
            && !self.text.begun()
        {
            let class = self.tone_class(&track);
            self.become_class(class, track.began, tell);
        }
    }

    /// Takes note of data.
    fn found(
        &mut self,
        class: MediaClass,
        until: u64,
        at: u64,
        tell: &mut impl FnMut(MediaChange),
    ) {
        self.data = Some((class, until));
        self.activity.forget_voice();
        self.become_class(class, at, tell);
    }

    /// Forgets data that are over.
    fn expire(&mut self, middle: u64) {
        let Some((class, until)) = self.data else {
            return;
        };
        let over = match class {
            MediaClass::Answering(_) => {
                middle.saturating_sub(self.activity.last_signal) >= self.millis(2_000)
            }
            _ => middle >= until || self.activity.speaks(),
        };
        if over {
            self.data = None;
        }
    }

    /// What the sound is if there are no data in it, and since when.
    fn plain(&self, standing: Option<Track>, middle: u64) -> (MediaClass, u64) {
        if let Some(track) = standing
            && middle - track.began >= self.millis(150)
        {
            // Which of them it is, its end will tell.
            if waits(&track) {
                return (self.class, middle);
            }
            return (self.tone_class(&track), track.began);
        }
        let silent = middle.saturating_sub(self.activity.last_sound);
        if self.activity.voice() {
            (MediaClass::Voice, self.activity.began)
        } else if silent >= self.millis(600) || self.class != MediaClass::Voice && silent > 0 {
            (MediaClass::Silence, self.activity.last_sound)
        } else if self.class.is_data() {
            (MediaClass::Silence, middle)
        } else {
            (self.class, middle)
        }
    }

    /// A tone after a voice, or without one.
    fn tone_class(&self, track: &Track) -> MediaClass {
        let after = self
            .activity
            .last_voice
            .is_some_and(|voice| track.began.saturating_sub(voice) <= self.millis(8_000));
        if after {
            MediaClass::Beep
        } else {
            MediaClass::Tone
        }
    }

    fn become_class(&mut self, class: MediaClass, at: u64, tell: &mut impl FnMut(MediaChange)) {
        if class != self.class {
            self.class = class;
            tell(MediaChange { class, at });
        }
    }

    fn millis(&self, millis: u64) -> u64 {
        millis * u64::from(self.rate.hz()) / 1000
    }
}

/// Whether only its end tells what a tone is.
fn waits(track: &Track) -> bool {
    track.near(CALLING_HZ, CALLING_WIDTH)
        || track.near(MARK_HZ, MARK_WIDTH)
        || track.near(ANSWER_HZ, ANSWER_WIDTH)
}

/// Blocks of 2.5 ms, or a little less where that is no whole number of samples.
const BLOCKS_A_SECOND: u32 = 400;
/// Blocks from one look to the next.
const HOP: u64 = 2;
/// Blocks in a look.
const WINDOW: usize = 8;
/// Blocks in a look for bits.
const SHORT_WINDOW: usize = 4;

/// CNG: T.30 allows 38 Hz.
const CALLING_HZ: f32 = 1100.0;
const CALLING_WIDTH: f32 = 42.0;
/// ANS: V.25 allows 15 Hz.
const ANSWER_HZ: f32 = 2100.0;
const ANSWER_WIDTH: f32 = 20.0;
/// A text telephone's rest between two characters.
const MARK_HZ: f32 = 1400.0;
const MARK_WIDTH: f32 = 50.0;
