//! What we offer of a stream pair, and what of an agreement can be carried.

use std::sync::Arc;
use std::time::Duration;

use msp_codecs::{CodecFactory, CodecInfo, CodecRegistry};
use msp_core::id::PayloadType;
use msp_core::media::MediaKind;
use msp_core::params::{
    CodecSpec, KeyParams, LocalAddress, MasterKey, MediaParams, PayloadMapping, RtcpParams,
    SecurityPolicy,
};
use msp_core::time::ClockRate;
use msp_core::{Error, ErrorKind, Result};

use msp_core::link::PrepareSlot;

use crate::config::EngineConfig;

/// Payload types for codecs that have none for good, apart from those that other programs use for events.
const DYNAMIC: [std::ops::RangeInclusive<u8>; 2] = [96..=100, 110..=127];

/// Payload types for telephone events, one for each clock rate; the first is the one that most programs use.
const EVENTS: std::ops::RangeInclusive<u8> = 101..=109;

/// The digits 0 to 9, `*`, `#` and A to D (RFC 4733 section 3.2).
const DIGITS: &str = "0-15";

/// The longest packet that we take.
const MAX_PTIME: Duration = Duration::from_millis(120);

/// Where a pair receives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ports {
    /// For media.
    pub(crate) rtp: LocalAddress,
    /// For reports, unless they share.
    pub(crate) rtcp: Option<LocalAddress>,
}

/// The mappings that we offer: each codec of the registry that has one channel, then events for each clock rate.
/// They are the same for each offer of an engine, so that a number never changes its meaning within a call.
pub(crate) fn mappings(codecs: &CodecRegistry) -> Vec<PayloadMapping> {
    let mut dynamic = DYNAMIC.into_iter().flatten();
    let mut mappings = Vec::new();
    let mut clocks: Vec<ClockRate> = Vec::new();
    for info in codecs.iter().map(|c| c.info()).filter(|c| carried(c)) {
        let number = info.static_payload_type.map(|pt| pt.0);
        let Some(number) = number.or_else(|| dynamic.next()) else {
            break;
        };
        mappings.push(PayloadMapping {
            payload_type: PayloadType(number),
            codec: spec(info),
            parameters: None,
        });
        if !clocks.contains(&info.clock) {
            clocks.push(info.clock);
        }
    }
    // Most peers know events at 8,000 Hz only, under the number that comes first.
    clocks.sort_by_key(|c| *c != ClockRate::HZ_8000);
    for (number, clock) in EVENTS.zip(clocks) {
        mappings.push(PayloadMapping {
            payload_type: PayloadType(number),
            codec: CodecSpec::mono(CodecSpec::TELEPHONE_EVENT, clock),
            parameters: Some(DIGITS.into()),
        });
    }
    mappings
}

/// What we can do on a prepared slot.
pub(crate) fn local(
    config: &EngineConfig,
    slot: &PrepareSlot,
    ports: Ports,
    policy: SecurityPolicy,
    keys: &[MasterKey],
) -> MediaParams {
    let mappings = mappings(&config.codecs);
    MediaParams {
        profile: slot.profile,
        policy,
        keys: KeyParams {
            send: keys.to_vec(),
            receive: Vec::new(),
        },
        direction: slot.direction,
        receive: mappings.clone(),
        send: mappings,
        ptime: Some(config.ptime),
        max_ptime: Some(MAX_PTIME),
        local: Some(ports.rtp),
        rtcp: RtcpParams {
            mux: ports.rtcp.is_none(),
            local: ports.rtcp,
            ..RtcpParams::default()
        },
        ..MediaParams::new(slot.slot, slot.kind)
    }
}

/// A slot that we will not have: of a kind that we do not carry, or beyond the streams of the call.
pub(crate) fn refused(slot: &PrepareSlot) -> MediaParams {
    MediaParams {
        refused: true,
        ..MediaParams::new(slot.slot, slot.kind)
    }
}

/// Whether media can run under `params`.
///
/// # Errors
/// [`ErrorKind::PeerIncompatible`] when there is no codec in common.
pub(crate) fn check(codecs: &CodecRegistry, params: &MediaParams) -> Result<()> {
    let incompatible = |what: &str| {
        Error::new(
            ErrorKind::PeerIncompatible,
            format!("slot {}: {what}", params.slot),
        )
    };
    if params.kind != MediaKind::Audio {
        return Err(Error::new(
            ErrorKind::InvalidMediaType,
            format!("slot {}", params.slot),
        ));
    }
    chosen(codecs, params)
        .map(|_| ())
        .ok_or_else(|| incompatible("no codec in common"))
}

/// The encoding that is sent under `params`: the peer's first that we have too.
pub(crate) fn chosen<'a>(
    codecs: &'a CodecRegistry,
    params: &'a MediaParams,
) -> Option<(&'a PayloadMapping, &'a Arc<dyn CodecFactory>)> {
    let sounds = params.send.iter().filter(|m| !m.codec.is_telephone_event());
    let mut known = sounds.filter_map(|m| Some((m, find(codecs, m)?)));
    known.next()
}

/// The codec that a mapping means, if we have it.
pub(crate) fn find<'a>(
    codecs: &'a CodecRegistry,
    mapping: &PayloadMapping,
) -> Option<&'a Arc<dyn CodecFactory>> {
    let spec = &mapping.codec;
    let codec = codecs.find(&spec.name, spec.clock.hz(), spec.channels)?;
    carried(codec.info()).then_some(codec)
}

/// Whether we carry sound of a codec: one channel, and 10 ms of it a whole number of samples.
fn carried(info: &CodecInfo) -> bool {
    let hz = info.sample_rate.hz();
    info.channels == 1 && hz.is_multiple_of(100) && (8000..=48_000).contains(&hz)
}

fn spec(info: &CodecInfo) -> CodecSpec {
    CodecSpec::mono(info.name, info.clock)
}

#[cfg(test)]
mod tests {
    use super::*;
    use msp_core::params::MediaSlot;

    fn written(codecs: &CodecRegistry) -> Vec<String> {
        mappings(codecs)
            .iter()
            .map(|m| format!("{} {}/{}", m.payload_type, m.codec.name, m.codec.clock.hz()))
            .collect()
    }

    #[test]
    fn codecs_come_in_the_order_of_the_registry_and_events_for_each_clock() {
        let all = CodecRegistry::builtin();
        assert_eq!(
            written(&all),
            [
                "0 PCMU/8000",
                "8 PCMA/8000",
                "96 L16/16000",
                "97 L16/48000",
                "11 L16/44100",
                "98 L16/8000",
                "101 telephone-event/8000",
                "102 telephone-event/16000",
                "103 telephone-event/48000",
                "104 telephone-event/44100",
            ]
        );
        let wide = all.select(["L16/16000", "PCMA"]).unwrap();
        assert_eq!(
            written(&wide),
            [
                "96 L16/16000",
                "8 PCMA/8000",
                "101 telephone-event/8000",
                "102 telephone-event/16000"
            ]
        );
    }

    #[test]
    fn the_first_codec_that_we_have_is_sent() {
        let codecs = CodecRegistry::builtin();
        let mapping = |name: &str, hz| PayloadMapping {
            payload_type: PayloadType(96),
            codec: CodecSpec::mono(name, ClockRate::new(hz).unwrap()),
            parameters: None,
        };
        let mut params = MediaParams::new(MediaSlot(0), MediaKind::Audio);
        assert_eq!(
            check(&codecs, &params).unwrap_err().kind(),
            ErrorKind::PeerIncompatible
        );
        params.send = vec![
            mapping("telephone-event", 8000),
            mapping("speex", 8000),
            mapping("pcma", 8000),
            mapping("PCMU", 8000),
        ];
        let (_, codec) = chosen(&codecs, &params).unwrap();
        assert_eq!(codec.info().name, "PCMA");
        assert!(check(&codecs, &params).is_ok());
    }
}
