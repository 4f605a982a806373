//! What was agreed, made ready for the media thread: everything that takes memory is made here.

use std::net::SocketAddr;
use std::time::Duration;

use msp_codecs::{CodecRegistry, Decoder};
use msp_core::fault::{self, Fault};
use msp_core::id::PayloadType;
use msp_core::media::MediaDirection;
use msp_core::params::{MediaParams, PayloadMapping};
use msp_core::time::ClockRate;

use crate::error::{Error, ErrorKind};
use crate::playout::{Playout, PlayoutCodec, PlayoutConfig, PlayoutMode};
use crate::sender::SendCodec;

/// Payload types of telephone events that are understood at once: one for each clock.
pub const MAX_EVENT_TYPES: usize = 4;

/// A payload type of telephone events and its clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventType {
    /// The payload type.
    pub payload_type: PayloadType,
    /// The clock of durations.
    pub clock: ClockRate,
}

/// How playout is to work; the rate follows from the codec.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PlayoutDelay {
    /// See [`PlayoutConfig::mode`].
    pub mode: PlayoutMode,
    /// See [`PlayoutConfig::target`].
    pub target: Duration,
    /// See [`PlayoutConfig::max`].
    pub max: Duration,
}

impl PlayoutDelay {
    /// A delay of `target`; see [`PlayoutConfig::fixed`].
    pub const fn fixed(target: Duration) -> Self {
        Self::of(PlayoutConfig::fixed(ClockRate::HZ_8000, target))
    }

    /// For who listens later; see [`PlayoutConfig::recorder`].
    pub const fn recorder() -> Self {
        Self::of(PlayoutConfig::recorder(ClockRate::HZ_8000))
    }

    const fn of(config: PlayoutConfig) -> Self {
        Self {
            mode: config.mode,
            target: config.target,
            max: config.max,
        }
    }
}

impl Default for PlayoutDelay {
    /// Adaptive; see [`PlayoutConfig::new`].
    fn default() -> Self {
        Self::of(PlayoutConfig::new(ClockRate::HZ_8000))
    }
}

/// What a session runs on from [`Session::apply`](super::Session::apply) on. Made on a thread that may take memory.
#[derive(Debug)]
pub struct SessionParams {
    pub(super) direction: MediaDirection,
    pub(super) remote: Option<SocketAddr>,
    pub(super) report_remote: Option<SocketAddr>,
    pub(super) mux: bool,
    pub(super) send: Option<SendCodec>,
    pub(super) send_events: Option<EventType>,
    pub(super) receive_events: Vec<EventType>,
    pub(super) playout: Option<Box<Playout>>,
}

impl SessionParams {
    /// Makes what `agreed` needs, with `codecs`.
    ///
    /// We send in the first codec of `agreed.send` that we have, in packets as long as the peer wishes. What we receive
    /// is played at the sample rate of the first codec of `agreed.receive` that we have; what comes in one of another
    /// rate is converted.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownCodec`] when no codec is known for a direction that is agreed,
    /// [`ErrorKind::UnsupportedRate`] and [`ErrorKind::UnsupportedChannels`] for what cannot be played.
    pub fn new(
        agreed: &MediaParams,
        codecs: &CodecRegistry,
        delay: PlayoutDelay,
    ) -> Result<Self, Error> {
        let find = |m: &PayloadMapping| {
            let spec = &m.codec;
            codecs.find(&spec.name, spec.clock.hz(), spec.channels)
        };
        let wanted = |sends: bool, maps: &[PayloadMapping]| {
            let known = maps.iter().any(|m| find(m).is_some());
            match maps.iter().find(|m| !m.codec.is_telephone_event()) {
                _ if known || !sends => Ok(()),
                Some(m) => Err(Error::new(
                    ErrorKind::UnknownCodec,
                    m.codec.name.to_string(),
                )),
                None => Err(Error::new(ErrorKind::UnknownCodec, "no sound agreed")),
            }
        };
        let direction = agreed.direction;
        wanted(direction.sends(), &agreed.send)?;
        wanted(direction.receives(), &agreed.receive)?;

        let send = agreed.send.iter().find_map(|m| {
            let factory = find(m)?;
            let info = *factory.info();
            let ptime = agreed.ptime.unwrap_or(info.default_ptime);
            let ptime = agreed.max_ptime.map_or(ptime, |max| ptime.min(max));
            Some(SendCodec::new(
                m.payload_type,
                info,
                factory.encoder(),
                ptime,
            ))
        });
        if send.as_ref().is_some_and(|s| s.info().channels != 1) {
            return Err(Error::new(ErrorKind::UnsupportedChannels, "send codec"));
        }
        let send_events = send.as_ref().and_then(|codec| {
            let events = agreed.send_events(codec.info().clock)?;
            Some(EventType {
                payload_type: events.payload_type,
                clock: events.codec.clock,
            })
        });

        let mut rate = None;
        let mut receive = Vec::new();
        for mapping in &agreed.receive {
            let Some(factory) = find(mapping) else {
                continue;
            };
            let info = *factory.info();
            if info.channels != 1 {
                return Err(Error::new(ErrorKind::UnsupportedChannels, info.to_string()));
            }
            rate.get_or_insert(info.sample_rate);
            let decoder = decoder_for(info.name, || factory.decoder());
            receive.push(PlayoutCodec::new(mapping.payload_type, info, decoder));
        }
        let playout = match rate {
            Some(rate) => {
                let config = PlayoutConfig {
                    rate,
                    mode: delay.mode,
                    target: delay.target,
                    max: delay.max,
                };
                Some(Box::new(Playout::new(config, receive)?))
            }
            None => None,
        };
        let events = agreed
            .receive
            .iter()
            .filter(|m| m.codec.is_telephone_event());
        let receive_events = events
            .map(|m| EventType {
                payload_type: m.payload_type,
                clock: m.codec.clock,
            })
            .take(MAX_EVENT_TYPES)
            .collect();
        // An address of all zeros is how RFC 2543 held a call: nothing may be sent there.
        let remote = agreed
            .remote
            .filter(|a| a.port() != 0 && !a.ip().is_unspecified());
        let next_port = remote.and_then(|a| {
            let port = a.port().checked_add(1)?;
            Some(SocketAddr::new(a.ip(), port))
        });
        Ok(Self {
            direction,
            remote,
            report_remote: agreed.rtcp.remote.or(next_port),
            mux: agreed.rtcp.mux,
            send,
            send_events,
            receive_events,
            playout,
        })
    }

    /// Samples a second of what is sent, if anything is.
    pub fn capture_rate(&self) -> Option<ClockRate> {
        self.send.as_ref().map(|s| s.info().sample_rate)
    }

    /// Frames of 10 ms that a packet of what is sent holds, if anything is.
    pub fn packet_frames(&self) -> Option<u32> {
        self.send.as_ref().map(SendCodec::packet_frames)
    }

    /// Samples a second of what is heard, if anything is.
    pub fn render_rate(&self) -> Option<ClockRate> {
        self.playout.as_ref().map(|p| p.rate())
    }
}

/// The decoder for a codec, or the wrong one when that fault is on.
fn decoder_for(name: &str, right: impl FnOnce() -> Box<dyn Decoder>) -> Box<dyn Decoder> {
    // Of all codecs: a call that agreed on nothing but A-law is to be misread too.
    if fault::is_on(Fault::ReadALawAsMuLaw)
        && name.eq_ignore_ascii_case("PCMA")
        && let Some(wrong) = CodecRegistry::builtin().find("PCMU", 8000, 1)
    {
        return wrong.decoder();
    }
    right()
}
