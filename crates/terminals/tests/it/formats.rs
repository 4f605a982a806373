use std::path::Path;
use std::process::Command;

use msp_core::error::ErrorKind;
use msp_core::time::ClockRate;
use msp_terminals::{FilePlay, PlayOptions, SoundInfo, read_mono};

use crate::testing::{Scratch, noise, wav};

/// What a decoder may differ from another.
#[derive(Clone, Copy)]
enum Likeness {
    /// Not at all.
    Same,
    /// By rounding.
    Rounded,
    /// By so many dB of noise below the sound.
    Db(f64),
}
use Likeness::*;

/// Samples that ours may be later: what an encoder of AAC puts before the sound is left in, where ffmpeg leaves it out as the
/// edit list of an MP4 file asks.
const LAGS: &[usize] = &[0, 1_024];

/// Name, arguments of ffmpeg, and how alike what we and ffmpeg decode must be.
const FORMATS: &[(&str, &str, Likeness)] = &[
    ("pcm16.wav", "-ar 8000 -ac 1", Same),
    ("pcm16-44k.wav", "-ar 44100 -ac 1", Same),
    ("stereo.wav", "-ar 48000 -ac 2", Rounded),
    ("six.wav", "-ar 48000 -ac 6", Rounded),
    ("pcm24.wav", "-ar 16000 -ac 1 -c:a pcm_s24le", Rounded),
    ("pcm32.wav", "-ar 16000 -ac 1 -c:a pcm_s32le", Rounded),
    ("pcm8.wav", "-ar 11025 -ac 1 -c:a pcm_u8", Same),
    ("float.wav", "-ar 22050 -ac 1 -c:a pcm_f32le", Rounded),
    ("double.wav", "-ar 22050 -ac 1 -c:a pcm_f64le", Rounded),
    ("mulaw.wav", "-ar 8000 -ac 1 -c:a pcm_mulaw", Same),
    ("alaw.wav", "-ar 8000 -ac 1 -c:a pcm_alaw", Same),
    ("ima.wav", "-ar 8000 -ac 1 -c:a adpcm_ima_wav", Same),
    ("ms.wav", "-ar 8000 -ac 1 -c:a adpcm_ms", Same),
    ("a.aiff", "-ar 16000 -ac 1", Same),
    ("a.caf", "-ar 16000 -ac 1 -c:a pcm_s16le", Same),
    ("a.flac", "-ar 16000 -ac 1", Same),
    ("stereo.flac", "-ar 44100 -ac 2", Rounded),
    ("alac.m4a", "-ar 44100 -ac 1 -c:a alac", Same),
    ("pcm.mkv", "-ar 8000 -ac 1 -c:a pcm_s16le", Same),
    ("a.mp3", "-ar 44100 -ac 1 -b:a 128k", Db(60.0)),
    (
        "tagged.mp3",
        "-ar 16000 -ac 2 -id3v2_version 3 -metadata title=x",
        Db(60.0),
    ),
    ("aac.m4a", "-ar 44100 -ac 1 -c:a aac -b:a 128k", Db(60.0)),
    ("a.aac", "-ar 44100 -ac 1 -c:a aac -b:a 128k", Db(60.0)),
    (
        "a.ogg",
        "-ar 44100 -ac 1 -c:a vorbis -strict -2 -ac 2",
        Db(60.0),
    ),
];

fn ffmpeg(arguments: &[&str], file: &Path) -> Option<Vec<u8>> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-nostdin"])
        .args(arguments)
        .arg(file)
        .output()
        .ok()?;
    output.status.success().then_some(output.stdout)
}

/// One second of two sines under some noise.
fn sound() -> Vec<i16> {
    let noise = noise(48_000);
    let sine = |n: usize, hz: f64| (n as f64 / 48_000.0 * hz * std::f64::consts::TAU).sin();
    (0..48_000)
        .map(|n| (sine(n, 440.0) * 9_000.0 + sine(n, 1_730.0) * 5_000.0) as i16 + noise[n] / 200)
        .collect()
}

/// What ffmpeg makes of `file`: all channels.
fn decoded(file: &Path) -> Vec<f32> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(file)
        .args(["-f", "f32le", "-c:a", "pcm_f32le", "-"])
        .output()
        .unwrap();
    let bytes = output.stdout.chunks_exact(4);
    bytes
        .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
        .collect()
}

/// How many dB the difference lies below the sound.
fn alike(ours: &[i16], theirs: &[f32]) -> f64 {
    let pairs = ours
        .iter()
        .zip(theirs)
        .map(|(a, b)| (f64::from(*a), f64::from(*b)));
    let (signal, noise) = pairs.fold((0.0, 1.0), |(signal, noise), (ours, theirs)| {
        (signal + theirs.powi(2), noise + (ours - theirs).powi(2))
    });
    10.0 * f64::log10(signal / noise)
}

#[test]
fn what_other_programs_write_is_read_as_they_read_it() {
    let scratch = Scratch::new();
    let from = scratch.file("from.wav", &wav(48_000, 1, &sound()));
    let from = from.display().to_string();
    if ffmpeg(&["-i", &from], &scratch.path("try.wav")).is_none() {
        eprintln!("SKIPPED: no ffmpeg here");
        return;
    }
    for (name, arguments, likeness) in FORMATS {
        let path = scratch.path(name);
        let mut all = vec!["-i", &*from];
        all.extend(arguments.split(' '));
        if ffmpeg(&all, &path).is_none() {
            eprintln!("SKIPPED: this ffmpeg writes no {name}");
            continue;
        }
        let info = SoundInfo::read(&path).unwrap();
        let ours = read_mono(&path, info.rate).unwrap();
        let theirs: Vec<f32> = decoded(&path)
            .chunks_exact(info.channels)
            .map(|c| c.iter().sum::<f32>() / c.len() as f32 * 32_768.0)
            .collect();
        let rate = info.rate.hz() as usize;
        let compared = ours.len().min(theirs.len());
        assert!(compared > rate * 9 / 10, "{name}: {compared} samples");
        let worst = (0..compared)
            .map(|n| (f32::from(ours[n]) - theirs[n]).abs())
            .fold(0.0, f32::max);
        match likeness {
            Db(_) => assert!(ours.len().abs_diff(theirs.len()) <= 4_096, "{name}"),
            _ => assert_eq!(ours.len(), theirs.len(), "{name}"),
        }
        match likeness {
            Same => assert!(worst == 0.0, "{name}: {worst} off"),
            Rounded => assert!(worst <= 0.501, "{name}: {worst} off"),
            Db(db) => {
                let ratios = LAGS.iter().map(|lag| alike(&ours[*lag..], &theirs));
                let ratio = ratios.fold(f64::MIN, f64::max);
                assert!(ratio > *db, "{name}: only {ratio:.1} dB alike");
            }
        }
        // And on streams of other rates, as long as it is.
        for hz in [8_000, 16_000, 48_000] {
            let out = read_mono(&path, ClockRate::new(hz).unwrap()).unwrap();
            assert_eq!(
                out.len(),
                (ours.len() * hz as usize).div_ceil(rate),
                "{name}"
            );
        }
    }
}

#[test]
fn what_cannot_be_played_is_one_clear_line() {
    let scratch = Scratch::new();
    let whole = wav(8_000, 1, &noise(1_000));
    let text =
        b"This is no sound, though it is long enough to be looked at by each of the readers. ";
    let cases = [
        (scratch.path("none.wav"), ErrorKind::Device, "no such file"),
        (scratch.path(""), ErrorKind::Device, "is a directory"),
        (
            scratch.file("empty.wav", b""),
            ErrorKind::Device,
            "is empty",
        ),
        (
            Path::new("/dev/zero").to_owned(),
            ErrorKind::Device,
            "is no regular file",
        ),
        (
            scratch.file("text.wav", &text.repeat(100)),
            ErrorKind::NoFormat,
            "no sound file of a known format",
        ),
        (
            scratch.file("head.wav", &whole[..44]),
            ErrorKind::Device,
            "",
        ),
        (
            scratch.file("silent.wav", &wav(8_000, 1, &[])),
            ErrorKind::Device,
            "holds no sound",
        ),
        (
            scratch.file("half.wav", &whole[..30]),
            ErrorKind::NoFormat,
            "no sound file of a known format",
        ),
    ];
    for (path, kind, why) in cases {
        let error = FilePlay::open(&path, PlayOptions::default()).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        let begin = format!("{}: {why}", path.display());
        assert!(error.context().starts_with(&begin), "{error}");
        assert!(!error.to_string().contains('\n'), "{error}");
        assert_eq!(read_mono(&path, ClockRate::HZ_8000).unwrap_err(), error);
    }
    let beyond = PlayOptions {
        start: std::time::Duration::from_secs(1),
        ..PlayOptions::default()
    };
    let path = scratch.file("short.wav", &whole);
    let error = FilePlay::open(&path, beyond).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

#[test]
fn a_codec_that_is_not_there_is_said() {
    let scratch = Scratch::new();
    let from = scratch.file("from.wav", &wav(48_000, 1, &sound()));
    let path = scratch.path("a.opus");
    let from = from.display().to_string();
    if ffmpeg(&["-i", &from, "-c:a", "libopus"], &path).is_none() {
        eprintln!("SKIPPED: no ffmpeg with Opus here");
        return;
    }
    let error = FilePlay::open(&path, PlayOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoFormat);
    assert!(
        error.context().contains("a.opus: its codec is not known"),
        "{error}"
    );
}
