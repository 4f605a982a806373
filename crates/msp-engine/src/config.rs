//! What can be set about an engine.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use msp_codecs::CodecRegistry;
use msp_core::registry::TerminalRegistry;
use msp_core::trace::Trace;
use msp_core::{Error, ErrorKind, Result};
use msp_rtp::playout::PlayoutMode;
use msp_rtp::session::PlayoutDelay;

use crate::ports::PortPool;

/// How long a fixed playout waits unless asked otherwise.
const FIXED_TARGET: Duration = Duration::from_millis(60);

/// Settings of an engine. Made with [`Default`] and changed one by one; checked when the engine starts.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    pub(crate) ports: RangeInclusive<u16>,
    pub(crate) bind: Vec<IpAddr>,
    pub(crate) advertise: Vec<IpAddr>,
    pub(crate) shards: usize,
    pub(crate) rtcp_mux: bool,
    pub(crate) priority: bool,
    pub(crate) low_delay: bool,
    pub(crate) playout: PlayoutMode,
    pub(crate) playout_target: Option<Duration>,
    pub(crate) ptime: Duration,
    pub(crate) keep_alive: Option<Duration>,
    pub(crate) media_timeout: Option<Duration>,
    pub(crate) quarantine: Duration,
    pub(crate) digit_length: Duration,
    pub(crate) codecs: CodecRegistry,
    pub(crate) terminals: TerminalRegistry,
    pub(crate) trace: Trace,
}

impl EngineConfig {
    /// The ports of an engine that is not told others.
    pub const PORTS: RangeInclusive<u16> = 16_384..=32_767;
}

impl Default for EngineConfig {
    /// Ports 16384 to 32767, all addresses of this machine, one shard for each core, reports on a port of their own,
    /// threads that go first, each frame worked off when it is due, playout that adapts to the network, packets of 20 ms, a keep-alive after 15 s without sending, no media timeout, ports that rest
    /// for 5 s, digits of 100 ms, the codecs built in, no terminal classes, no trace.
    fn default() -> Self {
        Self {
            ports: Self::PORTS,
            bind: vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()],
            advertise: Vec::new(),
            shards: std::thread::available_parallelism().map_or(1, usize::from),
            rtcp_mux: false,
            priority: true,
            low_delay: true,
            playout: PlayoutMode::Adaptive,
            playout_target: None,
            ptime: Duration::from_millis(20),
            keep_alive: Some(Duration::from_secs(15)),
            media_timeout: None,
            quarantine: Duration::from_secs(5),
            digit_length: Duration::from_millis(100),
            codecs: CodecRegistry::builtin(),
            terminals: TerminalRegistry::default(),
            trace: Trace::OFF,
        }
    }
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $type:ty,)*) => {
        $(
            $(#[$doc])*
            #[must_use]
            pub fn $name(mut self, $name: $type) -> Self {
                self.$name = $name;
                self
            }
        )*
    };
}

impl EngineConfig {
    setters! {
        /// The UDP ports to use: even ones for media, each with the odd one above it for reports.
        ports: RangeInclusive<u16>,
        /// The addresses to bind, at most one of each family; a family without one is not served. An unspecified
        /// address binds all, and tells peers the one that the way to them begins with.
        bind: Vec<IpAddr>,
        /// What peers are told instead of the bound address, at most one of each family: the outside of a NAT.
        advertise: Vec<IpAddr>,
        /// Media threads.
        shards: usize,
        /// Reports share the port of the media (RFC 5761); else they have the next port.
        rtcp_mux: bool,
        /// Media threads go before ordinary ones, as far as the system allows it.
        priority: bool,
        /// Each frame of 10 ms is worked off when it is due. Else the two frames of a packet are worked off together, at
        /// little more than half the cost; the first of them is then heard, and pulled, up to 10 ms later.
        low_delay: bool,
        /// What playout does about a network whose delay varies.
        playout: PlayoutMode,
        /// How long playout waits, instead of the usual time of its mode: from the first packet on where it adapts (20 ms
        /// else) or leaves out nothing (200 ms), and all along where it is fixed (60 ms).
        playout_target: Option<Duration>,
        /// How much sound a packet holds unless the peer asks for another length: 10 to 60 ms in steps of 10.
        ptime: Duration,
        /// Something is sent after so long without sending, to keep the path through NATs open (RFC 6263).
        keep_alive: Option<Duration>,
        /// A received stream counts as gone after so long without media while the peer ought to send.
        media_timeout: Option<Duration>,
        /// How long a port rests before another call gets it.
        quarantine: Duration,
        /// How long a digit that is sent is pressed: 40 ms to 8 s.
        digit_length: Duration,
        /// The codecs, most preferred first.
        codecs: CodecRegistry,
        /// The classes that terminals can be made of.
        terminals: TerminalRegistry,
        /// Who gets to know everything that happens.
        trace: Trace,
    }

    /// Sets one option by its name, as a file or a command line has it: `ports` (`16384-32767`), `bind` and `advertise`
    /// (addresses with commas between), `shards`, `rtcp-mux`, `priority` and `low-delay` (`on`, `off`), `playout` (`adaptive`, `fixed`, `recorder`), `playout-target`, `ptime`, `keep-alive`,
    /// `media-timeout`, `quarantine`, `digit-length` (`20ms`, `5s`; `off` where that has a sense), `codecs`
    /// (`PCMA,L16/16000`).
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] that names the option if it is unknown or does not take this value.
    pub fn set(&mut self, option: &str, value: &str) -> Result<()> {
        let bad = || invalid(option, value);
        match option {
            "ports" => {
                let (first, last) = value.split_once('-').ok_or_else(bad)?;
                self.ports = parse(option, first)?..=parse(option, last)?;
            }
            "bind" => self.bind = list(option, value)?,
            "advertise" => self.advertise = list(option, value)?,
            "shards" => self.shards = parse(option, value)?,
            "rtcp-mux" => self.rtcp_mux = switch(option, value)?,
            "priority" => self.priority = switch(option, value)?,
            "low-delay" => self.low_delay = switch(option, value)?,
            "playout" => {
                self.playout = match value {
                    "adaptive" => PlayoutMode::Adaptive,
                    "fixed" => PlayoutMode::Fixed,
                    "recorder" => PlayoutMode::Recorder,
                    _ => return Err(bad()),
                }
            }
            "playout-target" => self.playout_target = Some(duration(option, value)?),
            "ptime" => self.ptime = duration(option, value)?,
            "keep-alive" => self.keep_alive = optional(option, value)?,
            "media-timeout" => self.media_timeout = optional(option, value)?,
            "quarantine" => self.quarantine = duration(option, value)?,
            "digit-length" => self.digit_length = duration(option, value)?,
            "codecs" => {
                let selected = self.codecs.select(value.split(','));
                self.codecs = selected
                    .map_err(|e| Error::new(ErrorKind::InvalidArgument, format!("codecs: {e}")))?;
            }
            _ => {
                return Err(Error::new(
                    ErrorKind::InvalidArgument,
                    format!("unknown option '{option}'"),
                ));
            }
        }
        Ok(())
    }

    /// Checks that the settings make sense together.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidArgument`] that names the option.
    pub fn check(&self) -> Result<()> {
        let within = |d: Duration, min: u64, max: u64| {
            d >= Duration::from_millis(min) && d <= Duration::from_millis(max)
        };
        let ptime_ok = within(self.ptime, 10, 60) && self.ptime.as_millis().is_multiple_of(10);
        let optional_ok = |d: Option<Duration>| d.is_none_or(|d| within(d, 100, 86_400_000));
        let checks: [(bool, &str, &dyn fmt::Debug); 11] = [
            (PortPool::capacity(&self.ports) > 0, "ports", &self.ports),
            (
                one_of_each(&self.bind) && !self.bind.is_empty(),
                "bind",
                &self.bind,
            ),
            (
                one_of_each(&self.advertise) && self.advertise.iter().all(|a| !a.is_unspecified()),
                "advertise",
                &self.advertise,
            ),
            ((1..=256).contains(&self.shards), "shards", &self.shards),
            (
                self.playout_target.is_none_or(|t| within(t, 10, 1000)),
                "playout-target",
                &self.playout_target,
            ),
            (
                ptime_ok && self.ptime.subsec_nanos().is_multiple_of(10_000_000),
                "ptime",
                &self.ptime,
            ),
            (optional_ok(self.keep_alive), "keep-alive", &self.keep_alive),
            (
                optional_ok(self.media_timeout),
                "media-timeout",
                &self.media_timeout,
            ),
            (
                within(self.quarantine, 0, 3_600_000),
                "quarantine",
                &self.quarantine,
            ),
            (
                within(self.digit_length, 40, 8000),
                "digit-length",
                &self.digit_length,
            ),
            (self.codecs.iter().len() > 0, "codecs", &self.codecs),
        ];
        match checks.iter().find(|(fine, ..)| !fine) {
            Some((_, option, value)) => Err(invalid(option, &format!("{value:?}"))),
            None => Ok(()),
        }
    }

    /// How playout is to work.
    pub(crate) fn playout_delay(&self) -> PlayoutDelay {
        let usual = match self.playout {
            PlayoutMode::Fixed => {
                return PlayoutDelay::fixed(self.playout_target.unwrap_or(FIXED_TARGET));
            }
            PlayoutMode::Recorder => PlayoutDelay::recorder(),
            _ => PlayoutDelay::default(),
        };
        let target = self.playout_target.unwrap_or(usual.target);
        PlayoutDelay {
            target,
            max: usual.max.max(target * 2),
            ..usual
        }
    }

    /// The address to bind for a peer at `toward`: of its family, or the first there is.
    pub(crate) fn bind_toward(&self, toward: Option<IpAddr>) -> Option<IpAddr> {
        match toward {
            Some(peer) => of_family(&self.bind, peer),
            None => self.bind.first().copied(),
        }
    }

    /// The address that peers are told instead of `bound`, if there is one.
    pub(crate) fn advertised_for(&self, bound: IpAddr) -> Option<IpAddr> {
        of_family(&self.advertise, bound)
    }
}

fn of_family(addresses: &[IpAddr], like: IpAddr) -> Option<IpAddr> {
    addresses
        .iter()
        .find(|a| a.is_ipv4() == like.is_ipv4())
        .copied()
}

fn one_of_each(addresses: &[IpAddr]) -> bool {
    let v4 = addresses.iter().filter(|a| a.is_ipv4()).count();
    v4 <= 1 && addresses.len() - v4 <= 1
}

fn invalid(option: &str, value: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("{option} {value}"))
}

fn parse<T: FromStr>(option: &str, value: &str) -> Result<T> {
    value.trim().parse().map_err(|_| invalid(option, value))
}

fn list(option: &str, value: &str) -> Result<Vec<IpAddr>> {
    value.split(',').map(|v| parse(option, v)).collect()
}

fn switch(option: &str, value: &str) -> Result<bool> {
    match value {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(invalid(option, value)),
    }
}

fn optional(option: &str, value: &str) -> Result<Option<Duration>> {
    match value {
        "off" => Ok(None),
        _ => duration(option, value).map(Some),
    }
}

fn duration(option: &str, value: &str) -> Result<Duration> {
    if let Some(millis) = value.strip_suffix("ms") {
        return Ok(Duration::from_millis(parse(option, millis)?));
    }
    match value.strip_suffix('s') {
        Some(seconds) => Ok(Duration::from_secs(parse(option, seconds)?)),
        None => Err(invalid(option, value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_set_by_name() {
        let mut config = EngineConfig::default();
        for (option, value) in [
            ("ports", "4000-4999"),
            ("bind", "127.0.0.1, ::1"),
            ("advertise", "192.0.2.1"),
            ("shards", "3"),
            ("rtcp-mux", "on"),
            ("priority", "off"),
            ("low-delay", "off"),
            ("playout", "fixed"),
            ("playout-target", "80ms"),
            ("ptime", "30ms"),
            ("keep-alive", "off"),
            ("media-timeout", "10s"),
            ("quarantine", "0s"),
            ("digit-length", "160ms"),
            ("codecs", "PCMA,L16/16000"),
        ] {
            config.set(option, value).unwrap();
        }
        config.check().unwrap();
        assert_eq!(config.ports, 4000..=4999);
        assert_eq!(config.bind.len(), 2);
        assert_eq!(
            config.bind_toward("2001:db8::1".parse().ok()),
            "::1".parse().ok()
        );
        assert_eq!(
            config.advertised_for(config.bind[0]),
            "192.0.2.1".parse().ok()
        );
        assert_eq!(config.advertised_for(config.bind[1]), None);
        assert!(
            config.rtcp_mux && !config.priority && !config.low_delay && config.keep_alive.is_none()
        );
        assert_eq!(config.media_timeout, Some(Duration::from_secs(10)));
        assert_eq!(config.codecs.iter().len(), 2);
    }

    #[test]
    fn what_is_unknown_or_makes_no_sense_is_named() {
        let mut config = EngineConfig::default();
        for (option, value) in [
            ("port", "4000-4999"),
            ("ports", "4000"),
            ("ports", "4000-70000"),
            ("bind", "localhost"),
            ("shards", "many"),
            ("rtcp-mux", "yes"),
            ("priority", "1"),
            ("low-delay", ""),
            ("playout", "best"),
            ("ptime", "20"),
            ("quarantine", "off"),
            ("codecs", "opus"),
        ] {
            let error = config.set(option, value).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(error.to_string().contains(option), "{error}");
        }
        for (option, value) in [
            ("ports", "4001-4002"),
            ("bind", "127.0.0.1,127.0.0.2"),
            ("advertise", "0.0.0.0"),
            ("shards", "0"),
            ("playout-target", "9ms"),
            ("ptime", "25ms"),
            ("keep-alive", "1ms"),
            ("media-timeout", "0s"),
            ("digit-length", "10ms"),
        ] {
            let mut config = EngineConfig::default();
            config.set(option, value).unwrap();
            let error = config.check().unwrap_err();
            assert!(error.to_string().contains(option), "{error}");
        }
    }
}
