//! Which ways messages take, where networks differ.

use super::DatagramLimits;

/// How messages take their ways.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct FlowPolicy {
    /// Whether requests of more than 1300 bytes that would go by UDP go by TCP, and by UDP only where that fails (RFC 3261
    /// section 18.1.1). Some peers listen at UDP only and drop, not refuse, what comes by TCP.
    pub long_by_tcp: bool,
    /// How the way to a registrar is kept open where it is one of datagrams.
    pub keep_alive: UdpKeepAlive,
    /// How many datagrams strangers may make us work for.
    pub datagrams: DatagramLimits,
    /// By which scheme peers may reach us.
    pub schemes: ReachedBy,
}

impl Default for FlowPolicy {
    fn default() -> Self {
        Self {
            long_by_tcp: true,
            keep_alive: UdpKeepAlive::Offered,
            datagrams: DatagramLimits::default(),
            schemes: ReachedBy::Either,
        }
    }
}

/// By which scheme peers may reach us; others are told so (RFC 5630 section 5.1.2). A `sips` URI that came by a way that
/// others can read is refused whatever this says.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum ReachedBy {
    /// By both.
    Either,
    /// By `sip` only.
    Sip,
    /// By `sips` only.
    Sips,
}

/// What is sent to a registrar over UDP every 24 to 29 seconds, or as often as its Flow-Timer says, so that NATs do not
/// forget the way (RFC 5626 section 4.4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum UdpKeepAlive {
    /// Nothing.
    Off,
    /// Line breaks, which are not answered, so that a way that is lost is not noticed.
    LineBreaks,
    /// STUN binding requests, whatever the server says. One that does not know them takes us for an attacker.
    Stun,
    /// STUN where the server says that it takes it (RFC 5626 section 8), else line breaks.
    Offered,
}
