//! Concealment of real speech beside the ITU's: G.711 Appendix I's own test, where it lies beside the checkout.

use std::path::PathBuf;

use msp_core::time::ClockRate;
use msp_dsp::Concealer;

fn words(name: &str) -> Option<Vec<i16>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/corpora/08-codecs/g711plc")
        .join(name);
    let Ok(bytes) = std::fs::read(&path) else {
        println!("skipped: {} is not there", path.display());
        return None;
    };
    Some(
        bytes
            .as_chunks()
            .0
            .iter()
            .map(|w| i16::from_le_bytes(*w))
            .collect(),
    )
}

const FRAME: usize = 80;

/// Error of the lost frames and of their neighbours, which Appendix I bends on both sides, relative to the sound itself, in dB.
fn error_db(sent: &[i16], heard: &[i16]) -> f64 {
    let (mut error, mut sound) = (0.0, 0.0);
    for (n, (sent, heard)) in sent.iter().zip(heard).enumerate() {
        if matches!(n / FRAME % 10, 8 | 9 | 0) {
            error += (f64::from(*sent) - f64::from(*heard)).powi(2);
            sound += f64::from(*sent).powi(2);
        }
    }
    10.0 * (error / sound).log10()
}

#[test]
fn every_tenth_frame_is_hidden_better_than_by_appendix_i() {
    let (Some(sent), Some(appendix), Some(muted)) =
        (words("f2.le"), words("f2_10.raw"), words("f2_10m.raw"))
    else {
        return;
    };
    let mut concealer = Concealer::new(ClockRate::HZ_8000).unwrap();
    let mut heard = sent.clone();
    for (n, frame) in heard.chunks_mut(FRAME).enumerate() {
        if n % 10 == 9 {
            concealer.conceal(frame);
        } else {
            concealer.good(frame);
        }
    }
    let ours = error_db(&sent, &heard);
    let appendix = error_db(&sent, &appendix);
    let muted = error_db(&sent, &muted);
    println!("error: ours {ours:.1} dB, Appendix I {appendix:.1} dB, muted {muted:.1} dB");
    assert!(ours < appendix - 1.0 && ours < muted - 1.0);
}
