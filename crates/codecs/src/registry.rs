//! The codecs that a program has, in the order in which it prefers them.

use std::sync::Arc;

use msp_core::id::PayloadType;

use crate::{CodecError, CodecErrorKind, CodecFactory, L16, Pcma, Pcmu};

/// Codecs in the order of preference, each name, clock and channel count at most once.
///
/// Cheap to clone: the factories are shared.
#[derive(Clone, Debug, Default)]
pub struct CodecRegistry {
    codecs: Vec<Arc<dyn CodecFactory>>,
}

impl CodecRegistry {
    /// A registry without any codec.
    pub const fn new() -> Self {
        Self { codecs: Vec::new() }
    }

    /// The codecs that need nothing but this crate, best known first: what every peer speaks before what takes eight
    /// times the bits.
    pub fn builtin() -> Self {
        Self {
            codecs: vec![
                Arc::new(Pcmu),
                Arc::new(Pcma),
                Arc::new(L16::HZ_16000),
                Arc::new(L16::HZ_48000),
                Arc::new(L16::HZ_44100),
                Arc::new(L16::HZ_8000),
            ],
        }
    }

    /// Adds a codec behind all others.
    ///
    /// # Errors
    /// [`AlreadyRegistered`](CodecErrorKind::AlreadyRegistered) if there is one of that name, clock and channel count.
    pub fn register(&mut self, codec: Arc<dyn CodecFactory>) -> Result<(), CodecError> {
        let info = codec.info();
        if self
            .find(info.name, info.clock.hz(), info.channels)
            .is_some()
        {
            return Err(CodecError::new(
                CodecErrorKind::AlreadyRegistered,
                info.to_string(),
            ));
        }
        self.codecs.push(codec);
        Ok(())
    }

    /// The codec that an `a=rtpmap` line means; the case of the name does not count.
    pub fn find(&self, name: &str, clock_hz: u32, channels: u8) -> Option<&Arc<dyn CodecFactory>> {
        self.codecs
            .iter()
            .find(|c| c.info().is(name, clock_hz, channels))
    }

    /// The codec that has this payload type for good (RFC 3551 section 6).
    pub fn find_static(&self, payload_type: PayloadType) -> Option<&Arc<dyn CodecFactory>> {
        self.codecs
            .iter()
            .find(|c| c.info().static_payload_type == Some(payload_type))
    }

    /// The codecs, most preferred first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<dyn CodecFactory>> {
        self.codecs.iter()
    }

    /// A registry of the codecs that `wanted` names, in that order.
    ///
    /// Each is written `NAME`, `NAME/CLOCK` or `NAME/CLOCK/CHANNELS`; what is left out stands for all there are.
    ///
    /// # Errors
    /// [`Unknown`](CodecErrorKind::Unknown) with the one that names no codec of this registry.
    pub fn select<'a>(
        &self,
        wanted: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, CodecError> {
        let mut selected = Self::new();
        for spec in wanted {
            let mut parts = spec.trim().split('/');
            let name = parts.next().unwrap_or_default();
            let (clock, channels, rest) = (parts.next(), parts.next(), parts.next());
            let mut found = false;
            for codec in &self.codecs {
                let info = codec.info();
                let matches = info.name.eq_ignore_ascii_case(name)
                    && clock.is_none_or(|c| c.parse() == Ok(info.clock.hz()))
                    && channels.is_none_or(|c| c.parse() == Ok(info.channels))
                    && rest.is_none();
                if matches {
                    found = true;
                    if selected
                        .find(info.name, info.clock.hz(), info.channels)
                        .is_none()
                    {
                        selected.codecs.push(Arc::clone(codec));
                    }
                }
            }
            if !found {
                return Err(CodecError::new(CodecErrorKind::Unknown, spec.to_owned()));
            }
        }
        Ok(selected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(registry: &CodecRegistry) -> Vec<String> {
        registry.iter().map(|c| c.info().to_string()).collect()
    }

    #[test]
    fn names_are_found_whatever_their_case() {
        let codecs = CodecRegistry::builtin();
        assert_eq!(codecs.find("pcmU", 8000, 1).unwrap().info().name, "PCMU");
        assert!(codecs.find("PCMU", 16_000, 1).is_none());
        assert!(codecs.find("PCMU", 8000, 2).is_none());
        assert_eq!(
            codecs.find_static(PayloadType(0)).unwrap().info().name,
            "PCMU"
        );
        assert_eq!(
            codecs.find_static(PayloadType(8)).unwrap().info().name,
            "PCMA"
        );
        assert_eq!(
            codecs
                .find_static(PayloadType(11))
                .unwrap()
                .info()
                .to_string(),
            "L16/44100"
        );
        assert!(codecs.find_static(PayloadType(96)).is_none());
    }

    #[test]
    fn a_selection_keeps_the_order_that_was_asked_for() {
        let codecs = CodecRegistry::builtin();
        let selected = codecs
            .select(["l16/16000", "PCMU", "pcmu/8000/1", "L16"])
            .unwrap();
        assert_eq!(
            names(&selected),
            [
                "L16/16000",
                "PCMU/8000",
                "L16/48000",
                "L16/44100",
                "L16/8000"
            ]
        );
        for unknown in [
            "opus",
            "PCMU/16000",
            "PCMU/8000/2",
            "PCMU/8000/1/1",
            "PCMU/",
            "",
            "PCMU/x",
        ] {
            let error = codecs.select([unknown]).unwrap_err();
            assert_eq!(
                (error.kind(), error.codec()),
                (CodecErrorKind::Unknown, unknown)
            );
        }
    }

    #[test]
    fn a_codec_is_registered_once() {
        let mut codecs = CodecRegistry::new();
        codecs.register(Arc::new(Pcmu)).unwrap();
        let error = codecs.register(Arc::new(Pcmu)).unwrap_err();
        assert_eq!(error.to_string(), "codec PCMU/8000 is registered already");
        codecs.register(Arc::new(Pcma)).unwrap();
        assert_eq!(names(&codecs), ["PCMU/8000", "PCMA/8000"]);
    }
}
