//! Whether there is sound above the background, and whether it may be a voice.

/// How loud the background is, and when sound was above it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Activity {
    /// Mean square of the background.
    background: f32,
    /// The softest and the loudest look of the running half second, and how many it has.
    softest: f32,
    loudest: f32,
    looks: u32,
    /// Looks in favour of a voice, less those against it; and the same more slowly.
    run: u32,
    long_run: u32,
    /// The sample at which the run began.
    pub(super) began: u64,
    /// The sample at which there was sound for the last time, whatever could be data, and a voice.
    pub(super) last_sound: u64,
    pub(super) last_signal: u64,
    pub(super) last_voice: Option<u64>,
}

impl Default for Activity {
    fn default() -> Self {
        Self {
            background: LOUDEST_BACKGROUND / ABOVE,
            softest: f32::MAX,
            loudest: 0.0,
            looks: 0,
            run: 0,
            long_run: 0,
            began: 0,
            last_sound: 0,
            last_signal: 0,
            last_voice: None,
        }
    }
}

impl Activity {
    /// Takes in a look of mean square `power`; `tone` if a single tone stands.
    pub(super) fn look(&mut self, power: f32, tone: bool, middle: u64) {
        self.follow_background(power);
        let least = (self.background * ABOVE).clamp(SOFTEST_SOUND, LOUDEST_BACKGROUND);
        let sound = power >= least;
        if sound {
            self.last_sound = middle;
        }
        if power >= SOFTEST_DATA {
            self.last_signal = middle;
        }
        if sound && !tone {
            if self.run == 0 {
                self.began = middle;
            }
            self.run = (self.run + 1).min(VOICE);
            self.long_run = (self.long_run + 1).min(SPEAKS);
        } else {
            self.run = self.run.saturating_sub(1);
            self.long_run = self.long_run.saturating_sub(1);
        }
        if self.voice() {
            self.last_voice = Some(middle);
        }
    }

    /// A voice is heard.
    pub(super) fn voice(&self) -> bool {
        self.run >= VOICE
    }

    /// A voice has been heard for about a second.
    pub(super) fn speaks(&self) -> bool {
        self.long_run >= SPEAKS
    }

    /// What was heard was none.
    pub(super) fn forget_voice(&mut self) {
        self.long_run = 0;
    }

    /// The background is the softest of the last seconds, or what has not changed for half a second.
    fn follow_background(&mut self, power: f32) {
        self.background = power.min(self.background * RISE).max(SOFTEST_SOUND / ABOVE);
        self.softest = self.softest.min(power);
        self.loudest = self.loudest.max(power);
        self.looks += 1;
        if self.looks == HALF_A_SECOND {
            if self.loudest <= self.softest * UNCHANGED {
                self.background = self.background.max(self.softest);
            }
            (self.softest, self.loudest, self.looks) = (f32::MAX, 0.0, 0);
        }
    }
}

/// Looks of 5 ms that make a voice, and that make one that goes on.
const VOICE: u32 = 20;
const SPEAKS: u32 = 200;
/// Sound is 9 dB above the background,
const ABOVE: f32 = 8.0;
/// which rises by 2 dB a second where nothing is softer.
const RISE: f32 = 1.002_3;
/// Looks of half a second, and the ratio of their loudest to their softest in noise that does not change: 6 dB.
const HALF_A_SECOND: u32 = 100;
const UNCHANGED: f32 = 4.0;
/// Data are louder than -48 dBm0, however little they change.
const SOFTEST_DATA: f32 = 3.8e-6;
/// Below -55 dBm0 nothing is sound; above -38 dBm0 all is (mean squares; a sine at full scale is 3.14 dBm0 and one half).
const SOFTEST_SOUND: f32 = 7.7e-7;
const LOUDEST_BACKGROUND: f32 = 3.8e-5;
