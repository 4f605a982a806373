//! Sounds for the tests: speech and tones of the corpora, noise, and made voices.
#![allow(dead_code, reason = "each test uses a part")]

use std::f64::consts::TAU;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora/09-speech")
}

/// Sample rate and sound of a file of the corpus, where it lies beside the checkout.
pub(crate) fn corpus(name: &str) -> Option<(u32, Vec<i16>)> {
    let path = folder().join(name);
    let Ok(bytes) = std::fs::read(&path) else {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    };
    Some(if name.ends_with(".pcm") {
        (48_000, words(&bytes))
    } else {
        wav(&bytes)
    })
}

/// All speech of the corpus, with the name and the sample rate of each file.
pub(crate) fn speech() -> Vec<(String, u32, Vec<i16>)> {
    let mut all = Vec::new();
    for part in [
        "asterisk-en",
        "asterisk-fr",
        "asterisk-it",
        "p501",
        "pesq",
        "spandsp",
    ] {
        let Ok(files) = std::fs::read_dir(folder().join(part)) else {
            eprintln!("skipped: {} is not there", folder().join(part).display());
            continue;
        };
        let mut names: Vec<_> = files
            .flatten()
            .map(|file| Path::new(part).join(file.file_name()).display().to_string())
            .collect();
        names.sort();
        for name in names {
            if let Some((rate, pcm)) = corpus(&name) {
                all.push((name, rate, pcm));
            }
        }
    }
    all
}

fn words(bytes: &[u8]) -> Vec<i16> {
    let words = bytes.as_chunks().0;
    words.iter().map(|w| i16::from_le_bytes(*w)).collect()
}

/// A file of one channel of 16-bit PCM or mu-law.
fn wav(bytes: &[u8]) -> (u32, Vec<i16>) {
    let number = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let (mut at, mut law, mut rate) = (12, false, 0);
    while at + 8 <= bytes.len() {
        let len = number(at + 4) as usize;
        let body = &bytes[at + 8..(at + 8 + len).min(bytes.len())];
        match &bytes[at..at + 4] {
            b"fmt " => {
                assert_eq!(body[2], 1, "one channel");
                law = body[0] == 7;
                rate = u32::from_le_bytes(body[4..8].try_into().unwrap());
            }
            b"data" if law => return (rate, body.iter().map(|b| mu_law(*b)).collect()),
            b"data" => return (rate, words(body)),
            _ => {}
        }
        at += 8 + len.next_multiple_of(2);
    }
    panic!("no sound");
}

fn mu_law(byte: u8) -> i16 {
    let byte = !byte;
    let magnitude = ((i16::from(byte & 15) << 3) + 132) << ((byte >> 4) & 7);
    if byte & 128 == 0 {
        magnitude - 132
    } else {
        132 - magnitude
    }
}

/// The sound played `speed` times as fast.
pub(crate) fn faster(pcm: &[i16], speed: f64) -> Vec<i16> {
    let len = ((pcm.len() - 1) as f64 / speed) as usize;
    (0..len)
        .map(|n| {
            let at = n as f64 * speed;
            let (n, share) = (at as usize, at.fract());
            (f64::from(pcm[n]) * (1.0 - share) + f64::from(pcm[n + 1]) * share) as i16
        })
        .collect()
}

/// Random numbers of a seed.
pub(crate) struct Noise(u64);

impl Noise {
    pub(crate) fn new(seed: u64) -> Self {
        let mut noise = Self(seed ^ 0x9e37_79b9_7f4a_7c15);
        noise.uniform();
        noise
    }

    /// 0 to 1.
    pub(crate) fn uniform(&mut self) -> f64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Of variance one.
    pub(crate) fn gauss(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (self.uniform() * TAU).cos()
    }
}

/// Something like speech at 8 kHz: pulses of a moving pitch, or breath, through three moving formants, in syllables with
/// pauses between.
pub(crate) struct Voice {
    noise: Noise,
    /// Samples to the end of the syllable, and its length.
    left: u32,
    length: u32,
    loud: f32,
    breath: f32,
    /// Samples between two pulses now, how that changes with each, and samples since the last.
    period: f32,
    glide: f32,
    since: f32,
    formants: [Formant; 3],
}

#[derive(Clone, Copy, Default)]
struct Formant {
    a: f32,
    b: f32,
    last: f32,
    before: f32,
}

impl Voice {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            noise: Noise::new(seed),
            left: 0,
            length: 1,
            loud: 0.0,
            breath: 0.0,
            period: 60.0,
            glide: 1.0,
            since: 0.0,
            formants: [Formant::default(); 3],
        }
    }

    pub(crate) fn fill(&mut self, out: &mut [i16]) {
        for sample in out {
            if self.left == 0 {
                self.syllable();
            }
            let done = 1.0 - self.left as f32 / self.length as f32;
            let envelope = self.loud * (4.0 * done * (1.0 - done)).min(1.0);
            self.left -= 1;
            self.since += 1.0;
            let mut excited = 0.0;
            if self.since >= self.period {
                self.since -= self.period;
                self.period = (self.period * self.glide).clamp(16.0, 110.0);
                excited = 1.0;
            }
            if self.breath > 0.0 {
                excited += self.breath * (self.noise.uniform() as f32 - 0.5);
            }
            let mut sum = 0.0;
            for formant in &mut self.formants {
                let next = excited + formant.a * formant.last - formant.b * formant.before;
                (formant.before, formant.last) = (formant.last, next);
                sum += next;
            }
            *sample = (sum * envelope) as i16;
        }
    }

    fn syllable(&mut self) {
        let noise = &mut self.noise;
        self.length = noise.between(400.0, 3200.0) as u32;
        self.left = self.length;
        // One in four is a pause.
        self.loud = if noise.uniform() < 0.25 {
            0.0
        } else {
            noise.between(100.0, 3000.0) as f32
        };
        self.breath = if noise.uniform() < 0.2 {
            noise.between(0.2, 2.0) as f32
        } else {
            0.0
        };
        // 80 to 400 Hz; some are held, as in singing, most glide.
        self.period = (8000.0 / noise.between(80.0, 400.0)) as f32;
        self.glide = if noise.uniform() < 0.3 {
            1.0
        } else {
            noise.between(0.985, 1.015) as f32
        };
        let ranges = [(250.0, 900.0), (700.0, 1800.0), (1800.0, 3200.0)];
        for (formant, (low, high)) in self.formants.iter_mut().zip(ranges) {
            let (hz, width) = (noise.between(low, high), noise.between(30.0, 140.0));
            let radius = (-TAU / 2.0 * width / 8000.0).exp();
            formant.a = (2.0 * radius * (TAU * hz / 8000.0).cos()) as f32;
            formant.b = (radius * radius) as f32;
        }
    }
}
