use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use msp_core::time::ClockRate;
use msp_terminals::{FilePlay, PlayOptions, read_mono};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::testing::{Scratch, noise, wav};

/// Files of a tenth of a second of all formats that can be made here.
fn files() -> &'static [(String, Vec<u8>)] {
    static FILES: OnceLock<Vec<(String, Vec<u8>)>> = OnceLock::new();
    FILES.get_or_init(|| {
        let scratch = Scratch::new();
        let sound = wav(16_000, 1, &noise(1_600));
        let from = scratch.file("from.wav", &sound);
        let mut files = vec![("own.wav".to_owned(), sound)];
        for (name, arguments) in [
            ("a.aiff", "-c:a pcm_s16be"),
            ("a.caf", "-c:a pcm_s16le"),
            ("a.flac", "-c:a flac"),
            ("a.mkv", "-c:a pcm_s16le"),
            ("a.mp3", "-b:a 32k"),
            ("a.m4a", "-c:a aac"),
            ("alac.m4a", "-c:a alac"),
            ("a.aac", "-c:a aac"),
            ("a.ogg", "-ac 2 -c:a vorbis -strict -2"),
            ("ima.wav", "-c:a adpcm_ima_wav"),
            ("ms.wav", "-c:a adpcm_ms"),
            ("float.wav", "-c:a pcm_f32le"),
        ] {
            let to = scratch.path(name);
            let made = Command::new("ffmpeg")
                .args(["-v", "quiet", "-y", "-nostdin", "-i"])
                .arg(&from)
                .args(arguments.split(' '))
                .arg(&to)
                .status();
            match std::fs::read(&to) {
                Ok(bytes) if made.is_ok_and(|s| s.success()) => {
                    files.push((name.to_owned(), bytes));
                }
                _ => eprintln!("SKIPPED: no ffmpeg here that writes {name}"),
            }
        }
        files
    })
}

/// Whatever the file is, it is read or refused.
fn look_at(path: &Path) {
    let rate = ClockRate::HZ_8000;
    let read = read_mono(path, rate);
    if let Ok(file) = FilePlay::open(path, PlayOptions::default()) {
        assert!(file.duration() != Some(std::time::Duration::ZERO));
    } else {
        assert!(read.is_err() || read.is_ok_and(|r| r.is_empty()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_files_are_read_or_refused(
        which: Index,
        changes in vec((any::<Index>(), any::<bool>(), any::<u8>()), 0..4),
        length in prop::option::weighted(0.3, any::<Index>()),
    ) {
        let (name, bytes) = which.get(files());
        let mut bytes = bytes.clone();
        for (place, in_header, value) in changes {
            // Most of what can go wrong stands at the beginning.
            let len = if in_header { bytes.len().min(128) } else { bytes.len() };
            bytes[place.index(len)] = value;
        }
        if let Some(length) = length {
            bytes.truncate(length.index(bytes.len()));
        }
        let scratch = Scratch::new();
        look_at(&scratch.file(name, &bytes));
    }
}
