//! Payload types: what the static ones mean, and how encodings are told apart.

use msp_core::id::PayloadType;
use msp_core::params::{CodecSpec, PayloadMapping};
use msp_core::time::ClockRate;

/// The encoding that RFC 3551 section 6 (tables 4 and 5) gives to a payload type for good.
pub(crate) fn static_codec(payload_type: PayloadType) -> Option<CodecSpec> {
    let (name, clock, channels) = match payload_type.0 {
        0 => ("PCMU", 8_000, 1),
        3 => ("GSM", 8_000, 1),
        4 => ("G723", 8_000, 1),
        5 => ("DVI4", 8_000, 1),
        6 => ("DVI4", 16_000, 1),
        7 => ("LPC", 8_000, 1),
        8 => ("PCMA", 8_000, 1),
        9 => ("G722", 8_000, 1),
        10 => ("L16", 44_100, 2),
        11 => ("L16", 44_100, 1),
        12 => ("QCELP", 8_000, 1),
        13 => ("CN", 8_000, 1),
        14 => ("MPA", 90_000, 1),
        15 => ("G728", 8_000, 1),
        16 => ("DVI4", 11_025, 1),
        17 => ("DVI4", 22_050, 1),
        18 => ("G729", 8_000, 1),
        25 => ("CelB", 90_000, 1),
        26 => ("JPEG", 90_000, 1),
        28 => ("nv", 90_000, 1),
        31 => ("H261", 90_000, 1),
        32 => ("MPV", 90_000, 1),
        33 => ("MP2T", 90_000, 1),
        34 => ("H263", 90_000, 1),
        _ => return None,
    };
    Some(CodecSpec {
        name: name.into(),
        clock: ClockRate::new(clock)?,
        channels,
    })
}

/// The numbers that a description may bind, in the order in which we take them: the dynamic range first
/// (RFC 3551 section 3), then what else it leaves unassigned and RTCP does not need (RFC 5761 section 4).
pub(crate) fn free_numbers() -> impl Iterator<Item = PayloadType> {
    (96..=127).chain(35..=63).map(PayloadType)
}

/// Whether the encoding carries sound by itself, unlike events and comfort noise, which go with a codec.
pub(crate) fn is_sound(codec: &CodecSpec) -> bool {
    !codec.is_telephone_event() && !is_companion(codec)
}

/// Whether the encoding fills the pauses of a codec of the same clock (RFC 3389), or wraps others.
fn is_companion(codec: &CodecSpec) -> bool {
    ["CN", "red"]
        .iter()
        .any(|name| codec.name.eq_ignore_ascii_case(name))
}

/// Of `mappings`, in their order of preference, the first sound encoding and what goes with it: events and
/// comfort noise of its clock; events of another clock if there are none of its own.
pub(crate) fn single_codec(mappings: Vec<PayloadMapping>) -> Vec<PayloadMapping> {
    let Some(chosen) = mappings.iter().find(|m| is_sound(&m.codec)).cloned() else {
        return Vec::new();
    };
    let clock = chosen.codec.clock;
    let fitting = mappings
        .iter()
        .any(|m| m.codec.is_telephone_event() && m.codec.clock == clock);
    let mut events = 0;
    let mut kept = vec![chosen];
    for mapping in mappings {
        let keep = if mapping.codec.is_telephone_event() {
            events += 1;
            if fitting {
                mapping.codec.clock == clock
            } else {
                events == 1
            }
        } else {
            !is_sound(&mapping.codec) && mapping.codec.clock == clock
        };
        if keep {
            kept.push(mapping);
        }
    }
    kept
}
