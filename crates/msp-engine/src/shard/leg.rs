//! What the control side makes ready for a leg: its session, and what was agreed on.

use std::fmt;
use std::time::Duration;

use msp_core::id::{LegId, SequenceNumber, Ssrc};
use msp_core::params::MediaParams;
use msp_core::terminal::FRAME;
use msp_core::{Error, ErrorKind, Result};
use msp_rtp::digits::DigitTiming;
use msp_rtp::protect::Protect;
use msp_rtp::rtcp::WallClock;
use msp_rtp::{Session, SessionConfig, SessionParams};

use crate::config::EngineConfig;
use crate::control::security;
use crate::random::Random;

/// After so many frames that were skipped, playout has nothing left from before.
pub(super) fn stale_frames(config: &EngineConfig) -> u64 {
    let frames = 2 * config.playout_delay().max.as_nanos() / FRAME.as_nanos();
    u64::try_from(frames).unwrap_or(u64::MAX)
}

/// A session of which nothing is agreed yet: it holds what comes.
pub(crate) fn session(
    config: &EngineConfig,
    wall: WallClock,
    random: &mut dyn Random,
) -> Box<Session> {
    let timing = DigitTiming {
        duration: config.digit_length,
        ..DigitTiming::default()
    };
    Box::new(Session::new(&SessionConfig {
        ssrc: Ssrc(random.next_u32()),
        sequence: SequenceNumber(random.next_u32() as u16),
        timestamp: random.next_u32(),
        // Peers read it: of what the seed makes it would tell the rest.
        cname: format!("{:016x}", random.next_u64()),
        digits: timing,
        // Who wants none waits for ever.
        keep_alive: config.keep_alive.unwrap_or(Duration::MAX),
        ..SessionConfig::new(random.next_u64(), wall)
    }))
}

/// What was agreed on for a leg, ready to be swapped in.
pub(crate) struct LegChange {
    pub(super) leg: LegId,
    /// For a leg that is new.
    pub(super) fresh: Option<Box<Session>>,
    /// What is to run; after the swap, what ran.
    pub(super) params: Option<SessionParams>,
    /// What is to secure packets; after the swap, what is no longer needed.
    pub(super) protect: Option<Box<dyn Protect>>,
    /// Frames that a packet holds; 1 if none is sent.
    pub(super) packet_frames: u64,
}

impl LegChange {
    /// Makes everything that `agreed` needs. A leg that the shard does not know yet needs a `fresh` session.
    ///
    /// # Errors
    /// [`ErrorKind::NoFormat`] for what cannot be played, and [`ErrorKind::PeerIncompatible`] for what is not as safe as it
    /// has to be, with the slot it is about.
    pub(crate) fn new(
        leg: LegId,
        config: &EngineConfig,
        agreed: &MediaParams,
        fresh: Option<Box<Session>>,
    ) -> Result<Box<Self>> {
        let delay = config.playout_delay();
        let mut agreed = agreed.clone();
        agreed.ptime.get_or_insert(config.ptime);
        let params = SessionParams::new(&agreed, &config.codecs, delay).map_err(|e| {
            let slot = agreed.slot;
            Error::new(ErrorKind::NoFormat, format!("slot {slot}: {e}"))
        })?;
        Ok(Box::new(Self {
            leg,
            fresh,
            protect: security::protect(&agreed)?.map(|srtp| srtp as Box<dyn Protect>),
            packet_frames: params.packet_frames().map_or(1, u64::from),
            params: Some(params),
        }))
    }

    /// The sample rates of what is sent and of what is heard.
    pub(crate) fn rates(&self) -> [Option<msp_core::time::ClockRate>; 2] {
        let params = self.params.as_ref();
        [
            params.and_then(SessionParams::capture_rate),
            params.and_then(SessionParams::render_rate),
        ]
    }
}

impl fmt::Debug for LegChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LegChange({})", self.leg)
    }
}

#[cfg(test)]
mod tests {
    use msp_core::id::PayloadType;
    use msp_core::media::MediaKind;
    use msp_core::params::{CodecSpec, MediaSlot, PayloadMapping};
    use msp_core::time::ClockRate;

    use super::*;

    fn packet_frames(ptime_ms: u64, max_ptime_ms: Option<u64>) -> u64 {
        let config = EngineConfig::default();
        let codec = CodecSpec::mono("PCMU", ClockRate::HZ_8000);
        let agreed = MediaParams {
            send: vec![PayloadMapping {
                payload_type: PayloadType(0),
                codec,
                parameters: None,
            }],
            ptime: Some(Duration::from_millis(ptime_ms)),
            max_ptime: max_ptime_ms.map(Duration::from_millis),
            direction: msp_core::media::MediaDirection::SendOnly,
            ..MediaParams::new(MediaSlot(0), MediaKind::Audio)
        };
        let change = LegChange::new(LegId::FIRST, &config, &agreed, None).unwrap();
        change.packet_frames
    }

    #[test]
    fn a_packet_counts_the_frames_that_it_is_sent_with() {
        assert_eq!(packet_frames(20, None), 2);
        assert_eq!(packet_frames(35, None), 3);
        assert_eq!(packet_frames(200, None), 6);
        assert_eq!(packet_frames(20, Some(10)), 1);
        assert_eq!(packet_frames(40, Some(30)), 3);
    }
}
