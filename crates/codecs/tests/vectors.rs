//! The ITU's own vectors for G.711, which lie beside the checkout where it is developed.

use std::path::PathBuf;

use msp_codecs::{CodecRegistry, Pcma, g711, round_trip};
use proptest::prelude::*;

fn words(name: &str) -> Option<Vec<i16>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/corpora/08-codecs/g711")
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

// Shows: G.711 A-law, each sample | ITU-T G.711, G.191
#[test]
fn alaw_is_bit_exact_with_the_itu_sweep() {
    let (Some(source), Some(coded), Some(decoded), Some(both)) = (
        words("sweep.src"),
        words("sweep-r.a"),
        words("sweep-r.rea"),
        words("sweep-r.a-a"),
    ) else {
        return;
    };
    assert_eq!(source.len(), 65_536);
    let encoded: Vec<i16> = source
        .iter()
        .map(|s| i16::from(g711::alaw_encode(*s)))
        .collect();
    assert!(encoded == coded, "encoder");
    let heard: Vec<i16> = coded.iter().map(|c| g711::alaw_decode(*c as u8)).collect();
    assert!(heard == decoded, "decoder");
    assert!(round_trip(&Pcma, &source).unwrap() == both, "both");
}

proptest! {
    #[test]
    fn any_bytes_decode_to_as_many_samples_as_the_codec_says(payload in prop::collection::vec(any::<u8>(), 0..700)) {
        for codec in CodecRegistry::builtin().iter() {
            let info = codec.info();
            let mut out = vec![0; info.max_samples(payload.len())];
            let samples = codec.decoder().decode(&payload, &mut out).ok();
            prop_assert_eq!(samples, info.samples(payload.len()));
        }
    }

    #[test]
    fn a_round_trip_keeps_length_and_nearly_the_sound(pcm in prop::collection::vec(any::<i16>(), 0..1000)) {
        for codec in CodecRegistry::builtin().iter() {
            let heard = round_trip(codec.as_ref(), &pcm).unwrap();
            prop_assert_eq!(heard.len(), pcm.len());
            for (a, b) in pcm.iter().zip(&heard) {
                // The coarsest step of G.711 is 1,024 of 16 bits, and µ-law clips its top.
                prop_assert!(a.abs_diff(*b) <= 644, "{} {a} {b}", codec.info());
            }
            prop_assert_eq!(&round_trip(codec.as_ref(), &heard).unwrap(), &heard, "a second trip changes nothing");
        }
    }
}
