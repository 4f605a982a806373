//! Fax, modem, text and answering machine tones are told from voices.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::f64::consts::TAU;

use msp_core::link::Digit;
use msp_core::time::ClockRate;
use msp_dsp::{
    AnswerTone, CadenceGenerator, Country, DtmfGenerator, DtmfShape, FULL_SCALE_DBM0, MediaChange,
    MediaClass, MediaClassDetector, ProgressTone,
};

mod sounds;

use sounds::{Noise, Voice, corpus, speech};

/// A sound that is put together piece by piece.
struct Sound {
    rate: u32,
    phase: f64,
    pcm: Vec<i16>,
    noise: Noise,
}

impl Sound {
    fn new(rate: u32) -> Self {
        Self {
            rate,
            phase: 0.0,
            pcm: Vec::new(),
            noise: Noise::new(u64::from(rate)),
        }
    }

    fn samples(&self, millis: f64) -> usize {
        (millis * f64::from(self.rate) / 1000.0).round() as usize
    }

    /// `hz` at `dbm0`, its phase going on from the tone before; `turn` gives turns and a factor at each second of it.
    fn shaped(&mut self, hz: f64, dbm0: f64, millis: f64, turn: impl Fn(f64) -> (f64, f64)) {
        let amplitude = 32_768.0 * 10f64.powf((dbm0 - f64::from(FULL_SCALE_DBM0)) / 20.0);
        for n in 0..self.samples(millis) {
            let (turns, factor) = turn(n as f64 / f64::from(self.rate));
            let sine = ((self.phase + turns) * TAU).sin();
            self.pcm.push((amplitude * factor * sine).round() as i16);
            self.phase = (self.phase + hz / f64::from(self.rate)).fract();
        }
    }

    fn tone(&mut self, hz: f64, dbm0: f64, millis: f64) {
        self.shaped(hz, dbm0, millis, |_| (0.0, 1.0));
    }

    fn silence(&mut self, millis: f64) {
        let len = self.pcm.len() + self.samples(millis);
        self.pcm.resize(len, 0);
    }

    /// Two made voices, of which no single tone is left, at 8 kHz only.
    fn voice(&mut self, millis: f64) {
        assert_eq!(self.rate, 8_000);
        let mut pieces = [5, 8].map(|seed| {
            let mut piece = vec![0; self.samples(millis)];
            Voice::new(seed).fill(&mut piece);
            piece.into_iter()
        });
        let [one, other] = &mut pieces;
        self.pcm.extend(one.zip(other).map(|(a, b)| a / 2 + b / 2));
    }

    /// Bits of a modem that shifts its frequency, from the seed.
    fn shifted(&mut self, hz: (f64, f64), baud: f64, dbm0: f64, bits: u32) {
        for _ in 0..bits {
            let one = self.noise.uniform() < 0.5;
            self.tone(if one { hz.0 } else { hz.1 }, dbm0, 1000.0 / baud);
        }
    }

    /// Characters of five bits in Baudot's code, with the tone of a one before and after.
    fn baudot(&mut self, codes: &[u8], bit: f64, dbm0: f64) {
        let (one, zero) = (1400.0, 1800.0);
        self.tone(one, dbm0, 150.0);
        for code in codes {
            self.tone(zero, dbm0, bit);
            for n in 0..5 {
                self.tone(if code >> n & 1 == 1 { one } else { zero }, dbm0, bit);
            }
            self.tone(one, dbm0, bit * 1.5);
        }
        self.tone(one, dbm0, 200.0);
    }

    /// Noise over all, in dBm0.
    fn noisy(mut self, dbm0: f64) -> Self {
        let loud = 32_768.0 * 10f64.powf((dbm0 - f64::from(FULL_SCALE_DBM0)) / 20.0) / 2f64.sqrt();
        for sample in &mut self.pcm {
            *sample = (f64::from(*sample) + loud * self.noise.gauss()) as i16;
        }
        self
    }

    fn changes(&self) -> Vec<MediaChange> {
        let mut detector = MediaClassDetector::new(ClockRate::new(self.rate).unwrap()).unwrap();
        let mut changes = Vec::new();
        for frame in self.pcm.chunks(self.rate as usize / 50) {
            detector.process(frame, |change| changes.push(change));
        }
        let last = changes.last().map_or(MediaClass::Silence, |c| c.class);
        assert_eq!(detector.class(), last);
        changes
    }

    /// What it becomes, and at which millisecond.
    fn classes(&self) -> Vec<(MediaClass, u64)> {
        let changes = self.changes().into_iter();
        changes
            .map(|change| (change.class, change.at * 1000 / u64::from(self.rate)))
            .collect()
    }
}

fn answering(reversals: bool, modulated: bool) -> MediaClass {
    MediaClass::Answering(AnswerTone {
        reversals,
        modulated,
    })
}

const HELLO: [u8; 12] = [
    0x14, 0x01, 0x12, 0x12, 0x18, 0x04, 0x13, 0x18, 0x0a, 0x12, 0x09, 0x1f,
];

// Shows: the calling tone of fax machines | MSPI C28, ITU-T T.30
#[test]
fn c28_a_calling_fax_is_heard_and_other_tones_of_1100_hz_are_none() {
    for rate in [8_000, 16_000, 44_100, 48_000] {
        for (hz, dbm0, millis, noise) in [
            (1100.0, -10.0, 500.0, -70.0),
            (1138.0, -10.0, 435.0, -70.0),
            (1062.0, -35.0, 565.0, -58.0),
            (1100.0, -16.0, 500.0, -41.0),
        ] {
            let mut sound = Sound::new(rate);
            for _ in 0..3 {
                sound.silence(3000.0);
                sound.tone(hz, dbm0, millis);
            }
            sound.silence(1000.0);
            let heard = sound.noisy(noise).classes();
            let [(MediaClass::FaxCalling, at)] = heard[..] else {
                panic!("{rate} {hz} {dbm0}: {heard:?}");
            };
            assert!(at.abs_diff(3000) <= 20, "{at}");
        }
        // Too short, too long, and beside.
        for (hz, millis) in [
            (1100.0, 300.0),
            (1100.0, 1500.0),
            (1170.0, 500.0),
            (1030.0, 500.0),
        ] {
            let mut sound = Sound::new(rate);
            sound.silence(1000.0);
            sound.tone(hz, -10.0, millis);
            sound.silence(1000.0);
            let heard = sound.classes();
            assert!(
                heard.iter().all(|(class, _)| !class.is_data()),
                "{hz} {millis}: {heard:?}"
            );
        }
    }
    // It stands while the tone comes again, and ends some time after the last, or when somebody speaks.
    let mut sound = Sound::new(8_000);
    sound.tone(1100.0, -10.0, 500.0);
    sound.silence(6000.0);
    let heard = sound.classes();
    assert!(
        matches!(
            heard[..],
            [(MediaClass::FaxCalling, _), (MediaClass::Silence, _)]
        ),
        "{heard:?}"
    );
    sound.pcm.truncate(8000);
    sound.voice(4000.0);
    let heard = sound.classes();
    assert!(
        matches!(
            heard[..],
            [(MediaClass::FaxCalling, _), (MediaClass::Voice, _), ..]
        ),
        "{heard:?}"
    );
}

// Shows: the answer tones of fax machines and modems: plain, with reversals, modulated | MSPI C28, ITU-T T.30, V.25, V.8
#[test]
fn c28_answer_tones_are_told_apart_by_their_reversals_and_their_swing() {
    for rate in [8_000, 16_000, 44_100, 48_000] {
        for (reversals, modulated) in [(false, false), (true, false), (false, true), (true, true)] {
            for (hz, dbm0, noise) in [
                (2100.0, -10.0, -70.0),
                (2112.0, -12.0, -70.0),
                (2088.0, -30.0, -55.0),
                (2101.0, -20.0, -40.0),
            ] {
                let mut sound = Sound::new(rate);
                sound.silence(1000.0);
                sound.shaped(hz, dbm0, 3000.0, |t| {
                    let turned = (t / 0.45) as u32 % 2 == 1 && reversals;
                    let swing = if modulated {
                        0.2 * (t * 15.0 * TAU).sin()
                    } else {
                        0.0
                    };
                    (if turned { 0.5 } else { 0.0 }, 1.0 + swing)
                });
                sound.silence(500.0);
                let heard = sound.noisy(noise).classes();
                assert_eq!(
                    heard[0].0,
                    answering(false, false),
                    "{rate} {hz}: {heard:?}"
                );
                assert!(heard[0].1.abs_diff(1000) <= 20, "{heard:?}");
                let last = heard.last().unwrap().0;
                assert_eq!(
                    last,
                    answering(reversals, modulated),
                    "{rate} {hz}: {heard:?}"
                );
            }
        }
        // Short, and beside.
        for (hz, millis) in [(2100.0, 300.0), (2140.0, 2000.0), (2060.0, 2000.0)] {
            let mut sound = Sound::new(rate);
            sound.tone(hz, -10.0, millis);
            let heard = sound.classes();
            assert!(
                heard.iter().all(|(class, _)| !class.is_data()),
                "{hz} {millis}: {heard:?}"
            );
        }
    }
}

// Shows: after an answer tone the data of a fax machine keep its class, until there is silence | MSPI C28
#[test]
fn c28_data_after_an_answer_keep_the_class() {
    let mut sound = Sound::new(8_000);
    sound.silence(1800.0);
    sound.tone(2100.0, -12.0, 3000.0);
    sound.silence(75.0);
    // V.21's second channel, as a fax machine announces itself.
    sound.shifted((1650.0, 1850.0), 300.0, -12.0, 600);
    sound.silence(1000.0);
    sound.shifted((1650.0, 1850.0), 300.0, -12.0, 900);
    let so_far = sound.classes();
    assert_eq!(so_far.len(), 1, "{so_far:?}");
    sound.silence(3000.0);
    let heard = sound.classes();
    assert!(
        heard.len() == 2 && heard[1].0 == MediaClass::Silence,
        "{heard:?}"
    );
}

// Shows: text telephones, at 45 and 50 baud | MSPI C28, ITU-T V.18 annex A
#[test]
fn c28_text_telephones_are_heard() {
    for rate in [8_000, 16_000, 44_100, 48_000] {
        for (bit, dbm0, noise) in [
            (22.0, -10.0, -70.0),
            (20.0, -30.0, -55.0),
            (22.0, -20.0, -40.0),
        ] {
            let mut sound = Sound::new(rate);
            sound.silence(500.0);
            sound.baudot(&HELLO, bit, dbm0);
            sound.silence(800.0);
            sound.baudot(&HELLO[..3], bit, dbm0);
            let heard = sound.noisy(noise).classes();
            let [(MediaClass::TextTelephone, at)] = heard[..] else {
                panic!("{rate} {bit} {dbm0}: {heard:?}");
            };
            assert!(at.abs_diff(500) <= 20, "{at}");
        }
    }
    // Two characters are enough, and it ends after a while.
    let mut sound = Sound::new(8_000);
    sound.silence(500.0);
    sound.baudot(&HELLO[..2], 22.0, -10.0);
    sound.silence(4000.0);
    let heard = sound.classes();
    assert!(
        matches!(
            heard[..],
            [(MediaClass::TextTelephone, _), (MediaClass::Silence, _)]
        ),
        "{heard:?}"
    );
}

// Shows: the beep of an answering machine after its voice | MSPI C28
#[test]
fn c28_a_single_tone_after_a_voice_is_the_beep_of_an_answering_machine() {
    for hz in [440.0, 850.0, 1000.0, 1100.0, 1330.0, 1400.0, 1750.0, 1980.0] {
        for millis in [180.0, 350.0, 1000.0] {
            if hz == 1100.0 && millis == 1000.0 {
                continue;
            }
            let mut sound = Sound::new(8_000);
            sound.voice(3000.0);
            sound.silence(900.0);
            sound.tone(hz, -15.0, millis);
            sound.silence(700.0);
            let heard = sound.noisy(-60.0).classes();
            let beep = heard.iter().find(|(class, _)| *class == MediaClass::Beep);
            let Some((_, at)) = beep else {
                panic!("{hz} {millis}: {heard:?}");
            };
            assert!(at.abs_diff(3900) <= 20, "{hz} {millis}: {heard:?}");
            assert_eq!(heard[0].0, MediaClass::Voice);
            assert_eq!(heard.last().unwrap().0, MediaClass::Silence);
        }
    }
    // Without a voice it is a tone, and what is shorter is nothing.
    let mut sound = Sound::new(8_000);
    sound.silence(1000.0);
    sound.tone(1000.0, -15.0, 300.0);
    sound.silence(1000.0);
    let heard = sound.classes();
    assert!(
        matches!(heard[..], [(MediaClass::Tone, _), (MediaClass::Silence, _)]),
        "{heard:?}"
    );
    let mut sound = Sound::new(8_000);
    sound.voice(3000.0);
    sound.silence(900.0);
    sound.tone(1000.0, -15.0, 90.0);
    sound.silence(1000.0);
    let heard = sound.classes();
    assert!(
        heard.iter().all(|(class, _)| *class != MediaClass::Beep),
        "{heard:?}"
    );
}

// Shows: voices and silence are told apart, over noise, and speech is never taken for data | MSPI C28
#[test]
fn c28_speech_is_a_voice_and_nothing_else() {
    let (mut seconds, mut beeps) = (0.0, 0);
    for (name, rate, pcm) in speech() {
        for percent in (70..=140).step_by(7) {
            let mut sound = Sound::new(rate);
            sound.silence(700.0);
            sound
                .pcm
                .extend(sounds::faster(&pcm, f64::from(percent) / 100.0));
            seconds += sound.pcm.len() as f64 / f64::from(rate);
            sound.silence(900.0);
            let heard = sound.noisy(-65.0).classes();
            assert_eq!(heard[0].0, MediaClass::Voice, "{name} {percent}: {heard:?}");
            assert_eq!(
                heard.last().unwrap().0,
                MediaClass::Silence,
                "{name}: {heard:?}"
            );
            assert!(
                heard.iter().all(|(class, _)| !class.is_data()),
                "{name}: {heard:?}"
            );
            let tones = [MediaClass::Beep, MediaClass::Tone];
            beeps += heard
                .iter()
                .filter(|(class, _)| tones.contains(class))
                .count();
        }
    }
    println!("{seconds:.0} s of speech: no data, {beeps} beeps");
    assert!(beeps as f64 <= seconds / 300.0, "{beeps} beeps");
}

#[test]
fn c28_an_hour_of_made_voices_holds_no_data() {
    let mut voice = Voice::new(11);
    let mut detector = MediaClassDetector::new(ClockRate::HZ_8000).unwrap();
    let mut frame = [0; 800];
    let mut data = Vec::new();
    for _ in 0..36_000 {
        voice.fill(&mut frame);
        detector.process(&frame, |change| {
            if change.class.is_data() {
                data.push(change);
            }
        });
    }
    assert_eq!(data, []);
}

// Shows: digits and call progress tones are no data | MSPI C28
#[test]
fn c28_digits_and_call_progress_tones_are_no_data() {
    use ProgressTone::*;
    let rate = ClockRate::HZ_8000;
    for country in Country::ALL {
        for tone in [
            Dial,
            Ringback,
            Busy,
            Congestion,
            CallWaiting,
            SpecialInformation,
            Beep,
        ] {
            let mut sound = Sound::new(8_000);
            sound.silence(10_000.0);
            let mut generator = CadenceGenerator::new(rate, tone.cadence(country)).unwrap();
            generator.fill(&mut sound.pcm);
            let heard = sound.classes();
            let data = heard.iter().any(|(class, _)| class.is_data());
            assert!(!data, "{country:?} {tone:?}: {heard:?}");
        }
    }
    let digits: Vec<Digit> = "123A456B789C*0#D"
        .chars()
        .filter_map(Digit::from_char)
        .collect();
    let mut sound = Sound::new(8_000);
    sound.silence(4_000.0);
    let mut generator = DtmfGenerator::new(rate, &digits, DtmfShape::default()).unwrap();
    generator.fill(&mut sound.pcm);
    let heard = sound.classes();
    assert!(heard.iter().all(|(class, _)| !class.is_data()), "{heard:?}");
    if let Some((rate, pcm)) = corpus("tones/busy.wav") {
        let mut sound = Sound::new(rate);
        sound.pcm = pcm;
        assert!(sound.classes().iter().all(|(class, _)| !class.is_data()));
    }
}

#[test]
fn c28_background_noise_is_silence_and_a_voice_over_it_is_heard() {
    let mut sound = Sound::new(8_000);
    sound.silence(4000.0);
    sound.voice(3000.0);
    sound.silence(2000.0);
    let heard = sound.noisy(-45.0).classes();
    let [(MediaClass::Voice, from), .., (MediaClass::Silence, to)] = heard[..] else {
        panic!("{heard:?}");
    };
    assert!(
        (4000..5200).contains(&from) && (6000..7100).contains(&to),
        "{heard:?}"
    );
}

#[test]
fn c28_noise_that_begins_and_does_not_change_is_soon_silence() {
    let mut sound = Sound::new(8_000);
    sound.silence(8000.0);
    let mut sound = sound.noisy(-45.0);
    sound.pcm.splice(0..0, vec![0; 16_000]);
    let heard = sound.classes();
    let [(MediaClass::Voice, 1980..2020), (MediaClass::Silence, to)] = heard[..] else {
        panic!("{heard:?}");
    };
    assert!(to < 3500, "{heard:?}");
}

#[test]
fn c28_a_soft_voice_is_one() {
    let mut sound = Sound::new(8_000);
    sound.silence(1000.0);
    sound.voice(6000.0);
    for sample in &mut sound.pcm {
        *sample /= 20;
    }
    sound.silence(1000.0);
    let heard = sound.classes();
    let [(MediaClass::Voice, from), (MediaClass::Silence, to)] = heard[..] else {
        panic!("{heard:?}");
    };
    assert!(from < 1600 && to > 6500, "{heard:?}");
}

#[test]
fn c28_bits_under_another_sound_are_no_text_telephone() {
    let mut sound = Sound::new(8_000);
    sound.silence(500.0);
    sound.baudot(&HELLO, 22.0, -10.0);
    let mut other = Sound::new(8_000);
    other.tone(1000.0, -10.0, sound.pcm.len() as f64 / 8.0);
    for (sample, other) in sound.pcm.iter_mut().zip(other.pcm) {
        *sample += other;
    }
    let heard = sound.classes();
    assert!(heard.iter().all(|(class, _)| !class.is_data()), "{heard:?}");
}

#[test]
fn c28_rates_that_cannot_hold_the_tones_are_refused() {
    assert!(MediaClassDetector::new(ClockRate::new(7_000).unwrap()).is_err());
}
