use super::*;
use crate::testing::{Scratch, noise, wav};

#[test]
fn one_channel_is_kept_and_several_are_their_mean() {
    for sample in [i16::MIN, -1, 0, 1, 12_345, i16::MAX] {
        let float = f32::from(sample) / 32_768.0;
        assert_eq!(mean(&[float]), sample);
        assert_eq!(mean(&[float; 6]), sample);
        assert_eq!(
            mean(&[float, 0.0]),
            (f32::from(sample) / 2.0).round() as i16
        );
    }
    assert_eq!(mean(&[1.5]), i16::MAX);
    assert_eq!(mean(&[f32::NAN]), 0);
}

#[test]
fn a_header_written_before_the_length_was_known_is_no_broken_promise() {
    let scratch = Scratch::new();
    let sound = noise(1_000);
    for length in [u32::MAX, 0x7fff_ffff, 0x7fff_f000, 0xffff_ffff - 36] {
        let mut bytes = wav(8_000, 1, &sound);
        bytes[40..44].copy_from_slice(&length.to_le_bytes());
        bytes[4..8].copy_from_slice(&length.saturating_add(36).to_le_bytes());
        let path = scratch.file("a.wav", &bytes);
        let mut feed = Feed::open(&path, ClockRate::HZ_8000, Duration::ZERO).unwrap();
        let mut out = Vec::new();
        while feed.next(&mut out).unwrap() {}
        assert_eq!(out, sound, "{length:#x}");
        assert_eq!(SoundInfo::read(&path).unwrap().length, None);
    }
}

#[test]
fn a_file_begins_where_it_is_asked_to() {
    let scratch = Scratch::new();
    let sound = noise(20_000);
    let path = scratch.file("a.wav", &wav(8_000, 1, &sound));
    let feed = |ms| Feed::open(&path, ClockRate::HZ_8000, Duration::from_millis(ms));
    for ms in [0, 1, 500, 2_499] {
        let mut out = Vec::new();
        let mut feed = feed(ms).unwrap();
        while feed.next(&mut out).unwrap() {}
        assert!(out == sound[ms as usize * 8..], "{ms} ms");
    }
    let beyond = feed(2_501).map(|_| ()).unwrap_err();
    assert_eq!(beyond.kind(), ErrorKind::InvalidArgument);
}

#[test]
fn a_reader_that_panics_is_an_error() {
    let scratch = Scratch::new();
    // More channels than a mask of them has bits, of which none is set.
    let mut bytes = b"RIFF\x64\0\0\0WAVEfmt \x28\0\0\0\xfe\xff".to_vec();
    for (field, len) in [
        (40, 2),
        (8_000, 4),
        (640_000, 4),
        (80, 2),
        (16, 2),
        (22, 2),
        (16, 2),
        (0, 4),
    ] {
        bytes.extend(&u32::to_le_bytes(field)[..len]);
    }
    bytes.extend(b"\x01\0\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71data\x28\0\0\0");
    bytes.extend([1; 80]);
    let path = scratch.file("a.wav", &bytes);
    // Where arithmetic wraps instead of panicking, it may even be played.
    if let Err(error) = SoundInfo::read(&path) {
        assert!(error.context().contains("a.wav: "), "{error}");
    }
}
