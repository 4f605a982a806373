//! Something that looks and measures like speech: phrases of syllables with pauses between them.

use super::Random;

/// `seconds` of sound at 8,000 Hz, of a voice of `pitch` Hz.
pub(crate) fn speech(seconds: f64, pitch: f64, seed: u64) -> Vec<i16> {
    let total = (seconds * 8000.0) as usize;
    let mut random = Random::new(seed);
    let mut out = Vec::with_capacity(total);
    while out.len() < total {
        let syllables = 3 + (random.unit() * 6.0) as usize;
        for _ in 0..syllables {
            syllable(&mut out, pitch, &mut random);
        }
        let pause = 1200 + (random.unit() * 4000.0) as usize;
        // A room is never quite silent.
        out.extend((0..pause).map(|_| (random.unit() * 40.0 - 20.0) as i16));
    }
    out.truncate(total);
    out
}

fn syllable(out: &mut Vec<i16>, pitch: f64, random: &mut Random) {
    let len = 700 + (random.unit() * 1300.0) as usize;
    let loud = 3000.0 + random.unit() * 7000.0;
    let pitch = pitch * (0.9 + 0.25 * random.unit());
    let formants = [
        300.0 + 500.0 * random.unit(),
        900.0 + 1400.0 * random.unit(),
    ];
    let mut phase = 0.0f64;
    for n in 0..len {
        let along = n as f64 / len as f64;
        let envelope = (along * std::f64::consts::PI).sin().powf(0.6);
        phase += pitch * (1.0 + 0.05 * (along * 7.0).sin()) / 8000.0;
        let mut sample = 0.0;
        for harmonic in 1..16 {
            let hz = pitch * f64::from(harmonic);
            let near: f64 = formants
                .iter()
                .map(|f| 1.0 / (1.0 + ((hz - f) / 180.0).powi(2)))
                .sum();
            sample += near * (phase * f64::from(harmonic) * std::f64::consts::TAU).sin();
        }
        let noise = random.unit() * 0.1 - 0.05;
        out.push(((sample + noise) * envelope * loud * 0.4).clamp(-30_000.0, 30_000.0) as i16);
    }
}
