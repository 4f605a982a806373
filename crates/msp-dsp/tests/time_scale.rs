//! Time-scaling of real speech, where it lies beside the checkout.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::path::PathBuf;

use msp_core::time::ClockRate;
use msp_dsp::{ScaleWish, TimeScale};

/// The sound of a file of 16 bits: all after the header of a WAV file, or of the file itself.
fn speech(path: &str, header: usize) -> Option<Vec<i16>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/corpora/09-speech")
        .join(path);
    let Ok(bytes) = std::fs::read(&path) else {
        println!("skipped: {} is not there", path.display());
        return None;
    };
    let words = bytes[header..].as_chunks().0.iter();
    Some(words.map(|w| i16::from_le_bytes(*w)).collect())
}

/// What was played, and how many samples were taken out or put in.
fn scaled(hz: u32, said: &[i16], faster: bool) -> (Vec<i16>, usize) {
    let scale = TimeScale::new(ClockRate::new(hz).unwrap()).unwrap();
    let (frame, most) = (hz as usize / 100, scale.max_lag());
    let wish = ScaleWish {
        samples: most,
        most,
        likeness: 0.85,
    };
    let (mut rest, mut out, mut changed) = (said.to_vec(), vec![0; most], 0);
    for n in 0.. {
        if rest.len() < scale.reach() + frame {
            break;
        }
        // Once in 50 ms, which is as fast as a spike of delay is worked off.
        if n % 5 == 0 && faster {
            let lag = scale.compress(&mut rest, &wish).unwrap_or(0);
            changed += lag;
            rest.drain(..lag);
        } else if n % 5 == 0 {
            let mut sound = [&out[out.len() - most..], &rest].concat();
            let lag = scale.stretch(&mut sound, most, &wish).unwrap_or(0);
            changed += lag;
            rest = sound.split_off(most - lag);
        }
        out.extend(rest.drain(..frame));
    }
    out.append(&mut rest);
    (out.split_off(most), changed)
}

/// How much of the power lies in the second difference: clicks show there before anything else.
fn roughness(pcm: &[i16]) -> f64 {
    let (mut rough, mut all) = (0.0, 0.0);
    for w in pcm.windows(3) {
        rough += (f64::from(w[0]) - 2.0 * f64::from(w[1]) + f64::from(w[2])).powi(2);
        all += f64::from(w[1]).powi(2);
    }
    rough / all
}

#[test]
fn speech_is_scaled_without_clicks() {
    for (path, header, hz) in [
        ("asterisk-en/queue-youarenext.wav", 44, 8000),
        ("asterisk-it/tt-allbusy.wav", 44, 8000),
        ("pesq/speech.wav", 44, 16_000),
        ("p501/P501_D_EN_fm_SWB_48k.pcm", 0, 48_000),
    ] {
        let Some(said) = speech(path, header) else {
            return;
        };
        for faster in [true, false] {
            let (heard, changed) = scaled(hz, &said, faster);
            let share = changed as f64 / said.len() as f64;
            let (before, after) = (roughness(&said), roughness(&heard));
            println!(
                "{path}: faster {faster}, {share:.3} of the time, rough {before:.4} {after:.4}"
            );
            let length = said.len().abs_diff(heard.len());
            assert_eq!(length, changed);
            assert!(share > 0.07, "{path}: {share}");
            assert!(after < 1.2 * before, "{path}: {after} {before}");
        }
    }
}
