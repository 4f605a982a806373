use super::*;

/// A-law by the words of G.711: the decision values of table 1a are 0, 2, .. 62, then 13 segments double the step; a
/// value belongs to the interval whose lower end it reaches. 13 bits, of which the lowest never decides.
fn alaw_by_the_recommendation(sample: i16) -> u8 {
    let magnitude = i32::from(if sample < 0 { !sample } else { sample } >> 3);
    let mut lower_ends = Vec::new();
    let (mut end, mut step) = (0, 2);
    for segment in 0..8 {
        for _ in 0..16 {
            lower_ends.push(end);
            end += step;
        }
        if segment > 0 {
            step *= 2;
        }
    }
    assert_eq!(end, 4096, "the virtual decision value of table 1a");
    let code = lower_ends.iter().rposition(|e| *e <= magnitude).unwrap() as u8;
    (code | if sample < 0 { 0 } else { 0x80 }) ^ 0x55
}

/// µ-law by the words of G.711: the decision values of table 2a are 0, 1, 3, 5 .. 31, 35, 39 .. 95, 103 ..; 14 bits.
fn ulaw_by_the_recommendation(sample: i16) -> u8 {
    let magnitude = i32::from(if sample < 0 { !sample } else { sample } >> 2);
    let mut lower_ends = vec![0];
    let (mut end, mut step) = (1, 2);
    for segment in 0..8 {
        for _ in if segment == 0 { 1..16 } else { 0..16 } {
            lower_ends.push(end);
            end += step;
        }
        step *= 2;
    }
    assert_eq!(end, 8159, "the virtual decision value of table 2a");
    let code = lower_ends.iter().rposition(|e| *e <= magnitude).unwrap() as u8;
    !(code | if sample < 0 { 0x80 } else { 0 })
}

#[test]
fn every_sample_encodes_as_the_recommendation_says() {
    for sample in i16::MIN..=i16::MAX {
        assert_eq!(
            alaw_encode(sample),
            alaw_by_the_recommendation(sample),
            "A-law of {sample}"
        );
        assert_eq!(
            ulaw_encode(sample),
            ulaw_by_the_recommendation(sample),
            "µ-law of {sample}"
        );
    }
}

#[test]
fn a_decoded_byte_encodes_to_itself() {
    for byte in 0..=u8::MAX {
        assert_eq!(alaw_encode(alaw_decode(byte)), byte);
        // µ-law has two zeros; a sample has one, which is the positive one.
        let expected = if byte == 0x7f { 0xff } else { byte };
        assert_eq!(ulaw_encode(ulaw_decode(byte)), expected);
    }
}

#[test]
fn values_of_the_recommendation() {
    // Character signals as tables 1 and 2 print them; A-law after its even bits are inverted.
    assert_eq!([alaw_encode(0), alaw_encode(-1)], [0xd5, 0x55]);
    assert_eq!([alaw_encode(i16::MAX), alaw_encode(i16::MIN)], [0xaa, 0x2a]);
    assert_eq!([ulaw_encode(0), ulaw_encode(-1)], [0xff, 0x7f]);
    assert_eq!([ulaw_encode(i16::MAX), ulaw_encode(i16::MIN)], [0x80, 0x00]);
    // The outermost values at the decoder's output: 4032 of 13 bits, 8031 of 14 bits.
    assert_eq!(
        [alaw_decode(0xaa), alaw_decode(0x2a)],
        [4032 << 3, -4032 << 3]
    );
    assert_eq!(
        [ulaw_decode(0x80), ulaw_decode(0x00)],
        [8031 << 2, -8031 << 2]
    );
}

/// The digital milliwatt of tables 5 and 6: a sine of 1 kHz at 0 dBm0.
#[test]
fn the_digital_milliwatt_is_a_sine() {
    let alaw = [0x34, 0x21, 0x21, 0x34, 0xb4, 0xa1, 0xa1, 0xb4].map(alaw_decode);
    let ulaw = [0x1e, 0x0b, 0x0b, 0x1e, 0x9e, 0x8b, 0x8b, 0x9e].map(ulaw_decode);
    for law in [alaw, ulaw] {
        let power: f64 = law.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / 8.0;
        let dbov = 10.0 * (power / (32_768f64.powi(2) / 2.0)).log10();
        // 3.14 dB under the overload point of A-law, 3.17 dB under that of µ-law, which lies a little lower.
        assert!((-3.35..-3.05).contains(&dbov), "{dbov}");
    }
}

#[test]
fn a_short_buffer_is_an_error_that_names_the_length() {
    let error = Pcmu.encode(&[0; 160], &mut [0; 159]).unwrap_err();
    assert_eq!(
        error.kind(),
        CodecErrorKind::OutputTooSmall {
            needed: 160,
            available: 159
        }
    );
    assert_eq!(
        error.to_string(),
        "PCMU: the result takes 160, the buffer has 159"
    );
    assert!(Pcma.decode(&[0; 2], &mut [0; 1]).is_err());
    assert_eq!(Pcma.decode(&[], &mut []), Ok(0));
}
